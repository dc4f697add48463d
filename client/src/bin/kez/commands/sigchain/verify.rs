//! `kez sigchain verify [key|handle|file]`

use kez_client::{Sigchain, sigchain::Document};
use kez_proto::Code;

use super::{
    own::{Own, none},
    state::report,
};
use crate::{
    context::Context,
    document,
    failure::Failure,
    who::{Who, outdated},
};

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
        Some(who) => served(context, who.parse().map_err(Failure::Usage)?).await?.in_force()?,
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

/// Somebody's log at the server.
pub struct Served {
    /// Each event of it is verified.
    pub log: Sigchain,
    /// Who was asked for is still under a key that the log has given up: this says so, for people.
    pub outdated: Option<String>,
}

impl Served {
    /// The log, if who was asked for is under its key in force.
    pub fn in_force(self) -> Result<Sigchain, Failure> {
        match self.outdated {
            None => Ok(self.log),
            Some(message) => Err(Failure::Verdict { name: Code::KeyNotInForce.as_str(), message }),
        }
    }
}

/// Somebody's log at the server, verified. A key may be an earlier one of it; what a name is under must be the one in force.
pub async fn served(context: &Context, who: Who) -> Result<Served, Failure> {
    let client = context.client(context.home.profile()?.as_ref())?;
    let name = match &who {
        Who::Name(address) => Some(address.handle.clone()),
        Who::Key(_) => None,
    };
    let key = who.key(context, &client).await?;
    let log = context.insist(client.base_url(), || client.sigchain(&key)).await?;
    let outdated = name.and_then(|name| outdated(&name, &key, &log));
    Ok(Served { log, outdated })
}
