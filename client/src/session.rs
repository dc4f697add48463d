//! A session: a fresh key that stands for a person for a day at most, so that theirs may stay locked away. Begun and renewed over HTTP
//! ([`crate::Client::begin_session`]); it opens NATS ([`crate::nats::Credential::Session`]).

use std::{
    fmt,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use kez_proto::{
    Code, Handle, Primary, Problem, ServerName, Timestamp,
    envelope::Signed,
    nats_login::UserKey,
    session::{self, Session as Grant, SessionStart},
};

use crate::{Error, Identity};

/// What begins a session of `identity` at `server` with this key, now and for so long (at most [`kez_proto::limits::SESSION`]): the statement, and the
/// envelope that `POST /v1/session` takes for a minute.
///
/// `invalid_lifetime` for one that ends beyond the calendar.
pub fn start(
    identity: &Identity,
    server: &ServerName,
    key: UserKey,
    lifetime: Duration,
) -> Result<(SessionStart, Signed), Error> {
    let now = crate::now();
    let ends_at = i64::try_from(lifetime.as_secs()).ok().and_then(|s| now.unix().checked_add(s));
    let ends_at =
        ends_at.and_then(Timestamp::from_unix).ok_or_else(|| Problem::from(Code::InvalidLifetime))?;
    let start = SessionStart::new(identity.primary(), server.clone(), key, now, ends_at);
    let envelope = identity.sign_envelope(session::TAG, &start).map_err(|e| Error::Protocol {
        url: server.to_string(),
        status: None,
        detail: format!("no session can be begun: {e}"),
    })?;
    Ok((start, envelope))
}

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
