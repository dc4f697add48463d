//! A person's own client over NATS: the same mail, limits and errors as over HTTP.

use std::collections::BTreeSet;

use async_nats::{Client, HeaderMap, Message, RequestErrorKind, Subscriber};
use futures_util::StreamExt;
use kez_proto::{
    Code, Problem, headers,
    limits::{CLIENT_REQUEST_BYTES, ENVELOPE_BYTES, PAGE_BYTES, SEND_OVERHEAD_BYTES},
    registry::Record,
    subjects,
};
use kez_tests::{Deployment, Person, http::refused, person::send, session::Session, within};
use serde_json::{Value, json};

use super::{envelope_of, post, read};

fn header<'m>(message: &'m Message, name: &str) -> Option<&'m str> {
    message.headers.as_ref()?.get_last(name).map(|value| value.as_str())
}

/// What a request is answered. An error must be whole, and a success must have no header: nothing of it may be taken for mail.
pub async fn ask(client: &Client, subject: String, request: impl ToString) -> Result<Value, Problem> {
    let request = request.to_string();
    let answer = within(&subject, client.request(subject.clone(), request.into())).await.unwrap();
    let Some(text) = header(&answer, headers::NATS_SERVICE_ERROR) else {
        assert!(answer.headers.is_none(), "{subject}: {:?}", answer.headers);
        return Ok(serde_json::from_slice(&answer.payload).unwrap());
    };
    let mut problem = Problem::from_service_error(text);
    let number = |name| header(&answer, name).map(|value| value.parse().unwrap());
    assert_eq!(number(headers::NATS_SERVICE_ERROR_CODE), Some(u32::from(problem.status)), "{text}");
    assert_eq!(number(headers::RETRY_AFTER).is_some(), problem.retry_after.is_some(), "{text}");
    problem.retry_after = number(headers::RETRY_AFTER);
    assert!(answer.payload.is_empty(), "{text}");
    Err(problem)
}

pub async fn sends(client: &Client, as_: &Person, request: impl ToString) -> Result<Value, Problem> {
    ask(client, subjects::client_send(&as_.handle), request).await
}

async fn history(client: &Client, of: &Person, request: impl ToString) -> Result<Value, Problem> {
    ask(client, subjects::client_history(&of.handle), request).await
}

async fn delete(client: &Client, of: &Person, request: impl ToString) -> Result<Value, Problem> {
    ask(client, subjects::client_ack(&of.handle), request).await
}

/// A deployment, two people and their connections.
async fn two() -> (Deployment, (Person, Client), (Person, Client)) {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let (alice, bobby) = (Person::registered("alice", url).await, Person::registered("bobby", url).await);
    let nats = deployment.nats.url();
    let (a, b) = (alice.connect_nats(&nats).await, bobby.connect_nats(&nats).await);
    (deployment, (alice, a), (bobby, b))
}

/// The live mail of this person, from now on.
pub async fn live(client: &Client, of: &Person) -> Subscriber {
    let inbox = client.subscribe(subjects::inbox(&of.handle)).await.unwrap();
    // An answer on the same connection comes after the subscription.
    history(client, of, "").await.unwrap();
    inbox
}

async fn http_page(url: &str, person: &Person, since: u64, limit: usize) -> Value {
    let query = format!("?since={since}&limit={limit}");
    read(url, person, since, &query).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_client_sends_and_reads_and_deletes() {
    let (deployment, (alice, a), (bobby, b)) = two().await;
    let url = deployment.url(0);
    assert_eq!(history(&a, &alice, json!({"head": true})).await.unwrap()["head"], 0);

    let mut inbox = live(&a, &alice).await;
    let mut seqs = vec![];
    for id in 0..3 {
        let envelope = json!({"id": id}).to_string();
        let sent = sends(&b, &bobby, format!(r#"{{"to":"alice","envelope":{envelope}}}"#)).await.unwrap();
        let push = within("a push", inbox.next()).await.unwrap();
        assert_eq!(push.payload, envelope);
        assert_eq!(header(&push, headers::NATS_SEQUENCE), Some(&*sent["seq"].to_string()));
        assert_eq!(header(&push, headers::CREATED_AT), sent["created_at"].as_str());
        let previous = seqs.last().copied().unwrap_or(0u64);
        assert_eq!(header(&push, headers::NATS_LAST_SEQUENCE), Some(&*previous.to_string()));
        assert!(subjects::is_store_of(header(&push, headers::NATS_SUBJECT).unwrap(), &alice.handle));
        seqs.push(sent["seq"].as_u64().unwrap());
    }
    let again = sends(&b, &bobby, json!({"to": "alice", "envelope": {"id": 1}})).await.unwrap();
    assert_eq!((again["seq"].as_u64(), &again["duplicate"]), (Some(seqs[1]), &json!(true)));

    // An empty request asks for all from the beginning, and what comes is what HTTP gives.
    assert_eq!(history(&a, &alice, "").await.unwrap(), http_page(url, &alice, 0, 100).await);
    let behind = json!({"since": seqs[0], "limit": 1});
    let page = history(&a, &alice, behind).await.unwrap();
    assert_eq!((&page["messages"][0]["envelope"]["id"], page["next"].as_u64()), (&json!(1), Some(seqs[1])));
    assert_eq!(page, http_page(url, &alice, seqs[0], 1).await);
    let most = history(&a, &alice, json!({"limit": 501, "head": true})).await.unwrap();
    assert_eq!((most["messages"].as_array().unwrap().len(), most["head"].as_u64()), (3, Some(seqs[2])));
    let end = history(&a, &alice, json!({"since": seqs[2], "limit": 1, "head": true})).await.unwrap();
    assert_eq!((&end["messages"], end["head"].as_u64()), (&json!([]), Some(seqs[2])));

    assert_eq!(delete(&a, &alice, json!({"through": seqs[1]})).await.unwrap(), json!({"purged": 2}));
    assert_eq!(http_page(url, &alice, 0, 100).await["messages"][0]["seq"], seqs[2]);
    assert_eq!(delete(&a, &alice, json!({"through": seqs[2]})).await.unwrap(), json!({"purged": 1}));
    assert_eq!(history(&a, &alice, json!({"head": true})).await.unwrap()["head"], 0);
    // The deletion of one's own mail is nothing to anybody else's.
    assert_eq!(delete(&b, &bobby, json!({"through": 99})).await.unwrap(), json!({"purged": 0}));
}

#[tokio::test]
async fn anybody_is_found_by_handle_and_by_key() {
    let (deployment, (alice, _), (bobby, b)) = two().await;
    let known: Record = alice.looked_up(deployment.url(0)).await;
    let lookup = |request: Value| ask(&b, subjects::client_lookup(&bobby.handle), request);
    let primary = alice.identity.primary();
    for request in [json!({"handle": "alice"}), json!({"primary": primary})] {
        assert_eq!(lookup(request).await.unwrap(), json!(known));
    }
    for (request, code) in [
        (json!({}), Code::InvalidParameter),
        (json!({"handle": "alice", "primary": primary}), Code::InvalidParameter),
        (json!({"handle": 1}), Code::MalformedJson),
        (json!(["alice"]), Code::MalformedJson),
        (json!({"handle": "Alice"}), Code::InvalidHandle),
        (json!({"handle": "nobody"}), Code::UnknownHandle),
        (json!({"primary": "alice"}), Code::InvalidPrimary),
        (json!({"primary": Person::new("nobody").identity.primary()}), Code::UnknownPrimary),
    ] {
        assert_eq!(lookup(request.clone()).await.unwrap_err().code, code, "{request}");
    }
}

#[tokio::test]
async fn what_http_refuses_is_refused_in_the_same_words() {
    let (deployment, (alice, _), (bobby, b)) = two().await;
    let url = deployment.url(0);
    let to_alice = |envelope: &str| format!(r#"{{"to":"alice","envelope":{envelope}}}"#);
    for (request, code) in [
        (String::new(), Code::MalformedJson),
        ("[]".into(), Code::MalformedJson),
        (r#"{"to":"alice"}"#.into(), Code::MalformedJson),
        (to_alice(r#"{"a":1e999999}"#), Code::MalformedJson),
        (to_alice("[]"), Code::EnvelopeNotObject),
        (to_alice(&envelope_of(ENVELOPE_BYTES + 1, 1)), Code::TooLarge),
        (to_alice("{}") + &" ".repeat(ENVELOPE_BYTES + SEND_OVERHEAD_BYTES), Code::TooLarge),
        (r#"{"to":"Alice","envelope":{}}"#.into(), Code::InvalidHandle),
        (r#"{"to":"nobody","envelope":{}}"#.into(), Code::UnknownHandle),
    ] {
        let over_http = refused(post(url, request.clone()).await, code).await;
        let short = &request[..request.len().min(80)];
        assert_eq!(sends(&b, &bobby, &request).await, Err(over_http), "{short}");
    }
    assert_eq!(alice.mail(url).await, []);
}

#[tokio::test]
async fn what_cannot_be_read_or_deleted_is_refused_and_changes_nothing() {
    let (deployment, (alice, a), _) = two().await;
    let url = deployment.url(0);
    send(url, "alice", json!({"id": 1})).await;
    for (request, code) in [
        (r#"{"limit":0}"#, Code::InvalidParameter),
        (r#"{"limit":-1}"#, Code::MalformedJson),
        (r#"{"since":"1"}"#, Code::MalformedJson),
        ("[0,1]", Code::MalformedJson),
        ("null", Code::MalformedJson),
    ] {
        assert_eq!(history(&a, &alice, request).await.unwrap_err().code, code, "{request}");
    }
    for (request, code) in [
        ("", Code::MalformedJson),
        ("{}", Code::MalformedJson),
        ("[9]", Code::MalformedJson),
        (r#"{"through":-1}"#, Code::MalformedJson),
        (r#"{"through":18446744073709551615}"#, Code::InvalidParameter),
    ] {
        assert_eq!(delete(&a, &alice, request).await.unwrap_err().code, code, "{request}");
    }
    assert_eq!(alice.mail(url).await.len(), 1);
}

#[tokio::test]
async fn a_full_page_comes_in_one_answer() {
    let (_deployment, (alice, a), (bobby, b)) = two().await;
    for id in 0..4 {
        let request = format!(r#"{{"to":"alice","envelope":{}}}"#, envelope_of(ENVELOPE_BYTES, id));
        sends(&b, &bobby, request).await.unwrap();
    }
    let page = history(&a, &alice, json!({"head": true})).await.unwrap();
    let messages = page["messages"].as_array().unwrap();
    assert!(page.to_string().len() > PAGE_BYTES, "{}", page.to_string().len());
    assert_eq!((messages.len(), &page["next"]), (3, &messages[2]["seq"]));
    let rest = history(&a, &alice, json!({"since": page["next"], "head": true})).await.unwrap();
    assert_eq!((rest["messages"][0]["envelope"]["id"].as_u64(), rest.get("next")), (Some(3), None));
    assert_eq!(rest["messages"][0]["seq"], page["head"]);
}

#[tokio::test]
async fn a_clients_headers_mean_nothing_and_go_nowhere() {
    let (deployment, (alice, a), (bobby, b)) = two().await;
    let url = deployment.url(0);
    let mut inbox = live(&a, &alice).await;
    let session = Session::begin(&alice, url).await;
    let mut forged = HeaderMap::new();
    for (name, value) in [
        (headers::NATS_MSG_ID, "chosen"),
        (headers::NATS_SEQUENCE, "99"),
        (headers::NATS_LAST_SEQUENCE, "98"),
        (headers::NATS_SUBJECT, "kez.store.inbox.0.bobby"),
        (headers::NATS_EXPECTED_LAST_SEQUENCE, "7"),
        ("Nats-Expected-Last-Msg-Id", "another"),
        (headers::CREATED_AT, "2000-01-01T00:00:00Z"),
        (headers::NATS_SERVICE_ERROR, "internal: forged"),
        (headers::KEZ_SESSION, &*session.granted.token),
        ("X-Chosen", "by the client"),
    ] {
        forged.insert(name, value);
    }
    for id in 0..2 {
        let request = json!({"to": "alice", "envelope": {"id": id}}).to_string();
        let subject = subjects::client_send(&bobby.handle);
        let answer = b.request_with_headers(subject, forged.clone(), request.into());
        let answer = within("an answer", answer).await.unwrap();
        assert!(answer.headers.is_none(), "{answer:?}");
        let sent: Value = serde_json::from_slice(&answer.payload).unwrap();

        let push = within("a push", inbox.next()).await.unwrap();
        let told: BTreeSet<_> =
            push.headers.iter().flat_map(HeaderMap::iter).map(|(name, _)| name.to_string()).collect();
        let ours = [
            "Kez-Created-At",
            "Nats-Last-Sequence",
            "Nats-Msg-Id",
            "Nats-Sequence",
            "Nats-Stream",
            "Nats-Subject",
            "Nats-Time-Stamp",
        ];
        assert_eq!(told, ours.map(String::from).into());
        assert_ne!(header(&push, headers::NATS_MSG_ID), Some("chosen"));
        assert_eq!(header(&push, headers::NATS_SEQUENCE), Some(&*sent["seq"].to_string()));
        assert_eq!(header(&push, headers::CREATED_AT), sent["created_at"].as_str());
    }
    assert_eq!(alice.mail(url).await.len(), 2);
}

#[tokio::test]
async fn a_message_that_wants_no_answer_does_nothing() {
    let (deployment, (alice, a), (bobby, b)) = two().await;
    let url = deployment.url(0);
    let request = |id: u64| json!({"to": "alice", "envelope": {"id": id}}).to_string();
    b.publish(subjects::client_send(&bobby.handle), request(1).into()).await.unwrap();
    let first = sends(&b, &bobby, request(2)).await.unwrap()["seq"].as_u64().unwrap();
    a.publish(subjects::client_ack(&alice.handle), json!({"through": first}).to_string().into())
        .await
        .unwrap();
    for id in 3..20 {
        sends(&b, &bobby, request(id)).await.unwrap();
        history(&a, &alice, "").await.unwrap();
    }
    let ids: Vec<_> =
        alice.mail(url).await.into_iter().map(|(_, envelope)| envelope["id"].as_u64()).collect();
    assert_eq!(ids, (2..20).map(Some).collect::<Vec<_>>());
    // Nor does it reach the operator's log.
    assert!(!deployment.fanouts[0].log().contains("WARN"), "{}", deployment.fanouts[0].log());
}

#[tokio::test]
async fn where_no_fanout_runs_it_is_told_at_once() {
    let (mut deployment, (alice, a), _) = two().await;
    deployment.fanouts[0].terminate().await;
    for subject in [subjects::client_send, subjects::client_history, subjects::client_ack] {
        let error = a.request(subject(&alice.handle), "{}".into()).await.unwrap_err();
        assert_eq!(error.kind(), RequestErrorKind::NoResponders);
    }
    assert!(ask(&a, subjects::client_lookup(&alice.handle), json!({"handle": "alice"})).await.is_ok());
}

#[tokio::test]
async fn where_nobody_knows_the_handles_it_is_unavailable() {
    let (mut deployment, _, (bobby, b)) = two().await;
    sends(&b, &bobby, json!({"to": "bobby", "envelope": {}})).await.unwrap();
    deployment.registries[0].kill();
    let problem = sends(&b, &bobby, json!({"to": "alice", "envelope": {}})).await.unwrap_err();
    assert_eq!((problem.code, problem.retry_after), (Code::Unavailable, Some(1)));
    // Whom the fan-out knows gets mail.
    sends(&b, &bobby, json!({"to": "bobby", "envelope": {"id": 2}})).await.unwrap();
}

#[tokio::test]
async fn requests_are_counted_by_person() {
    let deployment = Deployment::start_with(1, &["--limit-client-requests", "3"], &[]).await;
    let url = deployment.url(0);
    let (alice, bobby) = (Person::registered("alice", url).await, Person::registered("bobby", url).await);
    let nats = deployment.nats.url();
    let (a, again) = (alice.connect_nats(&nats).await, alice.connect_nats(&nats).await);
    history(&a, &alice, "").await.unwrap();
    delete(&a, &alice, json!({"through": 0})).await.unwrap();
    assert_eq!(history(&a, &alice, "[]").await.unwrap_err().code, Code::MalformedJson, "it counts, too");
    // Another connection is the same person.
    for client in [&a, &again] {
        let problem = history(client, &alice, "").await.unwrap_err();
        assert_eq!(problem.code, Code::RateLimited);
        assert!((1..=20).contains(&problem.retry_after.unwrap()), "{problem:?}");
    }
    let refused = sends(&a, &alice, json!({"to": "bobby", "envelope": {}})).await.unwrap_err();
    assert_eq!(refused.code, Code::RateLimited);
    assert_eq!(bobby.mail(url).await, [], "a refused message was stored");
    // The registry counts for itself, and each person has their own.
    ask(&a, subjects::client_lookup(&alice.handle), json!({"handle": "alice"})).await.unwrap();
    let b = bobby.connect_nats(&nats).await;
    history(&b, &bobby, "").await.unwrap();
}

#[tokio::test]
async fn a_request_without_an_envelope_is_small() {
    let (_deployment, (alice, a), _) = two().await;
    let padded = |bytes: usize| format!("{{}}{}", " ".repeat(bytes - 2));
    for subject in [subjects::client_history, subjects::client_ack, subjects::client_lookup] {
        let subject = subject(&alice.handle);
        let answer = ask(&a, subject.clone(), padded(CLIENT_REQUEST_BYTES)).await;
        assert_ne!(answer.map_err(|p| p.code), Err(Code::TooLarge), "{subject}");
        let problem = ask(&a, subject.clone(), padded(CLIENT_REQUEST_BYTES + 1)).await.unwrap_err();
        assert_eq!(problem.code, Code::TooLarge, "{subject}");
    }
}
