//! The web client, with its pages in a real browser: what Playwright finds in `tests/browser/app`.

use std::process::Stdio;

use kez_tests::{nats::nats_server, process::binary};
use tokio::process::Command;

use crate::script::{available, node, program, root};

#[tokio::test]
async fn the_web_client_as_its_users_find_it() {
    let (node, chromium) = (node(), program(&["chromium", "chromium-browser", "google-chrome"]));
    let here = |place: &str| root().join(place).exists();
    if !available(&[
        ("Node 20 or newer, with npm (web/get-node)", node.is_some()),
        ("chromium", chromium.is_some()),
        ("tests/browser/node_modules (npm ci there)", here("tests/browser/node_modules")),
        ("web/dist (make web)", here("web/dist/index.html")),
    ]) {
        return;
    }
    let results = tempfile::tempdir().unwrap();
    let run = Command::new(node.unwrap())
        .args(["node_modules/@playwright/test/cli.js", "test"])
        .current_dir(root().join("tests/browser"))
        .env("KEZ_CHAT_SERVER", binary("kez-chat-server"))
        .env("KEZ_NATS_SERVER", nats_server())
        .env("CHROMIUM", chromium.unwrap())
        .env("RESULTS", results.path())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let run = run.await.unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    println!("{said}{}", String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success() && said.contains(" passed"), "see above");
}
