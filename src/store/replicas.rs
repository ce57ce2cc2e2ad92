//! Which slaves have how much of the log, and who waits for that (Java: `HAService.GroupTransferService`,
//! `WaitNotifyObject`, `FlowMonitor` of 4.9). The connections to them are `ha`'s.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// The slaves that follow this log.
#[derive(Default)]
pub struct Replicas {
    state: Mutex<State>,
    count: AtomicUsize,
    /// As far as any slave has the log; never falls, as in Java.
    acked: AtomicI64,
    /// End of the log when those who send it on were last woken.
    announced: AtomicI64,
    appended: Notify,
}

#[derive(Default)]
struct State {
    next_id: u64,
    slaves: HashMap<u64, Arc<Progress>>,
    /// By the log offset that a slave must have, and by number.
    waiting: BTreeMap<(i64, u64), Waker>,
    next_number: u64,
}

/// A slave as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slave {
    /// `ip:port` of its connection.
    pub addr: String,
    /// Log offset up to which it says to have everything.
    pub acked: i64,
    /// Log offset up to which everything was sent.
    pub sent: i64,
    /// Bytes that were sent in the last whole second.
    pub bytes_per_second: i64,
}

/// How far one slave is.
#[derive(Debug)]
struct Progress {
    addr: String,
    acked: AtomicI64,
    sent: AtomicI64,
    rate: ByteRate,
}

/// Bytes of the last whole second. One writer; a reader may see two seconds mixed.
#[derive(Debug, Default)]
pub struct ByteRate {
    second: AtomicI64,
    bytes: AtomicI64,
    last: AtomicI64,
}

impl ByteRate {
    /// So many more have passed.
    pub fn add(&self, now_ms: i64, bytes: i64) {
        let second = now_ms / 1000;
        let before = self.second.load(Ordering::Relaxed);
        if before != second {
            let counted = self.bytes.swap(0, Ordering::Relaxed);
            self.last.store(if before + 1 == second { counted } else { 0 }, Ordering::Relaxed);
            self.second.store(second, Ordering::Relaxed);
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// What passed in the last second that is over.
    pub fn per_second(&self, now_ms: i64) -> i64 {
        match now_ms / 1000 - self.second.load(Ordering::Relaxed) {
            0 => self.last.load(Ordering::Relaxed),
            1 => self.bytes.load(Ordering::Relaxed),
            _ => 0,
        }
    }
}

/// Completes when a slave has a message. The time limit is the caller's. One that nobody looks at costs nothing.
pub struct ReplicaTicket {
    replicas: Arc<Replicas>,
    end: i64,
    /// Once it waits.
    number: Option<u64>,
}

impl Future for ReplicaTicket {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.replicas.acked() >= self.end {
            return Poll::Ready(());
        }
        let replicas = Arc::clone(&self.replicas);
        let mut state = replicas.state();
        // Under the lock: an ack either comes before, and is seen here, or finds the waker.
        if replicas.acked() >= self.end {
            return Poll::Ready(());
        }
        let number = *self.number.get_or_insert_with(|| {
            state.next_number += 1;
            state.next_number
        });
        state.waiting.insert((self.end, number), cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for ReplicaTicket {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.replicas.state().waiting.remove(&(self.end, number));
        }
    }
}

/// A slave's place among the others; given up when dropped.
pub struct Following<'a> {
    replicas: &'a Replicas,
    id: u64,
    progress: Arc<Progress>,
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
    pub fn slaves(&self, now_ms: i64) -> Vec<Slave> {
        let state = self.state();
        let seen = |progress: &Arc<Progress>| Slave {
            addr: progress.addr.clone(),
            acked: progress.acked.load(Ordering::Relaxed),
            sent: progress.sent.load(Ordering::Relaxed),
            bytes_per_second: progress.rate.per_second(now_ms),
        };
        let mut slaves: Vec<Slave> = state.slaves.values().map(seen).collect();
        slaves.sort_by(|one, other| one.addr.cmp(&other.addr));
        slaves
    }

    /// A slave has connected and said how much it has.
    pub fn follow(&self, addr: String, acked: i64) -> Following<'_> {
        let (sent, rate) = (AtomicI64::new(acked), ByteRate::default());
        let progress = Arc::new(Progress { addr, acked: AtomicI64::new(acked), sent, rate });
        let mut state = self.state();
        let id = state.next_id;
        state.next_id += 1;
        state.slaves.insert(id, Arc::clone(&progress));
        self.count.store(state.slaves.len(), Ordering::Release);
        drop(state);
        let following = Following { replicas: self, id, progress };
        following.acked(acked);
        following
    }

    /// Waits for a slave to have the log up to `end`.
    pub fn ticket(self: &Arc<Replicas>, end: i64) -> ReplicaTicket {
        ReplicaTicket { replicas: Arc::clone(self), end, number: None }
    }

    /// The log ends there: wakes those who send it on, where that is new to them.
    pub fn wake(&self, end: i64) {
        if self.count() > 0 && self.announced.swap(end, Ordering::AcqRel) != end {
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
    /// Bytes of the log that end there are on their way.
    pub fn sends(&self, now_ms: i64, to: i64, bytes: i64) {
        self.progress.sent.fetch_max(to, Ordering::AcqRel);
        self.progress.rate.add(now_ms, bytes);
    }

    /// Log offset up to which everything was sent.
    pub fn sent(&self) -> i64 {
        self.progress.sent.load(Ordering::Acquire)
    }

    /// The slave has everything up to there.
    pub fn acked(&self, offset: i64) {
        self.progress.acked.store(offset, Ordering::Relaxed);
        let mut state = self.replicas.state();
        if self.replicas.acked.fetch_max(offset, Ordering::AcqRel) >= offset {
            return;
        }
        let later = state.waiting.split_off(&(offset.saturating_add(1), 0));
        let done = std::mem::replace(&mut state.waiting, later);
        drop(state);
        done.into_values().for_each(Waker::wake);
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
        let replicas = Arc::new(Replicas::default());
        let slave = replicas.follow("a".to_owned(), 10);
        assert_eq!((replicas.count(), replicas.acked()), (1, 10));
        let mut tickets = [10, 11, 12, 20].map(|end| replicas.ticket(end));
        let mut done = |expected: [bool; 4]| {
            let now = tickets.each_mut().map(|ticket| ticket.now_or_never().is_some());
            assert_eq!(now, expected);
        };
        done([true, false, false, false]);
        assert_eq!(replicas.state().waiting.len(), 3);
        slave.acked(11);
        assert_eq!(replicas.state().waiting.len(), 2);
        done([true, true, false, false]);
        slave.acked(5);
        assert_eq!((replicas.acked(), replicas.slaves(0)[0].acked), (11, 5));
        drop(slave);
        assert_eq!(replicas.count(), 0);
        let other = replicas.follow("b".to_owned(), 15);
        assert_eq!(replicas.state().waiting.len(), 1);
        other.acked(20);
        assert!(replicas.state().waiting.is_empty());
    }

    #[test]
    fn a_rate_is_that_of_the_last_whole_second() {
        let rate = ByteRate::default();
        let check = |now_ms: i64, expected: i64| assert_eq!(rate.per_second(now_ms), expected, "at {now_ms}");
        rate.add(5000, 10);
        rate.add(5999, 20);
        check(5999, 0);
        check(6000, 30);
        rate.add(6500, 7);
        check(6999, 30);
        check(7000, 7);
        check(8000, 0);
        rate.add(9000, 1);
        check(9000, 0);
        check(10_000, 1);
    }

    #[test]
    fn who_gave_up_does_not_stay() {
        let replicas = Arc::new(Replicas::default());
        let mut tickets: Vec<ReplicaTicket> = (1..100).map(|end| replicas.ticket(end)).collect();
        tickets.iter_mut().for_each(|ticket| assert!(ticket.now_or_never().is_none()));
        assert_eq!(replicas.state().waiting.len(), 99);
        tickets.truncate(1);
        assert_eq!(replicas.state().waiting.len(), 1);
    }
}
