//! One log file that is rolled by size into a bounded number of compressed ones (logback's `RollingFileAppender` with
//! `FixedWindowRollingPolicy`): `NAME.log`, then `otherdays/NAME.1.log.gz` (the youngest) to `NAME.KEEP.log.gz`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use flate2::{Compression, write::GzEncoder};

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

    fn rolled(&self, index: u32, ending: &str) -> PathBuf {
        self.dir.join("otherdays").join(format!("{}.{index}.{ending}", self.name))
    }

    /// Appends whole lines; rolls between two lines so that no file passes its size, save for one line that is longer.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let result = self.append(lines);
        self.failing = result.is_err();
        if self.failing {
            self.open = None;
        }
        result
    }

    fn append(&mut self, mut lines: &[u8]) -> io::Result<()> {
        while !lines.is_empty() {
            let size = self.reopen()?;
            let room = usize::try_from(self.max_bytes.saturating_sub(size)).unwrap_or(usize::MAX);
            let fits = if lines.len() <= room { lines.len() } else { whole_lines(&lines[..room]) };
            if fits == 0 && size > 0 {
                self.roll()?;
                continue;
            }
            let first_line = || lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |at| at + 1);
            let (now, later) = lines.split_at(if fits == 0 { first_line() } else { fits });
            if let Some(file) = &mut self.open {
                file.write_all(now)?;
            }
            lines = later;
        }
        Ok(())
    }

    /// The file's size, after opening it when it is new here, or gone or another one since the last write (deleted,
    /// moved by logrotate, rolled by a second process in the same folder).
    fn reopen(&mut self) -> io::Result<u64> {
        let path = self.path();
        if let (Some(open), Ok(there)) = (&self.open, fs::metadata(&path)) {
            let ours = open.metadata()?;
            if (ours.dev(), ours.ino()) == (there.dev(), there.ino()) {
                return Ok(there.len());
            }
        }
        fs::create_dir_all(&self.dir)?;
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let size = file.metadata()?.len();
        self.open = Some(file);
        Ok(size)
    }

    fn roll(&mut self) -> io::Result<()> {
        self.wait();
        self.open = None;
        fs::create_dir_all(self.dir.join("otherdays"))?;
        // `.log` beside `.log.gz`: a process that ended while it compressed leaves the plain file.
        for ending in ["log.gz", "log"] {
            remove(&self.rolled(self.keep, ending))?;
            for index in (1..self.keep).rev() {
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

    /// Waits for the compression of the file rolled last, which must be over before files are renamed again.
    pub(super) fn wait(&mut self) {
        if let Some(thread) = self.compressing.take() {
            let _ = thread.join();
        }
    }
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

fn remove(path: &Path) -> io::Result<()> {
    unless_missing(fs::remove_file(path))
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
