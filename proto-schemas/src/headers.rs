//! Header names, on NATS and on HTTP. Services build NATS headers from scratch and read `Nats-*` headers by their
//! last value: a publisher may have put a forged one before the server's.

/// When the fan-out accepted the message ([`crate::Timestamp`]); stored with it.
pub const CREATED_AT: &str = "Kez-Created-At";
/// JetStream's key for telling a retry from a new message.
pub const NATS_MSG_ID: &str = "Nats-Msg-Id";
/// The stream sequence of a stored message, set by the server.
pub const NATS_SEQUENCE: &str = "Nats-Sequence";
/// When the stream took a stored message, set by the server (RFC 3339, nanoseconds).
pub const NATS_TIME_STAMP: &str = "Nats-Time-Stamp";
/// In a push: the sequence of the same subject's previous message that is still stored, or 0.
pub const NATS_LAST_SEQUENCE: &str = "Nats-Last-Sequence";
/// The subject under which a message is stored, set by the server.
pub const NATS_SUBJECT: &str = "Nats-Subject";
/// In an answer to a batch read: how many messages of the subject come after this one.
pub const NATS_NUM_PENDING: &str = "Nats-Num-Pending";
/// JetStream appends only if this is the stream's last sequence.
pub const NATS_EXPECTED_LAST_SEQUENCE: &str = "Nats-Expected-Last-Sequence";
/// JetStream appends only if this is the sequence of the subject's last message, or 0 if there is to be none.
pub const NATS_EXPECTED_LAST_SUBJECT_SEQUENCE: &str = "Nats-Expected-Last-Subject-Sequence";
/// How many more a counter has from now on (ADR-49); the answer tells how many it has.
pub const NATS_INCR: &str = "Nats-Incr";
/// Names an atomic batch (ADR-50).
pub const NATS_BATCH_ID: &str = "Nats-Batch-Id";
/// A message's place in its batch, from 1.
pub const NATS_BATCH_SEQUENCE: &str = "Nats-Batch-Sequence";
/// Ends a batch with this message: all is stored, or nothing.
pub const NATS_BATCH_COMMIT: &str = "Nats-Batch-Commit";
/// Beside an error: [`crate::sigchain::Head`] as JSON.
pub const KEZ_CHAIN_HEAD: &str = "Kez-Chain-Head";
/// The session token of an HTTP sender, from the gateway to the fan-out.
pub const KEZ_SESSION: &str = "Kez-Session";
/// Error text of a NATS service (ADR-32): `<code>: <detail>`.
pub const NATS_SERVICE_ERROR: &str = "Nats-Service-Error";
/// Status of that error: the code's on HTTP.
pub const NATS_SERVICE_ERROR_CODE: &str = "Nats-Service-Error-Code";
/// Seconds to wait before the same request is worth another try: beside an error, as on HTTP (RFC 9110).
pub const RETRY_AFTER: &str = "Retry-After";
/// The trace that a request among services is part of (W3C Trace Context); also on HTTP.
pub const TRACEPARENT: &str = "traceparent";
/// The signature of an HTTP request: `<unix seconds>:<128 hex>`.
pub const X_KEZ_AUTH: &str = "x-kez-auth";
