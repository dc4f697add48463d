//! The bounded queue between a stream's feed and its reader. Live messages never wait for a slow reader: past the bound the stream ends with a
//! last word. History waits, since it is read at the reader's pace.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::response::sse::Event;
use futures_util::Stream;
use kez_proto::limits::{STREAM_QUEUE_BYTES, STREAM_QUEUE_MESSAGES};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};

/// A reader that takes nothing of its history for so long is too slow.
const STALLED: Duration = Duration::from_secs(30);

/// The feed's end.
pub struct Queue {
    events: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
    last_word: LastWord,
}

/// The reader's end: the response body.
pub struct Events {
    events: mpsc::Receiver<Queued>,
    last_word: LastWord,
}

/// An event and its bytes' worth of room, given back when the reader takes it.
type Queued = (Event, OwnedSemaphorePermit);
type LastWord = Arc<Mutex<Option<Event>>>;

/// Why an event couldn't be queued.
#[derive(Debug, PartialEq, Eq)]
pub enum NotQueued {
    /// The reader is too slow.
    Full,
    /// The reader is gone.
    Closed,
}

pub fn bounded() -> (Queue, Events) {
    let (sender, receiver) = mpsc::channel(STREAM_QUEUE_MESSAGES);
    let last_word = LastWord::default();
    let room = Arc::new(Semaphore::new(STREAM_QUEUE_BYTES));
    (Queue { events: sender, room, last_word: last_word.clone() }, Events { events: receiver, last_word })
}

/// A message larger than the whole room takes all of it.
fn worth(bytes: usize) -> u32 {
    bytes.min(STREAM_QUEUE_BYTES) as u32
}

impl Queue {
    /// Queues a live event of so many bytes.
    pub fn push(&self, event: Event, bytes: usize) -> Result<(), NotQueued> {
        let room = self.room.clone().try_acquire_many_owned(worth(bytes)).map_err(|_| NotQueued::Full)?;
        self.events.try_send((event, room)).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => NotQueued::Full,
            mpsc::error::TrySendError::Closed(_) => NotQueued::Closed,
        })
    }

    /// Queues an event at the reader's pace.
    pub async fn wait_push(&self, event: Event, bytes: usize) -> Result<(), NotQueued> {
        let push = async {
            let room =
                self.room.clone().acquire_many_owned(worth(bytes)).await.map_err(|_| NotQueued::Closed)?;
            self.events.send((event, room)).await.map_err(|_| NotQueued::Closed)
        };
        tokio::select! {
            pushed = timeout(STALLED, push) => pushed.unwrap_or(Err(NotQueued::Full)),
            () = self.closed() => Err(NotQueued::Closed),
        }
    }

    /// Waits until the reader has taken everything: history that fills the queue isn't slowness.
    pub async fn drained(&self) -> Result<(), NotQueued> {
        match timeout(STALLED, self.events.reserve_many(STREAM_QUEUE_MESSAGES)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(NotQueued::Closed),
            Err(_) => Err(NotQueued::Full),
        }
    }

    /// Ends the stream: what is queued, then this.
    pub fn end(self, last_word: Event) {
        *self.last_word.lock().unwrap_or_else(PoisonError::into_inner) = Some(last_word);
    }

    /// Until the reader is gone.
    pub async fn closed(&self) {
        self.events.closed().await;
    }
}

impl Stream for Events {
    type Item = Result<Event, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_recv(cx).map(|next| match next {
            Some((event, _room)) => Some(Ok(event)),
            None => self.last_word.lock().unwrap_or_else(PoisonError::into_inner).take().map(Ok),
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    fn event(n: usize) -> Event {
        Event::default().id(n.to_string())
    }

    #[tokio::test]
    async fn a_slow_reader_gets_what_was_queued_and_the_last_word() {
        let (queue, events) = bounded();
        let mut taken = 0;
        while queue.push(event(taken), 10) == Ok(()) {
            taken += 1;
        }
        assert_eq!(taken, STREAM_QUEUE_MESSAGES);
        queue.end(event(999));
        assert_eq!(events.count().await, taken + 1);
    }

    #[tokio::test]
    async fn bytes_are_bounded_too_but_one_message_always_fits() {
        let (queue, mut events) = bounded();
        assert_eq!(queue.push(event(1), STREAM_QUEUE_BYTES * 2), Ok(()));
        assert_eq!(queue.push(event(2), 1), Err(NotQueued::Full));
        assert!(events.next().await.is_some());
        assert_eq!(queue.drained().await, Ok(()));
        assert_eq!(queue.push(event(2), 1), Ok(()));
        drop(events);
        assert_eq!(queue.push(event(3), 1), Err(NotQueued::Closed));
        queue.closed().await;
    }
}
