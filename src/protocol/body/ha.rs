//! How replication is (code 907, from 5.0 on).

use serde::{Deserialize, Serialize};

/// Java: `HARuntimeInfo` of 5.x.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HaRuntimeInfo {
    /// The link to the master; of a slave.
    pub ha_client_runtime_info: HaClientRuntimeInfo,
    /// The slaves that are connected; of a master.
    pub ha_connection_info: Vec<HaConnectionRuntimeInfo>,
    /// Slaves within `haSlaveFallbehindMax`.
    pub in_sync_slave_nums: i32,
    pub master: bool,
    /// End of the master's log.
    pub master_commit_log_max_offset: i64,
}

/// Java: `HARuntimeInfo.HAConnectionRuntimeInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HaConnectionRuntimeInfo {
    /// `ip:port` of the slave's connection.
    pub addr: String,
    /// Bytes of the log that the slave has not.
    pub diff: i64,
    pub in_sync: bool,
    /// Log offset up to which the slave has everything.
    pub slave_ack_offset: i64,
    /// Log offset from which the slave is sent on.
    pub transfer_from_where: i64,
    /// Bytes of the last second.
    pub transferred_byte_in_second: i64,
}

/// Java: `HARuntimeInfo.HAClientRuntimeInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HaClientRuntimeInfo {
    /// The link stands.
    pub activated: bool,
    /// Ours: why the last connection has ended.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_error: String,
    /// When the master last sent something, ms; 0: never.
    pub last_read_timestamp: i64,
    /// When the master was last told how much is here, ms; 0: never.
    pub last_write_timestamp: i64,
    /// Where the master's replication is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master_addr: Option<String>,
    /// Of masters that tell it; none of 4.3.0 do.
    pub master_flush_offset: i64,
    /// End of this log.
    pub max_offset: i64,
    /// Bytes of the last second.
    pub transferred_byte_in_second: i64,
}
