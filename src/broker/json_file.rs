//! The broker's tables as files (Java: `ConfigManager`): fastjson's pretty form, replaced atomically, with the
//! copy before the last in `.bak`. What is in them is the tables' business.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why a table cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{path} and its .bak are damaged: {reason}")]
    Damaged { path: PathBuf, reason: String },
}

/// The table in a file or else in its `.bak`; `None` where there is neither, as on a first start.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, FileError> {
    let mut damage = None;
    for candidate in [path.to_owned(), backup(path)] {
        let text = match std::fs::read(&candidate) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(source) => return Err(FileError::Io { path: candidate, source }),
        };
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match compat::json::from_slice(&text) {
            Ok(table) => return Ok(Some(table)),
            Err(error) => {
                tracing::error!(path = %candidate.display(), %error, "damaged file passed over");
                damage = Some(error.to_string());
            }
        }
    }
    match damage {
        None => Ok(None),
        Some(reason) => Err(FileError::Damaged { path: path.to_owned(), reason }),
    }
}

/// Replaces a file.
pub fn store<T: Serialize>(path: &Path, table: &T) -> Result<(), FileError> {
    let text = compat::json::to_pretty_java(table).expect("tables are of text, numbers and maps");
    replace(path, &text).map_err(|source| FileError::Io { path: path.to_owned(), source })
}

/// Replaces a file of any kind: after a crash it is the old or the new one.
pub fn replace(path: &Path, text: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = PathBuf::from(name);
    let mut file = std::fs::File::create(&temporary)?;
    file.write_all(text)?;
    file.sync_all()?;
    if path.exists() {
        std::fs::copy(path, backup(path))?;
    }
    std::fs::rename(&temporary, path)?;
    std::fs::File::open(folder)?.sync_all()
}

fn backup(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".bak");
    PathBuf::from(name)
}
