//! The signed envelope `{"kez": <tag>, "payload": {…}, "signature": {"alg", "key", "sig"}}` (kez-formats).

use data_encoding::HEXLOWER;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    Code, Primary,
    identity::suite::{self, Suite},
    json,
};

/// The one signature suite of chat handles: Ed25519 over the RFC 8785 bytes of `payload`.
pub const ED25519_JCS: &str = "ed25519-sha512-jcs";

/// Who signed, how, and the signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The suite; see [`ED25519_JCS`] and [`crate::identity::NOSTR_JCS`].
    pub alg: String,
    /// The signer; must equal the payload's `primary`.
    pub key: String,
    /// 128 lower-case hex digits.
    pub sig: String,
}

/// A signed envelope with a payload of any kind; what is signed is the payload alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signed<P = Value> {
    /// What kind of statement this is.
    pub kez: String,
    /// The statement.
    pub payload: P,
    /// The signature over the payload's canonical bytes.
    pub signature: Signature,
}

/// An envelope whose signature holds: by whom, and a digest that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<K = Primary> {
    /// The payload, with every member that was signed.
    pub payload: Value,
    /// Who signed.
    pub primary: K,
    /// SHA-256, in hex, of the canonical payload and the signature: the same envelope, however its JSON is spaced, has the same digest.
    pub digest: String,
}

/// Parses and verifies an envelope of a chat handle, which must have this tag, this payload `type` and version 1, and be signed by Ed25519. The rest of the
/// payload is the caller's matter. [`crate::identity::verify_envelope`] takes the other suites, too.
///
/// Errors, in this order: those of [`json::parse_strict`], `malformed_json`, `wrong_tag`, `wrong_type`, `wrong_version`,
/// `unsupported_alg`, `key_mismatch`, `invalid_primary`, `bad_signature`.
pub fn verify(bytes: &[u8], tag: &str, kind: &str) -> Result<Verified, Code> {
    let suite =
        |alg: &str| if alg == ED25519_JCS { Ok(suite::ed25519 as _) } else { Err(Code::UnsupportedAlg) };
    verify_by(suite, bytes, tag, kind)
}

/// The one walk through an envelope; `suites` finds what verifies an `alg`.
pub(crate) fn verify_by<K>(
    suites: impl Fn(&str) -> Result<Suite<K>, Code>,
    bytes: &[u8],
    tag: &str,
    kind: &str,
) -> Result<Verified<K>, Code> {
    let envelope = json::parse_strict(bytes)?;
    // A list of the members would be read as an object of them.
    if !envelope.is_object() || !envelope["signature"].is_object() {
        return Err(Code::MalformedJson);
    }
    let Signed { kez, payload, signature } =
        serde_json::from_value::<Signed>(envelope).map_err(|_| Code::MalformedJson)?;
    if kez != tag {
        return Err(Code::WrongTag);
    }
    if payload["type"] != kind {
        return Err(Code::WrongType);
    }
    if payload["version"] != 1 {
        return Err(Code::WrongVersion);
    }
    let suite = suites(&signature.alg)?;
    if payload["primary"] != signature.key {
        return Err(Code::KeyMismatch);
    }
    let canonical = json::canonical(&payload)?;
    let primary = suite(&signature.key, &canonical, &signature.sig)?;
    let digest =
        HEXLOWER.encode(&Sha256::new().chain_update(canonical).chain_update(&signature.sig).finalize());
    Ok(Verified { payload, primary, digest })
}
