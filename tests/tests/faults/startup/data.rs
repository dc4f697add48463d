//! A data folder that is somebody else's.

use kez_tests::{ChatServer, Person, Process, http};

use super::{arguments, refused};

#[tokio::test]
async fn a_data_folder_has_one_owner() {
    let dir = tempfile::tempdir().unwrap();
    let server = ChatServer::start(dir.path()).await;
    let outcome = refused(&arguments(dir.path(), &[])).await;
    let (folder, owner) = (dir.path().to_str().unwrap(), server.process.pid().to_string());
    outcome.in_one_line(11, &[folder, &owner, "--db"]).and_nothing_else();
    assert_eq!(
        http::get(format!("{}/v1/server", server.url())).await.status(),
        200,
        "the owner doesn't notice"
    );
}

#[tokio::test]
async fn data_of_another_server_name_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = ChatServer::start(dir.path()).await;
    let alice = Person::registered("alice", first.url()).await;
    let record = alice.looked_up(first.url()).await;
    assert_eq!(first.process.terminate().await.code(), Some(0));

    let outcome = refused(&arguments(dir.path(), &[("--server", "other.test")])).await;
    outcome.in_one_line(14, &[kez_tests::SERVER, "other.test", "--server"]);
    // Refused, and unharmed.
    let server = ChatServer::start(dir.path()).await;
    assert_eq!(alice.looked_up(server.url()).await, record);
}

#[tokio::test]
async fn another_number_of_partitions_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Process::spawn("kez-chat-server", &arguments(dir.path(), &[("--inbox-partitions", "4")]));
    assert_eq!(first.ready().await.terminate().await.code(), Some(0));
    let outcome = refused(&arguments(dir.path(), &[("--inbox-partitions", "8")])).await;
    outcome.in_one_line(14, &["4", "8", "--inbox-partitions"]);
    // Left out, it is what the deployment has.
    let mut again = ChatServer::start(dir.path()).await;
    assert_eq!(again.process.terminate().await.code(), Some(0));
}
