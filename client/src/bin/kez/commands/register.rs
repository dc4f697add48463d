//! `kez register <handle>`

use kez_client::{Client, Identity, home::Profile};
use kez_proto::{
    Code, Handle,
    registration::{self, HandleRegistration},
    server::ServerInfo,
};
use serde_json::json;

use crate::{context::Context, failure::Failure};

pub async fn run(context: &Context, handle: Handle) -> Result<(), Failure> {
    let before = context.home.profile()?;
    let client = context.client(before.as_ref())?;
    // Asked first: a wrong URL makes no key.
    let server = client.server().await?;
    let identity = own_or_new(context)?;
    let already = !bind(context, &client, &identity, &server, &handle).await?;

    let profile = Profile { server_url: client.base_url().to_owned(), server: server.name, handle };
    if let Some(old) = before.filter(|old| old.address() != profile.address()) {
        context.out.status(&format!(
            "{} was your name here until now; it stays yours, but kez forgets it",
            old.address()
        ));
    }
    context.home.save_profile(&profile)?;
    let address = profile.address();
    let human = if already { format!("{address} is already yours") } else { format!("{address} is yours") };
    context
        .out
        .result(&human, &json!({"address": address, "primary": identity.primary(), "already": already}))?;
    Ok(())
}

/// The key in the folder, which is made if there is none.
pub fn own_or_new(context: &Context) -> Result<Identity, Failure> {
    if context.home.has_identity() {
        return Ok(context.home.identity()?);
    }
    let identity = Identity::generate()?;
    context.home.create_identity(&identity)?;
    let path = context.home.key_path();
    context.out.status(&format!(
        "made a new identity; its secret key is in {}: keep a copy in a safe place, or its words (kez identity export)",
        path.display()
    ));
    Ok(identity)
}

/// Binds the handle. `false` if it was bound to this key before.
async fn bind(
    context: &Context,
    client: &Client,
    identity: &Identity,
    server: &ServerInfo,
    handle: &Handle,
) -> Result<bool, Failure> {
    let primary = identity.primary();
    let register = async || {
        let payload =
            HandleRegistration::new(handle.clone(), primary, server.name.clone(), kez_client::now());
        let envelope = identity.sign_envelope(registration::TAG, &payload).map_err(Failure::refused)?;
        Ok(context.insist(client.base_url(), || client.register(&envelope)).await?)
    };
    let code = match context.sign_again_if_stale(register).await {
        Ok(record) if record.handle == *handle && record.primary == primary => return Ok(true),
        Ok(record) => {
            return Err(Failure::refused(format!(
                "the server answered with {}, which isn't what was signed",
                record.fqhn
            )));
        }
        Err(Failure::Refused { code: Some(code @ (Code::HandleTaken | Code::PrimaryTaken)), .. }) => code,
        Err(failure) => return Err(failure),
    };
    let message = match client.by_primary(&primary).await {
        Ok(record) if record.handle == *handle => return Ok(false),
        Ok(record) => {
            format!("this key has the name {} already, and a key has one name at a server", record.fqhn)
        }
        Err(error) if error.code() == Some(Code::UnknownPrimary) => {
            format!("{handle}@{} belongs to somebody else; choose another name", server.name)
        }
        Err(error) => return Err(error.into()),
    };
    Err(Failure::Refused { message, code: Some(code) })
}
