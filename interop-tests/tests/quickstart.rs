//! The official quickstart on the stock client (`compat/quickstart`) against every kind of cluster: each message
//! sent comes back once.

use std::process::Command;
use std::time::Duration;

use interop_tests::cluster::{Cluster, Plan, Side, turn};
use interop_tests::process::run;
use interop_tests::rpc;

/// Four modes and two header forms take about half a minute.
const LIMIT: Duration = Duration::from_secs(600);

/// Runs all modes with the client's headers in this form.
fn quickstart(cluster: &Cluster, serialize_type: &str) {
    let mut command = Command::new(interop_tests::root().join("compat/quickstart/run.sh"));
    command.arg(cluster.namesrv_addr.to_string());
    command.env("JAVA_OPTS", format!("-Drocketmq.serialize.type={serialize_type}"));
    // A topic of its own: older messages would only be read again.
    command.env("CHECK_ARGS", format!("-t Quickstart{serialize_type}"));
    let output = run("quickstart", command, None, LIMIT);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && printed.matches("PASS").count() == 4,
        "{printed}\n{}\nservers:\n{}",
        String::from_utf8_lossy(&output.stderr),
        cluster.printed()
    );
}

fn check(plan: &Plan) {
    let _turn = turn();
    let cluster = Cluster::start(plan);
    for (addr, code) in [
        (cluster.namesrv_addr, rpc::GET_BROKER_CLUSTER_INFO),
        (cluster.broker_addr, rpc::GET_BROKER_RUNTIME_INFO),
    ] {
        let answer = rpc::ask(addr, code, serde_json::json!({})).expect("it runs");
        assert_eq!(answer.is_binary, plan.rocketmq_headers, "header form of {addr}'s answers");
    }
    quickstart(&cluster, "JSON");
    quickstart(&cluster, "ROCKETMQ");
    cluster.stop();
}

/// The suite itself: what stock servers do not pass proves nothing about ours.
#[test]
fn java_alone() {
    check(&Plan::of(Side::Java, Side::Java));
}

#[test]
fn our_name_server_and_broker() {
    check(&Plan::of(Side::Ours, Side::Ours));
}

#[test]
fn our_servers_with_binary_headers() {
    check(&Plan::of(Side::Ours, Side::Ours).with_rocketmq_headers());
}

#[test]
fn ours_in_one_process() {
    check(&Plan::standalone());
}

#[test]
fn java_broker_on_our_name_server() {
    check(&Plan::of(Side::Ours, Side::Java));
}

#[test]
fn our_broker_on_java_name_server() {
    check(&Plan::of(Side::Java, Side::Ours));
}
