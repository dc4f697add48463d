//! `kez identity from-mnemonic`: somebody who lost all but the words has their key, their name and their log again.

use std::fmt::Display;

use kez_client::{Client, Error, Identity, Sigchain, home, home::Profile};
use kez_proto::{
    Code,
    identity::{Chain, Key, mnemonic},
};
use serde_json::json;

use crate::{context::Context, failure::Failure, prompt};

pub async fn run(context: &Context) -> Result<(), Failure> {
    let phrase = prompt::phrase()?;
    let seed = mnemonic::seed(&phrase)
        .map_err(|e| Failure::refused(format!("these aren't the words of a key: {e}")))?;
    let before = context.home.profile()?;
    let client = context.client(before.as_ref())?;
    let identity = restore(context, &client, Identity::from_seed(&seed)).await?;
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

/// Writes the key file, and gives the key that is in it then. A key that is there stays, unless its log says that it gave way to this one; and an earlier
/// key of that log goes to the old ones.
async fn restore(context: &Context, client: &Client, identity: Identity) -> Result<Identity, Failure> {
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
    match log_of_both(context, client, &this, &other).await? {
        log if log.primary() == other => {
            home.keep_next_identity(&identity)?;
            home.change_identity()?;
            context.out.status(&format!("{this} gave way to this key, and is kept in old-keys"));
            Ok(identity)
        }
        _ => {
            home.keep_old_identity(&identity)?;
            context
                .out
                .status(&format!("{other} is an earlier key of yours, and is kept in old-keys for old mail"));
            Ok(there)
        }
    }
}

/// What the log of these two keys has come to: the kept one, else the server's, which another device may have let go on.
async fn log_of_both(context: &Context, client: &Client, this: &Key, other: &Key) -> Result<Chain, Failure> {
    let home = &context.home;
    let of_both = |log: &Sigchain| {
        let state = log.state();
        (state.was_under(this) && state.was_under(other)).then(|| state.clone())
    };
    if let Some(both) = home.sigchain()?.as_ref().and_then(of_both) {
        return Ok(both);
    }
    let there = home::Error::IdentityExists(home.key_path());
    let url = client.base_url();
    match context.insist(url, || client.sigchain(this)).await {
        Ok(log) => {
            if let Some(both) = of_both(&log) {
                home.keep_sigchain(&log)?;
                return Ok(both);
            }
        }
        Err(error) if error.code() == Some(Code::UnknownChain) => {}
        Err(error) => {
            return Err(Failure::Refused {
                message: format!(
                    "{there}. It is {this}, and nobody can say whether it gave way to {other}, whose words these are: {error}. When the server is there, do the same again (name another server with --server-url); the key of another person needs another folder: kez --home DIR identity from-mnemonic"
                ),
                code: error.code(),
            });
        }
    }
    Err(Failure::refused(format!(
        "{there}. It is {this}, and these are the words of {other}, which by its identity log at {url} isn't a key of the same person; use another folder for that: kez --home DIR identity from-mnemonic"
    )))
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
