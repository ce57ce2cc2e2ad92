//! `rocketmq admin` prints what stock mqadmin prints: of messages, consumer groups, offsets and statistics, asked of Java's
//! servers and of ours. Both tools ask the same cluster, one after the other, so that only what time changes is masked.

use interop_tests::cluster::{self, BROKER_NAME, CLUSTER_NAME, Cluster, Plan, Side, turn};
use interop_tests::live::{self, Helper, committed, max_offset};
use interop_tests::tools::{Comparison, How, LIMIT, ours, stock};
use interop_tests::{java, process, rpc};
use serde_json::json;

const TOPIC: &str = "AdminMessages";
/// Its consumer runs.
const ONLINE: &str = "AdminOnline";
/// Nobody is in it.
const OFFLINE: &str = "AdminOffline";
/// Messages before anything is compared.
const MESSAGES: i64 = 5;

/// A topic of one queue: Java prints several in any order.
fn prepare(cluster: &Cluster) -> Helper {
    live::create_topic(cluster, TOPIC, 1);
    let send = |arguments: &[&str]| {
        let command = [&["sendMessage", "-t", TOPIC], arguments].concat();
        let sent = ours(cluster, &command);
        assert!(sent.text.contains("SEND_OK"), "{}{:?}", sent.text, sent.failed);
    };
    send(&["-p", "first", "-c", "TagA", "-k", "key1 key2"]);
    send(&["-p", "second", "-c", "TagB", "-k", "key2"]);
    send(&["-p", "third", "-b", BROKER_NAME, "-i", "0"]);
    send(&["-p", "Grüße", "-c", "TagA"]);
    send(&["-p", "fifth", "-b", BROKER_NAME]);
    let broker = cluster.broker_addr;
    let consumer = Helper::start("Offsets", &["consume", &cluster.namesrv_addr.to_string(), ONLINE, TOPIC]);
    live::until("the consumer to have committed", || committed(broker, ONLINE, TOPIC, 0) == Some(MESSAGES));
    // The offline group has been there once.
    let update = |group: &str| {
        let fields = json!({"consumerGroup": group, "topic": TOPIC, "queueId": "0", "commitOffset": "2"});
        rpc::ask(broker, rpc::UPDATE_CONSUMER_OFFSET, fields).expect("the broker runs");
    };
    update(OFFLINE);
    live::create_topic(cluster, &format!("%RETRY%{OFFLINE}"), 1);
    consumer
}

fn unique_key(cluster: &Cluster) -> String {
    let found = ours(cluster, &["queryMsgByKey", "-t", TOPIC, "-k", "key1"]);
    let line = found.text.lines().nth(1).expect("one message has that key").to_owned();
    line.split(' ').next().expect("a line has words").to_owned()
}

fn offset_id(cluster: &Cluster) -> String {
    let found = ours(cluster, &["queryMsgByOffset", "-t", TOPIC, "-b", BROKER_NAME, "-i", "0", "-o", "0"]);
    let id = found.text.lines().find_map(|line| line.strip_prefix("OffsetID:")).expect("it has an id");
    id.trim().to_owned()
}

fn client_id(cluster: &Cluster) -> String {
    let found = ours(cluster, &["consumerStatus", "-g", ONLINE]);
    found.text.split_whitespace().nth(1).unwrap_or_else(|| panic!("{:?}", found.failed)).to_owned()
}

fn compare(plan: &Plan) {
    let _turn = turn();
    let cluster = Cluster::start(plan);
    let mut consumer = prepare(&cluster);
    let mut comparison = Comparison::of(&cluster);
    looked_up(&mut comparison);
    read(&mut comparison);
    groups(&mut comparison);
    changed(&mut comparison);
    sent(&mut comparison);
    assert!(consumer.is_running());
    let complaints = comparison.complaints;
    consumer.kill();
    assert!(complaints.is_empty(), "{}\n{}", complaints.join("\n\n"), cluster.printed());
}

fn looked_up(comparison: &mut Comparison<'_>) {
    let (key, id) = (unique_key(comparison.cluster), offset_id(comparison.cluster));
    let client = client_id(comparison.cluster);
    let (exact, sent) = (How::Exact, How::Sent);
    comparison.check(&[
        (exact, &format!("queryMsgByKey|-t|{TOPIC}|-k|key2")),
        (exact, &format!("queryMsgByKey|-t|{TOPIC}|-k|nothing")),
        (exact, "queryMsgByKey|-t|NoSuchTopic|-k|key2"),
        (exact, &format!("queryMsgByUniqueKey|-t|{TOPIC}|-i|{key}")),
        (exact, &format!("queryMsgById|-i|{id}")),
        (exact, &format!("queryMsgById|-i|{id},{id}")),
        (exact, "queryMsgById|-i|nonsense"),
        (sent, &format!("queryMsgById|-i|{id}|-g|{ONLINE}|-d|{client}")),
        (sent, &format!("queryMsgByUniqueKey|-t|{TOPIC}|-i|{key}|-g|{ONLINE}|-d|{client}")),
        (exact, &format!("queryMsgById|-i|{id}|-g|{ONLINE}|-d|nobody")),
        (exact, &format!("queryMsgByOffset|-t|{TOPIC}|-b|{BROKER_NAME}|-i|0|-o|3")),
        (exact, &format!("queryMsgByOffset|-t|{TOPIC}|-b|NoSuchBroker|-i|0|-o|3")),
    ]);
}

fn read(comparison: &mut Comparison<'_>) {
    let exact = How::Exact;
    let queue = format!("printMsgByQueue|-t|{TOPIC}|-a|{BROKER_NAME}|-i|0");
    comparison.check(&[
        (exact, &format!("printMsg|-t|{TOPIC}")),
        (exact, &format!("printMsg|-t|{TOPIC}|-d|false|-s|TagA")),
        (exact, &format!("printMsg|-t|{TOPIC}|-c|GBK|-b|2020-01-01#00:00:00:000")),
        (exact, &format!("printMsg|-t|{TOPIC}|-s|NoSuchTag")),
        (exact, &queue),
        (exact, &format!("{queue}|-p|true|-d|true|-f|true")),
        (exact, &format!("{queue}|-p|true|-s|TagA|-b|2020-01-01#00:00:00:000")),
    ]);
    let queue = format!("-b|{BROKER_NAME}|-i|0");
    for arguments in ["", &format!("|{queue}|-o|1|-c|2"), &format!("|{queue}|-o|99"), "|-c|2"] {
        // One a JVM: mqadmin starts its consumer once.
        comparison.check(&[(exact, &format!("consumeMessage|-t|{TOPIC}{arguments}"))]);
    }
}

fn groups(comparison: &mut Comparison<'_>) {
    let client = client_id(comparison.cluster);
    comparison.check(&[
        (How::Lines, "consumerProgress"),
        (How::Exact, &format!("consumerProgress|-g|{ONLINE}")),
        (How::Exact, &format!("consumerProgress|-g|{ONLINE}|-s|true")),
        (How::Exact, &format!("consumerProgress|-g|{OFFLINE}")),
        (How::Exact, "consumerProgress|-g|NoSuchGroup"),
        (How::Exact, &format!("consumerStatus|-g|{ONLINE}")),
        (How::Lines, &format!("consumerStatus|-g|{ONLINE}|-i|{client}")),
        (How::Exact, &format!("consumerStatus|-g|{OFFLINE}")),
        (How::Lines, "statsAll"),
        (How::Exact, &format!("statsAll|-t|{TOPIC}")),
    ]);
    let addr = comparison.cluster.broker_addr;
    comparison.check(&[(How::Exact, &format!("brokerConsumeStats|-b|{addr}"))]);
    if comparison.cluster.brokers[0].side == Side::Ours {
        // Java's broker answers with zeros, which ours asks on behind.
        comparison.check(&[
            (How::Exact, &format!("queryCq|-t|{TOPIC}|-q|0|-i|1|-c|2")),
            (How::Exact, &format!("queryCq|-t|{TOPIC}|-q|0|-i|1|-g|{ONLINE}|-b|{addr}")),
            (How::Exact, &format!("queryCq|-t|{TOPIC}|-q|7|-i|0")),
        ]);
    }
}

fn changed(comparison: &mut Comparison<'_>) {
    let (addr, broker) = (comparison.cluster.broker_addr, comparison.cluster.broker_addr.to_string());
    comparison.check(&[
        (How::Exact, &format!("resetOffsetByTime|-g|{ONLINE}|-t|{TOPIC}|-s|2020-01-01#00:00:00:000")),
        (How::Exact, &format!("resetOffsetByTime|-g|NoSuchGroup|-t|{TOPIC}|-s|-1")),
        (How::Exact, &format!("resetOffsetByTime|-g|{OFFLINE}|-t|NoSuchTopic|-s|-1")),
        (How::Exact, &format!("updateSubGroup|-g|AdminNew|-b|{broker}|-r|3|-q|2|-d|true|-m|true")),
        (How::Exact, &format!("updateSubGroup|-g|AdminOther|-c|{CLUSTER_NAME}")),
        (How::Exact, &format!("deleteSubGroup|-g|AdminNew|-b|{broker}")),
        (How::Exact, &format!("deleteSubGroup|-g|AdminOther|-c|{CLUSTER_NAME}")),
    ]);
    // The old way shows the offset that was, so it is put back in between.
    let reset = format!("resetOffsetByTime|-g|{OFFLINE}|-t|{TOPIC}|-s|-1");
    let words: Vec<String> = reset.split('|').map(str::to_owned).collect();
    let theirs = stock(comparison.cluster, std::slice::from_ref(&words)).remove(0);
    assert_eq!(committed(addr, OFFLINE, TOPIC, 0), Some(max_offset(addr, TOPIC, 0)));
    let fields = json!({"consumerGroup": OFFLINE, "topic": TOPIC, "queueId": "0", "commitOffset": "2"});
    rpc::ask(addr, rpc::UPDATE_CONSUMER_OFFSET, fields).expect("the broker runs");
    let ours = ours(comparison.cluster, &words.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(committed(addr, OFFLINE, TOPIC, 0), Some(max_offset(addr, TOPIC, 0)));
    assert_eq!(theirs.text, ours.text);
}

fn sent(comparison: &mut Comparison<'_>) {
    let id = offset_id(comparison.cluster);
    let sent = How::Sent;
    // One a JVM: mqadmin starts its producer once.
    comparison.check(&[
        (sent, &format!("sendMessage|-t|{TOPIC}|-p|body|-b|{BROKER_NAME}|-i|0|-c|TagC|-k|key3")),
        (sent, &format!("checkMsgSendRT|-t|{TOPIC}|-s|16|-a|3")),
        (sent, &format!("sendMsgStatus|-b|{BROKER_NAME}|-s|16|-c|2")),
        (sent, &format!("queryMsgById|-i|{id}|-s|true")),
    ]);
}

/// Every command's help, which needs no server but must be asked of a name.
#[test]
fn help_is_the_same() {
    let printed = String::from_utf8(admin(&[]).stdout).expect("ASCII");
    let names = printed.lines().filter_map(|line| line.strip_prefix("   ")?.split(' ').next());
    // That one is of 5.x.
    let commands: Vec<[&str; 2]> =
        names.filter(|name| *name != "haStatus").map(|name| ["help", name]).collect();
    assert_eq!(commands.len(), 43, "{printed}");
    let borrowed: Vec<&[&str]> = commands.iter().map(|it| &it[..]).collect();
    for (command, theirs) in commands.iter().zip(java::mqadmin(&borrowed, LIMIT)) {
        assert_eq!(String::from_utf8_lossy(&admin(command).stdout), theirs, "{command:?}");
    }
}

fn admin(arguments: &[&str]) -> std::process::Output {
    let home = tempfile::tempdir().expect("a folder to work in");
    let mut program = cluster::ours("admin", home.path());
    program.args(arguments);
    process::run("rocketmq admin", program, None, LIMIT)
}

#[test]
fn both_print_the_same_of_java() {
    compare(&Plan::of(Side::Java, Side::Java));
}

#[test]
fn both_print_the_same_of_ours() {
    compare(&Plan::of(Side::Ours, Side::Ours));
}
