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

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_780_000_000;
    const DAY: Duration = Duration::from_secs(24 * 3600);
    /// A point of small order, for which anybody can make a signature that a lax verifier takes.
    const WEAK: [u8; 32] = {
        let mut identity = [0; 32];
        identity[0] = 1;
        identity
    };

    fn at(unix: i64) -> Timestamp {
        Timestamp::from_unix(unix).unwrap()
    }

    fn kez_lat() -> ServerName {
        "kez.lat".parse().unwrap()
    }

    fn primary(seed: u8) -> Primary {
        Primary::from_bytes(SigningKey::from_bytes(&[seed; 32]).verifying_key().as_bytes()).unwrap()
    }

    fn nkey(kind: nkeys::KeyPairType, seed: u8) -> String {
        nkeys::KeyPair::new_from_raw(kind, [seed; 32]).unwrap().public_key()
    }

    /// Alice's session, changed before she signs it.
    fn start(change: impl FnOnce(&mut Value)) -> Value {
        let session_key = nkey(nkeys::KeyPairType::User, 2).parse().unwrap();
        let start = SessionStart::new(primary(1), kez_lat(), session_key, at(NOW), at(NOW + 3600));
        let mut payload = serde_json::to_value(start).unwrap();
        change(&mut payload);
        let sig = SigningKey::from_bytes(&[1; 32]).sign(&crate::json::canonical(&payload).unwrap());
        let sig = HEXLOWER.encode(&sig.to_bytes());
        json!({"kez": TAG, "payload": payload, "signature": {"alg": envelope::ED25519_JCS, "key": primary(1), "sig": sig}})
    }

    fn verified_at(envelope: &Value, now: i64) -> Result<SessionStart, Code> {
        SessionStart::verify(envelope.to_string().as_bytes(), &kez_lat(), at(now), DAY)
    }

    #[test]
    fn a_session_begins_as_it_was_signed() {
        let start = verified_at(&start(|_| {}), NOW).unwrap();
        assert_eq!((start.primary, *start.session_key.key()), (primary(1), primary(2)));
        assert_eq!((start.created_at, start.expires_at), (at(NOW), at(NOW + 3600)));
    }

    #[test]
    fn what_is_wrong_with_a_payload_is_told_by_its_code() {
        let set = |member: &'static str, value: Value| {
            let changed = start(|payload| payload[member] = value);
            verified_at(&changed, NOW).map(drop)
        };
        let time = |unix| json!(at(unix).to_string());
        for (member, value, code) in [
            ("type", json!("kez.chat.handle"), Code::WrongType),
            ("version", json!(2), Code::WrongVersion),
            ("primary", json!(primary(3)), Code::KeyMismatch),
            ("server", json!("other.lat"), Code::WrongServer),
            ("server", json!("KEZ.lat"), Code::WrongServer),
            ("server", Value::Null, Code::WrongServer),
            ("session_key", Value::Null, Code::InvalidSessionKey),
            ("session_key", json!(primary(2)), Code::InvalidSessionKey),
            ("session_key", json!(nkey(nkeys::KeyPairType::Account, 2)), Code::InvalidSessionKey),
            (
                "session_key",
                json!("UAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABVBG"),
                Code::InvalidSessionKey,
            ),
            // The person's own key can't be put away while it is the session's.
            ("session_key", json!(nkey(nkeys::KeyPairType::User, 1)), Code::InvalidSessionKey),
            ("created_at", json!(NOW), Code::InvalidTimestamp),
            ("created_at", json!("2026-05-28T22:26:40+00:00"), Code::InvalidTimestamp),
            ("expires_at", Value::Null, Code::InvalidTimestamp),
            ("created_at", time(NOW - 61), Code::StaleTimestamp),
            ("created_at", time(NOW + 61), Code::StaleTimestamp),
            ("expires_at", time(NOW), Code::InvalidLifetime),
            ("expires_at", time(NOW - 1), Code::InvalidLifetime),
            ("expires_at", time(NOW + 24 * 3600 + 1), Code::InvalidLifetime),
        ] {
            assert_eq!(set(member, value.clone()), Err(code), "{member}: {value}");
        }
        for (member, value) in [
            ("created_at", time(NOW - 60)),
            ("created_at", time(NOW + 60)),
            ("expires_at", time(NOW + 24 * 3600)),
            ("note", json!("of a later version")),
        ] {
            assert_eq!(set(member, value.clone()), Ok(()), "{member}: {value}");
        }
        // It would end before it begins, both still to come.
        let backwards = start(|payload| {
            payload["created_at"] = time(NOW + 60);
            payload["expires_at"] = time(NOW + 30);
        });
        assert_eq!(verified_at(&backwards, NOW), Err(Code::InvalidLifetime));
        // It ended while it was on its way.
        let short = start(|payload| payload["expires_at"] = time(NOW + 5));
        assert_eq!(verified_at(&short, NOW + 4).map(drop), Ok(()));
        assert_eq!(verified_at(&short, NOW + 5), Err(Code::InvalidLifetime));
    }

    #[test]
    fn what_is_wrong_with_an_envelope_is_told_by_its_code() {
        let changed = |change: fn(&mut Value)| {
            let mut envelope = start(|_| {});
            change(&mut envelope);
            verified_at(&envelope, NOW).map(drop)
        };
        assert_eq!(changed(|e| e["kez"] = json!("claim")), Err(Code::WrongTag));
        assert_eq!(changed(|e| e["signature"]["alg"] = json!("none")), Err(Code::UnsupportedAlg));
        assert_eq!(changed(|e| e["signature"]["key"] = json!(primary(3))), Err(Code::KeyMismatch));
        assert_eq!(
            changed(|e| e["payload"]["expires_at"] = json!("2026-05-29T00:00:00Z")),
            Err(Code::BadSignature)
        );
        assert_eq!(changed(|e| e["payload"]["note"] = json!(1)), Err(Code::BadSignature));
        assert_eq!(
            changed(|e| e["payload"]["note"] = json!(9_007_199_254_740_993_u64)),
            Err(Code::NumberOutOfRange)
        );
        assert_eq!(changed(|e| e["more"] = json!(1)), Err(Code::MalformedJson));
        let weak = format!("ed25519:{}", HEXLOWER.encode(&WEAK));
        let mut envelope = start(|payload| payload["primary"] = json!(weak));
        envelope["signature"]["key"] = json!(weak);
        assert_eq!(verified_at(&envelope, NOW), Err(Code::InvalidPrimary));
        let verify = |bytes: &str| SessionStart::verify(bytes.as_bytes(), &kez_lat(), at(NOW), DAY).map(drop);
        assert_eq!(verify("[]"), Err(Code::MalformedJson));
        let twice = start(|_| {}).to_string().replacen('{', r#"{"kez":"claim","#, 1);
        assert_eq!(verify(&twice), Err(Code::DuplicateKey));
    }

    fn claims() -> Claims {
        Claims {
            iss: kez_lat(),
            aud: kez_lat(),
            sub: primary(1),
            iat: NOW,
            exp: NOW + 900,
            session_exp: NOW + 3600,
            cnf: Confirmation::of(&primary(2)),
        }
    }

    fn keys(of: &[u8]) -> TokenKeys {
        TokenKeys::new(&Jwks {
            keys: of.iter().map(|seed| TokenKey::from_seed(&[*seed; 32]).jwk()).collect(),
        })
    }

    fn verified(token: &str, now: i64) -> Result<Claims, Code> {
        keys(&[9]).verify(token, &kez_lat(), at(now), 0)
    }

    /// A token of any form, signed by any means.
    fn forged(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = BASE64URL_NOPAD.encode(&sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn sign_with(seed: u8) -> impl Fn(&[u8]) -> Vec<u8> {
        move |message| SigningKey::from_bytes(&[seed; 32]).sign(message).to_bytes().to_vec()
    }

    /// RFC 2104.
    fn hmac_sha256(secret: &[u8], message: &[u8]) -> Vec<u8> {
        let pad =
            |with: u8| -> Vec<u8> { (0..64).map(|n| secret.get(n).copied().unwrap_or(0) ^ with).collect() };
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
        Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
    }

    #[test]
    fn a_key_has_the_thumbprint_of_the_standard() {
        // RFC 8037, appendix A.
        let seed = BASE64URL_NOPAD.decode(b"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let jwk = TokenKey::from_seed(&seed.try_into().unwrap()).jwk();
        assert_eq!(jwk.x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(jwk.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_token_says_what_was_signed_and_any_of_the_keys_verifies() {
        let token = TokenKey::from_seed(&[9; 32]).sign(&claims()).unwrap();
        assert_eq!(verified(&token, NOW), Ok(claims()));
        assert_eq!(keys(&[8, 9]).verify(&token, &kez_lat(), at(NOW), 0), Ok(claims()));
        assert_eq!((keys(&[8]).know(&token), keys(&[8, 9]).know(&token)), (Ok(false), Ok(true)));
        assert_eq!(keys(&[8]).verify(&token, &kez_lat(), at(NOW), 0), Err(Code::InvalidToken));
        assert_eq!(claims().session_key(), Ok(primary(2)));
    }

    #[test]
    fn a_changed_or_forged_token_is_none() {
        let kid = TokenKey::from_seed(&[9; 32]).jwk().kid;
        let header = json!({"typ": "JWT", "alg": "EdDSA", "kid": kid});
        let says = serde_json::to_value(claims()).unwrap();
        let good = forged(&header, &says, sign_with(9));
        assert_eq!(verified(&good, NOW), Ok(claims()), "the forger's tools work");

        let [head, body, signature]: [&str; 3] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
        let changed = |part: &str| format!("{}{}", if part.starts_with('A') { 'B' } else { 'A' }, &part[1..]);
        let other_head = BASE64URL_NOPAD.encode(json!({"alg": "EdDSA", "kid": kid}).to_string().as_bytes());
        let mut other = says.clone();
        other["sub"] = json!(primary(3));
        let other_body = BASE64URL_NOPAD.encode(other.to_string().as_bytes());
        let public = TokenKey::from_seed(&[9; 32]).jwk().x;
        let raw = BASE64URL_NOPAD.decode(public.as_bytes()).unwrap();
        let with_alg = |alg: &str| json!({"typ": "JWT", "alg": alg, "kid": kid});
        let mut own_key = header.clone();
        own_key["jwk"] = json!(TokenKey::from_seed(&[7; 32]).jwk());
        for (what, token) in [
            ("header", format!("{other_head}.{body}.{signature}")),
            ("claims", format!("{head}.{other_body}.{signature}")),
            ("signature", format!("{head}.{body}.{}", changed(signature))),
            ("no signature", format!("{head}.{body}.")),
            ("two parts", format!("{head}.{body}")),
            ("four parts", format!("{good}.{signature}")),
            ("nothing", String::new()),
            ("another's signature", forged(&header, &says, sign_with(7))),
            ("a key that it brings along", forged(&own_key, &says, sign_with(7))),
            ("alg none", forged(&with_alg("none"), &says, |_| vec![])),
            ("alg none, signed", forged(&with_alg("none"), &says, sign_with(9))),
            ("HS256 of the public key", forged(&with_alg("HS256"), &says, |m| hmac_sha256(&raw, m))),
            ("HS256 of its text", forged(&with_alg("HS256"), &says, |m| hmac_sha256(public.as_bytes(), m))),
            ("ES256, signed with Ed25519", forged(&with_alg("ES256"), &says, sign_with(9))),
            ("no kid", forged(&json!({"typ": "JWT", "alg": "EdDSA"}), &says, sign_with(9))),
            ("unknown kid", forged(&json!({"alg": "EdDSA", "kid": "x"}), &says, sign_with(9))),
        ] {
            assert_eq!(verified(&token, NOW), Err(Code::InvalidToken), "{what}: {token}");
        }
        for token in ["", "x", "a.b.c", &forged(&json!({"alg": "EdDSA"}), &says, sign_with(9))] {
            assert_eq!(keys(&[9]).know(token), Err(Code::InvalidToken), "{token}");
        }
    }

    #[test]
    fn a_signature_that_any_lax_verifier_takes_is_none() {
        let x = BASE64URL_NOPAD.encode(&WEAK);
        let weak = Jwk { x, kid: "weak".into(), ..TokenKey::from_seed(&[9; 32]).jwk() };
        let short = Jwk { x: "AQ".into(), kid: "short".into(), ..weak.clone() };
        let keys = TokenKeys::new(&Jwks { keys: vec![weak, short] });
        let says = serde_json::to_value(claims()).unwrap();
        // R is the identity and s is 0.
        let signature = [&WEAK[..], &[0; 32]].concat();
        for kid in ["weak", "short"] {
            let token = forged(&json!({"alg": "EdDSA", "kid": kid}), &says, |_| signature.clone());
            assert_eq!(keys.know(&token), Ok(true));
            assert_eq!(keys.verify(&token, &kez_lat(), at(NOW), 0), Err(Code::InvalidToken), "{kid}");
        }
    }

    #[test]
    fn keys_of_other_kinds_are_passed_over() {
        let ours = TokenKey::from_seed(&[9; 32]).jwk();
        let with = |change: fn(&mut Jwk)| {
            let mut other = ours.clone();
            change(&mut other);
            TokenKeys::new(&Jwks { keys: vec![other] })
        };
        let token = TokenKey::from_seed(&[9; 32]).sign(&claims()).unwrap();
        assert_eq!(with(|_| {}).know(&token), Ok(true));
        for other in [
            with(|k| k.kty = "EC".into()),
            with(|k| k.crv = "X25519".into()),
            with(|k| k.alg = "ES256".into()),
            with(|k| k.x = "not base64url!".into()),
        ] {
            assert_eq!(other.know(&token), Ok(false));
        }
    }

    #[test]
    fn claims_that_are_not_of_this_server_or_make_no_sense_are_refused() {
        let says = |change: &dyn Fn(&mut Value)| {
            let mut says = serde_json::to_value(claims()).unwrap();
            change(&mut says);
            let kid = TokenKey::from_seed(&[9; 32]).jwk().kid;
            verified(&forged(&json!({"alg": "EdDSA", "kid": kid}), &says, sign_with(9)), NOW).map(drop)
        };
        let weak = BASE64URL_NOPAD.encode(&WEAK);
        assert_eq!(says(&|_| {}), Ok(()));
        assert_eq!(says(&|c| c["iat"] = json!(NOW + 60)), Ok(()));
        for (what, refused) in [
            ("iss", says(&|c| c["iss"] = json!("other.lat"))),
            ("aud", says(&|c| c["aud"] = json!("other.lat"))),
            ("aud of several", says(&|c| c["aud"] = json!(["kez.lat", "other.lat"]))),
            ("sub", says(&|c| c["sub"] = json!("alice"))),
            ("weak sub", says(&|c| c["sub"] = json!(format!("ed25519:{}", HEXLOWER.encode(&WEAK))))),
            ("iat in the future", says(&|c| c["iat"] = json!(NOW + 61))),
            ("weak session key", says(&|c| c["cnf"]["jwk"]["x"] = json!(weak))),
            ("short session key", says(&|c| c["cnf"]["jwk"]["x"] = json!("AQ"))),
            ("session key that is no base64url", says(&|c| c["cnf"]["jwk"]["x"] = json!("="))),
        ] {
            assert_eq!(refused, Err(Code::InvalidToken), "{what}");
        }
        for member in ["iss", "aud", "sub", "iat", "exp", "session_exp", "cnf"] {
            let without = says(&|c| drop(c.as_object_mut().unwrap().remove(member)));
            assert_eq!(without, Err(Code::InvalidToken), "without {member}");
        }
    }

    #[test]
    fn a_token_ends_and_its_session_ends_for_good() {
        let token = TokenKey::from_seed(&[9; 32]).sign(&claims()).unwrap();
        let after = |now, after| keys(&[9]).verify(&token, &kez_lat(), at(now), after).map(drop);
        assert_eq!(after(NOW + 899, 0), Ok(()));
        assert_eq!(after(NOW + 900, 0), Err(Code::TokenExpired));
        assert_eq!(after(NOW + 909, 10), Ok(()));
        assert_eq!(after(NOW + 910, 10), Err(Code::TokenExpired));
        assert_eq!(after(NOW + 3599, i64::MAX), Ok(()));
        for grace in [0, 10, i64::MAX] {
            assert_eq!(after(NOW + 3600, grace), Err(Code::SessionEnded));
        }
        let other = keys(&[9]).verify(&token, &"other.lat".parse().unwrap(), at(NOW), 0);
        assert_eq!(other, Err(Code::InvalidToken));
    }
}
