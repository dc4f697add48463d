//! Slow wires: a process on the host itself, which is this program again.

use std::{process::Child, time::Duration};

use kez_tests::{delay::delay, net::Host};

/// Tells the process what it is for.
pub const DELAYS: &str = "KEZ_CHAOS_DELAYS";
/// Of every packet that comes, and of every one that goes.
const LATENCY: Duration = Duration::from_millis(200);

/// Starts to delay every packet of this host.
pub fn start(host: &Host) -> Child {
    let own = std::env::current_exe().unwrap();
    let child = host.command(own).env(DELAYS, "1").spawn().unwrap();
    host.divert();
    child
}

/// What that process does.
pub async fn run() -> ! {
    let Err(e) = delay(LATENCY).await;
    panic!("packets can't be delayed: {e}");
}
