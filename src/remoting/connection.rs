//! One connection, either side of it: a single task that reads what the socket has, cuts the whole frames in it,
//! has each handled, and writes all replies that are ready with one vectored write. Nothing here waits for a
//! handler: a reply that comes later is a future that the task holds while it goes on reading.
//!
//! Bounds: a frame (`frame_max_bytes`, and `stranger_frame_max_bytes` until a request has been let in), replies that the peer does not take (past `unsent_max_bytes` reading
//! stops until they are taken), replies that are still being made (`pending_max`), the bytes of unfinished
//! frames of all connections together ([`ReadBudget`]), silence (`idle`), and how long one frame or a handshake
//! may take. Whether there is TLS on a connection that comes in its first byte decides.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::future::{CatchUnwind, FutureExt, Map};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};

use super::buffers::{self, BUFFER_BYTES};
use super::codec::{self, DecodeError, FRAME_MAX_BYTES};
use super::command::{Body, Command, Response, SerializeType};
use super::peer::{Outgoing, Peer};
use super::router::{Answer, LaterResponse, Service};
use super::tls::{ServerTls, Session, TlsMode, advice};

/// Slices of one vectored write (the kernel takes 1024 at most).
const SLICES_MAX: usize = 256;
/// How TLS begins; no frame does, as it would be too large.
const TLS_HANDSHAKE: u8 = 0x16;

/// Limits of a connection.
#[derive(Debug, Clone)]
pub struct Limits {
    /// `com.rocketmq.remoting.frameMaxLength`.
    pub frame_max_bytes: usize,
    /// The same of a connection of which no request has been let in yet.
    pub stranger_frame_max_bytes: usize,
    /// Replies the peer has not taken, past which nothing more is read from it.
    pub unsent_max_bytes: usize,
    /// Replies still being made, past which nothing more is read.
    pub pending_max: usize,
    /// `serverChannelMaxIdleTimeSeconds`: without a byte in or out for so long the connection is closed.
    pub idle: Duration,
    /// From a frame's first byte to its last.
    pub frame_time: Duration,
    /// From TLS's first byte to the end of its handshake.
    pub handshake_time: Duration,
    /// The header form of what we send.
    pub serialize_type: SerializeType,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            frame_max_bytes: FRAME_MAX_BYTES,
            stranger_frame_max_bytes: FRAME_MAX_BYTES,
            unsent_max_bytes: FRAME_MAX_BYTES,
            pending_max: 100_000,
            idle: Duration::from_secs(120),
            frame_time: Duration::from_secs(120),
            handshake_time: Duration::from_secs(10),
            serialize_type: SerializeType::Json,
        }
    }
}

/// Bytes that the unfinished frames of all connections may hold together. A first read's worth is free. Strangers share a
/// quarter of their own, so that they cannot take what the others need.
#[derive(Debug)]
pub struct ReadBudget {
    left_to_strangers: AtomicUsize,
    left_to_others: AtomicUsize,
}

impl ReadBudget {
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Arc<ReadBudget> {
        let (left_to_strangers, left_to_others) =
            (AtomicUsize::new(bytes / 4), AtomicUsize::new(bytes - bytes / 4));
        Arc::new(ReadBudget { left_to_strangers, left_to_others })
    }

    fn left_to(&self, is_stranger: bool) -> &AtomicUsize {
        if is_stranger { &self.left_to_strangers } else { &self.left_to_others }
    }

    fn take(&self, bytes: usize, is_stranger: bool) -> bool {
        let less = |left: usize| left.checked_sub(bytes);
        self.left_to(is_stranger).fetch_update(Ordering::AcqRel, Ordering::Acquire, less).is_ok()
    }

    fn give_back(&self, bytes: usize, is_stranger: bool) {
        self.left_to(is_stranger).fetch_add(bytes, Ordering::AcqRel);
    }
}

/// Why a connection has ended.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    #[error("the peer closed the connection")]
    ByPeer,
    #[error("closed by us")]
    ByUs,
    #[error("no byte in or out within the idle time")]
    Idle,
    #[error("a frame was not finished in time")]
    SlowFrame,
    #[error("unfinished frames of all connections exceed their budget")]
    Budget,
    #[error("the TLS handshake was not finished in time")]
    SlowHandshake,
    #[error("the TLS handshake failed: {0}; {advice}", advice = advice(.0))]
    Handshake(rustls::Error),
    #[error("TLS: {0}")]
    Tls(rustls::Error),
    #[error(
        "plain, which tls.server.mode=enforcing forbids: the client needs -Dtls.enable=true or setUseTLS(true)"
    )]
    PlainRefused,
    #[error("TLS, which tls.server.mode=disabled forbids")]
    TlsRefused,
    #[error(
        "TLS without a certificate of ours: set tls.server.certPath and tls.server.keyPath, see docs/SECURITY.md"
    )]
    NoCertificate,
    #[error(transparent)]
    Frame(#[from] DecodeError),
    #[error("before any request of it was let in (serverFirstFrameMaxLength): {0}")]
    StrangersFrame(DecodeError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What lies between the socket and the frames.
pub(super) enum Security {
    Plain,
    /// Nothing has come in yet.
    Undecided(Arc<ServerTls>),
    Tls(Box<Session>),
}

impl Security {
    fn wants_write(&self) -> bool {
        matches!(self, Security::Tls(session) if session.wants_write())
    }
}

/// Runs a connection until it ends. The peer is marked closed and the service told before this returns; also
/// when the task is dropped.
pub(super) async fn run<S: Service + ?Sized>(
    stream: TcpStream,
    security: Security,
    peer: Arc<Peer>,
    outbox: mpsc::Receiver<Outgoing>,
    service: Arc<S>,
    limits: Limits,
    budget: Arc<ReadBudget>,
) -> Ended {
    let _farewell = Farewell { peer: &peer, service: &service };
    let idle = Box::pin(tokio::time::sleep(limits.idle));
    let mut connection = Connection {
        stream,
        security,
        peer: Arc::clone(&peer),
        outbox,
        service: Arc::clone(&service),
        budget,
        input: BytesMut::new(),
        charged_bytes: 0,
        charged_as_stranger: true,
        frame_since: None,
        handshake_since: None,
        output: Output::default(),
        pending: FuturesUnordered::new(),
        in_turn: VecDeque::new(),
        alone: None,
        last_activity: Instant::now(),
        idle,
        limits,
    };
    let ended = connection.serve().await.err().unwrap_or(Ended::ByUs);
    connection.charge(0);
    if let Security::Tls(session) = &mut connection.security {
        session.say_goodbye(&connection.stream);
    }
    ended
}

struct Farewell<'a, S: Service + ?Sized> {
    peer: &'a Arc<Peer>,
    service: &'a Arc<S>,
}

impl<S: Service + ?Sized> Drop for Farewell<'_, S> {
    fn drop(&mut self) {
        self.peer.set_closed();
        self.service.disconnected(self.peer);
    }
}

/// Replies in the order they became ready: heads gathered in buffers, bodies behind them where they lie.
#[derive(Default)]
struct Output {
    chunks: VecDeque<Bytes>,
    /// The head being gathered; it goes behind `chunks`.
    open: BytesMut,
    bytes: usize,
}

impl Output {
    fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Gives the open buffer to the queue.
    fn seal(&mut self) {
        if !self.open.is_empty() {
            self.chunks.push_back(self.open.split().freeze());
        }
    }

    fn push_head(&mut self, write: impl FnOnce(&mut BytesMut)) {
        if self.open.capacity() - self.open.len() < 1024 {
            self.seal();
            self.open = buffers::take();
        }
        let before = self.open.len();
        write(&mut self.open);
        self.bytes += self.open.len() - before;
    }

    fn push_body(&mut self, body: Bytes) {
        /// Below this a copy costs less than one more slice.
        const COPY_BYTES: usize = 512;
        self.bytes += body.len();
        if body.len() <= COPY_BYTES {
            self.open.extend_from_slice(&body);
        } else {
            self.seal();
            self.chunks.push_back(body);
        }
    }

    fn push(&mut self, response: Response, opaque: i32, form: SerializeType) {
        self.push_head(|open| codec::encode_response_head(&response, opaque, form, open));
        match response.body {
            Body::None => {}
            Body::Bytes(body) => self.push_body(body),
            Body::Slices(slices) => slices.into_iter().for_each(|slice| self.push_body(slice)),
        }
    }

    /// Takes off what the socket has taken.
    fn advance(&mut self, mut count: usize) {
        self.bytes -= count;
        while count > 0 {
            let Some(first) = self.chunks.front_mut() else { return };
            if count < first.len() {
                first.advance(count);
                return;
            }
            count -= first.len();
            self.chunks.pop_front();
        }
    }
}

type Pending = Map<CatchUnwind<AssertUnwindSafe<LaterResponse>>, PendingDone>;
type PendingDone = fn(std::thread::Result<Option<Response>>) -> Option<Response>;

/// A later reply with the request's opaque.
struct Owed {
    opaque: i32,
    reply: Pending,
}

impl Owed {
    fn new(opaque: i32, reply: LaterResponse, one_way: bool) -> Owed {
        let reply = if one_way { Box::pin(async move { reply.await.and(None) }) } else { reply };
        let done: PendingDone = reply_or_fault;
        Owed { opaque, reply: AssertUnwindSafe(reply).catch_unwind().map(done) }
    }
}

impl Future for Owed {
    type Output = (i32, Option<Response>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let opaque = self.opaque;
        self.reply.poll_unpin(cx).map(|response| (opaque, response))
    }
}

fn reply_or_fault(done: std::thread::Result<Option<Response>>) -> Option<Response> {
    done.unwrap_or_else(|_| {
        tracing::error!("a reply's future panicked");
        Some(Response::of(super::SYSTEM_ERROR, "the server failed on this request; see its log"))
    })
}

struct Connection<S: Service + ?Sized> {
    stream: TcpStream,
    security: Security,
    peer: Arc<Peer>,
    outbox: mpsc::Receiver<Outgoing>,
    service: Arc<S>,
    budget: Arc<ReadBudget>,
    limits: Limits,
    /// Read and not yet handled: the beginning of a frame. Without any, it has no memory either.
    input: BytesMut,
    /// What of `input` the budget has been charged with, and whether as a stranger.
    charged_bytes: usize,
    charged_as_stranger: bool,
    /// When the unfinished frame in `input` began.
    frame_since: Option<Instant>,
    /// When the other side began a handshake that is not finished.
    handshake_since: Option<Instant>,
    output: Output,
    pending: FuturesUnordered<Owed>,
    /// Of these only the first may be ready.
    in_turn: VecDeque<Owed>,
    /// Until it is there, nothing more is read and no frame of `input` is handled.
    alone: Option<Owed>,
    last_activity: Instant,
    idle: Pin<Box<Sleep>>,
}

enum Event {
    Outgoing(Option<Outgoing>),
    Reply(i32, Option<Response>),
    ReplyAlone(i32, Option<Response>),
    Writable,
    Readable,
    Timer,
}

impl<S: Service + ?Sized> Connection<S> {
    async fn serve(&mut self) -> Result<(), Ended> {
        loop {
            // Cancellation: the task holds no state across this await but what `self` keeps.
            match poll_fn(|cx| self.poll_event(cx)).await? {
                Event::Outgoing(Some(Outgoing::Send(command))) => self.send(&command),
                Event::Outgoing(Some(Outgoing::Close) | None) => return Ok(()),
                Event::Reply(opaque, response) => self.reply(opaque, response),
                Event::ReplyAlone(opaque, response) => {
                    self.reply(opaque, response);
                    self.handle_frames()?;
                }
                Event::Writable => {}
                Event::Readable => self.read()?,
                Event::Timer => self.check_time()?,
            }
            self.drain_ready();
            self.service.before_write();
            self.write()?;
            self.service.after_batch();
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Ended>> {
        if let Poll::Ready(outgoing) = self.outbox.poll_recv(cx) {
            return Poll::Ready(Ok(Event::Outgoing(outgoing)));
        }
        let unsent = !self.output.is_empty() || self.security.wants_write();
        let choked = self.output.bytes > self.limits.unsent_max_bytes;
        if !choked
            && !self.pending.is_empty()
            && let Poll::Ready(Some((opaque, response))) = self.pending.poll_next_unpin(cx)
        {
            return Poll::Ready(Ok(Event::Reply(opaque, response)));
        }
        if !choked
            && let Some(first) = self.in_turn.front_mut()
            && let Poll::Ready((opaque, response)) = first.poll_unpin(cx)
        {
            self.in_turn.pop_front();
            return Poll::Ready(Ok(Event::Reply(opaque, response)));
        }
        if !choked
            && let Some(alone) = &mut self.alone
            && let Poll::Ready((opaque, response)) = alone.poll_unpin(cx)
        {
            self.alone = None;
            return Poll::Ready(Ok(Event::ReplyAlone(opaque, response)));
        }
        if unsent && let Poll::Ready(ready) = self.stream.poll_write_ready(cx) {
            return Poll::Ready(ready.map(|()| Event::Writable).map_err(Ended::Io));
        }
        if !choked
            && self.alone.is_none()
            && self.pending.len() + self.in_turn.len() < self.limits.pending_max
            && let Poll::Ready(ready) = self.stream.poll_read_ready(cx)
        {
            return Poll::Ready(ready.map(|()| Event::Readable).map_err(Ended::Io));
        }
        self.idle.as_mut().poll(cx).map(|()| Ok(Event::Timer))
    }

    /// Takes what else is ready, so that all of it goes out with one write.
    fn drain_ready(&mut self) {
        while self.output.bytes <= self.limits.unsent_max_bytes {
            let Some(Some((opaque, response))) = self.pending.next().now_or_never() else { break };
            self.reply(opaque, response);
        }
        // Who is not ready forgets whom to wake; `poll_event` looks again before this task sleeps.
        while self.output.bytes <= self.limits.unsent_max_bytes
            && let Some(first) = self.in_turn.front_mut()
            && let Some((opaque, response)) = first.now_or_never()
        {
            self.in_turn.pop_front();
            self.reply(opaque, response);
        }
        while let Ok(outgoing) = self.outbox.try_recv() {
            match outgoing {
                Outgoing::Send(command) => self.send(&command),
                Outgoing::Close => {
                    self.outbox.close();
                    break;
                }
            }
        }
    }

    fn send(&mut self, command: &Command) {
        let form = self.limits.serialize_type;
        self.output.push_head(|open| codec::encode_as(command, form, open));
    }

    fn reply(&mut self, opaque: i32, response: Option<Response>) {
        if let Some(response) = response {
            self.output.push(response, opaque, self.limits.serialize_type);
        }
    }

    /// One read, and all whole frames that it brought.
    fn read(&mut self) -> Result<(), Ended> {
        if matches!(self.security, Security::Tls(_)) {
            return self.read_tls();
        }
        self.make_room()?;
        // The stream's own read forgets readiness when it could not fill the buffer, which saves the read that
        // would only have told so.
        let Some(count) = self.stream.read_buf(&mut self.input).now_or_never() else { return Ok(()) };
        let count = count?;
        if count == 0 {
            return Err(Ended::ByPeer);
        }
        self.last_activity = Instant::now();
        if let Security::Undecided(_) = self.security {
            return self.decide();
        }
        self.handle_frames()
    }

    /// Goes by the first byte, as 4.3.0.
    #[cold]
    fn decide(&mut self) -> Result<(), Ended> {
        let Security::Undecided(tls) = std::mem::replace(&mut self.security, Security::Plain) else {
            return self.handle_frames();
        };
        match (self.input.first() == Some(&TLS_HANDSHAKE), tls.mode()) {
            (false, TlsMode::Enforcing) => return Err(Ended::PlainRefused),
            (false, _) => return self.handle_frames(),
            (true, TlsMode::Disabled) => return Err(Ended::TlsRefused),
            (true, _) => {}
        }
        let session = tls.session().map_err(Ended::Handshake)?.ok_or(Ended::NoCertificate)?;
        self.security = Security::Tls(Box::new(session));
        self.handshake_since = Some(self.last_activity);
        self.idle.as_mut().reset(self.last_activity + self.limits.handshake_time.min(self.limits.idle));
        let mut cipher = std::mem::take(&mut self.input);
        let taken = self.take_cipher(&cipher);
        buffers::put_back(&mut cipher);
        taken
    }

    /// One read of a TLS connection.
    fn read_tls(&mut self) -> Result<(), Ended> {
        let mut cipher = buffers::take();
        let count = self.stream.read_buf(&mut cipher).now_or_never();
        let taken = match count {
            None => Ok(()),
            Some(Err(error)) => Err(error.into()),
            Some(Ok(0)) => Err(Ended::ByPeer),
            Some(Ok(_)) => {
                self.last_activity = Instant::now();
                self.take_cipher(&cipher)
            }
        };
        buffers::put_back(&mut cipher);
        taken
    }

    /// What the socket gave, and all whole frames in it.
    fn take_cipher(&mut self, cipher: &[u8]) -> Result<(), Ended> {
        self.make_room()?;
        // What is said is never longer than how it is said.
        self.reserve(cipher.len())?;
        let Security::Tls(session) = &mut self.security else { return Ok(()) };
        let is_handshake = session.is_handshaking();
        let goes_on = session.decrypt(cipher, &mut self.input).map_err(|error| match error {
            // With TLS 1.3 a client hears that its certificate is refused when its own handshake is over.
            rustls::Error::AlertReceived(_) => Ended::Handshake(error),
            error if is_handshake => Ended::Handshake(error),
            error => Ended::Tls(error),
        })?;
        if !session.is_handshaking() {
            self.handshake_since = None;
        }
        self.handle_frames()?;
        if goes_on { Ok(()) } else { Err(Ended::ByPeer) }
    }

    /// Room for the next read: of a large frame no more than has already come, so that a length alone costs
    /// nothing.
    fn make_room(&mut self) -> Result<(), Ended> {
        let have = self.input.len();
        if have == 0 {
            self.input = buffers::take();
            return Ok(());
        }
        let want = match self.frame_length()? {
            Some(whole) if whole > have => (whole - have).min(have.max(BUFFER_BYTES)),
            _ => 1,
        };
        self.reserve(want)
    }

    /// Room for so many bytes more, within the budget.
    fn reserve(&mut self, want: usize) -> Result<(), Ended> {
        let have = self.input.len();
        if self.input.capacity() - have < want {
            let room = have + want.max(BUFFER_BYTES);
            if !self.charge(room.saturating_sub(2 * BUFFER_BYTES)) {
                return Err(Ended::Budget);
            }
            self.input.reserve(room - have);
        }
        Ok(())
    }

    /// Of the frame that `input` begins with, as soon as that can be told.
    fn frame_length(&self) -> Result<Option<usize>, Ended> {
        let Limits { frame_max_bytes, stranger_frame_max_bytes, .. } = self.limits;
        if self.peer.is_stranger() && stranger_frame_max_bytes < frame_max_bytes {
            return codec::frame_length(&self.input, stranger_frame_max_bytes).map_err(Ended::StrangersFrame);
        }
        Ok(codec::frame_length(&self.input, frame_max_bytes)?)
    }

    /// Sets what this connection holds of the common budget.
    fn charge(&mut self, bytes: usize) -> bool {
        let is_stranger = self.peer.is_stranger();
        if is_stranger != self.charged_as_stranger {
            self.budget.give_back(std::mem::take(&mut self.charged_bytes), self.charged_as_stranger);
            self.charged_as_stranger = is_stranger;
        }
        if bytes > self.charged_bytes {
            if !self.budget.take(bytes - self.charged_bytes, is_stranger) {
                return false;
            }
        } else {
            self.budget.give_back(self.charged_bytes - bytes, is_stranger);
        }
        self.charged_bytes = bytes;
        true
    }

    fn handle_frames(&mut self) -> Result<(), Ended> {
        while self.alone.is_none()
            && let Some(whole) = self.frame_length()?
        {
            if self.input.len() < whole {
                break;
            }
            let frame = self.input.split_to(whole).freeze();
            self.frame_since = None;
            self.handle(codec::decode(&frame)?);
        }
        if self.input.is_empty() {
            self.charge(0);
            // An idle connection keeps no buffer: ten thousand of them must cost next to nothing.
            buffers::put_back(&mut self.input);
        } else if self.frame_since.is_none() {
            self.frame_since = Some(self.last_activity);
            // Seldom: by default a frame has as much time as silence.
            let frame_at = self.last_activity + self.limits.frame_time;
            if frame_at < self.idle.deadline() {
                self.idle.as_mut().reset(frame_at);
            }
        }
        Ok(())
    }

    fn handle(&mut self, command: Command) {
        if command.is_response() {
            let (code, opaque) = (command.code, command.opaque);
            if !self.peer.answer(command) {
                tracing::debug!(remote = %self.peer.remote(), code, opaque, "response without a waiting request");
            }
            return;
        }
        let (opaque, one_way) = (command.opaque, command.is_one_way());
        match self.service.call(&self.peer, command) {
            Answer::Now(response) if !one_way => self.reply(opaque, Some(response)),
            Answer::Later(reply) => self.pending.push(Owed::new(opaque, reply, one_way)),
            Answer::InTurn(reply) => self.in_turn.push_back(Owed::new(opaque, reply, one_way)),
            Answer::Alone(reply) => self.alone = Some(Owed::new(opaque, reply, one_way)),
            Answer::Now(_) | Answer::Silent => {}
        }
    }

    /// Gives the socket what it takes now; the rest waits for it to be writable.
    fn write(&mut self) -> Result<(), Ended> {
        if matches!(self.security, Security::Tls(_)) {
            return self.write_tls();
        }
        if self.output.is_empty() {
            return Ok(());
        }
        self.output.seal();
        while !self.output.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let used = self.output.chunks.iter().zip(&mut slices).map(|(chunk, slice)| {
                *slice = IoSlice::new(chunk);
            });
            let used = used.count();
            match self.stream.try_write_vectored(&slices[..used]) {
                Ok(count) => {
                    self.last_activity = Instant::now();
                    self.output.advance(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        if self.output.is_empty() {
            buffers::put_back(&mut self.output.open);
        }
        Ok(())
    }

    fn write_tls(&mut self) -> Result<(), Ended> {
        let Security::Tls(session) = &mut self.security else { return Ok(()) };
        self.output.seal();
        loop {
            let taken = session.encrypt(&self.output.chunks)?;
            self.output.advance(taken);
            if !session.wants_write() {
                break;
            }
            if session.flush(&self.stream)? > 0 {
                self.last_activity = Instant::now();
            }
            if session.wants_write() {
                break;
            }
        }
        if self.output.is_empty() {
            buffers::put_back(&mut self.output.open);
        }
        Ok(())
    }

    fn check_time(&mut self) -> Result<(), Ended> {
        let now = Instant::now();
        if self.handshake_since.is_some_and(|since| now >= since + self.limits.handshake_time) {
            return Err(Ended::SlowHandshake);
        }
        if self.frame_since.is_some_and(|since| now >= since + self.limits.frame_time) {
            return Err(Ended::SlowFrame);
        }
        let idle_at = self.last_activity + self.limits.idle;
        if now >= idle_at {
            return Err(Ended::Idle);
        }
        let frame_at = self.frame_since.map_or(idle_at, |since| since + self.limits.frame_time);
        self.idle.as_mut().reset(idle_at.min(frame_at));
        Ok(())
    }
}
