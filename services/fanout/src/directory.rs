//! Who has a handle, and which handle a key has: a bounded cache in front of the registry, so that a send costs one hop.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use kez_kit::{Failure, Nats, task};
use kez_proto::{
    Code, Handle, Primary, Problem,
    limits::SERVICE_DEADLINE,
    registry::{ByPrimary, Entry, Lookup, Record},
    subjects,
};
use moka::sync::Cache;
use serde::Serialize;

/// Handles in the cache.
const CAPACITY: u64 = 100_000;
/// The log's republish tells of a change at once; this bounds what a lost message, or an answer that a change overtook, can do.
const LIFETIME: Duration = Duration::from_secs(30);

/// A change is told before every registry has applied it: what one of them says so soon after it may be old, and isn't kept.
const UNSETTLED: Duration = Duration::from_secs(5);

/// The cache. Who isn't registered is asked for each time: they may be the next moment. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    nats: Nats,
    keys: Cache<Handle, Primary>,
    /// Handles that changed a moment ago.
    unsettled: Cache<Handle, ()>,
    /// Where to look in `keys`, which alone is told of changes.
    handles: Cache<Primary, Handle>,
}

impl Directory {
    /// A cache that follows `kez.registry.changed`.
    pub async fn follow(nats: &Nats) -> Result<Self, Failure> {
        let keys: Cache<Handle, Primary> =
            Cache::builder().max_capacity(CAPACITY).time_to_live(LIFETIME).build();
        let mut changes =
            nats.client.subscribe(subjects::REGISTRY_CHANGED).await.map_err(Failure::internal)?;
        let mut connections = nats.connections();
        let unsettled: Cache<Handle, ()> =
            Cache::builder().max_capacity(CAPACITY).time_to_live(UNSETTLED).build();
        let (changed, changing) = (keys.clone(), unsettled.clone());
        task::spawn("directory", async move {
            loop {
                tokio::select! {
                    change = changes.next() => match change {
                        Some(change) => {
                            let Ok(entry) = serde_json::from_slice::<Entry>(&change.payload) else { continue };
                            let Some(handle) = entry.handle() else { continue };
                            // A registration leaves nothing old to be told: there was nobody before.
                            if !matches!(entry, Entry::Registration { .. }) {
                                changing.insert(handle.clone(), ());
                            }
                            changed.invalidate(&handle);
                        }
                        None => return,
                    },
                    // What changed while NATS was away was told to nobody.
                    reconnected = connections.changed() => match reconnected {
                        Ok(()) => changed.invalidate_all(),
                        Err(_) => return,
                    },
                }
            }
        });
        Ok(Self { nats: nats.clone(), keys, unsettled, handles: Cache::new(CAPACITY) })
    }

    /// The key of a handle; `invalid_handle`, `unknown_handle`, `handle_suspended` or `unavailable`.
    pub async fn key(&self, handle: &str) -> Result<(Handle, Primary), Problem> {
        let handle: Handle = handle.parse()?;
        if let Some(primary) = self.keys.get(&handle) {
            return Ok((handle, primary));
        }
        let record = self.ask(subjects::REGISTRY_LOOKUP, &Lookup { handle: handle.to_string() }).await?;
        Ok((handle, record.primary))
    }

    /// Asks for every handle again.
    pub fn forget(&self) {
        self.keys.invalidate_all();
    }

    /// The key of a handle, if it needs no question.
    pub fn known(&self, handle: &Handle) -> Option<Primary> {
        self.keys.get(handle)
    }

    /// The handle of a key; `unknown_primary`, `handle_suspended` or `unavailable`.
    pub async fn handle(&self, primary: &Primary) -> Result<Handle, Problem> {
        match self.handles.get(primary) {
            Some(handle) if self.keys.get(&handle) == Some(*primary) => Ok(handle),
            _ => {
                let request = ByPrimary { primary: primary.to_string() };
                Ok(self.ask(subjects::REGISTRY_BY_PRIMARY, &request).await?.handle)
            }
        }
    }

    async fn ask(&self, subject: &'static str, request: &impl Serialize) -> Result<Record, Problem> {
        let request = serde_json::to_vec(request).map_err(|_| Code::Internal)?;
        let answer = self.nats.request(subject, Bytes::from(request), SERVICE_DEADLINE).await?;
        let record: Record = serde_json::from_slice(&answer.payload).map_err(|_| Code::Internal)?;
        // Asked for each time: it may be lifted the next moment.
        if record.suspended {
            return Err(Code::HandleSuspended.into());
        }
        if !self.unsettled.contains_key(&record.handle) {
            self.keys.insert(record.handle.clone(), record.primary);
        }
        self.handles.insert(record.primary, record.handle.clone());
        Ok(record)
    }
}
