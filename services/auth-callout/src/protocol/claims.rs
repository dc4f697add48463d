//! What is inside the tokens. nats-server leaves out what is empty, and a newer one may add members, which are ignored.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The audience of a request.
pub const REQUEST_AUDIENCE: &str = "nats-authorization-request";
/// The type of a request.
pub const REQUEST_TYPE: &str = "authorization_request";
/// The version of all three tokens.
pub const VERSION: u32 = 2;

/// A client that wants to come in, as nats-server tells of it.
#[derive(Clone, Debug, Deserialize)]
pub struct Request {
    /// The server that asks.
    #[serde(rename = "server_id")]
    pub server: Server,
    /// The one-time key that the user's token is to be for.
    pub user_nkey: String,
    /// What the server knows of the client.
    #[serde(rename = "client_info")]
    pub client: Client,
    /// What the client sent.
    #[serde(rename = "connect_opts")]
    pub connect: Connect,
    /// When the server made the request, in seconds of its clock.
    #[serde(skip)]
    pub issued: i64,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) version: u32,
}

/// A nats-server.
#[derive(Clone, Debug, Deserialize)]
pub struct Server {
    /// Its public nkey, `N…`; another one at each start.
    pub id: String,
    /// Its configured name.
    #[serde(default)]
    pub name: String,
    /// Its public curve key, `X…`, if requests are sealed.
    #[serde(default)]
    pub xkey: Option<String>,
}

/// What the server knows of a client.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Client {
    /// The client's id on this server.
    pub id: u64,
    /// The address that it comes from: that of the proxy, if there is one.
    pub host: String,
    /// `Client`, `Leafnode` and others.
    pub kind: String,
    /// `nats`, `websocket` or `mqtt`.
    #[serde(rename = "type")]
    pub transport: String,
    /// What the server sent it to sign; there if it sent a signature.
    pub nonce: Option<String>,
}

/// What a client sent to log in, unchecked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Connect {
    /// The public nkey that it claims to have.
    pub nkey: Option<String>,
    /// The signature of the nonce; base64url without padding, but some clients use plain base64.
    #[serde(rename = "sig")]
    pub signature: Option<Secret>,
    /// A token.
    pub auth_token: Option<Secret>,
    /// A user's name.
    pub user: Option<String>,
    /// A password.
    pub pass: Option<Secret>,
    /// A user's token of the operator mode.
    pub jwt: Option<Secret>,
}

/// What must not get into a log.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// The answer's part of the purpose: a user's token or an error, never both.
#[derive(Debug, Serialize)]
pub struct Response {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub version: u32,
    #[serde(flatten)]
    pub outcome: Outcome,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Jwt(String),
    Error(&'static str),
}

impl From<Outcome> for Response {
    fn from(outcome: Outcome) -> Self {
        Self { kind: "authorization_response", version: VERSION, outcome }
    }
}

/// The part of the purpose of a user's token.
#[derive(Debug, Serialize)]
pub struct UserToken<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub version: u32,
    #[serde(rename = "pub")]
    pub publish: Allow<'a>,
    #[serde(rename = "sub")]
    pub subscribe: Allow<'a>,
    /// No limits of its own; nats-server doesn't enforce them from here.
    pub subs: i64,
    pub data: i64,
    pub payload: i64,
}

#[derive(Debug, Serialize)]
pub struct Allow<'a> {
    pub allow: &'a [String],
}

impl<'a> UserToken<'a> {
    pub fn new(publish: &'a [String], subscribe: &'a [String]) -> Self {
        Self {
            kind: "user",
            version: VERSION,
            publish: Allow { allow: publish },
            subscribe: Allow { allow: subscribe },
            subs: -1,
            data: -1,
            payload: -1,
        }
    }
}
