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
storePathRootDir=/tmp/store-of-nobody/store
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
            "option -n: error: namesrvAddr=10.0.0.1: The Name Server Address[10.0.0.1] illegal",
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

/// What the broker says of `key=value` arguments, with its code.
fn of_arguments(home: &Home, program: &str, args: &[&str]) -> (Option<i32>, Vec<String>) {
    let args = [&[program, "--check-config"], args].concat();
    let outcome = run(home.path(), &args);
    (outcome.code, outcome.out)
}

#[test]
fn what_cannot_be_meant_is_told() {
    let home = Home::new();
    let check = |program: &str, args: &[&str], code: i32, expected: &[&str]| {
        let (found, lines) = of_arguments(&home, program, args);
        assert_eq!((found, lines.len()), (Some(code), expected.len()), "{args:?} {lines:?}");
        assert!(lines.iter().zip(expected).all(|(line, part)| line.contains(part)), "{args:?} {lines:?}");
    };
    let broker = |args: &[&str], code: i32, expected: &[&str]| check("broker", args, code, expected);
    // Addresses.
    for (addr, reason) in [
        ("a:9876,b:9877", "semicolons separate addresses"),
        ("http://127.0.0.1:9876", "is a URL"),
        ("127.0.0.1:9876:9877", "more than one port"),
        ("a b:9876", "characters in it that no host's name has"),
        ("127.0.0.1:0", "has port 0"),
    ] {
        broker(&["-n", addr], 1, &[reason]);
    }
    for ip in ["999.1.1.1", "127.0.0.1:1", "::1", "224.0.0.1", "255.255.255.255"] {
        broker(&[&format!("brokerIP1={ip}")], 1, &[&format!("error: brokerIP1={ip}: ")]);
        broker(&[&format!("brokerIP2={ip}")], 1, &[&format!("error: brokerIP2={ip}: ")]);
    }
    broker(&["brokerIP1=192.0.2.77"], 0, &["warning: brokerIP1=192.0.2.77: no interface of this machine"]);
    broker(
        &["-n", "a:1", "namesrvAddr=b:1"],
        0,
        &["namesrvAddr=b:1 does not count: -n sets namesrvAddr, too"],
    );
    // Role and id: all that Java checks, with advice that helps.
    broker(
        &["-n", "a", "brokerRole=SLAVE", "brokerId=0"],
        1,
        &["error: namesrvAddr=a: ", "brokerId=0: Slave's brokerId must be > 0 (set brokerId=1 or more"],
    );
    broker(
        &["-n", "a:1", "brokerRole=SLAVE"],
        1,
        &["brokerRole=SLAVE: Slave's brokerId must be > 0 (set brokerId=1"],
    );
    broker(&["brokerRole=slave", "brokerId=1"], 1, &["brokerRole=slave: is none of"]);
    broker(&["httpPort=-3", "listenPort=-1"], 1, &["httpPort=-3", "listenPort=-1"]);
    broker(&["-Dtls.enable=maybe"], 1, &["TLS: error: tls.enable=maybe is not one of true and false"]);
    // Names.
    broker(&["brokerName=a\nb"], 1, &["has control characters in it"]);
    broker(
        &["brokerName=a/../b", "brokerClusterName=x y"],
        0,
        &["brokerName=a/../b: no topic", "=x y: no topic"],
    );
    // Paths.
    broker(&["storePathRootDir=", "storePathCommitLog="], 1, &["storePathRootDir=: is empty", "=: is empty"]);
    broker(
        &["storePathRootDir=~/x", "storePathCommitLog=log"],
        0,
        &["~ and $ stand for themselves", "begins in the folder"],
    );
    check("namesrv", &["kvConfigPath="], 1, &["kvConfigPath=: is empty"]);
    let folder = home.path().to_str().unwrap();
    check("namesrv", &[&format!("kvConfigPath={folder}")], 1, &["directory"]);
    // What has an effect is not said to have none.
    broker(&["pullMessageThreadPoolNums=4", "diskFallRecorded=false", "rocketmqHome=/x"], 0, &[]);
}

#[test]
fn what_a_start_would_meet_on_the_disk_is_told() {
    let home = Home::new();
    let path = |name: &str| home.path().join(name);
    let (root, log) = (path("store"), path("store/commitlog"));
    let settings =
        [format!("storePathRootDir={}", root.display()), format!("storePathCommitLog={}", log.display())];
    let check = |code: i32, expected: &[&str]| {
        let (found, lines) = of_arguments(&home, "broker", &[&settings[0], &settings[1]]);
        assert_eq!((found, lines.len()), (Some(code), expected.len()), "{lines:?}");
        assert!(lines.iter().zip(expected).all(|(line, part)| line.contains(part)), "{lines:?}");
    };
    check(0, &[]);
    assert!(!root.exists());
    std::fs::create_dir_all(root.join("config")).unwrap();
    std::fs::write(root.join("config/topics.json"), "{").unwrap();
    check(1, &["topics.json and its .bak are damaged"]);
    std::fs::write(root.join("config/topics.json.bak"), "{}").unwrap();
    check(0, &[]);
    std::fs::write(&log, "").unwrap();
    check(1, &["commitlog is no folder"]);
    std::fs::remove_file(&log).unwrap();
    // As a running broker's, which is usually the one whose settings are checked.
    let lock = std::fs::File::create(root.join("lock")).unwrap();
    rustix::fs::fcntl_lock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    check(0, &["warning: storePathRootDir"]);
}

#[test]
fn a_start_refuses_what_the_check_calls_an_error_and_leaves_nothing() {
    let home = Home::new();
    let refused = |args: &[&str], code: i32, expected: &str| {
        let outcome = home.check(&[&["broker"], args].concat());
        assert_eq!(outcome.code, Some(code), "{outcome:?}");
        assert!(outcome.err.iter().any(|line| line.contains(expected)), "{outcome:?}");
    };
    refused(&["storePathRootDir=", "storePathCommitLog="], 255, "storePathRootDir=: is empty");
    refused(&["-n", "a:9876,b:9877"], 253, "The Name Server Address[a:9876,b:9877] illegal");
    refused(&["brokerRole=SLAVE"], 253, "Slave's brokerId must be > 0");
    refused(&["brokerIP2=999.1.1.1", "-p"], 255, "brokerIP2=999.1.1.1: is no IP address");
}

#[test]
fn what_is_printed_is_what_would_count() {
    let home = Home::new();
    let outcome = home.check(&["broker", "-p", "listenPort=20911", "brokerIP1=127.0.0.1"]);
    for line in ["brokerIP1=127.0.0.1", "brokerIP2=127.0.0.1", "haListenPort=20912"] {
        assert!(outcome.out.iter().any(|it| it == line), "{line}: {outcome:?}");
    }
    let outcome = home.check(&["broker", "-m"]);
    let ip = outcome.out.iter().find_map(|line| line.strip_prefix("brokerIP1="));
    assert!(ip.is_some_and(|ip| !ip.is_empty()), "{outcome:?}");
    for option in ["-p", "-m", "--check-config"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut process = std::process::Command::new(env!("CARGO_BIN_EXE_rocketmq"));
        process.args(["broker", option, "brokerNmae=x"]).env("HOME", home.path()).stdout(full);
        assert_eq!(process.output().unwrap().status.code(), Some(255), "{option}");
    }
}
