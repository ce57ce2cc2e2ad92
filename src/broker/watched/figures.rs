//! Topics, and pairs of a topic and a group, with what is counted and how far each group is. Bounded: there may be more of
//! them than anybody can look at.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::broker::Broker;
use crate::broker::statistics::{TopicTotals, Total};
use crate::broker::transaction::CHECK_MAX_TIME_TOPIC;
use crate::protocol::body::topic::TopicConfig;
use crate::protocol::topic::{self, CID_RMQ_SYS_PREFIX};

/// Topics that are looked at.
const TOPICS_MAX: usize = 10_000;
/// Pairs that are looked at.
const PAIRS_MAX: usize = 20_000;

/// A topic.
pub struct TopicFigures {
    pub config: Arc<TopicConfig>,
    /// The program's own.
    pub is_system: bool,
    pub put: Total,
    pub fetched_messages: u64,
    pub fetched_per_second: f64,
    /// Messages in the queues.
    pub stored: i64,
    /// The queues' ends together.
    pub end: i64,
}

impl TopicFigures {
    pub fn name(&self) -> &str {
        &self.config.topic_name
    }
}

/// A group's way through a topic.
pub struct PairFigures {
    pub topic: String,
    pub group: String,
    /// Consumers that are connected.
    pub online: usize,
    /// Some of them want other messages than the rest.
    pub at_odds: bool,
    pub fetched: Total,
    pub sent_back: u64,
    pub progress: Option<Progress>,
    /// Messages still to consume; those that have expired do not count.
    pub lag: i64,
}

/// How far a group is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// The queues' ends together.
    pub end: i64,
    /// The group's offsets together.
    pub consumed: i64,
    pub lag: i64,
    /// Of the queue that is furthest behind.
    pub lag_max: i64,
}

impl PairFigures {
    /// The program's own.
    pub fn is_system(&self) -> bool {
        self.group.starts_with(CID_RMQ_SYS_PREFIX)
    }
}

/// All of it.
pub struct Figures {
    pub topics: Vec<TopicFigures>,
    pub topics_left_out: usize,
    pub pairs: Vec<PairFigures>,
    pub pairs_left_out: usize,
}

/// A queue: its id, its oldest message, its end.
type Range = (i32, i64, i64);

/// A group's connected consumers, and what they want.
struct Online {
    count: usize,
    at_odds: bool,
    /// Its members keep their offsets themselves.
    is_broadcasting: bool,
    topics: HashSet<String>,
}

impl Figures {
    /// As it is now.
    pub fn collect(broker: &Broker) -> Figures {
        let mut configs = broker.topics.all();
        configs.sort_by(|one, other| one.topic_name.cmp(&other.topic_name));
        let topics_left_out = configs.len().saturating_sub(TOPICS_MAX);
        configs.truncate(TOPICS_MAX);
        let ranges: HashMap<&str, Vec<Range>> =
            configs.iter().map(|config| (config.topic_name.as_str(), ranges(broker, config))).collect();
        let mut counted = broker.statistics.totals();
        let online = online(broker);
        let mut pairs = Pairs::default();
        // Groups that have not committed anything yet are behind by all that is there, as mqadmin shows them.
        for (group, online) in &online {
            for (topic, ranges) in
                online.topics.iter().filter_map(|topic| ranges.get_key_value(topic.as_str()))
            {
                let nothing = || progress(ranges, &BTreeMap::new());
                pairs.at(topic, group).progress = (!online.is_broadcasting).then(nothing);
            }
        }
        let left_out = broker.offsets.for_each(PAIRS_MAX, |group, topic, offsets| {
            let is_concern =
                online.get(group).is_none_or(|it| it.topics.is_empty() || it.topics.contains(topic));
            if let Some(ranges) = ranges.get(topic).filter(|_| is_concern) {
                pairs.at(topic, group).progress = Some(progress(ranges, offsets));
            }
        });
        let mut topics = Vec::with_capacity(configs.len());
        for config in &configs {
            let TopicTotals { put, groups } = counted.remove(&config.topic_name).unwrap_or_default();
            let fetched = groups.iter().map(|group| group.fetched);
            let (fetched_messages, fetched_per_second) =
                fetched.fold((0, 0.0), |(all, rate), it| (all + it.messages, rate + it.messages_per_second));
            for group in groups {
                let pair = pairs.at(&config.topic_name, &group.group);
                (pair.fetched, pair.sent_back) = (group.fetched, group.sent_back);
            }
            let ranges = &ranges[config.topic_name.as_str()];
            topics.push(TopicFigures {
                config: Arc::clone(config),
                is_system: is_system(broker, &config.topic_name),
                put,
                fetched_messages,
                fetched_per_second,
                stored: ranges.iter().map(|(_, first, end)| (end - first).max(0)).sum(),
                end: ranges.iter().map(|(_, _, end)| end).sum(),
            });
        }
        let (pairs, more) = pairs.finish(&online);
        Figures { topics, topics_left_out, pairs, pairs_left_out: left_out + more }
    }
}

#[derive(Default)]
struct Pairs(BTreeMap<String, BTreeMap<String, PairFigures>>);

impl Pairs {
    fn at(&mut self, topic: &str, group: &str) -> &mut PairFigures {
        if !self.0.contains_key(topic) {
            self.0.insert(topic.to_owned(), BTreeMap::new());
        }
        let groups = self.0.get_mut(topic).expect("it was put there");
        groups.entry(group.to_owned()).or_insert_with(|| PairFigures {
            topic: topic.to_owned(),
            group: group.to_owned(),
            online: 0,
            at_odds: false,
            fetched: Total::default(),
            sent_back: 0,
            progress: None,
            lag: 0,
        })
    }

    /// In the order of topics and groups; and how many are left out.
    fn finish(self, online: &HashMap<String, Online>) -> (Vec<PairFigures>, usize) {
        let mut pairs: Vec<PairFigures> = self.0.into_values().flat_map(BTreeMap::into_values).collect();
        let left_out = pairs.len().saturating_sub(PAIRS_MAX);
        pairs.truncate(PAIRS_MAX);
        for pair in &mut pairs {
            pair.online = online.get(&pair.group).map_or(0, |online| online.count);
            pair.at_odds = online.get(&pair.group).is_some_and(|online| online.at_odds);
            pair.lag = pair.progress.map_or(0, |progress| progress.lag);
        }
        (pairs, left_out)
    }
}

fn ranges(broker: &Broker, config: &TopicConfig) -> Vec<Range> {
    let mut ranges = broker.store.queue_ranges(&config.topic_name);
    // Dead letters can be read by nobody before an operator allows it.
    ranges.retain(|(queue_id, _, _)| *queue_id < config.read_queue_nums.max(config.write_queue_nums));
    ranges
}

fn online(broker: &Broker) -> HashMap<String, Online> {
    let of_group = |group: Arc<crate::broker::consumers::ConsumerGroup>| {
        let topics = group.subscriptions().into_keys().collect();
        (
            group.name().to_owned(),
            Online {
                count: group.clients().len(),
                at_odds: group.is_at_odds(),
                is_broadcasting: group.is_broadcasting(),
                topics,
            },
        )
    };
    broker.consumers.all().into_iter().map(of_group).collect()
}

fn progress(ranges: &[Range], offsets: &BTreeMap<i32, i64>) -> Progress {
    let mut progress = Progress::default();
    for (queue_id, first, end) in ranges {
        let consumed = offsets.get(queue_id).copied().unwrap_or(0).max(0);
        let lag = (end - consumed.max(*first)).max(0);
        progress.end += end;
        progress.consumed += consumed;
        progress.lag += lag;
        progress.lag_max = progress.lag_max.max(lag);
    }
    progress
}

fn is_system(broker: &Broker, name: &str) -> bool {
    broker.topics.is_system(name)
        || topic::retry_group(name).is_some()
        || topic::dlq_group(name).is_some()
        || [
            topic::SCHEDULE_TOPIC,
            topic::RMQ_SYS_TRANS_HALF_TOPIC,
            topic::RMQ_SYS_TRANS_OP_HALF_TOPIC,
            CHECK_MAX_TIME_TOPIC,
        ]
        .contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_what_can_still_be_consumed() {
        let check = |ranges: &[Range], offsets: &[(i32, i64)], expected: (i64, i64, i64, i64)| {
            let Progress { end, consumed, lag, lag_max } =
                progress(ranges, &offsets.iter().copied().collect::<BTreeMap<_, _>>());
            assert_eq!((end, consumed, lag, lag_max), expected, "{ranges:?} {offsets:?}");
        };
        check(&[], &[(0, 5)], (0, 0, 0, 0));
        check(&[(0, 0, 10), (1, 0, 20)], &[(0, 10), (1, 5)], (30, 15, 15, 15));
        // Nothing consumed yet; expired in between; beyond the end, as after messages were lost.
        check(&[(0, 0, 10)], &[], (10, 0, 10, 10));
        check(&[(0, 8, 10)], &[(0, 3)], (10, 3, 2, 2));
        check(&[(0, 0, 10)], &[(0, 30)], (10, 30, 0, 0));
        check(&[(0, 0, 10)], &[(0, -1)], (10, 0, 10, 10));
    }
}
