//! Pulls that wait for messages (Java: `PullRequestHoldService`, `ManyPullRequest`). A held pull is a future of
//! its connection; this table only knows whom to wake when a message arrives in a queue. Expiry is the
//! future's own: there is no sweep.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::consumer_filter::Wanted;
use crate::store::Arrival;

/// Held pulls by topic and queue.
#[derive(Default)]
pub struct Holds {
    /// How many there are: lets an arrival pass without the lock when nobody waits.
    count: AtomicUsize,
    next_id: AtomicU64,
    queues: Mutex<Queues>,
}

/// By topic, queue and number: a hold is found again though ten thousand wait for the queue.
type Queues = HashMap<String, HashMap<i32, HashMap<u64, Hold>>>;

struct Hold {
    queue_offset: i64,
    wanted: Wanted,
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
    pub fn hold<'a>(&'a self, topic: &'a str, queue_id: i32, queue_offset: i64, wanted: Wanted) -> Held<'a> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (wake, woken) = oneshot::channel();
        let hold = Hold { queue_offset, wanted, wake };
        let mut queues = self.queues();
        // Not `entry`: that would copy the topic's name for every pull.
        if let Some(queue) = queues.get_mut(topic) {
            queue.entry(queue_id).or_default().insert(id, hold);
        } else {
            queues.insert(topic.to_owned(), HashMap::from([(queue_id, HashMap::from([(id, hold)]))]));
        }
        // Sequentially consistent together with `arriving`: either the dispatcher sees this count, or the
        // caller's second look sees the dispatcher's message.
        self.count.fetch_add(1, Ordering::SeqCst);
        drop(queues);
        Held { holds: self, topic, queue_id, id, woken }
    }

    /// A message has come to a queue: wakes whom that concerns.
    pub fn arriving(&self, arrival: &Arrival<'_>) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut queues = self.queues();
        let Some(queue) = queues.get_mut(arrival.topic).and_then(|queues| queues.get_mut(&arrival.queue_id))
        else {
            return;
        };
        for (_, hold) in queue.extract_if(|_, hold| {
            arrival.max_queue_offset > hold.queue_offset
                && hold.wanted.may_match(arrival.tags_code, arrival.properties)
        }) {
            self.count.fetch_sub(1, Ordering::SeqCst);
            // A pull that has just expired does not listen any more, and needs no waking.
            let _ = hold.wake.send(());
        }
    }

    /// Queues have gone, with what was waited for: wakes who waits for one of them.
    pub fn queues_gone(&self, is_gone: impl Fn(&str, i32) -> bool) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut topics = self.queues();
        for (topic, queues) in topics.iter_mut() {
            for (queue_id, queue) in queues.iter_mut().filter(|(queue_id, _)| is_gone(topic, **queue_id)) {
                tracing::debug!(
                    topic,
                    queue_id,
                    pulls = queue.len(),
                    "held pulls woken: their queue is gone"
                );
                for (_, hold) in queue.drain() {
                    self.count.fetch_sub(1, Ordering::SeqCst);
                    // A pull that has just expired does not listen any more, and needs no waking.
                    let _ = hold.wake.send(());
                }
            }
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

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut queues = self.holds.queues();
        let Some(topic) = queues.get_mut(self.topic) else { return };
        let Some(queue) = topic.get_mut(&self.queue_id) else { return };
        if queue.remove(&self.id).is_some() {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::protocol::body::heartbeat::SubscriptionData;

    fn subscription(expression: &str) -> Wanted {
        Wanted::tags(Arc::new(SubscriptionData::of_tags("T", Some(expression)).unwrap()))
    }

    fn arrive(holds: &Holds, max_queue_offset: i64, tags_code: i64) {
        holds.arriving(&Arrival { topic: "T", queue_id: 0, max_queue_offset, tags_code, properties: "" });
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
        arrive(&holds, 5, tag("A"));
        assert!(!is_woken(&mut all), "entry 5 is not there while the queue ends at 5");
        arrive(&holds, 6, tag("C"));
        assert_eq!((is_woken(&mut all), is_woken(&mut later), is_woken(&mut tagged)), (true, false, false));
        arrive(&holds, 7, tag("B"));
        assert_eq!((is_woken(&mut later), is_woken(&mut tagged)), (true, true));
        assert!(!is_woken(&mut elsewhere));
        assert_eq!(holds.len(), 1);
    }

    #[test]
    fn a_queue_that_goes_wakes_who_waits_for_it() {
        let holds = Holds::default();
        let mut first = holds.hold("T", 0, 5, subscription("*"));
        let mut second = holds.hold("T", 1, 5, subscription("A"));
        let mut other = holds.hold("U", 0, 5, subscription("*"));
        holds.queues_gone(|topic, queue_id| topic == "T" && queue_id == 1);
        assert_eq!((is_woken(&mut first), is_woken(&mut second), is_woken(&mut other)), (false, true, false));
        holds.queues_gone(|topic, _| topic == "T");
        assert_eq!((is_woken(&mut first), is_woken(&mut other)), (true, false));
        drop((first, second));
        assert_eq!((holds.len(), holds.queues().len()), (1, 1));
    }

    #[test]
    fn a_dropped_hold_leaves_nothing_behind() {
        let holds = Holds::default();
        let first = holds.hold("T", 0, 5, subscription("*"));
        let second = holds.hold("T", 0, 5, subscription("*"));
        drop(first);
        assert_eq!(holds.len(), 1);
        arrive(&holds, 9, 0);
        drop(second);
        assert!(holds.is_empty() && holds.queues().is_empty());
    }
}
