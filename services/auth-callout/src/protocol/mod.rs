//! nats-server's auth callout (ADR-26), as a service in Rust sees it. nats-server asks on `$SYS.REQ.USER.AUTH` about each client that it doesn't know
//! itself; the answer is a token (a JWT, signed with an nkey) that says in which account the client is and what it may do there, or that it may not come in.
//! This module knows the wire and what is dangerous about it; who may come in is an [`Authorizer`]'s matter, and the transport is the caller's.
//!
//! ```text
//! let callout = Callout::new(issuer_seed, Some(xkey_seed))?;
//! let mut requests = nats.queue_subscribe("$SYS.REQ.USER.AUTH", "callout").await?;
//! while let Some(request) = requests.next().await {
//!     // In a task of its own: nats-server waits for 2 s in all, and a storm of clients asks at once.
//!     let sealed_by = request.headers.get_last(protocol::XKEY_HEADER);
//!     let answered = callout.answer(&request.payload, sealed_by, now, &authorizer).await?;
//!     nats.publish(request.reply, answered.payload).await?;
//! }
//! ```
//!
//! What nats-server 2.15.1 makes of an answer, in its configuration mode, and what is done about it here:
//! - The key that signs the answers can put anybody into any account: `allowed_accounts` doesn't bound it. An [`Authorizer`] names the account itself.
//! - No permissions, or an empty list of them, allow everything. [`Subjects`] can't be empty, and a [`User`] can't be without.
//! - Of a user's token, nats-server enforces the permissions, the expiry and the account; not the connection type, the source address, nor the limits of
//!   subscriptions and payload. Judge the first two by the [`Request`], and set limits on the account.
//! - It doesn't check the signature of a client whose nkey it doesn't know. The [`Authorizer`] must, over the request's own nonce.
//! - It takes an answer that isn't sealed, and where nobody answers it refuses the client when its `timeout` has passed. An error is an answer too: the
//!   client is refused at once, and its words only reach the server's log.
//! - `version: 2` in the response is mandatory; `sub` is the request's one-time key, `aud` of the response the server's id, `aud` of the user the account.
//!
//! Sources: ADR-26 of nats-architecture-and-design; `server/auth_callout.go` of nats-server and `v2/authorization_claims.go` of nats-io/jwt; each statement
//! above was tried with nats-server 2.15.1.

mod callout;
mod claims;
mod seal;
#[cfg(test)]
mod tests;
mod token;

pub use callout::{Answered, Authorizer, Callout, Subjects, User};
pub use claims::{Client, Connect, Request, Secret, Server};

/// The subject of the requests, in the callout's account.
pub const SUBJECT: &str = "$SYS.REQ.USER.AUTH";
/// The header with the server's public curve key; there if the request is sealed.
pub const XKEY_HEADER: &str = "Nats-Server-Xkey";
/// Bytes of a request, at most: a CONNECT line of 4 KiB, and the client's certificates where TLS asks for them.
pub const REQUEST_BYTES: usize = 64 * 1024;
/// How far the clocks of nats-server and callout may be apart, in seconds. A request that is older has no client any more.
pub const LEEWAY_SECS: i64 = 2;

/// Why a request gets no answer: it isn't one that this nats-server made for this callout, or it came too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Invalid {
    /// More than [`REQUEST_BYTES`].
    #[error("the request is too large")]
    TooLarge,
    /// It isn't sealed, and the callout has a curve key.
    #[error("the request isn't sealed")]
    NotSealed,
    /// It is sealed, and the callout has no curve key.
    #[error("the request is sealed, and there is no key to open it")]
    Sealed,
    /// The sender's curve key isn't one, or isn't the one that the request names inside, or the box doesn't open.
    #[error("the request's seal is broken")]
    Seal,
    /// It isn't a token: three parts of base64url, of which two are JSON.
    #[error("the request isn't a token")]
    Malformed,
    /// The header isn't that of a token signed by an nkey.
    #[error("the token's header isn't that of an nkey's token")]
    Algorithm,
    /// The issuer isn't the key of a server, or not that of the server that the request names.
    #[error("the token's issuer isn't the server that it names")]
    Issuer,
    /// The signature isn't the issuer's.
    #[error("the token's signature is wrong")]
    Signature,
    /// It is a token for something else, or of another version.
    #[error("the token isn't an authorization request of version 2")]
    Purpose,
    /// It is meant for another callout.
    #[error("the request is meant for another issuer")]
    Subject,
    /// It is from the future, or too old.
    #[error("the request's time has passed, or hasn't come")]
    Time,
    /// nats-server doesn't wait for the answer any more; found by the caller, who knows when the request came.
    #[error("nobody waits for the answer any more")]
    Late,
    /// The key that the user's token is to be for isn't a user's.
    #[error("the one-time key isn't a user's")]
    OneTimeKey,
    /// This callout can't make an answer: a fault of its own.
    #[error("the answer can't be made")]
    Internal,
}

impl Invalid {
    /// A word for logs and counters that doesn't change.
    pub fn as_str(self) -> &'static str {
        match self {
            Invalid::TooLarge => "too_large",
            Invalid::NotSealed => "not_sealed",
            Invalid::Sealed => "sealed",
            Invalid::Seal => "seal",
            Invalid::Malformed => "malformed",
            Invalid::Algorithm => "algorithm",
            Invalid::Issuer => "issuer",
            Invalid::Signature => "signature",
            Invalid::Purpose => "purpose",
            Invalid::Subject => "subject",
            Invalid::Time => "time",
            Invalid::Late => "late",
            Invalid::OneTimeKey => "one_time_key",
            Invalid::Internal => "internal",
        }
    }
}
