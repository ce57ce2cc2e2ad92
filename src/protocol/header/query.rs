//! Finding messages: by key, by offset, by consume-queue entry (codes 12, 33, 321).

use serde::{Deserialize, Serialize};

/// Java: `QueryMessageRequestHeader` (code 12).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryMessageRequestHeader {
    /// Topic.
    pub topic: String,
    /// Key, or a client message id.
    pub key: String,
    /// At most so many messages.
    #[serde(default = "max_num")]
    pub max_num: i32,
    /// Stored at or after, ms.
    #[serde(default)]
    pub begin_timestamp: i64,
    /// Stored at or before, ms.
    #[serde(default = "end_of_time")]
    pub end_timestamp: i64,
    /// `key` is a client message id: `max_num` does not count.
    #[serde(rename = "_UNIQUE_KEY_QUERY", default)]
    pub unique_key_query: Option<bool>,
}

/// Java: `QueryMessageResponseHeader`; sent with code 22 too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryMessageResponseHeader {
    /// Store time of the newest indexed message, ms.
    pub index_last_update_timestamp: i64,
    /// Commit-log offset of the newest indexed message.
    pub index_last_update_phyoffset: i64,
}

/// Java: `ViewMessageRequestHeader` (code 33).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ViewMessageRequestHeader {
    /// Commit-log offset of the message.
    pub offset: i64,
}

/// Java: `QueryConsumeQueueRequestHeader` (code 321).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryConsumeQueueRequestHeader {
    /// Topic.
    pub topic: String,
    /// Queue.
    #[serde(default)]
    pub queue_id: i32,
    /// First entry wanted.
    #[serde(default)]
    pub index: i64,
    /// At most so many entries.
    #[serde(default)]
    pub count: i32,
    /// Group whose filter is tried on the entries.
    #[serde(default)]
    pub consumer_group: Option<String>,
}

fn max_num() -> i32 {
    32
}

fn end_of_time() -> i64 {
    i64::MAX
}
