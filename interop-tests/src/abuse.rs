//! What no honest client sends, and what it does to a server: bytes for one connection and how it ended ([`exchange`]),
//! the memory of a process, and another client's view of the server meanwhile ([`Bystander`]). The frames are made by
//! [`rpc`], not by the code that is tested.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fmt, fs};

use crate::rpc::{self, Answer};

/// For a connection on loopback.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Between a bystander's questions: it looks, it is no load.
const PAUSE: Duration = Duration::from_millis(5);
/// A bystander goes on for so many when everything has been sent: the server may be at it still.
const LAST_QUESTIONS: usize = 30;
const MOST_REMARK: usize = 70;
/// First bytes of TLS records: an alert and a handshake.
const TLS_RECORDS: [u8; 2] = [21, 22];

/// How a connection went on after what was sent.
#[derive(Debug)]
pub enum Outcome {
    Answered(Answer),
    /// By the server, without a word.
    Closed,
    /// Bytes that are no frame.
    Other(Vec<u8>),
    /// For so long.
    Nothing(Duration),
}

impl Outcome {
    /// Of an answer.
    pub fn code(&self) -> Option<i64> {
        match self {
            Outcome::Answered(answer) => Some(answer.code),
            _ => None,
        }
    }

    /// Of an answer; empty where there is none.
    pub fn body(&self) -> &[u8] {
        match self {
            Outcome::Answered(answer) => &answer.body,
            _ => &[],
        }
    }

    pub fn is_closed(&self) -> bool {
        matches!(self, Outcome::Closed)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Answered(answer) => {
                write!(out, "code {}", answer.code)?;
                let remark = answer.remark.as_deref().unwrap_or_default();
                let line: String =
                    remark.lines().next().unwrap_or_default().chars().take(MOST_REMARK).collect();
                if !line.is_empty() {
                    write!(out, " \"{line}\"")?;
                }
                if !answer.body.is_empty() {
                    write!(out, ", {} bytes", answer.body.len())?;
                }
                Ok(())
            }
            Outcome::Closed => write!(out, "closed"),
            Outcome::Other(bytes) if bytes.first().is_some_and(|it| TLS_RECORDS.contains(it)) => {
                write!(out, "a TLS record")
            }
            Outcome::Other(bytes) => write!(out, "{} bytes that are no frame", bytes.len()),
            Outcome::Nothing(limit) => write!(out, "nothing within {} s", limit.as_secs()),
        }
    }
}

/// Sends these bytes on a connection of their own and waits for what comes of it.
pub fn exchange(addr: SocketAddr, bytes: &[u8], limit: Duration) -> Outcome {
    let mut stream = connect(addr);
    stream.set_write_timeout(Some(limit)).expect("not zero");
    // It may be closed before everything is written.
    let _ = stream.write_all(bytes);
    outcome(&mut stream, limit)
}

/// A new connection.
pub fn connect(addr: SocketAddr) -> TcpStream {
    TcpStream::connect_timeout(&addr, CONNECT_LIMIT).unwrap_or_else(|error| panic!("{addr}: {error}"))
}

/// Waits for an answer or for the connection's end.
pub fn outcome(stream: &mut TcpStream, limit: Duration) -> Outcome {
    let end = Instant::now() + limit;
    let (mut got, mut piece) = (Vec::new(), [0; 8192]);
    loop {
        if let Some(answer) = whole(&got).and_then(rpc::parse) {
            return Outcome::Answered(answer);
        }
        let other = |got: Vec<u8>, else_that| if got.is_empty() { else_that } else { Outcome::Other(got) };
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || got.first().is_some_and(|it| TLS_RECORDS.contains(it)) {
            return other(got, Outcome::Nothing(limit));
        }
        stream.set_read_timeout(Some(left)).expect("not zero");
        match stream.read(&mut piece) {
            Ok(0) => return other(got, Outcome::Closed),
            Ok(count) => got.extend_from_slice(&piece[..count]),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                _ => return other(got, Outcome::Closed),
            },
        }
    }
}

/// A whole frame without its length.
fn whole(got: &[u8]) -> Option<&[u8]> {
    let (length, rest) = got.split_first_chunk::<4>()?;
    rest.get(..u32::from_be_bytes(*length) as usize)
}

/// Anonymous memory of a process in MiB.
pub fn anonymous_mib(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|it| it.trim().strip_suffix(" kB")).and_then(|it| it.parse::<u64>().ok());
    kib.unwrap_or_else(|| panic!("process {id} has no RssAnon: it is gone")) / 1024
}

/// Another client, which asks the same over and over, and looks at the server's memory each time.
#[derive(Debug)]
pub struct Bystander {
    done: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

/// What a bystander saw.
#[derive(Debug)]
pub struct Seen {
    pub asked: usize,
    /// Had no answer within the limit.
    pub unanswered: usize,
    pub slowest: Duration,
    pub before_mib: u64,
    pub most_mib: u64,
}

impl Bystander {
    /// Asks with `frame`, and waits so long for each answer.
    pub fn start(addr: SocketAddr, process: u32, frame: Vec<u8>, limit: Duration) -> Bystander {
        let done = Arc::new(AtomicBool::new(false));
        let is_done = Arc::clone(&done);
        let before_mib = anonymous_mib(process);
        let mut seen =
            Seen { asked: 0, unanswered: 0, slowest: Duration::ZERO, before_mib, most_mib: before_mib };
        let look = move || {
            let mut stream = connect(addr);
            let mut last = 0;
            loop {
                let is_ending = is_done.load(Ordering::Acquire);
                let began = Instant::now();
                let is_sent = stream.write_all(&frame).is_ok();
                let is_answered = is_sent && outcome(&mut stream, limit).code().is_some();
                seen.asked += 1;
                seen.slowest = seen.slowest.max(began.elapsed());
                seen.most_mib = seen.most_mib.max(anonymous_mib(process));
                if !is_answered {
                    seen.unanswered += 1;
                    stream = connect(addr);
                }
                last += usize::from(is_ending);
                if last == LAST_QUESTIONS || (is_ending && !is_answered) {
                    return seen;
                }
                thread::park_timeout(PAUSE);
            }
        };
        Bystander { done, thread: thread::spawn(look) }
    }

    /// Ends it after some more questions, or when one of them had no answer.
    pub fn end(self) -> Seen {
        self.done.store(true, Ordering::Release);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Seen {
    /// By how much the process has grown at most.
    pub fn grown_mib(&self) -> u64 {
        self.most_mib - self.before_mib
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "+{} MiB; bystander's slowest of {} {} ms",
            self.grown_mib(),
            self.asked,
            self.slowest.as_millis()
        )?;
        if self.unanswered > 0 {
            write!(out, ", {} without an answer", self.unanswered)?;
        }
        Ok(())
    }
}
