//! `rocketmq admin` from outside: topics, clusters, brokers, name servers, connections and replication of running servers,
//! as text, as JSON and by exit code, and what all commands have in common. That the texts are Java's is for the interop
//! tests to say.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::io::Write as _;
use std::process::{Command as Process, Stdio};

use rocketmq::protocol::request_code::RequestCode;
use serde_json::{Value, json};

use self::common::admin::{DONE, FAILED, Server, USAGE};
use self::common::broker::{Client, NameServer};
use self::common::{Program, broker_args, free_port, run, start_server, until};

const CLUSTER: &str = "DefaultCluster";
const NO_CLUSTER: &str =
    "[error] Make sure the specified clusterName exists or the name server connected to is correct.";

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn topics_come_and_go() {
    let server = Server::start();
    let topic = |queues: i32, perm: &str, flag: i32, order: bool| {
        format!(
            "TopicConfig [topicName=T, readQueueNums={queues}, writeQueueNums={queues}, perm={perm}, \
             topicFilterType=SINGLE_TAG, topicSysFlag={flag}, order={order}]"
        )
    };
    let created = format!("create topic to {} success.", server.broker);
    let update = |more: &[&str]| server.lines(&[&["updateTopic", "-t", "T"], more].concat());
    assert_eq!(update(&["-c", CLUSTER]), [created.clone(), topic(8, "RW-", 0, false)]);
    let broker = server.broker.as_str();
    let flagged = update(&["-b", broker, "-r", "4", "-w", "4", "-p", "4", "-u", "true", "-s", "true"]);
    assert_eq!(flagged, [created.clone(), topic(4, "R--", 3, false)]);
    let ordered = update(&["-c", CLUSTER, "-o", "true"]);
    let conf = "set cluster orderConf. isOrder=true, orderConf=[broker-a:8]";
    assert_eq!(ordered, [created.clone(), format!("{conf}{}", topic(8, "RW-", 0, true))]);
    let ordered = update(&["-b", broker, "-w", "2", "-r", "2", "-o", "true"]);
    let conf = "set broker orderConf. isOrder=true, orderConf=[broker-a:2]";
    assert_eq!(ordered, [format!("{conf}{created}"), topic(2, "RW-", 0, true)]);
    let get = || server.lines(&["updateOrderConf", "-t", "T", "-m", "get"]);
    assert_eq!(get(), ["get orderConf success. topic=[T], orderConf=[broker-a:2] "]);

    assert!(server.lines(&["topicList"]).contains(&"T".to_owned()));
    assert!(server.values(&["topicList"]).contains(&json!({"topic": "T"})));
    assert_eq!(server.lines(&["topicClusterList", "-t", "T"]), [CLUSTER]);
    let delete = server.lines(&["deleteTopic", "-t", "T", "-c", CLUSTER]);
    let expected = [
        "delete topic [T] from cluster [DefaultCluster] success.",
        "delete topic [T] from NameServer success.",
    ];
    assert_eq!(delete, expected);
    assert!(!server.lines(&["topicList"]).contains(&"T".to_owned()));
    let outcome = server.run(&["topicRoute", "-t", "T"]);
    assert_eq!(outcome.code, FAILED);
    let refused = format!("ERROR: {} answered CODE: 17  DESC: No topic route info", server.namesrv);
    assert!(outcome.err[0].starts_with(&refused), "{outcome:?}");
}

#[test]
fn a_topic_that_nobody_may_use_is_warned_of() {
    let server = Server::with_topic("1");
    let outcome = server.run(&["updateTopic", "-t", "T", "-b", &server.broker, "-p", "0"]);
    let warning = "WARN: perm 0: nobody can send to T or consume it any more";
    assert_eq!((outcome.code, outcome.err), (DONE, vec![warning.to_owned()]));
}

#[test]
fn who_sends_to_a_topic_that_takes_nothing_hears_why() {
    let server = Server::with_topic("1");
    server.lines(&["updateTopicPerm", "-t", "T", "-c", CLUSTER, "-p", "4"]);
    let send = |namesrv: &str, expected: &[&str]| {
        let home = tempfile::tempdir().unwrap();
        let outcome =
            run(home.path(), &["example", "quickstart-producer", "-n", namesrv, "-t", "T", "-c", "1"]);
        assert_eq!(outcome.code, FAILED);
        for text in expected {
            assert!(outcome.err.iter().any(|line| line.starts_with(text)), "{outcome:?}");
        }
    };
    // The broker would make it anew by its template; it is not asked to, as Java's producers do not.
    let unwritable = "No route info of this topic, T: it is there, but none of its brokers is a master that lets it be written";
    send(&server.namesrv, &[unwritable]);
    let remark = "No route info of this topic, T: No topic route info in name server for the topic: T";
    send(&NameServer::new().addr(), &[remark, "(no broker is registered with this name server"]);
}

#[test]
fn who_names_a_broker_needs_no_name_server() {
    let server = Server::with_topic("1");
    let home = tempfile::tempdir().unwrap();
    let broker = server.broker.as_str();
    for command in [
        &["brokerStatus", "-b", broker][..],
        &["getBrokerConfig", "-b", broker],
        &["updateBrokerConfig", "-b", broker, "-k", "fileReservedTime", "-v", "71"],
        &["updateTopic", "-b", broker, "-t", "T"],
        &["updateSubGroup", "-b", broker, "-g", "G"],
        &["deleteSubGroup", "-b", broker, "-g", "G"],
        &["cleanExpiredCQ", "-b", broker],
        &["cleanUnusedTopic", "-b", broker],
        &["brokerConsumeStats", "-b", broker],
        &["haStatus", "-b", broker],
    ] {
        let outcome = run(home.path(), &[&["admin"], command].concat());
        assert_eq!(outcome.code, DONE, "{command:?}: {outcome:?}");
    }
    let outcome = run(home.path(), &["admin", "topicList"]);
    let missing = "ERROR: no name server is known: name one with -n HOST:PORT or in NAMESRV_ADDR";
    assert_eq!((outcome.code, outcome.err), (FAILED, vec![missing.to_owned()]));
}

#[test]
fn a_cluster_that_is_not_there_costs_nothing() {
    let server = Server::with_topic("1");
    for command in [
        &["updateTopic", "-t", "T"][..],
        &["deleteTopic", "-t", "T"],
        &["updateTopicPerm", "-t", "T", "-p", "4"],
        &["brokerStatus"],
        &["getBrokerConfig"],
        &["updateBrokerConfig", "-k", "fileReservedTime", "-v", "71"],
        &["cleanExpiredCQ"],
        &["cleanUnusedTopic"],
        &["haStatus"],
    ] {
        let outcome = server.run(&[command, &["-c", "NoSuchCluster"]].concat());
        assert_eq!((outcome.code, outcome.out), (FAILED, vec![NO_CLUSTER.to_owned()]), "{command:?}");
    }
    assert!(server.lines(&["topicList"]).contains(&"T".to_owned()));
}

#[test]
fn a_topics_permission_changes_alone() {
    let server = Server::with_topic("3");
    let update = |perm: &str, target: &[&str]| {
        server.lines(&[&["updateTopicPerm", "-t", "T", "-p", perm], target].concat())
    };
    let broker = server.broker.as_str();
    let done = |from: i32, to: i32| format!("update topic perm from {from} to {to} in {broker} success.");
    let config = "TopicConfig [topicName=T, readQueueNums=3, writeQueueNums=3, perm=R--, topicFilterType=SINGLE_TAG, \
                  topicSysFlag=0, order=false]";
    assert_eq!(update("4", &["-b", broker]), [done(6, 4), config.to_owned()]);
    assert_eq!(update("4", &["-b", broker]), ["new perm equals to the old one!"]);
    assert_eq!(update("6", &["-c", CLUSTER]), [done(4, 6)]);
    let outcome = server.run(&["updateTopicPerm", "-t", "T", "-p", "4", "-b", "127.0.0.1:1"]);
    let expected = "ERROR: 127.0.0.1:1 does not have the topic T";
    assert_eq!((outcome.code, outcome.err), (FAILED, vec![expected.to_owned()]));
}

#[test]
fn a_topic_is_looked_at() {
    let server = Server::with_topic("2");
    server.send("body", &["-b", "broker-a", "-i", "1"]);
    let route = server.lines(&["topicRoute", "-t", "T"]).join("\n");
    assert!(route.contains("\t\t\t\"brokerAddrs\":{0:\""), "{route}");
    assert!(!route.contains("topicSysFlag"), "{route}");
    assert_eq!(server.values(&["topicRoute", "-t", "T"])[0]["queueDatas"][0]["readQueueNums"], 2);

    let status = server.lines(&["topicStatus", "-t", "T"]);
    assert_eq!(words(&status[1]), ["broker-a", "0", "0", "0"]);
    assert_eq!(words(&status[2])[..4], ["broker-a", "1", "0", "1"]);
    let values = server.values(&["topicStatus", "-t", "T"]);
    assert_eq!((&values[1]["queueId"], &values[1]["maxOffset"]), (&json!(1), &json!(1)));

    let allocated = server.values(&["allocateMQ", "-t", "T", "-i", "x,y"]).remove(0);
    let queue = |id: i32| json!([{"brokerName": "broker-a", "queueId": id, "topic": "T"}]);
    assert_eq!(allocated, json!({"result": {"x": queue(0), "y": queue(1)}}));

    let _member = server.member("c1", "G");
    server.commit("G", "T", "0", "0");
    let listed = server.lines(&["topicList", "-c"]);
    assert_eq!(words(&listed[0]), ["#Cluster", "Name", "#Topic", "#Consumer", "Group"]);
    assert!(listed.iter().any(|line| words(line) == [CLUSTER, "T", "G"]), "{listed:?}");
    assert!(!listed.iter().any(|line| line.contains("%RETRY%")), "{listed:?}");
}

#[test]
fn order_confs_are_kept() {
    let server = Server::start();
    let conf = |more: &[&str]| server.run(&[&["updateOrderConf", "-t", "T", "-m"], more].concat());
    let put = conf(&["put", "-v", "a:1;b:2"]);
    assert_eq!(put.out, ["update orderConf success. topic=[T], orderConf=[a:1;b:2]"]);
    assert_eq!(conf(&["get"]).out, ["get orderConf success. topic=[T], orderConf=[a:1;b:2] "]);
    assert_eq!(conf(&["delete"]).out, ["delete orderConf success. topic=[T]"]);
    assert_eq!(conf(&["get"]).code, FAILED);
    let without = conf(&["put"]);
    assert_eq!((without.code, &without.err[0][..]), (FAILED, "ERROR: please set orderConf with option -v."));
    assert_eq!(conf(&["nothing"]).code, USAGE);
}

#[test]
fn brokers_are_listed_with_what_they_do() {
    let server = Server::start();
    let lines = server.lines(&["clusterList"]);
    assert_eq!(words(&lines[0])[..4], ["#Cluster", "Name", "#Broker", "Name"]);
    let row = words(&lines[1]);
    assert_eq!(row[..5], [CLUSTER, "broker-a", "0", &server.broker, "V4_3_0"]);
    assert_eq!((row.len(), lines.len()), (10, 2));
    let more = server.lines(&["clusterList", "-m"]);
    assert_eq!(words(&more[1])[..2], [CLUSTER, "broker-a"]);
    let value = server.values(&["clusterList"]).remove(0);
    assert_eq!(
        (&value["brokerName"], &value["runtime"]["brokerVersion"]),
        (&json!("broker-a"), &json!("273"))
    );

    let status = server.lines(&["brokerStatus", "-b", &server.broker]);
    assert!(status.is_sorted(), "{status:?}");
    assert!(status.iter().any(|line| line == "brokerVersionDesc               : V4_3_0"), "{status:?}");
    let of_cluster = server.lines(&["brokerStatus", "-c", CLUSTER]);
    assert_eq!(of_cluster.len(), status.len());
    assert!(of_cluster.iter().all(|line| line.starts_with(&server.broker)), "{of_cluster:?}");
}

#[test]
fn a_broker_that_is_gone_is_named() {
    let mut server = Server::start();
    let gone = format!("127.0.0.1:{}", free_port());
    // The name server keeps it for as long as this connection stands.
    let mut registered = Client::connect(server.namesrv.parse().unwrap());
    let fields = [
        ("brokerName", "broker-b"),
        ("brokerAddr", gone.as_str()),
        ("clusterName", CLUSTER),
        ("haServerAddr", "127.0.0.1:1"),
        ("brokerId", "0"),
    ];
    registered.json(RequestCode::RegisterBroker, &fields, &json!({"topicConfigSerializeWrapper": {}}));
    let outcome = server.run(&["clusterList"]);
    assert_eq!((outcome.code, outcome.out.len()), (FAILED, 3), "{outcome:?}");
    let [error] = <[String; 1]>::try_from(outcome.err).unwrap();
    assert!(error.starts_with("ERROR: ") && error.contains(&gone), "{error}");
    let changed = server.run(&["updateBrokerConfig", "-c", CLUSTER, "-k", "fileReservedTime", "-v", "71"]);
    assert_eq!(changed.out, [format!("update broker config success, {}", server.broker)]);
    assert!(changed.err[0].contains(&gone), "{changed:?}");
    let cleaned = server.run(&["cleanExpiredCQ"]);
    assert_eq!((cleaned.code, &cleaned.out[..]), (FAILED, &["false".to_owned()][..]));
    server.stop();
    let outcome = run(server.home.path(), &["admin", "topicList", "-n", &server.namesrv]);
    let expected = format!("ERROR: connect to {} failed: Connection refused (os error 111)", server.namesrv);
    assert_eq!((outcome.code, outcome.err), (FAILED, vec![expected]));
}

/// Another broker of the same name server.
fn second_broker(server: &Server, settings: &[&str]) -> (Program, u16) {
    let home = server.home.path().join("second");
    std::fs::create_dir_all(&home).unwrap();
    let (program, port, line) = start_server(&home, |port| {
        let mut args = broker_args(&home, port);
        args.push(format!("namesrvAddr={}", server.namesrv));
        args.extend(settings.iter().map(|&setting| setting.to_owned()));
        args
    });
    assert!(line.contains("boot success"), "{line}");
    (program, port)
}

#[test]
fn replication_is_shown() {
    let server = Server::start();
    let (mut slave, port) =
        second_broker(&server, &["brokerId=1", "brokerRole=SLAVE", "brokerName=broker-a"]);
    let addr = format!("127.0.0.1:{port}");
    let linked = |count: usize| {
        let lines = server.run(&["haStatus", "-c", CLUSTER]).out;
        lines.contains(&format!("#SlaveNum\t{count}")) && lines.contains(&format!("#InSyncSlaveNum\t{count}"))
    };
    until("the slave to be linked", || linked(1));
    let master = server.lines(&["haStatus", "-b", &server.broker]);
    assert_eq!(master[1], format!("#MasterAddr\t{}", server.broker));
    assert_eq!(
        words(&master[5]),
        words("#SlaveAddr #SlaveAckOffset #Diff #TransferSpeed(KB/s) #Status #TransferFromWhere")
    );
    assert_eq!(words(&master[6])[4], "OK");
    let of_slave = server.lines(&["haStatus", "-b", &addr]);
    assert!(of_slave[1].starts_with("#MasterAddr\t127.0.0.1:"), "{of_slave:?}");
    assert_eq!(server.values(&["haStatus", "-b", &addr])[0]["haRuntimeInfo"]["master"], false);

    until("the slave to be listed", || server.run(&["clusterList"]).out.len() == 3);
    let titles: Vec<String> = server
        .lines(&["getBrokerConfig", "-c", CLUSTER])
        .into_iter()
        .filter(|line| line.starts_with("===="))
        .collect();
    let master = &server.broker;
    let expected = [
        format!("============Master: {master}============"),
        format!("============My Master: {master}=====Slave: {addr}============"),
    ];
    assert_eq!(titles, expected);
    slave.stop();
}

#[test]
fn settings_are_shown_and_changed() {
    let server = Server::start();
    let show = |command: &[&str], key: &str| {
        let lines = server.lines(command);
        let line = lines.iter().find(|line| line.starts_with(&format!("{key} "))).unwrap().clone();
        (lines[0].clone(), line)
    };
    let broker = server.broker.as_str();
    let set = |target: &[&str], value: &str| {
        let command = [&["updateBrokerConfig", "-k", "fileReservedTime", "-v", value], target].concat();
        assert_eq!(server.lines(&command), [format!("update broker config success, {broker}")]);
        let shown = show(&["getBrokerConfig", "-b", broker], "fileReservedTime");
        assert_eq!(shown.0, format!("============{broker}============"));
        assert_eq!(shown.1, format!("fileReservedTime{}=  {value}", " ".repeat(34)));
    };
    set(&["-b", broker], "71");
    set(&["-c", CLUSTER], "70");
    let refused = server.run(&["updateBrokerConfig", "-b", broker, "-k", "noSuchKey", "-v", "1"]);
    assert_eq!(refused.code, FAILED);
    assert!(refused.err[0].starts_with(&format!("ERROR: {broker} answered CODE: ")), "{refused:?}");

    let namesrv = server.namesrv.as_str();
    let lines = server.lines(&["updateNamesrvConfig", "-k", "orderMessageEnable", "-v", "true"]);
    assert_eq!(
        lines,
        [format!("update name server config success![{namesrv}]"), "orderMessageEnable : true".to_owned()]
    );
    let shown = show(&["getNamesrvConfig"], "orderMessageEnable");
    assert_eq!(shown.0, format!("============{namesrv}============"));
    assert_eq!(words(&shown.1), ["orderMessageEnable", "=", "true"]);
}

#[test]
fn keys_come_and_go() {
    let server = Server::start();
    let key = ["-s", "N", "-k", "K"];
    let put = server.lines(&[&["updateKvConfig", "-v", "V"], &key[..]].concat());
    assert_eq!(put, ["create or update kv config to namespace success."]);
    let deleted = server.lines(&[&["deleteKvConfig"], &key[..]].concat());
    assert_eq!(deleted, ["delete kv config from namespace success."]);
}

#[test]
fn queues_are_cleaned() {
    let server = Server::with_topic("1");
    for command in ["cleanExpiredCQ", "cleanUnusedTopic"] {
        for target in [&["-b", &server.broker][..], &["-c", CLUSTER], &[]] {
            assert_eq!(server.lines(&[&[command], target].concat()), ["success"], "{command} {target:?}");
        }
    }
}

#[test]
fn write_permission_is_wiped() {
    let server = Server::with_topic("1");
    let lines = server.lines(&["wipeWritePerm", "-b", "broker-a"]);
    let begin = format!("wipe write perm of broker[broker-a] in name server[{}] OK, ", server.namesrv);
    assert!(lines[0].starts_with(&begin), "{lines:?}");
    let route = server.values(&["topicRoute", "-t", "T"]).remove(0);
    assert_eq!(route["queueDatas"][0]["perm"], 4);
    // One name server that is down does not keep the other from it.
    let down = format!("127.0.0.1:{}", free_port());
    let both = format!("{down};{}", server.namesrv);
    let outcome = run(server.home.path(), &["admin", "wipeWritePerm", "-b", "broker-a", "-n", &both]);
    assert_eq!(outcome.code, FAILED);
    let failed = format!("wipe write perm of broker[broker-a] in name server[{down}] Failed");
    assert_eq!((&outcome.out[0], outcome.out[1].starts_with(&begin)), (&failed, true), "{outcome:?}");
    assert!(outcome.err[0].contains(&down), "{outcome:?}");
}

#[test]
fn who_is_connected_is_shown() {
    let server = Server::with_topic("1");
    let _member = server.member("client-1", "G");
    let lines = server.lines(&["consumerConnection", "-g", "G"]);
    let row = words(&lines[0]);
    assert_eq!((row[0], row[1], row[3], row[4]), ("001", "client-1", "JAVA", "V4_3_0"));
    assert!(lines[2].starts_with("Below is subscription:001  Topic: "), "{lines:?}");
    assert!(lines.contains(&"ConsumeType: CONSUME_PASSIVELY".to_owned()), "{lines:?}");
    let value = server.values(&["consumerConnection", "-g", "G"]).remove(0);
    assert_eq!(value["connectionSet"][0]["clientId"], "client-1");

    let producers = server.lines(&["producerConnection", "-g", "CLIENT_INNER_PRODUCER", "-t", "T"]);
    assert_eq!(words(&producers[0])[..2], ["0001", "client-1"]);
    for command in [&["consumerConnection"][..], &["producerConnection", "-t", "T"]] {
        let outcome = server.run(&[command, &["-g", "nobody"]].concat());
        assert_eq!((outcome.code, outcome.err[0].contains("CODE: ")), (FAILED, true), "{outcome:?}");
    }
}

#[test]
fn what_is_mistyped_is_told() {
    let home = tempfile::tempdir().unwrap();
    let outcome = run(home.path(), &["admin", "topicLsit"]);
    assert_eq!(outcome.code, USAGE);
    assert_eq!(outcome.out, ["The sub command topicLsit not exist."]);
    assert_eq!(outcome.err, ["Did you mean topicList?"]);
    let check = |command: &[&str], error: &str| {
        let outcome = run(home.path(), &[&["admin"], command].concat());
        assert_eq!((outcome.code, outcome.err.last().unwrap().as_str()), (USAGE, error), "{command:?}");
    };
    check(&["deleteTopic", "-t", "T"], "ERROR: Missing required option: c");
    check(&["topicList", "--nothing"], "ERROR: Unrecognized option: --nothing");
    check(&["topicList", "--watch", "x"], "ERROR: --watch x: not a number of seconds");
    check(
        &["cleanExpiredCQ", "--watch", "1"],
        "ERROR: --watch: cleanExpiredCQ does not only look, or does not end",
    );
    check(
        &["--completions", "tcsh"],
        "ERROR: --completions takes one of bash, elvish, fish, powershell, zsh",
    );
    for command in ["brokerStatus", "getBrokerConfig", "haStatus", "updateTopic"] {
        let more: &[&str] = if command == "updateTopic" { &["-t", "T"] } else { &[] };
        let outcome = run(home.path(), &[&["admin", command, "-n", "127.0.0.1:1"], more].concat());
        let usage = format!("usage: mqadmin {command} ");
        assert_eq!((outcome.code, outcome.out[0].starts_with(&usage)), (USAGE, true), "{outcome:?}");
        assert_eq!(outcome.err, ["ERROR: one of -b and -c is needed"], "{command}");
    }
    let check = |arguments: &[&str], addr: &str| {
        let expected = format!("ERROR: connect to {addr} failed: HOST:PORT is wanted, as in localhost:9876");
        assert_eq!(run(home.path(), &[&["admin"], arguments].concat()).err, [expected]);
    };
    check(&["topicList", "-n", "localhost"], "localhost");
    check(&["brokerStatus", "-b", "nohost"], "nohost");
    check(&["brokerStatus", "-b", "host:port"], "host:port");
}

#[test]
fn watching_goes_on() {
    let server = Server::start();
    for (more, rows) in [(["--watch", "1"], 1), (["-i", "0"], 1)] {
        let mut watch = server.begin(&[&["clusterList"], &more[..]].concat());
        for _ in 0..2 {
            assert!(watch.line().unwrap().starts_with("#Cluster Name"));
            for _ in 0..rows {
                assert!(watch.line().unwrap().starts_with(CLUSTER));
            }
        }
        watch.kill();
    }
}

#[test]
fn the_environment_names_the_name_server() {
    let server = Server::start();
    let output = Process::new(env!("CARGO_BIN_EXE_rocketmq"))
        .args(["admin", "topicClusterList", "-t", "broker-a", "--json"])
        .env("NAMESRV_ADDR", &server.namesrv)
        .output()
        .unwrap();
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value, json!({"topic": "broker-a", "cluster": CLUSTER}));
}

#[test]
fn bash_completes() {
    let home = tempfile::tempdir().unwrap();
    let script = |args: &[&str]| run(home.path(), args).out.join("\n");
    let scripts = script(&["admin", "--completions", "bash"])
        + "\n"
        + &script(&["completions", "bash"])
        + "\n"
        + &script(&["completions", "bash", "mqbroker"]);
    let check = |words: &str, expected: &str| {
        let mut bash = Process::new("bash").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let list: Vec<&str> = words.split(' ').collect();
        let (name, at) = (list[0], list.len() - 1);
        let ask = format!(
            "COMP_WORDS=({words}); COMP_CWORD={at}; _{name} {name} '{}' {}; echo \"${{COMPREPLY[@]}}\"",
            list[at],
            list[at - 1]
        );
        bash.stdin.take().unwrap().write_all(format!("{scripts}\n{ask}\n").as_bytes()).unwrap();
        let said = String::from_utf8(bash.wait_with_output().unwrap().stdout).unwrap();
        assert_eq!(said.trim(), expected, "{words}");
    };
    check("mqadmin topicL", "topicList");
    check("rocketmq admin topicL", "topicList");
    check("mqadmin topicList --cl", "--clusterModel");
    check("rocketmq admin deleteTopic --y", "--yes");
    check("rocketmq bro", "broker");
    check("mqbroker --printI", "--printImportantConfig");
}
