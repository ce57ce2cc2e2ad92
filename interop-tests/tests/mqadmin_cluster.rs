//! `rocketmq admin` prints what stock mqadmin prints: of topics, clusters, brokers, name servers and connections, asked of
//! Java's servers and of ours.

use interop_tests::cluster::{BROKER_NAME, CLUSTER_NAME, Cluster, Plan, Side, turn};
use interop_tests::live::{self, Helper, committed};
use interop_tests::rpc;
use interop_tests::tools::{Comparison, How, ours, stock};
use serde_json::json;

/// Of one queue: Java shares several out in any order.
const TOPIC: &str = "AdminCluster";
const ORDERED: &str = "AdminOrdered";
const GROUP: &str = "AdminClusterGroup";
const NAMESPACE: &str = "AdminNamespace";
/// A group that every client is in.
const INNER_PRODUCER: &str = "CLIENT_INNER_PRODUCER";

fn prepare(cluster: &Cluster) -> Helper {
    // A Java broker in its first second has no statistics and answers clusterList with an exception.
    live::until("statistics", || {
        let answer = rpc::ask(cluster.broker_addr, rpc::GET_BROKER_RUNTIME_INFO, json!({}));
        answer.is_ok_and(|it| it.code == 0)
    });
    live::create_topic(cluster, TOPIC, 1);
    // To the broker that is asked below.
    let sent = ours(cluster, &["sendMessage", "-t", TOPIC, "-p", "body", "-b", BROKER_NAME, "-i", "0"]);
    assert!(sent.text.contains("SEND_OK"), "{}{:?}", sent.text, sent.failed);
    let consumer = Helper::start("Offsets", &["consume", &cluster.namesrv_addr.to_string(), GROUP, TOPIC]);
    live::until("the consumer to have committed", || {
        committed(cluster.broker_addr, GROUP, TOPIC, 0) == Some(1)
    });
    consumer
}

fn compare(plan: &Plan) {
    let _turn = turn();
    let cluster = Cluster::start(plan);
    let mut consumer = prepare(&cluster);
    let mut comparison = Comparison::of(&cluster);
    looked_at(&mut comparison);
    connected(&mut comparison);
    perms(&cluster);
    changed(&mut comparison);
    assert!(consumer.is_running());
    let complaints = comparison.complaints;
    consumer.kill();
    assert!(complaints.is_empty(), "{}\n{}", complaints.join("\n\n"), cluster.printed());
}

fn looked_at(comparison: &mut Comparison<'_>) {
    let broker = comparison.cluster.broker_addr.to_string();
    let (exact, lines, words) = (How::Exact, How::Lines, How::Words);
    comparison.check(&[
        (words, "clusterList"),
        (words, "clusterList|-m"),
        (lines, "topicList"),
        (lines, "topicList|-c"),
        (exact, &format!("topicRoute|-t|{TOPIC}")),
        (exact, "topicRoute|-t|NoSuchTopic"),
        (exact, &format!("topicStatus|-t|{TOPIC}")),
        (exact, "topicStatus|-t|NoSuchTopic"),
        (exact, &format!("topicClusterList|-t|{TOPIC}")),
        (exact, &format!("allocateMQ|-t|{TOPIC}|-i|10.0.0.1")),
        (How::Heads, &format!("brokerStatus|-b|{broker}")),
        (How::Heads, &format!("brokerStatus|-c|{CLUSTER_NAME}")),
        (How::Refused, "brokerStatus|-c|NoSuchCluster"),
        (lines, &format!("getBrokerConfig|-b|{broker}")),
        (lines, &format!("getBrokerConfig|-c|{CLUSTER_NAME}")),
        (lines, "getNamesrvConfig"),
    ]);
}

/// Of one broker: a client has another port at each.
fn connected(comparison: &mut Comparison<'_>) {
    let exact = How::Exact;
    comparison.check(&[
        (How::Rows, &format!("consumerConnection|-g|{GROUP}")),
        (exact, "consumerConnection|-g|NoSuchGroup"),
        (exact, &format!("producerConnection|-g|{INNER_PRODUCER}|-t|{TOPIC}")),
        (exact, &format!("producerConnection|-g|NoSuchGroup|-t|{TOPIC}")),
    ]);
}

fn changed(comparison: &mut Comparison<'_>) {
    let broker = comparison.cluster.broker_addr.to_string();
    let exact = How::Exact;
    let kv = format!("-s|{NAMESPACE}|-k|key");
    comparison.check(&[
        (
            exact,
            &format!("updateTopic|-c|{CLUSTER_NAME}|-t|{ORDERED}|-r|3|-w|2|-p|6|-o|true|-u|true|-s|true"),
        ),
        (exact, &format!("updateTopic|-b|{broker}|-t|{ORDERED}|-o|true")),
        (exact, &format!("updateTopic|-b|{broker}|-t|{ORDERED}")),
        (How::Refused, &format!("updateTopic|-t|{ORDERED}")),
        (exact, &format!("updateTopicPerm|-b|{broker}|-t|{ORDERED}|-p|6")),
        (exact, &format!("updateOrderConf|-t|{ORDERED}|-m|get")),
        (exact, &format!("updateOrderConf|-t|{ORDERED}|-m|put|-v|x:3")),
        (exact, &format!("updateOrderConf|-t|{ORDERED}|-m|put")),
        (exact, &format!("updateOrderConf|-t|{ORDERED}|-m|get")),
        (exact, &format!("updateOrderConf|-t|{ORDERED}|-m|delete")),
        (exact, &format!("updateOrderConf|-t|{ORDERED}|-m|get")),
        (How::Refused, &format!("updateOrderConf|-t|{ORDERED}|-m|nothing")),
        (exact, &format!("updateKvConfig|{kv}|-v|value")),
        (exact, &format!("deleteKvConfig|{kv}")),
        (exact, "updateNamesrvConfig|-k|orderMessageEnable|-v|true"),
        (exact, &format!("updateBrokerConfig|-b|{broker}|-k|fileReservedTime|-v|71")),
        (exact, &format!("updateBrokerConfig|-c|{CLUSTER_NAME}|-k|fileReservedTime|-v|72")),
        (How::Refused, "updateBrokerConfig|-k|fileReservedTime|-v|72"),
        (exact, &format!("cleanExpiredCQ|-b|{broker}")),
        (exact, &format!("cleanExpiredCQ|-c|{CLUSTER_NAME}")),
        (exact, "cleanExpiredCQ"),
        (exact, &format!("cleanUnusedTopic|-b|{broker}")),
        (exact, &format!("deleteTopic|-t|{ORDERED}|-c|{CLUSTER_NAME}")),
        // Stock clients that run for a second make a retry topic.
        (How::Counted, &format!("wipeWritePerm|-b|{BROKER_NAME}")),
        (exact, "wipeWritePerm|-b|NoSuchBroker"),
    ]);
}

/// Both change 6 to 4; in between it is put back.
fn perms(cluster: &Cluster) {
    let broker = cluster.broker_addr.to_string();
    for target in [["-b", broker.as_str()], ["-c", CLUSTER_NAME]] {
        let command =
            |perm: &'static str| [&["updateTopicPerm", "-t", TOPIC, "-p", perm], &target[..]].concat();
        let words: Vec<String> = command("4").into_iter().map(str::to_owned).collect();
        let theirs = stock(cluster, &[words]).remove(0);
        await_perm(cluster, 4);
        assert_eq!(ours(cluster, &command("6")).failed, None);
        await_perm(cluster, 6);
        let own = ours(cluster, &command("4"));
        await_perm(cluster, 4);
        assert_eq!((theirs.text, theirs.failed), (own.text, own.failed));
        assert_eq!(ours(cluster, &command("6")).failed, None);
        await_perm(cluster, 6);
    }
}

fn await_perm(cluster: &Cluster, perm: i64) {
    live::until("the topic's permission at the name server", || {
        let fields = json!({"topic": TOPIC});
        let answer = rpc::ask(cluster.namesrv_addr, rpc::GET_ROUTEINTO_BY_TOPIC, fields);
        answer.is_ok_and(|it| String::from_utf8_lossy(&it.body).contains(&format!("\"perm\":{perm}")))
    });
}

/// Of a cluster with another broker.
fn look_at(plan: &Plan) {
    let _turn = turn();
    let mut cluster = Cluster::start(plan);
    // A slave is started by the test.
    let slaves = cluster.brokers.iter().skip(1).filter(|broker| broker.id != 0).count();
    if slaves > 0 {
        cluster.start_at(1);
    }
    let mut consumer = prepare(&cluster);
    let mut comparison = Comparison::of(&cluster);
    looked_at(&mut comparison);
    let complaints = comparison.complaints;
    consumer.kill();
    assert!(complaints.is_empty(), "{}\n{}", complaints.join("\n\n"), cluster.printed());
}

#[test]
fn both_print_the_same_of_two_masters() {
    look_at(&Plan::of(Side::Java, Side::Java).two_brokers());
    look_at(&Plan::of(Side::Ours, Side::Ours).two_brokers());
}

#[test]
fn both_print_the_same_of_master_and_slave() {
    look_at(&Plan::of(Side::Java, Side::Java).with_slave(Side::Java));
    look_at(&Plan::of(Side::Ours, Side::Ours).with_slave(Side::Ours));
}

#[test]
fn both_print_the_same_of_java() {
    compare(&Plan::of(Side::Java, Side::Java));
}

#[test]
fn both_print_the_same_of_ours() {
    compare(&Plan::of(Side::Ours, Side::Ours));
}
