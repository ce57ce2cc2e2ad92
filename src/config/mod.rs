//! Configuration: one struct per Java config class; a field is Java's key in snake_case. How settings are
//! found, checked, printed and changed (Java: `ServerUtil`, `MixAll.properties2Object`, `Configuration`).
//!
//! Reads no environment and, but for [`mod@file`], [`settings_file`] and [`paths`], no file: the programs do, and hand over [`Entry`]s in order
//! of precedence, the later winning (environment, file, `key=value` arguments, options). Java keeps a default in
//! silence when a value does not fit and ignores unknown keys; here the first is an error that stops the start,
//! the second a warning that names the nearest key.

pub mod allowed_addrs;
pub mod broker;
pub mod file;
pub mod host_port;
mod keys;
pub mod namesrv;
pub mod paths;
pub mod problem;
pub mod remoting;
pub mod settings_file;
pub mod store;
pub mod yaml;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::problem::{Problem, ProblemKind};
use crate::strmap::{Error, StrMap};

/// One Java config class. Its keys are the struct's serde names; every field must have a default.
pub trait Section: Serialize + DeserializeOwned + Default {
    /// Java's name of the class.
    const JAVA_CLASS: &str;
    /// Keys that `-m` prints (Java: `@ImportantField`).
    const IMPORTANT: &[&str];
    /// Keys that may change at run time: none that names a path or an address.
    const RUNTIME: &[&str];
    /// Keys that are accepted without effect, each with the reason.
    const INERT: &[(&str, &str)];

    /// Numbers that make sense only from here to there.
    const RANGES: &[Range];

    /// What is wrong with values that each fit their type, by key.
    fn validate(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

/// From where to where a number makes sense, and what happens outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub key: &'static str,
    pub least: i64,
    pub most: i64,
    /// What an outside value does, as in `the nearest of the two counts`.
    pub otherwise: &'static str,
}

/// A row of [`Section::RANGES`].
const fn range(key: &'static str, least: i64, most: i64, otherwise: &'static str) -> Range {
    Range { key, least, most, otherwise }
}

/// A row for numbers that need only be large enough.
const fn at_least(key: &'static str, least: i64, otherwise: &'static str) -> Range {
    range(key, least, i64::MAX, otherwise)
}

impl Range {
    fn contains(&self, number: i64) -> bool {
        (self.least..=self.most).contains(&number)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.most {
            i64::MAX => write!(f, "at least {}", self.least),
            most => write!(f, "from {} to {most}", self.least),
        }
    }
}

/// A [`Section`] whose type is forgotten, so that several can be loaded together.
pub trait Settings {
    /// All keys, in the struct's order.
    fn keys(&self) -> &'static [&'static str];
    /// Keys and values.
    fn to_map(&self) -> StrMap;
    /// Takes every value from the map, defaults for the rest.
    fn set_all(&mut self, map: &StrMap) -> Result<(), Error>;
    /// See [`Section::IMPORTANT`].
    fn important(&self) -> &'static [&'static str];
    /// See [`Section::RUNTIME`].
    fn runtime(&self) -> &'static [&'static str];
    /// See [`Section::INERT`].
    fn inert(&self) -> &'static [(&'static str, &'static str)];
    /// See [`Section::RANGES`].
    fn ranges(&self) -> &'static [Range];
    /// See [`Section::validate`].
    fn validate(&self) -> Vec<(&'static str, String)>;
}

impl<T: Section> Settings for T {
    fn keys(&self) -> &'static [&'static str] {
        keys::of::<T>()
    }

    fn to_map(&self) -> StrMap {
        StrMap::of(self).expect("config structs are flat")
    }

    fn set_all(&mut self, map: &StrMap) -> Result<(), Error> {
        *self = map.to()?;
        Ok(())
    }

    fn important(&self) -> &'static [&'static str] {
        T::IMPORTANT
    }

    fn runtime(&self) -> &'static [&'static str] {
        T::RUNTIME
    }

    fn inert(&self) -> &'static [(&'static str, &'static str)] {
        T::INERT
    }

    fn ranges(&self) -> &'static [Range] {
        T::RANGES
    }

    fn validate(&self) -> Vec<(&'static str, String)> {
        Section::validate(self)
    }
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A variable of the environment.
    Environment(&'static str),
    /// A system property of 4.3.0, given as `-Dname=value`.
    Property(&'static str),
    /// A line of a properties file, from 1.
    File(Arc<str>, usize),
    /// An argument of the command line.
    Argument,
    /// An option of the command line, as in `-n`.
    Option(&'static str),
    /// A request to change settings.
    Request,
    /// A default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Environment(name) => write!(f, "environment variable {name}"),
            Origin::Property(name) => write!(f, "-D{name}"),
            Origin::File(path, line) => write!(f, "{path}:{line}"),
            Origin::Argument => f.write_str("command line"),
            Origin::Option(name) => write!(f, "option {name}"),
            Origin::Request => f.write_str("request"),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// A setting as someone wrote it. The value has no blanks around it: Java keeps those at the end, and `true`
/// with a blank behind it is false there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub value: String,
    pub origin: Origin,
    /// There were blanks behind the value.
    pub is_trimmed: bool,
}

impl Entry {
    /// A setting; blanks around the value go.
    pub fn new(key: &str, value: &str, origin: Origin) -> Entry {
        let is_trimmed = value.trim_end().len() < value.len();
        Entry { key: key.trim().to_owned(), value: value.trim().to_owned(), origin, is_trimmed }
    }

    /// A `key=value` argument.
    pub fn of_argument(argument: &str) -> Option<Entry> {
        let (key, value) = argument.split_once('=')?;
        (!key.trim().is_empty()).then(|| Entry::new(key, value, Origin::Argument))
    }
}

/// The settings of a properties file's text.
pub fn file_entries(path: &str, text: &str) -> Vec<Entry> {
    let path: Arc<str> = path.into();
    let properties = compat::properties::parse(text);
    let entry = |property: &compat::properties::Entry| {
        Entry::new(&property.key, &property.value, Origin::File(path.clone(), property.line))
    };
    properties.iter().map(entry).collect()
}

/// A system property of 4.3.0 that is a setting here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Property {
    pub name: &'static str,
    /// The variable that says the same. 4.3.0 has the first two; to the others the scripts translate.
    pub variable: &'static str,
    key: &'static str,
    /// Java has 0.9 where the key has 90.
    is_ratio: bool,
}

/// All of them.
pub const PROPERTIES: [Property; 5] = [
    Property { name: "rocketmq.home.dir", variable: "ROCKETMQ_HOME", key: "rocketmqHome", is_ratio: false },
    Property { name: "rocketmq.namesrv.addr", variable: "NAMESRV_ADDR", key: "namesrvAddr", is_ratio: false },
    Property {
        name: "rocketmq.broker.diskSpaceWarningLevelRatio",
        variable: "ROCKETMQ_BROKER_DISKSPACEWARNINGLEVELRATIO",
        key: "diskSpaceWarningLevelRatio",
        is_ratio: true,
    },
    Property {
        name: "rocketmq.broker.diskSpaceCleanForciblyRatio",
        variable: "ROCKETMQ_BROKER_DISKSPACECLEANFORCIBLYRATIO",
        key: "diskSpaceCleanForciblyRatio",
        is_ratio: true,
    },
    Property {
        name: "com.rocketmq.remoting.frameMaxLength",
        variable: "ROCKETMQ_FRAMEMAXLENGTH",
        key: "frameMaxLength",
        is_ratio: false,
    },
];

impl Property {
    /// The setting that it is.
    pub fn entry(&self, value: &str, origin: Origin) -> Entry {
        let ratio =
            value.trim().parse::<f64>().ok().filter(|ratio| self.is_ratio && (0.0..=1.0).contains(ratio));
        let percent = ratio.map(|ratio| (ratio * 100.0).round().to_string());
        Entry::new(self.key, percent.as_deref().unwrap_or(value), origin)
    }
}

/// The settings that Java takes from the environment, read through `variable`.
pub fn environment_entries(variable: impl Fn(&str) -> Option<String>) -> Vec<Entry> {
    let entry = |property: &Property| {
        let value = variable(property.variable)?;
        Some(property.entry(&value, Origin::Environment(property.variable)))
    };
    PROPERTIES.iter().filter_map(entry).collect()
}

/// Puts settings into the sections that know their keys, the later over the earlier, and tells what was odd.
/// Where a problem [is an error](ProblemKind::is_error) its setting keeps its old value, and the program
/// should not start.
pub fn load(sections: &mut [&mut dyn Settings], entries: &[Entry]) -> Vec<Problem> {
    let defaults: Vec<StrMap> = sections.iter().map(|section| section.to_map()).collect();
    let counts = last_of_each(entries);
    let mut problems = Vec::new();
    for (entry, counts) in entries.iter().zip(counts) {
        let mut tell = |kind| problems.push(Problem::new(entry.clone(), kind, &defaults));
        problem::look(entry).into_iter().for_each(&mut tell);
        // Every Java program of the machine has the environment's, and none of them here alone.
        let is_for_all = matches!(entry.origin, Origin::Environment(_) | Origin::Property(_));
        let mut known = false;
        for section in sections.iter_mut().filter(|section| section.keys().contains(&entry.key.as_str())) {
            known = true;
            if let Err(reason) = set(*section, &entry.key, &entry.value) {
                tell(ProblemKind::BadValue(reason));
            } else if let Some((_, reason)) =
                section.inert().iter().find(|(key, _)| !is_for_all && *key == entry.key)
            {
                tell(ProblemKind::Inert(reason));
            }
        }
        if known && let Some(counts) = counts {
            tell(ProblemKind::Repeated(counts.origin.clone()));
        }
        if !known && !is_for_all {
            tell(ProblemKind::Unknown(nearest(&entry.key, sections)));
        }
    }
    for section in sections.iter() {
        let map = section.to_map();
        let mut tell = |key: &str, kind| {
            let value = map.get(key).unwrap_or_default();
            problems.push(Problem::new(written(entries, key, value), kind, &defaults));
        };
        for (key, reason) in section.validate() {
            tell(key, ProblemKind::BadValue(reason));
        }
        for range in section.ranges() {
            let number = map.get(range.key).and_then(|value| value.parse::<i64>().ok());
            if number.is_some_and(|number| !range.contains(number)) {
                tell(range.key, ProblemKind::OutOfRange(range));
            }
        }
    }
    problems
}

/// The setting that gave a key its value.
pub fn written(entries: &[Entry], key: &str, value: &str) -> Entry {
    let written = entries.iter().rev().find(|entry| entry.key == key);
    written.cloned().unwrap_or_else(|| Entry::new(key, value, Origin::Default))
}

/// For each setting the one of the same file, or of the command line, that counts in its place.
fn last_of_each(entries: &[Entry]) -> Vec<Option<&Entry>> {
    let place = |entry: &Entry| match &entry.origin {
        Origin::File(path, _) => Some(Arc::clone(path)),
        _ => None,
    };
    let mut last: HashMap<(&str, Option<Arc<str>>), &Entry> = HashMap::new();
    let written =
        |entry: &&Entry| matches!(entry.origin, Origin::File(..) | Origin::Argument | Origin::Option(_));
    for entry in entries.iter().filter(written) {
        last.insert((&entry.key, place(entry)), entry);
    }
    let other = |entry: &'_ Entry| {
        let last = *last.get(&(entry.key.as_str(), place(entry)))?;
        (written(&entry) && !std::ptr::eq(last, entry)).then_some(last)
    };
    entries.iter().map(other).collect()
}

/// What a change of settings came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The keys that changed.
    pub keys: Vec<String>,
    /// What is odd about it.
    pub warnings: Vec<Problem>,
    /// What whoever asked for it should know of where it is written.
    pub remark: Option<String>,
}

/// Changes settings of a running server (codes 25 and 318): all of them, or none where one may not change, does not
/// fit, or makes no sense. A key that has its value already is no change.
pub fn update(sections: &mut [&mut dyn Settings], entries: &[Entry]) -> Result<Changes, Vec<Problem>> {
    let before: Vec<StrMap> = sections.iter().map(|section| section.to_map()).collect();
    let mut changes = Changes::default();
    let mut refused = Vec::new();
    for entry in entries {
        let mut tell = |kind| refused.push(Problem::new(entry.clone(), kind, &before));
        let mut known = false;
        for section in sections.iter_mut().filter(|section| section.keys().contains(&entry.key.as_str())) {
            known = true;
            if section.to_map().get(&entry.key).unwrap_or_default() == entry.value {
                continue;
            }
            if !section.runtime().contains(&entry.key.as_str()) {
                tell(ProblemKind::Fixed);
            } else if let Err(reason) = set(*section, &entry.key, &entry.value) {
                tell(ProblemKind::BadValue(reason));
            } else if let Some(range) = left(*section, &entry.key) {
                tell(ProblemKind::OutOfRange(range));
            } else {
                changes.keys.push(entry.key.clone());
                let inert = section.inert().iter().find(|(key, _)| *key == entry.key);
                let inert = inert.map(|(_, reason)| ProblemKind::Inert(reason));
                let odd = inert.into_iter().chain(problem::look(entry));
                changes.warnings.extend(odd.map(|kind| Problem::new(entry.clone(), kind, &before)));
            }
        }
        if !known {
            tell(ProblemKind::Unknown(nearest(&entry.key, sections)));
        }
    }
    for section in sections.iter() {
        for (key, reason) in section.validate() {
            if let Some(entry) = entries.iter().rev().find(|entry| entry.key == key) {
                refused.push(Problem::new(entry.clone(), ProblemKind::BadValue(reason), &before));
            }
        }
    }
    if refused.is_empty() {
        return Ok(changes);
    }
    for (section, map) in sections.iter_mut().zip(&before) {
        section.set_all(map).expect("these values were there before");
    }
    Err(refused)
}

/// The range that a key's number has left.
fn left(section: &dyn Settings, key: &str) -> Option<&'static Range> {
    let range = section.ranges().iter().find(|range| range.key == key)?;
    let number: i64 = section.to_map().get(key)?.parse().ok()?;
    (!range.contains(number)).then_some(range)
}

/// Sets one key, or says why its value does not fit.
fn set(section: &mut dyn Settings, key: &str, value: &str) -> Result<(), String> {
    let mut map = section.to_map();
    let is_bool = matches!(map.get(key), Some("true" | "false"));
    // Java takes every other text for false.
    if is_bool && !value.eq_ignore_ascii_case("true") && !value.eq_ignore_ascii_case("false") {
        return Err("is not true or false".to_owned());
    }
    map.set(key, value);
    section.set_all(&map).map_err(|error| match error {
        Error::Value { expected, .. } => format!("is not {expected}"),
        Error::Name { names, .. } => format!("is none of {names}"),
        error => error.to_string(),
    })
}

/// The known key that is nearest to a mistyped one, if any is near.
fn nearest(key: &str, sections: &[&mut dyn Settings]) -> Option<&'static str> {
    let known = sections.iter().flat_map(|section| section.keys()).copied();
    let (distance, near) = known.map(|known| (edit_distance(key, known), known)).min()?;
    (distance <= 1 + key.len() / 4).then_some(near)
}

/// Letters to change, add, drop or swap with their neighbour; case counts little, as Java's keys mix it.
fn edit_distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().take(100).collect();
    let b: Vec<char> = b.to_lowercase().chars().take(100).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let mut distance = (above[j] + usize::from(a[i] != b[j])).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                distance = distance.min(before[j - 1] + 1);
            }
            row.push(distance);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

/// Every key and value, `key=value` a line (codes 26 and 319, option `-p`).
pub fn dump(sections: &[&dyn Settings]) -> String {
    print(sections, |_, _| true)
}

/// The keys that matter most (option `-m`).
pub fn dump_important(sections: &[&dyn Settings]) -> String {
    print(sections, |section, key| section.important().contains(&key))
}

fn print(sections: &[&dyn Settings], wanted: impl Fn(&dyn Settings, &str) -> bool) -> String {
    let mut text = String::new();
    for section in sections {
        for (key, value) in section.to_map().iter().filter(|(key, _)| wanted(*section, key)) {
            text.extend([key, "=", value, "\n"]);
        }
    }
    text
}

/// What is wrong with `httpPort` and `httpBindAddr`, by key.
fn http_problems(port: i32, bind_addr: &str) -> Vec<(&'static str, String)> {
    let mut problems = Vec::new();
    if u16::try_from(port).is_err() {
        problems.push(("httpPort", "is not from 0 to 65535; 0 is none".to_owned()));
    }
    if bind_addr.parse::<std::net::IpAddr>().is_err() {
        problems.push(("httpBindAddr", "is no IP address".to_owned()));
    }
    problems
}

/// Paths that cannot be meant, by key: an empty one would be the folder that the server is started in.
fn path_problems(paths: &[(&'static str, &String)]) -> Vec<(&'static str, String)> {
    let problem = |(key, path): &(&'static str, &String)| match path.as_str() {
        "" => Some((*key, "is empty".to_owned())),
        path => path.contains('\0').then(|| (*key, "has a zero byte in it".to_owned())),
    };
    paths.iter().filter_map(problem).collect()
}

/// What is wrong with `logLevel`, by key.
fn log_problem(log_level: &str) -> Option<(&'static str, String)> {
    crate::logging::parse_filter(log_level).err().map(|error| ("logLevel", error.to_string()))
}

/// A path in the user's home, as Java's `user.home`.
pub(crate) fn in_home(path: &str) -> String {
    let home = std::env::home_dir().unwrap_or_default();
    home.join(path).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
