//! `kez sigchain publish [file]`: the whole log for a server that has less of it, or nothing.

use kez_client::{
    Client, Sigchain,
    sigchain::{Document, Likeness},
};
use kez_proto::{Code, identity::Event, sigchain::Head};
use serde_json::{json, value::RawValue};

use super::own::{Own, refused};
use crate::{context::Context, document, failure::Failure};

pub async fn run(context: &Context, file: Option<&str>) -> Result<(), Failure> {
    let log = match file {
        Some(file) => from_file(file)?,
        None => Own::new(context)?.kept()?.ok_or_else(|| {
            Failure::refused("there is no copy of your log on this computer; get one with: kez sigchain show")
        })?,
    };
    let client = context.client(context.home.profile()?.as_ref())?;
    let had = had(context, &client, &log).await?;
    for event in &log.events()[had..] {
        append(context, &client, &log, event).await?;
    }
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

/// How many of the events the server has.
async fn had(context: &Context, client: &Client, log: &Sigchain) -> Result<usize, Failure> {
    let (url, id) = (client.base_url(), log.state().id());
    let served = match context.insist(url, || client.sigchain(&id)).await {
        Ok(served) => served,
        Err(error) if error.code() == Some(Code::UnknownChain) => return Ok(0),
        Err(error) => return Err(error.into()),
    };
    match log.compare(&served) {
        Likeness::Ahead => Ok(served.events().len()),
        Likeness::Same | Likeness::Behind => Ok(log.events().len()),
        Likeness::Forked { at } => Err(Failure::refused(format!(
            "{url} has another log of {id}: they differ in event {at}. Nothing was published"
        ))),
    }
}

async fn append(context: &Context, client: &Client, log: &Sigchain, event: &str) -> Result<(), Failure> {
    let Event { seq, link, .. } = Event::verify(event.as_bytes()).map_err(refused)?;
    let raw = RawValue::from_string(event.to_owned()).map_err(Failure::refused)?;
    let (url, id) = (client.base_url(), log.state().id());
    let answer = context.insist(url, || client.append(&id, &raw)).await?;
    if answer.seq == seq && answer.hash == link {
        Ok(())
    } else {
        Err(Failure::refused(format!(
            "{url} answered with event {} {}, which isn't event {seq}",
            answer.seq, answer.hash
        )))
    }
}
