//! `kez identity new`

use kez_client::{Identity, home};
use serde_json::json;

use crate::{context::Context, failure::Failure};

pub fn new(context: &Context) -> Result<(), Failure> {
    let path = context.home.key_path();
    if context.home.has_identity() {
        return Err(home::Error::IdentityExists(path).into());
    }
    let identity = Identity::generate()?;
    context.home.create_identity(&identity)?;
    let (primary, file) = (identity.primary(), path.display().to_string());
    let human = format!(
        "{primary}\nThe secret key is in {file}\n\
         Keep a copy in a safe place: whoever has the file is you, and without it nobody can be. (Recovery phrases come later.)"
    );
    context.out.result(&human, &json!({"primary": primary, "key_file": file}))?;
    Ok(())
}
