//! The file in which nats-server says what addresses it listens on (`ports_file_dir`): how its parent learns a port that it left to it.

use std::{fs, io, net::SocketAddr, path::Path};

use serde::Deserialize;

use crate::Error;

#[derive(Deserialize)]
struct Ports {
    #[serde(default)]
    nats: Vec<String>,
}

/// Where the nats-server with this process id takes clients; `None` as long as it hasn't said so, whole and readable.
pub fn client_address(ports_dir: &Path, pid: u32) -> Result<Option<SocketAddr>, Error> {
    let path = ports_dir.join(format!("nats-server_{pid}.ports"));
    match fs::read(&path) {
        Ok(bytes) => Ok(parse(&bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("read", path)(e)),
    }
}

/// The file isn't written at once, so what can't be read yet isn't an error.
fn parse(bytes: &[u8]) -> Option<SocketAddr> {
    let ports: Ports = serde_json::from_slice(bytes).ok()?;
    ports.nats.iter().find_map(|url| url.strip_prefix("nats://")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nats_server_writes() {
        let whole = br#"{"nats":["nats://127.0.0.1:4222","nats://[::1]:4222"]}"#;
        assert_eq!(parse(whole), Some("127.0.0.1:4222".parse().unwrap()));
        assert_eq!(parse(br#"{"nats":["nats://[::1]:4222"]}"#), Some("[::1]:4222".parse().unwrap()));
        for cut in 0..whole.len() {
            assert_eq!(parse(&whole[..cut]), None);
        }
    }
}
