//! `rocketmq store` as an operator uses it: what it says of sound and of damaged directories, ours and Java's, its exit
//! codes, and that a look changes nothing.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use common::{Outcome, run};
use rocketmq::config::store::MessageStoreConfig;
use rocketmq::store::{MessageStore, NewMessage, OpenOptions, PutStatus};
use serde_json::Value;

const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 10_911);
const COUNT: usize = 300;

fn config(root: &Path) -> MessageStoreConfig {
    MessageStoreConfig {
        store_path_root_dir: root.to_str().unwrap().to_owned(),
        store_path_commit_log: root.join("commitlog").to_str().unwrap().to_owned(),
        maped_file_size_commit_log: 16 * 1024,
        maped_file_size_consume_queue: 1200,
        max_hash_slot_num: 64,
        max_index_num: 200,
        ..MessageStoreConfig::default()
    }
}

/// A directory of three hundred messages in two queues.
fn filled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = MessageStore::open(config(folder.path()), OpenOptions::default()).unwrap();
    put(&store, 0..COUNT, |number| number as i32 % 2);
    store.shutdown().unwrap();
    folder
}

fn put(store: &MessageStore, numbers: Range<usize>, queue_of: fn(usize) -> i32) {
    for number in numbers {
        let (body, properties) =
            (format!("body {number}"), format!("KEYS\u{1}k{number}\u{2}TAGS\u{1}A\u{2}"));
        let message = NewMessage {
            topic: "T",
            queue_id: queue_of(number),
            flag: 0,
            sys_flag: 0,
            born_timestamp_ms: 1,
            born_host: HOST,
            store_host: HOST,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: body.as_bytes(),
            properties: &properties,
        };
        assert_eq!(store.put(&message).status, PutStatus::PutOk);
    }
    store.dispatch_all();
}

/// Every file with its bytes and the time of its last change.
fn state(root: &Path) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
    let mut state = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
                state.insert(path.clone(), (std::fs::read(&path).unwrap(), modified));
            }
        }
    }
    state
}

fn tool(root: &Path, command: &str, more: &[&str]) -> Outcome {
    let home = tempfile::tempdir().unwrap();
    let mut args = vec!["store", command, root.to_str().unwrap(), "--slots", "64"];
    args.extend(more);
    run(home.path(), &args)
}

fn files(root: &Path, folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root.join(folder)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn write(path: &Path, at: u64, bytes: &[u8]) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(bytes, at).unwrap();
}

#[test]
fn a_sound_directory_is_sound_and_stays_as_it_is() {
    let folder = filled();
    let before = state(folder.path());
    let outcome = tool(folder.path(), "check", &[]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(outcome.out.last().unwrap(), "sound");
    let row = |name: &str| {
        let line = outcome.out.iter().find(|line| line.starts_with(name)).unwrap();
        line[16..].split_whitespace().map(|number| number.parse().unwrap()).collect::<Vec<u64>>()
    };
    assert_eq!((row("commit log")[2], row("consume queues")[2], row("index")[2]), (300, 300, 300));
    for kind in [&["--json"][..], &["--units"], &["--index"], &["--checkpoint"]] {
        assert_eq!(tool(folder.path(), "dump", kind).code, Some(0));
    }
    assert_eq!(tool(folder.path(), "repair", &["--yes"]).out.last().unwrap(), "nothing to repair");
    assert_eq!(state(folder.path()), before);
}

#[test]
fn javas_directory_is_sound_too() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("compat/golden");
    let sizes: Value =
        serde_json::from_slice(&std::fs::read(golden.join("store-sizes.json")).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    // Kept without the zeros at their ends: given their lengths again.
    for (path, length) in sizes.as_object().unwrap() {
        let to = folder.path().join(path);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(golden.join("store").join(path), &to).unwrap();
        let file = std::fs::File::options().write(true).open(&to).unwrap();
        file.set_len(length.as_u64().unwrap()).unwrap();
    }
    let home = tempfile::tempdir().unwrap();
    let outcome =
        run(home.path(), &["store", "check", folder.path().to_str().unwrap(), "--slots", GOLDEN_SLOTS]);
    assert_eq!(
        (outcome.code, outcome.out.last().map(String::as_str)),
        (Some(0), Some("sound")),
        "{outcome:?}"
    );
    let dumped = run(home.path(), &["store", "dump", folder.path().to_str().unwrap(), "--json"]);
    let contents = std::fs::read_to_string(golden.join("store-contents.jsonl")).unwrap();
    let expected = contents.lines().filter(|line| line.contains("\"kind\":\"record\"")).count();
    assert!(expected > 0);
    assert_eq!(dumped.out.len(), expected);
}

const GOLDEN_SLOTS: &str = "100";

#[test]
fn each_damage_is_named_and_mended() {
    let check = |kind: &str, rest: usize, damage: &dyn Fn(&Path)| {
        let folder = filled();
        damage(folder.path());
        let before = state(folder.path());
        let outcome = tool(folder.path(), "check", &[]);
        assert_eq!(outcome.code, Some(1), "{kind}: {outcome:?}");
        let said = format!(": {kind}: ");
        assert!(outcome.out.iter().any(|line| line.contains(&said)), "{kind}: {outcome:?}");
        let json: Value = serde_json::from_str(&tool(folder.path(), "check", &["--json"]).out[0]).unwrap();
        assert!(json["counts"][kind].as_u64().is_some_and(|count| count > 0), "{json}");
        assert_eq!(state(folder.path()), before, "{kind}");
        let refused = tool(folder.path(), "repair", &[]);
        assert_eq!(refused.code, Some(2), "{kind}: {refused:?}");
        assert!(refused.err[0].contains("nothing was changed"), "{refused:?}");
        let repaired = tool(folder.path(), "repair", &["--yes", "--index-entries", "200"]);
        assert_eq!(repaired.code, Some(if rest == 0 { 0 } else { 1 }), "{kind}: {repaired:?}");
        let verdict = repaired.out.last().unwrap();
        assert!(!verdict.contains("repair"), "{kind}: {verdict}");
        let left = tool(folder.path(), "dump", &[]).out.iter().filter(|line| line.contains(" T ")).count();
        assert!(left + rest >= COUNT, "{kind}: {left} messages left");
    };
    let queue = |root: &Path| files(root, "consumequeue/T/1")[0].clone();
    let index = |root: &Path| files(root, "index")[0].clone();
    let log = |root: &Path, number: usize| files(root, "commitlog")[number].clone();
    check("wrong CRC", 1, &|root| write(&log(root, 0), 90, b"#"));
    check("damaged log", 1, &|root| write(&log(root, 0), 4, &[0; 4]));
    check("entry missing", 0, &|root| std::fs::remove_dir_all(root.join("consumequeue/T/0")).unwrap());
    check("wrong entry", 0, &|root| write(&queue(root), 20 * 7 + 8, &[0, 0, 0, 9]));
    check("entry without message", 0, &|root| write(&queue(root), 20 * 7 + 2, &[1]));
    check("wrong tags code", 0, &|root| write(&queue(root), 20 * 7 + 19, &[0x77]));
    check("short file", 0, &|root| {
        std::fs::File::options().write(true).open(queue(root)).unwrap().set_len(1000).unwrap();
    });
    check("entry missing", 0, &|root| std::fs::remove_file(&files(root, "consumequeue/T/1")[0]).unwrap());
    check("missing file", 160, &|root| std::fs::remove_file(log(root, 1)).unwrap());
    check("index entry", 0, &|root| write(&index(root), 40 + 4 * 64 + 20 * 9, &[0x11; 4]));
    check("index slot", 0, &|root| write(&index(root), 40 + 4 * 3, &[0, 0, 0, 1]));
    check("index file", 0, &|root| write(&index(root), 36, &[0x7F; 4]));
    check("checkpoint", 0, &|root| write(&root.join("checkpoint"), 0, &[0x7F; 8]));
}

/// The messages of a topic that was deleted are no damage, whether it was made again or not.
#[test]
fn a_deleted_topics_messages_are_noted_and_no_damage() {
    let folder = filled();
    let check = |note: Option<&str>| {
        let outcome = tool(folder.path(), "check", &[]);
        let last = outcome.out.last().map(String::as_str);
        assert_eq!((outcome.code, last), (Some(0), Some("sound")), "{outcome:?}");
        let notes: Vec<_> = outcome.out.iter().filter_map(|line| line.strip_prefix("note: ")).collect();
        assert_eq!(notes, Vec::from_iter(note), "{outcome:?}");
    };
    check(None);
    let reopen = || MessageStore::open(config(folder.path()), OpenOptions::default()).unwrap();
    let store = reopen();
    assert!(store.delete_topic("T").error.is_none());
    store.shutdown().unwrap();
    let deleted = "topic T was deleted: 300 of its messages are still in the log, in no queue";
    check(Some(deleted));
    // Made again, with messages in one of its two queues.
    let store = reopen();
    put(&store, 0..10, |_| 0);
    store.shutdown().unwrap();
    check(Some(deleted));
    // What is missing of the new one is.
    std::fs::remove_dir_all(folder.path().join("consumequeue/T")).unwrap();
    let outcome = tool(folder.path(), "check", &["--json"]);
    let json: Value = serde_json::from_str(&outcome.out[0]).unwrap();
    assert!(json["counts"]["entry missing"].as_u64().is_some_and(|count| count >= 10), "{json}");
    let repaired = tool(folder.path(), "repair", &["--yes", "--index-entries", "200"]);
    assert_eq!(repaired.code, Some(0), "{repaired:?}");
    check(Some(deleted));
    // A directory of Java's has no list of its queues but the topics.
    std::fs::remove_file(folder.path().join("queues.json")).unwrap();
    std::fs::remove_dir_all(folder.path().join("consumequeue/T")).unwrap();
    std::fs::create_dir_all(folder.path().join("config")).unwrap();
    std::fs::write(folder.path().join("config/topics.json"), "{\"topicConfigTable\":{}}").unwrap();
    check(Some("topic T was deleted: 310 of its messages are still in the log, in no queue"));
}

#[test]
fn messages_are_printed_as_asked_for() {
    let folder = filled();
    let lines = |more: &[&str]| tool(folder.path(), "dump", more).out;
    assert_eq!(lines(&[]).len(), COUNT);
    assert_eq!(lines(&["--topic", "T", "--queue", "1"]).len(), COUNT / 2);
    assert!(lines(&["--topic", "U"]).is_empty());
    let by_key = lines(&["--key", "k17", "--json"]);
    let message: Value = serde_json::from_str(&by_key[0]).unwrap();
    assert_eq!((by_key.len(), &message["body"], &message["queueOffset"]), (1, &"body 17".into(), &8.into()));
    assert_eq!(message["properties"]["TAGS"], "A");
    let at = message["commitLogOffset"].to_string();
    assert!(lines(&["--from", &at])[0].contains("keys k17 "));
    assert_eq!(lines(&["--to", &at]).len(), 17);
    assert_eq!(lines(&["--units", "--topic", "T", "--queue", "0", "--from", "3", "--to", "5"]).len(), 2);
    assert!(lines(&["--index"]).len() > COUNT);
}

#[test]
fn what_cannot_be_looked_at_is_said() {
    let folder = filled();
    let store = MessageStore::open(config(folder.path()), OpenOptions::default()).unwrap();
    for command in ["check", "dump", "repair"] {
        let outcome = tool(folder.path(), command, &[]);
        assert_eq!(outcome.code, Some(2));
        assert!(outcome.err[0].contains("is in use"), "{outcome:?}");
        // Nor from beside, by its log.
        let beside = tempfile::tempdir().unwrap();
        let log = folder.path().join("commitlog");
        let outcome = tool(beside.path(), command, &["--commitlog", log.to_str().unwrap()]);
        assert_eq!(outcome.code, Some(2));
        assert!(outcome.err[0].contains("commitlog is in use"), "{outcome:?}");
    }
    store.shutdown().unwrap();
    let empty = tempfile::tempdir().unwrap();
    let outcome = tool(empty.path(), "check", &[]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.err[0].contains("is no data directory"), "{outcome:?}");
}
