//! The gateway's configuration.

use std::{net::SocketAddr, path::PathBuf};

use axum_client_ip::ClientIpSource;
use clap::Args as ClapArgs;
use kez_kit::{Failure, Kind};
use kez_proto::ServerName;
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
    /// Folder of a web client to serve at /, instead of the page that says what this server is.
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
    /// Messages sent per minute and address. 0: no limit.
    #[arg(long, env = "KEZ_CHAT_LIMIT_SENDS", value_name = "COUNT", default_value_t = 240)]
    pub limit_sends: u32,
    /// Registrations per hour and address. 0: no limit.
    #[arg(long, env = "KEZ_CHAT_LIMIT_REGISTRATIONS", value_name = "COUNT", default_value_t = 30)]
    pub limit_registrations: u32,
    /// Open streams per address. 0: no limit.
    #[arg(long, env = "KEZ_CHAT_LIMIT_STREAMS", value_name = "COUNT", default_value_t = 64)]
    pub limit_streams: u32,
}

/// The checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) bind: SocketAddr,
    pub(crate) server: ServerName,
    /// Without a trailing slash.
    pub(crate) public_url: String,
    pub(crate) has_public_url: bool,
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
        if args.public_url.as_ref().is_some_and(|url| !matches!(url.scheme(), "http" | "https")) {
            return Err(Failure::new(
                Kind::Configuration,
                "--public-url must be an http:// or https:// address",
            ));
        }
        let has_public_url = args.public_url.is_some();
        let public_url = args.public_url.map_or_else(|| format!("https://{server}"), |url| url.to_string());
        Ok(Config {
            bind: args.bind,
            server,
            public_url: public_url.trim_end_matches('/').to_owned(),
            has_public_url,
            web_dir: args.web_dir,
            client_ip_source: args.client_ip_source,
            limits: args.limits,
        })
    }
}
