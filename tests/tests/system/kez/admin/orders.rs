//! `kez admin suspend`, `lift`, `release` and `purge`.

use async_nats::connection::State;
use kez_nats::Keys;
use kez_proto::{
    Code, Problem, headers,
    order::{Action, OperatorOrder, TAG},
    subjects::{self, Role},
};
use kez_tests::{
    Deployment, Person, eventually, http,
    http::refused,
    person::{now, send},
    session::{self, Session},
    sse::{Stream, stream_request},
};
use nkeys::KeyPair;
use reqwest::Response;
use serde_json::json;

use super::{Operator, with_logs};

async fn inbox(url: &str, person: &Person) -> Response {
    let request = http::client().get(format!("{url}/v1/inbox/{}?since=0", person.handle));
    request.header("x-kez-auth", person.poll_auth(0)).send().await.unwrap()
}

async fn send_as(session: &Session, url: &str, to: &str) -> Response {
    let request = http::client().post(format!("{url}/v1/messages")).bearer_auth(&session.granted.token);
    request.json(&json!({"to": to, "envelope": {"n": 0}})).send().await.unwrap()
}

/// Waits until this is refused so: services hear of an order one after the other.
async fn soon_refused(what: &str, code: Code, ask: impl AsyncFn() -> Response) {
    let answer =
        eventually(what, async || Some(ask().await).filter(|answer| !answer.status().is_success())).await;
    refused(answer, code).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_handle_gets_no_mail_and_opens_no_door_until_that_is_lifted() {
    let mut deployment = with_logs(2).await;
    let urls = [deployment.url(0).to_owned(), deployment.url(1).to_owned()];
    let url = urls[0].as_str();
    let alice = Person::registered("alice", url).await;
    Person::registered("bobby", url).await;
    assert_eq!(send(url, "alice", json!({"n": 1})).await.status(), 201);
    let her_session = Session::begin(&alice, url).await;
    let inside = alice.connect_nats(&deployment.nats.url()).await;
    let (mut stream, _) = Stream::open(url, &alice, "&since=0").await;
    assert_eq!(stream.message().await.seq(), 1);

    let operator = Operator::new();
    let (status, told) = operator.json(&deployment, &["suspend", "alice"]).await;
    assert_eq!((status, told), (Some(0), json!({"handle": "alice", "action": "suspend", "suspended": true})));
    for url in &urls {
        let code = Code::HandleSuspended;
        soon_refused("mail to her", code, async || send(url, "alice", json!({"n": 2})).await).await;
        soon_refused("her inbox", code, async || inbox(url, &alice).await).await;
        soon_refused("mail by her", code, async || send_as(&her_session, url, "bobby").await).await;
        soon_refused("her stream", code, async || stream_request(url, &alice, "").send().await.unwrap())
            .await;
        let begin =
            async || session::begin(url, &session::envelope(&alice, &KeyPair::new_user(), |_| {})).await;
        soon_refused("her session", code, begin).await;
        let record = alice.looked_up(url).await;
        assert!(record.suspended && record.primary == alice.identity.primary());
        refused(Person::new("alice").register(url).await, Code::HandleTaken).await;
        assert_eq!(send(url, "bobby", json!({"n": 3})).await.status(), 201);
    }
    eventually("her connection to NATS is ended", async || {
        (inside.connection_state() != State::Connected).then_some(())
    })
    .await;
    assert!(alice.try_connect_nats(&deployment.nats.url()).await.is_err());
    while let Some(event) = stream.word().await {
        assert_ne!(event.kind, "message", "{event:?}");
    }

    // It is in the log: whoever loses an index finds it again.
    for n in 0..2 {
        deployment.registries[n].kill();
        std::fs::remove_dir_all(deployment.index(n)).unwrap();
    }
    deployment.registries = vec![deployment.registry(0)];
    deployment.registries[0].ready().await;
    assert!(alice.looked_up(url).await.suspended);

    let ended = operator.run(&deployment, &["lift", "alice"]).await;
    assert_eq!((ended.status, ended.stdout.trim()), (Some(0), "alice@kez.test is as any other again"));
    assert!(!alice.looked_up(url).await.suspended);
    for url in &urls {
        eventually("she gets mail", async || {
            (send(url, "alice", json!({"n": 4})).await.status() == 201).then_some(())
        })
        .await;
        assert_eq!(inbox(url, &alice).await.status(), 200);
    }
    assert_eq!(alice.mail(url).await[0], (1, json!({"n": 1})));
    alice.connect_nats(&deployment.nats.url()).await;
    assert_eq!(send_as(&her_session, url, "bobby").await.status(), 201);
}

#[tokio::test]
async fn a_handle_is_given_back_in_its_owners_place_and_stays_suspended() {
    let deployment = with_logs(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let operator = Operator::new();
    assert_eq!(operator.run(&deployment, &["suspend", "alice"]).await.status, Some(0));
    let ended = operator.run(&deployment, &["release", "alice"]).await;
    assert!(ended.status == Some(1) && ended.stderr.contains("--yes"), "{}", ended.stderr);
    // In the same second as the order before: it signs again.
    let (status, told) = operator.json(&deployment, &["release", "alice", "--yes"]).await;
    assert_eq!((status, &told["suspended"]), (Some(0), &json!(true)), "{told}");
    refused(http::get(format!("{url}/v1/u/alice")).await, Code::UnknownHandle).await;
    refused(Person::new("alice").register(url).await, Code::HandleReleased).await;
    // The same order of the same second is answered alike.
    eventually("there is nothing more to give back", async || {
        let (status, told) = operator.json(&deployment, &["release", "alice", "--yes"]).await;
        (status == Some(1) && told["error"]["code"] == "unknown_handle").then_some(())
    })
    .await;
    let record = eventually("her key takes it again", async || {
        let answer = alice.register(url).await;
        (answer.status() == 201).then_some(answer)
    })
    .await;
    assert!(record.json::<kez_proto::registry::Record>().await.unwrap().suspended);
}

#[tokio::test]
async fn a_purge_deletes_one_inbox_and_nothing_else() {
    let deployment = Deployment::start_with(1, &[], &[]).await;
    let url = deployment.url(0);
    // Of the same partition.
    let all = (0..)
        .map(|n| format!("person-{n}"))
        .filter(|name| kez_proto::partition::of(&name.parse().unwrap(), 16) == 3);
    let names: Vec<_> = all.take(2).collect();
    let mut people = vec![];
    for name in &names {
        people.push(Person::registered(name, url).await);
        for n in 0..3 {
            assert_eq!(send(url, name, json!({"n": n})).await.status(), 201);
        }
    }
    let operator = Operator::new();
    let (status, told) = operator.json(&deployment, &["purge", &names[0], "--yes"]).await;
    assert_eq!((status, &told["purged"]), (Some(0), &json!(3)));
    assert_eq!((people[0].mail(url).await.len(), people[1].mail(url).await.len()), (0, 3));
    assert_eq!(send(url, &names[0], json!({"n": 9})).await.status(), 201);
    assert_eq!(people[0].mail(url).await.len(), 1);
}

#[tokio::test]
async fn orders_of_others_and_about_nobody_are_refused() {
    let deployment = with_logs(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let operator = Operator::new();
    let ended = operator.run(&deployment, &["suspend", "nobody-here"]).await;
    assert!(ended.status == Some(1) && ended.stderr.contains("unknown_handle"), "{}", ended.stderr);

    // Whoever gets as far as the subject still needs the operator's key.
    let client = deployment.nats.connect_as(Role::Operator).await;
    let order = async |signer: &Person, server: &str| {
        let server = server.parse().unwrap();
        let primary = signer.identity.primary();
        let order = OperatorOrder::new(Action::Suspend, alice.handle.clone(), primary, server, now());
        let envelope = signer.identity.sign_envelope(TAG, &order).unwrap();
        let bytes = serde_json::to_vec(&envelope).unwrap();
        let answer = client.request(subjects::REGISTRY_ORDER, bytes.into()).await.unwrap();
        let refusal = answer.headers.unwrap().get_last(headers::NATS_SERVICE_ERROR).unwrap().to_string();
        Problem::from_service_error(&refusal).code
    };
    assert_eq!(order(&alice, "kez.test").await, Code::NotOperator);
    assert_eq!(order(&Person::new("nobody"), "kez.test").await, Code::NotOperator);
    assert_eq!(order(&alice, "other.test").await, Code::WrongServer);
    for rubbish in ["", "{}", "[]"] {
        let answer = client.request(subjects::REGISTRY_ORDER, rubbish.into()).await.unwrap();
        assert!(answer.headers.unwrap().get_last(headers::NATS_SERVICE_ERROR).is_some(), "{rubbish}");
    }
    assert!(!alice.looked_up(url).await.suspended);
}

#[tokio::test]
async fn another_key_becomes_the_operators() {
    let mut deployment = with_logs(1).await;
    let alice = Person::registered("alice", deployment.url(0)).await;
    let operator = Operator::new();
    assert_eq!(operator.run(&deployment, &["suspend", "alice"]).await.status, Some(0));
    let keys = deployment.nats.keys.clone();
    let old = operator.0.folder.path().join("old.nk");
    std::fs::rename(keys.seed_file(Role::Operator), &old).unwrap();
    deployment.nats.kill();
    deployment.nats.keys = Keys::load_or_create(keys.dir()).unwrap();
    deployment.nats.restart().await;

    // The registry runs on with the key of before.
    let ended = eventually("NATS lets the new key in", async || {
        let ended = operator.run(&deployment, &["lift", "alice"]).await;
        (!ended.stderr.contains("no service answers")).then_some(ended)
    })
    .await;
    assert!(ended.status == Some(1) && ended.stderr.contains("not_operator"), "{}", ended.stderr);
    deployment.registries[0].terminate().await;
    deployment.registries = vec![deployment.registry(0)];
    deployment.registries[0].ready().await;
    assert_eq!(operator.run(&deployment, &["lift", "alice"]).await.status, Some(0));
    assert!(!alice.looked_up(deployment.url(0)).await.suspended);

    let url = deployment.nats.url();
    let at = ["admin", "suspend", "alice", "--nats-url", &url, "--nkey", old.to_str().unwrap()];
    assert!(operator.0.fails(&at).await.contains("doesn't know the key"));
}
