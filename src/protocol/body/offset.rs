//! Tables of offsets.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::protocol::body::queue::MessageQueue;

/// Java: `ConsumerOffsetSerializeWrapper` (reply 43, `consumerOffset.json`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerOffsetSerializeWrapper {
    /// Entry to consume next by queue, by `topic@group`.
    pub offset_table: BTreeMap<String, BTreeMap<i32, i64>>,
}

/// Java: `DelayOffsetSerializeWrapper` (reply 45, `delayOffset.json`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DelayOffsetSerializeWrapper {
    /// Entry to deliver next by delay level.
    pub offset_table: BTreeMap<i32, i64>,
}

/// Java: `ResetOffsetBody` (reply 222, code 220).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResetOffsetBody {
    /// New offsets.
    pub offset_table: BTreeMap<MessageQueue, i64>,
}

/// Java: `ResetOffsetBodyForC` (code 220 to a C++ client).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResetOffsetBodyForC {
    /// New offsets.
    pub offset_table: Vec<MessageQueueForC>,
}

/// Java: `MessageQueueForC`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MessageQueueForC {
    /// Broker name.
    pub broker_name: String,
    /// New offset.
    pub offset: i64,
    /// Queue.
    pub queue_id: i32,
    /// Topic.
    pub topic: String,
}

/// Java: `GetConsumerStatusBody` (replies 221, with one client's queues, and 223, with those of all).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GetConsumerStatusBody {
    /// Reply 223: by client id.
    pub consumer_table: BTreeMap<String, BTreeMap<MessageQueue, i64>>,
    /// Reply 221.
    pub message_queue_table: BTreeMap<MessageQueue, i64>,
}

/// Java: `QueryCorrectionOffsetBody` (reply 308).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueryCorrectionOffsetBody {
    /// Lowest offset of the other groups by queue.
    pub correction_offsets: BTreeMap<i32, i64>,
}

/// Body of a message in OFFSET_MOVED_EVENT. Java: `OffsetMovedEvent`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OffsetMovedEvent {
    /// Group.
    pub consumer_group: String,
    /// Queue.
    pub message_queue: MessageQueue,
    /// Entry that it was sent to.
    pub offset_new: i64,
    /// Entry that it asked for.
    pub offset_request: i64,
}

/// As logs print it. Java: `toString`.
impl fmt::Display for OffsetMovedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "OffsetMovedEvent [consumerGroup={}, messageQueue={}, offsetRequest={}, offsetNew={}]",
            self.consumer_group, self.message_queue, self.offset_request, self.offset_new
        )
    }
}
