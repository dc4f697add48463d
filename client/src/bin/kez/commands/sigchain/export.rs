//! `kez sigchain export [--form lines|bundle]`

use serde_json::json;

use super::{
    Form,
    own::{Own, refused},
};
use crate::{context::Context, failure::Failure};

pub async fn run(context: &Context, form: Form) -> Result<(), Failure> {
    let log = Own::new(context)?.latest().await?;
    let text = match form {
        Form::Lines => log.to_lines(),
        Form::Bundle => log.to_bundle(),
    };
    let text = text.map_err(refused)?;
    Ok(context.out.result(text.trim_end(), &json!({"events": log.events().len(), "text": text}))?)
}
