//! `kez backup` and `kez restore`: a deployment is copied while it runs, and becomes one again elsewhere.

mod damage;
mod drill;
mod empty;
mod running;
mod skew;
mod stalled;

use std::path::PathBuf;

use kez_proto::subjects::Role;
use kez_tests::{Deployment, http};
use serde_json::Value;

use super::{Ended, User, with_logs};

/// Who keeps the backups.
struct Operator(User);

impl Operator {
    fn new() -> Self {
        Self(User::at("http://nowhere.test"))
    }

    /// The folder of the backup of this name.
    fn dir(&self, name: &str) -> PathBuf {
        self.0.folder.path().join(name)
    }

    /// `kez <verb> <folder>` with the operator's key of this deployment.
    async fn run(&self, verb: &str, name: &str, deployment: &Deployment, more: &[&str]) -> Ended {
        let (dir, urls) = (self.dir(name), deployment.nats_urls());
        let nkey = deployment.nats.keys.seed_file(Role::Operator);
        let at = [verb, dir.to_str().unwrap(), "--nats-url", &urls, "--nkey", nkey.to_str().unwrap()];
        self.0.run(&[&at, more].concat()).await
    }

    /// What a program is told when all is well.
    async fn must(&self, verb: &str, name: &str, deployment: &Deployment, more: &[&str]) -> Value {
        let ended = self.run(verb, name, deployment, &[more, &["--json"]].concat()).await;
        assert_eq!(ended.status, Some(0), "{verb} {name}: {}", ended.stderr);
        serde_json::from_str(&ended.stdout).unwrap()
    }

    /// Why it fails.
    async fn fails(&self, verb: &str, name: &str, deployment: &Deployment, more: &[&str]) -> String {
        let ended = self.run(verb, name, deployment, more).await;
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
        ended.stderr
    }

    /// Looks at a backup without any server.
    async fn verify(&self, verb: &str, name: &str) -> Ended {
        self.0.run(&[verb, "--verify", self.dir(name).to_str().unwrap()]).await
    }
}

/// The epoch that clients are told.
async fn epoch(url: &str) -> String {
    let server: Value = http::get(format!("{url}/v1/server")).await.json().await.unwrap();
    server["epoch"].as_str().unwrap().to_owned()
}
