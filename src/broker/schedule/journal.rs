//! `config/delayOffset.journal`: how far each delay level had been delivered a moment ago, so that a kill delivers
//! nothing twice. `delayOffset.json`, which Java reads, is ten seconds older; Java does not know this file.
//!
//! A slot of 32 bytes for each level, from 1, each written in place by one call and never brought to the disk on
//! purpose. Numbers are big-endian:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | delay level |
//! | 4 | 4 | CRC-32 of the other fields |
//! | 8 | 8 | queue offset of the next message to deliver |
//! | 16 | 8 | commit-log offset of the copy that the last one was delivered as |
//! | 24 | 8 | 0 |
//!
//! A slot proves itself: it counts only where the log has, at that place, a copy of the message before that offset.
//! So nothing is lost by a slot that outlived a power cut, another store, or a time under Java.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::protocol::message::{self, MessageRef};
use crate::protocol::topic::SCHEDULE_TOPIC;
use crate::store::{MappedSlice, MessageStore};

const SLOT_BYTES: usize = 32;
/// More levels than anybody configures: a file's length must not decide how much is read.
const LEVELS_MAX: i32 = 10_000;
/// What a kill can leave behind the last slot is what was stored while one round was delivered.
const LOOK_BYTES: i64 = 64 * 1024 * 1024;

/// The file, opened with the first write.
pub struct Journal {
    path: PathBuf,
    file: OnceLock<Option<File>>,
}

/// One level's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Queue offset of the next message.
    pub offset: i64,
    /// Commit-log offset of the newest copy.
    pub copy_at: i64,
}

impl Journal {
    /// At that path; nothing is read or made yet.
    pub fn new(path: PathBuf) -> Journal {
        Journal { path, file: OnceLock::new() }
    }

    /// Notes how far a level is. Without the file a kill delivers some messages twice, which is no reason to stop.
    pub fn write(&self, level: i32, slot: Slot) {
        let Some(file) = self.file.get_or_init(|| self.create()) else { return };
        let Some(index) = u64::try_from(level).ok().and_then(|level| level.checked_sub(1)) else { return };
        if let Err(error) = file.write_all_at(&encode(level, slot), index * SLOT_BYTES as u64) {
            tracing::warn!(file = %self.path.display(), %error, "delay journal not written");
        }
    }

    fn create(&self) -> Option<File> {
        let open = || {
            self.path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            OpenOptions::new().write(true).create(true).truncate(false).open(&self.path)
        };
        open().inspect_err(|error| {
            let file = self.path.display();
            tracing::warn!(%file, %error, "delay journal not opened: a kill will deliver delayed messages twice");
        }).ok()
    }

    fn read(&self, levels: i32) -> BTreeMap<i32, Slot> {
        let levels = levels.clamp(0, LEVELS_MAX);
        let mut bytes = vec![0; levels as usize * SLOT_BYTES];
        let length = match File::open(&self.path).and_then(|file| read_up_to(&file, &mut bytes)) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => {
                tracing::warn!(file = %self.path.display(), %error, "delay journal not read");
                0
            }
        };
        let slots = bytes[..length].chunks_exact(SLOT_BYTES).zip(1..);
        slots.filter_map(|(bytes, level)| Some((level, decode(level, bytes)?))).collect()
    }

    /// Corrects the offsets of `delayOffset.json` by what was delivered after it was written.
    pub fn resume(&self, store: &MessageStore, offsets: &mut BTreeMap<i32, i64>) {
        let mut look_from = None;
        for (level, slot) in self.read(store.delay_levels().max()) {
            let saved = offsets.get(&level).copied().unwrap_or(0);
            if slot.offset >= saved && is_proven(store, level, slot) {
                offsets.insert(level, slot.offset);
                look_from = look_from.max(Some(slot.copy_at));
            }
        }
        let Some(look_from) = look_from else { return };
        let from = look_from.max(store.max_commit_log_offset() - LOOK_BYTES);
        let delivered = find_copies(store, from, look_from, offsets);
        tracing::info!(delivered, "delay offsets resumed from the journal");
    }
}

fn read_up_to(file: &File, bytes: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < bytes.len() {
        match file.read_at(&mut bytes[length..], length as u64)? {
            0 => break,
            count => length += count,
        }
    }
    Ok(length)
}

fn encode(level: i32, slot: Slot) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    bytes[..4].copy_from_slice(&level.to_be_bytes());
    bytes[8..16].copy_from_slice(&slot.offset.to_be_bytes());
    bytes[16..24].copy_from_slice(&slot.copy_at.to_be_bytes());
    let crc = crc(&bytes);
    bytes[4..8].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn decode(level: i32, bytes: &[u8]) -> Option<Slot> {
    let word = |at: usize| Some(i64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let slot = Slot { offset: word(8)?, copy_at: word(16)? };
    (encode(level, slot) == *bytes).then_some(slot)
}

fn crc(bytes: &[u8; SLOT_BYTES]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..4]);
    hasher.update(&bytes[8..]);
    hasher.finalize()
}

/// The record of a delayed message.
fn delayed(store: &MessageStore, level: i32, offset: i64) -> Option<MappedSlice> {
    let unit = store.unit(SCHEDULE_TOPIC, level - 1, offset).filter(|unit| !unit.is_filler())?;
    store.message_at(unit.commit_log_offset)
}

fn is_proven(store: &MessageStore, level: i32, slot: Slot) -> bool {
    let record = slot.offset.checked_sub(1).and_then(|offset| delayed(store, level, offset));
    let copy = store.message_at(slot.copy_at);
    let (Some(record), Some(copy)) = (record, copy) else { return false };
    is_copy(&record, &copy)
}

/// Whether a delayed message was delivered as this record.
fn is_copy(delayed: &[u8], copy: &[u8]) -> bool {
    let message = |mut bytes| MessageRef::take(&mut bytes).ok();
    let (Some(delayed), Some(copy)) = (message(delayed), message(copy)) else { return false };
    let queue_id = delayed.property(message::PROPERTY_REAL_QUEUE_ID).and_then(|id| id.parse::<i32>().ok());
    delayed.property(message::PROPERTY_REAL_TOPIC) == Some(&*copy.topic)
        && queue_id == Some(copy.queue_id)
        && delayed.properties == copy.properties
        && (delayed.born_timestamp, delayed.reconsume_times) == (copy.born_timestamp, copy.reconsume_times)
        && delayed.body == copy.body
}

/// Moves each level past the messages whose copies stand behind a place of the log; within a level they stand in order.
fn find_copies(store: &MessageStore, from: i64, after: i64, offsets: &mut BTreeMap<i32, i64>) -> usize {
    let levels = 1..=store.delay_levels().max();
    let mut next: BTreeMap<i32, MappedSlice> = levels
        .filter_map(|level| Some((level, delayed(store, level, offsets.get(&level).copied().unwrap_or(0))?)))
        .collect();
    let mut delivered = 0;
    store.for_each_record(from, |record| {
        if record.commit_log_offset() <= after || !record.properties().contains(message::PROPERTY_REAL_TOPIC)
        {
            return;
        }
        let found =
            next.iter().find(|(_, expected)| is_copy(expected, record.bytes())).map(|(level, _)| *level);
        let Some(level) = found else { return };
        let offset = offsets.entry(level).or_insert(0);
        *offset += 1;
        delivered += 1;
        match delayed(store, level, *offset) {
            Some(record) => next.insert(level, record),
            None => next.remove(&level),
        };
    });
    delivered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_read_as_written_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config/delayOffset.journal");
        let journal = Journal::new(path.clone());
        assert!(journal.read(18).is_empty());
        let (first, third) = (Slot { offset: 5, copy_at: 700 }, Slot { offset: 1 << 40, copy_at: 0 });
        journal.write(1, first);
        journal.write(3, third);
        assert_eq!(journal.read(18), BTreeMap::from([(1, first), (3, third)]));
        assert_eq!(journal.read(2), BTreeMap::from([(1, first)]));
        let whole = std::fs::read(&path).unwrap();
        for at in 0..SLOT_BYTES {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(journal.read(18), BTreeMap::from([(3, third)]), "byte {at}");
            std::fs::write(&path, &whole[..at]).unwrap();
            assert!(journal.read(18).is_empty(), "cut at {at}");
        }
    }
}
