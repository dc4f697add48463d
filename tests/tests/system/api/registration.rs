//! Registration: what binds a handle, and what doesn't.

use kez_proto::{Code, Timestamp, limits, registry::Record};
use kez_tests::{
    Deployment, Person,
    http::{client, get, refused},
    person::now,
};
use reqwest::Response;
use serde_json::{Value, json};

async fn post(url: &str, body: impl Into<String>) -> Response {
    client().post(format!("{url}/v1/register")).body(body.into()).send().await.unwrap()
}

/// A registration whose payload was changed before it was signed.
fn signed(change: impl FnOnce(&mut Value) + 'static) -> Change {
    Box::new(|person| person.registration_with(change).to_string())
}

/// A registration that was changed after it was signed.
fn tampered(change: impl FnOnce(&mut Value) + 'static) -> Change {
    Box::new(|person| {
        let mut envelope = person.registration();
        change(&mut envelope);
        envelope.to_string()
    })
}

fn written(write: impl FnOnce(String) -> String + 'static) -> Change {
    Box::new(|person| write(person.registration().to_string()))
}

/// A registration that is `bytes` long.
fn as_long_as(bytes: usize) -> Change {
    Box::new(move |person| {
        let padded = |pad: usize| {
            person.registration_with(|payload| payload["pad"] = "x".repeat(pad).into()).to_string()
        };
        let text = padded(bytes - padded(0).len());
        assert_eq!(text.len(), bytes);
        text
    })
}

fn at(seconds_from_now: i64) -> Value {
    json!(Timestamp::from_unix(now().unix() + seconds_from_now).unwrap())
}

type Change = Box<dyn FnOnce(&Person) -> String>;

/// The identity point: with itself as R and s = 0 it "signs" every message for a verifier that isn't strict.
fn weak() -> Change {
    let (point, sig) = (format!("ed25519:01{}", "0".repeat(62)), format!("01{}", "0".repeat(126)));
    Box::new(move |person| {
        let mut envelope = person.registration_with(|payload| payload["primary"] = point.clone().into());
        envelope["signature"] = json!({"alg": "ed25519-sha512-jcs", "key": point, "sig": sig});
        envelope.to_string()
    })
}

#[tokio::test]
async fn what_is_refused_changes_nothing() {
    use Code::*;
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let upper = |value: &Value| json!(value.as_str().unwrap().to_uppercase().replace("ED25519:", "ed25519:"));
    let cases: Vec<(&str, Change, Code)> = vec![
        ("no JSON", Box::new(|_| "handle=alice".into()), MalformedJson),
        ("an empty body", Box::new(|_| String::new()), MalformedJson),
        ("no object", Box::new(|_| "[]".into()), MalformedJson),
        (
            "the members as a list",
            Box::new(|person| {
                let e = person.registration();
                json!([e["kez"], e["payload"], e["signature"]]).to_string()
            }),
            MalformedJson,
        ),
        (
            "a signature as a list",
            tampered(|e| {
                e["signature"] = json!([e["signature"]["alg"], e["signature"]["key"], e["signature"]["sig"]])
            }),
            MalformedJson,
        ),
        ("JSON and more", written(|text| format!("{text} {{}}")), MalformedJson),
        ("half of it", written(|text| text[..text.len() / 2].into()), MalformedJson),
        ("no signature", tampered(|e| drop(e.as_object_mut().unwrap().remove("signature"))), MalformedJson),
        ("a member beside the three", tampered(|e| e["more"] = 1.into()), MalformedJson),
        (
            "a member twice",
            written(|text| text.replacen('{', r#"{"kez":"handle_registration","#, 1)),
            DuplicateKey,
        ),
        (
            "a signed member twice",
            written(|text| text.replacen(r#""payload":{"#, r#""payload":{"version":1,"#, 1)),
            DuplicateKey,
        ),
        ("a number beyond 2^53 - 1", signed(|p| p["n"] = json!(9_007_199_254_740_992u64)), NumberOutOfRange),
        ("another tag", tampered(|e| e["kez"] = "claim".into()), WrongTag),
        ("another type", signed(|p| p["type"] = "kez.claim".into()), WrongType),
        ("another version", signed(|p| p["version"] = 2.into()), WrongVersion),
        ("a version in words", signed(|p| p["version"] = "1".into()), WrongVersion),
        ("an unknown suite", tampered(|e| e["signature"]["alg"] = "ed25519".into()), UnsupportedAlg),
        (
            "the other suite of KEZ",
            tampered(|e| e["signature"]["alg"] = "nostr-secp256k1-schnorr-sha256-jcs".into()),
            UnsupportedAlg,
        ),
        (
            "somebody else's key in the payload",
            signed(|p| p["primary"] = kez_proto::primary::EXAMPLE.into()),
            KeyMismatch,
        ),
        (
            "somebody else's key in the signature",
            tampered(|e| e["signature"]["key"] = kez_proto::primary::EXAMPLE.into()),
            KeyMismatch,
        ),
        (
            "a key of another system",
            Box::new(|person| {
                let mut e = person.registration_with(|p| p["primary"] = "nostr:npub1xyz".into());
                e["signature"]["key"] = "nostr:npub1xyz".into();
                e.to_string()
            }),
            InvalidPrimary,
        ),
        ("a weak key, whose signature a lax verifier takes", weak(), InvalidPrimary),
        (
            "a key in upper case",
            Box::new(move |person| {
                let mut e = person.registration_with(|p| p["primary"] = upper(&p["primary"]));
                e["signature"]["key"] = e["payload"]["primary"].clone();
                e.to_string()
            }),
            InvalidPrimary,
        ),
        (
            "a signature in upper case",
            tampered(move |e| e["signature"]["sig"] = upper(&e["signature"]["sig"])),
            BadSignature,
        ),
        (
            "a signature cut short",
            tampered(|e| e["signature"]["sig"] = e["signature"]["sig"].as_str().unwrap()[2..].into()),
            BadSignature,
        ),
        (
            "a signature over something else",
            tampered(|e| e["payload"]["note"] = "added".into()),
            BadSignature,
        ),
        ("another server", signed(|p| p["server"] = "other.test".into()), WrongServer),
        ("the server in upper case", signed(|p| p["server"] = "KEZ.test".into()), WrongServer),
        ("no server", signed(|p| drop(p.as_object_mut().unwrap().remove("server"))), WrongServer),
        ("a handle in upper case", signed(|p| p["handle"] = "Alice".into()), InvalidHandle),
        ("a short handle", signed(|p| p["handle"] = "ab".into()), InvalidHandle),
        ("a long handle", signed(|p| p["handle"] = "a".repeat(33).into()), InvalidHandle),
        ("a handle that begins with a dash", signed(|p| p["handle"] = "-abc".into()), InvalidHandle),
        ("a handle with a dot", signed(|p| p["handle"] = "a.bc".into()), InvalidHandle),
        ("a handle that is a wildcard", signed(|p| p["handle"] = ">>>".into()), InvalidHandle),
        ("a handle that is a number", signed(|p| p["handle"] = 1234.into()), InvalidHandle),
        ("a reserved handle", signed(|p| p["handle"] = "postmaster".into()), ReservedHandle),
        ("more than five minutes old", signed(|p| p["created_at"] = at(-301)), StaleTimestamp),
        ("of more than five minutes ahead", signed(|p| p["created_at"] = at(330)), StaleTimestamp),
        (
            "a time with a fraction",
            signed(|p| p["created_at"] = "2026-05-25T03:00:00.5Z".into()),
            InvalidTimestamp,
        ),
        (
            "a time with an offset",
            signed(|p| p["created_at"] = "2026-05-25T03:00:00+00:00".into()),
            InvalidTimestamp,
        ),
        ("no time", signed(|p| drop(p.as_object_mut().unwrap().remove("created_at"))), InvalidTimestamp),
        ("a byte too long", as_long_as(limits::REGISTRATION_BYTES + 1), TooLarge),
        ("far too long", as_long_as(2_000_000), TooLarge),
    ];
    for (n, (why, change, code)) in cases.into_iter().enumerate() {
        println!("{why}");
        let person = Person::new(&format!("person-{n}"));
        refused(post(url, change(&person)).await, code).await;
        refused(get(format!("{url}/v1/u/{}", person.handle)).await, UnknownHandle).await;
        refused(get(format!("{url}/v1/by-primary/{}", person.identity.primary())).await, UnknownPrimary)
            .await;
        // Nor does it stand in the way of the right one.
        assert_eq!(person.register(url).await.status(), 201, "{why}");
    }
    refused(get(format!("{url}/v1/u/postmaster")).await, UnknownHandle).await;
}

#[tokio::test]
async fn what_is_just_within_the_rules_is_taken() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let cases: Vec<(&str, Change)> = vec![
        ("nearly five minutes old", signed(|p| p["created_at"] = at(-270))),
        ("of nearly five minutes ahead", signed(|p| p["created_at"] = at(299))),
        (
            "a signed member that nobody knows",
            signed(|p| p["note"] = json!({"any": ["thing", 9_007_199_254_740_991u64]})),
        ),
        ("as long as it may be", as_long_as(limits::REGISTRATION_BYTES)),
        ("the shortest handle", signed(|p| p["handle"] = "0_-".into())),
        ("the longest handle", signed(|p| p["handle"] = "a".repeat(32).into())),
    ];
    for (n, (why, change)) in cases.into_iter().enumerate() {
        let person = Person::new(&format!("person-{n}"));
        let answer = post(url, change(&person)).await;
        assert_eq!(answer.status(), 201, "{why}: {}", answer.text().await.unwrap());
        let record: Record =
            get(format!("{url}/v1/by-primary/{}", person.identity.primary())).await.json().await.unwrap();
        assert_eq!(record.primary, person.identity.primary(), "{why}");
    }
}

#[tokio::test]
async fn a_handle_and_a_key_are_bound_once() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::new("alice");
    let record = alice.record(url).await;

    refused(Person::new("alice").register(url).await, Code::HandleTaken).await;
    let twin = Person { identity: alice.identity, nkey: alice.nkey, handle: "alice-2".parse().unwrap() };
    refused(twin.register(url).await, Code::PrimaryTaken).await;

    refused(get(format!("{url}/v1/u/alice-2")).await, Code::UnknownHandle).await;
    for path in ["u/alice".to_owned(), format!("by-primary/{}", record.primary)] {
        assert_eq!(get(format!("{url}/v1/{path}")).await.json::<Record>().await.unwrap(), record);
    }
}

#[tokio::test]
async fn the_same_envelope_again_gets_the_same_record_however_it_is_written() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::new("alice");
    let envelope = alice.registration();
    let (payload, signature) = (&envelope["payload"], &envelope["signature"]);
    let first: Record = post(url, envelope.to_string()).await.json().await.unwrap();
    for again in [
        envelope.to_string(),
        serde_json::to_string_pretty(&envelope).unwrap(),
        format!(
            "\r\n{{\t\"signature\": {signature},\"payload\":\n{payload} , \"kez\":\"handle_registration\"}} "
        ),
        envelope.to_string().replace(r#""alice""#, r#""\u0061lice""#),
    ] {
        let answer = post(url, again.clone()).await;
        assert_eq!(answer.status(), 201, "{again}");
        assert_eq!(answer.json::<Record>().await.unwrap(), first, "{again}");
    }
    // Signed anew it is another envelope.
    let anew = alice.registration_with(|payload| payload["note"] = "again".into());
    refused(post(url, anew.to_string()).await, Code::HandleTaken).await;
}

#[tokio::test]
async fn one_of_many_at_once_gets_the_handle() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let people: Vec<_> = (0..12).map(|_| Person::new("alice")).collect();
    let answers = futures_util::future::join_all(people.iter().map(|person| person.register(url))).await;
    let (mut bound, mut taken) = (vec![], 0);
    for (person, answer) in people.iter().zip(answers) {
        match answer.status().as_u16() {
            201 => bound.push(person.identity.primary()),
            _ => {
                refused(answer, Code::HandleTaken).await;
                taken += 1;
            }
        }
    }
    assert_eq!((bound.len(), taken), (1, 11));
    assert_eq!(get(format!("{url}/v1/u/alice")).await.json::<Record>().await.unwrap().primary, bound[0]);
}
