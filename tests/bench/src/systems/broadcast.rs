//! The floor of HTTP: a process that takes the same requests with the same libraries and hands each envelope to the streams of its recipient. It stores nothing,
//! checks nothing, and forgets everything.

use std::{
    collections::HashMap,
    convert::Infallible,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{Sse, sse::Event},
    routing::{get, post},
};
use futures_util::{Stream as Events, stream};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{net::TcpListener, sync::broadcast, task::JoinSet};

use super::{PEOPLE, System, handle, ours::HttpSender, settle};
use crate::{
    arrivals::Arrivals,
    http::{Connection, Stream},
    message::Envelopes,
    process::Process,
};

type Readers = Arc<Mutex<HashMap<String, broadcast::Sender<Arc<str>>>>>;

#[derive(Deserialize)]
struct Send {
    to: String,
    envelope: Box<RawValue>,
}

async fn take(State(readers): State<Readers>, Json(send): Json<Send>) -> StatusCode {
    if let Some(reader) = readers.lock().expect("nobody panics here").get(&send.to) {
        let _ = reader.send(send.envelope.get().into());
    }
    StatusCode::CREATED
}

async fn follow(
    State(readers): State<Readers>,
    Path(handle): Path<String>,
) -> Sse<impl Events<Item = Result<Event, Infallible>>> {
    let mut readers = readers.lock().expect("nobody panics here");
    let reader = readers.entry(handle).or_insert_with(|| broadcast::channel(1024).0).subscribe();
    let first = stream::iter([Ok(Event::default().event("ready").data("{}"))]);
    let messages = stream::unfold(reader, async |mut reader| {
        let envelope = reader.recv().await.ok()?;
        Some((Ok(Event::default().event("message").data(envelope)), reader))
    });
    Sse::new(futures_util::StreamExt::chain(first, messages))
}

/// Runs until it is killed; its first word is where.
pub async fn serve() {
    let router = Router::new()
        .route("/v1/messages", post(take))
        .route("/v1/inbox/{handle}/stream", get(follow))
        .with_state(Readers::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("its address"));
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await.expect("it goes on");
}

/// A running one, with a stream for each person.
pub struct Broadcast {
    child: Child,
    pub address: SocketAddr,
    arrivals: Arc<Arrivals>,
    readers: JoinSet<()>,
}

impl Broadcast {
    /// Starts one that nobody reads.
    pub fn start() -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        let mut child = command.arg("broadcast").stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("it says where it is");
        let address = line.trim().parse().expect("an address");
        Self { child, address, arrivals: Arc::new(Arrivals::new()), readers: JoinSet::new() }
    }

    /// Opens a stream for each of [`PEOPLE`].
    pub async fn with_readers() -> Self {
        let mut floor = Self::start();
        for n in 0..PEOPLE {
            let stream = floor.stream(n).await;
            floor.readers.spawn(stream.read(floor.arrivals.clone()));
        }
        settle().await;
        floor
    }

    /// Opens a stream of this person's.
    pub async fn stream(&self, person: usize) -> Stream {
        Stream::open(self.address, &format!("/v1/inbox/{}/stream", handle(person)), "").await
    }

    pub fn process(&self) -> Process {
        Process::new("broadcast", self.child.id())
    }
}

impl Drop for Broadcast {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl System for Broadcast {
    type Sender = HttpSender;

    fn name(&self) -> &'static str {
        "axum broadcast, no storage"
    }

    fn processes(&self) -> Vec<Process> {
        vec![self.process()]
    }

    fn arrivals(&self) -> &Arc<Arrivals> {
        &self.arrivals
    }

    async fn sender(&self) -> HttpSender {
        HttpSender { connection: Connection::open(self.address).await, envelopes: Envelopes::new() }
    }
}
