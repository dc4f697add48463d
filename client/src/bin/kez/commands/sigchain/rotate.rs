//! `kez sigchain rotate`: a new key, on disk before anybody hears of it, and in the key file only after the server has taken it.

use std::path::Path;

use kez_client::{Identity, key_file, now};
use kez_proto::{Code, error::Action, identity::Event};
use serde_json::json;

use super::{
    own::{Own, refused},
    post,
};
use crate::{context::Context, failure::Failure, prompt};

pub async fn run(context: &Context, file: Option<&Path>, yes: bool) -> Result<(), Failure> {
    let own = Own::new(context)?;
    let given = file.map(key_file::load).transpose()?;
    let began = context.home.next_identity()?;
    check(&own.identity, given.as_ref(), began.as_ref())?;
    if began.is_none() {
        let question =
            "Your log and your name go on under a new key, and never again under this one. Change it?";
        prompt::consent(context.out, yes, question, "nothing was changed")?;
    }
    // Asked first: for a change that can't be, no key is made.
    let log = own.current().await?;
    let in_force = log.map_or(own.key(), |log| log.state().primary());
    if began.is_none() && in_force != own.key() {
        return Err(refused(Code::KeyNotInForce));
    }
    let (new, made) = match (began, given) {
        (Some(new), given) => {
            context.out.status(&format!("going on with the change to {} that has begun", new.primary()));
            (new, given.is_none())
        }
        (None, Some(new)) => (new, false),
        (None, None) => (Identity::generate()?, true),
    };
    if !context.home.is_changing() {
        context.home.keep_next_identity(&new)?;
    }
    append(context, &own, &new).await?;
    context.home.change_identity()?;
    tell(context, &own, &new, made).await
}

/// Whether these keys can follow this one.
fn check(now: &Identity, given: Option<&Identity>, began: Option<&Identity>) -> Result<(), Failure> {
    match (given, began) {
        (Some(given), _) if given.primary() == now.primary() => {
            Err(Failure::refused("that is the key that you have; nothing was changed"))
        }
        (Some(given), Some(began)) if given.primary() != began.primary() => Err(Failure::refused(format!(
            "a change to {} has begun; end it first: kez sigchain rotate",
            began.primary()
        ))),
        _ => Ok(()),
    }
}

/// Appends the change, unless an earlier try has.
async fn append(context: &Context, own: &Own<'_>, new: &Identity) -> Result<(), Failure> {
    let key = new.primary().into();
    let outcome = own.extend(|chain| match chain {
        Some(chain) if chain.primary() == key => Ok(None),
        chain => Event::sign_rotation(chain, now(), &own.identity, new).map(Some).map_err(refused),
    });
    let failure = match outcome.await {
        Ok(Some(_)) => return Ok(()),
        Ok(None) => refused(Code::KeyNotInForce),
        Err(failure) if is_final(&failure) => failure,
        Err(failure) => return Err(failure),
    };
    match own.current().await? {
        // An earlier try has, or one whose answer was lost. Whether the name followed it, nobody knows.
        Some(log) if log.state().primary() == key => post::last_rotation(context, &own.client, &log).await,
        _ => {
            context.home.give_up_change()?;
            Err(match failure {
                Failure::Refused { message, code } => {
                    Failure::Refused { message: format!("{message}. Your key wasn't changed"), code }
                }
                failure => failure,
            })
        }
    }
}

/// Whether no later try can go better.
fn is_final(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused { code: Some(code), .. } if code.action() == Action::GiveUp)
}

async fn tell(context: &Context, own: &Own<'_>, new: &Identity, made: bool) -> Result<(), Failure> {
    let (primary, file) = (new.primary(), context.home.key_path().display().to_string());
    let was = own.identity.primary();
    let mut human = format!(
        "you go on under {primary}\nThe secret key is in {file}, the one before it in the folder old-keys beside it: keep that, old mail needs it."
    );
    let mut program = json!({"primary": primary, "was": was, "key_file": file});
    if let Some(profile) = context.home.profile()? {
        let address = profile.address();
        match own.client.by_primary(&primary).await {
            Ok(record) if record.handle == profile.handle => {
                program["address"] = json!(address);
                human.push_str(&format!("\n{address} goes on under it, too."));
            }
            Ok(record) => context.out.status(&format!(
                "Warning: this key has the name {} there already, and {address} stays with the key before it",
                record.handle
            )),
            Err(_) => context.out.status(&format!(
                "the server doesn't say yet that {address} is under the new key; ask it again: kez sigchain publish"
            )),
        }
    }
    if made {
        human.push_str(
            "\nThe words of the old key don't bring you back any more. Write those of the new one down: kez identity export",
        );
    }
    Ok(context.out.result(&human, &program)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_later_try_can_change_ends_a_change() {
        for code in [Code::ChainFull, Code::KeyInUse, Code::KeyNotInForce, Code::HandleNeedsEd25519] {
            assert!(is_final(&refused(code)), "{code}");
        }
        for code in [Code::Unavailable, Code::Internal, Code::RateLimited, Code::BadSignature] {
            assert!(!is_final(&refused(code)), "{code}");
        }
        assert!(!is_final(&Failure::refused("nobody is there")));
    }
}
