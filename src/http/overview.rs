//! What the page shows, as `/api/overview.json` has it. The page keeps what has passed; only rates of the last minutes come
//! from here, so that a page that has just been opened shows something.

use serde::Serialize;

use super::histogram::Times;
use super::process::Process;

/// Rows of a table that are given at most.
pub const ROWS_MAX: usize = 200;

/// Which topics and groups are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// The program's own, too.
    pub system: bool,
    /// Those that have this in their names; in lower case.
    pub find: String,
}

impl View {
    /// From a query: `system=1&find=TEXT`. What else it has is passed over.
    pub fn of(query: &str) -> View {
        let mut view = View::default();
        for (name, value) in query.split('&').filter_map(|field| field.split_once('=')) {
            match name {
                "system" => view.system = value == "1",
                "find" => view.find = decoded(value).trim().to_lowercase(),
                _ => {}
            }
        }
        view
    }

    /// Whether a row with these names is wanted.
    pub fn wants(&self, is_system: bool, names: &[&str]) -> bool {
        let is_found = |name: &&str| name.to_lowercase().contains(&self.find);
        (self.system || !is_system) && (self.find.is_empty() || names.iter().any(is_found))
    }
}

/// A query's value as it was meant: `%41`, and `+` for a blank.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, behind @ ..] = rest {
        let escaped = value.get(value.len() - behind.len()..value.len() - behind.len() + 2);
        match (first, escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &behind[2..];
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
        rest = behind;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A server at one moment. What it does not have is left out.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// `broker` or `name server`.
    pub kind: &'static str,
    pub name: String,
    pub cluster: String,
    /// `ASYNC_MASTER` …
    pub role: String,
    pub addr: String,
    pub version: String,
    pub now_ms: i64,
    pub uptime_ms: i64,
    /// Why requests should go elsewhere.
    pub trouble: Option<String>,
    pub connections: usize,
    pub process: Process,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<Store>,
    /// Of the cluster, as a name server knows them.
    pub brokers: Vec<BrokerRow>,
    pub slaves: Vec<SlaveRow>,
    /// Of those that are wanted the busiest first.
    pub topics: Vec<TopicRow>,
    /// How many are wanted.
    pub topics_in_all: usize,
    /// Pairs of a group and a topic, of those that are wanted the furthest behind first.
    pub groups: Vec<GroupRow>,
    /// How many pairs are wanted, and how many groups are in them.
    pub pairs_in_all: usize,
    pub groups_in_all: usize,
}

/// What goes in and out, counted since the start.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    pub messages_in: u64,
    pub bytes_in: u64,
    pub messages_out: u64,
    pub bytes_out: u64,
    pub refused: u64,
    pub long_polls: usize,
    /// Messages that groups have still to consume.
    pub lag: i64,
    /// Puts by how long they took; the bounds of the classes, µs.
    pub put_classes: Vec<u64>,
    pub bounds_us: Vec<u64>,
    /// Of the last minutes, the oldest first: when, ms, and messages in and out a second.
    pub history: Vec<(i64, f64, f64)>,
}

impl Traffic {
    /// The classes of put times.
    pub fn classes(times: &Times) -> Vec<u64> {
        times.classes.to_vec()
    }
}

/// The disk and what is on it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Store {
    pub min_offset: i64,
    pub max_offset: i64,
    pub to_flush_bytes: i64,
    pub to_dispatch_bytes: i64,
    pub disk_ratio: f64,
    pub disk_free_bytes: u64,
    pub disk_total_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BrokerRow {
    pub cluster: String,
    pub name: String,
    pub id: i64,
    pub addr: String,
    /// The one that answers.
    pub is_this: bool,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SlaveRow {
    pub addr: String,
    pub lag_bytes: i64,
    pub bytes_per_second: i64,
    pub in_sync: bool,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicRow {
    pub name: String,
    /// One of the program's own, of a group's retries, or of its dead letters.
    pub is_system: bool,
    pub queues: i32,
    /// Since the start.
    pub messages_in: u64,
    pub bytes_in: u64,
    pub messages_out: u64,
    /// In the queues now.
    pub stored: i64,
    /// Of the last minute, messages a second.
    pub rate_in: f64,
    pub rate_out: f64,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupRow {
    pub name: String,
    pub topic: String,
    pub is_system: bool,
    /// Consumers that are connected.
    pub online: usize,
    /// Some of them want other messages than the rest.
    pub at_odds: bool,
    pub lag: i64,
    pub messages_out: u64,
    pub rate_out: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_say_what_is_wanted() {
        let check = |query: &str, system: bool, find: &str| {
            assert_eq!(View::of(query), View { system, find: find.to_owned() }, "{query}");
        };
        check("", false, "");
        check("system=1&find=Orders", true, "orders");
        check("system=0&find=%25RETRY%25a+b&x=y&z", false, "%retry%a b");
        // What is no escape stays as it is.
        check("find=%", false, "%");
        check("find=%4", false, "%4");
        check("find=%zz%C3%A4%C3", false, "%zzä\u{fffd}");
        check("find=%4\u{e4}", false, "%4ä");
    }

    #[test]
    fn rows_are_found_by_their_names() {
        let view = View::of("find=ORD");
        assert!(view.wants(false, &["workers", "orders"]) && !view.wants(false, &["workers"]));
        assert!(!view.wants(true, &["orders"]) && View::of("system=1").wants(true, &["orders"]));
    }
}
