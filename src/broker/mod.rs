//! The broker (Java: `BrokerController`): state tables, and the handlers of `processor` over them and the
//! store. Here is what belongs together and what both have in common; starting and stopping is `running`'s.

pub mod acl;
pub mod address;
mod check;
pub mod consumer_filter;
pub mod consumer_offset;
pub mod consumers;
pub mod live;
mod log_lines;
pub mod long_polling;
pub mod processor;
pub mod producers;
pub mod queue_lock;
pub mod register;
pub mod replication;
mod running;
pub mod schedule;
pub mod spread;
pub mod statistics;
pub mod stats;
pub mod subscription_group;
mod table;
pub mod topic_config;
pub mod transaction;
mod watched;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};

pub use self::check::{file_problems, problems};
pub use self::live::{Configs, Doubts};
pub use self::running::{Running, StartError, fill_in_addresses, start};

use self::acl::Acl;
use self::consumer_filter::ConsumerFilters;
use self::consumer_offset::ConsumerOffsets;
use self::consumers::Consumers;
use self::live::Live;
use self::long_polling::Holds;
use self::processor::Pools;
use self::producers::Producers;
use self::queue_lock::QueueLocks;
use self::register::{Mode, Registrar};
use self::replication::Following;
use self::schedule::Schedule;
use self::spread::Spread;
use self::statistics::Statistics;
use self::stats::Stats;
use self::subscription_group::SubscriptionGroups;
use self::topic_config::{TopicError, TopicTable};
use self::transaction::Transactions;
use crate::clock::Clock;
use crate::config::allowed_addrs::AllowedAddrs;
use crate::config::broker::BrokerConfig;
use crate::config::file::FileError;
use crate::config::store::{BrokerRole, MessageStoreConfig};
use crate::logging;
use crate::protocol::body::topic::TopicConfig;
use crate::protocol::header::client::NotifyConsumerIdsChangedRequestHeader;
use crate::protocol::request_code::RequestCode;
use crate::remoting::tls::ClientTls;
use crate::remoting::{Command, InvokeError, Peer};
use crate::store::{Gone, MessageStore};

/// How long the reply to a request that made or changed a topic waits for the name servers to know of it. Tools wait 3 s and
/// more.
const REGISTER_WAIT: Duration = Duration::from_secs(1);

/// All that the handlers share.
pub struct Broker {
    /// The settings of the start. What may change since is [`Broker::live`]'s to say.
    pub config: BrokerConfig,
    pub store_config: MessageStoreConfig,
    /// Whose administration is accepted; everybody's without any.
    pub admin_allowed: AllowedAddrs,
    /// Where accounts are asked for.
    pub acl: Option<Arc<Acl>>,
    /// Who may follow; those whom the name servers know without any.
    pub ha_allowed: AllowedAddrs,
    pub live: Live,
    /// `brokerIP1` and the port: where messages say that they are stored.
    pub store_host: SocketAddrV4,
    pub boot_ms: i64,
    pub store: Arc<MessageStore>,
    pub topics: TopicTable,
    pub groups: SubscriptionGroups,
    pub offsets: ConsumerOffsets,
    pub producers: Producers,
    pub consumers: Consumers,
    pub filters: Arc<ConsumerFilters>,
    pub locks: QueueLocks,
    pub holds: Arc<Holds>,
    pub schedule: Arc<Schedule>,
    pub transactions: Transactions,
    pub stats: Stats,
    pub statistics: Statistics,
    /// As a slave: whom it follows.
    pub following: Arc<Following>,
    /// Topics to be made elsewhere.
    spread: Spread,
    pub pools: Pools,
    clock: Clock,
    registrar: Registrar,
    /// For connections to other brokers; none where they are plain.
    client_tls: Option<Arc<ClientTls>>,
    notes: Arc<Notes>,
    next_queue: AtomicU32,
}

/// What the tables leave for the broker's jobs to do.
#[derive(Default)]
struct Notes {
    /// A table has changed and must be written to its file.
    save: Notify,
    /// The topics have changed and the name servers must hear of it.
    register: Notify,
    /// Registrations for their sake that have begun, and that are over.
    registering: AtomicU64,
    registered: watch::Sender<u64>,
    /// Somebody waits for that.
    urgent: Notify,
}

impl Broker {
    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// What the whole broker allows, bits of `protocol::perm`.
    pub fn permission(&self) -> i32 {
        self.live.broker_permission()
    }

    /// A queue for a message whose sender leaves the choice to us: each in turn. Java draws one.
    pub fn any_queue(&self, queue_nums: i32) -> i32 {
        match u32::try_from(queue_nums) {
            Ok(queue_nums @ 1..) => {
                (self.next_queue.fetch_add(1, Ordering::Relaxed) % queue_nums).cast_signed()
            }
            _ => 0,
        }
    }

    /// The topic of a send, made where that is allowed.
    pub fn create_topic_on_send(
        &self,
        topic: &str,
        default_topic: &str,
        queue_nums: i32,
        topic_sys_flag: i32,
        remote: SocketAddr,
    ) -> Option<Arc<TopicConfig>> {
        let created = self.topics.create_on_send(topic, default_topic, queue_nums, topic_sys_flag, remote);
        let created = logged(created, topic, format_args!(". producer:[{remote}]"));
        if created.is_some() {
            self.topic_begins(topic);
        }
        if created.is_some() && self.live.auto_create_topic_on_cluster() {
            self.spread.made(topic);
        }
        created
    }

    /// A retry or dead-letter topic, made where it does not exist.
    pub fn create_topic_on_send_back(
        &self,
        topic: &str,
        queue_nums: i32,
        perm: i32,
        topic_sys_flag: i32,
    ) -> Option<Arc<TopicConfig>> {
        let is_new = self.topics.get(topic).is_none();
        let created = self.topics.create_on_send_back(topic, queue_nums, perm, topic_sys_flag);
        let created = logged(created, topic, format_args!(""));
        if is_new && created.is_some() {
            self.topic_begins(topic);
        }
        created
    }

    /// A topic was made: offsets that consumers of a deleted one of its name have gone on committing are not of it.
    pub fn topic_begins(&self, topic: &str) {
        // What has messages is no new topic, whatever the table of topics has lost.
        if !self.store.has_queues(topic) {
            self.offsets.remove_topic(topic);
        }
    }

    /// Queues were deleted: whoever waits for them is told, and nobody begins where they ended.
    fn queues_gone(&self, gone: &Gone) {
        let mut topics: HashMap<&str, HashSet<i32>> = HashMap::new();
        for (topic, queue_id) in &gone.queues {
            topics.entry(topic).or_default().insert(*queue_id);
        }
        for (topic, queues) in &topics {
            self.offsets.remove_queues(topic, |queue_id| queues.contains(&queue_id));
        }
        self.holds.queues_gone(|topic, queue_id| {
            topics.get(topic).is_some_and(|queues| queues.contains(&queue_id))
        });
    }

    /// Tells the members of a group that they have changed, where that is not switched off.
    pub fn notify_group(&self, group: &str) {
        if self.live.notify_consumer_ids_changed_enable() {
            self.consumers.notify_changed(group);
        }
    }

    /// Registers with all name servers now.
    pub async fn register(&self) {
        self.register_in(Mode::Full).await;
    }

    async fn register_in(&self, mode: Mode) {
        let found = self.registrar.register(&self.topics, &self.live, mode).await;
        if let Some(found) = found.filter(|_| self.is_slave()) {
            self.following.found(&found);
        }
    }

    /// Waits until the name servers know of all that has changed by now, as far as they answer at once.
    pub async fn registered(&self) {
        if self.registrar.name_servers().is_empty() {
            return;
        }
        let mut done = self.notes.registered.subscribe();
        // One that runs already may have looked at the topics before.
        let next = self.notes.registering.load(Ordering::Acquire) + 1;
        self.notes.register.notify_one();
        self.notes.urgent.notify_one();
        let in_time = tokio::time::timeout(REGISTER_WAIT, done.wait_for(|done| *done >= next)).await;
        if in_time.is_err() {
            tracing::warn!("name servers did not answer in time to the registration of a new topic");
        }
    }

    /// Whether this broker follows another one and takes no messages itself.
    pub fn is_slave(&self) -> bool {
        self.store_config.broker_role == BrokerRole::Slave
    }

    /// Settings have been changed at run time: tells those who keep their own copy.
    pub fn settings_changed(&self, keys: &[String]) {
        self.topics.set_auto_create(self.live.auto_create_topic_enable());
        self.groups.set_auto_create(self.live.auto_create_subscription_group());
        self.store.settings().set(&self.live.configs().store);
        let has_changed = |name: &str| keys.iter().any(|key| key == name);
        if has_changed("brokerPermission") {
            self.topics.bump_version();
        }
        if has_changed("logLevel") {
            logging::filter_changed(&self.live.configs().broker.log_level);
        }
    }

    /// Writes every table that has changed to its file. Blocks. Gives whether all went well.
    fn persist(&self) -> bool {
        is_saved(&[
            self.topics.persist(),
            self.groups.persist(),
            self.offsets.persist(|| self.store.sync_log()),
        ])
    }

    /// Writes the filters to their file. Blocks.
    fn persist_filters(&self) -> bool {
        is_saved(&[self.filters.persist(self.live.filter_data_clean_time_span())])
    }

    /// Writes the consumer offsets a last time. Blocks.
    fn close_offsets(&self) -> bool {
        is_saved(&[self.offsets.close(|| self.store.sync_log())])
    }

    /// Writes how far each delay level is delivered. Blocks.
    fn persist_delay_offsets(&self) -> bool {
        is_saved(&[self.schedule.persist(&self.store)])
    }

    /// Drops clients and locks that have been silent for too long.
    fn scan_clients(&self) {
        let expired = self.consumers.scan();
        for peer in expired.peers.iter().chain(&self.producers.scan()) {
            peer.close();
        }
        for group in &expired.groups {
            self.notify_group(group);
        }
        self.locks.scan();
    }
}

/// Whether all tables were saved; says why not.
fn is_saved(tables: &[Result<(), FileError>]) -> bool {
    for error in tables.iter().filter_map(|saved| saved.as_ref().err()) {
        tracing::error!(%error, "table not saved");
    }
    tables.iter().all(Result::is_ok)
}

fn logged(
    created: Result<Arc<TopicConfig>, TopicError>,
    topic: &str,
    whose: fmt::Arguments<'_>,
) -> Option<Arc<TopicConfig>> {
    match created {
        Ok(config) => Some(config),
        Err(error) => {
            let error = error.to_string();
            let (topic, error) = (log_lines::beginning(topic), log_lines::beginning(&error));
            tracing::warn!(topic, "{error}{whose}");
            None
        }
    }
}

/// Tells a client that the members of a group have changed: it rebalances at once.
fn notify_consumer_ids_changed(peer: &Peer, group: &str) -> Result<(), InvokeError> {
    let header = NotifyConsumerIdsChangedRequestHeader { consumer_group: group.to_owned() };
    peer.one_way(Command::request(RequestCode::NotifyConsumerIdsChanged, &header))
}

/// A record holds four bytes of address: of an IPv6 one the first four, as in Java.
fn ipv4(addr: SocketAddr) -> SocketAddrV4 {
    let ip = match addr.ip().to_canonical() {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.octets();
            Ipv4Addr::new(a, b, c, d)
        }
    };
    SocketAddrV4::new(ip, addr.port())
}
