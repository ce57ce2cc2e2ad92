//! Stock 4.3.0 clients while servers and clients are killed: transactions, committed offsets, ordered and delayed
//! messages. The helper programs (`interop.live`) run for as long as a test wants and print what they see; the test
//! waits for what it needs to have happened, kills, and judges at the end. Most of their time is waiting: for due times,
//! for queue locks of the dead (60 s), and for the stock client, which notices only after 30 s that a pull's connection
//! is gone; so they take no turns. `INTEROP_FULL=1` runs the full sizes, best with `--test-threads=1 --nocapture`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use interop_tests::cluster::{Cluster, Plan, Side, turn};
use interop_tests::live::{Helper, LIMIT, clients, committed, create_topic, max_offset, number, text, until};
use interop_tests::{java, rpc};
use serde_json::{Value, json};

const HALF_TOPIC: &str = "RMQ_SYS_TRANS_HALF_TOPIC";
const TRANSACTION_GROUP: &str = "CID_RMQ_SYS_TRANS";
const SCHEDULE_TOPIC: &str = "SCHEDULE_TOPIC_XXXX";
/// Of the levels from 1 on.
const LEVELS_MS: [i64; 5] = [1_000, 5_000, 10_000, 30_000, 60_000];

/// How many of something: small for every day, in full where that is asked for.
fn size(small: usize, full: usize) -> usize {
    if std::env::var_os("INTEROP_FULL").is_some() { full } else { small }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right");
    i64::try_from(since.as_millis()).expect("milliseconds of today fit")
}

/// How a half message with this key ends: committed or not.
fn is_committed(key: &str) -> bool {
    key_number(key).is_multiple_of(2)
}

fn key_number(key: &str) -> usize {
    let (number, _) = key.split_once('.').unwrap_or_else(|| panic!("{key}"));
    number.parse().unwrap_or_else(|_| panic!("{key}"))
}

/// Half messages of all outcomes. With kills the broker goes twice, and the first producer half way; another one of its
/// group sends the others and answers for both.
fn transactions(side: Side, with_kills: bool) {
    const TOPIC: &str = "Transactions";
    let _turn = turn();
    let settings = [("transactionTimeOut", "2000"), ("transactionCheckInterval", "2000")];
    let mut cluster = Cluster::start(&Plan::of(side, side).with_settings(&settings));
    create_topic(&cluster, TOPIC, 4);
    let namesrv = cluster.namesrv_addr.to_string();
    let total = size(200, 1000);
    let start = |from: usize| {
        let (from, to) = (from.to_string(), total.to_string());
        Helper::start("Transactions", &[&namesrv, "transactions_group", TOPIC, &from, &to, "5"])
    };
    let mut producers = vec![start(0)];
    if with_kills {
        until("a quarter of the messages", || producers[0].count("sent") >= total / 4);
        cluster.kill_broker();
        cluster.start_broker();
        until("half of the messages", || producers[0].count("sent") >= total / 2);
        producers[0].kill();
        let next = producers[0].of("sending").map(|it| key_number(text(it, "key")) + 1).max();
        producers.push(start(next.expect("it has sent")));
        until("three quarters of the messages", || {
            producers.iter_mut().map(|it| it.count("sent")).sum::<usize>() >= total * 3 / 4
        });
        cluster.kill_broker();
        cluster.start_broker();
    }
    let last = producers.last_mut().expect("there is one");
    until("all messages", || last.count("end") == 1);
    let broker = cluster.broker_addr;
    until("all half messages to be settled", || {
        // In this order: nothing came in between.
        let settled = committed(broker, TRANSACTION_GROUP, HALF_TOPIC, 0);
        settled == Some(max_offset(broker, HALF_TOPIC, 0))
    });

    let pulled = java::helper("Pull", &[&namesrv, "transactions_pull", TOPIC], LIMIT);
    let mut delivered: BTreeMap<&str, usize> = BTreeMap::new();
    for line in pulled.iter().filter(|it| it["kind"] == "message") {
        *delivered.entry(line["properties"]["KEYS"].as_str().expect("each has a key")).or_default() += 1;
    }
    let lines: Vec<Value> = producers.iter_mut().flat_map(|it| it.lines().to_vec()).collect();
    let keys = |kind: &str| -> Vec<&str> {
        lines.iter().filter(|it| it["kind"] == kind).map(|it| text(it, "key")).collect()
    };
    let (sent, checks) = (keys("sent"), keys("check"));
    let checked: BTreeSet<&str> = checks.iter().copied().collect();
    let mut wrong = Vec::new();
    for key in &sent {
        let count = delivered.remove(key).unwrap_or(0);
        if count != usize::from(is_committed(key)) {
            wrong.push(format!("{key} came {count} times"));
        }
        if key_number(key) % 4 >= 2 && !checked.contains(key) {
            wrong.push(format!("nobody was asked about {key}"));
        }
    }
    // What was not acknowledged may or may not have been stored.
    let in_doubt = keys("sending").len() - sent.len();
    let stored_in_doubt = delivered.len();
    wrong.extend(
        delivered
            .iter()
            .filter(|(key, count)| !is_committed(key) || **count != 1)
            .map(|it| format!("{it:?}")),
    );
    println!(
        "transactions, {side:?}, kills: {with_kills}: {} acknowledged, {in_doubt} in doubt of which {stored_in_doubt} \
         came, {} checks of {} messages, wrong: {}",
        sent.len(),
        checks.len(),
        checked.len(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{wrong:?}\n{}", cluster.printed());
    if with_kills {
        // The one in flight when its producer died is in doubt.
        let numbers: BTreeSet<usize> = sent.iter().map(|it| key_number(it)).collect();
        assert!(numbers.len() >= total - 1, "{} of {total}", numbers.len());
        let first: BTreeSet<String> =
            producers[0].of("sending").map(|it| text(it, "key").to_owned()).collect();
        let answered = producers[1].of("check").filter(|it| first.contains(text(it, "key"))).count();
        assert!(answered > 0, "the second producer was asked about none of the first one's messages");
    } else {
        assert_eq!(sent.len(), total);
    }
    cluster.stop();
}

/// The suite itself.
#[test]
fn java_transactions_end_as_decided() {
    transactions(Side::Java, false);
}

#[test]
fn transactions_end_as_decided_when_broker_and_producer_are_killed() {
    transactions(Side::Ours, true);
}

/// Offsets by group and queue.
type Committed = BTreeMap<(&'static str, i64), i64>;

/// The time from one kill to the next.
struct Epoch {
    /// Began with the death of the broker, and of the consumers if they were killed, too.
    began_ms: i64,
    committed: Committed,
    new_consumers: bool,
}

/// What went wrong with committed offsets over some kills.
#[derive(Debug, Default)]
struct Falls {
    /// Committed offsets that were smaller after a kill.
    offsets: Vec<String>,
    /// Messages that came to new consumers although they were committed before.
    redelivered: Vec<String>,
    /// Messages that came more than once in all. To consumers that live on, committed ones may: a stock client waits
    /// for 30 s with a pull whose connection is gone, goes on where it was, and commits that, while the other one had
    /// taken the queue further.
    repeated: usize,
}

/// Kills the broker so many times under two push consumers and a producer; with every other kill, from the first one
/// on, the consumers as well.
fn offsets(side: Side, rounds: usize, settings: &[(&str, &str)]) -> Falls {
    const TOPIC: &str = "Offsets";
    const GROUP: &str = "offsets_group";
    /// Has no clients: nobody but the test commits for it, and nobody hides a fall.
    const WITNESS: &str = "offsets_witness";
    const QUEUES: i64 = 4;
    let mut cluster = Cluster::start(&Plan::of(side, side).with_settings(settings));
    create_topic(&cluster, TOPIC, QUEUES);
    let (namesrv, broker) = (cluster.namesrv_addr.to_string(), cluster.broker_addr);
    let consume = || Helper::start("Offsets", &["consume", &namesrv, GROUP, TOPIC]);
    let mut consumers = vec![consume(), consume()];
    let mut producer = Helper::start("Offsets", &["send", &namesrv, TOPIC, "5"]);
    let mut falls = Falls::default();
    let mut epochs: Vec<Epoch> = Vec::new();
    let mut seen: BTreeMap<i64, i64> = BTreeMap::new();
    for round in 0..rounds {
        until("both consumers to be known", || clients(broker, GROUP) == 2);
        // Each queue goes on, and what had come by then is committed: no client is behind another.
        let before = std::mem::take(&mut seen);
        until("each queue to go on", || {
            seen = newest(&mut consumers);
            (0..QUEUES).all(|queue| seen.get(&queue) > before.get(&queue))
        });
        until("what was consumed to be committed", || {
            (0..QUEUES).all(|queue| committed(broker, GROUP, TOPIC, queue) > seen.get(&queue).copied())
        });
        for queue in 0..QUEUES {
            let offset = 1 + round as i64 * 1000 + queue;
            let fields = json!({"consumerGroup": WITNESS, "topic": TOPIC, "queueId": queue.to_string(),
                "commitOffset": offset.to_string()});
            rpc::tell(broker, rpc::UPDATE_CONSUMER_OFFSET, fields).expect("the broker runs");
            until("the commit", || committed(broker, WITNESS, TOPIC, queue) == Some(offset));
        }
        let all = || -> Committed {
            let places =
                [WITNESS, GROUP].into_iter().flat_map(|group| (0..QUEUES).map(move |it| (group, it)));
            let offset = |(group, queue)| committed(broker, group, TOPIC, queue).unwrap_or(-1);
            places.map(|place| (place, offset(place))).collect()
        };
        let before = all();
        cluster.kill_broker();
        let new_consumers = round.is_multiple_of(2);
        if new_consumers {
            consumers.iter_mut().filter(|it| it.is_running()).for_each(Helper::kill);
        }
        let began_ms = now_ms();
        cluster.start_broker();
        for (place, after) in all() {
            if after < before[&place] {
                falls.offsets.push(format!("kill {round}, {place:?}: {} became {after}", before[&place]));
            }
        }
        if new_consumers {
            consumers.extend([consume(), consume()]);
        }
        epochs.push(Epoch { began_ms, committed: before, new_consumers });
    }
    producer.kill();
    let sent: BTreeSet<i64> = producer.of("sent").map(|it| number(it, "number")).collect();
    until("every message that was acknowledged", || {
        let got = consumers.iter_mut().flat_map(|it| it.lines()).filter(|it| it["kind"] == "got");
        let got: BTreeSet<i64> = got.map(|it| text(it, "number").parse().expect("a number")).collect();
        sent.is_subset(&got)
    });
    // Whoever begins again at an earlier place reads it all again first.
    let newest = newest(&mut consumers);
    until("the consumers to be done", || {
        (0..QUEUES).all(|queue| committed(broker, GROUP, TOPIC, queue) > newest.get(&queue).copied())
    });
    let mut places = BTreeSet::new();
    for line in consumers.iter_mut().flat_map(|it| it.lines()).filter(|it| it["kind"] == "got") {
        let (queue, offset, at) = (number(line, "queueId"), number(line, "queueOffset"), number(line, "at"));
        let epoch = epochs.iter().rfind(|it| it.began_ms < at);
        if epoch.is_some_and(|it| it.new_consumers && offset < it.committed[&(GROUP, queue)]) {
            falls.redelivered.push(line.to_string());
        }
        falls.repeated += usize::from(!places.insert((queue, offset)));
    }
    println!(
        "offsets, {side:?}, {rounds} kills: {} of {} offsets fell, {} messages acknowledged and delivered, {} \
         repetitions, {} of them to new consumers of what was committed",
        falls.offsets.len(),
        rounds as i64 * QUEUES * 2,
        sent.len(),
        falls.repeated,
        falls.redelivered.len(),
    );
    cluster.stop();
    falls
}

/// By queue: the largest offset that any consumer has got.
fn newest(consumers: &mut [Helper]) -> BTreeMap<i64, i64> {
    let mut newest = BTreeMap::new();
    for line in consumers.iter_mut().flat_map(|it| it.lines()).filter(|it| it["kind"] == "got") {
        let offset = newest.entry(number(line, "queueId")).or_insert(-1);
        *offset = number(line, "queueOffset").max(*offset);
    }
    newest
}

/// The suite itself: it sees that Java's broker forgets what it has not written yet.
#[test]
fn a_killed_java_broker_forgets_offsets() {
    let falls = offsets(Side::Java, 1, &[("flushConsumerOffsetInterval", "3600000")]);
    assert!(!falls.offsets.is_empty() && !falls.redelivered.is_empty(), "{falls:?}");
}

#[test]
fn committed_offsets_survive_kills() {
    let falls = offsets(Side::Ours, size(2, 20), &[]);
    assert!(falls.offsets.is_empty() && falls.redelivered.is_empty(), "{falls:?}");
}

/// Orderly consumers come and go while messages flow through two brokers.
fn ordered(side: Side) {
    const TOPIC: &str = "Ordered";
    const GROUP: &str = "ordered_group";
    let cluster = Cluster::start(&Plan::of(side, side).two_brokers());
    // On each of the two.
    create_topic(&cluster, TOPIC, 4);
    let namesrv = cluster.namesrv_addr.to_string();
    let consume = || Helper::start("Ordered", &["consume", &namesrv, GROUP, TOPIC]);
    let mut consumers: Vec<Helper> = (0..3).map(|_| consume()).collect();
    until("the consumers to be known to both brokers", || {
        cluster.brokers.iter().all(|it| clients(it.addr, GROUP) == 3)
    });
    let total = size(2_000, 10_000);
    let send = |from: usize, to: usize| {
        let (from, to) = (from.to_string(), to.to_string());
        Helper::start("Ordered", &["send", &namesrv, TOPIC, &from, &to, "20", "1500"])
    };
    let got = |consumers: &mut [Helper]| consumers.iter_mut().map(|it| it.count("got")).sum::<usize>();
    let mut producers = vec![send(0, total / 2)];
    until("a fifth of the messages, the first consumer among those who got them", || {
        got(&mut consumers) >= total / 5 && consumers[0].count("got") > 0
    });
    consumers[0].kill();
    until("the first half to be sent", || producers[0].count("end") == 1);
    // Both need about as long to start.
    consumers.push(consume());
    producers.push(send(total / 2, total));
    until("the second half to be sent", || producers[1].count("end") == 1);
    let sent = producers.iter_mut().flat_map(|it| it.lines()).filter(|it| it["kind"] == "sent");
    let sent: BTreeSet<i64> = sent.map(|it| number(it, "number")).collect();
    assert_eq!(sent.len(), total);

    // By message: when it first came.
    let mut first: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    until("every message", || {
        first.clear();
        for line in consumers.iter_mut().flat_map(|it| it.lines()).filter(|it| it["kind"] == "got") {
            let at = (number(line, "at"), number(line, "key"));
            first.entry(number(line, "number")).and_modify(|it| *it = at.min(*it)).or_insert(at);
        }
        first.len() == total
    });
    let mut by_time: Vec<(i64, i64, i64)> =
        first.iter().map(|(number, (at, key))| (*at, *key, *number)).collect();
    by_time.sort_unstable();
    let mut last: BTreeMap<i64, i64> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (_, key, number) in by_time {
        if let Some(before) = last.insert(key, number).filter(|it| *it > number) {
            wrong.push(format!("key {key}: {number} came after {before}"));
        }
    }
    let each: Vec<usize> = consumers.iter_mut().map(|it| it.count("got")).collect();
    println!(
        "ordered, {side:?}: {total} messages, {} out of order, {} came again, to each consumer {each:?}",
        wrong.len(),
        each.iter().sum::<usize>() - total
    );
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(each[3] > 0, "the consumer that came late got nothing");
    cluster.stop();
}

/// The suite itself.
#[test]
fn java_keeps_order_while_consumers_come_and_go() {
    ordered(Side::Java);
}

#[test]
fn order_is_kept_while_consumers_come_and_go() {
    ordered(Side::Ours);
}

/// What became of the delayed messages of one cluster.
#[derive(Debug, Default)]
struct Delays {
    early: Vec<String>,
    /// Acknowledged, and not come.
    lost: BTreeSet<i64>,
    /// Delivered to the topic more than once.
    doubled: usize,
    /// Beyond the delay, when the message came to the consumer, by level; sorted.
    lateness_ms: BTreeMap<i64, Vec<i64>>,
    /// The same when it came into its topic: what is the broker's own.
    stored_late_ms: BTreeMap<i64, Vec<i64>>,
}

/// Sends the same delayed messages to Java's cluster and to ours in turn, and waits until all are delivered; kills both
/// brokers half way where that is asked for. Java's and ours.
fn delays(total: usize, levels: usize, pace_micros: usize, with_kill: bool) -> [Delays; 2] {
    const TOPIC: &str = "Delays";
    const QUEUES: i64 = 4;
    let mut clusters = [Side::Java, Side::Ours].map(|side| Cluster::start(&Plan::of(side, side)));
    for cluster in &clusters {
        create_topic(cluster, TOPIC, QUEUES);
    }
    let [java, ours] = &clusters;
    let (java, ours) = (format!("java={}", java.namesrv_addr), format!("ours={}", ours.namesrv_addr));
    let numbers = [QUEUES.to_string(), total.to_string(), levels.to_string(), pace_micros.to_string()];
    let [queues, count, most, pace] = &numbers;
    let mut helper = Helper::start("Delay", &[TOPIC, queues, count, most, pace, &java, &ours]);
    if with_kill {
        until("half of the messages, some of them delivered", || {
            helper.count("sent") >= total && helper.count("got") > 0
        });
        for cluster in &mut clusters {
            cluster.kill_broker();
        }
        for cluster in &mut clusters {
            cluster.start_broker();
        }
    }
    until("all messages to be sent", || helper.count("end") == 1);
    for cluster in &clusters {
        until("the delay topic to be worked off", || is_worked_off(cluster.broker_addr, levels));
    }
    let delivered = clusters.each_ref().map(|cluster| {
        (0..QUEUES).map(|queue| max_offset(cluster.broker_addr, TOPIC, queue) as usize).sum::<usize>()
    });
    let mut names = ["java", "ours"].into_iter();
    let found = delivered.map(|delivered| {
        let name = names.next().expect("as many names");
        until("the consumer to have everything", || places(helper.lines(), name).len() == delivered);
        judge(helper.lines(), name)
    });
    for (name, it) in ["java", "ours"].iter().zip(&found) {
        println!(
            "delays, {name}, {total} messages, kill: {with_kill}: {} early, {} lost, {} doubled; ms late at the \
             consumer:{} in the topic:{}",
            it.early.len(),
            it.lost.len(),
            it.doubled,
            percentiles(&it.lateness_ms),
            percentiles(&it.stored_late_ms)
        );
    }
    for cluster in clusters {
        cluster.stop();
    }
    found
}

/// Whether everything in the delay topic has been delivered.
fn is_worked_off(broker: SocketAddr, levels: usize) -> bool {
    let answer = rpc::ask(broker, rpc::GET_ALL_DELAY_OFFSET, json!({})).expect("the broker runs");
    // Java's has numbers for names.
    let tables: BTreeMap<String, BTreeMap<String, i64>> =
        compat::json::from_slice(&answer.body).expect("a table of offsets");
    let offsets = &tables["offsetTable"];
    (1..=levels as i64)
        .all(|level| offsets.get(&level.to_string()) == Some(&max_offset(broker, SCHEDULE_TOPIC, level - 1)))
}

fn of_cluster<'a>(lines: &'a [Value], kind: &'a str, name: &'a str) -> impl Iterator<Item = &'a Value> {
    lines.iter().filter(move |it| it["kind"] == kind && it["cluster"] == name)
}

/// Where the consumer's messages stood.
fn places(lines: &[Value], name: &str) -> BTreeSet<(i64, i64)> {
    let all = of_cluster(lines, "got", name).chain(of_cluster(lines, "warm", name));
    all.map(|it| (number(it, "queueId"), number(it, "queueOffset"))).collect()
}

fn judge(lines: &[Value], name: &str) -> Delays {
    let mut found = Delays::default();
    let mut numbers = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for line in of_cluster(lines, "got", name) {
        let level = number(line, "level");
        let due = number(line, "born") + LEVELS_MS[level as usize - 1];
        if number(line, "stored").min(number(line, "at")) < due {
            found.early.push(line.to_string());
        }
        if !seen.insert((number(line, "queueId"), number(line, "queueOffset"))) {
            // The client's own repetition.
            continue;
        }
        if !numbers.insert(number(line, "number")) {
            found.doubled += 1;
            continue;
        }
        found.lateness_ms.entry(level).or_default().push(number(line, "at") - due);
        found.stored_late_ms.entry(level).or_default().push(number(line, "stored") - due);
    }
    found.lost = of_cluster(lines, "sent", name).map(|it| number(it, "number")).collect();
    found.lost.retain(|it| !numbers.contains(it));
    for all in found.lateness_ms.values_mut().chain(found.stored_late_ms.values_mut()) {
        all.sort_unstable();
    }
    found
}

/// For each level and for all: 50th and 99th percentile and maximum.
fn percentiles(by_level: &BTreeMap<i64, Vec<i64>>) -> String {
    let mut all: Vec<i64> = by_level.values().flatten().copied().collect();
    all.sort_unstable();
    let of = |name: String, sorted: &[i64]| {
        let at = |percent: usize| sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)];
        format!(" {name} p50 {} p99 {} max {};", at(50), at(99), at(100))
    };
    let levels = by_level.iter().map(|(level, sorted)| of(format!("level {level}"), sorted));
    levels.chain([of("all".to_owned(), &all)]).collect()
}

#[test]
fn delayed_messages_come_once_and_never_early() {
    let [java, ours] = delays(size(600, 10_000), size(3, 5), size(3_000, 500), false);
    for it in [java, ours] {
        assert!(it.early.is_empty() && it.lost.is_empty() && it.doubled == 0, "{it:?}");
    }
}

#[test]
fn delayed_messages_survive_a_kill() {
    let [java, ours] = delays(size(600, 10_000), size(3, 5), size(5_000, 1_000), true);
    for it in [&java, &ours] {
        assert!(it.early.is_empty() && it.lost.is_empty(), "{it:?}");
    }
    // Java's come again as far as its offsets were not written.
    assert_eq!(ours.doubled, 0, "{ours:?}");
}
