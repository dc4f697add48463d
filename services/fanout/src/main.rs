//! The `kez-fanout` process.

use std::process::ExitCode;

use clap::Parser;
use kez_kit::{
    admin,
    life::{self, Config, ProcessArgs},
    nats::NatsArgs,
    responder::KeyArgs,
};

/// kez-fanout: mail. Accepts envelopes, stores them in JetStream, which pushes them to kez.chat.inbox.<handle>, gives history, deletes.
///
/// Any number may run; NATS spreads the work. It keeps nothing on its own disk. It waits for a kez-registry, which creates the deployment.
#[derive(Parser)]
#[command(name = "kez-fanout", version, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    fanout: kez_fanout::Args,
    #[command(flatten)]
    nats: NatsArgs,
    #[command(flatten)]
    clients: KeyArgs,
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
        let config = arguments.fanout.try_into()?;
        let clients = arguments.clients.beside(&arguments.nats)?;
        admin::start(&arguments.process.admin, &life)?;
        kez_fanout::run(config, &arguments.nats, &clients, life, arguments.process.drain()).await
    })
}
