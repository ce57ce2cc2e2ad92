//! Tests of the mapping, the line and the rolling.

use super::*;
use serde_json::json;
use std::fs;
use std::io::Read;
use std::path::Path;
use tracing::{debug, info, warn};

fn logged(kind: ServerKind, filter: &str, dir: &Path, work: impl FnOnce()) {
    logged_as(LogFormat::Text, kind, filter, dir, work);
}

fn logged_as(format: LogFormat, kind: ServerKind, filter: &str, dir: &Path, work: impl FnOnce()) {
    let options = LogOptions { dir: dir.to_owned(), filter: filter.to_owned(), format };
    let (subscriber, _, guard) = subscriber(kind, &options).unwrap();
    tracing::subscriber::with_default(subscriber, work);
    drop(guard);
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_target_chooses_the_file() {
    fn check(kind: ServerKind, target: &str, expected: &str) {
        assert_eq!(FILES[file_for(kind, target) as usize].name, expected, "{kind:?} {target}");
    }
    for kind in [ServerKind::Broker, ServerKind::Standalone] {
        check(kind, "rocketmq::store::commit_log", "store");
        check(kind, "rocketmq::ha::master", "store");
        check(kind, "storeerror", "storeerror");
        check(kind, "rocketmq::storeerror", "storeerror");
        check(kind, "rocketmq::remoting::server", "remoting");
        check(kind, "rocketmq::broker", "broker");
        check(kind, "rocketmq::broker::register", "broker");
        check(kind, "rocketmq::broker::transaction", "transaction");
        check(kind, "rocketmq::broker::queue_lock", "lock");
        check(kind, "rocketmq::filter::parse", "filter");
        check(kind, "rocketmq::broker::consumer_filter", "filter");
        check(kind, "rocketmq::broker::processor::end_transaction", "transaction");
        check(kind, "stats", "stats");
        check(kind, "watermark", "watermark");
        check(kind, "protection", "protection");
        check(kind, "rocketmq::namesrv::route_info", "namesrv");
        check(kind, "rocketmq", "broker");
        check(kind, "rocketmq::storekeeper", "broker");
        check(kind, "rocketmqx", "broker_default");
        check(kind, "mio::poll", "broker_default");
    }
    check(ServerKind::Namesrv, "rocketmq::remoting::server", "namesrv");
    check(ServerKind::Namesrv, "rocketmq::namesrv", "namesrv");
    check(ServerKind::Namesrv, "mio", "namesrv_default");
}

#[test]
fn every_file_has_its_place_in_the_table() {
    assert_eq!(File::NamesrvDefault as usize + 1, FILE_COUNT);
    assert_eq!(FILES[File::Stats as usize].shape, Shape::NoThread);
    assert_eq!(FILES[File::WaterMark as usize].shape, Shape::TimeOnly);
    assert_eq!(FILES[File::Protection as usize].shape, Shape::TimeOnly);
}

#[test]
fn a_line_has_logbacks_shape_in_the_local_time_zone() {
    fn check(shape: Shape, message: &str, fields: &str, expected: &str) {
        let time = Timestamp::from_second(1_542_930_871).unwrap();
        let head = Head { time, level: Level::WARN, thread: "main", target: "rocketmq::broker" };
        let said = Said { format: LogFormat::Text, message: message.to_owned(), fields: fields.to_owned() };
        let time_zone = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(line(shape, &time_zone, &head, said), expected);
    }
    check(Shape::Full, "new topic", " topic=T", "2018-11-23 01:54:31 WARN main - new topic topic=T\n");
    check(Shape::NoThread, "sum", "", "2018-11-23 01:54:31 WARN - sum\n");
    check(Shape::TimeOnly, "[WATERMARK]", "", "2018-11-23 01:54:31 - [WATERMARK]\n");
    check(Shape::Full, "", " a=1 b=2", "2018-11-23 01:54:31 WARN main - a=1 b=2\n");
}

#[test]
fn fields_follow_the_message_and_stay_on_its_line() {
    let dir = tempfile::tempdir().unwrap();
    logged(ServerKind::Broker, "info", dir.path(), || {
        let error = std::io::Error::other("no\nway");
        let cause: &dyn std::error::Error = &error;
        warn!(%cause, code = 10, topic = "T\r\n2026-01-01 forged", ok = true, what = ?"x", "request {}", "rejected");
        debug!("below the level");
    });
    let text = fs::read_to_string(dir.path().join("broker.log")).unwrap();
    let said = text.split_once(" - ").unwrap().1;
    let expected =
        "request rejected cause=no\\nway code=10 topic=T\\r\\n2026-01-01 forged ok=true what=\"x\"\n";
    assert_eq!(said, expected);
}

#[test]
fn a_json_line_is_one_object_whatever_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    logged_as(LogFormat::Json, ServerKind::Broker, "info", dir.path(), || {
        let error = std::io::Error::other("no\nway \u{1}");
        let cause: &dyn std::error::Error = &error;
        warn!(%cause, code = -10, topic = "T\"},{\\ä", ok = true, what = ?"x", "request {}", "rejected");
        info!(target: "stats", "a sum");
        info!(body = "ä\"".repeat(LINE_BYTES), after = 1, "{}", "\n".repeat(LINE_BYTES));
    });
    let read = |name: &str| -> Vec<serde_json::Value> {
        let text = fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(text.ends_with('\n') && text.len() < 3 * LINE_BYTES, "{}", text.len());
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let [said, cut] = &read("broker.log")[..] else { panic!("two lines") };
    let fields =
        json!({"cause": "no\nway \u{1}", "code": -10, "topic": "T\"},{\\ä", "ok": true, "what": "\"x\""});
    assert_eq!((&said["message"], &said["fields"]), (&json!("request rejected"), &fields));
    assert_eq!((&said["level"], &said["target"]), (&json!("WARN"), &json!("rocketmq::logging::tests")));
    let time: Timestamp = said["time"].as_str().unwrap().parse().unwrap();
    assert!(Timestamp::now().duration_since(time).as_secs() < 60, "{time}");
    assert_eq!(cut["fields"]["after"], 1);
    assert_eq!(read("stats.log")[0]["message"], "a sum");
}

#[test]
fn the_filter_changes_while_it_logs() {
    let dir = tempfile::tempdir().unwrap();
    let options =
        LogOptions { dir: dir.path().to_owned(), filter: "warn".to_owned(), format: LogFormat::Text };
    let (subscriber, handle, guard) = subscriber(ServerKind::Broker, &options).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        info!(target: "rocketmq::store", "too early");
        handle.reload(parse_filter("warn,rocketmq::store=debug").unwrap()).unwrap();
        debug!(target: "rocketmq::store", "now");
        info!("not here");
    });
    drop(guard);
    assert_eq!(names(dir.path()), ["store.log"]);
    assert!(fs::read_to_string(dir.path().join("store.log")).unwrap().ends_with(" - now\n"));
}

#[test]
fn a_line_is_cut_at_its_bound() {
    let dir = tempfile::tempdir().unwrap();
    logged(ServerKind::Broker, "info", dir.path(), || info!(body = "ä".repeat(LINE_BYTES), "large"));
    let text = fs::read_to_string(dir.path().join("broker.log")).unwrap();
    assert!(
        text.len() <= LINE_BYTES + 2 && text.len() > LINE_BYTES - 8 && text.ends_with("ä…\n"),
        "{}",
        text.len()
    );
}

#[test]
fn files_are_created_by_their_first_line() {
    let dir = tempfile::tempdir().unwrap();
    logged(ServerKind::Broker, "info,remoting=error", dir.path(), || {
        info!(target: "rocketmq::store", "load over");
        info!(target: "watermark", "[WATERMARK] Send Queue Size: 0");
        warn!(target: "rocketmq::remoting::server", "filtered out");
    });
    assert_eq!(names(dir.path()), ["store.log", "watermark.log"]);
}

#[test]
fn a_word_that_is_no_level_is_refused_and_named() {
    fn check(directives: &str, word: &str) {
        let options =
            LogOptions { dir: "unused".into(), filter: directives.to_owned(), format: LogFormat::default() };
        let error = subscriber(ServerKind::Broker, &options).err().expect(directives).to_string();
        let begin = format!("log level \"{directives}\" does not parse: \"{word}\" is no ");
        assert!(error.starts_with(&begin) && error.contains("debug"), "{error}");
    }
    for word in ["nonsense", "debug2", "info;debug", "a b", "9", "rocketmq::store"] {
        check(word, word);
    }
    check("rocketmq=loud", "loud");
    check("info,rocketmq::store", "rocketmq::store");
    check("info,rocketmq::stroe=debug", "rocketmq::stroe");
    check("info,rocketmqx=debug", "rocketmqx");
    check("stats::x=info", "stats::x");
    check("info,=debug", "");
    check("info,rocketmq::store[x]=debug", "rocketmq::store[x]");
}

#[test]
fn a_filter_says_how_much_is_logged_of_what() {
    let check = |directives: &str, target: &str, least: Level| {
        let filter = parse_filter(directives).unwrap();
        let levels = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR];
        let first = levels.iter().find(|level| filter.would_enable(target, level));
        assert_eq!(first, Some(&least), "{directives} {target}");
    };
    let store = "rocketmq::store::clean";
    for (directives, least) in [
        ("", Level::INFO),
        ("warning", Level::WARN),
        ("WARN", Level::WARN),
        ("ALL", Level::TRACE),
        (" error , store = debug ", Level::DEBUG),
        ("error,rocketmq::store=debug,rocketmq::store::clean=warn", Level::WARN),
        ("rocketmq=debug", Level::DEBUG),
        // What is not named goes on being logged.
        ("remoting=debug", Level::INFO),
    ] {
        check(directives, store, least);
    }
    check("error,storeerror=warn", "storeerror", Level::WARN);
    check("info,watermark=error", "watermark", Level::ERROR);
    assert!(!parse_filter("OFF").unwrap().would_enable(store, &Level::ERROR));
}

#[test]
fn every_module_can_be_named_in_a_filter() {
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let files = files.map(|it| it.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
    let modules: std::collections::BTreeSet<String> =
        files.filter(|name| !["lib", "main"].contains(&name.as_str())).collect();
    assert!(modules.iter().map(String::as_str).eq(filter::MODULES.iter().copied()), "{modules:?}");
    for name in filter::NAMED {
        assert_ne!(file_for(ServerKind::Broker, name), File::BrokerDefault, "{name}");
    }
}

#[test]
fn files_roll_between_lines_and_only_so_many_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = RollingFile::new(dir.path(), "store", 10, 3);
    // Two lines of four bytes fit into ten; a batch is cut where it has to be.
    file.write(b"aa1\naa2\nbb1\nbb2\ncc1\n").unwrap();
    for lines in ["cc2\n", "dd1\ndd2\n", "longer than a file\n", "ee1\n"] {
        file.write(lines.as_bytes()).unwrap();
    }
    file.wait();
    let unpacked = |name: &str| {
        let mut text = String::new();
        let packed = fs::File::open(dir.path().join("otherdays").join(name)).unwrap();
        flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
        text
    };
    assert_eq!(names(&dir.path().join("otherdays")), ["store.1.log.gz", "store.2.log.gz", "store.3.log.gz"]);
    assert_eq!(fs::read_to_string(dir.path().join("store.log")).unwrap(), "ee1\n");
    assert_eq!(unpacked("store.1.log.gz"), "longer than a file\n");
    assert_eq!(unpacked("store.2.log.gz"), "dd1\ndd2\n");
    assert_eq!(unpacked("store.3.log.gz"), "cc1\ncc2\n");
}

#[test]
fn a_rolled_file_left_plain_by_a_kill_is_counted_among_the_kept() {
    let dir = tempfile::tempdir().unwrap();
    let others = dir.path().join("otherdays");
    fs::create_dir(&others).unwrap();
    fs::write(others.join("store.1.log"), "interrupted\n").unwrap();
    fs::write(others.join("store.2.log.gz"), "").unwrap();
    let mut file = RollingFile::new(dir.path(), "store", 4, 2);
    file.write(b"one\n").unwrap();
    file.write(b"two\n").unwrap();
    file.wait();
    assert_eq!(names(&others), ["store.1.log.gz", "store.2.log"]);
}

#[test]
fn an_existing_file_is_continued_and_a_removed_one_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.log");
    fs::write(&path, "before\n").unwrap();
    let mut file = RollingFile::new(dir.path(), "store", 1000, 3);
    file.write(b"after\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "before\nafter\n");
    fs::remove_file(&path).unwrap();
    file.write(b"again\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "again\n");
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_until_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    fs::write(&logs, "a file in the way").unwrap();
    let mut file = RollingFile::new(&logs, "store", 1000, 3);
    assert!(file.write(b"lost\n").is_err() && file.failing);
    fs::remove_file(&logs).unwrap();
    file.write(b"kept\n").unwrap();
    assert!(!file.failing);
    assert_eq!(fs::read_to_string(logs.join("store.log")).unwrap(), "kept\n");
}

#[test]
fn a_torn_line_is_not_glued_to_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.log");
    fs::write(&path, "whole\ntorn by a ki").unwrap();
    let mut file = RollingFile::new(dir.path(), "store", 1000, 3);
    file.write(b"next\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "whole\ntorn by a ki\nnext\n");
}

#[test]
fn what_a_full_disk_took_of_a_line_is_taken_back() {
    fn check(taken: &str, stays: &str) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.log");
        fs::write(&path, format!("before\n{taken}")).unwrap();
        let file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        assert_eq!(rolling::take_back_torn(&file, 7, b"one\ntwo\n"), stays.len());
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("before\n{stays}"));
    }
    check("", "");
    check("on", "");
    check("one\n", "one\n");
    check("one\ntw", "one\n");
}

#[test]
fn a_file_that_cannot_be_rolled_grows_until_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let others = dir.path().join("otherdays");
    fs::write(&others, "a file in the way").unwrap();
    let mut file = RollingFile::new(dir.path(), "store", 8, 3);
    file.write(b"aa1\naa2\n").unwrap();
    let failure = file.write(b"bb1\nbb2\nbb3\n").unwrap_err();
    assert!(failure.path == others && failure.lost == 0 && file.failing, "{failure:?}");
    assert_eq!(fs::read_to_string(dir.path().join("store.log")).unwrap(), "aa1\naa2\nbb1\nbb2\nbb3\n");
    fs::remove_file(&others).unwrap();
    file.write(b"cc1\n").unwrap();
    file.wait();
    assert!(!file.failing);
    assert_eq!(fs::read_to_string(dir.path().join("store.log")).unwrap(), "cc1\n");
    assert_eq!(names(&others), ["store.1.log.gz"]);
}

#[test]
fn files_past_the_number_that_is_kept_go() {
    let dir = tempfile::tempdir().unwrap();
    let others = dir.path().join("otherdays");
    fs::create_dir(&others).unwrap();
    for name in [
        "store.2.log.gz",
        "store.3.log.gz",
        "store.11.log.gz",
        "store.12.log",
        "store.x.log.gz",
        "storeerror.9.log.gz",
    ] {
        fs::write(others.join(name), "").unwrap();
    }
    let mut file = RollingFile::new(dir.path(), "store", 4, 2);
    file.write(b"one\ntwo\n").unwrap();
    file.wait();
    let kept = ["store.1.log.gz", "store.2.log.gz", "store.x.log.gz", "storeerror.9.log.gz"];
    assert_eq!(names(&others), kept);
}

#[test]
fn a_line_shows_what_would_turn_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let text = "a\u{2028}b\u{202e}c\u{2066}d\u{85}é";
    logged(ServerKind::Broker, "info", dir.path(), || info!("{text}"));
    let said = fs::read_to_string(dir.path().join("broker.log")).unwrap();
    assert!(said.ends_with(" - a\\u{2028}b\\u{202e}c\\u{2066}d\\u{85}é\n"), "{said:?}");
    let json = dir.path().join("json");
    logged_as(LogFormat::Json, ServerKind::Broker, "info", &json, || info!("{text}"));
    let said = fs::read_to_string(json.join("broker.log")).unwrap();
    assert!(said.contains("a\\u2028b\\u202ec\\u2066d\\u0085é"), "{said:?}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&said).unwrap()["message"], text);
}

#[test]
fn time_zones_are_known_without_files_of_the_machine() {
    let zone = jiff::tz::TimeZoneDatabase::bundled().get("Asia/Shanghai").unwrap();
    assert_eq!(zone.to_offset(Timestamp::UNIX_EPOCH), jiff::tz::offset(8));
}

#[test]
fn masses_of_a_kind_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    logged(ServerKind::Broker, "info", dir.path(), || {
        for number in 0..20_000 {
            warn!(number, "unknown request code refused");
        }
        warn!("another kind");
    });
    let text = fs::read_to_string(dir.path().join("broker.log")).unwrap();
    assert_eq!(text.lines().count(), 101, "unless this took ten seconds");
    assert!(text.ends_with(" - another kind\n"));
}

#[test]
fn a_full_queue_drops_and_counts_and_never_waits() {
    let queue = Queue::default();
    let line = vec![b'x'; LINE_BYTES];
    for _ in 0..QUEUE_BYTES / LINE_BYTES + 3 {
        queue.push(File::Store, &line);
    }
    let (taken, dropped) = queue.take(Default::default()).unwrap();
    assert_eq!((taken[File::Store as usize].len(), dropped), (QUEUE_BYTES, 3));
    queue.push(File::Lock, b"room again\n");
    queue.close();
    queue.push(File::Lock, b"too late\n");
    let (taken, dropped) = queue.take(Default::default()).unwrap();
    assert_eq!((taken[File::Lock as usize].as_slice(), dropped), (&b"room again\n"[..], 1));
    assert!(queue.take(Default::default()).is_none());
}

#[test]
fn dropped_lines_are_told_in_the_main_file() {
    let dir = tempfile::tempdir().unwrap();
    let files = FILES.map(|file| RollingFile::new(dir.path(), file.name, file.max_bytes, file.keep));
    let queue = Arc::new(Queue::default());
    queue.lock().dropped = 7;
    queue.push(File::Store, b"one that came through\n");
    queue.close();
    Writer { kind: ServerKind::Broker, format: LogFormat::Text, queue, files }.run();
    let told = fs::read_to_string(dir.path().join("broker.log")).unwrap();
    assert!(
        told.ends_with(" WARN log-writer - the log could not keep up, lines were dropped count=7\n"),
        "{told}"
    );
    assert_eq!(fs::read_to_string(dir.path().join("store.log")).unwrap(), "one that came through\n");
}
