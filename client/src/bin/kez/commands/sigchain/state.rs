//! What a log has come to, for people and for programs.

use kez_client::{Sigchain, text::line};
use kez_proto::{identity::Chain, sigchain::Head};
use serde_json::{Value, json};

use crate::{context::Context, failure::Failure};

/// Prints what a log has come to; `verdict` stands before it.
pub fn report(context: &Context, log: &Sigchain, verdict: Option<&str>) -> Result<(), Failure> {
    let (mut human, mut program) = (human(log.state()), program(log.state()));
    if let Some(verdict) = verdict {
        human = format!("{verdict}\n{human}");
        program["outcome"] = "good".into();
        program["kind"] = "sigchain".into();
    }
    Ok(context.out.result(&human, &program)?)
}

/// Whatever a stranger wrote is made harmless.
fn human(chain: &Chain) -> String {
    let Head { seq, hash } = chain.into();
    let mut lines = vec![format!("log       {}", chain.id()), format!("head      {seq} {hash}")];
    for period in chain.keys() {
        let past = if period.key == chain.primary() { "" } else { "  (no more)" };
        lines.push(format!("key       {} since event {}{past}", period.key, period.since_seq));
    }
    for (subject, listed) in chain.subjects() {
        let proof = listed.proof_url.as_deref().map_or(String::new(), |url| format!("  {}", line(url)));
        lines.push(format!("account   {}  since {}{proof}", line(&subject.to_string()), listed.added_at));
    }
    for (id, device) in chain.devices() {
        lines.push(format!("device    {}  {}  since {}", line(id), line(&device.name), device.added_at));
    }
    lines.join("\n")
}

fn program(chain: &Chain) -> Value {
    let subjects: Vec<_> = (chain.subjects().iter())
        .map(|(subject, listed)| json!({"subject": subject, "seq": listed.seq, "added_at": listed.added_at, "proof_url": listed.proof_url}))
        .collect();
    let devices: Vec<_> = (chain.devices().iter())
        .map(|(id, device)| json!({"device": id, "name": device.name, "seq": device.seq, "added_at": device.added_at}))
        .collect();
    json!({
        "id": chain.id(), "primary": chain.primary(), "head": Head::from(chain), "keys": chain.keys(),
        "subjects": subjects, "devices": devices,
    })
}
