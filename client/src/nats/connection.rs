//! One connection, from its login to its end, and what is asked over it.
//!
//! A connection isn't kept by the library below: when it ends, everything under way fails at once, and nothing is queued for a later one. Who wants
//! another connects again, as [`crate::nats::listen`] does.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_nats::{
    AuthError, ConnectError, ConnectErrorKind, ConnectOptions, Event, HeaderMap, RequestErrorKind,
    ServerError, Subscriber,
};
use bytes::Bytes;
use kez_proto::{
    Code, Handle, Primary, Problem, ServerName, headers,
    limits::{CHAT_PAYLOAD_BYTES, SSE_PING},
    mail::{ClientAck, ClientHistory, Page, Purged, Send, Sent},
    registry::{ClientLookup, Record},
    subjects,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::{Authority, Credential, address::Addresses, authority};
use crate::Error;

const CONNECT: Duration = Duration::from_secs(5);
const REQUEST: Duration = Duration::from_secs(10);
/// nats-server says the same words for every login that it refuses. The auth callout denies one in milliseconds; it takes a second to find that the
/// registry is away; and where no callout answers, nats-server waits for two. Only a denial is final.
const VERDICT: Duration = Duration::from_millis(800);
/// Messages that wait for a slow reader. More are dropped by the library below, which is a gap like any other: the next push names a predecessor
/// that is missing, and [`Link::overflows`] hurries the head check for the case that none follows. With the largest envelopes these are 16 MiB.
const WAITING: usize = 64;

/// A server's NATS, and who we are there. Clones are as good; nothing is connected yet.
#[derive(Clone, Debug)]
pub struct Nats {
    addresses: Addresses,
    authority: Option<Authority>,
    server: ServerName,
    handle: Handle,
    credential: Credential,
}

/// A connection that was let in. It ends when it is dropped.
pub struct Connection {
    client: async_nats::Client,
    nats: Nats,
    link: watch::Receiver<Link>,
}

/// What is known of a connection's state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Link {
    /// Set once: why it ended.
    pub(crate) ended: Option<Ended>,
    /// How many messages were dropped because they waited too long.
    pub(crate) overflows: u64,
}

/// Why a connection ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) error: Error,
    /// The login was for a limited time, and that is over: what was to be expected.
    pub(crate) expired: bool,
}

impl Nats {
    /// The NATS of `server` at `urls` (`nats://`, `tls://`, `ws://` or `wss://`, host and port), for the mail of `handle`: one, or several of a cluster with
    /// commas between, of which each connection takes any. `server` is the name that the user knows the server by: a login that is signed for it is worth
    /// nothing at another. A path is taken of a WebSocket only.
    pub fn new(
        urls: &str,
        server: ServerName,
        handle: Handle,
        credential: Credential,
    ) -> Result<Self, Error> {
        let addresses = Addresses::parse(urls)?;
        Ok(Self { addresses, authority: None, server, handle, credential })
    }

    /// The same where `authority` vouches for the server's certificate, and nobody else. [`Error::Address`] if a connection might do without one.
    pub fn trusting(self, authority: Authority) -> Result<Self, Error> {
        if !self.addresses.are_encrypted() {
            let detail = "a certificate is of use with tls:// and wss:// alone".into();
            return Err(Error::Address { url: self.addresses.text, detail });
        }
        Ok(Self { authority: Some(authority), ..self })
    }

    /// The address, for people.
    pub fn url(&self) -> &str {
        &self.addresses.text
    }

    /// Whose mail it is.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Connects and logs in, within 5 s for each address that doesn't answer. Errors: `Denied` when the server doesn't let this credential in; `Transport`
    /// when it isn't there, or when what decides about logins isn't; `Certificate` when it can't prove its name; `Protocol` for a broker that asks for a
    /// signature over something that isn't a nonce.
    pub async fn connect(&self) -> Result<Connection, Error> {
        // One provider for the process; somebody else may have set it before, and that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (sender, link) = watch::channel(Link::default());
        let attempt = Arc::new(Attempt::default());
        let (signing, nats) = (attempt.clone(), self.clone());
        let told = self.clone();
        let options = ConnectOptions::with_auth_callback(move |nonce| {
            let outcome = signing.login(&nats, &nonce);
            async move { outcome }
        })
        .name(concat!("kez/", env!("CARGO_PKG_VERSION")))
        .custom_inbox_prefix(subjects::client_inbox_prefix(&self.credential.primary()))
        .subscription_capacity(WAITING)
        .connection_timeout(CONNECT)
        // Three pings without an answer are a connection that is gone.
        .ping_interval(SSE_PING)
        // Addresses that a cluster's servers have among themselves; the user named the one that they are reached at.
        .ignore_discovered_servers()
        // It counts the first connection's attempts too, and each address is worth one. Later it would connect again by itself, with what was asked before
        // still queued: there is no number that forbids that, but the login of such a connection is refused.
        .max_reconnects(self.addresses.all.len())
        .event_callback(move |event| {
            told.note(&sender, event);
            async {}
        });
        let options = match &self.authority {
            Some(Authority(file)) => options.add_root_certificates(file.clone()),
            None => options,
        };
        let client =
            options.connect(self.addresses.all.as_slice()).await.map_err(|e| self.refused(&e, &attempt))?;
        attempt.over.store(true, Ordering::Relaxed);
        Ok(Connection { client, nats: self.clone(), link })
    }

    fn refused(&self, error: &ConnectError, attempt: &Attempt) -> Error {
        if let Some(reason) = authority::rejection(error) {
            return Error::Certificate { url: self.url().to_owned(), reason };
        }
        match error.kind() {
            ConnectErrorKind::AuthorizationViolation if attempt.waited() < VERDICT => self.denied(format!(
                "either {} isn't registered there with this key, or it is the NATS of another server, or too many clients of this key are connected",
                self.address()
            )),
            ConnectErrorKind::AuthorizationViolation => self.undecided(),
            ConnectErrorKind::Authentication => self.protocol(super::login::NotANonce.to_string()),
            ConnectErrorKind::TimedOut => self.transport("no answer in time"),
            _ => self.transport(&deepest(error)),
        }
    }

    /// Writes down what the library tells of a connection; the first reason for its end is the right one.
    fn note(&self, link: &watch::Sender<Link>, event: Event) {
        let ended = match event {
            Event::SlowConsumer(_) => return link.send_modify(|link| link.overflows += 1),
            Event::ServerError(ServerError::AuthorizationViolation) => self.undecided(),
            Event::ServerError(ServerError::Other(text)) if is_expiry(&text) => {
                let error = self.transport("the login was for a limited time, which is over");
                return end(link, Ended { error, expired: true });
            }
            // A wrong subject: this key has another handle there.
            Event::ServerError(ServerError::Other(text)) if text.starts_with("Permissions Violation") => {
                self.denied(format!("{} isn't this key's handle there ({text})", self.handle))
            }
            Event::ServerError(error) => self.transport(&error.to_string()),
            Event::Disconnected | Event::Closed => self.transport("the connection broke"),
            Event::Connected | Event::LameDuckMode | Event::Draining | Event::ClientError(_) => return,
        };
        end(link, Ended { error: ended, expired: false });
    }

    /// nats-server pings a client whose login waits for its verdict, which the library takes for having been let in: this one may come later too.
    fn undecided(&self) -> Error {
        self.transport("it didn't decide in time whether to let this key in")
    }

    pub(crate) fn denied(&self, reason: String) -> Error {
        Error::Denied { url: self.url().to_owned(), reason }
    }

    pub(crate) fn transport(&self, reason: &str) -> Error {
        Error::Transport { url: self.url().to_owned(), reason: reason.to_owned() }
    }

    pub(crate) fn protocol(&self, detail: String) -> Error {
        Error::Protocol { url: self.url().to_owned(), status: None, detail }
    }

    fn address(&self) -> String {
        format!("{}@{}", self.handle, self.server)
    }
}

/// The login of one connection.
#[derive(Default)]
struct Attempt {
    signed: Mutex<Option<Instant>>,
    over: AtomicBool,
}

impl Attempt {
    fn login(&self, nats: &Nats, nonce: &[u8]) -> Result<async_nats::Auth, AuthError> {
        if self.over.load(Ordering::Relaxed) {
            return Err(AuthError::new("this connection is over"));
        }
        let auth = nats.credential.login(&nats.server, nonce).map_err(AuthError::new)?;
        *self.signed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(auth)
    }

    /// How long the server has had the signature.
    fn waited(&self) -> Duration {
        let signed = *self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        signed.map(|at| at.elapsed()).unwrap_or_default()
    }
}

fn end(link: &watch::Sender<Link>, ended: Ended) {
    link.send_if_modified(|link| {
        let first = link.ended.is_none();
        link.ended.get_or_insert(ended);
        first
    });
}

fn is_expiry(text: &str) -> bool {
    text.eq_ignore_ascii_case("User Authentication Expired")
}

/// The cause at the bottom of the chain is what helps.
fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

impl Connection {
    /// Leaves a message in an inbox, as this connection's handle. The same envelope may be sent again within the server's duplicate window: it is stored
    /// once. Like every request here it has its answer within 10 s, or an error: at once if the connection ends.
    pub async fn send(&self, to: &Handle, envelope: &RawValue) -> Result<Sent, Error> {
        self.request(subjects::client_send(&self.nats.handle), &Send { to: to.to_string(), envelope }).await
    }

    /// A page of this handle's mail.
    pub async fn history(&self, request: &ClientHistory) -> Result<Page, Error> {
        self.request(subjects::client_history(&self.nats.handle), request).await
    }

    /// Deletes mail up to and including `through`, for every device of this person.
    pub async fn ack(&self, through: u64) -> Result<Purged, Error> {
        self.request(subjects::client_ack(&self.nats.handle), &ClientAck { through }).await
    }

    /// The record of a handle.
    pub async fn lookup(&self, handle: &Handle) -> Result<Record, Error> {
        self.look_up(ClientLookup { handle: Some(handle.to_string()), primary: None }).await
    }

    /// The record of a key.
    pub async fn by_primary(&self, primary: &Primary) -> Result<Record, Error> {
        self.look_up(ClientLookup { handle: None, primary: Some(primary.to_string()) }).await
    }

    async fn look_up(&self, request: ClientLookup) -> Result<Record, Error> {
        self.request(subjects::client_lookup(&self.nats.handle), &request).await
    }

    /// The live pushes of this handle's inbox. What is asked from now on is asked after the subscription.
    pub(crate) async fn inbox(&self) -> Result<Subscriber, Error> {
        let subscribed = self.client.subscribe(subjects::inbox(&self.nats.handle)).await;
        let subscriber = subscribed.map_err(|e| self.nats.transport(&e.to_string()))?;
        self.client.flush().await.map_err(|e| self.nats.transport(&e.to_string()))?;
        Ok(subscriber)
    }

    pub(crate) fn link(&self) -> watch::Receiver<Link> {
        self.link.clone()
    }

    async fn request<T: DeserializeOwned>(
        &self,
        subject: String,
        request: &impl Serialize,
    ) -> Result<T, Error> {
        let payload = serde_json::to_vec(request).map_err(|e| self.nats.protocol(e.to_string()))?;
        if payload.len() > CHAT_PAYLOAD_BYTES {
            // The server would end the connection.
            return Err(Problem::from(Code::TooLarge).into());
        }
        let mut link = self.link.clone();
        if let Some(ended) = &link.borrow().ended {
            return Err(ended.error.clone());
        }
        let answer = tokio::time::timeout(REQUEST, self.ask(subject, payload.into()));
        tokio::select! {
            biased;
            answer = answer => answer.map_err(|_| self.nats.transport("no answer in time"))?,
            ended = ended(&mut link) => Err(ended.map_or_else(|| self.nats.transport("the connection broke"), |e| e.error)),
        }
    }

    async fn ask<T: DeserializeOwned>(&self, subject: String, payload: Bytes) -> Result<T, Error> {
        // The deadline is around this: the library's own begins when the request is sent, and sending waits while the connection is full.
        let request = async_nats::Request::new().payload(payload).timeout(None);
        let answer = self.client.send_request(subject, request).await.map_err(|e| match e.kind() {
            RequestErrorKind::NoResponders => Problem::from(Code::Unavailable).into(),
            RequestErrorKind::MaxPayloadExceeded => Problem::from(Code::TooLarge).into(),
            _ => self.nats.transport(&deepest(&e)),
        })?;
        if let Some(problem) = problem(answer.headers.as_ref()) {
            return Err(problem.into());
        }
        serde_json::from_slice(&answer.payload)
            .map_err(|e| self.nats.protocol(format!("its answer can't be read: {e}")))
    }
}

/// Waits for the end of a connection.
pub(crate) async fn ended(link: &mut watch::Receiver<Link>) -> Option<Ended> {
    link.wait_for(|link| link.ended.is_some()).await.ok()?.ended.clone()
}

/// A header as the server set it: the last value, since a publisher may have put a forged one before.
pub(crate) fn header<'a>(headers: Option<&'a HeaderMap>, name: &'static str) -> Option<&'a str> {
    headers?.get_last(name).map(|value| value.as_str())
}

/// The refusal that an answer is, if it is one.
fn problem(headers: Option<&HeaderMap>) -> Option<Problem> {
    let mut problem = Problem::from_service_error(header(headers, headers::NATS_SERVICE_ERROR)?);
    if let Some(seconds) = header(headers, headers::RETRY_AFTER).and_then(|text| text.parse().ok()) {
        problem.retry_after = Some(seconds);
    }
    Some(problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    fn at(url: &str) -> Result<Nats, Error> {
        let key = Credential::Key(Arc::new(Identity::from_seed(&[0x42; 32])));
        Nats::new(url, "kez.lat".parse().unwrap(), "alice".parse().unwrap(), key)
    }

    #[test]
    fn refusals_are_read_from_the_last_header() {
        let mut answer = HeaderMap::new();
        assert_eq!(problem(Some(&answer)), None);
        answer.append(headers::NATS_SERVICE_ERROR, "unknown_handle: nobody");
        answer.append(headers::NATS_SERVICE_ERROR, "rate_limited: too many requests");
        assert_eq!(problem(Some(&answer)), Some(Code::RateLimited.into()));
        answer.insert(headers::RETRY_AFTER, "7");
        assert_eq!(problem(Some(&answer)).unwrap().retry_after, Some(7));
        assert_eq!(problem(None), None);
    }

    #[tokio::test]
    async fn a_server_that_is_away_is_named() {
        let error = at("nats://127.0.0.1:1").unwrap().connect().await.map(drop).unwrap_err();
        assert!(matches!(&error, Error::Transport { url, .. } if url == "nats://127.0.0.1:1"), "{error:?}");
    }

    #[test]
    fn the_first_reason_for_an_end_stays() {
        let nats = at("nats://kez.lat").unwrap();
        let (sender, link) = watch::channel(Link::default());
        nats.note(&sender, Event::SlowConsumer(1));
        nats.note(&sender, Event::ServerError(ServerError::Other("User Authentication Expired".into())));
        nats.note(&sender, Event::Disconnected);
        let link = link.borrow().clone();
        assert_eq!(link.overflows, 1);
        assert!(link.ended.unwrap().expired);
    }
}
