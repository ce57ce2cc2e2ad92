//! Routes: which broker has which queues, and where it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::protocol::body::topic::TopicConfig;
use crate::protocol::perm::{is_readable, is_writeable};

/// Broker id of a master. Java: `MixAll.MASTER_ID`.
pub const MASTER_ID: i64 = 0;

/// A topic's queues on one broker name. Java: `QueueData`. 4.3.0 spells the flag `topicSynFlag`, later
/// versions `topicSysFlag`: both are printed and either is read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueData {
    /// Broker name.
    pub broker_name: String,
    /// Queues that can be read.
    pub read_queue_nums: i32,
    /// Queues that can be written.
    pub write_queue_nums: i32,
    /// Bits of `protocol::perm`.
    pub perm: i32,
    /// Bits of `sys_flag::TOPIC_*`, under 4.3.0's name.
    pub topic_syn_flag: i32,
    /// The same under the later name.
    pub topic_sys_flag: i32,
}

impl QueueData {
    /// The queues of a topic registered by that broker.
    pub fn new(broker_name: &str, config: &TopicConfig) -> QueueData {
        QueueData {
            broker_name: broker_name.to_owned(),
            read_queue_nums: config.read_queue_nums,
            write_queue_nums: config.write_queue_nums,
            perm: config.perm,
            topic_syn_flag: config.topic_sys_flag,
            topic_sys_flag: config.topic_sys_flag,
        }
    }

    /// The topic's flags, whichever name they came under.
    pub fn sys_flag(&self) -> i32 {
        self.topic_syn_flag | self.topic_sys_flag
    }

    /// Whether messages can be pulled.
    pub fn is_readable(&self) -> bool {
        is_readable(self.perm)
    }

    /// Whether messages can be sent.
    pub fn is_writeable(&self) -> bool {
        is_writeable(self.perm)
    }
}

/// As the name server's log prints it. Java: `toString`.
impl fmt::Display for QueueData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "QueueData [brokerName={}, readQueueNums={}, writeQueueNums={}, perm={}, topicSynFlag={}]",
            self.broker_name, self.read_queue_nums, self.write_queue_nums, self.perm, self.topic_syn_flag
        )
    }
}

/// The addresses under one broker name. Java: `BrokerData`; `enable_acting_master` is of 5.x, whose strict
/// clients want to see it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BrokerData {
    /// `host:port` by broker id; 0 is the master.
    pub broker_addrs: BTreeMap<i64, String>,
    /// Broker name.
    pub broker_name: String,
    /// Cluster.
    pub cluster: String,
    /// Always false.
    pub enable_acting_master: bool,
}

impl BrokerData {
    /// A broker name without addresses.
    pub fn new(cluster: &str, broker_name: &str) -> BrokerData {
        BrokerData {
            cluster: cluster.to_owned(),
            broker_name: broker_name.to_owned(),
            ..BrokerData::default()
        }
    }

    /// The master's address, else that of the slave with the lowest id. (Java takes a random slave.)
    pub fn select_broker_addr(&self) -> Option<&str> {
        // The map is ordered and no id is negative.
        self.broker_addrs.values().next().map(String::as_str)
    }

    /// The master's address.
    pub fn master_addr(&self) -> Option<&str> {
        self.broker_addrs.get(&MASTER_ID).map(String::as_str)
    }
}

/// Java: `TopicRouteData` (reply 105).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicRouteData {
    /// Where the brokers are.
    pub broker_datas: Vec<BrokerData>,
    /// Filter servers by broker address; brokers without any are left out.
    pub filter_server_table: BTreeMap<String, Vec<String>>,
    /// `broker:queues;broker:queues` of an ordered topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_topic_conf: Option<String>,
    /// Which queues they have.
    pub queue_datas: Vec<QueueData>,
}

/// Java: `ClusterInfo` (reply 106).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterInfo {
    /// By broker name.
    pub broker_addr_table: BTreeMap<String, BrokerData>,
    /// Broker names by cluster.
    pub cluster_addr_table: BTreeMap<String, BTreeSet<String>>,
}

/// Java: `KVTable` (replies 28, 103, 219).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KVTable {
    /// Values by key.
    pub table: BTreeMap<String, String>,
}
