//! What a broker shows to whoever watches it: its health and its overview; the metrics are `metrics`'. What both count over
//! is `figures`'. It only reads, and holds no lock that a request waits for longer than a table is copied.

mod figures;
mod metrics;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use self::figures::{Figures, PairFigures, TopicFigures};
use super::Broker;
use crate::http::Watched;
use crate::http::histogram::BOUNDS_US;
use crate::http::metrics::Exposition;
use crate::http::overview::{
    BrokerRow, GroupRow, Overview, ROWS_MAX, SlaveRow, Store, TopicRow, Traffic, View,
};
use crate::http::process::Process;
use crate::remoting::server::Connections;

/// How old what the name server says may be.
const CLUSTER_AGE: Duration = Duration::from_secs(5);
/// How long it may take to say it: the page waits.
const CLUSTER_WAIT: Duration = Duration::from_secs(1);
/// Brokers of a cluster that are shown.
const BROKERS_MAX: usize = 500;
const HISTORY_SECONDS: usize = 180;

/// A broker as it is watched. One that has stopped is not kept from going.
pub struct Watch {
    broker: Weak<Broker>,
    addr: SocketAddr,
    connections: Vec<Connections>,
    cluster: Mutex<Cluster>,
}

#[derive(Default)]
struct Cluster {
    asked: Option<Instant>,
    brokers: Vec<BrokerRow>,
}

impl Watch {
    /// `connections` are those of the ports for clients.
    pub fn new(broker: &Arc<Broker>, addr: SocketAddr, connections: Vec<Connections>) -> Watch {
        Watch { broker: Arc::downgrade(broker), addr, connections, cluster: Mutex::default() }
    }

    fn connections(&self) -> usize {
        self.connections.iter().map(Connections::count).sum()
    }

    fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask_cluster(&self) {
        let Some(broker) = self.broker.upgrade() else { return };
        let is_new = |asked: Instant| asked.elapsed() < CLUSTER_AGE;
        if self.cluster().asked.replace(Instant::now()).is_some_and(is_new) {
            return;
        }
        let asked = async {
            for addr in broker.registrar.name_servers() {
                if let Some(info) = broker.registrar.cluster_info(addr).await {
                    return Some(info);
                }
            }
            None
        };
        let info = tokio::time::timeout(CLUSTER_WAIT, asked).await.ok().flatten().unwrap_or_default();
        let this = broker.store_host.to_string();
        let mut brokers: Vec<BrokerRow> = info
            .broker_addr_table
            .into_values()
            .flat_map(|data| {
                let (cluster, name) = (data.cluster, data.broker_name);
                data.broker_addrs.into_iter().map(move |(id, addr)| (cluster.clone(), name.clone(), id, addr))
            })
            .map(|(cluster, name, id, addr)| BrokerRow { is_this: addr == this, cluster, name, id, addr })
            .take(BROKERS_MAX)
            .collect();
        brokers.sort();
        self.cluster().brokers = brokers;
    }
}

/// Why a broker should be passed by, if it should.
fn trouble(broker: &Broker) -> Option<String> {
    if let Some(reason) = broker.store.status().reason {
        return Some(format!("the store takes no messages: {reason}"));
    }
    if broker.store.is_page_cache_busy() {
        return Some("the store takes no messages: an append takes very long".to_owned());
    }
    let accept_from_ms = broker.live.start_accept_send_request_time_stamp();
    if broker.now_ms() < accept_from_ms {
        return Some("sends are refused until startAcceptSendRequestTimeStamp".to_owned());
    }
    if broker.registrar.name_servers().is_empty() {
        return Some("registered with no name server: namesrvAddr is not set".to_owned());
    }
    if !broker.registrar.is_registered() {
        let names = broker.registrar.name_servers().join(";");
        return Some(format!("registered with no name server: none of {names} has agreed"));
    }
    None
}

const STOPPED: &str = "the broker has stopped";

impl Watched for Watch {
    fn trouble(&self) -> Option<String> {
        match self.broker.upgrade() {
            Some(broker) => trouble(&broker),
            None => Some(STOPPED.to_owned()),
        }
    }

    fn metrics(&self, to: &mut Exposition) {
        if let Some(broker) = self.broker.upgrade() {
            metrics::write(&broker, self.connections(), to);
        }
    }

    fn look_around(&self) -> BoxFuture<'_, ()> {
        self.ask_cluster().boxed()
    }

    fn overview(&self, view: &View) -> Overview {
        let Some(broker) = self.broker.upgrade() else {
            return Overview { trouble: Some(STOPPED.to_owned()), ..Overview::default() };
        };
        let figures = Figures::collect(&broker);
        let now_ms = broker.now_ms();
        let topics = wanted_topics(&figures, view);
        let pairs = wanted_pairs(&figures, view);
        let groups: HashSet<&str> = pairs.iter().map(|pair| pair.group.as_str()).collect();
        Overview {
            kind: "broker",
            name: broker.config.broker_name.clone(),
            cluster: broker.config.broker_cluster_name.clone(),
            role: role(&broker).to_owned(),
            addr: format!("{}:{}", broker.config.broker_ip1, self.addr.port()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            now_ms,
            uptime_ms: now_ms - broker.boot_ms,
            trouble: trouble(&broker),
            connections: self.connections(),
            process: Process::look(),
            traffic: Some(traffic(&broker, &figures)),
            store: Some(store(&broker)),
            brokers: self.cluster().brokers.clone(),
            slaves: slaves(&broker),
            topics_in_all: topics.len() + figures.topics_left_out,
            pairs_in_all: pairs.len() + figures.pairs_left_out,
            groups_in_all: groups.len(),
            topics: topic_rows(topics),
            groups: group_rows(pairs),
        }
    }
}

fn role(broker: &Broker) -> &'static str {
    use crate::config::store::BrokerRole;
    match broker.store_config.broker_role {
        BrokerRole::AsyncMaster => "ASYNC_MASTER",
        BrokerRole::SyncMaster => "SYNC_MASTER",
        BrokerRole::Slave => "SLAVE",
    }
}

fn traffic(broker: &Broker, figures: &Figures) -> Traffic {
    let counts = broker.stats.counts();
    Traffic {
        messages_in: counts.messages_in,
        bytes_in: counts.bytes_in,
        messages_out: counts.messages_out,
        bytes_out: counts.bytes_out,
        refused: refused(broker).iter().map(|(_, _, count)| count).sum(),
        long_polls: broker.holds.len(),
        lag: figures.pairs.iter().filter(|pair| !pair.is_system()).map(|pair| pair.lag).sum(),
        put_classes: Traffic::classes(&broker.stats.put_latency.times()),
        bounds_us: BOUNDS_US.to_vec(),
        history: broker.stats.history(HISTORY_SECONDS),
    }
}

/// What was refused: by what, with which code, how often.
fn refused(broker: &Broker) -> Vec<(&'static str, String, u64)> {
    use crate::protocol::response_code::ResponseCode;
    let name =
        |code: i32| ResponseCode::try_from(code).map_or(code.to_string(), |code| code.name().to_owned());
    let sends = broker.stats.refusals().into_iter().map(|(code, count)| ("send", name(code), count));
    let pools = &broker.pools;
    let busy = [&pools.pull, &pools.query, &pools.transaction, &pools.admin];
    let busy = busy.map(|pool| (pool.name(), ResponseCode::SystemBusy.name().to_owned(), pool.refused()));
    sends.chain(busy).collect()
}

fn store(broker: &Broker) -> Store {
    let store = &broker.store;
    let disk = disk_space(broker).unwrap_or_default();
    let max_offset = store.max_commit_log_offset();
    Store {
        min_offset: store.min_commit_log_offset(),
        max_offset,
        to_flush_bytes: (max_offset - store.flushed_offset()).max(0),
        to_dispatch_bytes: store.dispatch_behind_bytes(),
        disk_ratio: disk.used_bytes as f64 / (disk.used_bytes + disk.free_bytes).max(1) as f64,
        disk_free_bytes: disk.free_bytes,
        disk_total_bytes: disk.total_bytes,
    }
}

/// The commit log's disk. Some of what is not used may be for others.
#[derive(Debug, Clone, Copy, Default)]
struct Disk {
    total_bytes: u64,
    used_bytes: u64,
    free_bytes: u64,
}

fn disk_space(broker: &Broker) -> Option<Disk> {
    let config = &broker.store_config;
    // The log's folder comes with the first message.
    let folders = [&config.store_path_commit_log, &config.store_path_root_dir];
    let stat = folders.into_iter().find_map(|folder| rustix::fs::statvfs(Path::new(folder)).ok())?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Some(Disk {
        total_bytes: bytes(stat.f_blocks),
        used_bytes: bytes(stat.f_blocks.saturating_sub(stat.f_bfree)),
        free_bytes: bytes(stat.f_bavail),
    })
}

fn slaves(broker: &Broker) -> Vec<SlaveRow> {
    let end = broker.store.max_commit_log_offset();
    let fall_behind_max = i64::from(broker.store.settings().ha_slave_fallbehind_max());
    let slaves = broker.store.replicas().slaves(broker.now_ms());
    let row = |slave: crate::store::Slave| {
        let lag_bytes = (end - slave.acked).max(0);
        let in_sync = lag_bytes < fall_behind_max;
        SlaveRow { addr: slave.addr, lag_bytes, bytes_per_second: slave.bytes_per_second, in_sync }
    };
    slaves.into_iter().map(row).collect()
}

fn wanted_topics<'a>(figures: &'a Figures, view: &View) -> Vec<&'a TopicFigures> {
    figures.topics.iter().filter(|topic| view.wants(topic.is_system, &[topic.name()])).collect()
}

fn wanted_pairs<'a>(figures: &'a Figures, view: &View) -> Vec<&'a PairFigures> {
    let is_wanted = |pair: &&PairFigures| view.wants(pair.is_system(), &[&pair.group, &pair.topic]);
    figures.pairs.iter().filter(is_wanted).collect()
}

/// The busiest topics, those of users first.
fn topic_rows(topics: Vec<&TopicFigures>) -> Vec<TopicRow> {
    let mut rows: Vec<TopicRow> = topics
        .into_iter()
        .map(|topic| TopicRow {
            name: topic.name().to_owned(),
            is_system: topic.is_system,
            queues: topic.config.write_queue_nums,
            messages_in: topic.put.messages,
            bytes_in: topic.put.bytes,
            messages_out: topic.fetched_messages,
            stored: topic.stored,
            rate_in: topic.put.messages_per_second,
            rate_out: topic.fetched_per_second,
        })
        .collect();
    rows.sort_by(|one, other| {
        let busy = |row: &TopicRow| (row.rate_in + row.rate_out) as u64;
        (one.is_system, busy(other), other.messages_in, &one.name).cmp(&(
            other.is_system,
            busy(one),
            one.messages_in,
            &other.name,
        ))
    });
    rows.truncate(ROWS_MAX);
    rows
}

/// The groups that are furthest behind, those of users first.
fn group_rows(mut pairs: Vec<&PairFigures>) -> Vec<GroupRow> {
    pairs.sort_by(|one, other| {
        (one.is_system(), other.lag, other.online, &one.group, &one.topic).cmp(&(
            other.is_system(),
            one.lag,
            one.online,
            &other.group,
            &other.topic,
        ))
    });
    let rows = pairs.into_iter().take(ROWS_MAX).map(|pair| GroupRow {
        name: pair.group.clone(),
        topic: pair.topic.clone(),
        is_system: pair.is_system(),
        online: pair.online,
        at_odds: pair.at_odds,
        lag: pair.lag,
        messages_out: pair.fetched.messages,
        rate_out: pair.fetched.messages_per_second,
    });
    rows.collect()
}
