//! `kez.chat.send.<handle>`, `history` and `ack`: a person's own client over NATS. The handle in the subject is whose client it is: nats-server lets nobody
//! else publish there. The answer comes to a reply inbox of the same person or nowhere.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kez_kit::{
    limits::Ordered,
    rate::Rate,
    responder::{Call, Endpoints},
    service::decode,
};
use kez_proto::{
    Code, Handle, Problem, limits,
    limits_order::Limit,
    mail::{ClientAck, ClientHistory, page_limit},
    subjects::{self, Asker},
};
use moka::sync::Cache;
use tokio::sync::Semaphore;

use crate::{Fanout, ack, read, send};

/// What a request is answered from, and how many one person has made.
pub struct Clients {
    fanout: Arc<Fanout>,
    rate: Rate<Handle>,
    /// Places for those requests of one person that are under way.
    places: Cache<Handle, Arc<Semaphore>>,
}

/// Requests of one person that are under way at once; more wait, so that one person's many stand in nobody else's way to the store.
const PLACES: usize = 8;
/// How long a person's places are remembered after their last request: longer than any of them takes.
const IDLE: Duration = Duration::from_secs(60);

impl Clients {
    pub fn new(fanout: Arc<Fanout>, ordered: &Ordered) -> Self {
        let rate = Rate::per_minute(ordered.or(Limit::ClientRequests, fanout.config.limit_client_requests));
        Self { fanout, rate, places: Cache::builder().time_to_idle(IDLE).build() }
    }

    /// The subjects, each with its handler.
    pub fn endpoints(self) -> Endpoints {
        let clients = Arc::new(self);
        let mut endpoints = Endpoints::default();
        macro_rules! endpoint {
            ($subject:expr, $handler:expr) => {{
                let clients = clients.clone();
                endpoints = endpoints.with($subject, move |call: Call| {
                    let clients = clients.clone();
                    async move { clients.answer(call, $handler).await }
                });
            }};
        }
        endpoint!(subjects::CLIENT_SEND, send);
        endpoint!(subjects::CLIENT_HISTORY, history);
        endpoint!(subjects::CLIENT_ACK, ack);
        endpoints
    }

    async fn answer(
        &self,
        call: Call,
        handler: impl AsyncFnOnce(&Fanout, Handle, Bytes) -> Result<Bytes, Problem>,
    ) -> Option<Result<Bytes, Problem>> {
        let asker = Asker::of(&call.subject, &call.reply)?;
        // Before anybody is asked anything.
        if let Err(problem) = self.rate.check(&asker.handle, "too many requests over NATS") {
            let owner = self.fanout.directory.known(&asker.handle)?;
            return asker.admit(Ok(owner)).map(|_| Err(problem));
        }
        let owner = self.fanout.directory.key(asker.handle.as_str()).await.map(|(_, primary)| primary);
        if let Err(problem) = asker.admit(owner)? {
            return Some(Err(problem));
        }
        let places = self.places.get_with_by_ref(&asker.handle, || Arc::new(Semaphore::new(PLACES)));
        let _place = places.acquire().await.ok()?;
        Some(handler(&self.fanout, asker.handle, call.payload).await)
    }
}

async fn send(fanout: &Fanout, sender: Handle, payload: Bytes) -> Result<Bytes, Problem> {
    send::deliver(fanout, Some(&sender), payload).await
}

async fn history(fanout: &Fanout, handle: Handle, payload: Bytes) -> Result<Bytes, Problem> {
    let ClientHistory { since, limit, head } = match payload.is_empty() {
        true => ClientHistory::default(),
        false => decode_small(&payload)?,
    };
    let limit = page_limit(limit)?;
    // The head comes first: whatever was acknowledged before this request is at or below it, and a page that ends below it is one that must be asked for
    // again. Read after the page, it would also count mail that came in between, which is pushed, and send the client for it once more.
    let head = if head { Some(fanout.store.head(&handle).await?) } else { None };
    read::page(fanout, &handle, since, limit, head).await
}

async fn ack(fanout: &Fanout, handle: Handle, payload: Bytes) -> Result<Bytes, Problem> {
    let ClientAck { through } = decode_small(&payload)?;
    ack::purge(fanout, &handle, through).await
}

fn decode_small<'a, T: serde::Deserialize<'a>>(payload: &'a [u8]) -> Result<T, Problem> {
    if payload.len() > limits::CLIENT_REQUEST_BYTES {
        return Err(Code::TooLarge.into());
    }
    decode(payload)
}
