//! What strangers send, thrown at what reads it. Each function is one target: it takes any bytes and panics where a promise is broken, so that the
//! fuzzer (`make fuzz`) and the replay of the committed corpus (`make test`) run the same code.

use std::{str, sync::LazyLock};

use data_encoding::BASE64URL_NOPAD;
use futures_util::FutureExt;
use kez_auth_callout::protocol::{Authorizer, Callout, Request, Subjects, User};
use kez_proto::{
    Handle, Primary, ServerName, Timestamp,
    auth::{Credential, poll_text, stream_text},
    nats_login::{self, UserKey},
    registration::Registration,
    session::{Claims, Confirmation, Jwks, SessionStart, TokenKey, TokenKeys},
    subjects::{self, Asker},
};
use nkeys::{KeyPair, KeyPairType};
use serde_json::{Value, json};

/// The time at which the valid examples are valid.
const NOW: i64 = 1_780_000_000;
const SERVER: &str = "kez.lat";

/// A person of the examples.
struct Person {
    pair: KeyPair,
    primary: Primary,
}

static ALICE: LazyLock<Person> = LazyLock::new(|| {
    let pair = KeyPair::new_from_raw(KeyPairType::User, [0x42; 32]).expect("any 32 bytes are a seed");
    let key: UserKey = pair.public_key().parse().expect("the library's own spelling");
    Person { primary: *key.key(), pair }
});
static TOKEN_KEY: LazyLock<TokenKey> = LazyLock::new(|| TokenKey::from_seed(&[7; 32]));
static TOKEN_KEYS: LazyLock<TokenKeys> =
    LazyLock::new(|| TokenKeys::new(&Jwks { keys: vec![TOKEN_KEY.jwk()] }));

fn now() -> Timestamp {
    Timestamp::from_unix(NOW).expect("a time of this century")
}

fn server() -> ServerName {
    SERVER.parse().expect("a name")
}

fn handle() -> Handle {
    "alice".parse().expect("a handle")
}

fn sign_hex(message: &[u8]) -> String {
    let signature = ALICE.pair.sign(message).expect("a key pair with a seed");
    signature.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn envelope(tag: &str, payload: &Value) -> Vec<u8> {
    let sig = sign_hex(&kez_proto::json::canonical(payload).expect("plain JSON"));
    let signature = json!({ "alg": "ed25519-sha512-jcs", "key": ALICE.primary, "sig": sig });
    json!({ "kez": tag, "payload": payload, "signature": signature }).to_string().into_bytes()
}

/// An input that the target of this name takes as valid: where its corpus begins.
pub fn valid(target: &str) -> Vec<u8> {
    match target {
        "auth_header" => format!("{NOW}:{}", sign_hex(poll_text(&handle(), 0, NOW).as_bytes())).into_bytes(),
        "registration" => envelope(
            "handle_registration",
            &json!({
                "type": "kez.chat.handle_registration", "version": 1, "handle": "alice", "primary": ALICE.primary,
                "server": SERVER, "created_at": now(), "note": { "z": [1, -0.5, "é\u{1f600}"], "a": null },
            }),
        ),
        "request_jwt" => signed_by_server(&request_claims()).into_bytes(),
        "request_claims" => request_claims(),
        "session_token" => token().into_bytes(),
        "session_start" => envelope(
            "session",
            &json!({
                "type": "kez.chat.session", "version": 1, "primary": ALICE.primary, "server": SERVER,
                "session_key": session_key(), "created_at": now(),
                "expires_at": Timestamp::from_unix(NOW + 3600).expect("a time"),
            }),
        ),
        "subjects" => b"kez.chat.send.alice".to_vec(),
        _ => panic!("there is no target {target}"),
    }
}

fn session_key() -> UserKey {
    let pair = KeyPair::new_from_raw(KeyPairType::User, [9; 32]).expect("any 32 bytes are a seed");
    pair.public_key().parse().expect("the library's own spelling")
}

fn token() -> String {
    let claims = Claims {
        iss: server(),
        aud: server(),
        sub: ALICE.primary,
        iat: NOW,
        exp: NOW + 900,
        session_exp: NOW + 3600,
        cnf: Confirmation::of(session_key().key()),
    };
    TOKEN_KEY.sign(&claims).expect("claims are JSON")
}

/// `X-KEZ-Auth`: of all texts, one alone is the key's signature for this page at this time, whatever it signs elsewhere.
pub fn auth_header(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let credential = Credential(text.to_owned());
    let page = credential.verify(&ALICE.primary, now(), 60, |ts| poll_text(&handle(), 0, ts));
    assert_eq!(page.is_ok(), data == valid("auth_header"), "a signature was forged");
    let stream = credential.verify(&ALICE.primary, now(), 60, |ts| stream_text(&handle(), ts));
    assert!(stream.is_err(), "a page's signature opened a stream");
}

/// A registration or another envelope: what holds does so however its JSON is written, and says what was signed.
pub fn registration(data: &[u8]) {
    if let Ok(registration) = Registration::verify(data, &server()) {
        let value: Value = serde_json::from_slice(data).expect("it was parsed before");
        assert_eq!(value["payload"]["handle"], registration.handle.as_str());
        assert_eq!(value["payload"]["primary"], registration.primary.to_string());
        let spaced = serde_json::to_vec_pretty(&value).expect("it was JSON");
        assert_eq!(Registration::verify(&spaced, &server()).as_ref(), Ok(&registration));
    }
    if let Ok(start) = SessionStart::verify(data, &server(), now(), std::time::Duration::from_secs(86_400)) {
        assert!(start.expires_at.unix() > NOW && *start.session_key.key() != start.primary);
    }
}

/// A session token: of all texts, one alone is the key's.
pub fn session_token(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let _ = TOKEN_KEYS.know(text);
    let verified = TOKEN_KEYS.verify(text, &server(), now(), 0);
    assert_eq!(verified.is_ok(), text == token(), "a token was forged");
    assert!(TOKEN_KEYS.verify(text, &"evil.lat".parse().expect("a name"), now(), 0).is_err());
    assert!(
        TOKEN_KEYS
            .verify(text, &server(), Timestamp::from_unix(NOW + 3600).expect("a time"), i64::MAX)
            .is_err()
    );
}

/// Subjects, handles, keys, names and nonces: what is accepted is one safe token, and reads back as it was written.
pub fn subjects(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let reply = format!("{}.x", subjects::client_inbox_prefix(&ALICE.primary));
    let asker = Asker::of(text, &reply).map(|asker| asker.handle);
    for handle in [asker, text.parse::<Handle>().ok()].into_iter().flatten() {
        let own = subjects::client_permissions(&handle, &ALICE.primary);
        for subject in own.publish.iter().chain(&own.subscribe) {
            assert!(subject.split('.').all(|token| !token.is_empty()), "{subject}");
            let tail = subject.strip_prefix(&subjects::client_inbox_prefix(&ALICE.primary));
            assert!(tail == Some(".>") || !subject.contains(['*', '>', ' ', '\t', '\r', '\n']), "{subject}");
        }
        let send = subjects::client_send(&handle);
        assert_eq!(Asker::of(&send, &reply).map(|asker| asker.handle).as_ref(), Some(&handle));
        let store = subjects::store(&handle, 16);
        assert!(subjects::is_store_of(&store, &handle) && store.split('.').count() == 5, "{store}");
        assert!(!subjects::is_store_of(text, &handle) || text.ends_with(handle.as_str()));
    }
    if Asker::of("kez.chat.send.alice", text).is_some() {
        let whole = text.split('.').all(|token| !matches!(token, "" | "*" | ">"));
        assert!(whole && text.starts_with("kez.inbox."), "{text} is answered");
    }
    if let Ok(key) = text.parse::<UserKey>() {
        assert_eq!(key.as_str(), text);
    }
    if let Ok(name) = text.parse::<ServerName>() {
        assert_eq!(name.as_str().parse::<ServerName>().ok(), Some(name));
    }
    if nats_login::is_nonce(text) {
        assert_eq!(nats_login::text(&server(), text).lines().count(), 3);
    }
}

static SERVER_PAIR: LazyLock<KeyPair> =
    LazyLock::new(|| KeyPair::new_from_raw(KeyPairType::Server, [3; 32]).expect("any 32 bytes are a seed"));
static ISSUER: LazyLock<KeyPair> =
    LazyLock::new(|| KeyPair::new_from_raw(KeyPairType::Account, [4; 32]).expect("any 32 bytes are a seed"));
static CALLOUT: LazyLock<Callout> = LazyLock::new(|| {
    Callout::new(&ISSUER.seed().expect("a key pair with a seed"), None).expect("an account's seed")
});

fn request_claims() -> Vec<u8> {
    json!({
        "aud": "nats-authorization-request", "exp": NOW + 2, "iat": NOW, "iss": SERVER_PAIR.public_key(), "jti": "X",
        "sub": ISSUER.public_key(),
        "nats": {
            "client_info": { "host": "127.0.0.1", "id": 8, "kind": "Client", "nonce": "b_NUDM4LtgYbvSk", "type": "nats" },
            "connect_opts": { "nkey": ALICE.pair.public_key(), "protocol": 1, "sig": "c2ln", "user": "u", "pass": "p",
                "auth_token": "t", "jwt": "j", "lang": "rust" },
            "server_id": { "host": "127.0.0.1", "id": SERVER_PAIR.public_key(), "name": "n1", "version": "2.15.1" },
            "type": "authorization_request", "user_nkey": session_key(), "version": 2,
        },
    })
    .to_string()
    .into_bytes()
}

fn signed_by_server(claims: &[u8]) -> String {
    let header = BASE64URL_NOPAD.encode(br#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
    let signed = format!("{header}.{}", BASE64URL_NOPAD.encode(claims));
    let signature = SERVER_PAIR.sign(signed.as_bytes()).expect("a key pair with a seed");
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
}

/// Lets everybody in, so that what is refused is refused by the protocol.
struct Everybody;

impl Authorizer for Everybody {
    type Denied = ();

    async fn authorize(&self, _: &Request) -> Result<User, ()> {
        let own = subjects::client_permissions(&handle(), &ALICE.primary);
        let list = |subjects| Subjects::new(subjects).ok_or(());
        let (publish, subscribe) = (list(own.publish)?, list(own.subscribe)?);
        Ok(User { account: "CHAT", name: "alice".into(), publish, subscribe, expires: NOW + 3600 })
    }
}

fn answer(request: &[u8]) -> Option<Vec<u8>> {
    let answered = CALLOUT.answer(request, None, NOW, &Everybody).now_or_never().expect("nothing here waits");
    answered.ok().map(|answered| answered.payload)
}

fn claims_of(token: &[u8]) -> Value {
    let claims = token.split(|byte| *byte == b'.').nth(1).expect("a token has three parts");
    serde_json::from_slice(&BASE64URL_NOPAD.decode(claims).expect("base64url")).expect("JSON")
}

/// nats-server's request: once as it comes, where of all bytes the server's own alone are answered, and once as claims that a server did sign, where the
/// answer is for whom the request names and never allows everything.
pub fn request_jwt(data: &[u8]) {
    assert_eq!(answer(data).is_some(), data == valid("request_jwt"), "a request was forged");
    let Some(response) = answer(signed_by_server(data).as_bytes()) else { return };
    // A member that nobody reads may hold what no JSON reader takes, such as bytes that aren't UTF-8.
    let Ok(asked) = serde_json::from_slice::<Value>(data) else { return };
    let response = claims_of(&response);
    assert_eq!(response["aud"], asked["nats"]["server_id"]["id"]);
    let user = claims_of(response["nats"]["jwt"].as_str().expect("everybody is let in").as_bytes());
    assert_eq!((&user["aud"], &user["sub"]), (&json!("CHAT"), &asked["nats"]["user_nkey"]));
    for list in [&user["nats"]["pub"]["allow"], &user["nats"]["sub"]["allow"]] {
        assert!(list.as_array().is_some_and(|list| !list.is_empty()), "an empty list allows everything");
    }
}
