//! Events that were signed before, for a server that may have them already.

use kez_client::{Client, Sigchain};
use kez_proto::{Code, identity::Event};
use serde_json::value::RawValue;

use super::own::refused;
use crate::{context::Context, failure::Failure};

/// Posts an event of this log. A server that has it changes nothing.
pub async fn event(context: &Context, client: &Client, log: &Sigchain, event: &str) -> Result<(), Failure> {
    let Event { seq, link, .. } = Event::verify(event.as_bytes()).map_err(refused)?;
    let raw = RawValue::from_string(event.to_owned()).map_err(Failure::refused)?;
    let (url, id) = (client.base_url(), log.state().id());
    let answer = context.insist(url, || client.append(&id, &raw)).await?;
    if answer.seq == seq && answer.hash == link {
        Ok(())
    } else {
        Err(Failure::refused(format!(
            "{url} answered with event {} {}, which isn't event {seq}",
            answer.seq, answer.hash
        )))
    }
}

/// Posts the last change of keys again, if there was one: where it was cut off behind the log, the name follows now.
pub async fn last_rotation(context: &Context, client: &Client, log: &Sigchain) -> Result<(), Failure> {
    let Some(rotation) = log.last_rotation() else { return Ok(()) };
    match event(context, client, log, rotation).await {
        Err(Failure::Refused { code: Some(Code::KeyInUse), .. }) => {
            context.out.status(&format!(
                "Warning: the name that an earlier key of this log has at {} can't go along: {} has another name there",
                client.base_url(),
                log.state().primary()
            ));
            Ok(())
        }
        outcome => outcome,
    }
}
