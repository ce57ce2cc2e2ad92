//! Tests of the ext files: addresses, file ends, what is found again after a stop.

use std::path::Path;

use super::*;

/// Holds four units without a bitmap, and the free end.
const FILE_BYTES: usize = 4 * UNIT_MIN_BYTES + END_BYTES + 10;

fn unit(number: i64, bitmap: &[u8]) -> ExtUnit {
    ExtUnit { tags_code: number, store_timestamp_ms: 1000 + number, bitmap: bitmap.to_vec() }
}

fn put(ext: &ConsumeQueueExt, number: i64) -> i64 {
    ext.put(number, 1000 + number, &[]).unwrap()
}

fn open(folder: &Path, newest: Option<i64>) -> ConsumeQueueExt {
    ConsumeQueueExt::open(folder.to_owned(), FILE_BYTES, newest).unwrap()
}

fn names(folder: &Path) -> Vec<u64> {
    files::list(folder).unwrap().files.into_iter().map(|(offset, _)| offset).collect()
}

/// Ten units in three files; their addresses.
fn filled(folder: &Path) -> Vec<i64> {
    let ext = open(folder, None);
    (0..10).map(|number| put(&ext, number)).collect()
}

#[test]
fn addresses_are_told_from_tags_codes() {
    let check = |code: i64, expected: bool| assert_eq!(is_address(code), expected, "{code}");
    check(0, false);
    check(i64::MAX, false);
    check(i32::MIN.into(), false);
    check(i64::from(i32::MIN) - 1, true);
    check(i64::MIN, true);
    assert_eq!(OFFSET_MAX, (1 << 63) - (1 << 31) - 1);
    assert_eq!(offset_of(address_of(OFFSET_MAX)), Some(OFFSET_MAX));
    assert_eq!((address_of(0), offset_of(5)), (i64::MIN, None));
}

#[test]
fn units_are_found_by_their_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let ext = open(folder.path(), None);
    let plain = put(&ext, -7);
    let mapped = ext.put(8, 1008, &[0xa5; 30]).unwrap();
    assert_eq!((offset_of(plain), offset_of(mapped)), (Some(0), Some(20)));
    assert_eq!((ext.get(plain), ext.get(mapped)), (Some(unit(-7, &[])), Some(unit(8, &[0xa5; 30]))));
    assert_eq!((ext.get(address_of(70)), ext.get(address_of(7)), ext.get(0)), (None, None, None));
    assert_eq!(ext.get(address_of(OFFSET_MAX)), None);
    // A unit longer than a file, and one longer than a unit may be.
    assert_eq!((ext.put(1, 1, &[0; 80]), ext.put(1, 1, &[0; 40_000])), (None, None));
    let bytes = std::fs::read(folder.path().join(files::file_name(0))).unwrap();
    assert_eq!(bytes[..20], [0, 20, 255, 255, 255, 255, 255, 255, 255, 249, 0, 0, 0, 0, 0, 0, 3, 225, 0, 0]);
    assert_eq!(bytes[38..41], [0, 30, 0xa5]);
    ext.flush(0).unwrap();
    ext.delete().unwrap();
    assert!(!folder.path().exists());
}

#[test]
fn a_unit_that_does_not_fit_begins_the_next_file() {
    let folder = tempfile::tempdir().unwrap();
    let addresses = filled(folder.path());
    let length = FILE_BYTES as u64;
    assert_eq!(
        addresses[4..6].iter().map(|it| offset_of(*it).unwrap()).collect::<Vec<_>>(),
        [length, length + 20]
    );
    assert_eq!(names(folder.path()), [0, length, 2 * length]);
    let bytes = std::fs::read(folder.path().join(files::file_name(0))).unwrap();
    assert_eq!(bytes[80..84], [0xff, 0xff, 0, 0]);
}

#[test]
fn units_go_on_behind_the_newest_address() {
    let folder = tempfile::tempdir().unwrap();
    let addresses = filled(folder.path());
    // By their own lengths, by the newest entry, and by one that was cut back.
    for (newest, next) in [(None, 10), (addresses.get(9), 10), (addresses.get(8), 9), (addresses.get(2), 3)] {
        let ext = open(folder.path(), newest.copied());
        assert_eq!(ext.end(), offset_of(addresses[next - 1]).unwrap() + 20);
        assert!((0..next).all(|number| ext.get(addresses[number]) == Some(unit(number as i64, &[]))));
        assert!(addresses[next..].iter().all(|address| ext.get(*address).is_none()));
    }
    let ext = open(folder.path(), Some(addresses[2]));
    assert_eq!(put(&ext, 3), addresses[3]);
    ext.truncate_behind(addresses[0]).unwrap();
    assert_eq!(put(&ext, 1), addresses[1]);
}

#[test]
fn a_lost_units_address_is_not_used_again() {
    let check = |newest: u64, damage: fn(&Path), next: u64| {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path());
        damage(folder.path());
        let ext = open(folder.path(), Some(address_of(newest)));
        assert_eq!(ext.get(address_of(newest)), None);
        let address = put(&ext, 99);
        assert_eq!(offset_of(address), Some(next), "newest {newest}");
        assert_eq!(ext.get(address), Some(unit(99, &[])));
        drop(ext);
        assert_eq!(open(folder.path(), Some(address)).get(address), Some(unit(99, &[])));
    };
    let length = FILE_BYTES as u64;
    // The last file has two units; more were written, but did not reach the disk.
    check(2 * length + 60, |_| {}, 3 * length);
    // Nor did the next file.
    check(3 * length + 20, |_| {}, 4 * length);
    // An address out of a damaged entry.
    check(1 << 62, |_| {}, 4 * length);
    check(7, |_| {}, 2 * length + 40);
    check(2 * length, |folder| std::fs::remove_dir_all(folder).unwrap(), 3 * length);
}

#[test]
fn no_unit_stands_beyond_the_last_address() {
    let folder = tempfile::tempdir().unwrap();
    let ext = open(folder.path(), Some(address_of(OFFSET_MAX)));
    assert_eq!((ext.put(1, 1, &[]), names(folder.path())), (None, vec![]));
}

#[test]
fn files_that_do_not_fit_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let addresses = filled(folder.path());
    let length = FILE_BYTES as u64;
    std::fs::remove_file(folder.path().join(files::file_name(length))).unwrap();
    std::fs::write(folder.path().join(files::file_name(7 * length)), "short").unwrap();
    let ext = open(folder.path(), Some(addresses[9]));
    assert_eq!(names(folder.path()), [2 * length]);
    assert_eq!((ext.get(addresses[0]), ext.get(addresses[9])), (None, Some(unit(9, &[]))));
}

#[test]
fn files_before_an_address_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let addresses = filled(folder.path());
    let ext = open(folder.path(), Some(addresses[9]));
    let length = FILE_BYTES as u64;
    let check = |address: i64, expected: &[u64]| {
        ext.delete_before(address).unwrap();
        assert_eq!(names(folder.path()), expected);
    };
    check(1, &[0, length, 2 * length]);
    // As Java: a file that ends right there stays.
    check(addresses[4], &[0, length, 2 * length]);
    check(addresses[5], &[length, 2 * length]);
    check(address_of(OFFSET_MAX), &[2 * length]);
    assert_eq!(ext.get(addresses[8]), Some(unit(8, &[])));
}
