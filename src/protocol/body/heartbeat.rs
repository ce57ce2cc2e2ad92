//! What clients tell of themselves (Java: `protocol.heartbeat`).

use std::collections::BTreeSet;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use compat::hash::java_string_hash;
use serde::{Deserialize, Serialize};

use crate::protocol::java_enum::java_enum;

java_enum! {
    /// Who starts a delivery. Java: `ConsumeType`.
    ConsumeType {
        /// Pull consumer.
        ConsumeActively = "CONSUME_ACTIVELY",
        /// Push consumer.
        #[default]
        ConsumePassively = "CONSUME_PASSIVELY",
    }
}

java_enum! {
    /// Whether every member of a group gets every message. Java: `MessageModel`.
    MessageModel {
        /// Every member.
        Broadcasting = "BROADCASTING",
        /// One of them.
        #[default]
        Clustering = "CLUSTERING",
    }
}

java_enum! {
    /// Where a new group starts. Java: `ConsumeFromWhere`.
    ConsumeFromWhere {
        /// At the end.
        #[default]
        ConsumeFromLastOffset = "CONSUME_FROM_LAST_OFFSET",
        /// Old name of the same.
        ConsumeFromLastOffsetAndFromMinWhenBootFirst = "CONSUME_FROM_LAST_OFFSET_AND_FROM_MIN_WHEN_BOOT_FIRST",
        /// Old name of the same.
        ConsumeFromMinOffset = "CONSUME_FROM_MIN_OFFSET",
        /// Old name of the same.
        ConsumeFromMaxOffset = "CONSUME_FROM_MAX_OFFSET",
        /// At the beginning.
        ConsumeFromFirstOffset = "CONSUME_FROM_FIRST_OFFSET",
        /// At a time.
        ConsumeFromTimestamp = "CONSUME_FROM_TIMESTAMP",
    }
}

/// Expression type of tag filters. Java: `ExpressionType.TAG`.
pub const EXPRESSION_TAG: &str = "TAG";
/// Expression type of property filters. Java: `ExpressionType.SQL92`.
pub const EXPRESSION_SQL92: &str = "SQL92";
/// Subscribes to every message. Java: `SubscriptionData.SUB_ALL`.
pub const SUB_ALL: &str = "*";

/// Whether an expression of that type is a list of tags. Java: `ExpressionType.isTagType`.
pub fn is_tag_type(expression_type: Option<&str>) -> bool {
    matches!(expression_type, None | Some("" | EXPRESSION_TAG))
}

/// Java: `HeartbeatData` (code 34).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HeartbeatData {
    /// Client id.
    #[serde(rename = "clientID")]
    pub client_id: String,
    /// Its consumers.
    pub consumer_data_set: Vec<ConsumerData>,
    /// Its producers.
    pub producer_data_set: Vec<ProducerData>,
}

/// Java: `ProducerData`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducerData {
    /// Producer group.
    pub group_name: String,
}

/// Java: `ConsumerData`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerData {
    /// Consumer group.
    pub group_name: String,
    /// Push or pull.
    pub consume_type: ConsumeType,
    /// One member or all.
    pub message_model: MessageModel,
    /// Where a new group starts.
    pub consume_from_where: ConsumeFromWhere,
    /// What it wants.
    pub subscription_data_set: Vec<SubscriptionData>,
    /// Unit mode.
    pub unit_mode: bool,
}

/// What a consumer wants of a topic. Java: `SubscriptionData`, equal as there. Its `filterClassSource` is not
/// kept: class filters are no part of 4.3.0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscriptionData {
    /// A class filters.
    pub class_filter_mode: bool,
    /// Topic.
    pub topic: String,
    /// Expression: `*`, tags joined by `||`, or SQL92.
    pub sub_string: String,
    /// The tags; empty: all.
    pub tags_set: BTreeSet<String>,
    /// Their hash codes.
    pub code_set: BTreeSet<i32>,
    /// When the consumer made it, ms.
    pub sub_version: i64,
    /// `TAG` or `SQL92`.
    pub expression_type: String,
}

impl Default for SubscriptionData {
    /// As Java's initialisers: the version is now, so a client that sends none is always the latest.
    fn default() -> SubscriptionData {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        SubscriptionData {
            class_filter_mode: false,
            topic: String::new(),
            sub_string: String::new(),
            tags_set: BTreeSet::new(),
            code_set: BTreeSet::new(),
            sub_version: i64::try_from(now).unwrap_or(i64::MAX),
            expression_type: EXPRESSION_TAG.to_owned(),
        }
    }
}

/// An expression that cannot be a subscription. The texts are Java's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscriptionError {
    /// Nothing but separators.
    #[error("subString split error")]
    Split,
    /// No expression for a type that needs one.
    #[error("Expression can't be null! {0}")]
    NoExpression(String),
}

impl SubscriptionData {
    /// A subscription by tags, joined by `||`; none, empty or `*`: all. Java: `FilterAPI.buildSubscriptionData`.
    pub fn of_tags(topic: &str, sub_string: Option<&str>) -> Result<SubscriptionData, SubscriptionError> {
        let mut data = SubscriptionData { topic: topic.to_owned(), ..SubscriptionData::default() };
        let tags = match sub_string {
            None | Some("" | SUB_ALL) => {
                data.sub_string = SUB_ALL.to_owned();
                return Ok(data);
            }
            Some(tags) => tags,
        };
        data.sub_string = tags.to_owned();
        let mut pieces = tags.split("||").peekable();
        // Java's split drops empty pieces at the end: of separators alone nothing is left.
        if pieces.by_ref().all(str::is_empty) {
            return Err(SubscriptionError::Split);
        }
        for tag in tags.split("||").map(trim_as_java).filter(|tag| !tag.is_empty()) {
            data.tags_set.insert(tag.to_owned());
            data.code_set.insert(java_string_hash(tag));
        }
        Ok(data)
    }

    /// A subscription of any type. Java: `FilterAPI.build`. A SQL92 expression is not compiled here.
    pub fn build(
        topic: &str,
        sub_string: Option<&str>,
        expression_type: Option<&str>,
    ) -> Result<SubscriptionData, SubscriptionError> {
        match expression_type {
            None | Some("" | EXPRESSION_TAG) => SubscriptionData::of_tags(topic, sub_string),
            Some(expression_type) => {
                let no_expression = || SubscriptionError::NoExpression(expression_type.to_owned());
                let sub_string = sub_string.filter(|text| !text.is_empty()).ok_or_else(no_expression)?;
                Ok(SubscriptionData {
                    topic: topic.to_owned(),
                    sub_string: sub_string.to_owned(),
                    expression_type: expression_type.to_owned(),
                    ..SubscriptionData::default()
                })
            }
        }
    }

    /// What it takes in memory, bytes, about.
    pub fn kept_bytes(&self) -> usize {
        /// This struct, its places in tables and their allocations.
        const ITSELF: usize = 300;
        /// One in a set.
        const ENTRY: usize = 40;
        let texts = self.topic.len() * 2 + self.sub_string.len() + self.expression_type.len();
        let tags: usize = self.tags_set.iter().map(|tag| ENTRY + tag.len()).sum();
        ITSELF + texts + tags + self.code_set.len() * ENTRY / 4
    }

    /// Whether a message whose queue entry has this tags code may be wanted (Java:
    /// `ExpressionMessageFilter.isMatchedByConsumeQueue`). Hashes collide: the client looks again.
    pub fn may_match(&self, tags_code: Option<i64>) -> bool {
        let Some(tags_code) = tags_code else { return true };
        // Java casts to 32 bits, too: only delayed messages have more.
        self.class_filter_mode || self.sub_string == SUB_ALL || self.code_set.contains(&(tags_code as i32))
    }

    /// Whether it filters by tag.
    pub fn is_tag_type(&self) -> bool {
        is_tag_type(Some(&self.expression_type))
    }
}

/// As logs and tools print it. Java: `toString`.
impl fmt::Display for SubscriptionData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tags = self.tags_set.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let codes = self.code_set.iter().map(i32::to_string).collect::<Vec<_>>().join(", ");
        write!(
            f,
            "SubscriptionData [classFilterMode={}, topic={}, subString={}, tagsSet=[{tags}], codeSet=[{codes}], \
             subVersion={}, expressionType={}]",
            self.class_filter_mode, self.topic, self.sub_string, self.sub_version, self.expression_type
        )
    }
}

/// Java's `String.trim`: off with everything up to a blank.
fn trim_as_java(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_split_trimmed_and_hashed() {
        let check = |text: Option<&str>, sub_string: &str, tags: &[&str], codes: &[i32]| {
            let data = SubscriptionData::build("T", text, None).unwrap();
            assert_eq!(data.sub_string, sub_string);
            assert_eq!(data.tags_set.iter().collect::<Vec<_>>(), tags.iter().collect::<Vec<_>>());
            assert_eq!(data.code_set.iter().copied().collect::<Vec<_>>(), codes);
        };
        check(None, "*", &[], &[]);
        check(Some(""), "*", &[], &[]);
        check(Some("*"), "*", &[], &[]);
        check(Some("A || B"), "A || B", &["A", "B"], &[65, 66]);
        check(Some("||TagA||||"), "||TagA||||", &["TagA"], &[2_598_919]);
        check(Some(" "), " ", &[], &[]);
        assert_eq!(SubscriptionData::of_tags("T", Some("||||")), Err(SubscriptionError::Split));
    }

    #[test]
    fn other_types_keep_their_expression() {
        let data = SubscriptionData::build("T", Some("a > 1"), Some("SQL92")).unwrap();
        assert_eq!((data.sub_string.as_str(), data.is_tag_type()), ("a > 1", false));
        let none = SubscriptionData::build("T", None, Some("SQL92")).unwrap_err();
        assert_eq!(none.to_string(), "Expression can't be null! SQL92");
    }

    #[test]
    fn a_heartbeat_may_number_its_constants() {
        let text = r#"{"clientID":"c","consumerDataSet":[{"groupName":"g","consumeType":0,"messageModel":0,
            "consumeFromWhere":4}]}"#;
        let data: HeartbeatData = compat::json::from_slice(text.as_bytes()).unwrap();
        let consumer = &data.consumer_data_set[0];
        assert_eq!(consumer.consume_type, ConsumeType::ConsumeActively);
        assert_eq!(consumer.message_model, MessageModel::Broadcasting);
        assert_eq!(consumer.consume_from_where, ConsumeFromWhere::ConsumeFromFirstOffset);
        assert!(compat::json::from_slice::<ConsumerData>(br#"{"consumeType":2}"#).is_err());
        // A pop consumer of 5.x.
        let later: ConsumerData = compat::json::from_slice(br#"{"consumeType":"CONSUME_POP"}"#).unwrap();
        assert_eq!(later.consume_type, ConsumeType::ConsumePassively);
    }
}
