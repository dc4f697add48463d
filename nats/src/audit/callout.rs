//! Who decides about users, and whether there is a way around.

use serde_json::Value;

use super::{
    AGAIN, Check,
    lookup::{get, list, text},
};
use crate::{Keys, Owner};

pub fn callout(conf: &Value, keys: &Keys) -> Check {
    let mut check = Check::new("the auth callout decides about users");
    let nothing = Value::Null;
    let authorization = get(conf, &["authorization", "authentication"]).unwrap_or(&nothing);
    for other in ["users", "user", "username", "password", "token"] {
        if get(authorization, &[other]).is_some() {
            check.wrong(format!("authorization has {other}, which lets others in: remove it"));
        }
    }
    let timeout = get(authorization, &["timeout"]).and_then(Value::as_f64);
    match timeout {
        Some(seconds) if (1.0..2.0).contains(&seconds) => {}
        Some(seconds) if seconds < 1.0 => check.wrong(
            "authorization.timeout must be 1 at least: the callout asks the registry before it answers, and its clients may be far away",
        ),
        _ => check.wrong("authorization.timeout must be less than 2: clients take the server's first ping, after 2 s, for a welcome"),
    }
    let Some(callout) = get(authorization, &["auth_callout", "auth_hook"]) else {
        check.wrong(format!("there is no authorization.auth_callout: no user can log in; {AGAIN}"));
        return check;
    };
    let mut is = |name: &str, expected: &str, owner: Owner, otherwise: &str| {
        let found = text(callout, &[name]);
        if found != Some(expected) {
            let file = keys.old(owner).map_or_else(|| keys.seed_file(owner), |(_, file)| file);
            let found = found.unwrap_or("missing");
            check.wrong(format!(
                "auth_callout.{name} is {found}, but {} is {expected}: {otherwise}",
                file.display()
            ));
        }
    };
    is(
        "issuer",
        keys.configured(Owner::CalloutIssuer),
        Owner::CalloutIssuer,
        "every answer of the callout would be refused",
    );
    is(
        "xkey",
        keys.configured(Owner::CalloutXkey),
        Owner::CalloutXkey,
        "requests wouldn't be sealed for the callout, which refuses them",
    );
    if text(callout, &["account"]) != Some("AUTH") {
        check.wrong("auth_callout.account must be AUTH, where the callout listens");
    }
    let own: Vec<_> = keys.accepted(Owner::CalloutAuth).collect();
    if list(get(callout, &["auth_users"])) != own {
        let own = own.join(" ");
        check.wrong(format!("auth_callout.auth_users must be the callout's own key alone: [ {own} ]"));
    }
    if list(get(callout, &["allowed_accounts"])) != ["AUTH"] {
        check.wrong("auth_callout.allowed_accounts must be [ AUTH ]: otherwise services can't log in while no callout runs, and it decides what they may do");
    }
    check
}

pub fn strangers(conf: &Value) -> Check {
    let mut check = Check::new("nobody comes in without a key");
    let mut found = vec![];
    search(conf, "", &["no_auth_user"], &mut found);
    for place in found {
        check.wrong(format!("{place} lets everybody in: remove it"));
    }
    for (other, who) in [
        ("mqtt", "MQTT clients"),
        ("leafnodes", "other NATS systems"),
        ("leaf", "other NATS systems"),
        ("gateway", "other clusters"),
    ] {
        if get(conf, &[other]).is_some() {
            check.wrong(format!("{other} opens a door for {who} that Kez Chat doesn't guard: remove it"));
        }
    }
    for other in ["operator", "operators", "trusted_keys", "resolver"] {
        if get(conf, &[other]).is_some() {
            check.wrong(format!("{other} hands the accounts to somebody else: remove it"));
        }
    }
    check
}

/// Where these names stand, at any depth.
fn search(value: &Value, place: &str, names: &[&str], found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                if names.iter().any(|name| key.eq_ignore_ascii_case(name)) {
                    found.push(place.clone());
                }
                search(value, &place, names, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| search(value, place, names, found)),
        _ => {}
    }
}
