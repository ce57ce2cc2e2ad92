//! Follows the commit log and gives each message its place in a consume queue (Java:
//! `DefaultMessageStore.ReputMessageService` and `CommitLogDispatcherBuildConsumeQueue`).
//!
//! There is no thread between an append and its entry: whoever appended calls
//! [`MessageStore::dispatch`](super::MessageStore::dispatch) after its replies are written, and the first one
//! there works for all. To wake another core for a lone message costs more than the work itself. A thread
//! stands by for what a caller leaves over: more than its share, or an entry that could not be written.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::commit_log::CommitLog;
use super::consume_queue::{ConsumeQueue, Put, Unit};
use super::delay::DelayLevels;
use super::index::Index;
use super::mapped_file::MappedFile;
use super::queues::Queues;
use super::record::{self, Found, Record};
use super::{Arrival, ArrivalListener, Error, recover};
use crate::protocol::message::{self, SYS_FLAG_TRANSACTION_MASK};
use crate::protocol::topic::SCHEDULE_TOPIC;

/// Where dispatching stands. One at a time works on it.
pub struct Dispatcher {
    /// Commit-log offset of the next record.
    position: i64,
    /// The file that `position` lies in, kept from the last record.
    file: Option<Arc<MappedFile>>,
    /// The queue of the last record: the next one is often of the same topic.
    queue: Option<Arc<ConsumeQueue>>,
    /// Store time of the last record, ms.
    store_timestamp_ms: i64,
    /// Names that are no topics, met in the log and reported once.
    reported: HashSet<Vec<u8>>,
    /// Queues that were deleted, by topic and id, and where the log ended then.
    gone: HashMap<Arc<str>, HashMap<i32, i64>>,
}

/// What records are given to.
#[derive(Clone, Copy)]
pub struct Targets<'a> {
    pub queues: &'a Queues,
    /// Unless `messageIndexEnable` is off.
    pub index: Option<&'a Index>,
    pub levels: &'a DelayLevels,
    pub listener: Option<&'a dyn ArrivalListener>,
    /// Where messages are counted that came by replication: a slave's.
    pub received: Option<&'a Written>,
}

/// Messages that came into the log since the start, whoever wrote them: producers, delivery of delayed messages,
/// transactions, a master (Java: `StoreStatsService.getSinglePutMessageTopicTimesTotal`).
#[derive(Debug, Default)]
pub struct Written {
    messages: AtomicU64,
    bytes: AtomicU64,
}

impl Written {
    pub(crate) fn add(&self, messages: usize, bytes: usize) {
        self.messages.fetch_add(messages as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// How many.
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Bytes of their records in the log.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// What a round of dispatching left.
#[derive(Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing: the end of the log was reached.
    Nothing,
    /// More than the caller's share.
    More,
}

impl Dispatcher {
    /// Begins at a place of the log.
    pub fn new(position: i64) -> Dispatcher {
        Dispatcher {
            position,
            file: None,
            queue: None,
            store_timestamp_ms: 0,
            reported: HashSet::new(),
            gone: HashMap::new(),
        }
    }

    /// Commit-log offset of the next record.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// Store time of the newest message that has its entry, ms.
    pub fn store_timestamp_ms(&self) -> i64 {
        self.store_timestamp_ms
    }

    /// Queues have been deleted. Records of them that wait for their entries get none: their numbers are those of queues
    /// that are no more, and what is appended from `log_end` on counts anew.
    pub fn queues_gone(&mut self, queues: &[Arc<ConsumeQueue>], log_end: i64) {
        self.queue = None;
        for queue in queues.iter().filter(|_| self.position < log_end) {
            let of_topic = self.gone.entry(Arc::clone(queue.topic())).or_default();
            of_topic.insert(queue.queue_id(), log_end);
        }
    }

    fn is_gone(&mut self, topic: &str, record: &Record<'_>) -> bool {
        let Some(queues) = self.gone.get_mut(topic) else { return false };
        let Some(log_end) = queues.get(&record.queue_id()) else { return false };
        if record.commit_log_offset() < *log_end {
            return true;
        }
        queues.remove(&record.queue_id());
        if queues.is_empty() {
            self.gone.remove(topic);
        }
        false
    }

    /// Gives up to `limit` records their entries. After an error the same record is the next one.
    pub fn run(&mut self, log: &CommitLog, targets: &Targets<'_>, limit: usize) -> Result<Left, Error> {
        for _ in 0..limit {
            if self.position >= log.end() {
                // Nothing waits for its entry any more.
                self.gone.clear();
                return Ok(Left::Nothing);
            }
            let Some(file) = self.file_at_position(log) else { return Ok(Left::Nothing) };
            let at = (self.position - file.from() as i64) as usize;
            let bytes = file.bytes(at, file.published() - at).unwrap_or(&[]);
            match record::find(bytes, self.position) {
                Found::Message(record) => {
                    self.dispatch(&record, targets)?;
                    self.position += record.length() as i64;
                    if let Some(received) = targets.received {
                        received.add(1, record.length());
                    }
                }
                Found::Blank => self.position = file.from() as i64 + file.length() as i64,
                // Damage that recovery went around, too.
                Found::Nothing => {
                    let next = recover::next_record(log.files(), self.position + 1, self.store_timestamp_ms);
                    self.position = next.unwrap_or_else(|| log.end());
                }
            }
        }
        Ok(Left::More)
    }

    fn file_at_position(&mut self, log: &CommitLog) -> Option<Arc<MappedFile>> {
        let position = self.position as u64;
        let holds =
            |file: &&Arc<MappedFile>| (file.from()..file.from() + file.length() as u64).contains(&position);
        if self.file.as_ref().filter(holds).is_none() {
            // A position before the first file: it was deleted meanwhile, and its messages with it.
            let first = log.files().first()?;
            if position < first.from() {
                self.position = first.from() as i64;
            }
            self.file = log.files().at(self.position as u64);
        }
        self.file.clone()
    }

    /// Gives one record its entry.
    pub fn dispatch(&mut self, record: &Record<'_>, targets: &Targets<'_>) -> Result<(), Error> {
        // Half messages and rollbacks of old logs have no place in a queue; a committed message has.
        let transaction = record.sys_flag() & SYS_FLAG_TRANSACTION_MASK;
        if transaction != 0 && transaction != message::SYS_FLAG_TRANSACTION_COMMIT {
            return self.index(record, targets);
        }
        let Some(topic) = record.topic().filter(|topic| super::is_topic(topic) && record.queue_id() >= 0)
        else {
            self.report(record);
            return Ok(());
        };
        // Before the queue: who finds the message there finds it by its keys, too.
        self.index(record, targets)?;
        if !self.gone.is_empty() && self.is_gone(topic, record) {
            return Ok(());
        }
        let queue = self.queue_of(targets.queues, topic, record.queue_id());
        let tags_code = tags_code(record, topic, targets.levels);
        let unit =
            Unit { commit_log_offset: record.commit_log_offset(), length: record.length() as i32, tags_code };
        let bits = match targets.listener.filter(|_| queue.is_extended()) {
            Some(listener) => listener.subscription_bits(topic, record.properties()),
            None => Vec::new(),
        };
        let put = queue.put_extended(record.queue_offset(), unit, record.store_timestamp_ms(), &bits)?;
        self.store_timestamp_ms = record.store_timestamp_ms();
        if put == Put::Implausible {
            tracing::error!(
                target: "storeerror",
                topic,
                queue_id = record.queue_id(),
                queue_offset = record.queue_offset(),
                commit_log_offset = record.commit_log_offset(),
                "message whose queue offset cannot be is left out of its queue"
            );
        }
        if put == Put::Written
            && let Some(listener) = targets.listener
        {
            listener.arriving(&Arrival {
                topic,
                queue_id: record.queue_id(),
                max_queue_offset: queue.max_offset(),
                tags_code,
                properties: record.properties(),
            });
        }
        Ok(())
    }

    /// Has a record found by its keys, and no more: one without a place in a queue.
    pub fn index(&self, record: &Record<'_>, targets: &Targets<'_>) -> Result<(), Error> {
        targets.index.map_or(Ok(()), |index| index.put(record))
    }

    fn queue_of(&mut self, queues: &Queues, topic: &str, queue_id: i32) -> Arc<ConsumeQueue> {
        match &self.queue {
            Some(queue) if queue.queue_id() == queue_id && **queue.topic() == *topic => Arc::clone(queue),
            _ => {
                let queue = queues.get_or_create(topic, queue_id);
                self.queue = Some(Arc::clone(&queue));
                queue
            }
        }
    }

    fn report(&mut self, record: &Record<'_>) {
        // Bounded: an old log may hold any number of such names.
        const REPORTED_MAX: usize = 1000;
        let topic = record.topic().unwrap_or("no text");
        if self.reported.len() < REPORTED_MAX && self.reported.insert(topic.as_bytes().to_vec()) {
            tracing::error!(
                target: "storeerror",
                topic,
                queue_id = record.queue_id(),
                commit_log_offset = record.commit_log_offset(),
                "messages in the commit log whose topic is not a topic's name are left out of the queues"
            );
        }
    }
}

/// What a queue entry carries for filters: the tag's hash, or when a delayed message is due.
fn tags_code(record: &Record<'_>, topic: &str, levels: &DelayLevels) -> i64 {
    let properties = record.properties();
    if topic == SCHEDULE_TOPIC
        && let Some(level) = message::property(properties, message::PROPERTY_DELAY_TIME_LEVEL)
        && let Ok(level @ 1..) = level.parse::<i32>()
    {
        return levels.due_ms(level.min(levels.max()), record.store_timestamp_ms());
    }
    // Most messages are found to have no tag without a walk over their properties.
    if !properties.contains(message::PROPERTY_TAGS) {
        return 0;
    }
    message::property(properties, message::PROPERTY_TAGS)
        .map_or(0, |tags| compat::hash::java_string_hash(tags).into())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddrV4};

    use crate::config::store::MessageStoreConfig;
    use crate::store::{MessageStore, NewMessage, OpenOptions, PutStatus};

    /// Whoever holds the dispatcher, and for whatever: what others appended meanwhile has its entries when it is let go.
    #[test]
    fn who_holds_the_dispatcher_looks_again_for_the_others() {
        const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 10_911);
        let root = tempfile::tempdir().unwrap();
        let config = MessageStoreConfig {
            store_path_root_dir: root.path().to_str().unwrap().to_owned(),
            store_path_commit_log: root.path().join("commitlog").to_str().unwrap().to_owned(),
            maped_file_size_commit_log: 65_536,
            ..MessageStoreConfig::default()
        };
        let store = MessageStore::open(config, OpenOptions::default()).unwrap();
        let message = NewMessage {
            topic: "T",
            queue_id: 0,
            flag: 0,
            sys_flag: 0,
            born_timestamp_ms: 1,
            born_host: HOST,
            store_host: HOST,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: b"x",
            properties: "",
        };
        for number in 1..=10 {
            store.with_dispatcher(|_| {
                assert_eq!(store.put(&message).status, PutStatus::PutOk);
                store.dispatch();
                assert_eq!(store.max_offset("T", 0), number - 1, "somebody else has it");
            });
            assert_eq!(store.max_offset("T", 0), number);
        }
    }
}
