//! Sends, messages sent back and pulls by raw frames: what is refused and in which words, what a retry and a dead letter
//! look like, how pulls wait. The stock clients' view of the same is in `interop-tests`. Tests that carry a number are
//! for that issue of Apache RocketMQ (`docs/KNOWN-BUGS.md`).

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::thread;

use rocketmq::protocol::message::{BatchItem, MessageExt, Properties, messages, put_batch_item};
use rocketmq::protocol::request_code::RequestCode;
use rocketmq::remoting::Command;
use serde_json::{Value, json};

use self::common::broker::{Client, Fixture, NameServer};
use self::common::until;

/// A send of the stock client (310), its queue and properties as given.
fn send(client: &mut Client, topic: &str, queue_id: &str, properties: &str, body: &str) -> Command {
    let fields = [
        ("a", "p"),
        ("b", topic),
        ("c", "TBW102"),
        ("d", "4"),
        ("e", queue_id),
        ("f", "0"),
        ("g", "1"),
        ("h", "0"),
        ("i", properties),
        ("j", "0"),
    ];
    client.call(RequestCode::SendMessageV2, &fields, body)
}

fn outcome(answer: &Command) -> (i32, &str) {
    (answer.code, answer.remark.as_deref().unwrap_or(""))
}

/// All messages of a queue.
fn stored(fixture: &Fixture, topic: &str, queue_id: i32) -> Vec<MessageExt> {
    let store = &fixture.running().broker().store;
    store.dispatch_all();
    let read = |offset: i64| {
        let unit = store.unit(topic, queue_id, offset).unwrap();
        let record = store.message_at(unit.commit_log_offset).unwrap();
        messages(&record).next().unwrap().unwrap().to_ext()
    };
    (0..store.max_offset(topic, queue_id)).map(read).collect()
}

/// Sends back the message at a place of the log, as a 4.3.0 consumer does.
fn send_back(client: &mut Client, group: &str, offset: i64, delay_level: &str, max: &str) -> Command {
    let fields = [
        ("offset", &*offset.to_string()),
        ("group", group),
        ("delayLevel", delay_level),
        ("originMsgId", "id"),
        ("originTopic", "T"),
        ("unitMode", "false"),
        ("maxReconsumeTimes", max),
    ];
    client.call(RequestCode::ConsumerSendMsgBack, &fields, "")
}

fn pull_fields<'a>(
    topic: &'a str,
    offset: &'a str,
    sys_flag: &'a str,
    wait: &'a str,
) -> [(&'a str, &'a str); 10] {
    [
        ("consumerGroup", "g"),
        ("topic", topic),
        ("queueId", "0"),
        ("queueOffset", offset),
        ("maxMsgNums", "32"),
        ("sysFlag", sys_flag),
        ("commitOffset", "0"),
        ("suspendTimeoutMillis", wait),
        ("subscription", "*"),
        ("subVersion", "1"),
    ]
}

#[test]
fn sends_that_cannot_be_are_refused_in_javas_words() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    client.create_topic("T", "2");
    let mut check = |topic: &str, queue_id: &str, properties: &str, code: i32, remark: &str| {
        let answer = send(&mut client, topic, queue_id, properties, "x");
        assert_eq!(answer.code, code, "{:?}", answer.remark);
        assert!(answer.remark.as_deref().unwrap_or("").starts_with(remark), "{:?}", answer.remark);
        // The client reads these of every answer.
        assert!(answer.ext_field("MSG_REGION").is_some() && answer.ext_field("TRACE_ON").is_some());
    };
    check("T", "0", "", 0, "");
    check("T", "2", "", 1, "request queueId[2] is illegal, ");
    check("TBW102", "0", "", 1, "the topic[TBW102] is conflict with system reserved words.");
    check("../x", "0", "", 1, "");
    check("T", "0", "DELAY\u{1}soon\u{2}", 13, "the message is illegal, ");
    check("T", "0", "DELAY\u{1}-1\u{2}", 0, "");
    let long = format!("k\u{1}{}\u{2}", "x".repeat(32_764));
    check("T", "0", &long, 0, "");
    let bodies: Vec<Vec<u8>> = stored(&fixture, "T", 0).into_iter().map(|it| it.body).collect();
    assert_eq!(bodies, vec![b"x".to_vec(); 3]);
}

/// Java cast the length of more than 32,767 bytes of properties to a short, and the log behind was unreadable.
#[test]
fn issue_3786_too_many_properties_are_refused() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    client.create_topic("T", "1");
    let properties = |bytes: usize| format!("k\u{1}{}\u{2}", "x".repeat(bytes - 3));
    assert_eq!(send(&mut client, "T", "0", &properties(32_767), "a").code, 0);
    for bytes in [32_768, 40_000, 65_535, 65_536, 70_000] {
        assert_eq!(send(&mut client, "T", "0", &properties(bytes), "b").code, 13, "{bytes}");
    }
    assert_eq!(send(&mut client, "T", "0", "", "c").code, 0);
    let bodies: Vec<Vec<u8>> = stored(&fixture, "T", 0).into_iter().map(|it| it.body).collect();
    assert_eq!(bodies, [b"a", b"c"]);
}

/// The last property of a batch's messages, with and without its end mark.
#[test]
fn issue_3476_a_batch_keeps_every_property() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    client.create_topic("T", "1");
    let mut body = Vec::new();
    for properties in ["KEYS\u{1}k1\u{2}last\u{1}1\u{2}", "KEYS\u{1}k2\u{2}last\u{1}2", ""] {
        put_batch_item(&mut body, BatchItem { flag: 3, body: b"x", properties: properties.as_bytes() })
            .unwrap();
    }
    let fields = [
        ("a", "p"),
        ("b", "T"),
        ("c", "TBW102"),
        ("d", "4"),
        ("e", "0"),
        ("f", "0"),
        ("g", "1"),
        ("h", "0"),
        ("i", ""),
        ("m", "true"),
    ];
    let answer = client.call(RequestCode::SendBatchMessage, &fields, body);
    assert_eq!(answer.code, 0, "{:?}", answer.remark);
    assert_eq!(answer.ext_field("msgId").unwrap().split(',').count(), 3);
    let messages = stored(&fixture, "T", 0);
    let property = |at: usize, name: &str| messages[at].properties.get(name);
    assert_eq!((property(0, "KEYS"), property(0, "last")), (Some("k1"), Some("1")));
    assert_eq!((property(1, "KEYS"), property(1, "last")), (Some("k2"), Some("2")));
    assert_eq!(messages.len(), 3);
}

/// #1843: such a send failed with a NullPointerException.
#[test]
fn issue_1843_a_retry_of_an_unknown_group_is_refused() {
    let fixture = Fixture::with(|configs| configs.broker.auto_create_subscription_group = false);
    let mut client = fixture.connect();
    let answer = send(&mut client, "%RETRY%nobody", "0", "", "x");
    let (code, remark) = outcome(&answer);
    assert_eq!(code, 26);
    assert!(remark.starts_with("subscription group not exist, nobody "), "{remark}");
    assert_eq!(send_back(&mut client, "nobody", 0, "0", "16").code, 26);
}

#[test]
fn a_message_sent_back_is_a_retry() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    client.create_topic("T", "1");
    let properties = "TAGS\u{1}t\u{2}KEYS\u{1}k\u{2}UNIQ_KEY\u{1}u\u{2}";
    let answer = send(&mut client, "T", "0", properties, "again");
    let msg_id = answer.ext_field("msgId").unwrap().to_owned();
    let first = stored(&fixture, "T", 0).remove(0);
    assert_eq!(outcome(&send_back(&mut client, "g", first.commit_log_offset, "0", "16")), (0, ""));
    // Its first delay is level 3; the retry topic comes after it.
    let waiting = stored(&fixture, "SCHEDULE_TOPIC_XXXX", 2).remove(0);
    assert_eq!((&waiting.body[..], waiting.reconsume_times), (&b"again"[..], 1));
    let expected = [
        ("TAGS", "t"),
        ("KEYS", "k"),
        ("UNIQ_KEY", "u"),
        ("RETRY_TOPIC", "T"),
        ("ORIGIN_MESSAGE_ID", &msg_id),
        ("DELAY", "3"),
        ("REAL_TOPIC", "%RETRY%g"),
        ("REAL_QID", "0"),
        ("WAIT", "false"),
    ];
    for (name, value) in expected {
        assert_eq!(waiting.properties.get(name), Some(value), "{name}");
    }
    assert_eq!(
        outcome(&send_back(&mut client, "g", 1 << 40, "0", "16")),
        (1, "look message by offset failed, 1099511627776")
    );
    // A level of the consumer's own.
    send_back(&mut client, "g", first.commit_log_offset, "5", "16");
    assert_eq!(stored(&fixture, "SCHEDULE_TOPIC_XXXX", 4).len(), 1);
}

/// The last retry's delay level stayed in the dead letter, which then waited for up to two hours.
#[test]
fn issue_2724_a_dead_letter_does_not_wait() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    client.create_topic("T", "1");
    send(&mut client, "T", "0", "", "dead");
    let first = stored(&fixture, "T", 0).remove(0);
    send_back(&mut client, "g", first.commit_log_offset, "18", "16");
    let retry = stored(&fixture, "SCHEDULE_TOPIC_XXXX", 17).remove(0);
    assert_eq!(retry.properties.get("DELAY"), Some("18"));
    // Consumed once, and once is all.
    assert_eq!(send_back(&mut client, "g", retry.commit_log_offset, "0", "1").code, 0);
    let dead = stored(&fixture, "%DLQ%g", 0).remove(0);
    assert_eq!((&dead.body[..], dead.properties.get("DELAY"), dead.reconsume_times), (&b"dead"[..], None, 2));
    // A negative level gives up at once, and so does a client's own retry by a send.
    send_back(&mut client, "g", first.commit_log_offset, "-1", "16");
    let fields = [
        ("a", "g"),
        ("b", "%RETRY%g"),
        ("c", "TBW102"),
        ("d", "4"),
        ("e", "0"),
        ("f", "0"),
        ("g", "1"),
        ("h", "0"),
        ("i", "RETRY_TOPIC\u{1}T\u{2}DELAY\u{1}18\u{2}"),
        ("j", "1"),
        ("l", "1"),
    ];
    assert_eq!(client.call(RequestCode::SendMessageV2, &fields, "dead").code, 0);
    assert_eq!(stored(&fixture, "%DLQ%g", 0).len(), 3);
    let topics = client.json(RequestCode::GetAllTopicConfig, &[], &Value::Null);
    assert_eq!(topics["topicConfigTable"]["%DLQ%g"]["perm"], 2, "to be read after an operator allows it");
}

/// A consumer that cannot send a committed transactional message back (36) sends it to the retry topic itself, TRAN_MSG
/// and all: Java took it for a half message, and nobody ever consumed it again.
#[test]
fn issue_1649_a_transactional_message_is_retried() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    let properties = "TRAN_MSG\u{1}true\u{2}PGROUP\u{1}p\u{2}RETRY_TOPIC\u{1}T\u{2}";
    client.heart_beat("a", "g", &[]);
    let fields = [
        ("a", "CLIENT_INNER_PRODUCER"),
        ("b", "%RETRY%g"),
        ("c", "TBW102"),
        ("d", "4"),
        ("e", "0"),
        ("f", "0"),
        ("g", "1"),
        ("h", "0"),
        ("i", properties),
        ("j", "1"),
        ("l", "16"),
    ];
    assert_eq!(client.call(RequestCode::SendMessageV2, &fields, "again").code, 0);
    assert_eq!(stored(&fixture, "%RETRY%g", 0).len(), 1);
    assert!(stored(&fixture, "RMQ_SYS_TRANS_HALF_TOPIC", 0).is_empty());
}

#[test]
fn pulls_that_cannot_be_are_refused_in_javas_words() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    client.create_topic("T", "1");
    let check = |client: &mut Client, change: &[(&str, &str)], code: i32, remark: &str| {
        let fields = pull_fields("T", "0", "0", "0").map(|(name, value)| {
            let changed = change.iter().find(|(changed, _)| *changed == name);
            (name, changed.map_or(value, |(_, value)| *value))
        });
        let answer = client.call(RequestCode::PullMessage, &fields, "");
        assert_eq!(answer.code, code, "{change:?}: {:?}", answer.remark);
        assert!(answer.remark.as_deref().unwrap_or("").starts_with(remark), "{:?}", answer.remark);
    };
    check(&mut client, &[], 24, "the consumer's group info not exist");
    check(&mut client, &[("topic", "U")], 17, "topic[U] not exist, apply first please! ");
    check(
        &mut client,
        &[("queueId", "1")],
        1,
        "queueId[1] is illegal, topic:[T] topicConfig.readQueueNums:[1] consumer:[/",
    );
    check(
        &mut client,
        &[("sysFlag", "4"), ("subscription", "||")],
        23,
        "parse the consumer's subscription failed",
    );
    check(&mut client, &[("sysFlag", "4")], 19, "NO_MESSAGE_IN_QUEUE");
    check(&mut client, &[("sysFlag", "4"), ("queueOffset", "5")], 21, "NO_MESSAGE_IN_QUEUE");
    client.heart_beat("a", "g", &["T"]);
    client.told_of();
    check(&mut client, &[("subVersion", "2")], 25, "the consumer's subscription not latest");
    check(&mut client, &[("topic", "TBW102")], 24, "the consumer's subscription not exist");
    let group = json!({"groupName": "g", "consumeEnable": false, "consumeBroadcastEnable": true, "brokerId": 0,
        "whichBrokerWhenConsumeSlowly": 1, "retryQueueNums": 1, "retryMaxTimes": 16, "notifyConsumerIdsChangedEnable": true});
    client.json(RequestCode::UpdateAndCreateSubscriptiongroup, &[], &group);
    check(&mut client, &[], 16, "subscription group no permission, g");
}

#[test]
fn a_pull_waits_for_its_message_or_its_time() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    client.create_topic("T", "1");
    fixture.put("T", 0, "first");
    // Time over: the queue's state.
    let answer = client.call(RequestCode::PullMessage, &pull_fields("T", "1", "6", "50"), "");
    assert_eq!(outcome(&answer), (19, "OFFSET_OVERFLOW_ONE"));
    let field = |name: &str| answer.ext_field(name).unwrap().parse::<i64>().unwrap();
    assert_eq!(["nextBeginOffset", "minOffset", "maxOffset"].map(field), [1, 0, 1]);
    // Woken: the wait is far longer than the test's own limits.
    let waiting = thread::spawn(move || {
        client.call(RequestCode::PullMessage, &pull_fields("T", "1", "6", "60000"), "")
    });
    while fixture.running().broker().holds.is_empty() {
        thread::yield_now();
    }
    fixture.put("T", 0, "second");
    let answer = waiting.join().unwrap();
    assert_eq!(outcome(&answer), (0, "FOUND"));
    assert_eq!(messages(&answer.body).next().unwrap().unwrap().body, b"second");
    assert!(fixture.running().broker().holds.is_empty());
}

/// Properties are kept in order and value, whatever is in them.
#[test]
fn odd_properties_come_back() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    client.create_topic("T", "1");
    for properties in ["a\u{1}\u{2}b\u{1}x y\u{2}", "k\u{1}v", "\u{1}\u{2}", "no separator", "TAGS\u{1}\u{2}"]
    {
        assert_eq!(send(&mut client, "T", "0", properties, "x").code, 0, "{properties:?}");
        let last = stored(&fixture, "T", 0).pop().unwrap();
        assert_eq!(last.properties, Properties::parse(properties), "{properties:?}");
    }
}

/// `disableConsumeIfConsumerReadSlowly`.
#[test]
fn a_group_too_far_behind_is_stopped() {
    let fixture = Fixture::with(|configs| {
        configs.broker.disable_consume_if_consumer_read_slowly = true;
        configs.broker.consumer_fallbehind_threshold = 1000;
    });
    let mut client = fixture.connect();
    client.create_topic("T", "1");
    send(&mut client, "T", "0", "", "first");
    client.heart_beat("a", "g", &["T"]);
    client.told_of();
    let pull = |client: &mut Client| {
        client.call(RequestCode::PullMessage, &pull_fields("T", "0", "0", "0"), "").code
    };
    assert_eq!(stored(&fixture, "T", 0).len(), 1);
    assert_eq!((pull(&mut client), pull(&mut client)), (0, 0));
    for _ in 0..40 {
        send(&mut client, "T", "0", "", "and many more behind it");
    }
    assert_eq!(stored(&fixture, "T", 0).len(), 41);
    let mut fields = pull_fields("T", "0", "0", "0");
    fields[4].1 = "1";
    assert_eq!(client.call(RequestCode::PullMessage, &fields, "").code, 0);
    assert_eq!(client.call(RequestCode::PullMessage, &fields, "").code, 16);
}

/// A topic that a send has made is on one master only, unless it is to be on all.
#[test]
fn a_topic_made_by_a_send_is_on_all_masters_if_wished() {
    let name_server = NameServer::new();
    let named = |name: &'static str| {
        Fixture::on(tempfile::tempdir().unwrap(), &name_server.addr(), move |configs| {
            configs.broker.broker_name = name.to_owned();
            configs.broker.auto_create_topic_on_cluster = true;
        })
    };
    let (first, second) = (named("broker-a"), named("broker-b"));
    let mut client = second.connect();
    assert_eq!(client.create_topic("HasItsOwn", "7").0, 0);
    let mut client = first.connect();
    // In this order, so that the first has been looked at when the second is there.
    for topic in ["HasItsOwn", "Anywhere"] {
        assert_eq!(send(&mut client, topic, "0", "", "x").code, 0);
    }
    let there = |topic: &str| second.running().broker().topics.get(topic).map(|it| it.write_queue_nums);
    until("the topic to be made there", || there("Anywhere") == Some(4));
    assert_eq!(there("HasItsOwn"), Some(7));
}
