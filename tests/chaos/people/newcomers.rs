//! Those who register, and those who watch who is who meanwhile.

use std::sync::{Arc, Mutex};

use kez_tests::{Person, http};
use reqwest::Client;
use serde_json::Value;
use tokio::{sync::watch, task::JoinSet, time::sleep};

use super::{PACE, PATIENCE, post};

/// Those who were acknowledged.
type Registered = Arc<Mutex<Vec<Arc<Person>>>>;

/// People who register, one handle after the other. Two race for each, and who has it tries to have another one, too.
pub struct Newcomers {
    registered: Registered,
    over: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Newcomers {
    pub fn start(urls: &[String]) -> Self {
        let (registered, over) = (Registered::default(), watch::Sender::new(false));
        let mut tasks = JoinSet::new();
        tasks.spawn(register(urls.to_vec(), registered.clone(), over.subscribe()));
        for url in urls {
            tasks.spawn(watch(url.clone(), registered.clone(), over.subscribe()));
        }
        Self { registered, over, tasks }
    }

    /// Fails if one of them found something wrong.
    pub fn check(&mut self) {
        if let Some(ended) = self.tasks.try_join_next() {
            ended.unwrap();
            panic!("one of those who register gave up");
        }
    }

    /// Stops, and looks everybody up at every gateway; how many there are.
    pub async fn finish(mut self, urls: &[String]) -> usize {
        self.over.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        let registered = std::mem::take(&mut *self.registered.lock().unwrap());
        for person in &registered {
            for url in urls {
                assert_eq!(person.looked_up(url).await.primary, person.identity.primary());
            }
        }
        registered.len()
    }
}

async fn register(urls: Vec<String>, registered: Registered, stop: watch::Receiver<bool>) {
    let client = http::client();
    let turned: Vec<String> = urls.iter().rev().cloned().collect();
    for n in 0.. {
        if *stop.borrow() {
            return;
        }
        let handle = format!("newcomer-{n}");
        let (one, other) = (Person::new(&handle), Person::new(&handle));
        let answers = tokio::join!(take(&client, &urls, &one), take(&client, &turned, &other));
        let mut owner = match answers {
            (None, Some("handle_taken")) => one,
            (Some("handle_taken"), None) => other,
            both => panic!("two raced for {handle}: {both:?}"),
        };
        owner.handle = format!("second-{n}").parse().unwrap();
        assert_eq!(take(&client, &urls, &owner).await, Some("primary_taken"), "{handle}");
        owner.handle = handle.parse().unwrap();
        registered.lock().unwrap().push(Arc::new(owner));
        sleep(PACE).await;
    }
}

/// Tries to register; none if that was acknowledged, and otherwise why not.
async fn take(client: &Client, urls: &[String], person: &Person) -> Option<&'static str> {
    let envelope = person.registration();
    let (status, answer) = post(client, urls, |url| format!("{url}/v1/register"), &envelope).await;
    match (status, answer["code"].as_str()) {
        (201, None) => {
            assert_eq!(answer["primary"], person.identity.primary().to_string());
            None
        }
        (_, Some("handle_taken")) => Some("handle_taken"),
        (_, Some("primary_taken")) => Some("primary_taken"),
        _ => panic!("{} was refused with {status}: {answer}", person.handle),
    }
}

/// Whoever was acknowledged stays who they are, at every moment: a lookup may fail, but never name another one, or nobody.
async fn watch(url: String, registered: Registered, stop: watch::Receiver<bool>) {
    let client = http::client();
    while !*stop.borrow() {
        let one = fastrand::choice(registered.lock().unwrap().iter()).cloned();
        if let Some(person) = one {
            let (handle, primary) = (person.handle.as_str(), person.identity.primary().to_string());
            for path in [format!("u/{handle}"), format!("by-primary/{primary}")] {
                let looked_up = client.get(format!("{url}/v1/{path}")).timeout(PATIENCE).send().await;
                let Ok(answer) = looked_up else { continue };
                let status = answer.status().as_u16();
                let Ok(body) = answer.json::<Value>().await else { continue };
                assert!([200, 503].contains(&status), "{path}: {status} {body}");
                let same = body["handle"] == handle && body["primary"] == primary;
                assert!(status == 503 || same, "{handle} is {primary}, and {path} is {body}");
            }
        }
        sleep(PACE / 3).await;
    }
}
