//! What signals do to a server, at each time of its life, and what a supervisor is told meanwhile. What a stop keeps of messages
//! is not looked at here.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::Command as Process;
use std::time::Duration;

use common::{Program, broker_args, free_port, start_server};
use rocketmq::protocol::header::send::SendMessageRequestHeaderV2;
use rocketmq::protocol::request_code::RequestCode;
use rocketmq::remoting::Command;
use rustix::process::Signal;
use tempfile::TempDir;

/// Only a broken program takes so long.
const WAIT: Duration = Duration::from_secs(30);

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn namesrv(home: &TempDir) -> (Program, u16) {
    let args = |port| vec!["namesrv".to_owned(), format!("listenPort={port}")];
    let (program, port, _) = start_server(home.path(), args);
    (program, port)
}

/// The program as a terminal starts it, whatever this test was started under: `nohup` and `&` have signals ignored.
fn program(args: &[&str]) -> Process {
    let mut program = Process::new("env");
    program.args(["--default-signal=HUP,INT", env!("CARGO_BIN_EXE_rocketmq")]).args(args);
    program
}

/// Asks for a sign of life, and gives it.
fn told(program: &Program) -> String {
    program.signal(Signal::QUIT);
    program.line().unwrap()
}

fn was_closed(home: &Path) -> bool {
    let store = home.join("store");
    assert!(store.join("checkpoint").exists());
    !store.join("abort").exists()
}

#[test]
fn hup_and_int_stop_as_term_does() {
    for signal in [Signal::HUP, Signal::INT] {
        let home = home();
        let args = broker_args(home.path(), free_port());
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut broker = Program::spawn(&mut program(&args), home.path());
        assert!(broker.line().is_some());
        assert!(!was_closed(home.path()));
        broker.signal(signal);
        let outcome = broker.finish();
        assert_eq!((outcome.code, outcome.err.len()), (Some(0), 0), "{outcome:?}");
        assert!(was_closed(home.path()));
    }
}

#[test]
fn what_was_ignored_at_the_start_stays_so() {
    let home = home();
    let mut under_nohup = Process::new("sh");
    under_nohup.args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_rocketmq")]);
    under_nohup.args(["namesrv", &format!("listenPort={}", free_port())]);
    let mut names = Program::spawn(&mut under_nohup, home.path());
    assert!(names.line().is_some());
    names.signal(Signal::HUP);
    assert!(told(&names).starts_with("SIGQUIT: name server with 0 connections"));
    assert_eq!(names.stop().code, Some(0));
}

#[test]
fn quit_tells_how_the_server_is_and_nothing_else_ends_it() {
    let home = home();
    let (mut broker, ..) = start_server(home.path(), |port| broker_args(home.path(), port));
    broker.signal(Signal::USR1);
    broker.signal(Signal::USR2);
    for _ in 0..2 {
        let line = told(&broker);
        assert!(
            line.starts_with("SIGQUIT: broker broker-a with 0 connections, commit log up to 0, "),
            "{line}"
        );
    }
    assert_eq!(broker.stop().code, Some(0));
    let log = std::fs::read_to_string(home.path().join("logs/rocketmqlogs/broker.log")).unwrap();
    for line in ["SIGUSR1 means nothing here", "SIGUSR2 means nothing here", "SIGQUIT: broker broker-a"] {
        assert!(log.contains(line), "{log}");
    }
}

#[test]
fn a_start_that_hangs_ends_when_it_is_asked_to() {
    let home = home();
    // It is connected to, and says nothing.
    let names = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = names.local_addr().unwrap().to_string();
    let port = free_port();
    let mut args = broker_args(home.path(), port);
    args.extend(["-n".to_owned(), addr]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut broker = Program::start(home.path(), &args);
    let _held = names.accept().unwrap();
    // It is listened to by then, and what it answers for is kept.
    let header = SendMessageRequestHeaderV2 {
        producer_group: "g",
        topic: "Early",
        default_topic: "TBW102",
        default_topic_queue_nums: 1,
        ..SendMessageRequestHeaderV2::default()
    };
    let request = Command::request(RequestCode::SendMessageV2, &header).with_body("x");
    assert_eq!(common::call(&mut common::connect(port), request).code, 0);
    let outcome = broker.stop();
    assert_eq!((outcome.code, outcome.err.len()), (Some(143), 0), "{outcome:?}");
    assert_eq!(outcome.out, ["SIGTERM before the start was over: ended"]);
    assert!(was_closed(home.path()), "the store was open by then");
    let topics = std::fs::read_to_string(home.path().join("store/config/topics.json")).unwrap();
    assert!(topics.contains("\"Early\""), "{topics}");
}

/// A socket of a supervisor, and what it hears.
struct Supervisor(UnixDatagram);

impl Supervisor {
    fn at(addr: &SocketAddr) -> Supervisor {
        let socket = UnixDatagram::bind_addr(addr).unwrap();
        socket.set_read_timeout(Some(WAIT)).unwrap();
        Supervisor(socket)
    }

    fn starts(&self, name: impl AsRef<OsStr>, home: &TempDir, args: &[&str]) -> Program {
        let program = Program::spawn(program(args).env("NOTIFY_SOCKET", name), home.path());
        assert_eq!(self.heard(), "READY=1");
        program
    }

    fn heard(&self) -> String {
        let mut text = [0; 64];
        let length = self.0.recv(&mut text).unwrap();
        String::from_utf8(text[..length].to_vec()).unwrap()
    }
}

#[test]
fn systemd_hears_when_a_server_is_ready_and_when_it_stops() {
    let home = home();
    let path = home.path().join("notify");
    let abstract_name = format!("rocketmq-test-{}", std::process::id());
    let sockets = [
        (SocketAddr::from_pathname(&path).unwrap(), path.to_str().unwrap().to_owned()),
        (SocketAddr::from_abstract_name(&abstract_name).unwrap(), format!("@{abstract_name}")),
    ];
    for (addr, name) in sockets {
        let supervisor = Supervisor::at(&addr);
        let port = format!("listenPort={}", free_port());
        let mut names = supervisor.starts(&name, &home, &["namesrv", &port]);
        // It listens by then.
        common::connect(port.split_once('=').unwrap().1.parse().unwrap());
        names.signal(Signal::TERM);
        assert_eq!(supervisor.heard(), "STOPPING=1");
        assert_eq!(names.finish().code, Some(0));
    }
}

#[test]
fn who_asks_twice_does_not_want_to_wait() {
    let home = home();
    let path = home.path().join("notify");
    let supervisor = Supervisor::at(&SocketAddr::from_pathname(&path).unwrap());
    let (names, names_port) = namesrv(&home);
    let mut args = broker_args(home.path(), free_port());
    args.extend(["-n".to_owned(), format!("127.0.0.1:{names_port}")]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut broker = supervisor.starts(&path, &home, &args);
    // The broker takes its leave of it for as long as it may.
    names.pause();
    broker.signal(Signal::HUP);
    assert_eq!(supervisor.heard(), "STOPPING=1");
    // A terminal's second one is none.
    broker.signal(Signal::HUP);
    broker.signal(Signal::TERM);
    let outcome = broker.finish();
    assert_eq!(outcome.code, Some(255), "{outcome:?}");
    let expected = "ERROR: asked twice to stop: ended at once, and the next start recovers";
    assert_eq!(outcome.err, [expected]);
    assert!(!was_closed(home.path()));
}
