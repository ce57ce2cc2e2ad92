//! Topics and their versions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::protocol::java_enum::java_enum;
use crate::protocol::perm::{PERM_READ, PERM_WRITE, perm2string};

java_enum! {
    /// Whether a message has one tag or several. Java: `TopicFilterType`.
    TopicFilterType {
        /// One tag: all that any version uses.
        #[default]
        SingleTag = "SINGLE_TAG",
        /// Several.
        MultiTag = "MULTI_TAG",
    }
}

/// Tells one state of a table from another. Java: `DataVersion`; equal only if both fields are.
/// Java's initial time is now, ours 0: a clock is the caller's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DataVersion {
    /// Changes since the start of the table.
    pub counter: i64,
    /// Time of the last change, ms.
    pub timestamp: i64,
}

impl DataVersion {
    /// A table's first version.
    pub fn new(now_ms: i64) -> DataVersion {
        DataVersion { counter: 0, timestamp: now_ms }
    }

    /// The table has changed.
    pub fn next_version(&mut self, now_ms: i64) {
        self.timestamp = now_ms;
        self.counter = self.counter.wrapping_add(1);
    }
}

impl fmt::Display for DataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataVersion[timestamp={}, counter={}]", self.timestamp, self.counter)
    }
}

/// A topic's settings on one broker. Java: `TopicConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicConfig {
    /// Topic.
    pub topic_name: String,
    /// Queues that can be read.
    pub read_queue_nums: i32,
    /// Queues that can be written.
    pub write_queue_nums: i32,
    /// Bits of `protocol::perm`.
    pub perm: i32,
    /// How tags are filtered.
    pub topic_filter_type: TopicFilterType,
    /// Bits of `sys_flag::TOPIC_*`.
    pub topic_sys_flag: i32,
    /// Ordered topic.
    pub order: bool,
}

impl Default for TopicConfig {
    fn default() -> TopicConfig {
        TopicConfig {
            topic_name: String::new(),
            read_queue_nums: 16,
            write_queue_nums: 16,
            perm: PERM_READ | PERM_WRITE,
            topic_filter_type: TopicFilterType::SingleTag,
            topic_sys_flag: 0,
            order: false,
        }
    }
}

impl TopicConfig {
    /// A topic of so many queues.
    pub fn new(topic_name: &str, read_queue_nums: i32, write_queue_nums: i32, perm: i32) -> TopicConfig {
        let topic_name = topic_name.to_owned();
        TopicConfig { topic_name, read_queue_nums, write_queue_nums, perm, ..TopicConfig::default() }
    }

    /// The text of compressed registrations. It loses `order` and `topic_sys_flag`. Java: `encode`.
    pub fn encode(&self) -> String {
        format!(
            "{} {} {} {} {}",
            self.topic_name, self.read_queue_nums, self.write_queue_nums, self.perm, self.topic_filter_type
        )
    }

    /// What [`TopicConfig::encode`] wrote. Java: `decode`.
    pub fn decode(text: &str) -> Option<TopicConfig> {
        let mut words = text.split(' ');
        let config = TopicConfig {
            topic_name: words.next().filter(|name| !name.is_empty())?.to_owned(),
            read_queue_nums: words.next()?.parse().ok()?,
            write_queue_nums: words.next()?.parse().ok()?,
            perm: words.next()?.parse().ok()?,
            topic_filter_type: TopicFilterType::of_name(words.next()?)?,
            ..TopicConfig::default()
        };
        // Java's split drops empty pieces at the end.
        words.all(str::is_empty).then_some(config)
    }
}

/// As remarks print it. Java: `toString`.
impl fmt::Display for TopicConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "TopicConfig [topicName={}, readQueueNums={}, writeQueueNums={}, perm={}, topicFilterType={}, \
             topicSysFlag={}, order={}]",
            self.topic_name,
            self.read_queue_nums,
            self.write_queue_nums,
            perm2string(self.perm),
            self.topic_filter_type,
            self.topic_sys_flag,
            self.order
        )
    }
}

/// Java: `TopicConfigSerializeWrapper` (reply 21, `topics.json`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicConfigSerializeWrapper {
    /// Version of the table.
    pub data_version: DataVersion,
    /// By topic.
    pub topic_config_table: BTreeMap<String, TopicConfig>,
}

/// Java: `TopicList` (replies 206, 224, 304, 305, 311 to 313).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicList {
    /// Reply 304: a broker to ask for more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker_addr: Option<String>,
    /// Topics.
    pub topic_list: BTreeSet<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_config_has_javas_texts() {
        let config = TopicConfig::new("T", 4, 8, 6);
        assert_eq!(config.encode(), "T 4 8 6 SINGLE_TAG");
        assert_eq!(TopicConfig::decode("T 4 8 6 SINGLE_TAG"), Some(config.clone()));
        assert_eq!(
            config.to_string(),
            "TopicConfig [topicName=T, readQueueNums=4, writeQueueNums=8, perm=RW-, topicFilterType=SINGLE_TAG, \
             topicSysFlag=0, order=false]"
        );
        for bad in [
            "",
            "T",
            "T 4 8 6",
            "T 4 8 6 TAG",
            "T x 8 6 SINGLE_TAG",
            "T 4 8 6 SINGLE_TAG x",
            " 4 8 6 SINGLE_TAG",
        ] {
            assert_eq!(TopicConfig::decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_change_makes_another_version() {
        let mut version = DataVersion::new(5);
        let first = version;
        version.next_version(5);
        assert_ne!(version, first);
        assert_eq!(version.to_string(), "DataVersion[timestamp=5, counter=1]");
    }
}
