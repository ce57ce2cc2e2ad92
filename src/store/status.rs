//! How the store is: whether it takes messages, and if not why; how full its disks are (Java: `RunningFlags`,
//! `DefaultMessageStore.getRuntimeInfo`).

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{MutexGuard, PoisonError};

use super::{Error, MessageStore};

/// What keeps the store from taking messages.
#[derive(Debug, Default)]
pub struct Trouble {
    /// The disk did not take what was written: nothing more is promised until a restart.
    pub flush: Option<String>,
    /// Entries cannot be written just now.
    pub dispatch: Option<String>,
    /// A disk is so full that no more is to be written.
    pub disk: Option<String>,
}

impl Trouble {
    fn reason(&self) -> Option<&String> {
        self.flush.as_ref().or(self.dispatch.as_ref()).or(self.disk.as_ref())
    }
}

/// Damage that was met while reading. A consumer may meet the same again and again: most of it is only counted.
#[derive(Debug, Default)]
pub struct Damage {
    met: AtomicU64,
}

impl Damage {
    const LOGGED: u64 = 100;
    const THEN_EVERY: u64 = 10_000;

    /// An entry's message is not what it was.
    pub fn report(&self, topic: &str, queue_id: i32, queue_offset: i64, commit_log_offset: i64) {
        let met = self.met.fetch_add(1, Ordering::Relaxed);
        if met < Damage::LOGGED || met.is_multiple_of(Damage::THEN_EVERY) {
            tracing::error!(
                target: "storeerror",
                topic,
                queue_id,
                queue_offset,
                commit_log_offset,
                met,
                "message is damaged and is passed over; `rocketmq store check` tells more"
            );
        }
    }
}

/// Messages that the log had no room for. Senders try again and again: one line in a while stands for all. It keeps nobody
/// from trying: a shorter message may find room.
#[derive(Debug, Default)]
pub struct NoRoom {
    is_so: AtomicBool,
    refused: AtomicU64,
    reported_at_ms: AtomicI64,
}

impl NoRoom {
    const LOG_INTERVAL_MS: i64 = 10_000;

    /// A message was refused.
    pub fn report(&self, error: &Error, now_ms: i64) {
        self.is_so.store(true, Ordering::Relaxed);
        let refused = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        let reported_at_ms = self.reported_at_ms.load(Ordering::Relaxed);
        let is_due = now_ms.abs_diff(reported_at_ms) >= NoRoom::LOG_INTERVAL_MS.unsigned_abs();
        let exchange = |now| {
            self.reported_at_ms.compare_exchange(reported_at_ms, now, Ordering::Relaxed, Ordering::Relaxed)
        };
        if is_due && exchange(now_ms).is_ok() {
            tracing::error!(%error, refused, "messages are refused: the commit log has no room for them");
        }
    }
}

impl NoRoom {
    /// A message was taken.
    pub fn end(&self) {
        // Looked at first: it is seldom so, and others read this line.
        if self.is_so.load(Ordering::Relaxed) {
            self.is_so.store(false, Ordering::Relaxed);
        }
    }

    fn reason(&self) -> Option<String> {
        self.is_so
            .load(Ordering::Relaxed)
            .then(|| "its disk had no room for the last message; see store.log".to_owned())
    }
}

impl MessageStore {
    pub(super) fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_trouble(&self, change: impl FnOnce(&mut Trouble)) {
        // The lock is spared while nothing is wrong and nothing is to be told.
        if !self.is_troubled.load(Ordering::Acquire) {
            let mut told = Trouble::default();
            change(&mut told);
            if told.reason().is_none() {
                return;
            }
            let mut trouble = self.trouble();
            trouble.flush = told.flush.or(trouble.flush.take());
            trouble.dispatch = told.dispatch.or(trouble.dispatch.take());
            trouble.disk = told.disk.or(trouble.disk.take());
            self.is_troubled.store(true, Ordering::Release);
            return;
        }
        let mut trouble = self.trouble();
        change(&mut trouble);
        self.is_troubled.store(trouble.reason().is_some(), Ordering::Release);
    }

    /// How full the disks are, and what is wrong.
    pub fn status(&self) -> StoreStatus {
        let reason = self.trouble().reason().cloned().or_else(|| self.no_room.reason());
        let used_ratio = |path: &Path| self.disk_ratio.of(path);
        StoreStatus {
            commit_log_ratio: used_ratio(Path::new(&self.config.store_path_commit_log)),
            consume_queue_ratio: used_ratio(self.queues.folder()),
            index_ratio: used_ratio(&Path::new(&self.config.store_path_root_dir).join("index")),
            reason,
        }
    }
}

/// How full the disks are; printed as Java's remarks print it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreStatus {
    pub commit_log_ratio: f64,
    pub consume_queue_ratio: f64,
    pub index_ratio: f64,
    /// Why messages are refused, if they are.
    pub reason: Option<String>,
}

impl fmt::Display for StoreStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StoreStatus { commit_log_ratio, consume_queue_ratio, index_ratio, .. } = self;
        write!(f, "CL: {commit_log_ratio:5.2} CQ: {consume_queue_ratio:5.2} INDEX: {index_ratio:5.2}")
    }
}
