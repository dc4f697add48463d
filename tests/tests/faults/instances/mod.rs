//! Two of each service on one nats-server.

mod chains;
mod clock;
mod crossing;
mod drain;
mod keys;
mod kills;
mod log;
mod race;
mod rotation;

use kez_tests::Deployment;

/// Base URLs of all gateways.
fn urls(deployment: &Deployment) -> Vec<String> {
    (0..deployment.gateways.len()).map(|n| deployment.url(n).to_owned()).collect()
}
