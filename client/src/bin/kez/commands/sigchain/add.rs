//! `kez sigchain add <subject>` and `kez sigchain add-device <id> <name>`

use kez_client::now;
use kez_proto::identity::{Chain, Event, Op, Subject};
use serde_json::json;

use super::own::{Own, refused};
use crate::{context::Context, failure::Failure};

pub async fn subject(context: &Context, subject: Subject, proof_url: Option<String>) -> Result<(), Failure> {
    let listed = |chain: &Chain| chain.subjects().get(&subject).is_some_and(|l| l.proof_url == proof_url);
    let op = Op::Add { subject: subject.clone(), proof_url: proof_url.clone() };
    add(context, &op, &subject.to_string(), listed).await
}

pub async fn device(context: &Context, device: String, name: String) -> Result<(), Failure> {
    let listed = |chain: &Chain| chain.devices().get(&device).is_some_and(|d| d.name == name);
    let op = Op::AddDevice { device: device.clone(), name: name.clone() };
    add(context, &op, &device, listed).await
}

/// Appends what isn't there yet, so that doing it twice does no harm.
async fn add(
    context: &Context,
    op: &Op,
    what: &str,
    is_there: impl Fn(&Chain) -> bool,
) -> Result<(), Failure> {
    let own = Own::new(context)?;
    let outcome = own.extend(|chain| match chain {
        Some(chain) if is_there(chain) => Ok(None),
        chain => Event::sign(chain, op, now(), &own.identity).map(Some).map_err(refused),
    });
    let what = kez_client::text::line(what);
    match outcome.await? {
        Some(event) => {
            let program = json!({"seq": event.seq, "hash": event.link, "already": false});
            context
                .out
                .result(&format!("your log says that {what} is yours (event {})", event.seq), &program)?;
        }
        None => {
            context.out.result(&format!("your log says so of {what} already"), &json!({"already": true}))?;
        }
    }
    Ok(())
}
