//! Finding values in what was read. nats-server doesn't mind upper and lower case in names.

use std::net::IpAddr;

use serde_json::Value;

/// The value of the first of these names. nats-server doesn't mind upper and lower case.
pub fn get<'v>(map: &'v Value, names: &[&str]) -> Option<&'v Value> {
    let map = map.as_object()?;
    names.iter().find_map(|name| map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v))
}

pub fn text<'v>(map: &'v Value, names: &[&str]) -> Option<&'v str> {
    get(map, names)?.as_str()
}

/// A list of texts, or the one text that stands for it.
pub fn list(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => vec![one],
        _ => vec![],
    }
}

/// The host that a block listens on; nats-server's default is every address.
pub fn host(block: &Value) -> &str {
    let listen = text(block, &["listen"]).and_then(|l| l.rsplit_once(':')).map(|(host, _)| host);
    listen.or_else(|| text(block, &["host", "net"])).unwrap_or("0.0.0.0")
}

/// The port that a block names; 0 or less is any free one.
pub fn port(block: &Value) -> Option<i64> {
    match get(block, &["listen"]) {
        Some(Value::String(listen)) => {
            listen.rsplit_once(':').map_or(listen.as_str(), |(_, port)| port).parse().ok()
        }
        Some(listen) => listen.as_i64(),
        None => get(block, &["port"]).and_then(Value::as_i64),
    }
}

/// Whether a listener there has every address of its machine.
pub fn is_everywhere(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    bare.is_empty() || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified())
}

pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
