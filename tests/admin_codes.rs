//! What tools ask of a broker by raw frames: statistics, how far groups are, what a queue holds. The stock tools' view of the
//! same is in `interop-tests`.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use rocketmq::protocol::request_code::RequestCode;
use serde_json::{Value, json};

use self::common::broker::{Client, Fixture};
use self::common::until;

fn send(client: &mut Client, topic: &str, tag: &str, body: &str) {
    let properties = format!("TAGS\u{1}{tag}\u{2}");
    let fields = [
        ("a", "p"),
        ("b", topic),
        ("c", "TBW102"),
        ("d", "1"),
        ("e", "0"),
        ("f", "0"),
        ("g", "1"),
        ("h", "0"),
        ("i", properties.as_str()),
    ];
    assert_eq!(client.call(RequestCode::SendMessageV2, &fields, body).code, 0);
}

fn pull(client: &mut Client, topic: &str, group: &str) {
    let fields = [
        ("consumerGroup", group),
        ("topic", topic),
        ("queueId", "0"),
        ("queueOffset", "0"),
        ("maxMsgNums", "32"),
        ("sysFlag", "4"),
        ("commitOffset", "0"),
        ("suspendTimeoutMillis", "0"),
        ("subscription", "*"),
        ("subVersion", "1"),
    ];
    assert_eq!(client.call(RequestCode::PullMessage, &fields, "").code, 0);
}

fn commit(client: &mut Client, topic: &str, group: &str, offset: &str) {
    let fields = [("consumerGroup", group), ("topic", topic), ("queueId", "0"), ("commitOffset", offset)];
    client.json(RequestCode::UpdateConsumerOffset, &fields, &Value::Null);
}

#[test]
fn statistics_are_counted_and_sampled() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    assert_eq!(client.create_topic("T", "1").0, 0);
    client.heart_beat("a", "g", &["T"]);
    let statistics = &fixture.running().broker().statistics;
    statistics.sample(1_000_000);
    (0..10).for_each(|number| send(&mut client, "T", "a", &number.to_string()));
    pull(&mut client, "T", "g");
    statistics.sample(1_010_000);
    let stats = |client: &mut Client, name: &str, key: &str| {
        client.json(RequestCode::ViewBrokerStatsData, &[("statsName", name), ("statsKey", key)], &Value::Null)
    };
    // Rates are of the time between two samples, and the broker takes its own, too.
    let minute = stats(&mut client, "TOPIC_PUT_NUMS", "T")["statsMinute"].clone();
    assert_eq!((&minute["sum"], &minute["avgpt"]), (&json!(10), &json!(1.0)));
    let minute = stats(&mut client, "GROUP_GET_NUMS", "T@g")["statsMinute"].clone();
    assert_eq!((&minute["sum"], &minute["avgpt"]), (&json!(10), &json!(10.0)));
    assert_eq!(stats(&mut client, "BROKER_PUT_NUMS", "DefaultCluster")["statsMinute"]["sum"], 10);
    let fields = [("statsName", "TOPIC_PUT_NUMS"), ("statsKey", "nobody")];
    let (code, remark) = client.outcome(RequestCode::ViewBrokerStatsData, &fields, "");
    assert_eq!((code, remark.as_str()), (1, "The stats <TOPIC_PUT_NUMS> <nobody> not exist"));
    // A deleted topic has none.
    client.json(RequestCode::DeleteTopicInBroker, &[("topic", "T")], &Value::Null);
    let fields = [("statsName", "GROUP_GET_NUMS"), ("statsKey", "T@g")];
    assert_eq!(client.outcome(RequestCode::ViewBrokerStatsData, &fields, "").0, 1);
}

#[test]
fn groups_are_as_far_behind_as_they_are() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    assert_eq!(client.create_topic("T", "1").0, 0);
    client.heart_beat("a", "g", &["T"]);
    (0..10).for_each(|number| send(&mut client, "T", "a", &number.to_string()));
    commit(&mut client, "T", "g", "4");
    let fields = [("topic", "T"), ("group", "g")];
    let span = client.json(RequestCode::QueryConsumeTimeSpan, &fields, &Value::Null);
    let span = &span["consumeTimeSpanSet"][0];
    let time = |name: &str| span[name].as_i64().unwrap();
    let (min, consumed, max) = (time("minTimeStamp"), time("consumeTimeStamp"), time("maxTimeStamp"));
    assert!(0 < min && min <= consumed && consumed <= max, "{span}");
    assert!((0..60_000).contains(&time("delayTime")), "{span}");
    assert_eq!(span["messageQueue"], json!({"brokerName": "broker-a", "queueId": 0, "topic": "T"}));
    // All is consumed: no delay.
    commit(&mut client, "T", "g", "10");
    let span = client.json(RequestCode::QueryConsumeTimeSpan, &fields, &Value::Null);
    assert_eq!(span["consumeTimeSpanSet"][0]["delayTime"], 0);
    // Nothing was ever sent: no times, and no delay since 1970.
    assert_eq!(client.create_topic("Empty", "1").0, 0);
    let fields = [("topic", "Empty"), ("group", "g")];
    let span = client.json(RequestCode::QueryConsumeTimeSpan, &fields, &Value::Null);
    assert_eq!(span["consumeTimeSpanSet"][0]["delayTime"], 0, "{span}");
    let fields = [("topic", "Nowhere"), ("group", "g")];
    assert_eq!(client.outcome(RequestCode::QueryConsumeTimeSpan, &fields, "").0, 17);

    commit(&mut client, "T", "g", "7");
    let stats = client.json(RequestCode::GetBrokerConsumeStats, &[("isOrder", "false")], &Value::Null);
    assert_eq!(stats["totalDiff"], 3, "{stats}");
    let of_group = stats["consumeStatsList"].as_array().unwrap().iter().find_map(|it| it.get("g")).unwrap();
    assert_eq!(of_group.as_array().unwrap().len(), 1, "{of_group}");
    let stats = client.json(RequestCode::GetBrokerConsumeStats, &[("isOrder", "true")], &Value::Null);
    assert_eq!(stats["totalDiff"], 0);
}

#[test]
fn a_queue_can_be_looked_into() {
    let fixture = Fixture::with(|configs| {
        configs.store.enable_consume_queue_ext = true;
        configs.broker.enable_calc_filter_bit_map = true;
        configs.broker.enable_property_filter = true;
    });
    let mut client = fixture.connect();
    assert_eq!(client.create_topic("T", "1").0, 0);
    for tag in ["a", "b", "a"] {
        send(&mut client, "T", tag, tag);
    }
    until("the queue to be made", || fixture.running().broker().store.max_offset("T", 0) == 3);
    let look = |client: &mut Client, index: &str, count: &str, group: Option<&str>| {
        let mut fields = vec![("topic", "T"), ("queueId", "0"), ("index", index), ("count", count)];
        fields.extend(group.map(|group| ("consumerGroup", group)));
        let answer = client.call(RequestCode::QueryConsumeQueue, &fields, "");
        assert_eq!(answer.code, 0);
        (serde_json::from_slice::<Value>(&answer.body).unwrap(), answer.remark)
    };
    let (body, remark) = look(&mut client, "1", "10", None);
    assert_eq!(remark, None);
    assert_eq!((&body["minQueueIndex"], &body["maxQueueIndex"]), (&json!(0), &json!(3)));
    let entries = body["queueData"].as_array().unwrap();
    assert_eq!(entries.len(), 2, "{body}");
    assert!(entries[0]["physicOffset"].as_i64() > Some(0) && entries[0]["physicSize"].as_i64() > Some(90));
    assert!(entries[0]["extendDataJson"].as_str().unwrap().contains("\"tagsCode\":98"), "{body}");
    assert_eq!(entries[0]["eval"], false);
    let (body, _) = look(&mut client, "0", "1", None);
    assert_eq!(body["queueData"].as_array().unwrap().len(), 1);
    let (body, remark) = look(&mut client, "3", "1", Some("nobody"));
    assert_eq!(body["filterData"], "nobody@T is not online!");
    assert_eq!(remark.unwrap(), "Index 3 of 0@T is not exist!");
    // What a group that is there would get.
    let subscription = json!({"topic": "T", "subString": "b", "subVersion": 1, "expressionType": "TAG",
        "classFilterMode": false, "tagsSet": ["b"], "codeSet": [98]});
    let body = json!({"clientID": "c", "producerDataSet": [], "consumerDataSet": [{"groupName": "g",
        "consumeType": "CONSUME_PASSIVELY", "messageModel": "CLUSTERING",
        "consumeFromWhere": "CONSUME_FROM_LAST_OFFSET", "unitMode": false, "subscriptionDataSet": [subscription]}]});
    client.json(RequestCode::HeartBeat, &[], &body);
    let (body, _) = look(&mut client, "0", "2147483647", Some("g"));
    let evals: Vec<&Value> = body["queueData"].as_array().unwrap().iter().map(|it| &it["eval"]).collect();
    assert_eq!(evals, [false, true, false], "{body}");
    assert_eq!(body["subscriptionData"]["subString"], "b");
    let fields = [("topic", "T"), ("queueId", "9"), ("index", "0"), ("count", "1")];
    assert_eq!(
        client.outcome(RequestCode::QueryConsumeQueue, &fields, ""),
        (1, "9@T is not exist!".to_owned())
    );
    let (code, remark) =
        client.outcome(RequestCode::RegisterFilterServer, &[("filterServerAddr", "10.0.0.1:1")], "");
    assert!(code == 16 && remark.contains("SQL92"), "{code} {remark}");
}

/// What only administrators ask for, and what it changes.
const CHANGES: [RequestCode; 11] = [
    RequestCode::UpdateAndCreateTopic,
    RequestCode::DeleteTopicInBroker,
    RequestCode::UpdateAndCreateSubscriptiongroup,
    RequestCode::DeleteSubscriptiongroup,
    RequestCode::UpdateBrokerConfig,
    RequestCode::InvokeBrokerToResetOffset,
    RequestCode::CloneGroupOffset,
    RequestCode::ConsumeMessageDirectly,
    RequestCode::CleanExpiredConsumequeue,
    RequestCode::CleanUnusedTopic,
    RequestCode::RegisterFilterServer,
];

#[test]
fn only_allowed_addresses_change_what_administrators_do() {
    let others = Fixture::with(|configs| configs.broker.admin_allowed_addrs = "10.0.0.0/8, ::1".to_owned());
    let mut client = others.connect();
    for code in CHANGES {
        let (outcome, remark) = client.outcome(code, &[("topic", "T"), ("groupName", "g")], "{}");
        let expected =
            format!("{} is not allowed from 127.0.0.1: adminAllowedAddrs does not have it", code.name());
        assert_eq!((outcome, remark), (16, expected));
    }
    assert!(others.running().broker().topics.get("T").is_none());
    // What clients do is not administration: topics made by sends, groups and retry topics by heartbeats, offsets.
    send(&mut client, "T", "a", "one");
    client.heart_beat("a", "g", &["T"]);
    assert!(others.running().broker().topics.get("%RETRY%g").is_some());
    pull(&mut client, "T", "g");
    commit(&mut client, "T", "g", "1");
    let back = [("offset", "0"), ("group", "g"), ("delayLevel", "1"), ("originTopic", "T")];
    assert_eq!(client.outcome(RequestCode::ConsumerSendMsgBack, &back, ""), (0, String::new()));
    let queue = json!({"topic": "T", "brokerName": "broker-a", "queueId": 0});
    let lock = json!({"consumerGroup": "g", "clientId": "a", "mqSet": [queue]});
    client.json(RequestCode::LockBatchMq, &[], &lock);
    client.json(RequestCode::UnlockBatchMq, &[], &lock);
    client.json(RequestCode::GetBrokerRuntimeInfo, &[], &Value::Null);
    client.json(RequestCode::UnregisterClient, &[("clientID", "a"), ("consumerGroup", "g")], &Value::Null);

    let ours = Fixture::with(|configs| configs.broker.admin_allowed_addrs = "127.0.0.0/8".to_owned());
    let mut client = ours.connect();
    assert_eq!(client.create_topic("T", "1"), (0, String::new()));
    for code in CHANGES {
        let (outcome, remark) = client.outcome(code, &[("topic", "T"), ("groupName", "g")], "{}");
        assert!(!remark.contains("adminAllowedAddrs"), "{code:?}: {outcome} {remark}");
    }
    // Who may ask is no setting to be changed by asking.
    let (outcome, remark) =
        client.outcome(RequestCode::UpdateBrokerConfig, &[], "adminAllowedAddrs=0.0.0.0/0\n");
    assert!(outcome == 16 && remark.contains("adminAllowedAddrs"), "{outcome} {remark}");
}

#[test]
fn a_list_that_is_none_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut configs = common::broker::configs(folder.path(), "");
    configs.broker.admin_allowed_addrs = "admin-host".to_owned();
    let error = runtime.block_on(rocketmq::broker::start(configs)).map(|_| ()).unwrap_err().to_string();
    assert_eq!(error, "adminAllowedAddrs=admin-host: admin-host is no IP address or network");
}
