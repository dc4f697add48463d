//! Streams of different moments: what one of them tells and another doesn't stands in nobody's way.

use std::{fs, path::Path};

use kez_proto::Code;
use kez_tests::{Deployment, Person, http, http::refused, person::send};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Operator, User};
use crate::kez::rotation::key_of;

/// Takes one stream's part of `from` into `to`, as if it had been copied then.
fn mix(from: &Path, to: &Path, stream: &str) {
    let read = |dir: &Path| -> Value {
        serde_json::from_slice(&fs::read(dir.join("manifest.json")).unwrap()).unwrap()
    };
    let (source, mut target) = (read(from), read(to));
    for (n, part) in source["streams"].as_array().unwrap().iter().enumerate() {
        if part["stream"].as_str().unwrap().starts_with(stream) {
            target["streams"][n] = part.clone();
            for file in part["files"].as_array().unwrap() {
                let name = file["name"].as_str().unwrap();
                fs::copy(from.join(name), to.join(name)).unwrap();
            }
        }
    }
    let text = serde_json::to_vec_pretty(&target).unwrap();
    let sum: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(to.join("manifest.json"), text).unwrap();
    fs::write(to.join("manifest.json.sha256"), format!("{sum}  manifest.json\n")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_different_moments_become_a_deployment_that_works() {
    let mut first = Deployment::alone().await;
    first.begin().await;
    let url = first.url(0).to_owned();
    let (alice, carol) = (User::registered("alice", &url).await, User::registered("carol", &url).await);
    for user in [&alice, &carol] {
        user.must(&["sigchain", "add", "github:somebody"]).await;
    }
    let operator = Operator::new();
    operator.must("backup", "early", &first, &[]).await;
    let old = key_of(&url, "alice").await;
    for user in [&alice, &carol] {
        user.must(&["sigchain", "rotate", "--yes"]).await;
    }
    let (new, carols) = (key_of(&url, "alice").await, key_of(&url, "carol").await);
    let bob = Person::registered("bobby", &url).await;
    assert_eq!(send(&url, "bobby", json!({"n": 1})).await.status(), 201);
    operator.must("backup", "late", &first, &[]).await;
    operator.must("backup", "other", &first, &[]).await;
    drop(first);

    // Mail and identity logs are newer than the registry: mail for a handle that nobody has, a rotation that no handle followed.
    mix(&operator.dir("early"), &operator.dir("late"), "KEZ_REGISTRY");
    let mut restored = Deployment::alone().await;
    operator.must("restore", "late", &restored, &[]).await;
    restored.begin().await;
    let url = restored.url(0).to_owned();
    refused(http::get(format!("{url}/v1/u/bobby")).await, Code::UnknownHandle).await;
    assert_eq!(send(&url, "bobby", json!({"n": 2})).await.status(), 404);
    assert_eq!(key_of(&url, "alice").await, old);
    // Who comes back has everything again.
    assert_eq!(bob.record(&url).await.handle, bob.handle);
    assert_eq!(bob.mail(&url).await.len(), 1);
    let at = ["--server-url", url.as_str()];
    alice.must(&[&at[..], &["sigchain", "publish"]].concat()).await;
    assert_eq!(key_of(&url, "alice").await, new);

    // The registry is newer than the identity logs: a handle is under a key that the log doesn't know of.
    mix(&operator.dir("early"), &operator.dir("other"), "KEZ_SIGCHAIN");
    let mut restored = Deployment::alone().await;
    operator.must("restore", "other", &restored, &[]).await;
    restored.begin().await;
    let url = restored.url(0).to_owned();
    let at = ["--server-url", url.as_str()];
    assert_eq!(key_of(&url, "carol").await, carols);
    carol.must(&[&at[..], &["sigchain", "publish"]].concat()).await;
    let log = carol.json(&[&at[..], &["sigchain", "verify", "carol"]].concat()).await;
    assert_eq!((&log[0]["keys"][1]["key"], key_of(&url, "carol").await), (&carols, carols.clone()));
    assert_eq!(bob.mail(&url).await.len(), 1);
}
