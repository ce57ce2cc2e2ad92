//! Pulls that wait for messages (Java: `PullRequestHoldService`, `ManyPullRequest`). A held pull is a future of
//! its connection; this table only knows whom to wake when a message arrives in a queue. Expiry is the
//! future's own: there is no sweep.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::protocol::body::heartbeat::SubscriptionData;
use crate::store::ArrivalListener;

/// Held pulls by topic and queue.
#[derive(Default)]
pub struct Holds {
    /// How many there are: lets an arrival pass without the lock when nobody waits.
    count: AtomicUsize,
    next_id: AtomicU64,
    queues: Mutex<HashMap<String, HashMap<i32, Vec<Hold>>>>,
}

struct Hold {
    id: u64,
    queue_offset: i64,
    subscription: Arc<SubscriptionData>,
    wake: oneshot::Sender<()>,
}

/// A place in the table; given up when dropped.
pub struct Held<'a> {
    holds: &'a Holds,
    topic: &'a str,
    queue_id: i32,
    id: u64,
    /// Completes when a message that the subscription may match has arrived.
    pub woken: oneshot::Receiver<()>,
}

impl Holds {
    /// Waits for entry `queue_offset` of a queue. The caller must look at the queue once more afterwards: what
    /// arrived before this call wakes nobody.
    pub fn hold<'a>(
        &'a self,
        topic: &'a str,
        queue_id: i32,
        queue_offset: i64,
        subscription: Arc<SubscriptionData>,
    ) -> Held<'a> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (wake, woken) = oneshot::channel();
        let hold = Hold { id, queue_offset, subscription, wake };
        let mut queues = self.queues();
        // Not `entry`: that would copy the topic's name for every pull.
        if let Some(queue) = queues.get_mut(topic) {
            queue.entry(queue_id).or_default().push(hold);
        } else {
            queues.insert(topic.to_owned(), HashMap::from([(queue_id, vec![hold])]));
        }
        // Sequentially consistent together with `arriving`: either the dispatcher sees this count, or the
        // caller's second look sees the dispatcher's message.
        self.count.fetch_add(1, Ordering::SeqCst);
        drop(queues);
        Held { holds: self, topic, queue_id, id, woken }
    }

    /// A queue has entries up to `max_offset`, the newest with this tags code: wakes whom that concerns.
    pub fn arriving(&self, topic: &str, queue_id: i32, max_offset: i64, tags_code: i64) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut queues = self.queues();
        let Some(queue) = queues.get_mut(topic).and_then(|queues| queues.get_mut(&queue_id)) else { return };
        for hold in queue.extract_if(.., |hold| {
            max_offset > hold.queue_offset && hold.subscription.may_match(Some(tags_code))
        }) {
            self.count.fetch_sub(1, Ordering::SeqCst);
            // A pull that has just expired does not listen any more, and needs no waking.
            let _ = hold.wake.send(());
        }
    }

    /// Pulls that wait now.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Whether no pull waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<String, HashMap<i32, Vec<Hold>>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut queues = self.holds.queues();
        let Some(topic) = queues.get_mut(self.topic) else { return };
        let Some(queue) = topic.get_mut(&self.queue_id) else { return };
        if let Some(index) = queue.iter().position(|hold| hold.id == self.id) {
            queue.swap_remove(index);
            self.holds.count.fetch_sub(1, Ordering::SeqCst);
        }
        // Queues come and go with their topics: nothing of them may stay behind.
        if queue.is_empty() {
            topic.remove(&self.queue_id);
            if topic.is_empty() {
                queues.remove(self.topic);
            }
        }
    }
}

impl ArrivalListener for Holds {
    fn arriving(&self, topic: &str, queue_id: i32, max_queue_offset: i64, tags_code: i64) {
        Holds::arriving(self, topic, queue_id, max_queue_offset, tags_code);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(expression: &str) -> Arc<SubscriptionData> {
        Arc::new(SubscriptionData::of_tags("T", Some(expression)).unwrap())
    }

    fn is_woken(held: &mut Held<'_>) -> bool {
        held.woken.try_recv().is_ok()
    }

    #[test]
    fn an_arrival_wakes_whom_it_concerns() {
        let holds = Holds::default();
        let mut all = holds.hold("T", 0, 5, subscription("*"));
        let mut later = holds.hold("T", 0, 6, subscription("*"));
        let mut tagged = holds.hold("T", 0, 5, subscription("A || B"));
        let mut elsewhere = holds.hold("T", 1, 5, subscription("*"));
        let tag = |tag| i64::from(compat::hash::java_string_hash(tag));
        holds.arriving("T", 0, 5, tag("A"));
        assert!(!is_woken(&mut all), "entry 5 is not there while the queue ends at 5");
        holds.arriving("T", 0, 6, tag("C"));
        assert_eq!((is_woken(&mut all), is_woken(&mut later), is_woken(&mut tagged)), (true, false, false));
        holds.arriving("T", 0, 7, tag("B"));
        assert_eq!((is_woken(&mut later), is_woken(&mut tagged)), (true, true));
        assert!(!is_woken(&mut elsewhere));
        assert_eq!(holds.len(), 1);
    }

    #[test]
    fn a_dropped_hold_leaves_nothing_behind() {
        let holds = Holds::default();
        let first = holds.hold("T", 0, 5, subscription("*"));
        let second = holds.hold("T", 0, 5, subscription("*"));
        drop(first);
        assert_eq!(holds.len(), 1);
        holds.arriving("T", 0, 9, 0);
        drop(second);
        assert!(holds.is_empty() && holds.queues().is_empty());
    }
}
