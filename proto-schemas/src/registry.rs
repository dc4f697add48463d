//! The registry's log and its rules: what an entry may be, and what applying it does. Apply is a pure function of the log, so that every
//! instance, of every age, comes to the same bindings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Code, Handle, Primary, ServerName, Timestamp, registration::Registration};

/// The rules that entries are written under today. Entries of older rules are applied by those rules for ever.
pub const RULES: u32 = 1;

/// One entry of the log, as JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// The first entry: what the deployment fixed once.
    Genesis {
        /// See [`RULES`].
        rules: u32,
        /// The server name that registrations must carry.
        server: ServerName,
    },
    /// Somebody binds a handle.
    Registration {
        /// See [`RULES`].
        rules: u32,
        /// The envelope as it was received, to the byte.
        envelope: Box<RawValue>,
    },
}

impl Entry {
    /// The handle whose binding this entry may change, as far as it can be read.
    pub fn handle(&self) -> Option<Handle> {
        match self {
            Entry::Genesis { .. } => None,
            Entry::Registration { envelope, .. } => {
                let envelope: serde_json::Value = serde_json::from_str(envelope.get()).ok()?;
                envelope["payload"]["handle"].as_str()?.parse().ok()
            }
        }
    }
}

/// A handle's binding, as the index keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The handle.
    pub handle: Handle,
    /// Its key.
    pub primary: Primary,
    /// When the log took it (the stream's clock).
    pub registered_at: Timestamp,
    /// Digest of the envelope that bound it.
    pub digest: String,
}

/// What applying one entry does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "short-lived, one at a time")]
pub enum Effect {
    /// Take the deployment's server name.
    Genesis(ServerName),
    /// Add this binding.
    Bind(Binding),
    /// Nothing, because of this; for a registration, its answer.
    Nothing(Code),
}

/// What the rules may ask about the state before the entry.
pub trait Bindings {
    /// Failure of the store behind it.
    type Error;
    /// The server name of the genesis entry, once applied.
    fn server(&self) -> Option<&ServerName>;
    /// Who has this handle.
    fn by_handle(&self, handle: &Handle) -> Result<Option<Binding>, Self::Error>;
    /// What handle this key has.
    fn by_primary(&self, primary: &Primary) -> Result<Option<Binding>, Self::Error>;
}

/// Applies one entry to a state: `bytes` as logged, `at` as the stream's own clock stamped it.
pub fn apply<B: Bindings>(state: &B, bytes: &[u8], at: Timestamp) -> Result<Effect, B::Error> {
    let entry = match serde_json::from_slice(bytes) {
        Ok(entry) => entry,
        Err(_) => return Ok(Effect::Nothing(Code::MalformedJson)),
    };
    match (entry, state.server()) {
        (Entry::Genesis { rules: RULES, server }, None) => Ok(Effect::Genesis(server)),
        (Entry::Registration { rules: RULES, envelope }, Some(server)) => {
            let registration = Registration::verify(envelope.get().as_bytes(), server)
                .and_then(|r| r.check_fresh(at).map(|()| r));
            match registration {
                Err(code) => Ok(Effect::Nothing(code)),
                Ok(r) => Ok(match conflict(state, &r)? {
                    Some(code) => Effect::Nothing(code),
                    None => Effect::Bind(Binding {
                        handle: r.handle,
                        primary: r.primary,
                        registered_at: at,
                        digest: r.digest,
                    }),
                }),
            }
        }
        _ => Ok(Effect::Nothing(Code::WrongVersion)),
    }
}

/// Why this registration can't bind in this state; `None` if it can. The very envelope that bound the handle conflicts too: ask for its
/// binding first.
pub fn conflict<B: Bindings>(state: &B, r: &Registration) -> Result<Option<Code>, B::Error> {
    Ok(if state.by_handle(&r.handle)?.is_some() {
        Some(Code::HandleTaken)
    } else if state.by_primary(&r.primary)?.is_some() {
        Some(Code::PrimaryTaken)
    } else {
        None
    })
}

/// A handle's public record: the body of `GET /v1/u/:handle` and of a registration's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// The handle.
    pub handle: Handle,
    /// `handle@server`.
    pub fqhn: String,
    /// Its key.
    pub primary: Primary,
    /// Where the key's identity log is.
    pub sigchain_url: String,
    /// When it was bound.
    pub registered_at: Timestamp,
}

impl Record {
    /// The record of a binding at this server, whose identity logs are below `sig_server_url` (no trailing slash).
    pub fn new(binding: &Binding, server: &ServerName, sig_server_url: &str) -> Self {
        let Binding { handle, primary, registered_at, .. } = binding;
        Self {
            handle: handle.clone(),
            fqhn: format!("{handle}@{server}"),
            primary: *primary,
            sigchain_url: format!("{sig_server_url}/v1/sigchains/ed25519/{}", primary.hex()),
            registered_at: *registered_at,
        }
    }
}

/// Request of `kez.registry.lookup`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Lookup {
    /// The handle, unchecked: the registry says what is wrong with it.
    pub handle: String,
}

/// Request of `kez.registry.by-primary`.
#[derive(Debug, Serialize, Deserialize)]
pub struct ByPrimary {
    /// The key, unchecked.
    pub primary: String,
}

/// Request of `kez.chat.lookup.<handle>`: exactly one of the two, answered by a [`Record`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("oneOf" = [{ "required": ["handle"] }, { "required": ["primary"] }]))]
pub struct ClientLookup {
    /// A handle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// Or a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<String>,
}

/// The state of a small log in memory.
#[cfg(test)]
#[derive(Default)]
struct Memory {
    server: Option<ServerName>,
    bindings: Vec<Binding>,
}

#[cfg(test)]
impl Bindings for Memory {
    type Error = std::convert::Infallible;
    fn server(&self) -> Option<&ServerName> {
        self.server.as_ref()
    }
    fn by_handle(&self, handle: &Handle) -> Result<Option<Binding>, Self::Error> {
        Ok(self.bindings.iter().find(|b| b.handle == *handle).cloned())
    }
    fn by_primary(&self, primary: &Primary) -> Result<Option<Binding>, Self::Error> {
        Ok(self.bindings.iter().find(|b| b.primary == *primary).cloned())
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use ed25519_dalek::{Signer, SigningKey};
    use serde_json::{Value, json};

    use super::*;

    const NOW: &str = "2026-05-25T03:00:00Z";

    /// A registration by the key of this seed, with its payload changed before it is signed.
    fn registration(seed: u8, handle: &str, change: impl FnOnce(&mut Value)) -> Value {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let primary = Primary::from_bytes(key.verifying_key().as_bytes()).unwrap();
        let mut payload = json!({"type": crate::registration::TYPE, "version": 1, "handle": handle, "primary": primary, "server": "kez.lat", "created_at": NOW});
        change(&mut payload);
        let sig = HEXLOWER.encode(&key.sign(&crate::json::canonical(&payload).unwrap()).to_bytes());
        json!({"kez": "handle_registration", "payload": payload, "signature": {"alg": "ed25519-sha512-jcs", "key": primary, "sig": sig}})
    }

    impl Memory {
        fn feed(&mut self, entry: &Value, at: &str) -> Effect {
            let Ok(effect) = apply(self, entry.to_string().as_bytes(), at.parse().unwrap());
            match &effect {
                Effect::Genesis(server) => self.server = Some(server.clone()),
                Effect::Bind(binding) => self.bindings.push(binding.clone()),
                Effect::Nothing(_) => {}
            }
            effect
        }
        fn register(&mut self, envelope: Value) -> Effect {
            self.feed(&json!({"registration": {"rules": 1, "envelope": envelope}}), NOW)
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
        assert_eq!(log.bindings.len(), 2);
    }

    #[test]
    fn what_apply_refuses_whatever_admission_let_through() {
        let mut log = Memory::with_genesis();
        let cases: Vec<(Value, Code)> = vec![
            (registration(1, "alice", |p| p["server"] = "evil.lat".into()), Code::WrongServer),
            (registration(1, "Alice", |_| {}), Code::InvalidHandle),
            (registration(1, "alice", |p| p["version"] = 2.into()), Code::WrongVersion),
            (registration(1, "alice", |p| p["type"] = "kez.claim".into()), Code::WrongType),
            (
                registration(1, "alice", |p| p["created_at"] = "2026-05-25T02:54:59Z".into()),
                Code::StaleTimestamp,
            ),
            (
                registration(1, "alice", |p| p["created_at"] = "2026-05-25T03:05:01Z".into()),
                Code::StaleTimestamp,
            ),
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
}
