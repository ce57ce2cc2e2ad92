//! The port to watch a server by, from outside: raw HTTP. Metrics must parse and move, health must tell the truth, and a
//! peer that is slow, loud or confused must not do any harm.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rocketmq::http::metrics::Exposition;
use rocketmq::http::overview::{Overview, View};
use rocketmq::http::{Limits, Place, Server, Watched};
use rocketmq::namesrv;
use rocketmq::protocol::request_code::RequestCode;
use rocketmq::remoting::Command;
use serde_json::{Value, json};

use self::common::broker::{Client, Fixture, NameServer};
use self::common::{free_port, until};

fn watched() -> Fixture {
    watched_by("")
}

fn watched_by(namesrv_addr: &str) -> Fixture {
    let namesrv_addr = namesrv_addr.to_owned();
    Fixture::with(move |configs| {
        configs.broker.namesrv_addr.clone_from(&namesrv_addr);
        configs.broker.http_port = free_port().into();
        configs.http_or_next = true;
    })
}

fn addr(fixture: &Fixture) -> SocketAddr {
    fixture.running().http_addr().unwrap()
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Everything until the peer closes; what a reset cuts off is not missed.
fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

fn raw(addr: SocketAddr, request: &str) -> String {
    let mut stream = connect(addr);
    // A server that has refused already may not read the rest.
    let _ = stream.write_all(request.as_bytes());
    rest(stream)
}

/// Status, headers, body.
fn get(addr: SocketAddr, path: &str) -> (u16, String, String) {
    let answer = raw(addr, &format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), body.to_owned())
}

/// A send's code.
fn send(client: &mut Client, topic: &str, queue_id: i32, body: &str) -> i32 {
    put(client, topic, queue_id, body).code
}

fn put(client: &mut Client, topic: &str, queue_id: i32, body: &str) -> Command {
    let queue_id = queue_id.to_string();
    // Java's short names of the fields.
    let fields = [
        ("a", "p"),
        ("b", topic),
        ("c", "TBW102"),
        ("d", "4"),
        ("e", queue_id.as_str()),
        ("f", "0"),
        ("g", "1"),
        ("h", "0"),
        ("i", ""),
        ("j", "0"),
        ("k", "false"),
        ("m", "false"),
    ];
    client.call(RequestCode::SendMessageV2, &fields, body)
}

/// A pull's code.
fn pull(client: &mut Client, topic: &str, queue_id: i32) -> i32 {
    let queue_id = queue_id.to_string();
    let fields = [
        ("consumerGroup", "g"),
        ("topic", topic),
        ("queueId", queue_id.as_str()),
        ("queueOffset", "0"),
        ("maxMsgNums", "32"),
        ("sysFlag", "4"),
        ("commitOffset", "0"),
        ("suspendTimeoutMillis", "0"),
        ("subscription", "*"),
        ("subVersion", "0"),
    ];
    client.call(RequestCode::PullMessage, &fields, "").code
}

/// Reads the text as Prometheus does, strictly; samples by name and labels as they are written.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let (mut samples, mut families) = (BTreeMap::new(), BTreeSet::new());
    let (mut name, mut kind) = ("", "");
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            name = rest.split_once(' ').unwrap().0;
            assert!(families.insert(name), "{name} comes twice");
            assert!(name.starts_with("rocketmq_") || name.starts_with("process_"), "{name}");
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (of, is) = rest.split_once(' ').unwrap();
            assert_eq!(of, name);
            assert!(["gauge", "counter", "histogram"].contains(&is), "{line}");
            kind = is;
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let of = series.split('{').next().unwrap();
        let is_of_family = match kind {
            "histogram" => ["_bucket", "_sum", "_count"].iter().any(|end| of == format!("{name}{end}")),
            _ => of == name,
        };
        assert!(is_of_family, "{line} is not of {name}");
        if let Some(labels) = series.strip_prefix(of).filter(|labels| !labels.is_empty()) {
            check_labels(labels);
        }
        let value: f64 = value.parse().unwrap();
        assert!(samples.insert(series.to_owned(), value).is_none(), "{series} comes twice");
    }
    samples
}

fn check_labels(labels: &str) {
    let mut rest = labels.strip_prefix('{').unwrap();
    loop {
        let (name, after) = rest.split_once("=\"").unwrap();
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{labels}");
        let mut escaped = false;
        let end = after.find(|c| {
            let is_end = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            is_end
        });
        rest = &after[end.unwrap() + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => break,
        }
    }
    assert_eq!(rest, "}", "{labels}");
}

fn metrics(addr: SocketAddr) -> BTreeMap<String, f64> {
    let (status, head, body) = get(addr, "/metrics");
    assert_eq!(status, 200);
    assert!(head.contains("\r\nContent-Type: text/plain; version=0.0.4"), "{head}");
    parse(&body)
}

/// The value of the series of that name whose labels contain all of these.
fn value(samples: &BTreeMap<String, f64>, name: &str, labels: &[&str]) -> Option<f64> {
    let mut found = samples.iter().filter(|(series, _)| {
        series.split('{').next() == Some(name) && labels.iter().all(|label| series.contains(label))
    });
    let first = found.next().map(|(_, value)| *value);
    assert!(found.next().is_none(), "{name} {labels:?} is not one series");
    first
}

#[test]
fn metrics_move_with_messages() {
    let fixture = watched();
    let addr = addr(&fixture);
    let before = metrics(addr);
    assert_eq!(value(&before, "rocketmq_broker_messages_in_total", &[]), Some(0.0));
    assert_eq!(value(&before, "rocketmq_messages_in_total", &["T"]), None);
    assert_eq!(value(&before, "rocketmq_put_latency_seconds_count", &[]), Some(0.0));
    let mut client = fixture.connect();
    client.create_topic("T", "2");
    for number in 0..6 {
        assert_eq!(send(&mut client, "T", number % 2, "hello"), 0);
    }
    assert_eq!(send(&mut client, "T", 7, "to a queue that there is not"), 1);
    let fields = [("consumerGroup", "g"), ("topic", "T"), ("queueId", "0"), ("commitOffset", "2")];
    client.call(RequestCode::UpdateConsumerOffset, &fields, "");
    client.heart_beat("a", "g", &["T"]);
    // Entries come into the queues after the replies.
    until("messages are in the queues", || {
        value(&metrics(addr), "rocketmq_producer_offset", &["topic=\"T\""]) == Some(6.0)
    });
    let after = metrics(addr);
    let check = |name: &str, labels: &[&str], expected: f64| {
        assert_eq!(value(&after, name, labels), Some(expected), "{name} {labels:?}");
    };
    let of_group = ["topic=\"T\"", "group=\"g\"", "cluster=\"DefaultCluster\"", "broker=\"broker-a\""];
    check("rocketmq_broker_messages_in_total", &[], 6.0);
    check("rocketmq_messages_in_total", &["topic=\"T\""], 6.0);
    check("rocketmq_topic_messages", &["topic=\"T\""], 6.0);
    check("rocketmq_put_latency_seconds_count", &["brokerIP=\"127.0.0.1\""], 6.0);
    check("rocketmq_put_latency_seconds_bucket", &["le=\"+Inf\""], 6.0);
    check("rocketmq_group_diff", &of_group, 4.0);
    check("rocketmq_message_accumulation", &of_group, 4.0);
    check("rocketmq_group_max_queue_diff", &of_group, 3.0);
    check("rocketmq_consumer_offset", &of_group, 6.0);
    check("rocketmq_group_consume_total_offset", &of_group, 2.0);
    check("rocketmq_group_count", &["group=\"g\""], 1.0);
    check("rocketmq_group_at_odds", &["group=\"g\""], 0.0);
    check("rocketmq_requests_refused_total", &["what=\"send\"", "code=\"SYSTEM_ERROR\""], 1.0);
    check("rocketmq_connections", &[], 1.0);
    check("rocketmq_metrics_left_out", &[], 0.0);
    assert!(value(&after, "rocketmq_brokeruntime_commitlog_maxoffset", &[]).unwrap() > 500.0);
    assert!(value(&after, "process_resident_memory_bytes", &[]).unwrap() > 1e6);
    assert_eq!(pull(&mut client, "T", 0), 0);
    let given = metrics(addr);
    assert_eq!(value(&given, "rocketmq_messages_out_total", &["topic=\"T\""]), Some(3.0));
    assert!(value(&given, "rocketmq_get_latency_seconds_count", &[]).unwrap() >= 1.0);
}

#[test]
fn the_overview_has_what_the_page_shows() {
    let names = NameServer::new();
    let fixture = watched_by(&names.addr());
    let addr = addr(&fixture);
    let mut client = fixture.connect();
    client.create_topic("T", "2");
    assert_eq!(send(&mut client, "T", 0, "<b>hello</b>"), 0);
    let overview = || -> Value {
        let (status, head, body) = get(addr, "/api/overview.json");
        assert_eq!(status, 200, "{body}");
        assert!(head.contains("\r\nContent-Type: application/json\r\n"), "{head}");
        serde_json::from_str(&body).unwrap()
    };
    until("the topic is shown", || overview()["topics"][0]["stored"] == 1);
    let overview = overview();
    assert_eq!(overview["topics"][0]["name"], "T");
    assert_eq!(overview["name"], "broker-a");
    assert_eq!(overview["trouble"], Value::Null);
    assert_eq!(overview["traffic"]["messagesIn"], 1);
    assert_eq!(overview["brokers"][0]["name"], "broker-a");
    assert_eq!(overview["brokers"][0]["isThis"], true);
    let (status, head, page) = get(addr, "/");
    assert_eq!(status, 200);
    assert!(head.contains("Content-Security-Policy: default-src 'none'; script-src 'nonce-"), "{head}");
    assert!(page.contains("<title>RocketMQ</title>"), "{page}");
}

#[test]
fn health_follows_the_store_and_the_name_server() {
    let names = NameServer::new();
    let fixture = watched_by(&names.addr());
    let addr = addr(&fixture);
    let ready = || {
        let (status, _, body) = get(addr, "/readyz");
        (status, body)
    };
    assert_eq!(get(addr, "/healthz").0, 200);
    assert_eq!(ready(), (200, "ok\n".to_owned()));
    let store = &fixture.running().broker().store;
    // An operator could not set a limit that any disk is beyond.
    let set_limit = |percent: i32| {
        let mut config = fixture.running().broker().live.configs().store;
        config.disk_space_warning_level_ratio = percent;
        store.settings().set(&config);
        store.clean();
    };
    assert_eq!(send(&mut fixture.connect(), "T", 0, "x"), 0);
    set_limit(0);
    let (status, reason) = ready();
    assert_eq!(status, 503);
    assert!(reason.starts_with("the store takes no messages: the disk of "), "{reason}");
    assert_eq!(get(addr, "/healthz").0, 200, "the process still answers");
    assert_eq!(value(&metrics(addr), "rocketmq_ready", &[]), Some(0.0));
    let answer = put(&mut fixture.connect(), "T", 0, "x");
    let remark = answer.remark.unwrap();
    assert_eq!(answer.code, 14, "{remark}");
    assert!(remark.starts_with("service not available now, maybe disk full, CL:"), "{remark}");
    let limit = " %, diskSpaceWarningLevelRatio; see fileReservedTime";
    assert!(remark.contains("\n(the disk of ") && remark.ends_with(&format!("{limit})")), "{remark}");
    assert_eq!(
        value(&metrics(addr), "rocketmq_requests_refused_total", &["SERVICE_NOT_AVAILABLE"]),
        Some(1.0)
    );
    set_limit(100);
    assert_eq!(ready().0, 200);
    drop(names);
    fixture.runtime.block_on(fixture.running().broker().register());
    let (status, reason) = ready();
    assert_eq!(status, 503);
    assert!(reason.starts_with("registered with no name server: none of 127.0.0.1:"), "{reason}");
}

#[test]
fn a_broker_without_name_server_is_not_ready() {
    let fixture = watched();
    let (status, _, body) = get(addr(&fixture), "/readyz");
    assert_eq!((status, body.as_str()), (503, "registered with no name server: namesrvAddr is not set\n"));
}

#[test]
fn the_port_is_off_by_default_and_goes_with_the_broker() {
    assert_eq!(Fixture::new().running().http_addr(), None);
    let fixture = watched();
    let addr = addr(&fixture);
    assert_eq!(get(addr, "/healthz").0, 200);
    drop(fixture);
    until("nobody listens any more", || TcpStream::connect(addr).is_err());
}

#[test]
fn a_name_server_is_watched_too() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut configs = namesrv::Configs {
        bind_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        http_or_next: true,
        ..namesrv::Configs::default()
    };
    configs.server.listen_port = 0;
    configs.namesrv.http_port = free_port().into();
    configs.namesrv.kv_config_path = folder.path().join("kvConfig.json").to_str().unwrap().to_owned();
    let running = runtime.block_on(namesrv::start(configs)).unwrap();
    let addr = running.http_addr().unwrap();
    assert_eq!(get(addr, "/readyz").0, 200);
    let fixture = Fixture::registered_with(&running.addr().to_string());
    let samples = metrics(addr);
    assert_eq!(value(&samples, "rocketmq_namesrv_brokers", &[]), Some(1.0));
    assert_eq!(
        value(&samples, "rocketmq_namesrv_broker", &["broker=\"broker-a\"", "brokerId=\"0\""]),
        Some(1.0)
    );
    let overview: Value = serde_json::from_str(&get(addr, "/api/overview.json").2).unwrap();
    assert_eq!(overview["kind"], "name server");
    assert_eq!(overview["brokers"][0]["name"], "broker-a");
    drop(fixture);
    runtime.block_on(running.stop());
}

/// Who hangs before its first commit is the one that an operator looks for.
#[test]
fn groups_without_offsets_and_rows_by_name_are_shown() {
    let names = NameServer::new();
    let fixture = watched_by(&names.addr());
    let addr = addr(&fixture);
    let mut client = fixture.connect();
    client.create_topic("Orders", "2");
    client.create_topic("Other", "1");
    assert_eq!(send(&mut client, "Orders", 0, "x"), 0);
    client.heart_beat("c", "workers", &["Orders", "Nowhere"]);
    let overview = |query: &str| -> Value {
        let (status, _, body) = get(addr, &format!("/api/overview.json{query}"));
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    };
    until("the message is in its queue", || overview("")["groups"][0]["lag"] == 1);
    let all = overview("");
    let (group, topic) = (&all["groups"][0], &all["topics"][0]);
    assert_eq!(
        (&group["name"], &group["topic"], &group["online"]),
        (&json!("workers"), &json!("Orders"), &json!(1))
    );
    assert_eq!(
        (&all["groupsInAll"], &all["pairsInAll"], &all["topicsInAll"]),
        (&json!(1), &json!(1), &json!(2))
    );
    assert_eq!(topic["name"], "Orders");
    let given = metrics(addr);
    assert_eq!(value(&given, "rocketmq_group_diff", &["group=\"workers\"", "topic=\"Orders\""]), Some(1.0));
    let found = overview("?find=oTh");
    assert_eq!((&found["topicsInAll"], &found["topics"][0]["name"]), (&json!(1), &json!("Other")));
    assert_eq!(found["groups"], json!([]));
    let system = overview("?find=%25retry%25&system=1");
    assert_eq!(system["topics"][0]["name"], "%RETRY%workers");
    assert_eq!(overview("?find=%25retry%25")["topicsInAll"], 0);
}

/// Something to watch that is not there.
struct Nothing;

impl Watched for Nothing {
    fn trouble(&self) -> Option<String> {
        None
    }

    fn metrics(&self, to: &mut Exposition) {
        to.gauge("rocketmq_nothing", "Nothing", 0);
    }

    fn overview(&self, _: &View) -> Overview {
        panic!("there is nothing to see");
    }
}

fn serve(limits: Limits) -> (tokio::runtime::Runtime, Server) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let place = Place { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), port: free_port(), or_next: true };
    let server = runtime.block_on(async { Server::with(place, Arc::new(Nothing), limits) }).unwrap();
    (runtime, server)
}

#[test]
fn requests_that_are_none_are_refused() {
    let (_runtime, server) = serve(Limits::default());
    let addr = server.addr();
    let check = |request: &str, status: &str| {
        let answer = raw(addr, request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    };
    check("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "405");
    check("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\nabc", "413");
    check("GET /metrics HTTP/1.1\r\n\r\n", "400");
    check("GET /metrics HTTP/3.0\r\nHost: a\r\n\r\n", "505");
    check("nonsense\r\n\r\n", "400");
    check("\0\0\0\x10 a frame of the other protocol", "400");
    check(&format!("GET /{} HTTP/1.1\r\n", "x".repeat(9000)), "431");
    check("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", "421");
    assert_eq!(get(addr, "/../etc/passwd").0, 404);
    assert_eq!(get(addr, "/metrics?x=y").0, 200);
    // A fault of ours costs its own request.
    assert_eq!(get(addr, "/api/overview.json").0, 500);
    assert_eq!(get(addr, "/healthz").0, 200);
}

#[test]
fn connections_are_kept_for_more_requests() {
    let (_runtime, server) = serve(Limits::default());
    let one = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let head = "HEAD /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = raw(server.addr(), &format!("{one}{one}{head}"));
    assert_eq!(answer.matches("HTTP/1.1 200 OK\r\n").count(), 3, "{answer}");
    assert_eq!(answer.matches("\r\n\r\nok\n").count(), 2, "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "HEAD has no body: {answer}");
}

#[test]
fn slow_peers_and_many_peers_cost_only_themselves() {
    let limits = Limits {
        connections: 4,
        head: Duration::from_millis(200),
        idle: Duration::from_secs(60),
        ..Limits::default()
    };
    let (_runtime, server) = serve(limits);
    let addr = server.addr();
    let mut slow: Vec<TcpStream> = (0..4).map(|_| connect(addr)).collect();
    // One more is closed at once, without an answer.
    assert_eq!(rest(connect(addr)), "");
    slow.iter_mut().for_each(|stream| stream.write_all(b"GET /he").unwrap());
    let began = Instant::now();
    for stream in slow {
        assert!(rest(stream).starts_with("HTTP/1.1 408 "));
    }
    assert!(began.elapsed() >= Duration::from_millis(100), "it was not waited for");
    until("there is room again", || raw(addr, "GET /healthz HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 200 "));
}

#[test]
fn one_address_cannot_keep_others_out() {
    let (_runtime, server) = serve(Limits { connections_per_addr: 2, ..Limits::default() });
    let addr = server.addr();
    let _held = [connect(addr), connect(addr)];
    assert_eq!(rest(connect(addr)), "");
    // Of the same machine, but another address.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.2:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.connect(&addr.into()).unwrap();
    let mut other = TcpStream::from(socket);
    other.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    other.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").unwrap();
    assert!(rest(other).starts_with("HTTP/1.1 200 "));
}
