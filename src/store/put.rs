//! Messages into the store: the checks before the log, the record, the wait for the disk (Java:
//! `DefaultMessageStore.putMessage`, `putMessages`, `CommitLog.putMessage`).

use std::cell::RefCell;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::commit_log::{AppendError, Appended};
use super::consume_queue::ConsumeQueue;
use super::record::{self, Content};
use super::replicas::ReplicaTicket;
use super::{FlushTicket, MessageStore};
use crate::config::store::{BrokerRole, FlushDiskType};
use crate::protocol::message::{self, Properties, SYS_FLAG_TRANSACTION_COMMIT, SYS_FLAG_TRANSACTION_MASK};
use crate::protocol::topic::SCHEDULE_TOPIC;

/// A put that takes longer is worth a line in the log, as in Java.
const SLOW_PUT: Duration = Duration::from_millis(500);

/// A message, or with [`MessageStore::put_batch`] a batch of them in one body.
pub type NewMessage<'a> = Content<'a>;

/// What became of a message (Java: `PutMessageStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutStatus {
    PutOk,
    FlushDiskTimeout,
    FlushSlaveTimeout,
    SlaveNotAvailable,
    ServiceNotAvailable,
    CreateMappedFileFailed,
    MessageIllegal,
    PropertiesSizeExceeded,
    OsPageCacheBusy,
    UnknownError,
}

impl PutStatus {
    /// Java's name, as send-back remarks carry it.
    pub fn java_name(self) -> &'static str {
        match self {
            PutStatus::PutOk => "PUT_OK",
            PutStatus::FlushDiskTimeout => "FLUSH_DISK_TIMEOUT",
            PutStatus::FlushSlaveTimeout => "FLUSH_SLAVE_TIMEOUT",
            PutStatus::SlaveNotAvailable => "SLAVE_NOT_AVAILABLE",
            PutStatus::ServiceNotAvailable => "SERVICE_NOT_AVAILABLE",
            PutStatus::CreateMappedFileFailed => "CREATE_MAPEDFILE_FAILED",
            PutStatus::MessageIllegal => "MESSAGE_ILLEGAL",
            PutStatus::PropertiesSizeExceeded => "PROPERTIES_SIZE_EXCEEDED",
            PutStatus::OsPageCacheBusy => "OS_PAGECACHE_BUSY",
            PutStatus::UnknownError => "UNKNOWN_ERROR",
        }
    }
}

/// What became of a put. Offsets are of the first message.
pub struct PutResult {
    pub status: PutStatus,
    pub commit_log_offset: i64,
    pub queue_offset: i64,
    pub store_timestamp_ms: i64,
    /// Bytes in the log.
    pub record_bytes: usize,
    /// Where each message of the put ends, from the first one's start.
    ends: Ends,
    /// Present where the answer has to wait for the disk.
    pub durable: Option<FlushTicket>,
    /// Present where the answer has to wait for a slave.
    pub replicated: Option<ReplicaTicket>,
}

enum Ends {
    One,
    Many(Vec<usize>),
}

impl PutResult {
    fn refused(status: PutStatus) -> PutResult {
        PutResult {
            status,
            commit_log_offset: -1,
            queue_offset: -1,
            store_timestamp_ms: 0,
            record_bytes: 0,
            ends: Ends::One,
            durable: None,
            replicated: None,
        }
    }

    /// Messages that were stored.
    pub fn message_count(&self) -> usize {
        match &self.ends {
            Ends::One => 1,
            Ends::Many(ends) => ends.len(),
        }
    }

    /// The offset message ids, joined with commas.
    pub fn message_ids(&self, store_host: SocketAddrV4) -> String {
        let id =
            |start: usize| compat::id::offset_message_id(store_host, self.commit_log_offset + start as i64);
        match &self.ends {
            Ends::One => id(0),
            Ends::Many(ends) => {
                let starts = std::iter::once(0).chain(ends.iter().copied()).take(ends.len());
                starts.map(id).collect::<Vec<_>>().join(",")
            }
        }
    }
}

thread_local! {
    /// Where records are encoded before they are copied into the log.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}
/// A scratch buffer that has grown past this is given back.
const SCRATCH_KEPT_BYTES: usize = 256 * 1024;

impl MessageStore {
    /// Stores a message. When it returns with [`PutStatus::PutOk`] the message is in the page cache, and its
    /// `durable` ticket, if any, tells when it is on disk.
    pub fn put(&self, message: &NewMessage<'_>) -> PutResult {
        if let Err(status) = self.check(message) {
            return PutResult::refused(status);
        }
        match self.delayed(message) {
            Ok(None) => self.put_one(message),
            Ok(Some((queue_id, properties))) => self.put_one(&NewMessage {
                topic: SCHEDULE_TOPIC,
                queue_id,
                properties: &properties,
                ..*message
            }),
            Err(status) => PutResult::refused(status),
        }
    }

    /// Stores a message that has waited for its time: its delay level is not looked at any more.
    pub fn put_due(&self, message: &NewMessage<'_>) -> PutResult {
        match self.check(message) {
            Ok(()) => self.put_one(message),
            Err(status) => PutResult::refused(status),
        }
    }

    fn put_one(&self, message: &NewMessage<'_>) -> PutResult {
        if message.properties.len() > record::PROPERTIES_MAX_BYTES {
            return PutResult::refused(PutStatus::PropertiesSizeExceeded);
        }
        if record::length(message) > self.message_max_bytes() {
            return PutResult::refused(PutStatus::MessageIllegal);
        }
        // Properties that end in a zero look as if the disk had not got all of them.
        if message.properties.ends_with('\0') {
            let properties = format!("{}\u{2}", message.properties);
            return self.put_one(&NewMessage { properties: &properties, ..*message });
        }
        with_scratch(|scratch| {
            record::encode(message, scratch);
            let ends = [scratch.len()];
            self.append(message, scratch, &ends, Ends::One)
        })
    }

    /// Stores the messages of a batch body, one behind the other, all or none.
    pub fn put_batch(&self, batch: &NewMessage<'_>) -> PutResult {
        if let Err(status) = self.check(batch) {
            return PutResult::refused(status);
        }
        let is_delayed = message::property(batch.properties, message::PROPERTY_DELAY_TIME_LEVEL)
            .is_some_and(|level| level != "0");
        let is_plain = batch.sys_flag & SYS_FLAG_TRANSACTION_MASK == 0 && !is_delayed;
        if !is_plain || batch.body.len() > self.message_max_bytes() {
            return PutResult::refused(PutStatus::MessageIllegal);
        }
        with_scratch(|scratch| match self.encode_batch(batch, scratch) {
            Some(ends) => self.append(batch, scratch, &ends, Ends::Many(ends.clone())),
            None => PutResult::refused(PutStatus::MessageIllegal),
        })
    }

    /// Encodes a batch's messages; `None` where one is malformed or too large, or all are.
    fn encode_batch(&self, batch: &NewMessage<'_>, scratch: &mut Vec<u8>) -> Option<Vec<usize>> {
        let mut ends = Vec::new();
        for item in message::batch_items(batch.body) {
            let item = item.ok()?;
            let properties = std::str::from_utf8(item.properties).ok()?;
            let ended = properties.ends_with('\0').then(|| format!("{properties}\u{2}"));
            let properties = ended.as_deref().unwrap_or(properties);
            if properties.len() > record::PROPERTIES_MAX_BYTES {
                return None;
            }
            let single = NewMessage { flag: item.flag, body: item.body, properties, ..*batch };
            if scratch.len() + record::length(&single) > self.message_max_bytes() {
                return None;
            }
            record::encode(&single, scratch);
            ends.push(scratch.len());
        }
        (!ends.is_empty()).then_some(ends)
    }

    fn message_max_bytes(&self) -> usize {
        usize::try_from(self.settings.max_message_size()).unwrap_or(0)
    }

    /// The checks of every put, in Java's order.
    fn check(&self, message: &NewMessage<'_>) -> Result<(), PutStatus> {
        let is_writable = !self.is_stopping.load(Ordering::Acquire)
            && self.config.broker_role != BrokerRole::Slave
            && !self.is_troubled.load(Ordering::Acquire);
        if !is_writable {
            return Err(PutStatus::ServiceNotAvailable);
        }
        // The last line of defence: a topic becomes a folder, and its length a signed byte.
        if !super::is_topic(message.topic) || message.queue_id < 0 {
            return Err(PutStatus::MessageIllegal);
        }
        if message.properties.len() > record::PROPERTIES_MAX_BYTES {
            return Err(PutStatus::PropertiesSizeExceeded);
        }
        if self.is_page_cache_busy() {
            return Err(PutStatus::OsPageCacheBusy);
        }
        Ok(())
    }

    /// Queue and properties under which a delayed message waits; `None` for one that is not delayed.
    fn delayed(&self, message: &NewMessage<'_>) -> Result<Option<(i32, String)>, PutStatus> {
        let transaction = message.sys_flag & SYS_FLAG_TRANSACTION_MASK;
        let may_wait = transaction == 0 || transaction == SYS_FLAG_TRANSACTION_COMMIT;
        // The name is looked for first: most messages are spared the walk over their properties.
        if !may_wait || !message.properties.contains(message::PROPERTY_DELAY_TIME_LEVEL) {
            return Ok(None);
        }
        let level = message::property(message.properties, message::PROPERTY_DELAY_TIME_LEVEL);
        let Some(level) = level else { return Ok(None) };
        let level: i32 = level.parse().map_err(|_| PutStatus::MessageIllegal)?;
        if level <= 0 {
            return Ok(None);
        }
        let level = level.min(self.levels.max());
        let mut properties = Properties::parse(message.properties);
        properties.set(message::PROPERTY_DELAY_TIME_LEVEL, level.to_string());
        properties.set(message::PROPERTY_REAL_TOPIC, message.topic);
        properties.set(message::PROPERTY_REAL_QUEUE_ID, message.queue_id.to_string());
        Ok(Some((level - 1, properties.encode())))
    }

    /// Says so where a put took long, and where it held the append lock for long. Who puts has measured, and the time under
    /// the lock is counted from the message's own store time: a put that takes no time pays a comparison.
    pub fn report_slow_put(&self, took: Duration, put: &PutResult) {
        if took <= SLOW_PUT {
            return;
        }
        let PutResult { status, commit_log_offset, store_timestamp_ms, record_bytes, .. } = put;
        let in_lock_ms = self.clock.now_ms() - store_timestamp_ms;
        if *store_timestamp_ms > 0 && in_lock_ms > SLOW_PUT.as_millis() as i64 {
            tracing::warn!(
                commit_log_offset,
                "[NOTIFYME]putMessage in lock cost time(ms)={in_lock_ms}, recordLength={record_bytes}: the disk is slow, or the \
                 machine short of memory"
            );
        }
        tracing::warn!(
            status = status.java_name(),
            "putMessage not in lock eclipse time(ms)={}, recordLength={record_bytes}",
            took.as_millis()
        );
    }

    fn append(&self, message: &NewMessage<'_>, records: &mut [u8], ends: &[usize], kept: Ends) -> PutResult {
        let count = ends.len() as i64;
        let mut queue = self.queues.get_or_create(message.topic, message.queue_id);
        let mut queue_offset = 0;
        let appended = self.log.append(records, ends, &self.clock, |_| {
            queue_offset = self.take_offsets(&mut queue, count);
            queue_offset
        });
        match appended {
            Ok(Appended { commit_log_offset, store_timestamp_ms }) => {
                self.no_room.end();
                self.written.add(ends.len(), records.len());
                let end = commit_log_offset + records.len() as i64;
                let (status, replicated) = self.replicated(message, end);
                PutResult {
                    status,
                    commit_log_offset,
                    queue_offset,
                    store_timestamp_ms,
                    record_bytes: records.len(),
                    ends: kept,
                    durable: self.ticket(message, end),
                    replicated,
                }
            }
            Err(AppendError::TooLarge) => PutResult::refused(PutStatus::MessageIllegal),
            Err(AppendError::Disk(error)) => {
                self.no_room.report(&error, self.clock.now_ms());
                PutResult::refused(PutStatus::ServiceNotAvailable)
            }
        }
    }

    /// Takes queue offsets, of the queue that stands in the table now: the topic may have been deleted between.
    fn take_offsets(&self, queue: &mut Arc<ConsumeQueue>, count: i64) -> i64 {
        while queue.is_removed() {
            *queue = self.queues.get_or_create(queue.topic(), queue.queue_id());
        }
        queue.take_offsets(count)
    }

    fn ticket(&self, message: &NewMessage<'_>, end: i64) -> Option<FlushTicket> {
        let is_sync = self.config.flush_disk_type == FlushDiskType::SyncFlush;
        (is_sync && waits(message)).then(|| self.flush.ticket(end))
    }

    /// A synchronous master's sender waits for a slave, or is told that there is none that could have the message in time.
    fn replicated(&self, message: &NewMessage<'_>, end: i64) -> (PutStatus, Option<ReplicaTicket>) {
        if self.config.broker_role != BrokerRole::SyncMaster || !waits(message) {
            return (PutStatus::PutOk, None);
        }
        let behind = end - self.replicas.acked();
        let is_near = behind < i64::from(self.settings.ha_slave_fallbehind_max());
        if self.replicas.count() == 0 || !is_near {
            return (PutStatus::SlaveNotAvailable, None);
        }
        (PutStatus::PutOk, Some(self.replicas.ticket(end)))
    }
}

/// Whether the sender waits for more than the page cache.
fn waits(message: &NewMessage<'_>) -> bool {
    let wait = message::property(message.properties, message::PROPERTY_WAIT_STORE_MSG_OK);
    wait.is_none_or(|wait| wait.eq_ignore_ascii_case("true"))
}

fn with_scratch<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        let result = work(scratch);
        if scratch.capacity() > SCRATCH_KEPT_BYTES {
            *scratch = Vec::new();
        }
        result
    })
}
