//! `kez sigchain`: the person's identity log, at the server and in their folder.

mod add;
mod export;
mod own;
mod post;
mod publish;
mod revoke;
mod rotate;
mod show;
mod state;
mod verify;

pub use verify::{good, served};

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use kez_proto::identity::Subject;

use super::claim::subject;
use crate::{context::Context, failure::Failure, who::Who};

const EXAMPLES: &str = "\
The log is a chain of events that you sign; each names the one before it. A server keeps it for others to read, and kez keeps a copy of yours in its folder: with \
that it goes on at another server if this one is gone (kez sigchain publish).

Examples:
  kez sigchain add github:alice --proof-url https://gist.github.com/alice/1f2e
  kez sigchain show
  kez sigchain show bob";

const ADD_EXAMPLES: &str = "\
The account should say so, too: kez claim create. Adding what is there already changes nothing.

Examples:
  kez sigchain add github:alice --proof-url https://gist.github.com/alice/1f2e
  kez sigchain add dns:alice.example";

const ADD_DEVICE_EXAMPLES: &str = "\
The identifier is usually a key that the device alone has. One that is there already gets the name.

Example:
  kez sigchain add-device UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4 \"Alice's phone\"";

const REVOKE_EXAMPLES: &str = "\
What was signed before stays in the log, with the word that it holds no more.

Examples:
  kez sigchain revoke github:alice
  kez sigchain revoke UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

const ROTATE_EXAMPLES: &str = "\
Your log, and your name at the server, go on under a new key; others see that the old key said so.
There is no way back to the old key. It is kept in old-keys/, \
because mail that was sealed to it needs it.
If it is interrupted, run it again: it goes on where it stopped.

Examples:
  kez sigchain rotate                         a key made now; its words: kez identity export
  kez sigchain rotate --new-key other.key     a key that you have, as 64 hex digits in a file";

const EXPORT_EXAMPLES: &str = "\
Without a server it is the copy on this computer.

Examples:
  kez sigchain export > kez-sigchain.jsonl    for https://<domain>/.well-known/kez-sigchain.jsonl
  kez sigchain export --form bundle           one word, for a chat or a mail";

const PUBLISH_EXAMPLES: &str = "\
Event by event, behind what the server has already. Who publishes doesn't matter: the events are signed.
A name that is still under an earlier key of the log, because a change of keys was cut off, goes to the key in force.

Examples:
  kez --server-url https://new.example.org sigchain publish
  kez sigchain publish kez-sigchain.jsonl";

const VERIFY_EXAMPLES: &str = "\
Yours is compared with the copy on this computer, too: a server that changed it or left something out is found out.
A handle that is still under a key that its log has given up isn't good.

Exit status: 0 good, 1 not good.

Examples:
  kez sigchain verify
  kez sigchain verify bob@chat.example.org
  kez sigchain verify kez-sigchain.jsonl";

#[derive(Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum SigchainCommand {
    /// Say that an account elsewhere is yours
    #[command(after_help = ADD_EXAMPLES)]
    Add {
        /// Such as github:alice or dns:alice.example
        #[arg(value_parser = subject)]
        subject: Subject,
        /// Where the account says so, too
        #[arg(long, value_name = "URL")]
        proof_url: Option<String>,
    },
    /// Say that a device is yours
    #[command(after_help = ADD_DEVICE_EXAMPLES)]
    AddDevice {
        /// What names it: 1 to 128 bytes without white space
        device: String,
        /// What you call it
        name: String,
    },
    /// Say that an account or a device is yours no more
    #[command(after_help = REVOKE_EXAMPLES)]
    Revoke {
        /// The account, or the device's identifier
        what: String,
    },
    /// Go on under another key
    #[command(after_help = ROTATE_EXAMPLES)]
    Rotate {
        /// The key to go on under, in a key file as kez writes it [default: a new one]
        #[arg(long, value_name = "FILE")]
        new_key: Option<PathBuf>,
        /// Don't ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Show what a log has come to: yours, or somebody's
    Show {
        /// A key or a handle [default: you]
        who: Option<Who>,
    },
    /// Print your log, for a file or to pass on
    #[command(after_help = EXPORT_EXAMPLES)]
    Export {
        /// How
        #[arg(long, value_enum, default_value_t = Form::Lines)]
        form: Form,
    },
    /// Give a log to a server that doesn't have it, or not all of it
    #[command(after_help = PUBLISH_EXAMPLES)]
    Publish {
        /// An exported log [default: yours, from the copy on this computer]
        file: Option<String>,
    },
    /// Verify each event of a log: yours, somebody's, or a file's
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify {
        /// A file, - for stdin, a key, or a handle [default: you]
        what: Option<String>,
    },
}

/// How a log is written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// One event a line
    Lines,
    /// One word, compressed
    Bundle,
}

pub async fn run(context: &Context, command: SigchainCommand) -> Result<(), Failure> {
    match command {
        SigchainCommand::Add { subject, proof_url } => add::subject(context, subject, proof_url).await,
        SigchainCommand::AddDevice { device, name } => add::device(context, device, name).await,
        SigchainCommand::Revoke { what } => revoke::run(context, &what).await,
        SigchainCommand::Rotate { new_key, yes } => rotate::run(context, new_key.as_deref(), yes).await,
        SigchainCommand::Show { who } => show::run(context, who).await,
        SigchainCommand::Export { form } => export::run(context, form).await,
        SigchainCommand::Publish { file } => publish::run(context, file.as_deref()).await,
        SigchainCommand::Verify { what } => verify::run(context, what.as_deref()).await,
    }
}
