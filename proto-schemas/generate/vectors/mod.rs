//! Golden and invalid messages, which every language must treat alike. Documents are given as text, to the byte. Signatures are deterministic, so that the
//! files change only with the contract.

mod golden;
mod invalid;

use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;
use k256::schnorr;
use kez_proto::{
    Timestamp,
    envelope::Signed,
    identity::{Key, Signer},
    json,
};
use serde_json::{Value, json};

/// The two files.
pub fn files() -> Vec<(String, String)> {
    [("golden", golden::document()), ("invalid", invalid::document())]
        .map(|(name, mut document)| {
            document["$comment"] = super::notice("proto-schemas/generate/vectors").into();
            (format!("proto-schemas/vectors/{name}.json"), format!("{document:#}\n"))
        })
        .into()
}

fn ed25519(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn nostr(seed: u8) -> schnorr::SigningKey {
    schnorr::SigningKey::from_slice(&[seed; 32]).expect("below the group's order")
}

/// The seconds of one day long ago, so that no vector grows stale.
fn at(second: u8) -> Timestamp {
    format!("2026-05-25T03:00:{second:02}Z").parse().expect("a time")
}

fn key(signer: &impl Signer) -> Key {
    signer.key()
}

/// The document as a person would store it: canonical.
fn text(signed: &Signed) -> String {
    canonical(&serde_json::to_value(signed).expect("JSON"))
}

fn canonical(value: &Value) -> String {
    String::from_utf8(json::canonical(value).expect("it has a canonical form")).expect("UTF-8")
}

/// Signs whatever it is given: invalid messages are signed well, unless the signature is what is wrong.
fn envelope(tag: &str, payload: Value, signer: &impl Signer) -> Value {
    let bytes = json::canonical(&payload).expect("it has a canonical form");
    let Ok(sig) = signer.sign(&bytes) else { panic!("the key is at hand") };
    let key = signer.key();
    let signature = json!({ "alg": key.alg(), "key": key, "sig": HEXLOWER.encode(&sig) });
    json!({ "kez": tag, "payload": payload, "signature": signature })
}
