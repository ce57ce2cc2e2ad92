//! All 43 commands of mqadmin as one table: the stock tool and `rocketmq admin`, each asked of Java's servers and of ours, two
//! masters and a slave with a producer and a consumer that run. What each command prints in other cases is looked at in
//! `mqadmin_cluster`, `mqadmin_messages` and `mqadmin`. `--nocapture` shows the table.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use interop_tests::cluster::{BROKER_NAME, CLUSTER_NAME, Cluster, Plan, SLAVE, Side, turn};
use interop_tests::live::{self, Helper, committed};
use interop_tests::tools::{How, Printed, is_same, mask, mask_sent, ours, stock, without_load};

/// Of one queue: Java shares several out in any order.
const TOPIC: &str = "TableTopic";
/// Of this one the producer's messages are.
const FLOW: &str = "TableFlow";
const GROUP: &str = "TableGroup";
const MADE: &str = "TableMade";
/// Topics that we create and 4.3.0 does not (docs/DIFFERENCES.md).
const OURS_ONLY: [&str; 3] = ["TBW102", "RMQ_SYS_TRACE_TOPIC", "_REPLY_TOPIC"];

/// How what the stock tool prints of the two clusters is held against each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Across {
    /// The same but for addresses, ids, and numbers of more than a digit.
    Same,
    /// Ours has every key that Java's has.
    Keys,
    /// Not at all, and the tools need not print the same either.
    Free(&'static str),
    /// Not at all.
    No(&'static str),
}

/// What is asked: words separated by `|`.
type Asked = (How, Across, String);

/// One command's outputs on one cluster.
struct Answer {
    stock: Printed,
    ours: Printed,
}

struct Session {
    cluster: Cluster,
    answers: Vec<Answer>,
}

impl Session {
    fn start(side: Side) -> (Session, [Helper; 2]) {
        let mut cluster = Cluster::start(&Plan::of(side, side).two_brokers().with_slave(side));
        cluster.start_at(SLAVE);
        let (namesrv, broker) = (cluster.namesrv_addr.to_string(), cluster.broker_addr);
        let well = |command: &[&str]| {
            let printed = ours(&cluster, command);
            assert_eq!(printed.failed, None, "{command:?}");
        };
        let addr = broker.to_string();
        well(&["updateTopic", "-b", &addr, "-t", TOPIC, "-r", "1", "-w", "1"]);
        well(&["updateTopic", "-c", CLUSTER_NAME, "-t", FLOW]);
        live::until("the routes", || ours(&cluster, &["topicRoute", "-t", FLOW]).failed.is_none());
        live::until("the route", || ours(&cluster, &["topicRoute", "-t", TOPIC]).failed.is_none());
        for (body, more) in [("first", ["-k", "key1"]), ("second", ["-c", "TagB"])] {
            well(&[&["sendMessage", "-t", TOPIC, "-p", body], &more[..]].concat());
        }
        let producer = Helper::start("Offsets", &["send", &namesrv, FLOW, "2"]);
        let consumer = Helper::start("Offsets", &["consume", &namesrv, GROUP, TOPIC]);
        live::until("the consumer to have committed", || committed(broker, GROUP, TOPIC, 0) == Some(2));
        live::until("its retries' offsets on both masters", || {
            let progress = ours(&cluster, &["consumerProgress", "-g", GROUP]);
            progress.text.matches("%RETRY%").count() == 2
        });
        (Session { cluster, answers: Vec::new() }, [producer, consumer])
    }

    /// Stock first, all in one JVM, then ours.
    fn ask(&mut self, asked: &[Asked]) {
        let split: Vec<Vec<String>> =
            asked.iter().map(|(_, _, line)| line.split('|').map(str::to_owned).collect()).collect();
        for (command, theirs) in split.iter().zip(stock(&self.cluster, &split)) {
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            self.answers.push(Answer { stock: theirs, ours: ours(&self.cluster, &command) });
        }
    }

    /// Everything, in the same order on either cluster; how it was asked.
    fn run(&mut self) -> Vec<Asked> {
        let mut asked = Vec::new();
        for group in self.groups() {
            self.ask(&group);
            asked.extend(group);
        }
        asked
    }

    /// What the outputs of two clusters have in common.
    fn normal(&self, how: How, printed: &Printed) -> BTreeSet<String> {
        let mut text = without_load(&mask(&without_ids(&mask_sent(&printed.text))));
        if how == How::Counted {
            text.truncate(text.trim_end().trim_end_matches(|it: char| it.is_ascii_digit()).len());
        }
        for (at, broker) in self.cluster.brokers.iter().enumerate() {
            text = text.replace(&broker.addr.to_string(), &format!("BROKER{at}"));
        }
        text = text.replace(&self.cluster.namesrv_addr.to_string(), "NAMESRV");
        let has_our_topic = |line: &str| OURS_ONLY.iter().any(|ours| line.contains(ours));
        let lines = text.lines().filter(|line| !has_our_topic(line));
        lines.map(|line| line.split_whitespace().map(plain).collect::<Vec<_>>().join(" ")).collect()
    }

    fn key(&self) -> String {
        let found = ours(&self.cluster, &["queryMsgByKey", "-t", TOPIC, "-k", "key1"]);
        let line = found.text.lines().nth(1).expect("one message has that key").to_owned();
        line.split(' ').next().expect("a line has words").to_owned()
    }

    fn id(&self) -> String {
        let command = ["queryMsgByOffset", "-t", TOPIC, "-b", BROKER_NAME, "-i", "0", "-o", "0"];
        let found = ours(&self.cluster, &command);
        let id = found.text.lines().find_map(|line| line.strip_prefix("OffsetID:")).expect("it has an id");
        id.trim().to_owned()
    }

    fn groups(&self) -> Vec<Vec<Asked>> {
        use Across::{Free, Keys, No, Same};
        let broker = self.cluster.broker_addr.to_string();
        let (key, id) = (self.key(), self.id());
        let it = |how: How, across: Across, line: &str| {
            let line = line.replace("BROKER", &broker).replace("KEY", &key).replace("ID", &id);
            let line = line.replace("TOPIC", TOPIC).replace("GROUP", GROUP).replace("MADE", MADE);
            (how, across, line.replace("NAME", BROKER_NAME).replace("CLUSTER", CLUSTER_NAME))
        };
        let exact = |line: &str| it(How::Exact, Same, line);
        let sent = |line: &str| vec![it(How::Sent, Same, line)];
        let looked_at = vec![
            it(How::Words, Same, "clusterList"),
            it(How::Lines, Same, "topicList"),
            it(How::Lines, Same, "topicRoute|-t|TOPIC"),
            exact("topicStatus|-t|TOPIC"),
            it(How::Lines, Same, "topicClusterList|-t|TOPIC"),
            exact("allocateMQ|-t|TOPIC|-i|10.0.0.1"),
            it(How::Heads, Same, "brokerStatus|-b|BROKER"),
            it(How::Lines, Keys, "getBrokerConfig|-b|BROKER"),
            it(How::Lines, Keys, "getNamesrvConfig"),
            exact("brokerConsumeStats|-b|BROKER"),
            it(How::Names, No("Java counts 10 s later"), "statsAll|-t|TOPIC"),
            exact("consumerProgress|-g|GROUP"),
            exact("consumerStatus|-g|GROUP"),
            it(How::Rows, Same, "consumerConnection|-g|GROUP"),
            it(How::Rows, Same, "producerConnection|-g|CLIENT_INNER_PRODUCER|-t|TOPIC"),
            exact("queryMsgByKey|-t|TOPIC|-k|key1"),
            exact("queryMsgByUniqueKey|-t|TOPIC|-i|KEY"),
            exact("queryMsgById|-i|ID"),
            exact("queryMsgByOffset|-t|TOPIC|-b|NAME|-i|0|-o|1"),
            exact("printMsg|-t|TOPIC"),
            exact("printMsgByQueue|-t|TOPIC|-a|NAME|-i|0|-p|true"),
            it(How::Exact, Free("Java's answers zeros"), "queryCq|-t|TOPIC|-q|0|-i|0|-b|BROKER"),
        ];
        let changed = vec![
            exact("updateTopic|-b|BROKER|-t|MADE|-r|2|-w|2"),
            exact("updateTopicPerm|-b|BROKER|-t|MADE|-p|6"),
            exact("updateOrderConf|-t|MADE|-m|put|-v|x:3"),
            exact("updateOrderConf|-t|MADE|-m|get"),
            exact("updateOrderConf|-t|MADE|-m|delete"),
            exact("updateSubGroup|-g|MADE|-b|BROKER|-r|3"),
            exact("deleteSubGroup|-g|MADE|-b|BROKER"),
            exact("updateKvConfig|-s|MADE|-k|key|-v|value"),
            exact("deleteKvConfig|-s|MADE|-k|key"),
            exact("updateNamesrvConfig|-k|orderMessageEnable|-v|true"),
            exact("updateBrokerConfig|-b|BROKER|-k|fileReservedTime|-v|72"),
            exact("resetOffsetByTime|-g|GROUP|-t|TOPIC|-s|2020-01-01#00:00:00:000"),
            it(
                How::Exact,
                Free("Java's copies too much"),
                "cloneGroupOffset|-s|GROUP|-d|MADE|-t|TOPIC|-o|true",
            ),
            exact("cleanExpiredCQ|-b|BROKER"),
            exact("cleanUnusedTopic|-b|BROKER"),
            exact("deleteTopic|-t|MADE|-c|CLUSTER"),
            // Stock clients that run for a second make a retry topic.
            it(How::Counted, Same, "wipeWritePerm|-b|NAME"),
        ];
        // One a JVM: mqadmin starts its producer and its consumer once.
        vec![
            looked_at,
            vec![exact("consumeMessage|-t|TOPIC")],
            sent("sendMessage|-t|TOPIC|-p|body|-b|NAME|-i|0"),
            sent("checkMsgSendRT|-t|TOPIC|-s|16|-a|3"),
            sent("sendMsgStatus|-b|NAME|-s|16|-c|2"),
            changed,
        ]
    }
}

/// Unique keys and offset ids: long runs of hex digits.
fn without_ids(text: &str) -> String {
    const ID_CHARS: usize = 16;
    let is_hex = |char: char| char.is_ascii_digit() || matches!(char, 'A'..='F');
    let ids: BTreeSet<&str> = text.split(|char| !is_hex(char)).filter(|it| it.len() >= ID_CHARS).collect();
    ids.into_iter().fold(text.to_owned(), |text, id| text.replace(id, "ID"))
}

/// Ports, sizes and times of a cluster are its own.
fn plain(word: &str) -> String {
    let mut masked = String::new();
    let mut digits = 0;
    for char in word.chars() {
        digits = if char.is_ascii_digit() { digits + 1 } else { 0 };
        match digits {
            0 | 1 => masked.push(char),
            2 => {
                masked.pop();
                masked.push('#');
            }
            _ => {}
        }
    }
    masked
}

/// Keys of `key=value` and `key : value` lines, without the widths of their columns.
fn keys(lines: &BTreeSet<String>) -> BTreeSet<&str> {
    lines.iter().map(|line| line.split(['=', ' ']).next().unwrap_or(line)).collect()
}

#[test]
fn all_commands_in_one_table() {
    let _turn = turn();
    let (mut java, mut java_clients) = Session::start(Side::Java);
    let asked = java.run();
    java_clients.iter_mut().for_each(|it| assert!(it.is_running()));
    let (mut our, mut our_clients) = Session::start(Side::Ours);
    our.run();
    our_clients.iter_mut().for_each(|it| assert!(it.is_running()));

    let mut table = String::new();
    let mut complaints = Vec::new();
    let mut commands = BTreeSet::new();
    for ((how, across, line), (of_java, of_ours)) in asked.iter().zip(java.answers.iter().zip(&our.answers)) {
        let name = line.split('|').next().expect("a command");
        commands.insert(name.to_owned());
        let stock = [java.normal(*how, &of_java.stock), our.normal(*how, &of_ours.stock)];
        let heads =
            |lines: &BTreeSet<String>| keys(lines).into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
        let is_alike = match across {
            Across::Same if *how == How::Heads => heads(&stock[0]) == heads(&stock[1]),
            Across::Same => stock[0] == stock[1],
            Across::Keys => heads(&stock[0]).is_subset(&heads(&stock[1])),
            Across::No(_) | Across::Free(_) => true,
        };
        let on_java = is_same(*how, &of_java.stock, &of_java.ours);
        let on_ours = is_same(*how, &of_ours.stock, &of_ours.ours);
        let word = |is_same: bool| if is_same { how.name() } else { "DIFFERS" };
        let alike = match across {
            Across::No(why) | Across::Free(why) => *why,
            _ if !is_alike => "DIFFERS",
            Across::Keys => "all keys",
            Across::Same => "same",
        };
        let is_free = matches!(across, Across::Free(_));
        let are_tools_alike = is_free || on_java && on_ours;
        let java_word = if is_free && !on_java { "differs, as meant" } else { word(on_java) };
        let ours_word = if is_free && !on_ours { "differs, as meant" } else { word(on_ours) };
        writeln!(table, "{name:<20} | {alike:<28} | {java_word:<18} | {ours_word}").expect("a String");
        if !is_alike || !are_tools_alike {
            let all = [&of_java.stock, &of_java.ours, &of_ours.stock, &of_ours.ours];
            let all: Vec<String> = all
                .iter()
                .map(|it| format!("{}{}", it.text, it.failed.clone().unwrap_or_default()))
                .collect();
            let differ: Vec<_> = stock[0].symmetric_difference(&stock[1]).collect();
            complaints.push(format!("{line}: {differ:?}\n{}", all.join("\n--\n")));
        }
    }
    println!(
        "command              | stock on ours: as on Java    | ours on Java       | ours on ours\n{table}"
    );
    // These two run until they are stopped.
    assert_eq!(commands.len(), 43 - 2, "without clusterRT and startMonitoring: {commands:?}");
    assert!(complaints.is_empty(), "{table}\n{}\n{}", complaints.join("\n\n"), our.cluster.printed());
}

#[test]
fn masks_take_only_what_is_a_clusters_own() {
    let check = |word: &str, expected: &str| assert_eq!(plain(word), expected);
    check("127.0.0.1:30123", "#.0.0.1:#");
    check("21:25:16,149", "#:#:#,#");
    assert_eq!(without_ids("{UNIQ_KEY=7F00000121FD0E9CDBCB74EFD3450000, A=FF}"), "{UNIQ_KEY=ID, A=FF}");
    check("perm=6", "perm=6");
    check("queue", "queue");
}
