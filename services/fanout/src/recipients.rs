//! Who has a handle: a bounded cache in front of the registry, so that a send costs one hop.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use kez_kit::{Failure, Nats, task};
use kez_proto::{
    Code, Handle, Primary, Problem,
    limits::SERVICE_DEADLINE,
    registry::{Entry, Lookup, Record},
    subjects,
};
use moka::sync::Cache;

/// Handles in the cache.
const CAPACITY: u64 = 100_000;
/// The log's republish tells of a change at once; this bounds what a lost message, or an answer that a change overtook, can do.
const LIFETIME: Duration = Duration::from_secs(30);

/// The cache. Unknown handles are asked for each time: they may be registered the next moment.
pub struct Recipients {
    nats: Nats,
    keys: Cache<Handle, Primary>,
}

impl Recipients {
    /// A cache that follows `kez.registry.changed`.
    pub async fn follow(nats: &Nats) -> Result<Self, Failure> {
        let keys: Cache<Handle, Primary> =
            Cache::builder().max_capacity(CAPACITY).time_to_live(LIFETIME).build();
        let mut changes =
            nats.client.subscribe(subjects::REGISTRY_CHANGED).await.map_err(Failure::internal)?;
        let mut connections = nats.connections();
        let changed = keys.clone();
        task::spawn("recipients", async move {
            loop {
                tokio::select! {
                    change = changes.next() => match change {
                        Some(change) => {
                            if let Some(handle) = serde_json::from_slice::<Entry>(&change.payload).ok().and_then(|e| e.handle()) {
                                changed.invalidate(&handle);
                            }
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
        Ok(Self { nats: nats.clone(), keys })
    }

    /// The key of a handle; `invalid_handle`, `unknown_handle` or `unavailable`.
    pub async fn key(&self, handle: &str) -> Result<(Handle, Primary), Problem> {
        let handle: Handle = handle.parse()?;
        if let Some(primary) = self.keys.get(&handle) {
            return Ok((handle, primary));
        }
        let request =
            serde_json::to_vec(&Lookup { handle: handle.to_string() }).map_err(|_| Code::Internal)?;
        let answer =
            self.nats.request(subjects::REGISTRY_LOOKUP, Bytes::from(request), SERVICE_DEADLINE).await?;
        let record: Record = serde_json::from_slice(&answer.payload).map_err(|_| Code::Internal)?;
        self.keys.insert(handle.clone(), record.primary);
        Ok((handle, record.primary))
    }
}
