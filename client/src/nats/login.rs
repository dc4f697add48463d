//! Logging in: what is signed, and for whom.

use std::sync::Arc;

use async_nats::Auth;
use kez_proto::{
    Primary, ServerName,
    nats_login::{self, UserKey},
};

use crate::{Identity, Session};

/// What a client logs in with.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A person's own key.
    Key(Arc<Identity>),
    /// A session, with the token that it has when it connects.
    Session(Arc<Session>),
}

/// The broker asks for a signature over something that isn't a nonce, and so might mean something elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its nonce isn't one that a nats-server sends; nothing was signed")]
pub(crate) struct NotANonce;

impl Credential {
    /// Whose mail it opens.
    pub fn primary(&self) -> Primary {
        match self {
            Credential::Key(identity) => identity.primary(),
            Credential::Session(session) => session.primary(),
        }
    }

    /// The login of one connection to the server that the *user* named; the broker's own words have no part in it.
    pub(crate) fn login(&self, server: &ServerName, nonce: &[u8]) -> Result<Auth, NotANonce> {
        let nonce = std::str::from_utf8(nonce).ok().filter(|n| nats_login::is_nonce(n)).ok_or(NotANonce)?;
        let mut auth = Auth::new();
        let key = match self {
            Credential::Key(identity) => identity,
            Credential::Session(session) => {
                auth.token = Some(session.token());
                session.key()
            }
        };
        auth.nkey = Some(UserKey::from(key.primary()).to_string());
        auth.signature = Some(key.sign(nats_login::text(server, nonce).as_bytes()).to_vec());
        Ok(auth)
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    #[test]
    fn the_signature_is_bound_to_purpose_server_and_nonce() {
        let credential = Credential::Key(Arc::new(Identity::from_seed(&[0x42; 32])));
        let auth = credential.login(&"kez.lat".parse().unwrap(), b"b_NUDM4LtgYbvSk").unwrap();
        let key: UserKey = auth.nkey.unwrap().parse().unwrap();
        assert_eq!(*key.key(), credential.primary());
        let signature = HEXLOWER.encode(&auth.signature.unwrap());
        let verified = |text: &str| key.key().verify(text.as_bytes(), &signature).is_ok();
        assert!(verified("KEZ-NATS-AUTH-v1\nkez.lat\nb_NUDM4LtgYbvSk"));
        assert!(!verified("b_NUDM4LtgYbvSk") && !verified("KEZ-NATS-AUTH-v1\nkez.test\nb_NUDM4LtgYbvSk"));
        assert_eq!(auth.token, None);
    }

    #[test]
    fn only_a_nonce_is_signed() {
        let credential = Credential::Key(Arc::new(Identity::from_seed(&[0x42; 32])));
        let server = "kez.lat".parse().unwrap();
        for bad in [
            &b""[..],
            br#"{"kez":"claim","revoke":"all","seq":1}"#,
            b"b_NUDM4L\nYbvSk",
            b"\xff_NUDM4LtgYbvSk",
        ] {
            assert!(matches!(credential.login(&server, bad), Err(NotANonce)), "{bad:?} was signed");
        }
    }
}
