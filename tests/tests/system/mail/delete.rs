//! A person's purge: what is signed is what is done.

use kez_proto::{Code, auth};
use kez_tests::{
    Deployment, Person, SERVER,
    http::{client, refused},
    person::{now, send},
    sse::Stream,
};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::purge;

async fn purged(request: RequestBuilder) -> Value {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

async fn filled(url: &str, handle: &str, messages: usize) -> (Person, Vec<u64>) {
    let person = Person::registered(handle, url).await;
    for id in 0..messages {
        assert_eq!(send(url, handle, json!({"id": id})).await.status(), 201);
    }
    let seqs = person.mail(url).await.into_iter().map(|(seq, _)| seq).collect();
    (person, seqs)
}

async fn seqs(url: &str, person: &Person) -> Vec<u64> {
    person.mail(url).await.into_iter().map(|(seq, _)| seq).collect()
}

#[tokio::test]
async fn mail_is_deleted_up_to_and_including_the_named_message() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let (alice, mail) = filled(url, "alice", 6).await;
    let (bob, bobs) = filled(url, "bobby", 2).await;
    let through = |seq: u64| format!("?through={seq}");

    assert_eq!(purged(purge(url, &alice, &through(0))).await, json!({"purged": 0}));
    assert_eq!(purged(purge(url, &alice, &through(mail[1]))).await, json!({"purged": 2}));
    assert_eq!(seqs(url, &alice).await, mail[2..]);
    assert_eq!(purged(purge(url, &alice, &through(mail[1]))).await, json!({"purged": 0}));
    assert_eq!(
        purged(purge(url, &alice, &format!("?x=%20y&through={}", mail[2]))).await,
        json!({"purged": 1})
    );
    assert_eq!(purged(purge(url, &alice, &through(u64::MAX - 1))).await, json!({"purged": 3}));
    assert!(seqs(url, &alice).await.is_empty());
    assert_eq!(seqs(url, &bob).await, bobs);
}

#[tokio::test]
async fn after_a_purge_a_reader_goes_on_where_it_was() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let (alice, mail) = filled(url, "alice", 3).await;
    let (mut open, _) = Stream::open(url, &alice, &format!("&since={}", mail[2])).await;
    assert_eq!(purged(purge(url, &alice, &format!("?through={}", mail[2]))).await, json!({"purged": 3}));
    let (mut resumed, ready) = Stream::open(url, &alice, &format!("&since={}", mail[2])).await;
    assert_eq!(ready.json()["cursor"], mail[2]);

    send(url, "alice", json!({"id": "next"})).await;
    for stream in [&mut open, &mut resumed] {
        assert_eq!(stream.message().await.json()["envelope"]["id"], "next");
    }
}

#[tokio::test]
async fn nobody_else_deletes_and_nothing_else_is_deleted() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let (alice, mail) = filled(url, "alice", 3).await;
    let mallory = Person::registered("mallory", url).await;
    let target = |seq: u64| format!("/v1/inbox/alice?through={seq}");
    let with =
        |target: &str, auth: &str| client().delete(format!("{url}{target}")).header("x-kez-auth", auth);
    let refuse =
        async |request: RequestBuilder, code| drop(refused(request.send().await.unwrap(), code).await);
    let first = target(mail[0]);

    refuse(client().delete(format!("{url}{first}")), Code::AuthRequired).await;
    refuse(with(&first, "bad"), Code::MalformedAuth).await;
    let texts = |server: &str, method: &str, target: &str, body: &[u8], by: i64| {
        alice.sign(now().unix() + by, |ts| {
            auth::request_text(&server.parse().unwrap(), method, target, body, ts)
        })
    };
    for by in [-61, 90] {
        refuse(with(&first, &texts(SERVER, "DELETE", &first, b"", by)), Code::StaleTimestamp).await;
    }
    for foreign in [
        mallory.request_auth("DELETE", &first),
        alice.poll_auth(0),
        alice.stream_auth(),
        alice.request_auth("GET", &first),
        alice.request_auth("DELETE", &target(mail[1])),
        alice.request_auth("DELETE", "/v1/inbox/alice"),
        alice.request_auth("DELETE", &format!("{first}&")),
        texts("other.test", "DELETE", &first, b"", 0),
        texts(SERVER, "DELETE", &first, b"{}", 0),
    ] {
        refuse(with(&first, &foreign), Code::BadSignature).await;
    }
    // One that was captured serves for no more than it did.
    let captured = alice.request_auth("DELETE", &first);
    assert_eq!(with(&first, &captured).send().await.unwrap().status(), 200);
    refuse(with(&target(mail[2]), &captured), Code::BadSignature).await;
    refuse(with(&first.replace("alice", "mallory"), &captured), Code::BadSignature).await;

    for query in [
        "",
        "?",
        "?through=",
        "?through=x",
        "?through=-1",
        "?through=18446744073709551615",
        "?through=1&through=2",
    ] {
        refuse(purge(url, &alice, query), Code::InvalidParameter).await;
    }
    let nobody = Person::new("nobody");
    refuse(purge(url, &nobody, "?through=1"), Code::UnknownHandle).await;
    assert_eq!(seqs(url, &alice).await, mail[1..]);
}
