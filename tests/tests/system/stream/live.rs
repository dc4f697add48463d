//! What comes while a stream is open.

use futures_util::future::join;
use kez_tests::{Deployment, Person, http::client, person::send, sse::Stream};
use serde_json::{Value, json};

use super::{fill, seqs};

#[tokio::test]
async fn a_message_comes_as_history_has_it_to_every_reader_of_its_inbox_and_to_no_other() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let bob = Person::registered("bobby", url).await;
    let (mut first, _) = Stream::open(url, &alice, "").await;
    let (mut second, _) = Stream::open(url, &alice, "").await;
    let (mut bobs, _) = Stream::open(url, &bob, "").await;
    for id in 0..20 {
        let sent: Value = send(url, "alice", json!({"id": id})).await.json().await.unwrap();
        let since = sent["seq"].as_u64().unwrap() - 1;
        let page = client()
            .get(format!("{url}/v1/inbox/alice?since={since}"))
            .header("x-kez-auth", alice.poll_auth(since))
            .send();
        let page = page.await.unwrap().text().await.unwrap();
        for stream in [&mut first, &mut second] {
            let event = stream.message().await;
            assert_eq!((event.seq(), event.json()["envelope"]["id"].as_u64()), (since + 1, Some(id)));
            assert!(page.contains(&event.data), "{page} {event:?}");
            assert_eq!(event.retry, "");
        }
    }
    // The first that bob's reader sees is bob's.
    send(url, "bobby", json!({"id": "bob's"})).await;
    assert_eq!(bobs.message().await.json()["envelope"]["id"], "bob's");
}

#[tokio::test]
async fn between_history_and_live_nothing_is_lost_or_doubled() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    const BACKLOG: usize = 310;
    const LIVE: usize = 150;
    fill(url, "alice", 0, BACKLOG, 100).await;

    // A sender goes on while one reader after another opens.
    let sender = fill(url, "alice", BACKLOG, LIVE, 100);
    let readers = async {
        let mut readers = vec![];
        for _ in 0..12 {
            readers.push(Stream::open(url, &alice, "").await.0);
        }
        readers
    };
    let ((), readers) = join(sender, readers).await;
    let mail = seqs(url, &alice).await;
    assert_eq!(mail.len(), BACKLOG + LIVE);
    for mut reader in readers {
        assert_eq!(reader.seqs(mail.len()).await, mail);
    }
}
