//! The command line: the services' own flags together, the data folder, and the nats-server.

use std::path::PathBuf;

use clap::Parser;
use kez_kit::life::{Config, ProcessArgs};

use crate::listeners::ListenerArgs;

/// kez-chat-server: a Kez Chat home server in one process: handle registry, mail, HTTP, SSE and NATS, with a nats-server that it starts, watches and stops.
///
/// Example: kez-chat-server --server chat.example.org --db /var/lib/kez-chat
///
/// Exit codes: 0 stopped in order, 1 internal error, 2 configuration, 10 a port is in use, 11 the data folder is in use by another instance,
/// 12 nats-server is missing, too old or doesn't start, 13 a disk that is full or can't be written, 14 the data is of a deployment with another server name.
#[derive(Parser, Debug)]
#[command(name = "kez-chat-server", version, max_term_width = 100)]
pub struct Arguments {
    /// Folder of everything that this server keeps: the message broker's streams and keys, and the index of handles. Made if it isn't there.
    #[arg(long, env = "KEZ_CHAT_DB", value_name = "FOLDER", default_value = "kez-chat.db")]
    pub db: PathBuf,
    /// What the deployment is.
    #[command(flatten)]
    pub deployment: kez_registry::DeploymentArgs,
    /// The public door.
    #[command(flatten)]
    pub gateway: kez_gateway::Args,
    /// Mail.
    #[command(flatten)]
    pub fanout: kez_fanout::Args,
    /// Identity logs.
    #[command(flatten)]
    pub sigchain: kez_sigchain::Room,
    /// Who comes in to NATS.
    #[command(flatten)]
    pub auth_callout: kez_auth_callout::Args,
    /// Use this NATS (servers separated by commas) instead of starting a nats-server. It must have JetStream and the accounts that nats/ describes,
    /// with the keys in <FOLDER>/nats/keys.
    #[arg(long, env = "KEZ_CHAT_NATS_URL", value_name = "URL", value_delimiter = ',')]
    pub nats_url: Option<Vec<String>>,
    /// Where the nats-server that is started listens.
    #[command(flatten)]
    pub listeners: ListenerArgs,
    /// The nats-server to start [default: nats-server on the PATH]; 2.14.3 or newer.
    #[arg(long, env = "KEZ_NATS_SERVER", value_name = "FILE")]
    pub nats_server: Option<PathBuf>,
    /// The process.
    #[command(flatten)]
    pub process: ProcessArgs,
}

impl Config for Arguments {
    // The parts of one process find each other at once; what they say along the way is for those who run them apart.
    const LOG: &str =
        "warn,audit=info,kez_chat_server=info,kez_kit::life=info,kez_kit::retry=info,async_nats=off";

    fn process(&self) -> &ProcessArgs {
        &self.process
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_fits_together() {
        Arguments::command().debug_assert();
    }
}
