//! What is logged: the words of `logLevel` and `ROCKETMQ_LOG`. A word that is no level is an error here; a filter that
//! took it for the name of a module would switch the whole log off.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// Levels by their words here, in logback (ALL, OFF) and elsewhere.
const LEVELS: &[(&str, LevelFilter)] = &[
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("warning", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
    ("all", LevelFilter::TRACE),
    ("off", LevelFilter::OFF),
];

/// Parts that are no modules: events name them to come into a file of their own.
pub(super) const NAMED: &[&str] = &["storeerror", "stats", "watermark", "protection"];

/// Modules of `src/`.
pub(super) const MODULES: &[&str] = &[
    "admin", "bench", "broker", "cli", "client", "clock", "config", "doctor", "example", "filter", "ha",
    "http", "inspect", "logging", "namesrv", "protocol", "remoting", "seats", "store", "strmap",
];

/// Why a filter is refused.
#[derive(Debug, thiserror::Error)]
#[error(
    "log level \"{directives}\" does not parse: \"{word}\" is no {what}; use error, warn, info, debug, trace or off, and \
     with commas between them levels of parts as in info,rocketmq::store=debug (parts are rocketmq, its modules such as \
     store, broker, remoting, ha and namesrv, and storeerror, stats, watermark, protection)"
)]
pub struct FilterError {
    directives: String,
    word: String,
    what: &'static str,
}

/// A level, or directives such as `info,rocketmq::store=debug`; what no directive names is logged at info.
pub fn parse_filter(directives: &str) -> Result<Targets, FilterError> {
    let refused =
        |word: &str, what| FilterError { directives: directives.to_owned(), word: word.to_owned(), what };
    let mut targets = Targets::new().with_default(LevelFilter::INFO);
    for directive in directives.split(',').map(str::trim).filter(|it| !it.is_empty()) {
        let (part, word) = match directive.split_once('=') {
            Some((part, word)) => (Some(part.trim()), word.trim()),
            None => (None, directive),
        };
        let level = level(word).ok_or_else(|| refused(word, "level"))?;
        targets = match part {
            None => targets.with_default(level),
            Some(part) => match target(part) {
                Some(target) => targets.with_target(target, level),
                None => return Err(refused(part, "part of this program")),
            },
        };
    }
    Ok(targets)
}

fn level(word: &str) -> Option<LevelFilter> {
    LEVELS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, level)| *level)
}

/// The target of a part, whose `rocketmq::` may be left out.
fn target(part: &str) -> Option<String> {
    let path = part.strip_prefix("rocketmq::").unwrap_or(part);
    let first = path.split("::").next().unwrap_or_default();
    let is_path = path.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | ':'));
    match first {
        "rocketmq" if path == first => Some(part.to_owned()),
        _ if NAMED.contains(&path) => Some(path.to_owned()),
        _ if MODULES.contains(&first) && is_path => Some(format!("rocketmq::{path}")),
        _ => None,
    }
}
