//! A mail stream over HTTP that heals itself: one connection at a time, signed anew each time, always resumed behind the last message given out.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{Stream, StreamExt, stream};
use kez_proto::{Code, Handle, mail::Message, sse::ResyncReason};

use crate::{
    Client, Cursor, Error, Identity,
    retry::Reconnect,
    wire::{Connection, End, Wire},
};

/// What happens on a stream.
#[derive(Debug)]
pub enum Event {
    /// The stream is open; messages behind `seq` follow. Another epoch than before means that `seq` begins at 0 again.
    Connected {
        /// The server's epoch.
        epoch: String,
        /// The place that it goes on from.
        seq: u64,
    },
    /// A message, each once and in order within an epoch. After a resync, messages may come again.
    Message(Message),
    /// The server sent the reader back to `seq`.
    Resync {
        /// Why.
        reason: ResyncReason,
        /// The server's epoch.
        epoch: String,
        /// The place that it goes on from.
        seq: u64,
    },
    /// There is no connection now; nothing is lost, and another one follows by itself.
    Disconnected {
        /// Why, for people.
        reason: String,
        /// How long until the next try.
        retry_in: Duration,
    },
}

/// A connection that lasted so long, or brought a message, was a good one.
pub(crate) const GOOD: Duration = Duration::from_secs(10);

/// Keeps a stream of this inbox open behind `cursor`, until it is dropped. It ends after its only `Err`: a refusal that no later
/// try can change (a foreign key, an unknown handle, at the first connection a clock that is off), or a server that doesn't speak this protocol.
pub fn listen(
    client: Client,
    identity: Arc<Identity>,
    handle: Handle,
    cursor: Cursor,
) -> impl Stream<Item = Result<Event, Error>> + Send + Unpin {
    let listener = Listener {
        client,
        identity,
        handle,
        cursor,
        link: Link::Down(Duration::ZERO),
        reconnect: Reconnect::new(),
        known: false,
        signed_again: false,
    };
    stream::unfold(listener, async |mut listener| listener.next().await.map(|event| (event, listener)))
        .boxed()
}

struct Listener {
    client: Client,
    identity: Arc<Identity>,
    handle: Handle,
    /// Everything up to here was given out.
    cursor: Cursor,
    link: Link,
    reconnect: Reconnect,
    /// The server has been connected to before: what answers instead of it now may be a proxy while the server is away.
    known: bool,
    /// The last attempt was refused for its signature, which a new one may heal once.
    signed_again: bool,
}

enum Link {
    Down(Duration),
    Up { connection: Box<Connection>, since: Instant, ready: bool, good: bool },
    Over,
}

impl Listener {
    async fn next(&mut self) -> Option<Result<Event, Error>> {
        loop {
            let step = match &mut self.link {
                Link::Over => return None,
                Link::Down(wait) => {
                    tokio::time::sleep(*wait).await;
                    self.connect().await
                }
                Link::Up { connection, .. } => match connection.next().await {
                    Ok((wire, retry)) => {
                        if let Some(floor) = retry {
                            self.reconnect.set_floor(floor);
                        }
                        self.take(wire)
                    }
                    Err(End::Lost(reason)) => Ok(Some(self.lost(reason, None))),
                    Err(End::Malformed(detail)) => Err(self.client.protocol(detail)),
                },
            };
            match step {
                Ok(None) => {}
                Ok(Some(event)) => return Some(Ok(event)),
                Err(error) => {
                    self.link = Link::Over;
                    return Some(Err(error));
                }
            }
        }
    }

    async fn connect(&mut self) -> Result<Option<Event>, Error> {
        match self.client.open_stream(&self.identity, &self.handle, &self.cursor).await {
            Ok(bytes) => {
                let connection = Box::new(Connection::new(bytes));
                self.link = Link::Up { connection, since: Instant::now(), ready: false, good: false };
                Ok(None)
            }
            Err(error) => {
                let sign_again =
                    error.wants_new_signature() && !std::mem::replace(&mut self.signed_again, true);
                let stand_in = self.known && matches!(error, Error::Protocol { .. });
                // The wrong clock may be that of one instance of several.
                let other_clock = self.known && error.code() == Some(Code::StaleTimestamp);
                if !(error.is_transient() || sign_again || stand_in || other_clock) {
                    return Err(error);
                }
                Ok(Some(self.lost(error.to_string(), error.retry_after())))
            }
        }
    }

    /// What an event of the server means for the reader.
    fn take(&mut self, wire: Wire) -> Result<Option<Event>, Error> {
        let Link::Up { ready, good, .. } = &mut self.link else { return Ok(None) };
        match wire {
            Wire::Other => Ok(None),
            Wire::Ready(data) => {
                self.cursor.ready(&data).map_err(|_| {
                    self.client.protocol("its stream began behind the place that was asked for".to_owned())
                })?;
                *ready = true;
                self.known = true;
                self.signed_again = false;
                Ok(Some(Event::Connected { epoch: data.epoch, seq: self.cursor.seq }))
            }
            // Its epoch isn't known, and so neither is whether its `seq` is a new one.
            Wire::Message(_) if !*ready => {
                Err(self.client.protocol("a message came before `ready`".to_owned()))
            }
            Wire::Message(message) => {
                *good = true;
                Ok(self.cursor.advance(message.seq).then_some(Event::Message(message)))
            }
            Wire::Resync(data) => {
                let ends = self.cursor.resync(&data);
                if ends {
                    self.hang_up(None);
                }
                Ok(Some(Event::Resync { reason: data.reason, epoch: data.epoch, seq: self.cursor.seq }))
            }
        }
    }

    fn lost(&mut self, reason: String, asked: Option<Duration>) -> Event {
        let retry_in = self.hang_up(asked);
        Event::Disconnected { reason, retry_in }
    }

    fn hang_up(&mut self, asked: Option<Duration>) -> Duration {
        if let Link::Up { since, good, .. } = &self.link
            && (*good || since.elapsed() >= GOOD)
        {
            self.reconnect.reset();
        }
        let wait = self.reconnect.next(asked);
        self.link = Link::Down(wait);
        wait
    }
}
