//! Which logins are in whose hands. Every instance has a copy of each request as long as nats-server waits for its answer, so that those of an instance that
//! died or hangs are answered by the others. Of two answers nats-server takes the first, and nobody hears the second.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use async_nats::Message;

/// nats-server waits so long.
const WAITED_FOR: Duration = Duration::from_secs(2);
/// Requests that are remembered, some 1.5 KB each.
const CAPACITY: usize = 8192;

/// The requests of the last two seconds, by where their answer goes.
#[derive(Default)]
pub struct Hands {
    requests: HashMap<String, Option<Message>>,
    order: VecDeque<(Instant, String)>,
}

impl Hands {
    /// A request came that is for this instance to answer; false if it took it over already.
    pub fn own(&mut self, reply: &str, now: Instant) -> bool {
        self.forget(now);
        match self.requests.insert(reply.to_owned(), None) {
            Some(None) => false,
            Some(Some(_)) => true,
            None => {
                self.order.push_back((now, reply.to_owned()));
                true
            }
        }
    }

    /// The copy of a request came, this instance's or another's.
    pub fn copied(&mut self, copy: Message, now: Instant) {
        self.forget(now);
        let Some(reply) = copy.reply.as_ref().map(ToString::to_string) else { return };
        if !self.requests.contains_key(&reply) {
            self.order.push_back((now, reply.clone()));
            self.requests.insert(reply, Some(copy));
        }
    }

    /// Takes over what others were given and may not have answered.
    pub fn take(&mut self, now: Instant) -> Vec<Message> {
        self.forget(now);
        self.order.iter().filter_map(|(_, reply)| self.requests.get_mut(reply)?.take()).collect()
    }

    fn forget(&mut self, now: Instant) {
        let old = |(came, _): &mut (Instant, String)| now.saturating_duration_since(*came) > WAITED_FOR;
        while let Some((_, reply)) = self.order.pop_front_if(old) {
            self.requests.remove(&reply);
        }
        while self.order.len() >= CAPACITY
            && let Some((_, reply)) = self.order.pop_front()
        {
            self.requests.remove(&reply);
        }
    }
}
