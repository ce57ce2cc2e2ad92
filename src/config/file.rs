//! Tables as files (Java: `ConfigManager`, `MixAll.string2File`, `MixAll.file2String`): fastjson's pretty form, replaced
//! atomically, with the copy before the last in `.bak`. What is in them is their owners' business. The operator's own
//! file is [`super::settings_file`]'s.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::paths;

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
    fs::create_dir_all(folder(path))?;
    let before = if keeps_copy { unless_missing(fs::read(path))? } else { None };
    put_in_place(path, text, None)?;
    // Not first: where the file was damaged the copy is all there is until now.
    if let Some(before) = before {
        put_in_place(&beside(path, ".bak"), &before, None)?;
    }
    sync_folder(path)
}

fn folder(path: &Path) -> &Path {
    paths::parent(path).unwrap_or(Path::new("/"))
}

/// Brings the names of a file's folder to the disk.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

fn unless_missing(read: io::Result<Vec<u8>>) -> io::Result<Option<Vec<u8>>> {
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// Writes a file beside the one that it replaces: neither a full disk nor a power cut leaves a part of it. With `like` it
/// is for whom the file described there is.
pub(super) fn put_in_place(path: &Path, text: &[u8], like: Option<&Metadata>) -> io::Result<()> {
    let temporary = beside(path, ".tmp");
    let write = || {
        let mut options = File::options();
        if like.is_some() {
            options.mode(0o600);
        }
        let mut file = options.write(true).create(true).truncate(true).open(&temporary)?;
        if let Some(like) = like {
            give_to(&file, like)?;
        }
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    // On a full disk what was begun stands in the way of others.
    write().inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

/// Gives a file owner, group and mode of another one, as far as this user may: only root gives files away.
fn give_to(file: &File, like: &Metadata) -> io::Result<()> {
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
        let _ = fchown(file, None, Some(like.gid()));
        let _ = fchown(file, Some(like.uid()), None);
    }
    file.set_permissions(like.permissions())
}

pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
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
}
