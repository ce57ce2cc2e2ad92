//! Which slaves have how much of the log, and who waits for that (Java: `HAService.GroupTransferService`,
//! `WaitNotifyObject`). The connections to them are `ha`'s.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::futures::Notified;
use tokio::sync::{Notify, oneshot};

/// The slaves that follow this log.
#[derive(Default)]
pub struct Replicas {
    state: Mutex<State>,
    count: AtomicUsize,
    /// As far as any slave has the log; never falls, as in Java.
    acked: AtomicI64,
    appended: Notify,
}

#[derive(Default)]
struct State {
    next_id: u64,
    slaves: HashMap<u64, Slave>,
    /// By the log offset that a slave must have, and by number.
    waiting: BTreeMap<(i64, u64), oneshot::Sender<()>>,
    next_number: u64,
}

/// A slave as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slave {
    /// `ip:port` of its connection.
    pub addr: String,
    /// Log offset up to which it says to have everything.
    pub acked: i64,
}

/// Completes when a slave has a message. The time limit is the caller's.
#[derive(Debug)]
pub struct ReplicaTicket(oneshot::Receiver<()>);

impl Future for ReplicaTicket {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match Pin::new(&mut self.0).poll(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(()),
            // Nobody will say so any more; the caller's time limit decides.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

/// A slave's place among the others; given up when dropped.
pub struct Following<'a> {
    replicas: &'a Replicas,
    id: u64,
}

impl Replicas {
    /// Slaves that are connected.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Log offset up to which some slave has everything.
    pub fn acked(&self) -> i64 {
        self.acked.load(Ordering::Acquire)
    }

    /// The connected slaves.
    pub fn slaves(&self) -> Vec<Slave> {
        self.state().slaves.values().cloned().collect()
    }

    /// A slave has connected and said how much it has.
    pub fn follow(&self, addr: String, acked: i64) -> Following<'_> {
        let mut state = self.state();
        let id = state.next_id;
        state.next_id += 1;
        state.slaves.insert(id, Slave { addr, acked });
        self.count.store(state.slaves.len(), Ordering::Release);
        drop(state);
        let following = Following { replicas: self, id };
        following.acked(acked);
        following
    }

    /// Waits for a slave to have the log up to `end`.
    pub fn ticket(&self, end: i64) -> ReplicaTicket {
        let (sender, done) = oneshot::channel();
        let mut state = self.state();
        // Under the lock: an ack either comes before, and is seen here, or finds the ticket.
        if self.acked() >= end {
            let _ = sender.send(());
        } else {
            let number = state.next_number;
            state.next_number += 1;
            // Who gave up waiting leaves here at the latest when the slave has caught up; a slave that never does must
            // not let them pile up.
            if number.is_multiple_of(1024) {
                state.waiting.retain(|_, waiting| !waiting.is_closed());
            }
            state.waiting.insert((end, number), sender);
        }
        ReplicaTicket(done)
    }

    /// Something was appended: wakes those who send it on.
    pub fn wake(&self) {
        if self.count() > 0 {
            self.appended.notify_waiters();
        }
    }

    /// Completes with the next [`Replicas::wake`].
    pub fn woken(&self) -> Notified<'_> {
        self.appended.notified()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Following<'_> {
    /// The slave has everything up to there.
    pub fn acked(&self, offset: i64) {
        let mut state = self.replicas.state();
        if let Some(slave) = state.slaves.get_mut(&self.id) {
            slave.acked = offset;
        }
        if self.replicas.acked.fetch_max(offset, Ordering::AcqRel) >= offset {
            return;
        }
        let later = state.waiting.split_off(&(offset.saturating_add(1), 0));
        let done = std::mem::replace(&mut state.waiting, later);
        drop(state);
        for sender in done.into_values() {
            // Who waits no longer has answered its sender already.
            let _ = sender.send(());
        }
    }
}

impl Drop for Following<'_> {
    fn drop(&mut self) {
        let mut state = self.replicas.state();
        state.slaves.remove(&self.id);
        self.replicas.count.store(state.slaves.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn tickets_end_with_the_ack_that_covers_them() {
        let replicas = Replicas::default();
        let slave = replicas.follow("a".to_owned(), 10);
        assert_eq!((replicas.count(), replicas.acked()), (1, 10));
        let mut tickets = [10, 11, 12, 20].map(|end| replicas.ticket(end));
        let mut done = |expected: [bool; 4]| {
            let now = tickets.each_mut().map(|ticket| ticket.now_or_never().is_some());
            assert_eq!(now, expected);
        };
        done([true, false, false, false]);
        slave.acked(11);
        assert_eq!(replicas.state().waiting.len(), 2);
        slave.acked(5);
        assert_eq!((replicas.acked(), replicas.slaves()[0].acked), (11, 5));
        drop(slave);
        assert_eq!(replicas.count(), 0);
        let other = replicas.follow("b".to_owned(), 15);
        assert_eq!(replicas.state().waiting.len(), 1);
        other.acked(20);
        assert!(replicas.state().waiting.is_empty());
    }

    #[test]
    fn who_gave_up_does_not_stay() {
        let replicas = Replicas::default();
        for end in 0..5000 {
            drop(replicas.ticket(end + 1));
        }
        assert!(replicas.state().waiting.len() <= 1024);
    }
}
