//! The connection to NATS: made with the service's own nkey, kept for ever, and honest about being away.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use async_nats::{
    Client, ConnectErrorKind, ConnectOptions, Event, HeaderMap, Message, RequestErrorKind, connection::State,
    jetstream,
};
use bytes::Bytes;
use clap::Args;
use kez_proto::{Code, Problem, headers, limits};
use nkeys::KeyPair;
use tokio::sync::watch;
use tracing::{Instrument, Span};

use crate::{
    Failure, Kind, Life,
    metrics::Metrics,
    retry::{Attempt, until_done},
    tls,
    trace::{self, Subject},
};

/// Where NATS is and who we are there.
#[derive(Args, Clone, Debug)]
pub struct NatsArgs {
    /// NATS servers, separated by commas.
    #[arg(
        long,
        env = "KEZ_CHAT_NATS_URL",
        value_name = "URL",
        value_delimiter = ',',
        default_value = "nats://127.0.0.1:4222"
    )]
    pub nats_url: Vec<String>,
    /// File with the seed of this service's nkey (SU…), which nobody else may read (mode 0600); without one it connects without credentials, which only a NATS for trials allows.
    #[arg(long, env = "KEZ_CHAT_NATS_NKEY", value_name = "FILE")]
    pub nats_nkey: Option<PathBuf>,
    /// File with the certificates (PEM) of the authority behind NATS's TLS [default: those that this system trusts].
    #[arg(long, env = "KEZ_CHAT_NATS_CA", value_name = "FILE")]
    pub nats_ca: Option<PathBuf>,
    /// File with the one certificate that NATS must show, whatever name it is reached by: for a nats-server of this process's own.
    #[arg(skip)]
    pub nats_certificate: Option<PathBuf>,
}

/// A connection. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Nats {
    /// The client.
    pub client: Client,
    /// JetStream over it, with our deadline.
    pub jetstream: jetstream::Context,
    connections: watch::Receiver<u64>,
    /// What nats-server said last was wrong.
    pub(crate) error: watch::Receiver<String>,
    pub(crate) metrics: Metrics,
}

/// Why a request got no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// Not connected, nobody there, or no answer in time.
    Away(String),
    /// The service answered with an error.
    Refused(Problem),
}

impl From<Unanswered> for Problem {
    fn from(e: Unanswered) -> Self {
        match e {
            Unanswered::Away(why) => {
                tracing::debug!(why, "a request got no answer");
                Code::Unavailable.into()
            }
            Unanswered::Refused(problem) => problem,
        }
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unanswered::Away(why) => f.write_str(why),
            Unanswered::Refused(problem) => problem.fmt(f),
        }
    }
}

impl Nats {
    /// Connects as `name`, with replies under `inbox_prefix`, and a gate in `life`. Tries until it succeeds or the process stops; only a seed file
    /// that can't be read, or that others can read, is a failure. `capacity` is how many messages may wait in one subscription before the connection drops some.
    pub async fn connect(
        args: &NatsArgs,
        name: &'static str,
        inbox_prefix: &str,
        capacity: usize,
        life: &Life,
    ) -> Result<Self, Failure> {
        let seed = args.nats_nkey.as_deref().map(seed).transpose()?;
        let tls = tls::client_config(args)?;
        let gate = life.ready.gate(name);
        until_done(life, "connecting to NATS", || async {
            let (sender, connections) = watch::channel(0u64);
            let (errors, error) = watch::channel(String::new());
            let (events, metrics) = (gate.clone(), life.metrics.clone());
            let options = ConnectOptions::new()
                .name(name)
                .custom_inbox_prefix(inbox_prefix)
                .subscription_capacity(capacity)
                .request_timeout(Some(limits::SERVICE_DEADLINE))
                // Two unanswered pings are a connection that is gone.
                .ping_interval(Duration::from_secs(3))
                .reconnect_delay_callback(|attempt| Duration::from_millis((50u64 << attempt.min(5)).min(1000)))
                .event_callback(move |event| {
                    let (sender, gate, metrics) = (sender.clone(), events.clone(), metrics.clone());
                    let errors = errors.clone();
                    async move {
                        match event {
                            Event::Connected => {
                                metrics.connected(name);
                                gate.open();
                                sender.send_modify(|n| *n += 1);
                            }
                            Event::Disconnected => gate.close("NATS is away"),
                            Event::SlowConsumer(_) => tracing::debug!("a subscription overflowed"),
                            Event::LameDuckMode | Event::Draining | Event::Closed => tracing::debug!(%event, "NATS"),
                            Event::ServerError(_) | Event::ClientError(_) => {
                                tracing::warn!(%event, "NATS");
                                errors.send_replace(event.to_string());
                            }
                        }
                    }
                });
            let options = match &seed {
                Some(seed) => options.nkey(seed.clone()),
                None => options,
            };
            let options = options.tls_client_config(tls.clone());
            let client = options.connect(&args.nats_url).await.map_err(|e| {
                let urls = args.nats_url.join(", ");
                let why = match e.kind() {
                    ConnectErrorKind::AuthorizationViolation => {
                        format!("{urls} refuses the nkey of {name}; it must have the accounts and keys of this deployment (docs/operations.md)")
                    },
                    _ => format!("{urls} can't be reached: {e}"),
                };
                gate.close(why.clone());
                Attempt::Again(why)
            })?;
            let mut jetstream = jetstream::new(client.clone());
            jetstream.set_timeout(limits::SERVICE_DEADLINE);
            gate.open();
            Ok(Self { client, jetstream, connections, error, metrics: life.metrics.clone() })
        })
        .await
    }

    /// Whether the connection is up.
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Changes with every new connection after the first; what was told in between may have been missed.
    pub fn connections(&self) -> watch::Receiver<u64> {
        self.connections.clone()
    }

    /// Asks a service and waits at most `deadline`. Fails at once while NATS is away: a request isn't queued for later.
    pub async fn request(
        &self,
        subject: impl Into<Subject>,
        payload: Bytes,
        deadline: Duration,
    ) -> Result<Message, Unanswered> {
        let answer = self.request_with_headers(subject, HeaderMap::new(), payload, deadline).await?;
        match service_error(&answer) {
            Some(problem) => Err(Unanswered::Refused(problem)),
            None => Ok(answer),
        }
    }

    /// The same with headers, and with the answer as it came, which may be a refusal.
    pub async fn request_with_headers(
        &self,
        subject: impl Into<Subject>,
        mut headers: HeaderMap,
        payload: Bytes,
        deadline: Duration,
    ) -> Result<Message, Unanswered> {
        let subject = subject.into();
        let span = trace::request(&subject);
        trace::tell(&span, &mut headers);
        self.exchange(subject, headers, payload, deadline, span).await
    }

    /// The same for JetStream, which stores headers, and puts its errors into the answer's body.
    pub(crate) async fn request_storing(
        &self,
        subject: Subject,
        headers: HeaderMap,
        payload: Bytes,
        deadline: Duration,
    ) -> Result<Message, Unanswered> {
        let span = trace::request(&subject);
        self.exchange(subject, headers, payload, deadline, span).await
    }

    async fn exchange(
        &self,
        Subject { text: subject, .. }: Subject,
        headers: HeaderMap,
        payload: Bytes,
        deadline: Duration,
        span: Span,
    ) -> Result<Message, Unanswered> {
        let exchange = async {
            if !self.is_connected() {
                return Err(Unanswered::Away("NATS is away".into()));
            }
            let mut request = async_nats::Request::new().payload(payload).timeout(Some(deadline));
            if !headers.is_empty() {
                request = request.headers(headers);
            }
            // The library's own timeout starts when the request is sent, and sending waits while the connection is full.
            match tokio::time::timeout(deadline, self.client.send_request(subject.clone(), request)).await {
                Ok(Ok(message)) => Ok(message),
                Ok(Err(e)) => {
                    let why = if e.kind() == RequestErrorKind::NoResponders {
                        "nobody answers"
                    } else {
                        "no answer"
                    };
                    Err(Unanswered::Away(format!("{subject}: {why}: {e}")))
                }
                Err(_) => Err(Unanswered::Away(format!("{subject}: no answer in {deadline:?}"))),
            }
        };
        let answer = exchange.instrument(span.clone()).await;
        trace::sent(&span, &answer);
        answer
    }
}

/// The seed in this file, which nobody else may read.
fn seed(file: &Path) -> Result<String, Failure> {
    kez_nats::read_seed(file).map_err(|e| {
        Failure::new(Kind::Configuration, format!("can't use the nkey seed: {}", e.with_cause()))
    })
}

/// The key whose seed is in this file.
pub(crate) fn key_pair(file: &Path) -> Result<KeyPair, Failure> {
    KeyPair::from_seed(&seed(file)?).map_err(|e| {
        Failure::new(Kind::Configuration, format!("{} holds no nkey seed (SU…): {e}", file.display()))
    })
}

/// A header as the server set it: the last value, since a publisher may have put a forged one before.
pub fn header<'a>(headers: Option<&'a HeaderMap>, name: &'static str) -> Option<&'a str> {
    headers?.get_last(name).map(|v| v.as_str())
}

/// What a service's answer refuses, if it does.
pub fn service_error(answer: &Message) -> Option<Problem> {
    let value = |name| header(answer.headers.as_ref(), name);
    let mut problem = Problem::from_service_error(value(headers::NATS_SERVICE_ERROR)?);
    let wait = value(headers::RETRY_AFTER).and_then(|seconds| seconds.parse().ok());
    problem.retry_after = wait.or(problem.retry_after);
    problem.head = value(headers::KEZ_CHAIN_HEAD).and_then(|head| serde_json::from_str(head).ok());
    Some(problem)
}
