//! The key of a Nostr account: the x coordinate of a secp256k1 point (BIP-340), written as `npub1…` (NIP-19).

use std::{fmt, str::FromStr};

use bech32::{Bech32, Hrp, primitives::decode::CheckedHrpstring};
use data_encoding::HEXLOWER;
use k256::schnorr::{Signature, SigningKey, VerifyingKey, signature::Verifier};

use crate::Code;

const PREFIX: &str = "npub";

/// An x-only public key that is on the curve.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NostrKey([u8; 32]);

impl NostrKey {
    /// From the 32 bytes of BIP-340. `invalid_primary` if they are no point's x coordinate.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, Code> {
        VerifyingKey::from_slice(bytes).map(|_| Self(*bytes)).map_err(|_| Code::InvalidPrimary)
    }

    /// The public half of a secret key.
    pub fn of(secret: &SigningKey) -> Self {
        Self(secret.verifying_key().to_bytes().into())
    }

    /// The 32 bytes of BIP-340.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Verifies a signature (128 lower-case hex digits) by BIP-340 over SHA-256 of the message. `bad_signature`.
    pub fn verify(&self, message: &[u8], signature_hex: &str) -> Result<(), Code> {
        let key = VerifyingKey::from_slice(&self.0).map_err(|_| Code::InvalidPrimary)?;
        let bytes = HEXLOWER.decode(signature_hex.as_bytes()).map_err(|_| Code::BadSignature)?;
        let signature = Signature::from_slice(&bytes).map_err(|_| Code::BadSignature)?;
        key.verify(message, &signature).map_err(|_| Code::BadSignature)
    }
}

impl FromStr for NostrKey {
    type Err = Code;
    fn from_str(s: &str) -> Result<Self, Code> {
        let checked = CheckedHrpstring::new::<Bech32>(s).map_err(|_| Code::InvalidPrimary)?;
        let bytes: Vec<u8> = checked.byte_iter().collect();
        let key = Self::from_bytes(&bytes.try_into().map_err(|_| Code::InvalidPrimary)?)?;
        // One spelling: bech32 has upper case and padding bits, too.
        if key.to_string() == s { Ok(key) } else { Err(Code::InvalidPrimary) }
    }
}

impl fmt::Display for NostrKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        bech32::encode_lower_to_fmt::<Bech32, _>(f, Hrp::parse_unchecked(PREFIX), &self.0)
            .map_err(|_| fmt::Error)
    }
}

impl fmt::Debug for NostrKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of NIP-19.
    const HEX: &str = "7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e";
    const NPUB: &str = "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg";

    #[test]
    fn nip_19_example() {
        let key: NostrKey = NPUB.parse().unwrap();
        assert_eq!(HEXLOWER.encode(key.as_bytes()), HEX);
        assert_eq!(key.to_string(), NPUB);
    }

    #[test]
    fn other_spellings_and_other_kinds_are_refused() {
        // The same bytes as a secret key, and with the checksum of bech32m.
        let bytes = *NPUB.parse::<NostrKey>().unwrap().as_bytes();
        let nsec = bech32::encode::<Bech32>(Hrp::parse("nsec").unwrap(), &bytes).unwrap();
        let bech32m = bech32::encode::<bech32::Bech32m>(Hrp::parse("npub").unwrap(), &bytes).unwrap();
        let short = bech32::encode::<Bech32>(Hrp::parse("npub").unwrap(), &bytes[..31]).unwrap();
        let off_curve = bech32::encode::<Bech32>(Hrp::parse("npub").unwrap(), &[0xff; 32]).unwrap();
        let upper = NPUB.to_uppercase();
        let one_off = NPUB.replace("0elf", "0elg");
        for bad in ["", "npub1", HEX, &nsec, &bech32m, &short, &off_curve, &upper, &one_off] {
            assert_eq!(bad.parse::<NostrKey>(), Err(Code::InvalidPrimary), "{bad} was taken");
        }
    }
}
