//! The route table. [`kez_proto::http::ROUTES`] is the same as a document; a test compares them.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    http::{HeaderName, Method, header},
    middleware::from_fn_with_state,
    routing::{any, get, post},
};
use kez_proto::headers::X_KEZ_AUTH;
use tower_http::cors::{Any, CorsLayer};

use crate::{Gateway, counts, handlers, rate, refusal, sigchain, stream, web};

/// The whole public surface.
pub fn router(gateway: Arc<Gateway>) -> Router {
    let limited = |kind: rate::Kind| from_fn_with_state((gateway.clone(), kind), rate::limit);
    let routes = Router::new()
        .route("/v1/healthz", get(handlers::healthz))
        .route("/v1/server", get(handlers::server))
        .route("/v1/register", post(handlers::register).layer(limited(rate::Kind::Registrations)))
        .route("/v1/u/{handle}", get(handlers::lookup))
        .route("/v1/by-primary/{primary}", get(handlers::by_primary))
        .route("/.well-known/webfinger", get(handlers::webfinger))
        .route("/.well-known/jwks.json", get(handlers::jwks))
        .route("/v1/release", post(handlers::release).layer(limited(rate::Kind::Registrations)))
        .merge(sigchains(&gateway))
        .route("/v1/session", post(handlers::session).layer(limited(rate::Kind::Sessions)))
        .route("/v1/session/renew", post(handlers::renew))
        .route("/v1/messages", post(handlers::send).layer(limited(rate::Kind::Sends)))
        .route("/v1/inbox/{handle}", get(handlers::inbox).delete(handlers::delete))
        .route("/v1/inbox/{handle}/stream", get(stream::open))
        .method_not_allowed_fallback(refusal::method_not_allowed);
    // What isn't an address of the API is never the web client's either.
    let routes = ["/v1", "/internal", "/.well-known"].into_iter().fold(routes, |routes, root| {
        let below = ["", "/", "/{*rest}"].map(|rest| format!("{root}{rest}"));
        below.iter().fold(routes, |routes, path| routes.route(path, any(refusal::not_found)))
    });
    routes
        .fallback_service(web::service(&gateway.config))
        .layer(limited(rate::Kind::Requests))
        .layer(cors())
        .layer(from_fn_with_state(gateway.counts.clone(), counts::count))
        .with_state(gateway)
}

/// The identity logs alone, for a listener of their own.
pub fn sigchains_only(gateway: Arc<Gateway>) -> Router {
    let limited = from_fn_with_state((gateway.clone(), rate::Kind::Requests), rate::limit);
    sigchains(&gateway)
        .route("/v1/healthz", get(handlers::healthz))
        .method_not_allowed_fallback(refusal::method_not_allowed)
        .fallback(refusal::not_found)
        .layer(limited)
        .layer(cors())
        .layer(from_fn_with_state(gateway.counts.clone(), counts::count))
        .with_state(gateway)
}

fn sigchains(gateway: &Arc<Gateway>) -> Router<Arc<Gateway>> {
    let sends = from_fn_with_state((gateway.clone(), rate::Kind::Sends), rate::limit);
    Router::new()
        .route("/v1/sigchains/{system}/{id}", post(sigchain::append).layer(sends).get(sigchain::get))
        .route("/v1/sigchains/{system}/{id}/head", get(sigchain::head))
}

/// A browser client of another origin may use the API: nothing here trusts a cookie.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            header::IF_NONE_MATCH,
            HeaderName::from_static(X_KEZ_AUTH),
            HeaderName::from_static("last-event-id"),
        ])
        .expose_headers([header::RETRY_AFTER, header::ETAG])
        .max_age(Duration::from_secs(3600))
}
