//! The consumers that are connected, by group, and what they subscribe to (Java: `ConsumerManager`,
//! `ConsumerGroupInfo`). Not the groups' settings: those are `subscription_group`'s.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::consumer_filter::ConsumerFilters;
use super::log_lines::{self, Lines};
use super::producers::Client;
use crate::clock::Clock;
use crate::protocol::body::client::ConsumerConnection;
use crate::protocol::body::heartbeat::{
    ConsumeFromWhere, ConsumeType, ConsumerData, MessageModel, SubscriptionData,
};
use crate::protocol::topic;
use crate::remoting::{InvokeError, Peer};

/// What the subscriptions of all groups may take, bytes: half a million usual ones.
const SUBSCRIPTIONS_MAX_BYTES: usize = 256 << 20;

/// One group's members and subscriptions.
pub struct ConsumerGroup {
    name: String,
    state: RwLock<GroupState>,
    /// Of all groups' subscriptions, bytes.
    in_all: Arc<AtomicUsize>,
}

impl Drop for ConsumerGroup {
    fn drop(&mut self) {
        let bytes = self.state.get_mut().unwrap_or_else(PoisonError::into_inner).bytes;
        self.in_all.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct GroupState {
    /// By connection.
    members: HashMap<u64, Member>,
    /// By topic.
    subscriptions: HashMap<String, Arc<SubscriptionData>>,
    /// That these take.
    bytes: usize,
    consume_type: ConsumeType,
    message_model: MessageModel,
    consume_from_where: ConsumeFromWhere,
}

struct Member {
    client: Arc<Client>,
    wants: Wants,
}

/// What a member says that the group consumes, and how. All members have to say the same: the broker, as Java's, goes by
/// what one of them said last, and the others miss messages.
#[derive(Debug, PartialEq, Eq)]
struct Wants {
    digest: u64,
    /// Its beginning, for the log.
    text: String,
}

impl Wants {
    const TEXT_BYTES: usize = 200;

    fn of(data: &ConsumerData) -> Wants {
        let own = |it: &&SubscriptionData| topic::retry_group(&it.topic).is_none();
        let mut wanted: Vec<(&str, &str, &str)> = data
            .subscription_data_set
            .iter()
            .filter(own)
            .map(|it| (&*it.topic, &*it.sub_string, &*it.expression_type))
            .collect();
        wanted.sort_unstable();
        let mut hasher = DefaultHasher::new();
        (data.message_model == MessageModel::Broadcasting, &wanted).hash(&mut hasher);
        let mut text = format!("{:?}", data.message_model).to_uppercase();
        for (topic, expression, _) in wanted {
            if text.len() > Wants::TEXT_BYTES {
                text.push_str(" …");
                break;
            }
            text.push_str(&format!(" {topic}:{expression}"));
        }
        text.truncate(text.floor_char_boundary(2 * Wants::TEXT_BYTES));
        Wants { digest: hasher.finish(), text }
    }
}

impl GroupState {
    /// Another member that wants something else.
    fn differs_from(&self, wants: &Wants) -> Option<&Member> {
        self.members.values().find(|member| member.wants.digest != wants.digest)
    }
}

impl ConsumerGroup {
    fn new(name: &str, in_all: &Arc<AtomicUsize>) -> ConsumerGroup {
        ConsumerGroup { name: name.to_owned(), state: RwLock::default(), in_all: Arc::clone(in_all) }
    }

    /// The group's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the group wants of a topic.
    pub fn subscription(&self, topic: &str) -> Option<Arc<SubscriptionData>> {
        self.read().subscriptions.get(topic).cloned()
    }

    /// Every subscription, by topic.
    pub fn subscriptions(&self) -> BTreeMap<String, SubscriptionData> {
        let state = self.read();
        state
            .subscriptions
            .iter()
            .map(|(topic, data)| (topic.clone(), SubscriptionData::clone(data)))
            .collect()
    }

    /// Whether every member gets every message.
    pub fn is_broadcasting(&self) -> bool {
        self.read().message_model == MessageModel::Broadcasting
    }

    /// Push or pull.
    pub fn consume_type(&self) -> ConsumeType {
        self.read().consume_type
    }

    /// The members' ids, each as often as it has connections.
    pub fn client_ids(&self) -> Vec<String> {
        self.read().members.values().map(|it| it.client.client_id.clone()).collect()
    }

    /// The members.
    pub fn clients(&self) -> Vec<Arc<Client>> {
        self.read().members.values().map(|it| Arc::clone(&it.client)).collect()
    }

    /// The member of that id.
    pub fn client(&self, client_id: &str) -> Option<Arc<Client>> {
        self.clients().into_iter().find(|client| client.client_id == client_id)
    }

    /// Whether members want different things.
    pub fn is_at_odds(&self) -> bool {
        let state = self.read();
        let is_at_odds = |first: &Member| state.differs_from(&first.wants).is_some();
        !self.is_built_in() && state.members.values().next().is_some_and(is_at_odds)
    }

    /// Each of the tools that share such a group wants something of its own.
    fn is_built_in(&self) -> bool {
        topic::BUILT_IN_GROUPS.contains(&&*self.name)
    }

    /// As reply 203 has it.
    pub fn connections(&self) -> ConsumerConnection {
        let subscription_table = self.subscriptions();
        let state = self.read();
        ConsumerConnection {
            connection_set: state.members.values().map(|it| it.client.connection()).collect(),
            consume_from_where: Some(state.consume_from_where),
            consume_type: Some(state.consume_type),
            message_model: Some(state.message_model),
            subscription_table,
        }
    }

    /// A heartbeat; `true` where the members or the subscribed topics have changed.
    fn update(&self, client: &Arc<Client>, data: &ConsumerData, now_ms: i64) -> bool {
        if self.is_unchanged(client, data, now_ms) {
            return false;
        }
        let mut state = self.write();
        state.consume_type = data.consume_type;
        state.message_model = data.message_model;
        state.consume_from_where = data.consume_from_where;
        let (group, client_id, wants) = (&self.name, &client.client_id, Wants::of(data));
        let known = state.members.get(&client.peer.id());
        let is_new = known.is_none();
        if is_new {
            let (consume_type, model) = (data.consume_type, data.message_model);
            tracing::info!("new consumer connected, group: {group} {consume_type} {model} channel: {client}");
        }
        if known.is_none_or(|known| known.wants != wants)
            && !self.is_built_in()
            && let Some(other) = state.differs_from(&wants)
        {
            tracing::warn!(
                group,
                client_id,
                wants = wants.text,
                other_client_id = other.client.client_id,
                other_wants = other.wants.text,
                "members of a consumer group subscribe to different things, and will miss messages: give each its own group"
            );
        }
        state.members.insert(client.peer.id(), Member { client: Arc::clone(client), wants });
        self.update_subscriptions(&mut state, &data.subscription_data_set) || is_new
    }

    /// The usual heartbeat says nothing new, and then takes no exclusive lock.
    fn is_unchanged(&self, client: &Client, data: &ConsumerData, now_ms: i64) -> bool {
        let state = self.read();
        let Some(Member { client: known, .. }) = state.members.get(&client.peer.id()) else { return false };
        known.heard(now_ms);
        let same = |new: &SubscriptionData| {
            state.subscriptions.get(&new.topic).is_some_and(|old| old.sub_version >= new.sub_version)
        };
        known.client_id == client.client_id
            && (known.version, known.language) == (client.version, client.language)
            && state.consume_type == data.consume_type
            && state.message_model == data.message_model
            && state.consume_from_where == data.consume_from_where
            && state.subscriptions.len() == data.subscription_data_set.len()
            && data.subscription_data_set.iter().all(same)
    }

    /// Takes newer subscriptions and drops those of topics no longer named; only topics that came or went count
    /// as a change.
    fn update_subscriptions(&self, state: &mut GroupState, wanted: &[SubscriptionData]) -> bool {
        let (group, mut changed, mut lines) = (&self.name, false, Lines::default());
        let others = self.in_all.load(Ordering::Relaxed).saturating_sub(state.bytes);
        let bytes: usize = wanted.iter().map(SubscriptionData::kept_bytes).sum();
        if others + bytes > SUBSCRIPTIONS_MAX_BYTES {
            tracing::warn!(group, bytes, others, "too many subscriptions in all: not taken");
            return false;
        }
        for new in wanted {
            let (topic, expression) =
                (log_lines::beginning(&new.topic), log_lines::beginning(&new.sub_string));
            match state.subscriptions.get(&new.topic) {
                None => {
                    if lines.has_next() {
                        tracing::info!(
                            topic,
                            expression,
                            "subscription changed, add new topic, group: {group}"
                        );
                    }
                    changed = true;
                }
                Some(old) if new.sub_version > old.sub_version => {
                    if old.sub_string != new.sub_string && lines.has_next() {
                        let before = log_lines::beginning(&old.sub_string);
                        tracing::info!(
                            topic,
                            "subscription changed, group: {group} OLD: {before} NEW: {expression}"
                        );
                    }
                }
                Some(_) => continue,
            }
            state.subscriptions.insert(new.topic.clone(), Arc::new(new.clone()));
        }
        let topics: HashSet<&str> = wanted.iter().map(|new| &*new.topic).collect();
        state.subscriptions.retain(|topic, _| {
            let keep = topics.contains(&**topic);
            if !keep {
                if lines.has_next() {
                    let topic = log_lines::beginning(topic);
                    tracing::info!("subscription changed, group: {group} remove topic {topic}");
                }
                changed = true;
            }
            keep
        });
        if let Some(more) = lines.left_out() {
            tracing::info!(group, more, "more subscriptions added, changed or removed");
        }
        let bytes = state.subscriptions.values().map(|data| data.kept_bytes()).sum();
        self.in_all.fetch_add(bytes, Ordering::Relaxed);
        self.in_all.fetch_sub(std::mem::replace(&mut state.bytes, bytes), Ordering::Relaxed);
        changed
    }

    fn read(&self) -> RwLockReadGuard<'_, GroupState> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, GroupState> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All consumer groups that have members. Lock order: the table, then a group, then the connections.
pub struct Consumers {
    clock: Clock,
    /// Groups' filters go with their consumers.
    filters: Arc<ConsumerFilters>,
    /// Of all groups' subscriptions, bytes.
    bytes: Arc<AtomicUsize>,
    groups: RwLock<HashMap<String, Arc<ConsumerGroup>>>,
    of_peer: RwLock<HashMap<u64, HashSet<String>>>,
}

/// What a scan dropped.
#[derive(Default)]
pub struct Expired {
    /// Connections to be closed.
    pub peers: Vec<Arc<Peer>>,
    /// Groups that have lost a member and still have others.
    pub groups: Vec<String>,
}

impl Consumers {
    /// No consumers.
    pub fn new(clock: Clock, filters: Arc<ConsumerFilters>) -> Consumers {
        Consumers {
            clock,
            filters,
            bytes: Arc::default(),
            groups: RwLock::default(),
            of_peer: RwLock::default(),
        }
    }

    /// The members of a group; `None` where nobody is connected.
    pub fn find(&self, group: &str) -> Option<Arc<ConsumerGroup>> {
        self.read().get(group).cloned()
    }

    /// A heartbeat; `true` where the group's members or subscribed topics have changed, of which the members
    /// are to be told. To be called on the connection's task, which afterwards tells of its end.
    pub fn register(&self, client: &Arc<Client>, data: &ConsumerData) -> bool {
        let now_ms = self.clock.now_ms();
        let group = data.group_name.as_str();
        // The table's lock is kept while the group changes: an empty group leaves the table under the same lock.
        let groups = self.read();
        let changed = match groups.get(group) {
            Some(known) => {
                let changed = known.update(client, data, now_ms);
                drop(groups);
                changed
            }
            None => {
                drop(groups);
                let mut groups = self.write();
                let new = || Arc::new(ConsumerGroup::new(group, &self.bytes));
                let known = groups.entry(group.to_owned()).or_insert_with(new);
                known.update(client, data, now_ms)
            }
        };
        if changed {
            self.remember(client, group);
        }
        changed
    }

    fn remember(&self, client: &Client, group: &str) {
        let mut of_peer = self.of_peer.write().unwrap_or_else(PoisonError::into_inner);
        of_peer.entry(client.peer.id()).or_default().insert(group.to_owned());
    }

    /// The client leaves the group; `true` where others remain, who are to be told.
    pub fn unregister(&self, group: &str, peer_id: u64) -> bool {
        if let Some(groups) = self.of_peer.write().unwrap_or_else(PoisonError::into_inner).get_mut(&peer_id) {
            groups.remove(group);
        }
        self.remove(group, peer_id, |client| {
            tracing::info!("unregister a consumer[{group}] from consumerGroupInfo {client}");
        })
    }

    /// A connection has ended; returns the groups with members left, who are to be told.
    pub fn disconnected(&self, peer_id: u64) -> Vec<String> {
        let known = self.of_peer.read().unwrap_or_else(PoisonError::into_inner).contains_key(&peer_id);
        if !known {
            return Vec::new();
        }
        let groups = self.of_peer.write().unwrap_or_else(PoisonError::into_inner).remove(&peer_id);
        let mut groups: Vec<String> = groups.unwrap_or_default().into_iter().collect();
        groups.retain(|group| {
            self.remove(group, peer_id, |client| {
                tracing::warn!(
                    "NETTY EVENT: remove not active channel[{client}] from ConsumerGroupInfo groupChannelTable, consumer \
                     group: {group}"
                );
            })
        });
        groups
    }

    fn remove(&self, group: &str, peer_id: u64, tell: impl FnOnce(&Client)) -> bool {
        let mut groups = self.write();
        let Some(known) = groups.get(group) else { return false };
        let mut state = known.write();
        let Some(Member { client, .. }) = state.members.remove(&peer_id) else { return false };
        tell(&client);
        let is_empty = state.members.is_empty();
        drop(state);
        if is_empty {
            tracing::info!("unregister consumer ok, no any connection, and remove consumer group, {group}");
            groups.remove(group);
            drop(groups);
            self.filters.unregister(group);
        }
        !is_empty
    }

    /// Drops members that have been silent for too long. Java forgets to tell the others.
    pub fn scan(&self) -> Expired {
        let now_ms = self.clock.now_ms();
        let mut expired = Expired::default();
        let groups: Vec<Arc<ConsumerGroup>> = self.read().values().cloned().collect();
        for group in groups {
            for client in group.clients().into_iter().filter(|client| client.has_expired(now_ms)) {
                tracing::warn!(
                    client_id = client.client_id,
                    "SCAN: remove expired channel from ConsumerManager consumerTable. channel={}, consumerGroup={}: it sends \
                     no heartbeats",
                    client.peer.remote(),
                    group.name
                );
                if self.unregister(&group.name, client.peer.id()) {
                    expired.groups.push(group.name.clone());
                }
                expired.peers.push(Arc::clone(&client.peer));
            }
        }
        expired.groups.dedup();
        expired
    }

    /// Groups that subscribe to a topic (Java: `queryTopicConsumeByWho`).
    pub fn groups_of_topic(&self, topic: &str) -> Vec<String> {
        let groups = self.read();
        let subscribed = groups.values().filter(|group| group.read().subscriptions.contains_key(topic));
        subscribed.map(|group| group.name.clone()).collect()
    }

    /// Every group's name.
    pub fn names(&self) -> Vec<String> {
        self.read().keys().cloned().collect()
    }

    /// Every group.
    pub fn all(&self) -> Vec<Arc<ConsumerGroup>> {
        self.read().values().cloned().collect()
    }

    /// Tells every member of a group that its members have changed (code 40, one-way).
    pub fn notify_changed(&self, group: &str) {
        let Some(members) = self.find(group) else { return };
        for client in members.clients() {
            match super::notify_consumer_ids_changed(&client.peer, group) {
                Ok(()) => {}
                Err(error @ InvokeError::Closed(_)) => {
                    tracing::debug!(group, client_id = client.client_id, %error, "member not told");
                }
                Err(error) => {
                    tracing::warn!(group, client_id = client.client_id, %error, "member not told of a change");
                }
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, Arc<ConsumerGroup>>> {
        self.groups.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, Arc<ConsumerGroup>>> {
        self.groups.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::producers::CHANNEL_EXPIRED_TIMEOUT_MS;
    use crate::clock;
    use crate::filter::BloomFilter;
    use crate::remoting::Command;

    fn consumers(clock: Clock) -> Consumers {
        let filters =
            ConsumerFilters::open("consumerFilter.json".into(), BloomFilter::new(20, 32), clock.clone());
        Consumers::new(clock, Arc::new(filters.unwrap()))
    }

    fn client(client_id: &str) -> Arc<Client> {
        let peer = Peer::unconnected("127.0.0.1:5000".parse().unwrap());
        Client::of(&peer, client_id, &Command::request(34, &()), 0)
    }

    /// Subscriptions as topic, expression and version.
    fn data(group: &str, subscriptions: &[(&str, &str, i64)]) -> ConsumerData {
        let subscription = |&(topic, expression, sub_version): &(&str, &str, i64)| SubscriptionData {
            topic: topic.to_owned(),
            sub_string: expression.to_owned(),
            sub_version,
            ..SubscriptionData::default()
        };
        ConsumerData {
            group_name: group.to_owned(),
            subscription_data_set: subscriptions.iter().map(subscription).collect(),
            ..ConsumerData::default()
        }
    }

    #[test]
    fn members_and_topics_are_changes_expressions_are_not() {
        let consumers = consumers(clock::manual(0).0);
        let (a, b) = (client("a"), client("b"));
        let check = |client: &Arc<Client>, subscriptions: &[(&str, &str, i64)], expected: bool| {
            assert_eq!(consumers.register(client, &data("g", subscriptions)), expected, "{subscriptions:?}");
        };
        check(&a, &[("T", "*", 1)], true);
        check(&a, &[("T", "*", 1)], false);
        check(&b, &[("T", "*", 1)], true);
        check(&a, &[("T", "A", 2)], false);
        assert_eq!(consumers.find("g").unwrap().subscription("T").unwrap().sub_string, "A");
        check(&b, &[("T", "B", 1)], false);
        assert_eq!(consumers.find("g").unwrap().subscription("T").unwrap().sub_string, "A");
        check(&a, &[("T", "A", 2), ("U", "*", 2)], true);
        check(&a, &[("U", "*", 2)], true);
        assert!(consumers.find("g").unwrap().subscription("T").is_none());
        assert_eq!(consumers.groups_of_topic("U"), ["g"]);
        assert!(consumers.groups_of_topic("T").is_empty());
    }

    /// Were each searched for among all others, this would take hours.
    #[test]
    fn many_subscriptions_take_no_longer_than_they_are_long() {
        let consumers = consumers(clock::manual(0).0);
        let a = client("a");
        let topics: Vec<String> = (0..200_000).map(|number| format!("topic{number}")).collect();
        let subscriptions: Vec<_> = topics.iter().map(|topic| (&**topic, "*", 1)).collect();
        assert!(consumers.register(&a, &data("g", &subscriptions)));
        assert!(consumers.register(&a, &data("g", &subscriptions[1..])));
        assert_eq!(consumers.find("g").unwrap().subscriptions().len(), 199_999);
        assert!(consumers.bytes.load(Ordering::Relaxed) > 199_999 * 100);
        consumers.disconnected(a.peer.id());
        assert_eq!(consumers.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn subscriptions_have_a_budget_together() {
        let consumers = consumers(clock::manual(0).0);
        let a = client("a");
        consumers.bytes.store(SUBSCRIPTIONS_MAX_BYTES - 100, Ordering::Relaxed);
        consumers.register(&a, &data("g", &[("T", "*", 1)]));
        let group = consumers.find("g").unwrap();
        assert_eq!((group.client_ids().len(), group.subscriptions().len()), (1, 0));
        consumers.bytes.store(0, Ordering::Relaxed);
        assert!(consumers.register(&a, &data("g", &[("T", "*", 1)])));
        assert_eq!(group.subscriptions().len(), 1);
    }

    #[test]
    fn members_that_want_different_things_are_noticed() {
        let consumers = consumers(clock::manual(0).0);
        let (a, b) = (client("a"), client("b"));
        let check = |client: &Arc<Client>, subscriptions: &[(&str, &str, i64)], expected: bool| {
            consumers.register(client, &data("g", subscriptions));
            assert_eq!(consumers.find("g").unwrap().is_at_odds(), expected, "{subscriptions:?}");
        };
        check(&a, &[("T", "*", 1), ("U", "*", 1)], false);
        check(&b, &[("%RETRY%g", "*", 2), ("U", "*", 2), ("T", "*", 2)], false);
        check(&b, &[("T", "A", 3), ("U", "*", 3)], true);
        // Said again, nothing new: the group goes by what came last.
        check(&a, &[("T", "*", 1), ("U", "*", 1)], true);
        check(&a, &[("T", "A", 4), ("U", "*", 4)], false);
        check(&b, &[("T", "A", 5)], true);
        consumers.unregister("g", b.peer.id());
        assert!(!consumers.find("g").unwrap().is_at_odds());
    }

    #[test]
    fn a_group_goes_with_its_last_member() {
        let consumers = consumers(clock::manual(0).0);
        let (a, b) = (client("a"), client("b"));
        for client in [&a, &b] {
            consumers.register(client, &data("g", &[]));
            consumers.register(client, &data("h", &[]));
        }
        assert!(consumers.unregister("g", a.peer.id()));
        assert!(!consumers.unregister("g", a.peer.id()));
        assert_eq!(consumers.disconnected(a.peer.id()), ["h"]);
        assert_eq!(consumers.find("h").unwrap().client_ids(), ["b"]);
        assert!(consumers.disconnected(b.peer.id()).is_empty());
        assert!(consumers.find("g").is_none() && consumers.find("h").is_none());
        assert!(consumers.of_peer.read().unwrap().is_empty());
    }

    #[test]
    fn the_silent_are_dropped_and_the_others_hear_of_it() {
        let (clock, hand) = clock::manual(0);
        let consumers = consumers(clock);
        let (a, b) = (client("a"), client("b"));
        consumers.register(&a, &data("g", &[]));
        consumers.register(&b, &data("g", &[]));
        consumers.register(&a, &data("h", &[]));
        hand.store(100_000, Ordering::Relaxed);
        assert!(!consumers.register(&b, &data("g", &[])));
        hand.store(CHANNEL_EXPIRED_TIMEOUT_MS + 1, Ordering::Relaxed);
        let expired = consumers.scan();
        assert_eq!(expired.groups, ["g"]);
        assert!(!expired.peers.is_empty() && expired.peers.iter().all(|peer| peer.id() == a.peer.id()));
        assert_eq!(consumers.find("g").unwrap().client_ids(), ["b"]);
        assert!(consumers.find("h").is_none());
    }
}
