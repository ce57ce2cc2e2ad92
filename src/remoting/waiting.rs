//! Memory of requests that wait: for a thread, for a message to arrive, for another peer. All connections of a server share
//! one budget; what does not fit is refused at once. Frames that have not arrived yet have a budget of their own
//! (`connection`), and so have answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::SYSTEM_BUSY;
use super::buffers::BUFFER_BYTES;
use super::command::Command;
use super::router::Fault;
use crate::config::remoting::NettyServerConfig;

/// Bytes that are left.
#[derive(Debug)]
pub struct WaitBudget {
    left: AtomicUsize,
}

/// A part of the budget; given back when dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<WaitBudget>,
    bytes: usize,
}

impl WaitBudget {
    /// Of a server with these settings.
    pub fn of(config: &NettyServerConfig) -> Arc<WaitBudget> {
        WaitBudget::new(usize::try_from(config.server_waiting_requests_max).unwrap_or(0))
    }

    /// So many bytes.
    pub fn new(bytes: usize) -> Arc<WaitBudget> {
        Arc::new(WaitBudget { left: AtomicUsize::new(bytes) })
    }

    /// Takes so many bytes; SYSTEM_BUSY where there are less.
    pub fn take(self: &Arc<WaitBudget>, bytes: usize) -> Result<Share, Fault> {
        let less = |left: usize| left.checked_sub(bytes);
        match self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, less) {
            Ok(_) => Ok(Share { budget: Arc::clone(self), bytes }),
            Err(_) => Err(busy()),
        }
    }

    /// A body that counts for as long as anybody has it.
    pub fn keep(self: &Arc<WaitBudget>, body: Bytes) -> Result<Bytes, Fault> {
        let share = self.take(body.len())?;
        Ok(Bytes::from_owner(Kept { body: own(body), _share: share }))
    }

    /// Bytes that are left.
    pub fn left(&self) -> usize {
        self.left.load(Ordering::Acquire)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.left.fetch_add(self.bytes, Ordering::AcqRel);
    }
}

struct Kept {
    body: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// A small body is a part of a buffer that the connection could use again.
fn own(body: Bytes) -> Bytes {
    if body.len() < BUFFER_BYTES { Bytes::copy_from_slice(&body) } else { body }
}

/// Java's words where an executor's queue is full.
pub(super) fn busy() -> Fault {
    Fault::new(SYSTEM_BUSY, "[OVERLOAD]system busy, start flow control for a while")
}

impl Command {
    pub(super) fn without_body(self) -> Command {
        Command { body: Bytes::new(), ..self }
    }

    /// The same to be kept for a while.
    pub(super) fn kept(self) -> Command {
        Command { body: own(self.body), ..self }
    }

    /// What it takes while it waits, bytes, about.
    pub fn kept_bytes(&self) -> usize {
        /// Itself, what was found out from it, and the place where it waits.
        const ITSELF: usize = 1024;
        let fields = self.ext.as_ref().map_or(0, |ext| ext.iter().map(|(k, v)| k.len() + v.len()).sum());
        // The fields are in the handler's header once more.
        ITSELF + self.body.len() + 2 * fields + self.remark.as_ref().map_or(0, String::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_given_back() {
        let budget = WaitBudget::new(100);
        let share = budget.take(60).unwrap();
        assert_eq!(budget.take(41).unwrap_err().code, SYSTEM_BUSY);
        let body = budget.keep(Bytes::from(vec![7; 40])).unwrap();
        assert_eq!(budget.left(), 0);
        let (first, second) = (body.clone(), body.slice(3..5));
        drop((body, share));
        assert_eq!((budget.left(), &second[..]), (60, &[7, 7][..]));
        drop((first, second));
        assert_eq!(budget.left(), 100);
    }
}
