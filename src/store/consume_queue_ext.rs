//! What a queue keeps beside its entries when `enableConsumeQueueExt` is set (Java: `ConsumeQueueExt`): the tags
//! code, when the message was stored, and a bitmap of the subscriptions it is for. The entry then holds this
//! unit's address in the place of the tags code. It does not know entries, and makes no bitmaps.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 2 | length of the unit: 20 and the bitmap |
//! | 2 | 8 | tags code |
//! | 10 | 8 | store time, ms |
//! | 18 | 2 | length of the bitmap |
//! | 20 | | bitmap |
//!
//! At least 4 bytes at a file's end stay free. Where a unit does not fit, FF FF says that it is in the next file.
//!
//! Nothing here is needed to serve a message: a unit that is missing or damaged lets the message pass every
//! filter. So failures to write are said and borne, and the entry gets the tags code itself, as in Java.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::Error;
use super::files::{self, Files};
use super::mapped_file::{MappedFile, PAGE_BYTES};

/// Length of a unit without a bitmap.
pub const UNIT_MIN_BYTES: usize = 20;
/// The longest unit (Java: `MAX_EXT_UNIT_SIZE`).
const UNIT_MAX_BYTES: usize = i16::MAX as usize;
/// Bytes that stay free at the end of a file (Java: `END_BLANK_DATA_LENGTH`).
pub const END_BYTES: usize = 4;
/// Where a file has units no more.
const FULL_MARK: [u8; 2] = [0xff, 0xff];
/// The largest address (Java: `MAX_ADDR`): tags codes are hashes of 32 bits, and times are positive.
const ADDRESS_MAX: i64 = i32::MIN as i64 - 1;
/// The largest offset that an address can stand for (Java: `MAX_REAL_OFFSET`).
const OFFSET_MAX: u64 = (ADDRESS_MAX as u64).wrapping_sub(i64::MIN as u64);
/// Space is allocated in steps that double up to this one, as for entries.
const RESERVE_MAX_BYTES: usize = 256 * 1024;

/// Where the units of all queues are, and how long their files.
#[derive(Debug, Clone)]
pub struct ExtPlan {
    pub folder: PathBuf,
    pub file_bytes: usize,
}

/// A unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtUnit {
    pub tags_code: i64,
    pub store_timestamp_ms: i64,
    pub bitmap: Vec<u8>,
}

/// Whether an entry's tags code is the address of a unit.
pub fn is_address(tags_code: i64) -> bool {
    tags_code <= ADDRESS_MAX
}

fn address_of(offset: u64) -> i64 {
    (offset as i64).wrapping_add(i64::MIN)
}

fn offset_of(address: i64) -> Option<u64> {
    is_address(address).then(|| address.wrapping_sub(i64::MIN) as u64)
}

impl ExtUnit {
    /// The length of the unit that `bytes` begin with, if there is one.
    fn length(bytes: &[u8]) -> Option<usize> {
        let length = usize::try_from(i16_at(bytes, 0)?).ok()?;
        let bitmap = usize::try_from(i16_at(bytes, 18)?).ok()?;
        (length == UNIT_MIN_BYTES + bitmap && length <= bytes.len()).then_some(length)
    }

    fn parse(bytes: &[u8]) -> Option<ExtUnit> {
        let bitmap = &bytes[UNIT_MIN_BYTES..ExtUnit::length(bytes)?];
        Some(ExtUnit {
            tags_code: i64::from_be_bytes(*bytes.get(2..)?.first_chunk()?),
            store_timestamp_ms: i64::from_be_bytes(*bytes.get(10..)?.first_chunk()?),
            bitmap: bitmap.to_vec(),
        })
    }
}

fn i16_at(bytes: &[u8], at: usize) -> Option<i16> {
    Some(i16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The units of one queue. Written by the dispatcher alone.
pub struct ConsumeQueueExt {
    files: Files,
    /// Where the first file begins while there is none.
    first_from: u64,
    /// Bytes known to be on disk.
    flushed: AtomicU64,
    /// The last unit was not written, which has been said.
    is_failing: AtomicBool,
}

impl ConsumeQueueExt {
    /// Units of a queue that has no entries.
    pub fn new(folder: PathBuf, file_bytes: usize) -> ConsumeQueueExt {
        ConsumeQueueExt {
            files: Files::new(folder, file_bytes),
            first_from: 0,
            flushed: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
        }
    }

    /// Opens a queue's units and finds their end, with the help of the newest address among its entries. Of
    /// files that do not follow each other the newest are kept; one of another length is deleted.
    pub fn open(
        folder: PathBuf,
        file_bytes: usize,
        newest_address: Option<i64>,
    ) -> Result<ConsumeQueueExt, Error> {
        let listing = files::list(&folder).map_err(|source| Error::Io {
            what: "read folder",
            path: folder.clone(),
            source,
        })?;
        let mut offsets: Vec<u64> = Vec::new();
        let mut unfit = Vec::new();
        for (offset, length) in listing.files {
            if length != file_bytes as u64 || offset % file_bytes as u64 != 0 {
                unfit.push(offset);
                continue;
            }
            if offsets.last().is_some_and(|last| last + file_bytes as u64 != offset) {
                unfit.append(&mut offsets);
            }
            offsets.push(offset);
        }
        for offset in unfit {
            let path = folder.join(files::file_name(offset));
            tracing::error!(target: "storeerror", file = %path.display(), expected_bytes = file_bytes,
                "consume queue ext file does not fit and is deleted; its messages pass every filter");
            std::fs::remove_file(&path).map_err(|source| Error::Io { what: "delete", path, source })?;
        }
        let mut ext = ConsumeQueueExt::new(folder.clone(), file_bytes);
        ext.files = Files::open(folder, file_bytes, &offsets)?;
        ext.find_end(newest_address)?;
        ext.flushed = AtomicU64::new(ext.end());
        Ok(ext)
    }

    /// The end is behind the unit of the newest address. Where that unit is lost, its address is never used
    /// again: an entry must not be led to another message's unit.
    fn find_end(&mut self, newest_address: Option<i64>) -> Result<(), Error> {
        let newest = newest_address.and_then(offset_of);
        if let (Some(address), Some(offset)) = (newest_address, newest)
            && let Some(length) = self.length_at(address)
        {
            return self.files.truncate(offset + length as u64);
        }
        let file_bytes = self.files.file_bytes() as u64;
        let walked_to = self.walk();
        let Some(offset) = newest else { return self.files.truncate(walked_to) };
        let folder = self.files.folder().display();
        if self.files.count() == 0 {
            self.first_from = (offset - offset % file_bytes).saturating_add(file_bytes);
            tracing::error!(target: "storeerror", %folder, "consume queue ext files are missing; their messages pass every filter");
            return Ok(());
        }
        tracing::error!(target: "storeerror", %folder, offset, walked_to,
            "the newest unit of a consume queue ext is missing; messages without a unit pass every filter");
        self.files.truncate(walked_to)?;
        if offset < walked_to {
            return Ok(());
        }
        // A power cut can take a file's name with it, but not two: a larger address is itself damaged.
        for _ in 0..2 {
            let Some(last) = self.files.last() else { break };
            self.fill(&last)?;
            if offset < last.from() + file_bytes {
                break;
            }
            self.add_file()?;
        }
        Ok(())
    }

    /// The end by the units' own lengths. Only the last file tells it.
    fn walk(&self) -> u64 {
        let Some(file) = self.files.last() else { return 0 };
        let bytes = file.bytes(0, file.length()).unwrap_or(&[]);
        let bytes = &bytes[..bytes.len().saturating_sub(END_BYTES)];
        let mut at = 0;
        while let Some(length) = ExtUnit::length(&bytes[at..]) {
            at += length;
        }
        file.from() + at as u64
    }

    /// Drops what lies behind the unit of an address. Only while the store is being opened.
    pub fn truncate_behind(&self, address: i64) -> Result<(), Error> {
        match (offset_of(address), self.length_at(address)) {
            (Some(offset), Some(length)) => self.files.truncate(offset + length as u64),
            _ => Ok(()),
        }
    }

    /// Deletes the files that end before an address, but the last one.
    pub fn delete_before(&self, address: i64) -> Result<(), Error> {
        offset_of(address).map_or(Ok(()), |offset| self.files.delete_before(offset))
    }

    fn length_at(&self, address: i64) -> Option<usize> {
        self.with_unit(address, ExtUnit::length)
    }

    /// The unit of an address, if it is there.
    pub fn get(&self, address: i64) -> Option<ExtUnit> {
        self.with_unit(address, ExtUnit::parse)
    }

    fn with_unit<T>(&self, address: i64, look: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        let offset = offset_of(address)?;
        let file = self.files.at(offset)?;
        let at = (offset - file.from()) as usize;
        look(file.bytes(at, file.published().checked_sub(at)?)?)
    }

    /// Adds a unit and gives its address; `None` where there is no place for it, which is said once.
    pub fn put(&self, tags_code: i64, store_timestamp_ms: i64, bitmap: &[u8]) -> Option<i64> {
        let length = UNIT_MIN_BYTES + bitmap.len();
        let fits = length <= UNIT_MAX_BYTES && length + END_BYTES <= self.files.file_bytes();
        let has_room = self.end().saturating_add(length as u64) <= OFFSET_MAX;
        let mut unit = Vec::with_capacity(length);
        unit.extend((length as i16).to_be_bytes());
        unit.extend(tags_code.to_be_bytes());
        unit.extend(store_timestamp_ms.to_be_bytes());
        unit.extend((bitmap.len() as i16).to_be_bytes());
        unit.extend(bitmap);
        let put = if fits && has_room {
            self.append(&unit).map_err(|error| error.to_string())
        } else {
            Err("it has no room".to_owned())
        };
        let was_failing = self.is_failing.swap(put.is_err(), Ordering::Relaxed);
        match put {
            Ok(offset) => Some(address_of(offset)),
            Err(error) => {
                if !was_failing {
                    tracing::warn!(folder = %self.files.folder().display(), error, length,
                        "consume queue ext does not take a unit; entries get the tags code alone until it does");
                }
                None
            }
        }
    }

    fn append(&self, unit: &[u8]) -> Result<u64, Error> {
        let mut file = match self.files.last() {
            Some(file) if file.published() < file.length() => file,
            _ => self.add_file()?,
        };
        if file.published() + unit.len() + END_BYTES > file.length() {
            self.fill(&file)?;
            file = self.add_file()?;
        }
        let at = file.published();
        reserve(&file, at + unit.len())?;
        file.write(at, unit);
        file.publish(at + unit.len());
        Ok(file.from() + at as u64)
    }

    /// Ends a file before its end.
    fn fill(&self, file: &MappedFile) -> Result<(), Error> {
        let at = file.published();
        if at + FULL_MARK.len() <= file.length() {
            reserve(file, at + FULL_MARK.len())?;
            file.write(at, &FULL_MARK);
        }
        file.publish(file.length());
        Ok(())
    }

    fn add_file(&self) -> Result<Arc<MappedFile>, Error> {
        let from = self.files.last().map_or(self.first_from, |last| last.from() + last.length() as u64);
        let file = self.files.create(from)?;
        self.files.push(Arc::clone(&file));
        Ok(file)
    }

    /// Offset behind the last unit.
    fn end(&self) -> u64 {
        self.files.last().map_or(self.first_from, |file| file.from() + file.published() as u64)
    }

    /// Writes units to disk when there are at least so many pages of them; 0: any.
    pub fn flush(&self, least_pages: usize) -> Result<(), Error> {
        let (end, flushed) = (self.end(), self.flushed.load(Ordering::Relaxed));
        if end <= flushed || ((end - flushed) as usize) < least_pages * PAGE_BYTES {
            return Ok(());
        }
        let touched = |file: &&Arc<MappedFile>| {
            let to = file.from() + file.length() as u64;
            file.from() < end && to > flushed
        };
        for file in self.files.all().iter().filter(touched) {
            let path = file.path().to_owned();
            file.sync().map_err(|source| Error::Io { what: "write to disk", path, source })?;
        }
        self.flushed.store(end, Ordering::Relaxed);
        Ok(())
    }

    /// Deletes the files and their folder.
    pub fn delete(&self) -> Result<(), Error> {
        self.files.remove_all()?;
        let folder = self.files.folder();
        match std::fs::remove_dir(folder) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::Io { what: "delete", path: folder.to_owned(), source })
            }
            _ => Ok(()),
        }
    }
}

fn reserve(file: &MappedFile, end: usize) -> Result<(), Error> {
    if end <= file.reserved() {
        return Ok(());
    }
    let step = file.reserved().clamp(PAGE_BYTES, RESERVE_MAX_BYTES);
    let wanted = (end + step - 1).min(file.length());
    file.reserve(wanted).or_else(|_| file.reserve(end)).map_err(|source| Error::Io {
        what: "allocate space in",
        path: file.path().to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
