use std::time::{Duration, Instant};
use kez_tests::{ChatServer, Person, person::send};
use serde_json::json;
use super::Disk;

async fn healthz(db: &std::path::Path) {
    let conf = std::fs::read_to_string(db.join("nats/server.conf")).unwrap();
    let port = conf.lines().find_map(|l| l.strip_prefix("port:")).unwrap().trim().to_owned();
    let seed = std::fs::read_to_string(db.join("nats/keys/sys.nk")).unwrap();
    let c = async_nats::ConnectOptions::with_nkey(seed.trim().into()).connect(format!("nats://127.0.0.1:{port}")).await.unwrap();
    for (s, b) in [("$SYS.REQ.SERVER.PING.HEALTHZ", "{}"), ("$SYS.REQ.SERVER.PING.HEALTHZ", r#"{"details":true}"#), ("$SYS.REQ.SERVER.PING.HEALTHZ", r#"{"account":"KEZ","stream":"KEZ_INBOX_15"}"#)] {
        println!("{s} {b}: {:?}", c.request(s, b.into()).await.map(|m| String::from_utf8_lossy(&m.payload).into_owned()));
    }
    let seed = std::fs::read_to_string(db.join("nats/keys/fanout.nk")).unwrap();
    let c = async_nats::ConnectOptions::with_nkey(seed.trim().into()).custom_inbox_prefix("_INBOX_fanout").connect(format!("nats://127.0.0.1:{port}")).await.unwrap();
    for s in ["$JS.API.STREAM.INFO.KEZ_INBOX_15", "$JS.API.STREAM.INFO.KEZ_INBOX_3"] {
        println!("{s}: {:?}", c.request(s, "{}".into()).await.map(|m| String::from_utf8_lossy(&m.payload).into_owned()));
    }
}

#[tokio::test]
async fn explore() {
    let Some(disk) = Disk::new("size=100m") else { return };
    let server = ChatServer::start(&disk.path().join("db")).await;
    let alice = Person::registered("alice", server.url()).await;
    for n in 0..10 { assert_eq!(send(server.url(), "alice", json!({"n": n})).await.status(), 201); }
    let people: Vec<_> = (0..8).map(|n| Person::new(&format!("bob{n}"))).collect();
    for p in &people { p.register(server.url()).await; }
    healthz(&disk.path().join("db")).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    disk.fill();
    let pad = "x".repeat(60_000);
    for n in 10..12 {
        let t = Instant::now();
        let r = send(server.url(), "alice", json!({"n": n, "pad": pad})).await;
        println!("{n}: {} {:?} {:?}", r.status(), t.elapsed(), r.text().await);
    }
    for p in &people { 
        let t = Instant::now();
        let r = send(server.url(), p.handle.as_str(), json!({"n": 1})).await;
        println!("{}: {} {:?}", p.handle, r.status(), t.elapsed());
    }
    healthz(&disk.path().join("db")).await;
    disk.free();
    let t = Instant::now();
    for n in 20..22 {
        let r = send(server.url(), "alice", json!({"n": n})).await;
        println!("after {:?} {n}: {} {:?}", t.elapsed(), r.status(), r.text().await);
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    healthz(&disk.path().join("db")).await;
    for p in &people { 
        let t = Instant::now();
        let r = send(server.url(), p.handle.as_str(), json!({"n": 2})).await;
        println!("{}: {} {:?}", p.handle, r.status(), t.elapsed());
    }
    println!("mail {}", alice.mail(server.url()).await.len());
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(server.nats_pid()), nix::sys::signal::Signal::SIGTERM).unwrap();
    let t = Instant::now();
    loop {
        let r = send(server.url(), "alice", json!({"n": 33})).await;
        println!("after restart of child {:?} {}", t.elapsed(), r.status());
        if r.status() == 201 { break }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("{}", std::fs::read_to_string(disk.path().join("db/nats/nats-server.log")).unwrap().lines().filter(|l| l.contains("[ERR]") || l.contains("WRN")).collect::<Vec<_>>().join("\n"));
    println!("{:?}", alice.mail(server.url()).await.iter().map(|m| m.1["n"].clone()).collect::<Vec<_>>());
}
