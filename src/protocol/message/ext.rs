//! A stored message as pull, query and view replies carry it (Java: `MessageDecoder`, `MessageExt`). It is the
//! record of the commit log, seen from a client:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | total size |
//! | 4 | 4 | magic `DAA320A7` |
//! | 8 | 4 | CRC of the stored body, 31 bits |
//! | 12 | 4 | queue id |
//! | 16 | 4 | flag |
//! | 20 | 8 | queue offset |
//! | 28 | 8 | commit-log offset |
//! | 36 | 4 | sys flag |
//! | 40 | 8 | born timestamp |
//! | 48 | 4 + 4 | born host (16 + 4 with its sys flag of later versions) |
//! | 56 | 8 | store timestamp |
//! | 64 | 4 + 4 | store host (likewise) |
//! | 72 | 4 | reconsume times |
//! | 76 | 8 | prepared transaction offset |
//! | 84 | 4 + n | body |
//! | 88 + n | 1 + t | topic |
//! | 89 + n + t | 2 + p | properties string |

use std::borrow::Cow;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use flate2::read::ZlibDecoder;

use super::{
    MAX_PROPERTIES_BYTES, PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX, Properties, SYS_FLAG_BORN_HOST_V6,
    SYS_FLAG_COMPRESSED, SYS_FLAG_STORE_HOST_V6, property,
};
use crate::protocol::topic::MAX_TOPIC_BYTES;

/// Starts a message.
const MAGIC: i32 = 0xDAA3_20A7_u32 as i32;

/// Why bytes are no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They end within it.
    #[error("the message ends early")]
    Truncated,
    /// They do not start as one.
    #[error("the message starts with {0:#010x}")]
    Magic(i32),
    /// A length below 0.
    #[error("the message has a length of {0}")]
    Length(i32),
    /// A port beyond 65535.
    #[error("the message has a host with port {0}")]
    Port(i32),
    /// The body's flag says that it is compressed, and it is not, or its end is missing.
    #[error("the body is no zlib stream")]
    Inflate,
    /// More than the caller wants to hold.
    #[error("the inflated body has more than {0} bytes")]
    InflatedTooLong(usize),
}

/// Why a message cannot be laid out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Its length is one signed byte.
    #[error("the topic has {0} bytes, 127 are allowed")]
    Topic(usize),
    /// Their length is two signed bytes.
    #[error("the properties have {0} bytes, 32767 are allowed")]
    Properties(usize),
    /// Its length is four signed bytes.
    #[error("the body has {0} bytes")]
    Body(usize),
}

/// A message within the bytes that it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRef<'a> {
    /// Bytes in the commit log.
    pub store_size: i32,
    /// CRC of the stored body, 31 bits.
    pub body_crc: i32,
    pub queue_id: i32,
    /// The user's own flag.
    pub flag: i32,
    /// Entry in its queue.
    pub queue_offset: i64,
    /// Byte in the commit log.
    pub commit_log_offset: i64,
    /// Bits of `SYS_FLAG_*`.
    pub sys_flag: i32,
    /// When the client made it, ms.
    pub born_timestamp: i64,
    pub born_host: SocketAddr,
    /// When the broker stored it, ms.
    pub store_timestamp: i64,
    pub store_host: SocketAddr,
    pub reconsume_times: i32,
    pub prepared_transaction_offset: i64,
    /// As stored: perhaps compressed, see [`MessageRef::inflated_body`].
    pub body: &'a [u8],
    pub topic: Cow<'a, str>,
    /// Properties string.
    pub properties: Cow<'a, str>,
}

impl<'a> MessageRef<'a> {
    /// Takes a message off the front. As Java, it goes by the fields' lengths, not by the total size.
    pub fn take(bytes: &mut &'a [u8]) -> Result<MessageRef<'a>, DecodeError> {
        let mut rest = Reader(bytes);
        let store_size = rest.i32()?;
        let magic = rest.i32()?;
        if magic != MAGIC {
            return Err(DecodeError::Magic(magic));
        }
        let body_crc = rest.i32()?;
        let queue_id = rest.i32()?;
        let flag = rest.i32()?;
        let queue_offset = rest.i64()?;
        let commit_log_offset = rest.i64()?;
        let sys_flag = rest.i32()?;
        let born_timestamp = rest.i64()?;
        let born_host = rest.host(sys_flag & SYS_FLAG_BORN_HOST_V6 != 0)?;
        let store_timestamp = rest.i64()?;
        let store_host = rest.host(sys_flag & SYS_FLAG_STORE_HOST_V6 != 0)?;
        let reconsume_times = rest.i32()?;
        let prepared_transaction_offset = rest.i64()?;
        let body_length = rest.i32()?;
        let body = rest.take_signed(body_length)?;
        let topic_length = rest.i8()?;
        let topic = String::from_utf8_lossy(rest.take_signed(topic_length.into())?);
        let properties_length = rest.i16()?;
        let properties = String::from_utf8_lossy(rest.take_signed(properties_length.into())?);
        *bytes = rest.0;
        Ok(MessageRef {
            store_size,
            body_crc,
            queue_id,
            flag,
            queue_offset,
            commit_log_offset,
            sys_flag,
            born_timestamp,
            born_host,
            store_timestamp,
            store_host,
            reconsume_times,
            prepared_transaction_offset,
            body,
            topic,
            properties,
        })
    }

    /// One property.
    pub fn property(&self, name: &str) -> Option<&str> {
        property(&self.properties, name)
    }

    /// Where it is stored, as text: what brokers call its id.
    pub fn offset_msg_id(&self) -> String {
        offset_msg_id(self.store_host, self.commit_log_offset)
    }

    /// What clients call its id: theirs if it has one.
    pub fn msg_id(&self) -> String {
        let uniq_key = self.property(PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX);
        uniq_key.map_or_else(|| self.offset_msg_id(), str::to_owned)
    }

    /// Whether the stored body is the one that was stored.
    pub fn is_body_intact(&self) -> bool {
        body_crc(self.body) == self.body_crc
    }

    /// The body as the producer sent it, if that has at most `max` bytes.
    pub fn inflated_body(&self, max: usize) -> Result<Cow<'a, [u8]>, DecodeError> {
        if self.sys_flag & SYS_FLAG_COMPRESSED == 0 {
            return Ok(Cow::Borrowed(self.body));
        }
        let mut body = Vec::new();
        let bound = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
        ZlibDecoder::new(self.body).take(bound).read_to_end(&mut body).map_err(|_| DecodeError::Inflate)?;
        if body.len() > max { Err(DecodeError::InflatedTooLong(max)) } else { Ok(Cow::Owned(body)) }
    }

    /// A message of its own.
    pub fn to_ext(&self) -> MessageExt {
        MessageExt {
            body_crc: self.body_crc,
            queue_id: self.queue_id,
            flag: self.flag,
            queue_offset: self.queue_offset,
            commit_log_offset: self.commit_log_offset,
            sys_flag: self.sys_flag,
            born_timestamp: self.born_timestamp,
            born_host: self.born_host,
            store_timestamp: self.store_timestamp,
            store_host: self.store_host,
            reconsume_times: self.reconsume_times,
            prepared_transaction_offset: self.prepared_transaction_offset,
            body: self.body.to_vec(),
            topic: self.topic.clone().into_owned(),
            properties: Properties::parse(&self.properties),
        }
    }
}

/// The messages of a reply, up to the first that is malformed. Java drops that one and the rest in silence.
pub fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Result<MessageRef<'_>, DecodeError>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let message = MessageRef::take(&mut bytes);
        if message.is_err() {
            bytes = &[];
        }
        Some(message)
    })
}

/// A message that owns its parts. Java: `MessageExt`. The fields are [`MessageRef`]'s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageExt {
    pub body_crc: i32,
    pub queue_id: i32,
    pub flag: i32,
    pub queue_offset: i64,
    pub commit_log_offset: i64,
    pub sys_flag: i32,
    pub born_timestamp: i64,
    pub born_host: SocketAddr,
    pub store_timestamp: i64,
    pub store_host: SocketAddr,
    pub reconsume_times: i32,
    pub prepared_transaction_offset: i64,
    pub body: Vec<u8>,
    pub topic: String,
    pub properties: Properties,
}

impl MessageExt {
    /// Appends the message's layout; the body and its CRC go out as they are. Java: `MessageDecoder.encode`.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let properties = self.properties.encode();
        if self.topic.len() > MAX_TOPIC_BYTES {
            return Err(EncodeError::Topic(self.topic.len()));
        }
        if properties.len() > MAX_PROPERTIES_BYTES {
            return Err(EncodeError::Properties(properties.len()));
        }
        let body_length = i32::try_from(self.body.len()).map_err(|_| EncodeError::Body(self.body.len()))?;
        let start = out.len();
        for word in [0, MAGIC, self.body_crc, self.queue_id, self.flag] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        out.extend_from_slice(&self.queue_offset.to_be_bytes());
        out.extend_from_slice(&self.commit_log_offset.to_be_bytes());
        out.extend_from_slice(&self.sys_flag.to_be_bytes());
        out.extend_from_slice(&self.born_timestamp.to_be_bytes());
        put_host(out, self.born_host, self.sys_flag & SYS_FLAG_BORN_HOST_V6 != 0);
        out.extend_from_slice(&self.store_timestamp.to_be_bytes());
        put_host(out, self.store_host, self.sys_flag & SYS_FLAG_STORE_HOST_V6 != 0);
        out.extend_from_slice(&self.reconsume_times.to_be_bytes());
        out.extend_from_slice(&self.prepared_transaction_offset.to_be_bytes());
        out.extend_from_slice(&body_length.to_be_bytes());
        out.extend_from_slice(&self.body);
        out.push(u8::try_from(self.topic.len()).expect("checked above"));
        out.extend_from_slice(self.topic.as_bytes());
        out.extend_from_slice(&u16::try_from(properties.len()).expect("checked above").to_be_bytes());
        out.extend_from_slice(properties.as_bytes());
        let size = i32::try_from(out.len() - start).map_err(|_| EncodeError::Body(self.body.len()))?;
        out[start..start + 4].copy_from_slice(&size.to_be_bytes());
        Ok(())
    }

    /// As [`MessageRef::offset_msg_id`].
    pub fn offset_msg_id(&self) -> String {
        offset_msg_id(self.store_host, self.commit_log_offset)
    }
}

/// The CRC that a message carries of its body. Java: `UtilAll.crc32`.
pub(super) fn body_crc(body: &[u8]) -> i32 {
    // The mask leaves 31 bits.
    (crc32fast::hash(body) & 0x7FFF_FFFF) as i32
}

fn offset_msg_id(store_host: SocketAddr, commit_log_offset: i64) -> String {
    match store_host {
        SocketAddr::V4(host) => compat::id::offset_message_id(host, commit_log_offset),
        SocketAddr::V6(host) => compat::id::offset_message_id_v6(*host.ip(), host.port(), commit_log_offset),
    }
}

/// A host of the length that the flags say. Java 4.3.0 cuts an IPv6 address to its first four bytes.
fn put_host(out: &mut Vec<u8>, host: SocketAddr, v6: bool) {
    match (host.ip(), v6) {
        (IpAddr::V4(ip), false) => out.extend_from_slice(&ip.octets()),
        (IpAddr::V4(ip), true) => out.extend_from_slice(&ip.to_ipv6_mapped().octets()),
        (IpAddr::V6(ip), false) => out.extend_from_slice(&ip.octets()[..4]),
        (IpAddr::V6(ip), true) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&u32::from(host.port()).to_be_bytes());
}

/// Takes numbers and pieces off the front of bytes.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (piece, rest) = self.0.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(piece)
    }

    pub(super) fn take_signed(&mut self, length: i32) -> Result<&'a [u8], DecodeError> {
        self.take(usize::try_from(length).map_err(|_| DecodeError::Length(length))?)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (piece, rest) = self.0.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(*piece)
    }

    fn i8(&mut self) -> Result<i8, DecodeError> {
        self.array().map(i8::from_be_bytes)
    }

    pub(super) fn i16(&mut self) -> Result<i16, DecodeError> {
        self.array().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, DecodeError> {
        self.array().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_be_bytes)
    }

    fn host(&mut self, v6: bool) -> Result<SocketAddr, DecodeError> {
        let ip = if v6 {
            IpAddr::from(Ipv6Addr::from(self.array::<16>()?))
        } else {
            IpAddr::from(Ipv4Addr::from(self.array::<4>()?))
        };
        let port = self.i32()?;
        Ok(SocketAddr::new(ip, u16::try_from(port).map_err(|_| DecodeError::Port(port))?))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;

    fn message() -> MessageExt {
        MessageExt {
            body_crc: body_crc(b"hello"),
            queue_id: 3,
            flag: 7,
            queue_offset: 42,
            commit_log_offset: 0x1234,
            sys_flag: 0,
            born_timestamp: 1_795_391_897_067,
            born_host: "10.0.0.1:5000".parse().unwrap(),
            store_timestamp: 1_795_391_897_068,
            store_host: "127.0.0.1:10911".parse().unwrap(),
            reconsume_times: 1,
            prepared_transaction_offset: -1,
            body: b"hello".to_vec(),
            topic: "T".to_owned(),
            properties: Properties::parse("TAGS\u{1}a\u{2}"),
        }
    }

    fn encode(message: &MessageExt) -> Vec<u8> {
        let mut out = Vec::new();
        message.encode(&mut out).unwrap();
        out
    }

    #[test]
    fn comes_back_as_it_went() {
        let bytes = encode(&message());
        assert_eq!(bytes.len(), 91 + 5 + 1 + 7);
        assert_eq!(bytes[..8], [0, 0, 0, 104, 0xda, 0xa3, 0x20, 0xa7]);
        let mut rest = bytes.as_slice();
        let read = MessageRef::take(&mut rest).unwrap();
        assert_eq!((read.to_ext(), read.store_size, rest.len()), (message(), 104, 0));
        assert_eq!(read.offset_msg_id(), "7F00000100002A9F0000000000001234");
        assert_eq!((read.msg_id(), read.property("TAGS")), (read.offset_msg_id(), Some("a")));
        assert!(read.is_body_intact());
        let mut keyed = message();
        keyed.properties.set(PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX, "C0");
        assert_eq!(MessageRef::take(&mut encode(&keyed).as_slice()).unwrap().msg_id(), "C0");
    }

    #[test]
    fn java_lays_it_out_so() {
        let java = "00000068daa320a73610a6860000000300000007000000000000002a000000000000123400000000000001a2\
                    05b23deb0a00000100001388000001a205b23dec7f00000100002a9f00000001ffffffffffffffff00000005\
                    68656c6c6f0154000754414753016102";
        let ours: String = encode(&message()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(ours, java);
    }

    #[test]
    fn hosts_may_be_ipv6_in_later_versions() {
        let mut six = message();
        six.sys_flag = SYS_FLAG_STORE_HOST_V6;
        six.store_host = "[2001:db8::1]:10911".parse().unwrap();
        let bytes = encode(&six);
        let read = MessageRef::take(&mut bytes.as_slice()).unwrap();
        assert_eq!((read.to_ext(), bytes.len()), (six, 104 + 12));
        assert_eq!(read.offset_msg_id(), "20010DB800000000000000000000000100002A9F0000000000001234");
    }

    #[test]
    fn cut_or_damaged_bytes_are_errors() {
        let bytes = encode(&message());
        for length in 0..bytes.len() {
            assert_eq!(MessageRef::take(&mut &bytes[..length]).unwrap_err(), DecodeError::Truncated);
        }
        let check = |at: usize, byte: u8, expected: DecodeError| {
            let mut damaged = bytes.clone();
            damaged[at] = byte;
            let all: Vec<_> = messages(&damaged).collect();
            assert_eq!(all, [Err(expected)]);
        };
        check(4, 0, DecodeError::Magic(0x00a3_20a7));
        check(84, 0x80, DecodeError::Length(i32::MIN + 5));
        check(84, 0x7f, DecodeError::Truncated);
        check(53, 1, DecodeError::Port(0x0001_1388));
        check(93, 0xff, DecodeError::Length(-1));
        let mut two = bytes.clone();
        two.extend_from_slice(&bytes);
        assert_eq!(messages(&two).filter(Result::is_ok).count(), 2);
    }

    #[test]
    fn bodies_inflate_within_bounds() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::new(5));
        zlib.write_all(&[b'x'; 5000]).unwrap();
        let stored = zlib.finish().unwrap();
        let sys_flag = SYS_FLAG_COMPRESSED;
        let compressed = MessageExt { sys_flag, body_crc: body_crc(&stored), body: stored, ..message() };
        let bytes = encode(&compressed);
        let read = MessageRef::take(&mut bytes.as_slice()).unwrap();
        assert!(read.is_body_intact());
        assert_eq!(read.inflated_body(5000).unwrap().as_ref(), [b'x'; 5000]);
        assert_eq!(read.inflated_body(4999), Err(DecodeError::InflatedTooLong(4999)));
        let damaged = MessageRef { body: b"hello", ..read };
        assert!(!damaged.is_body_intact());
        assert_eq!(damaged.inflated_body(5000), Err(DecodeError::Inflate));
    }

    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        let long = MessageExt { topic: "t".repeat(128), ..message() };
        assert_eq!(long.encode(&mut Vec::new()), Err(EncodeError::Topic(128)));
        let mut long = message();
        long.properties.set("k", "v".repeat(32767));
        assert_eq!(long.encode(&mut Vec::new()), Err(EncodeError::Properties(32767 + 7 + 3)));
    }
}
