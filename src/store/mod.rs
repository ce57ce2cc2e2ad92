//! Messages on disk (Java: `DefaultMessageStore`): one commit log for all topics, a consume queue for each
//! queue of a topic. Synchronous: it opens no socket and never awaits, but may hand back a future that others
//! await ([`FlushTicket`]).
//!
//! Lock order: append lock (`CommitLog`) → queue table (`Queues`). Dispatch lock → queue table → listener. The
//! append lock and the dispatch lock are held together by topic deletion only, dispatch first. No lock is held
//! while a file is written to disk, but for the space of a commit log's first bytes.

pub mod checkpoint;
mod clean;
pub mod commit_log;
pub mod consume_queue;
pub mod consume_queue_ext;
pub mod delay;
mod dispatch;
pub mod files;
mod flush;
mod get;
pub mod index;
pub mod lock_file;
pub mod mapped_file;
mod open;
mod put;
pub mod queues;
mod receive;
pub mod record;
mod recover;
mod replicas;
mod settings;
mod status;
mod summary;
mod warm_up;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::store::{BrokerRole, MessageStoreConfig};
use crate::protocol::topic;

use checkpoint::Checkpoint;
pub use clean::{DiskRatio, Gone};
use commit_log::CommitLog;
pub use consume_queue::Unit;
pub use consume_queue_ext::ExtUnit;
use delay::DelayLevels;
pub use dispatch::Written;
use dispatch::{Dispatcher, Left, Targets};
use flush::FlushQueue;
pub use flush::FlushTicket;
pub use get::{Found, GetResult, GetStatus, MessageFilter, QueueEntry, QueueView};
use index::Index;
use lock_file::Locks;
pub use mapped_file::MappedSlice;
pub use open::problems;
pub use put::{NewMessage, PutResult, PutStatus};
use queues::Queues;
pub use receive::{ReceiveError, Receiver};
pub use replicas::{ByteRate, Following as ReplicaFollowing, ReplicaTicket, Replicas, Slave};
pub use settings::Settings;
pub use status::StoreStatus;
use status::{Damage, NoRoom, Trouble};
use summary::LastRun;
pub use summary::Summary;
use warm_up::WarmUp;

/// Records that a caller gives their entries before it leaves the rest to the thread that stands by.
const DISPATCH_SHARE: usize = 4096;
/// How long the standing-by thread waits before it tries again what failed.
const DISPATCH_RETRY: Duration = Duration::from_millis(100);

/// Why the store does not open, or what went wrong on disk.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} is in use: another broker, ours or Java, runs on it. Stop that one, or give this one a \
             storePathRootDir and a storePathCommitLog of its own", .0.display())]
    Locked(PathBuf),
    #[error("cannot {what} {}: {source}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error("{} has {found} bytes, not the {expected} of mapedFileSizeCommitLog: set mapedFileSizeCommitLog as \
             the broker had it that wrote this log, or restore the file", path.display())]
    FileLength { path: PathBuf, found: u64, expected: usize },
    #[error("{} does not follow the file before it: very many files of the commit log are missing. Restore \
             them, or move this file and all later ones away", path.display())]
    FileGap { path: PathBuf },
    /// Only between a walk over the log and its caller.
    #[error("a consume queue lacks older entries")]
    QueueGap,
    #[error("{0}")]
    Config(String),
}

/// A message that has become readable.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    pub topic: &'a str,
    pub queue_id: i32,
    /// Number behind the newest entry of its queue.
    pub max_queue_offset: i64,
    pub tags_code: i64,
    /// Properties string.
    pub properties: &'a str,
}

/// Told of each message that has become readable. Called under the dispatch lock: it must be quick.
pub trait ArrivalListener: Send + Sync {
    /// The message has its entry.
    fn arriving(&self, arrival: &Arrival<'_>);

    /// Bits for the message's entry, where its queue keeps some: which subscriptions it is for.
    fn subscription_bits(&self, _topic: &str, _properties: &str) -> Vec<u8> {
        Vec::new()
    }
}

/// What may differ from an ordinary broker's store.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    pub clock: Clock,
    /// Physical memory, by which messages count as cold; `None` asks the system.
    pub memory_bytes: Option<u64>,
    /// Hears how many bytes of the log a recovery has walked, and how many it will walk at most.
    pub progress: Progress,
    /// How full the disks are.
    pub disk_ratio: DiskRatio,
    /// Walks the whole log, whatever is known of it.
    pub walks_all: bool,
}

/// Told of bytes done, and in all.
#[derive(Clone)]
pub struct Progress(pub Arc<dyn Fn(u64, u64) + Send + Sync>);

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

impl Default for Progress {
    fn default() -> Progress {
        Progress(Arc::new(|_, _| ()))
    }
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions {
            clock: Clock::system(),
            memory_bytes: None,
            progress: Progress::default(),
            disk_ratio: DiskRatio::default(),
            walks_all: false,
        }
    }
}

/// A data directory, open.
pub struct MessageStore {
    config: MessageStoreConfig,
    settings: Settings,
    disk_ratio: DiskRatio,
    clock: Clock,
    memory_bytes: u64,
    levels: DelayLevels,
    log: CommitLog,
    /// Bodies before this place were not held against their CRC at the start.
    verified_from: i64,
    queues: Queues,
    written: Arc<Written>,
    index: Option<Index>,
    checkpoint: Checkpoint,
    dispatcher: Mutex<Dispatcher>,
    /// Commit-log offset up to which messages have their entries; the dispatcher's position for all to see.
    dispatched_to: AtomicI64,
    listener: OnceLock<Arc<dyn ArrivalListener>>,
    flush: Arc<FlushQueue>,
    /// Commit-log offset up to which the log is on disk.
    flushed_to: AtomicI64,
    /// Start of the log that queues and index were last brought in line with.
    cleaned_to: AtomicI64,
    /// No more puts: shutting down.
    is_stopping: AtomicBool,
    /// Why puts are refused, if they are.
    trouble: Mutex<Trouble>,
    is_troubled: AtomicBool,
    damage: Damage,
    no_room: NoRoom,
    replicas: Arc<Replicas>,
    /// A queue or the index was not written to disk: a second try says nothing of what the first one lost.
    is_queue_unsure: AtomicBool,
    standby: Standby,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// None when the directory has been given back.
    locks: Mutex<Option<Locks>>,
}

/// Orders for the threads in the background.
#[derive(Default)]
struct Standby {
    state: Mutex<StandbyState>,
    changed: Condvar,
}

#[derive(Default)]
struct StandbyState {
    dispatch_is_due: bool,
    stop: bool,
}

/// Whether a topic's name may stand in a path and in a record.
fn is_topic(name: &str) -> bool {
    topic::check_topic(name).is_ok()
}

impl MessageStore {
    /// Opens a data directory: takes its locks, finds the log's end, brings the queues in line, and starts the
    /// threads that write to disk.
    pub fn open(config: MessageStoreConfig, options: OpenOptions) -> Result<Arc<MessageStore>, Error> {
        let levels = DelayLevels::parse(&config.message_delay_level).map_err(Error::Config)?;
        let root = PathBuf::from(&config.store_path_root_dir);
        std::fs::create_dir_all(&root).map_err(|source| Error::Io {
            what: "create",
            path: root.clone(),
            source,
        })?;
        let commit_log = Path::new(&config.store_path_commit_log);
        let locks = Locks::take(&root, commit_log)?;
        let abort = root.join("abort");
        let last_run = LastRun::of(&abort);
        let how = if last_run == LastRun::Clean { "normally" } else { "abnormally" };
        tracing::info!(?last_run, "last shutdown {how}");
        let summary = Summary::load(&root);
        let checkpoint = Checkpoint::open(&root.join("checkpoint"), options.clock.now_ms())?;
        let files = open::open_log(commit_log, config.maped_file_size_commit_log)?;
        let queues = open::open_queues(&config)?;
        let index = open::open_index(&config, &files, &checkpoint, last_run == LastRun::Clean)?;
        let targets = Targets {
            queues: &queues,
            index: index.as_ref(),
            levels: &levels,
            listener: None,
            received: None,
        };
        let before = open::Before { last_run, summary, walks_all: options.walks_all };
        let progress = &*options.progress.0;
        let opened = open::recover_log(&config, &files, &checkpoint, targets, &before, progress)?;
        let end = opened.end;
        tracing::info!("load over, and the max phy offset = {end}");
        LastRun::begin(&abort).map_err(|source| Error::Io { what: "create", path: abort, source })?;
        open::sync_names(&files)?;
        let memory_bytes = options.memory_bytes.unwrap_or_else(|| rustix::system::sysinfo().totalram as u64);
        let store = Arc::new(MessageStore {
            settings: Settings::new(&config),
            disk_ratio: options.disk_ratio,
            cleaned_to: AtomicI64::new(i64::MIN),
            clock: options.clock,
            memory_bytes,
            levels,
            log: CommitLog::new(files, WarmUp::of(&config)),
            verified_from: opened.verified_from,
            queues,
            written: Arc::default(),
            index,
            checkpoint,
            dispatcher: Mutex::new(Dispatcher::new(end)),
            dispatched_to: AtomicI64::new(end),
            listener: OnceLock::new(),
            flush: Arc::default(),
            flushed_to: AtomicI64::new(opened.flushed_to),
            is_stopping: AtomicBool::new(false),
            trouble: Mutex::default(),
            is_troubled: AtomicBool::new(false),
            damage: Damage::default(),
            no_room: NoRoom::default(),
            replicas: Arc::default(),
            is_queue_unsure: AtomicBool::new(false),
            standby: Standby::default(),
            threads: Mutex::default(),
            locks: Mutex::new(Some(locks)),
            config,
        });
        store.start_threads()?;
        Ok(store)
    }

    fn start_threads(self: &Arc<MessageStore>) -> Result<(), Error> {
        type Body = fn(&MessageStore);
        let bodies: [(&str, Body); 5] = [
            ("store-allocate", |store| store.log.allocate_ahead()),
            ("store-flush", MessageStore::keep_flushing),
            ("store-dispatch", MessageStore::stand_by),
            ("store-queues", MessageStore::keep_flushing_queues),
            ("store-clean", MessageStore::keep_clean),
        ];
        for (name, body) in bodies {
            let store = Arc::clone(self);
            let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || body(&store));
            let thread =
                thread.map_err(|error| Error::Config(format!("thread {name} not started: {error}")))?;
            self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(())
    }

    /// Who is to be told of arriving messages; the first one stays.
    pub fn set_arrival_listener(&self, listener: Arc<dyn ArrivalListener>) {
        if self.listener.set(listener).is_err() {
            tracing::error!("the store has an arrival listener already");
        }
    }

    /// The slaves that follow this store.
    pub fn replicas(&self) -> &Replicas {
        &self.replicas
    }

    /// What came into the log since the start.
    pub fn written(&self) -> &Arc<Written> {
        &self.written
    }

    /// Tells those who send the log on to slaves that there is more of it. With all that one read of a connection has
    /// brought: a wake-up, and a frame, for each message cost as much as the message.
    pub fn wake_replicas(&self) {
        self.replicas.wake(self.log.end());
    }

    /// Bytes of a file of the commit log.
    pub fn commit_log_file_bytes(&self) -> i64 {
        self.log.files().file_bytes() as i64
    }

    /// Milliseconds since 1970, by the store's clock.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Settings that may have changed since the start.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The store's settings at its start.
    pub fn config(&self) -> &MessageStoreConfig {
        &self.config
    }

    /// Gives the messages that were appended their places in the queues, or leaves it to somebody who is just
    /// doing that. To be called after appending, when nothing waits for the caller any more.
    pub fn dispatch(&self) {
        self.wake_replicas();
        loop {
            if self.dispatched_to.load(Ordering::Acquire) >= self.log.end() {
                return;
            }
            let mut dispatcher = match self.dispatcher.try_lock() {
                Ok(dispatcher) => dispatcher,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                // The holder looks at the log's end once more after it has let go (below, and in `with_dispatcher`):
                // the fences make sure that either it sees our message then, or we would have found the lock free.
                Err(TryLockError::WouldBlock) => {
                    fence(Ordering::SeqCst);
                    match self.dispatcher.try_lock() {
                        Ok(dispatcher) => dispatcher,
                        Err(_) => return,
                    }
                }
            };
            let is_done = self.dispatch_share(&mut dispatcher);
            drop(dispatcher);
            if !is_done {
                self.ask_standby();
                return;
            }
            fence(Ordering::SeqCst);
        }
    }

    /// The same for callers who need the entries of all that has been appended so far: waits for whoever is at it
    /// already. Ends without them where one cannot be written.
    pub fn dispatch_all(&self) {
        self.wake_replicas();
        let end = self.log.end();
        while self.dispatched_to.load(Ordering::Acquire) < end {
            let is_done = self.with_dispatcher(|dispatcher| self.dispatch_share(dispatcher));
            if is_done || self.trouble().dispatch.is_some() {
                return;
            }
        }
    }

    /// One caller's share of dispatching; whether the log's end was reached.
    fn dispatch_share(&self, dispatcher: &mut Dispatcher) -> bool {
        let targets = Targets {
            queues: &self.queues,
            index: self.index.as_ref(),
            levels: &self.levels,
            listener: self.listener.get().map(|listener| &**listener),
            received: (self.config.broker_role == BrokerRole::Slave).then_some(&*self.written),
        };
        let left = dispatcher.run(&self.log, &targets, DISPATCH_SHARE);
        self.dispatched_to.store(dispatcher.position(), Ordering::Release);
        self.wake_flush();
        match left {
            Ok(left) => {
                self.set_trouble(|trouble| trouble.dispatch = None);
                left == Left::Nothing
            }
            Err(error) => {
                self.set_trouble(|trouble| {
                    if trouble.dispatch.is_none() {
                        tracing::error!(%error, "entry of a consume queue or the index not written; no messages are taken until it is");
                    }
                    trouble.dispatch = Some(error.to_string());
                });
                false
            }
        }
    }

    fn ask_standby(&self) {
        self.standby.state.lock().unwrap_or_else(PoisonError::into_inner).dispatch_is_due = true;
        self.standby.changed.notify_all();
    }

    /// The body of the thread that dispatches what callers leave over.
    fn stand_by(&self) {
        loop {
            let state = self.standby.state.lock().unwrap_or_else(PoisonError::into_inner);
            let idle = |state: &mut StandbyState| !state.dispatch_is_due && !state.stop;
            // The time-out makes sure that nothing depends on a caller who forgot.
            let (mut state, _) = self
                .standby
                .changed
                .wait_timeout_while(state, DISPATCH_RETRY, idle)
                .unwrap_or_else(PoisonError::into_inner);
            if state.stop {
                return;
            }
            state.dispatch_is_due = false;
            drop(state);
            if self.dispatched_to.load(Ordering::Acquire) < self.log.end() {
                self.with_dispatcher(|dispatcher| self.dispatch_share(dispatcher));
            }
        }
    }

    /// Waits for the dispatcher, and gives the messages that came meanwhile their places: who appended them has
    /// found it taken, and left them to its holder.
    fn with_dispatcher<T>(&self, work: impl FnOnce(&mut Dispatcher) -> T) -> T {
        let result = work(&mut self.dispatcher.lock().unwrap_or_else(PoisonError::into_inner));
        fence(Ordering::SeqCst);
        // While an entry cannot be written the thread that stands by tries again now and then, and nobody else need.
        if self.trouble().dispatch.is_none() {
            self.dispatch();
        }
        result
    }

    /// The delay levels.
    pub fn delay_levels(&self) -> &DelayLevels {
        &self.levels
    }

    /// Whether the append lock has been held for longer than a healthy disk ever needs.
    pub fn is_page_cache_busy(&self) -> bool {
        let held_ms = self.append_locked_ms();
        // Java: a time that long is a clock that was set.
        held_ms > self.settings.os_page_cache_busy_time_out_mills() && held_ms < 10_000_000
    }

    /// For how long the append lock is held, ms; 0 where it is free (Java: `lockTimeMills`).
    pub fn append_locked_ms(&self) -> i64 {
        self.log.locked_since_ms().map_or(0, |since| (self.clock.now_ms() - since).max(0))
    }

    /// Offset behind the newest message.
    pub fn max_commit_log_offset(&self) -> i64 {
        self.log.end()
    }

    /// Offset of the oldest byte of the log; -1 in an empty store.
    pub fn min_commit_log_offset(&self) -> i64 {
        self.log.start()
    }

    /// Offset up to which the log is on disk.
    pub fn flushed_offset(&self) -> i64 {
        self.flushed_to.load(Ordering::Acquire)
    }

    /// Bytes of the log that have no entries yet.
    pub fn dispatch_behind_bytes(&self) -> i64 {
        self.log.end() - self.dispatched_to.load(Ordering::Acquire)
    }

    /// Stops taking messages, brings everything to the disk and gives the directory back.
    pub fn shutdown(&self) -> Result<(), Error> {
        if self.is_stopping.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        // An append that had passed its check before the flag was set is over when the lock is free.
        self.log.while_locked(|| ());
        self.dispatch_all();
        self.stop_threads();
        if self.trouble().flush.is_none() {
            self.flush_log();
        }
        // Perhaps just now: without the log on disk nothing may vouch for it.
        if let Some(reason) = &self.trouble().flush {
            return Err(Error::Config(format!("the commit log was not written to disk: {reason}")));
        }
        self.flush_queues(0)?;
        if self.is_queue_unsure.load(Ordering::Acquire) {
            return Err(Error::Config("consume queues or index were not written to disk".to_owned()));
        }
        if self.dispatch_behind_bytes() == 0 {
            let abort = Path::new(&self.config.store_path_root_dir).join("abort");
            std::fs::remove_file(&abort).map_err(|source| Error::Io {
                what: "delete",
                path: abort.clone(),
                source,
            })?;
            tracing::info!("{} delete OK", abort.display());
        }
        self.unlock();
        Ok(())
    }

    /// Ends the threads and nothing else: what a killed process leaves behind.
    pub fn abandon(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        self.stop_threads();
        self.unlock();
    }

    /// Others may have the directory, although somebody may still read of what was here.
    fn unlock(&self) {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn stop_threads(&self) {
        self.standby.state.lock().unwrap_or_else(PoisonError::into_inner).stop = true;
        self.standby.changed.notify_all();
        self.flush.stop();
        self.log.stop_allocating();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the store had panicked");
            }
        }
    }
}

impl fmt::Debug for MessageStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageStore").field("root", &self.config.store_path_root_dir).finish_non_exhaustive()
    }
}
