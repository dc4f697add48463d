//! The endpoints: register, look up by handle, look up by key.

use std::sync::Arc;

use bytes::Bytes;
use kez_kit::{
    Nats,
    service::{decode, encode},
};
use kez_proto::{
    Code, Handle, Primary, Problem, Timestamp, limits,
    limits_order::{InForce, LimitsOrder},
    order::Order,
    registry::{
        self, Binding, Bindings, ByPrimary, Entry, Holding, Lookup, Ordered, RULES, Rebind, Record, Released,
        Rotation, Standing,
    },
    release::Release,
};
use time::OffsetDateTime;
use tokio::{
    sync::{Mutex, watch},
    time::{Instant, timeout},
};

use crate::{
    Config,
    admission::{self, Admission},
    damage, deployment,
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
    /// The log's last sequence, and when it was asked for.
    pub newest: Arc<Mutex<Option<(Instant, u64)>>>,
}

impl Desk {
    /// `kez.registry.register`
    pub async fn register(self, envelope: Bytes) -> Result<Bytes, Problem> {
        let index = self.index()?;
        let registration = match admission::admit(&index, &self.config.server, &envelope, now())? {
            Admission::Known(binding) => return self.record(&binding),
            Admission::New(registration) => registration,
        };
        let envelope = serde_json::from_slice(&envelope).map_err(|_| Code::MalformedJson)?;
        self.log(&index, &Entry::Registration { rules: RULES, envelope }).await?;
        self.record(&admission::outcome(&index, &registration, now())?)
    }

    /// `kez.registry.rebind`
    pub async fn rebind(self, request: Bytes) -> Result<Bytes, Problem> {
        let Rebind { event } = decode(&request)?;
        let rotation = Rotation::verify(event.get().as_bytes())?;
        let index = self.caught_up().await?;
        if let Some(binding) = admission::rebound(&index, &rotation)? {
            return self.record(&binding);
        }
        let handle = registry::rebind(&index, &rotation, now())??.handle;
        self.log(&index, &Entry::Rebind { rules: RULES, handle, event: event.to_owned() }).await?;
        match admission::rebound(&index, &rotation)? {
            Some(binding) => self.record(&binding),
            None => {
                Err(registry::rebind(&index, &rotation, now())?.err().unwrap_or(Code::Unavailable).into())
            }
        }
    }

    /// `kez.registry.release`
    pub async fn release(self, envelope: Bytes) -> Result<Bytes, Problem> {
        if envelope.len() > limits::REGISTRATION_BYTES {
            return Err(Code::TooLarge.into());
        }
        let release = Release::verify(&envelope, &self.config.server)?;
        let index = self.caught_up().await?;
        if let Some(vacancy) = admission::vacated(&index, &release)? {
            return encode(&Released::from(vacancy));
        }
        release.check_fresh(now())?;
        registry::vacate(&index, &release, now())??;
        let envelope = serde_json::from_slice(&envelope).map_err(|_| Code::MalformedJson)?;
        self.log(&index, &Entry::Release { rules: RULES, envelope }).await?;
        match admission::vacated(&index, &release)? {
            Some(vacancy) => encode(&Released::from(vacancy)),
            None => {
                Err(registry::vacate(&index, &release, now())?.err().unwrap_or(Code::StaleTimestamp).into())
            }
        }
    }

    /// `kez.registry.order`
    pub async fn order(self, envelope: Bytes) -> Result<Bytes, Problem> {
        if envelope.len() > limits::REGISTRATION_BYTES {
            return Err(Code::TooLarge.into());
        }
        let order = Order::verify(&envelope, &self.config.server)?;
        let index = self.caught_up().await?;
        if let Some(standing) = ordered(&index, &order)? {
            return encode(&standing);
        }
        order.check_fresh(now())?;
        self.name_operator(&index, order.primary).await?;
        let refuse = |code| {
            let last = index.standing(&order.handle)?.map(|standing| standing.signed_at);
            Ok::<_, Problem>(refusal(code, order.created_at, last))
        };
        if let Err(code) = registry::judge(&index, &order, now())? {
            return Err(refuse(code)?);
        }
        let envelope = serde_json::from_slice(&envelope).map_err(|_| Code::MalformedJson)?;
        self.log(&index, &Entry::Order { rules: RULES, envelope }).await?;
        match ordered(&index, &order)? {
            Some(standing) => encode(&standing),
            None => {
                Err(refuse(registry::judge(&index, &order, now())?.err().unwrap_or(Code::StaleTimestamp))?)
            }
        }
    }

    /// `kez.registry.limits`
    pub async fn limits(self) -> Result<Bytes, Problem> {
        let ruling = self.caught_up().await?.ruling()?;
        encode(&ruling.map(InForce::from).unwrap_or_default())
    }

    /// `kez.registry.set-limits`
    pub async fn set_limits(self, envelope: Bytes) -> Result<Bytes, Problem> {
        if envelope.len() > limits::REGISTRATION_BYTES {
            return Err(Code::TooLarge.into());
        }
        let order = LimitsOrder::verify(&envelope, &self.config.server)?;
        let index = self.caught_up().await?;
        let ruled = || {
            let ruling = index.ruling()?.filter(|ruling| ruling.digest == order.digest);
            Ok::<_, Problem>(ruling.map(InForce::from))
        };
        let refuse =
            |code| Ok::<_, Problem>(refusal(code, order.created_at, index.ruling()?.map(|r| r.signed_at)));
        if let Some(in_force) = ruled()? {
            return encode(&in_force);
        }
        order.check_fresh(now())?;
        self.name_operator(&index, order.primary).await?;
        if let Err(code) = registry::rule(&index, &order)? {
            return Err(refuse(code)?);
        }
        let envelope = serde_json::from_slice(&envelope).map_err(|_| Code::MalformedJson)?;
        self.log(&index, &Entry::Limits { rules: RULES, envelope }).await?;
        match ruled()? {
            Some(in_force) => encode(&in_force),
            None => Err(refuse(registry::rule(&index, &order)?.err().unwrap_or(Code::StaleTimestamp))?),
        }
    }

    /// Every instance goes by the operator that the log names, whatever it was told at its start.
    async fn name_operator(&self, index: &Index, primary: Primary) -> Result<(), Problem> {
        let configured = self.config.operator.as_ref().is_some_and(|operator| *operator.key() == primary);
        if configured && index.operator()? != Some(primary) {
            self.log(index, &Entry::Operator { rules: RULES, primary }).await?;
        }
        Ok(())
    }

    /// Appends an entry, and waits until it is applied here.
    async fn log(&self, index: &Index, entry: &Entry) -> Result<(), Problem> {
        let logged_and_applied = async {
            let sequence = log::append(&self.nats, entry).await?;
            index.wait_for(sequence).await;
            Ok(())
        };
        timeout(limits::SERVICE_DEADLINE, logged_and_applied)
            .await
            .map_err(|_| Problem::from(Code::Unavailable))?
    }

    /// `kez.registry.lookup`
    pub async fn lookup(self, request: Bytes) -> Result<Bytes, Problem> {
        self.of_handle(&decode::<Lookup>(&request)?.handle).await
    }

    /// `kez.registry.by-primary`
    pub async fn by_primary(self, request: Bytes) -> Result<Bytes, Problem> {
        self.of_primary(&decode::<ByPrimary>(&request)?.primary).await
    }

    /// Who has this handle.
    pub async fn of_handle(&self, handle: &str) -> Result<Bytes, Problem> {
        self.record(&self.binding_of(&handle.parse()?).await?)
    }

    /// The key of this handle.
    pub async fn primary_of(&self, handle: &Handle) -> Result<Primary, Problem> {
        Ok(self.binding_of(handle).await?.primary)
    }

    /// The same as this index has it now; `None` also where there is no index.
    pub fn known(&self, handle: &Handle) -> Option<Primary> {
        Some(self.index().ok()?.by_handle(handle).ok()??.bound()?.primary)
    }

    async fn binding_of(&self, handle: &Handle) -> Result<Binding, Problem> {
        Ok(self
            .find(|index| Ok(index.by_handle(handle)?.and_then(Holding::bound)))
            .await?
            .ok_or(Code::UnknownHandle)?)
    }

    /// What this key has.
    pub async fn of_primary(&self, primary: &str) -> Result<Bytes, Problem> {
        let primary: Primary = primary.parse()?;
        let binding = self.find(|index| index.by_primary(&primary)).await?;
        self.record(&binding.ok_or(Code::UnknownPrimary)?)
    }

    /// Looks something up. "Nobody" is only said by an index that has everything logged by now: another instance may have bound it, and told so,
    /// a moment ago.
    async fn find(
        &self,
        look: impl Fn(&Index) -> Result<Option<Binding>, damage::Error>,
    ) -> Result<Option<Binding>, Problem> {
        match look(&self.index()?)? {
            Some(binding) => Ok(Some(binding)),
            None => Ok(look(&self.caught_up().await?)?),
        }
    }

    /// The index with everything in it that is logged by now.
    async fn caught_up(&self) -> Result<Index, Problem> {
        let index = self.index()?;
        let caught_up = async {
            let last = self.last_logged().await.ok_or(Code::Unavailable)?;
            index.wait_for(last).await;
            Ok::<_, Problem>(())
        };
        timeout(limits::SERVICE_DEADLINE, caught_up)
            .await
            .map_err(|_| Problem::from(Code::Unavailable))??;
        Ok(index)
    }

    /// The log's last sequence, as its leader tells it after this call began. Callers share one question at a time: strangers who ask for names
    /// that nobody has don't load the leader.
    async fn last_logged(&self) -> Option<u64> {
        let asked = Instant::now();
        let mut newest = self.newest.lock().await;
        if let Some((at, last)) = *newest
            && at >= asked
        {
            return Some(last);
        }
        let at = Instant::now();
        let last = deployment::inspect(&self.nats, &self.config).await.ok().flatten()?.last;
        *newest = Some((at, last));
        Some(last)
    }

    fn index(&self) -> Result<Index, Problem> {
        self.index.borrow().clone().ok_or_else(|| Code::Unavailable.into())
    }

    fn record(&self, binding: &Binding) -> Result<Bytes, Problem> {
        let standing = self.index()?.standing(&binding.handle)?;
        let record = Record::new(binding, &self.config.server, &self.config.sig_server_url);
        encode(&Record { suspended: standing.is_some_and(|standing| standing.suspended), ..record })
    }
}

/// How a handle stands if this very order was the last about it.
fn ordered(index: &Index, order: &Order) -> Result<Option<Ordered>, damage::Error> {
    let standing = index.standing(&order.handle)?.filter(|standing| standing.digest == order.digest);
    Ok(standing.map(|Standing { handle, suspended, .. }| Ordered { handle, suspended }))
}

/// Why an order of this time does nothing. A clock may be right, and yet behind the one by which the last order was signed.
fn refusal(code: Code, created_at: Timestamp, last: Option<Timestamp>) -> Problem {
    match last.filter(|last| code == Code::StaleTimestamp && created_at <= *last) {
        Some(last) => {
            Problem::new(code, format!("a later order is there: of {last}; this one is of {created_at}"))
        }
        None => code.into(),
    }
}

fn now() -> Timestamp {
    OffsetDateTime::now_utc().into()
}
