//! Offsets of queues and groups (29 to 32, 43, 45). Java: `AdminBrokerProcessor`.

use std::sync::Arc;

use crate::broker::Broker;
use crate::broker::processor::reply;
use crate::protocol::header::NoHeader;
use crate::protocol::header::offset::{
    GetEarliestMsgStoretimeRequestHeader, GetEarliestMsgStoretimeResponseHeader, GetMaxOffsetRequestHeader,
    GetMaxOffsetResponseHeader, GetMinOffsetRequestHeader, GetMinOffsetResponseHeader,
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
