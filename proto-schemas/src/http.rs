//! The public HTTP API as a table: the gateway's router is tested against it, and `openapi.yaml` is generated from it.

use Code::*;
use Credential::*;

use crate::Code;

/// One route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path, with `{name}` for parameters.
    pub path: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Query and header parameters: `(name, where, meaning)`.
    pub parameters: &'static [(&'static str, &'static str, &'static str)],
    /// The ways to say who calls, each of what goes together; none where nobody asks, an empty one where it may be left out.
    pub credentials: &'static [&'static [Credential]],
    /// Name of the request body's schema.
    pub body: Option<&'static str>,
    /// Status, media type and schema of success.
    pub success: (u16, &'static str, &'static str),
    /// The codes that its own rules give; any route may also give `rate_limited`, `unavailable` and `internal`.
    pub errors: &'static [Code],
}

/// What a caller presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// `X-KEZ-Auth: <unix seconds>:<signature hex>`
    Signature,
    /// The same as `?auth=`, where no header can be set.
    SignatureInQuery,
    /// `Authorization: Bearer <session token>`
    Token,
}

/// Media type of most answers.
pub const JSON: &str = "application/json";
/// Media type of errors (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";
/// Media type of streams.
pub const EVENT_STREAM: &str = "text/event-stream";

/// What is wrong with a caller of an inbox.
const READING: &[Code] = &[
    InvalidHandle,
    InvalidParameter,
    AuthRequired,
    MalformedAuth,
    StaleTimestamp,
    BadSignature,
    InvalidToken,
    TokenExpired,
    SessionEnded,
    NotOwner,
    HandleSuspended,
    UnknownHandle,
];

/// What is wrong with an event of an identity log wherever it stands.
const EVENT: &[Code] = &[
    MalformedJson,
    DuplicateKey,
    NumberOutOfRange,
    WrongTag,
    WrongType,
    WrongVersion,
    UnsupportedAlg,
    KeyMismatch,
    InvalidPrimary,
    BadSignature,
    InvalidEvent,
    InvalidTimestamp,
    InvalidSubject,
    InvalidProof,
    ChainConflict,
    ChainGap,
    ChainFull,
    WrongPrev,
    KeyNotInForce,
    KeyInUse,
    HandleNeedsEd25519,
    NothingToRevoke,
    TooLarge,
];

/// Media type of an identity log as JSON Lines.
pub const JSON_LINES: &str = "application/jsonl";

/// Every public route.
pub const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        path: "/v1/healthz",
        summary: "The process is alive",
        parameters: &[],
        credentials: &[],
        body: None,
        success: (200, JSON, "Health"),
        errors: &[],
    },
    Route {
        method: "GET",
        path: "/v1/server",
        summary: "What this server is and takes",
        parameters: &[],
        credentials: &[],
        body: None,
        success: (200, JSON, "ServerInfo"),
        errors: &[],
    },
    Route {
        method: "POST",
        path: "/v1/register",
        summary: "Bind a handle to a primary; the same envelope again gets the same record",
        parameters: &[],
        credentials: &[],
        body: Some("Registration"),
        success: (201, JSON, "Record"),
        errors: &[
            MalformedJson,
            DuplicateKey,
            NumberOutOfRange,
            WrongTag,
            WrongType,
            WrongVersion,
            UnsupportedAlg,
            InvalidPrimary,
            KeyMismatch,
            InvalidHandle,
            ReservedHandle,
            WrongServer,
            InvalidTimestamp,
            BadSignature,
            StaleTimestamp,
            HandleTaken,
            HandleReleased,
            PrimaryTaken,
            KeyRetired,
            TooLarge,
        ],
    },
    Route {
        method: "POST",
        path: "/v1/release",
        summary: "Give a handle back: it is kept for its key for 90 days, and then nobody can ever have it",
        parameters: &[],
        credentials: &[],
        body: Some("ReleaseEnvelope"),
        success: (200, JSON, "Released"),
        errors: &[
            MalformedJson,
            DuplicateKey,
            NumberOutOfRange,
            WrongTag,
            WrongType,
            WrongVersion,
            UnsupportedAlg,
            InvalidPrimary,
            KeyMismatch,
            InvalidHandle,
            WrongServer,
            InvalidTimestamp,
            BadSignature,
            StaleTimestamp,
            NotOwner,
            UnknownHandle,
            TooLarge,
        ],
    },
    Route {
        method: "GET",
        path: "/v1/u/{handle}",
        summary: "The record of a handle",
        parameters: &[],
        credentials: &[],
        body: None,
        success: (200, JSON, "Record"),
        errors: &[InvalidHandle, UnknownHandle],
    },
    Route {
        method: "GET",
        path: "/v1/by-primary/{primary}",
        summary: "The record of a key",
        parameters: &[],
        credentials: &[],
        body: None,
        success: (200, JSON, "Record"),
        errors: &[InvalidPrimary, UnknownPrimary],
    },
    Route {
        method: "GET",
        path: "/.well-known/webfinger",
        summary: "WebFinger (RFC 7033) of an account",
        parameters: &[
            ("resource", "query", "`acct:<handle>@<server>`"),
            ("rel", "query", "only links of this relation; may repeat"),
        ],
        credentials: &[],
        body: None,
        success: (200, crate::webfinger::JRD_JSON, "Jrd"),
        errors: &[InvalidParameter, UnknownHandle],
    },
    Route {
        method: "GET",
        path: "/v1/sigchains/{system}/{id}",
        summary: "An identity log, by any key that it is or was under; as JSON Lines, one event a line, for `Accept: application/jsonl`",
        parameters: &[
            ("since", "query", "only events with this `seq` or a higher one; 0 if absent"),
            ("If-None-Match", "header", "the `ETag` of an earlier answer: 304 while the log is the same"),
        ],
        credentials: &[],
        body: None,
        success: (200, JSON, "Sigchain"),
        errors: &[InvalidPrimary, InvalidParameter, UnknownChain],
    },
    Route {
        method: "GET",
        path: "/v1/sigchains/{system}/{id}/head",
        summary: "What an identity log has come to: what its next event has to follow, and who signs it",
        parameters: &[],
        credentials: &[],
        body: None,
        success: (200, JSON, "ChainHead"),
        errors: &[InvalidPrimary, UnknownChain],
    },
    Route {
        method: "POST",
        path: "/v1/sigchains/{system}/{id}",
        summary: "Append one signed event; 201 means that it is on disk. The same event again gets the same answer, another one at its place a 409 with the `head` that it has to follow",
        parameters: &[],
        credentials: &[],
        body: Some("EventEnvelope"),
        success: (201, JSON, "Appended"),
        errors: EVENT,
    },
    Route {
        method: "POST",
        path: "/v1/session",
        summary: "Begin a session: a signed envelope names a fresh nkey, and the answer is a token bound to it",
        parameters: &[],
        credentials: &[],
        body: Some("SessionEnvelope"),
        success: (201, JSON, "Session"),
        errors: &[
            MalformedJson,
            DuplicateKey,
            NumberOutOfRange,
            WrongTag,
            WrongType,
            WrongVersion,
            UnsupportedAlg,
            InvalidPrimary,
            KeyMismatch,
            WrongServer,
            InvalidSessionKey,
            InvalidTimestamp,
            InvalidLifetime,
            BadSignature,
            StaleTimestamp,
            HandleSuspended,
            UnknownPrimary,
            TooLarge,
        ],
    },
    Route {
        method: "POST",
        path: crate::session::RENEW_PATH,
        summary: "A new token for a session; sign `KEZ-HTTP-v1\\n<server>\\nPOST\\n/v1/session/renew\\n<hex sha256 of the empty body>\\n<ts>` with the session key. The old token may have expired",
        parameters: &[],
        credentials: &[&[Token, Signature]],
        body: None,
        success: (201, JSON, "Session"),
        errors: &[
            AuthRequired,
            MalformedAuth,
            StaleTimestamp,
            BadSignature,
            InvalidToken,
            SessionEnded,
            HandleSuspended,
            UnknownPrimary,
        ],
    },
    Route {
        method: "GET",
        path: "/.well-known/jwks.json",
        summary: "The public keys of session tokens (RFC 7517), the newest first",
        parameters: &[],
        credentials: &[],
        body: None,
        success: (200, JSON, "Jwks"),
        errors: &[],
    },
    Route {
        method: "POST",
        path: "/v1/messages",
        summary: "Leave a message in an inbox; 201 means that it is on disk. With a session token, as an authenticated sender",
        parameters: &[],
        credentials: &[&[], &[Token]],
        body: Some("Send"),
        success: (201, JSON, "Sent"),
        errors: &[
            MalformedJson,
            EnvelopeNotObject,
            InvalidHandle,
            HandleSuspended,
            UnknownHandle,
            MalformedAuth,
            InvalidToken,
            TokenExpired,
            SessionEnded,
            UnknownPrimary,
            SenderRequired,
            TooLarge,
            InboxFull,
            StorageFull,
        ],
    },
    Route {
        method: "GET",
        path: "/v1/inbox/{handle}",
        summary: "A page of mail, oldest first; sign `GET\\n/v1/inbox/<handle>\\nsince=<n>\\n<ts>`, or bring a session token",
        parameters: &[
            ("since", "query", "only messages with a higher `seq`; 0 if absent"),
            ("limit", "query", "1 to 500; 100 if absent"),
        ],
        credentials: &[&[Signature], &[Token]],
        body: None,
        success: (200, JSON, "Page"),
        errors: READING,
    },
    Route {
        method: "DELETE",
        path: "/v1/inbox/{handle}",
        summary: "Delete mail up to and including `through`; sign `KEZ-HTTP-v1\\n<server>\\nDELETE\\n<path?query>\\n<hex sha256 of the empty body>\\n<ts>` with the primary or, beside its token, with the session key",
        parameters: &[("through", "query", "the last `seq` to delete")],
        credentials: &[&[Signature], &[Token, Signature]],
        body: None,
        success: (200, JSON, "Purged"),
        errors: READING,
    },
    Route {
        method: "GET",
        path: "/v1/inbox/{handle}/stream",
        summary: "Mail as it comes (SSE); sign `GET\\n/v1/inbox/<handle>/stream\\n<ts>`, or bring a session token",
        parameters: &[
            ("Last-Event-ID", "header", "resume behind this `seq`"),
            ("since", "query", "the same, for a first connection"),
            ("epoch", "query", "the epoch that the cursor is of"),
        ],
        credentials: &[&[Signature], &[SignatureInQuery], &[Token]],
        body: None,
        success: (200, EVENT_STREAM, "Event"),
        errors: READING,
    },
];
