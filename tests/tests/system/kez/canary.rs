//! `kez canary`: a message to itself over the whole path, and the name of the step that failed.

use kez_client::{Home, home::Profile};
use kez_tests::{ChatServer, Deployment, eventually, http::get, within};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
};

use super::{
    Ended, User,
    faulty::{Fault, Faulty},
    nats::flag,
};

/// A canary that sends one message, and what a program is told of it.
async fn once(user: &User, arguments: &[&str]) -> (Ended, Value) {
    let server = if arguments.contains(&"--server-url") { &[][..] } else { &["--server-url", &user.url] };
    let line = [&["--json", "canary", "--once"], server, arguments].concat();
    let ended = user.run(&line).await;
    let last = ended.stdout.lines().last().unwrap_or_default();
    let told = serde_json::from_str(last).unwrap_or_else(|e| panic!("{e}: {last} {}", ended.stderr));
    (ended, told)
}

/// It must fail at this step, and say so in one line.
async fn fails(user: &User, arguments: &[&str], step: &str, way: &str) {
    let (ended, told) = once(user, &[&["--deadline", "2s"], arguments].concat()).await;
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    assert_eq!(told["error"]["code"], step, "{told}");
    let line = format!("failed at {step} over {way}, within 2 s: ");
    assert!(told["error"]["message"].as_str().unwrap().starts_with(&line), "{told}");
    assert!(ended.stderr.contains(&line), "{}", ended.stderr);
}

fn profile(user: &User) -> Profile {
    Home::at(user.home()).below("canary").profile().unwrap().expect("it has registered")
}

/// How many messages are in the canary's inbox.
async fn left(user: &User) -> usize {
    let home = Home::at(user.home()).below("canary");
    let client = kez_client::Client::new(&user.url).unwrap();
    let identity = home.identity().unwrap();
    let page = client.inbox(&identity, &profile(user).handle, 0, None).await.unwrap();
    page.messages.len()
}

#[tokio::test]
async fn a_message_comes_back_over_both_ways_and_leaves_nothing() {
    let deployment = Deployment::start(1).await;
    let user = User::at(deployment.url(0));
    let nats = flag(&deployment.nats.url());
    for arguments in [&[][..], &[nats.as_str()], &[]] {
        let (ended, told) = once(&user, arguments).await;
        assert_eq!(ended.status, Some(0), "{}", ended.stderr);
        assert_eq!(told["ok"], true, "{told}");
        assert!(told["accepted_ms"].as_f64().unwrap() > 0.0, "{told}");
        let ways: Vec<_> = told["arrived_ms"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(ways, if arguments.is_empty() { vec!["http"] } else { vec!["http", "nats"] });
        assert_eq!(left(&user).await, 0);
    }
    // The same name all the time, of its own key; whoever's folder it is has none yet.
    let home = Home::at(user.home());
    assert!(!home.has_identity() && home.profile().unwrap().is_none());
    assert!(profile(&user).handle.to_string().starts_with("canary-"));

    // Whoever is somewhere has their canary there.
    let member = User::registered("alice", deployment.url(0)).await;
    member.must(&["canary", "--once"]).await;
    assert_eq!(profile(&member).server_url, member.url);

    let named = User::at(deployment.url(0));
    assert_eq!(once(&named, &["--handle", "yellow-bird"]).await.0.status, Some(0));
    assert_eq!(profile(&named).handle.to_string(), "yellow-bird");
    let other = named.run(&["canary", "--once", "--handle", "red-bird"]).await;
    assert_eq!(other.status, Some(2), "{}", other.stderr);
    assert!(other.stderr.contains("yellow-bird@kez.test"), "{}", other.stderr);
}

#[tokio::test]
async fn the_step_that_failed_is_named() {
    let mut deployment = Deployment::start(1).await;
    let user = User::at(deployment.url(0));
    let nats = flag(&deployment.nats.url());
    assert_eq!(once(&user, &[&nats]).await.0.status, Some(0));

    for (fault, step) in [(Fault::Silent, "arrive"), (Fault::Spoilt, "open"), (Fault::Undeleted, "delete")] {
        let proxy = Faulty::start(deployment.url(0), fault).await;
        let flags = ["--server-url", &proxy.url];
        fails(&user, &flags, step, "HTTP").await;
    }
    // Whatever a round left, the next one takes with it.
    assert_eq!(left(&user).await, 1);
    assert_eq!(once(&user, &[]).await.0.status, Some(0));
    assert_eq!(left(&user).await, 0);

    // Nobody answers logins to NATS; the other way still works.
    deployment.auth_callouts.clear();
    fails(&user, &[&nats], "connect", "NATS").await;
    assert_eq!(once(&user, &[]).await.0.status, Some(0));

    deployment.fanouts.clear();
    fails(&user, &[], "connect", "HTTP").await;

    // What takes no message of this length refuses the POST.
    deployment.fanout_arguments = ["--envelope-bytes", "16"].map(String::from).into();
    let mut fanout = deployment.fanout();
    fanout.ready().await;
    deployment.fanouts.push(fanout);
    fails(&user, &[], "send", "HTTP").await;

    deployment.gateways.clear();
    fails(&user, &[], "connect", "HTTP").await;
    fails(&User::at(&user.url), &[], "register", "HTTP").await;
}

#[tokio::test]
async fn one_that_is_stopped_before_it_knows_says_so() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let user = User::at(&url);
    let canary = user.command(&["--server-url", &url, "canary", "--once"]).spawn().unwrap();
    let _asked = within("it asks", silent.accept()).await.unwrap();
    kill(Pid::from_raw(canary.id().unwrap() as i32), Signal::SIGTERM).unwrap();
    let output = within("it ends", canary.wait_with_output()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("stopped before"), "{said}");
}

#[tokio::test]
async fn it_goes_on_and_is_counted_until_ctrl_c() {
    let dir = tempfile::tempdir().unwrap();
    let server = ChatServer::start(&dir.path().join("db")).await;
    let user = User::at(server.url());
    let line = [
        "--server-url",
        server.url(),
        "canary",
        "--every",
        "1s",
        "--deadline",
        "2s",
        "--metrics-bind",
        "127.0.0.1:0",
    ];
    let mut canary = user.command(&line).spawn().unwrap();
    let mut said = BufReader::new(canary.stderr.take().unwrap()).lines();
    let metrics = within("it says where its metrics are", async {
        loop {
            let line = said.next_line().await.unwrap().expect("it ended");
            if let Some((_, url)) = line.split_once("metrics at ") {
                return url.trim_end_matches("\u{1b}[0m").to_owned();
            }
        }
    })
    .await;
    let value = async |name: &str| {
        let text = get(&metrics).await.text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name}: {text}")).parse::<f64>().unwrap()
    };
    eventually("it sends again and again", async || {
        (value("kez_canary_successes_total").await >= 2.0).then_some(())
    })
    .await;
    assert!(value("kez_canary_accepted_seconds_count").await >= 2.0);
    assert!(value("kez_canary_arrived_seconds_count{way=\"http\"}").await >= 2.0);
    for step in ["register", "connect", "send", "arrive", "open", "delete"] {
        assert_eq!(value(&format!("kez_canary_failures_total{{step=\"{step}\"}}")).await, 0.0);
    }
    drop(server);
    let failed = "kez_canary_failures_total{step=\"connect\"}";
    eventually("failures are counted", async || (value(failed).await >= 1.0).then_some(())).await;

    kill(Pid::from_raw(canary.id().unwrap() as i32), Signal::SIGINT).unwrap();
    let output = within("it ends", canary.wait_with_output()).await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut lines = lines.lines();
    assert!(lines.next().unwrap().ends_with("@kez.test is yours"));
    assert!(lines.next().unwrap().starts_with("accepted in "));
    assert!(lines.any(|line| line.starts_with("failed at connect over HTTP, within 2 s: ")));
}
