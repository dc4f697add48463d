//! Mail as it comes: everything behind the cursor, once, in order.

mod forged;
mod gap;
mod live;
mod opening;
mod resume;
mod slow;

use futures_util::{StreamExt, stream};
use kez_tests::{Person, person::send};
use serde_json::json;

/// Sends so many messages with `bytes` of padding, several at a time, with ids from `first` on.
async fn fill(url: &str, to: &str, first: usize, count: usize, bytes: usize) {
    let pad = "x".repeat(bytes);
    let sends = (first..first + count).map(|id| {
        let envelope = json!({"id": id, "pad": pad});
        async move { assert_eq!(send(url, to, envelope).await.status(), 201) }
    });
    stream::iter(sends).buffer_unordered(16).collect::<Vec<_>>().await;
}

/// The sequences of all of this person's mail.
async fn seqs(url: &str, person: &Person) -> Vec<u64> {
    person.mail(url).await.into_iter().map(|(seq, _)| seq).collect()
}
