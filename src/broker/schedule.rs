//! Delivers delayed messages (Java: `ScheduleMessageService`): what waits in SCHEDULE_TOPIC_XXXX, a queue for each
//! delay level, goes to its real topic when it is due. Putting a message there is the store's work.
//!
//! Within a level messages become due in the order in which they stand, so one look at each level's next
//! message tells when to look again. There is no timer for a message and no polling: a task sleeps until the
//! earliest time, or until something arrives.

mod journal;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use self::journal::{Journal, Slot};
use super::Broker;
use crate::config::file::{self, FileError};
use crate::protocol::body::offset::DelayOffsetSerializeWrapper;
use crate::protocol::message::{self, MessageRef};
use crate::protocol::topic::SCHEDULE_TOPIC;
use crate::store::{MessageStore, NewMessage, PutStatus, Unit};

/// Messages delivered of one level before the others have their turn.
const SHARE: usize = 1000;
/// Before a message that the store refused is tried again.
const RETRY_MS: i64 = 1000;
/// The longest sleep: a clock that is set forward must not be noticed hours later.
const SLEEP_MAX_MS: i64 = 10_000;

/// How far each level is delivered.
pub struct Schedule {
    path: PathBuf,
    /// By level, from 1: the offset of the next message.
    offsets: Mutex<BTreeMap<i32, i64>>,
    journal: Journal,
    /// The journal has been read.
    is_resumed: AtomicBool,
    arrived: Notify,
}

impl Schedule {
    /// Reads `delayOffset.json`.
    pub fn open(path: PathBuf) -> Result<Schedule, FileError> {
        let wrapper: DelayOffsetSerializeWrapper = file::load(&path)?.unwrap_or_default();
        Ok(Schedule {
            journal: Journal::new(path.with_extension("journal")),
            path,
            offsets: Mutex::new(wrapper.offset_table),
            is_resumed: AtomicBool::new(false),
            arrived: Notify::new(),
        })
    }

    /// A message has come to a topic: worth a look if it is delayed.
    pub fn arriving(&self, topic: &str) {
        if topic == SCHEDULE_TOPIC {
            self.arrived.notify_one();
        }
    }

    /// The offsets of all levels (code 45).
    pub fn snapshot(&self) -> DelayOffsetSerializeWrapper {
        DelayOffsetSerializeWrapper { offset_table: self.offsets().clone() }
    }

    /// Takes over a master's offsets.
    pub fn replace(&self, wrapper: DelayOffsetSerializeWrapper) {
        *self.offsets() = wrapper.offset_table;
    }

    /// Writes the offsets to their file. Blocks.
    pub fn persist(&self, store: &MessageStore) -> Result<(), FileError> {
        let wrapper = self.snapshot();
        if wrapper.offset_table.is_empty() {
            return Ok(());
        }
        // What counts as delivered must not be lost with the power.
        store.sync_log();
        file::store(&self.path, &wrapper)
    }

    fn offsets(&self) -> MutexGuard<'_, BTreeMap<i32, i64>> {
        self.offsets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers what is due; gives when to look again, ms since 1970. Blocks: messages may lie far back.
    pub fn deliver(&self, store: &MessageStore, now_ms: i64) -> i64 {
        if !self.is_resumed.swap(true, Ordering::AcqRel) {
            store.dispatch_all();
            self.journal.resume(store, &mut self.offsets());
        }
        let mut next_ms = now_ms + SLEEP_MAX_MS;
        for level in 1..=store.delay_levels().max() {
            next_ms = next_ms.min(self.deliver_level(store, level, now_ms));
        }
        store.dispatch();
        next_ms
    }

    fn deliver_level(&self, store: &MessageStore, level: i32, now_ms: i64) -> i64 {
        let mut newest = None;
        let next_ms = self.deliver_share(store, level, now_ms, &mut newest);
        if let Some(slot) = newest {
            self.journal.write(level, slot);
        }
        next_ms
    }

    fn deliver_share(&self, store: &MessageStore, level: i32, now_ms: i64, newest: &mut Option<Slot>) -> i64 {
        let later = now_ms + SLEEP_MAX_MS;
        for _ in 0..SHARE {
            let Some(offset) = self.next_offset(store, level) else { return later };
            let Some(unit) = store.unit(SCHEDULE_TOPIC, level - 1, offset) else { return later };
            // A due time beyond the level's own is a clock that was set back since: Java delivers at once.
            let due_ms = store.tags_code(SCHEDULE_TOPIC, level - 1, &unit).unwrap_or_else(|| {
                let stored_ms = store.store_time_of(SCHEDULE_TOPIC, level - 1, offset);
                store.delay_levels().due_ms(level, stored_ms)
            });
            let is_sane = due_ms <= store.delay_levels().due_ms(level, now_ms);
            if !unit.is_filler() && is_sane && due_ms > now_ms {
                return due_ms;
            }
            let copied = if unit.is_filler() { Copied::PassedOver } else { put_back(store, &unit) };
            match copied {
                Copied::To(copy_at) => *newest = Some(Slot { offset: offset + 1, copy_at }),
                Copied::PassedOver => {}
                Copied::Refused => return now_ms + RETRY_MS,
            }
            self.offsets().insert(level, offset + 1);
        }
        now_ms
    }

    /// The next message of a level; `None` where nothing waits. An offset that the queue does not have is
    /// corrected.
    fn next_offset(&self, store: &MessageStore, level: i32) -> Option<i64> {
        let (min, max) =
            (store.min_offset(SCHEDULE_TOPIC, level - 1), store.max_offset(SCHEDULE_TOPIC, level - 1));
        let mut offsets = self.offsets();
        let known = offsets.get(&level).copied().unwrap_or(min);
        let right = known.clamp(min, max);
        if right != known {
            tracing::error!(level, known, right, "delay offset is not in its queue, corrected");
            offsets.insert(level, right);
        }
        (right < max).then_some(right)
    }
}

/// What became of a message that was due.
enum Copied {
    /// It is in its topic, at this place of the log.
    To(i64),
    /// It never can be.
    PassedOver,
    /// Not now.
    Refused,
}

/// Puts a message into its real topic.
fn put_back(store: &MessageStore, unit: &Unit) -> Copied {
    let offset = unit.commit_log_offset;
    let record = store.message_at(offset);
    let Some(old) = record.as_deref().and_then(|mut record| MessageRef::take(&mut record).ok()) else {
        tracing::error!(commit_log_offset = offset, "delayed message is not readable, passed over");
        return Copied::PassedOver;
    };
    let queue_id = old.property(message::PROPERTY_REAL_QUEUE_ID).and_then(|id| id.parse().ok());
    let (Some(topic), Some(queue_id)) = (old.property(message::PROPERTY_REAL_TOPIC), queue_id) else {
        tracing::error!(
            commit_log_offset = offset,
            "delayed message does not say where it belongs, passed over"
        );
        return Copied::PassedOver;
    };
    // The stored properties stay as they are, as Java's do.
    let result = store.put_due(&NewMessage {
        topic,
        queue_id,
        flag: old.flag,
        sys_flag: old.sys_flag,
        born_timestamp_ms: old.born_timestamp,
        born_host: super::ipv4(old.born_host),
        store_host: super::ipv4(old.store_host),
        reconsume_times: old.reconsume_times,
        prepared_transaction_offset: old.prepared_transaction_offset,
        body: old.body,
        properties: &old.properties,
    });
    match result.status {
        PutStatus::PutOk | PutStatus::SlaveNotAvailable => Copied::To(result.commit_log_offset),
        PutStatus::MessageIllegal | PutStatus::PropertiesSizeExceeded => {
            tracing::error!(
                commit_log_offset = offset,
                topic,
                "delayed message cannot be stored, passed over"
            );
            Copied::PassedOver
        }
        refused => {
            tracing::warn!(status = refused.java_name(), "delayed message refused, tried again");
            Copied::Refused
        }
    }
}

/// Delivers for as long as the broker runs: the body of a task.
pub(super) async fn keep_delivering(broker: Arc<Broker>) {
    loop {
        let state = Arc::clone(&broker);
        let round = tokio::task::spawn_blocking(move || state.schedule.deliver(&state.store, state.now_ms()));
        let next_ms = round.await.unwrap_or_else(|error| {
            tracing::error!(%error, "delivery of delayed messages failed, tried again");
            broker.now_ms() + RETRY_MS
        });
        let wait_ms = u64::try_from(next_ms - broker.now_ms()).unwrap_or(0);
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(wait_ms)) => {}
            () = broker.schedule.arrived.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddrV4};
    use std::path::Path;
    use std::sync::atomic::AtomicI64;

    use super::*;
    use crate::clock::{Clock, manual};
    use crate::config::store::MessageStoreConfig;
    use crate::store::OpenOptions;

    const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 10_911);

    fn open(root: &Path, clock: Clock) -> (Schedule, Arc<MessageStore>) {
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let config = MessageStoreConfig {
            store_path_root_dir: text(root.to_owned()),
            store_path_commit_log: text(root.join("commitlog")),
            maped_file_size_commit_log: 65_536,
            message_delay_level: "1s 10s".to_owned(),
            ..MessageStoreConfig::default()
        };
        let options = OpenOptions { clock, ..OpenOptions::default() };
        let store = MessageStore::open(config, options).unwrap();
        (Schedule::open(root.join("config/delayOffset.json")).unwrap(), store)
    }

    fn send(store: &MessageStore, level: i32, body: &str) {
        let result = store.put(&NewMessage {
            topic: "T",
            queue_id: 3,
            flag: 7,
            sys_flag: 0,
            born_timestamp_ms: 1,
            born_host: HOST,
            store_host: HOST,
            reconsume_times: 2,
            prepared_transaction_offset: 0,
            body: body.as_bytes(),
            properties: &format!("DELAY\u{1}{level}\u{2}"),
        });
        assert_eq!(result.status, PutStatus::PutOk);
        store.dispatch();
    }

    fn delivered(store: &MessageStore) -> Vec<String> {
        let messages = (0..store.max_offset("T", 3)).map(|offset| {
            let unit = store.unit("T", 3, offset).unwrap();
            let record = store.message_at(unit.commit_log_offset).unwrap();
            let message = MessageRef::take(&mut &record[..]).unwrap();
            assert_eq!((message.flag, message.reconsume_times, message.born_timestamp), (7, 2, 1));
            String::from_utf8(message.body.to_vec()).unwrap()
        });
        messages.collect()
    }

    fn set(hand: &AtomicI64, now_ms: i64) -> i64 {
        hand.store(now_ms, Ordering::Relaxed);
        now_ms
    }

    #[test]
    fn messages_come_when_they_are_due() {
        let root = tempfile::tempdir().unwrap();
        let (clock, hand) = manual(1_000_000);
        let (schedule, store) = open(root.path(), clock);
        send(&store, 1, "a");
        send(&store, 2, "b");
        set(&hand, 1_000_500);
        send(&store, 9, "c");
        assert_eq!(schedule.deliver(&store, 1_000_999), 1_001_000);
        assert!(delivered(&store).is_empty());
        assert_eq!(schedule.deliver(&store, 1_001_000), 1_010_000);
        assert_eq!(delivered(&store), ["a"]);
        assert_eq!(schedule.deliver(&store, 1_010_400), 1_010_500);
        assert_eq!(schedule.deliver(&store, 1_010_500), 1_020_500, "nothing waits");
        assert_eq!(delivered(&store), ["a", "b", "c"]);
    }

    #[test]
    fn a_restart_goes_on_where_it_was() {
        let root = tempfile::tempdir().unwrap();
        let (clock, hand) = manual(1_000_000);
        let (schedule, store) = open(root.path(), clock.clone());
        for body in ["a", "b"] {
            send(&store, 1, body);
            let now_ms = hand.load(Ordering::Relaxed) + 1000;
            schedule.deliver(&store, set(&hand, now_ms));
        }
        schedule.persist(&store).unwrap();
        send(&store, 1, "c");
        store.shutdown().unwrap();
        let file = std::fs::read_to_string(root.path().join("config/delayOffset.json")).unwrap();
        assert_eq!(file, "{\n\t\"offsetTable\":{1:2\n\t}\n}");
        drop(store);
        let (schedule, store) = open(root.path(), clock);
        schedule.deliver(&store, set(&hand, 1_100_000));
        assert_eq!(delivered(&store), ["a", "b", "c"]);
    }

    /// #1869, #4226, #1472: an offset in the file that its queue does not have. #3966, #4033: a refused delivery.
    #[test]
    fn issues_1869_4226_1472_3966_4033_a_refused_message_waits_and_wrong_offsets_are_corrected() {
        let root = tempfile::tempdir().unwrap();
        let (clock, hand) = manual(1_000_000);
        let (schedule, store) = open(root.path(), clock);
        send(&store, 1, "a");
        schedule.offsets().insert(1, 50);
        assert_eq!(schedule.deliver(&store, 2_000_000), 2_010_000);
        assert_eq!(schedule.snapshot().offset_table[&1], 1, "as far as the queue goes");
        schedule.offsets().insert(1, -5);
        store.shutdown().unwrap();
        assert_eq!(schedule.deliver(&store, set(&hand, 2_000_000)), 2_000_000 + RETRY_MS);
        assert_eq!(schedule.snapshot().offset_table[&1], 0, "neither skipped nor counted");
    }

    /// #3473: a restart during delivery. Java's file is ten seconds old by then; the kill falls between any two steps.
    #[test]
    fn issue_3473_a_kill_during_delivery_doubles_nothing() {
        for (journalled, unjournalled) in [(1, 0), (2, 1), (1, 3), (3, 2)] {
            let root = tempfile::tempdir().unwrap();
            let (clock, hand) = manual(1_000_000);
            let (schedule, store) = open(root.path(), clock.clone());
            for number in 0..6 {
                send(&store, 1, &format!("one {number}"));
                send(&store, 2, &format!("two {number}"));
            }
            let now_ms = set(&hand, 2_000_000);
            schedule.persist(&store).unwrap();
            let deliver = |level: i32, count: i64, is_journalled: bool| {
                for _ in 0..count {
                    let offset = schedule.next_offset(&store, level).unwrap();
                    let unit = store.unit(SCHEDULE_TOPIC, level - 1, offset).unwrap();
                    let Copied::To(copy_at) = put_back(&store, &unit) else { panic!("not stored") };
                    schedule.offsets().insert(level, offset + 1);
                    if is_journalled {
                        schedule.journal.write(level, Slot { offset: offset + 1, copy_at });
                    }
                }
            };
            deliver(1, journalled, true);
            deliver(2, journalled, true);
            deliver(2, unjournalled, false);
            store.abandon();
            drop((schedule, store));
            let (schedule, store) = open(root.path(), clock);
            schedule.deliver(&store, now_ms);
            let mut bodies = delivered(&store);
            bodies.sort();
            let mut expected: Vec<String> =
                (0..6).flat_map(|number| [format!("one {number}"), format!("two {number}")]).collect();
            expected.sort();
            assert_eq!(bodies, expected, "{journalled} journalled, {unjournalled} not");
        }
    }

    /// A journal that is not of this log, or older than the file: it counts for nothing, and nothing is lost.
    #[test]
    fn a_foreign_journal_skips_nothing() {
        let root = tempfile::tempdir().unwrap();
        let (clock, hand) = manual(1_000_000);
        let (schedule, store) = open(root.path(), clock.clone());
        for body in ["a", "b", "c"] {
            send(&store, 1, body);
        }
        let somewhere = store.unit(SCHEDULE_TOPIC, 0, 1).unwrap().commit_log_offset;
        for copy_at in [somewhere, 0, -1, 1 << 50] {
            schedule.journal.write(1, Slot { offset: 2, copy_at });
            schedule.journal.write(2, Slot { offset: i64::MIN, copy_at });
            let mut offsets = BTreeMap::from([(1, 1)]);
            schedule.journal.resume(&store, &mut offsets);
            assert_eq!(offsets, BTreeMap::from([(1, 1)]), "copy at {copy_at}");
        }
        schedule.deliver(&store, set(&hand, 2_000_000));
        assert_eq!(delivered(&store), ["a", "b", "c"]);
        // Java went on from here meanwhile.
        let mut offsets = BTreeMap::from([(1, 4)]);
        schedule.journal.resume(&store, &mut offsets);
        assert_eq!(offsets, BTreeMap::from([(1, 4)]));
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nothing_up() {
        let root = tempfile::tempdir().unwrap();
        let (clock, hand) = manual(9_000_000);
        let (schedule, store) = open(root.path(), clock);
        send(&store, 1, "a");
        schedule.deliver(&store, set(&hand, 1_000_000));
        assert_eq!(delivered(&store), ["a"]);
    }
}
