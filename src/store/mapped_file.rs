//! One file of fixed size, mapped into memory (Java: `MappedFile`). The only file of the project with `unsafe`:
//! everything above works on what is offered here. It does not know what its bytes mean. [`MappedFile`] is for what is
//! written once, [`MappedCells`] for numbers that change in place.
//!
//! A byte is written through the map only after its disk space was really allocated ([`MappedFile::reserve`]),
//! so that a full disk is an error of `reserve` and never a SIGBUS in the middle of a message. Bytes become
//! readable by [`MappedFile::publish`], and what is readable is not written again: readers need no lock.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::MmapRaw;
use rustix::fs::FallocateFlags;

/// Space is allocated in whole pages.
pub const PAGE_BYTES: usize = 4096;

/// A mapped file. Writers must exclude each other; readers may be any.
pub struct MappedFile {
    path: PathBuf,
    file: File,
    map: MmapRaw,
    /// Offset of the file's first byte in the endless log or queue that it is a part of.
    from: u64,
    /// Bytes that readers may see.
    published: AtomicUsize,
    /// Bytes from the start whose disk space is certain.
    reserved: AtomicUsize,
    /// One allocation at a time: the writer's and the allocating thread's.
    reserving: Mutex<()>,
}

/// Opens or creates a file, gives it its full length without taking disk space, and maps it.
fn open_mapped(path: &Path, length: usize) -> io::Result<(File, MmapRaw)> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    if file.metadata()?.len() < length as u64 {
        file.set_len(length as u64)?;
    }
    let map = memmap2::MmapOptions::new().len(length).map_raw(&file)?;
    Ok((file, map))
}

/// Takes disk space for a part of a file.
fn allocate(file: &File, start: usize, end: usize) -> io::Result<()> {
    let (at, count) = (start as u64, (end - start) as u64);
    match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, at, count) {
        Ok(()) => Ok(()),
        // A file system that cannot promise space gets the pages written: what is there stays.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => rewrite(file, start, end),
        Err(error) => Err(error.into()),
    }
}

fn rewrite(file: &File, start: usize, end: usize) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let mut page = [0; PAGE_BYTES];
    for at in (start..end).step_by(PAGE_BYTES) {
        let count = PAGE_BYTES.min(end - at);
        file.read_exact_at(&mut page[..count], at as u64)?;
        file.write_all_at(&page[..count], at as u64)?;
    }
    Ok(())
}

impl MappedFile {
    /// Opens or creates a file and gives it its full length, without taking disk space.
    pub fn open(path: &Path, from: u64, length: usize) -> io::Result<MappedFile> {
        let (file, map) = open_mapped(path, length)?;
        Ok(MappedFile {
            path: path.to_owned(),
            file,
            map,
            from,
            published: AtomicUsize::new(0),
            reserved: AtomicUsize::new(0),
            reserving: Mutex::new(()),
        })
    }

    /// Offset of the first byte.
    pub fn from(&self) -> u64 {
        self.from
    }

    /// The file's length in bytes.
    pub fn length(&self) -> usize {
        self.map.len()
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that may be read.
    pub fn published(&self) -> usize {
        self.published.load(Ordering::Acquire)
    }

    /// Bytes whose disk space is certain.
    pub fn reserved(&self) -> usize {
        self.reserved.load(Ordering::Acquire)
    }

    /// Makes the disk space of the first `end` bytes certain.
    pub fn reserve(&self, end: usize) -> io::Result<()> {
        if end <= self.reserved() {
            return Ok(());
        }
        let _one = self.reserving.lock().unwrap_or_else(PoisonError::into_inner);
        let start = self.reserved();
        let end = end.next_multiple_of(PAGE_BYTES).min(self.length());
        if end <= start {
            return Ok(());
        }
        allocate(&self.file, start, end)?;
        self.reserved.store(end, Ordering::Release);
        Ok(())
    }

    /// Writes reserved, unpublished bytes.
    ///
    /// # Panics
    /// If the place is published or not reserved: that would be a writer's mistake, and memory unsafe.
    pub fn write(&self, at: usize, bytes: &[u8]) {
        let end = at.checked_add(bytes.len()).expect("a file's length fits");
        assert!(end <= self.reserved() && at >= self.published(), "{at}..{end} of {:?}", self.path);
        // SAFETY: the range lies in the map (reserved <= length), which lives as long as `self`; nobody reads
        // it, as it is not published, and writers exclude each other (the type's contract, kept by the append
        // lock and the dispatch lock). `bytes` cannot overlap it: no `&[u8]` of unpublished bytes is given out.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.map.as_mut_ptr().add(at), bytes.len()) };
    }

    /// Lets readers see the first `end` bytes.
    pub fn publish(&self, end: usize) {
        assert!(end <= self.length(), "{end} of {:?}", self.path);
        self.published.store(end, Ordering::Release);
    }

    /// Takes published bytes back. Only while the store is being opened, when there are no readers.
    pub(super) fn truncate(&mut self, end: usize) {
        self.published.store(end.min(self.length()), Ordering::Release);
    }

    /// Published bytes.
    pub fn bytes(&self, at: usize, length: usize) -> Option<&[u8]> {
        let end = at.checked_add(length)?;
        if end > self.published() {
            return None;
        }
        // SAFETY: the range lies in the map and below `published`, so it is initialised (by a writer before the
        // publishing store, or by the file system) and written no more while `&self` lives: `truncate` takes
        // `&mut self`. The broker's lock file keeps other brokers from writing the file.
        Some(unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(at), length) })
    }

    /// Brings the pages of a reserved part into memory, ready to be written; what is in them stays.
    pub fn populate(&self, start: usize, end: usize) -> io::Result<()> {
        assert!(start <= end && end <= self.reserved(), "{start}..{end} of {:?}", self.path);
        self.map.advise_range(memmap2::Advice::PopulateWrite, start, end - start)
    }

    /// Keeps the file's pages from being swapped out, or no longer.
    pub fn hold_in_memory(&self, hold: bool) -> io::Result<()> {
        if hold { self.map.lock() } else { self.map.unlock() }
    }

    /// Writes what was written through the map to the disk.
    pub fn sync(&self) -> io::Result<()> {
        use std::os::unix::fs::FileExt;
        self.file.sync_data()?;
        // A file system that gives up while it syncs (ext4, after its journal failed) may say that all went well. What
        // it answers from then on is an error, to reads also: this one costs no disk, its page was just written.
        self.file.read_exact_at(&mut [0], self.published().saturating_sub(1) as u64)
    }

    /// The next place from `at` on that the file system holds data for: skips holes without reading them.
    pub fn next_data(&self, at: usize) -> usize {
        match rustix::fs::seek(&self.file, rustix::fs::SeekFrom::Data(at as u64)) {
            Ok(data) => (data as usize).clamp(at, self.length()),
            Err(rustix::io::Errno::NXIO) => self.length(),
            // Unknown to the file system: all may be data.
            Err(_) => at,
        }
    }
}

impl std::fmt::Debug for MappedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MappedFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Published bytes that keep their file mapped for as long as they are held.
#[derive(Clone)]
pub struct MappedSlice {
    file: Arc<MappedFile>,
    at: usize,
    length: usize,
}

impl MappedSlice {
    /// A part of a file, if all of it is published.
    pub fn new(file: &Arc<MappedFile>, at: usize, length: usize) -> Option<MappedSlice> {
        file.bytes(at, length)?;
        Some(MappedSlice { file: Arc::clone(file), at, length })
    }

    /// Takes the slice that follows this one in the same file into it; gives it back if it does not.
    pub fn join(&mut self, next: MappedSlice) -> Option<MappedSlice> {
        if Arc::ptr_eq(&self.file, &next.file) && self.at + self.length == next.at {
            self.length += next.length;
            return None;
        }
        Some(next)
    }
}

impl Deref for MappedSlice {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // Published bytes stay published while anybody holds the file (`truncate` needs it alone).
        self.file.bytes(self.at, self.length).unwrap_or(&[])
    }
}

impl AsRef<[u8]> for MappedSlice {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl std::fmt::Debug for MappedSlice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes at {} of {:?}", self.length, self.at, self.file.path)
    }
}

/// A file as it is, for tools that only look. The file must not be cut while it is looked at.
pub struct ReadMap(Option<memmap2::Mmap>);

impl ReadMap {
    /// Maps a file; an empty one has no bytes.
    pub fn open(path: &Path) -> io::Result<ReadMap> {
        let file = File::open(path)?;
        if file.metadata()?.len() == 0 {
            return Ok(ReadMap(None));
        }
        // SAFETY: the map is read only. That nobody cuts or writes the file meanwhile is for the caller to see to, who
        // has looked whether a broker holds the directory.
        let map = unsafe { memmap2::Mmap::map(&file)? };
        Ok(ReadMap(Some(map)))
    }
}

impl Deref for ReadMap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or(&[])
    }
}

/// A mapped file of big-endian numbers that are changed in place. Single numbers of 32 bits are read and written whole;
/// which of them belong together is the caller's to know. One writes, any number read.
pub struct MappedCells {
    path: PathBuf,
    file: File,
    map: MmapRaw,
    /// Bytes from the start whose disk space is certain. Changed by the writer.
    reserved: AtomicUsize,
}

impl MappedCells {
    /// Opens or creates a file of a length that is a multiple of four.
    pub fn open(path: &Path, length: usize) -> io::Result<MappedCells> {
        let (file, map) = open_mapped(path, length)?;
        Ok(MappedCells { path: path.to_owned(), file, map, reserved: AtomicUsize::new(0) })
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes from the start whose disk space is certain.
    pub fn reserved(&self) -> usize {
        self.reserved.load(Ordering::Relaxed)
    }

    /// Makes the disk space of the first `end` bytes certain.
    pub fn reserve(&self, end: usize) -> io::Result<()> {
        let start = self.reserved.load(Ordering::Relaxed);
        let end = end.next_multiple_of(PAGE_BYTES).min(self.map.len());
        if end > start {
            allocate(&self.file, start, end)?;
            self.reserved.store(end, Ordering::Relaxed);
        }
        Ok(())
    }

    fn cell(&self, at: usize) -> &AtomicU32 {
        assert!(at.is_multiple_of(4) && at + 4 <= self.map.len(), "{at} of {:?}", self.path);
        // SAFETY: the four bytes lie in the map, which lives as long as `self`, and are aligned, as the map begins on
        // a page. This process touches the file's bytes through these atomics only; other brokers are kept out by the
        // lock file.
        unsafe { AtomicU32::from_ptr(self.map.as_mut_ptr().add(at).cast()) }
    }

    /// The number at a place.
    pub fn i32(&self, at: usize) -> i32 {
        i32::from_be(self.cell(at).load(Ordering::Acquire).cast_signed())
    }

    /// The number of 64 bits at a place. One that is just being written may be read half old, half new.
    pub fn i64(&self, at: usize) -> i64 {
        i64::from(self.i32(at)) << 32 | i64::from(self.i32(at + 4).cast_unsigned())
    }

    /// Changes a number whose space is reserved.
    ///
    /// # Panics
    /// If it is not: that would be a writer's mistake, and on a full disk the end of the process.
    pub fn set_i32(&self, at: usize, value: i32) {
        assert!(at + 4 <= self.reserved.load(Ordering::Relaxed), "{at} of {:?}", self.path);
        self.cell(at).store(value.to_be().cast_unsigned(), Ordering::Release);
    }

    /// Changes a number of 64 bits.
    pub fn set_i64(&self, at: usize, value: i64) {
        self.set_i32(at, (value >> 32) as i32);
        self.set_i32(at + 4, value as i32);
    }

    /// Writes what was changed to the disk.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(length: usize) -> (tempfile::TempDir, Arc<MappedFile>) {
        let folder = tempfile::tempdir().unwrap();
        let file = MappedFile::open(&folder.path().join("a/00000000000000000000"), 0, length).unwrap();
        (folder, Arc::new(file))
    }

    #[test]
    fn readers_see_what_was_published() {
        let (_folder, file) = file(3 * PAGE_BYTES);
        file.reserve(10).unwrap();
        assert_eq!(file.reserved(), PAGE_BYTES);
        file.write(0, b"hello, world");
        assert_eq!(file.bytes(0, 1), None);
        file.publish(5);
        assert_eq!(file.bytes(0, 5), Some(&b"hello"[..]));
        assert_eq!(file.bytes(0, 6), None);
        assert_eq!(file.bytes(usize::MAX, 2), None);
        let mut slice = MappedSlice::new(&file, 0, 2).unwrap();
        assert!(slice.join(MappedSlice::new(&file, 2, 3).unwrap()).is_none());
        assert!(slice.join(MappedSlice::new(&file, 0, 1).unwrap()).is_some());
        let path = file.path().to_owned();
        drop(file);
        assert_eq!(&slice[..], b"hello");
        assert_eq!(std::fs::metadata(path).unwrap().len(), 3 * PAGE_BYTES as u64);
    }

    #[test]
    fn reserving_keeps_what_is_there() {
        let (_folder, file) = file(2 * PAGE_BYTES);
        rewrite(&file.file, 0, PAGE_BYTES).unwrap();
        file.reserve(1).unwrap();
        file.write(0, b"kept");
        file.reserve(2 * PAGE_BYTES).unwrap();
        file.reserve(usize::MAX / 2).unwrap();
        file.publish(4);
        assert_eq!(file.bytes(0, 4), Some(&b"kept"[..]));
        assert_eq!(file.next_data(0), 0);
    }

    #[test]
    fn cells_are_big_endian() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cells");
        let cells = MappedCells::open(&path, 2 * PAGE_BYTES).unwrap();
        cells.reserve(16).unwrap();
        cells.set_i64(0, -2);
        cells.set_i32(8, 7);
        assert_eq!((cells.i64(0), cells.i32(4), cells.i32(8), cells.i32(PAGE_BYTES)), (-2, -2, 7, 0));
        cells.sync().unwrap();
        assert_eq!(std::fs::read(&path).unwrap()[..12], [255, 255, 255, 255, 255, 255, 255, 254, 0, 0, 0, 7]);
    }

    #[test]
    #[should_panic(expected = "4096 of")]
    fn unreserved_cells_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let cells = MappedCells::open(&folder.path().join("cells"), 2 * PAGE_BYTES).unwrap();
        cells.reserve(1).unwrap();
        cells.set_i32(PAGE_BYTES, 1);
    }

    #[test]
    #[should_panic(expected = "0..1")]
    fn unreserved_places_cannot_be_written() {
        let (_folder, file) = file(PAGE_BYTES);
        file.write(0, b"x");
    }

    #[test]
    #[should_panic(expected = "0..1")]
    fn published_places_cannot_be_written() {
        let (_folder, file) = file(PAGE_BYTES);
        file.reserve(1).unwrap();
        file.publish(1);
        file.write(0, b"x");
    }
}
