//! The fan-out's limits: one flag, one variable, one default each; 0 turns a limit off.

use std::time::Duration;

use clap::Args as ClapArgs;
use kez_kit::{Failure, Kind, responder::LimitArgs};
use kez_proto::limits;

/// The flags.
#[derive(ClapArgs, Clone, Debug)]
#[group(id = "fanout")]
pub struct Args {
    /// Largest envelope, in bytes; at most 262144.
    #[arg(long, env = "KEZ_CHAT_ENVELOPE_BYTES", value_name = "BYTES", default_value_t = limits::ENVELOPE_BYTES)]
    pub envelope_bytes: usize,
    /// Messages that one inbox holds; a full one refuses mail (inbox_full). 0: no limit.
    #[arg(long, env = "KEZ_CHAT_INBOX_MESSAGES", value_name = "COUNT", default_value_t = limits::INBOX_MESSAGES)]
    pub inbox_messages: u32,
    /// Days that mail is kept. 0: until it is deleted.
    #[arg(long, env = "KEZ_CHAT_MAIL_DAYS", value_name = "DAYS", default_value_t = limits::MAIL_DAYS)]
    pub mail_days: u32,
    /// Bytes of mail in the whole deployment, per replica, shared evenly by its partitions; a full partition refuses mail (storage_full). Below 40 GiB
    /// one inbox can fill its partition. 0: no limit but NATS's own [default: 64 GiB, or 0 where NATS has less].
    #[arg(long, env = "KEZ_CHAT_STORE_BYTES", value_name = "BYTES")]
    pub store_bytes: Option<u64>,
    /// Seconds in which the same envelope to the same recipient is stored once. 0: every copy is stored.
    #[arg(long, env = "KEZ_CHAT_DUPLICATE_WINDOW", value_name = "SECONDS", default_value_t = limits::DUPLICATE_WINDOW.as_secs())]
    pub duplicate_window: u64,
    /// Refuse mail of people who don't say who they are (sender_required): only with a session token or over NATS.
    #[arg(long, env = "KEZ_CHAT_REQUIRE_SENDER")]
    pub require_sender: bool,
    /// Messages per minute from one sender, with a session token or over NATS. 0: no limit.
    #[arg(long, env = "KEZ_CHAT_LIMIT_SENDER", value_name = "COUNT", default_value_t = limits::SENDER_MESSAGES_PER_MINUTE)]
    pub limit_sender: u32,
    /// Requests of clients over NATS.
    #[command(flatten)]
    pub clients: LimitArgs,
    /// Copies of each message over the NATS cluster: 1, 3 or 5.
    #[arg(long, env = "KEZ_CHAT_REPLICAS", value_name = "COUNT", default_value_t = 1)]
    pub replicas: usize,
}

/// The checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) envelope_bytes: usize,
    pub(crate) inbox_messages: u32,
    pub(crate) mail_days: u32,
    pub(crate) store_bytes: Option<u64>,
    pub(crate) duplicate_window: Duration,
    pub(crate) replicas: usize,
    pub(crate) require_sender: bool,
    pub(crate) limit_sender: u32,
    pub(crate) limit_client_requests: u32,
}

impl TryFrom<Args> for Config {
    type Error = Failure;

    fn try_from(args: Args) -> Result<Self, Failure> {
        let wrong = |message: &str| Err(Failure::new(Kind::Configuration, message));
        if args.envelope_bytes == 0 || args.envelope_bytes > limits::ENVELOPE_BYTES {
            return wrong("--envelope-bytes must be 1 to 262144: pages of mail must fit into a NATS message");
        }
        if ![1, 3, 5].contains(&args.replicas) {
            return wrong("--replicas must be 1, 3 or 5");
        }
        if args.duplicate_window > 86_400 {
            return wrong(
                "--duplicate-window must be at most 86400 seconds: NATS remembers every message for so long, in memory",
            );
        }
        Ok(Self {
            envelope_bytes: args.envelope_bytes,
            inbox_messages: args.inbox_messages,
            mail_days: args.mail_days,
            store_bytes: args.store_bytes,
            duplicate_window: Duration::from_secs(args.duplicate_window),
            replicas: args.replicas,
            require_sender: args.require_sender,
            limit_sender: args.limit_sender,
            limit_client_requests: args.clients.limit_client_requests,
        })
    }
}
