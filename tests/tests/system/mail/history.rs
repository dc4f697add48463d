//! Pages of mail.

use futures_util::{StreamExt, stream};
use kez_proto::{
    Code,
    limits::{ENVELOPE_BYTES, NATS_PAYLOAD_BYTES, PAGE_BYTES},
};
use kez_tests::{
    Deployment, Person,
    http::{header, refused},
};
use serde_json::Value;

use super::{envelope_of, post_envelope, read};

struct Page {
    seqs: Vec<u64>,
    ids: Vec<u64>,
    next: Option<u64>,
    bytes: usize,
}

async fn page(url: &str, person: &Person, since: u64, limit: &str) -> Page {
    let answer = read(url, person, since, &format!("?since={since}{limit}")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "content-type")), (200, "application/json"));
    let text = answer.text().await.unwrap();
    let page: Value = serde_json::from_str(&text).unwrap();
    let messages = page["messages"].as_array().unwrap();
    assert!(page["epoch"].is_string());
    // Absent at the end, never null.
    assert_eq!(page.as_object().unwrap().contains_key("next"), page["next"].is_u64());
    Page {
        seqs: messages.iter().map(|m| m["seq"].as_u64().unwrap()).collect(),
        ids: messages.iter().map(|m| m["envelope"]["id"].as_u64().unwrap()).collect(),
        next: page["next"].as_u64(),
        bytes: text.len(),
    }
}

/// All pages of this limit.
async fn pages(url: &str, person: &Person, limit: &str) -> Vec<Page> {
    let mut pages = vec![page(url, person, 0, limit).await];
    while let Some(next) = pages[pages.len() - 1].next {
        assert_eq!(Some(&next), pages[pages.len() - 1].seqs.last());
        pages.push(page(url, person, next, limit).await);
    }
    pages
}

#[tokio::test]
async fn pages_give_everything_once_and_in_order() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let bob = Person::registered("bobby", url).await;
    const COUNT: usize = 523;
    let sends = (0..COUNT).map(|id| async move {
        let to = if id % 50 == 0 { "bobby" } else { "alice" };
        assert_eq!(post_envelope(url, to, &envelope_of(40, id)).await.status(), 201);
    });
    stream::iter(sends).buffer_unordered(16).collect::<Vec<_>>().await;

    let whole = pages(url, &alice, "&limit=500").await;
    assert_eq!(whole.iter().map(|page| page.seqs.len()).collect::<Vec<_>>(), [500, 12]);
    let seqs: Vec<u64> = whole.iter().flat_map(|page| page.seqs.clone()).collect();
    let ids: Vec<u64> = whole.iter().flat_map(|page| page.ids.clone()).collect();
    assert!(seqs.is_sorted_by(|a, b| a < b));
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..COUNT as u64).filter(|id| id % 50 != 0).collect::<Vec<_>>());
    assert_eq!(bob.mail(url).await.len(), 11);

    for (limit, sizes) in [
        ("", vec![100, 100, 100, 100, 100, 12]),
        ("&limit=256", vec![256, 256]),
        ("&limit=511", vec![500, 12]),
    ] {
        let pages = pages(url, &alice, limit).await;
        assert_eq!(pages.iter().map(|page| page.seqs.len()).collect::<Vec<_>>(), sizes, "{limit}");
        assert_eq!(pages.into_iter().flat_map(|page| page.ids).collect::<Vec<_>>(), ids, "{limit}");
    }
    // A cursor needn't be a message's.
    assert_eq!(page(url, &alice, seqs[7], "&limit=3").await.seqs, seqs[8..11]);
    assert_eq!(page(url, &alice, seqs[8] - 1, "&limit=1").await.seqs, seqs[8..9]);
    for since in [seqs[seqs.len() - 1], u64::MAX - 1, u64::MAX] {
        let end = page(url, &alice, since, "").await;
        assert_eq!((end.seqs, end.next), (vec![], None), "{since}");
    }
}

#[tokio::test]
async fn a_page_of_large_messages_ends_before_it_is_too_large() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    // Nearly a page, and the largest message behind it; about 120 bytes are stored with each.
    let nearly =
        |count: usize| [vec![(PAGE_BYTES - 1) / count - 120; count], vec![ENVELOPE_BYTES, 1_000]].concat();
    let sizes =
        [vec![ENVELOPE_BYTES; 7], vec![190_000; 9], vec![3_000; 600], nearly(3), nearly(4), nearly(490)];
    for (n, sizes) in sizes.into_iter().enumerate() {
        let reader = Person::registered(&format!("reader-{n}"), url).await;
        for (id, &bytes) in sizes.iter().enumerate() {
            assert_eq!(
                post_envelope(url, reader.handle.as_str(), &envelope_of(bytes, id)).await.status(),
                201
            );
        }
        let pages = pages(url, &reader, "&limit=500").await;
        for page in &pages {
            assert!(page.bytes <= NATS_PAYLOAD_BYTES, "{} bytes: {:?}", page.bytes, page.ids);
            println!("{} bytes, {} messages", page.bytes, page.ids.len());
        }
        assert!(pages.len() > 1);
        let ids: Vec<_> = pages.into_iter().flat_map(|page| page.ids).collect();
        assert_eq!(ids, (0..sizes.len() as u64).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn parameters_that_make_no_sense_are_refused() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    for query in [
        "?since=x",
        "?since=-1",
        "?since=",
        "?since=1.0",
        "?since=18446744073709551616",
        "?since=0&since=0",
        "?limit=0",
        "?limit=-1",
        "?limit=x",
        "?limit=",
        "?limit=1&limit=1",
    ] {
        refused(read(url, &alice, 0, query).send().await.unwrap(), Code::InvalidParameter).await;
    }
    for query in ["", "?", "?since=0", "?limit=99999999999", "?unknown=1", "?since=000&limit=1"] {
        assert_eq!(read(url, &alice, 0, query).send().await.unwrap().status(), 200, "{query}");
    }
}
