//! Bringing the commit log to the disk (Java: `CommitLog.GroupCommitService`, `FlushRealTimeService`). One
//! thread; with SYNC_FLUSH all messages that arrived while one write to disk ran are covered by the next.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::checkpoint::Part;
use super::summary::Summary;
use super::{Error, MessageStore, PutStatus, StandbyState, mapped_file};
use crate::config::store::FlushDiskType;

/// Who waits for the disk, and the flushing thread's orders.
#[derive(Default)]
pub struct FlushQueue {
    state: Mutex<State>,
    changed: Condvar,
    /// The thread was woken and has not looked yet: spares the lock.
    is_woken: AtomicBool,
}

#[derive(Default)]
struct State {
    waiting: Vec<Waiting>,
    is_due: bool,
    stop: bool,
}

/// A message that waits until the log is on disk up to its end.
pub struct Waiting {
    pub end: i64,
    pub done: oneshot::Sender<PutStatus>,
}

/// Completes when a message is on disk, or is known not to get there. The time limit is the caller's.
pub struct FlushTicket {
    done: oneshot::Receiver<PutStatus>,
    queue: Arc<FlushQueue>,
    is_announced: bool,
}

impl Future for FlushTicket {
    type Output = PutStatus;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<PutStatus> {
        let done = Pin::new(&mut self.done).poll(cx);
        if done.is_pending() && !self.is_announced {
            // The first look comes when all requests of one read have been appended: one flush for all.
            self.is_announced = true;
            self.queue.announce();
        }
        // A store that ends without an answer has not promised anything.
        done.map(|status| status.unwrap_or(PutStatus::ServiceNotAvailable))
    }
}

impl FlushQueue {
    /// Waits for the log to be on disk up to `end`.
    pub fn ticket(self: &Arc<FlushQueue>, end: i64) -> FlushTicket {
        let (sender, done) = oneshot::channel();
        self.state().waiting.push(Waiting { end, done: sender });
        FlushTicket { done, queue: Arc::clone(self), is_announced: false }
    }

    fn announce(&self) {
        let mut state = self.state();
        if !state.is_due && !state.waiting.is_empty() {
            state.is_due = true;
            self.changed.notify_one();
        }
    }

    /// Wakes the flushing thread, for whom nobody waits.
    pub fn wake(&self) {
        if !self.is_woken.swap(true, Ordering::SeqCst) {
            self.state().is_due = true;
            self.changed.notify_one();
        }
    }

    /// Wakes the flushing thread for good.
    pub fn stop(&self) {
        self.state().stop = true;
        self.changed.notify_all();
    }

    /// Waits until somebody waits for the disk or `interval` has passed; gives all who wait, and whether to
    /// stop.
    pub fn next_round(&self, interval: Duration) -> (Vec<Waiting>, bool) {
        let state = self.state();
        let idle = |state: &mut State| !state.is_due && !state.stop;
        let (mut state, _) =
            self.changed.wait_timeout_while(state, interval, idle).unwrap_or_else(PoisonError::into_inner);
        state.is_due = false;
        self.is_woken.store(false, Ordering::SeqCst);
        (std::mem::take(&mut state.waiting), state.stop)
    }

    /// Puts those back who still wait.
    pub fn put_back(&self, waiting: Vec<Waiting>) {
        if !waiting.is_empty() {
            let mut state = self.state();
            state.waiting.extend(waiting);
            state.is_due = true;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MessageStore {
    /// The body of the thread that brings the log to the disk.
    pub(super) fn keep_flushing(&self) {
        let mut flushed_at = Instant::now();
        loop {
            // Looked at in every round: they may change while the broker runs.
            let interval = millis(self.settings.flush_interval_commit_log().max(1));
            let thorough = millis(self.settings.flush_commit_log_thorough_interval());
            let (waiting, stop) = self.flush.next_round(interval);
            let is_due = stop || flushed_at.elapsed() >= thorough || self.is_flush_worthwhile();
            if is_due && self.unflushed_bytes() > 0 {
                self.flush_log();
                flushed_at = Instant::now();
            }
            let status = if self.trouble().flush.is_some() {
                PutStatus::ServiceNotAvailable
            } else {
                PutStatus::PutOk
            };
            let flushed_to = self.flushed_to.load(Ordering::Acquire);
            let mut left = Vec::new();
            for one in waiting {
                if one.end <= flushed_to || status != PutStatus::PutOk {
                    // Whoever gave up waiting has had his answer.
                    let _ = one.done.send(status);
                } else {
                    left.push(one);
                }
            }
            self.flush.put_back(left);
            if stop {
                return;
            }
        }
    }

    fn unflushed_bytes(&self) -> i64 {
        self.log.end() - self.flushed_to.load(Ordering::Acquire)
    }

    /// Whether there is enough that is not on disk yet.
    fn is_flush_worthwhile(&self) -> bool {
        let least_pages = match self.config.flush_disk_type {
            FlushDiskType::SyncFlush => 0,
            FlushDiskType::AsyncFlush => i64::from(self.settings.flush_commit_log_least_pages()),
        };
        self.unflushed_bytes() >= (least_pages * mapped_file::PAGE_BYTES as i64).max(1)
    }

    /// Wakes the flushing thread when there is enough for it, unless it is to look by the clock alone. With
    /// SYNC_FLUSH this is for those who do not wait for the disk.
    pub(super) fn wake_flush(&self) {
        let by_clock = self.settings.flush_commit_log_timed()
            && self.config.flush_disk_type == FlushDiskType::AsyncFlush;
        if !by_clock && self.is_flush_worthwhile() {
            self.flush.wake();
        }
    }

    /// Brings the log to the disk up to where it ends now: for tables that say what the log has, and must not be ahead
    /// of it after a power cut. Blocks.
    pub fn sync_log(&self) {
        if self.unflushed_bytes() > 0 {
            self.flush_log();
        }
    }

    /// Writes the log to disk up to where it ends now. May run on several threads.
    pub(super) fn flush_log(&self) {
        let store_timestamp_ms = self.log.last_store_timestamp_ms();
        let end = self.log.end();
        let mut from = self.flushed_to.load(Ordering::Acquire);
        while from < end && self.trouble().flush.is_none() {
            let Some(file) = self.log.files().at(from as u64) else {
                // Deleted meanwhile: what it held needs no disk any more.
                let Some(start) = self.log.files().first().map(|file| file.from() as i64) else { return };
                if start <= from {
                    return;
                }
                from = start;
                continue;
            };
            // With a file's first bytes its name goes to the disk, too.
            let is_new = from == file.from() as i64;
            let synced =
                file.sync().and_then(|()| if is_new { self.log.files().sync_folder() } else { Ok(()) });
            if let Err(error) = synced {
                let path = file.path().display();
                tracing::error!(file = %path, %error,
                    "the disk did not take the commit log; no messages are taken until the broker is restarted");
                self.set_trouble(|trouble| trouble.flush = Some(format!("{path}: {error}")));
                return;
            }
            from = end.min(file.from() as i64 + file.length() as i64);
            self.flushed_to.fetch_max(from, Ordering::AcqRel);
        }
        self.checkpoint.advance(Part::CommitLog, store_timestamp_ms);
    }

    /// The body of the thread that brings the queues and the checkpoint to the disk.
    pub(super) fn keep_flushing_queues(&self) {
        let mut flushed_at = Instant::now();
        loop {
            let interval = millis(self.settings.flush_interval_consume_queue().max(1));
            let thorough = millis(self.settings.flush_consume_queue_thorough_interval());
            let least_pages = usize::try_from(self.settings.flush_consume_queue_least_pages()).unwrap_or(0);
            let state = self.standby.state.lock().unwrap_or_else(PoisonError::into_inner);
            let deadline = Instant::now() + interval;
            let running = |state: &mut StandbyState| !state.stop && Instant::now() < deadline;
            let (state, _) = self
                .standby
                .changed
                .wait_timeout_while(state, interval, running)
                .unwrap_or_else(PoisonError::into_inner);
            if state.stop {
                return;
            }
            drop(state);
            let is_thorough = flushed_at.elapsed() >= thorough;
            if is_thorough {
                flushed_at = Instant::now();
            }
            if let Err(error) = self.flush_queues(if is_thorough { 0 } else { least_pages }) {
                tracing::error!(%error, "consume queues and checkpoint not written to disk; it is tried again");
            }
        }
    }

    /// Writes queues with so many dirty pages to disk; with 0 all, and then the checkpoint says so.
    pub(super) fn flush_queues(&self, least_pages: usize) -> Result<(), Error> {
        let store_timestamp_ms = self.with_dispatcher(|dispatcher| dispatcher.store_timestamp_ms());
        let flushed = self.flush_index(least_pages == 0);
        let mut queues = self.queues.all().into_iter();
        if let Err(error) = flushed.and_then(|()| queues.try_for_each(|queue| queue.flush(least_pages))) {
            if !self.is_queue_unsure.swap(true, Ordering::AcqRel) {
                tracing::error!(%error, "the disk did not take a consume queue or the index; the checkpoint stands \
                    still, and the next start makes their entries again from there on");
            }
            return Ok(());
        }
        let is_sure = !self.is_queue_unsure.load(Ordering::Acquire);
        if least_pages == 0 && is_sure {
            self.checkpoint.advance(Part::ConsumeQueues, store_timestamp_ms);
            self.checkpoint.write()?;
            self.write_summary();
        }
        Ok(())
    }

    /// Writes down how far the queues reach.
    pub(super) fn write_summary(&self) {
        let summary = Summary::of(self.log.start(), self.log.end(), &self.queues);
        // Nothing depends on it but that a loss is noticed.
        if let Err(error) = summary.write(Path::new(&self.config.store_path_root_dir)) {
            tracing::warn!(%error, "queues.json not written; it is tried again");
        }
    }

    /// Writes full index files to disk, and with `all` the newest one, too.
    fn flush_index(&self, all: bool) -> Result<(), Error> {
        let Some(index) = &self.index else { return Ok(()) };
        let complete = index.complete();
        let flushed_ms = index.flush(all)?;
        if all {
            self.checkpoint.advance(Part::Index, flushed_ms);
            self.checkpoint.set_complete(complete);
        }
        Ok(())
    }
}

/// A setting in milliseconds; a negative one is 0.
fn millis(setting: i32) -> Duration {
    Duration::from_millis(u64::try_from(setting).unwrap_or(0))
}
