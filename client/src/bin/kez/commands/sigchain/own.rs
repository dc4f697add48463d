//! The person's own log: what the server has and what is kept here, and how it goes on.

use kez_client::{Client, Identity, Sigchain, sigchain::Likeness};
use kez_proto::{
    Code,
    envelope::Signed,
    identity::{Chain, Event, Key},
    json,
};
use serde_json::value::RawValue;

use crate::{context::Context, failure::Failure};

/// So often an event is signed anew because somebody else's came first.
const ATTEMPTS: usize = 4;

/// Who the log is of, and where.
pub struct Own<'a> {
    context: &'a Context,
    pub identity: Identity,
    pub client: Client,
}

/// What is known of the log.
pub struct Known {
    /// The log, unless there is none yet.
    pub log: Option<Sigchain>,
    /// How many events of it the server doesn't have.
    pub missing: usize,
}

impl<'a> Own<'a> {
    pub fn new(context: &'a Context) -> Result<Self, Failure> {
        let identity = context.home.identity()?;
        let client = context.client(context.home.profile()?.as_ref())?;
        Ok(Self { context, identity, client })
    }

    pub fn key(&self) -> Key {
        self.identity.primary().into()
    }

    /// The copy in the folder.
    pub fn kept(&self) -> Result<Option<Sigchain>, Failure> {
        let kept = self.context.home.sigchain()?;
        match kept.as_ref().map(Sigchain::state) {
            Some(state) if !state.was_under(&self.key()) => Err(Failure::refused(format!(
                "{} is the log of another key, {}; move it away",
                self.context.home.sigchain_path().display(),
                state.primary()
            ))),
            _ => Ok(kept),
        }
    }

    /// What the server has, compared with what is kept; the longer one is kept from now on.
    pub async fn known(&self) -> Result<Known, Failure> {
        let (kept, key, url) = (self.kept()?, self.key(), self.client.base_url());
        let served = match self.context.insist(url, || self.client.sigchain(&key)).await {
            Ok(log) => Some(log),
            Err(error) if error.code() == Some(Code::UnknownChain) => None,
            Err(error) => return Err(error.into()),
        };
        let known = merge(kept, served).map_err(|at| {
            let copy = self.context.home.sigchain_path();
            let message = format!(
                "{url} has another log of this key than this computer: they differ in event {at}. Nothing was changed. Somebody else may have your key; the copy here is {}",
                copy.display()
            );
            Failure::Verdict { name: "forked", message }
        })?;
        if let Some(log) = &known.log {
            self.context.home.keep_sigchain(log)?;
        }
        Ok(known)
    }

    /// The log that the server has, all of it.
    pub async fn current(&self) -> Result<Option<Sigchain>, Failure> {
        match self.known().await? {
            Known { missing: 0, log } => Ok(log),
            Known { missing, .. } => Err(Failure::refused(format!(
                "{} doesn't have the last {missing} events of your log; give them to it with: kez sigchain publish",
                self.client.base_url()
            ))),
        }
    }

    /// The log, from the copy alone if the server can't help; which it is, is said.
    pub async fn latest(&self) -> Result<Sigchain, Failure> {
        let status = |message: &str| self.context.out.status(message);
        let known = match self.known().await {
            Err(Failure::Refused { message, .. } | Failure::Verdict { message, .. })
                if self.kept()?.is_some() =>
            {
                status(&message);
                status("This is the copy on this computer:");
                Known { log: self.kept()?, missing: 0 }
            }
            known => known?,
        };
        if known.missing > 0 {
            status(&format!(
                "{} doesn't have the last {} of these events; give them to it with: kez sigchain publish",
                self.client.base_url(),
                known.missing
            ));
        }
        known.log.ok_or_else(none)
    }

    /// Signs the next event, and appends it. `next` sees what the log has come to, and says nothing if that is what was wanted. It is asked again when
    /// another event came first. `None` if there was nothing to append.
    pub async fn extend(
        &self,
        next: impl Fn(Option<&Chain>) -> Result<Option<Signed>, Failure>,
    ) -> Result<Option<Event>, Failure> {
        let url = self.client.base_url();
        for _ in 0..ATTEMPTS {
            let log = self.current().await?;
            let Some(signed) = next(log.as_ref().map(Sigchain::state))? else {
                return Ok(None);
            };
            let bytes = serde_json::to_value(&signed).map_err(|_| Code::MalformedJson);
            let bytes = bytes.and_then(|value| json::canonical(&value)).map_err(refused)?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let (log, event) = grown(log, &text).map_err(refused)?;
            // Built once: each try carries the very same bytes, so that a lost answer doesn't make two events.
            let raw = RawValue::from_string(text).map_err(Failure::refused)?;
            let id = log.state().id();
            match self.context.insist(url, || self.client.append(&id, &raw)).await {
                Ok(answer) if answer.seq == event.seq && answer.hash == event.link => {
                    self.context.home.keep_sigchain(&log)?;
                    return Ok(Some(event));
                }
                Ok(answer) => {
                    return Err(Failure::refused(format!(
                        "{url} answered with event {} {}, which isn't the one that was signed",
                        answer.seq, answer.hash
                    )));
                }
                Err(error) if error.code().is_some_and(is_overtaken) => {
                    self.context.out.status("another event came first; signing anew");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::refused("others write to your log at the same time; look at it: kez sigchain show"))
    }
}

/// There is no log.
pub fn none() -> Failure {
    Failure::refused("you have no identity log yet; begin one with: kez sigchain add <subject>")
}

/// Whether the log went on since it was read.
fn is_overtaken(code: Code) -> bool {
    matches!(code, Code::ChainConflict | Code::ChainGap | Code::WrongPrev | Code::KeyNotInForce)
}

/// The log with this event at its end.
fn grown(log: Option<Sigchain>, event: &str) -> Result<(Sigchain, Event), Code> {
    match log {
        Some(mut log) => log.append(event).map(|event| (log, event)),
        None => Ok((Sigchain::begin(event)?, Event::verify(event.as_bytes())?)),
    }
}

/// The longer one of two; where they differ, if they do.
fn merge(kept: Option<Sigchain>, served: Option<Sigchain>) -> Result<Known, usize> {
    let (kept, served) = match (kept, served) {
        (Some(kept), Some(served)) => (kept, served),
        (Some(kept), None) => return Ok(Known { missing: kept.events().len(), log: Some(kept) }),
        (None, served) => return Ok(Known { log: served, missing: 0 }),
    };
    match kept.compare(&served) {
        Likeness::Same | Likeness::Behind => Ok(Known { log: Some(served), missing: 0 }),
        Likeness::Ahead => {
            Ok(Known { missing: kept.events().len() - served.events().len(), log: Some(kept) })
        }
        Likeness::Forked { at } => Err(at),
    }
}

/// Why an event can't be signed, with what to do.
pub fn refused(code: Code) -> Failure {
    let detail = code.detail();
    let message = match code {
        Code::KeyNotInForce => {
            "your log goes on under another key than the one here; look which: kez sigchain show. Make that one again here, from its words: kez identity from-mnemonic; the one here is then kept in old-keys".to_owned()
        }
        Code::NothingToRevoke => format!("{detail}; look what there is: kez sigchain show"),
        _ => format!("{detail} ({code})"),
    };
    Failure::Refused { message, code: Some(code) }
}
