//! Whose an inbox is may change while streams of it are open: they are told to have their credential looked at again.
//!
//! A change is told before every service has applied it, so that streams of that handle are told more than once, and so are those that open meanwhile.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::StreamExt;
use kez_kit::{Failure, Nats, task};
use kez_proto::{Handle, registry::Entry, subjects};
use tokio::{sync::watch, time::Instant};

/// How often due handles are gathered.
const TICK: Duration = Duration::from_millis(250);
/// When streams of a handle are told, from a change on: at once, when every registry has applied it, and when what anybody remembered is forgotten.
const DOUBTS: [Duration; 3] = [Duration::ZERO, Duration::from_secs(3), Duration::from_secs(35)];
/// What changed while NATS was away was told to nobody: all are told, over this time.
const SPREAD: Duration = Duration::from_secs(20);

/// Tells streams of changes. Cheap to clone.
#[derive(Clone, Default)]
pub struct Owners(Arc<Mutex<Doubts>>);

#[derive(Default)]
struct Doubts {
    /// When a handle's streams are to be told.
    due: HashMap<Handle, Vec<Instant>>,
    /// The handles that have streams.
    told: HashMap<Handle, watch::Sender<()>>,
}

impl Owners {
    /// Follows `kez.registry.changed`.
    pub async fn follow(nats: &Nats) -> Result<Self, Failure> {
        let owners = Self::default();
        let changes = nats.client.subscribe(subjects::REGISTRY_CHANGED).await;
        let mut changes = changes.map_err(Failure::internal)?;
        let (of, mut connections) = (owners.clone(), nats.connections());
        task::spawn("owners", async move {
            let mut tick = tokio::time::interval(TICK);
            loop {
                tokio::select! {
                    Some(change) = changes.next() => of.changed(&change.payload),
                    Ok(()) = connections.changed() => of.doubt_all(),
                    now = tick.tick() => of.tell(now),
                    else => return,
                }
            }
        });
        Ok(owners)
    }

    /// Resolves whenever the owner of this handle is in doubt.
    pub fn watch(&self, handle: &Handle) -> watch::Receiver<()> {
        let mut doubts = self.lock();
        doubts.told.entry(handle.clone()).or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    fn changed(&self, entry: &[u8]) {
        let Ok(entry @ (Entry::Rebind { .. } | Entry::Release { .. } | Entry::Order { .. })) =
            serde_json::from_slice::<Entry>(entry)
        else {
            return;
        };
        if let Some(handle) = entry.handle() {
            let now = Instant::now();
            self.lock().due.entry(handle).or_default().extend(DOUBTS.map(|after| now + after));
        }
    }

    fn doubt_all(&self) {
        let now = Instant::now();
        let Doubts { due, told } = &mut *self.lock();
        for handle in told.keys() {
            due.entry(handle.clone()).or_default().push(now + SPREAD.mul_f64(fastrand::f64()));
        }
    }

    fn tell(&self, now: Instant) {
        let Doubts { due, told } = &mut *self.lock();
        due.retain(|handle, times| {
            let before = times.len();
            times.retain(|time| *time > now);
            if times.len() < before
                && let Some(told) = told.get(handle)
            {
                told.send_replace(());
            }
            !times.is_empty()
        });
        told.retain(|_, told| told.receiver_count() > 0);
    }

    fn lock(&self) -> MutexGuard<'_, Doubts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_doubted_until_nobody_can_remember_its_owner() {
        let (owners, begun) = (Owners::default(), Instant::now());
        let [alice, bob]: [Handle; 2] = ["alice", "bob"].map(|name| name.parse().unwrap());
        let (mut of_alice, of_bob) = (owners.watch(&alice), owners.watch(&bob));
        owners.changed(br#"{"rebind":{"rules":1,"handle":"alice","event":{}}}"#);
        owners.changed(br#"{"registration":{"rules":1,"envelope":{"payload":{"handle":"bob"}}}}"#);
        let mut told = vec![];
        let mut later = None;
        for second in 0..60 {
            owners.tell(begun + Duration::from_secs(second + 1));
            if of_alice.has_changed().unwrap() {
                of_alice.mark_unchanged();
                told.push(second);
            }
            // One that opens in between.
            later.get_or_insert_with(|| owners.watch(&alice));
        }
        assert_eq!(told, [0, 3, 35]);
        assert!(later.unwrap().has_changed().unwrap());
        assert!(!of_bob.has_changed().unwrap());
        drop((of_alice, of_bob));
    }
}
