//! `kez delete --through <seq>`

use std::io::{self, IsTerminal};

use serde_json::json;

use crate::{context::Context, failure::Failure};

pub async fn run(context: &Context, through: u64, yes: bool) -> Result<(), Failure> {
    let member = context.member()?;
    let (profile, address) = (&member.profile, member.profile.address());
    if !yes
        && io::stdin().is_terminal()
        && !confirmed(
            context,
            &format!("Delete mail of {address} up to seq {through}, for all your devices? [y/N]"),
        )?
    {
        return Err(Failure::refused("nothing was deleted"));
    }
    let purged =
        member.client.delete(&member.identity, &profile.server, &profile.handle, through).await?.purged;
    let messages = if purged == 1 { "message" } else { "messages" };
    context.out.result(
        &format!("deleted {purged} {messages} up to seq {through}"),
        &json!({"purged": purged, "through": through}),
    )?;
    Ok(())
}

fn confirmed(context: &Context, question: &str) -> Result<bool, Failure> {
    context.out.ask(question);
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .map_err(|e| Failure::refused(format!("can't read the answer: {e}")))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
