//! Statistics of topics, groups and brokers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::protocol::body::queue::MessageQueue;

/// Java: `TopicStatsTable` (reply 202).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicStatsTable {
    /// By queue.
    pub offset_table: BTreeMap<MessageQueue, TopicOffset>,
}

/// Java: `TopicOffset`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicOffset {
    /// Store time of the last message, ms; 0: none.
    pub last_update_timestamp: i64,
    /// Entry after the last.
    pub max_offset: i64,
    /// First entry.
    pub min_offset: i64,
}

/// Java: `ConsumeStats` (reply 208).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeStats {
    /// Messages a second that the group gets.
    pub consume_tps: f64,
    /// By queue.
    pub offset_table: BTreeMap<MessageQueue, OffsetWrapper>,
}

impl ConsumeStats {
    /// Messages that the group is behind. Java: `computeTotalDiff`.
    pub fn compute_total_diff(&self) -> i64 {
        self.offset_table.values().map(|offset| offset.broker_offset - offset.consumer_offset).sum()
    }
}

/// Java: `OffsetWrapper`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OffsetWrapper {
    /// Entry after the queue's last.
    pub broker_offset: i64,
    /// Entry to consume next.
    pub consumer_offset: i64,
    /// Store time of the last consumed message, ms.
    pub last_timestamp: i64,
}

/// Java: `ConsumeStatsList` (reply 317).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeStatsList {
    /// Broker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker_addr: Option<String>,
    /// One map for each group, with one entry.
    pub consume_stats_list: Vec<BTreeMap<String, Vec<ConsumeStats>>>,
    /// Messages that all are behind.
    pub total_diff: i64,
}

/// Java: `BrokerStatsData` (reply 315).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BrokerStatsData {
    /// Of the last day.
    pub stats_day: BrokerStatsItem,
    /// Of the last hour.
    pub stats_hour: BrokerStatsItem,
    /// Of the last minute.
    pub stats_minute: BrokerStatsItem,
}

/// Java: `BrokerStatsItem`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BrokerStatsItem {
    /// Average of a time.
    pub avgpt: f64,
    /// Sum.
    pub sum: i64,
    /// A second.
    pub tps: f64,
}

/// Java: `QueryConsumeTimeSpanBody` (reply 303).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueryConsumeTimeSpanBody {
    /// By queue.
    pub consume_time_span_set: Vec<QueueTimeSpan>,
}

/// Java: `QueueTimeSpan`. The three texts are the times in the broker's time zone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueTimeSpan {
    /// Store time of the last consumed message, ms.
    pub consume_time_stamp: i64,
    /// As text.
    pub consume_time_stamp_str: String,
    /// How far behind, ms.
    pub delay_time: i64,
    /// Store time of the last message, ms.
    pub max_time_stamp: i64,
    /// As text.
    pub max_time_stamp_str: String,
    /// Queue.
    pub message_queue: MessageQueue,
    /// Store time of the first message, ms.
    pub min_time_stamp: i64,
    /// As text.
    pub min_time_stamp_str: String,
}

impl QueueTimeSpan {
    /// A queue's times, ms.
    pub fn new(message_queue: MessageQueue, min: i64, max: i64, consumed: i64, delay: i64) -> QueueTimeSpan {
        QueueTimeSpan {
            consume_time_stamp: consumed,
            consume_time_stamp_str: format_date(consumed),
            delay_time: delay,
            max_time_stamp: max,
            max_time_stamp_str: format_date(max),
            message_queue,
            min_time_stamp: min,
            min_time_stamp_str: format_date(min),
        }
    }
}

/// `yyyy-MM-dd#HH:mm:ss:SSS` in the system's time zone. Java: `UtilAll.YYYY_MM_DD_HH_MM_SS_SSS`.
fn format_date(millis: i64) -> String {
    format_date_in(millis, TimeZone::system())
}

fn format_date_in(millis: i64, zone: TimeZone) -> String {
    // A time that no calendar has is some peer's nonsense: shown as the epoch.
    let time = Timestamp::from_millisecond(millis).unwrap_or_default();
    time.to_zoned(zone).strftime("%Y-%m-%d#%H:%M:%S:%3f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_javas_form() {
        assert_eq!(format_date_in(1, TimeZone::UTC), "1970-01-01#00:00:00:001");
        assert_eq!(format_date_in(1_795_391_897_067, TimeZone::UTC), "2026-11-22#23:58:17:067");
        assert_eq!(format_date_in(i64::MAX, TimeZone::UTC), "1970-01-01#00:00:00:000");
    }

    #[test]
    fn the_lag_of_a_group_is_that_of_its_queues() {
        let offset = |broker_offset, consumer_offset| OffsetWrapper {
            broker_offset,
            consumer_offset,
            last_timestamp: 0,
        };
        let offset_table =
            [(MessageQueue::new("T", "b", 0), offset(9, 7)), (MessageQueue::new("T", "b", 1), offset(3, 0))];
        let stats = ConsumeStats { consume_tps: 0.0, offset_table: offset_table.into() };
        assert_eq!(stats.compute_total_diff(), 5);
    }
}
