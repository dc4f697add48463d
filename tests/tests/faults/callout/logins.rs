//! Many people who log in to NATS, each once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use async_nats::{Client, ConnectOptions, Event, RequestErrorKind};
use futures_util::{StreamExt, stream};
use kez_proto::{Handle, subjects};
use kez_tests::{Person, within};

/// One attempt to log in, at this address; why it failed.
pub async fn enter(person: &Person, url: &str) -> Result<Client, String> {
    enter_with(person.nats_options(), &person.handle, url).await
}

/// The same with whatever these options log this person in with.
///
/// nats-server pings a client whose login waits for its verdict, which the library takes for a welcome, and it then tries again by itself. So only an
/// answer on the first connection is a login.
pub async fn enter_with(options: ConnectOptions, handle: &Handle, url: &str) -> Result<Client, String> {
    let lost = Arc::new(AtomicBool::new(false));
    let note = lost.clone();
    let options = options.event_callback(move |event| {
        note.fetch_or(matches!(event, Event::Disconnected), Ordering::Relaxed);
        async {}
    });
    let login = async {
        let client = options.connect(url).await.map_err(|e| e.to_string())?;
        match client.request(subjects::client_lookup(handle), "{}".into()).await {
            _ if lost.load(Ordering::Relaxed) => Err("it was let in and thrown out".into()),
            Ok(_) => Ok(client),
            // Where the registry is away: nats-server itself told that.
            Err(e) if e.kind() == RequestErrorKind::NoResponders => Ok(client),
            Err(e) => Err(e.to_string()),
        }
    };
    let begun = Instant::now();
    let outcome = within("a login is let in or refused", login).await;
    outcome.map_err(|why| format!("{why} after {:?}", begun.elapsed()))
}

/// Asks for something that needs no other service, and has its answer.
pub async fn ask(client: &Client, handle: &Handle) {
    let request = client.request(subjects::client_lookup(handle), "{}".into());
    let answer = within("a request is answered", request).await;
    assert!(answer.is_ok() || answer.is_err_and(|e| e.kind() == RequestErrorKind::NoResponders));
}

/// All of them, so many at a time, each tried once; who was refused, and why.
pub async fn enter_all(people: &[Arc<Person>], url: &str, at_once: usize) -> Vec<(String, String)> {
    let mut attempts = vec![];
    for person in people {
        let (person, url) = (person.clone(), url.to_owned());
        attempts
            .push(async move { enter(&person, &url).await.map_err(|why| (person.handle.to_string(), why)) });
    }
    let mut attempts = stream::iter(attempts).buffer_unordered(at_once);
    // Whoever is in stays until all have tried.
    let (mut inside, mut refused) = (vec![], vec![]);
    while let Some(outcome) = attempts.next().await {
        match outcome {
            Ok(client) => inside.push(client),
            Err(why) => refused.push(why),
        }
    }
    refused
}
