//! Sessions: who may begin and renew one, and the tokens that say so. Nothing about a session is kept; all is in its token.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use kez_kit::{
    Failure, Nats,
    service::{decode, encode},
    task,
};
use kez_proto::{
    Code, Handle, Primary, Problem, ServerName, Timestamp,
    auth::request_text,
    limits,
    registry::Record,
    server::AuthDescription,
    session::{Claims, Confirmation, RENEW_PATH, Renew, Session, SessionStart},
};
use time::OffsetDateTime;

use crate::{
    registry::{Away, Registry},
    session_keys::{READ_AGAIN, SessionKeys},
};

/// Begins and renews sessions, and verifies their tokens.
pub struct Sessions {
    tokens: Tokens,
    longest: Duration,
    plain_nonce: bool,
    registry: Registry,
}

/// What needs no other service.
struct Tokens {
    server: ServerName,
    keys: SessionKeys,
}

impl Sessions {
    /// For sessions of at most `longest`, signed with the keys of `folder`, which is read again every 10 s. `plain_nonce` is only told to those who ask. Fails
    /// where the folder has no key, or one that can't be read.
    pub fn load(
        server: ServerName,
        folder: &Path,
        longest: Duration,
        plain_nonce: bool,
        nats: Nats,
    ) -> Result<Arc<Self>, Failure> {
        let tokens = Tokens { server, keys: SessionKeys::load(folder, Instant::now())? };
        let sessions = Arc::new(Self { tokens, longest, plain_nonce, registry: Registry::new(nats) });
        let weak = Arc::downgrade(&sessions);
        task::spawn("session-keys", async move {
            loop {
                tokio::time::sleep(READ_AGAIN).await;
                let Some(sessions) = weak.upgrade() else { return };
                sessions.tokens.keys.refresh(Instant::now());
            }
        });
        Ok(sessions)
    }

    /// `kez.auth.session`. Errors: `too_large`, those of [`SessionStart::verify`], `unknown_primary`, `unavailable`.
    pub async fn begin(&self, envelope: Bytes) -> Result<Bytes, Problem> {
        if envelope.len() > limits::REGISTRATION_BYTES {
            return Err(Code::TooLarge.into());
        }
        let start = SessionStart::verify(&envelope, &self.tokens.server, clock(), self.longest)?;
        let SessionStart { primary, session_key, created_at, expires_at, .. } = start;
        self.answer(primary, Confirmation::of(session_key.key()), expires_at.unix(), created_at.unix()).await
    }

    /// `kez.auth.renew`. Errors: `malformed_json`, `invalid_token`, `session_ended`, `auth_required`, those of
    /// [`kez_proto::auth::Credential::verify`], `unknown_primary`, `unavailable`.
    pub async fn renew(&self, request: Bytes) -> Result<Bytes, Problem> {
        let (claims, signed) = self.tokens.renewing(&decode(&request)?, clock())?;
        self.answer(claims.sub, claims.cnf, claims.session_exp, signed).await
    }

    /// `kez.auth.jwks`
    pub async fn jwks(&self, _: Bytes) -> Result<Bytes, Problem> {
        // Whoever asks may have a token of another instance, which saw a new file first.
        self.tokens.keys.refresh(Instant::now());
        encode(&self.tokens.keys.set().jwks())
    }

    /// `kez.auth.describe`
    pub async fn describe(&self, _: Bytes) -> Result<Bytes, Problem> {
        let mut features = vec!["session", "nats"];
        if self.plain_nonce {
            features.push("nats-plain-nonce");
        }
        encode(&AuthDescription { features: features.into_iter().map(String::from).collect() })
    }

    /// What a token of this server says, if it is good now. It proves nothing of its bearer: whoever lets them in also asks for the session key's signature,
    /// and whether `sub` still owns a handle. Errors: `invalid_token`, `token_expired`, `session_ended`.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, Code> {
        self.tokens.verify(token, now, 0)
    }

    /// A token for whoever owns a handle, and signed for it then.
    async fn answer(
        &self,
        sub: Primary,
        cnf: Confirmation,
        ends: i64,
        signed: i64,
    ) -> Result<Bytes, Problem> {
        let owner = self.registry.by_primary(&sub).await.map_err(|Away| Code::Unavailable)?;
        let Record { handle, suspended, .. } = owner.ok_or(Code::UnknownPrimary)?;
        if suspended {
            return Err(Code::HandleSuspended.into());
        }
        encode(&self.tokens.issue(handle, sub, cnf, ends, signed.min(clock().unix()), signed)?)
    }
}

impl Tokens {
    /// What a token says that may have expired so many seconds ago.
    fn verify(&self, token: &str, now: Timestamp, after_expiry: i64) -> Result<Claims, Code> {
        if !self.keys.set().public.know(token)? {
            self.keys.refresh(Instant::now());
        }
        self.keys.set().public.verify(token, &self.server, now, after_expiry)
    }

    /// The old token's claims, if whoever renews it has the session's key, and when that signed.
    fn renewing(&self, renew: &Renew, now: Timestamp) -> Result<(Claims, i64), Code> {
        // However long ago it expired: only the session's end counts.
        let claims = self.verify(&renew.token, now, i64::MAX)?;
        let signature = renew.signature.as_ref().ok_or(Code::AuthRequired)?;
        let signed = signature.verify(&claims.session_key()?, now, limits::REQUEST_SKEW_SECS, |ts| {
            request_text(&self.server, "POST", RENEW_PATH, b"", ts)
        })?;
        Ok((claims, signed))
    }

    /// A token for as long as tokens last from when it was signed for, but never beyond the session's end: whoever sends the same request again gets no more
    /// than it gave the first time. Nothing that was signed need be remembered for that, by any instance.
    fn issue(
        &self,
        handle: Handle,
        sub: Primary,
        cnf: Confirmation,
        ends: i64,
        iat: i64,
        signed: i64,
    ) -> Result<Session, Code> {
        let exp = ends.min(signed + limits::SESSION_TOKEN.as_secs() as i64);
        let (iss, aud) = (self.server.clone(), self.server.clone());
        let claims = Claims { iss, aud, sub, iat, exp, session_exp: ends, cnf };
        let keys = self.keys.set();
        let token = keys.signer(Instant::now()).ok_or(Code::Internal)?.sign(&claims)?;
        let time = |unix| Timestamp::from_unix(unix).ok_or(Code::Internal);
        Ok(Session { token, expires_at: time(exp)?, session_expires_at: time(ends)?, handle })
    }
}

/// This service's clock.
fn clock() -> Timestamp {
    OffsetDateTime::now_utc().into()
}

#[cfg(test)]
mod tests {
    use kez_proto::auth::Credential;
    use nkeys::{KeyPair, KeyPairType};

    use super::*;
    use crate::session_keys::testing::Folder;

    const NOW: i64 = 1_780_000_000;

    fn at(unix: i64) -> Timestamp {
        Timestamp::from_unix(unix).unwrap()
    }

    fn pair(seed: u8) -> KeyPair {
        KeyPair::new_from_raw(KeyPairType::User, [seed; 32]).unwrap()
    }

    fn key(seed: u8) -> Primary {
        Primary::from_bytes(&nkeys::from_public_key(&pair(seed).public_key()).unwrap().1).unwrap()
    }

    /// Loaded long enough ago to be read again.
    fn tokens(folder: &Folder) -> Tokens {
        let keys = SessionKeys::load(folder.path(), Instant::now() - READ_AGAIN).unwrap();
        Tokens { server: "kez.lat".parse().unwrap(), keys }
    }

    /// A token of key 1's session with key 2.
    fn issued(tokens: &Tokens, now: i64, ends: i64) -> Session {
        tokens.issue("alice".parse().unwrap(), key(1), Confirmation::of(&key(2)), ends, now, now).unwrap()
    }

    fn signed(by: u8, ts: i64, method: &str, path: &str) -> Option<Credential> {
        let text = request_text(&"kez.lat".parse().unwrap(), method, path, b"", ts);
        let signature = pair(by).sign(text.as_bytes()).unwrap();
        Some(Credential(format!("{ts}:{}", data_encoding::HEXLOWER.encode(&signature))))
    }

    #[test]
    fn a_token_is_good_for_its_time_and_never_beyond_the_sessions_end() {
        let folder = Folder::with(&[1]);
        let tokens = tokens(&folder);
        let whole = issued(&tokens, NOW, NOW + 3600);
        assert_eq!((whole.expires_at, whole.session_expires_at), (at(NOW + 900), at(NOW + 3600)));
        assert_eq!(whole.handle.as_str(), "alice");
        let claims = tokens.verify(&whole.token, at(NOW + 899), 0).unwrap();
        assert_eq!((claims.sub, claims.session_key()), (key(1), Ok(key(2))));
        assert_eq!((claims.iat, claims.exp, claims.session_exp), (NOW, NOW + 900, NOW + 3600));
        assert_eq!(tokens.verify(&whole.token, at(NOW + 900), 0), Err(Code::TokenExpired));

        let last = issued(&tokens, NOW + 3000, NOW + 3600);
        assert_eq!(last.expires_at, at(NOW + 3600));
        assert_eq!(tokens.verify(&last.token, at(NOW + 3600), 0), Err(Code::SessionEnded));
    }

    #[test]
    fn whoever_has_the_session_key_renews_until_the_session_ends() {
        let folder = Folder::with(&[1]);
        let tokens = tokens(&folder);
        let token = issued(&tokens, NOW, NOW + 3600).token;
        let renewing = |now, signature| {
            tokens
                .renewing(&Renew { token: token.clone(), signature }, at(now))
                .map(|(claims, signed)| (claims.sub, signed))
        };
        let own = |ts| signed(2, ts, "POST", RENEW_PATH);
        assert_eq!(renewing(NOW, own(NOW)), Ok((key(1), NOW)));
        assert_eq!(renewing(NOW + 60, own(NOW)), Ok((key(1), NOW)), "the same again");
        // Long after the token expired.
        assert_eq!(renewing(NOW + 3599, own(NOW + 3599)), Ok((key(1), NOW + 3599)));
        assert_eq!(renewing(NOW + 3600, own(NOW + 3600)), Err(Code::SessionEnded));
        assert_eq!(renewing(NOW, None), Err(Code::AuthRequired));
        assert_eq!(renewing(NOW, Some(Credential("x".into()))), Err(Code::MalformedAuth));
        assert_eq!(renewing(NOW + 61, own(NOW)), Err(Code::StaleTimestamp));
        for (what, other) in [
            ("another's key", signed(3, NOW, "POST", RENEW_PATH)),
            ("the primary, which the session stands for", signed(1, NOW, "POST", RENEW_PATH)),
            ("another method", signed(2, NOW, "DELETE", RENEW_PATH)),
            ("another path", signed(2, NOW, "POST", "/v1/session")),
        ] {
            assert_eq!(renewing(NOW, other), Err(Code::BadSignature), "{what}");
        }
        let forged = Renew { token: format!("{token}x"), signature: own(NOW) };
        assert_eq!(tokens.renewing(&forged, at(NOW)), Err(Code::InvalidToken));
    }

    #[test]
    fn a_token_of_another_instance_whose_key_is_new_here_is_verified_at_once() {
        let (here, there) = (Folder::with(&[1]), Folder::with(&[2]));
        let (mine, other) = (tokens(&here), tokens(&there));
        let token = issued(&other, NOW, NOW + 3600).token;
        here.add(2);
        assert_eq!(mine.keys.set().public.know(&token), Ok(false));
        assert!(mine.verify(&token, at(NOW), 0).is_ok());
    }
}
