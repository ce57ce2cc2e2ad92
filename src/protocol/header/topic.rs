//! Topics and subscription groups (codes 17, 202, 207, 208, 215, 300, 317).

use serde::{Deserialize, Serialize};

use crate::protocol::body::topic::TopicFilterType;

/// Java: `CreateTopicRequestHeader` (code 17).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateTopicRequestHeader {
    /// Topic to create or change.
    pub topic: String,
    /// Unused by the broker.
    #[serde(default)]
    pub default_topic: String,
    /// Queues to read from.
    pub read_queue_nums: i32,
    /// Queues to write to.
    pub write_queue_nums: i32,
    /// Bits of `protocol::perm`.
    pub perm: i32,
    /// How tags are filtered.
    #[serde(default)]
    pub topic_filter_type: TopicFilterType,
    /// Bits of `TopicSysFlag`.
    #[serde(default)]
    pub topic_sys_flag: Option<i32>,
    /// Ordered topic. 4.3.0 drops it.
    #[serde(default)]
    pub order: bool,
}

/// Java: `DeleteTopicRequestHeader` (code 215).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteTopicRequestHeader {
    /// Topic.
    pub topic: String,
}

/// Java: `GetTopicStatsInfoRequestHeader` (code 202).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetTopicStatsInfoRequestHeader {
    /// Topic.
    pub topic: String,
}

/// Java: `QueryTopicConsumeByWhoRequestHeader` (code 300).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryTopicConsumeByWhoRequestHeader {
    /// Topic.
    pub topic: String,
}

/// Java: `DeleteSubscriptionGroupRequestHeader` (code 207).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteSubscriptionGroupRequestHeader {
    /// Group.
    pub group_name: String,
}

/// Java: `GetConsumeStatsRequestHeader` (code 208).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetConsumeStatsRequestHeader {
    /// Consumer group.
    pub consumer_group: String,
    /// None or blank: every topic of the group.
    #[serde(default)]
    pub topic: Option<String>,
}

/// Java: `GetConsumeStatsInBrokerHeader` (code 317).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetConsumeStatsInBrokerHeader {
    /// Only ordered topics.
    #[serde(default)]
    pub is_order: bool,
}
