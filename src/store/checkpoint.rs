//! How far the store's parts are on disk (Java: `StoreCheckpoint`): three times in a file of one page.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | store time up to which the commit log is on disk, ms |
//! | 8 | 8 | the same of the consume queues |
//! | 16 | 8 | the same of the index |

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

use super::Error;

const FILE_BYTES: u64 = 4096;
/// Java looks so much further back, for times that were taken before they were written.
const MARGIN_MS: i64 = 3000;

/// The file and its times.
pub struct Checkpoint {
    path: PathBuf,
    file: File,
    /// Commit log, consume queues, index.
    times_ms: [AtomicI64; 3],
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
    pub fn open(path: &Path) -> Result<Checkpoint, Error> {
        let failed = |source| Error::Io { what: "open", path: path.to_owned(), source };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(failed)?;
        let mut bytes = [0; 24];
        if file.metadata().map_err(failed)?.len() < FILE_BYTES {
            file.set_len(FILE_BYTES).map_err(failed)?;
        }
        file.read_exact_at(&mut bytes, 0).map_err(failed)?;
        let (times, _) = bytes.as_chunks::<8>();
        let time = |index: usize| AtomicI64::new(i64::from_be_bytes(times[index]).max(0));
        Ok(Checkpoint { path: path.to_owned(), file, times_ms: [time(0), time(1), time(2)] })
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

    /// Writes the times to disk.
    pub fn write(&self) -> Result<(), Error> {
        let mut bytes = [0; 24];
        for (slot, time) in bytes.chunks_exact_mut(8).zip(&self.times_ms) {
            slot.copy_from_slice(&time.load(Ordering::Relaxed).to_be_bytes());
        }
        let written = self.file.write_all_at(&bytes, 0).and_then(|()| self.file.sync_data());
        written.map_err(|source| Error::Io { what: "write to disk", path: self.path.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let checkpoint = Checkpoint::open(&path).unwrap();
        assert_eq!(checkpoint.trusted_ms(), 0);
        checkpoint.advance(Part::CommitLog, 10_000);
        checkpoint.advance(Part::ConsumeQueues, 9000);
        checkpoint.advance(Part::ConsumeQueues, 8000);
        checkpoint.write().unwrap();
        assert_eq!(Checkpoint::open(&path).unwrap().trusted_ms(), 6000);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), FILE_BYTES);
        std::fs::write(&path, [0xFF; 30]).unwrap();
        assert_eq!(Checkpoint::open(&path).unwrap().trusted_ms(), 0);
    }
}
