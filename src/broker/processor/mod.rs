//! The broker's requests (Java: `BrokerController.registerProcessor`): which code leads to which handler, and
//! on which pool where it may block. A handler without a pool answers on its connection's task.

pub mod admin;
pub mod client_manage;
pub mod consumer_manage;
pub mod end_transaction;
pub mod pull;
pub mod query;
pub mod reply_message;
pub mod send;

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use self::admin::{config, consumer, group, ha, lock, offset, progress, queue, stats, topic};
use super::Broker;
use super::acl::Use;
use crate::protocol::request_code::{self, RequestCode};
use crate::protocol::response_code::ResponseCode;
use crate::remoting::router::Pool;
use crate::remoting::waiting::WaitBudget;
use crate::remoting::{Command, Fault, Request, Response, Router};

/// The groups of codes that may block (behaviour.md 2.9).
#[derive(Debug)]
pub struct Pools {
    /// Of all that wait, here and for messages.
    pub budget: Arc<WaitBudget>,
    /// Pulls far behind the log's end.
    pub pull: Arc<Pool>,
    /// Messages looked up.
    pub query: Arc<Pool>,
    /// Transactions ended: their half messages may lie far back.
    pub transaction: Arc<Pool>,
    /// Administration. Java's queue has no end; ours is far beyond what tools send.
    pub admin: Arc<Pool>,
}

impl Pools {
    /// Pools as configured.
    pub fn new(config: &crate::config::broker::BrokerConfig, budget: Arc<WaitBudget>) -> Pools {
        let size = |number: i32| usize::try_from(number).unwrap_or(0);
        let threads = |number: i32| size(number).max(1);
        let pull = threads(config.pull_message_thread_pool_nums);
        let query = threads(config.query_message_thread_pool_nums);
        let admin = threads(config.admin_broker_thread_pool_nums);
        Pools {
            pull: Pool::new("pull", pull, size(config.pull_thread_pool_queue_capacity), &budget),
            query: Pool::new("query", query, size(config.query_thread_pool_queue_capacity), &budget),
            transaction: Pool::new(
                "transaction",
                TRANSACTION_THREADS,
                size(config.send_thread_pool_queue_capacity),
                &budget,
            ),
            admin: Pool::new("admin", admin, ADMIN_QUEUE_CAPACITY, &budget),
            budget,
        }
    }
}

/// One after the other is the rule of transactions; the rest of the work is reading.
const TRANSACTION_THREADS: usize = 4;
const ADMIN_QUEUE_CAPACITY: usize = 10_000;

/// The table.
#[rustfmt::skip]
pub fn router(broker: Arc<Broker>) -> Router<Broker> {
    let query = &Arc::clone(&broker.pools.query);
    let transaction = &Arc::clone(&broker.pools.transaction);
    let admin = &Arc::clone(&broker.pools.admin);
    let allowed = broker.admin_allowed.clone();
    let acl = broker.acl.clone();
    let router = Router::new(broker);
    let router = match acl {
        Some(acl) => router.guarded_by(move |peer, command, is_changing| {
            acl.check(peer.remote().ip(), command, is_changing)
        }),
        None => router,
    };
    router
        .changes_from("adminAllowedAddrs", move |ip| allowed.is_empty() || allowed.contains(ip), request_code::name_of)
        .hinting(|code| match request_code::is_of_namesrv(code) {
            true => "; this is a broker, usually on port 10911, and that a request for name servers, usually on port 9876",
            false => "",
        })
        .on_command(RequestCode::SendMessage, send::send_message)
        .on_command(RequestCode::PullMessage, pull::pull_message)
        .on_blocking(RequestCode::QueryMessage, query, query::query_message)
        .on(RequestCode::QueryConsumerOffset, consumer_manage::query_consumer_offset)
        .on(RequestCode::UpdateConsumerOffset, consumer_manage::update_consumer_offset)
        .on_async(RequestCode::UpdateAndCreateTopic, topic::update_and_create_topic).changing()
        .on_blocking(RequestCode::GetAllTopicConfig, admin, topic::get_all_topic_config)
        .on_blocking(RequestCode::UpdateBrokerConfig, admin, config::update_broker_config).changing()
        .on_blocking(RequestCode::GetBrokerConfig, admin, config::get_broker_config)
        .on_blocking(RequestCode::GetBrokerRuntimeInfo, admin, stats::get_broker_runtime_info)
        .on_blocking(RequestCode::SearchOffsetByTimestamp, admin, offset::search_offset_by_timestamp)
        .on(RequestCode::GetMaxOffset, offset::get_max_offset)
        .on(RequestCode::GetMinOffset, offset::get_min_offset)
        .on_blocking(RequestCode::GetEarliestMsgStoretime, admin, offset::get_earliest_msg_storetime)
        .on_blocking(RequestCode::ViewMessageById, query, query::view_message_by_id)
        .on(RequestCode::HeartBeat, client_manage::heart_beat)
        .on(RequestCode::UnregisterClient, client_manage::unregister_client)
        .on(RequestCode::ConsumerSendMsgBack, send::consumer_send_msg_back)
        .on_blocking(RequestCode::EndTransaction, transaction, end_transaction::end_transaction)
        .on(RequestCode::GetConsumerListByGroup, consumer_manage::get_consumer_list_by_group)
        .on(RequestCode::LockBatchMq, lock::lock_batch_mq)
        .on(RequestCode::UnlockBatchMq, lock::unlock_batch_mq)
        .on_blocking(RequestCode::GetAllConsumerOffset, admin, offset::get_all_consumer_offset)
        .on_blocking(RequestCode::GetAllDelayOffset, admin, offset::get_all_delay_offset)
        .on(RequestCode::CheckClientConfig, client_manage::check_client_config)
        .on_blocking(RequestCode::UpdateAndCreateSubscriptiongroup, admin, topic::update_and_create_subscription_group).changing()
        .on_blocking(RequestCode::GetAllSubscriptiongroupConfig, admin, topic::get_all_subscription_group_config)
        .on_blocking(RequestCode::GetTopicStatsInfo, admin, topic::get_topic_stats_info)
        .on_blocking(RequestCode::DeleteSubscriptiongroup, admin, topic::delete_subscription_group).changing()
        .on_async(RequestCode::DeleteTopicInBroker, topic::delete_topic_in_broker).changing()
        .on_blocking(RequestCode::GetConsumerConnectionList, admin, group::get_consumer_connection_list)
        .on_blocking(RequestCode::GetProducerConnectionList, admin, group::get_producer_connection_list)
        .on_blocking(RequestCode::GetConsumeStats, admin, group::get_consume_stats)
        .on_blocking(RequestCode::QueryTopicConsumeByWho, admin, group::query_topic_consume_by_who)
        .on_blocking(RequestCode::InvokeBrokerToResetOffset, admin, consumer::reset_offset).changing()
        .on_async(RequestCode::InvokeBrokerToGetConsumerStatus, consumer::get_consumer_status)
        .on(RequestCode::GetConsumerRunningInfo, consumer::get_consumer_running_info)
        .on_blocking(RequestCode::QueryCorrectionOffset, admin, offset::query_correction_offset)
        .on(RequestCode::ConsumeMessageDirectly, consumer::consume_message_directly).changing()
        .on(RequestCode::RegisterFilterServer, config::register_filter_server).changing()
        .on_blocking(RequestCode::QueryConsumeTimeSpan, admin, progress::query_consume_time_span)
        .on_blocking(RequestCode::CleanExpiredConsumequeue, admin, topic::clean_expired_consume_queue).changing()
        .on_blocking(RequestCode::CloneGroupOffset, admin, offset::clone_group_offset).changing()
        .on_blocking(RequestCode::ViewBrokerStatsData, admin, progress::view_broker_stats_data)
        .on_blocking(RequestCode::GetBrokerConsumeStats, admin, progress::get_broker_consume_stats)
        .on_blocking(RequestCode::QueryConsumeQueue, admin, queue::query_consume_queue)
        .on_blocking(RequestCode::CleanUnusedTopic, admin, topic::clean_unused_topic).changing()
        .on(RequestCode::GetSystemTopicListFromBroker, topic::get_system_topic_list_from_broker)
        .on_command(RequestCode::SendReplyMessage, reply_message::reply_message)
        .on_command(RequestCode::SendReplyMessageV2, reply_message::reply_message)
        .on_command(RequestCode::SendMessageV2, send::send_message)
        .on_command(RequestCode::SendBatchMessage, send::send_message)
        .on_command(RequestCode::LitePullMessage, pull::pull_message)
        .on(RequestCode::GetBrokerHaStatus, ha::get_broker_ha_status)
        .before_write(before_write)
        .after_batch(|broker| broker.store.dispatch())
        .on_disconnect(client_manage::disconnected)
}

/// When all requests of one read have been handled.
fn before_write(broker: &Arc<Broker>) {
    broker.store.wake_replicas();
    broker.offsets.write_journal();
}

/// Whether the account of a request may do this with a stored message.
fn check_record<H>(broker: &Broker, request: &Request<H>, record: &[u8], of: Use) -> Result<(), Fault> {
    let Some(acl) = &broker.acl else { return Ok(()) };
    acl.check_record(request.peer.remote().ip(), &request.command, record, of)
}

/// A request's JSON body.
fn body<T: DeserializeOwned>(command: &Command) -> Result<T, Fault> {
    compat::json::from_slice(&command.body)
        .map_err(|error| Fault::new(ResponseCode::SystemError, format!("request body: {error}")))
}

/// A reply with a JSON body.
fn reply<T: Serialize>(body: &T) -> Response {
    Response::with_body(compat::json::to_vec(body).expect("bodies are of text, numbers and maps"))
}

/// A change that could not be written to its file: it holds until the next start only, and the caller should
/// know.
fn not_saved(error: impl std::fmt::Display) -> Fault {
    tracing::error!(%error, "table not saved");
    Fault::new(ResponseCode::SystemError, format!("changed, but not saved: {error}"))
}
