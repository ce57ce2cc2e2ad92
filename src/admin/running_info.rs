//! What a consumer says of itself, as text, and what is wrong with it and its group. Java: `ConsumerRunningInfo.formatString`,
//! `analyzeSubscription`, `analyzeProcessQueue`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::text::{fixed, human_string};
use crate::protocol::body::client::{
    ConsumerRunningInfo, PROP_CONSUME_ORDERLY, PROP_CONSUME_TYPE, PROP_CONSUMER_START_TIMESTAMP,
    ProcessQueueInfo,
};
use crate::protocol::body::heartbeat::SubscriptionData;

/// Before a group has run so long its members may still learn of each other.
const SETTLED_MS: i64 = 120_000;
/// Messages that wait so long are stuck.
const STUCK_MS: i64 = 60_000;

/// All that a consumer says.
pub fn format_string(info: &ConsumerRunningInfo) -> String {
    let mut text = String::from("#Consumer Properties#\n");
    let out = &mut text;
    for (name, value) in &info.properties {
        put(out, format_args!("{name:<40}: {value}\n"));
    }
    put(out, format_args!("\n\n#Consumer Subscription#\n"));
    for (at, data) in in_order(&info.subscription_set).into_iter().enumerate() {
        put(
            out,
            format_args!(
                "{:03} Topic: {:<40} ClassFilter: {:<8} SubExpression: {}\n",
                at + 1,
                data.topic,
                data.class_filter_mode,
                data.sub_string
            ),
        );
    }
    let queue_line = |out: &mut String, topic: &str, broker: &str, id: &str, last: &str| {
        put(out, format_args!("{topic:<32}  {broker:<32}  {id:<4}  {last}\n"));
    };
    put(out, format_args!("\n\n#Consumer Offset#\n"));
    let padded = |text: &str| format!("{text:<20}");
    queue_line(out, "#Topic", "#Broker Name", "#QID", &padded("#Consumer Offset"));
    for (queue, process_queue) in &info.mq_table {
        let offset = padded(&process_queue.commit_offset.to_string());
        queue_line(out, &queue.topic, &queue.broker_name, &queue.queue_id.to_string(), &offset);
    }
    put(out, format_args!("\n\n#Consumer MQ Detail#\n"));
    queue_line(out, "#Topic", "#Broker Name", "#QID", &padded("#ProcessQueueInfo"));
    for (queue, process_queue) in &info.mq_table {
        let detail = process_queue_text(process_queue);
        queue_line(out, &queue.topic, &queue.broker_name, &queue.queue_id.to_string(), &detail);
    }
    put_rates(out, info);
    if let Some(jstack) = &info.jstack {
        put(out, format_args!("\n\n#Consumer jstack#\n{jstack}"));
    }
    text
}

fn put_rates(out: &mut String, info: &ConsumerRunningInfo) {
    put(out, format_args!("\n\n#Consumer RT&TPS#\n"));
    let mut line = |columns: [&str; 7]| {
        let [topic, pull_rt, pull_tps, rt, ok_tps, failed_tps, failed] = columns;
        put(
            out,
            format_args!(
                "{topic:<32}  {pull_rt:>14} {pull_tps:>14} {rt:>14} {ok_tps:>14} {failed_tps:>18} {failed:>25}\n"
            ),
        );
    };
    line([
        "#Topic",
        "#Pull RT",
        "#Pull TPS",
        "#Consume RT",
        "#ConsumeOK TPS",
        "#ConsumeFailed TPS",
        "#ConsumeFailedMsgsInHour",
    ]);
    for (topic, status) in &info.status_table {
        line([
            topic,
            &fixed(status.pull_rt, 2),
            &fixed(status.pull_tps, 2),
            &fixed(status.consume_rt, 2),
            &fixed(status.consume_ok_tps, 2),
            &fixed(status.consume_failed_tps, 2),
            &status.consume_failed_msgs.to_string(),
        ]);
    }
}

fn put(out: &mut String, what: std::fmt::Arguments<'_>) {
    out.write_fmt(what).expect("a string takes any text");
}

/// Java: `ProcessQueueInfo.toString`.
fn process_queue_text(info: &ProcessQueueInfo) -> String {
    format!(
        "ProcessQueueInfo [commitOffset={}, cachedMsgMinOffset={}, cachedMsgMaxOffset={}, cachedMsgCount={}, \
         cachedMsgSizeInMiB={}, transactionMsgMinOffset={}, transactionMsgMaxOffset={}, transactionMsgCount={}, \
         locked={}, tryUnlockTimes={}, lastLockTimestamp={}, droped={}, lastPullTimestamp={}, \
         lastConsumeTimestamp={}]",
        info.commit_offset,
        info.cached_msg_min_offset,
        info.cached_msg_max_offset,
        info.cached_msg_count,
        info.cached_msg_size_in_mib,
        info.transaction_msg_min_offset,
        info.transaction_msg_max_offset,
        info.transaction_msg_count,
        info.locked,
        info.try_unlock_times,
        human_string(info.last_lock_timestamp),
        info.droped,
        human_string(info.last_pull_timestamp),
        human_string(info.last_consume_timestamp)
    )
}

/// Java keeps them in a `TreeSet`, which holds one of each topic and expression.
fn in_order(subscriptions: &[SubscriptionData]) -> Vec<&SubscriptionData> {
    let key = |data: &SubscriptionData| format!("{}@{}", data.topic, data.sub_string);
    let by_key: BTreeMap<String, &SubscriptionData> =
        subscriptions.iter().map(|data| (key(data), data)).collect();
    by_key.into_values().collect()
}

fn is_push(info: &ConsumerRunningInfo) -> bool {
    info.properties.get(PROP_CONSUME_TYPE).is_some_and(|it| it == "CONSUME_PASSIVELY")
}

/// Whether all members of a group want the same; a group that is young or pulls is not judged. Versions of subscriptions
/// differ from one member's start to the next and do not count.
pub fn is_subscription_same(members: &BTreeMap<String, ConsumerRunningInfo>, now_ms: i64) -> bool {
    let Some(first) = members.values().next() else { return true };
    let started = first.properties.get(PROP_CONSUMER_START_TIMESTAMP).and_then(|it| it.parse::<i64>().ok());
    if !is_push(first) || started.is_none_or(|started| now_ms.saturating_sub(started) <= SETTLED_MS) {
        return true;
    }
    let wanted = |info: &ConsumerRunningInfo| -> BTreeSet<_> {
        let key = |data: &SubscriptionData| {
            (data.topic.clone(), data.sub_string.clone(), data.expression_type.clone())
        };
        info.subscription_set.iter().map(key).collect()
    };
    let first = wanted(first);
    !first.is_empty() && members.values().all(|info| wanted(info) == first)
}

/// What is stuck at a member, one queue a line.
pub fn analyze_process_queue(client_id: &str, info: &ConsumerRunningInfo, now_ms: i64) -> String {
    let mut text = String::new();
    if !is_push(info) {
        return text;
    }
    let is_orderly =
        info.properties.get(PROP_CONSUME_ORDERLY).is_some_and(|it| it.eq_ignore_ascii_case("true"));
    for (queue, process_queue) in &info.mq_table {
        let since = |then: i64| now_ms.saturating_sub(then);
        let complaint = if !is_orderly {
            let waited = since(process_queue.last_consume_timestamp);
            (waited > STUCK_MS && process_queue.cached_msg_count > 0)
                .then(|| format!("can't consume for a while, maybe blocked, {waited}ms"))
        } else if !process_queue.locked {
            Some(format!("can't lock for a while, {}ms", since(process_queue.last_lock_timestamp)))
        } else {
            let times = process_queue.try_unlock_times;
            (process_queue.droped && times > 0).then(|| format!("unlock {times} times, still failed"))
        };
        if let Some(complaint) = complaint {
            put(&mut text, format_args!("{client_id} {queue} {complaint}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::body::client::ConsumeStatus;
    use crate::protocol::body::queue::MessageQueue;

    fn info(properties: &[(&str, &str)], queue: ProcessQueueInfo) -> ConsumerRunningInfo {
        ConsumerRunningInfo {
            properties: properties.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect(),
            mq_table: [(MessageQueue::new("T", "b", 1), queue)].into(),
            subscription_set: vec![SubscriptionData::of_tags("T", Some("A")).unwrap()],
            ..ConsumerRunningInfo::default()
        }
    }

    #[test]
    fn all_is_told_as_java_does() {
        let queue = ProcessQueueInfo { commit_offset: 9, ..ProcessQueueInfo::default() };
        let mut info = info(&[("consumerGroup", "g")], queue);
        let status = ConsumeStatus { pull_rt: 1.5, consume_failed_msgs: 2, ..ConsumeStatus::default() };
        info.status_table.insert("T".to_owned(), status);
        info.jstack = Some("stack".to_owned());
        let epoch = human_string(0);
        let pad = |text: &str, width: usize| format!("{text:<width$}");
        let queue_columns = format!("{}  {}  #QID  ", pad("#Topic", 32), pad("#Broker Name", 32));
        let queue_values = format!("{}  {}  1     ", pad("T", 32), pad("b", 32));
        let expected = format!(
            "#Consumer Properties#\n{}: g\n\n\n#Consumer Subscription#\n001 Topic: {} ClassFilter: false    \
             SubExpression: A\n\n\n#Consumer Offset#\n{queue_columns}{}\n{queue_values}{}\n\n\n\
             #Consumer MQ Detail#\n{queue_columns}{}\n{queue_values}ProcessQueueInfo [commitOffset=9, \
             cachedMsgMinOffset=0, cachedMsgMaxOffset=0, cachedMsgCount=0, cachedMsgSizeInMiB=0, \
             transactionMsgMinOffset=0, transactionMsgMaxOffset=0, transactionMsgCount=0, locked=false, \
             tryUnlockTimes=0, lastLockTimestamp={epoch}, droped=false, lastPullTimestamp={epoch}, \
             lastConsumeTimestamp={epoch}]\n\n\n#Consumer RT&TPS#\n\
             #Topic                                  #Pull RT      #Pull TPS    #Consume RT #ConsumeOK TPS \
             #ConsumeFailed TPS  #ConsumeFailedMsgsInHour\n\
             T                                           1.50           0.00           0.00           0.00 \
             \u{20}             0.00                         2\n\n\n#Consumer jstack#\nstack",
            pad("consumerGroup", 40),
            pad("T", 40),
            pad("#Consumer Offset", 20),
            pad("9", 20),
            pad("#ProcessQueueInfo", 20),
        );
        assert_eq!(format_string(&info), expected);
    }

    #[test]
    fn different_wishes_are_seen_once_the_group_has_settled() {
        let push = [(PROP_CONSUME_TYPE, "CONSUME_PASSIVELY"), (PROP_CONSUMER_START_TIMESTAMP, "1000")];
        let first = info(&push, ProcessQueueInfo::default());
        let mut second = first.clone();
        second.subscription_set = vec![SubscriptionData::of_tags("T", Some("B")).unwrap()];
        let check = |members: [&ConsumerRunningInfo; 2], now_ms: i64, expected: bool| {
            let members = [("a".to_owned(), members[0].clone()), ("b".to_owned(), members[1].clone())];
            assert_eq!(is_subscription_same(&members.into(), now_ms), expected);
        };
        check([&first, &first], 200_000, true);
        check([&first, &second], 200_000, false);
        check([&first, &second], 100_000, true);
        let mut later = first.clone();
        later.subscription_set[0].sub_version += 1;
        check([&first, &later], 200_000, true);
        let mut none = first.clone();
        none.subscription_set.clear();
        check([&none, &none], 200_000, false);
        let pull = info(&[], ProcessQueueInfo::default());
        check([&pull, &second], 200_000, true);
    }

    #[test]
    fn stuck_queues_are_told() {
        let push = (PROP_CONSUME_TYPE, "CONSUME_PASSIVELY");
        let check = |is_orderly: &str, queue: ProcessQueueInfo, expected: &str| {
            let info = info(&[push, (PROP_CONSUME_ORDERLY, is_orderly)], queue);
            let expected = match expected {
                "" => String::new(),
                _ => format!("c MessageQueue [topic=T, brokerName=b, queueId=1] {expected}\n"),
            };
            assert_eq!(analyze_process_queue("c", &info, 100_000), expected);
        };
        let held = ProcessQueueInfo { cached_msg_count: 1, ..ProcessQueueInfo::default() };
        check("false", held.clone(), "can't consume for a while, maybe blocked, 100000ms");
        check("false", ProcessQueueInfo::default(), "");
        check("false", ProcessQueueInfo { last_consume_timestamp: 99_000, ..held }, "");
        check("true", ProcessQueueInfo::default(), "can't lock for a while, 100000ms");
        let locked = ProcessQueueInfo { locked: true, ..ProcessQueueInfo::default() };
        check("true", locked.clone(), "");
        let stuck = ProcessQueueInfo { droped: true, try_unlock_times: 2, ..locked };
        check("true", stuck, "unlock 2 times, still failed");
    }
}
