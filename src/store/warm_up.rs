//! Commit log files brought into memory before they are written, and kept there, when `warmMapedFileEnable` is set
//! (Java: `MappedFile.warmMappedFile`, `mlock`). Work of the allocating thread; an append never waits for it.

use std::sync::Arc;

use super::mapped_file::{MappedFile, PAGE_BYTES};
use crate::config::store::{FlushDiskType, MessageStoreConfig};

/// How files are warmed up.
#[derive(Debug, Clone, Copy)]
pub struct WarmUp {
    /// Bytes of one step: between two it is asked whether to stop.
    step_bytes: usize,
    /// Each step is brought to the disk, so that a flush finds little to do.
    is_synced: bool,
}

impl WarmUp {
    /// What the settings say.
    pub fn of(config: &MessageStoreConfig) -> Option<WarmUp> {
        const STEP_MAX_BYTES: usize = 64 * 1024 * 1024;
        let pages = usize::try_from(config.flush_least_pages_when_warm_maped_file).unwrap_or(0);
        let step_bytes = pages.saturating_mul(PAGE_BYTES).clamp(PAGE_BYTES, STEP_MAX_BYTES);
        let is_synced = config.flush_disk_type == FlushDiskType::SyncFlush;
        config.warm_maped_file_enable.then_some(WarmUp { step_bytes, is_synced })
    }

    /// Warms up the file that is written and the next one, and holds them; lets go of those before.
    pub fn run(
        &self,
        files: impl Iterator<Item = Arc<MappedFile>>,
        held: &mut Vec<Arc<MappedFile>>,
        is_stopping: impl Fn() -> bool,
    ) {
        let files: Vec<Arc<MappedFile>> = files.collect();
        held.retain(|file| {
            let is_used = files.iter().any(|used| Arc::ptr_eq(used, file));
            if !is_used && let Err(error) = file.hold_in_memory(false) {
                tracing::warn!(file = %file.path().display(), %error, "commit log file not unlocked");
            }
            is_used
        });
        for file in files {
            if held.iter().any(|it| Arc::ptr_eq(it, &file)) {
                continue;
            }
            match self.warm(&file, &is_stopping) {
                Ok(true) => {
                    tracing::info!(file = %file.path().display(), "commit log file warmed up and locked")
                }
                Ok(false) => return,
                // The log works without.
                Err(error) => tracing::warn!(file = %file.path().display(), %error,
                    "commit log file not warmed up and locked; is there disk space, and does `ulimit -l` allow it?"),
            }
            held.push(file);
        }
    }

    /// Whether it got to the file's end.
    fn warm(&self, file: &MappedFile, is_stopping: impl Fn() -> bool) -> std::io::Result<bool> {
        let first = file.published() / PAGE_BYTES * PAGE_BYTES;
        for start in (first..file.length()).step_by(self.step_bytes) {
            if is_stopping() {
                return Ok(false);
            }
            let end = (start + self.step_bytes).min(file.length());
            file.reserve(end)?;
            file.populate(start, end)?;
            if self.is_synced {
                file.sync()?;
            }
        }
        file.hold_in_memory(true)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &std::path::Path, from: u64, length: usize) -> Arc<MappedFile> {
        Arc::new(MappedFile::open(&folder.join(from.to_string()), from, length).unwrap())
    }

    /// Kilobytes of a mapping that are in memory, and that are locked.
    fn resident(file: &MappedFile) -> (usize, usize) {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let path = file.path().to_str().unwrap();
        let mapping = maps.split_once(path).unwrap().1;
        let value = |name: &str| {
            let line = mapping.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        (value("Rss:"), value("Locked:"))
    }

    #[test]
    fn settings_say_how() {
        let check = |pages: i32, flush_disk_type, expected: (usize, bool)| {
            let config = MessageStoreConfig {
                warm_maped_file_enable: true,
                flush_least_pages_when_warm_maped_file: pages,
                flush_disk_type,
                ..MessageStoreConfig::default()
            };
            let warm_up = WarmUp::of(&config).unwrap();
            assert_eq!((warm_up.step_bytes, warm_up.is_synced), expected);
        };
        check(4096, FlushDiskType::AsyncFlush, (16 * 1024 * 1024, false));
        check(-1, FlushDiskType::SyncFlush, (4096, true));
        check(i32::MAX, FlushDiskType::SyncFlush, (64 * 1024 * 1024, true));
        assert!(WarmUp::of(&MessageStoreConfig::default()).is_none());
    }

    #[test]
    fn files_come_into_memory_and_leave_it() {
        let folder = tempfile::tempdir().unwrap();
        // Lengths that are no multiples of a page or a step.
        let files = [0, 70_001, 140_002].map(|from| file(folder.path(), from, 70_001));
        files[0].reserve(5).unwrap();
        files[0].write(0, b"there");
        let warm_up = WarmUp { step_bytes: 16_384, is_synced: true };
        let mut held = Vec::new();
        warm_up.run(files[..2].iter().cloned(), &mut held, || true);
        assert!(held.is_empty());
        warm_up.run(files[..2].iter().cloned(), &mut held, || false);
        assert_eq!((held.len(), files[1].reserved()), (2, 70_001));
        files[0].publish(5);
        assert_eq!(files[0].bytes(0, 5), Some(&b"there"[..]));
        assert_eq!((resident(&files[1]).0, resident(&files[2])), (72, (0, 0)));
        // How much may be locked is the machine's to say.
        let is_locked = resident(&files[0]).1 == 72;
        warm_up.run(files[1..].iter().cloned(), &mut held, || false);
        assert_eq!((held.len(), resident(&files[2]).0, resident(&files[0]).1), (2, 72, 0));
        assert_eq!(resident(&files[2]).1 == 72, is_locked);
    }
}
