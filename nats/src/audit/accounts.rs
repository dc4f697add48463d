//! What each account has, and what crosses between them.

use std::collections::BTreeSet;

use kez_proto::{
    limits,
    subjects::{self, Permissions, Role},
};
use serde_json::Value;

use super::{
    AGAIN, Check,
    lookup::{get, list, text},
};
use crate::{Keys, Owner};

pub fn accounts(conf: &Value) -> Check {
    let mut check = Check::new("each account is there, and has what it should");
    let nothing = Value::Null;
    let all = get(conf, &["accounts"]).unwrap_or(&nothing);
    for name in ["SYS", "AUTH", "KEZ", "CHAT"] {
        if all.get(name).is_none() {
            check.wrong(format!("there is no account {name}; {AGAIN}"));
        }
    }
    if text(conf, &["system_account", "system"]) != Some("SYS") {
        check.wrong("system_account must be SYS: the callout ends connections there");
    }
    for (name, account) in all.as_object().into_iter().flatten() {
        let jetstream = get(account, &["jetstream"]).is_some_and(|j| {
            !matches!(j, Value::Bool(false))
                && !j.as_str().is_some_and(|j| j.eq_ignore_ascii_case("disabled"))
        });
        match name.as_str() {
            "KEZ" if !jetstream => check.wrong("the account KEZ has no JetStream: add `jetstream: enabled`"),
            "CHAT" if jetstream => {
                check.wrong("the account CHAT has JetStream, which no user may have: remove it")
            }
            "CHAT" if get(account, &["users"]).is_some() => {
                check.wrong("the account CHAT has users of its own, who may do all there: remove them");
            }
            "SYS" | "AUTH" | "KEZ" | "CHAT" => {}
            other => check.doubtful(format!("the account {other} isn't of Kez Chat; it isn't looked at")),
        }
    }
    check
}

pub fn permissions(conf: &Value, keys: &Keys) -> Check {
    let mut check = Check::new("each service has its own key, and may do what it needs");
    let nothing = Value::Null;
    let all = get(conf, &["accounts"]).unwrap_or(&nothing);
    let users = |account: &str| {
        let users = all.get(account).and_then(|a| get(a, &["users"]));
        users.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    };
    let nkey = |user: &Value| text(user, &["nkey"]).unwrap_or("without an nkey").to_owned();
    let partitions = partitions(users("KEZ"), keys);
    let mut expected: Vec<(&str, Owner, Option<Permissions>)> =
        Role::ALL.map(|role| ("KEZ", role.into(), Some(role.permissions(partitions)))).to_vec();
    expected.push(("AUTH", Owner::CalloutAuth, Some(subjects::callout_permissions())));
    expected.push(("SYS", Owner::CalloutSystem, Some(subjects::callout_system_permissions())));
    expected.push(("SYS", Owner::System, None));
    let each_key = expected.iter().flat_map(|one| keys.accepted(one.1).map(move |key| (one, key)));
    for ((account, owner, permissions), key) in each_key {
        let name = owner.name();
        match users(account).iter().find(|user| nkey(user) == key) {
            None => {
                let file = match keys.old(*owner) {
                    Some((old, file)) if old == key => file,
                    _ => keys.seed_file(*owner),
                };
                check.wrong(format!(
                    "the account {account} has no user with the key of {}: {name} can't log in; {AGAIN}",
                    file.display()
                ));
            }
            Some(user) => {
                if let Some(permissions) = permissions {
                    compare(&mut check, name, user, permissions);
                }
            }
        }
    }
    for account in ["SYS", "AUTH", "KEZ"] {
        for user in users(account) {
            let key = nkey(user);
            let known = |owner: Owner| keys.accepted(owner).any(|accepted| accepted == key);
            if expected.iter().any(|(a, owner, _)| *a == account && known(*owner)) {
                continue;
            }
            let words = format!("the account {account} has another user, {key}");
            match account {
                "SYS" => check.doubtful(format!("{words}, who sees and ends every connection")),
                _ => check.wrong(format!("{words}: remove it")),
            }
        }
    }
    check
}

/// How many partitions of the mail the fan-out's permissions are for.
fn partitions(users: &[Value], keys: &Keys) -> u16 {
    let fanout = users.iter().find(|u| text(u, &["nkey"]) == Some(keys.public(Role::Fanout)));
    let granted = fanout.map(|user| granted(user, &["publish", "pub", "import"])).unwrap_or_default();
    let has = |p: &u16| granted.contains(subjects::direct_get(&subjects::inbox_stream(*p)).as_str());
    (0..limits::PARTITIONS_MAX).take_while(has).count().max(1) as u16
}

fn granted<'v>(user: &'v Value, direction: &[&str]) -> BTreeSet<&'v str> {
    let lists = get(user, &["permissions"]).and_then(|p| get(p, direction));
    // A bare list is what is allowed.
    let allow = lists.and_then(|l| if l.is_object() { get(l, &["allow"]) } else { Some(l) });
    list(allow).into_iter().collect()
}

fn compare(check: &mut Check, name: &str, user: &Value, expected: &Permissions) {
    let directions = [
        ("publish", vec!["publish", "pub", "import"], &expected.publish),
        ("subscribe", vec!["subscribe", "sub", "export"], &expected.subscribe),
    ];
    for (verb, names, expected) in directions {
        let granted = granted(user, &names);
        if granted.is_empty() {
            check.wrong(format!(
                "{name}: the list of what it may {verb} to is empty, which allows everything; {AGAIN}"
            ));
            continue;
        }
        let expected: BTreeSet<_> = expected.iter().map(String::as_str).collect();
        let listed = |subjects: Vec<&&str>| subjects.into_iter().copied().collect::<Vec<_>>().join(", ");
        let more = listed(granted.difference(&expected).collect());
        let less = listed(expected.difference(&granted).collect());
        if !more.is_empty() {
            check.wrong(format!("{name} may {verb} to more than it needs: remove {more}"));
        }
        if !less.is_empty() {
            check.wrong(format!("{name} may not {verb} to {less}; {AGAIN}"));
        }
    }
    let answers = get(user, &["permissions"]).and_then(|p| get(p, &["allow_responses", "allow_response"]));
    match (expected.answers > 0, answers.filter(|a| **a != Value::Bool(false))) {
        (true, None) => {
            check.wrong(format!("{name} may not answer requests: allow_responses is missing; {AGAIN}"));
        }
        (false, Some(_)) => check.wrong(format!("{name} has nothing to answer: remove allow_responses")),
        _ => {}
    }
}

/// Kind, subject, and the accounts or other words that go with it.
type Crossing = BTreeSet<(String, String, String)>;

pub fn crossing(conf: &Value) -> Check {
    let mut check = Check::new("users reach the client subjects and nothing else");
    let expected = |subjects: &[&str], words: &str| -> Crossing {
        subjects.iter().map(|s| ("stream".to_owned(), (*s).to_owned(), words.into())).collect()
    };
    let (to, from) = (&subjects::TO_CLIENTS, &subjects::CLIENT_REQUESTS);
    let nothing = Value::Null;
    let all = get(conf, &["accounts"]).unwrap_or(&nothing);
    let written = |account: &str, what: &str| -> Crossing {
        let written = all.get(account).and_then(|a| get(a, &[what])).and_then(Value::as_array);
        written.into_iter().flatten().map(describe).collect()
    };
    for (account, what, expected) in [
        ("KEZ", "exports", expected(to, "accounts CHAT")),
        ("CHAT", "imports", expected(to, "account KEZ")),
        ("CHAT", "exports", expected(from, "accounts KEZ")),
        ("KEZ", "imports", expected(from, "account CHAT")),
        ("AUTH", "exports", Crossing::new()),
        ("AUTH", "imports", Crossing::new()),
        ("SYS", "exports", Crossing::new()),
        ("SYS", "imports", Crossing::new()),
    ] {
        let written = written(account, what);
        let words = |(kind, subject, more): &(String, String, String)| format!("{kind} {subject} ({more})");
        for more in written.difference(&expected) {
            check.wrong(format!(
                "{account}.{what} has {}, which isn't meant for users: remove it",
                words(more)
            ));
        }
        for less in expected.difference(&written) {
            check.wrong(format!("{account}.{what} lacks {}; {AGAIN}", words(less)));
        }
    }
    check
}

/// An export or an import, with every word that changes its meaning.
fn describe(one: &Value) -> (String, String, String) {
    let mut parts = (String::from("something"), String::new(), vec![]);
    for (key, value) in one.as_object().into_iter().flatten() {
        match (key.to_ascii_lowercase().as_str(), value) {
            (kind @ ("stream" | "service"), Value::String(subject)) => {
                (parts.0, parts.1) = (kind.into(), subject.clone());
            }
            (kind @ ("stream" | "service"), from) => {
                (parts.0, parts.1) = (kind.into(), text(from, &["subject"]).unwrap_or_default().into());
                parts.2.push(format!("account {}", text(from, &["account"]).unwrap_or_default()));
            }
            ("accounts", accounts) => parts.2.push(format!("accounts {}", list(Some(accounts)).join(" "))),
            (other, value) => parts.2.push(format!("{other} {value}")),
        }
    }
    if parts.2.is_empty() {
        parts.2.push("for everybody".into());
    }
    (parts.0, parts.1, parts.2.join(", "))
}
