//! `rocketmq admin` prints what stock mqadmin prints: of messages, consumer groups, offsets and statistics, asked of Java's
//! servers and of ours. Both tools ask the same cluster, one after the other, so that only what time changes is masked.

use std::time::Duration;

use interop_tests::cluster::{self, BROKER_NAME, CLUSTER_NAME, Cluster, Plan, Side, turn};
use interop_tests::live::{self, Helper, committed, max_offset};
use interop_tests::{java, process, rpc};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);
const TOPIC: &str = "AdminMessages";
/// Its consumer runs.
const ONLINE: &str = "AdminOnline";
/// Nobody is in it.
const OFFLINE: &str = "AdminOffline";
/// Messages before anything is compared.
const MESSAGES: i64 = 5;

/// What one of the tools printed on standard output, and whether it ended well; Java's always does.
struct Printed {
    text: String,
    failed: Option<String>,
}

fn ours(cluster: &Cluster, command: &[&str]) -> Printed {
    let home = tempfile::tempdir().expect("a folder to work in");
    let mut program = cluster::ours("admin", home.path());
    program.args(command).args(["-n", &cluster.namesrv_addr.to_string()]).current_dir(home.path());
    let output = process::run("rocketmq admin", program, None, LIMIT);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let failed = (!output.status.success()).then(|| text(&output.stderr));
    Printed { text: text(&output.stdout), failed }
}

fn stock(cluster: &Cluster, commands: &[Vec<String>]) -> Vec<Printed> {
    let namesrv = cluster.namesrv_addr.to_string();
    let commands: Vec<Vec<&str>> = commands
        .iter()
        .map(|it| it.iter().map(String::as_str).chain(["-n", namesrv.as_str()]).collect())
        .collect();
    let commands: Vec<&[&str]> = commands.iter().map(Vec::as_slice).collect();
    java::mqadmin(&commands, LIMIT).iter().map(|output| without_exception(output)).collect()
}

/// Standard output alone: an exception's trace begins with its class and goes to the end, or to the next output.
fn without_exception(output: &str) -> Printed {
    let is_trace = |line: &&str| {
        line.starts_with("\tat ")
            || line.starts_with("\t... ")
            || line.starts_with("Caused by: ")
            || line.starts_with("org.apache.rocketmq.")
            || line.starts_with("java.lang.")
            || line.starts_with("See http")
            || line.starts_with("For more information")
            // A hint of our name server (docs/DIFFERENCES.md).
            || (line.starts_with('(') && line.ends_with(")\n"))
    };
    let (trace, text): (Vec<&str>, Vec<&str>) = output.split_inclusive('\n').partition(is_trace);
    let failed = (!trace.is_empty()).then(|| trace.concat());
    Printed { text: text.concat(), failed }
}

/// What time changes: instants, durations, rates.
fn mask(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        masked.push_str(&rest[..at]);
        let is_part = |c: char| c.is_ascii_digit() || c == '.';
        let end = rest[at..].find(|c| !is_part(c)).map_or(rest.len(), |length| at + length);
        let number = &rest[at..end];
        let is_instant = number.len() >= 13 && number.bytes().all(|it| it.is_ascii_digit());
        let is_rate = number.bytes().filter(|it| *it == b'.').count() == 1 && !number.ends_with('.');
        masked.push_str(match () {
            () if is_instant => "INSTANT",
            () if is_rate => "RATE",
            () => number,
        });
        rest = &rest[end..];
    }
    masked.push_str(rest);
    masked
}

/// Words after which a number is a matter of time, or of how often something was sent.
const COUNTERS: [&str; 5] = ["rt:", "spentTimeMills=", "queueOffset=", "offsetMsgId=", "msgId="];

fn mask_sent(text: &str) -> String {
    let mut text = text.to_owned();
    for word in COUNTERS {
        let pieces: Vec<&str> = text.split(word).collect();
        let without = |piece: &&str| piece.trim_start_matches(|c: char| c.is_ascii_alphanumeric()).to_owned();
        let rest: Vec<String> = pieces[1..].iter().map(without).collect();
        text = [vec![pieces[0].to_owned()], rest].concat().join(word);
    }
    // Columns of sendMessage and checkMsgSendRT.
    let is_id = |word: &str| word.len() == 32 && word.bytes().all(|it| it.is_ascii_hexdigit());
    let mask_row = |line: &str| {
        let Some((row, last)) = line.rsplit_once(' ') else { return line.to_owned() };
        let is_masked = row.contains("SEND_OK") || row.contains(" true ") || is_id(last);
        if is_masked { format!("{} LAST", row.trim_end()) } else { line.to_owned() }
    };
    text.lines().map(mask_row).collect::<Vec<_>>().join("\n")
}

/// How two outputs are held against each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// To the byte, but for time.
    Exact,
    /// Lines in any order: Java prints a hash table's.
    Lines,
    /// Also what was sent, and where to.
    Sent,
}

fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

struct Comparison<'a> {
    cluster: &'a Cluster,
    complaints: Vec<String>,
}

impl Comparison<'_> {
    /// Java first, all in one JVM, then ours.
    fn check(&mut self, commands: &[(How, &str)]) {
        let words = |line: &str| line.split('|').map(str::to_owned).collect::<Vec<String>>();
        let split: Vec<Vec<String>> = commands.iter().map(|(_, line)| words(line)).collect();
        let theirs = stock(self.cluster, &split);
        for ((how, line), (command, theirs)) in commands.iter().zip(split.iter().zip(theirs)) {
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            let ours = ours(self.cluster, &command);
            if !is_same(*how, &theirs, &ours) {
                let why = |printed: &Printed| printed.failed.clone().unwrap_or_default();
                self.complaints.push(format!(
                    "{line}\n-- stock\n{}{}\n-- ours\n{}{}",
                    theirs.text,
                    why(&theirs),
                    ours.text,
                    why(&ours)
                ));
            }
        }
    }
}

fn is_same(how: How, theirs: &Printed, ours: &Printed) -> bool {
    let masked = |printed: &Printed| match how {
        How::Sent => mask(&mask_sent(&printed.text)),
        _ => mask(&printed.text),
    };
    let (their_text, our_text) = (masked(theirs), masked(ours));
    let is_text_same = match how {
        How::Lines => lines(&their_text) == lines(&our_text),
        _ => their_text == our_text,
    };
    // Where Java throws, ours says why with the same code and the same words, and ends with 1.
    let is_failure_same = match (&theirs.failed, &ours.failed) {
        (None, None) => true,
        (Some(theirs), Some(ours)) => {
            let told = theirs.lines().filter_map(|line| line.split_once("CODE: ")).next_back();
            told.is_none_or(|(_, told)| ours.contains(&format!("CODE: {}", told.trim_end())))
        }
        _ => false,
    };
    is_text_same && is_failure_same
}

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
    let mut comparison = Comparison { cluster: &cluster, complaints: Vec::new() };
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
    if comparison.cluster.brokers[0].side == Side::Java {
        // Ours does not answer it (317).
        let addr = comparison.cluster.broker_addr;
        comparison.check(&[(How::Exact, &format!("brokerConsumeStats|-b|{addr}"))]);
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
    let commands: Vec<[&str; 2]> = names.map(|name| ["help", name]).collect();
    assert!(commands.len() > 20, "{printed}");
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

#[test]
fn masks_take_only_what_time_changes() {
    let check = |text: &str, expected: &str| assert_eq!(mask(text), expected);
    check("timestamp(long)[1795453080000], 127.0.0.1:10911", "timestamp(long)[INSTANT], 127.0.0.1:10911");
    check("Consume TPS: 0.25", "Consume TPS: RATE");
    check("queueId=3, 12 x", "queueId=3, 12 x");
    let check = |text: &str, expected: &str| assert_eq!(mask_sent(text), expected);
    check("rt:12ms, spentTimeMills=3] x", "rt:, spentTimeMills=] x");
    check("broker-a  0  SEND_OK   7F00000121FD0E9CDBCB74EFD3450000", "broker-a  0  SEND_OK LAST");
    check("broker-a  0  plain 5", "broker-a  0  plain 5");
}
