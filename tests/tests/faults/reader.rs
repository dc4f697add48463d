//! Somebody who reads a stream and comes back from the last message whenever it breaks or ends, as a client does.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use kez_proto::sse;
use kez_tests::{Person, http, sse::Stream};

use crate::account::{Id, Mail};

/// Between connections.
const PAUSE: Duration = Duration::from_millis(50);

/// What a reader got, in the order in which it came; nothing is dropped or sorted here.
pub type Seen = Arc<Mutex<Mail>>;

/// Reads for ever, from each gateway in turn, beginning with `first`.
pub async fn read(person: Arc<Person>, urls: Vec<String>, first: usize, seen: Seen) {
    let client = http::client();
    let mut cursor = 0;
    for connection in first.. {
        let path = format!("{}/v1/inbox/{}/stream", urls[connection % urls.len()], person.handle);
        let request =
            client.get(path).header("last-event-id", cursor).header("x-kez-auth", person.stream_auth());
        // A gateway that isn't there refuses the connection.
        if let Ok(response) = request.send().await {
            match response.status().as_u16() {
                200 => follow(&mut Stream::reading(response), &mut cursor, &seen).await,
                503 => {}
                other => panic!("a stream was refused with {other}: {:?}", response.text().await),
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn follow(stream: &mut Stream, cursor: &mut u64, seen: &Seen) {
    // A cut and an end in order are the same to a reader.
    while let Ok(Some(event)) = stream.read().await {
        match event.kind.as_str() {
            sse::MESSAGE => {
                *cursor = event.seq();
                seen.lock().unwrap().push((*cursor, Id::of(&event.json()["envelope"])));
            }
            // Its cursor is of this store, and it reads as fast as it can.
            sse::RESYNC => panic!("an unexpected resync: {}", event.data),
            _ => {}
        }
    }
}
