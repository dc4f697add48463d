//! The all-in-one server and its nats-server child: kill -9 of either, Ctrl-C, and several on one machine.

mod beside;
mod life;
mod rounds;

use std::{fs, path::Path};

/// Process ids of the nats-servers whose configuration is in this data folder.
fn nats_servers(db: &Path) -> Vec<i32> {
    let config = db.canonicalize().unwrap().join("nats/server.conf");
    let runs_with_it = |pid: &i32| {
        // A process that has ended, and one that its parent hasn't noticed yet, has no command line.
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command.split(|&b| b == 0).any(|argument| argument == config.as_os_str().as_encoded_bytes())
    };
    let names = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.to_str()?.parse().ok()).filter(runs_with_it).collect()
}
