//! The name server: routes, broker registration, key-value configuration (codes 100 to 105, 205, 216, 219, 224, 322).

use serde::{Deserialize, Serialize};

/// Java: `GetRouteInfoRequestHeader` (code 105).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetRouteInfoRequestHeader {
    /// Topic.
    pub topic: String,
}

/// Java: `RegisterBrokerRequestHeader` (code 103).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterBrokerRequestHeader {
    /// Broker name.
    pub broker_name: String,
    /// `host:port` for clients.
    pub broker_addr: String,
    /// Cluster.
    pub cluster_name: String,
    /// `host:port` for slaves.
    #[serde(default)]
    pub ha_server_addr: String,
    /// 0: master.
    pub broker_id: i64,
    /// The body is a zlib stream of its own form.
    #[serde(default)]
    pub compressed: bool,
    /// CRC of the body as sent, 31 bits; 0: not checked.
    #[serde(default)]
    pub body_crc32: i32,
}

/// Java: `RegisterBrokerResponseHeader`; filled for a slave with a live master.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterBrokerResponseHeader {
    /// Master's address for slaves.
    #[serde(default)]
    pub ha_server_addr: Option<String>,
    /// Master's address for clients.
    #[serde(default)]
    pub master_addr: Option<String>,
}

/// Java: `UnRegisterBrokerRequestHeader` (code 104).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnRegisterBrokerRequestHeader {
    /// Broker name.
    pub broker_name: String,
    /// `host:port` for clients.
    pub broker_addr: String,
    /// Cluster.
    pub cluster_name: String,
    /// 0: master.
    pub broker_id: i64,
}

/// Java: `QueryDataVersionRequestHeader` (code 322).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryDataVersionRequestHeader {
    /// Broker name.
    pub broker_name: String,
    /// `host:port` for clients.
    pub broker_addr: String,
    /// Cluster.
    pub cluster_name: String,
    /// 0: master.
    #[serde(default)]
    pub broker_id: i64,
}

/// Java: `QueryDataVersionResponseHeader`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryDataVersionResponseHeader {
    /// The name server does not have this version.
    pub changed: bool,
}

/// Java: `WipeWritePermOfBrokerRequestHeader` (code 205).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WipeWritePermOfBrokerRequestHeader {
    /// Broker name.
    pub broker_name: String,
}

/// Java: `WipeWritePermOfBrokerResponseHeader`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WipeWritePermOfBrokerResponseHeader {
    /// Topics changed.
    pub wipe_topic_count: i32,
}

/// Java: `DeleteTopicInNamesrvRequestHeader` (code 216).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteTopicInNamesrvRequestHeader {
    /// Topic.
    pub topic: String,
}

/// Java: `GetTopicsByClusterRequestHeader` (code 224).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetTopicsByClusterRequestHeader {
    /// Cluster.
    pub cluster: String,
}

/// Java: `PutKVConfigRequestHeader` (code 100).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PutKVConfigRequestHeader {
    /// Namespace.
    pub namespace: String,
    /// Key.
    pub key: String,
    /// Value.
    pub value: String,
}

/// Java: `GetKVConfigRequestHeader` (code 101).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetKVConfigRequestHeader {
    /// Namespace.
    pub namespace: String,
    /// Key.
    pub key: String,
}

/// Java: `GetKVConfigResponseHeader`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetKVConfigResponseHeader {
    /// Value.
    #[serde(default)]
    pub value: Option<String>,
}

/// Java: `DeleteKVConfigRequestHeader` (code 102).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteKVConfigRequestHeader {
    /// Namespace.
    pub namespace: String,
    /// Key.
    pub key: String,
}

/// Java: `GetKVListByNamespaceRequestHeader` (code 219).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetKVListByNamespaceRequestHeader {
    /// Namespace.
    pub namespace: String,
}
