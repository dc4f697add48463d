//! The router against its document, `kez_proto::http::ROUTES`, and the addresses where nothing is.

use std::collections::BTreeSet;

use kez_proto::{Code, Problem, http::ROUTES};
use kez_tests::{
    Deployment, Person,
    http::{client, header, refused},
};
use reqwest::Method;

const ROUTER: &str = include_str!("../../../../services/gateway/src/router.rs");
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

fn method(name: &str) -> Method {
    name.parse().unwrap()
}

#[test]
fn the_router_has_no_route_beside_the_table() {
    let written: BTreeSet<&str> =
        ROUTER.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(written, ROUTES.iter().map(|route| route.path).collect());
}

#[tokio::test]
async fn every_route_of_the_table_is_there_with_its_methods_and_no_others() {
    let mut deployment = Deployment::start(1).await;
    deployment.add_sigchain().await;
    let url = deployment.url(0);
    let primary = Person::new("alice").identity.primary();
    let places = [
        ("{handle}", "alice"),
        ("{primary}", &primary.to_string()),
        ("{system}", "ed25519"),
        ("{id}", &primary.hex()),
    ];
    let paths: BTreeSet<&str> = ROUTES.iter().map(|route| route.path).collect();
    for path in paths {
        let here = places.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value));
        let address = format!("{url}{here}");
        for name in METHODS {
            let answer = client().request(method(name), &address).send().await.unwrap();
            match ROUTES.iter().find(|route| route.path == path && route.method == name) {
                None => {
                    let allowed = header(&answer, "allow").to_owned();
                    refused(answer, Code::MethodNotAllowed).await;
                    let documented = ROUTES
                        .iter()
                        .filter(|r| r.path == path)
                        .all(|r| allowed.split(',').any(|m| m == r.method));
                    assert!(documented, "{path} says Allow: {allowed}");
                }
                Some(route) if answer.status() == route.success.0 => {
                    assert_eq!(header(&answer, "content-type"), route.success.1, "{name} {path}");
                }
                Some(route) => {
                    let problem: Problem = answer.json().await.unwrap();
                    assert!(
                        route.errors.contains(&problem.code),
                        "{name} {path} gives {problem:?}, which isn't in the table"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn where_nothing_is_every_method_finds_nothing() {
    let deployment = Deployment::start(1).await;
    let nothing = [
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v1/u",
        "/v1/u/",
        "/v1/u/alice/",
        "/v1/u/alice/x",
        "/v1/inbox/alice/stream/x",
        "/v2/healthz",
        "/internal",
        "/internal/",
        "/internal/nats/auth",
        "/.well-known",
        "/.well-known/",
        "/.well-known/nothing",
        "/healthz",
        "/readyz",
        "/metrics",
        "/some/path",
        "/assets/gone.js",
    ];
    for path in nothing {
        for name in METHODS {
            let answer =
                client().request(method(name), format!("{}{path}", deployment.url(0))).send().await.unwrap();
            refused(answer, Code::NotFound).await;
        }
    }
}
