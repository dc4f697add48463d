//! Somebody with a key who wants a handle.

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer, SigningKey};
use kez_proto::{
    Handle, Primary, Timestamp,
    envelope::ED25519_JCS,
    json,
    registration::{HandleRegistration, TAG},
};
use serde_json::json;

/// A key and a handle.
pub struct Person {
    key: SigningKey,
    /// What they want to be called.
    pub handle: Handle,
}

impl Person {
    /// With the key of this seed.
    pub fn new(seed: u8, handle: &str) -> Self {
        Self { key: SigningKey::from_bytes(&[seed; 32]), handle: handle.parse().unwrap() }
    }

    /// Their key.
    pub fn primary(&self) -> Primary {
        Primary::from_bytes(self.key.verifying_key().as_bytes()).unwrap()
    }

    /// A registration at `kez.lat`, signed at this time.
    pub fn registration_at(&self, created_at: Timestamp) -> Vec<u8> {
        let payload = HandleRegistration::new(
            self.handle.clone(),
            self.primary(),
            "kez.lat".parse().unwrap(),
            created_at,
        );
        let payload = serde_json::to_value(payload).unwrap();
        let sig = HEXLOWER.encode(&self.key.sign(&json::canonical(&payload).unwrap()).to_bytes());
        let signature = json!({"alg": ED25519_JCS, "key": self.primary(), "sig": sig});
        json!({"kez": TAG, "payload": payload, "signature": signature}).to_string().into_bytes()
    }
}
