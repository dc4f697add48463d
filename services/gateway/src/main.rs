//! The `kez-gateway` process.

use std::process::ExitCode;

use clap::Parser;
use kez_kit::{
    admin,
    life::{self, Config, ProcessArgs},
    nats::NatsArgs,
};
use kez_proto::ServerName;

/// kez-gateway: the public HTTP and SSE door of Kez Chat. Translates each route to a NATS request, and a NATS subscription to a stream.
///
/// Any number may run behind a load balancer; it keeps no state. Behind a proxy, say with --client-ip-source which header carries the client's
/// address, or all clients share one limit.
#[derive(Parser)]
#[command(name = "kez-gateway", version, max_term_width = 100)]
struct Arguments {
    /// The name behind the @ of every handle; the one that the deployment was created with.
    #[arg(long, env = "KEZ_CHAT_SERVER", value_name = "NAME", default_value = "kez.lat")]
    server: ServerName,
    #[command(flatten)]
    gateway: kez_gateway::Args,
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
        let config = arguments.gateway.with(arguments.server)?;
        let listeners = kez_gateway::Listeners::open(&config)?;
        admin::start(&arguments.process.admin, &life)?;
        kez_gateway::run(config, listeners, &arguments.nats, life, arguments.process.drain()).await
    })
}
