//! The commit log as files: its records one after the other, and what lies between them.

use std::path::PathBuf;

use super::{Directory, Error};
use crate::store::files;
use crate::store::mapped_file::ReadMap;
use crate::store::record::{self, Found, MESSAGE_MAGIC, Record};

/// A file of the log.
struct LogFile {
    from: u64,
    bytes: ReadMap,
    path: PathBuf,
}

/// All files of a log.
pub struct Log {
    files: Vec<LogFile>,
    /// The length of a file, as most of them have it.
    pub file_bytes: u64,
    pub foreign: Vec<String>,
}

/// What stands at a place of the log.
pub enum Place<'a> {
    Record(Record<'a>),
    /// The rest of the file is unused.
    Blank,
    /// Nothing that proves itself, up to a place.
    Damage {
        to: u64,
    },
    /// Nothing at all, and nothing behind it.
    End,
}

impl Log {
    /// Opens the files of a directory.
    pub fn open(directory: &Directory) -> Result<Log, Error> {
        let folder = &directory.commit_log;
        let listing = files::list(folder).map_err(Error::io(folder))?;
        let mut opened = Vec::new();
        for (from, _) in &listing.files {
            let path = folder.join(files::file_name(*from));
            let bytes = ReadMap::open(&path).map_err(Error::io(&path))?;
            opened.push(LogFile { from: *from, bytes, path });
        }
        let file_bytes = listing.files.iter().map(|(_, length)| *length).max().unwrap_or(0);
        Ok(Log { files: opened, file_bytes, foreign: listing.foreign })
    }

    /// Offset of the first byte.
    pub fn start(&self) -> u64 {
        self.files.first().map_or(0, |file| file.from)
    }

    /// Offset behind the last file.
    pub fn end_of_files(&self) -> u64 {
        self.files.last().map_or(0, |file| file.from + self.file_bytes)
    }

    /// The files' paths, first offsets and lengths.
    pub fn files(&self) -> impl Iterator<Item = (&PathBuf, u64, u64)> {
        self.files.iter().map(|file| (&file.path, file.from, file.bytes.len() as u64))
    }

    fn file_at(&self, offset: u64) -> Option<&LogFile> {
        let index = self.files.partition_point(|file| file.from <= offset).checked_sub(1)?;
        self.files.get(index).filter(|file| offset < file.from + self.file_bytes)
    }

    /// The path of the file that an offset lies in, and the byte there.
    pub fn locate(&self, offset: u64) -> (PathBuf, u64) {
        self.file_at(offset).map_or_else(
            || (PathBuf::from("commitlog"), offset),
            |file| (file.path.clone(), offset - file.from),
        )
    }

    /// The record that begins at an offset, if one does.
    pub fn record_at(&self, offset: u64) -> Option<Record<'_>> {
        let file = self.file_at(offset)?;
        match record::find(file.bytes.get((offset - file.from) as usize..)?, offset as i64) {
            Found::Message(record) => Some(record),
            _ => None,
        }
    }

    /// What stands at an offset.
    pub fn place(&self, offset: u64) -> Place<'_> {
        let Some(file) = self.file_at(offset) else {
            // A gap between files, or the end of all.
            return match self.files.iter().find(|file| file.from > offset) {
                Some(next) => Place::Damage { to: next.from },
                None => Place::End,
            };
        };
        let bytes = file.bytes.get((offset - file.from) as usize..).unwrap_or(&[]);
        match record::find(bytes, offset as i64) {
            Found::Message(record) => Place::Record(record),
            Found::Blank => Place::Blank,
            Found::Nothing => match self.next_record(offset + 1) {
                Some(to) => Place::Damage { to },
                None => Place::End,
            },
        }
    }

    /// Offset behind the file that an offset lies in.
    pub fn next_file(&self, offset: u64) -> u64 {
        self.file_at(offset).map_or(offset, |file| file.from + self.file_bytes)
    }

    /// Bytes that are not zero from an offset to the end of its file.
    pub fn leftover(&self, offset: u64) -> usize {
        let Some(file) = self.file_at(offset) else { return 0 };
        let rest = file.bytes.get((offset - file.from) as usize..).unwrap_or(&[]);
        rest.iter().filter(|byte| **byte != 0).count()
    }

    /// The next place where a record proves itself.
    fn next_record(&self, from: u64) -> Option<u64> {
        let magic = MESSAGE_MAGIC.to_be_bytes();
        let first = self.files.partition_point(|file| file.from + self.file_bytes <= from);
        self.files.iter().skip(first).find_map(|file| {
            let mut at = from.saturating_sub(file.from) as usize;
            loop {
                let found = find(file.bytes.get(at + 4..)?, &magic)?;
                let start = at + found;
                let offset = file.from + start as u64;
                if let Found::Message(record) = record::find(&file.bytes[start..], offset as i64)
                    && record.crc_is_right()
                {
                    return Some(offset);
                }
                at = start + 1;
            }
        })
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == wanted[0])?;
        if bytes[at..].starts_with(wanted) {
            return Some(at);
        }
        at += 1;
    }
}
