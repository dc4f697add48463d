//! The web client's files at `/`: those within this binary, or an operator's own folder. With them goes the policy of what a page may do.

use std::{convert::Infallible, path::Path};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, get_service},
};
use kez_proto::Code;
use rust_embed::{EmbeddedFile, RustEmbed};
use tower_http::{
    compression::CompressionLayer,
    services::{ServeDir, ServeFile},
};

use crate::{Config, refusal::Refusal};

/// What `make web` built; a build without it has none.
#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Client;

const INDEX: &str = "index.html";
/// Files whose names change with their contents.
const HASHED: &str = "/assets/";

/// The service behind every path that no route has. A client in a folder routes by itself: an unknown path is its index. Ours has one address.
pub fn service(config: &Config) -> MethodRouter<(), Infallible> {
    let files = match &config.web_dir {
        Some(dir) => get_service(ServeDir::new(dir).fallback(index_of(dir))).fallback(async || only_read()),
        None => get(embedded).fallback(async |uri: Uri| match file(uri.path()) {
            Some(_) => only_read(),
            None => Refusal::from(Code::NotFound).into_response(),
        }),
    };
    files.layer(CompressionLayer::new()).layer(from_fn_with_state(policy(config), with_headers))
}

fn only_read() -> Response {
    ([(header::ALLOW, "GET,HEAD")], Refusal::from(Code::MethodNotAllowed)).into_response()
}

/// A folder's index in place of what isn't there, but not in place of a script.
fn index_of(dir: &Path) -> MethodRouter {
    let index = ServeFile::new(dir.join(INDEX));
    get(async move |request: Request| {
        if request.uri().path().starts_with(HASHED) {
            return Refusal::from(Code::NotFound).into_response();
        }
        match index.clone().try_call(request).await {
            Ok(page) => page.into_response(),
            Err(error) => {
                tracing::error!(%error, "the page of --web-dir can't be read");
                Refusal::from(Code::Internal).into_response()
            }
        }
    })
}

fn file(path: &str) -> Option<EmbeddedFile> {
    Client::get(if path == "/" { INDEX } else { path.trim_start_matches('/') })
}

async fn embedded(uri: Uri, headers: HeaderMap) -> Response {
    match file(uri.path()) {
        Some(file) => answer(file, &headers),
        None if uri.path() == "/" => {
            (StatusCode::NOT_FOUND, "This build has no web client; the API is at /v1/server.\n")
                .into_response()
        }
        None => Refusal::from(Code::NotFound).into_response(),
    }
}

fn answer(file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let hash = file.metadata.sha256_hash();
    // Weak, for it may be compressed on its way (RFC 9110, 8.8.1).
    let tag = format!("W/\"{:016x}\"", u64::from_be_bytes(hash[..8].try_into().unwrap_or_default()));
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known == tag.as_str());
    let caching = [(header::ETAG, tag), (header::CONTENT_TYPE, file.metadata.mimetype().to_owned())];
    if known {
        (StatusCode::NOT_MODIFIED, caching).into_response()
    } else {
        (caching, file.data).into_response()
    }
}

/// What our pages may do, and so what a script that got into one couldn't.
fn policy(config: &Config) -> HeaderValue {
    let nats = config.nats.as_ref().and_then(|nats| nats.websocket_url.as_deref()).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; font-src 'self'; \
         connect-src 'self' {nats}; media-src 'self' blob:; manifest-src 'self'; worker-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

async fn with_headers(State(policy): State<HeaderValue>, request: Request, next: Next) -> Response {
    let hashed = request.uri().path().starts_with(HASHED);
    let mut response = next.run(request).await;
    let found = response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED;
    let caching = if hashed && found { "public, max-age=31536000, immutable" } else { "no-cache" };
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, HeaderValue::from_static(caching)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ] {
        response.headers_mut().insert(name, value);
    }
    response
}
