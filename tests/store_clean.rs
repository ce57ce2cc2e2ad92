//! What leaves a store and when: by the hour, by the space, by command. The clock, the times of files and the fullness of
//! the disk are the test's own; the store's thread is waited for by nobody, rounds are called.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rocketmq::clock::Clock;
use rocketmq::config::store::MessageStoreConfig;
use rocketmq::store::{
    DiskRatio, GetStatus, Gone, MessageFilter, MessageStore, NewMessage, OpenOptions, PutStatus,
};

const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 10_911);
const HOUR_MS: i64 = 3_600_000;

const MESSAGE: NewMessage<'_> = NewMessage {
    topic: "T",
    queue_id: 0,
    flag: 0,
    sys_flag: 0,
    born_timestamp_ms: 0,
    born_host: HOST,
    store_host: HOST,
    reconsume_times: 0,
    prepared_transaction_offset: 0,
    body: &[b'x'; 300],
    properties: "KEYS\u{1}k\u{2}",
};

struct All;

impl MessageFilter for All {
    fn matches_queue(&self, _: Option<i64>) -> bool {
        true
    }
}

struct Bench {
    root: tempfile::TempDir,
    now_ms: Arc<AtomicI64>,
    /// Of the disk, in %.
    used: Arc<AtomicI64>,
    store: Arc<MessageStore>,
}

impl Bench {
    fn new(change: impl Fn(&mut MessageStoreConfig)) -> Bench {
        let root = tempfile::tempdir().unwrap();
        let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        let (now_ms, used) = (Arc::new(AtomicI64::new(start)), Arc::new(AtomicI64::new(10)));
        let store = open(root.path(), &now_ms, &used, &change);
        Bench { root, now_ms, used, store }
    }

    fn put(&self, topic: &str, count: usize) {
        for _ in 0..count {
            let message = NewMessage { topic, ..MESSAGE };
            assert_eq!(self.store.put(&message).status, PutStatus::PutOk);
        }
        self.store.dispatch_all();
    }

    fn files(&self, folder: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.root.path().join(folder));
        let mut files: Vec<_> = entries.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        // The next file of the log may be there ahead of its time, or not yet.
        let end = format!("{:020}", self.store.max_commit_log_offset());
        files.retain(|path| folder != "commitlog" || path.file_name().unwrap().to_str().unwrap() < &*end);
        files
    }

    /// Waits until the log is on disk: what is not is not deleted.
    fn flushed(&self) -> &Bench {
        let begun = std::time::Instant::now();
        while self.store.flushed_offset() < self.store.max_commit_log_offset() {
            assert!(begun.elapsed() < Duration::from_secs(30), "the log is not brought to the disk");
            std::thread::yield_now();
        }
        self
    }

    fn age(&self, file: usize, hours: i64) {
        let file = std::fs::File::options().write(true).open(&self.files("commitlog")[file]).unwrap();
        let ms = self.now_ms.load(Ordering::Relaxed) - hours * HOUR_MS;
        file.set_modified(UNIX_EPOCH + Duration::from_millis(ms as u64)).unwrap();
    }

    fn refused(&self) -> Option<String> {
        let message = NewMessage {
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
            properties: "",
        };
        match self.store.put(&message).status {
            PutStatus::PutOk => None,
            PutStatus::ServiceNotAvailable => self.store.status().reason,
            other => panic!("{other:?}"),
        }
    }
}

fn open(
    root: &Path,
    now_ms: &Arc<AtomicI64>,
    used: &Arc<AtomicI64>,
    change: &dyn Fn(&mut MessageStoreConfig),
) -> Arc<MessageStore> {
    let mut config = MessageStoreConfig {
        store_path_root_dir: root.to_str().unwrap().to_owned(),
        store_path_commit_log: root.join("commitlog").to_str().unwrap().to_owned(),
        maped_file_size_commit_log: 16 * 1024,
        maped_file_size_consume_queue: 400,
        max_hash_slot_num: 10,
        max_index_num: 41,
        max_message_size: 8 * 1024,
        flush_interval_commit_log: 1,
        flush_commit_log_thorough_interval: 0,
        delete_commit_log_files_interval: 0,
        delete_consume_queue_files_interval: 0,
        // The store's own rounds stay away.
        clean_resource_interval: i32::MAX,
        delete_when: String::new(),
        ..MessageStoreConfig::default()
    };
    change(&mut config);
    let (clock, ratio) = (Arc::clone(now_ms), Arc::clone(used));
    let options = OpenOptions {
        clock: Clock::of(move || clock.load(Ordering::Relaxed)),
        disk_ratio: DiskRatio::told_by(move |_| ratio.load(Ordering::Relaxed) as f64 / 100.0),
        ..OpenOptions::default()
    };
    MessageStore::open(config, options).unwrap()
}

fn every_hour() -> String {
    (0..24).map(|hour| hour.to_string()).collect::<Vec<_>>().join(";")
}

#[test]
fn expired_files_go_in_their_hour() {
    let bench = Bench::new(|config| config.delete_when = every_hour());
    bench.put("T", 300);
    bench.flushed();
    let files = bench.files("commitlog");
    assert!(files.len() >= 7, "{files:?}");
    bench.store.clean();
    assert_eq!(bench.files("commitlog"), files, "none is 72 hours old");
    bench.age(0, 73);
    bench.age(1, 73);
    bench.age(3, 73);
    bench.store.clean();
    assert_eq!(bench.files("commitlog"), files[2..], "the third is not, and the fourth waits for it");
    let log_start = 2 * 16 * 1024;
    assert_eq!(bench.store.min_commit_log_offset(), log_start);
    let min = bench.store.min_offset("T", 0);
    let unit = bench.store.unit("T", 0, min).unwrap();
    assert!(unit.commit_log_offset >= log_start && min > 0);
    assert!(bench.store.unit("T", 0, min - 1).is_none_or(|unit| unit.commit_log_offset < log_start));
    assert_eq!(bench.files("consumequeue/T/0").len() as i64, 15 - min / 20);
    assert_eq!(bench.store.get("T", 0, 0, 32, &All).unwrap().status, GetStatus::OffsetTooSmall);
    assert_eq!(bench.store.get("T", 0, min, 1, &All).unwrap().status, GetStatus::Found);
    let by_key = bench.store.find_by_key("T", "k", 1000, 0, i64::MAX);
    assert!(by_key.messages.iter().all(|(offset, _)| *offset >= log_start) && !by_key.messages.is_empty());
    assert_eq!(bench.files("index").len(), 8 - usize::try_from(min).unwrap() / 40);
}

#[test]
fn other_hours_delete_nothing() {
    let bench = Bench::new(|_| ());
    bench.put("T", 100);
    bench.flushed().age(0, 1000);
    let files = bench.files("commitlog");
    bench.store.clean();
    assert_eq!(bench.files("commitlog"), files);
    bench.used.store(76, Ordering::Relaxed);
    bench.store.clean();
    assert_eq!(bench.files("commitlog"), files[1..], "over diskMaxUsedSpaceRatio any hour will do");
    bench.used.store(84, Ordering::Relaxed);
    bench.store.clean();
    assert_eq!(bench.files("commitlog"), files[1..], "but not before the time");
}

#[test]
fn a_filling_disk_deletes_before_the_time_and_a_full_one_refuses() {
    let bench = Bench::new(|_| ());
    bench.put("T", 700);
    bench.flushed();
    let files = bench.files("commitlog").len();
    assert!(files >= 14);
    bench.used.store(86, Ordering::Relaxed);
    bench.store.clean();
    assert_eq!(bench.files("commitlog").len(), files - 10, "ten in a round");
    assert_eq!(bench.refused(), None);
    bench.used.store(91, Ordering::Relaxed);
    bench.store.clean();
    assert!(files < 20);
    assert_eq!(bench.files("commitlog").len(), 1, "the last stays");
    let reason = bench.refused().unwrap();
    assert!(reason.contains(" is 91 % full; the limit is 90 %, diskSpaceWarningLevelRatio"), "{reason}");
    bench.used.store(90, Ordering::Relaxed);
    bench.store.clean();
    assert_eq!(bench.refused(), None);
}

#[test]
fn files_that_may_not_be_forced_stay() {
    let bench = Bench::new(|config| config.clean_file_forcibly_enable = false);
    bench.put("T", 100);
    bench.flushed();
    let files = bench.files("commitlog");
    bench.used.store(99, Ordering::Relaxed);
    bench.store.clean();
    assert_eq!(bench.files("commitlog"), files);
    assert!(bench.refused().is_some());
}

#[test]
fn limits_change_while_the_store_runs() {
    let bench = Bench::new(|_| ());
    bench.put("T", 100);
    bench.flushed().age(0, 2);
    let files = bench.files("commitlog");
    let changed = MessageStoreConfig {
        file_reserved_time: 1,
        delete_when: every_hour(),
        disk_space_warning_level_ratio: 5,
        clean_file_forcibly_enable: false,
        max_message_size: 10,
        ..bench.store.config().clone()
    };
    bench.store.settings().set(&changed);
    bench.store.clean();
    assert_eq!(bench.files("commitlog"), files[1..]);
    assert!(bench.refused().unwrap().contains("10 % full"));
}

#[test]
fn readers_keep_what_they_read() {
    let bench = Bench::new(|config| config.delete_when = every_hour());
    bench.put("T", 100);
    bench.flushed();
    let found = bench.store.get("T", 0, 0, 1, &All).unwrap();
    let before = found.messages[0].to_vec();
    bench.age(0, 100);
    bench.store.clean();
    assert!(bench.store.min_commit_log_offset() > 0);
    assert_eq!(&found.messages[0][..], before);
    assert_eq!(bench.store.message_at(0).map(|record| record.to_vec()), None);
}

#[test]
fn queues_without_messages_and_of_unknown_topics_go_by_command() {
    let bench = Bench::new(|config| config.delete_when = every_hour());
    bench.put("Old", 10);
    bench.put("SCHEDULE_TOPIC_XXXX", 1);
    bench.put("RMQ_SYS_TRANS_OP_HALF_TOPIC", 1);
    bench.put("T", 100);
    bench.flushed();
    let count = |gone: Gone| {
        assert!(gone.error.is_none(), "{gone:?}");
        gone.queues.len()
    };
    assert_eq!(count(bench.store.clean_expired_queues()), 0);
    bench.age(0, 100);
    bench.store.clean();
    assert_eq!((bench.store.min_offset("Old", 0), bench.store.max_offset("Old", 0)), (10, 10));
    // Not the op queue: the broker remembers how far it has read it.
    assert_eq!(count(bench.store.clean_expired_queues()), 1);
    assert_eq!(bench.store.max_offset("Old", 0), 0);
    assert!(!bench.root.path().join("consumequeue/Old").exists());
    bench.put("Old", 1);
    bench.put("Unknown", 1);
    assert_eq!(count(bench.store.clean_unused_topics(|topic| topic != "Unknown")), 1);
    assert_eq!((bench.store.max_offset("Unknown", 0), bench.store.max_offset("Old", 0)), (0, 1));
    assert_eq!(count(bench.store.clean_unused_topics(|_| false)), 2);
    assert_eq!(bench.store.max_offset("SCHEDULE_TOPIC_XXXX", 0), 1);
    bench.put("T", 3);
    assert_eq!(bench.store.max_offset("T", 0), 3);
}

/// Messages that have no entries yet when their queue is deleted are nobody's, and do not count for the queue that comes after.
#[test]
fn what_waits_for_its_entry_goes_with_its_queue() {
    let bench = Bench::new(|_| ());
    let put = |topic: &str| {
        let message = NewMessage { topic, body: b"x", ..MESSAGE };
        bench.store.put(&message).queue_offset
    };
    (0..20).for_each(|number| assert_eq!(put("T"), number));
    assert!(bench.store.delete_topic("T").error.is_none());
    assert_eq!([put("T"), put("T"), put("U")], [0, 1, 0]);
    bench.store.dispatch_all();
    assert_eq!(bench.store.max_offset("T", 0), 2);
    assert_eq!([put("T"), put("T"), put("U")], [2, 3, 1]);
    bench.store.dispatch_all();
    let found = bench.store.get("T", 0, 0, 32, &All).unwrap();
    assert_eq!((found.status, found.message_count, found.max_offset), (GetStatus::Found, 4, 4));
}

/// A restart after files have gone: nothing is taken for lost.
#[test]
fn a_restart_begins_where_the_log_does() {
    let bench = Bench::new(|config| config.delete_when = every_hour());
    bench.put("T", 300);
    bench.flushed();
    (0..3).for_each(|file| bench.age(file, 100));
    bench.store.clean();
    let (min, max) = (bench.store.min_offset("T", 0), bench.store.max_offset("T", 0));
    assert!(min > 60);
    for is_clean in [true, false] {
        if is_clean {
            bench.store.shutdown().unwrap()
        } else {
            bench.store.abandon()
        }
        let copy = tempfile::tempdir().unwrap();
        copy_folder(bench.root.path(), copy.path());
        let store = open(copy.path(), &bench.now_ms, &bench.used, &|_| ());
        assert_eq!((store.min_offset("T", 0), store.max_offset("T", 0)), (min, max), "clean {is_clean}");
        assert_eq!(store.get("T", 0, min, 1, &All).unwrap().status, GetStatus::Found);
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy_folder(&path, &target),
            false => {
                std::fs::copy(&path, target).unwrap();
            }
        }
    }
}
