//! Messages out: pulls, answered at once or held until a message arrives (11, and 361 of later clients). Java:
//! `PullMessageProcessor`. What is in a queue is the store's to say, and who waits is `long_polling`'s.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::broker::consumer_filter::{ConsumerFilter, Wanted};
use crate::broker::statistics::Fetched;
use crate::broker::{Broker, log_lines};
use crate::config::store::BrokerRole;
use crate::protocol::body::group::SubscriptionGroupConfig;
use crate::protocol::body::heartbeat::{EXPRESSION_SQL92, SubscriptionData};
use crate::protocol::body::offset::OffsetMovedEvent;
use crate::protocol::body::queue::MessageQueue;
use crate::protocol::header::pull::{PullMessageRequestHeader, PullMessageResponseHeader};
use crate::protocol::message::{self, Properties};
use crate::protocol::response_code::ResponseCode;
use crate::protocol::{faq, perm, sys_flag, topic};
use crate::remoting::{Answer, Body, Command, Fault, Peer, Response};
use crate::store::{GetResult, GetStatus, NewMessage, record};

/// Longest hold of a pull, ms. Java's consumers ask for 15 to 20 s.
const SUSPEND_MAX_MS: i64 = 300_000;
/// A compiled expression takes so many times its text.
const COMPILED_FACTOR: usize = 12;

/// Codes 11 and 361.
pub fn pull_message(broker: &Arc<Broker>, peer: &Arc<Peer>, command: Command) -> Answer {
    let answer = command.header::<PullMessageRequestHeader<'_>>().map_err(Fault::from).and_then(|header| {
        let pull = Pull::check(broker, peer.remote(), &header)?;
        // The consumer's offset travels with the pull, and counts however the pull ends.
        let is_slave = broker.store_config.broker_role == BrokerRole::Slave;
        if header.sys_flag & sys_flag::PULL_COMMIT_OFFSET != 0 && !is_slave {
            let (group, topic) = (header.consumer_group, header.topic);
            broker.offsets.commit(group, topic, header.queue_id, header.commit_offset);
        }
        if broker.store.is_in_disk(header.topic, header.queue_id, header.queue_offset) {
            return pull_cold(broker, pull.owned(&header));
        }
        let asked = Asked::of(&header);
        let response = pull.run(broker, &asked, Source::Memory)?;
        let may_wait = header.sys_flag & sys_flag::PULL_SUSPEND != 0;
        if response.code == i32::from(ResponseCode::PullNotFound) && may_wait {
            return hold(broker, pull.owned(&header), header.suspend_timeout_millis);
        }
        Ok(response.into())
    });
    match answer {
        Ok(answer) => answer,
        // Java's reply has a header class in every case.
        Err(fault) => Response { ext: Some(Default::default()), ..Response::from(fault) }.into(),
    }
}

/// What the checks before reading found out.
struct Pull {
    wanted: Wanted,
    group: Arc<SubscriptionGroupConfig>,
    remote: SocketAddr,
}

/// Where the messages of a pull are taken to be.
#[derive(Clone, Copy)]
enum Source {
    Memory,
    Disk,
}

/// What a look at a queue is about.
#[derive(Clone, Copy)]
struct Asked<'a> {
    group: &'a str,
    topic: &'a str,
    queue_id: i32,
    queue_offset: i64,
    max_msg_nums: i32,
}

impl Asked<'_> {
    fn of<'a>(header: &PullMessageRequestHeader<'a>) -> Asked<'a> {
        Asked {
            group: header.consumer_group,
            topic: header.topic,
            queue_id: header.queue_id,
            queue_offset: header.queue_offset,
            max_msg_nums: header.max_msg_nums,
        }
    }
}

/// A pull that outlives its first look at the queue. Of its request nothing else is kept.
struct OwnedPull {
    pull: Pull,
    group: String,
    topic: String,
    queue_id: i32,
    queue_offset: i64,
    max_msg_nums: i32,
}

impl OwnedPull {
    fn asked(&self) -> Asked<'_> {
        let OwnedPull { group, topic, queue_id, queue_offset, max_msg_nums, .. } = self;
        Asked { group, topic, queue_id: *queue_id, queue_offset: *queue_offset, max_msg_nums: *max_msg_nums }
    }

    /// What it takes while it waits, bytes, about. A subscription is others', too, unless they have changed it meanwhile.
    fn kept_bytes(&self) -> usize {
        /// Itself and its places in tables.
        const ITSELF: usize = 1024;
        let Wanted { subscription, filter, .. } = &self.pull.wanted;
        let factor = if filter.is_some() { COMPILED_FACTOR } else { 1 };
        ITSELF + self.group.len() + 2 * self.topic.len() + factor * subscription.kept_bytes()
    }
}

impl Pull {
    fn check(
        broker: &Arc<Broker>,
        remote: SocketAddr,
        header: &PullMessageRequestHeader<'_>,
    ) -> Result<Pull, Fault> {
        let forbidden = |remark: String| Fault::new(ResponseCode::NoPermission, remark);
        if !perm::is_readable(broker.permission()) {
            return Err(forbidden(format!(
                "the broker[{}] pulling message is forbidden",
                broker.config.broker_ip1
            )));
        }
        let group_name = header.consumer_group;
        let group = broker.groups.find_or_create(group_name).ok_or_else(|| {
            let remark = format!("subscription group [{group_name}] does not exist, {}", faq::SUFFIX);
            Fault::new(ResponseCode::SubscriptionGroupNotExist, remark)
        })?;
        if !group.consume_enable {
            return Err(forbidden(format!("subscription group no permission, {group_name}")));
        }
        let config = broker.topics.get(header.topic).ok_or_else(|| {
            let topic = log_lines::beginning(header.topic);
            tracing::warn!(topic, %remote, "pull from a topic that does not exist");
            let remark = format!("topic[{}] not exist, apply first please! {}", header.topic, faq::SUFFIX);
            Fault::new(ResponseCode::TopicNotExist, remark)
        })?;
        if !perm::is_readable(config.perm) {
            return Err(forbidden(format!("the topic[{}] pulling message is forbidden", header.topic)));
        }
        if !(0..config.read_queue_nums).contains(&header.queue_id) {
            let remark = format!(
                "queueId[{}] is illegal, topic:[{}] topicConfig.readQueueNums:[{}] consumer:[/{remote}]",
                header.queue_id, header.topic, config.read_queue_nums
            );
            return Err(Fault::new(ResponseCode::SystemError, remark));
        }
        let wanted = wanted(broker, header, &group)?;
        Ok(Pull { wanted, group, remote })
    }

    fn owned(self, header: &PullMessageRequestHeader<'_>) -> OwnedPull {
        OwnedPull {
            pull: self,
            group: header.consumer_group.to_owned(),
            topic: header.topic.to_owned(),
            queue_id: header.queue_id,
            queue_offset: header.queue_offset,
            max_msg_nums: header.max_msg_nums,
        }
    }

    /// One look at the queue.
    fn run(&self, broker: &Arc<Broker>, asked: &Asked<'_>, source: Source) -> Result<Response, Fault> {
        let (topic, queue_id, offset) = (asked.topic, asked.queue_id, asked.queue_offset);
        let began = Instant::now();
        let found = broker.store.get(topic, queue_id, offset, asked.max_msg_nums, &self.wanted);
        let took = began.elapsed();
        broker.stats.get_took(took);
        let found =
            found.ok_or_else(|| Fault::new(ResponseCode::SystemError, "store getMessage return null"))?;
        self.protect(broker, asked, found.behind_bytes);
        let mut code = code_of(found.status, offset);
        let mut suggest_which_broker_id =
            match (broker.live.slave_read_enable(), found.suggest_pulling_from_slave) {
                (false, _) => 0,
                (true, true) => self.group.which_broker_when_consume_slowly,
                (true, false) => self.group.broker_id,
            };
        if code == ResponseCode::PullOffsetMoved {
            let is_slave = broker.store_config.broker_role == BrokerRole::Slave;
            if is_slave && !broker.store.settings().offset_check_in_slave() {
                (code, suggest_which_broker_id) = (ResponseCode::PullRetryImmediately, self.group.broker_id);
            } else {
                self.report_moved(broker, asked, &found, suggest_which_broker_id);
            }
        }
        let response = Response::ok().header(&PullMessageResponseHeader {
            suggest_which_broker_id,
            next_begin_offset: found.next_begin_offset,
            min_offset: found.min_offset,
            max_offset: found.max_offset,
        });
        let remark = Some(found.status.java_name().into());
        let body = match code {
            ResponseCode::Success => {
                count(broker, asked, &found, source, took);
                Body::Slices(found.messages.into_iter().map(Bytes::from_owner).collect())
            }
            _ => {
                broker.stats.missed();
                Body::None
            }
        };
        Ok(Response { code: code.into(), remark, body, ..response })
    }

    /// Stops a group that reads what has long left the memory, where that is wanted: its reads would slow down all others.
    /// Java looks every three minutes (`protectBroker`).
    fn protect(&self, broker: &Broker, asked: &Asked<'_>, behind_bytes: i64) {
        if broker.live.disable_consume_if_consumer_read_slowly()
            && behind_bytes > broker.live.consumer_fallbehind_threshold()
        {
            let (group, topic) = (asked.group, asked.topic);
            tracing::warn!(
                target: "protection",
                topic,
                queue_id = asked.queue_id,
                "[PROTECT_BROKER] the consumer[{group}] consume slowly, {behind_bytes} bytes, disable it until updateSubGroup \
                 enables it or a restart"
            );
            broker.groups.disable_consume(group);
        }
    }

    /// Tells whoever watches OFFSET_MOVED_EVENT that a consumer asked for what is not there.
    fn report_moved(
        &self,
        broker: &Arc<Broker>,
        asked: &Asked<'_>,
        found: &GetResult,
        suggest_which_broker_id: i64,
    ) {
        let Asked { group, topic, queue_id, queue_offset: offset, .. } = *asked;
        let remote = self.remote;
        let GetResult { min_offset: min, max_offset: max, next_begin_offset: next, .. } = *found;
        match found.status {
            GetStatus::OffsetOverflowBadly => tracing::info!(
                "the request offset: {offset} over flow badly, broker max offset: {max}, consumer: /{remote}"
            ),
            GetStatus::OffsetTooSmall => tracing::info!(
                "the request offset too small. group={group}, topic={topic}, requestOffset={offset}, brokerMinOffset={min}, \
                 clientIp=/{remote}"
            ),
            _ => tracing::info!(
                "the broker store no queue data, fix the request offset {offset} to {next}, Topic: {topic} QueueId: {queue_id} \
                 Consumer Group: {group}"
            ),
        }
        tracing::warn!(
            queue_id, %remote, min, max,
            "PULL_OFFSET_MOVED:correction offset. topic={topic}, groupId={group}, requestOffset={offset}, newOffset={next}, \
             suggestBrokerId={suggest_which_broker_id}"
        );
        let event = OffsetMovedEvent {
            consumer_group: group.to_owned(),
            message_queue: MessageQueue {
                topic: topic.to_owned(),
                broker_name: broker.config.broker_name.clone(),
                queue_id: asked.queue_id,
            },
            offset_request: asked.queue_offset,
            offset_new: found.next_begin_offset,
        };
        let Ok(body) = compat::json::to_vec_java(&event) else { return };
        let mut properties = Properties::default();
        properties.set(message::PROPERTY_TAGS, group);
        properties.set(message::PROPERTY_KEYS, group);
        properties.set(message::PROPERTY_DELAY_TIME_LEVEL, "0");
        properties.set(message::PROPERTY_WAIT_STORE_MSG_OK, "true");
        broker.store.put(&NewMessage {
            topic: topic::OFFSET_MOVED_EVENT_TOPIC,
            queue_id: 0,
            flag: 0,
            sys_flag: 0,
            born_timestamp_ms: broker.now_ms(),
            born_host: broker.store_host,
            store_host: broker.store_host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: &body,
            properties: &properties.encode(),
        });
    }
}

/// Counts what a pull gives out.
fn count(broker: &Broker, asked: &Asked<'_>, found: &GetResult, source: Source, took: Duration) {
    broker.stats.fetched(found.message_count, found.bytes);
    let fall = broker.store_config.disk_fall_recorded.then(|| {
        let first = found.messages.first().and_then(|records| record::parse(records));
        let stored_ms = first.map(|record| record.store_timestamp_ms());
        (found.behind_bytes, stored_ms.map_or(0, |stored_ms| (broker.now_ms() - stored_ms).max(0)))
    });
    broker.statistics.fetched(&Fetched {
        topic: asked.topic,
        group: asked.group,
        queue_id: asked.queue_id,
        messages: found.message_count,
        bytes: found.bytes,
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        is_from_disk: matches!(source, Source::Disk),
        fall,
    });
}

/// What a pull is filtered by: its own subscription, or the one of the group's heartbeats.
fn wanted(
    broker: &Arc<Broker>,
    header: &PullMessageRequestHeader<'_>,
    group: &SubscriptionGroupConfig,
) -> Result<Wanted, Fault> {
    let own = header.sys_flag & sys_flag::PULL_SUBSCRIPTION != 0;
    let subscription =
        if own { own_subscription(header)? } else { heartbeat_subscription(broker, header, group)? };
    if subscription.class_filter_mode || header.sys_flag & sys_flag::PULL_CLASS_FILTER != 0 {
        let remark =
            "The broker does not support consumer to filter message by class: there are no filter servers";
        return Err(Fault::new(ResponseCode::SystemError, remark));
    }
    let mut filter = None;
    if !subscription.is_tag_type() {
        // Java looks for the filter first, and has one though it will not use it.
        if !broker.live.enable_property_filter() {
            let kind = &subscription.expression_type;
            let remark = format!("The broker does not support consumer to filter message by {kind}");
            return Err(Fault::new(ResponseCode::SystemError, remark));
        }
        filter = Some(if own { own_filter(broker, header)? } else { heartbeat_filter(broker, header)? });
    }
    let retries = broker.live.filter_support_retry().then(|| Arc::clone(&broker.filters));
    Ok(Wanted { subscription, filter, retries })
}

fn own_subscription(header: &PullMessageRequestHeader<'_>) -> Result<Arc<SubscriptionData>, Fault> {
    let built = SubscriptionData::build(header.topic, header.subscription, header.expression_type);
    Ok(Arc::new(built.map_err(|error| not_parsed(header, &error))?))
}

fn own_filter(
    broker: &Arc<Broker>,
    header: &PullMessageRequestHeader<'_>,
) -> Result<Arc<ConsumerFilter>, Fault> {
    let (topic, group) = (header.topic, header.consumer_group);
    if header.expression_type != Some(EXPRESSION_SQL92) {
        return Err(not_parsed(header, &"there is no such expression type"));
    }
    let built = broker.filters.build(topic, group, header.subscription.unwrap_or(""), header.sub_version);
    Ok(Arc::new(built.map_err(|error| not_parsed(header, &error))?))
}

fn not_parsed(header: &PullMessageRequestHeader<'_>, error: &dyn Display) -> Fault {
    tracing::warn!(group = header.consumer_group, %error, "subscription does not parse");
    Fault::new(ResponseCode::SubscriptionParseFailed, "parse the consumer's subscription failed")
}

fn heartbeat_filter(
    broker: &Arc<Broker>,
    header: &PullMessageRequestHeader<'_>,
) -> Result<Arc<ConsumerFilter>, Fault> {
    let (topic, group) = (header.topic, header.consumer_group);
    let filter = broker.filters.get(topic, group).ok_or_else(|| {
        let remark = "The broker's consumer filter data is not exist!Your expression may be wrong!";
        Fault::new(ResponseCode::FilterDataNotExist, remark)
    })?;
    if filter.client_version() < header.sub_version {
        tracing::warn!(group, topic, "the broker's filter is not the latest");
        let remark = "the consumer's consumer filter data not latest";
        return Err(Fault::new(ResponseCode::FilterDataNotLatest, remark));
    }
    Ok(filter)
}

fn heartbeat_subscription(
    broker: &Arc<Broker>,
    header: &PullMessageRequestHeader<'_>,
    group: &SubscriptionGroupConfig,
) -> Result<Arc<SubscriptionData>, Fault> {
    let missing = |what: &str| {
        Fault::new(
            ResponseCode::SubscriptionNotExist,
            format!("the consumer's {what} not exist{}", faq::SUFFIX),
        )
    };
    let (name, topic) = (header.consumer_group, header.topic);
    let consumers = broker.consumers.find(name).ok_or_else(|| missing("group info"))?;
    if !group.consume_broadcast_enable && consumers.is_broadcasting() {
        let remark = format!("the consumer group[{name}] can not consume by broadcast way");
        return Err(Fault::new(ResponseCode::NoPermission, remark));
    }
    let subscription = consumers.subscription(topic).ok_or_else(|| missing("subscription"))?;
    if subscription.sub_version < header.sub_version {
        let expression = log_lines::beginning(&subscription.sub_string);
        tracing::warn!(group = name, topic, expression, "the broker's subscription is not the latest");
        return Err(Fault::new(
            ResponseCode::SubscriptionNotLatest,
            "the consumer's subscription not latest",
        ));
    }
    Ok(subscription)
}

fn code_of(status: GetStatus, asked_offset: i64) -> ResponseCode {
    match status {
        GetStatus::Found => ResponseCode::Success,
        GetStatus::MessageWasRemoving | GetStatus::NoMatchedMessage => ResponseCode::PullRetryImmediately,
        GetStatus::NoMatchedLogicQueue | GetStatus::NoMessageInQueue if asked_offset != 0 => {
            ResponseCode::PullOffsetMoved
        }
        GetStatus::NoMatchedLogicQueue
        | GetStatus::NoMessageInQueue
        | GetStatus::OffsetFoundNull
        | GetStatus::OffsetOverflowOne => ResponseCode::PullNotFound,
        GetStatus::OffsetOverflowBadly | GetStatus::OffsetTooSmall => ResponseCode::PullOffsetMoved,
    }
}

/// Holds a pull until its queue has what it asks for, or its time is over; then looks once more.
fn hold(broker: &Arc<Broker>, owned: OwnedPull, suspend_timeout_ms: i64) -> Result<Answer, Fault> {
    let wait_ms = if broker.live.long_polling_enable() {
        suspend_timeout_ms.min(SUSPEND_MAX_MS)
    } else {
        broker.live.short_polling_time_mills()
    };
    let wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0));
    let share = broker.pools.budget.take(owned.kept_bytes())?;
    let broker = Arc::clone(broker);
    Ok(Answer::later(async move {
        let _share = share;
        let asked = owned.asked();
        let (topic, queue_id, offset) = (asked.topic, asked.queue_id, asked.queue_offset);
        let mut held = broker.holds.hold(topic, queue_id, offset, owned.pull.wanted.clone());
        // A message that came between the first look and the hold has woken nobody.
        if broker.store.max_offset(topic, queue_id) <= offset {
            // Either way the queue is looked at once more: a time-out's reply says what is there, too.
            let _ = tokio::time::timeout(wait, &mut held.woken).await;
        }
        drop(held);
        owned.pull.run(&broker, &asked, Source::Memory)
    }))
}

/// A pull far behind the log's end: its pages may have to come from the disk, which must not hold up the
/// connections of this thread.
fn pull_cold(broker: &Arc<Broker>, owned: OwnedPull) -> Result<Answer, Fault> {
    let state = Arc::clone(broker);
    broker.pools.pull.run(owned.kept_bytes(), move || {
        let mut response = owned.pull.run(&state, &owned.asked(), Source::Disk)?;
        // Copied here, the bytes are in memory when the connection's thread writes them.
        if let Body::Slices(slices) = &response.body {
            response.body = Body::Bytes(slices.concat().into());
        }
        Ok(response)
    })
}
