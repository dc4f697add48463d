//! `kez verify <file|key|handle>`

use kez_client::sigchain::Document;

use super::{claim, sigchain};
use crate::{context::Context, document, failure::Failure};

pub async fn run(context: &Context, what: &str) -> Result<(), Failure> {
    if document::is_file(what) {
        return match document::read(what)? {
            Document::Claim(signed) => claim::report(context, &signed),
            Document::Sigchain(log) => sigchain::good(context, &log),
        };
    }
    let who = what.parse().map_err(|why| {
        Failure::Usage(format!("{what:?} is no file that is there, and no key or handle: {why}"))
    })?;
    sigchain::good(context, &sigchain::served(context, who).await?.in_force()?)
}
