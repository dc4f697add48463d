//! How a message looks.

use kez_client::{sealing::Opener, text};
use kez_proto::{
    Primary, mail,
    sealed::{Body, Message, Refusal},
};
use serde_json::{Value, json};

use crate::{
    failure::Failure,
    output::{FAINT, NAME, Output},
    people::People,
};

/// Prints what a message says, or why it can't be read. Whatever a stranger wrote is made harmless first.
pub async fn message(
    out: Output,
    mail: &mail::Message,
    opened: &Result<Message, Refusal>,
    opener: &Opener,
    people: &mut People<'_>,
) -> Result<(), Failure> {
    let time = time(&mail.created_at.to_string(), &kez_client::now().to_string());
    let (said, mut program) = match opened {
        Ok(message) => said(message, opener, people).await?,
        Err(refusal) => refused(mail, *refusal),
    };
    program["seq"] = mail.seq.into();
    program["created_at"] = json!(mail.created_at);
    Ok(out.result(&format!("{FAINT}[{time}]{FAINT:#} {said}"), &program)?)
}

async fn said(
    message: &Message,
    opener: &Opener,
    people: &mut People<'_>,
) -> Result<(String, Value), Failure> {
    let Message { id, primary, to, sent_at, body } = message;
    let sender = people.address(primary).await?;
    let mut program =
        json!({"id": id, "sent_at": sent_at, "from": sender, "from_key": primary, "to_key": to});
    let mut said = match sender {
        _ if *primary == opener.primary() => format!("{NAME}you{NAME:#}"),
        // Whoever stole a key that was given up can still write in its name.
        _ if opener.is_own(primary) => format!("{NAME}you{NAME:#} (by an old key)"),
        sender => format!("{NAME}{}{NAME:#}", name(sender, primary)),
    };
    if opener.is_own(primary) {
        let recipient = people.address(to).await?;
        program["to"] = json!(recipient);
        said += &format!(" to {NAME}{}{NAME:#}", name(recipient, to));
    }
    match body {
        Body::Text { text } => {
            program["body"] = text.as_str().into();
            said += &format!(": {}", text::block(text));
        }
        Body::Other(other) => {
            program["body"] = other.clone();
            said += &format!(": {FAINT}a kind of message that this version of kez can't show{FAINT:#}");
        }
    }
    Ok((said, program))
}

/// Too many digits for somebody to find a key that begins alike.
fn name(address: Option<String>, primary: &Primary) -> String {
    address.unwrap_or_else(|| format!("ed25519:{}…", &primary.hex()[..16]))
}

fn refused(mail: &mail::Message, refusal: Refusal) -> (String, Value) {
    let said = format!("{FAINT}seq {}: can't be opened: {refusal}{FAINT:#}", mail.seq);
    let error = json!({"code": refusal.as_str(), "message": refusal.detail()});
    let envelope = mail.envelope.get().parse::<Value>().unwrap_or_default();
    (said, json!({"error": error, "envelope": envelope}))
}

/// The time of day of a moment `YYYY-MM-DDThh:mm:ssZ`, with the date before it unless that is today's.
fn time(moment: &str, now: &str) -> String {
    let clock = moment.trim_end_matches('Z');
    match clock.split_once('T') {
        Some((date, time)) if now.starts_with(date) => time.to_owned(),
        _ => clock.replace('T', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_shown_unless_it_is_today() {
        assert_eq!(time("2026-05-25T03:00:00Z", "2026-05-25T23:59:59Z"), "03:00:00");
        assert_eq!(time("2026-05-24T03:00:00Z", "2026-05-25T23:59:59Z"), "2026-05-24 03:00:00");
    }
}
