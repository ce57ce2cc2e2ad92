//! A plain consumer of one topic (Java: `DefaultMQPushConsumer` with a concurrent listener, on top of
//! `PullAPIWrapper` and `RebalancePushImpl`): shares the queues out within its group, long-polls each of its
//! own, hands messages over one after another and commits offsets. No retries, no ordered or broadcast
//! consumption, no SQL92.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::message_ext::MessageExt;
use super::namesrvs::Namesrvs;
use super::{CallError, Calls};
use crate::protocol::body::heartbeat::{
    ConsumeFromWhere, ConsumeType, ConsumerData, HeartbeatData, MessageModel, SubscriptionData,
};
use crate::protocol::body::queue::MessageQueue;
use crate::protocol::header::client::UnregisterClientRequestHeader;
use crate::protocol::header::offset::{QueryConsumerOffsetRequestHeader, UpdateConsumerOffsetRequestHeader};
use crate::protocol::header::pull::PullMessageRequestHeader;
use crate::protocol::message::PROPERTY_TAGS;
use crate::protocol::request_code::RequestCode;
use crate::protocol::sys_flag::pull_sys_flag;
use crate::remoting::client::{Client, ClientOptions};
use crate::remoting::router::NoService;
use crate::remoting::{Answer, Command, Peer, SUCCESS, Service};

/// Longest time that a broker may hold a pull.
const HOLD: Duration = Duration::from_secs(15);
/// Between two looks at the group's members and the topic's queues.
const REBALANCE: Duration = Duration::from_secs(20);
/// The same while the topic is not there or no broker has answered.
const REBALANCE_SOON: Duration = Duration::from_secs(1);
/// Between two commits.
const COMMIT: Duration = Duration::from_secs(5);
/// After a pull that failed.
const PAUSE: Duration = Duration::from_secs(3);
/// Pulled batches that wait for the listener; past that the pulls wait.
const WAITING_BATCHES: usize = 64;

/// What a consumer consumes.
#[derive(Debug, Clone)]
pub struct ConsumerOptions {
    pub group: String,
    pub topic: String,
    /// `*`, or tags joined by `||`.
    pub expression: String,
    /// Where a group starts that has no offset yet: first or last.
    pub consume_from_where: ConsumeFromWhere,
}

/// Consumes one topic for one group.
pub struct Consumer {
    context: Arc<Context>,
    namesrvs: Namesrvs,
    changed: Arc<Notify>,
    assigned: HashMap<MessageQueue, Assigned>,
}

/// What the queues' tasks share.
struct Context {
    calls: Calls,
    client_id: String,
    options: ConsumerOptions,
    subscription: SubscriptionData,
}

/// A queue of ours.
struct Assigned {
    broker: String,
    task: JoinHandle<()>,
    /// Entry after the last one handed over, and what of that the broker knows.
    consumed: Option<i64>,
    committed: Option<i64>,
}

impl Drop for Assigned {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Messages of a queue, and the entry after them.
struct Batch {
    queue: MessageQueue,
    messages: Vec<MessageExt>,
    next: i64,
}

/// Brokers tell their consumers when the group has changed (40); they ask for nothing else that we can answer.
struct Notices(Arc<Notify>);

impl Service for Notices {
    fn call(&self, peer: &Arc<Peer>, command: Command) -> Answer {
        if command.code == i32::from(RequestCode::NotifyConsumerIdsChanged) {
            self.0.notify_one();
            return Answer::Silent;
        }
        NoService.call(peer, command)
    }
}

impl Consumer {
    /// A consumer. Needs a runtime.
    pub fn new(namesrvs: Namesrvs, options: ConsumerOptions) -> Result<Consumer, String> {
        let subscription = SubscriptionData::build(&options.topic, Some(&options.expression), None)
            .map_err(|error| error.to_string())?;
        let changed = Arc::new(Notify::new());
        let client = Client::new(ClientOptions::of_environment(), Arc::new(Notices(Arc::clone(&changed))));
        let context = Context {
            calls: Calls::new(Arc::new(client), Duration::from_secs(3)),
            client_id: namesrvs.client_id(),
            options,
            subscription,
        };
        Ok(Consumer { context: Arc::new(context), namesrvs, changed, assigned: HashMap::new() })
    }

    /// Consumes until `stop` is done or the listener says `false`. What the listener has returned from counts
    /// as consumed.
    pub async fn run(
        &mut self,
        mut listener: impl FnMut(MessageExt) -> bool,
        stop: impl Future<Output = ()>,
    ) {
        let (batches, mut pulled) = mpsc::channel(WAITING_BATCHES);
        let mut stop = std::pin::pin!(stop);
        let mut commits = tokio::time::interval(COMMIT);
        let mut rebalance_at = tokio::time::Instant::now();
        let mut goes_on = true;
        while goes_on {
            tokio::select! {
                () = &mut stop => goes_on = false,
                () = self.changed.notified() => rebalance_at = tokio::time::Instant::now(),
                () = tokio::time::sleep_until(rebalance_at) => {
                    let again = match self.rebalance(&batches).await {
                        Ok(()) if !self.assigned.is_empty() => REBALANCE,
                        Ok(()) => REBALANCE_SOON,
                        Err(error) => {
                            tracing::warn!(%error, "queues not shared out");
                            REBALANCE_SOON
                        }
                    };
                    rebalance_at = tokio::time::Instant::now() + again;
                }
                _ = commits.tick() => self.commit().await,
                batch = pulled.recv() => {
                    let batch: Batch = batch.expect("we hold a sender ourselves");
                    goes_on = self.consume(batch, &mut listener);
                }
            }
        }
        self.leave().await;
    }

    /// Hands a batch over; what comes from a queue that is no longer ours is left to its new owner.
    fn consume(&mut self, batch: Batch, listener: &mut impl FnMut(MessageExt) -> bool) -> bool {
        let Some(assigned) = self.assigned.get_mut(&batch.queue) else { return true };
        for message in batch.messages {
            let after = message.queue_offset + 1;
            let goes_on = listener(message);
            assigned.consumed = Some(after);
            if !goes_on {
                return false;
            }
        }
        assigned.consumed = Some(batch.next);
        true
    }

    /// Says who we are and takes the queues that are ours now.
    async fn rebalance(&mut self, batches: &mpsc::Sender<Batch>) -> Result<(), CallError> {
        let context = Arc::clone(&self.context);
        let topic = &context.options.topic;
        let Some(route) = self.namesrvs.route_info(&context.calls, topic).await? else { return Ok(()) };
        let mut places: Vec<(MessageQueue, String)> = Vec::new();
        for data in route.queue_datas.iter().filter(|data| data.is_readable()) {
            let broker = route.broker_datas.iter().find(|broker| broker.broker_name == data.broker_name);
            let Some(addr) = broker.and_then(|broker| broker.select_broker_addr()) else { continue };
            let queues = (0..data.read_queue_nums).map(|id| MessageQueue::new(topic, &data.broker_name, id));
            places.extend(queues.map(|queue| (queue, addr.to_owned())));
        }
        places.sort();
        let mut brokers: Vec<&String> = places.iter().map(|(_, addr)| addr).collect();
        brokers.dedup();
        for broker in &brokers {
            context.calls.heartbeat(broker, &context.heartbeat()).await?;
        }
        let Some(first) = brokers.first() else { return Ok(()) };
        let mut members = context.calls.consumer_ids(first, &context.options.group).await?;
        members.sort();
        let own = allocate_averagely(&places, &members, &context.client_id);
        self.assigned
            .retain(|queue, assigned| own.iter().any(|(own, addr)| own == queue && *addr == assigned.broker));
        for (queue, broker) in own {
            if !self.assigned.contains_key(queue) {
                let pulling =
                    pull_queue(Arc::clone(&context), queue.clone(), broker.clone(), batches.clone());
                let task = tokio::spawn(pulling);
                let assigned = Assigned { broker: broker.clone(), task, consumed: None, committed: None };
                self.assigned.insert(queue.clone(), assigned);
            }
        }
        Ok(())
    }

    async fn commit(&mut self) {
        for (queue, assigned) in &mut self.assigned {
            let Some(commit_offset) = assigned.consumed.filter(|_| assigned.consumed != assigned.committed)
            else {
                continue;
            };
            let header = UpdateConsumerOffsetRequestHeader {
                consumer_group: self.context.options.group.clone(),
                topic: queue.topic.clone(),
                queue_id: queue.queue_id,
                commit_offset,
            };
            match self.context.calls.update_consumer_offset(&assigned.broker, &header).await {
                Ok(()) => assigned.committed = Some(commit_offset),
                Err(error) => tracing::warn!(%queue, %error, "offset not committed"),
            }
        }
    }

    async fn leave(&mut self) {
        self.commit().await;
        let mut brokers: Vec<String> =
            self.assigned.values().map(|assigned| assigned.broker.clone()).collect();
        brokers.sort();
        brokers.dedup();
        self.assigned.clear();
        let header = UnregisterClientRequestHeader {
            client_id: self.context.client_id.clone(),
            producer_group: None,
            consumer_group: Some(self.context.options.group.clone()),
        };
        for broker in brokers {
            if let Err(error) = self.context.calls.unregister_client(&broker, &header).await {
                tracing::debug!(%broker, %error, "client not unregistered");
            }
        }
        self.context.calls.client().close();
    }
}

impl Context {
    fn heartbeat(&self) -> HeartbeatData {
        let consumer = ConsumerData {
            group_name: self.options.group.clone(),
            consume_type: ConsumeType::ConsumePassively,
            message_model: MessageModel::Clustering,
            consume_from_where: self.options.consume_from_where,
            subscription_data_set: vec![self.subscription.clone()],
            unit_mode: false,
        };
        HeartbeatData {
            client_id: self.client_id.clone(),
            consumer_data_set: vec![consumer],
            ..HeartbeatData::default()
        }
    }

    /// Entry to start a queue with.
    async fn start_of(&self, queue: &MessageQueue, broker: &str) -> Result<i64, CallError> {
        let header = QueryConsumerOffsetRequestHeader {
            consumer_group: self.options.group.clone(),
            topic: queue.topic.clone(),
            queue_id: queue.queue_id,
        };
        if let Some(offset) = self.calls.consumer_offset(broker, &header).await? {
            return Ok(offset);
        }
        match self.options.consume_from_where {
            // Where older messages are gone the broker says where it begins.
            ConsumeFromWhere::ConsumeFromFirstOffset => Ok(0),
            _ => self.calls.max_offset(broker, &queue.topic, queue.queue_id).await,
        }
    }

    /// Of messages that a broker chose by hash code, those whose tag it is. Java: `processPullResult`.
    fn wants(&self, message: &MessageExt) -> bool {
        let tags = &self.subscription.tags_set;
        tags.is_empty() || message.property(PROPERTY_TAGS).is_some_and(|tag| tags.contains(tag))
    }
}

/// Pulls one queue for as long as it is ours.
async fn pull_queue(
    context: Arc<Context>,
    queue: MessageQueue,
    broker: String,
    batches: mpsc::Sender<Batch>,
) {
    let mut offset = loop {
        match context.start_of(&queue, &broker).await {
            Ok(offset) => break offset,
            Err(error) => tracing::warn!(%queue, %error, "consumer offset not found out"),
        }
        tokio::time::sleep(PAUSE).await;
    };
    loop {
        match pull(&context, &queue, &broker, offset).await {
            Ok(batch) => {
                offset = batch.next;
                if !batch.messages.is_empty() && batches.send(batch).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%queue, %error, "pull failed");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn pull(
    context: &Context,
    queue: &MessageQueue,
    broker: &str,
    offset: i64,
) -> Result<Batch, CallError> {
    let header = PullMessageRequestHeader {
        consumer_group: &context.options.group,
        topic: &queue.topic,
        queue_id: queue.queue_id,
        queue_offset: offset,
        max_msg_nums: 32,
        sys_flag: pull_sys_flag(false, true, true, false),
        commit_offset: 0,
        suspend_timeout_millis: HOLD.as_millis() as i64,
        subscription: Some(&context.subscription.sub_string),
        sub_version: context.subscription.sub_version,
        expression_type: Some(&context.subscription.expression_type),
    };
    let reply = context.calls.pull(broker, &header, HOLD).await?;
    let mut messages = Vec::new();
    if reply.code == SUCCESS {
        let malformed = |error: super::message_ext::DamagedMessage| CallError::Malformed {
            addr: broker.to_owned(),
            reason: error.to_string(),
        };
        messages = MessageExt::decode_all(&reply.body).map_err(malformed)?;
        messages.retain(|message| context.wants(message));
        for message in &mut messages {
            // Java's client adds these, and prints them.
            let own = std::mem::take(&mut message.message);
            message.message = own
                .with_property("MIN_OFFSET", &reply.header.min_offset.to_string())
                .with_property("MAX_OFFSET", &reply.header.max_offset.to_string())
                .with_property("CONSUME_START_TIME", &now_ms().to_string());
        }
    }
    Ok(Batch { queue: queue.clone(), messages, next: reply.header.next_begin_offset })
}

fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

/// Neighbouring queues go to one member; the first members get one more where they do not divide. Java:
/// `AllocateMessageQueueAveragely`.
pub(crate) fn allocate_averagely<'a, T>(queues: &'a [T], members: &[String], own: &str) -> &'a [T] {
    let Some(index) = members.iter().position(|member| member == own) else { return &[] };
    let (share, more) = (queues.len() / members.len(), queues.len() % members.len());
    let start = index * share + index.min(more);
    &queues[start..start + share + usize::from(index < more)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_queue_has_one_owner() {
        let members: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        let check = |queues: usize, expected: [usize; 3]| {
            let queues: Vec<usize> = (0..queues).collect();
            let shares: Vec<&[usize]> =
                members.iter().map(|member| allocate_averagely(&queues, &members, member)).collect();
            assert_eq!(shares.concat(), queues);
            assert_eq!(shares.iter().map(|share| share.len()).collect::<Vec<_>>(), expected);
        };
        check(8, [3, 3, 2]);
        check(9, [3, 3, 3]);
        check(2, [1, 1, 0]);
        check(0, [0, 0, 0]);
        assert!(allocate_averagely(&[1, 2], &members, "stranger").is_empty());
    }
}
