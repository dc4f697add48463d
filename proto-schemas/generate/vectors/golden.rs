//! What is right.

use data_encoding::HEXLOWER;
use kez_proto::{
    Code,
    envelope::Signed,
    identity::{Chain, Claim, Event, Op, Signer, Subject, Target, link, mnemonic},
};
use serde_json::{Value, json};

use super::{at, ed25519, key, nostr, text};

/// A chain in which everything happens once.
pub fn chain() -> Vec<String> {
    let (first, second, third) = (ed25519(0x42), nostr(0x43), ed25519(0x44));
    let mut events: Vec<String> = vec![];
    add(&mut events, &first, &op_add("github:alice", Some("https://gist.github.com/alice/1")));
    add(&mut events, &first, &op_add("dns:alice.example", None));
    let device = "UABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSTUVW".to_owned();
    add(&mut events, &first, &Op::AddDevice { device: device.clone(), name: "Alice's phone".into() });
    add(&mut events, &first, &Op::Revoke(Target::Subject(subject("github:alice"))));
    rotate(&mut events, &first, &second);
    add(&mut events, &second, &op_add("ap:alice@social.example", None));
    add(&mut events, &second, &Op::Revoke(Target::Device(device)));
    rotate(&mut events, &second, &third);
    let laptop = "UZYXWVUTSRQPONMLKJIHGFEDCBA765432ZYXWVUTSRQPONMLKJIHGFED".to_owned();
    add(&mut events, &third, &Op::AddDevice { device: laptop, name: "Laptop „blau“ \"2\"".into() });
    events.push(of_tomorrow(&events, &third));
    events
}

/// An event whose operation isn't known yet.
fn of_tomorrow(events: &[String], signer: &impl Signer) -> String {
    let payload = json!({
        "type": Event::TYPE, "version": 1, "primary": signer.key(), "seq": events.len(), "created_at": at(9),
        "prev": link(events[events.len() - 1].as_bytes()).expect("an event"),
        "op": "endorse", "payload": { "whom": "somebody", "weight": 0.5 }
    });
    super::canonical(&super::envelope(Event::TAG, payload, signer))
}

pub fn subject(text: &str) -> Subject {
    text.parse().expect("a subject")
}

pub fn op_add(text: &str, proof_url: Option<&str>) -> Op {
    Op::Add { subject: subject(text), proof_url: proof_url.map(str::to_owned) }
}

/// Appends what is signed for the chain so far.
pub fn add(events: &mut Vec<String>, signer: &impl Signer<Error = Code>, op: &Op) {
    let chain = (!events.is_empty()).then(|| Chain::verify(&*events).expect("a chain"));
    let time = at(u8::try_from(events.len()).expect("a short chain"));
    push(events, Event::sign(chain.as_ref(), op, time, signer));
}

pub fn rotate(events: &mut Vec<String>, signer: &impl Signer<Error = Code>, new: &impl Signer<Error = Code>) {
    let chain = Chain::verify(&*events).expect("a chain");
    let time = at(u8::try_from(events.len()).expect("a short chain"));
    push(events, Event::sign_rotation(&chain, time, signer, new));
}

fn push(events: &mut Vec<String>, signed: Result<Signed, Code>) {
    events.push(text(&signed.expect("it may come next")));
}

fn claim(name: &str, signer: &impl Signer<Error = Code>, about: &str, ends: bool) -> Value {
    let end = ends.then(|| at(59));
    let signed = Claim::sign(subject(about), at(0), end, signer).expect("a good claim");
    json!({
        "name": name,
        "signed_bytes": super::canonical(&signed.payload),
        "document": text(&signed),
        "subject": about,
        "primary": signer.key(),
        "alg": signer.key().alg(),
    })
}

/// `golden.json`.
pub fn document() -> Value {
    let seed = [0x42; 32];
    let events = chain();
    let chain = Chain::verify(&events).expect("a chain");
    let links: Vec<_> = events.iter().map(|event| link(event.as_bytes()).expect("an event")).collect();
    json!({
        "identities": [
            { "seed": HEXLOWER.encode(&seed), "key": key(&ed25519(0x42)), "phrase": *mnemonic::of_seed(&seed) },
            { "secret": HEXLOWER.encode(&[0x43; 32]), "key": key(&nostr(0x43)) },
        ],
        "claims": [
            claim("Ed25519", &ed25519(0x42), "github:alice", false),
            claim("Ed25519, with an end", &ed25519(0x42), "web:https://alice.example/~me", true),
            claim("BIP-340", &nostr(0x43), "dns:alice.example", false),
        ],
        "chain": {
            "events": events,
            "links": links,
            "id": chain.id(),
            "primary": chain.primary(),
            "keys": chain.keys(),
            "subjects": chain.subjects(),
            "devices": chain.devices(),
        },
    })
}
