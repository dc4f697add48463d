//! `kez inbox`

use kez_client::sealing::Seen;
use kez_proto::limits::PAGE_MAX;

use crate::{context::Context, door::Door, failure::Failure, people::People, show};

pub async fn run(context: &Context, limit: Option<u64>, since: u64) -> Result<(), Failure> {
    let member = context.member()?;
    let opener = context.opener(&member)?;
    let door = Door::Http(member.client.clone());
    let mut people = People::new(&context.home, &member.profile, &member.client, door);
    // Of this listing alone: what `kez listen` has shown is listed here, too.
    let mut seen = Seen::default();
    let mut left = limit.unwrap_or(u64::MAX);
    let mut next = Some(since);
    while let Some(since) = next.filter(|_| left > 0) {
        let size = usize::try_from(left).unwrap_or(PAGE_MAX).min(PAGE_MAX);
        let page = member.client.inbox(&member.identity, &member.profile.handle, since, Some(size)).await?;
        for mail in page.messages.iter().take(size) {
            let opened = opener.read(mail.envelope.get(), mail.created_at, &mut seen);
            show::message(context.out, mail, &opened, &opener, &mut people).await?;
        }
        left = left.saturating_sub(page.messages.len() as u64);
        next = page.next;
    }
    if limit.unwrap_or(u64::MAX) == left {
        context.out.status("no messages");
    }
    Ok(())
}
