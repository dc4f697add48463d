//! Primary keys of either kind. A handle takes [`Primary`] alone; identity logs and claims take both.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{NOSTR_JCS, nostr::NostrKey};
use crate::{Code, Primary, envelope::ED25519_JCS, primary::EXAMPLE};

/// Who signs: `ed25519:<64 lower-case hex>` or `nostr:npub1…`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// RFC 8032; may own a handle.
    Ed25519(Primary),
    /// BIP-340; may own no handle.
    Nostr(NostrKey),
}

impl Key {
    /// The key with this system and identifier, as they stand in a path. `invalid_primary`.
    pub fn from_parts(system: &str, identifier: &str) -> Result<Self, Code> {
        match system {
            "ed25519" => format!("ed25519:{identifier}").parse().map(Self::Ed25519),
            "nostr" => identifier.parse().map(Self::Nostr),
            _ => Err(Code::InvalidPrimary),
        }
    }

    /// What is before the colon; one safe token of a NATS subject.
    pub fn system(&self) -> &'static str {
        match self {
            Self::Ed25519(_) => "ed25519",
            Self::Nostr(_) => "nostr",
        }
    }

    /// What is behind the colon; one safe token of a NATS subject.
    pub fn identifier(&self) -> String {
        match self {
            Self::Ed25519(primary) => primary.hex(),
            Self::Nostr(key) => key.to_string(),
        }
    }

    /// The `alg` of signatures by this key.
    pub fn alg(&self) -> &'static str {
        match self {
            Self::Ed25519(_) => ED25519_JCS,
            Self::Nostr(_) => NOSTR_JCS,
        }
    }

    /// Verifies a signature (128 lower-case hex digits) over a message by this key's suite. `bad_signature`.
    pub fn verify(&self, message: &[u8], signature_hex: &str) -> Result<(), Code> {
        match self {
            Self::Ed25519(primary) => primary.verify(message, signature_hex),
            Self::Nostr(key) => key.verify(message, signature_hex),
        }
    }
}

impl From<Primary> for Key {
    fn from(primary: Primary) -> Self {
        Self::Ed25519(primary)
    }
}

impl FromStr for Key {
    type Err = Code;
    fn from_str(s: &str) -> Result<Self, Code> {
        let (system, identifier) = s.split_once(':').ok_or(Code::InvalidPrimary)?;
        Self::from_parts(system, identifier)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.system(), self.identifier())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(|code: Code| de::Error::custom(code.detail()))
    }
}

impl JsonSchema for Key {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Key".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "pattern": "^(ed25519:[0-9a-f]{64}|nostr:npub1[02-9ac-hj-np-z]{58})$",
            "examples": [EXAMPLE, "nostr:npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_read_back() {
        for text in [EXAMPLE, "nostr:npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg"] {
            let key: Key = text.parse().unwrap();
            assert_eq!(key.to_string(), text);
            assert_eq!(serde_json::from_value::<Key>(serde_json::to_value(key).unwrap()).unwrap(), key);
            assert_eq!(Key::from_parts(key.system(), &key.identifier()), Ok(key));
        }
        let bare = &EXAMPLE["ed25519:".len()..];
        for bad in ["", ":", "ed25519:", bare, &format!("nostr:{bare}"), &format!("github:{bare}")] {
            assert_eq!(bad.parse::<Key>(), Err(Code::InvalidPrimary), "{bad} was taken");
        }
    }
}
