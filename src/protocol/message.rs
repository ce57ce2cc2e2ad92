//! Message properties and flags as they stand in a record or a send request (Java: `MessageConst`,
//! `MessageDecoder.string2messageProperties`, `MessageSysFlag`), and below it whole messages as clients see
//! them ([`MessageRef`], [`MessageExt`]) and batches. How a broker lays out a record is `store::record`'s.

mod batch;
mod ext;
mod properties;

pub use batch::{BatchItem, batch_items, put_batch_item};
pub use ext::{DecodeError, EncodeError, MessageExt, MessageRef, messages};
pub use properties::Properties;

/// Separates a property's name from its value.
pub const NAME_VALUE_SEPARATOR: char = '\u{1}';
/// Ends a property.
pub const PROPERTY_SEPARATOR: char = '\u{2}';

/// Index keys, separated by blanks.
pub const PROPERTY_KEYS: &str = "KEYS";
/// The message's tag.
pub const PROPERTY_TAGS: &str = "TAGS";
/// `false`: the sender does not wait for flush or replication.
pub const PROPERTY_WAIT_STORE_MSG_OK: &str = "WAIT";
/// Delay level, 1 and up.
pub const PROPERTY_DELAY_TIME_LEVEL: &str = "DELAY";
/// Topic before the message went to `%RETRY%`.
pub const PROPERTY_RETRY_TOPIC: &str = "RETRY_TOPIC";
/// Topic of a delayed or half message.
pub const PROPERTY_REAL_TOPIC: &str = "REAL_TOPIC";
/// Queue of a delayed or half message.
pub const PROPERTY_REAL_QUEUE_ID: &str = "REAL_QID";
/// `true`: a half message.
pub const PROPERTY_TRANSACTION_PREPARED: &str = "TRAN_MSG";
/// Producer group of a transaction.
pub const PROPERTY_PRODUCER_GROUP: &str = "PGROUP";
/// The first offset message id of a message that is consumed again.
pub const PROPERTY_ORIGIN_MESSAGE_ID: &str = "ORIGIN_MESSAGE_ID";
/// The client's message id.
pub const PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX: &str = "UNIQ_KEY";
/// Smallest offset of the queue when the message was pulled; the client's own.
pub const PROPERTY_MIN_OFFSET: &str = "MIN_OFFSET";
/// Largest offset of the queue when the message was pulled; the client's own.
pub const PROPERTY_MAX_OFFSET: &str = "MAX_OFFSET";
/// Of old versions, passed through.
pub const PROPERTY_BUYER_ID: &str = "BUYER_ID";
/// Of old versions, passed through.
pub const PROPERTY_TRANSFER_FLAG: &str = "TRANSFER_FLAG";
/// Of old versions, passed through.
pub const PROPERTY_CORRECTION_FLAG: &str = "CORRECTION_FLAG";
/// Of old versions, passed through.
pub const PROPERTY_MQ2_FLAG: &str = "MQ2_FLAG";
/// How often the message was consumed, when a client retries by sending; becomes the header's.
pub const PROPERTY_RECONSUME_TIME: &str = "RECONSUME_TIME";
/// Where such a client gives up; becomes the header's.
pub const PROPERTY_MAX_RECONSUME_TIMES: &str = "MAX_RECONSUME_TIMES";
/// Broker's region.
pub const PROPERTY_MSG_REGION: &str = "MSG_REGION";
/// Whether the client may send trace data.
pub const PROPERTY_TRACE_SWITCH: &str = "TRACE_ON";
/// When consuming began; the client's own.
pub const PROPERTY_CONSUME_START_TIMESTAMP: &str = "CONSUME_START_TIME";
/// Queue offset of a half message that was put again.
pub const PROPERTY_TRANSACTION_PREPARED_QUEUE_OFFSET: &str = "TRAN_PREPARED_QUEUE_OFFSET";
/// How often its producer was asked.
pub const PROPERTY_TRANSACTION_CHECK_TIMES: &str = "TRANSACTION_CHECK_TIMES";
/// Seconds before it is asked first.
pub const PROPERTY_CHECK_IMMUNITY_TIME_IN_SECONDS: &str = "CHECK_IMMUNITY_TIME_IN_SECONDS";
/// Cluster of the broker; clients of 4.6 on need it for request-reply. Java 4.6: `PROPERTY_CLUSTER`.
pub const PROPERTY_CLUSTER: &str = "CLUSTER";
/// Tells replies to requests apart (4.6 on).
pub const PROPERTY_CORRELATION_ID: &str = "CORRELATION_ID";
/// Client that a reply goes to (4.6 on).
pub const PROPERTY_MESSAGE_REPLY_TO_CLIENT: &str = "REPLY_TO_CLIENT";
/// Longest wait for a reply, ms (4.6 on).
pub const PROPERTY_MESSAGE_TTL: &str = "TTL";
/// `reply` in replies (4.6 on).
pub const PROPERTY_MESSAGE_TYPE: &str = "MSG_TYPE";
/// When the reply reached the broker, ms (4.6 on).
pub const PROPERTY_PUSH_REPLY_TIME: &str = "PUSH_REPLY_TIME";
/// Separates index keys.
pub const KEY_SEPARATOR: char = ' ';
/// Longest properties string, bytes: its length is a signed 16-bit number.
pub const MAX_PROPERTIES_BYTES: usize = 32767;

/// The body is a zlib stream.
pub const SYS_FLAG_COMPRESSED: i32 = 0x1;
/// The topic's filter type is MULTI_TAG.
pub const SYS_FLAG_MULTI_TAGS: i32 = 0x2;
/// Transaction state bits.
pub const SYS_FLAG_TRANSACTION_MASK: i32 = 0xC;
/// A half message.
pub const SYS_FLAG_TRANSACTION_PREPARED: i32 = 0x4;
/// A committed transaction's message.
pub const SYS_FLAG_TRANSACTION_COMMIT: i32 = 0x8;
/// A rolled back transaction.
pub const SYS_FLAG_TRANSACTION_ROLLBACK: i32 = 0xC;
/// The born host has 16 bytes. Brokers from 4.5 on only.
pub const SYS_FLAG_BORN_HOST_V6: i32 = 0x10;
/// The store host has 16 bytes. Brokers from 4.5 on only.
pub const SYS_FLAG_STORE_HOST_V6: i32 = 0x20;

/// The pairs of a properties string in order. As Java: a piece counts only if it splits into exactly a name
/// and a non-empty value.
pub fn properties(raw: &str) -> impl Iterator<Item = (&str, &str)> {
    raw.split(PROPERTY_SEPARATOR).filter_map(|item| {
        let (name, value) = item.split_once(NAME_VALUE_SEPARATOR)?;
        // Java's split drops trailing empty pieces: "a\1v\1" is a pair, "a\1" and "a\1v\1w" are not.
        let value = value.trim_end_matches(NAME_VALUE_SEPARATOR);
        (!value.is_empty() && !value.contains(NAME_VALUE_SEPARATOR)).then_some((name, value))
    })
}

/// One property's value; the last of several wins, as in Java's map.
pub fn property<'a>(raw: &'a str, name: &str) -> Option<&'a str> {
    properties(raw).filter(|(n, _)| *n == name).last().map(|(_, v)| v)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read_as_java_splits() {
        let check = |raw: &str, expected: &[(&str, &str)]| {
            assert_eq!(properties(raw).collect::<Vec<_>>(), expected, "{raw:?}");
        };
        check("", &[]);
        check("a\u{1}1\u{2}b\u{1}2\u{2}", &[("a", "1"), ("b", "2")]);
        check("a\u{1}1\u{2}b\u{1}2", &[("a", "1"), ("b", "2")]);
        check("a\u{1}\u{2}b\u{1}2\u{1}3\u{2}c\u{2}d\u{1}4\u{1}", &[("d", "4")]);
        check("\u{1}v\u{2}", &[("", "v")]);
        assert_eq!(property("a\u{1}1\u{2}a\u{1}2\u{2}", "a"), Some("2"));
        assert_eq!(property("a\u{1}1\u{2}", "b"), None);
    }
}
