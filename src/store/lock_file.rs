//! The file that keeps two brokers out of one directory (Java: `DefaultMessageStore.start`, the `lock` file). A
//! POSIX record lock as Java's `FileChannel.lock` takes it; `flock` would not meet it. Taken before anything
//! else is read, so that a second broker changes nothing.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use rustix::fs::FlockOperation;
use rustix::process::{Flock, FlockType};

use super::Error;

/// The lock, held until dropped. The process must open the file nowhere else: closing any descriptor of it
/// would give the lock up.
#[derive(Debug)]
pub struct LockFile {
    _file: File,
}

/// Whether a broker, ours or Java, holds a data directory. Changes nothing.
pub fn is_held(root: &Path) -> std::io::Result<bool> {
    let file = match File::open(root.join("lock")) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let whole = Flock::from(FlockType::WriteLock);
    Ok(rustix::process::fcntl_getlk(&file, &whole)?.is_some())
}

impl LockFile {
    /// Takes the lock of a data directory.
    pub fn take(root: &Path) -> Result<LockFile, Error> {
        let path = root.join("lock");
        let failed = |source| Error::Io { what: "open", path: path.clone(), source };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.map_err(failed)?;
        match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::ACCESS | rustix::io::Errno::AGAIN) => {
                return Err(Error::Locked(root.to_owned()));
            }
            Err(error) => return Err(failed(error.into())),
        }
        file.write_all(b"lock").and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(LockFile { _file: file })
    }
}
