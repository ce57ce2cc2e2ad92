//! Where settings come from: the environment, system properties, the file of `-c`, `key=value` words, options; the later
//! wins.

use std::path::Path;

use rocketmq::config::{self, Entry, Origin, Problem, ProblemKind, Settings};
use rocketmq::remoting::SerializeType;
use rocketmq::remoting::tls::TlsSettings;
use rocketmq::strmap::StrMap;

use super::java_opt;

/// Settings as they were found, and what was odd about them.
#[derive(Debug, Default)]
pub struct Loaded {
    entries: Vec<Entry>,
    /// Values where nothing is set.
    defaults: Vec<StrMap>,
    problems: Vec<Problem>,
}

/// Puts all settings into their sections; an error where one of them must stop the start.
pub fn load(
    sections: &mut [&mut dyn Settings],
    properties: &Properties,
    file: Option<&Path>,
    words: &[String],
    options: &[Entry],
) -> Result<Loaded, String> {
    let mut entries = environment(properties);
    if let Some(path) = file {
        entries.extend(self::file(path)?);
    }
    for word in words {
        entries.push(self::word(word)?);
    }
    entries.extend_from_slice(options);
    apply(sections, entries)
}

/// Settings of the environment, and over them system properties.
pub fn environment(properties: &Properties) -> Vec<Entry> {
    let mut entries = config::environment_entries(variable);
    entries.extend(properties.entries());
    entries
}

/// A variable that says something: one that is empty, as files of variables have it, does not.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Settings of a properties file.
pub fn file(path: &Path) -> Result<Vec<Entry>, String> {
    let text = std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let (text, _) = config::settings_file::decode(text);
    Ok(config::file_entries(&path.display().to_string(), &text))
}

/// A `key=value` argument.
pub fn word(word: &str) -> Result<Entry, String> {
    Entry::of_argument(word)
        .ok_or_else(|| format!("argument `{word}` is neither an option nor key=value; see --help"))
}

/// Puts settings from wherever into their sections.
pub fn apply(sections: &mut [&mut dyn Settings], entries: Vec<Entry>) -> Result<Loaded, String> {
    let loaded = Loaded::of(sections, entries);
    let errors: Vec<String> = loaded.errors().map(ToString::to_string).collect();
    if errors.is_empty() { Ok(loaded) } else { Err(errors.join("; ")) }
}

impl Loaded {
    /// Puts settings into their sections, but for those that do not fit.
    pub fn of(sections: &mut [&mut dyn Settings], entries: Vec<Entry>) -> Loaded {
        let defaults = sections.iter().map(|section| section.to_map()).collect();
        let mut problems = config::load(sections, &entries);
        problems.extend(java_opt::given().problems(&variable("HOME").unwrap_or_default()));
        Loaded { entries, defaults, problems }
    }

    /// What else is odd about a key.
    pub fn add(&mut self, key: &str, kind: ProblemKind) {
        let default = self.defaults.iter().find_map(|map| map.get(key)).unwrap_or_default();
        let entry = config::written(&self.entries, key, default);
        self.problems.push(Problem::new(entry, kind, &self.defaults));
    }

    /// Adds what else is odd. Where a value does not fit, nothing is to be told of what its default may not go with.
    pub fn add_all(&mut self, problems: Vec<(&'static str, ProblemKind)>) {
        const FOLLOWS: [(&str, &str); 2] =
            [("brokerRole", "brokerId"), ("storePathRootDir", "storePathCommitLog")];
        for (key, kind) in problems {
            let leader = FOLLOWS.iter().find(|(_, follower)| *follower == key).map(|(leader, _)| *leader);
            let is_bad = |key: &str| self.errors().any(|problem| problem.entry.key == key);
            if kind.is_error() || !(is_bad(key) || leader.is_some_and(is_bad)) {
                self.add(key, kind);
            }
        }
    }

    /// Whether somebody has set a key.
    pub fn is_given(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// What is probably not meant; what a start refuses it says itself.
    pub fn add_doubts(&mut self, problems: Vec<(&'static str, ProblemKind)>) {
        for (key, kind) in problems.into_iter().filter(|(_, kind)| !kind.is_error()) {
            self.add(key, kind);
        }
    }

    /// All that was odd.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.kind.is_error())
    }

    /// Says what was odd, on stderr and in the log.
    pub fn report(&self) {
        for warning in self.problems.iter().filter(|problem| !problem.kind.is_error()) {
            tracing::warn!("{warning}");
            eprintln!("WARNING: {warning}");
        }
    }
}

/// A JVM's system properties: those of the command line, over those of `JAVA_OPT` and `JAVA_OPT_EXT`.
#[derive(Debug, Clone, clap::Args)]
pub struct Properties {
    /// A system property of 4.3.0, as in -Dtls.server.mode=enforcing; docs/configuration.md has them all
    #[arg(short = 'D', value_name = "KEY=VALUE")]
    properties: Vec<String>,
}

const SERIALIZE_TYPE: &str = "rocketmq.serialize.type";

/// The names of all properties.
fn property_names() -> impl Iterator<Item = &'static str> {
    let settings = config::PROPERTIES.iter().map(|property| property.name);
    settings.chain([SERIALIZE_TYPE]).chain(TlsSettings::names())
}

/// Whether a system property has an effect.
pub fn is_property(name: &str) -> bool {
    property_names().any(|known| known == name)
}

/// A property as somebody gave it.
struct Given {
    /// The variable that has it; none on the command line.
    variable: Option<&'static str>,
    key: String,
    value: String,
}

impl Properties {
    fn given(&self) -> Vec<Given> {
        let given = |variable, key: &str, value: &str| Given {
            variable,
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let options = java_opt::given();
        let options = options.properties().map(|(variable, key, value)| given(Some(variable), key, value));
        let arguments = self.properties.iter().map(|property| {
            let (key, value) = property.split_once('=').unwrap_or((property, ""));
            given(None, key, value)
        });
        options.chain(arguments).collect()
    }

    /// Those of TLS, over what the environment says (`ROCKETMQ_TLS_SERVER_MODE` and so on). An error where an argument
    /// is no property at all, or where somebody means to set up TLS and misspells it.
    pub fn tls(&self) -> Result<TlsSettings, String> {
        let mut tls = TlsSettings::of_environment(|name| std::env::var(name).ok());
        for Given { variable, key, value } in self.given() {
            let must_be_known = variable.is_none() || key.starts_with("tls.");
            if !tls.set(&key, &value) && must_be_known && !is_property(&key) {
                let known = property_names().collect::<Vec<_>>().join(", ");
                let place = variable.map(|name| format!("{name}: ")).unwrap_or_default();
                return Err(format!("{place}-D{key}={value}: there are {known}"));
            }
        }
        Ok(tls)
    }

    /// Those that are settings.
    pub fn entries(&self) -> Vec<Entry> {
        let entry = |given: &Given| {
            let property = config::PROPERTIES.iter().find(|property| property.name == given.key)?;
            Some(property.entry(&given.value, Origin::Property(property.name)))
        };
        self.given().iter().filter_map(entry).collect()
    }

    /// The header form of what we send, from `rocketmq.serialize.type` or else `ROCKETMQ_SERIALIZE_TYPE`.
    pub fn serialize_type(&self) -> Result<SerializeType, String> {
        let given = self.given().into_iter().rfind(|given| given.key == SERIALIZE_TYPE);
        let (place, name) = match given {
            Some(given) => (format!("-D{SERIALIZE_TYPE}"), given.value),
            None => match variable("ROCKETMQ_SERIALIZE_TYPE") {
                None => return Ok(SerializeType::Json),
                Some(name) => ("ROCKETMQ_SERIALIZE_TYPE".to_owned(), name),
            },
        };
        SerializeType::of_name(name.trim())
            .ok_or_else(|| format!("{place}={name} is neither JSON nor ROCKETMQ"))
    }
}
