//! Whether a key that the server names may be used.

use std::time::Duration;

use kez_client::{
    Client, Error,
    sealing::{self, Pinned},
};
use kez_proto::{Handle, Primary, identity::Key};
use tokio::time::timeout;

use crate::{
    context::{Context, Member},
    failure::Failure,
    who::outdated,
};

/// A sender waits so long for a warning.
const LOOK: Duration = Duration::from_secs(2);

/// Whether the key that the server names may be used: `told` is what the user knows from the recipient.
pub async fn trust(
    context: &Context,
    member: &Member,
    handle: &Handle,
    named: Primary,
    told: Option<Primary>,
) -> Result<(), Failure> {
    let (server, client) = (&member.profile.server, &member.client);
    let address = format!("{handle}@{server}");
    if told.is_some_and(|told| told != named) {
        return Err(Failure::refused(format!(
            "the server names another key for {address} than the one you gave: {named}. Nothing was sent"
        )));
    }
    if *handle == member.profile.handle {
        return if named == member.identity.primary() {
            Ok(())
        } else {
            Err(Failure::refused(format!("{address} isn't yours any more: the server names the key {named}")))
        };
    }
    let pinned = context.home.pins()?.get(handle, server);
    let proven = match pinned {
        Some(pinned) if pinned != named && told.is_none() => {
            let checked = context.insist(client.base_url(), || is_successor(client, &pinned, &named)).await;
            checked.map_err(|error| Failure::Refused {
                message: format!(
                    "{address} has another key now, {named}, and nobody can say whether they changed it. Nothing was sent: {error}"
                ),
                code: error.code(),
            })?
        }
        _ => false,
    };
    let outcome = context.home.change_pins(|pins| {
        let proves = |from: &Primary, _: &Primary| told.is_some() || (proven && pinned == Some(*from));
        pins.check(handle, server, named, proves).map_err(Failure::from)
    })?;
    if matches!(outcome, Pinned::Proven { .. }) {
        let by = if told.is_some() { "as you said" } else { "as their identity log proves" };
        context.out.status(&format!("{address} has another key now, {by}"));
    }
    Ok(())
}

/// Warns of a key that gave way to another one in its owner's identity log. Without a server that keeps such logs nothing is said.
pub async fn warn_if_outdated(context: &Context, client: &Client, handle: &Handle, named: Primary) {
    let key = Key::from(named);
    let look = async {
        // Short, and enough where nothing changed.
        let head = client.chain_head(&key).await.ok()?;
        let log = if head.primary == key { None } else { client.sigchain(&key).await.ok() };
        outdated(handle, &key, &log?)
    };
    if let Ok(Some(why)) = timeout(LOOK, look).await {
        context.out.status(&format!("Warning: {why}"));
    }
}

/// Whether the owner of `from` made `to` their successor, by the identity log that the server has.
pub async fn is_successor(client: &Client, from: &Primary, to: &Primary) -> Result<bool, Error> {
    match client.chain(&Key::from(*from), 0).await {
        Ok(page) => Ok(sealing::is_successor(page.events.iter().map(|event| event.get()), from, to)),
        Err(error) if error.is_transient() => Err(error),
        // It has no such log, or keeps none.
        Err(_) => Ok(false),
    }
}
