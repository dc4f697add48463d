//! `kez.fanout.ack`: a person's purge. What is signed is what is done: handle and `through` are read from the signed target itself.

use bytes::Bytes;
use kez_kit::service::{Call, decode, encode};
use kez_proto::{
    Code, Handle, Problem, auth,
    mail::{Ack, Purged},
};

use crate::Fanout;

pub async fn ack(fanout: &Fanout, call: Call) -> Result<Bytes, Problem> {
    let Ack { handle, target, auth } = decode(&call.payload)?;
    let (handle, primary) = fanout.directory.key(&handle).await?;
    let server = &fanout.deployment.server;
    let text = |ts| auth::request_text(server, "DELETE", &target, b"", ts);
    fanout.check_deleter(&primary, &auth, text).await?;
    purge(fanout, &handle, through(&target, handle.as_str())?).await
}

/// Deletes, whoever was found to be the owner.
pub async fn purge(fanout: &Fanout, handle: &Handle, through: u64) -> Result<Bytes, Problem> {
    encode(&Purged { purged: fanout.store.purge(handle, through).await? })
}

fn through(target: &str, handle: &str) -> Result<u64, Code> {
    let query = target
        .strip_prefix("/v1/inbox/")
        .and_then(|t| t.strip_prefix(handle))
        .and_then(|t| t.strip_prefix('?'));
    let mut values = url::form_urlencoded::parse(query.ok_or(Code::InvalidParameter)?.as_bytes())
        .filter(|(name, _)| name == "through");
    match (values.next(), values.next()) {
        (Some((_, value)), None) => value.parse().map_err(|_| Code::InvalidParameter),
        _ => Err(Code::InvalidParameter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_signed_target_counts() {
        assert_eq!(through("/v1/inbox/alice?through=7", "alice"), Ok(7));
        assert_eq!(through("/v1/inbox/alice?x=1&through=0", "alice"), Ok(0));
        for bad in [
            "/v1/inbox/bob?through=7",
            "/v1/inbox/alice2?through=7",
            "/v1/inbox/alice",
            "/v1/inbox/alice?",
            "/v1/inbox/alice?through=-1",
            "/v1/inbox/alice?through=1&through=2",
            "/v1/inbox/alice/stream?through=7",
        ] {
            assert_eq!(through(bad, "alice"), Err(Code::InvalidParameter), "{bad}");
        }
    }
}
