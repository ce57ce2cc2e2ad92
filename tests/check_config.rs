//! `--check-config`: what is told of settings, in which form, with which exit code; and that nothing is started, opened
//! or written for it.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::net::TcpListener;
use std::path::Path;

use common::{Outcome, free_port, run};
use serde_json::{Value, json};
use tempfile::TempDir;

struct Home(TempDir);

impl Home {
    fn new() -> Home {
        Home(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, content: &str) -> String {
        let path = self.path().join("broker.conf");
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn check(&self, args: &[&str]) -> Outcome {
        let outcome = run(self.path(), args);
        let left: Vec<_> =
            std::fs::read_dir(self.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| name == "broker.conf"), "left behind: {left:?}");
        outcome
    }
}

/// The findings of a file's content, without its path.
fn findings(program: &str, content: &str) -> (Option<i32>, Vec<String>) {
    let home = Home::new();
    let path = home.file(content);
    let outcome = home.check(&[program, "--check-config", "-c", &path]);
    let lines =
        outcome.out.iter().map(|line| line.strip_prefix(&format!("{path}:")).unwrap_or(line).to_owned());
    (outcome.code, lines.collect())
}

#[test]
fn every_kind_of_finding_is_told_with_its_line() {
    let content = "\
# a broker
brokerNmae=a
flushDiskType=SYNCFLUSH
brokerId=x
traceOn=yes
brokerIP1=127.0.0.1 # the only one
listenPort=20911\u{20}
highSpeedMode=true
fileReservedTime=48
fileReservedTime=0
storePathRootDir=/data/store
mapedFileSizeCommitLog=1024
nobodyKnowsThisOne=1
";
    let (code, lines) = findings("broker", content);
    let expected = [
        "2: warning: unknown key brokerNmae, ignored; did you mean brokerName? (write brokerName if that is meant, or \
         remove it)",
        "3: error: flushDiskType=SYNCFLUSH: is none of ASYNC_FLUSH, SYNC_FLUSH (correct the value, or remove the \
         setting: the default is ASYNC_FLUSH)",
        "4: error: brokerId=x: is not a whole number of 64 bits (correct the value, or remove the setting: the default \
         is 0)",
        "5: error: traceOn=yes: is not true or false (correct the value, or remove the setting: the default is true)",
        "6: warning: the value of brokerIP1 is `127.0.0.1 # the only one`: # starts no comment behind a value (put the \
         comment on a line of its own)",
    ];
    let places: Vec<&str> = lines.iter().map(|line| line.split_once(": ").unwrap().0).collect();
    let (with_default, rest) = lines.split_at(1);
    assert!(with_default[0].starts_with("default: warning: storePathCommitLog="), "{lines:?}");
    assert_eq!(rest[..5], expected);
    assert_eq!(places, ["default", "2", "3", "4", "5", "6", "6", "7", "8", "9", "10", "12", "13"]);
    let check = |at: usize, expected: &str| assert!(lines[at].contains(expected), "{}", lines[at]);
    check(6, "error: brokerIP1=127.0.0.1 # the only one: ");
    check(7, "warning: blanks behind the value of listenPort");
    check(8, "warning: highSpeedMode has no effect: 4.3.0 does not use it either");
    check(9, "warning: fileReservedTime=48 does not count: line 10 sets fileReservedTime again");
    check(10, "warning: fileReservedTime=0 is not at least 1");
    check(11, "error: mapedFileSizeCommitLog=1024: at least 4096 is needed");
    check(12, "warning: unknown key nobodyKnowsThisOne, ignored");
    assert_eq!(code, Some(1));
}

#[test]
fn warnings_alone_are_no_failure() {
    assert_eq!(findings("broker", "brokerName=a\n# b\n"), (Some(0), vec![]));
    let (code, lines) = findings("namesrv", "listenPrt=1\nclusterTest=true\n");
    assert_eq!((code, lines.len()), (Some(0), 2), "{lines:?}");
    let (code, lines) = findings("namesrv", "listenPort=99999\n");
    let expected = "1: error: listenPort=99999: is not from 3 to 65534 (correct the value, or remove the setting: the default is \
         9876)";
    assert_eq!((code, lines), (Some(1), vec![expected.to_owned()]));
}

#[test]
fn arguments_are_checked_over_the_file() {
    let home = Home::new();
    let path = home.file("brokerRole=SLAVE\nbrokerId=1\n");
    let check = |args: &[&str], code: i32, expected: &[&str]| {
        let outcome = home.check(args);
        let begins = |(line, start): (&String, &&str)| line.starts_with(start);
        assert_eq!((outcome.code, outcome.out.len()), (Some(code), expected.len()), "{outcome:?}");
        assert!(outcome.out.iter().zip(expected).all(begins), "{outcome:?}");
    };
    let args = |more: &[&'static str]| {
        [&["broker", "--check-config", "-c", path.as_str()], more]
            .concat()
            .iter()
            .map(|it| (*it).to_owned())
            .collect::<Vec<_>>()
    };
    let checked = |more: &[&'static str], code: i32, expected: &[&str]| {
        let args = args(more);
        check(&args.iter().map(String::as_str).collect::<Vec<_>>(), code, expected);
    };
    checked(&["-n", "10.0.0.1:9876"], 0, &[]);
    checked(
        &[],
        0,
        &[&format!("{path}:1: warning: brokerRole=SLAVE: neither namesrvAddr nor haMasterAddress")],
    );
    checked(
        &["-n", "10.0.0.1:9876", "brokerId=0"],
        1,
        &["command line: error: brokerId=0: Slave's brokerId must be > 0"],
    );
    checked(
        &["-n", "10.0.0.1", "start"],
        1,
        &[
            "command line: error: argument `start` is neither an option nor key=value",
            "command line: error: namesrvAddr=10.0.0.1: The Name Server Address[10.0.0.1] illegal",
        ],
    );
    checked(&["-n", "h:1", "-Dtls.server.mode=x"], 1, &["TLS: error: tls.server.mode=x is not one of"]);
    checked(&["-n", "h:1", "-Dtls.nothing=x"], 1, &["command line: error: -Dtls.nothing=x: there are "]);
    let missing = home.path().join("missing.conf");
    let missing = missing.to_str().unwrap();
    check(
        &["broker", "--check-config", "-c", missing],
        1,
        &[&format!("{missing}: error: cannot read {missing}: No such file")],
    );
    check(&["standalone", "--check-config", "brokerId=x"], 1, &["command line: error: brokerId=x: "]);
    check(&["standalone", "--check-config"], 0, &[]);
}

#[test]
fn programs_get_an_object() {
    let home = Home::new();
    let path = home.file("brokerName=a\nlistenPort=x\n");
    let outcome = home.check(&["broker", "--check-config", "--json", "-c", &path]);
    assert_eq!((outcome.code, outcome.out.len(), outcome.err.len()), (Some(1), 1, 0), "{outcome:?}");
    let found: Value = serde_json::from_str(&outcome.out[0]).unwrap();
    let expected = json!({
        "errors": 1,
        "warnings": 0,
        "findings": [{
            "place": format!("{path}:2"),
            "file": path,
            "line": 2,
            "severity": "error",
            "kind": "bad-value",
            "key": "listenPort",
            "value": "x",
            "text": "listenPort=x: is not a whole number of 32 bits",
            "advice": "correct the value, or remove the setting: the default is 10911",
        }],
    });
    assert_eq!(found, expected);
}

/// A server with these settings would say that its port is taken.
#[test]
fn no_port_is_opened() {
    let home = Home::new();
    let port = free_port();
    let _taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let port = format!("listenPort={port}");
    for program in ["broker", "namesrv"] {
        let outcome = home.check(&[program, "--check-config", &port]);
        assert_eq!((outcome.code, outcome.out.len()), (Some(0), 0), "{outcome:?}");
        assert_eq!(outcome.err, ["no errors, no warnings: it would start"]);
    }
}
