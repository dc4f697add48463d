//! A full disk, and its end. A stream of nats-server that once failed to write takes nothing more until nats-server starts anew, however much
//! space there is then (nats-server 2.15.1); its health report tells. So that a disk that was freed is enough, we watch the report and restart.

use std::time::Duration;

use kez_kit::{Life, Nats, ready::Gate};
use serde_json::{Value, json};

use crate::{child::Restart, data::Data};

/// Between looks.
const PERIOD: Duration = Duration::from_secs(3);
const HEALTH: &str = "$SYS.REQ.SERVER.PING.HEALTHZ";

/// Watches until the process stops. `nats` is connected to the system account.
pub async fn watch(nats: Nats, data: &Data, restart: &Restart, gate: Gate, life: &Life) {
    gate.open();
    let mut told = false;
    loop {
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            () = life.shutdown.cancelled() => return,
        }
        // While nats-server itself is away, that is told elsewhere.
        let Some(trouble) = write_error(&nats).await else {
            if told && nats.is_connected() {
                tracing::info!("the message store can be written again");
                (told, _) = (false, gate.open());
            }
            continue;
        };
        if !told {
            tracing::error!(trouble, folder = %data.folder().display(), "the message store can't be written: free some disk space");
            told = true;
        }
        gate.close("the message store can't be written");
        if data.has_room() {
            tracing::info!("there is disk space again: restarting nats-server");
            restart.now();
        }
    }
}

/// The first write error of the report, if it has any.
async fn write_error(nats: &Nats) -> Option<String> {
    let request = json!({ "details": true }).to_string();
    let answer = nats.request(HEALTH, request.into(), PERIOD).await.ok()?;
    let report: Value = serde_json::from_slice(&answer.payload).ok()?;
    let errors = report["data"]["errors"].as_array()?.iter().filter_map(|e| e["error"].as_str());
    errors.filter(|e| e.contains("write error")).map(str::to_owned).next()
}
