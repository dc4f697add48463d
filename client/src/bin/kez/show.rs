//! How a message looks.

use std::io;

use kez_client::{
    message::{Opened, Unsealed},
    text,
};
use kez_proto::{Handle, ServerName, mail::Message};
use serde_json::{Value, json};

use crate::output::{FAINT, NAME, Output};

/// Prints one message. Whatever a stranger wrote is made harmless first.
pub fn message(out: Output, message: &Message, opened: &Opened) -> io::Result<()> {
    let time = time(&message.created_at.to_string(), &kez_client::now().to_string());
    let (human, mut program) = match opened {
        Opened::Unsealed(Unsealed { id, sent_at, from, body }) => (
            format!(
                "{FAINT}[{time}]{FAINT:#} {NAME}{}{NAME:#} {FAINT}(unverified){FAINT:#}: {}",
                sender(from),
                text::block(body)
            ),
            json!({"id": id, "sent_at": sent_at, "from": from, "verified": false, "body": body}),
        ),
        Opened::Unknown => (
            format!(
                "{FAINT}[{time}] a message that this version of kez can't read (seq {}){FAINT:#}",
                message.seq
            ),
            json!({"envelope": message.envelope.get().parse::<Value>().unwrap_or_default()}),
        ),
    };
    program["seq"] = message.seq.into();
    program["created_at"] = json!(message.created_at);
    out.result(&human, &program)
}

/// A claimed sender. What isn't `handle@server` is quoted, or it could carry a mark of its own: `alice@kez.lat (verified): …`.
fn sender(from: &str) -> String {
    match from.split_once('@') {
        Some((name, server)) if name.parse::<Handle>().is_ok() && server.parse::<ServerName>().is_ok() => {
            from.to_owned()
        }
        _ => format!("\"{}\"", text::line(&from.replace('"', "'"))),
    }
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
    fn a_sender_cannot_vouch_for_themselves() {
        assert_eq!(sender("alice@kez.lat"), "alice@kez.lat");
        assert_eq!(sender("alice@kez.lat (verified): \"hi\""), "\"alice@kez.lat (verified): 'hi'\"");
        assert_eq!(sender("\u{1b}[2J"), r#""\u{1b}[2J""#);
    }

    #[test]
    fn the_date_is_shown_unless_it_is_today() {
        assert_eq!(time("2026-05-25T03:00:00Z", "2026-05-25T23:59:59Z"), "03:00:00");
        assert_eq!(time("2026-05-24T03:00:00Z", "2026-05-25T23:59:59Z"), "2026-05-24 03:00:00");
    }
}
