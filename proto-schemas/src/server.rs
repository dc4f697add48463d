//! What a server tells of itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ServerName;

/// Body of `GET /v1/healthz`: the process is alive. It says nothing about what is behind it; that is readiness.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// Always `ok`.
    pub status: String,
    /// The server's name.
    pub server: ServerName,
    /// Its version.
    pub version: String,
}

/// Body of `GET /v1/server`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerInfo {
    /// The server's name: the part behind the `@`.
    pub name: ServerName,
    /// Its version.
    pub version: String,
    /// Sequences count within an epoch; when it changes, clients forget their cursors.
    pub epoch: String,
    /// What it takes and keeps.
    pub limits: MailLimits,
    /// What it can do, by name; unknown names are to be ignored.
    pub features: Vec<String>,
    /// Where clients reach its NATS; absent where they don't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nats: Option<NatsAddresses>,
}

/// Where clients reach a server's NATS with a registered key or a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NatsAddresses {
    /// `nats://` or `tls://`, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `ws://` or `wss://`, for browsers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub websocket_url: Option<String>,
}

/// Answer of `kez.auth.describe`: names for [`ServerInfo::features`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuthDescription {
    /// `session`; `nats`; `nats-plain-nonce` where stock clients' signature of the bare nonce is taken.
    pub features: Vec<String>,
}

/// The limits of mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailLimits {
    /// Bytes of one envelope.
    pub envelope_bytes: usize,
    /// Messages of one page.
    pub page_messages: usize,
    /// Messages of one inbox; 0 for no limit.
    pub inbox_messages: u32,
    /// Days that mail is kept; 0 for ever.
    pub mail_days: u32,
    /// Seconds in which the same envelope to the same recipient is stored once.
    pub duplicate_window_seconds: u64,
}

/// Answer of `kez.fanout.describe`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Description {
    /// The deployment's name.
    pub server: ServerName,
    /// See [`ServerInfo::epoch`].
    pub epoch: String,
    /// See [`ServerInfo::limits`].
    pub limits: MailLimits,
}
