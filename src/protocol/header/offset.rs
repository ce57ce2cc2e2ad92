//! Offsets of queues and of consumers (codes 14, 15, 29 to 32, 222, 223, 303, 308, 314).

use serde::{Deserialize, Serialize};

/// Java: `QueryConsumerOffsetRequestHeader` (code 14).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryConsumerOffsetRequestHeader {
    /// Consumer group.
    pub consumer_group: String,
    /// Topic.
    pub topic: String,
    /// Queue.
    pub queue_id: i32,
}

/// Java: `QueryConsumerOffsetResponseHeader`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryConsumerOffsetResponseHeader {
    /// Entry to consume next.
    pub offset: i64,
}

/// Java: `UpdateConsumerOffsetRequestHeader` (code 15).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateConsumerOffsetRequestHeader {
    /// Consumer group.
    pub consumer_group: String,
    /// Topic.
    pub topic: String,
    /// Queue.
    pub queue_id: i32,
    /// Entry to consume next.
    pub commit_offset: i64,
}

/// Java: `SearchOffsetRequestHeader` (code 29).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchOffsetRequestHeader {
    /// Topic.
    pub topic: String,
    /// Queue.
    pub queue_id: i32,
    /// Store time looked for, ms.
    pub timestamp: i64,
}

/// Java: `SearchOffsetResponseHeader`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchOffsetResponseHeader {
    /// Entry at that time.
    pub offset: i64,
}

/// Java: `GetMaxOffsetRequestHeader` (code 30).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetMaxOffsetRequestHeader {
    /// Topic.
    pub topic: String,
    /// Queue.
    pub queue_id: i32,
}

/// Java: `GetMaxOffsetResponseHeader`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetMaxOffsetResponseHeader {
    /// Entry after the last.
    pub offset: i64,
}

/// Java: `GetMinOffsetRequestHeader` (code 31).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetMinOffsetRequestHeader {
    /// Topic.
    pub topic: String,
    /// Queue.
    pub queue_id: i32,
}

/// Java: `GetMinOffsetResponseHeader`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetMinOffsetResponseHeader {
    /// First entry.
    pub offset: i64,
}

/// Java: `GetEarliestMsgStoretimeRequestHeader` (code 32).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetEarliestMsgStoretimeRequestHeader {
    /// Topic.
    pub topic: String,
    /// Queue.
    pub queue_id: i32,
}

/// Java: `GetEarliestMsgStoretimeResponseHeader`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetEarliestMsgStoretimeResponseHeader {
    /// Store time of the first message, ms; -1: there is none.
    pub timestamp: i64,
}

/// Java: `ResetOffsetRequestHeader` (code 222 to the broker, 220 to consumers).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResetOffsetRequestHeader {
    /// Topic.
    pub topic: String,
    /// Consumer group.
    pub group: String,
    /// Where to go back to, ms; -1: the end.
    pub timestamp: i64,
    /// Also forwards.
    #[serde(default)]
    pub is_force: bool,
}

/// Java: `GetConsumerStatusRequestHeader` (code 223 to the broker, 221 to consumers).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetConsumerStatusRequestHeader {
    /// Topic.
    pub topic: String,
    /// Consumer group.
    pub group: String,
    /// Holds a client id; none or empty: every client.
    #[serde(default)]
    pub client_addr: Option<String>,
}

/// Java: `QueryConsumeTimeSpanRequestHeader` (code 303).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryConsumeTimeSpanRequestHeader {
    /// Topic.
    pub topic: String,
    /// Consumer group.
    pub group: String,
}

/// Java: `QueryCorrectionOffsetHeader` (code 308).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryCorrectionOffsetHeader {
    /// Groups, separated by commas.
    #[serde(default)]
    pub filter_groups: Option<String>,
    /// Group to compare with.
    pub compare_group: String,
    /// Topic.
    pub topic: String,
}

/// Java: `CloneGroupOffsetRequestHeader` (code 314).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloneGroupOffsetRequestHeader {
    /// Group to take offsets from.
    pub src_group: String,
    /// Group to give them to.
    pub dest_group: String,
    /// None or blank: every topic that the group has offsets of.
    #[serde(default)]
    pub topic: Option<String>,
    /// Whatever the group subscribes to now.
    #[serde(default)]
    pub offline: bool,
}
