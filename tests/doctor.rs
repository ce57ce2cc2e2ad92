//! `rocketmq doctor` against clusters that are well and clusters that are not: what it says, what it advises, its exit
//! codes.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command as Process;

use common::admin::Server;
use common::broker::{Client, NameServer};
use common::{Outcome, broker_args, free_port, run, start_server, until};
use rocketmq::protocol::request_code::RequestCode;
use serde_json::{Value, json};

/// What it found, and whether it was content.
struct Found {
    code: Option<i32>,
    report: Value,
}

impl Found {
    fn of(outcome: &Outcome) -> Found {
        assert_eq!((outcome.out.len(), &outcome.err), (1, &Vec::new()), "{outcome:?}");
        Found { code: outcome.code, report: serde_json::from_str(&outcome.out[0]).unwrap() }
    }

    fn by(home: &Path, namesrv: &str, more: &[&str]) -> Found {
        Found::of(&run(home, &[&["doctor", "--json", "-n", namesrv], more].concat()))
    }

    fn checks(&self) -> &[Value] {
        self.report["checks"].as_array().unwrap()
    }

    /// Area and status of everything, but for the disks: those are this machine's own.
    fn statuses(&self) -> Vec<(&str, &str)> {
        self.checks()
            .iter()
            .map(|check| (check["area"].as_str().unwrap(), check["status"].as_str().unwrap()))
            .filter(|(area, _)| *area != "disk")
            .collect()
    }

    /// Text and advice of the one check of an area that is not ok.
    fn complaint(&self, area: &str) -> (&str, &str, &str) {
        let mut found = self.checks().iter().filter(|check| check["area"] == area && check["status"] != "ok");
        let check = found.next().unwrap_or_else(|| panic!("nothing is said of {area}: {}", self.report));
        assert_eq!(found.next(), None, "{area}");
        let text = |key: &str| check[key].as_str().unwrap();
        (text("status"), text("text"), text("advice"))
    }
}

/// A broker that is registered and need not exist; for as long as the connection is held.
fn register(namesrv: &str, name: &str, id: &str, addr: &str, topics: &[(&str, i32)]) -> Client {
    let mut client = Client::connect(namesrv.parse().unwrap());
    let config = |(topic, perm): &(&str, i32)| {
        let config = json!({"topicName": topic, "readQueueNums": 4, "writeQueueNums": 4, "perm": perm,
            "topicFilterType": "SINGLE_TAG", "topicSysFlag": 0, "order": false});
        ((*topic).to_owned(), config)
    };
    let table: serde_json::Map<String, Value> = topics.iter().map(config).collect();
    let body = json!({"filterServerList": [], "topicConfigSerializeWrapper":
        {"dataVersion": {"counter": 1, "timestamp": 1}, "topicConfigTable": table}});
    let fields = [
        ("brokerName", name),
        ("brokerAddr", addr),
        ("clusterName", "DefaultCluster"),
        ("haServerAddr", "127.0.0.1:1"),
        ("brokerId", id),
        ("bodyCrc32", "0"),
        ("compressed", "false"),
    ];
    assert_eq!(client.outcome(RequestCode::RegisterBroker, &fields, &body.to_string()), (0, String::new()));
    client
}

#[test]
fn a_cluster_that_is_well() {
    let mut server = Server::with_topic("4");
    let empty = Found::by(server.home.path(), &server.namesrv, &[]);
    assert_eq!((empty.code, &empty.report["warnings"]), (Some(0), &json!(0)), "{}", empty.report);
    server.send("m", &[]);
    let found = Found::by(server.home.path(), &server.namesrv, &["-t", "T"]);
    let expected = [
        ("name server", "ok"),
        ("broker", "ok"),
        ("clock", "ok"),
        ("VIP port", "ok"),
        ("replication", "ok"),
        ("folder", "ok"),
        ("folder", "ok"),
        ("folder", "ok"),
        ("topic", "ok"),
    ];
    assert_eq!(
        (found.statuses(), found.report["problems"].clone()),
        (expected.to_vec(), json!(0)),
        "{}",
        found.report
    );
    assert_eq!(found.code, Some(0));
    assert_eq!(found.checks().last().unwrap()["text"], "on broker-a: 4 queues to write, 4 to read, RW-");
    assert!(found.checks().iter().filter(|check| check["area"] == "disk").count() == 2, "{}", found.report);

    let outcome = run(server.home.path(), &["doctor", "-n", &server.namesrv, "-t", "T"]);
    assert_eq!(outcome.code, Some(0));
    assert!(outcome.out[0].starts_with("name server  127.0.0.1:"), "{outcome:?}");
    assert!(outcome.out.last().unwrap().starts_with("no problems, "), "{outcome:?}");

    // Whoever only looks whether a port can be connected to is no slave that is refused.
    server.stop();
    let log = server.home.path().join("logs/rocketmqlogs/store.log");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(!log.contains("slave refused") && !log.contains("slave disconnected"), "{log}");
}

#[test]
fn no_name_server() {
    let home = tempfile::tempdir().unwrap();
    let namesrv = format!("127.0.0.1:{}", free_port());
    let found = Found::by(home.path(), &namesrv, &["-t", "T"]);
    assert_eq!((found.code, found.statuses()), (Some(1), vec![("name server", "problem")]));
    let (_, text, advice) = found.complaint("name server");
    assert!(text.starts_with("cannot be connected to from here: Connection refused"), "{text}");
    assert_eq!(advice, "start it; if it runs, it is at another address or port than this");
    let outcome = run(home.path(), &["doctor", "-n", ";"]);
    assert_eq!((outcome.code, outcome.err.len()), (Some(1), 1), "{outcome:?}");
}

#[test]
fn what_is_no_address_and_what_is_no_topic() {
    let home = tempfile::tempdir().unwrap();
    let found = Found::by(home.path(), "127.0.0.1", &[]);
    assert_eq!(found.complaint("name server").2, "write HOST:PORT, as in 192.168.0.1:9876");
    let check = |topic: &str, reason: &str| {
        let outcome = run(home.path(), &["doctor", "-n", "127.0.0.1:1", "-t", topic]);
        let expected = format!("ERROR: -t '{topic}' is no topic's name: {reason}");
        assert_eq!((outcome.code, outcome.out.len(), &outcome.err), (Some(1), 0, &vec![expected]));
    };
    check("bad topic/..", "the name contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$");
    check("", "the name is empty");
}

#[test]
fn a_brokers_address_instead_of_the_name_servers() {
    let server = Server::start();
    let found = Found::by(server.home.path(), &server.broker, &[]);
    assert_eq!(found.code, Some(1));
    assert_eq!(found.complaint("name server").1, "this is a broker, and no name server");
}

#[test]
fn something_else_at_the_name_servers_port() {
    let home = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let found = Found::by(home.path(), &addr, &[]);
    let (status, text, _) = found.complaint("name server");
    assert_eq!((found.code, status), (Some(1), "problem"));
    assert!(
        text.starts_with("something listens there, and does not answer as a name server does: "),
        "{text}"
    );
}

#[test]
fn a_name_server_that_knows_nobody() {
    let home = tempfile::tempdir().unwrap();
    let namesrv = NameServer::new();
    let found = Found::by(home.path(), &namesrv.addr(), &["-t", "T"]);
    assert_eq!(found.code, Some(1));
    assert_eq!(
        found.complaint("name server").1,
        "answers, and no broker is registered with it: clients get `No route info`"
    );
    assert_eq!(found.complaint("topic").1, "does not exist, and no master is registered");
}

#[test]
fn a_broker_that_is_not_where_it_says() {
    let home = tempfile::tempdir().unwrap();
    let namesrv = NameServer::new();
    let addr = format!("127.0.0.1:{}", free_port());
    let _broker = register(&namesrv.addr(), "broker-x", "0", &addr, &[]);
    let found = Found::by(home.path(), &namesrv.addr(), &[]);
    assert_eq!((found.code, found.statuses()), (Some(1), vec![("name server", "ok"), ("broker", "problem")]));
    let (_, text, advice) = found.complaint("broker");
    let expected =
        "clients are sent to this address, and it cannot be connected to from here: Connection refused";
    assert!(text.starts_with(expected), "{text}");
    assert!(advice.contains("set brokerIP1 in its file to an address that clients reach"), "{advice}");
}

#[test]
fn another_broker_at_the_address() {
    let server = Server::start();
    let namesrv = NameServer::new();
    let _broker = register(&namesrv.addr(), "broker-x", "0", &server.broker, &[]);
    let found = Found::by(server.home.path(), &namesrv.addr(), &[]);
    let (status, text, _) = found.complaint("broker");
    assert_eq!((found.code, status), (Some(1), "problem"));
    assert_eq!(text, "broker broker-a answers at the address that broker-x has registered");
}

#[test]
fn a_slave_without_its_master() {
    let server = Server::start();
    let namesrv = NameServer::new();
    let _slave = register(&namesrv.addr(), "broker-a", "1", &server.broker, &[]);
    let found = Found::by(server.home.path(), &namesrv.addr(), &[]);
    let (status, text, _) = found.complaint("broker");
    assert_eq!((found.code, status), (Some(1), "problem"));
    assert_eq!(text, "its master is not registered: it can be read from, and nothing can be sent");
}

/// Hands on what comes to one port, and nothing to those beside it.
fn hand_on(to: SocketAddr) -> SocketAddr {
    // Those two below and one above are free, or at least not a broker's.
    let listener = TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let Ok(other) = TcpStream::connect(to) else { continue };
            for (from, to) in [(&stream, &other), (&other, &stream)] {
                let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                std::thread::spawn(move || {
                    let mut bytes = [0; 4096];
                    while let Ok(length @ 1..) = from.read(&mut bytes) {
                        if to.write_all(&bytes[..length]).is_err() {
                            return;
                        }
                    }
                });
            }
        }
    });
    addr
}

#[test]
fn ports_that_a_firewall_keeps() {
    let server = Server::start();
    let namesrv = NameServer::new();
    let addr = hand_on(server.broker.parse().unwrap());
    let _broker = register(&namesrv.addr(), "broker-a", "0", &addr.to_string(), &[]);
    let found = Found::by(server.home.path(), &namesrv.addr(), &[]);
    assert_eq!(found.code, Some(1), "{}", found.report);
    let (status, text, advice) = found.complaint("VIP port");
    assert_eq!(status, "problem");
    let (vip_port, ha_port) = (addr.port() - 2, addr.port() + 1);
    assert!(
        text.starts_with(&format!("127.0.0.1:{vip_port} cannot be connected to: Connection refused")),
        "{text}"
    );
    assert!(advice.contains("-Dcom.rocketmq.sendMessageWithVIPChannel=false"), "{advice}");
    // It has no slaves.
    let (status, text, _) = found.complaint("replication");
    assert_eq!(status, "warning");
    assert!(text.starts_with(&format!("slaves are sent to 127.0.0.1:{ha_port}, which cannot be")), "{text}");
}

#[test]
fn name_servers_that_know_different_brokers() {
    let server = Server::start();
    let other = NameServer::new();
    let addr = format!("127.0.0.1:{}", free_port());
    let _broker = register(&other.addr(), "broker-x", "0", &addr, &[]);
    let both = format!("{};{}", server.namesrv, other.addr());
    let found = Found::by(server.home.path(), &both, &[]);
    assert_eq!(found.code, Some(1));
    let differing = found
        .checks()
        .iter()
        .filter(|check| check["text"].as_str().unwrap().starts_with("does not know broker"));
    let mut told: Vec<&str> = differing.map(|check| check["subject"].as_str().unwrap()).collect();
    told.sort_unstable();
    let mut expected = [server.namesrv.clone(), other.addr()];
    expected.sort_unstable();
    assert_eq!(told, expected);
}

#[test]
fn a_topic_that_is_missing() {
    let server = Server::start();
    let look = || Found::by(server.home.path(), &server.namesrv, &["-t", "Nowhere"]);
    let found = look();
    let (status, text, _) = found.complaint("topic");
    assert_eq!((found.code, status), (Some(1), "problem"));
    assert_eq!(
        text,
        "does not exist: consumers get `No route info` until the first message; broker-a creates topics on a send"
    );
    server.lines(&["updateBrokerConfig", "-b", &server.broker, "-k", "autoCreateTopicEnable", "-v", "false"]);
    let found = look();
    let (status, text, advice) = found.complaint("topic");
    assert_eq!((found.code, status), (Some(1), "problem"));
    assert!(text.contains("no broker creates topics by itself (autoCreateTopicEnable=false)"), "{text}");
    let command =
        format!("`mqadmin updateTopic -n {} -c DefaultCluster -t Nowhere` creates it", server.namesrv);
    assert!(advice.starts_with(&command), "{advice}");
}

#[test]
fn a_topic_that_perhaps_comes_with_a_send() {
    let home = tempfile::tempdir().unwrap();
    let namesrv = NameServer::new();
    let addr = format!("127.0.0.1:{}", free_port());
    let _broker = register(&namesrv.addr(), "broker-x", "0", &addr, &[]);
    let found = Found::by(home.path(), &namesrv.addr(), &["-t", "Nowhere"]);
    let expected = "does not exist: clients get `No route info`; whether a send creates it is not known, as broker-x does not \
                    tell its settings";
    assert_eq!(found.complaint("topic").1, expected);
}

#[test]
fn a_broker_that_takes_no_messages() {
    let server = Server::with_topic("4");
    server.lines(&["updateBrokerConfig", "-b", &server.broker, "-k", "brokerPermission", "-v", "4"]);
    let allow = format!("mqadmin updateBrokerConfig -b {} -k brokerPermission -v 6", server.broker);
    let found = Found::by(server.home.path(), &server.namesrv, &["-t", "Nowhere"]);
    assert_eq!(found.code, Some(1));
    let expected = (
        "problem",
        "brokerPermission=4: all sends to it are refused, whatever a topic allows",
        &*format!("`{allow}` allows all"),
    );
    assert_eq!(found.complaint("broker"), expected);
    let text = found.complaint("topic").1;
    assert!(
        text.contains("no broker creates topics by itself (brokerPermission lets nothing be sent)"),
        "{text}"
    );
    // The broker registers by itself a little later.
    let look = || Found::by(server.home.path(), &server.namesrv, &["-t", "T"]);
    let expected = format!("brokerPermission of its brokers takes it away: `{allow}` allows all");
    until("the name server to know", || look().checks().last().unwrap()["advice"] == expected);
    // What it advises is what helps.
    server.lines(&allow.split(' ').skip(1).collect::<Vec<_>>());
    until("the name server to know", || (look().code, &look().report["problems"]) == (Some(0), &json!(0)));
}

#[test]
fn a_broker_that_asks_for_accounts() {
    let home = tempfile::tempdir().unwrap();
    let accounts = home.path().join("plain_acl.yml");
    let sample = "accounts:\n- accessKey: operator\n  secretKey: of-the-operator\n  admin: true\n";
    std::fs::write(&accounts, sample).unwrap();
    let namesrv = NameServer::new();
    let (_broker, port, _) = start_server(home.path(), |port| {
        let more = ["aclEnable=true".to_owned(), format!("plainAclFile={}", accounts.display())];
        [broker_args(home.path(), port), more.into(), vec!["-n".to_owned(), namesrv.addr()]].concat()
    });
    let run = |arguments: &[&str]| {
        let mut program = Process::new(env!("CARGO_BIN_EXE_rocketmq"));
        program.args(arguments).env_clear().env("HOME", home.path()).env("ROCKETMQ_HOME", home.path());
        let output = program.output().unwrap();
        let lines = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect();
        Outcome { code: output.status.code(), out: lines(output.stdout), err: lines(output.stderr) }
    };
    let doctor = || Found::of(&run(&["doctor", "--json", "-n", &namesrv.addr(), "-t", "Nowhere"]));
    let found = doctor();
    let (status, text, advice) = found.complaint("broker");
    assert_eq!(status, "warning");
    assert!(text.starts_with("answers, and does not tell about itself: "), "{text}");
    assert!(advice.contains("conf/tools.yml") && advice.contains("globalWhiteRemoteAddresses"), "{advice}");
    assert!(found.complaint("topic").1.contains("is not known"), "{}", found.report);
    // What it advises is what helps, mqadmin as well.
    let broker = format!("127.0.0.1:{port}");
    let create = || run(&["admin", "updateTopic", "-n", &namesrv.addr(), "-b", &broker, "-t", "T"]);
    assert_eq!(create().code, Some(1));
    std::fs::create_dir(home.path().join("conf")).unwrap();
    std::fs::write(home.path().join("conf/tools.yml"), "accessKey: operator\nsecretKey: of-the-operator\n")
        .unwrap();
    let found = doctor();
    assert!(found.statuses().contains(&("clock", "ok")), "{}", found.report);
    assert!(found.complaint("topic").1.contains("broker-a creates topics on a send"), "{}", found.report);
    assert_eq!((create().code, create().err), (Some(0), Vec::new()));
}

#[test]
fn a_store_that_was_deleted_under_its_broker() {
    let server = Server::with_topic("4");
    server.send("m", &[]);
    std::fs::remove_dir_all(server.home.path().join("data")).unwrap();
    let found = Found::by(server.home.path(), &server.namesrv, &[]);
    assert_eq!(found.code, Some(1));
    let is_told = |check: &&Value| check["area"] == "folder" && check["status"] == "problem";
    let told: Vec<&Value> = found.checks().iter().filter(is_told).collect();
    assert_eq!(told.len(), 2, "{}", found.report);
    let text = told[0]["text"].as_str().unwrap();
    assert!(text.contains("has been deleted, and a program still writes to files"), "{text}");
}

#[test]
fn a_topic_that_takes_no_messages() {
    let server = Server::with_topic("4");
    let perm = |perm: &str| {
        server.lines(&["updateTopic", "-b", &server.broker, "-t", "T", "-r", "4", "-w", "4", "-p", perm]);
        Found::by(server.home.path(), &server.namesrv, &["-t", "T"])
    };
    let found = perm("4");
    assert_eq!(found.code, Some(1));
    let texts: Vec<(&str, &str)> = found
        .checks()
        .iter()
        .filter(|check| check["area"] == "topic")
        .map(|check| (check["status"].as_str().unwrap(), check["text"].as_str().unwrap()))
        .collect();
    let expected = [
        ("warning", "on broker-a: 4 queues to write, 4 to read, R--"),
        (
            "problem",
            "no broker lets anything be sent to it: producers fail with `No route info` or `Not found`",
        ),
    ];
    assert_eq!(texts, expected);
    let advice = found.checks().last().unwrap()["advice"].as_str().unwrap();
    let command = format!("mqadmin updateTopic -n {} -c DefaultCluster -t T -r 4 -w 4 -p 6", server.namesrv);
    assert_eq!(advice, format!("`{command}` allows it"));
    // What it advises is what helps.
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    server.lines(&words[..1].iter().chain(&words[3..]).copied().collect::<Vec<_>>());
    let found = Found::by(server.home.path(), &server.namesrv, &["-t", "T"]);
    assert_eq!((found.code, &found.report["problems"]), (Some(0), &json!(0)), "{}", found.report);
}
