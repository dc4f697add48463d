//! Stock NATS clients with registered keys: each signs the bare nonce in its own way, sends through its person's subject, and gets the live push.

use kez_proto::{Handle, headers, subjects};
use kez_tests::{ChatServer, Person, Process};
use serde_json::{Value, json};

use crate::script::{Script, available, node, root};

/// Handle, script, and the name that the script gives itself.
const CLIENTS: [(&str, &str, &str); 3] = [
    ("ws-user", "nats_ws.js", "nats.ws"),
    ("core-user", "nats_core.js", "@nats-io/nats-core"),
    ("py-user", "nats_py.py", "nats.py"),
];

#[tokio::test]
async fn stock_clients_exchange_messages() {
    let (root, node) = (root(), node());
    let python = root.join(".tools/stock/bin/python");
    let modules = root.join("tests/stock/node_modules");
    if !available(&[
        ("Node 20 or newer, with npm (web/get-node)", node.is_some()),
        ("tests/stock/node_modules (npm ci there)", modules.is_dir()),
        (".tools/stock with tests/stock/requirements.txt", python.is_file()),
    ]) {
        return;
    }
    let node = node.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut arguments = ChatServer::arguments(&dir.path().join("db"), "127.0.0.1:0");
    arguments.extend(["--nats-bind", "127.0.0.1:0", "--nats-ws-bind", "127.0.0.1:0"].map(String::from));
    let mut server = Process::spawn("kez-chat-server", &arguments);
    server.ready().await;

    let mut scripts = vec![];
    for (n, (handle, script, _)) in CLIENTS.into_iter().enumerate() {
        let person = Person::registered(handle, server.address("http")).await;
        let (next, ..) = CLIENTS[(n + 1) % CLIENTS.len()];
        let (program, url) = match script.ends_with(".py") {
            true => (&python, server.address("nats")),
            false => (&node, server.address("nats_ws")),
        };
        let environment = [
            ("NATS_URL", url),
            ("SEED", &person.nkey.seed().unwrap()),
            ("INBOX_PREFIX", &subjects::client_inbox_prefix(&person.identity.primary())),
            ("INBOX", &subjects::inbox(&person.handle)),
            ("SEND", &subjects::client_send(&person.handle)),
            ("PEER", next),
        ];
        let mut script = Script::start(program, &root.join("tests/stock").join(script), &environment);
        // Whoever sends first mustn't send to somebody who doesn't listen yet.
        assert_eq!(script.line().await, "ready");
        scripts.push(script);
    }
    for script in &mut scripts {
        script.say("go").await;
    }
    let mut reports: Vec<Value> = vec![];
    for script in scripts {
        let (said, status) = script.finish().await;
        assert!(status.success(), "{said:#?}");
        println!("{}", said.join("\n"));
        reports.push(serde_json::from_str(said.last().unwrap()).unwrap());
    }
    for (n, report) in reports.iter().enumerate() {
        let (handle, _, client) = CLIENTS[n];
        let before = (n + CLIENTS.len() - 1) % CLIENTS.len();
        assert_eq!(report["client"], client);
        let received = &report["received"];
        assert_eq!(received["envelope"], json!({"from": CLIENTS[before].2}), "{report:#}");
        let handle: Handle = handle.parse().unwrap();
        assert_eq!(received["subject"], subjects::inbox(&handle), "{report:#}");
        let header = |name: &str| received["headers"][name][0].as_str().unwrap_or_default().to_owned();
        assert_eq!(header(headers::NATS_SEQUENCE), reports[before]["sent"]["seq"].to_string(), "{report:#}");
        assert_eq!(header(headers::NATS_LAST_SEQUENCE), "0", "{report:#}");
        assert!(subjects::is_store_of(&header(headers::NATS_SUBJECT), &handle), "{report:#}");
        assert_eq!(header(headers::CREATED_AT), reports[before]["sent"]["created_at"], "{report:#}");
    }
}
