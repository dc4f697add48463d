//! A reader that doesn't read is told so, costs little, and loses nothing.

use kez_proto::Code;
use kez_tests::{
    Deployment, Person, eventually,
    person::send,
    sse::{Event, Stream, stream_refused, stream_request},
};
use serde_json::json;

use super::seqs;

/// More than the buffers between the gateway and a client can hold.
const MESSAGES: usize = 70;

#[tokio::test]
async fn a_reader_that_is_too_slow_is_sent_away_and_goes_on_from_its_cursor() {
    let deployment = Deployment::start_with(1, &[], &["--limit-streams", "2"]).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let (mut slow, _) = Stream::open(url, &alice, "").await;
    let (mut other, ready) = Stream::open(url, &alice, "").await;
    let pad = "x".repeat(250_000);
    for id in 0..MESSAGES {
        assert_eq!(send(url, "alice", json!({"id": id, "pad": pad})).await.status(), 201);
        assert_eq!(other.message().await.json()["envelope"]["id"], id);
    }
    // Its subscription ends with it.
    eventually("the slow reader is given up", async || {
        (deployment.nats.subscribers("kez.chat.inbox.alice").await == 1).then_some(())
    })
    .await;

    // What waits for it is still held, and so is its place.
    stream_refused(stream_request(url, &alice, ""), Code::RateLimited).await;

    let mail = seqs(url, &alice).await;
    let (mut read, resync) = up_to_a_word(&mut slow).await;
    let cursor = *read.last().unwrap();
    assert_eq!(resync.kind, "resync");
    assert_eq!(resync.json(), json!({"reason": "slow", "cursor": cursor, "epoch": ready.json()["epoch"]}));
    assert_eq!(slow.take().await, None, "the stream goes on behind its last word");
    assert!(read.len() < MESSAGES, "nothing was held back");

    let mut resumed = eventually("its place is free", async || {
        let response = stream_request(url, &alice, &format!("&since={cursor}")).send().await.unwrap();
        (response.status() == 200).then(|| Stream::reading(response))
    })
    .await;
    assert_eq!(resumed.next().await.json()["cursor"], cursor);
    read.extend(resumed.seqs(MESSAGES - read.len()).await);
    assert_eq!(read, mail);

    send(url, "alice", json!({"id": "last"})).await;
    for stream in [&mut other, &mut resumed] {
        assert_eq!(stream.message().await.json()["envelope"]["id"], "last");
    }
}

/// The sequences of the messages up to another event, and that event.
async fn up_to_a_word(stream: &mut Stream) -> (Vec<u64>, Event) {
    let mut seqs = vec![];
    loop {
        match stream.word().await.expect("the stream ended without a last word") {
            event if event.kind == "message" => seqs.push(event.seq()),
            event => return (seqs, event),
        }
    }
}
