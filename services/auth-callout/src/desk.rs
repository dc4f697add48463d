//! Takes nats-server's requests and answers them: many at once, none waits for another.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::{Message, Subscriber};
use futures_util::StreamExt;
use kez_kit::{Nats, nats::header, task};
use time::OffsetDateTime;
use tokio::sync::{Notify, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    audit::Audit,
    decision::Reason,
    door::{Asked, Attempt, Denied, Door},
    hands::Hands,
    late::WAITED_FOR,
    protocol::{self, Answered, Callout, Invalid},
};

/// Logins that are decided at once; more wait, as long as nats-server does.
const CONCURRENCY: usize = 1024;

/// How often what was lost is looked for, as long as somebody may wait for it: word that an instance is gone comes on another connection than the copies of
/// what it was given, and may be there before them.
const LOOK: Duration = Duration::from_millis(100);

/// Decides, answers, and tells of it.
pub struct Desk {
    /// For requests over NATS, which are sealed.
    pub sealed: Callout,
    /// For requests on the admin listener, which aren't.
    pub plain: Callout,
    pub door: Door,
    pub audit: Audit,
}

impl Desk {
    /// Answers until `stop`: then it leaves the queue, and finishes what it was given. `copies` are of all requests; `lost` says that another instance
    /// is gone with what it was given.
    pub async fn serve(
        self: Arc<Self>,
        nats: Nats,
        mut requests: Subscriber,
        mut copies: Subscriber,
        lost: Arc<Notify>,
        stop: CancellationToken,
    ) {
        let logins = TaskTracker::new();
        let places = Arc::new(Semaphore::new(CONCURRENCY));
        let mut hands = Hands::default();
        let mut leaving = false;
        let mut lost_until = Instant::now();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let begin = |message, came: Instant, taken_over| {
            let (desk, nats, places) = (self.clone(), nats.clone(), places.clone());
            let login = async move {
                let place = tokio::time::timeout_at((came + WAITED_FOR).into(), places.acquire()).await;
                match place {
                    Ok(_) => desk.answer(&nats, message, Asked::Login { came, taken_over }).await,
                    Err(_) => desk.audit.invalid("nats", Invalid::Late),
                }
            };
            task::spawn("login", logins.track_future(login));
        };
        loop {
            tokio::select! {
                message = requests.next() => {
                    let Some(message) = message else { break };
                    let came = Instant::now();
                    if message.reply.as_ref().is_some_and(|reply| hands.own(reply, came)) {
                        begin(message, came, false);
                    }
                }
                Some(copy) = copies.next() => hands.copied(copy, Instant::now()),
                () = lost.notified() => lost_until = Instant::now() + WAITED_FOR,
                _ = look.tick(), if Instant::now() < lost_until => {
                    for (came, message) in hands.take(Instant::now()) {
                        begin(message, came, true);
                    }
                }
                () = stop.cancelled(), if !leaving => {
                    leaving = true;
                    if requests.drain().await.is_err() {
                        break;
                    }
                }
            }
        }
        logins.close();
        logins.wait().await;
        let _ = nats.client.flush().await;
    }

    async fn answer(&self, nats: &Nats, message: Message, asked: Asked) {
        let Some(reply) = message.reply else { return };
        let xkey = header(message.headers.as_ref(), protocol::XKEY_HEADER);
        let decided = self.decide(&self.sealed, asked, &message.payload, xkey).await;
        let Ok(payload) = decided else { return };
        if let Err(error) = nats.client.publish(reply, payload.into()).await {
            tracing::warn!(%error, "a login couldn't be answered");
        }
    }

    /// The answer to a request, of which this tells.
    pub async fn decide(
        &self,
        callout: &Callout,
        asked: Asked,
        payload: &[u8],
        xkey: Option<&str>,
    ) -> Result<Vec<u8>, Invalid> {
        let from = match asked {
            Asked::Login { .. } => "nats",
            Asked::ByHand => "http",
        };
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let answered = callout.answer(payload, xkey, now, &Attempt { door: &self.door, asked }).await;
        let answered = answered.and_then(|answered| match answered.decision {
            Err(Denied { reason: Reason::Late, .. }) => Err(Invalid::Late),
            _ => Ok(answered),
        });
        let Answered { payload, request, decision } =
            answered.inspect_err(|why| self.audit.invalid(from, *why))?;
        match decision {
            Ok(user) => self.audit.accepted(&request, &user.name),
            Err(denied) => self.audit.denied(&request, denied.handle.as_ref(), denied.reason),
        }
        Ok(payload)
    }
}
