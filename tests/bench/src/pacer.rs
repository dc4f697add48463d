//! Load at a fixed rate, whatever the system does with it (open loop): a message is late from when it was due, not from when its turn came.

use std::{
    thread,
    time::{Duration, Instant},
};

use tokio::{sync::mpsc, task::JoinSet};

use crate::systems::{PEOPLE, Sender, System};

/// Messages that may be on their way at once. More wait, and their waiting counts.
const SENDERS: usize = 256;

/// Senders that are open and idle.
pub struct Pool<S> {
    idle: mpsc::UnboundedReceiver<S>,
    back: mpsc::UnboundedSender<S>,
}

impl<S: Sender> Pool<S> {
    pub async fn open(system: &impl System<Sender = S>) -> Self {
        let (back, idle) = mpsc::unbounded_channel();
        for _ in 0..SENDERS {
            let _ = back.send(system.sender().await);
        }
        Self { idle, back }
    }

    /// Sends so many a second for so long, and waits until all have come. The number of the first.
    pub async fn run(&mut self, system: &impl System<Sender = S>, rate: u32, lasts: Duration) -> usize {
        let arrivals = system.arrivals().clone();
        let first = arrivals.named();
        let mut due = clock(rate, lasts);
        let mut sending = JoinSet::new();
        while let Some(at) = due.recv().await {
            let n = arrivals.due(at);
            let mut sender = self.idle.recv().await.expect("this is a sender of it, too");
            let back = self.back.clone();
            sending.spawn(async move {
                sender.send(n % PEOPLE, n).await;
                let _ = back.send(sender);
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
