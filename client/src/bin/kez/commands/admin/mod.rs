//! `kez admin`: what an operator asks of a deployment, and does to it.

mod status;
mod table;

use clap::Subcommand;

use self::status::StatusArgs;
use crate::{context::Context, failure::Failure};

#[derive(Subcommand)]
pub enum AdminCommand {
    /// Show every instance of every service and every stream, and what is wrong
    #[command(after_help = status::HELP)]
    Status(StatusArgs),
}

pub async fn run(context: &Context, command: AdminCommand) -> Result<(), Failure> {
    match command {
        AdminCommand::Status(args) => status::run(context, &args).await,
    }
}
