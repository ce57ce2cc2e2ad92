//! What applications on stock 4.3.0 clients see of a broker, feature by feature: the same checks against Java's, which
//! proves them right, and against ours. The checks are `interop.behaviour` in `interop-tests/java`.

use std::time::Duration;

use interop_tests::cluster::{Cluster, Plan, Side, turn};
use interop_tests::{java, process};

/// Most of it is waiting for delays, questions and the ten seconds of a reset client.
const LIMIT: Duration = Duration::from_secs(600);
/// As `Behaviour` wants it.
const SETTINGS: [(&str, &str); 4] = [
    ("enablePropertyFilter", "true"),
    ("transactionTimeOut", "2000"),
    ("transactionCheckInterval", "1000"),
    ("transactionCheckMax", "3"),
];
/// A subject that ends early must not look like one that passed.
const CHECKS_LEAST: usize = 200;

fn check(plan: &Plan) {
    let _turn = turn();
    let cluster = Cluster::start(&plan.clone().with_settings(&SETTINGS));
    let home = tempfile::tempdir().expect("a home for the JVM");
    let mut command = java::command("interop.behaviour.Behaviour", home.path());
    command.arg(cluster.namesrv_addr.to_string()).arg(cluster.broker_addr.to_string());
    // To look at a few: BEHAVIOUR="Delay Push".
    let named = std::env::var("BEHAVIOUR").unwrap_or_default();
    command.args(named.split_whitespace());
    if plan.broker == Side::Ours {
        command.arg("beyond-java");
    }
    let output = process::run("behaviour", command, None, LIMIT);
    let printed = String::from_utf8_lossy(&output.stdout);
    let lines = java::lines(&printed);
    let failed: Vec<String> =
        lines.iter().filter(|line| line["ok"] != true).map(|line| line.to_string()).collect();
    println!("{plan:?}: {} checks, {} failed", lines.len(), failed.len());
    assert!(
        output.status.success() && failed.is_empty(),
        "{} of {} checks failed:\n{}\n{}\nservers:\n{}",
        failed.len(),
        lines.len(),
        failed.join("\n"),
        String::from_utf8_lossy(&output.stderr),
        cluster.printed()
    );
    assert!(!named.is_empty() || lines.len() >= CHECKS_LEAST, "only {} checks", lines.len());
    cluster.stop();
}

#[test]
fn java() {
    check(&Plan::of(Side::Java, Side::Java));
}

#[test]
fn ours() {
    check(&Plan::of(Side::Ours, Side::Ours));
}
