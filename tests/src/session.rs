//! Sessions, over plain HTTP as everything here, and their tokens as the deployment's own keys make them.

use data_encoding::HEXLOWER;
use kez_proto::{
    Primary, Timestamp, auth,
    session::{self, Claims, Confirmation, RENEW_PATH, SessionStart, TokenKey},
};
use nkeys::KeyPair;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use crate::{Person, SERVER, http, nats::Nats, person::now};

/// A session's key and the newest answer to it.
pub struct Session {
    /// The fresh key.
    pub key: KeyPair,
    /// What the server said.
    pub granted: session::Session,
}

/// The same 32 bytes as a primary.
pub fn primary(key: &KeyPair) -> Primary {
    Primary::from_bytes(&nkeys::from_public_key(&key.public_key()).unwrap().1).unwrap()
}

/// An envelope by which this person begins a session of an hour with this key; its payload was changed before it was signed.
pub fn envelope(person: &Person, key: &KeyPair, change: impl FnOnce(&mut Value)) -> Value {
    let ends = Timestamp::from_unix(now().unix() + 3600).unwrap();
    let key = key.public_key().parse().unwrap();
    let start = SessionStart::new(person.identity.primary(), SERVER.parse().unwrap(), key, now(), ends);
    let mut payload = serde_json::to_value(start).unwrap();
    change(&mut payload);
    let sig = person.identity.sign_hex(&kez_proto::json::canonical(&payload).unwrap());
    let key = person.identity.primary();
    json!({
        "kez": session::TAG, "payload": payload,
        "signature": {"alg": kez_proto::envelope::ED25519_JCS, "key": key, "sig": sig},
    })
}

/// Posts an envelope.
pub async fn begin(url: &str, envelope: &Value) -> Response {
    http::client().post(format!("{url}/v1/session")).json(envelope).send().await.unwrap()
}

/// What a token of this person's session with this key says, from now on.
pub fn claims(person: &Person, key: &KeyPair) -> Claims {
    let (server, iat) = (SERVER.parse::<kez_proto::ServerName>().unwrap(), now().unix());
    Claims {
        iss: server.clone(),
        aud: server,
        sub: person.identity.primary(),
        iat,
        exp: iat + 900,
        session_exp: iat + 3600,
        cnf: Confirmation::of(&primary(key)),
    }
}

/// The deployment's own key that signs tokens: for those that a test can't wait for.
pub fn token_key(nats: &Nats, number: u64) -> TokenKey {
    let seed = std::fs::read_to_string(nats.keys.session_keys().join(format!("{number}.nk"))).unwrap();
    TokenKey::from_seed(&nkeys::decode_seed(seed.trim_end()).unwrap().1)
}

impl Session {
    /// A session of this person's, which must be granted.
    pub async fn begin(person: &Person, url: &str) -> Self {
        let key = KeyPair::new_user();
        let answer = begin(url, &envelope(person, &key, |_| {})).await;
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
        Self { key, granted: answer.json().await.unwrap() }
    }

    /// `X-KEZ-Auth` of the session's key for a request without a body.
    pub fn request_auth(&self, method: &str, target: &str) -> String {
        signature(&self.key, now().unix(), method, target)
    }
}

/// `X-KEZ-Auth` of this key for a request without a body.
pub fn signature(key: &KeyPair, ts: i64, method: &str, target: &str) -> String {
    let text = auth::request_text(&SERVER.parse().unwrap(), method, target, b"", ts);
    format!("{ts}:{}", HEXLOWER.encode(&key.sign(text.as_bytes()).unwrap()))
}

/// Renews with this token and this signature.
pub fn renewal(url: &str, token: &str, signature: &str) -> RequestBuilder {
    http::client().post(format!("{url}{RENEW_PATH}")).bearer_auth(token).header("x-kez-auth", signature)
}
