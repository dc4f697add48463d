//! `kez.chat.send.<handle>`, `history` and `ack`: a person's own client over NATS. The handle in the subject is whose client it is: nats-server lets nobody
//! else publish there. Headers come from the client and mean nothing.

use async_nats::Subject;
use bytes::Bytes;
use kez_kit::service::{Call, decode};
use kez_proto::{
    Code, Handle, Problem,
    mail::{ClientAck, ClientHistory, page_limit},
    subjects,
};

use crate::{Fanout, ack, read, send};

pub async fn send(fanout: &Fanout, call: Call) -> Result<Bytes, Problem> {
    let sender = owner(fanout, &call.subject).await?;
    send::deliver(fanout, Some(&sender), call.payload).await
}

pub async fn history(fanout: &Fanout, call: Call) -> Result<Bytes, Problem> {
    let handle = owner(fanout, &call.subject).await?;
    let ClientHistory { since, limit, head } = match call.payload.is_empty() {
        true => ClientHistory::default(),
        false => decode(&call.payload)?,
    };
    let limit = page_limit(limit)?;
    // The head comes first: whatever was acknowledged before this request is at or below it, and a page that ends below it is one that must be asked for
    // again. Read after the page, it would also count mail that came in between, which is pushed, and send the client for it once more.
    let head = if head { Some(fanout.store.head(&handle).await?) } else { None };
    read::page(fanout, &handle, since, limit, head).await
}

pub async fn ack(fanout: &Fanout, call: Call) -> Result<Bytes, Problem> {
    let handle = owner(fanout, &call.subject).await?;
    let ClientAck { through } = decode(&call.payload)?;
    ack::purge(fanout, &handle, through).await
}

/// Whose client asks; `unknown_handle` if nobody has the handle any more.
async fn owner(fanout: &Fanout, subject: &Subject) -> Result<Handle, Problem> {
    let handle = subjects::client_of(subject).ok_or(Code::InvalidHandle)?;
    match fanout.directory.key(handle.as_str()).await {
        Ok((handle, _)) => Ok(handle),
        Err(problem) if problem.code == Code::UnknownHandle => {
            Err(Problem::new(Code::UnknownHandle, "nobody here has the handle in the subject"))
        }
        Err(problem) => Err(problem),
    }
}
