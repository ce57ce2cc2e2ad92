//! `bench startup`: starts a server and measures the time from the start of the process to the first answer
//! that it gives, whatever the answer says.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::Error;
use super::procfs;
use super::report::Report;
use super::wire::{OPAQUE_BASE, Scanner, Template};
use crate::remoting::{Command, SerializeType};

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(1);

#[derive(Debug, clap::Args)]
pub(super) struct StartupArgs {
    /// Where the server will listen
    #[arg(long, value_name = "HOST:PORT")]
    addr: String,
    /// Request code to ask with: 28 GET_BROKER_RUNTIME_INFO, 106 GET_BROKER_CLUSTER_INFO for a name server
    #[arg(long, default_value_t = 28)]
    code: i32,
    /// Longest wait for the first answer, seconds
    #[arg(long, default_value_t = 60)]
    patience: u64,
    /// Seconds after the answer until memory is looked at
    #[arg(long, default_value_t = 0.0)]
    settle: f64,
    /// Leave the server running
    #[arg(long)]
    keep: bool,
    /// File for what the server prints
    #[arg(long, value_name = "FILE")]
    log: Option<std::path::PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// The server's command
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

/// Starts, waits, prints, stops.
pub(super) fn run(args: &StartupArgs) -> Result<bool, Error> {
    let addrs = args.addr.to_socket_addrs().map_err(Error::io(format!("look up {}", args.addr)))?;
    let addr = addrs.into_iter().next().ok_or_else(|| Error::Usage(format!("{} is nowhere", args.addr)))?;
    if ask(addr, args.code).is_ok() {
        return Err(Error::Usage(format!("something answers on {addr} already")));
    }
    let output = |log: &Option<std::path::PathBuf>| match log {
        Some(path) => File::options()
            .create(true)
            .append(true)
            .open(path)
            .map(Stdio::from)
            .map_err(Error::io("open log")),
        None => Ok(Stdio::null()),
    };
    let mut process = Process::new(&args.command[0]);
    process.args(&args.command[1..]).stdin(Stdio::null());
    process.stdout(output(&args.log)?).stderr(output(&args.log)?);
    let begin = Instant::now();
    let mut child = process.spawn().map_err(Error::io(format!("start {}", args.command[0])))?;
    let result = wait_for_answer(&mut child, addr, args, begin);
    match result {
        Ok(elapsed) => {
            std::thread::sleep(super::produce::seconds(args.settle));
            report(args, &child, elapsed);
            if !args.keep {
                stop(&mut child);
            }
            Ok(true)
        }
        Err(error) => {
            stop(&mut child);
            Err(error)
        }
    }
}

fn wait_for_answer(
    child: &mut Child,
    addr: SocketAddr,
    args: &StartupArgs,
    begin: Instant,
) -> Result<Duration, Error> {
    let patience = Duration::from_secs(args.patience);
    loop {
        if ask(addr, args.code).is_ok() {
            return Ok(begin.elapsed());
        }
        if let Some(status) = child.try_wait().map_err(Error::io("watch the server"))? {
            return Err(Error::Usage(format!("the server ended before it answered: {status}")));
        }
        if begin.elapsed() > patience {
            return Err(Error::Usage(format!("no answer within {patience:?}")));
        }
        std::thread::sleep(PAUSE);
    }
}

/// One request and its answer on a connection of its own.
fn ask(addr: SocketAddr, code: i32) -> std::io::Result<()> {
    let no_answer = || std::io::Error::from(std::io::ErrorKind::InvalidData);
    let mut stream = TcpStream::connect_timeout(&addr, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut request = Vec::new();
    Template::new(Command::request(code, &()), SerializeType::Json).append(&mut request, OPAQUE_BASE, 0, 1);
    stream.write_all(&request)?;
    let mut bytes = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Err(no_answer());
        }
        bytes.extend_from_slice(&piece[..count]);
        if let Some((reply, _)) = Scanner::default().next(&bytes).map_err(|_| no_answer())? {
            return if reply.opaque == OPAQUE_BASE { Ok(()) } else { Err(no_answer()) };
        }
    }
}

fn report(args: &StartupArgs, child: &Child, elapsed: Duration) {
    let mut report = Report::new("startup", json!({ "addr": args.addr, "command": args.command }));
    let ms = elapsed.as_secs_f64() * 1000.0;
    report.put("first answer", format!("{ms:.1} ms after the start"), "first_answer_ms", json!(ms));
    report.put("process", child.id().to_string(), "pid", json!(child.id()));
    if let Some(memory) = procfs::memory(child.id()) {
        let text = format!("anonymous {} KiB, files {} KiB", memory.rss_anon_kb, memory.rss_file_kb);
        report.put("memory", text, "server_memory", json!(memory));
    }
    if let Some(us) = procfs::cpu_us(child.id()) {
        report.put("cpu", format!("{:.1} ms", us as f64 / 1000.0), "server_cpu_us", json!(us));
    }
    report.print(args.json);
}

/// Asks the process to end, and ends it where it does not.
fn stop(child: &mut Child) {
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let asked =
        pid.is_some_and(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM).is_ok());
    let begin = Instant::now();
    while asked && begin.elapsed() < Duration::from_secs(30) {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    if let Err(error) = child.kill().and_then(|()| child.wait().map(drop)) {
        eprintln!("warning: cannot end process {}: {error}", child.id());
    }
}
