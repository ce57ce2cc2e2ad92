//! SQL92 subscriptions from outside: what is checked when a consumer starts, how pulls are filtered, what a change of the
//! expression does, what a restart keeps; with and without the queues' extensions.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::thread;

use rocketmq::broker::Configs;
use rocketmq::protocol::message::messages;
use rocketmq::protocol::request_code::RequestCode;
use rocketmq::remoting::Command;
use serde_json::{Value, json};

use self::common::broker::{Client, Fixture};

fn enabled(configs: &mut Configs) {
    configs.broker.enable_property_filter = true;
}

fn extended(configs: &mut Configs) {
    enabled(configs);
    configs.broker.enable_calc_filter_bit_map = true;
    configs.store.enable_consume_queue_ext = true;
    configs.store.mapped_file_size_consume_queue_ext = 10_000;
}

fn subscription(kind: &str, expression: &str, version: i64) -> Value {
    json!({"topic": "T", "subString": expression, "subVersion": version, "expressionType": kind, "classFilterMode": false,
        "tagsSet": [], "codeSet": []})
}

fn heart_beat(client: &mut Client, group: &str, subscriptions: &[Value]) {
    let body = json!({"clientID": group, "producerDataSet": [], "consumerDataSet": [{"groupName": group,
        "consumeType": "CONSUME_PASSIVELY", "messageModel": "CLUSTERING", "unitMode": false,
        "consumeFromWhere": "CONSUME_FROM_LAST_OFFSET", "subscriptionDataSet": subscriptions}]});
    client.json(RequestCode::HeartBeat, &[], &body);
}

fn send(client: &mut Client, number: i32) {
    let fields = [
        ("a", "p"),
        ("b", "T"),
        ("c", "TBW102"),
        ("d", "1"),
        ("e", "0"),
        ("f", "0"),
        ("g", "1"),
        ("h", "0"),
        ("i", &*format!("n\u{1}{number}\u{2}TAGS\u{1}t\u{2}")),
    ];
    assert_eq!(client.call(RequestCode::SendMessageV2, &fields, number.to_string()).code, 0);
}

fn pull(client: &mut Client, group: &str, change: &[(&str, &str)]) -> Command {
    let fields = [
        ("consumerGroup", group),
        ("topic", "T"),
        ("queueId", "0"),
        ("queueOffset", "0"),
        ("maxMsgNums", "32"),
        ("sysFlag", "0"),
        ("commitOffset", "0"),
        ("suspendTimeoutMillis", "0"),
        ("subscription", ""),
        ("subVersion", "1"),
        ("expressionType", "SQL92"),
    ];
    let fields = fields.map(|(name, value)| {
        let changed = change.iter().find(|(changed, _)| *changed == name);
        (name, changed.map_or(value, |(_, value)| *value))
    });
    client.call(RequestCode::PullMessage, &fields, "")
}

fn bodies(answer: &Command) -> Vec<String> {
    messages(&answer.body).map(|it| String::from_utf8(it.unwrap().body.to_vec()).unwrap()).collect()
}

fn outcome(answer: &Command) -> (i32, &str) {
    (answer.code, answer.remark.as_deref().unwrap_or(""))
}

#[test]
fn a_subscription_is_checked_when_its_consumer_starts() {
    let check = |settings: fn(&mut Configs), kind: &str, expression: &str, code: i32, remark: &str| {
        let fixture = Fixture::with(settings);
        let body =
            json!({"clientId": "c", "group": "g", "subscriptionData": subscription(kind, expression, 1)});
        let (found, text) = fixture.connect().outcome(RequestCode::CheckClientConfig, &[], &body.to_string());
        assert_eq!(found, code, "{kind} {expression}: {text}");
        assert!(text.starts_with(remark), "{text}");
    };
    let off = "The broker does not support consumer to filter message by SQL92";
    check(|_| (), "TAG", "a || b", 0, "");
    check(|_| (), "SQL92", "a > 1", 1, off);
    check(enabled, "SQL92", "a > 1", 0, "");
    check(enabled, "SQL92", "a > 'x'", 23, "line 1, column 5: only numbers and properties can be compared");
    check(enabled, "SQL92", "a > 1 x", 23, "line 1, column 7: \"x\" follows a complete expression");
    check(enabled, "XPATH", "a", 23, "there is no expression type XPATH");
}

#[test]
fn pulls_bring_what_the_expression_is_true_for() {
    for settings in [enabled as fn(&mut Configs), extended] {
        let fixture = Fixture::with(settings);
        let mut client = fixture.connect();
        client.create_topic("T", "1");
        (0..3).for_each(|number| send(&mut client, number));
        heart_beat(&mut client, "g", &[subscription("SQL92", "n > 1 AND TAGS = 't'", 1)]);
        heart_beat(&mut client, "h", &[subscription("SQL92", "n BETWEEN 1 AND 3", 1)]);
        // A message of the millisecond in which a filter was made is looked at itself.
        let made_ms = fixture.running().broker().now_ms();
        while fixture.running().broker().now_ms() <= made_ms {
            thread::yield_now();
        }
        (3..6).for_each(|number| send(&mut client, number));
        let check = |client: &mut Client, group: &str, change: &[(&str, &str)], expected: &[&str]| {
            let answer = pull(client, group, change);
            assert_eq!(outcome(&answer), (0, "FOUND"));
            assert_eq!(
                (bodies(&answer), answer.ext_field("nextBeginOffset")),
                (expected.iter().map(|&it| it.to_owned()).collect(), Some("6"))
            );
        };
        check(&mut client, "g", &[], &["2", "3", "4", "5"]);
        check(&mut client, "h", &[], &["1", "2", "3"]);
        // Its own expression, which nobody has to have announced.
        check(&mut client, "x", &[("sysFlag", "4"), ("subscription", "n = 4 OR n = 0")], &["0", "4"]);
        let answer = pull(&mut client, "h", &[("queueOffset", "4")]);
        assert_eq!(
            (outcome(&answer), answer.ext_field("nextBeginOffset")),
            ((20, "NO_MATCHED_MESSAGE"), Some("6"))
        );
        // A new expression, with a version that the broker has not heard of at first.
        let late = pull(&mut client, "g", &[("subVersion", "2")]);
        assert_eq!(late.code, 25);
        heart_beat(&mut client, "g", &[subscription("SQL92", "n = 0", 2)]);
        check(&mut client, "g", &[("subVersion", "2")], &["0"]);
    }
}

#[test]
fn pulls_that_cannot_be_filtered_say_why() {
    let fixture = Fixture::with(enabled);
    let mut client = fixture.connect();
    client.create_topic("T", "1");
    let check = |client: &mut Client, change: &[(&str, &str)], code: i32, remark: &str| {
        let answer = pull(client, "g", change);
        assert_eq!(answer.code, code, "{change:?}: {:?}", answer.remark);
        assert!(answer.remark.as_deref().unwrap_or("").starts_with(remark), "{:?}", answer.remark);
    };
    check(
        &mut client,
        &[("sysFlag", "4"), ("subscription", "n >")],
        23,
        "parse the consumer's subscription failed",
    );
    check(
        &mut client,
        &[("sysFlag", "4"), ("subscription", "n"), ("expressionType", "XPATH")],
        23,
        "parse the consumer's",
    );
    heart_beat(&mut client, "g", &[subscription("SQL92", "n >", 1)]);
    check(
        &mut client,
        &[],
        27,
        "The broker's consumer filter data is not exist!Your expression may be wrong!",
    );
    check(
        &mut client,
        &[("sysFlag", "12"), ("subscription", "n = 1")],
        1,
        "The broker does not support consumer to filter message by class",
    );
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    client.create_topic("T", "1");
    heart_beat(&mut client, "g", &[subscription("SQL92", "n > 1", 1)]);
    check(&mut client, &[], 1, "The broker does not support consumer to filter message by SQL92");
}

#[test]
fn a_held_pull_wakes_for_what_it_wants() {
    let fixture = Fixture::with(enabled);
    let (mut client, mut sender) = (fixture.connect(), fixture.connect());
    client.create_topic("T", "1");
    heart_beat(&mut client, "g", &[subscription("SQL92", "n > 1", 1)]);
    let waiting =
        thread::spawn(move || pull(&mut client, "g", &[("sysFlag", "2"), ("suspendTimeoutMillis", "60000")]));
    while fixture.running().broker().holds.is_empty() {
        thread::yield_now();
    }
    send(&mut sender, 0);
    // The reply to this one comes after the message before it was dispatched.
    sender.json(RequestCode::GetAllTopicConfig, &[], &Value::Null);
    assert_eq!(fixture.running().broker().holds.len(), 1, "not for what it does not want");
    send(&mut sender, 5);
    let answer = waiting.join().unwrap();
    assert_eq!((outcome(&answer), bodies(&answer)), ((0, "FOUND"), vec!["5".to_owned()]));
}

#[test]
fn filters_survive_a_restart() {
    let mut fixture = Fixture::with(enabled);
    let mut client = fixture.connect();
    client.create_topic("T", "1");
    heart_beat(&mut client, "g", &[subscription("SQL92", "n > 1", 7)]);
    fixture.stop();
    let text =
        std::fs::read_to_string(fixture.folder.path().join("store/config/consumerFilter.json")).unwrap();
    assert!(text.contains("\"expression\":\"n > 1\""), "{text}");
    fixture.start();
    let filter = fixture.running().broker().filters.get("T", "g").unwrap();
    assert_eq!(filter.client_version(), 7);
}
