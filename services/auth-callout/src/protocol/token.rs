//! Tokens signed by nkeys: a JWT whose `alg` is `ed25519-nkey` and whose issuer is the public key itself.

use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signature, VerifyingKey};
use nkeys::{KeyPair, KeyPairType};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::Invalid;

/// What every such token says; `nats` is the part of its purpose.
#[derive(Debug, Serialize, Deserialize)]
pub struct Claims<N> {
    pub iss: String,
    pub sub: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub iat: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    pub nats: N,
}

#[derive(Serialize, Deserialize)]
struct Header {
    typ: String,
    alg: String,
}

const TYPE: &str = "JWT";
const ALGORITHM: &str = "ed25519-nkey";

/// The token that says this, signed by its issuer.
pub fn encode<N: Serialize>(claims: &Claims<N>, issuer: &KeyPair) -> Result<String, Invalid> {
    let part = |json: serde_json::Result<Vec<u8>>| {
        json.map(|json| BASE64URL_NOPAD.encode(&json)).map_err(|_| Invalid::Internal)
    };
    let header = part(serde_json::to_vec(&Header { typ: TYPE.into(), alg: ALGORITHM.into() }))?;
    let signed = format!("{header}.{}", part(serde_json::to_vec(claims))?);
    let signature = issuer.sign(signed.as_bytes()).map_err(|_| Invalid::Internal)?;
    Ok(format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature)))
}

/// What a token says that an nkey of this kind signed: the key that the token names, so that the caller has yet to judge whose that is.
pub fn decode<N: DeserializeOwned>(token: &[u8], issuer: KeyPairType) -> Result<Claims<N>, Invalid> {
    let mut parts = token.rsplitn(2, |byte| *byte == b'.');
    let (Some(signature), Some(signed)) = (parts.next(), parts.next()) else {
        return Err(Invalid::Malformed);
    };
    let mut parts = signed.split(|byte| *byte == b'.');
    let (Some(header), Some(claims), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Invalid::Malformed);
    };
    let header: Header = json(header)?;
    if header.typ != TYPE || header.alg != ALGORITHM {
        return Err(Invalid::Algorithm);
    }
    let claims: Claims<N> = json(claims)?;
    let key = verifying_key(&claims.iss, issuer).ok_or(Invalid::Issuer)?;
    let signature = BASE64URL_NOPAD.decode(signature).map_err(|_| Invalid::Signature)?;
    let signature = Signature::from_slice(&signature).map_err(|_| Invalid::Signature)?;
    key.verify_strict(signed, &signature).map_err(|_| Invalid::Signature)?;
    Ok(claims)
}

fn json<T: DeserializeOwned>(part: &[u8]) -> Result<T, Invalid> {
    let bytes = BASE64URL_NOPAD.decode(part).map_err(|_| Invalid::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Invalid::Malformed)
}

/// The key of a public nkey of this kind, whose bytes are its one spelling. The kind isn't bound to the key, so that it must be asked for; a weak key would
/// verify what nobody signed.
pub fn verifying_key(text: &str, kind: KeyPairType) -> Option<VerifyingKey> {
    let pair = KeyPair::from_public_key(text).ok()?;
    let (_, bytes) = nkeys::from_public_key(text).ok()?;
    let key = VerifyingKey::from_bytes(&bytes).ok()?;
    let canonical = key.to_edwards().compress().to_bytes() == bytes;
    (canonical && pair.key_pair_type() == kind && !key.is_weak()).then_some(key)
}
