//! Sessions: a person's key signs once for a fresh nkey, which then stands for them for a day at most. The server answers a token (a JWT, RFC 7519 with
//! EdDSA, RFC 8037) that is bound to that nkey (`cnf`, RFC 7800). Any service that has the public keys verifies it; none stores it.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Code, Handle, Primary, ServerName, Timestamp, auth::Credential, envelope, limits::REQUEST_SKEW_SECS,
    nats_login::UserKey,
};

mod token;

pub use token::{Jwk, Jwks, TokenKey, TokenKeys};

/// The envelope's tag.
pub const TAG: &str = "session";
/// The payload's type.
pub const TYPE: &str = "kez.chat.session";
/// Path of a renewal, which its signature names.
pub const RENEW_PATH: &str = "/v1/session/renew";

/// The payload of the envelope that begins a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionStart {
    /// Always [`TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// Always 1.
    pub version: u32,
    /// Who begins the session, and signs.
    pub primary: Primary,
    /// The server that it is meant for.
    pub server: ServerName,
    /// The public half of a fresh nkey, which stands for the primary while the session lasts.
    pub session_key: UserKey,
    /// When it was signed; within ±60 s of the server's clock.
    pub created_at: Timestamp,
    /// When the session ends; at most 24 hours after `created_at`.
    pub expires_at: Timestamp,
}

impl SessionStart {
    /// The payload for `primary`'s session with `session_key` at `server`.
    pub fn new(
        primary: Primary,
        server: ServerName,
        session_key: UserKey,
        created_at: Timestamp,
        expires_at: Timestamp,
    ) -> Self {
        Self { kind: TYPE.into(), version: 1, primary, server, session_key, created_at, expires_at }
    }

    /// Verifies an envelope's bytes for this server at this time, for sessions of at most `longest`. Errors: those of [`envelope::verify`], then
    /// `wrong_server`, `invalid_session_key`, `invalid_timestamp`, `stale_timestamp`, `invalid_lifetime`.
    pub fn verify(
        bytes: &[u8],
        server: &ServerName,
        now: Timestamp,
        longest: Duration,
    ) -> Result<Self, Code> {
        let envelope::Verified { payload, primary, .. } = envelope::verify(bytes, TAG, TYPE)?;
        let text = |member: &str| payload[member].as_str();
        if text("server") != Some(server.as_str()) {
            return Err(Code::WrongServer);
        }
        let session_key: UserKey = text("session_key").ok_or(Code::InvalidSessionKey)?.parse()?;
        if *session_key.key() == primary {
            return Err(Code::InvalidSessionKey);
        }
        let time =
            |member| text(member).and_then(|t| t.parse::<Timestamp>().ok()).ok_or(Code::InvalidTimestamp);
        let (created_at, expires_at) = (time("created_at")?, time("expires_at")?);
        if (now.unix() - created_at.unix()).abs() > REQUEST_SKEW_SECS {
            return Err(Code::StaleTimestamp);
        }
        let lasts = expires_at.unix() - created_at.unix();
        if lasts <= 0 || lasts.unsigned_abs() > longest.as_secs() || expires_at.unix() <= now.unix() {
            return Err(Code::InvalidLifetime);
        }
        Ok(Self::new(primary, server.clone(), session_key, created_at, expires_at))
    }
}

/// Request of `kez.auth.renew`: the token may have expired, as long as the session hasn't ended.
#[derive(Debug, Serialize, Deserialize)]
pub struct Renew {
    /// The token to renew.
    pub token: String,
    /// Signed by the session's nkey with [`crate::auth::request_text`] over `POST`, [`RENEW_PATH`] and no body.
    pub signature: Option<Credential>,
}

/// Answer to a session's beginning or renewal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Session {
    /// For `Authorization: Bearer` and as `auth_token` of a NATS connection.
    pub token: String,
    /// When the token is no longer good; renew it before.
    pub expires_at: Timestamp,
    /// When the session ends.
    pub session_expires_at: Timestamp,
    /// The handle of the session's person.
    pub handle: Handle,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The server that issued it.
    pub iss: ServerName,
    /// The server that it is meant for; the same.
    pub aud: ServerName,
    /// Whose session it is.
    pub sub: Primary,
    /// Unix seconds.
    pub iat: i64,
    /// Unix seconds.
    pub exp: i64,
    /// When the session ends, in Unix seconds.
    pub session_exp: i64,
    /// The session's nkey.
    pub cnf: Confirmation,
}

/// The key that the token's bearer can prove to have (RFC 7800).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// An Ed25519 key (RFC 8037).
    pub jwk: PublicJwk,
}

/// A bare Ed25519 key as a JWK (RFC 8037).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicJwk {
    /// Always `OKP`.
    pub kty: String,
    /// Always `Ed25519`.
    pub crv: String,
    /// The 32 bytes as base64url.
    pub x: String,
}

impl Claims {
    /// The session's key.
    pub fn session_key(&self) -> Result<Primary, Code> {
        let bytes = BASE64URL_NOPAD.decode(self.cnf.jwk.x.as_bytes()).map_err(|_| Code::InvalidToken)?;
        let bytes = bytes.try_into().map_err(|_| Code::InvalidToken)?;
        Primary::from_bytes(&bytes).map_err(|_| Code::InvalidToken)
    }
}

impl Confirmation {
    /// Of this key.
    pub fn of(key: &Primary) -> Self {
        let x = BASE64URL_NOPAD.encode(key.as_bytes());
        Self { jwk: PublicJwk { kty: "OKP".into(), crv: "Ed25519".into(), x } }
    }
}

#[cfg(test)]
mod tests;
