//! Many who append to one chain at once.

use std::collections::HashSet;

use kez_proto::identity::Chain;
use kez_tests::{
    Deployment, http,
    writer::{Writer, add},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Over two gateways and two services: each round 20 events for the same place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_racing_appends_make_one_chain_and_every_loser_is_told() {
    const ROUNDS: u64 = 10;
    const RACERS: u64 = 20;
    let mut deployment = Deployment::start(2).await;
    deployment.add_sigchain().await;
    deployment.add_sigchain().await;
    let urls = [deployment.url(0).to_owned(), deployment.url(1).to_owned()];
    let mut writer = Writer::fresh();
    writer.append(&urls[0], &add("dns:begin.example")).await;
    let mut won = HashSet::new();
    for round in 0..ROUNDS {
        let mut racers = JoinSet::new();
        for n in 0..RACERS {
            let (writer, url) = (writer.clone(), urls[n as usize % 2].clone());
            racers.spawn(async move {
                let event = writer.next(&add(&format!("dns:racer-{n}.example")));
                let response = writer.post(&url, &event).await;
                (event, response.status().as_u16(), response.json::<Value>().await.unwrap())
            });
        }
        let mut winners = vec![];
        let mut losers = vec![];
        while let Some(ended) = racers.join_next().await {
            let (event, status, answer) = ended.unwrap();
            match status {
                201 => winners.push((event, answer)),
                409 => losers.push(answer),
                _ => panic!("{status} {answer}"),
            }
        }
        let [(event, answer)] = &winners[..] else { panic!("{} winners", winners.len()) };
        writer.take(event);
        let head = json!({"seq": round + 1, "hash": writer.chain.as_ref().unwrap().head()});
        assert_eq!(*answer, head);
        for loser in losers {
            assert_eq!((&loser["code"], &loser["head"]), (&json!("chain_conflict"), &head));
        }
        won.insert(head["hash"].as_str().unwrap().to_owned());
    }
    assert_eq!(won.len() as u64, ROUNDS);
    for url in &urls {
        let whole: Value = http::get(writer.url(url)).await.json().await.unwrap();
        let events = whole["events"].as_array().unwrap().iter().map(|e| e.to_string().into_bytes());
        let chain = Chain::verify(events.collect::<Vec<_>>()).unwrap();
        assert_eq!(Some(&chain), writer.chain.as_ref());
    }
}
