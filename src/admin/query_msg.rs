//! Looking messages up: queryMsgById, queryMsgByKey, queryMsgByUniqueKey, queryMsgByOffset. Java: `QueryMsgByIdSubCommand`
//! and its like. A looked-up message's body goes to a file, as there.

use std::path::Path;

use serde_json::{Value, json};

use super::message_text::{self, BODY_FOLDER, Charset};
use super::{Failure, Session};
use crate::client::admin::messages::Reader;
use crate::client::admin::tools::Tools;
use crate::client::message_ext::MessageExt;
use crate::client::producer::Producer;
use crate::protocol::body::client::ConsumeMessageDirectlyResult;
use crate::protocol::body::queue::MessageQueue;
use crate::protocol::topic::TOOLS_CONSUMER_GROUP;

/// Java's producer group for messages that are sent again.
const RESEND_GROUP: &str = "ReSendMsgById";

/// queryMsgById
pub async fn by_id(session: &mut Session) -> Result<(), Failure> {
    let ids: Vec<String> = session.required("i")?.split(',').map(|id| id.trim().to_owned()).collect();
    let consumer = session.value("g").zip(session.value("d"));
    let resend = session.value("s").map(is_true);
    let tools = session.tools();
    let mut failures = session.failures();
    let producer = Producer::new(tools.namesrvs()?.clone(), RESEND_GROUP);
    for id in ids.iter().filter(|id| !id.is_empty()) {
        let done = match (&consumer, resend) {
            (Some((group, client_id)), _) => push(session, &tools, group, client_id, id).await,
            (None, Some(true)) => send_again(session, &tools, &producer, id).await,
            (None, Some(false)) => Ok(()),
            (None, None) => look_up(session, &tools, id).await,
        };
        failures.note(done);
    }
    producer.shutdown().await;
    failures.result()
}

async fn look_up(session: &mut Session, tools: &Tools, id: &str) -> Result<(), Failure> {
    let message = tools.view_message(id).await?;
    show(session, tools, &message, true).await
}

async fn push(
    session: &mut Session,
    tools: &Tools,
    group: &str,
    client_id: &str,
    id: &str,
) -> Result<(), Failure> {
    let message = tools.view_message(id).await?;
    let result = tools.consume_directly(group, client_id, &message).await?;
    session.out.put(&directly_text(&result), || json!(result));
    Ok(())
}

async fn send_again(
    session: &mut Session,
    tools: &Tools,
    producer: &Producer,
    id: &str,
) -> Result<(), Failure> {
    let message = tools.view_message(id).await?;
    session.out.text(&format!("prepare resend msg. originalMsgId={id}"));
    let result = producer.send(&message.message).await?;
    session.out.put(&result.to_string(), || {
        json!({
            "originalMsgId": id,
            "sendStatus": result.send_status.name(),
            "msgId": result.msg_id,
            "offsetMsgId": result.offset_msg_id,
            "messageQueue": result.message_queue,
            "queueOffset": result.queue_offset,
        })
    });
    Ok(())
}

/// queryMsgByUniqueKey
pub async fn by_unique_key(session: &mut Session) -> Result<(), Failure> {
    let (id, topic) = (session.required("i")?, session.required("t")?);
    let tools = session.tools();
    let message = tools.query_by_unique_key(&topic, &id).await?;
    if let Some((group, client_id)) = session.value("g").zip(session.value("d")) {
        let result = tools.consume_directly(&group, &client_id, &message).await?;
        session.out.put(&directly_text(&result), || json!(result));
        return Ok(());
    }
    show(session, &tools, &message, false).await
}

/// queryMsgByOffset
pub async fn by_offset(session: &mut Session) -> Result<(), Failure> {
    let (topic, broker_name) = (session.required("t")?, session.required("b")?);
    let (queue_id, offset) = (session.number("i")?, session.number("o")?);
    let tools = session.tools();
    let addr = tools.broker_of(&topic, &broker_name).await?;
    let reader = Reader::new(TOOLS_CONSUMER_GROUP, &topic, "*").map_err(Failure::from)?;
    let place = (MessageQueue::new(&topic, &broker_name, queue_id), addr);
    let pulled = tools.pull(&reader, &place, offset, 1).await?;
    match pulled.messages.first() {
        Some(message) => show(session, &tools, message, true).await,
        // Java prints nothing at all.
        None => {
            let status = pulled.status.name();
            Err(Failure::from(format!("{} has no message at offset {offset}: {status}", place.0)))
        }
    }
}

/// queryMsgByKey
pub async fn by_key(session: &mut Session) -> Result<(), Failure> {
    let (topic, key) = (session.required("t")?, session.required("k")?);
    let tools = session.tools();
    let gathered = tools.query_by_key(&topic, &key).await?;
    session.out.text(&format!("{:<50} {:>4} {:>40}\n", "#Message ID", "#QID", "#Offset"));
    for message in &gathered.found {
        let (id, queue_id, offset) = (message.msg_id(), message.queue_id, message.queue_offset);
        session.out.put(
            &format!("{id:<50} {queue_id:>4} {offset:>40}\n"),
            || json!({"messageId": id, "queueId": queue_id, "offset": offset, "topic": topic}),
        );
    }
    let mut failures = session.failures();
    for failed in gathered.failed {
        failures.note(Err(failed.into()));
    }
    failures.result()
}

/// A message's particulars and what has become of it.
async fn show(
    session: &mut Session,
    tools: &Tools,
    message: &MessageExt,
    with_offset_id: bool,
) -> Result<(), Failure> {
    let path = message_text::write_body(Path::new(BODY_FOLDER), message)
        .map_err(|error| Failure::from(format!("the body was not written below {BODY_FOLDER}: {error}")))?;
    session.out.text(&message_text::block(message, with_offset_id, &path));
    let tracks = tools.message_track(message).await;
    session.out.json(|| {
        let mut value = message_text::json(message, Some(&Charset::default()));
        value["bodyPath"] = json!(path);
        value["tracks"] = tracks.as_ref().map_or(Value::Null, |tracks| {
            let track = |it: &crate::client::admin::tools::MessageTrack| {
                json!({
                    "consumerGroup": it.consumer_group,
                    "trackType": it.track_type.name(),
                    "exceptionDesc": it.exception_desc,
                })
            };
            tracks.iter().map(track).collect()
        });
        value
    });
    let tracks = tracks?;
    if tracks.is_empty() {
        session.out.text("\n\nWARN: No Consumer");
    } else {
        session.out.text("\n\n");
    }
    for track in tracks {
        session.out.text(&track.to_string());
    }
    Ok(())
}

/// Java: `ConsumeMessageDirectlyResult.toString`.
fn directly_text(result: &ConsumeMessageDirectlyResult) -> String {
    let consume_result = result.consume_result.map_or("null", |it| it.name());
    let remark = result.remark.as_deref().unwrap_or("null");
    format!(
        "ConsumeMessageDirectlyResult [order={}, autoCommit={}, consumeResult={consume_result}, remark={remark}, \
         spentTimeMills={}]",
        result.order, result.auto_commit, result.spent_time_mills
    )
}

/// Java: `Boolean.parseBoolean`.
pub fn is_true(text: String) -> bool {
    text.eq_ignore_ascii_case("true")
}
