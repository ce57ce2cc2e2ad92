//! The same abusive requests to Java's servers and to ours: what ours must do is asserted, what Java does is printed
//! beside it (`-- --nocapture`), and asserted only where it is certain. The table in docs/SECURITY.md is what this printed.
//! Ours alone, and in more depth: `tests/security.rs`, `tests/wire.rs`, `tests/limits.rs` and `tests/fuzz.rs` of the root.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use interop_tests::abuse::{Bystander, Outcome, Seen, anonymous_mib, connect, exchange, outcome};
use interop_tests::cluster::{Cluster, MASTER, Plan, Side};
use interop_tests::process::wait_for;
use interop_tests::rpc;
use serde_json::{Value, json};

const TOPIC: &str = "Abuse";
/// The default topic as 4.3.0's client names it, and as all others do.
const AUTO_CREATE_TOPIC_KEY: &str = "AUTO_CREATE_TOPIC_KEY";
const TBW102: &str = "TBW102";

const SEND_MESSAGE: i32 = 10;
const PULL_MESSAGE: i32 = 11;
const QUERY_MESSAGE: i32 = 12;
const UPDATE_BROKER_CONFIG: i32 = 25;
const GET_BROKER_CONFIG: i32 = 26;
const VIEW_MESSAGE_BY_ID: i32 = 33;
const PUT_KV_CONFIG: i32 = 100;
const SEND_MESSAGE_V2: i32 = 310;
const UPDATE_NAMESRV_CONFIG: i32 = 318;
const GET_NAMESRV_CONFIG: i32 = 319;
/// Nobody's, ever.
const UNKNOWN_CODE: i32 = 9_999;

const SUCCESS: i64 = 0;
const SYSTEM_ERROR: i64 = 1;
const REQUEST_CODE_NOT_SUPPORTED: i64 = 3;
const NO_PERMISSION: i64 = 16;
const TOPIC_NOT_EXIST: i64 = 17;

/// Connections of each kind, and what they send.
const HEADER_CLAIMS: usize = 500;
const UNFINISHED: usize = 40;
const UNFINISHED_BYTES: usize = 8 << 20;
/// With its length, what a frame may have.
const FRAME_BYTES: usize = 16 << 20;
/// `maxMsgsNumBatch`.
const MOST_FOUND: usize = 64;
const FLOODERS: usize = 5;
const FLOOD_REQUESTS: usize = 50_000;
const BEGUN: usize = 500;
const VISITS: usize = 1_000;

/// What ours may grow by: twice the part of `serverUnfinishedFramesMax` that strangers have, as growing buffers are copied,
/// and what else a server needs. Anything but unfinished frames is far below.
const MOST_GROWTH_MIB: u64 = 256;
const MOST_UNFINISHED_MIB: u64 = 2 * (256 / 4) + 128;

/// For an answer that comes.
const LIMIT: Duration = Duration::from_secs(20);

/// One side's servers, and what they have done so far.
struct Bench {
    side: Side,
    cluster: Cluster,
    rows: Vec<(String, String)>,
    wrong: Vec<String>,
}

impl Bench {
    fn new(side: Side) -> Bench {
        let cluster = Cluster::start(&Plan::of(side, side));
        Bench { side, cluster, rows: Vec::new(), wrong: Vec::new() }
    }

    fn broker(&self) -> SocketAddr {
        self.cluster.broker_addr
    }

    fn namesrv(&self) -> SocketAddr {
        self.cluster.namesrv_addr
    }

    /// Notes what came of a case, and whether it is what ours must do.
    fn row(&mut self, case: &str, result: impl ToString, is_ours: bool) {
        self.row_of(case, result, true, is_ours);
    }

    /// The same where Java's part is certain, too.
    fn row_of(&mut self, case: &str, result: impl ToString, is_java: bool, is_ours: bool) {
        let result = result.to_string();
        let is_right = if self.side == Side::Java { is_java } else { is_ours };
        if !is_right {
            self.wrong.push(format!("{:?}, {case}: {result}", self.side));
        }
        self.rows.push((case.to_owned(), result));
    }

    /// To the broker.
    fn ask(&self, code: i32, fields: Value, body: &[u8]) -> Outcome {
        exchange(self.broker(), &rpc::frame(code, 0, fields, body), LIMIT)
    }

    /// To the name server.
    fn ask_namesrv(&self, code: i32, fields: Value, body: &[u8]) -> Outcome {
        exchange(self.namesrv(), &rpc::frame(code, 0, fields, body), LIMIT)
    }

    fn send(&self, topic: &str, default_topic: &str, flag: i32, properties: &str) -> Outcome {
        self.ask(SEND_MESSAGE, send_fields(topic, default_topic, flag, properties), b"x")
    }

    /// These bytes to either server; each gets a connection of its own.
    fn both(&self, bytes: &[u8]) -> (Outcome, Outcome) {
        (exchange(self.broker(), bytes, LIMIT), exchange(self.namesrv(), bytes, LIMIT))
    }

    /// Whether each still answers.
    fn is_alive(&self) -> bool {
        exchange(self.broker(), &question(self.broker_question()), LIMIT).code().is_some()
            && exchange(self.namesrv(), &question(namesrv_question()), LIMIT).code().is_some()
    }

    fn broker_question(&self) -> (i32, Value) {
        (rpc::GET_MAX_OFFSET, json!({"topic": TOPIC, "queueId": "0"}))
    }

    /// Somebody who asks while `abuse` goes on.
    fn beside<T>(&self, is_broker: bool, abuse: impl FnOnce(SocketAddr) -> T) -> (Seen, T) {
        let (addr, id, asked) = if is_broker {
            (self.broker(), self.cluster.id_at(MASTER), self.broker_question())
        } else {
            (self.namesrv(), self.cluster.namesrv_id(), namesrv_question())
        };
        let limit = Duration::from_secs(if self.side == Side::Java { 5 } else { 20 });
        let bystander = Bystander::start(addr, id, question(asked), limit);
        let result = abuse(addr);
        (bystander.end(), result)
    }

    /// A new process of the broker, whose memory nobody has asked for yet.
    fn restart_broker(&mut self) {
        self.cluster.kill_broker();
        self.cluster.start_broker();
        assert_eq!(self.send(TOPIC, AUTO_CREATE_TOPIC_KEY, 0, "").code(), Some(SUCCESS));
    }

    /// Whether the message at this offset of queue 0 comes to a consumer.
    fn is_pulled(&self, topic: &str, offset: i64, limit: Duration) -> bool {
        let fields = json!({
            "consumerGroup": "abuse_group", "topic": topic, "queueId": "0", "queueOffset": offset.to_string(),
            "maxMsgNums": "1", "sysFlag": "4", "commitOffset": "0", "suspendTimeoutMillis": "0",
            "subscription": "*", "subVersion": "0", "expressionType": "TAG",
        });
        wait_for(limit, || {
            (self.ask(PULL_MESSAGE, fields.clone(), b"").code() == Some(SUCCESS)).then_some(())
        })
        .is_some()
    }
}

fn question((code, fields): (i32, Value)) -> Vec<u8> {
    rpc::frame(code, 0, fields, b"")
}

fn namesrv_question() -> (i32, Value) {
    (rpc::GET_BROKER_CLUSTER_INFO, json!({}))
}

fn send_fields(topic: &str, default_topic: &str, flag: i32, properties: &str) -> Value {
    json!({
        "producerGroup": "abuse_producers", "topic": topic, "defaultTopic": default_topic,
        "defaultTopicQueueNums": "4", "queueId": "0", "sysFlag": "0", "bornTimestamp": "1500000000000",
        "flag": flag.to_string(), "properties": properties, "reconsumeTimes": "0", "unitMode": "false",
        "batch": "false", "maxReconsumeTimes": "0",
    })
}

/// One text where both servers did the same.
fn either(of: &(Outcome, Outcome)) -> String {
    let (broker, namesrv) = (of.0.to_string(), of.1.to_string());
    if broker == namesrv { broker } else { format!("broker: {broker}; name server: {namesrv}") }
}

/// A ClientHello of TLS 1.2 that a server can answer.
fn client_hello() -> Vec<u8> {
    let extensions: [u8; 22] = [
        0, 10, 0, 4, 0, 2, 0, 23, // supported_groups: secp256r1
        0, 11, 0, 2, 1, 0, // ec_point_formats: uncompressed
        0, 13, 0, 4, 0, 2, 4, 1, // signature_algorithms: rsa_pkcs1_sha256
    ];
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xC0, 0x2F, 1, 0, 0, extensions.len() as u8]);
    hello.extend(extensions);
    let length = hello.len() as u8;
    [&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &hello].concat()
}

/// Frames that are none, and headers that are none.
fn frames(bench: &mut Bench) {
    let length = |length: u32| length.to_be_bytes().to_vec();
    let over = |length: u32| [&length.to_be_bytes()[..], &[0; 1000]].concat();
    let header = |text: &str| rpc::frame_of(text, b"");
    let nested = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    let in_fields = format!(r#"{{"code":105,"opaque":1,"flag":0,"version":273,"extFields":{nested}}}"#);
    let cases: [(&str, Vec<u8>); 12] = [
        ("frame length -1", over(u32::MAX)),
        ("frame length 0", length(0)),
        ("frame length 3", [length(3), vec![0; 3]].concat()),
        ("frame length 2 GiB - 1", over(i32::MAX as u32)),
        ("frame length 16 MiB", over(FRAME_BYTES as u32)),
        ("header of a serialize type 9", vec![0, 0, 0, 8, 9, 0, 0, 4, b'{', b'}', b' ', b' ']),
        ("header that is no JSON", header("{\"code\": 105, oh")),
        ("header of another JSON type", header("[1, 2, 3]")),
        ("JSON nested 100,000 deep", header(&nested)),
        ("the same in extFields", header(&in_fields)),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("TLS ClientHello", client_hello()),
    ];
    for (case, bytes) in cases {
        let of = bench.both(&bytes);
        let is_alive = bench.is_alive();
        let is_refused = |it: &Outcome| it.is_closed() || it.code() == Some(SYSTEM_ERROR);
        bench.row_of(case, either(&of), is_alive, is_alive && is_refused(&of.0) && is_refused(&of.1));
    }
}

/// Sound headers with something in them that cannot be.
fn headers(bench: &mut Bench) {
    // Java says nothing at all.
    let limit = Duration::from_secs(if bench.side == Side::Java { 2 } else { 20 });
    let bytes = rpc::frame(UNKNOWN_CODE, 0, json!({}), b"");
    let of = std::thread::scope(|scope| {
        let broker = scope.spawn(|| exchange(bench.broker(), &bytes, limit));
        let namesrv = exchange(bench.namesrv(), &bytes, limit);
        (broker.join().expect("it connects"), namesrv)
    });
    let is_known = |it: &Outcome| it.code() == Some(REQUEST_CODE_NOT_SUPPORTED);
    bench.row("unknown request code", either(&of), is_known(&of.0) && is_known(&of.1));

    let of = bench.both(&rpc::frame_of(r#"{"code":105,"opaque":"abc","flag":0,"version":273}"#, b""));
    let is_refused = |it: &Outcome| it.is_closed() || it.code() == Some(SYSTEM_ERROR);
    bench.row("opaque that is a word", either(&of), is_refused(&of.0) && is_refused(&of.1));

    // A reply that nobody waits for is dropped, and the connection goes on.
    let reply = rpc::frame(0, 1, json!({}), b"");
    let stray = |asked: (i32, Value)| [reply.clone(), question(asked)].concat();
    let broker = exchange(bench.broker(), &stray(bench.broker_question()), LIMIT);
    let namesrv = exchange(bench.namesrv(), &stray(namesrv_question()), LIMIT);
    let is_dropped = broker.code() == Some(SUCCESS) && namesrv.code() == Some(SUCCESS);
    let text = if is_dropped {
        "dropped, the next request is answered".to_owned()
    } else {
        either(&(broker, namesrv))
    };
    bench.row("reply that nobody waits for", text, is_dropped);

    for (case, code) in [
        ("SEND without fields", SEND_MESSAGE),
        ("SEND_V2 without fields", SEND_MESSAGE_V2),
        ("PULL without fields", PULL_MESSAGE),
    ] {
        let of = bench.ask(code, json!({}), b"");
        bench.row(case, &of, of.code() == Some(SYSTEM_ERROR));
    }
    let of = bench.ask(rpc::GET_MAX_OFFSET, json!({"topic": TOPIC, "queueId": "abc"}), b"");
    bench.row("queueId=abc", &of, of.code() == Some(SYSTEM_ERROR));
    let of = bench.send(TOPIC, AUTO_CREATE_TOPIC_KEY, 0, "DELAY\u{1}abc\u{2}");
    bench.row("SEND with property DELAY=abc", &of, of.code().is_some_and(|it| it != SUCCESS));
}

/// Requests whose answers would be too much or not theirs.
fn reads(bench: &mut Bench) {
    // Inside the message, the four bytes of its flag are taken for its length.
    const FLAG: i32 = 40;
    const FLAG_AT: i64 = 16;
    let sent = bench.send(TOPIC, AUTO_CREATE_TOPIC_KEY, FLAG, "KEYS\u{1}k\u{2}");
    let Outcome::Answered(sent) = sent else { panic!("{:?}: a message is not taken: {sent}", bench.side) };
    let id = sent.ext_fields["msgId"].as_str().unwrap_or_default().to_owned();
    let offset = id.get(16..).and_then(|it| i64::from_str_radix(it, 16).ok());
    let offset = offset.unwrap_or_else(|| panic!("{:?}: message id {id:?}", bench.side));
    let whole = bench.ask(VIEW_MESSAGE_BY_ID, json!({"offset": offset.to_string()}), b"");
    assert_eq!(whole.code(), Some(SUCCESS), "{:?}: {whole}", bench.side);

    let inside = bench.ask(VIEW_MESSAGE_BY_ID, json!({"offset": (offset + FLAG_AT).to_string()}), b"");
    let is_raw = inside.code() == Some(SUCCESS) && inside.body().len() == FLAG as usize;
    let is_refused = inside.code().is_some_and(|it| it != SUCCESS) && inside.body().is_empty();
    bench.row_of("VIEW_MESSAGE_BY_ID inside a message", &inside, is_raw, is_refused);

    let fields = json!({
        "topic": TOPIC, "key": "k", "maxNum": i32::MAX.to_string(), "beginTimestamp": "0",
        "endTimestamp": i64::MAX.to_string(),
    });
    // More messages with that key than one answer may have.
    for _ in 0..MOST_FOUND {
        let of = bench.send(TOPIC, AUTO_CREATE_TOPIC_KEY, FLAG, "KEYS\u{1}k\u{2}");
        assert_eq!(of.code(), Some(SUCCESS), "{:?}: {of}", bench.side);
    }
    let most = MOST_FOUND * whole.body().len();
    // The index is written behind the log, in its order: what is pulled has all before it in the index.
    assert_eq!(bench.send("Behind", AUTO_CREATE_TOPIC_KEY, 0, "").code(), Some(SUCCESS));
    assert!(bench.is_pulled("Behind", 0, LIMIT), "{:?}", bench.side);
    let of = bench.ask(QUERY_MESSAGE, fields, b"");
    let is_capped = of.code() == Some(SUCCESS) && of.body().len() == most;
    let text = if is_capped { format!("code 0, {MOST_FOUND} messages") } else { of.to_string() };
    bench.row("QUERY_MESSAGE with maxNum 2^31-1", text, is_capped);
}

/// Topics that come into being because somebody sends to them.
fn default_topics(bench: &mut Bench) {
    for (topic, default_topic, javas) in
        [("MadeByKey", AUTO_CREATE_TOPIC_KEY, SUCCESS), ("MadeByTBW102", TBW102, TOPIC_NOT_EXIST)]
    {
        let of = bench.send(topic, default_topic, 0, "");
        let case = format!("SEND to a new topic, default topic {default_topic}");
        bench.row_of(&case, &of, of.code() == Some(javas), of.code() == Some(SUCCESS));
    }
}

/// Twelve bytes, of which four say that 16 MiB of header follow.
fn header_claims(bench: &mut Bench) {
    let bytes = [0, 0, 0, 8, 0, 0xFF, 0xFF, 0xFF, b'{', b'"', b'a', b'"'];
    for (is_broker, name) in [(true, "broker"), (false, "name server")] {
        let (seen, closed) = bench.beside(is_broker, |addr| {
            let mut streams: Vec<TcpStream> = (0..HEADER_CLAIMS).map(|_| connect(addr)).collect();
            for stream in &mut streams {
                stream.write_all(&bytes).expect("nobody has closed it yet");
            }
            streams.iter_mut().map(|it| outcome(it, LIMIT)).filter(Outcome::is_closed).count()
        });
        let case = format!("{HEADER_CLAIMS} times 12 bytes that claim a 16 MiB header, {name}");
        let is_right = closed == HEADER_CLAIMS && seen.unanswered == 0 && seen.grown_mib() < MOST_GROWTH_MIB;
        bench.row(&case, format!("{closed} closed, {seen}"), is_right);
    }
}

/// Half of a frame of 16 MiB on many connections, which then go.
fn unfinished_frames(bench: &mut Bench) {
    bench.restart_broker();
    let bytes = [&(FRAME_BYTES as u32 - 4).to_be_bytes()[..], &vec![0; UNFINISHED_BYTES - 4]].concat();
    let (seen, (taken, streams)) = bench.beside(true, |addr| {
        let begin = || {
            let mut stream = connect(addr);
            stream.set_write_timeout(Some(Duration::from_secs(10))).expect("not zero");
            (stream.write_all(&bytes).is_ok(), stream)
        };
        let streams: Vec<(bool, TcpStream)> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..UNFINISHED).map(|_| scope.spawn(begin)).collect();
            threads.into_iter().map(|it| it.join().expect("it connects")).collect()
        });
        (streams.iter().filter(|(is_taken, _)| *is_taken).count(), streams)
    });
    let id = bench.cluster.id_at(MASTER);
    drop(streams);
    let most = seen.before_mib + seen.grown_mib() / 10;
    let _ = wait_for(Duration::from_secs(3), || (anonymous_mib(id) < most).then_some(()));
    let after = anonymous_mib(id).saturating_sub(seen.before_mib);
    let is_right = seen.unanswered == 0 && seen.grown_mib() < MOST_UNFINISHED_MIB;
    let case = format!("{UNFINISHED} connections with 8 MiB of a 16 MiB frame");
    bench.row(&case, format!("{taken} taken, {seen}; +{after} MiB after they have gone"), is_right);
}

/// Many requests from clients that read no answer: small ones, then such as are answered with the whole configuration.
fn unread_answers(bench: &mut Bench) {
    for (code, what) in [(rpc::GET_MAX_OFFSET, "small answers"), (GET_BROKER_CONFIG, "answers of some KiB")] {
        bench.restart_broker();
        let request = rpc::frame(code, 0, json!({"topic": TOPIC, "queueId": "0"}), b"");
        let (seen, sent) = bench.beside(true, |addr| {
            std::thread::scope(|scope| {
                let threads: Vec<_> = (0..FLOODERS).map(|_| scope.spawn(|| flood(addr, &request))).collect();
                let flooders: Vec<_> =
                    threads.into_iter().map(|it| it.join().expect("it connects")).collect();
                flooders.iter().map(|(sent, _)| sent).sum::<usize>()
            })
        });
        let is_right = seen.unanswered == 0 && seen.grown_mib() < MOST_GROWTH_MIB;
        let case =
            format!("{FLOODERS} clients that send {FLOOD_REQUESTS} requests each and read nothing, {what}");
        bench.row(&case, format!("{sent} taken, {seen}"), is_right);
    }
}

/// As many as the server takes.
fn flood(addr: SocketAddr, request: &[u8]) -> (usize, TcpStream) {
    const AT_ONCE: usize = 100;
    let mut stream = connect(addr);
    stream.set_write_timeout(Some(Duration::from_secs(2))).expect("not zero");
    let piece = request.repeat(AT_ONCE);
    let taken = (0..FLOOD_REQUESTS / AT_ONCE).take_while(|_| stream.write_all(&piece).is_ok()).count();
    (taken * AT_ONCE, stream)
}

/// Connections that come to nothing.
fn connections(bench: &mut Bench) {
    bench.restart_broker();
    let (seen, streams) = bench.beside(true, |addr| {
        let mut streams: Vec<TcpStream> = (0..BEGUN).map(|_| connect(addr)).collect();
        for stream in &mut streams {
            stream.write_all(&[0, 0]).expect("nobody has closed it");
        }
        streams
    });
    let is_right = |seen: &Seen| seen.unanswered == 0 && seen.grown_mib() < MOST_GROWTH_MIB;
    bench.row(&format!("{BEGUN} connections that send 2 bytes"), &seen, is_right(&seen));
    drop(streams);
    let asked = question(bench.broker_question());
    let (seen, failed) = bench.beside(true, |addr| {
        let visit = || exchange(addr, &asked, LIMIT).code() == Some(SUCCESS);
        (0..VISITS).filter(|_| !visit()).count()
    });
    let text = format!("{failed} failed, {seen}");
    bench.row(&format!("{VISITS} times connect, ask, close"), text, failed == 0 && is_right(&seen));
}

/// Settings that say where files are.
fn settings(bench: &mut Bench) {
    // Java may have a queue of requests from before.
    bench.restart_broker();
    let folder = tempfile::tempdir().expect("a folder for what should not be written");
    let says = |of: &Outcome, is_changed: bool, is_written: bool| {
        let not = |is: bool| if is { "" } else { "not " };
        format!("{of}; {}changed, {}written there", not(is_changed), not(is_written))
    };
    let update = |path: &Path, key: &str| format!("{key}={}\n", path.display()).into_bytes();
    let names =
        |of: &Outcome, path: &Path| String::from_utf8_lossy(of.body()).contains(&path.display().to_string());

    let path = folder.path().join("namesrv");
    let of = bench.ask_namesrv(UPDATE_NAMESRV_CONFIG, json!({}), &update(&path, "configStorePath"));
    let is_changed = names(&bench.ask_namesrv(GET_NAMESRV_CONFIG, json!({}), b""), &path);
    let is_written = path.exists();
    let is_javas = of.code() == Some(SUCCESS) && is_changed && is_written;
    let is_refused = of.code() == Some(NO_PERMISSION) && !is_changed && !is_written;
    let text = says(&of, is_changed, is_written);
    bench.row_of("UPDATE_NAMESRV_CONFIG configStorePath", text, is_javas, is_refused);

    let path = folder.path().join("broker");
    let of = bench.ask(UPDATE_BROKER_CONFIG, json!({}), &update(&path, "storePathRootDir"));
    let is_changed = names(&bench.ask(GET_BROKER_CONFIG, json!({}), b""), &path);
    // The next queue to be made.
    assert_eq!(bench.send("Moved", AUTO_CREATE_TOPIC_KEY, 0, "").code(), Some(SUCCESS));
    assert!(bench.is_pulled("Moved", 0, LIMIT), "{:?}", bench.side);
    let is_written = path.join("consumequeue/Moved").exists();
    let is_javas = of.code() == Some(SUCCESS) && is_changed;
    let is_refused = of.code() == Some(NO_PERMISSION) && !is_changed && !is_written;
    let text = says(&of, is_changed, is_written);
    bench.row_of("UPDATE_BROKER_CONFIG storePathRootDir", text, is_javas, is_refused);
    let store = bench.cluster.store.clone();
    bench.ask(UPDATE_BROKER_CONFIG, json!({}), &update(&store, "storePathRootDir"));

    let fields = json!({"namespace": "abuse", "key": "k", "value": "v"});
    let of = bench.ask_namesrv(PUT_KV_CONFIG, fields, b"");
    // As in 4.3.0 unless `adminAllowedAddrs` says otherwise.
    bench.row_of("PUT_KV_CONFIG", &of, of.code() == Some(SUCCESS), of.code() == Some(SUCCESS));
}

/// Topics that cannot be; Java dispatches nothing any more after the last one.
fn topics(bench: &mut Bench) {
    let fields = json!({
        "topic": "Many", "defaultTopic": AUTO_CREATE_TOPIC_KEY, "readQueueNums": i32::MAX.to_string(),
        "writeQueueNums": i32::MAX.to_string(), "perm": "6", "topicFilterType": "SINGLE_TAG", "topicSysFlag": "0",
        "order": "false",
    });
    let of = bench.ask(rpc::UPDATE_AND_CREATE_TOPIC, fields, b"");
    let is = |of: &Outcome, code| of.code() == Some(code);
    bench.row_of("topic of 2^31-1 queues", &of, is(&of, SUCCESS), is(&of, SYSTEM_ERROR));

    for (case, topic) in [("an empty topic", ""), ("a topic with control characters", "a\u{1}\nb")] {
        let of = bench.send(topic, AUTO_CREATE_TOPIC_KEY, 0, "");
        bench.row(&format!("SEND to {case}"), &of, is(&of, SYSTEM_ERROR));
    }
    let of = bench.send("../../escaped", AUTO_CREATE_TOPIC_KEY, 0, "");
    let outside = bench.cluster.store.join("consumequeue/../../escaped");
    // Queues are made behind the answer.
    let limit = Duration::from_secs(if is(&of, SUCCESS) { 5 } else { 0 });
    let is_made = wait_for(limit, || outside.exists().then_some(())).is_some();
    let text = format!("{of}; {}", if is_made { "a folder outside the store" } else { "no folder" });
    bench.row_of("SEND to ../../escaped", text, is(&of, SUCCESS), is(&of, SYSTEM_ERROR) && !is_made);

    let before = bench.send("Bystander", AUTO_CREATE_TOPIC_KEY, 0, "");
    let is_pulled = is(&before, SUCCESS) && bench.is_pulled("Bystander", 0, LIMIT);
    assert!(is_pulled, "{:?}: a topic works so far: {before}", bench.side);
    let of = bench.send("..%2f/../x", AUTO_CREATE_TOPIC_KEY, 0, "");
    let after = bench.send("Bystander", AUTO_CREATE_TOPIC_KEY, 0, "");
    // Ours comes in milliseconds; Java's never.
    let limit = Duration::from_secs(if bench.side == Side::Java { 4 } else { 20 });
    let is_pulled = bench.is_pulled("Bystander", 1, limit);
    let pulled = if is_pulled { "pulled" } else { "never pulled" };
    let text = format!("{of}; what another topic gets then: {after}, {pulled}");
    let is_java = is(&of, SUCCESS) && !is_pulled;
    let is_ours = is(&of, SYSTEM_ERROR) && is(&after, SUCCESS) && is_pulled;
    bench.row_of("SEND to ..%2f/../x", text, is_java, is_ours);
}

/// All of it, the worst last.
fn abuse(side: Side) -> Bench {
    let mut bench = Bench::new(side);
    assert_eq!(bench.send(TOPIC, AUTO_CREATE_TOPIC_KEY, 0, "").code(), Some(SUCCESS));
    let parts = [
        frames,
        headers,
        reads,
        default_topics,
        connections,
        header_claims,
        unfinished_frames,
        unread_answers,
        settings,
        topics,
    ];
    for part in parts {
        part(&mut bench);
        let is_alive = bench.is_alive();
        assert!(
            is_alive || side == Side::Java,
            "{:?} has not survived:\n{}",
            bench.rows,
            bench.cluster.printed()
        );
    }
    bench
}

#[test]
fn abusive_requests_cost_who_sends_them() {
    let [java, ours] = [Side::Java, Side::Ours].map(abuse);
    println!("| case | Java 4.3.0 | here |\n|---|---|---|");
    for ((case, javas), (same, result)) in java.rows.iter().zip(&ours.rows) {
        assert_eq!(case, same);
        println!("| {case} | {javas} | {result} |");
    }
    assert_eq!(java.rows.len(), ours.rows.len());
    let wrong = [java.wrong, ours.wrong].concat();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
