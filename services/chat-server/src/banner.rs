//! What a person sees once everything is ready.

use std::{io::Write, net::SocketAddr};

use kez_kit::Life;
use kez_proto::ServerName;

use crate::{child::Child, data::Data};

/// Prints it.
pub fn print(life: &Life, server: &ServerName, data: &Data, child: Option<&Child>, urls: &[String]) {
    let http = life.address("http").unwrap_or_default();
    let (http, everywhere) = match http.trim_start_matches("http://").parse::<SocketAddr>() {
        Ok(addr) if addr.ip().is_unspecified() => {
            (format!("http://127.0.0.1:{}", addr.port()), " (and every other address of this machine)")
        }
        _ => (http, ""),
    };
    let nats = match child {
        Some(child) => format!(
            "{} (nats-server {}, started by this process; its log: {})\n  WebSocket  {}",
            urls.join(","),
            child.version,
            data.nats_log().display(),
            life.address("nats_ws").unwrap_or_default()
        ),
        None => urls.join(","),
    };
    let lines = format!(
        "\nKez Chat {} for {server} is ready\n  address    {http}{everywhere}\n  data       {}\n  NATS       {nats}\n  status     http://{}/readyz\n  try it     kez --server-url {http} register <your name>\n  stop       Ctrl-C\n",
        env!("CARGO_PKG_VERSION"),
        data.folder().display(),
        life.address("admin").unwrap_or_default(),
    );
    // Nobody may be reading; that is no reason to fail.
    let _ = writeln!(std::io::stdout(), "{lines}");
}
