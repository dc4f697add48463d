//! Writes `proto-schemas/vectors/sealing.json` and `sealing-invalid.json`: sealed messages that every client opens, and such that every client refuses under
//! the same name. It makes them of HPKE, signatures and JSON alone, without the code that they test. What it writes is the same each time.

#![allow(clippy::unwrap_used, reason = "a program of its own: what fails is seen at once")]

use std::{convert::Infallible, fs, path::Path};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ed25519_dalek::VerifyingKey;
use hpke::{
    Deserializable, Kem, OpModeS, Serializable,
    aead::ChaCha20Poly1305,
    kdf::HkdfSha256,
    kem::X25519HkdfSha256,
    rand_core::{TryCryptoRng, TryRng},
    single_shot_seal_with_rng,
};
use kez_client::Identity;
use kez_proto::Primary;
use serde_json::{Value, json};

const SENT: &str = "2026-05-25T03:00:00Z";
const ALICE: [u8; 32] = [0x42; 32];
const BOB: [u8; 32] = [0xb0; 32];
const CAROL: [u8; 32] = [0xca; 32];

/// What HPKE draws: the key material of the ephemeral key (`ikmE` in RFC 9180).
struct Fixed(u8);

impl TryRng for Fixed {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_be_bytes([self.0; 4]))
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_be_bytes([self.0; 8]))
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(self.0);
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}

/// How a plaintext is sealed: as it must be, or not.
struct Sealing<'a> {
    to: Primary,
    aad: String,
    info: &'a [u8],
    ikm: u8,
}

fn properly(to: [u8; 32]) -> Sealing<'static> {
    let to = Identity::from_seed(&to).primary();
    Sealing { to, aad: to.to_string(), info: b"kez-chat/v2", ikm: 0xe0 }
}

impl Sealing<'_> {
    fn seal(&self, plaintext: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let point = VerifyingKey::from_bytes(self.to.as_bytes()).unwrap().to_montgomery();
        let key = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&point.to_bytes()).unwrap();
        let (enc, ct) = single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &key,
            self.info,
            plaintext,
            self.aad.as_bytes(),
            &mut Fixed(self.ikm),
        )
        .unwrap();
        (enc.to_bytes().to_vec(), ct)
    }

    fn envelope(&self, plaintext: &[u8]) -> String {
        let (enc, ct) = self.seal(plaintext);
        envelope(&enc, &ct)
    }
}

fn envelope(enc: &[u8], ct: &[u8]) -> String {
    let [enc, ct] = [enc, ct].map(|bytes| BASE64URL_NOPAD.encode(bytes));
    format!(r#"{{"v":2,"enc":"{enc}","ct":"{ct}"}}"#)
}

fn padded_to(json: &[u8], len: usize) -> Vec<u8> {
    let mut padded = [&u32::try_from(json.len()).unwrap().to_be_bytes()[..], json].concat();
    padded.resize(len, 0);
    padded
}

fn padded(json: impl AsRef<[u8]>) -> Vec<u8> {
    let len = (512..).find(|n: &usize| n.is_power_of_two() && *n >= json.as_ref().len() + 4).unwrap();
    padded_to(json.as_ref(), len)
}

/// The payload of Alice's message to Bob.
fn payload() -> Value {
    json!({
        "type": "kez.chat.message", "version": 1, "id": "000102030405060708090a0b0c0d0e0f",
        "primary": Identity::from_seed(&ALICE).primary(), "to": Identity::from_seed(&BOB).primary(),
        "sent_at": SENT, "body": { "text": "hi" }
    })
}

fn with(members: Value) -> Value {
    let mut payload = payload();
    for (name, value) in members.as_object().unwrap() {
        payload[name] = value.clone();
    }
    payload
}

fn without(member: &str) -> Value {
    let mut payload = payload();
    payload.as_object_mut().unwrap().remove(member).unwrap();
    payload
}

/// Signed by Alice.
fn signed(payload: &Value) -> Value {
    serde_json::to_value(Identity::from_seed(&ALICE).sign_envelope("message", payload).unwrap()).unwrap()
}

/// Signed by Bob.
fn by_bob(payload: &Value) -> String {
    let signed = Identity::from_seed(&BOB).sign_envelope("message", payload).unwrap();
    serde_json::to_string(&signed).unwrap()
}

fn golden() -> Value {
    // Long enough that its JSON has this many bytes.
    let filled = |bytes: usize| {
        let short = signed(&with(json!({ "body": { "text": "" } }))).to_string().len();
        json!({ "body": { "text": "x".repeat(bytes - short) } })
    };
    let cases = [
        ("a text", SENT, json!({})),
        ("an empty text", SENT, json!({ "body": { "text": "" } })),
        (
            "text beyond ASCII",
            SENT,
            json!({ "body": { "text": "Grüße 👋🏽 \u{0}\u{1b}[31m \"\\\u{2028}\u{feff} עברית" } }),
        ),
        (
            "text with members of a later version",
            SENT,
            json!({ "body": { "text": "hi", "later": [1.5, -0.0, null] } }),
        ),
        ("another kind of body", SENT, json!({ "body": { "file": { "name": "a.png" } } })),
        ("a body that isn't an object", SENT, json!({ "body": 7 })),
        ("a text that isn't one", SENT, json!({ "body": { "text": 7 } })),
        (
            "a payload with a member of a later version",
            SENT,
            json!({ "__proto__": { "id": 1 }, "later": 1e-7 }),
        ),
        ("the fullest bucket of 1 KiB", SENT, filled(1020)),
        ("the emptiest bucket of 2 KiB", SENT, filled(1021)),
        ("the fullest bucket of 2 KiB", SENT, filled(2044)),
        ("the emptiest bucket of 4 KiB", SENT, filled(2045)),
        ("stored ten minutes later", "2026-05-25T03:10:00Z", json!({})),
        ("stored ten minutes earlier", "2026-05-25T02:50:00Z", json!({})),
        ("to oneself", SENT, json!({ "to": Identity::from_seed(&ALICE).primary() })),
        ("the sender's own copy", SENT, json!({ "to": Identity::from_seed(&CAROL).primary() })),
    ];
    let messages = cases.into_iter().enumerate().map(|(n, (name, created_at, members))| {
        let to = if members.get("to").is_some() { ALICE } else { BOB };
        let mut payload = with(members);
        payload["id"] = HEXLOWER.encode(&[u8::try_from(n).unwrap(); 16]).into();
        let json = signed(&payload).to_string();
        let ikm = 0x10 + u8::try_from(n).unwrap();
        let envelope = Sealing { ikm, ..properly(to) }.envelope(&padded(&json));
        let body = &payload["body"];
        json!({
            "name": name, "sender": HEXLOWER.encode(&ALICE), "recipient": HEXLOWER.encode(&to), "ikm": HEXLOWER.encode(&[ikm; 32]),
            "to": payload["to"], "created_at": created_at, "id": payload["id"], "sent_at": SENT, "body": body, "text": body["text"].as_str(),
            "json": json, "envelope": envelope,
        })
    });
    let keys = [ALICE, BOB, CAROL].map(|seed| {
        let primary = Identity::from_seed(&seed).primary();
        let x25519 = VerifyingKey::from_bytes(primary.as_bytes()).unwrap().to_montgomery();
        json!({ "seed": HEXLOWER.encode(&seed), "primary": primary, "x25519": HEXLOWER.encode(&x25519.to_bytes()) })
    });
    json!({ "rfc9180": rfc9180(), "keys": keys, "messages": messages.collect::<Vec<_>>() })
}

/// RFC 9180, A.2.1: base mode of this suite.
fn rfc9180() -> Value {
    json!({
        "info": "4f6465206f6e2061204772656369616e2055726e",
        "ikmE": "909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b",
        "skRm": "8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb",
        "pkRm": "4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a",
        "enc": "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a",
        "pt": "4265617574792069732074727574682c20747275746820626561757479",
        "encryptions": [
            {
                "aad": "436f756e742d30",
                "ct": "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28"
            },
            {
                "aad": "436f756e742d31",
                "ct": "6b53c051e4199c518de79594e1c4ab18b96f081549d45ce015be002090bb119e85285337cc95ba5f59992dc98c"
            },
        ],
    })
}

fn invalid() -> Value {
    let bob = properly(BOB);
    let good = signed(&payload()).to_string();
    let plain = padded(&good);
    let (enc, ct) = bob.seal(&plain);
    let [enc64, ct64] = [&enc, &ct].map(|bytes| BASE64URL_NOPAD.encode(bytes));
    let fine = envelope(&enc, &ct);
    let changed = |bytes: &[u8], at: usize, bit: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= bit;
        bytes
    };
    let mut cases = vec![];
    let mut add = |refusal: &str, name: &str, envelope: String| {
        cases.push(json!({ "name": name, "refusal": refusal, "created_at": SENT, "envelope": envelope }));
    };

    // The same 32 bytes: four bits of the last letter mean nothing, and must be zero.
    let (last, rest) = enc64.chars().next_back().map(|last| (last, &enc64[..42])).unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = alphabet.chars().nth(alphabet.find(last).unwrap() + 1).unwrap();
    let malformed = [
        ("not JSON", fine[1..].to_owned()),
        ("a list", format!("[{fine}]")),
        ("a JSON text", "\"v\"".to_owned()),
        ("another kind of envelope", r#"{"my":"envelope"}"#.to_owned()),
        ("a version in quotes", fine.replace("2,", "\"2\",")),
        ("no ct", format!(r#"{{"v":2,"enc":"{enc64}"}}"#)),
        ("no enc", format!(r#"{{"v":2,"ct":"{ct64}"}}"#)),
        ("a ct that is no text", format!(r#"{{"v":2,"enc":"{enc64}","ct":7}}"#)),
        ("a member too many", fine.replace("\"v\":2", "\"v\":2,\"from\":\"alice\"")),
        ("a member twice", fine.replace("\"v\":2", "\"v\":2,\"v\":2")),
        ("a member twice, once escaped", fine.replace("\"v\":2", "\"v\":2,\"\\u0076\":2")),
        ("base64 with padding", fine.replace(&enc64, &format!("{enc64}="))),
        ("base64 of the other alphabet", fine.replace(&enc64, &format!("+/{}", &enc64[2..]))),
        ("base64 with white space", fine.replace(&enc64, &format!("{}\\n{}", &enc64[..20], &enc64[20..]))),
        ("base64 of a length that none has", fine.replace(&enc64, &format!("{enc64}AA"))),
        ("base64 in a second spelling", fine.replace(&enc64, &format!("{rest}{next}"))),
        ("an enc that is too short", envelope(&enc[..31], &ct)),
        ("an enc that is too long", envelope(&[&enc[..], &[0]].concat(), &ct)),
    ];
    for (name, text) in malformed {
        add("malformed_envelope", name, text);
    }
    add("unknown_version", "version 1", fine.replace("\"v\":2", "\"v\":1"));
    add("unknown_version", "version 3, of another form", r#"{"v":3,"box":"AA"}"#.to_owned());

    let mut one = [0; 32];
    one[0] = 1;
    let not_opened = [
        ("sealed to another", properly(CAROL).envelope(&plain)),
        (
            "sealed to this key under another's name",
            Sealing { aad: properly(CAROL).aad, ..properly(BOB) }.envelope(&plain),
        ),
        (
            "sealed to this key under no name",
            Sealing { aad: String::new(), ..properly(BOB) }.envelope(&plain),
        ),
        ("sealed for another protocol", Sealing { info: b"kez-chat/v3", ..properly(BOB) }.envelope(&plain)),
        ("an enc of small order, 0", envelope(&[0; 32], &ct)),
        ("an enc of small order, 1", envelope(&one, &ct)),
        ("a changed bit of enc", envelope(&changed(&enc, 0, 1), &ct)),
        ("the bit of enc that X25519 passes over", envelope(&changed(&enc, 31, 0x80), &ct)),
        ("a changed bit of ct", envelope(&enc, &changed(&ct, 100, 1))),
        ("a changed bit of the tag", envelope(&enc, &changed(&ct, ct.len() - 1, 0x80))),
        ("a ct that ends early", envelope(&enc, &ct[..ct.len() - 1])),
        ("a ct with a byte behind it", envelope(&enc, &[&ct[..], &[0]].concat())),
        ("a ct shorter than its tag", envelope(&enc, &ct[..15])),
        ("an empty ct", envelope(&enc, &[])),
    ];
    for (name, text) in not_opened {
        add("not_opened", name, text);
    }

    let tiny = |length: u32, len: usize| {
        let mut padded = padded_to(b"", len);
        padded[..4].copy_from_slice(&length.to_be_bytes());
        padded
    };
    let bad_padding = [
        ("no plaintext", vec![]),
        ("a plaintext shorter than its length", vec![0; 3]),
        ("no padding", padded_to(good.as_bytes(), good.len() + 4)),
        ("a bucket too large", padded_to(good.as_bytes(), plain.len() * 2)),
        ("no bucket", padded_to(good.as_bytes(), plain.len() + 1)),
        ("a last byte that isn't zero", changed(&plain, plain.len() - 1, 1)),
        ("a first byte of padding that isn't zero", changed(&plain, good.len() + 4, 0x80)),
        ("a length beyond the bucket", tiny(509, 512)),
        ("a length beyond everything", tiny(u32::MAX, 512)),
    ];
    for (name, plaintext) in bad_padding {
        add("bad_padding", name, bob.envelope(&plaintext));
    }

    let mut sealed = |refusal: &str, name: &str, json: &[u8]| add(refusal, name, bob.envelope(&padded(json)));
    let statement = |change: &dyn Fn(&mut Value)| {
        let mut envelope = signed(&payload());
        change(&mut envelope);
        envelope.to_string()
    };
    for (name, json) in [
        ("empty", &b""[..]),
        ("not JSON", &b"{"[..]),
        ("a list of the members", br#"["message",{},{}]"#),
        ("two documents", format!("{good}{good}").as_bytes()),
        ("a byte order mark", format!("\u{feff}{good}").as_bytes()),
        (
            "not UTF-8",
            &good
                .replace("hi", "h~")
                .into_bytes()
                .into_iter()
                .map(|b| if b == b'~' { 0xff } else { b })
                .collect::<Vec<_>>(),
        ),
        ("half of a surrogate pair", good.replace("hi", "\\ud800").as_bytes()),
        ("a number that isn't JSON", good.replace("\"version\":1", "\"version\":01").as_bytes()),
        ("too deep", good.replace("\"hi\"", &format!("{}{}", "[".repeat(200), "]".repeat(200))).as_bytes()),
        ("a member too many", statement(&|e| e["later"] = 1.into()).as_bytes()),
        ("no signature", statement(&|e| e["signature"] = Value::Null).as_bytes()),
        ("a signature with a member too many", statement(&|e| e["signature"]["later"] = 1.into()).as_bytes()),
    ] {
        sealed("malformed_json", &format!("inside: {name}"), json);
    }
    for (refusal, name, json) in [
        ("duplicate_key", "a member twice", good.replace("\"sent_at\"", "\"id\":\"00\",\"sent_at\"")),
        (
            "duplicate_key",
            "a member twice, once escaped",
            good.replace("\"text\"", "\"\\u0074ext\":\"ho\",\"text\""),
        ),
        ("number_out_of_range", "a number beyond 2^53", good.replace("\"hi\"", "9007199254740992")),
        ("number_out_of_range", "a number beyond a double", good.replace("\"hi\"", "1e400")),
        ("wrong_tag", "another tag", statement(&|e| e["kez"] = "claim".into())),
        ("wrong_type", "another type", signed(&with(json!({ "type": "kez.claim" }))).to_string()),
        ("wrong_type", "a payload that is no object", statement(&|e| e["payload"] = 1.into())),
        ("wrong_version", "version 2", signed(&with(json!({ "version": 2 }))).to_string()),
        ("wrong_version", "a version in quotes", signed(&with(json!({ "version": "1" }))).to_string()),
        ("unsupported_alg", "another alg", statement(&|e| e["signature"]["alg"] = "hmac".into())),
        (
            "key_mismatch",
            "another signer",
            statement(&|e| e["signature"]["key"] = Identity::from_seed(&CAROL).primary().to_string().into()),
        ),
        (
            "invalid_primary",
            "a weak key, under which any signature holds",
            statement(&|e| {
                let weak = format!("01{}", "0".repeat(62));
                e["payload"]["primary"] = format!("ed25519:{weak}").into();
                e["signature"]["key"] = format!("ed25519:{weak}").into();
                e["signature"]["sig"] = format!("{weak}{}", "0".repeat(64)).into();
            }),
        ),
        (
            "invalid_primary",
            "a second spelling of a key",
            statement(&|e| {
                for part in ["payload", "signature"] {
                    let member = if part == "payload" { "primary" } else { "key" };
                    let upper = e[part][member].as_str().unwrap().replace("f8d1", "F8D1");
                    e[part][member] = upper.into();
                }
            }),
        ),
        ("bad_signature", "a changed text", good.replace("\"hi\"", "\"ho\"")),
        ("bad_signature", "a member that wasn't signed", statement(&|e| e["payload"]["later"] = 1.into())),
        (
            "bad_signature",
            "another's signature",
            statement(&|e| {
                let canonical = kez_proto::json::canonical(&e["payload"]).unwrap();
                e["signature"]["sig"] = Identity::from_seed(&CAROL).sign_hex(&canonical).into();
            }),
        ),
        (
            "bad_signature",
            "a signature in upper case",
            statement(&|e| {
                e["signature"]["sig"] = e["signature"]["sig"].as_str().unwrap().to_uppercase().into()
            }),
        ),
        ("bad_signature", "half a signature", statement(&|e| e["signature"]["sig"] = "00".repeat(32).into())),
        (
            "wrong_recipient",
            "to another, and sealed anew",
            signed(&with(json!({ "to": Identity::from_seed(&CAROL).primary() }))).to_string(),
        ),
        ("wrong_recipient", "to nobody", signed(&without("to")).to_string()),
        (
            "wrong_recipient",
            "by the reader, to no key",
            by_bob(&with(json!({ "primary": Identity::from_seed(&BOB).primary(), "to": "ed25519:00" }))),
        ),
        (
            "wrong_recipient",
            "to another, at a wrong time: the recipient is checked first",
            signed(&with(json!({ "to": Identity::from_seed(&CAROL).primary(), "sent_at": "now" })))
                .to_string(),
        ),
        ("invalid_timestamp", "no time", signed(&without("sent_at")).to_string()),
        (
            "invalid_timestamp",
            "a fraction of a second",
            signed(&with(json!({ "sent_at": "2026-05-25T03:00:00.0Z" }))).to_string(),
        ),
        (
            "invalid_timestamp",
            "a day that there isn't",
            signed(&with(json!({ "sent_at": "2026-02-30T03:00:00Z" }))).to_string(),
        ),
        (
            "stale_timestamp",
            "sent too long before it was stored",
            signed(&with(json!({ "sent_at": "2026-05-25T02:49:59Z" }))).to_string(),
        ),
        (
            "stale_timestamp",
            "sent too long after it was stored, with no id: the time is checked first",
            signed(&with(json!({ "sent_at": "2026-05-25T03:10:01Z", "id": 1 }))).to_string(),
        ),
        ("invalid_id", "no id", signed(&without("id")).to_string()),
        (
            "invalid_id",
            "an id in upper case",
            signed(&with(json!({ "id": "000102030405060708090A0B0C0D0E0F" }))).to_string(),
        ),
        ("invalid_id", "an id that is too short", signed(&with(json!({ "id": "00" }))).to_string()),
    ] {
        sealed(refusal, &format!("inside: {name}"), json.as_bytes());
    }

    // Read after `fine` was.
    let anew = Sealing { ikm: 0xe1, ..properly(BOB) };
    let later = signed(&with(json!({ "sent_at": "2026-05-25T03:05:00Z" }))).to_string();
    for (name, envelope) in [
        ("the same again", fine.clone()),
        ("the same message, sealed anew", anew.envelope(&plain)),
        ("the same id at another time", anew.envelope(&padded(later))),
    ] {
        cases.push(json!({
            "name": name, "refusal": "already_seen", "created_at": SENT, "after": fine, "envelope": envelope
        }));
    }
    json!({ "recipient": HEXLOWER.encode(&BOB), "cases": cases })
}

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto-schemas/vectors");
    fs::create_dir_all(&folder).unwrap();
    for (name, vectors) in [("sealing.json", golden()), ("sealing-invalid.json", invalid())] {
        fs::write(folder.join(name), format!("{vectors:#}\n")).unwrap();
    }
}
