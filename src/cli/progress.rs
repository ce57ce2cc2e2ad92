//! A bar on standard error for work that takes long, where a person looks at a terminal. Nothing anywhere else.

use std::io::{IsTerminal, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is over sooner needs no bar.
const SHOWN_AFTER: Duration = Duration::from_millis(500);
const DRAWN_EVERY: Duration = Duration::from_millis(100);
const WIDTH: usize = 30;

/// A bar; it is gone when all is done.
pub struct Bar {
    what: &'static str,
    began: Instant,
    is_shown: bool,
    drawn: Mutex<Option<Instant>>,
}

impl Bar {
    /// A bar that nobody has seen yet.
    pub fn new(what: &'static str) -> Bar {
        Bar {
            what,
            began: Instant::now(),
            is_shown: std::io::stderr().is_terminal(),
            drawn: Mutex::default(),
        }
    }

    /// So many bytes of all are done.
    pub fn set(&self, done: u64, all: u64) {
        if !self.is_shown {
            return;
        }
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut err = std::io::stderr().lock();
        if done >= all {
            if drawn.take().is_some() {
                let _ = write!(err, "\r\x1b[K").and_then(|()| err.flush());
            }
        } else if self.began.elapsed() >= SHOWN_AFTER && drawn.is_none_or(|at| at.elapsed() >= DRAWN_EVERY) {
            *drawn = Some(Instant::now());
            let _ = write!(err, "\r\x1b[K{}", line(self.what, done, all)).and_then(|()| err.flush());
        }
    }
}

fn line(what: &str, done: u64, all: u64) -> String {
    let share = done as f64 / all.max(1) as f64;
    let filled = (share * WIDTH as f64) as usize;
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    let bar = format!("{}{}", "█".repeat(filled), "░".repeat(WIDTH - filled));
    format!("{what} {bar} {:3.0} %  {:.1} of {:.1} GiB", share * 100.0, gib(done), gib(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_long_as_its_share() {
        let text = line("recovering", 1 << 29, 1 << 31);
        assert_eq!(text, format!("recovering {}{}  25 %  0.5 of 2.0 GiB", "█".repeat(7), "░".repeat(23)));
    }
}
