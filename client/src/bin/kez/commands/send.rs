//! `kez send [--nats] <to> [text]`

use std::io::{self, IsTerminal, Read};

use kez_client::{
    Error,
    sealing::{compose, seal, seal_copy},
};
use kez_proto::{
    Code, Handle, Timestamp,
    limits::{SEALED_JSON_BYTES, SENT_SKEW_SECS},
    mail::Sent,
};
use serde_json::{json, value::RawValue};

use crate::{
    args::{Address, NatsFlags, SendOptions},
    context::{Context, Member},
    door::Door,
    failure::Failure,
    trust::{trust, warn_if_outdated},
};

pub async fn run(
    context: &Context,
    nats: NatsFlags,
    options: SendOptions,
    to: Address,
    words: Vec<String>,
) -> Result<(), Failure> {
    let member = context.member()?;
    let (own, handle) = (&member.profile.server, to.handle);
    if let Some(other) = to.server.filter(|server| !own.is(server)) {
        return Err(Failure::refused(format!(
            "your server {own} delivers to its own handles only, not to {other}"
        )));
    }
    let text = text(words)?;
    let door = door(context, &member, nats).await?;
    let key = context.insist(door.url(), || door.lookup(&handle)).await?.primary;
    let address = format!("{handle}@{own}");
    trust(context, &member, &handle, key, options.key).await?;
    warn_if_outdated(context, &member.client, &handle, key).await;

    // Sealed once: each try carries the very same bytes, so that the server stores the message once.
    let message = compose(&member.identity, key, text.as_str())?;
    let envelope = seal(&member.identity, &message)?;
    let keeps = !options.no_copy && handle != member.profile.handle;
    let copy = keeps.then(|| seal_copy(&member.identity, &message)).transpose()?;
    let sent = leave(context, &door, &handle, &envelope).await?;
    check_clock(message.sent_at, sent.created_at)?;
    let mut program = json!({"to": address, "key": key, "id": message.id, "seq": sent.seq, "created_at": sent.created_at, "duplicate": sent.duplicate});
    if let Some(copy) = copy {
        match leave(context, &door, &member.profile.handle, &copy).await {
            Ok(kept) => program["copy"] = json!({"seq": kept.seq}),
            // The message is on its way: sending it again would be a second one.
            Err(error) => {
                context.out.status(&format!(
                    "Warning: the message was sent, but your other devices won't show it: no copy could be left in your own inbox: {error}"
                ));
                program["copy"] =
                    json!({"error": {"code": error.code().map(Code::as_str), "message": error.to_string()}});
            }
        }
    }
    context.out.result(&format!("sent to {address}, seq {}", sent.seq), &program)?;
    Ok(())
}

async fn door(context: &Context, member: &Member, nats: NatsFlags) -> Result<Door, Failure> {
    let client = &member.client;
    if nats.nats.is_none() {
        return Ok(Door::Http(client.clone()));
    }
    let ask = || context.insist(client.base_url(), || client.server());
    Ok(Door::nats(context.nats(member, nats, ask).await?))
}

async fn leave(context: &Context, door: &Door, to: &Handle, envelope: &RawValue) -> Result<Sent, Error> {
    context.insist(door.url(), || door.send(to, envelope)).await
}

/// A clock that is so far off writes messages that no reader takes.
fn check_clock(sent_at: Timestamp, created_at: Timestamp) -> Result<(), Failure> {
    let apart = (created_at.unix() - sent_at.unix()).abs();
    if apart <= SENT_SKEW_SECS {
        return Ok(());
    }
    let message = format!(
        "the message was stored, but its reader won't take it: the clocks of this computer and of the server are {apart} s apart; here it is {sent_at}. Set the clock right and send it again"
    );
    Err(Failure::Refused { message, code: Some(Code::StaleTimestamp) })
}

fn text(words: Vec<String>) -> Result<String, Failure> {
    let text = match words.as_slice() {
        [] if io::stdin().is_terminal() => {
            return Err(Failure::Usage(
                "there is no text to send: give it behind the name, or pipe it in".into(),
            ));
        }
        [] => from_stdin()?,
        [only] if only == "-" => from_stdin()?,
        words => words.join(" "),
    };
    if text.is_empty() { Err(Failure::Usage("the text to send is empty".into())) } else { Ok(text) }
}

fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    let most = SEALED_JSON_BYTES as u64;
    let read = io::stdin().lock().take(most + 1).read_to_string(&mut text);
    let length = read.map_err(|e| Failure::refused(format!("can't read the text from stdin: {e}")))?;
    if length as u64 > most {
        return Err(Failure::refused(format!(
            "the text is longer than a message can be ({} KiB)",
            most / 1024
        )));
    }
    let trimmed = text.strip_suffix('\n').map(|t| t.strip_suffix('\r').unwrap_or(t));
    Ok(trimmed.map(str::to_owned).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_no_reader_takes_is_a_failure() {
        let sent_at: Timestamp = "2026-05-25T03:00:00Z".parse().unwrap();
        for (created_at, good) in [
            ("2026-05-25T02:50:00Z", true),
            ("2026-05-25T03:10:00Z", true),
            ("2026-05-25T02:49:59Z", false),
            ("2026-05-25T03:10:01Z", false),
        ] {
            let outcome = check_clock(sent_at, created_at.parse().unwrap());
            assert_eq!(outcome.is_ok(), good, "{created_at}: {outcome:?}");
        }
    }
}
