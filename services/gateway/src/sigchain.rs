//! `/v1/sigchains/…`: appends are one request; a whole chain is read page by page while it is sent.

use std::{io, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::{FromRequestParts, Path, RawQuery, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use kez_proto::{
    Code,
    http::{JSON, JSON_LINES},
    limits, sigchain,
    sigchain::{Append, Get, Named},
    subjects,
};
use serde_json::value::RawValue;

use crate::{
    Gateway,
    ask::{body, json},
    handlers::number,
    refusal::Refusal,
};

type Answer = Result<Response, Refusal>;
type Gate = State<Arc<Gateway>>;
type Page = sigchain::Page<Box<RawValue>>;

/// The chain in the path, unchecked.
pub struct Chain(Named);

impl<S: Send + Sync> FromRequestParts<S> for Chain {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::<(String, String)>::from_request_parts(parts, state).await {
            Ok(Path((system, identifier))) => Ok(Self(Named { system, identifier })),
            // Bytes that are no text are no key either.
            Err(_) => Err(Code::InvalidPrimary.into()),
        }
    }
}

pub async fn append(State(gateway): Gate, Chain(chain): Chain, request: Body) -> Answer {
    let event = body(request, limits::EVENT_BYTES).await?;
    let event: &RawValue = serde_json::from_slice(&event).map_err(|_| Code::MalformedJson)?;
    let appended = gateway.ask_json(subjects::SIGCHAIN_APPEND, &Append { chain, event }).await?;
    Ok(json(StatusCode::CREATED, appended))
}

pub async fn head(State(gateway): Gate, Chain(chain): Chain) -> Answer {
    let head = gateway.ask_json(subjects::SIGCHAIN_HEAD, &chain).await?;
    Ok(([(header::CACHE_CONTROL, "no-cache")], json(StatusCode::OK, head)).into_response())
}

pub async fn get(
    State(gateway): Gate,
    Chain(chain): Chain,
    RawQuery(query): RawQuery,
    asked: HeaderMap,
) -> Answer {
    let since = number(&query.unwrap_or_default(), "since")?.unwrap_or(0);
    let form = Form::of(&asked);
    let page = gateway.page(&chain, since).await?;
    let tag = form.tag(&page.head);
    let about = [
        (header::ETAG, tag.as_str()),
        (header::CONTENT_TYPE, form.media_type()),
        // Both forms are told apart by a request's header, and may always be asked for anew.
        (header::VARY, "Accept"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    let mut known = known.flat_map(|tags| tags.split(',')).map(str::trim);
    if known.any(|known| known == "*" || known.trim_start_matches("W/") == tag) {
        return Ok((StatusCode::NOT_MODIFIED, about).into_response());
    }
    let events = page.head.seq.saturating_add(1).saturating_sub(since);
    let rest = Rest { gateway, chain, form, since, left: events, page: Some(page), first: true };
    let chunks = stream::try_unfold(rest, Rest::next);
    Ok((about, Body::from_stream(chunks)).into_response())
}

/// How a chain is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Lines,
}

impl Form {
    fn of(asked: &HeaderMap) -> Self {
        let mut accepted = asked.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        if accepted.any(|value| value.contains(JSON_LINES)) { Self::Lines } else { Self::Json }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Json => JSON,
            Self::Lines => JSON_LINES,
        }
    }

    /// Names the chain up to its head, in this form.
    fn tag(self, head: &sigchain::Head) -> String {
        let form = match self {
            Self::Json => "json",
            Self::Lines => "lines",
        };
        format!("\"{}.{form}\"", head.hash.trim_start_matches("sha256:"))
    }
}

/// What is still to be sent of a chain: nothing beyond the head that the first page told.
struct Rest {
    gateway: Arc<Gateway>,
    chain: Named,
    form: Form,
    since: u64,
    left: u64,
    page: Option<Page>,
    first: bool,
}

impl Rest {
    /// The next piece of the body. A failure ends the connection: whoever reads sees that it isn't whole.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, io::Error> {
        let page = match self.page.take() {
            Some(page) => page,
            None if self.left == 0 => return Ok(None),
            None => {
                self.gateway.page(&self.chain, self.since).await.map_err(|Refusal(e)| io::Error::other(e))?
            }
        };
        let events: Vec<_> =
            page.events.iter().take(usize::try_from(self.left).unwrap_or(usize::MAX)).collect();
        if events.is_empty() && self.left > 0 {
            return Err(io::Error::other("a chain has less events than its head says"));
        }
        self.since += events.len() as u64;
        self.left -= events.len() as u64;
        let mut text = String::new();
        if self.first && self.form == Form::Json {
            text = opening(&page).map_err(io::Error::other)?;
        }
        for event in events {
            match self.form {
                Form::Lines => text += &format!("{}\n", event.get()),
                Form::Json if std::mem::take(&mut self.first) => text += event.get(),
                Form::Json => text += &format!(",{}", event.get()),
            }
        }
        if self.left == 0 && self.form == Form::Json {
            text += "]}";
        }
        Ok(Some((text.into(), self)))
    }
}

/// The members before the events, and the bracket that opens them.
fn opening(page: &Page) -> Result<String, serde_json::Error> {
    let (id, primary) = (serde_json::to_string(&page.id)?, serde_json::to_string(&page.primary)?);
    let head = serde_json::to_string(&page.head)?;
    Ok(format!(r#"{{"id":{id},"primary":{primary},"head":{head},"events":["#))
}

impl Gateway {
    async fn page(&self, chain: &Named, since: u64) -> Result<Page, Refusal> {
        let answer = self.ask_json(subjects::SIGCHAIN_GET, &Get { chain: chain.clone(), since }).await?;
        serde_json::from_slice(&answer).map_err(|_| Code::Internal.into())
    }
}
