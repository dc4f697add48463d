//! Load on some gateways: senders that repeat until they are acknowledged, and readers that come back until they have it all.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::JoinSet};

pub use self::listeners::Listeners;
use self::{
    account::{Account, Mail},
    reader::Seen,
    sender::send,
};
use crate::{Person, eventually};

pub mod account;
mod listeners;
mod reader;
mod sender;

/// Whether a request may have no answer at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wires {
    /// Each has one in time.
    Fixed,
    /// What is on a wire when it is pulled is lost.
    Pulled,
}

/// Senders at work, and for each recipient a reader at each gateway.
pub struct Load {
    urls: Vec<String>,
    people: Vec<Arc<Person>>,
    senders: JoinSet<()>,
    sender_count: u64,
    readers: JoinSet<()>,
    /// Of each person's readers.
    seen: Vec<Vec<Seen>>,
    account: Arc<Account>,
    /// So many messages each sender may send.
    allowed: watch::Sender<u64>,
}

impl Load {
    /// Starts senders, idle until they are allowed to send, and a reader at each of these gateways for each of the people.
    pub fn start(urls: &[String], people: Vec<Person>, sender_count: u64) -> Self {
        Self::start_on(Wires::Fixed, urls, people, sender_count)
    }

    /// The same where wires may be pulled.
    pub fn start_on(wires: Wires, urls: &[String], people: Vec<Person>, sender_count: u64) -> Self {
        let people: Vec<_> = people.into_iter().map(Arc::new).collect();
        let (allowed, account) = (watch::Sender::new(0), Arc::<Account>::default());
        let (mut senders, mut readers, mut seen) = (JoinSet::new(), JoinSet::new(), vec![]);
        for sender in 0..sender_count {
            let to = people.iter().map(|p| p.handle.to_string()).collect();
            senders.spawn(send(urls.to_vec(), to, sender, wires, allowed.subscribe(), account.clone()));
        }
        for person in &people {
            let each: Vec<Seen> = urls.iter().map(|_| Seen::default()).collect();
            for (gateway, seen) in each.iter().enumerate() {
                readers.spawn(reader::read(person.clone(), urls.to_vec(), gateway, wires, seen.clone()));
            }
            seen.push(each);
        }
        Self { urls: urls.to_vec(), people, senders, sender_count, readers, seen, account, allowed }
    }

    /// Those who are written to.
    pub fn people(&self) -> &[Arc<Person>] {
        &self.people
    }

    /// Has each sender send so many more messages.
    pub fn allow(&self, each: u64) {
        self.allowed.send_modify(|n| *n += each);
    }

    /// Acknowledged messages of all senders.
    pub fn acknowledged(&self) -> u64 {
        self.account.acknowledged()
    }

    /// Whether senders still have something to send.
    pub fn is_busy(&self) -> bool {
        self.acknowledged() < *self.allowed.borrow() * self.sender_count
    }

    /// Waits until so many more than now are acknowledged.
    pub async fn progress(&mut self, more: u64) {
        let wanted = self.acknowledged() + more;
        self.reach(wanted).await;
    }

    /// Waits until all that was allowed is acknowledged; how long that took.
    pub async fn settled(&mut self) -> Duration {
        let begun = Instant::now();
        let wanted = *self.allowed.borrow() * self.sender_count;
        self.reach(wanted).await;
        begun.elapsed()
    }

    async fn reach(&mut self, wanted: u64) {
        eventually(&format!("{wanted} messages are acknowledged"), async || {
            // A sender or reader that gave up has said why.
            let ended = self.senders.try_join_next().or_else(|| self.readers.try_join_next());
            assert!(ended.is_none(), "{ended:?}");
            (self.account.acknowledged() >= wanted).then_some(())
        })
        .await;
    }

    /// Why attempts weren't acknowledged since the last time this was asked.
    pub fn refusals(&self) -> Vec<String> {
        std::mem::take(&mut *self.account.refusals.lock().unwrap())
    }

    /// Ends the load. Every acknowledged message must be in history once, whichever gateway tells it, and must have reached its readers once,
    /// in order. The history of each of the people.
    pub async fn finish(mut self) -> Vec<Mail> {
        self.settled().await;
        drop(self.allowed);
        while let Some(ended) = self.senders.join_next().await {
            ended.unwrap();
        }
        let mut histories = vec![];
        for (n, person) in self.people.iter().enumerate() {
            let history = account::history(&self.urls[0], person).await;
            self.account.check(n, &history);
            for url in &self.urls[1..] {
                assert_eq!(account::history(url, person).await, history, "gateways disagree");
            }
            for seen in &self.seen[n] {
                let what = format!("a reader of {} has {} messages", person.handle, history.len());
                let count = || seen.lock().unwrap().len();
                eventually(&what, async || (count() >= history.len()).then_some(())).await;
                assert_eq!(*seen.lock().unwrap(), history, "a stream of {} isn't history", person.handle);
            }
            histories.push(history);
        }
        self.readers.abort_all();
        while let Some(ended) = self.readers.join_next().await {
            assert!(ended.unwrap_err().is_cancelled());
        }
        histories
    }
}
