//! One queue of a topic: where its messages lie in the commit log (Java: `ConsumeQueue`).
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | commit-log offset |
//! | 8 | 4 | record length |
//! | 12 | 8 | tags code |
//!
//! Entry n lies at byte 20 n of the endless queue. Entries are written by the dispatcher alone.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::consume_queue_ext::{self, ConsumeQueueExt, ExtPlan, ExtUnit};
use super::files::{self, Files};
use super::mapped_file::{MappedFile, MappedSlice, PAGE_BYTES};
use super::{Error, record};

/// Length of an entry (Java: `CQ_STORE_UNIT_SIZE`).
pub const UNIT_BYTES: usize = 20;
/// Space is allocated in steps that double up to this one: most queues stay small.
const RESERVE_MAX_BYTES: usize = 256 * 1024;
/// The record length of an entry that stands for nothing: an entry before a queue's first, or one whose record
/// is lost.
const NO_RECORD_BYTES: i32 = i32::MAX;

/// An entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    pub commit_log_offset: i64,
    pub length: i32,
    pub tags_code: i64,
}

impl Unit {
    /// The entry of 20 bytes.
    pub fn parse(bytes: &[u8]) -> Option<Unit> {
        let bytes: &[u8; UNIT_BYTES] = bytes.first_chunk()?;
        let (offset, rest) = bytes.split_first_chunk::<8>()?;
        let (length, tags) = rest.split_first_chunk::<4>()?;
        Some(Unit {
            commit_log_offset: i64::from_be_bytes(*offset),
            length: i32::from_be_bytes(*length),
            tags_code: i64::from_be_bytes(*tags.first_chunk()?),
        })
    }

    fn bytes(self) -> [u8; UNIT_BYTES] {
        let mut bytes = [0; UNIT_BYTES];
        bytes[..8].copy_from_slice(&self.commit_log_offset.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.length.to_be_bytes());
        bytes[12..].copy_from_slice(&self.tags_code.to_be_bytes());
        bytes
    }

    /// Whether the entry is one at all.
    pub fn is_present(self) -> bool {
        self.commit_log_offset >= 0 && self.length > 0
    }

    /// Whether the entry stands for no message.
    pub fn is_filler(self) -> bool {
        self.length == NO_RECORD_BYTES
    }

    /// Offset behind the record.
    fn record_end(self) -> i64 {
        if self.is_filler() { 0 } else { self.commit_log_offset.saturating_add(i64::from(self.length)) }
    }
}

/// What the log says of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Its record stands there.
    Right,
    /// Another record stands there.
    Wrong,
    /// Nothing stands there that proves itself.
    Unknown,
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    Written,
    /// It was there before.
    Repeated,
    /// Its number cannot be: the log has no room for all the messages between.
    Implausible,
}

/// A queue. Its entries are the dispatcher's, its next offset the appenders'.
pub struct ConsumeQueue {
    topic: Arc<str>,
    queue_id: i32,
    files: Files,
    /// What does not fit into the entries, if it is kept.
    ext: Option<ConsumeQueueExt>,
    /// Entries there are, in bytes of the endless queue.
    end: AtomicI64,
    /// First entry whose record is still there, in bytes.
    start: AtomicI64,
    /// Commit-log offset behind the newest entry's record: what lies before it is in the queue already.
    dispatched_to: AtomicI64,
    /// Queue offset of the next message to be appended; changed under the append lock only.
    next_offset: AtomicI64,
    /// Entries there were when the store was opened, in bytes; 0 for a queue that came later.
    opened_with: AtomicI64,
    /// Bytes known to be on disk.
    flushed: AtomicI64,
    /// The topic was deleted; changed under the append lock only.
    is_removed: AtomicBool,
    /// A first message that may be none; the dispatcher's.
    anew: Mutex<Option<Unit>>,
}

impl ConsumeQueue {
    /// A queue without entries.
    pub fn new(topic: Arc<str>, queue_id: i32, folder: PathBuf, file_bytes: usize) -> ConsumeQueue {
        ConsumeQueue::of(topic, queue_id, Files::new(folder, file_bytes))
    }

    fn of(topic: Arc<str>, queue_id: i32, files: Files) -> ConsumeQueue {
        ConsumeQueue {
            topic,
            queue_id,
            files,
            ext: None,
            end: AtomicI64::new(0),
            start: AtomicI64::new(0),
            dispatched_to: AtomicI64::new(0),
            next_offset: AtomicI64::new(0),
            opened_with: AtomicI64::new(0),
            flushed: AtomicI64::new(0),
            is_removed: AtomicBool::new(false),
            anew: Mutex::new(None),
        }
    }

    /// Opens a queue's files and finds its end: the first entry that is not there, looked for from the third
    /// last file on. Files that do not follow each other, or are of another length, are deleted with all that
    /// come after them: the entries are made again from the log.
    pub fn open(
        topic: Arc<str>,
        queue_id: i32,
        folder: PathBuf,
        file_bytes: usize,
    ) -> Result<ConsumeQueue, Error> {
        let listing = files::list(&folder).map_err(|source| Error::Io {
            what: "read folder",
            path: folder.clone(),
            source,
        })?;
        let mut offsets: Vec<u64> = Vec::new();
        for (offset, length) in listing.files {
            let follows = offsets.last().is_none_or(|last| last + file_bytes as u64 == offset);
            let is_aligned = offset % file_bytes as u64 == 0;
            if length == file_bytes as u64 && follows && is_aligned {
                offsets.push(offset);
                continue;
            }
            let path = folder.join(files::file_name(offset));
            tracing::error!(target: "storeerror", file = %path.display(), length, expected = file_bytes,
                "consume queue file does not fit and is made again from the commit log");
            std::fs::remove_file(&path).map_err(|source| Error::Io { what: "delete", path, source })?;
        }
        let queue = ConsumeQueue::of(topic, queue_id, Files::open(folder, file_bytes, &offsets)?);
        queue.find_end()?;
        Ok(queue)
    }

    fn find_end(&self) -> Result<(), Error> {
        let files = self.files.all();
        let mut end = files.get(files.len().saturating_sub(3)).map_or(0, |file| file.from());
        let mut dispatched_to = 0;
        'files: for file in files.iter().skip(files.len().saturating_sub(3)) {
            for bytes in file.bytes(0, file.length()).unwrap_or(&[]).chunks_exact(UNIT_BYTES) {
                let Some(unit) = Unit::parse(bytes).filter(|unit| unit.is_present()) else { break 'files };
                dispatched_to = dispatched_to.max(unit.record_end());
                end += UNIT_BYTES as u64;
            }
        }
        drop(files);
        self.files.truncate(end)?;
        self.set_end(end as i64, dispatched_to);
        self.flushed.store(end as i64, Ordering::Relaxed);
        Ok(())
    }

    /// Keeps ext units with the entries of a queue that is new.
    pub fn with_new_ext(mut self, plan: Option<&ExtPlan>) -> ConsumeQueue {
        self.ext = plan.map(|plan| ConsumeQueueExt::new(self.ext_folder(plan), plan.file_bytes));
        self
    }

    /// Keeps ext units with the entries, and opens those that are there.
    pub fn with_ext(mut self, plan: Option<&ExtPlan>) -> Result<ConsumeQueue, Error> {
        if let Some(plan) = plan {
            let folder = self.ext_folder(plan);
            self.ext = Some(ConsumeQueueExt::open(folder, plan.file_bytes, self.newest_address())?);
        }
        Ok(self)
    }

    fn ext_folder(&self, plan: &ExtPlan) -> PathBuf {
        plan.folder.join(&*self.topic).join(self.queue_id.to_string())
    }

    /// The address in the newest entry of the last three files that has one.
    fn newest_address(&self) -> Option<i64> {
        let files = self.files.all();
        files.iter().rev().take(3).find_map(|file| {
            let units = file.bytes(0, file.published())?.rchunks_exact(UNIT_BYTES);
            let mut codes = units.filter_map(Unit::parse).map(|unit| unit.tags_code);
            codes.find(|code| consume_queue_ext::is_address(*code))
        })
    }

    fn set_end(&self, end: i64, dispatched_to: i64) {
        self.end.store(end, Ordering::Release);
        self.dispatched_to.store(dispatched_to, Ordering::Release);
        self.next_offset.store(end / UNIT_BYTES as i64, Ordering::Release);
    }

    /// Drops entries at the end that cannot be true, and finds out which record was the last to get its entry: `prove`
    /// tells what the log has to say of an entry. Only while the store is being opened.
    pub fn agree_with_log(&self, prove: impl Fn(i64, &Unit) -> Proof) -> Result<(), Error> {
        // Damaged records, or lost files of the log, behind which there is nothing to be learned.
        const UNKNOWN_MAX: usize = 10_000;
        let max = self.max_offset();
        let (mut end, mut unknown) = (max, 0);
        let mut dispatched_to = 0;
        for offset in (self.first_offset()..max).rev() {
            let Some(unit) = self.unit(offset) else { break };
            match prove(offset, &unit) {
                Proof::Right => {
                    dispatched_to = unit.record_end();
                    break;
                }
                Proof::Wrong if unknown == 0 => end = offset,
                Proof::Wrong | Proof::Unknown => unknown += 1,
            }
            if unknown > UNKNOWN_MAX {
                break;
            }
        }
        if end < max {
            tracing::error!(target: "storeerror", topic = %self.topic, queue_id = self.queue_id, from = end, to = max,
                "consume queue entries that are not true are made again from the commit log");
            self.files.truncate((end * UNIT_BYTES as i64) as u64)?;
        }
        self.set_end(end * UNIT_BYTES as i64, dispatched_to);
        Ok(())
    }

    /// Number of the first entry that the files have room for.
    pub fn first_offset(&self) -> i64 {
        self.files.first().map_or(0, |file| file.from() as i64 / UNIT_BYTES as i64)
    }

    /// Drops the entries of records from `log_end` on. Only while the store is being opened.
    pub fn truncate(&self, log_end: i64) -> Result<(), Error> {
        let mut end = self.end.load(Ordering::Acquire);
        let start = self.files.first().map_or(0, |file| file.from() as i64);
        while end > start {
            let Some(unit) = self.unit(end / UNIT_BYTES as i64 - 1) else { break };
            if unit.record_end() <= log_end {
                break;
            }
            end -= UNIT_BYTES as i64;
        }
        self.files.truncate(end as u64)?;
        self.set_end(end, self.dispatched_to().min(log_end));
        if let Some(ext) = &self.ext
            && let Some(address) = self.newest_address()
        {
            ext.truncate_behind(address)?;
        }
        Ok(())
    }

    /// Topic.
    pub fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// Queue id.
    pub fn queue_id(&self) -> i32 {
        self.queue_id
    }

    /// The queue's folder.
    pub fn folder(&self) -> &std::path::Path {
        self.files.folder()
    }

    /// Number behind the last entry.
    pub fn max_offset(&self) -> i64 {
        self.end.load(Ordering::Acquire) / UNIT_BYTES as i64
    }

    /// Number of the first entry whose record is still there.
    pub fn min_offset(&self) -> i64 {
        self.start.load(Ordering::Acquire) / UNIT_BYTES as i64
    }

    /// The store has been opened: what comes from now on is new.
    pub fn set_opened(&self) {
        self.opened_with.store(self.end.load(Ordering::Acquire), Ordering::Release);
    }

    /// Where a reader goes on that asks for what lies beyond the end. It has read more than there was when the store was
    /// opened, from a queue that has lost its end or has begun anew, and nothing of what came since.
    pub fn right_beyond_end(&self) -> i64 {
        let opened_with = self.opened_with.load(Ordering::Acquire) / UNIT_BYTES as i64;
        opened_with.max(self.min_offset()).min(self.max_offset())
    }

    /// Commit-log offset behind the newest entry's record.
    pub fn dispatched_to(&self) -> i64 {
        self.dispatched_to.load(Ordering::Acquire)
    }

    /// Takes `count` queue offsets; gives the first. Under the append lock only.
    pub fn take_offsets(&self, count: i64) -> i64 {
        let first = self.next_offset.load(Ordering::Relaxed);
        self.next_offset.store(first + count, Ordering::Relaxed);
        first
    }

    /// The queue offset that the next message will get. Under the append lock only.
    pub fn next_offset(&self) -> i64 {
        self.next_offset.load(Ordering::Relaxed)
    }

    /// Marks the queue as deleted. Under the append lock only.
    pub fn remove(&self) {
        self.is_removed.store(true, Ordering::Release);
    }

    /// Whether the queue was deleted.
    pub fn is_removed(&self) -> bool {
        self.is_removed.load(Ordering::Acquire)
    }

    /// One entry.
    pub fn unit(&self, offset: i64) -> Option<Unit> {
        let at = offset.checked_mul(UNIT_BYTES as i64)?;
        if at < 0 || at >= self.end.load(Ordering::Acquire) {
            return None;
        }
        Unit::parse(&self.files.slice(at as u64, UNIT_BYTES)?)
    }

    /// An entry's tags code, looked up where the entry holds its address; `None` where that cannot be read.
    pub fn tags_code(&self, unit: &Unit) -> Option<i64> {
        if consume_queue_ext::is_address(unit.tags_code) {
            return self.ext(unit).map(|ext| ext.tags_code);
        }
        Some(unit.tags_code)
    }

    /// Whether something is kept beside the entries.
    pub fn is_extended(&self) -> bool {
        self.ext.is_some()
    }

    /// What is kept beside an entry.
    pub fn ext(&self, unit: &Unit) -> Option<ExtUnit> {
        self.ext.as_ref()?.get(unit.tags_code)
    }

    /// The entries from an offset to the end of its file or of the queue.
    pub fn units(&self, offset: i64) -> Option<MappedSlice> {
        let at = u64::try_from(offset.checked_mul(UNIT_BYTES as i64)?).ok()?;
        let end = self.end.load(Ordering::Acquire) as u64;
        let file = self.files.at(at)?;
        let until = end.min(file.from() + file.length() as u64);
        let length = until.checked_sub(at).filter(|length| *length > 0)?;
        MappedSlice::new(&file, (at - file.from()) as usize, length as usize)
    }

    /// The offset of the first entry in the file after the one that holds `offset` (Java: `rollNextFile`).
    pub fn next_file_offset(&self, offset: i64) -> i64 {
        let units = (self.files.file_bytes() / UNIT_BYTES) as i64;
        offset + units - offset % units
    }

    /// Whether a message with this queue offset has its entry.
    pub fn has(&self, queue_offset: i64, commit_log_offset: i64) -> bool {
        commit_log_offset < self.dispatched_to() || queue_offset < self.max_offset()
    }

    /// Writes the entry of a message. By the dispatcher only. Entries that are missing before it are filled
    /// with ones that stand for nothing, as Java fills a queue that begins in the middle of a file.
    pub fn put(&self, queue_offset: i64, unit: Unit) -> Result<Put, Error> {
        self.put_with(queue_offset, unit, |unit| unit.tags_code)
    }

    /// Writes the entry of a message and, where they are kept, its store time and the bitmap of the
    /// subscriptions it is for.
    pub fn put_extended(
        &self,
        queue_offset: i64,
        unit: Unit,
        store_timestamp_ms: i64,
        bitmap: &[u8],
    ) -> Result<Put, Error> {
        self.put_with(queue_offset, unit, |unit| {
            let ext = self.ext.as_ref();
            let address = ext.and_then(|ext| ext.put(unit.tags_code, store_timestamp_ms, bitmap));
            address.unwrap_or(unit.tags_code)
        })
    }

    /// Asks for the tags code when nothing stands in the entry's way any more: an ext unit is not made twice.
    fn put_with(
        &self,
        queue_offset: i64,
        unit: Unit,
        tags_code: impl FnOnce(&Unit) -> i64,
    ) -> Result<Put, Error> {
        let is_new = queue_offset <= 1 && self.begins_anew(queue_offset, unit)?;
        if !is_new && self.has(queue_offset, unit.commit_log_offset) {
            return Ok(Put::Repeated);
        }
        let before = if self.files.count() == 0 { (0, 0) } else { (self.max_offset(), self.dispatched_to()) };
        let room = unit.commit_log_offset.saturating_sub(before.1) / record::FIXED_BYTES as i64;
        if queue_offset.saturating_sub(before.0) > room {
            return Ok(Put::Implausible);
        }
        let at = queue_offset * UNIT_BYTES as i64;
        let mut end = self.end.load(Ordering::Relaxed);
        if self.files.count() == 0 {
            end = at - at % self.files.file_bytes() as i64;
            self.start.store(at, Ordering::Release);
        } else if end < at {
            tracing::error!(target: "storeerror", topic = %self.topic, queue_id = self.queue_id, from = end / UNIT_BYTES as i64,
                to = queue_offset, "consume queue has a gap: messages between are lost");
        }
        while end < at {
            let filler = Unit { commit_log_offset: 0, length: NO_RECORD_BYTES, tags_code: 0 };
            self.write(end, filler)?;
            end += UNIT_BYTES as i64;
        }
        self.place(at)?;
        self.write(at, Unit { tags_code: tags_code(&unit), ..unit })?;
        self.end.store(at + UNIT_BYTES as i64, Ordering::Release);
        self.dispatched_to.store(unit.record_end(), Ordering::Release);
        Ok(Put::Written)
    }

    /// Whether a message that comes late in the log, with a number that is taken, is one of a topic that was deleted and
    /// made again: its numbers count from 0, and what the queue had is nobody's any more. Who deletes a topic deletes its
    /// queues, but a slave sees only the log, and so does who makes the queues again.
    fn begins_anew(&self, queue_offset: i64, unit: Unit) -> Result<bool, Error> {
        let entries = self.max_offset();
        if entries == 0 || unit.commit_log_offset < self.dispatched_to() {
            return Ok(false);
        }
        let mut anew = self.anew.lock().unwrap_or_else(PoisonError::into_inner);
        // A number is not covered by a record's checksum. 0 is believed where no single bit can have made it, else
        // once 1 follows.
        let first = match (queue_offset, anew.take()) {
            (0, _) if entries.count_ones() == 1 => {
                *anew = Some(unit);
                return Ok(false);
            }
            (0, _) => None,
            (1, Some(first)) => Some(first),
            _ => return Ok(false),
        };
        tracing::info!(
            topic = %self.topic,
            queue_id = self.queue_id,
            entries,
            commit_log_offset = unit.commit_log_offset,
            "consume queue begins anew: its topic was deleted and made again"
        );
        self.empty()?;
        if let Some(first) = first {
            drop(anew);
            self.put(0, first)?;
        }
        Ok(true)
    }

    fn write(&self, at: i64, unit: Unit) -> Result<(), Error> {
        let (file, place) = self.place(at)?;
        // A filler that an earlier, failed attempt already wrote stays.
        if place + UNIT_BYTES > file.published() {
            file.write(place, &unit.bytes());
            file.publish(place + UNIT_BYTES);
        }
        Ok(())
    }

    /// The file that takes an entry, with its space reserved, and where in it.
    fn place(&self, at: i64) -> Result<(Arc<MappedFile>, usize), Error> {
        let file = match self.files.at(at as u64) {
            Some(file) => file,
            None => {
                let file = self.files.create((at - at % self.files.file_bytes() as i64) as u64)?;
                self.files.push(Arc::clone(&file));
                file
            }
        };
        let place = (at as u64 - file.from()) as usize;
        let end = place + UNIT_BYTES;
        if end > file.reserved().max(file.published()) {
            let step = file.reserved().clamp(PAGE_BYTES, RESERVE_MAX_BYTES);
            let wanted = (end + step - 1).min(file.length());
            file.reserve(wanted).or_else(|_| file.reserve(end)).map_err(|source| Error::Io {
                what: "allocate space in",
                path: file.path().to_owned(),
                source,
            })?;
        }
        Ok((file, place))
    }

    /// Sets the first entry whose record is still in the log (Java: `correctMinOffset`); behind the last one where none
    /// is.
    pub fn correct_start(&self, log_start: i64) {
        let is_there = |bytes: &[u8]| {
            Unit::parse(bytes).is_some_and(|unit| !unit.is_filler() && unit.commit_log_offset >= log_start)
        };
        let mut from = self.first_offset();
        let mut start = self.end.load(Ordering::Acquire);
        while let Some(units) = self.units(from) {
            if let Some(index) = units.chunks_exact(UNIT_BYTES).position(is_there) {
                start = (from + index as i64) * UNIT_BYTES as i64;
                break;
            }
            from = self.next_file_offset(from);
        }
        self.start.store(start, Ordering::Release);
    }

    /// Deletes the files all of whose records have left the log, but for the last one, and brings the start in line.
    pub fn delete_before(&self, log_start: i64) -> Result<(), Error> {
        while self.files.count() > 1 {
            let last = self.next_file_offset(self.first_offset()) - 1;
            if self.unit(last).is_none_or(|unit| unit.is_filler() || unit.commit_log_offset >= log_start) {
                break;
            }
            self.files.remove_first()?;
        }
        self.correct_start(log_start);
        let first = self.unit(self.min_offset()).map(|unit| unit.tags_code);
        match (&self.ext, first.filter(|code| consume_queue_ext::is_address(*code))) {
            (Some(ext), Some(address)) => ext.delete_before(address),
            _ => Ok(()),
        }
    }

    /// How many files there are.
    pub fn file_count(&self) -> usize {
        self.files.count()
    }

    /// Writes entries to disk when there are at least so many pages of them; 0: any.
    pub fn flush(&self, least_pages: usize) -> Result<(), Error> {
        // First what the entries point to.
        self.ext.as_ref().map_or(Ok(()), |ext| ext.flush(least_pages))?;
        let end = self.end.load(Ordering::Acquire);
        let flushed = self.flushed.load(Ordering::Relaxed);
        if end <= flushed || ((end - flushed) as usize) < least_pages * PAGE_BYTES {
            return Ok(());
        }
        let touched = |file: &&Arc<MappedFile>| {
            (file.from() as i64) < end && (file.from() as i64 + file.length() as i64) > flushed
        };
        for file in self.files.all().iter().filter(touched) {
            let path = file.path().to_owned();
            file.sync().map_err(|source| Error::Io { what: "write to disk", path, source })?;
        }
        self.flushed.store(end, Ordering::Relaxed);
        Ok(())
    }

    /// Deletes all entries. While the store is being opened, or by the dispatcher.
    pub fn empty(&self) -> Result<(), Error> {
        self.files.remove_all()?;
        self.set_end(0, 0);
        self.flushed.store(0, Ordering::Relaxed);
        self.start.store(0, Ordering::Release);
        Ok(())
    }

    /// Deletes the queue's files and folder.
    pub fn delete(&self) -> Result<(), Error> {
        self.files.remove_all()?;
        self.ext.as_ref().map_or(Ok(()), ConsumeQueueExt::delete)?;
        let folder = self.files.folder();
        match std::fs::remove_dir(folder) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::Io { what: "delete", path: folder.to_owned(), source })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE_BYTES: usize = 10 * UNIT_BYTES;

    fn unit(number: i64) -> Unit {
        Unit { commit_log_offset: number * 100, length: 100, tags_code: -number }
    }

    fn open(folder: &std::path::Path) -> ConsumeQueue {
        ConsumeQueue::open("T".into(), 0, folder.join("T/0"), FILE_BYTES).unwrap()
    }

    #[test]
    fn entries_are_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let queue = open(folder.path());
        for number in 0..25 {
            assert_eq!(queue.put(number, unit(number)).unwrap(), Put::Written);
            assert_eq!(queue.put(number, unit(number)).unwrap(), Put::Repeated);
        }
        drop(queue);
        let queue = open(folder.path());
        assert_eq!((queue.min_offset(), queue.max_offset(), queue.dispatched_to()), (0, 25, 2500));
        assert_eq!((queue.unit(24), queue.unit(25), queue.unit(-1)), (Some(unit(24)), None, None));
        assert_eq!(queue.units(7).unwrap().len(), 3 * UNIT_BYTES);
        assert_eq!(queue.next_file_offset(7), 10);
        assert_eq!(queue.take_offsets(2), 25);
        assert_eq!(queue.next_offset(), 27);
        queue.truncate(2000).unwrap();
        assert_eq!((queue.max_offset(), queue.dispatched_to(), queue.next_offset()), (20, 2000, 20));
        assert_eq!(queue.put(20, unit(20)).unwrap(), Put::Written);
        queue.correct_start(350);
        assert_eq!(queue.min_offset(), 4);
        queue.flush(0).unwrap();
        queue.delete().unwrap();
        assert!(!folder.path().join("T/0").exists());
    }

    #[test]
    fn a_queue_may_begin_later_and_have_gaps() {
        let folder = tempfile::tempdir().unwrap();
        let queue = open(folder.path());
        queue.put(13, unit(13)).unwrap();
        assert_eq!((queue.min_offset(), queue.max_offset()), (13, 14));
        queue.put(16, unit(16)).unwrap();
        drop(queue);
        let queue = open(folder.path());
        queue.correct_start(0);
        assert_eq!((queue.min_offset(), queue.max_offset()), (13, 17));
        assert!(queue.unit(14).unwrap().is_filler() && queue.unit(10).unwrap().is_filler());
        assert_eq!(queue.unit(16), Some(unit(16)));
    }

    /// A topic that was deleted and made again is seen in the log only, by a slave and where queues are made again.
    #[test]
    fn issues_alibaba_359_406_7264_numbers_that_begin_anew_begin_the_queue_anew() {
        let check = |before: i64, numbers: &[i64], expected: &[i64]| {
            let folder = tempfile::tempdir().unwrap();
            let queue = open(folder.path());
            (0..before).for_each(|number| assert_eq!(queue.put(number, unit(number)).unwrap(), Put::Written));
            // Where in the log each is.
            for (at, number) in (100..).zip(numbers) {
                queue.put(*number, unit(at)).unwrap();
            }
            let found: Vec<i64> =
                (0..queue.max_offset()).map(|it| queue.unit(it).unwrap().commit_log_offset / 100).collect();
            assert_eq!(found, expected, "{before} entries, then {numbers:?}");
        };
        check(25, &[0], &[100]);
        check(25, &[0, 1, 2], &[100, 101, 102]);
        // Perhaps a damaged number: not before the next one agrees.
        check(4, &[0], &[0, 1, 2, 3]);
        check(4, &[0, 5], &[0, 1, 2, 3, 0, 101]);
        check(4, &[0, 1], &[100, 101]);
        check(4, &[0, 1, 2], &[100, 101, 102]);
        check(1, &[0, 1], &[100, 101]);
        check(4, &[2], &[0, 1, 2, 3]);
    }

    #[test]
    fn files_that_do_not_fit_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let queue = open(folder.path());
        (0..25).for_each(|number| assert_eq!(queue.put(number, unit(number)).unwrap(), Put::Written));
        drop(queue);
        std::fs::remove_file(folder.path().join("T/0").join(files::file_name(FILE_BYTES as u64))).unwrap();
        let queue = open(folder.path());
        assert_eq!((queue.max_offset(), queue.dispatched_to()), (10, 1000));
    }
}
