//! One log file that is rolled by size into a bounded number of compressed ones (logback's `RollingFileAppender` with
//! `FixedWindowRollingPolicy`): `NAME.log`, then `otherdays/NAME.1.log.gz` (the youngest) to `NAME.KEEP.log.gz`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use flate2::{Compression, write::GzEncoder};

/// Why lines were not written, or the file not rolled.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) path: PathBuf,
    pub(super) error: io::Error,
    /// Bytes at the end of what was to be written that are not in the file.
    pub(super) lost: usize,
}

pub(super) struct RollingFile {
    dir: PathBuf,
    name: &'static str,
    max_bytes: u64,
    keep: u32,
    open: Option<File>,
    compressing: Option<JoinHandle<()>>,
    /// The last write failed: the caller has been told.
    pub(super) failing: bool,
}

impl RollingFile {
    pub(super) fn new(dir: &Path, name: &'static str, max_bytes: u64, keep: u32) -> RollingFile {
        RollingFile {
            dir: dir.to_owned(),
            name,
            max_bytes,
            keep,
            open: None,
            compressing: None,
            failing: false,
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.dir.join(format!("{}.log", self.name))
    }

    fn others(&self) -> PathBuf {
        self.dir.join("otherdays")
    }

    fn rolled(&self, index: u32, ending: &str) -> PathBuf {
        self.others().join(format!("{}.{index}.{ending}", self.name))
    }

    /// Appends whole lines; rolls between two lines so that no file passes its size, save for one line that is longer. A
    /// file that cannot be rolled grows.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), Failure> {
        let mut rest = lines;
        let mut not_rolled = None;
        let written = self.append(&mut rest, &mut not_rolled);
        let failure = match (written, not_rolled) {
            (Err(error), _) => Some(Failure { path: self.path(), error, lost: rest.len() }),
            (Ok(()), Some(error)) => Some(Failure { path: self.others(), error, lost: 0 }),
            (Ok(()), None) => None,
        };
        self.failing = failure.is_some();
        failure.map_or(Ok(()), Err)
    }

    /// `lines` is what is still to be written.
    fn append(&mut self, lines: &mut &[u8], not_rolled: &mut Option<io::Error>) -> io::Result<()> {
        while !lines.is_empty() {
            let (mut file, size) = self.opened()?;
            let room = match not_rolled {
                None => usize::try_from(self.max_bytes.saturating_sub(size)).unwrap_or(usize::MAX),
                Some(_) => usize::MAX,
            };
            let fits = if lines.len() <= room { lines.len() } else { whole_lines(&lines[..room]) };
            if fits == 0 && size > 0 {
                *not_rolled = self.roll().err();
                continue;
            }
            let first_line = || lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |at| at + 1);
            let (now, later) = lines.split_at(if fits == 0 { first_line() } else { fits });
            if let Err(error) = file.write_all(now) {
                *lines = &lines[take_back_torn(&file, size, now)..];
                return Err(error);
            }
            self.open = Some(file);
            *lines = later;
        }
        Ok(())
    }

    /// The file and its size, opened anew when it is new here, or gone or another one since the last write (deleted, moved
    /// by logrotate, rolled by a second process in the same folder).
    fn opened(&mut self) -> io::Result<(File, u64)> {
        let path = self.path();
        if let (Some(open), Ok(there)) = (self.open.take(), fs::metadata(&path)) {
            let ours = open.metadata()?;
            if (ours.dev(), ours.ino()) == (there.dev(), there.ino()) {
                return Ok((open, there.len()));
            }
        }
        fs::create_dir_all(&self.dir)?;
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let size = file.metadata()?.len();
        let mut last = [b'\n'];
        if size > 0 {
            file.read_exact_at(&mut last, size - 1)?;
        }
        if last == [b'\n'] {
            return Ok((file, size));
        }
        // A process that was killed, or whose disk was full, has left a part of a line.
        file.write_all(b"\n")?;
        Ok((file, size + 1))
    }

    fn roll(&mut self) -> io::Result<()> {
        self.wait();
        self.open = None;
        fs::create_dir_all(self.others())?;
        // `.log` beside `.log.gz`: a process that ended while it compressed leaves the plain file.
        let endings = ["log.gz", "log"];
        let is_there = |index: &u32| endings.iter().any(|ending| self.rolled(*index, ending).exists());
        // Up to the first place that is free: what a roll that failed has moved is not moved again.
        let last = (1..=self.keep).take_while(is_there).last().unwrap_or(0);
        self.remove_from(if last == self.keep { last } else { self.keep + 1 })?;
        for index in (1..=last.min(self.keep - 1)).rev() {
            for ending in endings {
                rename(&self.rolled(index, ending), &self.rolled(index + 1, ending))?;
            }
        }
        let youngest = self.rolled(1, "log");
        rename(&self.path(), &youngest)?;
        // Compressing takes seconds, and the lines of all files wait behind this thread. Without a thread for it, or
        // with a full disk, the plain file stays, and counts among those that are kept.
        let target = self.rolled(1, "log.gz");
        let work = move || drop(compress(&youngest, &target));
        self.compressing = thread::Builder::new().name("log-compress".to_owned()).spawn(work).ok();
        Ok(())
    }

    /// Removes rolled files from this number on: also those of a time when more were kept.
    fn remove_from(&self, first: u32) -> io::Result<()> {
        for entry in fs::read_dir(self.others())? {
            let entry = entry?;
            let name = entry.file_name();
            let index = name.to_str().and_then(|name| {
                let rest = name.strip_prefix(self.name)?.strip_prefix('.')?;
                rest.strip_suffix(".log").or_else(|| rest.strip_suffix(".log.gz"))?.parse::<u32>().ok()
            });
            if index.is_some_and(|index| index >= first) {
                unless_missing(fs::remove_file(entry.path()))?;
            }
        }
        Ok(())
    }

    /// Waits for the compression of the file rolled last, which must be over before files are renamed again.
    pub(super) fn wait(&mut self) {
        if let Some(thread) = self.compressing.take() {
            let _ = thread.join();
        }
    }
}

/// Cuts off what a disk that became full took of a line, which would be glued to the next one: gives how much of `lines`
/// stays in a file that had `size` bytes. Where that fails, the next one that opens the file ends the line.
pub(super) fn take_back_torn(file: &File, size: u64, lines: &[u8]) -> usize {
    let end = file.metadata().map_or(size, |there| there.len());
    let taken = usize::try_from(end.saturating_sub(size)).unwrap_or(usize::MAX);
    // Else another process has written, too: nothing of that may go.
    let Some(taken) = lines.get(..taken) else { return 0 };
    let whole = whole_lines(taken);
    if whole < taken.len() {
        let _ = file.set_len(size + whole as u64);
    }
    whole
}

/// Length of the whole lines at the start of `bytes`.
fn whole_lines(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

fn compress(plain: &Path, target: &Path) -> io::Result<()> {
    let unfinished = target.with_extension("tmp");
    let mut encoder = GzEncoder::new(File::create(&unfinished)?, Compression::fast());
    let copied = File::open(plain).and_then(|mut file| io::copy(&mut file, &mut encoder));
    match copied.and_then(|_| encoder.finish()?.flush()) {
        Ok(()) => fs::rename(&unfinished, target).and_then(|()| fs::remove_file(plain)),
        Err(error) => fs::remove_file(&unfinished).and(Err(error)),
    }
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    unless_missing(fs::rename(from, to))
}

fn unless_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
