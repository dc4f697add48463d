//! Takes nats-server's requests, from NATS and on the admin listener, and answers them: many at once, none waits for another.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use async_nats::{Message, Subscriber};
use axum::{
    Router,
    body::Bytes,
    extract::DefaultBodyLimit,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use futures_util::StreamExt;
use kez_kit::{Nats, metrics::Metrics, nats::header as nats_header, task};
use kez_proto::{Code, Problem, http::PROBLEM_JSON};
use time::OffsetDateTime;
use tokio::sync::{Notify, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    audit::Audit,
    door::Door,
    hands::Hands,
    protocol::{self, Answered, Callout, Invalid},
};

/// Logins in this process's hands at once; more wait in the subscription.
const CONCURRENCY: usize = 1024;

/// Decides, answers, and tells of it.
pub struct Desk {
    /// For requests over NATS, which are sealed.
    pub sealed: Callout,
    /// For requests on the admin listener, which aren't.
    pub plain: Callout,
    pub door: Door,
    pub audit: Audit,
}

impl Desk {
    /// Answers until `stop`: then it leaves the queue, and finishes what it was given. `copies` are of all requests; `lost` says that another instance
    /// is gone with what it was given.
    pub async fn serve(
        self: Arc<Self>,
        nats: Nats,
        mut requests: Subscriber,
        mut copies: Subscriber,
        lost: Arc<Notify>,
        stop: CancellationToken,
    ) {
        let logins = TaskTracker::new();
        let places = Arc::new(Semaphore::new(CONCURRENCY));
        let mut hands = Hands::default();
        let mut leaving = false;
        let begin = async |message| {
            // Never closed, so that it can't fail.
            let Ok(place) = places.clone().acquire_owned().await else { return };
            let (desk, nats) = (self.clone(), nats.clone());
            task::spawn(
                "login",
                logins.track_future(async move {
                    desk.answer(&nats, message).await;
                    drop(place);
                }),
            );
        };
        loop {
            tokio::select! {
                message = requests.next() => {
                    let Some(message) = message else { break };
                    if message.reply.as_ref().is_some_and(|reply| hands.own(reply, Instant::now())) {
                        begin(message).await;
                    }
                }
                Some(copy) = copies.next() => hands.copied(copy, Instant::now()),
                () = lost.notified() => for message in hands.take(Instant::now()) {
                    begin(message).await;
                },
                () = stop.cancelled(), if !leaving => {
                    leaving = true;
                    if requests.drain().await.is_err() {
                        break;
                    }
                }
            }
        }
        logins.close();
        logins.wait().await;
        let _ = nats.client.flush().await;
    }

    async fn answer(&self, nats: &Nats, message: Message) {
        let Some(reply) = message.reply else { return };
        let xkey = nats_header(message.headers.as_ref(), protocol::XKEY_HEADER);
        let Ok(payload) = self.decide(&self.sealed, "nats", &message.payload, xkey).await else { return };
        if let Err(error) = nats.client.publish(reply, payload.into()).await {
            tracing::warn!(%error, "a login couldn't be answered");
        }
    }

    async fn decide(
        &self,
        callout: &Callout,
        from: &str,
        payload: &[u8],
        xkey: Option<&str>,
    ) -> Result<Vec<u8>, Invalid> {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let answered = callout.answer(payload, xkey, now, &self.door).await;
        let Answered { payload, request, decision } =
            answered.inspect_err(|why| self.audit.invalid(from, *why))?;
        match decision {
            Ok(user) => self.audit.accepted(&request, &user.name),
            Err(denied) => self.audit.denied(&request, denied.handle.as_ref(), denied.reason),
        }
        Ok(payload)
    }
}

/// What the admin listener has of this service: `POST /internal/nats/auth` and `GET /metrics`. The listener starts before the service does.
#[derive(Clone, Default)]
pub struct Internal {
    desk: Arc<OnceLock<Arc<Desk>>>,
    pub(crate) metrics: Metrics,
}

impl Internal {
    /// The routes.
    pub fn router(&self) -> Router {
        let desk = self.desk.clone();
        let route = post(move |body: Result<Bytes, _>| async move { answer(desk.get(), body).await });
        Router::new()
            .route("/internal/nats/auth", route)
            .layer(DefaultBodyLimit::max(protocol::REQUEST_BYTES))
            .merge(self.metrics.router())
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
    match desk.decide(&desk.plain, "http", &body, None).await {
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
