//! Primary keys: `ed25519:<64 lower-case hex>`, the identity of a person (kez-formats, RFC 8032).

use std::{fmt, str::FromStr};

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Code;

/// An Ed25519 primary whose bytes are a canonical point that isn't weak.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Primary(VerifyingKey);

const PREFIX: &str = "ed25519:";

impl Primary {
    /// From the 32 bytes of RFC 8032. A key of small order or in a non-canonical encoding is refused: the first lets anybody
    /// sign, the second gives one person two names.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, Code> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| Code::InvalidPrimary)?;
        let canonical = key.to_edwards().compress().to_bytes() == *bytes;
        if key.is_weak() || !canonical { Err(Code::InvalidPrimary) } else { Ok(Self(key)) }
    }

    /// The public half of a secret key, which is never weak.
    pub fn of(secret: &SigningKey) -> Self {
        Self(secret.verifying_key())
    }

    /// The 32 bytes of RFC 8032.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The key as 64 lower-case hex digits, without the prefix.
    pub fn hex(&self) -> String {
        HEXLOWER.encode(self.as_bytes())
    }

    /// Strict verification (no small-order parts, canonical encodings): one message, one valid signature.
    pub fn verify(&self, message: &[u8], signature_hex: &str) -> Result<(), Code> {
        let bytes: [u8; 64] = HEXLOWER
            .decode(signature_hex.as_bytes())
            .ok()
            .and_then(|b| b.try_into().ok())
            .ok_or(Code::BadSignature)?;
        self.0.verify_strict(message, &Signature::from_bytes(&bytes)).map_err(|_| Code::BadSignature)
    }
}

impl FromStr for Primary {
    type Err = Code;
    fn from_str(s: &str) -> Result<Self, Code> {
        let hex = s.strip_prefix(PREFIX).ok_or(Code::InvalidPrimary)?;
        let bytes = HEXLOWER.decode(hex.as_bytes()).map_err(|_| Code::InvalidPrimary)?;
        Self::from_bytes(&bytes.try_into().map_err(|_| Code::InvalidPrimary)?)
    }
}

impl fmt::Display for Primary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.hex())
    }
}

impl fmt::Debug for Primary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Primary {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Primary {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(|code: Code| de::Error::custom(code.detail()))
    }
}

impl schemars::JsonSchema for Primary {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Primary".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^ed25519:[0-9a-f]{64}$", "examples": [EXAMPLE] })
    }
}

/// The public key of the seed `42`×32, which the documents' examples use.
pub const EXAMPLE: &str = "ed25519:2152f8d19b791d24453242e15f2eab6cb7cffa7b6a5ed30097960e069881db12";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vector_and_round_trip() {
        let key = SigningKey::from_bytes(&[0x42; 32]).verifying_key();
        let primary = Primary::from_bytes(key.as_bytes()).unwrap();
        assert_eq!(primary.to_string(), EXAMPLE);
        assert_eq!(EXAMPLE.parse::<Primary>().unwrap(), primary);
    }

    #[test]
    fn odd_spellings_and_weak_keys_are_refused() {
        let mut bad = vec![
            EXAMPLE.to_uppercase(),
            EXAMPLE.replace("ed25519:", ""),
            format!("{EXAMPLE}0"),
            format!(" {EXAMPLE}"),
            "nostr:npub1xyz".into(),
        ];
        bad.push(EXAMPLE.replace("f8", "F8"));
        // The identity and another point of small order; y = p + 1, a second spelling of the identity.
        bad.push(format!("ed25519:01{}", "0".repeat(62)));
        bad.push(format!("ed25519:{}", "0".repeat(64)));
        bad.push(format!("ed25519:ee{}7f", "f".repeat(60)));
        for s in bad {
            assert_eq!(s.parse::<Primary>(), Err(Code::InvalidPrimary), "{s} was taken");
        }
    }
}
