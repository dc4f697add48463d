//! Somebody who reads a stream and comes back from the last message whenever it breaks or ends, as a client does.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use kez_proto::{Code, Problem, sse};
use reqwest::{Client, Response};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    Wires,
    account::{Account, Id, Mail},
};
use crate::{Person, http, sse::Stream};

/// Between connections.
const PAUSE: Duration = Duration::from_millis(50);

/// The server says something at least every 15 s; who hears nothing for longer comes back.
const SILENCE: Duration = Duration::from_secs(20);

/// The longest that those who come and go stay, and stay away.
const VISIT: f64 = 4.0;

/// What a reader got, in the order in which it came; nothing is sorted here.
pub type Seen = Arc<Mutex<Mail>>;

/// A reader of a person's mail.
#[derive(Clone)]
pub struct Reader {
    pub person: Arc<Person>,
    pub urls: Vec<String>,
    pub wires: Wires,
    pub seen: Seen,
    pub account: Arc<Account>,
}

impl Reader {
    /// Reads for ever, from each gateway in turn, beginning with `first`.
    pub async fn stay(self, first: usize) {
        let client = http::client();
        for connection in first.. {
            self.connect(&client, connection).await;
            sleep(PAUSE).await;
        }
    }

    /// Reads now and then.
    pub async fn come_and_go(self) {
        let client = http::client();
        for connection in 0.. {
            let _ = timeout(some_time(), self.connect(&client, connection)).await;
            sleep(some_time()).await;
        }
    }

    /// Reads now and then, and deletes some of what was read, until it is over. All up to `deleted` was.
    pub async fn tidy_up(self, over: watch::Receiver<bool>, deleted: Arc<AtomicU64>) {
        let client = http::client();
        for connection in 0.. {
            let _ = timeout(some_time(), self.connect(&client, connection)).await;
            let read = self.seen.lock().unwrap().clone();
            let before = deleted.load(Ordering::Relaxed);
            let undeleted: Vec<u64> = read.iter().map(|(seq, _)| *seq).filter(|seq| *seq > before).collect();
            if let Some(through) = fastrand::choice(undeleted) {
                self.delete(&client, through).await;
                deleted.store(through, Ordering::Relaxed);
            }
            if *over.borrow() {
                return;
            }
        }
    }

    /// One stream, behind the last message, until it ends.
    async fn connect(&self, client: &Client, connection: usize) {
        let cursor = self.seen.lock().unwrap().last().map_or(0, |(seq, _)| *seq);
        let url = &self.urls[connection % self.urls.len()];
        let request = client
            .get(format!("{url}/v1/inbox/{}/stream", self.person.handle))
            .header("last-event-id", cursor)
            .header("x-kez-auth", self.person.stream_auth());
        // A gateway that isn't there refuses the connection.
        if let Ok(Ok(response)) = timeout(SILENCE, request.send()).await {
            match response.status().as_u16() {
                200 => self.follow(&mut Stream::reading(response), cursor).await,
                503 => {}
                _ => self.refused(response).await,
            }
        }
    }

    async fn follow(&self, stream: &mut Stream, mut cursor: u64) {
        // A cut and an end in order are the same to a reader.
        loop {
            let read = match self.wires {
                Wires::Fixed => stream.read().await,
                Wires::Pulled => match timeout(SILENCE, stream.read()).await {
                    Ok(read) => read,
                    Err(_) => return,
                },
            };
            let Ok(Some(event)) = read else { return };
            match event.kind.as_str() {
                // A client drops what it had.
                sse::MESSAGE if self.wires == Wires::Pulled && event.seq() <= cursor => {
                    Account::count(&self.account.duplicates);
                }
                sse::MESSAGE => {
                    cursor = event.seq();
                    self.seen.lock().unwrap().push((cursor, Id::of(&event.json()["envelope"])));
                }
                // Its cursor is of this store, and it reads as fast as it can.
                sse::RESYNC => panic!("an unexpected resync: {}", event.data),
                _ => {}
            }
        }
    }

    /// Deletes mail up to there, until that is acknowledged.
    async fn delete(&self, client: &Client, through: u64) {
        for attempt in 0.. {
            let target = format!("/v1/inbox/{}?through={through}", self.person.handle);
            let request = client
                .delete(format!("{}{target}", self.urls[attempt % self.urls.len()]))
                .header("x-kez-auth", self.person.request_auth("DELETE", &target));
            if let Ok(Ok(response)) = timeout(SILENCE, request.send()).await {
                match response.status().as_u16() {
                    200 => return,
                    503 => {}
                    _ => self.refused(response).await,
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// Nothing but a server whose clock is wrong refuses a reader for good.
    async fn refused(&self, response: Response) {
        let status = response.status();
        let Ok(text) = response.text().await else { return };
        let problem: Option<Problem> = serde_json::from_str(&text).ok();
        let stale = problem.is_some_and(|problem| problem.code == Code::StaleTimestamp);
        assert!(stale && self.wires == Wires::Pulled, "a reader was refused with {status}: {text}");
        Account::count(&self.account.stale);
    }
}

/// What a visit lasts, and what lies between two.
fn some_time() -> Duration {
    Duration::from_secs_f64(fastrand::f64() * VISIT)
}
