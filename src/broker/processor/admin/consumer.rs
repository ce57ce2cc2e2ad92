//! What the broker has its consumers do at an operator's request (222, 223, 307, 309): offsets reset and asked for, and
//! two questions that are only passed on. Java: `AdminBrokerProcessor`, `Broker2Client`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use compat::language::LanguageCode;
use futures_util::future::join_all;

use crate::broker::Broker;
use crate::broker::processor::reply;
use crate::broker::producers::Client;
use crate::protocol::body::offset::{
    GetConsumerStatusBody, MessageQueueForC, ResetOffsetBody, ResetOffsetBodyForC,
};
use crate::protocol::body::queue::MessageQueue;
use crate::protocol::header::client::{
    ConsumeMessageDirectlyResultRequestHeader, GetConsumerRunningInfoRequestHeader,
};
use crate::protocol::header::offset::{GetConsumerStatusRequestHeader, ResetOffsetRequestHeader};
use crate::protocol::request_code::RequestCode;
use crate::protocol::response_code::ResponseCode;
use crate::protocol::version::{self, version_desc};
use crate::remoting::{Answer, Command, Fault, InvokeError, Request, Response};

/// How long one client has for its offsets.
const STATUS_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client has for what is passed on to it.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Offsets by queue, as bodies have them.
type Offsets = BTreeMap<MessageQueue, i64>;

/// Code 222: every member of the group is told (220) where to go on. The broker's own offsets stay: the members commit
/// theirs when they have dropped what they had. Blocks.
pub fn reset_offset(
    broker: &Arc<Broker>,
    request: Request<ResetOffsetRequestHeader>,
) -> Result<Response, Fault> {
    let ResetOffsetRequestHeader { topic, group, timestamp, .. } = &request.header;
    let offset_table = reset_table(broker, &request.header)?;
    let clients = broker.consumers.find(group).map(|members| members.clients()).unwrap_or_default();
    if clients.is_empty() {
        let remark = format!(
            "Consumer not online, so can not reset offset, Group: {group} Topic: {topic} Timestamp: {timestamp}"
        );
        return Err(Fault::new(ResponseCode::ConsumerNotOnline, remark));
    }
    if let Some(old) = clients.iter().find(|client| client.version < version::V3_0_7_SNAPSHOT) {
        return Err(unsupported(old));
    }
    let for_java = compat::json::to_vec(&ResetOffsetBody { offset_table: offset_table.clone() });
    let for_c = compat::json::to_vec(&ResetOffsetBodyForC { offset_table: listed(&offset_table) });
    let (for_java, for_c) = (for_java.expect("bodies are maps"), for_c.expect("bodies are lists"));
    let all_are_c = request.command.language == LanguageCode::Cpp;
    for client in &clients {
        let is_c = all_are_c || client.language == LanguageCode::Cpp;
        let body = if is_c { for_c.clone() } else { for_java.clone() };
        let command =
            Command::request(RequestCode::ResetConsumerClientOffset, &request.header).with_body(body);
        match client.peer.one_way(command) {
            Ok(()) => {
                tracing::info!(topic, group, client_id = client.client_id, "client told of its new offsets")
            }
            Err(error) => {
                tracing::warn!(topic, group, client_id = client.client_id, %error, "client not told of its new offsets");
            }
        }
    }
    Ok(reply(&ResetOffsetBody { offset_table }))
}

/// Where each queue's consumption is to go on.
fn reset_table(broker: &Broker, header: &ResetOffsetRequestHeader) -> Result<Offsets, Fault> {
    let ResetOffsetRequestHeader { topic, group, timestamp, is_force } = header;
    let config = broker.topics.get(topic).ok_or_else(|| {
        let remark = format!("[reset-offset] reset offset failed, no topic in this broker. topic={topic}");
        Fault::new(ResponseCode::SystemError, remark)
    })?;
    let queue = |queue_id: i32| {
        let committed = broker.offsets.query(group, topic, queue_id).filter(|offset| *offset >= 0);
        let committed = committed.ok_or_else(|| {
            Fault::new(ResponseCode::SystemError, format!("THe consumer group <{group}> not exist"))
        })?;
        let at_time = match timestamp {
            -1 => broker.store.max_offset(topic, queue_id),
            &time_ms => broker.store.offset_by_time(topic, queue_id, time_ms),
        };
        let at_time = at_time.max(0);
        let offset = if *is_force { at_time } else { at_time.min(committed) };
        Ok((MessageQueue::new(topic, &broker.config.broker_name, queue_id), offset))
    };
    (0..config.write_queue_nums).map(queue).collect()
}

/// The form that C++ clients read.
fn listed(offsets: &Offsets) -> Vec<MessageQueueForC> {
    let entry = |(queue, &offset): (&MessageQueue, &i64)| MessageQueueForC {
        topic: queue.topic.clone(),
        broker_name: queue.broker_name.clone(),
        queue_id: queue.queue_id,
        offset,
    };
    offsets.iter().map(entry).collect()
}

fn unsupported(client: &Client) -> Fault {
    let desc = version_desc(client.version);
    tracing::warn!(client_id = client.client_id, version = %desc, "the client is too old for this");
    let remark = format!("the client does not support this feature. version={desc}");
    Fault::new(ResponseCode::SystemError, remark)
}

/// Code 223: where the members of a group stand, as they say themselves (221). All are asked at once; one that does not
/// answer is left out.
pub async fn get_consumer_status(
    broker: Arc<Broker>,
    request: Request<GetConsumerStatusRequestHeader>,
) -> Result<Response, Fault> {
    let GetConsumerStatusRequestHeader { topic, group, client_addr } = &request.header;
    let clients = broker.consumers.find(group).map(|members| members.clients()).unwrap_or_default();
    if clients.is_empty() {
        let remark = format!("No Any Consumer online in the consumer group: [{group}]");
        return Err(Fault::new(ResponseCode::SystemError, remark));
    }
    if let Some(old) = clients.iter().find(|client| client.version < version::V3_0_7_SNAPSHOT) {
        return Err(unsupported(old));
    }
    let wanted = client_addr.as_deref().map(str::trim).filter(|id| !id.is_empty());
    let asked = clients.iter().filter(|client| wanted.is_none_or(|wanted| client.client_id == wanted));
    let question =
        GetConsumerStatusRequestHeader { topic: topic.clone(), group: group.clone(), client_addr: None };
    let answers = join_all(asked.map(|client| status_of(client, &question))).await;
    let consumer_table = answers.into_iter().flatten().collect();
    Ok(reply(&GetConsumerStatusBody { consumer_table, ..GetConsumerStatusBody::default() }))
}

async fn status_of(client: &Client, question: &GetConsumerStatusRequestHeader) -> Option<(String, Offsets)> {
    let command = Command::request(RequestCode::GetConsumerStatusFromClient, question);
    let (group, client_id) = (&question.group, &client.client_id);
    let answer = client.peer.invoke(command, STATUS_TIMEOUT).await;
    let answer =
        answer.inspect_err(|error| tracing::warn!(group, client_id, %error, "client asked in vain")).ok()?;
    if answer.code != i32::from(ResponseCode::Success) || answer.body.is_empty() {
        return None;
    }
    match compat::json::from_slice::<GetConsumerStatusBody>(&answer.body) {
        Ok(body) => Some((client.client_id.clone(), body.message_queue_table)),
        Err(error) => {
            tracing::warn!(group, client_id, %error, "client's answer does not parse");
            None
        }
    }
}

/// Code 307: what a consumer says of itself.
pub fn get_consumer_running_info(
    broker: &Arc<Broker>,
    request: Request<GetConsumerRunningInfoRequestHeader>,
) -> Answer {
    let GetConsumerRunningInfoRequestHeader { consumer_group, client_id, .. } = request.header;
    call_consumer(broker, request.command, consumer_group, client_id)
}

/// Code 309: has one consumer consume one message, now, whatever its offsets say. The client gets the message from us,
/// and its queue from the broker's name.
pub fn consume_message_directly(
    broker: &Arc<Broker>,
    request: Request<ConsumeMessageDirectlyResultRequestHeader>,
) -> Result<Answer, Fault> {
    let header = request.header;
    let msg_id = header.msg_id.unwrap_or_default();
    let (_, offset) = compat::id::parse_offset_message_id(&msg_id).ok_or_else(|| {
        let remark = format!("msgId[{msg_id}] is no offset message id: 32 hex digits are wanted");
        Fault::new(ResponseCode::SystemError, remark)
    })?;
    let record = broker.store.message_at(offset).ok_or_else(|| {
        Fault::new(ResponseCode::SystemError, format!("can not find message by the offset, {offset}"))
    })?;
    let mut command = request.command.with_body(record.to_vec());
    command.ext.get_or_insert_default().set("brokerName", &broker.config.broker_name);
    Ok(call_consumer(broker, command, header.consumer_group, header.client_id.unwrap_or_default()))
}

/// Passes a request on to a consumer, and its answer back.
fn call_consumer(broker: &Arc<Broker>, command: Command, group: String, client_id: String) -> Answer {
    match callable(broker, &group, &client_id) {
        // It counts until the client's connection has taken it, whoever waits.
        Ok(client) => match broker.pools.budget.keep(command.body.clone()) {
            Ok(body) => Answer::later(passed_on(client, command.with_body(body), group)),
            Err(fault) => Answer::Now(fault.into()),
        },
        Err(fault) => Answer::Now(fault.into()),
    }
}

fn callable(broker: &Broker, group: &str, client_id: &str) -> Result<Arc<Client>, Fault> {
    let client =
        broker.consumers.find(group).and_then(|members| members.client(client_id)).ok_or_else(|| {
            let remark = format!("The Consumer <{group}> <{client_id}> not online");
            Fault::new(ResponseCode::SystemError, remark)
        })?;
    if client.version < version::V3_1_8_SNAPSHOT {
        let desc = version_desc(client.version);
        let remark = format!(
            "The Consumer <{client_id}> Version <{desc}> too low to finish, please upgrade it to V3_1_8_SNAPSHOT"
        );
        return Err(Fault::new(ResponseCode::SystemError, remark));
    }
    Ok(client)
}

async fn passed_on(client: Arc<Client>, command: Command, group: String) -> Result<Response, Fault> {
    let client_id = &client.client_id;
    let request = Command { ext: command.ext, body: command.body, ..Command::request(command.code, &()) };
    match client.peer.invoke(request, CALL_TIMEOUT).await {
        Ok(answer) => Ok(Response::relayed(answer)),
        Err(error @ InvokeError::Timeout { .. }) => {
            let remark = format!("consumer <{group}> <{client_id}> Timeout: {error}");
            Err(Fault::new(ResponseCode::ConsumeMsgTimeout, remark))
        }
        Err(error) => {
            let remark = format!("invoke consumer <{group}> <{client_id}> Exception: {error}");
            Err(Fault::new(ResponseCode::SystemError, remark))
        }
    }
}
