//! `kez identity new [--words 12|24]`

use kez_client::{Identity, home};
use kez_proto::identity::mnemonic;
use serde_json::json;
use zeroize::Zeroizing;

use super::Words;
use crate::{context::Context, failure::Failure};

pub fn run(context: &Context, words: Option<Words>) -> Result<(), Failure> {
    let path = context.home.key_path();
    if context.home.has_identity() {
        return Err(home::Error::IdentityExists(path).into());
    }
    let (identity, phrase) = make(words)?;
    context.home.create_identity(&identity)?;
    let (primary, file) = (identity.primary(), path.display().to_string());
    let mut program = json!({"primary": primary, "key_file": file});
    let human = match &phrase {
        Some(phrase) => {
            program["phrase"] = phrase.as_str().into();
            Zeroizing::new(format!(
                "{primary}\nThe secret key is in {file}\n\
                 Write these words down. Whoever has them is you, and with them you get back all that is yours: kez identity from-mnemonic\n\n{}\n",
                phrase.as_str()
            ))
        }
        None => Zeroizing::new(format!(
            "{primary}\nThe secret key is in {file}\n\
             Whoever has the file is you, and without it nobody can be. Write its words down: kez identity export"
        )),
    };
    Ok(context.out.result(&human, &program)?)
}

/// A key and, if they are wanted, its words.
fn make(words: Option<Words>) -> Result<(Identity, Option<Zeroizing<String>>), Failure> {
    if !matches!(words, Some(Words::Twelve)) {
        let identity = Identity::generate()?;
        let phrase = words.map(|_| identity.phrase());
        return Ok((identity, phrase));
    }
    let mut entropy = Zeroizing::new([0; 16]);
    getrandom::fill(&mut *entropy)?;
    let phrase = mnemonic::of_entropy(&entropy);
    let seed = mnemonic::seed(&phrase).map_err(Failure::refused)?;
    Ok((Identity::from_seed(&seed), Some(phrase)))
}
