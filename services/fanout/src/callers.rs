//! Who calls: what was presented with a request is checked here, against the inbox's owner or for the sender's name.

use kez_proto::{Code, Handle, Primary, Problem, auth::Caller, limits::REQUEST_SKEW_SECS, session::Claims};

use crate::{Fanout, now};

/// What a reader may be late by, in seconds.
#[derive(Clone, Copy)]
pub struct Grace {
    /// A signature's age.
    pub signature: i64,
    /// After a token's expiry; never after the session's end.
    pub token: i64,
}

impl Grace {
    /// For a request of its own.
    pub const NONE: Self = Self { signature: REQUEST_SKEW_SECS, token: 0 };
}

impl Fanout {
    /// The caller may read what belongs to `owner`; the claims of their token, if they bring one. It decides alone: a signature beside it isn't looked at,
    /// and can't make up for a bad one.
    pub async fn check_reader(
        &self,
        owner: &Primary,
        caller: &Caller,
        grace: Grace,
        text: impl FnOnce(i64) -> String,
    ) -> Result<Option<Claims>, Problem> {
        match caller {
            Caller { token: Some(token), .. } => self.session_of(owner, token, grace.token).await.map(Some),
            Caller { signature: Some(signature), .. } => {
                signature.verify(owner, now(), grace.signature, text)?;
                Ok(None)
            }
            Caller { .. } => Err(Code::AuthRequired.into()),
        }
    }

    /// The caller may delete what belongs to `owner`: a signature is needed, the owner's or, beside a token, the session key's.
    pub async fn check_deleter(
        &self,
        owner: &Primary,
        caller: &Caller,
        text: impl FnOnce(i64) -> String,
    ) -> Result<(), Problem> {
        let signer = match &caller.token {
            Some(token) => self.session_of(owner, token, 0).await?.session_key()?,
            None => *owner,
        };
        let signature = caller.signature.as_ref().ok_or(Code::AuthRequired)?;
        signature.verify(&signer, now(), REQUEST_SKEW_SECS, text)?;
        Ok(())
    }

    /// The handle of a token's person; `unknown_primary` if they have none.
    pub async fn sender_of(&self, token: &str) -> Result<Handle, Problem> {
        let claims = self.tokens.verify(token, 0).await?;
        self.directory.handle(&claims.sub).await
    }

    async fn session_of(&self, owner: &Primary, token: &str, after_expiry: i64) -> Result<Claims, Problem> {
        let claims = self.tokens.verify(token, after_expiry).await?;
        if claims.sub == *owner { Ok(claims) } else { Err(Code::NotOwner.into()) }
    }
}
