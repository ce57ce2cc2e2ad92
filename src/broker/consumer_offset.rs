//! How far each group has consumed each queue, `consumerOffset.json` (Java: `ConsumerOffsetManager`) and the journal
//! of what came after it. The file and the wire key it by `topic@group`; here it is nested, so that a commit formats
//! nothing.

mod journal;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use self::journal::{Change, Digest, Found, Journal, Number};
use super::log_lines::{self, Lines};
use super::topic_config::QUEUE_NUMS_MAX;
use crate::config::file::{self as config_file, FileError};
use crate::protocol::body::offset::ConsumerOffsetSerializeWrapper;
use crate::protocol::topic::{CID_SYS_RMQ_TRANS, check_group, check_topic};

const TOPIC_GROUP_SEPARATOR: char = '@';

/// Pairs of a group and a topic that commits may make; what a master or the file has is taken whole.
const PAIRS_MAX: usize = 500_000;
/// Up to so many offsets in all those of any topic and group are kept, as in Java.
const ANY_MAX: usize = 10_000;

type Queues = Arc<Mutex<Offsets>>;

#[derive(Debug, Default)]
struct Table {
    /// By group, then by topic.
    groups: HashMap<String, HashMap<String, Queues>>,
    /// The groups of each topic: topics come and go, and nobody walks over all groups for each.
    of_topic: HashMap<String, HashSet<String>>,
    /// Pairs of a group and a topic.
    pairs: usize,
}

impl Table {
    fn get(&self, group: &str, topic: &str) -> Option<&Queues> {
        self.groups.get(group)?.get(topic)
    }

    fn get_or_add(&mut self, group: &str, topic: &str) -> &Queues {
        let topics = self.groups.entry(group.to_owned()).or_default();
        topics.entry(topic.to_owned()).or_insert_with(|| {
            self.pairs += 1;
            self.of_topic.entry(topic.to_owned()).or_default().insert(group.to_owned());
            Queues::default()
        })
    }

    fn remove(&mut self, group: &str, topic: &str) -> Option<Queues> {
        let topics = self.groups.get_mut(group)?;
        let queues = topics.remove(topic)?;
        if topics.is_empty() {
            self.groups.remove(group);
        }
        if let Some(groups) = self.of_topic.get_mut(topic) {
            groups.remove(group);
            if groups.is_empty() {
                self.of_topic.remove(topic);
            }
        }
        self.pairs -= 1;
        Some(queues)
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str, &Queues)> {
        self.groups.iter().flat_map(|(group, topics)| {
            topics.iter().map(move |(topic, queues)| (&**group, &**topic, queues))
        })
    }
}

/// A group's offsets of a topic.
#[derive(Debug, Default)]
struct Offsets {
    by_queue: BTreeMap<i32, i64>,
    /// What the journal calls them.
    number: Option<Number>,
    /// No longer in the table: whoever still has them looks again.
    is_removed: bool,
}

/// Consumed offsets: the entry to consume next by group, topic and queue.
///
/// A commit changes the table and the journal under the lock of the group's topic, so that both have the same order.
pub struct ConsumerOffsets {
    file: PathBuf,
    table: RwLock<Table>,
    /// Offsets in all.
    count: AtomicUsize,
    journal: Journal,
    unsaved: AtomicBool,
    saving: Mutex<()>,
}

impl ConsumerOffsets {
    /// What the file has, and its journal. `save_soon` is called when a snapshot is due before its time; it must not
    /// call back. Blocks.
    pub fn open(
        file: PathBuf,
        save_soon: impl Fn() + Send + Sync + 'static,
    ) -> Result<ConsumerOffsets, FileError> {
        let loaded = config_file::load_with_text(&file)?;
        let (saved, text): (ConsumerOffsetSerializeWrapper, _) = loaded.unwrap_or_default();
        let snapshot = Digest::of(&text);
        let path = file.with_extension("journal");
        let found = Found::read(&path);
        let mut table = nest(saved);
        let applied = found.changes_since(&path, snapshot, |change| apply(&mut table, change));
        let mut older = found.numbers();
        match applied {
            Some(0) => {}
            Some(changes) => {
                tracing::info!(changes, "consumer offsets brought up to date from their journal")
            }
            None => {
                if !found.is_empty() {
                    tracing::warn!(path = %path.display(), file = %file.display(),
                        "journal of consumer offsets dropped: it does not continue the file, which Java or an operator wrote since and which counts alone");
                }
                found.remove(&path);
                older.clear();
            }
        }
        let offsets = ConsumerOffsets {
            file,
            count: AtomicUsize::new(table.pairs().map(|(_, _, queues)| lock(queues).by_queue.len()).sum()),
            table: RwLock::new(table),
            journal: Journal::new(path, older, snapshot, save_soon),
            unsaved: AtomicBool::new(applied.is_some_and(|changes| changes > 0)),
            saving: Mutex::new(()),
        };
        // The journal would do as well; but not after a hundred starts that each end soon.
        if let Err(error) = offsets.persist(|| ()) {
            tracing::error!(%error, "consumer offsets not saved");
        }
        Ok(offsets)
    }

    /// Takes a group's offset of a queue. As in Java any offset is taken, smaller ones too; names and queues that
    /// cannot exist are passed over, and whoever takes commits of others asks [`ConsumerOffsets::may_commit`]. It survives a kill once
    /// [`ConsumerOffsets::write_journal`] has been called.
    pub fn commit(&self, group: &str, topic: &str, queue_id: i32, offset: i64) {
        if !(0..QUEUE_NUMS_MAX).contains(&queue_id) {
            let (group, topic) = (log_lines::beginning(group), log_lines::beginning(topic));
            tracing::warn!(group, topic, queue_id, "offset of a queue that cannot exist passed over");
            return;
        }
        let mut before = None;
        let is_changed = self.change(group, topic, PAIRS_MAX, |offsets| {
            before = offsets.by_queue.insert(queue_id, offset);
            if before == Some(offset) {
                return false;
            }
            // What the broker has settled itself is found again from the log, which the journal must not be ahead of.
            if group != CID_SYS_RMQ_TRANS {
                self.journal.offset(&mut offsets.number, topic, group, [(queue_id, offset)]);
            }
            true
        });
        if let Some(before) = before.filter(|before| is_changed && *before > offset) {
            tracing::warn!(
                "[NOTIFYME]update consumer offset less than store. key={topic}@{group}, queueId={queue_id}, \
                 requestOffset={offset}, storeOffset={before}"
            );
        }
    }

    /// Changes a group's offsets of a topic, which come into being with it where there are fewer than `pairs_max`; gives
    /// whether `change` says so.
    fn change(
        &self,
        group: &str,
        topic: &str,
        pairs_max: usize,
        mut change: impl FnMut(&mut Offsets) -> bool,
    ) -> bool {
        loop {
            let known = self.read().get(group, topic).cloned();
            let Some(queues) = known.or_else(|| self.new_queues(group, topic, pairs_max)) else {
                return false;
            };
            let mut offsets = lock(&queues);
            if !offsets.is_removed {
                let before = offsets.by_queue.len();
                let is_changed = change(&mut offsets);
                self.count.fetch_add(offsets.by_queue.len(), Ordering::Relaxed);
                self.count.fetch_sub(before, Ordering::Relaxed);
                if is_changed {
                    self.unsaved.store(true, Ordering::Release);
                }
                return is_changed;
            }
        }
    }

    fn new_queues(&self, group: &str, topic: &str, pairs_max: usize) -> Option<Queues> {
        if let Err(reason) = check_group(group).and_then(|()| check_topic(topic)) {
            let (group, topic) = (log_lines::beginning(group), log_lines::beginning(topic));
            tracing::warn!(group, topic, %reason, "consumer offset passed over");
            return None;
        }
        let mut table = self.write();
        if table.pairs >= pairs_max && table.get(group, topic).is_none() {
            tracing::warn!(group, topic, pairs = table.pairs, "too many consumer offsets: passed over");
            return None;
        }
        Some(Arc::clone(table.get_or_add(group, topic)))
    }

    /// Whether a commit may be kept: of what does not exist here, offsets would stay for ever, and so they are when there are
    /// few of all.
    pub fn may_commit(
        &self,
        group: &str,
        topic: &str,
        queue_id: i32,
        is_here: impl FnOnce() -> bool,
    ) -> bool {
        self.count.load(Ordering::Relaxed) < ANY_MAX
            || self.query(group, topic, queue_id).is_some()
            || is_here()
    }

    /// Writes the journal of what has been committed: before anyone is told so. Next to nothing where nothing has.
    pub fn write_journal(&self) {
        self.journal.write();
    }

    /// A group's offset of a queue.
    pub fn query(&self, group: &str, topic: &str, queue_id: i32) -> Option<i64> {
        let queues = self.read().get(group, topic).cloned()?;
        lock(&queues).by_queue.get(&queue_id).copied()
    }

    /// A group's offsets of a topic.
    pub fn query_topic(&self, group: &str, topic: &str) -> Option<BTreeMap<i32, i64>> {
        let queues = self.read().get(group, topic).cloned()?;
        let offsets = lock(&queues).by_queue.clone();
        Some(offsets)
    }

    /// Topics that a group has offsets of (Java: `whichTopicByConsumer`).
    pub fn topics_of(&self, group: &str) -> Vec<String> {
        self.read().groups.get(group).map(|topics| topics.keys().cloned().collect()).unwrap_or_default()
    }

    /// Groups that have offsets of a topic (Java: `whichGroupByTopic`).
    pub fn groups_of(&self, topic: &str) -> Vec<String> {
        self.read().of_topic.get(topic).map(|groups| groups.iter().cloned().collect()).unwrap_or_default()
    }

    /// Up to so many pairs of a group and a topic, with the group's offsets, and how many more there are. `look` is called
    /// without the table's lock.
    pub fn for_each(&self, max: usize, mut look: impl FnMut(&str, &str, &BTreeMap<i32, i64>)) -> usize {
        let table = self.read();
        let pairs = table
            .pairs()
            .map(|(group, topic, queues)| (group.to_owned(), topic.to_owned(), Arc::clone(queues)));
        let known: Vec<(String, String, Queues)> = pairs.take(max).collect();
        let in_all = table.pairs;
        drop(table);
        for (group, topic, queues) in &known {
            let by_queue = lock(queues).by_queue.clone();
            look(group, topic, &by_queue);
        }
        in_all - known.len()
    }

    /// Each queue's lowest offset among all groups of a topic but some; what is not at hand any more, below
    /// `min_offset`, does not count (Java: `queryMinOffsetInAllGroup`, which forgets the offsets of those others).
    pub fn lowest(
        &self,
        topic: &str,
        is_left_out: impl Fn(&str) -> bool,
        min_offset: impl Fn(i32) -> i64,
    ) -> BTreeMap<i32, i64> {
        let mut lowest = BTreeMap::new();
        for group in self.groups_of(topic).iter().filter(|group| !is_left_out(group)) {
            for (queue_id, offset) in self.query_topic(group, topic).unwrap_or_default() {
                if offset >= min_offset(queue_id) {
                    let known = lowest.entry(queue_id).or_insert(offset);
                    *known = offset.min(*known);
                }
            }
        }
        lowest
    }

    /// Gives a group another one's offsets of a topic (Java: `cloneOffset`).
    pub fn clone_offset(&self, src_group: &str, dest_group: &str, topic: &str) {
        if let Some(by_queue) = self.query_topic(src_group, topic) {
            self.set(dest_group, topic, by_queue);
        }
    }

    /// Replaces a group's offsets of a topic.
    fn set(&self, group: &str, topic: &str, by_queue: BTreeMap<i32, i64>) {
        self.change(group, topic, usize::MAX, |offsets| {
            if offsets.by_queue == by_queue {
                return false;
            }
            if offsets.by_queue.keys().any(|queue_id| !by_queue.contains_key(queue_id)) {
                self.journal.dropped(&mut offsets.number, topic, group);
            }
            let entries = by_queue.iter().map(|(&queue_id, &offset)| (queue_id, offset));
            self.journal.offset(&mut offsets.number, topic, group, entries);
            offsets.by_queue.clone_from(&by_queue);
            true
        });
    }

    /// Forgets all groups' offsets of a topic.
    pub fn remove_topic(&self, topic: &str) {
        self.remove(self.groups_of(topic).into_iter().map(|group| (group, topic.to_owned())).collect());
    }

    /// Forgets all groups' offsets of some queues, whose numbers begin anew.
    pub fn remove_queues(&self, topic: &str, is_gone: impl Fn(i32) -> bool) {
        for group in self.groups_of(topic) {
            self.change(&group, topic, usize::MAX, |offsets| {
                let before = offsets.by_queue.len();
                offsets.by_queue.retain(|queue_id, _| !is_gone(*queue_id));
                if offsets.by_queue.len() == before {
                    return false;
                }
                tracing::info!(group, topic, "consumer offsets of deleted queues removed");
                self.journal.dropped(&mut offsets.number, topic, &group);
                let rest = offsets.by_queue.iter().map(|(&queue_id, &offset)| (queue_id, offset));
                self.journal.offset(&mut offsets.number, topic, &group, rest);
                true
            });
        }
    }

    /// Forgets all offsets of a group.
    pub fn remove_group(&self, group: &str) {
        self.remove(self.topics_of(group).into_iter().map(|topic| (group.to_owned(), topic)).collect());
    }

    fn remove(&self, pairs: Vec<(String, String)>) {
        // Mostly there is nothing, and nobody is held up.
        if pairs.is_empty() {
            return;
        }
        let mut table = self.write();
        let mut lines = Lines::default();
        for (group, topic) in &pairs {
            let Some(queues) = table.remove(group, topic) else { continue };
            let mut offsets = lock(&queues);
            offsets.is_removed = true;
            self.count.fetch_sub(offsets.by_queue.len(), Ordering::Relaxed);
            self.journal.dropped(&mut offsets.number, topic, group);
            self.unsaved.store(true, Ordering::Release);
            if lines.has_next() {
                tracing::info!(group, topic, "consumer offsets removed");
            }
        }
        if let Some(more) = lines.left_out() {
            tracing::info!(more, "more consumer offsets removed");
        }
    }

    /// Replaces everything by a master's table.
    pub fn replace(&self, wrapper: ConsumerOffsetSerializeWrapper) {
        let new: HashMap<String, HashMap<String, BTreeMap<i32, i64>>> = split(wrapper);
        let is_new =
            |group: &str, topic: &str| new.get(group).is_some_and(|topics| topics.contains_key(topic));
        let mut gone = Vec::new();
        for (group, topic, _) in self.read().pairs().filter(|(group, topic, _)| !is_new(group, topic)) {
            gone.push((group.to_owned(), topic.to_owned()));
        }
        self.remove(gone);
        for (group, topics) in new {
            for (topic, by_queue) in topics {
                self.set(&group, &topic, by_queue);
            }
        }
        self.write_journal();
    }

    /// Takes over what a master's table has; what it does not have stays.
    pub fn merge(&self, wrapper: ConsumerOffsetSerializeWrapper) {
        for (group, topics) in split(wrapper) {
            for (topic, mut by_queue) in topics {
                for (queue_id, offset) in self.query_topic(&group, &topic).unwrap_or_default() {
                    by_queue.entry(queue_id).or_insert(offset);
                }
                self.set(&group, &topic, by_queue);
            }
        }
        self.write_journal();
    }

    /// The table as reply 43 and the file have it.
    pub fn snapshot(&self) -> ConsumerOffsetSerializeWrapper {
        let mut offset_table = BTreeMap::new();
        for (group, topic, queues) in self.read().pairs() {
            let key = format!("{topic}{TOPIC_GROUP_SEPARATOR}{group}");
            offset_table.insert(key, lock(queues).by_queue.clone());
        }
        ConsumerOffsetSerializeWrapper { offset_table }
    }

    /// Writes the file where something has changed since the last time. `sync_log` is called when it is known what will
    /// be written: a settled transaction must not reach the disk before the messages that settle it. Blocks.
    pub fn persist(&self, sync_log: impl FnOnce()) -> Result<(), FileError> {
        let _one_at_a_time = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        self.persist_locked(sync_log)
    }

    fn persist_locked(&self, sync_log: impl FnOnce()) -> Result<(), FileError> {
        // Before the snapshot: a commit that comes while it is made counts for the next time.
        if !self.unsaved.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        // The order is the journal's safety; see there.
        self.journal.begin();
        let text = config_file::text(&self.snapshot());
        sync_log();
        self.journal.continue_from(Digest::of(&text));
        let saved = config_file::replace(&self.file, &text);
        if saved.is_ok() {
            self.journal.snapshot_written();
        } else {
            // It may have got there all the same.
            self.journal.snapshot_failed(std::fs::read(&self.file).ok().map(|text| Digest::of(&text)));
            self.unsaved.store(true, Ordering::Release);
        }
        saved
    }

    /// Writes the file and leaves no journal: the last thing before a clean end. Blocks.
    pub fn close(&self, sync_log: impl FnOnce()) -> Result<(), FileError> {
        let _one_at_a_time = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        self.persist_locked(sync_log)?;
        if !self.unsaved.load(Ordering::Acquire) {
            self.journal.remove_all();
        }
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock(queues: &Queues) -> MutexGuard<'_, Offsets> {
    queues.lock().unwrap_or_else(PoisonError::into_inner)
}

fn nest(wrapper: ConsumerOffsetSerializeWrapper) -> Table {
    let mut table = Table::default();
    for (group, topics) in split(wrapper) {
        for (topic, by_queue) in topics {
            lock(table.get_or_add(&group, &topic)).by_queue = by_queue;
        }
    }
    table
}

/// By group and topic.
fn split(wrapper: ConsumerOffsetSerializeWrapper) -> HashMap<String, HashMap<String, BTreeMap<i32, i64>>> {
    let mut groups: HashMap<String, HashMap<_, _>> = HashMap::new();
    for (key, queues) in wrapper.offset_table {
        // Neither name may hold the separator; what Java wrote under other keys it could not read either.
        let Some((topic, group)) = key.split_once(TOPIC_GROUP_SEPARATOR) else {
            tracing::warn!(key, "consumer offsets without a group left out");
            continue;
        };
        groups.entry(group.to_owned()).or_default().insert(topic.to_owned(), queues);
    }
    groups
}

/// Applies a change of the journal; gives whether it makes sense.
fn apply(table: &mut Table, change: Change<'_>) -> bool {
    let (Change::Offset { name, .. } | Change::Dropped { name }) = change;
    let Some((topic, group)) = name.split_once(TOPIC_GROUP_SEPARATOR) else { return false };
    match change {
        Change::Offset { queue_id, offset, .. } => {
            lock(table.get_or_add(group, topic)).by_queue.insert(queue_id, offset);
        }
        Change::Dropped { .. } => {
            table.remove(group, topic);
        }
    }
    true
}

#[cfg(test)]
mod tests;
