//! All consume queues, by topic and queue id (Java: `DefaultMessageStore.consumeQueueTable`).

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::Error;
use super::consume_queue::{ConsumeQueue, UNIT_BYTES};
use super::consume_queue_ext::ExtPlan;
use super::record::Record;
use crate::protocol::message::{SYS_FLAG_TRANSACTION_COMMIT, SYS_FLAG_TRANSACTION_MASK};

/// The queues. Looking one up takes a read lock and one hash of the topic.
pub struct Queues {
    folder: PathBuf,
    file_bytes: usize,
    /// Where ext units are kept, if they are.
    ext: Option<ExtPlan>,
    /// A topic's queues in the order of their ids.
    topics: RwLock<HashMap<Arc<str>, Vec<Arc<ConsumeQueue>>>>,
}

impl Queues {
    /// Opens the queues of a folder `consumequeue/<topic>/<queue id>`. Folders with other names are left alone.
    pub fn open(folder: PathBuf, file_bytes: usize, ext: Option<ExtPlan>) -> Result<Queues, Error> {
        let file_bytes = file_bytes.next_multiple_of(UNIT_BYTES);
        let queues = Queues { folder, file_bytes, ext, topics: RwLock::default() };
        for topic in folders(&queues.folder)? {
            if !super::is_topic(&topic) {
                tracing::warn!(topic, "folder in consumequeue is not named as a topic and is left alone");
                continue;
            }
            let topic: Arc<str> = topic.into();
            for name in folders(&queues.folder.join(&*topic))? {
                let Some(queue_id) = name.parse::<i32>().ok().filter(|id| *id >= 0) else { continue };
                let folder = queues.folder.join(&*topic).join(&name);
                let queue = ConsumeQueue::open(Arc::clone(&topic), queue_id, folder, file_bytes)?;
                queues.insert(Arc::new(queue.with_ext(queues.ext.as_ref())?));
            }
        }
        Ok(queues)
    }

    /// A queue, if there is one.
    pub fn get(&self, topic: &str, queue_id: i32) -> Option<Arc<ConsumeQueue>> {
        let topics = self.read();
        let queues = topics.get(topic)?;
        let index = queues.binary_search_by_key(&queue_id, |queue| queue.queue_id()).ok()?;
        Some(Arc::clone(&queues[index]))
    }

    /// Whether a topic has any queue.
    pub fn has_topic(&self, topic: &str) -> bool {
        self.read().contains_key(topic)
    }

    /// Something of each of a topic's queues, in the order of their ids.
    pub fn of_topic<T>(&self, topic: &str, look: impl Fn(&ConsumeQueue) -> T) -> Vec<T> {
        self.read()
            .get(topic)
            .map(|queues| queues.iter().map(|queue| look(queue)).collect())
            .unwrap_or_default()
    }

    /// A queue; one without entries and files where there was none.
    pub fn get_or_create(&self, topic: &str, queue_id: i32) -> Arc<ConsumeQueue> {
        self.get(topic, queue_id).unwrap_or_else(|| {
            let folder = self.folder.join(topic).join(queue_id.to_string());
            let queue = ConsumeQueue::new(topic.into(), queue_id, folder, self.file_bytes);
            self.insert(Arc::new(queue.with_new_ext(self.ext.as_ref())))
        })
    }

    /// Puts a queue in its place, and gives the one that stands there then.
    fn insert(&self, queue: Arc<ConsumeQueue>) -> Arc<ConsumeQueue> {
        let mut topics = self.write();
        let queues = topics.entry(Arc::clone(queue.topic())).or_default();
        match queues.binary_search_by_key(&queue.queue_id(), |queue| queue.queue_id()) {
            Ok(index) => Arc::clone(&queues[index]),
            Err(index) => {
                queues.insert(index, Arc::clone(&queue));
                queue
            }
        }
    }

    /// Whether a record's queue lacks entries that older records of the log must have had. One that lacks its first ones
    /// is emptied, if this is the first record of the queue that a walk has `met`: an entry can only be put behind the
    /// others. Only while the store is being opened.
    pub fn has_gap_before(&self, record: &Record<'_>, met: &mut HashSet<String>) -> Result<bool, Error> {
        let transaction = record.sys_flag() & SYS_FLAG_TRANSACTION_MASK;
        let Some(topic) = record.topic().filter(|topic| super::is_topic(topic)) else { return Ok(false) };
        let is_queued = transaction == 0 || transaction == SYS_FLAG_TRANSACTION_COMMIT;
        // A negative offset is damage, which no CRC covers.
        if !is_queued || record.queue_id() < 0 || record.queue_offset() < 0 {
            return Ok(false);
        }
        let Some(queue) = self.get(topic, record.queue_id()) else { return Ok(record.queue_offset() > 0) };
        let lacks_first = record.queue_offset() < queue.first_offset();
        let is_first = lacks_first && met.insert(format!("{topic} {}", queue.queue_id()));
        if is_first && record.commit_log_offset() < queue.dispatched_to() {
            tracing::error!(
                target: "storeerror",
                topic,
                queue_id = queue.queue_id(),
                from = record.queue_offset(),
                to = queue.first_offset(),
                "consume queue lacks its first entries and is made again"
            );
            queue.empty()?;
            return Ok(true);
        }
        let is_new = !queue.has(record.queue_offset(), record.commit_log_offset());
        Ok(is_new && queue.max_offset() < record.queue_offset())
    }

    /// Takes all queues out of the table.
    pub fn clear(&self) {
        self.write().clear();
    }

    /// Takes queues out of the table.
    pub fn remove_if(&self, is_to_go: impl Fn(&ConsumeQueue) -> bool) -> Vec<Arc<ConsumeQueue>> {
        let mut removed = Vec::new();
        self.write().retain(|_, queues| {
            queues.retain(|queue| {
                let goes = is_to_go(queue);
                if goes {
                    removed.push(Arc::clone(queue));
                }
                !goes
            });
            !queues.is_empty()
        });
        removed
    }

    /// Every queue.
    pub fn all(&self) -> Vec<Arc<ConsumeQueue>> {
        self.read().values().flatten().cloned().collect()
    }

    /// The folder of all queues.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folders of a topic: of its queues, and of what is kept beside their entries.
    pub fn topic_folders(&self, topic: &str) -> Vec<PathBuf> {
        let ext = self.ext.as_ref().map(|ext| ext.folder.as_path());
        std::iter::once(self.folder()).chain(ext).map(|folder| folder.join(topic)).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<Arc<str>, Vec<Arc<ConsumeQueue>>>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Arc<str>, Vec<Arc<ConsumeQueue>>>> {
        self.topics.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn folders(path: &Path) -> Result<Vec<String>, Error> {
    let failed = |source| Error::Io { what: "read folder", path: path.to_owned(), source };
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}
