//! `conf/` and `scripts/cluster` with the real program: every sample is read without a word, the script starts a whole
//! cluster whose parts know each other, and ends what it has started and nothing else.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command as Process, Output};

use common::{call, connect, free_port, run};
use rocketmq::protocol::body::route::ClusterInfo;
use rocketmq::protocol::header::NoHeader;
use rocketmq::protocol::request_code::RequestCode;
use rocketmq::remoting::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Somebody may take one of the ports before the cluster does.
const STARTS: usize = 5;
/// Distance of each broker's port from the first name server's.
const BROKERS: [(&str, i64, u16); 4] =
    [("broker-a", 0, 1035), ("broker-a", 1, 1045), ("broker-b", 0, 1055), ("broker-b", 1, 1065)];

#[test]
fn samples_are_read_without_a_word() {
    let home = tempfile::tempdir().unwrap();
    let check = |file: &str, name: &str, id: &str, role: &str| {
        let path = Path::new(ROOT).join("conf").join(file);
        // A slave has to be told where its master is, as the guides do.
        let outcome =
            run(home.path(), &["broker", "-c", path.to_str().unwrap(), "-n", "127.0.0.1:9876", "-p"]);
        assert_eq!((outcome.code, outcome.err), (Some(0), Vec::new()), "{file}");
        let settings: BTreeMap<&str, &str> =
            outcome.out.iter().map(|line| line.split_once('=').unwrap()).collect();
        for (key, value) in [
            ("brokerClusterName", "DefaultCluster"),
            ("brokerName", name),
            ("brokerId", id),
            ("brokerRole", role),
            ("deleteWhen", "04"),
            ("fileReservedTime", "48"),
            ("flushDiskType", "ASYNC_FLUSH"),
        ] {
            assert_eq!(settings[key], value, "{file}: {key}");
        }
        // As many as 4.3.0's sample has: what it leaves out stays at its default.
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().filter(|it| !it.starts_with('#') && !it.is_empty()).count(), 7, "{file}");
    };
    check("broker.conf", "broker-a", "0", "ASYNC_MASTER");
    for letter in ["a", "b"] {
        let name = format!("broker-{letter}");
        for (folder, role) in
            [("2m-noslave", "ASYNC_MASTER"), ("2m-2s-async", "ASYNC_MASTER"), ("2m-2s-sync", "SYNC_MASTER")]
        {
            check(&format!("{folder}/{name}.properties"), &name, "0", role);
        }
        for folder in ["2m-2s-async", "2m-2s-sync"] {
            check(&format!("{folder}/{name}-s.properties"), &name, "1", "SLAVE");
        }
    }
}

fn script(args: &[&str]) -> Output {
    let mut command = Process::new("sh");
    command.arg(Path::new(ROOT).join("scripts/cluster")).args(args).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", "/nonexistent");
    command.env("ROCKETMQ_BIN", env!("CARGO_BIN_EXE_rocketmq"));
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A running cluster; stopped when it is dropped.
struct Cluster<'a> {
    folder: &'a str,
    port: u16,
    said: String,
}

impl Cluster<'_> {
    fn start(folder: &str) -> Cluster<'_> {
        let mut last = String::new();
        for _ in 0..STARTS {
            // Below the ports that the system gives to clients: for a minute nobody can listen where one has been.
            let port = free_port() % 26_000 + 4_000;
            let output = script(&["start", folder, &port.to_string()]);
            last = said(&output);
            if output.status.success() {
                return Cluster { folder, port, said: last };
            }
            // All or nothing.
            assert!(last.contains("in use"), "{last}");
            assert!(!Path::new(folder).join("pids").exists(), "{last}");
        }
        panic!("not started in {STARTS} attempts: {last}");
    }

    /// Brokers that a name server knows: name, id, address.
    fn known(&self, port: u16) -> Vec<(String, i64, String)> {
        let request = Command::request(RequestCode::GetBrokerClusterInfo, &NoHeader {});
        let answer = call(&mut connect(port), request);
        let info: ClusterInfo = compat::json::from_slice(&answer.body).unwrap();
        let brokers = info.broker_addr_table.iter();
        brokers
            .flat_map(|(name, data)| {
                data.broker_addrs.iter().map(move |(id, addr)| (name.clone(), *id, addr.clone()))
            })
            .collect()
    }

    fn check(&self) {
        let expected: Vec<_> = BROKERS
            .map(|(name, id, distance)| (name.to_owned(), id, format!("127.0.0.1:{}", self.port + distance)))
            .into();
        for port in [self.port, self.port + 1] {
            assert_eq!(self.known(port), expected);
            assert!(self.said.contains(&format!("127.0.0.1:{port}")), "{}", self.said);
        }
        for (_, _, addr) in &expected {
            assert!(self.said.contains(addr), "{}", self.said);
        }
        let addrs = format!("export NAMESRV_ADDR='127.0.0.1:{};127.0.0.1:{}'", self.port, self.port + 1);
        assert_eq!(self.said.lines().last(), Some(addrs.as_str()));
    }

    fn stop(&self) -> String {
        let output = script(&["stop", self.folder]);
        assert!(output.status.success(), "{}", said(&output));
        said(&output)
    }
}

impl Drop for Cluster<'_> {
    fn drop(&mut self) {
        script(&["stop", self.folder]);
    }
}

/// A process that has nothing to do with any cluster.
struct Bystander(Child);

impl Drop for Bystander {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_cluster_starts_whole_and_is_ended_by_who_started_it() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().canonicalize().unwrap().join("a cluster");
    let folder = folder.to_str().unwrap();
    let pids = Path::new(folder).join("pids");
    let mut bystander = Bystander(Process::new("sleep").arg("600").spawn().unwrap());

    let cluster = Cluster::start(folder);
    cluster.check();
    let again = script(&["start", folder, &cluster.port.to_string()]);
    assert!(!again.status.success() && said(&again).contains("namesrv-1 runs already"), "{}", said(&again));
    assert_eq!(fs::read_to_string(&pids).unwrap().lines().count(), 6);
    // A pid that was a server's, and is another process's by now.
    let noted = fs::read_to_string(&pids).unwrap();
    fs::write(&pids, format!("{noted}broker-c {} 1\n", bystander.0.id())).unwrap();
    let ended = cluster.stop();
    assert_eq!(ended.lines().filter(|it| it.ends_with("has ended")).count(), 6, "{ended}");
    assert!(bystander.0.try_wait().unwrap().is_none(), "somebody else was ended");
    for distance in [0, 1, 1035, 1045, 1055, 1065] {
        assert!(TcpStream::connect(("127.0.0.1", cluster.port + distance)).is_err(), "{distance}");
    }
    assert_eq!(cluster.stop(), "", "a second stop has nothing to do");
    drop(cluster);

    // On what the first one left.
    let cluster = Cluster::start(folder);
    cluster.check();
}

#[test]
fn what_makes_no_sense_is_refused() {
    let check = |args: &[&str], code: i32, expected: &str| {
        let output = script(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert!(said(&output).contains(expected), "{}", said(&output));
    };
    check(&[], 2, "scripts/cluster start FOLDER [PORT [SET]]");
    check(&["start"], 2, "scripts/cluster start FOLDER [PORT [SET]]");
    check(&["restart", "/tmp"], 2, "scripts/cluster start FOLDER [PORT [SET]]");
    check(&["start", "/nonexistent/x", "a"], 1, "a is no port");
    check(&["start", "/nonexistent/x", "65000"], 1, "the port is one of 1 to 64000");
    check(&["start", "/nonexistent/x", "9876", "3m"], 1, "3m is none of 2m-2s-sync");
    check(&["stop", "/nonexistent/x"], 1, "/nonexistent/x is no folder");
}
