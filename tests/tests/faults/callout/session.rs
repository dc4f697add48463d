//! Sessions over plain HTTP, and how their keys log in to NATS.

use std::sync::{Arc, Mutex};

use async_nats::{Auth, AuthError, ConnectOptions};
use data_encoding::BASE64URL_NOPAD;
use kez_client::Identity;
use kez_proto::{
    Primary, Timestamp, auth, nats_login,
    nats_login::UserKey,
    session::{RENEW_PATH, Session as Grant, SessionStart, TAG},
    subjects,
};
use kez_tests::{Person, SERVER, http, person::now};
use reqwest::Response;
use serde_json::Value;

/// A session's key, and its newest token.
pub struct Session {
    key: Identity,
    primary: Primary,
    pub grant: Grant,
}

/// The session that a client is in at the moment.
pub type Current = Arc<Mutex<Session>>;

impl Session {
    /// One of so many seconds.
    pub async fn begin(url: &str, person: &Person, seconds: i64) -> Self {
        let key = Identity::generate().unwrap();
        let grant = granted(begin(url, person, &key, seconds).await).await;
        Self { key, primary: person.identity.primary(), grant }
    }

    /// Asks for another token.
    pub async fn renew(&mut self, url: &str) {
        let text = |ts| auth::request_text(&SERVER.parse().unwrap(), "POST", RENEW_PATH, b"", ts);
        let request = http::client()
            .post(format!("{url}{RENEW_PATH}"))
            .bearer_auth(&self.grant.token)
            .header("x-kez-auth", self.key.credential(text).0);
        self.grant = granted(request.send().await.unwrap()).await;
    }

    /// The name of the key that signed its token.
    pub fn kid(&self) -> String {
        let header = self.grant.token.split('.').next().unwrap();
        let header: Value =
            serde_json::from_slice(&BASE64URL_NOPAD.decode(header.as_bytes()).unwrap()).unwrap();
        header["kid"].as_str().unwrap().to_owned()
    }

    fn log_in(&self, nonce: &[u8]) -> Auth {
        let text = nats_login::text(&SERVER.parse().unwrap(), std::str::from_utf8(nonce).unwrap());
        let mut auth = Auth::new();
        auth.token = Some(self.grant.token.clone());
        auth.nkey = Some(UserKey::from(self.key.primary()).to_string());
        auth.signature = Some(self.key.sign(text.as_bytes()).to_vec());
        auth
    }
}

/// Logs in with the session that is the current one then, whenever the connection is made anew.
pub fn nats_options(current: &Current) -> ConnectOptions {
    let inbox = subjects::client_inbox_prefix(&current.lock().unwrap().primary);
    let current = current.clone();
    let login = move |nonce: Vec<u8>| {
        let auth = current.lock().unwrap().log_in(&nonce);
        std::future::ready(Ok::<_, AuthError>(auth))
    };
    ConnectOptions::with_auth_callback(login).custom_inbox_prefix(inbox)
}

/// The request for a session of this key.
pub async fn begin(url: &str, person: &Person, key: &Identity, seconds: i64) -> Response {
    let (primary, server) = (person.identity.primary(), SERVER.parse().unwrap());
    let (begins, ends) = (now(), Timestamp::from_unix(now().unix() + seconds).unwrap());
    let start = SessionStart::new(primary, server, key.primary().into(), begins, ends);
    let envelope = person.identity.sign_envelope(TAG, &start).unwrap();
    http::client().post(format!("{url}/v1/session")).json(&envelope).send().await.unwrap()
}

async fn granted(response: Response) -> Grant {
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(status, 201, "{text}");
    serde_json::from_str(&text).unwrap()
}
