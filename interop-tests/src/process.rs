//! Child processes with a bounded life: what they print goes to a file, they are killed when dropped, and every wait
//! for them has an end.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// How often a wait looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Looks until there is something, or until `limit` has passed.
pub fn wait_for<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        // Another process sends us no event that we could wait for.
        std::thread::park_timeout(LOOK_AGAIN);
    }
}

/// A running server. Killed when dropped, unless it was stopped before.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; what it prints on either stream goes to `log`.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Process {
        let out = File::options().create(true).append(true).open(log).expect("the log's folder is there");
        let err = out.try_clone().expect("a file can be opened twice");
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let child =
            command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}: {command:?}"));
        Process { child, name: name.to_owned(), log: log.to_owned() }
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours can be waited for")
    }

    /// Everything it has printed so far.
    pub fn printed(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    pub fn stop(mut self, limit: Duration) -> ExitStatus {
        signal("TERM", self.id());
        match wait_for(limit, || self.has_ended()) {
            Some(status) => status,
            None => panic!("{} did not end within {limit:?} of SIGTERM:\n{}", self.name, self.printed()),
        }
    }

    /// Kills it as `kill -9` does.
    pub fn kill(mut self) {
        self.end();
    }

    /// Holds it where it is (SIGSTOP), or lets it go on (SIGCONT).
    pub fn hold(&self, is_held: bool) {
        signal(if is_held { "STOP" } else { "CONT" }, self.id());
    }

    fn end(&mut self) {
        // It may be gone already; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sends a signal to a process we started.
fn signal(name: &str, id: u32) {
    let status = Command::new("kill").args([format!("-{name}"), id.to_string()]).status();
    assert!(status.is_ok_and(|it| it.success()), "kill -{name} {id}");
}

/// Runs a program to its end. A program that takes longer than `limit` is killed, and the test fails.
pub fn run(name: &str, command: Command, input: Option<&str>, limit: Duration) -> Output {
    let folder = tempfile::tempdir().expect("a folder for what it prints");
    run_in(name, command, input, limit, folder.path())
}

fn run_in(name: &str, mut command: Command, input: Option<&str>, limit: Duration, folder: &Path) -> Output {
    let (out, err, given) = (folder.join("out"), folder.join("err"), folder.join("in"));
    // Files, not pipes: nobody has to read while it runs.
    fs::write(&given, input.unwrap_or_default()).expect("the folder is ours");
    command.stdin(File::open(given).expect("just written"));
    command.stdout(File::create(&out).expect("the folder is ours"));
    command.stderr(File::create(&err).expect("the folder is ours"));
    let mut child =
        command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}: {command:?}"));
    let status = wait_for(limit, || child.try_wait().expect("a child of ours can be waited for"));
    let read = |path| fs::read(path).expect("the program's output");
    let Some(status) = status else {
        let _ = child.kill();
        let _ = child.wait();
        let printed = [read(&out), read(&err)].concat();
        panic!("{name} did not end within {limit:?}:\n{}", String::from_utf8_lossy(&printed));
    };
    Output { status, stdout: read(&out), stderr: read(&err) }
}

/// As [`run`], and the program must end with exit code 0. Its standard output.
pub fn run_well(name: &str, command: Command, input: Option<&str>, limit: Duration) -> String {
    let output = run(name, command, input, limit);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{name}: {}\n{printed}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}
