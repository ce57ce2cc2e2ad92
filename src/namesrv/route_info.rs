//! The route tables (Java: `RouteInfoManager`): brokers by name, by cluster and by address, and each topic's
//! queues on them. One lock; no sockets and no clock of its own. What one connection, and all together, may put into them is
//! bounded, and what takes a broker off touches that broker's entries only.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::missing::Why;
use crate::protocol::body::register::{self, RegisterBrokerBody};
use crate::protocol::body::route::{BrokerData, ClusterInfo, QueueData, TopicRouteData};
use crate::protocol::body::topic::{DataVersion, TopicConfig, TopicList};
use crate::protocol::topic::{
    AUTO_CREATE_TOPIC_KEY_TOPIC, TBW102_TOPIC, dlq_group, is_default_topic, retry_group,
};
use crate::protocol::{perm, sys_flag};
use crate::remoting::Peer;

/// A broker that has not registered for so long is gone (Java: `BROKER_CHANNEL_EXPIRED_TIME`).
pub const BROKER_EXPIRED_MS: i64 = 120_000;
/// Brokers that are registered on one connection. A broker registers itself, and nobody else.
pub const BROKERS_PER_CONNECTION_MAX: usize = 64;
/// Brokers in all: an address counts once for each name that it has.
const BROKERS_MAX: usize = 10_000;
/// Clusters that one broker name may be in: master and slaves may disagree.
const CLUSTERS_OF_NAME_MAX: usize = 16;
/// Topics of one broker name, those that it no longer has among them.
const TOPICS_OF_NAME_MAX: usize = 2 * register::TOPICS_MAX;
/// Topics of all broker names together.
const QUEUES_MAX: usize = 5_000_000;
/// Longest name and address, bytes.
const NAME_BYTES_MAX: usize = 255;
/// Longest topic, bytes: that of a group's retries is longer than the group.
const TOPIC_BYTES_MAX: usize = 300;
const FILTER_SERVERS_MAX: usize = 1000;
/// Topics of one request that have a line each in the log.
const TOPIC_LINES_MAX: usize = 1000;

/// Who a broker says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerIdentity {
    pub cluster_name: String,
    pub broker_name: String,
    pub broker_addr: String,
    pub broker_id: i64,
}

/// What a registering slave is told of its master.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Master {
    pub ha_server_addr: Option<String>,
    pub master_addr: Option<String>,
}

/// Why a broker is not registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("{what} has {bytes} bytes, {NAME_BYTES_MAX} are allowed")]
    TooLong { what: &'static str, bytes: usize },
    #[error("{0} has control characters in it")]
    ControlCharacters(&'static str),
    #[error("{BROKERS_PER_CONNECTION_MAX} brokers are registered on this connection already")]
    ConnectionFull,
    #[error("{BROKERS_MAX} brokers are registered already")]
    Full,
    #[error("the broker name is in {CLUSTERS_OF_NAME_MAX} clusters already")]
    Clusters,
    #[error("it has {0} filter servers, {FILTER_SERVERS_MAX} are allowed")]
    FilterServers(usize),
}

/// A broker is taken off by whoever registered it, or from the same IP address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the broker {addr} was registered from {by}, and is taken off from there only")]
pub struct NotYours {
    addr: String,
    by: IpAddr,
}

/// The tables.
#[derive(Default)]
pub struct RouteInfo {
    tables: RwLock<Tables>,
}

#[derive(Default)]
struct Tables {
    topics: BTreeMap<Arc<str>, Vec<QueueData>>,
    /// How many queue data `topics` has.
    queues: usize,
    brokers: BTreeMap<String, BrokerData>,
    /// Where a name of `brokers` stands elsewhere.
    places: HashMap<String, Places>,
    clusters: BTreeMap<String, BTreeSet<String>>,
    /// By broker address.
    live: BTreeMap<String, Live>,
    /// How many names `live` has.
    registered: usize,
    /// By connection, the addresses of `live`.
    on_peer: HashMap<u64, BTreeSet<String>>,
    /// By broker address.
    filter_servers: BTreeMap<String, Vec<String>>,
}

#[derive(Default)]
struct Places {
    clusters: BTreeSet<String>,
    topics: BTreeSet<Arc<str>>,
}

struct Live {
    /// More than one where brokers on several machines say that they are at 127.0.0.1.
    names: BTreeSet<String>,
    last_update_ms: i64,
    data_version: DataVersion,
    peer: Arc<Peer>,
    ha_server_addr: String,
}

impl RouteInfo {
    /// Takes what a broker says of itself and its topics. Only a master's topics count, and only where its data
    /// version is new; topics that it no longer names stay, as in Java: an incremental registration names one.
    pub fn register(
        &self,
        broker: &BrokerIdentity,
        ha_server_addr: &str,
        body: RegisterBrokerBody,
        peer: &Arc<Peer>,
        now_ms: i64,
    ) -> Result<Master, Refused> {
        check_names(broker, ha_server_addr)?;
        check_filter_servers(&body.filter_server_list)?;
        let mut tables = self.write();
        tables.check_room(broker, peer)?;
        if let Some((addr, by)) = tables.taken_from(broker, peer) {
            let BrokerIdentity { broker_name, broker_addr, broker_id, .. } = broker;
            tracing::warn!(
                remote = %peer.remote(), broker_name, broker_id, broker_addr, was = addr, was_registered_from = %by,
                "a broker takes the place of one whose connection stands: unless it has moved, two brokers have the same name \
                 and id, or the same address"
            );
        }
        let wrapper = body.topic_config_serialize_wrapper;
        let is_first = tables.add_broker(broker);
        let known = tables.live.get(&broker.broker_addr);
        let is_changed = known.is_none_or(|live| live.data_version != wrapper.data_version);
        if broker.broker_id == 0 && (is_first || is_changed) {
            tables.add_topics(&broker.broker_name, wrapper.topic_config_table.values());
        }
        if tables.set_live(broker, ha_server_addr, wrapper.data_version, peer, now_ms) {
            tracing::info!("new broker registered, {} HAServer: {ha_server_addr}", broker.broker_addr);
        }
        if body.filter_server_list.is_empty() {
            tables.filter_servers.remove(&broker.broker_addr);
        } else {
            tables.filter_servers.insert(broker.broker_addr.clone(), body.filter_server_list);
        }
        Ok(tables.master_of(broker))
    }

    /// Whether a broker's data version is not the one that is known, and the known one. A known one counts as
    /// a sign of life.
    pub fn query_data_version(
        &self,
        broker_addr: &str,
        data_version: DataVersion,
        now_ms: i64,
    ) -> (bool, Option<DataVersion>) {
        let mut tables = self.write();
        match tables.live.get_mut(broker_addr) {
            None => (true, None),
            Some(live) => {
                let is_changed = live.data_version != data_version;
                if !is_changed {
                    live.last_update_ms = now_ms;
                }
                (is_changed, Some(live.data_version))
            }
        }
    }

    /// A broker leaves. (In Java anybody may take it off.)
    pub fn unregister(&self, broker: &BrokerIdentity, peer: &Peer) -> Result<(), NotYours> {
        let mut tables = self.write();
        let BrokerIdentity { broker_addr: addr, broker_name, .. } = broker;
        let Some(live) = tables.live.get(addr) else {
            tracing::info!("unregisterBroker, remove from brokerLiveTable Failed, {addr}");
            return Ok(());
        };
        if !is_same_side(&live.peer, peer) {
            return Err(NotYours { addr: addr.clone(), by: ip(&live.peer) });
        }
        let was_live = tables.take_off(addr, broker_name).is_some();
        let outcome = if was_live { "OK" } else { "Failed" };
        tracing::info!("unregisterBroker, remove from brokerLiveTable {outcome}, {addr}");
        Ok(())
    }

    /// A connection has ended: the brokers that registered on it are gone.
    pub fn disconnected(&self, peer: &Peer) {
        // Clients come and go, and are no brokers.
        let Some(addrs) = self.read().on_peer.get(&peer.id()).cloned() else { return };
        self.drop_brokers(addrs, |live| live.peer.id() == peer.id(), "the broker's channel destroyed");
    }

    /// Drops brokers that have been silent for too long, and gives their connections.
    pub fn expire(&self, now_ms: i64) -> Vec<Arc<Peer>> {
        let is_expired = |live: &Live| live.last_update_ms + BROKER_EXPIRED_MS < now_ms;
        let tables = self.read();
        let expired = tables.live.iter().filter(|(_, live)| is_expired(live));
        let addrs = expired.map(|(addr, _)| addr.clone()).collect();
        drop(tables);
        self.drop_brokers(addrs, is_expired, "The broker channel expired")
    }

    /// Drops those of the brokers that `is_gone`, and gives their connections. The lock is taken anew for each name: others
    /// need not wait for all of them.
    fn drop_brokers(
        &self,
        addrs: BTreeSet<String>,
        is_gone: impl Fn(&Live) -> bool,
        why: &str,
    ) -> Vec<Arc<Peer>> {
        let mut peers = Vec::new();
        for addr in addrs {
            tracing::warn!("{why}, {addr}, clean it's data structure at once");
            loop {
                let mut tables = self.write();
                let Some(live) = tables.live.get(&addr).filter(|live| is_gone(live)) else { break };
                let Some(name) = live.names.first().cloned() else { break };
                peers.extend(tables.take_off(&addr, &name));
            }
        }
        peers
    }

    /// A topic's route; `None` where no broker that lives has it.
    pub fn route(&self, topic: &str) -> Option<TopicRouteData> {
        let tables = self.read();
        let queue_datas = tables.topics.get(topic)?.clone();
        let names: BTreeSet<&str> = queue_datas.iter().map(|queue| queue.broker_name.as_str()).collect();
        let broker_datas: Vec<BrokerData> =
            names.iter().filter_map(|name| tables.brokers.get(*name)).cloned().collect();
        if broker_datas.is_empty() {
            return None;
        }
        let addrs = broker_datas.iter().flat_map(|broker| broker.broker_addrs.values());
        let filter_server_table =
            addrs.filter_map(|addr| Some((addr.clone(), tables.filter_servers.get(addr)?.clone()))).collect();
        Some(TopicRouteData { broker_datas, filter_server_table, order_topic_conf: None, queue_datas })
    }

    /// Why a topic has no route.
    pub fn why_missing(&self, topic: &str) -> Why {
        let tables = self.read();
        if tables.brokers.is_empty() {
            return Why::NoBroker;
        }
        if tables.brokers.values().all(|broker| broker.master_addr().is_none()) {
            return Why::OnlySlaves;
        }
        if is_default_topic(topic) {
            return Why::NoTemplate;
        }
        if retry_group(topic).is_some() {
            return Why::NoGroup;
        }
        if dlq_group(topic).is_some() {
            return Why::NoDeadLetter;
        }
        // What clients of one version or another ask for to create a topic.
        let mut templates = [AUTO_CREATE_TOPIC_KEY_TOPIC, TBW102_TOPIC]
            .into_iter()
            .filter_map(|name| tables.topics.get(name))
            .flatten()
            .peekable();
        if templates.peek().is_none() {
            return Why::AutoCreateOff;
        }
        let creates = templates.any(|queue| perm::is_writeable(queue.perm) && perm::is_inherited(queue.perm));
        if creates { Why::CreatedOnSend } else { Why::NoPermission }
    }

    /// All brokers and clusters.
    pub fn cluster_info(&self) -> ClusterInfo {
        let tables = self.read();
        ClusterInfo { broker_addr_table: tables.brokers.clone(), cluster_addr_table: tables.clusters.clone() }
    }

    /// Takes the write permission from every topic of a broker, until it registers changed topics; gives how
    /// many topics that were.
    pub fn wipe_write_perm(&self, broker_name: &str) -> i32 {
        let mut tables = self.write();
        let Tables { topics, places, .. } = &mut *tables;
        let Some(places) = places.get(broker_name) else { return 0 };
        let mut count = 0;
        for topic in &places.topics {
            let queues = topics.get_mut(topic).into_iter().flatten();
            for queue in queues.filter(|queue| queue.broker_name == broker_name) {
                queue.perm &= !perm::PERM_WRITE;
                count += 1;
            }
        }
        count
    }

    /// Forgets a topic, until a broker registers it again.
    pub fn delete_topic(&self, topic: &str) {
        let mut tables = self.write();
        for queue in tables.topics.remove(topic).into_iter().flatten() {
            tables.queues -= 1;
            if let Some(places) = tables.places.get_mut(&queue.broker_name) {
                places.topics.remove(topic);
            }
        }
    }

    /// Every topic.
    pub fn all_topics(&self) -> TopicList {
        let topic_list = self.read().topics.keys().map(|topic| topic.to_string()).collect();
        TopicList { broker_addr: None, topic_list }
    }

    /// The names of clusters and brokers, which are topics, too, and one broker to ask for the others.
    pub fn system_topics(&self) -> TopicList {
        let tables = self.read();
        let topic_list = tables
            .clusters
            .iter()
            .flat_map(|(cluster, names)| names.iter().chain([cluster]))
            .cloned()
            .collect();
        let broker_addr = tables.brokers.values().find_map(|broker| broker.broker_addrs.values().next());
        TopicList { broker_addr: broker_addr.cloned(), topic_list }
    }

    /// The topics of a cluster's brokers; none of an unknown one.
    pub fn topics_of_cluster(&self, cluster: &str) -> TopicList {
        let tables = self.read();
        let names = tables.clusters.get(cluster);
        let is_there = |queues: &Vec<QueueData>| {
            queues.iter().any(|queue| names.is_some_and(|names| names.contains(&queue.broker_name)))
        };
        let topic_list = tables
            .topics
            .iter()
            .filter(|(_, queues)| is_there(queues))
            .map(|(topic, _)| topic.to_string())
            .collect();
        TopicList { broker_addr: None, topic_list }
    }

    /// Topics whose first queue data has flags that fit.
    fn topics_by_flag(&self, fits: impl Fn(i32) -> bool) -> TopicList {
        let tables = self.read();
        let is_wanted = |queues: &&Vec<QueueData>| queues.first().is_some_and(|queue| fits(queue.sys_flag()));
        let wanted = tables.topics.iter().filter(|(_, queues)| is_wanted(queues));
        TopicList { broker_addr: None, topic_list: wanted.map(|(topic, _)| topic.to_string()).collect() }
    }

    /// Topics of units.
    pub fn unit_topics(&self) -> TopicList {
        self.topics_by_flag(|flag| flag & sys_flag::TOPIC_UNIT != 0)
    }

    /// Topics that units subscribe to.
    pub fn has_unit_sub_topics(&self) -> TopicList {
        self.topics_by_flag(|flag| flag & sys_flag::TOPIC_UNIT_SUB != 0)
    }

    /// Topics that units subscribe to and that are no unit's.
    pub fn has_unit_sub_ununit_topics(&self) -> TopicList {
        self.topics_by_flag(|flag| flag & sys_flag::TOPIC_UNIT_SUB != 0 && flag & sys_flag::TOPIC_UNIT == 0)
    }

    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// Puts a broker into its cluster and under its name; whether its id had no address before.
    fn add_broker(&mut self, broker: &BrokerIdentity) -> bool {
        let BrokerIdentity { cluster_name, broker_name, broker_addr, broker_id } = broker;
        self.clusters.entry(cluster_name.clone()).or_default().insert(broker_name.clone());
        self.places.entry(broker_name.clone()).or_default().clusters.insert(cluster_name.clone());
        let data = self
            .brokers
            .entry(broker_name.clone())
            .or_insert_with(|| BrokerData::new(cluster_name, broker_name));
        // Java keeps the address under its old id, too, when a broker comes back with another one.
        data.broker_addrs.retain(|id, addr| addr != broker_addr || id == broker_id);
        data.broker_addrs.insert(*broker_id, broker_addr.clone()).is_none()
    }

    /// Whether one more broker may be registered, or it is known.
    fn check_room(&self, broker: &BrokerIdentity, peer: &Peer) -> Result<(), Refused> {
        let BrokerIdentity { cluster_name, broker_name, broker_addr, .. } = broker;
        let live = self.live.get(broker_addr);
        let is_known = live.is_some_and(|live| live.names.contains(broker_name));
        if !is_known && self.registered >= BROKERS_MAX {
            return Err(Refused::Full);
        }
        if !is_known || live.is_none_or(|live| live.peer.id() != peer.id()) {
            let on_peer = self.on_peer.get(&peer.id()).into_iter().flatten();
            let count: usize = on_peer.filter_map(|addr| Some(self.live.get(addr)?.names.len())).sum();
            if count >= BROKERS_PER_CONNECTION_MAX {
                return Err(Refused::ConnectionFull);
            }
        }
        let clusters = self.places.get(broker_name).map(|places| &places.clusters);
        match clusters {
            Some(it) if it.len() >= CLUSTERS_OF_NAME_MAX && !it.contains(cluster_name) => {
                Err(Refused::Clusters)
            }
            _ => Ok(()),
        }
    }

    /// Whose place a broker takes, of those that are connected from elsewhere: its name and id were at another address, or
    /// its address is another's.
    fn taken_from(&self, broker: &BrokerIdentity, peer: &Peer) -> Option<(String, SocketAddr)> {
        let data = self.brokers.get(&broker.broker_name);
        let before = data.and_then(|data| data.broker_addrs.get(&broker.broker_id));
        [before, Some(&broker.broker_addr)].into_iter().flatten().find_map(|addr| {
            let by = &self.live.get(addr)?.peer;
            (by.is_open() && !is_same_side(by, peer)).then(|| (addr.clone(), by.remote()))
        })
    }

    /// Notes a sign of life; whether the address was unknown.
    fn set_live(
        &mut self,
        broker: &BrokerIdentity,
        ha_server_addr: &str,
        data_version: DataVersion,
        peer: &Arc<Peer>,
        now_ms: i64,
    ) -> bool {
        let addr = &broker.broker_addr;
        let before = self.live.remove(addr);
        let is_new = before.is_none();
        if let Some(before) = before.as_ref().filter(|before| before.peer.id() != peer.id()) {
            self.leave_peer(before.peer.id(), addr);
        }
        let mut names = before.map(|before| before.names).unwrap_or_default();
        self.registered += usize::from(names.insert(broker.broker_name.clone()));
        self.on_peer.entry(peer.id()).or_default().insert(addr.clone());
        let (peer, ha_server_addr) = (Arc::clone(peer), ha_server_addr.to_owned());
        self.live
            .insert(addr.clone(), Live { names, last_update_ms: now_ms, data_version, peer, ha_server_addr });
        is_new
    }

    fn leave_peer(&mut self, id: u64, addr: &str) {
        if let Some(addrs) = self.on_peer.get_mut(&id) {
            addrs.remove(addr);
            if addrs.is_empty() {
                self.on_peer.remove(&id);
            }
        }
    }

    fn add_topics<'a>(&mut self, broker_name: &str, configs: impl Iterator<Item = &'a TopicConfig>) {
        let (mut lines, mut left_out) = (Lines::default(), 0);
        for config in configs {
            if !self.set_queues(broker_name, config, &mut lines) {
                left_out += 1;
            }
        }
        lines.end("topics registered or changed");
        if left_out > 0 {
            tracing::warn!(
                broker_name,
                left_out,
                "topics of a registration left out: names are of 1 to {TOPIC_BYTES_MAX} bytes without control characters, and \
                 a broker has {TOPICS_OF_NAME_MAX} topics at most, all brokers together {QUEUES_MAX}"
            );
        }
    }

    /// Whether the topic is taken.
    fn set_queues(&mut self, broker_name: &str, config: &TopicConfig, lines: &mut Lines) -> bool {
        let topic = config.topic_name.as_str();
        let new = QueueData::new(broker_name, config);
        let known = self.topics.get_mut(topic);
        if let Some(old) = known.and_then(|it| it.iter_mut().find(|queue| queue.broker_name == broker_name)) {
            if *old != new {
                lines.say(|| tracing::info!("topic changed, {topic} OLD: {old} NEW: {new}"));
                *old = new;
            }
            return true;
        }
        let is_name =
            (1..=TOPIC_BYTES_MAX).contains(&topic.len()) && !topic.contains(|char: char| char.is_control());
        let places = self.places.entry(broker_name.to_owned()).or_default();
        if !is_name || places.topics.len() >= TOPICS_OF_NAME_MAX || self.queues >= QUEUES_MAX {
            return false;
        }
        let name = match self.topics.get_key_value(topic) {
            Some((name, _)) => Arc::clone(name),
            None => {
                lines.say(|| tracing::info!("new topic registered, {topic} {new}"));
                Arc::from(topic)
            }
        };
        places.topics.insert(Arc::clone(&name));
        self.topics.entry(name).or_default().push(new);
        self.queues += 1;
        true
    }

    fn master_of(&self, broker: &BrokerIdentity) -> Master {
        if broker.broker_id == 0 {
            return Master::default();
        }
        let addr = self.brokers.get(&broker.broker_name).and_then(BrokerData::master_addr);
        let live = addr.and_then(|addr| Some((addr, self.live.get(addr)?)));
        live.map_or_else(Master::default, |(addr, live)| Master {
            ha_server_addr: Some(live.ha_server_addr.clone()),
            master_addr: Some(addr.to_owned()),
        })
    }

    /// Takes an address off one of its names; with its last name it is no longer live, and its connection is given.
    fn take_off(&mut self, addr: &str, broker_name: &str) -> Option<Arc<Peer>> {
        let live = self.live.get_mut(addr)?;
        if !live.names.remove(broker_name) {
            return None;
        }
        let is_last = live.names.is_empty();
        self.registered -= 1;
        self.remove_addr(broker_name, addr);
        let live = if is_last { self.live.remove(addr)? } else { return None };
        self.filter_servers.remove(addr);
        self.leave_peer(live.peer.id(), addr);
        Some(live.peer)
    }

    /// Takes an address from a broker name; with its last address the name goes, its place in the clusters and
    /// its queues.
    fn remove_addr(&mut self, broker_name: &str, broker_addr: &str) {
        let Some(broker) = self.brokers.get_mut(broker_name) else { return };
        broker.broker_addrs.retain(|_, addr| addr != broker_addr);
        if !broker.broker_addrs.is_empty() {
            return;
        }
        tracing::info!("remove brokerName[{broker_name}] from brokerAddrTable");
        self.brokers.remove(broker_name);
        let places = self.places.remove(broker_name).unwrap_or_default();
        for cluster in &places.clusters {
            if let Some(names) = self.clusters.get_mut(cluster) {
                names.remove(broker_name);
                if names.is_empty() {
                    self.clusters.remove(cluster);
                }
            }
        }
        let mut lines = Lines::default();
        for topic in &places.topics {
            let Some(queues) = self.topics.get_mut(topic) else { continue };
            let before = queues.len();
            queues.retain(|queue| queue.broker_name != broker_name);
            self.queues -= before - queues.len();
            if queues.is_empty() {
                lines.say(|| tracing::info!("remove topic[{topic}], from topicQueueTable"));
                self.topics.remove(topic);
            }
        }
        lines.end("topics removed from topicQueueTable");
    }
}

/// Lines about single topics: Java writes one for each, however many there are.
#[derive(Default)]
struct Lines {
    count: usize,
}

impl Lines {
    fn say(&mut self, line: impl FnOnce()) {
        self.count += 1;
        if self.count <= TOPIC_LINES_MAX {
            line();
        }
    }

    fn end(&self, what: &str) {
        if let Some(more) = self.count.checked_sub(TOPIC_LINES_MAX).filter(|more| *more > 0) {
            tracing::info!("and {more} more {what}");
        }
    }
}

fn check_name(what: &'static str, text: &str) -> Result<(), Refused> {
    if text.len() > NAME_BYTES_MAX {
        return Err(Refused::TooLong { what, bytes: text.len() });
    }
    match text.contains(|char: char| char.is_control()) {
        true => Err(Refused::ControlCharacters(what)),
        false => Ok(()),
    }
}

fn check_names(broker: &BrokerIdentity, ha_server_addr: &str) -> Result<(), Refused> {
    let BrokerIdentity { cluster_name, broker_name, broker_addr, .. } = broker;
    check_name("clusterName", cluster_name)?;
    check_name("brokerName", broker_name)?;
    check_name("brokerAddr", broker_addr)?;
    check_name("haServerAddr", ha_server_addr)
}

fn check_filter_servers(addrs: &[String]) -> Result<(), Refused> {
    if addrs.len() > FILTER_SERVERS_MAX {
        return Err(Refused::FilterServers(addrs.len()));
    }
    addrs.iter().try_for_each(|addr| check_name("a filter server", addr))
}

fn ip(peer: &Peer) -> IpAddr {
    peer.remote().ip().to_canonical()
}

/// One connection, or two from the same IP address.
fn is_same_side(one: &Peer, other: &Peer) -> bool {
    one.id() == other.id() || ip(one) == ip(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::body::topic::TopicConfigSerializeWrapper;

    fn peer() -> Arc<Peer> {
        Peer::unconnected(([127, 0, 0, 1], 5000).into())
    }

    fn broker(name: &str, id: i64) -> BrokerIdentity {
        BrokerIdentity {
            cluster_name: "C".to_owned(),
            broker_name: name.to_owned(),
            broker_addr: format!("10.0.0.1:{name}{id}"),
            broker_id: id,
        }
    }

    fn body(counter: i64, topics: &[(&str, i32)]) -> RegisterBrokerBody {
        let config = |(topic, flag): &(&str, i32)| {
            let config = TopicConfig { topic_sys_flag: *flag, ..TopicConfig::new(topic, 4, 4, 6) };
            ((*topic).to_owned(), config)
        };
        RegisterBrokerBody {
            filter_server_list: Vec::new(),
            topic_config_serialize_wrapper: TopicConfigSerializeWrapper {
                data_version: DataVersion { counter, timestamp: 1 },
                topic_config_table: topics.iter().map(config).collect(),
            },
        }
    }

    fn names(list: &TopicList) -> Vec<&str> {
        list.topic_list.iter().map(String::as_str).collect()
    }

    #[test]
    fn topics_of_masters_count_when_their_version_is_new() {
        let routes = RouteInfo::default();
        let peer = peer();
        let master = broker("a", 0);
        assert_eq!(
            routes.register(&master, "ha", body(1, &[("T", 0)]), &peer, 0).unwrap(),
            Master::default()
        );
        routes.register(&master, "ha", body(1, &[("U", 0)]), &peer, 0).unwrap();
        assert_eq!(names(&routes.all_topics()), ["T"], "the version is the same");
        routes.register(&master, "ha", body(2, &[("U", 0)]), &peer, 0).unwrap();
        assert_eq!(names(&routes.all_topics()), ["T", "U"], "what is not named stays");
        let told = routes.register(&broker("a", 1), "ha1", body(9, &[("V", 0)]), &peer, 0).unwrap();
        assert_eq!(told.ha_server_addr.as_deref(), Some("ha"));
        assert_eq!(told.master_addr.as_deref(), Some("10.0.0.1:a0"));
        assert_eq!(names(&routes.all_topics()), ["T", "U"], "a slave's topics do not count");
        let route = routes.route("T").unwrap();
        assert_eq!((route.broker_datas.len(), route.broker_datas[0].broker_addrs.len()), (1, 2));
        assert_eq!(route.queue_datas[0].write_queue_nums, 4);
        assert!(routes.route("V").is_none());
    }

    #[test]
    fn a_master_that_dies_leaves_its_slave_reachable() {
        let routes = RouteInfo::default();
        let (on_master, on_slave) = (peer(), peer());
        routes.register(&broker("a", 0), "", body(1, &[("T", 0)]), &on_master, 0).unwrap();
        routes.register(&broker("a", 1), "", body(1, &[]), &on_slave, 0).unwrap();
        routes.disconnected(&on_master);
        let route = routes.route("T").unwrap();
        assert_eq!(route.broker_datas[0].broker_addrs.keys().collect::<Vec<_>>(), [&1]);
        routes.disconnected(&on_slave);
        assert!(routes.route("T").is_none() && names(&routes.all_topics()).is_empty());
        assert!(routes.cluster_info().cluster_addr_table.is_empty());
        assert_eq!(routes.why_missing("T"), Why::NoBroker);
    }

    #[test]
    fn what_a_missing_route_is_for_is_known() {
        let routes = RouteInfo::default();
        let peer = peer();
        let mut counter = 0;
        let mut check = |id: i64, topics: &[(&str, i32)], topic: &str, expected: Why| {
            counter += 1;
            let mut body = body(counter, &[]);
            let config =
                |(topic, perm): &(&str, i32)| ((*topic).to_owned(), TopicConfig::new(topic, 4, 4, *perm));
            body.topic_config_serialize_wrapper.topic_config_table = topics.iter().map(config).collect();
            routes.register(&broker("a", id), "", body, &peer, 0).unwrap();
            assert_eq!(routes.why_missing(topic), expected);
        };
        check(1, &[("TBW102", 7)], "T", Why::OnlySlaves);
        check(0, &[("U", 6)], "T", Why::AutoCreateOff);
        check(0, &[], "TBW102", Why::NoTemplate);
        check(0, &[("TBW102", 7)], "T", Why::CreatedOnSend);
        check(0, &[("TBW102", 4)], "T", Why::NoPermission);
        check(0, &[("TBW102", 7)], "%RETRY%g", Why::NoGroup);
        check(0, &[("U", 6)], "%DLQ%g", Why::NoDeadLetter);
        check(0, &[("AUTO_CREATE_TOPIC_KEY", 7)], "T", Why::CreatedOnSend);
    }

    #[test]
    fn silent_brokers_expire() {
        let routes = RouteInfo::default();
        let peer = peer();
        routes.register(&broker("a", 0), "", body(1, &[("T", 0)]), &peer, 1000).unwrap();
        routes.register(&broker("b", 0), "", body(1, &[("T", 0)]), &peer, 1000).unwrap();
        let (changed, known) =
            routes.query_data_version("10.0.0.1:b0", DataVersion { counter: 1, timestamp: 1 }, 2000);
        assert_eq!((changed, known.is_some()), (false, true));
        assert!(routes.query_data_version("10.0.0.1:b0", DataVersion::default(), 3000).0);
        assert_eq!(routes.query_data_version("x", DataVersion::default(), 0), (true, None));
        assert!(routes.expire(1000 + BROKER_EXPIRED_MS).is_empty());
        assert_eq!(routes.expire(1001 + BROKER_EXPIRED_MS).len(), 1);
        assert_eq!(routes.route("T").unwrap().queue_datas.len(), 1);
    }

    #[test]
    fn an_address_stands_under_one_id() {
        let routes = RouteInfo::default();
        let peer = peer();
        let master = broker("a", 0);
        routes.register(&master, "", body(1, &[("T", 0)]), &peer, 0).unwrap();
        routes
            .register(&BrokerIdentity { broker_id: 1, ..master.clone() }, "", body(1, &[]), &peer, 0)
            .unwrap();
        let route = routes.route("T").unwrap();
        assert_eq!(route.broker_datas[0].broker_addrs.keys().collect::<Vec<_>>(), [&1]);
        routes.unregister(&BrokerIdentity { broker_id: 1, ..master }, &peer).unwrap();
        assert!(routes.route("T").is_none());
    }

    #[test]
    fn lists_and_permissions() {
        let routes = RouteInfo::default();
        let peer = peer();
        routes
            .register(&broker("a", 0), "", body(1, &[("T", 0), ("U", 1), ("S", 2), ("B", 3)]), &peer, 0)
            .unwrap();
        assert_eq!(names(&routes.unit_topics()), ["B", "U"]);
        assert_eq!(names(&routes.has_unit_sub_topics()), ["B", "S"]);
        assert_eq!(names(&routes.has_unit_sub_ununit_topics()), ["S"]);
        assert_eq!(names(&routes.system_topics()), ["C", "a"]);
        assert_eq!(routes.system_topics().broker_addr.as_deref(), Some("10.0.0.1:a0"));
        assert_eq!(names(&routes.topics_of_cluster("C")).len(), 4);
        assert!(names(&routes.topics_of_cluster("D")).is_empty());
        assert_eq!((routes.wipe_write_perm("a"), routes.wipe_write_perm("x")), (4, 0));
        assert_eq!(routes.route("T").unwrap().queue_datas[0].perm, 4);
        routes.register(&broker("a", 0), "", body(1, &[("T", 0)]), &peer, 0).unwrap();
        assert_eq!(routes.route("T").unwrap().queue_datas[0].perm, 4, "the version is the same");
        routes.register(&broker("a", 0), "", body(2, &[("T", 0)]), &peer, 0).unwrap();
        assert_eq!(routes.route("T").unwrap().queue_datas[0].perm, 6);
        routes.delete_topic("T");
        assert!(routes.route("T").is_none());
    }

    /// As all of them are on each connection that ends, a walk over them for each broker would take minutes here.
    #[test]
    fn brokers_of_ended_connections_leave_nothing_behind() {
        let routes = RouteInfo::default();
        let topics: Vec<String> = (0..2000).map(|number| format!("T{number}")).collect();
        let topics: Vec<(&str, i32)> = topics.iter().map(|topic| (topic.as_str(), 0)).collect();
        let stays = peer();
        routes.register(&broker("stays", 0), "", body(1, &topics), &stays, 0).unwrap();
        let mut peers = Vec::new();
        for number in 0..BROKERS_MAX - 1 {
            if number % BROKERS_PER_CONNECTION_MAX == 0 {
                peers.push(peer());
            }
            let one = BrokerIdentity { cluster_name: format!("C{number}"), ..broker(&number.to_string(), 0) };
            let topic = format!("of {number}");
            routes.register(&one, "", body(1, &[(&topic, 0)]), peers.last().unwrap(), 0).unwrap();
        }
        assert_eq!(routes.register(&broker("more", 0), "", body(1, &[]), &stays, 0), Err(Refused::Full));
        assert!(routes.register(&broker("stays", 0), "", body(2, &[]), &stays, 0).is_ok(), "it is known");
        peers.iter().for_each(|peer| routes.disconnected(peer));
        assert_eq!(routes.cluster_info().broker_addr_table.into_keys().collect::<Vec<_>>(), ["stays"]);
        assert_eq!(routes.all_topics().topic_list.len(), 2000);
        routes.disconnected(&stays);
        let tables = routes.write();
        assert!(tables.topics.is_empty() && tables.brokers.is_empty() && tables.clusters.is_empty());
        assert!(tables.live.is_empty() && tables.on_peer.is_empty() && tables.places.is_empty());
        assert_eq!((tables.queues, tables.registered), (0, 0));
    }

    #[test]
    fn what_a_connection_may_register_is_bounded() {
        let routes = RouteInfo::default();
        let (one, other) = (peer(), peer());
        for number in 0..BROKERS_PER_CONNECTION_MAX {
            routes.register(&broker(&number.to_string(), 0), "", body(1, &[]), &one, 0).unwrap();
        }
        let register = |broker: &BrokerIdentity, peer| routes.register(broker, "", body(2, &[]), peer, 0);
        assert_eq!(register(&broker("a", 0), &one), Err(Refused::ConnectionFull));
        assert!(register(&broker("5", 0), &one).is_ok() && register(&broker("a", 0), &other).is_ok());
        assert!(register(&broker("5", 0), &other).is_ok() && register(&broker("b", 0), &one).is_ok());
        let of = |cluster: usize| BrokerIdentity { cluster_name: cluster.to_string(), ..broker("a", 0) };
        for cluster in 1..CLUSTERS_OF_NAME_MAX {
            register(&of(cluster), &other).unwrap();
        }
        assert_eq!(register(&of(CLUSTERS_OF_NAME_MAX), &other), Err(Refused::Clusters));
        assert!(register(&of(1), &other).is_ok());
    }

    #[test]
    fn names_are_those_that_work_in_java() {
        let routes = RouteInfo::default();
        let peer = peer();
        let check = |name: &str, expected: Result<(), Refused>| {
            let outcome = routes.register(&broker(name, 0), "", body(1, &[]), &peer, 0);
            assert_eq!(outcome.map(|_| ()), expected, "{name}");
        };
        check("broker a.b/c-\u{e9}", Ok(()));
        check("b\n", Err(Refused::ControlCharacters("brokerName")));
        check(&"b".repeat(256), Err(Refused::TooLong { what: "brokerName", bytes: 256 }));
        let long = "t".repeat(TOPIC_BYTES_MAX + 1);
        let topics = [("T", 0), ("", 0), ("a\tb", 0), (&*long, 0), ("a b/../c", 0)];
        routes.register(&broker("a", 0), "", body(1, &topics), &peer, 0).unwrap();
        assert_eq!(names(&routes.all_topics()), ["T", "a b/../c"], "a bad name does not cost the others");
    }

    #[test]
    fn who_registered_a_broker_takes_it_off() {
        let routes = RouteInfo::default();
        let of = |ip: [u8; 4], port| Peer::unconnected((ip, port).into());
        let (owner, stranger) = (of([10, 0, 0, 1], 1), of([10, 0, 0, 2], 1));
        let master = broker("a", 0);
        routes.register(&master, "", body(1, &[("T", 0)]), &owner, 0).unwrap();
        let refused = routes.unregister(&master, &stranger).unwrap_err();
        let told = "the broker 10.0.0.1:a0 was registered from 10.0.0.1, and is taken off from there only";
        assert_eq!(refused.to_string(), told);
        assert!(routes.route("T").is_some());
        routes.unregister(&broker("b", 0), &stranger).unwrap();
        routes.unregister(&BrokerIdentity { broker_name: "b".to_owned(), ..master.clone() }, &owner).unwrap();
        assert!(routes.route("T").is_some(), "it has no such name");
        routes.unregister(&master, &of([10, 0, 0, 1], 2)).unwrap();
        assert!(routes.route("T").is_none());
    }
}
