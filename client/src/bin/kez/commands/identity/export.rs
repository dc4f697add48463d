//! `kez identity export [--seed]`

use serde_json::json;

use crate::{context::Context, failure::Failure, prompt};

pub fn run(context: &Context, seed: bool, yes: bool) -> Result<(), Failure> {
    let identity = context.home.identity()?;
    let what = if seed { "seed" } else { "words" };
    let question = format!("Whoever sees the {what} is you, for ever. Does nobody look over your shoulder?");
    prompt::consent(context.out, yes, &question, "nothing was printed")?;
    if seed {
        let seed = identity.seed_hex();
        return Ok(context.out.result(&seed, &json!({"seed": seed.as_str()}))?);
    }
    let phrase = identity.phrase();
    context.out.result(&phrase, &json!({"phrase": phrase.as_str()}))?;
    context.out.status("A key that was made from 12 words has these 24, too; the 12 stay as good.");
    Ok(())
}
