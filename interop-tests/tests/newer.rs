//! What applications on clients of other versions than 4.3.0 see of our servers: 4.2.0, the last 4.9, and a 5.x, each
//! from Maven Central, in its own JVM. The checks are `interop-tests/newer`. What 4.3.0's own servers can do for such
//! a client is checked against them, too, which proves the checks right.

use std::net::SocketAddr;
use std::time::Duration;

use interop_tests::cluster::{Cluster, Plan, Side, turn};
use interop_tests::{java, process, rpc};

const LIMIT: Duration = Duration::from_secs(150);
/// As `newer.Clients` wants it.
const SETTINGS: [(&str, &str); 3] =
    [("enablePropertyFilter", "true"), ("transactionTimeOut", "2000"), ("transactionCheckInterval", "1000")];
/// A subject that ends early must not look like one that passed: at least so many `checks`.
fn check(plan: &Plan, version: &str, arguments: &[&str], checks: usize) {
    let _turn = turn();
    let cluster = Cluster::start(&plan.clone().with_settings(&SETTINGS));
    if plan.broker == Side::Java {
        create_template(cluster.broker_addr);
    }
    let home = tempfile::tempdir().expect("a home for the JVM");
    let mut command = java::client_command(version, home.path());
    command.arg(cluster.namesrv_addr.to_string()).arg("Newer").args(arguments);
    // To look at a few: NEWER="Delay Retry".
    let named = std::env::var("NEWER").unwrap_or_default();
    command.args(named.split_whitespace());
    let output = process::run(&format!("client {version}"), command, None, LIMIT);
    let lines = java::lines(&String::from_utf8_lossy(&output.stdout));
    let failed: Vec<String> =
        lines.iter().filter(|line| line["ok"] != true).map(|line| line.to_string()).collect();
    println!("client {version}, {plan:?}: {} checks, {} failed", lines.len(), failed.len());
    assert!(
        output.status.success() && failed.is_empty(),
        "client {version}: {} of {} checks failed:\n{}\n{}\nservers:\n{}",
        failed.len(),
        lines.len(),
        failed.join("\n"),
        String::from_utf8_lossy(&output.stderr),
        cluster.printed()
    );
    assert!(!named.is_empty() || lines.len() >= checks, "only {} checks", lines.len());
    cluster.stop();
}

fn ours(version: &str, checks: usize) {
    check(&Plan::of(Side::Ours, Side::Ours), version, &[], checks);
}

/// `without`: what 4.3.0 does not have.
fn java(version: &str, without: &[&str], checks: usize) {
    check(&Plan::of(Side::Java, Side::Java), version, without, checks);
}

/// 4.3.0 alone calls its template for topics AUTO_CREATE_TOPIC_KEY; clients of all other versions ask for this one.
fn create_template(broker: SocketAddr) {
    let fields = serde_json::json!({
        "topic": "TBW102", "defaultTopic": "TBW102", "readQueueNums": "8", "writeQueueNums": "8", "perm": "7",
        "topicFilterType": "SINGLE_TAG", "topicSysFlag": "0", "order": "false",
    });
    let answer = rpc::ask(broker, rpc::UPDATE_AND_CREATE_TOPIC, fields).expect("the broker answers");
    assert_eq!(answer.code, 0, "{}", String::from_utf8_lossy(&answer.body));
}

#[test]
fn client_4_2_0() {
    ours("4.2.0", 74);
}

#[test]
fn client_4_9_8() {
    ours("4.9.8", 96);
}

#[test]
fn client_5_4_0() {
    ours("5.4.0", 98);
}

#[test]
#[ignore = "Java beside Java, which proves the checks right; scripts/check --all runs it"]
fn java_client_4_2_0() {
    java("4.2.0", &[], 74);
}

#[test]
#[ignore = "Java beside Java, which proves the checks right; scripts/check --all runs it"]
fn java_client_4_9_8() {
    java("4.9.8", &["without=Requests"], 90);
}

/// Its lite pull consumer sends a request of its own (361).
#[test]
#[ignore = "Java beside Java, which proves the checks right; scripts/check --all runs it"]
fn java_client_5_4_0() {
    java("5.4.0", &["without=Requests", "without=LitePull"], 80);
}
