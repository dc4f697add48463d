//! A person's identity: one Ed25519 key, which never leaves this type except into its key file.

use std::fmt;

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer, SigningKey};
use kez_proto::{
    Code, Primary,
    auth::Credential,
    envelope::{ED25519_JCS, Signature, Signed},
    identity::{self, Key, mnemonic},
    json,
};
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

/// An Ed25519 key pair (RFC 8032). The secret half is wiped from memory on drop and never printed.
pub struct Identity {
    key: SigningKey,
    primary: Primary,
}

/// Why a payload can't be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Without a `primary` the signature would hold over a statement that names nobody.
    #[error("the payload names no `primary`; it must name the key that signs")]
    NoPrimary,
    /// The payload speaks for another key.
    #[error("the payload's `primary` isn't the key that signs")]
    OtherPrimary,
    /// It has no canonical JSON form.
    #[error("the payload can't be signed: {}", .0.detail())]
    NotCanonical(Code),
}

impl Identity {
    /// A new key from the system's randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed)?;
        Ok(Self::from_seed(&seed))
    }

    /// The key of a 32-byte seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        // RFC 8032 clamps the scalar: below 8·L and a multiple of 8, so never a multiple of the group's order L.
        let primary =
            Primary::from_bytes(key.verifying_key().as_bytes()).expect("a clamped scalar gives no weak key");
        Self { key, primary }
    }

    /// The public half: who this is.
    pub fn primary(&self) -> Primary {
        self.primary
    }

    /// Signs these bytes: the 64 bytes of RFC 8032.
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.key.sign(bytes).to_bytes()
    }

    /// Signs these bytes; 128 lower-case hex digits.
    pub fn sign_hex(&self, bytes: &[u8]) -> String {
        HEXLOWER.encode(&self.sign(bytes))
    }

    /// Signs a request at this moment; `text` makes the signed text of the time in Unix seconds (see [`kez_proto::auth`]).
    pub fn credential(&self, text: impl FnOnce(i64) -> String) -> Credential {
        let ts = crate::now().unix();
        Credential(format!("{ts}:{}", self.sign_hex(text(ts).as_bytes())))
    }

    /// Signs a statement: the RFC 8785 bytes of `payload`, which must be a JSON object whose `primary` is this key.
    pub fn sign_envelope(&self, tag: &str, payload: &impl Serialize) -> Result<Signed<Value>, SignError> {
        let bytes = serde_json::to_vec(payload).map_err(|_| SignError::NotCanonical(Code::MalformedJson))?;
        let payload = json::parse_strict(&bytes).map_err(SignError::NotCanonical)?;
        match payload.get("primary") {
            None => return Err(SignError::NoPrimary),
            Some(named) if *named != self.primary.to_string() => return Err(SignError::OtherPrimary),
            Some(_) => {}
        }
        let canonical = json::canonical(&payload).map_err(SignError::NotCanonical)?;
        let signature = Signature {
            alg: ED25519_JCS.into(),
            key: self.primary.to_string(),
            sig: self.sign_hex(&canonical),
        };
        Ok(Signed { kez: tag.into(), payload, signature })
    }

    /// The X25519 secret of this key, for opening what is sealed to it. Of what seals and what signs by one key, each is as safe as alone
    /// (Thormarker, "On using the same key pair for Ed25519 and an X25519 based KEM").
    pub(crate) fn x25519_secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_scalar_bytes())
    }

    /// The 24 words that stand for the whole key: whoever has them is this person. A key that was made from twelve words has these, too.
    pub fn phrase(&self) -> Zeroizing<String> {
        mnemonic::of_seed(&self.seed())
    }

    /// The seed as 64 hex digits, which is the whole key, too.
    pub fn seed_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(HEXLOWER.encode(&*self.seed()))
    }

    fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_bytes())
    }
}

impl identity::Signer for Identity {
    type Error = Code;
    fn key(&self) -> Key {
        self.primary.into()
    }
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], Code> {
        Ok(self.sign(message))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.primary)
    }
}

#[cfg(test)]
mod tests {
    use kez_proto::registration::{HandleRegistration, Registration, TAG};
    use serde_json::json;

    use super::*;

    fn of_the_documents() -> Identity {
        Identity::from_seed(&[0x42; 32])
    }

    #[test]
    fn vector_and_no_secret_in_debug() {
        let identity = of_the_documents();
        assert_eq!(
            identity.primary().to_string(),
            "ed25519:2152f8d19b791d24453242e15f2eab6cb7cffa7b6a5ed30097960e069881db12"
        );
        assert_eq!(format!("{identity:?}"), format!("Identity({})", identity.primary()));
        assert_ne!(Identity::generate().unwrap().primary(), Identity::generate().unwrap().primary());
    }

    #[test]
    fn a_signed_registration_verifies() {
        let identity = of_the_documents();
        let server = "kez.lat".parse().unwrap();
        let handle: kez_proto::Handle = "alice".parse().unwrap();
        let payload = HandleRegistration::new(
            handle.clone(),
            identity.primary(),
            "kez.lat".parse().unwrap(),
            crate::now(),
        );
        let envelope = identity.sign_envelope(TAG, &payload).unwrap();
        let verified = Registration::verify(&serde_json::to_vec(&envelope).unwrap(), &server).unwrap();
        verified.check_fresh(crate::now()).unwrap();
        assert_eq!((verified.handle, verified.primary), (handle, identity.primary()));
    }

    #[test]
    fn only_statements_in_its_own_name_are_signed() {
        let identity = of_the_documents();
        let refused = |payload: Value| identity.sign_envelope("claim", &payload).unwrap_err();
        assert_eq!(refused(json!({"type": "kez.claim"})), SignError::NoPrimary);
        assert_eq!(refused(json!(["primary"])), SignError::NoPrimary);
        assert_eq!(refused(json!({"primary": null})), SignError::OtherPrimary);
        assert_eq!(
            refused(json!({"primary": Identity::from_seed(&[1; 32]).primary()})),
            SignError::OtherPrimary
        );
        let big = json!({"primary": identity.primary(), "n": 9_007_199_254_740_992u64});
        assert_eq!(refused(big), SignError::NotCanonical(Code::NumberOutOfRange));
    }

    #[test]
    fn a_credential_holds_at_its_endpoint() {
        let identity = of_the_documents();
        let alice = "alice".parse().unwrap();
        let credential = identity.credential(|ts| kez_proto::auth::stream_text(&alice, ts));
        let check = credential
            .verify(&identity.primary(), crate::now(), 60, |ts| kez_proto::auth::stream_text(&alice, ts));
        assert!(check.is_ok(), "{check:?}");
    }
}
