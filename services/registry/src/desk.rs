//! The endpoints: register, look up by handle, look up by key.

use std::sync::Arc;

use bytes::Bytes;
use kez_kit::{
    Nats,
    service::{decode, encode},
};
use kez_proto::{
    Code, Handle, Primary, Problem, Timestamp, limits,
    registry::{Binding, Bindings, ByPrimary, Lookup, Record},
};
use time::OffsetDateTime;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::{
    Config,
    admission::{self, Admission},
    index::Index,
    log,
};

/// Where requests are answered. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Desk {
    /// Where the log is.
    pub nats: Nats,
    /// The registry's configuration.
    pub config: Arc<Config>,
    /// The index, while it is of use.
    pub index: watch::Receiver<Option<Index>>,
}

impl Desk {
    /// `kez.registry.register`
    pub async fn register(self, envelope: Bytes) -> Result<Bytes, Problem> {
        let deadline = Instant::now() + limits::SERVICE_DEADLINE;
        let index = self.index()?;
        let now = Timestamp::from(OffsetDateTime::now_utc());
        let registration = match admission::admit(&index, &self.config.server, &envelope, now)? {
            Admission::Known(binding) => return self.record(&binding),
            Admission::New(registration) => registration,
        };
        let logged_and_applied = async {
            let sequence = log::append(&self.nats, &envelope).await?;
            index.wait_for(sequence).await;
            Ok::<_, Problem>(())
        };
        timeout_at(deadline, logged_and_applied).await.map_err(|_| Problem::from(Code::Unavailable))??;
        self.record(&admission::outcome(&index, &registration)?)
    }

    /// `kez.registry.lookup`
    pub async fn lookup(self, request: Bytes) -> Result<Bytes, Problem> {
        let handle: Handle = decode::<Lookup>(&request)?.handle.parse()?;
        let binding = self.index()?.by_handle(&handle)?.ok_or(Code::UnknownHandle)?;
        self.record(&binding)
    }

    /// `kez.registry.by-primary`
    pub async fn by_primary(self, request: Bytes) -> Result<Bytes, Problem> {
        let primary: Primary = decode::<ByPrimary>(&request)?.primary.parse()?;
        let binding = self.index()?.by_primary(&primary)?.ok_or(Code::UnknownPrimary)?;
        self.record(&binding)
    }

    fn index(&self) -> Result<Index, Problem> {
        self.index.borrow().clone().ok_or_else(|| Code::Unavailable.into())
    }

    fn record(&self, binding: &Binding) -> Result<Bytes, Problem> {
        encode(&Record::new(binding, &self.config.server, &self.config.sig_server_url))
    }
}
