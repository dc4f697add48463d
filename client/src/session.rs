//! A session: a fresh key that stands for a person for a day at most, so that theirs may stay locked away. Begun and renewed over HTTP
//! ([`crate::Client::begin_session`]); it opens NATS ([`crate::nats::Credential::Session`]).

use std::{
    fmt,
    sync::{PoisonError, RwLock},
};

use kez_proto::{
    Handle, Primary, Timestamp,
    nats_login::UserKey,
    session::{Session as Grant, SessionStart},
};

use crate::Identity;

/// A session's key, and the newest token that is bound to it. The token alone opens nothing over NATS.
pub struct Session {
    key: Identity,
    primary: Primary,
    grant: RwLock<Grant>,
}

impl Session {
    pub(crate) fn new(key: Identity, start: &SessionStart, grant: Grant) -> Self {
        Self { key, primary: start.primary, grant: RwLock::new(grant) }
    }

    /// Whose session it is.
    pub fn primary(&self) -> Primary {
        self.primary
    }

    /// Their handle.
    pub fn handle(&self) -> Handle {
        self.grant().handle.clone()
    }

    /// The session's public key.
    pub fn user_key(&self) -> UserKey {
        self.key.primary().into()
    }

    /// The newest token, for `Authorization: Bearer`.
    pub fn token(&self) -> String {
        self.grant().token.clone()
    }

    /// When that token is no longer good; renew it before.
    pub fn expires_at(&self) -> Timestamp {
        self.grant().expires_at
    }

    /// When the session ends for good.
    pub fn ends_at(&self) -> Timestamp {
        self.grant().session_expires_at
    }

    pub(crate) fn key(&self) -> &Identity {
        &self.key
    }

    pub(crate) fn renewed(&self, grant: Grant) {
        *self.grant.write().unwrap_or_else(PoisonError::into_inner) = grant;
    }

    fn grant(&self) -> std::sync::RwLockReadGuard<'_, Grant> {
        self.grant.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({} for {}, until {})", self.user_key(), self.primary, self.ends_at())
    }
}
