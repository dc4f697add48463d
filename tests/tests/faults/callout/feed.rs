//! A mail feed as any NATS client may build it from the documents: its own subscription, history up to the head after each connection, and again wherever a
//! push names a predecessor that is missing. The library beneath connects again by itself.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_nats::{Client, ConnectOptions, Event, HeaderMap, Message, Subscriber};
use futures_util::StreamExt;
use kez_proto::{
    Handle,
    headers::{NATS_LAST_SEQUENCE, NATS_SEQUENCE, NATS_SUBJECT},
    mail::{ClientHistory, Page},
    subjects,
};
use serde_json::Value;
use tokio::{sync::watch, time::sleep};

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(50);

/// What a reader gave out, in that order.
pub type Seen = Arc<Mutex<Vec<(u64, Value)>>>;

/// Reads the mail of `handle` for ever; `connections` counts.
pub async fn read(
    options: ConnectOptions,
    url: String,
    handle: Handle,
    connections: Arc<watch::Sender<u32>>,
    seen: Seen,
) {
    let (mut connected, note) = (connections.subscribe(), connections);
    let options = options.event_callback(move |event| {
        note.send_if_modified(|n| {
            *n += u32::from(matches!(event, Event::Connected));
            matches!(event, Event::Connected)
        });
        async {}
    });
    let client = options.connect(url).await.unwrap();
    let pushes = client.subscribe(subjects::inbox(&handle)).await.unwrap();
    let mut feed = Feed { client, handle, pushes, cursor: 0, seen };
    feed.catch_up().await;
    loop {
        tokio::select! {
            push = feed.pushes.next() => feed.take(push.expect("the library ended a subscription")).await,
            _ = connected.changed() => feed.catch_up().await,
        }
    }
}

struct Feed {
    client: Client,
    handle: Handle,
    pushes: Subscriber,
    cursor: u64,
    seen: Seen,
}

impl Feed {
    async fn take(&mut self, push: Message) {
        let header = |name| last(push.headers.as_ref(), name);
        assert!(subjects::is_store_of(header(NATS_SUBJECT), &self.handle), "{push:?}");
        let (seq, previous): (u64, u64) =
            (header(NATS_SEQUENCE).parse().unwrap(), header(NATS_LAST_SEQUENCE).parse().unwrap());
        if previous > self.cursor {
            self.catch_up().await;
        }
        self.give(seq, serde_json::from_slice(&push.payload).unwrap());
    }

    /// Reads history up to what was there when it was asked, however often the connection breaks meanwhile.
    async fn catch_up(&mut self) {
        loop {
            let Some(page) = self.page().await else {
                sleep(PAUSE).await;
                continue;
            };
            for message in page.messages {
                self.give(message.seq, serde_json::from_str(message.envelope.get()).unwrap());
            }
            if page.next.is_none() && self.cursor >= page.head.unwrap() {
                return;
            }
        }
    }

    async fn page(&self) -> Option<Page> {
        let request = ClientHistory { since: self.cursor, limit: None, head: true };
        let request = serde_json::to_vec(&request).unwrap();
        let answer =
            self.client.request(subjects::client_history(&self.handle), request.into()).await.ok()?;
        serde_json::from_slice(&answer.payload).ok()
    }

    fn give(&mut self, seq: u64, envelope: Value) {
        if seq > self.cursor {
            self.cursor = seq;
            self.seen.lock().unwrap().push((seq, envelope));
        }
    }
}

/// A header as the stream set it.
fn last<'m>(headers: Option<&'m HeaderMap>, name: &'static str) -> &'m str {
    headers.and_then(|headers| headers.get_last(name)).map_or("", |value| value.as_str())
}
