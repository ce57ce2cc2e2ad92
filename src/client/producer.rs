//! A plain producer (Java: `DefaultMQProducer`, `DefaultMQProducerImpl`): finds routes, takes the queues in
//! turn, gives each message its unique key and tries another broker where one fails. No transactions, no
//! asynchronous or ordered sends, no latency statistics.

use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use compat::id::UniqueId;
use flate2::Compression;
use flate2::read::ZlibEncoder;

use super::message_ext::Message;
use super::namesrvs::Namesrvs;
use super::{CallError, Calls, SendReply};
use crate::protocol::body::heartbeat::{HeartbeatData, ProducerData};
use crate::protocol::body::queue::MessageQueue;
use crate::protocol::body::route::TopicRouteData;
use crate::protocol::header::client::UnregisterClientRequestHeader;
use crate::protocol::header::send::SendMessageRequestHeaderV2;
use crate::protocol::message::{
    PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX, PROPERTY_WAIT_STORE_MSG_OK, SYS_FLAG_COMPRESSED,
};
use crate::protocol::perm::PERM_INHERIT;
use crate::protocol::response_code::ResponseCode;
use crate::protocol::topic::{AUTO_CREATE_TOPIC_KEY_TOPIC, TBW102_TOPIC};

/// `sendMsgTimeout`.
const SEND_TIMEOUT: Duration = Duration::from_secs(3);
/// 1 + `retryTimesWhenSendFailed`.
const ATTEMPTS: usize = 3;
/// `compressMsgBodyOverHowmuch`.
const COMPRESS_FROM_BYTES: usize = 4096;
/// `defaultTopicQueueNums`.
const DEFAULT_TOPIC_QUEUES: i32 = 4;

/// Why nothing is sent to a topic that is there. Java does not ask for the template then, either.
const UNWRITABLE: &str = "it is there, but none of its brokers is a master that lets it be written: see perm and brokerAddrs in \
                          mqadmin topicRoute, brokerPermission, and whether write permission was wiped";

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    #[error(transparent)]
    Call(#[from] CallError),
    /// No broker takes messages of that topic. Java's text, and behind it why, as the name server says.
    #[error("No route info of this topic, {topic}: {why}")]
    NoRoute { topic: String, why: String },
    /// A queue of a broker that takes no messages of that topic. Java's text.
    #[error("The broker[{0}] not exist")]
    NoBroker(String),
    /// A batch must be of one topic and not empty.
    #[error("{0}")]
    Batch(&'static str),
}

/// What the broker did with a message. Java: `SendStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendStatus {
    SendOk,
    FlushDiskTimeout,
    FlushSlaveTimeout,
    SlaveNotAvailable,
}

impl SendStatus {
    fn of(code: i32) -> SendStatus {
        match ResponseCode::try_from(code) {
            Ok(ResponseCode::FlushDiskTimeout) => SendStatus::FlushDiskTimeout,
            Ok(ResponseCode::FlushSlaveTimeout) => SendStatus::FlushSlaveTimeout,
            Ok(ResponseCode::SlaveNotAvailable) => SendStatus::SlaveNotAvailable,
            _ => SendStatus::SendOk,
        }
    }

    /// Java's name.
    pub fn name(self) -> &'static str {
        match self {
            SendStatus::SendOk => "SEND_OK",
            SendStatus::FlushDiskTimeout => "FLUSH_DISK_TIMEOUT",
            SendStatus::FlushSlaveTimeout => "FLUSH_SLAVE_TIMEOUT",
            SendStatus::SlaveNotAvailable => "SLAVE_NOT_AVAILABLE",
        }
    }
}

/// A stored message. Java: `SendResult`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendResult {
    pub send_status: SendStatus,
    /// Unique key; of a batch all of them, joined by commas.
    pub msg_id: String,
    pub offset_msg_id: String,
    pub message_queue: MessageQueue,
    pub queue_offset: i64,
}

/// As the examples print it. Java: `toString`.
impl fmt::Display for SendResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SendResult [sendStatus={}, msgId={}, offsetMsgId={}, messageQueue={}, queueOffset={}]",
            self.send_status.name(),
            self.msg_id,
            self.offset_msg_id,
            self.message_queue,
            self.queue_offset
        )
    }
}

/// Sends messages of one producer group.
pub struct Producer {
    calls: Calls,
    namesrvs: Namesrvs,
    group: String,
    client_id: String,
    ids: UniqueIds,
    routes: Mutex<HashMap<String, Arc<Publish>>>,
    turn: AtomicUsize,
}

/// A queue, and the master that has it.
type Place = (MessageQueue, String);

/// A topic's queues.
struct Publish {
    places: Vec<Place>,
    /// The topic that a new topic takes its settings from.
    default_topic: &'static str,
    /// Whether the topic is there, or these are the queues that it will have.
    exists: bool,
}

/// What goes to whichever broker takes it.
struct Outgoing<'a> {
    topic: &'a str,
    properties: String,
    sys_flag: i32,
    flag: i32,
    body: Bytes,
    batch: bool,
}

impl<'a> Outgoing<'a> {
    fn of(message: &'a Message) -> Outgoing<'a> {
        let (mut body, mut sys_flag) = (message.body.clone(), 0);
        if body.len() >= COMPRESS_FROM_BYTES {
            body = deflate(&body);
            sys_flag |= SYS_FLAG_COMPRESSED;
        }
        Outgoing {
            topic: &message.topic,
            properties: message.properties_string(),
            sys_flag,
            flag: message.flag,
            body,
            batch: false,
        }
    }
}

impl Producer {
    /// A producer. Needs a runtime.
    pub fn new(namesrvs: Namesrvs, group: &str) -> Producer {
        Producer {
            calls: Calls::standalone(SEND_TIMEOUT),
            client_id: namesrvs.client_id(),
            ids: UniqueIds::new(namesrvs.local_ip()),
            namesrvs,
            group: group.to_owned(),
            routes: Mutex::default(),
            turn: AtomicUsize::new(somewhere()),
        }
    }

    /// Stores one message.
    pub async fn send(&self, message: &Message) -> Result<SendResult, SendError> {
        let message = self.with_unique_key(message);
        self.post(&Outgoing::of(&message), unique_key(&message)).await
    }

    /// Stores one message in one queue, or nowhere. Java: `send(Message, MessageQueue)`.
    pub async fn send_to(&self, message: &Message, queue: &MessageQueue) -> Result<SendResult, SendError> {
        let message = self.with_unique_key(message);
        let publish = self.publish(&message.topic).await?;
        let of_broker = |place: &&Place| place.0.broker_name == queue.broker_name;
        let (_, addr) = publish
            .places
            .iter()
            .find(of_broker)
            .ok_or_else(|| SendError::NoBroker(queue.broker_name.clone()))?;
        let outgoing = Outgoing::of(&message);
        let reply = self.post_at(&outgoing, &publish, queue, addr).await?;
        Ok(result_of(reply, queue, unique_key(&message)))
    }

    /// The queues that a topic's messages go to, broker by broker.
    pub async fn queues(&self, topic: &str) -> Result<Vec<MessageQueue>, SendError> {
        let publish = self.publish(topic).await?;
        Ok(publish.places.iter().map(|(queue, _)| queue.clone()).collect())
    }

    /// Stores messages of one topic together, in one queue.
    pub async fn send_batch(&self, messages: &[Message]) -> Result<SendResult, SendError> {
        let first = messages.first().ok_or(SendError::Batch("messages must not be empty"))?;
        if messages.iter().any(|message| message.topic != first.topic) {
            return Err(SendError::Batch("The topic of the messages in one batch should be the same"));
        }
        let (mut body, mut ids) = (Vec::new(), Vec::new());
        for message in messages {
            let message = self.with_unique_key(message);
            ids.push(unique_key(&message));
            encode_batch_item(&message, &mut body)?;
        }
        let own = Message::new(&first.topic, Bytes::new()).with_property(PROPERTY_WAIT_STORE_MSG_OK, "true");
        let outgoing = Outgoing {
            topic: &first.topic,
            properties: own.properties_string(),
            sys_flag: 0,
            flag: 0,
            body: body.into(),
            batch: true,
        };
        self.post(&outgoing, ids.join(",")).await
    }

    /// Takes back what the heartbeats said and ends the connections.
    pub async fn shutdown(&self) {
        let header = UnregisterClientRequestHeader {
            client_id: self.client_id.clone(),
            producer_group: Some(self.group.clone()),
            consumer_group: None,
        };
        for broker in self.brokers() {
            if let Err(error) = self.calls.unregister_client(&broker, &header).await {
                tracing::debug!(%broker, %error, "client not unregistered");
            }
        }
        self.calls.client().close();
    }

    /// Tells every broker in use that we are there, as Java does every 30 seconds.
    pub async fn heartbeat(&self) {
        for broker in self.brokers() {
            self.heartbeat_to(&broker).await;
        }
    }

    async fn heartbeat_to(&self, broker: &str) {
        let data = HeartbeatData {
            client_id: self.client_id.clone(),
            producer_data_set: vec![ProducerData { group_name: self.group.clone() }],
            ..HeartbeatData::default()
        };
        if let Err(error) = self.calls.heartbeat(broker, &data).await {
            tracing::warn!(%broker, %error, "heartbeat failed");
        }
    }

    fn brokers(&self) -> Vec<String> {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let addrs = routes.values().flat_map(|publish| publish.places.iter().map(|(_, addr)| addr.clone()));
        let mut addrs: Vec<String> = addrs.collect();
        addrs.sort();
        addrs.dedup();
        addrs
    }

    async fn post(&self, outgoing: &Outgoing<'_>, msg_id: String) -> Result<SendResult, SendError> {
        let topic = outgoing.topic;
        let mut failed: Option<(String, SendError)> = None;
        for _ in 0..ATTEMPTS {
            let publish = self.publish(topic).await?;
            let (queue, addr) = self.next_place(&publish, failed.as_ref().map(|(name, _)| name.as_str()));
            match self.post_at(outgoing, &publish, queue, addr).await {
                Ok(reply) => return Ok(result_of(reply, queue, msg_id)),
                Err(error) if !is_worth_another_broker(&error) => return Err(error.into()),
                Err(error) => {
                    if matches!(error, CallError::Invoke(_)) {
                        self.forget(topic);
                    }
                    failed = Some((queue.broker_name.clone(), error.into()));
                }
            }
        }
        let (_, error) = failed.expect("there was at least one attempt");
        Err(error)
    }

    async fn post_at(
        &self,
        outgoing: &Outgoing<'_>,
        publish: &Publish,
        queue: &MessageQueue,
        addr: &str,
    ) -> Result<SendReply, CallError> {
        let header = SendMessageRequestHeaderV2 {
            producer_group: &self.group,
            topic: outgoing.topic,
            default_topic: publish.default_topic,
            default_topic_queue_nums: DEFAULT_TOPIC_QUEUES,
            queue_id: queue.queue_id,
            sys_flag: outgoing.sys_flag,
            born_timestamp: now_ms(),
            flag: outgoing.flag,
            properties: Some(&outgoing.properties),
            reconsume_times: Some(0),
            batch: outgoing.batch,
            ..SendMessageRequestHeaderV2::default()
        };
        let reply = self.calls.send(addr, &header, outgoing.body.clone()).await?;
        if !publish.exists {
            // The broker has made it: the next send finds where it really is.
            self.forget(outgoing.topic);
        }
        Ok(reply)
    }

    /// The next queue in turn, of another broker than the one that just failed where there is another.
    fn next_place<'a>(&self, publish: &'a Publish, failed: Option<&str>) -> &'a Place {
        let places = &publish.places;
        let start = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_turn = |step: usize| &places[start.wrapping_add(step) % places.len()];
        let other =
            (0..places.len()).map(in_turn).find(|(queue, _)| failed != Some(queue.broker_name.as_str()));
        other.unwrap_or_else(|| in_turn(0))
    }

    async fn publish(&self, topic: &str) -> Result<Arc<Publish>, SendError> {
        let known = self.routes.lock().unwrap_or_else(PoisonError::into_inner).get(topic).cloned();
        if let Some(publish) = known {
            return Ok(publish);
        }
        let publish = Arc::new(self.find(topic).await?);
        let mut fresh: Vec<String> = publish.places.iter().map(|(_, addr)| addr.clone()).collect();
        let known = self.brokers();
        fresh.retain(|addr| !known.contains(addr));
        fresh.dedup();
        for addr in fresh {
            self.heartbeat_to(&addr).await;
        }
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        routes.insert(topic.to_owned(), Arc::clone(&publish));
        Ok(publish)
    }

    /// The topic's own queues, or if it is not there those that it will get when the first message creates it: 4.3.0 looks
    /// for `AUTO_CREATE_TOPIC_KEY`, all other versions for `TBW102`.
    async fn find(&self, topic: &str) -> Result<Publish, SendError> {
        let ask = async |addr: &str| self.calls.route_info(addr, topic).await;
        let no_route = |why: String| SendError::NoRoute { topic: topic.to_owned(), why };
        let why = match self.namesrvs.first_answer(ask).await {
            Ok(route) => {
                let places = places(topic, &route, None);
                if places.is_empty() {
                    return Err(no_route(UNWRITABLE.to_owned()));
                }
                return Ok(Publish { places, default_topic: AUTO_CREATE_TOPIC_KEY_TOPIC, exists: true });
            }
            Err(CallError::Refused { code, remark, .. })
                if code == i32::from(ResponseCode::TopicNotExist) =>
            {
                remark
            }
            Err(error) => return Err(error.into()),
        };
        for default_topic in [AUTO_CREATE_TOPIC_KEY_TOPIC, TBW102_TOPIC] {
            if let Some(route) = self.namesrvs.route_info(&self.calls, default_topic).await? {
                let places = places(topic, &route, Some(DEFAULT_TOPIC_QUEUES));
                if !places.is_empty() {
                    return Ok(Publish { places, default_topic, exists: false });
                }
            }
        }
        Err(no_route(why))
    }

    fn forget(&self, topic: &str) {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner).remove(topic);
    }

    fn with_unique_key(&self, message: &Message) -> Message {
        let mut message = message.clone();
        if unique_key(&message).is_empty() {
            message = message.with_property(PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX, &self.ids.next());
        }
        message.with_property(PROPERTY_WAIT_STORE_MSG_OK, "true")
    }
}

/// Where the first message goes, so that programs that send one each do not all choose the same queue. Java draws it.
fn somewhere() -> usize {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // As good as drawn.
    since.subsec_micros() as usize
}

fn unique_key(message: &Message) -> String {
    let mut pairs = message.properties.iter();
    let found = pairs.find(|(name, _)| name == PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX);
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}

/// The writable queues of a route, broker by broker. With `at_most`, those of a topic that does not exist yet.
fn places(topic: &str, route: &TopicRouteData, at_most: Option<i32>) -> Vec<Place> {
    let mut datas: Vec<_> = route.queue_datas.iter().filter(|data| data.is_writeable()).collect();
    datas.retain(|data| at_most.is_none() || data.perm & PERM_INHERIT != 0);
    datas.sort_by(|a, b| a.broker_name.cmp(&b.broker_name));
    let mut places = Vec::new();
    for data in datas {
        let broker = route.broker_datas.iter().find(|broker| broker.broker_name == data.broker_name);
        let Some(addr) = broker.and_then(|broker| broker.master_addr()) else { continue };
        let queues = at_most.map_or(data.write_queue_nums, |most| data.read_queue_nums.min(most));
        for queue_id in 0..queues {
            places.push((MessageQueue::new(topic, &data.broker_name, queue_id), addr.to_owned()));
        }
    }
    places
}

fn is_worth_another_broker(error: &CallError) -> bool {
    let Some(code) = error.code() else { return true };
    let codes = [
        ResponseCode::TopicNotExist,
        ResponseCode::ServiceNotAvailable,
        ResponseCode::SystemError,
        ResponseCode::NoPermission,
        ResponseCode::NoBuyerId,
        ResponseCode::NotInCurrentUnit,
    ];
    codes.into_iter().any(|known| code == i32::from(known))
}

fn result_of(reply: SendReply, queue: &MessageQueue, msg_id: String) -> SendResult {
    SendResult {
        send_status: SendStatus::of(reply.code),
        msg_id,
        offset_msg_id: reply.offset_msg_id,
        message_queue: MessageQueue::new(&queue.topic, &queue.broker_name, reply.queue_id),
        queue_offset: reply.queue_offset,
    }
}

/// One message of a batch's body. Java: `MessageDecoder.encodeMessage`.
fn encode_batch_item(message: &Message, out: &mut Vec<u8>) -> Result<(), SendError> {
    let properties = message.properties_string();
    let properties_length = i16::try_from(properties.len());
    let properties_length = properties_length.map_err(|_| SendError::Batch("message properties too long"))?;
    let size = 22 + message.body.len() + properties.len();
    let int = |length: usize| i32::try_from(length).map_err(|_| SendError::Batch("message too long"));
    out.extend_from_slice(&int(size)?.to_be_bytes());
    // Magic and CRC, which nobody reads.
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&message.flag.to_be_bytes());
    out.extend_from_slice(&int(message.body.len())?.to_be_bytes());
    out.extend_from_slice(&message.body);
    out.extend_from_slice(&properties_length.to_be_bytes());
    out.extend_from_slice(properties.as_bytes());
    Ok(())
}

/// As Java's producer does: zlib at level 5.
fn deflate(body: &[u8]) -> Bytes {
    let mut out = Vec::new();
    ZlibEncoder::new(body, Compression::new(5)).read_to_end(&mut out).expect("a slice is read without fail");
    out.into()
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Makes unique keys. Java: `MessageClientIDSetter`.
struct UniqueIds {
    ip: Ipv4Addr,
    loader_hash: u32,
    counter: AtomicU32,
}

impl UniqueIds {
    fn new(ip: Ipv4Addr) -> UniqueIds {
        // Java: the hash of the class loader, which differs from one to the next. Nanoseconds do so too.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UniqueIds { ip, loader_hash: since.subsec_nanos(), counter: AtomicU32::new(0) }
    }

    fn next(&self) -> String {
        let counter = self.counter.fetch_add(1, Ordering::Relaxed);
        let id = UniqueId {
            ip: self.ip,
            pid: std::process::id() as u16,
            loader_hash: self.loader_hash,
            since_month_ms: since_month_ms() as u32,
            counter: counter as u16,
        };
        id.encode()
    }
}

/// Since the month began, by the local clock.
fn since_month_ms() -> i64 {
    let now = jiff::Zoned::now();
    let begin = now.first_of_month().and_then(|day| day.start_of_day());
    begin.map_or(0, |begin| now.timestamp().as_millisecond() - begin.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::body::route::{BrokerData, QueueData};

    fn route(perm: i32) -> TopicRouteData {
        let queue_data = |name: &str| QueueData {
            broker_name: name.to_owned(),
            read_queue_nums: 8,
            write_queue_nums: 2,
            perm,
            ..QueueData::default()
        };
        let mut master = BrokerData::new("c", "a");
        master.broker_addrs.insert(0, "a:1".to_owned());
        let mut slave_only = BrokerData::new("c", "b");
        slave_only.broker_addrs.insert(1, "b:1".to_owned());
        TopicRouteData {
            queue_datas: vec![queue_data("b"), queue_data("a")],
            broker_datas: vec![master, slave_only],
            ..TopicRouteData::default()
        }
    }

    #[test]
    fn only_masters_and_permitted_queues_are_written_to() {
        let check = |perm: i32, at_most: Option<i32>, expected: usize| {
            let places = places("T", &route(perm), at_most);
            assert!(places.iter().all(|(queue, addr)| queue.topic == "T" && addr == "a:1"));
            assert_eq!(places.len(), expected, "{perm} {at_most:?}");
        };
        check(6, None, 2);
        check(4, None, 0);
        check(7, Some(4), 4);
        check(6, Some(4), 0);
    }

    #[test]
    fn ids_differ_and_say_who_made_them() {
        let ids = UniqueIds::new(Ipv4Addr::new(10, 0, 0, 1));
        let (first, second) = (ids.next(), ids.next());
        assert_ne!(first, second);
        let id = UniqueId::decode(&first).unwrap();
        assert_eq!((id.ip, id.pid, id.counter), (Ipv4Addr::new(10, 0, 0, 1), std::process::id() as u16, 0));
        assert!(u64::from(id.since_month_ms) < 31 * 86_400_000 + 3_600_000);
    }

    #[test]
    fn results_print_as_java() {
        let result = SendResult {
            send_status: SendStatus::of(0),
            msg_id: "U".to_owned(),
            offset_msg_id: "O".to_owned(),
            message_queue: MessageQueue::new("TopicTest", "broker-a", 3),
            queue_offset: 5,
        };
        let expected = "SendResult [sendStatus=SEND_OK, msgId=U, offsetMsgId=O, \
             messageQueue=MessageQueue [topic=TopicTest, brokerName=broker-a, queueId=3], queueOffset=5]";
        assert_eq!(result.to_string(), expected);
        assert_eq!(SendStatus::of(11).name(), "SLAVE_NOT_AVAILABLE");
    }
}
