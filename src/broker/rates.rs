//! Messages a second that each group takes of each topic, over the last minute (Java: `StatsItemSet` GROUP_GET_NUMS).
//! Counting is a look into a table and an addition; a task samples every ten seconds.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Samples that make a minute of six steps.
const SAMPLES: usize = 7;
/// Pairs that are counted: names are checked, but there may be many.
const PAIRS_MAX: usize = 100_000;

/// One pair's count.
#[derive(Default)]
struct Item {
    count: AtomicU64,
    /// When, ms, and the count then.
    samples: Mutex<VecDeque<(i64, u64)>>,
}

/// By topic, then by group.
type Items = HashMap<String, HashMap<String, Arc<Item>>>;

/// The counts of all pairs.
#[derive(Default)]
pub struct Rates {
    items: RwLock<Items>,
}

impl Rates {
    /// Counts messages.
    pub fn add(&self, topic: &str, group: &str, messages: u64) {
        if let Some(item) = self.read().get(topic).and_then(|groups| groups.get(group)) {
            item.count.fetch_add(messages, Relaxed);
            return;
        }
        let mut items = self.write();
        if items.values().map(HashMap::len).sum::<usize>() >= PAIRS_MAX {
            return;
        }
        let groups = items.entry(topic.to_owned()).or_default();
        groups.entry(group.to_owned()).or_default().count.fetch_add(messages, Relaxed);
    }

    /// Takes a sample of each: to be called every ten seconds. Pairs that stood still for a minute are forgotten.
    pub fn sample(&self, now_ms: i64) {
        let is_idle = |item: &Item| {
            let mut samples = item.samples.lock().unwrap_or_else(PoisonError::into_inner);
            if samples.len() == SAMPLES {
                samples.pop_front();
            }
            samples.push_back((now_ms, item.count.load(Relaxed)));
            samples.len() == SAMPLES && samples.front().map(|it| it.1) == samples.back().map(|it| it.1)
        };
        let mut items = self.write();
        items.retain(|_, groups| {
            groups.retain(|_, item| !is_idle(item));
            !groups.is_empty()
        });
    }

    /// Messages a second over what of the last minute is known; 0 where nothing is.
    pub fn tps(&self, topic: &str, group: &str) -> f64 {
        let Some(item) = self.read().get(topic).and_then(|groups| groups.get(group)).cloned() else {
            return 0.0;
        };
        let samples = item.samples.lock().unwrap_or_else(PoisonError::into_inner);
        match (samples.front(), samples.back()) {
            (Some((from_ms, from)), Some((to_ms, to))) if to_ms > from_ms => {
                (to - from) as f64 * 1000.0 / (to_ms - from_ms) as f64
            }
            _ => 0.0,
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Items> {
        self.items.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Items> {
        self.items.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_the_last_minute() {
        let rates = Rates::default();
        let check =
            |expected: f64| assert!((rates.tps("T", "g") - expected).abs() < 1e-9, "{}", rates.tps("T", "g"));
        check(0.0);
        rates.add("T", "g", 50);
        rates.sample(0);
        check(0.0);
        rates.add("T", "g", 100);
        rates.sample(10_000);
        check(10.0);
        for second in [20, 30, 40, 50, 60] {
            rates.sample(second * 1000);
        }
        check(100.0 / 60.0);
        rates.add("T", "h", 1);
        rates.sample(70_000);
        check(0.0);
        assert!(!rates.read()["T"].contains_key("g"), "forgotten after a minute");
        assert!(rates.read()["T"].contains_key("h"));
    }
}
