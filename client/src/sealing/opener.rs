//! Opening a sealed message.

use std::fmt;

use kez_proto::{
    Primary, Timestamp,
    sealed::{Message, Refusal, Sealed, padding},
};

use super::{Seen, suite};
use crate::Identity;

/// One person's side that opens. Its secret is wiped from memory on drop and never printed.
pub struct Opener {
    secret: suite::SecretKey,
    me: Primary,
}

impl Opener {
    /// Opens what is sealed to this identity.
    pub fn new(identity: &Identity) -> Self {
        Self { secret: suite::secret_key(identity), me: identity.primary() }
    }

    /// Opens an envelope that the server stored at `created_at`, and makes every check but the last: whether it was seen before. For mail that is read again
    /// on purpose, from the same place of the same inbox.
    pub fn open(&self, envelope: &str, created_at: Timestamp) -> Result<Message, Refusal> {
        let sealed = Sealed::parse(envelope.as_bytes())?;
        let padded = suite::open(&self.secret, &self.me, &sealed).map_err(|_| Refusal::NotOpened)?;
        Message::read(padding::unpad(&padded)?, &self.me, created_at)
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
        write!(f, "Opener({})", self.me)
    }
}
