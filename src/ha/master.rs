//! The master's side: who may follow, from where, and what is sent. Bytes go from the log's mapping to the socket, in frames
//! of `haTransferBatchSize`; an append wakes the sending task where a slave follows.
//!
//! What a slave says is checked: an offset that the log does not have, or an acknowledgement of what was never sent, ends
//! the connection (eight bytes of noise made a synchronous Java master answer for a slave that was none). Only who may follow
//! takes a slave's place; those who may not, and those who are still looked up, have bounds of their own.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};

use super::{HEAD_BYTES, Timing};
use crate::seats::{Seat, Seats};
use crate::store::{MappedSlice, MessageStore, ReplicaFollowing};

/// Slaves at once.
const FOLLOWERS_MAX: usize = 64;
/// Peers at once of which it is not known yet whether they may follow.
const LOOKED_UP_MAX: usize = 64;
/// Refused peers at once that are given time to say whether they wanted anything.
const REFUSED_MAX: usize = 16;
/// Connections of one address, whatever they are. A slave has one, and some more that are not known to be dead yet.
const PER_ADDR_MAX: usize = 16;
/// Connections for which there is no place are said so often, not each of them.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Says whether a peer may follow this log, or why not.
pub trait Peers: Send + Sync + 'static {
    /// Looks the address up; may ask others.
    fn may_follow(&self, ip: IpAddr) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>>;
}

/// The listener and its connections; they end with it.
pub struct Master {
    addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Master {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why a connection has ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("it may not follow: {0}")]
    NotAllowed(String),
    #[error(
        "it has {asked} bytes of log, this master {end}: it has what this master never had. Make it the master, or empty \
         its store and start it anew"
    )]
    Ahead { asked: i64, end: i64 },
    #[error(
        "it wants to go on at {asked}, but the log begins at {start}: it was away for too long. Empty its store and start \
         it anew"
    )]
    Behind { asked: i64, start: i64 },
    #[error("it acknowledges {acked}, of which only {sent} was sent: that is no slave of this log")]
    Acknowledged { acked: i64, sent: i64 },
    #[error("{FOLLOWERS_MAX} slaves follow already")]
    Full,
    #[error("it said nothing for {0:?}")]
    Silent(Duration),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Master {
    /// Serves slaves on a bound listener.
    pub fn start(
        listener: TcpListener,
        store: Arc<MessageStore>,
        timing: Timing,
        peers: Arc<dyn Peers>,
    ) -> io::Result<Master> {
        let addr = listener.local_addr()?;
        Ok(Master { addr, task: tokio::spawn(accept(listener, store, timing, peers)) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

/// What all connections share.
struct Shared {
    store: Arc<MessageStore>,
    timing: Timing,
    peers: Arc<dyn Peers>,
    followers: Semaphore,
    looked_up: Semaphore,
    refused: Semaphore,
}

async fn accept(listener: TcpListener, store: Arc<MessageStore>, timing: Timing, peers: Arc<dyn Peers>) {
    let mut connections = JoinSet::new();
    let shared = Arc::new(Shared {
        store,
        timing,
        peers,
        followers: Semaphore::new(FOLLOWERS_MAX),
        looked_up: Semaphore::new(LOOKED_UP_MAX),
        refused: Semaphore::new(REFUSED_MAX),
    });
    let seats = Arc::new(Seats::default());
    let mut told: Option<Instant> = None;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, remote)) => match seats.take(remote.ip(), PER_ADDR_MAX) {
                    Some(seat) => {
                        connections.spawn(follow(stream, remote, Arc::clone(&shared), seat));
                    }
                    None if told.is_none_or(|at| at.elapsed() >= TELL_EVERY) => {
                        tracing::warn!(%remote, "closed: {PER_ADDR_MAX} connections of this address are here");
                        told = Some(Instant::now());
                    }
                    None => {}
                },
                Err(error) => {
                    tracing::warn!(%error, "slave not accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn follow(stream: TcpStream, remote: SocketAddr, shared: Arc<Shared>, _seat: Seat) {
    // Java connects without a word and waits; only who speaks is worth a line.
    match serve(stream, remote, &shared).await {
        Ok(()) => {}
        Err(error @ (Ended::Io(_) | Ended::Silent(_) | Ended::Full)) => {
            tracing::warn!(%remote, %error, "slave disconnected")
        }
        Err(error) => tracing::error!(%remote, %error, "slave refused"),
    }
}

async fn serve(stream: TcpStream, remote: SocketAddr, shared: &Shared) -> Result<(), Ended> {
    let Shared { store, timing, peers, .. } = shared;
    let (store, timing) = (&**store, *timing);
    let Ok(looked_up) = shared.looked_up.try_acquire() else { return Ok(()) };
    let looked = peers.may_follow(remote.ip().to_canonical()).await;
    drop(looked_up);
    if let Err(reason) = looked {
        let Ok(_refused) = shared.refused.try_acquire() else { return Ok(()) };
        return if only_tried(&stream).await { Ok(()) } else { Err(Ended::NotAllowed(reason)) };
    }
    tracing::info!("HAService receive new connection, /{remote}");
    let _follower = shared.followers.try_acquire().map_err(|_| Ended::Full)?;
    stream.set_nodelay(true)?;
    let (mut reader, writer) = stream.into_split();
    let wish = match Reports::default().next(&mut reader, timing.housekeeping).await {
        Err(Ended::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
        wish => wish?,
    };
    let from = start_of(store, wish)?;
    tracing::info!(from, "slave[/{remote}] request offset {wish}: slave follows");
    let following = store.replicas().follow(remote.to_string(), wish);
    following.sends(store.now_ms(), from, 0);
    let listen = async {
        let mut reports = Reports::default();
        loop {
            let acked = reports.next(&mut reader, timing.housekeeping).await?;
            let sent = following.sent();
            if acked > sent {
                return Err(Ended::Acknowledged { acked, sent });
            }
            following.acked(acked);
        }
    };
    tokio::select! {
        ended = listen => ended,
        ended = send(writer, store, from, timing, &following) => ended,
    }
}

/// Whether a peer has hung up without a word: it is no slave, but looks whether the port can be connected to.
async fn only_tried(stream: &TcpStream) -> bool {
    const HANGS_UP_WITHIN: Duration = Duration::from_millis(200);
    let looked = timeout_at(Instant::now() + HANGS_UP_WITHIN, stream.peek(&mut [0])).await;
    matches!(looked, Ok(Ok(0)))
}

/// Where a slave that has `wish` bytes is sent on. One without any gets the last file only, as in Java.
fn start_of(store: &MessageStore, wish: i64) -> Result<i64, Ended> {
    let (start, end) = (store.min_commit_log_offset().max(0), store.max_commit_log_offset());
    match wish {
        0 => Ok((end - end % store.commit_log_file_bytes()).max(start)),
        asked if asked < 0 || asked > end => Err(Ended::Ahead { asked, end }),
        asked if asked < start => Err(Ended::Behind { asked, start }),
        asked => Ok(asked),
    }
}

/// What a slave says, eight bytes at a time; of what has come at once only the last counts.
#[derive(Default)]
struct Reports {
    bytes: Vec<u8>,
}

impl Reports {
    async fn next(&mut self, reader: &mut OwnedReadHalf, within: Duration) -> Result<i64, Ended> {
        let end = Instant::now() + within;
        loop {
            let mut chunk = [0; 1024];
            let count =
                timeout_at(end, reader.read(&mut chunk)).await.map_err(|_| Ended::Silent(within))??;
            if count == 0 {
                return Err(Ended::Io(io::ErrorKind::UnexpectedEof.into()));
            }
            self.bytes.extend_from_slice(&chunk[..count]);
            let whole = self.bytes.len() / 8 * 8;
            let last = self.bytes[..whole].last_chunk().map(|word| i64::from_be_bytes(*word));
            self.bytes.drain(..whole);
            if let Some(last) = last {
                return Ok(last);
            }
        }
    }
}

async fn send(
    mut writer: OwnedWriteHalf,
    store: &MessageStore,
    from: i64,
    timing: Timing,
    following: &ReplicaFollowing<'_>,
) -> Result<(), Ended> {
    let mut next = from;
    loop {
        // Before the look: what is appended after it wakes us.
        let woken = store.replicas().woken();
        tokio::pin!(woken);
        woken.as_mut().enable();
        if let Some(data) = store.log_data(next, timing.batch_bytes) {
            let length = data.len() as i64;
            // Before the bytes: the slave may answer before this call returns.
            following.sends(store.now_ms(), next + length, length);
            write_frame(&mut writer, next, Some(&data), timing.housekeeping).await?;
            next += length;
            continue;
        }
        let start = store.min_commit_log_offset().max(0);
        if next < start {
            return Err(Ended::Behind { asked: next, start });
        }
        if timeout(timing.heartbeat, woken).await.is_err() {
            write_frame(&mut writer, next, None, timing.housekeeping).await?;
        }
    }
}

/// One frame; a slave that takes none of it for too long is gone.
async fn write_frame(
    writer: &mut OwnedWriteHalf,
    offset: i64,
    data: Option<&MappedSlice>,
    within: Duration,
) -> Result<(), Ended> {
    let data: &[u8] = data.map_or(&[], |data| data);
    let mut head = [0; HEAD_BYTES];
    head[..8].copy_from_slice(&offset.to_be_bytes());
    head[8..].copy_from_slice(&(data.len() as u32).to_be_bytes());
    let mut done = 0;
    while done < HEAD_BYTES + data.len() {
        let slices = [
            io::IoSlice::new(&head[done.min(HEAD_BYTES)..]),
            io::IoSlice::new(&data[done.saturating_sub(HEAD_BYTES)..]),
        ];
        let count =
            timeout(within, writer.write_vectored(&slices)).await.map_err(|_| Ended::Silent(within))??;
        if count == 0 {
            return Err(Ended::Io(io::ErrorKind::WriteZero.into()));
        }
        done += count;
    }
    Ok(())
}
