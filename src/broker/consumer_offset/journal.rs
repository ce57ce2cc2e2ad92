//! What has been committed since `consumerOffset.json` was written: a file of ours beside it, which Java does not
//! look at and has no counterpart of. It is for a killed process, not for a power cut: its bytes are written and
//! never synced.
//!
//! Each file `consumerOffset.journal.N` begins with [`MAGIC`]; records follow, integers big-endian:
//!
//! ```text
//! offset | bytes | field
//!      0 |     2 | length of kind and content
//!      2 |     4 | CRC32 of length, kind and content
//!      6 |     1 | kind
//!      7 |     n | content
//!
//! kind            content
//! 1 continues     8 length, 4 CRC32 of a consumerOffset.json that this file may be applied to; 0 and 0: of none
//! 2 name          `topic@group`, which has the next number from now on, from 0
//! 3 offset        4 number, 4 queue, 8 entry to consume next
//! 4 dropped       4 number: all offsets of that name are gone
//! ```
//!
//! How it follows the snapshot: first a new file is begun, then the snapshot is made, so that it holds all that the
//! files before say; then the new file takes a «continues» of the snapshot, then the snapshot takes its place. A start
//! applies all files from the first one that continues the snapshot it finds, in order: whichever step a kill fell
//! into, that is neither too little nor too much, because a file that is applied to what already holds a part of
//! it gives the same. A snapshot that no file continues was written by Java or by hand, and counts alone. One file
//! more than needed is kept: it continues the `.bak`.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

const MAGIC: &[u8; 8] = b"RMQOFFS1";
const HEAD_BYTES: usize = 6;
const CONTINUES: u8 = 1;
const NAME: u8 = 2;
const OFFSET: u8 = 3;
const DROPPED: u8 = 4;
/// A snapshot is asked for when a file has so many bytes.
pub const COMPACT_BYTES: u64 = 16 << 20;
/// Past this nothing more is taken: the snapshot that was asked for cannot be written.
const MAX_BYTES: u64 = 4 * COMPACT_BYTES;
/// What is gathered at most before it is written.
const BUFFER_BYTES: usize = 64 << 10;
/// Files that may lie about while no snapshot can be written.
const MAX_FILES: usize = 4;

/// A snapshot's identity. Length and CRC32 of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    length: u64,
    crc: u32,
}

impl Digest {
    /// Of a text; an empty one is none.
    pub fn of(text: &[u8]) -> Digest {
        Digest { length: text.len() as u64, crc: crc32fast::hash(text) }
    }
}

/// The number that a name has in a file.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    file: u64,
    number: u32,
}

/// A record of a file, as a start applies it.
#[derive(Debug, PartialEq, Eq)]
pub enum Change<'a> {
    Offset { name: &'a str, queue_id: i32, offset: i64 },
    Dropped { name: &'a str },
}

/// The journal that is being written.
pub struct Journal {
    /// `…/consumerOffset.journal`.
    path: PathBuf,
    /// Something is gathered and not yet written. Cleared when it has been.
    unwritten: AtomicBool,
    state: Mutex<State>,
    /// A snapshot is wanted. Called under the lock: it must not come back here.
    on_large: Box<dyn Fn() + Send + Sync>,
}

struct State {
    /// Files that are there, the one being written not among them.
    older: VecDeque<u64>,
    /// The file being written, or to be written next.
    current: u64,
    file: Option<File>,
    file_bytes: u64,
    /// Records that are not in the file yet.
    gathered: Vec<u8>,
    names: u32,
    /// Snapshots that the next file continues.
    continues: Vec<Digest>,
    /// The current file could not be written: it takes nothing more.
    is_failed: bool,
    /// Failing has been said in the log.
    is_failure_told: bool,
    is_large_told: bool,
}

impl Journal {
    /// A journal whose files are named `path` with a number behind it, next to files that there are.
    pub fn new(
        path: PathBuf,
        older: Vec<u64>,
        continues: Digest,
        on_large: impl Fn() + Send + Sync + 'static,
    ) -> Journal {
        let current = older.last().map_or(1, |newest| newest.saturating_add(1));
        let state = State {
            older: older.into(),
            current,
            file: None,
            file_bytes: 0,
            gathered: Vec::new(),
            names: 0,
            continues: vec![continues],
            is_failed: false,
            is_failure_told: false,
            is_large_told: false,
        };
        let (unwritten, state) = (AtomicBool::new(false), Mutex::new(state));
        Journal { path, unwritten, state, on_large: Box::new(on_large) }
    }

    /// Takes a commit. It is in the file after [`Journal::write`].
    pub fn offset(
        &self,
        number: &mut Option<Number>,
        topic: &str,
        group: &str,
        offsets: impl IntoIterator<Item = (i32, i64)>,
    ) {
        let mut state = self.lock();
        for (queue_id, offset) in offsets {
            let Some(number) = state.number(number, topic, group) else { return };
            let mut content = [0; 16];
            content[..4].copy_from_slice(&number.to_be_bytes());
            content[4..8].copy_from_slice(&queue_id.to_be_bytes());
            content[8..].copy_from_slice(&offset.to_be_bytes());
            push(&mut state.gathered, OFFSET, &content);
            self.taken(&mut state);
        }
    }

    /// Takes it that all offsets of a name are gone.
    pub fn dropped(&self, number: &mut Option<Number>, topic: &str, group: &str) {
        let mut state = self.lock();
        let Some(number) = state.number(number, topic, group) else { return };
        push(&mut state.gathered, DROPPED, &number.to_be_bytes());
        self.taken(&mut state);
    }

    fn taken(&self, state: &mut State) {
        self.unwritten.store(true, Ordering::Release);
        if state.gathered.len() >= BUFFER_BYTES {
            self.write_gathered(state);
        }
    }

    /// Writes what has been taken: before the reply to whoever committed. Where nothing has, it costs a look.
    pub fn write(&self) {
        if self.unwritten.load(Ordering::Acquire) {
            self.write_gathered(&mut self.lock());
        }
    }

    fn write_gathered(&self, state: &mut State) {
        if !state.gathered.is_empty() {
            self.append(state);
        }
        // Not before: whoever finds it cleared may answer.
        self.unwritten.store(false, Ordering::Release);
        if state.file_bytes >= COMPACT_BYTES && !state.is_large_told {
            state.is_large_told = true;
            (self.on_large)();
        }
    }

    fn append(&self, state: &mut State) {
        match state.append(&self.path) {
            Ok(()) => state.is_failure_told = false,
            Err(error) => state.failed(&self.path, &error),
        }
    }

    /// Begins a new file, before the snapshot is made that makes those before it needless.
    pub fn begin(&self) {
        let mut state = self.lock();
        self.write_gathered(&mut state);
        let is_fresh = state.file.is_none() && !state.is_failed;
        if !is_fresh && state.older.len() + 1 < MAX_FILES {
            state.begin();
        }
    }

    /// A snapshot is about to take its place: this file continues it, too. It comes into being with it at the latest,
    /// because a snapshot that no file continues is taken for another's.
    pub fn continue_from(&self, snapshot: Digest) {
        let mut state = self.lock();
        state.continues.push(snapshot);
        if state.is_failed {
            return;
        }
        if state.file.is_some() {
            push_digest(&mut state.gathered, snapshot);
        }
        self.write_gathered(&mut state);
        if state.file.is_none() && !state.is_failed {
            self.append(&mut state);
        }
    }

    /// The snapshot is in its place: only the file that it made needless last is kept.
    pub fn snapshot_written(&self) {
        let mut state = self.lock();
        let past = state.continues.len().saturating_sub(1);
        state.continues.drain(..past);
        if state.is_failed {
            state.begin();
        }
        while state.older.len() > 1 {
            let Some(number) = state.older.pop_front() else { return };
            remove(&file_path(&self.path, number));
        }
    }

    /// The snapshot did not get into its place; `found` is there.
    pub fn snapshot_failed(&self, found: Option<Digest>) {
        if let Some(found) = found {
            self.lock().continues = vec![found];
        }
    }

    /// The snapshot holds everything and nothing more will come: a clean stop leaves no journal behind.
    pub fn remove_all(&self) {
        let mut state = self.lock();
        if !state.gathered.is_empty() {
            return;
        }
        if state.file.is_some() {
            state.begin();
        }
        for number in state.older.drain(..) {
            remove(&file_path(&self.path, number));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A name's number in the current file; none where nothing can be taken.
    fn number(&mut self, known: &mut Option<Number>, topic: &str, group: &str) -> Option<u32> {
        if self.is_failed {
            return None;
        }
        if let Some(known) = known
            && known.file == self.current
        {
            return Some(known.number);
        }
        // Java's file may have names of any length; those are in the snapshot alone.
        if topic.len() + group.len() > usize::from(u8::MAX) * 4 {
            return None;
        }
        push(&mut self.gathered, NAME, format!("{topic}@{group}").as_bytes());
        let number = self.names;
        self.names += 1;
        *known = Some(Number { file: self.current, number });
        Some(number)
    }

    /// One `write` of all that is gathered, into a new file with what such a file begins with.
    fn append(&mut self, path: &Path) -> io::Result<()> {
        if self.file_bytes + self.gathered.len() as u64 > MAX_BYTES {
            return Err(io::Error::other("the journal is full, because no snapshot can be written"));
        }
        if let Some(file) = &mut self.file {
            file.write_all(&self.gathered)?;
        } else {
            let mut bytes = MAGIC.to_vec();
            self.continues.iter().for_each(|digest| push_digest(&mut bytes, *digest));
            bytes.append(&mut self.gathered);
            let path = file_path(path, self.current);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut file = File::options().write(true).create_new(true).open(&path)?;
            self.file_bytes = bytes.len() as u64;
            let written = file.write_all(&bytes);
            self.file = Some(file);
            return written;
        }
        self.file_bytes += self.gathered.len() as u64;
        self.gathered.clear();
        Ok(())
    }

    fn failed(&mut self, path: &Path, error: &io::Error) {
        self.is_failed = true;
        self.gathered = Vec::new();
        if !self.is_failure_told {
            self.is_failure_told = true;
            let path = file_path(path, self.current);
            tracing::error!(path = %path.display(), %error,
                "consumer offsets not journalled: until this is mended a kill loses those since consumerOffset.json was written");
        }
    }

    fn begin(&mut self) {
        if self.file.take().is_some() {
            self.older.push_back(self.current);
        }
        self.current = self.current.saturating_add(1);
        (self.file_bytes, self.names) = (0, 0);
        (self.is_failed, self.is_large_told) = (false, false);
    }
}

pub fn push(out: &mut Vec<u8>, kind: u8, content: &[u8]) {
    let length = u16::try_from(1 + content.len()).expect("names are checked, the rest is short");
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_be_bytes());
    hasher.update(&[kind]);
    hasher.update(content);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&hasher.finalize().to_be_bytes());
    out.push(kind);
    out.extend_from_slice(content);
}

fn push_digest(out: &mut Vec<u8>, digest: Digest) {
    let mut content = [0; 12];
    content[..8].copy_from_slice(&digest.length.to_be_bytes());
    content[8..].copy_from_slice(&digest.crc.to_be_bytes());
    push(out, CONTINUES, &content);
}

fn file_path(path: &Path, number: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "journal of consumer offsets not removed");
        }
        _ => {}
    }
}

/// What a start finds of the journals beside a snapshot.
#[derive(Debug, Default)]
pub struct Found {
    /// In order, oldest first.
    files: Vec<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    number: u64,
    bytes: Vec<u8>,
}

impl Found {
    /// Reads all files of a journal. One that cannot be read counts as empty: offsets that fall back by seconds are no
    /// reason not to start.
    pub fn read(path: &Path) -> Found {
        let unread = |path: &Path, error: io::Error| {
            tracing::error!(path = %path.display(), %error, "journal of consumer offsets cannot be read");
        };
        let numbers = numbers(path).unwrap_or_else(|error| {
            unread(path, error);
            Vec::new()
        });
        let load = |number| {
            let path = file_path(path, number);
            let bytes = read(&path).unwrap_or_else(|error| {
                unread(&path, error);
                Vec::new()
            });
            Loaded { number, bytes }
        };
        Found { files: numbers.into_iter().map(load).collect() }
    }

    /// The files' numbers.
    pub fn numbers(&self) -> Vec<u64> {
        self.files.iter().map(|file| file.number).collect()
    }

    /// Gives all changes since a snapshot to `apply`, which says whether one makes sense. Gives their number; none
    /// where no file continues the snapshot.
    pub fn changes_since(
        &self,
        path: &Path,
        snapshot: Digest,
        mut apply: impl FnMut(Change<'_>) -> bool,
    ) -> Option<usize> {
        let first = self.files.iter().position(|file| Records::of(&file.bytes).continues(snapshot))?;
        let mut count = 0;
        for file in &self.files[first..] {
            let mut records = Records::of(&file.bytes);
            while let Some(change) = records.next_change() {
                if !apply(change) {
                    records.is_damaged = true;
                    break;
                }
                count += 1;
            }
            if records.is_damaged {
                let (path, bytes_left) = (file_path(path, file.number), records.left.len());
                tracing::warn!(path = %path.display(), bytes_left,
                    "journal of consumer offsets ends with a torn or damaged record: it is cut off there");
            }
        }
        Some(count)
    }

    /// Removes all files.
    pub fn remove(&self, path: &Path) {
        self.files.iter().for_each(|file| remove(&file_path(path, file.number)));
    }

    /// Whether there are none that say anything.
    pub fn is_empty(&self) -> bool {
        self.files.iter().all(|file| Records::of(&file.bytes).next_change().is_none())
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // No file of ours is longer.
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Numbers of the files that there are, in order.
fn numbers(path: &Path) -> io::Result<Vec<u64>> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(Vec::new());
    };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let file = entry?.file_name();
        let number = file.to_str().and_then(|file| file.strip_prefix(name)?.strip_prefix('.'));
        // As they are written: no second name for a number, and none that has no next.
        let number = number.and_then(|text| {
            text.parse().ok().filter(|number: &u64| *number < u64::MAX / 2 && number.to_string() == text)
        });
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// A walk through a file's records, up to the first that does not prove itself.
struct Records<'a> {
    left: &'a [u8],
    names: Vec<&'a str>,
    is_damaged: bool,
}

impl<'a> Records<'a> {
    fn of(file: &'a [u8]) -> Records<'a> {
        match file.strip_prefix(MAGIC) {
            Some(left) => Records { left, names: Vec::new(), is_damaged: false },
            None => Records { left: file, names: Vec::new(), is_damaged: true },
        }
    }

    fn continues(mut self, snapshot: Digest) -> bool {
        while let Some((kind, content)) = self.next_record() {
            if kind == CONTINUES && digest(content) == Some(snapshot) {
                return true;
            }
        }
        false
    }

    fn next_change(&mut self) -> Option<Change<'a>> {
        while let Some((kind, content)) = self.next_record() {
            match kind {
                CONTINUES => {}
                NAME if let Ok(name) = std::str::from_utf8(content) => self.names.push(name),
                OFFSET if let Some(change) = self.offset(content) => return Some(change),
                DROPPED if let Some(name) = self.name(content) => return Some(Change::Dropped { name }),
                _ => {
                    // A record that is whole and says nothing: of a later version, or of a defect.
                    self.is_damaged = true;
                    return None;
                }
            }
        }
        None
    }

    /// Kind and content of the next record.
    fn next_record(&mut self) -> Option<(u8, &'a [u8])> {
        if self.is_damaged || self.left.is_empty() {
            return None;
        }
        let record = self.whole();
        self.is_damaged = record.is_none();
        let (kind, content, left) = record?;
        self.left = left;
        Some((kind, content))
    }

    fn whole(&self) -> Option<(u8, &'a [u8], &'a [u8])> {
        let (head, rest) = self.left.split_at_checked(HEAD_BYTES)?;
        let (length, crc) = head.split_at(2);
        let length = length.try_into().ok().map(u16::from_be_bytes)?;
        let crc = crc.try_into().ok().map(u32::from_be_bytes)?;
        let (body, left) = rest.split_at_checked(usize::from(length))?;
        let (kind, content) = body.split_first()?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&length.to_be_bytes());
        hasher.update(body);
        (hasher.finalize() == crc).then_some((*kind, content, left))
    }

    fn name(&self, number: &[u8]) -> Option<&'a str> {
        let number = number.try_into().ok().map(u32::from_be_bytes)?;
        self.names.get(usize::try_from(number).ok()?).copied()
    }

    fn offset(&self, content: &[u8]) -> Option<Change<'a>> {
        let (number, rest) = content.split_at_checked(4)?;
        let (queue_id, offset) = rest.split_at_checked(4)?;
        Some(Change::Offset {
            name: self.name(number)?,
            queue_id: queue_id.try_into().ok().map(i32::from_be_bytes)?,
            offset: offset.try_into().ok().map(i64::from_be_bytes)?,
        })
    }
}

fn digest(content: &[u8]) -> Option<Digest> {
    let (length, crc) = content.split_at_checked(8)?;
    Some(Digest {
        length: length.try_into().ok().map(u64::from_be_bytes)?,
        crc: crc.try_into().ok().map(u32::from_be_bytes)?,
    })
}
