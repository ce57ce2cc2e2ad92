//! The program as an operator meets it: what it prints, what it refuses and in which words, its exit codes, and
//! what a stop and a start keep. `rocketmq shutdown` is not run here: it stops every server of the machine.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command as Process, Stdio};

use common::{Outcome, broker_args, call, connect, port_pair, read_queue, run, start_server};
use rocketmq::protocol::header::NoHeader;
use rocketmq::protocol::header::route::GetRouteInfoRequestHeader;
use rocketmq::protocol::header::send::{SendMessageRequestHeaderV2, SendMessageResponseHeader};
use rocketmq::protocol::request_code::RequestCode;
use rocketmq::remoting::Command;
use tempfile::TempDir;

const FAILED: Option<i32> = Some(255);

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A file of settings, and its name.
fn file(home: &TempDir, content: &str) -> String {
    let path = home.path().join("broker.conf");
    std::fs::write(&path, content).unwrap();
    text(&path).to_owned()
}

/// What `-p` and `-m` print.
fn settings(outcome: &Outcome) -> BTreeMap<&str, &str> {
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let pairs = outcome.out.iter().map(|line| line.split_once('=').unwrap());
    let settings: BTreeMap<&str, &str> = pairs.collect();
    assert_eq!(settings.len(), outcome.out.len(), "a key is printed twice");
    settings
}

/// A run that must fail, for a reason given in one line.
fn refusal(code: Option<i32>, outcome: Outcome) -> String {
    assert_eq!(outcome.code, code, "{outcome:?}");
    assert_eq!(outcome.out, [""; 0]);
    let [line] = <[String; 1]>::try_from(outcome.err).unwrap();
    line.strip_prefix("ERROR: ").unwrap_or_else(|| panic!("{line}")).to_owned()
}

#[test]
fn settings_are_printed() {
    let home = home();
    let all = run(home.path(), &["broker", "-p", "-n", "10.0.0.1:9876", "brokerName=b"]);
    let all = settings(&all);
    let store = home.path().join("store");
    for (key, value) in [
        ("listenPort", "10911"),
        ("brokerName", "b"),
        ("namesrvAddr", "10.0.0.1:9876"),
        ("flushDiskType", "ASYNC_FLUSH"),
        ("storePathRootDir", text(&store)),
        ("serverSocketSndBufSize", "131072"),
    ] {
        assert_eq!(all.get(key), Some(&value), "{key}");
    }
    let important = run(home.path(), &["broker", "-m", "-n", "10.0.0.1:9876", "brokerName=b"]);
    let important = settings(&important);
    assert_eq!(important.get("brokerRole"), Some(&"ASYNC_MASTER"));
    assert_eq!(important.get("sendMessageThreadPoolNums"), None);
    assert!(important.iter().all(|(key, value)| all.get(key) == Some(value)));

    let names = run(home.path(), &["namesrv", "-p", "orderMessageEnable=true"]);
    let names = settings(&names);
    let path = home.path().join("namesrv/kvConfig.json");
    for (key, value) in
        [("listenPort", "9876"), ("orderMessageEnable", "true"), ("kvConfigPath", text(&path))]
    {
        assert_eq!(names.get(key), Some(&value), "{key}");
    }
    assert_eq!(names.get("brokerName"), None);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "printing leaves nothing behind");
}

/// Below the file, as in 4.3.0; what is a ratio there is percents here.
#[test]
fn system_properties_are_settings() {
    let home = home();
    let path = file(&home, "diskSpaceCleanForciblyRatio=80\n");
    let properties = [
        "-Drocketmq.namesrv.addr=10.0.0.9:9876",
        "-Drocketmq.broker.diskSpaceWarningLevelRatio=0.95",
        "-Drocketmq.broker.diskSpaceCleanForciblyRatio=0.9",
        "-Drocketmq.serialize.type=ROCKETMQ",
    ];
    let outcome = run(home.path(), &[&["broker", "-p", "-c", &path], &properties[..]].concat());
    let printed = settings(&outcome);
    for (key, value) in [
        ("namesrvAddr", "10.0.0.9:9876"),
        ("diskSpaceWarningLevelRatio", "95"),
        ("diskSpaceCleanForciblyRatio", "80"),
    ] {
        assert_eq!(printed.get(key), Some(&value), "{key}");
    }
    assert_eq!(outcome.err, [""; 0]);
    let wrong = "-Drocketmq.broker.diskSpaceWarningLevelRatio=most";
    let expected = "-Drocketmq.broker.diskSpaceWarningLevelRatio: diskSpaceWarningLevelRatio=most: \
                    is not a whole number of 32 bits";
    assert_eq!(refusal(FAILED, run(home.path(), &["broker", wrong])), expected);
    let expected = "-Drocketmq.serialize.type=XML is neither JSON nor ROCKETMQ";
    assert_eq!(refusal(FAILED, run(home.path(), &["namesrv", "-Drocketmq.serialize.type=XML"])), expected);
}

/// Java's default would be kept, and its `true ` be false.
#[test]
fn blanks_behind_values_do_not_count() {
    let home = home();
    let path = file(&home, "traceOn = true  \nflushDiskType=SYNC_FLUSH \t\nlistenPort=20911 \n");
    let outcome = run(home.path(), &["broker", "-p", "-c", &path, "brokerName=b "]);
    let printed = settings(&outcome);
    for (key, value) in
        [("traceOn", "true"), ("flushDiskType", "SYNC_FLUSH"), ("listenPort", "20911"), ("brokerName", "b")]
    {
        assert_eq!(printed.get(key), Some(&value), "{key}");
    }
    // Whoever goes back to 4.3.0 should know.
    let lines: Vec<String> =
        (1..=3).map(|line| format!("WARNING: {path}:{line}: blanks behind the value")).collect();
    assert_eq!(outcome.err.len(), lines.len(), "{outcome:?}");
    assert!(outcome.err.iter().zip(&lines).all(|(told, line)| told.starts_with(line)), "{outcome:?}");
}

#[test]
fn values_that_do_not_fit_stop_the_start() {
    let home = home();
    let check = |program: &str, content: &str, line: usize, expected: &str| {
        let path = file(&home, content);
        let reason = refusal(FAILED, run(home.path(), &[program, "-c", &path]));
        assert_eq!(reason, format!("{path}:{line}: {expected}"));
    };
    check(
        "broker",
        "brokerName=b\n# how\nflushDiskType=SYNC\n",
        3,
        "flushDiskType=SYNC: is none of ASYNC_FLUSH, SYNC_FLUSH",
    );
    // Java starts with it, and loses SYNC_FLUSH without a word.
    check(
        "broker",
        "flushDiskType=SYNCFLUSH\n",
        1,
        "flushDiskType=SYNCFLUSH: is none of ASYNC_FLUSH, SYNC_FLUSH",
    );
    check("broker", "listenPort=1091l\n", 1, "listenPort=1091l: is not a whole number of 32 bits");
    check("broker", "\ntraceOn=yes\n", 2, "traceOn=yes: is not true or false");
    check("namesrv", "listenPort=x\n", 1, "listenPort=x: is not a whole number of 32 bits");
}

#[test]
fn what_is_wrong_with_arguments_is_said() {
    let home = home();
    let missing = home.path().join("missing.conf");
    let check = |code: Option<i32>, args: &[&str], expected: &str| {
        assert_eq!(refusal(code, run(home.path(), args)), expected, "{args:?}");
    };
    let unreadable = format!("cannot read {}: No such file or directory (os error 2)", missing.display());
    check(FAILED, &["broker", "-c", text(&missing)], &unreadable);
    check(FAILED, &["namesrv", "-c", text(&missing)], &unreadable);
    let stray = "argument `start` is neither an option nor key=value; see --help";
    check(FAILED, &["broker", "start"], stray);
    check(FAILED, &["standalone", "start"], stray);
    let number = "is not a whole number of 64 bits";
    check(FAILED, &["standalone", "brokerId=x"], &format!("command line: brokerId=x: {number}"));
    // Java's words and Java's code; and what is wrong.
    let illegal = |addrs: &str, reason: &str| {
        format!(
            "The Name Server Address[{addrs}] illegal, please set it as follows, \
             \"127.0.0.1:9876;192.168.0.1:9876\": {reason}"
        )
    };
    for (addrs, reason) in [
        ("localhost", "localhost has no port"),
        ("10.0.0.1:9876;10.0.0.2", "10.0.0.2 has no port"),
        ("10.0.0.1:x", "10.0.0.1:x has no port from 1 to 65535"),
        (":9876", ":9876 has no host"),
    ] {
        check(Some(253), &["broker", "-n", addrs], &illegal(addrs, reason));
    }
    let reason = "h:99999 has no port from 1 to 65535";
    check(Some(253), &["broker", "namesrvAddr=h:99999"], &illegal("h:99999", reason));
    check(Some(253), &["broker", "brokerRole=SLAVE"], "Slave's brokerId must be > 0");
}

#[test]
fn unknown_keys_are_named_with_the_nearest() {
    let home = home();
    let path = file(&home, "brokerNme=b\n\nnobodyKnowsThisOne=1\n");
    let outcome = run(home.path(), &["broker", "-p", "-c", &path, "listenport=1"]);
    assert_eq!(outcome.code, Some(0));
    assert_eq!(
        outcome.err,
        [
            format!("WARNING: {path}:1: unknown key brokerNme, ignored; did you mean brokerName?"),
            format!("WARNING: {path}:3: unknown key nobodyKnowsThisOne, ignored"),
            "WARNING: command line: unknown key listenport, ignored; did you mean listenPort?".to_owned(),
        ]
    );
    let outcome = run(home.path(), &["namesrv", "-p", "listenPrt=1"]);
    let expected = "WARNING: command line: unknown key listenPrt, ignored; did you mean listenPort?";
    assert_eq!((outcome.code, outcome.err.as_slice()), (Some(0), &[expected.to_owned()][..]));
}

#[test]
fn a_closed_output_is_no_failure() {
    let home = home();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut program = Process::new(env!("CARGO_BIN_EXE_rocketmq"));
    program.args(["broker", "-p"]).env_clear().env("HOME", home.path());
    let outcome = program.stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((outcome.status.code(), outcome.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn a_port_in_use_is_named() {
    let home = home();
    let check = |args: Vec<String>, expected: &str| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let reason = refusal(FAILED, run(home.path(), &args));
        assert!(reason.starts_with(expected), "{reason}");
    };
    let (lower, upper) = port_pair();
    let (vip_port, port) = (lower.local_addr().unwrap().port(), upper.local_addr().unwrap().port());
    let in_use = "cannot be listened on: Address already in use";
    check(broker_args(home.path(), port), &format!("listenPort {port} {in_use}"));
    let names = vec!["namesrv".to_owned(), format!("listenPort={port}")];
    check(names, &format!("listenPort {port} {in_use}"));
    let standalone = vec!["standalone".to_owned(), format!("--port={port}")];
    check(standalone, &format!("listenPort {port} {in_use}"));
    drop(upper);
    let vip = format!(
        "the VIP port listenPort - 2 = {vip_port} {in_use} (os error 98). Another program has it: see `ss -ltnp`, or set \
         another listenPort"
    );
    check(broker_args(home.path(), port), &vip);
    // And what did not start keeps nobody out.
    drop(lower);
    let (mut broker, ..) = start_server(home.path(), |port| broker_args(home.path(), port));
    assert_eq!(broker.stop().code, Some(0));
}

#[test]
fn a_full_disk_is_told_of_at_the_start() {
    let home = home();
    // No disk is emptier than this.
    let full =
        |port| [broker_args(home.path(), port), vec!["diskSpaceWarningLevelRatio=-1".to_owned()]].concat();
    let (mut broker, ..) = start_server(home.path(), full);
    let outcome = broker.stop();
    let is_told = |line: &String| {
        line.starts_with("WARNING: the disk of ")
            && line.ends_with(
                " % full: no messages are taken until there is space; the limit is diskSpaceWarningLevelRatio=-1",
            )
    };
    assert_eq!(
        (outcome.code, outcome.err.iter().filter(|it| is_told(it)).count()),
        (Some(0), 1),
        "{outcome:?}"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_a_remedy() {
    let home = home();
    let folder = home.path().join("store/config");
    std::fs::create_dir_all(folder.join("topics.json")).unwrap();
    let args = broker_args(home.path(), common::free_port());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let expected = format!(
        "cannot read or write {}/topics.json: Is a directory (os error 21). There is a folder in the file's place: move it \
         away",
        folder.display()
    );
    assert_eq!(refusal(FAILED, run(home.path(), &args)), expected);
}

#[test]
fn a_directory_is_one_brokers() {
    let home = home();
    let (mut first, port, _) = start_server(home.path(), |port| broker_args(home.path(), port));
    send(port, "T", 0, "before");
    let args = broker_args(home.path(), common::free_port());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let reason = refusal(FAILED, run(home.path(), &args));
    let store = home.path().join("store");
    let in_use =
        |path: &Path| format!("the store cannot be opened: {} is in use: another broker", path.display());
    assert!(reason.starts_with(&in_use(&store)), "{reason}");
    // Nor is its commit log another's whose other files lie elsewhere.
    let mut args = args;
    let other = format!("storePathRootDir={}", home.path().join("other").display());
    args.push(&other);
    let outcome = run(home.path(), &args);
    let reason = format!("ERROR: {}", in_use(&store.join("commitlog")));
    assert!(outcome.err.last().is_some_and(|line| line.starts_with(&reason)), "{outcome:?}");
    assert_eq!(outcome.code, FAILED);
    // The first has not noticed.
    send(port, "T", 0, "after");
    assert_eq!(read_queue(&mut connect(port), "T", 0), ["before", "after"]);
    assert_eq!(first.stop().code, Some(0));
}

#[test]
fn a_name_server_that_is_not_there_is_said_at_the_start() {
    let home = home();
    let addr = format!("127.0.0.1:{}", common::free_port());
    let args = |port| [broker_args(home.path(), port), vec!["-n".to_owned(), addr.clone()]].concat();
    let (mut broker, ..) = start_server(home.path(), args);
    let outcome = broker.stop();
    assert_eq!(outcome.code, Some(0));
    let [line] = <[String; 1]>::try_from(outcome.err).unwrap();
    let beginning = format!("WARNING: not registered with the name server {addr}: connect to {addr} failed");
    assert!(line.starts_with(&beginning) && line.contains("`No route info`"), "{line}");
}

#[test]
fn servers_say_that_they_run_as_4_3_0_does() {
    let home = home();
    let (mut names, names_port, line) =
        start_server(home.path(), |port| vec!["namesrv".to_owned(), format!("listenPort={port}")]);
    assert_eq!(line, "The Name Server boot success. serializeType=JSON");

    let args = |port| broker_args(home.path(), port);
    let (mut broker, port, line) = start_server(home.path(), args);
    let boot = |port| format!("The broker[broker-a, 127.0.0.1:{port}] boot success. serializeType=JSON");
    assert_eq!(line, boot(port));
    assert_eq!(clean_stop(&mut broker), [""; 0]);

    let addr = format!("127.0.0.1:{names_port}");
    let args = |port| [broker_args(home.path(), port), vec!["-n".to_owned(), addr.clone()]].concat();
    let (mut broker, port, line) = start_server(home.path(), args);
    assert_eq!(line, format!("{} and name server is {addr}", boot(port)));
    assert_eq!(clean_stop(&mut broker), [""; 0]);
    assert_eq!(clean_stop(&mut names), [""; 0]);

    let path = file(&home, "# none\n");
    let args = |port| vec!["namesrv".to_owned(), "-c".to_owned(), path.clone(), format!("listenPort={port}")];
    let (mut names, _, line) = start_server(home.path(), args);
    assert_eq!(line, format!("load config properties file OK, {path}"));
    assert_eq!(names.line().unwrap(), "The Name Server boot success. serializeType=JSON");
    assert_eq!(clean_stop(&mut names), [""; 0]);
}

/// SIGTERM to a server; what else it printed.
fn clean_stop(program: &mut common::Program) -> Vec<String> {
    let outcome = program.stop();
    assert_eq!((outcome.code, outcome.err.as_slice()), (Some(0), &[][..]));
    outcome.out
}

/// Gives the offset that a message got.
fn send(port: u16, topic: &str, queue_id: i32, body: &str) -> i64 {
    let header = SendMessageRequestHeaderV2 {
        producer_group: "g",
        topic,
        default_topic: "TBW102",
        default_topic_queue_nums: 4,
        queue_id,
        ..SendMessageRequestHeaderV2::default()
    };
    let request = Command::request(RequestCode::SendMessageV2, &header).with_body(body.to_owned());
    let answer = call(&mut connect(port), request);
    assert_eq!(answer.code, 0, "{:?}", answer.remark);
    answer.header::<SendMessageResponseHeader<'_>>().unwrap().queue_offset
}

#[test]
fn standalone_keeps_topics_and_messages() {
    let home = home();
    let data = home.path().join("data");
    let start = || {
        let (program, port, line) = start_server(home.path(), |port| {
            vec![
                "standalone".to_owned(),
                format!("--data={}", data.display()),
                "brokerNme=x".to_owned(),
                format!("--port={}", common::free_port()),
                format!("--broker-port={port}"),
            ]
        });
        let rest = line.strip_prefix("RocketMQ runs: name server 127.0.0.1:").unwrap();
        let (names_port, broker) = rest.split_once(", ").unwrap();
        assert_eq!(broker, format!("broker 127.0.0.1:{port}"));
        (program, port, names_port.parse().unwrap())
    };
    let (mut program, port, names_port) = start();
    for number in 0..40 {
        assert_eq!(send(port, "T", number % 4, &format!("m{number}")), i64::from(number / 4));
    }
    let addr = format!("127.0.0.1:{port}");
    let cluster =
        call(&mut connect(names_port), Command::request(RequestCode::GetBrokerClusterInfo, &NoHeader {}));
    assert!(String::from_utf8_lossy(&cluster.body).contains(&addr), "{cluster:?}");
    let outcome = program.stop();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let expected = "WARNING: command line: unknown key brokerNme, ignored; did you mean brokerName?";
    assert_eq!(outcome.err, [expected]);
    let stop_line = outcome.out.last().unwrap().trim_start().to_owned();
    assert!(stop_line.starts_with("stop "), "{stop_line}");
    assert!(!data.join("abort").exists(), "as after a kill");

    let (mut program, port, names_port) = start();
    // Registered before the first line: nothing to wait for.
    let header = GetRouteInfoRequestHeader { topic: "T".to_owned() };
    let request = Command::request(RequestCode::GetRouteintoByTopic, &header);
    let route = call(&mut connect(names_port), request);
    assert_eq!(route.code, 0, "{:?}", route.remark);
    let route: serde_json::Value = serde_json::from_slice(&route.body).unwrap();
    assert_eq!(route["brokerDatas"][0]["brokerAddrs"]["0"], format!("127.0.0.1:{port}"));
    assert_eq!(route["queueDatas"][0]["writeQueueNums"], 4);
    let mut stream = connect(port);
    for queue_id in 0..4 {
        let expected: Vec<String> = (0..10).map(|number| format!("m{}", number * 4 + queue_id)).collect();
        assert_eq!(read_queue(&mut stream, "T", queue_id), expected);
    }
    assert_eq!(send(port, "T", 0, "next"), 10);
    assert_eq!(program.stop().code, Some(0));
}

#[test]
fn there_is_a_manual_page_for_everything_that_is_typed() {
    let home = home();
    let dir = home.path().join("man");
    let outcome = run(home.path(), &["man", text(&dir)]);
    assert_eq!((outcome.code, outcome.out.len()), (Some(0), 0), "{outcome:?}");
    let check = |page: &str, expected: &str| {
        let page = std::fs::read_to_string(dir.join(page)).unwrap();
        assert!(page.contains(expected), "{page}");
    };
    check("rocketmq.1", "standalone");
    check("rocketmq-store-check.1", "Data directory");
    check("mqbroker.1", "printImportantConfig");
    check("mqadmin-updateTopic.1", "topic name");
    check("mqadmin-updateTopic.1", "\n.SH EXIT STATUS\n");
    check("rocketmq-admin.1", "mqadmin(1)");
    check("mqshutdown.1", "still runs after 60 s");
    for section in [
        "SYNOPSIS\n\\fBmqnamesrv\\fR [OPTIONS] [KEY=VALUE]...\n",
        "FILES\n",
        "ENVIRONMENT\n",
        "EXIT STATUS\n",
    ] {
        check("mqnamesrv.1", &format!(".SH {section}"));
    }
    check("mqbroker.1", "ROCKETMQ_LOG_FORMAT");
    let first = std::fs::read_to_string(dir.join("rocketmq.1")).unwrap();
    let printed = run(home.path(), &["man"]).out.join("\n");
    assert_eq!(printed.trim_end(), first.trim_end());
    let outcome = run(home.path(), &["man", "/proc/no"]);
    assert_eq!(outcome.code, FAILED, "{outcome:?}");
}
