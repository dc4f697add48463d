//! `kez sigchain publish [file]`: the whole log for a server that has less of it, or nothing; and the name follows a change of keys that was cut off.

use kez_client::{
    Client, Sigchain,
    sigchain::{Document, Likeness},
};
use kez_proto::{Code, sigchain::Head};
use serde_json::json;

use super::{own::Own, post};
use crate::{context::Context, document, failure::Failure};

pub async fn run(context: &Context, file: Option<&str>) -> Result<(), Failure> {
    let log = match file {
        Some(file) => from_file(file)?,
        None => Own::new(context)?.kept()?.ok_or_else(|| {
            Failure::refused("there is no copy of your log on this computer; get one with: kez sigchain show")
        })?,
    };
    let client = context.client(context.home.profile()?.as_ref())?;
    let (log, had) = compared(context, &client, log).await?;
    for event in &log.events()[had..] {
        post::event(context, &client, &log, event).await?;
    }
    post::last_rotation(context, &client, &log).await?;
    let (all, published) = (log.events().len(), log.events().len() - had);
    let human = format!("{} has all {all} events; it had {had} of them before", client.base_url());
    let head = Head::from(log.state());
    context.out.result(
        &human,
        &json!({"id": log.state().id(), "events": all, "published": published, "head": head}),
    )?;
    Ok(())
}

fn from_file(file: &str) -> Result<Sigchain, Failure> {
    match document::read(file)? {
        Document::Sigchain(log) => Ok(log),
        Document::Claim(_) => Err(Failure::refused(format!("{file} is a claim, and no identity log"))),
    }
}

/// The whole log, which may be the server's, and how many of its events the server has.
async fn compared(context: &Context, client: &Client, log: Sigchain) -> Result<(Sigchain, usize), Failure> {
    let (url, id) = (client.base_url(), log.state().id());
    let served = match context.insist(url, || client.sigchain(&id)).await {
        Ok(served) => served,
        Err(error) if error.code() == Some(Code::UnknownChain) => return Ok((log, 0)),
        Err(error) => return Err(error.into()),
    };
    match log.compare(&served) {
        Likeness::Ahead => Ok((log, served.events().len())),
        Likeness::Same | Likeness::Behind => {
            let had = served.events().len();
            Ok((served, had))
        }
        Likeness::Forked { at } => Err(Failure::refused(format!(
            "{url} has another log of {id}: they differ in event {at}. Nothing was published"
        ))),
    }
}
