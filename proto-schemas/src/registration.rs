//! The registration of a handle: what a person signs to bind `handle@server` to their primary.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Code, Handle, Primary, ServerName, Timestamp, envelope, limits::REGISTRATION_SKEW_SECS};

/// The envelope's tag.
pub const TAG: &str = "handle_registration";
/// The payload's type.
pub const TYPE: &str = "kez.chat.handle_registration";

/// The payload of a registration envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HandleRegistration {
    /// Always [`TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// Always 1.
    pub version: u32,
    /// The handle to bind.
    pub handle: Handle,
    /// The key that it shall belong to, and that signs.
    pub primary: Primary,
    /// The server that it is meant for.
    pub server: ServerName,
    /// When it was signed; within ±300 s of the server's clock.
    pub created_at: Timestamp,
}

impl HandleRegistration {
    /// The payload for a person who wants `handle` at `server`.
    pub fn new(handle: Handle, primary: Primary, server: ServerName, created_at: Timestamp) -> Self {
        Self { kind: TYPE.into(), version: 1, handle, primary, server, created_at }
    }
}

/// A registration that is right in everything but time, which depends on whose clock is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The handle to bind.
    pub handle: Handle,
    /// The key to bind it to; its signature holds.
    pub primary: Primary,
    /// When it was signed.
    pub created_at: Timestamp,
    /// Names this very envelope (see [`envelope::Verified`]).
    pub digest: String,
}

impl Registration {
    /// Verifies an envelope's bytes for this server. Errors: those of [`envelope::verify`], then `wrong_server`, `invalid_handle`, `invalid_timestamp`.
    pub fn verify(bytes: &[u8], server: &ServerName) -> Result<Self, Code> {
        read(bytes, TAG, TYPE, server)
    }

    /// `stale_timestamp` unless it was signed within 300 s of `now`, either way.
    pub fn check_fresh(&self, now: Timestamp) -> Result<(), Code> {
        check_fresh(self.created_at, now)
    }
}

/// What a person signed about their handle at this server.
pub(crate) fn read(bytes: &[u8], tag: &str, kind: &str, server: &ServerName) -> Result<Registration, Code> {
    let envelope::Verified { payload, primary, digest } = envelope::verify(bytes, tag, kind)?;
    let text = |member: &str| payload[member].as_str();
    if text("server") != Some(server.as_str()) {
        return Err(Code::WrongServer);
    }
    let handle = text("handle").ok_or(Code::InvalidHandle)?.parse()?;
    let created_at = text("created_at").and_then(|t| t.parse().ok()).ok_or(Code::InvalidTimestamp)?;
    Ok(Registration { handle, primary, created_at, digest })
}

pub(crate) fn check_fresh(created_at: Timestamp, now: Timestamp) -> Result<(), Code> {
    let skew = (now.unix() - created_at.unix()).abs();
    if skew <= REGISTRATION_SKEW_SECS { Ok(()) } else { Err(Code::StaleTimestamp) }
}
