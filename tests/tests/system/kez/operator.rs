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
use kez_tests::{Process, eventually, nats::nats_server};
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
    assert_eq!(keys.len(), 14);
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
    assert!(again.contains("kept 12 and made 1 keys"), "{again}");
    let now = seeds(&operator.dir());
    assert_eq!(now.iter().zip(&keys).filter(|(new, old)| new != old).count(), 1);
}

#[tokio::test]
async fn what_cannot_be_meant_is_wrong_usage() {
    let operator = Operator::new();
    let dir = operator.dir();
    let cases: &[&[&str]] = &[
        &["--ws-listen", "0.0.0.0:8443"],
        &["--listen", "0.0.0.0:4222"],
        &["--listen", "0.0.0.0:4222", "--ws-plain"],
        &["--ws-listen", "[::]:8443", "--plain"],
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
async fn a_listener_that_others_reach_has_tls_or_the_operators_word() {
    let operator = Operator::new();
    let dir = operator.dir();
    let nodes = ["--nodes", "n1=10.0.0.1:6222,n2=10.0.0.2:6222,n3=10.0.0.3:6222"];
    // A cluster's servers are reached by other machines from the start.
    let flags = ["nats", "init", "--dir", dir.to_str().unwrap(), "--server-name", "kez.test"];
    let ended = operator.0.run(&[&flags, &nodes[..]].concat()).await;
    assert_eq!(ended.status, Some(2));
    for words in ["--listen 0.0.0.0:4222", "--tls-cert", "--plain"] {
        assert!(ended.stderr.contains(words), "{words} isn't in {}", ended.stderr);
    }
    assert!(!dir.exists());

    // On a network of their own, which the check is told.
    let said = operator.init(&[&nodes[..], &["--plain"]].concat()).await;
    assert!(said.contains("kez nats check --plain ") && said.contains("nats://10.0.0.1:4222,"), "{said}");
    assert!(!said.contains("--nats-direct"), "a proxy may be in front: {said}");
    let confs: Vec<_> =
        ["n1", "n2", "n3"].map(|n| dir.join(format!("{n}.conf")).display().to_string()).into();
    let confs: Vec<_> = confs.iter().map(String::as_str).collect();
    let ended = operator.check(&[&["--plain"], &confs[..]].concat()).await;
    let notes: Vec<_> = ended.stdout.lines().filter(|line| !line.starts_with("ok ")).collect();
    assert!(
        notes.iter().all(|line| line.contains("in the clear: on a network that others use")),
        "{notes:#?}"
    );
    let ended = operator.check(&confs).await;
    assert!(ended.stdout.contains("clients reach 0.0.0.0 without TLS"), "{}", ended.stdout);

    // Clients that come without a proxy are counted by their addresses.
    let tls = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let said = operator.init(&[&nodes[..], &tls].concat()).await;
    assert!(said.contains(" --nats-direct standard --nats-url tls://10.0.0.1:4222,"), "{said}");
    let said = operator.init(&[&nodes[..], &tls, &["--ws-listen", "0.0.0.0:8443"]].concat()).await;
    assert!(said.contains(" --nats-direct standard,websocket "), "{said}");
    let said = operator.init(&[&tls[..], &["--ws-listen", "0.0.0.0:8443", "--ws-plain"]].concat()).await;
    assert!(!said.contains("--nats-direct"), "{said}");
}

#[tokio::test]
async fn a_configuration_that_is_not_there_is_wrong_usage() {
    let operator = Operator::new();
    operator.init(&[]).await;
    let (conf, missing) = (operator.conf().display().to_string(), operator.dir().join("nope.conf"));
    let missing = missing.to_str().unwrap();
    for named in [&[missing][..], &[&conf, missing]] {
        let ended = operator.check(named).await;
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(2), ""), "{}", ended.stderr);
        assert!(ended.stderr.contains(&format!("there is no file {missing}")), "{}", ended.stderr);
    }
    let folder = operator.dir().display().to_string();
    let ended = operator.check(&[&folder]).await;
    assert!(ended.status == Some(2) && ended.stderr.contains("isn't a file"), "{}", ended.stderr);
}

#[tokio::test]
async fn the_next_session_key_is_made_and_what_follows_is_told() {
    let operator = Operator::new();
    operator.init(&[]).await;
    let keys = operator.dir().join("keys");
    let (first, second) = (keys.join("session/1.nk"), keys.join("session/2.nk"));
    let before = fs::read_to_string(&first).unwrap();
    let said = operator.0.must(&["nats", "rotate-session-key", keys.to_str().unwrap()]).await;
    for words in [format!("made     {}", second.display()), format!("rm {}", first.display())] {
        assert!(said.contains(&words), "{words} isn't in {said}");
    }
    assert_eq!(fs::metadata(&second).unwrap().permissions().mode() & 0o777, 0o600);
    let seed = fs::read_to_string(&second).unwrap();
    assert!(seed.starts_with("SU") && seed != before && !said.contains(seed.trim()));
    assert_eq!(fs::read_to_string(&first).unwrap(), before);
    let made = &operator.0.json(&["nats", "rotate-session-key", keys.to_str().unwrap()]).await[0];
    assert_eq!((&made["number"], made["old"].as_array().unwrap().len()), (&3.into(), 2));
    let ended = operator.check(&[operator.conf().to_str().unwrap()]).await;
    assert_eq!(ended.status, Some(0), "{}", ended.stdout);

    let nowhere = operator.dir().join("nowhere");
    let why = operator.0.fails(&["nats", "rotate-session-key", nowhere.to_str().unwrap()]).await;
    assert!(why.contains(nowhere.join("session").to_str().unwrap()), "{why}");
    assert!(!nowhere.exists());
}

#[tokio::test]
async fn each_process_is_handed_what_is_its_own() {
    let operator = Operator::new();
    let out = operator.dir().join("out");
    let nodes = "--nodes=n1=a:6222,n2=b:6222,n3=c:6222";
    let init = ["--plain", nodes, "--hand-out", out.to_str().unwrap()];
    operator.init(&init).await;
    let names = |folder: &str| {
        let entries = fs::read_dir(out.join(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(""), ["auth-callout", "fanout", "gateway", "nats", "registry", "sigchain"]);
    assert_eq!(names("registry"), ["clients.nk", "operator.pub", "service.nk"]);
    assert_eq!(names("fanout"), ["clients.nk", "service.nk"]);
    for folder in ["sigchain", "gateway"] {
        assert_eq!(names(folder), ["service.nk"]);
    }
    assert_eq!(names("nats/n2"), ["nats-server.conf"]);
    assert_eq!(names("auth-callout/session"), ["1.nk"]);
    let same = |handed: &str, own: &str| {
        let handed = out.join(handed);
        assert_eq!(fs::metadata(&handed).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read(handed).unwrap(), fs::read(operator.dir().join(own)).unwrap());
    };
    same("registry/clients.nk", "keys/registry-clients.nk");
    same("auth-callout/callout-issuer.nk", "keys/callout-issuer.nk");
    same("nats/n2/nats-server.conf", "n2.conf");

    // A session key is changed: the new one is handed out, the old one is taken back.
    let keys = operator.dir().join("keys");
    operator.0.must(&["nats", "rotate-session-key", keys.to_str().unwrap()]).await;
    fs::remove_file(keys.join("session/1.nk")).unwrap();
    let again = operator.init(&init).await;
    assert!(again.contains("wrote ") && again.contains("removed "), "{again}");
    assert_eq!(names("auth-callout/session"), ["2.nk"]);
    same("auth-callout/session/2.nk", "keys/session/2.nk");
}

#[tokio::test]
async fn new_keys_are_handed_out_and_the_old_ones_are_taken_back() {
    let operator = Operator::new();
    let (out, keys, conf) = (operator.dir().join("out"), operator.dir().join("keys"), operator.conf());
    let (keys, conf) = (keys.to_str().unwrap(), conf.to_str().unwrap());
    let init = ["--hand-out", out.to_str().unwrap()];
    operator.init(&init).await;
    let read = |path: &str| fs::read_to_string(out.join(path)).unwrap();
    let files = ["gateway/service.nk", "registry/operator.pub", "auth-callout/callout-issuer.nk"];
    let before = files.map(read);
    for group in [&[][..], &["--callout"]] {
        let said = operator.0.must(&[&["nats", "rotate-keys", keys], group].concat()).await;
        assert!(said.contains("made ") && said.contains("kez nats rotate-keys --finish"), "{said}");
    }
    let again = &operator.0.json(&["nats", "rotate-keys", keys]).await[0];
    assert_eq!(again["made"], 0, "once");
    operator.init(&init).await;
    let after = files.map(read);
    assert!(before.iter().zip(&after).all(|(before, after)| before != after));
    assert_eq!(read("auth-callout/old/callout-issuer.nk"), before[2]);
    let ended = operator.check(&[conf]).await;
    assert_eq!(ended.status, Some(0), "{}", ended.stdout);

    operator.0.must(&["nats", "rotate-keys", "--finish", keys]).await;
    let ended = operator.check(&[conf]).await;
    assert!(ended.status == Some(1) && ended.stdout.contains("has another user"), "{}", ended.stdout);
    operator.init(&init).await;
    assert_eq!(files.map(read), after);
    assert!(!out.join("auth-callout/old/callout-issuer.nk").exists());
    assert_eq!(operator.check(&[conf]).await.status, Some(0));
    let nothing = operator.0.must(&["nats", "rotate-keys", "--finish", keys]).await;
    assert!(nothing.contains("there are no old keys"), "{nothing}");
    let wrong = operator.0.run(&["nats", "rotate-keys", "--finish", "--callout", keys]).await;
    assert_eq!(wrong.status, Some(2));
}

#[tokio::test]
async fn monitoring_is_for_this_machine_or_for_a_network_of_its_own() {
    let operator = Operator::new();
    operator.init(&["--monitor"]).await;
    assert!(fs::read_to_string(operator.conf()).unwrap().contains("http: \"127.0.0.1:8222\""));
    let dir = operator.dir();
    let open = [
        "nats",
        "init",
        "--dir",
        dir.to_str().unwrap(),
        "--server-name",
        "kez.test",
        "--monitor=0.0.0.0:8222",
    ];
    let ended = operator.0.run(&open).await;
    assert_eq!(ended.status, Some(2), "{}", ended.stdout);
    assert!(ended.stderr.contains("shows connections and subjects to other machines"), "{}", ended.stderr);

    operator.init(&["--plain", "--listen=0.0.0.0:4222", "--monitor=0.0.0.0:8222"]).await;
    let conf = operator.conf();
    assert!(fs::read_to_string(&conf).unwrap().contains("http: \"0.0.0.0:8222\""));
    let refused = operator.check(&[conf.to_str().unwrap()]).await;
    assert_eq!(refused.status, Some(1), "{}", refused.stdout);
    let told = operator.check(&["--plain", conf.to_str().unwrap()]).await;
    assert_eq!(told.status, Some(0), "{}", told.stdout);
    assert!(told.stdout.contains("nobody else may be on that network"), "{}", told.stdout);
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
    // A session key that others can read, a folder of keys that can't be read, a configuration that others may change.
    let session = keys.join("session/1.nk");
    fs::set_permissions(&session, fs::Permissions::from_mode(0o644)).unwrap();
    let ended = operator.check(&[conf.to_str().unwrap()]).await;
    let told = format!("chmod 600 '{}'", session.display());
    assert!(ended.status == Some(1) && ended.stdout.contains(&told), "{}", ended.stdout);
    fs::set_permissions(&session, fs::Permissions::from_mode(0o600)).unwrap();
    let ended = operator.check(&[conf.to_str().unwrap(), "--keys", session.to_str().unwrap()]).await;
    assert!(ended.status == Some(1) && ended.stdout.contains("Not a directory"), "{}", ended.stdout);
    fs::set_permissions(&conf, fs::Permissions::from_mode(0o666)).unwrap();
    let ended = operator.check(&[conf.to_str().unwrap()]).await;
    assert!(ended.status == Some(1) && ended.stdout.contains("others may change"), "{}", ended.stdout);
    fs::set_permissions(&conf, fs::Permissions::from_mode(0o644)).unwrap();
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

#[tokio::test]
async fn what_is_told_to_start_starts() {
    let operator = Operator::new();
    let (listen, ws) = (format!("127.0.0.1:{}", row()), format!("127.0.0.1:{}", row()));
    let said = operator.init(&["--listen", &listen, "--ws-listen", &ws]).await;
    let told: Vec<Vec<_>> = said.lines().map(|line| line.split_whitespace().collect()).collect();
    let broker = told.iter().find(|words| words.first() == Some(&"nats-server")).unwrap();
    let mut command = Command::new(nats_server());
    command.args(&broker[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _running = Running(vec![command.spawn().unwrap()]);
    let index = operator.dir().join("index").display().to_string();
    let mut services = vec![];
    for words in told.iter().filter(|words| words.first().is_some_and(|word| word.starts_with("kez-"))) {
        // Not in the folder of the tests, nor at a port that others have.
        let in_place = |word: &&str| if *word == "registry" { index.clone() } else { word.to_string() };
        let mut arguments: Vec<_> = words[1..].iter().map(in_place).collect();
        if words[0] == "kez-gateway" {
            arguments.extend(["--bind".into(), "127.0.0.1:0".into()]);
        }
        services.push(Process::spawn(words[0], &arguments));
    }
    assert_eq!(services.len(), 5, "{said}");
    for service in &mut services {
        service.ready().await;
    }
    let alice = User::registered("alice", services[4].address("http")).await;
    alice.must(&["send", &format!("--nats=nats://{listen}"), "alice", "hello"]).await;
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
