//! The index: from a topic and a key to places in the commit log (Java: `IndexService`, `IndexFile`, `IndexHeader`).
//! What stands at those places is the log's; whether it has the key is for the caller to see, as different keys may
//! have one hash.
//!
//! A file is named by the local time of its creation, `yyyyMMddHHmmssSSS`:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | store time of the first entry, ms |
//! | 8 | 8 | store time of the last entry |
//! | 16 | 8 | commit-log offset of the first entry |
//! | 24 | 8 | commit-log offset of the last entry |
//! | 32 | 4 | entries put |
//! | 36 | 4 | number of the next entry; the first is 1 |
//! | 40 | 4 s | slots: the newest entry of each, 0 for none; a hash has slot `hash % s` |
//! | 40 + 4 s | 20 n | entries: hash, commit-log offset (8), seconds since the first entry, the slot's entry before |
//!
//! Entries are put by the dispatcher alone, one record after the other. Numbers change in place; an entry is complete
//! before its slot or the count leads to it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Error;
use super::mapped_file::MappedCells;
use super::record::Record;
use crate::protocol::message::{self, SYS_FLAG_TRANSACTION_MASK, SYS_FLAG_TRANSACTION_ROLLBACK};

const HEADER_BYTES: usize = 40;
const SLOT_BYTES: usize = 4;
const ENTRY_BYTES: usize = 20;
const AT_BEGIN_TIMESTAMP: usize = 0;
const AT_END_TIMESTAMP: usize = 8;
const AT_BEGIN_OFFSET: usize = 16;
const AT_END_OFFSET: usize = 24;
const AT_PUT_COUNT: usize = 32;
const AT_NEXT_ENTRY: usize = 36;
/// Disk space is taken for so many bytes of entries at a time, on the dispatcher's thread: a system call for each
/// 52,000 entries.
const RESERVE_BYTES: usize = 1024 * 1024;

/// How large index files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// `maxHashSlotNum`.
    pub slots: usize,
    /// `maxIndexNum`; entry 0 is never used.
    pub entries: usize,
}

impl Shape {
    /// The least numbers of slots and of entries.
    pub const SLOTS_MIN: usize = 1;
    pub const ENTRIES_MIN: usize = 2;

    /// From the settings.
    pub fn of(max_hash_slot_num: i32, max_index_num: i32) -> Result<Shape, Error> {
        let number = |key: &str, number: i32, least: usize| {
            let number = usize::try_from(number).ok().filter(|number| *number >= least);
            number.ok_or_else(|| Error::Config(format!("{key} must be at least {least}")))
        };
        Ok(Shape {
            slots: number("maxHashSlotNum", max_hash_slot_num, Shape::SLOTS_MIN)?,
            entries: number("maxIndexNum", max_index_num, Shape::ENTRIES_MIN)?,
        })
    }

    fn file_bytes(self) -> usize {
        HEADER_BYTES + SLOT_BYTES * self.slots + ENTRY_BYTES * self.entries
    }
}

/// An entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    hash: i32,
    commit_log_offset: i64,
    seconds: i32,
    previous: i32,
}

/// One file.
struct IndexFile {
    cells: MappedCells,
    shape: Shape,
    /// `next entry` at the last write to disk.
    flushed: AtomicI64,
}

impl IndexFile {
    fn open(path: &Path, shape: Shape) -> Result<IndexFile, Error> {
        let failed = |source| Error::Io { what: "open", path: path.to_owned(), source };
        let cells = MappedCells::open(path, shape.file_bytes()).map_err(failed)?;
        Ok(IndexFile { cells, shape, flushed: AtomicI64::new(0) })
    }

    fn begin_timestamp_ms(&self) -> i64 {
        self.cells.i64(AT_BEGIN_TIMESTAMP)
    }

    fn end_timestamp_ms(&self) -> i64 {
        self.cells.i64(AT_END_TIMESTAMP)
    }

    fn end_offset(&self) -> i64 {
        self.cells.i64(AT_END_OFFSET)
    }

    /// Number of the next entry.
    fn next_entry(&self) -> usize {
        usize::try_from(self.cells.i32(AT_NEXT_ENTRY)).unwrap_or(0).clamp(1, self.shape.entries)
    }

    fn is_full(&self) -> bool {
        self.next_entry() >= self.shape.entries
    }

    fn slot_at(&self, hash: i32) -> usize {
        let slot = usize::try_from(hash).unwrap_or(0) % self.shape.slots;
        HEADER_BYTES + SLOT_BYTES * slot
    }

    fn entry_at(&self, number: usize) -> usize {
        HEADER_BYTES + SLOT_BYTES * self.shape.slots + ENTRY_BYTES * number
    }

    fn entry(&self, number: usize) -> Entry {
        let at = self.entry_at(number);
        Entry {
            hash: self.cells.i32(at),
            commit_log_offset: self.cells.i64(at + 4),
            seconds: self.cells.i32(at + 12),
            previous: self.cells.i32(at + 16),
        }
    }

    /// Takes the disk space up to and with an entry.
    fn reserve(&self, number: usize) -> Result<(), Error> {
        let end = self.entry_at(number) + ENTRY_BYTES;
        let failed =
            |source| Error::Io { what: "allocate space in", path: self.cells.path().to_owned(), source };
        if self.cells.reserved() >= end {
            return Ok(());
        }
        self.cells.reserve(end + RESERVE_BYTES).or_else(|_| self.cells.reserve(end)).map_err(failed)
    }

    /// Puts an entry whose space is reserved (Java: `IndexFile.putKey`).
    fn put(&self, hash: i32, commit_log_offset: i64, store_timestamp_ms: i64) {
        let cells = &self.cells;
        let number = self.next_entry();
        let slot_at = self.slot_at(hash);
        let previous = cells.i32(slot_at);
        let is_there = usize::try_from(previous).is_ok_and(|previous| previous < number);
        let begin_ms = self.begin_timestamp_ms();
        let seconds = match store_timestamp_ms.saturating_sub(begin_ms) / 1000 {
            _ if begin_ms <= 0 => 0,
            seconds => i32::try_from(seconds.max(0)).unwrap_or(i32::MAX),
        };
        let at = self.entry_at(number);
        cells.set_i32(at, hash);
        cells.set_i64(at + 4, commit_log_offset);
        cells.set_i32(at + 12, seconds);
        cells.set_i32(at + 16, if is_there { previous } else { 0 });
        if number == 1 {
            cells.set_i64(AT_BEGIN_OFFSET, commit_log_offset);
            cells.set_i64(AT_BEGIN_TIMESTAMP, store_timestamp_ms);
        }
        cells.set_i64(AT_END_OFFSET, commit_log_offset);
        cells.set_i64(AT_END_TIMESTAMP, store_timestamp_ms);
        cells.set_i32(AT_PUT_COUNT, number as i32);
        cells.set_i32(AT_NEXT_ENTRY, number as i32 + 1);
        cells.set_i32(slot_at, number as i32);
    }

    /// Takes back the last entry.
    fn pop(&self) {
        let number = self.next_entry() - 1;
        let entry = self.entry(number);
        self.cells.set_i32(self.slot_at(entry.hash), entry.previous);
        self.set_count(number);
    }

    fn is_empty(&self) -> bool {
        self.next_entry() <= 1
    }

    /// Takes back the entries of records from a place of the log on.
    fn drop_from(&self, commit_log_offset: i64) -> Result<(), Error> {
        self.reserve((self.next_entry() - 1).max(1))?;
        while !self.is_empty() && self.entry(self.next_entry() - 1).commit_log_offset >= commit_log_offset {
            self.pop();
        }
        Ok(())
    }

    /// Leaves the entries before `next`, the header in line with them.
    fn set_count(&self, next: usize) {
        let cells = &self.cells;
        cells.set_i32(AT_PUT_COUNT, next as i32 - 1);
        cells.set_i32(AT_NEXT_ENTRY, next as i32);
        if next > 1 {
            let last = self.entry(next - 1);
            cells.set_i64(AT_END_OFFSET, last.commit_log_offset);
            // Seconds were rounded down: too late an end costs a look, too early a one hides a message.
            let end_ms = self.begin_timestamp_ms().saturating_add(i64::from(last.seconds) * 1000 + 999);
            cells.set_i64(AT_END_TIMESTAMP, end_ms);
        } else {
            [AT_BEGIN_TIMESTAMP, AT_END_TIMESTAMP, AT_BEGIN_OFFSET, AT_END_OFFSET]
                .into_iter()
                .for_each(|at| cells.set_i64(at, 0));
        }
    }

    /// Whether the header may be true. After an unclean stop it may be newer or older than the entries: then what it
    /// says of the first one must do, and the rest is proven.
    fn is_plausible(&self, log_end: i64, is_clean: bool) -> bool {
        let cells = &self.cells;
        let next = cells.i32(AT_NEXT_ENTRY);
        let (begin, end) = (cells.i64(AT_BEGIN_OFFSET), self.end_offset());
        let begins_right =
            begin >= 0 && self.begin_timestamp_ms() > 0 && self.entry(1).commit_log_offset == begin;
        let ends_right =
            begin <= end && end < log_end && self.entry(self.next_entry() - 1).commit_log_offset == end;
        (0..=self.shape.entries as i32).contains(&next)
            && (self.is_empty() || begins_right && (ends_right || !is_clean))
    }

    /// Finds how many entries are as they were put, drops the others, and makes the slots and the header agree with
    /// what is left; whether that is all. The last record may lack some of its keys.
    fn prove(&self, log_end: i64) -> Result<bool, Error> {
        let stated = self.next_entry();
        self.reserve((stated - 1).max(1))?;
        let mut slots = vec![0_i32; self.shape.slots];
        let mut last_offset = 0;
        let mut next = 1;
        while next < stated {
            let entry = self.entry(next);
            let Some(slot) = usize::try_from(entry.hash).ok().map(|hash| &mut slots[hash % self.shape.slots])
            else {
                break;
            };
            let offset = entry.commit_log_offset;
            if entry.previous != *slot || entry.seconds < 0 || offset < last_offset || offset >= log_end {
                break;
            }
            *slot = next as i32;
            last_offset = offset;
            next += 1;
        }
        for (number, newest) in slots.iter().enumerate() {
            let at = HEADER_BYTES + SLOT_BYTES * number;
            if self.cells.i32(at) != *newest {
                self.cells.set_i32(at, *newest);
            }
        }
        if next < stated {
            let path = self.cells.path().display();
            tracing::warn!(file = %path, stated, kept = next, "index entries are made again from the commit log");
        }
        if next < stated || self.end_offset() != last_offset {
            self.set_count(next);
        }
        Ok(next == stated)
    }

    fn may_hold(&self, begin_ms: i64, end_ms: i64) -> bool {
        begin_ms <= self.end_timestamp_ms() && end_ms >= self.begin_timestamp_ms()
    }

    /// Shows the places of a hash within a time, newest first, until `look` has enough.
    fn select(&self, hash: i32, begin_ms: i64, end_ms: i64, look: &mut impl FnMut(i64) -> bool) -> bool {
        let next = self.next_entry();
        let since_ms = self.begin_timestamp_ms();
        let mut number = usize::try_from(self.cells.i32(self.slot_at(hash))).unwrap_or(0);
        // A chain leads to ever lower numbers: one that is damaged ends, too.
        let mut limit = next;
        while (1..limit).contains(&number) {
            limit = number;
            let entry = self.entry(number);
            // The first entry's seconds are since the end of the file before, which its header had until then.
            let seconds = if number == 1 { 0 } else { entry.seconds };
            let time_ms = since_ms.saturating_add(i64::from(seconds) * 1000);
            // Times are kept in whole seconds, rounded down.
            let last_ms = time_ms.saturating_add(999);
            let is_in_time = last_ms >= begin_ms && time_ms <= end_ms;
            if entry.hash == hash && is_in_time && !look(entry.commit_log_offset) {
                return false;
            }
            if entry.seconds < 0 || last_ms < begin_ms {
                break;
            }
            number = usize::try_from(entry.previous).unwrap_or(0);
        }
        true
    }

    /// Writes the file to disk if it has new entries.
    fn flush(&self) -> Result<(), Error> {
        let next = self.next_entry() as i64;
        if self.flushed.swap(next, Ordering::Relaxed) == next {
            return Ok(());
        }
        self.cells.sync().map_err(|source| {
            self.flushed.store(0, Ordering::Relaxed);
            Error::Io { what: "write to disk", path: self.cells.path().to_owned(), source }
        })
    }
}

/// How far an index reaches, as the checkpoint keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Complete {
    /// Records before this place of the log have their entries.
    pub indexed_to: i64,
    /// Place of the newest entry's record; -1 for none.
    pub newest_offset: i64,
}

/// All index files of a store.
pub struct Index {
    folder: PathBuf,
    shape: Shape,
    /// Oldest first. The dispatcher appends, the cleaner takes away.
    files: RwLock<Vec<Arc<IndexFile>>>,
    /// Where the start begins to look at records.
    resume_at: i64,
    /// Records before this place of the log have their entries.
    indexed_to: AtomicI64,
    /// Of the record at `indexed_to`: keys that have their entries already, when the disk was full in between.
    keys_done: AtomicUsize,
    /// The dispatcher's scratch.
    hashes: Mutex<Vec<i32>>,
}

impl Index {
    /// Opens the files of a folder, and finds out up to where they are complete: `stated` is what the checkpoint says,
    /// if it says anything. Files that cannot be true are deleted: their entries are made again from the log.
    /// Records without keys leave no trace in the files; without `stated` all behind the newest entry are looked at.
    pub fn open(
        folder: PathBuf,
        shape: Shape,
        is_clean: bool,
        stated: Option<Complete>,
        log_end: i64,
    ) -> Result<Index, Error> {
        let found = in_log_order(&folder, shape, is_clean, log_end)?;
        let mut files: Vec<Arc<IndexFile>> = Vec::new();
        let mut is_cut = false;
        let count = found.len();
        for (number, (path, file)) in found.into_iter().enumerate() {
            let is_next = |file: &IndexFile| {
                files.last().is_none_or(|before| {
                    before.is_full() && before.end_offset() <= file.cells.i64(AT_BEGIN_OFFSET)
                })
            };
            // What comes behind a place where entries are missing begins too late.
            let Some(file) = file.filter(|file| !is_cut && (file.is_empty() || is_next(file))) else {
                tracing::error!(target: "storeerror", file = %path.display(), "index file goes: its entries are made again from the commit log");
                is_cut = true;
                delete(&path)?;
                continue;
            };
            // Up to where the checkpoint vouches for them files are on disk whole. Java writes a full one to disk
            // when it makes the next.
            let is_last = number + 1 == count;
            let is_written = match stated {
                Some(stated) => file.end_offset() < stated.newest_offset,
                None => number + 2 < count,
            };
            if !is_clean && !is_last && !is_written && !file.is_empty() {
                is_cut |= !file.prove(log_end)?;
            }
            if file.is_empty() {
                is_cut |= !is_last;
                delete(&path)?;
                continue;
            }
            files.push(Arc::new(file));
        }
        if is_cut || !is_clean {
            settle_end(&mut files, log_end)?;
        }
        let newest_offset = files.last().map_or(-1, |file| file.end_offset());
        let is_trusted = |stated: &Complete| {
            is_clean && !is_cut && newest_offset >= stated.newest_offset && stated.indexed_to <= log_end
        };
        let stated = stated.filter(is_trusted).map_or(0, |stated| stated.indexed_to);
        let indexed_to = stated.max(newest_offset + 1);
        // Behind the newest entry's record, if that is known; else at that record.
        let resume_at = if stated > newest_offset + 1 { stated } else { newest_offset };
        Ok(Index {
            folder,
            shape,
            files: RwLock::new(files),
            resume_at,
            indexed_to: AtomicI64::new(indexed_to),
            keys_done: AtomicUsize::new(0),
            hashes: Mutex::default(),
        })
    }

    /// A record's place, from which on all are to be shown to [`Index::put`] at the start.
    pub fn resume_at(&self) -> i64 {
        self.resume_at
    }

    /// Records before this place have their entries.
    pub fn indexed_to(&self) -> i64 {
        self.indexed_to.load(Ordering::Acquire)
    }

    /// Puts a record's keys. After an error nothing is lost: the same record is put again. By the dispatcher only.
    pub fn put(&self, record: &Record<'_>) -> Result<(), Error> {
        let offset = record.commit_log_offset();
        if offset < self.indexed_to() {
            // The newest one again, of which only the beginning was known.
            self.indexed_to.fetch_max(offset + record.length() as i64, Ordering::AcqRel);
            return Ok(());
        }
        if offset > self.indexed_to() {
            self.keys_done.store(0, Ordering::Relaxed);
        }
        let mut hashes = self.hashes();
        hashes.clear();
        if record.sys_flag() & SYS_FLAG_TRANSACTION_MASK != SYS_FLAG_TRANSACTION_ROLLBACK {
            key_hashes(record, &mut hashes);
        }
        let done = self.keys_done.load(Ordering::Relaxed);
        for (number, hash) in hashes.iter().enumerate().skip(done) {
            let put = self.file_to_put().and_then(|file| {
                file.reserve(file.next_entry())?;
                file.put(*hash, offset, record.store_timestamp_ms());
                Ok(())
            });
            if put.is_err() {
                self.indexed_to.store(offset, Ordering::Release);
                self.keys_done.store(number, Ordering::Relaxed);
                return put;
            }
        }
        self.indexed_to.store(offset + record.length() as i64, Ordering::Release);
        self.keys_done.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// The newest file, or a new one where it is full.
    fn file_to_put(&self) -> Result<Arc<IndexFile>, Error> {
        let newest = self.newest();
        if let Some(file) = newest.as_ref().filter(|file| !file.is_full()) {
            return Ok(Arc::clone(file));
        }
        let path = self.folder.join(self.new_name()?);
        let made = IndexFile::open(&path, self.shape).and_then(|file| {
            file.reserve(1)?;
            Ok(file)
        });
        let file = match made {
            Ok(file) => file,
            Err(error) => {
                // Not left behind, lest each try on a full disk leave one.
                if path.exists() {
                    delete(&path)?;
                }
                return Err(error);
            }
        };
        file.cells.set_i32(AT_NEXT_ENTRY, 1);
        if let Some(newest) = newest {
            // As Java: until the first entry, a new file continues the one before.
            let (offset, time_ms) = (newest.end_offset(), newest.end_timestamp_ms());
            [AT_BEGIN_OFFSET, AT_END_OFFSET].into_iter().for_each(|at| file.cells.set_i64(at, offset));
            [AT_BEGIN_TIMESTAMP, AT_END_TIMESTAMP].into_iter().for_each(|at| file.cells.set_i64(at, time_ms));
        }
        tracing::info!(file = %path.display(), "index file opened");
        let file = Arc::new(file);
        self.files.write().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&file));
        Ok(file)
    }

    /// The local time, behind the names that are there: files are told apart by their order, and local time goes back
    /// once a year.
    fn new_name(&self) -> Result<String, Error> {
        let now = Timestamp::now().to_zoned(TimeZone::system()).strftime("%Y%m%d%H%M%S%3f").to_string();
        let last = names(&self.folder)?.pop().and_then(|(name, _)| name.parse::<u64>().ok());
        let last = last.filter(|last| *last < 99_999_999_999_999_999);
        let after = last.map_or(0, |last| last + 1);
        Ok(format!("{:017}", now.parse::<u64>().unwrap_or(0).max(after)))
    }

    /// Shows the places of a topic's key, newest first, until `look` has enough; gives store time and place of the
    /// newest entry of all.
    pub fn query(
        &self,
        topic: &str,
        key: &str,
        begin_ms: i64,
        end_ms: i64,
        mut look: impl FnMut(i64) -> bool,
    ) -> (i64, i64) {
        let hash = compat::hash::index_key_hash(topic, key);
        let files = self.all();
        for file in files.iter().rev() {
            let wants_more =
                !file.may_hold(begin_ms, end_ms) || file.select(hash, begin_ms, end_ms, &mut look);
            if !wants_more || file.begin_timestamp_ms() < begin_ms {
                break;
            }
        }
        files.last().map_or((0, 0), |newest| (newest.end_timestamp_ms(), newest.end_offset()))
    }

    /// Drops the entries of records from `log_end` on. Only while the store is being opened.
    pub fn truncate(&self, log_end: i64) -> Result<(), Error> {
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        while let Some(file) = files.last().filter(|file| file.end_offset() >= log_end) {
            file.drop_from(log_end)?;
            if !file.is_empty() {
                break;
            }
            delete(file.cells.path())?;
            files.pop();
        }
        self.indexed_to.fetch_min(log_end, Ordering::AcqRel);
        Ok(())
    }

    /// Deletes the files all of whose entries lie before the log's start, but for the newest.
    pub fn delete_before(&self, log_start: i64) -> Result<(), Error> {
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        while files.len() > 1 && files[0].end_offset() < log_start {
            delete(files[0].cells.path())?;
            tracing::info!(file = %files[0].cells.path().display(), "expired index file deleted");
            files.remove(0);
        }
        Ok(())
    }

    /// How far the index reaches now. To be asked for before [`Index::flush`] is called.
    pub fn complete(&self) -> Complete {
        let indexed_to = self.indexed_to();
        Complete { indexed_to, newest_offset: self.newest().map_or(-1, |file| file.end_offset()) }
    }

    /// Writes full files to disk, and with `all` the newest, too; gives the store time up to which that was done.
    pub fn flush(&self, all: bool) -> Result<i64, Error> {
        let mut flushed_ms = 0;
        for file in self.all().iter().filter(|file| all || file.is_full()) {
            let end_ms = file.end_timestamp_ms();
            file.flush()?;
            flushed_ms = end_ms;
        }
        Ok(flushed_ms)
    }

    fn all(&self) -> Vec<Arc<IndexFile>> {
        self.files.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn newest(&self) -> Option<Arc<IndexFile>> {
        self.files.read().unwrap_or_else(PoisonError::into_inner).last().cloned()
    }

    fn hashes(&self) -> MutexGuard<'_, Vec<i32>> {
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a folder's files; `None` for those that cannot be what they should be.
fn in_log_order(
    folder: &Path,
    shape: Shape,
    is_clean: bool,
    log_end: i64,
) -> Result<Vec<(PathBuf, Option<IndexFile>)>, Error> {
    let mut found = Vec::new();
    for (name, length) in names(folder)? {
        let path = folder.join(name);
        let file = open_sound(&path, length, shape, is_clean, log_end)?;
        found.push((path, file));
    }
    // Java names files by a local time that goes back once a year. Damage leaves no order to go by but the names'.
    let is_whole = |(_, file): &(_, Option<IndexFile>)| file.as_ref().is_some_and(|file| !file.is_empty());
    if found.iter().all(is_whole) {
        found.sort_by_key(|(_, file)| file.as_ref().map(|file| file.cells.i64(AT_BEGIN_OFFSET)));
    }
    Ok(found)
}

/// Opens a file that may be what it should be.
fn open_sound(
    path: &Path,
    length: u64,
    shape: Shape,
    is_clean: bool,
    log_end: i64,
) -> Result<Option<IndexFile>, Error> {
    let expected = shape.file_bytes();
    if length != expected as u64 {
        tracing::error!(target: "storeerror", file = %path.display(), length, expected,
            "index file has not the length of maxHashSlotNum and maxIndexNum");
        return Ok(None);
    }
    let file = IndexFile::open(path, shape)?;
    if !file.is_plausible(log_end, is_clean) {
        tracing::error!(target: "storeerror", file = %path.display(), "index file is damaged");
        return Ok(None);
    }
    Ok(Some(file))
}

/// Proves what is the newest file now, and takes back the entries of its last record, which may not have all of its own:
/// they may be in several files.
fn settle_end(files: &mut Vec<Arc<IndexFile>>, log_end: i64) -> Result<(), Error> {
    let mut last_offset = None;
    while let Some(file) = files.last() {
        if last_offset.is_none() {
            file.prove(log_end)?;
            last_offset = (!file.is_empty()).then(|| file.end_offset());
        }
        if let Some(last_offset) = last_offset {
            file.drop_from(last_offset)?;
        }
        if !file.is_empty() {
            return Ok(());
        }
        delete(file.cells.path())?;
        files.pop();
    }
    Ok(())
}

/// Names and lengths of a folder's index files, oldest first.
fn names(folder: &Path) -> Result<Vec<(String, u64)>, Error> {
    let failed = |source| Error::Io { what: "read folder", path: folder.to_owned(), source };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let meta = entry.metadata().map_err(failed)?;
        if name.len() == 17 && name.bytes().all(|digit| digit.is_ascii_digit()) && meta.is_file() {
            names.push((name, meta.len()));
        } else {
            tracing::warn!(folder = %folder.display(), name, "not an index file, left alone");
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn delete(path: &Path) -> Result<(), Error> {
    std::fs::remove_file(path).map_err(|source| Error::Io { what: "delete", path: path.to_owned(), source })
}

/// The hashes of a record's keys: its unique key, and each of its KEYS.
fn key_hashes(record: &Record<'_>, hashes: &mut Vec<i32>) {
    let (Some(topic), properties) = (record.topic(), record.properties()) else { return };
    hashes.extend(keys(properties).map(|key| compat::hash::index_key_hash(topic, key)));
}

/// A message's keys as they are indexed.
pub fn keys(properties: &str) -> impl Iterator<Item = &str> {
    // One walk for both, as this is done for every message.
    let (mut unique, mut keys) = (None, None);
    for (name, value) in message::properties(properties) {
        match name {
            message::PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX => unique = Some(value),
            message::PROPERTY_KEYS => keys = Some(value),
            _ => {}
        }
    }
    unique.into_iter().chain(keys.into_iter().flat_map(|keys| keys.split(' ')).filter(|key| !key.is_empty()))
}

#[cfg(test)]
mod tests;
