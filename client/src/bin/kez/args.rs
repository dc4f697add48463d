//! The command line.

use std::{path::PathBuf, str::FromStr};

use clap::{Parser, Subcommand};
use kez_proto::{Code, Handle, Primary};

use crate::commands::{
    admin::AdminCommand,
    backup::{self, BackupArgs},
    canary::{self, CanaryArgs},
    claim::ClaimCommand,
    identity::IdentityCommand,
    nats::NatsCommand,
    restore::{self, RestoreArgs},
    sigchain::SigchainCommand,
};

const EXAMPLES: &str = "\
Examples:
  kez register alice             take the name alice at the server on this machine
  kez send bob hello there       leave bob a message
  kez listen                     print messages as they come; Ctrl-C ends it
  kez identity from-mnemonic     be yourself again on a new computer

  kez --server-url https://chat.example.org register alice
  date | kez send bob            send what a command prints
  kez --json listen | jq .body   messages for a script

Exit status: 0 done, 1 refused or failed, 2 wrong usage.";

/// Chat from a terminal with a Kez Chat server.
///
/// Your identity is a key in a file; the server binds a name such as alice@chat.example.org to it. Begin with `kez register <name>`.
#[derive(Parser)]
#[command(name = "kez", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Args {
    /// Folder of your key, profile and reading place [default: $XDG_CONFIG_HOME/kez or ~/.config/kez]
    #[arg(long, global = true, env = "KEZ_HOME", value_name = "DIR", hide_env_values = true)]
    pub home: Option<PathBuf>,

    /// Where the server is [default: the one you registered at, or http://127.0.0.1:6969]
    #[arg(long, global = true, env = "KEZ_SERVER_URL", value_name = "URL", hide_env_values = true)]
    pub server_url: Option<String>,

    /// Print one JSON object a line on stdout, for programs
    #[arg(long, global = true)]
    pub json: bool,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Your key
    Identity {
        #[command(subcommand)]
        command: IdentityCommand,
    },
    /// Take a name at the server
    #[command(
        after_help = "A key is made first if you have none. Doing it twice does no harm.\n\nExample:\n  kez register alice"
    )]
    Register {
        /// 3 to 32 of a-z 0-9 _ -, first a letter or a digit
        #[arg(value_parser = handle)]
        handle: Handle,
    },
    /// Show who you are, and where
    Whoami,
    /// Leave somebody a message
    #[command(
        after_help = "The text is sealed to the recipient's key: only they can read it, and only they learn who wrote it. That key is remembered at the first message. If the server names another one later, nothing is sent, unless the person's identity log proves the change or you name the new key with --key.\n\nA copy for your other devices, sealed to your own key, follows into your own inbox. If only that fails, the message has been sent: that is a warning, and the exit status is 0. The server can guess from the copy who sent the message; over NATS it knows in any case.\n\nExamples:\n  kez send bob see you at eight\n  kez send bob@chat.example.org hello\n  kez send bob -- --this begins with dashes\n  kez send bob < letter.txt\n  kez send --nats bob hello\n  kez send --nats=wss://chat.example.org:8443 bob hello"
    )]
    Send {
        #[command(flatten)]
        nats: NatsFlags,
        #[command(flatten)]
        options: Box<SendOptions>,
        /// bob, or bob@server
        to: Address,
        /// The text; - or nothing to read it from stdin
        text: Vec<String>,
    },
    /// Print messages as they come, beginning where you stopped
    #[command(
        after_help = "Times are UTC. Each message was signed by the key of the name that it begins with; whoever has no name here is shown by the key's first digits. \"you to bob\" is a copy of what you sent. What fails a check is shown with the reason. Each message is printed once, over restarts too; state changes go to stderr.\n\nExamples:\n  kez listen\n  kez listen --nats                                    over NATS, where the server says that it is\n  kez listen --nats=nats://127.0.0.1:4222              over TCP; tls:// where that is encrypted\n  kez listen --nats=wss://chat.example.org:8443        over a WebSocket, as browsers do\n  kez listen --nats=tls://a.example.org,tls://b.example.org   any server of a cluster"
    )]
    Listen {
        #[command(flatten)]
        nats: NatsFlags,
    },
    /// Print the messages that are stored at the server
    #[command(
        after_help = "Reading changes nothing: listen still goes on where it stopped. A message that is stored twice is shown once, as far as both are listed, and named as read before the second time.\n\nExamples:\n  kez inbox\n  kez inbox --since 120 --limit 10"
    )]
    Inbox {
        /// Print so many, at most
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        limit: Option<u64>,
        /// Only messages behind this seq
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        since: u64,
    },
    /// Delete mail at the server, for all your devices
    #[command(after_help = "Example:\n  kez delete --through 120")]
    Delete {
        /// The last seq to delete
        #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(u64).range(1..))]
        through: u64,
        /// Don't ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Give your name at the server back
    #[command(
        after_help = "For 90 days your key alone can take the name again; after that nobody ever can. Read your mail first: without the name you can't.\n\nExample:\n  kez release"
    )]
    Release {
        /// Don't ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Say that accounts elsewhere are yours, and see who says so
    Claim {
        #[command(subcommand)]
        command: ClaimCommand,
    },
    /// Your identity log: your accounts, your devices, and which key you go on under
    Sigchain {
        #[command(subcommand)]
        command: SigchainCommand,
    },
    /// Verify a claim or an identity log: from a file, or somebody's at the server
    #[command(
        after_help = "A file that is there comes before a handle of that name. With --json the reason is in error.code, as of: kez claim verify\n\nExamples:\n  kez verify kez.md\n  kez verify bob\n  kez verify ed25519:2152f8d19b791d24453242e15f2eab6cb7cffa7b6a5ed30097960e069881db12\n  curl -s https://bob.example/.well-known/kez-sigchain.jsonl | kez verify -"
    )]
    Verify {
        /// A file, - for stdin, a key, or a handle
        what: String,
    },
    /// Print the signature of a request without a body, for curl and scripts: the value of X-KEZ-Auth, good for 60 seconds
    #[command(
        after_help = "Example:\n  curl -H \"X-KEZ-Auth: $(kez auth GET '/v1/inbox/alice?since=0')\" 'http://127.0.0.1:6969/v1/inbox/alice?since=0'"
    )]
    Auth {
        /// GET or DELETE
        method: String,
        /// Path and query, exactly as they will be sent
        target: String,
    },
    /// Print the envelope that begins a session, for curl and scripts: what POST /v1/session takes, good for 60 seconds
    #[command(
        after_help = "The session's key stands for yours until the session ends: over NATS with the token, and to renew it.\n\nExample:\n  curl http://127.0.0.1:6969/v1/session -d \"$(kez session phone.nk)\""
    )]
    Session {
        /// The session's key, the seed of an nkey (SU…); made if it isn't there, for you alone to read
        file: PathBuf,
        /// How long the session lasts; the server may allow less
        #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=24))]
        hours: u64,
    },
    /// For operators: set up a nats-server of your own, and check it
    Nats {
        #[command(subcommand)]
        command: NatsCommand,
    },
    /// For operators: what runs, and what is done to handles and mail
    Admin {
        #[command(subcommand)]
        command: AdminCommand,
    },
    /// For operators: copy a deployment, while it runs
    #[command(after_help = backup::EXAMPLES)]
    Backup(Box<BackupArgs>),
    /// For operators: send a message to yourself, again and again, and see that it comes back
    #[command(after_help = canary::EXAMPLES)]
    Canary(Box<CanaryArgs>),
    /// For operators: make a deployment of a backup
    #[command(after_help = restore::EXAMPLES)]
    Restore(Box<RestoreArgs>),
}

#[derive(clap::Args, Clone)]
pub struct NatsFlags {
    /// Over NATS: at this address (or any of several, with commas between), or where the server says that it is; with TLS if the server has it
    #[arg(long, value_name = "URL", num_args = 0..=1, require_equals = true)]
    pub nats: Option<Option<String>>,
    /// File with the certificates (PEM) of the authority behind NATS's TLS [default: those that this system trusts]
    #[arg(long, value_name = "FILE", requires = "nats")]
    pub nats_ca: Option<PathBuf>,
}

#[derive(clap::Args)]
pub struct SendOptions {
    /// The recipient's key, as they told you: takes the place of the remembered one; nothing is sent to any other
    #[arg(long, value_name = "ed25519:HEX", value_parser = primary)]
    pub key: Option<Primary>,
    /// Leave no copy in your own inbox
    #[arg(long)]
    pub no_copy: bool,
}

/// `bob` or `bob@server`.
#[derive(Clone)]
pub struct Address {
    pub handle: Handle,
    pub server: Option<String>,
}

impl FromStr for Address {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        if s.contains("://") {
            return Err("an address belongs to its flag without a space: --nats=URL".into());
        }
        let (name, server) = match s.split_once('@') {
            Some((_, "")) => return Err("there is no server behind the @".into()),
            Some((name, server)) => (name, Some(server.to_owned())),
            None => (s, None),
        };
        Ok(Self { handle: handle(name)?, server })
    }
}

/// A handle as it is typed.
pub fn handle(s: &str) -> Result<Handle, String> {
    s.parse().map_err(|code: Code| code.detail().to_owned())
}

fn primary(s: &str) -> Result<Primary, String> {
    s.parse().map_err(|code: Code| code.detail().to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn an_address_of_nats_never_eats_the_recipient() {
        let parse = |line: &str| match Args::try_parse_from(line.split(' ')).unwrap().command {
            Command::Send { nats, to, text, .. } => (nats.nats, to.handle.to_string(), text.join(" ")),
            _ => panic!("{line}"),
        };
        let hello = |nats| (nats, "bob".to_owned(), "hello".to_owned());
        assert_eq!(parse("kez send bob hello"), hello(None));
        assert_eq!(parse("kez send --nats bob hello"), hello(Some(None)));
        assert_eq!(parse("kez send --nats=ws://h:1 bob hello"), hello(Some(Some("ws://h:1".into()))));
        assert_eq!(parse("kez send bob --nats hello"), hello(Some(None)));
        assert!(Args::try_parse_from(["kez", "send", "--nats", "ws://h:1", "bob", "hello"]).is_err());
    }

    #[test]
    fn addresses() {
        let parse = |s: &str| s.parse::<Address>().map(|a| (a.handle.to_string(), a.server));
        assert_eq!(parse("bob"), Ok(("bob".into(), None)));
        assert_eq!(parse("bob@kez.lat"), Ok(("bob".into(), Some("kez.lat".into()))));
        for bad in ["", "@kez.lat", "bob@", "Bob", "b", "nats://kez.lat"] {
            assert!(parse(bad).is_err(), "{bad} was taken");
        }
    }
}
