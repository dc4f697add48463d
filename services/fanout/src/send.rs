//! `kez.fanout.send`: one message into one inbox. The answer means that it is on disk.

use bytes::Bytes;
use kez_kit::service::{decode, encode};
use kez_proto::{
    Code, Problem,
    mail::{Send, Sent},
};

use crate::{Fanout, now};

pub async fn send(fanout: &Fanout, payload: Bytes) -> Result<Bytes, Problem> {
    let Send { to, envelope } = decode(&payload)?;
    let envelope = envelope.get().as_bytes();
    if !envelope.starts_with(b"{") {
        return Err(Code::EnvelopeNotObject.into());
    }
    if envelope.len() > fanout.config.envelope_bytes {
        let limit = fanout.config.envelope_bytes;
        return Err(Problem::new(
            Code::TooLarge,
            format!("the envelope has {} bytes; at most {limit} are taken", envelope.len()),
        ));
    }
    let (handle, _) = fanout.recipients.key(&to).await?;
    let created_at = now();
    let stored = fanout.store.append(&handle, payload.slice_ref(envelope), created_at).await?;
    let created_at = match stored.duplicate {
        true => fanout.store.created_at(&handle, stored.seq).await?.unwrap_or(created_at),
        false => created_at,
    };
    encode(&Sent { seq: stored.seq, created_at, duplicate: stored.duplicate })
}
