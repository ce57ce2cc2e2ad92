//! What keeps two brokers out of one directory. Of the data directory it is the file `lock` (Java:
//! `DefaultMessageStore.start`): a POSIX record lock as Java's `FileChannel.lock` takes it; `flock` would not meet it. The
//! commit log may lie elsewhere and be shared by mistake, which Java does not notice: its folder is locked itself, by
//! `flock`, because a file more in it would end Java's loading of the log. Both are taken before anything else is read, so
//! that a second broker changes nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use rustix::fs::FlockOperation;
use rustix::process::{Flock, FlockType};

use super::Error;

/// Locks of a data directory and of its commit log, held until dropped. The process must open the file `lock` nowhere
/// else: closing any descriptor of it would give that lock up.
#[derive(Debug)]
pub struct Locks {
    _file: File,
    _commit_log: File,
}

/// Whether a broker, ours or Java, holds a data directory. Changes nothing.
pub fn is_held(root: &Path) -> io::Result<bool> {
    let file = match File::open(root.join("lock")) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let whole = Flock::from(FlockType::WriteLock);
    Ok(rustix::process::fcntl_getlk(&file, &whole)?.is_some())
}

/// Whether a broker of ours holds a commit log's folder. Changes nothing.
pub fn is_commit_log_held(folder: &Path) -> io::Result<bool> {
    let shared = rustix::fs::flock(File::open(folder)?, FlockOperation::NonBlockingLockShared);
    Ok(matches!(shared, Err(rustix::io::Errno::WOULDBLOCK)))
}

impl Locks {
    /// Takes the locks of a data directory and of the folder of its commit log, which is made where there is none.
    pub fn take(root: &Path, commit_log: &Path) -> Result<Locks, Error> {
        let file = lock_file(&root.join("lock"), root)?;
        Ok(Locks { _file: file, _commit_log: lock_folder(commit_log)? })
    }
}

fn lock_file(path: &Path, root: &Path) -> Result<File, Error> {
    let failed = |source| Error::Io { what: "open", path: path.to_owned(), source };
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let mut file = file.map_err(failed)?;
    match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::ACCESS | rustix::io::Errno::AGAIN) => {
            return Err(Error::Locked(root.to_owned()));
        }
        Err(error) => return Err(failed(error.into())),
    }
    file.write_all(b"lock").and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(file)
}

fn lock_folder(folder: &Path) -> Result<File, Error> {
    let failed = |what| move |source| Error::Io { what, path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(failed("create"))?;
    let opened = File::open(folder).map_err(failed("open"))?;
    match rustix::fs::flock(&opened, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(Error::Locked(folder.to_owned())),
        // NFS locks only what is open for writing, which a folder never is.
        Err(error) => tracing::warn!(folder = %folder.display(), %error,
            "the commit log's folder cannot be locked: see to it that no other broker has it as storePathCommitLog"),
    }
    Ok(opened)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_log_is_one_data_directorys() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(&path).unwrap();
            path
        };
        let (one, other, log) = (at("one"), at("other"), folder.path().join("elsewhere/commitlog"));
        let held = Locks::take(&one, &log).unwrap();
        assert!(is_commit_log_held(&log).unwrap());
        let refused = Locks::take(&other, &log).unwrap_err().to_string();
        assert!(refused.starts_with(&format!("{} is in use: ", log.display())), "{refused}");
        assert!(
            std::fs::read_dir(&log).unwrap().next().is_none(),
            "Java trips over files that are no log files"
        );
        drop(held);
        assert!(!is_commit_log_held(&log).unwrap());
        Locks::take(&other, &log).unwrap();
    }
}
