//! The decision about one client, with all that it needs: its proof, the registry's word, and how many connections its key has.

use std::{sync::Arc, time::Instant};

use kez_proto::{Handle, Timestamp};
use time::OffsetDateTime;

use crate::{
    addresses::Addresses,
    decision::{Reason, Rules},
    late::{Clocks, WAITED_FOR},
    live::{Live, Place},
    protocol::{Authorizer, Request, User},
    registry::{Away, Registry},
    session::Sessions,
};

/// Who decides.
pub struct Door {
    pub rules: Rules,
    pub sessions: Arc<Sessions>,
    pub registry: Registry,
    pub live: Arc<Live>,
    pub addresses: Addresses,
    pub clocks: Clocks,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub enum Asked {
    /// nats-server, for a client that waits. This process heard of it then; it may have been another's to answer.
    Login { came: Instant, taken_over: bool },
    /// An operator, for nobody: the same decision, but it takes no place and counts for no address.
    ByHand,
}

/// The door, as one who asks finds it.
pub struct Attempt<'a> {
    pub door: &'a Door,
    pub asked: Asked,
}

/// Why a client isn't let in, and whose it is, if that was proven.
#[derive(Debug)]
pub struct Denied {
    pub reason: Reason,
    pub handle: Option<Handle>,
}

impl From<Reason> for Denied {
    fn from(reason: Reason) -> Self {
        Self { reason, handle: None }
    }
}

impl Authorizer for Attempt<'_> {
    type Denied = Denied;

    async fn authorize(&self, request: &Request) -> Result<User, Denied> {
        let Door { addresses, clocks, .. } = self.door;
        let login = matches!(self.asked, Asked::Login { .. });
        if login && clocks.is_late(&request.server.id, request.issued, OffsetDateTime::now_utc()) {
            return Err(Reason::Late.into());
        }
        if !addresses.may_try(request) {
            return Err(Reason::RateLimited.into());
        }
        let decision = self.decide(request).await;
        if login && decision.as_ref().is_err_and(|denied| denied.reason.is_clients()) {
            addresses.refused(request);
        }
        decision
    }
}

impl Attempt<'_> {
    async fn decide(&self, request: &Request) -> Result<User, Denied> {
        let Door { rules, sessions, registry, live, .. } = self.door;
        let place = Place::new(&request.server.id, request.client.id);
        // Before its credentials: nats-server puts the name that the first login got among those of the second, unless the client says otherwise.
        if live.is_known(&place) {
            return Err(match self.asked {
                Asked::Login { taken_over: true, .. } => Reason::Late,
                Asked::Login { taken_over: false, .. } => {
                    // Whoever is refused is cut off; nats-server doesn't tell that of this one.
                    live.ended(&place);
                    Reason::SecondLogin
                }
                Asked::ByHand => Reason::SecondLogin,
            }
            .into());
        }
        let now = Timestamp::from(OffsetDateTime::now_utc());
        let login = rules.identify(request, |token| sessions.verify(token, now))?;
        let record = match registry.by_primary(&login.primary).await {
            Ok(record) => record.ok_or(Reason::UnknownKey)?,
            Err(Away) => return Err(Reason::Unavailable.into()),
        };
        let denied = |reason| Denied { reason, handle: Some(record.handle.clone()) };
        let user = rules.admit(&login, &record, now, fastrand::f64() * 2.0 - 1.0).map_err(denied)?;
        let taken = match self.asked {
            Asked::Login { came, .. } if came.elapsed() > WAITED_FOR => return Err(denied(Reason::Late)),
            Asked::Login { .. } => live.grant(place, &record.handle, &login.primary),
            Asked::ByHand => live.has_room(&record.handle),
        };
        if taken { Ok(user) } else { Err(denied(Reason::TooManyConnections)) }
    }
}
