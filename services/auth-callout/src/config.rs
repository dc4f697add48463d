//! The auth callout's limits and switches.

use std::{path::PathBuf, time::Duration};

use clap::Args as ClapArgs;
use kez_kit::{Failure, Kind};
use kez_proto::{ServerName, limits};

pub use crate::decision::Transport;

/// The flags.
#[derive(ClapArgs, Clone, Debug)]
#[group(id = "auth-callout")]
pub struct Args {
    /// Minutes that a user's connection to NATS lasts, ± a tenth, before its client must log in again.
    #[arg(long, env = "KEZ_CHAT_NATS_LOGIN_MINUTES", value_name = "MINUTES", default_value_t = limits::NATS_LOGIN.as_secs() / 60)]
    pub nats_login_minutes: u64,
    /// Connections to NATS that one key may have at once. 0: no limit.
    #[arg(long, env = "KEZ_CHAT_NATS_CONNECTIONS", value_name = "COUNT", default_value_t = limits::NATS_CONNECTIONS_PER_KEY)]
    pub nats_connections: u32,
    /// Refuse the bare nonce signature of stock NATS clients: only what names this server's domain is taken.
    #[arg(long, env = "KEZ_CHAT_NATS_NO_PLAIN_NONCE")]
    pub nats_no_plain_nonce: bool,
    /// Hours that a session lasts at most; 1 to 24.
    #[arg(long, env = "KEZ_CHAT_SESSION_HOURS", value_name = "HOURS", default_value_t = limits::SESSION.as_secs() / 3600)]
    pub session_hours: u64,
    /// Listeners of NATS that clients reach directly, with no proxy between: only there is a client's address its own, and its refused logins are counted.
    #[arg(long, env = "KEZ_CHAT_NATS_DIRECT", value_name = "TRANSPORTS", value_delimiter = ',')]
    pub nats_direct: Vec<Transport>,
    /// Refused logins a minute from one address (one /64 of IPv6) on a listener that --nats-direct names; then it is refused for the rest of the minute. 0: no limit.
    #[arg(long, env = "KEZ_CHAT_LIMIT_NATS_LOGINS", value_name = "COUNT", default_value_t = 60)]
    pub limit_nats_logins: u32,
}

/// The checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) server: ServerName,
    /// The folder with callout-auth.nk, callout-system.nk, callout-issuer.nk, callout-xkey.nk and session/ (kez_nats::Keys).
    pub(crate) keys: PathBuf,
    pub(crate) login: Duration,
    pub(crate) connections: u32,
    pub(crate) plain_nonce: bool,
    pub(crate) session: Duration,
    pub(crate) direct: Vec<Transport>,
    pub(crate) limit_logins: u32,
}

impl Args {
    /// The configuration of an auth callout of the deployment with this server name, whose keys are in this folder.
    pub fn with(self, server: ServerName, keys: PathBuf) -> Result<Config, Failure> {
        let wrong = |message: &str| Err(Failure::new(Kind::Configuration, message));
        if !(1..=24 * 60).contains(&self.nats_login_minutes) {
            return wrong("--nats-login-minutes must be 1 to 1440");
        }
        if !(1..=24).contains(&self.session_hours) {
            return wrong("--session-hours must be 1 to 24");
        }
        Ok(Config {
            server,
            keys,
            login: Duration::from_secs(self.nats_login_minutes * 60),
            connections: self.nats_connections,
            plain_nonce: !self.nats_no_plain_nonce,
            session: Duration::from_secs(self.session_hours * 3600),
            direct: self.nats_direct,
            limit_logins: self.limit_nats_logins,
        })
    }
}
