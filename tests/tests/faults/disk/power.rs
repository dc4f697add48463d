//! The power goes. A file system on a device of its own stops at that moment, as if its wire were cut: what was never brought to the device is gone, whatever
//! the server had been told.

use std::{
    collections::HashSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use kez_tests::{
    ChatServer, Person, chat_server::free_port, eventually, load::Load, nats::nats_server, person::send,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const CUTS: u64 = 3;
const SENDERS: u64 = 6;
/// Messages of each sender before each cut and around it.
const EACH: u64 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let Some(device) = Device::new() else { return };
    let (db, bind) = (device.path().join("db"), format!("127.0.0.1:{}", free_port()));
    let mut server = ChatServer::start_at(&db, &bind).await;
    let url = server.url().to_owned();
    let people = vec![Person::registered("alice", &url).await, Person::registered("bob", &url).await];
    let mut load = Load::start(std::slice::from_ref(&url), people, SENDERS);
    for cut in 0..CUTS {
        load.allow(EACH);
        load.progress(SENDERS * EACH / 2).await;
        assert!(load.is_busy(), "the cut must fall into a load");
        // Acknowledged a moment before, and to be found by the next start.
        let newcomer = Person::registered(&format!("newcomer-{cut}"), &url).await;
        device.cut(server).await;
        server = ChatServer::start_at(&db, &bind).await;
        assert_eq!(newcomer.looked_up(&url).await.primary, newcomer.identity.primary());
        load.settled().await;
    }
    load.finish().await;
    assert_eq!(server.process.terminate().await.code(), Some(0));
}

/// That the test above can fail: nats-server's own default brings messages to the disk two minutes later.
#[tokio::test]
async fn a_server_that_does_not_sync_is_found_out() {
    let Some(device) = Device::new() else { return };
    let db = device.path().join("db");
    assert_eq!(lost(&device, &nats_server(), &db).await, 0);
    let lazy = Lazy::new();
    assert_ne!(lost(&device, &lazy.path(), &db).await, 0, "the cut reaches nothing");
}

/// How many of the messages that were acknowledged just before a cut are gone after it.
async fn lost(device: &Device, nats_server: &Path, db: &Path) -> usize {
    let server = ChatServer::start_with(nats_server, db, "127.0.0.1:0").await;
    let alice = Person::new("alice");
    assert!(alice.register(server.url()).await.status().is_success());
    // She is found after the cut, however lazy the server is.
    device.sync();
    let messages: Vec<Value> = (0..20).map(|n| json!({ "n": n })).collect();
    for message in &messages {
        assert_eq!(send(server.url(), "alice", message.clone()).await.status(), 201);
    }
    device.cut(server).await;
    let mut server = ChatServer::start_with(nats_server, db, "127.0.0.1:0").await;
    let mail: HashSet<String> =
        alice.mail(server.url()).await.into_iter().map(|(_, envelope)| envelope.to_string()).collect();
    assert!(server.process.terminate().await.success());
    fs::remove_dir_all(db).unwrap();
    messages.iter().filter(|message| !mail.contains(&message.to_string())).count()
}

/// A nats-server that keeps its word two minutes later.
struct Lazy(TempDir);

impl Lazy {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let script = format!(
            "#!/bin/sh\nfor file; do case $file in *.conf) sed -i 's/sync_interval: .*/sync_interval: \"2m\"/' \"$file\";; esac; done\nexec '{}' \"$@\"\n",
            nats_server().display()
        );
        let lazy = Self(dir);
        fs::write(lazy.path(), script).unwrap();
        fs::set_permissions(lazy.path(), fs::Permissions::from_mode(0o755)).unwrap();
        lazy
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("nats-server")
    }
}

/// A device with an ext4 on it; gone when dropped.
struct Device {
    dir: TempDir,
}

impl Device {
    /// Where mounting isn't permitted there is none, and the test proves nothing: told here, and a failure in CI, which must be able to.
    fn new() -> Option<Self> {
        let device = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(device.path()).unwrap();
        fs::File::create(device.image()).unwrap().set_len(1 << 30).unwrap();
        let made = run(Command::new("mkfs.ext4").arg("-q").arg(device.image()));
        let Err(refused) = made.and_then(|()| device.mount()) else { return Some(device) };
        assert!(std::env::var_os("CI").is_none(), "this test must be able to mount an ext4: {refused}");
        eprintln!("SKIPPED: this test needs to mount an ext4 on a loop device, as root: {refused}");
        None
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("mounted")
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    fn mount(&self) -> Result<(), String> {
        run(Command::new("mount").args(["-o", "loop"]).arg(self.image()).arg(self.path()))
    }

    /// Brings everything to the device.
    fn sync(&self) {
        run(Command::new("sync").arg("--file-system").arg(self.path())).unwrap();
    }

    /// Cuts the power of the server and of its device, and gives the device its power again.
    async fn cut(&self, mut server: ChatServer) {
        let nats = Pid::from_raw(server.nats_pid());
        // Nobody is told anything after the cut.
        server.process.signal(Signal::SIGSTOP);
        kill(nats, Signal::SIGSTOP).unwrap();
        run(Command::new("python3").args(["-c", SHUT_DOWN]).arg(self.path())).unwrap();
        kill(nats, Signal::SIGKILL).unwrap();
        server.process.kill();
        eventually("nats-server has ended", async || kill(nats, None).is_err().then_some(())).await;
        // Of the device as it is now: who still sees the old one, sees the file system that has stopped.
        let copy = self.dir.path().join("copy");
        run(Command::new("cp").arg("--sparse=always").args([&self.image(), &copy])).unwrap();
        self.unmount();
        fs::rename(copy, self.image()).unwrap();
        self.mount().unwrap();
    }

    /// Lazily: what still writes there at the end of a failed test doesn't keep it.
    fn unmount(&self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`: not even the file system's own log is written any more.
const SHUT_DOWN: &str = "import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

fn run(command: &mut Command) -> Result<(), String> {
    match command.output() {
        Ok(Output { status, .. }) if status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(e) => Err(format!("{}: {e}", command.get_program().display())),
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.unmount();
    }
}
