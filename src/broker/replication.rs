//! What master and slave need of each other beside the log (Java: `SlaveSynchronize`, and parts of `BrokerController`): a
//! slave finds its master and follows its topics, groups and offsets; a master says who may
//! follow it. The log itself is `ha`'s.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::sync::{Notify, watch};

use super::Broker;
use super::register::Master;
use crate::client::{CallError, Calls};
use crate::config::store::MessageStoreConfig;
use crate::ha::{Peers, Progress, Target};
use crate::protocol::body::group::SubscriptionGroupWrapper;
use crate::protocol::body::offset::{ConsumerOffsetSerializeWrapper, DelayOffsetSerializeWrapper};
use crate::protocol::body::route::KVTable;
use crate::protocol::body::topic::TopicConfigSerializeWrapper;
use crate::protocol::header::offset::UpdateConsumerOffsetRequestHeader;
use crate::protocol::request_code::RequestCode;
use crate::remoting::tls::ClientTls;

const CALL_TIMEOUT: Duration = Duration::from_secs(3);
/// Between two looks at the master's tables. Java: 60 s; a consumer that turns to the slave should not go far back.
const SYNC_EVERY: Duration = Duration::from_secs(10);
/// A configured `haMasterAddress` shorter than this is none, as in Java.
const ADDRESS_MIN_CHARS: usize = 6;

/// A slave's place in its group of brokers.
pub struct Following {
    calls: Calls,
    /// `haMasterAddress`, where that is set.
    is_fixed: bool,
    /// Where the log comes from.
    ha: watch::Sender<Option<String>>,
    /// Where the tables come from.
    master: Mutex<Option<String>>,
    /// Offsets that consumers committed here, because their master was away.
    committed: Mutex<BTreeMap<(String, String, i32), i64>>,
    due: Notify,
    /// Of the link that brings the log.
    pub progress: Progress,
}

impl Following {
    /// Nobody is followed yet, unless an address is configured.
    pub fn new(config: &MessageStoreConfig, tls: Option<Arc<ClientTls>>) -> Following {
        let fixed = Some(config.ha_master_address.trim().to_owned());
        let fixed = fixed.filter(|addr| addr.len() >= ADDRESS_MIN_CHARS);
        Following {
            calls: Calls::over(tls, CALL_TIMEOUT),
            is_fixed: fixed.is_some(),
            ha: watch::Sender::new(fixed),
            master: Mutex::new(None),
            committed: Mutex::default(),
            due: Notify::new(),
            progress: Progress::default(),
        }
    }

    /// What a name server says of the master. One that is gone is still the one to come back to.
    pub fn found(&self, found: &Master) {
        if let Some(addr) = found.addr.as_ref().filter(|addr| !addr.is_empty()) {
            let mut master = lock(&self.master);
            if master.as_ref() != Some(addr) {
                tracing::info!(master = addr, "master found");
                *master = Some(addr.clone());
                self.due.notify_one();
            }
        }
        let ha = found.ha_server_addr.as_ref().filter(|addr| !addr.is_empty() && !self.is_fixed);
        if let Some(ha) = ha {
            self.ha.send_if_modified(|known| {
                let is_new = known.as_ref() != Some(ha);
                if is_new {
                    *known = Some(ha.clone());
                }
                is_new
            });
        }
    }

    /// A consumer has committed an offset here.
    pub fn committed(&self, group: &str, topic: &str, queue_id: i32, offset: i64) {
        /// More than any cluster's groups have queues.
        const COMMITTED_MAX: usize = 1_000_000;
        let mut committed = lock(&self.committed);
        if committed.len() < COMMITTED_MAX {
            committed.insert((group.to_owned(), topic.to_owned(), queue_id), offset);
        }
    }

    /// Where the master's replication is, as far as it is known.
    pub fn ha_addr(&self) -> Option<String> {
        self.ha.borrow().clone()
    }

    fn master(&self) -> Option<String> {
        lock(&self.master).clone()
    }

    /// Where the master's log begins; none where it is empty.
    async fn first_offset(&self) -> Result<Option<i64>, String> {
        // Replication is on the port above.
        let beside = || {
            let ha = self.ha_addr()?;
            let (host, port) = ha.rsplit_once(':')?;
            Some(format!("{host}:{}", port.parse::<u16>().ok()?.checked_sub(1)?))
        };
        let master = self.master().or_else(beside).ok_or("its address is not known")?;
        let info: KVTable = self
            .fetch(&master, RequestCode::GetBrokerRuntimeInfo)
            .await
            .map_err(|error| error.to_string())?;
        let number = |key: &str| {
            let number = info.table.get(key).and_then(|text| text.parse::<i64>().ok());
            number.ok_or_else(|| format!("{master} does not tell {key}"))
        };
        let (first, end) = (number("commitLogMinOffset")?, number("commitLogMaxOffset")?);
        Ok((end > 0).then_some(first.max(0)))
    }

    async fn fetch<T: DeserializeOwned>(&self, master: &str, code: RequestCode) -> Result<T, CallError> {
        let answer = self.calls.succeed(master, code, &(), bytes::Bytes::new()).await?;
        compat::json::from_slice(&answer.body)
            .map_err(|error| CallError::Malformed { addr: master.to_owned(), reason: error.to_string() })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Follows the master's tables for as long as the broker runs: the body of a slave's task.
pub async fn keep_synced(broker: Arc<Broker>) {
    let mut is_well = true;
    loop {
        // Either way it is time: by the clock, or because the master is back.
        let _ = tokio::time::timeout(SYNC_EVERY, broker.following.due.notified()).await;
        let Some(master) = broker.following.master() else { continue };
        let result = sync(&broker, &master).await;
        match &result {
            Ok(()) if is_well => {}
            Ok(()) => tracing::info!(master, "master's tables are followed again"),
            // Once: a master that is away is away for some time.
            Err(error) if is_well => {
                tracing::warn!(master, %error, "master's tables not followed, tried again");
            }
            Err(_) => {}
        }
        is_well = result.is_ok();
    }
}

/// One look at all tables; one that cannot be had does not stop the others.
async fn sync(broker: &Arc<Broker>, master: &str) -> Result<(), CallError> {
    let following = &broker.following;
    let topics = following.fetch::<TopicConfigSerializeWrapper>(master, RequestCode::GetAllTopicConfig).await;
    let groups =
        following.fetch::<SubscriptionGroupWrapper>(master, RequestCode::GetAllSubscriptiongroupConfig).await;
    let delays = following.fetch::<DelayOffsetSerializeWrapper>(master, RequestCode::GetAllDelayOffset).await;
    let offsets = sync_offsets(broker, master).await;
    let mut first_error = offsets.err();
    match topics {
        Ok(table) if table.data_version != broker.topics.version() => {
            broker.topics.replace(table);
            tracing::info!("Update slave topic config from master, {master}");
        }
        Ok(_) => {}
        Err(error) => first_error = Some(error),
    }
    match groups {
        Ok(table) if table.data_version != broker.groups.version() => {
            broker.groups.replace(table);
            tracing::info!("Update slave Subscription Group from master, {master}");
        }
        Ok(_) => {}
        Err(error) => first_error = Some(error),
    }
    match delays {
        Ok(table) => {
            broker.schedule.replace(table);
            tracing::info!("Update slave delay offset from master, {master}");
        }
        // Java's master without delayed messages has no such table to give.
        Err(CallError::Malformed { .. }) => {}
        Err(error) => first_error = Some(error),
    }
    first_error.map_or(Ok(()), Err)
}

/// Consumers that committed here while the master was away must not be sent back when it returns: it is told first.
async fn sync_offsets(broker: &Arc<Broker>, master: &str) -> Result<(), CallError> {
    let following = &broker.following;
    let mut table =
        following.fetch::<ConsumerOffsetSerializeWrapper>(master, RequestCode::GetAllConsumerOffset).await?;
    let committed = lock(&following.committed).clone();
    for ((group, topic, queue_id), offset) in committed {
        let key = format!("{topic}@{group}");
        let queues = table.offset_table.entry(key).or_default();
        if queues.get(&queue_id).is_none_or(|known| *known < offset) {
            let header = UpdateConsumerOffsetRequestHeader {
                consumer_group: group.clone(),
                topic: topic.clone(),
                queue_id,
                commit_offset: offset,
            };
            following.calls.update_consumer_offset(master, &header).await?;
            tracing::info!(
                group,
                topic,
                queue_id,
                offset,
                "offset that was committed here told to the master"
            );
            queues.insert(queue_id, offset);
        }
        let mut committed = lock(&following.committed);
        let key = (group, topic, queue_id);
        // Unless it has moved on meanwhile.
        if committed.get(&key) == Some(&offset) {
            committed.remove(&key);
        }
    }
    broker.offsets.merge(table);
    tracing::info!("Update slave consumer offset from master, {master}");
    Ok(())
}

/// The slave's link to its master, for `ha`.
impl Target for Following {
    fn master(&self) -> watch::Receiver<Option<String>> {
        self.ha.subscribe()
    }

    fn connected(&self) {
        self.due.notify_one();
    }

    fn first_offset(&self) -> Pin<Box<dyn Future<Output = Result<Option<i64>, String>> + Send + '_>> {
        Box::pin(Following::first_offset(self))
    }

    fn progress(&self) -> &Progress {
        &self.progress
    }
}

/// Who may follow this broker: those of `haAllowedAddrs`; without any, those that the name servers know as its slaves.
pub struct Allowed(pub Weak<Broker>);

impl Peers for Allowed {
    fn may_follow(&self, ip: IpAddr) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
        Box::pin(async move {
            let broker = self.0.upgrade().ok_or("the broker stops")?;
            let listed = &broker.ha_allowed;
            if !listed.is_empty() {
                let is_listed = listed.contains(ip);
                return if is_listed { Ok(()) } else { Err(format!("{ip} is not in haAllowedAddrs")) };
            }
            if broker.registrar.name_servers().is_empty() {
                return Ok(());
            }
            let slaves = broker.registrar.slaves_of(&broker.config.broker_name).await;
            if slaves.iter().any(|addr| host_of(addr) == Some(ip)) {
                return Ok(());
            }
            Err(format!(
                "no slave of {} is registered with the address {ip}, only {slaves:?}; if it is one, name it in haAllowedAddrs",
                broker.config.broker_name
            ))
        })
    }
}

fn host_of(addr: &str) -> Option<IpAddr> {
    addr.rsplit_once(':')?.0.parse().ok()
}
