//! An error as HTTP tells it: `application/problem+json` (RFC 9457) with the code, and `Retry-After` where trying again makes sense.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use kez_proto::{Code, Problem, http::PROBLEM_JSON};

/// An error answer.
#[derive(Debug)]
pub struct Refusal(pub Problem);

impl<P: Into<Problem>> From<P> for Refusal {
    fn from(problem: P) -> Self {
        Self(problem.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let problem = self.0;
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response =
            (status, [(header::CONTENT_TYPE, PROBLEM_JSON), (header::CACHE_CONTROL, "no-store")], body)
                .into_response();
        response.extensions_mut().insert(problem.code);
        if let Some(seconds) = problem.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Answers for addresses and methods that the router doesn't know.
pub async fn not_found() -> Refusal {
    Code::NotFound.into()
}

/// See [`not_found`].
pub async fn method_not_allowed() -> Refusal {
    Code::MethodNotAllowed.into()
}
