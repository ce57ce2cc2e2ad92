//! Which consumer groups filter by SQL92, and `consumerFilter.json` (Java: `ConsumerFilterManager`, `ConsumerFilterData`,
//! `ExpressionMessageFilter`, `CommitLogDispatcherCalcBitMap`). Expressions are `crate::filter`'s; what groups subscribe
//! to in general is `consumers`'.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::config::file::{self as config_file, FileError};
use crate::filter::{BitsArray, BloomFilter, Expression, SyntaxError};
use crate::protocol::body::heartbeat::{EXPRESSION_SQL92, SubscriptionData};
use crate::protocol::message;
use crate::protocol::topic;
use crate::store::consume_queue_ext::ExtUnit;
use crate::store::{MessageFilter, record};

/// Consumers of a file are taken as gone for so long already, as in Java.
const DEAD_BEFORE_LOAD_MS: i64 = 30_000;
/// Compiled expressions of pulls that bring their own.
const CACHED_MAX: usize = 100;

/// Java: `ConsumerFilterManager`, as the file has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct FilterTable {
    filter_data_by_topic: BTreeMap<String, FilterDataMapByTopic>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct FilterDataMapByTopic {
    group_filter_data: BTreeMap<String, ConsumerFilterData>,
    topic: String,
}

/// A group's filter of a topic. Java: `ConsumerFilterData`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ConsumerFilterData {
    bloom_filter_data: Option<BloomFilterData>,
    /// When it was first heard of, ms.
    born_time: i64,
    /// The subscription's version.
    client_version: i64,
    consumer_group: String,
    /// Derived; not read.
    #[serde(skip_deserializing)]
    dead: bool,
    /// When its last consumer left, ms; 0: it has some.
    dead_time: i64,
    expression: String,
    expression_type: String,
    topic: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct BloomFilterData {
    bit_num: u32,
    bit_pos: Vec<u32>,
}

/// A group's compiled filter of a topic.
#[derive(Debug)]
pub struct ConsumerFilter {
    group: String,
    topic: String,
    text: String,
    expression: Arc<Expression>,
    born_ms: i64,
    client_version: AtomicI64,
    dead_ms: AtomicI64,
    /// Of the Bloom filter, and which of them are this filter's.
    bits: u32,
    positions: Vec<u32>,
}

impl ConsumerFilter {
    /// The version of the subscription that it was made from.
    pub fn client_version(&self) -> i64 {
        self.client_version.load(Ordering::Acquire)
    }

    fn dead_ms(&self) -> i64 {
        self.dead_ms.load(Ordering::Acquire)
    }

    fn is_dead(&self) -> bool {
        self.dead_ms() >= self.born_ms
    }

    fn matches(&self, properties: &str) -> bool {
        self.expression.matches(|name| message::property(properties, name))
    }
}

/// All filters by SQL92.
pub struct ConsumerFilters {
    file: PathBuf,
    clock: Clock,
    bloom: BloomFilter,
    /// By topic, then by group.
    topics: RwLock<Topics>,
    /// How many there are: who filters by tags alone pays no lock.
    count: AtomicUsize,
    cached: Mutex<HashMap<String, Arc<Expression>>>,
    unsaved: AtomicBool,
    saving: Mutex<()>,
}

type Topics = HashMap<String, HashMap<String, Arc<ConsumerFilter>>>;

impl ConsumerFilters {
    /// What the file has. Filters of another Bloom filter's size, or that do not compile, are left out.
    pub fn open(file: PathBuf, bloom: BloomFilter, clock: Clock) -> Result<ConsumerFilters, FileError> {
        let saved: FilterTable = config_file::load(&file)?.unwrap_or_default();
        let filters = ConsumerFilters {
            file,
            clock,
            bloom,
            topics: RwLock::default(),
            count: AtomicUsize::new(0),
            cached: Mutex::default(),
            unsaved: AtomicBool::new(false),
            saving: Mutex::new(()),
        };
        let now_ms = filters.clock.now_ms();
        let entries =
            saved.filter_data_by_topic.into_values().flat_map(|topic| topic.group_filter_data.into_values());
        let mut topics = filters.write();
        for data in entries {
            match filters.loaded(&data, now_ms) {
                Ok(filter) => {
                    topics.entry(data.topic).or_default().insert(data.consumer_group, Arc::new(filter));
                }
                Err(reason) => {
                    tracing::warn!(
                        topic = data.topic,
                        group = data.consumer_group,
                        reason,
                        "filter of the file left out"
                    );
                }
            }
        }
        filters.recount(&topics);
        drop(topics);
        Ok(filters)
    }

    fn loaded(&self, data: &ConsumerFilterData, now_ms: i64) -> Result<ConsumerFilter, String> {
        let bloom = data.bloom_filter_data.as_ref().ok_or("it has no Bloom filter data")?;
        if bloom.bit_num != self.bloom.bits()
            || bloom.bit_pos != self.positions(&data.consumer_group, &data.topic)
        {
            return Err("the Bloom filter has been changed".to_owned());
        }
        let filter = self
            .build(&data.topic, &data.consumer_group, &data.expression, data.client_version)
            .map_err(|error| error.to_string())?;
        let dead_ms = match data.dead_time {
            0 => (now_ms - DEAD_BEFORE_LOAD_MS).max(data.born_time),
            dead_ms => dead_ms,
        };
        Ok(ConsumerFilter { born_ms: data.born_time, dead_ms: AtomicI64::new(dead_ms), ..filter })
    }

    /// A filter that is not kept: of a pull with its own expression, or for a look at one.
    pub fn build(
        &self,
        topic: &str,
        group: &str,
        text: &str,
        client_version: i64,
    ) -> Result<ConsumerFilter, SyntaxError> {
        Ok(ConsumerFilter {
            group: group.to_owned(),
            topic: topic.to_owned(),
            text: text.to_owned(),
            expression: self.compile(text)?,
            born_ms: self.clock.now_ms(),
            client_version: AtomicI64::new(client_version),
            dead_ms: AtomicI64::new(0),
            bits: self.bloom.bits(),
            positions: self.positions(group, topic),
        })
    }

    /// Compiles an expression, the same ones again and again at no cost (Java: `PARSE_CACHE`).
    fn compile(&self, text: &str) -> Result<Arc<Expression>, SyntaxError> {
        if let Some(known) = self.cached().get(text) {
            return Ok(Arc::clone(known));
        }
        let compiled = Arc::new(Expression::compile(text)?);
        let mut cached = self.cached();
        if cached.len() >= CACHED_MAX {
            cached.clear();
        }
        cached.insert(text.to_owned(), Arc::clone(&compiled));
        Ok(compiled)
    }

    fn cached(&self) -> MutexGuard<'_, HashMap<String, Arc<Expression>>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn positions(&self, group: &str, topic: &str) -> Vec<u32> {
        self.bloom.positions(&format!("{group}#{topic}"))
    }

    /// A group's filter of a topic.
    pub fn get(&self, topic: &str, group: &str) -> Option<Arc<ConsumerFilter>> {
        self.read().get(topic)?.get(group).cloned()
    }

    /// A heartbeat's subscriptions: filters come, change, revive, and those of other topics end.
    pub fn register(&self, group: &str, subscriptions: &[SubscriptionData]) {
        let is_filter = |subscription: &&SubscriptionData| {
            subscription.expression_type == EXPRESSION_SQL92 && !subscription.sub_string.is_empty()
        };
        for subscription in subscriptions.iter().filter(is_filter) {
            self.register_one(group, subscription);
        }
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let is_subscribed =
            |topic: &str| subscriptions.iter().any(|subscription| subscription.topic == topic);
        self.end(group, |topic| !is_subscribed(topic));
    }

    fn register_one(&self, group: &str, subscription: &SubscriptionData) {
        let SubscriptionData { topic, sub_string: text, sub_version, .. } = subscription;
        if let Some(old) = self.get(topic, group) {
            let known_version = old.client_version();
            if *sub_version < known_version {
                return;
            }
            if *sub_version == known_version && !old.is_dead() {
                return;
            }
            if *sub_version == known_version || old.text == *text {
                if old.text != *text {
                    tracing::info!(
                        "Ignore consumer({group}:{topic}) filter, because of version {sub_version} <= {known_version}, but \
                         maybe info changed!old={}, ignored={text}",
                        old.text
                    );
                }
                old.client_version.store(*sub_version, Ordering::Release);
                if old.is_dead() {
                    old.dead_ms.store(0, Ordering::Release);
                    tracing::info!(group, topic, "Re alive consumer filter");
                }
                self.unsaved.store(true, Ordering::Release);
                return;
            }
        }
        let built = self.build(topic, group, text, *sub_version);
        let mut topics = self.write();
        let groups = topics.entry(topic.clone()).or_default();
        match built {
            Ok(filter) => {
                tracing::info!(group, topic, expression = text, "New consumer filter registered");
                groups.insert(group.to_owned(), Arc::new(filter));
            }
            // The client is told by its pulls, which find no filter.
            Err(error) => {
                tracing::warn!(
                    "parse error: expr={text}, topic={topic}, group={group}, error={error}: the filter does not compile"
                );
                groups.remove(group);
                topics.retain(|_, groups| !groups.is_empty());
            }
        }
        self.recount(&topics);
        self.unsaved.store(true, Ordering::Release);
    }

    /// The group's last consumer has gone.
    pub fn unregister(&self, group: &str) {
        if self.count.load(Ordering::Acquire) > 0 {
            self.end(group, |_| true);
        }
    }

    fn end(&self, group: &str, is_over: impl Fn(&str) -> bool) {
        let now_ms = self.clock.now_ms();
        for (topic, groups) in self.read().iter() {
            let Some(filter) = groups.get(group).filter(|filter| !filter.is_dead() && is_over(topic)) else {
                continue;
            };
            filter.dead_ms.store(now_ms.max(filter.born_ms), Ordering::Release);
            self.unsaved.store(true, Ordering::Release);
            tracing::info!(group, topic, "Unregister consumer filter: it is without consumers");
        }
    }

    /// Which groups' filters a message passes, as its queue's extension keeps it; nothing where the topic has none.
    pub fn bits(&self, topic: &str, properties: &str) -> Vec<u8> {
        if self.count.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let topics = self.read();
        let Some(groups) = topics.get(topic) else { return Vec::new() };
        let mut bits = BitsArray::new(self.bloom.bits());
        for filter in groups.values().filter(|filter| filter.matches(properties)) {
            filter.positions.iter().for_each(|position| bits.set(*position));
        }
        bits.as_bytes().to_vec()
    }

    /// A group's filter of a topic as the file has it.
    pub fn to_json(&self, topic: &str, group: &str) -> Option<String> {
        let data = self.data(&*self.get(topic, group)?);
        serde_json::to_string_pretty(&data).ok()
    }

    /// Writes the file where something has changed; filters that have been without consumers for too long go. Blocks.
    pub fn persist(&self, clean_after_ms: i64) -> Result<(), FileError> {
        let _one_at_a_time = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        self.clean(clean_after_ms);
        if !self.unsaved.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let saved = config_file::store(&self.file, &self.snapshot());
        if saved.is_err() {
            self.unsaved.store(true, Ordering::Release);
        }
        saved
    }

    fn clean(&self, clean_after_ms: i64) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let now_ms = self.clock.now_ms();
        let mut topics = self.write();
        for (topic, groups) in topics.iter_mut() {
            groups.retain(|group, filter| {
                let keep = !filter.is_dead() || now_ms - filter.dead_ms() < clean_after_ms;
                if !keep {
                    tracing::info!(group, topic, "Remove filter consumer, died too long!");
                    self.unsaved.store(true, Ordering::Release);
                }
                keep
            });
        }
        topics.retain(|_, groups| !groups.is_empty());
        self.recount(&topics);
    }

    fn data(&self, filter: &ConsumerFilter) -> ConsumerFilterData {
        ConsumerFilterData {
            bloom_filter_data: Some(BloomFilterData {
                bit_num: self.bloom.bits(),
                bit_pos: filter.positions.clone(),
            }),
            born_time: filter.born_ms,
            client_version: filter.client_version(),
            consumer_group: filter.group.clone(),
            dead: filter.is_dead(),
            dead_time: filter.dead_ms(),
            expression: filter.text.clone(),
            expression_type: EXPRESSION_SQL92.to_owned(),
            topic: filter.topic.clone(),
        }
    }

    fn snapshot(&self) -> FilterTable {
        let of_topic = |(topic, groups): (&String, &HashMap<String, Arc<ConsumerFilter>>)| {
            let group_filter_data =
                groups.iter().map(|(group, filter)| (group.clone(), self.data(filter))).collect();
            (topic.clone(), FilterDataMapByTopic { group_filter_data, topic: topic.clone() })
        };
        FilterTable { filter_data_by_topic: self.read().iter().map(of_topic).collect() }
    }

    fn recount(&self, topics: &Topics) {
        self.count.store(topics.values().map(HashMap::len).sum(), Ordering::Release);
    }

    fn read(&self) -> RwLockReadGuard<'_, Topics> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Topics> {
        self.topics.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one pull wants of a queue: by tags or by SQL92.
#[derive(Clone)]
pub struct Wanted {
    pub subscription: Arc<SubscriptionData>,
    /// With a SQL92 subscription.
    pub filter: Option<Arc<ConsumerFilter>>,
    /// With `filterSupportRetry`: where the filters of retried messages' own topics are looked up.
    pub retries: Option<Arc<ConsumerFilters>>,
}

impl Wanted {
    /// By tags alone.
    pub fn tags(subscription: Arc<SubscriptionData>) -> Wanted {
        Wanted { subscription, filter: None, retries: None }
    }

    /// Whether an arriving message may be wanted, as far as its tags and properties tell.
    pub fn may_match(&self, tags_code: i64, properties: &str) -> bool {
        self.matches_queue(Some(tags_code)) && self.matches_properties(properties)
    }

    fn matches_properties(&self, properties: &str) -> bool {
        if let Some(filters) = &self.retries
            && let Some(group) = topic::retry_group(&self.subscription.topic)
        {
            let filter = message::property(properties, message::PROPERTY_RETRY_TOPIC)
                .and_then(|topic| filters.get(topic, group));
            return filter.is_none_or(|filter| filter.matches(properties));
        }
        self.filter.as_ref().is_none_or(|filter| filter.matches(properties))
    }
}

impl MessageFilter for Wanted {
    /// The queue entry's hash decides on tags; collisions are left to the client.
    fn matches_queue(&self, tags_code: Option<i64>) -> bool {
        !self.subscription.is_tag_type() || self.subscription.may_match(tags_code)
    }

    /// What was found out when the message was stored, where that was after the filter was made.
    fn matches_ext(&self, ext: &ExtUnit) -> bool {
        let Some(filter) = &self.filter else { return true };
        let is_known =
            ext.store_timestamp_ms > filter.born_ms && ext.bitmap.len() * 8 == filter.bits as usize;
        !is_known || filter.positions.iter().all(|position| BitsArray::is_set_in(&ext.bitmap, *position))
    }

    fn matches_record(&self, bytes: &[u8]) -> bool {
        if self.filter.is_none() && self.retries.is_none() {
            return true;
        }
        record::parse(bytes).is_none_or(|record| self.matches_properties(record.properties()))
    }
}

#[cfg(test)]
mod tests;
