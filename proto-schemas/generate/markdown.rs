//! The tables that people read.

use std::fmt::Write;

use kez_proto::{
    Code, Primary,
    error::Action,
    primary::EXAMPLE,
    subjects::{
        CLIENT_REQUESTS, Permissions, Role, TABLE, TO_CLIENTS, callout_permissions,
        callout_system_permissions, client_permissions,
    },
};

/// `errors.md`.
pub fn errors() -> String {
    let rows = Code::ALL.iter().map(|&code| {
        let action = match code.action() {
            Action::Retry => "send it again",
            Action::SignAgain => "sign anew, once",
            Action::GiveUp => "change it",
        };
        let wait = code.retry_after().map(|s| format!("{s} s")).unwrap_or_default();
        [
            format!("`{code}`"),
            code.status().to_string(),
            action.into(),
            wait,
            code.detail().replace('<', "&lt;"),
        ]
    });
    let intro = "An error is `application/problem+json` with a stable `code`; over NATS it is the header `Nats-Service-Error: <code>: <words>`, \
                 with the status in `Nats-Service-Error-Code`. Where another try makes sense, `Retry-After` says after how many seconds, on both. The words may change, the codes don't.";
    let table = table(["code", "status", "what a client does", "after", "words"], rows);
    format!("<!-- {} -->\n# Errors\n\n{intro}\n\n{table}", super::notice("proto-schemas/src/error.rs"))
}

/// `SUBJECTS.md`.
pub fn subjects() -> String {
    let mut text = format!("<!-- {} -->\n# NATS subjects\n\n", super::notice("proto-schemas/src/subjects"));
    let rows =
        TABLE.iter().map(|s| [format!("`{}`", s.subject), s.from.into(), s.to.into(), s.carries.into()]);
    text += &table(["subject", "from", "to", "carries"], rows);
    text += "\nWhat is marked (queue) is asked of one instance. Except for clients' requests, it is an endpoint of a NATS service, which also answers `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`.\n";

    text += "\n## What each role may do\n\nUsers of the account `KEZ`, each with an nkey of its own. `<p>` stands for each partition of the mail.\n";
    for role in Role::ALL {
        // One partition stands for all.
        text += &user(role.name(), &role.permissions(1)).replace("KEZ_INBOX_0", "KEZ_INBOX_<p>");
    }

    text += "\n## What the auth callout may do elsewhere\n\nIt has an nkey of its own in each of these accounts.\n";
    text += &user("in `AUTH`", &callout_permissions());
    text += &user("in `SYS`", &callout_system_permissions());

    text +=
        "\n## What a user may do\n\nIn the account `CHAT`, by what the auth callout answers for their key.\n";
    let (handle, primary) =
        (HANDLE.parse().expect("a handle"), EXAMPLE.parse::<Primary>().expect("a primary"));
    let permissions = client_permissions(&handle, &primary);
    text += &user("a person", &permissions)
        .replace(HANDLE, "<handle>")
        .replace(&primary.hex(), "<primary's hex>");

    text += "\n## What crosses between `CHAT` and `KEZ`\n\nAll of it as streams (docs/adr/0016), and nothing else.\n\n";
    let row = |subject: &&str, way: &str| [format!("`{subject}`"), way.into()];
    let rows = CLIENT_REQUESTS.iter().map(|s| row(s, "to the services"));
    text + &table(["subject", "way"], rows.chain(TO_CLIENTS.iter().map(|s| row(s, "to the users"))))
}

/// Anybody's handle, to be replaced.
const HANDLE: &str = "somebody";

fn user(name: &str, permissions: &Permissions) -> String {
    let list = |subjects: &[String]| subjects.iter().map(|s| format!("`{s}`")).collect::<Vec<_>>().join(", ");
    let mut text = format!("\n**{name}**\n- publishes {}\n", list(&permissions.publish));
    text += &format!("- subscribes to {}\n", list(&permissions.subscribe));
    match permissions.answers {
        0 => {}
        1 => text += "- answers each request once, on its reply subject\n",
        n => text += &format!("- answers each request up to {n} times, on its reply subject\n"),
    }
    text
}

fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(N));
    for row in rows {
        let cells = row.map(|cell| cell.replace('|', "\\|"));
        writeln!(text, "| {} |", cells.join(" | ")).expect("a string takes all");
    }
    text
}
