//! The cluster as `docker compose up -d --build` makes it, from outside: through the proxy.

use std::{fs, process::Command, time::Duration};

use kez_tests::{
    Person, eventually, http,
    load::{Listeners, Load},
    process::binary,
};
use serde_json::{Value, json};

use crate::{compose::Cluster, here, must};

const SENDERS: u64 = 4;
/// Between two messages of a sender: an inbox holds so many.
const PACE: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_goes_through_the_proxy_and_on_while_every_container_is_replaced() {
    if !here("docker", "info") {
        return;
    }
    let mut cluster = Cluster::up(std::env::var("KEZ_TEST_UPGRADE_FROM").ok());
    let url = cluster.url();
    eventually("the door opens", async || {
        let answer = http::client().get(format!("{url}/v1/server")).send().await;
        answer.ok().filter(|answer| answer.status() == 200)
    })
    .await;
    let people = vec![Person::registered("alice", &url).await, Person::registered("bob", &url).await];
    let mut load = Load::start(&[url], people, SENDERS);
    let listeners = Listeners::start(load.people(), &format!("ws://{}", cluster.at(8443)));

    must(cluster.compose(&[
        "up",
        "--detach",
        "--no-recreate",
        "--scale",
        "gateway=3",
        "--scale",
        "registry=3",
    ]));
    assert_eq!(cluster.containers("gateway").len(), 3);
    assert_eq!(cluster.containers("registry").len(), 3);

    load.allow(1);
    load.settled().await;
    let before = names(&cluster);
    let mut upgrade = cluster.upgrade();
    let status = loop {
        load.allow(1);
        tokio::time::sleep(PACE).await;
        if let Some(status) = upgrade.ended() {
            break status;
        }
    };
    assert!(status.success(), "{status}");
    let after = names(&cluster);
    assert!(before.iter().all(|name| !after.contains(name)), "{before:?} {after:?}");
    assert_eq!(after.len(), before.len());
    println!(
        "while everything was replaced {} messages were acknowledged, and {} attempts were to be tried again",
        load.acknowledged(),
        load.refusals().len()
    );
    let outcome = load.finish().await;
    listeners.finish(&outcome.histories).await;

    let status = must(cluster.compose(&["run", "--rm", "-T", "kez", "admin", "status"]));
    assert!(status.contains("nothing is wrong"), "{status}");
    containers_are_shut_off(&cluster);
    by_tls_and_http_2(&cluster);
    over_a_websocket(&cluster);
}

/// The containers of the services, which an upgrade replaces.
fn names(cluster: &Cluster) -> Vec<Value> {
    let services = ["registry", "fanout", "sigchain", "auth-callout", "gateway"];
    services.iter().flat_map(|service| cluster.containers(service)).map(|one| one["Name"].clone()).collect()
}

/// No root, nothing to write to but what is meant for it, no capabilities, a bound on memory.
fn containers_are_shut_off(cluster: &Cluster) {
    for service in ["registry", "fanout", "sigchain", "auth-callout", "gateway", "nats-1", "proxy"] {
        for container in cluster.containers(service) {
            let host = &container["HostConfig"];
            assert_eq!(container["Config"]["User"], "10001:10001", "{service}");
            assert_eq!(host["ReadonlyRootfs"], true, "{service}");
            assert_eq!(host["CapDrop"], json!(["ALL"]), "{service}");
            assert!(host["Memory"].as_u64() > Some(0), "{service}");
            let public = container["NetworkSettings"]["Ports"].as_object().unwrap();
            let published = public.values().filter_map(Value::as_array).flatten();
            for port in published {
                assert_eq!(port["HostIp"], "127.0.0.1", "{service}");
            }
        }
    }
}

fn by_tls_and_http_2(cluster: &Cluster) {
    let authority = cluster.folder("authority.pem");
    fs::write(&authority, cluster.authority()).unwrap();
    let to = format!("localhost:443:{}", cluster.at(443));
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code} %{http_version}"]);
    curl.arg("--cacert").arg(authority).args(["--connect-to", &to, "https://localhost/v1/server"]);
    assert_eq!(must(curl), "200 2");
}

/// With `kez`, which registers over HTTP and writes to itself through the proxy's way to NATS.
fn over_a_websocket(cluster: &Cluster) {
    let home = cluster.folder("carol");
    let kez = |arguments: &[&str]| {
        let mut command = Command::new(binary("kez"));
        command.args(["--server-url", &cluster.url()]).args(arguments).env("KEZ_HOME", &home);
        must(command)
    };
    kez(&["register", "carol"]);
    kez(&["send", &format!("--nats=ws://{}", cluster.at(8443)), "carol", "over a WebSocket"]);
    assert!(kez(&["inbox"]).contains("over a WebSocket"));
    fs::remove_dir_all(home).unwrap();
}
