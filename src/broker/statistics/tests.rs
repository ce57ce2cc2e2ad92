//! Statistics: names and keys, windows by a clock that the test moves, lines, bounds.

use super::*;

const MINUTE_MS: i64 = 60_000;

fn pull<'a>(topic: &'a str, group: &'a str, queue_id: i32) -> Fetched<'a> {
    Fetched {
        topic,
        group,
        queue_id,
        messages: 4,
        bytes: 400,
        took_ms: 3,
        is_from_disk: false,
        fall: Some((77, 88)),
    }
}

fn tick(items: &Statistics, now_ms: i64, local_ms: i64) -> Vec<String> {
    items.sample(now_ms);
    items.lines(local_ms)
}

fn run(items: &Statistics, from_s: i64, to_s: i64, mut each: impl FnMut()) -> Vec<String> {
    let mut lines = Vec::new();
    for second in from_s..to_s {
        each();
        let now_ms = second * 1000;
        if items.is_due(now_ms, now_ms) {
            lines.extend(tick(items, now_ms, now_ms));
        }
    }
    lines
}

fn minute(items: &Statistics, name: &str, key: &str) -> Option<(i64, f64, f64)> {
    items.find(name, key).map(|[minute, ..]| (minute.sum, minute.tps, minute.avgpt))
}

#[test]
fn every_name_of_javas_is_found_by_its_key() {
    let items = Statistics::new("C");
    run(&items, 0, 121, || {
        items.put("T", 2, 200);
        items.fetched(&Fetched { is_from_disk: true, ..pull("T", "g", 1) });
        items.sent_back("T", "g");
    });
    let check = |name: &str, key: &str, expected: Option<(i64, f64, f64)>| {
        assert_eq!(minute(&items, name, key), expected, "{name} {key}");
    };
    check("TOPIC_PUT_NUMS", "T", Some((120, 2.0, 2.0)));
    check("TOPIC_PUT_SIZE", "T", Some((12_000, 200.0, 200.0)));
    check("GROUP_GET_NUMS", "T@g", Some((240, 4.0, 4.0)));
    check("GROUP_GET_SIZE", "T@g", Some((24_000, 400.0, 400.0)));
    check("GROUP_GET_FROM_DISK_NUMS", "T@g", Some((240, 4.0, 4.0)));
    check("GROUP_GET_FROM_DISK_SIZE", "T@g", Some((24_000, 400.0, 400.0)));
    check("GROUP_GET_LATENCY", "1@T@g", Some((180, 3.0, 3.0)));
    check("SNDBCK_PUT_NUMS", "T@g", Some((60, 1.0, 1.0)));
    check("BROKER_PUT_NUMS", "C", Some((120, 2.0, 0.0)));
    check("BROKER_GET_NUMS", "C", Some((240, 4.0, 0.0)));
    check("BROKER_GET_FROM_DISK_NUMS", "C", Some((240, 4.0, 0.0)));
    check("BROKER_GET_FROM_DISK_SIZE", "C", Some((24_000, 400.0, 0.0)));
    assert!((items.tps("T", "g") - 4.0).abs() < 1e-9);
    for (name, key) in [
        ("TOPIC_PUT_NUMS", "U"),
        ("GROUP_GET_NUMS", "T"),
        ("GROUP_GET_NUMS", "T@h"),
        ("GROUP_GET_LATENCY", "2@T@g"),
        ("GROUP_GET_LATENCY", "x@T@g"),
        ("BROKER_PUT_NUMS", "D"),
        ("COMMERCIAL_SEND_TIMES", "o@T@g@t"),
        ("X", "T"),
    ] {
        check(name, key, None);
    }
}

#[test]
fn what_was_never_counted_is_not_there() {
    let items = Statistics::new("C");
    assert_eq!(items.find("BROKER_PUT_NUMS", "C"), None);
    items.fetched(&pull("T", "g", 0));
    assert!(items.find("GROUP_GET_NUMS", "T@g").is_some());
    assert_eq!(items.find("SNDBCK_PUT_NUMS", "T@g"), None);
    assert_eq!(items.find("GROUP_GET_FROM_DISK_NUMS", "T@g"), None);
}

#[test]
fn hours_and_days_have_their_own_samples() {
    let items = Statistics::new("C");
    run(&items, 0, 2 * 3600 + 1, || items.put("T", 1, 10));
    let windows = items.find("TOPIC_PUT_NUMS", "T").unwrap();
    assert_eq!(windows.map(|window| window.sum), [60, 3600, 7201]);
}

#[test]
fn a_clock_that_was_set_neither_stops_nor_floods_the_samples() {
    let items = Statistics::new("C");
    run(&items, 100_000, 100_100, || items.put("T", 1, 1));
    // Back by a day.
    run(&items, 13_600, 13_700, || items.put("T", 1, 1));
    assert!(minute(&items, "TOPIC_PUT_NUMS", "T").is_some_and(|(sum, ..)| sum == 60));
    // Forward by a day: one sample, not thousands.
    assert!(items.is_due(100_000_000, 100_000_000));
    tick(&items, 100_000_000, 100_000_000);
    assert!(!items.is_due(100_000_001, 100_000_001));
}

#[test]
fn lines_are_javas_and_come_when_a_minute_an_hour_or_a_day_ends() {
    let items = Statistics::new("C");
    let lines = run(&items, 0, 61, || items.put("T", 1, 10));
    assert_eq!(
        lines,
        [
            "[TOPIC_PUT_NUMS] [T] Stats In One Minute, SUM: 60 TPS: 1.00 AVGPT: 1.00",
            "[TOPIC_PUT_SIZE] [T] Stats In One Minute, SUM: 600 TPS: 10.00 AVGPT: 10.00",
            "[BROKER_PUT_NUMS] [C] Stats In One Minute, SUM: 60 TPS: 1.00 AVGPT: 0.00",
        ]
    );
    let lines = run(&items, 61, 3601, || items.put("T", 1, 10));
    let of_hour = "[TOPIC_PUT_NUMS] [T] Stats In One Hour, SUM: 3600 TPS: 1.00 AVGPT: 1.00";
    assert!(lines.iter().any(|line| line == of_hour), "{:?}", lines.last());
    let lines = run(&items, 3601, 86_401, || items.put("T", 1, 10));
    let of_day = "[TOPIC_PUT_NUMS] [T] Stats In One Day, SUM: 86400 TPS: 1.00 AVGPT: 1.00";
    assert!(lines.iter().any(|line| line == of_day));
    // What stands still says nothing.
    assert_eq!(run(&items, 86_401, 86_401 + 180, || {}), Vec::<String>::new());
}

#[test]
fn momentary_values_are_printed_once() {
    let items = Statistics::new("C");
    tick(&items, 0, 0);
    items.fetched(&pull("T", "g", 2));
    let mut lines = Vec::new();
    for minute in 1..=10 {
        lines.extend(tick(&items, minute * MINUTE_MS, minute * MINUTE_MS));
    }
    lines.retain(|line| line.contains("FALL"));
    assert_eq!(
        lines,
        [
            "[GROUP_GET_FALL_SIZE] [2@T@g] Stats Every 5 Minutes, Value: 77",
            "[GROUP_GET_FALL_TIME] [2@T@g] Stats Every 5 Minutes, Value: 88",
        ]
    );
}

#[test]
fn deleted_topics_and_groups_are_forgotten() {
    let items = Statistics::new("C");
    let fill = || {
        items.put("T", 1, 1);
        items.put("U", 1, 1);
        items.fetched(&pull("T", "g", 0));
        items.fetched(&pull("U", "g", 0));
        items.fetched(&pull("U", "h", 0));
    };
    fill();
    assert_eq!(items.count.load(Relaxed), 2 + 3 * 2);
    items.forget_topic("T");
    assert_eq!(items.find("TOPIC_PUT_NUMS", "T"), None);
    assert_eq!(items.find("GROUP_GET_NUMS", "T@g"), None);
    assert!(items.find("GROUP_GET_NUMS", "U@g").is_some());
    items.forget_group("g");
    assert_eq!(items.find("GROUP_GET_NUMS", "U@g"), None);
    assert!(items.find("GROUP_GET_NUMS", "U@h").is_some());
    assert_eq!(items.count.load(Relaxed), 1 + 2);
    // What this thread had at hand is not what counts now.
    fill();
    assert!(items.find("TOPIC_PUT_NUMS", "T").is_some());
    run(&items, 0, 61, || items.put("T", 1, 1));
    assert_eq!(minute(&items, "TOPIC_PUT_NUMS", "T").map(|it| it.0), Some(60));
}

#[test]
fn items_are_bounded_and_idle_ones_make_room() {
    let items = Statistics::new("C");
    for number in 0..ITEMS_MAX + 10 {
        items.put(&format!("T{number}"), 1, 1);
    }
    assert_eq!(read(&items.topics).len(), ITEMS_MAX);
    items.fetched(&pull("T", "g", 0));
    assert_eq!(items.find("GROUP_GET_NUMS", "T@g"), None);
    for hour in 0..=24 {
        tick(&items, hour * 60 * MINUTE_MS, 0);
    }
    assert_eq!(read(&items.topics).len(), 0);
    items.fetched(&pull("T", "g", 0));
    assert!(items.find("GROUP_GET_NUMS", "T@g").is_some());
}

#[test]
fn two_brokers_in_one_process_do_not_share_items() {
    let (one, other) = (Statistics::new("C"), Statistics::new("C"));
    for _ in 0..3 {
        one.put("T", 1, 1);
        other.put("T", 1, 1);
    }
    let counted = |items: &Statistics| {
        tick(items, 0, 0);
        items.put("T", 5, 5);
        tick(items, 10_000, 10_000);
        minute(items, "TOPIC_PUT_NUMS", "T").map(|it| it.0)
    };
    assert_eq!((counted(&one), counted(&other)), (Some(8), Some(8)));
}

#[test]
fn totals_are_of_the_start_and_the_last_minute() {
    let items = Statistics::new("C");
    run(&items, 0, 61, || {
        items.put("T", 2, 20);
        items.fetched(&pull("T", "g", 1));
    });
    items.sent_back("T", "g");
    let totals = items.totals();
    let put = Total { messages: 122, bytes: 1220, messages_per_second: 2.0, bytes_per_second: 20.0 };
    let fetched = Total { messages: 244, bytes: 24_400, messages_per_second: 4.0, bytes_per_second: 400.0 };
    let groups = vec![GroupTotals { group: "g".to_owned(), fetched, sent_back: 1 }];
    assert_eq!(totals, HashMap::from([("T".to_owned(), TopicTotals { put, groups })]));
    assert_eq!(items.broker_rates(), (2.0, 4.0));
}
