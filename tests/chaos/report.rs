//! What a run found: a table for people, and a file for programs.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use kez_tests::process::binary;
use serde_json::{Value, json};

use crate::fault::Fault;

/// What is told of each fault, by kind.
#[derive(Default)]
pub struct Report {
    kinds: BTreeMap<String, Kind>,
}

#[derive(Default)]
struct Kind {
    /// From when it was mended until all was ready.
    recoveries: Vec<Duration>,
    /// The longest time without an acknowledged message, meanwhile and after.
    silences: Vec<Duration>,
}

/// What became of what was acknowledged.
pub struct Totals {
    pub faults: u64,
    pub seed: u64,
    pub took: Duration,
    /// Messages that were acknowledged: each was found.
    pub acknowledged: u64,
    /// Messages that readers got, each reader each once.
    pub delivered: usize,
    /// Messages that their reader deleted.
    pub deleted: usize,
    /// Messages that came twice, and that the server knew again.
    pub repeated: u64,
    /// Messages that came twice, and that the reader dropped.
    pub duplicates: u64,
    /// Signatures refused by a service with a wrong clock.
    pub stale: u64,
    pub registered: usize,
    pub events: usize,
}

impl Report {
    /// One fault, or two at once, which both count.
    pub fn add(&mut self, faults: &[&Fault], recovery: Duration, silence: Duration) {
        for fault in faults {
            let kind = self.kinds.entry(fault.kind()).or_default();
            kind.recoveries.push(recovery);
            kind.silences.push(silence);
        }
    }

    /// Writes the file, and prints the table.
    pub fn finish(mut self, totals: &Totals) {
        let seconds = |time: Duration| (time.as_secs_f64() * 10.0).round() / 10.0;
        println!(
            "\n| fault | times | ready again: median, longest (s) | nothing acknowledged: median, longest (s) |"
        );
        println!("|---|---|---|---|");
        let mut kinds = BTreeMap::new();
        for (name, kind) in &mut self.kinds {
            let [recovery, silence] = [&mut kind.recoveries, &mut kind.silences].map(|times| {
                times.sort();
                (seconds(times[times.len() / 2]), seconds(*times.last().unwrap()))
            });
            let times = kind.recoveries.len();
            println!("| {name} | {times} | {}, {} | {}, {} |", recovery.0, recovery.1, silence.0, silence.1);
            let told = json!({
                "times": times,
                "ready_again_seconds": {"median": recovery.0, "longest": recovery.1},
                "nothing_acknowledged_seconds": {"median": silence.0, "longest": silence.1},
            });
            kinds.insert(name.clone(), told);
        }
        let report = totals.json(&kinds);
        println!();
        for (name, value) in report.as_object().unwrap().iter().filter(|(_, value)| value.is_number()) {
            println!("{name}: {value}");
        }
        fs::write(path(), format!("{report:#}\n")).unwrap();
    }
}

impl Totals {
    fn json(&self, kinds: &BTreeMap<String, Value>) -> Value {
        json!({
            "faults": self.faults,
            "seed": self.seed,
            "seconds": self.took.as_secs(),
            "acknowledged": self.acknowledged,
            "delivered": self.delivered,
            "deleted_by_their_reader": self.deleted,
            "duplicates_known_by_the_server": self.repeated,
            "duplicates_dropped_by_readers": self.duplicates,
            "refused_by_a_wrong_clock": self.stale,
            "registered": self.registered,
            "events_of_identity_logs": self.events,
            // Whatever is lost has ended the run before.
            "lost": 0,
            "kinds": kinds,
        })
    }
}

/// `chaos-report.json` in the folder of builds.
fn path() -> PathBuf {
    binary("kez-gateway").ancestors().nth(2).unwrap().join("chaos-report.json")
}
