use data_encoding::{BASE64, BASE64URL_NOPAD};
use ed25519_dalek::VerifyingKey;
use nkeys::{KeyPair, KeyPairType, XKey};
use serde_json::{Value, json};

use super::{
    Answered, Authorizer, Callout, Invalid, LEEWAY_SECS, REQUEST_BYTES, Request, Subjects, User, seal,
    token::{self, Claims},
};

const NOW: i64 = 1_800_000_000;

/// Lets in, or doesn't.
struct Always(Result<User, &'static str>);

impl Authorizer for Always {
    type Denied = &'static str;
    async fn authorize(&self, _: &Request) -> Result<User, &'static str> {
        self.0.clone()
    }
}

fn user() -> User {
    let list = |s: &str| Subjects::new(vec![s.into()]).unwrap();
    let (publish, subscribe) = (list("a.b"), list("c.>"));
    User { account: "USERS", name: "somebody".into(), publish, subscribe, expires: NOW + 60 }
}

fn pair(kind: KeyPairType, seed: u8) -> KeyPair {
    KeyPair::new_from_raw(kind, [seed; 32]).unwrap()
}

fn issuer() -> KeyPair {
    pair(KeyPairType::Account, 1)
}

fn server() -> KeyPair {
    pair(KeyPairType::Server, 2)
}

fn own_xkey() -> XKey {
    XKey::new_from_raw([3; 32])
}

fn server_xkey() -> XKey {
    XKey::new_from_raw([4; 32])
}

fn sealed_callout() -> Callout {
    Callout::new(&issuer().seed().unwrap(), Some(&own_xkey().seed().unwrap())).unwrap()
}

fn plain_callout() -> Callout {
    Callout::new(&issuer().seed().unwrap(), None).unwrap()
}

/// A request as nats-server 2.15.1 makes it.
fn claims() -> Value {
    json!({
        "aud": "nats-authorization-request", "exp": NOW + 2, "iat": NOW, "iss": server().public_key(), "jti": "7DMBHOWN",
        "sub": issuer().public_key(),
        "nats": {
            "client_info": {"host": "127.0.0.1", "id": 8, "kind": "Client", "name": "n", "nonce": "b_NUDM4LtgYbvSk", "type": "nats",
                            "user": pair(KeyPairType::User, 6).public_key()},
            "connect_opts": {"lang": "rust", "name": "n", "nkey": pair(KeyPairType::User, 6).public_key(), "protocol": 1, "sig": "XOTt"},
            "server_id": {"host": "127.0.0.1", "id": server().public_key(), "name": "n1", "version": "2.15.1",
                          "xkey": server_xkey().public_key()},
            "type": "authorization_request", "user_nkey": pair(KeyPairType::User, 5).public_key(), "version": 2
        }
    })
}

fn signed(claims: Value, key: &KeyPair) -> Vec<u8> {
    let claims: Claims<Value> = serde_json::from_value(claims).unwrap();
    token::encode(&claims, key).unwrap().into_bytes()
}

/// The same with a header of one's own.
fn signed_as(header: Value, claims: Value, key: &KeyPair) -> Vec<u8> {
    let part = |json: Value| BASE64URL_NOPAD.encode(json.to_string().as_bytes());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = BASE64URL_NOPAD.encode(&key.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}").into_bytes()
}

async fn plainly(token: &[u8]) -> Result<Answered<&'static str>, Invalid> {
    plain_callout().answer(token, None, NOW, &Always(Ok(user()))).await
}

async fn refused(change: impl FnOnce(&mut Value)) -> Invalid {
    let mut claims = claims();
    change(&mut claims);
    plainly(&signed(claims, &server())).await.map(|a| a.request).unwrap_err()
}

#[tokio::test]
async fn a_request_of_the_real_server_is_read_and_answered_under_seal() {
    let vector: Value = serde_json::from_str(include_str!("vectors/request.json")).unwrap();
    let text = |member: &str| vector[member].as_str().unwrap();
    let callout = Callout::new(text("issuer_seed"), Some(text("xkey_seed"))).unwrap();
    let (payload, now) =
        (BASE64.decode(text("payload").as_bytes()).unwrap(), vector["seconds"].as_i64().unwrap());
    let server_xkey = text("server_xkey");
    let answered = callout.answer(&payload, Some(server_xkey), now, &Always(Ok(user()))).await.unwrap();
    let request = answered.request;
    assert_eq!((request.client.kind.as_str(), request.client.transport.as_str()), ("Client", "nats"));
    assert_eq!((request.client.host.as_str(), request.server.name.as_str()), ("127.0.0.1", "test"));
    let nkey = request.connect.nkey.as_deref().unwrap();
    assert_eq!((nkey.len(), &nkey[..1]), (56, "U"));
    let signature = BASE64URL_NOPAD.decode(request.connect.signature.as_ref().unwrap().expose().as_bytes());
    assert_eq!((signature.unwrap().len(), request.client.nonce.as_deref().unwrap().len()), (64, 15));
    assert!(request.connect.auth_token.is_none() && request.connect.user.is_none());
    assert!(answered.payload.starts_with(b"xkv1"));

    let later = callout.answer(&payload, Some(server_xkey), now + 60, &Always(Ok(user()))).await;
    assert_eq!(later.map(|a| a.request.user_nkey).unwrap_err(), Invalid::Time);
}

#[tokio::test]
async fn the_answer_is_what_the_server_takes() {
    let token = signed(claims(), &server());
    let sealed =
        server_xkey().seal(&token, &XKey::from_public_key(&own_xkey().public_key()).unwrap()).unwrap();
    let from = server_xkey().public_key();
    let answered = sealed_callout().answer(&sealed, Some(&from), NOW, &Always(Ok(user()))).await.unwrap();
    let own = XKey::from_public_key(&own_xkey().public_key()).unwrap();
    let response = seal::open(&server_xkey(), &own, &answered.payload).unwrap();
    assert!(response.starts_with(b"eyJ"));
    let response: Claims<Value> = token::decode(&response, KeyPairType::Account).unwrap();
    let one_time = pair(KeyPairType::User, 5).public_key();
    let jwt = response.nats["jwt"].as_str().unwrap();
    assert_eq!(
        serde_json::to_value(&response).unwrap(),
        json!({
            "iss": issuer().public_key(), "sub": one_time, "aud": server().public_key(), "iat": NOW,
            "nats": {"type": "authorization_response", "version": 2, "jwt": jwt}
        })
    );
    let user: Claims<Value> = token::decode(jwt.as_bytes(), KeyPairType::Account).unwrap();
    assert_eq!(
        serde_json::to_value(&user).unwrap(),
        json!({
            "iss": issuer().public_key(), "sub": one_time, "aud": "USERS", "name": "somebody", "iat": NOW, "exp": NOW + 60,
            "nats": {"type": "user", "version": 2, "pub": {"allow": ["a.b"]}, "sub": {"allow": ["c.>"]},
                     "subs": -1, "data": -1, "payload": -1}
        })
    );
}

#[tokio::test]
async fn a_denial_is_an_answer_that_says_nothing() {
    let token = signed(claims(), &server());
    let answered = plain_callout().answer(&token, None, NOW, &Always(Err("because"))).await.unwrap();
    assert_eq!(answered.decision.unwrap_err(), "because");
    let response: Claims<Value> = token::decode(&answered.payload, KeyPairType::Account).unwrap();
    assert_eq!(response.nats, json!({"type": "authorization_response", "version": 2, "error": "denied"}));
}

#[tokio::test]
async fn one_changed_byte_anywhere_is_refused() {
    let token = signed(claims(), &server());
    assert!(plainly(&token).await.is_ok());
    for at in 0..token.len() {
        let mut changed = token.clone();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(plainly(&changed).await.is_err(), "byte {at}");
    }
    let own = XKey::from_public_key(&own_xkey().public_key()).unwrap();
    let sealed = server_xkey().seal(&token, &own).unwrap();
    let (callout, from) = (sealed_callout(), server_xkey().public_key());
    assert!(callout.answer(&sealed, Some(&from), NOW, &Always(Ok(user()))).await.is_ok());
    for at in (0..sealed.len()).step_by(7) {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        let outcome = callout.answer(&changed, Some(&from), NOW, &Always(Ok(user()))).await;
        assert_eq!(outcome.map(|a| a.payload).unwrap_err(), Invalid::Seal, "byte {at}");
    }
}

#[tokio::test]
async fn what_isnt_sealed_as_configured_is_refused() {
    let token = signed(claims(), &server());
    let own = XKey::from_public_key(&own_xkey().public_key()).unwrap();
    let stranger = XKey::new_from_raw([9; 32]);
    let (from, other) = (server_xkey().public_key(), stranger.public_key());
    let sealed = server_xkey().seal(&token, &own).unwrap();
    let by_stranger = stranger.seal(&token, &own).unwrap();
    let cases: [(&[u8], Option<&str>, Invalid); 6] = [
        (&token, None, Invalid::NotSealed),
        (&token, Some(&from), Invalid::Seal),
        (&sealed, Some(&other), Invalid::Seal),
        (&sealed, Some("XNONSENSE"), Invalid::Seal),
        // A request of the server's that somebody else sealed.
        (&by_stranger, Some(&other), Invalid::Seal),
        (&sealed, None, Invalid::NotSealed),
    ];
    for (payload, from, expected) in cases {
        let outcome = sealed_callout().answer(payload, from, NOW, &Always(Ok(user()))).await;
        assert_eq!(outcome.map(|a| a.payload).unwrap_err(), expected);
    }
    let outcome = plain_callout().answer(&token, Some(&from), NOW, &Always(Ok(user()))).await;
    assert_eq!(outcome.map(|a| a.payload).unwrap_err(), Invalid::Sealed);
}

#[tokio::test]
async fn each_claim_is_checked() {
    use Invalid::*;
    let other = pair(KeyPairType::Server, 8).public_key();
    let as_user = pair(KeyPairType::User, 2).public_key();
    let set = |path: &'static str, value: Value| {
        move |claims: &mut Value| match value {
            Value::Null => {
                let (parent, member) = path.rsplit_once('/').unwrap();
                claims.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(member).unwrap();
            }
            value => *claims.pointer_mut(path).unwrap() = value,
        }
    };
    let cases = [
        ("/aud", json!("somebody"), Purpose),
        ("/aud", Value::Null, Purpose),
        ("/nats/type", json!("authorization_response"), Purpose),
        ("/nats/version", json!(1), Purpose),
        ("/iss", json!(other.clone()), Signature),
        // The same key as another kind of nkey verifies too.
        ("/iss", json!(as_user.clone()), Issuer),
        ("/iss", json!(server().public_key().to_lowercase()), Issuer),
        ("/nats/server_id/id", json!(other.clone()), Issuer),
        ("/sub", json!(pair(KeyPairType::Account, 9).public_key()), Subject),
        ("/exp", json!(NOW - LEEWAY_SECS - 1), Time),
        ("/exp", Value::Null, Time),
        ("/iat", json!(NOW + LEEWAY_SECS + 1), Time),
        ("/nats/user_nkey", json!(other), OneTimeKey),
        ("/nats/user_nkey", json!(""), OneTimeKey),
        ("/nats/version", json!("2"), Malformed),
    ];
    for (path, value, expected) in cases {
        assert_eq!(refused(set(path, value.clone())).await, expected, "{path} {value}");
    }
    for edge in [("/exp", NOW - LEEWAY_SECS), ("/iat", NOW + LEEWAY_SECS)] {
        let mut claims = claims();
        *claims.pointer_mut(edge.0).unwrap() = json!(edge.1);
        assert!(plainly(&signed(claims, &server())).await.is_ok(), "{edge:?}");
    }
}

#[tokio::test]
async fn what_isnt_a_token_or_has_another_header_is_refused() {
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    assert!(plainly(&signed_as(header, claims(), &server())).await.is_ok());
    for header in [
        json!({"typ": "JWT", "alg": "none"}),
        json!({"typ": "JWT", "alg": "ed25519"}),
        json!({"typ": "JWT", "alg": "EdDSA"}),
        json!({"typ": "x", "alg": "ed25519-nkey"}),
    ] {
        let outcome = plainly(&signed_as(header.clone(), claims(), &server())).await;
        assert_eq!(outcome.map(|a| a.payload).unwrap_err(), Invalid::Algorithm, "{header}");
    }
    let token = String::from_utf8(signed(claims(), &server())).unwrap();
    let (unsigned, _) = token.rsplit_once('.').unwrap();
    for text in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        unsigned,
        &format!("{token}.a"),
        &format!(".{token}"),
        &token[1..],
        "{}",
    ] {
        assert_eq!(
            plainly(text.as_bytes()).await.map(|a| a.payload).unwrap_err(),
            Invalid::Malformed,
            "{text}"
        );
    }
    for text in [format!("{unsigned}."), format!("{token}="), format!("{token}AA")] {
        assert_eq!(
            plainly(text.as_bytes()).await.map(|a| a.payload).unwrap_err(),
            Invalid::Signature,
            "{text}"
        );
    }
    let large = vec![b'a'; REQUEST_BYTES + 1];
    assert_eq!(plainly(&large).await.map(|a| a.payload).unwrap_err(), Invalid::TooLarge);
}

/// The text of a server's key with these bytes, whatever they are.
fn server_nkey(key: [u8; 32]) -> String {
    let mut nkey = vec![13 << 3];
    nkey.extend(key);
    let crc = nkey.iter().fold(0u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            (crc << 1) ^ (if crc >> 15 == 1 { 0x1021 } else { 0 })
        })
    });
    nkey.extend(crc.to_le_bytes());
    data_encoding::BASE32_NOPAD.encode(&nkey)
}

#[tokio::test]
async fn a_weak_key_signs_nothing() {
    // The neutral point as a server's key: the signature of zeros is good for it, and for every message, unless one is strict.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let weak = server_nkey(neutral);
    assert!(KeyPair::from_public_key(&weak).is_ok(), "nkeys takes it");
    let mut claims = claims();
    claims["iss"] = json!(weak);
    claims["nats"]["server_id"]["id"] = json!(weak);
    let token = String::from_utf8(signed(claims, &server())).unwrap();
    let (signed, _) = token.rsplit_once('.').unwrap();
    let mut signature = [0; 64];
    signature[0] = 1;
    let forged = format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature));
    KeyPair::from_public_key(&weak)
        .unwrap()
        .verify(signed.as_bytes(), &signature)
        .expect("nkeys takes the signature");
    assert_eq!(plainly(forged.as_bytes()).await.map(|a| a.payload).unwrap_err(), Invalid::Issuer);
}

#[test]
fn a_key_has_one_spelling() {
    // Numbers from p = 2^255 - 19 on are other spellings of small ones; those that are points, and not weak.
    let spellings = (0..19).flat_map(|k| [0, 0x80].map(|sign| (k, sign))).map(|(k, sign)| {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (0xed + k, 0x7f | sign);
        bytes
    });
    let points: Vec<_> =
        spellings.filter(|b| VerifyingKey::from_bytes(b).is_ok_and(|key| !key.is_weak())).collect();
    assert!(!points.is_empty());
    for bytes in points {
        assert!(token::verifying_key(&server_nkey(bytes), KeyPairType::Server).is_none(), "{bytes:?}");
    }
    let text = server().public_key();
    assert!(token::verifying_key(&text, KeyPairType::Server).is_some());
    for odd in [text.to_lowercase(), format!("{text}="), format!(" {text}")] {
        assert!(token::verifying_key(&odd, KeyPairType::Server).is_none(), "{odd}");
    }
}

#[tokio::test]
async fn no_list_of_permissions_is_ever_empty() {
    let lists: [&[&str]; 9] =
        [&[], &[""], &["a", ""], &["a b"], &["a..b"], &[".a"], &["a."], &["a\r\n"], &["\t"]];
    for list in lists {
        assert_eq!(Subjects::new(list.iter().map(|s| (*s).to_owned()).collect()), None, "{list:?}");
    }
    // Whatever a user is allowed, it stands in the token, in both lists.
    for (publish, subscribe) in [(1, 1), (1, 50), (50, 1)] {
        let list = |n: usize| Subjects::new((0..n).map(|n| format!("s.{n}")).collect()).unwrap();
        let user = User { publish: list(publish), subscribe: list(subscribe), ..user() };
        let token = signed(claims(), &server());
        let answered = plain_callout().answer(&token, None, NOW, &Always(Ok(user))).await.unwrap();
        let response: Claims<Value> = token::decode(&answered.payload, KeyPairType::Account).unwrap();
        let jwt: Claims<Value> =
            token::decode(response.nats["jwt"].as_str().unwrap().as_bytes(), KeyPairType::Account).unwrap();
        let count = |list: &str| jwt.nats[list]["allow"].as_array().unwrap().len();
        assert_eq!((count("pub"), count("sub")), (publish, subscribe));
    }
}

#[test]
fn secrets_dont_show_and_foreign_members_do_no_harm() {
    let mut nats = claims()["nats"].clone();
    nats["of_tomorrow"] = json!({"a": 1});
    nats["client_info"]["tags"] = json!(["a"]);
    nats["connect_opts"] =
        json!({"auth_token": "hidden1", "pass": "hidden2", "jwt": "hidden3", "sig": "hidden4"});
    nats["client_tls"] = json!({"version": "1.3", "certs": ["hidden5"]});
    let request: Request = serde_json::from_value(nats).unwrap();
    assert!(!format!("{request:?}").contains("hidden"));
    assert_eq!(request.connect.auth_token.unwrap().expose(), "hidden1");
}

#[tokio::test]
async fn each_request_is_answered_with_the_keys_that_it_was_made_for() {
    let (other_issuer, other_xkey) = (pair(KeyPairType::Account, 7), XKey::new_from_raw([8; 32]));
    let other_seeds = (other_issuer.seed().unwrap(), other_xkey.seed().unwrap());
    let callout = sealed_callout().or(&other_seeds.0, Some(&other_seeds.1)).unwrap();
    let header = server_xkey().public_key();
    for (issuer, xkey) in [(issuer(), own_xkey()), (other_issuer, other_xkey)] {
        let mut claims = claims();
        claims["sub"] = json!(issuer.public_key());
        let request = server_xkey().seal(&signed(claims, &server()), &xkey).unwrap();
        let answered = callout.answer(&request, Some(&header), NOW, &Always(Ok(user()))).await.unwrap();
        let token = server_xkey().open(&answered.payload, &xkey).unwrap();
        let response: Claims<Value> = token::decode(&token, KeyPairType::Account).unwrap();
        assert_eq!(response.iss, issuer.public_key());
        let user: Claims<Value> =
            token::decode(response.nats["jwt"].as_str().unwrap().as_bytes(), KeyPairType::Account).unwrap();
        assert_eq!(user.iss, issuer.public_key());
    }
    assert!(plain_callout().or("", None).is_none());
}

#[test]
fn keys_of_another_kind_make_no_callout() {
    let seed = |kind| pair(kind, 1).seed().unwrap();
    assert!(Callout::new(&seed(KeyPairType::User), None).is_none());
    assert!(Callout::new(&seed(KeyPairType::Account), Some(&seed(KeyPairType::User))).is_none());
    assert!(Callout::new("", None).is_none());
}

#[test]
fn this_module_is_a_library_of_its_own() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/protocol");
    let own = std::path::Path::new("tests.rs");
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_file() && !entry.ends_with(own) {
            let text = std::fs::read_to_string(&entry).unwrap().to_lowercase();
            assert!(!text.contains("kez") && !text.contains("crate::"), "{}", entry.display());
        }
    }
}
