//! The log files of 4.3.0 (`conf/logback_{broker,namesrv}.xml` there): which line goes into which file, what a line looks
//! like, and the one thread that writes. It is not metrics and not the boot lines on standard output. The tools have no
//! log: what they have to say stands on standard output and standard error.
//!
//! Files stand in `~/logs/rocketmqlogs` and are created by their first line. The target of an event, which is its
//! module unless the call names one, chooses the file:
//!
//! | target (`rocketmq::` before it or not) | broker, standalone | name server |
//! |---|---|---|
//! | `storeerror`: damaged files of the store | storeerror.log | namesrv.log |
//! | `store`, `ha` | store.log | namesrv.log |
//! | `remoting` | remoting.log | namesrv.log |
//! | `broker::transaction`, `broker::processor::end_transaction` | transaction.log | namesrv.log |
//! | `broker::queue_lock` | lock.log | namesrv.log |
//! | `filter`, `broker::consumer_filter` | filter.log | namesrv.log |
//! | `stats` | stats.log (no thread) | namesrv.log |
//! | `watermark` | watermark.log (no level, no thread) | namesrv.log |
//! | `protection` | protection.log (no level, no thread) | namesrv.log |
//! | `namesrv` | namesrv.log | namesrv.log |
//! | anything else of ours | broker.log | namesrv.log |
//! | other crates | broker_default.log | namesrv_default.log |
//!
//! A line is `2026-11-23 08:14:31 INFO thread - message key=value`, in the local time zone (Java: always GMT+8), and
//! always one line: what would begin another one, or turn its order, is escaped. With `--log-format json` it is one JSON object,
//! `{"time":"2026-11-23T07:14:31.000Z","level":"INFO","thread":"…","target":"…","message":"…","fields":{"key":"value"}}`,
//! in the same files. The caller only copies its line into a bounded buffer; when the disk does not keep up, lines are
//! dropped and counted, and the count is logged. So it is with masses of lines of one kind: `limit`.

mod filter;
mod limit;
mod rolling;
#[cfg(test)]
mod tests;

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use jiff::{Timestamp, tz::TimeZone};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::{Registry, reload};

pub use filter::{FilterError, parse_filter};
use limit::Limit;
use rolling::{Failure, RollingFile};

/// Most that may wait for the disk; what comes on top is dropped and counted.
const QUEUE_BYTES: usize = 4 << 20;
/// A longer line is cut.
const LINE_BYTES: usize = 64 << 10;
const MIB: u64 = 1 << 20;

/// Which program logs: it decides the set of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKind {
    Namesrv,
    Broker,
    /// Name server and broker in one process: the broker's files, and namesrv.log for the name server's part.
    Standalone,
}

/// Where and how much to log.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Java: `${user.home}/logs/rocketmqlogs`.
    pub dir: PathBuf,
    /// As [`parse_filter`] takes it.
    pub filter: String,
    /// What a line looks like.
    pub format: LogFormat,
}

/// What a line looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// As 4.3.0's.
    // Files of variables have empty values, and mean the default.
    #[default]
    #[value(alias = "")]
    Text,
    /// One JSON object a line.
    Json,
}

impl LogOptions {
    /// The same with this filter, unless it is empty.
    #[must_use]
    pub fn with_filter(self, directives: &str) -> LogOptions {
        if directives.is_empty() { self } else { LogOptions { filter: directives.to_owned(), ..self } }
    }

    /// Java's folder under the home directory (or `ROCKETMQ_LOG_DIR`), and the level of `ROCKETMQ_LOG` or, where that is
    /// none, `info`.
    pub fn from_env() -> LogOptions {
        let home = || std::env::home_dir().unwrap_or_default().join("logs/rocketmqlogs");
        let filter = env("ROCKETMQ_LOG").filter(|directives| parse_filter(directives).is_ok());
        LogOptions {
            dir: env("ROCKETMQ_LOG_DIR").map_or_else(home, PathBuf::from),
            filter: filter.unwrap_or_else(|| "info".to_owned()),
            format: LogFormat::default(),
        }
    }
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error("the log writer's thread does not start: {0}")]
    Thread(#[from] std::io::Error),
    #[error("logging is already set up in this process")]
    AlreadySet(#[from] tracing::subscriber::SetGlobalDefaultError),
}

/// The filter of this process's log, once it has one.
static FILTER: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Sends every event of this process to its file, until the guard is dropped.
pub fn init(kind: ServerKind, options: &LogOptions) -> Result<LogGuard, Error> {
    let (subscriber, filter, guard) = subscriber(kind, options)?;
    tracing::subscriber::set_global_default(subscriber)?;
    // Nobody else sets it: the subscriber above could be set only once.
    let _ = FILTER.set(filter);
    if let Some(Err(error)) = env("TZ").map(|_| TimeZone::try_system()) {
        let _ = writeln!(
            std::io::stderr(),
            "WARNING: TZ names no time zone that is known: times are in UTC: {error}"
        );
        tracing::warn!(%error, "TZ names no time zone that is known: times are in UTC");
    }
    if let Some(Err(error)) = env("ROCKETMQ_LOG").map(|directives| parse_filter(&directives)) {
        let _ = writeln!(std::io::stderr(), "WARNING: ROCKETMQ_LOG has no effect: {error}");
        tracing::warn!(%error, "ROCKETMQ_LOG has no effect");
    }
    Ok(guard)
}

/// `logLevel` is another now: so is what is logged, where this process logs.
pub fn filter_changed(log_level: &str) {
    let directives = LogOptions::from_env().with_filter(log_level).filter;
    let reloaded = FILTER.get().map(|handle| Ok(handle.reload(parse_filter(&directives)?)?));
    if let Some(Err(error)) = reloaded {
        let error: Box<dyn std::error::Error> = error;
        tracing::error!(%error, log_level, "logLevel has no effect");
    }
}

type Filtered = (Box<dyn Subscriber + Send + Sync>, reload::Handle<Targets, Registry>, LogGuard);

fn subscriber(kind: ServerKind, options: &LogOptions) -> Result<Filtered, Error> {
    let (filter, handle) = reload::Layer::new(parse_filter(&options.filter)?);
    let queue = Arc::new(Queue::default());
    let files = FILES.map(|file| RollingFile::new(&options.dir, file.name, file.max_bytes, file.keep));
    let format = options.format;
    let writer = Writer { kind, format, queue: Arc::clone(&queue), files };
    let thread = thread::Builder::new().name("log-writer".to_owned()).spawn(move || writer.run())?;
    let (time_zone, limit) = (TimeZone::system(), Limit::default());
    let layer = FileLayer { kind, format, queue: Arc::clone(&queue), time_zone, limit };
    let subscriber = Box::new(Registry::default().with(filter).with(layer));
    Ok((subscriber, handle, LogGuard { queue, thread: Some(thread) }))
}

/// Dropping it writes out what waits and ends the writer: keep it until the process has nothing more to say.
#[must_use = "dropping the guard ends logging"]
pub struct LogGuard {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // The writer has no panic of its own to pass on, and a drop has nobody to tell.
            let _ = thread.join();
        }
    }
}

// ---- which file -----------------------------------------------------------------------------------------------------

/// What of the line's head a file shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Full,
    NoThread,
    TimeOnly,
}

#[derive(Clone, Copy)]
struct LogFile {
    name: &'static str,
    max_bytes: u64,
    /// Rolled files that are kept beside the current one.
    keep: u32,
    shape: Shape,
}

const fn file(name: &'static str, max_mib: u64, keep: u32, shape: Shape) -> LogFile {
    LogFile { name, max_bytes: max_mib * MIB, keep, shape }
}

/// Index into [`FILES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum File {
    BrokerDefault,
    Broker,
    Store,
    StoreError,
    Remoting,
    Transaction,
    Lock,
    Filter,
    Stats,
    WaterMark,
    Protection,
    Namesrv,
    NamesrvDefault,
}

const FILE_COUNT: usize = 13;

/// Sizes and counts of 4.3.0. Its commercial.log is missing here because there it is always empty.
const FILES: [LogFile; FILE_COUNT] = [
    file("broker_default", 100, 10, Shape::Full),
    file("broker", 128, 20, Shape::Full),
    file("store", 128, 10, Shape::Full),
    file("storeerror", 100, 10, Shape::Full),
    file("remoting", 100, 10, Shape::Full),
    file("transaction", 100, 10, Shape::Full),
    file("lock", 100, 5, Shape::Full),
    file("filter", 100, 10, Shape::Full),
    file("stats", 100, 5, Shape::NoThread),
    file("watermark", 100, 10, Shape::TimeOnly),
    file("protection", 100, 10, Shape::TimeOnly),
    file("namesrv", 100, 5, Shape::Full),
    file("namesrv_default", 100, 5, Shape::Full),
];

/// Targets with a file of their own in a broker; the first that fits counts.
const BROKER_TARGETS: &[(&str, File)] = &[
    ("storeerror", File::StoreError),
    ("store", File::Store),
    ("ha", File::Store),
    ("remoting", File::Remoting),
    ("broker::transaction", File::Transaction),
    ("broker::processor::end_transaction", File::Transaction),
    ("broker::queue_lock", File::Lock),
    ("broker::consumer_filter", File::Filter),
    ("filter", File::Filter),
    ("stats", File::Stats),
    ("watermark", File::WaterMark),
    ("protection", File::Protection),
    ("namesrv", File::Namesrv),
];

fn file_for(kind: ServerKind, target: &str) -> File {
    let path = target.strip_prefix("rocketmq::").unwrap_or(target);
    let own = BROKER_TARGETS.iter().find(|(module, _)| is_within(path, module));
    let ours = own.is_some() || is_within(target, "rocketmq");
    match (kind, ours) {
        (ServerKind::Namesrv, true) => File::Namesrv,
        (ServerKind::Namesrv, false) => File::NamesrvDefault,
        (ServerKind::Broker | ServerKind::Standalone, true) => own.map_or(File::Broker, |(_, file)| *file),
        (ServerKind::Broker | ServerKind::Standalone, false) => File::BrokerDefault,
    }
}

fn is_within(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

// ---- the line -------------------------------------------------------------------------------------------------------

struct FileLayer {
    kind: ServerKind,
    format: LogFormat,
    queue: Arc<Queue>,
    time_zone: TimeZone,
    limit: Limit,
}

impl<S: Subscriber> Layer<S> for FileLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let Some(left_out) = self.limit.admit(metadata, Instant::now()) else { return };
        let file = file_for(self.kind, metadata.target());
        let mut said = Said::new(self.format);
        event.record(&mut said);
        if left_out > 0 {
            said.add_plain("left_out", left_out);
        }
        let current = thread::current();
        let head = Head {
            time: Timestamp::now(),
            level: *metadata.level(),
            thread: current.name().unwrap_or("unnamed"),
            target: metadata.target(),
        };
        let line = line(FILES[file as usize].shape, &self.time_zone, &head, said);
        self.queue.push(file, line.as_bytes());
    }
}

struct Head<'a> {
    time: Timestamp,
    level: Level,
    thread: &'a str,
    target: &'a str,
}

fn line(shape: Shape, time_zone: &TimeZone, head: &Head<'_>, said: Said) -> String {
    match said.format {
        LogFormat::Text => text_line(shape, time_zone, head, &said),
        LogFormat::Json => json_line(head, &said),
    }
}

fn text_line(shape: Shape, time_zone: &TimeZone, head: &Head<'_>, said: &Said) -> String {
    let mut line = String::with_capacity(96 + said.message.len() + said.fields.len());
    let time = head.time.to_zoned(time_zone.clone());
    // Writing into a String does not fail, and a moment of now always has these fields.
    let _ = write!(line, "{}", time.strftime("%Y-%m-%d %H:%M:%S"));
    let _ = match shape {
        Shape::Full => write!(line, " {} {} - ", head.level, head.thread),
        Shape::NoThread => write!(line, " {} - ", head.level),
        Shape::TimeOnly => write!(line, " - "),
    };
    line.push_str(&said.message);
    // Fields come with a blank before each; without a message the first one's is not wanted.
    line.push_str(if said.message.is_empty() { said.fields.trim_start() } else { &said.fields });
    if line.len() >= LINE_BYTES {
        line.truncate(line.floor_char_boundary(LINE_BYTES - "…\n".len()));
        line.push('…');
    }
    line.push('\n');
    line
}

/// Message and fields are JSON already, and cut where they were too long.
fn json_line(head: &Head<'_>, said: &Said) -> String {
    let mut line = String::with_capacity(160 + said.message.len() + said.fields.len());
    let _ = write!(line, "{{\"time\":\"{:.3}\",\"level\":\"{}\"", head.time, head.level);
    for (key, value) in [("thread", head.thread), ("target", head.target)] {
        let _ = write!(line, ",\"{key}\":\"");
        let _ = JsonText(&mut line).write_str(value);
        line.push('"');
    }
    let fields = said.fields.strip_prefix(',').unwrap_or_default();
    let _ = writeln!(line, ",\"message\":\"{}\",\"fields\":{{{fields}}}}}", said.message);
    line
}

/// What an event says: its message, and its fields as ` key=value` or `,"key":"value"`.
struct Said {
    format: LogFormat,
    message: String,
    fields: String,
}

impl Said {
    fn new(format: LogFormat) -> Said {
        Said { format, message: String::new(), fields: String::new() }
    }

    fn add(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let Said { format, message, fields } = self;
        // A Display of a caller that reports an error costs its own text only.
        let _ = match (*format, field.name()) {
            (LogFormat::Text, "message") => OneLine(message).write_fmt(value),
            (LogFormat::Json, "message") => JsonText(message).write_fmt(value),
            (LogFormat::Text, name) => {
                let _ = write!(fields, " {name}=");
                OneLine(fields).write_fmt(value)
            }
            (LogFormat::Json, name) => {
                let _ = write!(fields, ",\"{name}\":\"");
                let _ = JsonText(fields).write_fmt(value);
                fields.write_char('"')
            }
        };
    }

    /// A number or a truth value, which JSON has without quotes.
    fn add_plain(&mut self, name: &str, value: impl fmt::Display) {
        let _ = match self.format {
            LogFormat::Text => write!(self.fields, " {name}={value}"),
            LogFormat::Json => write!(self.fields, ",\"{name}\":{value}"),
        };
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format_args!("{value:?}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add_plain(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add_plain(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add_plain(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.add(field, format_args!("{value}"));
    }
}

/// The inside of a JSON string.
struct JsonText<'a>(&'a mut String);

impl fmt::Write for JsonText<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            match char {
                '"' | '\\' => self.0.extend(['\\', char]),
                char if is_escaped(char) => write!(self.0, "\\u{:04x}", u32::from(char))?,
                char => self.0.push(char),
            }
            if self.0.len() > LINE_BYTES {
                return Err(fmt::Error); // enough
            }
        }
        Ok(())
    }
}

/// What begins a line of its own, or turns the order of a line, where a terminal or an editor shows it.
fn is_escaped(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Keeps a peer's bytes from writing lines of their own into a log.
struct OneLine<'a>(&'a mut String);

impl fmt::Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(is_escaped) {
            let plain = part.strip_suffix(is_escaped).unwrap_or(part);
            self.0.push_str(plain);
            self.0.extend(part[plain.len()..].escape_debug());
            if self.0.len() > LINE_BYTES {
                return Err(fmt::Error); // enough: the line is cut there anyway
            }
        }
        Ok(())
    }
}

// ---- the writer -----------------------------------------------------------------------------------------------------

/// Lines on their way to the writer: one buffer a file, since order matters only within a file. The lock is held for a
/// copy of one line or a swap of buffers, never for the disk.
#[derive(Default)]
struct Queue {
    pending: Mutex<Pending>,
    wake: Condvar,
}

#[derive(Default)]
struct Pending {
    buffers: [Vec<u8>; FILE_COUNT],
    bytes: usize,
    dropped: u64,
    closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, file: File, line: &[u8]) {
        let mut pending = self.lock();
        if pending.closed || pending.bytes + line.len() > QUEUE_BYTES {
            pending.dropped += 1;
            return;
        }
        let was_empty = pending.bytes == 0;
        pending.bytes += line.len();
        pending.buffers[file as usize].extend_from_slice(line);
        drop(pending);
        if was_empty {
            self.wake.notify_one();
        }
    }

    /// Waits for lines and takes them all; `None` once the queue is closed and empty.
    fn take(&self, emptied: [Vec<u8>; FILE_COUNT]) -> Option<([Vec<u8>; FILE_COUNT], u64)> {
        let mut pending = self.lock();
        while pending.bytes == 0 {
            if pending.closed {
                return None;
            }
            pending = self.wake.wait(pending).unwrap_or_else(PoisonError::into_inner);
        }
        pending.bytes = 0;
        let dropped = std::mem::take(&mut pending.dropped);
        Some((std::mem::replace(&mut pending.buffers, emptied), dropped))
    }

    fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
    }
}

struct Writer {
    kind: ServerKind,
    format: LogFormat,
    queue: Arc<Queue>,
    files: [RollingFile; FILE_COUNT],
}

impl Writer {
    fn run(mut self) {
        let mut buffers: [Vec<u8>; FILE_COUNT] = Default::default();
        while let Some((mut taken, dropped)) = self.queue.take(buffers) {
            if dropped > 0 {
                let mut said = Said::new(self.format);
                said.message.push_str("the log could not keep up, lines were dropped");
                said.add_plain("count", dropped);
                let head = Head {
                    time: Timestamp::now(),
                    level: Level::WARN,
                    thread: "log-writer",
                    target: "rocketmq::logging",
                };
                let main = file_for(self.kind, "rocketmq");
                let line = line(Shape::Full, &TimeZone::system(), &head, said);
                taken[main as usize].extend_from_slice(line.as_bytes());
            }
            for (file, lines) in self.files.iter_mut().zip(&mut taken) {
                write(file, lines);
                // A burst must not keep its memory for ever.
                *lines = if lines.capacity() > LINE_BYTES { Vec::new() } else { std::mem::take(lines) };
                lines.clear();
            }
            buffers = taken;
        }
    }
}

/// A log that cannot be written must not stop the server, and must not be silent: its lines go to standard error.
fn write(file: &mut RollingFile, lines: &[u8]) {
    if lines.is_empty() {
        return;
    }
    let failing = file.failing;
    if let Err(Failure { path, error, lost }) = file.write(lines) {
        let mut stderr = std::io::stderr().lock();
        if !failing {
            let (what, until) = match lost {
                0 => (format!("roll {:?}: {path:?}", file.path()), "that file grows"),
                _ => (format!("write {path:?}"), "its lines go to standard error"),
            };
            let _ = writeln!(
                stderr,
                "rocketmq: cannot {what}: {error}; {until} until that works: check the folder's owner and free space, or set \
                 ROCKETMQ_LOG_DIR"
            );
        }
        let _ = stderr.write_all(&lines[lines.len() - lost..]);
    }
}
