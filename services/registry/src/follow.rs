//! Follows the log: every entry, in order, once, into the index.
//!
//! Without a consumer: in a cluster, making one takes the meta leader, and it lives on one server; when either is away, an instance would
//! stand still for seconds although the log goes on. Any replica answers a read, and what is read is the same everywhere. When to read is told
//! by those who wait for an entry, by the log's own announcements, and by a look at the log itself.

use std::{convert::Infallible, time::Duration};

use async_nats::Subscriber;
use futures_util::StreamExt;
use kez_kit::{Failure, Kind, Life, Nats, nats::header, ready::Gate, retry::Attempt};
use kez_proto::{headers, registry::Bindings, subjects};
use prometheus_client::metrics::gauge::Gauge;
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, sleep},
};

use crate::{
    Config,
    damage::Error,
    deployment::{self, Log},
    folder::Folder,
    index::Index,
    log,
    writing::Logged,
};

/// How often the log itself is looked at: what no announcement told is found, and whether it is still the same log.
const LOOK: Duration = Duration::from_secs(5);
/// An entry that exists is on every replica within milliseconds; after this time something is wrong.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between looks at a disk that refuses.
const RETRY: Duration = Duration::from_secs(1);
/// How often a long catching up tells how far it is.
const TELL: Duration = Duration::from_secs(2);

/// Why following ended.
enum End {
    /// It may go on at another try.
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
    /// Open once the index has caught up.
    pub gate: Gate,
    /// The index, while it is of use to readers: once caught up, until the log is replaced.
    pub index: watch::Sender<Option<Index>>,
    /// Entries of the log that are known of and aren't in the index.
    pub lag: Gauge,
}

impl Follower {
    /// Follows until it fails, or is dropped.
    pub async fn run(self) -> Failure {
        match self.follow_every_log().await {
            Ok(never) => match never {},
            Err(failure) => failure,
        }
    }

    async fn follow_every_log(&self) -> Result<Infallible, Failure> {
        let mut first = true;
        loop {
            let log = deployment::ensure(&self.nats, &self.config, &self.life).await?;
            let index = match self.folder.open(&log) {
                // The disk may refuse again, or requests may still hold the index as it was.
                Err(failure) if failure.kind == Kind::Disk && !first => {
                    sleep(RETRY).await;
                    continue;
                }
                outcome => outcome?,
            };
            first = false;
            match self.follow_one(&index).await {
                Ok(()) => {
                    self.gate.close("the log was replaced");
                    self.index.send_replace(None);
                    self.folder.set_aside("the log was replaced")?;
                }
                // Once it has served, a disk that begins to refuse may come round; who has which handle is told meanwhile.
                Err(failure) if failure.kind == Kind::Disk && self.index.borrow().is_some() => {
                    tracing::error!(%failure, "the index can't be written; waiting for the disk");
                    self.gate.close(failure.message);
                    while !self.folder.is_writable() {
                        sleep(RETRY).await;
                    }
                    // sled writes no more after a failure: only another opening does.
                    self.index.send_replace(None);
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Follows through all troubles; `Ok` when the log was replaced.
    async fn follow_one(&self, index: &Index) -> Result<(), Failure> {
        let mut connections = self.nats.connections();
        let (mut pause, mut told) = (Duration::ZERO, String::new());
        loop {
            let before = index.applied();
            let end = tokio::select! {
                Err(end) = self.follow(index, &mut connections) => end,
                () = index.damaged() => End::Failed(self.folder.failure(Error::Damaged("a read failed".into()))),
            };
            if index.applied() > before {
                (pause, told) = (Duration::ZERO, String::new());
            }
            match end {
                End::Replaced => return Ok(()),
                End::Failed(failure) => return Err(failure),
                End::Again(why) if why != told => {
                    tracing::info!(why, applied = index.applied(), "the log can't be followed; trying again");
                    told = why;
                }
                End::Again(_) => {}
            }
            // A new connection is worth a try at once.
            let _ = tokio::time::timeout(pause, connections.changed()).await;
            pause = (pause * 2).clamp(Duration::from_millis(50), Duration::from_secs(1));
        }
    }

    async fn follow(&self, index: &Index, connections: &mut watch::Receiver<u64>) -> Result<Infallible, End> {
        // Before the first look, so that nothing falls between.
        let bell = self.nats.client.subscribe(subjects::REGISTRY_CHANGED).await;
        let mut bell = bell.map_err(|e| End::Again(e.to_string()))?;
        loop {
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
            self.read_up_to(log.last, index, &log).await?;
            self.written(index).await?;
            self.caught_up(index)?;
            self.listen(index, &log, &mut bell, connections).await?;
        }
    }

    /// Reads what is announced or wanted, until it is time to look at the log itself.
    async fn listen(
        &self,
        index: &Index,
        log: &Log,
        bell: &mut Subscriber,
        connections: &mut watch::Receiver<u64>,
    ) -> Result<(), End> {
        let look = sleep(LOOK);
        tokio::pin!(look);
        loop {
            let sequence = tokio::select! {
                () = &mut look => return Ok(()),
                // Announcements may have been missed meanwhile.
                changed = connections.changed() => return changed.map_err(|_| End::Again("NATS was closed".into())),
                sequence = index.wanted() => sequence,
                rung = bell.next() => {
                    let rung = rung.ok_or_else(|| End::Again("the announcements ended".into()))?;
                    header(rung.headers.as_ref(), headers::NATS_SEQUENCE).and_then(|s| s.parse().ok()).unwrap_or(0)
                }
            };
            self.read_up_to(sequence, index, log).await?;
        }
    }

    async fn read_up_to(&self, sequence: u64, index: &Index, log: &Log) -> Result<(), End> {
        let (mut pause, mut moved, mut told) = (Duration::from_millis(1), Instant::now(), Instant::now());
        loop {
            self.lag.set(sequence.saturating_sub(index.applied()) as i64);
            if index.applied() >= sequence {
                return Ok(());
            }
            let entries = log::read(&self.nats, index.applied() + 1).await?;
            if entries.is_empty() {
                if moved.elapsed() > PATIENCE {
                    return Err(End::Again(format!("no replica of the log has entry {sequence}")));
                }
                sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(100));
                continue;
            }
            check_order(index.applied(), &entries, log)?;
            index.apply(&entries).map_err(|e| End::Failed(self.folder.failure(e)))?;
            (pause, moved) = (Duration::from_millis(1), Instant::now());
            if told.elapsed() > TELL {
                tracing::info!(applied = index.applied(), last = sequence, "reading the log");
                told = Instant::now();
            }
        }
    }

    /// sled writes later, and keeps a failure to itself until it is asked.
    async fn written(&self, index: &Index) -> Result<(), End> {
        let index = index.clone();
        match spawn_blocking(move || index.flush()).await {
            Ok(flushed) => flushed.map_err(|e| End::Failed(self.folder.failure(e))),
            Err(e) => Err(End::Failed(Failure::internal(e))),
        }
    }

    fn caught_up(&self, index: &Index) -> Result<(), End> {
        if index.server() != Some(&self.config.server) {
            let message =
                format!("the log doesn't begin with the server {}: restore its stream", self.config.server);
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

/// Nothing may be skipped that the log holds: a hole is believed only if the stream's leader has lost entries, too.
fn check_order(applied: u64, entries: &[Logged], log: &Log) -> Result<(), End> {
    let mut last = applied;
    for entry in entries {
        if entry.sequence != last + 1 {
            if entry.sequence <= last || log.whole {
                return Err(End::Again(format!("a replica gave entry {} after {last}", entry.sequence)));
            }
            tracing::warn!(after = last, next = entry.sequence, "the log has lost entries");
        }
        last = entry.sequence;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::entry;

    #[test]
    fn a_hole_is_believed_only_if_the_log_itself_has_one() {
        let entries = |sequences: &[u64]| sequences.iter().map(|s| entry(*s, b"{}")).collect::<Vec<_>>();
        for whole in [true, false] {
            let log = Log { whole, ..crate::testing::log("e1", 9) };
            assert!(check_order(4, &entries(&[5, 6, 7]), &log).is_ok());
            assert_eq!(check_order(4, &entries(&[5, 7]), &log).is_ok(), !whole);
            assert_eq!(check_order(4, &entries(&[6, 7]), &log).is_ok(), !whole);
            assert!(check_order(4, &entries(&[4, 5]), &log).is_err());
            assert!(check_order(4, &entries(&[6, 5]), &log).is_err());
        }
    }
}
