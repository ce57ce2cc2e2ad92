//! A data directory brought in order before it is used: the log's files, the log's end, the queues in line with it
//! (Java: `DefaultMessageStore.load`, `recover`). How a damaged log is read is `recover`'s.

use std::path::Path;
use std::time::Instant;

use super::checkpoint::Checkpoint;
use super::consume_queue::UNIT_BYTES;
use super::consume_queue_ext::{self, ExtPlan};
use super::dispatch::{Dispatcher, Targets};
use super::files::{self, Files};
use super::index::{Index, Shape};
use super::queues::Queues;
use super::{Error, mapped_file, recover};
use crate::config::store::MessageStoreConfig;

/// Opens the log's files; strict, because a file that is passed over is lost in silence.
pub fn open_log(folder: &Path, file_bytes: i32) -> Result<Files, Error> {
    const FILE_MIN_BYTES: usize = mapped_file::PAGE_BYTES;
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
        if found != file_bytes as u64 {
            return Err(Error::FileLength { path, found, expected: file_bytes });
        }
        if offsets.last().is_some_and(|last| last + file_bytes as u64 != offset) {
            return Err(Error::FileGap { path });
        }
        offsets.push(offset);
    }
    Files::open(folder.to_owned(), file_bytes, &offsets)
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

/// Opens the consume queues, and their ext files if the settings say so.
pub fn open_queues(config: &MessageStoreConfig) -> Result<Queues, Error> {
    let sized = |key, length: i32, least: usize| match usize::try_from(length) {
        Ok(length) if length >= least => Ok(length),
        _ => Err(Error::Config(format!("{key} is {length}: at least {least} bytes are needed"))),
    };
    let root = Path::new(&config.store_path_root_dir);
    let file_bytes = sized("mapedFileSizeConsumeQueue", config.maped_file_size_consume_queue, UNIT_BYTES)?;
    let ext = config.enable_consume_queue_ext.then(|| {
        let least = consume_queue_ext::UNIT_MIN_BYTES + consume_queue_ext::END_BYTES;
        let length = config.mapped_file_size_consume_queue_ext;
        let file_bytes = sized("mappedFileSizeConsumeQueueExt", length, least)?;
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
    is_clean: bool,
) -> Result<i64, Error> {
    let began = Instant::now();
    let queues = targets.queues;
    if files.count() == 0 {
        for queue in queues.all() {
            tracing::error!(topic = %queue.topic(), queue_id = queue.queue_id(),
                "consume queue without a commit log deleted");
            queue.delete()?;
        }
        if let Some(index) = targets.index {
            index.truncate(0)?;
        }
        return Ok(0);
    }
    let log_start = files.first().map_or(0, |file| file.from());
    let start = recover::starting_point(files, queues, checkpoint, is_clean);
    let indexed_to = targets.index.map(|index| u64::try_from(index.indexed_to()).unwrap_or(0).max(log_start));
    let start = start.min(indexed_to.unwrap_or(start));
    let mut dispatcher = Dispatcher::new(0);
    let found = recover::walk(files, queues, start, config.check_crc_on_recover, |record| {
        dispatcher.dispatch(record, &targets)
    })?;
    files.truncate(found.end)?;
    clear_behind(files, found.end)?;
    for queue in queues.all() {
        queue.truncate(found.end as i64)?;
        queue.correct_start(log_start as i64);
    }
    if let Some(index) = targets.index {
        index.truncate(found.end as i64)?;
    }
    let took_ms = began.elapsed().as_millis() as u64;
    tracing::info!(
        is_clean,
        from = start,
        to = found.end,
        records = found.records,
        damaged_bytes = found.damaged_bytes,
        took_ms,
        "commit log recovered"
    );
    Ok(found.end as i64)
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
