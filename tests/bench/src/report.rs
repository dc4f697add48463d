//! Figures: medians of repeats, as a table and as JSON.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use serde::Serialize;

/// Everything that was measured.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
}

struct Row {
    what: String,
    system: &'static str,
    /// The name of each figure has its unit in it. In the order in which they were first told.
    figures: Vec<(String, Vec<f64>)>,
}

#[derive(Serialize)]
struct Written<'a> {
    what: &'a str,
    system: &'a str,
    repeats: usize,
    medians: BTreeMap<&'a str, f64>,
    all: BTreeMap<&'a str, &'a [f64]>,
}

impl Report {
    /// Adds a figure of one repeat.
    pub fn add(&mut self, what: &str, system: &'static str, figure: &str, value: f64) {
        let row = match self.rows.iter().position(|row| row.what == what && row.system == system) {
            Some(n) => &mut self.rows[n],
            None => {
                self.rows.push(Row { what: what.to_owned(), system, figures: vec![] });
                self.rows.last_mut().expect("it was pushed")
            }
        };
        match row.figures.iter_mut().find(|(name, _)| name == figure) {
            Some((_, values)) => values.push(value),
            None => row.figures.push((figure.to_owned(), vec![value])),
        }
    }

    /// A table for each `what`, in the order in which they came.
    pub fn table(&self) -> String {
        let mut text = String::new();
        let mut rows = self.rows.iter().peekable();
        while let Some(row) = rows.peek() {
            let what = row.what.clone();
            let mut group = vec![];
            while let Some(row) = rows.next_if(|row| row.what == what) {
                group.push(row);
            }
            write_group(&mut text, &what, &group);
        }
        text
    }

    /// All of it, below this folder.
    pub fn write(&self, dir: &Path) {
        let written: Vec<_> = self.rows.iter().map(Row::written).collect();
        fs::create_dir_all(dir).expect("a folder for the report");
        let json = serde_json::to_vec_pretty(&written).expect("numbers");
        fs::write(dir.join("report.json"), json).expect("the report is written");
        fs::write(dir.join("report.md"), self.table()).expect("the report is written");
    }
}

impl Row {
    fn written(&self) -> Written<'_> {
        Written {
            what: &self.what,
            system: self.system,
            repeats: self.figures.iter().map(|(_, values)| values.len()).max().unwrap_or(0),
            medians: self.figures.iter().map(|(name, values)| (name.as_str(), median(values))).collect(),
            all: self.figures.iter().map(|(name, values)| (name.as_str(), values.as_slice())).collect(),
        }
    }
}

fn write_group(text: &mut String, what: &str, group: &[&Row]) {
    let mut columns: Vec<&str> = vec![];
    for (name, _) in group.iter().flat_map(|row| &row.figures) {
        if !columns.contains(&name.as_str()) {
            columns.push(name);
        }
    }
    let _ = writeln!(text, "| {what} | {} |", columns.join(" | "));
    let _ = writeln!(text, "|---|{}", "---:|".repeat(columns.len()));
    for row in group {
        let cells = columns.iter().map(|column| {
            let values = row.figures.iter().find(|(name, _)| name == column);
            values.map_or(String::new(), |(_, values)| rounded(median(values)))
        });
        let _ = writeln!(text, "| {} | {} |", row.system, cells.collect::<Vec<_>>().join(" | "));
    }
    text.push('\n');
}

/// Three digits that count.
fn rounded(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        1 => sorted[middle],
        _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_the_medians_of_all_repeats() {
        let mut report = Report::default();
        for value in [3.0, 1.0, 200.0] {
            report.add("latency", "ours", "p50 µs", value);
        }
        report.add("latency", "floor", "p99 µs", 12.34);
        report.add("latency", "floor", "p99 µs", 12.36);
        assert_eq!(
            report.table(),
            "| latency | p50 µs | p99 µs |\n|---|---:|---:|\n| ours | 3.00 |  |\n| floor |  | 12.3 |\n\n"
        );
    }
}
