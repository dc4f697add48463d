//! Session tokens: verified here, with the public keys that the auth callout tells. It is asked for them when a token names a key that isn't known, and
//! then now and again, never for each token.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use bytes::Bytes;
use kez_kit::{Nats, task};
use kez_proto::{
    Code, Problem, ServerName,
    limits::{SERVICE_DEADLINE, SESSION_KEYS_REFRESH},
    session::{Claims, Jwks, TokenKeys},
    subjects,
};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::now;

/// Between two questions, whatever tokens come: one with an invented key costs its sender this wait, and the callout nothing.
const PAUSE: Duration = Duration::from_secs(1);

/// The verifier. Cheap to clone.
#[derive(Clone)]
pub struct Tokens(Arc<Inner>);

struct Inner {
    nats: Nats,
    server: ServerName,
    /// None until the first token comes.
    keys: RwLock<Option<Arc<TokenKeys>>>,
    asked: Mutex<Option<Asked>>,
}

/// The last question for keys.
struct Asked {
    at: Instant,
    answered: bool,
}

impl Tokens {
    /// A verifier of this server's tokens. It asks for keys when the first token comes, and every minute from then on.
    pub fn new(nats: &Nats, server: &ServerName) -> Self {
        let (nats, server) = (nats.clone(), server.clone());
        let inner = Arc::new(Inner { nats, server, keys: RwLock::default(), asked: Mutex::default() });
        let weak = Arc::downgrade(&inner);
        task::spawn("token-keys", async move {
            loop {
                sleep(SESSION_KEYS_REFRESH).await;
                let Some(inner) = weak.upgrade() else { return };
                // Without an answer the keys of before serve on: that the callout is away ends no session.
                if inner.keys().is_some() {
                    let _ = inner.refresh(Instant::now()).await;
                }
            }
        });
        Self(inner)
    }

    /// What a token says, if it is good; for so many seconds after its expiry too, but never after the session's end. Errors: those of
    /// [`TokenKeys::verify`], or `unavailable` if its key isn't known and nobody tells it.
    pub async fn verify(&self, token: &str, after_expiry: i64) -> Result<Claims, Problem> {
        let keys = self.0.keys_for(token).await?;
        Ok(keys.verify(token, &self.0.server, now(), after_expiry)?)
    }
}

impl Inner {
    fn keys(&self) -> Option<Arc<TokenKeys>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The keys, with the one that this token names, or as they were told after it came.
    async fn keys_for(&self, token: &str) -> Result<Arc<TokenKeys>, Problem> {
        let known = self.keys().unwrap_or_default();
        if known.know(token)? {
            return Ok(known);
        }
        let refreshed = timeout(SERVICE_DEADLINE, self.refresh(Instant::now())).await;
        if refreshed.unwrap_or(false) {
            Ok(self.keys().unwrap_or_default())
        } else {
            Err(Code::Unavailable.into())
        }
    }

    /// Has the keys as they are told after `since`; false if nobody tells them. All who wait share one question.
    async fn refresh(&self, since: Instant) -> bool {
        let mut asked = self.asked.lock().await;
        match &*asked {
            Some(asked) if asked.at >= since => return asked.answered,
            Some(asked) => sleep_until(asked.at + PAUSE).await,
            None => {}
        }
        // Noted before: who gives up waiting mustn't leave the next one to ask at once.
        let asked = asked.insert(Asked { at: Instant::now(), answered: false });
        match self.ask().await {
            Ok(keys) => {
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keys));
                asked.answered = true;
            }
            Err(problem) => tracing::debug!(%problem, "the keys of session tokens aren't told"),
        }
        asked.answered
    }

    async fn ask(&self) -> Result<TokenKeys, Problem> {
        let answer = self.nats.request(subjects::AUTH_JWKS, Bytes::new(), SERVICE_DEADLINE).await?;
        let jwks: Jwks = serde_json::from_slice(&answer.payload).map_err(|_| Code::Internal)?;
        Ok(TokenKeys::new(&jwks))
    }
}
