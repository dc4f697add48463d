//! Somebody who writes an identity log, over plain HTTP.

use ed25519_dalek::SigningKey;
use kez_proto::{
    envelope::Signed,
    identity::{Chain, Event, Key, Op, Signer, Subject},
};
use reqwest::Response;
use serde_json::Value;

use crate::{Person, http, person::now};

/// A key, and the chain as this writer knows it.
#[derive(Clone)]
pub struct Writer {
    /// The key that signs.
    pub key: SigningKey,
    /// The chain, once it has begun.
    pub chain: Option<Chain>,
}

/// A new key.
pub fn fresh_key() -> SigningKey {
    SigningKey::from_bytes(&Person::new("nobody").seed())
}

/// Says that this account is the writer's.
pub fn add(subject: &str) -> Op {
    Op::Add { subject: subject.parse::<Subject>().unwrap(), proof_url: None }
}

impl Writer {
    /// With the key of this person.
    pub fn of(person: &Person) -> Self {
        Self { key: SigningKey::from_bytes(&person.seed()), chain: None }
    }

    /// With a fresh key.
    pub fn fresh() -> Self {
        Self { key: fresh_key(), chain: None }
    }

    /// The key that signs.
    pub fn primary(&self) -> Key {
        self.key.key()
    }

    /// The next event, which isn't taken on.
    pub fn next(&self, op: &Op) -> Signed {
        Event::sign(self.chain.as_ref(), op, now(), &self.key).unwrap()
    }

    /// The next event lets the chain go on under this key.
    pub fn rotation(&self, to: &SigningKey) -> Signed {
        Event::sign_rotation(self.chain.as_ref().unwrap(), now(), &self.key, to).unwrap()
    }

    /// Takes an event on.
    pub fn take(&mut self, event: &Signed) {
        let bytes = serde_json::to_vec(event).unwrap();
        match &mut self.chain {
            Some(chain) => drop(chain.append(&bytes).unwrap()),
            None => self.chain = Some(Chain::begin(&bytes).unwrap()),
        }
    }

    /// Where the chain is, as its key names it.
    pub fn url(&self, url: &str) -> String {
        chain_url(url, &self.primary())
    }

    /// Posts an event to the chain.
    pub async fn post(&self, url: &str, event: &Signed) -> Response {
        http::client().post(self.url(url)).json(event).send().await.unwrap()
    }

    /// Signs, posts and takes on the next event.
    pub async fn append(&mut self, url: &str, op: &Op) -> Value {
        let event = self.next(op);
        self.append_signed(url, &event).await
    }

    /// Posts and takes on an event.
    pub async fn append_signed(&mut self, url: &str, event: &Signed) -> Value {
        let response = self.post(url, event).await;
        assert_eq!(response.status(), 201, "{}", response.text().await.unwrap());
        self.take(event);
        response.json().await.unwrap()
    }
}

/// Where the chain of this key is.
pub fn chain_url(url: &str, key: &Key) -> String {
    format!("{url}/v1/sigchains/{}/{}", key.system(), key.identifier())
}
