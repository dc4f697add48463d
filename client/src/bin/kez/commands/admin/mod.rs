//! `kez admin`: what an operator asks of a deployment, and does to it.

mod limits;
mod orders;
mod status;
mod table;

use clap::Subcommand;

use self::{
    limits::LimitsArgs,
    orders::{GraveArgs, HandleArgs},
    status::StatusArgs,
};
use crate::{context::Context, failure::Failure};

#[derive(Subcommand)]
pub enum AdminCommand {
    /// Show every instance of every service and every stream, and what is wrong
    #[command(after_help = status::HELP)]
    Status(StatusArgs),
    /// Take the use of a handle away for a time
    #[command(after_help = orders::SUSPEND)]
    Suspend(HandleArgs),
    /// End a handle's suspension
    Lift(HandleArgs),
    /// Give a handle back in its owner's place
    #[command(after_help = orders::RELEASE)]
    Release(GraveArgs),
    /// Delete all mail of a handle
    #[command(after_help = orders::PURGE)]
    Purge(GraveArgs),
    /// Show the limits in force, or change them for all instances at once
    #[command(after_help = limits::HELP)]
    Limits(LimitsArgs),
}

pub async fn run(context: &Context, command: AdminCommand) -> Result<(), Failure> {
    match command {
        AdminCommand::Status(args) => status::run(context, &args).await,
        AdminCommand::Suspend(args) => orders::suspend(context, &args).await,
        AdminCommand::Lift(args) => orders::lift(context, &args).await,
        AdminCommand::Release(args) => orders::release(context, &args).await,
        AdminCommand::Purge(args) => orders::purge(context, &args).await,
        AdminCommand::Limits(args) => limits::run(context, &args).await,
    }
}
