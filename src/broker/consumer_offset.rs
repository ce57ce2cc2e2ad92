//! How far each group has consumed each queue, and `consumerOffset.json` (Java: `ConsumerOffsetManager`). The
//! file and the wire key it by `topic@group`; here it is nested, so that a commit formats nothing.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::topic_config::QUEUE_NUMS_MAX;
use crate::config::file::{self as config_file, FileError};
use crate::protocol::body::offset::ConsumerOffsetSerializeWrapper;
use crate::protocol::topic::{check_group, check_topic};

const TOPIC_GROUP_SEPARATOR: char = '@';

type Queues = Arc<Mutex<BTreeMap<i32, i64>>>;
/// By group, then by topic.
type Groups = HashMap<String, HashMap<String, Queues>>;

/// Consumed offsets: the entry to consume next by group, topic and queue.
pub struct ConsumerOffsets {
    file: PathBuf,
    groups: RwLock<Groups>,
    unsaved: AtomicBool,
    saving: Mutex<()>,
}

impl ConsumerOffsets {
    /// What the file has.
    pub fn open(file: PathBuf) -> Result<ConsumerOffsets, FileError> {
        let saved: ConsumerOffsetSerializeWrapper = config_file::load(&file)?.unwrap_or_default();
        Ok(ConsumerOffsets {
            file,
            groups: RwLock::new(nest(saved)),
            unsaved: AtomicBool::new(false),
            saving: Mutex::new(()),
        })
    }

    /// Takes a group's offset of a queue. As in Java any offset is taken, smaller ones too, and topic and group
    /// need not exist; names and queues that cannot exist are passed over.
    pub fn commit(&self, group: &str, topic: &str, queue_id: i32, offset: i64) {
        let known = self.read().get(group).and_then(|topics| topics.get(topic)).cloned();
        let queues = match known {
            Some(queues) => queues,
            None => match self.new_queues(group, topic) {
                Some(queues) => queues,
                None => return,
            },
        };
        if !(0..QUEUE_NUMS_MAX).contains(&queue_id) {
            tracing::warn!(group, topic, queue_id, "offset of a queue that cannot exist passed over");
            return;
        }
        match lock(&queues).insert(queue_id, offset) {
            Some(before) if before == offset => return,
            Some(before) if before > offset => {
                tracing::warn!(
                    group,
                    topic,
                    queue_id,
                    offset,
                    before,
                    "update consumer offset less than store"
                );
            }
            _ => {}
        }
        self.unsaved.store(true, Ordering::Release);
    }

    fn new_queues(&self, group: &str, topic: &str) -> Option<Queues> {
        if let Err(reason) = check_group(group).and_then(|()| check_topic(topic)) {
            tracing::warn!(group, topic, %reason, "consumer offset passed over");
            return None;
        }
        let mut groups = self.write();
        Some(Arc::clone(groups.entry(group.to_owned()).or_default().entry(topic.to_owned()).or_default()))
    }

    /// A group's offset of a queue.
    pub fn query(&self, group: &str, topic: &str, queue_id: i32) -> Option<i64> {
        let queues = self.read().get(group)?.get(topic).cloned()?;
        lock(&queues).get(&queue_id).copied()
    }

    /// A group's offsets of a topic.
    pub fn query_topic(&self, group: &str, topic: &str) -> Option<BTreeMap<i32, i64>> {
        let queues = self.read().get(group)?.get(topic).cloned()?;
        let offsets = lock(&queues).clone();
        Some(offsets)
    }

    /// Topics that a group has offsets of (Java: `whichTopicByConsumer`).
    pub fn topics_of(&self, group: &str) -> Vec<String> {
        self.read().get(group).map(|topics| topics.keys().cloned().collect()).unwrap_or_default()
    }

    /// Groups that have offsets of a topic (Java: `whichGroupByTopic`).
    pub fn groups_of(&self, topic: &str) -> Vec<String> {
        let groups = self.read();
        groups
            .iter()
            .filter(|(_, topics)| topics.contains_key(topic))
            .map(|(group, _)| group.clone())
            .collect()
    }

    /// Gives a group another one's offsets of a topic (Java: `cloneOffset`).
    pub fn clone_offset(&self, src_group: &str, dest_group: &str, topic: &str) {
        let Some(offsets) = self.query_topic(src_group, topic) else { return };
        let Some(queues) = self.new_queues(dest_group, topic) else { return };
        *lock(&queues) = offsets;
        self.unsaved.store(true, Ordering::Release);
    }

    /// Replaces everything by a master's table.
    pub fn replace(&self, wrapper: ConsumerOffsetSerializeWrapper) {
        *self.write() = nest(wrapper);
        self.unsaved.store(true, Ordering::Release);
    }

    /// The table as reply 43 and the file have it.
    pub fn snapshot(&self) -> ConsumerOffsetSerializeWrapper {
        let groups = self.read();
        let mut offset_table = BTreeMap::new();
        for (group, topics) in groups.iter() {
            for (topic, queues) in topics {
                let key = format!("{topic}{TOPIC_GROUP_SEPARATOR}{group}");
                offset_table.insert(key, lock(queues).clone());
            }
        }
        ConsumerOffsetSerializeWrapper { offset_table }
    }

    /// Writes the file where something has changed since the last time. Blocks.
    pub fn persist(&self) -> Result<(), FileError> {
        let _one_at_a_time = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the snapshot: a commit that comes while it is made counts for the next time.
        if !self.unsaved.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let saved = config_file::store(&self.file, &self.snapshot());
        if saved.is_err() {
            self.unsaved.store(true, Ordering::Release);
        }
        saved
    }

    fn read(&self) -> RwLockReadGuard<'_, Groups> {
        self.groups.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Groups> {
        self.groups.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock(queues: &Queues) -> MutexGuard<'_, BTreeMap<i32, i64>> {
    queues.lock().unwrap_or_else(PoisonError::into_inner)
}

fn nest(wrapper: ConsumerOffsetSerializeWrapper) -> Groups {
    let mut groups = Groups::new();
    for (key, queues) in wrapper.offset_table {
        // Neither name may hold the separator; what Java wrote under other keys it could not read either.
        let Some((topic, group)) = key.split_once(TOPIC_GROUP_SEPARATOR) else {
            tracing::warn!(key, "consumer offsets without a group left out");
            continue;
        };
        groups.entry(group.to_owned()).or_default().insert(topic.to_owned(), Arc::new(Mutex::new(queues)));
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(folder: &tempfile::TempDir) -> ConsumerOffsets {
        ConsumerOffsets::open(folder.path().join("consumerOffset.json")).unwrap()
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
        first.persist().unwrap();
        let text = std::fs::read_to_string(folder.path().join("consumerOffset.json")).unwrap();
        assert!(text.contains("\"T@g\":{0:196,1:199"), "{text}");
        let second = offsets(&folder);
        assert_eq!(second.snapshot(), first.snapshot());
        assert_eq!(second.query("h", "%RETRY%g", 0), Some(1));
        // Nothing new: the file is left alone.
        std::fs::remove_file(folder.path().join("consumerOffset.json")).unwrap();
        first.commit("g", "T", 0, 196);
        first.persist().unwrap();
        assert!(!folder.path().join("consumerOffset.json").exists());
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
}
