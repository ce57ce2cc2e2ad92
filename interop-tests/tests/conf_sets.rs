//! The deployments of the 4.3.0 guides, from the files of `conf/` as they stand (`scripts/cluster`): stock clients send and
//! consume, sends end as the guides say, and what a killed master had is to be had from its slave.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use interop_tests::cluster::{free_ports, program, turn};
use interop_tests::live::{max_offset, until};
use interop_tests::{java, process, root, rpc};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(120);
const TOPIC: &str = "ConfSets";
const COUNT: usize = 40;
/// Somebody may take one of the ports before the cluster does.
const STARTS: usize = 5;

/// A cluster of one of the sets; it ends with this.
struct Running<'a> {
    folder: &'a Path,
    port: u16,
}

fn script(arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new("sh");
    command.arg(root().join("scripts/cluster")).args(arguments).env("ROCKETMQ_BIN", program());
    process::run("scripts/cluster", command, None, LIMIT)
}

impl Running<'_> {
    fn start<'a>(folder: &'a Path, set: &str) -> Running<'a> {
        let text = folder.to_str().expect("a plain path");
        for _ in 0..STARTS {
            // Two name servers, and up to four brokers with a port or two on either side.
            let port = free_ports(&[0..=1, 1033..=1066]);
            if script(&["start", text, &port.to_string(), set]).status.success() {
                return Running { folder, port };
            }
        }
        panic!("{set} did not start in {STARTS} attempts");
    }

    fn namesrv(&self) -> String {
        format!("127.0.0.1:{};127.0.0.1:{}", self.port, self.port + 1)
    }

    /// Kills the servers of these names as `kill -9` does.
    fn kill(&self, names: &[&str]) {
        let pids = std::fs::read_to_string(self.folder.join("pids")).expect("the script's notes");
        for name in names {
            let line = pids.lines().find(|line| line.split(' ').next() == Some(*name));
            let pid = line.and_then(|line| line.split(' ').nth(1)).expect("a server that runs");
            let status = Command::new("kill").args(["-9", pid]).status();
            assert!(status.is_ok_and(|it| it.success()), "kill -9 {pid}");
        }
    }

    /// Waits until the slaves have the topic and all its messages.
    fn await_slaves(&self) {
        let slaves: [SocketAddr; 2] = [1045, 1065].map(|it| ([127, 0, 0, 1], self.port + it).into());
        until("the slaves to know the topic", || {
            slaves.iter().all(|slave| {
                let topics = rpc::ask(*slave, rpc::GET_ALL_TOPIC_CONFIG, json!({}));
                topics.is_ok_and(|it| String::from_utf8_lossy(&it.body).contains(TOPIC))
            })
        });
        until("the slaves to have the messages", || {
            let ends = slaves.iter().flat_map(|slave| (0..4).map(|queue| max_offset(*slave, TOPIC, queue)));
            ends.sum::<i64>() == COUNT as i64
        });
    }

    fn route(&self) -> String {
        let addr = format!("127.0.0.1:{}", self.port).parse().expect("an address");
        let answer = rpc::ask(addr, rpc::GET_ROUTEINTO_BY_TOPIC, json!({"topic": TOPIC}));
        String::from_utf8_lossy(&answer.expect("the name server runs").body).into_owned()
    }

    fn statuses(&self) -> BTreeSet<String> {
        let lines =
            java::helper("Statuses", &[&self.namesrv(), TOPIC, &COUNT.to_string(), "0", "true"], LIMIT);
        assert_eq!(lines.len(), COUNT);
        lines.iter().map(|it| it["status"].as_str().expect("a status").to_owned()).collect()
    }

    /// Messages that a stock consumer gets of the brokers with this id.
    fn messages(&self, id: &str) -> usize {
        let lines = java::helper("PullFrom", &[&self.namesrv(), "conf_sets", id, TOPIC], LIMIT);
        lines.iter().filter(|it| it["kind"] == "message").count()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        script(&["stop", self.folder.to_str().expect("a plain path")]);
    }
}

fn check(set: &str, has_slaves: bool, alone: &str) {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Running::start(folder.path(), set);
    let namesrv = cluster.namesrv();
    let update = ["updateTopic", "-n", &namesrv, "-c", "DefaultCluster", "-t", TOPIC, "-r", "4", "-w", "4"];
    let printed = java::mqadmin(&[&update], LIMIT);
    assert!(printed[0].contains("success"), "{printed:?}");
    let is_everywhere = |route: &str| ["broker-a", "broker-b"].iter().all(|name| route.contains(name));
    until("the route to name both masters", || is_everywhere(&cluster.route()));
    assert_eq!(cluster.statuses(), BTreeSet::from(["SEND_OK".to_owned()]), "{set}");
    assert_eq!(cluster.messages("0"), COUNT, "{set}");
    if !has_slaves {
        return;
    }
    cluster.await_slaves();
    assert_eq!(cluster.messages("1"), COUNT, "{set}");
    cluster.kill(&["broker-a-s", "broker-b-s"]);
    // The first ones may come before the connections' ends.
    cluster.statuses();
    assert_eq!(cluster.statuses(), BTreeSet::from([alone.to_owned()]), "{set} without slaves");
}

#[test]
fn two_masters_without_slaves() {
    check("2m-noslave", false, "");
}

#[test]
fn two_masters_with_asynchronous_slaves() {
    check("2m-2s-async", true, "SEND_OK");
}

#[test]
fn two_masters_with_synchronous_slaves() {
    check("2m-2s-sync", true, "SLAVE_NOT_AVAILABLE");
}

#[test]
fn slaves_give_out_what_killed_masters_had() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Running::start(folder.path(), "2m-2s-sync");
    let namesrv = cluster.namesrv();
    let update = ["updateTopic", "-n", &namesrv, "-c", "DefaultCluster", "-t", TOPIC, "-r", "4", "-w", "4"];
    java::mqadmin(&[&update], LIMIT);
    assert_eq!(cluster.statuses(), BTreeSet::from(["SEND_OK".to_owned()]));
    cluster.await_slaves();
    cluster.kill(&["broker-a", "broker-b"]);
    assert_eq!(cluster.messages("1"), COUNT);
}
