//! `kez.fanout.open`, `history` and `heads`: reading an inbox. The reader's signature or token is checked here, where the mail is.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use kez_kit::service::{Call, decode, encode};
use kez_proto::{
    Code, Handle, Problem, auth,
    limits::{HEADS_MAX, PAGE_DEFAULT, PAGE_MAX, STREAM_LIFETIME},
    mail::{Heads, HeadsAnswer, History, Open, ReadAuth},
    session::Claims,
};

use crate::{Fanout, callers::Grace, now, store::write_page};

/// Head reads under way for one request.
const HEADS_CONCURRENCY: usize = 32;
/// What opened a stream is good for repairing it as long as it may last.
const STREAM: Grace =
    Grace { signature: STREAM_LIFETIME.as_secs() as i64, token: STREAM_LIFETIME.as_secs() as i64 };

pub async fn open(fanout: &Fanout, call: Call) -> Result<Bytes, Problem> {
    let Open { handle, since, epoch, auth } = decode(&call.payload)?;
    let (handle, primary) = fanout.directory.key(&handle).await?;
    let text = |ts| auth::stream_text(&handle, ts);
    let session = fanout.check_reader(&primary, &auth, Grace::NONE, text).await?;
    let other_epoch = epoch.is_some_and(|epoch| epoch != fanout.deployment.epoch);
    let resync = other_epoch || fanout.store.is_beyond(&handle, since).await?;
    let since = if resync { 0 } else { since };
    let mut answer = format!(r#"{{"resync":{resync},"#).into_bytes();
    if let Some(Claims { session_exp, .. }) = session {
        let seconds = session_exp.saturating_sub(now().unix()).max(0);
        answer.extend(format!(r#""session_seconds":{seconds},"#).into_bytes());
    }
    answer.extend(br#""page":"#);
    let page = fanout.store.page(&handle, since, PAGE_DEFAULT).await?;
    write_page(&mut answer, &page, &fanout.deployment.epoch, None)?;
    answer.push(b'}');
    Ok(answer.into())
}

pub async fn history(fanout: &Fanout, call: Call) -> Result<Bytes, Problem> {
    let History { handle, since, limit, auth } = decode(&call.payload)?;
    let (handle, primary) = fanout.directory.key(&handle).await?;
    match auth {
        ReadAuth::Poll(caller) => {
            let text = |ts| auth::poll_text(&handle, since, ts);
            fanout.check_reader(&primary, &caller, Grace::NONE, text).await?;
        }
        ReadAuth::Stream(caller) => {
            let text = |ts| auth::stream_text(&handle, ts);
            fanout.check_reader(&primary, &caller, STREAM, text).await?;
        }
    }
    let limit = match limit {
        0 => PAGE_DEFAULT,
        n => n.min(PAGE_MAX),
    };
    page(fanout, &handle, since, limit, None).await
}

/// A page of mail, whoever was found to be the owner; `head` is told along with it.
pub async fn page(
    fanout: &Fanout,
    handle: &Handle,
    since: u64,
    limit: usize,
    head: Option<u64>,
) -> Result<Bytes, Problem> {
    let page = fanout.store.page(handle, since, limit).await?;
    let mut answer = Vec::new();
    write_page(&mut answer, &page, &fanout.deployment.epoch, head)?;
    Ok(answer.into())
}

pub async fn heads(fanout: &Fanout, call: Call) -> Result<Bytes, Problem> {
    let Heads { handles } = decode(&call.payload)?;
    if handles.len() > HEADS_MAX {
        return Err(Code::InvalidParameter.into());
    }
    let heads = stream::iter(handles).map(|handle| async move { fanout.store.head(&handle).await });
    let heads = heads.buffered(HEADS_CONCURRENCY).try_collect().await?;
    encode(&HeadsAnswer { heads })
}
