//! `kill -9` under load, again and again, on one data directory: whatever was acknowledged is there once, at its
//! place, whole, in the order in which it was sent. A hundred kills; more with `KILL_ROUNDS=500` for each flush type.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rocketmq::protocol::header::pull::{PullMessageRequestHeader, PullMessageResponseHeader};
use rocketmq::protocol::header::send::{SendMessageRequestHeaderV2, SendMessageResponseHeader};
use rocketmq::protocol::message::messages;
use rocketmq::protocol::request_code::RequestCode;
use rocketmq::remoting::{Command, codec};

/// For each flush type.
const ROUNDS: usize = 50;
const CONNECTIONS: usize = 4;
const WINDOW: usize = 16;
/// Acknowledgements after which a round's broker is killed.
const ACKS: usize = 800;
const QUEUES: i32 = 4;
const TOPIC: &str = "KillTest";

/// A broker that is killed when it is dropped.
struct Broker {
    child: Child,
    port: u16,
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free together with the one two below and the one above. Others may take it before the broker does: then
/// the broker does not start, and another one is tried.
fn free_port() -> u16 {
    loop {
        let above = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = above.local_addr().unwrap().port();
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if (1025..u16::MAX).contains(&port) && is_free(port - 2) && is_free(port + 1) {
            return port;
        }
    }
}

fn start(folder: &Path, flush: &str) -> Broker {
    for _ in 0..5 {
        let port = free_port();
        let mut child = Process::new(env!("CARGO_BIN_EXE_rocketmq"))
            .arg("broker")
            .arg(format!("listenPort={port}"))
            .arg(format!("storePathRootDir={}", folder.join("store").display()))
            .arg(format!("storePathCommitLog={}", folder.join("store/commitlog").display()))
            .arg(format!("flushDiskType={flush}"))
            .args(["brokerIP1=127.0.0.1", "mapedFileSizeCommitLog=1048576", "mapedFileSizeConsumeQueue=6000"])
            .arg("defaultTopicQueueNums=4")
            .env("HOME", folder)
            .env_remove("NAMESRV_ADDR")
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut line = String::new();
        // Ends at once when the broker does.
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let broker = Broker { child, port };
        if line.contains("boot success") {
            return broker;
        }
    }
    panic!("the broker does not start");
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn write(stream: &mut TcpStream, commands: &[Command]) -> std::io::Result<()> {
    let mut out = BytesMut::new();
    commands.iter().for_each(|command| codec::encode(command, &mut out));
    stream.write_all(&out)
}

fn read(stream: &mut TcpStream) -> std::io::Result<Command> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut frame = length.to_vec();
    frame.resize(4 + u32::from_be_bytes(length) as usize, 0);
    stream.read_exact(&mut frame[4..])?;
    Ok(codec::decode(&frame.into()).unwrap())
}

fn send(opaque: usize, body: &str) -> Command {
    let name = body.trim_end_matches('.');
    let properties = format!("KEYS\u{1}{name}\u{2}TAGS\u{1}{}\u{2}", opaque % 3);
    let header = SendMessageRequestHeaderV2 {
        producer_group: "kill",
        topic: TOPIC,
        default_topic: "TBW102",
        default_topic_queue_nums: QUEUES,
        queue_id: (opaque as i32) % QUEUES,
        properties: Some(&properties),
        ..SendMessageRequestHeaderV2::default()
    };
    let request = Command::request(RequestCode::SendMessageV2, &header).with_body(body.to_owned());
    Command { opaque: opaque as i32, ..request }
}

/// Where each acknowledged body was said to be.
type Acknowledged = HashMap<String, (i32, i64)>;

/// Sends until the broker is gone; gives what it acknowledged.
fn load(mut stream: TcpStream, name: &str, acks: &AtomicUsize) -> Acknowledged {
    let mut acknowledged = Acknowledged::new();
    let body = |number: usize| format!("{name}-{number}-{}", ".".repeat(number * 31 % 400));
    let first: Vec<Command> = (0..WINDOW).map(|number| send(number, &body(number))).collect();
    let mut next = WINDOW;
    if write(&mut stream, &first).is_err() {
        return acknowledged;
    }
    while let Ok(answer) = read(&mut stream) {
        assert_eq!(answer.code, 0, "{:?}", answer.remark);
        let header: SendMessageResponseHeader<'_> = answer.header().unwrap();
        acknowledged.insert(body(answer.opaque as usize), (header.queue_id, header.queue_offset));
        acks.fetch_add(1, Ordering::Relaxed);
        if write(&mut stream, &[send(next, &body(next))]).is_err() {
            break;
        }
        next += 1;
    }
    acknowledged
}

/// Loads a broker and kills it in the middle.
fn round(mut broker: Broker, round: usize) -> Acknowledged {
    let acks = AtomicUsize::new(0);
    let mut acknowledged = Acknowledged::new();
    std::thread::scope(|scope| {
        let (acks, port) = (&acks, broker.port);
        let name = |connection: usize| format!("{round}-{connection}");
        let loads: Vec<_> = (0..CONNECTIONS)
            // Before the kill, however busy the machine is.
            .map(|connection| (connection, connect(port)))
            .map(|(connection, stream)| scope.spawn(move || load(stream, &name(connection), acks)))
            .collect();
        let deadline = Instant::now() + Duration::from_secs(60);
        while acks.load(Ordering::Relaxed) < ACKS {
            assert!(Instant::now() < deadline, "too slow: {} acknowledged", acks.load(Ordering::Relaxed));
            std::thread::yield_now();
        }
        broker.child.kill().unwrap();
        for load in loads {
            acknowledged.extend(load.join().unwrap());
        }
    });
    acknowledged
}

/// Every message of a queue, checked on the way: consecutive from 0, whole, and none twice.
fn read_queue(stream: &mut TcpStream, queue_id: i32, found: &mut Acknowledged) {
    let mut offset = 0;
    let mut newest: HashMap<String, usize> = HashMap::new();
    loop {
        let header = PullMessageRequestHeader {
            consumer_group: "kill_reader",
            topic: TOPIC,
            queue_id,
            queue_offset: offset,
            max_msg_nums: 32,
            sys_flag: 4,
            subscription: Some("*"),
            ..PullMessageRequestHeader::default()
        };
        write(stream, &[Command::request(RequestCode::PullMessage, &header)]).unwrap();
        let answer = read(stream).unwrap();
        if answer.code == 19 {
            let header: PullMessageResponseHeader = answer.header().unwrap();
            assert_eq!(header.max_offset, offset);
            return;
        }
        assert_eq!(answer.code, 0, "{:?}", answer.remark);
        for message in messages(&answer.body) {
            let message = message.unwrap();
            assert_eq!((message.queue_offset, message.queue_id), (offset, queue_id));
            assert!(message.is_body_intact());
            let body = String::from_utf8(message.body.to_vec()).unwrap();
            let (sender, rest) = body.rsplit_once('-').and_then(|(name, _)| name.rsplit_once('-')).unwrap();
            let number: usize = rest.parse().unwrap();
            let last = newest.insert(sender.to_owned(), number);
            assert!(last.is_none_or(|last| last < number), "{body:.20} stands behind a later one");
            let before = found.insert(body, (queue_id, offset));
            assert_eq!(before, None, "a message is there twice");
            offset += 1;
        }
    }
}

fn check(flush: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::new();
    let rounds = std::env::var("KILL_ROUNDS").ok().map_or(ROUNDS, |text| text.parse().expect("a number"));
    for number in 0..rounds {
        let broker = start(folder.path(), flush);
        acknowledged.extend(round(broker, number));
        let broker = start(folder.path(), flush);
        let mut found = Acknowledged::new();
        let mut stream = connect(broker.port);
        (0..QUEUES).for_each(|queue_id| read_queue(&mut stream, queue_id, &mut found));
        for (body, place) in &acknowledged {
            assert_eq!(found.get(body), Some(place), "round {number}: acknowledged message {body:.20}");
        }
        let sent_at_most = acknowledged.len() + (number + 1) * CONNECTIONS * WINDOW;
        assert!(found.len() <= sent_at_most, "{} found, {sent_at_most} sent", found.len());
    }
    assert!(acknowledged.len() >= rounds * ACKS);
    println!(
        "{flush}: {rounds} kills, {} acknowledged, none lost, doubled or out of order",
        acknowledged.len()
    );
}

#[test]
fn nothing_acknowledged_is_lost_with_async_flush() {
    check("ASYNC_FLUSH");
}

#[test]
fn nothing_acknowledged_is_lost_with_sync_flush() {
    check("SYNC_FLUSH");
}
