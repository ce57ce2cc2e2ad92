//! `rocketmq bench …`: load and latency from outside, against any 4.x broker, ours or Java's. It shares a
//! machine with the server that it measures, so it is built to cost little: frames encoded once and patched,
//! big reads, one write for many frames, one thread for all connections. Not a client: see `client` for that.

mod compare;
mod consume;
mod drive;
mod echo;
mod latency;
mod procfs;
mod produce;
mod report;
mod startup;
mod target;
mod wire;

use std::process::ExitCode;

/// What can be measured.
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Debug, clap::Subcommand)]
enum BenchCommand {
    /// Send as fast as the broker takes it, with a fixed number of requests in flight
    Produce(produce::ProduceArgs),
    /// Pull every queue from its beginning
    Consume(consume::ConsumeArgs),
    /// Send at a fixed rate and measure from send to arrival at a consumer
    Latency(latency::LatencyArgs),
    /// Answer every frame at once: the ceiling for `bench produce --raw`
    EchoServer(echo::EchoArgs),
    /// Start a server and measure the time until it answers
    Startup(startup::StartupArgs),
    /// Print medians of results side by side
    Compare(compare::CompareArgs),
}

/// Why a measurement has no result.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Call(#[from] crate::client::CallError),
    #[error(transparent)]
    Drive(#[from] drive::DriveError),
    #[error("{what}: {source}")]
    Io { what: String, source: std::io::Error },
    #[error("{0}")]
    Usage(String),
}

impl Error {
    fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Error {
        let what = what.into();
        move |source| Error::Io { what, source }
    }
}

/// Measures, prints, and tells by the exit code whether everything was answered with success.
pub fn run(args: BenchArgs) -> ExitCode {
    let result = match args.command {
        BenchCommand::Produce(args) => produce::run(&args),
        BenchCommand::Consume(args) => consume::run(&args),
        BenchCommand::Latency(args) => latency::run(&args),
        BenchCommand::EchoServer(args) => echo::run(&args),
        BenchCommand::Startup(args) => startup::run(&args),
        BenchCommand::Compare(args) => compare::run(&args),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::io("start the runtime"))
}
