//! A mail feed over NATS that heals itself: one connection at a time, logged in anew each time, always resumed behind the last message given out.
//!
//! A connection begins with its subscription, then history up to the head, then live pushes. What a lost push leaves is a gap that the next push
//! names; what a lost *last* push leaves is found by asking for the head: at the opening, a second later (interest in a new subscription takes a
//! moment to reach every node of a cluster), and every minute from then on. See [`super::feed`].

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use async_nats::Subscriber;
use futures_util::{FutureExt, Stream, StreamExt, stream, stream::BoxStream};
use kez_proto::{
    Handle, headers,
    mail::{ClientHistory, Message, Page},
    sse::ResyncReason,
    subjects,
};
use serde_json::value::RawValue;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::{
    Connection, Nats,
    connection::{Ended, Link, ended, header},
    feed::{Feed, Push, Read},
};
use crate::{Cursor, Error, Event, retry, retry::Reconnect, stream::GOOD};

/// The second check of a connection.
const SETTLED: Duration = Duration::from_secs(1);
/// Between checks from then on, ± a quarter.
const PERIOD: Duration = Duration::from_secs(60);
/// Every login is decided by signatures and a question to the registry, and nats-server waits for less than two seconds: what a lost server drops at once
/// must come back over several. Unlike over HTTP, no server says so.
const SPREAD: f64 = 4.0;
/// Between reads of history that lack what is known to be there.
const PAUSE: Duration = Duration::from_millis(200);

/// The events of a mailbox over NATS, the same as [`crate::listen`] gives.
pub struct Mail {
    events: BoxStream<'static, Result<Event, Error>>,
    dropped: Arc<AtomicU64>,
}

impl Mail {
    /// How many messages came to the inbox's subject that weren't mail: none, unless somebody tries to pass something off as it.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Stream for Mail {
    type Item = Result<Event, Error>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_next_unpin(cx)
    }
}

/// Keeps a connection for this mail open behind `cursor`, until it is dropped. It ends after its only `Err`: a first login that is denied, a refusal
/// that no later try can change, or a broker that can't be trusted or doesn't speak this protocol. A login that fails so later is tried again: NATS
/// gives no reason, and the server may be on its way up.
pub fn listen(nats: Nats, cursor: Cursor) -> Mail {
    let dropped = Arc::new(AtomicU64::new(0));
    let listener = Listener {
        nats,
        feed: Feed::new(cursor),
        state: State::Down(Duration::ZERO),
        reconnect: Reconnect::spread(SPREAD),
        known: false,
        waiting: VecDeque::new(),
        dropped: dropped.clone(),
    };
    let events =
        stream::unfold(listener, async |mut listener| listener.next().await.map(|event| (event, listener)));
    Mail { events: events.boxed(), dropped }
}

struct Listener {
    nats: Nats,
    feed: Feed,
    state: State,
    reconnect: Reconnect,
    /// This server has let us in before.
    known: bool,
    /// Events of one page at most. Pushes aren't taken while there are any.
    waiting: VecDeque<Event>,
    dropped: Arc<AtomicU64>,
}

enum State {
    Down(Duration),
    Up(Box<Open>),
    Over,
}

struct Open {
    connection: Connection,
    live: Subscriber,
    link: watch::Receiver<Link>,
    overflows: u64,
    since: Instant,
    next_check: Instant,
    /// Its first page was read.
    ready: bool,
    /// It brought a message.
    good: bool,
}

/// What to do with a connection.
enum Step {
    /// Go on.
    On,
    /// Give it up, for this reason.
    Lost(Ended),
}

impl Listener {
    async fn next(&mut self) -> Option<Result<Event, Error>> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(Ok(event));
            }
            let step = match &mut self.state {
                State::Over => return None,
                State::Down(wait) => {
                    sleep(*wait).await;
                    self.connect().await
                }
                State::Up(open) if !open.ready || self.feed.behind() => self.read().await,
                State::Up(_) => Ok(self.live().await),
            };
            match step {
                Ok(Step::On) => {}
                Ok(Step::Lost(ended)) => return Some(Ok(self.hang_up(&ended))),
                Err(error) => {
                    self.state = State::Over;
                    return Some(Err(error));
                }
            }
        }
    }

    async fn connect(&mut self) -> Result<Step, Error> {
        let connected = async {
            let connection = self.nats.connect().await?;
            let live = connection.inbox().await?;
            Ok((connection, live))
        };
        let (connection, live) = match connected.await {
            Ok(connected) => connected,
            Err(error) => return self.lost(error),
        };
        let link = connection.link();
        let now = Instant::now();
        let next_check = now + SETTLED;
        self.feed.reconnected();
        let open =
            Open { connection, live, link, overflows: 0, since: now, next_check, ready: false, good: false };
        self.state = State::Up(Box::new(open));
        Ok(Step::On)
    }

    /// Whether a failure ends the connection or everything.
    fn lost(&self, error: Error) -> Result<Step, Error> {
        let refusal =
            matches!(error, Error::Denied { .. } | Error::Certificate { .. } | Error::Protocol { .. });
        if error.is_transient() || (self.known && refusal) {
            Ok(Step::Lost(Ended { error, expired: false }))
        } else {
            Err(error)
        }
    }

    /// Asks history for what is missing.
    async fn read(&mut self) -> Result<Step, Error> {
        let State::Up(open) = &mut self.state else { return Ok(Step::On) };
        let since = self.feed.cursor().seq;
        let page = match open.history(since, self.known).await {
            Ok(page) => page,
            Err(Failed::Ended(ended)) => return Ok(Step::Lost(ended)),
            Err(Failed::Refused(error)) => return self.lost(error),
        };
        let read = self.feed.page(page).map_err(|malformed| self.nats.protocol(malformed.to_string()))?;
        let epoch = self.feed.cursor().epoch.clone().unwrap_or_default();
        self.known = true;
        if !std::mem::replace(&mut open.ready, true) {
            let seq = if matches!(read, Read::Anew) { 0 } else { since };
            self.waiting.push_back(Event::Connected { epoch: epoch.clone(), seq });
        }
        match read {
            Read::Messages(messages) => {
                open.good |= !messages.is_empty();
                self.waiting.extend(messages.into_iter().map(Event::Message));
            }
            Read::Stale => tokio::select! {
                () = sleep(PAUSE) => {}
                // The next request fails at once.
                _ = ended(&mut open.link) => {}
            },
            Read::Anew => {
                // What waits may be of the earlier store; what is of this one is in its history too.
                while let Some(Some(_)) = open.live.next().now_or_never() {}
                self.waiting.push_back(Event::Resync { reason: ResyncReason::Cursor, epoch, seq: 0 });
            }
            Read::Contradiction => {
                let error = self.nats.transport("its history lacks messages that it has stored");
                return Ok(Step::Lost(Ended { error, expired: false }));
            }
        }
        Ok(Step::On)
    }

    /// Waits for pushes while nothing is known to be missing.
    async fn live(&mut self) -> Step {
        let State::Up(open) = &mut self.state else { return Step::On };
        tokio::select! {
            push = open.live.next() => match push {
                Some(push) => self.on_push(&push),
                None => return Step::Lost(open.why_it_ended(&self.nats)),
            },
            () = sleep_until(open.next_check) => {
                open.next_check = Instant::now() + PERIOD.mul_f64(fastrand::f64().mul_add(0.5, 0.75));
                self.feed.check();
            }
            changed = open.link.changed() => {
                if changed.is_err() || open.link.borrow().ended.is_some() {
                    return Step::Lost(open.why_it_ended(&self.nats));
                }
                let overflows = open.link.borrow().overflows;
                if std::mem::replace(&mut open.overflows, overflows) != overflows {
                    self.feed.check();
                }
            }
        }
        Step::On
    }

    fn on_push(&mut self, push: &async_nats::Message) {
        let Some((message, previous)) = read_push(push, self.nats.handle()) else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if self.feed.push(message.seq, previous) == Push::Next {
            if let State::Up(open) = &mut self.state {
                open.good = true;
            }
            self.waiting.push_back(Event::Message(message));
        }
    }

    fn hang_up(&mut self, ended: &Ended) -> Event {
        if let State::Up(open) = &self.state
            && (open.good || ended.expired || open.since.elapsed() >= GOOD)
        {
            self.reconnect.reset();
        }
        let retry_in = self.reconnect.next(ended.error.retry_after());
        self.state = State::Down(retry_in);
        let reason = match &ended.error {
            Error::Transport { reason, .. } if self.known => format!("{}: {reason}", self.nats.url()),
            error => error.to_string(),
        };
        Event::Disconnected { reason, retry_in }
    }
}

/// Why history couldn't be read.
enum Failed {
    Ended(Ended),
    Refused(Error),
}

impl Open {
    /// The page behind this place, with the head. A service that is away for a moment ends no connection of a server that was there before: a login costs
    /// more than a question.
    async fn history(&mut self, since: u64, known: bool) -> Result<Page, Failed> {
        let request = ClientHistory { since, limit: None, head: true };
        let read = async {
            let ask = || self.connection.history(&request);
            if known { retry::a_few_times(ask, |_, _| {}).await } else { ask().await }
        };
        tokio::select! {
            biased;
            page = read => page.map_err(Failed::Refused),
            Some(ended) = ended(&mut self.link) => Err(Failed::Ended(ended)),
        }
    }

    fn why_it_ended(&self, nats: &Nats) -> Ended {
        let broke = || Ended { error: nats.transport("the connection broke"), expired: false };
        self.link.borrow().ended.clone().unwrap_or_else(broke)
    }
}

/// A push as its stream sent it, and the sequence of the message before it; none unless it carries the marks that only the inbox's own stream makes. A client
/// may name this subject for the answer to a request of its own.
fn read_push(push: &async_nats::Message, handle: &Handle) -> Option<(Message, u64)> {
    let value = |name| header(push.headers.as_ref(), name);
    subjects::is_store_of(value(headers::NATS_SUBJECT)?, handle).then_some(())?;
    let previous = value(headers::NATS_LAST_SEQUENCE)?.parse().ok()?;
    let message = Message {
        seq: value(headers::NATS_SEQUENCE)?.parse().ok()?,
        created_at: value(headers::CREATED_AT)?.parse().ok()?,
        envelope: serde_json::from_slice::<Box<RawValue>>(&push.payload).ok()?,
    };
    Some((message, previous))
}

#[cfg(test)]
mod tests {
    use async_nats::HeaderMap;

    use super::*;

    const MARKS: [(&str, &str); 4] = [
        (headers::NATS_SUBJECT, "kez.store.inbox.3.alice"),
        (headers::NATS_SEQUENCE, "12"),
        (headers::NATS_LAST_SEQUENCE, "9"),
        (headers::CREATED_AT, "2026-05-25T03:00:00Z"),
    ];

    fn push<'a>(
        marks: impl IntoIterator<Item = (&'a str, &'a str)>,
        payload: &'static str,
    ) -> async_nats::Message {
        let mut headers = HeaderMap::new();
        marks.into_iter().for_each(|(name, value)| headers.append(name, value));
        async_nats::Message {
            subject: "kez.chat.inbox.alice".into(),
            reply: None,
            payload: payload.into(),
            headers: Some(headers),
            status: None,
            description: None,
            length: payload.len(),
        }
    }

    #[test]
    fn mail_carries_the_marks_of_its_stream() {
        let alice = "alice".parse().unwrap();
        let (message, previous) = read_push(&push(MARKS, "{\"v\": 0}"), &alice).unwrap();
        assert_eq!((message.seq, previous, message.envelope.get()), (12, 9, "{\"v\": 0}"));
        // The server's value is the last.
        let forged = [(headers::NATS_SEQUENCE, "99999"), (headers::NATS_SUBJECT, "kez.store.inbox.3.bob")];
        let (message, _) = read_push(&push(forged.into_iter().chain(MARKS), "{}"), &alice).unwrap();
        assert_eq!(message.seq, 12);

        for missing in MARKS {
            let fewer = MARKS.into_iter().filter(|mark| *mark != missing);
            assert!(read_push(&push(fewer, "{}"), &alice).is_none(), "mail without {missing:?}");
        }
        for mark in [
            (headers::NATS_SUBJECT, "kez.store.inbox.3.bobby"),
            (headers::NATS_SUBJECT, "kez.chat.inbox.alice"),
            (headers::NATS_SEQUENCE, "x"),
            (headers::NATS_LAST_SEQUENCE, "-1"),
            (headers::CREATED_AT, "now"),
        ] {
            assert!(read_push(&push(MARKS.into_iter().chain([mark]), "{}"), &alice).is_none(), "{mark:?}");
        }
        assert!(read_push(&push(MARKS, "hello"), &alice).is_none(), "an envelope is JSON");
        assert!(read_push(&push([], "{}"), &alice).is_none());
    }
}
