//! What runtime info (code 28) counts: messages in and out, how long puts took, rates over the last minutes
//! (Java: `StoreStatsService`, `BrokerStats`). Counting is a few relaxed additions; a task samples once a
//! second. What is counted of each topic and group is `statistics`'.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::http::histogram::Histogram;
use crate::store::Written;

/// Upper bounds of the classes of put times, ms, and their labels.
const PUT_TIME_CLASSES: [(u128, &str); 13] = [
    (0, "[<=0ms]"),
    (10, "[0~10ms]"),
    (50, "[10~50ms]"),
    (100, "[50~100ms]"),
    (200, "[100~200ms]"),
    (500, "[200~500ms]"),
    (1000, "[500ms~1s]"),
    (2000, "[1~2s]"),
    (3000, "[2~3s]"),
    (4000, "[3~4s]"),
    (5000, "[4~5s]"),
    (10_000, "[5~10s]"),
    (u128::MAX, "[10s~]"),
];

/// Samples kept: one a second for the longest window, and one to count from.
const SAMPLES_MAX: usize = 601;

/// Counters since the start.
#[derive(Default)]
pub struct Stats {
    /// Messages in, which the store counts.
    written: Arc<Written>,
    put_time_max_ms: AtomicU64,
    put_time_classes: [AtomicU64; PUT_TIME_CLASSES.len()],
    get_time_max_ms: AtomicU64,
    /// Pulls that found something, that found nothing, and messages given out.
    get_found: AtomicU64,
    get_miss: AtomicU64,
    get_transfered: AtomicU64,
    get_bytes: AtomicU64,
    /// How long puts and reads of pulls took.
    pub put_latency: Histogram,
    pub get_latency: Histogram,
    /// Messages that were not taken, by the code of the reply.
    refused: Mutex<BTreeMap<i32, u64>>,
    samples: Mutex<VecDeque<Sample>>,
    /// Messages in and out by midnight, and by the midnight before.
    put_today_morning: AtomicU64,
    put_yesterday_morning: AtomicU64,
    get_today_morning: AtomicU64,
    get_yesterday_morning: AtomicU64,
    /// Day of the last sample, in days since 1970 of the local calendar.
    day: AtomicI64,
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub messages_in: u64,
    pub bytes_in: u64,
    pub messages_out: u64,
    pub bytes_out: u64,
    pub pulls_found: u64,
    pub pulls_missed: u64,
    pub put_time_max_ms: u64,
    pub get_time_max_ms: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    at_ms: i64,
    put: u64,
    found: u64,
    miss: u64,
    transfered: u64,
}

impl Stats {
    /// Nothing counted yet.
    pub fn new(written: &Arc<Written>) -> Stats {
        Stats { written: Arc::clone(written), day: AtomicI64::new(i64::MIN), ..Stats::default() }
    }

    /// How long a put took from its first check to its place in the log.
    pub fn put_took(&self, took: Duration) {
        self.put_latency.add(took);
        let millis = took.as_millis();
        let class = PUT_TIME_CLASSES.iter().position(|(bound, _)| millis <= *bound).unwrap_or(0);
        self.put_time_classes[class].fetch_add(1, Relaxed);
        raise(&self.put_time_max_ms, millis);
    }

    /// A pull gave out so many messages and bytes.
    pub fn fetched(&self, messages: usize, bytes: usize) {
        self.get_found.fetch_add(1, Relaxed);
        self.get_transfered.fetch_add(messages as u64, Relaxed);
        self.get_bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// A send was not taken.
    pub fn refused(&self, code: i32) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
    }

    /// Sends that were not taken, by the code of the reply.
    pub fn refusals(&self) -> BTreeMap<i32, u64> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts since the start.
    pub fn counts(&self) -> Counts {
        let load = |counter: &AtomicU64| counter.load(Relaxed);
        Counts {
            messages_in: self.written.messages(),
            bytes_in: self.written.bytes(),
            messages_out: load(&self.get_transfered),
            bytes_out: load(&self.get_bytes),
            pulls_found: load(&self.get_found),
            pulls_missed: load(&self.get_miss),
            put_time_max_ms: load(&self.put_time_max_ms),
            get_time_max_ms: load(&self.get_time_max_ms),
        }
    }

    /// Of up to so many last seconds, the oldest first: when, ms, and messages in and out a second.
    pub fn history(&self, seconds: usize) -> Vec<(i64, f64, f64)> {
        let samples = self.samples();
        let first = samples.len().saturating_sub(seconds + 1);
        let (before, after) = (samples.iter().skip(first), samples.iter().skip(first + 1));
        let rates = before.zip(after).filter(|(one, other)| other.at_ms > one.at_ms).map(|(one, other)| {
            let rate = |one: u64, other: u64, ms: i64| other.saturating_sub(one) as f64 * 1000.0 / ms as f64;
            let ms = other.at_ms - one.at_ms;
            (other.at_ms, rate(one.put, other.put, ms), rate(one.transfered, other.transfered, ms))
        });
        rates.collect()
    }

    /// A pull found nothing.
    pub fn missed(&self) {
        self.get_miss.fetch_add(1, Relaxed);
    }

    /// How long a pull's reading took.
    pub fn get_took(&self, took: Duration) {
        self.get_latency.add(took);
        raise(&self.get_time_max_ms, took.as_millis());
    }

    /// Takes a sample: to be called once a second. `day` changes at the local midnight.
    pub fn sample(&self, now_ms: i64, day: i64) {
        let sample = Sample {
            at_ms: now_ms,
            put: self.written.messages(),
            found: self.get_found.load(Relaxed),
            miss: self.get_miss.load(Relaxed),
            transfered: self.get_transfered.load(Relaxed),
        };
        let mut samples = self.samples();
        if samples.len() == SAMPLES_MAX {
            samples.pop_front();
        }
        samples.push_back(sample);
        drop(samples);
        let before = self.day.swap(day, Relaxed);
        if before != i64::MIN && before != day {
            let (put, get) = (&self.put_today_morning, &self.get_today_morning);
            let (put, get) = (put.swap(sample.put, Relaxed), get.swap(sample.transfered, Relaxed));
            self.put_yesterday_morning.store(put, Relaxed);
            self.get_yesterday_morning.store(get, Relaxed);
            tracing::info!("yesterday put message total: {}", sample.put - put);
            tracing::info!("yesterday get message total: {}", sample.transfered - get);
        }
    }

    /// Keys and values of runtime info that are these counters'.
    pub fn runtime_info(&self) -> Vec<(&'static str, String)> {
        let (times, bytes) = (self.written.messages(), self.written.bytes());
        // Java says one where there is none, lest it divide by zero.
        let divisor = times.max(1);
        let transfered = self.get_transfered.load(Relaxed);
        vec![
            ("putMessageEntireTimeMax", self.put_time_max_ms.load(Relaxed).to_string()),
            ("putMessageTimesTotal", divisor.to_string()),
            ("putMessageSizeTotal", bytes.to_string()),
            ("putMessageDistributeTime", self.put_distribution()),
            ("putMessageAverageSize", compat::json::java_double(bytes as f64 / divisor as f64)),
            ("getMessageEntireTimeMax", self.get_time_max_ms.load(Relaxed).to_string()),
            ("putTps", self.rates(|sample| sample.put, "")),
            ("getFoundTps", self.rates(|sample| sample.found, "")),
            ("getMissTps", self.rates(|sample| sample.miss, "")),
            ("getTotalTps", self.rates(|sample| sample.found + sample.miss, "0.0")),
            ("getTransferedTps", self.rates(|sample| sample.transfered, "")),
            ("msgPutTotalYesterdayMorning", self.put_yesterday_morning.load(Relaxed).to_string()),
            ("msgPutTotalTodayMorning", self.put_today_morning.load(Relaxed).to_string()),
            ("msgPutTotalTodayNow", times.to_string()),
            ("msgGetTotalYesterdayMorning", self.get_yesterday_morning.load(Relaxed).to_string()),
            ("msgGetTotalTodayMorning", self.get_today_morning.load(Relaxed).to_string()),
            ("msgGetTotalTodayNow", transfered.to_string()),
        ]
    }

    fn put_distribution(&self) -> String {
        let mut text = String::new();
        for ((_, label), count) in PUT_TIME_CLASSES.iter().zip(&self.put_time_classes) {
            text.push_str(&format!("{label}:{} ", count.load(Relaxed)));
        }
        text
    }

    /// A counter's rate over the last 10, 60 and 600 s, separated by blanks; `missing` for a window that is not
    /// full yet.
    fn rates(&self, counter: impl Fn(&Sample) -> u64, missing: &str) -> String {
        let samples = self.samples();
        let rate = |seconds: usize| -> Option<f64> {
            let last = samples.back()?;
            let first = samples.get(samples.len().checked_sub(seconds + 1)?)?;
            let passed_ms = last.at_ms - first.at_ms;
            let count = counter(last).saturating_sub(counter(first));
            (passed_ms > 0).then(|| count as f64 / passed_ms as f64 * 1000.0)
        };
        [10, 60, 600]
            .map(|seconds| rate(seconds).map_or(missing.to_owned(), compat::json::java_double))
            .join(" ")
    }

    fn samples(&self) -> MutexGuard<'_, VecDeque<Sample>> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A maximum is seldom exceeded: mostly a look does, without a write that other cores would have to hear of.
fn raise(max: &AtomicU64, millis: u128) {
    let millis = u64::try_from(millis).unwrap_or(u64::MAX);
    if millis > max.load(Relaxed) {
        max.fetch_max(millis, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(stats: &Stats, key: &str) -> String {
        let info = stats.runtime_info();
        info.into_iter().find(|(name, _)| *name == key).unwrap().1
    }

    #[test]
    fn a_fresh_broker_prints_what_java_prints() {
        let written = Arc::default();
        let stats = Stats::new(&written);
        let check = |key: &str, expected: &str| assert_eq!(value(&stats, key), expected, "{key}");
        check("putMessageTimesTotal", "1");
        check("putMessageAverageSize", "0.0");
        check("putTps", "  ");
        check("getTotalTps", "0.0 0.0 0.0");
        check(
            "putMessageDistributeTime",
            "[<=0ms]:0 [0~10ms]:0 [10~50ms]:0 [50~100ms]:0 [100~200ms]:0 [200~500ms]:0 [500ms~1s]:0 [1~2s]:0 \
             [2~3s]:0 [3~4s]:0 [4~5s]:0 [5~10s]:0 [10s~]:0 ",
        );
    }

    #[test]
    fn rates_are_of_full_windows() {
        let written = Arc::default();
        let stats = Stats::new(&written);
        for second in 0..=60 {
            stats.sample(second * 1000, 1);
            written.add(2, 200);
            stats.fetched(4, 400);
        }
        let check = |key: &str, expected: &str| assert_eq!(value(&stats, key), expected, "{key}");
        check("putTps", "2.0 2.0 ");
        check("getTransferedTps", "4.0 4.0 ");
        check("getFoundTps", "1.0 1.0 ");
        check("getTotalTps", "1.0 1.0 0.0");
        check("putMessageAverageSize", "100.0");
        check("msgPutTotalTodayNow", "122");
        assert_eq!(stats.history(2), [(59_000, 2.0, 4.0), (60_000, 2.0, 4.0)]);
        assert_eq!(stats.history(600).len(), 60);
        let counts = stats.counts();
        assert_eq!((counts.messages_in, counts.messages_out, counts.bytes_out), (122, 244, 24_400));
    }

    #[test]
    fn midnight_moves_the_mornings() {
        let written = Arc::default();
        let stats = Stats::new(&written);
        let check = |key: &str, expected: &str| assert_eq!(value(&stats, key), expected, "{key}");
        written.add(5, 1);
        stats.sample(0, 1);
        check("msgPutTotalTodayMorning", "0");
        stats.sample(1000, 2);
        check("msgPutTotalTodayMorning", "5");
        written.add(2, 1);
        stats.sample(2000, 3);
        check("msgPutTotalYesterdayMorning", "5");
        check("msgPutTotalTodayMorning", "7");
    }

    #[test]
    fn put_times_fall_into_javas_classes() {
        let written = Arc::default();
        let stats = Stats::new(&written);
        for millis in [0, 1, 10, 11, 5000, 60_000] {
            stats.put_took(Duration::from_millis(millis));
        }
        let distribution = value(&stats, "putMessageDistributeTime");
        assert!(distribution.starts_with("[<=0ms]:1 [0~10ms]:2 [10~50ms]:1 "), "{distribution}");
        assert!(distribution.ends_with("[4~5s]:1 [5~10s]:0 [10s~]:1 "), "{distribution}");
        assert_eq!(value(&stats, "putMessageEntireTimeMax"), "60000");
    }
}
