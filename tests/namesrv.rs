//! The name server from outside: raw frames to a port that the system chose.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;

use bytes::BytesMut;
use rocketmq::namesrv::{Configs, Running, start};
use rocketmq::protocol::body::register::RegisterBrokerBody;
use rocketmq::protocol::body::route::TopicRouteData;
use rocketmq::protocol::body::topic::{DataVersion, TopicConfig, TopicConfigSerializeWrapper, TopicList};
use rocketmq::protocol::request_code::{self, RequestCode};
use rocketmq::remoting::{Command, codec};
use rocketmq::strmap::StrMap;

struct Fixture {
    runtime: tokio::runtime::Runtime,
    running: Option<Running>,
    folder: tempfile::TempDir,
}

fn configs(folder: &Path) -> Configs {
    let mut configs = Configs { bind_ip: IpAddr::V4(Ipv4Addr::LOCALHOST), ..Configs::default() };
    configs.server.listen_port = 0;
    configs.namesrv.kv_config_path = folder.join("kvConfig.json").to_str().unwrap().to_owned();
    configs.file = Some(folder.join("namesrv.conf"));
    configs
}

impl Fixture {
    fn new() -> Fixture {
        Fixture::with(|_| ())
    }

    fn with(settings: impl Fn(&mut Configs)) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("namesrv.conf"), "# mine\norderMessageEnable=false\n").unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut configs = configs(folder.path());
        settings(&mut configs);
        let running = runtime.block_on(start(configs)).unwrap();
        Fixture { runtime, running: Some(running), folder }
    }

    fn restart(&mut self) {
        self.runtime.block_on(self.running.take().unwrap().stop());
        self.running = Some(self.runtime.block_on(start(configs(self.folder.path()))).unwrap());
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.running.as_ref().unwrap().addr()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }
}

fn call(stream: &mut TcpStream, code: RequestCode, fields: &[(&str, &str)], body: &[u8]) -> Command {
    let ext: StrMap = fields.iter().copied().collect();
    let request = Command {
        code: code.into(),
        version: 273,
        opaque: 7,
        ext: Some(ext),
        body: body.to_vec().into(),
        ..Command::default()
    };
    let mut out = BytesMut::new();
    codec::encode(&request, &mut out);
    stream.write_all(&out).unwrap();
    let answer = read(stream);
    assert_eq!((answer.opaque, answer.flag), (7, 1));
    answer
}

fn read(stream: &mut TcpStream) -> Command {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut frame = length.to_vec();
    frame.resize(4 + u32::from_be_bytes(length) as usize, 0);
    stream.read_exact(&mut frame[4..]).unwrap();
    codec::decode(&frame.into()).unwrap()
}

const BROKER: [(&str, &str); 5] = [
    ("brokerName", "broker-a"),
    ("brokerAddr", "127.0.0.1:10911"),
    ("clusterName", "DefaultCluster"),
    ("haServerAddr", "127.0.0.1:10912"),
    ("brokerId", "0"),
];

fn body(counter: i64, topics: &[&str]) -> RegisterBrokerBody {
    let config = |topic: &&str| ((*topic).to_owned(), TopicConfig::new(topic, 4, 4, 6));
    RegisterBrokerBody {
        filter_server_list: Vec::new(),
        topic_config_serialize_wrapper: TopicConfigSerializeWrapper {
            data_version: DataVersion { counter, timestamp: 1 },
            topic_config_table: topics.iter().map(config).collect(),
        },
    }
}

fn route(stream: &mut TcpStream, topic: &str) -> Result<TopicRouteData, (i32, String)> {
    let answer = call(stream, RequestCode::GetRouteintoByTopic, &[("topic", topic)], b"");
    match answer.code {
        0 => Ok(compat::json::from_slice(&answer.body).unwrap()),
        code => Err((code, answer.remark.unwrap_or_default())),
    }
}

fn topics(stream: &mut TcpStream) -> Vec<String> {
    let answer = call(stream, RequestCode::GetAllTopicListFromNameserver, &[], b"");
    compat::json::from_slice::<TopicList>(&answer.body).unwrap().topic_list.into_iter().collect()
}

#[test]
fn a_broker_is_known_while_its_connection_stands() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    let (code, remark) = route(&mut client, "T").unwrap_err();
    assert_eq!(code, 17);
    let stock = "No topic route info in name server for the topic: T\nSee http://rocketmq.apache.org/docs/faq/ \
                 for further details.";
    assert!(remark.starts_with(stock) && remark.contains("no broker is registered"), "{remark}");
    let mut broker = fixture.connect();
    let json = compat::json::to_vec(&body(1, &["T", "U"])).unwrap();
    assert_eq!(call(&mut broker, RequestCode::RegisterBroker, &BROKER, &json).code, 0);
    let answer = call(&mut client, RequestCode::GetRouteintoByTopic, &[("topic", "T")], b"");
    let expected = concat!(
        r#"{"brokerDatas":[{"brokerAddrs":{"0":"127.0.0.1:10911"},"brokerName":"broker-a","#,
        r#""cluster":"DefaultCluster","enableActingMaster":false}],"filterServerTable":{},"queueDatas":"#,
        r#"[{"brokerName":"broker-a","perm":6,"readQueueNums":4,"topicSynFlag":0,"topicSysFlag":0,"#,
        r#""writeQueueNums":4}]}"#
    );
    assert_eq!(std::str::from_utf8(&answer.body).unwrap(), expected);
    assert_eq!(topics(&mut client), ["T", "U"]);
    drop(broker);
    // The end of a connection is seen by its own task: other requests may still overtake it.
    while route(&mut client, "T").is_ok() {}
    assert!(topics(&mut client).is_empty());
}

#[test]
fn a_missing_route_says_why_it_is_missing() {
    let fixture = Fixture::new();
    let (mut client, mut broker) = (fixture.connect(), fixture.connect());
    let mut check = |counter: i64, topics: &[(&str, i32)], topic: &str, expected: &str| {
        let mut body = body(counter, &[]);
        let config =
            |(topic, perm): &(&str, i32)| ((*topic).to_owned(), TopicConfig::new(topic, 4, 4, *perm));
        body.topic_config_serialize_wrapper.topic_config_table = topics.iter().map(config).collect();
        let json = compat::json::to_vec(&body).unwrap();
        assert_eq!(call(&mut broker, RequestCode::RegisterBroker, &BROKER, &json).code, 0);
        let (code, remark) = route(&mut client, topic).unwrap_err();
        // The beginning is what 4.3.0 says, to the letter.
        let stock = format!(
            "No topic route info in name server for the topic: {topic}\n\
             See http://rocketmq.apache.org/docs/faq/ for further details."
        );
        let why = remark.strip_prefix(&stock).unwrap_or_else(|| panic!("{remark}"));
        assert_eq!(code, 17);
        assert!(
            why.starts_with("\n(brokers are registered, but none of them ") && why.contains(expected),
            "{why}"
        );
    };
    check(1, &[("U", 6)], "T", "none creates topics on a send (autoCreateTopicEnable=false)");
    check(2, &[("U", 6)], "TBW102", "a 4.3.0 broker and a client of another version");
    check(3, &[("TBW102", 7)], "T", "the first message that is sent to it creates it");
    check(4, &[("TBW102", 4)], "T", "those that create topics on a send allow none: see brokerPermission");
}

/// Once for a topic, however often clients ask.
#[test]
fn a_missing_route_stands_in_the_log() {
    let home = tempfile::tempdir().unwrap();
    let args = |port: u16| vec!["namesrv".to_owned(), format!("listenPort={port}")];
    let (mut program, port, _) = common::start_server(home.path(), args);
    let mut client = common::connect(port);
    for topic in ["T", "T", "T", "U"] {
        assert_eq!(route(&mut client, topic).unwrap_err().0, 17);
    }
    assert_eq!(program.stop().code, Some(0));
    let log = std::fs::read_to_string(home.path().join("logs/rocketmqlogs/namesrv.log")).unwrap();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("no route info of this topic: ")).collect();
    assert_eq!(told.len(), 2, "{log}");
    assert!(told[0].contains("no broker is registered") && told[0].contains("topic=T"), "{log}");
    assert!(told[1].contains("topic=U"), "{log}");
}

#[test]
fn registrations_come_compressed_and_are_checked() {
    let fixture = Fixture::new();
    let mut broker = fixture.connect();
    let bytes = body(1, &["T"]).encode_compressed();
    let crc = (crc32fast::hash(&bytes) & 0x7FFF_FFFF).to_string();
    let mut fields = BROKER.to_vec();
    fields.extend([("compressed", "true"), ("bodyCrc32", "1")]);
    let answer = call(&mut broker, RequestCode::RegisterBroker, &fields, &bytes);
    assert_eq!((answer.code, answer.remark.as_deref()), (1, Some("crc32 not match")));
    fields.pop();
    fields.push(("bodyCrc32", &crc));
    assert_eq!(call(&mut broker, RequestCode::RegisterBroker, &fields, &bytes).code, 0);
    assert_eq!(route(&mut broker, "T").unwrap().queue_datas[0].read_queue_nums, 4);
    assert_eq!(call(&mut broker, RequestCode::RegisterBroker, &fields[..6], b"no zlib").code, 1);
    let answer = call(&mut broker, RequestCode::RegisterBroker, &BROKER[1..], b"");
    assert_eq!(answer.remark.as_deref(), Some("request header: field `brokerName` is missing"));
    let version = br#"{"counter":1,"timestamp":1}"#;
    let answer = call(&mut broker, RequestCode::QueryDataVersion, &BROKER, version);
    assert_eq!((answer.ext_field("changed"), &answer.body[..]), (Some("false"), &version[..]));
    assert_eq!(call(&mut broker, RequestCode::UnregisterBroker, &BROKER, b"").code, 0);
    assert!(topics(&mut broker).is_empty());
}

/// From another address of this machine.
fn connect_from(ip: [u8; 4], to: std::net::SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((ip, 0).into()).unwrap();
        socket.connect(to).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn outcome(answer: &Command) -> (i32, &str) {
    (answer.code, answer.remark.as_deref().unwrap_or_default())
}

#[test]
fn a_broker_is_taken_off_from_where_it_registered() {
    let home = tempfile::tempdir().unwrap();
    let args = |port: u16| vec!["namesrv".to_owned(), format!("listenPort={port}")];
    let (mut program, port, _) = common::start_server(home.path(), args);
    let addr = (Ipv4Addr::LOCALHOST, port).into();
    let (mut broker, mut stranger) = (common::connect(port), connect_from([127, 0, 0, 66], addr));
    let json = compat::json::to_vec(&body(1, &["T"])).unwrap();
    assert_eq!(call(&mut broker, RequestCode::RegisterBroker, &BROKER, &json).code, 0);
    let answer = call(&mut stranger, RequestCode::UnregisterBroker, &BROKER, b"");
    let told = "the broker 127.0.0.1:10911 was registered from 127.0.0.1, and is taken off from there only";
    assert_eq!(outcome(&answer), (16, told));
    assert!(route(&mut stranger, "T").is_ok());
    // It may be one that has moved: it is taken, and said.
    let mut moved = BROKER;
    moved[1].1 = "127.0.0.66:10911";
    assert_eq!(call(&mut stranger, RequestCode::RegisterBroker, &moved, &json).code, 0);
    let addrs = route(&mut broker, "T").unwrap().broker_datas.remove(0).broker_addrs;
    assert_eq!(addrs.into_values().collect::<Vec<_>>(), ["127.0.0.66:10911"]);
    let mut other = common::connect(port);
    assert_eq!(call(&mut other, RequestCode::UnregisterBroker, &BROKER, b"").code, 0, "the same machine");
    assert_eq!(program.stop().code, Some(0));
    let log = std::fs::read_to_string(home.path().join("logs/rocketmqlogs/namesrv.log")).unwrap();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("takes the place of one")).collect();
    assert!(told.len() == 1 && told[0].contains("remote=127.0.0.66:"), "{log}");
    assert!(log.contains("broker not taken off"), "{log}");
}

#[test]
fn only_listed_addresses_register() {
    let fixture = Fixture::with(|configs| configs.namesrv.broker_allowed_addrs = "127.0.0.66".to_owned());
    let mut stream = fixture.connect();
    for code in [RequestCode::RegisterBroker, RequestCode::UnregisterBroker, RequestCode::QueryDataVersion] {
        let expected =
            format!("{} is not allowed from 127.0.0.1: brokerAllowedAddrs does not have it", code.name());
        let answer = call(&mut stream, code, &BROKER, b"");
        assert_eq!(outcome(&answer), (16, &*expected));
    }
    assert!(topics(&mut stream).is_empty(), "clients are served");
    let mut broker = connect_from([127, 0, 0, 66], fixture.running.as_ref().unwrap().addr());
    let json = compat::json::to_vec(&body(1, &["T"])).unwrap();
    assert_eq!(call(&mut broker, RequestCode::RegisterBroker, &BROKER, &json).code, 0);
    assert_eq!(topics(&mut stream), ["T"]);
}

/// Sent without waiting for answers; a large registration is read elsewhere, and what follows it finds it done.
#[test]
fn registrations_keep_their_place_on_a_connection() {
    let fixture = Fixture::new();
    let names: Vec<String> = (0..20_000).map(|number| format!("T{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut fields = BROKER.to_vec();
    fields.push(("compressed", "true"));
    let request = |code: RequestCode, fields: &[(&str, &str)], body: Vec<u8>, opaque| {
        let ext: StrMap = fields.iter().copied().collect();
        Command { code: code.into(), opaque, ext: Some(ext), body: body.into(), ..Command::default() }
    };
    let mut out = BytesMut::new();
    for round in 0..3 {
        let body = body(round, &names).encode_compressed();
        codec::encode(&request(RequestCode::RegisterBroker, &fields, body, 1), &mut out);
        codec::encode(
            &request(RequestCode::GetRouteintoByTopic, &[("topic", "T7")], Vec::new(), 2),
            &mut out,
        );
        codec::encode(&request(RequestCode::UnregisterBroker, &BROKER, Vec::new(), 3), &mut out);
        codec::encode(
            &request(RequestCode::GetRouteintoByTopic, &[("topic", "T7")], Vec::new(), 4),
            &mut out,
        );
    }
    let mut stream = fixture.connect();
    stream.write_all(&out).unwrap();
    for _ in 0..3 {
        for (opaque, code) in [(1, 0), (2, 0), (3, 0), (4, 17)] {
            let answer = read(&mut stream);
            assert_eq!((answer.opaque, answer.code), (opaque, code), "{:?}", answer.remark);
        }
    }
}

#[test]
fn keys_and_values_survive_a_restart() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    let order = [("namespace", "ORDER_TOPIC_CONFIG"), ("key", "T"), ("value", "broker-a:4")];
    assert_eq!(call(&mut client, RequestCode::PutKvConfig, &order, b"").code, 0);
    fixture.restart();
    let mut client = fixture.connect();
    let answer = call(&mut client, RequestCode::GetKvConfig, &order[..2], b"");
    assert_eq!(answer.ext_field("value"), Some("broker-a:4"));
    let json = compat::json::to_vec(&body(1, &["T"])).unwrap();
    let answer = call(&mut client, RequestCode::RegisterBroker, &BROKER, &json);
    assert_eq!(&answer.body[..], br#"{"table":{"T":"broker-a:4"}}"#);
    assert_eq!(route(&mut client, "T").unwrap().order_topic_conf, None);
    let update = b"orderMessageEnable=true";
    assert_eq!(call(&mut client, RequestCode::UpdateNamesrvConfig, &[], update).code, 0);
    assert_eq!(route(&mut client, "T").unwrap().order_topic_conf.as_deref(), Some("broker-a:4"));
    let file = std::fs::read_to_string(fixture.folder.path().join("namesrv.conf")).unwrap();
    assert_eq!(file, "# mine\norderMessageEnable=true\n");
    assert_eq!(call(&mut client, RequestCode::DeleteKvConfig, &order[..2], b"").code, 0);
    let answer = call(&mut client, RequestCode::GetKvConfig, &order[..2], b"");
    let remark = "No config item, Namespace: ORDER_TOPIC_CONFIG Key: T";
    assert_eq!((answer.code, answer.remark.as_deref()), (22, Some(remark)));
    let answer = call(&mut client, RequestCode::GetKvlistByNamespace, &[("namespace", "none")], b"");
    assert_eq!(answer.code, 22);
}

#[test]
fn paths_cannot_be_changed_from_outside() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    for text in ["configStorePath=/tmp/x", "kvConfigPath=/tmp/x", "listenPort=1", "rocketmqHome=/tmp"] {
        let answer = call(&mut client, RequestCode::UpdateNamesrvConfig, &[], text.as_bytes());
        assert_eq!(answer.code, 16, "{text}");
        assert!(answer.remark.unwrap().contains(text.split('=').next().unwrap()));
    }
    assert_eq!(call(&mut client, RequestCode::UpdateNamesrvConfig, &[], b"nonsense=1").code, 1);
    assert_eq!(call(&mut client, RequestCode::UpdateNamesrvConfig, &[], b"\xff\xfe").code, 1);
    let answer = call(&mut client, RequestCode::GetNamesrvConfig, &[], b"");
    assert!(std::str::from_utf8(&answer.body).unwrap().contains("orderMessageEnable=false\n"));
}

#[test]
fn lists_wiping_and_unknown_codes() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    let json = compat::json::to_vec(&body(1, &["T"])).unwrap();
    call(&mut client, RequestCode::RegisterBroker, &BROKER, &json);
    let answer = call(&mut client, RequestCode::WipeWritePermOfBroker, &[("brokerName", "broker-a")], b"");
    assert_eq!(answer.ext_field("wipeTopicCount"), Some("1"));
    assert_eq!(route(&mut client, "T").unwrap().queue_datas[0].perm, 4);
    let answer = call(&mut client, RequestCode::GetBrokerClusterInfo, &[], b"");
    assert!(std::str::from_utf8(&answer.body).unwrap().contains(r#""DefaultCluster":["broker-a"]"#));
    let answer = call(&mut client, RequestCode::GetSystemTopicListFromNs, &[], b"");
    let expected = br#"{"brokerAddr":"127.0.0.1:10911","topicList":["DefaultCluster","broker-a"]}"#;
    assert_eq!(&answer.body[..], expected);
    for code in [RequestCode::GetUnitTopicList, RequestCode::GetHasUnitSubTopicList] {
        assert_eq!(&call(&mut client, code, &[], b"").body[..], br#"{"topicList":[]}"#);
    }
    let answer = call(&mut client, RequestCode::GetTopicsByCluster, &[("cluster", "x")], b"");
    assert_eq!((answer.code, &answer.body[..]), (0, &br#"{"topicList":[]}"#[..]));
    assert_eq!(call(&mut client, RequestCode::DeleteTopicInNamesrv, &[("topic", "T")], b"").code, 0);
    assert!(route(&mut client, "T").unwrap_err().1.contains("none of them has this topic"));
    let answer = call(&mut client, RequestCode::SendMessage, &[], b"");
    let remark = answer.remark.unwrap();
    assert!(remark.starts_with(" request type 10 not supported; this is a name server, "), "{remark}");
    for code in RequestCode::ALL {
        let is_served = call(&mut client, *code, &[], b"").code != 3;
        assert_eq!(is_served, request_code::is_of_namesrv((*code).into()), "{code:?}");
    }
}

#[test]
fn only_allowed_addresses_change_what_administrators_do() {
    let changes = [
        RequestCode::PutKvConfig,
        RequestCode::DeleteKvConfig,
        RequestCode::WipeWritePermOfBroker,
        RequestCode::DeleteTopicInNamesrv,
        RequestCode::UpdateNamesrvConfig,
    ];
    let fields = [("namespace", "n"), ("key", "k"), ("value", "v"), ("brokerName", "b"), ("topic", "T")];
    for (list, is_allowed) in [("10.0.0.0/8", false), ("127.0.0.1", true), ("", true)] {
        let fixture = Fixture::with(|configs| configs.namesrv.admin_allowed_addrs = list.to_owned());
        let mut stream = fixture.connect();
        for code in changes {
            let answer = call(&mut stream, code, &fields, b"");
            assert_eq!(answer.code, if is_allowed { 0 } else { 16 }, "{list} {code:?}: {:?}", answer.remark);
        }
        // What brokers and clients ask for, they get.
        assert_eq!(call(&mut stream, RequestCode::GetAllTopicListFromNameserver, &[], b"").code, 0);
        let header = [
            ("brokerName", "b"),
            ("brokerAddr", "127.0.0.1:1"),
            ("clusterName", "c"),
            ("haServerAddr", "127.0.0.1:2"),
            ("brokerId", "0"),
        ];
        for code in [RequestCode::RegisterBroker, RequestCode::UnregisterBroker] {
            assert_eq!(call(&mut stream, code, &header, b"").code, 0, "{list} {code:?}");
        }
    }
}
