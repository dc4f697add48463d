//! Who comes in, with what, and who doesn't, and why.

use std::time::Duration;

use async_nats::{Auth, ConnectErrorKind, ConnectOptions, Event, ServerError};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ed25519_dalek::Signer;
use futures_util::{StreamExt, stream};
use kez_proto::{
    Handle, Timestamp,
    nats_login::{self, UserKey},
    session::{self, Session, SessionStart},
    subjects::{self, Role},
};
use nkeys::{KeyPair, KeyPairType};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Callout, DEADLINE, Person, User, World, eventually, now, server_name};

#[tokio::test]
async fn a_registered_key_comes_in_with_its_own_permissions_alone() {
    let world = World::start().await;
    let _callout = Callout::start(&world, "a", &[]).await;
    let (alice, bob): (_, Handle) = (Person::new(1), "bob".parse().unwrap());
    world.people.bind("alice", &alice);
    world.people.bind("bob", &Person::new(2));
    let mut user = alice.connect(&world).await.unwrap();
    let connections = world.connections().await;
    assert_eq!((connections.len(), &connections[0]["authorized_user"]), (1, &"alice".into()));

    let own: Handle = "alice".parse().unwrap();
    let granted = subjects::client_permissions(&own, &alice.primary());
    let of_bob = subjects::client_permissions(&bob, &Person::new(2).primary());
    let foreign = [
        "kez.registry.lookup",
        "kez.chat.inbox.*",
        "kez.chat.inbox.>",
        ">",
        "_INBOX.x",
        "$SYS.>",
        "$JS.API.>",
    ];
    for subject in granted.publish.iter().chain(&of_bob.publish).map(String::as_str).chain(foreign) {
        let expected = granted.publish.iter().any(|own| own == subject);
        user.client.publish(subject.to_owned(), "".into()).await.unwrap();
        assert_eq!(user.refusals().await.is_empty(), expected, "publish {subject}");
    }
    let replies = of_bob.subscribe.iter().chain(&granted.subscribe).map(String::as_str);
    for subject in replies.chain(foreign).chain(["kez.chat.send.alice"]) {
        let expected = granted.subscribe.iter().any(|own| own == subject);
        for queue in [None, Some("q")] {
            let subscribed = match queue {
                None => user.client.subscribe(subject.to_owned()).await,
                Some(queue) => user.client.queue_subscribe(subject.to_owned(), queue.to_owned()).await,
            };
            assert_eq!(user.refusals().await.is_empty(), expected, "subscribe {subject} {queue:?}");
            drop(subscribed);
        }
    }

    // It may answer nobody: a message with a reply subject gives no leave to publish there.
    let mut inbox = user.client.subscribe(subjects::inbox(&own)).await.unwrap();
    user.client.flush().await.unwrap();
    assert_eq!(user.refusals().await, [""; 0]);
    let registry = world.role(Role::Registry).await.client;
    registry.publish_with_reply("kez.inbox.x", "_INBOX_registry.y", "".into()).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(200), inbox.next()).await.is_err());
}

#[tokio::test]
async fn whoever_proves_no_registered_key_is_refused_at_once_and_told_in_the_audit_log_alone() {
    let world = World::start().await;
    let callout = Callout::start(&world, "a", &["--nats-no-plain-nonce"]).await;
    let (alice, mallory) = (Person::new(1), Person::new(3));
    world.people.bind("alice", &alice);
    let account = KeyPair::new_from_raw(KeyPairType::Account, [1; 32]).unwrap().public_key();
    let own = |nonce: &str| nats_login::text(&server_name(), nonce);
    let nothing = |_: &mut Auth| {};
    let mut outcomes = vec![
        ("unknown_key", mallory.connect(&world).await),
        ("plain_nonce", alice.connect_signing(&world, str::to_owned, nothing).await),
        ("wrong_signature", alice.connect_signing(&world, |_| "something".into(), nothing).await),
        ("wrong_signature", {
            let of_another = |nonce: &str| nats_login::text(&"evil.lat".parse().unwrap(), nonce);
            alice.connect_signing(&world, of_another, nothing).await
        }),
        ("wrong_signature", {
            let claimed = mallory.pair().public_key();
            alice.connect_as(&world, move |auth| auth.nkey = Some(claimed.clone())).await
        }),
        ("malformed_signature", alice.connect_as(&world, |auth| auth.signature = Some(vec![1; 63])).await),
        ("no_signature", alice.connect_as(&world, |auth| auth.signature = None).await),
        ("invalid_key", alice.connect_as(&world, move |auth| auth.nkey = Some(account.clone())).await),
        ("invalid_key", alice.connect_as(&world, |auth| auth.nkey = Some("nonsense \"".into())).await),
        ("invalid_token", alice.connect_as(&world, |auth| auth.token = Some("a.b.c".into())).await),
        ("password", alice.connect_as(&world, |auth| auth.username = Some("alice".into())).await),
        ("no_key", User::connect(ConnectOptions::new(), &world).await),
        ("password", {
            User::connect(ConnectOptions::with_user_and_password("alice".into(), "x".into()), &world).await
        }),
    ];
    // A signature is good for the connection whose nonce it signs, and for no other.
    let old = alice.key.sign(own("b_NUDM4LtgYbvSk").as_bytes()).to_bytes().to_vec();
    let replayed = alice.connect_as(&world, move |auth| auth.signature = Some(old.clone())).await;
    outcomes.push(("wrong_signature", replayed));

    let expected: Vec<&str> = outcomes.iter().map(|(reason, _)| *reason).collect();
    for (reason, outcome) in outcomes {
        let error = outcome.map(drop).expect_err(reason);
        assert_eq!(error.kind(), ConnectErrorKind::AuthorizationViolation, "{reason}");
    }
    assert_eq!(callout.reasons(), expected);
    let log = callout.log();
    let key = mallory.pair().public_key();
    let hash = &HEXLOWER.encode(&Sha256::digest(&key))[..8];
    assert_eq!(callout.audit()[0]["fields"]["key_hash"], hash, "who");
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(&key)).collect();
    assert!(!lines.is_empty(), "in full at debug");
    assert!(lines.iter().all(|line| line.contains(r#""level":"DEBUG""#)), "{lines:?}");
    assert!(log.contains(r#""host":"127.0.0.1""#), "from where");
    for secret in ["nonsense", "a.b.c"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    let metrics = callout.metrics().await;
    assert!(metrics.contains(r#"kez_nats_logins_denied_total{reason="wrong_signature"} 4"#), "{metrics}");
    assert!(metrics.contains("kez_nats_logins_accepted_total 0"), "{metrics}");
    assert!(alice.connect(&world).await.is_ok());
}

#[tokio::test]
async fn stock_clients_sign_the_bare_nonce() {
    let world = World::start().await;
    let _callout = Callout::start(&world, "a", &[]).await;
    let alice = Person::new(1);
    world.people.bind("alice", &alice);
    let options = ConnectOptions::with_nkey(alice.pair().seed().unwrap());
    let _user = User::connect(options, &world).await.unwrap();
    assert_eq!(world.connections().await.len(), 1);
}

#[tokio::test]
async fn a_session_comes_in_with_its_own_key_and_never_stays_beyond_its_end() {
    let world = World::start().await;
    let callout = Callout::start(&world, "a", &[]).await;
    let (alice, page, thief) = (Person::new(1), Person::new(11), Person::new(12));
    world.people.bind("alice", &alice);
    let begin = async |seconds| {
        let key: UserKey = page.pair().public_key().parse().unwrap();
        let ends = Timestamp::from_unix(now().unix() + seconds).unwrap();
        let start = SessionStart::new(alice.primary(), server_name(), key, now(), ends);
        let envelope = alice.envelope(session::TAG, start);
        let gateway = world.role(Role::Gateway).await;
        let answer = gateway.request(subjects::AUTH_SESSION, envelope.into(), DEADLINE).await.unwrap();
        serde_json::from_slice::<Session>(&answer.payload).unwrap().token
    };
    let token = begin(600).await;
    let with = |token: &str| {
        let token = token.to_owned();
        move |auth: &mut Auth| auth.token = Some(token.clone())
    };
    let user = page.connect_as(&world, with(&token)).await.unwrap();
    user.client.flush().await.unwrap();
    assert_eq!(world.connections().await[0]["authorized_user"], "alice");

    for (person, reason) in [(&thief, "wrong_session_key"), (&alice, "wrong_session_key")] {
        person.connect_as(&world, with(&token)).await.map(drop).unwrap_err();
        assert_eq!(callout.reasons().last().unwrap(), reason);
    }
    page.connect(&world).await.map(drop).expect_err("the session's key alone is nobody's");
    assert_eq!(callout.reasons().last().unwrap(), "unknown_key");
    let tampered = token.replace('.', ".e");
    page.connect_as(&world, with(&tampered)).await.map(drop).unwrap_err();
    assert_eq!(callout.reasons().last().unwrap(), "invalid_token");
    assert!(!callout.log().contains(&token[..40]), "a token is in the log");

    let mut short = page.connect_as(&world, with(&begin(2).await)).await.unwrap();
    short.until(|event| matches!(event, Event::ServerError(ServerError::Other(words)) if words.to_lowercase().contains("expired"))).await;
    short.until(|event| matches!(event, Event::Disconnected)).await;
}

#[tokio::test]
async fn without_a_callout_users_are_refused_in_time_and_services_come_in() {
    let world = World::start().await;
    let alice = Person::new(1);
    world.people.bind("alice", &alice);
    let error = tokio::time::timeout(Duration::from_secs(5), alice.connect(&world)).await.unwrap();
    assert_eq!(error.map(drop).unwrap_err().kind(), ConnectErrorKind::AuthorizationViolation);
    for role in Role::ALL {
        world.role(role).await.client.flush().await.unwrap();
    }
}

#[tokio::test]
async fn while_the_registry_is_away_nobody_is_let_in_and_the_answer_comes_in_time() {
    let world = World::without_registry().await;
    let callout = Callout::start(&world, "a", &[]).await;
    let alice = Person::new(1);
    world.people.bind("alice", &alice);
    alice.connect(&world).await.map(drop).unwrap_err();
    assert_eq!(callout.reasons(), ["unavailable"]);
    let _registry = world.registry().await;
    alice.connect(&world).await.unwrap();
}

#[tokio::test]
async fn the_admin_listener_gives_the_same_decision() {
    let world = World::start().await;
    let alice = Person::new(1);
    world.people.bind("alice", &alice);
    let callout = Callout::start(&world, "a", &["--nats-connections", "1"]).await;
    let server = KeyPair::new_server();
    let one_time = KeyPair::new_user().public_key();
    let issuer = world.keys.public(kez_nats::Owner::CalloutIssuer);
    let request = |person: &Person| {
        let nonce = "b_NUDM4LtgYbvSk";
        let signature = person.key.sign(nats_login::text(&server_name(), nonce).as_bytes()).to_bytes();
        let claims = json!({
            "aud": "nats-authorization-request", "iat": now().unix(), "exp": now().unix() + 2, "iss": server.public_key(), "sub": issuer,
            "nats": {
                "client_info": {"kind": "Client", "type": "nats", "host": "192.0.2.1", "id": 8, "nonce": nonce},
                "connect_opts": {"nkey": person.pair().public_key(), "sig": BASE64URL_NOPAD.encode(&signature)},
                "server_id": {"id": server.public_key()}, "user_nkey": one_time, "type": "authorization_request", "version": 2
            }
        });
        let part = |json: Value| BASE64URL_NOPAD.encode(json.to_string().as_bytes());
        let signed = format!("{}.{}", part(json!({"typ": "JWT", "alg": "ed25519-nkey"})), part(claims));
        format!("{signed}.{}", BASE64URL_NOPAD.encode(&server.sign(signed.as_bytes()).unwrap()))
    };
    let post = async |body: String| {
        let url = format!("{}/internal/nats/auth", callout.admin);
        let answer = callout.http().post(url).body(body).send().await.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), kind, answer.text().await.unwrap())
    };
    let claims = |token: &str| -> Value {
        let part = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
    };
    let (status, kind, token) = post(request(&alice)).await;
    assert_eq!((status, kind.as_str()), (200, "application/jwt"));
    let response = claims(&token);
    assert_eq!((&response["sub"], &response["aud"]), (&json!(one_time), &json!(server.public_key())));
    let user = claims(response["nats"]["jwt"].as_str().unwrap());
    assert_eq!((&user["name"], &user["aud"]), (&json!("alice"), &json!("CHAT")));

    let (status, _, token) = post(request(&Person::new(2))).await;
    assert_eq!((status, &claims(&token)["nats"]["error"]), (200, &json!("denied")));
    assert_eq!(callout.reasons(), ["unknown_key"]);

    // Nobody comes, and so nobody's place is taken.
    for _ in 0..3 {
        let (_, _, token) = post(request(&alice)).await;
        assert!(claims(&token)["nats"]["jwt"].is_string());
    }
    let _user = alice.connect(&world).await.unwrap();
    let (_, _, token) = post(request(&alice)).await;
    assert_eq!(claims(&token)["nats"]["error"], "denied", "the only place is hers");
    assert_eq!(callout.reasons(), ["unknown_key", "too_many_connections"]);

    let tampered = request(&alice).replacen('.', ".e", 1);
    for (body, status, code) in [
        (tampered, 400, "invalid_auth_request"),
        (String::new(), 400, "invalid_auth_request"),
        ("x".repeat(100_000), 413, "too_large"),
    ] {
        let (got, kind, problem) = post(body).await;
        let problem: Value = serde_json::from_str(&problem).unwrap();
        assert_eq!(
            (got, kind.as_str(), &problem["code"]),
            (status, "application/problem+json", &json!(code))
        );
    }
}

#[tokio::test]
async fn before_the_service_runs_the_admin_listener_says_so() {
    // The other half of the process, as `main` puts it together, without a NATS.
    let internal = kez_auth_callout::Internal::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/internal/nats/auth", listener.local_addr().unwrap());
    kez_kit::task::spawn("admin", async move { axum::serve(listener, internal.router()).await });
    let _ = rustls::crypto::ring::default_provider().install_default();
    let answer = reqwest::Client::new().post(url).body("x").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (503, "1"));
    assert!(answer.text().await.unwrap().contains("\"unavailable\""));
}

#[tokio::test]
async fn a_flood_fills_no_log_and_is_counted_whole() {
    const FLOOD: u64 = 600;
    let world = World::start().await;
    let callout = Callout::start(&world, "a", &[]).await;
    let (http, url) = (callout.http(), format!("{}/internal/nats/auth", callout.admin));
    let knock = async |_| {
        assert_eq!(http.post(&url).body("nonsense").send().await.unwrap().status(), 400);
    };
    // Faster than lines come free.
    stream::iter(0..FLOOD).for_each_concurrent(32, knock).await;
    Person::new(3).connect(&world).await.map(drop).unwrap_err();
    assert!(callout.reasons().contains(&"unknown_key".into()), "another reason's line isn't lost");
    assert!(
        callout
            .metrics()
            .await
            .contains(&format!("kez_nats_login_requests_invalid_total{{reason=\"malformed\"}} {FLOOD}"))
    );
    let told = async || {
        let lines = callout.audit();
        let flood: Vec<_> = lines.iter().filter(|l| l["fields"]["reason"] == "malformed").collect();
        let (sums, lines): (Vec<_>, Vec<_>) =
            flood.into_iter().partition(|line| line["fields"]["lines"].is_number());
        let left_out: u64 = sums.iter().map(|line| line["fields"]["lines"].as_u64().unwrap()).sum();
        (left_out > 0).then_some((lines.len() as u64, left_out))
    };
    let (lines, left_out) = eventually("what is left out is told", told).await;
    assert!(lines >= 100, "{lines}");
    assert_eq!(lines + left_out, FLOOD);
}
