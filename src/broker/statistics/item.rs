//! What is counted of one key, and its sums over the last minute, hour and day (Java: `StatsItem`, `StatsSnapshot`). Which
//! keys there are is `statistics`'.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The windows, in the order in which Java has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    Minute,
    Hour,
    Day,
}

impl Window {
    pub const ALL: [Window; 3] = [Window::Minute, Window::Hour, Window::Day];

    /// Between two samples.
    pub fn step_ms(self) -> i64 {
        match self {
            Window::Minute => 10_000,
            Window::Hour => 600_000,
            Window::Day => 3_600_000,
        }
    }

    /// Samples that span the window.
    fn samples(self) -> usize {
        match self {
            Window::Minute | Window::Hour => 7,
            Window::Day => 25,
        }
    }

    /// As log lines name it.
    pub fn name(self) -> &'static str {
        match self {
            Window::Minute => "Minute",
            Window::Hour => "Hour",
            Window::Day => "Day",
        }
    }
}

/// What a window holds. Java: `StatsSnapshot`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Snapshot {
    pub sum: i64,
    /// A second.
    pub tps: f64,
    /// A time.
    pub avgpt: f64,
}

/// `N` values that are counted at the same times, where Java has an item for each: they share a cache line, one count of
/// times, and their samples.
#[derive(Debug)]
#[repr(align(64))]
pub struct Item<const N: usize> {
    values: [AtomicI64; N],
    times: AtomicI64,
    samples: Mutex<[VecDeque<Sample<N>>; 3]>,
}

#[derive(Debug, Clone, Copy)]
struct Sample<const N: usize> {
    at_ms: i64,
    times: i64,
    values: [i64; N],
}

impl<const N: usize> Default for Item<N> {
    fn default() -> Item<N> {
        Item {
            values: std::array::from_fn(|_| AtomicI64::new(0)),
            times: AtomicI64::new(0),
            samples: Mutex::default(),
        }
    }
}

impl<const N: usize> Item<N> {
    /// Counts one time.
    pub fn add(&self, values: [i64; N]) {
        self.add_to_sum(values);
        self.times.fetch_add(1, Relaxed);
    }

    /// Counts without a time: such an item has no average, as Java's of the whole broker.
    pub fn add_to_sum(&self, values: [i64; N]) {
        for (total, value) in self.values.iter().zip(values) {
            total.fetch_add(value, Relaxed);
        }
    }

    /// One of the values, counted since the start.
    pub fn value(&self, index: usize) -> i64 {
        self.values[index].load(Relaxed)
    }

    /// Whether anything was ever counted: until then Java has no such item.
    pub fn is_used(&self) -> bool {
        self.times.load(Relaxed) > 0 || self.values.iter().any(|value| value.load(Relaxed) != 0)
    }

    /// Takes a sample for a window. What came before the first one counts, too: Java leaves it out.
    pub fn sample(&self, window: Window, now_ms: i64) {
        if !self.is_used() {
            return;
        }
        let values = std::array::from_fn(|index| self.values[index].load(Relaxed));
        let sample = Sample { at_ms: now_ms, times: self.times.load(Relaxed), values };
        let mut samples = self.samples();
        let samples = &mut samples[window as usize];
        if samples.is_empty() {
            samples.push_back(Sample { at_ms: now_ms - window.step_ms(), times: 0, values: [0; N] });
        }
        if samples.len() == window.samples() {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// What a window says of one of the values.
    pub fn snapshot(&self, index: usize, window: Window) -> Snapshot {
        let samples = self.samples();
        let samples = &samples[window as usize];
        let (Some(first), Some(last)) = (samples.front(), samples.back()) else { return Snapshot::default() };
        let sum = last.values[index] - first.values[index];
        let (passed_ms, times) = (last.at_ms - first.at_ms, last.times - first.times);
        Snapshot {
            sum,
            tps: if passed_ms > 0 { sum as f64 * 1000.0 / passed_ms as f64 } else { 0.0 },
            avgpt: if times > 0 { sum as f64 / times as f64 } else { 0.0 },
        }
    }

    /// Whether nothing was counted within a whole day.
    pub fn is_idle(&self) -> bool {
        let samples = self.samples();
        let day = &samples[Window::Day as usize];
        !self.is_used()
            || day.len() == Window::Day.samples()
                && day.front().map(|it| (it.times, it.values)) == day.back().map(|it| (it.times, it.values))
    }

    fn samples(&self) -> MutexGuard<'_, [VecDeque<Sample<N>>; 3]> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_what_came_between_its_first_and_its_last_sample() {
        let item = Item::<2>::default();
        let check = |index: usize, window: Window, sum: i64, tps: f64, avgpt: f64| {
            assert_eq!(item.snapshot(index, window), Snapshot { sum, tps, avgpt });
        };
        check(0, Window::Minute, 0, 0.0, 0.0);
        item.add([5, 500]);
        check(0, Window::Minute, 0, 0.0, 0.0);
        item.sample(Window::Minute, 0);
        check(0, Window::Minute, 5, 0.5, 5.0);
        item.add([3, 300]);
        item.add([1, 100]);
        item.sample(Window::Minute, 10_000);
        check(0, Window::Minute, 9, 0.45, 3.0);
        check(1, Window::Minute, 900, 45.0, 300.0);
        check(0, Window::Hour, 0, 0.0, 0.0);
    }

    #[test]
    fn windows_move_on() {
        let item = Item::<1>::default();
        for step in 0..=30 {
            item.add([6]);
            for window in Window::ALL {
                item.sample(window, step * window.step_ms());
            }
        }
        assert_eq!(item.snapshot(0, Window::Minute), Snapshot { sum: 36, tps: 0.6, avgpt: 6.0 });
        assert_eq!(item.snapshot(0, Window::Hour), Snapshot { sum: 36, tps: 0.01, avgpt: 6.0 });
        let day = item.snapshot(0, Window::Day);
        assert_eq!((day.sum, day.avgpt), (144, 6.0));
        assert!((day.tps - 144.0 / 86_400.0).abs() < 1e-12, "{day:?}");
    }

    #[test]
    fn an_item_is_idle_after_a_day_without_a_count() {
        let item = Item::<1>::default();
        assert!(item.is_idle(), "never used");
        item.add([1]);
        let mut hours = 0..;
        let mut sample = |count: i64| {
            for hour in hours.by_ref().take(count as usize) {
                item.sample(Window::Day, hour * Window::Day.step_ms());
            }
            item.is_idle()
        };
        assert!(!sample(24));
        assert!(sample(1));
        assert!(sample(30));
        item.add([1]);
        assert!(!sample(24));
        assert!(sample(1));
    }
}
