//! The release of a handle: what a person signs to give `handle@server` back. It stays reserved for their key for 90 days, and then nobody ever has it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Code, Handle, Primary, ServerName, Timestamp, registration};

/// The envelope's tag.
pub const TAG: &str = "handle_release";
/// The payload's type.
pub const TYPE: &str = "kez.chat.handle_release";

/// The payload of a release envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HandleRelease {
    /// Always [`TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// Always 1.
    pub version: u32,
    /// The handle to give back.
    pub handle: Handle,
    /// The key that it belongs to, and that signs.
    pub primary: Primary,
    /// The server that it is meant for.
    pub server: ServerName,
    /// When it was signed; within ±300 s of the server's clock, and later than the registration.
    pub created_at: Timestamp,
}

impl HandleRelease {
    /// The payload for a person who gives `handle` at `server` back.
    pub fn new(handle: Handle, primary: Primary, server: ServerName, created_at: Timestamp) -> Self {
        Self { kind: TYPE.into(), version: 1, handle, primary, server, created_at }
    }
}

/// A release that is right in everything but time and whose handle it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The handle to give back.
    pub handle: Handle,
    /// Who signed.
    pub primary: Primary,
    /// When it was signed.
    pub created_at: Timestamp,
    /// Names this very envelope.
    pub digest: String,
}

impl Release {
    /// Verifies an envelope's bytes for this server. Errors: as of [`registration::Registration::verify`].
    pub fn verify(bytes: &[u8], server: &ServerName) -> Result<Self, Code> {
        let registration::Registration { handle, primary, created_at, digest } =
            registration::read(bytes, TAG, TYPE, server)?;
        Ok(Self { handle, primary, created_at, digest })
    }

    /// `stale_timestamp` unless it was signed within 300 s of `now`, either way.
    pub fn check_fresh(&self, now: Timestamp) -> Result<(), Code> {
        registration::check_fresh(self.created_at, now)
    }
}
