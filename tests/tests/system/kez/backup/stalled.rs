//! A backup that gets stuck says so, and leaves nothing behind when it ends.

use std::{fs, process::Stdio};

use kez_proto::subjects::Role;
use kez_tests::{Deployment, Person, person::send, within};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy},
    net::{TcpListener, TcpStream},
    process::Child,
    sync::oneshot,
    task::JoinSet,
};

use super::{Operator, with_logs};

/// What nats-server may send before the way to it is stuck.
const BYTES: u64 = 1 << 20;

/// A way to nats-server that gets stuck, and breaks when it is told to.
async fn stuck(deployment: &Deployment, way: &mut JoinSet<()>) -> (String, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let (address, (broken, breaks)) = (deployment.nats.address, oneshot::channel());
    way.spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut server = TcpStream::connect(address).await.unwrap();
        let (mut from_client, mut to_client) = client.split();
        let (from_server, mut to_server) = server.split();
        let mut first = from_server.take(BYTES);
        let there = async {
            copy(&mut first, &mut to_client).await.unwrap();
            to_client.flush().await.unwrap();
            std::future::pending::<()>().await;
        };
        let back = async { drop(copy(&mut from_client, &mut to_server).await) };
        tokio::select! { () = there => {} () = back => {} _ = breaks => {} }
    });
    (url, broken)
}

/// A backup that has said how far it is.
async fn begun(operator: &Operator, deployment: &Deployment, url: &str) -> Child {
    let (dir, nkey) = (operator.dir("copy"), deployment.nats.keys.seed_file(Role::Operator));
    let arguments = ["backup", dir.to_str().unwrap(), "--nats-url", url, "--nkey", nkey.to_str().unwrap()];
    let mut child = operator.0.command(&arguments).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.as_mut().unwrap()).lines();
    let line = within("it says how far it is", said.next_line()).await.unwrap().expect("it ended");
    assert!(line.contains("copying KEZ_INBOX_") && line.contains(" after "), "{line}");
    assert_eq!(fs::read_dir(operator.0.folder.path()).unwrap().count(), 1, "what it has is in one folder");
    assert!(!dir.exists());
    child
}

#[tokio::test]
async fn what_is_interrupted_or_cut_off_leaves_nothing() {
    let deployment = with_logs(1).await;
    let url = deployment.url(0);
    Person::registered("alice", url).await;
    for n in 0..30 {
        let filler: String = std::iter::repeat_with(fastrand::alphanumeric).take(200_000).collect();
        assert_eq!(send(url, "alice", json!({"n": n, "filler": filler})).await.status(), 201);
    }
    for how in ["interrupted", "connection to NATS was lost"] {
        let operator = Operator::new();
        let mut way = JoinSet::new();
        let (url, broken) = stuck(&deployment, &mut way).await;
        let child = begun(&operator, &deployment, &url).await;
        match how {
            "interrupted" => kill(Pid::from_raw(child.id().unwrap() as i32), Signal::SIGINT).unwrap(),
            _ => broken.send(()).unwrap(),
        }
        let ended = within("it ends", child.wait_with_output()).await.unwrap();
        let words = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.code() == Some(1) && words.contains(how), "{how}: {words}");
        assert_eq!(fs::read_dir(operator.0.folder.path()).unwrap().count(), 0, "{how}");
    }
}
