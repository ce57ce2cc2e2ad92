//! Messages as a client has them: one to send ([`Message`]) and one that came from a broker ([`MessageExt`],
//! Java: the class of that name and `MessageDecoder.decode`). Not the store's record code: a client has to take
//! whatever a broker of any version sends.

use std::fmt;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use compat::hash::java_string_hash;
use compat::id::{offset_message_id, offset_message_id_v6};
use flate2::read::ZlibDecoder;

use crate::protocol::message::{
    self, NAME_VALUE_SEPARATOR, PROPERTY_KEYS, PROPERTY_MIN_OFFSET, PROPERTY_SEPARATOR, PROPERTY_TAGS,
    PROPERTY_TRANSACTION_PREPARED, PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX, SYS_FLAG_COMPRESSED,
};

/// Longest body once inflated: brokers take 4 MiB unless told otherwise.
const INFLATED_MAX_BYTES: usize = 64 * 1024 * 1024;
/// Later versions: the born host, or the store host, is an IPv6 address.
const SYS_FLAG_BORN_HOST_V6: i32 = 1 << 4;
const SYS_FLAG_STORE_HOST_V6: i32 = 1 << 5;

/// A message to send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub flag: i32,
    /// In order; see `protocol::message` for the names.
    pub properties: Vec<(String, String)>,
    pub body: Bytes,
}

impl Message {
    /// A message without properties.
    pub fn new(topic: &str, body: impl Into<Bytes>) -> Message {
        Message { topic: topic.to_owned(), body: body.into(), ..Message::default() }
    }

    /// The same with a tag.
    pub fn with_tags(self, tags: &str) -> Message {
        self.with_property(PROPERTY_TAGS, tags)
    }

    /// The same with index keys, separated by blanks.
    pub fn with_keys(self, keys: &str) -> Message {
        self.with_property(PROPERTY_KEYS, keys)
    }

    /// The same with a property, in the place of any earlier one of that name.
    pub fn with_property(mut self, name: &str, value: &str) -> Message {
        self.properties.retain(|(known, _)| known != name);
        self.properties.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The properties as one string.
    pub fn properties_string(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.properties {
            text.push_str(name);
            text.push(NAME_VALUE_SEPARATOR);
            text.push_str(value);
            text.push(PROPERTY_SEPARATOR);
        }
        text
    }
}

/// A message from a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageExt {
    pub queue_id: i32,
    /// Bytes in the commit log.
    pub store_size: i32,
    pub queue_offset: i64,
    pub sys_flag: i32,
    pub born_timestamp: i64,
    pub born_host: SocketAddr,
    pub store_timestamp: i64,
    pub store_host: SocketAddr,
    pub commit_log_offset: i64,
    pub body_crc: i32,
    pub reconsume_times: i32,
    pub prepared_transaction_offset: i64,
    pub message: Message,
}

/// Bytes that are no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a message in the reply is damaged: {0}")]
pub struct DamagedMessage(&'static str);

impl MessageExt {
    /// The messages of a pull, query or view reply, back to back.
    pub fn decode_all(bytes: &Bytes) -> Result<Vec<MessageExt>, DamagedMessage> {
        let mut messages = Vec::new();
        let mut rest = bytes.clone();
        while !rest.is_empty() {
            let size = rest.first_chunk::<4>().map(|size| u32::from_be_bytes(*size) as usize);
            let size = size.ok_or(DamagedMessage("cut within its length"))?;
            if size < 4 || size > rest.len() {
                return Err(DamagedMessage("its length does not fit"));
            }
            messages.push(MessageExt::decode(&rest.split_to(size))?);
        }
        Ok(messages)
    }

    fn decode(record: &Bytes) -> Result<MessageExt, DamagedMessage> {
        let mut fields = Fields { record, at: 0 };
        let store_size = fields.int()?;
        let _magic = fields.int()?;
        let body_crc = fields.int()?;
        let queue_id = fields.int()?;
        let flag = fields.int()?;
        let queue_offset = fields.long()?;
        let commit_log_offset = fields.long()?;
        let sys_flag = fields.int()?;
        let born_timestamp = fields.long()?;
        let born_host = fields.host(sys_flag & SYS_FLAG_BORN_HOST_V6 != 0)?;
        let store_timestamp = fields.long()?;
        let store_host = fields.host(sys_flag & SYS_FLAG_STORE_HOST_V6 != 0)?;
        let reconsume_times = fields.int()?;
        let prepared_transaction_offset = fields.long()?;
        let body_length = fields.int()?;
        let mut body = fields.piece(usize::try_from(body_length).map_err(|_| NEGATIVE)?)?;
        if sys_flag & SYS_FLAG_COMPRESSED != 0 {
            body = inflate(&body)?;
        }
        let topic_length = fields.array::<1>()?[0];
        let topic = fields.piece(topic_length.into())?;
        let properties_length = u16::from_be_bytes(fields.array()?);
        let properties = fields.piece(properties_length.into())?;
        let properties = String::from_utf8_lossy(&properties);
        let mut message = Message {
            topic: String::from_utf8_lossy(&topic).into_owned(),
            flag,
            properties: Vec::new(),
            body,
        };
        for (name, value) in message::properties(&properties) {
            message.properties.retain(|(known, _)| known != name);
            message.properties.push((name.to_owned(), value.to_owned()));
        }
        Ok(MessageExt {
            queue_id,
            store_size,
            queue_offset,
            sys_flag,
            born_timestamp,
            born_host,
            store_timestamp,
            store_host,
            commit_log_offset,
            body_crc,
            reconsume_times,
            prepared_transaction_offset,
            message,
        })
    }

    /// A property's value.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.message.properties.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Where the message is stored, as an id.
    pub fn offset_msg_id(&self) -> String {
        match self.store_host {
            SocketAddr::V4(host) => offset_message_id(host, self.commit_log_offset),
            SocketAddr::V6(host) => offset_message_id_v6(*host.ip(), host.port(), self.commit_log_offset),
        }
    }

    /// The properties as Java prints a `HashMap`.
    pub fn properties_text(&self) -> String {
        let pairs = hash_map_order(&self.message.properties);
        let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{{{}}}", pairs.join(", "))
    }

    /// Java's consumers set it when they have pulled a message of a transaction.
    fn transaction_id(&self) -> Option<&str> {
        let is_of_one = self.property(PROPERTY_TRANSACTION_PREPARED)?.eq_ignore_ascii_case("true");
        let is_pulled = self.property(PROPERTY_MIN_OFFSET).is_some();
        (is_of_one && is_pulled).then(|| self.property(PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX))?
    }

    /// The client's own id where there is one, else the offset id. Java: `MessageClientExt.getMsgId`.
    pub fn msg_id(&self) -> String {
        match self.property(PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX) {
            Some(id) => id.to_owned(),
            None => self.offset_msg_id(),
        }
    }
}

/// As the examples and tools print it. Java: `toString`, where `msgId` is the offset id and the properties stand in the
/// order of a `HashMap`.
impl fmt::Display for MessageExt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "MessageExt [queueId={}, storeSize={}, queueOffset={}, sysFlag={}, bornTimestamp={}, bornHost=/{}, \
             storeTimestamp={}, storeHost=/{}, msgId={}, commitLogOffset={}, bodyCRC={}, reconsumeTimes={}, \
             preparedTransactionOffset={}, toString()=Message{{topic='{}', flag={}, properties=",
            self.queue_id,
            self.store_size,
            self.queue_offset,
            self.sys_flag,
            self.born_timestamp,
            self.born_host,
            self.store_timestamp,
            self.store_host,
            self.offset_msg_id(),
            self.commit_log_offset,
            self.body_crc,
            self.reconsume_times,
            self.prepared_transaction_offset,
            self.message.topic,
            self.message.flag,
        )?;
        // Java's bytes are signed, and an empty body is none.
        let body: Vec<String> = self.message.body.iter().map(|byte| (*byte as i8).to_string()).collect();
        let body = if body.is_empty() { "null".to_owned() } else { format!("[{}]", body.join(", ")) };
        let transaction_id = self.transaction_id().unwrap_or("null");
        write!(f, "{}, body={body}, transactionId='{transaction_id}'}}]", self.properties_text())
    }
}

/// The order in which a `java.util.HashMap` that was filled in this order gives its entries.
fn hash_map_order(pairs: &[(String, String)]) -> Vec<&(String, String)> {
    // Java: 16 buckets, doubled when more than three quarters as many entries are there.
    let mut buckets = 16;
    while 4 * pairs.len() > 3 * buckets {
        buckets *= 2;
    }
    let bucket = |name: &str| {
        let hash = java_string_hash(name) as u32;
        (hash ^ (hash >> 16)) as usize & (buckets - 1)
    };
    let mut ordered: Vec<&(String, String)> = pairs.iter().collect();
    ordered.sort_by_key(|(name, _)| bucket(name));
    ordered
}

const NEGATIVE: DamagedMessage = DamagedMessage("a length is negative");

fn inflate(body: &[u8]) -> Result<Bytes, DamagedMessage> {
    let mut plain = Vec::new();
    let limit = INFLATED_MAX_BYTES as u64 + 1;
    ZlibDecoder::new(body)
        .take(limit)
        .read_to_end(&mut plain)
        .map_err(|_| DamagedMessage("no zlib stream"))?;
    if plain.len() > INFLATED_MAX_BYTES {
        return Err(DamagedMessage("inflates to more than a message may have"));
    }
    Ok(plain.into())
}

/// Reads a record's fields in turn.
struct Fields<'a> {
    record: &'a Bytes,
    at: usize,
}

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DamagedMessage> {
        let chunk = self.record.get(self.at..).and_then(|tail| tail.first_chunk::<N>());
        self.at += N;
        chunk.copied().ok_or(DamagedMessage("it ends within a field"))
    }

    fn int(&mut self) -> Result<i32, DamagedMessage> {
        self.array().map(i32::from_be_bytes)
    }

    fn long(&mut self) -> Result<i64, DamagedMessage> {
        self.array().map(i64::from_be_bytes)
    }

    fn host(&mut self, is_v6: bool) -> Result<SocketAddr, DamagedMessage> {
        let ip = if is_v6 {
            IpAddr::V6(Ipv6Addr::from(self.array::<16>()?))
        } else {
            IpAddr::V4(Ipv4Addr::from(self.array::<4>()?))
        };
        let port = u16::try_from(self.int()?).map_err(|_| DamagedMessage("a port is none"))?;
        Ok(SocketAddr::new(ip, port))
    }

    fn piece(&mut self, length: usize) -> Result<Bytes, DamagedMessage> {
        let end = self.at + length;
        if end > self.record.len() {
            return Err(DamagedMessage("it ends within a field"));
        }
        let piece = self.record.slice(self.at..end);
        self.at = end;
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(sys_flag: i32, body: &[u8], properties: &str) -> Bytes {
        let mut out = Vec::new();
        let mut put = |bytes: &[u8]| out.extend_from_slice(bytes);
        put(&[0; 4]);
        put(&[0xDA, 0xA3, 0x20, 0xA7]);
        put(&613_185_359_i32.to_be_bytes());
        put(&3_i32.to_be_bytes());
        put(&0_i32.to_be_bytes());
        put(&7_i64.to_be_bytes());
        put(&1024_i64.to_be_bytes());
        put(&sys_flag.to_be_bytes());
        put(&1_700_000_000_000_i64.to_be_bytes());
        put(&[127, 0, 0, 1, 0, 0, 0xC3, 0x50]);
        put(&1_700_000_000_001_i64.to_be_bytes());
        put(&[127, 0, 0, 1, 0, 0, 0x2A, 0x9F]);
        put(&0_i32.to_be_bytes());
        put(&0_i64.to_be_bytes());
        put(&(body.len() as u32).to_be_bytes());
        put(body);
        put(&[9]);
        put(b"TopicTest");
        put(&(properties.len() as u16).to_be_bytes());
        put(properties.as_bytes());
        let length = out.len() as u32;
        out[..4].copy_from_slice(&length.to_be_bytes());
        out.into()
    }

    #[test]
    fn prints_as_java() {
        let properties = "UNIQ_KEY\u{1}U\u{2}WAIT\u{1}true\u{2}TAGS\u{1}TagA\u{2}";
        let mut message = MessageExt::decode_all(&record(0, b"Hi\xFF", properties)).unwrap().remove(0);
        for (name, value) in [("MIN_OFFSET", "0"), ("MAX_OFFSET", "250"), ("CONSUME_START_TIME", "1")] {
            message.message = message.message.with_property(name, value);
        }
        let expected = "MessageExt [queueId=3, storeSize=134, queueOffset=7, sysFlag=0, \
             bornTimestamp=1700000000000, bornHost=/127.0.0.1:50000, storeTimestamp=1700000000001, \
             storeHost=/127.0.0.1:10911, msgId=7F00000100002A9F0000000000000400, commitLogOffset=1024, \
             bodyCRC=613185359, reconsumeTimes=0, preparedTransactionOffset=0, \
             toString()=Message{topic='TopicTest', flag=0, properties={MIN_OFFSET=0, MAX_OFFSET=250, \
             CONSUME_START_TIME=1, UNIQ_KEY=U, WAIT=true, TAGS=TagA}, body=[72, 105, -1], transactionId='null'}]";
        assert_eq!(message.to_string(), expected);
        assert_eq!(message.msg_id(), "U");
    }

    #[test]
    fn pulled_transactions_and_empty_bodies_print_as_java() {
        let check = |properties: &str, expected: &str| {
            let message = MessageExt::decode_all(&record(0, b"", properties)).unwrap().remove(0);
            let printed = message.to_string();
            assert!(printed.ends_with(expected), "{printed}");
        };
        let half = "UNIQ_KEY\u{1}U\u{2}TRAN_MSG\u{1}true\u{2}";
        check("", "properties={}, body=null, transactionId='null'}]");
        check(half, "body=null, transactionId='null'}]");
        check(&format!("{half}MIN_OFFSET\u{1}0\u{2}"), "body=null, transactionId='U'}]");
    }

    #[test]
    fn compressed_bodies_are_inflated() {
        let mut zlib = flate2::read::ZlibEncoder::new(&b"hello hello"[..], flate2::Compression::new(5));
        let mut body = Vec::new();
        zlib.read_to_end(&mut body).unwrap();
        let message = MessageExt::decode_all(&record(1, &body, "")).unwrap().remove(0);
        assert_eq!(&message.message.body[..], b"hello hello");
        assert!(MessageExt::decode_all(&record(1, b"x", "")).is_err());
    }

    #[test]
    fn damage_is_an_error_wherever_it_is() {
        let whole = record(0, b"Hi", "A\u{1}b\u{2}");
        for cut in 1..whole.len() {
            assert!(MessageExt::decode_all(&whole.slice(..cut)).is_err(), "{cut}");
            let mut shorter = whole[..cut].to_vec();
            if cut >= 4 {
                shorter[..4].copy_from_slice(&(cut as u32).to_be_bytes());
                assert!(MessageExt::decode_all(&shorter.into()).is_err(), "{cut}");
            }
        }
        assert_eq!(MessageExt::decode_all(&Bytes::new()), Ok(Vec::new()));
    }
}
