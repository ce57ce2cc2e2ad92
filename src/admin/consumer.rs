//! Consumer groups: consumerProgress, consumerStatus, brokerConsumeStats. Java: `ConsumerProgressSubCommand`,
//! `ConsumerStatusSubCommand`, `BrokerConsumeStatsSubCommad`.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::time::Duration;

use compat::json::java_double;
use serde_json::json;

use super::query_msg::is_true;
use super::running_info::{analyze_process_queue, format_string, is_subscription_same};
use super::text::{date_time, front, now_ms};
use super::{Failure, Session};
use crate::client::admin::tools::{ToolError, Tools};
use crate::protocol::body::client::ConsumerConnection;
use crate::protocol::body::heartbeat::{ConsumeType, MessageModel};
use crate::protocol::body::queue::MessageQueue;
use crate::protocol::body::stats::{ConsumeStats, OffsetWrapper};
use crate::protocol::response_code::ResponseCode;
use crate::protocol::topic::retry_group;
use crate::protocol::version::version_desc;

/// Names are cut to this.
const NAME_WIDTH: usize = 32;

/// consumerProgress
pub async fn progress(session: &mut Session) -> Result<(), Failure> {
    let tools = session.tools();
    match session.value("g") {
        Some(group) => of_group(session, &tools, &group).await,
        None => of_all(session, &tools).await,
    }
}

fn queue_row(columns: [&str; 8]) -> String {
    let [topic, broker, queue, broker_offset, offset, ip, diff, time] = columns;
    format!(
        "{topic:<32}  {broker:<32}  {queue:<4}  {broker_offset:<20}  {offset:<20}  {ip:<20} {diff:<20}  {time}\n"
    )
}

async fn of_group(session: &mut Session, tools: &Tools, group: &str) -> Result<(), Failure> {
    let (stats, failed) = tools.known_consume_stats(group, None).await?;
    let mut failures = session.failures();
    for error in failed {
        failures.note(Err(error.into()));
    }
    if stats.offset_table.is_empty() {
        return failures.result();
    }
    let owners = match session.value("s").is_some_and(is_true) {
        true => owners(tools, group).await,
        false => HashMap::new(),
    };
    session.out.text(&queue_row([
        "#Topic",
        "#Broker Name",
        "#QID",
        "#Broker Offset",
        "#Consumer Offset",
        "#Client IP",
        "#Diff",
        "#LastTime",
    ]));
    for (queue, offset) in &stats.offset_table {
        let diff = offset.broker_offset - offset.consumer_offset;
        let time = match offset.last_timestamp {
            0 => "N/A".to_owned(),
            millis => date_time(millis),
        };
        let ip = owners.get(queue);
        let row = queue_row([
            front(&queue.topic, NAME_WIDTH),
            front(&queue.broker_name, NAME_WIDTH),
            &queue.queue_id.to_string(),
            &offset.broker_offset.to_string(),
            &offset.consumer_offset.to_string(),
            ip.map_or("N/A", String::as_str),
            &diff.to_string(),
            &time,
        ]);
        session.out.put(&row, || {
            json!({
                "topic": queue.topic,
                "brokerName": queue.broker_name,
                "queueId": queue.queue_id,
                "brokerOffset": offset.broker_offset,
                "consumerOffset": offset.consumer_offset,
                "clientIP": ip,
                "diff": diff,
                "lastTimestamp": offset.last_timestamp,
            })
        });
    }
    let (tps, diff) = (java_double(stats.consume_tps), stats.compute_total_diff());
    session.out.text(&format!("\nConsume TPS: {tps}\nDiff Total: {diff}\n"));
    failures.result()
}

/// Which member has each queue: the addresses in front of the client ids. Whoever does not answer has none.
async fn owners(tools: &Tools, group: &str) -> HashMap<MessageQueue, String> {
    let mut owners = HashMap::new();
    let Ok(connection) = tools.consumer_connection(group).await else { return owners };
    for member in connection.connection_set {
        match tools.consumer_running_info(group, &member.client_id, false).await {
            Ok(info) => {
                let ip = member.client_id.split('@').next().unwrap_or_default();
                owners.extend(info.mq_table.into_keys().map(|queue| (queue, ip.to_owned())));
            }
            Err(error) => tracing::warn!(client_id = member.client_id, %error, "a consumer does not answer"),
        }
    }
    owners
}

/// One line of the list of groups. Java: `GroupConsumeInfo`.
#[derive(Debug, Default, PartialEq, Eq)]
struct GroupConsumeInfo {
    count: usize,
    version: i32,
    consume_type: Option<ConsumeType>,
    message_model: Option<MessageModel>,
    consume_tps: i32,
    diff_total: i64,
}

impl GroupConsumeInfo {
    fn of(stats: Option<&ConsumeStats>, connection: Option<&ConsumerConnection>) -> GroupConsumeInfo {
        let mut info = GroupConsumeInfo::default();
        if let Some(stats) = stats {
            info.consume_tps = stats.consume_tps as i32;
            info.diff_total = stats.compute_total_diff();
        }
        if let Some(connection) = connection {
            info.count = connection.connection_set.len();
            info.version = connection.connection_set.iter().map(|it| it.version).min().unwrap_or_default();
            info.consume_type = connection.consume_type;
            info.message_model = connection.message_model;
        }
        info
    }

    /// Java: `versionDesc`, `consumeTypeDesc`, `messageModelDesc`.
    fn descriptions(&self) -> [String; 3] {
        if self.count == 0 {
            return ["OFFLINE".to_owned(), String::new(), String::new()];
        }
        let is_push = self.consume_type == Some(ConsumeType::ConsumePassively);
        let consume_type =
            if self.consume_type == Some(ConsumeType::ConsumeActively) { "PULL" } else { "PUSH" };
        let model = self.message_model.filter(|_| is_push).map_or("", |model| model.name());
        [version_desc(self.version).into_owned(), consume_type.to_owned(), model.to_owned()]
    }
}

fn group_row(columns: [&str; 7]) -> String {
    let [group, count, version, consume_type, model, tps, diff] = columns;
    format!("{group:<32}  {count:<6}  {version:<24} {consume_type:<5}  {model:<14}  {tps:<7}  {diff}\n")
}

async fn of_all(session: &mut Session, tools: &Tools) -> Result<(), Failure> {
    session.out.text(&group_row(["#Group", "#Count", "#Version", "#Type", "#Model", "#TPS", "#Diff Total"]));
    let topics = tools.topic_list().await?;
    let groups: Vec<&str> = topics.iter().filter_map(|topic| retry_group(topic)).collect();
    let mut failures = session.failures();
    for (done, group) in groups.iter().enumerate() {
        session.progress("groups", done as i64, groups.len() as i64);
        let stats = known(tools.consume_stats(group, None).await, &mut failures);
        let connection = known(tools.consumer_connection(group).await, &mut failures);
        let info = GroupConsumeInfo::of(stats.as_ref(), connection.as_ref());
        let [version, consume_type, model] = info.descriptions();
        let row = group_row([
            front(group, NAME_WIDTH),
            &info.count.to_string(),
            &version,
            &consume_type,
            &model,
            &info.consume_tps.to_string(),
            &info.diff_total.to_string(),
        ]);
        session.out.put(&row, || {
            json!({
                "group": group,
                "count": info.count,
                "version": version,
                "type": consume_type,
                "model": model,
                "tps": info.consume_tps,
                "diffTotal": info.diff_total,
            })
        });
    }
    session.progress("groups", 1, 1);
    failures.result()
}

/// That a group is not there is an answer; that a broker is not, a failure that the line does not show.
fn known<T>(result: Result<T, ToolError>, failures: &mut super::Failures) -> Option<T> {
    let is_answer = |error: &ToolError| {
        [ResponseCode::ConsumerNotOnline, ResponseCode::TopicNotExist]
            .into_iter()
            .any(|code| error.code() == Some(code.into()))
    };
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            if !is_answer(&error) {
                failures.note(Err(error.into()));
            }
            None
        }
    }
}

/// consumerStatus
pub async fn status(session: &mut Session) -> Result<(), Failure> {
    let group = session.required("g")?;
    let jstack = session.has("s");
    let tools = session.tools();
    let connection = tools.consumer_connection(&group).await?;
    if let Some(client_id) = session.value("i") {
        let info = tools.consumer_running_info(&group, &client_id, jstack).await?;
        session.out.put(&format_string(&info), || json!(info));
        return Ok(());
    }
    let folder = now_ms().to_string();
    let mut members = BTreeMap::new();
    let mut failures = session.failures();
    for member in &connection.connection_set {
        match tools.consumer_running_info(&group, &member.client_id, jstack).await {
            Ok(info) => {
                let file = write_status(&folder, &member.client_id, &format_string(&info))?;
                let (number, version) = (members.len() + 1, version_desc(member.version));
                let client_id = &member.client_id;
                let row = format!("{number:03}  {client_id:<40} {version:<20} {file}\n");
                session.out.put(
                    &row,
                    || json!({"clientId": client_id, "version": version, "file": file, "runningInfo": info}),
                );
                members.insert(client_id.clone(), info);
            }
            Err(error) => failures.note(Err(error.into())),
        }
    }
    if members.is_empty() {
        return failures.result();
    }
    if is_subscription_same(&members, now_ms()) {
        session.out.text("\n\nSame subscription in the same group of consumer\n\nRebalance OK\n");
        for (client_id, info) in &members {
            session.out.text(&analyze_process_queue(client_id, info, now_ms()));
        }
    } else {
        session.out.text("\n\nWARN: Different subscription in the same group of consumer!!!");
    }
    failures.result()
}

/// A file below the working directory. A client id is the client's own word, and must lead nowhere else.
fn write_status(folder: &str, client_id: &str, text: &str) -> Result<String, Failure> {
    let mut name = client_id.replace(['/', '\0'], "_");
    if name.is_empty() || name.bytes().all(|byte| byte == b'.') {
        name = format!("_{name}");
    }
    let file = format!("{folder}/{name}");
    let failed = |error: std::io::Error| Failure::from(format!("{file}: {error}"));
    fs::create_dir_all(Path::new(folder)).map_err(failed)?;
    fs::write(&file, text).map_err(failed)?;
    Ok(file)
}

/// brokerConsumeStats
pub async fn broker_stats(session: &mut Session) -> Result<(), Failure> {
    let broker = session.required("b")?;
    let is_order = session.value("o").is_some_and(is_true);
    let timeout_ms: u64 = if session.has("t") { session.number("t")? } else { 50_000 };
    let level: i64 = if session.has("l") { session.number("l")? } else { 0 };
    let calls = session.calls(Duration::from_millis(timeout_ms));
    let list = calls.broker_consume_stats(&broker, is_order).await?;
    let row = |columns: [&str; 8]| {
        let [topic, group, name, queue, broker_offset, offset, diff, time] = columns;
        format!(
            "{topic:<32}  {group:<32}  {name:<32}  {queue:<4}  {broker_offset:<20}  {offset:<20}  {diff:<20}  {time}\n"
        )
    };
    session.out.text(&row([
        "#Topic",
        "#Group",
        "#Broker Name",
        "#QID",
        "#Broker Offset",
        "#Consumer Offset",
        "#Diff",
        "#LastTime",
    ]));
    let of_groups = list.consume_stats_list.iter().flatten();
    let queues = of_groups.flat_map(|(group, all)| {
        all.iter().flat_map(move |stats| stats.offset_table.iter().map(move |it| (group, it)))
    });
    for (group, (queue, offset)) in queues {
        let OffsetWrapper { broker_offset, consumer_offset, last_timestamp } = offset;
        let diff = broker_offset - consumer_offset;
        if diff < level || *last_timestamp <= 0 {
            continue;
        }
        let text = row([
            front(&queue.topic, NAME_WIDTH),
            group,
            front(&queue.broker_name, NAME_WIDTH),
            &queue.queue_id.to_string(),
            &broker_offset.to_string(),
            &consumer_offset.to_string(),
            &diff.to_string(),
            &date_time(*last_timestamp),
        ]);
        session.out.put(&text, || {
            json!({
                "topic": queue.topic,
                "group": group,
                "brokerName": queue.broker_name,
                "queueId": queue.queue_id,
                "brokerOffset": broker_offset,
                "consumerOffset": consumer_offset,
                "diff": diff,
                "lastTimestamp": last_timestamp,
            })
        });
    }
    session.out.text(&format!("\nDiff Total: {}\n", list.total_diff));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::body::client::Connection;
    use crate::protocol::version::V4_3_0;

    #[test]
    fn groups_are_described_as_java_does() {
        let check = |count: usize, consume_type: ConsumeType, expected: [&str; 3]| {
            let member = Connection { version: V4_3_0, ..Connection::default() };
            let connection = ConsumerConnection {
                connection_set: vec![member; count],
                consume_type: Some(consume_type),
                message_model: Some(MessageModel::Broadcasting),
                ..ConsumerConnection::default()
            };
            let info = GroupConsumeInfo::of(None, Some(&connection));
            assert_eq!(info.descriptions(), expected.map(str::to_owned));
        };
        check(2, ConsumeType::ConsumePassively, ["V4_3_0", "PUSH", "BROADCASTING"]);
        check(1, ConsumeType::ConsumeActively, ["V4_3_0", "PULL", ""]);
        check(0, ConsumeType::ConsumeActively, ["OFFLINE", "", ""]);
    }
}
