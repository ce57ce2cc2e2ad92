//! Helper programs of `interop.live`, which run until they are killed, and questions to the servers that they use.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cluster::{CLUSTER_NAME, Cluster};
use crate::process::{Process, wait_for};
use crate::{java, rpc};

/// For one event. The longest wait has a reason: a dead client's queue locks live for a minute.
pub const LIMIT: Duration = Duration::from_secs(300);

/// Waits until it is so.
pub fn until(what: &str, mut look: impl FnMut() -> bool) {
    assert!(wait_for(LIMIT, || look().then_some(())).is_some(), "waited {LIMIT:?} for {what}");
}

/// A number of a line.
pub fn number(line: &Value, name: &str) -> i64 {
    line[name].as_i64().unwrap_or_else(|| panic!("{name} in {line}"))
}

/// A text of a line.
pub fn text<'a>(line: &'a Value, name: &str) -> &'a str {
    line[name].as_str().unwrap_or_else(|| panic!("{name} in {line}"))
}

/// A helper program that runs until it is killed, and what it has printed so far.
#[derive(Debug)]
pub struct Helper {
    /// None once killed.
    process: Option<Process>,
    log: PathBuf,
    read: u64,
    /// Of a line whose end is not there yet.
    rest: Vec<u8>,
    lines: Vec<Value>,
    _home: TempDir,
}

impl Helper {
    /// Starts `interop.live.CLASS`.
    pub fn start(class: &str, arguments: &[&str]) -> Helper {
        let home = tempfile::tempdir().expect("a home for the JVM");
        let log = home.path().join("printed");
        let mut command = java::command(&format!("interop.live.{class}"), home.path());
        command.args(arguments);
        let process = Some(Process::start(class, command, &log));
        Helper { process, log, read: 0, rest: Vec::new(), lines: Vec::new(), _home: home }
    }

    /// Everything it has printed; unless it was killed it must be running.
    pub fn lines(&mut self) -> &[Value] {
        if let Some(process) = &mut self.process
            && let Some(status) = process.has_ended()
        {
            panic!("a helper ended ({status}):\n{}", process.printed());
        }
        let mut log = File::open(&self.log).expect("the helper's log");
        log.seek(SeekFrom::Start(self.read)).expect("a file has places");
        self.read += log.read_to_end(&mut self.rest).expect("the helper's log") as u64;
        if let Some(end) = self.rest.iter().rposition(|it| *it == b'\n') {
            let whole: Vec<u8> = self.rest.drain(..=end).collect();
            // What the stock classes log goes there, too.
            let printed = String::from_utf8_lossy(&whole);
            self.lines.extend(printed.lines().filter(|it| it.starts_with('{')).flat_map(java::lines));
        }
        &self.lines
    }

    /// Of these, those of one kind.
    pub fn of<'a>(&'a mut self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.lines().iter().filter(move |it| it["kind"] == kind)
    }

    /// How many of one kind.
    pub fn count(&mut self, kind: &str) -> usize {
        self.of(kind).count()
    }

    /// Whether it was not killed yet.
    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Kills it as `kill -9` does. What it had printed stays; a line that it was at is none.
    pub fn kill(&mut self) {
        self.process.take().expect("it is killed once").kill();
    }
}

/// An offset that a server answers; none where it has none.
fn offset(addr: SocketAddr, code: i32, fields: Value) -> Option<i64> {
    let answer = rpc::ask(addr, code, fields).unwrap_or_else(|error| panic!("{addr}, code {code}: {error}"));
    let offset = answer.ext_fields["offset"].as_str()?;
    Some(offset.parse().expect("an offset is a number"))
}

/// A queue's end.
pub fn max_offset(addr: SocketAddr, topic: &str, queue: i64) -> i64 {
    let fields = json!({"topic": topic, "queueId": queue.to_string()});
    offset(addr, rpc::GET_MAX_OFFSET, fields).expect("any queue has an end")
}

/// What a group has committed.
pub fn committed(addr: SocketAddr, group: &str, topic: &str, queue: i64) -> Option<i64> {
    let fields = json!({"consumerGroup": group, "topic": topic, "queueId": queue.to_string()});
    offset(addr, rpc::QUERY_CONSUMER_OFFSET, fields)
}

/// How many clients of a group a broker knows.
pub fn clients(addr: SocketAddr, group: &str) -> usize {
    let answer = rpc::ask(addr, rpc::GET_CONSUMER_LIST_BY_GROUP, json!({"consumerGroup": group}));
    let answer = answer.expect("the broker runs");
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    body["consumerIdList"].as_array().map_or(0, Vec::len)
}

/// Makes a topic on all masters, by stock mqadmin.
pub fn create_topic(cluster: &Cluster, topic: &str, queues: i64) {
    let (namesrv, queues) = (cluster.namesrv_addr.to_string(), queues.to_string());
    let update =
        ["updateTopic", "-n", &namesrv, "-c", CLUSTER_NAME, "-t", topic, "-r", &queues, "-w", &queues];
    let printed = java::mqadmin(&[&update], LIMIT);
    until("the route to name every master", || {
        let route = rpc::ask(cluster.namesrv_addr, rpc::GET_ROUTEINTO_BY_TOPIC, json!({"topic": topic}));
        let route = route.expect("the name server runs");
        let body = String::from_utf8_lossy(&route.body).into_owned();
        route.code == 0 && cluster.masters().iter().all(|it| body.contains(&it.addr.to_string()))
    });
    assert!(printed[0].contains("success"), "{printed:?}");
}
