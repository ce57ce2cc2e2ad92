//! startMonitoring: looks at all consumer groups each minute and tells of consumers whose offsets a broker has moved, until
//! it is stopped. Java: `MonitorService` with `DefaultMonitorListener`, which write to the client's log; here it is printed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::running_info::{analyze_process_queue, is_subscription_same};
use super::text::{date_time, now_ms};
use super::{Failure, Session};
use crate::client::admin::messages::Reader;
use crate::client::admin::tools::{ToolError, Tools};
use crate::client::consumer::{Consumer, ConsumerOptions};
use crate::client::message_ext::MessageExt;
use crate::protocol::body::heartbeat::ConsumeFromWhere;
use crate::protocol::body::offset::OffsetMovedEvent;
use crate::protocol::body::queue::MessageQueue;
use crate::protocol::body::stats::OffsetWrapper;
use crate::protocol::topic::{
    MONITOR_CONSUMER_GROUP, OFFSET_MOVED_EVENT_TOPIC, TOOLS_CONSUMER_GROUP, retry_group,
};
use crate::protocol::version::V3_1_8_SNAPSHOT;

/// Java: `roundInterval`.
const ROUND: Duration = Duration::from_secs(60);

/// A thing to tell.
struct Told {
    is_notice: bool,
    text: String,
    value: Value,
}

/// startMonitoring
pub async fn start(session: &mut Session) -> Result<(), Failure> {
    let tools = session.tools();
    // Both ends of it are ours: it is never full for long.
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let options = ConsumerOptions {
        group: MONITOR_CONSUMER_GROUP.to_owned(),
        topic: OFFSET_MOVED_EVENT_TOPIC.to_owned(),
        expression: "*".to_owned(),
        consume_from_where: ConsumeFromWhere::ConsumeFromLastOffset,
    };
    let mut consumer = Consumer::new(tools.namesrvs()?.clone(), options).map_err(Failure::from)?;
    let events = told.clone();
    let listener = move |message: MessageExt| match compat::json::from_slice::<OffsetMovedEvent>(
        &message.message.body,
    ) {
        Ok(event) => events.send(moved(&event, message.store_timestamp)).is_ok(),
        Err(error) => {
            tracing::debug!(%error, "not an event");
            true
        }
    };
    let stop = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let rounds = async {
        let mut ticks = tokio::time::interval(ROUND);
        loop {
            ticks.tick().await;
            let _ = told.send(marker("beginRound"));
            if let Err(error) = round(&tools, |it| drop(told.send(it))).await {
                let text = format!("round failed: {error}");
                let value = json!({"error": error.to_string()});
                let _ = told.send(Told { is_notice: true, text, value });
            }
            let _ = told.send(marker("endRound"));
        }
    };
    tokio::select! {
        () = consumer.run(listener, stop) => {}
        () = rounds => {}
        () = print(session, &mut heard) => {}
    }
    Ok(())
}

async fn print(session: &mut Session, heard: &mut tokio::sync::mpsc::UnboundedReceiver<Told>) {
    while let Some(told) = heard.recv().await {
        let notice = if told.is_notice { " [NOTIFY] " } else { "" };
        let line = format!("{} [MONITOR] {notice}{}\n", date_time(now_ms()), told.text);
        session.out.put(&line, || told.value.clone());
    }
}

fn marker(what: &str) -> Told {
    let text = format!("========================================={what}");
    Told { is_notice: false, text, value: json!({"event": what, "timestamp": now_ms()}) }
}

/// Java: `DeleteMsgsEvent.toString`.
fn moved(event: &OffsetMovedEvent, event_timestamp: i64) -> Told {
    let text = format!(
        "reportDeleteMsgsEvent: DeleteMsgsEvent [offsetMovedEvent={event}, eventTimestamp={event_timestamp}]"
    );
    let value = json!({"event": "deleteMsgs", "offsetMovedEvent": event, "eventTimestamp": event_timestamp});
    Told { is_notice: false, text, value }
}

async fn round(tools: &Tools, mut tell: impl FnMut(Told)) -> Result<(), ToolError> {
    for topic in tools.topic_list().await? {
        let Some(group) = retry_group(&topic) else { continue };
        if let Err(error) = undone(tools, group, &mut tell).await {
            tracing::debug!(group, %error, "a group's progress is not known");
        }
        if let Err(error) = running(tools, group, &mut tell).await {
            tracing::debug!(group, %error, "a group's members are not known");
        }
    }
    Ok(())
}

/// How far a group is behind in one topic. Java: `UndoneMsgs`.
#[derive(Debug, Default, PartialEq, Eq)]
struct UndoneMsgs {
    total: i64,
    single_mq: i64,
    delay_ms: i64,
}

impl UndoneMsgs {
    fn add(&mut self, offset: &OffsetWrapper, newest_ms: Option<i64>) {
        let diff = offset.broker_offset - offset.consumer_offset;
        self.single_mq = self.single_mq.max(diff);
        self.total += diff.max(0);
        if let Some(newest_ms) = newest_ms {
            self.delay_ms = self.delay_ms.max(newest_ms - offset.last_timestamp);
        }
    }
}

async fn undone(tools: &Tools, group: &str, tell: &mut impl FnMut(Told)) -> Result<(), ToolError> {
    let stats = tools.consume_stats(group, None).await?;
    tools.consumer_connection(group).await?;
    let mut by_topic: BTreeMap<&str, UndoneMsgs> = BTreeMap::new();
    for (queue, offset) in &stats.offset_table {
        let newest_ms = match offset.last_timestamp {
            ..=0 => None,
            _ => newest_ms(tools, queue).await.ok().flatten(),
        };
        by_topic.entry(&queue.topic).or_default().add(offset, newest_ms);
    }
    for (topic, undone) in by_topic {
        let UndoneMsgs { total, single_mq, delay_ms } = undone;
        let text = format!(
            "reportUndoneMsgs: UndoneMsgs [consumerGroup={group}, topic={topic}, undoneMsgsTotal={total}, \
             undoneMsgsSingleMQ={single_mq}, undoneMsgsDelayTimeMills={delay_ms}]"
        );
        let value = json!({
            "event": "undoneMsgs",
            "consumerGroup": group,
            "topic": topic,
            "undoneMsgsTotal": total,
            "undoneMsgsSingleMQ": single_mq,
            "undoneMsgsDelayTimeMills": delay_ms,
        });
        tell(Told { is_notice: false, text, value });
    }
    Ok(())
}

/// When a queue's last message was stored.
async fn newest_ms(tools: &Tools, queue: &MessageQueue) -> Result<Option<i64>, ToolError> {
    let addr = tools.broker_of(&queue.topic, &queue.broker_name).await?;
    let end = tools.calls.max_offset(&addr, &queue.topic, queue.queue_id).await?;
    let Ok(reader) = Reader::new(TOOLS_CONSUMER_GROUP, &queue.topic, "*") else { return Ok(None) };
    if end <= 0 {
        return Ok(None);
    }
    let pulled = tools.pull(&reader, &(queue.clone(), addr), end - 1, 1).await?;
    Ok(pulled.messages.first().map(|message| message.store_timestamp))
}

async fn running(tools: &Tools, group: &str, tell: &mut impl FnMut(Told)) -> Result<(), ToolError> {
    let mut members = BTreeMap::new();
    for member in tools.consumer_connection(group).await?.connection_set {
        if member.version < V3_1_8_SNAPSHOT {
            continue;
        }
        match tools.consumer_running_info(group, &member.client_id, false).await {
            Ok(info) => drop(members.insert(member.client_id, info)),
            Err(error) => tracing::debug!(group, %error, "a member does not answer"),
        }
    }
    let mut notify = |what: String| {
        let text = format!("reportConsumerRunningInfo: ConsumerGroup: {group}, {what}");
        let value = json!({"event": "consumerRunningInfo", "consumerGroup": group, "notice": what});
        tell(Told { is_notice: true, text, value });
    };
    if !is_subscription_same(&members, now_ms()) {
        notify("Subscription different".to_owned());
    }
    for (client_id, info) in &members {
        let stuck = analyze_process_queue(client_id, info, now_ms());
        if !stuck.is_empty() {
            notify(format!("ClientId: {client_id}, {stuck}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topics_backlog_is_that_of_its_queues() {
        let mut undone = UndoneMsgs::default();
        let offset = |broker_offset, consumer_offset, last_timestamp| OffsetWrapper {
            broker_offset,
            consumer_offset,
            last_timestamp,
        };
        undone.add(&offset(10, 4, 100), Some(150));
        undone.add(&offset(5, 7, 100), None);
        undone.add(&offset(3, 1, 100), Some(90));
        assert_eq!(undone, UndoneMsgs { total: 8, single_mq: 6, delay_ms: 50 });
    }

    #[test]
    fn moved_offsets_are_told_as_java_does() {
        let event = OffsetMovedEvent {
            consumer_group: "g".to_owned(),
            message_queue: MessageQueue::new("T", "b", 1),
            offset_new: 2,
            offset_request: 3,
        };
        let expected = "reportDeleteMsgsEvent: DeleteMsgsEvent [offsetMovedEvent=OffsetMovedEvent [consumerGroup=g, \
             messageQueue=MessageQueue [topic=T, brokerName=b, queueId=1], offsetRequest=3, offsetNew=2], \
             eventTimestamp=5]";
        assert_eq!(moved(&event, 5).text, expected);
    }
}
