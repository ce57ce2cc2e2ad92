//! A data directory goes from one kind of broker to the other and back, cleanly closed each time: everything in it
//! stays, and what each appends is read by both. The stock store is asked in between what it finds in the files.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use compat::hash::java_string_hash;
use interop_tests::cluster::{Cluster, Plan, Side, turn};
use interop_tests::{java, process};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(120);
const TOPIC: &str = "Exchange";
const GROUP: &str = "exchange_group";

/// Small files, so that a few hundred messages fill several of each.
const SIZES: [(&str, &str); 4] = [
    ("mapedFileSizeCommitLog", "65536"),
    ("mapedFileSizeConsumeQueue", "1000"),
    ("maxHashSlotNum", "100"),
    ("maxIndexNum", "400"),
];

/// The same with ext files beside the queues, a dozen units in each.
const WITH_EXT: [(&str, &str); 6] = [
    SIZES[0],
    SIZES[1],
    SIZES[2],
    SIZES[3],
    ("enableConsumeQueueExt", "true"),
    ("mappedFileSizeConsumeQueueExt", "250"),
];

type Settings<'a> = &'a [(&'a str, &'a str)];

fn plan(side: Side, store: &Path, settings: Settings<'_>) -> Plan {
    // No producer is asked about its half messages: that would store them again.
    let no_checks = [("transactionCheckInterval", "3600000")];
    Plan::of(side, side).on_store(store).with_settings(settings).with_settings(&no_checks)
}

fn of_kind<'a>(lines: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    lines.iter().filter(move |line| line["kind"] == kind)
}

/// What a stock client gets from a running broker.
struct View {
    lines: Vec<Value>,
}

impl View {
    fn of(cluster: &Cluster) -> View {
        let namesrv = cluster.namesrv_addr.to_string();
        View { lines: java::helper("Pull", &[&namesrv, GROUP, TOPIC], LIMIT) }
    }

    fn messages(&self) -> Vec<&Value> {
        of_kind(&self.lines, "message").collect()
    }

    /// By queue: smallest and largest offset.
    fn ends(&self) -> BTreeMap<i64, (i64, i64)> {
        of_kind(&self.lines, "queue")
            .map(|it| (number(it, "queueId"), (number(it, "min"), number(it, "max"))))
            .collect()
    }

    /// By queue: what the group had committed when the client came.
    fn committed(&self) -> BTreeMap<i64, i64> {
        of_kind(&self.lines, "queue").map(|it| (number(it, "queueId"), number(it, "committed"))).collect()
    }

    /// By queue: what the client committed before it left.
    fn commits(&self) -> BTreeMap<i64, i64> {
        of_kind(&self.lines, "commit").map(|it| (number(it, "queueId"), number(it, "offset"))).collect()
    }
}

/// What a stock client finds by id, by key and by time.
struct Lookup {
    by_id: Vec<Value>,
    by_key: Vec<Value>,
    by_time: Vec<Value>,
}

impl Lookup {
    fn of(cluster: &Cluster) -> Lookup {
        let namesrv = cluster.namesrv_addr.to_string();
        let (host, port) = (cluster.broker_addr.ip().to_string(), cluster.broker_addr.port().to_string());
        let lines = java::helper("Find", &[&namesrv, TOPIC, &host, &port], LIMIT);
        let lines_of = |kind| of_kind(&lines, kind).cloned().collect();
        Lookup { by_id: lines_of("byId"), by_key: lines_of("byKey"), by_time: lines_of("byTime") }
    }

    /// Finds each message by its id and by each of its keys, and no other.
    fn check(&self, view: &View) {
        let messages = view.messages();
        assert_eq!(self.by_id.len(), messages.len());
        let places: Vec<i64> = messages.iter().map(|it| number(it, "physicalOffset")).collect();
        for way in ["found", "byUnique"] {
            let found: Vec<i64> = self.by_id.iter().map(|it| number(it, way)).collect();
            assert_eq!(found, places, "{way}");
        }
        let mut by_key: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
        for message in &messages {
            let properties = &message["properties"];
            let keys = properties["KEYS"].as_str().into_iter().flat_map(|keys| keys.split(' '));
            for key in keys {
                by_key.entry(key).or_default().push(number(message, "physicalOffset"));
            }
        }
        for line in &self.by_key {
            let key = line["key"].as_str().expect("a text");
            let mut expected = by_key.get(key).cloned().unwrap_or_default();
            expected.sort_unstable();
            // The newest 64 are given.
            expected.drain(..expected.len().saturating_sub(64));
            let found: Vec<i64> = serde_json::from_value(line["found"].clone()).expect("numbers");
            assert_eq!(found, expected, "{key}");
        }
        assert_eq!(self.by_key.len(), by_key.len() + 1, "and one that no message has");
    }

    /// Finds the message that was stored at a time, or the nearest: the first of several. Java looks into the file
    /// whose time of modification fits, and may find another one at a file's edge.
    fn check_times(&self, view: &View) {
        for line in &self.by_time {
            let (queue, time, found) = (number(line, "queueId"), number(line, "time"), number(line, "found"));
            let stored: Vec<(i64, i64)> = view
                .messages()
                .iter()
                .filter(|it| number(it, "queueId") == queue)
                .map(|it| (number(it, "queueOffset"), number(it, "storeTimestamp")))
                .collect();
            let nearest = stored.iter().map(|(_, at)| (at - time).abs()).min().expect("messages");
            let (_, at) = stored.iter().find(|(offset, _)| *offset == found).expect("a message's offset");
            assert_eq!((at - time).abs(), nearest, "{line}");
        }
    }
}

fn number(line: &Value, name: &str) -> i64 {
    line[name].as_i64().unwrap_or_else(|| panic!("{name} in {line}"))
}

/// Sends messages of all kinds; gives how many records they lead to.
fn load(cluster: &Cluster, count: usize, seed: usize) -> usize {
    let namesrv = cluster.namesrv_addr.to_string();
    let (count_text, seed) = (count.to_string(), seed.to_string());
    let sent = java::helper("Load", &[&namesrv, TOPIC, &count_text, &seed, "transactions"], LIMIT);
    assert_eq!(sent.len(), count);
    let records = sent.iter().map(|line| number(line, "records") as usize).sum();
    assert!(records > count, "no transactions");
    records
}

/// What the stock store reads in a closed directory: the records in log order and the units by queue and offset.
struct Contents {
    records: Vec<Value>,
    units: BTreeMap<(String, i64, i64), Value>,
    has_ext: bool,
}

impl Contents {
    fn of(store: &Path, settings: Settings<'_>) -> Contents {
        let sizes: Vec<String> = settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mut arguments = vec!["read", store.to_str().expect("a plain path")];
        arguments.extend(sizes.iter().map(String::as_str));
        let lines = java::helper("StoreTool", &arguments, LIMIT);
        let gaps: Vec<&Value> = of_kind(&lines, "gap").chain(of_kind(&lines, "bad")).collect();
        assert!(gaps.is_empty(), "{gaps:?}");
        let records = of_kind(&lines, "record").map(|record| {
            let mut record = record.clone();
            // The index is compared where it is written: by its own tests.
            record.as_object_mut().expect("a line is an object").remove("indexed");
            record
        });
        let units = of_kind(&lines, "unit").map(|unit| (place(unit), unit.clone())).collect();
        let has_ext = settings.contains(&("enableConsumeQueueExt", "true"));
        Contents { records: records.collect(), units, has_ext }
    }

    /// Every record has its unit and every unit its record, offsets of a queue without gaps.
    fn check(&self) {
        assert_eq!(self.records.len(), self.units.len(), "a unit for each record");
        for record in &self.records {
            let unit = self.units.get(&place(record)).unwrap_or_else(|| panic!("no unit for {record}"));
            assert_eq!(
                (number(unit, "physicalOffset"), number(unit, "size")),
                (number(record, "physicalOffset"), number(record, "size")),
                "{record}"
            );
            let stored = if self.has_ext { number(record, "storeTimestamp") } else { 0 };
            assert_eq!(
                (&unit["ext"], number(unit, "extStoreTime")),
                (&self.has_ext.into(), stored),
                "{record}"
            );
            if record["topic"] == TOPIC {
                let properties = record["properties"].as_str().expect("a text");
                let tags = properties.split('\u{2}').find_map(|it| it.strip_prefix("TAGS\u{1}"));
                assert_eq!(
                    number(unit, "tagsCode"),
                    tags.map_or(0, |it| java_string_hash(it).into()),
                    "{record}"
                );
            }
        }
        let mut next = BTreeMap::new();
        for (topic, queue, offset) in self.units.keys() {
            let expected = next.entry((topic, queue)).or_insert(0);
            assert_eq!(offset, expected, "{topic} {queue}");
            *expected += 1;
        }
    }

    /// Everything of before is there unchanged, with so many records behind it.
    fn check_grown(&self, before: &Contents, by: usize) {
        assert_eq!(self.records.len(), before.records.len() + by);
        for (now, then) in self.records.iter().zip(&before.records) {
            assert_eq!(now, then);
        }
        for (place, unit) in &before.units {
            assert_eq!(self.units.get(place), Some(unit));
        }
    }
}

fn place(line: &Value) -> (String, i64, i64) {
    let topic = line["topic"].as_str().expect("a text").to_owned();
    (topic, number(line, "queueId"), number(line, "queueOffset"))
}

/// `first` fills a directory, `second` reads it and appends, `first` reads it all and appends once more.
fn exchange(first: Side, second: Side, settings: Settings<'_>) {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("store");

    let cluster = Cluster::start(&plan(first, &store, settings));
    let first_count = load(&cluster, 400, 1);
    let filled = View::of(&cluster);
    let found = Lookup::of(&cluster);
    found.check(&filled);
    cluster.stop();
    let after_first = Contents::of(&store, settings);
    after_first.check();
    assert_eq!(after_first.records.len(), first_count);

    let cluster = Cluster::start(&plan(second, &store, settings));
    let passed_on = View::of(&cluster);
    assert_eq!(passed_on.messages(), filled.messages());
    assert_eq!(passed_on.ends(), filled.ends());
    assert_eq!(passed_on.committed(), filled.commits());
    let found_again = Lookup::of(&cluster);
    assert_eq!((&found_again.by_id, &found_again.by_key), (&found.by_id, &found.by_key));
    if second == Side::Ours {
        found_again.check_times(&passed_on);
    }
    let second_count = load(&cluster, 300, 2);
    let appended = View::of(&cluster);
    cluster.stop();
    let after_second = Contents::of(&store, settings);
    after_second.check();
    after_second.check_grown(&after_first, second_count);

    let cluster = Cluster::start(&plan(first, &store, settings));
    let back = View::of(&cluster);
    assert_eq!(back.messages(), appended.messages());
    assert_eq!(back.ends(), appended.ends());
    assert_eq!(back.committed(), appended.commits());
    Lookup::of(&cluster).check(&back);
    let third_count = load(&cluster, 100, 3);
    cluster.stop();
    let at_last = Contents::of(&store, settings);
    at_last.check();
    at_last.check_grown(&after_second, third_count);
}

/// The suite itself.
#[test]
fn java_to_java_and_back() {
    exchange(Side::Java, Side::Java, &SIZES);
}

#[test]
fn java_to_ours_and_back() {
    exchange(Side::Java, Side::Ours, &SIZES);
}

#[test]
fn ours_to_java_and_back() {
    exchange(Side::Ours, Side::Java, &SIZES);
}

/// `first` is killed with the messages not yet flushed and its directory open; `second` recovers them all, appends,
/// and is killed in turn; `first` recovers what both wrote.
fn crash(first: Side, second: Side, settings: Settings<'_>) {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("store");

    let cluster = Cluster::start(&plan(first, &store, settings));
    let mut all = load(&cluster, 400, 4);
    let filled = View::of(&cluster);
    cluster.kill();

    let cluster = Cluster::start(&plan(second, &store, settings));
    let recovered = View::of(&cluster);
    // A Java broker drops the newest index file after a kill, and with it what it does not walk again.
    if second == Side::Ours {
        Lookup::of(&cluster).check(&recovered);
    }
    assert_eq!(recovered.messages(), filled.messages());
    assert_eq!(recovered.ends(), filled.ends());
    all += load(&cluster, 300, 5);
    let appended = View::of(&cluster);
    cluster.kill();

    let cluster = Cluster::start(&plan(first, &store, settings));
    let back = View::of(&cluster);
    assert_eq!(back.messages(), appended.messages());
    assert_eq!(back.ends(), appended.ends());
    cluster.stop();
    let at_last = Contents::of(&store, settings);
    at_last.check();
    assert_eq!(at_last.records.len(), all);
}

#[test]
fn ours_recovers_what_a_killed_java_leaves() {
    crash(Side::Java, Side::Ours, &SIZES);
}

#[test]
fn java_recovers_what_a_killed_broker_of_ours_leaves() {
    crash(Side::Ours, Side::Java, &SIZES);
}

#[test]
fn java_to_ours_and_back_with_ext() {
    exchange(Side::Java, Side::Ours, &WITH_EXT);
}

#[test]
fn ours_to_java_and_back_with_ext() {
    exchange(Side::Ours, Side::Java, &WITH_EXT);
}

#[test]
fn ours_recovers_what_a_killed_java_leaves_with_ext() {
    crash(Side::Java, Side::Ours, &WITH_EXT);
}

#[test]
fn java_recovers_what_a_killed_broker_of_ours_leaves_with_ext() {
    crash(Side::Ours, Side::Java, &WITH_EXT);
}

/// Two brokers never write to one directory, whoever came first.
#[test]
fn a_directory_in_use_is_refused() {
    let _turn = turn();
    for side in [Side::Java, Side::Ours] {
        let folder = tempfile::tempdir().expect("a folder");
        let store = folder.path().join("store");
        let cluster = Cluster::start(&plan(side, &store, &SIZES));

        let home = tempfile::tempdir().expect("a home for the JVM");
        let mut command = java::command("interop.StoreTool", home.path());
        command.arg("read").arg(&store).args(SIZES.map(|(key, value)| format!("{key}={value}")));
        let output = process::run("StoreTool", command, None, LIMIT);
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && printed.contains("MQ already started"), "{side:?}: {printed}");

        let refused = Cluster::try_start(&plan(Side::Ours, &store, &SIZES));
        let Err(why) = refused else {
            panic!("our broker starts in a directory of a running {side:?} broker")
        };
        assert!(why.contains("a server ended"), "{why}");
        assert!(why.contains("is in use"), "our broker does not say what is wrong: {why}");
        drop(cluster);
    }
}
