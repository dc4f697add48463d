//! Mail: what is taken, kept, given and deleted, and who may ask for it.

mod bytes;
mod clients;
mod credentials;
mod delete;
mod duplicates;
mod full;
mod history;
mod send;
mod senders;
mod tokens;

use kez_tests::{Person, http::client};
use reqwest::{RequestBuilder, Response};

/// Posts a body as it is.
async fn post(url: &str, body: impl Into<reqwest::Body>) -> Response {
    client().post(format!("{url}/v1/messages")).body(body).send().await.unwrap()
}

/// Posts an envelope's very bytes.
async fn post_envelope(url: &str, to: &str, envelope: &str) -> Response {
    post(url, format!(r#"{{"to":"{to}","envelope":{envelope}}}"#)).await
}

/// An envelope that is `bytes` long, and no other's.
fn envelope_of(bytes: usize, id: usize) -> String {
    let head = format!(r#"{{"id":{id},"pad":""#);
    format!("{head}{}\"}}", "x".repeat(bytes - head.len() - 2))
}

/// A read of this person's mail, signed as the query asks.
fn read(url: &str, person: &Person, since: u64, query: &str) -> RequestBuilder {
    client()
        .get(format!("{url}/v1/inbox/{}{query}", person.handle))
        .header("x-kez-auth", person.poll_auth(since))
}

/// A purge of this person's mail, signed for this very query.
fn purge(url: &str, person: &Person, query: &str) -> RequestBuilder {
    let target = format!("/v1/inbox/{}{query}", person.handle);
    client().delete(format!("{url}{target}")).header("x-kez-auth", person.request_auth("DELETE", &target))
}
