//! People with keys, and what they sign; over plain HTTP, so that the API is tested and not the client library.

use async_nats::{Auth, AuthError, Client, ConnectError, ConnectOptions};
use kez_client::Identity;
use kez_proto::{
    Handle, Timestamp, auth, nats_login,
    registration::{self, HandleRegistration},
    registry::Record,
    subjects,
};
use nkeys::KeyPair;
use reqwest::Response;
use serde_json::{Value, json};

use crate::{SERVER, http, wait::within};

/// Somebody with a key and a wish for a handle.
pub struct Person {
    /// The key.
    pub identity: Identity,
    /// The same key, as NATS has it.
    pub nkey: KeyPair,
    /// The handle.
    pub handle: Handle,
}

/// The present time.
pub fn now() -> Timestamp {
    time::OffsetDateTime::now_utc().into()
}

impl Person {
    /// Somebody with a fresh key.
    pub fn new(handle: &str) -> Self {
        let nkey = KeyPair::new_user();
        let (_, seed) = nkeys::decode_seed(&nkey.seed().unwrap()).unwrap();
        Self { identity: Identity::from_seed(&seed), nkey, handle: handle.parse().unwrap() }
    }

    /// Somebody who is registered.
    pub async fn registered(handle: &str, url: &str) -> Self {
        let person = Self::new(handle);
        let response = person.register(url).await;
        assert_eq!(response.status(), 201, "{}", response.text().await.unwrap());
        person
    }

    /// The 32 bytes of the key (RFC 8032).
    pub fn seed(&self) -> [u8; 32] {
        nkeys::decode_seed(&self.nkey.seed().unwrap()).unwrap().1
    }

    /// A registration signed now.
    pub fn registration(&self) -> Value {
        self.registration_with(|_| {})
    }

    /// A registration whose payload was changed before it was signed.
    pub fn registration_with(&self, change: impl FnOnce(&mut Value)) -> Value {
        let payload = HandleRegistration::new(
            self.handle.clone(),
            self.identity.primary(),
            SERVER.parse().unwrap(),
            now(),
        );
        let mut payload = serde_json::to_value(payload).unwrap();
        change(&mut payload);
        let sig = self.identity.sign_hex(&kez_proto::json::canonical(&payload).unwrap());
        let signature =
            json!({"alg": kez_proto::envelope::ED25519_JCS, "key": self.identity.primary(), "sig": sig});
        json!({"kez": registration::TAG, "payload": payload, "signature": signature})
    }

    /// Posts a registration signed now.
    pub async fn register(&self, url: &str) -> Response {
        http::client().post(format!("{url}/v1/register")).json(&self.registration()).send().await.unwrap()
    }

    /// Registers, and the record.
    pub async fn record(&self, url: &str) -> Record {
        self.register(url).await.json().await.unwrap()
    }

    /// The record that the server has of this person.
    pub async fn looked_up(&self, url: &str) -> Record {
        let response = http::get(format!("{url}/v1/u/{}", self.handle)).await;
        assert_eq!(response.status(), 200, "{}", self.handle);
        response.json().await.unwrap()
    }

    /// `X-KEZ-Auth` for a page of mail.
    pub fn poll_auth(&self, since: u64) -> String {
        self.sign(now().unix(), |ts| auth::poll_text(&self.handle, since, ts))
    }

    /// `auth=` for a stream.
    pub fn stream_auth(&self) -> String {
        self.sign(now().unix(), |ts| auth::stream_text(&self.handle, ts))
    }

    /// `X-KEZ-Auth` for another request without a body.
    pub fn request_auth(&self, method: &str, target: &str) -> String {
        self.sign(now().unix(), |ts| auth::request_text(&SERVER.parse().unwrap(), method, target, b"", ts))
    }

    /// A signature over the text of this time.
    pub fn sign(&self, ts: i64, text: impl FnOnce(i64) -> String) -> String {
        format!("{ts}:{}", self.identity.sign_hex(text(ts).as_bytes()))
    }

    /// A page of this person's mail, as (seq, envelope).
    pub async fn page(&self, url: &str, since: u64, limit: usize) -> (Vec<(u64, Value)>, Option<u64>) {
        let request = http::client()
            .get(format!("{url}/v1/inbox/{}?since={since}&limit={limit}", self.handle))
            .header("x-kez-auth", self.poll_auth(since));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        let page: Value = response.json().await.unwrap();
        let messages = page["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| (m["seq"].as_u64().unwrap(), m["envelope"].clone()));
        (messages.collect(), page["next"].as_u64())
    }

    /// How this person logs in to NATS with a client of ours: by a signature that names the server's domain.
    pub fn nats_options(&self) -> ConnectOptions {
        self.nats_options_signing(|nonce| nats_login::text(&SERVER.parse().unwrap(), nonce))
    }

    /// How this person logs in with a stock NATS client: by a signature of the bare nonce.
    pub fn stock_nats_options(&self) -> ConnectOptions {
        self.nats_options_signing(str::to_owned)
    }

    /// The same with another text that is signed for a nonce.
    pub fn nats_options_signing(
        &self,
        text: impl Fn(&str) -> String + Send + Sync + 'static,
    ) -> ConnectOptions {
        let key = self.nkey.clone();
        let login = move |nonce: Vec<u8>| {
            let text = text(std::str::from_utf8(&nonce).unwrap());
            let mut auth = Auth::new();
            auth.nkey = Some(key.public_key());
            auth.signature = Some(key.sign(text.as_bytes()).unwrap());
            std::future::ready(Ok::<_, AuthError>(auth))
        };
        let inbox = subjects::client_inbox_prefix(&self.identity.primary());
        ConnectOptions::with_auth_callback(login).custom_inbox_prefix(inbox)
    }

    /// Connects to NATS at this address.
    pub async fn try_connect_nats(&self, url: &str) -> Result<Client, ConnectError> {
        within("NATS answers a login", self.nats_options().connect(url)).await
    }

    /// Connects to NATS at this address, which must let this person in.
    pub async fn connect_nats(&self, url: &str) -> Client {
        self.try_connect_nats(url).await.unwrap()
    }

    /// All of this person's mail.
    pub async fn mail(&self, url: &str) -> Vec<(u64, Value)> {
        let (mut all, mut since) = (vec![], 0);
        loop {
            let (page, next) = self.page(url, since, 500).await;
            all.extend(page);
            match next {
                Some(next) => since = next,
                None => return all,
            }
        }
    }
}

/// Posts a message.
pub async fn send(url: &str, to: &str, envelope: Value) -> Response {
    http::client()
        .post(format!("{url}/v1/messages"))
        .json(&json!({"to": to, "envelope": envelope}))
        .send()
        .await
        .unwrap()
}
