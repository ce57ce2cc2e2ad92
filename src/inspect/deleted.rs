//! Messages whose topic was deleted: they stay in the log until it lets go of them, and no queue leads to them. Told apart
//! here from messages whose entries are lost.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::log::Log;
use super::queues::Queue;
use super::{Directory, tables};
use crate::protocol::topic::{RMQ_SYS_TRANS_HALF_TOPIC, RMQ_SYS_TRANS_OP_HALF_TOPIC, SCHEDULE_TOPIC};
use crate::store::Summary;
use crate::store::record::Record;

/// Topics that are told of one by one.
const TOLD_MAX: usize = 20;

/// What a directory knows of deleted topics, and how many of their messages were met.
pub struct Deleted<'a> {
    log: &'a Log,
    /// Which queues there were when a broker of ours wrote it down.
    summary: Option<Summary>,
    /// The topics there are, if that can be read.
    topics: Option<HashSet<String>>,
    /// By topic and queue id: the first entry that leads to its message, and where that stands.
    begins: HashMap<(String, i32), Option<(i64, u64)>>,
    /// Messages by topic.
    met: BTreeMap<String, u64>,
}

impl<'a> Deleted<'a> {
    /// None met yet.
    pub fn new(directory: &Directory, log: &'a Log) -> Deleted<'a> {
        Deleted {
            log,
            summary: Summary::load(&directory.root),
            topics: tables::topics(directory),
            begins: HashMap::new(),
            met: BTreeMap::new(),
        }
    }

    /// Whether a record is of a topic, or of an earlier topic of that name, which was deleted. Counts it then.
    pub fn has(&mut self, at: u64, record: &Record<'_>, topic: &str, queue: Option<&Queue>) -> bool {
        let is_deleted = match queue {
            Some(queue) => self.is_of_earlier(at, record.queue_offset(), queue),
            None => self.is_without_queue(record, topic),
        };
        if is_deleted {
            *self.met.entry(topic.to_owned()).or_default() += 1;
        }
        is_deleted
    }

    fn is_without_queue(&self, record: &Record<'_>, topic: &str) -> bool {
        // These are in no table, and are never deleted.
        if [SCHEDULE_TOPIC, RMQ_SYS_TRANS_HALF_TOPIC, RMQ_SYS_TRANS_OP_HALF_TOPIC].contains(&topic) {
            return false;
        }
        self.summary.as_ref().is_some_and(|summary| summary.lacks_queue_of(record))
            || self.topics.as_ref().is_some_and(|topics| !topics.contains(topic))
    }

    /// The order of a queue is that of the log. What stands before the message of a queue's entry and has the number of
    /// that entry or a later one is none of this queue's.
    fn is_of_earlier(&mut self, at: u64, queue_offset: i64, queue: &Queue) -> bool {
        let log = self.log;
        let key = (queue.topic.clone(), queue.queue_id);
        let begin = self.begins.entry(key).or_insert_with(|| {
            let places = (queue.first_offset()..queue.max_offset())
                .filter_map(|offset| Some((offset, queue.unit(offset)?.commit_log_offset as u64)));
            let mut true_ones = places.filter(|(offset, place)| {
                log.record_at(*place).is_some_and(|record| queue.is_message(*offset, &record))
            });
            true_ones.next()
        });
        begin.is_some_and(|(first, place)| queue_offset >= first && at < place)
    }

    /// What is to be said of them.
    pub fn notes(&self) -> Vec<String> {
        let note = |(topic, count): (&String, &u64)| {
            format!("topic {topic} was deleted: {count} of its messages are still in the log, in no queue")
        };
        let mut notes: Vec<String> = self.met.iter().take(TOLD_MAX).map(note).collect();
        if self.met.len() > TOLD_MAX {
            notes.push(format!("and so were {} topics more", self.met.len() - TOLD_MAX));
        }
        notes
    }
}
