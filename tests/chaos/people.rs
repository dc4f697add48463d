//! Those who register, and those who write identity logs, each until it is acknowledged.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use kez_proto::identity::Chain;
use kez_tests::{
    Person, http,
    writer::{Writer, add},
};
use reqwest::Client;
use serde_json::Value;
use tokio::{sync::watch, task::JoinSet, time::sleep};

/// Between requests.
const PACE: Duration = Duration::from_millis(300);
/// A wire that was pulled answers nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// Posts this until it is taken, to each gateway in turn; the answer.
async fn post(client: &Client, urls: &[String], url: impl Fn(&str) -> String, body: &Value) -> Value {
    for gateway in 0.. {
        let request = client.post(url(&urls[gateway % urls.len()])).json(body).timeout(PATIENCE);
        if let Ok(response) = request.send().await {
            let status = response.status().as_u16();
            match (status, response.json().await) {
                (201, Ok(answer)) => return answer,
                // Known by then, if the answer to the first attempt was lost.
                (503 | 201, _) => {}
                (other, answer) => panic!("refused with {other}: {answer:?}"),
            }
        }
        sleep(PACE).await;
    }
    unreachable!("there is always another attempt")
}

/// People who register, one after the other.
pub struct Newcomers {
    registered: Arc<Mutex<Vec<Person>>>,
    over: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Newcomers {
    pub fn start(urls: &[String]) -> Self {
        let (registered, over) = (Arc::<Mutex<Vec<Person>>>::default(), watch::Sender::new(false));
        let mut tasks = JoinSet::new();
        let (urls, all, stop) = (urls.to_vec(), registered.clone(), over.subscribe());
        tasks.spawn(async move {
            let client = http::client();
            for n in 0.. {
                if *stop.borrow() {
                    return;
                }
                let person = Person::new(&format!("newcomer-{n}"));
                let envelope = person.registration();
                let record = post(&client, &urls, |url| format!("{url}/v1/register"), &envelope).await;
                assert_eq!(record["primary"], person.identity.primary().to_string());
                all.lock().unwrap().push(person);
                // Whoever was acknowledged stays who they are, at every moment.
                let one = fastrand::usize(..=n);
                let (handle, primary) = {
                    let all = all.lock().unwrap();
                    (all[one].handle.clone(), all[one].identity.primary())
                };
                let url = &urls[n % urls.len()];
                let looked_up = client.get(format!("{url}/v1/u/{handle}")).timeout(PATIENCE).send().await;
                if let Ok(answer) = looked_up {
                    let status = answer.status().as_u16();
                    let body = answer.json::<Value>().await.unwrap_or_default();
                    assert!([200, 503].contains(&status), "{handle}: {status} {body}");
                    assert!(status != 200 || body["primary"] == primary.to_string(), "{handle}: {body}");
                }
                sleep(PACE).await;
            }
        });
        Self { registered, over, tasks }
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

/// People who write identity logs.
pub struct Chains {
    over: watch::Sender<bool>,
    tasks: JoinSet<Writer>,
}

impl Chains {
    pub fn start(urls: &[String]) -> Self {
        let over = watch::Sender::new(false);
        let mut tasks = JoinSet::new();
        for _ in 0..2 {
            let (urls, stop) = (urls.to_vec(), over.subscribe());
            tasks.spawn(async move {
                let (client, mut writer) = (http::client(), Writer::fresh());
                for n in 0.. {
                    let event = writer.next(&add(&format!("dns:a{n}.example")));
                    let body = serde_json::to_value(&event).unwrap();
                    post(&client, &urls, |url| writer.url(url), &body).await;
                    writer.take(&event);
                    if *stop.borrow() {
                        break;
                    }
                    sleep(PACE).await;
                }
                writer
            });
        }
        Self { over, tasks }
    }

    /// Stops, and reads every log at every gateway; how many events there are.
    pub async fn finish(mut self, urls: &[String]) -> usize {
        self.over.send_replace(true);
        let mut count = 0;
        while let Some(writer) = self.tasks.join_next().await {
            let writer = writer.unwrap();
            for url in urls {
                let whole: Value = http::get(writer.url(url)).await.json().await.unwrap();
                let events = whole["events"].as_array().unwrap().iter();
                let events: Vec<_> = events.map(|event| event.to_string().into_bytes()).collect();
                count += events.len();
                assert_eq!(Some(Chain::verify(events).unwrap()), writer.chain);
            }
        }
        count / urls.len()
    }
}
