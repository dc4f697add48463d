//! Chains of any valid operations verify, and nothing in one can be changed unnoticed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::SigningKey;
use k256::schnorr;
use kez_proto::{
    Code, Timestamp,
    envelope::Signed,
    identity::{Chain, Event, Key, Op, Signer, Subject, Target},
    json,
};
use proptest::prelude::*;

/// A key of either kind.
enum Secret {
    Ed25519(SigningKey),
    Nostr(schnorr::SigningKey),
}

impl Secret {
    /// The nth of a person's keys.
    fn nth(n: usize) -> Self {
        let seed = [n as u8 + 1; 32];
        if n.is_multiple_of(2) {
            Self::Ed25519(SigningKey::from_bytes(&seed))
        } else {
            Self::Nostr(schnorr::SigningKey::from_slice(&seed).unwrap())
        }
    }
}

impl Signer for Secret {
    type Error = Code;
    fn key(&self) -> Key {
        match self {
            Self::Ed25519(key) => Signer::key(key),
            Self::Nostr(key) => Signer::key(key),
        }
    }
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], Code> {
        match self {
            Self::Ed25519(key) => Signer::sign(key, message),
            Self::Nostr(key) => Signer::sign(key, message),
        }
    }
}

/// What a person wishes to do; which of what there is, by number.
#[derive(Clone, Debug)]
enum Wish {
    Add(u8),
    AddDevice(u8, String),
    RevokeSubject(usize),
    RevokeDevice(usize),
    Rotate,
}

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        4 => any::<u8>().prop_map(Wish::Add),
        3 => (any::<u8>(), "[ -~äß„]{1,20}").prop_map(|(n, name)| Wish::AddDevice(n, name)),
        2 => any::<usize>().prop_map(Wish::RevokeSubject),
        2 => any::<usize>().prop_map(Wish::RevokeDevice),
        1 => Just(Wish::Rotate),
    ]
}

/// What the chain should come to, kept by other means.
#[derive(Default)]
struct Model {
    subjects: BTreeSet<Subject>,
    devices: BTreeMap<String, String>,
    rotations: usize,
}

fn nth<'a, T>(items: impl ExactSizeIterator<Item = &'a T>, n: usize) -> Option<&'a T> {
    let length = items.len();
    if length == 0 { None } else { items.into_iter().nth(n % length) }
}

impl Model {
    /// The operation for a wish, if it can be had: there may be nothing to revoke.
    fn operation(&mut self, wish: &Wish) -> Option<Op> {
        Some(match wish {
            Wish::Add(n) => {
                let subject: Subject = format!("github:user-{}", n % 8).parse().unwrap();
                self.subjects.insert(subject.clone());
                Op::Add { subject, proof_url: n.is_multiple_of(3).then(|| "https://example.org/\"".into()) }
            }
            Wish::AddDevice(n, name) => {
                let device = format!("device-{}", n % 8);
                self.devices.insert(device.clone(), name.clone());
                Op::AddDevice { device, name: name.clone() }
            }
            Wish::RevokeSubject(n) => {
                let subject = nth(self.subjects.iter(), *n)?.clone();
                self.subjects.remove(&subject);
                Op::Revoke(Target::Subject(subject))
            }
            Wish::RevokeDevice(n) => {
                let device = nth(self.devices.keys(), *n)?.clone();
                self.devices.remove(&device);
                Op::Revoke(Target::Device(device))
            }
            Wish::Rotate => return None,
        })
    }
}

/// The stored bytes of a chain of these wishes, and what it should come to.
fn build(wishes: &[Wish]) -> (Vec<Vec<u8>>, Model) {
    let (mut events, mut model) = (vec![], Model::default());
    let mut chain: Option<Chain> = None;
    for wish in wishes {
        let time = Timestamp::from_unix(1_779_678_000 + events.len() as i64).unwrap();
        let signer = Secret::nth(model.rotations);
        let signed = match wish {
            Wish::Rotate => {
                model.rotations += 1;
                Event::sign_rotation(chain.as_ref(), time, &signer, &Secret::nth(model.rotations))
            }
            _ => match model.operation(wish) {
                Some(op) => Event::sign(chain.as_ref(), &op, time, &signer),
                None => continue,
            },
        };
        let bytes = stored(&signed.unwrap());
        match &mut chain {
            Some(chain) => drop(chain.append(&bytes).unwrap()),
            None => chain = Some(Chain::begin(&bytes).unwrap()),
        }
        events.push(bytes);
    }
    (events, model)
}

fn stored(signed: &Signed) -> Vec<u8> {
    json::canonical(&serde_json::to_value(signed).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn valid_operations_verify_and_a_changed_bit_is_noticed(
        wishes in prop::collection::vec(wish(), 1..16),
        flips in prop::collection::vec((any::<usize>(), any::<usize>()), 8),
    ) {
        let (events, model) = build(&wishes);
        prop_assume!(!events.is_empty());
        let chain = Chain::verify(&events).unwrap();
        prop_assert_eq!(chain.next_seq(), events.len() as u64);
        prop_assert_eq!(chain.id(), Secret::nth(0).key());
        prop_assert_eq!(chain.primary(), Secret::nth(model.rotations).key());
        prop_assert!(chain.subjects().keys().eq(&model.subjects));
        prop_assert!(chain.devices().iter().map(|(id, device)| (id, &device.name)).eq(&model.devices));

        for (event, bit) in flips {
            let mut changed = events.clone();
            let at = event % events.len();
            flip(&mut changed[at], bit);
            let broken = Chain::verify(&changed);
            prop_assert!(broken.is_err_and(|broken| broken.at == at as u64), "event {at}, bit {bit}");
        }
        // Whatever is left out of the middle or put elsewhere is missed.
        if events.len() > 1 {
            let (at, mut changed) = (wishes.len() * 7 % (events.len() - 1), events.clone());
            changed.remove(at);
            prop_assert!(Chain::verify(&changed).is_err());
            let mut changed = events;
            changed.swap(at, at + 1);
            prop_assert!(Chain::verify(&changed).is_err());
        }
    }
}

fn flip(bytes: &mut [u8], bit: usize) {
    let bit = bit % (bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
}

#[test]
fn every_bit_of_an_event_matters() {
    let wishes = [Wish::Add(0), Wish::AddDevice(1, "a \"phone\" \\ ä".into()), Wish::Rotate, Wish::Add(1)];
    let (events, _) = build(&wishes);
    for (at, event) in events.iter().enumerate() {
        let before = (at > 0).then(|| Chain::verify(&events[..at]).unwrap());
        for bit in 0..event.len() * 8 {
            let mut changed = event.clone();
            flip(&mut changed, bit);
            let taken = match &before {
                Some(chain) => chain.clone().append(&changed).is_ok(),
                None => Chain::begin(&changed).is_ok(),
            };
            assert!(!taken, "event {at}, bit {bit}");
        }
    }
}

#[test]
fn nothing_is_signed_that_would_be_refused() {
    let (events, _) = build(&[Wish::Add(0), Wish::Rotate]);
    let chain = Chain::verify(&events).unwrap();
    let now = Timestamp::from_unix(0).unwrap();
    let add =
        |subject: &str, url: Option<String>| Op::Add { subject: subject.parse().unwrap(), proof_url: url };
    let device = |device: &str, name: &str| Op::AddDevice { device: device.into(), name: name.into() };
    let sign = |op: &Op, n| Event::sign(Some(&chain), op, now, &Secret::nth(n)).map(drop);
    assert_eq!(sign(&add("github:bob", None), 1), Ok(()));
    assert_eq!(sign(&add("github:bob", None), 0), Err(Code::KeyNotInForce));
    assert_eq!(sign(&add("github:bob", Some("x".repeat(2049))), 1), Err(Code::InvalidEvent));
    assert_eq!(sign(&add("github:bob", Some("two words".into())), 1), Err(Code::InvalidEvent));
    assert_eq!(sign(&device("", "phone"), 1), Err(Code::InvalidEvent));
    assert_eq!(sign(&device("x", ""), 1), Err(Code::InvalidEvent));
    assert_eq!(sign(&device("x", "a\u{7}b"), 1), Err(Code::InvalidEvent));
    assert_eq!(sign(&Op::Revoke(Target::Device("x".into())), 1), Err(Code::NothingToRevoke));
    assert_eq!(sign(&Op::Unknown("endorse".into()), 1), Err(Code::InvalidEvent));
    let rotate = |new| Event::sign_rotation(&chain, now, &Secret::nth(1), &Secret::nth(new)).map(drop);
    assert_eq!(rotate(0), Err(Code::KeyInUse));
    assert_eq!(rotate(2), Ok(()));
}
