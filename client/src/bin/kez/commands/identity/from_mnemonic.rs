//! `kez identity from-mnemonic`: somebody who lost all but the words has their key, their name and their log again.

use std::fmt::Display;

use kez_client::{Client, Error, Identity, Sigchain, home, home::Profile};
use kez_proto::{
    Code,
    identity::{Chain, mnemonic},
};
use serde_json::json;

use crate::{context::Context, failure::Failure, prompt};

pub async fn run(context: &Context) -> Result<(), Failure> {
    let phrase = prompt::phrase()?;
    let seed = mnemonic::seed(&phrase)
        .map_err(|e| Failure::refused(format!("these aren't the words of a key: {e}")))?;
    let identity = restore(context, Identity::from_seed(&seed))?;

    let before = context.home.profile()?;
    let client = context.client(before.as_ref())?;
    let profile = match name(context, &client, &identity).await {
        Ok(profile) => profile,
        Err(error) => {
            context.out.status(&format!(
                "The key is restored, the name isn't yet: {error}. When the server is there, do the same again; name another server with --server-url"
            ));
            None
        }
    };
    if let Some(profile) = &profile {
        context.home.save_profile(profile)?;
    }
    let (primary, file) = (identity.primary(), context.home.key_path().display().to_string());
    let address = profile.as_ref().map(Profile::address);
    let first = address.as_ref().map_or(String::new(), |address| format!("{address} is yours again\n"));
    let human = format!("{first}{primary}\nThe secret key is in {file}");
    context.out.result(&human, &json!({"primary": primary, "key_file": file, "address": address}))?;
    Ok(())
}

/// Writes the key file, and gives the key that is in it then. A key that is there stays, unless the kept log says that it gave way to this one; and an earlier
/// key of that log goes to the old ones.
fn restore(context: &Context, identity: Identity) -> Result<Identity, Failure> {
    let home = &context.home;
    if !home.has_identity() {
        home.create_identity(&identity)?;
        return Ok(identity);
    }
    let there = home.identity()?;
    if there.primary() == identity.primary() {
        return Ok(identity);
    }
    let (this, other) = (there.primary().into(), identity.primary().into());
    match home.sigchain()?.as_ref().map(Sigchain::state) {
        Some(log) if log.was_under(&this) && log.primary() == other => {
            home.keep_next_identity(&identity)?;
            home.change_identity()?;
            context.out.status(&format!("{this} gave way to this key, and is kept in old-keys"));
            Ok(identity)
        }
        Some(log) if log.was_under(&this) && log.was_under(&other) => {
            home.keep_old_identity(&identity)?;
            context
                .out
                .status(&format!("{other} is an earlier key of yours, and is kept in old-keys for old mail"));
            Ok(there)
        }
        _ => Err(Failure::refused(format!(
            "{}. It is {this}, and these are the words of {other}; use another folder for that: kez --home DIR identity from-mnemonic",
            home::Error::IdentityExists(home.key_path())
        ))),
    }
}

/// The name of this key at the server, if it has one there. The log is fetched, too.
async fn name(context: &Context, client: &Client, identity: &Identity) -> Result<Option<Profile>, Error> {
    let (url, primary) = (client.base_url(), identity.primary());
    let server = context.insist(url, || client.server()).await?;
    let profile = match context.insist(url, || client.by_primary(&primary)).await {
        Ok(record) if record.primary == primary => {
            Some(Profile { server_url: url.to_owned(), server: server.name.clone(), handle: record.handle })
        }
        Ok(_) => {
            let detail = "it answers with the name of another key".to_owned();
            return Err(Error::Protocol { url: url.to_owned(), status: None, detail });
        }
        Err(error) if error.code() == Some(Code::UnknownPrimary) => None,
        Err(error) => return Err(error),
    };
    let log = log(context, client, identity).await;
    let key = primary.into();
    match log.as_ref().map(Sigchain::state) {
        Some(log) if log.primary() != key => context.out.status(&format!(
            "This key gave way to {}: restore that one, too, with its words: kez identity from-mnemonic",
            log.primary()
        )),
        Some(log) if lacks_earlier(context, log) => context.out.status(
            "You had another key before. Mail that was sealed to it needs its words: kez identity from-mnemonic",
        ),
        _ if profile.is_none() => context.out.status(&format!(
            "This key has no name at {}. Take one with: kez register <handle>; or name the server that you had: kez --server-url URL identity from-mnemonic",
            server.name
        )),
        _ => {}
    }
    Ok(profile)
}

/// Whether a key that the log was under before isn't among the old ones here.
fn lacks_earlier(context: &Context, log: &Chain) -> bool {
    let old = context.home.old_identities().unwrap_or_default();
    let mut earlier = log.keys().iter().filter(|period| period.key != log.primary());
    earlier.any(|period| !old.iter().any(|old| period.key == old.primary().into()))
}

/// Fetches the identity log, if there is one, and keeps it.
async fn log(context: &Context, client: &Client, identity: &Identity) -> Option<Sigchain> {
    let key = identity.primary().into();
    let trouble = |error: &dyn Display| context.out.status(&format!("the identity log isn't kept: {error}"));
    match context.insist(client.base_url(), || client.sigchain(&key)).await {
        Ok(log) => {
            context.home.keep_sigchain(&log).unwrap_or_else(|error| trouble(&error));
            Some(log)
        }
        Err(error) if error.code() == Some(Code::UnknownChain) => None,
        Err(error) => {
            trouble(&error);
            None
        }
    }
}
