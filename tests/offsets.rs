//! Consumer offsets from outside: what was committed and answered survives `kill -9`; offsets cloned and compared (314,
//! 308), and what deleting groups and topics leaves of them.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rocketmq::protocol::header::offset::{
    QueryConsumerOffsetRequestHeader, QueryConsumerOffsetResponseHeader, UpdateConsumerOffsetRequestHeader,
};
use rocketmq::protocol::header::pull::PullMessageRequestHeader;
use rocketmq::protocol::request_code::RequestCode;
use rocketmq::remoting::Command;
use serde_json::{Value, json};

use self::common::broker::{Client, Fixture};
use self::common::load::{self, TOPIC};
use self::common::{Program, broker_args, call, connect, read, start_server, write};

const KILLS: usize = 20;
const CONNECTIONS: usize = 4;
const WINDOW: usize = 16;
/// Answers after which a round's broker is killed.
const ANSWERS: usize = 2000;
const QUEUES: i32 = 4;

/// Group and queue, and the highest offset that is known.
type Offsets = BTreeMap<(String, i32), i64>;

/// With snapshots as often as can be in every second round, so that some kills meet one.
fn start(home: &Path, round: usize) -> (Program, u16) {
    let interval = if round.is_multiple_of(2) { "1" } else { "5000" };
    let (program, port, line) = start_server(home, |port| {
        let mut args = broker_args(home, port);
        args.push(format!("flushConsumerOffsetInterval={interval}"));
        args
    });
    assert!(line.contains("boot success"), "{line}");
    (program, port)
}

/// A commit, by itself or with a pull.
fn commit(group: &str, queue_id: i32, offset: i64) -> Command {
    if group.starts_with("pull") {
        let header = PullMessageRequestHeader {
            consumer_group: group,
            topic: TOPIC,
            queue_id,
            queue_offset: 0,
            max_msg_nums: 1,
            // The consumer's offset and its subscription come with the request.
            sys_flag: 1 | 4,
            commit_offset: offset,
            subscription: Some("*"),
            ..PullMessageRequestHeader::default()
        };
        return Command::request(RequestCode::PullMessage, &header);
    }
    let header = UpdateConsumerOffsetRequestHeader {
        consumer_group: group.to_owned(),
        topic: TOPIC.to_owned(),
        queue_id,
        commit_offset: offset,
    };
    Command::request(RequestCode::UpdateConsumerOffset, &header)
}

/// Commits windows of ever higher offsets until the broker is gone; gives those that were answered.
fn load_until_killed(port: u16, group: &str, from: i64, answers: &AtomicUsize) -> Offsets {
    let mut answered = Offsets::new();
    let mut stream = connect(port);
    for first in (from..).step_by(WINDOW) {
        let of = |number: i64| ((number % i64::from(QUEUES)) as i32, number);
        let window: Vec<_> = (first..first + WINDOW as i64).map(of).collect();
        let commands: Vec<_> =
            window.iter().map(|(queue_id, offset)| commit(group, *queue_id, *offset)).collect();
        if write(&mut stream, &commands).is_err() {
            break;
        }
        for (queue_id, offset) in window {
            let Ok(answer) = read(&mut stream) else { return answered };
            // A pull right behind the sends may be sooner than their entries.
            assert!([0, 19].contains(&answer.code), "{} {:?}", answer.code, answer.remark);
            answered.insert((group.to_owned(), queue_id), offset);
            answers.fetch_add(1, Ordering::Relaxed);
        }
    }
    answered
}

fn query(stream: &mut TcpStream, group: &str, queue_id: i32) -> i64 {
    let header = QueryConsumerOffsetRequestHeader {
        consumer_group: group.to_owned(),
        topic: TOPIC.to_owned(),
        queue_id,
    };
    let answer = call(stream, Command::request(RequestCode::QueryConsumerOffset, &header));
    assert_eq!(answer.code, 0, "{:?}", answer.remark);
    answer.header::<QueryConsumerOffsetResponseHeader>().unwrap().offset
}

#[test]
fn no_answered_commit_falls_back_by_a_kill() {
    let home = tempfile::tempdir().unwrap();
    let (mut program, mut port) = start(home.path(), 0);
    let mut next = 0;
    let refused = load::send_window(&mut connect(port), &mut next, &mut load::Acknowledged::new()).unwrap();
    assert!(refused.is_empty());
    let groups: Vec<String> =
        (0..CONNECTIONS).map(|number| format!("{}{number}", ["plain", "pull"][number % 2])).collect();
    let mut known = Offsets::new();
    for round in 0..KILLS {
        let from = known.values().max().map_or(1, |highest| highest + 1000);
        let answers = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let answers = &answers;
            let load = |group| scope.spawn(move || load_until_killed(port, group, from, answers));
            let loads: Vec<_> = groups.iter().map(String::as_str).map(load).collect();
            let deadline = Instant::now() + Duration::from_secs(60);
            while answers.load(Ordering::Relaxed) < ANSWERS {
                assert!(Instant::now() < deadline, "too slow: {answers:?} answers");
                std::thread::yield_now();
            }
            program.kill();
            loads.into_iter().for_each(|load| known.extend(load.join().unwrap()));
        });
        (program, port) = start(home.path(), round + 1);
        let mut stream = connect(port);
        for ((group, queue_id), offset) in &mut known {
            let found = query(&mut stream, group, *queue_id);
            // What was not answered may have been taken, too: one window of it.
            let expected = *offset..=*offset + 2 * WINDOW as i64;
            assert!(
                expected.contains(&found),
                "round {round}, {group} {queue_id}: {found}, not {expected:?}"
            );
            *offset = found;
        }
    }
    assert_eq!(known.len(), CONNECTIONS * QUEUES as usize);
    assert_eq!(program.stop().code, Some(0));
    let names = std::fs::read_dir(home.path().join("store/config")).unwrap();
    let left = names.filter(|name| name.as_ref().unwrap().file_name().to_string_lossy().contains("journal"));
    assert_eq!(left.count(), 0, "a clean stop leaves Java's files alone");
}

fn commit_to(client: &mut Client, group: &str, topic: &str, queue_id: &str, offset: &str) {
    let fields =
        [("consumerGroup", group), ("topic", topic), ("queueId", queue_id), ("commitOffset", offset)];
    client.json(RequestCode::UpdateConsumerOffset, &fields, &Value::Null);
}

fn all(client: &mut Client) -> Value {
    client.json(RequestCode::GetAllConsumerOffset, &[], &Value::Null)["offsetTable"].clone()
}

#[test]
fn a_group_gets_anothers_offsets() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    for topic in ["T", "U"] {
        client.create_topic(topic, "2");
        commit_to(&mut client, "g", topic, "0", "3");
    }
    commit_to(&mut client, "g", "Gone", "0", "3");
    let mut check = |dest: &str, more: &[(&str, &str)], expected: &[&str]| {
        let mut fields = vec![("srcGroup", "g"), ("destGroup", dest)];
        fields.extend(more);
        assert_eq!(client.outcome(RequestCode::CloneGroupOffset, &fields, ""), (0, String::new()));
        let all = all(&mut client);
        let suffix = format!("@{dest}");
        let found = all.as_object().unwrap().iter().filter(|(key, _)| key.ends_with(&suffix));
        let found: Vec<_> = found.map(|(key, queues)| (key.trim_end_matches(&suffix), queues)).collect();
        let expected: Vec<_> = expected.iter().map(|topic| (*topic, json!({"0": 3}))).collect();
        assert_eq!(found, expected.iter().map(|(topic, queues)| (*topic, queues)).collect::<Vec<_>>());
    };
    check("a", &[("topic", "T"), ("offline", "false")], &["T"]);
    // Java clones nothing then.
    check("b", &[("topic", " "), ("offline", "false")], &["T", "U"]);
    check("c", &[("offline", "true")], &["T", "U"]);
    check("d", &[("topic", "Gone"), ("offline", "true")], &[]);
    check("e", &[("topic", "None"), ("offline", "false")], &[]);
    let mut member = fixture.connect();
    member.heart_beat("m", "g", &["U"]);
    check("f", &[("offline", "false")], &["U"]);
    check("h", &[("offline", "true")], &["T", "U"]);
}

#[test]
fn the_slowest_group_is_found() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    client.create_topic("T", "3");
    for (group, queue_id, offset) in
        [("a", "0", "5"), ("b", "0", "7"), ("c", "0", "9"), ("a", "1", "8"), ("b", "1", "6"), ("c", "2", "1")]
    {
        commit_to(&mut client, group, "T", queue_id, offset);
    }
    commit_to(&mut client, "a", "U", "0", "1");
    let before = all(&mut client);
    let max = i64::MAX;
    let mut check = |filtered: &[(&str, &str)], compared: &str, expected: Value| {
        let mut fields = vec![("compareGroup", compared), ("topic", "T")];
        fields.extend(filtered);
        let body = client.json(RequestCode::QueryCorrectionOffset, &fields, &Value::Null);
        assert_eq!(body, json!({ "correctionOffsets": expected }));
    };
    check(&[], "none", json!({"0": 5, "1": 6, "2": 1}));
    check(&[("filterGroups", "a")], "none", json!({"0": 7, "1": 6, "2": 1}));
    check(&[("filterGroups", "a,c")], "none", json!({"0": 7, "1": 6}));
    // Slower than all that count.
    check(&[("filterGroups", "a")], "a", json!({"0": max, "1": 6, "2": 1}));
    check(&[("filterGroups", "a,b,c")], "a", json!({}));
    assert_eq!(all(&mut client), before, "Java forgets the offsets of groups that are filtered");
}

#[test]
fn what_no_queue_has_any_more_is_no_correction() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    client.create_topic("T", "1");
    commit_to(&mut client, "a", "T", "0", "-7");
    commit_to(&mut client, "b", "T", "0", "4");
    let fields = [("compareGroup", "none"), ("topic", "T")];
    let body = client.json(RequestCode::QueryCorrectionOffset, &fields, &Value::Null);
    assert_eq!(body, json!({"correctionOffsets": {"0": 4}}));
}

/// A group that is deleted keeps its offsets as in 4.3.0, unless they are to go (4.9); a deleted topic's go, lest a topic
/// made again be skipped or show a negative lag. All of that also after a restart.
#[test]
fn issues_2748_4774_deleted_is_deleted() {
    let mut fixture = Fixture::new();
    let mut client = fixture.connect();
    for group in ["g", "h"] {
        client.json(RequestCode::UpdateAndCreateSubscriptiongroup, &[], &json!({ "groupName": group }));
        for topic in ["T", "U"] {
            client.create_topic(topic, "1");
            commit_to(&mut client, group, topic, "0", "3");
        }
    }
    let three = json!({"0": 3});
    let deleted = [("groupName", "g")];
    assert_eq!(client.outcome(RequestCode::DeleteSubscriptiongroup, &deleted, "").0, 0);
    assert_eq!(all(&mut client), json!({"T@g": three, "T@h": three, "U@g": three, "U@h": three}));
    let deleted = [("groupName", "g"), ("cleanOffset", "true")];
    assert_eq!(client.outcome(RequestCode::DeleteSubscriptiongroup, &deleted, "").0, 0);
    assert_eq!(all(&mut client), json!({"T@h": three, "U@h": three}));
    fixture.put("T", 0, "a");
    assert_eq!(client.outcome(RequestCode::DeleteTopicInBroker, &[("topic", "T")], "").0, 0);
    assert_eq!(all(&mut client), json!({"U@h": three}));
    drop(client);
    fixture.stop();
    fixture.start();
    let mut client = fixture.connect();
    assert_eq!(all(&mut client), json!({"U@h": three}));
    client.create_topic("T", "1");
    fixture.put("T", 0, "b");
    let fields = [("consumerGroup", "h"), ("topic", "T"), ("queueId", "0")];
    let offset = client.call(RequestCode::QueryConsumerOffset, &fields, "");
    assert_eq!((offset.code, offset.ext_field("offset")), (0, Some("0")), "from its beginning");
}

/// Nothing that only asks makes a queue, an offset or a folder.
#[test]
fn issues_8660_9792_asking_for_what_is_unknown_makes_nothing() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    client.create_topic("T", "2");
    let broker = fixture.running().broker();
    for topic in ["T", "Unknown", "../x"] {
        for queue_id in ["0", "1", "77", "-1"] {
            let fields = [
                ("topic", topic),
                ("queueId", queue_id),
                ("consumerGroup", "g"),
                ("group", "g"),
                ("timestamp", "0"),
                ("queueOffset", "0"),
                ("maxMsgNums", "1"),
                ("sysFlag", "4"),
                ("commitOffset", "0"),
                ("suspendTimeoutMillis", "0"),
                ("subscription", "*"),
                ("subVersion", "0"),
                ("compareGroup", "g"),
            ];
            for code in [
                RequestCode::GetMaxOffset,
                RequestCode::GetMinOffset,
                RequestCode::GetEarliestMsgStoretime,
                RequestCode::SearchOffsetByTimestamp,
                RequestCode::QueryConsumerOffset,
                RequestCode::PullMessage,
                RequestCode::GetTopicStatsInfo,
                RequestCode::QueryCorrectionOffset,
                RequestCode::InvokeBrokerToResetOffset,
            ] {
                client.call(code, &fields, "");
            }
        }
    }
    assert_eq!(all(&mut client), json!({}));
    let made = std::fs::read_dir(fixture.folder.path().join("store/consumequeue"));
    assert_eq!(made.map_or(0, |entries| entries.count()), 0);
    // Nor in memory: it would be taken away now.
    assert_eq!(broker.store.clean_unused_topics(|_| false).queues.len(), 0);
    fixture.put("Unknown", 0, "one that is there");
    assert_eq!(broker.store.clean_unused_topics(|_| false).queues.len(), 1);
}
