//! JSON Schemas (2020-12) of the public wire types.

use kez_proto::{
    Problem,
    envelope::{self, Signed},
    identity::{Claim, ClaimPayload, Event as SigchainEvent, EventPayload, Key, NOSTR_JCS},
    mail::{ClientAck, ClientHistory, Message, Page, Purged, Sent},
    registration::{self, HandleRegistration},
    registry::{ClientLookup, Record, Released},
    release::{self, HandleRelease},
    server::{Health, ServerInfo},
    session::{self, Jwks, Session, SessionStart},
    sigchain::{self, Appended, ChainHead},
    sse::{self, Ready, Resync},
    webfinger::Jrd,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema, transform};
use serde_json::{Map, Value, json};

/// An envelope of any kind: kept to the byte, so the wire types hold it unread.
type Envelope = Map<String, Value>;

macro_rules! public {
    ($($name:literal $kind:ty)+) => {
        /// One file for each type.
        pub fn files() -> Vec<(String, String)> {
            vec![$(($name, settings().into_generator().into_root_schema_for::<$kind>())),+].into_iter().map(file).collect()
        }

        /// All types in one map, which name each other as components of an OpenAPI document do.
        pub fn components() -> Map<String, Value> {
            let mut settings = settings();
            settings.definitions_path = "/components/schemas".into();
            let mut generator = settings.into_generator();
            $(generator.subschema_for::<$kind>();)+
            generator.subschema_for::<Event>();
            generator.take_definitions(true)
        }
    };
}

public! {
    "Health" Health
    "ServerInfo" ServerInfo
    "Registration" Registration
    "Record" Record
    "Jrd" Jrd
    "SessionEnvelope" SessionEnvelope
    "Session" Session
    "Jwks" Jwks
    "ClaimEnvelope" ClaimEnvelope
    "EventEnvelope" EventEnvelope
    "Sigchain" sigchain::Page<EventEnvelope>
    "ChainHead" ChainHead
    "Appended" Appended
    "ReleaseEnvelope" ReleaseEnvelope
    "Released" Released
    "Send" Send
    "Sent" Sent
    "Message" Message<Envelope>
    "Page" Page<Message<Envelope>>
    "Purged" Purged
    "ClientHistory" ClientHistory
    "ClientAck" ClientAck
    "ClientLookup" ClientLookup
    "Ready" Ready
    "Resync" Resync
    "Problem" Problem
}

fn file((name, mut schema): (&str, Schema)) -> (String, String) {
    assert_eq!(schema.get("title"), Some(&json!(name)));
    schema.insert("$comment".into(), super::notice("proto-schemas/src").into());
    (format!("{}/{name}.json", super::SCHEMAS), format!("{:#}\n", schema.as_value()))
}

fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12()
        .with_transform(transform::RecursiveTransform(plain_words))
        .with_transform(transform::RecursiveTransform(absent_never_null))
}

/// Links of the Rust documentation mean nothing here: ``[`crate::server::ServerInfo::epoch`]`` becomes `` `ServerInfo.epoch` ``.
fn plain_words(schema: &mut Schema) {
    let Some(Value::String(text)) = schema.get_mut("description") else { return };
    let mut plain = String::new();
    let mut parts = text.split("[`");
    plain.extend(parts.next());
    for part in parts {
        let (link, rest) = part.split_once("`]").unwrap_or((part, ""));
        let names: Vec<_> = link.split("::").skip_while(|n| n.starts_with(char::is_lowercase)).collect();
        plain += &format!("`{}`{rest}", names.join("."));
    }
    *text = plain;
}

/// An optional member is left out of the JSON, never `null`.
fn absent_never_null(schema: &mut Schema) {
    let Some(Value::Array(types)) = schema.get("type") else { return };
    if let [kind, null] = &types[..]
        && null == "null"
    {
        let kind = kind.clone();
        schema.insert("type".into(), kind);
    }
}

/// A registration envelope, with the values that are fixed for it.
enum Registration {}

impl JsonSchema for Registration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Registration".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        signed::<HandleRegistration>(
            generator,
            registration::TAG,
            registration::TYPE,
            "Binds a handle to a primary; what is signed is the RFC 8785 form of `payload`.",
        )
    }
}

/// The envelope that gives a handle back, with the values that are fixed for it.
enum ReleaseEnvelope {}

impl JsonSchema for ReleaseEnvelope {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ReleaseEnvelope".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        signed::<HandleRelease>(
            generator,
            release::TAG,
            release::TYPE,
            "Gives a handle back; what is signed is the RFC 8785 form of `payload`.",
        )
    }
}

/// The envelope that begins a session, with the values that are fixed for it.
enum SessionEnvelope {}

impl JsonSchema for SessionEnvelope {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SessionEnvelope".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        signed::<SessionStart>(
            generator,
            session::TAG,
            session::TYPE,
            "Lets a fresh nkey stand for a primary for a while; what is signed is the RFC 8785 form of `payload`.",
        )
    }
}

/// A claim, with the values that are fixed for it.
enum ClaimEnvelope {}

impl JsonSchema for ClaimEnvelope {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ClaimEnvelope".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let words = "Says that an account elsewhere is the same person's; what is signed is the RFC 8785 form of `payload`.";
        fixed::<SignedByAny<ClaimPayload>, ClaimPayload>(generator, Claim::TAG, Claim::TYPE, words)
    }
}

/// An event of an identity log, with the values that are fixed for it.
enum EventEnvelope {}

impl JsonSchema for EventEnvelope {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EventEnvelope".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let words = "One event of an identity log; what is signed is the RFC 8785 form of `payload`.";
        fixed::<SignedByAny<EventPayload>, EventPayload>(
            generator,
            SigchainEvent::TAG,
            SigchainEvent::TYPE,
            words,
        )
    }
}

/// [`Signed`] by a key of any kind. The wire type knows the signature as texts; this one only describes it.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code, reason = "described, never made")]
struct SignedByAny<P> {
    /// What kind of statement this is.
    kez: String,
    /// The statement.
    payload: P,
    /// The signature over the payload's canonical bytes.
    signature: AnySignature,
}

/// Who signed, how, and the signature.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code, reason = "described, never made")]
struct AnySignature {
    /// The suite.
    #[schemars(extend("enum" = [envelope::ED25519_JCS, NOSTR_JCS]))]
    alg: String,
    /// The signer; must equal the payload's `primary`.
    key: Key,
    /// 128 lower-case hex digits.
    #[schemars(regex(pattern = "^[0-9a-f]{128}$"))]
    sig: String,
}

/// An envelope with this payload, tag and type, signed by Ed25519.
fn signed<P: JsonSchema>(generator: &mut SchemaGenerator, tag: &str, kind: &str, words: &str) -> Schema {
    let schema = fixed::<Signed<P>, P>(generator, tag, kind, words);
    let signature = &mut generator.definitions_mut()["Signature"];
    set(signature.pointer_mut("/properties"), "alg", json!(envelope::ED25519_JCS));
    schema
}

/// The envelope type `E` around a payload `P`, with the tag, type and version that are fixed for it.
fn fixed<E: JsonSchema, P: JsonSchema>(
    generator: &mut SchemaGenerator,
    tag: &str,
    kind: &str,
    words: &str,
) -> Schema {
    let mut schema = E::json_schema(generator);
    set(schema.pointer_mut("/properties"), "kez", json!(tag));
    let payload = &mut generator.definitions_mut()[&*P::schema_name()];
    set(payload.pointer_mut("/properties"), "type", json!(kind));
    set(payload.pointer_mut("/properties"), "version", json!(1));
    schema.insert("description".into(), words.into());
    schema
}

/// Fixes a member's value.
fn set(properties: Option<&mut Value>, member: &str, value: Value) {
    *properties.and_then(|p| p.get_mut(member)).expect("the wire type has this member") =
        json!({ "const": value });
}

/// Body of `POST /v1/messages`. The wire type borrows its envelope; this one only describes it.
#[derive(JsonSchema)]
#[schemars(description = "A message to leave in an inbox.")]
#[allow(dead_code, reason = "described, never made")]
struct Send {
    /// The recipient's handle.
    to: kez_proto::Handle,
    /// Any JSON object, kept to the byte; sealed, so that the server can't look inside.
    envelope: Envelope,
}

/// The events of a stream, as a client's parser of `text/event-stream` gives them.
enum Event {}

impl JsonSchema for Event {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Event".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let event = |name: &str, data: Schema| json!({ "type": "object", "properties": { "event": { "const": name }, "data": data } });
        let mut message = event(sse::MESSAGE, generator.subschema_for::<Message<Envelope>>());
        message["properties"]["id"] =
            json!({ "type": "integer", "description": "the message's `seq`, for `Last-Event-ID`" });
        json_schema!({
            "description": "One event; `data` is JSON.",
            "oneOf": [
                message,
                event(sse::READY, generator.subschema_for::<Ready>()),
                event(sse::RESYNC, generator.subschema_for::<Resync>()),
                event(sse::PING, json_schema!({ "description": "empty", "const": "" })),
            ]
        })
    }
}
