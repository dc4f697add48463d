//! `kez identity show`

use kez_proto::nats_login::UserKey;
use serde_json::json;

use crate::{context::Context, failure::Failure};

pub fn run(context: &Context) -> Result<(), Failure> {
    let identity = context.home.identity()?;
    let profile = context.home.profile()?;
    let old: Vec<_> = context.home.old_identities()?.iter().map(|old| old.primary()).collect();
    let (primary, nkey) = (identity.primary(), UserKey::from(identity.primary()).to_string());
    let address = profile.as_ref().map(|p| p.address());
    let key_file = context.home.key_path().display().to_string();
    let name = address.as_deref().unwrap_or("none yet; take one with: kez register <handle>");
    let mut human = format!("primary   {primary}\nnkey      {nkey}\nname      {name}\nkey file  {key_file}");
    for old in &old {
        human += &format!("\nold key   {old}");
    }
    let program =
        json!({"primary": primary, "nkey": nkey, "address": address, "key_file": key_file, "old": old});
    Ok(context.out.result(&human, &program)?)
}
