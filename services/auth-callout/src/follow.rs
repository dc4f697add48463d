//! Keeps the table of connections true, and ends those that shouldn't be: beyond a key's number, or no longer their handle's owner's.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use kez_kit::{Failure, Nats, task};
use kez_proto::{Handle, registry::Entry, subjects};
use tokio_util::sync::CancellationToken;

use crate::{
    audit::Audit,
    live::{Live, Surplus},
    registry::{Away, Registry},
    system::{self, System},
};

/// How often all servers are asked for all connections, ± a tenth.
const EVERY: Duration = Duration::from_secs(60);
/// A key that has all its connections may be waiting for one that is gone unheard; but asking costs.
const AT_MOST: Duration = Duration::from_secs(2);
/// A change of a handle is told before every registry has applied it, so that its owner is asked for more than once: at once, and this much later.
const AGAIN: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(15)];
/// Every handle's owner is asked for after each list, as word of a change can be lost; over this time.
const SPREAD: Duration = Duration::from_secs(20);
/// Owners that are asked for at once.
const CONCURRENCY: usize = 32;

/// What it works with.
pub struct Follow {
    pub live: Arc<Live>,
    pub system: System,
    pub registry: Registry,
    pub audit: Audit,
}

impl Follow {
    /// Follows until `stop`. It has subscribed when this is done.
    pub async fn start(self, kez: &Nats, stop: CancellationToken) -> Result<(), Failure> {
        let subscribe = async |nats: &Nats, subject: &'static str| {
            nats.client.subscribe(subject).await.map_err(Failure::internal)
        };
        let mut began = subscribe(&self.system.nats, subjects::CHAT_CONNECTED).await?;
        let mut ended = subscribe(&self.system.nats, subjects::CHAT_DISCONNECTED).await?;
        let mut changes = subscribe(kez, subjects::REGISTRY_CHANGED).await?;
        let mut kez_connections = kez.connections();
        let mut system_connections = self.system.nats.connections();
        let follow = Arc::new(self);
        let suspects = Suspects::default();

        let (of, stopped) = (follow.clone(), stop.clone());
        let events = async move {
            loop {
                tokio::select! {
                    Some(message) = began.next() => of.began(&message),
                    Some(message) = ended.next() => of.ended(&message),
                    () = stopped.cancelled() => return,
                    else => return,
                }
            }
        };
        task::spawn("connections", events);

        let (of, stopped, all) = (follow.clone(), stop.clone(), suspects.clone());
        let lists = async move {
            // Who knocks with a full key has the list made early, but not every owner asked for.
            let mut owners_due = Instant::now();
            loop {
                of.list().await;
                let asked = Instant::now();
                if asked >= owners_due {
                    all.add_all(of.live.handles(), asked);
                    owners_due = asked + EVERY.mul_f64(0.9 + fastrand::f64() / 5.0);
                }
                tokio::select! {
                    () = tokio::time::sleep_until(owners_due.into()) => {}
                    () = of.live.full.notified() => tokio::time::sleep(AT_MOST.saturating_sub(asked.elapsed())).await,
                    Ok(()) = system_connections.changed() => owners_due = Instant::now(),
                    // What changed while NATS was away was told to nobody.
                    Ok(()) = kez_connections.changed() => owners_due = Instant::now(),
                    () = stopped.cancelled() => return,
                }
            }
        };
        task::spawn("connection-lists", lists);

        task::spawn("owners", async move {
            let mut tick = tokio::time::interval(Duration::from_millis(500));
            loop {
                tokio::select! {
                    Some(change) = changes.next() => {
                        let handle = serde_json::from_slice::<Entry>(&change.payload).ok().and_then(|e| e.handle());
                        if let Some(handle) = handle.filter(|handle| !follow.live.of(handle).is_empty()) {
                            suspects.add(handle, Instant::now());
                        }
                    }
                    _ = tick.tick() => {
                        let due = suspects.due(Instant::now());
                        stream::iter(due).for_each_concurrent(CONCURRENCY, |handle| follow.check_owner(handle)).await;
                    }
                    () = stop.cancelled() => return,
                    else => return,
                }
            }
        });
        Ok(())
    }

    fn began(&self, message: &async_nats::Message) {
        let Some(seen) = system::event(message) else { return };
        self.live.began(seen).into_iter().for_each(|surplus| self.kick(surplus));
        self.audit.connections(self.live.count());
    }

    fn ended(&self, message: &async_nats::Message) {
        // By its place alone: whoever was thrown out for logging in again is named as they said then.
        if let Some(place) = system::ended(message) {
            self.live.ended(&place);
            self.audit.connections(self.live.count());
        }
    }

    async fn list(&self) {
        let asked = Instant::now();
        match self.system.connections().await {
            Ok(all) => {
                self.live.told(all, asked).into_iter().for_each(|surplus| self.kick(surplus));
                self.audit.connections(self.live.count());
            }
            Err(why) => tracing::debug!(why, "no list of connections"),
        }
    }

    /// Asks whose a handle is, and ends the connections of others. Where the registry is away, the next round asks again.
    async fn check_owner(&self, handle: Handle) {
        let connections = self.live.of(&handle);
        if connections.is_empty() {
            return;
        }
        let Ok(record) = self.registry.by_handle(&handle).await.map_err(|Away| ()) else { return };
        let suspended = record.as_ref().is_some_and(|record| record.suspended);
        for (place, connection) in connections {
            let reason = if suspended { "suspended" } else { "not_owner" };
            if suspended || connection.is_foreign(record.as_ref()) {
                self.kick(Surplus { handle: handle.clone(), place, reason });
            }
        }
    }

    /// In a task of its own: a nats-server that is gone answers late.
    fn kick(&self, surplus: Surplus) {
        let (system, audit) = (self.system.clone(), self.audit.clone());
        task::spawn("kick", async move {
            match system.kick(&surplus.place).await {
                Ok(()) => audit.kicked(&surplus),
                Err(why) => tracing::warn!(why, place = %surplus.place, "a connection couldn't be ended"),
            }
        });
    }
}

/// Handles whose owner is to be asked for, and when. Cheap to clone.
#[derive(Clone, Default)]
struct Suspects(Arc<std::sync::Mutex<HashMap<Handle, Suspect>>>);

struct Suspect {
    due: Instant,
    again: &'static [Duration],
}

impl Suspects {
    /// This handle's binding may have changed.
    fn add(&self, handle: Handle, now: Instant) {
        self.lock().insert(handle, Suspect { due: now, again: &AGAIN });
    }

    /// Any of these may have changed unheard.
    fn add_all(&self, handles: Vec<Handle>, now: Instant) {
        let mut suspects = self.lock();
        for handle in handles {
            let due = now + SPREAD.mul_f64(fastrand::f64());
            suspects.entry(handle).or_insert(Suspect { due, again: &[] });
        }
    }

    fn due(&self, now: Instant) -> Vec<Handle> {
        let mut suspects = self.lock();
        let due: Vec<Handle> =
            suspects.iter().filter(|(_, s)| s.due <= now).map(|(h, _)| h.clone()).collect();
        for handle in &due {
            let Some(suspect) = suspects.get_mut(handle) else { continue };
            match suspect.again {
                [next, rest @ ..] => *suspect = Suspect { due: now + *next, again: rest },
                [] => drop(suspects.remove(handle)),
            }
        }
        due
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Handle, Suspect>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_handle_is_asked_for_again_and_again_and_any_other_once() {
        let (suspects, begun) = (Suspects::default(), Instant::now());
        let [alice, bob]: [Handle; 2] = ["alice", "bob"].map(|name| name.parse().unwrap());
        suspects.add(alice.clone(), begun);
        suspects.add_all(vec![alice.clone(), bob.clone()], begun);
        let mut asked = HashMap::<Handle, Vec<u64>>::new();
        for second in 0..60 {
            for handle in suspects.due(begun + Duration::from_secs(second)) {
                asked.entry(handle).or_default().push(second);
            }
        }
        assert_eq!(asked[&alice], [0, 3, 18]);
        assert!(asked[&bob].len() == 1 && asked[&bob][0] <= SPREAD.as_secs(), "{asked:?}");
    }
}
