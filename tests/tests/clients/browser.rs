//! The browser's client library (web/) in a real browser, on a page that the gateway serves. The steps are in tests/browser/run.js.

use std::{fs, path::Path, process::Command};

use kez_tests::{ChatServer, Process, SERVER, tls::Authority};

use crate::script::{BROWSER, Script, available, node, program, root};

/// The library, built from what is there now, and the test's page around it.
fn build(page: &Path) {
    let web = root().join("web");
    let mut build = Command::new("npm");
    build.args(["run", "build:library", "--", "--logLevel", "warn", "--emptyOutDir", "--outDir"]).arg(page);
    let built = build.current_dir(web).output().unwrap();
    assert!(built.status.success(), "{built:?}");
    for file in ["index.html", "page.js"] {
        fs::copy(root().join("tests/browser/page").join(file), page.join(file)).unwrap();
    }
}

#[tokio::test]
async fn a_page_is_a_client() {
    is_a_client(false).await;
}

#[tokio::test]
async fn a_page_is_a_client_over_tls() {
    is_a_client(true).await;
}

async fn is_a_client(tls: bool) {
    let node = node();
    let chromium = program(&["chromium", "chromium-browser", "google-chrome"]);
    let here = |modules: &str| root().join(modules).is_dir();
    if !available(&[
        ("Node 20 or newer, with npm (web/get-node)", node.is_some()),
        ("chromium", chromium.is_some()),
        ("web/node_modules (npm ci there)", here("web/node_modules")),
        ("tests/browser/node_modules (npm ci there)", here("tests/browser/node_modules")),
    ]) {
        return;
    }
    let _alone = BROWSER.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let (db, page) = (dir.path().join("db"), dir.path().join("page"));
    build(&page);
    let mut arguments = ChatServer::arguments(&db, "127.0.0.1:0");
    arguments.extend(["--nats-bind", "127.0.0.1:0", "--nats-ws-bind", "127.0.0.1:0"].map(String::from));
    arguments.extend(["--web-dir", page.to_str().unwrap()].map(String::from));
    arguments.extend(["--limit-sender", "0", "--limit-client-requests", "0"].map(String::from));
    let authority = Authority::default();
    let files = authority.certify("127.0.0.1");
    if tls {
        let tls = ["--nats-tls-cert", &files.cert, "--nats-tls-key", &files.key];
        arguments.extend(tls.map(String::from));
    }
    let mut server = Process::spawn("kez-chat-server", &arguments);
    server.ready().await;

    let nats = server.address("nats_ws");
    assert_eq!(nats.starts_with("wss://"), tls, "{nats}");
    let (pid, chromium) = (db.join("nats/nats-server.pid"), chromium.unwrap());
    let mut environment = vec![
        ("KEZ_URL", server.address("http")),
        ("KEZ_NATS_WS", nats),
        ("KEZ_DOMAIN", SERVER),
        ("NATS_PID_FILE", pid.to_str().unwrap()),
        ("PAGE", page.to_str().unwrap()),
        ("CHROMIUM", chromium.to_str().unwrap()),
    ];
    if tls {
        environment.push(("CERTIFICATE", &files.cert));
    }
    let run = Script::start(&node.unwrap(), &root().join("tests/browser/run.js"), &environment);
    let (said, status) = run.finish().await;
    println!("{}", said.join("\n"));
    assert!(status.success() && said.last().is_some_and(|l| l == "ok: no page complained"), "{said:#?}");
}
