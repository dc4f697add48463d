//! The endpoints: append, get, head.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use kez_kit::{
    Life, Nats,
    service::{decode, encode},
    task,
};
use kez_proto::{
    Code, Problem,
    identity::{self, Chain, Event, Key, KeyPeriod, Op},
    json,
    limits::CHAIN_EXPORT_BYTES,
    sigchain::{Append as Request, Appended, ChainHead, Get, Head, Named, Page},
};
use serde_json::value::RawValue;
use tokio::time::sleep;

use crate::{
    chains::{Chains, Loaded, line},
    handles::Handles,
    store::Append,
};

/// How often an event is judged anew when another one was appended meanwhile: each time one of them got its place.
const TRIES: usize = 4;
/// Rotations in a row that a registry may have missed, at most: each one before was asked for it when the next one came.
const MISSED: usize = 8;

/// Where requests are answered. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    chains: Chains,
    handles: Handles,
    /// Chains, by their first key, whose handle is being taken along.
    rebinding: Arc<Mutex<HashSet<Key>>>,
    life: Life,
}

impl Desk {
    pub fn new(nats: &Nats, life: &Life) -> Self {
        Self {
            chains: Chains::new(nats),
            handles: Handles::new(nats),
            rebinding: Arc::default(),
            life: life.clone(),
        }
    }

    /// Reads every chain again.
    pub fn forget(&self) {
        self.chains.forget();
    }

    /// `kez.sigchain.get`
    pub async fn get(self, request: Bytes) -> Result<Bytes, Problem> {
        let Get { chain, since } = decode(&request)?;
        let loaded = self.known(&chain).await?;
        let events = self.chains.page(&loaded, since).await?;
        let next = since.saturating_add(events.len() as u64);
        let events = events.iter().map(|event| serde_json::from_slice::<&RawValue>(event));
        let ChainHead { id, primary, head } = summary(&loaded.chain);
        encode(&Page {
            id,
            primary,
            events: events.collect::<Result<_, _>>().map_err(|_| Code::Internal)?,
            next: (next <= head.seq).then_some(next),
            head,
        })
    }

    /// `kez.sigchain.head`
    pub async fn head(self, request: Bytes) -> Result<Bytes, Problem> {
        encode(&summary(&self.known(&decode(&request)?).await?.chain))
    }

    async fn known(&self, named: &Named) -> Result<Arc<Loaded>, Problem> {
        Ok(self.chains.load(&key(named)?).await?.ok_or(Code::UnknownChain)?)
    }

    /// `kez.sigchain.append`
    pub async fn append(self, request: Bytes) -> Result<Bytes, Problem> {
        let Request { chain, event } = decode(&request)?;
        let key = key(&chain)?;
        let signed = event.get().as_bytes();
        let event = Event::verify(signed)?;
        let canonical = Bytes::from(json::canonical(&json::parse_strict(signed)?)?);
        for _ in 0..TRIES {
            let loaded = self.chains.load(&key).await?;
            let duplicate = self.is_there(loaded.as_deref(), &event).await?;
            if !duplicate
                && self.append_to(&key, loaded.as_deref(), &event, &canonical).await? == Append::Overtaken
            {
                continue;
            }
            if matches!(event.op, Op::Rotate { .. }) {
                let id = loaded.as_ref().map_or(key, |loaded| loaded.chain.id());
                self.take_handle_along(&id, &event).await?;
            }
            return encode(&Appended { seq: event.seq, hash: event.link, duplicate });
        }
        Err(Code::Unavailable.into())
    }

    /// Whether this very event is in the chain. `chain_conflict` if another one has its place.
    async fn is_there(&self, loaded: Option<&Loaded>, event: &Event) -> Result<bool, Problem> {
        let Some(loaded) = loaded.filter(|loaded| event.seq < loaded.chain.next_seq()) else {
            return Ok(false);
        };
        let stored = self.chains.event(loaded, event.seq).await?;
        if identity::link(&stored)? == event.link {
            Ok(true)
        } else {
            Err(refusal(Code::ChainConflict, &loaded.chain))
        }
    }

    /// Judges an event by the chain as it was read, and appends it where the rules let it come next.
    async fn append_to(
        &self,
        key: &Key,
        loaded: Option<&Loaded>,
        event: &Event,
        canonical: &Bytes,
    ) -> Result<Append, Problem> {
        let id = match loaded {
            Some(loaded) => {
                loaded.chain.check(event).map_err(|code| refusal(code, &loaded.chain))?;
                if loaded.bytes + line(canonical) > CHAIN_EXPORT_BYTES {
                    return Err(Code::ChainFull.into());
                }
                loaded.chain.id()
            }
            None if event.primary != *key => return Err(Code::KeyNotInForce.into()),
            None => Chain::begin(canonical)?.id(),
        };
        let new_key = match &event.op {
            Op::Rotate { new_primary, .. } => Some(new_primary),
            _ => None,
        };
        if let Some(new_key) = new_key {
            self.check_new_key(&event.primary, new_key, canonical).await?;
        }
        let last = loaded.map_or(0, Loaded::last);
        self.chains.store().append(&id, last, canonical.clone(), new_key).await
    }

    /// A chain may go on under this key only if it has neither a chain nor a handle, and if it can have the handle that the present key has. After a restore
    /// the handle may have followed this very rotation already.
    async fn check_new_key(&self, present: &Key, new_key: &Key, rotation: &[u8]) -> Result<(), Problem> {
        if self.chains.load(new_key).await?.is_some() {
            return Err(Code::KeyInUse.into());
        }
        // The registry takes no other one, as the new key's handle stands in its way.
        if self.handles.has_one(new_key).await? {
            return match self.handles.rebind(rotation).await {
                Err(problem) if !is_passing(&problem) => Err(Code::KeyInUse.into()),
                followed => followed.map(drop),
            };
        }
        if matches!(new_key, Key::Nostr(_)) && self.handles.has_one(present).await? {
            return Err(Code::HandleNeedsEd25519.into());
        }
        Ok(())
    }

    /// The rotation is on disk; now the handle has to follow. Where the registry is away, the caller is told so, and may send the event again; meanwhile this
    /// goes on trying for as long as the process lives. `key_in_use`: the new key took another handle in the meantime, and the old one stays where it is.
    async fn take_handle_along(&self, id: &Key, rotation: &Event) -> Result<(), Problem> {
        let outcome = self.rebind(id, rotation).await;
        if outcome.as_ref().is_err_and(is_passing) && self.rebinding().insert(*id) {
            let (desk, id, rotation) = (self.clone(), *id, rotation.clone());
            task::spawn("rebind", async move {
                let mut pause = Handles::PAUSE;
                while !desk.life.shutdown.is_cancelled()
                    && desk.rebind(&id, &rotation).await.as_ref().is_err_and(is_passing)
                {
                    sleep(pause).await;
                    pause = (pause * 2).min(Handles::LONGEST_PAUSE);
                }
                desk.rebinding().remove(&id);
            });
        }
        outcome
    }

    fn rebinding(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.rebinding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the registry of this rotation, and of those before and behind it that it may not know of yet, in order.
    async fn rebind(&self, id: &Key, rotation: &Event) -> Result<(), Problem> {
        let loaded = self.chains.load(id).await?.ok_or(Code::UnknownChain)?;
        let periods = loaded.chain.keys();
        let Some(signer) = periods.iter().position(|period| period.key == rotation.primary) else {
            return Err(Code::Internal.into());
        };
        let Some(behind) = self.behind(&periods[..=signer]).await? else { return Ok(()) };
        for later in &periods[behind + 1..] {
            let rotation = self.chains.event(&loaded, later.since_seq - 1).await?;
            match self.handles.rebind(&rotation).await {
                Ok(record) => tracing::debug!(handle = %record.handle, "a handle followed its owner's key"),
                // Another instance told of it.
                Err(problem) if problem.code == Code::UnknownPrimary => {}
                Err(problem) if is_passing(&problem) => return Err(problem),
                Err(problem) => {
                    tracing::warn!(%problem, "a handle can't follow its owner's key");
                    return Err(Code::KeyInUse.into());
                }
            }
        }
        Ok(())
    }

    /// Which of these keys still has a handle: the newest that does, among the last few.
    async fn behind(&self, periods: &[KeyPeriod]) -> Result<Option<usize>, Problem> {
        for (n, period) in periods.iter().enumerate().rev().take(MISSED) {
            if self.handles.has_one(&period.key).await? {
                return Ok(Some(n));
            }
        }
        Ok(None)
    }
}

/// Whether another try may go better.
fn is_passing(problem: &Problem) -> bool {
    matches!(problem.code, Code::Unavailable | Code::Internal)
}

fn key(named: &Named) -> Result<Key, Code> {
    Key::from_parts(&named.system, &named.identifier)
}

fn summary(chain: &Chain) -> ChainHead {
    ChainHead { id: chain.id(), primary: chain.primary(), head: Head::from(chain) }
}

/// With what the next event has to follow, where that helps.
fn refusal(code: Code, chain: &Chain) -> Problem {
    let helps = matches!(code, Code::ChainConflict | Code::ChainGap | Code::WrongPrev);
    Problem { head: helps.then(|| Head::from(chain)), ..code.into() }
}
