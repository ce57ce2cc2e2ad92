//! Pulling messages (code 11, and 361 of later clients). The request borrows from the map: it is read for
//! every pull.

use serde::{Deserialize, Serialize};

/// Java: `PullMessageRequestHeader`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PullMessageRequestHeader<'a> {
    /// Consumer group.
    pub consumer_group: &'a str,
    /// Topic.
    pub topic: &'a str,
    /// Queue.
    pub queue_id: i32,
    /// First entry wanted.
    pub queue_offset: i64,
    /// At most so many messages; 32 where it is left out.
    #[serde(default = "max_msg_nums")]
    pub max_msg_nums: i32,
    /// Bits of `PullSysFlag`.
    #[serde(default)]
    pub sys_flag: i32,
    /// Consumer's own offset, stored if the flags say so.
    #[serde(default)]
    pub commit_offset: i64,
    /// Longest time to hold an empty pull.
    #[serde(default)]
    pub suspend_timeout_millis: i64,
    /// Filter expression, used if the flags say so.
    #[serde(borrow, default)]
    pub subscription: Option<&'a str>,
    /// Version of the subscription that the consumer last sent by heartbeat.
    #[serde(default)]
    pub sub_version: i64,
    /// `TAG` (also when left out) or `SQL92`.
    #[serde(borrow, default)]
    pub expression_type: Option<&'a str>,
}

/// Java: `PullMessageResponseHeader`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PullMessageResponseHeader {
    /// Broker id to pull from next.
    pub suggest_which_broker_id: i64,
    /// Entry to pull from next.
    pub next_begin_offset: i64,
    /// First entry of the queue.
    pub min_offset: i64,
    /// Entry after the last of the queue.
    pub max_offset: i64,
}

fn max_msg_nums() -> i32 {
    32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strmap::StrMap;

    #[test]
    fn reads_what_the_java_client_sends() {
        let pairs = [
            ("consumerGroup", "g"),
            ("topic", "T"),
            ("queueId", "1"),
            ("queueOffset", "9"),
            ("maxMsgNums", "16"),
            ("sysFlag", "6"),
            ("commitOffset", "0"),
            ("suspendTimeoutMillis", "15000"),
            ("subscription", "*"),
            ("subVersion", "5"),
            ("expressionType", "TAG"),
        ];
        let map: StrMap = pairs.into_iter().collect();
        let header: PullMessageRequestHeader = map.to().unwrap();
        assert_eq!((header.consumer_group, header.queue_offset, header.subscription), ("g", 9, Some("*")));
        assert_eq!(StrMap::of(&header).unwrap().iter().collect::<Vec<_>>(), pairs);
        let map: StrMap = pairs.into_iter().take(4).collect();
        assert_eq!(map.to::<PullMessageRequestHeader>().unwrap().max_msg_nums, 32);
        let map: StrMap = pairs.into_iter().take(3).collect();
        assert!(map.to::<PullMessageRequestHeader>().is_err());
    }
}
