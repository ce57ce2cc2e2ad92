//! Index files: their bytes, their ends, and what becomes of damage.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::*;
use crate::store::record::{self, Content};

const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 10_911);
const SHAPE: Shape = Shape { slots: 7, entries: 10 };
const END: i64 = i64::MAX;

fn record(offset: i64, store_ms: i64, properties: &str) -> Vec<u8> {
    let content = Content {
        topic: "T",
        queue_id: 0,
        flag: 0,
        sys_flag: 0,
        born_timestamp_ms: 0,
        born_host: HOST,
        store_host: HOST,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: b"x",
        properties,
    };
    record::encoded(&content, 0, offset, store_ms)
}

fn put(index: &Index, offset: i64, store_ms: i64, properties: &str) {
    let bytes = record(offset, store_ms, properties);
    index.put(&record::parse(&bytes).unwrap()).unwrap();
}

fn key(name: &str) -> String {
    format!("KEYS\u{1}{name}\u{2}")
}

fn open(folder: &Path, is_clean: bool, stated: Option<Complete>) -> Index {
    Index::open(folder.to_owned(), SHAPE, is_clean, stated, END).unwrap()
}

fn find(index: &Index, name: &str, begin_ms: i64, end_ms: i64) -> Vec<i64> {
    let mut found = Vec::new();
    index.query("T", name, begin_ms, end_ms, |offset| {
        found.push(offset);
        true
    });
    found
}

fn all(index: &Index, name: &str) -> Vec<i64> {
    find(index, name, 0, i64::MAX)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let names = names(folder).unwrap();
    names.into_iter().map(|(name, _)| folder.join(name)).collect()
}

#[test]
fn bytes_are_as_javas() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path(), true, None);
    put(&index, 100, 50_000, "UNIQ_KEY\u{1}u\u{2}KEYS\u{1}a  b\u{2}");
    put(&index, 300, 52_999, &key("a"));
    index.flush(true).unwrap();
    let [path] = &files(folder.path())[..] else { panic!("one file") };
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(bytes.len(), 40 + 4 * 7 + 20 * 10);
    let number = |at: usize| i32::from_be_bytes(*bytes[at..].first_chunk().unwrap());
    let long = |at: usize| i64::from_be_bytes(*bytes[at..].first_chunk().unwrap());
    assert_eq!([long(0), long(8), long(16), long(24)], [50_000, 52_999, 100, 300]);
    assert_eq!((number(32), number(36)), (4, 5));
    let hash = |name: &str| compat::hash::java_string_hash(&format!("T#{name}"));
    for (entry, name, offset, seconds) in
        [(1, "u", 100, 0), (2, "a", 100, 0), (3, "b", 100, 0), (4, "a", 300, 2)]
    {
        let at = 68 + 20 * entry;
        assert_eq!((number(at), long(at + 4), number(at + 12)), (hash(name), offset, seconds), "{name}");
    }
    assert_eq!(number(68 + 20 * 4 + 16), 2, "the key's entry before");
    assert_eq!(number(40 + 4 * usize::try_from(hash("a") % 7).unwrap()), 4);
}

#[test]
fn keys_are_found_by_time_newest_first() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path(), true, None);
    for number in 0..25 {
        put(&index, number * 100, 10_000 + number * 1000, &key("k"));
    }
    assert_eq!(files(folder.path()).len(), 3, "nine entries each");
    assert_eq!(all(&index, "k"), (0..25).rev().map(|number| number * 100).collect::<Vec<_>>());
    assert_eq!(find(&index, "k", 12_000, 13_000), [300, 200]);
    assert!(all(&index, "other").is_empty());
    let mut few = Vec::new();
    let newest = index.query("T", "k", 0, i64::MAX, |offset| {
        few.push(offset);
        few.len() < 2
    });
    assert_eq!((few, newest), (vec![2400, 2300], (34_000, 2400)));
    let index = open(folder.path(), true, None);
    assert_eq!((all(&index, "k").len(), index.indexed_to()), (25, 2401));
    index.delete_before(900).unwrap();
    assert_eq!(all(&index, "k").len(), 16);
    index.delete_before(i64::MAX).unwrap();
    assert_eq!(files(folder.path()).len(), 1, "the newest stays");
}

#[test]
fn nothing_is_put_twice() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path(), true, None);
    put(&index, 0, 1000, &key("a b"));
    put(&index, 0, 1000, &key("a b"));
    put(&index, 200, 1000, "");
    assert_eq!(all(&index, "a"), [0]);
    let complete = index.complete();
    assert_eq!(complete, Complete { indexed_to: 200 + record(0, 0, "").len() as i64, newest_offset: 0 });
    drop(index);
    for (is_clean, stated, expected) in [
        (true, Some(complete), complete.indexed_to),
        (true, None, 1),
        (true, Some(Complete { newest_offset: 5, ..complete }), 1),
        (false, Some(complete), 0),
    ] {
        assert_eq!(open(folder.path(), is_clean, stated).indexed_to(), expected, "{is_clean} {stated:?}");
    }
    let complete = Complete { indexed_to: 500, newest_offset: -1 };
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(open(empty.path(), true, Some(complete)).indexed_to(), 500, "no record had a key");
    assert_eq!(open(empty.path(), true, None).indexed_to(), 0);
}

/// Fills an index file; the places are 200 apart, each with two keys of which one is everywhere.
fn filled(folder: &Path) -> usize {
    let index = open(folder, true, None);
    for number in 0..4 {
        put(&index, number * 200, 1000, &key(&format!("all only{number}")));
    }
    index.flush(true).unwrap();
    4
}

fn refill(index: &Index) {
    for number in 0..4 {
        put(index, number * 200, 1000, &key(&format!("all only{number}")));
    }
}

#[test]
fn after_a_kill_damage_costs_one_key_at_most() {
    let whole = tempfile::tempdir().unwrap();
    filled(whole.path());
    let bytes = std::fs::read(&files(whole.path())[0]).unwrap();
    // All that is used: header, slots, entries 1 to 8.
    for at in 0..40 + 4 * 7 + 20 * 9 {
        for noise in [0xFF, 0x01, 0x80] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("20260101000000000");
            let mut damaged = bytes.clone();
            damaged[at] ^= noise;
            std::fs::write(&path, damaged).unwrap();
            let index = open(folder.path(), false, None);
            refill(&index);
            // A hash or place that is only wrong, and not out of line, is for `store check` to find.
            let everywhere = all(&index, "all");
            let is_known = |offset: i64| i64::from(everywhere.contains(&offset));
            let only =
                |number: i64| i64::from(all(&index, &format!("only{number}")).contains(&(number * 200)));
            let found: i64 = (0..4).map(|number| is_known(number * 200) + only(number)).sum();
            assert!(found >= 7, "byte {at} by {noise}: {found} of 8");
            let is_entry = at >= 68;
            assert!(is_entry || found == 8, "byte {at} by {noise}: header and slots are mended");
        }
    }
}

#[test]
fn damage_under_a_running_index_ends_a_look_and_nothing_else() {
    let whole = tempfile::tempdir().unwrap();
    filled(whole.path());
    let bytes = std::fs::read(&files(whole.path())[0]).unwrap();
    for at in 0..bytes.len() {
        let folder = tempfile::tempdir().unwrap();
        let mut damaged = bytes.clone();
        damaged[at] ^= 0xFF;
        std::fs::write(folder.path().join("20260101000000000"), damaged).unwrap();
        let index = open(folder.path(), true, None);
        assert!(all(&index, "all").len() <= 4, "byte {at}");
        put(&index, 900, 1000, &key("new"));
        assert_eq!(all(&index, "new"), [900], "byte {at}");
    }
}

#[test]
fn files_that_are_no_index_are_made_again() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let path = files(folder.path()).remove(0);
    std::fs::write(folder.path().join("notes"), "x").unwrap();
    for length in [0, 39, 100, 1000] {
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length).unwrap();
        let index = open(folder.path(), true, None);
        assert_eq!(index.indexed_to(), 0);
        refill(&index);
        assert_eq!(all(&index, "all").len(), 4);
        drop(index);
        std::fs::rename(&files(folder.path())[0], &path).unwrap();
    }
}

#[test]
fn entries_behind_the_logs_end_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path(), true, None);
    for number in 0..25 {
        put(&index, number * 100, 1000, &key("k"));
    }
    index.truncate(1250).unwrap();
    assert_eq!((all(&index, "k").len(), index.indexed_to()), (13, 1250));
    assert_eq!(files(folder.path()).len(), 2);
    put(&index, 1250, 2000, &key("k"));
    assert_eq!(all(&index, "k")[..2], [1250, 1200]);
    index.truncate(0).unwrap();
    assert!(all(&index, "k").is_empty());
    put(&index, 0, 2000, &key("k"));
    assert_eq!(all(&index, "k"), [0]);
}
