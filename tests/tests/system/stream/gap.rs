//! Pushes that were lost on their way are read from history.

use async_nats::jetstream;
use kez_proto::{limits::PARTITIONS, partition, subjects, subjects::Role};
use kez_tests::{Deployment, Person, sse::Stream};

use super::{fill, seqs};

/// A push names its predecessor: that one was missed is seen at once.
#[tokio::test]
async fn what_was_never_pushed_comes_before_the_next_push() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let (mut stream, _) = Stream::open(url, &alice, "").await;

    let store = jetstream::new(deployment.nats.connect_as(Role::Fanout).await);
    let store_name = subjects::inbox_stream(partition::of(&alice.handle, PARTITIONS));
    let pushing = store.get_stream(&store_name).await.unwrap().cached_info().config.clone();
    let silent = jetstream::stream::Config { republish: None, ..pushing.clone() };
    let mut read = vec![];
    for round in 0..8 {
        store.update_stream(&silent).await.unwrap();
        fill(url, "alice", round * 10, 9, 10).await;
        store.update_stream(&pushing).await.unwrap();
        fill(url, "alice", round * 10 + 9, 1, 10).await;
        read.extend(stream.seqs(10).await);
    }
    assert_eq!(read, seqs(url, &alice).await);
}

/// A reader who is behind in history holds up its stream, and more comes live than can wait for it. How far behind that is depends on the
/// buffers on the way: one of these readers is held up just there. Behind the last of what overflows comes nothing that could show it.
#[tokio::test]
async fn readers_who_are_behind_miss_nothing_of_what_comes_meanwhile() {
    /// More than those buffers hold.
    const BACKLOG: usize = 64;
    const LIVE: usize = 400;
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    fill(url, "alice", 0, BACKLOG, 250_000).await;
    let backlog = seqs(url, &alice).await;
    let mut readers = vec![];
    for since in backlog.into_iter().step_by(6) {
        readers.push((since, Stream::open(url, &alice, &format!("&since={since}")).await.0));
    }
    fill(url, "alice", BACKLOG, LIVE, 10).await;

    let mail = seqs(url, &alice).await;
    for (since, mut stream) in readers {
        let behind: Vec<u64> = mail.iter().copied().filter(|seq| *seq > since).collect();
        let mut read = vec![];
        while read.len() < behind.len() {
            match stream.word().await.expect("the stream ended without a last word") {
                event if event.kind == "message" => read.push(event.seq()),
                // Who is held up by live messages comes back.
                event => {
                    let cursor = event.json()["cursor"].as_u64().unwrap();
                    assert_eq!((event.kind.as_str(), Some(&cursor)), ("resync", read.last()));
                    stream = Stream::open(url, &alice, &format!("&since={cursor}")).await.0;
                }
            }
        }
        assert_eq!(read, behind);
    }
}
