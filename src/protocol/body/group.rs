//! Subscription groups.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::protocol::body::topic::DataVersion;

/// A consumer group's settings on one broker. Java: `SubscriptionGroupConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscriptionGroupConfig {
    /// Group.
    pub group_name: String,
    /// Pulls are answered.
    pub consume_enable: bool,
    /// Unused by the broker.
    pub consume_from_min_enable: bool,
    /// Broadcasting consumers are allowed.
    pub consume_broadcast_enable: bool,
    /// Queues of `%RETRY%group`.
    pub retry_queue_nums: i32,
    /// Then a message goes to `%DLQ%group`.
    pub retry_max_times: i32,
    /// Broker to pull from.
    pub broker_id: i64,
    /// Broker to pull from when far behind.
    pub which_broker_when_consume_slowly: i64,
    /// Members are told when others come or go.
    pub notify_consumer_ids_changed_enable: bool,
}

impl Default for SubscriptionGroupConfig {
    fn default() -> SubscriptionGroupConfig {
        SubscriptionGroupConfig {
            group_name: String::new(),
            consume_enable: true,
            consume_from_min_enable: true,
            consume_broadcast_enable: true,
            retry_queue_nums: 1,
            retry_max_times: 16,
            broker_id: 0,
            which_broker_when_consume_slowly: 1,
            notify_consumer_ids_changed_enable: true,
        }
    }
}

impl SubscriptionGroupConfig {
    /// A group with the usual settings.
    pub fn new(group_name: &str) -> SubscriptionGroupConfig {
        SubscriptionGroupConfig { group_name: group_name.to_owned(), ..SubscriptionGroupConfig::default() }
    }
}

/// As logs print it. Java: `toString`.
impl fmt::Display for SubscriptionGroupConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SubscriptionGroupConfig [groupName={}, consumeEnable={}, consumeFromMinEnable={}, \
             consumeBroadcastEnable={}, retryQueueNums={}, retryMaxTimes={}, brokerId={}, \
             whichBrokerWhenConsumeSlowly={}, notifyConsumerIdsChangedEnable={}]",
            self.group_name,
            self.consume_enable,
            self.consume_from_min_enable,
            self.consume_broadcast_enable,
            self.retry_queue_nums,
            self.retry_max_times,
            self.broker_id,
            self.which_broker_when_consume_slowly,
            self.notify_consumer_ids_changed_enable
        )
    }
}

/// Java: `SubscriptionGroupWrapper` (reply 201, `subscriptionGroup.json`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscriptionGroupWrapper {
    /// Version of the table.
    pub data_version: DataVersion,
    /// By group.
    pub subscription_group_table: BTreeMap<String, SubscriptionGroupConfig>,
}
