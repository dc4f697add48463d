//! The keys that sign session tokens are replaced while sessions are live.

use std::{
    collections::HashSet,
    fs,
    os::unix::fs::PermissionsExt,
    sync::{Arc, Mutex},
};

use futures_util::StreamExt;
use kez_proto::{session::Jwks, sse, subjects};
use kez_tests::{Deployment, Person, eventually, http, person::send, sse::Stream, within};
use nkeys::KeyPair;
use serde_json::json;

use super::{
    logins::{ask, enter_with},
    session::{self, Current, Session},
};

/// Questions go to either callout: so many alike were answered by both.
const QUESTIONS: usize = 16;
/// So many logins, twice, with the one who stays, are within a key's connections, even if nobody has heard yet that the others are gone.
const LOGINS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_keys_are_replaced_under_live_sessions() {
    let mut deployment = Deployment::start(2).await;
    let url = deployment.url(0).to_owned();
    let folder = deployment.nats.keys.session_keys();
    let alice = Person::registered("alice", &url).await;
    let session = Session::begin(&url, &alice, 600).await;
    let (first, old_token) = (session.kid(), session.grant.token.clone());
    let current: Current = Arc::new(Mutex::new(session));
    let mut open =
        Stream::of(http::client().get(format!("{url}/v1/inbox/alice/stream")).bearer_auth(&old_token)).await;
    assert_eq!(open.next().await.kind, sse::READY);
    let inside =
        enter_with(session::nats_options(&current), &alice.handle, &deployment.nats.url()).await.unwrap();
    let mut pushes = inside.subscribe(subjects::inbox(&alice.handle)).await.unwrap();
    ask(&inside, &alice.handle).await;

    // Two more: one that an instance of now on signs with, and one that was just made and waits until all know it.
    for number in [2, 3] {
        let file = folder.join(format!("{number}.nk"));
        fs::write(&file, KeyPair::new_user().seed().unwrap()).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    told(&url, |kids| kids.len() == 3 && kids.contains(&first)).await;
    let mut session = Session::begin(&url, &alice, 600).await;
    assert_eq!(session.kid(), first, "a key that isn't known everywhere signs");
    for n in 0..2 {
        assert_eq!(deployment.auth_callouts[n].terminate().await.code(), Some(0));
        deployment.auth_callouts[n] = deployment.auth_callout();
        deployment.auth_callouts[n].ready().await;
    }
    session.renew(&url).await;
    assert_ne!(session.kid(), first, "the new key doesn't sign");
    // Tokens of the old key and of the new one open both doors.
    let renewed: Current = Arc::new(Mutex::new(session));
    for session in [&current, &renewed] {
        opens_both(&deployment, &alice, session).await;
    }

    fs::remove_file(folder.join("1.nk")).unwrap();
    told(&url, |kids| kids.len() == 2 && !kids.contains(&first)).await;
    let mut session = Arc::into_inner(renewed).unwrap().into_inner().unwrap();
    session.renew(&url).await;
    opens_both(&deployment, &alice, &Arc::new(Mutex::new(session))).await;
    enter_with(session::nats_options(&current), &alice.handle, &deployment.nats.url())
        .await
        .expect_err("its key is gone");

    // Whoever was in has stayed in all the time.
    let sent = send(&url, "alice", json!({"n": 1})).await;
    assert_eq!(sent.status(), 201);
    assert_eq!(open.message().await.json()["envelope"], json!({"n": 1}));
    assert_eq!(within("mail is pushed", pushes.next()).await.unwrap().payload, r#"{"n":1}"#);
    assert_eq!(inside.statistics().connects.load(std::sync::atomic::Ordering::Relaxed), 1);
}

/// Both callouts tell keys like these.
async fn told(url: &str, right: impl Fn(&HashSet<String>) -> bool) {
    eventually("all callouts tell the keys", async || {
        for _ in 0..QUESTIONS {
            let jwks: Jwks = http::get(format!("{url}/.well-known/jwks.json")).await.json().await.unwrap();
            if !right(&jwks.keys.into_iter().map(|key| key.kid).collect()) {
                return None;
            }
        }
        Some(())
    })
    .await;
}

async fn opens_both(deployment: &Deployment, alice: &Person, session: &Current) {
    let token = session.lock().unwrap().grant.token.clone();
    for url in [deployment.url(0), deployment.url(1)] {
        let inbox = http::client().get(format!("{url}/v1/inbox/{}", alice.handle)).bearer_auth(&token);
        let answer = inbox.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    }
    for _ in 0..LOGINS {
        enter_with(session::nats_options(session), &alice.handle, &deployment.nats.url()).await.unwrap();
    }
}
