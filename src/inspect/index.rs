//! Index files as files: header, slots and entries (store.md 1.7).

use std::path::PathBuf;

use super::{Directory, Error};
use crate::store::mapped_file::ReadMap;

const HEADER_BYTES: usize = 40;
const ENTRY_BYTES: usize = 20;

/// An index file and how large its table of slots is taken to be.
pub struct IndexFile {
    pub path: PathBuf,
    bytes: ReadMap,
    slots: usize,
}

/// An entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexEntry {
    pub hash: i32,
    pub commit_log_offset: i64,
    pub seconds: i32,
    pub previous: i32,
}

/// The index files of a directory, oldest first.
pub fn index_files(directory: &Directory, slots: usize) -> Result<Vec<IndexFile>, Error> {
    let folder = directory.root.join("index");
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(&folder)(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::io(&folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.len() == 17 && name.bytes().all(|byte| byte.is_ascii_digit()) && path.is_file() {
            let bytes = ReadMap::open(&path).map_err(Error::io(&path))?;
            files.push(IndexFile { path, bytes, slots });
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

impl IndexFile {
    fn i32(&self, at: usize) -> i32 {
        self.bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| i32::from_be_bytes(*word))
    }

    fn i64(&self, at: usize) -> i64 {
        self.bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| i64::from_be_bytes(*word))
    }

    /// Length of the file.
    pub fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Entries that the file has room for; none where the table of slots does not fit.
    pub fn room(&self) -> usize {
        self.bytes.len().saturating_sub(HEADER_BYTES + 4 * self.slots) / ENTRY_BYTES
    }

    /// Store times of the first and the last entry, ms.
    pub fn times_ms(&self) -> (i64, i64) {
        (self.i64(0), self.i64(8))
    }

    /// Places in the log of the first and the last entry.
    pub fn offsets(&self) -> (i64, i64) {
        (self.i64(16), self.i64(24))
    }

    /// Number of the next entry, as the header says.
    pub fn next_entry(&self) -> i32 {
        self.i32(36).max(1)
    }

    /// Slots.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// The newest entry of a slot.
    pub fn slot(&self, number: usize) -> i32 {
        self.i32(HEADER_BYTES + 4 * number)
    }

    /// Byte of an entry.
    pub fn entry_at(&self, number: usize) -> u64 {
        (HEADER_BYTES + 4 * self.slots + ENTRY_BYTES * number) as u64
    }

    /// An entry.
    pub fn entry(&self, number: usize) -> IndexEntry {
        let at = self.entry_at(number) as usize;
        IndexEntry {
            hash: self.i32(at),
            commit_log_offset: self.i64(at + 4),
            seconds: self.i32(at + 12),
            previous: self.i32(at + 16),
        }
    }
}
