//! Which logins are in whose hands. Every instance has a copy of each request as long as nats-server waits for its answer, so that those of an instance that
//! died or hangs are answered by the others. Of two answers nats-server takes the first, and nobody hears the second.

use std::{
    collections::{HashMap, VecDeque},
    time::Instant,
};

use async_nats::Message;

use crate::late::WAITED_FOR;

/// Requests that are remembered, some 1.5 KB each.
const CAPACITY: usize = 8192;

/// The requests of the last moments, as long as nats-server waits, by where their answer goes.
#[derive(Default)]
pub struct Hands {
    requests: HashMap<String, Option<Message>>,
    order: VecDeque<(Instant, String)>,
}

impl Hands {
    /// A request came that is for this instance to answer; false if it took it over already.
    pub fn own(&mut self, reply: &str, now: Instant) -> bool {
        match self.requests.get_mut(reply) {
            Some(copy) => copy.take().is_some(),
            None => {
                self.remember(reply, None, now);
                true
            }
        }
    }

    /// The copy of a request came, this instance's or another's.
    pub fn copied(&mut self, copy: Message, now: Instant) {
        let Some(reply) = copy.reply.clone() else { return };
        if !self.requests.contains_key(reply.as_str()) {
            self.remember(&reply, Some(copy), now);
        }
    }

    /// Takes over what others were given and may not have answered, each with the time when it came.
    pub fn take(&mut self, now: Instant) -> Vec<(Instant, Message)> {
        self.forget(now);
        let Self { requests, order } = self;
        order.iter().filter_map(|(came, reply)| Some((*came, requests.get_mut(reply)?.take()?))).collect()
    }

    fn remember(&mut self, reply: &str, copy: Option<Message>, now: Instant) {
        self.forget(now);
        if self.order.len() >= CAPACITY
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.requests.remove(&oldest);
        }
        self.order.push_back((now, reply.to_owned()));
        self.requests.insert(reply.to_owned(), copy);
    }

    fn forget(&mut self, now: Instant) {
        let old = |(came, _): &mut (Instant, String)| now.saturating_duration_since(*came) > WAITED_FOR;
        while let Some((_, reply)) = self.order.pop_front_if(old) {
            self.requests.remove(&reply);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn request(reply: &str) -> Message {
        Message {
            subject: "asked".into(),
            reply: Some(reply.into()),
            payload: Default::default(),
            headers: None,
            status: None,
            description: None,
            length: 0,
        }
    }

    fn taken(hands: &mut Hands, now: Instant) -> Vec<String> {
        hands.take(now).into_iter().filter_map(|(_, message)| Some(message.reply?.to_string())).collect()
    }

    #[test]
    fn what_others_were_given_is_taken_over_once_in_order_and_what_one_has_never() {
        let (mut hands, now) = (Hands::default(), Instant::now());
        // The queue and the copy come in any order.
        assert!(hands.own("mine", now));
        for reply in ["mine", "first", "second", "mine-later"] {
            hands.copied(request(reply), now);
        }
        assert!(hands.own("mine-later", now));
        assert_eq!(taken(&mut hands, now), ["first", "second"]);
        assert!(!hands.own("first", now), "it is answered already");
        assert_eq!(taken(&mut hands, now), [""; 0]);
    }

    #[test]
    fn what_nobody_waits_for_is_forgotten_and_so_is_the_oldest_of_too_many() {
        let (mut hands, now) = (Hands::default(), Instant::now());
        hands.copied(request("late"), now);
        assert_eq!(taken(&mut hands, now + WAITED_FOR + Duration::from_millis(1)), [""; 0]);
        for n in 0..=CAPACITY {
            hands.copied(request(&n.to_string()), now + 2 * WAITED_FOR);
        }
        let left = taken(&mut hands, now + 2 * WAITED_FOR);
        assert_eq!((left.len(), left[0].as_str()), (CAPACITY, "1"));
        assert!(hands.requests.len() <= CAPACITY, "the table is bounded, too");
    }
}
