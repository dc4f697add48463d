//! `asyncapi.yaml` (AsyncAPI 3.0): what a person's own client sends and receives over NATS.

use kez_proto::{
    Code::{self, *},
    headers,
    limits::{CHAT_PAYLOAD_BYTES, CHAT_SUBSCRIPTIONS, NATS_CONNECTIONS_PER_KEY},
    subjects::{self, CLIENT_REQUESTS},
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::schemas;

/// A request of a client.
struct Request {
    name: &'static str,
    subject: &'static str,
    summary: &'static str,
    body: &'static str,
    answer: &'static str,
    errors: &'static [Code],
}

const REQUESTS: [Request; 4] = [
    Request {
        name: "send",
        subject: subjects::CLIENT_SEND,
        summary: "Leave a message in an inbox, as the handle in the subject; the answer means that it is on disk",
        body: "Send",
        answer: "Sent",
        errors: &[
            MalformedJson,
            EnvelopeNotObject,
            InvalidHandle,
            UnknownHandle,
            TooLarge,
            InboxFull,
            StorageFull,
        ],
    },
    Request {
        name: "history",
        subject: subjects::CLIENT_HISTORY,
        summary: "A page of the handle's own mail, oldest first; an empty request takes all defaults",
        body: "ClientHistory",
        answer: "Page",
        errors: &[MalformedJson, TooLarge, InvalidParameter, UnknownHandle],
    },
    Request {
        name: "ack",
        subject: subjects::CLIENT_ACK,
        summary: "Delete the handle's own mail up to and including `through`",
        body: "ClientAck",
        answer: "Purged",
        errors: &[MalformedJson, TooLarge, InvalidParameter, UnknownHandle],
    },
    Request {
        name: "lookup",
        subject: subjects::CLIENT_LOOKUP,
        summary: "The record of a handle or of a key",
        body: "ClientLookup",
        answer: "Record",
        errors: &[
            MalformedJson,
            TooLarge,
            InvalidParameter,
            InvalidHandle,
            InvalidPrimary,
            UnknownHandle,
            UnknownPrimary,
        ],
    },
];

/// What any request may be answered.
const ALWAYS: [Code; 3] = [RateLimited, Internal, Unavailable];

const INBOX: &str = "kez.chat.inbox.*";
/// `kez.inbox.<hex>.<anything>`
const REPLIES: &str = "kez.inbox.{primary}.{id}";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    asyncapi: &'static str,
    info: Value,
    default_content_type: &'static str,
    servers: Value,
    channels: Map<String, Value>,
    operations: Map<String, Value>,
    components: Value,
}

/// The document's text.
pub fn text() -> String {
    assert_eq!(REQUESTS.each_ref().map(|request| request.subject), CLIENT_REQUESTS);

    let mut document = Document {
        asyncapi: "3.0.0",
        info: json!({
            "title": "Kez Chat over NATS",
            "version": "v1",
            "license": { "name": "MIT OR Apache-2.0" },
            "description": "What a person's own client sends and receives over NATS; nothing else is allowed. It has the same rules, limits and errors as the \
                            HTTP API (openapi.yaml). What to do about each error code is in errors.md. Headers that a client sends mean nothing.",
        }),
        default_content_type: "application/json",
        servers: servers(),
        channels: channels(),
        operations: operations(),
        components: json!({ "messages": messages(), "securitySchemes": security() }),
    };
    document.components["schemas"] = used_schemas(&json!(document));
    super::check_references(&json!(document));
    let yaml = serde_saphyr::to_string(&document).expect("the document is plain data");
    format!("# {}\n{yaml}", super::notice("proto-schemas/src"))
}

fn servers() -> Value {
    let server = |protocol: &str, port: &str, words: &str| {
        json!({
            "host": format!("{{host}}:{port}"),
            "protocol": protocol,
            "description": words,
            "variables": { "host": { "description": "`GET /v1/server` tells the address, in `nats`" } },
            "security": [reference("securitySchemes", "key"), reference("securitySchemes", "session")],
        })
    };
    json!({
        "tcp": server("nats", "4222", "for programs; `tls://` away from the server's own machine"),
        "websocket": server("wss", "8443", "for browsers, on the pages that the server names; `ws://` on the server's own machine"),
    })
}

fn security() -> Value {
    let bounds = format!(
        "A key may have {NATS_CONNECTIONS_PER_KEY} connections, each {CHAT_SUBSCRIPTIONS} subscriptions and messages of {CHAT_PAYLOAD_BYTES} bytes. \
         The connection ends after about an hour; log in again. Set the inbox prefix to `kez.inbox.<64 hex digits of the primary>`: replies reach no other."
    );
    json!({
        "key": {
            "type": "asymmetricEncryption",
            "description": format!(
                "CONNECT with `nkey`, the primary's 32 bytes as a public user nkey (U…), and `sig`, base64url of its signature over \
                 `KEZ-NATS-AUTH-v1\\n<server name>\\n<nonce>`. The server name is the one that the user configured, and a nonce that isn't \
                 [A-Za-z0-9_-]{{8,64}} is signed never. A server that has the feature `nats-plain-nonce` also takes the bare nonce's signature, \
                 which stock NATS clients make. {bounds}"
            ),
        },
        "session": {
            "type": "asymmetricEncryption",
            "description": "CONNECT with `auth_token`, a session token of POST /v1/session; `nkey`, the session's; and `sig`, by the session's key as above.",
        },
    })
}

fn channels() -> Map<String, Value> {
    let mut channels = Map::new();
    channels.insert("inbox".into(), channel(INBOX, "Mail as it comes, after it is on disk", &["push"]));
    for Request { name, subject, summary, .. } in &REQUESTS {
        channels.insert((*name).into(), channel(subject, summary, &[name]));
    }
    let answers: Vec<_> = REQUESTS.iter().map(|request| answer_name(request.answer)).collect();
    let mut kinds: Vec<&str> = answers.iter().map(String::as_str).collect();
    kinds.push("error");
    channels.insert("replies".into(), channel(REPLIES, "The client's own reply inbox", &kinds));
    channels
}

fn channel(subject: &str, summary: &str, kinds: &[&str]) -> Value {
    let address = subject.replace('*', "{handle}");
    let named = address.split('{').filter_map(|rest| rest.split_once('}'));
    let parameters: Map<String, Value> =
        named.map(|(name, _)| (name.into(), json!({ "description": parameter(name) }))).collect();
    let kinds: Map<String, Value> =
        kinds.iter().map(|kind| ((*kind).into(), reference("messages", kind))).collect();
    let mut channel = json!({ "address": address, "summary": summary, "messages": kinds });
    if !parameters.is_empty() {
        channel["parameters"] = parameters.into();
    }
    channel
}

fn parameter(name: &str) -> &'static str {
    match name {
        "handle" => "the connected person's own handle",
        "primary" => "the 64 hex digits of the connected person's own primary",
        _ => "of the client's choice, for one request",
    }
}

fn operations() -> Map<String, Value> {
    let mut operations = Map::new();
    let words = format!(
        "Believe a push only if `{}` is `kez.store.inbox.<p>.<handle>` with the own handle and both sequences are there, each read by its header's last \
         value: anybody's answer may be led here. A message at or below the cursor is known. A `{}` above the cursor is a gap: ask `history`, then go on. \
         To begin, subscribe, flush, and ask `history` with `head` from the cursor until there; ask for the head again after each reconnect and once a minute.",
        headers::NATS_SUBJECT,
        headers::NATS_LAST_SEQUENCE
    );
    let push = json!({ "$ref": "#/channels/inbox/messages/push" });
    operations.insert(
        "receive".into(),
        json!({ "action": "receive", "channel": { "$ref": "#/channels/inbox" }, "description": words, "messages": [push] }),
    );
    for Request { name, summary, answer, errors, .. } in &REQUESTS {
        let codes: Vec<_> = errors.iter().chain(&ALWAYS).map(|code| format!("`{code}`")).collect();
        let reply = |kind: &str| json!({ "$ref": format!("#/channels/replies/messages/{kind}") });
        let operation = json!({
            "action": "send",
            "channel": { "$ref": format!("#/channels/{name}") },
            "summary": summary,
            "description": format!("Errors: {}.", codes.join(", ")),
            "messages": [{ "$ref": format!("#/channels/{name}/messages/{name}") }],
            "reply": {
                "channel": { "$ref": "#/channels/replies" },
                "messages": [reply(&answer_name(answer)), reply("error")],
            },
        });
        operations.insert((*name).into(), operation);
    }
    operations
}

fn messages() -> Map<String, Value> {
    let mut messages = Map::from_iter([("push".into(), push()), ("error".into(), error())]);
    for Request { name, body, answer, .. } in &REQUESTS {
        messages.insert((*name).into(), json!({ "payload": reference("schemas", body) }));
        messages.insert(answer_name(answer), json!({ "payload": reference("schemas", answer) }));
    }
    messages
}

/// A message's name beside those of requests.
fn answer_name(schema: &str) -> String {
    schema.to_lowercase()
}

fn push() -> Value {
    let number = |words: &str| json!({ "type": "string", "pattern": "^[0-9]+$", "description": words });
    let headers = json!({
        headers::NATS_SEQUENCE: number("the message's `seq`"),
        headers::NATS_LAST_SEQUENCE: number("the `seq` of the inbox's previous message that is still stored, or 0"),
        headers::NATS_SUBJECT: { "type": "string", "description": "where it is stored: `kez.store.inbox.<p>.<handle>`" },
        headers::NATS_TIME_STAMP: { "type": "string", "format": "date-time", "description": "when it was stored" },
        headers::CREATED_AT: { "allOf": [reference("schemas", "Timestamp")], "description": "when the server took it: `created_at` of `Message`" },
    });
    let required: Vec<_> = headers.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    json!({
        "summary": "An envelope's own bytes; what else belongs to the message is in headers",
        "headers": { "type": "object", "properties": headers, "required": required },
        "payload": { "type": "object" },
    })
}

fn error() -> Value {
    json!({
        "summary": "An error; the answer's body is empty",
        "headers": {
            "type": "object",
            "properties": {
                headers::NATS_SERVICE_ERROR: { "type": "string", "description": "`<code>: <words>`" },
                headers::NATS_SERVICE_ERROR_CODE: { "type": "string", "description": "the code's HTTP status" },
                headers::RETRY_AFTER: { "type": "string", "description": "seconds, where another try makes sense" },
            },
            "required": [headers::NATS_SERVICE_ERROR, headers::NATS_SERVICE_ERROR_CODE],
        },
        "payload": { "type": "string", "maxLength": 0 },
    })
}

fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

/// The schemas that the document names, and those that they name.
fn used_schemas(document: &Value) -> Value {
    let all = schemas::components();
    let mut used = Map::new();
    let mut wanted: Vec<_> = super::references(document).into_iter().map(String::from).collect();
    while let Some(name) = wanted.pop() {
        let Some(name) = name.strip_prefix("#/components/schemas/") else { continue };
        if let Some(schema) = all.get(name).filter(|_| !used.contains_key(name)) {
            wanted.extend(super::references(schema).into_iter().map(String::from));
            used.insert(name.into(), schema.clone());
        }
    }
    used.into()
}
