//! Everybody loses their connection and comes back at once. `make bench` does the same with ten times as many, and tells how long it takes.

use std::time::Instant;

use kez_tests::{Deployment, within};

use super::{
    storm::{Readers, people, send_all},
    system::System,
};

const PEOPLE: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_come_back_at_once_without_a_gap_or_a_duplicate() {
    let mut deployment = Deployment::start(1).await;
    let (url, nats) = (deployment.url(0).to_owned(), deployment.nats.url());
    let people = people("person", PEOPLE, &url).await;
    let readers = within("all are connected", Readers::start(&people, &nats)).await;
    let mut sent = vec![send_all(&people, 0, &url).await];
    within("all have their mail", readers.check(&people, &sent)).await;

    // nats-server is killed and comes back.
    let then = Instant::now();
    deployment.nats.kill();
    let comes_back = async {
        deployment.nats.restart().await;
        readers.back(then).await
    };
    let (more, back) =
        within("all are back", async { tokio::join!(send_all(&people, 1, &url), comes_back) }).await;
    println!("a restart: half were back after {:?}, all after {:?}", back[PEOPLE / 2], back[PEOPLE - 1]);
    sent.push(more);
    within("all have their mail", readers.check(&people, &sent)).await;

    // All connections are ended by nats-server.
    let system = System::connect(&deployment.nats).await;
    let then = Instant::now();
    let come_back = async {
        system.kick_all().await;
        readers.back(then).await
    };
    let (more, back) =
        within("all are back", async { tokio::join!(send_all(&people, 2, &url), come_back) }).await;
    println!("kicked: half were back after {:?}, all after {:?}", back[PEOPLE / 2], back[PEOPLE - 1]);
    sent.push(more);
    within("all have their mail", readers.check(&people, &sent)).await;
}
