//! `kez listen [--nats]`

use std::{future::Future, time::Duration};

use futures_util::{Stream, StreamExt};
use kez_client::{Cursor, Error, Event, message, message::Opened, nats, progress::Progress, retry};
use kez_proto::mail::Message;
use tokio::time::{Instant, sleep_until};

use crate::{args::NatsFlags, context::Context, failure::Failure, show};

/// Messages that come within this time are noted on disk together.
const BATCH: Duration = Duration::from_millis(200);

pub async fn run(context: &Context, nats: NatsFlags) -> Result<(), Failure> {
    let member = context.member()?;
    let progress = context.home.progress()?;
    let (address, cursor) = (member.profile.address(), progress.cursor.clone());
    let mut stop = std::pin::pin!(stop_signal());
    let events = match nats.nats {
        None => kez_client::listen(member.client, member.identity, member.profile.handle, cursor).boxed(),
        Some(_) => {
            let ask = || {
                retry::until_answered(
                    || member.client.server(),
                    |e, wait| tell(context, &e.to_string(), wait),
                )
            };
            tokio::select! {
                () = &mut stop => return Ok(()),
                found = context.nats(&member, nats, ask) => nats::listen(found?, cursor).boxed(),
            }
        }
    };
    let mut reader = Reader { context, address, progress, unsaved: None };
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
    progress: Progress,
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
                    Some(event) => self.take(event?)?,
                    None => return Ok(()),
                },
            }
        }
    }

    fn take(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Connected { epoch, seq } => {
                self.context.out.status(&format!("connected as {}", self.address));
                self.move_to(epoch, seq);
            }
            Event::Message(message) => self.show(&message)?,
            Event::Resync { epoch, seq, .. } => {
                self.context
                    .out
                    .status(&format!("the server goes on from seq {seq}; what was shown before is skipped"));
                self.move_to(epoch, seq);
            }
            Event::Disconnected { reason, retry_in } => tell(self.context, &reason, retry_in),
        }
        Ok(())
    }

    /// Prints first and notes then: a message that couldn't be printed comes again.
    fn show(&mut self, message: &Message) -> Result<(), Failure> {
        let opened = message::open(&message.envelope);
        let id = match &opened {
            Opened::Unsealed(unsealed) => Some(unsealed.id.as_str()),
            Opened::Unknown => None,
        };
        if !id.is_some_and(|id| self.progress.has_shown(id)) {
            show::message(self.context.out, message, &opened)?;
        }
        if let Some(id) = id {
            self.progress.remember(id);
        }
        self.progress.cursor.seq = message.seq;
        self.changed();
        Ok(())
    }

    fn move_to(&mut self, epoch: String, seq: u64) {
        let cursor = Cursor { epoch: Some(epoch), seq };
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
async fn stop_signal() {
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
