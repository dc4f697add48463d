//! The `kez-auth-callout` process.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use kez_auth_callout::Internal;
use kez_kit::{
    admin,
    life::{self, Config, ProcessArgs},
    nats::NatsArgs,
};
use kez_proto::ServerName;

/// kez-auth-callout: lets users in to NATS. Answers nats-server's auth requests, and mints session tokens.
///
/// Any number may run; they watch each other. They store nothing, and share one folder of keys (kez nats init).
#[derive(Parser)]
#[command(name = "kez-auth-callout", version, max_term_width = 100)]
struct Arguments {
    /// The name behind the @ of every handle; the one that the deployment was created with.
    #[arg(long, env = "KEZ_CHAT_SERVER", value_name = "NAME", default_value = "kez.lat")]
    server: ServerName,
    /// Folder of the callout's keys: callout-auth.nk, callout-system.nk, callout-issuer.nk, callout-xkey.nk, and session/ for those that sign tokens.
    #[arg(long, env = "KEZ_CHAT_CALLOUT_KEYS", value_name = "FOLDER")]
    callout_keys: PathBuf,
    #[command(flatten)]
    auth_callout: kez_auth_callout::Args,
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
        let config = arguments.auth_callout.with(arguments.server, arguments.callout_keys)?;
        let internal = Internal::default();
        admin::start_with(&arguments.process.admin, &life, internal.router())?;
        kez_auth_callout::run(config, &arguments.nats, internal, life, arguments.process.drain()).await
    })
}
