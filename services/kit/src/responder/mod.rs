//! Requests of clients that may be hostile: a NATS connection that never reads their headers, and answers only where its owner finds the reply subject good.
//!
//! The NATS library ends a connection over a header block that it can't read, and a client may send any; so this part of the protocol is spoken here
//! (docs/adr/0016). A service's own connection, on which only services speak, stays the library's.

use std::{future::Future, panic::AssertUnwindSafe, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use async_nats::ServerAddr;
use bytes::{Bytes, BytesMut};
use clap::Args;
use futures_util::{FutureExt, StreamExt};
use kez_proto::{Code, Problem, limits};
use tokio::{
    io::AsyncWriteExt,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    task::JoinHandle,
    time::{Instant, interval_at, timeout},
};
use tokio_rustls::TlsConnector;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

mod connection;
mod wire;

use crate::{
    Failure, Kind, Life,
    nats::{NatsArgs, key_pair},
    retry::{Attempt, until_done},
    task, tls, trace,
};
use connection::{Halves, Plan};
use wire::Word;

/// Bytes of requests in hand; what comes beyond is dropped, and its caller asks again.
const REQUESTS: usize = 64 * 1024 * 1024;
/// Bytes of answers that wait to be written; who answers waits for room.
const ANSWERS: usize = 32 * 1024 * 1024;
/// What one request or answer costs beside its bytes.
const OVERHEAD: usize = 1024;
/// Bytes that are written at once, and must be taken within [`WRITE`].
const CHUNK: usize = 256 * 1024;
/// Between two connections, when the first lasted no longer.
const PAUSE: Duration = Duration::from_millis(100);
/// Two unanswered pings are a connection that is gone.
const PING: Duration = Duration::from_secs(3);
/// A server that takes nothing for so long is gone.
const WRITE: Duration = Duration::from_secs(5);

/// How much one person may ask.
#[derive(Args, Clone, Debug)]
#[group(id = "client-limits")]
pub struct LimitArgs {
    /// Requests per minute of one person over NATS, of each kind of service. 0: no limit.
    #[arg(long, env = "KEZ_CHAT_LIMIT_CLIENT_REQUESTS", value_name = "COUNT", default_value_t = limits::CLIENT_REQUESTS_PER_MINUTE)]
    pub limit_client_requests: u32,
}

/// Who the service is where it answers clients.
#[derive(Args, Clone, Debug)]
#[group(id = "client-keys")]
pub struct KeyArgs {
    /// File with the seed of the nkey with which clients over NATS are answered, <service>-clients.nk; goes with --nats-nkey.
    #[arg(long, env = "KEZ_CHAT_NATS_CLIENTS_NKEY", value_name = "FILE")]
    pub nats_clients_nkey: Option<PathBuf>,
}

impl KeyArgs {
    /// The connection for clients, beside the service's own. What is wrong with its key is told before anything waits for NATS.
    pub fn beside(self, own: &NatsArgs) -> Result<NatsArgs, Failure> {
        self.nats_clients_nkey.as_deref().map(key_pair).transpose()?;
        let (with, without) = match (&own.nats_nkey, &self.nats_clients_nkey) {
            (Some(_), None) => ("--nats-nkey", "--nats-clients-nkey"),
            (None, Some(_)) => ("--nats-clients-nkey", "--nats-nkey"),
            _ => return Ok(NatsArgs { nats_nkey: self.nats_clients_nkey, ..own.clone() }),
        };
        Err(Failure::new(
            Kind::Configuration,
            format!("{with} needs {without} beside it: `kez nats init` makes both keys"),
        ))
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Call {
    /// The very subject, also where the endpoint has a wildcard.
    pub subject: String,
    /// Where the client wants its answer: any text that nats-server takes, also with wildcards.
    pub reply: String,
    /// The body.
    pub payload: Bytes,
}

/// The outcome, or that there is no answer.
type Answer = Pin<Box<dyn Future<Output = Option<Result<Bytes, Problem>>> + Send>>;
type Handler = Arc<dyn Fn(Call) -> Answer + Send + Sync>;

/// Subjects and who answers them.
#[derive(Default)]
pub struct Endpoints {
    subjects: Vec<&'static str>,
    handlers: Vec<Handler>,
}

impl Endpoints {
    /// Answers `subject` with `handler`, concurrently; `None` is no answer. A handler that panics answers `internal`, and one that takes longer than
    /// [`limits::CALLER_DEADLINE`] `unavailable`: between a client and the service nobody else sees to it that there is an answer in time.
    #[must_use]
    pub fn with<F>(
        mut self,
        subject: &'static str,
        handler: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Option<Result<Bytes, Problem>>> + Send + 'static,
    {
        self.subjects.push(subject);
        self.handlers.push(Arc::new(move |call| Box::pin(handler(call))));
        self
    }
}

/// A running responder.
pub struct Responder {
    stop: CancellationToken,
    running: JoinHandle<Option<()>>,
}

impl Responder {
    /// Serves the endpoints in the queue group `queue`, as `name`, and returns when NATS has the subscriptions. The connection is made anew as often as it is
    /// lost, and isn't a gate of `life`: the service's own connection is.
    pub async fn start(
        args: &NatsArgs,
        name: &'static str,
        queue: &'static str,
        endpoints: Endpoints,
        life: &Life,
    ) -> Result<Self, Failure> {
        let servers = args.nats_url.iter().map(|url| url.parse::<ServerAddr>());
        let servers = servers
            .collect::<Result<_, _>>()
            .map_err(|e| Failure::new(Kind::Configuration, format!("--nats-url: {e}")))?;
        let plan = Plan {
            name,
            servers,
            key: args.nats_nkey.as_deref().map(key_pair).transpose()?,
            tls: TlsConnector::from(Arc::new(tls::client_config(args)?)),
            subjects: endpoints.subjects,
            queue,
        };
        let stop = CancellationToken::new();
        let (up, mut is_up) = watch::channel(false);
        let run = Run {
            plan,
            handlers: endpoints.handlers,
            requests: Arc::new(Semaphore::new(REQUESTS / OVERHEAD)),
            answers: Arc::new(Semaphore::new(ANSWERS / OVERHEAD)),
            tasks: TaskTracker::new(),
            stop: stop.clone(),
            life: life.clone(),
        };
        let running = task::spawn(name, run.run(up));
        tokio::select! {
            _ = is_up.wait_for(|up| *up) => Ok(Self { stop, running }),
            () = life.shutdown.cancelled() => {
                stop.cancel();
                Err(Failure::new(Kind::Stopped, format!("stopped before {name} was connected")))
            }
        }
    }

    /// Takes no more requests, and waits until those taken are answered, at most `drain`.
    pub async fn stop(mut self, drain: Duration) {
        self.stop.cancel();
        if timeout(drain, &mut self.running).await.is_err() {
            tracing::warn!("clients' requests were still under way at the end of the drain window");
            self.running.abort();
        }
    }
}

struct Run {
    plan: Plan,
    handlers: Vec<Handler>,
    requests: Arc<Semaphore>,
    answers: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
    life: Life,
}

/// An answer, and its place among those that wait.
type Outbox = mpsc::UnboundedSender<(Bytes, Option<OwnedSemaphorePermit>)>;

/// How a connection ended.
enum End {
    /// As it should: nothing more comes.
    Stopped,
    Lost(String),
}

impl Run {
    async fn run(self, up: watch::Sender<bool>) {
        let mut first = 0;
        while !self.stop.is_cancelled() {
            let what = format!("connecting {} to NATS", self.plan.name);
            let attempt = until_done(&self.life, &what, || async {
                self.plan.connect(first).await.map_err(Attempt::Again)
            });
            let halves = tokio::select! {
                connected = attempt => match connected { Ok(halves) => halves, Err(_) => return },
                () = self.stop.cancelled() => return,
            };
            up.send_replace(true);
            let begun = Instant::now();
            match self.serve(halves).await {
                End::Stopped => return,
                End::Lost(why) => tracing::info!(connection = self.plan.name, why, "NATS is away"),
            }
            first += 1;
            if begun.elapsed() < PAUSE {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn serve(&self, (mut words, mut writer): Halves) -> End {
        let (outbox, mut answers) = mpsc::unbounded_channel::<(Bytes, Option<OwnedSemaphorePermit>)>();
        let mut writing = task::spawn("responder-writer", async move {
            let (mut batch, mut out) = (Vec::new(), BytesMut::new());
            while answers.recv_many(&mut batch, 64).await > 0 {
                let mut left = batch.drain(..).peekable();
                while let Some((bytes, room)) = left.next() {
                    out.extend_from_slice(&bytes);
                    if out.len() < CHUNK && left.peek().is_some() {
                        continue;
                    }
                    // Over TLS, what is written is on its way only once it is flushed.
                    let written = async {
                        writer.write_all(&out).await?;
                        writer.flush().await
                    };
                    match timeout(WRITE, written).await {
                        Ok(Ok(())) => {}
                        Ok(Err(e)) => return e.to_string(),
                        Err(_) => return "it takes nothing".to_owned(),
                    }
                    out.clear();
                    drop(room);
                }
            }
            let _ = timeout(WRITE, writer.shutdown()).await;
            "nothing more to say".to_owned()
        });
        let say = |words: &'static [u8]| drop(outbox.send((Bytes::from_static(words), None)));
        let mut pings = interval_at(Instant::now() + PING, PING);
        let (mut unanswered, mut stopping) = (0u8, false);
        let end = loop {
            tokio::select! {
                word = words.next() => match word {
                    Some(Ok(Word::Message(message))) => self.take(message, &outbox),
                    Some(Ok(Word::Ping)) => say(b"PONG\r\n"),
                    // With the subscriptions gone, what comes before the answer to the last ping is all that comes.
                    Some(Ok(Word::Pong)) if stopping && unanswered <= 1 => break End::Stopped,
                    Some(Ok(Word::Pong)) => unanswered = unanswered.saturating_sub(1),
                    Some(Ok(Word::Err(text))) => tracing::warn!(connection = self.plan.name, text, "NATS"),
                    Some(Ok(Word::Info(_))) => {}
                    Some(Err(e)) => break End::Lost(e.to_string()),
                    None => break End::Lost("it hung up".into()),
                },
                why = &mut writing => break End::Lost(why.ok().flatten().unwrap_or_default()),
                _ = pings.tick(), if !stopping => {
                    if unanswered == 2 {
                        break End::Lost("two pings weren't answered".into());
                    }
                    unanswered += 1;
                    say(b"PING\r\n");
                }
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    let unsubscribe: String = (0..self.handlers.len()).map(|sid| format!("UNSUB {sid}\r\n")).collect();
                    drop(outbox.send((Bytes::from(unsubscribe + "PING\r\n"), None)));
                    unanswered += 1;
                }
            }
        };
        if matches!(end, End::Stopped) {
            self.tasks.close();
            self.tasks.wait().await;
            drop(outbox);
            let _ = writing.await;
        } else {
            writing.abort();
        }
        end
    }

    fn take(&self, message: wire::Message, outbox: &Outbox) {
        let (Some(reply), Some(handler)) = (message.reply, self.handlers.get(message.sid)) else {
            // Who names no place for the answer asks nothing.
            tracing::debug!(subject = message.subject, "a message that is no request");
            return;
        };
        let Ok(in_hand) = self.requests.clone().try_acquire_many_owned(cost(&message.payload)) else {
            tracing::debug!(subject = message.subject, "too much is in hand: a request is dropped");
            return;
        };
        let subject = message.subject.clone();
        let (endpoint, metrics) = (self.plan.subjects[message.sid], self.life.metrics.clone());
        let call = Call { subject: message.subject, reply: reply.clone(), payload: message.payload };
        let answer = handler(call);
        let (outbox, answers) = (outbox.clone(), self.answers.clone());
        let answering = async move {
            let came = Instant::now();
            // A client's headers aren't read: a trace begins here.
            let span = trace::endpoint(endpoint, None);
            let answer = AssertUnwindSafe(answer).catch_unwind().instrument(span.clone());
            let outcome = match timeout(limits::CALLER_DEADLINE, answer).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => {
                    tracing::error!(subject, "a request handler panicked");
                    Some(Err(Code::Internal.into()))
                }
                Err(_) => Some(Err(Code::Unavailable.into())),
            };
            let Some(outcome) = outcome else { return };
            let refused = outcome.as_ref().err().map(|problem| problem.code);
            metrics.answered(endpoint, came.elapsed(), refused);
            trace::answered(&span, refused);
            if let Err(problem) = &outcome {
                span.in_scope(|| tracing::debug!(%problem, "a client's request is refused"));
            }
            let answer = wire::answer(&reply, &outcome);
            let room = answers.acquire_many_owned(cost(&answer)).await.ok();
            // To a connection that was lost nothing is said: the client asks again.
            let _ = outbox.send((answer, room));
            drop(in_hand);
        };
        task::spawn("client-request", self.tasks.track_future(answering));
    }
}

fn cost(bytes: &Bytes) -> u32 {
    (bytes.len() / OVERHEAD) as u32 + 1
}
