use std::{
    fs,
    time::{Duration, Instant},
};

use async_nats::{ConnectErrorKind, ConnectOptions};
use kez_nats::Owner;
use kez_proto::subjects::{self, Role};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use crate::support::{DEADLINE, Server};

#[tokio::test]
async fn only_those_who_are_named_come_in() {
    let server = Server::start().await;
    for role in Role::ALL {
        server.role(role).await;
    }
    let stranger = nkeys::KeyPair::new_user().seed().unwrap();
    let password = ConnectOptions::with_user_and_password("registry".into(), "registry".into());
    for options in [ConnectOptions::with_nkey(stranger), ConnectOptions::new(), password] {
        let error = server.connect(options).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ConnectErrorKind::AuthorizationViolation, "{error}");
    }
}

/// A client that isn't the library's: that takes the server's first ping for a welcome.
async fn answer(server: &Server, connect: &str) -> (String, Duration) {
    let (reader, mut writer) = TcpStream::connect(server.address).await.unwrap().into_split();
    let mut lines = BufReader::new(reader).lines();
    lines.next_line().await.unwrap();
    let begun = Instant::now();
    writer.write_all(format!("CONNECT {connect}\r\nPING\r\n").as_bytes()).await.unwrap();
    let line = timeout(DEADLINE, lines.next_line()).await.unwrap().unwrap();
    (line.unwrap_or_default(), begun.elapsed())
}

#[tokio::test]
async fn without_a_callout_services_work_and_users_are_refused_before_the_servers_first_ping() {
    let server = Server::start().await;
    let key = nkeys::KeyPair::new_user();
    let claim = format!("{{\"nkey\":\"{}\",\"sig\":\"AAAA\"}}", key.public_key());
    let password = r#"{"user":"registry","pass":"registry"}"#;
    let tries = ["{}", password, claim.as_str()].map(|connect| answer(&server, connect));
    let working = async {
        for role in Role::ALL {
            server.role(role).await;
        }
    };
    let (answers, ()) = tokio::join!(futures_util::future::join_all(tries), working);
    for (answer, waited) in answers {
        // A welcome would be PONG; a PING would make some clients believe that they are in.
        assert_eq!(answer, "-ERR 'Authorization Violation'");
        assert!(waited > Duration::from_secs(1), "it waited for a callout: {waited:?}");
    }
}

#[tokio::test]
async fn each_role_may_do_what_it_needs_and_no_more() {
    let server = Server::start().await;
    let publishers = [
        (subjects::REGISTRY_LOG, &[Role::Registry][..]),
        ("kez.store.inbox.0.alice", &[Role::Fanout]),
        ("$JS.API.STREAM.INFO.KEZ_INBOX_0", &[Role::Fanout, Role::Operator]),
        ("kez.inbox.ab.x", &[Role::RegistryClients, Role::FanoutClients]),
        ("kez.inbox.ab", &[]),
        ("$JS.API.STREAM.SNAPSHOT.KEZ_INBOX_0", &[Role::Operator]),
        ("$JS.API.STREAM.RESTORE.KEZ_REGISTRY", &[Role::Operator]),
        ("$JS.API.STREAM.DELETE.KEZ_INBOX_0", &[Role::Operator]),
        ("$JS.API.STREAM.UPDATE.KEZ_INBOX_0", &[Role::Fanout]),
        ("$JS.API.CONSUMER.CREATE.KEZ_INBOX_0", &[]),
        ("kez.chat.inbox.alice", &[]),
        ("$SYS.REQ.SERVER.PING", &[]),
    ];
    for role in Role::ALL {
        let mut user = server.role(role).await;
        for (subject, who) in publishers {
            assert_eq!(user.may_publish(subject).await, who.contains(&role), "{role:?} publishes {subject}");
        }
        for everything in [">", "*.>", "_INBOX.>", "$JS.>", "kez.>", "kez.store.>"] {
            assert!(!user.may_publish(everything).await, "{role:?} publishes {everything}");
            assert!(!user.may_subscribe(everything).await, "{role:?} hears {everything}");
        }
        for other in Role::ALL.map(Role::inbox_prefix).into_iter().filter(|p| *p != role.inbox_prefix()) {
            assert!(!user.may_subscribe(&format!("{other}.>")).await, "{role:?} hears {other}");
        }
        let pushes = user.may_subscribe("kez.chat.inbox.alice").await;
        assert_eq!(pushes, role == Role::Gateway, "{role:?} hears the pushes");
        for granted in role.permissions(16).subscribe {
            assert!(user.may_subscribe(&granted).await, "{role:?} hears {granted}");
        }
    }
}

#[tokio::test]
async fn a_service_answers_each_request_once_and_nobody_else() {
    let server = Server::start().await;
    let (mut registry, gateway) = (server.role(Role::Registry).await, server.role(Role::Gateway).await);
    let mut requests = registry.client.subscribe(subjects::REGISTRY_LOOKUP).await.unwrap();
    // The subscription is known to the server once it has refused what came after it.
    assert!(!registry.may_publish("kez.store.inbox.0.alice").await);
    let answering = async {
        let reply = futures_util::StreamExt::next(&mut requests).await.unwrap().reply.unwrap().to_string();
        assert!(reply.starts_with("_INBOX_gateway."));
        let again = (registry.may_publish(&reply).await, registry.may_publish(&reply).await);
        (again, registry.may_publish(&format!("{reply}x")).await)
    };
    let asking = timeout(DEADLINE, gateway.client.request(subjects::REGISTRY_LOOKUP, "".into()));
    let (((first, second), other), answer) = tokio::join!(answering, asking);
    answer.unwrap().unwrap();
    assert_eq!((first, second, other), (true, false, false));
}

#[tokio::test]
async fn the_operator_asks_the_system_account() {
    let server = Server::start().await;
    let seed = fs::read_to_string(server.keys.seed_file(Owner::System)).unwrap();
    let sys = server.user(&seed, "_INBOX").await;
    let answer =
        timeout(DEADLINE, sys.client.request("$SYS.REQ.SERVER.PING.VARZ", "".into())).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&answer.payload).contains("\"sync_always\":true"), "{answer:?}");
}
