//! The canary's own mail stream, over one way.

use std::time::Duration;

use futures_util::{StreamExt, stream::BoxStream};
use kez_client::{
    Cursor, Error, Event, listen,
    nats::{self, Nats},
};
use tokio::time::timeout;

use super::{
    CanaryArgs,
    step::{Failed, Step, Way, within},
};
use crate::{
    context::{Context, Member},
    failure::Failure,
};

pub struct Mailbox {
    pub way: Way,
    events: BoxStream<'static, Result<Event, Error>>,
}

impl Mailbox {
    /// Opens one for each way that is asked for. Where NATS is, is found out once, and anew after a failure.
    pub async fn open(
        context: &Context,
        member: &Member,
        args: &CanaryArgs,
        known: &mut Option<Nats>,
    ) -> Result<Vec<Self>, Failed> {
        let Member { identity, profile, client } = member;
        let events = listen(client.clone(), identity.clone(), profile.handle.clone(), Cursor::default());
        let mut all = vec![Self { way: Way::Http, events: events.boxed() }];
        if args.nats.nats.is_some() {
            let nats = match known {
                Some(nats) => nats.clone(),
                None => {
                    let nats = context.nats(member, args.nats.clone(), || client.server());
                    known.insert(within(Step::Connect, Way::Nats, args.deadline, nats).await?).clone()
                }
            };
            all.push(Self { way: Way::Nats, events: nats::listen(nats, Cursor::default()).boxed() });
        }
        for mailbox in &mut all {
            let connected = |event| matches!(event, Event::Connected { .. }).then_some(());
            // Where NATS is may be another place by now.
            mailbox.wait(Step::Connect, args.deadline, connected).await.inspect_err(|_| *known = None)?;
        }
        Ok(all)
    }

    /// Waits for an event.
    pub async fn wait<T>(
        &mut self,
        step: Step,
        deadline: Duration,
        wanted: impl Fn(Event) -> Option<T>,
    ) -> Result<T, Failed> {
        let mut trouble = None;
        let wait = async {
            loop {
                match self.events.next().await {
                    Some(Ok(Event::Disconnected { reason, .. })) => trouble = Some(reason),
                    Some(Ok(event)) => {
                        if let Some(found) = wanted(event) {
                            return Ok(found);
                        }
                    }
                    Some(Err(error)) => return Err(Failure::from(error)),
                    None => return Err(Failure::refused("the stream ended")),
                }
            }
        };
        let outcome = match timeout(deadline, wait).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::refused(trouble.unwrap_or_else(|| "nothing came".into()))),
        };
        outcome.map_err(Failed::at::<Failure>(step, self.way, deadline))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn whatever_does_not_come_is_named() {
        let disconnected = Event::Disconnected { reason: "gone".into(), retry_in: Duration::ZERO };
        let silent = stream::iter([Ok(disconnected)]).chain(stream::pending());
        for (events, why) in [
            (stream::pending().boxed(), "nothing came"),
            (silent.boxed(), "gone"),
            (stream::empty().boxed(), "the stream ended"),
        ] {
            let mut mailbox = Mailbox { way: Way::Nats, events };
            let failed = mailbox.wait(Step::Arrive, Duration::from_millis(10), |_| None::<()>).await;
            let failed = failed.unwrap_err().to_string();
            assert_eq!(failed, format!("failed at arrive over NATS, within 0 s: {why}"));
        }
    }
}
