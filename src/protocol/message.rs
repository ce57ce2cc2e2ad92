//! Message properties and flags as they stand in a record or a send request (Java: `MessageConst`,
//! `MessageDecoder.string2messageProperties`, `MessageSysFlag`). Not the record layout: that is `store::record`.

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
