//! Many connections that do nothing, others that send a byte now and then, others that send half of a large frame: what the
//! broker's memory and a bystander's latency make of it. A few of each every day; `scripts/check-connections` for 10,000.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rocketmq::protocol::header::NoHeader;
use rocketmq::protocol::request_code::RequestCode;
use rocketmq::remoting::{Command, codec};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::common::{Program, broker_args, call, connect, start_server};

/// What a frame may have, and what 100 Java connections took at once.
const HALF_BYTES: usize = 8 << 20;
/// All unfinished frames together (ARCHITECTURE.md), as much as each reads at once, and 10,000 connections.
const MOST_ANONYMOUS_KB: u64 = (256 + 144) * 1024;

/// What the allocator may need more from round to round; each holds 40 MiB or more.
const MOST_GROWTH_KB: u64 = 48 * 1024;

fn number(name: &str, every_day: usize) -> usize {
    std::env::var(name).map_or(every_day, |it| it.parse().unwrap())
}

fn anonymous_kb(program: &Program) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// A connection that the broker has answered on.
fn answered(port: u16) -> TcpStream {
    let mut stream = connect(port);
    assert_eq!(call(&mut stream, request()).code, 0);
    stream
}

fn request() -> Command {
    Command::request(RequestCode::GetBrokerConfig, &NoHeader {})
}

/// What one more client sees meanwhile.
fn look(what: &str, program: &Program, port: u16, calls: usize) -> u64 {
    let mut stream = connect(port);
    let mut took: Vec<Duration> = (0..calls)
        .map(|_| {
            let began = Instant::now();
            assert_eq!(call(&mut stream, request()).code, 0);
            began.elapsed()
        })
        .collect();
    took.sort_unstable();
    let at = |part: usize| took[(took.len() * part / 1000).min(took.len() - 1)].as_micros();
    let anonymous = anonymous_kb(program);
    println!(
        "{what:<32} {anonymous:>9} KiB anonymous   bystander us: 50 % {:>6}   99 % {:>6}   most {:>7}",
        at(500),
        at(990),
        at(1000)
    );
    anonymous
}

/// Connections that send half of a large frame, and go when they have been looked at.
fn halves(program: &Program, port: u16, half: usize, calls: usize) -> u64 {
    let mut large = BytesMut::new();
    codec::encode(&request().with_body(vec![b'x'; 2 * HALF_BYTES - 1024]), &mut large);
    let begun = |mut stream: TcpStream| {
        stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
        let sent = stream.write_all(&large[..HALF_BYTES]);
        (stream, sent.is_ok())
    };
    let begun: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..half).map(|_| scope.spawn(|| begun(connect(port)))).collect();
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let taken = begun.iter().filter(|(_, is_taken)| *is_taken).count();
    look(&format!("and {half} halves of 16 MiB ({taken} taken)"), program, port, calls)
}

#[test]
fn a_bystander_goes_on() {
    let (idle, slow, half) = (number("IDLE", 300), number("SLOW", 50), number("HALF", 5));
    let calls = number("CALLS", 300);
    let limit = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: limit, maximum: limit }).unwrap();
    let needed = (idle + slow + half) as u64 + 200;
    assert!(limit.is_none_or(|limit| limit > needed), "ulimit -Hn is {limit:?}, and {needed} are needed");

    let home = tempfile::tempdir().unwrap();
    let (mut program, port, _) = start_server(home.path(), |port| broker_args(home.path(), port));
    look("alone", &program, port, calls);

    let connections: Vec<TcpStream> = (0..idle).map(|_| answered(port)).collect();
    look(&format!("beside {idle} idle connections"), &program, port, calls);

    let mut frame = BytesMut::new();
    codec::encode(&request(), &mut frame);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut streams: Vec<TcpStream> = (0..slow).map(|_| connect(port)).collect();
        let (frame, done) = (&frame, &done);
        scope.spawn(move || {
            for byte in frame.iter().cycle() {
                for stream in &mut streams {
                    stream.write_all(&[*byte]).unwrap();
                }
                if done.load(Ordering::Acquire) {
                    break;
                }
                std::thread::park_timeout(Duration::from_millis(100));
            }
        });
        look(&format!("and {slow} that send byte by byte"), &program, port, calls);
        done.store(true, Ordering::Release);
    });

    // Again and again: what one round leaves behind the next one uses.
    let rounds: Vec<u64> = (0..4).map(|_| halves(&program, port, half, calls)).collect();
    assert!(rounds.iter().all(|anonymous| *anonymous < MOST_ANONYMOUS_KB), "{rounds:?} KiB");
    assert!(rounds[3] < rounds[1] + MOST_GROWTH_KB, "{rounds:?} KiB");

    // Those that were idle are still there.
    let mut connections = connections;
    for stream in connections.iter_mut().step_by(97) {
        assert_eq!(call(stream, request()).code, 0);
    }
    drop(connections);
    look("after all have gone", &program, port, calls);
    assert_eq!(program.stop().code, Some(0));
}
