//! Consume queues as files.

use std::path::{Path, PathBuf};

use super::{Directory, Error};
pub use crate::store::Unit;
use crate::store::consume_queue::UNIT_BYTES;
use crate::store::files;
use crate::store::mapped_file::ReadMap;
use crate::store::record::Record;

/// One queue of a topic.
pub struct Queue {
    pub topic: String,
    pub queue_id: i32,
    pub folder: PathBuf,
    /// First byte of the endless queue, and bytes.
    files: Vec<(u64, ReadMap)>,
    file_bytes: u64,
}

/// Every queue of a directory, by topic and number.
pub fn queues(directory: &Directory) -> Result<Vec<Queue>, Error> {
    let root = directory.root.join("consumequeue");
    let mut queues = Vec::new();
    for topic in folders(&root)? {
        for name in folders(&root.join(&topic))? {
            let Some(queue_id) = name.parse().ok().filter(|id: &i32| *id >= 0) else { continue };
            queues.push(Queue::open(topic.clone(), queue_id, root.join(&topic).join(&name))?);
        }
    }
    queues.sort_by(|one, other| (&one.topic, one.queue_id).cmp(&(&other.topic, other.queue_id)));
    Ok(queues)
}

fn folders(path: &Path) -> Result<Vec<String>, Error> {
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(path)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io(path))?;
        if entry.path().is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

impl Queue {
    fn open(topic: String, queue_id: i32, folder: PathBuf) -> Result<Queue, Error> {
        let listing = files::list(&folder).map_err(Error::io(&folder))?;
        let file_bytes = listing.files.iter().map(|(_, length)| *length).max().unwrap_or(0);
        let mut opened = Vec::new();
        for (from, _) in &listing.files {
            let path = folder.join(files::file_name(*from));
            opened.push((*from, ReadMap::open(&path).map_err(Error::io(&path))?));
        }
        Ok(Queue { topic, queue_id, folder, files: opened, file_bytes })
    }

    /// The length of a file, as the longest has it.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Files and bytes.
    pub fn size(&self) -> (u64, u64) {
        (self.files.len() as u64, self.files.iter().map(|(_, bytes)| bytes.len() as u64).sum())
    }

    /// First bytes and lengths of the files that are not as long as the others.
    pub fn short_files(&self) -> impl Iterator<Item = (u64, u64)> {
        let short = self.files.iter().filter(|(_, bytes)| (bytes.len() as u64) < self.file_bytes);
        short.map(|(from, bytes)| (*from, bytes.len() as u64))
    }

    /// Number of the first entry that there is room for.
    pub fn first_offset(&self) -> i64 {
        self.files.first().map_or(0, |(from, _)| *from as i64 / UNIT_BYTES as i64)
    }

    /// Number behind the last entry that is there.
    pub fn max_offset(&self) -> i64 {
        let Some((from, bytes)) = self.files.last() else { return 0 };
        let units = bytes.chunks_exact(UNIT_BYTES).map(Unit::parse);
        let present = units.take_while(|unit| unit.is_some_and(|unit| unit.is_present())).count();
        *from as i64 / UNIT_BYTES as i64 + present as i64
    }

    /// An entry, if it is there.
    pub fn unit(&self, offset: i64) -> Option<Unit> {
        let at = u64::try_from(offset).ok()?.checked_mul(UNIT_BYTES as u64)?;
        let index = self.files.partition_point(|(from, _)| *from <= at).checked_sub(1)?;
        let (from, bytes) = &self.files[index];
        let place = usize::try_from(at - from).ok()?;
        Unit::parse(bytes.get(place..)?).filter(|unit| unit.is_present())
    }

    /// Whether a record is the message of that number here.
    pub fn is_message(&self, offset: i64, record: &Record<'_>) -> bool {
        record.topic() == Some(&*self.topic)
            && (record.queue_id(), record.queue_offset()) == (self.queue_id, offset)
    }

    /// The file of an entry, and the byte there.
    pub fn locate(&self, offset: i64) -> (PathBuf, u64) {
        let at = offset.max(0) as u64 * UNIT_BYTES as u64;
        let from = self.files.iter().rev().map(|(from, _)| *from).find(|from| *from <= at).unwrap_or(0);
        (self.folder.join(files::file_name(from)), at - from)
    }
}
