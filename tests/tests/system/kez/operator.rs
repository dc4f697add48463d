//! `kez nats`: an operator makes keys and configuration for nats-server, and has them checked.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use async_nats::{ConnectOptions, jetstream};
use kez_nats::Keys;
use kez_proto::subjects::{self, Role};
use kez_tests::{eventually, nats::nats_server};
use serde_json::Value;

use super::{Ended, User};

/// An operator with a folder.
struct Operator(User);

impl Operator {
    fn new() -> Self {
        Self(User::at("http://nowhere.test"))
    }

    fn dir(&self) -> PathBuf {
        self.0.folder.path().join("nats")
    }

    fn conf(&self) -> PathBuf {
        self.dir().join("nats-server.conf")
    }

    async fn init(&self, more: &[&str]) -> String {
        let dir = self.dir();
        let flags = ["nats", "init", "--dir", dir.to_str().unwrap(), "--server-name", "kez.test"];
        self.0.must(&[&flags, more].concat()).await
    }

    async fn check(&self, more: &[&str]) -> Ended {
        let binary = nats_server();
        self.0.run(&[&["nats", "check", "--nats-server", binary.to_str().unwrap()], more].concat()).await
    }
}

fn seeds(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut folders = vec![dir.join("keys"), dir.join("keys/session")];
    let mut found = vec![];
    while let Some(folder) = folders.pop() {
        let files = fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).filter(|path| path.is_file());
        found.extend(files.map(|path| (path.clone(), fs::read_to_string(&path).unwrap())));
    }
    found.sort();
    found
}

#[tokio::test]
async fn keys_are_kept_and_configuration_is_written_anew() {
    let operator = Operator::new();
    let first = operator.init(&[]).await;
    for part in [
        "made ",
        "wrote ",
        "kez nats check ",
        "nats-server -c ",
        "kez-auth-callout --server kez.test --callout-keys ",
    ] {
        assert!(first.contains(part), "{part} isn't in {first}");
    }
    let (keys, conf) = (seeds(&operator.dir()), fs::read_to_string(operator.conf()).unwrap());
    assert_eq!(keys.len(), 12);
    assert!(
        !keys.iter().any(|(_, seed)| conf.contains(seed.trim()) || first.contains(seed.trim())),
        "no seed is told"
    );
    let same = operator.init(&[]).await;
    assert!(same.contains("kept ") && same.contains("same "), "{same}");
    assert_eq!(fs::read_to_string(operator.conf()).unwrap(), conf);

    let other = operator.init(&["--origin", "https://app.kez.test", "--ws-listen", "127.0.0.1:9443"]).await;
    assert!(other.contains("kept ") && other.contains("rewrote "), "{other}");
    let changed = fs::read_to_string(operator.conf()).unwrap();
    assert!(changed.contains("\"https://app.kez.test\"") && changed.contains("port: 9443"), "{changed}");
    assert!(conf.contains("\"https://kez.test\"") && !changed.contains("\"https://kez.test\""));
    assert_eq!(seeds(&operator.dir()), keys);

    // A key that is lost is made again; the others stay.
    fs::remove_file(operator.dir().join("keys/gateway.nk")).unwrap();
    let again = operator.init(&[]).await;
    assert!(again.contains("kept 8 and made 1 keys"), "{again}");
    let now = seeds(&operator.dir());
    assert_eq!(now.iter().zip(&keys).filter(|(new, old)| new != old).count(), 1);
}

#[tokio::test]
async fn what_cannot_be_meant_is_wrong_usage() {
    let operator = Operator::new();
    let dir = operator.dir();
    let cases: &[&[&str]] = &[
        &["--ws-listen", "0.0.0.0:8443"],
        &["--nodes", "n1=a:1,n2=b:1"],
        &["--nodes", "n1=a:1,n1=b:1,n3=c:1"],
        &["--nodes", "../n1=a:1,n2=b:1,n3=c:1"],
        &["--origin", "*"],
        &["--origin", "https://kez.test/path"],
        &["--tls-cert", "cert.pem"],
        &["--partitions", "65"],
        &["--route-tls-cert", "cert.pem"],
        &["--listen", "everywhere"],
    ];
    for case in cases {
        let flags = ["nats", "init", "--dir", dir.to_str().unwrap(), "--server-name", "kez.test"];
        let ended = operator.0.run(&[&flags, *case].concat()).await;
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(2), ""), "{case:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(case[0]), "{case:?}: {}", ended.stderr);
        assert!(!dir.exists(), "{case:?} left keys behind");
    }
}

#[tokio::test]
async fn what_init_writes_passes_the_check() {
    let operator = Operator::new();
    operator
        .init(&[
            "--monitor",
            "--partitions",
            "4",
            "--origin",
            "https://app.kez.test",
            "--origin",
            "http://127.0.0.1:6969",
        ])
        .await;
    let conf = operator.conf();
    let ended = operator.check(&[conf.to_str().unwrap()]).await;
    assert_eq!(ended.status, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(
        ended.stdout.lines().count() > 15 && ended.stdout.lines().all(|l| l.starts_with("ok ")),
        "{}",
        ended.stdout
    );
    assert!(!operator.dir().join("data").exists(), "the trial has a folder of its own");
    let ended = operator.check(&["--json", conf.to_str().unwrap()]).await;
    for line in ended.stdout.lines() {
        assert_eq!(serde_json::from_str::<Value>(line).unwrap()["result"], "ok", "{line}");
    }
}

#[tokio::test]
async fn each_mistake_has_a_line_that_fails_and_the_next_step() {
    let operator = Operator::new();
    operator.init(&[]).await;
    let conf = operator.conf();
    let right = fs::read_to_string(&conf).unwrap();
    let keys = Keys::load(&operator.dir().join("keys")).unwrap();
    let issuer = keys.public(kez_nats::Owner::CalloutIssuer);
    let other = nkeys::KeyPair::new_account().public_key();
    let callout = &right[right.find("  auth_callout {").unwrap()..right.find("\nsystem_account").unwrap()];
    let gateway = &right[right.find(keys.public(Role::Gateway)).unwrap()..];
    let gateway = &gateway[gateway.find("subscribe {").unwrap()..];
    let list = &gateway[..gateway.find(']').unwrap() + 1];
    let cases: &[(&str, &str, &str)] = &[
        (callout, "}\n", "there is no authorization.auth_callout"),
        ("    allowed_accounts: [ AUTH ]\n", "", "auth_callout.allowed_accounts must be [ AUTH ]"),
        (issuer, &other, "auth_callout.issuer is"),
        ("system_account: SYS", "no_auth_user: nobody\nsystem_account: SYS", ""),
        ("compression: false", "no_auth_user: nobody", ""),
        ("\"kez.chat.send.*\", accounts: [ KEZ ]", "\"kez.>\", accounts: [ KEZ ]", ""),
        (list, "subscribe { allow: []", "the list of what it may subscribe to is empty"),
        ("compression: false", "compression: true", "websocket.compression must be false"),
        ("  host: \"127.0.0.1\"\n  port: 8443", "  host: \"0.0.0.0\"\n  port: 8443", "has no TLS"),
        ("    \"https://kez.test\"\n", "", "websocket.allowed_origins is empty or missing"),
        (
            "server_name: \"nats\"",
            "server_name: \"nats\"\ntls { cert_file: nowhere.pem, key_file: nowhere.key }",
            "nowhere.pem",
        ),
        ("jetstream {", "jetstream ((", "Parse error"),
    ];
    for (what, by, said) in cases {
        assert_eq!(right.matches(what).count(), 1, "{what}");
        fs::write(&conf, right.replacen(what, by, 1)).unwrap();
        let ended = operator.check(&[conf.to_str().unwrap()]).await;
        assert_eq!(ended.status, Some(1), "{by}: {}", ended.stdout);
        let failed: Vec<_> = ended.stdout.lines().filter(|line| line.starts_with("FAIL")).collect();
        assert!(failed.iter().any(|line| line.contains(said)), "{by}: {}", ended.stdout);
        assert!(ended.stderr.contains("checks failed"), "{by}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn what_a_file_cannot_tell_is_found_by_the_trial() {
    let operator = Operator::new();
    operator.init(&[]).await;
    let conf = operator.conf();
    let keys = operator.dir().join("keys");
    // Someone else's keys.
    let stranger = Operator::new();
    stranger.init(&[]).await;
    let theirs = stranger.dir().join("keys");
    let ended = operator.check(&[conf.to_str().unwrap(), "--keys", theirs.to_str().unwrap()]).await;
    assert_eq!(ended.status, Some(1));
    assert!(ended.stdout.contains("has no user with the key of"), "{}", ended.stdout);
    // A seed that others can read, and none at all.
    fs::set_permissions(keys.join("sys.nk"), fs::Permissions::from_mode(0o644)).unwrap();
    let ended = operator.check(&[conf.to_str().unwrap()]).await;
    assert!(ended.status == Some(1) && ended.stdout.contains("chmod 600"), "{}", ended.stdout);
    fs::remove_file(keys.join("sys.nk")).unwrap();
    let ended = operator.check(&[conf.to_str().unwrap()]).await;
    assert!(
        ended.status == Some(1) && ended.stdout.contains("sys.nk") && ended.stdout.contains("--keys"),
        "{}",
        ended.stdout
    );
    // A nats-server that may not be used.
    let old = operator.0.folder.path().join("old");
    fs::write(&old, "#!/bin/sh\necho 'nats-server: v2.10.0'\n").unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
    let ended = operator
        .0
        .run(&["nats", "check", "--nats-server", old.to_str().unwrap(), conf.to_str().unwrap()])
        .await;
    assert!(ended.status == Some(1) && ended.stdout.contains("2.10.0"), "{}", ended.stdout);
}

/// Three ports in a row that were free a moment ago.
fn row() -> u16 {
    let free = |port: &u16| (*port..port + 3).all(|p| TcpListener::bind(("127.0.0.1", p)).is_ok());
    let some = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    std::iter::repeat_with(some).filter(|port| *port < 65_000).find(free).unwrap()
}

struct Running(Vec<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[tokio::test]
async fn three_servers_form_a_cluster_that_keeps_three_copies() {
    let operator = Operator::new();
    let (routes, clients, browsers) = (row(), row(), row());
    let nodes = (0..3).map(|n| format!("n{n}=127.0.0.1:{}", routes + n)).collect::<Vec<_>>().join(",");
    let (listen, ws) = (format!("127.0.0.1:{clients}"), format!("127.0.0.1:{browsers}"));
    let said = operator.init(&["--nodes", &nodes, "--listen", &listen, "--ws-listen", &ws]).await;
    assert!(said.contains("--replicas 3"), "{said}");
    let confs: Vec<_> = (0..3).map(|n| operator.dir().join(format!("n{n}.conf"))).collect();
    for conf in &confs {
        assert_eq!(
            fs::metadata(conf).unwrap().permissions().mode() & 0o777,
            0o600,
            "it holds the secret of the routes"
        );
    }
    let names: Vec<_> = confs.iter().map(|conf| conf.to_str().unwrap()).collect();
    let ended = operator.check(&names).await;
    assert_eq!(ended.status, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("the servers of the cluster fit together"), "{}", ended.stdout);

    let binary = nats_server();
    let start = |conf: &PathBuf| {
        let mut command = Command::new(&binary);
        command.arg("-c").arg(conf).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let mut running = Running(confs.iter().map(start).collect());
    let keys = Keys::load(&operator.dir().join("keys")).unwrap();
    let seed = fs::read_to_string(keys.seed_file(Role::Registry)).unwrap();
    let urls: Vec<_> = (0..3).map(|n| format!("nats://127.0.0.1:{}", clients + n)).collect();
    let connect = async || {
        let options = ConnectOptions::with_nkey(seed.trim().to_owned());
        options.custom_inbox_prefix(Role::Registry.inbox_prefix()).connect(urls.as_slice()).await.ok()
    };
    let client = eventually("a server takes clients", connect).await;
    let jetstream = jetstream::new(client);
    let config = jetstream::stream::Config {
        name: subjects::REGISTRY_STREAM.into(),
        subjects: vec![subjects::REGISTRY_LOG.into()],
        num_replicas: 3,
        ..Default::default()
    };
    let created =
        eventually("the cluster has a leader", async || jetstream.create_stream(config.clone()).await.ok());
    let created = created.await;
    let copies = created.cached_info().cluster.as_ref().map(|cluster| cluster.replicas.len());
    assert_eq!(copies, Some(2), "beside the leader's");
    let stored = eventually("a message is stored", async || {
        jetstream.publish(subjects::REGISTRY_LOG, "entry".into()).await.ok()?.await.ok()
    });
    assert_eq!(stored.await.sequence, 1);
    // One of three may go.
    let mut gone = running.0.pop().unwrap();
    gone.kill().unwrap();
    gone.wait().unwrap();
    let stored = eventually("two go on", async || {
        jetstream.publish(subjects::REGISTRY_LOG, "entry".into()).await.ok()?.await.ok()
    });
    assert!(stored.await.sequence >= 2);
}
