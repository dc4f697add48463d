//! `kez admin suspend`, `lift` and `release`: what the operator signs about a handle. `kez admin purge`: what is done to its mail.

use clap::Args;
use kez_proto::{
    Handle,
    order::{Action, OperatorOrder, TAG},
    registry::Ordered,
    subjects,
};
use serde_json::json;

use crate::{
    args,
    context::Context,
    failure::Failure,
    operator::{Operator, OperatorFlags},
    prompt,
};

pub const SUSPEND: &str = "\
It gets no mail, and its key opens no door: no session, no stream, no login to NATS; what is open ends within a minute. Its key and its mail stay its. Anybody can
see that it is suspended.

Examples:
  kez admin suspend mallory
  kez admin lift mallory";

pub const RELEASE: &str = "\
As if its owner had given it back: for 90 days their key alone can take it again, and after that nobody ever can. A suspension stays.

Example:
  kez admin suspend mallory && kez admin release mallory --yes";

pub const PURGE: &str = "\
All that its inbox holds now, for all of its owner's devices. It can't be brought back, but by a restore of everything.

Example:
  kez admin purge mallory --yes";

#[derive(Args)]
pub struct HandleArgs {
    /// The handle
    #[arg(value_parser = args::handle)]
    handle: Handle,
    #[command(flatten)]
    operator: OperatorFlags,
}

#[derive(Args)]
pub struct GraveArgs {
    #[command(flatten)]
    about: HandleArgs,
    /// Don't ask
    #[arg(long, short)]
    yes: bool,
}

pub async fn suspend(context: &Context, args: &HandleArgs) -> Result<(), Failure> {
    order(context, args, Action::Suspend).await
}

pub async fn lift(context: &Context, args: &HandleArgs) -> Result<(), Failure> {
    order(context, args, Action::Lift).await
}

pub async fn release(context: &Context, args: &GraveArgs) -> Result<(), Failure> {
    let handle = &args.about.handle;
    let question = format!("Give {handle} back in its owner's place?");
    prompt::consent(context.out, args.yes, &question, "nothing was given back")?;
    order(context, &args.about, Action::Release).await
}

async fn order(context: &Context, args: &HandleArgs, action: Action) -> Result<(), Failure> {
    let operator = Operator::connect(&args.operator).await?;
    let server = operator.deployment().await?.server;
    let handle = &args.handle;
    let give = async || {
        let now = kez_client::now();
        let order =
            OperatorOrder::new(action, handle.clone(), operator.identity.primary(), server.clone(), now);
        let envelope = operator.identity.sign_envelope(TAG, &order).map_err(Failure::refused)?;
        operator.request::<Ordered>(subjects::REGISTRY_ORDER, &envelope).await
    };
    let Ordered { suspended, .. } = context.sign_again_if_stale(give).await?;
    let address = format!("{handle}@{server}");
    let human = match (action, suspended) {
        (Action::Suspend, _) => format!("{address} is suspended; to undo it: kez admin lift {handle}"),
        (Action::Lift, _) => format!("{address} is as any other again"),
        (Action::Release, false) => format!("{address} is given back"),
        (Action::Release, true) => format!("{address} is given back, and suspended whoever takes it"),
    };
    let program = json!({"handle": handle, "action": action, "suspended": suspended});
    Ok(context.out.result(&human, &program)?)
}

pub async fn purge(context: &Context, args: &GraveArgs) -> Result<(), Failure> {
    let handle = &args.about.handle;
    let operator = Operator::connect(&args.about.operator).await?;
    let deployment = operator.deployment().await?;
    let address = format!("{handle}@{}", deployment.server);
    let question = format!("Delete all mail of {address}, for all of its owner's devices?");
    prompt::consent(context.out, args.yes, &question, "nothing was deleted")?;
    let purged = operator.purge(handle, deployment.partitions).await?;
    let messages = if purged == 1 { "message" } else { "messages" };
    let human = format!("deleted {purged} {messages} of {address}");
    Ok(context.out.result(&human, &json!({"handle": handle, "purged": purged}))?)
}
