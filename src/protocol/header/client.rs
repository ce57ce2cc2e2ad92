//! Clients of a broker: who is connected, what they do, what they are told (codes 35, 38, 40, 203, 204, 307, 309).

use serde::{Deserialize, Serialize};

/// Java: `UnregisterClientRequestHeader` (code 35).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnregisterClientRequestHeader {
    /// Client id.
    #[serde(rename = "clientID")]
    pub client_id: String,
    /// Producer group to leave.
    #[serde(default)]
    pub producer_group: Option<String>,
    /// Consumer group to leave.
    #[serde(default)]
    pub consumer_group: Option<String>,
}

/// Java: `GetConsumerListByGroupRequestHeader` (code 38).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetConsumerListByGroupRequestHeader {
    /// Consumer group.
    pub consumer_group: String,
}

/// Java: `NotifyConsumerIdsChangedRequestHeader` (code 40, broker to client).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotifyConsumerIdsChangedRequestHeader {
    /// Consumer group.
    pub consumer_group: String,
}

/// Java: `GetConsumerConnectionListRequestHeader` (code 203).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetConsumerConnectionListRequestHeader {
    /// Consumer group.
    pub consumer_group: String,
}

/// Java: `GetProducerConnectionListRequestHeader` (code 204).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetProducerConnectionListRequestHeader {
    /// Producer group.
    pub producer_group: String,
}

/// Java: `GetConsumerRunningInfoRequestHeader` (code 307, relayed to the client).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetConsumerRunningInfoRequestHeader {
    /// Consumer group.
    pub consumer_group: String,
    /// Client to ask.
    pub client_id: String,
    /// With the client's stack traces.
    #[serde(default)]
    pub jstack_enable: bool,
}

/// Java: `ConsumeMessageDirectlyResultRequestHeader` (code 309, relayed to the client).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumeMessageDirectlyResultRequestHeader {
    /// Consumer group.
    pub consumer_group: String,
    /// Client to ask.
    #[serde(default)]
    pub client_id: Option<String>,
    /// Offset message id.
    #[serde(default)]
    pub msg_id: Option<String>,
    /// Set by the broker on the way.
    #[serde(default)]
    pub broker_name: Option<String>,
}
