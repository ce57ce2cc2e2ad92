//! The listener and its connections. Everything has a limit: connections, bytes and time of a request's head, time for an
//! answer to be taken, answers that are made or sent at once. A peer that is slow or talks nonsense costs its connection.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};

use super::answer::{self, Answer};
use super::request::{HEAD_MAX_BYTES, Refused, Request, head_length};
use super::{Place, Watched};
use crate::seats::Seats;

const BACKLOG: i32 = 64;
/// Pause after an accept that failed: without file descriptors it would fail again at once.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
/// What a peer may still send after its last answer, so that it gets to read that.
const LINGER: Duration = Duration::from_secs(1);

/// What peers may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections past which new ones are closed at once.
    pub connections: usize,
    /// The same of one address, so that nobody keeps a health check out.
    pub connections_per_addr: usize,
    /// For a head, from its first byte on.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// For an answer to be taken.
    pub write: Duration,
    /// Large answers that are made or sent at once.
    pub large: usize,
    /// For a turn to make one.
    pub turn: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 64,
            connections_per_addr: 32,
            head: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            write: Duration::from_secs(10),
            large: 4,
            turn: Duration::from_secs(5),
        }
    }
}

/// A port that is served until this is dropped.
pub struct Server {
    addr: SocketAddr,
    accepting: JoinHandle<()>,
}

/// What connections share.
struct App {
    watched: Arc<dyn Watched>,
    limits: Limits,
    large: Semaphore,
}

pub(super) fn bind(addr: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(addr), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

impl Server {
    /// Listens and serves.
    pub fn start(place: Place, watched: Arc<dyn Watched>) -> io::Result<Server> {
        Server::with(place, watched, Limits::default())
    }

    /// The same with other limits.
    pub fn with(place: Place, watched: Arc<dyn Watched>, limits: Limits) -> io::Result<Server> {
        let listener = place.bind()?;
        let addr = listener.local_addr()?;
        let listener = TcpListener::from_std(listener)?;
        let app = Arc::new(App { watched, limits, large: Semaphore::new(limits.large) });
        tracing::info!(%addr, "metrics and overview are served");
        Ok(Server { addr, accepting: tokio::spawn(accept(listener, app)) })
    }

    /// The address that is served.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The connections' tasks go with the task that owns them.
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, app: Arc<App>) {
    let mut tasks = JoinSet::new();
    let seats = Arc::new(Seats::default());
    loop {
        while tasks.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, remote)) => {
                let has_room = tasks.len() < app.limits.connections;
                let seat = seats.take(remote.ip(), app.limits.connections_per_addr).filter(|_| has_room);
                let Some(seat) = seat else {
                    tracing::debug!(%remote, "http connection refused: there are too many");
                    continue;
                };
                let app = Arc::clone(&app);
                tasks.spawn(async move {
                    let _seat = seat;
                    if let Err(error) = serve(stream, &app).await {
                        tracing::debug!(%remote, %error, "http connection ended");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "http accept failed");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// Serves one connection to its end.
async fn serve(mut stream: TcpStream, app: &App) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // Whoever connects to a loopback address is on this machine, and so may be a browser whose page is somebody else's.
    let is_local = stream.local_addr()?.ip().is_loopback();
    let mut unread = Vec::new();
    loop {
        let request = match next_request(&mut stream, &mut unread, app.limits).await? {
            Next::Request(request) => request,
            Next::End => return Ok(()),
            Next::Refused(refused) => {
                write(&mut stream, &Answer::refused(refused), false, false, app.limits).await?;
                return linger(stream).await;
            }
            Next::TooSlow => {
                let slow = Answer::text(408, "the request did not come in time");
                write(&mut stream, &slow, false, false, app.limits).await?;
                return linger(stream).await;
            }
        };
        let turn = match answer::is_large(&request.path) {
            true => timeout(app.limits.turn, app.large.acquire()).await.map(Some),
            false => Ok(None),
        };
        let answer = match turn {
            _ if is_local && !is_local_name(request.host.as_deref()) => {
                Answer::text(421, "on this machine the port answers to IP addresses and localhost only")
            }
            Err(_) => Answer::text(503, "too many are asking at once"),
            Ok(_) => answer::of(&request.path, &request.query, Arc::clone(&app.watched)).await,
        };
        write(&mut stream, &answer, request.is_head, request.keep_alive, app.limits).await?;
        drop(turn);
        if !request.keep_alive {
            return linger(stream).await;
        }
    }
}

/// A page of another site whose name is made to lead to this machine has that name as its host.
fn is_local_name(host: Option<&str>) -> bool {
    host.is_none_or(|host| host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok())
}

enum Next {
    Request(Request),
    Refused(Refused),
    TooSlow,
    End,
}

async fn next_request(stream: &mut TcpStream, unread: &mut Vec<u8>, limits: Limits) -> io::Result<Next> {
    let mut until = Instant::now() + if unread.is_empty() { limits.idle } else { limits.head };
    loop {
        match head_length(unread) {
            Ok(Some(length)) => {
                let parsed = Request::parse(&unread[..length]);
                unread.drain(..length);
                return Ok(parsed.map_or_else(Next::Refused, Next::Request));
            }
            Ok(None) => {}
            Err(refused) => return Ok(Next::Refused(refused)),
        }
        let is_first = unread.is_empty();
        let mut chunk = [0; 1024];
        let room = chunk.len().min(HEAD_MAX_BYTES - unread.len());
        match timeout_at(until, stream.read(&mut chunk[..room])).await {
            Ok(Ok(0)) => return Ok(Next::End),
            Ok(Ok(read)) => unread.extend_from_slice(&chunk[..read]),
            Ok(Err(error)) => return Err(error),
            Err(_) if is_first => return Ok(Next::End),
            Err(_) => return Ok(Next::TooSlow),
        }
        if is_first {
            until = Instant::now() + limits.head;
        }
    }
}

async fn write(
    stream: &mut TcpStream,
    answer: &Answer,
    is_head: bool,
    keep_alive: bool,
    limits: Limits,
) -> io::Result<()> {
    let head = answer.head(keep_alive);
    let written = async {
        stream.write_all(head.as_bytes()).await?;
        if !is_head {
            stream.write_all(&answer.body).await?;
        }
        Ok(())
    };
    timeout(limits.write, written).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Ends a connection so that the peer gets to read its last answer: closing with bytes unread would take that back.
async fn linger(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut chunk = [0; 1024];
    let drained = async {
        for _ in 0..HEAD_MAX_BYTES {
            if stream.read(&mut chunk).await? == 0 {
                break;
            }
        }
        Ok(())
    };
    timeout(LINGER, drained).await.unwrap_or(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_not_believed() {
        let check =
            |host: Option<&str>, expected: bool| assert_eq!(is_local_name(host), expected, "{host:?}");
        check(None, true);
        check(Some("localhost"), true);
        check(Some("127.0.0.1"), true);
        check(Some("::1"), true);
        check(Some("evil.example"), false);
        check(Some(""), false);
    }
}
