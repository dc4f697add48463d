//! `kez send [--nats] <to> [text]`

use std::io::{self, IsTerminal, Read};

use kez_client::message::Unsealed;
use kez_proto::limits::ENVELOPE_BYTES;
use serde_json::json;

use crate::{
    args::{Address, NatsFlags},
    context::Context,
    failure::Failure,
};

pub async fn run(context: &Context, nats: NatsFlags, to: Address, words: Vec<String>) -> Result<(), Failure> {
    let member = context.member()?;
    let (own, handle) = (&member.profile.server, to.handle);
    if let Some(other) = to.server.filter(|server| !own.is(server)) {
        return Err(Failure::refused(format!(
            "your server {own} delivers to its own handles only, not to {other}"
        )));
    }
    let body = text(words)?;
    if context.home.first_time("unsealed")? {
        context.out.status("Note: messages are not sealed yet. The server, and whoever runs it, can read them. (This is said once.)");
    }
    // Built once: each try carries the very same bytes, so that the server stores the message once.
    let message = Unsealed::new(member.profile.address(), body)?;
    let envelope = message.to_envelope().map_err(Failure::refused)?;
    let client = &member.client;
    let sent = match nats.nats {
        None => context.insist(client.base_url(), || client.send(&handle, &envelope)).await?,
        Some(_) => {
            let ask = || context.insist(client.base_url(), || client.server());
            let nats = context.nats(&member, nats, ask).await?;
            let send = async || nats.connect().await?.send(&handle, &envelope).await;
            context.insist(nats.url(), send).await?
        }
    };
    let address = format!("{handle}@{own}");
    let program = json!({"to": address, "id": message.id, "seq": sent.seq, "created_at": sent.created_at, "duplicate": sent.duplicate});
    context.out.result(&format!("sent to {address}, seq {}", sent.seq), &program)?;
    Ok(())
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
    let most = ENVELOPE_BYTES as u64;
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
