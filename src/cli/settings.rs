//! Where settings come from: the environment, the file of `-c`, `key=value` words, options; the later wins.

use std::path::Path;

use rocketmq::config::{self, Entry, Settings};
use rocketmq::remoting::SerializeType;
use rocketmq::remoting::tls::TlsSettings;

/// What was odd about the settings, for the log.
#[derive(Debug, Default)]
pub struct Loaded {
    pub warnings: Vec<String>,
}

/// Puts all settings into their sections; an error where one of them must stop the start.
pub fn load(
    sections: &mut [&mut dyn Settings],
    file: Option<&Path>,
    words: &[String],
    options: &[Entry],
) -> Result<Loaded, String> {
    let mut entries = config::environment_entries(|name| std::env::var(name).ok());
    if let Some(path) = file {
        let text = std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        // Java reads ISO-8859-1; UTF-8, where a file is that, is what was meant.
        let text = String::from_utf8(text)
            .unwrap_or_else(|error| error.as_bytes().iter().map(|byte| char::from(*byte)).collect());
        entries.extend(config::file_entries(&path.display().to_string(), &text));
    }
    for word in words {
        entries.push(self::word(word)?);
    }
    entries.extend_from_slice(options);
    apply(sections, &entries)
}

/// A `key=value` argument.
pub fn word(word: &str) -> Result<Entry, String> {
    Entry::of_argument(word)
        .ok_or_else(|| format!("argument `{word}` is neither an option nor key=value; see --help"))
}

/// Puts settings from wherever into their sections.
pub fn apply(sections: &mut [&mut dyn Settings], entries: &[Entry]) -> Result<Loaded, String> {
    let problems = config::load(sections, entries);
    let (errors, warnings): (Vec<_>, Vec<_>) = problems.iter().partition(|problem| problem.kind.is_error());
    if !errors.is_empty() {
        return Err(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
    }
    Ok(Loaded { warnings: warnings.iter().map(ToString::to_string).collect() })
}

impl Loaded {
    /// Says what was odd, on stderr and in the log.
    pub fn report(&self) {
        for warning in &self.warnings {
            tracing::warn!("{warning}");
            eprintln!("WARNING: {warning}");
        }
    }
}

/// A JVM's system properties.
#[derive(Debug, clap::Args)]
pub struct Properties {
    /// A system property of 4.3.0: those of TLS, as in -Dtls.server.mode=enforcing
    #[arg(short = 'D', value_name = "KEY=VALUE")]
    properties: Vec<String>,
}

impl Properties {
    /// Those of TLS, over what the environment says (`ROCKETMQ_TLS_SERVER_MODE` and so on).
    pub fn tls(&self) -> Result<TlsSettings, String> {
        let mut tls = TlsSettings::of_environment(|name| std::env::var(name).ok());
        for property in &self.properties {
            let (key, value) = property.split_once('=').unwrap_or((property, ""));
            if !tls.set(key, value) {
                let known: Vec<&str> = TlsSettings::names().collect();
                return Err(format!("-D{property}: there are {}", known.join(", ")));
            }
        }
        Ok(tls)
    }
}

/// The header form of what we send, from `ROCKETMQ_SERIALIZE_TYPE`, to which the scripts translate
/// `-Drocketmq.serialize.type`.
pub fn serialize_type() -> Result<SerializeType, String> {
    match std::env::var("ROCKETMQ_SERIALIZE_TYPE") {
        Err(_) => Ok(SerializeType::Json),
        Ok(name) => SerializeType::of_name(name.trim())
            .ok_or_else(|| format!("ROCKETMQ_SERIALIZE_TYPE={name} is neither JSON nor ROCKETMQ")),
    }
}
