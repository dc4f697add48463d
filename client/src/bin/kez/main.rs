//! The `kez` command: one identity, one handle, and its mail, from a terminal or a script.

mod args;
mod commands;
mod context;
mod document;
mod door;
mod failure;
mod operator;
mod output;
mod people;
mod progress;
mod prompt;
mod show;
mod trust;
mod who;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Args, Command};
use context::Context;
use failure::Failure;
use kez_proto::Code;

fn main() -> ExitCode {
    let args = Args::parse();
    let json = args.json;
    match run(args) {
        Ok(()) | Err(Failure::NoReader) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => {
            let error = Args::command().error(clap::error::ErrorKind::ValueValidation, message);
            let _ = error.print();
            ExitCode::from(2)
        }
        Err(Failure::Refused { message, code }) => {
            output::failure(json, &message, code.map(Code::as_str));
            ExitCode::FAILURE
        }
        Err(Failure::Verdict { name, message }) => {
            output::failure(json, &message, Some(name));
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<(), Failure> {
    let context = Context::new(&args)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::refused)?;
    let outcome = runtime.block_on(async {
        match args.command {
            Command::Identity { command } => commands::identity::run(&context, command).await,
            Command::Claim { command } => commands::claim::run(&context, command),
            Command::Sigchain { command } => commands::sigchain::run(&context, command).await,
            Command::Verify { what } => commands::verify::run(&context, &what).await,
            Command::Release { yes } => commands::release::run(&context, yes).await,
            Command::Register { handle } => commands::register::run(&context, handle).await,
            Command::Whoami => commands::whoami::run(&context),
            Command::Send { nats, options, to, text } => {
                commands::send::run(&context, nats, *options, to, text).await
            }
            Command::Listen { nats } => commands::listen::run(&context, nats).await,
            Command::Inbox { limit, since } => commands::inbox::run(&context, limit, since).await,
            Command::Auth { method, target } => commands::auth::run(&context, &method, &target),
            Command::Session { file, hours } => commands::session::run(&context, &file, hours),
            Command::Delete { through, yes } => commands::delete::run(&context, through, yes).await,
            Command::Nats { command } => commands::nats::run(&context, command).await,
            Command::Admin { command } => commands::admin::run(&context, command).await,
            Command::Backup(args) => commands::backup::run(&context, &args).await,
            Command::Canary(args) => commands::canary::run(&context, *args).await,
            Command::Restore(args) => commands::restore::run(&context, &args).await,
        }
    });
    // A name look-up that hangs must not hold up the exit.
    runtime.shutdown_background();
    outcome
}
