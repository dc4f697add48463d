//! Every error that a caller can see: one table of code, HTTP status, what to do, and words.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sigchain::Head;

/// What a client does about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Send the same request again after `Retry-After`.
    Retry,
    /// Sign anew with the present time and the right key, then send once more.
    SignAgain,
    /// The request can't succeed as it is: change it.
    GiveUp,
}

macro_rules! codes {
    ($($variant:ident $code:literal $status:literal $action:ident $detail:literal)+) => {
        /// A stable error code. Codes are never renamed and never change their status.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Code { $(#[doc = $detail] $variant,)+ }

        impl Code {
            /// All codes, in the order of the documents.
            pub const ALL: &[Code] = &[$(Code::$variant),+];
            /// The code as it stands on the wire.
            pub fn as_str(self) -> &'static str { match self { $(Code::$variant => $code),+ } }
            /// The HTTP status, which is also the NATS service error number.
            pub fn status(self) -> u16 { match self { $(Code::$variant => $status),+ } }
            /// What a client does about it.
            pub fn action(self) -> Action { match self { $(Code::$variant => Action::$action),+ } }
            /// One sentence for a person.
            pub fn detail(self) -> &'static str { match self { $(Code::$variant => $detail),+ } }
        }
    };
}

codes! {
    MalformedJson     "malformed_json"      400 GiveUp    "the body isn't the JSON that this request takes"
    DuplicateKey      "duplicate_key"       400 GiveUp    "a JSON object names a member twice"
    NumberOutOfRange  "number_out_of_range" 400 GiveUp    "a JSON number lies beyond ±(2^53 − 1)"
    WrongTag          "wrong_tag"           400 GiveUp    "the envelope's `kez` tag isn't the one that this request takes"
    WrongType         "wrong_type"          400 GiveUp    "the payload's `type` isn't the one that this tag takes"
    WrongVersion      "wrong_version"       400 GiveUp    "the payload's `version` isn't the number 1"
    UnsupportedAlg    "unsupported_alg"     400 GiveUp    "the signature's `alg` isn't supported here; handles take ed25519-sha512-jcs"
    InvalidPrimary    "invalid_primary"     400 GiveUp    "a primary is ed25519: and 64 lower-case hex digits of a canonical key that isn't weak, or, except for handles, nostr: and an npub"
    KeyMismatch       "key_mismatch"        400 GiveUp    "`signature.key` isn't the payload's `primary`"
    InvalidHandle     "invalid_handle"      400 GiveUp    "a handle is 3 to 32 of a-z 0-9 _ - and starts with a letter or a digit"
    ReservedHandle    "reserved_handle"     400 GiveUp    "this handle is reserved"
    InvalidSubject    "invalid_subject"     400 GiveUp    "a subject is github:, dns:, nostr:, bluesky:, ap:, did:, ens: or web: and a name there, at most 255 bytes"
    InvalidEvent      "invalid_event"       400 GiveUp    "the event's `seq`, `prev`, `op` or `payload` isn't what its operation takes"
    InvalidProof      "invalid_proof"       400 GiveUp    "`proof` isn't the new key's signature over the event's payload without it"
    WrongServer       "wrong_server"        400 GiveUp    "the payload names another server"
    InvalidTimestamp  "invalid_timestamp"   400 GiveUp    "a time must be written YYYY-MM-DDThh:mm:ssZ (UTC, whole seconds)"
    InvalidParameter  "invalid_parameter"   400 GiveUp    "a parameter is missing or has no valid value"
    EnvelopeNotObject "envelope_not_object" 400 GiveUp    "`envelope` must be a JSON object"
    AuthRequired      "auth_required"       400 SignAgain "this request needs a signature (the X-KEZ-Auth header or, on a stream, ?auth=<unix seconds>:<128 hex>) or a session token (Authorization: Bearer)"
    MalformedAuth     "malformed_auth"      401 SignAgain "a request signature is <unix seconds>:<128 lower-case hex digits>"
    BadSignature      "bad_signature"       401 SignAgain "the signature isn't the key's over these bytes"
    StaleTimestamp    "stale_timestamp"     401 SignAgain "the signed time is too far from the server's clock"
    InvalidAuthRequest "invalid_auth_request" 400 GiveUp  "the body isn't an authorization request that a nats-server signed"
    InvalidSessionKey "invalid_session_key" 400 GiveUp    "`session_key` is the public nkey of a NATS user (U…) that isn't weak and isn't the primary itself"
    InvalidLifetime   "invalid_lifetime"    400 GiveUp    "a session ends after it begins, and within 24 hours"
    InvalidToken      "invalid_token"       401 SignAgain "this isn't a session token of this server; begin a session with POST /v1/session"
    TokenExpired      "token_expired"       401 SignAgain "the session token has expired; renew it with POST /v1/session/renew"
    SessionEnded      "session_ended"       401 SignAgain "the session has ended; begin another with POST /v1/session"
    SenderRequired    "sender_required"     401 SignAgain "this server takes mail from its own people only: send with a session token, or over NATS"
    NotOwner          "not_owner"           403 GiveUp    "this session's key doesn't own the handle"
    HandleSuspended   "handle_suspended"    403 GiveUp    "the operator of this server has suspended this handle"
    NotOperator       "not_operator"        403 GiveUp    "this isn't the key of this deployment's operator"
    KeyNotInForce     "key_not_in_force"    403 GiveUp    "the event isn't by the key that the chain is under"
    UnknownHandle     "unknown_handle"      404 GiveUp    "nobody here has this handle"
    UnknownPrimary    "unknown_primary"     404 GiveUp    "nobody here has this primary"
    UnknownChain      "unknown_chain"       404 GiveUp    "nobody here has a chain under this key"
    NotFound          "not_found"           404 GiveUp    "there is nothing at this address"
    MethodNotAllowed  "method_not_allowed"  405 GiveUp    "this address doesn't take this method"
    RequestTimeout    "request_timeout"     408 Retry     "the request's body didn't arrive in time"
    HandleTaken       "handle_taken"        409 GiveUp    "this handle is bound already"
    PrimaryTaken      "primary_taken"       409 GiveUp    "this primary has another handle already"
    HandleReleased    "handle_released"     409 GiveUp    "this handle was released: for 90 days its last key may take it again, and then nobody"
    KeyRetired        "key_retired"         409 GiveUp    "this key gave its handle to another key, and can have none any more"
    HandleNeedsEd25519 "handle_needs_ed25519" 409 GiveUp  "a handle is bound to this chain's key, and handles take ed25519 keys alone"
    KeyInUse          "key_in_use"          409 GiveUp    "the new key has a chain or a handle already"
    ChainConflict     "chain_conflict"      409 SignAgain "the chain has another event at this place: read it and sign the next one"
    ChainGap          "chain_gap"           409 SignAgain "the chain ends before this event's `seq`: read it and sign the next one"
    WrongPrev         "wrong_prev"          409 SignAgain "`prev` isn't the hash of the chain's last event: read it and sign the next one"
    NothingToRevoke   "nothing_to_revoke"   409 GiveUp    "the chain has no such subject or device"
    ChainFull         "chain_full"          409 GiveUp    "the chain has 10,000 events, which is all it may have"
    TooLarge          "too_large"           413 GiveUp    "the body or the envelope is larger than the limit"
    RateLimited       "rate_limited"        429 Retry     "too many requests"
    Internal          "internal"            500 Retry     "the server met an error of its own; it is in the server's log"
    Unavailable       "unavailable"         503 Retry     "the message broker or a service behind it is away; nothing was changed that isn't safe to send again"
    StorageFull       "storage_full"        503 Retry     "the server's store is full"
    InboxFull         "inbox_full"          507 Retry     "the recipient's inbox is full until they delete mail"
}

impl Code {
    /// Seconds to wait before the same request is worth another try; `None` where it isn't.
    pub fn retry_after(self) -> Option<u32> {
        match self {
            Code::Unavailable | Code::RateLimited | Code::RequestTimeout => Some(1),
            Code::Internal => Some(5),
            Code::StorageFull | Code::InboxFull => Some(60),
            _ => None,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error answer: `application/problem+json` (RFC 9457) on HTTP, `<code>: <detail>` in the service error header on NATS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// For programs.
    pub code: Code,
    /// The HTTP status.
    pub status: u16,
    /// For people; may change at any time.
    pub detail: String,
    /// Seconds after which the same request is worth another try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// With `chain_conflict`, `chain_gap` and `wrong_prev`: what the next event has to follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Head>,
}

impl Problem {
    /// A problem with words that say more than the code's own sentence.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            status: code.status(),
            detail: detail.into(),
            retry_after: code.retry_after(),
            head: None,
        }
    }

    /// The value of the `Nats-Service-Error` header.
    pub fn to_service_error(&self) -> String {
        // A header value is one line.
        format!("{}: {}", self.code, self.detail.replace(['\r', '\n'], " "))
    }

    /// Reads a `Nats-Service-Error` header; a foreign text becomes `internal`.
    pub fn from_service_error(text: &str) -> Self {
        let (code, detail) = text.split_once(": ").unwrap_or((text, text));
        match serde_json::from_value(serde_json::Value::from(code)) {
            Ok(code) => Self::new(code, detail),
            Err(_) => Self::new(Code::Internal, text),
        }
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code, code.detail())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.code)
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_read_back_from_json_and_from_the_service_header() {
        for &code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            let problem = Problem::from(code);
            assert_eq!(Problem::from_service_error(&problem.to_service_error()), problem);
            assert_eq!(problem.retry_after.is_some(), code.action() == Action::Retry, "{code}");
        }
        assert_eq!(Problem::from_service_error("what?").code, Code::Internal);
        assert_eq!(
            Problem::new(Code::Internal, "a\r\nNats-X: 1").to_service_error(),
            "internal: a  Nats-X: 1"
        );
    }
}
