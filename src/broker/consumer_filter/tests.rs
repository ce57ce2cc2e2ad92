//! Filters come, change, end, are kept in Java's file, and what is known of a message when it is stored is right.

use std::path::Path;

use super::*;
use crate::clock;

const START_MS: i64 = 1_000_000;

struct Bench {
    folder: tempfile::TempDir,
    hand: Arc<AtomicI64>,
    filters: ConsumerFilters,
}

fn open(folder: &Path, hand: &Arc<AtomicI64>) -> ConsumerFilters {
    let shown = Arc::clone(hand);
    let clock = Clock::of(move || shown.load(Ordering::Relaxed));
    ConsumerFilters::open(folder.join("consumerFilter.json"), BloomFilter::new(20, 32), clock).unwrap()
}

fn sql(topic: &str, text: &str, sub_version: i64) -> SubscriptionData {
    SubscriptionData { sub_version, ..SubscriptionData::build(topic, Some(text), Some("SQL92")).unwrap() }
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let (_, hand) = clock::manual(START_MS);
        let filters = open(folder.path(), &hand);
        Bench { folder, hand, filters }
    }

    fn later(&self, ms: i64) {
        self.hand.fetch_add(ms, Ordering::Relaxed);
    }

    fn restart(&mut self) {
        self.filters.persist(i64::MAX).unwrap();
        self.filters = open(self.folder.path(), &self.hand);
    }

    /// Version, expression, and whether it is without consumers.
    fn state(&self, topic: &str, group: &str) -> Option<(i64, String, bool)> {
        let filter = self.filters.get(topic, group)?;
        Some((filter.client_version(), filter.text.clone(), filter.is_dead()))
    }

    fn wanted(&self, topic: &str, group: &str) -> Wanted {
        Wanted {
            subscription: Arc::new(sql(topic, "x", 1)),
            filter: self.filters.get(topic, group),
            retries: None,
        }
    }
}

fn state(version: i64, text: &str, is_dead: bool) -> Option<(i64, String, bool)> {
    Some((version, text.to_owned(), is_dead))
}

#[test]
fn filters_come_change_end_and_revive() {
    let bench = Bench::new();
    let filters = &bench.filters;
    filters.register("g", &[sql("T", "a > 1", 5), SubscriptionData::of_tags("U", None).unwrap()]);
    assert_eq!((bench.state("T", "g"), bench.state("U", "g")), (state(5, "a > 1", false), None));
    filters.register("g", &[sql("T", "a > 2", 4)]);
    filters.register("g", &[sql("T", "a > 2", 5)]);
    assert_eq!(
        bench.state("T", "g"),
        state(5, "a > 1", false),
        "an older version, or the same, changes nothing"
    );
    filters.register("g", &[sql("T", "a > 2", 6)]);
    assert_eq!(bench.state("T", "g"), state(6, "a > 2", false));
    filters.register("g", &[sql("U", "b = 1", 7)]);
    assert_eq!(bench.state("T", "g"), state(6, "a > 2", true), "no longer subscribed");
    filters.register("g", &[sql("T", "a > 2", 6)]);
    assert_eq!(bench.state("T", "g"), state(6, "a > 2", false));
    filters.register("g", &[sql("T", "a > ", 8)]);
    assert_eq!(bench.state("T", "g"), None, "what does not compile ends what was before it");
    filters.register("g", &[sql("T", "a > 2", 9)]);
    filters.unregister("g");
    assert_eq!(bench.state("T", "g"), state(9, "a > 2", true));
    filters.register("g", &[sql("T", "a > 2", 10)]);
    assert_eq!(bench.state("T", "g"), state(10, "a > 2", false));
}

#[test]
fn filters_have_a_budget_together() {
    let bench = Bench::new();
    let filters = &bench.filters;
    let topics: Vec<String> = (0..=FILTERS_MAX).map(|number| format!("topic{number}")).collect();
    let all: Vec<SubscriptionData> = topics.iter().map(|topic| sql(topic, "a > 1", 1)).collect();
    filters.register("g", &all);
    assert_eq!(filters.read().count, FILTERS_MAX);
    assert_eq!(bench.state(topics.last().unwrap(), "g"), None);
    // What is known may change.
    filters.register("g", &[&all[1..FILTERS_MAX], &[sql("topic0", "a > 2", 2)]].concat());
    assert_eq!(bench.state("topic0", "g"), state(2, "a > 2", false));
    // Whose consumers have gone make room.
    filters.unregister("g");
    bench.later(MAKE_ROOM_EVERY_MS);
    filters.register("h", &[sql("T", "a > 1", 1)]);
    assert_eq!((bench.state("T", "h"), filters.read().count), (state(1, "a > 1", false), 1));
    let long = format!("a = '{}'", "x".repeat(200_000));
    let texts: Vec<SubscriptionData> = topics[..50].iter().map(|topic| sql(topic, &long, 1)).collect();
    filters.register("g", &texts);
    assert_eq!(filters.read().count, 1 + TEXTS_MAX_BYTES / long.len());
    assert!(filters.read().text_bytes <= TEXTS_MAX_BYTES);
}

#[test]
fn filters_of_names_that_cannot_be_are_passed_over() {
    let bench = Bench::new();
    for (group, topic) in [("a/b", "T"), ("g", "../T"), ("", "T"), ("g", "")] {
        bench.filters.register(group, &[sql(topic, "a > 1", 1)]);
    }
    assert_eq!(bench.filters.read().count, 0);
}

#[test]
fn the_file_is_javas() {
    let mut bench = Bench::new();
    bench.filters.register("g1", &[sql("t1", "a > 5", 123_456)]);
    bench.filters.persist(i64::MAX).unwrap();
    let text = std::fs::read_to_string(bench.folder.path().join("consumerFilter.json")).unwrap();
    let flat: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    assert_eq!(
        flat,
        "{\"filterDataByTopic\":{\"t1\":{\"groupFilterData\":{\"g1\":{\"bloomFilterData\":{\"bitNum\":112,\"bitPos\":[19,102,73]},\
         \"bornTime\":1000000,\"clientVersion\":123456,\"consumerGroup\":\"g1\",\"dead\":false,\"deadTime\":0,\
         \"expression\":\"a>5\",\"expressionType\":\"SQL92\",\"topic\":\"t1\"}},\"topic\":\"t1\"}}}"
    );
    bench.later(60_000);
    bench.restart();
    let filter = bench.filters.get("t1", "g1").unwrap();
    assert_eq!((filter.born_ms, filter.dead_ms()), (START_MS, START_MS + 30_000));
    assert_eq!(bench.state("t1", "g1"), state(123_456, "a > 5", true));
    // Without consumers for too long.
    bench.filters.persist(30_001).unwrap();
    assert!(bench.filters.get("t1", "g1").is_some());
    bench.later(1);
    bench.filters.persist(30_001).unwrap();
    bench.restart();
    assert!(bench.filters.get("t1", "g1").is_none());
}

#[test]
fn a_file_of_another_bloom_filter_or_with_nonsense_is_passed_over() {
    let bench = Bench::new();
    let entry = |positions: &str, expression: &str| {
        format!(
            "{{\"filterDataByTopic\":{{\"t1\":{{\"topic\":\"t1\",\"groupFilterData\":{{\"g1\":{{\"bloomFilterData\":{{\"bitNum\":112,\
             \"bitPos\":{positions}}},\"consumerGroup\":\"g1\",\"topic\":\"t1\",\"expression\":\"{expression}\",\
             \"expressionType\":\"SQL92\"}}}}}}}}}}"
        )
    };
    let check = |text: &str, expected: bool| {
        std::fs::write(bench.folder.path().join("consumerFilter.json"), text).unwrap();
        let filters = open(bench.folder.path(), &bench.hand);
        assert_eq!(filters.get("t1", "g1").is_some(), expected, "{text}");
    };
    check(&entry("[19,102,73]", "a > 5"), true);
    check(&entry("[19,102,74]", "a > 5"), false);
    check(&entry("[19,102]", "a > 5"), false);
    check(&entry("[19,102,73]", "a >"), false);
    check("{\"filterDataByTopic\":{\"t1\":{\"groupFilterData\":{\"g1\":{}}}}}", false);
}

#[test]
fn bits_say_what_the_message_is_for() {
    let bench = Bench::new();
    assert!(bench.filters.bits("T", "a\u{1}1\u{2}").is_empty());
    bench.filters.register("g", &[sql("T", "a > 5", 1)]);
    bench.filters.register("h", &[sql("T", "a < 5", 1)]);
    let ext = |properties: &str, store_timestamp_ms: i64| ExtUnit {
        tags_code: 0,
        store_timestamp_ms,
        bitmap: bench.filters.bits("T", properties),
    };
    let (g, h) = (bench.wanted("T", "g"), bench.wanted("T", "h"));
    let (small, large) = ("a\u{1}1\u{2}", "a\u{1}9\u{2}");
    let check = |properties: &str, store_ms: i64, expected: [bool; 2]| {
        let ext = ext(properties, store_ms);
        assert_eq!([&g, &h].map(|wanted| wanted.matches_ext(&ext)), expected, "{properties:?} at {store_ms}");
    };
    check(small, START_MS + 1, [false, true]);
    check(large, START_MS + 1, [true, false]);
    check("", START_MS + 1, [false, false]);
    check(small, START_MS, [true, true]);
    for bitmap in [vec![], vec![0; 8]] {
        let ext = ExtUnit { tags_code: 0, store_timestamp_ms: START_MS + 1, bitmap };
        assert!(g.matches_ext(&ext), "what is not of this filter's size says nothing");
    }
    assert!(bench.filters.bits("U", small).is_empty());
    assert_eq!([&g, &h].map(|wanted| wanted.may_match(0, small)), [false, true]);
}

#[test]
fn retried_messages_are_filtered_by_their_own_topics_filter() {
    let bench = Bench::new();
    bench.filters.register("g", &[sql("T", "a > 5", 1)]);
    let filters = Arc::new(open(bench.folder.path(), &bench.hand));
    filters.register("g", &[sql("T", "a > 5", 1)]);
    let subscription = Arc::new(SubscriptionData::of_tags("%RETRY%g", None).unwrap());
    let plain = Wanted::tags(Arc::clone(&subscription));
    let retries = Wanted { retries: Some(filters), ..Wanted::tags(subscription) };
    let check = |properties: &str, expected: bool| {
        assert!(plain.may_match(0, properties));
        assert_eq!(retries.may_match(0, properties), expected, "{properties:?}");
    };
    check("RETRY_TOPIC\u{1}T\u{2}a\u{1}9\u{2}", true);
    check("RETRY_TOPIC\u{1}T\u{2}a\u{1}1\u{2}", false);
    check("RETRY_TOPIC\u{1}U\u{2}a\u{1}1\u{2}", true);
    check("a\u{1}1\u{2}", true);
}
