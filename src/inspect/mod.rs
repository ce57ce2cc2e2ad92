//! A data directory looked at from outside, ours or Java's, without a broker: what is in it, and what is wrong with it.
//! Nothing is changed here; what recovery makes of damage is the store's own.

mod check;
mod deleted;
mod index;
mod log;
mod queues;
mod tables;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use self::check::check;
pub use self::index::{IndexEntry, IndexFile, index_files};
pub use self::log::{Log, Place};
pub use self::queues::{Queue, Unit, queues};
pub use self::tables::checkpoint;
use crate::store::lock_file;

/// Findings of one kind that are told; more are counted.
const TOLD_MAX: u64 = 20;

/// Why a directory cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} is in use: stop the broker that runs on it first", .0.display())]
    InUse(PathBuf),
    #[error("{} is no data directory: it has no commitlog folder. Where storePathCommitLog is elsewhere, say so with \
             --commitlog", .0.display())]
    NoStore(PathBuf),
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl Error {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        |source| Error::Io { path, source }
    }
}

/// Where a store lies.
#[derive(Debug, Clone)]
pub struct Directory {
    pub root: PathBuf,
    pub commit_log: PathBuf,
}

impl Directory {
    /// A directory that no broker holds.
    pub fn open(root: &Path, commit_log: Option<&Path>) -> Result<Directory, Error> {
        let commit_log = commit_log.map_or_else(|| root.join("commitlog"), Path::to_owned);
        if !commit_log.is_dir() {
            return Err(Error::NoStore(root.to_owned()));
        }
        if lock_file::is_held(root).map_err(Error::io(root))? {
            return Err(Error::InUse(root.to_owned()));
        }
        // By a broker with another data directory, too.
        if lock_file::is_commit_log_held(&commit_log).map_err(Error::io(&commit_log))? {
            return Err(Error::InUse(commit_log));
        }
        Ok(Directory { root: root.to_owned(), commit_log })
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of damage, in a few words.
    pub kind: &'static str,
    /// The file, as seen from the directory.
    pub file: PathBuf,
    /// Byte of the file.
    pub at: u64,
    pub text: String,
}

/// How much there is of something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    pub files: u64,
    pub bytes: u64,
    /// Records, entries, tables.
    pub items: u64,
    pub damaged: u64,
}

/// What a check found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    pub findings: Vec<Finding>,
    /// How many findings there were of each kind, told or not.
    pub counts: BTreeMap<&'static str, u64>,
    pub commit_log: Amount,
    pub consume_queues: Amount,
    pub index: Amount,
    pub tables: Amount,
    /// What is worth knowing and no damage.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.counts.is_empty()
    }

    fn find(&mut self, kind: &'static str, file: &Path, at: u64, text: impl Into<String>) {
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        if *count <= TOLD_MAX {
            self.findings.push(Finding { kind, file: file.to_owned(), at, text: text.into() });
        }
    }
}
