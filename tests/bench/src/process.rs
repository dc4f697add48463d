//! What a process has used, as the kernel counts it.

use std::fs;

/// A process that is measured.
#[derive(Clone, Debug)]
pub struct Process {
    pub name: &'static str,
    pub pid: u32,
}

impl Process {
    pub fn new(name: &'static str, pid: u32) -> Self {
        Self { name, pid }
    }

    /// Seconds of CPU, user and system, of all its threads.
    pub fn cpu(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).expect("it runs");
        let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
        let fields: Vec<_> = fields.split(' ').collect();
        // utime and stime, in ticks of 1/100 s on every Linux that we know.
        [11, 12].into_iter().map(|n: usize| fields[n].parse::<f64>().expect("a number") / 100.0).sum()
    }

    /// Resident memory, MiB.
    pub fn resident(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("it has memory");
        let kib: f64 = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number");
        kib / 1024.0
    }
}

/// CPU seconds of some processes since then.
pub struct Stopwatch {
    began: Vec<(Process, f64)>,
}

impl Stopwatch {
    pub fn start(processes: Vec<Process>) -> Self {
        Self { began: processes.into_iter().map(|process| (process.clone(), process.cpu())).collect() }
    }

    /// Of each name, the seconds of all its processes.
    pub fn stop(self) -> Vec<(&'static str, f64)> {
        let mut used: Vec<(&'static str, f64)> = vec![];
        for (process, before) in self.began {
            let seconds = process.cpu() - before;
            match used.iter_mut().find(|(name, _)| *name == process.name) {
                Some((_, sum)) => *sum += seconds,
                None => used.push((process.name, seconds)),
            }
        }
        used
    }
}
