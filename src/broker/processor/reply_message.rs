//! Replies to requests between clients of 4.6 and later (324, 325; 326 to the client that asked). Not in 4.3.0; Java 4.6:
//! `ReplyMessageProcessor`. A reply is handed to the client at once, and stored in the cluster's reply topic as a record.

use std::sync::Arc;
use std::time::Duration;

use super::send::{self, Stored};
use crate::broker::{Broker, ipv4};
use crate::protocol::header::send::{
    ReplyMessageRequestHeader, SendMessageRequestHeader, SendMessageResponseHeader,
};
use crate::protocol::message::{self, Properties};
use crate::protocol::request_code::RequestCode;
use crate::protocol::response_code::ResponseCode;
use crate::remoting::{Answer, Command, Fault, Peer, Response};
use crate::store::NewMessage;

/// How long the client that asked has to take its reply.
const PUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// Codes 324 and 325.
pub fn reply_message(broker: &Arc<Broker>, peer: &Arc<Peer>, command: Command) -> Answer {
    if let Err(fault) = checked(broker, peer, &command) {
        return refused(broker, fault).into();
    }
    let (broker, peer) = (Arc::clone(broker), Arc::clone(peer));
    Answer::later(async move {
        let header = send::header(&command)?;
        let pushed = push(&broker, &peer, &header, &command).await;
        let stored = store(&broker, &peer, &header, &command);
        match pushed {
            Ok(()) => stored_response(&broker, stored).await,
            Err(fault) => Ok(refused(&broker, fault)),
        }
    })
}

fn checked(broker: &Arc<Broker>, peer: &Arc<Peer>, command: &Command) -> Result<(), Fault> {
    let header = send::header(command)?;
    send::check_acceptance(broker)?;
    send::check_topic(broker, peer, &header)?;
    send::check_properties(&header)?;
    Ok(())
}

/// Clients read the ext fields of every reply to a send without asking whether they are there.
fn refused(broker: &Broker, fault: Fault) -> Response {
    Response { ext: Some(send::region_fields(broker)), ..Response::from(fault) }
}

/// Hands the reply to the client that asked, and waits until it has it.
async fn push(
    broker: &Broker,
    peer: &Peer,
    header: &SendMessageRequestHeader<'_>,
    command: &Command,
) -> Result<(), Fault> {
    let failed = |remark: String| {
        tracing::warn!(topic = header.topic, remote = %peer.remote(), remark, "reply not handed over");
        Fault::new(ResponseCode::SystemError, remark)
    };
    let mut properties = Properties::parse(header.properties.unwrap_or(""));
    let client_id = properties.get(message::PROPERTY_MESSAGE_REPLY_TO_CLIENT).map(str::to_owned);
    let client_id = client_id.ok_or_else(|| {
        failed(format!("reply message properties[{}] is null", message::PROPERTY_MESSAGE_REPLY_TO_CLIENT))
    })?;
    let client = broker
        .producers
        .client(&client_id)
        .ok_or_else(|| failed(format!("push reply message fail, channel of <{client_id}> not found.")))?;
    let now_ms = broker.now_ms();
    properties.set(message::PROPERTY_PUSH_REPLY_TIME, now_ms.to_string());
    let pushed = ReplyMessageRequestHeader {
        producer_group: header.producer_group.to_owned(),
        topic: header.topic.to_owned(),
        default_topic: header.default_topic.to_owned(),
        default_topic_queue_nums: header.default_topic_queue_nums,
        queue_id: header.queue_id,
        sys_flag: header.sys_flag,
        born_timestamp: header.born_timestamp,
        flag: header.flag,
        properties: Some(properties.encode()),
        reconsume_times: Some(header.reconsume_times.unwrap_or(0)),
        unit_mode: header.unit_mode,
        born_host: peer.remote().to_string(),
        store_host: broker.store_host.to_string(),
        store_timestamp: now_ms,
    };
    // It counts until the client's connection has taken it, whoever waits.
    let body = broker.pools.budget.keep(command.body.clone())?;
    let request = Command::request(RequestCode::PushReplyMessageToClient, &pushed).with_body(body);
    let not_taken = |why: String| failed(format!("push reply message to {client_id} fail: {why}"));
    let answer = client.peer.invoke(request, PUSH_TIMEOUT).await;
    let answer = answer.map_err(|error| not_taken(error.to_string()))?;
    if answer.code != i32::from(ResponseCode::Success) {
        return Err(not_taken(format!("code {}, {}", answer.code, answer.remark.unwrap_or_default())));
    }
    Ok(())
}

fn store(
    broker: &Arc<Broker>,
    peer: &Peer,
    header: &SendMessageRequestHeader<'_>,
    command: &Command,
) -> Stored {
    let queue_id = match header.queue_id {
        given @ 0.. => given,
        _ => broker.any_queue(broker.topics.get(header.topic).map_or(1, |config| config.write_queue_nums)),
    };
    let message = NewMessage {
        topic: header.topic,
        queue_id,
        flag: header.flag,
        sys_flag: header.sys_flag & !message::SYS_FLAG_TRANSACTION_MASK,
        born_timestamp_ms: header.born_timestamp,
        born_host: ipv4(peer.remote()),
        store_host: broker.store_host,
        reconsume_times: header.reconsume_times.unwrap_or(0),
        prepared_transaction_offset: 0,
        body: &command.body,
        properties: header.properties.unwrap_or(""),
    };
    Stored { result: send::timed(broker, || broker.store.put(&message)), queue_id }
}

/// The client that asked has its reply. Where the record was not stored the answer has the id that Java gives it then.
async fn stored_response(broker: &Arc<Broker>, stored: Stored) -> Result<Response, Fault> {
    let (status, queue_id) = (stored.result.status, stored.queue_id);
    let not_stored = || {
        tracing::warn!(status = status.java_name(), "reply handed over, but not stored");
        let header = SendMessageResponseHeader {
            msg_id: "0".into(),
            queue_id,
            queue_offset: 0,
            transaction_id: None,
            msg_region: Some(broker.config.region_id.as_str().into()),
            trace_on: Some(broker.live.trace_on()),
        };
        Response::ok().header(&header)
    };
    let answer = match send::reply(broker, stored) {
        Answer::Now(response) => Some(response),
        Answer::Later(response) | Answer::InTurn(response) | Answer::Alone(response) => response.await,
        Answer::Silent => None,
    };
    Ok(answer
        .filter(|answer| answer.ext.as_ref().is_some_and(|ext| ext.get("msgId").is_some()))
        .unwrap_or_else(not_stored))
}
