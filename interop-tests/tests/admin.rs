//! Every method of the stock admin client (`DefaultMQAdminExt`), and all that rocketmq-console calls, on two masters and
//! a slave with live clients: against Java's servers, which proves the checks right, and against ours. The same with
//! the tools that consoles contain. The checks are `interop.admin` in `interop-tests/java`.

use std::net::SocketAddr;
use std::time::Duration;

use interop_tests::cluster::{Cluster, Plan, SLAVE, Side, turn};
use interop_tests::{java, process, rpc};

/// A minute's statistics need two samples, which are taken every ten seconds.
const LIMIT: Duration = Duration::from_secs(150);
const MAIN: &str = "interop.admin.AdminExt";
/// A subject that ends early must not look like one that passed.
const CHECKS_LEAST: usize = 650;

/// Topics of subjects that look at the slave, and their queues.
const EARLY_TOPICS: [(&str, &str); 2] = [("ClusterEarly", "3"), ("Refusals", "2")];

fn create_topic(broker: SocketAddr, topic: &str, queues: &str) {
    let fields = serde_json::json!({
        "topic": topic, "defaultTopic": "", "readQueueNums": queues, "writeQueueNums": queues, "perm": "6",
        "topicFilterType": "SINGLE_TAG", "topicSysFlag": "0", "order": "false",
    });
    let answer = rpc::ask(broker, rpc::UPDATE_AND_CREATE_TOPIC, fields).expect("the broker answers");
    assert_eq!(answer.code, 0, "{}", String::from_utf8_lossy(&answer.body));
}

fn check(side: Side, version: Option<&str>) {
    let _turn = turn();
    let mut cluster = Cluster::start(&Plan::of(side, side).two_brokers().with_slave(side));
    // Java's slave asks for its master's topics 10 s after its start, and then once a minute.
    for (topic, queues) in EARLY_TOPICS {
        create_topic(cluster.broker_addr, topic, queues);
    }
    cluster.start_at(SLAVE);
    let home = tempfile::tempdir().expect("a home for the JVM");
    let mut command = match version {
        None => java::command(MAIN, home.path()),
        Some(version) => java::tools_command(version, home.path()),
    };
    command.arg(cluster.namesrv_addr.to_string());
    let masters = cluster.masters();
    for broker in masters.iter().chain([&cluster.brokers[SLAVE]]) {
        command.arg(broker.addr.to_string());
    }
    // To look at a few: ADMIN="Topics Consumers".
    let named = std::env::var("ADMIN").unwrap_or_default();
    command.args(named.split_whitespace());
    if side == Side::Ours {
        command.arg("beyond-java");
    }
    let output = process::run("admin", command, None, LIMIT);
    let printed = String::from_utf8_lossy(&output.stdout);
    let lines = java::lines(&printed);
    let failed: Vec<String> =
        lines.iter().filter(|line| line["ok"] != true).map(|line| line.to_string()).collect();
    let version = version.unwrap_or("4.3.0");
    let errors = String::from_utf8_lossy(&output.stderr);
    println!("{}", errors.lines().filter(|it| it.ends_with(" ms")).collect::<Vec<_>>().join(", "));
    println!("tools {version}, {side:?}: {} checks, {} failed", lines.len(), failed.len());
    assert!(
        output.status.success() && failed.is_empty(),
        "tools {version}, {side:?}: {} of {} checks failed:\n{}\n{}\nservers:\n{}",
        failed.len(),
        lines.len(),
        failed.join("\n"),
        errors,
        cluster.printed()
    );
    assert!(!named.is_empty() || lines.len() >= CHECKS_LEAST, "only {} checks", lines.len());
    cluster.stop();
}

#[test]
fn java() {
    check(Side::Java, None);
}

#[test]
fn ours() {
    check(Side::Ours, None);
}

/// Of rocketmq-console 1.0.1.
#[test]
#[ignore = "minutes of the same checks with other tools; scripts/check --all runs it"]
fn java_tools_4_4_0() {
    check(Side::Java, Some("4.4.0"));
}

#[test]
#[ignore = "minutes of the same checks with other tools; scripts/check --all runs it"]
fn tools_4_4_0() {
    check(Side::Ours, Some("4.4.0"));
}

/// Of rocketmq-console 2.0.0.
#[test]
#[ignore = "minutes of the same checks with other tools; scripts/check --all runs it"]
fn java_tools_4_9_0() {
    check(Side::Java, Some("4.9.0"));
}

#[test]
#[ignore = "minutes of the same checks with other tools; scripts/check --all runs it"]
fn tools_4_9_0() {
    check(Side::Ours, Some("4.9.0"));
}
