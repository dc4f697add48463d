//! The table of who is connected, over all nats-servers: at most so many connections for each key. A key has one handle, which is what nats-servers tell
//! of a connection; of the key they tell nothing. It may not know a connection of its own.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use kez_proto::{Handle, Primary, registry::Record};
use moka::sync::Cache;
use time::OffsetDateTime;
use tokio::sync::Notify;

use crate::protocol::LEEWAY_SECS;

/// A client that was let in is told of by nats-server within this time, or it never came.
const GRANT: Duration = Duration::from_secs(5);
/// How long an ended connection is remembered: word that it began, or a server's list that has it, may come later.
const ENDED: Duration = Duration::from_secs(60);
/// How many are remembered.
const ENDED_CAPACITY: u64 = 100_000;

/// Where a connection is: a nats-server, and the connection's number there. Neither is used again.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Place {
    pub server: Arc<str>,
    pub client: u64,
}

impl Place {
    pub fn new(server: &str, client: u64) -> Self {
        Self { server: server.into(), client }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.server, self.client)
    }
}

/// A connection as nats-server tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub place: Place,
    pub handle: Handle,
    pub began: OffsetDateTime,
}

/// A connection that shouldn't be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surplus {
    pub handle: Handle,
    pub place: Place,
    /// A word for the audit log that doesn't change.
    pub reason: &'static str,
}

/// A connection of a handle.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Whose key it was let in for, where that was this process's doing.
    pub key: Option<Primary>,
    /// When it began, by its nats-server's clock; when it was let in, as long as nats-server hasn't told of it.
    pub began: OffsetDateTime,
    told: bool,
    learned: Instant,
}

impl Connection {
    /// Whether this connection of a handle, which has this record now, isn't its owner's. Where its key isn't known (another instance let it in, or this
    /// process before it was started again), its time tells: whoever came before the binding came as somebody else. Two clocks tell that, nats-server's and
    /// the log's, so that it must be before by more than they may be apart: a wrong yes would throw out whoever registers and comes in at once.
    pub fn is_foreign(&self, record: Option<&Record>) -> bool {
        match (record, &self.key) {
            (None, _) => true,
            (Some(record), Some(key)) => record.primary != *key,
            (Some(record), None) => self.began.unix_timestamp() < record.registered_at.unix() - LEEWAY_SECS,
        }
    }
}

/// The table of all connections.
pub struct Live {
    limit: u32,
    table: Mutex<Table>,
    ended: Cache<Place, ()>,
    /// Somebody was refused: the table may hold connections that are gone.
    pub full: Notify,
}

#[derive(Default)]
struct Table {
    by_handle: HashMap<Handle, HashMap<Place, Connection>>,
    handles: HashMap<Place, Handle>,
}

impl Live {
    /// An empty table; at most `limit` connections for each key, 0 for any number.
    pub fn new(limit: u32) -> Self {
        let ended = Cache::builder().max_capacity(ENDED_CAPACITY).time_to_live(ENDED).build();
        Self { limit, table: Mutex::default(), ended, full: Notify::new() }
    }

    /// Notes that a client is let in, unless its key has all the connections that it may have.
    pub fn grant(&self, place: Place, handle: &Handle, key: &Primary) -> bool {
        let now = Instant::now();
        let mut table = self.table();
        // Another instance let it in, and this one answers once more.
        if table.by_handle.get(handle).and_then(|all| all.get(&place)).is_some_and(|c| c.told) {
            return true;
        }
        if !table.has_room(handle, self.limit, now) {
            self.full.notify_one();
            return false;
        }
        let connection =
            Connection { key: Some(*key), began: OffsetDateTime::now_utc(), told: false, learned: now };
        table.insert(place, handle.clone(), connection)
    }

    /// Whether this handle could have one more connection.
    pub fn has_room(&self, handle: &Handle) -> bool {
        self.table().has_room(handle, self.limit, Instant::now())
    }

    /// Whether this connection has been let in before.
    pub fn is_known(&self, place: &Place) -> bool {
        self.table().handles.contains_key(place)
    }

    /// A nats-server tells that a connection began. The answer is the connections of its key beyond the limit, which are the youngest; and this one, if it was
    /// another handle's before.
    pub fn began(&self, seen: Seen) -> Vec<Surplus> {
        let mut table = self.table();
        if self.ended.contains_key(&seen.place) {
            return Vec::new();
        }
        let handle = seen.handle.clone();
        let changed = table.seen(seen, Instant::now());
        changed.into_iter().chain(table.beyond(&handle, self.limit)).collect()
    }

    /// A nats-server tells that a connection ended.
    pub fn ended(&self, place: &Place) {
        let mut table = self.table();
        self.ended.insert(place.clone(), ());
        table.remove(place);
    }

    /// All servers told of all their connections, having been asked at `asked`: what isn't among them is gone, unless it was learned of since. The answer is
    /// the connections beyond the limit, and those that were another handle's before.
    pub fn told(&self, all: Vec<Seen>, asked: Instant) -> Vec<Surplus> {
        let mut table = self.table();
        let there: HashSet<&Place> = all.iter().map(|seen| &seen.place).collect();
        let known = table.by_handle.values().flatten();
        let gone = known.filter(|(place, c)| c.told && c.learned < asked && !there.contains(place));
        let gone: Vec<Place> = gone.map(|(place, _)| place.clone()).collect();
        gone.iter().for_each(|place| table.remove(place));
        let there = all.into_iter().filter(|seen| !self.ended.contains_key(&seen.place));
        let mut surplus: Vec<Surplus> = there.filter_map(|seen| table.seen(seen, asked)).collect();
        let now = Instant::now();
        let handles: Vec<Handle> = table.by_handle.keys().cloned().collect();
        for handle in handles {
            table.forget_grants(&handle, now);
            surplus.extend(table.beyond(&handle, self.limit));
        }
        surplus
    }

    /// The connections of a handle.
    pub fn of(&self, handle: &Handle) -> Vec<(Place, Connection)> {
        let table = self.table();
        let connections = table.by_handle.get(handle);
        connections.into_iter().flatten().map(|(place, c)| (place.clone(), c.clone())).collect()
    }

    /// All handles that have a connection.
    pub fn handles(&self) -> Vec<Handle> {
        self.table().by_handle.keys().cloned().collect()
    }

    /// All connections.
    pub fn count(&self) -> usize {
        self.table().handles.len()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn has_room(&mut self, handle: &Handle, limit: u32, now: Instant) -> bool {
        self.forget_grants(handle, now);
        let there = self.by_handle.get(handle).map_or(0, HashMap::len);
        limit == 0 || there < limit as usize
    }

    /// False where a nats-server told of another handle there: that stays.
    fn insert(&mut self, place: Place, handle: Handle, connection: Connection) -> bool {
        if let Some(other) = self.handles.get(&place).filter(|other| **other != handle) {
            if self.by_handle.get(other).and_then(|all| all.get(&place)).is_some_and(|c| c.told) {
                return false;
            }
            self.remove(&place);
        }
        self.handles.insert(place.clone(), handle.clone());
        self.by_handle.entry(handle).or_default().insert(place, connection);
        true
    }

    /// The connection itself, if it was another handle's before: it logged in twice, by way of two instances of which one hadn't heard of the first login.
    fn seen(&mut self, seen: Seen, learned: Instant) -> Option<Surplus> {
        let known = self.by_handle.get(&seen.handle).and_then(|all| all.get(&seen.place));
        let key = known.and_then(|known| known.key);
        // What was learned later stays so.
        let learned = known.map_or(learned, |known| known.learned.max(learned));
        let connection = Connection { key, began: seen.began, told: true, learned };
        let Seen { place, handle, .. } = seen;
        let inserted = self.insert(place.clone(), handle.clone(), connection);
        (!inserted).then_some(Surplus { handle, place, reason: "second_login" })
    }

    fn remove(&mut self, place: &Place) {
        let Some(handle) = self.handles.remove(place) else { return };
        if let Some(all) = self.by_handle.get_mut(&handle) {
            all.remove(place);
            if all.is_empty() {
                self.by_handle.remove(&handle);
            }
        }
    }

    fn forget_grants(&mut self, handle: &Handle, now: Instant) {
        let all = self.by_handle.get(handle).into_iter().flatten();
        let old = all.filter(|(_, c)| !c.told && now.saturating_duration_since(c.learned) > GRANT);
        let old: Vec<Place> = old.map(|(place, _)| place.clone()).collect();
        old.iter().for_each(|place| self.remove(place));
    }

    /// Every instance names the same ones: the order is the servers' own.
    fn beyond(&self, handle: &Handle, limit: u32) -> Vec<Surplus> {
        let all = self.by_handle.get(handle).into_iter().flatten();
        let mut told: Vec<_> = all.filter(|(_, c)| c.told).map(|(place, c)| (c.began, place)).collect();
        if limit == 0 || told.len() <= limit as usize {
            return Vec::new();
        }
        told.sort();
        let surplus = |place: &Place| Surplus {
            handle: handle.clone(),
            place: place.clone(),
            reason: "too_many_connections",
        };
        told.split_off(limit as usize).into_iter().map(|(_, place)| surplus(place)).collect()
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use kez_proto::registry::Binding;

    use super::*;

    fn key(seed: u8) -> Primary {
        Primary::from_bytes(SigningKey::from_bytes(&[seed; 32]).verifying_key().as_bytes()).unwrap()
    }

    fn handle(name: &str) -> Handle {
        name.parse().unwrap()
    }

    fn at(second: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(second).unwrap()
    }

    fn seen(client: u64, name: &str, second: i64) -> Seen {
        Seen { place: Place::new("N1", client), handle: handle(name), began: at(second) }
    }

    fn surplus(name: &str, client: u64, reason: &'static str) -> Surplus {
        Surplus { handle: handle(name), place: Place::new("N1", client), reason }
    }

    fn grant(live: &Live, client: u64) -> bool {
        live.grant(Place::new("N1", client), &handle("alice"), &key(1))
    }

    #[test]
    fn the_limit_counts_whoever_was_let_in_and_whoever_is_told_of_once() {
        let live = Live::new(3);
        assert!(grant(&live, 1) && grant(&live, 2));
        assert!(live.began(seen(1, "alice", 5)).is_empty());
        assert!(live.began(seen(2, "alice", 6)).is_empty());
        assert!(live.began(seen(9, "alice", 7)).is_empty(), "let in by another instance");
        assert!(!grant(&live, 4));
        assert!(live.grant(Place::new("N1", 4), &handle("bob"), &key(2)));
        live.ended(&Place::new("N1", 2));
        assert!(grant(&live, 5));
        assert_eq!(live.count(), 4);
        let unlimited = Live::new(0);
        assert!((0..100).all(|client| grant(&unlimited, client)));
    }

    #[test]
    fn the_youngest_beyond_the_limit_are_named_whatever_the_order_they_are_heard_in() {
        let live = Live::new(2);
        assert!(live.began(seen(3, "alice", 30)).is_empty());
        assert!(live.began(seen(1, "alice", 10)).is_empty());
        let youngest = surplus("alice", 3, "too_many_connections");
        let youngest = [youngest];
        assert_eq!(live.began(seen(2, "alice", 20)), youngest);
        let told = [seen(3, "alice", 30), seen(1, "alice", 10), seen(2, "alice", 20)].into();
        assert_eq!(live.told(told, Instant::now()), youngest);
    }

    #[test]
    fn a_list_removes_what_is_gone_and_keeps_what_is_newer() {
        let live = Live::new(0);
        live.began(seen(1, "alice", 1));
        live.began(seen(2, "alice", 1));
        let asked = Instant::now();
        live.began(seen(3, "alice", 2));
        live.ended(&Place::new("N1", 2));
        assert!(grant(&live, 4));
        live.told(vec![seen(2, "alice", 1), seen(5, "bob", 1)], asked);
        let mut there: Vec<u64> =
            live.of(&handle("alice")).into_iter().map(|(place, _)| place.client).collect();
        there.sort();
        assert_eq!(there, [3, 4], "1 is gone, 2 ended while the list was made, 3 began then, 4 comes");
        assert_eq!(live.of(&handle("bob")).len(), 1);
        // Word of an end may come before word of the beginning.
        live.ended(&Place::new("N1", 6));
        live.began(seen(6, "alice", 1));
        assert_eq!(live.of(&handle("alice")).len(), 2);
    }

    #[test]
    fn a_connection_stays_whose_nats_server_said_it_is() {
        let live = Live::new(1);
        let bobs = |client| live.grant(Place::new("N1", client), &handle("bob"), &key(2));
        // What nats-server says counts more than what was expected.
        assert!(bobs(1) && live.is_known(&Place::new("N1", 1)));
        assert!(live.began(seen(1, "alice", 5)).is_empty());
        assert!(!bobs(1), "it is alice's");
        let twice = [surplus("bob", 1, "second_login")];
        assert_eq!(live.began(seen(1, "bob", 5)), twice);
        assert_eq!(live.told(vec![seen(1, "bob", 5)], Instant::now()), twice);
        assert_eq!((live.of(&handle("alice")).len(), live.of(&handle("bob")).len()), (1, 0));
        assert!(!grant(&live, 2), "alice's place is taken");
    }

    #[test]
    fn whoever_asks_for_room_takes_none() {
        let live = Live::new(2);
        assert!((0..9).all(|_| live.has_room(&handle("alice"))));
        assert!(grant(&live, 1) && live.has_room(&handle("alice")) && grant(&live, 2));
        assert!(!live.has_room(&handle("alice")) && live.has_room(&handle("bob")));
        assert_eq!(live.count(), 2);
    }

    #[test]
    fn whoever_was_let_in_and_never_came_is_forgotten() {
        let live = Live::new(1);
        assert!(grant(&live, 1) && !grant(&live, 2));
        let long_ago = Instant::now().checked_sub(GRANT + Duration::from_secs(1)).unwrap();
        for all in live.table().by_handle.values_mut() {
            all.values_mut().for_each(|connection| connection.learned = long_ago);
        }
        assert!(grant(&live, 2));
        assert_eq!(live.count(), 1);
    }

    #[test]
    fn whose_a_connection_is() {
        let record = |seed, second| {
            let registered_at = kez_proto::Timestamp::from_unix(second).unwrap();
            let binding = Binding {
                handle: handle("alice"),
                primary: key(seed),
                registered_at,
                signed_at: registered_at,
                digest: String::new(),
            };
            Record::new(&binding, &"kez.lat".parse().unwrap(), "")
        };
        let live = Live::new(0);
        assert!(grant(&live, 1));
        live.began(seen(1, "alice", 100));
        live.began(seen(2, "alice", 100));
        let foreign = |client, record: Option<&Record>| {
            let all = live.of(&handle("alice"));
            all.iter().find(|(place, _)| place.client == client).unwrap().1.is_foreign(record)
        };
        assert!(foreign(1, None) && foreign(2, None), "nobody has the handle");
        assert!(!foreign(1, Some(&record(1, 200))), "its key is known, and is the owner's");
        assert!(foreign(1, Some(&record(2, 50))), "its key is known, and isn't the owner's");
        assert!(foreign(2, Some(&record(1, 103))) && !foreign(2, Some(&record(1, 102))), "by its time");
    }
}
