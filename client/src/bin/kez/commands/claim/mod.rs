//! `kez claim`: that an account elsewhere is yours.

mod create;
mod verify;

pub use verify::claim as report;

use clap::{Subcommand, ValueEnum};
use kez_proto::{Code, identity::Subject};

use crate::{context::Context, failure::Failure};

const CREATE_EXAMPLES: &str = "\
A subject is github:, dns:, nostr:, bluesky:, ap:, did:, ens: or web: and a name there.
Put what is printed where nobody but that account can write:
  markdown   a gist, a profile page, a README
  compact    one word, for a post or a bio
  txt        a DNS record, at _kez.<domain>
  json       a file, such as https://<domain>/.well-known/kez.json

Examples:
  kez claim create github:alice --form markdown > kez.md
  kez claim create dns:alice.example --form txt --expires 365
  kez claim create ap:alice@social.example --form compact

Then say where it is: kez sigchain add github:alice --proof-url https://gist.github.com/alice/…";

const VERIFY_EXAMPLES: &str = "\
It takes every form of a claim, also a page around it, and what dig prints.
It says whether the key signed it, not where it was found: that the account says so, too, is for you to see.

Exit status: 0 good, 1 not good. With --json the reason is in error.code: absent, corrupt, \
too_large, expired, bad_signature and the other codes of envelopes.

Examples:
  kez claim verify kez.md
  curl -s https://alice.example/.well-known/kez.json | kez claim verify -
  dig +short TXT _kez.alice.example | kez claim verify -";

#[derive(Subcommand)]
pub enum ClaimCommand {
    /// Sign that an account elsewhere is yours
    #[command(after_help = CREATE_EXAMPLES)]
    Create {
        /// Such as github:alice or dns:alice.example
        #[arg(value_parser = subject)]
        subject: Subject,
        /// The claim ends after so many days [default: never]
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
        expires: Option<u32>,
        /// The form for the place where it goes
        #[arg(long, value_enum, default_value_t = Form::Json)]
        form: Form,
    },
    /// Say whether a claim is good, and whose
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify {
        /// The file; - for stdin
        file: String,
    },
}

/// How a claim is written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// The signed envelope itself
    Json,
    /// One word
    Compact,
    /// A code fence in a page
    Markdown,
    /// A DNS record
    Txt,
}

pub fn run(context: &Context, command: ClaimCommand) -> Result<(), Failure> {
    match command {
        ClaimCommand::Create { subject, expires, form } => create::run(context, subject, expires, form),
        ClaimCommand::Verify { file } => verify::run(context, &file),
    }
}

/// Reads a subject from the command line.
pub fn subject(s: &str) -> Result<Subject, String> {
    s.parse().map_err(|code: Code| code.detail().to_owned())
}
