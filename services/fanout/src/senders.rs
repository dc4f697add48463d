//! Who may send, and how much. A sender's name is used for this and forgotten: it isn't stored with the message, and no log tells it.

use kez_kit::rate::Rate;
use kez_proto::{Code, Handle, Problem};

use crate::Config;

pub struct Senders {
    required: bool,
    /// Each fan-out counts for itself.
    rate: Rate<Handle>,
}

impl Senders {
    pub fn new(config: &Config) -> Self {
        Self { required: config.require_sender, rate: Rate::per_minute(config.limit_sender) }
    }

    /// Counts a message; `None` is somebody unknown. Errors: `sender_required`, `rate_limited`.
    pub fn admit(&self, sender: Option<&Handle>) -> Result<(), Problem> {
        match sender {
            Some(sender) => self.rate.check(sender, "too many messages from this sender"),
            None if self.required => Err(Code::SenderRequired.into()),
            None => Ok(()),
        }
    }
}
