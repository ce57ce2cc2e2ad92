//! Tables and settings as files (Java: `ConfigManager`, `MixAll.string2File`, `MixAll.file2String`): fastjson's
//! pretty form, replaced atomically, with the copy before the last in `.bak`. What is in them is their owners'
//! business.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Entry;

/// Why a file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("cannot read or write {}: {source}{}", path.display(), remedy(source))]
    Io { path: PathBuf, source: io::Error },
    #[error("{} and its .bak are damaged ({reason}): repair or remove both", path.display())]
    Damaged { path: PathBuf, reason: String },
}

/// What an operator may do about it, where that is plain.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::PermissionDenied => {
            ". Start as the user who owns the folder, or give that user what is in it (chown -R)"
        }
        ErrorKind::NotADirectory => {
            ". A part of this path is a file: name another path, or move that file away"
        }
        ErrorKind::IsADirectory => ". There is a folder in the file's place: move it away",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ". Make space",
        ErrorKind::ReadOnlyFilesystem => ". Its file system is mounted read-only",
        _ => "",
    }
}

/// The table in a file or else in its `.bak`; `None` where neither has anything, as on a first start.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, FileError> {
    Ok(load_with_text(path)?.map(|(table, _)| table))
}

/// As [`load`], with the text that was taken.
pub fn load_with_text<T: DeserializeOwned>(path: &Path) -> Result<Option<(T, Vec<u8>)>, FileError> {
    let mut damage = None;
    let mut empty = None;
    for candidate in [path.to_owned(), beside(path, ".bak")] {
        let text = match fs::read(&candidate) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(source) => return Err(FileError::Io { path: candidate, source }),
        };
        if text.iter().all(u8::is_ascii_whitespace) {
            empty = Some(candidate);
            continue;
        }
        match compat::json::from_slice(&text) {
            Ok(table) => {
                if damage.is_some() || empty.is_some() {
                    let (path, reason) = (path.display(), damage.as_deref().unwrap_or("it is empty"));
                    tracing::error!(%path, reason, "damaged file passed over, its .bak is used");
                }
                return Ok(Some((table, text)));
            }
            Err(error) => damage = Some(error.to_string()),
        }
    }
    match damage {
        None => {
            if let Some(path) = empty {
                tracing::error!(path = %path.display(), "file is empty: what it held is lost, if it held anything");
            }
            Ok(None)
        }
        Some(reason) => Err(FileError::Damaged { path: path.to_owned(), reason }),
    }
}

/// Replaces a table's file.
pub fn store<T: Serialize>(path: &Path, table: &T) -> Result<(), FileError> {
    replace(path, &text(table))
}

/// A table as its file has it.
pub fn text<T: Serialize>(table: &T) -> Vec<u8> {
    compat::json::to_pretty_java(table).expect("tables are of text, numbers and maps")
}

/// Replaces a file of any kind: after a crash it is the old one or the new one, and what it was before is in
/// `.bak`. One caller at a time.
pub fn replace(path: &Path, text: &[u8]) -> Result<(), FileError> {
    write(path, text, true).map_err(|source| FileError::Io { path: path.to_owned(), source })
}

/// As [`replace`], for a file that can be made again: no `.bak`.
pub fn replace_without_copy(path: &Path, text: &[u8]) -> Result<(), FileError> {
    write(path, text, false).map_err(|source| FileError::Io { path: path.to_owned(), source })
}

fn write(path: &Path, text: &[u8], keeps_copy: bool) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder)?;
    let before = if keeps_copy { unless_missing(fs::read(path))? } else { None };
    put_in_place(path, text)?;
    // Not first: where the file was damaged the copy is all there is until now.
    if let Some(before) = before {
        put_in_place(&beside(path, ".bak"), &before)?;
    }
    File::open(folder)?.sync_all()
}

fn unless_missing(read: io::Result<Vec<u8>>) -> io::Result<Option<Vec<u8>>> {
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// Writes a file beside the one that it replaces: neither a full disk nor a power cut leaves a part of it.
fn put_in_place(path: &Path, text: &[u8]) -> io::Result<()> {
    let temporary = beside(path, ".tmp");
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    // On a full disk what was begun stands in the way of others.
    write().inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Writes changed keys of `entries` into the operator's properties file; all else stays as it was written.
pub fn change_settings(path: &Path, changed: &[String], entries: &[Entry]) -> Result<(), FileError> {
    let text = fs::read_to_string(path).map_err(|source| FileError::Io { path: path.to_owned(), source })?;
    let values = changed.iter().filter_map(|key| {
        let entry = entries.iter().rev().find(|entry| entry.key == *key)?;
        Some((key.as_str(), entry.value.as_str()))
    });
    let text = values.fold(text, |text, (key, value)| with_value(&text, key, value));
    replace(path, text.as_bytes())
}

/// A properties text with a key's value changed where it counts, its last entry, or added at the end. All else
/// stays as the operator wrote it.
fn with_value(text: &str, key: &str, value: &str) -> String {
    let setting = format!("{key}={}", compat::properties::escape_value(value));
    let entry = compat::properties::parse(text).into_iter().rev().find(|entry| entry.key.trim() == key);
    let mut lines: Vec<&str> = text.lines().collect();
    match entry {
        Some(entry) if entry.line <= lines.len() => {
            let start = entry.line - 1;
            // A line that ends in an odd number of backslashes goes on in the next.
            let goes_on = |line: &str| (line.len() - line.trim_end_matches('\\').len()) % 2 == 1;
            let more = lines[start..].iter().take_while(|line| goes_on(line)).count();
            let end = (start + more + 1).min(lines.len());
            lines.splice(start..end, [setting.as_str()]);
        }
        _ => lines.push(&setting),
    }
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    type Table = BTreeMap<String, i64>;

    fn table(value: i64) -> Table {
        Table::from([("a".to_owned(), value)])
    }

    #[test]
    fn the_copy_before_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config/t.json");
        assert_eq!(load::<Table>(&path).unwrap(), None);
        store(&path, &table(1)).unwrap();
        assert!(!beside(&path, ".bak").exists());
        store(&path, &table(2)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\n\t\"a\":2\n}");
        assert_eq!(fs::read_to_string(beside(&path, ".bak")).unwrap(), "{\n\t\"a\":1\n}");
        assert!(!beside(&path, ".tmp").exists());
        assert_eq!(load(&path).unwrap(), Some(table(2)));
    }

    #[test]
    fn what_cannot_be_written_leaves_all_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.json");
        store(&path, &table(1)).unwrap();
        store(&path, &table(2)).unwrap();
        // A folder in the place of the file that would become the new one.
        fs::create_dir(beside(&path, ".tmp")).unwrap();
        assert!(store(&path, &table(3)).is_err());
        assert_eq!(load(&path).unwrap(), Some(table(2)));
        assert_eq!(load(&beside(&path, ".bak")).unwrap(), Some(table(1)));
        fs::remove_dir(beside(&path, ".tmp")).unwrap();
        // The copy cannot be written: the file is.
        fs::create_dir(beside(&path, ".bak.tmp")).unwrap();
        assert!(store(&path, &table(3)).is_err());
        assert_eq!(load(&path).unwrap(), Some(table(3)));
        assert_eq!(load(&beside(&path, ".bak")).unwrap(), Some(table(1)));
    }

    #[test]
    fn what_is_damaged_or_missing_comes_from_the_copy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.json");
        let check = |file: Option<&str>, copy: Option<&str>, expected: Result<Option<Table>, ()>| {
            for (path, text) in [(path.clone(), file), (beside(&path, ".bak"), copy)] {
                match text {
                    Some(text) => fs::write(path, text).unwrap(),
                    None => {
                        let _ = fs::remove_file(path);
                    }
                }
            }
            assert_eq!(load::<Table>(&path).map_err(|_| ()), expected, "{file:?} {copy:?}");
        };
        check(Some("{\"a\":2}"), Some("{\"a\":1}"), Ok(Some(table(2))));
        check(Some("{\"a\":2"), Some("{\"a\":1}"), Ok(Some(table(1))));
        check(Some(""), Some("{\"a\":1}"), Ok(Some(table(1))));
        check(None, Some("{\"a\":1}"), Ok(Some(table(1))));
        check(None, None, Ok(None));
        check(Some(" \n"), Some(""), Ok(None));
        check(Some("{"), None, Err(()));
        check(Some("{"), Some("x"), Err(()));
    }

    #[test]
    fn one_value_changes_and_all_else_stays() {
        let check = |text: &str, expected: &str| assert_eq!(with_value(text, "b", "2"), expected);
        check("# why\na=1\nb=1\n\n# end\n", "# why\na=1\nb=2\n\n# end\n");
        check("b=0\nb : 1\n", "b=0\nb=2\n");
        check("b=1\\\n 2\\\n 3\na=1", "b=2\na=1\n");
        check("a=1", "a=1\nb=2\n");
        check("", "b=2\n");
        check("#b=1\n", "#b=1\nb=2\n");
    }
}
