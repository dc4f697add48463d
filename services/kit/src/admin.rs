//! The admin listener: `/livez` tells of the process alone, `/readyz` of its dependencies, `/metrics` of what it did. Never on a public address.

use std::{net::SocketAddr, time::Duration};

use axum::{Json, Router, http::StatusCode, routing::get};
use clap::Args;

use crate::{Failure, Life, http, task};

/// Where the admin listener is.
#[derive(Args, Clone, Debug)]
pub struct AdminArgs {
    /// Address of the admin listener (/livez, /readyz and /metrics); keep it off the public network. Port 0 picks a free one.
    #[arg(long, env = "KEZ_CHAT_ADMIN_BIND", value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub admin_bind: SocketAddr,
}

/// Starts the listener and announces its address as `admin`.
pub fn start(args: &AdminArgs, life: &Life) -> Result<(), Failure> {
    start_with(args, life, Router::new())
}

/// The same with more routes, for those that only operators may reach.
pub fn start_with(args: &AdminArgs, life: &Life, more: Router) -> Result<(), Failure> {
    let listener = http::bind(args.admin_bind, "--admin-bind")?;
    let addr = listener.local_addr().map_err(Failure::internal)?;
    life.announce("admin", addr.to_string());
    tracing::info!(%addr, "admin listener");
    let ready = life.ready.clone();
    let readyz = move || async move {
        let status = if ready.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, Json(ready.gates()))
    };
    let router = more
        .merge(life.metrics.router())
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz));
    let closed = life.closed.clone();
    task::spawn("admin", async move {
        if let Err(failure) = http::serve(listener, router, closed, Duration::ZERO).await {
            tracing::error!(%failure, "the admin listener failed");
        }
    });
    Ok(())
}
