//! What a name server shows to whoever watches it.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use super::Namesrv;
use crate::http::Watched;
use crate::http::metrics::{Exposition, Labels};
use crate::http::overview::{BrokerRow, Overview, ROWS_MAX, TopicRow, View};
use crate::http::process::Process;
use crate::protocol::topic;
use crate::remoting::server::Connections;

/// Brokers that are shown.
const BROKERS_MAX: usize = 1000;

/// Topics that brokers make for themselves.
const BUILT_IN: [&str; 9] = [
    topic::AUTO_CREATE_TOPIC_KEY_TOPIC,
    topic::TBW102_TOPIC,
    topic::BENCHMARK_TOPIC,
    topic::SELF_TEST_TOPIC,
    topic::OFFSET_MOVED_EVENT_TOPIC,
    topic::SCHEDULE_TOPIC,
    topic::RMQ_SYS_TRANS_HALF_TOPIC,
    topic::RMQ_SYS_TRANS_OP_HALF_TOPIC,
    topic::RMQ_SYS_TRACE_TOPIC,
];

/// A name server as it is watched.
pub struct Watch {
    namesrv: Weak<Namesrv>,
    addr: SocketAddr,
    connections: Connections,
    boot_ms: i64,
}

impl Watch {
    /// `connections` are those of its port.
    pub fn new(namesrv: &Arc<Namesrv>, addr: SocketAddr, connections: Connections) -> Watch {
        Watch { namesrv: Arc::downgrade(namesrv), addr, connections, boot_ms: namesrv.clock.now_ms() }
    }
}

fn brokers(namesrv: &Namesrv) -> Vec<BrokerRow> {
    let table = namesrv.routes.cluster_info().broker_addr_table;
    let mut rows: Vec<BrokerRow> = table
        .into_values()
        .flat_map(|data| {
            let (cluster, name) = (data.cluster, data.broker_name);
            data.broker_addrs.into_iter().map(move |(id, addr)| BrokerRow {
                cluster: cluster.clone(),
                name: name.clone(),
                id,
                addr,
                is_this: false,
            })
        })
        .collect();
    rows.sort();
    rows
}

const STOPPED: &str = "the name server has stopped";

impl Watched for Watch {
    fn trouble(&self) -> Option<String> {
        self.namesrv.strong_count().eq(&0).then(|| STOPPED.to_owned())
    }

    fn metrics(&self, to: &mut Exposition) {
        let Some(namesrv) = self.namesrv.upgrade() else { return };
        let build = Labels::of(&[("version", env!("CARGO_PKG_VERSION")), ("role", "NAMESRV")]);
        to.gauges("rocketmq_build_info", "Always 1; what runs stands in the labels", [(&build, 1)]);
        let uptime_s = (namesrv.clock.now_ms() - self.boot_ms) as f64 / 1000.0;
        to.gauge("rocketmq_uptime_seconds", "Time since the start", uptime_s);
        to.gauge("rocketmq_connections", "Connections to the port", self.connections.count());
        to.gauge(
            "rocketmq_namesrv_topics",
            "Topics with a route",
            namesrv.routes.all_topics().topic_list.len(),
        );
        let mut rows = brokers(&namesrv);
        to.gauge("rocketmq_namesrv_brokers", "Brokers that are registered", rows.len());
        to.left_out(rows.len().saturating_sub(BROKERS_MAX) as u64);
        rows.truncate(BROKERS_MAX);
        let labels: Vec<Labels> = rows
            .iter()
            .map(|row| {
                let id = row.id.to_string();
                let names = [("cluster", row.cluster.as_str()), ("broker", &row.name)];
                Labels::of(&names).and(&[("brokerId", &id), ("brokerIP", &row.addr)])
            })
            .collect();
        to.gauges("rocketmq_namesrv_broker", "1 for each broker", labels.iter().map(|labels| (labels, 1)));
        Process::look().metrics(to);
    }

    fn overview(&self, view: &View) -> Overview {
        let Some(namesrv) = self.namesrv.upgrade() else {
            return Overview { trouble: Some(STOPPED.to_owned()), ..Overview::default() };
        };
        let now_ms = namesrv.clock.now_ms();
        let mut brokers = brokers(&namesrv);
        brokers.truncate(BROKERS_MAX);
        let mut topics = topics(&namesrv);
        topics.retain(|(is_system, name)| view.wants(*is_system, &[name]));
        let topics_in_all = topics.len();
        topics.truncate(ROWS_MAX);
        Overview {
            kind: "name server",
            name: "name server".to_owned(),
            addr: self.addr.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            now_ms,
            uptime_ms: now_ms - self.boot_ms,
            connections: self.connections.count(),
            process: Process::look(),
            brokers,
            topics_in_all,
            topics: topics
                .into_iter()
                .map(|(is_system, name)| topic_row(&namesrv, name, is_system))
                .collect(),
            ..Overview::default()
        }
    }
}

/// All topics, users' first.
fn topics(namesrv: &Namesrv) -> Vec<(bool, String)> {
    // Clusters and brokers have topics of their names.
    let system = namesrv.routes.system_topics().topic_list;
    let is_system = |name: &String| {
        system.contains(name)
            || BUILT_IN.contains(&name.as_str())
            || name.strip_suffix("_REPLY_TOPIC").is_some_and(|cluster| system.iter().any(|it| it == cluster))
            || topic::retry_group(name).is_some()
            || topic::dlq_group(name).is_some()
    };
    let topics = namesrv.routes.all_topics().topic_list;
    let mut topics: Vec<(bool, String)> = topics.into_iter().map(|name| (is_system(&name), name)).collect();
    topics.sort();
    topics
}

fn topic_row(namesrv: &Namesrv, name: String, is_system: bool) -> TopicRow {
    let queues = namesrv
        .routes
        .route(&name)
        .map_or(0, |route| route.queue_datas.iter().map(|queues| queues.write_queue_nums).sum());
    TopicRow {
        name,
        is_system,
        queues,
        messages_in: 0,
        bytes_in: 0,
        messages_out: 0,
        stored: 0,
        rate_in: 0.0,
        rate_out: 0.0,
    }
}
