//! `kez admin limits`

use std::{collections::BTreeSet, str::FromStr};

use clap::Args;
use kez_proto::{
    ServerName, Timestamp,
    limits::REGISTRATION_SKEW_SECS,
    limits_order::{InForce, LIMIT_MAX, Limit, Limits, OperatorLimits, TAG},
    subjects,
};
use serde_json::json;

use super::table;
use crate::{
    context::Context,
    failure::Failure,
    operator::{Operator, OperatorFlags},
};

pub const HELP: &str = "\
What is ordered holds at every instance within seconds, also at one that starts later, and stands above the flags (--limit-<name>) until it is reset. 0 is no limit.
  requests          of any kind per minute and address, at each gateway
  sends             messages, and events of identity logs, per minute and address
  sender            messages per minute of one sender
  registrations     and releases, per hour and address
  sessions          begun per hour and address, at each gateway
  client-requests   per minute of one person over NATS, to each fan-out and registry
  streams           open per address, at each gateway

Examples:
  kez admin limits
  kez admin limits sends=30 registrations=2    what else is ordered stays
  kez admin limits --reset                     as the flags have it";

#[derive(Args)]
pub struct LimitsArgs {
    /// What to order
    #[arg(value_name = "NAME=COUNT")]
    changes: Vec<Change>,
    /// Order nothing any more, besides what is given here: the flags hold again
    #[arg(long)]
    reset: bool,
    #[command(flatten)]
    operator: OperatorFlags,
}

/// A limit, and how much it is to be.
#[derive(Clone, Copy)]
struct Change(Limit, u32);

impl FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, count) = text.split_once('=').ok_or("write it as NAME=COUNT, such as sends=30")?;
        let limit = name.parse().map_err(|_| {
            format!("there is no limit {name}; there are {}", Limit::ALL.map(Limit::name).join(", "))
        })?;
        let count = count.parse().ok().filter(|count| *count <= LIMIT_MAX);
        Ok(Self(limit, count.ok_or_else(|| format!("a limit is a number from 0 (none) to {LIMIT_MAX}"))?))
    }
}

pub async fn run(context: &Context, args: &LimitsArgs) -> Result<(), Failure> {
    let mut named = BTreeSet::new();
    if let Some(Change(limit, _)) = args.changes.iter().find(|Change(limit, _)| !named.insert(*limit)) {
        return Err(Failure::Usage(format!("{limit} is given twice")));
    }
    let operator = Operator::connect(&args.operator).await?;
    if args.reset || !args.changes.is_empty() {
        let server = operator.deployment().await?.server;
        context.sign_again_if_stale(async || order(&operator, &server, args).await).await?;
    }
    show(context, &operator, &in_force(&operator).await?.known()).await
}

async fn in_force(operator: &Operator) -> Result<InForce, Failure> {
    operator.request(subjects::REGISTRY_LIMITS, &json!({})).await
}

/// Orders the changes besides what is in force now.
async fn order(operator: &Operator, server: &ServerName, args: &LimitsArgs) -> Result<InForce, Failure> {
    let before = in_force(operator).await?;
    let mut limits = if args.reset { Limits::new() } else { before.known() };
    if let Some(name) = before.limits.keys().find(|name| !args.reset && name.parse::<Limit>().is_err()) {
        return Err(Failure::refused(format!(
            "the order in force has a limit that this kez doesn't know, {name}, and would end it: use a newer kez"
        )));
    }
    limits.extend(args.changes.iter().map(|Change(limit, count)| (*limit, *count)));
    let at = later(before.signed_at, kez_client::now());
    let order = OperatorLimits::new(limits, operator.identity.primary(), server.clone(), at);
    let envelope = operator.identity.sign_envelope(TAG, &order).map_err(Failure::refused)?;
    operator.request(subjects::REGISTRY_SET_LIMITS, &envelope).await
}

/// When to sign what follows an order of that time: now, or a second after it if that was signed by a clock that is ahead of ours, as far as a server allows.
fn later(before: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let next = before.and_then(|before| Timestamp::from_unix(before.unix().checked_add(1)?));
    let allowed = now.unix()..=now.unix().saturating_add(REGISTRATION_SKEW_SECS);
    next.filter(|next| allowed.contains(&next.unix())).unwrap_or(now)
}

async fn show(context: &Context, operator: &Operator, ordered: &Limits) -> Result<(), Failure> {
    let running = operator.running().await?;
    // Where instances were started with different flags, all are told.
    let flags = |limit: Limit| -> BTreeSet<u32> {
        let name = format!("limit-{limit}");
        running.iter().filter_map(|instance| instance.metadata.get(&name)?.parse().ok()).collect()
    };
    let word = |count: &u32| if *count == 0 { "none".to_owned() } else { count.to_string() };
    let (mut rows, mut program) = (vec![], vec![]);
    for limit in Limit::ALL {
        let (flags, ordered) = (flags(limit), ordered.get(&limit));
        let by_flags = flags.iter().map(word).collect::<Vec<_>>().join(" or ");
        let (in_force, by) = match ordered {
            Some(count) => (word(count), "order"),
            None => (by_flags.clone(), "flags"),
        };
        rows.push([limit.to_string(), in_force, by.to_owned(), by_flags]);
        program.push(json!({"limit": limit, "ordered": ordered, "flags": flags}));
    }
    let lines = table::lines(["limit", "in force", "by", "flags"], &rows);
    Ok(context.out.result(&lines.join("\n"), &json!({"limits": program}))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_later_than_the_one_before_unless_no_server_would_take_it() {
        let at = |secs| Timestamp::from_unix(1_800_000_000 + secs).unwrap();
        let signed = |before: Option<i64>| later(before.map(at), at(0)).unix() - at(0).unix();
        assert_eq!(signed(None), 0);
        assert_eq!(signed(Some(-500)), 0);
        assert_eq!(signed(Some(0)), 1);
        assert_eq!(signed(Some(299)), 300);
        assert_eq!(signed(Some(300)), 0);
    }
}
