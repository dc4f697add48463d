//! A network of our own: each process on a host of its own, with one wire to a switch, which can be pulled. Needs root, and a network namespace that
//! nobody else uses (see `inside` of the chaos tests).

use std::{
    net::Ipv4Addr,
    process::{Command, Stdio},
};

const SWITCH: &str = "kez-switch";
/// Where this process is.
pub const OWN_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 254);

/// A host: a network namespace with one address.
#[derive(Clone, Debug)]
pub struct Host {
    name: String,
    /// Its address.
    pub address: Ipv4Addr,
}

/// Runs a program of the system, which must succeed.
fn run(line: &str) {
    let mut words = line.split(' ');
    let output = Command::new(words.next().unwrap()).args(words).output();
    let output = output.unwrap_or_else(|e| panic!("{line}: {e}"));
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes the switch, at which this process is, too.
pub fn switch() {
    run("ip link set lo up");
    run(&format!("ip link add {SWITCH} type bridge"));
    run(&format!("ip addr add {OWN_ADDRESS}/24 dev {SWITCH}"));
    run(&format!("ip link set {SWITCH} up"));
}

impl Host {
    /// The `n`th host, from 1 on.
    pub fn new(n: u8) -> Self {
        let (name, address) = (format!("kez{n}"), Ipv4Addr::new(10, 77, 0, n));
        run(&format!("ip netns add {name}"));
        run(&format!("ip link add {name} type veth peer name eth0 netns {name}"));
        run(&format!("ip link set {name} master {SWITCH} up"));
        let within = |line: &str| run(&format!("ip -n {name} {line}"));
        within("link set lo up");
        within(&format!("addr add {address}/24 dev eth0"));
        within("link set eth0 up");
        Self { name, address }
    }

    /// What starts a program there.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program).stdin(Stdio::null());
        command
    }

    /// Pulls its wire.
    pub fn unplug(&self) {
        run(&format!("ip link set {} down", self.name));
    }

    /// Puts it back.
    pub fn plug(&self) {
        run(&format!("ip link set {} up", self.name));
    }

    /// Loses this part of the packets that come, until [`Host::mend`].
    pub fn lose(&self, part: f64) {
        self.iptables(&format!("-A INPUT -i eth0 -m statistic --mode random --probability {part} -j DROP"));
    }

    /// Exchanges no packet with this address, until [`Host::mend`].
    pub fn shun(&self, address: Ipv4Addr) {
        self.iptables(&format!("-A INPUT -s {address} -j DROP"));
        self.iptables(&format!("-A OUTPUT -d {address} -j DROP"));
    }

    /// Hands every packet that comes or goes to the process there that [delays](crate::delay::delay) them, until [`Host::mend`]. While there is none, packets pass.
    pub fn divert(&self) {
        self.iptables("-A INPUT -i eth0 -j NFQUEUE --queue-num 0 --queue-bypass");
        self.iptables("-A OUTPUT -o eth0 -j NFQUEUE --queue-num 0 --queue-bypass");
    }

    /// Every packet comes and goes again, at once.
    pub fn mend(&self) {
        self.iptables("-F INPUT");
        self.iptables("-F OUTPUT");
    }

    fn iptables(&self, rule: &str) {
        run(&format!("ip netns exec {} iptables {rule}", self.name));
    }
}
