//! The one HPKE suite, on the keys that people have: Ed25519 primaries in their X25519 form.

use ed25519_dalek::VerifyingKey;
use hpke::{
    Deserializable, HpkeError, Kem, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256,
    kem::X25519HkdfSha256, rand_core::CryptoRng, single_shot_open, single_shot_seal_with_rng,
};
use kez_proto::{
    Primary,
    sealed::{INFO, Sealed},
};
use zeroize::Zeroizing;

use crate::Identity;

/// Wiped from memory on drop.
pub(super) type SecretKey = <X25519HkdfSha256 as Kem>::PrivateKey;
type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;
type EncappedKey = <X25519HkdfSha256 as Kem>::EncappedKey;

/// The key that opens what [`seal`] seals to this identity's primary.
pub(super) fn secret_key(identity: &Identity) -> SecretKey {
    SecretKey::from_bytes(&*identity.x25519_secret()).expect("any 32 bytes are an X25519 secret")
}

/// The X25519 form of a primary (RFC 7748, the map from Edwards to Montgomery).
fn public_key(primary: &Primary) -> Result<PublicKey, HpkeError> {
    let point = VerifyingKey::from_bytes(primary.as_bytes()).map_err(|_| HpkeError::ValidationError)?;
    PublicKey::from_bytes(&point.to_montgomery().to_bytes())
}

/// Seals; an all-zero result of X25519 is an error (RFC 9180, 7.1.4). No primary gives one, since weak keys are none.
pub(super) fn seal(to: &Primary, plaintext: &[u8], rng: &mut impl CryptoRng) -> Result<Sealed, HpkeError> {
    let (enc, ct) = single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &public_key(to)?,
        INFO,
        plaintext,
        to.to_string().as_bytes(),
        rng,
    )?;
    Ok(Sealed { enc: enc.to_bytes().into(), ct })
}

/// Opens what was sealed to `me`, whose secret this is. An error is all one learns: another key, changed bytes, an `enc` of small order.
pub(super) fn open(
    secret: &SecretKey,
    me: &Primary,
    sealed: &Sealed,
) -> Result<Zeroizing<Vec<u8>>, HpkeError> {
    single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        secret,
        &EncappedKey::from_bytes(&sealed.enc)?,
        INFO,
        &sealed.ct,
        me.to_string().as_bytes(),
    )
    .map(Zeroizing::new)
}
