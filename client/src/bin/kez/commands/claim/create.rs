//! `kez claim create <subject>`

use clap::ValueEnum;
use kez_client::now;
use kez_proto::{
    Code, ServerName, Timestamp,
    identity::{Claim, Subject, System, proof},
    json,
};
use serde_json::json;

use super::Form;
use crate::{context::Context, failure::Failure};

const DAY: i64 = 86_400;

pub fn run(context: &Context, subject: Subject, expires: Option<u32>, form: Form) -> Result<(), Failure> {
    let identity = context.home.identity()?;
    let created_at = now();
    let end = expires.map(|days| Timestamp::from_unix(created_at.unix() + i64::from(days) * DAY));
    let expires_at = end.map(|end| end.ok_or(Code::InvalidTimestamp)).transpose();
    let signed = expires_at.and_then(|end| {
        let signed = Claim::sign(subject.clone(), created_at, end, &identity)?;
        let value = serde_json::to_value(&signed).map_err(|_| Code::MalformedJson)?;
        Ok((signed, json::canonical(&value)?))
    });
    let (signed, bytes) = signed.map_err(|code| Failure::refused(code.detail()))?;
    let text = write(&bytes, &subject, form);
    let form = form.to_possible_value().map(|value| value.get_name().to_owned());
    context.out.result(text.trim_end(), &json!({"claim": signed, "form": form, "text": text}))?;
    Ok(())
}

fn write(bytes: &[u8], subject: &Subject, form: Form) -> String {
    match form {
        Form::Json => String::from_utf8_lossy(bytes).into_owned(),
        Form::Compact => proof::to_compact(bytes),
        Form::Markdown => proof::to_markdown(&String::from_utf8_lossy(bytes)),
        Form::Txt => {
            let segments: Vec<_> = proof::to_txt(bytes).iter().map(|s| format!("\"{s}\"")).collect();
            format!("{} TXT {}", host(subject), segments.join(" "))
        }
    }
}

/// Where the record goes, as far as the subject tells.
fn host(subject: &Subject) -> String {
    let domain = subject.identifier().parse::<ServerName>().ok().filter(|_| subject.system() == System::Dns);
    domain.map_or("_kez.<your domain>".to_owned(), |domain| proof::txt_host(&domain))
}

#[cfg(test)]
mod tests {
    use kez_client::{Identity, sigchain::Document};

    use super::*;

    #[test]
    fn every_form_reads_back() {
        let subject: Subject = "dns:alice.example".parse().unwrap();
        let identity = Identity::from_seed(&[0x42; 32]);
        let signed = Claim::sign(subject.clone(), now(), None, &identity).unwrap();
        let bytes = json::canonical(&serde_json::to_value(&signed).unwrap()).unwrap();
        let want = Document::Claim(Claim::verify(&bytes).unwrap());
        for form in Form::value_variants() {
            assert_eq!(Document::read(&write(&bytes, &subject, *form)).as_ref(), Ok(&want));
        }
        assert!(write(&bytes, &subject, Form::Txt).starts_with("_kez.alice.example TXT \"kez:z1:"));
        let elsewhere = write(&bytes, &"github:alice".parse().unwrap(), Form::Txt);
        assert!(elsewhere.starts_with("_kez.<your domain> TXT \""));
    }
}
