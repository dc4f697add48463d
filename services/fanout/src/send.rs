//! `kez.fanout.send`: one message into one inbox. The answer means that it is on disk.

use bytes::Bytes;
use kez_kit::{
    nats::header,
    service::{Call, decode, encode},
};
use kez_proto::{
    Code, Handle, Problem, headers, limits,
    mail::{Send, Sent},
};

use crate::{Fanout, now};

/// Nobody looks inside an envelope, but a page of mail is one document: what common parsers can't read (nesting beyond 128, half a surrogate pair, a number
/// beyond every double) would make the whole page unreadable to its owner.
fn check_readable(envelope: &[u8]) -> Result<(), Problem> {
    match serde_json::from_slice::<serde_json::Value>(envelope) {
        Ok(_) => Ok(()),
        Err(e) => Err(Problem::new(
            Code::MalformedJson,
            format!("the envelope isn't JSON that every reader can read: {e}"),
        )),
    }
}

/// What the gateway took: with a session token from its person, else from somebody unknown. A token that isn't good is refused, never left out of account.
pub async fn send(fanout: &Fanout, call: Call) -> Result<Bytes, Problem> {
    let sender = match header(call.headers.as_ref(), headers::KEZ_SESSION) {
        Some(token) => Some(fanout.sender_of(token).await?),
        None => None,
    };
    deliver(fanout, sender.as_ref(), call.payload).await
}

/// Stores a message, which is the same one whoever sent it.
pub async fn deliver(fanout: &Fanout, sender: Option<&Handle>, payload: Bytes) -> Result<Bytes, Problem> {
    fanout.senders.admit(sender).await?;
    if payload.len() > limits::ENVELOPE_BYTES + limits::SEND_OVERHEAD_BYTES {
        return Err(Code::TooLarge.into());
    }
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
    check_readable(envelope)?;
    let (handle, _) = fanout.directory.key(&to).await?;
    let created_at = now();
    let stored = fanout.store.append(&handle, payload.slice_ref(envelope), created_at).await?;
    let created_at = match stored.duplicate {
        true => fanout.store.created_at(&handle, stored.seq).await?.unwrap_or(created_at),
        false => created_at,
    };
    encode(&Sent { seq: stored.seq, created_at, duplicate: stored.duplicate })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_spoil_a_page_for_its_reader() {
        for fine in [r#"{"a":18446744073709551616,"a":[1e300,"\ud83d\ude00"]}"#, "{ }"] {
            assert!(check_readable(fine.as_bytes()).is_ok(), "{fine}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        for bad in [r#"{"a":"\ud800"}"#, r#"{"a":1e999999}"#, &deep] {
            assert_eq!(check_readable(bad.as_bytes()).map_err(|p| p.code), Err(Code::MalformedJson), "{bad}");
        }
    }
}
