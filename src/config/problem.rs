//! What is odd about a setting, in words for the operator: what it is, and what to do about it. Finding it is
//! [`super::load`]'s.

use std::fmt;

use super::{Entry, Origin, Range};
use crate::strmap::StrMap;

/// Something to tell the operator about a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub entry: Entry,
    pub kind: ProblemKind,
    /// What counts where nobody sets the key.
    default: Option<Box<str>>,
}

/// What it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProblemKind {
    /// The value does not fit: stops the start.
    BadValue(String),
    /// The value does not fit to that of another key, which is what may have to change: stops the start.
    Misfit { reason: &'static str, advice: &'static str },
    /// The value may not change at run time.
    Fixed,
    /// Nobody knows the key; perhaps this one is meant.
    Unknown(Option<&'static str>),
    /// The key has no effect here, for this reason.
    Inert(&'static str),
    /// The value has a `#` in it: in a properties file it starts no comment there.
    InlineComment,
    /// Blanks behind the value, which 4.3.0 takes as a part of it.
    TrailingBlanks,
    /// The key stands in the same place again, here, and that one counts.
    Repeated(Origin),
    /// A number that makes no sense, and what becomes of it.
    OutOfRange(&'static Range),
    /// The value is allowed, and probably not meant.
    Doubtful(String),
}

impl ProblemKind {
    /// Whether the start must stop or the change be refused.
    pub fn is_error(&self) -> bool {
        matches!(self, ProblemKind::BadValue(_) | ProblemKind::Misfit { .. } | ProblemKind::Fixed)
    }

    /// A word for programs.
    pub fn name(&self) -> &'static str {
        match self {
            ProblemKind::BadValue(_) | ProblemKind::Misfit { .. } => "bad-value",
            ProblemKind::Fixed => "fixed",
            ProblemKind::Unknown(_) => "unknown-key",
            ProblemKind::Inert(_) => "no-effect",
            ProblemKind::InlineComment => "inline-comment",
            ProblemKind::TrailingBlanks => "trailing-blanks",
            ProblemKind::Repeated(_) => "repeated-key",
            ProblemKind::OutOfRange(_) => "out-of-range",
            ProblemKind::Doubtful(_) => "doubtful",
        }
    }
}

impl Problem {
    /// About a setting; `defaults` is what counts without it.
    pub fn new(entry: Entry, kind: ProblemKind, defaults: &[StrMap]) -> Problem {
        let default = defaults.iter().find_map(|map| map.get(&entry.key)).filter(|value| !value.is_empty());
        let default = default.map(Box::from);
        Problem { entry, kind, default }
    }

    /// What is wrong, without where.
    pub fn text(&self) -> String {
        let Entry { key, value, origin, .. } = &self.entry;
        let ignored = if *origin == Origin::Request { "nothing is changed" } else { "ignored" };
        match &self.kind {
            ProblemKind::BadValue(reason) | ProblemKind::Doubtful(reason) => {
                format!("{key}={value}: {reason}")
            }
            ProblemKind::Misfit { reason, .. } => format!("{key}={value}: {reason}"),
            ProblemKind::Fixed => format!("{key} cannot be changed while the server runs"),
            ProblemKind::Unknown(Some(near)) => format!("unknown key {key}, {ignored}; did you mean {near}?"),
            ProblemKind::Unknown(None) => format!("unknown key {key}, {ignored}"),
            ProblemKind::Inert(reason) => format!("{key} has no effect: {reason}"),
            ProblemKind::InlineComment => {
                format!("the value of {key} is `{value}`: # starts no comment behind a value")
            }
            ProblemKind::TrailingBlanks => format!(
                "blanks behind the value of {key}: they do not count here, and do in 4.3.0, where `true ` is false \
                 and a number with a blank is passed over"
            ),
            ProblemKind::Repeated(Origin::File(_, line)) => {
                format!("{key}={value} does not count: line {line} sets {key} again")
            }
            ProblemKind::Repeated(Origin::Option(name)) => {
                format!("{key}={value} does not count: {name} sets {key}, too")
            }
            ProblemKind::Repeated(_) => {
                format!("{key}={value} does not count: {key} is set again behind it")
            }
            ProblemKind::OutOfRange(range) => {
                let verb = if range.most == i64::MAX { "is not" } else { "does not lie" };
                format!("{key}={value} {verb} {range}: {}", range.otherwise)
            }
        }
    }

    /// What to do about it; nothing where the text says it.
    pub fn advice(&self) -> String {
        let key = &self.entry.key;
        match (&self.kind, &self.default) {
            (ProblemKind::BadValue(_), Some(default)) => {
                format!("correct the value, or remove the setting: the default is {default}")
            }
            (ProblemKind::Misfit { advice, .. }, _) => (*advice).to_owned(),
            (ProblemKind::BadValue(_), None) => "correct the value, or remove the setting".to_owned(),
            (ProblemKind::OutOfRange(range), Some(default)) => {
                format!("set {key} {range}, or remove it: the default is {default}")
            }
            (ProblemKind::OutOfRange(range), None) => format!("set {key} {range}, or remove it"),
            (ProblemKind::Fixed, _) => "change the file and start the server again".to_owned(),
            (ProblemKind::Unknown(Some(near)), _) => format!("write {near} if that is meant, or remove it"),
            (ProblemKind::Unknown(None), _) => "remove it; docs/configuration.md has all keys".to_owned(),
            (ProblemKind::Inert(_), _) => "remove it; nothing changes".to_owned(),
            (ProblemKind::InlineComment, _) => "put the comment on a line of its own".to_owned(),
            (ProblemKind::TrailingBlanks, _) => "remove the blanks".to_owned(),
            (ProblemKind::Repeated(_), _) => "remove one of the two".to_owned(),
            (ProblemKind::Doubtful(_), _) => String::new(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.entry.origin, self.text())
    }
}

/// What is odd about how a setting is written, whatever its key means.
pub(super) fn look(entry: &Entry) -> Vec<ProblemKind> {
    let mut found = Vec::new();
    let is_addr = ["IP1", "IP2", "Addr", "Addrs", "Address"].iter().any(|end| entry.key.ends_with(end));
    let comment = [" #", "\t#"].iter().any(|it| entry.value.contains(it));
    if comment || is_addr && entry.value.contains('#') {
        found.push(ProblemKind::InlineComment);
    }
    if entry.is_trimmed && matches!(entry.origin, Origin::File(..)) {
        found.push(ProblemKind::TrailingBlanks);
    }
    found
}
