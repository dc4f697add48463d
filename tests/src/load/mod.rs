//! Load on some gateways: senders that repeat until they are acknowledged, and readers that come back until they have it all.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::JoinSet};

pub use self::listeners::Listeners;
use self::{
    account::{Account, Mail},
    reader::{Reader, Seen},
    sender::send,
};
use crate::{Person, eventually, within};

pub mod account;
mod listeners;
mod reader;
mod sender;

/// What may happen to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wires {
    /// Each has one in time.
    Fixed,
    /// What is on a wire when it is pulled is lost, and a server's clock may be wrong.
    Pulled,
}

/// Senders at work, and readers: for each recipient one at each gateway.
pub struct Load {
    urls: Vec<String>,
    wires: Wires,
    people: Vec<Recipient>,
    senders: JoinSet<()>,
    sender_count: u64,
    readers: JoinSet<()>,
    account: Arc<Account>,
    /// So many messages each sender may send.
    allowed: watch::Sender<u64>,
    over: watch::Sender<bool>,
}

/// Somebody who is written to.
struct Recipient {
    person: Arc<Person>,
    /// What each reader got.
    seen: Vec<Seen>,
    /// Up to here its only reader deleted what it read; none if nobody deletes.
    deleted: Option<Arc<AtomicU64>>,
}

/// What came of a load.
pub struct Outcome {
    /// All mail of each of the people who delete none.
    pub histories: Vec<Mail>,
    /// Messages that readers got.
    pub delivered: usize,
    /// Messages that a reader deleted.
    pub deleted: usize,
    /// See [`Account::repeated`].
    pub repeated: u64,
    /// See [`Account::duplicates`].
    pub duplicates: u64,
}

impl Load {
    /// Starts senders, idle until they are allowed to send, and a reader at each of these gateways for each of the people.
    pub fn start(urls: &[String], people: Vec<Person>, sender_count: u64) -> Self {
        Self::start_on(Wires::Fixed, urls, people, vec![], sender_count)
    }

    /// The same where wires may be pulled. Each of the people has another reader, who comes and goes; and to each of the tidy ones comes only one, who deletes
    /// what was read.
    pub fn start_rough(urls: &[String], people: Vec<Person>, tidy: Vec<Person>, sender_count: u64) -> Self {
        Self::start_on(Wires::Pulled, urls, people, tidy, sender_count)
    }

    fn start_on(
        wires: Wires,
        urls: &[String],
        people: Vec<Person>,
        tidy: Vec<Person>,
        sender_count: u64,
    ) -> Self {
        let mut load = Self {
            urls: urls.to_vec(),
            wires,
            people: vec![],
            senders: JoinSet::new(),
            sender_count,
            readers: JoinSet::new(),
            account: Arc::default(),
            allowed: watch::Sender::new(0),
            over: watch::Sender::new(false),
        };
        people.into_iter().for_each(|person| load.read(person));
        tidy.into_iter().for_each(|person| load.read_tidily(person));
        let to: Vec<_> = load.people.iter().map(|recipient| recipient.person.handle.to_string()).collect();
        for sender in 0..sender_count {
            let (allowed, account) = (load.allowed.subscribe(), load.account.clone());
            load.senders.spawn(send(urls.to_vec(), to.clone(), sender, wires, allowed, account));
        }
        load
    }

    fn read(&mut self, person: Person) {
        let person = Arc::new(person);
        let mut seen = vec![];
        for gateway in 0..self.urls.len() {
            let reader = self.reader(&person);
            seen.push(reader.seen.clone());
            self.readers.spawn(reader.stay(gateway));
        }
        if self.wires == Wires::Pulled {
            let reader = self.reader(&person);
            seen.push(reader.seen.clone());
            self.readers.spawn(reader.come_and_go());
        }
        self.people.push(Recipient { person, seen, deleted: None });
    }

    fn read_tidily(&mut self, person: Person) {
        let (person, deleted) = (Arc::new(person), Arc::<AtomicU64>::default());
        let reader = self.reader(&person);
        let seen = vec![reader.seen.clone()];
        self.readers.spawn(reader.tidy_up(self.over.subscribe(), deleted.clone()));
        self.people.push(Recipient { person, seen, deleted: Some(deleted) });
    }

    fn reader(&self, person: &Arc<Person>) -> Reader {
        Reader {
            person: person.clone(),
            urls: self.urls.clone(),
            wires: self.wires,
            seen: Seen::default(),
            account: self.account.clone(),
        }
    }

    /// Those who are written to, and delete nothing; they come before those who do.
    pub fn people(&self) -> impl Iterator<Item = &Arc<Person>> {
        let lasting = self.people.iter().filter(|recipient| recipient.deleted.is_none());
        lasting.map(|recipient| &recipient.person)
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

    /// What senders and readers were told.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Ends the load. Every acknowledged message must have reached its readers once, in order, and must be in history once, whichever gateway tells it, unless
    /// a reader deleted it.
    pub async fn finish(mut self) -> Outcome {
        self.settled().await;
        // The end of the old one ends the senders.
        self.allowed = watch::Sender::new(0);
        while let Some(ended) = self.senders.join_next().await {
            ended.unwrap();
        }
        let mut lost = vec![];
        for (n, person) in self.people().enumerate() {
            lost.extend(self.account.lost(n, &account::history(&self.urls[0], person).await));
        }
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        for (n, recipient) in self.people.iter().enumerate() {
            let count = self.account.acknowledged_to(n);
            for seen in &recipient.seen {
                let what = format!("a reader of {} has {count} messages", recipient.person.handle);
                eventually(&what, async || (seen.lock().unwrap().len() >= count).then_some(())).await;
                self.account.check(n, &seen.lock().unwrap());
            }
        }
        // Who deletes ends in order, so that it is known what was deleted.
        self.over.send_replace(true);
        let tidy = self.people.iter().filter(|recipient| recipient.deleted.is_some()).count();
        for _ in 0..tidy {
            within("a reader deletes", self.readers.join_next()).await.unwrap().unwrap();
        }
        self.readers.abort_all();
        while let Some(ended) = self.readers.join_next().await {
            assert!(ended.unwrap_err().is_cancelled());
        }
        let mut outcome = Outcome {
            histories: vec![],
            delivered: 0,
            deleted: 0,
            repeated: self.account.repeated.load(Ordering::Relaxed),
            duplicates: self.account.duplicates.load(Ordering::Relaxed),
        };
        for recipient in &self.people {
            let seen = recipient.seen[0].lock().unwrap().clone();
            let deleted = recipient.deleted.as_ref().map_or(0, |through| through.load(Ordering::Relaxed));
            let kept: Mail = seen.iter().copied().filter(|(seq, _)| *seq > deleted).collect();
            for url in &self.urls {
                let history = account::history(url, &recipient.person).await;
                assert_eq!(history, kept, "history isn't what was acknowledged and not deleted");
            }
            outcome.delivered += seen.len() * recipient.seen.len();
            outcome.deleted += seen.len() - kept.len();
            if recipient.deleted.is_none() {
                outcome.histories.push(seen);
            }
        }
        outcome
    }
}
