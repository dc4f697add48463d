//! What a server says of an identity log is believed as far as the log's own events prove it.

use kez_proto::{
    identity::{Broken, Key},
    sigchain::{Head, Page},
};

use super::Sigchain;
use crate::{Client, Error};

/// Why an identity log of a server isn't believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// An event doesn't hold.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// It is somebody else's: the key that was asked for isn't one of its own.
    #[error("it was never under this key")]
    OtherKey,
    /// What it is said to have come to isn't what its events come to.
    #[error("its events don't come to what the server says of it: {0}")]
    OtherState(&'static str),
}

impl Untrusted {
    /// The name, for programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Broken(broken) => broken.code.as_str(),
            Self::OtherKey => "other_key",
            Self::OtherState(_) => "other_state",
        }
    }
}

impl Sigchain {
    /// Verifies what a server gave for `key`. The events alone count; a server that says something else about them is found out.
    fn served(page: &Page, key: &Key) -> Result<Self, Untrusted> {
        let log = Self::verify(page.events.iter().map(|event| event.get()))?;
        let state = log.state();
        if !state.was_under(key) {
            Err(Untrusted::OtherKey)
        } else if page.next.is_some() || page.head != Head::from(state) {
            Err(Untrusted::OtherState("its end"))
        } else if page.id != state.id() {
            Err(Untrusted::OtherState("the key that it began with"))
        } else if page.primary != state.primary() {
            Err(Untrusted::OtherState("the key in force"))
        } else {
            Ok(log)
        }
    }
}

impl Client {
    /// The whole identity log that is or was under this key, verified here. A server can still give an old one: who has a newer one compares.
    pub async fn sigchain(&self, key: &Key) -> Result<Sigchain, Error> {
        let page = self.chain(key, 0).await?;
        let untrusted =
            |reason| Error::Untrusted { url: self.base_url().to_owned(), key: Box::new(*key), reason };
        Sigchain::served(&page, key).map_err(untrusted)
    }
}

#[cfg(test)]
mod tests {
    use kez_proto::Code;
    use serde_json::value::RawValue;

    use super::*;
    use crate::{Identity, sigchain::log::tests::log};

    fn page(log: &Sigchain) -> Page {
        let raw = |event: &String| RawValue::from_string(event.clone()).unwrap();
        let state = log.state();
        let events = log.events().iter().map(raw).collect();
        Page { id: state.id(), primary: state.primary(), head: Head::from(state), events, next: None }
    }

    #[test]
    fn a_server_is_believed_what_the_events_prove() {
        let alice = log(1, &["github:a", "github:b"]);
        let (key, other) = (alice.state().id(), Key::from(Identity::from_seed(&[2; 32]).primary()));
        let read = |change: &dyn Fn(&mut Page)| {
            let mut page = page(&alice);
            change(&mut page);
            Sigchain::served(&page, &key)
        };
        assert_eq!(read(&|_| {}), Ok(alice.clone()));
        assert_eq!(Sigchain::served(&page(&alice), &other), Err(Untrusted::OtherKey));
        for (change, what) in [
            (&(|page: &mut Page| page.id = other) as &dyn Fn(&mut Page), "began"),
            (&|page| page.primary = other, "in force"),
            (&|page| page.head.seq = 2, "end"),
            (&|page| page.head.hash = "sha256:0".into(), "end"),
            (&|page| page.next = Some(2), "end"),
            (&|page| page.events.truncate(1), "end"),
        ] {
            let refused = read(change).unwrap_err();
            assert!(
                matches!(refused, Untrusted::OtherState(_)) && refused.to_string().contains(what),
                "{what}"
            );
        }
        let broken = |at, code| Err(Untrusted::Broken(Broken { at, code }));
        assert_eq!(read(&|page| page.events.clear()), broken(0, Code::UnknownChain));
        assert_eq!(read(&|page| page.events.swap(0, 1)), broken(0, Code::ChainGap));
    }
}
