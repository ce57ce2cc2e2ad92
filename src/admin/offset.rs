//! Offsets of consumer groups: resetOffsetByTime, cloneGroupOffset. Java: `ResetOffsetByTimeCommand` with
//! `ResetOffsetByTimeOldCommand`, `CloneGroupOffsetCommand`.

use serde_json::json;

use super::query_msg::is_true;
use super::text::{front, now_ms, parse_time};
use super::{Failure, Session};
use crate::client::admin::tools::{RollbackStats, Tools};
use crate::protocol::header::offset::{CloneGroupOffsetRequestHeader, ResetOffsetRequestHeader};
use crate::protocol::response_code::ResponseCode;

const NAME_WIDTH: usize = 32;

/// resetOffsetByTime
pub async fn reset(session: &mut Session) -> Result<(), Failure> {
    let (group, topic) = (session.required("g")?, session.required("t")?);
    let typed = session.required("s")?;
    let timestamp = match typed.as_str() {
        "now" => Some(now_ms()),
        text => parse_time(text),
    };
    let timestamp = timestamp.ok_or_else(|| {
        Failure::Value(format!(
            "-s {typed}: neither now, milliseconds since 1970 as a number, nor yyyy-MM-dd#HH:mm:ss:SSS"
        ))
    })?;
    let is_force = session.value("f").is_none_or(is_true);
    let header = ResetOffsetRequestHeader { topic, group, timestamp, is_force };
    let tools = session.tools();
    if session.is_dry_run() {
        return reset_old(session, &tools, &header, &typed).await;
    }
    session.confirm(&format!(
        "Reset the offsets of the group {} in the topic {} to {typed}?",
        header.group, header.topic
    ))?;
    let offsets = match tools.reset_offset(&header, session.has("c")).await {
        Ok(offsets) => offsets,
        Err(error) if error.code() == Some(ResponseCode::ConsumerNotOnline.into()) => {
            return reset_old(session, &tools, &header, &typed).await;
        }
        Err(error) => return Err(error.into()),
    };
    session.out.text(&told("group", &header, &typed));
    let row = |broker: &str, queue: &str, offset: &str| format!("{broker:<40}  {queue:<40}  {offset:<40}\n");
    session.out.text(&row("#brokerName", "#queueId", "#offset"));
    for (queue, offset) in offsets {
        let broker = front(&queue.broker_name, NAME_WIDTH);
        session.out.put(
            &row(broker, &queue.queue_id.to_string(), &offset.to_string()),
            || json!({"brokerName": queue.broker_name, "queueId": queue.queue_id, "offset": offset}),
        );
    }
    Ok(())
}

/// What is done, in Java's words.
fn told(group_word: &str, header: &ResetOffsetRequestHeader, typed: &str) -> String {
    let ResetOffsetRequestHeader { topic, group, timestamp, is_force } = header;
    format!(
        "rollback consumer offset by specified {group_word}[{group}], topic[{topic}], force[{is_force}], \
         timestamp(string)[{typed}], timestamp(long)[{timestamp}]\n"
    )
}

/// Nobody of the group is there, or it is only to be said where its members would be sent.
async fn reset_old(
    session: &mut Session,
    tools: &Tools,
    header: &ResetOffsetRequestHeader,
    typed: &str,
) -> Result<(), Failure> {
    let progress = session.progress_of("queues");
    let is_dry_run = session.is_dry_run();
    let all =
        tools.reset_offset_old(header, is_dry_run, |done, all| progress.set(done as i64, all as i64)).await?;
    session.out.text(if is_dry_run { "dry run, nothing is changed: " } else { "" });
    session.out.text(&told("consumerGroup", header, typed));
    session.out.text(&old_row([
        "#brokerName",
        "#queueId",
        "#brokerOffset",
        "#consumerOffset",
        "#timestampOffset",
        "#rollbackOffset",
    ]));
    for stats in all {
        session.out.put(&old_stats_row(&stats), || {
            json!({
                "brokerName": stats.broker_name,
                "queueId": stats.queue_id,
                "brokerOffset": stats.broker_offset,
                "consumerOffset": stats.consumer_offset,
                "timestampOffset": stats.timestamp_offset,
                "rollbackOffset": stats.rollback_offset,
            })
        });
    }
    Ok(())
}

fn old_row(columns: [&str; 6]) -> String {
    columns.map(|column| format!("{column:<20}")).join("  ") + "\n"
}

fn old_stats_row(stats: &RollbackStats) -> String {
    old_row([
        front(&stats.broker_name, NAME_WIDTH),
        &stats.queue_id.to_string(),
        &stats.broker_offset.to_string(),
        &stats.consumer_offset.to_string(),
        &stats.timestamp_offset.to_string(),
        &stats.rollback_offset.to_string(),
    ])
}

/// cloneGroupOffset. Java copies where the queues end, of all the source's topics; here the brokers copy the offsets of
/// the one topic.
pub async fn clone(session: &mut Session) -> Result<(), Failure> {
    let (src_group, dest_group) = (session.required("s")?, session.required("d")?);
    let topic = session.required("t")?;
    let offline = session.value("o").is_some_and(is_true);
    let tools = session.tools();
    tools.consume_stats(&src_group, Some(&topic)).await?;
    session
        .confirm(&format!("Give the group {dest_group} the offsets of {src_group} in the topic {topic}?"))?;
    let header = CloneGroupOffsetRequestHeader {
        src_group: src_group.clone(),
        dest_group: dest_group.clone(),
        topic: Some(topic.clone()),
        offline,
    };
    tools.clone_group_offset(&header).await?;
    let text = format!(
        "clone group offset success. srcGroup[{src_group}], destGroup=[{dest_group}], topic[{topic}]"
    );
    session.out.put(&text, || json!({"srcGroup": src_group, "destGroup": dest_group, "topic": topic}));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stand_as_java_prints_them() {
        let header = ResetOffsetRequestHeader {
            topic: "T".to_owned(),
            group: "g".to_owned(),
            timestamp: 5,
            is_force: true,
        };
        let expected = "rollback consumer offset by specified group[g], topic[T], force[true], timestamp(string)[now], \
                        timestamp(long)[5]\n";
        assert_eq!(told("group", &header, "now"), expected);
        let stats = RollbackStats {
            broker_name: "broker-a".to_owned(),
            queue_id: 1,
            broker_offset: 2,
            consumer_offset: 3,
            timestamp_offset: 4,
            rollback_offset: 5,
        };
        let expected = "broker-a              1                     2                     3                     \
                        4                     5                   \n";
        assert_eq!(old_stats_row(&stats), expected);
    }
}
