//! `kez whoami`

use serde_json::json;

use crate::{context::Context, failure::Failure};

pub fn run(context: &Context) -> Result<(), Failure> {
    let profile = context.home.profile()?;
    let primary = context.home.identity()?.primary();
    let address = profile.as_ref().map(|p| p.address());
    let url = context.url(profile.as_ref());
    let key_file = context.home.key_path().display().to_string();
    let human = format!(
        "{}\nprimary   {primary}\nserver    {url}\nkey file  {key_file}",
        address.as_deref().unwrap_or("no name yet; take one with: kez register <handle>")
    );
    context.out.result(
        &human,
        &json!({"address": address, "primary": primary, "server_url": url, "key_file": key_file}),
    )?;
    Ok(())
}
