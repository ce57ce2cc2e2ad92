//! The log of a running server: what operators of 4.3.0 look for in it, its level changed by `updateBrokerConfig` and
//! `updateNamesrvConfig`, and its lines as JSON. Which target goes into which file, and how files roll, is tested beside the
//! code.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::path::Path;

use common::broker::Client;
use common::{Program, broker_args, call, connect, start_server, until};
use rocketmq::protocol::header::NoHeader;
use rocketmq::protocol::request_code::RequestCode;
use rocketmq::remoting::Command;
use serde_json::{Value, json};

/// The lines that are in a log, each one JSON object.
fn lines(home: &Path, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(home.join("logs/rocketmqlogs").join(name)).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn said(home: &Path, name: &str, message: &str) -> bool {
    lines(home, name).iter().any(|line| line["message"].as_str().unwrap().starts_with(message))
}

fn check(
    program: &str,
    log: &str,
    code: RequestCode,
    message: &str,
    args: impl Fn(&Path, u16) -> Vec<String>,
) {
    let home = tempfile::tempdir().unwrap();
    let with = |port| {
        let mut args = args(home.path(), port);
        args.extend(["--log-format", "json", "logLevel=warn"].map(str::to_owned));
        args
    };
    let (mut server, port, _) = start_server(home.path(), with);
    let mut stream = connect(port);
    let mut set = |settings: &str| {
        let mut request = Command::request(code, &NoHeader {});
        request.body = settings.to_owned().into();
        let reply = call(&mut stream, request);
        (reply.code, reply.remark.unwrap_or_default())
    };
    for level in ["rocketmq=loud", "nonsense", "info;debug"] {
        let (code, remark) = set(&format!("logLevel={level}"));
        assert!(code != 0 && remark.contains("logLevel") && remark.contains(level), "{code} {remark}");
    }
    assert_eq!(set("logLevel=warning").0, 0);
    until("the refusal in the log", || said(home.path(), log, "change of settings refused"));
    assert_eq!(set("logLevel=info").0, 0);
    // It is this one's line that comes: the one before came while only warnings did.
    assert_eq!(set("logLevel=debug").0, 0);
    until("the change in the log", || said(home.path(), log, message));
    let lines = lines(home.path(), log);
    assert!(!said(home.path(), log, "starting"), "{program}: what a start says is no warning");
    let changes: Vec<_> =
        lines.iter().filter(|it| it["message"].as_str().unwrap().starts_with(message)).collect();
    assert_eq!(changes.len(), 1, "{program}: {changes:?}");
    assert_eq!(
        (&changes[0]["level"], &changes[0]["fields"]["changed"]),
        (&json!("INFO"), &json!("[\"logLevel\"]"))
    );
    assert_eq!(server.stop().code, Some(0));
}

#[test]
fn a_brokers_log_changes_its_level() {
    let args = |home: &Path, port| broker_args(home, port);
    check("broker", "broker.log", RequestCode::UpdateBrokerConfig, "settings changed", args);
}

#[test]
fn a_name_servers_log_changes_its_level() {
    let args = |_: &Path, port| vec!["namesrv".to_owned(), format!("listenPort={port}")];
    check("namesrv", "namesrv.log", RequestCode::UpdateNamesrvConfig, "updateConfig called by", args);
}

/// Java: `BrokerController.printWaterMark`.
#[test]
fn a_broker_says_each_second_who_waits() {
    let home = tempfile::tempdir().unwrap();
    let (_server, ..) = start_server(home.path(), |port| broker_args(home.path(), port));
    let file = home.path().join("logs/rocketmqlogs/watermark.log");
    let text = || std::fs::read_to_string(&file).unwrap_or_default();
    until("two rounds", || text().matches('\n').count() >= 6);
    for (line, queue) in text().lines().zip(["Send", "Pull", "Query"].iter().cycle()) {
        let (time, said) = line.split_once(" - ").unwrap();
        assert_eq!(time.len(), "2026-11-23 08:14:31".len(), "{line}");
        assert_eq!(said, format!("[WATERMARK] {queue} Queue Size: 0 SlowTimeMills: 0"));
    }
}

/// A level that is none must not leave a server without a log.
#[test]
fn a_level_that_is_none_is_told_of_and_passed_over() {
    let home = tempfile::tempdir().unwrap();
    let port = common::free_port().to_string();
    let refused = common::run(home.path(), &["namesrv", &format!("listenPort={port}"), "logLevel=nonsense"]);
    assert!(
        refused.code == Some(255) && refused.err.join("\n").contains("\"nonsense\" is no level"),
        "{refused:?}"
    );
    let checked = common::run(home.path(), &["namesrv", "--check-config", "logLevel=debug2"]);
    assert!(
        checked.code != Some(0) && checked.out.join("\n").contains("\"debug2\" is no level"),
        "{checked:?}"
    );
}

/// What the environment says wrongly costs no log either, and is told of.
#[test]
fn a_server_names_what_its_environment_says_wrongly() {
    let home = tempfile::tempdir().unwrap();
    let env = [("ROCKETMQ_LOG", "info;debug"), ("TZ", "Nope/Zone")];
    let with = |port| vec!["namesrv".to_owned(), format!("listenPort={port}")];
    let (mut server, ..) = common::start_server_in(home.path(), &env, with);
    let err = server.stop().err.join("\n");
    for words in ["ROCKETMQ_LOG has no effect", "TZ names no time zone that is known: times are in UTC"] {
        assert!(err.contains(&format!("WARNING: {words}: ")), "{err}");
        Logs(home.path()).check("namesrv.log", &[words]);
    }
    Logs(home.path()).check("namesrv.log", &[" - The Name Server boot success."]);
}

/// What the log files of one program hold.
struct Logs<'a>(&'a Path);

impl Logs<'_> {
    fn has(&self, name: &str, words: &str) -> bool {
        let path = self.0.join("logs/rocketmqlogs").join(name);
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().any(|line| line.contains(words))
    }

    fn check(&self, name: &str, expected: &[&str]) {
        for words in expected {
            until(&format!("{name}: {words}"), || self.has(name, words));
        }
    }
}

fn broker(home: &Path, namesrv: &str, more: &[&str]) -> (Program, u16) {
    let with = |port| {
        let mut args = broker_args(home, port);
        args.extend(["-n", namesrv].map(str::to_owned));
        args.extend(more.iter().map(|it| (*it).to_owned()));
        args
    };
    let (program, port, _) = start_server(home, with);
    (program, port)
}

/// behaviour.md 3.3: what tutorials and operators grep for, in the files where 4.3.0 has it.
#[test]
fn operators_find_the_lines_of_4_3_0() {
    let homes = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let [ns_home, home, slave_home] = homes.each_ref().map(tempfile::TempDir::path);
    let [ns_log, log, slave_log] = [ns_home, home, slave_home].map(Logs);
    let kv = ns_home.join("kvConfig.json");
    std::fs::write(&kv, r#"{"configTable":{"N":{"K":"V"}}}"#).unwrap();
    let with = |port| {
        ["namesrv".to_owned(), format!("listenPort={port}"), format!("kvConfigPath={}", kv.display())].into()
    };
    let (mut namesrv, ns_port, _) = start_server(ns_home, with);
    let ns = format!("127.0.0.1:{ns_port}");
    let hours: Vec<String> = (0..24).map(|hour| format!("{hour:02}")).collect();
    let hours = format!("deleteWhen={}", hours.join(";"));
    let settings = [
        "brokerRole=ASYNC_MASTER",
        "enablePropertyFilter=true",
        "disableConsumeIfConsumerReadSlowly=true",
        "consumerFallbehindThreshold=1",
        "transactionCheckInterval=100",
        "mapedFileSizeCommitLog=65536",
        "fileReservedTime=0",
        "cleanResourceInterval=50",
        &hours,
    ];
    let (mut master, port) = broker(home, &ns, &settings);
    let (mut slave, _) =
        broker(slave_home, &ns, &["brokerRole=SLAVE", "brokerId=1", "mapedFileSizeCommitLog=65536"]);
    let addr = format!("127.0.0.1:{port}");
    let mut client = Client::connect(([127, 0, 0, 1], port).into());
    let here = client.addr();

    client.put_in("T", "0", &"x".repeat(40_000), "");
    client.put_in("T", "0", &"x".repeat(40_000), "");
    client.put_in("T", "0", "last", "");
    let fields =
        [("a", "p"), ("b", "U"), ("c", "nope"), ("d", "4"), ("e", "0"), ("f", "0"), ("g", "1"), ("h", "0")];
    assert_eq!(client.outcome(RequestCode::SendMessageV2, &fields, "x").0, 17);
    client.create_topic("C", "2");
    client.create_topic("C", "3");
    client.heart_beat("me", "g", &["T"]);
    let subscription = json!({"topic": "T", "subString": "a = 1", "subVersion": 1, "expressionType": "SQL92",
        "classFilterMode": false, "tagsSet": [], "codeSet": []});
    let consumer = json!({"groupName": "sql", "consumeType": "CONSUME_PASSIVELY", "messageModel": "CLUSTERING",
        "consumeFromWhere": "CONSUME_FROM_LAST_OFFSET", "unitMode": false, "subscriptionDataSet": [subscription]});
    let beat = json!({"clientID": "me", "consumerDataSet": [consumer], "producerDataSet": []});
    client.json(RequestCode::HeartBeat, &[], &beat);
    let locks = json!({"consumerGroup": "g", "clientId": "me",
        "mqSet": [{"topic": "T", "brokerName": "broker-a", "queueId": 0}]});
    client.json(RequestCode::LockBatchMq, &[], &locks);
    client.json(RequestCode::UnlockBatchMq, &[], &locks);
    let mut pull = |group: &str, offset: &str| {
        let fields = [
            ("consumerGroup", group),
            ("topic", "T"),
            ("queueId", "0"),
            ("queueOffset", offset),
            ("maxMsgNums", "1"),
            ("sysFlag", "4"),
            ("commitOffset", "0"),
            ("suspendTimeoutMillis", "0"),
            ("subscription", "*"),
            ("subVersion", "0"),
        ];
        client.outcome(RequestCode::PullMessage, &fields, "").0
    };
    assert_eq!(pull("g", "1000"), 21);
    pull("slow", "0");
    drop(client);

    ns_log.check(
        "namesrv.log",
        &[
            "orderMessageEnable=false",
            &format!("listenPort={ns_port}"),
            "configTable SIZE: 1",
            "configTable NS: N Key: K Value: V",
            "The Name Server boot success. serializeType=JSON",
            &format!("new broker registered, {addr} HAServer: 127.0.0.1:{}", port + 1),
            "new topic registered, T QueueData [",
        ],
    );
    let topic = "TopicConfig [topicName=";
    log.check(
        "broker.log",
        &[
            "brokerClusterName=DefaultCluster",
            &format!("Set user specified name server address: {ns}"),
            &format!("register broker to name server {ns} OK"),
            &format!("The broker[broker-a, {addr}] boot success. serializeType=JSON and name server is {ns}"),
            &format!("Create new topic by default topic:[TBW102] config:[{topic}T, "),
            &format!("producer:[{here}]"),
            &format!("Create new topic failed, because the default topic[nope] not exist. producer:[{here}]"),
            &format!("create new topic [{topic}C, readQueueNums=2"),
            &format!("update topic config, old:[{topic}C, readQueueNums=2"),
            &format!("create new topic {topic}%RETRY%g, "),
            "auto create a subscription group, SubscriptionGroupConfig [groupName=g, ",
            &format!(
                "new consumer connected, group: g CONSUME_PASSIVELY CLUSTERING channel: ClientChannelInfo [channel=/{here}, \
                 clientId=me, language=JAVA, version="
            ),
            "subscription changed, add new topic, group: g",
            "new producer connected, group: CLIENT_INNER_PRODUCER channel: ClientChannelInfo [",
            &format!("the request offset: 1000 over flow badly, broker max offset: 3, consumer: /{here}"),
            "PULL_OFFSET_MOVED:correction offset. topic=T, groupId=g, requestOffset=1000, newOffset=",
            "NETTY EVENT: remove not active channel[ClientChannelInfo [",
            "from ConsumerGroupInfo groupChannelTable, consumer group: g",
            "from ProducerManager groupChannelTable, producer group: CLIENT_INNER_PRODUCER",
            "dispatch behind commit log 0 bytes",
            "Slave fall behind master: ",
        ],
    );
    let queue = "MessageQueue [topic=T, brokerName=broker-a, queueId=0]";
    log.check(
        "lock.log",
        &[
            &format!("tryLockBatch, message queue not locked, I got it. Group: g NewClientId: me {queue}"),
            &format!("unlockBatch, Group: g {queue} me"),
        ],
    );
    log.check("filter.log", &["New consumer filter registered group=sql topic=T"]);
    log.check("protection.log", &["[PROTECT_BROKER] the consumer[slow] consume slowly, "]);
    log.check(
        "transaction.log",
        &["Begin to check prepare message, begin time:", "End to check prepare message, consumed time:"],
    );
    log.check(
        "store.log",
        &[
            "last shutdown normally",
            "load over, and the max phy offset = 0",
            "it's time to reclaim disk space, 00;01;",
            "begin to delete before 0 hours file. timeup: true spacefull: ",
            "commitlog/00000000000000000000 delete OK",
            "HAService receive new connection, /127.0.0.1:",
            "request offset 0",
        ],
    );
    slave_log.check("store.log", &[&format!("update master address, OLD: null NEW: 127.0.0.1:{}", port + 1)]);
    slave_log.check(
        "broker.log",
        &[
            &format!("Update slave topic config from master, {addr}"),
            &format!("Update slave consumer offset from master, {addr}"),
            &format!("Update slave delay offset from master, {addr}"),
            &format!("Update slave Subscription Group from master, {addr}"),
        ],
    );

    // The queue ends in the middle of an entry, and nobody knows how the run before has ended.
    let queue_file = home.join("store/consumequeue/T/0/00000000000000000000");
    until("the queue's file", || queue_file.exists());
    master.kill();
    std::fs::File::options().write(true).open(&queue_file).unwrap().set_len(27).unwrap();
    let (mut master, _) =
        broker(home, &ns, &["mapedFileSizeCommitLog=65536", "diskSpaceWarningLevelRatio=0"]);
    log.check(
        "store.log",
        &[
            "last shutdown abnormally",
            "recover physics file end, ",
            "load over, and the max phy offset = 1",
            ", so mark disk full",
        ],
    );
    log.check("storeerror.log", &["consume queue file does not fit and is made again from the commit log"]);
    namesrv.kill();
    for (server, logs) in [(&mut master, &log), (&mut slave, &slave_log)] {
        assert_eq!(server.stop().code, Some(0));
        logs.check(
            "broker.log",
            &[
                "Shutdown hook was invoked, 1",
                &format!("unregisterBroker Exception, {ns}"),
                "Shutdown hook over, consuming total time(ms): ",
            ],
        );
        logs.check("store.log", &["store/abort delete OK"]);
    }
}

/// The name server's shutdown has words of its own, and a broker says goodbye to it.
#[test]
fn servers_say_that_they_stop() {
    let [ns_home, home] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let with = |port| vec!["namesrv".to_owned(), format!("listenPort={port}")];
    let (mut namesrv, ns_port, _) = start_server(ns_home.path(), with);
    let ns = format!("127.0.0.1:{ns_port}");
    let (mut server, _) = broker(home.path(), &ns, &[]);
    assert_eq!(server.stop().code, Some(0));
    Logs(home.path()).check("broker.log", &[&format!("unregisterBroker OK, NamesrvAddr: {ns}")]);
    assert_eq!(namesrv.stop().code, Some(0));
    let expected = ["shutdown hook was invoked, 1 times.", "shutdown hook done, consuming time total(ms): "];
    Logs(ns_home.path()).check("namesrv.log", &expected);
}
