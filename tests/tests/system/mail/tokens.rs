//! How the fan-out comes by the keys of session tokens: seldom, and whatever is presented to it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use futures_util::{StreamExt, future::join_all};
use kez_proto::{
    Code, Problem,
    auth::Caller,
    headers,
    mail::{History, Open, ReadAuth},
    session::{Jwks, TokenKey},
    subjects::{self, Role},
};
use kez_tests::{
    Deployment, Person, eventually,
    http::{client, refused},
    person::now,
    session::{Session, claims, token_key},
};
use nkeys::KeyPair;
use reqwest::Response;
use serde_json::{Value, json};

async fn reads(url: &str, token: &str) -> Response {
    client().get(format!("{url}/v1/inbox/alice")).bearer_auth(token).send().await.unwrap()
}

/// A token by a key that was never this deployment's.
fn invented(person: &Person, n: u64) -> String {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&n.to_le_bytes());
    TokenKey::from_seed(&seed).sign(&claims(person, &KeyPair::new_user())).unwrap()
}

#[tokio::test]
async fn a_flood_of_invented_keys_is_no_flood_of_questions() {
    let mut deployment = Deployment::start(1).await;
    let alice = Person::registered("alice", deployment.url(0)).await;
    let session = Session::begin(&alice, deployment.url(0)).await;
    // The test takes the callout's place, to count.
    deployment.auth_callouts[0].terminate().await;
    let callout = deployment.nats.connect_as(Role::AuthCallout).await;
    let mut questions = callout.subscribe(subjects::AUTH_JWKS).await.unwrap();
    callout.flush().await.unwrap();
    let keys = Jwks { keys: vec![token_key(&deployment.nats, 1).jwk()] };
    let (asked, keys) = (Arc::new(AtomicU64::new(0)), serde_json::to_vec(&keys).unwrap());
    let counted = asked.clone();
    let answering = async move {
        while let Some(question) = questions.next().await {
            counted.fetch_add(1, Ordering::Relaxed);
            callout.publish(question.reply.unwrap(), keys.clone().into()).await.unwrap();
        }
    };

    let url = deployment.url(0);
    let begun = Instant::now();
    let flood = async {
        for round in 0..3 {
            let tokens: Vec<_> = (0..100).map(|n| invented(&alice, round * 100 + n)).collect();
            for answer in join_all(tokens.iter().map(|token| reads(url, token))).await {
                refused(answer, Code::InvalidToken).await;
            }
            assert_eq!(reads(url, &session.granted.token).await.status(), 200);
        }
    };
    tokio::select! {
        () = answering => panic!("the subscription ended"),
        () = flood => {}
    }
    let (asked, seconds) = (asked.load(Ordering::Relaxed), begun.elapsed().as_secs());
    assert!((2..=seconds + 2).contains(&asked), "{asked} questions in {seconds} s");
}

#[tokio::test]
async fn without_a_callout_known_keys_serve_on_and_others_are_not_judged() {
    let mut deployment = Deployment::start(1).await;
    let alice = Person::registered("alice", deployment.url(0)).await;
    let session = Session::begin(&alice, deployment.url(0)).await;
    let good = &session.granted.token;
    assert_eq!(reads(deployment.url(0), good).await.status(), 200);
    deployment.auth_callouts[0].kill();
    assert_eq!(reads(deployment.url(0), good).await.status(), 200);
    refused(reads(deployment.url(0), &invented(&alice, 1)).await, Code::Unavailable).await;
    refused(reads(deployment.url(0), "not.a.token").await, Code::InvalidToken).await;

    // A fan-out that was never told a key can't say that a token is bad.
    deployment.fanouts[0].terminate().await;
    deployment.fanouts[0] = deployment.fanout();
    deployment.fanouts[0].ready().await;
    refused(reads(deployment.url(0), good).await, Code::Unavailable).await;
    deployment.auth_callouts[0] = deployment.auth_callout();
    deployment.auth_callouts[0].ready().await;
    eventually("the key is told", async || {
        (reads(deployment.url(0), good).await.status() == 200).then_some(())
    })
    .await;
    refused(reads(deployment.url(0), &invented(&alice, 2)).await, Code::InvalidToken).await;
}

#[tokio::test]
async fn a_token_that_opened_a_stream_repairs_it_until_the_session_ends() {
    let deployment = Deployment::start(1).await;
    let alice = Person::registered("alice", deployment.url(0)).await;
    let key = token_key(&deployment.nats, 1);
    let gateway = deployment.nats.connect_as(Role::Gateway).await;
    let minted = |expired: i64, ends: i64| {
        let mut claims = claims(&alice, &KeyPair::new_user());
        claims.iat -= 20 * 3600;
        (claims.exp, claims.session_exp) = (now().unix() - expired, now().unix() + ends);
        Caller { token: Some(key.sign(&claims).unwrap()), signature: None }
    };
    let ask = async |subject: &'static str, request: Value| {
        let answer = gateway.request(subject, request.to_string().into()).await.unwrap();
        let error = answer.headers.as_ref().and_then(|all| all.get_last(headers::NATS_SERVICE_ERROR));
        error.map_or(Ok(()), |text| Err(Problem::from_service_error(text.as_str()).code))
    };
    let history = |auth: ReadAuth| json!(History { handle: "alice".into(), since: 0, limit: 0, auth });
    let hours = |n: i64| n * 3600;
    for (caller, poll, stream) in [
        (minted(-60, hours(1)), Ok(()), Ok(())),
        (minted(60, hours(1)), Err(Code::TokenExpired), Ok(())),
        (minted(hours(11), hours(1)), Err(Code::TokenExpired), Ok(())),
        (minted(hours(12), hours(1)), Err(Code::TokenExpired), Err(Code::TokenExpired)),
        (minted(60, -1), Err(Code::SessionEnded), Err(Code::SessionEnded)),
    ] {
        assert_eq!(ask(subjects::FANOUT_HISTORY, history(ReadAuth::Poll(caller.clone()))).await, poll);
        assert_eq!(ask(subjects::FANOUT_HISTORY, history(ReadAuth::Stream(caller.clone()))).await, stream);
        let open = json!(Open { handle: "alice".into(), since: 0, epoch: None, auth: caller });
        assert_eq!(ask(subjects::FANOUT_OPEN, open).await, poll);
    }
}
