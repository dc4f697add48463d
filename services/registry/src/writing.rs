//! The index within a transaction.

use bytes::Bytes;
use kez_proto::{
    Handle, Primary, ServerName, Timestamp,
    registry::{self, Binding, Bindings, Effect, Holding, Ruling, Standing, Vacancy, Verdict},
};
use sled::transaction::{ConflictableTransactionError as Abort, TransactionalTree};

use crate::{
    damage::{Error, damaged},
    index::{self, OPERATOR, RULING, SERVER},
};

/// An entry as the log holds it.
#[derive(Clone, Debug)]
pub struct Logged {
    /// Its place in the log.
    pub sequence: u64,
    /// The stream's own clock.
    pub at: Timestamp,
    /// [`kez_proto::registry::Entry`], hopefully.
    pub bytes: Bytes,
}

/// The index within a transaction: it sees what the entries before wrote.
pub struct Writing<'a> {
    /// The genesis entry's server, once applied.
    pub server: Option<ServerName>,
    /// Handle → [`Holding`] as JSON.
    pub handles: &'a TransactionalTree,
    /// Key (32 bytes) → handle.
    pub primaries: &'a TransactionalTree,
    /// Key (32 bytes) → the handle that it gave to another key.
    pub retired: &'a TransactionalTree,
    /// Handle → [`Standing`] as JSON.
    pub standings: &'a TransactionalTree,
    /// [`SERVER`], [`OPERATOR`], [`RULING`] and the checkpoint.
    pub meta: &'a TransactionalTree,
}

impl Writing<'_> {
    /// Does what the entry does.
    pub fn apply(&mut self, entry: &Logged) -> Result<(), Abort<Error>> {
        match registry::apply(self, &entry.bytes, entry.at)? {
            Effect::Genesis(server) => {
                self.meta.insert(SERVER, server.as_str())?;
                self.server = Some(server);
            }
            Effect::Bind(binding) => {
                tracing::debug!(sequence = entry.sequence, handle = %binding.handle, "bound");
                self.bind(binding)?;
            }
            Effect::Rebind { from, to } => {
                tracing::debug!(sequence = entry.sequence, handle = %to.handle, "bound to another key");
                self.primaries.remove(from.as_bytes())?;
                self.retired.insert(from.as_bytes(), to.handle.as_str())?;
                self.bind(to)?;
            }
            Effect::Release(vacancy) => {
                tracing::debug!(sequence = entry.sequence, handle = %vacancy.handle, "released");
                self.vacate(vacancy)?;
            }
            Effect::Operator(primary) => {
                tracing::info!(sequence = entry.sequence, %primary, "whose orders count");
                self.meta.insert(OPERATOR, primary.to_string().as_str())?;
            }
            Effect::Order(Verdict { standing, vacancy }) => {
                tracing::debug!(sequence = entry.sequence, handle = %standing.handle, standing.suspended, "ordered");
                let bytes = serde_json::to_vec(&standing).map_err(|e| Abort::Abort(damaged(e)))?;
                self.standings.insert(standing.handle.as_str(), bytes)?;
                if let Some(vacancy) = vacancy {
                    self.vacate(vacancy)?;
                }
            }
            Effect::Limits(ruling) => {
                tracing::info!(sequence = entry.sequence, limits = ?ruling.limits, "limits were ordered");
                let bytes = serde_json::to_vec(&ruling).map_err(|e| Abort::Abort(damaged(e)))?;
                self.meta.insert(RULING, bytes)?;
            }
            Effect::Nothing(code) => {
                tracing::debug!(sequence = entry.sequence, %code, "an entry without effect")
            }
        }
        Ok(())
    }

    fn bind(&mut self, binding: Binding) -> Result<(), Abort<Error>> {
        self.primaries.insert(binding.primary.as_bytes(), binding.handle.as_str())?;
        self.hold(&binding.handle.clone(), Holding::Bound(binding))
    }

    fn vacate(&mut self, vacancy: Vacancy) -> Result<(), Abort<Error>> {
        self.primaries.remove(vacancy.primary.as_bytes())?;
        self.hold(&vacancy.handle.clone(), Holding::Vacant(vacancy))
    }

    fn hold(&mut self, handle: &Handle, holding: Holding) -> Result<(), Abort<Error>> {
        let bytes = serde_json::to_vec(&holding).map_err(|e| Abort::Abort(damaged(e)))?;
        self.handles.insert(handle.as_str(), bytes)?;
        Ok(())
    }
}

impl Bindings for Writing<'_> {
    type Error = Abort<Error>;

    fn server(&self) -> Option<&ServerName> {
        self.server.as_ref()
    }

    fn by_handle(&self, handle: &Handle) -> Result<Option<Holding>, Abort<Error>> {
        let bytes = self.handles.get(handle.as_str())?;
        bytes.map(|bytes| index::holding(&bytes)).transpose().map_err(Abort::Abort)
    }

    fn by_primary(&self, primary: &Primary) -> Result<Option<Binding>, Abort<Error>> {
        let Some(handle) = self.primaries.get(primary.as_bytes())? else { return Ok(None) };
        index::bound(self.handles.get(handle)?).map(Some).map_err(Abort::Abort)
    }

    fn retired(&self, primary: &Primary) -> Result<Option<Handle>, Abort<Error>> {
        let bytes = self.retired.get(primary.as_bytes())?;
        bytes.map(|bytes| index::handle(&bytes)).transpose().map_err(Abort::Abort)
    }

    fn operator(&self) -> Result<Option<Primary>, Abort<Error>> {
        index::parsed(self.meta.get(OPERATOR)?).map_err(Abort::Abort)
    }

    fn standing(&self, handle: &Handle) -> Result<Option<Standing>, Abort<Error>> {
        index::json(self.standings.get(handle.as_str())?).map_err(Abort::Abort)
    }

    fn ruling(&self) -> Result<Option<Ruling>, Abort<Error>> {
        index::json(self.meta.get(RULING)?).map_err(Abort::Abort)
    }
}
