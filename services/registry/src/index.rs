//! The index: what the log's entries add up to, and how far it has read. Never the truth: whoever loses it reads the log again.

use std::{
    fmt::Display,
    path::Path,
    str::FromStr,
    sync::{Arc, OnceLock},
};

use kez_proto::{
    Handle, Primary, ServerName,
    registry::{Binding, Bindings, Holding, Ruling, Standing},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sled::{
    Transactional, Tree,
    transaction::{ConflictableTransactionError as Abort, TransactionError},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    damage::{Error, damaged, guard},
    deployment::{Log, LogId},
    writing::{Logged, Writing},
};

const CACHE_BYTES: u64 = 64 << 20;
const CHECKPOINT: &str = "checkpoint";
/// Where `meta` keeps the genesis entry's server.
pub const SERVER: &str = "server";
/// Where `meta` keeps the operator's key.
pub const OPERATOR: &str = "operator";
/// Where `meta` keeps what is ordered about limits.
pub const RULING: &str = "ruling";

/// What the trees hold, and how. An index of another format is built anew.
const FORMAT: u32 = 4;

#[derive(Serialize, Deserialize)]
struct Checkpoint {
    #[serde(default)]
    format: u32,
    log: LogId,
    sequence: u64,
}

/// An open index. Cheap to clone; one writer, any number of readers.
#[derive(Clone, Debug)]
pub struct Index {
    db: sled::Db,
    /// Handle → [`Holding`] as JSON.
    handles: Tree,
    /// Key (32 bytes) → handle.
    primaries: Tree,
    /// Key (32 bytes) → the handle that it gave to another key.
    retired: Tree,
    /// Handle → [`Standing`] as JSON.
    standings: Tree,
    /// The checkpoint, the genesis entry's server, the operator's key and the [`Ruling`] as JSON.
    meta: Tree,
    log: LogId,
    server: Arc<OnceLock<ServerName>>,
    applied: Arc<watch::Sender<u64>>,
    wanted: Arc<watch::Sender<u64>>,
    damage: CancellationToken,
}

impl Index {
    /// Opens or creates the index at `path`; `None` if what is there doesn't belong to this log.
    pub fn open(path: &Path, log: &Log) -> Result<Option<Self>, Error> {
        guard(|| {
            let db = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).open()?;
            let (handles, primaries) = (db.open_tree("handles")?, db.open_tree("primaries")?);
            let (retired, standings) = (db.open_tree("retired")?, db.open_tree("standings")?);
            let meta = db.open_tree("meta")?;
            let sequence = match meta.get(CHECKPOINT)? {
                None if handles.is_empty() && primaries.is_empty() => 0,
                None => return Ok(None),
                Some(bytes) => {
                    let checkpoint: Checkpoint = serde_json::from_slice(&bytes).map_err(damaged)?;
                    if checkpoint.format != FORMAT
                        || checkpoint.log != log.id
                        || checkpoint.sequence > log.last
                    {
                        return Ok(None);
                    }
                    checkpoint.sequence
                }
            };
            let server = parsed::<ServerName>(meta.get(SERVER)?)?.map_or_else(OnceLock::new, OnceLock::from);
            let index = Self {
                db,
                handles,
                primaries,
                retired,
                standings,
                meta,
                log: log.id.clone(),
                server: server.into(),
                applied: Arc::new(watch::Sender::new(sequence)),
                wanted: Arc::default(),
                damage: CancellationToken::new(),
            };
            Ok(Some(index))
        })
    }

    /// Whether it may go on with this log.
    pub fn fits(&self, log: &Log) -> bool {
        self.log == log.id && self.applied() <= log.last
    }

    /// The last sequence that it has applied; 0 before the first.
    pub fn applied(&self) -> u64 {
        *self.applied.borrow()
    }

    /// Applies entries in order and moves the checkpoint, all in one transaction. Entries that it knows are skipped.
    pub fn apply(&self, entries: &[Logged]) -> Result<(), Error> {
        let applied = self.applied();
        let Some(last) = entries.last().filter(|e| e.sequence > applied) else { return Ok(()) };
        let checkpoint = Checkpoint { format: FORMAT, log: self.log.clone(), sequence: last.sequence };
        let checkpoint = serde_json::to_vec(&checkpoint).map_err(damaged)?;
        guard(|| {
            let trees = (&self.handles, &self.primaries, &self.retired, &self.standings, &self.meta);
            let outcome = trees.transaction(|(handles, primaries, retired, standings, meta)| {
                let mut state = Writing {
                    server: parsed(meta.get(SERVER)?).map_err(Abort::Abort)?,
                    handles,
                    primaries,
                    retired,
                    standings,
                    meta,
                };
                for entry in entries.iter().filter(|e| e.sequence > applied) {
                    state.apply(entry)?;
                }
                meta.insert(CHECKPOINT, checkpoint.as_slice())?;
                Ok(state.server)
            });
            match outcome {
                Ok(server) => {
                    if let Some(server) = server {
                        let _ = self.server.set(server);
                    }
                    self.applied.send_replace(last.sequence);
                    Ok(())
                }
                Err(TransactionError::Abort(e)) => Err(e),
                Err(TransactionError::Storage(e)) => Err(e.into()),
            }
        })
    }

    /// Waits until this sequence is applied, and tells the follower that it is wanted.
    pub async fn wait_for(&self, sequence: u64) {
        self.wanted.send_if_modified(|wanted| {
            let further = *wanted < sequence;
            *wanted = sequence.max(*wanted);
            further
        });
        // The sender lives in self, so that waiting can't fail.
        let _ = self.applied.subscribe().wait_for(|applied| *applied >= sequence).await;
    }

    /// Resolves to the highest sequence that somebody waits for, once per call of [`Index::wait_for`] at most.
    pub async fn wanted(&self) -> u64 {
        let _ = self.wanted.subscribe().wait_for(|wanted| *wanted > 0).await;
        let mut sequence = 0;
        self.wanted.send_if_modified(|wanted| {
            sequence = std::mem::take(wanted);
            false
        });
        sequence
    }

    /// Resolves when a reader met damage.
    pub async fn damaged(&self) {
        self.damage.cancelled().await;
    }

    /// Writes everything to disk.
    pub fn flush(&self) -> Result<(), Error> {
        guard(|| self.db.flush().map(drop).map_err(Error::from))
    }

    fn read<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        guard(work).inspect_err(|e| {
            if matches!(e, Error::Damaged(_)) {
                self.damage.cancel();
            }
        })
    }
}

impl Bindings for Index {
    type Error = Error;

    fn server(&self) -> Option<&ServerName> {
        self.server.get()
    }

    fn by_handle(&self, handle: &Handle) -> Result<Option<Holding>, Error> {
        self.read(|| self.handles.get(handle.as_str())?.map(|bytes| holding(&bytes)).transpose())
    }

    fn by_primary(&self, primary: &Primary) -> Result<Option<Binding>, Error> {
        self.read(|| {
            let Some(handle) = self.primaries.get(primary.as_bytes())? else { return Ok(None) };
            bound(self.handles.get(handle)?).map(Some)
        })
    }

    fn retired(&self, primary: &Primary) -> Result<Option<Handle>, Error> {
        self.read(|| self.retired.get(primary.as_bytes())?.map(|bytes| handle(&bytes)).transpose())
    }

    fn operator(&self) -> Result<Option<Primary>, Error> {
        self.read(|| parsed(self.meta.get(OPERATOR)?))
    }

    fn standing(&self, handle: &Handle) -> Result<Option<Standing>, Error> {
        self.read(|| json(self.standings.get(handle.as_str())?))
    }

    fn ruling(&self) -> Result<Option<Ruling>, Error> {
        self.read(|| json(self.meta.get(RULING)?))
    }
}

/// What has become of a handle, as it is stored.
pub fn holding(bytes: &[u8]) -> Result<Holding, Error> {
    serde_json::from_slice(bytes).map_err(damaged)
}

/// The binding that a key's entry leads to.
pub fn bound(bytes: Option<sled::IVec>) -> Result<Binding, Error> {
    let holding = bytes.map(|bytes| holding(&bytes)).transpose()?;
    holding.and_then(Holding::bound).ok_or_else(|| damaged("a key's handle has no binding"))
}

/// A handle as it is stored.
pub fn handle(bytes: &[u8]) -> Result<Handle, Error> {
    std::str::from_utf8(bytes).map_err(damaged)?.parse().map_err(damaged)
}

/// What is stored as JSON: what the operator ordered last, about a handle or about limits.
pub fn json<T: DeserializeOwned>(bytes: Option<sled::IVec>) -> Result<Option<T>, Error> {
    bytes.map(|bytes| serde_json::from_slice(&bytes).map_err(damaged)).transpose()
}

/// What is stored as text.
pub fn parsed<T: FromStr<Err: Display>>(bytes: Option<sled::IVec>) -> Result<Option<T>, Error> {
    let parse = |bytes: sled::IVec| std::str::from_utf8(&bytes).map_err(damaged)?.parse().map_err(damaged);
    bytes.map(parse).transpose()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::{Person, entry, genesis, log};

    fn open(path: &Path, log: &Log) -> Option<Index> {
        Index::open(path, log).unwrap()
    }

    #[test]
    fn bindings_and_the_checkpoint_survive_together() {
        let dir = tempfile::tempdir().unwrap();
        let (alice, bob) = (Person::new(1, "alice"), Person::new(2, "bobby"));
        let index = open(dir.path(), &log("e1", 0)).unwrap();
        assert!(index.by_handle(&alice.handle).unwrap().is_none() && index.server().is_none());
        index.apply(&[genesis(1), entry(2, &alice.registration()), entry(3, b"rubbish")]).unwrap();
        index
            .apply(&[entry(4, &bob.registration()), entry(5, &Person::new(3, "alice").registration())])
            .unwrap();
        drop(index);

        let index = open(dir.path(), &log("e1", 5)).unwrap();
        assert_eq!((index.applied(), index.server().unwrap().as_str()), (5, "kez.lat"));
        assert_eq!(index.by_primary(&alice.primary()).unwrap().unwrap().handle, alice.handle);
        assert_eq!(index.by_primary(&bob.primary()).unwrap().unwrap().handle, bob.handle);
        assert!(index.by_primary(&Person::new(3, "alice").primary()).unwrap().is_none());
    }

    #[test]
    fn entries_that_come_again_are_skipped() {
        let dir = tempfile::tempdir().unwrap();
        let index = open(dir.path(), &log("e1", 0)).unwrap();
        let alice = Person::new(1, "alice");
        let entries = [genesis(1), entry(2, &alice.registration())];
        index.apply(&entries).unwrap();
        let first = index.by_handle(&alice.handle).unwrap();
        index.apply(&entries).unwrap();
        index.apply(&[entry(2, &Person::new(2, "bobby").registration()), entry(3, b"{}")]).unwrap();
        assert_eq!(index.applied(), 3);
        assert_eq!(index.by_handle(&alice.handle).unwrap(), first);
        assert!(index.by_handle(&"bobby".parse().unwrap()).unwrap().is_none());
    }

    #[test]
    fn only_its_own_log_may_go_on() {
        let dir = tempfile::tempdir().unwrap();
        let index = open(dir.path(), &log("e1", 0)).unwrap();
        index.apply(&[genesis(1), entry(2, b"{}")]).unwrap();
        assert!(index.fits(&log("e1", 2)) && !index.fits(&log("e2", 2)) && !index.fits(&log("e1", 1)));
        drop(index);
        assert!(open(dir.path(), &log("e2", 9)).is_none());
        assert!(open(dir.path(), &log("e1", 1)).is_none());
        assert!(open(dir.path(), &log("e1", 2)).is_some());
    }

    #[test]
    fn bindings_without_a_checkpoint_fit_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let index = open(dir.path(), &log("e1", 0)).unwrap();
        index.apply(&[genesis(1), entry(2, &Person::new(1, "alice").registration())]).unwrap();
        index.meta.remove(CHECKPOINT).unwrap();
        drop(index);
        assert!(open(dir.path(), &log("e1", 2)).is_none());
    }

    #[test]
    fn an_index_of_another_format_fits_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let index = open(dir.path(), &log("e1", 0)).unwrap();
        index.apply(&[genesis(1)]).unwrap();
        // As the first format had it.
        let log_id = serde_json::to_value(&index.log).unwrap();
        let checkpoint = serde_json::json!({ "log": log_id, "sequence": 1 });
        index.meta.insert(CHECKPOINT, checkpoint.to_string().as_bytes()).unwrap();
        drop(index);
        assert!(open(dir.path(), &log("e1", 1)).is_none());
    }

    #[tokio::test]
    async fn waiting_tells_what_is_wanted_and_ends_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let index = open(dir.path(), &log("e1", 0)).unwrap();
        let follower = async {
            assert_eq!(index.wanted().await, 3);
            index.apply(&[genesis(1), entry(2, b"{}"), entry(3, b"{}")]).unwrap();
        };
        let all = async { tokio::join!(index.wait_for(2), index.wait_for(3), index.wait_for(1), follower) };
        tokio::time::timeout(Duration::from_secs(10), all).await.unwrap();
        index.wait_for(3).await;
    }

    #[tokio::test]
    async fn damage_met_by_a_reader_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let index = open(dir.path(), &log("e1", 0)).unwrap();
        index.handles.insert("alice", "no binding").unwrap();
        assert!(matches!(index.by_handle(&"alice".parse().unwrap()), Err(Error::Damaged(_))));
        tokio::time::timeout(Duration::from_secs(10), index.damaged()).await.unwrap();
    }
}
