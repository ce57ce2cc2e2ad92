//! A data directory brought in order before it is used: the log's files, the log's end, the queues in line with it
//! (Java: `DefaultMessageStore.load`, `recover`). How a damaged log is read is `recover`'s.

use std::collections::HashSet;
use std::path::Path;
use std::time::Instant;

use super::checkpoint::Checkpoint;
use super::consume_queue::UNIT_BYTES;
use super::consume_queue_ext::{self, ExtPlan};
use super::delay::DelayLevels;
use super::dispatch::{Dispatcher, Targets};
use super::files::{self, Files};
use super::index::{Index, Shape};
use super::queues::Queues;
use super::recover::Walk;
use super::summary::{LastRun, Summary};
use super::{Error, mapped_file, record, recover};
use crate::config::store::MessageStoreConfig;

/// The least size of a commit log file.
const FILE_MIN_BYTES: usize = mapped_file::PAGE_BYTES;
/// The least size of a file of queue extensions.
const EXT_FILE_MIN_BYTES: usize = consume_queue_ext::UNIT_MIN_BYTES + consume_queue_ext::END_BYTES;

/// Settings that [`super::MessageStore::open`] would refuse, each with the reason. Touches no file.
pub fn problems(config: &MessageStoreConfig) -> Vec<(&'static str, String)> {
    let mut sizes = vec![
        ("mapedFileSizeCommitLog", config.maped_file_size_commit_log, FILE_MIN_BYTES),
        ("mapedFileSizeConsumeQueue", config.maped_file_size_consume_queue, UNIT_BYTES),
    ];
    if config.enable_consume_queue_ext {
        let size = config.mapped_file_size_consume_queue_ext;
        sizes.push(("mappedFileSizeConsumeQueueExt", size, EXT_FILE_MIN_BYTES));
    }
    if config.message_index_enable {
        sizes.push(("maxHashSlotNum", config.max_hash_slot_num, Shape::SLOTS_MIN));
        sizes.push(("maxIndexNum", config.max_index_num, Shape::ENTRIES_MIN));
    }
    let too_small = |(key, size, least): (&'static str, i32, usize)| {
        let fits = usize::try_from(size).is_ok_and(|size| size >= least);
        (!fits).then(|| (key, format!("at least {least} is needed")))
    };
    let mut problems: Vec<_> = sizes.into_iter().filter_map(too_small).collect();
    if let Err(reason) = DelayLevels::parse(&config.message_delay_level) {
        problems.push(("messageDelayLevel", reason));
    }
    problems
}

/// Opens the log's files. None is passed over: what does not fit is mended so that all messages there are can be read, or
/// refused where the settings are what is wrong.
pub fn open_log(folder: &Path, file_bytes: i32) -> Result<Files, Error> {
    let file_bytes = usize::try_from(file_bytes).unwrap_or(0);
    if file_bytes < FILE_MIN_BYTES {
        let text =
            format!("mapedFileSizeCommitLog is {file_bytes}: at least {FILE_MIN_BYTES} bytes are needed");
        return Err(Error::Config(text));
    }
    let listing = files::list(folder).map_err(|source| Error::Io {
        what: "read folder",
        path: folder.to_owned(),
        source,
    })?;
    for name in listing.foreign {
        tracing::warn!(folder = %folder.display(), name, "not a commit log file, left alone");
    }
    let mut offsets: Vec<u64> = Vec::new();
    for (offset, found) in listing.files {
        let path = folder.join(files::file_name(offset));
        let expected = offsets.last().map(|last| last + file_bytes as u64);
        // Files that stand too close or are too long are of another mapedFileSizeCommitLog, not damaged.
        let is_other = found > file_bytes as u64
            || expected.is_some_and(|at| offset < at || !(offset - at).is_multiple_of(file_bytes as u64));
        if is_other {
            return Err(Error::FileLength { path, found, expected: file_bytes });
        }
        if found < file_bytes as u64 {
            tracing::error!(target: "storeerror", file = %path.display(), found, expected = file_bytes,
                "commit log file is short: what it lost is lost, the rest is kept");
        }
        if let Some(at) = expected.filter(|at| *at < offset) {
            fill_gap(folder, file_bytes, at, offset)?;
            offsets.extend((at..offset).step_by(file_bytes));
        }
        offsets.push(offset);
    }
    Files::open(folder.to_owned(), file_bytes, &offsets)
}

/// Brings the names of the log's files to the disk: a broker that was killed may not have come to that, and what is
/// appended now goes with them.
pub fn sync_names(files: &Files) -> Result<(), Error> {
    if files.count() == 0 {
        return Ok(());
    }
    files.sync_folder().map_err(|source| Error::Io {
        what: "write to disk",
        path: files.folder().to_owned(),
        source,
    })
}

/// Puts files without messages in the place of missing ones, so that the log can be walked, by Java, too.
fn fill_gap(folder: &Path, file_bytes: usize, from: u64, to: u64) -> Result<(), Error> {
    const MISSING_MAX: u64 = 10_000;
    let first = folder.join(files::file_name(from));
    if (to - from) / file_bytes as u64 > MISSING_MAX {
        return Err(Error::FileGap { path: folder.join(files::file_name(to)) });
    }
    for offset in (from..to).step_by(file_bytes) {
        let path = folder.join(files::file_name(offset));
        let write = || {
            let file = std::fs::File::create_new(&path)?;
            file.set_len(file_bytes as u64)?;
            std::os::unix::fs::FileExt::write_all_at(&file, &record::blank(file_bytes), 0)?;
            file.sync_all()
        };
        write().map_err(|source| Error::Io { what: "create", path: path.clone(), source })?;
    }
    tracing::error!(target: "storeerror", first = %first.display(), files = (to - from) / file_bytes as u64,
        "commit log files are missing: their messages are lost, empty files stand in their place");
    Ok(())
}

/// Opens the index, where there is to be one.
pub fn open_index(
    config: &MessageStoreConfig,
    files: &Files,
    checkpoint: &Checkpoint,
    is_clean: bool,
) -> Result<Option<Index>, Error> {
    if !config.message_index_enable {
        return Ok(None);
    }
    let shape = Shape::of(config.max_hash_slot_num, config.max_index_num)?;
    let folder = Path::new(&config.store_path_root_dir).join("index");
    let log_end = files.last().map_or(0, |file| file.from() as i64 + file.length() as i64);
    Index::open(folder, shape, is_clean, checkpoint.complete(), log_end).map(Some)
}

/// What a start knows of the run before.
pub struct Before {
    pub last_run: LastRun,
    pub summary: Option<Summary>,
    /// Whatever is known, the whole log is to be walked.
    pub walks_all: bool,
}

impl Before {
    /// The summary, unless somebody else may have run since it was written: who may have deleted queues.
    fn trusted_summary(&self, queues: &Queues) -> Option<&Summary> {
        let dispatched_to = recover::dispatched_to(queues).unwrap_or(0) as i64;
        self.summary.as_ref().filter(|summary| match self.last_run {
            LastRun::Clean => dispatched_to <= summary.log_end,
            LastRun::OursKilled => true,
            LastRun::JavaKilled => false,
        })
    }
}

/// What was found in a directory.
#[derive(Debug, Clone, Copy)]
pub struct Opened {
    /// The log's end.
    pub end: i64,
    /// Bodies from here on were held against their CRC.
    pub verified_from: i64,
    /// The log is on disk up to here; what a killed broker wrote may not be.
    pub flushed_to: i64,
}

/// Java walks so many files after a clean stop.
const LAST_FILES: usize = 3;

/// Opens the consume queues, and their ext files if the settings say so.
pub fn open_queues(config: &MessageStoreConfig) -> Result<Queues, Error> {
    let sized = |key, length: i32, least: usize| match usize::try_from(length) {
        Ok(length) if length >= least => Ok(length),
        _ => Err(Error::Config(format!("{key} is {length}: at least {least} bytes are needed"))),
    };
    let root = Path::new(&config.store_path_root_dir);
    let file_bytes = sized("mapedFileSizeConsumeQueue", config.maped_file_size_consume_queue, UNIT_BYTES)?;
    let ext = config.enable_consume_queue_ext.then(|| {
        let length = config.mapped_file_size_consume_queue_ext;
        let file_bytes = sized("mappedFileSizeConsumeQueueExt", length, EXT_FILE_MIN_BYTES)?;
        Ok::<_, Error>(ExtPlan { folder: root.join("consumequeue_ext"), file_bytes })
    });
    Queues::open(root.join("consumequeue"), file_bytes, ext.transpose()?)
}

/// Finds the log's end, gives missing entries, cuts what is not there.
pub fn recover_log(
    config: &MessageStoreConfig,
    files: &Files,
    checkpoint: &Checkpoint,
    targets: Targets<'_>,
    before: &Before,
    progress: &dyn Fn(u64, u64),
) -> Result<Opened, Error> {
    let began = Instant::now();
    let queues = targets.queues;
    let Some(log_start) = files.first().map(|file| file.from()) else {
        for queue in queues.all() {
            tracing::error!(target: "storeerror", topic = %queue.topic(), queue_id = queue.queue_id(),
                "consume queue without a commit log deleted");
            queue.delete()?;
        }
        queues.clear();
        if let Some(index) = targets.index {
            index.truncate(0)?;
        }
        return Ok(Opened { end: 0, verified_from: 0, flushed_to: 0 });
    };
    for queue in queues.all() {
        let (topic, queue_id) = (queue.topic(), queue.queue_id());
        queue.agree_with_log(|offset, unit| recover::prove(files, topic, queue_id, offset, unit))?;
    }
    let summary = before.trusted_summary(queues);
    let walk = where_to_begin(config, files, checkpoint, &targets, before, log_start)?;
    let mut dispatcher = Dispatcher::new(0);
    let mut met = HashSet::new();
    let mut walked = recover::walk(files, walk, progress, |record| {
        if summary.is_some_and(|summary| summary.was_deleted(record, queues)) {
            return dispatcher.index(record, &targets);
        }
        // There is more to be made again than was thought.
        if queues.has_gap_before(record, &mut met)? && walk.start > log_start {
            return Err(Error::QueueGap);
        }
        dispatcher.dispatch(record, &targets)
    });
    if matches!(walked, Err(Error::QueueGap)) {
        tracing::error!(target: "storeerror", "consume queues lack older entries, which are made again from the whole commit log");
        let whole = Walk { start: log_start, ..walk };
        // Queues that were emptied above are not emptied again by a record whose number is damaged.
        let mut met = met;
        walked = recover::walk(files, whole, progress, |record| {
            if summary.is_some_and(|summary| summary.was_deleted(record, queues)) {
                return dispatcher.index(record, &targets);
            }
            queues.has_gap_before(record, &mut met)?;
            dispatcher.dispatch(record, &targets)
        });
    }
    let found = walked?;
    if let Some(file) = files.at(found.end).or_else(|| files.last()) {
        tracing::info!("recover physics file end, {}", file.path().display());
    }
    files.truncate(found.end)?;
    clear_behind(files, found.end)?;
    for queue in queues.all() {
        queue.truncate(found.end as i64)?;
        queue.correct_start(log_start as i64);
        queue.set_opened();
    }
    if let Some(index) = targets.index {
        index.truncate(found.end as i64)?;
    }
    let took_ms = began.elapsed().as_millis() as u64;
    tracing::info!(
        last_run = ?before.last_run,
        from = walk.start,
        to = found.end,
        records = found.records,
        damaged_bytes = found.damaged_bytes,
        took_ms,
        "commit log recovered"
    );
    // Entries of damaged records stay, lest their numbers be given to others: all are looked at when they are read.
    let verified_from = if found.damaged_bytes > 0 { found.end } else { walk.check_crc_from.min(found.end) };
    let is_clean = before.last_run == LastRun::Clean;
    let flushed_to = if is_clean { found.end } else { walk.start.min(found.end) };
    Ok(Opened { end: found.end as i64, verified_from: verified_from as i64, flushed_to: flushed_to as i64 })
}

/// Where the walk over the log begins.
fn where_to_begin(
    config: &MessageStoreConfig,
    files: &Files,
    checkpoint: &Checkpoint,
    targets: &Targets<'_>,
    before: &Before,
    log_start: u64,
) -> Result<Walk, Error> {
    let newest = recover::dispatched_to(targets.queues);
    let dispatched_to = newest.unwrap_or(log_start);
    let is_clean = before.last_run == LastRun::Clean;
    let never = u64::MAX;
    let mut walk = match before.last_run {
        _ if newest.is_none() || before.walks_all => Walk { start: log_start, check_crc_from: log_start },
        LastRun::Clean => Walk { start: dispatched_to, check_crc_from: dispatched_to },
        _ => {
            let trusted_ms = checkpoint.trusted_ms();
            let from = recover::untrusted_from(files, dispatched_to, trusted_ms);
            Walk { start: from, check_crc_from: from }
        }
    };
    match before.trusted_summary(targets.queues) {
        Some(summary) if summary.is_missing_in(targets.queues, log_start as i64)? => walk.start = log_start,
        None if is_clean => {
            let all = files.all();
            let from = all[all.len().saturating_sub(LAST_FILES)].from();
            walk.start = walk.start.min(from);
        }
        _ => {}
    }
    if let Some(index) = targets.index {
        let resume_at = u64::try_from(index.resume_at()).unwrap_or(0).max(log_start);
        if resume_at < walk.start {
            // What the index says of the log may be damaged: a walk from the middle of a record would cut it.
            let is_record = recover::is_record(files, resume_at);
            walk.start = if is_record { resume_at } else { log_start };
        }
    }
    if !config.check_crc_on_recover {
        walk.check_crc_from = never;
    }
    Ok(walk)
}

/// Zeros what an old log may have left right behind the end, lest it look like a record after the next stop.
fn clear_behind(files: &Files, end: u64) -> Result<(), Error> {
    let Some(file) = files.last().filter(|file| file.from() + file.published() as u64 == end) else {
        return Ok(());
    };
    let at = file.published();
    let count = mapped_file::PAGE_BYTES.min(file.length() - at);
    if count == 0 || file.next_data(at) >= at + count {
        return Ok(());
    }
    let path = file.path().to_owned();
    file.reserve(at + count).map_err(|source| Error::Io { what: "allocate space in", path, source })?;
    file.write(at, &vec![0; count]);
    Ok(())
}
