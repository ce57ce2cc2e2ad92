//! Which client may consume which queue of a group in order (Java: `RebalanceLockManager`). In memory only: a
//! restart frees all.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::log_lines::Lines;
use crate::clock::Clock;
use crate::protocol::body::queue::MessageQueue;

/// A lock that its owner has not renewed for so long is free (Java:
/// `rocketmq.broker.rebalance.lockMaxLiveTime`).
pub const LOCK_MAX_LIVE_TIME_MS: i64 = 60_000;

/// Locks in all: more than the queues of any broker that are consumed in order.
const LOCKS_MAX: usize = 200_000;

/// The locks of all groups.
pub struct QueueLocks {
    clock: Clock,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    groups: HashMap<String, HashMap<MessageQueue, Lock>>,
    /// Locks of all of them.
    count: usize,
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
        QueueLocks { clock, table: Mutex::default() }
    }

    /// Takes or renews what can be had; returns the queues that the client now holds.
    pub fn lock(&self, group: &str, client_id: &str, queues: Vec<MessageQueue>) -> Vec<MessageQueue> {
        let now_ms = self.clock.now_ms();
        if queues.is_empty() {
            return queues;
        }
        let mut table = self.table();
        let Table { groups, count } = &mut *table;
        let locks = groups.entry(group.to_owned()).or_default();
        let mut lines = Lines::default();
        let take = |queue: &MessageQueue| {
            let Some(lock) = locks.get_mut(queue) else {
                let is_taken = *count < LOCKS_MAX;
                if is_taken {
                    let lock = Lock { client_id: client_id.to_owned(), renewed_ms: now_ms };
                    locks.insert(queue.clone(), lock);
                    *count += 1;
                }
                if lines.has_next() && is_taken {
                    tracing::info!(
                        "tryLockBatch, message queue not locked, I got it. Group: {group} NewClientId: {client_id} {queue}"
                    );
                }
                return is_taken;
            };
            if lock.client_id != client_id {
                let has_line = lines.has_next();
                if !lock.has_expired(now_ms) {
                    let (owner, idle_ms) = (&lock.client_id, now_ms - lock.renewed_ms);
                    if has_line {
                        tracing::warn!(
                            idle_ms,
                            "tryLockBatch, message queue locked by other client. Group: {group} OtherClientId: {owner} \
                             NewClientId: {client_id} {queue}"
                        );
                    }
                    return false;
                }
                if has_line {
                    tracing::warn!(
                        "tryLockBatch, message queue lock expired, I got it. Group: {group} OldClientId: {} NewClientId: \
                         {client_id} {queue}",
                        lock.client_id
                    );
                }
                client_id.clone_into(&mut lock.client_id);
            }
            lock.renewed_ms = now_ms;
            true
        };
        let mut queues = queues;
        queues.retain(take);
        if let Some(more) = lines.left_out() {
            tracing::info!(group, client_id, more, "more queues locked, or locked by other clients");
        }
        if locks.is_empty() {
            groups.remove(group);
        }
        if *count >= LOCKS_MAX {
            tracing::warn!(group, client_id, count, "too many queue locks in all: no new ones");
        }
        queues
    }

    /// Gives up those of the queues that the client holds.
    pub fn unlock(&self, group: &str, client_id: &str, queues: &[MessageQueue]) {
        let mut table = self.table();
        let Table { groups, count } = &mut *table;
        let Some(locks) = groups.get_mut(group) else { return };
        let mut lines = Lines::default();
        for queue in queues {
            let Some(lock) = locks.get(queue) else { continue };
            let has_line = lines.has_next();
            if lock.client_id != client_id {
                if has_line {
                    let owner = &lock.client_id;
                    tracing::warn!(
                        "unlockBatch, but mq locked by other client: {owner}, Group: {group} {queue} {client_id}"
                    );
                }
                continue;
            }
            locks.remove(queue);
            *count -= 1;
            if has_line {
                tracing::info!("unlockBatch, Group: {group} {queue} {client_id}");
            }
        }
        if let Some(more) = lines.left_out() {
            tracing::info!(group, client_id, more, "more queues unlocked, or other clients'");
        }
        if locks.is_empty() {
            groups.remove(group);
        }
    }

    /// Forgets expired locks, which mean nothing: Java keeps them for ever.
    pub fn scan(&self) {
        let now_ms = self.clock.now_ms();
        let mut table = self.table();
        table.groups.retain(|_, locks| {
            locks.retain(|_, lock| !lock.has_expired(now_ms));
            !locks.is_empty()
        });
        table.count = table.groups.values().map(HashMap::len).sum();
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
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
        let left: Vec<String> = locks.table().groups.keys().cloned().collect();
        assert_eq!(left, ["h"]);
        locks.unlock("h", "a", &[queue(0)]);
        assert!(locks.table().groups.is_empty());
    }

    #[test]
    fn locks_have_a_number() {
        let locks = QueueLocks::new(clock::manual(0).0);
        let all: Vec<MessageQueue> = (0..=LOCKS_MAX as i32).map(queue).collect();
        assert_eq!(locks.lock("g", "a", all.clone()).len(), LOCKS_MAX);
        assert!(locks.lock("h", "a", vec![queue(0)]).is_empty());
        assert_eq!(locks.table().groups.len(), 1);
        assert_eq!(locks.lock("g", "a", vec![queue(0)]), [queue(0)], "what is held is renewed");
        locks.unlock("g", "a", &all);
        assert_eq!(locks.table().count, 0);
        assert_eq!(locks.lock("h", "a", vec![queue(0)]), [queue(0)]);
    }
}
