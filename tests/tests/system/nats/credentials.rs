//! Who isn't let in. All are told the same, and only the audit log says why.

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD, HEXLOWER};
use kez_nats::Owner;
use kez_tests::{
    Deployment, Person, RawNats, eventually,
    raw_nats::{Transport, Word},
};
use nkeys::{KeyPair, KeyPairType};
use serde_json::{Value, json};

use super::{Client, Credential, User, WAYS, bystander::Bystander, login_text, state::State};

/// A login that must fail: what it is, the members of CONNECT, and the reason in the audit log; none where nats-server itself refuses.
pub type Attempt = (&'static str, Value, Option<&'static str>);

/// Makes these attempts over both transports, each on a connection of its own; they are made for its nonce.
pub async fn all_refused(deployment: &Deployment, attempts: impl Fn(&str) -> Vec<Attempt>) {
    for transport in Transport::ALL {
        for n in 0.. {
            let mut raw = RawNats::open(&deployment.nats, transport).await;
            let Some((what, members, reason)) = attempts(&raw.nonce).into_iter().nth(n) else { break };
            let before = audited(deployment);
            let violation = Word::Err("Authorization Violation".into());
            assert_eq!(
                raw.connect(members.clone()).await,
                [violation, Word::Closed],
                "{what}, {transport:?}"
            );
            let Some(reason) = reason else {
                assert_eq!(audited(deployment), before, "{what}, {transport:?}");
                continue;
            };
            let audit = format!("{what} is audited");
            let line = eventually(&audit, async || audited(deployment).get(before.len()).cloned()).await;
            assert!(line.contains(&format!("reason=\"{reason}\"")), "{what}, {transport:?}: {line}");
            let client = if transport == Transport::Tcp { "nats" } else { "websocket" };
            assert!(line.contains("127.0.0.1") && line.contains(client), "{what}: {line}");
            assert_eq!(audited(deployment).len(), before.len() + 1, "{what}");
            let log = deployment.auth_callouts[0].log();
            for secret in ["sig", "auth_token", "jwt", "pass"] {
                let secret = members[secret].as_str().filter(|secret| secret.len() > 8);
                assert!(
                    secret.is_none_or(|secret| !log.contains(secret)),
                    "{what}: {secret:?} is in the log"
                );
            }
        }
    }
}

/// The audit log's refusals.
fn audited(deployment: &Deployment) -> Vec<String> {
    let log = deployment.auth_callouts[0].log();
    log.lines().filter(|line| line.contains("audit") && line.contains("refused")).map(String::from).collect()
}

/// The nkey of these bytes with this prefix, whatever they are.
fn nkey(prefix: u8, bytes: [u8; 32]) -> String {
    let mut text = vec![prefix];
    text.extend(bytes);
    let crc = text.iter().fold(0u16, |crc, &byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    text.extend(crc.to_le_bytes());
    BASE32_NOPAD.encode(&text)
}

const USER: u8 = 20 << 3;

/// Points for which a signature can be made without a secret (of the order 1, 2, 4 and 8), and spellings that no key has (y ≥ p).
fn bad_points() -> Vec<[u8; 32]> {
    let point = |hex: &str| HEXLOWER.decode(hex.as_bytes()).unwrap().try_into().unwrap();
    [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0200000000000000000000000000000000000000000000000000000000000000",
    ]
    .map(point)
    .into()
}

/// The same text with another last character.
fn other_last(text: &str) -> String {
    let (rest, last) = text.split_at(text.len() - 1);
    rest.to_owned() + if last == "A" { "B" } else { "A" }
}

/// The group's order, little-endian.
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The same signature spelt otherwise: s + L.
fn malleated(signature: &[u8]) -> Vec<u8> {
    let mut other = signature.to_vec();
    let mut carry = 0;
    for (byte, l) in other[32..].iter_mut().zip(L) {
        carry += u16::from(*byte) + u16::from(l);
        *byte = carry as u8;
        carry >>= 8;
    }
    other
}

#[tokio::test]
async fn without_proof_of_a_registered_key_nobody_is_let_in() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let (alice, bob) = (User::registered("alice", url).await, User::registered("bobby", url).await);
    let mut bystander = Bystander::of(&deployment, &bob).await;
    bystander.is_undisturbed("before").await;
    let before = State::of(&deployment).await;
    let stranger = Person::new("alice");
    // A login that was good on its own connection.
    let mut first = RawNats::open(&deployment.nats, Transport::Tcp).await;
    let replayed = alice.login(Credential::Key, &first.nonce);
    assert_eq!(first.connect(replayed.clone()).await, []);
    let replayed_bare = RawNats::signed(&alice.person.nkey, &first.nonce);
    let (_, seed) = nkeys::decode_seed(&alice.person.nkey.seed().unwrap()).unwrap();

    let attempts = |nonce: &str| {
        let key = &alice.person.nkey;
        let good = || alice.login(Credential::Key, nonce);
        let with = |member: &str, value: Value| {
            let mut login = good();
            login[member] = value;
            login
        };
        let signature = key.sign(login_text(nonce).as_bytes()).unwrap();
        let spelt = |bytes: &[u8]| json!(BASE64URL_NOPAD.encode(bytes));
        let mut attempts: Vec<Attempt> = vec![
            ("nothing", json!({}), Some("no_key")),
            ("a stranger's key", RawNats::signed(&stranger.nkey, &login_text(nonce)), Some("unknown_key")),
            ("no signature", json!({"nkey": key.public_key()}), Some("no_signature")),
            ("an empty signature", with("sig", json!("")), Some("no_signature")),
            ("a signature alone", json!({"sig": good()["sig"]}), Some("no_key")),
            (
                "another's signature",
                with("sig", RawNats::signed(&stranger.nkey, &login_text(nonce))["sig"].clone()),
                Some("wrong_signature"),
            ),
            ("another's key", with("nkey", json!(bob.person.nkey.public_key())), Some("wrong_signature")),
            ("a replay", replayed.clone(), Some("wrong_signature")),
            ("a replay by a stock client", replayed_bare.clone(), Some("wrong_signature")),
            (
                "another server's domain",
                RawNats::signed(key, &kez_proto::nats_login::text(&"kez.other".parse().unwrap(), nonce)),
                Some("wrong_signature"),
            ),
            (
                "another text",
                RawNats::signed(key, &format!("{}\n", login_text(nonce))),
                Some("wrong_signature"),
            ),
            ("an empty text", RawNats::signed(key, ""), Some("wrong_signature")),
            ("a signature of no base64", with("sig", json!("!".repeat(86))), Some("malformed_signature")),
            (
                "a signature in hex",
                with("sig", json!(HEXLOWER.encode(&signature))),
                Some("malformed_signature"),
            ),
            ("a short signature", with("sig", spelt(&signature[..63])), Some("malformed_signature")),
            (
                "a long signature",
                with("sig", spelt(&[&signature[..], &[0]].concat())),
                Some("malformed_signature"),
            ),
            ("a signature of zeros", with("sig", spelt(&[0; 64])), Some("wrong_signature")),
            ("a malleated signature", with("sig", spelt(&malleated(&signature))), Some("wrong_signature")),
            ("a name beside it", with("user", json!("alice")), Some("password")),
            ("a password beside it", with("pass", json!("correct horse")), Some("password")),
            ("a name and a password", json!({"user": "alice", "pass": "correct horse"}), Some("password")),
            ("a token of no kind", json!({"auth_token": "open sesame"}), Some("no_key")),
            ("a token of no kind beside it", with("auth_token", json!("open sesame")), Some("invalid_token")),
            (
                "a key in lower case",
                with("nkey", json!(key.public_key().to_lowercase())),
                Some("invalid_key"),
            ),
            ("a key with a tail", with("nkey", json!(key.public_key() + "=")), Some("invalid_key")),
            ("a bad checksum", with("nkey", json!(other_last(&key.public_key()))), Some("invalid_key")),
            ("no nkey at all", with("nkey", json!("alice")), Some("invalid_key")),
            (
                "a primary for an nkey",
                with("nkey", json!(alice.person.identity.primary())),
                Some("invalid_key"),
            ),
            ("another account", with("account", json!("KEZ")), None),
            ("a new account", json!({"account": "NEW", "new_account": true}), Some("no_key")),
        ];
        // The same key, spelt as one of another kind.
        for kind in [KeyPairType::Account, KeyPairType::Server, KeyPairType::Operator, KeyPairType::Cluster] {
            let same = KeyPair::new_from_raw(kind, seed).unwrap();
            attempts.push((
                "another kind of nkey",
                RawNats::signed(&same, &login_text(nonce)),
                Some("invalid_key"),
            ));
        }
        // Signatures that plain verification takes for any text: R and s are those of the identity.
        for point in bad_points() {
            let mut forged = [0; 64];
            forged[0] = 1;
            let login = json!({"nkey": nkey(USER, point), "sig": BASE64URL_NOPAD.encode(&forged)});
            attempts.push(("a point without a secret", login, Some("invalid_key")));
        }
        // The deployment's own users: their keys are no secret, and nobody is let in for naming one.
        for owner in Owner::all().filter(|o| !matches!(o, Owner::CalloutIssuer | Owner::CalloutXkey)) {
            let public = deployment.nats.keys.public(owner);
            // nats-server itself asks for this one's signature, or nobody could be let in.
            let reason = (owner != Owner::CalloutAuth).then_some("wrong_signature");
            attempts.push(("a service's key", with("nkey", json!(public)), reason));
            attempts.push((
                "a service's key for a name",
                json!({"user": public, "pass": ""}),
                Some("password"),
            ));
        }
        attempts.push((
            "the issuer's key",
            with("nkey", json!(deployment.nats.keys.public(Owner::CalloutIssuer))),
            Some("invalid_key"),
        ));
        attempts
    };
    all_refused(&deployment, attempts).await;

    for way in WAYS {
        Client::connect(&deployment, &alice, way).await.can_look_up(&bob).await;
    }
    bystander.is_undisturbed("after").await;
    State::of(&deployment).await.only_grew_by(&before, 3);
}

/// nats-server has no use for a token of its operator mode here, and passes it on to nobody: it gives no rights.
#[tokio::test]
async fn an_operators_token_beside_a_login_means_nothing() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = User::registered("alice", url).await;
    for transport in Transport::ALL {
        let mut raw = RawNats::open(&deployment.nats, transport).await;
        let mut login = alice.login(Credential::Key, &raw.nonce);
        let all = json!({"name": "x", "nats": {"type": "user", "version": 2, "pub": {"allow": [">"]}}});
        login["jwt"] =
            json!(format!("eyJ0eXAiOiJKV1QifQ.{}.AAAA", BASE64URL_NOPAD.encode(all.to_string().as_bytes())));
        assert_eq!(raw.connect(login).await, []);
        raw.say("SUB kez.store.> all\r\n").await;
        let violation = "Permissions Violation for Subscription to \"kez.store.>\"";
        assert_eq!(raw.settle().await, [Word::Err(violation.into())]);
    }
}

/// Whoever hasn't logged in can't say anything.
#[tokio::test]
async fn before_the_login_nothing_is_heard() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let bob = User::registered("bobby", url).await;
    let mut bystander = Bystander::of(&deployment, &bob).await;
    for transport in Transport::ALL {
        for words in [
            format!("SUB {} mail\r\n", bob.inbox()),
            format!("PUB {} 2\r\n{{}}\r\n", bob.inbox()),
            format!("HPUB {} 12 14\r\nNATS/1.0\r\n\r\n{{}}\r\n", bob.inbox()),
            "UNSUB mail\r\n".into(),
        ] {
            let mut raw = RawNats::open(&deployment.nats, transport).await;
            raw.say(&words).await;
            let said = raw.settle().await;
            assert_eq!(said.last(), Some(&Word::Closed), "{words}: {said:?}");
            let violation = Word::Err("Authorization Violation".into());
            assert_eq!(said, [violation, Word::Closed], "{words}");
        }
    }
    bystander.is_undisturbed("after").await;
}

#[tokio::test]
async fn the_bare_nonce_can_be_switched_off() {
    let mut deployment = Deployment::start(1).await;
    deployment.auth_callout_arguments = vec!["--nats-no-plain-nonce".into()];
    deployment.auth_callouts[0].terminate().await;
    deployment.auth_callouts[0] = deployment.auth_callout();
    deployment.auth_callouts[0].ready().await;
    let url = deployment.url(0);
    let alice = User::registered("alice", url).await;
    all_refused(&deployment, |nonce| {
        let mut session = RawNats::signed(&alice.session.key, nonce);
        session["auth_token"] = json!(alice.session.granted.token);
        vec![
            ("a bare nonce", alice.login(Credential::BareNonce, nonce), Some("plain_nonce")),
            ("a session's bare nonce", session, Some("plain_nonce")),
        ]
    })
    .await;
    for way in WAYS.into_iter().filter(|way| way.1 != Credential::BareNonce) {
        Client::connect(&deployment, &alice, way).await.can_look_up(&alice).await;
    }
}
