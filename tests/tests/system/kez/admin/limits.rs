//! `kez admin limits`.

use std::fs;

use kez_client::Identity;
use kez_nats::read_seed;
use kez_proto::{
    Code, Problem, Timestamp, headers,
    limits_order::{InForce, Limit, Limits, OperatorLimits, TAG},
    subjects::{self, Role},
};
use kez_tests::{
    Deployment, Person, eventually, http,
    http::refused,
    person::{now, send},
    sse::{Stream, stream_refused, stream_request},
};
use nix::sys::signal::Signal;
use reqwest::Response;
use serde_json::{Value, json};

use super::Operator;

/// Asked again and again, this is taken, or refused with `rate_limited`, from some time on.
async fn soon(what: &str, taken: bool, ask: impl AsyncFn() -> Response) {
    let answer =
        eventually(what, async || Some(ask().await).filter(|answer| answer.status().is_success() == taken));
    let answer = answer.await;
    if !taken {
        refused(answer, Code::RateLimited).await;
    }
}

/// What a limit is now, as a program is told.
async fn told(operator: &Operator, deployment: &Deployment, limit: &str) -> (Value, Value) {
    let (status, told) = operator.json(deployment, &["limits"]).await;
    assert_eq!(status, Some(0));
    let limits = told["limits"].as_array().unwrap();
    let one = limits.iter().find(|one| one["limit"] == limit).unwrap();
    (one["ordered"].clone(), one["flags"].clone())
}

async fn order(operator: &Operator, deployment: &Deployment, changes: &[&str]) {
    let ended = operator.run(deployment, &[&["limits"], changes].concat()).await;
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_about_limits_holds_at_all_instances_and_over_their_restart() {
    let mut deployment = Deployment::start_with(2, &[], &["--limit-sends", "5000"]).await;
    let urls = [deployment.url(0).to_owned(), deployment.url(1).to_owned()];
    let alice = Person::registered("alice", &urls[0]).await;
    let operator = Operator::new();
    assert_eq!(told(&operator, &deployment, "sends").await, (Value::Null, json!([5000])));
    let post = async |url: &str| send(url, "alice", json!({"n": 1})).await;
    assert_eq!(post(&urls[0]).await.status(), 201);

    order(&operator, &deployment, &["sends=1", "streams=1"]).await;
    order(&operator, &deployment, &["registrations=1"]).await;
    assert_eq!(told(&operator, &deployment, "sends").await, (json!(1), json!([5000])));
    let (_open, _) = Stream::open(&urls[0], &alice, "").await;
    let (_other, _) = Stream::open(&urls[1], &alice, "").await;
    for url in &urls {
        soon("messages are refused", false, async || post(url).await).await;
        let newcomer = async || Person::new(&format!("n-{}", fastrand::u32(..))).register(url).await;
        soon("registrations are refused", false, newcomer).await;
        stream_refused(stream_request(url, &alice, ""), Code::RateLimited).await;
        assert_eq!(http::get(format!("{url}/v1/u/alice")).await.status(), 200);
    }

    deployment.end().await;
    for (n, url) in urls.iter().enumerate() {
        deployment.registries.push(deployment.registry(n));
        deployment.fanouts.push(deployment.fanout());
        deployment.auth_callouts.push(deployment.auth_callout());
        deployment.gateways.push(deployment.gateway(url.trim_start_matches("http://")));
    }
    let Deployment { registries, fanouts, auth_callouts, gateways, .. } = &mut deployment;
    for process in [registries, fanouts, auth_callouts, gateways].into_iter().flatten() {
        process.ready().await;
    }
    for url in &urls {
        soon("messages are refused after a restart", false, async || post(url).await).await;
    }

    // Higher, and then back to the flags.
    for changes in [&["sends=900"][..], &["--reset"]] {
        order(&operator, &deployment, changes).await;
        for url in &urls {
            soon("messages are taken", true, async || post(url).await).await;
        }
    }
    assert_eq!(told(&operator, &deployment, "sends").await, (Value::Null, json!([5000])));
    assert_eq!(told(&operator, &deployment, "streams").await, (Value::Null, json!([0])));
    order(&operator, &deployment, &["requests=3"]).await;
    for url in &urls {
        let health = async || http::get(format!("{url}/v1/healthz")).await;
        soon("requests are refused", false, health).await;
    }
    // The operator comes in by another door.
    order(&operator, &deployment, &["requests=0"]).await;
    for url in &urls {
        let health = async || http::get(format!("{url}/v1/healthz")).await;
        soon("requests are taken", true, health).await;
    }
}

#[tokio::test]
async fn clients_over_nats_have_what_is_ordered() {
    let deployment = Deployment::start(1).await;
    let alice = Person::registered("alice", deployment.url(0)).await;
    let client = alice.connect_nats(&deployment.nats.url()).await;
    let operator = Operator::new();
    for (changes, limited) in [("client-requests=2", true), ("client-requests=0", false)] {
        order(&operator, &deployment, &[changes]).await;
        let asked = [
            (subjects::client_lookup(&alice.handle), json!({"handle": "alice"})),
            (subjects::client_history(&alice.handle), json!({})),
        ];
        for (subject, request) in asked {
            eventually("it is as ordered", async || {
                let answer = client.request(subject.clone(), request.to_string().into()).await.unwrap();
                let refusal = answer.headers.as_ref().and_then(|h| h.get_last(headers::NATS_SERVICE_ERROR));
                let problem = refusal.map(|refusal| Problem::from_service_error(refusal.as_str()));
                assert!(problem.iter().all(|problem| problem.code == Code::RateLimited), "{problem:?}");
                (problem.is_some() == limited).then_some(())
            })
            .await;
        }
    }
    order(&operator, &deployment, &["sender=1"]).await;
    eventually("messages of one sender are limited", async || {
        let request = json!({"to": "alice", "envelope": {"n": fastrand::u32(..)}}).to_string();
        let answer = client.request(subjects::client_send(&alice.handle), request.into()).await.unwrap();
        let refusal = answer.headers.as_ref().and_then(|h| h.get_last(headers::NATS_SERVICE_ERROR));
        refusal
            .map(|refusal| assert_eq!(Problem::from_service_error(refusal.as_str()).code, Code::RateLimited))
    })
    .await;
}

#[tokio::test]
async fn what_the_operator_did_not_sign_or_cannot_mean_changes_nothing() {
    let deployment = Deployment::start(1).await;
    let operator = Operator::new();
    for (wrong, words) in [
        ("mails=1", "there are requests, sends, sender, registrations, sessions, client-requests, streams"),
        ("sends=-1", "from 0 (none) to 1000000"),
        ("sends=1000001", "from 0 (none) to 1000000"),
        ("sends", "NAME=COUNT"),
        ("sends=1 sends=2", "sends is given twice"),
    ] {
        let arguments: Vec<_> = ["limits"].into_iter().chain(wrong.split(' ')).collect();
        let ended = operator.run(&deployment, &arguments).await;
        assert_eq!(ended.status, Some(2), "{wrong}: {}", ended.stderr);
        let stderr = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(stderr.contains(words), "{wrong}: {stderr}");
    }

    // By the operator's own connection, signed by somebody else; and what isn't a limit, signed by the operator.
    let client = deployment.nats.connect_as(Role::Operator).await;
    let answer = async |envelope: Value| {
        let answer =
            client.request(subjects::REGISTRY_SET_LIMITS, envelope.to_string().into()).await.unwrap();
        let refusal = answer.headers.as_ref().and_then(|h| h.get_last(headers::NATS_SERVICE_ERROR)).unwrap();
        Problem::from_service_error(refusal.as_str()).code
    };
    let stranger = Person::new("mallory").identity;
    let limits = Limits::from([(Limit::Sends, 1)]);
    let server = kez_tests::SERVER.parse().unwrap();
    let payload = OperatorLimits::new(limits, stranger.primary(), server, now());
    let envelope = stranger.sign_envelope(TAG, &payload).unwrap();
    assert_eq!(answer(serde_json::to_value(&envelope).unwrap()).await, Code::NotOperator);
    let seed = read_seed(&deployment.nats.keys.seed_file(Role::Operator)).unwrap();
    let own = Identity::from_seed(&nkeys::decode_seed(&seed).unwrap().1);
    let mut unknown = serde_json::to_value(&payload).unwrap();
    unknown["primary"] = json!(own.primary());
    unknown["limits"] = json!({"mails": 1});
    let envelope = own.sign_envelope(TAG, &unknown).unwrap();
    assert_eq!(answer(serde_json::to_value(&envelope).unwrap()).await, Code::InvalidParameter);
    assert_eq!(answer(json!({})).await, Code::MalformedJson);
    assert_eq!(told(&operator, &deployment, "sends").await, (Value::Null, json!([0])));
}

/// Signed by the operator at this time, or why it isn't taken.
async fn signed_at(deployment: &Deployment, limits: Limits, at: Timestamp) -> Result<InForce, Problem> {
    let seed = read_seed(&deployment.nats.keys.seed_file(Role::Operator)).unwrap();
    let operator = Identity::from_seed(&nkeys::decode_seed(&seed).unwrap().1);
    let server = kez_tests::SERVER.parse().unwrap();
    let order = OperatorLimits::new(limits, operator.primary(), server, at);
    let envelope = serde_json::to_vec(&operator.sign_envelope(TAG, &order).unwrap()).unwrap();
    let client = deployment.nats.connect_as(Role::Operator).await;
    let answer = client.request(subjects::REGISTRY_SET_LIMITS, envelope.into()).await.unwrap();
    match answer.headers.as_ref().and_then(|h| h.get_last(headers::NATS_SERVICE_ERROR)) {
        Some(refusal) => Err(Problem::from_service_error(refusal.as_str())),
        None => Ok(serde_json::from_slice(&answer.payload).unwrap()),
    }
}

#[tokio::test]
async fn an_order_follows_one_of_a_clock_that_is_ahead() {
    let deployment = Deployment::start(1).await;
    let operator = Operator::new();
    let ahead = Timestamp::from_unix(now().unix() + 200).unwrap();
    let taken = signed_at(&deployment, Limits::from([(Limit::Sends, 1)]), ahead).await.unwrap();
    assert_eq!(taken.signed_at, Some(ahead));
    let problem = signed_at(&deployment, Limits::new(), now()).await.unwrap_err();
    assert_eq!(problem.code, Code::StaleTimestamp);
    assert!(problem.detail.contains(&format!("a later order is there: of {ahead}")), "{}", problem.detail);
    assert_eq!(told(&operator, &deployment, "sends").await.0, json!(1));
    order(&operator, &deployment, &["streams=2"]).await;
    assert_eq!(told(&operator, &deployment, "sends").await.0, json!(1));
    assert_eq!(told(&operator, &deployment, "streams").await.0, json!(2));
}

/// Both are signed a second after the one before, so that one of them is refused, and ordered again besides the other.
#[tokio::test]
async fn orders_in_the_same_second_are_added_to_each_other() {
    let deployment = Deployment::start(1).await;
    let operator = Operator::new();
    let ahead = Timestamp::from_unix(now().unix() + 100).unwrap();
    signed_at(&deployment, Limits::from([(Limit::Requests, 900)]), ahead).await.unwrap();
    let changes = [["sends=7"], ["streams=8"]];
    let [one, other] = changes.each_ref().map(|changes| order(&operator, &deployment, changes));
    tokio::join!(one, other);
    for (limit, count) in [("requests", 900), ("sends", 7), ("streams", 8)] {
        assert_eq!(told(&operator, &deployment, limit).await.0, json!(count), "{limit}");
    }
}

/// As after an upgrade of the services alone.
#[tokio::test]
async fn an_older_configuration_of_nats_server_is_told_once_and_the_flags_hold_until_it_is_replaced() {
    let mut deployment = Deployment::start(1).await;
    Person::registered("alice", deployment.url(0)).await;
    let folder = deployment.nats.store().parent().unwrap().to_owned();
    let read = |name| fs::read_to_string(folder.join(name)).unwrap();
    let (conf, key) = (read("server.conf"), deployment.nats.keys.public(Role::Gateway));
    let (before, gateways) = conf.split_once(key).unwrap();
    let older = gateways.replacen(subjects::REGISTRY_LIMITS, "kez.registry.none", 1);
    fs::write(folder.join("server.conf"), format!("{before}{key}{older}")).unwrap();
    deployment.nats.signal(Signal::SIGHUP);
    eventually("nats-server has read it", async || {
        read("log").contains("Reloaded server configuration").then_some(())
    })
    .await;

    let mut gateway = deployment.gateway("127.0.0.1:0");
    gateway.ready().await;
    let said = |words| gateway.log().matches(words).count();
    const ADVICE: &str = "nats-server's configuration is older than this version";
    eventually("it says why it can't ask", async || (said(ADVICE) == 1).then_some(())).await;
    let refused = said("Permissions Violation");
    eventually("it asks again", async || (said("Permissions Violation") > refused).then_some(())).await;
    let url = gateway.address("http");
    let post = async || send(url, "alice", json!({"n": fastrand::u32(..)})).await;
    let operator = Operator::new();
    order(&operator, &deployment, &["sends=1"]).await;
    for _ in 0..3 {
        assert_eq!(post().await.status(), 201);
    }
    deployment.nats.reload().await;
    soon("messages are refused", false, post).await;
    assert_eq!(said(ADVICE), 1);
}
