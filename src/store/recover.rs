//! Finds where the commit log ends after a stop, clean or not, and makes the consume queues agree with it (Java:
//! `CommitLog.recoverNormally`, `recoverAbnormally`, `DefaultMessageStore.recover`).
//!
//! A record counts if it proves itself: magic, lengths that agree, its own place, the CRC of its body. Behind
//! damage the next such record is looked for, so that damage costs itself alone; only a tail with nothing
//! valid behind it is cut off. Entries missing in the queues are made on the way, with or without an `abort`
//! file.

use super::Error;
use super::checkpoint::Checkpoint;
use super::files::Files;
use super::queues::Queues;
use super::record::{self, Found, MESSAGE_MAGIC, Record};

/// A record behind damage must be as young as the one before it, but for so much: batches take their time
/// before the append lock. What is older stood there before the log was cut and written again.
const CLOCK_MARGIN_MS: i64 = 1000;

/// Where the log was found to end.
#[derive(Debug)]
pub struct Recovered {
    pub end: u64,
    /// Records that were looked at.
    pub records: u64,
    /// Bytes passed over as damaged.
    pub damaged_bytes: u64,
    /// Store time of the newest record looked at, ms.
    pub store_timestamp_ms: i64,
}

/// Walks the log from where it is not known to be sound, hands each record to `dispatch`, and gives the log's
/// end. Entries that point into damage are dropped, and those behind it made again.
pub fn walk(
    files: &Files,
    queues: &Queues,
    start: u64,
    check_crc: bool,
    mut dispatch: impl FnMut(&Record<'_>) -> Result<(), Error>,
) -> Result<Recovered, Error> {
    let mut torn_at = None;
    let mut found = Recovered { end: start, records: 0, damaged_bytes: 0, store_timestamp_ms: 0 };
    let mut announced = None;
    while let Some(file) = files.at(found.end) {
        if announced != Some(file.from()) {
            announced = Some(file.from());
            tracing::info!(file = %file.path().display(), "recovering commit log file");
        }
        let at = (found.end - file.from()) as usize;
        let bytes = file.bytes(at, file.length() - at).unwrap_or(&[]);
        match record::find(bytes, found.end as i64) {
            Found::Message(record) if !check_crc || record.crc_is_right() => {
                dispatch(&record)?;
                torn_at = is_torn(&record).then_some(found.end);
                found.records += 1;
                found.store_timestamp_ms = record.store_timestamp_ms();
                found.end += record.length() as u64;
            }
            Found::Blank if is_whole_blank(bytes) => found.end = file.from() + file.length() as u64,
            _ => {
                let from = found.end as i64;
                let Some(next) = next_record(files, from + 1, found.store_timestamp_ms) else {
                    found.end = torn_at.unwrap_or(found.end);
                    break;
                };
                tracing::error!(from, to = next, "commit log is damaged here; the messages behind are kept");
                queues.all().iter().try_for_each(|queue| queue.truncate(from))?;
                found.damaged_bytes += (next - from) as u64;
                found.end = next as u64;
            }
        }
    }
    Ok(found)
}

/// Whether the last bytes of a record may not have reached the disk: its properties end in zeros, which no CRC
/// covers. Asked of the log's last record only.
fn is_torn(record: &Record<'_>) -> bool {
    !record.properties().is_empty() && record.bytes().last() == Some(&0)
}

/// A blank record says how much of its file it fills; a batch writer's and a single one's agree in that.
fn is_whole_blank(bytes: &[u8]) -> bool {
    bytes.first_chunk().is_some_and(|left| u32::from_be_bytes(*left) as usize == bytes.len())
}

/// The first record from `from` on that proves itself and is not older than `since_ms`.
pub fn next_record(files: &Files, from: i64, since_ms: i64) -> Option<i64> {
    let mut from = u64::try_from(from).ok()?;
    while let Some(file) = files.at(from) {
        let mut at = (from - file.from()) as usize;
        let published = file.published();
        while at < published {
            // Holes are passed over without being read: behind a log's end there is up to a file of them.
            let data = file.next_data(at);
            let bytes = file.bytes(0, published).unwrap_or(&[]);
            let Some(found) = find_magic(bytes, data.max(at + 4)) else { break };
            let start = found - 4;
            let offset = file.from() as i64 + start as i64;
            if let Found::Message(record) = record::find(&bytes[start..], offset)
                && record.store_timestamp_ms() >= since_ms.saturating_sub(CLOCK_MARGIN_MS)
                && record.crc_is_right()
            {
                return Some(offset);
            }
            at = start + 1;
        }
        from = file.from() + file.length() as u64;
    }
    None
}

/// The next place of the message magic.
fn find_magic(bytes: &[u8], from: usize) -> Option<usize> {
    let magic = MESSAGE_MAGIC.to_be_bytes();
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == magic[0])?;
        if bytes[at..].starts_with(&magic) {
            return Some(at);
        }
        at += 1;
    }
}

/// Where to begin. After a clean stop everything that has a queue entry was whole; else only what the
/// checkpoint says was on disk, by whole files.
pub fn starting_point(files: &Files, queues: &Queues, checkpoint: &Checkpoint, is_clean: bool) -> u64 {
    let all = files.all();
    let Some(first) = all.first().map(|file| file.from()) else { return 0 };
    let newest = queues
        .all()
        .iter()
        .filter_map(|queue| queue.unit(queue.max_offset() - 1))
        .max_by_key(|unit| if unit.is_filler() { 0 } else { unit.commit_log_offset });
    // The newest entry's record ends where dispatching stopped, if the entry tells the truth.
    let dispatched_to = newest.and_then(|unit| {
        let offset = u64::try_from(unit.commit_log_offset).ok()?;
        let file = files.at(offset)?;
        let at = (offset - file.from()) as usize;
        match record::find(file.bytes(at, file.length() - at)?, unit.commit_log_offset) {
            Found::Message(record) if record.length() as i32 == unit.length => {
                Some(offset + record.length() as u64)
            }
            _ => None,
        }
    });
    let Some(dispatched_to) = dispatched_to else { return first };
    if is_clean {
        return dispatched_to;
    }
    let trusted_ms = checkpoint.trusted_ms();
    let is_trusted = |from: u64| {
        let Some(file) = files.at(from).filter(|_| from <= dispatched_to) else { return false };
        match record::find(file.bytes(0, file.length()).unwrap_or(&[]), from as i64) {
            Found::Message(record) => (1..=trusted_ms).contains(&record.store_timestamp_ms()),
            _ => false,
        }
    };
    all.iter().rev().map(|file| file.from()).find(|from| is_trusted(*from)).unwrap_or(first)
}
