//! Identity logs on the wire: what `kez.sigchain.*` and `/v1/sigchains/…` take and give. What makes a chain good is in [`crate::identity`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::identity::{Chain, Key};

/// Which chain: any key that it is or was under, as it stands in a path, unchecked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// `ed25519` or `nostr`.
    pub system: String,
    /// What is behind the colon.
    pub identifier: String,
}

/// Request of `kez.sigchain.get`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Get {
    /// Of this chain.
    pub chain: Named,
    /// From the event with this `seq` on.
    pub since: u64,
}

/// Request of `kez.sigchain.append`. Borrowed: an event isn't copied on its way.
#[derive(Debug, Serialize, Deserialize)]
pub struct Append<'a> {
    /// To this chain.
    pub chain: Named,
    /// The signed event's own bytes.
    #[serde(borrow)]
    pub event: &'a RawValue,
}

/// A chain's newest event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Head {
    /// Its place in the chain; the next event has one more.
    pub seq: u64,
    /// `sha256:` and 64 hex digits; the next event's `prev`.
    pub hash: String,
}

impl From<&Chain> for Head {
    fn from(chain: &Chain) -> Self {
        Self { seq: chain.next_seq() - 1, hash: chain.head().to_owned() }
    }
}

/// What a chain has come to: the body of `GET /v1/sigchains/{system}/{id}/head`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChainHead {
    /// The key that it began with.
    pub id: Key,
    /// The key in force, which signs the next event.
    pub primary: Key,
    /// The newest event.
    pub head: Head,
}

/// Events of a chain, in order. The body of `GET /v1/sigchains/{system}/{id}` has no `next`: it goes up to the head.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Sigchain")]
pub struct Page<E = Box<RawValue>> {
    /// The key that the chain began with.
    pub id: Key,
    /// The key in force, which signs the next event.
    pub primary: Key,
    /// The newest event.
    pub head: Head,
    /// Signed events in their canonical form.
    pub events: Vec<E>,
    /// The `seq` to go on from; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// Answer to an append: the event is on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Appended {
    /// Its place in the chain.
    pub seq: u64,
    /// The next event's `prev`.
    pub hash: String,
    /// This very event was there already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub duplicate: bool,
}
