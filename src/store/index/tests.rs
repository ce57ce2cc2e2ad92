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
    let index = open(folder.path(), true, None);
    assert_eq!(index.resume_at(), 0, "where a record begins");
    put(&index, 0, 1000, &key("a b"));
    assert_eq!(index.complete().indexed_to, record(0, 0, &key("a b")).len() as i64);
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

/// Puts records 200 apart, each with one key of its own.
fn put_numbered(index: &Index, numbers: std::ops::Range<i64>) {
    for number in numbers {
        put(index, number * 200, 1000, &key(&format!("k{number}")));
    }
}

fn assert_numbered(index: &Index, numbers: std::ops::Range<i64>) {
    for number in numbers {
        assert_eq!(all(index, &format!("k{number}")), [number * 200], "{number}");
    }
}

fn edit(path: &Path, change: impl FnOnce(&mut [u8])) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn keys_of_a_record_that_are_in_two_files_are_all_there_after_a_kill() {
    // The last record's first key, its first two, ... fit into the first file.
    for before in [6, 7, 8] {
        let folder = tempfile::tempdir().unwrap();
        let index = open(folder.path(), true, None);
        put_numbered(&index, 0..before);
        put(&index, 2000, 1000, &key("x y z w"));
        drop(index);
        assert_eq!(files(folder.path()).len(), 2);
        // Killed when the second file was made, and when it had all entries.
        for is_new in [false, true] {
            if is_new {
                edit(&files(folder.path())[1], |bytes| bytes[36..40].copy_from_slice(&1_i32.to_be_bytes()));
            }
            let index = open(folder.path(), false, None);
            assert!(index.resume_at() >= (before - 1) * 200, "{}", index.resume_at());
            put(&index, 2000, 1000, &key("x y z w"));
            for name in ["x", "y", "z", "w"] {
                assert_eq!(all(&index, name), [2000], "{name}, {before} before");
            }
            assert_numbered(&index, 0..before);
        }
    }
}

#[test]
fn a_header_that_is_newer_than_the_entries_costs_those_only() {
    let folder = tempfile::tempdir().unwrap();
    put_numbered(&open(folder.path(), true, None), 0..9);
    edit(&files(folder.path())[0], |bytes| bytes[68 + 20 * 8..].fill(0));
    let index = open(folder.path(), false, None);
    assert_eq!(index.resume_at(), 1000, "the last record whose keys are all there");
    put_numbered(&index, 5..9);
    assert_numbered(&index, 0..9);
}

#[test]
fn full_files_that_were_not_on_disk_are_proven_too() {
    for stated in [None, Some(Complete { indexed_to: 500, newest_offset: 400 })] {
        let folder = tempfile::tempdir().unwrap();
        put_numbered(&open(folder.path(), true, None), 0..10);
        edit(&files(folder.path())[0], |bytes| bytes[68 + 20 * 5..68 + 20 * 7].fill(0));
        let index = open(folder.path(), false, stated);
        put_numbered(&index, 0..10);
        assert_numbered(&index, 0..10);
    }
}

#[test]
fn a_file_that_says_it_has_fewer_entries_hides_none_of_them() {
    for next in [0, 1, 5] {
        for is_clean in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            put_numbered(&open(folder.path(), true, None), 0..20);
            edit(&files(folder.path())[1], |bytes| {
                let last = number_at(bytes, 68 + 20 * (next.max(1) - 1) + 8);
                bytes[28..32].copy_from_slice(&last.to_be_bytes());
                bytes[36..40].copy_from_slice(&(next as i32).to_be_bytes());
            });
            let index = open(folder.path(), is_clean, None);
            put_numbered(&index, 0..20);
            assert_numbered(&index, 0..20);
        }
    }
}

fn number_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(*bytes[at..].first_chunk().unwrap())
}

#[test]
fn a_local_time_that_goes_back_changes_no_order() {
    let folder = tempfile::tempdir().unwrap();
    put_numbered(&open(folder.path(), true, None), 0..9);
    let later = folder.path().join("20991231235959999");
    std::fs::rename(&files(folder.path())[0], &later).unwrap();
    put_numbered(&open(folder.path(), true, None), 9..10);
    assert_eq!(files(folder.path())[1], folder.path().join("20991231235960000"));
    // As Java leaves it.
    std::fs::rename(&later, folder.path().join("20991231235970000")).unwrap();
    for is_clean in [true, false] {
        let index = open(folder.path(), is_clean, None);
        put_numbered(&index, 9..10);
        assert_numbered(&index, 0..10);
    }
}

#[test]
fn times_that_cannot_be_end_a_look() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    edit(&files(folder.path())[0], |bytes| {
        for at in [0, 8] {
            bytes[at..at + 8].copy_from_slice(&i64::MAX.to_be_bytes());
        }
    });
    let index = open(folder.path(), true, None);
    assert_eq!(all(&index, "all").len(), 4);
    assert!(find(&index, "all", 0, 5000).is_empty());
}

#[test]
fn the_first_message_of_a_rolled_file_is_found_by_its_own_time() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path(), true, None);
    put_numbered(&index, 0..9);
    put(&index, 9 * 200, 3_601_000, &key("k9"));
    let bytes = std::fs::read(&files(folder.path())[1]).unwrap();
    assert_eq!(number_at(&bytes, 68 + 20 + 12), 3600, "as Java: since the end of the file before");
    assert_eq!(find(&index, "k9", 3_601_000, 3_602_000), [1800]);
    assert!(find(&index, "k9", 3_603_000, i64::MAX).is_empty());
}

#[test]
fn a_file_that_cannot_be_made_is_not_left_behind() {
    // More than any file system takes for one file.
    let shape = Shape { slots: usize::MAX / 16, entries: 2 };
    let folder = tempfile::tempdir().unwrap();
    let index = Index::open(folder.path().to_owned(), shape, true, None, END).unwrap();
    let bytes = record(0, 1000, &key("k"));
    for _ in 0..2 {
        assert!(index.put(&record::parse(&bytes).unwrap()).is_err());
        assert!(files(folder.path()).is_empty());
    }
    assert_eq!(index.indexed_to(), 0);
}

#[test]
fn keys_are_those_that_java_indexes() {
    let check = |properties: &str, expected: &[&str]| {
        assert_eq!(keys(properties).collect::<Vec<_>>(), expected, "{properties:?}");
    };
    check("", &[]);
    check("TAGS\u{1}t\u{2}", &[]);
    check("KEYS\u{1}a\u{2}UNIQ_KEY\u{1}u\u{2}", &["u", "a"]);
    check("UNIQ_KEY\u{1}u v\u{2}", &["u v"]);
    check("KEYS\u{1} a  b\tc \u{2}", &["a", "b\tc"]);
    check("KEYS\u{1}a a\u{2}", &["a", "a"]);
    check("KEYS\u{1}a\u{2}KEYS\u{1}b\u{2}", &["b"]);
    check("KEYS\u{1}\u{2}", &[]);
}
