//! `kez release`

use kez_proto::release::{HandleRelease, TAG};
use serde_json::json;

use crate::{context::Context, failure::Failure, prompt};

pub async fn run(context: &Context, yes: bool) -> Result<(), Failure> {
    let member = context.member()?;
    let (profile, client, primary) = (&member.profile, &member.client, member.identity.primary());
    let address = profile.address();
    let question = format!(
        "Give {address} back? For 90 days your key alone can take it again, and after that nobody ever can."
    );
    prompt::consent(context.out, yes, &question, "nothing was given back")?;

    let release = async || {
        let payload =
            HandleRelease::new(profile.handle.clone(), primary, profile.server.clone(), kez_client::now());
        let envelope = member.identity.sign_envelope(TAG, &payload).map_err(Failure::refused)?;
        Ok(context.insist(client.base_url(), || client.release(&envelope)).await?)
    };
    let released = context.sign_again_if_stale(release).await?;
    if released.handle != profile.handle || released.primary != primary {
        return Err(Failure::refused(format!(
            "the server answered with the release of {}, which isn't what was signed",
            released.handle
        )));
    }
    context.home.forget_profile()?;
    let until = released.reserved_until;
    let human = format!(
        "{address} is given back. Until {until} your key can take it again, with: kez --server-url {} register {}\nKeep the key until then. After that nobody can ever have the name.",
        client.base_url(),
        profile.handle
    );
    let program = json!({"address": address, "primary": primary, "reserved_until": until});
    Ok(context.out.result(&human, &program)?)
}
