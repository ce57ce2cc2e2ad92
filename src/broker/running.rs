//! A broker's start, its periodic jobs and its stop (Java: `BrokerController.initialize`, `start`, `shutdown`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, ToSocketAddrs};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::acl::{self, Acl};
use super::address::{self, Choice, Told};
use super::consumer_filter::ConsumerFilters;
use super::consumer_offset::ConsumerOffsets;
use super::consumers::Consumers;
use super::live::{Configs, Live};
use super::long_polling::Holds;
use super::processor::{self, Pools, end_transaction};
use super::producers::Producers;
use super::queue_lock::QueueLocks;
use super::register::{Identity, Mode, Registrar};
use super::replication::{self, Allowed, Following};
use super::schedule::{self, Schedule};
use super::spread::{self, Spread};
use super::statistics::Statistics;
use super::stats::Stats;
use super::subscription_group::SubscriptionGroups;
use super::topic_config::{BuiltIn, TopicTable};
use super::transaction::Transactions;
use super::watched::Watch;
use super::{Broker, Notes, REGISTER_WAIT};
use crate::clock::Clock;
use crate::config::allowed_addrs::AllowedAddrs;
use crate::config::broker::BrokerConfig;
use crate::config::file::FileError;
use crate::config::remoting::NettyServerConfig;
use crate::config::store::MessageStoreConfig;
use crate::filter::BloomFilter;
use crate::ha::{self, Timing};
use crate::http;
use crate::remoting::server::{Bound, Server, ServerOptions};
use crate::remoting::tls::{ClientTls, ServerTls, TlsError};
use crate::remoting::waiting::WaitBudget;
use crate::remoting::{BindError, Waiting};
use crate::store::{Arrival, ArrivalListener, MessageStore, OpenOptions, StoreStatus};

const FIRST_JOB_AFTER: Duration = Duration::from_secs(10);
const SCAN_CLIENTS_EVERY: Duration = Duration::from_secs(10);
const FILTERS_EVERY: Duration = Duration::from_secs(10);
const BEHIND_EVERY: Duration = Duration::from_secs(60);
/// What a slave may lack without a warning.
const SLAVE_BEHIND_BYTES: i64 = 16 * 1024 * 1024;
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// Java's file watch: 500 ms.
const ACCOUNTS_EVERY: Duration = Duration::from_millis(500);
const REGISTER_PAUSE: Duration = Duration::from_millis(100);

/// Why a broker does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Table(#[from] FileError),
    #[error("the store cannot be opened: {0}")]
    Store(#[from] crate::store::Error),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("{key}={value}: {reason}")]
    Config { key: &'static str, value: String, reason: String },
    #[error("no accounts (aclEnable=true): {0}")]
    Accounts(#[from] acl::LoadError),
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    #[error("the start was interrupted: {0}")]
    Interrupted(#[from] tokio::task::JoinError),
}

/// A broker that runs.
pub struct Running {
    broker: Arc<Broker>,
    addr: SocketAddr,
    vip_addr: SocketAddr,
    servers: Vec<Server>,
    jobs: JoinSet<()>,
    master: ha::Master,
    slave: Option<ha::Slave>,
    http: Option<http::Server>,
    choice: Option<Choice>,
}

/// Loads the tables, opens the store, listens and registers.
pub async fn start(mut configs: Configs) -> Result<Running, StartError> {
    let choice = fill_in_addresses(&mut configs)?;
    let notes = Arc::new(Notes::default());
    let clock = Clock::system();
    let loading = {
        let (configs, notes, clock) = (configs.clone(), Arc::clone(&notes), clock.clone());
        tokio::task::spawn_blocking(move || {
            // Before the store: what is wrong here is told at once.
            let tls = Tls::open(&configs)?;
            Ok::<_, StartError>((tls, Tables::load(&configs, &notes, clock)?))
        })
    };
    let (tls, tables) = loading.await??;
    let store = Arc::clone(&tables.store);
    if let Some(full) = full_disk(&configs.store, &store.status()) {
        // The store's own thread logs it.
        configs.doubts.tell(&full);
    }
    let opened = IfAbandoned::new(move || {
        close_store(&store);
    });
    let running = listen(configs, tls, tables, notes, clock).await?;
    opened.never();
    Ok(Running { choice, ..running })
}

/// What is to be done where a start fails, or is waited for no longer: it is dropped then.
struct IfAbandoned<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> IfAbandoned<F> {
    fn new(close: F) -> IfAbandoned<F> {
        IfAbandoned(Some(close))
    }

    fn never(mut self) {
        self.0 = None;
    }
}

impl<F: FnOnce()> Drop for IfAbandoned<F> {
    /// Blocks, for as long as the disk takes for what has come meanwhile.
    fn drop(&mut self) {
        if let Some(close) = self.0.take() {
            close();
        }
    }
}

/// Writes out tables and messages. Blocks. Gives whether all went well.
fn close(broker: &Broker) -> bool {
    let saved =
        broker.persist() & broker.close_offsets() & broker.persist_filters() & broker.persist_delay_offsets();
    close_store(&broker.store) & saved
}

fn close_store(store: &MessageStore) -> bool {
    let closed = store.shutdown();
    if let Err(error) = &closed {
        tracing::error!(%error, "store not closed cleanly");
    }
    closed.is_ok()
}

/// TLS of the broker's ports, and of its own connections where `useTLS` is set.
struct Tls {
    server: Arc<ServerTls>,
    client: Option<Arc<ClientTls>>,
}

impl Tls {
    fn open(configs: &Configs) -> Result<Tls, TlsError> {
        let client = configs.client.use_tls.then(|| ClientTls::open(&configs.tls)).transpose()?;
        Ok(Tls { server: ServerTls::open(&configs.tls)?, client })
    }
}

/// What is read from the disk before anyone is listened to.
struct Tables {
    topics: TopicTable,
    offsets: ConsumerOffsets,
    groups: SubscriptionGroups,
    filters: Arc<ConsumerFilters>,
    schedule: Schedule,
    store: Arc<MessageStore>,
}

impl Tables {
    /// In Java's order (store.md 1.8).
    fn load(configs: &Configs, notes: &Arc<Notes>, clock: Clock) -> Result<Tables, StartError> {
        let folder = Path::new(&configs.store.store_path_root_dir).join("config");
        let topic_notes = Arc::clone(notes);
        let topics_changed = move || {
            topic_notes.save.notify_one();
            topic_notes.register.notify_one();
        };
        let built_in = built_in(&configs.broker);
        let topics = TopicTable::open(folder.join("topics.json"), &built_in, clock.clone(), topics_changed)?;
        let offset_notes = Arc::clone(notes);
        let offsets_grown = move || offset_notes.save.notify_one();
        let offsets = ConsumerOffsets::open(folder.join("consumerOffset.json"), offsets_grown)?;
        let group_notes = Arc::clone(notes);
        let groups_changed = move || group_notes.save.notify_one();
        let auto_create = configs.broker.auto_create_subscription_group;
        let groups = SubscriptionGroups::open(
            folder.join("subscriptionGroup.json"),
            auto_create,
            clock.clone(),
            groups_changed,
        )?;
        let bloom = bloom_filter(&configs.broker);
        let filters = ConsumerFilters::open(folder.join("consumerFilter.json"), bloom, clock.clone())?;
        let schedule = Schedule::open(folder.join("delayOffset.json"))?;
        let progress = configs.progress.clone();
        let options = OpenOptions { clock, progress, ..OpenOptions::default() };
        let store = MessageStore::open(configs.store.clone(), options)?;
        Ok(Tables { topics, offsets, groups, filters: Arc::new(filters), schedule, store })
    }
}

fn built_in(config: &BrokerConfig) -> BuiltIn {
    BuiltIn {
        broker_name: config.broker_name.clone(),
        broker_cluster_name: config.broker_cluster_name.clone(),
        default_topic_queue_nums: config.default_topic_queue_nums,
        auto_create_topic_enable: config.auto_create_topic_enable,
        cluster_topic_enable: config.cluster_topic_enable,
        broker_topic_enable: config.broker_topic_enable,
        trace_topic_enable: config.trace_topic_enable,
    }
}

/// A disk that is too full for messages.
fn full_disk(config: &MessageStoreConfig, status: &StoreStatus) -> Option<String> {
    let limit = config.disk_space_warning_level_ratio;
    let log = (config.store_path_commit_log.as_str(), status.commit_log_ratio);
    let root = (config.store_path_root_dir.as_str(), status.consume_queue_ratio);
    let (path, ratio) = [log, root].into_iter().find(|(_, ratio)| *ratio > f64::from(limit) / 100.0)?;
    Some(format!(
        "the disk of {path} is {:.0} % full: no messages are taken until there is space; the limit is \
         diskSpaceWarningLevelRatio={limit}",
        ratio * 100.0
    ))
}

/// Fills in the addresses that the operator has not given, and says which one was chosen.
pub fn fill_in_addresses(configs: &mut Configs) -> Result<Option<Choice>, StartError> {
    let broker = &mut configs.broker;
    let mut choice = None;
    for (key, setting) in [("brokerIP1", &mut broker.broker_ip1), ("brokerIP2", &mut broker.broker_ip2)] {
        match address::resolve(setting) {
            Ok(Cow::Borrowed(_)) => {}
            Ok(Cow::Owned(ip)) => *setting = ip,
            Err(reason) => return Err(StartError::Config { key, value: setting.clone(), reason }),
        }
    }
    if broker.broker_ip1.is_empty() {
        let chosen = choice.insert(address::detect(&broker.namesrv_addr));
        if chosen.is_loopback() {
            tracing::warn!("{chosen}");
        }
        broker.broker_ip1 = chosen.ip.to_string();
    }
    if broker.broker_ip2.is_empty() {
        broker.broker_ip2.clone_from(&broker.broker_ip1);
    }
    port(&configs.server).map(|_| choice)
}

fn port(server: &NettyServerConfig) -> Result<u16, StartError> {
    u16::try_from(server.listen_port).map_err(|_| StartError::Config {
        key: "listenPort",
        value: server.listen_port.to_string(),
        reason: "is no port".to_owned(),
    })
}

async fn listen(
    configs: Configs,
    tls: Tls,
    tables: Tables,
    notes: Arc<Notes>,
    clock: Clock,
) -> Result<Running, StartError> {
    let bind = |what, port| {
        let addr = SocketAddr::new(configs.bind_ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), port);
        Bound::at(addr).map_err(|error| not_bound(what, port, error))
    };
    let port = port(&configs.server)?;
    let main = bind(PORT, port)?;
    // Any free port, in tests, has no port two below that would be free for sure.
    let vip = bind(VIP_PORT, port.saturating_sub(2))?;
    let (addr, vip_addr) = (main.addr(), vip.addr());
    let options = ServerOptions {
        tls: Arc::clone(&tls.server),
        ..ServerOptions::of(&configs.server, configs.serialize_type, first_frame_bytes(&configs))
    };
    let (timing, doubts) = (Timing::of(&configs.store), configs.doubts.clone());
    let ha = bind_ha(&configs, addr.port()).await?;
    let ha_port = ha.local_addr().map_or(addr.port().saturating_add(1), |addr| addr.port());
    let broker =
        Arc::new(assemble(configs, tls.client.clone(), tables, notes, clock, (addr.port(), ha_port))?);
    broker.store.set_arrival_listener(Arc::new(Arrivals(Arc::downgrade(&broker))));
    // It may be sent to while it still waits for name servers.
    let unfinished = {
        let broker = Arc::clone(&broker);
        IfAbandoned::new(move || {
            close(&broker);
        })
    };
    let service = Arc::new(processor::router(Arc::clone(&broker)));
    let mut servers = Vec::new();
    for (what, bound) in [(PORT, main), (VIP_PORT, vip)] {
        let port = bound.addr().port();
        let server = bound.serve(Arc::clone(&service), options.clone());
        servers.push(server.map_err(|error| not_bound(what, port, error))?);
    }
    let peers = Arc::new(Allowed(Arc::downgrade(&broker)));
    let master = ha::Master::start(ha, Arc::clone(&broker.store), timing, peers);
    let master = master.map_err(|error| not_bound(HA_PORT, ha_port, error))?;
    let http = watch(&broker, addr, &servers)?;
    if !broker.config.namesrv_addr.is_empty() {
        tracing::info!("Set user specified name server address: {}", broker.config.namesrv_addr);
    }
    broker.register().await;
    let slave = broker.is_slave().then(|| {
        let following: Arc<Following> = Arc::clone(&broker.following);
        ha::Slave::start(Arc::clone(&broker.store), timing, following)
    });
    let mut jobs = jobs(&broker);
    if !broker.registrar.name_servers().is_empty() {
        let (told, doubts) = (told(&broker.config, addr.port(), vip_addr.port(), ha_port), doubts);
        jobs.spawn(async move {
            if let Some(unreached) = address::look(told).await {
                doubts.tell(&unreached);
            }
        });
    }
    jobs.spawn(tls.server.keep_fresh());
    if let Some(client) = tls.client {
        jobs.spawn(client.keep_fresh());
    }
    unfinished.never();
    tracing::info!(name = broker.config.broker_name, %addr, %vip_addr, "broker started");
    Ok(Running { broker, addr, vip_addr, servers, jobs, master, slave, http, choice: None })
}

/// What a client's first request may need where accounts are asked for: a message, its properties and the fields.
fn first_frame_bytes(configs: &Configs) -> Option<usize> {
    const FIELDS_BYTES: usize = 256 * 1024;
    let message_bytes = usize::try_from(configs.store.max_message_size).unwrap_or(0);
    configs.broker.acl_enable.then_some(message_bytes.saturating_add(FIELDS_BYTES))
}

/// Where name servers and routes send others to.
fn told(config: &BrokerConfig, port: u16, vip_port: u16, ha_port: u16) -> Vec<Told> {
    let told = |key, ip: &str, port, whom| Told { key, ip: ip.to_owned(), port, whom };
    vec![
        told("brokerIP1", &config.broker_ip1, port, "clients"),
        told("brokerIP1", &config.broker_ip1, vip_port, "clients that send over the VIP port"),
        told("brokerIP2", &config.broker_ip2, ha_port, "slaves"),
    ]
}

const PORT: &str = "listenPort";
const VIP_PORT: &str = "the VIP port listenPort - 2 =";
const HA_PORT: &str = "the replication port listenPort + 1 =";

/// All three go by the same key.
fn not_bound(what: &'static str, port: u16, error: std::io::Error) -> BindError {
    BindError { what, port, key: "listenPort", error }
}

/// The port to watch by, where there is to be one.
fn watch(
    broker: &Arc<Broker>,
    addr: SocketAddr,
    servers: &[Server],
) -> Result<Option<http::Server>, StartError> {
    let BrokerConfig { http_port, http_bind_addr, .. } = &broker.config;
    let Some(place) = http::Place::of(http_bind_addr, *http_port, broker.live.configs().http_or_next) else {
        return Ok(None);
    };
    let connections = servers.iter().map(Server::counter).collect();
    let watch = Watch::new(broker, addr, connections);
    let key = "httpPort, 0 for none";
    let bind_failed = |error| BindError { what: "httpPort", port: place.port, key, error };
    Ok(http::Server::start(place, Arc::new(watch)).map(Some).map_err(bind_failed)?)
}

/// The port for slaves: one above the main port, as in Java; any free one where that is any.
async fn bind_ha(configs: &Configs, port: u16) -> Result<TcpListener, StartError> {
    let port = if configs.server.listen_port == 0 { 0 } else { port.saturating_add(1) };
    let ip = configs.bind_ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    Ok(TcpListener::bind((ip, port)).await.map_err(|error| not_bound(HA_PORT, port, error))?)
}

/// Wakes held pulls and the delivery of delayed messages. The broker holds the store, and so not the other way round.
struct Arrivals(Weak<Broker>);

impl ArrivalListener for Arrivals {
    fn arriving(&self, arrival: &Arrival<'_>) {
        let Some(broker) = self.0.upgrade() else { return };
        broker.holds.arriving(arrival);
        broker.schedule.arriving(arrival.topic);
    }

    fn subscription_bits(&self, topic: &str, properties: &str) -> Vec<u8> {
        match self.0.upgrade() {
            Some(broker) if broker.live.enable_calc_filter_bit_map() => {
                broker.filters.bits(topic, properties)
            }
            _ => Vec::new(),
        }
    }
}

fn bloom_filter(config: &BrokerConfig) -> BloomFilter {
    let number = |number: i32| u32::try_from(number).unwrap_or(0);
    BloomFilter::new(
        number(config.max_error_rate_of_bloom_filter),
        number(config.expect_consumer_num_use_filter),
    )
}

fn assemble(
    mut configs: Configs,
    client_tls: Option<Arc<ClientTls>>,
    tables: Tables,
    notes: Arc<Notes>,
    clock: Clock,
    (port, ha_port): (u16, u16),
) -> Result<Broker, StartError> {
    // Told as a setting (26), as Java does.
    configs.store.bit_map_length_consume_queue_ext =
        i32::try_from(bloom_filter(&configs.broker).bits()).unwrap_or(i32::MAX);
    let config = configs.broker.clone();
    let identity = Identity {
        cluster_name: config.broker_cluster_name.clone(),
        broker_name: config.broker_name.clone(),
        broker_id: config.broker_id,
        broker_addr: format!("{}:{port}", config.broker_ip1),
        ha_server_addr: format!("{}:{ha_port}", config.broker_ip2),
    };
    let now_ms = clock.now_ms();
    let Tables { topics, offsets, groups, filters, schedule, store } = tables;
    let stats = Stats::new(store.written());
    Ok(Broker {
        admin_allowed: allowed("adminAllowedAddrs", &config.admin_allowed_addrs)?,
        acl: acl(&config)?,
        ha_allowed: allowed("haAllowedAddrs", &config.ha_allowed_addrs)?,
        store_host: store_host(&config.broker_ip1, port)?,
        boot_ms: now_ms,
        store,
        topics,
        groups,
        offsets,
        producers: Producers::new(clock.clone()),
        consumers: Consumers::new(clock.clone(), Arc::clone(&filters)),
        filters,
        locks: QueueLocks::new(clock.clone()),
        holds: Arc::new(Holds::default()),
        schedule: Arc::new(schedule),
        transactions: Transactions::default(),
        stats,
        statistics: Statistics::new(&config.broker_cluster_name),
        spread: Spread::default(),
        following: Arc::new(Following::new(&configs.store, client_tls.clone())),
        pools: Pools::new(&config, WaitBudget::of(&configs.server)),
        registrar: Registrar::new(
            identity,
            &config.namesrv_addr,
            &configs.client,
            configs.serialize_type,
            client_tls.clone(),
        ),
        client_tls,
        store_config: configs.store.clone(),
        live: Live::new(configs, now_ms),
        config,
        clock,
        notes,
        next_queue: AtomicU32::new(0),
    })
}

fn allowed(key: &'static str, list: &str) -> Result<AllowedAddrs, StartError> {
    AllowedAddrs::parse(list).map_err(|reason| StartError::Config { key, value: list.to_owned(), reason })
}

pub(super) fn store_host(ip: &str, port: u16) -> Result<SocketAddrV4, StartError> {
    let failed = |reason: String| StartError::Config { key: "brokerIP1", value: ip.to_owned(), reason };
    let mut addrs = (ip, port).to_socket_addrs().map_err(|error| failed(error.to_string()))?;
    let v4 = addrs.find_map(|addr| match addr {
        SocketAddr::V4(addr) => Some(addr),
        SocketAddr::V6(_) => None,
    });
    v4.ok_or_else(|| failed("has no IPv4 address, which messages need".to_owned()))
}

/// The accounts, where they are asked for. A file without a folder of its own is in the installation's.
pub(super) fn acl(config: &BrokerConfig) -> Result<Option<Arc<Acl>>, StartError> {
    if !config.acl_enable {
        return Ok(None);
    }
    let file = match config.plain_acl_file.as_str() {
        "" => "conf/plain_acl.yml",
        file => file,
    };
    Ok(Some(Arc::new(Acl::open(Path::new(&config.rocketmq_home).join(file))?)))
}

fn jobs(broker: &Arc<Broker>) -> JoinSet<()> {
    let mut jobs = JoinSet::new();
    if broker.acl.is_some() {
        jobs.spawn(every_from(ACCOUNTS_EVERY, ACCOUNTS_EVERY, Arc::clone(broker), |broker| async move {
            let reload = move || broker.acl.iter().for_each(|acl| acl.reload());
            if let Err(error) = tokio::task::spawn_blocking(reload).await {
                tracing::error!(%error, "accounts not looked at");
            }
        }));
    }
    if broker.is_slave() {
        jobs.spawn(replication::keep_synced(Arc::clone(broker)));
    } else {
        master_jobs(broker, &mut jobs);
    }
    jobs.spawn(keep_saved(Arc::clone(broker)));
    jobs.spawn(keep_registered(Arc::clone(broker)));
    let offsets_every = millis(broker.config.flush_consumer_offset_interval, 5000);
    // Offsets, and whatever could not be written when it changed.
    jobs.spawn(every(offsets_every, Arc::clone(broker), save));
    let delay_offsets_ms = i32::try_from(broker.store_config.flush_delay_offset_interval).unwrap_or(i32::MAX);
    jobs.spawn(every(millis(delay_offsets_ms, 10_000), Arc::clone(broker), |broker| async move {
        if let Err(error) = tokio::task::spawn_blocking(move || broker.persist_delay_offsets()).await {
            tracing::error!(%error, "delay offsets not saved");
        }
    }));
    jobs.spawn(every(FILTERS_EVERY, Arc::clone(broker), |broker| async move {
        if let Err(error) = tokio::task::spawn_blocking(move || broker.persist_filters()).await {
            tracing::error!(%error, "filters not saved");
        }
    }));
    jobs.spawn(every(SCAN_CLIENTS_EVERY, Arc::clone(broker), |broker| async move { broker.scan_clients() }));
    jobs.spawn(every(SAMPLE_EVERY, Arc::clone(broker), sample));
    jobs.spawn(every(BEHIND_EVERY, Arc::clone(broker), |broker| async move {
        tracing::info!("dispatch behind commit log {} bytes", broker.store.dispatch_behind_bytes());
    }));
    jobs
}

/// What only a broker that takes messages does.
fn master_jobs(broker: &Arc<Broker>, jobs: &mut JoinSet<()>) {
    jobs.spawn(schedule::keep_delivering(Arc::clone(broker)));
    jobs.spawn(spread::keep_spreading(Arc::clone(broker)));
    let checks_ms = i32::try_from(broker.config.transaction_check_interval).unwrap_or(i32::MAX);
    // Not earlier: after a restart of ours the producers come back with their next heartbeats.
    jobs.spawn(every_from(
        millis(checks_ms, 60_000),
        millis(checks_ms, 60_000),
        Arc::clone(broker),
        end_transaction::check_transactions,
    ));
    jobs.spawn(every(BEHIND_EVERY, Arc::clone(broker), |broker| async move { report_slaves(&broker) }));
}

/// Says how far slaves are behind.
fn report_slaves(broker: &Broker) {
    let end = broker.store.max_commit_log_offset();
    for slave in broker.store.replicas().slaves(broker.now_ms()) {
        let behind_bytes = end - slave.acked;
        if behind_bytes > SLAVE_BEHIND_BYTES {
            tracing::warn!(slave = slave.addr, "Slave fall behind master: {behind_bytes} bytes");
        } else {
            tracing::info!(slave = slave.addr, "Slave fall behind master: {behind_bytes} bytes");
        }
    }
}

/// Runs a job again and again, for the first time after one period or ten seconds.
async fn every<F: Future<Output = ()>>(period: Duration, broker: Arc<Broker>, job: fn(Arc<Broker>) -> F) {
    every_from(period.min(FIRST_JOB_AFTER), period, broker, job).await;
}

async fn every_from<F: Future<Output = ()>>(
    first: Duration,
    period: Duration,
    broker: Arc<Broker>,
    job: fn(Arc<Broker>) -> F,
) {
    let mut due = interval_at(Instant::now() + first, period);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        job(Arc::clone(&broker)).await;
    }
}

/// Writes topics and groups soon after they have changed. Many changes in a row, as when a thousand groups come
/// back after a restart, cost a few files and not a thousand.
async fn keep_saved(broker: Arc<Broker>) {
    loop {
        broker.notes.save.notified().await;
        save(Arc::clone(&broker)).await;
    }
}

async fn save(broker: Arc<Broker>) {
    if let Err(error) = tokio::task::spawn_blocking(move || broker.persist()).await {
        tracing::error!(%error, "tables not saved");
    }
}

/// Registers from time to time, and as soon as the topics have changed.
async fn keep_registered(broker: Arc<Broker>) {
    let period_ms = broker.config.register_name_server_period.clamp(10_000, 60_000);
    let mut due = interval_at(Instant::now() + FIRST_JOB_AFTER, millis(period_ms, 30_000));
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = broker.notes.register.notified() => {
                let round = broker.notes.registering.fetch_add(1, Ordering::AcqRel) + 1;
                // A name server that is away must not hold up the others.
                let _ = tokio::time::timeout(REGISTER_WAIT, broker.register_in(Mode::Full)).await;
                broker.notes.registered.send_replace(round);
            }
            // A slave hears of its master by the answer.
            _ = due.tick() => {
                let is_full = broker.is_slave() || broker.live.force_register();
                broker.register_in(if is_full { Mode::Full } else { Mode::IfChanged }).await;
            }
        }
        // A thousand new topics in a row are a few registrations and not a thousand, unless somebody waits for each.
        let _ = tokio::time::timeout(REGISTER_PAUSE, broker.notes.urgent.notified()).await;
    }
}

fn millis(configured: i32, default: u64) -> Duration {
    Duration::from_millis(u64::try_from(configured).ok().filter(|millis| *millis > 0).unwrap_or(default))
}

/// Writes `watermark.log`, in Java's words. Sends wait for no thread here.
fn log_waiting(broker: &Broker) {
    let none = Waiting { count: 0, longest: Duration::ZERO };
    let Pools { pull, query, .. } = &broker.pools;
    for (name, waiting) in [("Send", none), ("Pull", pull.waiting()), ("Query", query.waiting())] {
        let Waiting { count, longest } = waiting;
        let longest_ms = longest.as_millis();
        tracing::info!(target: "watermark", "[WATERMARK] {name} Queue Size: {count} SlowTimeMills: {longest_ms}");
    }
}

/// Takes the samples that are due, and writes `stats.log` and `watermark.log`.
async fn sample(broker: Arc<Broker>) {
    log_waiting(&broker);
    let now_ms = broker.now_ms();
    let local_ms = local_ms(now_ms);
    broker.stats.sample(now_ms, local_ms.div_euclid(86_400_000));
    if !broker.statistics.is_due(now_ms, local_ms) {
        return;
    }
    let sampled = tokio::task::spawn_blocking(move || {
        broker.statistics.sample(now_ms);
        for line in broker.statistics.lines(local_ms) {
            tracing::info!(target: "stats", "{line}");
        }
    });
    if let Err(error) = sampled.await {
        tracing::error!(%error, "statistics not sampled");
    }
}

/// Milliseconds since 1970 of the machine's calendar.
fn local_ms(now_ms: i64) -> i64 {
    let now = jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default();
    now_ms + i64::from(jiff::tz::TimeZone::system().to_offset(now).seconds()) * 1000
}

impl Running {
    /// The state, for a program that runs more than a broker.
    pub fn broker(&self) -> &Arc<Broker> {
        &self.broker
    }

    /// The name servers that have not registered the broker when they were last told to, and why.
    pub fn registration_failures(&self) -> BTreeMap<String, String> {
        self.broker.registrar.failures()
    }

    /// The address that clients are told, where it was chosen for want of `brokerIP1`.
    pub fn chosen_address(&self) -> Option<&Choice> {
        self.choice.as_ref()
    }

    /// The main port.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The port for slaves.
    pub fn ha_addr(&self) -> SocketAddr {
        self.master.addr()
    }

    /// Where metrics and the page are, if anywhere.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(http::Server::addr)
    }

    /// The port that clients use for sends.
    pub fn vip_addr(&self) -> SocketAddr {
        self.vip_addr
    }

    /// How it is, in a few words.
    pub fn state(&self) -> String {
        let store = &self.broker.store;
        let connections: usize = self.servers.iter().map(Server::connections).sum();
        let (end, flushed) = (store.max_commit_log_offset(), store.flushed_offset());
        format!(
            "broker {} with {connections} connections, commit log up to {end}, {} bytes of it not on the disk, {} not in \
             queues and index yet",
            self.broker.config.broker_name,
            (end - flushed).max(0),
            store.dispatch_behind_bytes()
        )
    }

    /// Leaves the name servers, ends the connections, and writes out everything: what was acknowledged is on
    /// disk afterwards. `false` where something could not be written; the log says what.
    pub async fn stop(self) -> bool {
        tracing::info!("Shutdown hook was invoked, 1");
        let began = Instant::now();
        let Running { broker, servers, mut jobs, master, slave, http, .. } = self;
        // First, lest a registration follow the goodbye.
        jobs.shutdown().await;
        broker.registrar.unregister().await;
        futures_util::future::join_all(servers.into_iter().map(Server::stop)).await;
        // Slaves have had what senders were told of; the rest they get when this broker is back.
        drop((master, slave));
        let state = Arc::clone(&broker);
        let written = tokio::task::spawn_blocking(move || close(&state));
        let well = written.await.unwrap_or_else(|error| {
            tracing::error!(%error, "stop failed");
            false
        });
        // Until here whoever watches was told that this broker stops.
        drop(http);
        let took_ms = began.elapsed().as_millis();
        tracing::info!("Shutdown hook over, consuming total time(ms): {took_ms}");
        well
    }
}
