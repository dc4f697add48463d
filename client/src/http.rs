//! The public HTTP API of a home server, one method a route (see [`kez_proto::http::ROUTES`]).

use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use kez_proto::{
    Handle, Primary, ServerName, auth,
    envelope::Signed,
    headers::X_KEZ_AUTH,
    identity::Key,
    mail::{Page, Purged, Send, Sent},
    registry::{Record, Released},
    server::{Health, ServerInfo},
    session,
    sigchain::{self, Appended, ChainHead},
};
use reqwest::Method;
use serde_json::value::RawValue;

use crate::{Cursor, Error, Identity, Session, transport::Transport};

/// A home server, by its URL. Clones share their connections. Each call gives up after 10 s (60 s for an identity log), and 5 s for connecting; nothing is
/// retried here.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Transport,
}

impl Client {
    /// A client of the server at `url`: `http://host:port` or `https://host`, without a path. Nothing is sent yet.
    pub fn new(url: &str) -> Result<Self, Error> {
        Ok(Self { transport: Transport::new(url)? })
    }

    /// The server's URL, without a slash at the end.
    pub fn base_url(&self) -> &str {
        self.transport.url()
    }

    /// Whether the process is alive.
    pub async fn health(&self) -> Result<Health, Error> {
        self.get("/v1/healthz").await
    }

    /// What the server is and takes.
    pub async fn server(&self) -> Result<ServerInfo, Error> {
        self.get("/v1/server").await
    }

    /// Binds a handle. The same envelope may be sent again: it gets the same record.
    pub async fn register(&self, registration: &Signed) -> Result<Record, Error> {
        let request = self.transport.request(Method::POST, "/v1/register", &[]).json(registration);
        self.transport.call(request).await
    }

    /// Gives a handle back. The same envelope may be sent again: it gets the same answer.
    pub async fn release(&self, release: &Signed) -> Result<Released, Error> {
        self.transport.call(self.transport.request(Method::POST, "/v1/release", &[]).json(release)).await
    }

    /// The record of a handle.
    pub async fn lookup(&self, handle: &Handle) -> Result<Record, Error> {
        self.get(&format!("/v1/u/{handle}")).await
    }

    /// The record of a key.
    pub async fn by_primary(&self, primary: &Primary) -> Result<Record, Error> {
        self.get(&format!("/v1/by-primary/{primary}")).await
    }

    /// The events from `since` on of the identity log that is or was under this key, as the server gives them: nothing is verified. Most callers want
    /// [`Client::sigchain`].
    pub async fn chain(&self, key: &Key, since: u64) -> Result<sigchain::Page, Error> {
        let since = since.to_string();
        let request = self.transport.request(Method::GET, &chain_path(key), &[("since", since.as_str())]);
        self.transport.call_for_chain(request).await
    }

    /// What the server says that the identity log under this key has come to.
    pub async fn chain_head(&self, key: &Key) -> Result<ChainHead, Error> {
        self.get(&format!("{}/head", chain_path(key))).await
    }

    /// Appends one signed event to the identity log under this key. The same event may be sent again: it is stored once.
    pub async fn append(&self, chain: &Key, event: &RawValue) -> Result<Appended, Error> {
        self.transport.call(self.transport.request(Method::POST, &chain_path(chain), &[]).json(event)).await
    }

    /// Leaves a message in an inbox. The same envelope may be sent again within the server's duplicate window: it is stored once.
    pub async fn send(&self, to: &Handle, envelope: &RawValue) -> Result<Sent, Error> {
        let message = Send { to: to.to_string(), envelope };
        self.transport.call(self.transport.request(Method::POST, "/v1/messages", &[]).json(&message)).await
    }

    /// A page of mail behind `since`, oldest first; `limit` is at most [`kez_proto::limits::PAGE_MAX`].
    pub async fn inbox(
        &self,
        identity: &Identity,
        handle: &Handle,
        since: u64,
        limit: Option<usize>,
    ) -> Result<Page, Error> {
        let (since_text, limit) = (since.to_string(), limit.map(|n| n.to_string()));
        let mut query = vec![("since", since_text.as_str())];
        query.extend(limit.as_deref().map(|n| ("limit", n)));
        let credential = identity.credential(|ts| auth::poll_text(handle, since, ts));
        let request = self.transport.request(Method::GET, &format!("/v1/inbox/{handle}"), &query);
        let page: Page = self.transport.call(request.header(X_KEZ_AUTH, credential.0)).await?;
        // A reader that follows `next` must come to an end.
        if page.next.is_some_and(|next| next <= since) {
            return Err(self.transport.protocol(None, "a page of mail points backwards".to_owned()));
        }
        Ok(page)
    }

    /// Deletes mail up to and including `through`, for every device of this person.
    pub async fn delete(
        &self,
        identity: &Identity,
        server: &ServerName,
        handle: &Handle,
        through: u64,
    ) -> Result<Purged, Error> {
        let (path, through) = (format!("/v1/inbox/{handle}"), through.to_string());
        let query = [("through", through.as_str())];
        let target = self.transport.target(&path, &query);
        let credential = identity.credential(|ts| auth::request_text(server, "DELETE", &target, b"", ts));
        self.transport
            .call(self.transport.request(Method::DELETE, &path, &query).header(X_KEZ_AUTH, credential.0))
            .await
    }

    /// Begins a session of `identity` with a fresh key. It lasts for `lifetime`, at most [`kez_proto::limits::SESSION`]; its token for some minutes.
    pub async fn begin_session(
        &self,
        identity: &Identity,
        server: &ServerName,
        lifetime: Duration,
    ) -> Result<Session, Error> {
        let key = Identity::generate().map_err(|e| self.protocol(format!("no session can be begun: {e}")))?;
        let (start, envelope) = crate::session::start(identity, server, key.primary().into(), lifetime)?;
        let request = self.transport.request(Method::POST, "/v1/session", &[]).json(&envelope);
        let grant = self.transport.call(request).await?;
        Ok(Session::new(key, &start, grant))
    }

    /// Gets a new token for a session that hasn't ended; its token may have expired. Who uses the session has the new one from then on.
    pub async fn renew_session(&self, server: &ServerName, session: &Session) -> Result<(), Error> {
        let path = session::RENEW_PATH;
        let credential = session.key().credential(|ts| auth::request_text(server, "POST", path, b"", ts));
        let request = self.transport.request(Method::POST, path, &[]).bearer_auth(session.token());
        session.renewed(self.transport.call(request.header(X_KEZ_AUTH, credential.0)).await?);
        Ok(())
    }

    /// Opens the mail stream behind `cursor` and gives its bytes (Server-Sent Events). They end in an error when nothing came for 45 s.
    /// Most callers want [`crate::listen`], which keeps such a stream.
    pub async fn open_stream(
        &self,
        identity: &Identity,
        handle: &Handle,
        cursor: &Cursor,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + use<>, Error> {
        let query: Vec<_> = cursor.epoch.as_deref().map(|epoch| ("epoch", epoch)).into_iter().collect();
        let credential = identity.credential(|ts| auth::stream_text(handle, ts));
        let request = self.transport.request(Method::GET, &format!("/v1/inbox/{handle}/stream"), &query);
        let request = request.header(X_KEZ_AUTH, credential.0).header("Last-Event-ID", cursor.seq);
        self.transport.open(request).await
    }

    /// The error for an answer that isn't ours.
    pub(crate) fn protocol(&self, detail: String) -> Error {
        self.transport.protocol(None, detail)
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.transport.call(self.transport.request(Method::GET, path, &[])).await
    }
}

fn chain_path(key: &Key) -> String {
    format!("/v1/sigchains/{}/{}", key.system(), key.identifier())
}
