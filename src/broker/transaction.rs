//! Transactional messages (Java: `TransactionalMessageServiceImpl`, `TransactionalMessageBridge`): half messages wait in
//! RMQ_SYS_TRANS_HALF_TOPIC until their producer says what becomes of them; what has been decided stands in
//! RMQ_SYS_TRANS_OP_HALF_TOPIC; whoever stays silent is asked. Requests and replies are `processor`'s.
//!
//! On disk everything is as Java has it: half and op messages, and how far both queues are settled as consumer offsets
//! of CID_RMQ_SYS_TRANS. A half message that was asked about, or that must wait for longer, is stored again behind
//! the others, so that the queue's settled part can grow. Java forgets which message such a copy came from, and
//! commits twice when an answer to the original is late. Here each copy names its original
//! (TRAN_PREPARED_QUEUE_OFFSET, which Java's brokers read too), and a transaction is what stands behind all of them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddrV4;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::consumer_offset::ConsumerOffsets;
use super::ipv4;
use crate::protocol::message::{self, MessageRef, Properties};
use crate::protocol::topic::{
    CID_SYS_RMQ_TRANS, RMQ_SYS_TRANS_HALF_TOPIC as HALF_TOPIC, RMQ_SYS_TRANS_OP_HALF_TOPIC as OP_TOPIC,
};
use crate::store::{MappedSlice, MessageStore, NewMessage, PutResult, PutStatus};

/// Where half messages end that were asked about too often (the name that Java has used since 4.5.2).
pub const CHECK_MAX_TIME_TOPIC: &str = "TRANS_CHECK_MAX_TIME_TOPIC";
/// Half and op messages have one queue each.
const QUEUE_ID: i32 = 0;
/// The tag of an op message that settles a half message; its body is the half message's queue offset.
const REMOVE_TAG: &str = "d";
/// A kill between a committed message and its op message leaves the former near the log's end: so far back it is
/// looked for.
const COMMITTED_LOOK_BYTES: i64 = 64 * 1024 * 1024;
/// Java: `MAX_PROCESS_TIME_LIMIT`.
const ROUND_LIMIT_MS: i64 = 60_000;

/// Why a transaction was not ended. Texts of the first three are Java's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndError {
    #[error("Find prepared transaction message failed")]
    NoHalfMessage,
    #[error("The producer group wrong")]
    Group,
    #[error("The transaction state table offset wrong")]
    QueueOffset,
    #[error("The transaction has ended before: committed, rolled back or given up")]
    Ended,
    #[error("The half message does not say where it belongs")]
    NoTarget,
    #[error("message not stored: {}", .0.java_name())]
    Refused(PutStatus),
}

/// What a producer decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Commit,
    Rollback,
}

/// Which transaction, as its producer names it.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    pub producer_group: &'a str,
    /// Queue offset of the half message or of one of its copies.
    pub queue_offset: i64,
    /// Its place in the log.
    pub commit_log_offset: i64,
}

/// When a producer is asked, and when no more.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Younger half messages are left alone, ms (`transactionTimeOut`).
    pub timeout_ms: i64,
    /// Times that a producer is asked (`transactionCheckMax`).
    pub check_max: i32,
    /// Older ones are given up, ms (`fileReservedTime`).
    pub reserved_ms: i64,
}

/// A question to a producer.
#[derive(Debug, PartialEq, Eq)]
pub struct Question {
    pub producer_group: String,
    pub queue_offset: i64,
    pub commit_log_offset: i64,
    pub unique_key: Option<String>,
    pub offset_msg_id: String,
    /// The message with its real topic and queue, its body as stored.
    pub record: Vec<u8>,
}

/// What a round of checks led to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Round {
    pub questions: Vec<Question>,
    /// Half messages given up.
    pub given_up: usize,
}

/// Transactions that have not ended.
#[derive(Default)]
pub struct Transactions {
    state: Mutex<Option<State>>,
}

/// What is known of the two queues. Offsets are queue offsets.
struct State {
    /// First half message that is not settled: all before it have ended or have a copy behind it.
    half: i64,
    /// First op message that may concern a half message at or behind `half`.
    op: i64,
    /// Half messages that the op messages from `op` on settle, in their order.
    ops: VecDeque<i64>,
    /// Settled half messages at or behind `half`: ended, or with a newer copy.
    settled: HashSet<i64>,
    /// By original: its newest copy, while the transaction has not ended.
    copies: HashMap<i64, i64>,
    /// Ended, but the op message could not be stored yet.
    owed: Vec<i64>,
}

impl Transactions {
    /// Stores a half message out of consumers' sight.
    pub fn prepare(store: &MessageStore, message: &NewMessage<'_>) -> PutResult {
        let mut properties = Properties::parse(message.properties);
        properties.set(message::PROPERTY_REAL_TOPIC, message.topic);
        properties.set(message::PROPERTY_REAL_QUEUE_ID, message.queue_id.to_string());
        // Its delay, if any, begins with its commit: no `put`, which would delay it now.
        store.put_due(&NewMessage {
            topic: HALF_TOPIC,
            queue_id: QUEUE_ID,
            sys_flag: message.sys_flag & !message::SYS_FLAG_TRANSACTION_MASK,
            properties: &properties.encode(),
            ..*message
        })
    }

    /// Ends a transaction. Blocks: the half message may lie far back.
    pub fn end(
        &self,
        store: &MessageStore,
        offsets: &ConsumerOffsets,
        host: SocketAddrV4,
        named: Named<'_>,
        decision: Decision,
    ) -> Result<(), EndError> {
        let record = store.message_at(named.commit_log_offset);
        let half = record.as_deref().and_then(half_message).ok_or(EndError::NoHalfMessage)?;
        if half.property(message::PROPERTY_PRODUCER_GROUP) != Some(named.producer_group) {
            return Err(EndError::Group);
        }
        if half.queue_offset != named.queue_offset {
            return Err(EndError::QueueOffset);
        }
        let mut guard = self.state();
        let state = loaded(&mut guard, store, offsets, host);
        let original = original_of(&half);
        let current = state.copies.get(&original).copied().unwrap_or(half.queue_offset);
        if current < state.half || state.settled.contains(&current) {
            return Err(EndError::Ended);
        }
        if decision == Decision::Commit {
            commit(store, &half)?;
        }
        state.settle(current, original);
        state.write_op(store, host, current);
        state.advance(offsets);
        drop(guard);
        store.dispatch();
        Ok(())
    }

    /// Looks at all half messages that have not ended: who is to be asked, and who is given up. Blocks.
    pub fn check(
        &self,
        store: &MessageStore,
        offsets: &ConsumerOffsets,
        host: SocketAddrV4,
        rules: Rules,
        now_ms: impl Fn() -> i64,
    ) -> Round {
        let began_ms = now_ms();
        let mut round = Round::default();
        let mut offset = i64::MIN;
        loop {
            // One message at a time, so that no producer waits for the whole round.
            let mut guard = self.state();
            let state = loaded(&mut guard, store, offsets, host);
            for owed in std::mem::take(&mut state.owed) {
                state.write_op(store, host, owed);
            }
            offset = offset.max(state.half);
            let is_over =
                offset >= store.max_offset(HALF_TOPIC, QUEUE_ID) || now_ms() - began_ms > ROUND_LIMIT_MS;
            if is_over || !state.look(store, offset, rules, began_ms, now_ms(), &mut round) {
                state.advance(offsets);
                break;
            }
            state.advance(offsets);
            offset += 1;
        }
        store.dispatch();
        round
    }

    fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state, read from the two queues when it is first needed.
fn loaded<'a>(
    guard: &'a mut MutexGuard<'_, Option<State>>,
    store: &MessageStore,
    offsets: &ConsumerOffsets,
    host: SocketAddrV4,
) -> &'a mut State {
    guard.get_or_insert_with(|| State::load(store, offsets, host))
}

impl State {
    fn load(store: &MessageStore, offsets: &ConsumerOffsets, host: SocketAddrV4) -> State {
        store.dispatch_all();
        let saved = |topic| {
            let (min, max) = (store.min_offset(topic, QUEUE_ID), store.max_offset(topic, QUEUE_ID));
            offsets.query(CID_SYS_RMQ_TRANS, topic, QUEUE_ID).unwrap_or(min).clamp(min, max)
        };
        let (half, op) = (saved(HALF_TOPIC), saved(OP_TOPIC));
        let ops: VecDeque<i64> = (op..store.max_offset(OP_TOPIC, QUEUE_ID))
            .map(|offset| settled_by(store, offset).unwrap_or(-1))
            .collect();
        let mut state = State {
            half,
            op,
            settled: ops.iter().copied().filter(|settled| *settled >= half).collect(),
            ops,
            copies: HashMap::new(),
            owed: Vec::new(),
        };
        let unsettled = state.find_copies(store);
        state.find_committed(store, host, &unsettled);
        state.advance(offsets);
        tracing::info!(half, op, pending = unsettled.len(), "transactions read");
        state
    }

    /// Finds out which half messages are copies of others; gives those that have not ended, with their places in
    /// the log.
    fn find_copies(&mut self, store: &MessageStore) -> Vec<(i64, i64)> {
        let mut families: HashMap<i64, Vec<(i64, i64)>> = HashMap::new();
        for offset in self.half..store.max_offset(HALF_TOPIC, QUEUE_ID) {
            let record = read(store, HALF_TOPIC, offset);
            let Some(half) = record.as_deref().and_then(half_message) else { continue };
            families.entry(original_of(&half)).or_default().push((offset, half.commit_log_offset));
        }
        let mut unsettled = Vec::new();
        for (original, family) in families {
            let Some(newest) = family.last().copied() else { continue };
            // An op message for any of them ends the transaction.
            let has_ended = family.iter().any(|(offset, _)| self.settled.contains(offset));
            let older = if has_ended { family.len() } else { family.len() - 1 };
            self.settled.extend(family[..older].iter().map(|(offset, _)| *offset));
            if !has_ended {
                unsettled.push(newest);
                if newest.0 != original {
                    self.copies.insert(original, newest.0);
                }
            }
        }
        unsettled.sort_unstable();
        unsettled
    }

    /// Settles half messages whose committed message was stored when the process was killed before the op message.
    fn find_committed(&mut self, store: &MessageStore, host: SocketAddrV4, unsettled: &[(i64, i64)]) {
        let Some((_, oldest)) = unsettled.first() else { return };
        let from = (*oldest).max(store.max_commit_log_offset() - COMMITTED_LOOK_BYTES);
        let places: HashMap<i64, i64> = unsettled.iter().map(|(offset, place)| (*place, *offset)).collect();
        let mut committed = Vec::new();
        store.for_each_record(from, |record| {
            let transaction = record.sys_flag() & message::SYS_FLAG_TRANSACTION_MASK;
            if transaction == message::SYS_FLAG_TRANSACTION_COMMIT {
                committed.extend(places.get(&record.prepared_transaction_offset()));
            }
        });
        let originals: HashMap<i64, i64> = self.copies.iter().map(|(it, copy)| (*copy, *it)).collect();
        for offset in committed {
            if !self.settled.contains(&offset) {
                self.settle(offset, originals.get(&offset).copied().unwrap_or(offset));
                self.write_op(store, host, offset);
            }
        }
    }

    fn settle(&mut self, offset: i64, original: i64) {
        self.copies.remove(&original);
        self.settled.insert(offset);
    }

    /// Says on disk that a half message has ended.
    fn write_op(&mut self, store: &MessageStore, host: SocketAddrV4, offset: i64) {
        let result = store.put_due(&NewMessage {
            topic: OP_TOPIC,
            queue_id: QUEUE_ID,
            flag: 0,
            sys_flag: 0,
            born_timestamp_ms: store.now_ms(),
            born_host: host,
            store_host: host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: offset.to_string().as_bytes(),
            properties: &format!("WAIT\u{1}true\u{2}TAGS\u{1}{REMOVE_TAG}\u{2}"),
        });
        if is_stored(result.status) {
            self.ops.push_back(offset);
        } else {
            tracing::error!(
                half_queue_offset = offset,
                status = result.status.java_name(),
                "end of a transaction not stored, tried again with the next check"
            );
            self.owed.push(offset);
        }
    }

    /// Moves the settled part of both queues forward, and saves how far it reaches.
    fn advance(&mut self, offsets: &ConsumerOffsets) {
        let (half, op) = (self.half, self.op);
        while self.settled.remove(&self.half) {
            self.half += 1;
        }
        // Whose op message is not on disk must be found unsettled after a restart.
        if let Some(owed) = self.owed.iter().min().filter(|owed| **owed < self.half) {
            self.settled.extend(*owed..self.half);
            self.half = *owed;
        }
        while self.ops.front().is_some_and(|settled| *settled < self.half) {
            self.ops.pop_front();
            self.op += 1;
        }
        // In this order: an op offset that is too small costs time, one that is too large a second commit.
        if self.half != half {
            offsets.commit(CID_SYS_RMQ_TRANS, HALF_TOPIC, QUEUE_ID, self.half);
        }
        if self.op != op {
            offsets.commit(CID_SYS_RMQ_TRANS, OP_TOPIC, QUEUE_ID, self.op);
        }
    }

    /// Looks at one half message; whether those behind it are to be looked at, too.
    fn look(
        &mut self,
        store: &MessageStore,
        offset: i64,
        rules: Rules,
        began_ms: i64,
        now_ms: i64,
        round: &mut Round,
    ) -> bool {
        if self.settled.contains(&offset) {
            return true;
        }
        let record = read(store, HALF_TOPIC, offset);
        let Some(half) = record.as_deref().and_then(half_message) else {
            tracing::error!(half_queue_offset = offset, "half message is not readable, passed over");
            self.settled.insert(offset);
            return true;
        };
        let original = original_of(&half);
        let number = |name| half.property(name).and_then(|text: &str| text.parse::<i64>().ok());
        let age_ms = now_ms.saturating_sub(half.born_timestamp);
        let checks = number(message::PROPERTY_TRANSACTION_CHECK_TIMES).unwrap_or(0);
        if checks >= i64::from(rules.check_max) || age_ms > rules.reserved_ms {
            if !give_up(store, &half) {
                return false;
            }
            self.settle(offset, original);
            round.given_up += 1;
            return true;
        }
        if half.store_timestamp >= began_ms {
            return false;
        }
        let immunity_ms = match half.property(message::PROPERTY_CHECK_IMMUNITY_TIME_IN_SECONDS) {
            Some(_) => number(message::PROPERTY_CHECK_IMMUNITY_TIME_IN_SECONDS)
                .map_or(rules.timeout_ms, |seconds| seconds.saturating_mul(1000)),
            // Those behind it are younger still.
            None if (0..rules.timeout_ms).contains(&age_ms) => return false,
            None => rules.timeout_ms,
        };
        // A clock that runs ahead of ours must not keep a message waiting for ever.
        let is_immune = (0..immunity_ms).contains(&age_ms);
        let Some(copy) = put_again(store, &half, original, if is_immune { checks } else { checks + 1 })
        else {
            return false;
        };
        self.settled.insert(offset);
        self.copies.insert(original, copy.queue_offset);
        if !is_immune {
            round.questions.extend(question(&half, &copy));
        }
        true
    }
}

/// A record of the half topic.
fn half_message(mut record: &[u8]) -> Option<MessageRef<'_>> {
    MessageRef::take(&mut record).ok().filter(|half| half.topic == HALF_TOPIC)
}

/// The half message that this one is a copy of; itself if of none.
fn original_of(half: &MessageRef<'_>) -> i64 {
    let named = half.property(message::PROPERTY_TRANSACTION_PREPARED_QUEUE_OFFSET);
    let named = named.and_then(|text| text.parse().ok());
    named.filter(|original| (0..half.queue_offset).contains(original)).unwrap_or(half.queue_offset)
}

fn read(store: &MessageStore, topic: &str, offset: i64) -> Option<MappedSlice> {
    let unit = store.unit(topic, QUEUE_ID, offset).filter(|unit| !unit.is_filler())?;
    store.message_at(unit.commit_log_offset)
}

/// The half message that an op message settles.
fn settled_by(store: &MessageStore, op_offset: i64) -> Option<i64> {
    let record = read(store, OP_TOPIC, op_offset)?;
    let op = MessageRef::take(&mut &record[..]).ok()?;
    let is_removal = op.topic == OP_TOPIC && op.property(message::PROPERTY_TAGS) == Some(REMOVE_TAG);
    let settled = std::str::from_utf8(op.body).ok().filter(|_| is_removal)?.parse().ok();
    if settled.is_none() {
        tracing::error!(op_queue_offset = op_offset, "op message names no half message, passed over");
    }
    settled
}

/// Where a half message is to go.
fn target<'a>(half: &'a MessageRef<'_>) -> Option<(&'a str, i32)> {
    let queue_id = half.property(message::PROPERTY_REAL_QUEUE_ID)?.parse().ok()?;
    Some((half.property(message::PROPERTY_REAL_TOPIC)?, queue_id))
}

fn content<'a>(
    half: &'a MessageRef<'a>,
    topic: &'a str,
    queue_id: i32,
    properties: &'a str,
) -> NewMessage<'a> {
    NewMessage {
        topic,
        queue_id,
        flag: half.flag,
        sys_flag: half.sys_flag,
        born_timestamp_ms: half.born_timestamp,
        born_host: ipv4(half.born_host),
        store_host: ipv4(half.store_host),
        reconsume_times: half.reconsume_times,
        prepared_transaction_offset: 0,
        body: half.body,
        properties,
    }
}

fn commit(store: &MessageStore, half: &MessageRef<'_>) -> Result<(), EndError> {
    let (topic, queue_id) = target(half).ok_or(EndError::NoTarget)?;
    let sys_flag = half.sys_flag & !message::SYS_FLAG_TRANSACTION_MASK | message::SYS_FLAG_TRANSACTION_COMMIT;
    // The stored properties stay as they are, as Java's do.
    let result = store.put(&NewMessage {
        sys_flag,
        prepared_transaction_offset: half.commit_log_offset,
        ..content(half, topic, queue_id, &half.properties)
    });
    if is_stored(result.status) { Ok(()) } else { Err(EndError::Refused(result.status)) }
}

fn is_stored(status: PutStatus) -> bool {
    use PutStatus::{FlushDiskTimeout, FlushSlaveTimeout, PutOk, SlaveNotAvailable};
    matches!(status, PutOk | FlushDiskTimeout | FlushSlaveTimeout | SlaveNotAvailable)
}

/// A stored copy of a half message.
struct Copy {
    queue_offset: i64,
    commit_log_offset: i64,
    store_timestamp_ms: i64,
    properties: String,
}

fn put_again(store: &MessageStore, half: &MessageRef<'_>, original: i64, checks: i64) -> Option<Copy> {
    let mut properties = Properties::parse(&half.properties);
    if checks > 0 {
        properties.set(message::PROPERTY_TRANSACTION_CHECK_TIMES, checks.to_string());
    }
    properties.set(message::PROPERTY_TRANSACTION_PREPARED_QUEUE_OFFSET, original.to_string());
    let properties = properties.encode();
    let result = store.put_due(&content(half, HALF_TOPIC, QUEUE_ID, &properties));
    if !is_stored(result.status) {
        tracing::error!(
            half_queue_offset = half.queue_offset,
            status = result.status.java_name(),
            "half message not stored again, tried again with the next check"
        );
        return None;
    }
    Some(Copy {
        queue_offset: result.queue_offset,
        commit_log_offset: result.commit_log_offset,
        store_timestamp_ms: result.store_timestamp_ms,
        properties,
    })
}

/// Keeps a half message that nobody decides on where an operator can find it; whether that was done.
fn give_up(store: &MessageStore, half: &MessageRef<'_>) -> bool {
    let result = store.put_due(&content(half, CHECK_MAX_TIME_TOPIC, QUEUE_ID, &half.properties));
    tracing::error!(
        topic = half.property(message::PROPERTY_REAL_TOPIC),
        producer_group = half.property(message::PROPERTY_PRODUCER_GROUP),
        msg_id = half.msg_id(),
        half_queue_offset = half.queue_offset,
        kept_in = CHECK_MAX_TIME_TOPIC,
        "half message given up: no producer of the group decided on it"
    );
    is_stored(result.status) || result.status == PutStatus::MessageIllegal
}

fn question(half: &MessageRef<'_>, copy: &Copy) -> Option<Question> {
    let (topic, queue_id) = target(half).or_else(|| {
        tracing::error!(half_queue_offset = half.queue_offset, "half message does not say where it belongs");
        None
    })?;
    let content = content(half, topic, queue_id, &copy.properties);
    let record = crate::store::record::encoded(
        &content,
        copy.queue_offset,
        copy.commit_log_offset,
        copy.store_timestamp_ms,
    );
    let unique_key = half.property(message::PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX).map(str::to_owned);
    Some(Question {
        producer_group: half.property(message::PROPERTY_PRODUCER_GROUP)?.to_owned(),
        queue_offset: copy.queue_offset,
        commit_log_offset: copy.commit_log_offset,
        unique_key,
        offset_msg_id: compat::id::offset_message_id(ipv4(half.store_host), copy.commit_log_offset),
        record,
    })
}

#[cfg(test)]
mod tests;
