//! `rocketmq store`: a data directory looked at and mended without a broker. What is wrong is `inspect`'s to find, how it
//! is mended `store`'s; here both are told to people and scripts.

use std::fmt::Write as _;
use std::io::{BufRead, IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use clap::Subcommand;
use rocketmq::config::store::MessageStoreConfig;
use rocketmq::inspect::{self, Amount, Directory, Log, Place, Report};
use rocketmq::protocol::message;
use rocketmq::protocol::message::MessageRef;
use rocketmq::store::{MessageStore, OpenOptions, Progress};
use serde_json::json;

use super::progress::Bar;
use super::{fail, say};

const EXIT_DAMAGED: u8 = 1;
/// Not looked at: no such directory, or in use.
const EXIT_CANNOT: u8 = 2;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look at everything and say what is wrong where: exit code 0 sound, 1 damaged, 2 cannot be looked at
    Check(CheckArgs),
    /// Print messages, queue entries, index entries or the checkpoint
    Dump(DumpArgs),
    /// Mend what check finds: cut a torn end, make queues and index again from the log
    Repair(RepairArgs),
}

/// Which directory.
#[derive(Debug, clap::Args)]
struct Where {
    /// Data directory (storePathRootDir)
    dir: PathBuf,
    /// The log's folder, where storePathCommitLog is not DIR/commitlog
    #[arg(long, value_name = "DIR")]
    commitlog: Option<PathBuf>,
    /// maxHashSlotNum of the index files
    #[arg(long, value_name = "N", default_value_t = 5_000_000)]
    slots: u32,
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    #[command(flatten)]
    place: Where,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct DumpArgs {
    #[command(flatten)]
    place: Where,
    /// Only this topic
    #[arg(long)]
    topic: Option<String>,
    /// Only this queue
    #[arg(long)]
    queue: Option<i32>,
    /// Only messages with this key
    #[arg(long)]
    key: Option<String>,
    /// First place in the log; of entries, the first queue offset
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// The place behind the last; of entries, queue offset
    #[arg(long, default_value_t = u64::MAX)]
    to: u64,
    /// Queue entries instead of messages
    #[arg(long)]
    units: bool,
    /// Index entries instead of messages
    #[arg(long, conflicts_with = "units")]
    index: bool,
    /// The checkpoint's times instead of messages
    #[arg(long, conflicts_with_all = ["units", "index"])]
    checkpoint: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct RepairArgs {
    #[command(flatten)]
    place: Where,
    /// Copy the directory there first
    #[arg(long, value_name = "DIR")]
    copy_to: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// maxIndexNum of the index files
    #[arg(long, value_name = "N", default_value_t = 20_000_000)]
    index_entries: i32,
}

pub fn run(args: &Args) -> ExitCode {
    let done = match &args.command {
        Command::Check(args) => check(args),
        Command::Dump(args) => dump(args),
        Command::Repair(args) => repair(args),
    };
    done.unwrap_or_else(|error| fail(EXIT_CANNOT, error))
}

impl Where {
    fn open(&self) -> Result<Directory, inspect::Error> {
        Directory::open(&self.dir, self.commitlog.as_deref())
    }

    fn check(&self, directory: &Directory) -> Result<Report, inspect::Error> {
        let bar = Bar::new("checking the commit log");
        let now_ms =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_millis());
        let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
        inspect::check(directory, self.slots.max(1) as usize, now_ms, &|done, all| bar.set(done, all))
    }
}

fn check(args: &CheckArgs) -> Result<ExitCode, String> {
    let directory = args.place.open().map_err(|error| error.to_string())?;
    let report = args.place.check(&directory).map_err(|error| error.to_string())?;
    if args.json {
        say(format_args!("{}\n", serde_json::to_string(&report).unwrap_or_default()));
    } else {
        say(told(&report, &directory, "`rocketmq store repair` mends what can be mended"));
    }
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_DAMAGED) })
}

/// A report for people, with what is to be said where something was found.
fn told(report: &Report, directory: &Directory, advice: &str) -> String {
    let mut text = String::new();
    for note in &report.notes {
        let _ = writeln!(text, "note: {note}");
    }
    for finding in &report.findings {
        let file = finding.file.strip_prefix(&directory.root).unwrap_or(&finding.file).display();
        let _ = writeln!(text, "{file}:{}: {}: {}", finding.at, finding.kind, finding.text);
    }
    for (kind, count) in &report.counts {
        let told = report.findings.iter().filter(|finding| finding.kind == *kind).count() as u64;
        if *count > told {
            let _ = writeln!(text, "… and {} more of: {kind}", count - told);
        }
    }
    let _ = writeln!(text, "{:<16}{:>8}{:>16}{:>14}{:>10}", "", "files", "bytes", "items", "damaged");
    let rows: [(&str, &Amount); 4] = [
        ("commit log", &report.commit_log),
        ("consume queues", &report.consume_queues),
        ("index", &report.index),
        ("tables", &report.tables),
    ];
    for (name, amount) in rows {
        let Amount { files, bytes, items, damaged } = amount;
        let _ = writeln!(text, "{name:<16}{files:>8}{bytes:>16}{items:>14}{damaged:>10}");
    }
    let findings: u64 = report.counts.values().sum();
    let _ = match findings {
        0 => writeln!(text, "sound"),
        _ => writeln!(text, "{findings} findings; {advice}"),
    };
    text
}

fn dump(args: &DumpArgs) -> Result<ExitCode, String> {
    let directory = args.place.open().map_err(|error| error.to_string())?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let printed = if args.units {
        units(args, &directory, &mut out)
    } else if args.index {
        index_entries(args, &directory, &mut out)
    } else if args.checkpoint {
        checkpoint(args, &directory, &mut out)
    } else {
        messages(args, &directory, &mut out)
    };
    match printed.and_then(|()| Ok(out.flush()?)) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        // Nobody reads any more, as behind `| head`.
        Err(DumpError::Print(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Err(error.to_string()),
    }
}

#[derive(Debug, thiserror::Error)]
enum DumpError {
    #[error(transparent)]
    Inspect(#[from] inspect::Error),
    #[error(transparent)]
    Print(#[from] std::io::Error),
}

fn messages(args: &DumpArgs, directory: &Directory, out: &mut impl std::io::Write) -> Result<(), DumpError> {
    let log = Log::open(directory)?;
    let mut at = log.start();
    loop {
        match log.place(at) {
            Place::Record(record) => {
                if at >= args.to {
                    return Ok(());
                }
                let is_wanted = at >= args.from
                    && args.topic.as_deref().is_none_or(|topic| record.topic() == Some(topic))
                    && args.queue.is_none_or(|queue| record.queue_id() == queue)
                    && args.key.as_deref().is_none_or(|wanted| {
                        rocketmq::store::index::keys(record.properties()).any(|key| key == wanted)
                    });
                if is_wanted {
                    print_message(args.json, record.bytes(), record.crc_is_right(), out)?;
                }
                at += record.length() as u64;
            }
            Place::Blank => at = log.next_file(at),
            Place::Damage { to } => {
                if !args.json && at >= args.from {
                    writeln!(out, "{at:>16}  {} bytes that hold no record", to - at)?;
                }
                at = to;
            }
            Place::End => return Ok(()),
        }
    }
}

fn print_message(
    is_json: bool,
    bytes: &[u8],
    is_right: bool,
    out: &mut impl std::io::Write,
) -> Result<(), DumpError> {
    let Ok(message) = MessageRef::take(&mut &bytes[..]) else { return Ok(()) };
    let body: String = String::from_utf8_lossy(&message.body[..message.body.len().min(60)])
        .chars()
        .map(|char| if char.is_control() || char == '\u{fffd}' { '.' } else { char })
        .collect();
    let property = |name| message.property(name);
    if is_json {
        let properties: serde_json::Map<String, serde_json::Value> =
            message::Properties::parse(&message.properties)
                .iter()
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect();
        let line = json!({
            "commitLogOffset": message.commit_log_offset,
            "size": message.store_size,
            "topic": message.topic,
            "queueId": message.queue_id,
            "queueOffset": message.queue_offset,
            "flag": message.flag,
            "sysFlag": message.sys_flag,
            "bornTimestamp": message.born_timestamp,
            "bornHost": message.born_host.to_string(),
            "storeTimestamp": message.store_timestamp,
            "storeHost": message.store_host.to_string(),
            "reconsumeTimes": message.reconsume_times,
            "preparedTransactionOffset": message.prepared_transaction_offset,
            "bodyLength": message.body.len(),
            "crcIsRight": is_right,
            "properties": properties,
            "body": body,
        });
        writeln!(out, "{line}")?;
    } else {
        writeln!(
            out,
            "{:>16}  {} {}:{}  tags {}  keys {}  {} bytes{}  {body}",
            message.commit_log_offset,
            message.topic,
            message.queue_id,
            message.queue_offset,
            property(message::PROPERTY_TAGS).unwrap_or("-"),
            property(message::PROPERTY_KEYS).unwrap_or("-"),
            message.body.len(),
            if is_right { "" } else { " DAMAGED" },
        )?;
    }
    Ok(())
}

fn units(args: &DumpArgs, directory: &Directory, out: &mut impl std::io::Write) -> Result<(), DumpError> {
    for queue in inspect::queues(directory)? {
        let is_wanted = args.topic.as_deref().is_none_or(|topic| topic == queue.topic)
            && args.queue.is_none_or(|id| id == queue.queue_id);
        if !is_wanted {
            continue;
        }
        let to = i64::try_from(args.to).unwrap_or(i64::MAX).min(queue.max_offset());
        let from = i64::try_from(args.from).unwrap_or(i64::MAX).max(queue.first_offset());
        for offset in from..to {
            let Some(unit) = queue.unit(offset) else { continue };
            let (topic, id) = (&queue.topic, queue.queue_id);
            if args.json {
                let line = json!({"topic": topic, "queueId": id, "queueOffset": offset,
                    "commitLogOffset": unit.commit_log_offset, "size": unit.length, "tagsCode": unit.tags_code});
                writeln!(out, "{line}")?;
            } else if unit.is_filler() {
                writeln!(out, "{topic} {id}:{offset}  none")?;
            } else {
                let (at, size, tags) = (unit.commit_log_offset, unit.length, unit.tags_code);
                writeln!(out, "{topic} {id}:{offset}  at {at}  {size} bytes  tags code {tags}")?;
            }
        }
    }
    Ok(())
}

fn index_entries(
    args: &DumpArgs,
    directory: &Directory,
    out: &mut impl std::io::Write,
) -> Result<(), DumpError> {
    for file in inspect::index_files(directory, args.place.slots.max(1) as usize)? {
        let name = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let next = usize::try_from(file.next_entry()).unwrap_or(1).min(file.room());
        if !args.json {
            let ((begin, end), (first, last)) = (file.times_ms(), file.offsets());
            writeln!(
                out,
                "{name}  {} entries  {begin} to {end} ms  places {first} to {last}",
                next.max(1) - 1
            )?;
        }
        for number in 1..next {
            let entry = file.entry(number);
            let at = u64::try_from(entry.commit_log_offset).unwrap_or(0);
            if !(args.from..args.to).contains(&at) {
                continue;
            }
            if args.json {
                let line = json!({"file": name, "entry": number, "hash": entry.hash,
                    "commitLogOffset": entry.commit_log_offset, "seconds": entry.seconds,
                    "previous": entry.previous});
                writeln!(out, "{line}")?;
            } else {
                let (hash, seconds, previous) = (entry.hash, entry.seconds, entry.previous);
                writeln!(out, "{number:>10}  hash {hash}  at {at}  {seconds} s  before it {previous}")?;
            }
        }
    }
    Ok(())
}

fn checkpoint(
    args: &DumpArgs,
    directory: &Directory,
    out: &mut impl std::io::Write,
) -> Result<(), DumpError> {
    let [log, queues, index] = inspect::checkpoint(directory).unwrap_or_default();
    if args.json {
        let line =
            json!({"physicMsgTimestamp": log, "logicsMsgTimestamp": queues, "indexMsgTimestamp": index});
        writeln!(out, "{line}")?;
    } else {
        writeln!(out, "commit log      {log}\nconsume queues  {queues}\nindex           {index}")?;
    }
    Ok(())
}

fn repair(args: &RepairArgs) -> Result<ExitCode, String> {
    let text = |error: inspect::Error| error.to_string();
    let directory = args.place.open().map_err(text)?;
    let report = args.place.check(&directory).map_err(text)?;
    say(told(&report, &directory, "what can be mended is mended now"));
    if report.is_sound() {
        say("nothing to repair\n");
        return Ok(ExitCode::SUCCESS);
    }
    if !args.yes && args.copy_to.is_none() && !confirmed() {
        return Err("nothing was changed: say --yes, or --copy-to DIR to have a copy first".to_owned());
    }
    if let Some(to) = &args.copy_to {
        copy(&directory, to)?;
    }
    let queues = inspect::queues(&directory).map_err(text)?;
    let queue_bytes = queues.iter().map(inspect::Queue::file_bytes).max().filter(|bytes| *bytes > 0);
    drop(queues);
    for folder in ["consumequeue", "consumequeue_ext", "index"] {
        let path = directory.root.join(folder);
        if path.exists() {
            std::fs::remove_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    rebuild(args, &directory, queue_bytes)?;
    let after = args.place.check(&directory).map_err(text)?;
    let rest = "none can be made good from the log: readers go past lost messages, a damaged table is to be restored";
    say(format_args!("\nafter the repair:\n{}", told(&after, &directory, rest)));
    Ok(if after.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_DAMAGED) })
}

fn confirmed() -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    say(
        "Consume queues and index are made again from the log, and a torn end of the log is cut. Go on? [y/N] ",
    );
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).is_ok_and(|_| answer.trim().eq_ignore_ascii_case("y"))
}

/// Opens the store as a broker does, over the whole log, and closes it again.
fn rebuild(args: &RepairArgs, directory: &Directory, queue_bytes: Option<u64>) -> Result<(), String> {
    let log = Log::open(directory).map_err(|error| error.to_string())?;
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let defaults = MessageStoreConfig::default();
    let queue_bytes = queue_bytes.and_then(|bytes| i32::try_from(bytes).ok());
    let config = MessageStoreConfig {
        maped_file_size_consume_queue: queue_bytes.unwrap_or(defaults.maped_file_size_consume_queue),
        store_path_root_dir: path(&directory.root),
        store_path_commit_log: path(&directory.commit_log),
        maped_file_size_commit_log: i32::try_from(log.file_bytes).unwrap_or(i32::MAX),
        max_hash_slot_num: i32::try_from(args.place.slots).unwrap_or(i32::MAX),
        max_index_num: args.index_entries,
        ..defaults
    };
    drop(log);
    let bar = Bar::new("making queues and index again");
    let options = OpenOptions {
        progress: Progress(Arc::new(move |done, all| bar.set(done, all))),
        walks_all: true,
        ..OpenOptions::default()
    };
    let store = MessageStore::open(config, options).map_err(|error| error.to_string())?;
    store.shutdown().map_err(|error| error.to_string())
}

fn copy(directory: &Directory, to: &Path) -> Result<(), String> {
    if to.exists() {
        return Err(format!("{} is there already: name a folder that is not", to.display()));
    }
    copy_folder(&directory.root, to)?;
    if !directory.commit_log.starts_with(&directory.root) {
        copy_folder(&directory.commit_log, &to.join("commitlog"))?;
    }
    say(format_args!("copied to {}\n", to.display()));
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    std::fs::create_dir_all(to).map_err(|error| failed(to, error))?;
    for entry in std::fs::read_dir(from).map_err(|error| failed(from, error))? {
        let path = entry.map_err(|error| failed(from, error))?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_folder(&path, &target)?;
        } else {
            std::fs::copy(&path, &target).map_err(|error| failed(&path, error))?;
            let modified = std::fs::metadata(&path).and_then(|meta| meta.modified());
            // Expiry goes by the times of files.
            let file = std::fs::File::options().write(true).open(&target);
            let set = modified.and_then(|modified| file?.set_modified(modified));
            set.map_err(|error| failed(&target, error))?;
        }
    }
    Ok(())
}
