//! One HTTP exchange: a request goes out, and a typed answer or one of our errors comes back.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use kez_proto::{
    Problem,
    http::EVENT_STREAM,
    limits::{CHAIN_EXPORT_BYTES, SSE_PING},
};
use reqwest::{Method, RequestBuilder, Response, header, redirect};
use serde::de::DeserializeOwned;
use url::Url;

use crate::Error;

const CONNECT: Duration = Duration::from_secs(5);
const REQUEST: Duration = Duration::from_secs(10);
/// A stream is dead when three pings in a row didn't come.
const SILENCE: Duration = Duration::from_secs(3 * SSE_PING.as_secs());
/// No answer but an identity log is longer: a page of mail is the longest, with at most [`kez_proto::limits::PAGE_BYTES`] or one message.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// An identity log as long as one file of it may be, and what is said of it.
const CHAIN_BYTES: usize = CHAIN_EXPORT_BYTES + 64 * 1024;
/// For an identity log, which may be long, from a server that is far away.
const CHAIN: Duration = Duration::from_secs(60);

/// A server's address and the connections to it.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    http: reqwest::Client,
    base: Url,
}

impl Transport {
    pub(crate) fn new(text: &str) -> Result<Self, Error> {
        let wrong = |detail: &str| Error::Address { url: text.to_owned(), detail: detail.to_owned() };
        let base = Url::parse(text).map_err(|_| wrong("write it as http://host:port or https://host"))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(wrong("it must begin with http:// or https://"));
        }
        // What is signed names the path, so nothing may stand before it.
        let bare = base.path() == "/" && base.query().is_none() && base.fragment().is_none();
        if !bare || !base.username().is_empty() || base.password().is_some() {
            return Err(wrong("it must be scheme, host and port alone"));
        }
        // One provider for the process; somebody else may have set it before, and that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder()
            .user_agent(concat!("kez/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            // A signature mustn't follow a redirect to somebody else.
            .redirect(redirect::Policy::none());
        // Plain HTTP needs no certificates, and must work on a machine that has none.
        let builder = if base.scheme() == "http" { builder.tls_certs_only([]) } else { builder };
        let http = builder.build().map_err(|e| Error::transport(text, &e))?;
        Ok(Self { http, base })
    }

    /// The server's address, for people.
    pub(crate) fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// A request to this path and query, which go out exactly as they stand in the URL's text.
    pub(crate) fn request(&self, method: Method, path: &str, query: &[(&str, &str)]) -> RequestBuilder {
        self.http.request(method, self.address(path, query))
    }

    /// Path and query of a request, as they are sent and signed.
    pub(crate) fn target(&self, path: &str, query: &[(&str, &str)]) -> String {
        let url = self.address(path, query);
        url[url::Position::BeforePath..url::Position::AfterQuery].to_owned()
    }

    fn address(&self, path: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Sends, and reads the whole answer.
    pub(crate) async fn call<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Error> {
        self.exchange(request.timeout(REQUEST), ANSWER_BYTES).await
    }

    /// The same where the answer is an identity log.
    pub(crate) async fn call_for_chain<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, Error> {
        self.exchange(request.timeout(CHAIN), CHAIN_BYTES).await
    }

    async fn exchange<T: DeserializeOwned>(&self, request: RequestBuilder, most: usize) -> Result<T, Error> {
        let response = request.send().await.map_err(|e| Error::transport(self.url(), &e))?;
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        let status = response.status().as_u16();
        let body = self.body(response, most).await?;
        serde_json::from_slice(&body)
            .map_err(|e| self.protocol(Some(status), format!("its answer can't be read: {e}")))
    }

    /// Sends, and gives the answer's bytes as they come, for as long as they come.
    pub(crate) async fn open(
        &self,
        request: RequestBuilder,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + use<>, Error> {
        let sent = request.header(header::ACCEPT, EVENT_STREAM).send();
        let late = || Error::Transport { url: self.url().to_owned(), reason: "no answer in time".to_owned() };
        let response = tokio::time::timeout(REQUEST, sent).await.map_err(|_| late())?;
        let response = response.map_err(|e| Error::transport(self.url(), &e))?;
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        let media_type =
            response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if media_type.split(';').next().map(str::trim) != Some(EVENT_STREAM) {
            return Err(self.protocol(
                Some(response.status().as_u16()),
                "its answer isn't a stream of events".to_owned(),
            ));
        }
        let url = self.url().to_owned();
        let broken = move |e: reqwest::Error| match Error::transport(&url, &e) {
            Error::Transport { url, .. } if e.is_timeout() => {
                Error::Transport { url, reason: format!("nothing came for {} s", SILENCE.as_secs()) }
            }
            error => error,
        };
        Ok(response.bytes_stream().map(move |chunk| chunk.map_err(&broken)))
    }

    pub(crate) fn protocol(&self, status: Option<u16>, detail: String) -> Error {
        Error::Protocol { url: self.url().to_owned(), status, detail }
    }

    async fn refusal(&self, response: Response) -> Error {
        let status = response.status();
        let location =
            response.headers().get(header::LOCATION).and_then(|v| v.to_str().ok()).map(str::to_owned);
        if let Some(location) = location.filter(|_| status.is_redirection()) {
            return self
                .protocol(Some(status.as_u16()), format!("it points to {location}; use that server's URL"));
        }
        // The stream's request has no timeout of its own.
        let body = match tokio::time::timeout(REQUEST, self.body(response, ANSWER_BYTES)).await {
            Ok(Ok(body)) => body,
            Ok(Err(e)) => return e,
            Err(_) => Bytes::new(),
        };
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => problem.into(),
            Err(_) => {
                self.protocol(Some(status.as_u16()), format!("HTTP {}{}", status, foreign_detail(&body)))
            }
        }
    }

    async fn body(&self, mut response: Response, most: usize) -> Result<Bytes, Error> {
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| Error::transport(self.url(), &e))? {
            if body.len() + chunk.len() > most {
                return Err(
                    self.protocol(Some(response.status().as_u16()), "its answer is too long".to_owned())
                );
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }
}

/// The sentence of a problem whose code this version doesn't know: a newer server, or another kind.
fn foreign_detail(body: &[u8]) -> String {
    let problem: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    problem["detail"].as_str().map(|detail| format!(": {detail}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in ["http://127.0.0.1:6969", "http://127.0.0.1:6969/", "http://[::1]:80", "https://kez.lat"]
        {
            assert!(Transport::new(good).is_ok(), "{good} was refused");
        }
        for bad in [
            "",
            "kez.lat",
            "kez.lat:80",
            "ftp://kez.lat",
            "https://kez.lat/chat",
            "https://kez.lat/?a",
            "https://kez.lat/#a",
            "https://me:pw@kez.lat",
        ] {
            assert!(matches!(Transport::new(bad), Err(Error::Address { .. })), "{bad} was taken");
        }
    }

    #[test]
    fn what_is_signed_is_what_is_sent() {
        let transport = Transport::new("http://127.0.0.1:6969").unwrap();
        let query = [("through", "12"), ("epoch", "a b&ü")];
        let request = transport.request(Method::DELETE, "/v1/inbox/alice", &query).build().unwrap();
        assert_eq!(
            transport.target("/v1/inbox/alice", &query),
            "/v1/inbox/alice?through=12&epoch=a+b%26%C3%BC"
        );
        assert_eq!(
            request.url().as_str(),
            format!("http://127.0.0.1:6969{}", transport.target("/v1/inbox/alice", &query))
        );
        assert_eq!(transport.target("/v1/server", &[]), "/v1/server");
    }

    #[tokio::test]
    async fn a_server_that_is_away_is_named() {
        let transport = Transport::new("http://127.0.0.1:1").unwrap();
        let error = transport
            .call::<serde_json::Value>(transport.request(Method::GET, "/v1/server", &[]))
            .await
            .unwrap_err();
        assert!(matches!(&error, Error::Transport { .. }), "{error:?}");
        assert!(error.to_string().contains("http://127.0.0.1:1: "), "{error}");
    }
}
