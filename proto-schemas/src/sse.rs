//! The events of `GET /v1/inbox/:handle/stream`. A message is `event: message` with its `seq` as `id:` and [`crate::mail::Message`] as data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A stored message.
pub const MESSAGE: &str = "message";
/// First event of a stream; see [`Ready`].
pub const READY: &str = "ready";
/// The stream is alive; every 15 s when nothing else is sent. Its data is `{}`.
pub const PING: &str = "ping";
/// The stream can't go on as it is; see [`Resync`].
pub const RESYNC: &str = "resync";

/// Data of `event: ready`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ready {
    /// Messages behind this one follow.
    pub cursor: u64,
    /// See [`crate::server::ServerInfo::epoch`].
    pub epoch: String,
}

/// Data of `event: resync`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resync {
    /// Why.
    pub reason: ResyncReason,
    /// Where to reconnect from.
    pub cursor: u64,
    /// See [`crate::server::ServerInfo::epoch`].
    pub epoch: String,
}

/// Why a stream can't go on as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResyncReason {
    /// The cursor isn't of this store: the stream goes on from the beginning, and the reader drops what it has by message id.
    Cursor,
    /// The reader was too slow: the stream ends here, and the reader reconnects from `cursor`. Nothing is lost.
    Slow,
    /// A gap couldn't be repaired now: the stream ends here, and the reader reconnects from `cursor`. Nothing is lost.
    Gap,
}
