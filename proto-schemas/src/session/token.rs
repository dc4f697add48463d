//! Signing and verifying tokens.

use std::{collections::HashMap, sync::Once};

use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Header, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::ErrorKind,
    signature,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Claims;
use crate::{Code, ServerName, Timestamp, limits::REQUEST_SKEW_SECS};

/// The public keys that verify tokens: body of `/.well-known/jwks.json` (RFC 7517).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Jwks {
    /// The newest first.
    pub keys: Vec<Jwk>,
}

/// A public key that verifies tokens (RFC 7517, RFC 8037).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Jwk {
    /// Always `OKP`.
    pub kty: String,
    /// Always `Ed25519`.
    pub crv: String,
    /// The 32 bytes as base64url.
    pub x: String,
    /// Names the key in a token's header: its thumbprint (RFC 7638).
    pub kid: String,
    /// Always `EdDSA`.
    pub alg: String,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub usage: String,
}

/// A key that signs tokens.
pub struct TokenKey {
    kid: String,
    x: String,
    key: EncodingKey,
}

impl TokenKey {
    /// From the 32 bytes of RFC 8032.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let x = BASE64URL_NOPAD.encode(SigningKey::from_bytes(seed).verifying_key().as_bytes());
        let thumbprint = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
        // Our provider takes the seed itself as the key.
        Self { kid: BASE64URL_NOPAD.encode(&thumbprint), x, key: EncodingKey::from_ed_der(seed) }
    }

    /// Its public half.
    pub fn jwk(&self) -> Jwk {
        let text = String::from;
        Jwk {
            kty: text("OKP"),
            crv: text("Ed25519"),
            x: self.x.clone(),
            kid: self.kid.clone(),
            alg: text("EdDSA"),
            usage: text("sig"),
        }
    }

    /// The token that says this.
    pub fn sign(&self, claims: &Claims) -> Result<String, Code> {
        install_provider();
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.key).map_err(|_| Code::Internal)
    }
}

/// The keys that verify tokens.
#[derive(Clone, Default)]
pub struct TokenKeys(HashMap<String, DecodingKey>);

impl TokenKeys {
    /// Of a key set; what isn't an Ed25519 key for signatures is passed over.
    pub fn new(jwks: &Jwks) -> Self {
        let usable = jwks.keys.iter().filter(|k| k.kty == "OKP" && k.crv == "Ed25519" && k.alg == "EdDSA");
        Self(
            usable
                .filter_map(|k| Some((k.kid.clone(), DecodingKey::from_ed_components(&k.x).ok()?)))
                .collect(),
        )
    }

    /// Whether the key that this token names is here; `invalid_token` if it names none.
    pub fn know(&self, token: &str) -> Result<bool, Code> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Code::InvalidToken)?;
        header.kid.map(|kid| self.0.contains_key(&kid)).ok_or(Code::InvalidToken)
    }

    /// What a token for this server says, if it is one of ours and still good; for so many seconds after its expiry too, but never after the session's end.
    /// Errors: `invalid_token`, `token_expired`, `session_ended`.
    pub fn verify(
        &self,
        token: &str,
        server: &ServerName,
        now: Timestamp,
        after_expiry: i64,
    ) -> Result<Claims, Code> {
        install_provider();
        let header = jsonwebtoken::decode_header(token).map_err(|_| Code::InvalidToken)?;
        let key = header.kid.and_then(|kid| self.0.get(&kid)).ok_or(Code::InvalidToken)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[server.as_str()]);
        validation.set_issuer(&[server.as_str()]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        // Time is the caller's.
        validation.validate_exp = false;
        let claims =
            jsonwebtoken::decode::<Claims>(token, key, &validation).map_err(|_| Code::InvalidToken)?.claims;
        claims.session_key()?;
        if claims.iat > now.unix().saturating_add(REQUEST_SKEW_SECS) {
            return Err(Code::InvalidToken);
        }
        if now.unix() >= claims.session_exp {
            return Err(Code::SessionEnded);
        }
        if now.unix() >= claims.exp.saturating_add(after_expiry) {
            return Err(Code::TokenExpired);
        }
        Ok(claims)
    }
}

/// `jsonwebtoken` with the Ed25519 of this workspace, verified strictly.
fn install_provider() {
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: |algorithm, key| match (algorithm, key.as_bytes().try_into()) {
            (Algorithm::EdDSA, Ok(seed)) => Ok(Box::new(TokenSigner(SigningKey::from_bytes(seed)))),
            _ => Err(ErrorKind::InvalidAlgorithm.into()),
        },
        verifier_factory: |algorithm, key| {
            let ours = *algorithm == Algorithm::EdDSA && key.family() == AlgorithmFamily::Ed;
            let bytes = key.try_get_as_bytes().ok().filter(|_| ours).and_then(|b| b.try_into().ok());
            let key = bytes.and_then(|b| VerifyingKey::from_bytes(b).ok()).filter(|k| !k.is_weak());
            Ok(Box::new(TokenVerifier(key.ok_or(ErrorKind::InvalidEddsaKey)?)))
        },
        key_utils: KeyUtils::new_unimplemented(),
    };
    static INSTALLED: Once = Once::new();
    // Another library of the process may have been first; its Ed25519 is as good.
    INSTALLED.call_once(|| {
        let _ = PROVIDER.install_default();
    });
}

struct TokenSigner(SigningKey);

impl signature::Signer<Vec<u8>> for TokenSigner {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.0.sign(message).to_bytes().to_vec())
    }
}

impl JwtSigner for TokenSigner {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

struct TokenVerifier(VerifyingKey);

impl signature::Verifier<Vec<u8>> for TokenVerifier {
    fn verify(&self, message: &[u8], sig: &Vec<u8>) -> Result<(), signature::Error> {
        let sig = Signature::from_slice(sig).map_err(|_| signature::Error::new())?;
        self.0.verify_strict(message, &sig).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for TokenVerifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}
