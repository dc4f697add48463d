//! The cluster as `docker compose up -d --build` makes it, from outside: through the proxy.

use std::{fs, process::Command, time::Duration};

use kez_tests::{Person, eventually, http, process::binary, sse::Stream};
use serde_json::{Value, json};

use crate::{compose::Cluster, here, must};

/// Between two messages: an inbox holds so many.
const PACE: Duration = Duration::from_millis(20);

#[tokio::test]
async fn mail_goes_through_the_proxy_and_on_while_every_container_is_replaced() {
    if !here("docker", "info") {
        return;
    }
    let cluster = Cluster::up();
    let url = cluster.url();
    eventually("the door opens", async || {
        let answer = http::client().get(format!("{url}/v1/server")).send().await;
        answer.ok().filter(|answer| answer.status() == 200)
    })
    .await;
    containers_are_shut_off(&cluster);
    by_tls_and_http_2(&cluster);
    over_a_websocket(&cluster);

    let alice = Person::registered("alice", &url).await;
    let (mut stream, _) = Stream::open(&url, &alice, "").await;
    send(&url, &json!({"n": 0})).await;
    assert_eq!(stream.message().await.json()["envelope"], json!({"n": 0}));

    must(cluster.compose(&["up", "--detach", "--scale", "gateway=3", "--scale", "registry=3"]));
    assert_eq!(cluster.containers("gateway").len(), 3);
    assert_eq!(cluster.containers("registry").len(), 3);

    let before = names(&cluster);
    let mut upgrade = cluster.upgrade();
    let mut sent = 0;
    let status = loop {
        sent += 1;
        send(&url, &json!({"n": sent})).await;
        if let Some(status) = upgrade.ended() {
            break status;
        }
        tokio::time::sleep(PACE).await;
    };
    assert!(status.success(), "{status}");
    let after = names(&cluster);
    assert!(before.iter().all(|name| !after.contains(name)), "{before:?} {after:?}");
    assert_eq!(after.len(), before.len());

    let stored: Vec<_> = alice.mail(&url).await.into_iter().map(|(_, envelope)| envelope).collect();
    assert_eq!(stored, (0..=sent).map(|n| json!({"n": n})).collect::<Vec<_>>());
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

/// Leaves Alice a message, again as often as the server says that it should be tried again.
async fn send(url: &str, envelope: &Value) {
    let body = json!({"to": "alice", "envelope": envelope});
    eventually("the message is stored", async || {
        let request = http::client().post(format!("{url}/v1/messages")).json(&body);
        let answer = request.send().await.ok()?;
        let status = answer.status();
        assert!(status.is_success() || status == 503, "{status}: {}", answer.text().await.unwrap());
        status.is_success().then_some(())
    })
    .await;
}
