//! What signals ask of a server. A JVM's are the model: its shutdown hook runs on SIGTERM, SIGINT and SIGHUP, unless they were
//! ignored when it was started, and SIGQUIT has it tell of itself.

use std::future::pending;
use std::io;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// To stop cleanly.
    Stop,
    /// To say how it is, and go on.
    State,
    /// Nothing; unheard it would end the process, as it would a JVM.
    Nothing,
}

/// A signal that a server hears.
#[derive(Debug)]
pub struct Heard {
    signal: Signal,
    pub name: &'static str,
    pub asks: Asks,
    /// Whether it is sent by somebody who means it: a terminal that goes away sends SIGHUP more than once by itself.
    pub is_deliberate: bool,
}

const fn heard(signal: Signal, name: &'static str, asks: Asks, is_deliberate: bool) -> Heard {
    Heard { signal, name, asks, is_deliberate }
}

static HEARD: [Heard; 6] = [
    heard(Signal::TERM, "SIGTERM", Asks::Stop, true),
    heard(Signal::INT, "SIGINT", Asks::Stop, true),
    heard(Signal::HUP, "SIGHUP", Asks::Stop, false),
    heard(Signal::QUIT, "SIGQUIT", Asks::State, true),
    heard(Signal::USR1, "SIGUSR1", Asks::Nothing, true),
    heard(Signal::USR2, "SIGUSR2", Asks::Nothing, true),
];

impl Heard {
    /// Shells' and Java's exit code for an end by this signal.
    pub fn exit_code(&self) -> u8 {
        u8::try_from(128 + self.signal.as_raw()).unwrap_or(u8::MAX)
    }

    /// Under `nohup`, and for what scripts start in the background.
    fn was_ignored(&self, mask: u64) -> bool {
        mask >> (self.signal.as_raw() - 1) & 1 == 1
    }
}

/// Signals as they come.
pub struct Signals(mpsc::Receiver<&'static Heard>);

impl Signals {
    /// Hears them from now on; needs a runtime.
    pub fn listen() -> io::Result<Signals> {
        let mask = ignored();
        let (sender, receiver) = mpsc::channel(16);
        for heard in HEARD.iter().filter(|it| it.asks != Asks::Stop || !it.was_ignored(mask)) {
            let mut signals = signal(SignalKind::from_raw(heard.signal.as_raw()))?;
            let sender = sender.clone();
            tokio::spawn(async move {
                while signals.recv().await.is_some() && sender.send(heard).await.is_ok() {}
            });
        }
        Ok(Signals(receiver))
    }

    /// The next one.
    pub async fn next(&mut self) -> &'static Heard {
        match self.0.recv().await {
            Some(heard) => heard,
            None => pending().await,
        }
    }
}

/// A bit for each signal that this process was started with as ignored; none where `/proc` does not say.
fn ignored() -> u64 {
    mask(&std::fs::read_to_string("/proc/self/status").unwrap_or_default())
}

fn mask(status: &str) -> u64 {
    let digits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    digits.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_bits_from_one_on() {
        let ignored = |status: &str| {
            let mask = mask(status);
            HEARD.iter().filter(|it| it.was_ignored(mask)).map(|it| it.name).collect::<Vec<_>>()
        };
        assert_eq!(ignored("Name:\tx\nSigIgn:\t0000000000001001\n"), ["SIGHUP"]);
        assert_eq!(ignored("SigIgn:\t0000000000000006\n"), ["SIGINT", "SIGQUIT"]);
        assert!(ignored("").is_empty());
    }
}
