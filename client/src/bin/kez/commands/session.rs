//! `kez session <FILE>`: the envelope that begins a session, for curl and for scripts.

use std::{path::Path, time::Duration};

use kez_client::session;
use kez_proto::Code;
use serde_json::json;

use crate::{commands::nats, context::Context, failure::Failure};

pub fn run(context: &Context, file: &Path, hours: u64) -> Result<(), Failure> {
    let member = context.member()?;
    let key = kez_nats::user_key(file).map_err(nats::failure)?;
    let user_key = key.parse().map_err(|code: Code| Failure::refused(code.detail()))?;
    let lifetime = Duration::from_secs(hours * 3600);
    let (_, envelope) = session::start(&member.identity, &member.profile.server, user_key, lifetime)?;
    let text = serde_json::to_string(&envelope).map_err(Failure::refused)?;
    Ok(context.out.result(&text, &json!({"envelope": envelope, "session_key": key, "key_file": file}))?)
}
