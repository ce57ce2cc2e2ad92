//! Which client may consume which queue of a group in order (Java: `RebalanceLockManager`). In memory only: a
//! restart frees all.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;
use crate::protocol::body::queue::MessageQueue;

/// A lock that its owner has not renewed for so long is free (Java:
/// `rocketmq.broker.rebalance.lockMaxLiveTime`).
pub const LOCK_MAX_LIVE_TIME_MS: i64 = 60_000;

/// The locks of all groups.
pub struct QueueLocks {
    clock: Clock,
    groups: Mutex<HashMap<String, HashMap<MessageQueue, Lock>>>,
}

struct Lock {
    client_id: String,
    renewed_ms: i64,
}

impl Lock {
    fn has_expired(&self, now_ms: i64) -> bool {
        now_ms - self.renewed_ms > LOCK_MAX_LIVE_TIME_MS
    }
}

impl QueueLocks {
    /// No locks.
    pub fn new(clock: Clock) -> QueueLocks {
        QueueLocks { clock, groups: Mutex::default() }
    }

    /// Takes or renews what can be had; returns the queues that the client now holds.
    pub fn lock(&self, group: &str, client_id: &str, queues: Vec<MessageQueue>) -> Vec<MessageQueue> {
        let now_ms = self.clock.now_ms();
        let mut groups = self.groups();
        if queues.is_empty() {
            return queues;
        }
        let locks = groups.entry(group.to_owned()).or_default();
        let take = |queue: &MessageQueue| {
            let Some(lock) = locks.get_mut(queue) else {
                tracing::info!(
                    "tryLockBatch, message queue not locked, I got it. Group: {group} NewClientId: {client_id} {queue}"
                );
                let lock = Lock { client_id: client_id.to_owned(), renewed_ms: now_ms };
                locks.insert(queue.clone(), lock);
                return true;
            };
            if lock.client_id != client_id {
                if !lock.has_expired(now_ms) {
                    let (owner, idle_ms) = (&lock.client_id, now_ms - lock.renewed_ms);
                    tracing::warn!(
                        idle_ms,
                        "tryLockBatch, message queue locked by other client. Group: {group} OtherClientId: {owner} \
                         NewClientId: {client_id} {queue}"
                    );
                    return false;
                }
                tracing::warn!(
                    "tryLockBatch, message queue lock expired, I got it. Group: {group} OldClientId: {} NewClientId: \
                     {client_id} {queue}",
                    lock.client_id
                );
                client_id.clone_into(&mut lock.client_id);
            }
            lock.renewed_ms = now_ms;
            true
        };
        let mut queues = queues;
        queues.retain(take);
        queues
    }

    /// Gives up those of the queues that the client holds.
    pub fn unlock(&self, group: &str, client_id: &str, queues: &[MessageQueue]) {
        let mut groups = self.groups();
        let Some(locks) = groups.get_mut(group) else { return };
        for queue in queues {
            match locks.get(queue) {
                Some(lock) if lock.client_id == client_id => {
                    locks.remove(queue);
                    tracing::info!("unlockBatch, Group: {group} {queue} {client_id}");
                }
                Some(lock) => {
                    let owner = &lock.client_id;
                    tracing::warn!(
                        "unlockBatch, but mq locked by other client: {owner}, Group: {group} {queue} {client_id}"
                    );
                }
                None => {}
            }
        }
        if locks.is_empty() {
            groups.remove(group);
        }
    }

    /// Forgets expired locks, which mean nothing: Java keeps them for ever.
    pub fn scan(&self) {
        let now_ms = self.clock.now_ms();
        self.groups().retain(|_, locks| {
            locks.retain(|_, lock| !lock.has_expired(now_ms));
            !locks.is_empty()
        });
    }

    fn groups(&self) -> MutexGuard<'_, HashMap<String, HashMap<MessageQueue, Lock>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::clock;

    fn queue(queue_id: i32) -> MessageQueue {
        MessageQueue::new("T", "broker-a", queue_id)
    }

    #[test]
    fn one_client_holds_a_queue_until_it_stops_renewing() {
        let (clock, hand) = clock::manual(0);
        let locks = QueueLocks::new(clock);
        let check = |client: &str, asked: &[i32], expected: &[i32]| {
            let got = locks.lock("g", client, asked.iter().map(|&id| queue(id)).collect());
            assert_eq!(got, expected.iter().map(|&id| queue(id)).collect::<Vec<_>>());
        };
        check("a", &[0, 1], &[0, 1]);
        check("b", &[1, 2], &[2]);
        hand.store(50_000, Ordering::Relaxed);
        check("a", &[0], &[0]);
        hand.store(60_001, Ordering::Relaxed);
        check("b", &[0, 1], &[1]);
        locks.unlock("g", "b", &[queue(0), queue(1)]);
        check("c", &[0, 1], &[1]);
        assert_eq!(locks.lock("other", "c", vec![queue(0)]), [queue(0)]);
    }

    #[test]
    fn expired_locks_are_forgotten() {
        let (clock, hand) = clock::manual(0);
        let locks = QueueLocks::new(clock);
        locks.lock("g", "a", vec![queue(0)]);
        hand.store(30_000, Ordering::Relaxed);
        locks.lock("h", "a", vec![queue(0)]);
        hand.store(60_001, Ordering::Relaxed);
        locks.scan();
        let left: Vec<String> = locks.groups().keys().cloned().collect();
        assert_eq!(left, ["h"]);
        locks.unlock("h", "a", &[queue(0)]);
        assert!(locks.groups().is_empty());
    }
}
