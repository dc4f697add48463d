//! How a chain is read.

use kez_proto::{
    identity::{Chain, Event, Op},
    limits::PAGE_BYTES,
};
use kez_tests::{
    Deployment, http,
    person::now,
    writer::{Writer, add},
};
use serde_json::{Value, json};

#[tokio::test]
async fn a_chain_is_read_whole_in_part_and_only_when_it_changed() {
    let mut deployment = Deployment::start_with(1, &[], &["--sig-bind", "127.0.0.1:0"]).await;
    deployment.add_sigchain().await;
    let url = deployment.url(0);
    let mut writer = Writer::fresh();
    for n in 0..5 {
        writer.append(url, &add(&format!("dns:a{n}.example"))).await;
    }
    let (chain, key) = (writer.chain.clone().unwrap(), writer.primary());
    let get = |query: &str, headers: &[(&'static str, &str)]| {
        let mut request = http::client().get(format!("{}{query}", writer.url(url)));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        async move { request.send().await.unwrap() }
    };
    let whole = get("", &[]).await;
    assert_eq!(whole.headers()["access-control-allow-origin"], "*");
    let tag = whole.headers()["etag"].to_str().unwrap().to_owned();
    let whole: Value = whole.json().await.unwrap();
    assert_eq!(whole["head"], json!({"seq": 4, "hash": chain.head()}));
    assert_eq!((&whole["id"], &whole["primary"]), (&json!(key), &json!(key)));
    let lines = get("", &[("accept", "application/jsonl, */*;q=0.1")]).await;
    assert_eq!(lines.headers()["content-type"], "application/jsonl");
    let other_tag = lines.headers()["etag"].to_str().unwrap().to_owned();
    assert_ne!(tag, other_tag);
    let lines = lines.text().await.unwrap();
    assert_eq!(Chain::verify(lines.lines()).unwrap(), chain);
    assert_eq!(
        lines.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()).collect::<Vec<_>>(),
        *whole["events"].as_array().unwrap()
    );

    for (since, count) in [(0, 5), (3, 2), (5, 0), (u64::MAX, 0)] {
        let part: Value = get(&format!("?since={since}"), &[]).await.json().await.unwrap();
        let all = whole["events"].as_array().unwrap();
        assert_eq!(part["events"].as_array().unwrap()[..], all[all.len() - count..], "since {since}");
    }
    assert_eq!(get("?since=x", &[]).await.status(), 400);

    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".into()] {
        let unchanged = get("", &[("if-none-match", &known)]).await;
        assert_eq!(
            (unchanged.status().as_u16(), unchanged.headers()["etag"].to_str().unwrap()),
            (304, &*tag)
        );
        assert_eq!(unchanged.text().await.unwrap(), "");
    }
    assert_eq!(get("", &[("if-none-match", &other_tag)]).await.status(), 200);
    writer.clone().append(url, &add("dns:new.example")).await;
    assert_eq!(get("", &[("if-none-match", &tag)]).await.status(), 200);

    // The listener of the identity logs alone.
    let alone = deployment.gateways[0].address("sigchain");
    let there: Value = http::get(writer.url(alone)).await.json().await.unwrap();
    assert_eq!(there["head"]["seq"], 5);
    assert_eq!(http::get(format!("{alone}/v1/healthz")).await.status(), 200);
    assert_eq!(http::get(format!("{alone}/v1/server")).await.status(), 404);
}

/// Larger than one answer on NATS can be; and an instance that has read nothing before gives it, too.
#[tokio::test]
async fn a_long_chain_comes_whole() {
    let mut deployment = Deployment::start(1).await;
    deployment.add_sigchain().await;
    let url = deployment.url(0);
    let mut writer = Writer::fresh();
    let mut bytes = 0;
    let url_of_proof = format!("https://{}.example/", "x".repeat(2000));
    while bytes < 3 * PAGE_BYTES / 2 {
        let op = Op::Add { subject: "dns:a.example".parse().unwrap(), proof_url: Some(url_of_proof.clone()) };
        let event = Event::sign(writer.chain.as_ref(), &op, now(), &writer.key).unwrap();
        bytes += serde_json::to_vec(&event).unwrap().len();
        writer.append_signed(url, &event).await;
    }
    deployment.sigchains[0].terminate().await;
    deployment.sigchains.clear();
    deployment.add_sigchain().await;
    let url = deployment.url(0);
    let whole: Value = http::get(writer.url(url)).await.json().await.unwrap();
    let events = whole["events"].as_array().unwrap().iter().map(|e| e.to_string().into_bytes());
    assert_eq!(Some(Chain::verify(events.collect::<Vec<_>>()).unwrap()), writer.chain);
}
