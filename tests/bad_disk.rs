//! A broker on disks that fail it: one that fills up, one that is read only. Each is a tmpfs of the test's own, in a mount
//! namespace that `unshare` makes; where that is not to be had the test fails and says so. Power cuts and I/O errors need
//! a block device: `scripts/check-disks`.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command as Process, Stdio};
use std::time::{Duration, Instant};

use common::load::{Acknowledged, TOPIC, WINDOW, lost, send_window};
use common::{call, connect, free_port};
use rocketmq::protocol::header::offset::UpdateConsumerOffsetRequestHeader;
use rocketmq::protocol::header::topic::CreateTopicRequestHeader;
use rocketmq::protocol::request_code::RequestCode;
use rocketmq::protocol::response_code::ResponseCode;
use rocketmq::remoting::Command;

const LIMIT: Duration = Duration::from_secs(60);
/// A sender that is refused so often has no more luck.
const REFUSALS_EACH: usize = 2000;
/// So many lines at most say that a disk is full, however many messages are refused.
const ERRORS_MAX: usize = 60;

/// A shell in namespaces of its own, with a small disk; all of it goes with this.
struct SmallDisk {
    shell: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    folder: tempfile::TempDir,
    /// Logs, on another disk: they are not what fills this one.
    logs: tempfile::TempDir,
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // With it goes the shell, the first process of its namespace, and with that all others there.
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
            .args(["--mount", "--pid", "--fork", "--kill-child", "sh"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("unshare (package util-linux) is needed: {error}"));
        let input = shell.stdin.take().unwrap();
        let output = BufReader::new(shell.stdout.take().unwrap());
        let logs = tempfile::tempdir().unwrap();
        let mut disk = SmallDisk { shell, input, output, folder, logs };
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
            let logs = self.logs.path().display().to_string();
            let said = self.run(&format!(
                "mkfifo {logs}/boot; HOME={home} ROCKETMQ_LOG_DIR={logs} {program} {args} >{logs}/boot 2>/dev/null & \
                 broker=$!; line=$(head -n 1 {logs}/boot); echo ${{line:-nothing}}; rm {logs}/boot"
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

    /// Lines of the broker's logs that an operator must act on.
    fn errors(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.logs.path()).unwrap().map(|entry| entry.unwrap().path());
        let logs = files.filter(|path| path.extension().is_some_and(|ending| ending == "log"));
        let lines: Vec<String> = logs.flat_map(|path| lines(&std::fs::read(path).unwrap())).collect();
        assert!(!lines.is_empty(), "no log");
        lines.into_iter().filter(|line| line.contains(" ERROR ")).collect()
    }

    /// A file of the disk, which only the namespace sees.
    fn read(&self, name: &str) -> Option<Vec<u8>> {
        let path = self.path().strip_prefix("/").unwrap().join(name);
        std::fs::read(Path::new(&format!("/proc/{}/root", self.shell.id())).join(path)).ok()
    }

    /// A table's file, whole, if there is one; so is its copy.
    fn table(&self, name: &str) -> Option<serde_json::Value> {
        let [table, _] = ["", ".bak"].map(|ending| {
            let text = self.read(&format!("store/config/{name}{ending}"))?;
            let table = compat::json::from_slice(&text);
            Some(table.unwrap_or_else(|error| panic!("{name}{ending} is torn: {error}")))
        });
        table
    }

    fn is_running(&mut self) -> bool {
        self.run("kill -0 $broker 2>/dev/null && echo yes || echo no") == "yes"
    }
}

fn lines(text: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(text).lines().map(str::to_owned).collect()
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

/// The same from several connections at once.
fn fill_up(port: u16, acks: &mut Acknowledged) -> (usize, String) {
    const CONNECTIONS: usize = 4;
    const NUMBERS_EACH: usize = 1_000_000;
    let one = |number: usize| {
        let mut acks = Acknowledged::new();
        let (_, remark) = load(port, number * NUMBERS_EACH, REFUSALS_EACH, usize::MAX, &mut acks);
        (acks, remark)
    };
    let loads: Vec<_> = std::thread::scope(|scope| {
        let loads: Vec<_> = (0..CONNECTIONS).map(|number| scope.spawn(move || one(number))).collect();
        loads.into_iter().map(|load| load.join().unwrap()).collect()
    });
    let mut remark = String::new();
    for (more, said) in loads {
        acks.extend(more);
        remark = said;
    }
    (CONNECTIONS * NUMBERS_EACH, remark)
}

/// An admin's request for a topic; the answer's code and remark.
fn make_topic(port: u16, topic: &str) -> (i32, String) {
    let header = CreateTopicRequestHeader {
        topic: topic.to_owned(),
        read_queue_nums: 1,
        write_queue_nums: 1,
        perm: 6,
        ..CreateTopicRequestHeader::default()
    };
    let answer = call(&mut connect(port), Command::request(RequestCode::UpdateAndCreateTopic, &header));
    (answer.code, answer.remark.unwrap_or_default())
}

fn commit_offset(port: u16, offset: i64) {
    let header = UpdateConsumerOffsetRequestHeader {
        consumer_group: "reader".to_owned(),
        topic: TOPIC.to_owned(),
        queue_id: 0,
        commit_offset: offset,
    };
    let answer = call(&mut connect(port), Command::request(RequestCode::UpdateConsumerOffset, &header));
    assert_eq!(answer.code, 0, "{:?}", answer.remark);
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
    "flushConsumerOffsetInterval=200",
    "flushIntervalConsumeQueue=50",
    "flushConsumeQueueThoroughInterval=200",
];

fn fill(more: &[&str]) {
    let mut disk = SmallDisk::new(64);
    let path = disk.path().display().to_string();
    assert_eq!(disk.run(&format!("head -c 16777216 /dev/zero >{path}/ballast; echo done")), "done");
    let settings: Vec<&str> = SETTINGS.iter().chain(more).copied().collect();
    let mut acks = Acknowledged::new();
    let port = disk.start(&settings);
    assert_eq!(make_topic(port, "before").0, 0);
    let (next, remark) = fill_up(port, &mut acks);
    assert!(acks.len() > 10_000, "{} acknowledged", acks.len());
    assert!(remark.starts_with("service not available now, maybe disk full, CL:  "), "{remark}");
    // What the store left over goes, too: now nothing can be written, tables neither.
    disk.run(&format!("cat /dev/zero >{path}/rest 2>/dev/null; echo done"));
    let (next, remark) = load(port, next, WINDOW, usize::MAX, &mut acks);
    assert!(remark.contains("\n("), "a refusal tells its reason: {remark}");
    let (code, remark) = make_topic(port, "while");
    assert!(code == 1 && remark.contains("No space left"), "{code} {remark}");
    commit_offset(port, 7);
    assert!(disk.is_running());
    check(port, &acks);
    let topics = disk.table("topics.json").unwrap();
    assert!(topics["topicConfigTable"]["before"].is_object(), "{topics}");
    assert!(topics["topicConfigTable"]["while"].is_null(), "{topics}");
    disk.table("consumerOffset.json");
    // Room is made, and nothing else done.
    assert_eq!(disk.run(&format!("rm {path}/ballast {path}/rest; echo done")), "done");
    let begun = Instant::now();
    let mut from = next;
    let before = acks.len();
    while acks.len() < before + 200 {
        assert!(begun.elapsed() < LIMIT, "there is room, and nothing is taken");
        from = load(port, from, 16, 200, &mut acks).0;
    }
    check(port, &acks);
    // The tables are saved now.
    let begun = Instant::now();
    let is_saved = |disk: &SmallDisk| {
        let topic = disk.table("topics.json").is_some_and(|t| t["topicConfigTable"]["while"].is_object());
        topic && disk.table("consumerOffset.json").is_some_and(|o| o["offsetTable"]["T@reader"]["0"] == 7)
    };
    while !is_saved(&disk) {
        assert!(begun.elapsed() < LIMIT, "there is room, and the tables are not saved");
    }
    let errors = disk.errors();
    assert!(!errors.is_empty() && errors.len() <= ERRORS_MAX, "{}: {errors:#?}", errors.len());
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
