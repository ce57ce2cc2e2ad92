//! Power cuts and I/O errors under load, on an ext4 of the test's own that is shut down beneath the broker: what was not
//! synced is gone, as after a real cut. Needs root and a loop device: `scripts/check-disks` runs it.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::load::{Acknowledged, TOPIC, lost, send_window};
use common::{Program, broker_args, call, connect, start_server};
use rocketmq::protocol::header::NoHeader;
use rocketmq::protocol::request_code::RequestCode;
use rocketmq::remoting::Command;

const CONNECTIONS: usize = 4;
const LIMIT: Duration = Duration::from_secs(60);

/// A file system in a file, mounted.
struct Disk {
    folder: tempfile::TempDir,
    image: PathBuf,
    /// The image lies on a small file system of its own.
    has_device: bool,
}

fn run(program: &str, args: &[&str]) {
    let output =
        Process::new(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Disk {
    fn new() -> Disk {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        std::fs::create_dir(folder.path().join("disk")).unwrap();
        let disk = Disk { folder, image, has_device: false };
        disk.format();
        disk
    }

    /// A file system of 2 GiB on a device that has room for less.
    fn on_a_device_of(mib: u32) -> Disk {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join("device");
        std::fs::create_dir(&device).unwrap();
        run("mount", &["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs", device.to_str().unwrap()]);
        std::fs::create_dir(folder.path().join("disk")).unwrap();
        let image = device.join("image");
        let disk = Disk { folder, image, has_device: true };
        disk.format();
        disk
    }

    fn format(&self) {
        std::fs::File::create(&self.image).unwrap().set_len(2 << 30).unwrap();
        run("mkfs.ext4", &["-q", self.image.to_str().unwrap()]);
        self.mount();
    }

    /// The device takes writes again.
    fn heal(&self) {
        let device = self.folder.path().join("device");
        run("mount", &["-o", "remount,size=3g", device.to_str().unwrap()]);
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn mount(&self) {
        run("mount", &["-o", "loop", self.image.to_str().unwrap(), self.path().to_str().unwrap()]);
    }

    /// Stops all writing to the device at once; what is in memory only stays there.
    fn shut_down(&self) {
        // FS_IOC_SHUTDOWN with "no log flush".
        let script = "import fcntl, os, struct, sys\n\
                      fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";
        run("python3", &["-c", script, self.path().to_str().unwrap()]);
    }

    /// The device after the cut: the journal is replayed.
    fn mount_again(&self) {
        let begun = Instant::now();
        // The killed broker may hold it for a moment.
        while !Process::new("umount").arg(self.path()).output().unwrap().status.success() {
            assert!(begun.elapsed() < LIMIT, "the disk stays busy");
            std::thread::yield_now();
        }
        self.mount();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Perhaps a broker is still there, or it is not mounted.
        let _ = Process::new("umount").arg("--lazy").arg(self.path()).output();
        if self.has_device {
            let _ = Process::new("umount").arg("--lazy").arg(self.folder.path().join("device")).output();
        }
    }
}

fn start(disk: &Path, flush: &str) -> (Program, u16) {
    let (program, port, line) = start_server(disk, |port| {
        let mut args = broker_args(disk, port);
        args.extend(
            [
                &*format!("flushDiskType={flush}"),
                "mapedFileSizeCommitLog=4194304",
                "mapedFileSizeConsumeQueue=60000",
                "maxHashSlotNum=10000",
                "maxIndexNum=20000",
            ]
            .map(str::to_owned),
        );
        args
    });
    assert!(line.contains("boot success"), "{line}");
    (program, port)
}

/// Loads the broker from several connections, and does `harm` when so many messages have been acknowledged; gives all
/// that were.
fn load(port: u16, next: &AtomicUsize, wanted: usize, harm: impl FnOnce()) -> Acknowledged {
    let acknowledged = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let one = || {
            let mut acks = Acknowledged::new();
            let mut stream = connect(port);
            stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            loop {
                let before = acks.len();
                let mut from = next.fetch_add(common::load::WINDOW, Ordering::Relaxed);
                // An error is the cut, or the end of the broker.
                let answered = send_window(&mut stream, &mut from, &mut acks);
                acknowledged.fetch_add(acks.len() - before, Ordering::Relaxed);
                match answered {
                    Ok(refused) if refused.is_empty() => {}
                    _ => return acks,
                }
            }
        };
        let loads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(one)).collect();
        let begun = Instant::now();
        while acknowledged.load(Ordering::Relaxed) < wanted {
            assert!(begun.elapsed() < LIMIT, "too slow");
            std::thread::yield_now();
        }
        harm();
        loads.into_iter().flat_map(|load| load.join().unwrap()).collect()
    })
}

/// Topics and groups are on the disk that the broker came back from.
fn check_tables(port: u16) {
    let mut stream = connect(port);
    let topics = call(&mut stream, Command::request(RequestCode::GetAllTopicConfig, &NoHeader {}));
    assert!(
        String::from_utf8_lossy(&topics.body).contains(&format!("\"topicName\":\"{TOPIC}\"")),
        "topic lost"
    );
    let groups =
        call(&mut stream, Command::request(RequestCode::GetAllSubscriptiongroupConfig, &NoHeader {}));
    assert!(String::from_utf8_lossy(&groups.body).contains("\"groupName\":\"reader\""), "group lost");
}

fn cuts(flush: &str, count: usize, messages: usize) -> (usize, usize) {
    let disk = Disk::new();
    let (mut acks, next) = (Acknowledged::new(), AtomicUsize::new(0));
    let mut all_lost = 0;
    for number in 0..count {
        let (mut program, port) = start(&disk.path(), flush);
        // Makes topic and group.
        let mut from = next.fetch_add(common::load::WINDOW, Ordering::Relaxed);
        assert!(send_window(&mut connect(port), &mut from, &mut acks).unwrap().is_empty());
        lost(port, &acks);
        acks.extend(load(port, &next, messages + 37 * number, || {
            program.pause();
            disk.shut_down();
            program.kill();
        }));
        disk.mount_again();
        let (mut program, port) = start(&disk.path(), flush);
        let lost = lost(port, &acks);
        check_tables(port);
        println!("{flush}, cut {number}: {} acknowledged so far, {lost} lost now and before", acks.len());
        all_lost = lost;
        assert_eq!(program.stop().code, Some(0));
    }
    (acks.len(), all_lost)
}

#[test]
#[ignore = "needs root and a loop device: scripts/check-disks"]
fn sync_flush_loses_nothing_by_power_cuts() {
    let (acknowledged, lost) = cuts("SYNC_FLUSH", 20, 500);
    println!("SYNC_FLUSH, 20 cuts: {acknowledged} acknowledged, {lost} lost");
    assert_eq!(lost, 0);
}

#[test]
#[ignore = "needs root and a loop device: scripts/check-disks"]
fn async_flush_hands_out_nothing_damaged_after_power_cuts() {
    let (acknowledged, lost) = cuts("ASYNC_FLUSH", 20, 12_000);
    println!("ASYNC_FLUSH, 20 cuts: {acknowledged} acknowledged, {lost} lost");
}

/// After an error the broker lives, and takes nothing more.
fn check_refusing(port: u16, next: &AtomicUsize) {
    let (mut stream, mut acks) = (connect(port), Acknowledged::new());
    for _ in 0..10 {
        let mut from = next.fetch_add(common::load::WINDOW, Ordering::Relaxed);
        let refused = send_window(&mut stream, &mut from, &mut acks).unwrap();
        assert_eq!(refused.len(), common::load::WINDOW, "answered with OK after the disk has failed");
    }
}

/// The device beneath the file system takes no more writes: they fail when they are brought to the disk.
#[test]
#[ignore = "needs root and a loop device: scripts/check-disks"]
fn what_the_disk_did_not_take_is_not_answered_with_ok() {
    let mut all = 0;
    for mib in [80, 100, 120] {
        let disk = Disk::on_a_device_of(mib);
        let (mut program, port) = start(&disk.path(), "SYNC_FLUSH");
        let next = AtomicUsize::new(0);
        let acks = load(port, &next, 1000, || ());
        check_refusing(port, &next);
        program.kill();
        disk.heal();
        disk.mount_again();
        let (_program, port) = start(&disk.path(), "SYNC_FLUSH");
        assert_eq!(lost(port, &acks), 0);
        println!("SYNC_FLUSH, a device that failed after {mib} MiB: {} acknowledged, 0 lost", acks.len());
        all += acks.len();
    }
    assert!(all > 10_000, "{all}");
}

/// A file system that is shut down beneath a running broker. The kernel may answer a sync that runs in that moment with
/// success though the journal is gone: the broker does not take its word for it.
#[test]
#[ignore = "needs root and a loop device: scripts/check-disks"]
fn a_file_system_that_goes_away_ends_the_answers() {
    for number in 0..20 {
        let disk = Disk::new();
        let (mut program, port) = start(&disk.path(), "SYNC_FLUSH");
        let next = AtomicUsize::new(0);
        let acks = load(port, &next, 300 + 100 * number, || disk.shut_down());
        check_refusing(port, &next);
        program.kill();
        disk.mount_again();
        let (_program, port) = start(&disk.path(), "SYNC_FLUSH");
        let lost = lost(port, &acks);
        println!("SYNC_FLUSH, file system gone: {} acknowledged, {lost} lost", acks.len());
        assert_eq!(lost, 0);
    }
}
