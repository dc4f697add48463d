//! Every number of the protocol. Those marked *configurable* are the defaults of a flag; the rest are fixed.

use std::time::Duration;

/// Bytes of a signed registration, at most.
pub const REGISTRATION_BYTES: usize = 4 * 1024;
/// Bytes of one message's envelope, at most. Configurable at the fan-out.
pub const ENVELOPE_BYTES: usize = 256 * 1024;
/// Bytes that `{"to":…,"envelope":…}` and white space may add around an envelope.
pub const SEND_OVERHEAD_BYTES: usize = 1024;
/// Messages in one page of mail when the reader names no limit.
pub const PAGE_DEFAULT: usize = 100;
/// Messages in one page of mail, at most.
pub const PAGE_MAX: usize = 500;
/// Stored bytes (subject, headers and payload) that fill a page of mail: it ends with the message that reaches them. With the largest envelope
/// at its end it must fit into [`NATS_PAYLOAD_BYTES`], with what JSON adds.
pub const PAGE_BYTES: usize = 760 * 1024;
/// `max_payload` of the services' NATS account.
pub const NATS_PAYLOAD_BYTES: usize = 1024 * 1024;
/// `max_payload` of the users' NATS account: the largest envelope, and what a send adds to it.
pub const CHAT_PAYLOAD_BYTES: usize = 300 * 1024;
/// Subscriptions of one user's connection: its inbox, its replies, and some to spare.
pub const CHAT_SUBSCRIPTIONS: u32 = 16;
/// Connections of users to one nats-server.
pub const CHAT_CONNECTIONS: u32 = 10_000;
/// Bytes of a signed claim, at most.
pub const CLAIM_BYTES: usize = 16 * 1024;
/// Bytes of one signed event of an identity log, at most.
pub const EVENT_BYTES: usize = 16 * 1024;
/// Events in one identity log, at most.
pub const CHAIN_EVENTS: u64 = 10_000;
/// Bytes of an identity log in one file, at most: ten thousand events of the usual kind fill half of it.
pub const CHAIN_EXPORT_BYTES: usize = 16 * 1024 * 1024;
/// A released handle is kept for its last key for so long: a rule of the registry's log, and so never changed.
pub const HANDLE_RESERVED: Duration = Duration::from_secs(90 * 86_400);
/// Bytes of a claim's subject, at most.
pub const SUBJECT_BYTES: usize = 255;
/// Bytes of the URL where a claim's other half is, at most.
pub const PROOF_URL_BYTES: usize = 2048;
/// Bytes of a device's identifier and of its name, at most.
pub const DEVICE_BYTES: usize = 128;
/// Bytes of JSON inside a sealed message, at most: as much as an envelope of [`ENVELOPE_BYTES`] can hold in base64url, with some to spare.
pub const SEALED_JSON_BYTES: usize = 176 * 1024;
/// Handles in one `heads` request, at most.
pub const HEADS_MAX: usize = 500;

/// How far `created_at` of a registration may be from the log's clock, either way, in seconds. Fixed: the log's readers must agree.
pub const REGISTRATION_SKEW_SECS: i64 = 300;
/// How far the time of a signed request may be from the verifier's clock, either way, in seconds.
pub const REQUEST_SKEW_SECS: i64 = 60;
/// How far `sent_at` of a sealed message may be from the time at which the server stored it, either way, in seconds. As long as [`DUPLICATE_WINDOW`]: in that
/// time a sender without an answer sends the same bytes again, and the server knows them; later they seal the message anew, under its old id.
pub const SENT_SKEW_SECS: i64 = 600;
/// How long the signature that opened a stream lets the gateway repair that stream's gaps; streams end before.
pub const STREAM_LIFETIME: Duration = Duration::from_secs(12 * 3600);
/// A session token is good for so long; then it is renewed.
pub const SESSION_TOKEN: Duration = Duration::from_secs(15 * 60);
/// Whoever verifies session tokens asks for the public keys again after so long, at most.
pub const SESSION_KEYS_REFRESH: Duration = Duration::from_secs(60);
/// A new key is public for so long before it signs tokens, so that whoever verifies has it by then: longer than [`SESSION_KEYS_REFRESH`] and what each auth
/// callout needs to see a new file.
pub const SESSION_KEY_PUBLISHED: Duration = Duration::from_secs(120);
/// A session lasts so long, at most. Configurable.
pub const SESSION: Duration = Duration::from_secs(24 * 3600);
/// A user's connection to NATS lasts so long, ± a tenth; then the client logs in again. Configurable.
pub const NATS_LOGIN: Duration = Duration::from_secs(3600);
/// nats-server waits so long for a client to log in, and for the auth callout's word. From 2 s on, clients take the server's first ping for a welcome.
pub const NATS_LOGIN_TIMEOUT: Duration = Duration::from_millis(1800);
/// Connections to NATS that one key may have at once. Configurable.
pub const NATS_CONNECTIONS_PER_KEY: u32 = 16;
/// Messages that one sender may send per minute, by session token or over NATS. Configurable.
pub const SENDER_MESSAGES_PER_MINUTE: u32 = 240;
/// Requests that one person may make per minute over NATS, to the fan-out and to the registry each. Configurable.
pub const CLIENT_REQUESTS_PER_MINUTE: u32 = 1200;
/// Bytes of a client's request that carries no envelope, at most.
pub const CLIENT_REQUEST_BYTES: usize = 4 * 1024;
/// A visible ping on an idle SSE stream.
pub const SSE_PING: Duration = Duration::from_secs(15);

/// A caller of the public API has its answer, or `unavailable`, within this time.
pub const CALLER_DEADLINE: Duration = Duration::from_millis(1900);
/// What a service gives JetStream and other services; shorter than [`CALLER_DEADLINE`], so that its error arrives.
pub const SERVICE_DEADLINE: Duration = Duration::from_millis(1500);

/// Streams that mail is spread over; fixed when the deployment is created. Configurable then.
pub const PARTITIONS: u16 = 16;
/// Partitions, at most.
pub const PARTITIONS_MAX: u16 = 64;
/// Days that mail is kept. Configurable.
pub const MAIL_DAYS: u32 = 30;
/// Messages in one inbox. Configurable.
pub const INBOX_MESSAGES: u32 = 10_000;
/// Bytes of mail in the whole deployment, shared evenly by its partitions. Configurable. A partition of the default size has room for the fullest inbox
/// ([`INBOX_MESSAGES`] of [`ENVELOPE_BYTES`], 2.5 GiB): whoever fills one inbox can't keep mail from others.
pub const STORE_BYTES: u64 = 64 << 30;
/// In this window the same envelope to the same recipient is stored once. Configurable.
pub const DUPLICATE_WINDOW: Duration = Duration::from_secs(600);

/// Live messages that wait for one slow SSE reader before its stream ends with `resync`.
pub const STREAM_QUEUE_MESSAGES: usize = 64;
/// Bytes of live messages that wait for one slow SSE reader before its stream ends with `resync`; one message is always queued.
pub const STREAM_QUEUE_BYTES: usize = 1024 * 1024;
