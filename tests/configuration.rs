//! `docs/configuration.md` is made of the config structs: their fields' documentation, defaults and key tables. This
//! test fails when the page is not what they say; `UPDATE_DOCS=1 cargo test --test configuration` writes it.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;

use rocketmq::config::broker::BrokerConfig;
use rocketmq::config::namesrv::NamesrvConfig;
use rocketmq::config::remoting::{NettyClientConfig, NettyServerConfig};
use rocketmq::config::store::MessageStoreConfig;
use rocketmq::config::{Origin, PROPERTIES as SETTINGS, Property, Section, Settings, load};
use rocketmq::remoting::tls::TlsSettings;

/// Their defaults depend on the machine, or on the server: the page has the words of the documentation.
const IN_WORDS: &[&str] = &[
    "brokerName",
    "pullMessageThreadPoolNums",
    "queryMessageThreadPoolNums",
    "heartbeatThreadPoolNums",
    "clientCallbackExecutorThreads",
    "storePathRootDir",
    "storePathCommitLog",
    "kvConfigPath",
    "configStorePath",
];

/// A field as its struct's source describes it.
#[derive(Debug)]
struct Field {
    name: String,
    key: String,
    kind: String,
    text: String,
    default: String,
    changes: bool,
}

/// The fields of a struct, in order.
fn fields(source: &str, name: &str) -> Vec<Field> {
    let start = source.find(&format!("pub struct {name} {{")).unwrap();
    let body = &source[start..start + source[start..].find("\n}").unwrap()];
    let (mut fields, mut doc, mut renamed) = (Vec::new(), String::new(), None);
    for line in body.lines().skip(1).map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            doc.push_str(text);
        } else if let Some(rename) = line.strip_prefix("#[serde(rename = \"") {
            renamed = rename.split('"').next().map(str::to_owned);
        } else if let Some(field) = line.strip_prefix("pub ") {
            let (field, kind) = field.trim_end_matches(',').split_once(": ").unwrap();
            let key = renamed.take().unwrap_or_else(|| camel_case(field));
            fields.push(described((field, key), kind, &std::mem::take(&mut doc)));
        }
    }
    fields
}

fn camel_case(field: &str) -> String {
    let mut words = field.split('_');
    let first = words.next().unwrap().to_owned();
    words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
}

/// Takes `Default …` and `Read at start` out of the text: the page has columns for them.
fn described((name, key): (&str, String), kind: &str, doc: &str) -> Field {
    let at = doc.find("Default ").unwrap_or_else(|| panic!("{key} has no default in its documentation"));
    let text = doc[..at].trim().to_owned();
    let rest = &doc[at + "Default ".len()..];
    let changes = rest.contains("Changes at run time.");
    let default = rest.replace("Changes at run time.", "").replace("Read at start.", "");
    let default = default.trim().trim_end_matches('.').to_owned();
    Field { name: name.to_owned(), key, kind: kind.to_owned(), text, default, changes }
}

/// What a value may be.
fn values<T: Section>(field: &Field) -> String {
    let range = T::RANGES.iter().find(|range| range.key == field.key);
    let unit =
        [(", ms", "ms"), ("bytes", "bytes"), (", s.", "s"), ("%", "%"), ("percent", "%"), ("hours", "hours")];
    let unit = unit.iter().find(|(word, _)| field.text.contains(word)).map(|(_, unit)| *unit);
    match field.kind.as_str() {
        "bool" => "true, false".to_owned(),
        "String" => "text".to_owned(),
        "i32" | "i64" => {
            let range = range.map(ToString::to_string);
            let words: Vec<String> = unit.map(str::to_owned).into_iter().chain(range).collect();
            if words.is_empty() { "number".to_owned() } else { words.join(", ") }
        }
        _ => names::<T>(&field.key),
    }
}

/// The names that an enum's key takes, as a wrong one is told of them.
fn names<T: Section>(key: &str) -> String {
    let mut section = T::default();
    let problems = load(&mut [&mut section], &rocketmq::config::file_entries("", &format!("{key}=?")));
    let text = problems[0].text();
    text.split_once("is none of ").unwrap().1.to_owned()
}

fn tables<T: Section>(page: &mut String, source: &str) {
    let defaults = T::default().to_map();
    let fields = fields(source, T::JAVA_CLASS);
    let keys: Vec<&str> = fields.iter().map(|field| field.key.as_str()).collect();
    assert_eq!(keys, T::default().keys(), "the source is not read as it is meant");
    let inert = |key: &str| T::INERT.iter().find(|(inert, _)| *inert == key).map(|(_, reason)| *reason);
    page.push_str("| key | default | values | at run time | what it does |\n|---|---|---|---|---|\n");
    for field in &fields {
        let Field { key, text, default, changes, .. } = field;
        assert_eq!(*changes, T::RUNTIME.contains(&key.as_str()), "{key}: what does its documentation say?");
        let value = defaults.get(key).unwrap();
        let is_said = if value.is_empty() {
            default.starts_with("empty")
        } else {
            default.trim_matches('`').starts_with(value)
        };
        assert!(
            is_said || IN_WORDS.contains(&key.as_str()),
            "{key}: the default is {value}, and not {default}"
        );
        if inert(key).is_some() {
            continue;
        }
        let changes = if *changes { "yes" } else { "no" };
        let text = text.trim_end_matches('.');
        writeln!(page, "| `{key}` | {default} | {} | {changes} | {text} |", values::<T>(field)).unwrap();
    }
    if T::INERT.is_empty() {
        return;
    }
    page.push_str("\nAccepted without effect:\n\n| key | default | why |\n|---|---|---|\n");
    for field in fields.iter() {
        if let Some(reason) = inert(&field.key) {
            writeln!(page, "| `{}` | {} | {reason} |", field.key, field.default).unwrap();
        }
    }
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n## Name server\n\n");
    tables::<NamesrvConfig>(&mut page, include_str!("../src/config/namesrv.rs"));
    page.push_str("\n## Broker\n\n");
    tables::<BrokerConfig>(&mut page, include_str!("../src/config/broker.rs"));
    page.push_str("\n## Store of a broker\n\n");
    tables::<MessageStoreConfig>(&mut page, include_str!("../src/config/store.rs"));
    let remoting = include_str!("../src/config/remoting.rs");
    page.push_str("\n## Connections that come in: broker and name server\n\n");
    tables::<NettyServerConfig>(&mut page, remoting);
    page.push_str("\n## Connections that a broker makes\n\n");
    tables::<NettyClientConfig>(&mut page, remoting);
    page.push_str(ENVIRONMENT);
    page.push_str(PROPERTIES);
    for property in SETTINGS {
        let Property { name, variable, .. } = property;
        let key = property.entry("", Origin::Default).key;
        let note = if key.ends_with("Ratio") { "; 0.9 is 90 there" } else { "" };
        writeln!(page, "| `-D{name}` | `{variable}` | the key `{key}`{note} |").unwrap();
    }
    for name in TlsSettings::names() {
        let variable = format!("ROCKETMQ_{}", name.replace('.', "_").to_ascii_uppercase());
        writeln!(page, "| `-D{name}` | `{variable}` | [SECURITY.md](SECURITY.md) |").unwrap();
    }
    page
}

const HEAD: &str = "\
# Configuration

<!-- Made of src/config by tests/configuration.rs: UPDATE_DOCS=1 cargo test --test configuration -->

Every key of 4.3.0 is accepted, with its meaning or, named as such, without effect; some keys are ours. Settings come from,
the later over the earlier:

1. the environment (`NAMESRV_ADDR`, `ROCKETMQ_HOME`) and system properties (`-D`);
2. the properties file of `-c`, one `key=value` a line. `#` begins a comment at the beginning of a line only;
3. `key=value` arguments, as in `mqbroker -c broker.conf brokerName=b`;
4. options, as `-n`.

`rocketmq broker --check-config -c FILE` (and `namesrv`, `standalone`) says, without starting anything, what is wrong with
them: `file:line: error|warning: what (what to do)`; `--json` for programs. It ends with 1 where the server would not start
with them, as its user and on this machine, else with 0. It looks at the settings, at what they name (interfaces, TLS files,
accounts), and whether folders can be written and the JSON files of `config/` be read; not at ports, name servers, or the
inside of the commit log and its queues. `-p` prints all settings as they are then, `-m` the most important ones.

A value that does not fit its key stops the start. Whatever else is odd is a warning, on standard error and in the log: an
unknown key, with the nearest known one; a key without effect; a key that stands twice in a file, of which the last counts;
blanks behind a value, which are dropped; ` #` behind a value, which belongs to it; a number that makes no sense.

`~` in the tables below is the home of the server's user. In a setting write the whole path: `~` and `$HOME` stand for
themselves there, and a relative path begins in the folder that the server was started in; both are warned of.

## At run time

Keys that change at run time are set with `mqadmin updateBrokerConfig` or `updateNamesrvConfig`. What is an error above, an
unknown key, or makes no sense is refused with the reason (code 1), what may not change with code 16; that a key has no effect
is said in the log. The file of `-c` then has the new value, and all else in it stays: comments, line ends, encoding, mode and
owner; a link goes on naming it. What it was before is in `.bak`.

The file is replaced at once, by another one that is written beside it. Where that cannot be (a file that is mounted by itself,
as with `docker run -v broker.conf:…`, or in a folder that the server may not write in) it is written into, which a power cut may
leave half done: rather mount its folder.

Without `-c` the broker writes changes to `~/store/config/broker.properties`, and the name server to `configStorePath`, as 4.3.0
does. No start reads these files unless `-c` names them; until then a change is lost with the process, and the reply and the
log say so.
";

const ENVIRONMENT: &str = "
## Environment

| variable | read by | what it does |
|---|---|---|
| `NAMESRV_ADDR` | broker, tools | `namesrvAddr`; for tools what `-n` says |
| `ROCKETMQ_HOME` | servers, `admin`, `doctor`, scripts | `rocketmqHome`: where `conf/plain_acl.yml` is, and `conf/tools.yml`; the scripts set it |
| `ROCKETMQ_LOG` | servers | level of the log: error, warn, info (default), debug, trace, off, or `info,rocketmq::store=debug`; one that is none is warned of, and is info |
| `ROCKETMQ_LOG_DIR` | servers | folder of the log files; default `~/logs/rocketmqlogs` |
| `ROCKETMQ_LOG_FORMAT` | servers | what a line of the log files looks like: text (default) or json, in any case; also `--log-format` |
| `ROCKETMQ_SERIALIZE_TYPE` | servers | header form of what is sent: JSON (default) or ROCKETMQ |
| `ROCKETMQ_BIN` | scripts | the program that they start |
| `RMQ_NUMA_NODE` | scripts | NUMA node of a broker |
| `JAVA_OPT`, `JAVA_OPT_EXT` | servers, scripts | the properties below count in them as on the command line, and below it; nothing else has an effect. Of other `-Drocketmq.…` a server warns, with another `-Dtls.…` it does not start |
| `NOTIFY_SOCKET` | servers | systemd's: where to tell that the server is ready, and that it stops |
| `TZ` | all | time zone of log lines and of `deleteWhen` |
| `NO_COLOR` | tools | no colours at a terminal |
";

const PROPERTIES: &str = "
## System properties

Servers take them as `-Dkey=value` and in `JAVA_OPT` and `JAVA_OPT_EXT`. A variable that says the same counts less; the file of
`-c` counts more. A variable without a value is none.

| property | variable | what it is |
|---|---|---|
| `-Duser.home` | `HOME` | the home; in `JAVA_OPT` for the scripts only |
| `-Drocketmq.serialize.type` | `ROCKETMQ_SERIALIZE_TYPE` | as above |
";

#[test]
fn the_page_is_what_the_structs_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some_and(|it| it == "1") {
        std::fs::write(&path, page).unwrap();
        return;
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let differing = page.lines().zip(written.lines()).find(|(ours, theirs)| ours != theirs);
    assert!(
        page == written,
        "docs/configuration.md is not what src/config says: UPDATE_DOCS=1 cargo test --test configuration\n{differing:?}"
    );
}

/// Without effect, and all the same in the code: set to what counts, for whoever asks; or of the broker, which has one of
/// the same name.
const WRITTEN: &[&str] = &["bitMapLengthConsumeQueueExt", "haListenPort", "rocketmqHome"];

/// A key that nothing asks for has no effect, and the operator is told so; others have one, and are not told off.
#[test]
fn keys_that_nothing_reads_are_named_as_such() {
    let mut code = String::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if path.ends_with("src/config") => {}
                true => folders.push(path),
                false => code.push_str(&std::fs::read_to_string(path).unwrap_or_default()),
            }
        }
    }
    let words: HashSet<&str> = code.split(|it: char| !it.is_alphanumeric() && it != '_').collect();
    fn check<T: Section>(words: &HashSet<&str>, source: &str) {
        for field in fields(source, T::JAVA_CLASS) {
            let is_inert = T::INERT.iter().any(|(key, _)| *key == field.key);
            let is_read = words.contains(field.name.as_str());
            assert!(is_inert || is_read, "{} is read by nobody", field.key);
            assert!(!is_inert || !is_read || WRITTEN.contains(&field.key.as_str()), "{} is read", field.key);
        }
    }
    check::<NamesrvConfig>(&words, include_str!("../src/config/namesrv.rs"));
    check::<BrokerConfig>(&words, include_str!("../src/config/broker.rs"));
    check::<MessageStoreConfig>(&words, include_str!("../src/config/store.rs"));
    check::<NettyServerConfig>(&words, include_str!("../src/config/remoting.rs"));
    check::<NettyClientConfig>(&words, include_str!("../src/config/remoting.rs"));
}

#[test]
fn fields_are_read_with_their_documentation() {
    let source = "
pub struct S {
    /// How long, ms. Default 5. Read at start.
    pub flush_time_ms: i32,
    /// Which one,
    /// of two. Default empty: none. Changes at run time.
    #[serde(rename = \"brokerIP1\")]
    pub broker_ip1: String,
}
";
    let fields = fields(source, "S");
    let check = |at: usize, expected: (&str, &str, &str, bool)| {
        let Field { key, text, default, changes, .. } = &fields[at];
        assert_eq!((key.as_str(), text.as_str(), default.as_str(), *changes), expected);
    };
    check(0, ("flushTimeMs", "How long, ms.", "5", false));
    check(1, ("brokerIP1", "Which one, of two.", "empty: none", true));
    assert_eq!(fields.len(), 2);
}
