//! The limits of connections that are settings: what is beyond them costs who asks for it, and nobody else.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::BytesMut;
use rocketmq::config::remoting::NettyServerConfig;
use rocketmq::protocol::header::NoHeader;
use rocketmq::protocol::request_code::RequestCode;
use rocketmq::remoting::{Command, codec};

use self::common::broker::{Client, Fixture};
use self::common::until;

fn broker(set: impl Fn(&mut NettyServerConfig) + 'static) -> (Fixture, SocketAddr) {
    let fixture = Fixture::with(move |configs| set(&mut configs.server));
    let addr = fixture.running().addr();
    (fixture, addr)
}

fn request(body: usize) -> Vec<u8> {
    let mut out = BytesMut::new();
    codec::encode(
        &Command::request(RequestCode::GetBrokerConfig, &NoHeader {}).with_body(vec![b'x'; body]),
        &mut out,
    );
    out.to_vec()
}

/// Whether these bytes are answered; the other outcome is the connection's end.
fn is_answered(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // It may be closed before everything is written.
    let _ = stream.write_all(bytes);
    match stream.read(&mut [0; 1024]) {
        Ok(count) => count > 0,
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
            false
        }
    }
}

fn answered(addr: SocketAddr, bytes: &[u8]) -> bool {
    is_answered(&mut TcpStream::connect(addr).unwrap(), bytes)
}

#[test]
fn connections_are_counted_in_all_and_by_address() {
    for (all, of_addr) in [(3, 100), (100, 3)] {
        let (_fixture, addr) = broker(move |server| {
            server.server_connections_max = all;
            server.server_connections_per_addr_max = of_addr;
        });
        let mut taken: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(addr).unwrap()).collect();
        assert!(taken.iter_mut().all(|stream| is_answered(stream, &request(0))), "{all} {of_addr}");
        assert!(!answered(addr, &request(0)), "a fourth");
        // A place becomes free.
        drop(taken.pop());
        until("a place to be free", || answered(addr, &request(0)));
        assert!(taken.iter_mut().all(|stream| is_answered(stream, &request(0))), "the others go on");
    }
}

#[test]
fn frames_have_a_length() {
    let (fixture, addr) = broker(|server| server.frame_max_length = 100_000);
    assert!(answered(addr, &request(90_000)));
    assert!(!answered(addr, &request(110_000)));
    assert_eq!(fixture.connect().create_topic("T", "1").0, 0);
}

#[test]
fn a_first_frame_has_a_length_of_its_own() {
    let (_fixture, addr) = broker(|server| server.server_first_frame_max_length = 100_000);
    assert!(!answered(addr, &request(110_000)));
    let mut stream = TcpStream::connect(addr).unwrap();
    assert!(is_answered(&mut stream, &request(0)));
    assert!(is_answered(&mut stream, &request(110_000)), "it is known by now");
}

#[test]
fn who_shows_no_account_sends_no_long_frames() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("plain_acl.yml");
    std::fs::write(&file, "globalWhiteRemoteAddresses: [127.0.0.1]\naccounts: []\n").unwrap();
    let path = file.to_str().unwrap().to_owned();
    let fixture = Fixture::with(move |configs| {
        configs.broker.acl_enable = true;
        configs.broker.plain_acl_file = path.clone();
        configs.store.max_message_size = 1 << 20;
    });
    let addr = fixture.running().addr();
    // Whatever the address: the first frame comes before it is looked at.
    assert!(answered(addr, &request(1 << 20)));
    assert!(!answered(addr, &request(2 << 20)));
    let mut known = TcpStream::connect(addr).unwrap();
    assert!(is_answered(&mut known, &request(0)));
    assert!(is_answered(&mut known, &request(2 << 20)));
    std::fs::write(&file, "accounts: []\n").unwrap();
    until("the address to be forgotten", || {
        fixture.connect().outcome(RequestCode::GetBrokerConfig, &[], "").0 == 16
    });
    let mut refused = TcpStream::connect(addr).unwrap();
    assert!(is_answered(&mut refused, &request(0)), "by a refusal");
    assert!(!is_answered(&mut refused, &request(2 << 20)), "which lets nobody in");
}

#[test]
fn strangers_leave_the_others_their_part_of_the_budget() {
    let (_fixture, addr) = broker(|server| server.server_unfinished_frames_max = 16 << 20);
    let frame = request(3 << 20);
    let mut known = TcpStream::connect(addr).unwrap();
    assert!(is_answered(&mut known, &request(0)));
    let strangers: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(addr).unwrap();
            // The server closes in the middle: then the write finds out.
            let _ = stream.write_all(&frame[..2 << 20]);
            stream
        })
        .collect();
    assert!(is_answered(&mut known, &frame));
    drop(strangers);
    until("what they held to be free again", || answered(addr, &frame));
}

#[test]
fn a_frame_has_its_time() {
    let (_fixture, addr) = broker(|server| server.server_frame_time_seconds = 1);
    let frame = request(1000);
    assert!(!answered(addr, &frame[..500]));
    assert!(answered(addr, &frame));
}

#[test]
fn unfinished_frames_have_a_budget_together() {
    let (_fixture, addr) = broker(|server| server.server_unfinished_frames_max = 1 << 20);
    let frame = request(4 << 20);
    // More than all may have at once; it is closed, and what it held is free again.
    assert!(!answered(addr, &frame[..3 << 20]));
    assert!(answered(addr, &request(100)));
}

#[test]
fn replies_that_are_not_taken_stop_the_reading() {
    let (fixture, addr) = broker(|server| server.server_unsent_per_connection_max = 64 << 10);
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_nonblocking(true).unwrap();
    let (frame, mut sent) = (request(0), 0_usize);
    // Each answer is some ten KiB. At some point nothing more is taken.
    let refused = std::iter::from_fn(|| {
        let written = stream.write(&frame);
        sent += *written.as_ref().unwrap_or(&0);
        Some(written.is_err())
    });
    let mut in_a_row = 0;
    for is_refused in refused.take(5_000_000) {
        in_a_row = if is_refused { in_a_row + 1 } else { 0 };
        if in_a_row == 100_000 {
            break;
        }
    }
    assert_eq!(in_a_row, 100_000, "{sent} bytes of requests were taken");
    assert_eq!(Client::connect(addr).create_topic("T", "1").0, 0, "a bystander goes on");
    drop(fixture);
}

#[test]
fn limits_that_cannot_be_stop_the_start() {
    let home = tempfile::tempdir().unwrap();
    for word in [
        "frameMaxLength=100",
        "serverFirstFrameMaxLength=-1",
        "serverConnectionsMax=0",
        "serverFrameTimeSeconds=-1",
    ] {
        let outcome = common::run(home.path(), &["broker", word, "-p"]);
        assert_eq!(outcome.code, Some(255), "{outcome:?}");
        assert!(outcome.err[0].contains(word.split('=').next().unwrap()), "{outcome:?}");
    }
    let outcome =
        common::run(home.path(), &["namesrv", "-Dcom.rocketmq.remoting.frameMaxLength=33554432", "-p"]);
    assert!(outcome.out.contains(&"frameMaxLength=33554432".to_owned()), "{outcome:?}");
}
