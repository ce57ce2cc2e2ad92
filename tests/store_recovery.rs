//! The store as a library: what was put is there once, in order, after every kind of stop and damage. Files are
//! small, so that they roll.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rocketmq::config::store::{FlushDiskType, MessageStoreConfig};
use rocketmq::protocol::message::{BatchItem, put_batch_item};
use rocketmq::store::record;
use rocketmq::store::{
    Error, FlushTicket, GetStatus, MessageFilter, MessageStore, NewMessage, OpenOptions, PutStatus,
};

const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 10_911);
const LOG_FILE_BYTES: i32 = 64 * 1024;

struct All;

impl MessageFilter for All {
    fn matches_queue(&self, _: Option<i64>) -> bool {
        true
    }
}

fn config(root: &Path) -> MessageStoreConfig {
    MessageStoreConfig {
        store_path_root_dir: root.to_str().unwrap().to_owned(),
        store_path_commit_log: root.join("commitlog").to_str().unwrap().to_owned(),
        maped_file_size_commit_log: LOG_FILE_BYTES,
        maped_file_size_consume_queue: 2000,
        max_message_size: 32 * 1024,
        ..MessageStoreConfig::default()
    }
}

fn open(root: &Path) -> Arc<MessageStore> {
    MessageStore::open(config(root), OpenOptions::default()).unwrap()
}

fn message<'a>(topic: &'a str, queue_id: i32, body: &'a [u8]) -> NewMessage<'a> {
    NewMessage {
        topic,
        queue_id,
        flag: 0,
        sys_flag: 0,
        born_timestamp_ms: 1,
        born_host: HOST,
        store_host: HOST,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties: "TAGS\u{1}TagA\u{2}",
    }
}

/// Body number `number`: of varying length, and telling its number.
fn body(number: usize) -> Vec<u8> {
    let mut body = format!("{number}:").into_bytes();
    body.resize(body.len() + number * 37 % 300, b'.');
    body
}

fn append(store: &MessageStore, number: usize) {
    let result = store.put(&message("TopicTest", (number % 4) as i32, &body(number)));
    assert_eq!(result.status, PutStatus::PutOk);
}

fn put(store: &MessageStore, numbers: std::ops::Range<usize>) {
    numbers.for_each(|number| append(store, number));
    store.dispatch_all();
}

/// Every message of a queue, by number, with checks of offsets and CRCs on the way.
fn read_queue(store: &MessageStore, topic: &str, queue_id: i32) -> Vec<usize> {
    let mut numbers = Vec::new();
    let mut offset = store.min_offset(topic, queue_id);
    while offset < store.max_offset(topic, queue_id) {
        let found = store.get(topic, queue_id, offset, 32, &All).unwrap();
        for slice in &found.messages {
            let mut rest = &slice[..];
            while let Some(record) = record::parse(rest) {
                assert!(record.crc_is_right());
                assert!(record.queue_offset() >= offset);
                offset = record.queue_offset() + 1;
                let text = record.body().split(|byte| *byte == b':').next().unwrap();
                numbers.push(std::str::from_utf8(text).unwrap().parse().unwrap());
                rest = &rest[record.length()..];
            }
            assert!(rest.is_empty());
        }
        assert!(found.next_begin_offset > 0);
        offset = offset.max(found.next_begin_offset);
    }
    numbers
}

fn read_all(store: &MessageStore) -> Vec<usize> {
    let mut numbers: Vec<usize> =
        (0..4).flat_map(|queue_id| read_queue(store, "TopicTest", queue_id)).collect();
    numbers.sort_unstable();
    numbers
}

fn numbers(range: std::ops::Range<usize>) -> Vec<usize> {
    range.collect()
}

fn log_files(root: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(root.join("commitlog")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn messages_survive_clean_and_unclean_stops() {
    let root = tempfile::tempdir().unwrap();
    let mut expected = 0;
    for round in 0..6 {
        let store = open(root.path());
        assert_eq!(read_all(&store), numbers(0..expected), "round {round}");
        put(&store, expected..expected + 200);
        expected += 200;
        assert_eq!(read_all(&store), numbers(0..expected));
        if round % 2 == 0 {
            store.shutdown().unwrap();
            assert!(!root.path().join("abort").exists());
        } else {
            store.abandon();
            assert!(root.path().join("abort").exists());
        }
    }
    assert!(log_files(root.path()).len() > 3, "the log has rolled");
}

#[test]
fn what_was_not_dispatched_is_dispatched_at_the_next_start() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    put(&store, 0..10);
    for number in 10..50 {
        store.put(&message("TopicTest", (number % 4) as i32, &body(number)));
    }
    store.abandon();
    // As after a clean stop, which Java's own broker may leave behind in this state.
    std::fs::remove_file(root.path().join("abort")).unwrap();
    assert_eq!(read_all(&open(root.path())), numbers(0..50));
}

#[test]
fn a_log_cut_anywhere_in_its_last_record_keeps_all_others() {
    let source = tempfile::tempdir().unwrap();
    let store = open(source.path());
    put(&store, 0..20);
    let before = store.max_commit_log_offset() as usize;
    put(&store, 20..21);
    let end = store.max_commit_log_offset() as usize;
    store.abandon();
    let whole = std::fs::read(&log_files(source.path())[0]).unwrap();
    let root = tempfile::tempdir().unwrap();
    for cut in before..end {
        let folder = root.path().join(cut.to_string());
        std::fs::create_dir_all(folder.join("commitlog")).unwrap();
        std::fs::write(folder.join("abort"), []).unwrap();
        let mut bytes = whole.clone();
        bytes[cut..].fill(0);
        std::fs::write(folder.join("commitlog/00000000000000000000"), bytes).unwrap();
        let store = open(&folder);
        assert_eq!(store.max_commit_log_offset() as usize, before, "cut at {cut}");
        assert_eq!(read_all(&store), numbers(0..20), "cut at {cut}");
        put(&store, 20..22);
        assert_eq!(read_all(&store), numbers(0..22), "cut at {cut}");
        store.abandon();
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn damage_costs_itself_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    put(&store, 0..400);
    let file = std::fs::File::options().write(true).open(&log_files(root.path())[1]).unwrap();
    store.abandon();
    file.write_all_at(&[0xFF; 10], 20_000).unwrap();
    let store = open(root.path());
    let left = read_all(&store);
    assert!((397..400).contains(&left.len()), "{} left", left.len());
    put(&store, 400..410);
    let after = read_all(&store);
    assert_eq!(after.len(), left.len() + 10);
    store.shutdown().unwrap();
    assert_eq!(read_all(&open(root.path())), after);
}

#[test]
fn a_single_flipped_byte_in_the_newest_file_costs_one_message() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    put(&store, 0..100);
    let at = record_start(&store, 50) + 90;
    store.abandon();
    let file = std::fs::File::options().write(true).open(&log_files(root.path())[0]).unwrap();
    file.write_all_at(b"#", at as u64).unwrap();
    let left = read_all(&open(root.path()));
    assert_eq!(left, (0..100).filter(|number| *number != 50).collect::<Vec<_>>());
}

/// Place in the log of message `number`, which is entry `number / 4` of its queue.
fn record_start(store: &MessageStore, number: usize) -> i64 {
    let found = store.get("TopicTest", (number % 4) as i32, (number / 4) as i64, 1, &All).unwrap();
    record::parse(&found.messages[0]).unwrap().commit_log_offset()
}

#[test]
fn lost_queues_are_made_again_without_being_told() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    put(&store, 0..300);
    store.shutdown().unwrap();
    drop(store);
    std::fs::remove_dir_all(root.path().join("consumequeue")).unwrap();
    let store = open(root.path());
    assert_eq!(read_all(&store), numbers(0..300));
    put(&store, 300..310);
    assert_eq!(read_all(&store), numbers(0..310));
}

#[test]
fn a_stale_tail_is_not_taken_for_messages() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    put(&store, 0..50);
    let tail = record_start(&store, 40);
    store.abandon();
    // As if the log had been cut at message 40 a while ago and then written on with one message.
    let path = log_files(root.path())[0].clone();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.write_all_at(&[0; 91], tail as u64).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let mut stale = 0;
    for at in (tail as usize + 91)..(whole.len() - 100) {
        if let Some(record) = record::parse(&whole[at..]) {
            let old = (record.store_timestamp_ms() - 3_600_000).to_be_bytes();
            file.write_all_at(&old, at as u64 + 56).unwrap();
            stale += 1;
        }
    }
    assert!(stale >= 9);
    std::fs::remove_dir_all(root.path().join("consumequeue")).unwrap();
    assert_eq!(read_all(&open(root.path())), numbers(0..40));
}

#[test]
fn batches_stay_together() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let mut expected = Vec::new();
    for batch in 0..100 {
        let mut bytes = Vec::new();
        for number in batch * 10..batch * 10 + 10 {
            let body = body(number);
            put_batch_item(&mut bytes, BatchItem { flag: 0, body: &body, properties: b"" }).unwrap();
            expected.push(number);
        }
        let result = store.put_batch(&message("TopicTest", 0, &bytes));
        assert_eq!((result.status, result.message_count()), (PutStatus::PutOk, 10));
        assert_eq!(result.queue_offset, batch as i64 * 10);
        let ids = result.message_ids(HOST);
        let (_, first) = compat::id::parse_offset_message_id(ids.split(',').next().unwrap()).unwrap();
        assert_eq!(first, result.commit_log_offset);
        let (_, last) = compat::id::parse_offset_message_id(ids.split(',').nth(9).unwrap()).unwrap();
        assert!(store.message_at(last).is_some());
        assert_eq!(first / i64::from(LOG_FILE_BYTES), last / i64::from(LOG_FILE_BYTES), "one file");
    }
    store.dispatch_all();
    assert_eq!(read_queue(&store, "TopicTest", 0), expected);
    store.abandon();
    assert_eq!(read_queue(&open(root.path()), "TopicTest", 0), expected);
    let bad = store.put_batch(&message("TopicTest", 0, &[0, 0, 0, 1]));
    assert_ne!(bad.status, PutStatus::PutOk);
}

#[test]
fn illegal_messages_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let check = |message: NewMessage<'_>, expected| assert_eq!(store.put(&message).status, expected);
    for topic in ["", "..", "a/b", "../../x", "tab\t", &"x".repeat(128)] {
        check(message(topic, 0, b"x"), PutStatus::MessageIllegal);
    }
    check(message("T", -1, b"x"), PutStatus::MessageIllegal);
    check(message("T", 0, &vec![0; 32 * 1024]), PutStatus::MessageIllegal);
    let properties = "p".repeat(32_768);
    check(NewMessage { properties: &properties, ..message("T", 0, b"x") }, PutStatus::PropertiesSizeExceeded);
    check(
        NewMessage { properties: "DELAY\u{1}abc\u{2}", ..message("T", 0, b"x") },
        PutStatus::MessageIllegal,
    );
    check(message("T", 0, b""), PutStatus::PutOk);
    store.shutdown().unwrap();
    check(message("T", 0, b"x"), PutStatus::ServiceNotAvailable);
    assert!(store.get("T", 0, 0, 1, &All).is_none());
}

#[test]
fn delayed_messages_wait_in_their_topic() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let result = store.put(&NewMessage { properties: "DELAY\u{1}99\u{2}", ..message("T", 3, b"1:") });
    assert_eq!(result.status, PutStatus::PutOk);
    store.dispatch_all();
    assert_eq!(store.max_offset("T", 3), 0);
    let found = store.get("SCHEDULE_TOPIC_XXXX", 17, 0, 1, &All).unwrap();
    let record = record::parse(&found.messages[0]).unwrap();
    assert_eq!(record.properties(), "DELAY\u{1}18\u{2}REAL_TOPIC\u{1}T\u{2}REAL_QID\u{1}3\u{2}");
}

#[test]
fn every_status_of_a_look_into_a_queue() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let check = |offset, status, next| {
        let found = store.get("TopicTest", 0, offset, 32, &All).unwrap();
        assert_eq!((found.status, found.next_begin_offset), (status, next), "offset {offset}");
    };
    check(0, GetStatus::NoMessageInQueue, 0);
    check(7, GetStatus::NoMessageInQueue, 0);
    assert!(!root.path().join("consumequeue/TopicTest").exists(), "asking makes no queue");
    put(&store, 0..400);
    check(0, GetStatus::Found, 32);
    check(99, GetStatus::Found, 100);
    check(100, GetStatus::OffsetOverflowOne, 100);
    check(101, GetStatus::OffsetOverflowBadly, 0);
    check(-1, GetStatus::OffsetTooSmall, 0);
    struct None_;
    impl MessageFilter for None_ {
        fn matches_queue(&self, tags_code: Option<i64>) -> bool {
            assert_eq!(tags_code, Some(compat::hash::java_string_hash("TagA").into()));
            false
        }
    }
    let found = store.get("TopicTest", 0, 0, 32, &None_).unwrap();
    assert_eq!((found.status, found.next_begin_offset), (GetStatus::NoMatchedMessage, 100));
}

#[test]
fn offsets_are_found_by_time() {
    let root = tempfile::tempdir().unwrap();
    let hand = Arc::new(std::sync::atomic::AtomicI64::new(1000));
    let shown = Arc::clone(&hand);
    let clock = rocketmq::clock::Clock::of(move || shown.load(std::sync::atomic::Ordering::Relaxed));
    let store =
        MessageStore::open(config(root.path()), OpenOptions { clock, ..OpenOptions::default() }).unwrap();
    for number in 0..10 {
        hand.store(1000 + number * 100, std::sync::atomic::Ordering::Relaxed);
        store.put(&message("T", 0, b"x"));
    }
    store.dispatch_all();
    let cases =
        [(0, 0), (1000, 0), (1049, 0), (1050, 0), (1051, 1), (1100, 1), (1899, 9), (1900, 9), (5000, 9)];
    for (time, offset) in cases {
        assert_eq!(store.offset_by_time("T", 0, time), offset, "time {time}");
    }
    assert_eq!(store.offset_by_time("T", 1, 5), 0);
    assert_eq!((store.earliest_store_time("T", 0), store.store_time_of("T", 0, 3)), (1000, 1300));
    assert_eq!((store.earliest_store_time("T", 1), store.store_time_of("T", 0, 10)), (-1, -1));
}

#[test]
fn threads_append_and_read_at_the_same_time() {
    const THREADS: usize = 4;
    const EACH: usize = 2000;
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = &store;
            scope.spawn(move || {
                for number in 0..EACH {
                    append(store, thread * EACH + number);
                    store.dispatch();
                }
            });
        }
        let store = &store;
        scope.spawn(move || {
            while store.max_offset("TopicTest", 0) < (THREADS * EACH / 4) as i64 {
                read_queue(store, "TopicTest", 0);
            }
        });
    });
    store.dispatch_all();
    assert_eq!(read_all(&store), numbers(0..THREADS * EACH));
    let mut offsets = BTreeMap::new();
    for number in 0..THREADS * EACH {
        *offsets.entry(number % 4).or_insert(0) += 1;
    }
    for (queue_id, count) in offsets {
        assert_eq!(store.max_offset("TopicTest", queue_id as i32), count);
    }
}

#[test]
fn sync_flush_answers_when_the_disk_has_it() {
    let root = tempfile::tempdir().unwrap();
    let config = MessageStoreConfig { flush_disk_type: FlushDiskType::SyncFlush, ..config(root.path()) };
    let store = MessageStore::open(config, OpenOptions::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let not_waiting =
        store.put(&NewMessage { properties: "WAIT\u{1}false\u{2}", ..message("TopicTest", 0, b"0:") });
    assert!(not_waiting.durable.is_none());
    for round in 0..20 {
        let tickets: Vec<(i64, FlushTicket)> = (0..50)
            .map(|number| {
                let result = store.put(&message("TopicTest", 0, &body(round * 50 + number)));
                (result.commit_log_offset + result.record_bytes as i64, result.durable.unwrap())
            })
            .collect();
        for (end, ticket) in tickets {
            assert_eq!(runtime.block_on(ticket), PutStatus::PutOk);
            assert!(store.flushed_offset() >= end);
        }
    }
    store.shutdown().unwrap();
}

#[test]
fn a_directory_that_is_not_right_is_refused_with_a_reason() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    put(&store, 0..900);
    store.shutdown().unwrap();
    drop(store);
    let files = log_files(root.path());
    let error = |config| MessageStore::open(config, OpenOptions::default()).unwrap_err();
    let other = MessageStoreConfig { maped_file_size_commit_log: 2 * LOG_FILE_BYTES, ..config(root.path()) };
    assert!(matches!(error(other), Error::FileLength { .. }));
    let other = MessageStoreConfig { maped_file_size_commit_log: LOG_FILE_BYTES / 2, ..config(root.path()) };
    assert!(matches!(error(other), Error::FileLength { .. }));
    let far = root.path().join("commitlog/00000999999999995904");
    std::fs::copy(&files[1], &far).unwrap();
    assert!(matches!(error(config(root.path())), Error::FileLength { .. }));
    std::fs::rename(&far, root.path().join("commitlog/00000065536000000000")).unwrap();
    assert!(matches!(error(config(root.path())), Error::FileGap { .. }));
    std::fs::remove_file(root.path().join("commitlog/00000065536000000000")).unwrap();
    std::fs::write(root.path().join("commitlog/notes.txt"), "x").unwrap();
    assert_eq!(read_all(&open(root.path())), numbers(0..900));
}

#[test]
fn a_deleted_topic_begins_anew() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    put(&store, 0..40);
    store.put(&message("Other", 0, b"1:"));
    store.dispatch_all();
    assert!(store.delete_topic("TopicTest").error.is_none());
    assert!(!root.path().join("consumequeue/TopicTest").exists());
    assert_eq!((store.max_offset("TopicTest", 0), store.max_offset("Other", 0)), (0, 1));
    put(&store, 40..48);
    assert_eq!(read_all(&store), numbers(40..48));
    assert_eq!(store.max_offset("TopicTest", 0), 2);
}

/// #4215, #2181: a reader that has read more than a queue has left is not sent back to its beginning; nor past what has
/// come since.
#[test]
fn issues_4215_2181_an_offset_beyond_the_end_costs_neither_days_nor_messages() {
    let root = tempfile::tempdir().unwrap();
    let next = |store: &MessageStore| {
        let found = store.get("TopicTest", 0, 1000, 32, &All).unwrap();
        assert_eq!(found.status, GetStatus::OffsetOverflowBadly);
        found.next_begin_offset
    };
    let store = open(root.path());
    put(&store, 0..400);
    // Made by this very store: nobody has read anything of it at such an offset.
    assert_eq!((store.min_offset("TopicTest", 0), next(&store)), (0, 0));
    store.abandon();
    drop(store);
    let store = open(root.path());
    assert_eq!(next(&store), 100);
    put(&store, 400..440);
    assert_eq!(next(&store), 100);
    assert!(store.delete_topic("TopicTest").error.is_none());
    put(&store, 440..448);
    assert_eq!((store.max_offset("TopicTest", 0), next(&store)), (2, 0), "a topic made again");
}

/// Its messages are still in the log when that is walked after a kill.
#[test]
fn issue_1852_a_deleted_topic_does_not_come_back() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    put(&store, 0..40);
    store.put(&message("Other", 0, b"1:"));
    store.dispatch_all();
    assert!(store.delete_topic("TopicTest").error.is_none());
    store.put(&message("Other", 0, b"2:"));
    store.dispatch_all();
    store.abandon();
    drop(store);
    let store = open(root.path());
    assert!(!root.path().join("consumequeue/TopicTest").exists());
    assert_eq!((store.max_offset("TopicTest", 0), store.max_offset("Other", 0)), (0, 2));
}

/// Clean and unclean stops, the index as it was, cut, gone, or of a broker that had none.
#[test]
fn messages_are_found_by_their_keys_after_every_stop() {
    let with_keys = |number: i64| format!("UNIQ_KEY\u{1}u{number}\u{2}KEYS\u{1}k{} all\u{2}", number % 3);
    for is_clean in [true, false] {
        for damage in ["none", "missing", "short", "off before"] {
            let folder = tempfile::tempdir().unwrap();
            let settings = |message_index_enable| MessageStoreConfig {
                message_index_enable,
                max_hash_slot_num: 50,
                max_index_num: 200,
                max_msgs_num_batch: 1000,
                ..config(folder.path())
            };
            let open = |is_on| MessageStore::open(settings(is_on), OpenOptions::default()).unwrap();
            let store = open(damage != "off before");
            for number in 0..300 {
                let properties = with_keys(number);
                let keyed = NewMessage { properties: &properties, ..message("T", 0, b"x") };
                assert_eq!(store.put(&keyed).status, PutStatus::PutOk);
            }
            store.dispatch_all();
            if is_clean {
                store.shutdown().unwrap()
            } else {
                store.abandon()
            }
            drop(store);
            let mut files: Vec<PathBuf> = std::fs::read_dir(folder.path().join("index"))
                .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
                .unwrap_or_default();
            files.sort();
            match damage {
                "missing" => files.iter().for_each(|file| std::fs::remove_file(file).unwrap()),
                "short" => {
                    std::fs::OpenOptions::new().write(true).open(&files[1]).unwrap().set_len(90).unwrap();
                }
                _ => assert_eq!(files.len(), if damage == "none" { 5 } else { 0 }),
            }
            let store = open(true);
            let count = |key: &str| store.find_by_key("T", key, 1000, 0, i64::MAX).messages.len();
            let context = format!("clean {is_clean}, {damage}");
            assert_eq!((count("all"), count("k1"), count("no")), (300, 100, 0), "{context}");
            assert!((0..300).all(|number| count(&format!("u{number}")) == 1), "{context}");
            let found = store.find_by_key("T", "all", 2, 0, i64::MAX);
            let newest = found.messages.last().unwrap().0;
            assert_eq!((found.messages.len(), found.index_last_update_offset), (2, newest), "{context}");
        }
    }
}
