//! Who is connected and how far groups are (203, 204, 208, 300). Java: `AdminBrokerProcessor`.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::broker::Broker;
use crate::broker::consumers::ConsumerGroup;
use crate::broker::processor::reply;
use crate::protocol::body::client::{GroupList, ProducerConnection};
use crate::protocol::body::queue::MessageQueue;
use crate::protocol::body::stats::{ConsumeStats, OffsetWrapper};
use crate::protocol::header::client::{
    GetConsumerConnectionListRequestHeader, GetProducerConnectionListRequestHeader,
};
use crate::protocol::header::topic::{GetConsumeStatsRequestHeader, QueryTopicConsumeByWhoRequestHeader};
use crate::protocol::response_code::ResponseCode;
use crate::remoting::{Fault, Request, Response};

/// Code 203.
pub fn get_consumer_connection_list(
    broker: &Arc<Broker>,
    request: Request<GetConsumerConnectionListRequestHeader>,
) -> Result<Response, Fault> {
    let group = &request.header.consumer_group;
    let members = broker.consumers.find(group).ok_or_else(|| {
        Fault::new(ResponseCode::ConsumerNotOnline, format!("the consumer group[{group}] not online"))
    })?;
    Ok(reply(&members.connections()))
}

/// Code 204.
pub fn get_producer_connection_list(
    broker: &Arc<Broker>,
    request: Request<GetProducerConnectionListRequestHeader>,
) -> Result<Response, Fault> {
    let group = &request.header.producer_group;
    let connection_set = broker.producers.connections(group).ok_or_else(|| {
        Fault::new(ResponseCode::SystemError, format!("the producer group[{group}] not exist"))
    })?;
    Ok(reply(&ProducerConnection { connection_set }))
}

/// Code 300: groups that subscribe to a topic, and those that only have offsets of it.
pub fn query_topic_consume_by_who(
    broker: &Arc<Broker>,
    request: Request<QueryTopicConsumeByWhoRequestHeader>,
) -> Result<Response, Fault> {
    let topic = &request.header.topic;
    let mut group_list: BTreeSet<String> = broker.consumers.groups_of_topic(topic).into_iter().collect();
    group_list.extend(broker.offsets.groups_of(topic));
    Ok(reply(&GroupList { group_list }))
}

/// Code 208: how far a group is behind, queue by queue. Blocks: store times are read.
pub fn get_consume_stats(
    broker: &Arc<Broker>,
    request: Request<GetConsumeStatsRequestHeader>,
) -> Result<Response, Fault> {
    let group = &request.header.consumer_group;
    let topics = match request.header.topic.as_deref().map(str::trim) {
        None | Some("") => broker.offsets.topics_of(group),
        Some(topic) => vec![topic.to_owned()],
    };
    let members = broker.consumers.find(group);
    let mut stats = ConsumeStats::default();
    for topic in topics.iter().filter(|topic| is_concern(members.as_deref(), topic)) {
        let Some(config) = broker.topics.get(topic) else { continue };
        for queue_id in 0..config.read_queue_nums {
            let queue = MessageQueue::new(topic, &broker.config.broker_name, queue_id);
            stats.offset_table.insert(queue, progress(broker, group, topic, queue_id));
        }
        stats.consume_tps += broker.statistics.tps(topic, group);
    }
    Ok(reply(&stats))
}

/// A topic that a connected group does not subscribe to any more is not its concern.
pub(super) fn is_concern(members: Option<&ConsumerGroup>, topic: &str) -> bool {
    members.is_none_or(|members| members.subscription(topic).is_some() || members.subscriptions().is_empty())
}

/// How far a group is in a queue.
pub(super) fn progress(broker: &Broker, group: &str, topic: &str, queue_id: i32) -> OffsetWrapper {
    let consumer_offset = broker.offsets.query(group, topic, queue_id).unwrap_or(0).max(0);
    let last_timestamp = match consumer_offset {
        0 => 0,
        consumed => broker.store.store_time_of(topic, queue_id, consumed - 1).max(0),
    };
    let broker_offset = broker.store.max_offset(topic, queue_id).max(0);
    OffsetWrapper { broker_offset, consumer_offset, last_timestamp }
}
