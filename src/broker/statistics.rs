//! What is counted by topic and by group, and asked for with code 315 (Java: `BrokerStatsManager`, `StatsItemSet`,
//! `StatsItem`). Counting is a look into a table and a few additions; a task samples every ten seconds. What nobody uses any
//! more is forgotten. The whole broker's figures for runtime info are `stats`'.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::protocol::body::stats::BrokerStatsItem;

/// Samples of a window: one more than it has steps.
const MINUTE_SAMPLES: usize = 7;
const HOUR_SAMPLES: usize = 7;
const DAY_SAMPLES: usize = 25;
const HOUR_STEP_MS: i64 = 600_000;
const DAY_STEP_MS: i64 = 3_600_000;
/// What was not touched for so long is forgotten.
const KEPT_MS: i64 = 25 * DAY_STEP_MS;
/// Topics, and pairs of a topic and a group, that are counted: names are checked, but there may be many.
const ITEMS_MAX: usize = 20_000;
/// Queues of a pair whose latency is counted.
const QUEUES_MAX: usize = 1024;

/// Counted together, because it happens together.
#[derive(Debug, Default)]
pub struct Counts {
    /// Messages, or milliseconds.
    nums: AtomicU64,
    bytes: AtomicU64,
    times: AtomicU64,
    samples: Mutex<Samples>,
}

#[derive(Debug, Default)]
struct Samples {
    minute: VecDeque<Sample>,
    hour: VecDeque<Sample>,
    day: VecDeque<Sample>,
    /// When something was last seen to have been counted, ms, and how often by then.
    moved: (i64, u64),
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at_ms: i64,
    nums: u64,
    bytes: u64,
    times: u64,
}

/// What of the counts a statistic is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Nums,
    Bytes,
}

/// Of one window.
pub type Windows = [BrokerStatsItem; 3];

impl Counts {
    fn add(&self, nums: u64, bytes: u64) {
        self.nums.fetch_add(nums, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        self.times.fetch_add(1, Relaxed);
    }

    /// Takes a sample; whether the counts are still used.
    fn sample(&self, now_ms: i64) -> bool {
        let sample = Sample {
            at_ms: now_ms,
            nums: self.nums.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            times: self.times.load(Relaxed),
        };
        let mut samples = self.samples();
        let mut push = |window: fn(&mut Samples) -> &mut VecDeque<Sample>, most: usize, step_ms: i64| {
            let window = window(&mut samples);
            if window.back().is_none_or(|last| now_ms - last.at_ms >= step_ms) {
                if window.len() == most {
                    window.pop_front();
                }
                window.push_back(sample);
            }
        };
        push(|samples| &mut samples.minute, MINUTE_SAMPLES, 0);
        push(|samples| &mut samples.hour, HOUR_SAMPLES, HOUR_STEP_MS);
        push(|samples| &mut samples.day, DAY_SAMPLES, DAY_STEP_MS);
        if samples.moved.0 == 0 || samples.moved.1 != sample.times {
            samples.moved = (now_ms, sample.times);
        }
        now_ms - samples.moved.0 < KEPT_MS
    }

    /// Of the last minute, hour and day, as far as they are known.
    fn windows(&self, of: Of) -> Windows {
        let samples = self.samples();
        [&samples.minute, &samples.hour, &samples.day].map(|window| item(window, of))
    }

    fn samples(&self) -> MutexGuard<'_, Samples> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn item(window: &VecDeque<Sample>, of: Of) -> BrokerStatsItem {
    let (Some(first), Some(last)) = (window.front(), window.back()) else {
        return BrokerStatsItem::default();
    };
    let sum = match of {
        Of::Nums => last.nums - first.nums,
        Of::Bytes => last.bytes - first.bytes,
    };
    let (passed_ms, times) = (last.at_ms - first.at_ms, last.times - first.times);
    BrokerStatsItem {
        sum: sum as i64,
        // Java divides by zero where there is one sample, and sends null.
        tps: if passed_ms > 0 { sum as f64 * 1000.0 / passed_ms as f64 } else { 0.0 },
        avgpt: if times > 0 { sum as f64 / times as f64 } else { 0.0 },
    }
}

/// Of a group and a topic.
#[derive(Default)]
struct Pair {
    fetched: Counts,
    sent_back: Counts,
    /// By queue: how long reading took.
    latency: RwLock<HashMap<i32, Arc<Counts>>>,
}

impl Pair {
    fn sample(&self, now_ms: i64) -> bool {
        let queues = self.latency.read().unwrap_or_else(PoisonError::into_inner);
        queues.values().for_each(|queue| {
            queue.sample(now_ms);
        });
        let is_fetched = self.fetched.sample(now_ms);
        self.sent_back.sample(now_ms) || is_fetched
    }
}

#[derive(Default)]
struct Topic {
    put: Counts,
    groups: RwLock<HashMap<String, Arc<Pair>>>,
}

impl Topic {
    fn pair(&self, group: &str) -> Option<Arc<Pair>> {
        self.groups.read().unwrap_or_else(PoisonError::into_inner).get(group).cloned()
    }
}

/// All of it.
#[derive(Default)]
pub struct Statistics {
    topics: RwLock<HashMap<String, Arc<Topic>>>,
    /// Topics and pairs there are.
    items: AtomicUsize,
    broker_put: Counts,
    broker_get: Counts,
    sampled_ms: AtomicI64,
}

impl Statistics {
    /// A send has stored messages, under the topic that its sender named.
    pub fn put(&self, topic: &str, messages: u64, bytes: u64) {
        self.broker_put.nums.fetch_add(messages, Relaxed);
        self.with_topic(topic, |topic| topic.put.add(messages, bytes));
    }

    /// A pull has given out messages.
    pub fn fetched(&self, topic: &str, group: &str, queue_id: i32, messages: u64, bytes: u64, took_ms: u64) {
        self.broker_get.nums.fetch_add(messages, Relaxed);
        self.with_pair(topic, group, |pair| {
            pair.fetched.add(messages, bytes);
            let queues = pair.latency.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(queue) = queues.get(&queue_id) {
                return queue.add(took_ms, 0);
            }
            drop(queues);
            let mut queues = pair.latency.write().unwrap_or_else(PoisonError::into_inner);
            if queues.len() < QUEUES_MAX {
                queues.entry(queue_id).or_default().add(took_ms, 0);
            }
        });
    }

    /// A consumer has sent a message back.
    pub fn sent_back(&self, topic: &str, group: &str) {
        self.with_pair(topic, group, |pair| pair.sent_back.add(1, 0));
    }

    fn with_topic(&self, name: &str, count: impl FnOnce(&Topic)) {
        if let Some(topic) = self.topics.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return count(topic);
        }
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        if self.items.load(Relaxed) >= ITEMS_MAX {
            return;
        }
        let topic = topics.entry(name.to_owned()).or_insert_with(|| {
            self.items.fetch_add(1, Relaxed);
            let topic = Topic::default();
            // What comes first counts, too.
            topic.put.sample(self.sampled_ms.load(Relaxed));
            Arc::new(topic)
        });
        count(topic);
    }

    fn with_pair(&self, topic: &str, group: &str, count: impl FnOnce(&Pair)) {
        self.with_topic(topic, |topic| {
            if let Some(pair) = topic.groups.read().unwrap_or_else(PoisonError::into_inner).get(group) {
                return count(pair);
            }
            let mut groups = topic.groups.write().unwrap_or_else(PoisonError::into_inner);
            if self.items.load(Relaxed) >= ITEMS_MAX {
                return;
            }
            let pair = groups.entry(group.to_owned()).or_insert_with(|| {
                self.items.fetch_add(1, Relaxed);
                let pair = Pair::default();
                pair.sample(self.sampled_ms.load(Relaxed));
                Arc::new(pair)
            });
            count(pair);
        });
    }

    /// Takes a sample of everything: to be called every ten seconds.
    pub fn sample(&self, now_ms: i64) {
        self.sampled_ms.store(now_ms, Relaxed);
        self.broker_put.sample(now_ms);
        self.broker_get.sample(now_ms);
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        topics.retain(|_, topic| {
            let mut groups = topic.groups.write().unwrap_or_else(PoisonError::into_inner);
            groups.retain(|_, pair| pair.sample(now_ms));
            topic.put.sample(now_ms) || !groups.is_empty()
        });
        self.count_items(&topics);
    }

    /// A topic was deleted.
    pub fn forget_topic(&self, topic: &str) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        topics.remove(topic);
        self.count_items(&topics);
    }

    /// A group was deleted.
    pub fn forget_group(&self, group: &str) {
        let topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        for topic in topics.values() {
            topic.groups.write().unwrap_or_else(PoisonError::into_inner).remove(group);
        }
        self.count_items(&topics);
    }

    fn count_items(&self, topics: &HashMap<String, Arc<Topic>>) {
        let pairs = |topic: &Arc<Topic>| topic.groups.read().unwrap_or_else(PoisonError::into_inner).len();
        self.items.store(topics.len() + topics.values().map(pairs).sum::<usize>(), Relaxed);
    }

    /// Messages a second that a group takes of a topic, over what of the last minute is known; 0 where nothing is.
    pub fn tps(&self, topic: &str, group: &str) -> f64 {
        let pair = self.topic(topic).and_then(|topic| topic.pair(group));
        pair.map_or(0.0, |pair| pair.fetched.windows(Of::Nums)[0].tps)
    }

    /// A statistic by Java's name and key, for minute, hour and day; none where nothing was ever counted.
    pub fn find(&self, name: &str, key: &str, cluster: &str) -> Option<Windows> {
        let pair = |key: &str| {
            // Topics have no @, groups may.
            let (topic, group) = key.split_once('@')?;
            self.topic(topic)?.pair(group)
        };
        match name {
            "TOPIC_PUT_NUMS" => Some(self.topic(key)?.put.windows(Of::Nums)),
            "TOPIC_PUT_SIZE" => Some(self.topic(key)?.put.windows(Of::Bytes)),
            "GROUP_GET_NUMS" => Some(pair(key)?.fetched.windows(Of::Nums)),
            "GROUP_GET_SIZE" => Some(pair(key)?.fetched.windows(Of::Bytes)),
            "GROUP_GET_LATENCY" => {
                let (queue_id, key) = key.split_once('@')?;
                let pair = pair(key)?;
                let queues = pair.latency.read().unwrap_or_else(PoisonError::into_inner);
                Some(queues.get(&queue_id.parse().ok()?)?.windows(Of::Nums))
            }
            "SNDBCK_PUT_NUMS" => Some(pair(key)?.sent_back.windows(Of::Nums)),
            "BROKER_PUT_NUMS" if key == cluster => Some(self.broker_put.windows(Of::Nums)),
            "BROKER_GET_NUMS" if key == cluster => Some(self.broker_get.windows(Of::Nums)),
            // Java never counts what came from the disk, and commercial ones only for hooks that nobody has.
            _ => None,
        }
    }

    fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(statistics: &Statistics, name: &str, key: &str) -> Option<[(i64, f64, f64); 3]> {
        let windows = statistics.find(name, key, "C")?;
        Some(windows.map(|item| (item.sum, item.tps, item.avgpt)))
    }

    #[test]
    fn windows_are_a_minute_an_hour_and_a_day() {
        let statistics = Statistics::default();
        let mut now_ms = 1_000_000;
        statistics.sample(now_ms);
        let mut step = |seconds: i64| {
            for _ in 0..seconds / 10 {
                statistics.put("T", 6, 600);
                statistics.put("T", 4, 400);
                now_ms += 10_000;
                statistics.sample(now_ms);
            }
        };
        let check = |name: &str, expected: [(i64, f64, f64); 3]| {
            assert_eq!(found(&statistics, name, "T"), Some(expected), "{name}");
        };
        step(30);
        check("TOPIC_PUT_NUMS", [(30, 1.0, 5.0), (0, 0.0, 0.0), (0, 0.0, 0.0)]);
        step(600);
        check("TOPIC_PUT_NUMS", [(60, 1.0, 5.0), (600, 1.0, 5.0), (0, 0.0, 0.0)]);
        check("TOPIC_PUT_SIZE", [(6000, 100.0, 500.0), (60_000, 100.0, 500.0), (0, 0.0, 0.0)]);
        step(7200);
        check("TOPIC_PUT_NUMS", [(60, 1.0, 5.0), (3600, 1.0, 5.0), (7200, 1.0, 5.0)]);
        step(2 * 86_400);
        check("TOPIC_PUT_NUMS", [(60, 1.0, 5.0), (3600, 1.0, 5.0), (86_400, 1.0, 5.0)]);
        assert_eq!(
            found(&statistics, "BROKER_PUT_NUMS", "C"),
            Some([(60, 1.0, 0.0), (3600, 1.0, 0.0), (86_400, 1.0, 0.0)])
        );
    }

    #[test]
    fn statistics_have_javas_names_and_keys() {
        let statistics = Statistics::default();
        statistics.sample(0);
        statistics.fetched("T", "g@x", 3, 10, 1000, 7);
        statistics.fetched("T", "g@x", 3, 20, 2000, 3);
        statistics.sent_back("T", "g@x");
        statistics.sample(10_000);
        let check = |name: &str, key: &str, expected: Option<(i64, f64, f64)>| {
            assert_eq!(found(&statistics, name, key).map(|it| it[0]), expected, "{name} {key}");
        };
        check("GROUP_GET_NUMS", "T@g@x", Some((30, 3.0, 15.0)));
        check("GROUP_GET_SIZE", "T@g@x", Some((3000, 300.0, 1500.0)));
        check("SNDBCK_PUT_NUMS", "T@g@x", Some((1, 0.1, 1.0)));
        check("BROKER_GET_NUMS", "C", Some((30, 3.0, 0.0)));
        // Made between two samples: it begins with the second.
        check("GROUP_GET_LATENCY", "3@T@g@x", Some((0, 0.0, 0.0)));
        check("TOPIC_PUT_NUMS", "T", Some((0, 0.0, 0.0)));
        for (name, key) in [
            ("TOPIC_PUT_NUMS", "U"),
            ("GROUP_GET_NUMS", "T"),
            ("GROUP_GET_NUMS", "T@h"),
            ("GROUP_GET_LATENCY", "x@T@g@x"),
            ("GROUP_GET_LATENCY", "4@T@g@x"),
            ("BROKER_PUT_NUMS", "D"),
            ("GROUP_GET_FROM_DISK_NUMS", "T@g@x"),
            ("COMMERCIAL_SEND_TIMES", "C"),
            ("", ""),
        ] {
            check(name, key, None);
        }
        assert!((statistics.tps("T", "g@x") - 3.0).abs() < 1e-9);
        assert!(statistics.tps("T", "h").abs() < 1e-9);
    }

    #[test]
    fn what_is_gone_or_not_used_is_forgotten() {
        let statistics = Statistics::default();
        statistics.sample(0);
        statistics.put("gone", 1, 1);
        statistics.put("T", 1, 1);
        statistics.fetched("T", "gone", 0, 1, 1, 1);
        statistics.fetched("T", "g", 0, 1, 1, 1);
        assert_eq!(statistics.items.load(Relaxed), 4);
        statistics.forget_topic("gone");
        statistics.forget_group("gone");
        assert!(found(&statistics, "TOPIC_PUT_NUMS", "gone").is_none());
        assert!(found(&statistics, "GROUP_GET_NUMS", "T@gone").is_none());
        assert_eq!(statistics.items.load(Relaxed), 2);
        statistics.sample(10_000);
        statistics.put("T", 1, 1);
        statistics.sample(KEPT_MS);
        assert_eq!(statistics.items.load(Relaxed), 2, "used a while ago");
        statistics.sample(KEPT_MS + 20_000);
        assert!(found(&statistics, "GROUP_GET_NUMS", "T@g").is_none());
        assert!(found(&statistics, "TOPIC_PUT_NUMS", "T").is_some());
        statistics.sample(3 * KEPT_MS);
        assert_eq!(statistics.items.load(Relaxed), 0);
    }

    #[test]
    fn their_number_has_a_bound() {
        let statistics = Statistics::default();
        (0..ITEMS_MAX + 10).for_each(|number| statistics.put(&number.to_string(), 1, 1));
        assert_eq!(statistics.topics.read().unwrap().len(), ITEMS_MAX);
        statistics.fetched("0", "g", 0, 1, 1, 1);
        assert!(found(&statistics, "GROUP_GET_NUMS", "0@g").is_none());
    }
}
