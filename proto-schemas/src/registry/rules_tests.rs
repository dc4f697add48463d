use std::collections::HashMap;

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

use super::*;
use crate::{envelope::Signed, identity::Chain};

/// The state of a small log in memory.
#[derive(Default)]
struct Memory {
    server: Option<ServerName>,
    holdings: HashMap<Handle, Holding>,
    retired: HashMap<Primary, Handle>,
    operator: Option<Primary>,
    standings: HashMap<Handle, Standing>,
    ruling: Option<Ruling>,
}

impl Bindings for Memory {
    type Error = std::convert::Infallible;
    fn server(&self) -> Option<&ServerName> {
        self.server.as_ref()
    }
    fn by_handle(&self, handle: &Handle) -> Result<Option<Holding>, Self::Error> {
        Ok(self.holdings.get(handle).cloned())
    }
    fn by_primary(&self, primary: &Primary) -> Result<Option<Binding>, Self::Error> {
        Ok(self.holdings.values().cloned().filter_map(Holding::bound).find(|b| b.primary == *primary))
    }
    fn retired(&self, primary: &Primary) -> Result<Option<Handle>, Self::Error> {
        Ok(self.retired.get(primary).cloned())
    }
    fn operator(&self) -> Result<Option<Primary>, Self::Error> {
        Ok(self.operator)
    }
    fn standing(&self, handle: &Handle) -> Result<Option<Standing>, Self::Error> {
        Ok(self.standings.get(handle).cloned())
    }
    fn ruling(&self) -> Result<Option<Ruling>, Self::Error> {
        Ok(self.ruling.clone())
    }
}

const NOW: &str = "2026-05-25T03:00:00Z";

/// A registration by the key of this seed, with its payload changed before it is signed.
fn registration(seed: u8, handle: &str, change: impl FnOnce(&mut Value)) -> Value {
    signed(seed, "handle_registration", crate::registration::TYPE, handle, change)
}

fn signed(seed: u8, tag: &str, kind: &str, handle: &str, change: impl FnOnce(&mut Value)) -> Value {
    let key = SigningKey::from_bytes(&[seed; 32]);
    let primary = Primary::from_bytes(key.verifying_key().as_bytes()).unwrap();
    let mut payload = json!({"type": kind, "version": 1, "handle": handle, "primary": primary, "server": "kez.lat", "created_at": NOW});
    change(&mut payload);
    let sig = HEXLOWER.encode(&key.sign(&crate::json::canonical(&payload).unwrap()).to_bytes());
    json!({"kez": tag, "payload": payload, "signature": {"alg": "ed25519-sha512-jcs", "key": primary, "sig": sig}})
}

impl Memory {
    fn feed(&mut self, entry: &Value, at: &str) -> Effect {
        let Ok(effect) = apply(self, entry.to_string().as_bytes(), at.parse().unwrap());
        match &effect {
            Effect::Genesis(server) => self.server = Some(server.clone()),
            Effect::Bind(binding) => self.hold(Holding::Bound(binding.clone())),
            Effect::Rebind { from, to } => {
                self.retired.insert(*from, to.handle.clone());
                self.hold(Holding::Bound(to.clone()));
            }
            Effect::Release(vacancy) => self.hold(Holding::Vacant(vacancy.clone())),
            Effect::Operator(primary) => self.operator = Some(*primary),
            Effect::Order(Verdict { standing, vacancy }) => {
                self.standings.insert(standing.handle.clone(), standing.clone());
                vacancy.iter().for_each(|vacancy| self.hold(Holding::Vacant(vacancy.clone())));
            }
            Effect::Limits(ruling) => self.ruling = Some(ruling.clone()),
            Effect::Nothing(_) => {}
        }
        effect
    }
    fn hold(&mut self, holding: Holding) {
        let handle = match &holding {
            Holding::Bound(binding) => binding.handle.clone(),
            Holding::Vacant(vacancy) => vacancy.handle.clone(),
        };
        self.holdings.insert(handle, holding);
    }
    fn register(&mut self, envelope: Value) -> Effect {
        self.register_at(&envelope, NOW)
    }
    fn register_at(&mut self, envelope: &Value, at: &str) -> Effect {
        self.feed(&json!({"registration": {"rules": 1, "envelope": envelope}}), at)
    }
    fn release_at(&mut self, envelope: &Value, at: &str) -> Effect {
        self.feed(&json!({"release": {"rules": 1, "envelope": envelope}}), at)
    }
    fn rebind(&mut self, handle: &str, event: &Signed) -> Effect {
        self.feed(&json!({"rebind": {"rules": 1, "handle": handle, "event": event}}), NOW)
    }
    fn with_genesis() -> Self {
        let mut log = Self::default();
        assert!(matches!(
            log.feed(&json!({"genesis": {"rules": 1, "server": "kez.lat"}}), NOW),
            Effect::Genesis(_)
        ));
        log
    }
}

#[test]
fn first_come_first_bound_by_handle_and_by_key() {
    let mut log = Memory::with_genesis();
    assert!(
        matches!(log.register(registration(1, "alice", |_| {})), Effect::Bind(b) if b.handle.as_str() == "alice")
    );
    assert_eq!(log.register(registration(1, "alice", |_| {})), Effect::Nothing(Code::HandleTaken));
    assert_eq!(log.register(registration(2, "alice", |_| {})), Effect::Nothing(Code::HandleTaken));
    assert_eq!(log.register(registration(1, "alice2", |_| {})), Effect::Nothing(Code::PrimaryTaken));
    assert!(matches!(log.register(registration(2, "bob", |_| {})), Effect::Bind(_)));
    assert_eq!(log.holdings.len(), 2);
}

#[test]
fn what_apply_refuses_whatever_admission_let_through() {
    let mut log = Memory::with_genesis();
    let cases: Vec<(Value, Code)> = vec![
        (registration(1, "alice", |p| p["server"] = "evil.lat".into()), Code::WrongServer),
        (registration(1, "Alice", |_| {}), Code::InvalidHandle),
        (registration(1, "alice", |p| p["version"] = 2.into()), Code::WrongVersion),
        (registration(1, "alice", |p| p["type"] = "kez.claim".into()), Code::WrongType),
        (registration(1, "alice", |p| p["created_at"] = "2026-05-25T02:54:59Z".into()), Code::StaleTimestamp),
        (registration(1, "alice", |p| p["created_at"] = "2026-05-25T03:05:01Z".into()), Code::StaleTimestamp),
        (registration(1, "alice", |p| p["created_at"] = 5.into()), Code::InvalidTimestamp),
        (registration(1, "alice", |p| p["primary"] = crate::primary::EXAMPLE.into()), Code::KeyMismatch),
        (
            {
                let mut e = registration(1, "alice", |_| {});
                e["payload"]["handle"] = "mallory".into();
                e
            },
            Code::BadSignature,
        ),
        (
            {
                let mut e = registration(1, "alice", |_| {});
                e["kez"] = "claim".into();
                e
            },
            Code::WrongTag,
        ),
        (
            {
                let mut e = registration(1, "alice", |_| {});
                e["signature"]["alg"] = "none".into();
                e
            },
            Code::UnsupportedAlg,
        ),
        (
            {
                let mut e = registration(1, "alice", |_| {});
                e["extra"] = 1.into();
                e
            },
            Code::MalformedJson,
        ),
        (
            {
                let mut e = registration(1, "alice", |_| {});
                let s = e["signature"]["sig"].as_str().unwrap().to_uppercase();
                e["signature"]["sig"] = s.into();
                e
            },
            Code::BadSignature,
        ),
        (Value::Null, Code::MalformedJson),
    ];
    for (envelope, code) in cases {
        assert_eq!(log.register(envelope.clone()), Effect::Nothing(code), "{envelope}");
    }
    assert!(matches!(
        log.register(registration(1, "alice", |p| p["created_at"] = "2026-05-25T02:55:00Z".into())),
        Effect::Bind(_)
    ));
    assert_eq!(
        log.feed(&json!({"genesis": {"rules": 1, "server": "two.lat"}}), NOW),
        Effect::Nothing(Code::WrongVersion)
    );
    assert_eq!(
        log.feed(&json!({"registration": {"rules": 9, "envelope": {}}}), NOW),
        Effect::Nothing(Code::WrongVersion)
    );
    assert_eq!(log.feed(&json!({"of_tomorrow": {}}), NOW), Effect::Nothing(Code::MalformedJson));
}

#[test]
fn a_registration_before_the_genesis_entry_binds_nothing() {
    assert_eq!(
        Memory::default().register(registration(1, "alice", |_| {})),
        Effect::Nothing(Code::WrongVersion)
    );
}

#[test]
fn the_logged_envelope_is_checked_strictly_too() {
    let mut log = Memory::with_genesis();
    let twice = registration(1, "alice", |_| {}).to_string().replacen('{', r#"{"kez":"x","#, 1);
    let entry = format!(r#"{{"registration":{{"rules":1,"envelope":{twice}}}}}"#);
    let Ok(effect) = apply(&log, entry.as_bytes(), NOW.parse().unwrap());
    assert_eq!(effect, Effect::Nothing(Code::DuplicateKey));
    assert!(matches!(
        log.register(registration(1, "alice", |p| p["note"] = "signed extras are kept".into())),
        Effect::Bind(_)
    ));
}

/// The same signed at another time.
fn registration_at(seed: u8, at: &str) -> Value {
    registration(seed, "alice", |p| p["created_at"] = at.into())
}

fn release_at(seed: u8, at: &str) -> Value {
    signed(seed, "handle_release", crate::release::TYPE, "alice", |p| p["created_at"] = at.into())
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn chain_of(seed: u8) -> Chain {
    let op = Op::Add { subject: "dns:kez.lat".parse().unwrap(), proof_url: None };
    let first = Event::sign(None, &op, NOW.parse().unwrap(), &key(seed)).unwrap();
    Chain::begin(&serde_json::to_vec(&first).unwrap()).unwrap()
}

fn rotation(from: u8, to: u8) -> Signed {
    Event::sign_rotation(&chain_of(from), NOW.parse().unwrap(), &key(from), &key(to)).unwrap()
}

#[test]
fn a_rotation_takes_the_handle_along_once() {
    let mut log = Memory::with_genesis();
    log.register(registration(1, "alice", |_| {}));
    log.register(registration(3, "carol", |_| {}));
    let rotated = rotation(1, 2);
    assert_eq!(log.rebind("carol", &rotated), Effect::Nothing(Code::UnknownHandle));
    assert_eq!(log.rebind("alice", &rotation(1, 3)), Effect::Nothing(Code::PrimaryTaken));
    let (entry, later) =
        (json!({"rebind": {"rules": 1, "handle": "alice", "event": rotated}}), "2026-06-25T03:00:00Z");
    let Effect::Rebind { from, to } = log.feed(&entry, later) else { panic!("it had no effect") };
    assert_eq!((from, to.primary), (Primary::of(&key(1)), Primary::of(&key(2))));
    assert_eq!(to.handle.as_str(), "alice");
    assert_eq!(to.registered_at, later.parse().unwrap(), "since when it is the new key's");
    assert_eq!(log.rebind("alice", &rotated), Effect::Nothing(Code::UnknownPrimary));
    // The key that it left can have no other handle, and no handle can come back to it.
    assert_eq!(log.register(registration(1, "bobby", |_| {})), Effect::Nothing(Code::KeyRetired));
    assert_eq!(log.rebind("carol", &rotation(3, 1)), Effect::Nothing(Code::KeyRetired));
    assert_eq!(log.register(registration(2, "bobby", |_| {})), Effect::Nothing(Code::PrimaryTaken));
    assert!(matches!(log.rebind("alice", &rotation(2, 4)), Effect::Rebind { .. }));
}

#[test]
fn nothing_but_a_proven_rotation_between_ed25519_keys_rebinds() {
    let mut log = Memory::with_genesis();
    log.register(registration(1, "alice", |_| {}));
    let chain = chain_of(1);
    let at = NOW.parse().unwrap();
    let op = Op::AddDevice { device: "laptop".into(), name: "laptop".into() };
    let other = Event::sign(Some(&chain), &op, at, &key(1)).unwrap();
    assert_eq!(log.rebind("alice", &other), Effect::Nothing(Code::InvalidEvent));
    // Somebody else's key in the same place, without its proof.
    let mut stolen = rotation(1, 2);
    let theirs = rotation(1, 3).payload;
    stolen.payload["payload"]["new_primary"] = theirs["payload"]["new_primary"].clone();
    assert_eq!(log.rebind("alice", &stolen), Effect::Nothing(Code::BadSignature));
    let nostr = k256::schnorr::SigningKey::from_bytes(&[7; 32].into()).unwrap();
    let payload = serde_json::json!({
        "type": Event::TYPE, "version": 1, "primary": chain.primary(), "seq": 1, "prev": chain.head(), "created_at": NOW, "op": "rotate",
        "payload": {"new_primary": Key::Nostr(crate::identity::NostrKey::of(&nostr))},
    });
    let proof = k256::schnorr::signature::Signer::sign(&nostr, &crate::json::canonical(&payload).unwrap());
    let mut payload = payload;
    payload["payload"]["proof"] = HEXLOWER.encode(&proof.to_bytes()).into();
    let sig = HEXLOWER.encode(&key(1).sign(&crate::json::canonical(&payload).unwrap()).to_bytes());
    let event = json!({"kez": Event::TAG, "payload": payload, "signature": {"alg": "ed25519-sha512-jcs", "key": chain.primary(), "sig": sig}});
    let entry = json!({"rebind": {"rules": 1, "handle": "alice", "event": event}});
    assert_eq!(log.feed(&entry, NOW), Effect::Nothing(Code::HandleNeedsEd25519));
}

#[test]
fn a_released_handle_waits_for_its_key_and_then_for_nobody() {
    let mut log = Memory::with_genesis();
    log.register(registration_at(1, NOW));
    let (second, third) = ("2026-05-25T03:00:01Z", "2026-05-25T03:00:02Z");
    assert_eq!(log.release_at(&release_at(2, second), second), Effect::Nothing(Code::NotOwner));
    assert_eq!(log.release_at(&release_at(1, NOW), NOW), Effect::Nothing(Code::StaleTimestamp));
    let late = "2026-05-25T03:05:02Z";
    assert_eq!(log.release_at(&release_at(1, second), late), Effect::Nothing(Code::StaleTimestamp));
    let released = release_at(1, second);
    assert!(matches!(log.release_at(&released, second), Effect::Release(v) if v.handle.as_str() == "alice"));
    assert_eq!(log.release_at(&released, second), Effect::Nothing(Code::UnknownHandle));

    // Neither the first registration again nor anybody else gets it; and the key may have another.
    assert_eq!(log.register_at(&registration_at(1, NOW), second), Effect::Nothing(Code::StaleTimestamp));
    assert_eq!(log.register_at(&registration_at(2, third), third), Effect::Nothing(Code::HandleReleased));
    assert!(matches!(log.register_at(&registration_at(1, third), third), Effect::Bind(_)));
    assert_eq!(log.release_at(&released, third), Effect::Nothing(Code::StaleTimestamp));

    let again = "2026-05-25T03:00:03Z";
    assert!(matches!(log.release_at(&release_at(1, again), again), Effect::Release(_)));
    let (last, over) = ("2026-08-23T03:00:02Z", "2026-08-23T03:00:03Z");
    for seed in [1, 2] {
        assert_eq!(
            log.register_at(&registration_at(seed, over), over),
            Effect::Nothing(Code::HandleReleased)
        );
    }
    assert!(matches!(log.register_at(&registration_at(1, last), last), Effect::Bind(_)));
}

/// An order by the key of this seed.
fn order(seed: u8, action: &str, handle: &str, created_at: &str) -> Value {
    signed(seed, crate::order::TAG, crate::order::TYPE, handle, |p| {
        p["action"] = action.into();
        p["created_at"] = created_at.into();
    })
}

fn is_suspended(log: &Memory, handle: &str) -> Option<bool> {
    log.standings.get(&handle.parse().unwrap()).map(|standing| standing.suspended)
}

#[test]
fn only_the_operators_orders_count_and_each_once() {
    let at = |second: u8| format!("2026-05-25T03:00:{second:02}Z");
    let give = |log: &mut Memory, seed, action: &str, handle: &str, second| {
        let envelope = order(seed, action, handle, &at(second));
        match log.feed(&json!({"order": {"rules": 1, "envelope": envelope}}), &at(second)) {
            Effect::Order(_) => Ok(()),
            Effect::Nothing(code) => Err(code),
            other => panic!("{other:?}"),
        }
    };
    let mut log = Memory::with_genesis();
    assert!(matches!(log.register(registration(1, "alice", |_| {})), Effect::Bind(_)));
    assert_eq!(
        give(&mut log, 9, "suspend", "alice", 1),
        Err(Code::NotOperator),
        "nobody is the operator yet"
    );
    let key = |seed: u8| {
        Primary::from_bytes(SigningKey::from_bytes(&[seed; 32]).verifying_key().as_bytes()).unwrap()
    };
    let operator = |seed| json!({"operator": {"rules": 1, "primary": key(seed)}});
    assert_eq!(log.feed(&operator(9), NOW), Effect::Operator(key(9)));

    assert_eq!(give(&mut log, 8, "suspend", "alice", 1), Err(Code::NotOperator));
    assert_eq!(give(&mut log, 1, "suspend", "alice", 1), Err(Code::NotOperator));
    assert_eq!(give(&mut log, 9, "suspend", "nobody", 1), Err(Code::UnknownHandle));
    assert_eq!(give(&mut log, 9, "praise", "alice", 1), Err(Code::InvalidParameter));
    assert_eq!(is_suspended(&log, "alice"), None);
    assert_eq!(give(&mut log, 9, "suspend", "alice", 1), Ok(()));
    assert_eq!(is_suspended(&log, "alice"), Some(true));
    assert_eq!(give(&mut log, 9, "suspend", "alice", 1), Err(Code::StaleTimestamp), "it counts once");
    assert_eq!(give(&mut log, 9, "lift", "alice", 2), Ok(()));
    assert_eq!(
        give(&mut log, 9, "suspend", "alice", 1),
        Err(Code::StaleTimestamp),
        "what was lifted doesn't come back"
    );
    assert_eq!(is_suspended(&log, "alice"), Some(false));

    // A suspension is of the handle, whatever its owner does.
    assert_eq!(give(&mut log, 9, "suspend", "alice", 3), Ok(()));
    assert_eq!(give(&mut log, 9, "release", "alice", 4), Ok(()));
    assert!(matches!(&log.holdings[&"alice".parse().unwrap()], Holding::Vacant(v) if v.primary == key(1)));
    assert_eq!(give(&mut log, 9, "release", "alice", 5), Err(Code::UnknownHandle));
    let again = registration(1, "alice", |p| p["created_at"] = at(6).into());
    assert!(matches!(log.register_at(&again, &at(6)), Effect::Bind(_)));
    assert_eq!(is_suspended(&log, "alice"), Some(true));

    // Another operator.
    assert_eq!(log.feed(&operator(8), NOW), Effect::Operator(key(8)));
    assert_eq!(give(&mut log, 9, "lift", "alice", 7), Err(Code::NotOperator));
    assert_eq!(give(&mut log, 8, "lift", "alice", 7), Ok(()));
    assert_eq!(is_suspended(&log, "alice"), Some(false));
}

#[test]
fn an_order_for_another_server_or_of_another_time_does_nothing() {
    let mut log = Memory::with_genesis();
    assert!(matches!(log.register(registration(1, "alice", |_| {})), Effect::Bind(_)));
    let key = Primary::from_bytes(SigningKey::from_bytes(&[9; 32]).verifying_key().as_bytes()).unwrap();
    log.feed(&json!({"operator": {"rules": 1, "primary": key}}), NOW);
    let change = |change: fn(&mut Value)| {
        signed(9, crate::order::TAG, crate::order::TYPE, "alice", |p| {
            p["action"] = "suspend".into();
            change(p);
        })
    };
    let mut tampered = change(|_| {});
    tampered["payload"]["handle"] = "bobby".into();
    let cases = [
        (change(|p| p["server"] = "evil.lat".into()), Code::WrongServer),
        (change(|p| p["created_at"] = "2026-05-25T02:54:59Z".into()), Code::StaleTimestamp),
        (change(|p| p["type"] = crate::release::TYPE.into()), Code::WrongType),
        (tampered, Code::BadSignature),
    ];
    for (envelope, code) in cases {
        let effect = log.feed(&json!({"order": {"rules": 1, "envelope": envelope}}), NOW);
        assert_eq!(effect, Effect::Nothing(code), "{envelope}");
    }
    assert!(log.standings.is_empty());
}

#[test]
fn limits_are_the_operators_last_word() {
    let mut log = Memory::with_genesis();
    let order = |seed, limits: Value, at: &str| {
        signed(seed, crate::limits_order::TAG, crate::limits_order::TYPE, "unused", |payload| {
            payload["limits"] = limits;
            payload["created_at"] = json!(at);
        })
    };
    let feed = |log: &mut Memory, envelope: Value| {
        log.feed(&json!({"limits": {"rules": 1, "envelope": envelope}}), NOW)
    };
    let first = order(9, json!({"sends": 5}), NOW);
    assert_eq!(feed(&mut log, first.clone()), Effect::Nothing(Code::NotOperator));
    let operator = first["payload"]["primary"].clone();
    log.feed(&json!({"operator": {"rules": 1, "primary": operator}}), NOW);
    assert!(matches!(feed(&mut log, first.clone()), Effect::Limits(r) if r.limits.len() == 1));
    for (refused, code) in [
        (first, Code::StaleTimestamp),
        (order(8, json!({}), "2026-05-25T03:00:01Z"), Code::NotOperator),
        (order(9, json!({"mails": 1}), "2026-05-25T03:00:01Z"), Code::InvalidParameter),
        (order(9, json!({}), "2026-05-25T03:05:01Z"), Code::StaleTimestamp),
    ] {
        assert_eq!(feed(&mut log, refused), Effect::Nothing(code));
    }
    assert_eq!(log.ruling.as_ref().unwrap().limits.len(), 1);
    feed(&mut log, order(9, json!({}), "2026-05-25T03:00:01Z"));
    assert!(log.ruling.unwrap().limits.is_empty());
}
