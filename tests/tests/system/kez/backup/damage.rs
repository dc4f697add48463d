//! A backup that isn't as it was written is found, and isn't restored.

use std::{
    fs,
    path::{Path, PathBuf},
};

use kez_tests::{Deployment, Person, person::send};
use serde_json::{Value, json};

use super::{Operator, with_logs};

fn files(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).collect()
}

async fn copied() -> (Deployment, Operator) {
    let deployment = with_logs(1).await;
    Person::registered("alice", deployment.url(0)).await;
    assert_eq!(send(deployment.url(0), "alice", json!({"n": 1})).await.status(), 201);
    let operator = Operator::new();
    operator.must("backup", "copy", &deployment, &[]).await;
    (deployment, operator)
}

#[tokio::test]
async fn one_flipped_bit_in_any_file_is_found_and_named() {
    let (mut deployment, operator) = copied().await;
    deployment.end().await;
    let target = Deployment::alone().await;
    let all = files(&operator.dir("copy"));
    assert_eq!(all.len(), 2 * 18 + 2);
    for (n, path) in all.iter().enumerate() {
        let whole = fs::read(path).unwrap();
        let mut damaged = whole.clone();
        let place = fastrand::usize(..damaged.len());
        damaged[place] ^= 1 << fastrand::u8(..8);
        fs::write(path, &damaged).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let ended = operator.verify("backup", "copy").await;
        assert!(
            ended.status == Some(1) && ended.stderr.contains(name),
            "{name} at {place}: {}",
            ended.stderr
        );
        // A few stand for all.
        if n % 8 == 0 {
            let why = operator.fails("restore", "copy", &target, &[]).await;
            assert!(why.contains("damaged") && why.contains(name), "{why}");
        }
        fs::write(path, &whole).unwrap();
    }
    // Nothing of it went to the server.
    operator.must("restore", "copy", &target, &[]).await;
}

#[tokio::test]
async fn what_is_missing_cut_or_added_is_found_and_programs_are_told() {
    let (_deployment, operator) = copied().await;
    let dir = operator.dir("copy");
    let (mail, log) = (dir.join("KEZ_INBOX_15.tar.s2"), dir.join("KEZ_REGISTRY.json"));
    let whole = fs::read(&mail).unwrap();
    fs::write(&mail, &whole[..whole.len() - 1]).unwrap();
    fs::rename(&log, dir.join("elsewhere")).unwrap();
    let ended = operator.0.run(&["backup", "--json", "--verify", dir.to_str().unwrap()]).await;
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.status, &told["error"]["code"]), (Some(1), &json!("backup_damaged")));
    let words = told["error"]["message"].as_str().unwrap();
    for part in ["KEZ_INBOX_15.tar.s2 has", "KEZ_REGISTRY.json", "elsewhere"] {
        assert!(words.contains(part), "{part} isn't in {words}");
    }
    let ended = operator.verify("restore", "nowhere").await;
    assert!(ended.status == Some(1) && ended.stderr.contains("is no backup"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_backup_appears_whole_or_not_at_all() {
    let (deployment, operator) = copied().await;
    let before = fs::read(operator.dir("copy").join("manifest.json")).unwrap();
    let why = operator.fails("backup", "copy", &deployment, &[]).await;
    assert!(why.contains("is there already"), "{why}");
    assert_eq!(fs::read(operator.dir("copy").join("manifest.json")).unwrap(), before);

    let nothing = Deployment::alone().await;
    let why = operator.fails("backup", "another", &nothing, &[]).await;
    assert!(why.contains("there is no deployment in this NATS"), "{why}");
    let left = files(operator.0.folder.path());
    assert!(left.iter().all(|path| path.ends_with("copy")), "{left:?}");
}
