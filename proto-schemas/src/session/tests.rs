use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::*;

const NOW: i64 = 1_780_000_000;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// A point of small order, for which anybody can make a signature that a lax verifier takes.
const WEAK: [u8; 32] = {
    let mut identity = [0; 32];
    identity[0] = 1;
    identity
};

fn at(unix: i64) -> Timestamp {
    Timestamp::from_unix(unix).unwrap()
}

fn kez_lat() -> ServerName {
    "kez.lat".parse().unwrap()
}

fn primary(seed: u8) -> Primary {
    Primary::from_bytes(SigningKey::from_bytes(&[seed; 32]).verifying_key().as_bytes()).unwrap()
}

fn nkey(kind: nkeys::KeyPairType, seed: u8) -> String {
    nkeys::KeyPair::new_from_raw(kind, [seed; 32]).unwrap().public_key()
}

/// Alice's session, changed before she signs it.
fn start(change: impl FnOnce(&mut Value)) -> Value {
    let session_key = nkey(nkeys::KeyPairType::User, 2).parse().unwrap();
    let start = SessionStart::new(primary(1), kez_lat(), session_key, at(NOW), at(NOW + 3600));
    let mut payload = serde_json::to_value(start).unwrap();
    change(&mut payload);
    let sig = SigningKey::from_bytes(&[1; 32]).sign(&crate::json::canonical(&payload).unwrap());
    let sig = HEXLOWER.encode(&sig.to_bytes());
    json!({"kez": TAG, "payload": payload, "signature": {"alg": envelope::ED25519_JCS, "key": primary(1), "sig": sig}})
}

fn verified_at(envelope: &Value, now: i64) -> Result<SessionStart, Code> {
    SessionStart::verify(envelope.to_string().as_bytes(), &kez_lat(), at(now), DAY)
}

#[test]
fn a_session_begins_as_it_was_signed() {
    let start = verified_at(&start(|_| {}), NOW).unwrap();
    assert_eq!((start.primary, *start.session_key.key()), (primary(1), primary(2)));
    assert_eq!((start.created_at, start.expires_at), (at(NOW), at(NOW + 3600)));
}

#[test]
fn what_is_wrong_with_a_payload_is_told_by_its_code() {
    let set = |member: &'static str, value: Value| {
        let changed = start(|payload| payload[member] = value);
        verified_at(&changed, NOW).map(drop)
    };
    let time = |unix| json!(at(unix).to_string());
    for (member, value, code) in [
        ("type", json!("kez.chat.handle"), Code::WrongType),
        ("version", json!(2), Code::WrongVersion),
        ("primary", json!(primary(3)), Code::KeyMismatch),
        ("server", json!("other.lat"), Code::WrongServer),
        ("server", json!("KEZ.lat"), Code::WrongServer),
        ("server", Value::Null, Code::WrongServer),
        ("session_key", Value::Null, Code::InvalidSessionKey),
        ("session_key", json!(primary(2)), Code::InvalidSessionKey),
        ("session_key", json!(nkey(nkeys::KeyPairType::Account, 2)), Code::InvalidSessionKey),
        (
            "session_key",
            json!("UAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABVBG"),
            Code::InvalidSessionKey,
        ),
        // The person's own key can't be put away while it is the session's.
        ("session_key", json!(nkey(nkeys::KeyPairType::User, 1)), Code::InvalidSessionKey),
        ("created_at", json!(NOW), Code::InvalidTimestamp),
        ("created_at", json!("2026-05-28T22:26:40+00:00"), Code::InvalidTimestamp),
        ("expires_at", Value::Null, Code::InvalidTimestamp),
        ("created_at", time(NOW - 61), Code::StaleTimestamp),
        ("created_at", time(NOW + 61), Code::StaleTimestamp),
        ("expires_at", time(NOW), Code::InvalidLifetime),
        ("expires_at", time(NOW - 1), Code::InvalidLifetime),
        ("expires_at", time(NOW + 24 * 3600 + 1), Code::InvalidLifetime),
    ] {
        assert_eq!(set(member, value.clone()), Err(code), "{member}: {value}");
    }
    for (member, value) in [
        ("created_at", time(NOW - 60)),
        ("created_at", time(NOW + 60)),
        ("expires_at", time(NOW + 24 * 3600)),
        ("note", json!("of a later version")),
    ] {
        assert_eq!(set(member, value.clone()), Ok(()), "{member}: {value}");
    }
    // It would end before it begins, both still to come.
    let backwards = start(|payload| {
        payload["created_at"] = time(NOW + 60);
        payload["expires_at"] = time(NOW + 30);
    });
    assert_eq!(verified_at(&backwards, NOW), Err(Code::InvalidLifetime));
    // It ended while it was on its way.
    let short = start(|payload| payload["expires_at"] = time(NOW + 5));
    assert_eq!(verified_at(&short, NOW + 4).map(drop), Ok(()));
    assert_eq!(verified_at(&short, NOW + 5), Err(Code::InvalidLifetime));
}

#[test]
fn what_is_wrong_with_an_envelope_is_told_by_its_code() {
    let changed = |change: fn(&mut Value)| {
        let mut envelope = start(|_| {});
        change(&mut envelope);
        verified_at(&envelope, NOW).map(drop)
    };
    assert_eq!(changed(|e| e["kez"] = json!("claim")), Err(Code::WrongTag));
    assert_eq!(changed(|e| e["signature"]["alg"] = json!("none")), Err(Code::UnsupportedAlg));
    assert_eq!(changed(|e| e["signature"]["key"] = json!(primary(3))), Err(Code::KeyMismatch));
    assert_eq!(
        changed(|e| e["payload"]["expires_at"] = json!("2026-05-29T00:00:00Z")),
        Err(Code::BadSignature)
    );
    assert_eq!(changed(|e| e["payload"]["note"] = json!(1)), Err(Code::BadSignature));
    assert_eq!(
        changed(|e| e["payload"]["note"] = json!(9_007_199_254_740_993_u64)),
        Err(Code::NumberOutOfRange)
    );
    assert_eq!(changed(|e| e["more"] = json!(1)), Err(Code::MalformedJson));
    let weak = format!("ed25519:{}", HEXLOWER.encode(&WEAK));
    let mut envelope = start(|payload| payload["primary"] = json!(weak));
    envelope["signature"]["key"] = json!(weak);
    assert_eq!(verified_at(&envelope, NOW), Err(Code::InvalidPrimary));
    let verify = |bytes: &str| SessionStart::verify(bytes.as_bytes(), &kez_lat(), at(NOW), DAY).map(drop);
    assert_eq!(verify("[]"), Err(Code::MalformedJson));
    let twice = start(|_| {}).to_string().replacen('{', r#"{"kez":"claim","#, 1);
    assert_eq!(verify(&twice), Err(Code::DuplicateKey));
}

fn claims() -> Claims {
    Claims {
        iss: kez_lat(),
        aud: kez_lat(),
        sub: primary(1),
        iat: NOW,
        exp: NOW + 900,
        session_exp: NOW + 3600,
        cnf: Confirmation::of(&primary(2)),
    }
}

fn keys(of: &[u8]) -> TokenKeys {
    TokenKeys::new(&Jwks { keys: of.iter().map(|seed| TokenKey::from_seed(&[*seed; 32]).jwk()).collect() })
}

fn verified(token: &str, now: i64) -> Result<Claims, Code> {
    keys(&[9]).verify(token, &kez_lat(), at(now), 0)
}

/// A token of any form, signed by any means.
fn forged(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = BASE64URL_NOPAD.encode(&sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn sign_with(seed: u8) -> impl Fn(&[u8]) -> Vec<u8> {
    move |message| SigningKey::from_bytes(&[seed; 32]).sign(message).to_bytes().to_vec()
}

/// RFC 2104.
fn hmac_sha256(secret: &[u8], message: &[u8]) -> Vec<u8> {
    let pad = |with: u8| -> Vec<u8> { (0..64).map(|n| secret.get(n).copied().unwrap_or(0) ^ with).collect() };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

#[test]
fn a_key_has_the_thumbprint_of_the_standard() {
    // RFC 8037, appendix A.
    let seed = BASE64URL_NOPAD.decode(b"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    let jwk = TokenKey::from_seed(&seed.try_into().unwrap()).jwk();
    assert_eq!(jwk.x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    assert_eq!(jwk.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn a_token_says_what_was_signed_and_any_of_the_keys_verifies() {
    let token = TokenKey::from_seed(&[9; 32]).sign(&claims()).unwrap();
    assert_eq!(verified(&token, NOW), Ok(claims()));
    assert_eq!(keys(&[8, 9]).verify(&token, &kez_lat(), at(NOW), 0), Ok(claims()));
    assert_eq!((keys(&[8]).know(&token), keys(&[8, 9]).know(&token)), (Ok(false), Ok(true)));
    assert_eq!(keys(&[8]).verify(&token, &kez_lat(), at(NOW), 0), Err(Code::InvalidToken));
    assert_eq!(claims().session_key(), Ok(primary(2)));
}

#[test]
fn a_changed_or_forged_token_is_none() {
    let kid = TokenKey::from_seed(&[9; 32]).jwk().kid;
    let header = json!({"typ": "JWT", "alg": "EdDSA", "kid": kid});
    let says = serde_json::to_value(claims()).unwrap();
    let good = forged(&header, &says, sign_with(9));
    assert_eq!(verified(&good, NOW), Ok(claims()), "the forger's tools work");

    let [head, body, signature]: [&str; 3] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let changed = |part: &str| format!("{}{}", if part.starts_with('A') { 'B' } else { 'A' }, &part[1..]);
    let other_head = BASE64URL_NOPAD.encode(json!({"alg": "EdDSA", "kid": kid}).to_string().as_bytes());
    let mut other = says.clone();
    other["sub"] = json!(primary(3));
    let other_body = BASE64URL_NOPAD.encode(other.to_string().as_bytes());
    let public = TokenKey::from_seed(&[9; 32]).jwk().x;
    let raw = BASE64URL_NOPAD.decode(public.as_bytes()).unwrap();
    let with_alg = |alg: &str| json!({"typ": "JWT", "alg": alg, "kid": kid});
    let mut own_key = header.clone();
    own_key["jwk"] = json!(TokenKey::from_seed(&[7; 32]).jwk());
    for (what, token) in [
        ("header", format!("{other_head}.{body}.{signature}")),
        ("claims", format!("{head}.{other_body}.{signature}")),
        ("signature", format!("{head}.{body}.{}", changed(signature))),
        ("no signature", format!("{head}.{body}.")),
        ("two parts", format!("{head}.{body}")),
        ("four parts", format!("{good}.{signature}")),
        ("nothing", String::new()),
        ("another's signature", forged(&header, &says, sign_with(7))),
        ("a key that it brings along", forged(&own_key, &says, sign_with(7))),
        ("alg none", forged(&with_alg("none"), &says, |_| vec![])),
        ("alg none, signed", forged(&with_alg("none"), &says, sign_with(9))),
        ("HS256 of the public key", forged(&with_alg("HS256"), &says, |m| hmac_sha256(&raw, m))),
        ("HS256 of its text", forged(&with_alg("HS256"), &says, |m| hmac_sha256(public.as_bytes(), m))),
        ("ES256, signed with Ed25519", forged(&with_alg("ES256"), &says, sign_with(9))),
        ("no kid", forged(&json!({"typ": "JWT", "alg": "EdDSA"}), &says, sign_with(9))),
        ("unknown kid", forged(&json!({"alg": "EdDSA", "kid": "x"}), &says, sign_with(9))),
    ] {
        assert_eq!(verified(&token, NOW), Err(Code::InvalidToken), "{what}: {token}");
    }
    for token in ["", "x", "a.b.c", &forged(&json!({"alg": "EdDSA"}), &says, sign_with(9))] {
        assert_eq!(keys(&[9]).know(token), Err(Code::InvalidToken), "{token}");
    }
}

#[test]
fn a_signature_that_any_lax_verifier_takes_is_none() {
    let x = BASE64URL_NOPAD.encode(&WEAK);
    let weak = Jwk { x, kid: "weak".into(), ..TokenKey::from_seed(&[9; 32]).jwk() };
    let short = Jwk { x: "AQ".into(), kid: "short".into(), ..weak.clone() };
    let keys = TokenKeys::new(&Jwks { keys: vec![weak, short] });
    let says = serde_json::to_value(claims()).unwrap();
    // R is the identity and s is 0.
    let signature = [&WEAK[..], &[0; 32]].concat();
    for kid in ["weak", "short"] {
        let token = forged(&json!({"alg": "EdDSA", "kid": kid}), &says, |_| signature.clone());
        assert_eq!(keys.know(&token), Ok(true));
        assert_eq!(keys.verify(&token, &kez_lat(), at(NOW), 0), Err(Code::InvalidToken), "{kid}");
    }
}

#[test]
fn keys_of_other_kinds_are_passed_over() {
    let ours = TokenKey::from_seed(&[9; 32]).jwk();
    let with = |change: fn(&mut Jwk)| {
        let mut other = ours.clone();
        change(&mut other);
        TokenKeys::new(&Jwks { keys: vec![other] })
    };
    let token = TokenKey::from_seed(&[9; 32]).sign(&claims()).unwrap();
    assert_eq!(with(|_| {}).know(&token), Ok(true));
    for other in [
        with(|k| k.kty = "EC".into()),
        with(|k| k.crv = "X25519".into()),
        with(|k| k.alg = "ES256".into()),
        with(|k| k.x = "not base64url!".into()),
    ] {
        assert_eq!(other.know(&token), Ok(false));
    }
}

#[test]
fn claims_that_are_not_of_this_server_or_make_no_sense_are_refused() {
    let says = |change: &dyn Fn(&mut Value)| {
        let mut says = serde_json::to_value(claims()).unwrap();
        change(&mut says);
        let kid = TokenKey::from_seed(&[9; 32]).jwk().kid;
        verified(&forged(&json!({"alg": "EdDSA", "kid": kid}), &says, sign_with(9)), NOW).map(drop)
    };
    let weak = BASE64URL_NOPAD.encode(&WEAK);
    assert_eq!(says(&|_| {}), Ok(()));
    assert_eq!(says(&|c| c["iat"] = json!(NOW + 60)), Ok(()));
    for (what, refused) in [
        ("iss", says(&|c| c["iss"] = json!("other.lat"))),
        ("aud", says(&|c| c["aud"] = json!("other.lat"))),
        ("aud of several", says(&|c| c["aud"] = json!(["kez.lat", "other.lat"]))),
        ("sub", says(&|c| c["sub"] = json!("alice"))),
        ("weak sub", says(&|c| c["sub"] = json!(format!("ed25519:{}", HEXLOWER.encode(&WEAK))))),
        ("iat in the future", says(&|c| c["iat"] = json!(NOW + 61))),
        ("weak session key", says(&|c| c["cnf"]["jwk"]["x"] = json!(weak))),
        ("short session key", says(&|c| c["cnf"]["jwk"]["x"] = json!("AQ"))),
        ("session key that is no base64url", says(&|c| c["cnf"]["jwk"]["x"] = json!("="))),
    ] {
        assert_eq!(refused, Err(Code::InvalidToken), "{what}");
    }
    for member in ["iss", "aud", "sub", "iat", "exp", "session_exp", "cnf"] {
        let without = says(&|c| drop(c.as_object_mut().unwrap().remove(member)));
        assert_eq!(without, Err(Code::InvalidToken), "without {member}");
    }
}

#[test]
fn a_token_ends_and_its_session_ends_for_good() {
    let token = TokenKey::from_seed(&[9; 32]).sign(&claims()).unwrap();
    let after = |now, after| keys(&[9]).verify(&token, &kez_lat(), at(now), after).map(drop);
    assert_eq!(after(NOW + 899, 0), Ok(()));
    assert_eq!(after(NOW + 900, 0), Err(Code::TokenExpired));
    assert_eq!(after(NOW + 909, 10), Ok(()));
    assert_eq!(after(NOW + 910, 10), Err(Code::TokenExpired));
    assert_eq!(after(NOW + 3599, i64::MAX), Ok(()));
    for grace in [0, 10, i64::MAX] {
        assert_eq!(after(NOW + 3600, grace), Err(Code::SessionEnded));
    }
    let other = keys(&[9]).verify(&token, &"other.lat".parse().unwrap(), at(NOW), 0);
    assert_eq!(other, Err(Code::InvalidToken));
}
