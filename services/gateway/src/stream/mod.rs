//! `GET /v1/inbox/:handle/stream`: one subscription and one `open`, then history up to the head, then live, with every gap repaired.

mod feed;
mod heads;
mod owners;
mod queue;

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{RawQuery, State},
    http::{HeaderMap, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::StreamExt;
use kez_kit::{Failure, Life, Nats, task};
use kez_proto::{
    Code, Handle, Problem,
    auth::{Caller, Credential},
    limits::SSE_PING,
    mail, sse, subjects,
};

use self::{feed::Feed, heads::Heads, owners::Owners};
use crate::{
    Gateway, caller,
    handlers::{self, Name},
    rate::Client,
    refusal::Refusal,
};

/// What all streams of a gateway share.
pub struct Streams {
    heads: Heads,
    owners: Owners,
    life: Life,
    drain: Duration,
}

impl Streams {
    pub async fn start(nats: &Nats, life: &Life, drain: Duration) -> Result<Self, Failure> {
        let owners = Owners::follow(nats).await?;
        Ok(Self { heads: Heads::start(nats), owners, life: life.clone(), drain })
    }
}

/// Where a reader wants to go on.
struct Cursor {
    since: u64,
    epoch: Option<String>,
}

pub async fn open(
    State(gateway): State<Arc<Gateway>>,
    Client(ip): Client,
    Name(handle): Name,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    let cursor = cursor(&query, &headers)?;
    let auth = caller(&query, &headers)?;
    let handle: Handle = handle.parse()?;
    let place = gateway.rates.stream(ip)?;

    // Subscribed before history is read: what comes in between waits here. The server takes a connection's commands in order, so that the
    // subscription stands when `open` is answered.
    let live =
        gateway.nats.client.subscribe(subjects::inbox(&handle)).await.map_err(|_| Code::Unavailable)?;
    let request = mail::Open {
        handle: handle.to_string(),
        since: cursor.since,
        epoch: cursor.epoch,
        auth: auth.clone(),
    };
    let answer = gateway.ask_json(subjects::FANOUT_OPEN, &request).await?;
    let opened: mail::Opened = serde_json::from_slice(&answer).map_err(|_| Code::Internal)?;

    let (queue, events) = queue::bounded();
    let feed = Feed::new(
        gateway,
        handle,
        auth,
        live,
        queue,
        if opened.resync { 0 } else { cursor.since },
        opened.page.epoch.clone(),
    );
    task::spawn("stream", feed.run(opened));
    // The place is taken until the answer has left, which may be long after its feed ended.
    let events = events.inspect(move |_| {
        let _held = &place;
    });
    let ping = KeepAlive::new().interval(SSE_PING).event(Event::default().event(sse::PING).data("{}"));
    let headers = [(header::CACHE_CONTROL.as_str(), "no-cache, no-transform"), ("x-accel-buffering", "no")];
    Ok((headers, Sse::new(events).keep_alive(ping)).into_response())
}

fn cursor(query: &str, headers: &HeaderMap) -> Result<Cursor, Code> {
    let last = headers
        .get("last-event-id")
        .map(|v| v.to_str().ok().and_then(|v| v.trim().parse().ok()).ok_or(Code::InvalidParameter));
    let since = match last.transpose()? {
        Some(seq) => Some(seq),
        None => handlers::number(query, "since")?,
    };
    Ok(Cursor {
        since: since.unwrap_or(0),
        epoch: handlers::values(query, "epoch").next().map(|e| e.into_owned()),
    })
}

/// The header, or `?auth=` for clients that can't set one.
fn caller(query: &str, headers: &HeaderMap) -> Result<Caller, Problem> {
    let from_query = || handlers::values(query, "auth").next().map(|v| Credential(v.into_owned()));
    let caller = caller::caller(headers)?;
    Ok(Caller { signature: caller.signature.or_else(from_query), ..caller })
}
