//! The `kez-sigchain` process.

use std::process::ExitCode;

use clap::Parser;
use kez_kit::{
    admin,
    life::{self, Config, ProcessArgs},
    nats::NatsArgs,
};

/// kez-sigchain: identity logs. Appends signed events, each to the end of its chain, gives chains back, and lets a handle follow its owner's new key.
///
/// Any number may run; NATS spreads the work. It keeps nothing on its own disk.
#[derive(Parser)]
#[command(name = "kez-sigchain", version, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    sigchain: kez_sigchain::Args,
    #[command(flatten)]
    nats: NatsArgs,
    #[command(flatten)]
    process: ProcessArgs,
}

impl Config for Arguments {
    fn process(&self) -> &ProcessArgs {
        &self.process
    }
}

fn main() -> ExitCode {
    life::main(|arguments: Arguments, life| async move {
        admin::start(&arguments.process.admin, &life)?;
        kez_sigchain::run(arguments.sigchain, &arguments.nats, life, arguments.process.drain()).await
    })
}
