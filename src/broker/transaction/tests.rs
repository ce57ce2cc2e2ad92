//! Transactions end once, as their producers say, whatever is killed when.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::clock::manual;
use crate::config::store::MessageStoreConfig;
use crate::store::OpenOptions;

const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 10_911);
const RULES: Rules = Rules { timeout_ms: 3000, check_max: 2, reserved_ms: 3_600_000 };
const START_MS: i64 = 1_000_000;

struct Bench {
    root: tempfile::TempDir,
    hand: Arc<AtomicI64>,
    store: Arc<MessageStore>,
    offsets: ConsumerOffsets,
    transactions: Transactions,
}

/// A half message as its producer knows it.
#[derive(Debug, Clone, Copy)]
struct Half {
    queue_offset: i64,
    commit_log_offset: i64,
}

fn open(root: &Path, hand: &Arc<AtomicI64>) -> Arc<MessageStore> {
    let config = MessageStoreConfig {
        store_path_root_dir: root.to_str().unwrap().to_owned(),
        store_path_commit_log: root.join("commitlog").to_str().unwrap().to_owned(),
        maped_file_size_commit_log: 65_536,
        ..MessageStoreConfig::default()
    };
    let shown = Arc::clone(hand);
    let clock = crate::clock::Clock::of(move || shown.load(Ordering::Relaxed));
    MessageStore::open(config, OpenOptions { clock, ..OpenOptions::default() }).unwrap()
}

impl Bench {
    fn new() -> Bench {
        let root = tempfile::tempdir().unwrap();
        let (_, hand) = manual(START_MS);
        let store = open(root.path(), &hand);
        let offsets = ConsumerOffsets::open(root.path().join("config/consumerOffset.json"), || ()).unwrap();
        Bench { root, hand, store, offsets, transactions: Transactions::default() }
    }

    /// The process is killed and another one started. Offsets are lost that were not persisted.
    fn restart(&mut self) {
        self.store.abandon();
        let away = Arc::new(AtomicI64::new(0));
        let elsewhere = tempfile::tempdir().unwrap();
        // The lock file is the old store's until it is dropped.
        self.store = open(elsewhere.path(), &away);
        self.store = open(self.root.path(), &self.hand);
        self.offsets =
            ConsumerOffsets::open(self.root.path().join("config/consumerOffset.json"), || ()).unwrap();
        self.transactions = Transactions::default();
    }

    fn prepare(&self, body: &str, more: &str) -> Half {
        let message = NewMessage {
            topic: "T",
            queue_id: 2,
            flag: 5,
            sys_flag: 1 | message::SYS_FLAG_TRANSACTION_PREPARED,
            born_timestamp_ms: self.hand.load(Ordering::Relaxed),
            born_host: HOST,
            store_host: HOST,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: body.as_bytes(),
            properties: &format!("TRAN_MSG\u{1}true\u{2}PGROUP\u{1}p\u{2}UNIQ_KEY\u{1}{body}\u{2}{more}"),
        };
        let result = Transactions::prepare(&self.store, &message);
        assert_eq!(result.status, PutStatus::PutOk);
        self.store.dispatch_all();
        Half { queue_offset: result.queue_offset, commit_log_offset: result.commit_log_offset }
    }

    fn end(&self, half: Half, decision: Decision) -> Result<(), EndError> {
        self.end_as("p", half, decision)
    }

    fn end_as(&self, producer_group: &str, half: Half, decision: Decision) -> Result<(), EndError> {
        let Half { queue_offset, commit_log_offset } = half;
        let named = Named { producer_group, queue_offset, commit_log_offset };
        self.transactions.end(&self.store, &self.offsets, HOST, named, decision)
    }

    fn check(&self) -> Vec<Half> {
        self.check_with(RULES).questions.iter().map(half_of).collect()
    }

    fn check_with(&self, rules: Rules) -> Round {
        let now_ms = || self.hand.load(Ordering::Relaxed);
        self.transactions.check(&self.store, &self.offsets, HOST, rules, now_ms)
    }

    fn later(&self, ms: i64) {
        self.hand.fetch_add(ms, Ordering::Relaxed);
    }

    /// What consumers of a topic's queue see.
    fn bodies(&self, topic: &str, queue_id: i32) -> Vec<String> {
        let body = |offset| {
            let unit = self.store.unit(topic, queue_id, offset).unwrap();
            let record = self.store.message_at(unit.commit_log_offset).unwrap();
            String::from_utf8(MessageRef::take(&mut &record[..]).unwrap().body.to_vec()).unwrap()
        };
        (0..self.store.max_offset(topic, queue_id)).map(body).collect()
    }

    fn committed(&self) -> Vec<String> {
        self.bodies("T", 2)
    }

    /// How far the half and the op queue are settled.
    fn settled(&self) -> (Option<i64>, Option<i64>) {
        let of = |topic| self.offsets.query(CID_SYS_RMQ_TRANS, topic, QUEUE_ID);
        (of(HALF_TOPIC), of(OP_TOPIC))
    }
}

fn half_of(question: &Question) -> Half {
    Half { queue_offset: question.queue_offset, commit_log_offset: question.commit_log_offset }
}

#[test]
fn a_message_ends_as_its_producer_says() {
    let bench = Bench::new();
    let (a, b, c) = (bench.prepare("a", ""), bench.prepare("b", ""), bench.prepare("c", ""));
    assert!(bench.committed().is_empty());
    bench.end(b, Decision::Rollback).unwrap();
    assert_eq!(bench.settled(), (None, None), "the first one is open");
    bench.end(a, Decision::Commit).unwrap();
    bench.end(c, Decision::Commit).unwrap();
    assert_eq!(bench.committed(), ["a", "c"]);
    assert_eq!(bench.settled(), (Some(3), Some(3)));
    assert_eq!(bench.bodies(OP_TOPIC, 0), ["1", "0", "2"]);
    let unit = bench.store.unit("T", 2, 0).unwrap();
    let record = bench.store.message_at(unit.commit_log_offset).unwrap();
    let message = MessageRef::take(&mut &record[..]).unwrap();
    assert_eq!((message.flag, message.sys_flag), (5, 1 | message::SYS_FLAG_TRANSACTION_COMMIT));
    assert_eq!(message.prepared_transaction_offset, a.commit_log_offset);
    assert_eq!(message.property(message::PROPERTY_REAL_TOPIC), Some("T"));
    bench.later(60_000);
    assert!(bench.check().is_empty());
}

#[test]
fn what_cannot_be_ended_is_refused() {
    let bench = Bench::new();
    let half = bench.prepare("a", "");
    let check = |group: &str, half: Half, expected: EndError| {
        for decision in [Decision::Commit, Decision::Rollback] {
            assert_eq!(bench.end_as(group, half, decision), Err(expected));
        }
    };
    check("q", half, EndError::Group);
    check("p", Half { queue_offset: 1, ..half }, EndError::QueueOffset);
    for commit_log_offset in [-1, 1, 1_000_000] {
        check("p", Half { commit_log_offset, ..half }, EndError::NoHalfMessage);
    }
    bench.end(half, Decision::Commit).unwrap();
    check("p", half, EndError::Ended);
    let unit = bench.store.unit("T", 2, 0).unwrap();
    check("p", Half { queue_offset: 0, commit_log_offset: unit.commit_log_offset }, EndError::NoHalfMessage);
    assert_eq!(bench.committed(), ["a"]);
}

#[test]
fn issues_500_598_silent_producers_are_asked_and_then_given_up_where_it_can_be_found() {
    let bench = Bench::new();
    bench.prepare("a", "");
    assert!(bench.check().is_empty(), "too young");
    bench.later(3000);
    let young = bench.prepare("b", "");
    bench.later(1);
    let round = bench.check_with(RULES);
    let [question] = &round.questions[..] else { panic!("{round:?}") };
    assert_eq!((&*question.producer_group, question.unique_key.as_deref()), ("p", Some("a")));
    let asked = MessageRef::take(&mut &question.record[..]).unwrap();
    assert_eq!((&*asked.topic, asked.queue_id, asked.body, asked.sys_flag), ("T", 2, &b"a"[..], 1));
    assert_eq!((asked.queue_offset, asked.commit_log_offset), (2, question.commit_log_offset));
    assert!(asked.is_body_intact());
    bench.end(young, Decision::Commit).unwrap();
    for _ in 0..2 {
        bench.later(60_000);
        bench.check();
    }
    assert_eq!(bench.bodies(CHECK_MAX_TIME_TOPIC, 0), ["a"]);
    assert_eq!(bench.committed(), ["b"]);
    bench.later(60_000);
    assert!(bench.check().is_empty());
    assert_eq!(bench.settled().0, Some(bench.store.max_offset(HALF_TOPIC, 0)));
    assert_eq!(bench.end(half_of(question), Decision::Commit), Err(EndError::Ended));
}

#[test]
fn issue_1517_a_late_answer_and_an_answer_to_a_question_count_once() {
    let bench = Bench::new();
    let half = bench.prepare("a", "");
    bench.later(4000);
    let asked = bench.check()[0];
    bench.later(60_000);
    let asked_again = bench.check()[0];
    assert_ne!(asked.queue_offset, asked_again.queue_offset);
    bench.end(half, Decision::Commit).unwrap();
    for half in [half, asked, asked_again] {
        assert_eq!(bench.end(half, Decision::Commit), Err(EndError::Ended));
    }
    bench.later(60_000);
    assert!(bench.check().is_empty());
    assert_eq!(bench.committed(), ["a"]);
    assert_eq!(bench.settled(), (Some(3), Some(1)));
}

#[test]
fn immunity_is_respected_and_does_not_hold_up_others() {
    let bench = Bench::new();
    let immune = bench.prepare("a", "CHECK_IMMUNITY_TIME_IN_SECONDS\u{1}100\u{2}");
    bench.prepare("b", "");
    for _ in 0..3 {
        bench.later(20_000);
        let asked: Vec<_> = bench
            .check_with(Rules { check_max: 9, ..RULES })
            .questions
            .into_iter()
            .map(|it| it.unique_key)
            .collect();
        assert_eq!(asked, [Some("b".to_owned())]);
    }
    bench.later(50_000);
    let asked = bench.check_with(RULES);
    assert_eq!(asked.questions.len(), 1, "never asked before: {asked:?}");
    assert_eq!(asked.given_up, 1);
    bench.end(immune, Decision::Commit).unwrap();
    assert_eq!(bench.committed(), ["a"]);
}

#[test]
fn a_kill_changes_nothing() {
    let mut bench = Bench::new();
    let (a, b, c) = (bench.prepare("a", ""), bench.prepare("b", ""), bench.prepare("c", ""));
    bench.end(b, Decision::Commit).unwrap();
    bench.later(4000);
    assert_eq!(bench.check().len(), 2);
    bench.restart();
    assert_eq!(bench.end(b, Decision::Commit), Err(EndError::Ended));
    bench.end(a, Decision::Commit).unwrap();
    bench.restart();
    bench.later(60_000);
    let asked = bench.check();
    assert_eq!(asked.len(), 1);
    bench.end(asked[0], Decision::Rollback).unwrap();
    bench.restart();
    assert_eq!(bench.end(c, Decision::Commit), Err(EndError::Ended));
    bench.later(60_000);
    assert!(bench.check().is_empty());
    assert_eq!(bench.committed(), ["b", "a"]);
}

/// 5d3560dc5c: the process was killed when the committed message was stored and its op message was not.
#[test]
fn a_commit_that_was_cut_short_is_not_repeated() {
    let mut bench = Bench::new();
    let half = bench.prepare("a", "");
    let record = bench.store.message_at(half.commit_log_offset).unwrap();
    commit(&bench.store, &half_message(&record).unwrap()).unwrap();
    drop(record);
    bench.restart();
    assert_eq!(bench.end(half, Decision::Commit), Err(EndError::Ended));
    bench.later(60_000);
    assert!(bench.check().is_empty());
    assert_eq!(bench.committed(), ["a"]);
    assert_eq!(bench.bodies(OP_TOPIC, 0), ["0"]);
}

#[test]
fn issues_1626_1649_a_delay_begins_with_the_commit() {
    let bench = Bench::new();
    let half = bench.prepare("a", "DELAY\u{1}3\u{2}");
    assert_eq!(bench.bodies(HALF_TOPIC, 0), ["a"]);
    bench.end(half, Decision::Commit).unwrap();
    assert!(bench.committed().is_empty());
    assert_eq!(bench.bodies(crate::protocol::topic::SCHEDULE_TOPIC, 2), ["a"]);
}

/// A half message that is no half message, or that names no target, ended every round of Java's with an exception, and
/// those behind it were never asked about.
#[test]
fn issues_1568_9500_a_bad_half_message_holds_nobody_up() {
    let bench = Bench::new();
    let put = |properties: &str| {
        let result = bench.store.put_due(&NewMessage {
            topic: HALF_TOPIC,
            queue_id: QUEUE_ID,
            flag: 0,
            sys_flag: 0,
            born_timestamp_ms: START_MS,
            born_host: HOST,
            store_host: HOST,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: b"bad",
            properties,
        });
        assert_eq!(result.status, PutStatus::PutOk);
        bench.store.dispatch_all();
        Half { queue_offset: result.queue_offset, commit_log_offset: result.commit_log_offset }
    };
    let bad = [
        "",
        "PGROUP\u{1}p\u{2}",
        "PGROUP\u{1}p\u{2}REAL_TOPIC\u{1}T\u{2}REAL_QID\u{1}x\u{2}",
        "REAL_TOPIC\u{1}T\u{2}REAL_QID\u{1}0\u{2}TRANSACTION_CHECK_TIMES\u{1}many\u{2}",
        "CHECK_IMMUNITY_TIME_IN_SECONDS\u{1}soon\u{2}TRAN_PREPARED_QUEUE_OFFSET\u{1}-7\u{2}",
    ]
    .map(put);
    bench.prepare("good", "");
    bench.later(4000);
    let asked = bench.check_with(RULES);
    let keys: Vec<_> = asked.questions.iter().map(|question| question.unique_key.as_deref()).collect();
    assert_eq!(keys, [Some("good")]);
    assert_eq!(bench.end(half_of(&asked.questions[0]), Decision::Commit), Ok(()));
    assert_eq!(bench.end(bad[1], Decision::Commit), Err(EndError::NoTarget));
    // The others are given up in time, and the queue is settled.
    for _ in 0..RULES.check_max {
        bench.later(60_000);
        bench.check();
    }
    assert_eq!(bench.bodies(CHECK_MAX_TIME_TOPIC, 0), ["bad"; 5]);
    assert_eq!(bench.settled().0, Some(bench.store.max_offset(HALF_TOPIC, 0)));
    assert_eq!(bench.committed(), ["good"]);
}
