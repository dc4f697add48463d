//! `kez.fanout.open`, `history` and `heads`: reading an inbox. The reader's signature is checked here, where the mail is.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use kez_kit::service::{decode, encode};
use kez_proto::{
    Code, Handle, Primary, Problem, auth,
    auth::Caller,
    limits::{HEADS_MAX, PAGE_DEFAULT, PAGE_MAX, REQUEST_SKEW_SECS, STREAM_LIFETIME},
    mail::{Heads, HeadsAnswer, History, Open, ReadAuth},
};

use crate::{Fanout, now, store::write_page};

/// Head reads under way for one request.
const HEADS_CONCURRENCY: usize = 32;

pub async fn open(fanout: &Fanout, payload: Bytes) -> Result<Bytes, Problem> {
    let Open { handle, since, epoch, auth } = decode(&payload)?;
    let (handle, primary) = fanout.recipients.key(&handle).await?;
    verify_stream(&handle, &primary, auth, REQUEST_SKEW_SECS)?;
    let other_epoch = epoch.is_some_and(|epoch| epoch != fanout.deployment.epoch);
    let resync = other_epoch || fanout.store.is_beyond(&handle, since).await?;
    let since = if resync { 0 } else { since };
    let mut answer = Vec::from(if resync { &br#"{"resync":true,"page":"#[..] } else { br#"{"page":"# });
    let page = fanout.store.page(&handle, since, PAGE_DEFAULT).await?;
    write_page(&mut answer, &page, &fanout.deployment.epoch)?;
    answer.push(b'}');
    Ok(answer.into())
}

pub async fn history(fanout: &Fanout, payload: Bytes) -> Result<Bytes, Problem> {
    let History { handle, since, limit, auth } = decode(&payload)?;
    let (handle, primary) = fanout.recipients.key(&handle).await?;
    match auth {
        ReadAuth::Poll(caller) => {
            let credential = caller.signature.ok_or(Code::AuthRequired)?;
            credential
                .verify(&primary, now(), REQUEST_SKEW_SECS, |ts| auth::poll_text(&handle, since, ts))?;
        }
        ReadAuth::Stream(caller) => {
            verify_stream(&handle, &primary, caller, STREAM_LIFETIME.as_secs() as i64)?
        }
    }
    let limit = match limit {
        0 => PAGE_DEFAULT,
        n => n.min(PAGE_MAX),
    };
    let mut answer = Vec::new();
    write_page(&mut answer, &fanout.store.page(&handle, since, limit).await?, &fanout.deployment.epoch)?;
    Ok(answer.into())
}

fn verify_stream(handle: &Handle, primary: &Primary, caller: Caller, max_age: i64) -> Result<(), Problem> {
    let credential = caller.signature.ok_or(Code::AuthRequired)?;
    Ok(credential.verify(primary, now(), max_age, |ts| auth::stream_text(handle, ts))?)
}

pub async fn heads(fanout: &Fanout, payload: Bytes) -> Result<Bytes, Problem> {
    let Heads { handles } = decode(&payload)?;
    if handles.len() > HEADS_MAX {
        return Err(Code::InvalidParameter.into());
    }
    let heads = stream::iter(handles).map(|handle| async move { fanout.store.head(&handle).await });
    let heads = heads.buffered(HEADS_CONCURRENCY).try_collect().await?;
    encode(&HeadsAnswer { heads })
}
