//! Somebody who reads a stream and comes back from the last message whenever it breaks or ends, as a client does.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use kez_proto::sse;
use tokio::time::timeout;

use super::{
    Wires,
    account::{Id, Mail},
};
use crate::{Person, http, sse::Stream};

/// Between connections.
const PAUSE: Duration = Duration::from_millis(50);

/// The server says something at least every 15 s; who hears nothing for longer comes back.
const SILENCE: Duration = Duration::from_secs(20);

/// What a reader got, in the order in which it came; nothing is dropped or sorted here.
pub type Seen = Arc<Mutex<Mail>>;

/// Reads for ever, from each gateway in turn, beginning with `first`.
pub async fn read(person: Arc<Person>, urls: Vec<String>, first: usize, wires: Wires, seen: Seen) {
    let client = http::client();
    let mut cursor = 0;
    for connection in first.. {
        let path = format!("{}/v1/inbox/{}/stream", urls[connection % urls.len()], person.handle);
        let request =
            client.get(path).header("last-event-id", cursor).header("x-kez-auth", person.stream_auth());
        // A gateway that isn't there refuses the connection.
        if let Ok(Ok(response)) = timeout(SILENCE, request.send()).await {
            match response.status().as_u16() {
                200 => follow(&mut Stream::reading(response), &mut cursor, wires, &seen).await,
                503 => {}
                other => panic!("a stream was refused with {other}: {:?}", response.text().await),
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn follow(stream: &mut Stream, cursor: &mut u64, wires: Wires, seen: &Seen) {
    // A cut and an end in order are the same to a reader.
    loop {
        let read = match wires {
            Wires::Fixed => stream.read().await,
            Wires::Pulled => match timeout(SILENCE, stream.read()).await {
                Ok(read) => read,
                Err(_) => return,
            },
        };
        let Ok(Some(event)) = read else { return };
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
