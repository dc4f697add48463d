//! The head check: what no later push can show, a lost *last* message, is found by asking the fan-out for the newest sequence of each open
//! stream's inbox. Many inboxes go into one request, so that a waiting reader costs next to nothing.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use kez_kit::{Nats, task};
use kez_proto::{Handle, limits, mail, subjects};
use tokio::{sync::watch, time::Instant};

/// How often due checks are gathered.
const TICK: Duration = Duration::from_millis(250);
/// The second check of a stream: interest in a new subscription takes a moment to reach every node of a cluster.
const SETTLED: Duration = Duration::from_secs(1);
/// Between checks from then on, ± a quarter.
const PERIOD: Duration = Duration::from_secs(60);

/// The checker.
#[derive(Clone)]
pub struct Heads(Arc<Watched>);

#[derive(Default)]
struct Watched {
    next: AtomicU64,
    inboxes: Mutex<HashMap<u64, Inbox>>,
}

struct Inbox {
    handle: Handle,
    due: Instant,
    checks: u32,
    head: watch::Sender<u64>,
}

/// One stream's place in the checker.
pub struct Watch {
    id: u64,
    watched: Arc<Watched>,
    head: watch::Receiver<u64>,
}

impl Heads {
    pub fn start(nats: &Nats) -> Self {
        let heads = Self(Arc::default());
        let (watched, nats) = (heads.0.clone(), nats.clone());
        task::spawn("heads", async move {
            let mut tick = tokio::time::interval(TICK);
            let mut connections = nats.connections();
            loop {
                tokio::select! {
                    _ = tick.tick() => {}
                    // Pushes were lost while NATS was away.
                    Ok(()) = connections.changed() => watched.all_due(),
                }
                if nats.is_connected() {
                    watched.check(&nats).await;
                }
            }
        });
        heads
    }

    /// Checks this inbox at once, after a second, and then every minute.
    pub fn watch(&self, handle: Handle) -> Watch {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let (sender, head) = watch::channel(0);
        self.0.lock().insert(id, Inbox { handle, due: Instant::now(), checks: 0, head: sender });
        Watch { id, watched: self.0.clone(), head }
    }
}

impl Watch {
    /// The next head that was read.
    pub async fn next(&mut self) -> u64 {
        if self.head.changed().await.is_err() {
            // Not reached: the sender lives until this is dropped.
            std::future::pending::<()>().await;
        }
        *self.head.borrow_and_update()
    }

    /// Wants a check at once.
    pub fn hurry(&self) {
        if let Some(inbox) = self.watched.lock().get_mut(&self.id) {
            inbox.due = Instant::now();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watched.lock().remove(&self.id);
    }
}

impl Watched {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Inbox>> {
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all_due(&self) {
        let now = Instant::now();
        self.lock().values_mut().for_each(|inbox| inbox.due = now);
    }

    async fn check(&self, nats: &Nats) {
        let now = Instant::now();
        let due: Vec<(u64, Handle)> =
            self.lock().iter().filter(|(_, i)| i.due <= now).map(|(id, i)| (*id, i.handle.clone())).collect();
        for batch in due.chunks(limits::HEADS_MAX) {
            let (ids, handles): (Vec<u64>, Vec<Handle>) = batch.iter().cloned().unzip();
            let heads = ask(nats, handles).await;
            let mut inboxes = self.lock();
            for (n, id) in ids.iter().enumerate() {
                let Some(inbox) = inboxes.get_mut(id) else { continue };
                let pause = match heads.as_ref().and_then(|heads| heads.get(n)) {
                    Some(&head) => {
                        inbox.head.send_replace(head);
                        inbox.checks += 1;
                        match inbox.checks {
                            1 => SETTLED,
                            _ => PERIOD.mul_f64(fastrand::f64().mul_add(0.5, 0.75)),
                        }
                    }
                    None => SETTLED,
                };
                // Who was in a hurry meanwhile wants a newer answer than this.
                if inbox.due <= now {
                    inbox.due = now + pause;
                }
            }
        }
    }
}

async fn ask(nats: &Nats, handles: Vec<Handle>) -> Option<Vec<u64>> {
    let request = serde_json::to_vec(&mail::Heads { handles }).ok()?;
    match nats.request(subjects::FANOUT_HEADS, Bytes::from(request), limits::CALLER_DEADLINE).await {
        Ok(answer) => serde_json::from_slice::<mail::HeadsAnswer>(&answer.payload).ok().map(|a| a.heads),
        Err(why) => {
            tracing::debug!(%why, "heads couldn't be read");
            None
        }
    }
}
