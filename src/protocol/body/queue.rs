//! Queues, and locks on them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One queue of a topic on one broker: also the key of several tables. Java: `MessageQueue`; ordered as there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MessageQueue {
    /// Topic.
    pub topic: String,
    /// Broker name.
    pub broker_name: String,
    /// Queue.
    pub queue_id: i32,
}

impl MessageQueue {
    /// That queue.
    pub fn new(topic: &str, broker_name: &str, queue_id: i32) -> MessageQueue {
        MessageQueue { topic: topic.to_owned(), broker_name: broker_name.to_owned(), queue_id }
    }
}

/// As remarks and tools print it. Java: `toString`.
impl fmt::Display for MessageQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MessageQueue { topic, broker_name, queue_id } = self;
        write!(f, "MessageQueue [topic={topic}, brokerName={broker_name}, queueId={queue_id}]")
    }
}

/// Java: `LockBatchRequestBody` (code 41).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LockBatchRequestBody {
    /// Client that asks.
    pub client_id: String,
    /// Its group.
    pub consumer_group: String,
    /// Queues.
    pub mq_set: Vec<MessageQueue>,
}

/// Java: `UnlockBatchRequestBody` (code 42).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UnlockBatchRequestBody {
    /// Client that asks.
    pub client_id: String,
    /// Its group.
    pub consumer_group: String,
    /// Queues.
    pub mq_set: Vec<MessageQueue>,
}

/// Java: `LockBatchResponseBody`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LockBatchResponseBody {
    /// Queues that the client now holds.
    #[serde(rename = "lockOKMQSet")]
    pub lock_ok_mq_set: Vec<MessageQueue>,
}
