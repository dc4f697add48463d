//! The disk of a registry's index is full, the broker's isn't: the log goes on, and the index follows when it can.

use std::{fs, os::unix::fs::symlink, time::Instant};

use kez_tests::{Deployment, Person, disk::Disk, eventually, http};

use crate::away::{IN_TIME, readiness};

#[tokio::test]
async fn a_registry_outlives_a_full_disk() {
    let Some(disk) = Disk::new("size=8m") else { return };
    let mut deployment = Deployment::start(1).await;
    deployment.registries[0].terminate().await;
    fs::create_dir(disk.path().join("index")).unwrap();
    symlink(disk.path().join("index"), deployment.index(1)).unwrap();
    deployment.registries[0] = deployment.registry(1);
    deployment.registries[0].ready().await;
    let url = deployment.url(0).to_owned();
    let alice = Person::registered("alice", &url).await;

    disk.fill();
    // sled writes some time after an answer, so that the first ones may still succeed.
    let (mut registered, mut refused) = (vec![], vec![]);
    eventually("the registry tells that its disk is full", async || {
        let newcomer = Person::new(&format!("newcomer-{}", registered.len() + refused.len()));
        let envelope = newcomer.registration();
        let begun = Instant::now();
        let answer = http::client().post(format!("{url}/v1/register")).json(&envelope).send().await.unwrap();
        assert!(begun.elapsed() < IN_TIME);
        match answer.status().as_u16() {
            201 => registered.push(newcomer),
            503 => refused.push((newcomer, envelope)),
            other => panic!("{other}: {}", answer.text().await.unwrap()),
        }
        let (status, gates) = readiness(&deployment.registries[0]).await;
        let reason = gates["registry-index"].as_str()?;
        assert!(status == 503 && reason.contains("No space left"), "{gates}");
        Some(())
    })
    .await;
    assert_eq!(alice.looked_up(&url).await.primary, alice.identity.primary(), "what is known is still told");

    disk.free();
    eventually("it has caught up", async || {
        (readiness(&deployment.registries[0]).await.0 == 200).then_some(())
    })
    .await;
    for person in registered.iter().chain([&alice]) {
        assert_eq!(person.looked_up(&url).await.primary, person.identity.primary());
    }
    for (person, envelope) in &refused {
        let answer = http::client().post(format!("{url}/v1/register")).json(envelope).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{}", person.handle);
    }
    assert!(deployment.registries[0].terminate().await.success());
}
