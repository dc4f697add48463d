//! What a person could get wrong in a configuration is found, and what nats-server is set to by us isn't complained about.

use std::{fs, os::unix::fs::PermissionsExt};

use kez_nats::{
    Keys, Server,
    audit::{self, Check},
    conf,
    config::{Cluster, Tls, WebSocket},
};
use kez_proto::subjects;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{ORIGIN, nats_server};

fn settings() -> (TempDir, Keys, Server) {
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::load_or_create(&dir.path().join("keys")).unwrap();
    let mut server = Server::new("n1", "127.0.0.1:4222".parse().unwrap(), dir.path().join("data"));
    let origins = vec![ORIGIN.parse().unwrap()];
    let listen = "127.0.0.1:8443".parse().unwrap();
    server.websocket = Some(WebSocket { listen, tls: None, origins });
    server.monitor = Some("127.0.0.1:8222".parse().unwrap());
    let (name, listen) = ("kez".to_owned(), "127.0.0.1:6222".parse().unwrap());
    let (routes, secret) = (vec!["127.0.0.1:6223".into()], keys.route_secret().unwrap());
    server.cluster = Some(Cluster { name, listen, routes, secret, tls: None });
    (dir, keys, server)
}

fn read(dir: &TempDir, text: &str) -> Value {
    let path = dir.path().join("nats.conf");
    fs::write(&path, text).unwrap();
    nats_server().check(&path).unwrap_or_else(|e| panic!("{e}:\n{text}"));
    conf::read(&path).unwrap()
}

/// What is found, as `!` for what is grave, `?` for what isn't, the check and the problem.
fn found(checks: &[Check]) -> Vec<String> {
    let lines = checks.iter().flat_map(|check| {
        check
            .problems
            .iter()
            .map(|p| format!("{} {}: {}", if p.grave { "!" } else { "?" }, check.what, p.text))
    });
    lines.collect()
}

#[test]
fn what_we_write_is_as_it_should_be() {
    let (dir, keys, mut server) = settings();
    for partitions in [1, 16, 64] {
        server.partitions = partitions;
        let conf = read(&dir, &server.render(&keys).unwrap());
        assert_eq!(found(&audit::audit(&conf, &keys, false)), [""; 0]);
    }
    server.cluster = None;
    let conf = read(&dir, &server.render(&keys).unwrap());
    assert_eq!(found(&audit::audit(&conf, &keys, false)), [""; 0]);
}

#[test]
fn each_mistake_is_found_and_named() {
    let (dir, keys, server) = settings();
    let right = server.render(&keys).unwrap();
    let issuer = keys.public(kez_nats::Owner::CalloutIssuer);
    let xkey = keys.public(kez_nats::Owner::CalloutXkey);
    let own = keys.public(kez_nats::Owner::CalloutAuth);
    let gateway = keys.public(subjects::Role::Gateway);
    let (other_issuer, other_xkey) =
        (nkeys::KeyPair::new_account().public_key(), nkeys::XKey::new().public_key());
    let stranger = nkeys::KeyPair::new_user().public_key();
    let auth_callout = &right[right.find("  auth_callout {").unwrap()..right.find("system_account").unwrap()];
    let gateways_list = {
        let user = &right[right.find(gateway).unwrap()..];
        let from = user.find("subscribe {").unwrap();
        user[from..from + user[from..].find(']').unwrap() + 1].to_owned()
    };
    // What is replaced by what, and what is said about it.
    let more = format!("    users: [ {{ nkey: {stranger} }}\n      # registry");
    let cases: &[(&str, &str, &str)] = &[
        (
            auth_callout,
            "}\n",
            "! the auth callout decides about users: there is no authorization.auth_callout",
        ),
        (issuer, &other_issuer, "! the auth callout decides about users: auth_callout.issuer is"),
        (xkey, &other_xkey, "! the auth callout decides about users: auth_callout.xkey is"),
        (
            "    allowed_accounts: [ AUTH ]\n",
            "",
            "! the auth callout decides about users: auth_callout.allowed_accounts",
        ),
        (
            "allowed_accounts: [ AUTH ]",
            "allowed_accounts: [ AUTH, CHAT ]",
            "! the auth callout decides about users: auth_callout.allowed_accounts",
        ),
        (
            "account: AUTH\n",
            "account: KEZ\n",
            "! the auth callout decides about users: auth_callout.account must be AUTH",
        ),
        (
            "  timeout: 1.8\n",
            "  timeout: 5\n",
            "! the auth callout decides about users: authorization.timeout",
        ),
        (
            "  timeout: 1.8\n",
            "  timeout: 0.1\n",
            "! the auth callout decides about users: authorization.timeout must be 1 at least",
        ),
        (
            "  timeout: 1.8\n",
            "  timeout: 2\n",
            "! the auth callout decides about users: authorization.timeout must be less than 2",
        ),
        ("  timeout: 1.8\n", "", "! the auth callout decides about users: authorization.timeout"),
        (
            "system_account: SYS",
            "no_auth_user: x\nsystem_account: SYS",
            "! nobody comes in without a key: no_auth_user lets everybody in",
        ),
        (
            "compression: false",
            "no_auth_user: x",
            "! nobody comes in without a key: websocket.no_auth_user lets everybody in",
        ),
        (
            "system_account: SYS",
            "leafnodes { port: 7422 }\nsystem_account: SYS",
            "! nobody comes in without a key: leafnodes opens a door",
        ),
        (
            "system_account: SYS",
            "mqtt { port: 1883 }\nsystem_account: SYS",
            "! nobody comes in without a key: mqtt opens a door",
        ),
        (
            "system_account: SYS\n",
            "",
            "! each account is there, and has what it should: system_account must be SYS",
        ),
        (
            "    jetstream: enabled\n",
            "",
            "! each account is there, and has what it should: the account KEZ has no JetStream",
        ),
        (
            "  CHAT {\n",
            "  CHAT {\n    jetstream: enabled\n",
            "! each account is there, and has what it should: the account CHAT has JetStream",
        ),
        (
            "  CHAT {\n",
            &format!("  CHAT {{\n    users: [ {{ nkey: {stranger} }} ]\n"),
            "! each account is there, and has what it should: the account CHAT has users",
        ),
        (
            "  CHAT {\n",
            "  OTHER {}\n  CHAT {\n",
            "? each account is there, and has what it should: the account OTHER isn't of Kez Chat",
        ),
        (
            &gateways_list,
            "subscribe { allow: []",
            "! each service has its own key, and may do what it needs: gateway: the list of what it may subscribe to is empty",
        ),
        (
            "              \"kez.registry.log\"\n",
            "              \"kez.>\"\n",
            "! each service has its own key, and may do what it needs: registry may publish to more than it needs: remove kez.>",
        ),
        (
            "              \"kez.registry.log\"\n",
            "",
            "! each service has its own key, and may do what it needs: registry may not publish to kez.registry.log",
        ),
        (
            gateway,
            &stranger,
            "! each service has its own key, and may do what it needs: the account KEZ has no user with the key of",
        ),
        (
            "    users: [\n      # \"registry\"",
            &more,
            "! each service has its own key, and may do what it needs: the account KEZ has another user",
        ),
        (
            "{ stream: \"kez.chat.send.*\", accounts: [ KEZ ] }",
            "{ stream: \"kez.>\", accounts: [ KEZ ] }",
            "! users reach the client subjects and nothing else: CHAT.exports has stream kez.> (accounts KEZ)",
        ),
        (
            "{ stream: \"kez.chat.send.*\", accounts: [ KEZ ] }",
            "{ stream: \"kez.chat.send.*\" }",
            "! users reach the client subjects and nothing else: CHAT.exports has stream kez.chat.send.* (for everybody)",
        ),
        (
            "      { stream: \"kez.chat.send.*\", accounts: [ KEZ ] }\n",
            "{ stream: \"kez.chat.send.*\", accounts: [ KEZ ] }\n{ service: \"$JS.API.>\", accounts: [ KEZ ] }\n",
            "! users reach the client subjects and nothing else: CHAT.exports has service $JS.API.> (accounts KEZ)",
        ),
        (
            "subject: \"kez.chat.lookup.*\" } }",
            "subject: \"kez.chat.lookup.*\" }, to: \"lookup.*\" }",
            "! users reach the client subjects and nothing else: KEZ.imports has stream kez.chat.lookup.*",
        ),
        (
            "      { stream: { account: KEZ, subject: \"kez.chat.inbox.*\" } }\n",
            "",
            "! users reach the client subjects and nothing else: CHAT.imports lacks stream kez.chat.inbox.*",
        ),
        (
            "      max_subs: 16\n",
            "",
            "! users have bounds, and room within them: accounts.CHAT.limits.max_subs is missing",
        ),
        (
            "      max_payload: 307200\n",
            "      max_payload: 1024\n",
            "! users have bounds, and room within them: accounts.CHAT.limits.max_payload is 1024",
        ),
        (
            "      max_conn: 10000\n",
            "      max_conn: 3\n",
            "! users have bounds, and room within them: accounts.CHAT.limits.max_conn is 3",
        ),
        (
            "      max_subs: 16\n",
            "      max_subs: 1\n",
            "! users have bounds, and room within them: accounts.CHAT.limits.max_subs is 1",
        ),
        (
            "system_account: SYS",
            "max_control_line: 512\nsystem_account: SYS",
            "! users have bounds, and room within them: max_control_line must be 4096 at least",
        ),
        (
            "max_file_store: 1TB",
            "max_file_store: 10MB",
            "! there is room for mail: jetstream.max_file_store is 10485760",
        ),
        (
            "max_file_store: 1TB",
            "max_file_store: 10GB",
            "? there is room for mail: jetstream.max_file_store is 10737418240",
        ),
        ("  max_file_store: 1TB\n", "", "? there is room for mail: jetstream.max_file_store is missing"),
        (
            "max_payload: 1048576",
            "max_payload: 65536",
            "! users have bounds, and room within them: max_payload must be",
        ),
        (
            "host: \"127.0.0.1\"\n# -1",
            "host: \"0.0.0.0\"\n# -1",
            "? clients connect safely: clients reach 0.0.0.0 without TLS",
        ),
        (
            "  compression: false",
            "  compression: true",
            "! browsers connect safely, from known pages: websocket.compression must be false",
        ),
        (
            &format!("    \"{ORIGIN}\"\n"),
            "",
            "! browsers connect safely, from known pages: websocket.allowed_origins is empty or missing",
        ),
        (
            ORIGIN,
            "https://web.kez.test/path",
            "! browsers connect safely, from known pages: websocket.allowed_origins",
        ),
        (
            "  host: \"127.0.0.1\"\n  port: 8443",
            "  host: \"0.0.0.0\"\n  port: 8443",
            "! browsers connect safely, from known pages: the WebSocket listener at 0.0.0.0 has no TLS",
        ),
        (
            "  host: \"127.0.0.1\"\n  port: 8443",
            "  port: 8443",
            "! browsers connect safely, from known pages: the WebSocket listener at 0.0.0.0 has no TLS",
        ),
        (
            "http: \"127.0.0.1:8222\"",
            "http: \"0.0.0.0:8222\"",
            "! monitoring isn't reached from outside: http shows",
        ),
        (
            "http: \"127.0.0.1:8222\"\n",
            "monitor_port: 8222\nhost: 0.0.0.0\n",
            "! monitoring isn't reached from outside: monitor_port shows",
        ),
        (
            "    password: ",
            "    password: short #",
            "! only servers of the cluster join it: cluster.authorization.password is short",
        ),
        ("  pool_size: 1\n", "", "! only servers of the cluster join it: cluster.pool_size must be 1"),
        (
            "  authorization {\n    user: \"route\"",
            "  x {\n    user: \"route\"",
            "! only servers of the cluster join it: cluster has neither",
        ),
        (
            "  port: 8443",
            "  port: 4222",
            "! each listener has a port of its own: websocket at 127.0.0.1:4222 and clients at 127.0.0.1:4222",
        ),
        (
            "  port: 6222",
            "  port: 8443",
            "! each listener has a port of its own: cluster at 127.0.0.1:8443 and websocket at 127.0.0.1:8443",
        ),
        (
            "http: \"127.0.0.1:8222\"",
            "http: \"localhost:4222\"",
            "! each listener has a port of its own: http at localhost:4222 and clients at 127.0.0.1:4222",
        ),
        (
            "system_account: SYS",
            "mappings { \"kez.chat.send.*\": \"elsewhere\" }\nsystem_account: SYS",
            "! messages go where they are sent: mappings sends",
        ),
        (
            "  CHAT {\n",
            "  CHAT {\n    mappings { \"kez.chat.send.*\": \"elsewhere\" }\n",
            "! messages go where they are sent: accounts.CHAT.mappings sends",
        ),
        (
            "system_account: SYS",
            "trace: true\nsystem_account: SYS",
            "! the log holds no secrets and no mail: trace writes",
        ),
        (
            "system_account: SYS",
            "trace_verbose: true\nsystem_account: SYS",
            "! the log holds no secrets and no mail: trace_verbose writes",
        ),
        (
            "system_account: SYS",
            "debug: true\nsystem_account: SYS",
            "? the log holds no secrets and no mail: debug writes",
        ),
        (
            "@127.0.0.1:6223\"",
            "@127.0.0.1:6222\"",
            "? only servers of the cluster join it: cluster.routes: 127.0.0.1:6222 is this server itself",
        ),
        (
            "sync_interval: \"always\"",
            "sync_interval: \"2m\"",
            "? what is acknowledged is on disk: jetstream.sync_interval isn't always",
        ),
    ];
    for (what, by, said) in cases {
        assert_eq!(right.matches(what).count(), 1, "{what} stands there once");
        let text = right.replacen(what, by, 1);
        let path = dir.path().join("nats.conf");
        fs::write(&path, &text).unwrap();
        // nats-server itself refuses some, which is as good; most it takes.
        let found = found(&audit::audit(&conf::read(&path).unwrap(), &keys, false));
        assert!(
            found.iter().any(|line| line.starts_with(said)),
            "{by}: expected {said}, but found {found:#?}"
        );
        assert!(found.len() <= 3, "{by}: one mistake is told as many: {found:#?}");
    }
    let two = right.replace(
        &format!("auth_users: [\n      \"{own}\""),
        &format!("auth_users: [\n      {own}, {stranger}"),
    );
    assert_ne!(two, right);
    let found = found(&audit::audit(&read(&dir, &two), &keys, false));
    assert!(found.len() == 1 && found[0].contains("auth_callout.auth_users must be"), "{found:#?}");
}

#[test]
fn a_proxy_with_tls_is_taken_at_its_word() {
    let (dir, keys, mut server) = settings();
    server.listen = "0.0.0.0:4222".parse().unwrap();
    server.websocket.as_mut().unwrap().listen = "0.0.0.0:8443".parse().unwrap();
    let conf = read(&dir, &server.render(&keys).unwrap());
    assert_eq!(found(&audit::audit(&conf, &keys, true)), [""; 0]);
    assert_eq!(found(&audit::audit(&conf, &keys, false)).len(), 2);
    // With TLS there is nothing to say. The files aren't read here.
    let tls = Some(Tls { cert: "cert.pem".into(), key: "key.pem".into() });
    server.tls.clone_from(&tls);
    server.websocket.as_mut().unwrap().tls = tls;
    let path = dir.path().join("nats.conf");
    fs::write(&path, server.render(&keys).unwrap()).unwrap();
    assert_eq!(found(&audit::audit(&conf::read(&path).unwrap(), &keys, false)), [""; 0]);
}

#[test]
fn servers_of_a_cluster_are_compared() {
    let (dir, keys, server) = settings();
    let part = |name: &str, port: u16, routes: &[&str]| {
        let mut server = server.clone();
        server.name = name.into();
        let cluster = server.cluster.as_mut().unwrap();
        cluster.listen.set_port(port);
        cluster.routes = routes.iter().map(ToString::to_string).collect();
        server.render(&keys).unwrap()
    };
    let text = part("n1", 6222, &["127.0.0.1:6223"]);
    let (first, second) = (read(&dir, &text), part("n2", 6223, &["127.0.0.1:6222"]));
    assert_eq!(found(&audit::together(&[first.clone(), read(&dir, &second)])), [""; 0]);
    let again = part("n1", 6223, &["127.0.0.1:6222"]);
    assert_eq!(found(&audit::together(&[first.clone(), read(&dir, &again)])).len(), 1, "the same name twice");
    for (what, by) in [
        ("name: \"kez\"", "name: other"),
        ("pool_size: 1", "pool_size: 5"),
        ("max_subs: 16", "max_subs: 17"),
        ("timeout: 1.8", "timeout: 1.5"),
        ("@127.0.0.1:6222", "@127.0.0.1:7222"),
        ("@127.0.0.1:6222", "@192.0.2.1:6222"),
    ] {
        assert_eq!(second.matches(what).count(), 1, "{what}");
        let other = read(&dir, &second.replace(what, by));
        assert_eq!(found(&audit::together(&[first.clone(), other])).len(), 1, "{by}");
    }
    // Servers that listen everywhere are reached by names that don't stand there, but there aren't more names than servers.
    let everywhere = |name: &str, routes: &[&str]| {
        let text = part(name, 6222, routes);
        assert_eq!(text.matches("  host: \"127.0.0.1\"\n  port: 6222").count(), 1);
        read(&dir, &text.replace("  host: \"127.0.0.1\"\n  port: 6222", "  host: \"0.0.0.0\"\n  port: 6222"))
    };
    let two = |routes: &str| {
        let first = everywhere("n1", &["n2.test:6222", "n3.test:6222"]);
        let second = everywhere("n2", &["n1.test:6222", "n3.test:6222"]);
        let third = everywhere("n3", &["n1.test:6222", routes]);
        found(&audit::together(&[first, second, third]))
    };
    assert_eq!(two("N2.test:6222"), [""; 0]);
    let more = two("n2.tset:6222");
    assert!(more.len() == 1 && more[0].contains("4 addresses for 3 servers"), "{more:#?}");
    assert!(two("n2.test:6223")[0].contains("n2.test:6223 is none of them"));
}

#[test]
fn who_else_has_the_file_is_told() {
    let (dir, keys, mut server) = settings();
    let path = dir.path().join("nats.conf");
    let judged = |server: &Server, mode| {
        let conf = read(&dir, &server.render(&keys).unwrap());
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        found(&[audit::file(&path, &conf)])
    };
    for mode in [0o600, 0o400] {
        assert_eq!(judged(&server, mode), [""; 0]);
    }
    for mode in [0o644, 0o604] {
        let found = judged(&server, mode);
        assert!(
            found.len() == 1 && found[0].starts_with("! ") && found[0].contains("chmod 600"),
            "{found:#?}"
        );
    }
    let found = judged(&server, 0o640);
    assert!(found.len() == 1 && found[0].starts_with("? "), "a group of its own may be meant: {found:#?}");
    server.cluster = None;
    assert_eq!(judged(&server, 0o644), [""; 0], "there is no secret in it");
    assert!(judged(&server, 0o664)[0].contains("others may change"));
}
