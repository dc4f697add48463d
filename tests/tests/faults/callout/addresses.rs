//! Refused logins of one address, where clients reach nats-server directly.

use std::net::SocketAddr;

use kez_proto::Code;
use kez_tests::{Deployment, Person, http, person::send};
use serde_json::json;

use super::{
    logins::{enter, enter_with},
    metrics::denied,
};

const LIMIT: u64 = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_was_refused_too_often_is_refused_and_nobody_else_is() {
    let mut deployment = Deployment::start(1).await;
    let arguments = ["--nats-direct", "standard", "--limit-nats-logins", "3"];
    deployment.auth_callout_arguments = arguments.map(String::from).into();
    deployment.auth_callouts[0].terminate().await;
    deployment.auth_callouts[0] = deployment.auth_callout();
    deployment.auth_callouts[0].ready().await;
    let (url, tcp, ws) = (deployment.url(0), deployment.nats.url(), deployment.nats.ws_url());
    let (alice, stranger) = (Person::registered("alice", url).await, Person::new("stranger"));
    let inside = enter(&alice, &tcp).await.unwrap();
    // Of the same machine at another address, and of the same address behind what may be a proxy.
    let elsewhere: SocketAddr = "127.0.0.2:0".parse().unwrap();
    for _ in 0..2 * LIMIT {
        enter(&stranger, &ws).await.expect_err("nobody registered this key");
    }
    for _ in 0..LIMIT {
        enter(&alice, &tcp).await.unwrap();
        enter(&stranger, &tcp).await.expect_err("nobody registered this key");
    }
    let callout = &deployment.auth_callouts[0];
    assert_eq!(denied(callout, "rate_limited").await, 0);

    for n in 1..=2 {
        enter(&alice, &tcp).await.expect_err("too many were refused from here");
        assert_eq!(denied(callout, "rate_limited").await, n);
    }
    assert_eq!(denied(callout, "unknown_key").await, 3 * LIMIT);
    let log = callout.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("reason=\"rate_limited\"")).collect();
    assert!(lines.len() == 2 && lines[0].contains("host=\"127.0.0.1\""), "{lines:?}");
    enter(&alice, &ws).await.unwrap();
    enter_with(alice.nats_options().local_address(elsewhere), &alice.handle, &tcp).await.unwrap();
    // Services come from there, too, and whoever is inside stays.
    super::logins::ask(&inside, &alice.handle).await;
    deployment.fanouts[0].terminate().await;
    http::refused(send(deployment.url(0), "alice", json!({"n": 1})).await, Code::Unavailable).await;
    deployment.fanouts[0] = deployment.fanout();
    deployment.fanouts[0].ready().await;
    assert_eq!(send(deployment.url(0), "alice", json!({"n": 1})).await.status(), 201);
}
