//! The gateway's configuration.

use std::{net::SocketAddr, path::PathBuf};

use axum_client_ip::ClientIpSource;
use clap::Args as ClapArgs;
use kez_kit::{Failure, Kind};
use kez_proto::{
    ServerName,
    limits_order::{Limit, Limits},
    server::NatsAddresses,
};
use url::Url;

/// The flags.
#[derive(ClapArgs, Clone, Debug)]
#[group(id = "gateway")]
pub struct Args {
    /// Address of the public HTTP listener.
    #[arg(long, env = "KEZ_CHAT_BIND", value_name = "ADDRESS", default_value = "0.0.0.0:6969")]
    pub bind: SocketAddr,
    /// Where clients reach this server, for links [default: https://<server>].
    #[arg(long, env = "KEZ_CHAT_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<Url>,
    /// Where clients reach this deployment's NATS, such as tls://chat.example.org:4222 (nats:// where there is no TLS): GET /v1/server tells them. Give it
    /// where a proxy, a name or another port leads to the listener [default for kez-chat-server: its own listener, if clients reach it there with TLS or on
    /// this machine; for kez-gateway: they aren't told].
    #[arg(long, env = "KEZ_CHAT_NATS_PUBLIC_URL", value_name = "URL")]
    pub nats_public_url: Option<Url>,
    /// Where browsers reach this deployment's NATS, such as wss://chat.example.org/nats (ws:// where there is no TLS): GET /v1/server tells them. Give it
    /// where a proxy passes a path or a port of its own to the listener [default: as with --nats-public-url].
    #[arg(long, env = "KEZ_CHAT_NATS_WS_PUBLIC_URL", value_name = "URL")]
    pub nats_ws_public_url: Option<Url>,
    /// Address of a second listener for the identity logs alone, the same routes as on the public one; 7878 is their usual port [default: none].
    #[arg(long, env = "KEZ_CHAT_SIG_BIND", value_name = "ADDRESS")]
    pub sig_bind: Option<SocketAddr>,
    /// Folder of a web client to serve at / [default: the one that is within this program].
    #[arg(long, env = "KEZ_CHAT_WEB_DIR", value_name = "FOLDER")]
    pub web_dir: Option<PathBuf>,
    /// Where a client's address is read from: ConnectInfo (the connection), or the header that your proxy sets: RightmostXForwardedFor,
    /// RightmostForwarded, XRealIp, CfConnectingIp, TrueClientIp, FlyClientIp, CloudFrontViewerAddress or XEnvoyExternalAddress. Name a header only
    /// behind a proxy that sets it: anybody can send one.
    #[arg(long, env = "KEZ_CHAT_CLIENT_IP_SOURCE", value_name = "SOURCE", default_value = "ConnectInfo")]
    pub client_ip_source: ClientIpSource,
    /// The limits.
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// Limits per client address (per /64 for IPv6) and gateway; 0 turns one off.
#[derive(ClapArgs, Clone, Debug)]
pub struct LimitArgs {
    /// Requests of any kind per minute and address. 0: no limit.
    #[arg(long, env = "KEZ_CHAT_LIMIT_REQUESTS", value_name = "COUNT", default_value_t = 1200)]
    pub limit_requests: u32,
    /// Messages sent, and events of identity logs appended, per minute and address. 0: no limit.
    #[arg(long, env = "KEZ_CHAT_LIMIT_SENDS", value_name = "COUNT", default_value_t = 240)]
    pub limit_sends: u32,
    /// Registrations and releases of handles per hour and address. 0: no limit.
    #[arg(long, env = "KEZ_CHAT_LIMIT_REGISTRATIONS", value_name = "COUNT", default_value_t = 30)]
    pub limit_registrations: u32,
    /// Sessions begun per hour and address, whether or not they were refused; renewing one counts as a request only. 0: no limit.
    #[arg(long, env = "KEZ_CHAT_LIMIT_SESSIONS", value_name = "COUNT", default_value_t = 240)]
    pub limit_sessions: u32,
    /// Open streams per address. 0: no limit.
    #[arg(long, env = "KEZ_CHAT_LIMIT_STREAMS", value_name = "COUNT", default_value_t = 64)]
    pub limit_streams: u32,
}

impl LimitArgs {
    /// By the names under which an operator orders them.
    pub(crate) fn flags(&self) -> Limits {
        Limits::from([
            (Limit::Requests, self.limit_requests),
            (Limit::Sends, self.limit_sends),
            (Limit::Registrations, self.limit_registrations),
            (Limit::Sessions, self.limit_sessions),
            (Limit::Streams, self.limit_streams),
        ])
    }
}

/// The checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) bind: SocketAddr,
    pub(crate) sig_bind: Option<SocketAddr>,
    pub(crate) server: ServerName,
    /// Without a trailing slash.
    pub(crate) public_url: String,
    pub(crate) nats: Option<NatsAddresses>,
    pub(crate) web_dir: Option<PathBuf>,
    pub(crate) client_ip_source: ClientIpSource,
    pub(crate) limits: LimitArgs,
}

impl Args {
    /// The configuration of a gateway of the deployment with this server name.
    pub fn with(self, server: ServerName) -> Result<Config, Failure> {
        let args = self;
        if let Some(dir) = args.web_dir.as_ref().filter(|dir| !dir.join("index.html").is_file()) {
            return Err(Failure::new(
                Kind::Configuration,
                format!("--web-dir {} has no index.html", dir.display()),
            ));
        }
        let public_url = public(args.public_url, "--public-url", ["http", "https"])?;
        let nats = NatsAddresses {
            url: public(args.nats_public_url, "--nats-public-url", ["nats", "tls"])?,
            websocket_url: public(args.nats_ws_public_url, "--nats-ws-public-url", ["ws", "wss"])?,
        };
        Ok(Config {
            bind: args.bind,
            sig_bind: args.sig_bind,
            public_url: public_url.unwrap_or_else(|| format!("https://{server}")),
            server,
            nats: (nats != NatsAddresses::default()).then_some(nats),
            web_dir: args.web_dir,
            client_ip_source: args.client_ip_source,
            limits: args.limits,
        })
    }
}

/// A flag's address that everybody is told, without a trailing slash.
fn public(url: Option<Url>, flag: &str, schemes: [&str; 2]) -> Result<Option<String>, Failure> {
    let Some(url) = url else { return Ok(None) };
    let wrong = |problem: String| Err(Failure::new(Kind::Configuration, format!("{flag} {problem}")));
    if !schemes.contains(&url.scheme()) || !url.has_host() {
        return wrong(format!("must be an address that begins with {}:// or {}://", schemes[0], schemes[1]));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("has a name or a password in it, and everybody is told this address".into());
    }
    Ok(Some(url.as_str().trim_end_matches('/').to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn config(flags: &[&str]) -> Result<Config, Failure> {
        let args = Command::parse_from([&["test"], flags].concat()).args;
        args.with("chat.example.org".parse().unwrap())
    }

    #[test]
    fn addresses_that_clients_are_told() {
        let config = |flags: &[&str]| config(flags).unwrap();
        assert_eq!(config(&[]).nats, None);
        assert_eq!(config(&[]).public_url, "https://chat.example.org");
        let told = config(&[
            "--public-url=http://chat.example.org:6969/",
            "--nats-public-url=tls://nats.example.org:4222",
            "--nats-ws-public-url=wss://chat.example.org/nats/",
        ]);
        assert_eq!(told.public_url, "http://chat.example.org:6969");
        let nats = NatsAddresses {
            url: Some("tls://nats.example.org:4222".into()),
            websocket_url: Some("wss://chat.example.org/nats".into()),
        };
        assert_eq!(told.nats, Some(nats));
        let one = config(&["--nats-ws-public-url=ws://127.0.0.1:8443"]).nats.unwrap();
        assert_eq!((one.url, one.websocket_url.as_deref()), (None, Some("ws://127.0.0.1:8443")));
    }

    #[test]
    fn an_address_of_the_wrong_kind_is_refused_by_its_flag() {
        for (flag, wrong) in [
            ("--public-url", "nats://chat.example.org"),
            ("--nats-public-url", "ws://chat.example.org"),
            ("--nats-public-url", "http://chat.example.org"),
            ("--nats-public-url", "nats:chat.example.org"),
            ("--nats-public-url", "nats://secret@chat.example.org"),
            ("--nats-ws-public-url", "https://chat.example.org"),
            ("--nats-ws-public-url", "nats://chat.example.org"),
            ("--nats-ws-public-url", "wss://:secret@chat.example.org"),
        ] {
            let refused = config(&[flag, wrong]).unwrap_err();
            assert_eq!(refused.kind, Kind::Configuration);
            assert!(refused.message.starts_with(&format!("{flag} ")), "{wrong}: {refused}");
            assert!(!refused.message.contains("secret"), "{refused}");
        }
    }
}
