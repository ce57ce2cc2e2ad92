//! Finds where the commit log ends after a stop, clean or not, and makes the consume queues agree with it (Java:
//! `CommitLog.recoverNormally`, `recoverAbnormally`, `DefaultMessageStore.recover`).
//!
//! A record counts if it proves itself: magic, lengths that agree, its own place, the CRC of its body. Behind
//! damage the next such record is looked for, so that damage costs itself alone; only a tail with nothing
//! valid behind it is cut off. Entries missing in the queues are made on the way, with or without an `abort`
//! file.

use super::Error;
use super::consume_queue::{Proof, Unit};
use super::files::Files;
use super::queues::Queues;
use super::record::{self, Found, MESSAGE_MAGIC, Record};

/// A record behind damage must be as young as the one before it, but for so much: batches take their time
/// before the append lock. What is older stood there before the log was cut and written again.
const CLOCK_MARGIN_MS: i64 = 1000;

/// Progress is told of after so many bytes.
const PROGRESS_BYTES: u64 = 16 * 1024 * 1024;

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

/// Where a walk begins, and what it takes for granted.
#[derive(Debug, Clone, Copy)]
pub struct Walk {
    pub start: u64,
    /// From here on bodies must have the CRC that their records state.
    pub check_crc_from: u64,
}

/// Walks the log from a place on, hands each record to `dispatch`, and gives the log's end. `progress` hears of bytes
/// done and in all.
pub fn walk(
    files: &Files,
    from: Walk,
    progress: &dyn Fn(u64, u64),
    mut dispatch: impl FnMut(&Record<'_>) -> Result<(), Error>,
) -> Result<Recovered, Error> {
    let Walk { start, check_crc_from } = from;
    let last = files.last().map_or(start, |file| file.from() + file.length() as u64);
    let mut told = start;
    let mut torn_at = None;
    let mut found = Recovered { end: start, records: 0, damaged_bytes: 0, store_timestamp_ms: 0 };
    let mut announced = None;
    while let Some(file) = files.at(found.end) {
        if announced != Some(file.from()) {
            announced = Some(file.from());
            tracing::info!(file = %file.path().display(), "recovering commit log file");
        }
        if found.end >= told {
            told = found.end + PROGRESS_BYTES;
            progress(found.end - start, last - start);
        }
        let at = (found.end - file.from()) as usize;
        let bytes = file.bytes(at, file.length() - at).unwrap_or(&[]);
        match record::find(bytes, found.end as i64) {
            Found::Message(record) if found.end < check_crc_from || record.crc_is_right() => {
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
                tracing::error!(target: "storeerror", from, to = next, "commit log is damaged here; the messages behind are kept");
                found.damaged_bytes += (next - from) as u64;
                found.end = next as u64;
            }
        }
    }
    progress(last - start, last - start);
    Ok(found)
}

/// Whether the last bytes of a record may not have reached the disk: its properties end in zeros, which no CRC
/// covers. Asked of the log's last record only; no message is stored with properties that end so.
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
            if data > at {
                at = data;
                continue;
            }
            let bytes = file.bytes(0, published).unwrap_or(&[]);
            let until = published.min(at + LOOK_BYTES);
            let Some(found) = find_magic(&bytes[..published.min(until + 8)], at + 4) else {
                at = until;
                continue;
            };
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

/// Between two looks for holes.
const LOOK_BYTES: usize = 1024 * 1024;

/// The next place of the message magic. Long runs of zeros cost little: behind a log's end there are many.
fn find_magic(bytes: &[u8], from: usize) -> Option<usize> {
    const RUN_BYTES: usize = 256;
    let magic = MESSAGE_MAGIC.to_be_bytes();
    let mut at = from;
    loop {
        // All of a run looked at at once, which the compiler does in wide steps.
        while bytes.get(at..at + RUN_BYTES).is_some_and(|run| run.iter().fold(0, |all, byte| all | byte) == 0)
        {
            at += RUN_BYTES;
        }
        let run = bytes.get(at..)?;
        let run = &run[..run.len().min(RUN_BYTES)];
        if run.is_empty() {
            return None;
        }
        match run.iter().position(|byte| *byte == magic[0]) {
            Some(found) if bytes[at + found..].starts_with(&magic) => return Some(at + found),
            Some(found) => at += found + 1,
            None => at += run.len(),
        }
    }
}

/// Whether a record begins at a place.
pub fn is_record(files: &Files, offset: u64) -> bool {
    files.at(offset).is_some_and(|file| {
        let at = (offset - file.from()) as usize;
        let bytes = file.bytes(at, file.length() - at).unwrap_or(&[]);
        !matches!(record::find(bytes, offset as i64), Found::Nothing)
    })
}

/// What the log says of a queue's entry.
pub fn prove(files: &Files, topic: &str, queue_id: i32, queue_offset: i64, unit: &Unit) -> Proof {
    if unit.is_filler() {
        return Proof::Unknown;
    }
    let Some(file) = u64::try_from(unit.commit_log_offset).ok().and_then(|offset| files.at(offset)) else {
        return Proof::Wrong;
    };
    let at = (unit.commit_log_offset - file.from() as i64) as usize;
    match record::find(file.bytes(at, file.length() - at).unwrap_or(&[]), unit.commit_log_offset) {
        Found::Message(record) => {
            let is_it = record.length() as i32 == unit.length
                && record.topic() == Some(topic)
                && (record.queue_id(), record.queue_offset()) == (queue_id, queue_offset);
            match is_it {
                // The last one of all may be cut off: the walk looks at it.
                true if is_torn(&record) => Proof::Unknown,
                true => Proof::Right,
                false => Proof::Wrong,
            }
        }
        Found::Blank => Proof::Wrong,
        Found::Nothing => Proof::Unknown,
    }
}

/// Where the record ends that was the last of all to get its entry: after a clean stop everything before it has one.
/// `None` where no entry can be proved.
pub fn dispatched_to(queues: &Queues) -> Option<u64> {
    let newest = queues.all().iter().map(|queue| queue.dispatched_to()).max()?;
    u64::try_from(newest).ok().filter(|newest| *newest > 0)
}

/// Where the log is not known to be on disk with its entries, by whole files: the newest file whose first record the
/// checkpoint vouches for.
pub fn untrusted_from(files: &Files, dispatched_to: u64, trusted_ms: i64) -> u64 {
    let all = files.all();
    let Some(first) = all.first().map(|file| file.from()) else { return 0 };
    let is_trusted = |from: u64| {
        let Some(file) = files.at(from).filter(|_| from <= dispatched_to) else { return false };
        match record::find(file.bytes(0, file.length()).unwrap_or(&[]), from as i64) {
            Found::Message(record) => (1..=trusted_ms).contains(&record.store_timestamp_ms()),
            _ => false,
        }
    };
    all.iter().rev().map(|file| file.from()).find(|from| is_trusted(*from)).unwrap_or(first)
}
