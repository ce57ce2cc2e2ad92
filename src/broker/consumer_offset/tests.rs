//! The table of consumer offsets, and what its journal makes of kills, damage and full disks. A kill is a table that is
//! let go without being closed.

use std::path::Path;

use super::*;

fn offsets(folder: &tempfile::TempDir) -> ConsumerOffsets {
    ConsumerOffsets::open(folder.path().join("consumerOffset.json"), || ()).unwrap()
}

#[test]
fn the_last_commit_counts_also_backwards() {
    let folder = tempfile::tempdir().unwrap();
    let offsets = offsets(&folder);
    assert_eq!(offsets.query("g", "T", 0), None);
    let check = |queue_id: i32, offset: i64, expected: Option<i64>| {
        offsets.commit("g", "T", queue_id, offset);
        assert_eq!(offsets.query("g", "T", queue_id), expected);
    };
    check(0, 5, Some(5));
    check(1, 7, Some(7));
    check(0, 3, Some(3));
    check(-1, 3, None);
    check(QUEUE_NUMS_MAX, 3, None);
    offsets.commit("a/b", "T", 0, 1);
    offsets.commit("g", "../T", 0, 1);
    assert_eq!(offsets.query("a/b", "T", 0), None);
    assert_eq!(offsets.topics_of("g"), ["T"]);
    assert_eq!(offsets.groups_of("T"), ["g"]);
    assert_eq!(offsets.query_topic("g", "T"), Some(BTreeMap::from([(0, 3), (1, 7)])));
}

#[test]
fn offsets_survive_in_javas_file() {
    let folder = tempfile::tempdir().unwrap();
    let first = offsets(&folder);
    first.commit("g", "T", 0, 196);
    first.commit("g", "T", 1, 199);
    first.commit("h", "%RETRY%g", 0, 1);
    first.persist(|| ()).unwrap();
    let text = std::fs::read_to_string(folder.path().join("consumerOffset.json")).unwrap();
    assert!(text.contains("\"T@g\":{0:196,1:199"), "{text}");
    let second = offsets(&folder);
    assert_eq!(second.snapshot(), first.snapshot());
    assert_eq!(second.query("h", "%RETRY%g", 0), Some(1));
    // Nothing new: the file is left alone.
    std::fs::remove_file(folder.path().join("consumerOffset.json")).unwrap();
    first.commit("g", "T", 0, 196);
    first.persist(|| ()).unwrap();
    assert!(!folder.path().join("consumerOffset.json").exists());
}

#[test]
fn what_is_not_here_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let offsets = offsets(&folder);
    let check = |queue_id: i32, is_here: bool| offsets.may_commit("g", "T", queue_id, || is_here);
    let max = i32::try_from(ANY_MAX).unwrap();
    for queue_id in 0..max {
        assert!(check(queue_id, false));
        offsets.commit("g", "T", queue_id, 1);
        offsets.commit("g", "T", queue_id, 2);
    }
    assert_eq!((check(max, false), check(max, true), check(0, false)), (false, true, true));
    offsets.remove_queues("T", |queue_id| queue_id == 5);
    assert!(check(max, false), "there is room");
    offsets.remove_group("g");
    assert_eq!(offsets.count.load(Ordering::Relaxed), 0);
}

/// Were all groups walked over for each topic, this would take hours.
#[test]
fn topics_end_without_a_look_at_all_others() {
    let folder = tempfile::tempdir().unwrap();
    let offsets = offsets(&folder);
    for number in 0..100_000 {
        offsets.commit(&format!("g{number}"), &format!("T{number}"), 0, 1);
    }
    for number in 0..99_999 {
        offsets.remove_topic(&format!("T{number}"));
    }
    assert_eq!(offsets.snapshot(), table(&[("T99999@g99999", &[(0, 1)])]));
    offsets.remove_group("g99999");
    let table = offsets.read();
    assert_eq!((table.pairs, table.groups.len(), table.of_topic.len()), (0, 0, 0));
}

#[test]
fn a_group_can_take_anothers_offsets() {
    let folder = tempfile::tempdir().unwrap();
    let offsets = offsets(&folder);
    offsets.commit("g", "T", 0, 5);
    offsets.clone_offset("g", "h", "T");
    offsets.clone_offset("none", "h", "U");
    offsets.commit("g", "T", 0, 6);
    assert_eq!((offsets.query("h", "T", 0), offsets.query("h", "U", 0)), (Some(5), None));
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".journal"))
        .collect();
    names.sort();
    names
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// What a broker that starts on a copy of a folder knows.
fn after_kill(folder: &tempfile::TempDir) -> ConsumerOffsetSerializeWrapper {
    let copied = tempfile::tempdir().unwrap();
    copy(folder.path(), copied.path());
    let after = offsets(&copied);
    let table = after.snapshot();
    // And whoever starts after that one.
    drop(after);
    assert_eq!(offsets(&copied).snapshot(), table);
    table
}

fn table(entries: &[(&str, &[(i32, i64)])]) -> ConsumerOffsetSerializeWrapper {
    let queues = |queues: &[(i32, i64)]| queues.iter().copied().collect();
    let offset_table = entries.iter().map(|(key, of_key)| ((*key).to_owned(), queues(of_key))).collect();
    ConsumerOffsetSerializeWrapper { offset_table }
}

#[test]
fn what_was_written_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let offsets = offsets(&folder);
    let check = |expected: &[(&str, &[(i32, i64)])]| {
        assert_eq!(after_kill(&folder), table(&[]), "not written yet");
        offsets.write_journal();
        assert_eq!(offsets.snapshot(), table(expected));
        assert_eq!(after_kill(&folder), table(expected));
        std::fs::remove_file(folder.path().join("consumerOffset.journal.1")).unwrap();
    };
    offsets.commit("g", "T", 0, 5);
    offsets.commit("g", "T", 0, 6);
    offsets.commit("g", "T", 1, 9);
    offsets.commit("h", "%RETRY%h", 0, 7);
    offsets.commit("g", "T", 0, 3);
    check(&[("T@g", &[(0, 3), (1, 9)]), ("%RETRY%h@h", &[(0, 7)])]);
}

#[test]
fn every_change_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let offsets = offsets(&folder);
    let check = |expected: &[(&str, &[(i32, i64)])]| {
        offsets.write_journal();
        assert_eq!(offsets.snapshot(), table(expected));
        assert_eq!(after_kill(&folder), table(expected));
    };
    for (group, topic, queue_id) in [("g", "T", 0), ("g", "T", 1), ("g", "U", 0), ("h", "T", 2)] {
        offsets.commit(group, topic, queue_id, 5);
    }
    check(&[("T@g", &[(0, 5), (1, 5)]), ("U@g", &[(0, 5)]), ("T@h", &[(2, 5)])]);
    offsets.clone_offset("g", "h", "T");
    check(&[("T@g", &[(0, 5), (1, 5)]), ("U@g", &[(0, 5)]), ("T@h", &[(0, 5), (1, 5)])]);
    offsets.remove_topic("T");
    check(&[("U@g", &[(0, 5)])]);
    offsets.commit("g", "T", 1, 6);
    offsets.commit("h", "T", 0, 6);
    offsets.remove_group("g");
    check(&[("T@h", &[(0, 6)])]);
    offsets.commit("g", "U", 3, 8);
    check(&[("T@h", &[(0, 6)]), ("U@g", &[(3, 8)])]);
    offsets.replace(table(&[("T@h", &[(1, 7)]), ("V@g", &[(0, 1)])]));
    check(&[("T@h", &[(1, 7)]), ("V@g", &[(0, 1)])]);
}

/// Each step of writing the snapshot, with a commit before and after it.
#[test]
fn a_kill_while_the_snapshot_is_written_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let offsets = offsets(&folder);
    let mut expected = BTreeMap::new();
    let mut next = 0;
    let mut commit_and_check = |step: &str| {
        for queue_id in [next % 3, 10 + next] {
            offsets.commit("g", "T", queue_id, i64::from(next));
            expected.insert(queue_id, i64::from(next));
        }
        offsets.write_journal();
        next += 1;
        let all =
            ConsumerOffsetSerializeWrapper { offset_table: [("T@g".to_owned(), expected.clone())].into() };
        assert_eq!(after_kill(&folder), all, "{step} {next}");
    };
    for _ in 0..5 {
        commit_and_check("before");
        offsets.journal.begin();
        commit_and_check("begun");
        let text = config_file::text(&offsets.snapshot());
        commit_and_check("made");
        offsets.journal.continue_from(Digest::of(&text));
        commit_and_check("announced");
        config_file::replace(&offsets.file, &text).unwrap();
        commit_and_check("in place");
        offsets.journal.snapshot_written();
        commit_and_check("older files removed");
    }
    assert_eq!(names(folder.path()).len(), 2);
    offsets.close(|| ()).unwrap();
    assert_eq!(names(folder.path()), [""; 0]);
    assert_eq!(after_kill(&folder), offsets.snapshot());
}

/// Nothing is committed between two snapshots' beginnings and ends.
#[test]
fn a_kill_right_behind_a_snapshot_leaves_nothing_to_be_said() {
    let folder = tempfile::tempdir().unwrap();
    let first = offsets(&folder);
    first.commit("g", "T", 0, 5);
    first.persist(|| ()).unwrap();
    drop(first);
    let text = std::fs::read(folder.path().join("consumerOffset.json")).unwrap();
    let path = folder.path().join("consumerOffset.journal");
    let found = Found::read(&path);
    assert_eq!(found.changes_since(&path, Digest::of(&text), |_| true), Some(0));
}

/// A file with five commits; what is left when it ends or changes anywhere.
#[test]
fn a_torn_or_damaged_journal_counts_up_to_there() {
    let folder = tempfile::tempdir().unwrap();
    let first = offsets(&folder);
    first.commit("g", "T", 0, 1);
    first.persist(|| ()).unwrap();
    let path = folder.path().join("consumerOffset.journal.2");
    let header_bytes = std::fs::metadata(&path).unwrap().len() as usize;
    let mut lengths = vec![header_bytes];
    for (topic, offset) in [("T", 2), ("T", 3), ("U", 4), ("T", 5), ("U", 6)] {
        first.commit("g", topic, 0, offset);
        first.write_journal();
        lengths.push(std::fs::metadata(&path).unwrap().len() as usize);
    }
    drop(first);
    let states = [(1, None), (2, None), (3, None), (3, Some(4)), (5, Some(4)), (5, Some(6))];
    let whole = std::fs::read(&path).unwrap();
    let open = |bytes: &[u8]| {
        let copied = tempfile::tempdir().unwrap();
        copy(folder.path(), copied.path());
        std::fs::write(copied.path().join("consumerOffset.journal.2"), bytes).unwrap();
        let offsets = offsets(&copied);
        (offsets.query("g", "T", 0).unwrap(), offsets.query("g", "U", 0))
    };
    for length in 0..=whole.len() {
        let commits = lengths.iter().rposition(|whole| *whole <= length).unwrap_or(0);
        assert_eq!(open(&whole[..length]), states[commits], "{length} of {} bytes", whole.len());
    }
    for at in 0..whole.len() {
        let commits = lengths.iter().rposition(|whole| *whole <= at).unwrap_or(0);
        for change in [1, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] ^= change;
            assert_eq!(open(&damaged), states[commits], "byte {at} of {} by {change}", whole.len());
        }
    }
    // Whole records that make no sense, zeros behind the end as after a power cut, and another file altogether.
    let mut zeros = whole.clone();
    zeros.extend([0; 4096]);
    assert_eq!(open(&zeros), states[5]);
    assert_eq!(open(b"{}"), states[0]);
    for (kind, content) in [
        (0, &[0; 4][..]),
        (2, &[0xff, 0xfe]),
        (2, b"no separator"),
        (3, &[0; 16]),
        (3, &[9; 15]),
        (4, &[0, 0, 0, 9]),
        (5, b""),
    ] {
        let mut bytes = whole[..header_bytes].to_vec();
        journal::push(&mut bytes, kind, content);
        if content == b"no separator" {
            journal::push(&mut bytes, 3, &[0; 16]);
        }
        assert_eq!(open(&bytes), states[0], "kind {kind} {content:?}");
    }
}

#[test]
fn a_journal_is_for_its_own_file_alone() {
    let java = r#"{"offsetTable":{"T@g":{0:40}}}"#;
    let check = |json: Option<&str>, copy_text: Option<&str>, expected: Option<i64>| {
        let folder = tempfile::tempdir().unwrap();
        let first = offsets(&folder);
        for offset in 4..7 {
            first.commit("g", "T", 0, offset);
            first.persist(|| ()).unwrap();
        }
        first.commit("g", "T", 0, 7);
        first.write_journal();
        drop(first);
        for (name, text) in [("consumerOffset.json", json), ("consumerOffset.json.bak", copy_text)] {
            let path = folder.path().join(name);
            match text {
                Some("as it was") => {}
                Some(text) => std::fs::write(path, text).unwrap(),
                None => std::fs::remove_file(path).unwrap(),
            }
        }
        let second = offsets(&folder);
        assert_eq!(second.query("g", "T", 0), expected, "{json:?} {copy_text:?}");
        if expected != Some(7) {
            assert_eq!(names(folder.path()), [""; 0]);
        }
        second.commit("g", "T", 0, 50);
        second.write_journal();
        drop(second);
        assert_eq!(offsets(&folder).query("g", "T", 0), Some(50), "its own journal counts");
    };
    check(Some("as it was"), Some("as it was"), Some(7));
    check(Some("as it was"), None, Some(7));
    check(Some(java), Some("as it was"), Some(40));
    // The copy is one of ours, which both files of the journal continue.
    check(Some("{damaged"), Some("as it was"), Some(7));
    check(None, Some("as it was"), Some(7));
    check(Some("{damaged"), Some(java), Some(40));
    check(None, None, None);
}

#[test]
fn a_journal_that_cannot_be_written_leaves_the_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let first = offsets(&folder);
    first.commit("g", "T", 0, 1);
    first.persist(|| ()).unwrap();
    // In the place of the file that would come next.
    std::fs::create_dir(folder.path().join("consumerOffset.journal.3")).unwrap();
    first.commit("g", "T", 0, 2);
    first.persist(|| ()).unwrap();
    first.commit("g", "T", 0, 3);
    first.write_journal();
    assert_eq!(first.query("g", "T", 0), Some(3));
    std::fs::remove_dir(folder.path().join("consumerOffset.journal.3")).unwrap();
    assert_eq!(after_kill(&folder), table(&[("T@g", &[(0, 3)])]), "the next file is written again");
    first.persist(|| ()).unwrap();
    assert_eq!(after_kill(&folder), table(&[("T@g", &[(0, 3)])]));
    assert_eq!(names(folder.path()).len(), 2);
}

#[test]
fn a_journal_that_cannot_be_read_stops_no_start() {
    let folder = tempfile::tempdir().unwrap();
    let first = offsets(&folder);
    first.commit("g", "T", 0, 1);
    first.close(|| ()).unwrap();
    drop(first);
    for name in ["consumerOffset.journal.1", "consumerOffset.journal.18446744073709551615"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        let second = offsets(&folder);
        assert_eq!(second.query("g", "T", 0), Some(1));
        for offset in 2..5 {
            second.commit("g", "T", 0, offset);
            second.write_journal();
            second.persist(|| ()).unwrap();
        }
        second.commit("g", "T", 0, 1);
        second.write_journal();
        drop(second);
        assert_eq!(offsets(&folder).query("g", "T", 0), Some(1), "{name}");
        std::fs::remove_dir(folder.path().join(name)).unwrap();
    }
}

#[test]
fn a_snapshot_that_cannot_be_written_leaves_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let first = offsets(&folder);
    first.commit("g", "T", 0, 1);
    first.persist(|| ()).unwrap();
    // In the place of the file that would be renamed; then of the copy, when the file itself is in its place already.
    for (number, name) in ["consumerOffset.json.tmp", "consumerOffset.json.bak.tmp"].iter().enumerate() {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        for offset in 2..20 {
            let offset = offset + 100 * number as i64;
            first.commit("g", "T", 0, offset);
            first.write_journal();
            assert!(first.persist(|| ()).is_err());
            let copied = tempfile::tempdir().unwrap();
            std::fs::remove_dir(folder.path().join(name)).unwrap();
            copy(folder.path(), copied.path());
            std::fs::create_dir(folder.path().join(name)).unwrap();
            assert_eq!(offsets(&copied).query("g", "T", 0), Some(offset));
        }
        assert!(names(folder.path()).len() <= 4, "{:?}", names(folder.path()));
        std::fs::remove_dir(folder.path().join(name)).unwrap();
    }
    first.persist(|| ()).unwrap();
    assert_eq!(names(folder.path()).len(), 2);
    assert_eq!(after_kill(&folder), table(&[("T@g", &[(0, 119)])]));
}

#[test]
fn a_long_journal_asks_for_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let offsets = ConsumerOffsets::open(folder.path().join("consumerOffset.json"), move || {
        counter.fetch_add(1, Ordering::Relaxed);
    })
    .unwrap();
    let mut offset = 0;
    let mut fill = || {
        let before = asked.load(Ordering::Relaxed);
        while asked.load(Ordering::Relaxed) == before {
            offset += 1;
            assert!(offset < 4 << 20);
            offsets.commit("g", "T", (offset % 8) as i32, offset);
        }
        (offset + 1..=offset + 100).for_each(|offset| offsets.commit("g", "T", 9, offset));
        offsets.write_journal();
        assert_eq!(asked.load(Ordering::Relaxed), before + 1, "once");
    };
    fill();
    let bytes = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().len();
    assert!(bytes("consumerOffset.journal.1") >= journal::COMPACT_BYTES);
    offsets.persist(|| ()).unwrap();
    assert!(bytes("consumerOffset.journal.2") < 100);
    fill();
    offsets.persist(|| ()).unwrap();
    assert_eq!(names(folder.path()), ["consumerOffset.journal.2", "consumerOffset.journal.3"]);
    assert_eq!(after_kill(&folder), offsets.snapshot());
}

/// Committing while snapshots are written: whatever was written before a copy of the folder is taken is in it.
#[test]
fn commits_and_snapshots_at_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let offsets = offsets(&folder);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (offsets, is_over) = (&offsets, &is_over);
        for group in ["g", "h"] {
            scope.spawn(move || {
                for offset in 0..3000 {
                    offsets.commit(group, "T", (offset % 3) as i32, offset);
                    if offset % 100 == 99 {
                        offsets.remove_topic("U");
                        offsets.commit(group, "U", 0, offset);
                    }
                    offsets.write_journal();
                }
                is_over.store(true, Ordering::Release);
            });
        }
        while !is_over.load(Ordering::Acquire) {
            offsets.persist(|| ()).unwrap();
        }
    });
    offsets.write_journal();
    assert_eq!(after_kill(&folder), offsets.snapshot());
    assert_eq!(offsets.query_topic("g", "T"), Some(BTreeMap::from([(0, 2997), (1, 2998), (2, 2999)])));
}
