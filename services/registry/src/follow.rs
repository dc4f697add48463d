//! Follows the log: every entry, in order, once, into the index.

use std::time::Duration;

use async_nats::jetstream::{
    Message,
    consumer::{
        AckPolicy, DeliverPolicy,
        pull::{Config as ConsumerConfig, Stream as Messages},
    },
};
use futures_util::{FutureExt, StreamExt};
use kez_kit::{Failure, Kind, Life, Nats, ready::Gate, retry::Attempt};
use kez_proto::{Timestamp, registry::Bindings, subjects};
use tokio::{
    sync::watch,
    time::{Instant, interval_at, timeout},
};

use crate::{Config, damage::Error, deployment, folder::Folder, index::Index, writing::Logged};

/// Entries in one transaction, at most; the requests of other tasks come between.
const BATCH: usize = 64;
/// A consumer that says nothing for twice this time is gone, with the server that kept it.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// A new consumer has this time to show something before it is given up because somebody waits.
const GRACE: Duration = Duration::from_secs(1);
/// A consumer is there within milliseconds, or it was put on a server that is away: another try finds another server.
const CREATE: Duration = Duration::from_millis(500);
/// How often a long catching up tells how far it is.
const TELL: Duration = Duration::from_secs(2);

/// Why a consumer isn't followed any more.
enum End {
    /// Another one may do better.
    Again(String),
    /// The log isn't the index's log any more.
    Replaced,
    /// Nothing helps.
    Failed(Failure),
}

impl From<Attempt> for End {
    fn from(attempt: Attempt) -> Self {
        match attempt {
            Attempt::Again(why) => Self::Again(why),
            Attempt::Fail(failure) => Self::Failed(failure),
        }
    }
}

/// Follows the log of one deployment.
pub struct Follower {
    /// Where the log is.
    pub nats: Nats,
    /// The registry's configuration.
    pub config: Config,
    /// The process.
    pub life: Life,
    /// The index's place.
    pub folder: Folder,
    /// Opened once the index has caught up.
    pub gate: Gate,
    /// The index, while it is of use to readers: once caught up, until the log is replaced.
    pub index: watch::Sender<Option<Index>>,
}

impl Follower {
    /// Follows until it fails, or is dropped.
    pub async fn run(self) -> Failure {
        loop {
            let log = match deployment::ensure(&self.nats, &self.config, &self.life).await {
                Ok(log) => log,
                Err(failure) => return failure,
            };
            let index = match self.folder.open(&log) {
                Ok(index) => index,
                Err(failure) => return failure,
            };
            if let Err(failure) = self.keep_up(&index).await {
                return failure;
            }
            self.gate.close("the log was replaced");
            self.index.send_replace(None);
            if let Err(failure) = self.folder.set_aside("the log was replaced") {
                return failure;
            }
        }
    }

    /// Follows with one consumer after the other; `Ok` when the log was replaced.
    async fn keep_up(&self, index: &Index) -> Result<(), Failure> {
        let mut pause = Duration::ZERO;
        let mut told = String::new();
        loop {
            let before = index.applied();
            let end = tokio::select! {
                end = self.follow(index) => end,
                () = index.damaged() => return Err(self.folder.failure(Error::Damaged("a read failed".into()))),
            };
            match end {
                End::Replaced => return Ok(()),
                End::Failed(failure) => return Err(failure),
                End::Again(why) if why != told => {
                    tracing::info!(why, applied = index.applied(), "following the log anew");
                    told = why;
                }
                End::Again(_) => {}
            }
            // The first try comes at once; those that bring nothing come ever later.
            tokio::time::sleep(pause).await;
            if index.applied() > before {
                pause = Duration::ZERO;
                told.clear();
            } else {
                pause = (pause * 2).clamp(Duration::from_millis(50), Duration::from_secs(1));
            }
        }
    }

    async fn follow(&self, index: &Index) -> End {
        match self.try_follow(index).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn try_follow(&self, index: &Index) -> Result<std::convert::Infallible, End> {
        // Before anything is asked, so that no reconnect is missed.
        let mut connections = self.nats.connections();
        connections.mark_unchanged();
        let Some(log) = deployment::inspect(&self.nats, &self.config).await? else {
            // Made anew, the log would be empty, and every handle free for the taking: that is an operator's decision.
            const GONE: &str = "the log is gone: restore its stream, or restart to begin an empty one";
            self.gate.close(GONE);
            return Err(End::Again(GONE.into()));
        };
        if !index.fits(&log) {
            return Err(End::Replaced);
        }
        let mut messages = self.consume(index.applied() + 1).await?;
        let (mut fresh, mut moved) = (true, Instant::now());
        let mut tell = interval_at(Instant::now() + TELL, TELL);
        loop {
            if index.applied() >= log.last {
                self.caught_up(index)?;
            }
            tokio::select! {
                changed = connections.changed() => {
                    return Err(End::Again(if changed.is_ok() { "NATS reconnected" } else { "NATS was closed" }.into()));
                }
                () = index.late() => if moved.elapsed() > GRACE {
                    return Err(End::Again("an entry is late".into()));
                },
                first = messages.next() => {
                    let entries = batch(first, &mut messages)?;
                    check_order(index.applied(), &entries, fresh)?;
                    index.apply(&entries).map_err(|e| End::Failed(self.folder.failure(e)))?;
                    (fresh, moved) = (false, Instant::now());
                }
                _ = tell.tick(), if index.applied() < log.last => {
                    tracing::info!(applied = index.applied(), last = log.last, "reading the log");
                }
            }
        }
    }

    /// An ephemeral consumer in the memory of one server: it dies with that server, and costs nothing to make again.
    async fn consume(&self, start_sequence: u64) -> Result<Messages, End> {
        let name = getrandom::u64().map_err(|e| End::Failed(Failure::internal(e)))?;
        let config = ConsumerConfig {
            name: Some(format!("registry-{name:016x}")),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence },
            ack_policy: AckPolicy::None,
            inactive_threshold: Duration::from_secs(30),
            num_replicas: 1,
            memory_storage: true,
            ..Default::default()
        };
        let create = self.nats.jetstream.create_consumer_on_stream(config, subjects::REGISTRY_STREAM);
        let consumer = timeout(CREATE, create).await.map_err(|_| End::Again("no consumer in time".into()))?;
        let consumer = consumer.map_err(|e| End::Again(format!("no consumer: {e}")))?;
        let messages = consumer.stream().heartbeat(HEARTBEAT).expires(HEARTBEAT * 5).messages().await;
        messages.map_err(|e| End::Again(format!("no messages: {e}")))
    }

    fn caught_up(&self, index: &Index) -> Result<(), End> {
        if index.server() != Some(&self.config.server) {
            let message = format!(
                "the log's first entry names another server than {}; it was tampered with",
                self.config.server
            );
            return Err(End::Failed(Failure::new(Kind::Deployment, message)));
        }
        if self.index.borrow().is_none() {
            tracing::info!(applied = index.applied(), "the index has caught up");
            self.index.send_replace(Some(index.clone()));
        }
        self.gate.open();
        Ok(())
    }
}

/// What has arrived, beginning with `first`.
fn batch(first: Option<Result<Message, impl ToString>>, messages: &mut Messages) -> Result<Vec<Logged>, End> {
    let ended = || End::Again("the consumer ended".into());
    let broken = |e: &dyn ToString| End::Again(e.to_string());
    let first = first.ok_or_else(ended)?.map_err(|e| broken(&e))?;
    let mut entries = vec![logged(first)?];
    while entries.len() < BATCH {
        match messages.next().now_or_never() {
            Some(next) => entries.push(logged(next.ok_or_else(ended)?.map_err(|e| broken(&e))?)?),
            None => break,
        }
    }
    Ok(entries)
}

fn logged(message: Message) -> Result<Logged, End> {
    let info = message.info().map_err(|e| End::Again(e.to_string()))?;
    let (sequence, at) = (info.stream_sequence, Timestamp::from(info.published));
    Ok(Logged { sequence, at, bytes: message.message.payload })
}

/// Nothing may be skipped that the log holds: a hole is believed only if a new consumer begins behind it.
fn check_order(applied: u64, entries: &[Logged], fresh: bool) -> Result<(), End> {
    let mut last = applied;
    for (i, entry) in entries.iter().enumerate() {
        if entry.sequence > last + 1 {
            if !(fresh && i == 0) {
                return Err(End::Again(format!("after entry {last} came {}", entry.sequence)));
            }
            tracing::warn!(after = last, next = entry.sequence, "the log has lost entries");
        }
        last = last.max(entry.sequence);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::entry;

    #[test]
    fn a_hole_is_believed_only_at_the_start_of_a_consumer() {
        let entries = |sequences: &[u64]| sequences.iter().map(|s| entry(*s, b"{}")).collect::<Vec<_>>();
        for fresh in [true, false] {
            assert!(check_order(4, &entries(&[5, 6, 7]), fresh).is_ok());
            assert!(check_order(4, &entries(&[3, 4, 5]), fresh).is_ok());
            assert!(check_order(4, &entries(&[5, 7]), fresh).is_err());
            assert_eq!(check_order(4, &entries(&[6, 7]), fresh).is_ok(), fresh);
        }
    }
}
