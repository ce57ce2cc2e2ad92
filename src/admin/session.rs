//! One command's run: its options, whom it asks, what it prints, and how it fails. Tables and texts go to standard output,
//! everything else to standard error.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::str::FromStr;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::options::Given;
use super::paint;
use crate::client::admin::tools::{ToolError, Tools};
use crate::client::namesrvs::Namesrvs;
use crate::client::producer::SendError;
use crate::client::{CallError, Calls};
use crate::protocol::body::route::BrokerData;

/// For one request. Java: 5 s.
const TIMEOUT: Duration = Duration::from_secs(5);
const NO_CLUSTER: &str =
    "[error] Make sure the specified clusterName exists or the name server connected to is correct.";

/// Why a command has failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("{0}")]
    Text(String),
    /// Java's own text, which it prints on standard output.
    #[error("{0}")]
    Told(String),
    /// An option's value is none that it can have.
    #[error("{0}")]
    Value(String),
    /// The options do not go together: the help is printed, and this.
    #[error("{0}")]
    Usage(&'static str),
    /// It has been said already.
    #[error("a part of it has failed")]
    Noted,
}

impl Failure {
    /// Neither a broker nor a cluster is named.
    pub fn nowhere() -> Failure {
        Failure::Usage("one of -b and -c is needed")
    }

    /// With Java's own text.
    pub fn told(text: &str) -> Failure {
        Failure::Told(text.to_owned())
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Failure {
        Failure::Text(text)
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Failure {
        Failure::Tool(error.into())
    }
}

/// Tells on standard error what went wrong.
pub fn complain(what: &impl Display) {
    eprintln!("{} {what}", paint::error(paint::is_wanted(&std::io::stderr())));
}

/// Failures of parts, said as they come; the command goes on.
#[derive(Debug, Default)]
pub struct Failures {
    said: Vec<String>,
}

impl Failures {
    /// Says what has failed, once.
    pub fn note(&mut self, result: Result<(), Failure>) {
        let Err(failure) = result else { return };
        let text = failure.to_string();
        if !self.said.contains(&text) {
            complain(&text);
            self.said.push(text);
        }
    }

    /// A failure where there was any.
    pub fn result(self) -> Result<(), Failure> {
        if self.said.is_empty() { Ok(()) } else { Err(Failure::Noted) }
    }
}

/// Standard output: Java's texts, or one JSON value a line.
#[derive(Debug)]
pub struct Out {
    is_json: bool,
    is_painted: bool,
    /// The last line has no end yet, as some of Java's have none.
    is_open: bool,
}

impl Out {
    fn new(is_json: bool) -> Out {
        Out { is_json, is_painted: paint::is_wanted(&std::io::stdout()), is_open: false }
    }

    /// Whether texts go nowhere.
    pub fn is_json(&self) -> bool {
        self.is_json
    }

    /// A text that a program has no use for.
    pub fn text(&mut self, text: &str) {
        if self.is_json || text.is_empty() {
            return;
        }
        self.is_open = !text.ends_with('\n');
        if self.is_painted {
            write(paint::paint(text));
        } else {
            write(text);
        }
    }

    /// At a terminal the prompt stands on a line of its own.
    fn finish(&mut self) {
        if std::mem::take(&mut self.is_open) && std::io::stdout().is_terminal() {
            write("\n");
        }
    }

    /// A value that has no text of its own.
    pub fn json(&mut self, value: impl FnOnce() -> Value) {
        if self.is_json {
            write(format_args!("{}\n", value()));
        }
    }

    /// One or the other.
    pub fn put(&mut self, text: &str, value: impl FnOnce() -> Value) {
        self.text(text);
        self.json(value);
    }
}

/// Where nobody reads it any more, as behind `| head`, that is nothing to fail for.
pub fn write(what: impl Display) {
    let mut out = std::io::stdout().lock();
    let _ = write!(out, "{what}").and_then(|()| out.flush());
}

/// A bar on standard error, where somebody looks at it.
pub struct Progress(ProgressBar);

impl Progress {
    fn new(what: &str, is_shown: bool) -> Progress {
        let bar = if is_shown { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template(&format!("{{bar:30}} {{pos}} of {{len}} {what}"));
        Progress(bar.with_style(style.expect("the template has only fields that there are")))
    }

    /// So many of all are done; the bar goes with the last.
    pub fn set(&self, done: i64, all: i64) {
        self.0.set_length(u64::try_from(all).unwrap_or(0));
        self.0.set_position(u64::try_from(done).unwrap_or(0));
        if done >= all {
            self.0.finish_and_clear();
        }
    }
}

/// A command that runs.
pub struct Session {
    pub out: Out,
    given: Given,
    namesrv_addr: Option<String>,
    bar: Option<Progress>,
}

impl Session {
    /// With a command's options; the name servers are those of `-n`, else of the environment.
    pub fn new(given: Given) -> Session {
        let namesrv_addr = given.value("n").map(str::to_owned);
        let namesrv_addr = namesrv_addr.or_else(|| std::env::var("NAMESRV_ADDR").ok());
        Session { out: Out::new(given.is_json), given, namesrv_addr, bar: None }
    }

    /// Tells on standard error what went wrong with one of several runs.
    pub fn complain(&mut self, failure: &Failure) {
        self.out.finish();
        if !matches!(failure, Failure::Noted) {
            complain(failure);
        }
    }

    /// An option's value.
    pub fn value(&self, short: &str) -> Option<String> {
        self.given.value(short).map(str::to_owned)
    }

    /// Whether an option was given.
    pub fn has(&self, short: &str) -> bool {
        self.given.value(short).is_some()
    }

    /// The value of an option that must be given.
    pub fn required(&self, short: &str) -> Result<String, Failure> {
        self.value(short).ok_or_else(|| Failure::Text(format!("Missing required option: {short}")))
    }

    /// An option's number.
    pub fn number<T: FromStr>(&self, short: &str) -> Result<T, Failure> {
        let text = self.required(short)?;
        text.parse().map_err(|_| Failure::Value(format!("-{short} {text}: not a number that fits")))
    }

    /// Whether nothing is to be changed.
    pub fn is_dry_run(&self) -> bool {
        self.given.is_dry_run
    }

    /// Everything has been printed.
    pub fn finish(&mut self) {
        self.out.finish();
    }

    /// Calls with a time-out of the command's own.
    pub fn calls(&self, timeout: Duration) -> Calls {
        Calls::standalone(timeout)
    }

    /// Questions to the cluster.
    pub fn tools(&self) -> Tools {
        let namesrvs = self.namesrv_addr.as_deref().and_then(Namesrvs::parse);
        Tools::new(Calls::standalone(TIMEOUT), namesrvs)
    }

    /// Failures of parts.
    pub fn failures(&self) -> Failures {
        Failures::default()
    }

    /// Shows how far it is, unless what is printed shows that.
    pub fn progress(&mut self, what: &str, done: i64, all: i64) {
        let is_shown = !std::io::stdout().is_terminal();
        let bar = self.bar.get_or_insert_with(|| Progress::new(what, is_shown));
        bar.set(done, all);
        if done >= all {
            self.bar = None;
        }
    }

    /// A bar of something that prints nothing until its end.
    pub fn progress_of(&self, what: &str) -> Progress {
        Progress::new(what, true)
    }

    /// Asks at a terminal; elsewhere, and with `--yes`, it is agreed.
    pub fn confirm(&self, question: &str) -> Result<(), Failure> {
        let is_asked = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if self.given.is_yes || !is_asked {
            return Ok(());
        }
        eprint!("{question} [y/N] ");
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" if read.is_ok() => Ok(()),
            _ => Err(Failure::Text("not confirmed: nothing was changed".to_owned())),
        }
    }

    /// The brokers of a cluster.
    pub async fn brokers(&self, cluster: &str) -> Result<Vec<BrokerData>, Failure> {
        let mut info = self.tools().cluster_info().await?;
        let names = info.cluster_addr_table.get(cluster).ok_or_else(|| Failure::told(NO_CLUSTER))?;
        Ok(names.iter().filter_map(|name| info.broker_addr_table.remove(name)).collect())
    }

    /// The masters of a cluster.
    pub async fn masters(&self, cluster: &str) -> Result<Vec<String>, Failure> {
        let brokers = self.brokers(cluster).await?;
        Ok(brokers.iter().filter_map(|broker| broker.master_addr()).map(str::to_owned).collect())
    }

    /// Takes a topic away from a cluster's brokers, and then from the name servers.
    pub async fn delete_topic(&mut self, cluster: &str, topic: &str) -> Result<(), Failure> {
        let tools = self.tools();
        tools.delete_topic(cluster, topic).await?;
        self.out.put(
            &format!("delete topic [{topic}] from cluster [{cluster}] success.\n"),
            || json!({"topic": topic, "cluster": cluster}),
        );
        tools.delete_topic_in_namesrvs(topic).await?;
        self.out.text(&format!("delete topic [{topic}] from NameServer success.\n"));
        Ok(())
    }
}
