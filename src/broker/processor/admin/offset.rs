//! Offsets of queues and groups (29 to 32, 43, 45, 308, 314). Java: `AdminBrokerProcessor`.

use std::sync::Arc;

use crate::broker::Broker;
use crate::broker::processor::reply;
use crate::protocol::body::offset::QueryCorrectionOffsetBody;
use crate::protocol::header::NoHeader;
use crate::protocol::header::offset::{
    CloneGroupOffsetRequestHeader, GetEarliestMsgStoretimeRequestHeader,
    GetEarliestMsgStoretimeResponseHeader, GetMaxOffsetRequestHeader, GetMaxOffsetResponseHeader,
    GetMinOffsetRequestHeader, GetMinOffsetResponseHeader, QueryCorrectionOffsetHeader,
    SearchOffsetRequestHeader, SearchOffsetResponseHeader,
};
use crate::remoting::{Fault, Request, Response};

/// Code 29.
pub fn search_offset_by_timestamp(
    broker: &Arc<Broker>,
    request: Request<SearchOffsetRequestHeader>,
) -> Result<Response, Fault> {
    let SearchOffsetRequestHeader { topic, queue_id, timestamp } = &request.header;
    let offset = broker.store.offset_by_time(topic, *queue_id, *timestamp);
    Ok(Response::ok().header(&SearchOffsetResponseHeader { offset }))
}

/// Code 30.
pub fn get_max_offset(
    broker: &Arc<Broker>,
    request: Request<GetMaxOffsetRequestHeader>,
) -> Result<Response, Fault> {
    let offset = broker.store.max_offset(&request.header.topic, request.header.queue_id);
    Ok(Response::ok().header(&GetMaxOffsetResponseHeader { offset }))
}

/// Code 31.
pub fn get_min_offset(
    broker: &Arc<Broker>,
    request: Request<GetMinOffsetRequestHeader>,
) -> Result<Response, Fault> {
    let offset = broker.store.min_offset(&request.header.topic, request.header.queue_id);
    // Java makes the queue that it does not find, and that begins at 0.
    Ok(Response::ok().header(&GetMinOffsetResponseHeader { offset: offset.max(0) }))
}

/// Code 32.
pub fn get_earliest_msg_storetime(
    broker: &Arc<Broker>,
    request: Request<GetEarliestMsgStoretimeRequestHeader>,
) -> Result<Response, Fault> {
    let timestamp = broker.store.earliest_store_time(&request.header.topic, request.header.queue_id);
    Ok(Response::ok().header(&GetEarliestMsgStoretimeResponseHeader { timestamp }))
}

/// Code 43: what a slave takes over.
pub fn get_all_consumer_offset(broker: &Arc<Broker>, _request: Request<NoHeader>) -> Result<Response, Fault> {
    Ok(reply(&broker.offsets.snapshot()))
}

/// Code 45: what a slave writes to its `delayOffset.json`.
pub fn get_all_delay_offset(broker: &Arc<Broker>, _request: Request<NoHeader>) -> Result<Response, Fault> {
    Ok(reply(&broker.schedule.snapshot()))
}

/// Code 308: where each queue's slowest group stands; `Long.MAX_VALUE` where the group to compare with is slower. Groups
/// that are filtered out do not count.
pub fn query_correction_offset(
    broker: &Arc<Broker>,
    request: Request<QueryCorrectionOffsetHeader>,
) -> Result<Response, Fault> {
    let QueryCorrectionOffsetHeader { filter_groups, compare_group, topic } = &request.header;
    let is_left_out = |group: &str| {
        filter_groups.as_deref().is_some_and(|groups| groups.split(',').any(|filtered| filtered == group))
    };
    let min_offset = |queue_id| broker.store.min_offset(topic, queue_id);
    let mut correction_offsets = broker.offsets.lowest(topic, is_left_out, min_offset);
    let compared = broker.offsets.query_topic(compare_group, topic).unwrap_or_default();
    for (queue_id, lowest) in &mut correction_offsets {
        if compared.get(queue_id).is_some_and(|offset| *lowest > *offset) {
            *lowest = i64::MAX;
        }
    }
    Ok(reply(&QueryCorrectionOffsetBody { correction_offsets }))
}

/// Code 314.
pub fn clone_group_offset(
    broker: &Arc<Broker>,
    request: Request<CloneGroupOffsetRequestHeader>,
) -> Result<Response, Fault> {
    let CloneGroupOffsetRequestHeader { src_group, dest_group, topic, offline } = &request.header;
    let topics = match topic.as_deref().filter(|topic| !topic.trim().is_empty()) {
        Some(topic) => vec![topic.to_owned()],
        None => broker.offsets.topics_of(src_group),
    };
    for topic in &topics {
        if broker.topics.get(topic).is_none() {
            tracing::warn!(topic, "offsets of a topic that does not exist not cloned");
            continue;
        }
        // A group whose members are there is taken at their word.
        let subscriptions =
            broker.consumers.find(src_group).map(|group| group.subscriptions()).unwrap_or_default();
        if !offline && !subscriptions.is_empty() && !subscriptions.contains_key(topic) {
            tracing::warn!(
                src_group,
                topic,
                "offsets of a topic that the group does not subscribe to not cloned"
            );
            continue;
        }
        broker.offsets.clone_offset(src_group, dest_group, topic);
    }
    Ok(Response::ok())
}
