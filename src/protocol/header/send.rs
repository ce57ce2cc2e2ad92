//! Sending messages and sending them back (codes 10, 310, 320, 324, 325, 36). The two send headers borrow from
//! the request's map: they are read for every message.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Java: `SendMessageRequestHeader` (code 10).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SendMessageRequestHeader<'a> {
    /// Producer group; empty where a client leaves it out.
    #[serde(default)]
    pub producer_group: &'a str,
    /// Topic to store under.
    pub topic: &'a str,
    /// Topic whose settings an auto-created topic takes.
    #[serde(default)]
    pub default_topic: &'a str,
    /// Queues for an auto-created topic; 4, the stock producer's default, where it is left out.
    #[serde(default = "default_topic_queue_nums")]
    pub default_topic_queue_nums: i32,
    /// Queue; negative (also when left out): the broker picks one.
    #[serde(default = "any_queue")]
    pub queue_id: i32,
    /// Bits of `SYS_FLAG_*`.
    #[serde(default)]
    pub sys_flag: i32,
    /// When the client made the message, ms.
    #[serde(default)]
    pub born_timestamp: i64,
    /// The user's own flag.
    #[serde(default)]
    pub flag: i32,
    /// Properties string, see `protocol::message`.
    #[serde(borrow, default)]
    pub properties: Option<&'a str>,
    /// How often the message was consumed already.
    #[serde(default)]
    pub reconsume_times: Option<i32>,
    /// Unit mode of the sender.
    #[serde(default)]
    pub unit_mode: bool,
    /// The body is a batch. Decides alone: the request code does not.
    #[serde(default)]
    pub batch: bool,
    /// Only for `%RETRY%` topics: where to give up.
    #[serde(default)]
    pub max_reconsume_times: Option<i32>,
}

/// Java: `SendMessageRequestHeaderV2` (codes 310, 320): the same fields under letters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SendMessageRequestHeaderV2<'a> {
    /// Producer group; empty where a client leaves it out.
    #[serde(rename = "a", default)]
    pub producer_group: &'a str,
    /// Topic to store under.
    #[serde(rename = "b")]
    pub topic: &'a str,
    /// Topic whose settings an auto-created topic takes.
    #[serde(rename = "c", default)]
    pub default_topic: &'a str,
    /// Queues for an auto-created topic; 4, the stock producer's default, where it is left out.
    #[serde(rename = "d", default = "default_topic_queue_nums")]
    pub default_topic_queue_nums: i32,
    /// Queue; negative (also when left out): the broker picks one.
    #[serde(rename = "e", default = "any_queue")]
    pub queue_id: i32,
    /// Bits of `SYS_FLAG_*`.
    #[serde(rename = "f", default)]
    pub sys_flag: i32,
    /// When the client made the message, ms.
    #[serde(rename = "g", default)]
    pub born_timestamp: i64,
    /// The user's own flag.
    #[serde(rename = "h", default)]
    pub flag: i32,
    /// Properties string, see `protocol::message`.
    #[serde(rename = "i", borrow, default)]
    pub properties: Option<&'a str>,
    /// How often the message was consumed already.
    #[serde(rename = "j", default)]
    pub reconsume_times: Option<i32>,
    /// Unit mode of the sender.
    #[serde(rename = "k", default)]
    pub unit_mode: bool,
    /// Only for `%RETRY%` topics: where to give up.
    #[serde(rename = "l", default)]
    pub max_reconsume_times: Option<i32>,
    /// The body is a batch. Decides alone: the request code does not.
    #[serde(rename = "m", default)]
    pub batch: bool,
}

/// Java: `SendMessageResponseHeader`, with the two raw fields that `SendMessageProcessor` adds. The Java client
/// reads it without asking whether it is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SendMessageResponseHeader<'a> {
    /// Offset message id; of a batch all of them, joined by commas.
    #[serde(borrow)]
    pub msg_id: Cow<'a, str>,
    /// Queue that the request named or the broker picked.
    pub queue_id: i32,
    /// Entry in that queue; of a batch the first.
    pub queue_offset: i64,
    /// Never set by 4.3.0.
    #[serde(borrow, default)]
    pub transaction_id: Option<Cow<'a, str>>,
    /// Broker's region.
    #[serde(rename = "MSG_REGION", borrow, default)]
    pub msg_region: Option<Cow<'a, str>>,
    /// Whether the client may send trace data.
    #[serde(rename = "TRACE_ON", default)]
    pub trace_on: Option<bool>,
}

/// Java: `ConsumerSendMsgBackRequestHeader` (code 36).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerSendMsgBackRequestHeader {
    /// Commit-log offset of the message to consume again.
    pub offset: i64,
    /// Consumer group.
    pub group: String,
    /// Negative: to the dead-letter queue; 0: the broker chooses.
    #[serde(default)]
    pub delay_level: i32,
    /// Message id that the consumer knows.
    #[serde(default)]
    pub origin_msg_id: Option<String>,
    /// Topic that the message came from.
    #[serde(default)]
    pub origin_topic: Option<String>,
    /// Unit mode of the consumer.
    #[serde(default)]
    pub unit_mode: bool,
    /// Where to give up; only from clients of 3.4.9 on.
    #[serde(default)]
    pub max_reconsume_times: Option<i32>,
}

/// Java 4.6: `ReplyMessageRequestHeader` (code 326, broker to the requesting client).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplyMessageRequestHeader {
    /// Group of the replying producer.
    #[serde(default)]
    pub producer_group: String,
    /// Reply topic.
    pub topic: String,
    /// As in the reply that came in.
    #[serde(default)]
    pub default_topic: String,
    /// As in the reply that came in.
    #[serde(default)]
    pub default_topic_queue_nums: i32,
    /// As in the reply that came in.
    #[serde(default)]
    pub queue_id: i32,
    /// Bits of `SYS_FLAG_*`.
    #[serde(default)]
    pub sys_flag: i32,
    /// When the reply was made, ms.
    #[serde(default)]
    pub born_timestamp: i64,
    /// The user's own flag.
    #[serde(default)]
    pub flag: i32,
    /// Properties string.
    #[serde(default)]
    pub properties: Option<String>,
    /// Always 0.
    #[serde(default)]
    pub reconsume_times: Option<i32>,
    /// Unit mode of the sender.
    #[serde(default)]
    pub unit_mode: bool,
    /// `ip:port` of the replying client.
    #[serde(default)]
    pub born_host: String,
    /// `ip:port` of the broker.
    #[serde(default)]
    pub store_host: String,
    /// When the broker took the reply, ms.
    #[serde(default)]
    pub store_timestamp: i64,
}

impl<'a> From<SendMessageRequestHeaderV2<'a>> for SendMessageRequestHeader<'a> {
    fn from(header: SendMessageRequestHeaderV2<'a>) -> SendMessageRequestHeader<'a> {
        SendMessageRequestHeader {
            producer_group: header.producer_group,
            topic: header.topic,
            default_topic: header.default_topic,
            default_topic_queue_nums: header.default_topic_queue_nums,
            queue_id: header.queue_id,
            sys_flag: header.sys_flag,
            born_timestamp: header.born_timestamp,
            flag: header.flag,
            properties: header.properties,
            reconsume_times: header.reconsume_times,
            unit_mode: header.unit_mode,
            batch: header.batch,
            max_reconsume_times: header.max_reconsume_times,
        }
    }
}

impl<'a> From<SendMessageRequestHeader<'a>> for SendMessageRequestHeaderV2<'a> {
    fn from(header: SendMessageRequestHeader<'a>) -> SendMessageRequestHeaderV2<'a> {
        SendMessageRequestHeaderV2 {
            producer_group: header.producer_group,
            topic: header.topic,
            default_topic: header.default_topic,
            default_topic_queue_nums: header.default_topic_queue_nums,
            queue_id: header.queue_id,
            sys_flag: header.sys_flag,
            born_timestamp: header.born_timestamp,
            flag: header.flag,
            properties: header.properties,
            reconsume_times: header.reconsume_times,
            unit_mode: header.unit_mode,
            batch: header.batch,
            max_reconsume_times: header.max_reconsume_times,
        }
    }
}

fn default_topic_queue_nums() -> i32 {
    4
}

fn any_queue() -> i32 {
    -1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strmap::StrMap;

    #[test]
    fn letters_stand_for_the_long_names() {
        let pairs = [
            ("a", "P"),
            ("b", "T"),
            ("c", "D"),
            ("d", "8"),
            ("e", "3"),
            ("f", "1"),
            ("g", "1795391897067"),
            ("h", "7"),
            ("i", "KEYS\u{1}k\u{2}"),
            ("j", "0"),
            ("k", "false"),
            ("l", "16"),
            ("m", "true"),
            ("n", "broker-a"),
        ];
        let map: StrMap = pairs.into_iter().collect();
        let header = SendMessageRequestHeader::from(map.to::<SendMessageRequestHeaderV2>().unwrap());
        let expected = SendMessageRequestHeader {
            producer_group: "P",
            topic: "T",
            default_topic: "D",
            default_topic_queue_nums: 8,
            queue_id: 3,
            sys_flag: 1,
            born_timestamp: 1_795_391_897_067,
            flag: 7,
            properties: Some("KEYS\u{1}k\u{2}"),
            reconsume_times: Some(0),
            unit_mode: false,
            batch: true,
            max_reconsume_times: Some(16),
        };
        assert_eq!(header, expected);
        let written = StrMap::of(&SendMessageRequestHeaderV2::from(header)).unwrap();
        assert_eq!(written.iter().collect::<Vec<_>>(), pairs[..13]);
        let written = StrMap::of(&expected).unwrap();
        assert_eq!(written.to::<SendMessageRequestHeader>().unwrap(), expected);
        assert_eq!(written.get("defaultTopicQueueNums"), Some("8"));
    }

    #[test]
    fn a_topic_is_all_that_a_send_needs() {
        let map: StrMap = [("b", "T")].into_iter().collect();
        let header = map.to::<SendMessageRequestHeaderV2>().unwrap();
        assert_eq!((header.topic, header.queue_id, header.default_topic_queue_nums), ("T", -1, 4));
        let empty = StrMap::new();
        assert!(empty.to::<SendMessageRequestHeaderV2>().is_err());
    }

    #[test]
    fn a_reply_carries_region_and_trace_switch() {
        let header = SendMessageResponseHeader {
            msg_id: "0A".into(),
            queue_id: 1,
            queue_offset: 2,
            transaction_id: None,
            msg_region: Some("DefaultRegion".into()),
            trace_on: Some(true),
        };
        let map = StrMap::of(&header).unwrap();
        let pairs: Vec<_> = map.iter().collect();
        let expected = [
            ("msgId", "0A"),
            ("queueId", "1"),
            ("queueOffset", "2"),
            ("MSG_REGION", "DefaultRegion"),
            ("TRACE_ON", "true"),
        ];
        assert_eq!(pairs, expected);
        assert_eq!(map.to::<SendMessageResponseHeader>().unwrap(), header);
    }
}
