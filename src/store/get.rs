//! Messages out of the store: by queue and offset, by time, by place in the log (Java:
//! `DefaultMessageStore.getMessage` and its look-ups).

use super::consume_queue::{ConsumeQueue, UNIT_BYTES, Unit};
use super::consume_queue_ext::{self, ExtUnit};
use super::mapped_file::MappedSlice;
use super::record::Record;
use super::{MessageStore, index, record, recover};
use crate::config::store::BrokerRole;

/// Bytes of entries that one call walks at the least, however few messages are asked for.
const WALK_MIN_BYTES: usize = 16_000;

/// Which messages of a queue are wanted.
pub trait MessageFilter {
    /// By the queue's entry; `None` where it tells nothing.
    fn matches_queue(&self, tags_code: Option<i64>) -> bool;

    /// By what the queue keeps beside its entry.
    fn matches_ext(&self, _ext: &ExtUnit) -> bool {
        true
    }

    /// By the message itself.
    fn matches_record(&self, _record: &[u8]) -> bool {
        true
    }
}

/// Whether an entry's message may be wanted, as far as its queue tells.
fn wants(filter: &dyn MessageFilter, queue: &ConsumeQueue, unit: &Unit) -> bool {
    if !consume_queue_ext::is_address(unit.tags_code) {
        return filter.matches_queue(Some(unit.tags_code));
    }
    match queue.ext(unit) {
        Some(ext) => filter.matches_queue(Some(ext.tags_code)) && filter.matches_ext(&ext),
        None => filter.matches_queue(None),
    }
}

/// How a look into a queue ended (Java: `GetMessageStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GetStatus {
    Found,
    NoMatchedMessage,
    MessageWasRemoving,
    OffsetFoundNull,
    OffsetOverflowBadly,
    OffsetOverflowOne,
    OffsetTooSmall,
    NoMatchedLogicQueue,
    NoMessageInQueue,
}

impl GetStatus {
    /// Java's name, which is the reply's remark.
    pub fn java_name(self) -> &'static str {
        match self {
            GetStatus::Found => "FOUND",
            GetStatus::NoMatchedMessage => "NO_MATCHED_MESSAGE",
            GetStatus::MessageWasRemoving => "MESSAGE_WAS_REMOVING",
            GetStatus::OffsetFoundNull => "OFFSET_FOUND_NULL",
            GetStatus::OffsetOverflowBadly => "OFFSET_OVERFLOW_BADLY",
            GetStatus::OffsetOverflowOne => "OFFSET_OVERFLOW_ONE",
            GetStatus::OffsetTooSmall => "OFFSET_TOO_SMALL",
            GetStatus::NoMatchedLogicQueue => "NO_MATCHED_LOGIC_QUEUE",
            GetStatus::NoMessageInQueue => "NO_MESSAGE_IN_QUEUE",
        }
    }
}

/// What a look into a queue found.
#[derive(Debug)]
pub struct GetResult {
    pub status: GetStatus,
    pub next_begin_offset: i64,
    pub min_offset: i64,
    pub max_offset: i64,
    /// The reader is so far behind that its messages are hardly in memory.
    pub suggest_pulling_from_slave: bool,
    /// Bytes of the log behind what was read.
    pub behind_bytes: i64,
    /// Whole records in order; neighbours in the log are one slice.
    pub messages: Vec<MappedSlice>,
    pub message_count: usize,
    pub bytes: usize,
}

/// What a look into the index found.
#[derive(Debug, Default)]
pub struct Found {
    /// Places in the log and whole records, in order.
    pub messages: Vec<(i64, MappedSlice)>,
    /// Store time of the newest indexed message, ms.
    pub index_last_update_timestamp_ms: i64,
    /// Commit-log offset of the newest indexed message.
    pub index_last_update_offset: i64,
}

/// A look into a queue.
#[derive(Debug)]
pub struct QueueView {
    pub min_offset: i64,
    pub max_offset: i64,
    /// Those that were asked for, as far as they are there.
    pub entries: Vec<QueueEntry>,
}

/// An entry of a queue, and what its extension has.
#[derive(Debug)]
pub struct QueueEntry {
    pub unit: Unit,
    pub ext: Option<ExtUnit>,
    /// The entry names a place of the extension where there is nothing.
    pub is_ext_lost: bool,
}

impl MessageStore {
    /// Messages of a queue from an offset on, as many as fit into a reply; `None` while the store stops.
    pub fn get(
        &self,
        topic: &str,
        queue_id: i32,
        offset: i64,
        max_msg_nums: i32,
        filter: &dyn MessageFilter,
    ) -> Option<GetResult> {
        if self.is_stopping.load(std::sync::atomic::Ordering::Acquire) {
            return None;
        }
        let mut result = GetResult {
            status: GetStatus::NoMessageInQueue,
            next_begin_offset: 0,
            min_offset: 0,
            max_offset: 0,
            suggest_pulling_from_slave: false,
            behind_bytes: 0,
            messages: Vec::new(),
            message_count: 0,
            bytes: 0,
        };
        // Java makes a queue by asking for it, and so knows an empty one in the place of none.
        let Some(queue) = self.queues.get(topic, queue_id) else {
            result.next_begin_offset = self.corrected(offset, 0);
            return Some(result);
        };
        let (min, max) = (queue.min_offset(), queue.max_offset());
        (result.min_offset, result.max_offset) = (min, max);
        let (status, next) = if max == 0 {
            (GetStatus::NoMessageInQueue, self.corrected(offset, 0))
        } else if offset < min {
            (GetStatus::OffsetTooSmall, self.corrected(offset, min))
        } else if offset == max {
            (GetStatus::OffsetOverflowOne, offset)
        } else if offset > max {
            // Java: 0 where the queue begins there, or else the end; everything again, or not what came meanwhile.
            // A slave's end is only behind its master's.
            let is_slave = self.config.broker_role == BrokerRole::Slave;
            let right = if is_slave { max } else { queue.right_beyond_end() };
            (GetStatus::OffsetOverflowBadly, self.corrected(offset, right))
        } else {
            self.collect(&queue, offset, max_msg_nums, filter, &mut result)
        };
        (result.status, result.next_begin_offset) = (status, next);
        Some(result)
    }

    /// Where a reader with a wrong offset is sent: by a slave nowhere, unless told to.
    fn corrected(&self, asked: i64, right: i64) -> i64 {
        let corrects = self.config.broker_role != BrokerRole::Slave || self.settings.offset_check_in_slave();
        if corrects { right } else { asked }
    }

    /// Walks entries from `offset` on and collects their messages.
    fn collect(
        &self,
        queue: &ConsumeQueue,
        offset: i64,
        max_msg_nums: i32,
        filter: &dyn MessageFilter,
        result: &mut GetResult,
    ) -> (GetStatus, i64) {
        let Some(units) = queue.units(offset) else {
            return (GetStatus::OffsetFoundNull, self.corrected(offset, queue.next_file_offset(offset)));
        };
        let log_end = self.log.end();
        let cold_from = log_end - self.memory_share_bytes();
        let max_msg_nums = usize::try_from(max_msg_nums).unwrap_or(0);
        let walk_bytes = WALK_MIN_BYTES.max(max_msg_nums.saturating_mul(UNIT_BYTES));
        let mut status = GetStatus::NoMatchedMessage;
        let mut walked = 0;
        let mut skip_to = i64::MIN;
        let mut last_offset = log_end;
        for unit in units.chunks_exact(UNIT_BYTES).filter_map(Unit::parse) {
            if walked * UNIT_BYTES >= walk_bytes {
                break;
            }
            if !unit.is_filler() {
                last_offset = unit.commit_log_offset;
                if self.is_full(result, &unit, max_msg_nums, unit.commit_log_offset < cold_from) {
                    break;
                }
                if unit.commit_log_offset >= skip_to && wants(filter, queue, &unit) {
                    match self.log.slice(unit.commit_log_offset, unit.length.max(0) as usize) {
                        Some(message) if !self.is_sound(&message, queue, offset + walked as i64, &unit) => {}
                        Some(message) if filter.matches_record(&message) => {
                            push(result, message);
                            status = GetStatus::Found;
                        }
                        Some(_) => {}
                        None if unit.commit_log_offset >= self.log.start() => {
                            self.damage.report(
                                queue.topic(),
                                queue.queue_id(),
                                offset + walked as i64,
                                unit.commit_log_offset,
                            );
                        }
                        None => {
                            // Its file is gone: so are all other messages of that file.
                            if result.messages.is_empty() {
                                status = GetStatus::MessageWasRemoving;
                            }
                            let file_bytes = self.log.files().file_bytes() as i64;
                            skip_to =
                                unit.commit_log_offset - unit.commit_log_offset % file_bytes + file_bytes;
                        }
                    }
                }
            }
            walked += 1;
        }
        result.behind_bytes = log_end - last_offset;
        result.suggest_pulling_from_slave = last_offset < cold_from;
        (status, offset + walked as i64)
    }

    /// Whether an entry's message may be handed out: it stands where the entry says, and its body is as it was stored.
    /// Bodies are looked at unless this process wrote them a short while ago or has checked them at its start.
    fn is_sound(&self, message: &MappedSlice, queue: &ConsumeQueue, queue_offset: i64, unit: &Unit) -> bool {
        let at = unit.commit_log_offset;
        let is_trusted = at >= self.verified_from && self.log.end() - at <= self.memory_share_bytes();
        let is_sound = record::is_of_entry(message, at, queue.queue_id(), queue_offset)
            && (is_trusted || record::parse(message).is_some_and(|record| record.crc_is_right()));
        if !is_sound {
            self.damage.report(queue.topic(), queue.queue_id(), queue_offset, at);
        }
        is_sound
    }

    /// Whether a reply that has messages takes no further one.
    fn is_full(&self, result: &GetResult, unit: &Unit, max_msg_nums: usize, is_cold: bool) -> bool {
        if result.message_count == 0 {
            return false;
        }
        let settings = &self.settings;
        let (bytes, count) = if is_cold {
            (
                settings.max_transfer_bytes_on_message_in_disk(),
                settings.max_transfer_count_on_message_in_disk(),
            )
        } else {
            (
                settings.max_transfer_bytes_on_message_in_memory(),
                settings.max_transfer_count_on_message_in_memory(),
            )
        };
        let limit = |limit: i32| usize::try_from(limit).unwrap_or(0);
        result.message_count >= max_msg_nums
            || result.bytes + limit(unit.length) > limit(bytes)
            || result.message_count >= limit(count)
    }

    /// Bytes at the log's end that count as being in memory.
    fn memory_share_bytes(&self) -> i64 {
        let share = self.memory_bytes / 100
            * u64::try_from(self.settings.access_message_in_memory_max_ratio()).unwrap_or(0);
        i64::try_from(share).unwrap_or(i64::MAX)
    }

    /// Number behind a queue's newest message; 0 where there is no queue.
    pub fn max_offset(&self, topic: &str, queue_id: i32) -> i64 {
        self.queues.get(topic, queue_id).map_or(0, |queue| queue.max_offset())
    }

    /// Number of a queue's oldest message.
    pub fn min_offset(&self, topic: &str, queue_id: i32) -> i64 {
        self.queues.get(topic, queue_id).map_or(0, |queue| queue.min_offset())
    }

    /// Whether a topic has any queue: one that was just made has none before its first message.
    pub fn has_queues(&self, topic: &str) -> bool {
        self.queues.has_topic(topic)
    }

    /// A topic's queues: the id of each, the number of its oldest message, and the one behind its newest.
    pub fn queue_ranges(&self, topic: &str) -> Vec<(i32, i64, i64)> {
        self.queues.of_topic(topic, |queue| (queue.queue_id(), queue.min_offset(), queue.max_offset()))
    }

    /// One entry of a queue.
    pub fn unit(&self, topic: &str, queue_id: i32, offset: i64) -> Option<Unit> {
        self.queues.get(topic, queue_id)?.unit(offset)
    }

    /// A queue's bounds, and entries of it from a number on; none where there is no queue.
    pub fn queue_view(&self, topic: &str, queue_id: i32, from: i64, count: usize) -> Option<QueueView> {
        let queue = self.queues.get(topic, queue_id)?;
        let entry = |offset: i64| {
            let unit = queue.unit(offset)?;
            let ext = queue.ext(&unit);
            let is_ext_lost =
                ext.is_none() && queue.is_extended() && consume_queue_ext::is_address(unit.tags_code);
            Some(QueueEntry { unit, ext, is_ext_lost })
        };
        let (min_offset, max_offset) = (queue.min_offset(), queue.max_offset());
        let is_there = (min_offset..max_offset).contains(&from);
        let offsets = from..from.saturating_add(count as i64);
        let entries = if is_there { offsets.map_while(entry).collect() } else { Vec::new() };
        Some(QueueView { min_offset, max_offset, entries })
    }

    /// What an entry carries for filters, or when its delayed message is due; `None` where it cannot be read.
    pub fn tags_code(&self, topic: &str, queue_id: i32, unit: &Unit) -> Option<i64> {
        self.queues.get(topic, queue_id)?.tags_code(unit)
    }

    /// Whether an entry's message lies so far back that reading it may have to wait for the disk.
    pub fn is_in_disk(&self, topic: &str, queue_id: i32, offset: i64) -> bool {
        let unit = self.queues.get(topic, queue_id).and_then(|queue| queue.unit(offset));
        unit.is_some_and(|unit| self.log.end() - unit.commit_log_offset > self.memory_share_bytes())
    }

    /// The whole record at a place of the log, if a message begins there.
    pub fn message_at(&self, commit_log_offset: i64) -> Option<MappedSlice> {
        self.log.record_at(commit_log_offset)
    }

    /// Shows every record that begins at a place of the log or behind it, up to where the log ends now.
    pub fn for_each_record(&self, from: i64, mut look: impl FnMut(&Record<'_>)) {
        let end = self.log.end();
        let mut next = recover::next_record(self.log.files(), from.max(self.log.start()).max(0), i64::MIN);
        while let Some(at) = next.filter(|at| *at < end) {
            next = match self.log.record_at(at).as_deref().and_then(record::parse) {
                Some(record) => {
                    look(&record);
                    Some(at + record.length() as i64)
                }
                None => recover::next_record(self.log.files(), at, i64::MIN).filter(|found| *found > at),
            };
        }
    }

    /// Messages of a topic with a key that were stored within a time, in the log's order; the newest where there are
    /// more than `max`.
    pub fn find_by_key(&self, topic: &str, key: &str, max: usize, begin_ms: i64, end_ms: i64) -> Found {
        let mut found = Found::default();
        let Some(index) = &self.index else { return found };
        let max = max.min(usize::try_from(self.settings.max_msgs_num_batch()).unwrap_or(0));
        let times = begin_ms..=end_ms;
        let (newest_ms, newest_offset) = index.query(topic, key, begin_ms, end_ms, |offset| {
            // Different keys may have one hash, and a damaged entry any place.
            let is_asked_for = |record: &Record<'_>| {
                record.topic() == Some(topic)
                    && times.contains(&record.store_timestamp_ms())
                    && index::keys(record.properties()).any(|one| one == key)
            };
            let is_known = found.messages.iter().any(|(known, _)| *known == offset);
            if let Some(slice) =
                self.log.record_at(offset).filter(|_| !is_known && found.messages.len() < max)
                && record::parse(&slice).is_some_and(|record| is_asked_for(&record))
            {
                found.messages.push((offset, slice));
            }
            found.messages.len() < max
        });
        found.messages.sort_unstable_by_key(|(offset, _)| *offset);
        (found.index_last_update_timestamp_ms, found.index_last_update_offset) = (newest_ms, newest_offset);
        found
    }

    /// When an entry's message was stored, ms; -1 where there is none.
    pub fn store_time_of(&self, topic: &str, queue_id: i32, offset: i64) -> i64 {
        self.queues.get(topic, queue_id).map_or(-1, |queue| self.store_time(&queue, offset))
    }

    /// When a queue's oldest message was stored, ms; -1 where there is none.
    pub fn earliest_store_time(&self, topic: &str, queue_id: i32) -> i64 {
        self.queues.get(topic, queue_id).map_or(-1, |queue| self.store_time(&queue, queue.min_offset()))
    }

    fn store_time(&self, queue: &ConsumeQueue, offset: i64) -> i64 {
        let unit = queue.unit(offset).filter(|unit| !unit.is_filler());
        let record =
            unit.and_then(|unit| self.log.slice(unit.commit_log_offset, unit.length.max(0) as usize));
        let record = record.as_deref().and_then(record::parse);
        record.map_or(-1, |record| record.store_timestamp_ms())
    }

    /// The entry of a queue whose message was stored at a time, or nearest to it; the last one for a time after
    /// all, 0 in an empty queue.
    pub fn offset_by_time(&self, topic: &str, queue_id: i32, timestamp_ms: i64) -> i64 {
        let Some(queue) = self.queues.get(topic, queue_id) else { return 0 };
        let (min, max) = (queue.min_offset(), queue.max_offset());
        let (mut low, mut high) = (min, max);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.store_time(&queue, middle) < timestamp_ms {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if low == max {
            return (max - 1).max(min);
        }
        let right = self.store_time(&queue, low);
        if low == min || right == timestamp_ms {
            return low;
        }
        let left = self.store_time(&queue, low - 1);
        if timestamp_ms - left > right - timestamp_ms { low } else { low - 1 }
    }
}

fn push(result: &mut GetResult, message: MappedSlice) {
    result.message_count += 1;
    result.bytes += message.len();
    let rest = match result.messages.last_mut() {
        Some(last) => last.join(message),
        None => Some(message),
    };
    result.messages.extend(rest);
}
