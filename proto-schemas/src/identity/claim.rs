//! A claim: a key says that an account elsewhere is the same person's. The account must say so, too: that is looked up by others.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{Key, Signer, Subject, sign, verify_envelope};
use crate::{Code, Timestamp, envelope::Signed, limits::CLAIM_BYTES};

/// The payload of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ClaimPayload {
    /// Always [`Claim::TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// Always 1.
    pub version: u32,
    /// The account.
    pub subject: Subject,
    /// The key that claims it, and that signs.
    pub primary: Key,
    /// When it was signed.
    pub created_at: Timestamp,
    /// When the claim ends; absent where it doesn't.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// A claim whose signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The account.
    pub subject: Subject,
    /// The key that claims it.
    pub primary: Key,
    /// When it was signed.
    pub created_at: Timestamp,
    /// When the claim ends.
    pub expires_at: Option<Timestamp>,
}

impl Claim {
    /// The envelope's tag.
    pub const TAG: &str = "claim";
    /// The payload's type.
    pub const TYPE: &str = "kez.claim";

    /// Verifies an envelope's bytes. Errors, in this order: `too_large` (beyond 16 KiB), those of [`verify_envelope`], `invalid_subject`,
    /// `invalid_timestamp`. Whether it has ended is another question: [`Claim::is_over`].
    pub fn verify(bytes: &[u8]) -> Result<Self, Code> {
        if bytes.len() > CLAIM_BYTES {
            return Err(Code::TooLarge);
        }
        let verified = verify_envelope(bytes, Self::TAG, Self::TYPE)?;
        Self::read(&verified.payload, verified.primary)
    }

    fn read(payload: &Value, primary: Key) -> Result<Self, Code> {
        let subject = payload["subject"].as_str().ok_or(Code::InvalidSubject)?.parse()?;
        let time = |value: &Value| value.as_str().and_then(|t| t.parse().ok()).ok_or(Code::InvalidTimestamp);
        let created_at = time(&payload["created_at"])?;
        let expires_at = payload.get("expires_at").map(time).transpose()?;
        Ok(Self { subject, primary, created_at, expires_at })
    }

    /// Whether it has ended at `now`; the second of `expires_at` itself is behind the end.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Signs a claim. `invalid_timestamp` if it ends before it begins, or what the signer says.
    pub fn sign<S: Signer>(
        subject: Subject,
        created_at: Timestamp,
        expires_at: Option<Timestamp>,
        signer: &S,
    ) -> Result<Signed, S::Error> {
        if expires_at.is_some_and(|end| end <= created_at) {
            return Err(Code::InvalidTimestamp.into());
        }
        let (kind, primary) = (Self::TYPE.into(), signer.key());
        let payload = ClaimPayload { kind, version: 1, subject, primary, created_at, expires_at };
        sign::signed(Self::TAG, &payload, signer, |payload| Self::read(payload, primary).map(drop))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_ends_when_it_says() {
        let key = ed25519_dalek::SigningKey::from_bytes(&[0x42; 32]);
        let at = |secs| Timestamp::from_unix(secs).unwrap();
        let subject: Subject = "github:alice".parse().unwrap();
        let sign = |end| Claim::sign(subject.clone(), at(100), end, &key);

        let text = serde_json::to_string(&sign(None).unwrap()).unwrap();
        assert!(!text.contains("expires_at"), "an absent member is left out");
        assert!(!Claim::verify(text.as_bytes()).unwrap().is_over(at(i64::from(u32::MAX))));

        let bytes = serde_json::to_vec(&sign(Some(at(200))).unwrap()).unwrap();
        let claim = Claim::verify(&bytes).unwrap();
        assert_eq!((claim.subject.clone(), claim.primary), (subject.clone(), Signer::key(&key)));
        assert!(!claim.is_over(at(199)) && claim.is_over(at(200)));

        assert_eq!(sign(Some(at(100))), Err(Code::InvalidTimestamp));
    }

    #[test]
    fn a_signer_that_signs_something_else_is_noticed() {
        struct Broken(ed25519_dalek::SigningKey);
        impl Signer for Broken {
            type Error = Code;
            fn key(&self) -> Key {
                Signer::key(&self.0)
            }
            fn sign(&self, _: &[u8]) -> Result<[u8; 64], Code> {
                Signer::sign(&self.0, b"undefined")
            }
        }
        let signer = Broken(ed25519_dalek::SigningKey::from_bytes(&[0x42; 32]));
        let signed =
            Claim::sign("github:alice".parse().unwrap(), Timestamp::from_unix(0).unwrap(), None, &signer);
        assert_eq!(signed, Err(Code::BadSignature));
    }
}
