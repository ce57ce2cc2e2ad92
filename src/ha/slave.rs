//! The slave's side: connects to the master, asks for what follows its own log, appends what comes, and says how far it is
//! as soon as it is there.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval_at, timeout};

use super::{CONNECT_TIMEOUT, HEAD_BYTES, Timing};
use crate::store::{ByteRate, MessageStore, ReceiveError, Receiver};

/// Before the next attempt.
const RETRY: Duration = Duration::from_secs(1);
/// Bytes of a frame beyond what anybody configures.
const FRAME_MAX_BYTES: usize = 64 * 1024 * 1024;
const READ_BYTES: usize = 256 * 1024;
/// Of this log's end the master is made to send so much again, to be compared.
const OVERLAP_BYTES: i64 = 64 * 1024;

/// Whom to follow.
pub trait Target: Send + Sync + 'static {
    /// `host:port` of the master's replication, as far as it is known.
    fn master(&self) -> watch::Receiver<Option<String>>;

    /// A connection stands: what else is to be followed may be out of date.
    fn connected(&self);

    /// Where the master's log begins, for a slave that has nothing and is to have all of it; none where the master has
    /// nothing either. Asks the master.
    fn first_offset(&self) -> Pin<Box<dyn Future<Output = Result<Option<i64>, String>> + Send + '_>>;

    /// Where the link's state is kept.
    fn progress(&self) -> &Progress;
}

/// How the link to the master is, as operators see it.
#[derive(Debug, Default)]
pub struct Progress {
    pub is_connected: AtomicBool,
    /// When the master last sent something, ms; 0: never.
    pub read_ms: AtomicI64,
    /// When the master was last told how much is here, ms; 0: never.
    pub wrote_ms: AtomicI64,
    pub rate: ByteRate,
    /// Why the last connection has ended.
    ended: Mutex<String>,
}

impl Progress {
    /// Why the last connection has ended; empty where none has.
    pub fn ended(&self) -> String {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The task that follows; it ends with it.
pub struct Slave {
    task: JoinHandle<()>,
}

impl Drop for Slave {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why a connection has ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("not connected within {CONNECT_TIMEOUT:?}")]
    Connect,
    #[error(
        "at commit log offset {0} the master has other bytes than this broker: the logs have gone apart. Empty this broker's \
         store and start it anew, or make it the master"
    )]
    Diverged(i64),
    #[error(
        "the master has nothing at commit log offset {0}, which this broker has: it is behind this broker, or has deleted it. \
         Empty this broker's store and start it anew, or make it the master"
    )]
    Missing(i64),
    #[error("the master cannot say where its log begins: {0}")]
    First(String),
    #[error("the master said nothing for {0:?}")]
    Silent(Duration),
    #[error("the master's frame has {0} bytes")]
    Frame(usize),
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("another master is to be followed")]
    Redirected,
}

impl Slave {
    /// Follows whatever master the target names.
    pub fn start(store: Arc<MessageStore>, timing: Timing, target: Arc<dyn Target>) -> Slave {
        Slave { task: tokio::spawn(keep_following(store, timing, target)) }
    }
}

async fn keep_following(store: Arc<MessageStore>, timing: Timing, target: Arc<dyn Target>) {
    let mut masters = target.master();
    let mut last = String::new();
    let mut known: Option<String> = None;
    loop {
        let master = masters.borrow_and_update().clone();
        let Some(master) = master else {
            if masters.changed().await.is_err() {
                return;
            }
            continue;
        };
        if known.as_ref() != Some(&master) {
            let old = known.replace(master.clone());
            tracing::info!("update master address, OLD: {} NEW: {master}", old.as_deref().unwrap_or("null"));
        }
        let ended = tokio::select! {
            ended = follow(&store, timing, &*target, &master) => ended,
            changed = masters.changed() => match changed {
                Ok(()) => Ended::Redirected,
                Err(_) => return,
            },
        };
        // The same every second would bury everything else.
        let text = ended.to_string();
        target.progress().is_connected.store(false, Ordering::Relaxed);
        target.progress().ended.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&text);
        if text != last {
            match ended {
                Ended::Diverged(_) | Ended::Missing(_) | Ended::Receive(_) => {
                    tracing::error!(master, error = text, "master not followed")
                }
                _ => tracing::warn!(master, error = text, "master not followed, tried again"),
            }
        }
        last = text;
        tokio::time::sleep(RETRY).await;
    }
}

async fn follow(store: &MessageStore, timing: Timing, target: &dyn Target, master: &str) -> Ended {
    match try_follow(store, timing, target, master).await {
        Ok(never) => match never {},
        Err(ended) => ended,
    }
}

async fn try_follow(
    store: &MessageStore,
    timing: Timing,
    target: &dyn Target,
    master: &str,
) -> Result<std::convert::Infallible, Ended> {
    let is_to_have_all = store.max_commit_log_offset() == 0 && !store.config().sync_from_last_file;
    let first = if is_to_have_all { target.first_offset().await.map_err(Ended::First)? } else { None };
    let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(master)).await.map_err(|_| Ended::Connect)??;
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream.into_split();
    let mut reported = store.max_commit_log_offset();
    let mut frames = Frames::new(store, first);
    tracing::info!(master, from = frames.next(), "master followed");
    let progress = target.progress();
    progress.is_connected.store(true, Ordering::Relaxed);
    target.connected();
    // Java's slave waits five seconds with its first word.
    writer.write_all(&frames.next().to_be_bytes()).await?;
    progress.wrote_ms.store(store.now_ms(), Ordering::Relaxed);
    let mut heartbeat = interval_at(Instant::now() + timing.heartbeat, timing.heartbeat);
    let mut heard = Instant::now();
    loop {
        let mut is_due = false;
        tokio::select! {
            read = frames.read(&mut reader) => {
                let count = read?;
                heard = Instant::now();
                let now_ms = store.now_ms();
                progress.read_ms.store(now_ms, Ordering::Relaxed);
                progress.rate.add(now_ms, count as i64);
                while frames.take()? {}
            }
            _ = heartbeat.tick() => is_due = true,
        }
        let end = store.max_commit_log_offset();
        // Until both logs are known to be one, nothing is said of what lies behind.
        if end > reported || is_due && frames.overlap.is_none() {
            reported = end;
            timeout(timing.housekeeping, writer.write_all(&end.to_be_bytes()))
                .await
                .map_err(|_| Ended::Silent(timing.housekeeping))??;
            progress.wrote_ms.store(store.now_ms(), Ordering::Relaxed);
        }
        if heard.elapsed() > timing.housekeeping {
            return Err(Ended::Silent(timing.housekeeping));
        }
    }
}

/// What has come from the master and is not taken yet.
struct Frames<'a> {
    store: &'a MessageStore,
    receiver: Receiver<'a>,
    bytes: Vec<u8>,
    /// Where the frame that is being taken goes on in the master's log, and how many of its bytes are to come.
    open: Option<(i64, usize)>,
    /// While the master sends what this log has already, from its last bytes: where it is. Lengths alone do not tell whether
    /// two logs are one.
    overlap: Option<i64>,
    /// Heartbeats in a row that came in the place of such bytes.
    withheld: u32,
    /// Where an empty log is to begin; none: where the master says.
    first: Option<i64>,
}

impl<'a> Frames<'a> {
    fn new(store: &'a MessageStore, first: Option<i64>) -> Frames<'a> {
        let (start, end) = (store.min_commit_log_offset().max(0), store.max_commit_log_offset());
        // Not from 0: that would be the wish of one who has nothing.
        let overlap = (end > 1).then(|| (end - OVERLAP_BYTES).max(start).max(1));
        let receiver = Receiver::new(store);
        Frames { store, receiver, bytes: Vec::new(), open: None, overlap, withheld: 0, first }
    }

    /// Where the master is to go on.
    fn next(&self) -> i64 {
        match self.first.filter(|_| self.receiver.is_empty()) {
            // Not from 0: that would be the wish for the last file.
            Some(first) => first.max(1),
            None => self.overlap.unwrap_or_else(|| self.receiver.next()),
        }
    }

    async fn read(&mut self, reader: &mut (impl AsyncReadExt + Unpin)) -> Result<usize, Ended> {
        self.bytes.reserve(READ_BYTES);
        match reader.read_buf(&mut self.bytes).await? {
            0 => Err(Ended::Io(io::ErrorKind::UnexpectedEof.into())),
            count => Ok(count),
        }
    }

    /// Takes a head, or bytes of its frame; whether there may be more.
    fn take(&mut self) -> Result<bool, Ended> {
        let Some((offset, left)) = self.open else { return self.take_head() };
        let count = left.min(self.bytes.len());
        if count == 0 {
            return Ok(false);
        }
        if self.first == Some(0) && self.receiver.is_empty() {
            // The byte that was not asked for: the highest of a record's length, or of a blank's. No record has 16 MiB.
            self.receiver.receive(0, &[0])?;
        }
        let known = self.compare(count)?;
        if known < count {
            self.receiver.receive(offset + known as i64, &self.bytes[known..count])?;
        }
        self.bytes.drain(..count);
        self.open = (left > count).then_some((offset + count as i64, left - count));
        Ok(true)
    }

    fn take_head(&mut self) -> Result<bool, Ended> {
        let Some(head) = self.bytes.first_chunk::<HEAD_BYTES>() else { return Ok(false) };
        let (offset, length) = head.split_at(8);
        let offset = i64::from_be_bytes(offset.try_into().expect("eight bytes"));
        let length = u32::from_be_bytes(length.try_into().expect("four bytes")) as usize;
        if length > FRAME_MAX_BYTES {
            return Err(Ended::Frame(length));
        }
        self.bytes.drain(..HEAD_BYTES);
        // An empty log begins wherever the master begins; a heartbeat says only where that will be.
        let expected = self.next();
        if offset != expected && (!self.receiver.is_empty() || self.first.is_some()) {
            return Err(Ended::Receive(ReceiveError::Gap { offset, expected }));
        }
        if length > 0 {
            self.open = Some((offset, length));
            self.withheld = 0;
        } else if self.overlap.is_some() {
            // One may be sent before anything else, by a master that was busy for a while.
            self.withheld += 1;
            if self.withheld > 1 {
                return Err(Ended::Missing(expected));
            }
        }
        Ok(true)
    }

    /// Holds the first `count` bytes against what the log has in their place; how many of them it has.
    fn compare(&mut self, count: usize) -> Result<usize, Ended> {
        let mut known = 0;
        while let Some(at) = self.overlap.filter(|_| known < count) {
            let Some(ours) = self.store.log_data(at, count - known) else {
                self.overlap = None;
                break;
            };
            if *ours != self.bytes[known..known + ours.len()] {
                return Err(Ended::Diverged(at));
            }
            known += ours.len();
            let next = at + ours.len() as i64;
            self.overlap = (next < self.store.max_commit_log_offset()).then_some(next);
        }
        Ok(known)
    }
}
