//! Random and mutated bytes for everything that reads bytes of others: frames, bodies, properties, messages, records,
//! expressions, settings, and both servers over loopback. Nothing may panic, hang, or cost a bystander its answers. A few
//! seconds of it every day; `scripts/fuzz` for millions. Damaged data directories are `store_damage`'s.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rocketmq::config::file_entries;
use rocketmq::filter::Expression;
use rocketmq::protocol::body::{client, group, heartbeat, offset, queue, register, route, stats, topic};
use rocketmq::protocol::header::NoHeader;
use rocketmq::protocol::message::{self, Properties, batch_items, messages};
use rocketmq::protocol::request_code::RequestCode;
use rocketmq::remoting::{Command, SerializeType, codec};
use rocketmq::store::record;
use rocketmq::strmap::StrMap;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::common::{broker_args, call, connect, start_server};

/// How often each target is tried.
fn cases(every_day: u64) -> u64 {
    std::env::var("FUZZ_CASES").map_or(every_day, |it| it.parse().unwrap())
}

fn seed() -> u64 {
    std::env::var("FUZZ_SEED").map_or(20_181_123, |it| it.parse().unwrap())
}

struct Random(u64);

impl Random {
    fn new(salt: u64) -> Random {
        Random((seed() ^ salt.wrapping_mul(0x9E37_79B9_7F4A_7C15)) | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound.max(1)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.below(most);
        (0..length).map(|_| self.below(256) as u8).collect()
    }

    /// One of the samples with some of it changed, or nothing of the kind.
    fn mutated(&mut self, samples: &[Vec<u8>]) -> Vec<u8> {
        if self.below(20) == 0 {
            return self.bytes(200);
        }
        let mut bytes = self.pick(samples).clone();
        for _ in 0..=self.below(4) {
            self.change(&mut bytes, samples);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, samples: &[Vec<u8>]) {
        const NUMBERS: [i32; 9] = [0, 1, -1, i32::MAX, i32::MIN, 255, 65_536, 16 << 20, 0x4000_0000];
        const WORDS: [&str; 12] = [
            "null",
            "-1",
            "9223372036854775808",
            "{}",
            "[]",
            "\"",
            "\u{1}",
            "\u{2}",
            "true",
            "1e999",
            "\\u0000",
            "%RETRY%",
        ];
        let (at, length) = (self.below(bytes.len() + 1), self.below(16));
        let end = (at + length).min(bytes.len());
        match self.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = self.below(256) as u8,
            2 => drop(bytes.splice(at..end, self.bytes(16))),
            3 => drop(bytes.drain(at..end)),
            4 => bytes.truncate(at),
            5 => drop(bytes.splice(at..(at + 4).min(bytes.len()), self.pick(&NUMBERS).to_be_bytes())),
            6 => drop(bytes.splice(at..end, self.pick(&WORDS).bytes())),
            _ => {
                let other = self.pick(samples);
                let from = self.below(other.len());
                bytes.splice(at..end, other[from..].iter().copied().take(64));
            }
        }
    }
}

/// Tries `take` on mutations; when it panics, the bytes are in the message.
fn fuzz(salt: u64, samples: &[Vec<u8>], every_day: u64, take: impl Fn(&[u8])) {
    let mut random = Random::new(salt);
    for case in 0..cases(every_day) {
        let bytes = random.mutated(samples);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| take(&bytes)));
        assert!(outcome.is_ok(), "seed {}, case {case}: {:?}", seed(), String::from_utf8_lossy(&bytes));
    }
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|it| it.as_bytes().to_vec()).collect()
}

const HEARTBEAT: &str = r#"{"clientID":"10.0.0.1@1","consumerDataSet":[{"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","consumeType":"CONSUME_PASSIVELY","groupName":"g","messageModel":"CLUSTERING","subscriptionDataSet":[{"classFilterMode":false,"codeSet":[65],"expressionType":"TAG","subString":"A","subVersion":1,"tagsSet":["A"],"topic":"T"}],"unitMode":false}],"producerDataSet":[{"groupName":"p"}]}"#;
const REGISTRATION: &str = r#"{"filterServerList":[],"topicConfigSerializeWrapper":{"dataVersion":{"counter":1,"timestamp":2},"topicConfigTable":{"T":{"order":false,"perm":6,"readQueueNums":4,"topicFilterType":"SINGLE_TAG","topicName":"T","topicSysFlag":0,"writeQueueNums":4}}}}"#;
const QUEUES: &str =
    r#"{"clientId":"c","consumerGroup":"g","mqSet":[{"brokerName":"broker-a","queueId":0,"topic":"T"}]}"#;
const OFFSETS: &str =
    r#"{"offsetTable":{{"brokerName":"broker-a","queueId":0,"topic":"T"}:5,"T@g":{0:1,1:2}}}"#;

fn bodies() -> Vec<Vec<u8>> {
    texts(&[
        HEARTBEAT,
        REGISTRATION,
        QUEUES,
        OFFSETS,
        r#"{"table":{"a":"b"}}"#,
        r#"{"topicList":["T"]}"#,
        "[[[[{}]]]]",
    ])
}

/// Requests of every code, with all the fields that any of them has.
fn frames() -> Vec<Vec<u8>> {
    const FIELDS: [(&str, &str); 40] = [
        ("topic", "T"),
        ("queueId", "0"),
        ("consumerGroup", "g"),
        ("group", "g"),
        ("producerGroup", "p"),
        ("clientID", "c"),
        ("clientId", "c"),
        ("queueOffset", "0"),
        ("offset", "0"),
        ("commitOffset", "1"),
        ("maxMsgNums", "32"),
        ("sysFlag", "0"),
        ("suspendTimeoutMillis", "0"),
        ("subscription", "*"),
        ("subVersion", "1"),
        ("expressionType", "TAG"),
        ("defaultTopic", "TBW102"),
        ("defaultTopicQueueNums", "4"),
        ("bornTimestamp", "1"),
        ("flag", "0"),
        ("properties", "KEYS\u{1}k\u{2}TAGS\u{1}A\u{2}"),
        ("reconsumeTimes", "0"),
        ("key", "k"),
        ("maxNum", "32"),
        ("beginTimestamp", "0"),
        ("endTimestamp", "9223372036854775807"),
        ("timestamp", "0"),
        ("statsName", "TOPIC_PUT_NUMS"),
        ("statsKey", "T"),
        ("namespace", "n"),
        ("value", "v"),
        ("cluster", "DefaultCluster"),
        ("brokerName", "broker-x"),
        ("brokerAddr", "127.0.0.1:1"),
        ("clusterName", "DefaultCluster"),
        ("haServerAddr", "127.0.0.1:2"),
        ("brokerId", "0"),
        ("tranStateTableOffset", "0"),
        ("commitLogOffset", "0"),
        ("commitOrRollback", "8"),
    ];
    const SEND: [(&str, &str); 9] = [
        ("a", "p"),
        ("b", "T"),
        ("c", "TBW102"),
        ("d", "4"),
        ("e", "0"),
        ("f", "0"),
        ("g", "1"),
        ("h", "0"),
        ("i", "KEYS\u{1}k\u{2}"),
    ];
    let bodies = bodies();
    let mut frames = Vec::new();
    let mut add = |code: i32, fields: &[(&str, &str)], body: &[u8], form: SerializeType| {
        let mut ext = StrMap::new();
        fields.iter().for_each(|(name, value)| ext.set(name, value));
        let ext = Some(ext);
        let command = Command { ext, ..Command::request(code, &NoHeader {}) };
        let command = command.with_body(Bytes::copy_from_slice(body));
        let mut out = BytesMut::new();
        codec::encode_as(&command, form, &mut out);
        frames.push(out.to_vec());
    };
    for (at, code) in RequestCode::ALL.iter().enumerate() {
        let form = if at % 2 == 0 { SerializeType::Json } else { SerializeType::RocketMq };
        add(i32::from(*code), &FIELDS, &bodies[at % bodies.len()], form);
    }
    for form in [SerializeType::Json, SerializeType::RocketMq] {
        add(i32::from(RequestCode::SendMessageV2), &SEND, b"a body", form);
        add(i32::from(RequestCode::SendBatchMessage), &SEND, &batch(), form);
        add(i32::from(RequestCode::HeartBeat), &[], HEARTBEAT.as_bytes(), form);
    }
    frames
}

fn batch() -> Vec<u8> {
    let mut out = Vec::new();
    for body in ["one", "two"] {
        let item = message::BatchItem { flag: 0, body: body.as_bytes(), properties: b"KEYS\x01k\x02" };
        message::put_batch_item(&mut out, item).unwrap();
    }
    out
}

#[test]
fn frames_are_read_or_refused() {
    fuzz(1, &frames(), 20_000, |bytes| {
        if let Ok(Some(length)) = codec::frame_length(bytes, codec::FRAME_MAX_BYTES) {
            assert!(length <= codec::FRAME_MAX_BYTES + 4);
        }
        if let Ok(command) = codec::decode(&Bytes::copy_from_slice(bytes)) {
            for form in [SerializeType::Json, SerializeType::RocketMq] {
                codec::encode_as(&command, form, &mut BytesMut::new());
            }
        }
    });
}

#[test]
fn bodies_are_read_or_refused() {
    fn take<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
        if let Ok(body) = compat::json::from_slice::<T>(bytes) {
            // What was read can be written, in both forms.
            let _ = (compat::json::to_vec(&body), compat::json::to_vec_java(&body));
        }
    }
    fuzz(2, &bodies(), 5_000, |bytes| {
        take::<heartbeat::HeartbeatData>(bytes);
        take::<register::RegisterBrokerBody>(bytes);
        take::<queue::LockBatchRequestBody>(bytes);
        take::<offset::ConsumerOffsetSerializeWrapper>(bytes);
        take::<offset::DelayOffsetSerializeWrapper>(bytes);
        take::<topic::TopicConfigSerializeWrapper>(bytes);
        take::<topic::DataVersion>(bytes);
        take::<group::SubscriptionGroupWrapper>(bytes);
        take::<route::TopicRouteData>(bytes);
        take::<route::ClusterInfo>(bytes);
        take::<stats::ConsumeStats>(bytes);
        take::<client::ConsumerRunningInfo>(bytes);
    });
}

/// Messages as replies have them, which are records as the log has them.
fn records() -> Vec<Vec<u8>> {
    let host = "127.0.0.1:10911".parse().unwrap();
    let body = vec![b'x'; 300];
    let content = |topic: &'static str, properties: &'static str| {
        let content = record::Content {
            topic,
            queue_id: 0,
            flag: 0,
            sys_flag: 0,
            born_timestamp_ms: 1,
            born_host: host,
            store_host: host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: &body,
            properties,
        };
        let mut out = Vec::new();
        record::encode(&content, &mut out);
        record::stamp(&mut out, 0, 0, 1);
        out
    };
    vec![content("T", ""), content("Topic", "KEYS\u{1}a b\u{2}TAGS\u{1}A\u{2}UNIQ_KEY\u{1}7F\u{2}")]
}

#[test]
fn messages_and_records_are_read_or_refused() {
    fuzz(3, &records(), 20_000, |bytes| {
        for message in messages(bytes).flatten() {
            let _ = (message.offset_msg_id(), message.msg_id(), message.is_body_intact(), message.to_ext());
            let _ = message.inflated_body(1 << 20);
        }
        if let Some(record) = record::parse(bytes) {
            let _ = (record.topic(), record.properties(), record.body().len(), record.crc_is_right());
        }
        let _ = (record::head(bytes), record::is_of_entry(bytes, 0, 0, 0));
        if let record::Found::Message(record) = record::find(bytes, 0) {
            assert!(record.length() <= bytes.len());
        }
    });
    fuzz(4, &[batch()], 20_000, |bytes| assert!(batch_items(bytes).count() <= bytes.len() + 1));
}

#[test]
fn properties_and_settings_are_read() {
    let samples = texts(&[
        "KEYS\u{1}a b\u{2}TAGS\u{1}A\u{2}DELAY\u{1}3\u{2}",
        "\u{1}\u{2}\u{2}\u{1}",
        "# a comment\nbrokerName=a\nbrokerId : 1\nnamesrvAddr = 1.2.3.4:9876 \\\n  ;5.6.7.8:9876\n\\u0041=b",
    ]);
    fuzz(5, &samples, 20_000, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let properties = Properties::parse(&text);
        assert_eq!(Properties::parse(&properties.encode()).len(), properties.len());
        let _ = message::property(&text, "KEYS");
        let _ = file_entries("f", &text);
    });
}

#[test]
fn expressions_compile_or_are_refused() {
    let samples = texts(&[
        "a > 5 AND b IN ('x', 'y') OR NOT (c IS NULL)",
        "a BETWEEN 1 AND 2.5e3 AND b <> 'it''s'",
        "TRUE OR FALSE AND a NOT IN ('x')",
        "((((a = 0xFF))))",
    ]);
    fuzz(6, &samples, 20_000, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        match Expression::compile(&text) {
            Ok(expression) => drop(expression.matches(|name| (name == "a").then_some("7"))),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    });
}

/// One server, mutated frames on several connections, and a bystander who always has to get an answer.
fn server_stands(home: &Path, salt: u64, healthy: &Command, args: impl Fn(u16) -> Vec<String>) {
    const THREADS: u64 = 4;
    const BURST: u64 = 64;
    let (mut program, port, _) = start_server(home, args);
    let anonymous_kb = |program: &common::Program| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap().to_owned();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    let before = anonymous_kb(&program);
    let (frames, done, slowest_us) = (frames(), AtomicBool::new(false), AtomicU64::new(0));
    let each = cases(8_000).div_ceil(THREADS);
    let answered = std::thread::scope(|scope| {
        let bystander = scope.spawn(|| {
            let (mut stream, mut answered) = (connect(port), 0_u64);
            while !done.load(Ordering::Acquire) || answered == 0 {
                let began = Instant::now();
                let answer = call(&mut stream, healthy.clone());
                assert_eq!(answer.code, 0, "{:?}", answer.remark);
                slowest_us.fetch_max(began.elapsed().as_micros() as u64, Ordering::Relaxed);
                answered += 1;
            }
            answered
        });
        let senders: Vec<_> = (0..THREADS)
            .map(|thread| {
                let frames = &frames;
                scope.spawn(move || {
                    let mut random = Random::new(salt + thread);
                    let mut sent = 0;
                    while sent < each {
                        let burst = BURST.min(each - sent);
                        sent += burst;
                        let bytes: Vec<u8> = (0..burst).flat_map(|_| random.mutated(frames)).collect();
                        throw(port, &bytes);
                    }
                })
            })
            .collect();
        senders.into_iter().for_each(|it| it.join().unwrap());
        done.store(true, Ordering::Release);
        bystander.join().unwrap()
    });
    let after = anonymous_kb(&program);
    println!(
        "{}: {} frames; anonymous memory {before} KiB before, {after} after; bystander {answered} answers, slowest {} us",
        home.display(),
        each * THREADS,
        slowest_us.load(Ordering::Relaxed)
    );
    assert!(after < before + 100 * 1024, "memory grew from {before} to {after} KiB");
    let outcome = program.stop();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let said = format!("{outcome:?}");
    assert!(!said.contains("panicked"), "{said}");
    for entry in std::fs::read_dir(home.join("logs/rocketmqlogs")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(!text.contains("panicked"), "{}", path.display());
    }
}

/// Sends, and reads what comes back, until the server has had enough or has answered for a while.
fn throw(port: u16, bytes: &[u8]) {
    let mut stream = connect(port);
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let reader = stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || drain(reader));
        // It may close the connection at any byte.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
    });
}

fn drain(mut stream: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while stream.read(&mut buffer).is_ok_and(|count| count > 0) {}
}

#[test]
fn a_broker_stands_any_frame() {
    let home = tempfile::tempdir().unwrap();
    let healthy = Command::request(RequestCode::GetAllTopicConfig, &NoHeader {});
    server_stands(home.path(), 100, &healthy, |port| {
        let mut args = broker_args(home.path(), port);
        // Topics and groups that requests may make are no leak.
        args.extend(["autoCreateTopicEnable=false", "autoCreateSubscriptionGroup=false"].map(str::to_owned));
        args
    });
}

#[test]
fn a_name_server_stands_any_frame() {
    let home = tempfile::tempdir().unwrap();
    let healthy = Command::request(RequestCode::GetBrokerClusterInfo, &NoHeader {});
    server_stands(home.path(), 200, &healthy, |port| {
        vec!["namesrv".to_owned(), format!("listenPort={port}")]
    });
}
