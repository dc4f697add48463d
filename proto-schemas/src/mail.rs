//! Mail: what is sent, stored, read, pushed and deleted. An envelope is any JSON object and is kept to the byte; nobody here looks inside.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    Code, Handle, Timestamp,
    auth::Caller,
    limits::{PAGE_DEFAULT, PAGE_MAX},
};

/// Body of `POST /v1/messages` and of `kez.fanout.send`. Borrowed: an envelope isn't copied on its way.
#[derive(Debug, Serialize, Deserialize)]
pub struct Send<'a> {
    /// The recipient's handle, unchecked.
    pub to: String,
    /// The envelope's own bytes.
    #[serde(borrow)]
    pub envelope: &'a RawValue,
}

/// Answer to a send: the message is on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sent {
    /// Its place in the inbox: increasing, with holes.
    pub seq: u64,
    /// When the server took it.
    pub created_at: Timestamp,
    /// The same envelope was there already; `seq` and `created_at` are the first one's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub duplicate: bool,
}

/// One message of an inbox, as history lists it and as a stream pushes it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Message")]
pub struct Message<E = Box<RawValue>> {
    /// Its place in the inbox, and the cursor behind it.
    pub seq: u64,
    /// When the server took it.
    pub created_at: Timestamp,
    /// What the sender sent, to the byte.
    pub envelope: E,
}

/// A page of mail, oldest first.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Page")]
pub struct Page<M = Message> {
    /// The messages behind the cursor.
    pub messages: Vec<M>,
    /// The cursor of the next page; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// Sequences count within an epoch; after a restore it is another one, and readers start over.
    pub epoch: String,
    /// The `seq` of the inbox's newest message, 0 for an empty one, where a request over NATS asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<u64>,
}

/// Request of `kez.chat.history.<handle>`: a client's own page of mail over NATS, answered by a [`Page`]. An empty request is one with all defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientHistory {
    /// Only messages with a higher `seq`; 0 if absent.
    #[serde(default)]
    pub since: u64,
    /// 1 to 500; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Also tell the inbox's newest `seq`, read from the stream's leader: who is there has missed nothing that was acknowledged before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub head: bool,
}

/// Messages in a page for which a reader names this limit: too many are as many as there may be; `invalid_parameter` for 0.
pub fn page_limit(asked: Option<usize>) -> Result<usize, Code> {
    match asked {
        None => Ok(PAGE_DEFAULT),
        Some(0) => Err(Code::InvalidParameter),
        Some(n) => Ok(n.min(PAGE_MAX)),
    }
}

/// Request of `kez.chat.ack.<handle>`: deletes mail up to and including `through`, answered by [`Purged`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientAck {
    /// The last `seq` to delete.
    pub through: u64,
}

/// Request of `kez.fanout.history`: messages with `seq` above `since`.
#[derive(Debug, Serialize, Deserialize)]
pub struct History {
    /// Whose inbox, unchecked.
    pub handle: String,
    /// The cursor.
    pub since: u64,
    /// At most so many; 0 for the default.
    pub limit: usize,
    /// Who asks.
    pub auth: ReadAuth,
}

/// How a reader of history proves that the inbox is theirs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadAuth {
    /// For this page: a session token, or signed with [`crate::auth::poll_text`].
    Poll(Caller),
    /// For a stream when it was opened: a session token, or signed with [`crate::auth::stream_text`]. Good for repairing that stream during its lifetime.
    Stream(Caller),
}

/// Request of `kez.fanout.open`: verify a stream's reader, and give the first page behind `since`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Open {
    /// Whose inbox, unchecked.
    pub handle: String,
    /// The cursor.
    pub since: u64,
    /// The epoch that the cursor is of, where the reader knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// Who asks: a session token, or signed with [`crate::auth::stream_text`].
    pub auth: Caller,
}

/// Answer to [`Open`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Opened {
    /// The cursor can't be of this store (beyond its end, or of another epoch): the reader starts over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resync: bool,
    /// For so many more seconds the reader's session lasts, where one lets them in; the stream ends with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_seconds: Option<u64>,
    /// The first page behind the cursor.
    pub page: Page,
}

/// Request of `kez.fanout.heads`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Heads {
    /// At most [`crate::limits::HEADS_MAX`].
    pub handles: Vec<Handle>,
}

/// Answer to [`Heads`]: the sequence of each inbox's newest message in the same order, 0 for an empty one, read from the stream's leader.
#[derive(Debug, Serialize, Deserialize)]
pub struct HeadsAnswer {
    /// See [`HeadsAnswer`].
    pub heads: Vec<u64>,
}

/// Request of `kez.fanout.ack`: a person's purge.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ack {
    /// Whose inbox, unchecked.
    pub handle: String,
    /// Path and query exactly as the caller sent and signed them; `through` is read from here.
    pub target: String,
    /// Signed with [`crate::auth::request_text`] over `DELETE`, the target and no body: by the primary or, beside its token, by the session key. A token
    /// alone doesn't delete.
    pub auth: Caller,
}

/// Answer to [`Ack`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Purged {
    /// How many messages were deleted.
    pub purged: u64,
}
