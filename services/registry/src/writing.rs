//! The index within a transaction.

use bytes::Bytes;
use kez_proto::{
    Handle, Primary, ServerName, Timestamp,
    registry::{self, Binding, Bindings, Effect},
};
use sled::transaction::{ConflictableTransactionError as Abort, TransactionalTree};

use crate::{
    damage::{Error, damaged},
    index::{SERVER, binding},
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
    /// Handle → [`Binding`] as JSON.
    pub handles: &'a TransactionalTree,
    /// Key (32 bytes) → handle.
    pub primaries: &'a TransactionalTree,
    /// [`SERVER`] and the checkpoint.
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
                let bytes = serde_json::to_vec(&binding).map_err(|e| Abort::Abort(damaged(e)))?;
                self.handles.insert(binding.handle.as_str(), bytes)?;
                self.primaries.insert(binding.primary.as_bytes(), binding.handle.as_str())?;
            }
            Effect::Nothing(code) => {
                tracing::debug!(sequence = entry.sequence, %code, "an entry without effect")
            }
        }
        Ok(())
    }
}

impl Bindings for Writing<'_> {
    type Error = Abort<Error>;

    fn server(&self) -> Option<&ServerName> {
        self.server.as_ref()
    }

    fn by_handle(&self, handle: &Handle) -> Result<Option<Binding>, Abort<Error>> {
        let bytes = self.handles.get(handle.as_str())?;
        bytes.map(|bytes| binding(&bytes)).transpose().map_err(Abort::Abort)
    }

    fn by_primary(&self, primary: &Primary) -> Result<Option<Binding>, Abort<Error>> {
        let Some(handle) = self.primaries.get(primary.as_bytes())? else { return Ok(None) };
        let bytes = self
            .handles
            .get(handle)?
            .ok_or_else(|| Abort::Abort(damaged("a key's handle has no binding")))?;
        binding(&bytes).map(Some).map_err(Abort::Abort)
    }
}
