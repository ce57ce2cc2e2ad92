//! Looking into a consume queue (code 321).

use serde::{Deserialize, Serialize};

use crate::protocol::body::heartbeat::SubscriptionData;

/// Java: `QueryConsumeQueueResponseBody`. 4.3.0 encodes it before it fills it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueryConsumeQueueResponseBody {
    /// The group's SQL92 filter as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_data: Option<String>,
    /// Entry after the last.
    pub max_queue_index: i64,
    /// First entry.
    pub min_queue_index: i64,
    /// Entries asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_data: Option<Vec<ConsumeQueueData>>,
    /// The group's subscription.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_data: Option<SubscriptionData>,
}

/// Java: `ConsumeQueueData`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeQueueData {
    /// Filter bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bit_map: Option<String>,
    /// The group would get it.
    pub eval: bool,
    /// Unit of the extension file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extend_data_json: Option<String>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msg: Option<String>,
    /// Commit-log offset.
    pub physic_offset: i64,
    /// Bytes in the commit log.
    pub physic_size: i32,
    /// Hash code of the tag.
    pub tags_code: i64,
}
