//! WebFinger as RFC 7033 has it.

use kez_proto::{Code, registry::Record};
use kez_tests::{
    Deployment, Person, SERVER,
    http::{client, get, header, refused},
};
use serde_json::{Value, json};

const SIGCHAIN: &str = "https://kez.lat/rel/sigchain";
const ABOUT: &str = "https://kez.lat/rel/server";

#[tokio::test]
async fn webfinger() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let record = Person::new("alice").record(url).await;
    let at = |query: &str| format!("{url}/.well-known/webfinger{query}");

    how_accounts_may_be_written(&at, &record).await;
    links_are_chosen_by_relation(&at).await;
    what_is_asked_for_doesnt_matter(&at).await;

    for malformed in [
        "",
        "?",
        "?rel=self",
        "?resource",
        "?resource=",
        "?resource=alice",
        "?resource=alice@kez.test",
        "?resource=acct:alice",
        "?resource=acct:@kez.test",
        "?resource=acct:alice@",
        "?resource=acct:alice@kez.test&resource=acct:alice@kez.test",
    ] {
        refused(get(at(malformed)).await, Code::InvalidParameter).await;
    }
    for unknown in [
        "acct:bob@kez.test",
        "acct:alice@other.test",
        "acct:alice@kez.test.evil.test",
        "acct:Alice@kez.test",
        "acct:alice@kez.test..",
        "mailto:alice@kez.test",
        "https://kez.test/alice",
        "acct:al%2Fice@kez.test",
        "acct:kez.test@alice@kez.test",
    ] {
        refused(get(at(&format!("?resource={unknown}"))).await, Code::UnknownHandle).await;
    }
    refused(client().post(at("?resource=acct:alice@kez.test")).send().await.unwrap(), Code::MethodNotAllowed)
        .await;
}

async fn how_accounts_may_be_written(at: &impl Fn(&str) -> String, record: &Record) {
    let links = json!([
        {"rel": "self", "type": "application/json", "href": format!("https://{SERVER}/v1/u/alice")},
        {"rel": SIGCHAIN, "type": "application/json", "href": record.sigchain_url},
        {"rel": ABOUT, "type": "application/json", "href": format!("https://{SERVER}/v1/server")},
    ]);
    let properties = json!({"https://kez.lat/ns/primary": record.primary.to_string()});
    let jrd = json!({"subject": format!("acct:alice@{SERVER}"), "properties": properties, "links": links});
    for query in [
        "?resource=acct:alice@kez.test",
        "?resource=acct%3Aalice%40kez.test",
        "?resource=%61%63%63%74:alice@kez.test",
        "?resource=acct:%61lice@kez.test",
        "?resource=acct%3A%2561lice%40kez.test",
        "?resource=ACCT:alice@kez.test",
        "?resource=acct:alice@KEZ.Test",
        "?resource=acct:alice@kez.test.",
        "?unknown=1&resource=acct:alice@kez.test&more",
    ] {
        let answer = get(at(query)).await;
        assert_eq!(answer.status(), 200, "{query}");
        assert_eq!(answer.json::<Value>().await.unwrap(), jrd, "{query}");
    }
}

async fn links_are_chosen_by_relation(at: &impl Fn(&str) -> String) {
    for (rels, chosen) in [
        ("&rel=self", &["self"][..]),
        ("&rel=https%3A%2F%2Fkez.lat%2Frel%2Fsigchain", &[SIGCHAIN]),
        ("&rel=self&rel=https://kez.lat/rel/sigchain", &["self", SIGCHAIN]),
        ("&rel=https://kez.lat/rel/server", &[ABOUT]),
        ("&rel=self&rel=nothing", &["self"]),
        ("&rel=nothing", &[]),
        ("&rel=", &[]),
    ] {
        let jrd: Value = get(at(&format!("?resource=acct:alice@{SERVER}{rels}"))).await.json().await.unwrap();
        let links: Vec<_> =
            jrd["links"].as_array().unwrap().iter().map(|link| link["rel"].as_str().unwrap()).collect();
        assert_eq!(links, chosen, "{rels}");
        assert!(
            jrd["subject"].is_string() && jrd["properties"].as_object().is_some_and(|all| all.len() == 1),
            "{rels}: {jrd}"
        );
    }
}

async fn what_is_asked_for_doesnt_matter(at: &impl Fn(&str) -> String) {
    for accept in
        ["*/*", "application/jrd+json", "application/json", "application/xrd+xml", "text/html;q=0.9", ";;"]
    {
        let ask = |query: &str| {
            client()
                .get(at(query))
                .header("accept", accept)
                .header("origin", "https://elsewhere.example")
                .send()
        };
        let answer = ask("?resource=acct:alice@kez.test").await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), header(&answer, "content-type")),
            (200, "application/jrd+json"),
            "{accept}"
        );
        assert_eq!(header(&answer, "access-control-allow-origin"), "*");
        refused(ask("").await.unwrap(), Code::InvalidParameter).await;
        refused(ask("?resource=acct:bob@kez.test").await.unwrap(), Code::UnknownHandle).await;
    }
}
