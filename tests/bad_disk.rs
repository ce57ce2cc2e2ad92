//! A broker on disks that fail it: one that fills up, one that is read only. Each is a tmpfs of the test's own, in a mount
//! namespace that `unshare` makes; where that is not to be had the test fails and says so. Power cuts and I/O errors need
//! a block device: `scripts/check-disks`.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command as Process, Stdio};
use std::time::{Duration, Instant};

use common::load::{Acknowledged, WINDOW, lost, send_window};
use common::{connect, free_port};
use rocketmq::protocol::response_code::ResponseCode;

const LIMIT: Duration = Duration::from_secs(60);

/// A shell in a mount namespace with a small disk; it goes with this.
struct SmallDisk {
    shell: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    folder: tempfile::TempDir,
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The shell ends with its input, and the broker before it.
        let _ = writeln!(self.input, "kill -9 $broker; exit");
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

impl SmallDisk {
    fn new(mib: u32) -> SmallDisk {
        let folder = tempfile::tempdir().unwrap();
        let mut unshare = Process::new("unshare");
        // Root needs no namespace of users; others are root in one of their own.
        if !rustix::process::geteuid().is_root() {
            unshare.args(["--user", "--map-root-user"]);
        }
        let mut shell = unshare
            .args(["--mount", "sh"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("unshare (package util-linux) is needed: {error}"));
        let input = shell.stdin.take().unwrap();
        let output = BufReader::new(shell.stdout.take().unwrap());
        let mut disk = SmallDisk { shell, input, output, folder };
        let path = disk.path().display().to_string();
        let said =
            disk.run(&format!("mount -t tmpfs -o size={mib}m tmpfs {path} && echo mounted || echo failed"));
        assert_eq!(said, "mounted", "a tmpfs cannot be mounted here, which this test needs");
        disk
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a line of shell that prints one line.
    fn run(&mut self, line: &str) -> String {
        writeln!(self.input, "{line}").unwrap();
        let mut said = String::new();
        self.output.read_line(&mut said).unwrap();
        said.trim_end().to_owned()
    }

    /// Starts a broker on the disk; gives its port.
    fn start(&mut self, settings: &[&str]) -> u16 {
        let program = env!("CARGO_BIN_EXE_rocketmq");
        let home = self.path().display().to_string();
        for _ in 0..5 {
            let port = free_port();
            let mut args = common::broker_args(&PathBuf::from(&home), port);
            args.extend(settings.iter().map(|setting| (*setting).to_owned()));
            let args = args.join(" ");
            // The log goes elsewhere: it is not what fills this disk.
            let logs = "ROCKETMQ_LOG_DIR=/dev/null/none";
            let said = self.run(&format!(
                "rm -f /tmp/boot.$$; mkfifo /tmp/boot.$$; HOME={home} {logs} {program} {args} >/tmp/boot.$$ 2>/dev/null & \
                 broker=$!; head -n 1 /tmp/boot.$$ || echo nothing; rm -f /tmp/boot.$$"
            ));
            if said.contains("boot success") {
                return port;
            }
        }
        panic!("the broker does not start");
    }

    /// Ends the broker; gives its exit code as a shell does.
    fn end(&mut self, signal: &str) -> String {
        self.run(&format!("kill -{signal} $broker; wait $broker; echo $?"))
    }

    fn is_running(&mut self) -> bool {
        self.run("kill -0 $broker 2>/dev/null && echo yes || echo no") == "yes"
    }
}

/// Sends until so many messages have been refused in a row, or accepted; gives the next number, and the last refusal.
fn load(
    port: u16,
    from: usize,
    refusals: usize,
    accepted: usize,
    acks: &mut Acknowledged,
) -> (usize, String) {
    let mut stream = connect(port);
    let (mut next, mut refused, mut taken) = (from, 0, 0);
    let mut remark = String::new();
    let begun = Instant::now();
    while refused < refusals && taken < accepted {
        assert!(begun.elapsed() < LIMIT, "{refused} refused in a row, {taken} taken: {remark}");
        let before = acks.len();
        let answers = send_window(&mut stream, &mut next, acks).unwrap();
        taken = if answers.is_empty() { taken + WINDOW } else { 0 };
        refused = if acks.len() > before { 0 } else { refused + WINDOW };
        for answer in answers {
            assert_eq!(answer.code, i32::from(ResponseCode::ServiceNotAvailable), "{}", answer.remark);
            remark = answer.remark;
        }
    }
    (next, remark)
}

fn check(port: u16, acks: &Acknowledged) {
    assert_eq!(lost(port, acks), 0);
}

const SETTINGS: &[&str] = &[
    "mapedFileSizeCommitLog=4194304",
    "mapedFileSizeConsumeQueue=60000",
    "maxHashSlotNum=10000",
    "maxIndexNum=20000",
    "cleanResourceInterval=50",
    // Files are not to make room: the disk is to be full.
    "cleanFileForciblyEnable=false",
];

fn fill(more: &[&str]) {
    let mut disk = SmallDisk::new(64);
    let path = disk.path().display().to_string();
    assert_eq!(disk.run(&format!("head -c 16777216 /dev/zero >{path}/ballast; echo done")), "done");
    let settings: Vec<&str> = SETTINGS.iter().chain(more).copied().collect();
    let mut acks = Acknowledged::new();
    let port = disk.start(&settings);
    let (next, remark) = load(port, 0, 300, usize::MAX, &mut acks);
    assert!(acks.len() > 10_000, "{} acknowledged", acks.len());
    assert!(remark.starts_with("service not available now, maybe disk full, CL:  "), "{remark}");
    assert!(disk.is_running());
    check(port, &acks);
    // Room is made, and nothing else done.
    assert_eq!(disk.run(&format!("rm {path}/ballast; echo done")), "done");
    let begun = Instant::now();
    let mut from = next;
    let before = acks.len();
    while acks.len() < before + 200 {
        assert!(begun.elapsed() < LIMIT, "there is room, and nothing is taken");
        from = load(port, from, 16, 200, &mut acks).0;
    }
    check(port, &acks);
    assert_eq!(disk.end("KILL"), "137");
    let port = disk.start(&settings);
    check(port, &acks);
    assert_eq!(disk.end("TERM"), "0");
    println!("{} acknowledged on a disk of 64 MiB that was filled, none lost", acks.len());
}

/// Refused in time, by how full the disk is.
#[test]
fn a_disk_that_fills_refuses_and_loses_nothing() {
    fill(&[]);
}

/// To the last byte.
#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    fill(&["diskSpaceWarningLevelRatio=100"]);
}

#[test]
fn a_full_disk_with_sync_flush() {
    fill(&["diskSpaceWarningLevelRatio=100", "flushDiskType=SYNC_FLUSH"]);
}

#[test]
fn a_read_only_disk_is_named_and_nothing_on_it_changes() {
    let mut disk = SmallDisk::new(64);
    let path = disk.path().display().to_string();
    let mut acks = Acknowledged::new();
    let port = disk.start(SETTINGS);
    load(port, 0, 1, 2000, &mut acks);
    assert_eq!(disk.end("TERM"), "0");
    assert_eq!(disk.run(&format!("mount -o remount,ro {path} && echo ro || echo failed")), "ro");
    let args = common::broker_args(disk.path(), free_port()).join(" ");
    let program = env!("CARGO_BIN_EXE_rocketmq");
    let said = disk.run(&format!(
        "HOME={path} ROCKETMQ_LOG_DIR=/dev/null/none {program} {args} 2>&1 | grep ERROR | head -n 1"
    ));
    assert!(said.contains("Read-only file system") && said.contains("store/"), "{said}");
    assert_eq!(disk.run(&format!("mount -o remount,rw {path} && echo rw || echo failed")), "rw");
    let port = disk.start(SETTINGS);
    check(port, &acks);
}
