//! `kez admin status`

use std::collections::BTreeMap;

use clap::Args;
use kez_client::text;
use kez_proto::{Deployment, subjects};
use serde_json::{Value, json};

use super::table;
use crate::{
    context::Context,
    failure::Failure,
    operator::{Instance, Operator, OperatorFlags, Stream, streams_of},
    progress::size,
};

pub const HELP: &str = "\
Exit status: 0 all is well, 1 something is wrong, and the last lines say what: a service that nobody runs, an instance that doesn't keep up, a stream without
leader, with a copy that lags, or nearly full.

Examples:
  kez admin status
  kez admin status --json --nats-url tls://n1.example.org --nkey /etc/kez/nats/keys/operator.nk | jq .problems";

/// What a deployment consists of.
const SERVICES: [&str; 5] = ["kez-auth-callout", "kez-fanout", "kez-gateway", "kez-registry", "kez-sigchain"];
/// Of a stream's limit, in percent: from here on it is nearly full.
const NEARLY_FULL: u64 = 90;

#[derive(Args)]
pub struct StatusArgs {
    #[command(flatten)]
    operator: OperatorFlags,
}

/// What was found.
struct Status {
    deployment: Deployment,
    streams: Vec<(String, Option<Stream>)>,
    instances: Vec<Instance>,
}

pub async fn run(context: &Context, args: &StatusArgs) -> Result<(), Failure> {
    let operator = Operator::connect(&args.operator).await?;
    let deployment = operator.deployment().await?;
    let mut streams = vec![];
    for name in streams_of(deployment.partitions) {
        let stream = operator.stream(&name).await?;
        streams.push((name, stream));
    }
    // Asked last: what the registry's log has by now every index should have.
    let mut instances = operator.instances().await?;
    instances.sort_by(|a, b| (&a.running.name, &a.started).cmp(&(&b.running.name, &b.started)));
    let status = Status { deployment, streams, instances };
    let problems = status.problems();
    let lines: Vec<_> = status.lines(&problems).iter().map(|line| text::line(line)).collect();
    context.out.result(&lines.join("\n"), &status.json(&problems))?;
    match problems.len() {
        0 => Ok(()),
        n => Err(Failure::refused(format!("{n} {} wrong", if n == 1 { "thing is" } else { "things are" }))),
    }
}

impl Status {
    fn stream(&self, name: &str) -> Option<&Stream> {
        self.streams.iter().find(|(n, _)| n == name)?.1.as_ref()
    }

    /// Entries of the registry's log that this instance hasn't applied; none if it is no registry.
    fn lag(&self, instance: &Instance) -> Option<u64> {
        let last = self.stream(subjects::REGISTRY_STREAM)?.state.last_seq;
        Some(last.saturating_sub(instance.told("applied")?.as_u64()?))
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = vec![];
        for service in SERVICES {
            if !self.instances.iter().any(|instance| instance.running.name == service) {
                problems.push(format!(
                    "no {service} answers: start one, or look at the log of those that should run"
                ));
            }
        }
        for instance in &self.instances {
            let who = format!("{} {}", instance.running.name, instance.running.id);
            if let Some(lag @ 1..) = self.lag(instance) {
                problems.push(format!("{who} hasn't applied the last {lag} entries of the registry's log"));
            }
            if instance.told("epoch").is_some_and(|epoch| *epoch != self.deployment.epoch) {
                problems.push(format!("{who} serves another epoch: restart it"));
            }
        }
        for (name, stream) in &self.streams {
            match stream {
                Some(stream) => problems.extend(of_stream(name, stream)),
                None => problems.push(format!(
                    "there is no stream {name}: no service has made it yet, or it was deleted"
                )),
            }
        }
        problems
    }

    fn lines(&self, problems: &[String]) -> Vec<String> {
        let Deployment { server, epoch, partitions } = &self.deployment;
        let mut lines =
            vec![format!("{server}, epoch {epoch}, {partitions} partitions of mail"), String::new()];
        let rows: Vec<_> = self.instances.iter().map(|instance| self.row(instance)).collect();
        lines.extend(table::lines(
            ["service", "instance", "version", "since", "requests", "errors", ""],
            &rows,
        ));
        lines.push(String::new());
        let rows: Vec<_> =
            self.streams.iter().filter_map(|(n, s)| Some(stream_row(n, s.as_ref()?))).collect();
        lines.extend(table::lines(
            ["stream", "messages", "subjects", "bytes", "of", "leader", "copies"],
            &rows,
        ));
        lines.push(String::new());
        let counts = self.counts();
        lines.push(format!(
            "{} messages in {} inboxes; {} entries of handles, {} of identity logs",
            counts["messages"], counts["inboxes"], counts["registry_entries"], counts["sigchain_entries"]
        ));
        match problems {
            [] => lines.push("ok    nothing is wrong".into()),
            problems => lines.extend(problems.iter().map(|problem| format!("FAIL  {problem}"))),
        }
        lines
    }

    fn row(&self, instance: &Instance) -> [String; 7] {
        let (requests, errors) = instance.requests();
        let more = match self.lag(instance) {
            Some(0) => "index current".into(),
            Some(lag) => format!("index {lag} behind"),
            None => String::new(),
        };
        let since = instance.started.split('.').next().unwrap_or_default().trim_end_matches('Z');
        let running = instance.running.clone();
        let requests = [requests, errors].map(|n| n.to_string());
        let [requests, errors] = requests;
        [running.name, running.id, running.version, format!("{since}Z"), requests, errors, more]
    }

    fn counts(&self) -> BTreeMap<&'static str, u64> {
        let of = |name| self.stream(name).map_or(0, |stream| stream.state.messages);
        let inboxes = (0..self.deployment.partitions).filter_map(|p| self.stream(&subjects::inbox_stream(p)));
        let (messages, with_mail) = inboxes.fold((0, 0), |(messages, inboxes), stream| {
            (messages + stream.state.messages, inboxes + stream.state.num_subjects)
        });
        BTreeMap::from([
            ("messages", messages),
            ("inboxes", with_mail),
            ("registry_entries", of(subjects::REGISTRY_STREAM)),
            ("sigchain_entries", of(subjects::SIGCHAIN_STREAM)),
        ])
    }

    fn json(&self, problems: &[String]) -> Value {
        let instances = self.instances.iter().map(|instance| {
            let mut value = json!(instance);
            value["index_lag"] = json!(self.lag(instance));
            value
        });
        let streams = self.streams.iter().filter_map(|(name, stream)| {
            let Stream { config, state, cluster } = stream.as_ref()?;
            Some(json!({
                "name": name, "state": state, "max_bytes": config["max_bytes"], "leader": cluster.leader,
                "replicas": cluster.replicas, "copies": config["num_replicas"],
            }))
        });
        let Deployment { server, epoch, partitions } = &self.deployment;
        json!({
            "server": server, "epoch": epoch, "partitions": partitions, "counts": self.counts(),
            "instances": instances.collect::<Vec<_>>(), "streams": streams.collect::<Vec<_>>(), "problems": problems,
        })
    }
}

fn max_bytes(stream: &Stream) -> Option<u64> {
    stream.config["max_bytes"].as_u64().filter(|bytes| *bytes > 0)
}

fn of_stream(name: &str, stream: &Stream) -> Vec<String> {
    let mut problems = vec![];
    if stream.cluster.leader.as_deref().is_none_or(str::is_empty) {
        problems.push(format!("{name} has no leader: nothing can be stored in it now"));
    }
    for replica in &stream.cluster.replicas {
        let (copy, lag) = (&replica.name, replica.lag);
        if replica.offline {
            problems.push(format!("{name}: the server {copy}, which keeps a copy, is away"));
        } else if !replica.current {
            problems.push(format!("{name}: the copy of {copy} isn't current, and {lag} entries behind"));
        }
    }
    if let Some(limit) = max_bytes(stream)
        && stream.state.bytes >= limit / 100 * NEARLY_FULL
    {
        let (bytes, limit) = (size(stream.state.bytes), size(limit));
        problems
            .push(format!("{name} is nearly full: {bytes} of {limit}; raise its limit (docs/operations.md)"));
    }
    problems
}

fn stream_row(name: &str, stream: &Stream) -> [String; 7] {
    let Stream { state, cluster, .. } = stream;
    let current = cluster.replicas.iter().filter(|replica| replica.current && !replica.offline).count();
    let leader = cluster.leader.as_deref().unwrap_or("none");
    let (leader, copies) = match cluster.replicas.len() {
        // A server that is alone calls itself by its key.
        0 => ("", "1".into()),
        n => (leader, format!("{} of {} current", current + 1, n + 1)),
    };
    [
        name.into(),
        state.messages.to_string(),
        state.num_subjects.to_string(),
        size(state.bytes),
        max_bytes(stream).map_or("no limit".into(), size),
        leader.into(),
        copies,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(registry: Value, instances: Value) -> Status {
        let stream: Stream = serde_json::from_value(registry).unwrap();
        let other = Stream { state: Default::default(), ..stream.clone() };
        let named = |name: &str| match name == subjects::REGISTRY_STREAM {
            true => stream.clone(),
            false => other.clone(),
        };
        let streams = streams_of(1).into_iter().map(|name| (name.clone(), Some(named(&name)))).collect();
        let server = "kez.lat".parse().unwrap();
        let deployment = Deployment { server, epoch: "e1".into(), partitions: 1 };
        Status { deployment, streams, instances: serde_json::from_value(instances).unwrap() }
    }

    fn stream(bytes: u64, cluster: Value) -> Value {
        json!({
            "config": {"max_bytes": 1000}, "cluster": cluster,
            "state": {"messages": 7, "bytes": bytes, "first_seq": 1, "last_seq": 7, "num_subjects": 1},
        })
    }

    fn instances(applied: u64, epoch: &str) -> Value {
        let instance = |name: &&str| {
            let data = match *name {
                "kez-registry" => json!({"applied": applied}),
                "kez-fanout" => json!({"epoch": epoch}),
                _ => Value::Null,
            };
            let endpoint = json!({"subject": "s", "num_requests": 2, "num_errors": 1, "data": data});
            json!({"name": name, "id": "i", "version": "1.0.0", "started": "2026-11-22T00:00:00.5Z", "endpoints": [endpoint]})
        };
        SERVICES.iter().map(instance).collect()
    }

    #[test]
    fn what_is_wrong_is_told() {
        let well = json!({"leader": "n1", "replicas": [{"name": "n2", "current": true}]});
        let told =
            |bytes, cluster: &Value, instances| status(stream(bytes, cluster.clone()), instances).problems();
        assert_eq!(told(899, &well, instances(7, "e1")), [""; 0]);
        let one = |problems: Vec<String>, words: &str| {
            assert!(problems.len() == 1 && problems[0].contains(words), "{words}: {problems:?}");
        };
        one(told(900, &well, instances(7, "e1")), "KEZ_REGISTRY is nearly full: 900 B of 1.0 kB");
        one(told(1, &well, instances(5, "e1")), "kez-registry i hasn't applied the last 2 entries");
        one(told(1, &well, instances(7, "e0")), "kez-fanout i serves another epoch");
        let none = told(1, &well, json!([]));
        assert!(none.len() == SERVICES.len() && none[2].contains("no kez-gateway answers"), "{none:?}");
        let of_each = [
            (json!({"replicas": []}), "has no leader"),
            (
                json!({"leader": "n1", "replicas": [{"name": "n2", "current": false, "offline": true}]}),
                "n2, which keeps a copy, is away",
            ),
            (
                json!({"leader": "n1", "replicas": [{"name": "n2", "current": false, "lag": 9}]}),
                "n2 isn't current, and 9 entries",
            ),
        ];
        for (cluster, words) in of_each {
            let problems = told(1, &cluster, instances(7, "e1"));
            assert!(problems.len() == 3 && problems.iter().all(|p| p.contains(words)), "{problems:?}");
        }
    }
}
