//! The floor of the broker: the streams as we configure them, a publish with its acknowledgement, the republish, and a core subscription. Nothing of ours runs.

use std::sync::Arc;

use async_nats::{
    HeaderMap,
    jetstream::{
        self, Context,
        stream::{Config, Republish},
    },
};
use futures_util::StreamExt;
use kez_nats::config::Sync;
use kez_proto::{
    headers,
    subjects::{self, Role},
};
use kez_tests::nats::Nats;
use tokio::task::JoinSet;

use super::{NATS_SERVER, Sender, System, handle};
use crate::{
    arrivals::Arrivals,
    message::{self, Envelopes},
    process::Process,
};

/// As many as a new deployment has.
const PARTITIONS: u16 = 16;

/// A nats-server with our accounts and streams.
pub struct RawNats {
    nats: Nats,
    context: Context,
    arrivals: Arc<Arrivals>,
    envelopes: Envelopes,
    _reader: JoinSet<()>,
}

impl RawNats {
    pub async fn start(sync: Sync) -> Self {
        let mut nats = Nats::start().await;
        nats.kill();
        nats.sync = sync;
        nats.restart().await;
        let context = jetstream::new(nats.connect_as(Role::Fanout).await);
        for partition in 0..PARTITIONS {
            let source = subjects::store_of_partition(partition);
            let destination = subjects::INBOX_FROM_STORE.into();
            let config = Config {
                name: subjects::inbox_stream(partition),
                republish: Some(Republish { source: source.clone(), destination, headers_only: false }),
                subjects: vec![source],
                allow_direct: true,
                ..Default::default()
            };
            context.create_stream(config).await.expect("a stream");
        }
        let reader = nats.connect_as(Role::Gateway).await;
        let mut pushes = reader.subscribe("kez.chat.inbox.*").await.expect("a subscription");
        reader.flush().await.expect("the connection is open");
        let (arrivals, mut readers) = (Arc::new(Arrivals::new()), JoinSet::new());
        let came = arrivals.clone();
        readers.spawn(async move {
            while let Some(push) = pushes.next().await {
                came.came(message::number(&push.payload).expect("a message of this program"));
            }
        });
        Self { nats, context, arrivals, envelopes: Envelopes::new(), _reader: readers }
    }
}

impl System for RawNats {
    type Sender = Publisher;

    fn name(&self) -> &'static str {
        "JetStream alone"
    }

    fn processes(&self) -> Vec<Process> {
        vec![Process::new(NATS_SERVER, self.nats.pid())]
    }

    fn arrivals(&self) -> &Arc<Arrivals> {
        &self.arrivals
    }

    async fn sender(&self) -> Publisher {
        Publisher { context: self.context.clone(), envelopes: self.envelopes.clone() }
    }
}

/// Publishes on the one connection, as a fan-out does.
pub struct Publisher {
    context: Context,
    envelopes: Envelopes,
}

impl Sender for Publisher {
    async fn send(&mut self, to: usize, n: usize) {
        let handle = handle(to).parse().expect("a handle");
        let mut with = HeaderMap::new();
        with.insert(headers::NATS_MSG_ID, self.envelopes.id(n));
        with.insert(headers::CREATED_AT, "2026-11-23T00:00:00Z");
        let subject = subjects::store(&handle, PARTITIONS);
        let published = self.context.publish_with_headers(subject, with, self.envelopes.envelope(n).into());
        published.await.expect("it is sent").await.expect("it is acknowledged");
    }
}
