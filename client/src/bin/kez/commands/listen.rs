//! `kez listen [--nats]`

use std::{future::Future, time::Duration};

use futures_util::{Stream, StreamExt};
use kez_client::{Cursor, Error, Event, nats, progress::Progress, retry, sealing::Opener};
use kez_proto::{Primary, mail::Message, sealed::Refusal};
use tokio::time::{Instant, sleep_until};

use crate::{args::NatsFlags, context::Context, door::Door, failure::Failure, people::People, show};

/// Messages that come within this time are noted on disk together.
const BATCH: Duration = Duration::from_millis(200);

pub async fn run(context: &Context, nats: NatsFlags) -> Result<(), Failure> {
    let member = context.member()?;
    let opener = context.opener(&member)?;
    let progress = context.home.progress()?;
    let (address, cursor) = (member.profile.address(), progress.cursor.clone());
    let mut stop = std::pin::pin!(stop_signal());
    let (events, door) = match nats.nats {
        None => {
            let (client, handle) = (member.client.clone(), member.profile.handle.clone());
            let events = kez_client::listen(client.clone(), member.identity.clone(), handle, cursor).boxed();
            (events, Door::Http(client))
        }
        Some(_) => {
            let ask = || {
                retry::until_answered(
                    || member.client.server(),
                    |e, wait| tell(context, &e.to_string(), wait),
                )
            };
            tokio::select! {
                () = &mut stop => return Ok(()),
                found = context.nats(&member, nats, ask) => {
                    let nats = found?;
                    (nats::listen(nats.clone(), cursor).boxed(), Door::nats(nats))
                }
            }
        }
    };
    let people = People::new(&context.home, &member.profile, &member.client, door);
    let key = member.identity.primary();
    let mut reader = Reader { context, address, key, opener, people, progress, again: false, unsaved: None };
    let outcome = reader.read(events, stop).await;
    reader.save()?;
    outcome
}

fn tell(context: &Context, reason: &str, retry_in: Duration) {
    context.out.status(&format!("{reason}; trying again in {} s", retry_in.as_secs_f32().ceil()));
}

struct Reader<'a> {
    context: &'a Context,
    address: String,
    /// The key that logs in.
    key: Primary,
    opener: Opener,
    people: People<'a>,
    progress: Progress,
    /// It was sent back: what was shown before comes again, until the first message that wasn't.
    again: bool,
    /// When to write `progress` down, if it has changed.
    unsaved: Option<Instant>,
}

impl Reader<'_> {
    async fn read(
        &mut self,
        mut events: impl Stream<Item = Result<Event, Error>> + Unpin,
        mut stop: impl Future<Output = ()> + Unpin,
    ) -> Result<(), Failure> {
        loop {
            let due = self.unsaved.unwrap_or_else(Instant::now);
            tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                () = sleep_until(due), if self.unsaved.is_some() => self.save()?,
                event = events.next() => match event {
                    Some(Ok(event)) => self.take(event).await?,
                    Some(Err(error)) => {
                        self.check_key()?;
                        return Err(error.into());
                    }
                    None => return Ok(()),
                },
            }
        }
    }

    async fn take(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Connected { epoch, seq } => {
                self.context.out.status(&format!("connected as {}", self.address));
                self.move_to(epoch, seq);
            }
            Event::Message(message) => self.show(&message).await?,
            Event::Resync { epoch, seq, .. } => {
                self.context
                    .out
                    .status(&format!("the server goes on from seq {seq}; what was shown before is skipped"));
                self.move_to(epoch, seq);
            }
            Event::Disconnected { reason, retry_in } => {
                self.check_key()?;
                tell(self.context, &reason, retry_in);
            }
        }
        Ok(())
    }

    /// Another command may have changed the key: with the one of the start, no server lets us in any more.
    fn check_key(&self) -> Result<(), Failure> {
        match self.context.home.identity() {
            Ok(now) if now.primary() != self.key => {
                Err(Failure::refused("your key changed while this ran; start it again: kez listen"))
            }
            _ => Ok(()),
        }
    }

    /// Prints first and notes then: a message that couldn't be printed comes again.
    async fn show(&mut self, mail: &Message) -> Result<(), Failure> {
        let opened = self.opener.open(mail.envelope.get(), mail.created_at);
        let opened = opened.and_then(|message| self.progress.seen.check(&message).map(|()| message));
        if !(self.again && opened == Err(Refusal::AlreadySeen)) {
            show::message(self.context.out, mail, &opened, &self.opener, &mut self.people).await?;
        }
        if let Ok(message) = &opened {
            self.again = false;
            // Just checked.
            let _ = self.progress.seen.admit(message);
        }
        self.progress.cursor.seq = mail.seq;
        self.changed();
        Ok(())
    }

    fn move_to(&mut self, epoch: String, seq: u64) {
        let cursor = Cursor { epoch: Some(epoch), seq };
        let now = &self.progress.cursor;
        self.again |= now.epoch.is_some() && (cursor.epoch != now.epoch || cursor.seq < now.seq);
        if cursor != self.progress.cursor {
            self.progress.cursor = cursor;
            self.changed();
        }
    }

    fn changed(&mut self) {
        self.unsaved.get_or_insert_with(|| Instant::now() + BATCH);
    }

    fn save(&mut self) -> Result<(), Failure> {
        if self.unsaved.take().is_some() {
            self.context.home.save_progress(&self.progress)?;
        }
        Ok(())
    }
}

/// Ends when the user, or the system, asks the process to stop.
pub async fn stop_signal() {
    #[cfg(unix)]
    let asked = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => drop(terminate.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let asked = std::future::pending();
    tokio::select! {
        Ok(()) = tokio::signal::ctrl_c() => {}
        () = asked => {}
    }
}
