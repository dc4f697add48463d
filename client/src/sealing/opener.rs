//! Opening a sealed message.

use std::fmt;

use kez_proto::{
    Primary, Timestamp,
    sealed::{Message, Refusal, Sealed, padding},
};

use super::{Seen, suite};
use crate::Identity;

/// One person's side that opens. Its secrets are wiped from memory on drop and never printed.
pub struct Opener {
    /// The key in force, then earlier ones.
    keys: Vec<(Primary, suite::SecretKey)>,
}

impl Opener {
    /// Opens what is sealed to this identity.
    pub fn new(identity: &Identity) -> Self {
        Self::with_earlier(identity, &[])
    }

    /// Opens what is sealed to this identity, or was to the keys that the same person had before.
    pub fn with_earlier(identity: &Identity, earlier: &[Identity]) -> Self {
        let all = std::iter::once(identity).chain(earlier);
        Self { keys: all.map(|identity| (identity.primary(), suite::secret_key(identity))).collect() }
    }

    /// The person's key in force.
    pub fn primary(&self) -> Primary {
        self.keys[0].0
    }

    /// Whether this is, or was, the person's own key.
    pub fn is_own(&self, primary: &Primary) -> bool {
        self.keys.iter().any(|(own, _)| own == primary)
    }

    /// Opens an envelope that the server stored at `created_at`, and makes every check but the last: whether it was seen before. For mail that is read again
    /// on purpose, from the same place of the same inbox.
    pub fn open(&self, envelope: &str, created_at: Timestamp) -> Result<Message, Refusal> {
        let sealed = Sealed::parse(envelope.as_bytes())?;
        let opened =
            self.keys.iter().find_map(|(me, secret)| Some((me, suite::open(secret, me, &sealed).ok()?)));
        let (me, padded) = opened.ok_or(Refusal::NotOpened)?;
        Message::read(padding::unpad(&padded)?, me, created_at)
    }

    /// Opens an envelope with every check; what is taken is remembered, and what is refused changes nothing.
    pub fn read(&self, envelope: &str, created_at: Timestamp, seen: &mut Seen) -> Result<Message, Refusal> {
        let message = self.open(envelope, created_at)?;
        seen.admit(&message)?;
        Ok(message)
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opener({})", self.primary())
    }
}
