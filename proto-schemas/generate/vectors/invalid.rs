//! What is wrong, one message for each rule, with the code that it must be refused with.

use data_encoding::HEXLOWER;
use kez_proto::{
    Code,
    identity::{Claim, Event, Key, Signer, link},
};
use serde_json::{Value, json};

use super::{at, canonical, ed25519, envelope, golden, nostr};

/// The order of Ed25519's group, little-endian.
const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

/// `invalid.json`.
pub fn document() -> Value {
    json!({ "claims": claims(), "events": events() })
}

fn case(rule: &str, code: Code, document: impl Into<String>) -> Value {
    json!({ "rule": rule, "code": code, "document": document.into() })
}

fn claim_payload() -> Value {
    json!({ "type": Claim::TYPE, "version": 1, "subject": "github:alice", "primary": ed25519(0x42).key(), "created_at": at(0) })
}

/// A claim that was changed before it was signed.
fn claim(change: impl FnOnce(&mut Value)) -> Value {
    let mut payload = claim_payload();
    change(&mut payload);
    envelope(Claim::TAG, payload, &ed25519(0x42))
}

/// A good claim that was changed afterwards.
fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut envelope = claim(|_| {});
    change(&mut envelope);
    canonical(&envelope)
}

fn claims() -> Vec<Value> {
    let good = changed(|_| {});
    let payload = |change: fn(&mut Value)| canonical(&claim(change));
    vec![
        case("empty", Code::MalformedJson, ""),
        case("trailing bytes", Code::MalformedJson, format!("{good}{{}}")),
        case("a byte order mark", Code::MalformedJson, format!("\u{feff}{good}")),
        case("an unknown member", Code::MalformedJson, changed(|e| e["note"] = "unsigned".into())),
        case(
            "a missing member",
            Code::MalformedJson,
            changed(|e| drop(e.as_object_mut().map(|e| e.remove("signature")))),
        ),
        case("a duplicate key", Code::DuplicateKey, good.replacen('{', r#"{"kez":"claim","#, 1)),
        case(
            "a duplicate key, spelled otherwise",
            Code::DuplicateKey,
            good.replacen(r#""version""#, r#""\u0076ersion":1,"version""#, 1),
        ),
        case(
            "a number beyond 2^53",
            Code::NumberOutOfRange,
            good.replacen(r#""version":1"#, r#""n":9007199254740993,"version":1"#, 1),
        ),
        case("over-size", Code::TooLarge, format!("{good}{}", " ".repeat(16 * 1024))),
        case("wrong tag", Code::WrongTag, changed(|e| e["kez"] = "sigchain_event".into())),
        case("wrong type", Code::WrongType, payload(|p| p["type"] = "kez.chat.handle_registration".into())),
        case("wrong version", Code::WrongVersion, payload(|p| p["version"] = 2.into())),
        case("a version that is a text", Code::WrongVersion, payload(|p| p["version"] = "1".into())),
        case(
            "unknown alg",
            Code::UnsupportedAlg,
            changed(|e| e["signature"]["alg"] = "ed25519-sha512".into()),
        ),
        case(
            "another's key",
            Code::KeyMismatch,
            changed(|e| e["signature"]["key"] = ed25519(0x44).key().to_string().into()),
        ),
        case(
            "no primary",
            Code::KeyMismatch,
            payload(|p| drop(p.as_object_mut().map(|p| p.remove("primary")))),
        ),
        case(
            "alg of another kind of key",
            Code::InvalidPrimary,
            changed(|e| e["signature"]["alg"] = nostr(0x43).key().alg().into()),
        ),
        case("upper-case hex in the key", Code::InvalidPrimary, upper_case_key()),
        case("small-order key", Code::InvalidPrimary, small_order()),
        case(
            "upper-case hex in the signature",
            Code::BadSignature,
            changed(|e| {
                let sig = e["signature"]["sig"].as_str().map(str::to_uppercase);
                e["signature"]["sig"] = sig.into();
            }),
        ),
        case(
            "non-canonical S",
            Code::BadSignature,
            changed(|e| {
                let sig = e["signature"]["sig"].as_str().map(plus_order);
                e["signature"]["sig"] = sig.into();
            }),
        ),
        case(
            "a signature too long",
            Code::BadSignature,
            changed(|e| {
                let sig = e["signature"]["sig"].as_str().map(|sig| format!("{sig}00"));
                e["signature"]["sig"] = sig.into();
            }),
        ),
        case(
            "another payload",
            Code::BadSignature,
            changed(|e| e["payload"]["subject"] = "github:mallory".into()),
        ),
        case("another payload, BIP-340", Code::BadSignature, {
            let mut payload = claim_payload();
            payload["primary"] = nostr(0x43).key().to_string().into();
            let mut envelope = envelope(Claim::TAG, payload, &nostr(0x43));
            envelope["payload"]["subject"] = "github:mallory".into();
            canonical(&envelope)
        }),
        case("no such system", Code::InvalidSubject, payload(|p| p["subject"] = "fax:0123".into())),
        case(
            "white space in a subject",
            Code::InvalidSubject,
            payload(|p| p["subject"] = "dns:a lice.example".into()),
        ),
        case(
            "a time with a fraction",
            Code::InvalidTimestamp,
            payload(|p| p["created_at"] = "2026-05-25T03:00:00.5Z".into()),
        ),
        case("null for an absent member", Code::InvalidTimestamp, payload(|p| p["expires_at"] = Value::Null)),
    ]
}

fn upper_case_key() -> String {
    let key = ed25519(0x42).key().identifier().to_uppercase();
    let mut envelope = claim(|payload| payload["primary"] = format!("ed25519:{key}").into());
    envelope["signature"]["key"] = envelope["payload"]["primary"].clone();
    canonical(&envelope)
}

/// The identity as key and as R, 0 as S: this holds for any message where small orders are taken.
fn small_order() -> String {
    let identity = format!("01{}", "00".repeat(31));
    let mut envelope = claim(|payload| payload["primary"] = format!("ed25519:{identity}").into());
    envelope["signature"]["key"] = envelope["payload"]["primary"].clone();
    envelope["signature"]["sig"] = format!("{identity}{}", "00".repeat(32)).into();
    canonical(&envelope)
}

/// The signature with S + L in place of S.
fn plus_order(sig: &str) -> String {
    let mut bytes = HEXLOWER.decode(sig.as_bytes()).expect("hex");
    let order = HEXLOWER.decode(ORDER.as_bytes()).expect("hex");
    let mut carry = 0;
    for (byte, add) in bytes[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = ((sum & 0xff) as u8, sum >> 8);
    }
    HEXLOWER.encode(&bytes)
}

/// An event behind these, signed by whoever, with its payload changed before.
fn next(
    before: &[String],
    signer: &impl Signer,
    op: &str,
    inner: Value,
    change: impl FnOnce(&mut Value),
) -> String {
    let mut payload = json!({
        "type": Event::TYPE, "version": 1, "primary": signer.key(), "seq": before.len(), "created_at": at(30),
        "op": op, "payload": inner
    });
    if let Some(last) = before.last() {
        payload["prev"] = link(last.as_bytes()).expect("an event").into();
    }
    change(&mut payload);
    canonical(&envelope(Event::TAG, payload, signer))
}

/// A rotation to `new`, with a proof by whoever.
fn rotation(before: &[String], signer: &impl Signer, new: Key, prover: &impl Signer) -> String {
    next(before, signer, "rotate", json!({ "new_primary": new }), |payload| {
        let Ok(proof) = prover.sign(canonical(payload).as_bytes()) else { panic!("the key is at hand") };
        payload["payload"]["proof"] = HEXLOWER.encode(&proof).into();
    })
}

fn events() -> Vec<Value> {
    let (first, second) = (ed25519(0x42), ed25519(0x44));
    let mut chain: Vec<String> = vec![];
    golden::add(&mut chain, &first, &golden::op_add("github:alice", None));
    golden::add(&mut chain, &first, &golden::op_add("dns:alice.example", None));
    let mut rotated = chain.clone();
    golden::rotate(&mut rotated, &first, &second);

    let bob = || json!({ "subject": "github:bob" });
    let alice = || json!({ "subject": "github:alice" });
    let behind = |chain: &[String], rule: &str, code: Code, event: String| {
        let mut case = case(rule, code, event);
        case["chain"] = chain.into();
        case
    };
    let add = |change: fn(&mut Value)| next(&chain, &first, "add", bob(), change);
    let op = |op: &str, inner: Value| next(&chain, &first, op, inner, |_| {});
    vec![
        behind(
            &chain,
            "over-size",
            Code::TooLarge,
            next(&chain, &first, "add", bob(), |p| p["note"] = "x".repeat(16 * 1024).into()),
        ),
        behind(
            &chain,
            "over-size once it is canonical",
            Code::TooLarge,
            next(&chain, &first, "add", bob(), |p| p["note"] = json!(vec![1_000_000_000_000_000_u64; 1100]))
                .replace("1000000000000000", "1e15"),
        ),
        behind(&chain, "a seq that is no number", Code::InvalidEvent, add(|p| p["seq"] = "2".into())),
        behind(&chain, "a seq below 0", Code::InvalidEvent, add(|p| p["seq"] = (-1).into())),
        behind(
            &[],
            "null for an absent prev",
            Code::InvalidEvent,
            next(&[], &first, "add", bob(), |p| p["prev"] = Value::Null),
        ),
        behind(&chain, "no inner payload", Code::InvalidEvent, op("add", Value::Null)),
        behind(
            &chain,
            "members at the top",
            Code::InvalidSubject,
            next(&chain, &first, "add", json!({}), |p| p["subject"] = "github:bob".into()),
        ),
        behind(
            &chain,
            "revoke of both",
            Code::InvalidEvent,
            op("revoke", json!({ "subject": "github:alice", "device": "x" })),
        ),
        behind(&chain, "revoke of nothing", Code::InvalidEvent, op("revoke", json!({}))),
        behind(
            &chain,
            "a device without a name",
            Code::InvalidEvent,
            op("add_device", json!({ "device": "x" })),
        ),
        behind(
            &chain,
            "rotate without the new key's proof",
            Code::InvalidEvent,
            op("rotate", json!({ "new_primary": second.key() })),
        ),
        behind(
            &chain,
            "rotate with the old key's proof",
            Code::InvalidProof,
            rotation(&chain, &first, second.key(), &first),
        ),
        behind(&chain, "rotate with a proof for another place", Code::InvalidProof, {
            let elsewhere: Value =
                serde_json::from_str(&rotation(&chain[..1], &first, second.key(), &second)).expect("JSON");
            op("rotate", elsewhere["payload"]["payload"].clone())
        }),
        behind(
            &chain,
            "reused seq",
            Code::ChainConflict,
            next(&chain[..1], &first, "add", bob(), |p| p["seq"] = 0.into()),
        ),
        behind(&chain, "fork", Code::ChainConflict, next(&chain[..1], &first, "add", bob(), |_| {})),
        behind(&chain, "the same event again", Code::ChainConflict, chain[1].clone()),
        behind(&chain, "gap", Code::ChainGap, add(|p| p["seq"] = 3.into())),
        behind(
            &[],
            "a beginning that isn't 0",
            Code::ChainGap,
            next(&[], &first, "add", bob(), |p| p["seq"] = 1.into()),
        ),
        behind(
            &chain,
            "wrong prev",
            Code::WrongPrev,
            next(&chain[..1], &first, "add", bob(), |p| p["seq"] = 2.into()),
        ),
        behind(
            &chain,
            "no prev",
            Code::WrongPrev,
            add(|p| drop(p.as_object_mut().map(|p| p.remove("prev")))),
        ),
        behind(
            &[],
            "a prev at the beginning",
            Code::WrongPrev,
            next(&chain[..1], &first, "add", bob(), |p| p["seq"] = 0.into()),
        ),
        behind(
            &chain,
            "somebody else's key",
            Code::KeyNotInForce,
            next(&chain, &second, "add", bob(), |_| {}),
        ),
        behind(
            &rotated,
            "the old key after rotate",
            Code::KeyNotInForce,
            next(&rotated, &first, "add", bob(), |_| {}),
        ),
        behind(
            &rotated,
            "rotate to a key of before",
            Code::KeyInUse,
            rotation(&rotated, &second, first.key(), &first),
        ),
        behind(
            &chain,
            "rotate to the key in force",
            Code::KeyInUse,
            rotation(&chain, &first, first.key(), &first),
        ),
        behind(&chain, "revoke of the unknown", Code::NothingToRevoke, op("revoke", bob())),
        behind(
            &[],
            "revoke in an empty chain",
            Code::NothingToRevoke,
            next(&[], &first, "revoke", alice(), |_| {}),
        ),
        behind(
            &chain,
            "revoke of an unknown device",
            Code::NothingToRevoke,
            op("revoke", json!({ "device": "x" })),
        ),
    ]
}
