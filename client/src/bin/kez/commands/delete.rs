//! `kez delete --through <seq>`

use std::io::{self, IsTerminal};

use serde_json::json;

use crate::{context::Context, failure::Failure, prompt};

pub async fn run(context: &Context, through: u64, yes: bool) -> Result<(), Failure> {
    let member = context.member()?;
    let (profile, address) = (&member.profile, member.profile.address());
    if !yes
        && io::stdin().is_terminal()
        && !prompt::confirmed(
            context.out,
            &format!("Delete mail of {address} up to seq {through}, for all your devices?"),
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
