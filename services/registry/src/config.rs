//! What the registry is told: one flag, one variable, one default each.

use std::{fs, path::PathBuf};

use clap::value_parser;
use kez_kit::responder::LimitArgs;
use kez_proto::{ServerName, limits, nats_login::UserKey};
use url::Url;

/// The server name of whoever gives none: good for trying it out on one machine.
pub const DEFAULT_SERVER: &str = "kez.lat";

/// What the operator fixes for the whole deployment; every part of it that asks gets the same answer.
#[derive(clap::Args, Clone, Debug)]
pub struct DeploymentArgs {
    /// The name behind the @ of every handle: a DNS name of yours. Fixed once the deployment is created.
    #[arg(long, env = "KEZ_CHAT_SERVER", value_name = "NAME", default_value = DEFAULT_SERVER)]
    pub server: ServerName,
    /// Base address of the identity logs that records point to [default: https://<server>; for kez-chat-server --public-url, or this machine while the
    /// server has no name of its own].
    #[arg(long, env = "KEZ_CHAT_SIG_SERVER_URL", value_name = "URL", value_parser = base_url)]
    pub sig_server_url: Option<String>,
    /// Streams that mail is spread over, 1 to 64 [default: 16]. Fixed once the deployment is created; leave it out afterwards.
    #[arg(long, env = "KEZ_CHAT_INBOX_PARTITIONS", value_name = "COUNT",
          value_parser = value_parser!(u16).range(1..=i64::from(limits::PARTITIONS_MAX)))]
    pub inbox_partitions: Option<u16>,
}

/// The flags of `kez-registry`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// What is the same everywhere.
    #[command(flatten)]
    pub deployment: DeploymentArgs,
    /// Folder of this instance's index. It is rebuilt from the log whenever it is missing or broken.
    #[arg(
        long,
        env = "KEZ_CHAT_REGISTRY_INDEX",
        value_name = "FOLDER",
        default_value = "kez-registry.index"
    )]
    pub index: PathBuf,
    /// Copies of the log over the NATS cluster: 1, 3 or 5. Counts when the deployment is created.
    #[arg(long, env = "KEZ_CHAT_REPLICAS", value_name = "COUNT", default_value = "1", value_parser = replicas)]
    pub replicas: usize,
    /// The operator's public nkey (U…), or a file with it, whose orders about handles are taken: that of operator.nk, as kez nats init prints it. The same at
    /// every instance: it is written into the log when the first order comes. Without one, no other is taken on.
    #[arg(long, env = "KEZ_CHAT_OPERATOR", value_name = "NKEY", value_parser = operator)]
    pub operator: Option<UserKey>,
    /// Requests of clients over NATS.
    #[command(flatten)]
    pub clients: LimitArgs,
}

/// The registry's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The part behind the `@`.
    pub server: ServerName,
    /// Base address of the identity logs, without a trailing slash.
    pub sig_server_url: String,
    /// Folder of the index.
    pub index: PathBuf,
    /// Inbox streams of a new deployment; `None` for [`limits::PARTITIONS`], or whatever an existing one has.
    pub partitions: Option<u16>,
    /// Copies of the log of a new deployment.
    pub replicas: usize,
    /// Whose orders are taken.
    pub operator: Option<UserKey>,
    /// Requests of one person's clients over NATS per minute; 0 for no limit.
    pub limit_client_requests: u32,
}

impl DeploymentArgs {
    /// The configuration of an instance whose index is in this folder.
    pub fn with(
        self,
        index: PathBuf,
        replicas: usize,
        operator: Option<UserKey>,
        clients: &LimitArgs,
    ) -> Config {
        let Self { server, sig_server_url, inbox_partitions: partitions } = self;
        let limit_client_requests = clients.limit_client_requests;
        let sig_server_url = sig_server_url.unwrap_or_else(|| format!("https://{server}"));
        Config { server, sig_server_url, index, partitions, replicas, operator, limit_client_requests }
    }
}

impl From<Args> for Config {
    fn from(args: Args) -> Self {
        args.deployment.with(args.index, args.replicas, args.operator, &args.clients)
    }
}

/// Records append a path to it: an http(s) address without query or fragment; a trailing slash is dropped.
fn base_url(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|e| e.to_string())?;
    if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() {
        return Err("give an http:// or https:// address without ? and #".into());
    }
    Ok(text.trim().trim_end_matches('/').to_owned())
}

/// The key, or what a file of that name holds.
fn operator(text: &str) -> Result<UserKey, String> {
    let held = fs::read_to_string(text);
    let key = held.as_deref().unwrap_or(text).trim();
    key.parse().map_err(|_| "give the public nkey of a user (U…), or a file with it".into())
}

fn replicas(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| [1, 3, 5].contains(n)).ok_or_else(|| "NATS keeps 1, 3 or 5 copies".into())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn parse(flags: &[&str]) -> Result<Config, clap::Error> {
        Cli::try_parse_from([&["kez-registry"], flags].concat()).map(|cli| cli.args.into())
    }

    #[test]
    fn the_operators_key_is_given_or_a_file_with_it() {
        const KEY: &str = "UCK5N7N66OBOINFXAYC2ACJQYFSOD4VYNU6APEJTAVFZB2SVHLKGEW7L";
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), format!("{KEY}\n")).unwrap();
        for given in [KEY, file.path().to_str().unwrap()] {
            let config = parse(&["--operator", given]).unwrap();
            assert_eq!(config.operator, Some(KEY.parse().unwrap()), "{given}");
        }
    }

    #[test]
    fn defaults_and_what_is_refused() {
        let config = parse(&["--sig-server-url", "https://sig.example.org/kez/"]).unwrap();
        assert_eq!((config.server.as_str(), config.partitions, config.replicas), ("kez.lat", None, 1));
        assert_eq!(config.sig_server_url, "https://sig.example.org/kez");
        assert_eq!(
            parse(&["--server", "chat.example.org"]).unwrap().sig_server_url,
            "https://chat.example.org"
        );
        for bad in [
            ["--sig-server-url", "ftp://sig"],
            ["--sig-server-url", "sig.example.org"],
            ["--sig-server-url", "http://sig/?a=b"],
            ["--server", "Kez.lat"],
            ["--inbox-partitions", "0"],
            ["--inbox-partitions", "65"],
            ["--replicas", "2"],
            ["--operator", "operator.pub"],
            ["--operator", "SUAOPERATOR"],
        ] {
            assert!(parse(&bad).is_err(), "{bad:?} was taken");
        }
    }
}
