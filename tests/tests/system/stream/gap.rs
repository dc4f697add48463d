//! Pushes that were lost on their way are read from history.

use kez_tests::{Deployment, Person, sse::Stream};

use super::{fill, seqs};

/// A reader who is behind in history holds up its stream, and more comes live than can wait for it: what overflows is a gap.
#[tokio::test]
async fn what_overflowed_while_a_reader_was_behind_is_repaired() {
    const BACKLOG: usize = 64;
    const LIVE: usize = 400;
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    // More than the buffers between the gateway and a client can hold.
    fill(url, "alice", 0, BACKLOG, 250_000).await;
    let (mut stream, _) = Stream::open(url, &alice, "").await;
    fill(url, "alice", BACKLOG, LIVE, 10).await;

    let mail = seqs(url, &alice).await;
    assert_eq!(stream.seqs(BACKLOG + LIVE).await, mail);
    // And it goes on.
    fill(url, "alice", BACKLOG + LIVE, 1, 10).await;
    assert_eq!(stream.seqs(1).await, seqs(url, &alice).await[BACKLOG + LIVE..]);
}
