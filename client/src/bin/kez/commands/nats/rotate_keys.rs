//! `kez nats rotate-keys`

use std::path::{PathBuf, absolute};

use clap::Args;
use kez_nats::rotation::{self, Group};
use serde_json::json;

use super::failure;
use crate::{context::Context, failure::Failure};

#[derive(Args)]
pub struct RotateKeysArgs {
    /// Folder of the deployment's keys
    #[arg(value_name = "KEYS")]
    keys: PathBuf,
    /// Those of the auth callout's block in the configuration, for which nats-servers must be restarted
    #[arg(long, conflicts_with = "finish")]
    callout: bool,
    /// Delete the keys before: every process has its new one
    #[arg(long)]
    finish: bool,
}

pub fn run(context: &Context, args: &RotateKeysArgs) -> Result<(), Failure> {
    let folder = absolute(&args.keys).map_err(Failure::refused)?;
    let keys = folder.display();
    if args.finish {
        let deleted = rotation::finish(&folder).map_err(failure)?;
        let human = match deleted {
            true => format!("deleted  {keys}/old\n\n{FINISHED}"),
            false => format!("there are no old keys in {keys}"),
        };
        return Ok(context.out.result(&human, &json!({"keys": folder, "deleted": deleted}))?);
    }
    let group = if args.callout { Group::Callout } else { Group::Users };
    let made = rotation::begin(&folder, group).map_err(failure)?;
    let take = if args.callout { RESTART } else { RELOAD };
    let human = match made {
        0 => format!(
            "these keys in {keys} are new; the old ones count, too, until: kez nats rotate-keys --finish {keys}"
        ),
        made => format!(
            "made     {made} keys in {keys}; the old ones are in {keys}/old\n\nNext:\n  kez nats init as ever; {take}\n{BEGUN}"
        ),
    };
    Ok(context.out.result(&human, &json!({"keys": folder, "made": made}))?)
}

const RELOAD: &str = "give each nats-server its configuration, and have it read that (SIGHUP)";
const RESTART: &str = "give each nats-server its configuration, and restart one after the other, each when the one before is ready";
const BEGUN: &str = "\
  Give each service its own new keys, and restart one instance after the other, each when the one before is ready
  kez nats rotate-keys --finish";
const FINISHED: &str = "\
Next:
  kez nats init as ever; give each nats-server its configuration, and have it read that (SIGHUP) or, if the keys of the auth callout were
  replaced, restart one after the other: from then on, the old keys let nobody in";
