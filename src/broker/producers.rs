//! The producers that are connected (Java: `ProducerManager`, `ClientChannelInfo`), by group and connection.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use compat::language::LanguageCode;

use crate::clock::Clock;
use crate::protocol::body::client::Connection;
use crate::remoting::{Command, Peer};

/// A client without heartbeat for so long is dropped (Java: `CHANNEL_EXPIRED_TIMEOUT`).
pub const CHANNEL_EXPIRED_TIMEOUT_MS: i64 = 120_000;

/// Past so many groups those without connections are forgotten. Java keeps them for ever.
const GROUPS_MAX: usize = 10_000;

/// One client on one connection (Java: `ClientChannelInfo`).
pub struct Client {
    pub peer: Arc<Peer>,
    pub client_id: String,
    pub language: LanguageCode,
    pub version: i32,
    heard_ms: AtomicI64,
}

impl Client {
    /// The client that a request came from.
    pub fn of(peer: &Arc<Peer>, client_id: &str, request: &Command, now_ms: i64) -> Arc<Client> {
        Arc::new(Client {
            peer: Arc::clone(peer),
            client_id: client_id.to_owned(),
            language: request.language,
            version: request.version,
            heard_ms: AtomicI64::new(now_ms),
        })
    }

    /// The client has shown that it lives.
    pub(super) fn heard(&self, now_ms: i64) {
        self.heard_ms.store(now_ms, Ordering::Relaxed);
    }

    pub(super) fn has_expired(&self, now_ms: i64) -> bool {
        now_ms - self.heard_ms.load(Ordering::Relaxed) > CHANNEL_EXPIRED_TIMEOUT_MS
    }

    /// As the lists of connections have it.
    pub fn connection(&self) -> Connection {
        Connection {
            client_addr: self.peer.remote().to_string(),
            client_id: self.client_id.clone(),
            language: self.language,
            version: self.version,
        }
    }
}

/// As Java's `toString`, with the address in the place of Netty's name for the channel.
impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Client { peer, client_id, language, version, heard_ms } = self;
        write!(
            f,
            "ClientChannelInfo [channel=/{}, clientId={client_id}, language={}, version={version}, \
             lastUpdateTimestamp={}]",
            peer.remote(),
            language.name(),
            heard_ms.load(Ordering::Relaxed)
        )
    }
}

/// All producer groups.
pub struct Producers {
    clock: Clock,
    tables: RwLock<Tables>,
    next: AtomicUsize,
}

#[derive(Default)]
struct Tables {
    /// By group, then by connection. A group stays when its last connection has dropped: code 204 then answers
    /// with an empty list, and not that there is no such group.
    groups: HashMap<String, HashMap<u64, Arc<Client>>>,
    of_peer: HashMap<u64, Memberships>,
    /// By client id: replies to requests are for one client, whatever its group.
    of_id: HashMap<String, Arc<Client>>,
}

/// What a connection belongs to.
#[derive(Default)]
struct Memberships {
    /// Its groups, and the client id under which it came to each.
    groups: HashMap<String, String>,
    /// In how many groups each of its client ids is.
    ids: HashMap<String, usize>,
}

impl Memberships {
    fn add(&mut self, group: &str, client_id: &str) {
        self.remove(group);
        self.groups.insert(group.to_owned(), client_id.to_owned());
        *self.ids.entry(client_id.to_owned()).or_default() += 1;
    }

    /// The client id, where it is in no group any more.
    fn remove(&mut self, group: &str) -> Option<String> {
        let client_id = self.groups.remove(group)?;
        let count = self.ids.get_mut(&client_id)?;
        *count -= 1;
        (*count == 0).then(|| self.ids.remove(&client_id)).flatten()?;
        Some(client_id)
    }
}

impl Producers {
    /// No producers.
    pub fn new(clock: Clock) -> Producers {
        Producers { clock, tables: RwLock::default(), next: AtomicUsize::new(0) }
    }

    /// A heartbeat. To be called on the connection's task, which afterwards tells of its end.
    pub fn register(&self, group: &str, client: &Arc<Client>) {
        let now_ms = self.clock.now_ms();
        let id = client.peer.id();
        if let Some(known) = self.read().groups.get(group).and_then(|clients| clients.get(&id)) {
            known.heard(now_ms);
            return;
        }
        let mut tables = self.write();
        tables.groups.entry(group.to_owned()).or_default().insert(id, Arc::clone(client));
        tables.of_peer.entry(id).or_default().add(group, &client.client_id);
        tables.of_id.insert(client.client_id.clone(), Arc::clone(client));
        tracing::info!("new producer connected, group: {group} channel: {client}");
    }

    /// The client leaves the group.
    pub fn unregister(&self, group: &str, peer_id: u64) {
        let mut tables = self.write();
        let Some(clients) = tables.groups.get_mut(group) else { return };
        if let Some(client) = clients.remove(&peer_id) {
            tracing::info!("unregister a producer[{group}] from groupChannelTable {client}");
        }
        if clients.is_empty() {
            tables.groups.remove(group);
        }
        tables.forget(peer_id, group);
    }

    /// A connection has ended.
    pub fn disconnected(&self, peer_id: u64) {
        if !self.read().of_peer.contains_key(&peer_id) {
            return;
        }
        let mut tables = self.write();
        let Memberships { groups, ids } = tables.of_peer.remove(&peer_id).unwrap_or_default();
        for client_id in ids.into_keys() {
            tables.forget_id(&client_id, peer_id);
        }
        for group in groups.into_keys() {
            if let Some(client) = tables.groups.get_mut(&group).and_then(|clients| clients.remove(&peer_id)) {
                tracing::info!(
                    "NETTY EVENT: remove channel[{client}][{}] from ProducerManager groupChannelTable, producer group: {group}",
                    client.peer.remote()
                );
            }
        }
    }

    /// Drops those that have been silent for too long; returns their connections, to be closed.
    pub fn scan(&self) -> Vec<Arc<Peer>> {
        let now_ms = self.clock.now_ms();
        let mut expired = Vec::new();
        let mut tables = self.write();
        for (group, clients) in &mut tables.groups {
            clients.retain(|_, client| {
                let keep = !client.has_expired(now_ms);
                if !keep {
                    tracing::warn!(
                        client_id = client.client_id,
                        "SCAN: remove expired channel[{}] from ProducerManager groupChannelTable, producer group name: \
                         {group}: it sends no heartbeats",
                        client.peer.remote()
                    );
                    expired.push((Arc::clone(&client.peer), group.clone()));
                }
                keep
            });
        }
        for (peer, group) in &expired {
            tables.forget(peer.id(), group);
        }
        if tables.groups.len() > GROUPS_MAX {
            tables.groups.retain(|_, clients| !clients.is_empty());
        }
        expired.into_iter().map(|(peer, _)| peer).collect()
    }

    /// Every group, and how many connections it has.
    pub fn counts(&self) -> Vec<(String, usize)> {
        self.read().groups.iter().map(|(group, clients)| (group.clone(), clients.len())).collect()
    }

    /// The group's connections; `None` where there is no such group.
    pub fn connections(&self, group: &str) -> Option<Vec<Connection>> {
        self.read()
            .groups
            .get(group)
            .map(|clients| clients.values().map(|client| client.connection()).collect())
    }

    /// One of the group's connections, each in turn (Java: `getAvaliableChannel`).
    pub fn pick(&self, group: &str) -> Option<Arc<Peer>> {
        let tables = self.read();
        let clients = tables.groups.get(group)?;
        let start = self.next.fetch_add(1, Ordering::Relaxed) % clients.len().max(1);
        let open = |client: &&Arc<Client>| client.peer.is_open();
        let found = clients.values().skip(start).find(open).or_else(|| clients.values().find(open));
        found.map(|client| Arc::clone(&client.peer))
    }

    /// The client of that id (Java 4.6: `findChannel`).
    pub fn client(&self, client_id: &str) -> Option<Arc<Client>> {
        self.read().of_id.get(client_id).cloned()
    }

    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn forget(&mut self, peer_id: u64, group: &str) {
        let Some(memberships) = self.of_peer.get_mut(&peer_id) else { return };
        let left = memberships.remove(group);
        if memberships.groups.is_empty() {
            self.of_peer.remove(&peer_id);
        }
        if let Some(client_id) = left {
            self.forget_id(&client_id, peer_id);
        }
    }

    /// Unless the client has come back on another connection meanwhile.
    fn forget_id(&mut self, client_id: &str, peer_id: u64) {
        if self.of_id.get(client_id).is_some_and(|client| client.peer.id() == peer_id) {
            self.of_id.remove(client_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn client(client_id: &str) -> Arc<Client> {
        let peer = Peer::unconnected("127.0.0.1:5000".parse().unwrap());
        Client::of(&peer, client_id, &Command::request(34, &()), 0)
    }

    fn ids(producers: &Producers, group: &str) -> Option<Vec<String>> {
        let connections = producers.connections(group)?;
        let mut ids: Vec<String> = connections.into_iter().map(|connection| connection.client_id).collect();
        ids.sort();
        Some(ids)
    }

    fn texts(ids: &[&str]) -> Option<Vec<String>> {
        Some(ids.iter().map(|&id| id.to_owned()).collect())
    }

    #[test]
    fn producers_come_and_go() {
        let producers = Producers::new(clock::manual(0).0);
        let (a, b) = (client("a"), client("b"));
        for client in [&a, &b, &a] {
            producers.register("g", client);
        }
        producers.register("h", &a);
        assert_eq!(ids(&producers, "g"), texts(&["a", "b"]));
        producers.unregister("g", b.peer.id());
        assert_eq!(ids(&producers, "g"), texts(&["a"]));
        // Java: a group whose connections dropped is still there, one that was left is not.
        producers.disconnected(a.peer.id());
        assert_eq!((ids(&producers, "g"), ids(&producers, "h")), (texts(&[]), texts(&[])));
        producers.register("g", &b);
        producers.unregister("g", b.peer.id());
        assert_eq!(ids(&producers, "g"), None);
        assert!(producers.read().of_peer.is_empty());
    }

    #[test]
    fn a_client_is_found_by_its_id_as_long_as_it_is_in_a_group() {
        let producers = Producers::new(clock::manual(0).0);
        let (old, new) = (client("a"), client("a"));
        let check = |expected: Option<&Arc<Client>>| {
            assert_eq!(producers.client("a").map(|it| it.peer.id()), expected.map(|it| it.peer.id()));
        };
        check(None);
        producers.register("g", &old);
        producers.register("h", &old);
        producers.unregister("g", old.peer.id());
        check(Some(&old));
        producers.register("g", &new);
        producers.disconnected(old.peer.id());
        check(Some(&new));
        producers.unregister("g", new.peer.id());
        check(None);
        assert!(producers.read().of_id.is_empty());
    }

    #[test]
    fn the_silent_are_dropped() {
        let (clock, hand) = clock::manual(0);
        let producers = Producers::new(clock);
        let (a, b) = (client("a"), client("b"));
        producers.register("g", &a);
        producers.register("g", &b);
        hand.store(100_000, Ordering::Relaxed);
        producers.register("g", &b);
        hand.store(CHANNEL_EXPIRED_TIMEOUT_MS, Ordering::Relaxed);
        assert!(producers.scan().is_empty());
        hand.store(CHANNEL_EXPIRED_TIMEOUT_MS + 1, Ordering::Relaxed);
        let dropped: Vec<u64> = producers.scan().iter().map(|peer| peer.id()).collect();
        assert_eq!(dropped, [a.peer.id()]);
        assert_eq!(ids(&producers, "g"), texts(&["b"]));
    }
}
