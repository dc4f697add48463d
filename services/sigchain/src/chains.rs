//! Chains as they are now: what was read and verified is kept, and only what came since is read again.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kez_kit::Nats;
use kez_proto::{
    Code, Problem,
    identity::{Chain, Key},
    limits::SERVICE_DEADLINE,
};
use moka::sync::Cache;
use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};

use crate::store::{Entry, Store};

/// Memory for chains that were read, about.
const CACHE_BYTES: u64 = 64 << 20;
/// What one event of a chain costs in it beside its own bytes, of which most may be kept, about.
const EVENT_COST: usize = 200;
/// Between reads while a replica lags.
const PAUSE: Duration = Duration::from_millis(10);

/// A chain that was read and verified up to its newest event.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What its events come to.
    pub chain: Chain,
    /// Where the stream has each event.
    pub at: Vec<u64>,
    /// Bytes of all events, each as a line of its own.
    pub bytes: usize,
}

impl Loaded {
    /// Where the stream has its newest event.
    pub fn last(&self) -> u64 {
        self.at.last().copied().unwrap_or(0)
    }
}

/// Reads chains.
#[derive(Clone, Debug)]
pub struct Chains {
    store: Store,
    read: Cache<Key, Arc<Loaded>>,
}

impl Chains {
    pub fn new(nats: &Nats) -> Self {
        let cost = |_: &Key, loaded: &Arc<Loaded>| {
            u32::try_from(loaded.bytes + (loaded.at.len() + 10) * EVENT_COST).unwrap_or(u32::MAX)
        };
        let read = Cache::builder().max_capacity(CACHE_BYTES).weigher(cost).build();
        Self { store: Store::new(nats), read }
    }

    /// Keeps nothing that was read.
    pub fn forget(&self) {
        self.read.invalidate_all();
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The chain that is or was under this key, with every event that was acknowledged before. `unavailable`, or `internal` if what is stored breaks the
    /// rules.
    pub async fn load(&self, key: &Key) -> Result<Option<Arc<Loaded>>, Problem> {
        let load = async {
            let Some(newest) = self.store.newest(key).await? else { return Ok(None) };
            let (id, last) = match leads_to(&newest)? {
                None => (*key, newest.at),
                Some(id) => match self.store.newest(&id).await? {
                    Some(newest) => (id, newest.at),
                    None => return Err(damaged(&id, "it is gone")),
                },
            };
            let mut loaded = self.read.get(&id);
            // Either somebody appended since, or the stream went back to an earlier state, as a restore does.
            if loaded.as_ref().is_some_and(|loaded| loaded.last() > last)
                && self
                    .store
                    .newest(&id)
                    .await?
                    .is_none_or(|newest| newest.at < loaded.as_ref().map_or(0, |l| l.last()))
            {
                self.read.invalidate(&id);
                loaded = None;
            }
            while loaded.as_ref().is_none_or(|loaded| loaded.last() < last) {
                let from = loaded.as_ref().map_or(0, |loaded| loaded.last() + 1);
                let entries = self.store.read(&id, from).await?;
                if entries.is_empty() {
                    // The replica that answered doesn't have it yet.
                    sleep(PAUSE).await;
                    continue;
                }
                let extended = spawn_blocking(move || extend(loaded.as_deref(), &entries)).await;
                let extended = extended.map_err(|_| Problem::from(Code::Internal))?;
                let extended = Arc::new(extended.map_err(|code| damaged(&id, code.detail()))?);
                self.read.insert(id, extended.clone());
                loaded = Some(extended);
            }
            Ok(loaded)
        };
        timeout(SERVICE_DEADLINE, load).await.map_err(|_| Problem::from(Code::Unavailable))?
    }

    /// Events from this place on, in order, as many as fit into a page; none behind the end.
    pub async fn page(&self, loaded: &Loaded, since: u64) -> Result<Vec<Bytes>, Problem> {
        let Some(from) = usize::try_from(since).ok().and_then(|n| loaded.at.get(n)) else {
            return Ok(vec![]);
        };
        let read = async {
            loop {
                let entries = self.store.read(&loaded.chain.id(), *from).await?;
                if !entries.is_empty() {
                    return Ok(entries
                        .into_iter()
                        .filter(|e| e.at <= loaded.last())
                        .map(|e| e.bytes)
                        .collect());
                }
                sleep(PAUSE).await;
            }
        };
        timeout(SERVICE_DEADLINE, read).await.map_err(|_| Problem::from(Code::Unavailable))?
    }

    /// The event at this place, which the chain has.
    pub async fn event(&self, loaded: &Loaded, seq: u64) -> Result<Bytes, Problem> {
        let page = self.page(loaded, seq).await?;
        page.into_iter().next().ok_or_else(|| Code::Internal.into())
    }
}

/// The chain that a later key's entry leads to; none if the entry is an event.
fn leads_to(entry: &Entry) -> Result<Option<Key>, Problem> {
    if entry.bytes.starts_with(b"{") {
        return Ok(None);
    }
    let key = str::from_utf8(&entry.bytes).ok().and_then(|text| text.parse().ok());
    key.map(Some).ok_or_else(|| Problem::new(Code::Internal, "a stored entry is neither an event nor a key"))
}

fn extend(loaded: Option<&Loaded>, entries: &[Entry]) -> Result<Loaded, Code> {
    let (mut loaded, rest) = match (loaded, entries) {
        (Some(loaded), entries) => (loaded.clone(), entries),
        (None, [first, rest @ ..]) => {
            let chain = Chain::begin(&first.bytes)?;
            (Loaded { chain, at: vec![first.at], bytes: line(&first.bytes) }, rest)
        }
        (None, []) => return Err(Code::UnknownChain),
    };
    for entry in rest {
        loaded.chain.append(&entry.bytes)?;
        loaded.at.push(entry.at);
        loaded.bytes += line(&entry.bytes);
    }
    Ok(loaded)
}

/// Bytes of an event with the newline behind it: a chain that is taken can be exported.
pub fn line(event: &[u8]) -> usize {
    event.len() + 1
}

fn damaged(id: &Key, why: &str) -> Problem {
    tracing::error!(%id, why, "a stored chain is damaged");
    Problem::new(Code::Internal, format!("the stored chain is damaged: {why}"))
}
