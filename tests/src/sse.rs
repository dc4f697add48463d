//! A reader of `GET /v1/inbox/:handle/stream` that takes what comes as it comes.

use std::collections::VecDeque;

use kez_proto::{Code, sse};
use reqwest::{RequestBuilder, Response};
use serde_json::Value;

use crate::{Person, http, wait::within};

/// One event, as the format has it: absent fields are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `event:`
    pub kind: String,
    /// `id:`
    pub id: String,
    /// `retry:`
    pub retry: String,
    /// `data:`, several joined by line feeds.
    pub data: String,
}

impl Event {
    /// The data, which is JSON in every event.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The sequence of a message.
    pub fn seq(&self) -> u64 {
        assert_eq!(self.kind, sse::MESSAGE, "{self:?}");
        self.id.parse().unwrap()
    }
}

/// An open stream.
pub struct Stream {
    /// The answer's head is in here.
    pub response: Response,
    partial: Vec<u8>,
    events: VecDeque<Event>,
}

impl Stream {
    /// Opens a stream of this person's mail; `query` is more than `auth`, such as `&since=7`. It must be let in, and say `ready` first.
    pub async fn open(url: &str, person: &Person, query: &str) -> (Self, Event) {
        let mut stream = Self::of(stream_request(url, person, query)).await;
        let ready = stream.next().await;
        assert_eq!(ready.kind, sse::READY, "{ready:?}");
        (stream, ready)
    }

    /// Whatever this request opens.
    pub async fn of(request: RequestBuilder) -> Self {
        let response = within("a stream opens", request.send()).await.unwrap();
        if response.status() != 200 {
            panic!("{}: {}", response.status(), response.text().await.unwrap());
        }
        Self::reading(response)
    }

    /// The stream that this answer is.
    pub fn reading(response: Response) -> Self {
        Self { response, partial: vec![], events: VecDeque::new() }
    }

    /// The next event; there must be one.
    pub async fn next(&mut self) -> Event {
        self.take().await.expect("the stream ended")
    }

    /// The next event; none at the end of the stream.
    pub async fn take(&mut self) -> Option<Event> {
        within("an event comes", self.read()).await.unwrap()
    }

    /// The next event, however long it takes; none if the server ended the stream in order, an error if it was cut.
    pub async fn read(&mut self) -> reqwest::Result<Option<Event>> {
        while self.events.is_empty() {
            let Some(chunk) = self.response.chunk().await? else {
                assert!(self.partial.is_empty(), "the stream ended within an event");
                return Ok(None);
            };
            // Large messages come in many pieces: nothing is searched twice.
            let mut searched = self.partial.len().saturating_sub(1);
            self.partial.extend_from_slice(&chunk);
            while let Some(end) = self.partial[searched..].windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.partial.drain(..searched + end + 2).collect();
                self.events.extend(parse(std::str::from_utf8(&block).unwrap()));
                searched = 0;
            }
        }
        Ok(self.events.pop_front())
    }

    /// The next event that isn't a ping, none at the end of the stream.
    pub async fn word(&mut self) -> Option<Event> {
        // Pings alone mustn't keep a test waiting.
        within("a word comes", async {
            loop {
                match self.take().await {
                    Some(ping) if ping.kind == sse::PING => {}
                    other => return other,
                }
            }
        })
        .await
    }

    /// The next message, whatever pings come before it.
    pub async fn message(&mut self) -> Event {
        let event = self.word().await.expect("the stream ended");
        assert_eq!(event.kind, sse::MESSAGE, "{event:?}");
        event
    }

    /// The sequences of the next messages.
    pub async fn seqs(&mut self, count: usize) -> Vec<u64> {
        let mut seqs = Vec::with_capacity(count);
        for _ in 0..count {
            seqs.push(self.message().await.seq());
        }
        seqs
    }
}

/// The request for a stream, signed now.
pub fn stream_request(url: &str, person: &Person, query: &str) -> RequestBuilder {
    http::client().get(format!(
        "{url}/v1/inbox/{}/stream?auth={}{query}",
        person.handle,
        person.stream_auth()
    ))
}

/// The stream must be refused with this.
pub async fn stream_refused(request: RequestBuilder, code: Code) {
    http::refused(within("a stream is refused", request.send()).await.unwrap(), code).await;
}

/// A block between two empty lines; none if it is but a comment.
fn parse(block: &str) -> Option<Event> {
    let mut event = Event::default();
    for line in block.lines().filter(|line| !line.is_empty() && !line.starts_with(':')) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        let field = match name {
            "event" => &mut event.kind,
            "id" => &mut event.id,
            "retry" => &mut event.retry,
            "data" if event.data.is_empty() => &mut event.data,
            _ => panic!("an unexpected field in {block:?}"),
        };
        *field = value.to_owned();
    }
    (event != Event::default()).then_some(event)
}
