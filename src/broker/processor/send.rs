//! Messages in: plain and batch sends (10, 310, 320) and messages that a consumer sends back to be consumed
//! again (36). Java: `SendMessageProcessor`, `AbstractSendMessageProcessor`. Storing is the store's; here are
//! the checks before and the reply after.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::broker::acl::Use;
use crate::broker::transaction::Transactions;
use crate::broker::{Broker, ipv4};
use crate::protocol::body::topic::{TopicConfig, TopicFilterType};
use crate::protocol::header::send::{
    ConsumerSendMsgBackRequestHeader, SendMessageRequestHeader, SendMessageRequestHeaderV2,
    SendMessageResponseHeader,
};
use crate::protocol::message::{self, MessageRef, Properties};
use crate::protocol::request_code::RequestCode;
use crate::protocol::response_code::ResponseCode;
use crate::protocol::{faq, perm, sys_flag, topic, version};
use crate::remoting::{Answer, Command, Fault, Peer, Request, Response};
use crate::store::{NewMessage, PutResult, PutStatus};
use crate::strmap::{self, StrMap};

/// Queues of a dead-letter topic (Java: `DLQ_NUMS_PER_GROUP`).
const DLQ_QUEUE_NUMS: i32 = 1;

/// Codes 10, 310 and 320. The batch flag of the header decides what the body is, not the code.
pub fn send_message(broker: &Arc<Broker>, peer: &Arc<Peer>, command: Command) -> Answer {
    let mut response = match header(&command) {
        Ok(header) => match store_message(broker, peer, &command, &header) {
            Ok(stored) => return reply(broker, stored),
            Err(fault) => Response::from(fault),
        },
        Err(error) => Fault::from(error).into(),
    };
    broker.stats.refused(response.code);
    // The Java client reads the ext fields of every reply to a send without asking whether they are there.
    response.ext = Some(region_fields(broker));
    response.into()
}

pub(super) fn header(command: &Command) -> Result<SendMessageRequestHeader<'_>, strmap::Error> {
    let long = [RequestCode::SendMessage, RequestCode::SendReplyMessage].map(i32::from);
    if long.contains(&command.code) {
        return command.header();
    }
    command.header::<SendMessageRequestHeaderV2<'_>>().map(SendMessageRequestHeader::from)
}

pub(super) fn region_fields(broker: &Broker) -> StrMap {
    let mut fields = StrMap::with_capacity(5, 160);
    fields.push("MSG_REGION", &broker.config.region_id);
    fields.push_display("TRACE_ON", broker.live.trace_on());
    fields
}

/// A message that reached the store, with the queue that the producer is told of.
pub(super) struct Stored {
    pub result: PutResult,
    pub queue_id: i32,
}

fn store_message(
    broker: &Arc<Broker>,
    peer: &Arc<Peer>,
    command: &Command,
    header: &SendMessageRequestHeader<'_>,
) -> Result<Stored, Fault> {
    check_acceptance(broker)?;
    let config = check_topic(broker, peer, header)?;
    check_properties(header)?;
    let mut sys_flag = header.sys_flag;
    if config.topic_filter_type == TopicFilterType::MultiTag {
        sys_flag |= message::SYS_FLAG_MULTI_TAGS;
    }
    let queue_id = match header.queue_id {
        given @ 0.. => given,
        _ => broker.any_queue(config.write_queue_nums),
    };
    let mut message = NewMessage {
        topic: header.topic,
        queue_id,
        flag: header.flag,
        sys_flag,
        born_timestamp_ms: header.born_timestamp,
        born_host: ipv4(peer.remote()),
        store_host: broker.store_host,
        reconsume_times: header.reconsume_times.unwrap_or(0),
        prepared_transaction_offset: 0,
        body: &command.body,
        properties: header.properties.unwrap_or(""),
    };
    let request;
    if let Some(properties) = with_cluster(broker, message.properties) {
        request = properties;
        message.properties = &request;
    }
    if header.batch {
        check_batch(header)?;
        let result = timed(broker, || broker.store.put_batch(&message));
        return Ok(counted(broker, message.topic, Stored { result, queue_id }));
    }
    let (dead_letter, properties);
    if let Some(group) = header.topic.strip_prefix(topic::RETRY_GROUP_TOPIC_PREFIX)
        && is_spent(broker, command, header, group)?
    {
        dead_letter = dead_letter_topic(broker, group)?;
        // A client's own last retry has a delay level, for which no dead letter waits.
        let mut without_delay = Properties::parse(message.properties);
        without_delay.remove(message::PROPERTY_DELAY_TIME_LEVEL);
        properties = without_delay.encode();
        (message.topic, message.queue_id, message.properties) = (&dead_letter, 0, &properties);
    }
    // A retry of what was a transaction once is none.
    let is_retry = header.topic.starts_with(topic::RETRY_GROUP_TOPIC_PREFIX);
    if is_retry || !is_half_message(message.properties) {
        let result = timed(broker, || broker.store.put(&message));
        return Ok(counted(broker, message.topic, Stored { result, queue_id }));
    }
    if broker.live.reject_transaction_message() {
        let remark =
            format!("the broker[{}] sending transaction message is forbidden", broker.config.broker_ip1);
        return Err(Fault::new(ResponseCode::NoPermission, remark));
    }
    // The producer is told the queue of its own topic, and the half message's offset.
    let result = timed(broker, || Transactions::prepare(&broker.store, &message));
    Ok(counted(broker, message.topic, Stored { result, queue_id }))
}

/// Counts what was stored under the topic that its sender named. Java counts delayed and half messages under the topics
/// where they wait.
fn counted(broker: &Broker, topic: &str, stored: Stored) -> Stored {
    let result = &stored.result;
    if matches!(result.status, PutStatus::PutOk | PutStatus::SlaveNotAvailable) {
        broker.statistics.put(topic, result.message_count() as u64, result.record_bytes as u64);
    }
    stored
}

/// Counts how long a put takes, for runtime info.
pub(super) fn timed(broker: &Broker, put: impl FnOnce() -> PutResult) -> PutResult {
    let began = Instant::now();
    let result = put();
    let took = began.elapsed();
    broker.stats.put_took(took);
    broker.store.report_slow_put(took, &result);
    result
}

pub(super) fn check_acceptance(broker: &Broker) -> Result<(), Fault> {
    if broker.store.is_page_cache_busy() {
        let remark = "[REJECTREQUEST]system busy, start flow control for a while";
        return Err(Fault::new(ResponseCode::SystemBusy, remark));
    }
    let accept_from_ms = broker.live.start_accept_send_request_time_stamp();
    if accept_from_ms > 0 && broker.now_ms() < accept_from_ms {
        let until = human_time(accept_from_ms);
        return Err(Fault::new(
            ResponseCode::SystemError,
            format!("broker unable to service, until {until}"),
        ));
    }
    Ok(())
}

/// The store asks the same. This comes before anybody walks over the properties.
pub(super) fn check_properties(header: &SendMessageRequestHeader<'_>) -> Result<(), Fault> {
    let bytes = header.properties.map_or(0, str::len);
    if bytes > message::MAX_PROPERTIES_BYTES { Err(illegal()) } else { Ok(()) }
}

/// The topic's settings, the topic made where it may be (Java: `AbstractSendMessageProcessor.msgCheck`).
pub(super) fn check_topic(
    broker: &Arc<Broker>,
    peer: &Arc<Peer>,
    header: &SendMessageRequestHeader<'_>,
) -> Result<Arc<TopicConfig>, Fault> {
    let known = broker.topics.get(header.topic);
    if !perm::is_writeable(broker.permission()) && known.as_ref().is_some_and(|config| config.order) {
        let remark = format!("the broker[{}] sending message is forbidden", broker.config.broker_ip1);
        return Err(Fault::new(ResponseCode::NoPermission, remark));
    }
    if topic::is_default_topic(header.topic) {
        let remark = format!("the topic[{}] is conflict with system reserved words.", header.topic);
        return Err(Fault::new(ResponseCode::SystemError, remark));
    }
    let config = match known {
        Some(config) => config,
        None => create_topic(broker, peer, header)?,
    };
    if header.queue_id >= config.write_queue_nums.max(config.read_queue_nums) {
        let (queue_id, remote) = (header.queue_id, peer.remote());
        let remark = format!("request queueId[{queue_id}] is illegal, {config} Producer: {remote}");
        tracing::warn!(topic = header.topic, queue_id, %remote, "send to a queue that the topic does not have");
        return Err(Fault::new(ResponseCode::SystemError, remark));
    }
    Ok(config)
}

fn create_topic(
    broker: &Arc<Broker>,
    peer: &Arc<Peer>,
    header: &SendMessageRequestHeader<'_>,
) -> Result<Arc<TopicConfig>, Fault> {
    let is_retry = header.topic.starts_with(topic::RETRY_GROUP_TOPIC_PREFIX);
    let unit_flag = match (header.unit_mode, is_retry) {
        (false, _) => 0,
        (true, false) => sys_flag::TOPIC_UNIT,
        (true, true) => sys_flag::TOPIC_UNIT_SUB,
    };
    if let Err(reason) = topic::check_topic(header.topic) {
        return Err(Fault::new(ResponseCode::SystemError, reason.to_string()));
    }
    tracing::warn!(topic = header.topic, remote = %peer.remote(), "the topic does not exist");
    let created = broker
        .create_topic_on_send(
            header.topic,
            header.default_topic,
            header.default_topic_queue_nums,
            unit_flag,
            peer.remote(),
        )
        .or_else(|| {
            let read_write = perm::PERM_READ | perm::PERM_WRITE;
            is_retry
                .then(|| broker.create_topic_on_send_back(header.topic, 1, read_write, unit_flag))
                .flatten()
        });
    created.ok_or_else(|| {
        let remark = format!("topic[{}] not exist, apply first please!{}", header.topic, faq::SUFFIX);
        Fault::new(ResponseCode::TopicNotExist, remark)
    })
}

fn check_batch(header: &SendMessageRequestHeader<'_>) -> Result<(), Fault> {
    let remark = if header.topic.len() > topic::MAX_TOPIC_BYTES {
        format!("message topic length too long {}", header.topic.len())
    } else if header.topic.starts_with(topic::RETRY_GROUP_TOPIC_PREFIX) {
        format!("batch request does not support retry group {}", header.topic)
    } else {
        return Ok(());
    };
    Err(Fault::new(ResponseCode::MessageIllegal, remark))
}

/// Whether a message to a retry topic has been consumed as often as it may be (Java: `handleRetryAndDLQ`).
fn is_spent(
    broker: &Arc<Broker>,
    command: &Command,
    header: &SendMessageRequestHeader<'_>,
    group: &str,
) -> Result<bool, Fault> {
    let Some(config) = broker.groups.find_or_create(group) else { return Err(unknown_group(group)) };
    // Java takes the client's limit from 3.4.9 on and fails where that client sent none; the group's own is
    // the better answer then.
    let max = match header.max_reconsume_times {
        Some(max) if command.version >= version::V3_4_9 => max,
        _ => config.retry_max_times,
    };
    Ok(header.reconsume_times.unwrap_or(0) >= max)
}

fn unknown_group(group: &str) -> Fault {
    let remark = format!("subscription group not exist, {group} {}", faq::SUFFIX);
    Fault::new(ResponseCode::SubscriptionGroupNotExist, remark)
}

fn dead_letter_topic(broker: &Arc<Broker>, group: &str) -> Result<String, Fault> {
    let name = topic::dlq_topic(group);
    match broker.create_topic_on_send_back(&name, DLQ_QUEUE_NUMS, perm::PERM_WRITE, 0) {
        Some(_) => Ok(name),
        None => Err(Fault::new(ResponseCode::SystemError, format!("topic[{name}] not exist"))),
    }
}

/// The properties of a request: who answers it finds the topic of replies by the cluster's name (Java 4.6).
fn with_cluster(broker: &Broker, properties: &str) -> Option<String> {
    // The name alone is rare enough to spare all other messages the walk over their properties.
    if !properties.contains(message::PROPERTY_MESSAGE_REPLY_TO_CLIENT) {
        return None;
    }
    let mut properties = Properties::parse(properties);
    properties.get(message::PROPERTY_MESSAGE_REPLY_TO_CLIENT)?;
    properties.set(message::PROPERTY_CLUSTER, &*broker.config.broker_cluster_name);
    Some(properties.encode())
}

/// Whether a message waits for its producer's decision before consumers may see it.
fn is_half_message(properties: &str) -> bool {
    // The name alone is rare enough to spare all other messages the walk over their properties.
    properties.contains(message::PROPERTY_TRANSACTION_PREPARED)
        && message::property(properties, message::PROPERTY_TRANSACTION_PREPARED)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

pub(super) fn reply(broker: &Arc<Broker>, stored: Stored) -> Answer {
    let Stored { mut result, queue_id } = stored;
    let (durable, replicated) = (result.durable.take(), result.replicated.take());
    if durable.is_none() && replicated.is_none() {
        return response(broker, &result, result.status, queue_id).into();
    }
    let broker = Arc::clone(broker);
    let wait =
        Duration::from_millis(u64::try_from(broker.store.settings().sync_flush_timeout()).unwrap_or(0));
    let until = tokio::time::Instant::now() + wait;
    // Disk and slaves have the log in its order, and so have the messages of one connection.
    Answer::in_turn(async move {
        let mut status = result.status;
        if let Some(ticket) = durable {
            status = match tokio::time::timeout_at(until, ticket).await {
                Ok(PutStatus::PutOk) => status,
                Ok(failed) => return Ok(response(&broker, &result, failed, queue_id)),
                Err(_) => PutStatus::FlushDiskTimeout,
            };
        }
        // Of two that were late the slave is named, as in Java.
        if let Some(ticket) = replicated
            && tokio::time::timeout_at(until, ticket).await.is_err()
        {
            status = PutStatus::FlushSlaveTimeout;
        }
        Ok(response(&broker, &result, status, queue_id))
    })
}

/// The reply to a send, by what the store says of it in the end.
fn response(broker: &Broker, result: &PutResult, status: PutStatus, queue_id: i32) -> Response {
    let code = match status {
        PutStatus::PutOk => ResponseCode::Success,
        PutStatus::FlushDiskTimeout => ResponseCode::FlushDiskTimeout,
        PutStatus::FlushSlaveTimeout => ResponseCode::FlushSlaveTimeout,
        PutStatus::SlaveNotAvailable => ResponseCode::SlaveNotAvailable,
        refused => {
            let ext = Some(region_fields(broker));
            let refusal = Response { ext, ..Response::from(refusal(broker, refused)) };
            broker.stats.refused(refusal.code);
            return refusal;
        }
    };
    if code != ResponseCode::Success {
        broker.stats.refused(code.into());
    }
    let header = SendMessageResponseHeader {
        msg_id: result.message_ids(broker.store_host).into(),
        queue_id,
        queue_offset: result.queue_offset,
        transaction_id: None,
        msg_region: Some(broker.config.region_id.as_str().into()),
        trace_on: Some(broker.live.trace_on()),
    };
    Response { code: code.into(), ..Response::ok().header(&header) }
}

/// Code and remark of a message that was not stored (store.md 2.7; Java: `handlePutMessageResult`).
fn refusal(broker: &Broker, status: PutStatus) -> Fault {
    match status {
        PutStatus::CreateMappedFileFailed => {
            Fault::new(ResponseCode::SystemError, "create mapped file failed, server is busy or broken.")
        }
        PutStatus::MessageIllegal | PutStatus::PropertiesSizeExceeded => illegal(),
        PutStatus::ServiceNotAvailable => {
            let status = broker.store.status();
            let reason = status.reason.as_ref().map(|reason| format!("\n({reason})")).unwrap_or_default();
            let remark = format!(
                "service not available now, maybe disk full, {status}, maybe your broker machine memory too small.{reason}"
            );
            Fault::new(ResponseCode::ServiceNotAvailable, remark)
        }
        PutStatus::OsPageCacheBusy => Fault::new(
            ResponseCode::SystemError,
            "[PC_SYNCHRONIZED]broker busy, start flow control for a while",
        ),
        _ => Fault::new(ResponseCode::SystemError, "UNKNOWN_ERROR"),
    }
}

fn illegal() -> Fault {
    let remark = "the message is illegal, maybe msg body or properties length not matched. msg body length limit \
                  128k, msg properties length limit 32k.";
    Fault::new(ResponseCode::MessageIllegal, remark)
}

/// Code 36: a consumer could not handle a message and wants it again later, or in the dead-letter queue.
pub fn consumer_send_msg_back(
    broker: &Arc<Broker>,
    request: Request<ConsumerSendMsgBackRequestHeader>,
) -> Result<Answer, Fault> {
    let header = &request.header;
    let group = broker.groups.find_or_create(&header.group).ok_or_else(|| unknown_group(&header.group))?;
    if !perm::is_writeable(broker.permission()) {
        let remark = format!("the broker[{}] sending message is forbidden", broker.config.broker_ip1);
        return Err(Fault::new(ResponseCode::NoPermission, remark));
    }
    if group.retry_queue_nums <= 0 {
        return Ok(Response::ok().into());
    }
    let record = broker.store.message_at(header.offset);
    if let Some(record) = &record {
        // Who sends a message back has been given it.
        super::check_record(broker, &request, record, Use::Subscribe)?;
    }
    let retry_topic = retry_topic(broker, header, group.retry_queue_nums)?;
    let old =
        record.as_deref().and_then(|mut record| MessageRef::take(&mut record).ok()).ok_or_else(|| {
            Fault::new(ResponseCode::SystemError, format!("look message by offset failed, {}", header.offset))
        })?;
    let max = match header.max_reconsume_times {
        Some(max) if request.command.version >= version::V3_4_9 => max,
        _ => group.retry_max_times,
    };
    let mut properties = Properties::parse(&old.properties);
    if properties.get(message::PROPERTY_RETRY_TOPIC).is_none() {
        properties.set(message::PROPERTY_RETRY_TOPIC, &*old.topic);
    }
    properties.set(message::PROPERTY_WAIT_STORE_MSG_OK, "false");
    if properties.get(message::PROPERTY_ORIGIN_MESSAGE_ID).is_none() {
        properties.set(message::PROPERTY_ORIGIN_MESSAGE_ID, old.offset_msg_id());
    }
    let (topic, queue_id) = if old.reconsume_times >= max || header.delay_level < 0 {
        // Java leaves the last retry's DELAY in place, so that a dead letter waits in the delay topic first.
        properties.remove(message::PROPERTY_DELAY_TIME_LEVEL);
        (dead_letter_topic(broker, &header.group)?, 0)
    } else {
        let level = match header.delay_level {
            0 => old.reconsume_times.saturating_add(3),
            given => given,
        };
        properties.set(message::PROPERTY_DELAY_TIME_LEVEL, level.to_string());
        (retry_topic, broker.any_queue(group.retry_queue_nums))
    };
    let result = broker.store.put(&NewMessage {
        topic: &topic,
        queue_id,
        flag: old.flag,
        sys_flag: old.sys_flag,
        born_timestamp_ms: old.born_timestamp,
        born_host: ipv4(old.born_host),
        store_host: broker.store_host,
        reconsume_times: old.reconsume_times.saturating_add(1),
        prepared_transaction_offset: 0,
        body: old.body,
        properties: &properties.encode(),
    });
    match result.status {
        PutStatus::PutOk => {
            let origin = properties.get(message::PROPERTY_RETRY_TOPIC).unwrap_or_default();
            broker.statistics.sent_back(origin, &header.group);
            Ok(Response::ok().into())
        }
        other => Err(Fault::new(ResponseCode::SystemError, other.java_name())),
    }
}

fn retry_topic(
    broker: &Arc<Broker>,
    header: &ConsumerSendMsgBackRequestHeader,
    queue_nums: i32,
) -> Result<String, Fault> {
    let name = topic::retry_topic(&header.group);
    let unit_flag = if header.unit_mode { sys_flag::TOPIC_UNIT_SUB } else { 0 };
    let config = broker
        .create_topic_on_send_back(&name, queue_nums, perm::PERM_READ | perm::PERM_WRITE, unit_flag)
        .ok_or_else(|| Fault::new(ResponseCode::SystemError, format!("topic[{name}] not exist")))?;
    if !perm::is_writeable(config.perm) {
        let remark = format!("the topic[{name}] sending message is forbidden");
        return Err(Fault::new(ResponseCode::NoPermission, remark));
    }
    Ok(name)
}

/// Java: `UtilAll.timeMillisToHumanString2`, in the system's time zone.
fn human_time(millis: i64) -> String {
    match jiff::Timestamp::from_millisecond(millis) {
        Ok(time) => time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S,%3f").to_string(),
        Err(_) => millis.to_string(),
    }
}
