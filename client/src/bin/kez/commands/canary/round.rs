//! One message from its sender to itself.

use std::{
    fmt,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use kez_client::{
    Event,
    nats::Nats,
    sealing::{Opener, compose, seal},
};
use kez_proto::Handle;
use serde_json::{Map, Value, json};

use super::{
    CanaryArgs,
    mailbox::Mailbox,
    step::{Failed, Step, Way, within},
};
use crate::{
    commands::register::{self, own_or_new},
    context::{Context, Member},
    failure::Failure,
};

/// How long things took.
pub struct Took {
    /// From the POST until its answer.
    pub accepted: Duration,
    /// From that answer until the message was there.
    pub arrived: Vec<(Way, Duration)>,
}

impl Took {
    pub fn json(&self) -> Value {
        let arrived: Map<_, _> =
            self.arrived.iter().map(|(way, took)| (way.name().into(), ms(*took).into())).collect();
        json!({"ok": true, "accepted_ms": ms(self.accepted), "arrived_ms": arrived})
    }
}

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "accepted in {} ms, arrived", ms(self.accepted))?;
        let mut separator = " ";
        for (way, took) in &self.arrived {
            write!(f, "{separator}over {way} after {} ms", ms(*took))?;
            separator = ", ";
        }
        Ok(())
    }
}

/// In tenths.
fn ms(took: Duration) -> f64 {
    (took.as_secs_f64() * 10_000.0).round() / 10.0
}

pub async fn round(context: &Context, args: &CanaryArgs, nats: &mut Option<Nats>) -> Result<Took, Failed> {
    let deadline = args.deadline;
    let member = member(context, args.handle.as_ref());
    let member = within(Step::Register, Way::Http, deadline, member).await?;
    let Member { identity, profile, client } = &member;
    let mut mailboxes = Mailbox::open(context, &member, args, nats).await?;

    let cant_send = |failure: Failure| Failed::at(Step::Send, Way::Http, deadline)(failure);
    let message = compose(identity, identity.primary(), "canary").map_err(|e| cant_send(e.into()))?;
    let envelope = seal(identity, &message).map_err(|e| cant_send(e.into()))?;
    let begun = Instant::now();
    let sent = client.send(&profile.handle, &envelope);
    let sent = within(Step::Send, Way::Http, deadline, sent).await?;
    let answered = Instant::now();

    let opener = Opener::new(identity);
    let arrive = async |mailbox: &mut Mailbox| {
        let ours = |event| match event {
            Event::Message(mail) if mail.seq == sent.seq => Some(mail),
            _ => None,
        };
        let mail = mailbox.wait(Step::Arrive, deadline, ours).await?;
        let after = answered.elapsed();
        let wrong = match opener.open(mail.envelope.get(), mail.created_at) {
            Ok(opened) if opened == message => return Ok((mailbox.way, after)),
            Ok(_) => "it isn't the message that was sent".to_owned(),
            Err(refusal) => refusal.to_string(),
        };
        Err(Failed::at(Step::Open, mailbox.way, deadline)(Failure::refused(wrong)))
    };
    let arrived = try_join_all(mailboxes.iter_mut().map(arrive)).await;
    // Whatever became of the message: the inbox mustn't grow.
    let deleted = client.delete(identity, &profile.server, &profile.handle, sent.seq);
    let deleted = within(Step::Delete, Way::Http, deadline, deleted).await;
    let arrived = arrived?;
    // Another canary with this key may have been sooner.
    if deleted?.purged == 0 {
        let oldest = client.inbox(identity, &profile.handle, 0, Some(1));
        let oldest = within(Step::Delete, Way::Http, deadline, oldest).await?;
        if oldest.messages.first().is_some_and(|mail| mail.seq <= sent.seq) {
            let there = Failure::refused("the message is still there");
            return Err(Failed::at(Step::Delete, Way::Http, deadline)(there));
        }
    }
    Ok(Took { accepted: answered - begun, arrived })
}

/// The canary, which registers if it hasn't yet.
async fn member(context: &Context, handle: Option<&Handle>) -> Result<Member, Failure> {
    if context.home.profile()?.is_none() {
        let identity = own_or_new(context)?;
        let handle = match handle {
            Some(handle) => handle.clone(),
            None => format!("canary-{}", &identity.primary().hex()[..8]).parse().map_err(Failure::refused)?,
        };
        register::run(context, handle).await?;
    }
    context.member()
}
