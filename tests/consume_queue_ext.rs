//! Ext files beside the consume queues: the bytes of stock 4.3.0 for the same log, what filters and delayed
//! messages see of them, a stop of either kind, and going without them.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rocketmq::config::store::MessageStoreConfig;
use rocketmq::store::{GetStatus, MessageFilter, MessageStore, NewMessage, OpenOptions, PutStatus};

const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 10_911);
const EXT_BYTES: usize = 250;

/// The settings of `compat/golden/store-ext`.
fn config(root: &Path, has_ext: bool) -> MessageStoreConfig {
    MessageStoreConfig {
        store_path_root_dir: root.to_str().unwrap().to_owned(),
        store_path_commit_log: root.join("commitlog").to_str().unwrap().to_owned(),
        maped_file_size_commit_log: 16_384,
        maped_file_size_consume_queue: 400,
        max_hash_slot_num: 100,
        max_index_num: 400,
        enable_consume_queue_ext: has_ext,
        mapped_file_size_consume_queue_ext: EXT_BYTES as i32,
        ..MessageStoreConfig::default()
    }
}

fn open(root: &Path, has_ext: bool) -> Arc<MessageStore> {
    MessageStore::open(config(root, has_ext), OpenOptions::default()).unwrap()
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("compat/golden")
}

/// The log of the golden directory, at its full length and without any queues.
fn copy_log(root: &Path) {
    let folder = root.join("commitlog");
    fs::create_dir_all(&folder).unwrap();
    for entry in fs::read_dir(golden().join("store/commitlog")).unwrap() {
        let entry = entry.unwrap();
        let mut bytes = fs::read(entry.path()).unwrap();
        bytes.resize(16_384, 0);
        fs::write(folder.join(entry.file_name()), bytes).unwrap();
    }
}

/// Each file below a folder, without the zeros at its end.
fn files(root: &Path, name: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.join(name)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mut bytes = fs::read(&path).unwrap();
            bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
            found.insert(path.strip_prefix(root).unwrap().to_owned(), bytes);
        }
    }
    found
}

#[test]
fn bytes_are_those_of_stock_4_3_0() {
    let folder = tempfile::tempdir().unwrap();
    copy_log(folder.path());
    let store = open(folder.path(), true);
    store.shutdown().unwrap();
    for name in ["consumequeue", "consumequeue_ext"] {
        let ours = files(folder.path(), name);
        assert!(!ours.is_empty());
        assert_eq!(ours, files(&golden().join("store-ext"), name));
    }
    // What is there is found again and not made a second time.
    let before = files(folder.path(), "consumequeue_ext");
    open(folder.path(), true).shutdown().unwrap();
    assert_eq!(files(folder.path(), "consumequeue_ext"), before);
}

fn put(store: &MessageStore, tags: &str) {
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
        body: tags.as_bytes(),
        properties: &format!("TAGS\u{1}{tags}\u{2}"),
    });
    assert_eq!(result.status, PutStatus::PutOk);
    store.dispatch_all();
}

/// Lets one tags code pass, and what tells none.
struct Only(i64);

impl MessageFilter for Only {
    fn matches_queue(&self, tags_code: Option<i64>) -> bool {
        tags_code.is_none_or(|code| code == self.0)
    }
}

/// How many messages of the queue pass a filter for the tag "a".
fn passed(store: &MessageStore) -> usize {
    let result = store.get("T", 0, 0, 32, &Only(compat::hash::java_string_hash("a").into())).unwrap();
    assert!(matches!(result.status, GetStatus::Found | GetStatus::NoMatchedMessage));
    result.message_count
}

#[test]
fn filters_see_the_tags_behind_the_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), true);
    (0..15).for_each(|number| put(&store, if number % 3 == 0 { "a" } else { "b" }));
    assert_eq!(passed(&store), 5);
    assert!(store.unit("T", 0, 14).unwrap().tags_code < i64::from(i32::MIN));
    store.shutdown().unwrap();
    drop(store);

    // Without ext files the addresses tell nothing, and nothing is held back; new entries have their codes.
    let store = open(folder.path(), false);
    assert_eq!(passed(&store), 15);
    put(&store, "a");
    put(&store, "b");
    assert_eq!(passed(&store), 16);
    store.shutdown().unwrap();
    drop(store);

    // With them again both kinds stand side by side.
    let store = open(folder.path(), true);
    assert_eq!(passed(&store), 6);
    (0..3).for_each(|_| put(&store, "a"));
    assert_eq!(passed(&store), 9);
    store.abandon();
    drop(store);

    let store = open(folder.path(), true);
    assert_eq!((passed(&store), store.max_offset("T", 0)), (9, 20));
    store.shutdown().unwrap();
}

/// Units that did not reach the disk: the entries that had them pass, and no later unit is taken for theirs.
#[test]
fn lost_units_hold_nothing_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), true);
    (0..8).for_each(|_| put(&store, "b"));
    store.abandon();
    drop(store);
    let path = folder.path().join("consumequeue_ext/T/0/00000000000000000000");
    let mut bytes = fs::read(&path).unwrap();
    bytes[100..].fill(0);
    fs::write(&path, bytes).unwrap();

    let store = open(folder.path(), true);
    (0..8).for_each(|_| put(&store, "b"));
    assert_eq!(passed(&store), 3, "the three lost ones, and no other");
    store.shutdown().unwrap();
}

#[test]
fn a_deleted_topic_leaves_no_ext_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), true);
    (0..30).for_each(|_| put(&store, "a"));
    assert_eq!(files(folder.path(), "consumequeue_ext").len(), 3);
    assert!(store.delete_topic("T").error.is_none());
    assert!(!folder.path().join("consumequeue_ext/T").exists());
    put(&store, "a");
    assert_eq!(passed(&store), 1);
    store.shutdown().unwrap();
}
