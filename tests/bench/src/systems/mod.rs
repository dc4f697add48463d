//! What is measured, and the floors that it is measured against, behind one door.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::{arrivals::Arrivals, process::Process};

mod broadcast;
mod ours;
mod raw_nats;

pub use broadcast::{Broadcast, serve as serve_broadcast};
pub use ours::{Ours, OverHttp, OverNats};
pub use raw_nats::RawNats;

/// The server processes that are told apart in every table.
pub const NATS_SERVER: &str = "nats-server";

/// How many people there are, each with one reader, unless it is said otherwise.
pub const PEOPLE: usize = 200;

/// Something that takes messages for [`PEOPLE`], whose readers are open.
pub trait System {
    type Sender: Sender;
    fn name(&self) -> &'static str;
    /// Its processes.
    fn processes(&self) -> Vec<Process>;
    /// What its readers have.
    fn arrivals(&self) -> &Arc<Arrivals>;
    /// Somebody who writes to its people, on a connection of their own where the system has such.
    fn sender(&self) -> impl Future<Output = Self::Sender>;
}

/// Sends one message after the other.
pub trait Sender: Send + 'static {
    /// Sends message `n` to the person with this number, and waits until it is acknowledged.
    fn send(&mut self, to: usize, n: usize) -> impl Future<Output = ()> + Send;
}

/// The handle of a person.
pub fn handle(person: usize) -> String {
    format!("person-{person}")
}

/// Until what was just opened is quiet.
pub async fn settle() {
    sleep(Duration::from_millis(500)).await;
}
