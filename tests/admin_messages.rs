//! `rocketmq admin` from outside: messages, consumer groups, offsets, queues and statistics of a running server, as text, as
//! JSON and by exit code. That the texts are Java's is for the interop tests to say.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::fs;

use rocketmq::protocol::request_code::RequestCode;
use serde_json::{Value, json};

use self::common::admin::{DONE, FAILED, Server, USAGE};
use self::common::broker::Client;
use self::common::{free_port, start_server};

fn bodies(values: &[Value]) -> Vec<&str> {
    values.iter().map(|value| value["body"].as_str().unwrap()).collect()
}

#[test]
fn a_message_is_found_by_all_its_names() {
    let server = Server::with_topic("1");
    let sent = server.send("the body", &["-k", "k1 k2", "-c", "TagA"]);
    assert_eq!((&sent["sendResult"], &sent["queueOffset"]), (&json!("SEND_OK"), &json!(0)));
    let (id, offset_id) = (sent["msgId"].as_str().unwrap(), sent["offsetMsgId"].as_str().unwrap());
    let check = |command: &[&str], has_offsets: bool| {
        let found = server.values(command).remove(0);
        assert_eq!((&found["msgId"], &found["offsetMsgId"]), (&sent["msgId"], &sent["offsetMsgId"]));
        assert_eq!((&found["body"], &found["tracks"]), (&json!("the body"), &json!([])));
        assert_eq!(found["properties"]["KEYS"], "k1 k2");
        assert_eq!(found["properties"].get("MIN_OFFSET").is_some(), has_offsets);
        assert_eq!(fs::read(found["bodyPath"].as_str().unwrap()).unwrap(), b"the body");
    };
    check(&["queryMsgById", "-i", offset_id], false);
    check(&["queryMsgByUniqueKey", "-t", "T", "-i", id], false);
    check(&["queryMsgByUniqueKey", "-t", "T", "-i", offset_id], false);
    check(&["queryMsgByOffset", "-t", "T", "-b", "broker-a", "-i", "0", "-o", "0"], true);
    let found = server.values(&["queryMsgByKey", "-t", "T", "-k", "k2"]);
    assert_eq!(found, [json!({"messageId": id, "queueId": 0, "offset": 0, "topic": "T"})]);

    let check = |command: &[&str], expected: &str| {
        let outcome = server.run(command);
        assert_eq!((outcome.code, outcome.err), (FAILED, vec![expected.to_owned()]), "{command:?}");
    };
    let no_message = "ERROR: CODE: 208  DESC: query message by";
    check(&["queryMsgByKey", "-t", "T", "-k", "k3"], &format!("{no_message} key finished, but no message."));
    check(&["queryMsgById", "-i", "x"], &format!("{no_message} id finished, but no message."));
    let beyond = "ERROR: MessageQueue [topic=T, brokerName=broker-a, queueId=0] has no message at offset 7: \
                  OFFSET_ILLEGAL";
    check(&["queryMsgByOffset", "-t", "T", "-b", "broker-a", "-i", "0", "-o", "7"], beyond);
    // What can be found is shown, and the end says that not all could.
    let outcome = server.run(&["queryMsgById", "-i", &format!("x,{offset_id}")]);
    assert_eq!((outcome.code, outcome.err.len()), (FAILED, 1));
    assert!(outcome.out.iter().any(|line| line.contains("[k1 k2]")), "{outcome:?}");
}

#[test]
fn queues_are_read_to_their_end() {
    let server = Server::with_topic("2");
    for number in 0..40 {
        server.client().put_in("T", "0", &number.to_string(), "TAGS\u{1}Many\u{2}");
    }
    server.client().put_in("T", "1", "other", "TAGS\u{1}One\u{2}");
    server.client().put_in("T", "0", "last", "TAGS\u{1}One\u{2}");
    let all = server.values(&["printMsg", "-t", "T"]);
    assert_eq!((all.len(), bodies(&all)[0], bodies(&all)[40], bodies(&all)[41]), (42, "0", "last", "other"));
    assert_eq!(bodies(&server.values(&["printMsg", "-t", "T", "-s", "One"])), ["last", "other"]);
    let without = server.values(&["printMsg", "-t", "T", "-s", "One", "-d", "false"]);
    assert!(without.iter().all(|value| value.get("body").is_none()), "{without:?}");
    assert_eq!(server.values(&["printMsg", "-t", "T", "-e", "2020-01-01#00:00:00:000"]), [] as [Value; 0]);

    // Behind a whole batch that does not match.
    let queue = ["printMsgByQueue", "-t", "T", "-a", "broker-a", "-i", "0"];
    let found = server.values(&[&queue[..], &["-p", "true", "-d", "true", "-s", "One"]].concat());
    assert_eq!(bodies(&found), ["last"]);
    let counted = server.lines(&[&queue[..], &["-f", "true"]].concat());
    let line = |tag: &str, count: u32| format!("Tag: {tag:<30} Count: {count}");
    assert_eq!(counted, [line("Many", 40), line("One", 1)]);

    // A number counts for all queues together.
    let check = |more: &[&str], expected: usize| {
        let consumed = server.values(&[&["consumeMessage", "-t", "T"], more].concat());
        assert_eq!(consumed.len(), expected, "{more:?}");
    };
    check(&["-c", "41"], 41);
    check(&["-c", "42"], 42);
    check(&["-c", "3"], 3);
    check(&["-b", "broker-a", "-i", "0", "-o", "39", "-g", "OfMine"], 2);
    let outcome = server.run(&["consumeMessage", "-t", "T", "-i", "0"]);
    assert_eq!(
        (outcome.code, outcome.out),
        (FAILED, vec!["Please set the brokerName before queueId!".to_owned()])
    );
    let entries = server.lines(&["queryCq", "-t", "T", "-q", "0", "-i", "39", "-c", "5"]);
    assert_eq!(entries[1], "max: 41, min: 0");
    assert_eq!((&entries[3], &entries[6]), (&"idx: 39".to_owned(), &"idx: 40".to_owned()));
    assert!(entries[4].starts_with("ConsumeQueueData{physicOffset="), "{entries:?}");
}

#[test]
fn what_no_option_names_stays() {
    let server = Server::start();
    let update = |more: &[&str]| {
        let arguments = [&["updateSubGroup", "-g", "G", "-b", &server.broker], more].concat();
        let lines = server.lines(&arguments);
        assert_eq!(lines[0], format!("create subscription group to {} success.", server.broker));
        let group = server.group("G");
        let field = |name: &str| group[name].clone();
        json!([field("consumeBroadcastEnable"), field("retryMaxTimes"), field("consumeFromMinEnable")])
    };
    assert_eq!(update(&[]), json!([false, 16, false]));
    assert_eq!(update(&["-d", "true"]), json!([true, 16, false]));
    assert_eq!(update(&["-r", "3"]), json!([true, 3, false]));
    assert_eq!(server.run(&["updateSubGroup", "-g", "G"]).code, USAGE);
    let outcome = server.run(&["updateSubGroup", "-g", "G", "-c", "NoSuchCluster"]);
    let expected =
        "[error] Make sure the specified clusterName exists or the name server connected to is correct.";
    assert_eq!((outcome.code, outcome.out), (FAILED, vec![expected.to_owned()]));

    let lines = server.lines(&["deleteSubGroup", "-g", "G", "-c", "DefaultCluster"]);
    let broker = &server.broker;
    let expected = [
        format!("delete subscription group [G] from broker [{broker}] in cluster [DefaultCluster] success."),
        "delete topic [%RETRY%G] from cluster [DefaultCluster] success.".to_owned(),
        "delete topic [%RETRY%G] from NameServer success.".to_owned(),
        "delete topic [%DLQ%G] from cluster [DefaultCluster] success.".to_owned(),
        "delete topic [%DLQ%G] from NameServer success.".to_owned(),
    ];
    assert_eq!(lines, expected);
    assert_eq!(server.group("G"), Value::Null);
}

#[test]
fn offsets_are_cloned_and_reset() {
    let server = Server::with_topic("2");
    for number in 0..5 {
        for queue_id in ["0", "1"] {
            server.client().put_in("T", queue_id, &number.to_string(), "");
        }
    }
    // The retry topic is how a group is found.
    server.client().create_topic("%RETRY%Source", "1");
    server.commit("Source", "T", "0", "3");
    server.commit("Source", "T", "1", "4");
    server.commit("Source", "Other", "0", "9");
    let clone = ["cloneGroupOffset", "-s", "Source", "-d", "Copy", "-t", "T", "-o", "true"];
    let expected = "clone group offset success. srcGroup[Source], destGroup=[Copy], topic[T]";
    assert_eq!(server.lines(&clone), [expected]);
    let of_copy = || ["0", "1"].map(|queue_id| server.committed("Copy", "T", queue_id));
    assert_eq!(of_copy(), [Some(3), Some(4)]);
    assert_ne!(server.committed("Copy", "Other", "0"), Some(9));
    let outcome = server.run(&["cloneGroupOffset", "-s", "Nobody", "-d", "Copy", "-t", "T"]);
    assert_eq!((outcome.code, of_copy()), (FAILED, [Some(3), Some(4)]));

    // Nobody of the group is there.
    let reset = |timestamp: &str, force: &str| {
        server.values(&["resetOffsetByTime", "-g", "Copy", "-t", "T", "-s", timestamp, "-f", force])
    };
    let found = reset("-1", "false");
    assert_eq!((&found[0]["timestampOffset"], &found[0]["rollbackOffset"]), (&json!(5), &json!(3)));
    assert_eq!(of_copy(), [Some(3), Some(4)]);
    let rehearsed = server.values(&["resetOffsetByTime", "-g", "Copy", "-t", "T", "-s", "-1", "--dry-run"]);
    assert_eq!(rehearsed[1]["rollbackOffset"], 5);
    assert_eq!(of_copy(), [Some(3), Some(4)]);
    assert_eq!(reset("-1", "true")[1]["rollbackOffset"], 5);
    assert_eq!(of_copy(), [Some(5), Some(5)]);
    assert_eq!(reset("2020-01-01#00:00:00:000", "true").len(), 2);
    assert_eq!(of_copy(), [Some(0), Some(0)]);
    let outcome = server.run(&["resetOffsetByTime", "-g", "Copy", "-t", "T", "-s", "yesterday"]);
    let expected =
        "ERROR: -s yesterday: neither now, milliseconds since 1970 as a number, nor yyyy-MM-dd#HH:mm:ss:SSS";
    assert_eq!((outcome.code, outcome.err), (USAGE, vec![expected.to_owned()]));

    // A member is told.
    let mut member = server.member("member", "Copy");
    let rows = reset("now", "true");
    let queues: Vec<&Value> = rows.iter().map(|row| &row["queueId"]).collect();
    assert_eq!(queues, [&json!(0), &json!(1)]);
    assert_eq!(member.asked().code, i32::from(RequestCode::ResetConsumerClientOffset));
}

#[test]
fn members_are_asked() {
    let server = Server::with_topic("1");
    let sent = server.send("body", &[]);
    let mut member = server.member("10.0.0.1@7", "G");
    server.commit("G", "T", "0", "1");

    let lines = server.lines(&["consumerProgress", "-g", "G"]);
    let queue: Vec<&str> = lines[1].split_whitespace().take(7).collect();
    assert_eq!(queue, ["T", "broker-a", "0", "1", "1", "N/A", "0"]);
    assert_eq!(lines[3..], ["Consume TPS: 0.0", "Diff Total: 0"]);
    let groups = server.lines(&["consumerProgress"]);
    let group: Vec<&str> = groups[1].split_whitespace().collect();
    assert_eq!(group, ["G", "1", "V4_3_0", "PUSH", "CLUSTERING", "0", "0"]);
    let track = server.values(&["queryMsgById", "-i", sent["offsetMsgId"].as_str().unwrap()]);
    let expected = json!([{"consumerGroup": "G", "trackType": "CONSUMED", "exceptionDesc": null}]);
    assert_eq!(track[0]["tracks"], expected);

    let info = json!({
        "mqTable": {},
        "properties": {"PROP_CONSUME_TYPE": "CONSUME_PASSIVELY", "consumerGroup": "G"},
        "statusTable": {},
        "subscriptionSet": [],
    });
    let mut status = server.begin(&["consumerStatus", "-g", "G"]);
    let asked = member.asked();
    assert_eq!(asked.code, i32::from(RequestCode::GetConsumerRunningInfo));
    member.answer(&asked, 0, None, info.to_string().as_bytes());
    let outcome = status.finish();
    assert_eq!(outcome.code, DONE, "{outcome:?}");
    let row: Vec<&str> = outcome.out[0].split_whitespace().collect();
    assert_eq!(row[..3], ["001", "10.0.0.1@7", "V4_3_0"]);
    let file = fs::read_to_string(server.home.path().join(row[3])).unwrap();
    assert!(file.starts_with("#Consumer Properties#\nPROP_CONSUME_TYPE "), "{file}");
    assert!(outcome.out.contains(&"Rebalance OK".to_owned()), "{outcome:?}");

    let id = sent["offsetMsgId"].as_str().unwrap();
    let mut push = server.begin(&["queryMsgById", "-i", id, "-g", "G", "-d", "10.0.0.1@7", "--json"]);
    let asked = member.asked();
    assert_eq!(asked.code, i32::from(RequestCode::ConsumeMessageDirectly));
    member.answer(&asked, 0, None, br#"{"consumeResult":"CR_LATER","spentTimeMills":3}"#);
    let outcome = push.finish();
    assert_eq!(outcome.code, DONE, "{outcome:?}");
    let result: Value = serde_json::from_str(&outcome.out[0]).unwrap();
    assert_eq!(result["consumeResult"], "CR_LATER");
}

#[test]
fn several_brokers_are_asked_and_one_that_is_down_is_named() {
    let server = Server::with_topic("1");
    let (_second, port, _) = start_server(server.home.path(), |port| {
        let store = server.home.path().join("second");
        vec![
            "broker".to_owned(),
            format!("listenPort={port}"),
            "brokerIP1=127.0.0.1".to_owned(),
            "brokerName=broker-b".to_owned(),
            format!("namesrvAddr={}", server.namesrv),
            format!("storePathRootDir={}", store.display()),
            format!("storePathCommitLog={}", store.join("commitlog").display()),
        ]
    });
    let second_addr = format!("127.0.0.1:{port}");
    let mut client = Client::connect(second_addr.parse().unwrap());
    for topic in ["T", "%RETRY%G"] {
        client.create_topic(topic, "1");
        server.client().create_topic(topic, "1");
    }
    let on = |broker_name: &str| {
        let sent = server.send("body", &["-k", "key", "-b", broker_name]);
        assert_eq!(sent["brokerName"], broker_name);
    };
    on("broker-a");
    on("broker-b");
    server.commit("G", "T", "0", "0");
    assert_eq!(server.values(&["queryMsgByKey", "-t", "T", "-k", "key"]).len(), 2);
    let consumed = server.values(&["consumeMessage", "-t", "T", "-b", "broker-b"]);
    assert_eq!(consumed.len(), 1);

    // A name server forgets a broker with its connection: this one only says that it is one.
    let down = format!("127.0.0.1:{}", free_port());
    let mut pretender = Client::connect(server.namesrv.parse().unwrap());
    let fields = [
        ("brokerName", "broker-c"),
        ("brokerAddr", down.as_str()),
        ("clusterName", "DefaultCluster"),
        ("haServerAddr", down.as_str()),
        ("brokerId", "0"),
    ];
    let config =
        |topic: &str| json!({"topicName": topic, "readQueueNums": 1, "writeQueueNums": 1, "perm": 6});
    let topics = json!({"T": config("T"), "%RETRY%G": config("%RETRY%G")});
    let wrapper = json!({"dataVersion": {"counter": 1, "timestamp": 1}, "topicConfigTable": topics});
    let body = json!({"topicConfigSerializeWrapper": wrapper, "filterServerList": []});
    assert_eq!(pretender.outcome(RequestCode::RegisterBroker, &fields, &body.to_string()).0, 0);
    let check = |command: &[&str], rows: usize| {
        let outcome = server.run(&[command, &["--json"]].concat());
        let expected = format!("ERROR: connect to {down} failed: Connection refused (os error 111)");
        assert_eq!((outcome.code, outcome.err), (FAILED, vec![expected]), "{command:?}");
        assert_eq!(outcome.out.len(), rows, "{command:?}");
    };
    check(&["consumerProgress", "-g", "G"], 1);
    check(&["queryMsgByKey", "-t", "T", "-k", "key"], 2);
    check(&["resetOffsetByTime", "-g", "G", "-t", "T", "-s", "-1"], 0);
}

#[test]
fn sends_are_measured_and_groups_watched() {
    let server = Server::with_topic("2");
    let rows = server.lines(&["checkMsgSendRT", "-t", "T", "-s", "16", "-a", "3"]);
    let queues: Vec<&str> = rows[1..4].iter().map(|row| row.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!((queues, rows[4].split(' ').count()), (vec!["0", "1", "0"], 3));
    assert_eq!(server.values(&["sendMsgStatus", "-b", "broker-a", "-c", "2"]).len(), 2);
    let cluster_rt = server.begin(&["clusterRT", "-s", "16", "-a", "2", "-i", "1"]);
    assert!(cluster_rt.line().unwrap().starts_with("#Cluster Name "));
    for _ in 0..2 {
        let row = cluster_rt.line().unwrap();
        let row: Vec<&str> = row.split_whitespace().collect();
        assert_eq!((row[0], row[1], row[3], row[4]), ("DefaultCluster", "broker-a", "2", "0"));
    }
    let stats = server.values(&["statsAll", "-t", "T"]);
    assert_eq!((stats.len(), &stats[0]["topic"], &stats[0]["consumerGroup"]), (1, &json!("T"), &Value::Null));

    let _member = server.member("member", "G");
    server.commit("G", "T", "0", "0");
    let monitor = server.begin(&["startMonitoring"]);
    let mut told = Vec::new();
    while !told.last().is_some_and(|line: &String| line.contains("reportUndoneMsgs")) {
        told.push(monitor.line().unwrap());
    }
    assert!(told[0].ends_with("[MONITOR] =========================================beginRound"), "{told:?}");
    let undone = "[MONITOR] reportUndoneMsgs: UndoneMsgs [consumerGroup=G, topic=T, undoneMsgsTotal=";
    assert!(told.last().unwrap().contains(undone), "{told:?}");
}

#[test]
fn failures_say_what_and_where() {
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| common::run(home.path(), &[&["admin"], arguments].concat());
    let check_code = |arguments: &[&str], code: Option<i32>, expected: &str| {
        let outcome = run(arguments);
        assert_eq!((outcome.code, outcome.err), (code, vec![expected.to_owned()]), "{arguments:?}");
    };
    let check = |arguments: &[&str], expected: &str| check_code(arguments, FAILED, expected);
    let no_namesrv = "ERROR: no name server is known: name one with -n HOST:PORT or in NAMESRV_ADDR";
    check(&["statsAll"], no_namesrv);
    let down = format!("127.0.0.1:{}", free_port());
    let refused = format!("ERROR: connect to {down} failed: Connection refused (os error 111)");
    check(&["statsAll", "-n", &down], &refused);
    check(&["sendMessage", "-t", "T", "-p", "x", "-n", &down], &refused);
    let check = |arguments: &[&str], expected: &str| check_code(arguments, USAGE, expected);
    check(&["sendMessage", "-t", "T"], "ERROR: Missing required option: p");
    check(&["queryMsgById", "-i", "x", "-y"], "ERROR: Unrecognized option: -y");
    check(
        &["checkMsgSendRT", "-t", "T", "-s", "many", "-n", &down],
        "ERROR: -s many: not a number that fits",
    );

    let usage = "usage: mqadmin queryMsgByKey [-h] -k <arg> [-n <arg>] -t <arg>";
    let check = |arguments: &[&str], code: Option<i32>, expected: &str| {
        let outcome = run(arguments);
        assert_eq!((outcome.code, outcome.out[0].as_str()), (code, expected), "{arguments:?}");
    };
    check(&["queryMsgByKey", "-h"], DONE, usage);
    check(&["help", "QUERYMSGBYKEY"], DONE, usage);
    check(&["queryMsgByKey"], USAGE, usage);
    check(&["noSuchCommand"], USAGE, "The sub command noSuchCommand not exist.");
    check(&[], DONE, "The most commonly used mqadmin commands are:");
}
