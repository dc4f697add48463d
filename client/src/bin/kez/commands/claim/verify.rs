//! `kez claim verify <file>`

use kez_client::{now, sigchain::Document, text};
use kez_proto::identity::Claim;
use serde_json::json;

use crate::{context::Context, document, failure::Failure};

pub fn run(context: &Context, file: &str) -> Result<(), Failure> {
    match document::read(file)? {
        Document::Claim(signed) => claim(context, &signed),
        Document::Sigchain(_) => Err(Failure::refused(format!(
            "{file} is no claim but an identity log; look at it with: kez sigchain verify {file}"
        ))),
    }
}

/// Says whose a claim is, unless it has ended.
pub fn claim(context: &Context, claim: &Claim) -> Result<(), Failure> {
    let Claim { subject, primary, created_at, expires_at } = claim;
    let subject_text = text::line(&subject.to_string());
    if let Some(end) = expires_at.filter(|_| claim.is_over(now())) {
        let message =
            format!("{primary} signed that it is {subject_text}, and that this ends at {end}: it has");
        return Err(Failure::Verdict { name: "expired", message });
    }
    let end = expires_at.map_or(String::new(), |end| format!(", until {end}"));
    let human = format!(
        "good: {primary} signed at {created_at} that it is {subject_text}{end}\nWhether {subject_text} says so, too, shows where you found this."
    );
    let program = json!({"outcome": "good", "kind": "claim", "subject": subject, "primary": primary, "created_at": created_at, "expires_at": expires_at});
    Ok(context.out.result(&human, &program)?)
}
