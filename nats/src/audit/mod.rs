//! Judges a configuration of nats-server: whether those come in who should, reach what they should, and nobody and nothing else.
//!
//! It reads (see [`crate::conf`]); whether nats-server does what is written there is for whoever can start one.

mod accounts;
mod bounds;
mod callout;
mod listeners;
mod lookup;
mod quiet;
mod routes;

use std::collections::BTreeSet;

use serde_json::Value;

pub use self::quiet::file;
use self::{
    accounts::{accounts, crossing, permissions},
    bounds::{bounds, room},
    callout::{callout, strangers},
    listeners::{clients, cluster, monitoring, ports, websocket},
    lookup::{get, text},
    quiet::{log, mappings},
};
use crate::Keys;

/// One thing that was looked at.
#[derive(Clone, Debug)]
pub struct Check {
    /// What it is.
    pub what: &'static str,
    /// What is the matter with it; nothing, if it is as it should be.
    pub problems: Vec<Problem>,
}

/// What is the matter, and what to do about it.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Whether the server may not run so; else somebody may have a reason for it.
    pub grave: bool,
    /// One line.
    pub text: String,
}

impl Check {
    fn new(what: &'static str) -> Self {
        Self { what, problems: vec![] }
    }

    fn wrong(&mut self, text: impl Into<String>) {
        self.problems.push(Problem { grave: true, text: text.into() });
    }

    fn doubtful(&mut self, text: impl Into<String>) {
        self.problems.push(Problem { grave: false, text: text.into() });
    }

    /// Whether the server may not run so.
    pub fn failed(&self) -> bool {
        self.problems.iter().any(|p| p.grave)
    }
}

/// Looks at all that stands in it. `plain` says that listeners without TLS are right. Who reads the file itself is for [`file`].
pub fn audit(conf: &Value, keys: &Keys, plain: bool) -> Vec<Check> {
    vec![
        callout(conf, keys),
        strangers(conf),
        accounts(conf),
        permissions(conf, keys),
        crossing(conf),
        mappings(conf),
        bounds(conf),
        clients(conf, plain),
        websocket(conf, plain),
        monitoring(conf, plain),
        ports(conf),
        cluster(conf),
        log(conf),
        durability(conf),
        room(conf),
    ]
}

/// Whether the servers of a cluster fit together.
pub fn together(confs: &[Value]) -> Vec<Check> {
    let mut check = Check::new("the servers of the cluster fit together");
    let differ = |names: &[&str]| confs.windows(2).any(|two| get(&two[0], names) != get(&two[1], names));
    for names in [
        &["accounts"][..],
        &["authorization", "authentication"],
        &["system_account", "system"],
        &["max_payload"],
    ] {
        if differ(names) {
            check.wrong(format!(
                "{} isn't the same in all of them: what holds at one server doesn't at another",
                names[0]
            ));
        }
    }
    let inside = |names: &[&str]| {
        confs.iter().map(|c| get(c, &["cluster"]).and_then(|c| get(c, names))).collect::<Vec<_>>()
    };
    for names in [&["name"][..], &["authorization", "authentication"], &["pool_size"]] {
        let values = inside(names);
        if values.iter().any(|value| *value != values[0]) {
            check
                .wrong(format!("cluster.{} isn't the same in all of them: they refuse each other", names[0]));
        }
    }
    let names: Vec<_> = confs.iter().map(|conf| text(conf, &["server_name"])).collect();
    if names.iter().collect::<BTreeSet<_>>().len() < names.len() {
        check.wrong("two of them have the same server_name: each needs its own");
    }
    routes::to_strangers(confs, &mut check);
    vec![check]
}

const AGAIN: &str = "`kez nats init` writes it";

fn durability(conf: &Value) -> Check {
    let mut check = Check::new("what is acknowledged is on disk");
    let jetstream = get(conf, &["jetstream"]).filter(|j| j.is_object());
    let Some(jetstream) = jetstream else {
        check.wrong(format!("there is no jetstream block, so nothing is kept; {AGAIN}"));
        return check;
    };
    if get(jetstream, &["store_dir", "storedir"]).is_none() && get(conf, &["store_dir", "storedir"]).is_none()
    {
        check.wrong("jetstream.store_dir is missing: mail would be in a temporary folder");
    }
    if text(jetstream, &["sync_interval", "sync"]) != Some("always") {
        check.doubtful("jetstream.sync_interval isn't always: a power cut loses mail that was acknowledged");
    }
    check
}
