use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use kez_tests::{Deployment, Person, Process, eventually, http, load::Load};
use tokio::task::JoinSet;

use super::urls;

const SENDERS: u64 = 4;
/// Messages of each sender before, and after each kill.
const EACH: u64 = 40;
/// Between newcomers.
const PACE: Duration = Duration::from_millis(50);

/// Messages under way through both gateways while one of each kind of service dies by kill -9 and comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_one_of_each_kind_loses_nothing() {
    let mut deployment = Deployment::start(2).await;
    let urls = urls(&deployment);
    let mut people = vec![];
    for name in ["alice", "bob", "carol"] {
        people.push(Person::registered(name, &urls[0]).await);
    }
    let registered = Arc::new(Mutex::new(vec![]));
    let mut registrar = JoinSet::new();
    registrar.spawn(register(urls.clone(), registered.clone()));
    let mut load = Load::start(&urls, people, SENDERS);

    for kind in ["gateway", "fanout", "registry"] {
        load.allow(2 * EACH);
        load.progress(SENDERS * EACH / 2).await;
        assert!(load.is_busy(), "the {kind} must die under load");
        let before = registered.lock().unwrap().len();
        victim(&mut deployment, kind).kill();
        load.progress(SENDERS * EACH / 2).await;
        let back = match kind {
            "gateway" => deployment.gateway(urls[0].trim_start_matches("http://")),
            "fanout" => deployment.fanout(),
            _ => deployment.registry(0),
        };
        let victim = victim(&mut deployment, kind);
        *victim = back;
        victim.ready().await;
        let took = load.settled().await;
        eventually("registrations go on", async || {
            (registered.lock().unwrap().len() > before + 2).then_some(())
        })
        .await;
        println!(
            "{kind}: settled {took:?} after it was back; {} attempts weren't acknowledged",
            load.refusals().len()
        );
    }
    registrar.shutdown().await;
    load.finish().await;
    let registered = std::mem::take(&mut *registered.lock().unwrap());
    for person in &registered {
        for url in &urls {
            let record = person.looked_up(url).await;
            assert_eq!(record.primary, person.identity.primary());
        }
    }
}

fn victim<'a>(deployment: &'a mut Deployment, kind: &str) -> &'a mut Process {
    match kind {
        "gateway" => &mut deployment.gateways[0],
        "fanout" => &mut deployment.fanouts[0],
        _ => &mut deployment.registries[0],
    }
}

/// Registers one after the other, each until it is acknowledged.
async fn register(urls: Vec<String>, registered: Arc<Mutex<Vec<Person>>>) {
    let client = http::client();
    for n in 0..200 {
        let person = Person::new(&format!("newcomer-{n}"));
        let envelope = person.registration();
        for gateway in n.. {
            let url = format!("{}/v1/register", urls[gateway % urls.len()]);
            // A gateway that is gone, or a service behind it: the same bytes again.
            let status = client.post(url).json(&envelope).send().await.map(|r| r.status().as_u16());
            match status {
                Ok(201) => break,
                Ok(503) | Err(_) => tokio::time::sleep(PACE).await,
                Ok(other) => panic!("a newcomer was refused with {other}"),
            }
        }
        registered.lock().unwrap().push(person);
        tokio::time::sleep(PACE).await;
    }
}
