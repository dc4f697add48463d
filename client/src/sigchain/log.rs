//! An identity log with the bytes of its events.

use kez_proto::{
    Code,
    identity::{Broken, Chain, Event, export},
    json,
};

/// An identity log whose every event was verified: what it comes to, and its events in their canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sigchain {
    state: Chain,
    events: Vec<String>,
}

/// How one log is to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// They are the same.
    Same,
    /// It goes on where the other ends.
    Ahead,
    /// The other goes on where it ends.
    Behind,
    /// They differ in this event: they are two persons' logs, or one person signed twice for the same place.
    Forked {
        /// Its `seq`.
        at: usize,
    },
}

impl Sigchain {
    /// Verifies events from the first one on. Errors: those of [`Chain::verify`].
    pub fn verify<E: AsRef<str>>(events: impl IntoIterator<Item = E>) -> Result<Self, Broken> {
        let mut events = events.into_iter();
        let first = events.next().ok_or(Broken { at: 0, code: Code::UnknownChain })?;
        let mut log = Self::begin(first.as_ref()).map_err(|code| Broken { at: 0, code })?;
        for event in events {
            let at = log.state.next_seq();
            log.append(event.as_ref()).map_err(|code| Broken { at, code })?;
        }
        Ok(log)
    }

    /// A log of this one event. Errors: those of [`Chain::begin`].
    pub fn begin(event: &str) -> Result<Self, Code> {
        Ok(Self { state: Chain::begin(event.as_bytes())?, events: vec![canonical(event)?] })
    }

    /// Appends an event, or leaves the log as it was. Errors: those of [`Chain::append`].
    pub fn append(&mut self, event: &str) -> Result<Event, Code> {
        let canonical = canonical(event)?;
        let event = self.state.append(event.as_bytes())?;
        self.events.push(canonical);
        Ok(event)
    }

    /// What it comes to.
    pub fn state(&self) -> &Chain {
        &self.state
    }

    /// Its events, the first one first.
    pub fn events(&self) -> &[String] {
        &self.events
    }

    /// The event that let it go on under the key in force; none if that is its first key.
    pub fn last_rotation(&self) -> Option<&str> {
        let [_, .., period] = self.state.keys() else { return None };
        let at = usize::try_from(period.since_seq).ok()?.checked_sub(1)?;
        self.events.get(at).map(String::as_str)
    }

    /// How this log is to `other`.
    pub fn compare(&self, other: &Self) -> Likeness {
        let (mine, theirs) = (&self.events, &other.events);
        match mine.iter().zip(theirs).position(|(a, b)| a != b) {
            Some(at) => Likeness::Forked { at },
            None if mine.len() == theirs.len() => Likeness::Same,
            None if mine.len() > theirs.len() => Likeness::Ahead,
            None => Likeness::Behind,
        }
    }

    /// One event a line. `too_large` beyond 16 MiB.
    pub fn to_lines(&self) -> Result<String, Code> {
        export::to_lines(&self.events)
    }

    /// One word. `too_large` beyond 16 MiB of events.
    pub fn to_bundle(&self) -> Result<String, Code> {
        export::to_bundle(&self.events)
    }
}

fn canonical(event: &str) -> Result<String, Code> {
    let bytes = json::canonical(&json::parse_strict(event.as_bytes())?)?;
    String::from_utf8(bytes).map_err(|_| Code::MalformedJson)
}

#[cfg(test)]
pub(crate) mod tests {
    use kez_proto::identity::Op;

    use super::*;
    use crate::Identity;

    /// The log of this seed's key, with these accounts.
    pub(crate) fn log(seed: u8, subjects: &[&str]) -> Sigchain {
        let mut events: Vec<String> = vec![];
        for subject in subjects {
            let before = (!events.is_empty()).then(|| Sigchain::verify(&events).unwrap());
            let op = Op::Add { subject: subject.parse().unwrap(), proof_url: None };
            let identity = Identity::from_seed(&[seed; 32]);
            let at = kez_proto::Timestamp::from_unix(1_779_678_000).unwrap();
            let signed = Event::sign(before.as_ref().map(Sigchain::state), &op, at, &identity).unwrap();
            events.push(serde_json::to_string(&signed).unwrap());
        }
        Sigchain::verify(events).unwrap()
    }

    #[test]
    fn logs_are_told_apart() {
        let one = log(1, &["github:a"]);
        let two = log(1, &["github:a", "github:b"]);
        let fork = log(1, &["github:a", "github:c", "github:b"]);
        assert_eq!(one.compare(&one), Likeness::Same);
        assert_eq!(one.compare(&two), Likeness::Behind);
        assert_eq!(two.compare(&one), Likeness::Ahead);
        assert_eq!(two.compare(&fork), Likeness::Forked { at: 1 });
        assert_eq!(fork.compare(&two), Likeness::Forked { at: 1 });
        assert_eq!(one.compare(&log(2, &["github:a"])), Likeness::Forked { at: 0 });
    }

    #[test]
    fn the_last_change_of_keys_is_found() {
        let mut log = log(1, &["github:a"]);
        assert_eq!(log.last_rotation(), None);
        let [first, second, third] = [1, 2, 3].map(|n| Identity::from_seed(&[n; 32]));
        let at = kez_proto::Timestamp::from_unix(1_779_678_000).unwrap();
        for (old, new) in [(&first, &second), (&second, &third)] {
            let signed = Event::sign_rotation(Some(log.state()), at, old, new).unwrap();
            log.append(&serde_json::to_string(&signed).unwrap()).unwrap();
            assert_eq!(log.last_rotation(), log.events().last().map(String::as_str));
        }
        let op = Op::Add { subject: "github:b".parse().unwrap(), proof_url: None };
        let signed = Event::sign(Some(log.state()), &op, at, &third).unwrap();
        log.append(&serde_json::to_string(&signed).unwrap()).unwrap();
        assert_eq!(log.last_rotation(), Some(log.events()[2].as_str()));
    }

    #[test]
    fn events_are_kept_in_their_canonical_form_and_refused_whole() {
        let mut log = log(1, &["github:a"]);
        let spaced = format!(" {}\n", log.events()[0].replacen(",\"payload\"", " , \"payload\"", 1));
        assert_eq!(Sigchain::verify([&spaced]).unwrap(), log);

        let before = log.clone();
        assert_eq!(log.append(&spaced), Err(Code::ChainConflict));
        assert_eq!(log, before);
        let none: [&str; 0] = [];
        assert_eq!(Sigchain::verify(none), Err(Broken { at: 0, code: Code::UnknownChain }));
    }
}
