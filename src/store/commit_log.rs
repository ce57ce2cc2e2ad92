//! The commit log (Java: `CommitLog`): every message of the broker, one behind the other. Appending is here;
//! finding a log's end after a stop is `recover`'s, and whoever looks for a topic's messages asks the consume
//! queues.
//!
//! Cost of an append: the record is encoded and its CRC taken outside the lock; under the one lock three
//! numbers are stamped, the bytes copied once into the mapping and the end moved. No system call, no
//! allocation; a page fault for each 4 KiB, into space that was allocated ahead.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::Error;
use super::files::Files;
use super::mapped_file::{MappedFile, MappedSlice};
use super::record::{self, END_BYTES, Found};
use super::warm_up::WarmUp;
use crate::clock::Clock;

/// Space is allocated ahead of the end in steps of this size.
const RESERVE_STEP_BYTES: usize = 32 * 1024 * 1024;

/// The log, open for appending.
pub struct CommitLog {
    files: Files,
    tail: Mutex<Tail>,
    /// The log's end: everything before it can be read.
    end: AtomicI64,
    /// When the append lock was taken, ms; 0 while it is free.
    locked_since_ms: AtomicI64,
    ahead: Ahead,
    /// Files are brought into memory before they are written.
    warm_up: Option<WarmUp>,
}

/// Where the next record goes.
struct Tail {
    file: Option<Arc<MappedFile>>,
    /// Store timestamp of the newest record.
    store_timestamp_ms: i64,
}

/// What the allocating thread is asked for.
#[derive(Default)]
struct Ahead {
    wanted: Mutex<AheadState>,
    changed: Condvar,
}

#[derive(Default)]
struct AheadState {
    stop: bool,
    is_wanted: bool,
    /// The next file, made before it is needed.
    next: Option<Arc<MappedFile>>,
}

/// Why records were not appended.
#[derive(Debug)]
pub enum AppendError {
    /// They do not fit into a file of the configured size.
    TooLarge,
    /// No disk space or no new file.
    Disk(Error),
}

/// Where records were appended.
#[derive(Debug, Clone, Copy)]
pub struct Appended {
    pub commit_log_offset: i64,
    pub store_timestamp_ms: i64,
}

impl CommitLog {
    /// A log whose files were brought to their right end.
    pub fn new(files: Files, warm_up: Option<WarmUp>) -> CommitLog {
        let file = files.last();
        let end = file.as_ref().map_or(0, |file| file.from() as i64 + file.published() as i64);
        CommitLog {
            files,
            tail: Mutex::new(Tail { file, store_timestamp_ms: 0 }),
            end: AtomicI64::new(end),
            locked_since_ms: AtomicI64::new(0),
            ahead: Ahead {
                wanted: Mutex::new(AheadState { is_wanted: warm_up.is_some(), ..AheadState::default() }),
                changed: Condvar::new(),
            },
            warm_up,
        }
    }

    /// The log's files.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Offset behind the last record.
    pub fn end(&self) -> i64 {
        self.end.load(Ordering::Acquire)
    }

    /// Offset of the first byte that is still there; -1 in a log without files, as in Java.
    pub fn start(&self) -> i64 {
        self.files.first().map_or(-1, |file| file.from() as i64)
    }

    /// Since when the append lock has been held, ms; `None` while it is free.
    pub fn locked_since_ms(&self) -> Option<i64> {
        Some(self.locked_since_ms.load(Ordering::Relaxed)).filter(|since| *since != 0)
    }

    /// Store timestamp of the newest record appended since the start; 0 before the first.
    pub fn last_store_timestamp_ms(&self) -> i64 {
        self.tail().store_timestamp_ms
    }

    /// Bytes of the log, if all of them are there in one file.
    pub fn slice(&self, offset: i64, length: usize) -> Option<MappedSlice> {
        if offset + i64::try_from(length).ok()? > self.end() {
            return None;
        }
        self.files.slice(u64::try_from(offset).ok()?, length)
    }

    /// The whole record at an offset, if one begins there that is as it was stored.
    pub fn record_at(&self, offset: i64) -> Option<MappedSlice> {
        let file = self.files.at(u64::try_from(offset).ok()?)?;
        let at = (offset as u64 - file.from()) as usize;
        let rest = file.bytes(at, file.published().checked_sub(at)?)?;
        match record::find(rest, offset) {
            Found::Message(record) if record.crc_is_right() => MappedSlice::new(&file, at, record.length()),
            _ => None,
        }
    }

    /// Runs `change` while nothing is appended.
    pub fn while_locked<T>(&self, change: impl FnOnce() -> T) -> T {
        let _tail = self.tail();
        change()
    }

    /// Appends records that stand one behind the other in `records`, whole in one file. Under the append lock
    /// `next_offset` gives the first record's queue offset; the others follow it.
    ///
    /// `ends` are the places in `records` where each record ends.
    pub fn append(
        &self,
        records: &mut [u8],
        ends: &[usize],
        clock: &Clock,
        mut next_offset: impl FnMut(&Tally) -> i64,
    ) -> Result<Appended, AppendError> {
        if records.len() + END_BYTES > self.files.file_bytes() {
            return Err(AppendError::TooLarge);
        }
        let mut tail = self.tail();
        let store_timestamp_ms = clock.now_ms();
        self.locked_since_ms.store(store_timestamp_ms, Ordering::Relaxed);
        let _unlocking = Unlocking(&self.locked_since_ms);
        let file = self.file_for(&mut tail, records.len()).map_err(AppendError::Disk)?;
        let at = file.published();
        let commit_log_offset = file.from() as i64 + at as i64;
        let queue_offset = next_offset(&Tally { count: ends.len() });
        let mut start = 0;
        for (index, end) in ends.iter().enumerate() {
            let offset = commit_log_offset + start as i64;
            record::stamp(&mut records[start..*end], queue_offset + index as i64, offset, store_timestamp_ms);
            start = *end;
        }
        file.write(at, records);
        file.publish(at + records.len());
        tail.store_timestamp_ms = store_timestamp_ms;
        self.end.store(commit_log_offset + records.len() as i64, Ordering::Release);
        Ok(Appended { commit_log_offset, store_timestamp_ms })
    }

    /// Begins an empty log at a place that is not its first: a slave whose master sends from there.
    pub fn begin_at(&self, offset: u64) -> Result<(), Error> {
        let mut tail = self.tail();
        if tail.file.is_none() {
            self.open_file(&mut tail, offset)?;
            self.end.store(offset as i64, Ordering::Release);
        }
        Ok(())
    }

    /// Appends what a slave has received, whole records or the rest of a file, in one file: as it is, at the log's end.
    pub fn append_received(&self, bytes: &[u8]) -> Result<(), AppendError> {
        let mut tail = self.tail();
        let file = match &tail.file {
            Some(file) if file.published() < file.length() => Arc::clone(file),
            _ => self.next_file(&mut tail).map_err(AppendError::Disk)?,
        };
        let (at, end) = (file.published(), file.published() + bytes.len());
        if end > file.length() {
            return Err(AppendError::TooLarge);
        }
        self.reserve_for(&file, end).map_err(AppendError::Disk)?;
        file.write(at, bytes);
        file.publish(end);
        self.end.store(file.from() as i64 + end as i64, Ordering::Release);
        Ok(())
    }

    /// The file that takes `length` more bytes, with their space reserved.
    fn file_for(&self, tail: &mut Tail, length: usize) -> Result<Arc<MappedFile>, Error> {
        let file = match &tail.file {
            Some(file) if file.published() < file.length() => Arc::clone(file),
            _ => self.next_file(tail)?,
        };
        let left = file.length() - file.published();
        let file = if length + END_BYTES > left {
            self.reserve(&file, file.published() + END_BYTES)?;
            file.write(file.published(), &record::blank(left));
            file.publish(file.length());
            self.end.store(file.from() as i64 + file.length() as i64, Ordering::Release);
            self.next_file(tail)?
        } else {
            file
        };
        self.reserve_for(&file, file.published() + length)?;
        Ok(file)
    }

    /// Makes sure that there is space up to `end`, and that more is allocated ahead where that is due.
    fn reserve_for(&self, file: &MappedFile, end: usize) -> Result<(), Error> {
        if end > file.reserved() {
            // The allocating thread did not keep up, or this is the first append.
            self.reserve(file, (end + RESERVE_STEP_BYTES).min(file.length()))
                .or_else(|_| self.reserve(file, end))?;
        }
        if file.reserved() < file.length().min(end + RESERVE_STEP_BYTES / 2) || self.is_next_due(file, end) {
            self.ahead().is_wanted = true;
            self.ahead.changed.notify_one();
        }
        Ok(())
    }

    fn reserve(&self, file: &MappedFile, end: usize) -> Result<(), Error> {
        file.reserve(end).map_err(|source| Error::Io {
            what: "allocate space in",
            path: file.path().to_owned(),
            source,
        })
    }

    fn next_file(&self, tail: &mut Tail) -> Result<Arc<MappedFile>, Error> {
        let offset = tail.file.as_ref().map_or(0, |file| file.from() + file.length() as u64);
        self.open_file(tail, offset)
    }

    fn open_file(&self, tail: &mut Tail, offset: u64) -> Result<Arc<MappedFile>, Error> {
        let made = self.ahead().next.take().filter(|file| file.from() == offset);
        let file = match made {
            Some(file) => file,
            None => self.files.create(offset)?,
        };
        self.files.push(Arc::clone(&file));
        tail.file = Some(Arc::clone(&file));
        if self.warm_up.is_some() {
            self.ahead().is_wanted = true;
            self.ahead.changed.notify_one();
        }
        tracing::info!(file = %file.path().display(), "commit log file opened");
        Ok(file)
    }

    fn is_next_due(&self, file: &MappedFile, end: usize) -> bool {
        file.length() - end < RESERVE_STEP_BYTES && self.ahead().next.is_none()
    }

    /// Keeps space allocated ahead of the end until told to stop: the body of a thread.
    pub fn allocate_ahead(&self) {
        let mut held = Vec::new();
        loop {
            let mut state = self.ahead();
            while !state.stop && !state.is_wanted {
                state = self.ahead.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.stop {
                return;
            }
            state.is_wanted = false;
            let has_next = state.next.is_some();
            drop(state);
            // Errors are not reported here: the append that needs the space meets and reports them.
            let Some(file) = self.files.last() else { continue };
            let end = file.published();
            let _ = file.reserve((end + 2 * RESERVE_STEP_BYTES).min(file.length()));
            let is_near = file.length() - end < 2 * RESERVE_STEP_BYTES;
            if !has_next
                && (is_near || self.warm_up.is_some())
                && let Ok(next) = self.files.create(file.from() + file.length() as u64)
                && next.reserve(RESERVE_STEP_BYTES.min(next.length())).is_ok()
            {
                self.ahead().next = Some(next);
            }
            if let Some(warm_up) = &self.warm_up {
                let files = [self.files.last(), self.ahead().next.clone()];
                warm_up.run(files.into_iter().flatten(), &mut held, || self.ahead().stop);
            }
        }
    }

    /// Ends [`CommitLog::allocate_ahead`] and deletes a file that was made ahead and not needed.
    pub fn stop_allocating(&self) {
        let next = {
            let mut state = self.ahead();
            state.stop = true;
            state.next.take()
        };
        self.ahead.changed.notify_all();
        if let Some(next) = next
            && self.files.last().is_some_and(|last| last.from() < next.from())
            && let Err(error) = std::fs::remove_file(next.path())
        {
            tracing::warn!(file = %next.path().display(), %error, "unused commit log file not deleted");
        }
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ahead(&self) -> MutexGuard<'_, AheadState> {
        self.ahead.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is about to be appended.
pub struct Tally {
    pub count: usize,
}

struct Unlocking<'a>(&'a AtomicI64);

impl Drop for Unlocking<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}
