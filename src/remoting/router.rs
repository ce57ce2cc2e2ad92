//! Which handler a request code leads to, and all that is the same for every handler: reading the header,
//! faults as replies, panics caught, bounded pools (Java: `NettyRemotingAbstract.processRequestCommand`). The
//! codes themselves belong to whoever fills the table.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::command::{Command, Response};
use super::peer::Peer;
use super::waiting::{self, WaitBudget};
use super::{NO_PERMISSION, REQUEST_CODE_NOT_SUPPORTED, SYSTEM_ERROR};
use crate::strmap;

/// A reply that is still being made.
pub type LaterResponse = Pin<Box<dyn Future<Output = Option<Response>> + Send>>;

/// What comes of a request.
pub enum Answer {
    /// The reply, at once.
    Now(Response),
    /// The reply when the future is done; the connection goes on reading meanwhile.
    Later(LaterResponse),
    /// The same, where the reply cannot be due before those of earlier requests of its kind on the connection are: only the
    /// first of them is looked at, which spares the others their timers and wake-ups.
    InTurn(LaterResponse),
    /// The same, and nothing more of the connection is handled until it is there: what comes behind it on a connection finds
    /// its work done.
    Alone(LaterResponse),
    /// No reply at all, as Java in a few places.
    Silent,
}

impl Answer {
    /// A reply that a future makes; its fault is the reply's code and remark.
    pub fn later(reply: impl Future<Output = Result<Response, Fault>> + Send + 'static) -> Answer {
        Answer::Later(Box::pin(async move { Some(reply.await.unwrap_or_else(Response::from)) }))
    }

    /// The same for [`Answer::InTurn`].
    pub fn in_turn(reply: impl Future<Output = Result<Response, Fault>> + Send + 'static) -> Answer {
        Answer::InTurn(Box::pin(async move { Some(reply.await.unwrap_or_else(Response::from)) }))
    }
}

/// A request that is answered with a code and a remark, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub code: i32,
    pub remark: Cow<'static, str>,
}

impl Fault {
    /// A fault with the remark that clients and mqadmin show.
    pub fn new(code: impl Into<i32>, remark: impl Into<Cow<'static, str>>) -> Fault {
        Fault { code: code.into(), remark: remark.into() }
    }
}

impl From<Fault> for Response {
    fn from(fault: Fault) -> Response {
        Response::of(fault.code, fault.remark)
    }
}

impl From<strmap::Error> for Fault {
    fn from(error: strmap::Error) -> Fault {
        Fault::new(SYSTEM_ERROR, format!("request header: {error}"))
    }
}

impl From<Response> for Answer {
    fn from(response: Response) -> Answer {
        Answer::Now(response)
    }
}

impl<A: Into<Answer>> From<Result<A, Fault>> for Answer {
    fn from(result: Result<A, Fault>) -> Answer {
        match result {
            Ok(answer) => answer.into(),
            Err(fault) => Answer::Now(fault.into()),
        }
    }
}

/// Whatever answers the requests that come in on a connection.
pub trait Service: Send + Sync + 'static {
    /// Answers one request. Runs on the connection's task: it must not block.
    fn call(&self, peer: &Arc<Peer>, command: Command) -> Answer;

    /// Runs before the replies of one read are given to the socket: work that they promise.
    fn before_write(&self) {}

    /// Runs after the replies of one read have been given to the socket: work that no reply waits for.
    fn after_batch(&self) {}

    /// The connection has ended.
    fn disconnected(&self, _peer: &Arc<Peer>) {}
}

/// Refuses every request: what a plain client is to its servers.
pub struct NoService;

impl Service for NoService {
    fn call(&self, _peer: &Arc<Peer>, command: Command) -> Answer {
        not_supported(command.code, "").into()
    }
}

fn not_supported(code: i32, hint: &str) -> Response {
    Response::of(REQUEST_CODE_NOT_SUPPORTED, format!(" request type {code} not supported{hint}"))
}

/// A request as a handler gets it.
#[derive(Debug)]
pub struct Request<H> {
    pub header: H,
    pub command: Command,
    pub peer: Arc<Peer>,
}

/// Threads and queue of a group of codes, as Java's executors. Past the queue's end a request is refused with
/// SYSTEM_BUSY.
pub struct Pool {
    name: &'static str,
    running: Semaphore,
    /// Requests that run or wait.
    held: AtomicUsize,
    held_max: usize,
    /// What they may take.
    budget: Arc<WaitBudget>,
    /// Since when requests wait, with a number that tells them apart.
    waiting: Mutex<BTreeSet<(Instant, usize)>>,
    next_number: AtomicUsize,
    refused: AtomicU64,
}

/// Requests that wait for a pool.
#[derive(Debug, Clone, Copy)]
pub struct Waiting {
    pub count: usize,
    pub longest: Duration,
}

impl Pool {
    /// A pool of `threads` that may run at once, and `capacity` more that may wait, all of them within the budget.
    pub fn new(name: &'static str, threads: usize, capacity: usize, budget: &Arc<WaitBudget>) -> Arc<Pool> {
        Arc::new(Pool {
            name,
            running: Semaphore::new(threads),
            held: AtomicUsize::new(0),
            held_max: threads.saturating_add(capacity),
            budget: Arc::clone(budget),
            waiting: Mutex::default(),
            next_number: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// Runs blocking work, which takes so many bytes until then, when its turn comes.
    pub fn run(
        self: &Arc<Pool>,
        bytes: usize,
        work: impl FnOnce() -> Result<Response, Fault> + Send + 'static,
    ) -> Result<Answer, Fault> {
        let refused = |fault| {
            self.refused.fetch_add(1, Ordering::Relaxed);
            Err(fault)
        };
        let is_full = self.held.fetch_add(1, Ordering::AcqRel) >= self.held_max;
        let held = Held(Arc::clone(self));
        if is_full {
            return refused(waiting::busy());
        }
        let share = match self.budget.take(bytes) {
            Ok(share) => share,
            Err(fault) => return refused(fault),
        };
        Ok(Answer::later(async move {
            let _share = share;
            let _turn = held.0.turn().await;
            let done = tokio::task::spawn_blocking(work).await;
            done.unwrap_or_else(|error| Err(panicked(&error)))
        }))
    }

    async fn turn(&self) -> SemaphorePermit<'_> {
        if let Ok(turn) = self.running.try_acquire() {
            return turn;
        }
        let mark = (Instant::now(), self.next_number.fetch_add(1, Ordering::Relaxed));
        lock(&self.waiting).insert(mark);
        let _waits = Waits { pool: self, mark };
        self.running.acquire().await.expect("nobody closes a pool's semaphore")
    }

    /// Requests that wait.
    pub fn waiting(&self) -> Waiting {
        let waiting = lock(&self.waiting);
        let longest = waiting.first().map_or(Duration::ZERO, |(since, _)| since.elapsed());
        Waiting { count: waiting.len(), longest }
    }

    /// The pool's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Requests that were refused because too many waited.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Requests that run or wait.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("name", &self.name).field("held", &self.held()).finish_non_exhaustive()
    }
}

/// Takes its mark away when the turn has come, and when nobody waits for the answer any more.
struct Waits<'a> {
    pool: &'a Pool,
    mark: (Instant, usize),
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        lock(&self.pool.waiting).remove(&self.mark);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Held(Arc<Pool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::AcqRel);
    }
}

fn panicked(cause: &dyn fmt::Display) -> Fault {
    Fault::new(SYSTEM_ERROR, format!("the server failed on this request and logged why: {cause}"))
}

type Handler<S> = Box<dyn Fn(&Arc<S>, &Arc<Peer>, Command) -> Answer + Send + Sync>;

/// A line of the table.
struct Line<S> {
    handler: Handler<S>,
    /// It changes something that outlives the request, on an administrator's behalf.
    is_changing: bool,
}

/// Who may ask for what changes something, and how the log calls a code.
struct Changes {
    /// The setting that says who; refusals name it.
    key: &'static str,
    is_allowed: Box<dyn Fn(IpAddr) -> bool + Send + Sync>,
    name_of: fn(i32) -> &'static str,
}

impl Changes {
    fn check(&self, peer: &Peer, command: &Command) -> Result<(), Fault> {
        let (remote, request, on) = (peer.remote(), (self.name_of)(command.code), subject(command));
        if (self.is_allowed)(remote.ip()) {
            tracing::info!(%remote, request, on, "administration");
            return Ok(());
        }
        tracing::warn!(%remote, request, on, "administration refused: {} does not have this address", self.key);
        let remark = format!("{request} is not allowed from {}: {} does not have it", remote.ip(), self.key);
        Err(Fault::new(NO_PERMISSION, remark))
    }
}

/// What a request is about, as far as a log line goes.
fn subject(command: &Command) -> String {
    const MOST_CHARS: usize = 500;
    // A signature is nobody's business but the checker's.
    let fields = command.ext.iter().flat_map(|ext| ext.iter()).filter(|(name, _)| *name != "Signature");
    let mut text = fields.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ");
    if !command.body.is_empty() {
        let body = String::from_utf8_lossy(&command.body[..command.body.len().min(MOST_CHARS)]);
        text = [text.as_str(), body.trim()].join(" ");
    }
    let text = text.trim();
    text.char_indices().nth(MOST_CHARS).map_or(text, |(end, _)| &text[..end]).to_owned()
}

/// The table from request code to handler over a shared state.
pub struct Router<S> {
    state: Arc<S>,
    /// By code: codes are small and dense enough for a plain table.
    lines: Vec<Option<Line<S>>>,
    /// The code that was listed last.
    last: usize,
    changes: Changes,
    guard: Option<Guard>,
    /// What is said behind the refusal of an unknown code.
    hint: fn(i32) -> &'static str,
    before_write: fn(&Arc<S>),
    after_batch: fn(&Arc<S>),
    disconnected: fn(&Arc<S>, &Arc<Peer>),
}

/// Looks at a request before its handler does, and at whether it changes something.
type Guard = Box<dyn Fn(&Peer, &Command, bool) -> Result<(), Fault> + Send + Sync>;

impl<S: Send + Sync + 'static> Router<S> {
    /// An empty table: every code is refused.
    pub fn new(state: Arc<S>) -> Router<S> {
        let (before_write, after_batch) = (|_: &Arc<S>| {}, |_: &Arc<S>| {});
        let changes = Changes { key: "", is_allowed: Box::new(|_| true), name_of: |_| "" };
        let disconnected = |_: &Arc<S>, _: &Arc<Peer>| {};
        Router {
            state,
            lines: Vec::new(),
            last: 0,
            changes,
            guard: None,
            hint: |_| "",
            before_write,
            after_batch,
            disconnected,
        }
    }

    /// A handler that answers on the connection's task: it must not block or read cold files. It may return
    /// [`Answer::later`].
    pub fn on<H, A>(self, code: impl Into<i32>, handler: fn(&Arc<S>, Request<H>) -> A) -> Router<S>
    where
        H: DeserializeOwned + 'static,
        A: Into<Answer> + 'static,
    {
        self.on_command(code, move |state, peer, command| match request(peer, command) {
            Ok(request) => handler(state, request).into(),
            Err(fault) => Answer::Now(fault.into()),
        })
    }

    /// A handler that awaits others before it answers. It gets no body: nobody counts what waits there.
    pub fn on_async<H, F>(self, code: impl Into<i32>, handler: fn(Arc<S>, Request<H>) -> F) -> Router<S>
    where
        H: DeserializeOwned + 'static,
        F: Future<Output = Result<Response, Fault>> + Send + 'static,
    {
        self.on_command(code, move |state, peer, command| match request(peer, command.without_body()) {
            Ok(request) => Answer::later(handler(Arc::clone(state), request)),
            Err(fault) => Answer::Now(fault.into()),
        })
    }

    /// A handler that may block, on a bounded pool.
    pub fn on_blocking<H>(
        self,
        code: impl Into<i32>,
        pool: &Arc<Pool>,
        handler: fn(&Arc<S>, Request<H>) -> Result<Response, Fault>,
    ) -> Router<S>
    where
        H: DeserializeOwned + Send + 'static,
    {
        let pool = Arc::clone(pool);
        self.on_command(code, move |state, peer, command| on_pool(&pool, state, peer, command, handler))
    }

    /// The same, where what comes behind it on its connection must find its work done.
    pub fn on_alone<H>(
        self,
        code: impl Into<i32>,
        pool: &Arc<Pool>,
        handler: fn(&Arc<S>, Request<H>) -> Result<Response, Fault>,
    ) -> Router<S>
    where
        H: DeserializeOwned + Send + 'static,
    {
        let pool = Arc::clone(pool);
        self.on_command(code, move |state, peer, command| {
            match on_pool(&pool, state, peer, command, handler) {
                Answer::Later(reply) => Answer::Alone(reply),
                other => other,
            }
        })
    }

    /// A handler that reads the header itself, borrowing from the command: for the hot codes.
    pub fn on_command(
        mut self,
        code: impl Into<i32>,
        handler: impl Fn(&Arc<S>, &Arc<Peer>, Command) -> Answer + Send + Sync + 'static,
    ) -> Router<S> {
        let code = code.into();
        let index = usize::from(u16::try_from(code).expect("request codes are small and not negative"));
        if self.lines.len() <= index {
            self.lines.resize_with(index + 1, || None);
        }
        let before = self.lines[index].replace(Line { handler: Box::new(handler), is_changing: false });
        assert!(before.is_none(), "request code {code} is listed twice");
        self.last = index;
        self
    }

    /// The code that was listed last is administration that changes something: each such request is logged with who asks
    /// for it, and only those of [`Router::changes_from`] may.
    pub fn changing(mut self) -> Router<S> {
        let line = self.lines.get_mut(self.last).and_then(Option::as_mut);
        line.expect("a code was listed before it is marked").is_changing = true;
        self
    }

    /// Who may ask for what is marked as [`Router::changing`], by the setting `key`; and the codes' names.
    pub fn changes_from(
        self,
        key: &'static str,
        is_allowed: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
        name_of: fn(i32) -> &'static str,
    ) -> Router<S> {
        Router { changes: Changes { key, is_allowed: Box::new(is_allowed), name_of }, ..self }
    }

    /// Who may ask for anything: looks at each request and at whether it is marked as [`Router::changing`].
    pub fn guarded_by(
        self,
        guard: impl Fn(&Peer, &Command, bool) -> Result<(), Fault> + Send + Sync + 'static,
    ) -> Router<S> {
        Router { guard: Some(Box::new(guard)), ..self }
    }

    /// What is said behind the refusal of a code that is not in the table, such as who serves it.
    pub fn hinting(self, hint: fn(i32) -> &'static str) -> Router<S> {
        Router { hint, ..self }
    }

    fn line(&self, code: i32) -> Option<&Line<S>> {
        self.lines.get(usize::try_from(code).ok()?)?.as_ref()
    }

    /// Work before each read's replies, which they may promise. It must not block.
    pub fn before_write(self, before_write: fn(&Arc<S>)) -> Router<S> {
        Router { before_write, ..self }
    }

    /// Work after each read's replies.
    pub fn after_batch(self, after_batch: fn(&Arc<S>)) -> Router<S> {
        Router { after_batch, ..self }
    }

    /// Work when a connection has ended.
    pub fn on_disconnect(self, disconnected: fn(&Arc<S>, &Arc<Peer>)) -> Router<S> {
        Router { disconnected, ..self }
    }
}

/// Hands a request to a pool, with what of it is kept until then.
fn on_pool<S, H>(
    pool: &Arc<Pool>,
    state: &Arc<S>,
    peer: &Arc<Peer>,
    command: Command,
    handler: fn(&Arc<S>, Request<H>) -> Result<Response, Fault>,
) -> Answer
where
    S: Send + Sync + 'static,
    H: DeserializeOwned + Send + 'static,
{
    let (state, bytes) = (Arc::clone(state), command.kept_bytes());
    let request = request(peer, command.kept());
    request.and_then(|request| pool.run(bytes, move || handler(&state, request))).into()
}

fn request<H: DeserializeOwned>(peer: &Arc<Peer>, command: Command) -> Result<Request<H>, Fault> {
    let header = command.header()?;
    Ok(Request { header, command, peer: Arc::clone(peer) })
}

impl<S: Send + Sync + 'static> Service for Router<S> {
    fn call(&self, peer: &Arc<Peer>, command: Command) -> Answer {
        let code = command.code;
        let Some(Line { handler, is_changing }) = self.line(code) else {
            tracing::warn!(remote = %peer.remote(), code, "unknown request code refused");
            return not_supported(code, (self.hint)(code)).into();
        };
        let handle = || {
            if let Some(guard) = &self.guard
                && let Err(fault) = guard(peer, &command, *is_changing)
            {
                return Answer::Now(fault.into());
            }
            // Behind the guard: what is logged as administration is what is done.
            if *is_changing && let Err(fault) = self.changes.check(peer, &command) {
                return Answer::Now(fault.into());
            }
            peer.let_in();
            handler(&self.state, peer, command)
        };
        // A handler that fails on one request must not take the connection's other requests with it.
        catch_unwind(AssertUnwindSafe(handle)).unwrap_or_else(|cause| {
            let cause = cause
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| cause.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "unknown cause".to_owned());
            tracing::error!(remote = %peer.remote(), code, cause, "request handler panicked");
            Answer::Now(panicked(&cause).into())
        })
    }

    fn before_write(&self) {
        (self.before_write)(&self.state);
    }

    fn after_batch(&self) {
        (self.after_batch)(&self.state);
    }

    fn disconnected(&self, peer: &Arc<Peer>) {
        (self.disconnected)(&self.state, peer);
    }
}
