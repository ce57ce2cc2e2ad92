//! What is counted by topic and by group, for 315, 208, 317 and `stats.log` (Java: `BrokerStatsManager`, `StatsItemSet`,
//! `MomentStatsItemSet`). What runtime info (28) counts is `stats`'.
//!
//! | Java's name | key | counted |
//! |---|---|---|
//! | TOPIC_PUT_NUMS, TOPIC_PUT_SIZE | topic | messages and bytes that were sent to it |
//! | GROUP_GET_NUMS, GROUP_GET_SIZE | topic@group | messages and bytes that pulls gave out |
//! | GROUP_GET_FROM_DISK_NUMS, _SIZE | topic@group | those of them that had to be read from the disk |
//! | GROUP_GET_LATENCY | queue@topic@group | ms that reading them took |
//! | SNDBCK_PUT_NUMS | topic@group | messages that consumers sent back |
//! | BROKER_PUT_NUMS, BROKER_GET_NUMS, BROKER_GET_FROM_DISK_NUMS, _SIZE | cluster | the broker's sums |
//! | GROUP_GET_FALL_SIZE, GROUP_GET_FALL_TIME | queue@topic@group | how far the last pull was behind; `stats.log` only |
//!
//! The COMMERCIAL_ ones are never counted in 4.3.0 either. A send finds its topic's item in a cache of its thread, and no
//! lock is taken; whoever does not find it there takes the table's read lock.

mod item;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use self::item::{Item, Snapshot, Window};
use crate::protocol::body::stats::BrokerStatsItem;

/// Topics, pairs of a topic and a group, and their queues that are counted: names are checked, but there may be many.
const ITEMS_MAX: usize = 50_000;
/// Between two lines of the momentary values.
const MOMENTS_EVERY_MIN: i64 = 5;
/// Topics that a thread keeps at hand, in sets of two.
const RECENT_TOPICS: usize = 256;

/// Messages and bytes.
const NUMS: usize = 0;
const SIZE: usize = 1;

/// What a group takes of a topic.
#[derive(Debug, Default)]
struct Group {
    gets: Item<2>,
    from_disk: Item<2>,
    send_backs: Item<1>,
    queues: RwLock<BTreeMap<i32, Arc<Queue>>>,
}

/// What a group takes of a queue.
#[derive(Debug, Default)]
struct Queue {
    latency: Item<1>,
    fall_bytes: AtomicI64,
    fall_ms: AtomicI64,
}

/// By topic, then by group.
type Groups = HashMap<String, HashMap<String, Arc<Group>>>;

/// A pull that found something.
#[derive(Debug, Clone, Copy)]
pub struct Fetched<'a> {
    pub topic: &'a str,
    pub group: &'a str,
    pub queue_id: i32,
    pub messages: usize,
    pub bytes: usize,
    pub took_ms: u64,
    pub is_from_disk: bool,
    /// Bytes of the log behind what was read, and since when its message is there, where that is recorded.
    pub fall: Option<(i64, i64)>,
}

/// What was counted since the start, and of the last minute.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Total {
    pub messages: u64,
    pub bytes: u64,
    pub messages_per_second: f64,
    pub bytes_per_second: f64,
}

/// A topic's counts, for who watches the broker.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TopicTotals {
    pub put: Total,
    pub groups: Vec<GroupTotals>,
}

/// A group's counts of a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupTotals {
    pub group: String,
    pub fetched: Total,
    pub sent_back: u64,
}

/// Of the last minute, hour and day.
pub type Windows = [BrokerStatsItem; 3];

/// All that a broker counts.
#[derive(Debug)]
pub struct Statistics {
    /// Tells brokers of one process apart.
    id: u64,
    cluster: String,
    topics: RwLock<HashMap<String, Arc<Item<2>>>>,
    groups: RwLock<Groups>,
    /// Items in both tables.
    count: AtomicUsize,
    is_full_reported: AtomicBool,
    /// Changes when a topic's item is taken away: what threads have at hand is old then.
    generation: AtomicU64,
    puts: Item<1>,
    gets: Item<1>,
    from_disk: Item<2>,
    due: Mutex<Due>,
}

/// When what was done last.
#[derive(Debug, Default)]
struct Due {
    /// The next sample of each window.
    samples_ms: Option<[i64; 3]>,
    /// The local minute, hour and day that were printed last.
    printed: Option<[i64; 3]>,
}

/// A topic that a thread has sent to lately.
struct Recent {
    owner: u64,
    generation: u64,
    topic: Box<str>,
    item: Arc<Item<2>>,
}

thread_local! {
    static RECENT: RefCell<Vec<Option<Recent>>> = const { RefCell::new(Vec::new()) };
}

/// The first of a topic's two places among the recent ones: names mostly differ at their ends or in their lengths.
fn place(topic: &str) -> usize {
    let end = topic.as_bytes().last_chunk::<4>().map_or(0, |end| u32::from_le_bytes(*end));
    let mixed = (end ^ (topic.len() as u32).rotate_left(16)).wrapping_mul(0x9e37_79b9);
    ((mixed >> 24) as usize % RECENT_TOPICS) & !1
}

impl Statistics {
    /// Nothing counted yet.
    pub fn new(cluster: &str) -> Statistics {
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        Statistics {
            id: NEXT_ID.fetch_add(1, Relaxed),
            cluster: cluster.to_owned(),
            topics: RwLock::default(),
            groups: RwLock::default(),
            count: AtomicUsize::new(0),
            is_full_reported: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            puts: Item::default(),
            gets: Item::default(),
            from_disk: Item::default(),
            due: Mutex::default(),
        }
    }

    /// Messages have been sent to a topic: one, or a batch.
    pub fn put(&self, topic: &str, messages: u64, bytes: u64) {
        let values = [messages.cast_signed(), bytes.cast_signed()];
        self.puts.add_to_sum([values[NUMS]]);
        // Before the table is asked: what is taken away meanwhile is not kept at hand for longer.
        let generation = self.generation.load(std::sync::atomic::Ordering::Acquire);
        let place = place(topic);
        let is_at_hand = RECENT.with_borrow(|recent| {
            let places = recent.get(place..place + 2).unwrap_or_default();
            let is_it =
                |it: &&Recent| it.owner == self.id && it.generation == generation && *it.topic == *topic;
            places.iter().flatten().find(is_it).map(|it| it.item.add(values)).is_some()
        });
        if is_at_hand {
            return;
        }
        let Some(item) = self.topic(topic) else { return };
        item.add(values);
        let it = Recent { owner: self.id, generation, topic: topic.into(), item };
        RECENT.with_borrow_mut(|recent| {
            recent.resize_with(RECENT_TOPICS, || None);
            recent.swap(place, place + 1);
            recent[place] = Some(it);
        });
    }

    fn topic(&self, topic: &str) -> Option<Arc<Item<2>>> {
        if let Some(item) = read(&self.topics).get(topic) {
            return Some(Arc::clone(item));
        }
        let mut topics = write(&self.topics);
        if !topics.contains_key(topic) && !self.take_place() {
            return None;
        }
        Some(Arc::clone(topics.entry(topic.to_owned()).or_default()))
    }

    /// A pull has found something.
    pub fn fetched(&self, it: &Fetched<'_>) {
        let values = [it.messages as i64, it.bytes as i64];
        self.gets.add_to_sum([values[NUMS]]);
        if it.is_from_disk {
            self.from_disk.add_to_sum(values);
        }
        let Some(group) = self.group(it.topic, it.group) else { return };
        group.gets.add(values);
        if it.is_from_disk {
            group.from_disk.add(values);
        }
        let Some(queue) = self.queue(&group, it.queue_id) else { return };
        queue.latency.add([it.took_ms.cast_signed()]);
        if let Some((bytes, millis)) = it.fall {
            queue.fall_bytes.store(bytes, Relaxed);
            queue.fall_ms.store(millis, Relaxed);
        }
    }

    /// A consumer has sent a message back.
    pub fn sent_back(&self, topic: &str, group: &str) {
        if let Some(group) = self.group(topic, group) {
            group.send_backs.add([1]);
        }
    }

    fn group(&self, topic: &str, group: &str) -> Option<Arc<Group>> {
        if let Some(item) = read(&self.groups).get(topic).and_then(|groups| groups.get(group)) {
            return Some(Arc::clone(item));
        }
        let mut topics = write(&self.groups);
        let is_known = topics.get(topic).is_some_and(|groups| groups.contains_key(group));
        if !is_known && !self.take_place() {
            return None;
        }
        let groups = topics.entry(topic.to_owned()).or_default();
        Some(Arc::clone(groups.entry(group.to_owned()).or_default()))
    }

    fn queue(&self, group: &Group, queue_id: i32) -> Option<Arc<Queue>> {
        if let Some(queue) = read(&group.queues).get(&queue_id) {
            return Some(Arc::clone(queue));
        }
        let mut queues = write(&group.queues);
        if !queues.contains_key(&queue_id) && !self.take_place() {
            return None;
        }
        Some(Arc::clone(queues.entry(queue_id).or_default()))
    }

    /// Whether there is room for one item more.
    fn take_place(&self) -> bool {
        if self.count.fetch_add(1, Relaxed) < ITEMS_MAX {
            return true;
        }
        self.count.fetch_sub(1, Relaxed);
        if !self.is_full_reported.swap(true, Relaxed) {
            tracing::warn!(ITEMS_MAX, "statistics are kept of no further topics, groups and queues");
        }
        false
    }

    /// A topic is deleted: nothing is known of it any more.
    pub fn forget_topic(&self, topic: &str) {
        write(&self.topics).remove(topic);
        write(&self.groups).remove(topic);
        self.removed();
    }

    /// A group is deleted.
    pub fn forget_group(&self, group: &str) {
        write(&self.groups).retain(|_, groups| {
            groups.remove(group);
            !groups.is_empty()
        });
        self.removed();
    }

    fn removed(&self) {
        self.generation.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
        let of_group = |group: &Arc<Group>| 1 + read(&group.queues).len();
        let groups: usize = read(&self.groups).values().flat_map(HashMap::values).map(of_group).sum();
        self.count.store(read(&self.topics).len() + groups, Relaxed);
        self.is_full_reported.store(false, Relaxed);
    }

    /// Messages a second that a group takes of a topic, over the last minute.
    pub fn tps(&self, topic: &str, group: &str) -> f64 {
        let group = read(&self.groups).get(topic).and_then(|groups| groups.get(group)).cloned();
        group.map_or(0.0, |group| group.gets.snapshot(NUMS, Window::Minute).tps)
    }

    /// What is counted by topic and group, by topic. Takes no lock for longer than a table is copied.
    pub fn totals(&self) -> HashMap<String, TopicTotals> {
        let mut totals: HashMap<String, TopicTotals> = HashMap::new();
        let topics: Vec<_> =
            read(&self.topics).iter().map(|(topic, item)| (topic.clone(), Arc::clone(item))).collect();
        for (topic, item) in topics {
            totals.entry(topic).or_default().put = total(&item);
        }
        for (topic, group, item) in self.all_groups() {
            let sent_back = item.send_backs.value(NUMS).max(0).cast_unsigned();
            let of_group = GroupTotals { group, fetched: total(&item.gets), sent_back };
            totals.entry(topic).or_default().groups.push(of_group);
        }
        totals
    }

    /// Messages a second of the last minute, in and out.
    pub fn broker_rates(&self) -> (f64, f64) {
        let rate = |item: &Item<1>| item.snapshot(NUMS, Window::Minute).tps;
        (rate(&self.puts), rate(&self.gets))
    }

    /// A statistic by Java's name and key, for minute, hour and day; none where nothing was ever counted.
    pub fn find(&self, name: &str, key: &str) -> Option<Windows> {
        let is_broker = key == self.cluster;
        match name {
            "TOPIC_PUT_NUMS" => windows(&**read(&self.topics).get(key)?, NUMS),
            "TOPIC_PUT_SIZE" => windows(&**read(&self.topics).get(key)?, SIZE),
            "GROUP_GET_NUMS" => windows(&self.known_group(key)?.gets, NUMS),
            "GROUP_GET_SIZE" => windows(&self.known_group(key)?.gets, SIZE),
            "GROUP_GET_FROM_DISK_NUMS" => windows(&self.known_group(key)?.from_disk, NUMS),
            "GROUP_GET_FROM_DISK_SIZE" => windows(&self.known_group(key)?.from_disk, SIZE),
            "SNDBCK_PUT_NUMS" => windows(&self.known_group(key)?.send_backs, NUMS),
            "GROUP_GET_LATENCY" => {
                let (queue_id, key) = key.split_once('@')?;
                let group = self.known_group(key)?;
                let queue = read(&group.queues).get(&queue_id.parse().ok()?).cloned()?;
                windows(&queue.latency, NUMS)
            }
            "BROKER_PUT_NUMS" if is_broker => windows(&self.puts, NUMS),
            "BROKER_GET_NUMS" if is_broker => windows(&self.gets, NUMS),
            "BROKER_GET_FROM_DISK_NUMS" if is_broker => windows(&self.from_disk, NUMS),
            "BROKER_GET_FROM_DISK_SIZE" if is_broker => windows(&self.from_disk, SIZE),
            // Commercial ones are for hooks that nobody has.
            _ => None,
        }
    }

    fn known_group(&self, key: &str) -> Option<Arc<Group>> {
        // Topics have no @, groups may.
        let (topic, group) = key.split_once('@')?;
        read(&self.groups).get(topic)?.get(group).cloned()
    }

    /// Whether there is something to sample or to print: to be asked every second.
    pub fn is_due(&self, now_ms: i64, local_ms: i64) -> bool {
        let due = self.due();
        let is_past = |samples: [i64; 3]| {
            Window::ALL.iter().any(|window| {
                let left_ms = samples[*window as usize] - now_ms;
                left_ms <= 0 || left_ms > window.step_ms()
            })
        };
        due.samples_ms.is_none_or(is_past) || due.printed != Some(periods(local_ms))
    }

    /// Takes the samples that are due. Takes some milliseconds where there is much, and holds up nobody.
    pub fn sample(&self, now_ms: i64) {
        let mut due = self.due();
        let samples_ms = due.samples_ms.get_or_insert([now_ms; 3]);
        for window in Window::ALL {
            let (at_ms, step_ms) = (&mut samples_ms[window as usize], window.step_ms());
            // A clock that was set back does not stop them.
            *at_ms = (*at_ms).min(now_ms + step_ms);
            if *at_ms <= now_ms {
                // One that was set forward does not have them taken one after the other.
                *at_ms = (*at_ms + step_ms).max(now_ms + step_ms / 2);
                self.sample_window(window, now_ms);
            }
        }
    }

    /// The lines for `stats.log` where a minute, an hour or a day of the local calendar has ended.
    pub fn lines(&self, local_ms: i64) -> Vec<String> {
        let now = periods(local_ms);
        let before = self.due().printed.replace(now).unwrap_or(now);
        let is_over = |window: Window| now[window as usize] != before[window as usize];
        let mut lines = Vec::new();
        for window in Window::ALL.into_iter().filter(|window| is_over(*window)) {
            self.print(window, &mut lines);
        }
        if is_over(Window::Minute) && now[Window::Minute as usize] % MOMENTS_EVERY_MIN == 0 {
            self.print_moments(&mut lines);
        }
        lines
    }

    fn due(&self) -> MutexGuard<'_, Due> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sample_window(&self, window: Window, now_ms: i64) {
        self.puts.sample(window, now_ms);
        self.gets.sample(window, now_ms);
        self.from_disk.sample(window, now_ms);
        let topics: Vec<_> = read(&self.topics).values().cloned().collect();
        topics.iter().for_each(|item| item.sample(window, now_ms));
        for (_, _, group) in self.all_groups() {
            group.gets.sample(window, now_ms);
            group.from_disk.sample(window, now_ms);
            group.send_backs.sample(window, now_ms);
            read(&group.queues).values().for_each(|queue| queue.latency.sample(window, now_ms));
        }
        if window == Window::Day {
            self.forget_idle();
        }
    }

    fn forget_idle(&self) {
        write(&self.topics).retain(|_, item| !item.is_idle());
        write(&self.groups).retain(|_, groups| {
            groups.retain(|_, group| !(group.gets.is_idle() && group.send_backs.is_idle()));
            !groups.is_empty()
        });
        self.removed();
    }

    /// Copies, so that the lock is not held while they are looked at.
    fn all_groups(&self) -> Vec<(String, String, Arc<Group>)> {
        let topics = read(&self.groups);
        let of_topic = |(topic, groups): (&String, &HashMap<String, Arc<Group>>)| -> Vec<_> {
            groups.iter().map(|(group, item)| (topic.clone(), group.clone(), Arc::clone(item))).collect()
        };
        topics.iter().flat_map(of_topic).collect()
    }

    fn print(&self, window: Window, lines: &mut Vec<String>) {
        let mut print = |name: &str, key: &str, snapshot: Snapshot| {
            // Java prints what stands still, too, for ever.
            if snapshot.sum == 0 {
                return;
            }
            let (window, Snapshot { sum, tps, avgpt }) = (window.name(), snapshot);
            lines.push(format!(
                "[{name}] [{key}] Stats In One {window}, SUM: {sum} TPS: {tps:.2} AVGPT: {avgpt:.2}"
            ));
        };
        let topics: Vec<_> =
            read(&self.topics).iter().map(|(topic, item)| (topic.clone(), Arc::clone(item))).collect();
        for (topic, item) in topics {
            print("TOPIC_PUT_NUMS", &topic, item.snapshot(NUMS, window));
            print("TOPIC_PUT_SIZE", &topic, item.snapshot(SIZE, window));
        }
        for (topic, group, item) in self.all_groups() {
            let key = format!("{topic}@{group}");
            print("GROUP_GET_NUMS", &key, item.gets.snapshot(NUMS, window));
            print("GROUP_GET_SIZE", &key, item.gets.snapshot(SIZE, window));
            print("GROUP_GET_FROM_DISK_NUMS", &key, item.from_disk.snapshot(NUMS, window));
            print("GROUP_GET_FROM_DISK_SIZE", &key, item.from_disk.snapshot(SIZE, window));
            print("SNDBCK_PUT_NUMS", &key, item.send_backs.snapshot(NUMS, window));
            for (queue_id, queue) in read(&item.queues).iter() {
                print(
                    "GROUP_GET_LATENCY",
                    &format!("{queue_id}@{key}"),
                    queue.latency.snapshot(NUMS, window),
                );
            }
        }
        print("BROKER_PUT_NUMS", &self.cluster, self.puts.snapshot(NUMS, window));
        print("BROKER_GET_NUMS", &self.cluster, self.gets.snapshot(NUMS, window));
        print("BROKER_GET_FROM_DISK_NUMS", &self.cluster, self.from_disk.snapshot(NUMS, window));
        print("BROKER_GET_FROM_DISK_SIZE", &self.cluster, self.from_disk.snapshot(SIZE, window));
    }

    fn print_moments(&self, lines: &mut Vec<String>) {
        for (topic, group, item) in self.all_groups() {
            for (queue_id, queue) in read(&item.queues).iter() {
                let moments =
                    [("GROUP_GET_FALL_SIZE", &queue.fall_bytes), ("GROUP_GET_FALL_TIME", &queue.fall_ms)];
                for (name, value) in moments {
                    // A value is printed once: it is of the last five minutes, or it is not there.
                    let value = value.swap(0, Relaxed);
                    if value != 0 {
                        lines.push(format!(
                            "[{name}] [{queue_id}@{topic}@{group}] Stats Every 5 Minutes, Value: {value}"
                        ));
                    }
                }
            }
        }
    }
}

/// The minute, hour and day of a time.
fn periods(local_ms: i64) -> [i64; 3] {
    [60_000, 3_600_000, 86_400_000].map(|period_ms| local_ms.div_euclid(period_ms))
}

fn total(item: &Item<2>) -> Total {
    let value = |index| item.value(index).max(0).cast_unsigned();
    let rate = |index| item.snapshot(index, Window::Minute).tps;
    Total {
        messages: value(NUMS),
        bytes: value(SIZE),
        messages_per_second: rate(NUMS),
        bytes_per_second: rate(SIZE),
    }
}

fn windows<const N: usize>(item: &Item<N>, index: usize) -> Option<Windows> {
    let of = |window| {
        let Snapshot { sum, tps, avgpt } = item.snapshot(index, window);
        BrokerStatsItem { avgpt, sum, tps }
    };
    item.is_used().then(|| Window::ALL.map(of))
}

fn read<T>(table: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    table.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(table: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    table.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
