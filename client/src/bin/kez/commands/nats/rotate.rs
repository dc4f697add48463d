//! `kez nats rotate-session-key`

use std::path::{PathBuf, absolute};

use clap::Args;
use kez_nats::session_keys;
use kez_proto::limits::SESSION_KEY_PUBLISHED;
use serde_json::json;

use super::failure;
use crate::{context::Context, failure::Failure};

#[derive(Args)]
pub struct RotateArgs {
    /// Folder of the deployment's keys, with session/ in it
    #[arg(value_name = "KEYS")]
    keys: PathBuf,
}

pub fn run(context: &Context, args: &RotateArgs) -> Result<(), Failure> {
    let folder = absolute(args.keys.join("session")).map_err(Failure::refused)?;
    let old = session_keys::list(&folder).map_err(failure)?;
    let (number, file) = session_keys::add(&folder).map_err(failure)?;
    let mut lines = vec![
        format!("made     {}", file.display()),
        "\nNext:".into(),
        "  It is for the auth callout's user alone to read. Auth callouts with a folder of their own need the same file.".into(),
        format!(
            "  Nothing is restarted: within 10 s it is at /.well-known/jwks.json, and {} s later it signs.",
            SESSION_KEY_PUBLISHED.as_secs()
        ),
    ];
    let old: Vec<_> = old.into_iter().map(|(_, file)| file).filter(|old| *old != file).collect();
    if !old.is_empty() {
        let names: Vec<_> = old.iter().map(|file| file.display().to_string()).collect();
        lines.push(format!(
            "  When the longest session is over (--session-hours, 24 h unless you changed it): rm {}",
            names.join(" ")
        ));
    }
    context.out.result(&lines.join("\n"), &json!({"number": number, "file": file, "old": old}))?;
    Ok(())
}
