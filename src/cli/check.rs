//! `--check-config`: what a start would say of its settings, without a start. No port is opened, no file written.

use std::path::Path;
use std::process::ExitCode;

use rocketmq::config::{Entry, Origin, Problem};
use rocketmq::remoting::tls::{ServerTls, TlsSettings};
use serde_json::{Value, json};

use super::{print, settings};

/// Something is wrong with the settings.
const EXIT_ERRORS: u8 = 1;

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Check the settings as a start would, print what is wrong with them, and exit: 0 without errors, 1 with some
    #[arg(long)]
    check_config: bool,
    /// With --check-config: one JSON object instead of lines
    #[arg(long, requires = "check_config")]
    json: bool,
}

impl Options {
    /// Whether nothing is to be started.
    pub fn is_wanted(&self) -> bool {
        self.check_config
    }
}

/// What is wrong, in the order in which it was found.
#[derive(Debug, Default)]
pub struct Report {
    findings: Vec<Finding>,
}

#[derive(Debug)]
struct Finding {
    /// `file:line`, or where else it was written.
    place: String,
    /// File and line by themselves, where it was that.
    file: Option<(String, usize)>,
    is_error: bool,
    kind: &'static str,
    /// Key and value.
    setting: Option<(String, String)>,
    text: String,
    advice: String,
}

impl Finding {
    fn of(problem: &Problem) -> Finding {
        let Entry { key, value, origin, .. } = &problem.entry;
        let file = match origin {
            Origin::File(path, line) => Some((path.to_string(), *line)),
            _ => None,
        };
        Finding {
            place: origin.to_string(),
            file,
            is_error: problem.kind.is_error(),
            kind: problem.kind.name(),
            setting: Some((key.clone(), value.clone())),
            text: problem.text(),
            advice: problem.advice(),
        }
    }

    fn line(&self) -> String {
        let severity = if self.is_error { "error" } else { "warning" };
        let advice = if self.advice.is_empty() { String::new() } else { format!(" ({})", self.advice) };
        // A value may have anything in it, and a finding is a line.
        let line = format!("{}: {severity}: {}{advice}", self.place, self.text);
        line.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
    }

    fn json(&self) -> Value {
        json!({
            "place": self.place,
            "file": self.file.as_ref().map(|(path, _)| path),
            "line": self.file.as_ref().map(|(_, line)| line),
            "severity": if self.is_error { "error" } else { "warning" },
            "kind": self.kind,
            "key": self.setting.as_ref().map(|(key, _)| key),
            "value": self.setting.as_ref().map(|(_, value)| value),
            "text": self.text,
            "advice": self.advice,
        })
    }
}

impl Report {
    /// A value, or else an error that has nothing to do with a key.
    pub fn value<T>(&mut self, place: &str, result: Result<T, impl ToString>) -> Option<T> {
        result.map_err(|error| self.error(place, error.to_string())).ok()
    }

    fn error(&mut self, place: &str, text: String) {
        let place = place.to_owned();
        let advice = String::new();
        self.findings.push(Finding {
            place,
            file: None,
            is_error: true,
            kind: "start",
            setting: None,
            text,
            advice,
        });
    }

    /// All settings that can be read, in order of precedence.
    pub fn entries(
        &mut self,
        properties: &settings::Properties,
        file: Option<&Path>,
        words: &[String],
        options: Vec<Entry>,
    ) -> Vec<Entry> {
        let mut entries = settings::environment(properties);
        if let Some(path) = file {
            entries.extend(self.value(&path.display().to_string(), settings::file(path)).unwrap_or_default());
        }
        entries.extend(self.words(words));
        entries.extend(options);
        entries
    }

    /// The `key=value` arguments.
    pub fn words(&mut self, words: &[String]) -> Vec<Entry> {
        words.iter().filter_map(|word| self.value("command line", settings::word(word))).collect()
    }

    /// What was odd about settings.
    pub fn add(&mut self, loaded: &settings::Loaded) {
        self.findings.extend(loaded.problems().iter().map(Finding::of));
    }

    /// What a start takes from elsewhere: the form of headers, and the files of TLS.
    pub fn environment(&mut self, properties: &settings::Properties, tls: &TlsSettings) {
        self.value("header form", properties.serialize_type());
        self.value("TLS", ServerTls::open(tls));
    }

    /// Prints what there is, and gives the exit code.
    pub fn print(mut self, options: &Options) -> ExitCode {
        // Errors of a file first of all by line, as compilers tell them.
        self.findings.sort_by_key(|finding| finding.file.as_ref().map_or(0, |(_, line)| *line));
        let errors = self.findings.iter().filter(|finding| finding.is_error).count();
        let warnings = self.findings.len() - errors;
        let code = if errors == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_ERRORS) };
        if options.json {
            let findings: Vec<Value> = self.findings.iter().map(Finding::json).collect();
            let object = json!({"errors": errors, "warnings": warnings, "findings": findings});
            return print(format_args!("{object}\n"), code);
        }
        let lines: String = self.findings.iter().map(|finding| finding.line() + "\n").collect();
        let code = print(lines, code);
        eprintln!("{}", summary(errors, warnings));
        code
    }
}

fn summary(errors: usize, warnings: usize) -> String {
    let number = |number: usize, one: &str| match number {
        0 => format!("no {one}s"),
        1 => format!("1 {one}"),
        _ => format!("{number} {one}s"),
    };
    let would = if errors == 0 { "would start" } else { "would not start" };
    format!("{}, {}: it {would}", number(errors, "error"), number(warnings, "warning"))
}
