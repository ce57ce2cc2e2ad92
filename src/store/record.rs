//! One record of the commit log: its layout, and how it is written, read and proved. Java:
//! `CommitLog.DefaultAppendMessageCallback`, `CommitLog.checkMessageAndReturnSize`. Pure: no file.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | total size |
//! | 4 | 4 | magic `DAA320A7`; `CBD43194` marks the unused rest of a file |
//! | 8 | 4 | CRC-32 of the body, top bit cleared |
//! | 12 | 4 | queue id |
//! | 16 | 4 | flag of the sender |
//! | 20 | 8 | queue offset |
//! | 28 | 8 | commit-log offset of byte 0 |
//! | 36 | 4 | sys flag |
//! | 40 | 8 | born timestamp, ms |
//! | 48 | 8 | born host: IPv4, port |
//! | 56 | 8 | store timestamp, ms |
//! | 64 | 8 | store host |
//! | 72 | 4 | times consumed before |
//! | 76 | 8 | commit-log offset of the half message |
//! | 84 | 4 + n | body |
//! | 88 + n | 1 + t | topic |
//! | 89 + n + t | 2 + p | properties |

use std::net::SocketAddrV4;

/// `MessageDecoder.MESSAGE_MAGIC_CODE`.
pub const MESSAGE_MAGIC: u32 = 0xDAA3_20A7;
/// `CommitLog.BLANK_MAGIC_CODE`.
pub const BLANK_MAGIC: u32 = 0xCBD4_3194;
/// Bytes of a record besides body, topic and properties.
pub const FIXED_BYTES: usize = 91;
/// What always stays free at a file's end, for the blank record's size and magic.
pub const END_BYTES: usize = 8;
/// A topic's length is a signed byte.
pub const TOPIC_MAX_BYTES: usize = 127;
/// The properties' length is a signed 16-bit number.
pub const PROPERTIES_MAX_BYTES: usize = 32767;

const AT_QUEUE_OFFSET: usize = 20;
const AT_COMMIT_LOG_OFFSET: usize = 28;
const AT_STORE_TIMESTAMP: usize = 56;
const AT_BODY: usize = 88;

/// What a record says besides what the log gives it.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    pub topic: &'a str,
    pub queue_id: i32,
    pub flag: i32,
    pub sys_flag: i32,
    pub born_timestamp_ms: i64,
    pub born_host: SocketAddrV4,
    pub store_host: SocketAddrV4,
    pub reconsume_times: i32,
    pub prepared_transaction_offset: i64,
    pub body: &'a [u8],
    pub properties: &'a str,
}

/// The length of a content's record.
pub fn length(content: &Content<'_>) -> usize {
    FIXED_BYTES + content.body.len() + content.topic.len() + content.properties.len()
}

/// Java's `UtilAll.crc32`.
pub fn crc(body: &[u8]) -> u32 {
    if body.is_empty() { 0 } else { crc32fast::hash(body) & 0x7FFF_FFFF }
}

/// Appends a record whose queue offset, commit-log offset and store timestamp are still 0. The caller has
/// checked topic and properties against their limits.
pub fn encode(content: &Content<'_>, out: &mut Vec<u8>) {
    let host = |out: &mut Vec<u8>, host: SocketAddrV4| {
        out.extend_from_slice(&host.ip().octets());
        out.extend_from_slice(&u32::from(host.port()).to_be_bytes());
    };
    out.reserve(length(content));
    out.extend_from_slice(&(length(content) as u32).to_be_bytes());
    out.extend_from_slice(&MESSAGE_MAGIC.to_be_bytes());
    out.extend_from_slice(&crc(content.body).to_be_bytes());
    out.extend_from_slice(&content.queue_id.to_be_bytes());
    out.extend_from_slice(&content.flag.to_be_bytes());
    out.extend_from_slice(&[0; 16]);
    out.extend_from_slice(&content.sys_flag.to_be_bytes());
    out.extend_from_slice(&content.born_timestamp_ms.to_be_bytes());
    host(out, content.born_host);
    out.extend_from_slice(&[0; 8]);
    host(out, content.store_host);
    out.extend_from_slice(&content.reconsume_times.to_be_bytes());
    out.extend_from_slice(&content.prepared_transaction_offset.to_be_bytes());
    out.extend_from_slice(&(content.body.len() as u32).to_be_bytes());
    out.extend_from_slice(content.body);
    out.push(content.topic.len() as u8);
    out.extend_from_slice(content.topic.as_bytes());
    out.extend_from_slice(&(content.properties.len() as u16).to_be_bytes());
    out.extend_from_slice(content.properties.as_bytes());
}

/// A whole record as it stands in the log.
pub fn encoded(
    content: &Content<'_>,
    queue_offset: i64,
    commit_log_offset: i64,
    store_timestamp_ms: i64,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(content, &mut bytes);
    stamp(&mut bytes, queue_offset, commit_log_offset, store_timestamp_ms);
    bytes
}

/// Gives an encoded record what only the log knows.
pub fn stamp(record: &mut [u8], queue_offset: i64, commit_log_offset: i64, store_timestamp_ms: i64) {
    record[AT_QUEUE_OFFSET..AT_QUEUE_OFFSET + 8].copy_from_slice(&queue_offset.to_be_bytes());
    record[AT_COMMIT_LOG_OFFSET..AT_COMMIT_LOG_OFFSET + 8].copy_from_slice(&commit_log_offset.to_be_bytes());
    record[AT_STORE_TIMESTAMP..AT_STORE_TIMESTAMP + 8].copy_from_slice(&store_timestamp_ms.to_be_bytes());
}

/// The blank record's head for a file with `left` bytes to its end.
pub fn blank(left: usize) -> [u8; END_BYTES] {
    let mut head = [0; END_BYTES];
    head[..4].copy_from_slice(&(left as u32).to_be_bytes());
    head[4..].copy_from_slice(&BLANK_MAGIC.to_be_bytes());
    head
}

/// A record in the log, its lengths checked against its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    bytes: &'a [u8],
    body_length: usize,
    topic_length: usize,
}

/// What stands at a place of the log.
#[derive(Debug, Clone, Copy)]
pub enum Found<'a> {
    Message(Record<'a>),
    /// The rest of the file is unused.
    Blank,
    /// No record begins here, or not all of it is there.
    Nothing,
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| i64::from_be_bytes(*word))
}

/// What stands at the start of `bytes`, which lies at `commit_log_offset`. A record is one only if its lengths
/// agree and it names its own place: old bytes elsewhere in a file do not.
pub fn find(bytes: &[u8], commit_log_offset: i64) -> Found<'_> {
    match u32_at(bytes, 4) {
        Some(MESSAGE_MAGIC) => parse(bytes)
            .filter(|record| record.commit_log_offset() == commit_log_offset)
            .map_or(Found::Nothing, Found::Message),
        Some(BLANK_MAGIC) => Found::Blank,
        _ => Found::Nothing,
    }
}

/// What the first eight bytes claim to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// A message's record of so many bytes.
    Message(usize),
    /// The unused rest of a file.
    Blank,
    Nothing,
}

/// What a record's first bytes claim; `None` where there are not enough of them.
pub fn head(bytes: &[u8]) -> Option<Head> {
    let length = u32_at(bytes, 0)?;
    Some(match u32_at(bytes, 4)? {
        MESSAGE_MAGIC => Head::Message(length as usize),
        BLANK_MAGIC => Head::Blank,
        _ => Head::Nothing,
    })
}

/// Whether a record's first bytes are those of a queue's entry: a look at one cache line, for the hot path.
pub fn is_of_entry(bytes: &[u8], commit_log_offset: i64, queue_id: i32, queue_offset: i64) -> bool {
    u32_at(bytes, 0) == u32::try_from(bytes.len()).ok()
        && u32_at(bytes, 4) == Some(MESSAGE_MAGIC)
        && u32_at(bytes, 12) == Some(queue_id.cast_unsigned())
        && i64_at(bytes, AT_QUEUE_OFFSET) == queue_offset
        && i64_at(bytes, AT_COMMIT_LOG_OFFSET) == commit_log_offset
}

/// The record at the start of `bytes`.
pub fn parse(bytes: &[u8]) -> Option<Record<'_>> {
    let total = u32_at(bytes, 0)? as usize;
    let bytes = bytes.get(..total)?;
    if u32_at(bytes, 4)? != MESSAGE_MAGIC {
        return None;
    }
    let body_length = u32_at(bytes, AT_BODY - 4)? as usize;
    let topic_at = AT_BODY.checked_add(body_length)?;
    let topic_length = usize::from(*bytes.get(topic_at)?);
    let properties_at = topic_at + 1 + topic_length;
    let properties_length =
        bytes.get(properties_at..)?.first_chunk().map(|word| u16::from_be_bytes(*word))?;
    let ends_there = properties_at + 2 + usize::from(properties_length) == total;
    ends_there.then_some(Record { bytes, body_length, topic_length })
}

impl<'a> Record<'a> {
    /// All of the record.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Its length.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// Queue.
    pub fn queue_id(&self) -> i32 {
        u32_at(self.bytes, 12).unwrap_or(0) as i32
    }

    /// Entry in the queue.
    pub fn queue_offset(&self) -> i64 {
        i64_at(self.bytes, AT_QUEUE_OFFSET)
    }

    /// Place in the commit log.
    pub fn commit_log_offset(&self) -> i64 {
        i64_at(self.bytes, AT_COMMIT_LOG_OFFSET)
    }

    /// Bits of `SYS_FLAG_*`.
    pub fn sys_flag(&self) -> i32 {
        u32_at(self.bytes, 36).unwrap_or(0) as i32
    }

    /// When it was stored, ms.
    pub fn store_timestamp_ms(&self) -> i64 {
        i64_at(self.bytes, AT_STORE_TIMESTAMP)
    }

    /// Place of the half message whose commit this is.
    pub fn prepared_transaction_offset(&self) -> i64 {
        i64_at(self.bytes, 76)
    }

    /// Body as sent.
    pub fn body(&self) -> &'a [u8] {
        &self.bytes[AT_BODY..AT_BODY + self.body_length]
    }

    /// Topic; `None` where it is no text.
    pub fn topic(&self) -> Option<&'a str> {
        let at = AT_BODY + self.body_length + 1;
        std::str::from_utf8(&self.bytes[at..at + self.topic_length]).ok()
    }

    /// Properties; empty where they are no text.
    pub fn properties(&self) -> &'a str {
        let at = AT_BODY + self.body_length + 1 + self.topic_length + 2;
        std::str::from_utf8(&self.bytes[at..]).unwrap_or("")
    }

    /// Whether the body is as it was stored.
    pub fn crc_is_right(&self) -> bool {
        u32_at(self.bytes, 8) == Some(crc(self.body()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::protocol::message::MessageRef;

    fn content() -> Content<'static> {
        Content {
            topic: "TopicTest",
            queue_id: 3,
            flag: 5,
            sys_flag: 0,
            born_timestamp_ms: 1,
            born_host: SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 50_000),
            store_host: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 10_911),
            reconsume_times: 2,
            prepared_transaction_offset: 9,
            body: b"hello",
            properties: "TAGS\u{1}A\u{2}",
        }
    }

    fn encoded() -> Vec<u8> {
        super::encoded(&content(), 7, 1000, 1_795_391_897_067)
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let bytes = encoded();
        assert_eq!(bytes.len(), length(&content()));
        let Found::Message(record) = find(&bytes, 1000) else { panic!("no record") };
        assert_eq!((record.queue_id(), record.queue_offset(), record.commit_log_offset()), (3, 7, 1000));
        assert_eq!((record.topic(), record.properties()), (Some("TopicTest"), "TAGS\u{1}A\u{2}"));
        assert_eq!((record.body(), record.store_timestamp_ms()), (&b"hello"[..], 1_795_391_897_067));
        assert!(record.crc_is_right());
        let message = MessageRef::take(&mut &bytes[..]).unwrap();
        assert_eq!((&*message.topic, message.queue_offset, message.body), ("TopicTest", 7, &b"hello"[..]));
    }

    #[test]
    fn a_record_must_prove_itself() {
        assert!(matches!(find(&encoded(), 1001), Found::Nothing), "another place");
        let good = encoded();
        for end in 0..good.len() {
            assert!(parse(&good[..end]).is_none(), "cut at {end}");
        }
        for at in [0, 1, 3, 4, 84, 87, 93, 103] {
            let mut damaged = good.clone();
            damaged[at] ^= 0x41;
            assert!(parse(&damaged).is_none(), "byte {at}");
        }
        let mut damaged = good;
        damaged[90] ^= 1;
        assert!(!parse(&damaged).is_some_and(|record| record.crc_is_right()));
        assert!(matches!(find(&blank(100), 0), Found::Blank));
        assert!(matches!(find(&[0; 100], 0), Found::Nothing));
    }
}
