//! What the callout asks the registry: whose key this is, and whose handle.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kez_kit::{Nats, nats::Unanswered, service};
use kez_proto::{
    Code, Handle, Primary,
    registry::{ByPrimary, Lookup, Record},
    subjects,
};

/// nats-server gives up on a login after 2 s; this leaves time for the way there and back.
const DEADLINE: Duration = Duration::from_millis(1100);
/// An instance of the registry that was just killed answers nothing; another one does.
const ATTEMPT: Duration = Duration::from_millis(500);
/// Between two attempts, where the answer came at once.
const PAUSE: Duration = Duration::from_millis(50);

/// The registry didn't answer.
#[derive(Debug)]
pub struct Away;

/// The registry, by way of NATS.
#[derive(Clone)]
pub struct Registry {
    nats: Nats,
}

impl Registry {
    pub fn new(nats: Nats) -> Self {
        Self { nats }
    }

    /// The record of a key, if somebody registered it.
    pub async fn by_primary(&self, primary: &Primary) -> Result<Option<Record>, Away> {
        let request = service::encode(&ByPrimary { primary: primary.to_string() }).map_err(|_| Away)?;
        self.ask(subjects::REGISTRY_BY_PRIMARY, request).await
    }

    /// The record of a handle, if somebody has it.
    pub async fn by_handle(&self, handle: &Handle) -> Result<Option<Record>, Away> {
        let request = service::encode(&Lookup { handle: handle.to_string() }).map_err(|_| Away)?;
        self.ask(subjects::REGISTRY_LOOKUP, request).await
    }

    async fn ask(&self, subject: &'static str, request: Bytes) -> Result<Option<Record>, Away> {
        let until = Instant::now() + DEADLINE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.nats.request(subject, request.clone(), ATTEMPT.min(left)).await {
                Ok(answer) => return serde_json::from_slice(&answer.payload).map(Some).map_err(|_| Away),
                Err(Unanswered::Refused(p))
                    if matches!(p.code, Code::UnknownPrimary | Code::UnknownHandle) =>
                {
                    return Ok(None);
                }
                Err(why) => tracing::debug!(%why, "the registry gave no answer"),
            }
            if Instant::now() + PAUSE >= until {
                return Err(Away);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
