//! The users' bounds, which nats-server keeps for their account.

use kez_proto::{
    limits::{CHAT_PAYLOAD_BYTES, CHAT_SUBSCRIPTIONS},
    subjects,
};
use kez_tests::{Deployment, person::send, raw_nats::Word};
use serde_json::json;

use super::{Client, User, WAYS, bystander::Bystander, ended_with, message, state::State};

#[tokio::test]
async fn a_payload_over_the_limit_ends_its_senders_connection_alone() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let (alice, bob) = (User::registered("alice", url).await, User::registered("bobby", url).await);
    let send = subjects::client_send(&alice.person.handle);
    let mut bystander = Bystander::of(&deployment, &bob).await;
    bystander.is_undisturbed("before").await;
    let before = State::of(&deployment).await;
    for way in WAYS {
        let mut client = Client::connect(&deployment, &alice, way).await;
        assert_eq!(client.raw.info["max_payload"], CHAT_PAYLOAD_BYTES);
        // As much as there may be reaches the fan-out, which takes less.
        let full = client.asks_with(&send, "", &vec![b' '; CHAT_PAYLOAD_BYTES]).await;
        assert!(full.header("Nats-Service-Error")[0].starts_with("too_large"), "{full:?}");
        let violation =
            |said: Vec<Word>| assert!(ended_with(&said, "Maximum Payload Violation"), "{said:?}, {way:?}");
        let more = vec![b' '; CHAT_PAYLOAD_BYTES + 1];
        violation(client.tries(message(&send, "", "", &more)).await);
        // Headers count, and so does what is announced and doesn't come.
        let mut client = Client::connect(&deployment, &alice, way).await;
        violation(client.tries(message(&send, "", "A: b\r\n", &more[10..])).await);
        let mut client = Client::connect(&deployment, &alice, way).await;
        violation(client.tries(format!("PUB {send} 2147483647\r\n")).await);
        // Also on a subject that isn't hers.
        let mut client = Client::connect(&deployment, &alice, way).await;
        violation(client.tries(message(&bob.inbox(), "", "", &more)).await);
    }
    bystander.is_undisturbed("after").await;
    State::of(&deployment).await.only_grew_by(&before, 3);
}

#[tokio::test]
async fn a_thousand_subscriptions_are_sixteen() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let (alice, bob) = (User::registered("alice", url).await, User::registered("bobby", url).await);
    let mut bystander = Bystander::of(&deployment, &bob).await;
    let mut clients = vec![];
    for way in WAYS {
        let mut client = Client::connect(&deployment, &alice, way).await;
        // Two are there.
        let thousand = (0..1000).map(|n| format!("SUB {} n{n}\r\n", alice.reply(&format!("n{n}"))));
        let refused = client.tries(thousand.collect::<String>()).await;
        let refusal = Word::Err("maximum subscriptions exceeded".into());
        let spare = CHAT_SUBSCRIPTIONS as usize - 2;
        assert_eq!(refused, vec![refusal; 1000 - spare], "{way:?}");
        client.can_look_up(&bob).await;
        // One that ends makes room for one.
        let again = format!("UNSUB n0\r\nSUB {} more\r\n", alice.reply("more"));
        assert_eq!(client.tries(again).await, [], "{way:?}");
        // Each of her other connections has as many.
        clients.push(client);
        bystander.is_undisturbed(&format!("{way:?}")).await;
    }
    for mut client in clients {
        let sent = client.asks(&subjects::client_ack(&alice.person.handle), &json!({"through": 1})).await;
        assert_eq!(sent.json()["purged"], 0);
    }
}

/// Who asks for many pages at once waits for their own: another's page comes before all of them have come.
#[tokio::test]
async fn many_requests_of_one_person_stand_in_nobodys_way() {
    const MANY: usize = 600;
    let deployment = Deployment::start_with(1, &["--limit-sender", "0"], &[]).await;
    let url = deployment.url(0);
    let (alice, bob) = (User::registered("alice", url).await, User::registered("bobby", url).await);
    for n in 0..50 {
        send(url, "alice", json!({"n": n, "text": "x".repeat(2000)})).await;
    }
    let mut hers = Client::connect(&deployment, &alice, WAYS[0]).await;
    let mut his = Client::connect(&deployment, &bob, WAYS[0]).await;
    let history = subjects::client_history(&alice.person.handle);
    let many: Vec<u8> = (0..MANY).flat_map(|_| message(&history, &hers.next_reply(), "", b"")).collect();
    hers.raw.say(many).await;
    // Her first answer shows that the fan-out is at it.
    hers.raw.msg().await;
    let page = his.asks(&subjects::client_history(&bob.person.handle), &json!({})).await;
    assert_eq!(page.json()["messages"], json!([]));
    // What has come to her by now comes before the answer to her ping.
    let before = 1 + hers.raw.settle().await.len();
    println!("{before} of {MANY} came before");
    assert!(before < MANY / 2, "{before} of {MANY} came before");
}
