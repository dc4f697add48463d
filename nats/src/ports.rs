//! The file in which nats-server says what addresses it listens on (`ports_file_dir`): how its parent learns a port that it left to it.

use std::{fs, io, net::SocketAddr, path::Path};

use serde::Deserialize;

use crate::Error;

/// Where a nats-server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// For clients.
    pub clients: SocketAddr,
    /// For browsers.
    pub websocket: Option<SocketAddr>,
}

#[derive(Deserialize)]
struct Ports {
    #[serde(default)]
    nats: Vec<String>,
    #[serde(default)]
    websocket: Vec<String>,
}

/// Where the nats-server with this process id listens; `None` as long as it hasn't said so, whole and readable.
pub fn addresses(ports_dir: &Path, pid: u32) -> Result<Option<Addresses>, Error> {
    let path = ports_dir.join(format!("nats-server_{pid}.ports"));
    match fs::read(&path) {
        Ok(bytes) => Ok(parse(&bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("read", path)(e)),
    }
}

/// The file isn't written at once, so what can't be read yet isn't an error.
fn parse(bytes: &[u8]) -> Option<Addresses> {
    let ports: Ports = serde_json::from_slice(bytes).ok()?;
    Some(Addresses { clients: first(&ports.nats)?, websocket: first(&ports.websocket) })
}

/// A listener on all addresses is written as each of them.
fn first(urls: &[String]) -> Option<SocketAddr> {
    urls.iter().find_map(|url| url.split_once("://")?.1.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nats_server_writes() {
        let whole =
            br#"{"nats":["nats://127.0.0.1:4222","nats://[::1]:4222"],"websocket":["wss://127.0.0.1:8443"]}"#;
        let (clients, websocket) = ("127.0.0.1:4222".parse().unwrap(), "127.0.0.1:8443".parse().ok());
        assert_eq!(parse(whole), Some(Addresses { clients, websocket }));
        let clients = "[::1]:4222".parse().unwrap();
        assert_eq!(parse(br#"{"nats":["tls://[::1]:4222"]}"#), Some(Addresses { clients, websocket: None }));
        for cut in 0..whole.len() {
            assert_eq!(parse(&whole[..cut]), None);
        }
    }
}
