//! A producer's decision on a half message (37), and the question for it (39). Java: `EndTransactionProcessor`,
//! `AbstractTransactionalMessageCheckListener`. What transactions are is `broker::transaction`'s.

use std::sync::Arc;

use crate::broker::Broker;
use crate::broker::acl::Use;
use crate::broker::transaction::{self, Decision, EndError, Named, Question, Rules};
use crate::config::store::BrokerRole;
use crate::protocol::header::transaction::{CheckTransactionStateRequestHeader, EndTransactionRequestHeader};
use crate::protocol::message::{SYS_FLAG_TRANSACTION_COMMIT, SYS_FLAG_TRANSACTION_ROLLBACK};
use crate::protocol::perm;
use crate::protocol::request_code::RequestCode;
use crate::protocol::response_code::ResponseCode;
use crate::protocol::topic::RMQ_SYS_TRANS_HALF_TOPIC;
use crate::remoting::{Command, Fault, Request, Response};
use crate::store::PutStatus;

const HOUR_MS: i64 = 3_600_000;

/// Code 37.
pub fn end_transaction(
    broker: &Arc<Broker>,
    request: Request<EndTransactionRequestHeader>,
) -> Result<Response, Fault> {
    let (header, remote) = (&request.header, request.peer.remote());
    if broker.store_config.broker_role == BrokerRole::Slave {
        return Err(Fault::new(ResponseCode::SlaveNotAvailable, "a slave ends no transactions"));
    }
    let decision = match header.commit_or_rollback {
        SYS_FLAG_TRANSACTION_COMMIT => Decision::Commit,
        SYS_FLAG_TRANSACTION_ROLLBACK => Decision::Rollback,
        0 => {
            tracing::info!(%remote, producer_group = header.producer_group,
                commit_log_offset = header.commit_log_offset, "transaction not decided yet");
            return Ok(Response::ok());
        }
        other => {
            let remark = format!("commitOrRollback is {other}: 8 commits, 12 rolls back, 0 is not known yet");
            return Err(Fault::new(ResponseCode::SystemError, remark));
        }
    };
    let named = Named {
        producer_group: &header.producer_group,
        queue_offset: header.tran_state_table_offset,
        commit_log_offset: header.commit_log_offset,
    };
    if let Some(record) = broker.acl.as_ref().and_then(|_| broker.store.message_at(named.commit_log_offset)) {
        super::check_record(broker, &request, &record, Use::Publish)?;
    }
    let ended = broker.transactions.end(&broker.store, &broker.offsets, broker.store_host, named, decision);
    ended.map_err(|error| {
        tracing::warn!(%remote, %error, ?named, ?decision, "transaction not ended");
        let code = match error {
            EndError::Refused(PutStatus::ServiceNotAvailable) => ResponseCode::ServiceNotAvailable,
            EndError::Refused(PutStatus::MessageIllegal | PutStatus::PropertiesSizeExceeded) => {
                ResponseCode::MessageIllegal
            }
            _ => ResponseCode::SystemError,
        };
        Fault::new(code, error.to_string())
    })?;
    Ok(Response::ok())
}

/// Asks for the decisions that are overdue: a round of `transactionCheckInterval`.
pub async fn check_transactions(broker: Arc<Broker>) {
    let round = tokio::task::spawn_blocking(move || {
        let read_write = perm::PERM_READ | perm::PERM_WRITE;
        for topic in [RMQ_SYS_TRANS_HALF_TOPIC, transaction::CHECK_MAX_TIME_TOPIC] {
            broker.create_topic_on_send_back(topic, 1, read_write, 0);
        }
        let rules = Rules {
            timeout_ms: broker.live.transaction_time_out(),
            check_max: broker.live.transaction_check_max(),
            reserved_ms: i64::from(broker.store.settings().file_reserved_time()).saturating_mul(HOUR_MS),
        };
        let now_ms = || broker.now_ms();
        let began_ms = now_ms();
        tracing::info!("Begin to check prepare message, begin time:{began_ms}");
        let round =
            broker.transactions.check(&broker.store, &broker.offsets, broker.store_host, rules, now_ms);
        for question in round.questions {
            ask(&broker, question);
        }
        tracing::info!("End to check prepare message, consumed time:{}", now_ms() - began_ms);
    });
    if let Err(error) = round.await {
        tracing::error!(%error, "transactions not checked, tried again with the next round");
    }
}

fn ask(broker: &Broker, question: Question) {
    let group = &question.producer_group;
    let Some(peer) = broker.producers.pick(group) else {
        tracing::warn!(
            group,
            commit_log_offset = question.commit_log_offset,
            "no producer of the group is there to be asked about a transaction"
        );
        return;
    };
    let header = CheckTransactionStateRequestHeader {
        tran_state_table_offset: question.queue_offset,
        commit_log_offset: question.commit_log_offset,
        msg_id: question.unique_key.clone(),
        transaction_id: question.unique_key,
        offset_msg_id: Some(question.offset_msg_id),
    };
    let request = Command::request(RequestCode::CheckTransactionState, &header).with_body(question.record);
    if let Err(error) = peer.one_way(request) {
        tracing::warn!(group, remote = %peer.remote(), %error, "producer not asked about a transaction");
    }
}
