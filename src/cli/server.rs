//! What the servers have in common around their own work: log, limits of the process, runtime, signals.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::pin::pin;
use std::process::ExitCode;

use rocketmq::http::process::Process;
use rocketmq::logging::{self, LogFormat, LogGuard, LogOptions, ServerKind};
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};

use super::signals::{Asks, Heard, Signals};
use super::{EXIT_FAILED, fail, java_opt, say, systemd};

/// How to log.
#[derive(Debug, Clone, clap::Args)]
pub struct Log {
    /// What a line of the log files looks like
    #[arg(
        long = "log-format",
        value_name = "FORMAT",
        env = "ROCKETMQ_LOG_FORMAT",
        default_value = "text",
        ignore_case = true
    )]
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
    if let Some(line) = java_opt::given().summary() {
        tracing::warn!("{line}");
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

/// Runs a server: `start` it, let `ready` say so, wait for a signal to stop, `stop` it. `stop` answers whether all went
/// well; `state` says in a line how it is, without waiting for anything.
pub fn run<R, S, E, F>(
    start: impl Future<Output = Result<R, E>>,
    ready: impl FnOnce(&R),
    state: impl Fn(&R) -> String,
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
        // Asked for before the start: no signal during it is missed.
        let mut signals = match Signals::listen() {
            Ok(signals) => signals,
            Err(error) => return fail(EXIT_FAILED, format!("signals cannot be listened to: {error}")),
        };
        let running = {
            let started = until_stop(pin!(start), &mut signals, || "starting".to_owned()).await;
            match started {
                Ok(Ok(running)) => running,
                Ok(Err(error)) => return fail(EXIT_FAILED, failure(error)),
                Err(signal) => return abandoned(signal),
            }
        };
        ready(&running);
        systemd::tell(systemd::READY);
        let Err(_) = until_stop(pending::<Infallible>(), &mut signals, || state(&running)).await;
        systemd::tell(systemd::STOPPING);
        let Some(went_well) = until_told_again(stop(running), &mut signals).await else {
            return fail(EXIT_FAILED, "asked twice to stop: ended at once, and the next start recovers");
        };
        if went_well {
            ExitCode::SUCCESS
        } else {
            fail(EXIT_FAILED, "not everything was written to disk at the end; see the log")
        }
    });
    // What still blocks in the background must not hold up the end.
    runtime.shutdown_background();
    code
}

/// Waits for `work`, or for a signal to stop; others are heeded meanwhile.
async fn until_stop<T>(
    work: impl Future<Output = T>,
    signals: &mut Signals,
    state: impl Fn() -> String,
) -> Result<T, &'static Heard> {
    let mut work = pin!(work);
    loop {
        let signal = tokio::select! {
            done = &mut work => return Ok(done),
            signal = signals.next() => signal,
        };
        match signal.asks {
            Asks::Stop => return Err(signal),
            Asks::State => announce(&state_line(&state())),
            Asks::Nothing => tracing::warn!("{} means nothing here, and is ignored", signal.name),
        }
    }
}

/// Waits for the end of a stop; none where somebody asks for one again, who does not want to wait.
async fn until_told_again(stop: impl Future<Output = bool>, signals: &mut Signals) -> Option<bool> {
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            went_well = &mut stop => return Some(went_well),
            signal = signals.next() => {
                if signal.asks == Asks::Stop && signal.is_deliberate {
                    return None;
                }
            }
        }
    }
}

/// What SIGQUIT asks for; a JVM prints its threads.
fn state_line(state: &str) -> String {
    let Process { resident_bytes, anonymous_bytes, threads, open_fds, .. } = Process::look();
    format!(
        "SIGQUIT: {state}; {} KiB of memory, {} KiB without mapped files, {threads} threads, {open_fds} open files; no JVM \
         whose threads could be printed",
        resident_bytes / 1024,
        anonymous_bytes / 1024
    )
}

/// The end of a start that was not waited for. It is not the code of a clean stop: a recovery that was going on has
/// stopped in the middle, as by a kill, and the next start begins it again.
fn abandoned(signal: &Heard) -> ExitCode {
    announce(&format!("{} before the start was over: ended", signal.name));
    ExitCode::from(signal.exit_code())
}

/// A line on standard output and in the log, as 4.3.0's boot lines.
pub fn announce(line: &str) {
    tracing::info!("{line}");
    say(format_args!("{line}\n"));
}
