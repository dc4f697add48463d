//! What a nats-server of a deployment is set to. Its configuration file is rendered from `templates/`; what a person should know about a setting stands
//! there, beside it.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use kez_proto::limits;

use crate::{Error, Keys, Origin, render};

/// One nats-server: the accounts, JetStream, and where it takes clients.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its name, of its own in a cluster; no spaces.
    pub name: String,
    /// Where it takes clients; with port 0 it picks one and writes it to the ports file (see [`crate::ports`]).
    pub listen: SocketAddr,
    /// TLS for clients; without it they speak in the clear.
    pub tls: Option<Tls>,
    /// Where it takes browsers.
    pub websocket: Option<WebSocket>,
    /// Where it tells of connections and subjects, to whoever asks: this machine alone, or the network of a plain [`Server::listen`].
    pub monitor: Option<SocketAddr>,
    /// The other servers, if it has any.
    pub cluster: Option<Cluster>,
    /// Where JetStream keeps its streams.
    pub data: PathBuf,
    /// Partitions of the mail (see [`kez_proto::partition`]).
    pub partitions: u16,
    /// When an acknowledged message is on disk.
    pub sync: Sync,
    /// The folder of the ports file; it must exist.
    pub ports_dir: Option<PathBuf>,
    /// Where it writes its process id.
    pub pid_file: Option<PathBuf>,
    /// Where it logs; standard error if absent.
    pub log_file: Option<PathBuf>,
}

/// Files of a certificate and its key, PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, and those between it and its authority.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The listener for browsers.
#[derive(Clone, Debug)]
pub struct WebSocket {
    /// Where it listens; port 0 as in [`Server::listen`].
    pub listen: SocketAddr,
    /// TLS; without it browsers come from this machine, or through a proxy that has it.
    pub tls: Option<Tls>,
    /// Whose pages may connect. Never empty: nats-server would let in the pages of every site.
    pub origins: Vec<Origin>,
}

/// The cluster that a server is part of.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Its name; no spaces.
    pub name: String,
    /// Where this server takes the others.
    pub listen: SocketAddr,
    /// `host:port` of the others.
    pub routes: Vec<String>,
    /// What all of them know: letters and digits (see [`Keys::route_secret`]).
    pub secret: String,
    /// TLS between them.
    pub tls: Option<MutualTls>,
}

/// TLS in which both sides show a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MutualTls {
    /// One's own.
    pub own: Tls,
    /// The authority of both, PEM.
    pub ca: PathBuf,
}

/// When JetStream's files are brought to the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// Before each acknowledgement: what was acknowledged survives a power cut.
    #[default]
    Always,
    /// Every so often: faster, and a power cut loses what was acknowledged since.
    Interval(Duration),
}

impl Server {
    /// A server with the defaults: alone, no browsers, no TLS, every acknowledged message on disk, no ports file, no process id file, logs to standard
    /// error.
    pub fn new(name: impl Into<String>, listen: SocketAddr, data: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            listen,
            tls: None,
            websocket: None,
            monitor: None,
            cluster: None,
            data: data.into(),
            partitions: limits::PARTITIONS,
            sync: Sync::Always,
            ports_dir: None,
            pid_file: None,
            log_file: None,
        }
    }

    /// The file's text. Relative paths are made absolute, so that it doesn't matter where nats-server is started.
    ///
    /// [`Error::ConfigRefused`] if a value can't be written there or would open a door: a control character, a path that isn't UTF-8, an interval of zero,
    /// no origins, a monitor that others reach although clients aren't on a plain network of their own.
    pub fn render(&self, keys: &Keys) -> Result<String, Error> {
        self.check()?;
        render::text(self, keys)
    }

    fn check(&self) -> Result<(), Error> {
        let refused = |what: &str| Err(Error::ConfigRefused(what.into()));
        if self.sync == Sync::Interval(Duration::ZERO) {
            return refused("a sync interval of zero");
        }
        if self.websocket.as_ref().is_some_and(|w| w.origins.is_empty()) {
            return refused("a WebSocket listener without origins would let in the pages of every site");
        }
        // Where clients speak in the clear, nobody else is on the network.
        let apart = self.tls.is_none() && !self.listen.ip().is_loopback();
        if !apart && self.monitor.is_some_and(|m| !m.ip().is_loopback()) {
            return refused("a monitoring port that other machines reach");
        }
        let plain_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric());
        if self.cluster.as_ref().is_some_and(|c| !plain_word(&c.secret)) {
            return refused("a route secret that isn't letters and digits");
        }
        if self.cluster.as_ref().is_some_and(|c| c.listen.port() == 0) {
            return refused("a port for other servers that they can't know");
        }
        Ok(())
    }
}
