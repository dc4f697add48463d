//! `kez canary`: a sealed message to itself over the whole path, again and again.

mod counts;
mod mailbox;
mod round;
mod step;

use std::{net::SocketAddr, time::Duration};

use clap::Args;
use kez_proto::Handle;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use self::{
    counts::{Counts, Listener},
    round::{Took, round},
    step::Failed,
};
use super::listen::stop_signal;
use crate::{
    args::{NatsFlags, handle},
    context::Context,
    failure::Failure,
};

pub const EXAMPLES: &str = "\
At its first start it makes a key, in the folder canary of yours, and takes a name. Then, each time, it opens its mail stream, sends itself a sealed message with \
a POST, waits for it, opens it, and deletes its mail up to there. What goes wrong is named by its step: register, connect, send, arrive, open or delete.

Examples:
  kez canary --once                                  does the server work? Exit status 0 or 1
  kez canary --once --nats                           over NATS, too
  kez canary --every 1m --metrics-bind 0.0.0.0:9090  for Prometheus, until Ctrl-C
  kez --server-url https://chat.example.org --json canary";

#[derive(Args)]
pub struct CanaryArgs {
    /// Name to take at the first start [default: canary- and the first digits of its key]
    #[arg(long, value_name = "HANDLE", value_parser = handle)]
    handle: Option<Handle>,
    /// Send one message and exit: with 0 if all went well, with 1 if not
    #[arg(long, conflicts_with_all = ["every", "metrics_bind"])]
    once: bool,
    /// From one message to the next, such as 30s or 5m
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    every: Duration,
    /// How long each step may take
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    deadline: Duration,
    /// Address of /metrics for Prometheus; keep it off the public network. Port 0 picks a free one [default: none]
    #[arg(long, env = "KEZ_CANARY_METRICS_BIND", value_name = "ADDRESS", hide_env_values = true)]
    metrics_bind: Option<SocketAddr>,
    #[command(flatten)]
    nats: NatsFlags,
}

pub async fn run(context: &Context, args: CanaryArgs) -> Result<(), Failure> {
    let context = context.within("canary")?;
    if let (Some(asked), Some(profile)) = (&args.handle, context.home.profile()?)
        && *asked != profile.handle
    {
        return Err(Failure::Usage(format!(
            "this canary is {} already; another one needs another folder: kez --home DIR canary",
            profile.address()
        )));
    }
    let counts = Counts::default();
    let listener = match args.metrics_bind {
        Some(address) => Some(Listener::bind(address, &context).await?),
        None => None,
    };
    let served = async {
        match listener {
            Some(listener) => listener.serve(counts.clone()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        outcome = sing(&context, &args, &counts) => outcome,
        outcome = served => outcome,
        () = stop_signal() => match args.once {
            true => Err(Failure::refused("stopped before it was known whether all goes well")),
            false => Ok(()),
        },
    }
}

async fn sing(context: &Context, args: &CanaryArgs, counts: &Counts) -> Result<(), Failure> {
    let mut nats = None;
    if args.once {
        let took = round(context, args, &mut nats).await?;
        return tell(context, &Ok(took));
    }
    let mut times = interval(args.every);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        times.tick().await;
        let outcome = round(context, args, &mut nats).await;
        counts.count(&outcome);
        match outcome {
            // No later round could do better.
            Err(Failed { failure: failure @ (Failure::Usage(_) | Failure::NoReader), .. }) => {
                return Err(failure);
            }
            outcome => tell(context, &outcome)?,
        }
    }
}

fn tell(context: &Context, outcome: &Result<Took, Failed>) -> Result<(), Failure> {
    let (human, program) = match outcome {
        Ok(took) => (took.to_string(), took.json()),
        Err(failed) => (
            failed.to_string(),
            json!({"ok": false, "step": failed.step.name(), "way": failed.way.name(), "message": failed.to_string()}),
        ),
    };
    Ok(context.out.result(&human, &program)?)
}

/// A number of seconds, minutes or hours: `30s`, `5m`, `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write it as 30s, 5m or 1h".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    match number.parse::<u32>() {
        Ok(number) if number > 0 => Ok(Duration::from_secs(u64::from(number) * unit)),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, seconds) in [("1s", 1), ("30s", 30), ("5m", 300), ("2h", 7200)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "s", "0s", "30", "-1s", "1.5s", "1 s", "5ü", "99999999999s"] {
            assert!(duration(bad).is_err(), "{bad} was taken");
        }
    }
}
