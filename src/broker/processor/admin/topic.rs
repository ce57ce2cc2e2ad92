//! Topics and subscription groups (17, 21, 200, 201, 202, 207, 215, 305, 306, 316). Java: `AdminBrokerProcessor`.

use std::sync::Arc;

use crate::broker::Broker;
use crate::broker::processor::{body, not_saved, reply};
use crate::protocol::body::group::SubscriptionGroupConfig;
use crate::protocol::body::queue::MessageQueue;
use crate::protocol::body::stats::{TopicOffset, TopicStatsTable};
use crate::protocol::body::topic::{TopicConfig, TopicList};
use crate::protocol::header::NoHeader;
use crate::protocol::header::topic::{
    CreateTopicRequestHeader, DeleteSubscriptionGroupRequestHeader, DeleteTopicRequestHeader,
    GetTopicStatsInfoRequestHeader,
};
use crate::protocol::response_code::ResponseCode;
use crate::remoting::{Fault, Request, Response};
use crate::store::Gone;

/// Code 17. Java answers before it applies the change; here the change is saved and, where the name servers
/// answer in time, registered.
pub async fn update_and_create_topic(
    broker: Arc<Broker>,
    request: Request<CreateTopicRequestHeader>,
) -> Result<Response, Fault> {
    let header = request.header;
    if header.topic == broker.config.broker_cluster_name {
        let remark = format!("the topic[{}] is conflict with system reserved words.", header.topic);
        return Err(Fault::new(ResponseCode::SystemError, remark));
    }
    let config = TopicConfig {
        // Only the name servers' ORDER_TOPIC_CONFIG makes a topic ordered or not.
        order: broker.topics.is_order(&header.topic),
        topic_name: header.topic,
        read_queue_nums: header.read_queue_nums,
        write_queue_nums: header.write_queue_nums,
        perm: header.perm,
        topic_filter_type: header.topic_filter_type,
        topic_sys_flag: header.topic_sys_flag.unwrap_or(0),
    };
    let (topic, is_new) = (config.topic_name.clone(), broker.topics.get(&config.topic_name).is_none());
    broker.topics.update(config).map_err(|error| Fault::new(ResponseCode::SystemError, error.to_string()))?;
    if is_new {
        broker.topic_begins(&topic);
    }
    let state = Arc::clone(&broker);
    let saved = tokio::task::spawn_blocking(move || state.topics.persist()).await;
    saved.map_err(not_saved)?.map_err(not_saved)?;
    broker.registered().await;
    Ok(Response::ok())
}

/// Code 215. Name servers do not forget a topic by a registration, as in Java: `mqadmin` tells them (216). By then none may be
/// on its way that still has the topic.
pub async fn delete_topic_in_broker(
    broker: Arc<Broker>,
    request: Request<DeleteTopicRequestHeader>,
) -> Result<Response, Fault> {
    let state = Arc::clone(&broker);
    let deleted = tokio::task::spawn_blocking(move || delete_topic(&state, &request.header.topic)).await;
    deleted.map_err(|error| Fault::new(ResponseCode::SystemError, error.to_string()))??;
    broker.registered().await;
    Ok(Response::ok())
}

fn delete_topic(broker: &Broker, topic: &str) -> Result<(), Fault> {
    // The settings first: what is deleted must not be made again by a send that still finds them.
    broker.topics.delete(topic);
    broker.topics.persist().map_err(not_saved)?;
    let gone = broker.store.delete_topic(topic);
    // They would count for a topic that is made again under this name and begins at 0.
    broker.offsets.remove_topic(topic);
    broker.statistics.forget_topic(topic);
    // Also of queues that have had no message yet.
    broker.holds.queues_gone(|of_topic, _| of_topic == topic);
    gone.error.map_or(Ok(()), |error| Err(Fault::new(ResponseCode::SystemError, error.to_string())))
}

/// Code 306.
pub fn clean_expired_consume_queue(
    broker: &Arc<Broker>,
    request: Request<NoHeader>,
) -> Result<Response, Fault> {
    cleaned(broker, &request, "consume queues without messages deleted", broker.store.clean_expired_queues())
}

/// Code 316.
pub fn clean_unused_topic(broker: &Arc<Broker>, request: Request<NoHeader>) -> Result<Response, Fault> {
    let is_known = |topic: &str| broker.topics.get(topic).is_some();
    let gone = broker.store.clean_unused_topics(is_known);
    cleaned(broker, &request, "consume queues of unknown topics deleted", gone)
}

fn cleaned(broker: &Broker, request: &Request<NoHeader>, what: &str, gone: Gone) -> Result<Response, Fault> {
    broker.queues_gone(&gone);
    tracing::info!(remote = %request.peer.remote(), queues = gone.queues.len(), "{what}");
    gone.error
        .map_or(Ok(Response::ok()), |error| Err(Fault::new(ResponseCode::SystemError, error.to_string())))
}

/// Code 21.
pub fn get_all_topic_config(broker: &Arc<Broker>, _request: Request<NoHeader>) -> Result<Response, Fault> {
    Ok(reply(&broker.topics.snapshot()))
}

/// Code 202: a row for each write queue, empty ones too.
pub fn get_topic_stats_info(
    broker: &Arc<Broker>,
    request: Request<GetTopicStatsInfoRequestHeader>,
) -> Result<Response, Fault> {
    let topic = &request.header.topic;
    let config = broker
        .topics
        .get(topic)
        .ok_or_else(|| Fault::new(ResponseCode::TopicNotExist, format!("topic[{topic}] not exist")))?;
    let row = |queue_id: i32| {
        let max_offset = broker.store.max_offset(topic, queue_id).max(0);
        let last_update_timestamp = match max_offset {
            0 => 0,
            max_offset => broker.store.store_time_of(topic, queue_id, max_offset - 1),
        };
        let min_offset = broker.store.min_offset(topic, queue_id).max(0);
        let queue = MessageQueue::new(topic, &broker.config.broker_name, queue_id);
        (queue, TopicOffset { last_update_timestamp, max_offset, min_offset })
    };
    Ok(reply(&TopicStatsTable { offset_table: (0..config.write_queue_nums).map(row).collect() }))
}

/// Code 305.
pub fn get_system_topic_list_from_broker(
    broker: &Arc<Broker>,
    _request: Request<NoHeader>,
) -> Result<Response, Fault> {
    Ok(reply(&TopicList { broker_addr: None, topic_list: broker.topics.system_topics() }))
}

/// Code 200.
pub fn update_and_create_subscription_group(
    broker: &Arc<Broker>,
    request: Request<NoHeader>,
) -> Result<Response, Fault> {
    let config: SubscriptionGroupConfig = body(&request.command)?;
    let updated = broker.groups.update(config);
    updated.map_err(|error| Fault::new(ResponseCode::SystemError, error.to_string()))?;
    broker.groups.persist().map_err(not_saved)?;
    Ok(Response::ok())
}

/// Code 201.
pub fn get_all_subscription_group_config(
    broker: &Arc<Broker>,
    _request: Request<NoHeader>,
) -> Result<Response, Fault> {
    Ok(reply(&broker.groups.snapshot()))
}

/// Code 207. The group's offsets stay, as in Java, unless a tool of 4.9 on asks for more.
pub fn delete_subscription_group(
    broker: &Arc<Broker>,
    request: Request<DeleteSubscriptionGroupRequestHeader>,
) -> Result<Response, Fault> {
    let DeleteSubscriptionGroupRequestHeader { group_name: group, clean_offset } = &request.header;
    broker.groups.delete(group);
    broker.statistics.forget_group(group);
    broker.groups.persist().map_err(not_saved)?;
    if *clean_offset {
        broker.offsets.remove_group(group);
    }
    Ok(Response::ok())
}
