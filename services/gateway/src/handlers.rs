//! The routes that are one request and one answer.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::{FromRequestParts, Path, RawQuery, State},
    http::{HeaderMap, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use kez_proto::{
    Code,
    auth::Caller,
    headers::KEZ_SESSION,
    http::JSON,
    limits, mail,
    registry::{ByPrimary, Lookup, Record},
    server::{AuthDescription, Description, Health, NatsAddresses, ServerInfo},
    session::Renew,
    subjects,
    webfinger::{self, Jrd, Query},
};
use url::form_urlencoded;

use crate::{
    Gateway,
    ask::{body, json},
    caller::{caller, token},
    refusal::Refusal,
};

type Answer = Result<Response, Refusal>;
type Gate = State<Arc<Gateway>>;

/// The name in the path, unchecked. Bytes that are no text are no name either, and are refused by whoever knows the rules.
pub struct Name(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let name = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(name.map_or_else(|_| char::REPLACEMENT_CHARACTER.into(), |Path(name)| name)))
    }
}

pub async fn healthz(State(gateway): Gate) -> Json<Health> {
    Json(Health {
        status: "ok".into(),
        server: gateway.config.server.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
    })
}

pub async fn server(State(gateway): Gate) -> Result<Json<ServerInfo>, Refusal> {
    let (mail, auth) =
        tokio::join!(gateway.ask(subjects::FANOUT_DESCRIBE, ""), gateway.ask(subjects::AUTH_DESCRIBE, ""));
    let Description { server, epoch, limits } = serde_json::from_slice(&mail?).map_err(|_| Code::Internal)?;
    // Whoever isn't there to answer can't let anybody in either.
    let auth = auth.ok().and_then(|answer| serde_json::from_slice::<AuthDescription>(&answer).ok());
    let nats = gateway.config.nats.clone();
    Ok(Json(ServerInfo {
        name: server,
        version: env!("CARGO_PKG_VERSION").into(),
        epoch,
        limits,
        features: features(auth, nats.as_ref()),
        nats,
    }))
}

fn features(auth: Option<AuthDescription>, nats: Option<&NatsAddresses>) -> Vec<String> {
    let mut features = ["register", "webfinger", "inbox", "sse", "sigchain"].map(String::from).to_vec();
    if let Some(auth) = auth {
        features.extend(auth.features);
        if nats.is_some_and(|nats| nats.websocket_url.is_some()) {
            features.push("nats-websocket".into());
        }
    }
    features
}

pub async fn register(State(gateway): Gate, request: Body) -> Answer {
    let envelope = body(request, limits::REGISTRATION_BYTES).await?;
    Ok(json(StatusCode::CREATED, gateway.ask(subjects::REGISTRY_REGISTER, envelope).await?))
}

pub async fn release(State(gateway): Gate, request: Body) -> Answer {
    let envelope = body(request, limits::REGISTRATION_BYTES).await?;
    Ok(json(StatusCode::OK, gateway.ask(subjects::REGISTRY_RELEASE, envelope).await?))
}

pub async fn lookup(State(gateway): Gate, Name(handle): Name) -> Answer {
    Ok(json(StatusCode::OK, gateway.ask_json(subjects::REGISTRY_LOOKUP, &Lookup { handle }).await?))
}

pub async fn by_primary(State(gateway): Gate, Name(primary): Name) -> Answer {
    Ok(json(StatusCode::OK, gateway.ask_json(subjects::REGISTRY_BY_PRIMARY, &ByPrimary { primary }).await?))
}

pub async fn webfinger(State(gateway): Gate, RawQuery(query): RawQuery) -> Answer {
    let config = &gateway.config;
    let Query { handle, rels } = Query::parse(query.as_deref().unwrap_or_default(), &config.server)?;
    let answer = gateway.ask_json(subjects::REGISTRY_LOOKUP, &Lookup { handle: handle.to_string() }).await?;
    let record: Record = serde_json::from_slice(&answer).map_err(|_| Code::Internal)?;
    let jrd =
        serde_json::to_vec(&Jrd::new(&record, &config.public_url, &rels)).map_err(|_| Code::Internal)?;
    Ok(([(header::CONTENT_TYPE, webfinger::JRD_JSON)], jrd).into_response())
}

pub async fn session(State(gateway): Gate, request: Body) -> Answer {
    let envelope = body(request, limits::REGISTRATION_BYTES).await?;
    Ok(json(StatusCode::CREATED, gateway.ask(subjects::AUTH_SESSION, envelope).await?))
}

pub async fn renew(State(gateway): Gate, headers: HeaderMap) -> Answer {
    let Caller { token, signature } = caller(&headers)?;
    let renew = Renew { token: token.ok_or(Code::AuthRequired)?, signature };
    Ok(json(StatusCode::CREATED, gateway.ask_json(subjects::AUTH_RENEW, &renew).await?))
}

pub async fn jwks(State(gateway): Gate) -> Answer {
    let keys = gateway.ask(subjects::AUTH_JWKS, "").await?;
    let cache = format!("public, max-age={}", limits::SESSION_KEYS_REFRESH.as_secs());
    Ok(([(header::CONTENT_TYPE, JSON), (header::CACHE_CONTROL, &cache)], keys).into_response())
}

pub async fn send(State(gateway): Gate, headers: HeaderMap, request: Body) -> Answer {
    let message = body(request, limits::ENVELOPE_BYTES + limits::SEND_OVERHEAD_BYTES).await?;
    let mut about = async_nats::HeaderMap::new();
    if let Some(token) = token(&headers)? {
        about.insert(KEZ_SESSION, token);
    }
    Ok(json(StatusCode::CREATED, gateway.ask_with(subjects::FANOUT_SEND, about, message).await?))
}

pub async fn inbox(
    State(gateway): Gate,
    Name(handle): Name,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let query = query.unwrap_or_default();
    let since = number(&query, "since")?.unwrap_or(0);
    let limit = number(&query, "limit")?.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    let limit = mail::page_limit(limit)?;
    let auth = mail::ReadAuth::Poll(caller(&headers)?);
    Ok(json(
        StatusCode::OK,
        gateway.ask_json(subjects::FANOUT_HISTORY, &mail::History { handle, since, limit, auth }).await?,
    ))
}

pub async fn delete(State(gateway): Gate, Name(handle): Name, uri: Uri, headers: HeaderMap) -> Answer {
    let target = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let auth = caller(&headers)?;
    Ok(json(
        StatusCode::OK,
        gateway.ask_json(subjects::FANOUT_ACK, &mail::Ack { handle, target, auth }).await?,
    ))
}

/// A query parameter's values.
pub fn values<'q>(query: &'q str, name: &str) -> impl Iterator<Item = std::borrow::Cow<'q, str>> {
    form_urlencoded::parse(query.as_bytes()).filter(move |(n, _)| n == name).map(|(_, value)| value)
}

/// A number from the query; absent is none, repeated or malformed is `invalid_parameter`.
pub fn number(query: &str, name: &str) -> Result<Option<u64>, Code> {
    let mut values = values(query, name);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.parse().map(Some).map_err(|_| Code::InvalidParameter),
        _ => Err(Code::InvalidParameter),
    }
}
