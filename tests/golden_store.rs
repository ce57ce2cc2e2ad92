//! The data directory of a stock 4.3.0 broker in `compat/golden`: what we read in it, and what we write for the same
//! messages.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rocketmq::clock::Clock;
use rocketmq::config::store::MessageStoreConfig;
use rocketmq::inspect::{Directory, Log, Place, queues};
use rocketmq::protocol::message::{BatchItem, MessageRef, put_batch_item};
use rocketmq::store::{MessageStore, NewMessage, OpenOptions, PutStatus};
use serde_json::Value;

const LOG_FILE_BYTES: usize = 16_384;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("compat/golden")
}

/// What the stock store reads in the directory.
fn contents(kind: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(golden().join("store-contents.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["kind"] == kind).collect()
}

/// The directory at its full length.
fn copy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let sizes: BTreeMap<String, u64> =
        serde_json::from_slice(&std::fs::read(golden().join("store-sizes.json")).unwrap()).unwrap();
    for (path, length) in sizes {
        let to = folder.path().join(&path);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(golden().join("store").join(&path), &to).unwrap();
        std::fs::File::options().write(true).open(&to).unwrap().set_len(length).unwrap();
    }
    folder
}

fn number(line: &Value, name: &str) -> i64 {
    line[name].as_i64().unwrap_or_else(|| panic!("{name} in {line}"))
}

fn host(line: &Value, name: &str) -> SocketAddrV4 {
    line[name].as_str().unwrap().trim_start_matches('/').parse().unwrap()
}

/// Every record of a directory's log, with its bytes.
fn records(root: &Path) -> Vec<Vec<u8>> {
    let log = Log::open(&Directory::open(root, None).unwrap()).unwrap();
    let (mut records, mut at) = (Vec::new(), 0);
    loop {
        match log.place(at) {
            Place::Record(record) => {
                records.push(record.bytes().to_vec());
                at += record.length() as u64;
            }
            Place::Blank => at = log.next_file(at),
            Place::Damage { to } => panic!("no record from {at} to {to}"),
            Place::End => return records,
        }
    }
}

#[test]
fn what_java_wrote_is_read_as_it_was_recorded() {
    let folder = copy();
    let (records, expected) = (records(folder.path()), contents("record"));
    assert_eq!(records.len(), expected.len());
    for (bytes, line) in records.iter().zip(&expected) {
        let message = MessageRef::take(&mut &bytes[..]).unwrap();
        let numbers = [
            ("physicalOffset", message.commit_log_offset),
            ("size", message.store_size.into()),
            ("queueId", message.queue_id.into()),
            ("queueOffset", message.queue_offset),
            ("flag", message.flag.into()),
            ("sysFlag", message.sys_flag.into()),
            ("bornTimestamp", message.born_timestamp),
            ("storeTimestamp", message.store_timestamp),
            ("reconsumeTimes", message.reconsume_times.into()),
            ("preparedTransactionOffset", message.prepared_transaction_offset),
            ("bodyLength", message.body.len() as i64),
        ];
        for (name, value) in numbers {
            assert_eq!(value, number(line, name), "{name} of {line}");
        }
        assert!(message.is_body_intact());
        // Stored without its top bit.
        assert_eq!(i64::from(message.body_crc), number(line, "bodyCrc") & 0x7FFF_FFFF, "{line}");
        assert_eq!(
            (&*message.topic, &*message.properties),
            (line["topic"].as_str().unwrap(), line["properties"].as_str().unwrap())
        );
        assert_eq!(message.born_host.to_string(), host(line, "bornHost").to_string());
        assert_eq!(message.store_host.to_string(), host(line, "storeHost").to_string());
    }
    let queues = queues(&Directory::open(folder.path(), None).unwrap()).unwrap();
    let units = contents("unit");
    assert_eq!(queues.iter().map(|queue| queue.max_offset()).sum::<i64>(), units.len() as i64);
    for line in &units {
        let is_its = |queue: &&rocketmq::inspect::Queue| {
            line["topic"] == queue.topic && number(line, "queueId") == i64::from(queue.queue_id)
        };
        let unit = queues.iter().find(is_its).unwrap().unit(number(line, "queueOffset")).unwrap();
        let found = (unit.commit_log_offset, i64::from(unit.length), unit.tags_code);
        let expected = (number(line, "physicalOffset"), number(line, "size"), number(line, "tagsCode"));
        assert_eq!(found, expected, "{line}");
    }
}

/// A file without the zeros at its end.
fn trimmed(path: &Path) -> Vec<u8> {
    let mut bytes = std::fs::read(path).unwrap();
    bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
    bytes
}

fn files(root: &Path, folder: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![root.join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_owned(), trimmed(&path));
            }
        }
    }
    found
}

/// Records that were one send: a batch has one time and one place to be, and its messages have consecutive offsets.
fn sends(lines: &[Value], bytes: &[Vec<u8>]) -> Vec<Vec<usize>> {
    let mut sends: Vec<Vec<usize>> = Vec::new();
    for at in 0..lines.len() {
        let follows = at > 0 && {
            let (before, now) = (&lines[at - 1], &lines[at]);
            ["storeTimestamp", "bornTimestamp", "queueId", "topic"]
                .iter()
                .all(|name| before[*name] == now[*name])
        };
        match sends.last_mut().filter(|_| follows) {
            Some(send) => send.push(at),
            None => sends.push(vec![at]),
        }
    }
    assert_eq!(sends.iter().map(Vec::len).sum::<usize>(), bytes.len());
    sends
}

#[test]
fn what_we_write_for_the_same_messages_is_the_same() {
    let theirs = copy();
    let (bytes, lines) = (records(theirs.path()), contents("record"));
    let ours = tempfile::tempdir().unwrap();
    let hand = Arc::new(AtomicI64::new(0));
    let shown = Arc::clone(&hand);
    let config = MessageStoreConfig {
        store_path_root_dir: ours.path().to_str().unwrap().to_owned(),
        store_path_commit_log: ours.path().join("commitlog").to_str().unwrap().to_owned(),
        maped_file_size_commit_log: LOG_FILE_BYTES as i32,
        maped_file_size_consume_queue: 400,
        max_hash_slot_num: 100,
        max_index_num: 400,
        ..MessageStoreConfig::default()
    };
    let clock = Clock::of(move || shown.load(Ordering::Relaxed));
    let store = MessageStore::open(config, OpenOptions { clock, ..OpenOptions::default() }).unwrap();
    for send in sends(&lines, &bytes) {
        let line = &lines[send[0]];
        hand.store(number(line, "storeTimestamp"), Ordering::Relaxed);
        let messages: Vec<MessageRef<'_>> =
            send.iter().map(|at| MessageRef::take(&mut &bytes[*at][..]).unwrap()).collect();
        let mut batch = Vec::new();
        for message in &messages {
            let item = BatchItem {
                flag: message.flag,
                body: message.body,
                properties: message.properties.as_bytes(),
            };
            put_batch_item(&mut batch, item).unwrap();
        }
        let message = NewMessage {
            topic: line["topic"].as_str().unwrap(),
            queue_id: number(line, "queueId") as i32,
            flag: number(line, "flag") as i32,
            sys_flag: number(line, "sysFlag") as i32,
            born_timestamp_ms: number(line, "bornTimestamp"),
            born_host: host(line, "bornHost"),
            store_host: host(line, "storeHost"),
            reconsume_times: number(line, "reconsumeTimes") as i32,
            prepared_transaction_offset: number(line, "preparedTransactionOffset"),
            body: messages[0].body,
            properties: &messages[0].properties,
        };
        let result = match messages.len() {
            1 => store.put_due(&message),
            _ => store.put_batch(&NewMessage { body: &batch, properties: "", ..message }),
        };
        assert_eq!(result.status, PutStatus::PutOk);
        store.dispatch_all();
    }
    store.shutdown().unwrap();
    // The unused rest of a log file is Java's old buffer, which is nobody's to read.
    assert_eq!(records(ours.path()), bytes);
    assert_eq!(files(ours.path(), "consumequeue"), files(theirs.path(), "consumequeue"));
    let index = |root| files(root, "index").into_values().collect::<Vec<_>>();
    assert_eq!(index(ours.path()), index(theirs.path()));
}
