//! The log of a running server: its level changed by `updateBrokerConfig` and `updateNamesrvConfig`, and its lines as
//! JSON. Which line goes into which file, and how files roll, is tested beside the code.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::path::Path;

use common::{broker_args, call, connect, start_server, until};
use rocketmq::protocol::header::NoHeader;
use rocketmq::protocol::request_code::RequestCode;
use rocketmq::remoting::Command;
use serde_json::{Value, json};

/// The lines that are in a log, each one JSON object.
fn lines(home: &Path, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(home.join("logs/rocketmqlogs").join(name)).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn said(home: &Path, name: &str, message: &str) -> bool {
    lines(home, name).iter().any(|line| line["message"].as_str().unwrap().starts_with(message))
}

fn check(
    program: &str,
    log: &str,
    code: RequestCode,
    message: &str,
    args: impl Fn(&Path, u16) -> Vec<String>,
) {
    let home = tempfile::tempdir().unwrap();
    let with = |port| {
        let mut args = args(home.path(), port);
        args.extend(["--log-format", "json", "logLevel=warn"].map(str::to_owned));
        args
    };
    let (mut server, port, _) = start_server(home.path(), with);
    let mut stream = connect(port);
    let mut set = |settings: &str| {
        let mut request = Command::request(code, &NoHeader {});
        request.body = settings.to_owned().into();
        let reply = call(&mut stream, request);
        (reply.code, reply.remark.unwrap_or_default())
    };
    let (code, remark) = set("logLevel=rocketmq=loud");
    assert!(code != 0 && remark.contains("logLevel") && remark.contains("loud"), "{code} {remark}");
    until("the refusal in the log", || said(home.path(), log, "change of settings refused"));
    assert_eq!(set("logLevel=info").0, 0);
    // It is this one's line that comes: the one before came while only warnings did.
    assert_eq!(set("logLevel=debug").0, 0);
    until("the change in the log", || said(home.path(), log, message));
    let lines = lines(home.path(), log);
    assert!(!said(home.path(), log, "starting"), "{program}: what a start says is no warning");
    let changes: Vec<_> =
        lines.iter().filter(|it| it["message"].as_str().unwrap().starts_with(message)).collect();
    assert_eq!(changes.len(), 1, "{program}: {changes:?}");
    assert_eq!(
        (&changes[0]["level"], &changes[0]["fields"]["changed"]),
        (&json!("INFO"), &json!("[\"logLevel\"]"))
    );
    assert_eq!(server.stop().code, Some(0));
}

#[test]
fn a_brokers_log_changes_its_level() {
    let args = |home: &Path, port| broker_args(home, port);
    check("broker", "broker.log", RequestCode::UpdateBrokerConfig, "settings changed", args);
}

#[test]
fn a_name_servers_log_changes_its_level() {
    let args = |_: &Path, port| vec!["namesrv".to_owned(), format!("listenPort={port}")];
    check("namesrv", "namesrv.log", RequestCode::UpdateNamesrvConfig, "updateConfig called by", args);
}

/// Java: `BrokerController.printWaterMark`.
#[test]
fn a_broker_says_each_second_who_waits() {
    let home = tempfile::tempdir().unwrap();
    let (_server, ..) = start_server(home.path(), |port| broker_args(home.path(), port));
    let file = home.path().join("logs/rocketmqlogs/watermark.log");
    let text = || std::fs::read_to_string(&file).unwrap_or_default();
    until("two rounds", || text().matches('\n').count() >= 6);
    for (line, queue) in text().lines().zip(["Send", "Pull", "Query"].iter().cycle()) {
        let (time, said) = line.split_once(" - ").unwrap();
        assert_eq!(time.len(), "2026-11-23 08:14:31".len(), "{line}");
        assert_eq!(said, format!("[WATERMARK] {queue} Queue Size: 0 SlowTimeMills: 0"));
    }
}
