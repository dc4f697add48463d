//! A session's token opens NATS only together with the session's key, as long as it is good, and only as it was made.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use kez_proto::{
    Timestamp,
    session::{Claims, TokenKey},
};
use kez_tests::{
    Deployment, Person, RawNats,
    person::now,
    raw_nats::{Transport, Word},
    session::{Session, begin, claims, envelope, token_key},
    within,
};
use nkeys::KeyPair;
use serde_json::{Value, json};

use super::{
    Client, Credential, User, WAYS,
    credentials::{Attempt, all_refused},
    login_text,
};

/// The part of a token, as JSON.
fn part(token: &str, n: usize) -> Value {
    serde_json::from_slice(&BASE64URL_NOPAD.decode(token.split('.').nth(n).unwrap().as_bytes()).unwrap())
        .unwrap()
}

/// The token with another part.
fn replaced(token: &str, n: usize, with: &str) -> String {
    let mut parts: Vec<&str> = token.split('.').collect();
    parts[n] = with;
    parts.join(".")
}

fn json_part(value: &Value) -> String {
    BASE64URL_NOPAD.encode(value.to_string().as_bytes())
}

/// The token with one character of a part changed.
fn flipped(token: &str, n: usize, at: usize) -> String {
    let part = token.split('.').nth(n).unwrap();
    let at = at.min(part.len() - 1);
    let other = if &part[at..=at] == "A" { "B" } else { "A" };
    replaced(token, n, &format!("{}{other}{}", &part[..at], &part[at + 1..]))
}

#[tokio::test]
async fn a_token_is_good_as_it_is_with_its_key_alone() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let (alice, bob) = (User::registered("alice", url).await, User::registered("bobby", url).await);
    let stranger = Person::new("stranger");
    let key = token_key(&deployment.nats, 1);
    let elsewhere = TokenKey::from_seed(&[7; 32]);
    let other_session = Session::begin(&alice.person, url).await;

    let attempts = |nonce: &str| {
        let text = login_text(nonce);
        let session = &alice.session;
        let token = session.granted.token.clone();
        let with_key = |token: String, key: &KeyPair| {
            let mut login = RawNats::signed(key, &text);
            login["auth_token"] = json!(token);
            login
        };
        let with = |token: String| with_key(token, &session.key);
        let made = |change: &dyn Fn(&mut Claims)| {
            let mut claims = claims(&alice.person, &session.key);
            change(&mut claims);
            with(key.sign(&claims).unwrap())
        };
        let unsigned = |login: Value| json!({"auth_token": login["auth_token"], "nkey": login["nkey"]});
        let mut by_primary = with(token.clone());
        by_primary["sig"] = RawNats::signed(&alice.person.nkey, &text)["sig"].clone();
        let past = now().unix() - 1;
        let mut attempts: Vec<Attempt> = vec![
            ("a token alone", json!({"auth_token": token}), Some("no_key")),
            ("a token and its key unsigned", unsigned(with(token.clone())), Some("no_signature")),
            (
                "a token and the primary",
                with_key(token.clone(), &alice.person.nkey),
                Some("wrong_session_key"),
            ),
            ("a token, its key, and the primary's signature", by_primary, Some("wrong_signature")),
            (
                "a token and another session",
                with_key(token.clone(), &other_session.key),
                Some("wrong_session_key"),
            ),
            (
                "a token and another's session",
                with_key(token.clone(), &bob.session.key),
                Some("wrong_session_key"),
            ),
            ("another's token", with(bob.session.granted.token.clone()), Some("wrong_session_key")),
            (
                "another's token and the primary",
                with_key(bob.session.granted.token.clone(), &alice.person.nkey),
                Some("wrong_session_key"),
            ),
            ("an unknown key's session alone", RawNats::signed(&session.key, &text), Some("unknown_key")),
            ("expired", made(&|c| c.exp = past), Some("token_expired")),
            ("a session that is over", made(&|c| c.session_exp = past), Some("session_ended")),
            ("of tomorrow", made(&|c| c.iat += 86_400), Some("invalid_token")),
            ("for another server", made(&|c| c.aud = "kez.other".parse().unwrap()), Some("invalid_token")),
            ("of another server", made(&|c| c.iss = "kez.other".parse().unwrap()), Some("invalid_token")),
            ("of nobody", made(&|c| c.sub = stranger.identity.primary()), Some("unknown_key")),
            ("bound to no key", made(&|c| c.cnf.jwk.x = String::new()), Some("invalid_token")),
            (
                "bound to a weak key",
                made(&|c| c.cnf.jwk.x = format!("AQ{}", "A".repeat(41))),
                Some("invalid_token"),
            ),
            (
                "signed elsewhere",
                with(elsewhere.sign(&claims(&alice.person, &session.key)).unwrap()),
                Some("invalid_token"),
            ),
            ("empty parts", with("..".into()), Some("invalid_token")),
            ("two parts", with(token.rsplit_once('.').unwrap().0.into()), Some("invalid_token")),
            ("four parts", with(format!("{token}.")), Some("invalid_token")),
            ("with a tail", with(format!("{token}=")), Some("invalid_token")),
            ("with a space", with(format!(" {token}")), Some("invalid_token")),
            ("as on HTTP", with(format!("Bearer {token}")), Some("invalid_token")),
            ("no signature", with(replaced(&token, 2, "")), Some("invalid_token")),
            (
                "another's signature",
                with(replaced(&token, 2, bob.session.granted.token.rsplit('.').next().unwrap())),
                Some("invalid_token"),
            ),
        ];
        for n in 0..3 {
            for at in [0, 1, 10, 40, usize::MAX] {
                attempts.push(("tampered", with(flipped(&token, n, at)), Some("invalid_token")));
            }
        }
        // A whole other meaning under the old signature.
        for (member, value) in [
            ("sub", json!(bob.person.identity.primary())),
            ("exp", json!(now().unix() + 86_400)),
            ("session_exp", json!(now().unix() + 86_400)),
        ] {
            let mut claims = part(&token, 1);
            claims[member] = value;
            attempts.push((
                "rewritten",
                with(replaced(&token, 1, &json_part(&claims))),
                Some("invalid_token"),
            ));
        }
        for (member, value) in [
            ("alg", json!("none")),
            ("alg", json!("HS256")),
            ("alg", json!("ES256")),
            ("kid", json!("../1")),
            ("kid", Value::Null),
            ("typ", json!(null)),
        ] {
            let mut header = part(&token, 0);
            header[member] = value;
            let forged = replaced(&token, 0, &json_part(&header));
            attempts.push(("another header", with(forged.clone()), Some("invalid_token")));
            attempts.push((
                "another header, unsigned",
                with(replaced(&forged, 2, "")),
                Some("invalid_token"),
            ));
        }
        attempts
    };
    all_refused(&deployment, attempts).await;
    for way in WAYS {
        Client::connect(&deployment, &alice, way).await.can_look_up(&bob).await;
    }
    // What was made here is good where nothing is wrong with it.
    let mut raw = RawNats::open(&deployment.nats, Transport::WebSocket).await;
    let mut login = RawNats::signed(&alice.session.key, &login_text(&raw.nonce));
    login["auth_token"] = json!(key.sign(&claims(&alice.person, &alice.session.key)).unwrap());
    assert_eq!(raw.connect(login).await, []);
}

/// A session's end ends its connections, and no token of it opens another.
#[tokio::test]
async fn a_session_that_ends_takes_its_connection_along() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let mut alice = User::registered("alice", url).await;
    let key = KeyPair::new_user();
    let short = envelope(&alice.person, &key, |payload| {
        let created: Timestamp = payload["created_at"].as_str().unwrap().parse().unwrap();
        payload["expires_at"] = json!(Timestamp::from_unix(created.unix() + 4).unwrap());
    });
    let granted = begin(url, &short).await;
    assert_eq!(granted.status(), 201);
    alice.session = Session { key, granted: granted.json().await.unwrap() };

    let (mut staying, mut ending) = (vec![], vec![]);
    for transport in Transport::ALL {
        staying.push(Client::connect(&deployment, &alice, (transport, Credential::Key)).await);
        ending.push(Client::connect(&deployment, &alice, (transport, Credential::Session)).await);
    }
    for client in &mut ending {
        let ended = within("the session's connection ends", async {
            loop {
                match client.raw.settle().await {
                    words if words.is_empty() => tokio::time::sleep(Duration::from_millis(50)).await,
                    words => return words,
                }
            }
        });
        // The reason may be lost where the client was just sending; the end isn't.
        let expired = Word::Err("User Authentication Expired".into());
        let words = ended.await;
        assert!(words == [Word::Closed] || words == [expired, Word::Closed], "{words:?}");
    }
    for client in &mut staying {
        client.can_look_up(&alice).await;
    }
    all_refused(&deployment, |nonce| {
        vec![("a session that ended", alice.login(Credential::Session, nonce), Some("session_ended"))]
    })
    .await;
}
