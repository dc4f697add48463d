//! Pushes that were lost on their way are read from history.

use futures_util::future::join;
use kez_tests::{Deployment, Person, sse::Stream};

use super::{fill, seqs};

/// A reader who is behind in history holds up its stream, and more comes live than can wait for it: what overflows is a gap, which the pushes
/// behind it show.
#[tokio::test]
async fn what_overflowed_while_a_reader_was_behind_is_repaired() {
    /// More than the buffers between the gateway and a client can hold.
    const BACKLOG: usize = 64;
    const OVERFLOW: usize = 400;
    const MORE: usize = 400;
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    fill(url, "alice", 0, BACKLOG, 250_000).await;
    let (mut stream, _) = Stream::open(url, &alice, "").await;
    fill(url, "alice", BACKLOG, OVERFLOW, 10).await;

    let (read, ()) = join(stream.seqs(BACKLOG + OVERFLOW + MORE), fill(url, "alice", BACKLOG + OVERFLOW, MORE, 10)).await;
    assert_eq!(read, seqs(url, &alice).await);
}

/// Behind what was lost last comes nothing that could show it.
#[tokio::test]
async fn what_overflowed_last_is_found_too() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    fill(url, "alice", 0, 64, 250_000).await;
    let (mut stream, _) = Stream::open(url, &alice, "").await;
    fill(url, "alice", 64, 400, 10).await;
    assert_eq!(stream.seqs(464).await, seqs(url, &alice).await);
}
