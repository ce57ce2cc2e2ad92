//! Queues locked for ordered consumption (41, 42). Java: `AdminBrokerProcessor`, `RebalanceLockManager`.

use std::sync::Arc;

use crate::broker::Broker;
use crate::broker::processor::{body, reply};
use crate::protocol::body::queue::{LockBatchRequestBody, LockBatchResponseBody, UnlockBatchRequestBody};
use crate::protocol::header::NoHeader;
use crate::remoting::{Fault, Request, Response};

/// Code 41.
pub fn lock_batch_mq(broker: &Arc<Broker>, request: Request<NoHeader>) -> Result<Response, Fault> {
    let LockBatchRequestBody { client_id, consumer_group, mq_set } = body(&request.command)?;
    let lock_ok_mq_set = broker.locks.lock(&consumer_group, &client_id, mq_set);
    Ok(reply(&LockBatchResponseBody { lock_ok_mq_set }))
}

/// Code 42.
pub fn unlock_batch_mq(broker: &Arc<Broker>, request: Request<NoHeader>) -> Result<Response, Fault> {
    let UnlockBatchRequestBody { client_id, consumer_group, mq_set } = body(&request.command)?;
    broker.locks.unlock(&consumer_group, &client_id, &mq_set);
    Ok(Response::ok())
}
