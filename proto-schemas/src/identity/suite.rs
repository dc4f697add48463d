//! Signature suites, by their `alg`.

use super::{Key, NostrKey};
use crate::{
    Code, Primary,
    envelope::{self, ED25519_JCS, Verified},
};

/// BIP-340 over SHA-256 of the RFC 8785 bytes of `payload`.
pub const NOSTR_JCS: &str = "nostr-secp256k1-schnorr-sha256-jcs";

/// Reads a key of one suite and verifies its signature over a message. `invalid_primary`, `bad_signature`.
pub(crate) type Suite<K> = fn(key: &str, message: &[u8], signature: &str) -> Result<K, Code>;

/// Ed25519, strictly: see [`Primary::verify`].
pub(crate) fn ed25519(key: &str, message: &[u8], signature: &str) -> Result<Primary, Code> {
    let key: Primary = key.parse()?;
    key.verify(message, signature).map(|()| key)
}

fn nostr(key: &str, message: &[u8], signature: &str) -> Result<NostrKey, Code> {
    let identifier = key.strip_prefix("nostr:").ok_or(Code::InvalidPrimary)?;
    let key: NostrKey = identifier.parse()?;
    key.verify(message, signature).map(|()| key)
}

fn named(alg: &str) -> Result<Suite<Key>, Code> {
    match alg {
        ED25519_JCS => Ok(|key, message, signature| ed25519(key, message, signature).map(Key::Ed25519)),
        NOSTR_JCS => Ok(|key, message, signature| nostr(key, message, signature).map(Key::Nostr)),
        _ => Err(Code::UnsupportedAlg),
    }
}

/// Parses and verifies an envelope of any suite. Errors, and their order, are those of [`envelope::verify`].
pub fn verify_envelope(bytes: &[u8], tag: &str, kind: &str) -> Result<Verified<Key>, Code> {
    envelope::verify_by(named, bytes, tag, kind)
}
