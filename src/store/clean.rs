//! What leaves the store: files of the commit log whose time is over or whose space is needed, what consume queues and
//! index keep of them, queues of deleted topics (Java: `DefaultMessageStore.CleanCommitLogService`,
//! `CleanConsumeQueueService`, `cleanUnusedTopic`, `cleanExpiredConsumerQueue`). Readers keep the files that they are at:
//! a deleted one goes when the last of them lets go.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::consume_queue::ConsumeQueue;
use super::dispatch::Dispatcher;
use super::{Error, MessageStore, is_topic};
use crate::protocol::topic::{RMQ_SYS_TRANS_HALF_TOPIC, RMQ_SYS_TRANS_OP_HALF_TOPIC, SCHEDULE_TOPIC};

/// Files of the log that one round deletes at most.
const DELETED_MAX: usize = 10;
const HOUR_MS: i64 = 3_600_000;

/// Why files of the log are deleted now.
#[derive(Debug, Clone, Copy)]
struct Reason {
    /// An hour of `deleteWhen`.
    is_time: bool,
    /// A disk is fuller than `diskMaxUsedSpaceRatio`.
    is_space: bool,
    /// One is so full that files go before their time.
    is_urgent: bool,
}

impl MessageStore {
    /// The body of the thread that cleans.
    pub(super) fn keep_clean(&self) {
        let interval =
            Duration::from_millis(u64::try_from(self.config.clean_resource_interval).unwrap_or(0).max(1));
        loop {
            self.clean();
            if self.pause(interval) {
                return;
            }
        }
    }

    /// Waits; whether the store stops.
    fn pause(&self, time: Duration) -> bool {
        let state = self.standby.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.standby.changed.wait_timeout_while(state, time, |state| !state.stop);
        waited.unwrap_or_else(PoisonError::into_inner).0.stop
    }

    /// One round: looks at the disks, and deletes what is to be deleted now.
    pub fn clean(&self) {
        let Reason { is_time, is_space, is_urgent } = self.look_at_disks();
        if is_time || is_space {
            tracing::info!(
                "begin to delete before {} hours file. timeup: {is_time} spacefull: {is_space} \
                 manualDeleteFileSeveralTimes: 0 cleanAtOnce: {is_urgent}",
                self.settings.file_reserved_time()
            );
            if self.delete_log_files(is_urgent) == 0 && is_space {
                tracing::warn!(
                    "disk space will be full soon, but delete file failed: no commit log file may be deleted yet"
                );
            }
        }
        let log_start = self.log.start();
        let cleaned_to = self.cleaned_to.load(Ordering::Relaxed);
        if log_start > cleaned_to && self.clean_behind(log_start) {
            self.cleaned_to.store(log_start, Ordering::Relaxed);
        }
    }

    /// Marks the store as full or not, and says why to delete.
    fn look_at_disks(&self) -> Reason {
        let settings = &self.settings;
        let ratio = |path: &Path| self.disk_ratio.of(path);
        let queues = self.queues.folder();
        let log = Path::new(&self.config.store_path_commit_log);
        let ratios = [("physic", log, ratio(log)), ("logics", queues, ratio(queues))];
        let is_over = |percent: i32| {
            let limit = f64::from(percent) / 100.0;
            ratios.iter().find(|(_, _, ratio)| *ratio > limit)
        };
        let limit = settings.disk_space_warning_level_ratio();
        let full = is_over(limit);
        self.set_trouble(|trouble| {
            match (&trouble.disk, full) {
                (None, Some((which, path, ratio))) => tracing::error!(
                    folder = %path.display(),
                    "{which} disk maybe full soon {ratio}, so mark disk full: no messages are taken until there is space; the \
                     limit is diskSpaceWarningLevelRatio"
                ),
                (Some(_), None) => {
                    let [(which, _, ratio), _] = ratios;
                    tracing::info!("{which} disk space OK {ratio}, so mark disk ok: messages are taken again");
                }
                _ => {}
            }
            trouble.disk = full.map(|(_, path, ratio)| {
                let (path, percent) = (path.display(), ratio * 100.0);
                format!(
                    "the disk of {path} is {percent:.0} % full; the limit is {limit} %, diskSpaceWarningLevelRatio; see \
                     fileReservedTime"
                )
            });
        });
        let unknown = ratios.iter().find(|(_, _, ratio)| *ratio < 0.0);
        let filling = unknown.or_else(|| is_over(settings.disk_max_used_space_ratio().clamp(10, 95)));
        if let Some((which, _, ratio)) = filling {
            tracing::info!("{which} disk maybe full soon, so reclaim space, {ratio}");
        }
        let is_time = is_hour_of(&settings.delete_when(), self.clock.now_ms());
        if is_time {
            tracing::info!("it's time to reclaim disk space, {}", settings.delete_when());
        }
        Reason {
            is_time,
            is_space: filling.is_some(),
            is_urgent: settings.clean_file_forcibly_enable()
                && is_over(settings.disk_space_clean_forcibly_ratio()).is_some(),
        }
    }

    /// Deletes the oldest files whose time is over, or even if it is not; gives how many.
    fn delete_log_files(&self, is_urgent: bool) -> usize {
        let reserved_ms = i64::from(self.settings.file_reserved_time()).saturating_mul(HOUR_MS);
        let pause = u64::try_from(self.settings.delete_commit_log_files_interval()).unwrap_or(0);
        let files = self.log.files();
        for deleted in 0..DELETED_MAX {
            let Some(first) = files.first().filter(|_| files.count() > 1) else { return deleted };
            let is_over = modified_ms(first.path())
                .is_some_and(|modified_ms| self.clock.now_ms() >= modified_ms.saturating_add(reserved_ms));
            if !is_over && !is_urgent {
                return deleted;
            }
            // Not before it is in the queues and on disk: what follows would be lost with it.
            let end = first.from() as i64 + first.length() as i64;
            if self.dispatched_to.load(Ordering::Acquire) < end || self.flushed_offset() < end {
                return deleted;
            }
            if let Err(error) = files.remove_first() {
                tracing::error!(%error, "expired commit log file not deleted; it is tried again");
                return deleted;
            }
            let (file, length) = (first.path().display(), first.length());
            tracing::info!(
                is_urgent,
                "delete file[REF:0] {file} OK, W:{length} M:{length}: expired commit log file {file} delete OK"
            );
            if self.pause(Duration::from_millis(pause)) {
                return deleted + 1;
            }
        }
        DELETED_MAX
    }

    /// Brings queues and index in line with a log that begins later now; whether that is done.
    fn clean_behind(&self, log_start: i64) -> bool {
        let pause = u64::try_from(self.settings.delete_consume_queue_files_interval()).unwrap_or(0);
        let mut is_done = true;
        let mut report = |result: Result<(), Error>| {
            if let Err(error) = result {
                tracing::error!(%error, "expired file not deleted; it is tried again");
                is_done = false;
            }
        };
        for queue in self.queues.all() {
            let files = queue.file_count();
            report(queue.delete_before(log_start));
            if queue.file_count() < files && self.pause(Duration::from_millis(pause)) {
                return false;
            }
        }
        if let Some(index) = &self.index {
            report(index.delete_before(log_start));
        }
        is_done
    }

    /// Deletes the queues all of whose messages have left the log (306). Their numbers begin anew, as in Java; the broker's
    /// own topics, which remember where they were, stay.
    pub fn clean_expired_queues(&self) -> Gone {
        let log_start = self.log.start();
        self.delete_queues(|queue| {
            !is_own(queue.topic()) && queue.max_offset() > 0 && queue.dispatched_to() <= log_start
        })
    }

    /// Deletes the queues of topics that are not `known` (316). The broker's own topics stay.
    pub fn clean_unused_topics(&self, known: impl Fn(&str) -> bool) -> Gone {
        self.delete_queues(|queue| !is_own(queue.topic()) && !known(queue.topic()))
    }

    /// Takes a topic's queues away and deletes their files. Messages stay in the log.
    pub fn delete_topic(&self, topic: &str) -> Gone {
        self.delete_queues(|queue| **queue.topic() == *topic)
    }

    fn delete_queues(&self, is_to_go: impl Fn(&ConsumeQueue) -> bool) -> Gone {
        self.with_dispatcher(|dispatcher| self.delete_queues_of(dispatcher, is_to_go))
    }

    fn delete_queues_of(
        &self,
        dispatcher: &mut Dispatcher,
        is_to_go: impl Fn(&ConsumeQueue) -> bool,
    ) -> Gone {
        // Under both locks: no message is appended or dispatched to a queue that goes away.
        let queues = self.log.while_locked(|| {
            let queues = self.queues.remove_if(is_to_go);
            queues.iter().for_each(|queue| queue.remove());
            dispatcher.queues_gone(&queues, self.log.end());
            queues
        });
        let mut gone = Gone::default();
        if queues.is_empty() {
            return gone;
        }
        // First, lest a kill in between have the queues made again.
        self.write_summary();
        for queue in &queues {
            tracing::info!(topic = %queue.topic(), queue_id = queue.queue_id(), "consume queue deleted");
            gone.queues.push((Arc::clone(queue.topic()), queue.queue_id()));
            if let Err(error) = queue.delete() {
                tracing::error!(topic = %queue.topic(), %error, "files of a deleted consume queue are left over");
                gone.error.get_or_insert(error);
            }
            // The topic's folders go with its last queue.
            if is_topic(queue.topic()) {
                for folder in ["consumequeue", "consumequeue_ext"] {
                    let root = Path::new(&self.config.store_path_root_dir);
                    let _ = std::fs::remove_dir(root.join(folder).join(&**queue.topic()));
                }
            }
        }
        gone
    }
}

/// Queues that were taken away.
#[derive(Debug, Default)]
pub struct Gone {
    /// Topics and queue ids: nobody finds these any more.
    pub queues: Vec<(Arc<str>, i32)>,
    /// Why some of their files are still there.
    pub error: Option<Error>,
}

/// Whether the broker itself reads a topic by numbers that it remembers.
fn is_own(topic: &str) -> bool {
    [SCHEDULE_TOPIC, RMQ_SYS_TRANS_HALF_TOPIC, RMQ_SYS_TRANS_OP_HALF_TOPIC].contains(&topic)
}

/// How full the file system of a path is; tests say so themselves.
#[derive(Clone, Default)]
pub struct DiskRatio(Option<Arc<Told>>);

type Told = dyn Fn(&Path) -> f64 + Send + Sync;

impl DiskRatio {
    /// Whatever a test says.
    pub fn told_by(ratio: impl Fn(&Path) -> f64 + Send + Sync + 'static) -> DiskRatio {
        DiskRatio(Some(Arc::new(ratio)))
    }

    /// The used part, from 0 to 1, of the disk where that folder is or will be; -1 where that cannot be told, as in Java,
    /// which cannot before the folder is there.
    pub fn of(&self, path: &Path) -> f64 {
        match &self.0 {
            Some(told) => told(path),
            None => match path.ancestors().find_map(|path| rustix::fs::statvfs(path).ok()) {
                Some(stat) if stat.f_blocks > 0 => 1.0 - stat.f_bfree as f64 / stat.f_blocks as f64,
                _ => -1.0,
            },
        }
    }
}

impl std::fmt::Debug for DiskRatio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DiskRatio")
    }
}

fn modified_ms(path: &Path) -> Option<i64> {
    let modified: SystemTime = std::fs::metadata(path).and_then(|meta| meta.modified()).ok()?;
    i64::try_from(modified.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// Whether a time lies in one of the hours, of the machine's time zone (Java: `UtilAll.isItTimeToDo`).
fn is_hour_of(hours: &str, now_ms: i64) -> bool {
    let Ok(now) = Timestamp::from_millisecond(now_ms) else { return false };
    let hour = now.to_zoned(TimeZone::system()).hour();
    hours.split(';').filter_map(|text| text.trim().parse::<i8>().ok()).any(|one| one == hour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_known_before_the_folder_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let ratio = DiskRatio::default().of(&folder.path().join("not/yet/there"));
        assert!(
            (0.0..=1.0).contains(&ratio)
                && ratio.to_bits() == DiskRatio::default().of(folder.path()).to_bits(),
            "{ratio}"
        );
    }

    #[test]
    fn hours_are_separated_by_semicolons() {
        let noon = jiff::civil::date(2026, 11, 23).at(12, 59, 0, 0).to_zoned(TimeZone::system()).unwrap();
        let check = |hours: &str, expected: bool| {
            assert_eq!(is_hour_of(hours, noon.timestamp().as_millisecond()), expected, "{hours}");
        };
        check("12", true);
        check("04;12", true);
        check("04; 12 ", true);
        check("04", false);
        check("", false);
        check("noon", false);
        check("012", true);
    }
}
