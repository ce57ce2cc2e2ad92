//! Which consumer groups filter by SQL92, and `consumerFilter.json` (Java: `ConsumerFilterManager`, `ConsumerFilterData`,
//! `ExpressionMessageFilter`, `CommitLogDispatcherCalcBitMap`). Expressions are `crate::filter`'s; what groups subscribe
//! to in general is `consumers`'.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::{Deserialize, Serialize};

use super::log_lines;
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
/// Longer ones are not kept for their next use.
const CACHED_TEXT_MAX_BYTES: usize = 8 << 10;
/// Filters in all: some hundred times what a large cluster has. Each is in the file, and is kept for a day without consumers.
const FILTERS_MAX: usize = 10_000;
/// Their expressions together, bytes. Compiled, each takes some ten times as much.
const TEXTS_MAX_BYTES: usize = 8 << 20;
/// Where there is no more room, filters without consumers are looked for so often at most.
const MAKE_ROOM_EVERY_MS: i64 = 1000;

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
    table: RwLock<Table>,
    /// How many there are: who filters by tags alone pays no lock.
    count: AtomicUsize,
    cached: Mutex<HashMap<String, Arc<Expression>>>,
    unsaved: AtomicBool,
    saving: Mutex<()>,
}

#[derive(Default)]
struct Table {
    /// By topic, then by group.
    topics: HashMap<String, HashMap<String, Arc<ConsumerFilter>>>,
    /// The topics of each group.
    of_group: HashMap<String, HashSet<String>>,
    count: usize,
    /// Of all expressions.
    text_bytes: usize,
    /// When room was made last.
    room_made_ms: i64,
}

impl Table {
    fn insert(&mut self, filter: ConsumerFilter) {
        self.remove(&filter.topic, &filter.group);
        self.count += 1;
        self.text_bytes += filter.text.len();
        self.of_group.entry(filter.group.clone()).or_default().insert(filter.topic.clone());
        let groups = self.topics.entry(filter.topic.clone()).or_default();
        groups.insert(filter.group.clone(), Arc::new(filter));
    }

    fn remove(&mut self, topic: &str, group: &str) {
        let Some(groups) = self.topics.get_mut(topic) else { return };
        let Some(filter) = groups.remove(group) else { return };
        if groups.is_empty() {
            self.topics.remove(topic);
        }
        if let Some(topics) = self.of_group.get_mut(group) {
            topics.remove(topic);
            if topics.is_empty() {
                self.of_group.remove(group);
            }
        }
        self.count -= 1;
        self.text_bytes -= filter.text.len();
    }

    /// Whether there is room for the group's filter of a topic, in the place of any earlier one.
    fn has_room(&self, topic: &str, group: &str, text: &str) -> bool {
        let known = self.topics.get(topic).and_then(|groups| groups.get(group));
        let (count, bytes) = known.map_or((0, 0), |known| (1, known.text.len()));
        self.count - count < FILTERS_MAX && self.text_bytes - bytes + text.len() <= TEXTS_MAX_BYTES
    }

    /// Drops filters without consumers; gives whether there were any.
    fn drop_dead(&mut self, is_over: impl Fn(&ConsumerFilter) -> bool) -> bool {
        let filters = self.topics.values().flat_map(HashMap::values);
        let dead: Vec<_> = filters.filter(|filter| filter.is_dead() && is_over(filter)).cloned().collect();
        for filter in &dead {
            let ConsumerFilter { topic, group, .. } = &**filter;
            tracing::info!(group, topic, "Remove filter consumer, died too long!");
            self.remove(topic, group);
        }
        !dead.is_empty()
    }
}

impl ConsumerFilters {
    /// What the file has. Filters of another Bloom filter's size, or that do not compile, are left out.
    pub fn open(file: PathBuf, bloom: BloomFilter, clock: Clock) -> Result<ConsumerFilters, FileError> {
        let saved: FilterTable = config_file::load(&file)?.unwrap_or_default();
        let filters = ConsumerFilters {
            file,
            clock,
            bloom,
            table: RwLock::default(),
            count: AtomicUsize::new(0),
            cached: Mutex::default(),
            unsaved: AtomicBool::new(false),
            saving: Mutex::new(()),
        };
        let now_ms = filters.clock.now_ms();
        let entries =
            saved.filter_data_by_topic.into_values().flat_map(|topic| topic.group_filter_data.into_values());
        let mut table = filters.write();
        for data in entries {
            match filters.loaded(&data, now_ms) {
                Ok(filter) => table.insert(filter),
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
        filters.recount(&table);
        drop(table);
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
        if text.len() > CACHED_TEXT_MAX_BYTES {
            return Ok(compiled);
        }
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
        self.read().topics.get(topic)?.get(group).cloned()
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
        let subscribed: HashSet<&str> =
            subscriptions.iter().map(|subscription| &*subscription.topic).collect();
        self.end(group, |topic| !subscribed.contains(topic));
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
        if let Err(reason) = topic::check_group(group).and_then(|()| topic::check_topic(topic)) {
            let (group, topic) = (log_lines::beginning(group), log_lines::beginning(topic));
            tracing::warn!(group, topic, %reason, "filter passed over");
            return;
        }
        // Looked at first: to compile is the most of the work.
        let has_room = self.has_room(topic, group, text);
        let built = has_room.then(|| self.build(topic, group, text, *sub_version)).transpose();
        let mut table = self.write();
        // The client is told by its pulls, which find no filter.
        match built {
            Ok(None) => {
                let (count, bytes) = (table.count, table.text_bytes);
                tracing::warn!(group, topic, count, bytes, "too many filters in all: not taken");
                table.remove(topic, group);
            }
            Ok(Some(filter)) => {
                let expression = log_lines::beginning(text);
                tracing::info!(group, topic, expression, "New consumer filter registered");
                table.insert(filter);
            }
            Err(error) => {
                let expr = log_lines::beginning(text);
                tracing::warn!(
                    "parse error: expr={expr}, topic={topic}, group={group}, error={error}: the filter does not compile"
                );
                table.remove(topic, group);
            }
        }
        self.recount(&table);
        self.unsaved.store(true, Ordering::Release);
    }

    fn has_room(&self, topic: &str, group: &str, text: &str) -> bool {
        let mut table = self.write();
        let now_ms = self.clock.now_ms();
        if !table.has_room(topic, group, text) && now_ms - table.room_made_ms >= MAKE_ROOM_EVERY_MS {
            table.room_made_ms = now_ms;
            table.drop_dead(|_| true);
        }
        table.has_room(topic, group, text)
    }

    /// The group's last consumer has gone.
    pub fn unregister(&self, group: &str) {
        if self.count.load(Ordering::Acquire) > 0 {
            self.end(group, |_| true);
        }
    }

    fn end(&self, group: &str, is_over: impl Fn(&str) -> bool) {
        let now_ms = self.clock.now_ms();
        let table = self.read();
        for topic in table.of_group.get(group).into_iter().flatten().filter(|topic| is_over(topic)) {
            let filter = table.topics.get(topic).and_then(|groups| groups.get(group));
            let Some(filter) = filter.filter(|filter| !filter.is_dead()) else { continue };
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
        let table = self.read();
        let Some(groups) = table.topics.get(topic) else { return Vec::new() };
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
        let mut table = self.write();
        if table.drop_dead(|filter| now_ms - filter.dead_ms() >= clean_after_ms) {
            self.unsaved.store(true, Ordering::Release);
        }
        self.recount(&table);
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
        FilterTable { filter_data_by_topic: self.read().topics.iter().map(of_topic).collect() }
    }

    fn recount(&self, table: &Table) {
        self.count.store(table.count, Ordering::Release);
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
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
