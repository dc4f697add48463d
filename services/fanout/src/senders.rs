//! Who may send, and how much. A sender's name is used for this and forgotten: it isn't stored with the message, and no log tells it.

use kez_kit::{Nats, limits::Ordered, quota::Quota};
use kez_proto::{Code, Handle, Problem, limits_order::Limit, subjects::Span};

use crate::Config;

pub struct Senders {
    required: bool,
    quota: Quota<Handle>,
}

impl Senders {
    pub fn new(config: &Config, nats: &Nats, ordered: &Ordered) -> Self {
        let bound = ordered.or(Limit::Sender, config.limit_sender);
        let quota = Quota::new("sender", Span::Minute, bound, nats);
        Self { required: config.require_sender, quota }
    }

    /// Counts a message; `None` is somebody unknown. Errors: `sender_required`, `rate_limited`.
    pub async fn admit(&self, sender: Option<&Handle>) -> Result<(), Problem> {
        match sender {
            Some(sender) => self.quota.check(sender, "too many messages from this sender").await,
            None if self.required => Err(Code::SenderRequired.into()),
            None => Ok(()),
        }
    }
}
