//! Connected clients, and what they tell when asked.

use std::collections::{BTreeMap, BTreeSet};

use compat::language::LanguageCode;
use serde::{Deserialize, Serialize};

use crate::protocol::body::heartbeat::{ConsumeFromWhere, ConsumeType, MessageModel, SubscriptionData};
use crate::protocol::body::queue::MessageQueue;
use crate::protocol::java_enum::java_enum;

/// Java: `Connection`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Connection {
    /// `ip:port`.
    pub client_addr: String,
    /// Client id.
    pub client_id: String,
    /// What it is written in.
    pub language: LanguageCode,
    /// See `protocol::version`.
    pub version: i32,
}

/// Java: `ConsumerConnection` (reply 203).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerConnection {
    /// Members of the group.
    pub connection_set: Vec<Connection>,
    /// Where it started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consume_from_where: Option<ConsumeFromWhere>,
    /// Push or pull.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consume_type: Option<ConsumeType>,
    /// One member or all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_model: Option<MessageModel>,
    /// By topic.
    pub subscription_table: BTreeMap<String, SubscriptionData>,
}

/// Java: `ProducerConnection` (reply 204).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducerConnection {
    /// Members of the group.
    pub connection_set: Vec<Connection>,
}

/// Java: `GetConsumerListByGroupResponseBody` (reply 38).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GetConsumerListByGroupResponseBody {
    /// Client ids.
    pub consumer_id_list: Vec<String>,
}

/// Java: `CheckClientRequestBody` (code 46).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CheckClientRequestBody {
    /// Client id.
    pub client_id: String,
    /// Group.
    pub group: String,
    /// Subscription to try.
    pub subscription_data: SubscriptionData,
}

/// Java: `GroupList` (reply 300).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GroupList {
    /// Groups.
    pub group_list: BTreeSet<String>,
}

java_enum! {
    /// What became of a message. Java: `CMResult`.
    CMResult {
        /// Consumed.
        #[default]
        CrSuccess = "CR_SUCCESS",
        /// To be consumed again.
        CrLater = "CR_LATER",
        /// Rolled back.
        CrRollback = "CR_ROLLBACK",
        /// Committed.
        CrCommit = "CR_COMMIT",
        /// The listener threw.
        CrThrowException = "CR_THROW_EXCEPTION",
        /// The listener returned null.
        CrReturnNull = "CR_RETURN_NULL",
    }
}

/// Java: `ConsumeMessageDirectlyResult` (reply 309).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeMessageDirectlyResult {
    /// The listener commits by itself.
    pub auto_commit: bool,
    /// What became of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consume_result: Option<CMResult>,
    /// Ordered listener.
    pub order: bool,
    /// Exception text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    /// How long it took, ms.
    pub spent_time_mills: i64,
}

impl Default for ConsumeMessageDirectlyResult {
    fn default() -> ConsumeMessageDirectlyResult {
        ConsumeMessageDirectlyResult {
            auto_commit: true,
            consume_result: None,
            order: false,
            remark: None,
            spent_time_mills: 0,
        }
    }
}

/// Property of [`ConsumerRunningInfo`]: name servers.
pub const PROP_NAMESERVER_ADDR: &str = "PROP_NAMESERVER_ADDR";
/// Property of [`ConsumerRunningInfo`]: consuming threads.
pub const PROP_THREADPOOL_CORE_SIZE: &str = "PROP_THREADPOOL_CORE_SIZE";
/// Property of [`ConsumerRunningInfo`]: `true`: ordered.
pub const PROP_CONSUME_ORDERLY: &str = "PROP_CONSUMEORDERLY";
/// Property of [`ConsumerRunningInfo`]: [`ConsumeType`].
pub const PROP_CONSUME_TYPE: &str = "PROP_CONSUME_TYPE";
/// Property of [`ConsumerRunningInfo`]: version's name.
pub const PROP_CLIENT_VERSION: &str = "PROP_CLIENT_VERSION";
/// Property of [`ConsumerRunningInfo`]: start, ms.
pub const PROP_CONSUMER_START_TIMESTAMP: &str = "PROP_CONSUMER_START_TIMESTAMP";

/// Java: `ConsumerRunningInfo` (reply 307).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerRunningInfo {
    /// Stack traces, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jstack: Option<String>,
    /// By queue.
    pub mq_table: BTreeMap<MessageQueue, ProcessQueueInfo>,
    /// Settings and `PROP_*`.
    pub properties: BTreeMap<String, String>,
    /// By topic.
    pub status_table: BTreeMap<String, ConsumeStatus>,
    /// What it wants.
    pub subscription_set: Vec<SubscriptionData>,
}

/// Java: `ProcessQueueInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProcessQueueInfo {
    /// Messages held.
    pub cached_msg_count: i32,
    /// Last of them.
    pub cached_msg_max_offset: i64,
    /// First of them.
    pub cached_msg_min_offset: i64,
    /// Their size, MiB.
    #[serde(rename = "cachedMsgSizeInMiB")]
    pub cached_msg_size_in_mib: i32,
    /// Entry to consume next.
    pub commit_offset: i64,
    /// The queue was taken away.
    pub droped: bool,
    /// ms.
    pub last_consume_timestamp: i64,
    /// ms.
    pub last_lock_timestamp: i64,
    /// ms.
    pub last_pull_timestamp: i64,
    /// Ordered: the lock is held.
    pub locked: bool,
    /// Ordered: messages being consumed.
    pub transaction_msg_count: i32,
    /// Last of them.
    pub transaction_msg_max_offset: i64,
    /// First of them.
    pub transaction_msg_min_offset: i64,
    /// Failed unlocks.
    pub try_unlock_times: i64,
}

/// Java: `ConsumeStatus`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeStatus {
    /// Failed in the last hour.
    pub consume_failed_msgs: i64,
    /// Failed a second.
    #[serde(rename = "consumeFailedTPS")]
    pub consume_failed_tps: f64,
    /// Consumed a second.
    #[serde(rename = "consumeOKTPS")]
    pub consume_ok_tps: f64,
    /// Time to consume, ms.
    #[serde(rename = "consumeRT")]
    pub consume_rt: f64,
    /// Time to pull, ms.
    #[serde(rename = "pullRT")]
    pub pull_rt: f64,
    /// Pulled a second.
    #[serde(rename = "pullTPS")]
    pub pull_tps: f64,
}
