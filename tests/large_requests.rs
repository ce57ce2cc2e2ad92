//! Requests whose lists and texts are far longer than any client's: refused, or handled in the time of their length, and
//! nothing of them stays. Who asks for more connections or bytes than there may be: tests/limits.rs.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::net::SocketAddr;
use std::thread;

use rocketmq::protocol::request_code::RequestCode;
use serde_json::{Value, json};

use self::common::broker::{Client, Fixture};
use self::common::until;

const OK: i32 = 0;
const SYSTEM_ERROR: i32 = 1;
const SYSTEM_BUSY: i32 = 2;
const MESSAGE_ILLEGAL: i32 = 13;

fn send_fields<'a>(topic: &'a str, properties: &'a str) -> [(&'a str, &'a str); 10] {
    [
        ("a", "p"),
        ("b", topic),
        ("c", "TBW102"),
        ("d", "1"),
        ("e", "0"),
        ("f", "0"),
        ("g", "1"),
        ("h", "0"),
        ("i", properties),
        ("j", "0"),
    ]
}

fn pull_fields<'a>(topic: &'a str, wait: &'a str) -> [(&'a str, &'a str); 11] {
    [
        ("consumerGroup", "g"),
        ("topic", topic),
        ("queueId", "0"),
        ("queueOffset", "0"),
        ("maxMsgNums", "32"),
        ("sysFlag", "6"),
        ("commitOffset", "0"),
        ("suspendTimeoutMillis", wait),
        ("subscription", "*"),
        ("subVersion", "0"),
        ("nobodyKnowsThis", "at all"),
    ]
}

fn consumer(group: &str, subscriptions: &[Value]) -> Value {
    json!({"groupName": group, "consumeType": "CONSUME_PASSIVELY", "messageModel": "CLUSTERING",
        "consumeFromWhere": "CONSUME_FROM_LAST_OFFSET", "subscriptionDataSet": subscriptions, "unitMode": false})
}

fn subscription(topic: &str, expression: &str, kind: &str) -> Value {
    json!({"classFilterMode": false, "topic": topic, "subString": expression, "expressionType": kind,
        "subVersion": 1, "tagsSet": [], "codeSet": []})
}

fn heartbeat(client: &mut Client, consumers: &[Value], producers: &[&str]) -> (i32, String) {
    let producers: Vec<Value> = producers.iter().map(|group| json!({"groupName": group})).collect();
    let body = json!({"clientID": "c", "consumerDataSet": consumers, "producerDataSet": producers});
    client.outcome(RequestCode::HeartBeat, &[], &body.to_string())
}

#[test]
fn properties_are_measured_before_they_are_read() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    client.create_topic("T", "1");
    // Each was looked for among all before it: such a request took a minute.
    let mut properties: String = (0..400_000).map(|number| format!("{number:x}\u{1}v\u{2}")).collect();
    properties.push_str("REPLY_TO_CLIENT\u{1}c\u{2}");
    for code in [RequestCode::SendMessageV2, RequestCode::SendReplyMessageV2] {
        let answer = client.call(code, &send_fields("T", &properties), "x");
        assert_eq!(answer.code, MESSAGE_ILLEGAL, "{:?}", answer.remark);
        assert!(answer.ext_field("MSG_REGION").is_some());
    }
}

#[test]
fn heartbeats_have_a_size() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    let topics = |count: usize| -> Vec<Value> {
        (0..count).map(|number| subscription(&format!("T{number}"), "*", "TAG")).collect()
    };
    assert_eq!(heartbeat(&mut client, &[consumer("g", &topics(10_000))], &[]).0, OK);
    assert_eq!(heartbeat(&mut client, &[consumer("g", &topics(9_999)[1..])], &[]).0, OK);
    let mut refused = |consumers: &[Value], producers: &[&str], remark: &str| {
        assert_eq!(heartbeat(&mut client, consumers, producers), (SYSTEM_ERROR, remark.to_owned()));
    };
    refused(
        &[consumer("h", &topics(5_000)), consumer("i", &topics(5_001))],
        &[],
        "heartbeat with 10001 subscriptions, 10000 are allowed",
    );
    refused(&[], &vec!["p"; 10_001], "heartbeat with 10001 groups, 10000 are allowed");
    let long = subscription("T", &"x".repeat(2 << 20), "TAG");
    let remark = "heartbeat with 2097457 bytes of one subscription, 1048576 are allowed";
    refused(&[consumer("h", &[long])], &[], remark);
    let broker = fixture.running().broker();
    assert_eq!(broker.consumers.find("g").unwrap().subscriptions().len(), 9_998);
    assert_eq!(broker.consumers.names(), ["g"]);
}

#[test]
fn groups_that_cannot_be_are_not_registered() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    let long = "x".repeat(256);
    let groups = ["g", "", "a b", "../g", &*long].map(|group| consumer(group, &[]));
    assert_eq!(heartbeat(&mut client, &groups, &["p", "", "p.q", "p\n", &*long]).0, OK);
    let broker = fixture.running().broker();
    assert_eq!(broker.consumers.names(), ["g"]);
    let mut producers: Vec<String> = broker.producers.counts().into_iter().map(|(group, _)| group).collect();
    producers.sort();
    assert_eq!(producers, ["p", "p.q"], "nothing is stored under a producer group's name");
}

#[test]
fn filters_are_kept_only_where_they_are_enabled() {
    for is_enabled in [false, true] {
        let fixture = Fixture::with(move |configs| configs.broker.enable_property_filter = is_enabled);
        let filters: Vec<Value> =
            ["T", "../T"].iter().map(|topic| subscription(topic, "a > 1", "SQL92")).collect();
        assert_eq!(heartbeat(&mut fixture.connect(), &[consumer("g", &filters)], &[]).0, OK);
        let broker = fixture.running().broker();
        assert_eq!(broker.filters.get("T", "g").is_some(), is_enabled);
        assert!(broker.filters.get("../T", "g").is_none());
    }
}

#[test]
fn held_pulls_keep_nothing_but_what_they_ask_for() {
    let fixture = Fixture::with(|configs| configs.server.server_waiting_requests_max = 5_000);
    let addr = fixture.running().addr();
    fixture.connect().create_topic("T", "1");
    let pull = |addr: SocketAddr| {
        thread::spawn(move || {
            let mut client = Client::connect(addr);
            let fields = pull_fields("T", "9000000000000");
            client.call(RequestCode::PullMessage, &fields, vec![b'x'; 4 << 20]).code
        })
    };
    let broker = fixture.running().broker();
    let before = broker.pools.budget.left();
    let waiting: Vec<_> = (0..3).map(|_| pull(addr)).collect();
    until("the pulls to be held", || broker.holds.len() == 3);
    assert!(before - broker.pools.budget.left() < 4_500, "{} are left", broker.pools.budget.left());
    assert_eq!(pull(addr).join().unwrap(), SYSTEM_BUSY, "a fourth is one too many");
    fixture.put("T", 0, "x");
    for waits in waiting {
        assert_eq!(waits.join().unwrap(), OK);
    }
    until("what they had to be given back", || broker.pools.budget.left() == before);
}

#[test]
fn requests_that_wait_for_a_thread_share_the_budget() {
    let fixture = Fixture::with(|configs| configs.server.server_waiting_requests_max = 1 << 20);
    let mut client = fixture.connect();
    let mut ask = |body: usize| client.call(RequestCode::GetBrokerConfig, &[], vec![b'x'; body]).code;
    assert_eq!((ask(1 << 20), ask(1 << 19)), (SYSTEM_BUSY, OK));
}

#[test]
fn offsets_of_what_is_not_here_are_kept_while_there_are_few() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    client.create_topic("T", "1");
    client.heart_beat("c", "g", &["T"]);
    let offsets = &fixture.running().broker().offsets;
    let mut kept = |group: &str, topic: &str, queue_id: &str| {
        let fields =
            [("consumerGroup", group), ("topic", topic), ("queueId", queue_id), ("commitOffset", "7")];
        assert_eq!(client.outcome(RequestCode::UpdateConsumerOffset, &fields, "").0, OK);
        offsets.query(group, topic, queue_id.parse().unwrap()).is_some()
    };
    assert!(kept("any", "U", "3") && !kept("any", "../U", "0"));
    for queue_id in 0..10_000 {
        offsets.commit("many", "T", queue_id, 1);
    }
    assert!(kept("g", "T", "0"));
    assert!(!kept("g", "T", "1") && !kept("g", "V", "0") && !kept("other", "T", "0"));
    assert!(kept("any", "U", "3"), "it is known");
}

#[test]
fn queues_that_are_not_here_are_not_locked() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    client.create_topic("T", "2");
    let queue = |topic: &str, broker: &str, queue_id: i32| json!({"topic": topic, "brokerName": broker, "queueId": queue_id});
    let mut queues = vec![queue("U", "broker-a", 0), queue("T", "broker-b", 0), queue("T", "broker-a", -1)];
    queues.extend((0..1000).map(|queue_id| queue("T", "broker-a", queue_id)));
    let body = json!({"consumerGroup": "g", "clientId": "c", "mqSet": queues});
    let locked = client.json(RequestCode::LockBatchMq, &[], &body);
    assert_eq!(locked["lockOKMQSet"], json!([queue("T", "broker-a", 0), queue("T", "broker-a", 1)]));
    let body =
        json!({"consumerGroup": "g", "clientId": "c".repeat(2000), "mqSet": [queue("T", "broker-a", 0)]});
    assert_eq!(client.outcome(RequestCode::LockBatchMq, &[], &body.to_string()).0, SYSTEM_ERROR);
}
