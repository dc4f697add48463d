//! `kez admin`: what an operator sees and does.

mod limits;
mod orders;
mod status;

use kez_proto::subjects::Role;
use kez_tests::Deployment;
use serde_json::Value;

use super::{Ended, User, with_logs};

/// Who has the operator's key.
struct Operator(User);

impl Operator {
    fn new() -> Self {
        Self(User::at("http://nowhere.test"))
    }

    /// `kez admin …` with the operator's key of this deployment.
    async fn run(&self, deployment: &Deployment, arguments: &[&str]) -> Ended {
        let (urls, nkey) = (deployment.nats_urls(), deployment.nats.keys.seed_file(Role::Operator));
        let at = ["--nats-url", &urls, "--nkey", nkey.to_str().unwrap()];
        self.0.run(&[&["admin"], arguments, &at].concat()).await
    }

    /// How it ends, and the first thing that a program is told.
    async fn json(&self, deployment: &Deployment, arguments: &[&str]) -> (Option<i32>, Value) {
        let ended = self.run(deployment, &[arguments, &["--json"]].concat()).await;
        let line = ended.stdout.lines().next().unwrap_or_else(|| panic!("{}", ended.stderr));
        (ended.status, serde_json::from_str(line).unwrap())
    }
}
