//! `kez --nats`: the same commands, the same words and the same mail over NATS, whatever happens to the connection.

use std::{fs, ops::Range};

use kez_client::Identity;
use kez_nats::Owner;
use kez_proto::subjects;
use kez_tests::{Deployment, TlsProxy, eventually, nats::Nats, person::send, within};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{User, listening::Listening, sealed};

pub fn flag(url: &str) -> String {
    format!("--nats={url}")
}

/// Somebody with the same key and the same name at another terminal, who has read nothing yet.
pub fn another_device(user: &User) -> User {
    let other = User::at(&user.url);
    fs::create_dir(other.home()).unwrap();
    for file in ["identity.key", "profile.json"] {
        fs::copy(user.home().join(file), other.home().join(file)).unwrap();
    }
    other
}

/// Leaves bobby these messages over HTTP, each until it is taken: the same envelope is stored once.
async fn leave(bob: &User, messages: Range<u32>) {
    let (url, stranger) = (&bob.url, Identity::generate().unwrap());
    for n in messages {
        let envelope = sealed(&stranger, bob.primary(), &n.to_string());
        eventually("a message is stored", async || {
            (send(url, "bobby", envelope.clone()).await.status() == 201).then_some(())
        })
        .await;
    }
}

fn seqs<'a>(messages: impl IntoIterator<Item = &'a Value>) -> Vec<u64> {
    messages.into_iter().map(|message| message["seq"].as_u64().unwrap()).collect()
}

/// Ends every connection of a user.
pub async fn kick(nats: &Nats) -> usize {
    let seed = fs::read_to_string(nats.keys.seed_file(Owner::System)).unwrap();
    let system = async_nats::ConnectOptions::with_nkey(seed.trim().to_owned());
    let system = within("the system account", system.connect(nats.url())).await.unwrap();
    let ask = async |subject: String, request: Value| -> Value {
        let answer = system.request(subject, request.to_string().into()).await.unwrap();
        serde_json::from_slice(&answer.payload).unwrap()
    };
    let all = ask(subjects::CONNECTIONS.to_owned(), json!({"acc": "CHAT"})).await;
    let server = all["server"]["id"].as_str().unwrap();
    let connections = all["data"]["connections"].as_array().unwrap();
    for connection in connections {
        ask(subjects::kick(server), json!({"cid": connection["cid"]})).await;
    }
    connections.len()
}

/// A listener has what is stored, once and in order, while something happens to it and mail goes on.
async fn listens_through(happens: impl AsyncFnOnce(&mut Deployment)) {
    let mut deployment = Deployment::start(1).await;
    let url = deployment.url(0).to_owned();
    let bob = User::registered("bobby", &url).await;
    leave(&bob, 0..3).await;
    let mut listening = Listening::start(&bob, &["--json", &flag(&deployment.nats.url())]).await;
    leave(&bob, 3..6).await;
    tokio::join!(happens(&mut deployment), leave(&bob, 6..40));
    leave(&bob, 40..43).await;

    let mut printed: Vec<Value> = vec![];
    for _ in 0..43 {
        printed.push(serde_json::from_str(&listening.line().await).unwrap());
    }
    assert_eq!(listening.interrupt().await, Vec::<String>::new());
    let bodies: Vec<_> = printed.iter().map(|message| message["body"].as_str().unwrap().to_owned()).collect();
    assert_eq!(bodies, (0..43).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(seqs(&printed), seqs(&bob.json(&["inbox"]).await));
}

#[tokio::test]
async fn a_conversation_over_tcp_and_websocket() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let (tcp, ws) = (flag(&deployment.nats.url()), flag(&deployment.nats.ws_url()));
    let alice = User::registered("alice", url).await;
    let bob = User::registered("bobby", url).await;
    let (bob_ws, bob_http) = (another_device(&bob), another_device(&bob));
    alice.must(&["send", "bobby", "before"]).await;

    let mut listening = [
        Listening::start(&bob, &["--json", &tcp]).await,
        Listening::start(&bob_ws, &["--json", &ws]).await,
        Listening::start(&bob_http, &["--json"]).await,
    ];
    let sent = alice.must(&["send", &tcp, "bobby", "over", "TCP"]).await;
    assert!(sent.starts_with("sent to bobby@kez.test, seq "), "{sent}");
    let sent = &alice.json(&["send", &ws, "bobby", "over WebSocket"]).await[0];
    assert_eq!((&sent["to"], &sent["duplicate"]), (&json!("bobby@kez.test"), &json!(false)));
    // The longest that fits, as nearly as words go.
    alice.must(&["send", &ws, "bobby", &"x".repeat(120 * 1024)]).await;
    for _ in 0..4 {
        let lines = [listening[0].line().await, listening[1].line().await, listening[2].line().await];
        assert!(lines[0] == lines[1] && lines[1] == lines[2], "{lines:?}");
    }
    for listening in listening {
        assert!(listening.interrupt().await.is_empty());
    }

    let mut back = Listening::start(&alice, &[&ws]).await;
    for body in ["before", "over TCP", "over WebSocket"] {
        assert!(back.line().await.ends_with(&format!("you to bobby@kez.test: {body}")));
    }
    assert!(back.line().await.contains("you to bobby@kez.test: xxx"));
    bob.must(&["send", &tcp, "alice", "hello"]).await;
    assert!(back.line().await.ends_with("bobby@kez.test: hello"));
    assert!(back.interrupt().await.is_empty());
    let mut again = Listening::start(&bob, &[&ws]).await;
    assert!(again.line().await.ends_with("you to alice@kez.test: hello"));
    assert!(again.interrupt().await.is_empty(), "its place is remembered, whatever it listens over");
}

#[tokio::test]
async fn refusals_are_the_same_as_over_http() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let nats = flag(&deployment.nats.url());
    let alice = User::registered("alice", url).await;
    let over_nats = alice.fails(&["send", &nats, "nobody", "hello"]).await;
    assert_eq!(over_nats, alice.fails(&["send", "nobody", "hello"]).await);
    let ended = alice.run(&["--json", "send", &nats, "nobody", "hello"]).await;
    let error: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.status, &error["error"]["code"]), (Some(1), &"unknown_handle".into()));
}

#[tokio::test]
async fn without_an_address_the_server_is_asked() {
    let mut deployment = Deployment::start(1).await;
    let alice = User::registered("alice", deployment.url(0)).await;
    let why = alice.fails(&["listen", "--nats"]).await;
    assert!(why.contains("doesn't say where its NATS is") && why.contains("--nats=URL"), "{why}");

    let (tcp, ws) = (deployment.nats.url(), deployment.nats.ws_url());
    let browsers = ["--nats-ws-public-url", &ws];
    let programs = ["--nats-public-url", &tcp, "--nats-ws-public-url", "ws://127.0.0.1:1"];
    for told in [&browsers[..], &programs] {
        deployment.gateway_arguments = told.iter().map(ToString::to_string).collect();
        let mut gateway = deployment.gateway("127.0.0.1:0");
        gateway.ready().await;
        let url = gateway.address("http").to_owned();
        alice.must(&["--server-url", &url, "send", "--nats", "alice", told[1]]).await;
        let mut listening = Listening::start(&alice, &["--server-url", &url, "--nats"]).await;
        assert!(listening.line().await.ends_with(told[1]));
        assert!(listening.interrupt().await.is_empty());
    }
}

#[tokio::test]
async fn a_server_with_tls_does_not_lead_to_a_nats_without() {
    let mut deployment = Deployment::start(1).await;
    let alice = User::registered("alice", deployment.url(0)).await;
    // This machine by an address that anybody may have, as far as `kez` knows.
    let exposed = deployment.nats.url().replace("127.0.0.1", "0.0.0.0");
    deployment.gateway_arguments = vec!["--nats-public-url".into(), exposed.clone()];
    let mut gateway = deployment.gateway("127.0.0.1:0");
    gateway.ready().await;
    let plain = gateway.address("http").to_owned();
    let proxy = TlsProxy::start(&plain).await;
    let run = async |arguments: &[&str]| {
        let mut command = alice.command(arguments);
        command.env("SSL_CERT_FILE", proxy.authority.file());
        let output = within(&format!("kez {arguments:?} ends"), command.output()).await.unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for command in [&["send", "--nats", "alice", "hello"][..], &["listen", "--nats"]] {
        let (status, said) = run(&[&["--server-url", &proxy.url], command].concat()).await;
        assert_eq!(status, Some(1), "{said}");
        for words in ["error: ", &proxy.url, &exposed, "has no TLS", "without --nats", "--nats=tls://"] {
            assert!(said.contains(words), "{words} isn't in {said}");
        }
    }
    assert_eq!(alice.json(&["inbox"]).await, Vec::<Value>::new(), "nothing was sent");

    // Over HTTPS it goes on, and NATS for those who say so or who have no TLS to lose.
    let (status, said) = run(&["--server-url", &proxy.url, "send", "alice", "hello"]).await;
    assert_eq!(status, Some(0), "{said}");
    let (status, said) = run(&["--server-url", &plain, "send", "--nats", "alice", "hello"]).await;
    assert!(status == Some(0) && !said.contains("Warning"), "{said}");
    let (status, said) = run(&["--server-url", &proxy.url, "send", &flag(&exposed), "alice", "hello"]).await;
    let warnings = said.lines().filter(|line| line.contains("Warning") && line.contains(&exposed)).count();
    assert_eq!((status, warnings), (Some(0), 1), "{said}");
    let (status, said) = run(&["send", &flag(&deployment.nats.url()), "alice", "hello"]).await;
    assert!(status == Some(0) && !said.contains("Warning"), "{said}");
}

#[tokio::test]
async fn a_key_that_is_not_let_in_is_told_what_to_do() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = User::registered("alice", url).await;
    User::registered("bobby", url).await;
    let profile = |server: &str, handle: &str| {
        json!({"server_url": url, "server": server, "handle": handle}).to_string()
    };
    let stranger = User::at(url);
    stranger.must(&["identity", "new"]).await;
    for (user, server, handle, words) in [
        (&alice, "elsewhere.test", "alice", "alice@elsewhere.test isn't registered there with this key"),
        (&stranger, "kez.test", "alice", "alice@kez.test isn't registered there with this key"),
        (&alice, "kez.test", "bobby", "bobby isn't this key's handle there"),
    ] {
        fs::write(user.home().join("profile.json"), profile(server, handle)).unwrap();
        for nats in [deployment.nats.url(), deployment.nats.ws_url()] {
            for command in [&["listen", &flag(&nats)][..], &["send", &flag(&nats), handle, "hello"]] {
                let why = user.fails(command).await;
                assert!(why.contains(words) && why.contains("kez register"), "{command:?}: {why}");
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_cannot_decide_yet_is_waited_for() {
    let mut deployment = Deployment::start(1).await;
    let url = deployment.url(0).to_owned();
    let bob = User::registered("bobby", &url).await;
    deployment.auth_callouts.clear();
    let nats = flag(&deployment.nats.url());
    let why = bob.fails(&["send", &nats, "bobby", "hello"]).await;
    assert!(why.contains("didn't decide in time"), "{why}");

    let mut child = bob.command(&["listen", &nats]).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut hears = async |words: &str| {
        within(words, async { while !said.next_line().await.unwrap().expect("it ended").contains(words) {} })
            .await;
    };
    hears("didn't decide in time").await;
    let mut callout = deployment.auth_callout();
    callout.ready().await;
    hears("connected as bobby@kez.test").await;
    child.kill().await.unwrap();
}

#[tokio::test]
async fn nothing_is_lost_when_nats_starts_again() {
    listens_through(async |deployment| {
        for _ in 0..2 {
            deployment.nats.kill();
            deployment.nats.restart().await;
            eventually("it is back", async || (kick(&deployment.nats).await > 0).then_some(())).await;
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_is_lost_when_the_connection_is_ended() {
    listens_through(async |deployment| {
        for _ in 0..3 {
            eventually("somebody is kicked", async || (kick(&deployment.nats).await > 0).then_some(())).await;
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_is_lost_when_the_fanout_starts_again() {
    listens_through(async |deployment| {
        deployment.fanouts.clear();
        kick(&deployment.nats).await;
        let mut fanout = deployment.fanout();
        fanout.ready().await;
        deployment.fanouts.push(fanout);
    })
    .await;
}
