//! What the server tells those who shouldn't know, and where it sends what wasn't meant for there.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::Value;

use super::{Check, lookup::get};

pub fn log(conf: &Value) -> Check {
    let mut check = Check::new("the log holds no secrets and no mail");
    let on = |name: &str| get(conf, &[name]).is_some_and(|value| *value != Value::Bool(false));
    for name in ["trace", "trace_verbose", "trace_headers"] {
        if on(name) {
            check.wrong(format!(
                "{name} writes what users send, and what they log in with, into the log: remove it"
            ));
        }
    }
    if on("debug") {
        check.doubtful("debug writes a line for each connection, with its address, into the log: remove it when you have seen what you looked for");
    }
    check
}

pub fn mappings(conf: &Value) -> Check {
    let mut check = Check::new("messages go where they are sent");
    let mut judge = |place: &str, block: &Value| {
        if get(block, &["mappings", "maps"]).is_some() {
            check.wrong(format!(
                "{place}mappings sends messages to other subjects than they were sent to: remove it"
            ));
        }
    };
    judge("", conf);
    for (name, account) in get(conf, &["accounts"]).and_then(Value::as_object).into_iter().flatten() {
        judge(&format!("accounts.{name}."), account);
    }
    check
}

/// Who else reads or changes the file of this configuration.
pub fn file(path: &Path, conf: &Value) -> Check {
    let mut check = Check::new("the file is its owner's");
    let at = path.display();
    let mode = match fs::metadata(path) {
        Ok(file) => file.permissions().mode(),
        Err(e) => {
            check.wrong(format!("can't look at {at}: {e}"));
            return check;
        }
    };
    if mode & 0o022 != 0 {
        check.wrong(format!("others may change {at}, and so who comes in: chmod 600 '{at}'"));
    }
    // That of a single server holds public keys alone.
    let secret = get(conf, &["cluster"]).is_some();
    if secret && mode & 0o004 != 0 {
        check.wrong(format!("{at} holds the secret of the routes, and others can read it: chmod 600 '{at}'"));
    } else if secret && mode & 0o040 != 0 {
        check.doubtful(format!("{at} holds the secret of the routes, and its group can read it"));
    }
    check
}
