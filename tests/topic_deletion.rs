//! Topics deleted and made again while producers send, consumers pull and brokers register: nothing hangs, no route comes
//! back, and what is in a queue is what was put there. Queues cleaned by command, likewise.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rocketmq::protocol::message::messages;
use rocketmq::protocol::request_code::RequestCode;
use rocketmq::protocol::response_code::ResponseCode;
use rocketmq::remoting::Command;
use serde_json::Value;

use self::common::broker::{Client, Fixture, NameServer};
use self::common::until;

const ROUNDS: usize = 100;
const QUEUES: usize = 4;
/// Longer than a client of these tests waits for an answer: who is not woken fails.
const HELD_MS: &str = "600000";

fn send(client: &mut Client, topic: &str, queue_id: usize, body: &str, properties: &str) -> Command {
    let queue_id = queue_id.to_string();
    let fields = [
        ("a", "p"),
        ("b", topic),
        ("c", "TBW102"),
        ("d", "4"),
        ("e", queue_id.as_str()),
        ("f", "0"),
        ("g", "1"),
        ("h", "0"),
        ("i", properties),
    ];
    client.call(RequestCode::SendMessageV2, &fields, body)
}

fn pull(client: &mut Client, topic: &str, queue_id: usize, offset: i64, max: &str, held_ms: &str) -> Command {
    let (queue_id, offset) = (queue_id.to_string(), offset.to_string());
    // Subscription in the pull, commit, and hold where a time is given.
    let sys_flag = if held_ms == "0" { "4" } else { "7" };
    let fields = [
        ("consumerGroup", "live"),
        ("topic", topic),
        ("queueId", queue_id.as_str()),
        ("queueOffset", offset.as_str()),
        ("maxMsgNums", max),
        ("sysFlag", sys_flag),
        ("commitOffset", offset.as_str()),
        ("suspendTimeoutMillis", held_ms),
        ("subscription", "*"),
        ("subVersion", "1"),
    ];
    client.call(RequestCode::PullMessage, &fields, "")
}

fn next_offset(answer: &Command) -> i64 {
    answer.ext_field("nextBeginOffset").unwrap().parse().unwrap()
}

fn delete(client: &mut Client, topic: &str) {
    let answer = client.outcome(RequestCode::DeleteTopicInBroker, &[("topic", topic)], "");
    assert_eq!(answer, (0, String::new()));
}

fn commit(client: &mut Client, topic: &str, group: &str, offset: &str) {
    let fields = [("consumerGroup", group), ("topic", topic), ("queueId", "0"), ("commitOffset", offset)];
    client.json(RequestCode::UpdateConsumerOffset, &fields, &Value::Null);
}

/// A group's offset as its members would begin with it.
fn committed(client: &mut Client, topic: &str, group: &str) -> i64 {
    let fields = [("consumerGroup", group), ("topic", topic), ("queueId", "0")];
    let answer = client.call(RequestCode::QueryConsumerOffset, &fields, "");
    assert_eq!(answer.code, 0, "{:?}", answer.remark);
    answer.ext_field("offset").unwrap().parse().unwrap()
}

/// A broker that makes no topics by itself.
fn fixture(namesrv_addr: &str) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("broker.conf"), "brokerName=broker-a\n").unwrap();
    Fixture::on(folder, namesrv_addr, |configs| {
        configs.broker.auto_create_topic_enable = false;
        configs.store.maped_file_size_commit_log = 16 << 20;
    })
}

/// Sends to a topic that comes and goes; refusals are part of it.
fn produce(mut client: Client, is_over: &AtomicBool, sent: &AtomicUsize) {
    let mut number = 0;
    while !is_over.load(Ordering::Relaxed) {
        number += 1;
        // Every fiftieth waits in the delay topic until its topic may be another one.
        let properties = if number % 50 == 0 { "DELAY\u{1}1\u{2}" } else { "" };
        let answer = send(&mut client, "T", number % QUEUES, &format!("load {number}"), properties);
        match answer.code {
            0 => sent.fetch_add(1, Ordering::Relaxed),
            17 => 0,
            code => panic!("send: {code} {:?}", answer.remark),
        };
    }
}

/// Pulls as clients do: from where it is told to go on, and again.
fn consume(mut client: Client, queue_id: usize, is_over: &AtomicBool, pulled: &AtomicUsize) {
    let mut offset = 0;
    while !is_over.load(Ordering::Relaxed) {
        let answer = pull(&mut client, "T", queue_id, offset, "32", "100");
        if answer.code == i32::from(ResponseCode::TopicNotExist) {
            std::thread::yield_now();
            continue;
        }
        if answer.code == 0 {
            let mut at = offset;
            for message in messages(&answer.body) {
                let message = message.unwrap();
                assert_eq!((&*message.topic, message.queue_id), ("T", queue_id as i32));
                assert!(message.queue_offset >= at, "{} is behind {at}", message.queue_offset);
                at = message.queue_offset + 1;
                pulled.fetch_add(1, Ordering::Relaxed);
            }
        }
        offset = next_offset(&answer);
    }
}

/// One life of the topic: what was acknowledged in it is where it was said to be, and nothing of it is left.
fn live_and_die(fixture: &Fixture, client: &mut Client, names: &mut Client, round: usize) {
    assert_eq!(client.create_topic("T", &QUEUES.to_string()), (0, String::new()), "round {round}");
    let route = names.call(RequestCode::GetRouteintoByTopic, &[("topic", "T")], "");
    assert_eq!(route.code, 0, "round {round}: made, and not known to the name server");
    assert_eq!(committed(client, "T", "old"), 0, "round {round}: an offset of an earlier topic");
    let mut acknowledged = BTreeMap::new();
    for number in 0..5 * QUEUES {
        let (queue_id, body) = (number % QUEUES, format!("round {round} message {number}"));
        let answer = send(client, "T", queue_id, &body, "");
        assert_eq!(answer.code, 0, "round {round}: {:?}", answer.remark);
        let offset: i64 = answer.ext_field("queueOffset").unwrap().parse().unwrap();
        let before = acknowledged.insert((queue_id, offset), body);
        assert_eq!(before, None, "round {round}: a place is given away twice");
    }
    for ((queue_id, offset), body) in &acknowledged {
        // Entries are made behind the replies.
        let store = &fixture.running().broker().store;
        until("the entry to be made", || store.max_offset("T", *queue_id as i32) > *offset);
        let answer = pull(client, "T", *queue_id, *offset, "1", "0");
        let found: Vec<_> = messages(&answer.body).map(Result::unwrap).collect();
        let found: Vec<_> = found.iter().map(|it| (it.queue_offset, it.body)).collect();
        assert_eq!(found, [(*offset, body.as_bytes())], "round {round} queue {queue_id}: {}", answer.code);
    }
    commit(client, "T", "old", "1000000");
    delete(client, "T");
    assert_eq!(names.outcome(RequestCode::DeleteTopicInNamesrv, &[("topic", "T")], "").0, 0);
    let broker = fixture.running().broker();
    assert!(broker.topics.get("T").is_none());
    fixture.runtime.block_on(broker.register());
    let route = names.call(RequestCode::GetRouteintoByTopic, &[("topic", "T")], "");
    assert_eq!(route.code, 17, "round {round}: the route of a deleted topic is back");
}

#[test]
fn a_topic_is_deleted_and_made_again_a_hundred_times_under_load() {
    let namesrv = NameServer::new();
    let mut fixture = fixture(&namesrv.addr());
    let (is_over, sent, pulled) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let client = fixture.connect();
            scope.spawn(|| produce(client, &is_over, &sent));
        }
        for queue_id in 0..QUEUES {
            let (client, is_over, pulled) = (fixture.connect(), &is_over, &pulled);
            scope.spawn(move || consume(client, queue_id, is_over, pulled));
        }
        let broker = Arc::clone(fixture.running().broker());
        let registering = fixture.runtime.spawn(async move {
            loop {
                // Something new each time, or the name server does not look at the topics.
                broker.topics.bump_version();
                broker.register().await;
            }
        });
        let mut client = fixture.connect();
        let mut names = Client::connect(namesrv.addr().parse().unwrap());
        let rounds = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (0..ROUNDS).for_each(|round| live_and_die(&fixture, &mut client, &mut names, round));
            // The load goes on with the last one.
            assert_eq!(client.create_topic("T", &QUEUES.to_string()), (0, String::new()));
            let before = (sent.load(Ordering::Relaxed), pulled.load(Ordering::Relaxed));
            until("sends to go on", || sent.load(Ordering::Relaxed) > before.0 + 100);
            until("pulls to go on", || pulled.load(Ordering::Relaxed) > before.1 + 100);
        }));
        is_over.store(true, Ordering::Relaxed);
        registering.abort();
        rounds.unwrap();
    });
    // What was delayed has gone its way, whatever became of its topic.
    let mut client = fixture.connect();
    until("delayed messages to be delivered", || {
        let info = client.json(RequestCode::GetBrokerRuntimeInfo, &[], &Value::Null);
        let offsets = info["table"]["scheduleMessageOffset_1"].as_str().unwrap().to_owned();
        offsets.split_once(',').is_some_and(|(delivered, max)| delivered == max && max != "0")
    });
    // The same after a restart.
    let ends = |fixture: &Fixture| {
        let store = &fixture.running().broker().store;
        (0..QUEUES as i32).map(|queue_id| store.max_offset("T", queue_id)).collect::<Vec<_>>()
    };
    fixture.running().broker().store.dispatch_all();
    let before = ends(&fixture);
    assert!(before.iter().all(|end| *end > 0), "{before:?}");
    drop(client);
    fixture.stop();
    fixture.start();
    assert_eq!(ends(&fixture), before);
    let mut client = fixture.connect();
    for (queue_id, end) in before.iter().enumerate() {
        let mut at = 0;
        while at < *end {
            let answer = pull(&mut client, "T", queue_id, at, "32", "0");
            assert_eq!(answer.code, 0, "queue {queue_id} at {at}: {:?}", answer.remark);
            for message in messages(&answer.body) {
                assert_eq!(message.unwrap().queue_offset, at);
                at += 1;
            }
            assert_eq!(next_offset(&answer), at);
        }
    }
}

/// A pull that is held at the end of a queue, and what became of it when its topic or its queue went.
fn held_over(fixture: &Fixture, topic: &str, offset: i64, go: impl FnOnce()) -> Command {
    let mut client = fixture.connect();
    std::thread::scope(|scope| {
        let held = scope.spawn(move || pull(&mut client, topic, 0, offset, "32", HELD_MS));
        until("the pull to be held", || fixture.running().broker().holds.len() == 1);
        go();
        held.join().unwrap()
    })
}

#[test]
fn held_pulls_end_with_their_topic() {
    let fixture = fixture("");
    let mut client = fixture.connect();
    assert_eq!(client.create_topic("T", "1").0, 0);
    (0..3).for_each(|_| assert_eq!(send(&mut client, "T", 0, "x", "").code, 0));
    until("the queue to be made", || fixture.running().broker().store.max_offset("T", 0) == 3);
    let answer = held_over(&fixture, "T", 3, || delete(&mut client, "T"));
    // Go on at the beginning: whoever makes the topic again begins there.
    assert_eq!((answer.code, next_offset(&answer)), (21, 0), "{:?}", answer.remark);
    assert_eq!(pull(&mut client, "T", 0, 3, "32", HELD_MS).code, 17);
    // An empty queue's pulls, too.
    assert_eq!(client.create_topic("T", "1").0, 0);
    let answer = held_over(&fixture, "T", 0, || delete(&mut client, "T"));
    assert_eq!(answer.code, 19, "{:?}", answer.remark);
}

#[test]
fn offsets_of_a_topic_that_does_not_exist_are_not_those_of_one_that_is_made() {
    let fixture = fixture("");
    let mut client = fixture.connect();
    assert_eq!(client.create_topic("T", "1").0, 0);
    assert_eq!(send(&mut client, "T", 0, "x", "").code, 0);
    delete(&mut client, "T");
    // Its consumers have not heard of it, and go on to commit where they were.
    commit(&mut client, "T", "g", "1000");
    assert_eq!(client.create_topic("T", "1").0, 0);
    assert_eq!(committed(&mut client, "T", "g"), 0);
    // A change of its settings is no new topic.
    commit(&mut client, "T", "g", "7");
    assert_eq!(client.create_topic("T", "2").0, 0);
    assert_eq!(committed(&mut client, "T", "g"), 7);
}

#[test]
fn what_is_made_by_sending_begins_anew_too() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    assert_eq!(send(&mut client, "T", 0, "x", "").code, 0);
    delete(&mut client, "T");
    commit(&mut client, "T", "g", "1000");
    let answer = send(&mut client, "T", 0, "y", "");
    assert_eq!((answer.code, answer.ext_field("queueOffset")), (0, Some("0")));
    assert_eq!(committed(&mut client, "T", "g"), 0);
}

#[test]
fn unused_topics_go_with_their_offsets() {
    let fixture = fixture("");
    let mut client = fixture.connect();
    assert_eq!(client.create_topic("Known", "1").0, 0);
    fixture.put("Known", 0, "a");
    fixture.put("Unknown", 0, "b");
    commit(&mut client, "Known", "g", "1");
    commit(&mut client, "Unknown", "g", "1");
    assert_eq!(client.outcome(RequestCode::CleanUnusedTopic, &[], ""), (0, String::new()));
    let broker = fixture.running().broker();
    assert_eq!(broker.offsets.query("g", "Known", 0), Some(1));
    assert_eq!(broker.offsets.query("g", "Unknown", 0), None);
    assert!(!fixture.folder.path().join("store/consumequeue/Unknown").exists());
    assert_eq!(broker.store.max_offset("Known", 0), 1);
}

#[test]
fn expired_queues_go_with_their_offsets_and_wake_who_waits() {
    let fixture = Fixture::with(|configs| {
        // Whatever is full and on disk may go at any hour.
        configs.store.delete_when = (0..24).map(|hour| format!("{hour:02}")).collect::<Vec<_>>().join(";");
        configs.store.file_reserved_time = 0;
        configs.store.maped_file_size_commit_log = 1 << 20;
    });
    let mut client = fixture.connect();
    for topic in ["T", "Other"] {
        assert_eq!(client.create_topic(topic, "1").0, 0);
    }
    let store = &fixture.running().broker().store;
    fixture.put("T", 0, "old");
    commit(&mut client, "T", "g", "1");
    let answer = held_over(&fixture, "T", 1, || {
        until("the log's first file to go", || {
            fixture.put("Other", 0, &"x".repeat(100_000));
            store.clean();
            store.min_commit_log_offset() > 0
        });
        commit(&mut client, "Other", "g", "1");
        assert_eq!(client.outcome(RequestCode::CleanExpiredConsumequeue, &[], ""), (0, String::new()));
    });
    assert_eq!((answer.code, next_offset(&answer)), (21, 0), "{:?}", answer.remark);
    // Its numbers begin anew, and so does the group.
    assert_eq!(committed(&mut client, "T", "g"), 0);
    assert_eq!(committed(&mut client, "Other", "g"), 1);
    let answer = send(&mut client, "T", 0, "new", "");
    assert_eq!(answer.ext_field("queueOffset"), Some("0"));
    until("the queue to be made", || store.max_offset("T", 0) == 1);
    let answer = pull(&mut client, "T", 0, 0, "32", "0");
    let bodies: Vec<_> = messages(&answer.body).map(|message| message.unwrap().body.to_vec()).collect();
    assert_eq!(bodies, [b"new".to_vec()]);
}
