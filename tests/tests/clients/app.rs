//! The web client, with its pages in a real browser: what Playwright finds in `tests/browser/app`.

use std::{path::Path, process::Stdio};

use kez_tests::{nats::nats_server, process::binary};
use tokio::process::Command;

use crate::script::{BROWSER, available, node, program, root};

/// `node` with these arguments in `tests/browser`, and what it says; `None` where something that it needs isn't there.
async fn browser(arguments: &[&str], results: &Path) -> Option<String> {
    let (node, chromium) = (node(), program(&["chromium", "chromium-browser", "google-chrome"]));
    let here = |place: &str| root().join(place).exists();
    if !available(&[
        ("Node 20 or newer, with npm (web/get-node)", node.is_some()),
        ("chromium", chromium.is_some()),
        ("tests/browser/node_modules (npm ci there)", here("tests/browser/node_modules")),
        (
            "web/dist and web/dist-library (make web)",
            here("web/dist/index.html") && here("web/dist-library/kez.js"),
        ),
    ]) {
        return None;
    }
    let _alone = BROWSER.lock().await;
    let run = Command::new(node?)
        .args(arguments)
        .current_dir(root().join("tests/browser"))
        .env("KEZ_CHAT_SERVER", binary("kez-chat-server"))
        .env("KEZ_NATS_SERVER", nats_server())
        .env("CHROMIUM", chromium?)
        .env("RESULTS", results)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let run = run.await.unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    println!("{said}{}", String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "see above");
    Some(said)
}

#[tokio::test]
async fn the_web_client_as_its_users_find_it() {
    let results = tempfile::tempdir().unwrap();
    if let Some(said) = browser(&["node_modules/@playwright/test/cli.js", "test"], results.path()).await {
        assert!(said.contains(" passed"));
    }
}

#[tokio::test]
async fn axe_finds_nothing_on_any_page() {
    let pictures = tempfile::tempdir().unwrap();
    let folder = pictures.path().to_str().unwrap();
    if browser(&["screenshots.js", folder], pictures.path()).await.is_some() {
        assert!(std::fs::read_dir(folder).unwrap().count() > 100);
    }
}
