//! TLS as 4.3.0 has it (Java: `TlsHelper`, `FileWatchService`): the certificates and keys that the properties
//! `tls.*` name, read at the start and again when a file changes, for the connections that come in and for those
//! that we make. The records themselves are `Session`'s; which connections use it is decided in
//! [`super::connection`]. Replication never does, as in 4.3.0.

mod load;
mod self_signed;
mod session;
mod settings;
mod trust;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use self::load::{ClientConfig, ServerConfig, Snapshot};
pub(super) use self::session::{Session, advice};
pub use self::settings::{ClientAuth, TlsMode, TlsSettings};

/// As often as 4.3.0 looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{key}={value} is not one of {expected}")]
    Value { key: &'static str, value: String, expected: &'static str },
    #[error("{key}={path} cannot be read: {reason}. Give the path of a file that this user may read")]
    File { key: &'static str, path: String, reason: String },
    #[error("{key}={path} holds no {what} in PEM form (`-----BEGIN …-----`)")]
    Pem { key: &'static str, path: String, what: &'static str },
    #[error(
        "{key}={path} is encrypted, which is not supported: decrypt it once with \
         `openssl pkey -in {path} -out {path}.plain`, let only this user read that file, and name it in {key}"
    )]
    Encrypted { key: &'static str, path: String },
    #[error("{given} is set and {missing} is not: a certificate and its key are both needed")]
    Half { given: &'static str, missing: &'static str },
    #[error("the certificate {cert} does not belong to the key {key}: replace both")]
    Mismatch { cert: String, key: String },
    #[error("{switch}=true needs {key}, a PEM file of the certificates to trust")]
    NoTrust { switch: &'static str, key: &'static str },
    #[error("{key}={path} cannot be used: {reason}")]
    Unusable { key: &'static str, path: String, reason: String },
    #[error(
        "tls.server.mode=enforcing needs tls.server.certPath and tls.server.keyPath, as system properties or in \
         {0}; a certificate made for this run only comes with tls.test.mode.enable=true"
    )]
    NoCertificate(String),
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
    #[error("no random numbers for a key")]
    Random,
    #[error("the handshake failed: {0}; {advice}", advice = session::advice(.0))]
    Handshake(rustls::Error),
    #[error("the handshake failed: {0}")]
    Io(#[from] io::Error),
    #[error("the handshake failed: {0}")]
    Peer(&'static str),
}

/// What was made of files, and what they were then.
struct Watched<C> {
    settings: TlsSettings,
    build: fn(&Snapshot) -> Result<C, TlsError>,
    what: &'static str,
    live: RwLock<(Snapshot, C)>,
}

impl<C: Clone + Send + Sync + 'static> Watched<C> {
    fn current(&self) -> C {
        self.live.read().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// Reads the files; where they have changed, new connections go by what they are now. What cannot be used
    /// changes nothing, as in the moment when only one of two files has been replaced. Blocks.
    fn refresh(&self) {
        let snapshot = Snapshot::take(&self.settings);
        if self.live.read().unwrap_or_else(PoisonError::into_inner).0 == snapshot {
            return;
        }
        let built = (self.build)(&snapshot);
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        match built {
            Ok(built) => {
                live.1 = built;
                tracing::info!("TLS files changed: new {} connections use them", self.what);
            }
            Err(error) => {
                tracing::warn!(%error, "TLS files changed and cannot be used: the old ones stay in use");
            }
        }
        live.0 = snapshot;
    }
}

/// TLS of a server's ports.
pub struct ServerTls {
    mode: TlsMode,
    /// None without a certificate.
    watched: Watched<Option<Arc<ServerConfig>>>,
}

impl ServerTls {
    /// Reads what the settings name. In permissive mode a server without a usable certificate serves plain
    /// connections only. Blocks.
    pub fn open(settings: &TlsSettings) -> Result<Arc<ServerTls>, TlsError> {
        let mode = settings.mode()?;
        settings.check_switches()?;
        tracing::info!("Server is running in TLS {} mode", mode.name());
        let snapshot = match mode {
            TlsMode::Disabled => Snapshot::default(),
            TlsMode::Permissive | TlsMode::Enforcing => Snapshot::take(settings),
        };
        let config = match load::server(&snapshot) {
            Ok(None) if mode == TlsMode::Enforcing => {
                return Err(TlsError::NoCertificate(settings.config_file().to_owned()));
            }
            Ok(config) => config,
            Err(error) if mode == TlsMode::Enforcing => return Err(error),
            Err(error) => {
                tracing::error!(%error, "TLS is not available: plain connections only");
                None
            }
        };
        if config.is_some() {
            snapshot.log();
            tracing::info!("SSLContext created for server");
        }
        let live = RwLock::new((snapshot, config));
        let watched = Watched { settings: settings.clone(), build: load::server, what: "incoming", live };
        Ok(Arc::new(ServerTls { mode, watched }))
    }

    /// No TLS: a connection that begins with it is closed.
    pub fn disabled() -> Arc<ServerTls> {
        let settings = TlsSettings::default();
        let live = RwLock::new((Snapshot::default(), None));
        let watched = Watched { settings, build: load::server, what: "incoming", live };
        Arc::new(ServerTls { mode: TlsMode::Disabled, watched })
    }

    /// Which connections are taken.
    pub fn mode(&self) -> TlsMode {
        self.mode
    }

    /// A new connection's TLS; none without a certificate.
    pub(super) fn session(&self) -> Result<Option<Session>, rustls::Error> {
        self.watched.current().map(Session::server).transpose()
    }

    /// Looks for changed files until it is dropped.
    pub async fn keep_fresh(self: Arc<Self>) {
        if self.mode != TlsMode::Disabled {
            keep_fresh(self, |tls| tls.watched.refresh()).await;
        }
    }
}

/// TLS of the connections that we make.
pub struct ClientTls {
    watched: Watched<Result<Arc<ClientConfig>, String>>,
}

impl ClientTls {
    /// Reads what the settings name. Blocks.
    pub fn open(settings: &TlsSettings) -> Result<Arc<ClientTls>, TlsError> {
        let snapshot = Snapshot::take(settings);
        let config = load::client(&snapshot)?;
        Ok(ClientTls::of(settings, snapshot, Ok(config)))
    }

    /// For tools, as the environment says: none where `tls.enable` is not set. What cannot be read is told by
    /// the first connection. Blocks.
    pub fn of_environment() -> Option<Arc<ClientTls>> {
        let settings = TlsSettings::of_environment(|name| std::env::var(name).ok());
        if !settings.is_asked_of_clients() {
            return None;
        }
        let snapshot = Snapshot::take(&settings);
        let config = load::client(&snapshot).map_err(|error| error.to_string());
        Some(ClientTls::of(&settings, snapshot, config))
    }

    fn of(
        settings: &TlsSettings,
        snapshot: Snapshot,
        config: Result<Arc<ClientConfig>, String>,
    ) -> Arc<ClientTls> {
        let build = |snapshot: &Snapshot| load::client(snapshot).map(Ok);
        let live = RwLock::new((snapshot, config));
        Arc::new(ClientTls { watched: Watched { settings: settings.clone(), build, what: "outgoing", live } })
    }

    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, String> {
        self.watched.current()
    }

    /// Looks for changed files until it is dropped.
    pub async fn keep_fresh(self: Arc<Self>) {
        keep_fresh(self, |tls| tls.watched.refresh()).await;
    }
}

async fn keep_fresh<T: Send + Sync + 'static>(tls: Arc<T>, refresh: fn(&T)) {
    let mut due = interval(LOOK_EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        let tls = Arc::clone(&tls);
        if let Err(error) = tokio::task::spawn_blocking(move || refresh(&tls)).await {
            tracing::error!(%error, "TLS files not looked at");
        }
    }
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerTls").field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientTls").finish_non_exhaustive()
    }
}
