//! Bringing the commit log to the disk (Java: `CommitLog.GroupCommitService`, `FlushRealTimeService`). One
//! thread; with SYNC_FLUSH all messages that arrived while one write to disk ran are covered by the next.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;

use super::PutStatus;

/// Who waits for the disk, and the flushing thread's orders.
#[derive(Default)]
pub struct FlushQueue {
    state: Mutex<State>,
    changed: Condvar,
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
