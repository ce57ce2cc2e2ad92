//! A listener and its connections (Java: `NettyRemotingServer`): accepts, limits how many, hands each to its
//! task, and ends them all on request. Several listeners may serve one [`Service`], as the broker's two ports.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::SerializeType;
use super::connection::{self, Ended, Limits, ReadBudget, Security};
use super::peer::Peer;
use super::router::Service;
use super::tls::ServerTls;
use crate::config::remoting::NettyServerConfig;

/// Java's `SO_BACKLOG`.
const BACKLOG: i32 = 1024;
/// Pause after an accept that failed: without file descriptors it would fail again at once.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
/// What open connections get to write their last replies when the server stops.
const DRAIN: Duration = Duration::from_millis(500);

/// A server's settings.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    pub limits: Limits,
    /// Connections past which new ones are closed at once.
    pub connections_max: usize,
    /// The same of one address.
    pub connections_per_addr_max: usize,
    /// Bytes that unfinished frames of all connections may hold together.
    pub read_budget_bytes: usize,
    /// `serverSocketSndBufSize` and `serverSocketRcvBufSize`; `None` leaves them to the kernel, which tunes them.
    pub socket_buffer_bytes: Option<usize>,
    pub tls: Arc<ServerTls>,
}

impl Default for ServerOptions {
    fn default() -> ServerOptions {
        ServerOptions {
            limits: Limits::default(),
            connections_max: 60_000,
            connections_per_addr_max: 20_000,
            read_budget_bytes: 256 * 1024 * 1024,
            socket_buffer_bytes: None,
            tls: ServerTls::disabled(),
        }
    }
}

impl ServerOptions {
    /// As the settings have it, and this form of headers. Who asks for accounts says with `accounts` what the longest frame
    /// is that a client's first request needs.
    pub fn of(
        config: &NettyServerConfig,
        serialize_type: SerializeType,
        accounts: Option<usize>,
    ) -> ServerOptions {
        let size = |number: i32| usize::try_from(number).unwrap_or(0);
        let seconds = |number: i32| Duration::from_secs(u64::try_from(number).unwrap_or(120).max(1));
        let frame_max_bytes = size(config.frame_max_length);
        let stranger_frame_max_bytes = match size(config.server_first_frame_max_length) {
            0 => accounts.unwrap_or(frame_max_bytes),
            bytes => bytes,
        };
        let buffer = config.server_socket_snd_buf_size.max(config.server_socket_rcv_buf_size);
        ServerOptions {
            limits: Limits {
                frame_max_bytes,
                stranger_frame_max_bytes,
                unsent_max_bytes: size(config.server_unsent_per_connection_max),
                pending_max: size(config.server_requests_per_connection_max),
                idle: seconds(config.server_channel_max_idle_time_seconds),
                frame_time: seconds(config.server_frame_time_seconds),
                serialize_type,
                ..Limits::default()
            },
            connections_max: size(config.server_connections_max),
            connections_per_addr_max: size(config.server_connections_per_addr_max),
            read_budget_bytes: size(config.server_unfinished_frames_max),
            socket_buffer_bytes: Some(size(buffer)).filter(|bytes| *bytes > 0),
            tls: ServerTls::disabled(),
        }
    }
}

/// A bound port that nobody answers on yet.
pub struct Bound {
    listener: std::net::TcpListener,
    addr: SocketAddr,
}

impl Bound {
    /// Binds `0.0.0.0:port`; port 0 lets the system choose.
    pub fn new(port: u16) -> io::Result<Bound> {
        Bound::at(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
    }

    /// Binds an address.
    pub fn at(addr: SocketAddr) -> io::Result<Bound> {
        let socket = socket2::Socket::new(socket2::Domain::for_address(addr), socket2::Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&addr.into())?;
        // Listening begins here, so that a taken port is an error of the start and not of a task.
        socket.listen(BACKLOG)?;
        let listener = std::net::TcpListener::from(socket);
        let addr = listener.local_addr()?;
        Ok(Bound { listener, addr })
    }

    /// The address with the port that was really taken.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Begins to serve.
    pub fn serve<S: Service + ?Sized>(self, service: Arc<S>, options: ServerOptions) -> io::Result<Server> {
        let listener = TcpListener::from_std(self.listener)?;
        let peers = Peers::default();
        let accepting = tokio::spawn(accept(listener, service, options, Arc::clone(&peers)));
        Ok(Server { addr: self.addr, accepting, peers })
    }
}

/// Connections that stand now, and how many of each address.
#[derive(Default)]
struct Standing {
    peers: HashMap<u64, Arc<Peer>>,
    of_addr: HashMap<IpAddr, usize>,
}

impl Standing {
    fn of(&self, addr: IpAddr) -> usize {
        self.of_addr.get(&addr).copied().unwrap_or(0)
    }

    fn add(&mut self, peer: &Arc<Peer>) {
        *self.of_addr.entry(peer.remote().ip()).or_default() += 1;
        self.peers.insert(peer.id(), Arc::clone(peer));
    }

    fn remove(&mut self, id: u64) {
        let Some(peer) = self.peers.remove(&id) else { return };
        let addr = peer.remote().ip();
        let left = self.of(addr).saturating_sub(1);
        if left == 0 {
            self.of_addr.remove(&addr);
        } else {
            self.of_addr.insert(addr, left);
        }
    }
}

type Peers = Arc<Mutex<Standing>>;

fn locked(peers: &Peers) -> MutexGuard<'_, Standing> {
    peers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Refused connections, of which one in ten seconds is logged.
#[derive(Default)]
struct Refused {
    since_told: u64,
    told: Option<Instant>,
}

impl Refused {
    const TELL_EVERY: Duration = Duration::from_secs(10);

    fn add(&mut self, remote: SocketAddr, key: &str, standing: usize) {
        self.since_told += 1;
        if self.told.is_none_or(|told| told.elapsed() >= Refused::TELL_EVERY) {
            let refused = std::mem::take(&mut self.since_told);
            tracing::warn!(%remote, standing, refused, "connection refused: {key} is reached");
            self.told = Some(Instant::now());
        }
    }
}

/// How many connections a server has.
#[derive(Clone)]
pub struct Connections(Peers);

impl Connections {
    /// Connections that stand now.
    pub fn count(&self) -> usize {
        locked(&self.0).peers.len()
    }
}

/// A port that is served. Dropping it stops accepting and cuts every connection.
pub struct Server {
    addr: SocketAddr,
    accepting: JoinHandle<()>,
    peers: Peers,
}

impl Server {
    /// The address that is served.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Connections that stand now.
    pub fn connections(&self) -> usize {
        locked(&self.peers).peers.len()
    }

    /// The same for somebody else to ask.
    pub fn counter(&self) -> Connections {
        Connections(Arc::clone(&self.peers))
    }

    /// Closes the port and every connection; replies that are ready still go out.
    pub async fn stop(self) {
        let peers: Vec<Arc<Peer>> = locked(&self.peers).peers.values().cloned().collect();
        peers.iter().for_each(|peer| peer.close());
        let closed = async {
            while !locked(&self.peers).peers.is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        // Whoever does not end in time is cut with the accepting task, which owns the connections' tasks.
        let _ = tokio::time::timeout(DRAIN, closed).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept<S: Service + ?Sized>(
    listener: TcpListener,
    service: Arc<S>,
    options: ServerOptions,
    peers: Peers,
) {
    let budget = ReadBudget::new(options.read_budget_bytes);
    let mut tasks = JoinSet::new();
    let mut refused = Refused::default();
    loop {
        while tasks.try_join_next().is_some() {}
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        let (all, of_addr) = {
            let standing = locked(&peers);
            (standing.peers.len(), standing.of(remote.ip()))
        };
        if all >= options.connections_max {
            refused.add(remote, "serverConnectionsMax", all);
            continue;
        }
        if of_addr >= options.connections_per_addr_max {
            refused.add(remote, "serverConnectionsPerAddrMax", of_addr);
            continue;
        }
        if let Err(error) = set_up(&stream, &options) {
            tracing::debug!(%remote, %error, "connection lost before it began");
            continue;
        }
        let Ok(local) = stream.local_addr() else { continue };
        let (peer, outbox) = Peer::new(remote, local);
        locked(&peers).add(&peer);
        let leave = Leave { id: peer.id(), peers: Arc::clone(&peers) };
        let run = connection::run(
            stream,
            Security::Undecided(Arc::clone(&options.tls)),
            Arc::clone(&peer),
            outbox,
            Arc::clone(&service),
            options.limits.clone(),
            Arc::clone(&budget),
        );
        tasks.spawn(async move {
            let _leave = leave;
            log_end(peer.remote(), &run.await);
        });
    }
}

fn set_up(stream: &TcpStream, options: &ServerOptions) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if let Some(bytes) = options.socket_buffer_bytes {
        let socket = socket2::SockRef::from(stream);
        socket.set_send_buffer_size(bytes)?;
        socket.set_recv_buffer_size(bytes)?;
    }
    Ok(())
}

/// Takes a connection off the table however its task ends.
struct Leave {
    id: u64,
    peers: Peers,
}

impl Drop for Leave {
    fn drop(&mut self) {
        locked(&self.peers).remove(self.id);
    }
}

pub(super) fn log_end(remote: SocketAddr, ended: &Ended) {
    match ended {
        Ended::ByPeer | Ended::ByUs => tracing::debug!(%remote, reason = %ended, "connection ended"),
        Ended::Idle | Ended::Io(_) => tracing::info!(%remote, reason = %ended, "connection ended"),
        Ended::SlowFrame
        | Ended::Budget
        | Ended::Frame(_)
        | Ended::StrangersFrame(_)
        | Ended::SlowHandshake
        | Ended::Handshake(_)
        | Ended::Tls(_)
        | Ended::PlainRefused
        | Ended::TlsRefused
        | Ended::NoCertificate => {
            tracing::warn!(%remote, reason = %ended, "connection closed by us");
        }
    }
}
