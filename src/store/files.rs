//! The files of an endless log or queue, each named by the offset of its first byte (Java: `MappedFileQueue`).
//! Not what they hold.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::Error;
use super::mapped_file::{MappedFile, MappedSlice};

/// Consecutive files of one length.
pub struct Files {
    folder: PathBuf,
    file_bytes: usize,
    /// In order, without gaps. Appended to by the one writer; readers clone what they need.
    files: RwLock<Vec<Arc<MappedFile>>>,
}

/// What a folder's files look like before they are opened.
#[derive(Debug, Default)]
pub struct Listing {
    /// Offset and length of each file with a 20-digit name, in order.
    pub files: Vec<(u64, u64)>,
    /// Names that are no offsets.
    pub foreign: Vec<String>,
}

/// Java's `UtilAll.offset2FileName`.
pub fn file_name(offset: u64) -> String {
    format!("{offset:020}")
}

/// Lists a folder; one that is missing is empty.
pub fn list(folder: &Path) -> io::Result<Listing> {
    let mut listing = Listing::default();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(listing),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let offset = (name.len() == 20).then(|| name.parse::<u64>().ok()).flatten();
        match offset {
            Some(offset) if entry.file_type()?.is_file() && i64::try_from(offset).is_ok() => {
                listing.files.push((offset, entry.metadata()?.len()));
            }
            _ => listing.foreign.push(name),
        }
    }
    listing.files.sort_unstable();
    Ok(listing)
}

/// Brings a folder's entries to the disk, and its own entry in those above it, which may be as new.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    let opened = std::fs::File::open(folder)?;
    opened.sync_all()?;
    let disk = opened.metadata()?.dev();
    for above in std::path::absolute(folder)?.ancestors().skip(1) {
        // What this process may not read it has not made, and a disk's own place on another is as old as that.
        let Ok(opened) = std::fs::File::open(above) else { break };
        if opened.metadata()?.dev() != disk {
            break;
        }
        opened.sync_all()?;
    }
    Ok(())
}

impl Files {
    /// No files yet.
    pub fn new(folder: PathBuf, file_bytes: usize) -> Files {
        Files { folder, file_bytes, files: RwLock::default() }
    }

    /// Opens the files that begin at the given offsets, which follow each other.
    pub fn open(folder: PathBuf, file_bytes: usize, offsets: &[u64]) -> Result<Files, Error> {
        let files = Files::new(folder, file_bytes);
        for offset in offsets {
            let file = files.create(*offset)?;
            file.publish(file.length());
            files.push(file);
        }
        Ok(files)
    }

    /// Opens or creates one file, without making it part of the sequence.
    pub fn create(&self, offset: u64) -> Result<Arc<MappedFile>, Error> {
        let path = self.folder.join(file_name(offset));
        MappedFile::open(&path, offset, self.file_bytes).map(Arc::new).map_err(|source| Error::Io {
            what: "open",
            path,
            source,
        })
    }

    /// Brings the folder to the disk: a new file is lost with its entry there.
    pub fn sync_folder(&self) -> io::Result<()> {
        sync_folder(&self.folder)
    }

    /// Makes a file the last one.
    pub fn push(&self, file: Arc<MappedFile>) {
        self.write().push(file);
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The length of each file.
    pub fn file_bytes(&self) -> usize {
        self.file_bytes
    }

    /// The files there are now.
    pub fn all(&self) -> Vec<Arc<MappedFile>> {
        self.read().clone()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.read().len()
    }

    /// The first file.
    pub fn first(&self) -> Option<Arc<MappedFile>> {
        self.read().first().cloned()
    }

    /// The last file.
    pub fn last(&self) -> Option<Arc<MappedFile>> {
        self.read().last().cloned()
    }

    /// The file that an offset lies in.
    pub fn at(&self, offset: u64) -> Option<Arc<MappedFile>> {
        let files = self.read();
        let index = offset.checked_sub(files.first()?.from())? / self.file_bytes as u64;
        files.get(usize::try_from(index).ok()?).cloned()
    }

    /// Published bytes from an offset on, within one file.
    pub fn slice(&self, offset: u64, length: usize) -> Option<MappedSlice> {
        let file = self.at(offset)?;
        MappedSlice::new(&file, (offset - file.from()) as usize, length)
    }

    /// Cuts everything from an offset on: later files are deleted, the one that holds it keeps its bytes
    /// unpublished. Only while the store is being opened.
    pub fn truncate(&self, end: u64) -> Result<(), Error> {
        let mut files = self.write();
        loop {
            let is_only = files.len() == 1;
            let Some(file) = files.last_mut() else { return Ok(()) };
            if file.from() < end || is_only && file.from() == end {
                let file = Arc::get_mut(file).expect("nobody reads while the store is being opened");
                let keep = end.saturating_sub(file.from()).min(file.length() as u64);
                file.truncate(keep as usize);
                return Ok(());
            }
            let path = file.path().to_owned();
            files.pop();
            std::fs::remove_file(&path).map_err(|source| Error::Io { what: "delete", path, source })?;
        }
    }

    /// Deletes the files that end before an offset, but never the last one. Whoever reads them keeps his
    /// mapping.
    pub fn delete_before(&self, offset: u64) -> Result<(), Error> {
        let mut files = self.write();
        while files.len() > 1 && files[0].from() + (files[0].length() as u64) < offset {
            let path = files[0].path().to_owned();
            std::fs::remove_file(&path).map_err(|source| Error::Io { what: "delete", path, source })?;
            files.remove(0);
        }
        Ok(())
    }

    /// Deletes the first file; it stays the first where that fails.
    pub fn remove_first(&self) -> Result<(), Error> {
        let mut files = self.write();
        if let Some(first) = files.first() {
            let path = first.path().to_owned();
            std::fs::remove_file(&path).map_err(|source| Error::Io { what: "delete", path, source })?;
            files.remove(0);
        }
        Ok(())
    }

    /// Deletes every file.
    pub fn remove_all(&self) -> Result<(), Error> {
        for file in self.write().drain(..) {
            let path = file.path().to_owned();
            std::fs::remove_file(&path).map_err(|source| Error::Io { what: "delete", path, source })?;
        }
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<Arc<MappedFile>>> {
        self.files.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<Arc<MappedFile>>> {
        self.files.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_lead_to_files() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
        let files = Files::new(folder.path().to_owned(), 4096);
        for offset in [8192, 12288] {
            files.push(files.create(offset).unwrap());
        }
        files.first().unwrap().publish(4096);
        assert_eq!(files.at(8191).map(|file| file.from()), None);
        assert_eq!(files.at(12287).map(|file| file.from()), Some(8192));
        assert_eq!(files.at(12288).map(|file| file.from()), Some(12288));
        assert!(files.at(16384).is_none());
        assert!(files.slice(8192, 4096).is_some() && files.slice(8193, 4096).is_none());
        let listing = list(folder.path()).unwrap();
        assert_eq!(
            (listing.files, listing.foreign),
            (vec![(8192, 4096), (12288, 4096)], vec!["notes.txt".into()])
        );
        drop(files);
        let files = Files::open(folder.path().to_owned(), 4096, &[8192, 12288]).unwrap();
        files.truncate(8200).unwrap();
        assert_eq!((files.count(), files.last().unwrap().published()), (1, 8));
        files.truncate(8192).unwrap();
        assert_eq!((files.count(), files.last().unwrap().published()), (1, 0));
        assert_eq!(list(folder.path()).unwrap().files.len(), 1);
    }
}
