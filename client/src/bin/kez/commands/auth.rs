//! `kez auth <METHOD> <target>`: a signature for curl and for scripts.

use kez_proto::auth::{poll_text, request_text, stream_text};
use serde_json::json;
use url::form_urlencoded;

use crate::{context::Context, failure::Failure};

pub fn run(context: &Context, method: &str, target: &str) -> Result<(), Failure> {
    let member = context.member()?;
    let (handle, server) = (&member.profile.handle, &member.profile.server);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let inbox = format!("/v1/inbox/{handle}");
    if path.strip_prefix("/v1/inbox/").is_some_and(|rest| rest.split('/').next() != Some(handle.as_str())) {
        return Err(Failure::refused(format!("you are {handle}: a signature of yours opens no other inbox")));
    }
    let credential = if method == "GET" && path == inbox {
        let since = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "since");
        let since = since
            .map_or(Ok(0), |(_, n)| n.parse())
            .map_err(|_| Failure::Usage("since must be a number".into()))?;
        member.identity.credential(|ts| poll_text(handle, since, ts))
    } else if method == "GET" && path == format!("{inbox}/stream") {
        member.identity.credential(|ts| stream_text(handle, ts))
    } else {
        member.identity.credential(|ts| request_text(server, method, target, b"", ts))
    };
    Ok(context.out.result(&credential.0, &json!({ "auth": credential }))?)
}
