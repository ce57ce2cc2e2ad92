//! Settings of the store that change how it works and never what it holds: file sizes, flushing, warming up.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rocketmq::config::store::{FlushDiskType, MessageStoreConfig};
use rocketmq::store::{MessageFilter, MessageStore, NewMessage, OpenOptions, PutResult, PutStatus};

const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 10_911);
const LIMIT: Duration = Duration::from_secs(20);

fn config(root: &Path) -> MessageStoreConfig {
    MessageStoreConfig {
        store_path_root_dir: root.to_str().unwrap().to_owned(),
        store_path_commit_log: root.join("commitlog").to_str().unwrap().to_owned(),
        maped_file_size_commit_log: 1 << 20,
        max_hash_slot_num: 100,
        max_index_num: 400,
        // By default nothing is flushed before a test is over.
        flush_interval_commit_log: 100_000_000,
        flush_commit_log_thorough_interval: 100_000_000,
        ..MessageStoreConfig::default()
    }
}

fn open(config: &MessageStoreConfig) -> Arc<MessageStore> {
    MessageStore::open(config.clone(), OpenOptions::default()).unwrap()
}

fn put(store: &MessageStore, number: usize, properties: &str) -> PutResult {
    let body = vec![number as u8; 7 + number * 37 % 1500];
    let result = store.put(&NewMessage {
        topic: "T",
        queue_id: 0,
        flag: 0,
        sys_flag: 0,
        born_timestamp_ms: 1,
        born_host: HOST,
        store_host: HOST,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: &body,
        properties,
    });
    store.dispatch_all();
    result
}

struct All;

impl MessageFilter for All {
    fn matches_queue(&self, _: Option<i64>) -> bool {
        true
    }
}

/// Reads the whole queue, message by message, and gives how many there are.
fn count(store: &MessageStore) -> usize {
    let mut offset = 0;
    loop {
        let result = store.get("T", 0, offset, 32, &All).unwrap();
        if result.message_count == 0 {
            assert_eq!(result.next_begin_offset, store.max_offset("T", 0));
            return offset as usize;
        }
        let bytes: usize = result.messages.iter().map(|it| it.len()).sum();
        let body = |number: usize| 7 + number * 37 % 1500;
        let expected = |number: usize| 91 + body(number) + "T".len() + "TAGS_x_".len();
        let first = offset as usize;
        assert_eq!(bytes, (first..first + result.message_count).map(expected).sum::<usize>());
        offset += result.message_count as i64;
    }
}

fn until(what: &str, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < LIMIT, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn files_may_have_any_length() {
    for (log, queue, ext, warm) in [
        (4096, 20, 24, false),
        (4097, 33, 25, true),
        (10_001, 1000, 100, true),
        (65_536, 400, 4096, false),
        (1_048_583, 6_000_000, 50_331_648, true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let config = MessageStoreConfig {
            maped_file_size_commit_log: log,
            maped_file_size_consume_queue: queue,
            enable_consume_queue_ext: true,
            mapped_file_size_consume_queue_ext: ext,
            warm_maped_file_enable: warm,
            ..config(folder.path())
        };
        // Closed, killed, closed, each time with more.
        for round in 0..4 {
            let store = open(&config);
            assert_eq!(count(&store), round * 50, "log {log} queue {queue} ext {ext} round {round}");
            for number in round * 50..round * 50 + 50 {
                assert_eq!(put(&store, number, "TAGS\u{1}x\u{2}").status, PutStatus::PutOk);
            }
            assert_eq!(count(&store), round * 50 + 50);
            if round % 2 == 0 { store.shutdown().unwrap() } else { store.abandon() }
        }
    }
}

#[test]
fn lengths_that_hold_nothing_are_refused() {
    let check = |change: fn(&mut MessageStoreConfig), expected: &str| {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        change(&mut config);
        let error = MessageStore::open(config, OpenOptions::default()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    };
    check(|it| it.maped_file_size_commit_log = 4095, "mapedFileSizeCommitLog is 4095: ");
    check(|it| it.maped_file_size_consume_queue = 0, "mapedFileSizeConsumeQueue is 0: ");
    check(
        |it| {
            it.enable_consume_queue_ext = true;
            it.mapped_file_size_consume_queue_ext = -1;
        },
        "mappedFileSizeConsumeQueueExt is -1: ",
    );
}

#[test]
fn the_largest_message_is_as_set() {
    let check = |limit: i32, expected: PutStatus| {
        let folder = tempfile::tempdir().unwrap();
        let config = MessageStoreConfig { max_message_size: limit, ..config(folder.path()) };
        // Message 1 has a body of 44 bytes, a topic of one, no properties.
        assert_eq!(put(&open(&config), 1, "").status, expected, "{limit}");
    };
    check(136, PutStatus::PutOk);
    check(135, PutStatus::MessageIllegal);
    check(-1, PutStatus::MessageIllegal);
}

/// What brings messages to the disk that nobody waits for: how much at the first time, at least, or nothing.
#[test]
fn flushing_is_by_need_by_clock_or_thorough() {
    const PAGE: i64 = 4096;
    let check = |what: &str, change: fn(&mut MessageStoreConfig), first: Option<i64>| {
        let folder = tempfile::tempdir().unwrap();
        // Elsewhere whoever dispatches wakes the flushing thread, which here is for the case to say.
        let mut config = MessageStoreConfig { flush_commit_log_timed: true, ..config(folder.path()) };
        change(&mut config);
        let store = open(&config);
        let mut flushed = 0;
        for number in 0..100 {
            let result = put(&store, number, "WAIT\u{1}false\u{2}");
            assert!(result.status == PutStatus::PutOk && result.durable.is_none());
            if flushed == 0 {
                flushed = store.flushed_offset();
            }
        }
        if first.is_some() {
            until(what, || store.flushed_offset() > 0);
            flushed = if flushed == 0 { store.flushed_offset() } else { flushed };
        }
        assert!(first.map_or(flushed == 0, |first| flushed >= first), "{what}: {flushed}");
        store.abandon();
    };
    check("nothing is due", |_| {}, None);
    check("woken by 4 pages", |it| it.flush_commit_log_timed = false, Some(4 * PAGE));
    check(
        "woken by 9 pages",
        |it| {
            it.flush_commit_log_timed = false;
            it.flush_commit_log_least_pages = 9;
        },
        Some(9 * PAGE),
    );
    check(
        "not woken by less",
        |it| {
            it.flush_commit_log_timed = false;
            it.flush_commit_log_least_pages = 1000;
        },
        None,
    );
    check("by the clock, 4 pages", |it| it.flush_interval_commit_log = 1, Some(4 * PAGE));
    check(
        "by the clock, too few",
        |it| {
            it.flush_interval_commit_log = 1;
            it.flush_commit_log_least_pages = 1000;
        },
        None,
    );
    check(
        "thorough",
        |it| {
            it.flush_interval_commit_log = 1;
            it.flush_commit_log_least_pages = 1000;
            it.flush_commit_log_thorough_interval = 1;
        },
        Some(1),
    );
    check("SYNC_FLUSH", |it| it.flush_disk_type = FlushDiskType::SyncFlush, Some(1));
}
