//! `rocketmq shutdown` (4.3.0: the script `mqshutdown`): asks the servers of this machine to stop and waits for
//! them. It finds them by the subcommand that they run.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use super::{EXIT_FAILED, fail};

/// How long a server may take to bring everything to the disk.
const WAIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which servers
    #[arg(value_enum)]
    server: Server,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Server {
    Broker,
    Namesrv,
}

impl Server {
    fn subcommands(self) -> &'static [&'static str] {
        match self {
            Server::Broker => &["broker", "standalone"],
            Server::Namesrv => &["namesrv"],
        }
    }

    /// As the script calls them.
    fn name(self) -> &'static str {
        match self {
            Server::Broker => "mqbroker",
            Server::Namesrv => "mqnamesrv",
        }
    }
}

pub fn run(args: &Args) -> ExitCode {
    let name = args.server.name();
    let pids = find(args.server);
    if pids.is_empty() {
        println!("No {name} running.");
        return ExitCode::from(EXIT_FAILED);
    }
    println!("The {name}({}) is running...", list(&pids));
    // One that is somebody else's keeps none of the others from being asked.
    let mut asked = Vec::new();
    let mut refused = Vec::new();
    for pid in pids {
        match kill_process(pid, Signal::TERM) {
            Ok(()) => asked.push(pid),
            // It has ended meanwhile.
            Err(Errno::SRCH) => {}
            Err(error) => {
                refused.push(format!("{name}({}) cannot be asked to stop: {error}", pid.as_raw_nonzero()))
            }
        }
    }
    if !asked.is_empty() {
        println!("Send shutdown request to {name}({}) OK", list(&asked));
    }
    let deadline = Instant::now() + WAIT;
    // Not by signal 0: a process that has ended and that its parent has not yet taken note of still gets those.
    while asked.iter().any(|pid| runs(&process(*pid), args.server)) {
        if Instant::now() >= deadline {
            let (list, seconds) = (list(&asked), WAIT.as_secs());
            refused.push(format!("{name}({list}) still runs after {seconds} s; see its log"));
            break;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    if refused.is_empty() { ExitCode::SUCCESS } else { fail(EXIT_FAILED, refused.join("; ")) }
}

fn list(pids: &[Pid]) -> String {
    pids.iter().map(|pid| pid.as_raw_nonzero().to_string()).collect::<Vec<_>>().join(" ")
}

/// Processes that run this program with one of the subcommands.
fn find(server: Server) -> Vec<Pid> {
    let own = std::process::id().to_string();
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let pids = names.filter(|name| *name != own && runs(&Path::new("/proc").join(name), server));
    pids.filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

fn process(pid: Pid) -> PathBuf {
    Path::new("/proc").join(pid.as_raw_nonzero().to_string())
}

fn runs(process: &Path, server: Server) -> bool {
    // Others' processes are not ours to stop, and those that end meanwhile are none.
    let Ok(arguments) = std::fs::read(process.join("cmdline")) else { return false };
    let mut arguments = arguments.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let program = arguments.next().unwrap_or_default();
    let is_ours = || {
        let named = Path::new(&*program).file_name().is_some_and(|name| name == "rocketmq");
        named || executable(process).is_some_and(|it| Some(it) == executable(Path::new("/proc/self")))
    };
    arguments.next().is_some_and(|word| server.subcommands().contains(&&*word)) && is_ours()
}

/// The file that a process runs, whatever it is called (`ROCKETMQ_BIN`); of others' processes the kernel does not say it.
fn executable(process: &Path) -> Option<PathBuf> {
    let path = std::fs::read_link(process.join("exe")).ok()?;
    // An upgrade has put another in its place.
    let name = path.to_str().map(|path| path.strip_suffix(" (deleted)").unwrap_or(path));
    name.map(PathBuf::from)
}
