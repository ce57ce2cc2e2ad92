//! `rocketmq shutdown` (4.3.0: the script `mqshutdown`): asks the servers of this machine to stop and waits for
//! them. It finds them by the subcommand that they run.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::ValueEnum;
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
    let list = pids.iter().map(|pid| pid.as_raw_nonzero().to_string()).collect::<Vec<_>>().join(" ");
    println!("The {name}({list}) is running...");
    for pid in &pids {
        if let Err(error) = kill_process(*pid, Signal::TERM) {
            return fail(
                EXIT_FAILED,
                format!("{name}({}) cannot be asked to stop: {error}", pid.as_raw_nonzero()),
            );
        }
    }
    println!("Send shutdown request to {name}({list}) OK");
    let deadline = Instant::now() + WAIT;
    // Not by signal 0: a process that has ended and that its parent has not yet taken note of still gets those.
    while pids.iter().any(|pid| runs(&process(*pid), args.server)) {
        if Instant::now() >= deadline {
            let seconds = WAIT.as_secs();
            return fail(EXIT_FAILED, format!("{name}({list}) still runs after {seconds} s; see its log"));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    ExitCode::SUCCESS
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
    let is_ours = Path::new(&*program).file_name().is_some_and(|name| name == "rocketmq");
    is_ours && arguments.next().is_some_and(|word| server.subcommands().contains(&&*word))
}
