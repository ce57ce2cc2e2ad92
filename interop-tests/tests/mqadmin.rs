//! Stock mqadmin against our servers prints what it prints against Java's, but for addresses, times and loads.

use std::sync::OnceLock;
use std::time::Duration;

use interop_tests::cluster::{BROKER_NAME, CLUSTER_NAME, Cluster, Plan, Side, turn};
use interop_tests::process::wait_for;
use interop_tests::{java, rpc};

const LIMIT: Duration = Duration::from_secs(60);
/// Until a change has reached the name server.
const ROUTE_LIMIT: Duration = Duration::from_secs(15);

const TOPIC: &str = "AdminTopic";
/// Topics that we create and 4.3.0 does not (docs/DIFFERENCES.md).
const OURS_ONLY: [&str; 3] = ["TBW102", "RMQ_SYS_TRACE_TOPIC", "_REPLY_TOPIC"];

/// One command and what it printed, masked.
type Printed = (String, String);

struct Session<'a> {
    cluster: &'a Cluster,
    printed: Vec<Printed>,
}

impl Session<'_> {
    /// Runs commands in one JVM; `-n` is added to each.
    fn run(&mut self, commands: &[&[&str]]) {
        let namesrv = self.cluster.namesrv_addr.to_string();
        let with_namesrv: Vec<Vec<&str>> =
            commands.iter().map(|command| [command, &["-n", namesrv.as_str()][..]].concat()).collect();
        let borrowed: Vec<&[&str]> = with_namesrv.iter().map(Vec::as_slice).collect();
        for (command, output) in commands.iter().zip(java::mqadmin(&borrowed, LIMIT)) {
            self.printed.push((self.mask(&command.join(" ")), self.mask(&output)));
        }
    }

    fn mask(&self, text: &str) -> String {
        let text = text.replace(&self.cluster.broker_addr.to_string(), "BROKER");
        let text = text.replace(&self.cluster.namesrv_addr.to_string(), "NAMESRV");
        text.lines().filter(|line| !is_hint(line)).map(mask_line).collect::<Vec<_>>().join("\n")
    }

    /// A Java broker in its first second has no statistics and answers clusterList with an exception.
    fn await_statistics(&self) {
        let look = || {
            let answer =
                rpc::ask(self.cluster.broker_addr, rpc::GET_BROKER_RUNTIME_INFO, serde_json::json!({}));
            answer.is_ok_and(|it| it.code == 0).then_some(())
        };
        assert!(wait_for(ROUTE_LIMIT, look).is_some(), "no runtime information\n{}", self.cluster.printed());
    }

    fn await_route(&self, there: bool) {
        let fields = serde_json::json!({"topic": TOPIC});
        let look = || {
            let answer = rpc::ask(self.cluster.namesrv_addr, rpc::GET_ROUTEINTO_BY_TOPIC, fields.clone());
            answer.is_ok_and(|it| (it.code == 0) == there).then_some(())
        };
        let found = wait_for(ROUTE_LIMIT, look);
        assert!(found.is_some(), "route of {TOPIC} there: not {there}\n{}", self.cluster.printed());
    }
}

/// A hint that our servers put behind a remark of Java's, on a line of its own (docs/DIFFERENCES.md).
fn is_hint(line: &str) -> bool {
    line.starts_with('(') && line.ends_with(')')
}

/// Words that are times, ids or measurements become names; columns lose their widths.
fn mask_line(line: &str) -> String {
    line.split_whitespace().map(mask_word).collect::<Vec<_>>().join(" ")
}

fn mask_word(word: &str) -> String {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    if digits == 8 && word.len() == 10 && word.contains('-') {
        "DATE".to_owned()
    } else if digits == 9 && word.contains(':') && word.contains(',') {
        "TIME".to_owned()
    } else if word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        "ID".to_owned()
    } else if word.contains('.')
        && digits > 0
        && digits + word.matches(['.', '(', ')', ',', 'm', 's', 'E', '-']).count() == word.len()
    {
        // 12.34, and 12.34(0,0ms) in clusterList.
        "MEASURED".to_owned()
    } else {
        word.to_owned()
    }
}

fn session(cluster: &Cluster) -> Vec<Printed> {
    let mut session = Session { cluster, printed: Vec::new() };
    session.await_statistics();
    session.run(&[
        &["clusterList"],
        &["clusterList", "-m"],
        &["topicList"],
        &["topicRoute", "-t", TOPIC],
        &["topicStatus", "-t", TOPIC],
        &["updateTopic", "-c", CLUSTER_NAME, "-t", TOPIC, "-r", "6", "-w", "4", "-p", "6"],
    ]);
    session.await_route(true);
    session.run(&[
        &["topicList", "-c"],
        &["topicRoute", "-t", TOPIC],
        &["topicClusterList", "-t", TOPIC],
        &["topicStatus", "-t", TOPIC],
        // One a JVM: mqadmin starts its producer once.
        &["sendMessage", "-t", TOPIC, "-p", "body", "-b", BROKER_NAME, "-i", "3", "-c", "TagA", "-k", "key"],
        &["topicStatus", "-t", TOPIC],
        &[
            "updateTopic",
            "-b",
            &cluster.broker_addr.to_string(),
            "-t",
            TOPIC,
            "-r",
            "8",
            "-w",
            "8",
            "-p",
            "4",
        ],
        &["topicStatus", "-t", TOPIC],
        &["deleteTopic", "-c", CLUSTER_NAME, "-t", TOPIC],
    ]);
    session.await_route(false);
    session.run(&[
        &["topicList"],
        &["topicRoute", "-t", TOPIC],
        &["topicStatus", "-t", TOPIC],
        &["updateTopic", "-c", "NoSuchCluster", "-t", TOPIC],
        &["deleteTopic", "-c", "NoSuchCluster", "-t", TOPIC],
        &["clusterList"],
    ]);
    session.printed
}

/// A list in any order, without what only we have.
fn list(printed: &str) -> Vec<&str> {
    let mut lines: Vec<&str> =
        printed.lines().filter(|line| !OURS_ONLY.iter().any(|ours| line.contains(ours))).collect();
    lines.sort_unstable();
    lines
}

fn compare(plan: &Plan) {
    let _turn = turn();
    static JAVA: OnceLock<Vec<Printed>> = OnceLock::new();
    let theirs = JAVA.get_or_init(|| session(&Cluster::start(&Plan::of(Side::Java, Side::Java))));
    let cluster = Cluster::start(plan);
    let ours = session(&cluster);
    let mut complaints = Vec::new();
    for ((command, theirs), (_, ours)) in theirs.iter().zip(&ours) {
        let is_list = command.starts_with("topicList") || command.starts_with("topicClusterList");
        let same = if is_list { list(theirs) == list(ours) } else { theirs == ours };
        if !same {
            complaints.push(format!("mqadmin {command}\n-- Java\n{theirs}\n-- ours\n{ours}"));
        }
    }
    assert!(complaints.is_empty(), "{}\n{}", complaints.join("\n\n"), cluster.printed());
}

/// The suite itself: two runs against Java agree.
#[test]
fn java_prints_the_same_twice() {
    compare(&Plan::of(Side::Java, Side::Java));
}

#[test]
fn ours_print_what_java_prints() {
    compare(&Plan::of(Side::Ours, Side::Ours));
}

#[test]
fn standalone_prints_what_java_prints() {
    compare(&Plan::standalone());
}

#[test]
fn masks_take_only_what_differs() {
    let check = |line: &str, expected: &str| assert_eq!(mask_line(line), expected);
    check("DefaultCluster broker-a 0 BROKER V4_3_0 29.99(0,0ms) 0.00(0,0ms) 0 498728.63 0.0628", {
        "DefaultCluster broker-a 0 BROKER V4_3_0 MEASURED MEASURED 0 MEASURED MEASURED"
    });
    check("broker-a   0    0     2    2026-11-23 09:01:21,358", "broker-a 0 0 2 DATE TIME");
    check("\t\"perm\":6,", "\"perm\":6,");
    check("7F000001000051AF000000000030C424 SEND_OK", "ID SEND_OK");
}
