//! Questions that need the name server and then several brokers, for tools. Java: `DefaultMQAdminExtImpl`. Where Java asks
//! a broker drawn by chance, the brokers are asked in turn until one knows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use compat::id::{UniqueId, parse_offset_message_id};

use super::messages::{Pulled, Reader};
use crate::client::message_ext::MessageExt;
use crate::client::namesrvs::Namesrvs;
use crate::client::{CallError, Calls};
use crate::protocol::body::client::{ConsumeMessageDirectlyResult, ConsumerConnection, ConsumerRunningInfo};
use crate::protocol::body::heartbeat::ConsumeType;
use crate::protocol::body::queue::MessageQueue;
use crate::protocol::body::route::TopicRouteData;
use crate::protocol::body::stats::{ConsumeStats, OffsetWrapper};
use crate::protocol::header::client::ConsumeMessageDirectlyResultRequestHeader;
use crate::protocol::header::offset::{
    CloneGroupOffsetRequestHeader, ResetOffsetRequestHeader, UpdateConsumerOffsetRequestHeader,
};
use crate::protocol::header::query::QueryMessageRequestHeader;
use crate::protocol::message::{KEY_SEPARATOR, PROPERTY_KEYS, PROPERTY_TAGS};
use crate::protocol::response_code::ResponseCode;
use crate::protocol::topic::retry_topic;

/// How much further off than its sender's clock says a message may be stored: clocks of other zones, and month's ends.
const CLOCKS_APART_MS: i64 = 26 * 3_600_000;
/// A broker asks its consumer for 10 s.
const RELAY_TIMES: u32 = 3;
/// As many messages as brokers give of one key.
const MOST_OF_A_KEY: i32 = 64;
const MOST_OF_A_UNIQUE_KEY: i32 = 32;

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    #[error(transparent)]
    Call(#[from] CallError),
    /// What Java's client finds out by itself, with its code.
    #[error("CODE: {code}  DESC: {text}")]
    Found { code: i32, text: String },
    #[error("no name server is known: name one with -n HOST:PORT or in NAMESRV_ADDR")]
    NoNameServer,
}

impl ToolError {
    fn found(code: ResponseCode, text: impl Into<String>) -> ToolError {
        ToolError::Found { code: code.into(), text: text.into() }
    }

    /// The code that somebody refused with.
    pub fn code(&self) -> Option<i32> {
        match self {
            ToolError::Call(error) => error.code(),
            ToolError::Found { code, .. } => Some(*code),
            ToolError::NoNameServer => None,
        }
    }

    fn is(&self, code: ResponseCode) -> bool {
        self.code() == Some(code.into())
    }

    /// As Java tells it of a consumer group.
    fn description(&self) -> String {
        match self {
            ToolError::Call(CallError::Refused { code, remark, .. }) => format!("CODE:{code} DESC:{remark}"),
            ToolError::Found { code, text } => format!("CODE:{code} DESC:{text}"),
            other => other.to_string(),
        }
    }
}

/// What has become of a message in a group. Java: the enum of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackType {
    Consumed,
    ConsumedButFiltered,
    Pull,
    NotConsumeYet,
    NotOnline,
    Unknown,
}

impl TrackType {
    /// Java's name.
    pub fn name(self) -> &'static str {
        match self {
            TrackType::Consumed => "CONSUMED",
            TrackType::ConsumedButFiltered => "CONSUMED_BUT_FILTERED",
            TrackType::Pull => "PULL",
            TrackType::NotConsumeYet => "NOT_CONSUME_YET",
            TrackType::NotOnline => "NOT_ONLINE",
            TrackType::Unknown => "UNKNOWN",
        }
    }
}

/// A message in one group. Java: the class of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageTrack {
    pub consumer_group: String,
    pub track_type: TrackType,
    pub exception_desc: Option<String>,
}

/// Java: `toString`.
impl std::fmt::Display for MessageTrack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let desc = self.exception_desc.as_deref().unwrap_or("null");
        let (group, track_type) = (&self.consumer_group, self.track_type.name());
        write!(f, "MessageTrack [consumerGroup={group}, trackType={track_type}, exceptionDesc={desc}]")
    }
}

/// A queue whose offset was set. Java: the class of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollbackStats {
    pub broker_name: String,
    pub queue_id: i32,
    pub broker_offset: i64,
    pub consumer_offset: i64,
    pub timestamp_offset: i64,
    pub rollback_offset: i64,
}

/// What several brokers have answered, and which of them have not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathered<T> {
    pub found: Vec<T>,
    pub failed: Vec<CallError>,
}

/// A queue and the address of its broker.
pub type Place = (MessageQueue, String);

/// Calls, and the name servers that say whom to call. Who names a broker's address needs none.
#[derive(Clone)]
pub struct Tools {
    pub calls: Calls,
    namesrvs: Option<Namesrvs>,
}

impl Tools {
    /// Tools that ask these name servers, if any.
    pub fn new(calls: Calls, namesrvs: Option<Namesrvs>) -> Tools {
        Tools { calls, namesrvs }
    }

    /// The name servers.
    pub fn namesrvs(&self) -> Result<&Namesrvs, ToolError> {
        self.namesrvs.as_ref().ok_or(ToolError::NoNameServer)
    }

    fn relayed(&self) -> Calls {
        self.calls.taking(RELAY_TIMES)
    }

    /// Where a topic is.
    pub async fn route(&self, topic: &str) -> Result<TopicRouteData, ToolError> {
        Ok(self.namesrvs()?.first_answer(async |addr| self.calls.route_info(addr, topic).await).await?)
    }

    /// One address of each broker of a topic: the master, or a slave where there is none.
    pub async fn brokers(&self, topic: &str) -> Result<Vec<String>, ToolError> {
        Ok(addrs(&self.route(topic).await?))
    }

    /// The readable queues of a topic.
    pub async fn queues(&self, topic: &str) -> Result<Vec<Place>, ToolError> {
        let route = self.route(topic).await?;
        let mut places = Vec::new();
        for data in route.queue_datas.iter().filter(|data| data.is_readable()) {
            let broker = route.broker_datas.iter().find(|broker| broker.broker_name == data.broker_name);
            let Some(addr) = broker.and_then(|broker| broker.select_broker_addr()) else { continue };
            let queue = |id| (MessageQueue::new(topic, &data.broker_name, id), addr.to_owned());
            places.extend((0..data.read_queue_nums).map(queue));
        }
        places.sort();
        Ok(places)
    }

    /// Where a broker is that has a topic.
    pub async fn broker_of(&self, topic: &str, broker_name: &str) -> Result<String, ToolError> {
        let route = self.route(topic).await?;
        let broker = route.broker_datas.iter().find(|broker| broker.broker_name == broker_name);
        let addr = broker.and_then(|broker| broker.select_broker_addr()).map(str::to_owned);
        addr.ok_or_else(|| {
            ToolError::found(ResponseCode::SystemError, format!("The broker[{broker_name}] not exist"))
        })
    }

    /// How far a group is, on all brokers of its retry topic.
    pub async fn consume_stats(&self, group: &str, topic: Option<&str>) -> Result<ConsumeStats, ToolError> {
        let (stats, failed) = self.known_consume_stats(group, topic).await?;
        match failed.into_iter().next() {
            Some(error) => Err(error.into()),
            None => Ok(stats),
        }
    }

    /// The same without the brokers that do not answer, and why those do not.
    pub async fn known_consume_stats(
        &self,
        group: &str,
        topic: Option<&str>,
    ) -> Result<(ConsumeStats, Vec<CallError>), ToolError> {
        let (mut all, mut failed) = (ConsumeStats::default(), Vec::new());
        for broker in self.brokers(&retry_topic(group)).await? {
            match self.relayed().consume_stats(&broker, group, topic).await {
                Ok(stats) => {
                    all.offset_table.extend(stats.offset_table);
                    all.consume_tps += stats.consume_tps;
                }
                Err(error) => failed.push(error),
            }
        }
        if all.offset_table.is_empty() && failed.is_empty() {
            let text = "Not found the consumer group consume stats, because return offset table is empty, maybe the \
                        consumer not consume any message";
            return Err(ToolError::found(ResponseCode::ConsumerNotOnline, text));
        }
        Ok((all, failed))
    }

    /// Who is in a group.
    pub async fn consumer_connection(&self, group: &str) -> Result<ConsumerConnection, ToolError> {
        let text = "Not found the consumer group connection";
        let mut last = ToolError::found(ResponseCode::ConsumerNotOnline, text);
        for broker in self.brokers(&retry_topic(group)).await? {
            match self.calls.consumer_connection(&broker, group).await {
                Ok(connection) if !connection.connection_set.is_empty() => return Ok(connection),
                Ok(_) => {}
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }

    /// What a member says of itself.
    pub async fn consumer_running_info(
        &self,
        group: &str,
        client_id: &str,
        jstack: bool,
    ) -> Result<ConsumerRunningInfo, ToolError> {
        let text = format!("no broker has the topic {}", retry_topic(group));
        let mut last = ToolError::found(ResponseCode::SystemError, text);
        for broker in self.brokers(&retry_topic(group)).await? {
            match self.relayed().consumer_running_info(&broker, group, client_id, jstack).await {
                Ok(info) => return Ok(info),
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }

    /// Groups that consume a topic.
    pub async fn topic_consume_by_who(&self, topic: &str) -> Result<BTreeSet<String>, ToolError> {
        let mut groups = BTreeSet::new();
        for broker in self.brokers(topic).await? {
            groups.extend(self.calls.topic_consume_by_who(&broker, topic).await?.group_list);
        }
        Ok(groups)
    }

    /// The message of an offset id.
    pub async fn view_message(&self, id: &str) -> Result<MessageExt, ToolError> {
        let (addr, offset) = parse_offset_message_id(id).ok_or_else(|| {
            ToolError::found(ResponseCode::NoMessage, "query message by id finished, but no message.")
        })?;
        Ok(self.calls.view_message(&addr.to_string(), offset).await?)
    }

    /// Messages of a key, of all brokers of the topic.
    pub async fn query_by_key(&self, topic: &str, key: &str) -> Result<Gathered<MessageExt>, ToolError> {
        let has_key = |message: &MessageExt| {
            message.property(PROPERTY_KEYS).is_some_and(|keys| keys.split(KEY_SEPARATOR).any(|it| it == key))
        };
        let mut gathered = self.query(topic, key, MOST_OF_A_KEY, 0, false).await?;
        gathered.found.retain(has_key);
        or_no_message(gathered)
    }

    /// The message of an offset id or of a client's unique key: the oldest of them where it was sent again.
    pub async fn query_by_unique_key(&self, topic: &str, id: &str) -> Result<MessageExt, ToolError> {
        let brokers = self.brokers(topic).await?;
        if let Some((addr, offset)) = parse_offset_message_id(id)
            && brokers.contains(&addr.to_string())
        {
            return Ok(self.calls.view_message(&addr.to_string(), offset).await?);
        }
        let begin = UniqueId::decode(id).map_or(0, |id| nearly_sent_ms(&id) - CLOCKS_APART_MS);
        let mut gathered = self.query(topic, id, MOST_OF_A_UNIQUE_KEY, begin.max(0), true).await?;
        gathered.found.retain(|message| message.msg_id() == id);
        if gathered.found.is_empty() && begin > 0 {
            gathered = self.query(topic, id, MOST_OF_A_UNIQUE_KEY, 0, true).await?;
            gathered.found.retain(|message| message.msg_id() == id);
        }
        let found = or_no_message(gathered)?.found;
        Ok(found.into_iter().min_by_key(|it| it.store_timestamp).expect("there is one"))
    }

    async fn query(
        &self,
        topic: &str,
        key: &str,
        max_num: i32,
        begin_timestamp: i64,
        is_unique_key: bool,
    ) -> Result<Gathered<MessageExt>, ToolError> {
        let header = QueryMessageRequestHeader {
            topic: topic.to_owned(),
            key: key.to_owned(),
            max_num,
            begin_timestamp,
            end_timestamp: i64::MAX,
            unique_key_query: Some(is_unique_key),
        };
        let mut gathered = Gathered { found: Vec::new(), failed: Vec::new() };
        let brokers = self.brokers(topic).await;
        let brokers = brokers.map_err(|error| match error.is(ResponseCode::TopicNotExist) {
            true => {
                let text = format!("The topic[{topic}] not matched route info");
                ToolError::found(ResponseCode::TopicNotExist, text)
            }
            false => error,
        });
        for broker in brokers? {
            match self.relayed().query_message(&broker, &header).await {
                Ok(messages) => gathered.found.extend(messages),
                Err(error) => gathered.failed.push(error),
            }
        }
        Ok(gathered)
    }

    /// What has become of a message in each group that consumes its topic.
    pub async fn message_track(&self, message: &MessageExt) -> Result<Vec<MessageTrack>, ToolError> {
        let mut tracks = Vec::new();
        for group in self.topic_consume_by_who(&message.message.topic).await? {
            let (track_type, exception_desc) = match self.track_in(message, &group).await {
                Ok(track_type) => (track_type, None),
                Err(error) if error.is(ResponseCode::ConsumerNotOnline) => {
                    (TrackType::NotOnline, Some(error.description()))
                }
                Err(error) => (TrackType::Unknown, Some(error.description())),
            };
            tracks.push(MessageTrack { consumer_group: group, track_type, exception_desc });
        }
        Ok(tracks)
    }

    async fn track_in(&self, message: &MessageExt, group: &str) -> Result<TrackType, ToolError> {
        let connection = self.consumer_connection(group).await?;
        if connection.consume_type == Some(ConsumeType::ConsumeActively) {
            return Ok(TrackType::Pull);
        }
        if !self.is_consumed(message, group).await? {
            return Ok(TrackType::NotConsumeYet);
        }
        let subscription = connection.subscription_table.get(&message.message.topic);
        let is_wanted = subscription.is_none_or(|data| {
            let tag = message.property(PROPERTY_TAGS).unwrap_or_default();
            data.tags_set.is_empty() || data.tags_set.contains(tag) || data.tags_set.contains("*")
        });
        Ok(if is_wanted { TrackType::Consumed } else { TrackType::ConsumedButFiltered })
    }

    async fn is_consumed(&self, message: &MessageExt, group: &str) -> Result<bool, ToolError> {
        let stats = self.consume_stats(group, None).await?;
        let route = self.route(&message.message.topic).await?;
        let host = message.store_host.to_string();
        let is_at_home = |queue: &MessageQueue| {
            let broker = route.broker_datas.iter().find(|broker| broker.broker_name == queue.broker_name);
            broker.and_then(|broker| broker.master_addr()) == Some(host.as_str())
        };
        Ok(stats.offset_table.iter().any(|(queue, offset)| {
            queue.topic == message.message.topic
                && queue.queue_id == message.queue_id
                && offset.consumer_offset > message.queue_offset
                && is_at_home(queue)
        }))
    }

    /// Has a member consume a stored message.
    pub async fn consume_directly(
        &self,
        group: &str,
        client_id: &str,
        message: &MessageExt,
    ) -> Result<ConsumeMessageDirectlyResult, ToolError> {
        let header = ConsumeMessageDirectlyResultRequestHeader {
            consumer_group: group.to_owned(),
            client_id: Some(client_id.to_owned()),
            msg_id: Some(message.offset_msg_id()),
            broker_name: None,
        };
        let host = message.store_host.to_string();
        Ok(self.relayed().consume_message_directly(&host, &header).await?)
    }

    /// Gives a group the offsets of another one, at every broker of the topic.
    pub async fn clone_group_offset(&self, header: &CloneGroupOffsetRequestHeader) -> Result<(), ToolError> {
        for broker in self.brokers(header.topic.as_deref().unwrap_or_default()).await? {
            self.relayed().clone_group_offset(&broker, header).await?;
        }
        Ok(())
    }

    /// Has the members of a group go to where a topic was at a time.
    pub async fn reset_offset(
        &self,
        header: &ResetOffsetRequestHeader,
        is_c: bool,
    ) -> Result<BTreeMap<MessageQueue, i64>, ToolError> {
        let mut all = BTreeMap::new();
        for broker in self.brokers(&header.topic).await? {
            all.extend(self.calls.reset_offset(&broker, header, is_c).await?);
        }
        Ok(all)
    }

    /// The same for a group of which nobody is there: its offsets are set at the brokers, or in a dry run only told. `step`
    /// hears of each queue.
    pub async fn reset_offset_old(
        &self,
        header: &ResetOffsetRequestHeader,
        is_dry_run: bool,
        mut step: impl FnMut(usize, usize),
    ) -> Result<Vec<RollbackStats>, ToolError> {
        let mut queues: Vec<(String, MessageQueue, OffsetWrapper)> = Vec::new();
        for broker in self.brokers(&header.topic).await? {
            let stats = self.relayed().consume_stats(&broker, &header.group, None).await?;
            let mut own: Vec<_> = stats.offset_table.into_iter().collect();
            own.retain(|(queue, _)| queue.topic == header.topic);
            if own.is_empty() {
                let stats = self.calls.topic_stats(&broker, &header.topic).await?;
                own.extend(stats.offset_table.into_iter().map(|(queue, offset)| {
                    let (broker_offset, consumer_offset) = (offset.max_offset, offset.min_offset);
                    (queue, OffsetWrapper { broker_offset, consumer_offset, last_timestamp: 0 })
                }));
            }
            queues.extend(own.into_iter().map(|(queue, offset)| (broker.clone(), queue, offset)));
        }
        let mut all = Vec::new();
        for (broker, queue, offset) in &queues {
            all.push(self.roll_back(broker, header, is_dry_run, queue, offset).await?);
            step(all.len(), queues.len());
        }
        Ok(all)
    }

    async fn roll_back(
        &self,
        broker: &str,
        header: &ResetOffsetRequestHeader,
        is_dry_run: bool,
        queue: &MessageQueue,
        offset: &OffsetWrapper,
    ) -> Result<RollbackStats, ToolError> {
        let (topic, queue_id) = (queue.topic.as_str(), queue.queue_id);
        let timestamp_offset = match header.timestamp {
            -1 => self.calls.max_offset(broker, topic, queue_id).await?,
            timestamp => self.calls.search_offset(broker, topic, queue_id, timestamp).await?,
        };
        let is_moved = header.is_force || timestamp_offset <= offset.consumer_offset;
        if is_moved && !is_dry_run {
            let update = UpdateConsumerOffsetRequestHeader {
                consumer_group: header.group.clone(),
                topic: topic.to_owned(),
                queue_id,
                commit_offset: timestamp_offset,
            };
            self.calls.update_consumer_offset(broker, &update).await?;
        }
        Ok(RollbackStats {
            broker_name: queue.broker_name.clone(),
            queue_id,
            broker_offset: offset.broker_offset,
            consumer_offset: offset.consumer_offset,
            timestamp_offset,
            rollback_offset: if is_moved { timestamp_offset } else { offset.consumer_offset },
        })
    }

    /// Where a queue was at the ends of a time, or where it begins and ends. Java: `minOffset`, `maxOffset`, `searchOffset`.
    pub async fn bounds(
        &self,
        (queue, broker): &Place,
        begin: Option<i64>,
        end: Option<i64>,
    ) -> Result<(i64, i64), ToolError> {
        let (topic, id) = (queue.topic.as_str(), queue.queue_id);
        let min = match begin {
            Some(time) => self.calls.search_offset(broker, topic, id, time).await?,
            None => self.calls.min_offset(broker, topic, id).await?,
        };
        let max = match end {
            Some(time) => self.calls.search_offset(broker, topic, id, time).await?,
            None => self.calls.max_offset(broker, topic, id).await?,
        };
        Ok((min, max))
    }

    /// Reads on in a queue.
    pub async fn pull(
        &self,
        reader: &Reader,
        (queue, broker): &Place,
        offset: i64,
        most: i32,
    ) -> Result<Pulled, ToolError> {
        Ok(reader.pull(&self.calls.taking(2), broker, queue, offset, most).await?)
    }
}

fn addrs(route: &TopicRouteData) -> Vec<String> {
    route.broker_datas.iter().filter_map(|broker| broker.select_broker_addr()).map(str::to_owned).collect()
}

fn or_no_message(gathered: Gathered<MessageExt>) -> Result<Gathered<MessageExt>, ToolError> {
    if !gathered.found.is_empty() {
        return Ok(gathered);
    }
    Err(match gathered.failed.into_iter().next() {
        Some(error) => error.into(),
        None => ToolError::found(ResponseCode::NoMessage, "query message by key finished, but no message."),
    })
}

/// When a unique id was made, by its sender's clock; a month's days ago where that is still to come. Java:
/// `MessageClientIDSetter.getNearlyTimeFromID`.
fn nearly_sent_ms(id: &UniqueId) -> i64 {
    let now = jiff::Zoned::now();
    let of_month = |month: &jiff::Zoned| {
        let begin = month.first_of_month().and_then(|day| day.start_of_day());
        begin.map_or(0, |begin| begin.timestamp().as_millisecond()) + i64::from(id.since_month_ms)
    };
    let sent = of_month(&now);
    let day_ms = i64::try_from(Duration::from_secs(86_400).as_millis()).expect("a day is short");
    if sent <= now.timestamp().as_millisecond() + day_ms {
        return sent;
    }
    let before = now.first_of_month().and_then(|day| day.yesterday());
    before.map_or(0, |day| of_month(&day))
}
