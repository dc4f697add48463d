//! Load at a fixed rate, whatever the system does with it (open loop): a message is late from when it was due, not from when its turn came.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

use crate::systems::{PEOPLE, Sender, System};

/// Messages that may be on their way at once. More wait, and their waiting counts.
const SENDERS: usize = 256;

/// Senders that are open and idle. Who was back last goes first: a connection that idles is ended.
pub struct Pool<S> {
    idle: Arc<Mutex<Vec<S>>>,
    places: Arc<Semaphore>,
}

impl<S: Sender> Pool<S> {
    pub async fn open(system: &impl System<Sender = S>) -> Self {
        let mut idle = vec![];
        for _ in 0..SENDERS {
            idle.push(system.sender().await);
        }
        Self { idle: Arc::new(Mutex::new(idle)), places: Arc::new(Semaphore::new(SENDERS)) }
    }

    /// Sends so many a second for so long, and waits until all have come. The number of the first.
    pub async fn run(&self, system: &impl System<Sender = S>, rate: u32, lasts: Duration) -> usize {
        let arrivals = system.arrivals().clone();
        let first = arrivals.named();
        let mut due = clock(rate, lasts);
        let mut sending = JoinSet::new();
        while let Some(at) = due.recv().await {
            let n = arrivals.due(at);
            let place = self.places.clone().acquire_owned().await.expect("it isn't closed");
            let idle = self.idle.clone();
            let mut sender = idle.lock().expect("nobody panics here").pop().expect("as many as places");
            sending.spawn(async move {
                sender.send(n % PEOPLE, n).await;
                idle.lock().expect("nobody panics here").push(sender);
                drop(place);
            });
        }
        while let Some(sent) = sending.join_next().await {
            sent.expect("a send doesn't fail");
        }
        arrivals.all().await;
        first
    }
}

/// The times at which messages are due. A thread, because the runtime's timers count milliseconds.
#[allow(clippy::disallowed_methods, reason = "a thread of its own, which sleeps")]
fn clock(rate: u32, lasts: Duration) -> mpsc::UnboundedReceiver<Instant> {
    let (tell, due) = mpsc::unbounded_channel();
    thread::spawn(move || {
        let (began, every) = (Instant::now(), Duration::from_secs(1) / rate);
        for n in 0.. {
            let at = began + every * n;
            if at - began >= lasts {
                return;
            }
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if tell.send(at).is_err() {
                return;
            }
        }
    });
    due
}
