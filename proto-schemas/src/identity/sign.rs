//! Signing, wherever the secret is. What is signed was read by the same code that readers use: a payload that they would refuse is never signed.

use data_encoding::HEXLOWER;
use k256::schnorr;
use serde::Serialize;
use serde_json::Value;

use super::{Key, NostrKey};
use crate::{
    Code, Primary,
    envelope::{Signature, Signed},
    json,
};

/// Holds a secret key, or reaches one: a file, a device, another process.
pub trait Signer {
    /// Why it didn't sign.
    type Error: From<Code>;
    /// The public half.
    fn key(&self) -> Key;
    /// The signature over these bytes, by the suite of [`Signer::key`]: Ed25519 over the bytes themselves, BIP-340 over their SHA-256.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], Self::Error>;
}

impl Signer for ed25519_dalek::SigningKey {
    type Error = Code;
    fn key(&self) -> Key {
        Key::Ed25519(Primary::of(self))
    }
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], Code> {
        Ok(ed25519_dalek::Signer::sign(self, message).to_bytes())
    }
}

impl Signer for schnorr::SigningKey {
    type Error = Code;
    fn key(&self) -> Key {
        Key::Nostr(NostrKey::of(self))
    }
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], Code> {
        let signature = schnorr::signature::Signer::try_sign(self, message);
        signature.map(|s| s.to_bytes()).map_err(|_| Code::BadSignature)
    }
}

/// A signature in hex that was verified: a signer that is out of order is noticed here, not by the readers. `bad_signature`.
pub(super) fn signature<S: Signer>(signer: &S, message: &[u8]) -> Result<String, S::Error> {
    let hex = HEXLOWER.encode(&signer.sign(message)?);
    signer.key().verify(message, &hex)?;
    Ok(hex)
}

/// Signs a payload, which `read` has to find good. `malformed_json` where it has no canonical form, `key_mismatch` where its `primary` isn't the signer, what
/// `read` says, `bad_signature`.
pub(super) fn signed<S: Signer>(
    tag: &str,
    payload: &impl Serialize,
    signer: &S,
    read: impl FnOnce(&Value) -> Result<(), Code>,
) -> Result<Signed, S::Error> {
    let payload = serde_json::to_value(payload).map_err(|_| Code::MalformedJson)?;
    let key = signer.key();
    if payload["primary"] != key.to_string() {
        return Err(Code::KeyMismatch.into());
    }
    read(&payload)?;
    let sig = signature(signer, &json::canonical(&payload)?)?;
    let signature = Signature { alg: key.alg().into(), key: key.to_string(), sig };
    Ok(Signed { kez: tag.into(), payload, signature })
}
