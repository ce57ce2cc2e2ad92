//! What a broker has its clients do, and passes on between them: offsets reset and asked for (222, 223), running info
//! and messages consumed on demand (307, 309), replies to requests (324, 325). The clients here are raw frames.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use compat::language::LanguageCode;
use rocketmq::protocol::message::messages;
use rocketmq::protocol::request_code::RequestCode;
use rocketmq::remoting::Command;
use serde_json::{Value, json};

use self::common::broker::{Client, Fixture, NameServer};

/// A topic of two queues with five messages each, of which a group has consumed three.
fn fixture() -> (Fixture, Client) {
    let fixture = Fixture::new();
    let mut admin = fixture.connect();
    assert_eq!(admin.create_topic("T", "2"), (0, String::new()));
    for queue_id in 0..2 {
        for number in 0..5 {
            fixture.put("T", queue_id, &format!("{queue_id}-{number}"));
        }
        let fields = [
            ("consumerGroup", "g"),
            ("topic", "T"),
            ("queueId", &queue_id.to_string()),
            ("commitOffset", "3"),
        ];
        admin.json(RequestCode::UpdateConsumerOffset, &fields, &Value::Null);
    }
    (fixture, admin)
}

/// A member of the group that has heard of its own coming.
fn member(fixture: &Fixture, client_id: &str) -> Client {
    let mut client = fixture.connect();
    client.heart_beat(client_id, "g", &["T"]);
    assert_eq!(client.told_of(), "g");
    client
}

fn reset<'a>(timestamp: &'a str, is_force: &'a str) -> [(&'a str, &'a str); 4] {
    [("topic", "T"), ("group", "g"), ("timestamp", timestamp), ("isForce", is_force)]
}

fn queue(queue_id: i32) -> String {
    format!(r#"{{"brokerName":"broker-a","queueId":{queue_id},"topic":"T"}}"#)
}

/// The offsets of a body whose keys are queues as objects.
fn table(command: &Command) -> Vec<(i32, i64)> {
    let body: rocketmq::protocol::body::offset::ResetOffsetBody =
        compat::json::from_slice(&command.body).unwrap();
    body.offset_table.into_iter().map(|(queue, offset)| (queue.queue_id, offset)).collect()
}

#[test]
fn a_reset_is_told_to_every_member() {
    let (fixture, mut admin) = fixture();
    let (mut a, mut b) = (member(&fixture, "a"), member(&fixture, "b"));
    assert_eq!(a.told_of(), "g", "of b");
    let mut check = |timestamp: &str, is_force: &str, expected: i64| {
        let answer = admin.call(RequestCode::InvokeBrokerToResetOffset, &reset(timestamp, is_force), "");
        assert_eq!(answer.code, 0, "{:?}", answer.remark);
        let expected = vec![(0, expected), (1, expected)];
        assert_eq!(table(&answer), expected);
        for client in [&mut a, &mut b] {
            let told = client.asked();
            assert_eq!(told.code, i32::from(RequestCode::ResetConsumerClientOffset));
            assert!(told.is_one_way());
            let field = |name: &str| told.ext_field(name).unwrap().to_owned();
            assert_eq!([field("topic"), field("group"), field("timestamp")], ["T", "g", timestamp]);
            assert_eq!(table(&told), expected);
        }
    };
    check("0", "true", 0);
    check("0", "false", 0);
    // Forwards only by force.
    check("-1", "false", 3);
    check("-1", "true", 5);
    // The broker's own offsets stay until the members commit.
    let fields = [("consumerGroup", "g"), ("topic", "T"), ("queueId", "0")];
    assert_eq!(admin.call(RequestCode::QueryConsumerOffset, &fields, "").ext_field("offset"), Some("3"));
}

#[test]
fn cpp_clients_are_told_in_their_form() {
    let (fixture, mut admin) = fixture();
    let mut java = member(&fixture, "java");
    let mut cpp = fixture.connect().speaking(LanguageCode::Cpp);
    cpp.heart_beat("cpp", "g", &["T"]);
    assert_eq!((cpp.told_of(), java.told_of()), ("g".to_owned(), "g".to_owned()));
    let list = json!([
        {"brokerName": "broker-a", "offset": 0, "queueId": 0, "topic": "T"},
        {"brokerName": "broker-a", "offset": 0, "queueId": 1, "topic": "T"},
    ]);
    let body = |told: &Command| serde_json::from_slice::<Value>(&told.body).unwrap()["offsetTable"].clone();
    assert_eq!(admin.call(RequestCode::InvokeBrokerToResetOffset, &reset("0", "true"), "").code, 0);
    assert_eq!(body(&cpp.asked()), list);
    assert_eq!(table(&java.asked()), [(0, 0), (1, 0)]);
    // Who asks as a C++ client (mqadmin -c) wants that form for all.
    let mut admin = admin.speaking(LanguageCode::Cpp);
    assert_eq!(admin.call(RequestCode::InvokeBrokerToResetOffset, &reset("0", "true"), "").code, 0);
    assert_eq!([body(&cpp.asked()), body(&java.asked())], [list.clone(), list]);
}

#[test]
fn a_reset_that_cannot_be_says_why() {
    let (fixture, mut admin) = fixture();
    let mut check = |fields: &[(&str, &str)], expected: (i32, &str)| {
        let outcome = admin.outcome(RequestCode::InvokeBrokerToResetOffset, fields, "");
        assert_eq!((outcome.0, outcome.1.as_str()), expected);
    };
    let offline = "Consumer not online, so can not reset offset, Group: g Topic: T Timestamp: 0";
    check(&reset("0", "true"), (206, offline));
    check(
        &[("topic", "U"), ("group", "g"), ("timestamp", "0"), ("isForce", "true")],
        (1, "[reset-offset] reset offset failed, no topic in this broker. topic=U"),
    );
    check(
        &[("topic", "T"), ("group", "h"), ("timestamp", "0"), ("isForce", "true")],
        (1, "THe consumer group <h> not exist"),
    );
    let mut old = fixture.connect().of_version(27);
    old.heart_beat("old", "g", &["T"]);
    check(
        &reset("0", "true"),
        (
            1,
            "the client does not support this feature. version=V3_0_7_SNAPSHOT"
                .replace("V3_0_7_SNAPSHOT", "V3_0_6")
                .as_str(),
        ),
    );
}

#[test]
fn members_say_where_they_stand() {
    let (fixture, mut admin) = fixture();
    let fields = [("topic", "T"), ("group", "g")];
    let code = RequestCode::InvokeBrokerToGetConsumerStatus;
    let nobody = (1, "No Any Consumer online in the consumer group: [g]".to_owned());
    assert_eq!(admin.outcome(code, &fields, ""), nobody);
    let (mut a, mut b) = (member(&fixture, "a"), member(&fixture, "b"));
    assert_eq!(a.told_of(), "g");
    let asked = std::thread::spawn(move || (admin.call(code, &fields, ""), admin));
    for (client, answer) in [(&mut b, 4), (&mut a, 2)] {
        let question = client.asked();
        assert_eq!(question.code, i32::from(RequestCode::GetConsumerStatusFromClient));
        assert_eq!((question.ext_field("topic"), question.ext_field("group")), (Some("T"), Some("g")));
        // As fastjson writes it.
        let body = format!(r#"{{"consumerTable":{{}},"messageQueueTable":{{{}:{answer}}}}}"#, queue(0));
        client.answer(&question, 0, None, body.as_bytes());
    }
    let (answer, mut admin) = asked.join().unwrap();
    assert_eq!(answer.code, 0);
    let expected =
        format!(r#"{{"consumerTable":{{"a":{{{0}:2}},"b":{{{0}:4}}}},"messageQueueTable":{{}}}}"#, queue(0));
    assert_eq!(std::str::from_utf8(&answer.body).unwrap(), expected);
    // One alone; its refusal leaves it out.
    let asked = std::thread::spawn(move || {
        let fields = [("topic", "T"), ("group", "g"), ("clientAddr", "b")];
        admin.call(code, &fields, "")
    });
    let question = b.asked();
    b.answer(&question, 1, Some("no"), b"");
    let answer = asked.join().unwrap();
    assert_eq!(std::str::from_utf8(&answer.body).unwrap(), r#"{"consumerTable":{},"messageQueueTable":{}}"#);
}

#[test]
fn running_info_is_passed_on() {
    let (fixture, mut admin) = fixture();
    let code = RequestCode::GetConsumerRunningInfo;
    let fields = [("consumerGroup", "g"), ("clientId", "a"), ("jstackEnable", "true")];
    assert_eq!(admin.outcome(code, &fields, ""), (1, "The Consumer <g> <a> not online".to_owned()));
    let mut a = member(&fixture, "a");
    let asked = std::thread::spawn(move || (admin.call(code, &fields, ""), admin));
    let question = a.asked();
    assert_eq!(question.code, i32::from(code));
    assert!(!question.is_one_way());
    assert_eq!(fields.map(|(name, _)| question.ext_field(name)), fields.map(|(_, value)| Some(value)));
    a.answer(&question, 0, None, br#"{"jstack":"x"}"#);
    let (answer, mut admin) = asked.join().unwrap();
    assert_eq!((answer.code, &answer.body[..]), (0, &br#"{"jstack":"x"}"#[..]));
    // A client that goes instead of answering.
    let asked = std::thread::spawn(move || (admin.outcome(code, &fields, ""), admin));
    a.asked();
    drop(a);
    let (outcome, mut admin) = asked.join().unwrap();
    assert_eq!(outcome.0, 1);
    assert!(outcome.1.starts_with("invoke consumer <g> <a> Exception: "), "{}", outcome.1);
    let mut old = fixture.connect().of_version(61);
    old.heart_beat("a", "g", &["T"]);
    let low = "The Consumer <a> Version <V3_1_7> too low to finish, please upgrade it to V3_1_8_SNAPSHOT";
    assert_eq!(admin.outcome(code, &fields, ""), (1, low.to_owned()));
}

#[test]
fn a_message_is_consumed_on_demand() {
    let (fixture, mut admin) = fixture();
    let offset = fixture.put("T", 0, "again");
    let msg_id = compat::id::offset_message_id("127.0.0.1:10911".parse().unwrap(), offset);
    let call = |admin: &mut Client, msg_id: &str| {
        let code = RequestCode::ConsumeMessageDirectly;
        admin.call(code, &[("consumerGroup", "g"), ("clientId", "a"), ("msgId", msg_id)], "")
    };
    let refused = |admin: &mut Client, msg_id: &str| {
        let answer = call(admin, msg_id);
        (answer.code, answer.remark.unwrap())
    };
    assert_eq!(refused(&mut admin, &msg_id), (1, "The Consumer <g> <a> not online".to_owned()));
    let mut a = member(&fixture, "a");
    assert_eq!(refused(&mut admin, "xyz").0, 1);
    let beyond = compat::id::offset_message_id("127.0.0.1:10911".parse().unwrap(), 1 << 40);
    assert_eq!(
        refused(&mut admin, &beyond),
        (1, format!("can not find message by the offset, {}", 1_i64 << 40))
    );
    let asked = std::thread::spawn(move || call(&mut admin, &msg_id));
    let question = a.asked();
    assert_eq!(question.code, i32::from(RequestCode::ConsumeMessageDirectly));
    assert_eq!(question.ext_field("brokerName"), Some("broker-a"));
    let message = messages(&question.body).next().unwrap().unwrap();
    assert_eq!((message.body, message.queue_offset), (&b"again"[..], 5));
    a.answer(&question, 0, None, br#"{"consumeResult":"CR_SUCCESS"}"#);
    let answer = asked.join().unwrap();
    assert_eq!((answer.code, &answer.body[..]), (0, &br#"{"consumeResult":"CR_SUCCESS"}"#[..]));
}

#[test]
fn a_reply_reaches_the_client_that_asked() {
    let fixture = Fixture::new();
    let (mut asking, mut replying) = (fixture.connect(), fixture.connect());
    asking.heart_beat("asks", "g", &[]);
    asking.told_of();
    let properties = "REPLY_TO_CLIENT\u{1}asks\u{2}CORRELATION_ID\u{1}7\u{2}";
    // The request: who consumes it learns the cluster, and so the topic of replies.
    let request =
        [("a", "p"), ("b", "T"), ("c", "TBW102"), ("d", "1"), ("e", "0"), ("g", "1"), ("i", properties)];
    assert_eq!(asking.call(RequestCode::SendMessageV2, &request, "ping").code, 0);
    let property = |topic: &str, name: &str| {
        let broker = fixture.running().broker();
        broker.store.dispatch_all();
        let unit = broker.store.unit(topic, 0, 0)?;
        let record = broker.store.message_at(unit.commit_log_offset)?;
        let message = messages(&record).next()?.unwrap();
        message.property(name).map(str::to_owned)
    };
    assert_eq!(property("T", "CLUSTER").as_deref(), Some("DefaultCluster"));

    let properties = format!("{properties}MSG_TYPE\u{1}reply\u{2}");
    let topic = "DefaultCluster_REPLY_TOPIC";
    let reply: Vec<(String, String)> = [
        ("a", "p2"),
        ("b", topic),
        ("c", "TBW102"),
        ("d", "1"),
        ("e", "0"),
        ("f", "1"),
        ("g", "1"),
        ("i", &properties),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .into();
    let sent = std::thread::spawn(move || {
        let fields: Vec<(&str, &str)> = reply.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        (replying.call(RequestCode::SendReplyMessageV2, &fields, "pong"), replying)
    });
    let pushed = asking.asked();
    assert_eq!(pushed.code, i32::from(RequestCode::PushReplyMessageToClient));
    assert_eq!(
        (&pushed.body[..], pushed.ext_field("topic"), pushed.ext_field("sysFlag")),
        (&b"pong"[..], Some(topic), Some("1"))
    );
    assert!(pushed.ext_field("properties").unwrap().contains("PUSH_REPLY_TIME"));
    asking.answer(&pushed, 0, None, b"");
    let (answer, mut replying) = sent.join().unwrap();
    assert_eq!((answer.code, answer.ext_field("queueOffset")), (0, Some("0")));
    assert_eq!(property(topic, "CORRELATION_ID").as_deref(), Some("7"));

    drop(asking);
    let mut check = |properties: &str, expected: &str| {
        let long = [
            ("producerGroup", "p2"),
            ("topic", topic),
            ("defaultTopic", "TBW102"),
            ("defaultTopicQueueNums", "1"),
            ("queueId", "0"),
            ("sysFlag", "0"),
            ("bornTimestamp", "1"),
            ("flag", "0"),
            ("properties", properties),
        ];
        let answer = replying.call(RequestCode::SendReplyMessage, &long, "pong");
        assert_eq!((answer.code, answer.remark.as_deref()), (1, Some(expected)));
        assert!(answer.ext_field("MSG_REGION").is_some());
    };
    check("REPLY_TO_CLIENT\u{1}gone\u{2}", "push reply message fail, channel of <gone> not found.");
    check("", "reply message properties[REPLY_TO_CLIENT] is null");
}

#[test]
fn who_is_connected_and_how_far_groups_are() {
    let (fixture, mut admin) = fixture();
    let nobody = (206, "the consumer group[g] not online".to_owned());
    let consumers = [("consumerGroup", "g")];
    assert_eq!(admin.outcome(RequestCode::GetConsumerConnectionList, &consumers, ""), nobody);
    let producers = [("producerGroup", "CLIENT_INNER_PRODUCER")];
    let unknown = (1, "the producer group[CLIENT_INNER_PRODUCER] not exist".to_owned());
    assert_eq!(admin.outcome(RequestCode::GetProducerConnectionList, &producers, ""), unknown);
    let _a = member(&fixture, "a");
    let body = admin.json(RequestCode::GetConsumerConnectionList, &consumers, &Value::Null);
    assert_eq!(
        (&body["connectionSet"][0]["clientId"], &body["consumeType"]),
        (&json!("a"), &json!("CONSUME_PASSIVELY"))
    );
    assert_eq!(body["subscriptionTable"]["T"]["subString"], "*");
    let body = admin.json(RequestCode::GetProducerConnectionList, &producers, &Value::Null);
    assert_eq!(body["connectionSet"].as_array().unwrap().len(), 1);
    // Of other topics than it subscribes to, a connected group's offsets are left out.
    for topic in ["T", "U", "nowhere"] {
        let fields = [("consumerGroup", "g"), ("topic", topic), ("queueId", "0"), ("commitOffset", "4")];
        admin.json(RequestCode::UpdateConsumerOffset, &fields, &Value::Null);
    }
    assert_eq!(admin.create_topic("U", "1"), (0, String::new()));
    let stats = admin.call(RequestCode::GetConsumeStats, &consumers, "");
    let stats: rocketmq::protocol::body::stats::ConsumeStats = compat::json::from_slice(&stats.body).unwrap();
    let rows: Vec<_> = stats
        .offset_table
        .iter()
        .map(|(queue, row)| {
            (&*queue.topic, queue.queue_id, row.broker_offset, row.consumer_offset, row.last_timestamp > 0)
        })
        .collect();
    assert_eq!(rows, [("T", 0, 5, 4, true), ("T", 1, 5, 3, true)]);
    let who = admin.json(RequestCode::QueryTopicConsumeByWho, &[("topic", "T")], &Value::Null);
    assert_eq!(who["groupList"], json!(["g"]));
    let who = admin.json(RequestCode::QueryTopicConsumeByWho, &[("topic", "nobody")], &Value::Null);
    assert_eq!(who["groupList"], json!([]));
}

/// Tools look for a group by its retry topic: a consumer that has been answered is to be found.
#[test]
fn a_new_group_is_in_the_routes_when_its_heartbeat_is_answered() {
    let name_server = NameServer::new();
    let fixture = Fixture::registered_with(&name_server.addr());
    let mut client = fixture.connect();
    let mut asker = Client::connect(name_server.addr().parse().unwrap());
    for number in 0..20 {
        let group = format!("g{number}");
        client.heart_beat("a", &group, &["T"]);
        assert_eq!(client.told_of(), group);
        let retry = format!("%RETRY%{group}");
        let answer = asker.call(RequestCode::GetRouteintoByTopic, &[("topic", retry.as_str())], "");
        assert_eq!(answer.code, 0, "{retry}: {:?}", answer.remark);
    }
}
