//! The checkpoint and the JSON files of a directory.

use std::collections::HashSet;
use std::path::Path;

use super::{Directory, Report};
use crate::protocol::body::topic::TopicConfigSerializeWrapper;

/// The tables that a broker keeps in `config/`.
const TABLES: [&str; 5] = [
    "topics.json",
    "consumerOffset.json",
    "subscriptionGroup.json",
    "consumerFilter.json",
    "delayOffset.json",
];
const CHECKPOINT_BYTES: usize = 4096;
const DAY_MS: i64 = 86_400_000;

/// Log, queues, index: the three times of the checkpoint, ms.
pub fn checkpoint(directory: &Directory) -> Option<[i64; 3]> {
    let bytes = std::fs::read(directory.root.join("checkpoint")).ok()?;
    let (times, _) = bytes.get(..24)?.as_chunks::<8>();
    Some([0, 1, 2].map(|part| i64::from_be_bytes(times[part])))
}

/// The names of the topics there are; none where the table is not there or not whole.
pub fn topics(directory: &Directory) -> Option<HashSet<String>> {
    let text = std::fs::read(directory.root.join("config/topics.json")).ok()?;
    let table: TopicConfigSerializeWrapper = compat::json::from_slice(&text).ok()?;
    Some(table.topic_config_table.into_keys().collect())
}

pub fn check_checkpoint(directory: &Directory, now_ms: i64, report: &mut Report) {
    let path = directory.root.join("checkpoint");
    let length = match std::fs::metadata(&path) {
        Ok(meta) => meta.len() as usize,
        Err(_) => {
            report.notes.push("there is no checkpoint: the next start walks the whole log".to_owned());
            return;
        }
    };
    if length != CHECKPOINT_BYTES {
        report.find("checkpoint", &path, 0, format!("{length} bytes instead of {CHECKPOINT_BYTES}"));
    }
    let names = ["commit log", "consume queues", "index"];
    for (number, (time, name)) in checkpoint(directory).into_iter().flatten().zip(names).enumerate() {
        if !(0..=now_ms + DAY_MS).contains(&time) {
            report.find(
                "checkpoint",
                &path,
                8 * number as u64,
                format!("the time of the {name}, {time}, cannot be true"),
            );
        }
    }
}

pub fn check_tables(directory: &Directory, report: &mut Report) {
    let folder = directory.root.join("config");
    for name in TABLES {
        let path = folder.join(name);
        match problem(&path) {
            Ok(None) => {}
            Ok(Some(bytes)) => {
                report.tables.files += 1;
                report.tables.items += 1;
                report.tables.bytes += bytes;
            }
            Err(reason) => {
                report.tables.files += 1;
                report.tables.damaged += 1;
                let backup = path.with_extension("json.bak");
                let rest = match problem(&backup) {
                    Ok(Some(_)) => "its .bak is whole and will be used",
                    _ => "and there is no whole .bak: a broker does not start with it",
                };
                report.find("table", &path, 0, format!("{reason}; {rest}"));
            }
        }
    }
}

/// The length of a table's file, none where there is none, or what is wrong with it.
fn problem(path: &Path) -> Result<Option<u64>, String> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err("it is empty".to_owned());
    }
    compat::json::from_slice::<serde_json::Value>(&text).map_err(|error| error.to_string())?;
    Ok(Some(text.len() as u64))
}
