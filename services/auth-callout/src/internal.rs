//! What the admin listener has of this service: the same decision by hand.

use std::sync::{Arc, OnceLock};

use axum::{
    Router,
    body::Bytes,
    extract::DefaultBodyLimit,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use kez_proto::{Code, Problem, http::PROBLEM_JSON};

use crate::{
    desk::Desk,
    door::Asked,
    protocol::{self, Invalid},
};

/// `POST /internal/nats/auth`. The listener starts before the service does.
#[derive(Clone, Default)]
pub struct Internal {
    desk: Arc<OnceLock<Arc<Desk>>>,
}

impl Internal {
    /// The routes.
    pub fn router(&self) -> Router {
        let desk = self.desk.clone();
        let route = post(move |body: Result<Bytes, _>| async move { answer(desk.get(), body).await });
        Router::new()
            .route("/internal/nats/auth", route)
            .layer(DefaultBodyLimit::max(protocol::REQUEST_BYTES))
    }

    pub(crate) fn open(&self, desk: &Arc<Desk>) {
        // There is one service in a process.
        let _ = self.desk.set(desk.clone());
    }
}

impl std::fmt::Debug for Internal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Internal")
    }
}

type Body = Result<Bytes, axum::extract::rejection::BytesRejection>;

async fn answer(desk: Option<&Arc<Desk>>, body: Body) -> Response {
    let Some(desk) = desk else { return refusal(Code::Unavailable.into()) };
    let Ok(body) = body else { return refusal(Code::TooLarge.into()) };
    match desk.decide(&desk.plain, Asked::ByHand, &body, None).await {
        Ok(token) => ([(header::CONTENT_TYPE, "application/jwt")], token).into_response(),
        Err(Invalid::Internal) => refusal(Code::Internal.into()),
        Err(Invalid::TooLarge) => refusal(Code::TooLarge.into()),
        Err(why) => refusal(Problem::new(Code::InvalidAuthRequest, why.to_string())),
    }
}

fn refusal(problem: Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = (status, [(header::CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
