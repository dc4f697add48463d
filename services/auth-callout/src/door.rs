//! The decision about one client, with all that it needs: its proof, the registry's word, and how many connections its key has.

use std::sync::Arc;

use kez_proto::{Handle, Timestamp};
use time::OffsetDateTime;

use crate::{
    addresses::Addresses,
    decision::{Reason, Rules},
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
}

/// Why a client isn't let in, and whose it is, if that was proven.
#[derive(Debug)]
pub struct Denied {
    pub reason: Reason,
    pub handle: Option<Handle>,
}

impl Authorizer for Door {
    type Denied = Denied;

    async fn authorize(&self, request: &Request) -> Result<User, Denied> {
        let anonymous = |reason| Denied { reason, handle: None };
        if !self.addresses.may_try(request) {
            return Err(anonymous(Reason::RateLimited));
        }
        let decision = self.decide(request).await;
        if decision.as_ref().is_err_and(|denied| denied.reason.is_clients()) {
            self.addresses.refused(request);
        }
        decision
    }
}

impl Door {
    async fn decide(&self, request: &Request) -> Result<User, Denied> {
        let anonymous = |reason| Denied { reason, handle: None };
        let now = Timestamp::from(OffsetDateTime::now_utc());
        let login =
            self.rules.identify(request, |token| self.sessions.verify(token, now)).map_err(anonymous)?;
        let record = match self.registry.by_primary(&login.primary).await {
            Ok(record) => record.ok_or(Reason::UnknownKey),
            Err(Away) => Err(Reason::Unavailable),
        };
        let record = record.map_err(anonymous)?;
        let denied = |reason| Denied { reason, handle: Some(record.handle.clone()) };
        let user = self.rules.admit(&login, &record, now, fastrand::f64() * 2.0 - 1.0).map_err(denied)?;
        let place = Place::new(&request.server.id, request.client.id);
        if !self.live.grant(place, &record.handle, &login.primary) {
            return Err(denied(Reason::TooManyConnections));
        }
        Ok(user)
    }
}
