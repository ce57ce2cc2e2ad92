//! The route tables (Java: `RouteInfoManager`): brokers by name, by cluster and by address, and each topic's
//! queues on them. One lock; no sockets and no clock of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::missing::Why;
use crate::protocol::body::register::RegisterBrokerBody;
use crate::protocol::body::route::{BrokerData, ClusterInfo, QueueData, TopicRouteData};
use crate::protocol::body::topic::{DataVersion, TopicConfig, TopicList};
use crate::protocol::topic::{
    AUTO_CREATE_TOPIC_KEY_TOPIC, TBW102_TOPIC, dlq_group, is_default_topic, retry_group,
};
use crate::protocol::{perm, sys_flag};
use crate::remoting::Peer;

/// A broker that has not registered for so long is gone (Java: `BROKER_CHANNEL_EXPIRED_TIME`).
pub const BROKER_EXPIRED_MS: i64 = 120_000;

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

/// The tables.
#[derive(Default)]
pub struct RouteInfo {
    tables: RwLock<Tables>,
}

#[derive(Default)]
struct Tables {
    topics: BTreeMap<String, Vec<QueueData>>,
    brokers: BTreeMap<String, BrokerData>,
    clusters: BTreeMap<String, BTreeSet<String>>,
    /// By broker address.
    live: BTreeMap<String, Live>,
    /// By broker address.
    filter_servers: BTreeMap<String, Vec<String>>,
}

struct Live {
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
    ) -> Master {
        let mut tables = self.write();
        let wrapper = body.topic_config_serialize_wrapper;
        let is_first = tables.add_broker(broker);
        let known = tables.live.get(&broker.broker_addr);
        let is_changed = known.is_none_or(|live| live.data_version != wrapper.data_version);
        if broker.broker_id == 0 && (is_first || is_changed) {
            for config in wrapper.topic_config_table.values() {
                tables.set_queues(&broker.broker_name, config);
            }
        }
        let live = Live {
            last_update_ms: now_ms,
            data_version: wrapper.data_version,
            peer: Arc::clone(peer),
            ha_server_addr: ha_server_addr.to_owned(),
        };
        if tables.live.insert(broker.broker_addr.clone(), live).is_none() {
            tracing::info!("new broker registered, {} HAServer: {ha_server_addr}", broker.broker_addr);
        }
        if body.filter_server_list.is_empty() {
            tables.filter_servers.remove(&broker.broker_addr);
        } else {
            tables.filter_servers.insert(broker.broker_addr.clone(), body.filter_server_list);
        }
        tables.master_of(broker)
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

    /// A broker leaves.
    pub fn unregister(&self, broker: &BrokerIdentity) {
        let mut tables = self.write();
        let was_live = tables.live.remove(&broker.broker_addr).is_some();
        let outcome = if was_live { "OK" } else { "Failed" };
        tracing::info!("unregisterBroker, remove from brokerLiveTable {outcome}, {}", broker.broker_addr);
        tables.filter_servers.remove(&broker.broker_addr);
        tables.remove_addr(&broker.broker_name, &broker.broker_addr);
    }

    /// A connection has ended: the brokers that registered on it are gone.
    pub fn disconnected(&self, peer: &Peer) {
        let mut tables = self.write();
        tables.drop_brokers(|live| live.peer.id() == peer.id(), "the broker's channel destroyed");
    }

    /// Drops brokers that have been silent for too long, and gives their connections.
    pub fn expire(&self, now_ms: i64) -> Vec<Arc<Peer>> {
        let mut tables = self.write();
        let is_expired = |live: &Live| live.last_update_ms + BROKER_EXPIRED_MS < now_ms;
        tables.drop_brokers(is_expired, "The broker channel expired")
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
        let mut count = 0;
        for queue in tables.topics.values_mut().flatten().filter(|queue| queue.broker_name == broker_name) {
            queue.perm &= !perm::PERM_WRITE;
            count += 1;
        }
        count
    }

    /// Forgets a topic, until a broker registers it again.
    pub fn delete_topic(&self, topic: &str) {
        self.write().topics.remove(topic);
    }

    /// Every topic.
    pub fn all_topics(&self) -> TopicList {
        let topic_list = self.read().topics.keys().cloned().collect();
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
            .map(|(topic, _)| topic.clone())
            .collect();
        TopicList { broker_addr: None, topic_list }
    }

    /// Topics whose first queue data has flags that fit.
    fn topics_by_flag(&self, fits: impl Fn(i32) -> bool) -> TopicList {
        let tables = self.read();
        let is_wanted = |queues: &&Vec<QueueData>| queues.first().is_some_and(|queue| fits(queue.sys_flag()));
        let wanted = tables.topics.iter().filter(|(_, queues)| is_wanted(queues));
        TopicList { broker_addr: None, topic_list: wanted.map(|(topic, _)| topic.clone()).collect() }
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
        let data = self
            .brokers
            .entry(broker_name.clone())
            .or_insert_with(|| BrokerData::new(cluster_name, broker_name));
        // Java keeps the address under its old id, too, when a broker comes back with another one.
        data.broker_addrs.retain(|id, addr| addr != broker_addr || id == broker_id);
        data.broker_addrs.insert(*broker_id, broker_addr.clone()).is_none()
    }

    fn set_queues(&mut self, broker_name: &str, config: &TopicConfig) {
        let topic = &config.topic_name;
        let new = QueueData::new(broker_name, config);
        let queues = self.topics.entry(topic.clone()).or_insert_with(|| {
            tracing::info!("new topic registered, {topic} {new}");
            Vec::new()
        });
        match queues.iter_mut().find(|queue| queue.broker_name == broker_name) {
            None => queues.push(new),
            Some(old) if *old != new => {
                tracing::info!("topic changed, {topic} OLD: {old} NEW: {new}");
                *old = new;
            }
            Some(_) => {}
        }
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

    /// Drops every broker that `is_gone`, and gives their connections.
    fn drop_brokers(&mut self, is_gone: impl Fn(&Live) -> bool, why: &str) -> Vec<Arc<Peer>> {
        let gone: Vec<String> =
            self.live.iter().filter(|(_, live)| is_gone(live)).map(|(addr, _)| addr.clone()).collect();
        let mut peers = Vec::new();
        for addr in gone {
            tracing::warn!("{why}, {addr}, clean it's data structure at once");
            self.filter_servers.remove(&addr);
            peers.extend(self.live.remove(&addr).map(|live| live.peer));
            let holds_addr = |broker: &&BrokerData| broker.broker_addrs.values().any(|other| *other == addr);
            let names: Vec<String> =
                self.brokers.values().filter(holds_addr).map(|broker| broker.broker_name.clone()).collect();
            for name in names {
                self.remove_addr(&name, &addr);
            }
        }
        peers
    }

    /// Takes an address from a broker name; with its last address the name goes, its place in the cluster and
    /// its queues.
    fn remove_addr(&mut self, broker_name: &str, broker_addr: &str) {
        let Some(broker) = self.brokers.get_mut(broker_name) else { return };
        broker.broker_addrs.retain(|_, addr| addr != broker_addr);
        if !broker.broker_addrs.is_empty() {
            return;
        }
        tracing::info!("remove brokerName[{broker_name}] from brokerAddrTable");
        self.brokers.remove(broker_name);
        for names in self.clusters.values_mut() {
            names.remove(broker_name);
        }
        self.clusters.retain(|_, names| !names.is_empty());
        for queues in self.topics.values_mut() {
            queues.retain(|queue| queue.broker_name != broker_name);
        }
        self.topics.retain(|topic, queues| {
            if queues.is_empty() {
                tracing::info!("remove topic[{topic}], from topicQueueTable");
            }
            !queues.is_empty()
        });
    }
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
        assert_eq!(routes.register(&master, "ha", body(1, &[("T", 0)]), &peer, 0), Master::default());
        routes.register(&master, "ha", body(1, &[("U", 0)]), &peer, 0);
        assert_eq!(names(&routes.all_topics()), ["T"], "the version is the same");
        routes.register(&master, "ha", body(2, &[("U", 0)]), &peer, 0);
        assert_eq!(names(&routes.all_topics()), ["T", "U"], "what is not named stays");
        let told = routes.register(&broker("a", 1), "ha1", body(9, &[("V", 0)]), &peer, 0);
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
        routes.register(&broker("a", 0), "", body(1, &[("T", 0)]), &on_master, 0);
        routes.register(&broker("a", 1), "", body(1, &[]), &on_slave, 0);
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
            routes.register(&broker("a", id), "", body, &peer, 0);
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
        routes.register(&broker("a", 0), "", body(1, &[("T", 0)]), &peer, 1000);
        routes.register(&broker("b", 0), "", body(1, &[("T", 0)]), &peer, 1000);
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
        routes.register(&master, "", body(1, &[("T", 0)]), &peer, 0);
        routes.register(&BrokerIdentity { broker_id: 1, ..master.clone() }, "", body(1, &[]), &peer, 0);
        let route = routes.route("T").unwrap();
        assert_eq!(route.broker_datas[0].broker_addrs.keys().collect::<Vec<_>>(), [&1]);
        routes.unregister(&BrokerIdentity { broker_id: 1, ..master });
        assert!(routes.route("T").is_none());
    }

    #[test]
    fn lists_and_permissions() {
        let routes = RouteInfo::default();
        let peer = peer();
        routes.register(&broker("a", 0), "", body(1, &[("T", 0), ("U", 1), ("S", 2), ("B", 3)]), &peer, 0);
        assert_eq!(names(&routes.unit_topics()), ["B", "U"]);
        assert_eq!(names(&routes.has_unit_sub_topics()), ["B", "S"]);
        assert_eq!(names(&routes.has_unit_sub_ununit_topics()), ["S"]);
        assert_eq!(names(&routes.system_topics()), ["C", "a"]);
        assert_eq!(routes.system_topics().broker_addr.as_deref(), Some("10.0.0.1:a0"));
        assert_eq!(names(&routes.topics_of_cluster("C")).len(), 4);
        assert!(names(&routes.topics_of_cluster("D")).is_empty());
        assert_eq!((routes.wipe_write_perm("a"), routes.wipe_write_perm("x")), (4, 0));
        assert_eq!(routes.route("T").unwrap().queue_datas[0].perm, 4);
        routes.register(&broker("a", 0), "", body(1, &[("T", 0)]), &peer, 0);
        assert_eq!(routes.route("T").unwrap().queue_datas[0].perm, 4, "the version is the same");
        routes.register(&broker("a", 0), "", body(2, &[("T", 0)]), &peer, 0);
        assert_eq!(routes.route("T").unwrap().queue_datas[0].perm, 6);
        routes.delete_topic("T");
        assert!(routes.route("T").is_none());
    }
}
