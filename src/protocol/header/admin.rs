//! Broker administration without a family of its own (codes 26, 301, 302, 315).

use serde::{Deserialize, Serialize};

/// Java: `GetBrokerConfigResponseHeader` (code 26).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetBrokerConfigResponseHeader {
    /// Data version as JSON text.
    pub version: String,
}

/// Java: `ViewBrokerStatsDataRequestHeader` (code 315).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ViewBrokerStatsDataRequestHeader {
    /// Statistic, such as `TOPIC_PUT_NUMS`.
    pub stats_name: String,
    /// What it is kept for, such as a topic.
    pub stats_key: String,
}

/// Java: `RegisterFilterServerRequestHeader` (code 301).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterFilterServerRequestHeader {
    /// `host:port` of the filter server.
    pub filter_server_addr: String,
}

/// Java: `RegisterFilterServerResponseHeader`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterFilterServerResponseHeader {
    /// Broker name.
    pub broker_name: String,
    /// 0: master.
    pub broker_id: i64,
}

/// Java: `RegisterMessageFilterClassRequestHeader` (code 302); its receiver, the filter server, is no part of 4.3.0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterMessageFilterClassRequestHeader {
    /// Consumer group.
    pub consumer_group: String,
    /// Topic.
    pub topic: String,
    /// Class of the filter.
    pub class_name: String,
    /// CRC of its source.
    #[serde(rename = "classCRC")]
    pub class_crc: i32,
}
