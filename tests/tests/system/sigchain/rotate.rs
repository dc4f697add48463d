//! A key is replaced: the chain goes on, and the handle follows.

use async_nats::connection::State;
use kez_proto::{Code, subjects::client_lookup};
use kez_tests::{
    Deployment, Person, eventually, http,
    http::refused,
    person::send,
    session::Session,
    writer::{Writer, add, chain_url, fresh_key},
};
use serde_json::{Value, json};

async fn deployment() -> Deployment {
    let mut deployment = Deployment::start(1).await;
    deployment.add_sigchain().await;
    deployment
}

async fn is_let_in(person: &Person, deployment: &Deployment) -> bool {
    let options = person.nats_options().max_reconnects(1);
    let Ok(client) = options.connect(deployment.nats.url()).await else { return false };
    client.request(client_lookup(&person.handle), r#"{"handle":"alice"}"#.into()).await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_handle_follows_its_owners_new_key_and_the_old_key_is_shut_out() {
    let deployment = deployment().await;
    let url = deployment.url(0);
    let old = Person::registered("alice", url).await;
    let new = Person::new("alice");
    assert_eq!(send(url, "alice", json!({"n": 1})).await.status(), 201);
    let session = Session::begin(&old, url).await;
    let inside = old.connect_nats(&deployment.nats.url()).await;
    let auth = old.stream_auth();
    let mut stream =
        http::client().get(format!("{url}/v1/inbox/alice/stream?auth={auth}")).send().await.unwrap();
    assert_eq!(stream.status(), 200);

    let mut writer = Writer::of(&old);
    writer.append(url, &add("github:alice")).await;
    let new_key = ed25519_dalek::SigningKey::from_bytes(&new.seed());
    let rotation = writer.rotation(&new_key);
    writer.append_signed(url, &rotation).await;

    let record: Value = http::get(format!("{url}/v1/u/alice")).await.json().await.unwrap();
    assert_eq!(record["primary"], json!(new.identity.primary()));
    let by_new = http::get(format!("{url}/v1/by-primary/{}", new.identity.primary())).await;
    assert_eq!(by_new.json::<Value>().await.unwrap(), record);
    refused(http::get(format!("{url}/v1/by-primary/{}", old.identity.primary())).await, Code::UnknownPrimary)
        .await;

    // The old key is worth nothing, wherever it was used; the new one opens the same inbox.
    eventually("the old key's signature is refused", async || {
        let page = http::client()
            .get(format!("{url}/v1/inbox/alice?since=0"))
            .header("x-kez-auth", old.poll_auth(0));
        (page.send().await.unwrap().status() == 401).then_some(())
    })
    .await;
    assert_eq!(new.page(url, 0, 10).await.0.len(), 1);
    eventually("the old key's session is refused", async || {
        let page =
            http::client().get(format!("{url}/v1/inbox/alice?since=0")).bearer_auth(&session.granted.token);
        (!page.send().await.unwrap().status().is_success()).then_some(())
    })
    .await;
    eventually("the old key's connection is ended", async || {
        (inside.connection_state() != State::Connected).then_some(())
    })
    .await;
    assert!(!is_let_in(&old, &deployment).await, "the old key is let in");
    let ended = async { while let Ok(Some(_)) = stream.chunk().await {} };
    kez_tests::within("the old key's stream is ended", ended).await;
    assert!(is_let_in(&new, &deployment).await, "the new key isn't let in");

    // The chain is found under either key, and goes on under the new one alone.
    for key in [writer.primary(), kez_proto::identity::Signer::key(&new_key)] {
        let chain: Value = http::get(chain_url(url, &key)).await.json().await.unwrap();
        assert_eq!(chain["events"].as_array().unwrap().len(), 2, "{key}");
        assert_eq!(
            (&chain["id"], &chain["primary"]),
            (&json!(writer.primary()), &json!(new.identity.primary()))
        );
    }
    let mut next = Writer { key: new_key, chain: writer.chain.clone() };
    next.append(url, &add("dns:alice.example")).await;
    let again = writer.post(url, &rotation).await.json::<Value>().await.unwrap();
    assert_eq!(again["duplicate"], true);
    // Neither of the two keys can begin anything else.
    let mut other = Person::new("alice-two");
    other.identity = kez_client::Identity::from_seed(&old.seed());
    refused(other.register(url).await, Code::KeyRetired).await;
}

#[tokio::test]
async fn a_key_that_has_a_handle_or_a_chain_is_nobodys_next_key() {
    let deployment = deployment().await;
    let url = deployment.url(0);
    let (alice, bob) = (Person::registered("alice", url).await, Person::registered("bobby", url).await);
    let mut writer = Writer::of(&alice);
    writer.append(url, &add("github:alice")).await;
    let bobs = ed25519_dalek::SigningKey::from_bytes(&bob.seed());
    refused(writer.post(url, &writer.rotation(&bobs)).await, Code::KeyInUse).await;
    let mut carol = Writer::fresh();
    carol.append(url, &add("github:carol")).await;
    refused(writer.post(url, &writer.rotation(&carol.key)).await, Code::KeyInUse).await;
    // A later key begins no chain of its own.
    let next = fresh_key();
    writer.append_signed(url, &writer.rotation(&next)).await;
    let own = Writer { key: next.clone(), chain: None };
    refused(own.post(url, &own.next(&add("github:eve"))).await, Code::ChainConflict).await;
    let record: Value = http::get(format!("{url}/v1/u/alice")).await.json().await.unwrap();
    assert_eq!(record["primary"], json!(own.primary()));
}

/// Whether the new key is free can't be asked: the caller is told, nothing is stored, and the same event is taken later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_while_no_registry_is_there_is_refused_and_later_taken() {
    let mut deployment = deployment().await;
    let url = deployment.url(0).to_owned();
    let alice = Person::registered("alice", &url).await;
    let mut writer = Writer::of(&alice);
    writer.append(&url, &add("github:alice")).await;
    let next = fresh_key();
    let rotation = writer.rotation(&next);
    assert_eq!(deployment.registries[0].terminate().await.code(), Some(0));
    refused(writer.post(&url, &rotation).await, Code::Unavailable).await;
    let chain: Value = http::get(writer.url(&url)).await.json().await.unwrap();
    assert_eq!(chain["events"].as_array().unwrap().len(), 1);
    deployment.registries[0] = deployment.registry(0);
    deployment.registries[0].ready().await;
    writer.append_signed(&url, &rotation).await;
    let record: Value = http::get(format!("{url}/v1/u/alice")).await.json().await.unwrap();
    assert_eq!(record["primary"], json!(kez_proto::identity::Signer::key(&next)));
}
