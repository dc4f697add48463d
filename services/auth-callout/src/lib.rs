//! Who may come in. Answers nats-server's auth requests with user tokens that allow a person's own subjects and nothing else, and mints session tokens.
//! It stores nothing: its signing keys are files.

mod addresses;
mod audit;
mod config;
mod decision;
mod desk;
mod door;
mod follow;
mod hands;
mod internal;
mod late;
mod lines;
mod live;
pub mod protocol;
mod registry;
mod session;
mod session_keys;
mod system;
mod watch;

use std::{path::Path, sync::Arc, time::Duration};

pub use config::{Args, Config, Transport};
pub use internal::Internal;
use kez_kit::{Failure, Kind, Life, Nats, nats::NatsArgs, service, service::Service, task};
use kez_proto::{
    limits,
    subjects::{self, Role},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    addresses::Addresses, audit::Audit, decision::Rules, desk::Desk, door::Door, follow::Follow,
    late::Clocks, live::Live, protocol::Callout, registry::Registry, session::Sessions, system::System,
    watch::Watch,
};

/// What signs answers, and what seals them.
const ISSUER: &str = "callout-issuer.nk";
const XKEY: &str = "callout-xkey.nk";

/// The queue group of all instances.
const QUEUE: &str = "kez-auth-callout";

/// Runs until the process stops.
pub async fn run(
    config: Config,
    nats: &NatsArgs,
    internal: Internal,
    life: Life,
    drain: Duration,
) -> Result<(), Failure> {
    let gate = life.ready.gate("auth-callout-service");
    let (sealed, plain) = callouts(&config.keys)?;
    let connect = async |name, seed: Option<&str>| {
        let mut args = nats.clone();
        if let Some(file) = seed {
            args.nats_nkey = Some(config.keys.join(file));
        }
        Nats::connect(&args, name, &Role::AuthCallout.inbox_prefix(), 65_536, &life).await
    };
    let (kez, auth, system) = tokio::try_join!(
        connect(Role::AuthCallout.name(), None),
        connect("callout-auth", Some("callout-auth.nk")),
        connect("callout-system", Some("callout-system.nk")),
    )?;
    let system = System { nats: system };
    let registry = Registry::new(kez.clone());
    let live = Arc::new(Live::new(config.connections));
    let audit = Audit::start(&life.metrics);
    let sessions = Sessions::load(
        config.server.clone(),
        &config.keys.join("session"),
        config.session,
        config.plain_nonce,
        kez.clone(),
    )?;

    let stopped = CancellationToken::new();
    let _stop = stopped.clone().drop_guard();
    let follow = Follow {
        live: live.clone(),
        system: system.clone(),
        registry: registry.clone(),
        audit: audit.clone(),
    };
    follow.start(&kez, stopped.clone()).await?;
    let service = serve_sessions(&kez, &sessions).await?;

    let rules = Rules { server: config.server, plain_nonce: config.plain_nonce, login: config.login };
    let addresses = Addresses::new(config.limit_logins, config.direct);
    let door = Door { rules, sessions, registry, live, addresses, clocks: Clocks::new() };
    let desk = Arc::new(Desk { sealed, plain, door, audit: audit.clone() });
    internal.open(&desk);
    let requests = auth.client.queue_subscribe(subjects::AUTH_REQUEST, QUEUE.into()).await;
    let requests = requests.map_err(Failure::internal)?;
    let copies = auth.client.subscribe(subjects::AUTH_REQUEST).await.map_err(Failure::internal)?;
    let lost = Arc::new(Notify::new());
    let serving = desk.serve(auth.clone(), requests, copies, lost.clone(), life.shutdown.clone());
    let mut serving = task::spawn("logins", serving);
    // From here on the gate is the watch's: open while NATS knows the subscription above.
    let watch = Watch { auth, kez, system, audit: audit.clone(), gate, lost, leaving: life.shutdown.clone() };
    let watching = watch.start(stopped.clone()).await?;

    tokio::select! {
        biased;
        () = life.shutdown.cancelled() => {}
        _ = &mut serving => return Err(Failure::internal("logins are answered no more")),
    }
    let stopping = async {
        let _ = serving.await;
        service.stop(drain).await;
        stopped.cancel();
        let _ = watching.await;
    };
    if tokio::time::timeout(drain, stopping).await.is_err() {
        tracing::warn!("logins were still under way at the end of the drain window");
    }
    audit.tell_left_out();
    Ok(())
}

/// For sealed requests and for plain ones. While the deployment's keys are being replaced, there are those before, too: which of them nats-server has
/// is seen in each request.
fn callouts(keys: &Path) -> Result<(Callout, Callout), Failure> {
    let wrong = |problem: String| Failure::new(Kind::Configuration, problem);
    let read = |folder: &Path, name: &str| {
        kez_nats::read_seed(&folder.join(name)).map_err(|e| {
            wrong(format!("can't use a key of --callout-keys: {}; kez nats init makes them", e.with_cause()))
        })
    };
    let (issuer, xkey) = (read(keys, ISSUER)?, read(keys, XKEY)?);
    let mut both = Callout::new(&issuer, Some(&xkey)).zip(Callout::new(&issuer, None));
    let old = keys.join("old");
    let before = |name: &str, now: &String| match old.join(name).exists() {
        true => read(&old, name),
        false => Ok(now.clone()),
    };
    // One may be there without the other, where replacing them was cut off.
    let previous = (before(ISSUER, &issuer)?, before(XKEY, &xkey)?);
    if previous != (issuer, xkey) {
        let (issuer, xkey) = previous;
        let or = |(sealed, plain): (Callout, Callout)| {
            sealed.or(&issuer, Some(&xkey)).zip(plain.or(&issuer, None))
        };
        both = both.and_then(or);
    }
    both.ok_or_else(|| {
        wrong(format!(
            "{ISSUER} in {} isn't the seed of a NATS account (SA…), or {XKEY} isn't that of a curve key (SX…)",
            keys.display()
        ))
    })
}

async fn serve_sessions(nats: &Nats, sessions: &Arc<Sessions>) -> Result<Service, Failure> {
    let service = Service::start(nats, "kez-auth-callout", "session tokens").await?;
    macro_rules! endpoint {
        ($subject:expr, $handler:ident) => {{
            let sessions = sessions.clone();
            let handler = move |call: service::Call| {
                let sessions = sessions.clone();
                async move { sessions.$handler(call.payload).await }
            };
            service.endpoint($subject, handler).await?;
        }};
    }
    endpoint!(subjects::AUTH_SESSION, begin);
    endpoint!(subjects::AUTH_RENEW, renew);
    endpoint!(subjects::AUTH_JWKS, jwks);
    endpoint!(subjects::AUTH_DESCRIBE, describe);
    // Any answer on the same connection, also that nobody is there, shows that NATS has the subscriptions: ready means that a request finds them.
    let _ = nats.request(subjects::REGISTRY_LOOKUP, Default::default(), limits::SERVICE_DEADLINE).await;
    Ok(service)
}
