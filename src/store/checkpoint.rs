//! How far the store's parts are on disk (Java: `StoreCheckpoint`): three times in a file of one page.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | store time up to which the commit log is on disk, ms |
//! | 8 | 8 | the same of the consume queues |
//! | 16 | 8 | the same of the index |
//! | 64 | 4 | ours, unknown to Java, which leaves it alone: `RSIX` |
//! | 68 | 8 | commit-log offset up to which records have their index entries |
//! | 76 | 8 | commit-log offset of the newest index entry; -1 for none |
//! | 84 | 4 | CRC-32 of the 20 bytes before |

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Error;
use super::index::Complete;

const FILE_BYTES: u64 = 4096;
const AT_COMPLETE: u64 = 64;
const COMPLETE_BYTES: usize = 24;
const COMPLETE_MAGIC: [u8; 4] = *b"RSIX";
/// Java looks so much further back, for times that were taken before they were written.
const MARGIN_MS: i64 = 3000;
const DAY_MS: i64 = 86_400_000;

/// The file and its times.
pub struct Checkpoint {
    path: PathBuf,
    file: File,
    /// Commit log, consume queues, index.
    times_ms: [AtomicI64; 3],
    /// How far the index reaches on disk.
    complete: Mutex<Option<Complete>>,
}

/// Which of the times.
#[derive(Debug, Clone, Copy)]
pub enum Part {
    CommitLog = 0,
    ConsumeQueues = 1,
    Index = 2,
}

impl Checkpoint {
    /// Opens or makes the file. A short or damaged one vouches for nothing, which costs time and no data.
    pub fn open(path: &Path, now_ms: i64) -> Result<Checkpoint, Error> {
        let failed = |source| Error::Io { what: "open", path: path.to_owned(), source };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(failed)?;
        let mut bytes = [0; 24];
        if file.metadata().map_err(failed)?.len() < FILE_BYTES {
            file.set_len(FILE_BYTES).map_err(failed)?;
        }
        file.read_exact_at(&mut bytes, 0).map_err(failed)?;
        let mut ours = [0; COMPLETE_BYTES];
        file.read_exact_at(&mut ours, AT_COMPLETE).map_err(failed)?;
        let (times, _) = bytes.as_chunks::<8>();
        // A time that has not come yet is damage; a clock may have been set back since.
        let is_time = |time: &i64| (0..=now_ms.saturating_add(DAY_MS)).contains(time);
        let time = |index: usize| {
            AtomicI64::new(Some(i64::from_be_bytes(times[index])).filter(is_time).unwrap_or(0))
        };
        Ok(Checkpoint {
            path: path.to_owned(),
            file,
            times_ms: [time(0), time(1), time(2)],
            complete: Mutex::new(parse(&ours)),
        })
    }

    /// A part's time.
    pub fn get(&self, part: Part) -> i64 {
        self.times_ms[part as usize].load(Ordering::Relaxed)
    }

    /// Moves a part's time forward.
    pub fn advance(&self, part: Part, time_ms: i64) {
        self.times_ms[part as usize].fetch_max(time_ms, Ordering::Relaxed);
    }

    /// What was stored up to this time needs no look during recovery.
    pub fn trusted_ms(&self) -> i64 {
        let times = self.get(Part::CommitLog).min(self.get(Part::ConsumeQueues));
        (times - MARGIN_MS).max(0)
    }

    /// How far the index reaches on disk, if this broker wrote that and nobody damaged it.
    pub fn complete(&self) -> Option<Complete> {
        *self.complete.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets how far the index reaches on disk.
    pub fn set_complete(&self, complete: Complete) {
        *self.complete.lock().unwrap_or_else(PoisonError::into_inner) = Some(complete);
    }

    /// Writes the times to disk.
    pub fn write(&self) -> Result<(), Error> {
        let mut bytes = [0; 24];
        for (slot, time) in bytes.chunks_exact_mut(8).zip(&self.times_ms) {
            slot.copy_from_slice(&time.load(Ordering::Relaxed).to_be_bytes());
        }
        let ours = self.complete().map_or([0; COMPLETE_BYTES], encode);
        let written = self
            .file
            .write_all_at(&bytes, 0)
            .and_then(|()| self.file.write_all_at(&ours, AT_COMPLETE))
            .and_then(|()| self.file.sync_data());
        written.map_err(|source| Error::Io { what: "write to disk", path: self.path.clone(), source })
    }
}

fn encode(complete: Complete) -> [u8; COMPLETE_BYTES] {
    let mut bytes = [0; COMPLETE_BYTES];
    bytes[..4].copy_from_slice(&COMPLETE_MAGIC);
    bytes[4..12].copy_from_slice(&complete.indexed_to.to_be_bytes());
    bytes[12..20].copy_from_slice(&complete.newest_offset.to_be_bytes());
    let crc = crc32fast::hash(&bytes[..20]);
    bytes[20..].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn parse(bytes: &[u8; COMPLETE_BYTES]) -> Option<Complete> {
    let indexed_to = i64::from_be_bytes(*bytes[4..].first_chunk()?);
    let newest_offset = i64::from_be_bytes(*bytes[12..].first_chunk()?);
    let complete = Complete { indexed_to, newest_offset };
    (indexed_to >= 0 && encode(complete) == *bytes).then_some(complete)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let checkpoint = Checkpoint::open(&path, i64::MAX).unwrap();
        assert_eq!(checkpoint.trusted_ms(), 0);
        checkpoint.advance(Part::CommitLog, 10_000);
        checkpoint.advance(Part::ConsumeQueues, 9000);
        checkpoint.advance(Part::ConsumeQueues, 8000);
        checkpoint.write().unwrap();
        assert_eq!(Checkpoint::open(&path, i64::MAX).unwrap().trusted_ms(), 6000);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), FILE_BYTES);
        std::fs::write(&path, [0xFF; 30]).unwrap();
        assert_eq!(Checkpoint::open(&path, i64::MAX).unwrap().trusted_ms(), 0);
    }
}
