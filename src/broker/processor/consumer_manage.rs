//! Consumer groups' members and offsets (38, 14, 15). Java: `ConsumerManageProcessor`.

use std::sync::Arc;

use super::reply;
use crate::broker::{Broker, log_lines};
use crate::protocol::body::client::GetConsumerListByGroupResponseBody;
use crate::protocol::header::client::GetConsumerListByGroupRequestHeader;
use crate::protocol::header::offset::{
    QueryConsumerOffsetRequestHeader, QueryConsumerOffsetResponseHeader, UpdateConsumerOffsetRequestHeader,
};
use crate::protocol::response_code::ResponseCode;
use crate::remoting::{Fault, Request, Response};

/// Code 38.
pub fn get_consumer_list_by_group(
    broker: &Arc<Broker>,
    request: Request<GetConsumerListByGroupRequestHeader>,
) -> Result<Response, Fault> {
    let group = &request.header.consumer_group;
    let consumer_id_list = broker.consumers.find(group).map(|group| group.client_ids()).unwrap_or_default();
    if consumer_id_list.is_empty() {
        tracing::debug!(group, remote = %request.peer.remote(), "no consumer of the group is connected");
        let remark = format!("no consumer for this group, {group}");
        return Err(Fault::new(ResponseCode::SystemError, remark));
    }
    Ok(reply(&GetConsumerListByGroupResponseBody { consumer_id_list }))
}

/// Code 14.
pub fn query_consumer_offset(
    broker: &Arc<Broker>,
    request: Request<QueryConsumerOffsetRequestHeader>,
) -> Result<Response, Fault> {
    let QueryConsumerOffsetRequestHeader { consumer_group, topic, queue_id } = &request.header;
    let committed = broker.offsets.query(consumer_group, topic, *queue_id).filter(|offset| *offset >= 0);
    // A queue that still has its first message at hand is consumed from there by a new group.
    let starts_at_zero =
        || broker.store.min_offset(topic, *queue_id) <= 0 && !broker.store.is_in_disk(topic, *queue_id, 0);
    match committed.or_else(|| starts_at_zero().then_some(0)) {
        Some(offset) => Ok(Response::ok().header(&QueryConsumerOffsetResponseHeader { offset })),
        None => {
            let remark = "Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first";
            let response = Response::of(ResponseCode::QueryNotFound, remark);
            Ok(Response { ext: Some(Default::default()), ..response })
        }
    }
}

/// Code 15.
pub fn update_consumer_offset(
    broker: &Arc<Broker>,
    request: Request<UpdateConsumerOffsetRequestHeader>,
) -> Result<Response, Fault> {
    let UpdateConsumerOffsetRequestHeader { consumer_group, topic, queue_id, commit_offset } =
        &request.header;
    // What is not kept is of no use to anybody; clients look at no answer.
    if may_commit(broker, consumer_group, topic, *queue_id) {
        broker.offsets.commit(consumer_group, topic, *queue_id, *commit_offset);
        if broker.is_slave() {
            broker.following.committed(consumer_group, topic, *queue_id, *commit_offset);
        }
    } else {
        let (group, topic) = (log_lines::beginning(consumer_group), log_lines::beginning(topic));
        tracing::debug!(group, topic, "offset of a topic or group that is not here is not kept");
    }
    Ok(Response { ext: Some(Default::default()), ..Response::ok() })
}

fn may_commit(broker: &Broker, group: &str, topic: &str, queue_id: i32) -> bool {
    broker.offsets.may_commit(group, topic, queue_id, || {
        broker.topics.has_queue(topic, queue_id) && broker.groups.get(group).is_some()
    })
}
