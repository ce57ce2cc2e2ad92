//! A broker from outside, by raw frames: clients that come and go, offsets, locks, topics and groups, admin
//! reads, registration, and what a restart keeps. Sends and pulls have tests of their own.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rocketmq::broker::{self, StartError};
use rocketmq::protocol::header::NoHeader;
use rocketmq::protocol::header::query::QueryMessageResponseHeader;
use rocketmq::protocol::message::messages;
use rocketmq::protocol::request_code::{self, RequestCode};
use rocketmq::remoting::server::{Bound, Server, ServerOptions};
use rocketmq::remoting::{Command, Request, Response, Router};
use rocketmq::store::NewMessage;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use self::common::broker::{Client, Fixture, configs};

const CLUSTER: &str = "DefaultCluster";

#[test]
fn members_of_a_group_hear_of_each_other() {
    let fixture = Fixture::new();
    let (mut a, mut b) = (fixture.connect(), fixture.connect());
    a.heart_beat("a", "g", &["T"]);
    a.heart_beat("a", "g", &["T"]);
    b.heart_beat("b", "g", &["T"]);
    assert_eq!((a.told_of(), a.told_of()), ("g".to_owned(), "g".to_owned()), "its own coming, and b's");
    assert_eq!(a.members("g"), ["a", "b"]);
    // The first heartbeat of a group makes its settings and its retry topic.
    let groups = a.json(RequestCode::GetAllSubscriptiongroupConfig, &[], &Value::Null);
    assert_eq!(groups["subscriptionGroupTable"]["g"]["retryMaxTimes"], 16);
    let topics = a.json(RequestCode::GetAllTopicConfig, &[], &Value::Null);
    assert_eq!(topics["topicConfigTable"]["%RETRY%g"]["perm"], 6);
    drop(b);
    assert_eq!(a.told_of(), "g");
    assert_eq!(a.members("g"), ["a"]);
    let answer = a.call(RequestCode::UnregisterClient, &[("clientID", "a"), ("consumerGroup", "g")], "");
    assert_eq!((answer.code, answer.remark), (0, None));
    let gone = a.outcome(RequestCode::GetConsumerListByGroup, &[("consumerGroup", "g")], "");
    assert_eq!(gone, (1, "no consumer for this group, g".to_owned()));
}

#[test]
fn offsets_are_taken_and_given() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    let mut query = |queue_id: &str| {
        let fields = [("consumerGroup", "g"), ("topic", "T"), ("queueId", queue_id)];
        let answer = client.call(RequestCode::QueryConsumerOffset, &fields, "");
        (answer.code, answer.ext_field("offset").map(str::to_owned))
    };
    // A queue that begins at 0 and fits into memory is consumed from its beginning.
    assert_eq!(query("0"), (0, Some("0".to_owned())));
    let mut other = fixture.connect();
    let fields = [("consumerGroup", "g"), ("topic", "T"), ("queueId", "0"), ("commitOffset", "7")];
    assert_eq!(other.outcome(RequestCode::UpdateConsumerOffset, &fields, ""), (0, String::new()));
    assert_eq!(query("0"), (0, Some("7".to_owned())));
    let all = other.json(RequestCode::GetAllConsumerOffset, &[], &Value::Null);
    assert_eq!(all, json!({"offsetTable": {"T@g": {"0": 7}}}));
    let delays = other.json(RequestCode::GetAllDelayOffset, &[], &Value::Null);
    assert_eq!(delays, json!({"offsetTable": {}}));
}

#[test]
fn one_client_at_a_time_locks_a_queue() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    client.create_topic("T", "3");
    let queue = |id: i32| json!({"topic": "T", "brokerName": "broker-a", "queueId": id});
    let mut lock = |client_id: &str, ids: &[i32]| -> Vec<i64> {
        let queues: Vec<Value> = ids.iter().map(|&id| queue(id)).collect();
        let body = json!({"consumerGroup": "g", "clientId": client_id, "mqSet": queues});
        let answer = client.json(RequestCode::LockBatchMq, &[], &body);
        let locked = answer["lockOKMQSet"].as_array().unwrap();
        locked.iter().map(|queue| queue["queueId"].as_i64().unwrap()).collect()
    };
    assert_eq!(lock("a", &[0, 1]), [0, 1]);
    assert_eq!(lock("b", &[1, 2]), [2]);
    let mut other = fixture.connect();
    let body = json!({"consumerGroup": "g", "clientId": "a", "mqSet": [queue(1), queue(2)]});
    other.json(RequestCode::UnlockBatchMq, &[], &body);
    assert_eq!(lock("b", &[0, 1, 2]), [1, 2]);
}

#[test]
fn topics_are_made_changed_and_deleted() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    assert_eq!(client.create_topic("T", "4"), (0, String::new()));
    assert_eq!(client.create_topic("T", "2"), (0, String::new()));
    let (code, remark) = client.create_topic(CLUSTER, "2");
    assert_eq!(
        (code, remark.as_str()),
        (1, "the topic[DefaultCluster] is conflict with system reserved words.")
    );
    for (topic, queue_nums) in [("../x", "4"), ("a b", "4"), ("", "4"), ("T", "65536"), ("T", "-1")] {
        assert_eq!(client.create_topic(topic, queue_nums).0, 1, "{topic} {queue_nums}");
    }
    let saved = std::fs::read_to_string(fixture.folder.path().join("store/config/topics.json")).unwrap();
    assert!(
        saved.contains("\"topicName\":\"T\",\n\t\t\t\"topicSysFlag\":0,\n\t\t\t\"writeQueueNums\":2"),
        "{saved}"
    );
    fixture.put("T", 0, "one");
    fixture.put("T", 0, "two");
    let fields = [("topic", "T")];
    let answer = client.call(RequestCode::GetTopicStatsInfo, &fields, "");
    let table: BTreeMap<String, BTreeMap<String, Value>> = {
        let stats: rocketmq::protocol::body::stats::TopicStatsTable =
            compat::json::from_slice(&answer.body).unwrap();
        let row = |(queue, row): (&rocketmq::protocol::body::queue::MessageQueue, &_)| {
            let row: &rocketmq::protocol::body::stats::TopicOffset = row;
            let values = [
                ("max", row.max_offset),
                ("min", row.min_offset),
                ("is_timed", (row.last_update_timestamp > 0).into()),
            ];
            (queue.queue_id.to_string(), values.map(|(name, value)| (name.to_owned(), json!(value))).into())
        };
        stats.offset_table.iter().map(row).collect()
    };
    assert_eq!(
        serde_json::to_value(&table).unwrap(),
        json!({"0": {"max": 2, "min": 0, "is_timed": 1}, "1": {"max": 0, "min": 0, "is_timed": 0}})
    );
    assert_eq!(client.outcome(RequestCode::DeleteTopicInBroker, &fields, ""), (0, String::new()));
    assert_eq!(client.outcome(RequestCode::DeleteTopicInBroker, &fields, ""), (0, String::new()));
    let gone = client.outcome(RequestCode::GetTopicStatsInfo, &fields, "");
    assert_eq!(gone, (17, "topic[T] not exist".to_owned()));
    assert!(!fixture.folder.path().join("store/consumequeue/T").exists());
}

#[test]
fn groups_are_made_changed_and_deleted() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    let config = json!({"groupName": "g", "consumeEnable": false, "retryQueueNums": 3});
    client.json(RequestCode::UpdateAndCreateSubscriptiongroup, &[], &config);
    let groups = client.json(RequestCode::GetAllSubscriptiongroupConfig, &[], &Value::Null);
    let group = &groups["subscriptionGroupTable"]["g"];
    assert_eq!((&group["consumeEnable"], &group["retryQueueNums"]), (&json!(false), &json!(3)));
    assert!(groups["subscriptionGroupTable"]["TOOLS_CONSUMER"].is_object());
    let bad = client.outcome(RequestCode::UpdateAndCreateSubscriptiongroup, &[], "{\"groupName\":\"../x\"}");
    assert_eq!(bad.0, 1);
    client.json(RequestCode::DeleteSubscriptiongroup, &[("groupName", "g")], &Value::Null);
    let groups = client.json(RequestCode::GetAllSubscriptiongroupConfig, &[], &Value::Null);
    assert!(groups["subscriptionGroupTable"]["g"].is_null());
}

#[test]
fn queues_and_messages_can_be_looked_at() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    client.create_topic("T", "1");
    let first = fixture.put("T", 0, "one");
    let second = fixture.put("T", 0, "two");
    let mut field = |code: RequestCode, more: &[(&str, &str)], name: &str| {
        let mut fields = vec![("topic", "T"), ("queueId", "0")];
        fields.extend(more);
        let answer = client.call(code, &fields, "");
        assert_eq!(answer.code, 0);
        answer.ext_field(name).unwrap().parse::<i64>().unwrap()
    };
    assert_eq!(field(RequestCode::GetMaxOffset, &[], "offset"), 2);
    assert_eq!(field(RequestCode::GetMinOffset, &[], "offset"), 0);
    assert_eq!(field(RequestCode::SearchOffsetByTimestamp, &[("timestamp", "0")], "offset"), 0);
    assert!(field(RequestCode::GetEarliestMsgStoretime, &[], "timestamp") > 0);
    let unknown = [("topic", "none"), ("queueId", "3")];
    for (code, name, expected) in [
        (RequestCode::GetMaxOffset, "offset", "0"),
        (RequestCode::GetMinOffset, "offset", "0"),
        (RequestCode::GetEarliestMsgStoretime, "timestamp", "-1"),
    ] {
        let answer = client.call(code, &unknown, "");
        assert_eq!((answer.code, answer.ext_field(name)), (0, Some(expected)), "{code:?}");
    }
    let message = client.call(RequestCode::ViewMessageById, &[("offset", &second.to_string())], "");
    assert_eq!(message.code, 0);
    assert!(message.body.windows(3).any(|bytes| bytes == b"two"));
    for nowhere in [first + 1, -1, i64::MAX] {
        let offset = nowhere.to_string();
        let missing = client.outcome(RequestCode::ViewMessageById, &[("offset", &offset)], "");
        assert_eq!(missing, (1, format!("can not find message by the offset, {nowhere}")));
    }
}

#[test]
fn a_restart_keeps_topics_groups_and_offsets() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    client.create_topic("T", "3");
    client.heart_beat("a", "g", &["T"]);
    let fields = [("consumerGroup", "g"), ("topic", "T"), ("queueId", "2"), ("commitOffset", "5")];
    client.call(RequestCode::UpdateConsumerOffset, &fields, "");
    fixture.put("T", 0, "kept");
    let tables = |client: &mut Client| {
        [
            RequestCode::GetAllTopicConfig,
            RequestCode::GetAllSubscriptiongroupConfig,
            RequestCode::GetAllConsumerOffset,
        ]
        .map(|code| client.json(code, &[], &Value::Null))
    };
    let before = tables(&mut client);
    drop(client);
    fixture.stop();
    fixture.start();
    let mut client = fixture.connect();
    assert_eq!(tables(&mut client), before);
    let answer = client.call(RequestCode::GetMaxOffset, &[("topic", "T"), ("queueId", "0")], "");
    assert_eq!(answer.ext_field("offset"), Some("1"));
}

#[test]
fn both_ports_serve_every_code() {
    let fixture = Fixture::new();
    let mut vip = Client::connect(fixture.running().vip_addr());
    let topics = vip.json(RequestCode::GetSystemTopicListFromBroker, &[], &Value::Null);
    let names: Vec<&str> =
        topics["topicList"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let expected = [
        "AUTO_CREATE_TOPIC_KEY",
        "BenchmarkTest",
        CLUSTER,
        "DefaultCluster_REPLY_TOPIC",
        "OFFSET_MOVED_EVENT",
        "RMQ_SYS_TRACE_TOPIC",
        "SELF_TEST_TOPIC",
        "TBW102",
        "broker-a",
    ];
    assert_eq!(names, expected);
    vip.heart_beat("a", "g", &[]);
    let refused = vip.outcome(RequestCode::GetTopicNameList, &[], "");
    assert_eq!(refused, (3, " request type 23 not supported".to_owned()));
    for code in RequestCode::ALL.iter().filter(|code| request_code::is_of_namesrv(i32::from(**code))) {
        let (outcome, remark) = vip.outcome(*code, &[], "");
        assert!(outcome == 3 && remark.contains(" not supported; this is a broker, "), "{remark}");
    }
    assert_eq!(vip.outcome(RequestCode::HeartBeat, &[], "{").0, 1);
}

#[test]
fn settings_are_read_and_changed_within_limits() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    let answer = client.call(RequestCode::GetBrokerConfig, &[], "");
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(text.contains("brokerName=broker-a\n") && text.contains("flushDiskType=ASYNC_FLUSH\n"), "{text}");
    assert!(answer.ext_field("version").unwrap().starts_with("{\"counter\":0,"));
    let changed = client.outcome(RequestCode::UpdateBrokerConfig, &[], "brokerPermission=4\n");
    assert_eq!(changed, (0, String::new()));
    assert_eq!(fixture.running().broker().permission(), 4);
    let file = std::fs::read_to_string(fixture.folder.path().join("broker.conf")).unwrap();
    assert_eq!(file, "# ours\nbrokerName=broker-a\nbrokerPermission=4\n");
    for key in ["storePathRootDir", "rocketmqHome", "namesrvAddr", "brokerIP1", "listenPort"] {
        let text = format!("traceOn=false\n{key}=9");
        let (code, remark) = client.outcome(RequestCode::UpdateBrokerConfig, &[], &text);
        assert_eq!(code, 16, "{key}");
        assert!(remark.contains(key), "{remark}");
    }
    assert!(fixture.running().broker().live.trace_on());
    let version = client.call(RequestCode::GetBrokerConfig, &[], "");
    assert!(version.ext_field("version").unwrap().starts_with("{\"counter\":1,"));
}

#[test]
fn runtime_info_has_what_tools_need() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    let info = client.json(RequestCode::GetBrokerRuntimeInfo, &[], &Value::Null);
    let table = info["table"].as_object().unwrap();
    let text =
        |key: &str| table.get(key).unwrap_or_else(|| panic!("{key} is missing")).as_str().unwrap().to_owned();
    assert_eq!((text("brokerVersion"), text("brokerVersionDesc")), ("273".to_owned(), "V4_3_0".to_owned()));
    assert_eq!((text("putTps"), text("getTotalTps")), ("  ".to_owned(), "0.0 0.0 0.0".to_owned()));
    assert_eq!(
        (text("earliestMessageTimeStamp"), text("dispatchBehindBytes")),
        ("-1".to_owned(), "0".to_owned())
    );
    assert!(text("commitLogDirCapacity").starts_with("Total : "));
    for key in [
        "bootTimestamp",
        "runtime",
        "putMessageEntireTimeMax",
        "getMessageEntireTimeMax",
        "dispatchMaxBuffer",
        "putMessageTimesTotal",
        "putMessageSizeTotal",
        "putMessageAverageSize",
        "putMessageDistributeTime",
        "getFoundTps",
        "getMissTps",
        "getTransferedTps",
        "commitLogDiskRatio",
        "consumeQueueDiskRatio",
        "commitLogMinOffset",
        "commitLogMaxOffset",
        "msgPutTotalYesterdayMorning",
        "msgPutTotalTodayMorning",
        "msgPutTotalTodayNow",
        "msgGetTotalYesterdayMorning",
        "msgGetTotalTodayMorning",
        "msgGetTotalTodayNow",
        "sendThreadPoolQueueSize",
        "sendThreadPoolQueueCapacity",
        "sendThreadPoolQueueHeadWaitTimeMills",
        "pullThreadPoolQueueSize",
        "pullThreadPoolQueueCapacity",
        "pullThreadPoolQueueHeadWaitTimeMills",
        "queryThreadPoolQueueSize",
        "queryThreadPoolQueueCapacity",
        "queryThreadPoolQueueHeadWaitTimeMills",
        "pageCacheLockTimeMills",
        "startAcceptSendRequestTimeStamp",
        "remainTransientStoreBufferNumbs",
        "remainHowManyDataToFlush",
    ] {
        text(key);
    }
    assert_eq!(fixture.put("T", 0, "x"), 0);
    let info = client.json(RequestCode::GetBrokerRuntimeInfo, &[], &Value::Null);
    assert_ne!(info["table"]["earliestMessageTimeStamp"], "-1");
}

/// A name server that remembers what it is told, and knows one ordered topic.
struct NameServer {
    seen: Mutex<Vec<Command>>,
}

impl NameServer {
    fn start(runtime: &Runtime) -> (Arc<NameServer>, Server) {
        let state = Arc::new(NameServer { seen: Mutex::default() });
        let register = |state: &Arc<NameServer>, request: Request<NoHeader>| {
            state.seen.lock().unwrap().push(request.command);
            Response::with_body("{\"table\":{\"SELF_TEST_TOPIC\":\"broker-a:1\"}}")
        };
        let unregister = |state: &Arc<NameServer>, request: Request<NoHeader>| {
            state.seen.lock().unwrap().push(request.command);
            Response::ok()
        };
        let router = Router::new(Arc::clone(&state))
            .on(RequestCode::RegisterBroker, register)
            .on(RequestCode::UnregisterBroker, unregister);
        let _entered = runtime.enter();
        let bound = Bound::at(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let server = bound.serve(Arc::new(router), ServerOptions::default()).unwrap();
        (state, server)
    }

    fn codes(&self) -> Vec<i32> {
        self.seen.lock().unwrap().iter().map(|command| command.code).collect()
    }

    /// The topics of the last registration.
    fn topics(&self) -> Value {
        let seen = self.seen.lock().unwrap();
        let last =
            seen.iter().rev().find(|command| command.code == i32::from(RequestCode::RegisterBroker)).unwrap();
        let crc = i64::from(crc32fast::hash(&last.body) & 0x7fff_ffff);
        assert_eq!(last.ext_field("bodyCrc32").unwrap(), crc.to_string());
        let body: Value = serde_json::from_slice(&last.body).unwrap();
        body["topicConfigSerializeWrapper"]["topicConfigTable"].clone()
    }
}

#[test]
fn name_servers_are_told_of_start_topics_and_stop() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (name_server, server) = NameServer::start(&runtime);
    // One that is down holds up nothing and nobody.
    let (_held, down) = common::refusing_addr();
    let mut fixture = Fixture::registered_with(&format!("{down};{}", server.addr()));
    assert_eq!(name_server.codes(), [103], "registered before the start is over");
    let addr = fixture.running().addr();
    {
        let seen = name_server.seen.lock().unwrap();
        let field = |name: &str| seen[0].ext_field(name).unwrap().to_owned();
        assert_eq!(field("brokerName"), "broker-a");
        assert_eq!(field("clusterName"), CLUSTER);
        assert_eq!(field("brokerId"), "0");
        assert_eq!(field("brokerAddr"), format!("127.0.0.1:{}", addr.port()));
        assert_eq!(field("haServerAddr"), fixture.running().ha_addr().to_string());
    }
    assert_eq!(name_server.topics()["TBW102"]["writeQueueNums"], 8);
    let mut client = fixture.connect();
    let topics = client.json(RequestCode::GetAllTopicConfig, &[], &Value::Null);
    assert_eq!(topics["topicConfigTable"]["SELF_TEST_TOPIC"]["order"], true);
    client.create_topic("T", "5");
    assert_eq!(name_server.topics()["T"]["writeQueueNums"], 5, "registered before the reply");
    client.outcome(RequestCode::UpdateBrokerConfig, &[], "brokerPermission=4\n");
    client.create_topic("U", "5");
    assert_eq!(name_server.topics()["T"]["perm"], 4);
    fixture.stop();
    assert_eq!(name_server.codes().last(), Some(&104));
}

/// Clients do not send to a new topic before the name server has a route for what it is to be modelled on.
#[test]
fn auto_creation_can_be_switched_on_at_run_time() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (name_server, server) = NameServer::start(&runtime);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("broker.conf"), "brokerName=broker-a\n").unwrap();
    let fixture = Fixture::on(folder, &server.addr().to_string(), |configs| {
        configs.broker.auto_create_topic_enable = false;
    });
    assert!(name_server.topics()["TBW102"].is_null());
    let mut client = fixture.connect();
    let changed = client.outcome(RequestCode::UpdateBrokerConfig, &[], "autoCreateTopicEnable=true\n");
    assert_eq!(changed, (0, String::new()));
    let has = |topic: &str| name_server.topics()[topic]["perm"] == 7;
    common::until("the templates to be registered", || has("TBW102") && has("AUTO_CREATE_TOPIC_KEY"));
    client.put_in("new", "0", "body", "");
}

#[test]
fn a_taken_port_is_named() {
    let fixture = Fixture::new();
    let folder = tempfile::tempdir().unwrap();
    let mut configs = configs(folder.path(), "");
    configs.server.listen_port = fixture.running().addr().port().into();
    let port = configs.server.listen_port;
    match fixture.runtime.block_on(broker::start(configs.clone())) {
        Err(error @ StartError::Bind { .. }) => {
            assert!(error.to_string().contains(&port.to_string()), "{error}")
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("two brokers on one port"),
    }
    // Nothing of the attempt is left: the folder can be used again.
    configs.server.listen_port = 0;
    let running = fixture.runtime.block_on(broker::start(configs)).unwrap();
    assert!(fixture.runtime.block_on(running.stop()));
}

#[test]
fn messages_are_found_by_key() {
    let fixture = Fixture::new();
    let broker = fixture.running().broker();
    let put = |topic: &str, properties: &str| {
        let result = broker.store.put(&NewMessage {
            topic,
            queue_id: 0,
            flag: 0,
            sys_flag: 0,
            born_timestamp_ms: 0,
            born_host: broker.store_host,
            store_host: broker.store_host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: b"x",
            properties,
        });
        broker.store.dispatch_all();
        (result.commit_log_offset, result.store_timestamp_ms)
    };
    let first = put("T", "KEYS\u{1}a b\u{2}").0;
    let second = put("T", "UNIQ_KEY\u{1}u\u{2}KEYS\u{1}a\u{2}").0;
    let (third, newest_ms) = put("U", "KEYS\u{1}a\u{2}");
    let mut client = fixture.connect();
    let mut query = |topic: &str, key: &str, max_num: i32, end_timestamp: i64, unique: bool| {
        let (max_num, end) = (max_num.to_string(), end_timestamp.to_string());
        let mut fields = vec![
            ("topic", topic),
            ("key", key),
            ("maxNum", &max_num),
            ("beginTimestamp", "0"),
            ("endTimestamp", &end),
        ];
        if unique {
            fields.push(("_UNIQUE_KEY_QUERY", "true"));
        }
        let answer = client.call(RequestCode::QueryMessage, &fields, "");
        let newest: QueryMessageResponseHeader = answer.header().unwrap();
        assert_eq!(
            (newest.index_last_update_phyoffset, newest.index_last_update_timestamp),
            (third, newest_ms)
        );
        let found: Vec<i64> =
            messages(&answer.body).map(|message| message.unwrap().commit_log_offset).collect();
        assert_eq!(answer.code, if found.is_empty() { 22 } else { 0 });
        found
    };
    let end = i64::MAX;
    assert_eq!(query("T", "a", 32, end, false), [first, second]);
    assert_eq!(query("T", "a", 1, end, false), [second]);
    assert_eq!(query("T", "b", i32::MAX, end, false), [first]);
    assert_eq!(query("T", "u", 0, end, true), [second]);
    assert_eq!(query("U", "a", 32, end, false), [third]);
    for (topic, key, max_num, end) in
        [("T", "c", 32, end), ("V", "a", 32, end), ("T", "a", -1, end), ("T", "a", 32, 5)]
    {
        assert!(query(topic, key, max_num, end, false).is_empty(), "{topic} {key} {max_num} {end}");
    }
}

#[test]
fn unused_queues_go_by_command() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    client.create_topic("Known", "1");
    fixture.put("Known", 0, "a");
    fixture.put("Unknown", 0, "b");
    let broker = fixture.running().broker();
    for (code, unknown) in [(RequestCode::CleanExpiredConsumequeue, 1), (RequestCode::CleanUnusedTopic, 0)] {
        assert_eq!(client.outcome(code, &[], "").0, 0);
        let offsets = (broker.store.max_offset("Known", 0), broker.store.max_offset("Unknown", 0));
        assert_eq!(offsets, (1, unknown), "{code:?}");
    }
}
