//! Where the server is reached, by whom, and what is read on the way.

use serde_json::Value;

use super::{
    AGAIN, Check,
    lookup::{get, host, is_everywhere, is_loopback, list, port, text},
    routes,
};
use crate::Origin;

pub fn clients(conf: &Value, plain: bool) -> Check {
    let mut check = Check::new("clients connect safely");
    if get(conf, &["tls"]).is_none() && !is_loopback(host(conf)) && !plain {
        check.doubtful(format!(
            "clients reach {} without TLS: what they send can be read on the way; give tls {{ cert_file, key_file }}, or say --plain if a proxy in front of it has TLS or nobody else is on that network",
            host(conf)
        ));
    }
    if get(conf, &["allow_non_tls"]) == Some(&Value::Bool(true)) {
        check.wrong("allow_non_tls lets clients speak in the clear: remove it");
    }
    check
}

pub fn websocket(conf: &Value, plain: bool) -> Check {
    let mut check = Check::new("browsers connect safely, from known pages");
    let Some(websocket) = get(conf, &["websocket", "ws"]) else {
        check.doubtful("there is no WebSocket listener: browsers can't use NATS");
        return check;
    };
    if get(websocket, &["compression"]) == Some(&Value::Bool(true)) {
        check.wrong(
            "websocket.compression must be false: decompression has let strangers exhaust a server's memory",
        );
    }
    let origins = get(
        websocket,
        &["allowed_origins", "allowed_origin", "allow_origins", "allow_origin", "origins", "origin"],
    );
    let origins = list(origins);
    let same = get(websocket, &["same_origin"]) == Some(&Value::Bool(true));
    if origins.is_empty() && !same {
        check.wrong("websocket.allowed_origins is empty or missing: the pages of every site could connect; list those of your web client, such as https://chat.example.org");
    }
    for origin in origins {
        match origin.parse::<Origin>() {
            Ok(parsed) if parsed.to_string() == origin => {}
            Ok(parsed) => {
                check.doubtful(format!("websocket.allowed_origins: browsers write {origin} as {parsed}"))
            }
            Err(words) => check.wrong(format!("websocket.allowed_origins: {words}")),
        }
    }
    if get(websocket, &["tls"]).is_none() && !is_loopback(host(websocket)) && !plain {
        check.wrong(format!(
            "the WebSocket listener at {} has no TLS: give tls {{ cert_file, key_file }}, listen on 127.0.0.1, or say --plain if a proxy in front of it has TLS",
            host(websocket)
        ));
    }
    for cookie in
        ["jwt_cookie", "user_cookie", "pass_cookie", "token_cookie", "username", "password", "token"]
    {
        if get(websocket, &[cookie]).is_some() {
            check.wrong(format!("websocket.{cookie} is another way to log in: remove it"));
        }
    }
    check
}

/// Two that want the same port of the same address: the second isn't there, or the server doesn't start.
pub fn ports(conf: &Value) -> Check {
    let mut check = Check::new("each listener has a port of its own");
    let mut all = vec![("clients", host(conf).to_owned(), port(conf).unwrap_or(4222))];
    for (name, names) in [("websocket", &["websocket", "ws"][..]), ("cluster", &["cluster"])] {
        let block = get(conf, names);
        all.extend(block.and_then(|block| Some((name, host(block).to_owned(), port(block)?))));
    }
    for name in MONITORS {
        let Some(at) = get(conf, &[name]) else { continue };
        let (at_host, at_port) = match at.as_str().and_then(|at| at.rsplit_once(':')) {
            Some((host, port)) => (host, port.parse().ok()),
            None => (host(conf), at.as_i64()),
        };
        all.extend(at_port.map(|port| (name, at_host.to_owned(), port)));
    }
    let same = |a: &str, b: &str| {
        is_everywhere(a) || is_everywhere(b) || a.eq_ignore_ascii_case(b) || is_loopback(a) && is_loopback(b)
    };
    for (n, (name, host, port)) in all.iter().enumerate().filter(|(_, (_, _, port))| *port > 0) {
        for (other, other_host, _) in all[..n].iter().filter(|(_, h, p)| p == port && same(h, host)) {
            check.wrong(format!(
                "{name} at {host}:{port} and {other} at {other_host}:{port} want the same port: give each its own"
            ));
        }
    }
    check
}

/// Where the server tells of itself.
const MONITORS: [&str; 5] = ["http", "https", "http_port", "https_port", "monitor_port"];

pub fn monitoring(conf: &Value, plain: bool) -> Check {
    let mut check = Check::new("monitoring isn't reached from outside");
    for name in MONITORS {
        let Some(at) = get(conf, &[name]) else { continue };
        let host = at.as_str().and_then(|a| a.rsplit_once(':')).map_or_else(|| host(conf), |(host, _)| host);
        let shown = format!("{name} shows every connection and subject to whoever reaches {host}");
        match is_loopback(host) {
            true => {}
            false if plain => check.doubtful(format!("{shown}: nobody else may be on that network")),
            false => check.wrong(format!("{shown}: write `http: 127.0.0.1:8222`, or remove it")),
        }
    }
    if get(conf, &["prof_port"]).is_some() {
        check.wrong("prof_port shows the server's inside to whoever reaches it: remove it");
    }
    check
}

pub fn cluster(conf: &Value) -> Check {
    let mut check = Check::new("only servers of the cluster join it");
    let Some(cluster) = get(conf, &["cluster"]) else { return check };
    let password =
        get(cluster, &["authorization", "authentication"]).and_then(|a| text(a, &["password", "pass"]));
    let verified = get(cluster, &["tls"])
        .is_some_and(|tls| get(tls, &["verify", "verify_and_map"]) == Some(&Value::Bool(true)));
    match password {
        _ if verified => {}
        None | Some("") => check.wrong(format!("cluster has neither authorization nor tls with verify: whoever reaches it can join, and read everything; {AGAIN}")),
        Some(short) if short.len() < 22 => check.wrong("cluster.authorization.password is short enough to be guessed: `kez nats init` makes one"),
        Some(_) if !verified && !is_loopback(host(cluster)) => {
            check.doubtful("servers speak with each other in the clear: on a network that others use, give cluster.tls (kez nats init --route-tls-cert …)");
        }
        Some(_) => {}
    }
    for name in ["name", "routes"] {
        if get(cluster, &[name]).is_none() {
            check.wrong(format!("cluster.{name} is missing; {AGAIN}"));
        }
    }
    if get(cluster, &["pool_size"]).and_then(Value::as_i64) != Some(1) {
        check.wrong("cluster.pool_size must be 1: over several connections a request could overtake the subscription to its answer");
    }
    routes::to_itself(conf, &mut check);
    if text(conf, &["server_name"]).is_none() {
        check.wrong("server_name is missing: JetStream needs one for each server of a cluster");
    }
    check
}
