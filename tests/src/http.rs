//! Plain HTTP, as any client speaks it, so that the API is tested and not the client library.

use kez_proto::{Code, Problem, http::PROBLEM_JSON};
use reqwest::{Client, Response};

use crate::wait::{DEADLINE, within};

/// A client for servers on this machine: it asks neither the environment for a proxy nor the system for certificates. It belongs to the runtime
/// that it is used on.
pub fn client() -> Client {
    // One provider for the process; a second installation is refused, and that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().tls_certs_only([]).read_timeout(DEADLINE);
    client.build().unwrap()
}

/// `GET` of this URL.
pub async fn get(url: impl AsRef<str>) -> Response {
    client().get(url.as_ref()).send().await.unwrap()
}

/// A header of an answer; empty if it isn't there.
pub fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// The answer must be this error, in every form that the error has: status, media type, body, `Retry-After`, and readable by any web page.
pub async fn refused(response: Response, code: Code) -> Problem {
    let (status, url) = (response.status().as_u16(), response.url().clone());
    let (media_type, origin) = (
        header(&response, "content-type").to_owned(),
        header(&response, "access-control-allow-origin").to_owned(),
    );
    let retry_after = header(&response, "retry-after").to_owned();
    // A stream that should have been refused never ends.
    let text = within(&format!("{url} answers to the end"), response.text()).await.unwrap();
    assert_eq!(
        (status, media_type.as_str()),
        (code.status(), PROBLEM_JSON),
        "{url} should be {code}: {text}"
    );
    let problem: Problem = serde_json::from_str(&text).unwrap();
    assert_eq!((problem.code, problem.status), (code, status), "{url}: {text}");
    assert!(!problem.detail.is_empty() && origin == "*", "{url}: {text}, for {origin:?}");
    assert_eq!(
        retry_after,
        problem.retry_after.map(|seconds| seconds.to_string()).unwrap_or_default(),
        "{url}"
    );
    problem
}
