//! A slave's side of the log (Java: `CommitLog.appendData`): bytes of the master's log, which come cut anywhere, are
//! gathered until they are whole records and appended as they are. So a reader never meets half a record, and
//! a slave that is stopped ends with a whole one.
//!
//! Damage in the master's log is followed, too: where no record begins, bytes are taken as they are up to the next
//! record that proves itself.

use super::commit_log::AppendError;
use super::record::{self, FIXED_BYTES, Found};
use super::{Error, MessageStore};

/// A record beyond this is damage: more than any message that a broker takes.
const RECORD_MAX_BYTES: usize = 64 * 1024 * 1024;
/// So much is gathered of damage before it is taken without a record behind it.
const DAMAGE_MAX_BYTES: usize = 2 * RECORD_MAX_BYTES;

/// What has come of the master's log and is not a whole record yet.
pub struct Receiver<'a> {
    store: &'a MessageStore,
    pending: Vec<u8>,
    /// Bytes of `pending` before which no record begins, found out already.
    searched: usize,
}

/// Why bytes of the master are not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    #[error("the master sends from offset {offset}, but this log goes on at {expected}")]
    Gap { offset: i64, expected: i64 },
    #[error(
        "an empty log cannot begin at {0}, which is no file's beginning: mapedFileSizeCommitLog differs from the master's"
    )]
    Begin(i64),
    #[error("this broker stops, or its disk does not take the log")]
    Stopped,
    #[error(transparent)]
    Disk(Error),
}

/// What the gathered bytes begin with.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    /// A record or the rest of a file, of so many bytes.
    Whole(usize),
    /// The beginning of one.
    Part,
    Damage,
}

impl<'a> Receiver<'a> {
    /// Goes on where the log ends.
    pub fn new(store: &'a MessageStore) -> Receiver<'a> {
        Receiver { store, pending: Vec::new(), searched: 0 }
    }

    /// Offset of the next byte.
    pub fn next(&self) -> i64 {
        self.store.max_commit_log_offset() + self.pending.len() as i64
    }

    /// Whether nothing has ever been received or stored.
    pub fn is_empty(&self) -> bool {
        self.store.max_commit_log_offset() == 0 && self.pending.is_empty()
    }

    /// Takes bytes that lie at `offset` of the master's log.
    pub fn receive(&mut self, offset: i64, bytes: &[u8]) -> Result<(), ReceiveError> {
        if self.is_empty() && offset > 0 {
            let file_bytes = self.store.log.files().file_bytes() as i64;
            if offset % file_bytes != 0 {
                return Err(ReceiveError::Begin(offset));
            }
            self.store.log.begin_at(offset as u64).map_err(ReceiveError::Disk)?;
        }
        let expected = self.next();
        if offset != expected {
            return Err(ReceiveError::Gap { offset, expected });
        }
        self.pending.extend_from_slice(bytes);
        self.append_whole()
    }

    fn append_whole(&mut self) -> Result<(), ReceiveError> {
        let file_bytes = self.store.log.files().file_bytes();
        let mut done = 0;
        while done < self.pending.len() {
            let at = self.store.max_commit_log_offset();
            let left = file_bytes - (at as u64 % file_bytes as u64) as usize;
            let length = self.appendable(&self.pending[done..], at, left);
            if length == 0 {
                break;
            }
            self.store.append_received(&self.pending[done..done + length])?;
            done += length;
            self.searched = 0;
        }
        self.pending.drain(..done);
        if done > 0 {
            self.store.dispatch();
        }
        let rest = self.pending.len();
        if let (true, Piece::Damage) = (rest > 0, self.first_piece(&self.pending)) {
            self.searched = rest.saturating_sub(FIXED_BYTES);
        }
        Ok(())
    }

    fn first_piece(&self, bytes: &[u8]) -> Piece {
        let at = self.store.max_commit_log_offset();
        let file_bytes = self.store.log.files().file_bytes();
        piece(bytes, at, file_bytes - (at as u64 % file_bytes as u64) as usize)
    }

    /// Bytes that can be appended at once: whole records up to the file's end, or damage before one.
    fn appendable(&self, bytes: &[u8], at: i64, left: usize) -> usize {
        let mut length = 0;
        while length < left {
            match piece(&bytes[length..], at + length as i64, left - length) {
                Piece::Whole(whole) => length += whole,
                Piece::Part => break,
                Piece::Damage if length > 0 => break,
                Piece::Damage => return self.damage(bytes, at, left),
            }
        }
        length
    }

    /// Length of the damage that `bytes` begin with, as far as that is known.
    fn damage(&self, bytes: &[u8], at: i64, left: usize) -> usize {
        let within = bytes.len().min(left);
        let next = (self.searched.max(1)..within).find(|start| {
            matches!(piece(&bytes[*start..], at + *start as i64, left - start), Piece::Whole(_))
        });
        let length = match next {
            Some(next) => next,
            None if within == left => left,
            None if bytes.len() > DAMAGE_MAX_BYTES => bytes.len() - RECORD_MAX_BYTES,
            None => return 0,
        };
        tracing::error!(
            target: "storeerror",
            commit_log_offset = at,
            bytes = length,
            "the master's log is damaged here; the bytes are taken over as they are"
        );
        length
    }
}

/// What `bytes` begin with, which lie at `at` with `left` bytes to their file's end.
fn piece(bytes: &[u8], at: i64, left: usize) -> Piece {
    let Some(head) = record::head(bytes) else { return Piece::Part };
    match head {
        record::Head::Blank if bytes.len() >= left => Piece::Whole(left),
        record::Head::Blank => Piece::Part,
        record::Head::Message(length) => {
            if !(FIXED_BYTES..=left.min(RECORD_MAX_BYTES)).contains(&length) {
                return Piece::Damage;
            }
            if bytes.len() < length {
                return Piece::Part;
            }
            match record::find(bytes, at) {
                Found::Message(record) => Piece::Whole(record.length()),
                Found::Blank | Found::Nothing => Piece::Damage,
            }
        }
        record::Head::Nothing => Piece::Damage,
    }
}

impl MessageStore {
    /// Appends what a slave has received: whole records, in one file.
    fn append_received(&self, bytes: &[u8]) -> Result<(), ReceiveError> {
        use std::sync::atomic::Ordering;
        if self.is_stopping.load(Ordering::Acquire) || self.is_troubled.load(Ordering::Acquire) {
            return Err(ReceiveError::Stopped);
        }
        self.log.append_received(bytes).map_err(|error| match error {
            AppendError::Disk(error) => {
                self.no_room.report(&error, self.clock.now_ms());
                ReceiveError::Disk(error)
            }
            AppendError::TooLarge => ReceiveError::Stopped,
        })?;
        self.no_room.end();
        Ok(())
    }

    /// Bytes of the log from an offset on, at most so many, in one file; `None` where the log ends or the offset is not in
    /// it. For those who send the log on.
    pub fn log_data(&self, offset: i64, most: usize) -> Option<super::MappedSlice> {
        let end = self.log.end();
        let left = usize::try_from(end.checked_sub(offset)?).ok().filter(|left| *left > 0)?;
        let file = self.log.files().at(u64::try_from(offset).ok()?)?;
        let at = (offset as u64 - file.from()) as usize;
        let length = left.min(most).min(file.length().checked_sub(at)?);
        super::MappedSlice::new(&file, at, length)
    }
}

#[cfg(test)]
mod tests;
