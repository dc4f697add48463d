//! `kez sigchain show [key|handle]`

use super::{own::Own, state::report, verify::served};
use crate::{context::Context, failure::Failure, who::Who};

pub async fn run(context: &Context, who: Option<Who>) -> Result<(), Failure> {
    let log = match who {
        None => Own::new(context)?.latest().await?,
        Some(who) => {
            let served = served(context, who).await?;
            if let Some(why) = served.outdated {
                context.out.status(&format!("Warning: {why}"));
            }
            served.log
        }
    };
    report(context, &log, None)
}
