//! `kez-registry`: one instance of the registry.

use std::process::ExitCode;

use clap::Parser;
use kez_kit::{life::ProcessArgs, nats::NatsArgs, responder::KeyArgs};

/// Binds handles to keys, and tells who has which.
///
/// A person signs "alice@your.server is my key"; the registry appends that to a log in NATS JetStream (the stream KEZ_REGISTRY) and
/// answers for it from then on. The log is the truth: the first registration of a handle, and of a key, counts for ever. Each instance keeps
/// an index of the log in a folder of its own, which may be deleted at any time. Run as many instances as you like; NATS spreads the requests.
///
/// It needs a nats-server with JetStream, creates the deployment there when it is the first, and waits while NATS is away. Other
/// services and ordinary NATS tools reach it as kez.registry.register, .lookup and .by-primary ("nats micro info kez-registry").
#[derive(Parser, Debug)]
#[command(name = "kez-registry", version)]
struct Cli {
    #[command(flatten)]
    registry: kez_registry::Args,
    #[command(flatten)]
    nats: NatsArgs,
    #[command(flatten)]
    clients: KeyArgs,
    #[command(flatten)]
    process: ProcessArgs,
}

impl kez_kit::life::Config for Cli {
    fn process(&self) -> &ProcessArgs {
        &self.process
    }
}

fn main() -> ExitCode {
    kez_kit::life::main(|cli: Cli, life| async move {
        kez_kit::admin::start(&cli.process.admin, &life)?;
        let drain = cli.process.drain();
        let clients = cli.clients.beside(&cli.nats)?;
        kez_registry::run(cli.registry.into(), &cli.nats, &clients, life, drain).await
    })
}
