//! The files in `vectors/` are what this implementation does, and what others are to do. Those of standards were made elsewhere.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use k256::schnorr;
use kez_proto::{
    Code, Primary, envelope,
    identity::{Chain, Claim, Event, Key, NOSTR_JCS, NostrKey, Signer, export, link, mnemonic, proof},
    json,
};
use serde_json::{Value, json};

fn file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name)).unwrap()
}

fn read(name: &str) -> Value {
    serde_json::from_str(&file(name)).unwrap()
}

fn list(value: &Value, least: usize) -> &Vec<Value> {
    let list = value.as_array().unwrap();
    assert!(list.len() >= least);
    list
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_else(|| panic!("no text {member} in {value}"))
}

fn bytes<const N: usize>(value: &Value, member: &str) -> [u8; N] {
    HEXLOWER.decode(text(value, member).as_bytes()).unwrap().try_into().unwrap()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn golden_claims_verify() {
    for vector in list(&read("golden.json")["claims"], 3) {
        let document = text(vector, "document");
        let claim = Claim::verify(document.as_bytes()).unwrap();
        assert_eq!(claim.subject.to_string(), text(vector, "subject"));
        assert_eq!(claim.primary.to_string(), text(vector, "primary"));
        let parsed = json::parse_strict(document.as_bytes()).unwrap();
        assert_eq!(json::canonical(&parsed["payload"]).unwrap(), text(vector, "signed_bytes").as_bytes());
        assert_eq!(parsed["signature"]["alg"], vector["alg"]);
        // Spaced otherwise, it is the same claim.
        assert_eq!(Claim::verify(format!("{parsed:#}\n").as_bytes()), Ok(claim));
        // A handle takes Ed25519 alone, from the same walk.
        let handle = envelope::verify(document.as_bytes(), Claim::TAG, Claim::TYPE).map(drop);
        assert_eq!(handle, if vector["alg"] == NOSTR_JCS { Err(Code::UnsupportedAlg) } else { Ok(()) });
    }
}

#[test]
fn the_golden_chain_verifies_and_comes_to_its_state() {
    let golden = &read("golden.json")["chain"];
    let events = texts(&golden["events"]);
    let chain = Chain::verify(&events).unwrap();
    assert_eq!(json!([chain.id(), chain.primary()]), json!([golden["id"], golden["primary"]]));
    assert_eq!(json!(chain.keys()), golden["keys"]);
    assert_eq!(json!(chain.subjects()), golden["subjects"]);
    assert_eq!(json!(chain.devices()), golden["devices"]);
    assert_eq!((chain.keys().len(), chain.subjects().len(), chain.devices().len()), (3, 2, 1));
    let links: Vec<_> = events.iter().map(|event| link(event.as_bytes()).unwrap()).collect();
    assert_eq!(json!(links), golden["links"]);
    assert_eq!(links.last().unwrap(), chain.head());
    let back: Chain = serde_json::from_value(serde_json::to_value(&chain).unwrap()).unwrap();
    assert_eq!(back, chain);
}

#[test]
fn golden_identities() {
    let golden = &read("golden.json")["identities"];
    let ed25519 = ed25519_dalek::SigningKey::from_bytes(&bytes(&golden[0], "seed"));
    assert_eq!(Signer::key(&ed25519).to_string(), text(&golden[0], "key"));
    assert_eq!(*mnemonic::seed(text(&golden[0], "phrase")).unwrap(), ed25519.to_bytes());
    let nostr = schnorr::SigningKey::from_slice(&bytes::<32>(&golden[1], "secret")).unwrap();
    assert_eq!(Signer::key(&nostr).to_string(), text(&golden[1], "key"));
}

#[test]
fn invalid_messages_are_refused_by_name() {
    let invalid = read("invalid.json");
    for vector in list(&invalid["claims"], 20) {
        let refused = Claim::verify(text(vector, "document").as_bytes()).map(drop);
        assert_eq!(json!(refused.unwrap_err()), vector["code"], "{}", vector["rule"]);
    }
    for vector in list(&invalid["events"], 20) {
        let (before, event) = (texts(&vector["chain"]), text(vector, "document"));
        let refused = if before.is_empty() {
            Chain::begin(event.as_bytes()).map(drop)
        } else {
            let mut chain = Chain::verify(&before).unwrap();
            let state = chain.clone();
            let refused = chain.append(event.as_bytes()).map(drop);
            assert_eq!(chain, state, "{}: a refused event changes nothing", vector["rule"]);
            refused
        };
        let code = refused.unwrap_err();
        assert_eq!(json!(code), vector["code"], "{}", vector["rule"]);
        let whole = Chain::verify(before.iter().copied().chain([event])).unwrap_err();
        assert_eq!((whole.at, whole.code), (before.len() as u64, code), "{}", vector["rule"]);
    }
    assert_eq!(Chain::verify(Vec::<&str>::new()).unwrap_err().code, Code::UnknownChain);
}

#[test]
fn proofs_packed_elsewhere_are_read() {
    let vectors = read("proofs.json");
    let golden = read("golden.json");
    for vector in list(&vectors["claims"], 6) {
        let decoded = match vector["txt"].as_array() {
            Some(records) => proof::from_txt(records.iter().map(texts)),
            None => proof::decode(text(vector, "text")),
        };
        let name = &vector["name"];
        match vector["outcome"].as_str().unwrap() {
            "absent" => assert_eq!(decoded, Err(proof::Undecodable::Absent), "{name}"),
            "corrupt" => assert_eq!(decoded, Err(proof::Undecodable::Corrupt), "{name}"),
            "too_large" => assert_eq!(decoded, Err(proof::Undecodable::TooLarge), "{name}"),
            claim => {
                let want = list(&golden["claims"], 1).iter().find(|c| c["name"] == claim).unwrap();
                let decoded = decoded.unwrap_or_else(|e| panic!("{name}: {e}"));
                let want = text(want, "document");
                assert_eq!(json::parse_strict(&decoded), json::parse_strict(want.as_bytes()), "{name}");
                assert!(Claim::verify(&decoded).is_ok());
            }
        }
    }
    let events = texts(&golden["chain"]["events"]);
    assert_eq!(export::decode(text(&vectors, "bundle")).unwrap(), events);
    assert_eq!(export::decode(&export::to_bundle(&events).unwrap()).unwrap(), events);
    assert_eq!(export::decode(&export::to_lines(&events).unwrap()).unwrap(), events);
}

#[test]
fn every_form_of_every_golden_claim_reads_back() {
    for vector in list(&read("golden.json")["claims"], 3) {
        let json = text(vector, "document").as_bytes();
        let word = proof::to_compact(json);
        let page = format!("# Alice\n\n{}", proof::to_markdown(text(vector, "document")));
        for form in [text(vector, "document"), &word, &page, &proof::to_markdown(&word)] {
            assert_eq!(proof::decode(form).unwrap(), json);
        }
        assert_eq!(proof::from_txt([proof::to_txt(json)]).unwrap(), json);
    }
}

#[test]
fn rfc_8785() {
    let vectors = read("rfc8785.json");
    for vector in list(&vectors["numbers"], 24) {
        let number = f64::from_bits(u64::from_str_radix(text(vector, "bits"), 16).unwrap());
        assert_eq!(json::canonical(&json!(number)).unwrap(), text(vector, "canonical").as_bytes());
    }
    for vector in list(&vectors["documents"], 5) {
        let value = json::parse_strict(text(vector, "input").as_bytes()).unwrap();
        assert_eq!(String::from_utf8(json::canonical(&value).unwrap()).unwrap(), text(vector, "canonical"));
    }
}

#[test]
fn rfc_8032() {
    for vector in list(&read("rfc8032.json")["vectors"], 4) {
        let key = ed25519_dalek::SigningKey::from_bytes(&bytes(vector, "secret"));
        let primary = Primary::from_bytes(&bytes(vector, "public")).unwrap();
        assert_eq!(Signer::key(&key), Key::from(primary));
        let message = HEXLOWER.decode(text(vector, "message").as_bytes()).unwrap();
        let signature = text(vector, "signature");
        assert_eq!(HEXLOWER.encode(&Signer::sign(&key, &message).unwrap()), signature);
        assert_eq!(primary.verify(&message, signature), Ok(()));
        assert_eq!(primary.verify(b"another", signature), Err(Code::BadSignature));
    }
}

/// BIP-340 signs bytes; what is over it here is SHA-256, so that the vectors go one level below.
#[test]
fn bip_340() {
    let file = file("bip340.csv");
    let rows: Vec<_> = file.lines().skip(1).collect();
    assert_eq!(rows.len(), 19);
    for row in rows {
        let cells: Vec<_> = row.split(',').collect();
        let hex = |at: usize| HEXLOWER_PERMISSIVE.decode(cells[at].as_bytes()).unwrap();
        let key = NostrKey::from_bytes(&hex(2).try_into().unwrap());
        let signature = schnorr::Signature::from_slice(&hex(5));
        let valid = match (&key, &signature) {
            (Ok(key), Ok(signature)) => {
                let key = schnorr::VerifyingKey::from_slice(key.as_bytes()).unwrap();
                key.verify_raw(&hex(4), signature).is_ok()
            }
            _ => false,
        };
        assert_eq!(valid, cells[6] == "TRUE", "row {}", cells[0]);
        if !cells[1].is_empty() {
            let secret = schnorr::SigningKey::from_slice(&hex(1)).unwrap();
            assert_eq!(Ok(NostrKey::of(&secret)), key);
            let signed = secret.sign_raw(&hex(4), &hex(3).try_into().unwrap()).unwrap();
            assert_eq!(signed.to_bytes().to_vec(), hex(5), "row {}", cells[0]);
        }
    }
}

#[test]
fn phrases() {
    for vector in list(&read("mnemonic.json")["vectors"], 3) {
        let seed = mnemonic::seed(text(vector, "phrase")).unwrap();
        assert_eq!(*seed, bytes::<32>(vector, "seed"));
        let public = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key();
        assert_eq!(*public.as_bytes(), bytes::<32>(vector, "public"));
    }
}

#[test]
fn a_full_chain_takes_no_more() {
    let golden = &read("golden.json")["chain"];
    let events = texts(&golden["events"]);
    let (last, before) = events.split_last().unwrap();
    let mut checkpoint = serde_json::to_value(Chain::verify(before).unwrap()).unwrap();
    let event = Event { seq: 10_000, ..Event::verify(last.as_bytes()).unwrap() };
    checkpoint["next_seq"] = 10_000.into();
    let full: Chain = serde_json::from_value(checkpoint.clone()).unwrap();
    assert_eq!(full.check(&event), Err(Code::ChainFull));
    checkpoint["next_seq"] = 9_999.into();
    let almost: Chain = serde_json::from_value(checkpoint).unwrap();
    assert_eq!(almost.check(&Event { seq: 9_999, ..event }), Ok(()));
}
