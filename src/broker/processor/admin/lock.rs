//! Queues locked for ordered consumption (41, 42). Java: `AdminBrokerProcessor`, `RebalanceLockManager`.

use std::sync::Arc;

use crate::broker::Broker;
use crate::broker::processor::client_manage::CLIENT_ID_MAX_BYTES;
use crate::broker::processor::{body, reply};
use crate::protocol::body::queue::{
    LockBatchRequestBody, LockBatchResponseBody, MessageQueue, UnlockBatchRequestBody,
};
use crate::protocol::header::NoHeader;
use crate::protocol::response_code::ResponseCode;
use crate::protocol::topic;
use crate::remoting::{Fault, Request, Response};

/// Code 41.
pub fn lock_batch_mq(broker: &Arc<Broker>, request: Request<NoHeader>) -> Result<Response, Fault> {
    let LockBatchRequestBody { client_id, consumer_group, mut mq_set } = body(&request.command)?;
    if topic::check_group(&consumer_group).is_err() || client_id.len() > CLIENT_ID_MAX_BYTES {
        let remark = "queues are not locked for a client or group of such a name";
        return Err(Fault::new(ResponseCode::SystemError, remark));
    }
    let asked = mq_set.len();
    mq_set.retain(|queue| is_here(broker, queue));
    if mq_set.len() < asked {
        let (group, others) = (&consumer_group, asked - mq_set.len());
        tracing::warn!(group, client_id, others, "queues that are not here are not locked");
    }
    let lock_ok_mq_set = broker.locks.lock(&consumer_group, &client_id, mq_set);
    Ok(reply(&LockBatchResponseBody { lock_ok_mq_set }))
}

/// Java locks whatever it is asked for; clients ask for what routes named.
fn is_here(broker: &Broker, queue: &MessageQueue) -> bool {
    queue.broker_name == broker.config.broker_name && broker.topics.has_queue(&queue.topic, queue.queue_id)
}

/// Code 42.
pub fn unlock_batch_mq(broker: &Arc<Broker>, request: Request<NoHeader>) -> Result<Response, Fault> {
    let UnlockBatchRequestBody { client_id, consumer_group, mq_set } = body(&request.command)?;
    broker.locks.unlock(&consumer_group, &client_id, &mq_set);
    Ok(Response::ok())
}
