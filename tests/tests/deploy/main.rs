//! What `deploy/` holds: the files by the programs that read them, and the cluster on a real Docker engine. Where such a program isn't there, the test says
//! SKIPPED: none of them is needed to run or to build Kez Chat.

mod cluster;
mod compose;
mod files;
mod units;

use std::{
    borrow::BorrowMut,
    path::PathBuf,
    process::{Command, Output},
};

/// A file or folder below `deploy/`.
fn deploy(path: &str) -> PathBuf {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
    workspace.join("deploy").join(path)
}

/// Whether this program is here.
fn here(program: &str, question: &str) -> bool {
    let answers = Command::new(program).arg(question).output().is_ok_and(|output| output.status.success());
    if !answers {
        eprintln!("SKIPPED: `{program} {question}` fails here");
    }
    answers
}

/// Runs it to its end, and what it printed, errors first.
fn must(mut command: impl BorrowMut<Command>) -> String {
    let command = command.borrow_mut();
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = String::from_utf8_lossy(&[stderr, stdout].concat()).into_owned();
    assert!(status.success(), "{command:?}: {status}\n{text}");
    text
}
