//! How the store is: whether it takes messages, and if not why; how full its disks are (Java: `RunningFlags`,
//! `DefaultMessageStore.getRuntimeInfo`).

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{MutexGuard, PoisonError};

use super::MessageStore;

/// What keeps the store from taking messages.
#[derive(Debug, Default)]
pub struct Trouble {
    /// The disk did not take what was written: nothing more is promised until a restart.
    pub flush: Option<String>,
    /// Entries cannot be written just now.
    pub dispatch: Option<String>,
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

impl MessageStore {
    pub(super) fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_trouble(&self, change: impl FnOnce(&mut Trouble)) {
        // The lock is spared while nothing is wrong and nothing is to be told.
        let mut told = Trouble::default();
        if !self.is_troubled.load(Ordering::Acquire) {
            change(&mut told);
            if told.flush.is_none() && told.dispatch.is_none() {
                return;
            }
            let mut trouble = self.trouble();
            trouble.flush = told.flush.or(trouble.flush.take());
            trouble.dispatch = told.dispatch.or(trouble.dispatch.take());
            self.is_troubled.store(true, Ordering::Release);
            return;
        }
        let mut trouble = self.trouble();
        change(&mut trouble);
        self.is_troubled.store(trouble.flush.is_some() || trouble.dispatch.is_some(), Ordering::Release);
    }

    /// How full the disks are, and what is wrong.
    pub fn status(&self) -> StoreStatus {
        let trouble = self.trouble();
        let reason = trouble.flush.clone().or_else(|| trouble.dispatch.clone());
        StoreStatus {
            commit_log_ratio: used_ratio(Path::new(&self.config.store_path_commit_log)),
            consume_queue_ratio: used_ratio(self.queues.folder()),
            index_ratio: used_ratio(&Path::new(&self.config.store_path_root_dir).join("index")),
            reason,
        }
    }
}

/// Used part of the file system that a path is on; -1 where that cannot be told, as in Java.
fn used_ratio(path: &Path) -> f64 {
    match rustix::fs::statvfs(path) {
        Ok(stat) if stat.f_blocks > 0 => 1.0 - stat.f_bfree as f64 / stat.f_blocks as f64,
        _ => -1.0,
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
