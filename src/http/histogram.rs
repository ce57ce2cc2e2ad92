//! Times in fixed classes: counting is a search in a short table and two additions, and takes no lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the classes, µs; what is longer has a class of its own.
pub const BOUNDS_US: [u64; 19] = [
    5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 10_000_000,
];

/// How long something took, since the start.
#[derive(Debug, Default)]
pub struct Histogram {
    classes: [AtomicU64; BOUNDS_US.len() + 1],
    sum_ns: AtomicU64,
}

/// A histogram at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Times {
    /// By class, each without the lower ones.
    pub classes: [u64; BOUNDS_US.len() + 1],
    pub sum_seconds: f64,
}

impl Histogram {
    /// Something took so long.
    pub fn add(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let class = BOUNDS_US.partition_point(|bound| bound * 1000 < nanos);
        self.classes[class].fetch_add(1, Relaxed);
        self.sum_ns.fetch_add(nanos, Relaxed);
    }

    /// What was counted.
    pub fn times(&self) -> Times {
        Times {
            classes: std::array::from_fn(|class| self.classes[class].load(Relaxed)),
            sum_seconds: self.sum_ns.load(Relaxed) as f64 / 1e9,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_into_their_classes() {
        let check = |nanos: u64, class: usize| {
            let histogram = Histogram::default();
            histogram.add(Duration::from_nanos(nanos));
            let times = histogram.times();
            assert_eq!(times.classes.iter().position(|count| *count == 1), Some(class), "{nanos}");
            assert!((times.sum_seconds - nanos as f64 / 1e9).abs() < 1e-12);
        };
        check(0, 0);
        check(5000, 0);
        check(5001, 1);
        check(1_000_000, 7);
        check(10_000_000_000, 18);
        check(10_000_000_001, 19);
        assert!(BOUNDS_US.is_sorted());
    }
}
