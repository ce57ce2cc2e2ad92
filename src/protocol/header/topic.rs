//! Topics and subscription groups (codes 17, 202, 207, 208, 215, 300, 317).

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

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
    #[serde(default, deserialize_with = "known_filter_type")]
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
    /// Its offsets go, too. Sent by tools of 4.9 on.
    #[serde(default, skip_serializing_if = "is_false")]
    pub clean_offset: bool,
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

/// Java: `CreateTopicRequestHeader.checkFields`, one of the few checks that it makes.
fn known_filter_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TopicFilterType, D::Error> {
    let name = String::deserialize(deserializer)?;
    let unknown = || D::Error::custom(format!("topicFilterType = [{name}] value invalid"));
    TopicFilterType::of_name(&name).ok_or_else(unknown)
}

/// 4.3.0 does not know such a field: it is sent only where it says something.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strmap::StrMap;

    #[test]
    fn an_unknown_filter_type_is_refused() {
        let read = |name: &str| {
            let pairs = [("topic", "T"), ("readQueueNums", "8"), ("writeQueueNums", "8"), ("perm", "6")];
            let mut map: StrMap = pairs.into_iter().collect();
            map.push("topicFilterType", name);
            map.to::<CreateTopicRequestHeader>()
                .map(|header| header.topic_filter_type)
                .map_err(|error| error.to_string())
        };
        assert_eq!(read("MULTI_TAG"), Ok(TopicFilterType::MultiTag));
        assert_eq!(read("X"), Err("topicFilterType = [X] value invalid".to_owned()));
    }
}
