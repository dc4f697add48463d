//! Whether what comes is bounded, and what may come has room.

use kez_proto::limits;
use serde_json::Value;

use super::{AGAIN, Check, lookup::get};

/// Subscriptions that a user's connection needs: its inbox and its replies, both once more while a client takes them up anew.
const SUBSCRIPTIONS: i64 = 4;
/// A login is one line: a session's token and a signature are in it. nats-server's own default.
const CONTROL_LINE: i64 = 4096;
/// With less for all partitions, a few messages fill one.
const FILE_STORE: i64 = 1 << 30;

pub fn bounds(conf: &Value) -> Check {
    let mut check = Check::new("users have bounds, and room within them");
    let accounts = get(conf, &["accounts"]);
    let chat = accounts.and_then(|a| a.get("CHAT")).and_then(|c| get(c, &["limits"]));
    for (what, names, least) in [
        ("max_payload", ["max_payload", "max_pay"], limits::CHAT_PAYLOAD_BYTES as i64),
        ("max_conn", ["max_connections", "max_conn"], limits::NATS_CONNECTIONS_PER_KEY.into()),
        ("max_subs", ["max_subscriptions", "max_subs"], SUBSCRIPTIONS),
    ] {
        match chat.and_then(|limits| get(limits, &names)).and_then(Value::as_i64) {
            Some(n) if n >= least => {}
            Some(n) if n > 0 => {
                check.wrong(format!("accounts.CHAT.limits.{what} is {n}: less than {least} is too little"))
            }
            _ => check
                .wrong(format!("accounts.CHAT.limits.{what} is missing: users would have no bound; {AGAIN}")),
        }
    }
    let largest = limits::NATS_PAYLOAD_BYTES as i64;
    match get(conf, &["max_payload"]).map(Value::as_i64) {
        None => {}
        Some(Some(n)) if n >= largest => {}
        _ => check
            .wrong(format!("max_payload must be {largest} at least: a page of mail doesn't fit into less")),
    }
    match get(conf, &["max_control_line"]).map(Value::as_i64) {
        None => {}
        Some(Some(n)) if n >= CONTROL_LINE => {}
        _ => check.wrong(format!(
            "max_control_line must be {CONTROL_LINE} at least: a login with a session's token doesn't fit into less"
        )),
    }
    check
}

pub fn room(conf: &Value) -> Check {
    let mut check = Check::new("there is room for mail");
    let Some(jetstream) = get(conf, &["jetstream"]).filter(|j| j.is_object()) else { return check };
    let wanted = limits::STORE_BYTES as i64;
    match get(jetstream, &["max_file_store", "max_file"]).map(Value::as_i64) {
        Some(Some(n)) if n >= wanted => {}
        Some(Some(n)) if n >= FILE_STORE => check.doubtful(format!(
            "jetstream.max_file_store is {n}: with less than {wanted} (--store-bytes), whoever fills one inbox can keep mail from others"
        )),
        Some(Some(n)) if n >= 0 => check.wrong(format!(
            "jetstream.max_file_store is {n}: mail and the registry's log need {FILE_STORE} at least; {AGAIN}"
        )),
        _ => check.doubtful(
            "jetstream.max_file_store is missing: nats-server takes three quarters of what is free at each start, which shrinks as mail comes in",
        ),
    }
    check
}
