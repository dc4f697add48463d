//! One stream's feed: everything behind the cursor, once, in order.
//!
//! The invariant: `cursor` is the sequence of the last message queued for the reader, and no message at or below it is missing. A push is taken
//! only if it names as its predecessor a message at or below the cursor; otherwise the messages between are read from history first.

use std::{sync::Arc, time::Duration};

use async_nats::{Message, Subscriber};
use axum::response::sse::Event;
use futures_util::StreamExt;
use kez_kit::nats::header;
use kez_proto::{
    Handle, Timestamp,
    auth::Caller,
    error::Action,
    headers, limits,
    mail::{self, History, Opened, Page, ReadAuth},
    sse::{self, Ready, Resync, ResyncReason},
    subjects,
};
use serde_json::value::RawValue;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::{
    heads::Watch,
    queue::{NotQueued, Queue},
};
use crate::Gateway;

/// Between attempts to read history that couldn't be read.
const PAUSE: Duration = Duration::from_millis(200);
/// How often a stream's credential is looked at again without a reason, ± a quarter.
const REREAD: Duration = Duration::from_secs(600);
/// Attempts to see a message that the leader has in what a replica gives.
const STALE_READS: u32 = 20;

pub struct Feed {
    gateway: Arc<Gateway>,
    handle: Handle,
    auth: Caller,
    live: Subscriber,
    queue: Queue,
    watch: Watch,
    owner: watch::Receiver<()>,
    cursor: u64,
    /// The highest sequence that was pushed while the feed waited for its reader, and not kept.
    missed: u64,
    epoch: String,
}

/// Why a feed ends.
enum End {
    /// The reader is gone, or NATS closed for good.
    Gone,
    /// The reader starts again from the cursor, because of this.
    Resync(ResyncReason),
    /// The process stops, or the stream is old: the reader comes back after this many milliseconds.
    Return(u64),
}

impl From<NotQueued> for End {
    fn from(e: NotQueued) -> Self {
        match e {
            NotQueued::Full => End::Resync(ResyncReason::Slow),
            NotQueued::Closed => End::Gone,
        }
    }
}

impl Feed {
    pub fn new(
        gateway: Arc<Gateway>,
        handle: Handle,
        auth: Caller,
        live: Subscriber,
        queue: Queue,
        cursor: u64,
        epoch: String,
    ) -> Self {
        let watch = gateway.streams.heads.watch(handle.clone());
        let owner = gateway.streams.owners.watch(&handle);
        Self { gateway, handle, auth, live, queue, watch, owner, cursor, missed: 0, epoch }
    }

    /// Feeds the queue until the reader goes, is too slow, or the process stops.
    pub async fn run(mut self, opened: Opened) {
        let open = self.gateway.counts.streams.clone();
        open.inc();
        let end = match self.feed(opened).await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        match end {
            End::Gone => {}
            End::Resync(reason) => {
                let word = self.resync(reason);
                self.queue.end(word);
            }
            End::Return(after) => {
                self.queue.end(Event::default().retry(Duration::from_millis(after)).comment("come back"))
            }
        }
        open.dec();
    }

    async fn feed(&mut self, opened: Opened) -> Result<std::convert::Infallible, End> {
        let ready = Ready { cursor: self.cursor, epoch: self.epoch.clone() };
        let retry = Duration::from_millis(fastrand::u64(1000..3000));
        self.queue.push(json(Event::default().event(sse::READY).retry(retry), &ready), 0)?;
        if opened.resync {
            let word = self.resync(ResyncReason::Cursor);
            self.queue.push(word, 0)?;
        }
        // What opened the stream serves for repairs so long, and streams that began together shouldn't end together.
        let lifetime = limits::STREAM_LIFETIME.mul_f64(fastrand::f64().mul_add(-0.2, 0.95));
        let session = opened.session_seconds.map_or(lifetime, Duration::from_secs);
        let old = Instant::now() + lifetime.min(session);
        // Word of a change of owners may be lost.
        let again = || REREAD.mul_f64(fastrand::f64().mul_add(0.5, 0.75));
        let mut reread = Instant::now() + again();
        self.deliver_history(opened.page).await?;
        self.watch.hurry();

        let shutdown = self.gateway.streams.life.shutdown.clone();
        loop {
            let missed = std::mem::take(&mut self.missed);
            if missed > self.cursor {
                self.repair(missed).await?;
                continue;
            }
            tokio::select! {
                push = self.live.next() => match push {
                    Some(push) => self.on_push(push).await?,
                    None => return Err(End::Gone),
                },
                head = self.watch.next() => if head > self.cursor {
                    tracing::debug!("a head check found a gap");
                    self.repair(head).await?;
                },
                Ok(()) = self.owner.changed() => self.reread().await?,
                () = sleep_until(reread) => {
                    self.reread().await?;
                    reread = Instant::now() + again();
                }
                () = self.queue.closed() => return Err(End::Gone),
                () = sleep_until(old) => return Err(End::Return(fastrand::u64(0..1000))),
                () = shutdown.cancelled() => {
                    // Everybody at once would come back at once.
                    let window = self.gateway.streams.drain.mul_f64(0.8 * fastrand::f64());
                    tokio::select! { () = sleep(window) => {}, () = self.queue.closed() => {} }
                    return Err(End::Return(fastrand::u64(500..3000)));
                }
            }
        }
    }

    /// Reads on, and doesn't go on before there is an answer: reading takes a good credential, and whoever lost the handle meanwhile is refused.
    async fn reread(&mut self) -> Result<(), End> {
        loop {
            match self.history().await? {
                Some(page) => return self.deliver_history(page).await,
                None => self.pause().await?,
            }
        }
    }

    async fn on_push(&mut self, push: Message) -> Result<(), End> {
        let Some(push) = Push::read(&push, &self.handle) else {
            tracing::warn!("something that isn't mail came to an inbox subject");
            return Ok(());
        };
        if push.seq <= self.cursor {
            return Ok(());
        }
        if push.previous > self.cursor {
            tracing::debug!("a push names a predecessor that was missed");
            return self.repair(push.seq).await;
        }
        let Ok(envelope) = serde_json::from_slice::<&RawValue>(&push.envelope) else {
            tracing::error!(seq = push.seq, "a stored message isn't JSON");
            return Ok(());
        };
        let (event, bytes) = message(&mail::Message { seq: push.seq, created_at: push.created_at, envelope });
        self.queue.push(event, bytes)?;
        self.gateway.counts.pushed(push.stored);
        self.cursor = push.seq;
        Ok(())
    }

    /// Delivers everything up to `target`, which is known to have been stored, from history. While history can't be read, it waits: live messages
    /// wait in the subscription, and what overflows there is a gap again.
    async fn repair(&mut self, target: u64) -> Result<(), End> {
        self.gateway.counts.repairs.inc();
        let mut stale = 0;
        while self.cursor < target {
            match self.history().await? {
                None => self.pause().await?,
                Some(page) => {
                    let before = self.cursor;
                    self.deliver_history(page).await?;
                    if self.cursor > before {
                        continue;
                    }
                    // A replica that lags, or mail that was deleted in the meantime: the leader knows.
                    if self.leader_has_no_more().await {
                        return Ok(());
                    }
                    stale += 1;
                    if stale > STALE_READS {
                        return Err(End::Resync(ResyncReason::Gap));
                    }
                    self.pause().await?;
                }
            }
        }
        Ok(())
    }

    async fn pause(&self) -> Result<(), End> {
        tokio::select! {
            () = sleep(PAUSE) => Ok(()),
            () = self.queue.closed() => Err(End::Gone),
            () = self.gateway.streams.life.shutdown.cancelled() => Err(End::Return(fastrand::u64(500..3000))),
        }
    }

    async fn leader_has_no_more(&self) -> bool {
        let request = mail::Heads { handles: vec![self.handle.clone()] };
        let answer = self.gateway.ask_json(subjects::FANOUT_HEADS, &request).await;
        let heads = answer.ok().and_then(|a| serde_json::from_slice::<mail::HeadsAnswer>(&a).ok());
        heads.is_some_and(|h| h.heads.first().is_some_and(|&head| head <= self.cursor))
    }

    /// A page behind the cursor; none if it can't be had now.
    async fn history(&self) -> Result<Option<Page>, End> {
        let auth = ReadAuth::Stream(self.auth.clone());
        let request = History {
            handle: self.handle.to_string(),
            since: self.cursor,
            limit: limits::PAGE_DEFAULT,
            auth,
        };
        match self.gateway.ask_json(subjects::FANOUT_HISTORY, &request).await {
            Ok(answer) => match serde_json::from_slice::<Page>(&answer) {
                // The store was restored from a backup: its sequences are others. The reader comes back, and begins anew.
                Ok(page) if page.epoch != self.epoch => Err(End::Return(0)),
                page => Ok(page.ok()),
            },
            Err(refusal) if refusal.0.code.action() == Action::Retry => Ok(None),
            // The handle has another key now, or the signature is too old: the reader must sign again.
            Err(_) => Err(End::Return(0)),
        }
    }

    /// Queues a page and all that follow it.
    async fn deliver_history(&mut self, first: Page) -> Result<(), End> {
        let mut page = Some(first);
        loop {
            let Some(current) = page else {
                self.pause().await?;
                page = self.history().await?;
                continue;
            };
            for entry in &current.messages {
                let (event, bytes) = message(entry);
                let queued = self.queue.wait_push(event, bytes);
                tokio::select! {
                    queued = without_keeping(&mut self.live, &mut self.missed, queued) => queued?,
                    () = self.gateway.streams.life.shutdown.cancelled() => return Err(End::Return(fastrand::u64(500..3000))),
                }
                self.gateway.counts.delivered.inc();
                self.cursor = entry.seq;
            }
            if current.next.is_none() {
                return Ok(without_keeping(&mut self.live, &mut self.missed, self.queue.drained()).await?);
            }
            page = self.history().await?;
        }
    }

    fn resync(&self, reason: ResyncReason) -> Event {
        self.gateway.counts.resync(reason);
        json(
            Event::default().event(sse::RESYNC),
            &Resync { reason, cursor: self.cursor, epoch: self.epoch.clone() },
        )
    }
}

/// Waits for the reader. What is pushed meanwhile isn't kept, or a reader who doesn't read would hold as much memory as is sent to them: history
/// has it.
async fn without_keeping<T>(live: &mut Subscriber, missed: &mut u64, waiting: impl Future<Output = T>) -> T {
    tokio::pin!(waiting);
    loop {
        tokio::select! {
            biased;
            done = &mut waiting => return done,
            Some(push) = live.next() => {
                let seq = header(push.headers.as_ref(), headers::NATS_SEQUENCE).and_then(|v| v.parse().ok());
                *missed = (*missed).max(seq.unwrap_or(0));
            }
        }
    }
}

/// A push as its stream sent it.
struct Push {
    seq: u64,
    previous: u64,
    created_at: Timestamp,
    /// By nats-server's clock.
    stored: Option<OffsetDateTime>,
    envelope: bytes::Bytes,
}

impl Push {
    /// `None` unless it carries the marks that only the inbox's own stream makes.
    fn read(message: &Message, handle: &Handle) -> Option<Self> {
        let value = |name| header(message.headers.as_ref(), name);
        subjects::is_store_of(value(headers::NATS_SUBJECT)?, handle).then_some(())?;
        Some(Self {
            seq: value(headers::NATS_SEQUENCE)?.parse().ok()?,
            previous: value(headers::NATS_LAST_SEQUENCE)?.parse().ok()?,
            created_at: value(headers::CREATED_AT)?.parse().ok()?,
            stored: value(headers::NATS_TIME_STAMP).and_then(|at| OffsetDateTime::parse(at, &Rfc3339).ok()),
            envelope: message.payload.clone(),
        })
    }
}

/// A message as an event, and its size in bytes.
fn message<E: serde::Serialize>(message: &mail::Message<E>) -> (Event, usize) {
    let text = serde_json::to_string(message).unwrap_or_default();
    // In JSON a line break stands between tokens only, and an event's data can't hold a carriage return.
    let text = if text.contains(['\r', '\n']) { text.replace(['\r', '\n'], " ") } else { text };
    let bytes = text.len();
    (Event::default().event(sse::MESSAGE).id(message.seq.to_string()).data(text), bytes)
}

fn json(event: Event, data: &impl serde::Serialize) -> Event {
    event.data(serde_json::to_string(data).unwrap_or_default())
}
