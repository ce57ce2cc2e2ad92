//! Statistics and how far groups are (303, 315, 317). Java: `AdminBrokerProcessor`. All of it reads store times, and blocks.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::group;
use crate::broker::Broker;
use crate::broker::processor::reply;
use crate::protocol::body::queue::MessageQueue;
use crate::protocol::body::stats::{
    BrokerStatsData, ConsumeStats, ConsumeStatsList, QueryConsumeTimeSpanBody, QueueTimeSpan,
};
use crate::protocol::header::admin::ViewBrokerStatsDataRequestHeader;
use crate::protocol::header::offset::QueryConsumeTimeSpanRequestHeader;
use crate::protocol::header::topic::GetConsumeStatsInBrokerHeader;
use crate::protocol::response_code::ResponseCode;
use crate::remoting::{Fault, Request, Response};

/// Code 315.
pub fn view_broker_stats_data(
    broker: &Arc<Broker>,
    request: Request<ViewBrokerStatsDataRequestHeader>,
) -> Result<Response, Fault> {
    let ViewBrokerStatsDataRequestHeader { stats_name, stats_key } = &request.header;
    let found = broker.statistics.find(stats_name, stats_key);
    let [stats_minute, stats_hour, stats_day] = found.ok_or_else(|| {
        let remark = format!("The stats <{stats_name}> <{stats_key}> not exist");
        Fault::new(ResponseCode::SystemError, remark)
    })?;
    Ok(reply(&BrokerStatsData { stats_day, stats_hour, stats_minute }))
}

/// Code 303: of each queue the times of its first, its last and its last consumed message.
pub fn query_consume_time_span(
    broker: &Arc<Broker>,
    request: Request<QueryConsumeTimeSpanRequestHeader>,
) -> Result<Response, Fault> {
    let QueryConsumeTimeSpanRequestHeader { topic, group } = &request.header;
    let config = broker
        .topics
        .get(topic)
        .ok_or_else(|| Fault::new(ResponseCode::TopicNotExist, format!("topic[{topic}] not exist")))?;
    let span = |queue_id: i32| {
        let store = &broker.store;
        let earliest = store.earliest_store_time(topic, queue_id);
        let end = store.max_offset(topic, queue_id);
        let latest = store.store_time_of(topic, queue_id, end - 1);
        let offset = broker.offsets.query(group, topic, queue_id).unwrap_or(-1);
        let consumed = if offset > 0 { store.store_time_of(topic, queue_id, offset - 1) } else { earliest };
        // Java takes the time of a message that there is not, and tells a delay since 1970.
        let next = if offset < end { store.store_time_of(topic, queue_id, offset.max(0)) } else { -1 };
        let delay = if next > 0 { broker.now_ms() - next } else { 0 };
        let queue = MessageQueue::new(topic, &broker.config.broker_name, queue_id);
        QueueTimeSpan::new(queue, earliest, latest, consumed, delay)
    };
    Ok(reply(&QueryConsumeTimeSpanBody {
        consume_time_span_set: (0..config.write_queue_nums).map(span).collect(),
    }))
}

/// Code 317: how far every group is behind, topic by topic.
pub fn get_broker_consume_stats(
    broker: &Arc<Broker>,
    request: Request<GetConsumeStatsInBrokerHeader>,
) -> Result<Response, Fault> {
    let mut total_diff = 0;
    let mut consume_stats_list = Vec::new();
    for name in broker.groups.names() {
        let mut of_group = Vec::new();
        let members = broker.consumers.find(&name);
        for topic in broker.offsets.topics_of(&name) {
            let Some(config) = broker.topics.get(&topic) else { continue };
            let is_wanted = config.order || !request.header.is_order;
            if !is_wanted || !group::is_concern(members.as_deref(), &topic) {
                continue;
            }
            let queue = |queue_id: i32| {
                let queue = MessageQueue::new(&topic, &broker.config.broker_name, queue_id);
                (queue, group::progress(broker, &name, &topic, queue_id))
            };
            let stats = ConsumeStats {
                offset_table: (0..config.write_queue_nums).map(queue).collect(),
                consume_tps: broker.statistics.tps(&topic, &name),
            };
            total_diff += stats.compute_total_diff();
            of_group.push(stats);
        }
        consume_stats_list.push(BTreeMap::from([(name, of_group)]));
    }
    let broker_addr = Some(broker.store_host.to_string());
    Ok(reply(&ConsumeStatsList { broker_addr, consume_stats_list, total_diff }))
}
