//! `kez nats`: for operators who run a nats-server of their own. The `kez` command alone knows of this, the client library doesn't.

mod check;
mod hand_out;
mod init;
mod nodes;
mod rotate;
mod rotate_keys;
mod trial;

use std::path::PathBuf;

use clap::Subcommand;

use self::{check::CheckArgs, init::InitArgs, rotate::RotateArgs, rotate_keys::RotateKeysArgs};
use crate::{context::Context, failure::Failure};

const INIT_EXAMPLES: &str = "\
A key that is there is never replaced. Run it again with other settings, and the configuration is written anew.

Examples:
  kez nats init --dir /etc/kez/nats --server-name chat.example.org
  kez nats init --dir /etc/kez/nats --server-name chat.example.org \\
    --nodes n1=10.0.0.1:6222,n2=10.0.0.2:6222,n3=10.0.0.3:6222 --data /var/lib/kez-nats \\
    --ws-listen 0.0.0.0:8443 --tls-cert /etc/tls/chat.pem --tls-key /etc/tls/chat.key
  kez nats init --dir nats --server-name chat.example.org --plain \\
    --nodes n1=nats-1:6222,n2=nats-2:6222,n3=nats-3:6222    servers and services on a network of their own

Then look at it with: kez nats check /etc/kez/nats/*.conf";

const CHECK_HELP: &str = "\
Reads each configuration, and starts a nats-server with it for a moment: on other ports of 127.0.0.1, with a folder of its own for data, outside of
any cluster. Nothing of yours is changed. It prints a line for each thing that it looked at:
  ok    as it should be
  note  somebody may want it so; think about it
  FAIL  don't run it so; what to do about it stands beside it

Exit status: 0 nothing failed, 1 something did, 2 wrong usage, also a file that isn't there.

Examples:
  kez nats check /etc/kez/nats/nats-server.conf
  kez nats check /etc/kez/nats/n1.conf /etc/kez/nats/n2.conf /etc/kez/nats/n3.conf
  kez nats check --keys ~/kez-keys nats.conf";

const ROTATE_EXAMPLES: &str = "\
Nothing is taken away: tokens of the old key stay good until you remove its file.

Examples:
  kez nats rotate-session-key /etc/kez/nats/keys
  kez nats rotate-session-key /var/lib/kez-chat/nats/keys    those of kez-chat-server";

const ROTATE_KEYS_HELP: &str = "\
Those of every service and of the operator; with --callout, those of auth_callout in the configuration. Nothing stands still meanwhile: first the old and the new
key of each are good, and then the new one alone. If it is cut off, do it again. The keys of session tokens have a command of their own.

Examples:
  kez nats rotate-keys /etc/kez/nats/keys
  kez nats rotate-keys --finish /etc/kez/nats/keys

Of kez-chat-server, which reads all of them at its start: stop it, run both with <folder>/nats/keys, and start it.";

#[derive(Subcommand)]
pub enum NatsCommand {
    /// Make keys and configuration for nats-server: one, or a cluster
    #[command(after_help = INIT_EXAMPLES)]
    Init(Box<InitArgs>),
    /// Try configurations of nats-server, and say what is wrong with them
    #[command(after_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Make the next key that signs session tokens; auth callouts change over by themselves
    #[command(after_help = ROTATE_EXAMPLES)]
    RotateSessionKey(RotateArgs),
    /// Replace the keys by which everything logs in to NATS
    #[command(after_help = ROTATE_KEYS_HELP)]
    RotateKeys(RotateKeysArgs),
}

pub async fn run(context: &Context, command: NatsCommand) -> Result<(), Failure> {
    match command {
        NatsCommand::Init(args) => init::run(context, &args),
        NatsCommand::Check(args) => check::run(context, args).await,
        NatsCommand::RotateSessionKey(args) => rotate::run(context, &args),
        NatsCommand::RotateKeys(args) => rotate_keys::run(context, &args),
    }
}

/// An error of keys or configuration, with its cause.
pub fn failure(error: kez_nats::Error) -> Failure {
    Failure::refused(error.with_cause())
}

/// The nats-server to use.
#[derive(clap::Args)]
pub struct Binary {
    /// The nats-server to try it with [default: nats-server on the PATH]
    #[arg(long, env = "KEZ_NATS_SERVER", value_name = "FILE", hide_env_values = true)]
    nats_server: Option<PathBuf>,
}
