//! What a rotation means for handles: the registry is asked, and told.

use std::time::Duration;

use bytes::Bytes;
use kez_kit::{Nats, service::encode};
use kez_proto::{
    Code, Problem,
    identity::Key,
    limits::SERVICE_DEADLINE,
    registry::{ByPrimary, Rebind, Record},
    subjects,
};
use serde::Serialize;
use serde_json::value::RawValue;

/// The registry, as this service knows it.
#[derive(Clone, Debug)]
pub struct Handles {
    nats: Nats,
}

impl Handles {
    /// Between tries to tell the registry of a rotation: at first, and at most.
    pub const PAUSE: Duration = Duration::from_secs(1);
    pub const LONGEST_PAUSE: Duration = Duration::from_secs(30);

    pub fn new(nats: &Nats) -> Self {
        Self { nats: nats.clone() }
    }

    /// Whether this key has a handle.
    pub async fn has_one(&self, key: &Key) -> Result<bool, Problem> {
        let Key::Ed25519(primary) = key else { return Ok(false) };
        let asked =
            self.ask(subjects::REGISTRY_BY_PRIMARY, &ByPrimary { primary: primary.to_string() }).await;
        match asked {
            Ok(_) => Ok(true),
            Err(problem) if problem.code == Code::UnknownPrimary => Ok(false),
            Err(problem) => Err(problem),
        }
    }

    /// Lets the handle of the key that signed this rotation go to the new key.
    pub async fn rebind(&self, rotation: &[u8]) -> Result<Record, Problem> {
        let event: &RawValue = serde_json::from_slice(rotation).map_err(|_| Code::MalformedJson)?;
        self.ask(subjects::REGISTRY_REBIND, &Rebind { event }).await
    }

    async fn ask(&self, subject: &'static str, request: &impl Serialize) -> Result<Record, Problem> {
        let request: Bytes = encode(request)?;
        let answer = self.nats.request(subject, request, SERVICE_DEADLINE).await?;
        serde_json::from_slice(&answer.payload).map_err(|_| Code::Internal.into())
    }
}
