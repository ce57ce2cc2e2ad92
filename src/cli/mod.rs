//! The command line: one program, a subcommand each for what Java has a script for. Parses, loads settings,
//! prints, and leaves the work to the library.

mod broker;
mod check;
mod java_opt;
mod manual;
mod namesrv;
mod progress;
mod server;
mod settings;
mod shutdown;
mod signals;
mod standalone;
mod store;
mod systemd;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Java's `System.exit(-1)`.
const EXIT_FAILED: u8 = 255;

#[derive(Debug, Parser)]
#[command(
    name = "rocketmq",
    version,
    about = "Apache RocketMQ 4.3.0 name server and broker, without a JVM",
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a name server (mqnamesrv)
    Namesrv(namesrv::Args),
    /// Run a broker (mqbroker)
    Broker(broker::Args),
    /// Run a name server and a broker in one process, for trying things out and for tests
    Standalone(standalone::Args),
    /// Stop the brokers or name servers of this machine (mqshutdown)
    Shutdown(shutdown::Args),
    /// Look at a data directory without a broker, ours or Java's, and mend it
    Store(store::Args),
    /// Say what is wrong with a cluster, and what to do: name servers, routes, brokers, ports, clocks, disks
    Doctor(rocketmq::doctor::DoctorArgs),
    /// Load and latency against any 4.x broker
    Bench(rocketmq::bench::BenchArgs),
    /// The quickstart examples
    Example(rocketmq::example::ExampleArgs),
    /// Administration commands (mqadmin)
    #[command(disable_help_flag = true)]
    Admin {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        arguments: Vec<String>,
    },
    /// Print a script that completes this program's arguments in a shell
    Completions(manual::CompletionsArgs),
    /// Write the manual pages
    Man(manual::ManArgs),
}

/// Runs what the arguments ask for.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let error = manual::as_script(error);
            // A closed output is nothing to tell anybody about.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(EXIT_FAILED) } else { ExitCode::SUCCESS };
        }
    };
    match cli.command {
        Command::Namesrv(args) => namesrv::run(&args),
        Command::Broker(args) => broker::run(&args),
        Command::Standalone(args) => standalone::run(&args),
        Command::Shutdown(args) => shutdown::run(&args),
        Command::Store(args) => store::run(&args),
        Command::Doctor(args) => rocketmq::doctor::run(&args),
        Command::Bench(args) => rocketmq::bench::run(args),
        Command::Example(args) => rocketmq::example::run(args),
        Command::Admin { arguments } => rocketmq::admin::run(&arguments),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&args),
    }
}

/// Writes on standard output. Where nobody reads it any more, as behind `| head`, that is nothing to fail for.
fn say(text: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}

/// Writes what was asked for on standard output, and gives the exit code: not having written it is a failure, but where
/// nobody reads it any more.
fn print(text: impl std::fmt::Display, code: ExitCode) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            fail(EXIT_FAILED, format_args!("standard output cannot be written: {error}"))
        }
        _ => code,
    }
}

/// Tells an operator why a program ends, in one line, and gives the exit code.
fn fail(code: u8, what: impl std::fmt::Display) -> ExitCode {
    tracing::error!("{what}");
    eprintln!("ERROR: {what}");
    ExitCode::from(code)
}
