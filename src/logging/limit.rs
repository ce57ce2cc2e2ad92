//! A bound on lines that a peer can have written as often as it likes, lest they roll everything else out of the files: so
//! many in ten seconds from one place in the source. What is more is counted, and the next line from there says how many
//! (`left_out`). Java logs each.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::{Level, Metadata};

const PERIOD: Duration = Duration::from_secs(10);
/// Warnings and errors: whoever reads a hundred of a kind knows enough.
const TROUBLE_MAX: u64 = 100;
/// Thousands of clients that come back after a restart have their lines, and so have a broker's topics.
const INFO_MAX: u64 = 10_000;

/// What each place in the source has logged of late.
#[derive(Default)]
pub(super) struct Limit {
    places: Mutex<HashMap<Identifier, Place>>,
}

struct Place {
    began: Instant,
    lines: u64,
    left_out: u64,
}

impl Limit {
    /// Whether an event is to be logged: how many like it were not since the last that was.
    pub(super) fn admit(&self, event: &Metadata<'_>, now: Instant) -> Option<u64> {
        let most = match *event.level() {
            // An operator has asked for them.
            Level::DEBUG | Level::TRACE => return Some(0),
            // So many as there are topics and groups, each minute.
            _ if event.target() == "stats" => return Some(0),
            Level::INFO => INFO_MAX,
            _ => TROUBLE_MAX,
        };
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let new = Place { began: now, lines: 0, left_out: 0 };
        let place = places.entry(event.callsite()).or_insert(new);
        if now.saturating_duration_since(place.began) >= PERIOD {
            (place.began, place.lines) = (now, 0);
        }
        if place.lines >= most {
            place.left_out += 1;
            return None;
        }
        place.lines += 1;
        Some(std::mem::take(&mut place.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::callsite::Callsite;

    #[test]
    fn a_place_logs_so_much_and_then_counts() {
        let warn = tracing::callsite! { name: "a", kind: tracing::metadata::Kind::EVENT, level: Level::WARN, fields: message };
        let other = tracing::callsite! { name: "b", kind: tracing::metadata::Kind::EVENT, level: Level::ERROR, fields: message };
        let debug = tracing::callsite! { name: "c", kind: tracing::metadata::Kind::EVENT, level: Level::DEBUG, fields: message };
        let (limit, began) = (Limit::default(), Instant::now());
        let admitted = |at: &dyn Callsite, now, count: u64| {
            (0..count).filter_map(|_| limit.admit(at.metadata(), now)).collect::<Vec<_>>()
        };
        assert_eq!(admitted(warn, began, 20_000), [0; TROUBLE_MAX as usize]);
        assert!(admitted(warn, began + PERIOD / 2, 1).is_empty());
        assert_eq!(admitted(other, began, 1), [0]);
        assert_eq!(admitted(warn, began + PERIOD, 2), [20_001 - TROUBLE_MAX, 0]);
        assert_eq!(admitted(debug, began, 200).len(), 200);
    }
}
