//! `kez identity`: the key itself.

mod export;
mod from_mnemonic;
mod new;
mod show;

use clap::{Subcommand, ValueEnum};

use crate::{context::Context, failure::Failure};

const NEW_EXAMPLES: &str = "\
The words are the whole key, in a form that can be written on paper: whoever has them is you.
They are shown once.

Examples:
  kez identity new               a key in a file; see its words later with: kez identity export
  kez identity new --words       the same, and show its 24 words
  kez identity new --words 12    a key of 12 words";

const FROM_MNEMONIC_EXAMPLES: &str = "\
The words are asked for, and not shown while you type; or they come from stdin.
A key that is there already is never overwritten: an earlier one of yours is put beside it.
Your name is asked of the server, so that kez inbox works right after.

Examples:
  kez identity from-mnemonic
  kez --server-url https://chat.example.org identity from-mnemonic
  kez identity from-mnemonic < words.txt";

const EXPORT_EXAMPLES: &str = "\
Whoever sees what it prints is you, for ever: so it asks first.
A key that was made from 12 words prints 24 others: they stand for the same key. The 12 can't be computed back, and stay as good.

Examples:
  kez identity export
  kez identity export --seed     64 hex digits, for programs
  kez identity export --yes > /media/usb/kez-words.txt";

#[derive(Subcommand)]
pub enum IdentityCommand {
    /// Make a new key; an existing one is never touched
    #[command(after_help = NEW_EXAMPLES)]
    New {
        /// Show the words that the key can be made from again: 24, or 12
        #[arg(long, value_name = "12|24", num_args = 0..=1, default_missing_value = "24", hide_possible_values = true)]
        words: Option<Words>,
    },
    /// Make your key again from its words, and find your name at the server
    #[command(after_help = FROM_MNEMONIC_EXAMPLES)]
    FromMnemonic,
    /// Show your key, in each form that others know it by
    Show,
    /// Print the 24 words of your key, or its seed
    #[command(after_help = EXPORT_EXAMPLES)]
    Export {
        /// The seed as 64 hex digits instead of words
        #[arg(long)]
        seed: bool,
        /// Don't ask
        #[arg(long, short)]
        yes: bool,
    },
}

/// How many words a new key has.
#[derive(Clone, Copy, ValueEnum)]
pub enum Words {
    #[value(name = "12")]
    Twelve,
    #[value(name = "24")]
    TwentyFour,
}

pub async fn run(context: &Context, command: IdentityCommand) -> Result<(), Failure> {
    match command {
        IdentityCommand::New { words } => new::run(context, words),
        IdentityCommand::FromMnemonic => from_mnemonic::run(context).await,
        IdentityCommand::Show => show::run(context),
        IdentityCommand::Export { seed, yes } => export::run(context, seed, yes),
    }
}
