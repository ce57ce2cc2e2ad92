//! Topics that a send has made here, made on the other masters of the cluster, too (`autoCreateTopicOnCluster`, ours): without
//! it an auto-created topic stays on the one broker that got its first message, and that broker gets all of its load. What
//! an operator has set up elsewhere is left alone.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::Broker;
use crate::client::Calls;
use crate::protocol::body::topic::TopicConfig;
use crate::protocol::header::topic::CreateTopicRequestHeader;

const CALL_TIMEOUT: Duration = Duration::from_secs(3);
/// Topics that wait at once; more than anybody makes in the time of a few calls.
const WAITING_MAX: usize = 10_000;

/// The topics that are due.
#[derive(Default)]
pub struct Spread {
    topics: Mutex<BTreeSet<String>>,
    due: Notify,
}

impl Spread {
    /// A send has made this topic.
    pub fn made(&self, topic: &str) {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if topics.len() < WAITING_MAX {
            topics.insert(topic.to_owned());
            self.due.notify_one();
        }
    }

    fn take(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.topics.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Makes them elsewhere for as long as the broker runs: the body of a master's task.
pub async fn keep_spreading(broker: Arc<Broker>) {
    let calls = Calls::over(broker.client_tls.clone(), CALL_TIMEOUT);
    loop {
        broker.spread.due.notified().await;
        let config = &broker.config;
        for topic in broker.spread.take() {
            let Some(topic) = broker.topics.get(&topic) else { continue };
            let masters =
                broker.registrar.masters_without(&config.broker_cluster_name, &topic.topic_name).await;
            for master in masters.into_iter().filter(|(name, _)| *name != config.broker_name) {
                create(&calls, &topic, master).await;
            }
        }
    }
}

async fn create(calls: &Calls, topic: &TopicConfig, (name, addr): (String, String)) {
    let header = CreateTopicRequestHeader {
        topic: topic.topic_name.clone(),
        default_topic: String::new(),
        read_queue_nums: topic.read_queue_nums,
        write_queue_nums: topic.write_queue_nums,
        perm: topic.perm,
        topic_filter_type: topic.topic_filter_type,
        topic_sys_flag: Some(topic.topic_sys_flag),
        order: topic.order,
    };
    match calls.create_topic(&addr, &header).await {
        Ok(()) => tracing::info!(topic = topic.topic_name, broker = name, addr, "topic made there, too"),
        // Its own first message will make it there.
        Err(error) => {
            tracing::warn!(topic = topic.topic_name, broker = name, addr, %error, "topic not made there")
        }
    }
}
