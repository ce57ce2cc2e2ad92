//! What the servers have in common around their own work: log, limits of the process, runtime, signals.

use std::future::Future;
use std::process::ExitCode;

use rocketmq::logging::{self, LogFormat, LogGuard, LogOptions, ServerKind};
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};
use tokio::signal::unix::{SignalKind, signal};

use super::{EXIT_FAILED, fail, say};

/// How to log.
#[derive(Debug, Clone, clap::Args)]
pub struct Log {
    /// What a line of the log files looks like
    #[arg(long = "log-format", value_name = "FORMAT", env = "ROCKETMQ_LOG_FORMAT", default_value = "text")]
    format: LogFormat,
}

impl Log {
    /// Begins to log, with the filter of `logLevel` unless that is empty. A server whose log cannot be written runs
    /// without one, and says so.
    pub fn begin(&self, kind: ServerKind, log_level: &str) -> Option<LogGuard> {
        keep_files_private();
        let options = LogOptions { format: self.format, ..LogOptions::from_env() }.with_filter(log_level);
        match logging::init(kind, &options) {
            Ok(guard) => {
                describe();
                Some(guard)
            }
            Err(error) => {
                eprintln!("WARNING: no log is written: {error}");
                None
            }
        }
    }
}

/// Messages, accounts and logs are not for every user of the machine: the owner writes, its group reads.
fn keep_files_private() {
    let before = umask(Mode::empty());
    umask(before | Mode::WGRP | Mode::RWXO);
}

/// What a server tells of itself at its start.
fn describe() {
    let files = raise_file_limit();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        open_files_max = files,
        "starting"
    );
    let ignored = |name: &&str| std::env::var(name).is_ok_and(|value| !value.trim().is_empty());
    for name in ["JAVA_OPT", "JAVA_OPT_EXT"].iter().filter(|name| ignored(name)) {
        tracing::warn!("{name} is set: there is no JVM, and its options have no effect here");
    }
}

/// Takes as many open files as the system allows: a connection and a queue file need one each.
fn raise_file_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
    {
        tracing::warn!(%error, "limit of open files not raised");
        return limit.current;
    }
    limit.maximum
}

/// Runs a server: `start` it, let `ready` say so, wait for SIGTERM or SIGINT, `stop` it. `stop` answers whether
/// all went well.
pub fn run<R, S, E, F>(
    start: impl Future<Output = Result<R, E>>,
    ready: impl FnOnce(&R),
    stop: impl FnOnce(R) -> S,
    failure: F,
) -> ExitCode
where
    S: Future<Output = bool>,
    F: FnOnce(E) -> String,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_name("rocketmq").enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(EXIT_FAILED, format!("threads cannot be started: {error}")),
    };
    let code = runtime.block_on(async {
        // Asked for before the start: a signal during it must not kill us in the middle.
        let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
        let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
            return fail(EXIT_FAILED, "signals cannot be listened to");
        };
        let running = match start.await {
            Ok(running) => running,
            Err(error) => return fail(EXIT_FAILED, failure(error)),
        };
        ready(&running);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if stop(running).await {
            ExitCode::SUCCESS
        } else {
            fail(EXIT_FAILED, "not everything was written to disk at the end; see the log")
        }
    });
    // What still blocks in the background must not hold up the end.
    runtime.shutdown_background();
    code
}

/// A line on standard output and in the log, as 4.3.0's boot lines.
pub fn announce(line: &str) {
    tracing::info!("{line}");
    say(format_args!("{line}\n"));
}
