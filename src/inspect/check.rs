//! Everything in a directory held against everything else. Records prove themselves; queues and index must lead to them.

use std::collections::HashMap;

use super::deleted::Deleted;
use super::index::{IndexFile, index_files};
use super::log::{Log, Place};
use super::queues::{Queue, queues};
use super::{Directory, Error, Report, tables};
use crate::protocol::message::{self, SYS_FLAG_TRANSACTION_COMMIT, SYS_FLAG_TRANSACTION_MASK};
use crate::protocol::topic::{self, SCHEDULE_TOPIC};
use crate::store::consume_queue_ext::is_address;
use crate::store::index::keys;
use crate::store::record::Record;

/// Progress is told of after so many bytes.
const PROGRESS_BYTES: u64 = 16 * 1024 * 1024;

/// Checks a directory. `slots` is `maxHashSlotNum`; `progress` hears of bytes of the log done and in all.
pub fn check(
    directory: &Directory,
    slots: usize,
    now_ms: i64,
    progress: &dyn Fn(u64, u64),
) -> Result<Report, Error> {
    let mut report = Report::default();
    if directory.root.join("abort").exists() {
        report
            .notes
            .push("there is an abort file: the last broker was killed, and the next recovers".to_owned());
    }
    let log = Log::open(directory)?;
    let queues = queues(directory)?;
    let index = index_files(directory, slots)?;
    let deleted = Deleted::new(directory, &log);
    let mut walk = Walk::new(&log, &queues, &index, deleted, &mut report);
    walk.files();
    walk.records(progress);
    walk.surplus_units();
    walk.index_files();
    let notes = walk.deleted.notes();
    report.notes.extend(notes);
    tables::check_checkpoint(directory, now_ms, &mut report);
    tables::check_tables(directory, &mut report);
    Ok(report)
}

struct Walk<'a> {
    log: &'a Log,
    queues: &'a [Queue],
    index: &'a [IndexFile],
    report: &'a mut Report,
    by_name: HashMap<(&'a str, i32), usize>,
    /// The queue offset that a queue's next record must have.
    expected: HashMap<(String, i32), i64>,
    deleted: Deleted<'a>,
    /// Where the log ends.
    end: u64,
    /// Keys of the records that each index file covers, by file.
    keys: Vec<u64>,
}

impl<'a> Walk<'a> {
    fn new(
        log: &'a Log,
        queues: &'a [Queue],
        index: &'a [IndexFile],
        deleted: Deleted<'a>,
        report: &'a mut Report,
    ) -> Walk<'a> {
        let names = queues.iter().enumerate();
        Walk {
            log,
            queues,
            index,
            report,
            by_name: names.map(|(at, queue)| ((&*queue.topic, queue.queue_id), at)).collect(),
            expected: HashMap::new(),
            deleted,
            end: 0,
            keys: vec![0; index.len()],
        }
    }

    /// Lengths and gaps.
    fn files(&mut self) {
        for name in &self.log.foreign {
            self.report.notes.push(format!("commitlog/{name} is no file of the log"));
        }
        let mut expected = None;
        for (path, from, length) in self.log.files() {
            self.report.commit_log.files += 1;
            self.report.commit_log.bytes += length;
            if length != self.log.file_bytes {
                let text = format!("{length} bytes instead of {}", self.log.file_bytes);
                self.report.find("short file", path, length, text);
            }
            if let Some(expected) = expected.filter(|expected| *expected != from) {
                let text = format!("the file before it should be followed by {expected:020}");
                self.report.find("missing file", path, 0, text);
            }
            expected = Some(from + self.log.file_bytes);
        }
        for queue in self.queues {
            let (files, bytes) = queue.size();
            self.report.consume_queues.files += files;
            self.report.consume_queues.bytes += bytes;
            for (from, length) in queue.short_files() {
                let path = queue.folder.join(crate::store::files::file_name(from));
                self.report.find(
                    "short file",
                    &path,
                    length,
                    format!("{length} bytes, less than the others"),
                );
            }
        }
    }

    /// Walks the log and holds each record against its queue.
    fn records(&mut self, progress: &dyn Fn(u64, u64)) {
        let log = self.log;
        let (start, all) = (log.start(), log.end_of_files() - log.start());
        let (mut at, mut told) = (start, start);
        loop {
            if at >= told {
                told = at + PROGRESS_BYTES;
                progress(at - start, all);
            }
            match log.place(at) {
                Place::Record(record) => {
                    self.report.commit_log.items += 1;
                    self.record(at, &record);
                    at += record.length() as u64;
                }
                Place::Blank => at = log.next_file(at),
                Place::Damage { to } => {
                    self.report.commit_log.damaged += 1;
                    let (path, byte) = log.locate(at);
                    self.report.find("damaged log", &path, byte, format!("{} bytes hold no record", to - at));
                    at = to;
                }
                Place::End => break,
            }
        }
        self.end = at;
        let leftover = log.leftover(at);
        if leftover > 0 {
            let (path, byte) = log.locate(at);
            let text = format!(
                "{leftover} bytes behind the last record are not zero: a message that was cut off, or older ones"
            );
            self.report.find("torn end", &path, byte, text);
        }
        progress(all, all);
    }

    fn record(&mut self, at: u64, record: &Record<'_>) {
        let (path, byte) = self.log.locate(at);
        if !record.crc_is_right() {
            self.report.commit_log.damaged += 1;
            self.report.find("wrong CRC", &path, byte, describe(record));
        }
        let transaction = record.sys_flag() & SYS_FLAG_TRANSACTION_MASK;
        let is_queued = transaction == 0 || transaction == SYS_FLAG_TRANSACTION_COMMIT;
        let Some(topic) = record.topic().filter(|name| topic::check_topic(name).is_ok()) else {
            let text = format!("{:?} is no topic's name: no queue has the message", record.topic());
            self.report.find("illegal topic", &path, byte, text);
            return;
        };
        self.count_keys(at, record);
        if !is_queued {
            return;
        }
        let (queue_id, offset) = (record.queue_id(), record.queue_offset());
        let expected = self.expected.insert((topic.to_owned(), queue_id), offset + 1);
        if let Some(expected) = expected.filter(|expected| *expected != offset && offset != 0) {
            let text = format!("{}: the one before has {}", describe(record), expected - 1);
            self.report.find("queue offset jumps", &path, byte, text);
        }
        self.unit_of(at, record, topic);
    }

    /// The entry that leads to a record.
    fn unit_of(&mut self, at: u64, record: &Record<'_>, topic: &str) {
        let queue = self.by_name.get(&(topic, record.queue_id())).map(|at| &self.queues[*at]);
        if self.deleted.has(at, record, topic, queue) {
            return;
        }
        let offset = record.queue_offset();
        let Some(unit) = queue.and_then(|queue| queue.unit(offset)) else {
            let (path, byte) = self.log.locate(at);
            self.report.find(
                "entry missing",
                &path,
                byte,
                format!("{} has no queue entry", describe(record)),
            );
            return;
        };
        let Some(queue) = queue else { return };
        self.report.consume_queues.items += 1;
        let (path, byte) = queue.locate(offset);
        if (unit.commit_log_offset, unit.length) != (at as i64, record.length() as i32) {
            self.report.consume_queues.damaged += 1;
            let text = format!(
                "entry {offset} leads to {} ({} bytes), its message stands at {at} ({} bytes)",
                unit.commit_log_offset,
                unit.length,
                record.length()
            );
            self.report.find("wrong entry", &path, byte, text);
        } else if !is_address(unit.tags_code) && topic != SCHEDULE_TOPIC {
            let tags = message::property(record.properties(), message::PROPERTY_TAGS);
            let expected = tags.map_or(0, |tags| compat::hash::java_string_hash(tags).into());
            if unit.tags_code != expected {
                self.report.consume_queues.damaged += 1;
                let text = format!("entry {offset} has tags code {}, not {expected}", unit.tags_code);
                self.report.find("wrong tags code", &path, byte + 12, text);
            }
        }
    }

    /// Entries that lead to no record.
    fn surplus_units(&mut self) {
        for queue in self.queues {
            for offset in queue.first_offset()..queue.max_offset() {
                let Some(unit) = queue.unit(offset) else {
                    let (path, byte) = queue.locate(offset);
                    self.report.consume_queues.damaged += 1;
                    self.report.find(
                        "wrong entry",
                        &path,
                        byte,
                        format!("entry {offset} is none, others follow"),
                    );
                    continue;
                };
                let at = unit.commit_log_offset as u64;
                if unit.is_filler() || at < self.log.start() {
                    continue;
                }
                let is_its = self.log.record_at(at).is_some_and(|record| queue.is_message(offset, &record));
                // The record may be there and the entry wrong: that was said when its record was met.
                if !is_its {
                    let (path, byte) = queue.locate(offset);
                    self.report.consume_queues.damaged += 1;
                    let text = format!("entry {offset} leads to {at}, where its message does not stand");
                    self.report.find("entry without message", &path, byte, text);
                }
            }
        }
    }

    fn count_keys(&mut self, at: u64, record: &Record<'_>) {
        if record.sys_flag() & SYS_FLAG_TRANSACTION_MASK == message::SYS_FLAG_TRANSACTION_ROLLBACK {
            return;
        }
        let covers = |file: &IndexFile| {
            let (first, last) = file.offsets();
            file.next_entry() > 1 && (first..=last).contains(&(at as i64))
        };
        if let Some(file) = self.index.iter().position(covers) {
            self.keys[file] += keys(record.properties()).count() as u64;
        }
    }

    fn index_files(&mut self) {
        if self.index.is_empty() {
            self.report.notes.push("there is no index: messages cannot be found by their keys".to_owned());
        }
        for (number, file) in self.index.iter().enumerate() {
            self.report.index.files += 1;
            self.report.index.bytes += file.length();
            let next = file.next_entry() as usize;
            if next > file.room() {
                self.report.index.damaged += 1;
                let text = format!("{} entries, room for {}", next - 1, file.room());
                self.report.find("index file", &file.path, 36, text);
                continue;
            }
            let entries = self.index_entries(file, next);
            // Of a record at a file's edge some keys stand in the next one.
            let borders = 2 * self.index.len() as u64 * 64;
            let expected = self.keys[number];
            if entries + borders < expected {
                let text = format!("{entries} entries for {expected} keys: messages are not found by them");
                self.report.find("keys missing", &file.path, 36, text);
            }
        }
    }

    /// Checks the entries of a file; gives how many lead to records that are there.
    fn index_entries(&mut self, file: &IndexFile, next: usize) -> u64 {
        let mut newest = vec![0_i32; file.slots()];
        let (begin_ms, _) = file.times_ms();
        let mut sound = 0;
        for number in 1..next {
            let entry = file.entry(number);
            self.report.index.items += 1;
            let slot = usize::try_from(entry.hash).unwrap_or(0) % file.slots().max(1);
            let problem = if entry.hash < 0 {
                Some("its hash is negative".to_owned())
            } else if entry.previous != newest[slot] {
                Some(format!("the slot's entry before is {}, not {}", newest[slot], entry.previous))
            } else {
                self.entry_problem(&entry, begin_ms)
            };
            newest[slot] = number as i32;
            match problem {
                None => sound += 1,
                Some(problem) => {
                    self.report.index.damaged += 1;
                    let text = format!("entry {number}: {problem}");
                    self.report.find("index entry", &file.path, file.entry_at(number), text);
                }
            }
        }
        for (slot, newest) in newest.iter().enumerate().filter(|(slot, newest)| file.slot(*slot) != **newest)
        {
            self.report.index.damaged += 1;
            let text = format!("slot {slot} leads to {}, its newest entry is {newest}", file.slot(slot));
            self.report.find("index slot", &file.path, 40 + 4 * slot as u64, text);
        }
        sound
    }

    fn entry_problem(&self, entry: &super::IndexEntry, begin_ms: i64) -> Option<String> {
        let at = u64::try_from(entry.commit_log_offset).ok();
        if at.is_some_and(|at| at < self.log.start()) {
            return None;
        }
        let Some(record) = at.and_then(|at| self.log.record_at(at)) else {
            return Some(format!("there is no message at {}", entry.commit_log_offset));
        };
        let topic = record.topic().unwrap_or("");
        let mut hashes = keys(record.properties()).map(|key| compat::hash::index_key_hash(topic, key));
        if !hashes.any(|hash| hash == entry.hash) {
            return Some(format!("{} has no such key", describe(&record)));
        }
        // Java takes the first entry's time against the end of the file before.
        let seconds = (record.store_timestamp_ms() - begin_ms).max(0) / 1000;
        (seconds != i64::from(entry.seconds) && entry.previous != 0)
            .then(|| format!("{} s after the first, not {seconds}", entry.seconds))
    }
}

fn describe(record: &Record<'_>) -> String {
    let topic = record.topic().unwrap_or("?");
    format!("message {} of {topic} queue {}", record.queue_offset(), record.queue_id())
}
