//! Where the nats-server that is started takes clients and browsers.

use std::{
    fs::File,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use clap::Args as ClapArgs;
use kez_auth_callout::Transport;
use kez_kit::{Failure, Kind};
use kez_nats::{
    Origin,
    config::{Tls, WebSocket},
};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const CLIENTS: SocketAddr = SocketAddr::new(LOCALHOST, 4222);
const BROWSERS: SocketAddr = SocketAddr::new(LOCALHOST, 8443);

/// The flags; they are for the nats-server that is started, and for no other.
#[derive(ClapArgs, Clone, Debug)]
#[group(id = "listeners", conflicts_with = "nats_url")]
pub struct ListenerArgs {
    /// Where the nats-server that is started listens [default: 127.0.0.1:4222, or a free port of 127.0.0.1 if that is taken]. Beyond this machine it
    /// needs TLS, or --nats-plain.
    #[arg(long, env = "KEZ_CHAT_NATS_BIND", value_name = "ADDRESS")]
    pub nats_bind: Option<SocketAddr>,
    /// Where it listens for browsers, by WebSocket [default: 127.0.0.1:8443, or a free port of 127.0.0.1 if that is taken]. Beyond this machine it needs
    /// TLS, or --nats-ws-plain.
    #[arg(long, env = "KEZ_CHAT_NATS_WS_BIND", value_name = "ADDRESS")]
    pub nats_ws_bind: Option<SocketAddr>,
    /// Certificate (PEM, with those between it and its authority) for TLS on both listeners.
    #[arg(long, env = "KEZ_CHAT_NATS_TLS_CERT", value_name = "FILE", requires = "nats_tls_key")]
    pub nats_tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM).
    #[arg(long, env = "KEZ_CHAT_NATS_TLS_KEY", value_name = "FILE", requires = "nats_tls_cert")]
    pub nats_tls_key: Option<PathBuf>,
    /// No TLS on the listener of --nats-bind: a proxy in front of it has it, or nobody else is on its network. Clients aren't told of it, unless
    /// --nats-public-url does.
    #[arg(long, env = "KEZ_CHAT_NATS_PLAIN")]
    pub nats_plain: bool,
    /// No TLS on the listener for browsers: a proxy in front of it has it. They aren't told of it, unless --nats-ws-public-url does.
    #[arg(long, env = "KEZ_CHAT_NATS_WS_PLAIN")]
    pub nats_ws_plain: bool,
    /// Origins of web pages that may connect, such as https://app.example.org, beside the public URL's and this server's own; separated by commas.
    #[arg(long, env = "KEZ_CHAT_NATS_WS_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub nats_ws_origin: Vec<Origin>,
}

/// What the listeners are to be.
#[derive(Clone, Debug)]
pub struct Listeners {
    asked: Addresses<Option<SocketAddr>>,
    tls: Addresses<Option<Tls>>,
    origins: Vec<Origin>,
}

/// One of each listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses<A = SocketAddr> {
    pub clients: A,
    pub browsers: A,
}

/// Where they are if nothing is asked for and nothing is in the way.
pub const DEFAULT: Addresses = Addresses { clients: CLIENTS, browsers: BROWSERS };

impl ListenerArgs {
    /// The checked listeners; opens none.
    pub fn check(self) -> Result<Listeners, Failure> {
        let wrong = |message: String| Err(Failure::new(Kind::Configuration, message));
        let tls = self.nats_tls_cert.zip(self.nats_tls_key).map(|(cert, key)| Tls { cert, key });
        if let Some(tls) = &tls {
            readable(&tls.cert, "--nats-tls-cert (KEZ_CHAT_NATS_TLS_CERT)")?;
            readable(&tls.key, "--nats-tls-key (KEZ_CHAT_NATS_TLS_KEY)")?;
        }
        let open = |bind: &SocketAddr| !bind.ip().is_loopback() && tls.is_none();
        if let Some(bind) = self.nats_bind.filter(open).filter(|_| !self.nats_plain) {
            return wrong(format!(
                "--nats-bind {bind} is reached by other machines, and clients need TLS there: give --nats-tls-cert and --nats-tls-key, \
                 or --nats-plain if a proxy in front of it has TLS or nobody else is on its network"
            ));
        }
        if let Some(bind) = self.nats_ws_bind.filter(open).filter(|_| !self.nats_ws_plain) {
            return wrong(format!(
                "--nats-ws-bind {bind} is reached by other machines, and browsers need TLS there: give --nats-tls-cert and --nats-tls-key, \
                 or --nats-ws-plain if a proxy in front of it has TLS"
            ));
        }
        Ok(Listeners {
            asked: Addresses { clients: self.nats_bind, browsers: self.nats_ws_bind },
            tls: Addresses {
                clients: tls.clone().filter(|_| !self.nats_plain),
                browsers: tls.filter(|_| !self.nats_ws_plain),
            },
            origins: self.nats_ws_origin,
        })
    }
}

fn readable(file: &Path, flag: &str) -> Result<(), Failure> {
    let opened = File::open(file).and_then(|f| f.metadata()).and_then(|m| match m.is_file() {
        true => Ok(()),
        false => Err(io::Error::other("it isn't a file")),
    });
    opened.map_err(|e| {
        Failure::new(Kind::Configuration, format!("can't read {}: {e}; {flag} names it", file.display()))
    })
}

impl Listeners {
    /// Lets the pages of these origins in, too.
    pub fn with_origins(mut self, more: impl IntoIterator<Item = Origin>) -> Self {
        for origin in more {
            if !self.origins.contains(&origin) {
                self.origins.push(origin);
            }
        }
        self
    }

    /// The addresses to listen on: those asked for, which must be free, else the default ones, else any free port.
    pub fn choose(&self) -> Result<Addresses, Failure> {
        let clients = choose(self.asked.clients, CLIENTS, "--nats-bind (KEZ_CHAT_NATS_BIND)")?;
        let browsers = choose(self.asked.browsers, BROWSERS, "--nats-ws-bind (KEZ_CHAT_NATS_WS_BIND)")?;
        Ok(Addresses { clients, browsers })
    }

    /// Other addresses, where somebody else took a default port since it was chosen.
    pub fn choose_again(&self, before: Addresses) -> Addresses {
        let any = |asked: Option<_>, before: SocketAddr| match asked {
            None if TcpListener::bind(before).is_err() => SocketAddr::new(before.ip(), 0),
            _ => before,
        };
        Addresses {
            clients: any(self.asked.clients, before.clients),
            browsers: any(self.asked.browsers, before.browsers),
        }
    }

    /// Writes them into a configuration.
    pub fn set(&self, server: &mut kez_nats::Server, addresses: Addresses) {
        server.listen = addresses.clients;
        server.tls = self.tls.clients.clone();
        server.websocket = Some(WebSocket {
            listen: addresses.browsers,
            tls: self.tls.browsers.clone(),
            origins: self.origins.clone(),
        });
    }

    /// The certificate of the listener for clients, if it has TLS.
    pub fn certificate(&self) -> Option<&Path> {
        self.tls.clients.as_ref().map(|tls| tls.cert.as_path())
    }

    /// Those that clients of other machines reach with no proxy between. One without TLS may have a proxy.
    pub fn direct(&self) -> Vec<Transport> {
        let direct = |asked: Option<SocketAddr>, tls: &Option<Tls>| {
            tls.is_some() && asked.is_some_and(|bind| !bind.ip().is_loopback())
        };
        let clients = direct(self.asked.clients, &self.tls.clients).then_some(Transport::Standard);
        let browsers = direct(self.asked.browsers, &self.tls.browsers).then_some(Transport::Websocket);
        clients.into_iter().chain(browsers).collect()
    }

    /// The schemes of both listeners' addresses.
    pub fn schemes(&self) -> Addresses<&'static str> {
        Addresses {
            clients: if self.tls.clients.is_some() { "tls" } else { "nats" },
            browsers: if self.tls.browsers.is_some() { "wss" } else { "ws" },
        }
    }
}

fn choose(asked: Option<SocketAddr>, default: SocketAddr, flag: &str) -> Result<SocketAddr, Failure> {
    let wanted = asked.unwrap_or(default);
    match TcpListener::bind(wanted) {
        Ok(_) => Ok(wanted),
        Err(e) if asked.is_none() && e.kind() == io::ErrorKind::AddrInUse => {
            Ok(SocketAddr::new(wanted.ip(), 0))
        }
        Err(e) => Err(Failure::bind(wanted, flag, &e)),
    }
}

/// How this machine itself reaches a listener: one that listens everywhere, by loopback.
pub fn from_here(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => LOCALHOST,
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}
