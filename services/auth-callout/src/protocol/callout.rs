//! From a request's bytes to an answer's bytes.

use std::future::Future;

use nkeys::{KeyPair, KeyPairType, XKey};

use super::{
    Invalid, LEEWAY_SECS, REQUEST_BYTES,
    claims::{Outcome, REQUEST_AUDIENCE, REQUEST_TYPE, Request, Response, UserToken, VERSION},
    seal,
    token::{self, Claims},
};

/// Who may come in.
pub trait Authorizer {
    /// Why not; for the caller's own log, the client isn't told.
    type Denied;

    /// Decides about a client. The request is nats-server's; what the client claims in it (its key, its signature, its tokens) is for this to verify. It
    /// should take less than a second: nats-server waits for two.
    fn authorize(&self, request: &Request) -> impl Future<Output = Result<User, Self::Denied>> + Send;
}

/// A client that may come in.
#[derive(Clone, Debug)]
pub struct User {
    /// The account that it is put into. Any account of the server would be obeyed, also the system's.
    pub account: &'static str,
    /// What the server calls it: in its lists of connections, its events and its log.
    pub name: String,
    /// What it may publish.
    pub publish: Subjects,
    /// What it may subscribe to.
    pub subscribe: Subjects,
    /// When the server ends the connection, in Unix seconds.
    pub expires: i64,
}

/// Subjects that are allowed: at least one, since nats-server takes an empty list for a permission of everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subjects(Vec<String>);

impl Subjects {
    /// `None` for an empty list, or one with an entry that isn't a subject: an empty token, white space or a control character in it.
    pub fn new(subjects: Vec<String>) -> Option<Self> {
        let valid = |s: &String| {
            s.split('.').all(|token| !token.is_empty())
                && !s.contains(|c: char| c.is_whitespace() || c.is_control())
        };
        (!subjects.is_empty() && subjects.iter().all(valid)).then_some(Self(subjects))
    }

    /// The subjects.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

/// What became of a request.
#[derive(Debug)]
pub struct Answered<D> {
    /// What goes to the request's reply subject.
    pub payload: Vec<u8>,
    /// The request, for logs; its secrets don't show.
    pub request: Request,
    /// What was decided.
    pub decision: Result<User, D>,
}

/// The keys of a callout. It keeps nothing about requests.
pub struct Callout {
    issuers: Vec<Issuer>,
    /// Without one, requests aren't sealed.
    xkeys: Vec<XKey>,
}

struct Issuer {
    pair: KeyPair,
    text: String,
}

/// A request, and the keys of the callout that it was made for.
struct Opened<'a> {
    request: Request,
    issuer: &'a Issuer,
    /// Those of the seal: one's own, and the server's.
    seal: Option<(&'a XKey, XKey)>,
}

impl Callout {
    /// From the seeds of the account key that is configured as `issuer`, and of the curve key that is configured as `xkey`, if there is one. `None` if a seed isn't
    /// of that kind.
    pub fn new(issuer_seed: &str, xkey_seed: Option<&str>) -> Option<Self> {
        let xkey = xkey_seed.map(XKey::from_seed).transpose().ok()?;
        Some(Self { issuers: vec![Issuer::new(issuer_seed)?], xkeys: Vec::from_iter(xkey) })
    }

    /// The same for servers whose configuration has other keys, too: each request is answered with those that it was made for. Fails as [`Callout::new`].
    pub fn or(self, issuer_seed: &str, xkey_seed: Option<&str>) -> Option<Self> {
        let other = Self::new(issuer_seed, xkey_seed)?;
        Some(Self {
            issuers: self.issuers.into_iter().chain(other.issuers).collect(),
            xkeys: self.xkeys.into_iter().chain(other.xkeys).collect(),
        })
    }

    /// Verifies a request, has it decided, and makes the answer. `server_xkey` is the value of [`super::XKEY_HEADER`], `now` is in Unix seconds.
    ///
    /// A request that isn't verifiably nats-server's own gets no answer, and no decision.
    pub async fn answer<A: Authorizer>(
        &self,
        payload: &[u8],
        server_xkey: Option<&str>,
        now: i64,
        authorizer: &A,
    ) -> Result<Answered<A::Denied>, Invalid> {
        let Opened { request, issuer, seal } = self.open(payload, server_xkey, now)?;
        let decision = authorizer.authorize(&request).await;
        let outcome = match &decision {
            Ok(user) => Outcome::Jwt(issuer.user_token(&request, user, now)?),
            Err(_) => Outcome::Error("denied"),
        };
        let response = Claims {
            iss: issuer.text.clone(),
            sub: request.user_nkey.clone(),
            aud: Some(request.server.id.clone()),
            name: None,
            iat: now,
            exp: None,
            nats: Response::from(outcome),
        };
        let token = token::encode(&response, &issuer.pair)?.into_bytes();
        let payload = match seal {
            Some((own, server)) => seal::seal(own, &server, &token)?,
            None => token,
        };
        Ok(Answered { payload, request, decision })
    }

    fn open(&self, payload: &[u8], server_xkey: Option<&str>, now: i64) -> Result<Opened<'_>, Invalid> {
        if payload.len() > REQUEST_BYTES {
            return Err(Invalid::TooLarge);
        }
        match (self.xkeys.is_empty(), server_xkey) {
            (false, Some(text)) => {
                let server = seal::peer(text)?;
                let opened =
                    self.xkeys.iter().find_map(|own| Some((own, seal::open(own, &server, payload).ok()?)));
                let (own, token) = opened.ok_or(Invalid::Seal)?;
                let (request, issuer) = self.verify(&token, now)?;
                // The box shows that somebody knows the callout's key; this, that it was the server that signed.
                let signed = request.server.xkey.as_deref() == Some(text);
                signed.then_some(Opened { request, issuer, seal: Some((own, server)) }).ok_or(Invalid::Seal)
            }
            (false, None) => Err(Invalid::NotSealed),
            (true, Some(_)) => Err(Invalid::Sealed),
            (true, None) => {
                let (request, issuer) = self.verify(payload, now)?;
                Ok(Opened { request, issuer, seal: None })
            }
        }
    }

    fn verify(&self, token: &[u8], now: i64) -> Result<(Request, &Issuer), Invalid> {
        let claims: Claims<Request> = token::decode(token, KeyPairType::Server)?;
        let request = Request { issued: claims.iat, ..claims.nats };
        if claims.iss != request.server.id {
            return Err(Invalid::Issuer);
        }
        let purpose = claims.aud.as_deref() == Some(REQUEST_AUDIENCE)
            && request.kind == REQUEST_TYPE
            && request.version == VERSION;
        if !purpose {
            return Err(Invalid::Purpose);
        }
        let issuer = self.issuers.iter().find(|issuer| issuer.text == claims.sub).ok_or(Invalid::Subject)?;
        let until = claims.exp.ok_or(Invalid::Time)?;
        if claims.iat > now.saturating_add(LEEWAY_SECS) || until < now.saturating_sub(LEEWAY_SECS) {
            return Err(Invalid::Time);
        }
        token::verifying_key(&request.user_nkey, KeyPairType::User).ok_or(Invalid::OneTimeKey)?;
        Ok((request, issuer))
    }
}

impl Issuer {
    fn new(seed: &str) -> Option<Self> {
        let pair = KeyPair::from_seed(seed).ok()?;
        let account = pair.key_pair_type() == KeyPairType::Account;
        account.then(|| Self { text: pair.public_key(), pair })
    }

    fn user_token(&self, request: &Request, user: &User, now: i64) -> Result<String, Invalid> {
        let claims = Claims {
            iss: self.text.clone(),
            sub: request.user_nkey.clone(),
            aud: Some(user.account.to_owned()),
            name: Some(user.name.clone()),
            iat: now,
            exp: Some(user.expires),
            nats: UserToken::new(user.publish.as_slice(), user.subscribe.as_slice()),
        };
        token::encode(&claims, &self.pair)
    }
}
