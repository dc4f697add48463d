//! Sessions: begun by the primary, renewed by their own key, and what their tokens open.

use async_nats::jetstream;
use kez_proto::{
    Code, Timestamp,
    headers::NATS_SERVICE_ERROR,
    limits::{PARTITIONS, REGISTRATION_BYTES},
    partition,
    session::{Claims, Jwks, RENEW_PATH, TokenKeys},
    subjects::{self, Role},
};
use kez_tests::{
    Deployment, Person, SERVER, eventually,
    http::{client, get, header, refused},
    person::{now, send},
    session::{Session, begin, claims, envelope, primary, renewal, signature, token_key},
    sse::{Stream, stream_refused},
};
use nix::sys::signal::Signal;
use nkeys::KeyPair;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// What a token may be brought to: method and path of alice's.
const BEARERS: [(&str, &str); 5] = [
    ("GET", "/v1/inbox/alice"),
    ("DELETE", "/v1/inbox/alice?through=1"),
    ("GET", "/v1/inbox/alice/stream"),
    ("POST", "/v1/messages"),
    ("POST", RENEW_PATH),
];

fn request(url: &str, method: &str, path: &str) -> RequestBuilder {
    let request = client().request(method.parse::<Method>().unwrap(), format!("{url}{path}"));
    if path == "/v1/messages" {
        request.json(&json!({"to": "alice", "envelope": {"id": 0}}))
    } else {
        request
    }
}

async fn jwks(url: &str) -> Jwks {
    get(format!("{url}/.well-known/jwks.json")).await.json().await.unwrap()
}

fn time(unix: i64) -> Timestamp {
    Timestamp::from_unix(unix).unwrap()
}

#[tokio::test]
async fn a_session_is_granted_and_its_token_says_so() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let key = KeyPair::new_user();
    let (before, ends) = (now().unix(), now().unix() + 24 * 3600);
    let signed = envelope(&alice, &key, |payload| payload["expires_at"] = json!(time(ends)));
    let answer = begin(url, &signed).await;
    assert_eq!(answer.status(), 201);
    assert_eq!(
        (header(&answer, "content-type"), header(&answer, "cache-control")),
        ("application/json", "no-store")
    );
    let granted: kez_proto::session::Session = answer.json().await.unwrap();
    assert_eq!((granted.handle.as_str(), granted.session_expires_at), ("alice", time(ends)));
    let lasts = granted.expires_at.unix() - before;
    assert!((900..=960).contains(&lasts), "{lasts}");

    // Anybody can check it.
    let keys = TokenKeys::new(&jwks(url).await);
    let said = keys.verify(&granted.token, &SERVER.parse().unwrap(), now(), 0).unwrap();
    assert_eq!((said.sub, said.session_key()), (alice.identity.primary(), Ok(primary(&key))));
    assert_eq!((said.exp, said.session_exp), (granted.expires_at.unix(), ends));
}

#[tokio::test]
async fn what_begins_no_session_is_told_by_its_code() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let key = KeyPair::new_user();
    let from_now = |seconds: i64| json!(time(now().unix() + seconds));
    let set = |member: &'static str, value: Value| envelope(&alice, &key, |payload| payload[member] = value);
    let mut unsigned = envelope(&alice, &key, |_| {});
    unsigned["payload"]["expires_at"] = from_now(1800);
    let mut claim = envelope(&alice, &key, |_| {});
    claim["kez"] = json!("claim");
    for (envelope, code) in [
        (json!([]), Code::MalformedJson),
        (claim, Code::WrongTag),
        (set("type", json!("kez.chat.handle")), Code::WrongType),
        (set("version", json!(2)), Code::WrongVersion),
        (set("server", json!("kez.lat")), Code::WrongServer),
        (set("session_key", json!(KeyPair::new_account().public_key())), Code::InvalidSessionKey),
        (set("session_key", json!(alice.nkey.public_key())), Code::InvalidSessionKey),
        (set("created_at", json!("today")), Code::InvalidTimestamp),
        (set("created_at", from_now(-120)), Code::StaleTimestamp),
        (set("expires_at", from_now(-1)), Code::InvalidLifetime),
        (set("expires_at", from_now(24 * 3600 + 60)), Code::InvalidLifetime),
        (set("pad", json!("x".repeat(REGISTRATION_BYTES))), Code::TooLarge),
        (unsigned, Code::BadSignature),
        (envelope_of_nobody(&key), Code::UnknownPrimary),
    ] {
        refused(begin(url, &envelope).await, code).await;
    }
    // The callout has the same bound for whoever asks it.
    let gateway = deployment.nats.connect_as(Role::Gateway).await;
    let long = set("pad", json!("x".repeat(REGISTRATION_BYTES))).to_string();
    let answer = gateway.request(subjects::AUTH_SESSION, long.into()).await.unwrap();
    let error = answer.headers.unwrap().get_last(NATS_SERVICE_ERROR).unwrap().to_string();
    assert!(error.starts_with("too_large: "), "{error}");
    // A registration is signed by the same key, and begins nothing.
    refused(begin(url, &alice.registration()).await, Code::WrongTag).await;
    assert_eq!(begin(url, &set("note", json!(1))).await.status(), 201);
}

fn envelope_of_nobody(key: &KeyPair) -> Value {
    envelope(&Person::new("nobody"), key, |_| {})
}

#[tokio::test]
async fn an_operator_may_have_shorter_sessions() {
    let mut deployment = Deployment::start(1).await;
    deployment.auth_callout_arguments = vec!["--session-hours".into(), "1".into()];
    let mut shorter = deployment.auth_callout();
    shorter.ready().await;
    deployment.auth_callouts[0].terminate().await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let for_ = |seconds: i64| {
        let ends = json!(time(now().unix() + seconds));
        envelope(&alice, &KeyPair::new_user(), |payload| payload["expires_at"] = ends)
    };
    assert_eq!(begin(url, &for_(3600)).await.status(), 201);
    refused(begin(url, &for_(3660)).await, Code::InvalidLifetime).await;
}

#[tokio::test]
async fn a_token_reads_and_sends_and_deletes_only_with_its_key() {
    let deployment = Deployment::start_with(1, &["--require-sender"], &[]).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let session = Session::begin(&alice, url).await;
    let token = &session.granted.token;
    let bearing = |method: &str, path: &str| request(url, method, path).bearer_auth(token);
    let mut stream = Stream::of(bearing("GET", "/v1/inbox/alice/stream")).await;
    assert_eq!(stream.next().await.kind, "ready");

    refused(send(url, "alice", json!({"id": "nobody's"})).await, Code::SenderRequired).await;
    assert_eq!(bearing("POST", "/v1/messages").send().await.unwrap().status(), 201);
    let seq = stream.message().await.seq();
    let page: Value = bearing("GET", "/v1/inbox/alice?since=0").send().await.unwrap().json().await.unwrap();
    assert_eq!((&page["messages"][0]["seq"], page["messages"].as_array().unwrap().len()), (&json!(seq), 1));

    let target = format!("/v1/inbox/alice?through={seq}");
    let delete = || bearing("DELETE", &target);
    refused(delete().send().await.unwrap(), Code::AuthRequired).await;
    for (other, code) in [
        ("rubbish".to_owned(), Code::MalformedAuth),
        (signature(&KeyPair::new_user(), now().unix(), "DELETE", &target), Code::BadSignature),
        // The session stands for the primary; both at once is a mistake.
        (alice.request_auth("DELETE", &target), Code::BadSignature),
        (session.request_auth("DELETE", "/v1/inbox/alice?through=9"), Code::BadSignature),
        (session.request_auth("GET", &target), Code::BadSignature),
        (signature(&session.key, now().unix() - 120, "DELETE", &target), Code::StaleTimestamp),
    ] {
        refused(delete().header("x-kez-auth", other).send().await.unwrap(), code).await;
    }
    // Without its token the session's key is nobody's.
    let signed = session.request_auth("DELETE", &target);
    let alone = request(url, "DELETE", &target).header("x-kez-auth", &signed).send().await.unwrap();
    refused(alone, Code::BadSignature).await;
    assert_eq!(alice.mail(url).await.len(), 1);

    let purged: Value = delete().header("x-kez-auth", signed).send().await.unwrap().json().await.unwrap();
    assert_eq!(purged, json!({"purged": 1}));
    assert_eq!(alice.mail(url).await.len(), 0);
}

#[tokio::test]
async fn a_token_that_is_not_good_is_refused_wherever_it_is_brought() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let session = Session::begin(&alice, url).await;
    let own = token_key(&deployment.nats, 1);
    let minted = |change: fn(&mut Claims)| {
        let mut claims = claims(&alice, &session.key);
        change(&mut claims);
        own.sign(&claims).unwrap()
    };
    let good = &session.granted.token;
    let bearer = |token: &str| format!("Bearer {token}");
    let ended = minted(|c| (c.exp, c.session_exp) = (c.iat - 60, c.iat - 1));
    let stranger =
        kez_proto::session::TokenKey::from_seed(&[7; 32]).sign(&claims(&alice, &session.key)).unwrap();
    for (authorization, code) in [
        ("Basic YWxpY2U6eA==".to_owned(), Code::MalformedAuth),
        (good.clone(), Code::MalformedAuth),
        ("Bearer".into(), Code::InvalidToken),
        (format!("Bearer {good} {good}"), Code::InvalidToken),
        (bearer(&"x".repeat(5000)), Code::InvalidToken),
        (bearer("a.b.c"), Code::InvalidToken),
        (bearer(&good[..good.len() - 2]), Code::InvalidToken),
        (bearer(&stranger), Code::InvalidToken),
        (bearer(&minted(|c| c.aud = "other.test".parse().unwrap())), Code::InvalidToken),
        (bearer(&minted(|c| c.iss = "other.test".parse().unwrap())), Code::InvalidToken),
        (bearer(&minted(|c| c.iat += 120)), Code::InvalidToken),
        (bearer(&ended), Code::SessionEnded),
        (bearer(&minted(|c| (c.iat, c.exp) = (c.iat - 960, c.iat - 60))), Code::TokenExpired),
    ] {
        for (method, path) in BEARERS {
            let asked = request(url, method, path).header("authorization", &authorization);
            // Each with a good signature: what is presented beside the token doesn't make up for it.
            let asked = match (method, path) {
                (_, "/v1/inbox/alice") => asked.header("x-kez-auth", alice.poll_auth(0)),
                (_, "/v1/inbox/alice/stream") => asked.header("x-kez-auth", alice.stream_auth()),
                (_, "/v1/messages") => asked,
                _ => asked.header("x-kez-auth", session.request_auth(method, path)),
            };
            match (path, code) {
                (RENEW_PATH, Code::TokenExpired) => assert_eq!(asked.send().await.unwrap().status(), 201),
                ("/v1/inbox/alice/stream", _) => stream_refused(asked, code).await,
                _ => drop(refused(asked.send().await.unwrap(), code).await),
            }
        }
    }
    assert_eq!(alice.mail(url).await, vec![]);
}

#[tokio::test]
async fn a_token_opens_nobody_elses_inbox() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    Person::registered("bobby", url).await;
    send(url, "bobby", json!({"id": 1})).await;
    let session = Session::begin(&alice, url).await;
    let asked = |method: &str, path: &str| {
        request(url, method, path)
            .bearer_auth(&session.granted.token)
            .header("x-kez-auth", session.request_auth(method, path))
    };
    refused(asked("GET", "/v1/inbox/bobby").send().await.unwrap(), Code::NotOwner).await;
    refused(asked("DELETE", "/v1/inbox/bobby?through=9").send().await.unwrap(), Code::NotOwner).await;
    stream_refused(asked("GET", "/v1/inbox/bobby/stream"), Code::NotOwner).await;
    refused(asked("GET", "/v1/inbox/nobody").send().await.unwrap(), Code::UnknownHandle).await;
    // A token in the address would stay in logs: there is no such parameter.
    let query = format!("/v1/inbox/alice/stream?auth={}", session.granted.token);
    stream_refused(request(url, "GET", &query), Code::MalformedAuth).await;
}

#[tokio::test]
async fn a_session_is_renewed_by_its_key_until_it_ends() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let session = Session::begin(&alice, url).await;
    let own = token_key(&deployment.nats, 1);
    let renew = async |token: &str, signature: &str| renewal(url, token, signature).send().await.unwrap();
    let signed = || session.request_auth("POST", RENEW_PATH);
    let good = &session.granted.token;

    for (signature, code) in [
        ("rubbish".to_owned(), Code::MalformedAuth),
        (signature(&KeyPair::new_user(), now().unix(), "POST", RENEW_PATH), Code::BadSignature),
        (alice.request_auth("POST", RENEW_PATH), Code::BadSignature),
        (session.request_auth("POST", "/v1/session"), Code::BadSignature),
        (signature(&session.key, now().unix() - 120, "POST", RENEW_PATH), Code::StaleTimestamp),
    ] {
        refused(renew(good, &signature).await, code).await;
    }
    let post = || client().post(format!("{url}{RENEW_PATH}"));
    refused(post().send().await.unwrap(), Code::AuthRequired).await;
    refused(post().bearer_auth(good).send().await.unwrap(), Code::AuthRequired).await;
    refused(post().header("x-kez-auth", signed()).send().await.unwrap(), Code::AuthRequired).await;
    let nobody = own.sign(&claims(&Person::new("nobody"), &session.key)).unwrap();
    refused(renew(&nobody, &signed()).await, Code::UnknownPrimary).await;

    // Begun 40 minutes ago, and asleep for 25.
    let mut old = claims(&alice, &session.key);
    (old.iat, old.exp, old.session_exp) = (old.iat - 2400, old.iat - 1500, old.iat + 300);
    let ends = time(old.session_exp);
    let renewed = renew(&own.sign(&old).unwrap(), &signed()).await;
    assert_eq!((renewed.status().as_u16(), header(&renewed, "cache-control")), (201, "no-store"));
    let renewed: kez_proto::session::Session = renewed.json().await.unwrap();
    // It ends when its session does, which renewing doesn't change.
    assert_eq!((renewed.expires_at, renewed.session_expires_at), (ends, ends));
    assert_eq!(renewed.handle.as_str(), "alice");
    let read = |token: &str| request(url, "GET", "/v1/inbox/alice").bearer_auth(token).send();
    assert_eq!(read(&renewed.token).await.unwrap().status(), 200);
    // The one before is no worse for it.
    assert_eq!(read(good).await.unwrap().status(), 200);

    // The same again, a while later, is answered with the same end: nobody stays longer by it.
    let then = now().unix() - 5;
    let signed = signature(&session.key, then, "POST", RENEW_PATH);
    let mut tokens = vec![];
    for _ in 0..2 {
        let again: kez_proto::session::Session = renew(good, &signed).await.json().await.unwrap();
        assert_eq!(again.expires_at.unix(), then + 900);
        tokens.push(again.token);
        let second = now().unix();
        eventually("a later second", async || (now().unix() > second).then_some(())).await;
    }
    assert_eq!(tokens[0], tokens[1]);
}

/// Alice's stream is opened with a token that is good for a moment only.
#[tokio::test]
async fn a_stream_outlives_its_token_and_repairs_its_gaps() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let mut short = claims(&alice, &KeyPair::new_user());
    short.exp = short.iat + 5;
    let token = token_key(&deployment.nats, 1).sign(&short).unwrap();
    let bearing = |path: &str| request(url, "GET", path).bearer_auth(&token);
    let mut stream = Stream::of(bearing("/v1/inbox/alice/stream")).await;
    assert_eq!(stream.next().await.kind, "ready");
    let expired = async || {
        let answer = bearing("/v1/inbox/alice").send().await.unwrap();
        (answer.status() != 200).then_some(answer)
    };
    refused(eventually("the token expires", expired).await, Code::TokenExpired).await;

    let store = jetstream::new(deployment.nats.connect_as(Role::Fanout).await);
    let store_name = subjects::inbox_stream(partition::of(&alice.handle, PARTITIONS));
    let pushing = store.get_stream(&store_name).await.unwrap().cached_info().config.clone();
    let silent = jetstream::stream::Config { republish: None, ..pushing.clone() };
    store.update_stream(&silent).await.unwrap();
    send(url, "alice", json!({"id": "missed"})).await;
    store.update_stream(&pushing).await.unwrap();
    send(url, "alice", json!({"id": "pushed"})).await;
    for id in ["missed", "pushed"] {
        assert_eq!(stream.message().await.json()["envelope"]["id"], id);
    }
    stream_refused(bearing("/v1/inbox/alice/stream"), Code::TokenExpired).await;
}

#[tokio::test]
async fn a_stream_ends_with_its_session() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let mut short = claims(&alice, &KeyPair::new_user());
    (short.exp, short.session_exp) = (short.iat + 5, short.iat + 5);
    let token = token_key(&deployment.nats, 1).sign(&short).unwrap();
    let opened = request(url, "GET", "/v1/inbox/alice/stream").bearer_auth(&token);
    let mut stream = Stream::of(opened).await;
    assert_eq!(stream.next().await.kind, "ready");
    let (mut signed, _) = Stream::open(url, &alice, "").await;
    // Told when to come back, which takes a new session.
    let last = stream.word().await.unwrap();
    assert!(!last.retry.is_empty() && last.kind.is_empty(), "{last:?}");
    assert_eq!(stream.word().await, None);
    assert!(now().unix() >= short.session_exp);
    send(url, "alice", json!({"id": 1})).await;
    assert_eq!(signed.message().await.json()["envelope"]["id"], 1);
}

/// The newest key signs only when every verifier can know it; those before it verify for as long as they are there.
#[tokio::test]
async fn signing_keys_change_and_no_session_is_dropped() {
    let mut deployment = Deployment::start(1).await;
    let url = deployment.url(0).to_owned();
    let alice = Person::registered("alice", &url).await;
    let session = Session::begin(&alice, &url).await;
    let folder = deployment.nats.keys.session_keys();
    let (first, kid) = (token_key(&deployment.nats, 1), |keys: &Jwks| keys.keys[0].kid.clone());
    let answer = get(format!("{url}/.well-known/jwks.json")).await;
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "content-type"), header(&answer, "cache-control")),
        (200, "application/json", "public, max-age=60")
    );
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({"keys": [first.jwk()]}));

    // A new key is public, and any verifier takes it.
    assert_eq!(kez_nats::session_keys::add(&folder).unwrap().0, 2);
    let second = token_key(&deployment.nats, 2);
    let published = async || Some(jwks(&url).await).filter(|keys| keys.keys.len() == 2);
    assert_eq!(kid(&eventually("the new key is public", published).await), second.jwk().kid);
    let of_another = second.sign(&claims(&alice, &session.key)).unwrap();
    let read = |token: &str| request(&url, "GET", "/v1/inbox/alice").bearer_auth(token).send();
    assert_eq!(read(&of_another).await.unwrap().status(), 200);
    // But it doesn't sign yet, also not after a restart.
    let mut restarted = deployment.auth_callout();
    restarted.ready().await;
    deployment.auth_callouts[0].terminate().await;
    deployment.auth_callouts = vec![restarted];
    let renewed = renewal(&url, &of_another, &session.request_auth("POST", RENEW_PATH)).send().await.unwrap();
    let renewed: kez_proto::session::Session = renewed.json().await.unwrap();
    assert_eq!(TokenKeys::new(&Jwks { keys: vec![first.jwk()] }).know(&renewed.token), Ok(true));

    // The old one is taken away: its tokens are none, the others go on.
    std::fs::remove_file(folder.join("1.nk")).unwrap();
    let gone = async || (jwks(&url).await.keys.len() == 1).then_some(());
    eventually("the old key is gone", gone).await;
    let again = renewal(&url, &of_another, &session.request_auth("POST", RENEW_PATH)).send().await.unwrap();
    let again: kez_proto::session::Session = again.json().await.unwrap();
    assert_eq!(TokenKeys::new(&Jwks { keys: vec![second.jwk()] }).know(&again.token), Ok(true));
    assert_eq!(read(&again.token).await.unwrap().status(), 200);
    let old = renewal(&url, &renewed.token, &session.request_auth("POST", RENEW_PATH)).send().await.unwrap();
    refused(old, Code::InvalidToken).await;
}

async fn server(url: &str) -> Value {
    let answer = get(format!("{url}/v1/server")).await;
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

#[tokio::test]
async fn a_server_tells_what_it_can_do_by_what_is_there() {
    let addresses =
        ["--nats-public-url", "tls://nats.kez.test:4222", "--nats-ws-public-url", "wss://chat.kez.test/nats"];
    let mut deployment = Deployment::start_with(1, &[], &addresses).await;
    let url = deployment.url(0).to_owned();
    let features = async || server(&url).await["features"].clone();
    let without = json!(["register", "webfinger", "inbox", "sse", "sigchain"]);
    let with = |more: &[&str]| {
        let all = without.as_array().unwrap().iter().cloned().chain(more.iter().map(|f| json!(f)));
        Value::Array(all.collect())
    };
    let all = ["session", "nats", "nats-plain-nonce", "nats-websocket"];
    assert_eq!(features().await, with(&all));
    let told = server(&url).await["nats"].clone();
    assert_eq!(told, json!({"url": "tls://nats.kez.test:4222", "websocket_url": "wss://chat.kez.test/nats"}));

    // One that hangs isn't waited for, and neither is one that isn't there.
    deployment.auth_callouts[0].signal(Signal::SIGSTOP);
    // A stop comes in its own time.
    eventually("it hangs", async || (features().await == without).then_some(())).await;
    let alice = Person::registered("alice", &url).await;
    let signed = envelope(&alice, &KeyPair::new_user(), |_| {});
    refused(begin(&url, &signed).await, Code::Unavailable).await;
    deployment.auth_callouts[0].kill();
    eventually("it is gone", async || (features().await == without).then_some(())).await;
    refused(begin(&url, &signed).await, Code::Unavailable).await;
    refused(get(format!("{url}/.well-known/jwks.json")).await, Code::Unavailable).await;

    deployment.auth_callout_arguments = vec!["--nats-no-plain-nonce".into()];
    let mut back = deployment.auth_callout();
    back.ready().await;
    assert_eq!(features().await, with(&["session", "nats", "nats-websocket"]));
}

#[tokio::test]
async fn addresses_that_nobody_configured_are_not_told() {
    let deployment = Deployment::start(1).await;
    let told = server(deployment.url(0)).await;
    assert_eq!(told.get("nats"), None);
    assert!(!told["features"].as_array().unwrap().contains(&json!("nats-websocket")), "{told}");
}
