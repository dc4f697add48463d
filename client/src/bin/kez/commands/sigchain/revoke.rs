//! `kez sigchain revoke <subject|device>`

use kez_client::now;
use kez_proto::{
    Code,
    identity::{Chain, Event, Op, Subject, Target},
};
use serde_json::json;

use super::own::{Own, refused};
use crate::{context::Context, failure::Failure};

pub async fn run(context: &Context, what: &str) -> Result<(), Failure> {
    let own = Own::new(context)?;
    let outcome = own.extend(|chain| {
        let op = chain.and_then(|chain| Some(Op::Revoke(target(chain, what)?)));
        let op = op.ok_or_else(|| refused(Code::NothingToRevoke))?;
        Event::sign(chain, &op, now(), &own.identity).map(Some).map_err(refused)
    });
    if let Some(event) = outcome.await? {
        let human = format!(
            "your log says that {} is yours no more (event {})",
            kez_client::text::line(what),
            event.seq
        );
        context.out.result(&human, &json!({"seq": event.seq, "hash": event.link}))?;
    }
    Ok(())
}

/// What the log has under this name: an account, else a device.
fn target(chain: &Chain, what: &str) -> Option<Target> {
    let subject = what.parse::<Subject>().ok().filter(|subject| chain.subjects().contains_key(subject));
    let device = || chain.devices().contains_key(what).then(|| Target::Device(what.to_owned()));
    subject.map(Target::Subject).or_else(device)
}
