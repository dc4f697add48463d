//! Whether routes lead to the other servers of the cluster, and to nobody else: who is there is shown the secret.

use std::collections::BTreeSet;

use serde_json::Value;
use url::Url;

use super::{
    Check,
    lookup::{get, host, is_everywhere, is_loopback, list, port},
};

/// `host:port`
type Address = (String, i64);

/// Where the routes of this server lead.
fn routes(conf: &Value) -> BTreeSet<Address> {
    let routes = get(conf, &["cluster"]).and_then(|cluster| get(cluster, &["routes"]));
    let address = |route: &str| {
        let url = Url::parse(route).ok()?;
        Some((url.host_str()?.to_ascii_lowercase(), url.port()?.into()))
    };
    list(routes).into_iter().filter_map(address).collect()
}

/// Where this server takes others.
fn own(conf: &Value) -> Option<Address> {
    let cluster = get(conf, &["cluster"])?;
    Some((host(cluster).to_ascii_lowercase(), port(cluster)?))
}

/// Whether a route leads to a server that takes others there.
fn leads_to((host, port): &Address, (own, own_port): &Address) -> bool {
    let bare = |host: &str| host.trim_matches(['[', ']']).to_owned();
    port == own_port
        && (is_everywhere(own) || bare(host) == bare(own) || is_loopback(host) && is_loopback(own))
}

/// A route of this server to itself.
pub fn to_itself(conf: &Value, check: &mut Check) {
    let Some(own) = own(conf) else { return };
    for route in routes(conf) {
        // By which names others reach a server that listens everywhere isn't known here.
        if leads_to(&route, &own) && (!is_everywhere(&own.0) || is_loopback(&route.0)) {
            check.doubtful(format!(
                "cluster.routes: {}:{} is this server itself; name the others",
                route.0, route.1
            ));
        }
    }
}

/// Routes that lead to none of these servers.
pub fn to_strangers(confs: &[Value], check: &mut Check) {
    let servers: Vec<_> = confs.iter().filter_map(own).collect();
    let routes: BTreeSet<_> = confs.iter().flat_map(routes).collect();
    let unknown: BTreeSet<_> =
        routes.iter().filter(|route| !servers.iter().any(|server| leads_to(route, server))).collect();
    for (host, port) in &unknown {
        check.wrong(format!(
            "cluster.routes: {host}:{port} is none of them, and who is there would be shown the secret"
        ));
    }
    if unknown.is_empty() && routes.len() > servers.len() {
        let all: Vec<_> = routes.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        check.wrong(format!(
            "cluster.routes: {} addresses for {} servers; one is of none of them: {}",
            all.len(),
            servers.len(),
            all.join(", ")
        ));
    }
}
