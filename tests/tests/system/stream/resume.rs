//! A stream goes on where its reader stopped, or says that it can't.

use kez_proto::Code;
use kez_tests::{
    Deployment, Person,
    person::send,
    sse::{Stream, stream_refused, stream_request},
};
use serde_json::json;

use super::{fill, seqs};

#[tokio::test]
async fn exactly_the_later_messages_come() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    fill(url, "alice", 0, 10, 10).await;
    let mail = seqs(url, &alice).await;
    let last = mail[9];

    for behind in [0, 1, 5, 9, 10] {
        let since = if behind == 0 { 0 } else { mail[behind - 1] };
        let by_query = stream_request(url, &alice, &format!("&since={since}"));
        let by_header = stream_request(url, &alice, "").header("last-event-id", since);
        // A reconnecting browser repeats its first query: the header is the newer word.
        let by_both = stream_request(url, &alice, "&since=0").header("last-event-id", since);
        for request in [by_query, by_header, by_both] {
            let mut stream = Stream::of(request).await;
            assert_eq!(stream.next().await.json()["cursor"], since);
            assert_eq!(stream.seqs(10 - behind).await, mail[behind..]);
        }
    }
    // Nothing came before the next one.
    let (mut at_the_end, _) = Stream::open(url, &alice, &format!("&since={last}")).await;
    send(url, "alice", json!({"id": "next"})).await;
    assert_eq!(at_the_end.message().await.json()["envelope"]["id"], "next");

    for bad in ["&since=x", "&since=-1", "&since=", "&since=1&since=1"] {
        stream_refused(stream_request(url, &alice, bad), Code::InvalidParameter).await;
    }
    for bad in ["x", "-1", "", "1,2"] {
        stream_refused(stream_request(url, &alice, "").header("last-event-id", bad), Code::InvalidParameter)
            .await;
    }
}

#[tokio::test]
async fn a_cursor_of_another_store_begins_anew_and_is_told_so() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    fill(url, "alice", 0, 5, 10).await;
    let mail = seqs(url, &alice).await;
    let (_, ready) = Stream::open(url, &alice, "").await;
    let epoch = ready.json()["epoch"].as_str().unwrap().to_owned();

    for foreign in [
        format!("&since={}", mail[4] + 1),
        format!("&since={}", u64::MAX),
        "&epoch=another".into(),
        format!("&since={}&epoch=another", mail[2]),
    ] {
        let (mut stream, ready) = Stream::open(url, &alice, &foreign).await;
        assert_eq!(ready.json(), json!({"cursor": 0, "epoch": epoch}), "{foreign}");
        let resync = stream.next().await;
        assert_eq!(resync.kind, "resync", "{foreign}");
        assert_eq!(resync.json(), json!({"reason": "cursor", "cursor": 0, "epoch": epoch}), "{foreign}");
        assert_eq!(stream.seqs(5).await, mail, "{foreign}");
    }
    let (mut stream, _) = Stream::open(url, &alice, &format!("&since={}&epoch={epoch}", mail[2])).await;
    assert_eq!(stream.seqs(2).await, mail[3..]);
}
