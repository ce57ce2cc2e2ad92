//! The other end of a connection, as handlers and callers hold it: its address, a way to send it requests, and
//! the requests that still wait for its answer. Not the socket: that belongs to the connection's task.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::command::{Command, FLAG_ONE_WAY};

/// Requests to one peer that may wait to be written.
const OUTBOX_CAPACITY: usize = 4096;

/// Why a request to a peer has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    #[error("connect to {addr} failed: {reason}")]
    Connect { addr: String, reason: String },
    #[error("connection to {0} was closed before the answer came")]
    Closed(String),
    #[error("{addr} did not answer within {timeout_ms} ms")]
    Timeout { addr: String, timeout_ms: u128 },
    #[error("{0} takes its requests too slowly: {OUTBOX_CAPACITY} are waiting to be written")]
    Busy(String),
}

/// What the connection's task is asked to do besides reading.
pub(super) enum Outgoing {
    Send(Box<Command>),
    Close,
}

/// One connection's other end. Compared and looked up by [`Peer::id`], which no two connections of a process
/// share.
pub struct Peer {
    id: u64,
    remote: SocketAddr,
    local: SocketAddr,
    outbox: mpsc::Sender<Outgoing>,
    waiting: Mutex<HashMap<i32, oneshot::Sender<Command>>>,
    next_opaque: AtomicI32,
    open: AtomicBool,
    stranger: AtomicBool,
}

impl Peer {
    pub(super) fn new(remote: SocketAddr, local: SocketAddr) -> (Arc<Peer>, mpsc::Receiver<Outgoing>) {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let (outbox, requests) = mpsc::channel(OUTBOX_CAPACITY);
        let peer = Peer {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            remote,
            local,
            outbox,
            waiting: Mutex::default(),
            next_opaque: AtomicI32::new(0),
            open: AtomicBool::new(true),
            stranger: AtomicBool::new(true),
        };
        (Arc::new(peer), requests)
    }

    /// A peer that no connection stands behind: every request to it fails. For tests of state tables.
    pub fn unconnected(remote: SocketAddr) -> Arc<Peer> {
        let (peer, _) = Peer::new(remote, remote);
        peer.set_closed();
        peer
    }

    /// Unique in this process.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The other end's address, as the socket tells it.
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Our end's address.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Whether the connection still stands.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Whether no request of it has been let in yet: strangers get less (`Limits`).
    pub fn is_stranger(&self) -> bool {
        self.stranger.load(Ordering::Relaxed)
    }

    /// From now on it is no stranger.
    pub fn let_in(&self) {
        // Looked at first: it is so for all requests but the first one, and others read this line.
        if self.is_stranger() {
            self.stranger.store(false, Ordering::Relaxed);
        }
    }

    /// Asks the connection's task to end it.
    pub fn close(&self) {
        // A full outbox belongs to a peer that takes nothing: its connection ends by its idle time-out at the
        // latest.
        if self.outbox.try_send(Outgoing::Close).is_err() {
            tracing::debug!(remote = %self.remote, "close request not taken");
        }
    }

    /// Sends a request that nobody answers.
    pub fn one_way(&self, mut command: Command) -> Result<(), InvokeError> {
        command.flag |= FLAG_ONE_WAY;
        command.opaque = self.next_opaque.fetch_add(1, Ordering::Relaxed);
        self.post(command)
    }

    /// Sends a request and waits for its answer.
    pub async fn invoke(&self, mut command: Command, timeout: Duration) -> Result<Command, InvokeError> {
        let opaque = self.next_opaque.fetch_add(1, Ordering::Relaxed);
        command.opaque = opaque;
        let (answer, answered) = oneshot::channel();
        self.waiting().insert(opaque, answer);
        let _forget = Forget { peer: self, opaque };
        self.post(command)?;
        // The connection may have ended between the insert and now: then nobody would empty the table again.
        if !self.is_open() {
            return Err(InvokeError::Closed(self.remote.to_string()));
        }
        match tokio::time::timeout(timeout, answered).await {
            Ok(Ok(command)) => Ok(command),
            Ok(Err(_)) => Err(InvokeError::Closed(self.remote.to_string())),
            Err(_) => {
                Err(InvokeError::Timeout { addr: self.remote.to_string(), timeout_ms: timeout.as_millis() })
            }
        }
    }

    fn post(&self, command: Command) -> Result<(), InvokeError> {
        self.outbox.try_send(Outgoing::Send(Box::new(command))).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => InvokeError::Busy(self.remote.to_string()),
            mpsc::error::TrySendError::Closed(_) => InvokeError::Closed(self.remote.to_string()),
        })
    }

    /// Hands an answer to its caller; `false` where nobody waits for it.
    pub(super) fn answer(&self, command: Command) -> bool {
        let waiting = self.waiting().remove(&command.opaque);
        waiting.is_some_and(|caller| caller.send(command).is_ok())
    }

    /// Marks the connection as ended and fails every waiting call.
    pub(super) fn set_closed(&self) {
        self.open.store(false, Ordering::Release);
        self.waiting().clear();
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<i32, oneshot::Sender<Command>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").field("id", &self.id).field("remote", &self.remote).finish_non_exhaustive()
    }
}

/// Takes a call off the waiting table however it ends, a dropped future included.
struct Forget<'a> {
    peer: &'a Peer,
    opaque: i32,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.peer.waiting().remove(&self.opaque);
    }
}
