//! One connection under load: fills a window of requests, writes them together, reads what is there, hands each
//! reply over. What is sent and what a reply means is the [`Load`]'s.

use std::time::{Duration, Instant};

use tokio::io::Interest;
use tokio::net::TcpStream;

use super::wire::{NoFrame, Reply, Scanner};

/// Bytes read at once; grows where a reply is longer.
const READ_BYTES: usize = 256 * 1024;
/// Bytes waiting to be written, past which the window is not filled further for now.
const WRITE_BYTES: usize = 256 * 1024;

/// What a connection sends and what it makes of replies.
pub(super) trait Load {
    /// Appends the next request, or says that there is none for now: the window is full or the work is done.
    fn next(&mut self, out: &mut Vec<u8>, now: Instant) -> bool;

    /// Takes a reply.
    fn reply(&mut self, reply: &Reply<'_>, now: Instant) -> Result<(), DriveError>;

    /// Whether nothing is to be sent and nothing is awaited any more.
    fn is_done(&self) -> bool;
}

/// Why a connection's load ended before its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum DriveError {
    #[error("connection lost: {0}")]
    Io(#[from] std::io::Error),
    #[error("the broker closed the connection")]
    Closed,
    #[error(transparent)]
    NoFrame(#[from] NoFrame),
    #[error("no answer for {0:?}")]
    Timeout(Duration),
    #[error("{0}")]
    Refused(String),
}

/// Runs a load to its end. `patience` is the longest time without any reply.
pub(super) async fn drive(
    stream: &TcpStream,
    load: &mut impl Load,
    patience: Duration,
) -> Result<(), DriveError> {
    let mut scanner = Scanner::default();
    let mut read = vec![0; READ_BYTES];
    let mut filled = 0;
    let mut out = Vec::with_capacity(2 * WRITE_BYTES);
    let mut written = 0;
    let mut heard = Instant::now();
    loop {
        let now = Instant::now();
        while out.len() - written < WRITE_BYTES && load.next(&mut out, now) {}
        if written < out.len() {
            match stream.try_write(&out[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
            if written == out.len() || written >= WRITE_BYTES {
                out.drain(..written);
                written = 0;
            }
        } else if load.is_done() {
            return Ok(());
        }
        let interest =
            if out.is_empty() { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
        if tokio::time::timeout(patience, stream.ready(interest)).await.is_err() || heard.elapsed() > patience
        {
            return Err(DriveError::Timeout(patience));
        }
        match stream.try_read(&mut read[filled..]) {
            Ok(0) => return Err(DriveError::Closed),
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        }
        let now = Instant::now();
        heard = now;
        let mut start = 0;
        while let Some((reply, length)) = scanner.next(&read[start..filled])? {
            load.reply(&reply, now)?;
            start += length;
        }
        read.copy_within(start..filled, 0);
        filled -= start;
        if filled == read.len() {
            read.resize(2 * read.len(), 0);
        }
    }
}

/// Connects as a client would.
pub(super) async fn connect(addr: &str) -> Result<TcpStream, DriveError> {
    let connecting = tokio::time::timeout(Duration::from_secs(5), TcpStream::connect(addr));
    let stream = connecting.await.map_err(|_| DriveError::Timeout(Duration::from_secs(5)))??;
    stream.set_nodelay(true)?;
    Ok(stream)
}
