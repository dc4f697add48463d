//! The bytes of a mail stream, as events of the protocol.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use eventsource_stream::{EventStream, EventStreamError, Eventsource};
use futures_util::{Stream, StreamExt, stream::BoxStream};
use kez_proto::{
    mail::Message,
    sse::{self, Ready, Resync},
};

use crate::Error;

/// Bytes without a whole event in them, at most: the longest message, several times over.
const EVENT_BYTES: usize = 4 * 1024 * 1024;

/// What the server says.
#[derive(Debug)]
pub(crate) enum Wire {
    Ready(Ready),
    Message(Message),
    Resync(Resync),
    /// A ping, or an event of a newer server.
    Other,
}

/// Why a connection ends.
#[derive(Debug)]
pub(crate) enum End {
    /// The connection broke, or the server closed it.
    Lost(String),
    /// What came isn't this protocol; another connection would bring the same.
    Malformed(String),
}

/// An open connection.
pub(crate) struct Connection {
    events: EventStream<BoxStream<'static, Result<Bytes, String>>>,
    unparsed: Arc<AtomicUsize>,
}

impl Connection {
    pub(crate) fn new(bytes: impl Stream<Item = Result<Bytes, Error>> + Send + 'static) -> Self {
        let unparsed = Arc::new(AtomicUsize::new(0));
        let count = unparsed.clone();
        let bytes = bytes.map(move |chunk| {
            let chunk = chunk.map_err(|e| match e {
                Error::Transport { reason, .. } => reason,
                other => other.to_string(),
            })?;
            let waiting = count.fetch_add(chunk.len(), Ordering::Relaxed) + chunk.len();
            if waiting > EVENT_BYTES { Err("an event without an end".to_owned()) } else { Ok(chunk) }
        });
        Self { events: bytes.boxed().eventsource(), unparsed }
    }

    /// The next event, and the server's `retry:` if it came with it.
    pub(crate) async fn next(&mut self) -> Result<(Wire, Option<Duration>), End> {
        let event = match self.events.next().await {
            Some(Ok(event)) => event,
            Some(Err(EventStreamError::Transport(reason))) => return Err(End::Lost(reason)),
            Some(Err(other)) => return Err(End::Malformed(other.to_string())),
            None => return Err(End::Lost("the server ended the stream".to_owned())),
        };
        self.unparsed.store(0, Ordering::Relaxed);
        let wire = read(&event)
            .map_err(|e| End::Malformed(format!("its {} event can't be read: {e}", event.event)))?;
        Ok((wire, event.retry))
    }
}

fn read(event: &eventsource_stream::Event) -> Result<Wire, serde_json::Error> {
    Ok(match event.event.as_str() {
        sse::READY => Wire::Ready(serde_json::from_str(&event.data)?),
        sse::MESSAGE => Wire::Message(serde_json::from_str(&event.data)?),
        sse::RESYNC => Wire::Resync(serde_json::from_str(&event.data)?),
        _ => Wire::Other,
    })
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn connection(chunks: Vec<Result<&'static str, Error>>) -> Connection {
        Connection::new(stream::iter(chunks).map(|c| c.map(Bytes::from)))
    }

    #[tokio::test]
    async fn events_in_pieces() {
        let mut connection = connection(vec![
            Ok("retry: 2000\nevent: ready\ndata: {\"cursor\":0,\"ep"),
            Ok(
                "och\":\"e1\"}\n\nevent: ping\ndata:\n\nevent: of_tomorrow\ndata: x\n\nid: 3\nevent: message\n",
            ),
            Ok("data: {\"seq\":3,\"created_at\":\"2026-05-25T03:00:00Z\",\"envelope\":{\"v\": 0}}\n\n"),
            Ok(
                "event: resync\ndata: {\"reason\":\"slow\",\"cursor\":3,\"epoch\":\"e1\"}\n\nevent: message\ndata: {\"seq\"",
            ),
        ]);
        let (wire, retry) = connection.next().await.unwrap();
        assert!(matches!(wire, Wire::Ready(Ready { cursor: 0, epoch }) if epoch == "e1"));
        assert_eq!(retry, Some(Duration::from_secs(2)));
        assert!(matches!(connection.next().await, Ok((Wire::Other, None))));
        assert!(matches!(connection.next().await, Ok((Wire::Other, None))));
        assert!(
            matches!(connection.next().await, Ok((Wire::Message(m), None)) if m.seq == 3 && m.envelope.get() == "{\"v\": 0}")
        );
        assert!(matches!(connection.next().await, Ok((Wire::Resync(Resync { cursor: 3, .. }), None))));
        assert!(matches!(connection.next().await, Err(End::Lost(_))), "half an event was taken");
    }

    #[tokio::test]
    async fn a_broken_connection_differs_from_a_foreign_one() {
        let broken = Error::Transport { url: "u".into(), reason: "reset".into() };
        assert!(
            matches!(connection(vec![Err(broken)]).next().await, Err(End::Lost(reason)) if reason == "reset")
        );
        assert!(matches!(
            connection(vec![Ok("event: message\ndata: {}\n\n")]).next().await,
            Err(End::Malformed(_))
        ));
        assert!(matches!(
            connection(vec![Ok("event: ready\ndata: \n\n")]).next().await,
            Err(End::Malformed(_))
        ));
    }

    #[tokio::test]
    async fn an_endless_event_is_cut_off() {
        let chunk = Bytes::from(vec![b'x'; 256 * 1024]);
        let mut connection = Connection::new(stream::repeat_with(move || Ok(chunk.clone())));
        assert!(
            matches!(connection.next().await, Err(End::Lost(reason)) if reason.contains("without an end"))
        );
    }
}
