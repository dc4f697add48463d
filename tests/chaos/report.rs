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
    /// How often another fault was there at the same time; times are told of the others.
    beside_another: usize,
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
    /// One fault, or two at once.
    pub fn add(&mut self, faults: &[&Fault], recovery: Duration, silence: Duration) {
        let timed = match faults {
            [alone] => alone.kind(),
            _ => {
                for fault in faults {
                    self.kinds.entry(fault.kind()).or_default().beside_another += 1;
                }
                "two at once".to_owned()
            }
        };
        let kind = self.kinds.entry(timed).or_default();
        kind.recoveries.push(recovery);
        kind.silences.push(silence);
    }

    /// Writes the file, and prints the table.
    pub fn finish(mut self, totals: &Totals) {
        println!(
            "\n| fault | alone | beside another | ready again: median, longest (s) | nothing acknowledged: median, longest (s) |"
        );
        println!("|---|---|---|---|---|");
        let mut kinds = BTreeMap::new();
        for (name, kind) in &mut self.kinds {
            let (alone, beside) = (kind.recoveries.len(), kind.beside_another);
            let (recovery, silence) = (spread(&mut kind.recoveries), spread(&mut kind.silences));
            let text = |times: Option<[f64; 2]>| {
                times.map_or(String::new(), |[median, longest]| format!("{median:.1}, {longest:.1}"))
            };
            println!("| {name} | {alone} | {beside} | {} | {} |", text(recovery), text(silence));
            let told = json!({
                "alone": alone,
                "beside_another": beside,
                "ready_again_seconds": recovery,
                "nothing_acknowledged_seconds": silence,
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

/// Median and longest, in seconds; none of none.
fn spread(times: &mut [Duration]) -> Option<[f64; 2]> {
    times.sort();
    let seconds = |time: &Duration| (time.as_secs_f64() * 10.0).round() / 10.0;
    Some([seconds(times.get(times.len() / 2)?), seconds(times.last()?)])
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
