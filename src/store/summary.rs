//! How far each consume queue reached when that was last written down: a file of ours in the data directory, unknown to
//! Java, by which a start notices queues that have been lost or cut. Without it nothing is lost but that notice.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::queues::Queues;
use super::record::Record;
use super::{Error, files};
use crate::config::file::{self, FileError};

/// Who ran on the directory last, and how that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastRun {
    /// Nobody, or somebody who shut down.
    Clean,
    /// A broker of ours that was killed.
    OursKilled,
    /// A Java broker that was killed.
    JavaKilled,
}

/// What our `abort` file says; Java's is empty.
const ABORT_TEXT: &str = "a broker runs here, or was killed: the next start recovers\n";

impl LastRun {
    /// By the `abort` file.
    pub fn of(abort: &Path) -> LastRun {
        match std::fs::metadata(abort) {
            Ok(meta) if meta.len() > 0 => LastRun::OursKilled,
            Ok(_) => LastRun::JavaKilled,
            Err(_) => LastRun::Clean,
        }
    }

    /// Says that a broker of ours runs, on the disk, too: after a power cut its absence would vouch for the queues.
    pub fn begin(abort: &Path) -> std::io::Result<()> {
        let mut file = std::fs::File::create(abort)?;
        file.write_all(ABORT_TEXT.as_bytes())?;
        file.sync_all()?;
        abort.parent().map_or(Ok(()), files::sync_folder)
    }
}

/// The file's content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Where the commit log began.
    pub log_start: i64,
    /// Where it ended.
    pub log_end: i64,
    /// By topic and queue id: the number of the first entry and the one behind the last.
    pub queues: BTreeMap<String, BTreeMap<i32, (i64, i64)>>,
}

impl Summary {
    fn path(root: &Path) -> PathBuf {
        root.join("queues.json")
    }

    /// As the queues are now.
    pub fn of(log_start: i64, log_end: i64, queues: &Queues) -> Summary {
        let mut summary = Summary { log_start, log_end, queues: BTreeMap::new() };
        for queue in queues.all() {
            let of_topic = summary.queues.entry(queue.topic().to_string()).or_default();
            of_topic.insert(queue.queue_id(), (queue.min_offset(), queue.max_offset()));
        }
        summary
    }

    /// Reads the file of a data directory; one that is missing or damaged is none.
    pub fn load(root: &Path) -> Option<Summary> {
        let text = std::fs::read(Summary::path(root)).ok()?;
        serde_json::from_slice(&text)
            .inspect_err(|error| tracing::warn!(%error, "queues.json is damaged and is passed over"))
            .ok()
    }

    /// Replaces the file.
    pub fn write(&self, root: &Path) -> Result<(), FileError> {
        let text = serde_json::to_vec(self).expect("a summary is of text, numbers and maps");
        file::replace_without_copy(&Summary::path(root), &text)
    }

    /// Whether a record's queue was deleted: it is not there, and was not there any more when this was written.
    pub fn was_deleted(&self, record: &Record<'_>, queues: &Queues) -> bool {
        self.lacks_queue_of(record)
            && record.topic().is_some_and(|topic| queues.get(topic, record.queue_id()).is_none())
    }

    /// Whether a record's queue was not there any more when this was written.
    pub fn lacks_queue_of(&self, record: &Record<'_>) -> bool {
        let Some(topic) = record.topic() else { return false };
        record.commit_log_offset() < self.log_end
            && !self.queues.get(topic).is_some_and(|of_topic| of_topic.contains_key(&record.queue_id()))
    }

    /// Whether queues lack entries that they had. One that lacks its first ones is emptied: all are made again.
    pub fn is_missing_in(&self, queues: &Queues, log_start: i64) -> Result<bool, Error> {
        let mut is_missing = false;
        for (topic, of_topic) in &self.queues {
            for (queue_id, (min_offset, max_offset)) in of_topic {
                let queue = queues.get(topic, *queue_id);
                let found = queue.as_ref().map_or((0, 0), |queue| (queue.first_offset(), queue.max_offset()));
                // With the start of the log, that of a queue may have gone.
                let lacks_first = found.0 > *min_offset && log_start == self.log_start;
                if found.1 >= *max_offset && !lacks_first {
                    continue;
                }
                tracing::error!(target: "storeerror", topic, queue_id, ?found, expected = ?(min_offset, max_offset),
                    "consume queue is not as long as it was and is made again from the commit log");
                is_missing = true;
                if let Some(queue) = queue.filter(|_| lacks_first) {
                    queue.empty()?;
                }
            }
        }
        Ok(is_missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_run_is_told_by_its_abort_file() {
        let folder = tempfile::tempdir().unwrap();
        let abort = folder.path().join("abort");
        assert_eq!(LastRun::of(&abort), LastRun::Clean);
        LastRun::begin(&abort).unwrap();
        assert_eq!(LastRun::of(&abort), LastRun::OursKilled);
        std::fs::write(&abort, []).unwrap();
        assert_eq!(LastRun::of(&abort), LastRun::JavaKilled);
    }

    #[test]
    fn a_summary_is_kept_and_a_damaged_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Summary::load(folder.path()), None);
        let of_topic = BTreeMap::from([(3, (2, 17))]);
        let summary =
            Summary { log_start: 0, log_end: 5, queues: BTreeMap::from([("T".to_owned(), of_topic)]) };
        summary.write(folder.path()).unwrap();
        assert_eq!(Summary::load(folder.path()), Some(summary.clone()));
        let queues = Queues::open(folder.path().join("consumequeue"), 2000, None).unwrap();
        assert!(summary.is_missing_in(&queues, 0).unwrap());
        std::fs::write(Summary::path(folder.path()), "{").unwrap();
        assert_eq!(Summary::load(folder.path()), None);
    }
}
