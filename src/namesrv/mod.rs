//! The name server (Java: `NamesrvController`): which broker serves which topic, as the brokers themselves
//! register it, and a small table of keys and values. Routes live in memory only.

mod check;
pub mod kv_config;
pub mod missing;
mod processor;
pub mod route_info;
mod watched;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

pub use self::check::{file_problems, problems};
use self::kv_config::KvConfig;
use self::missing::Missing;
use self::route_info::RouteInfo;
use crate::clock::Clock;
use crate::config::allowed_addrs::AllowedAddrs;
use crate::config::file::FileError;
use crate::config::namesrv::NamesrvConfig;
use crate::config::remoting::NettyServerConfig;
use crate::config::{self, Changes, Entry, Problem, ProblemKind};
use crate::http;
use crate::remoting::server::{Bound, Server, ServerOptions};
use crate::remoting::tls::{ServerTls, TlsError, TlsSettings};
use crate::remoting::waiting::WaitBudget;
use crate::remoting::{BindError, SerializeType};

const SCAN_FIRST_AFTER: Duration = Duration::from_secs(5);
const SCAN_EVERY: Duration = Duration::from_secs(10);

/// What a name server is started with.
#[derive(Debug, Clone)]
pub struct Configs {
    pub namesrv: NamesrvConfig,
    pub server: NettyServerConfig,
    /// The operator's file (`-c`), to which changes at run time are written.
    pub file: Option<PathBuf>,
    /// Where to listen.
    pub bind_ip: IpAddr,
    /// The header form of replies.
    pub serialize_type: SerializeType,
    /// Where `httpPort` is taken, one of the next ports will do.
    pub http_or_next: bool,
    /// The properties `tls.*`.
    pub tls: TlsSettings,
}

impl Default for Configs {
    fn default() -> Configs {
        Configs {
            namesrv: NamesrvConfig::default(),
            server: NettyServerConfig::for_namesrv(),
            file: None,
            bind_ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            serialize_type: SerializeType::Json,
            http_or_next: false,
            tls: TlsSettings::default(),
        }
    }
}

/// Why a name server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("listenPort={0} is no port")]
    Port(i32),
    #[error("adminAllowedAddrs: {0}")]
    AdminAllowedAddrs(String),
    #[error("brokerAllowedAddrs: {0}")]
    BrokerAllowedAddrs(String),
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    #[error(transparent)]
    KvConfig(#[from] FileError),
}

/// All that the handlers share.
pub struct Namesrv {
    routes: RouteInfo,
    missing: Missing,
    kv: KvConfig,
    clock: Clock,
    /// Who may register; empty for everybody.
    broker_allowed: AllowedAddrs,
    configs: Mutex<Configs>,
}

impl Namesrv {
    fn configs(&self) -> MutexGuard<'_, Configs> {
        self.configs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether routes carry their topic's order configuration.
    fn gives_order_conf(&self) -> bool {
        self.configs().namesrv.order_message_enable
    }

    /// Every setting, a line each (code 319).
    fn dump(&self) -> String {
        let configs = self.configs();
        config::dump(&[&configs.namesrv, &configs.server])
    }

    /// Changes settings, all or none, here and in the operator's file. Blocks.
    fn update(&self, entries: &[Entry]) -> Result<Changes, UpdateError> {
        let mut configs = self.configs();
        let mut next = configs.clone();
        let mut changes = config::update(&mut [&mut next.namesrv, &mut next.server], entries)
            .map_err(|mut problems| UpdateError::Refused(Box::new(problems.swap_remove(0))))?;
        if changes.keys.is_empty() {
            return Ok(changes);
        }
        let spare = PathBuf::from(&next.namesrv.config_store_path);
        changes.remark =
            config::settings_file::keep(next.file.as_deref(), Some(&spare), &changes.keys, entries)?;
        *configs = next;
        Ok(changes)
    }
}

/// Why settings are not changed.
#[derive(Debug, thiserror::Error)]
enum UpdateError {
    #[error("{0}")]
    Refused(Box<Problem>),
    #[error(transparent)]
    File(#[from] FileError),
}

impl UpdateError {
    /// Whether one of the keys may never change at run time.
    fn is_forbidden(&self) -> bool {
        matches!(self, UpdateError::Refused(problem) if problem.kind == ProblemKind::Fixed)
    }
}

/// A name server that runs.
pub struct Running {
    namesrv: Arc<Namesrv>,
    server: Server,
    http: Option<http::Server>,
    jobs: JoinSet<()>,
}

/// Loads the key-value table and listens.
pub async fn start(configs: Configs) -> Result<Running, StartError> {
    start_at(configs, Clock::system()).await
}

async fn start_at(configs: Configs, clock: Clock) -> Result<Running, StartError> {
    for line in config::dump(&[&configs.namesrv, &configs.server]).lines() {
        tracing::info!("{line}");
    }
    let listen_port = configs.server.listen_port;
    let port = u16::try_from(listen_port).map_err(|_| StartError::Port(listen_port))?;
    let allowed = &configs.namesrv.admin_allowed_addrs;
    let allowed = AllowedAddrs::parse(allowed).map_err(StartError::AdminAllowedAddrs)?;
    let broker_allowed = &configs.namesrv.broker_allowed_addrs;
    let broker_allowed = AllowedAddrs::parse(broker_allowed).map_err(StartError::BrokerAllowedAddrs)?;
    let tls = ServerTls::open(&configs.tls)?;
    let kv = KvConfig::open(PathBuf::from(&configs.namesrv.kv_config_path))?;
    let bind_failed = |error| BindError { what: "listenPort", port, key: "listenPort", error };
    let bound = Bound::at(SocketAddr::new(configs.bind_ip, port)).map_err(bind_failed)?;
    let options = ServerOptions {
        tls: Arc::clone(&tls),
        ..ServerOptions::of(&configs.server, configs.serialize_type, None)
    };
    let budget = WaitBudget::of(&configs.server);
    let (http_port, http_addr) = (configs.namesrv.http_port, configs.namesrv.http_bind_addr.clone());
    let place = http::Place::of(&http_addr, http_port, configs.http_or_next);
    let namesrv = Arc::new(Namesrv {
        routes: RouteInfo::default(),
        missing: Missing::default(),
        kv,
        clock,
        broker_allowed,
        configs: Mutex::new(configs),
    });
    let router = processor::router(Arc::clone(&namesrv), allowed, &budget);
    let server = bound.serve(Arc::new(router), options).map_err(bind_failed)?;
    let watch = Arc::new(watched::Watch::new(&namesrv, server.addr(), server.counter()));
    let start_http = |place: http::Place| {
        let key = "httpPort, 0 for none";
        let bind_failed = |error| BindError { what: "httpPort", port: place.port, key, error };
        http::Server::start(place, watch).map_err(bind_failed)
    };
    let http = place.map(start_http).transpose()?;
    let mut jobs = JoinSet::new();
    jobs.spawn(scan(Arc::clone(&namesrv)));
    jobs.spawn(tls.keep_fresh());
    tracing::info!(addr = %server.addr(), "name server listens");
    Ok(Running { namesrv, server, http, jobs })
}

/// Drops brokers that have been silent for too long.
async fn scan(namesrv: Arc<Namesrv>) {
    let mut due = interval_at(Instant::now() + SCAN_FIRST_AFTER, SCAN_EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        for peer in namesrv.routes.expire(namesrv.clock.now_ms()) {
            peer.close();
        }
    }
}

impl Running {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// Where metrics and the page are, if anywhere.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(http::Server::addr)
    }

    /// The routes, for a program that runs more than a name server.
    pub fn routes(&self) -> &RouteInfo {
        &self.namesrv.routes
    }

    /// How it is, in a few words.
    pub fn state(&self) -> String {
        let connections = self.server.connections();
        let topics = self.namesrv.routes.all_topics().topic_list.len();
        format!("name server with {connections} connections and routes of {topics} topics")
    }

    /// Stops listening and ends all connections.
    pub async fn stop(mut self) {
        tracing::info!("shutdown hook was invoked, 1 times.");
        let began = Instant::now();
        self.jobs.abort_all();
        self.server.stop().await;
        let took_ms = began.elapsed().as_millis();
        tracing::info!("shutdown hook done, consuming time total(ms): {took_ms}");
    }
}
