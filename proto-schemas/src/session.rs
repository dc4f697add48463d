//! Sessions: a person's key signs once for a fresh nkey, which then stands for them for a day at most. The server answers a token (a JWT, RFC 7519 with
//! EdDSA, RFC 8037) that is bound to that nkey (`cnf`, RFC 7800). Any service that has the public keys verifies it; none stores it.

use std::{collections::HashMap, sync::Once, time::Duration};

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

use crate::{
    Code, Handle, Primary, ServerName, Timestamp, auth::Credential, envelope, limits::REQUEST_SKEW_SECS,
    nats_login::UserKey,
};

/// The envelope's tag.
pub const TAG: &str = "session";
/// The payload's type.
pub const TYPE: &str = "kez.chat.session";
/// Path of a renewal, which its signature names.
pub const RENEW_PATH: &str = "/v1/session/renew";

/// The payload of the envelope that begins a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionStart {
    /// Always [`TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// Always 1.
    pub version: u32,
    /// Who begins the session, and signs.
    pub primary: Primary,
    /// The server that it is meant for.
    pub server: ServerName,
    /// The public half of a fresh nkey, which stands for the primary while the session lasts.
    pub session_key: UserKey,
    /// When it was signed; within ±60 s of the server's clock.
    pub created_at: Timestamp,
    /// When the session ends; at most 24 hours after `created_at`.
    pub expires_at: Timestamp,
}

impl SessionStart {
    /// The payload for `primary`'s session with `session_key` at `server`.
    pub fn new(
        primary: Primary,
        server: ServerName,
        session_key: UserKey,
        created_at: Timestamp,
        expires_at: Timestamp,
    ) -> Self {
        Self { kind: TYPE.into(), version: 1, primary, server, session_key, created_at, expires_at }
    }

    /// Verifies an envelope's bytes for this server at this time, for sessions of at most `longest`. Errors: those of [`envelope::verify`], then
    /// `wrong_server`, `invalid_session_key`, `invalid_timestamp`, `stale_timestamp`, `invalid_lifetime`.
    pub fn verify(
        bytes: &[u8],
        server: &ServerName,
        now: Timestamp,
        longest: Duration,
    ) -> Result<Self, Code> {
        let envelope::Verified { payload, primary, .. } = envelope::verify(bytes, TAG, TYPE)?;
        let text = |member: &str| payload[member].as_str();
        if text("server") != Some(server.as_str()) {
            return Err(Code::WrongServer);
        }
        let session_key: UserKey = text("session_key").ok_or(Code::InvalidSessionKey)?.parse()?;
        if *session_key.key() == primary {
            return Err(Code::InvalidSessionKey);
        }
        let time =
            |member| text(member).and_then(|t| t.parse::<Timestamp>().ok()).ok_or(Code::InvalidTimestamp);
        let (created_at, expires_at) = (time("created_at")?, time("expires_at")?);
        if (now.unix() - created_at.unix()).abs() > REQUEST_SKEW_SECS {
            return Err(Code::StaleTimestamp);
        }
        let lasts = expires_at.unix() - created_at.unix();
        if lasts <= 0 || lasts.unsigned_abs() > longest.as_secs() || expires_at.unix() <= now.unix() {
            return Err(Code::InvalidLifetime);
        }
        Ok(Self::new(primary, server.clone(), session_key, created_at, expires_at))
    }
}

/// Request of `kez.auth.renew`: the token may have expired, as long as the session hasn't ended.
#[derive(Debug, Serialize, Deserialize)]
pub struct Renew {
    /// The token to renew.
    pub token: String,
    /// Signed by the session's nkey with [`crate::auth::request_text`] over `POST`, [`RENEW_PATH`] and no body.
    pub signature: Option<Credential>,
}

/// Answer to a session's beginning or renewal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Session {
    /// For `Authorization: Bearer` and as `auth_token` of a NATS connection.
    pub token: String,
    /// When the token is no longer good; renew it before.
    pub expires_at: Timestamp,
    /// When the session ends.
    pub session_expires_at: Timestamp,
    /// The handle of the session's person.
    pub handle: Handle,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The server that issued it.
    pub iss: ServerName,
    /// The server that it is meant for; the same.
    pub aud: ServerName,
    /// Whose session it is.
    pub sub: Primary,
    /// Unix seconds.
    pub iat: i64,
    /// Unix seconds.
    pub exp: i64,
    /// When the session ends, in Unix seconds.
    pub session_exp: i64,
    /// The session's nkey.
    pub cnf: Confirmation,
}

/// The key that the token's bearer can prove to have (RFC 7800).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// An Ed25519 key (RFC 8037).
    pub jwk: PublicJwk,
}

/// A bare Ed25519 key as a JWK (RFC 8037).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicJwk {
    /// Always `OKP`.
    pub kty: String,
    /// Always `Ed25519`.
    pub crv: String,
    /// The 32 bytes as base64url.
    pub x: String,
}

impl Claims {
    /// The session's key.
    pub fn session_key(&self) -> Result<Primary, Code> {
        let bytes = BASE64URL_NOPAD.decode(self.cnf.jwk.x.as_bytes()).map_err(|_| Code::InvalidToken)?;
        let bytes = bytes.try_into().map_err(|_| Code::InvalidToken)?;
        Primary::from_bytes(&bytes).map_err(|_| Code::InvalidToken)
    }
}

impl Confirmation {
    /// Of this key.
    pub fn of(key: &Primary) -> Self {
        let x = BASE64URL_NOPAD.encode(key.as_bytes());
        Self { jwk: PublicJwk { kty: "OKP".into(), crv: "Ed25519".into(), x } }
    }
}

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
