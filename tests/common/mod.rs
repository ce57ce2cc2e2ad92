//! The program itself, run by tests as an operator would: bounded waits for its lines and its end, free ports,
//! and raw frames to talk to it. What is expected of it stands in the tests.

#![allow(dead_code, reason = "each test crate uses its part of this")]
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

pub mod admin;
pub mod broker;
pub mod load;
pub mod tls;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command as Process, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rocketmq::protocol::header::pull::{PullMessageRequestHeader, PullMessageResponseHeader};
use rocketmq::protocol::message::messages;
use rocketmq::protocol::request_code::RequestCode;
use rocketmq::protocol::response_code::ResponseCode;
use rocketmq::remoting::{Command, codec};
use rustix::process::{Pid, Signal, kill_process};

/// Only a broken program takes so long.
const WAIT: Duration = Duration::from_secs(30);
const STARTS: usize = 5;

/// Waits until it is so.
pub fn until(what: &str, mut look: impl FnMut() -> bool) {
    /// For one event: some go by timeouts of the protocol.
    const LIMIT: Duration = Duration::from_secs(60);
    let end = Instant::now() + LIMIT;
    while !look() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        // Another process sends us no event that we could wait for.
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// A run of the program; killed when it is dropped.
pub struct Program {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
}

/// What a run left behind.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub out: Vec<String>,
    pub err: Vec<String>,
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // Nobody may listen any more; the pipe must be emptied all the same.
            let _ = sender.send(line);
        }
    });
    receiver
}

fn next(lines: &Receiver<String>) -> Option<String> {
    match lines.recv_timeout(WAIT) {
        Ok(line) => Some(line),
        Err(RecvTimeoutError::Disconnected) => None,
        Err(RecvTimeoutError::Timeout) => panic!("the program says nothing and does not end"),
    }
}

impl Program {
    /// Starts it with a home of its own and nothing else in its environment.
    pub fn start(home: &Path, args: &[&str]) -> Program {
        Program::start_in(home, &[], args)
    }

    /// With more in its environment.
    pub fn start_in(home: &Path, env: &[(&str, &str)], args: &[&str]) -> Program {
        let mut command = Process::new(env!("CARGO_BIN_EXE_rocketmq"));
        command.args(args).env_clear().envs(env.iter().copied());
        Program::spawn(&mut command, home)
    }

    /// Starts what becomes the program.
    pub fn spawn(command: &mut Process, home: &Path) -> Program {
        command.current_dir(home).env("HOME", home).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        Program { child, out, err }
    }

    /// The next line of its standard output; none after the last.
    pub fn line(&self) -> Option<String> {
        next(&self.out)
    }

    /// Waits for its end.
    pub fn finish(&mut self) -> Outcome {
        let rest = |lines| std::iter::from_fn(|| next(lines)).collect();
        let (out, err) = (rest(&self.out), rest(&self.err));
        // Both outputs have ended, as they do with the process.
        Outcome { code: self.child.wait().unwrap().code(), out, err }
    }

    /// SIGTERM, and the end that follows.
    pub fn stop(&mut self) -> Outcome {
        self.signal(Signal::TERM);
        self.finish()
    }

    /// Any signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGSTOP.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> ExitStatus {
        self.child.kill().unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A run that ends by itself.
pub fn run(home: &Path, args: &[&str]) -> Outcome {
    Program::start(home, args).finish()
}

/// Two ports, two apart as a broker's are, of which the lower and the upper are free while they are held.
pub fn port_pair() -> (TcpListener, TcpListener) {
    loop {
        let upper = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = upper.local_addr().unwrap().port();
        if let Ok(lower) = TcpListener::bind(("127.0.0.1", port - 2)) {
            return (lower, upper);
        }
    }
}

/// A port that was free just now together with the one two below and, for slaves, the one above.
pub fn free_port() -> u16 {
    loop {
        let (_lower, upper) = port_pair();
        let port = upper.local_addr().unwrap().port();
        if port.checked_add(1).is_some_and(|above| TcpListener::bind(("127.0.0.1", above)).is_ok()) {
            return port;
        }
    }
}

/// An address where nobody listens, for as long as the socket is kept.
pub fn refusing_addr() -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, addr)
}

/// Starts a server that `args` describes for a port, and gives its first line. Another program may take the port
/// before the server does: then the server ends, and another port is tried.
pub fn start_server(home: &Path, args: impl Fn(u16) -> Vec<String>) -> (Program, u16, String) {
    start_server_in(home, &[], args)
}

/// With more in its environment.
pub fn start_server_in(
    home: &Path,
    env: &[(&str, &str)],
    args: impl Fn(u16) -> Vec<String>,
) -> (Program, u16, String) {
    let mut err = Vec::new();
    for _ in 0..STARTS {
        let port = free_port();
        let args = args(port);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut program = Program::start_in(home, env, &args);
        match program.line() {
            Some(line) => return (program, port, line),
            None => err = program.finish().err,
        }
    }
    panic!("the server does not start: {err:?}");
}

/// What a broker on a port needs to be told, its data in `store` under its home.
pub fn broker_args(home: &Path, port: u16) -> Vec<String> {
    let store = home.join("store");
    vec![
        "broker".to_owned(),
        format!("listenPort={port}"),
        "brokerIP1=127.0.0.1".to_owned(),
        "brokerName=broker-a".to_owned(),
        format!("storePathRootDir={}", store.display()),
        format!("storePathCommitLog={}", store.join("commitlog").display()),
    ]
}

pub fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(WAIT)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

pub fn write(stream: &mut TcpStream, commands: &[Command]) -> std::io::Result<()> {
    let mut out = BytesMut::new();
    commands.iter().for_each(|command| codec::encode(command, &mut out));
    stream.write_all(&out)
}

pub fn read(stream: &mut TcpStream) -> std::io::Result<Command> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut frame = length.to_vec();
    frame.resize(4 + u32::from_be_bytes(length) as usize, 0);
    stream.read_exact(&mut frame[4..])?;
    Ok(codec::decode(&frame.into()).unwrap())
}

pub fn call(stream: &mut TcpStream, request: Command) -> Command {
    write(stream, &[request]).unwrap();
    read(stream).unwrap()
}

/// The bodies of a queue from offset 0 on, checked on the way: offsets without gaps, and whole.
pub fn read_queue(stream: &mut TcpStream, topic: &str, queue_id: i32) -> Vec<String> {
    let mut bodies = Vec::new();
    loop {
        let offset = bodies.len() as i64;
        let header = PullMessageRequestHeader {
            consumer_group: "reader",
            topic,
            queue_id,
            queue_offset: offset,
            max_msg_nums: 32,
            // The subscription comes with the request.
            sys_flag: 4,
            subscription: Some("*"),
            ..PullMessageRequestHeader::default()
        };
        let answer = call(stream, Command::request(RequestCode::PullMessage, &header));
        if answer.code == i32::from(ResponseCode::PullNotFound) {
            let header: PullMessageResponseHeader = answer.header().unwrap();
            assert_eq!((header.min_offset, header.max_offset), (0, offset));
            return bodies;
        }
        assert_eq!(answer.code, 0, "{:?}", answer.remark);
        for message in messages(&answer.body) {
            let message = message.unwrap();
            assert_eq!((message.queue_offset, message.queue_id), (bodies.len() as i64, queue_id));
            assert_eq!(message.topic, topic);
            assert!(message.is_body_intact());
            bodies.push(String::from_utf8(message.body.to_vec()).unwrap());
        }
        assert!(bodies.len() as i64 > offset, "found, and nothing there");
    }
}
