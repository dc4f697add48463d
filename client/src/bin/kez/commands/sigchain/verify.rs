//! `kez sigchain verify [key|handle|file]`

use kez_client::{Sigchain, sigchain::Document};

use super::{
    own::{Own, none},
    state::report,
};
use crate::{context::Context, document, failure::Failure, who::Who};

pub async fn run(context: &Context, what: Option<&str>) -> Result<(), Failure> {
    let log = match what {
        None => Own::new(context)?.current().await?.ok_or_else(none)?,
        Some(file) if document::is_file(file) => match document::read(file)? {
            Document::Sigchain(log) => log,
            Document::Claim(_) => {
                return Err(Failure::refused(format!(
                    "{file} is a claim, and no identity log; look at it with: kez claim verify {file}"
                )));
            }
        },
        Some(who) => served(context, who.parse().map_err(Failure::Usage)?).await?,
    };
    good(context, &log)
}

/// Says that a log is good, and what it has come to.
pub fn good(context: &Context, log: &Sigchain) -> Result<(), Failure> {
    report(
        context,
        log,
        Some(&format!("good: {} events, each signed by the key in force", log.events().len())),
    )
}

/// Somebody's log at the server, verified.
pub async fn served(context: &Context, who: Who) -> Result<Sigchain, Failure> {
    let client = context.client(context.home.profile()?.as_ref())?;
    let key = who.key(context, &client).await?;
    Ok(context.insist(client.base_url(), || client.sigchain(&key)).await?)
}
