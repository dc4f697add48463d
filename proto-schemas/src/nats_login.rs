//! Logging in to NATS with a KEZ key or a session key: what is signed, and what a public key looks like there.

use std::{fmt, str::FromStr};

use data_encoding::BASE32_NOPAD;
use nkeys::KeyPairType;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Code, Primary, ServerName};

/// What a client of ours signs to log in: the nonce that the broker sent, bound to the purpose and to the KEZ domain that the *user* configured, never one
/// that the broker names. A stock NATS client signs the bare nonce.
pub fn text(domain: &ServerName, nonce: &str) -> String {
    format!("KEZ-NATS-AUTH-v1\n{domain}\n{nonce}")
}

/// Whether a nonce is one that a nats-server sends (base64url, 8 to 64 characters). A client signs no other: a hostile broker could send a text that means
/// something elsewhere.
pub fn is_nonce(nonce: &str) -> bool {
    (8..=64).contains(&nonce.len())
        && nonce.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// The public nkey of a NATS user (`U…`), whose bytes are a canonical Ed25519 point that isn't weak: a person's own key or a session's.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserKey {
    text: String,
    key: Primary,
}

impl UserKey {
    /// The same 32 bytes as a primary.
    pub fn key(&self) -> &Primary {
        &self.key
    }

    /// `U…`
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl From<Primary> for UserKey {
    /// The nkey of these 32 bytes. The library makes the text of a secret key only; here a public one is enough: prefix, key and checksum in base32.
    fn from(key: Primary) -> Self {
        let mut bytes = vec![USER_PREFIX];
        bytes.extend_from_slice(key.as_bytes());
        bytes.extend_from_slice(&crc16(&bytes).to_le_bytes());
        Self { text: BASE32_NOPAD.encode(&bytes), key }
    }
}

/// What makes the text of a user's key begin with `U`.
const USER_PREFIX: u8 = 20 << 3;

/// CRC-16/XMODEM, the checksum of nkeys.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

impl FromStr for UserKey {
    type Err = Code;
    /// `invalid_session_key` for another kind of nkey, an odd spelling, or a weak key.
    fn from_str(text: &str) -> Result<Self, Code> {
        let pair = nkeys::KeyPair::from_public_key(text).map_err(|_| Code::InvalidSessionKey)?;
        let (_, bytes) = nkeys::from_public_key(text).map_err(|_| Code::InvalidSessionKey)?;
        let user = matches!(pair.key_pair_type(), KeyPairType::User) && pair.public_key() == text;
        let key = Primary::from_bytes(&bytes).map_err(|_| Code::InvalidSessionKey)?;
        if user { Ok(Self { text: text.to_owned(), key }) } else { Err(Code::InvalidSessionKey) }
    }
}

impl fmt::Display for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for UserKey {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for UserKey {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(|code: Code| de::Error::custom(code.detail()))
    }
}

impl schemars::JsonSchema for UserKey {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "UserKey".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^U[A-Z2-7]{55}$" })
    }
}

#[cfg(test)]
mod tests {
    use nkeys::KeyPair;

    use super::*;

    #[test]
    fn the_same_seed_is_the_same_key() {
        let seed: [u8; 32] = std::array::from_fn(|n| n as u8 + 1);
        let pair = KeyPair::new_from_raw(KeyPairType::User, seed).unwrap();
        assert_eq!(pair.public_key(), "UB43KVROR7TFJ6KAPCYRF2FJROTZAH4FHLTJLPWX4DRZCC5NASLGJBFE");
        let key: UserKey = pair.public_key().parse().unwrap();
        assert!(key.key().hex().starts_with("79b5562e"));
        assert_eq!(serde_json::to_value(&key).unwrap(), pair.public_key());
    }

    #[test]
    fn a_public_key_has_the_text_of_its_pair() {
        for seed in 0..100 {
            let pair = KeyPair::new_from_raw(KeyPairType::User, [seed; 32]).unwrap();
            let (_, bytes) = nkeys::from_public_key(&pair.public_key()).unwrap();
            assert_eq!(UserKey::from(Primary::from_bytes(&bytes).unwrap()).as_str(), pair.public_key());
        }
    }

    #[test]
    fn other_kinds_odd_spellings_and_weak_keys_are_refused() {
        let pair = |kind| KeyPair::new_from_raw(kind, [7; 32]).unwrap().public_key();
        let user = pair(KeyPairType::User);
        let weak = "UAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABVBG";
        let bad = [
            "",
            weak,
            &pair(KeyPairType::Account),
            &pair(KeyPairType::Server),
            &user.to_lowercase(),
            &user[1..],
            &format!("{user}="),
        ];
        for text in bad {
            assert_eq!(text.parse::<UserKey>(), Err(Code::InvalidSessionKey), "{text}");
        }
        assert!(user.parse::<UserKey>().is_ok());
    }

    #[test]
    fn nonces() {
        assert!(is_nonce("b_NUDM4LtgYbvSk"));
        for bad in
            ["", "short", r#"{"kez":"claim"}"#, "b_NUDM4LtgYb vSk", "b_NUDM4LtgYb\nSk", &"a".repeat(65)]
        {
            assert!(!is_nonce(bad), "{bad}");
        }
        assert_eq!(
            text(&"kez.lat".parse().unwrap(), "b_NUDM4LtgYbvSk"),
            "KEZ-NATS-AUTH-v1\nkez.lat\nb_NUDM4LtgYbvSk"
        );
    }
}
