//! The servers of a cluster, as they are written on the command line.

use std::{collections::HashSet, net::SocketAddr, str::FromStr};

/// `n1=host:port`: a server's name, and where the others reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    pub host: String,
    pub port: u16,
}

impl FromStr for Node {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text} should be a name and an address, such as n1=10.0.0.1:6222");
        let (name, address) = text.split_once('=').ok_or_else(wrong)?;
        let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
        let name_fits = (1..=32).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let host_fits = !host.is_empty()
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b))
            && (!host.contains(':') || (host.starts_with('[') && host.ends_with(']')));
        match port.parse() {
            Ok(port) if name_fits && host_fits && port > 0 => {
                Ok(Self { name: name.into(), host: host.into(), port })
            }
            _ => Err(wrong()),
        }
    }
}

impl Node {
    /// `host:port`
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Where it listens for the others: its own address, or every address if the host is a name.
    pub fn listen(&self) -> SocketAddr {
        self.address().parse().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], self.port)))
    }
}

/// Whether these make a cluster.
pub fn check(nodes: &[Node]) -> Result<(), String> {
    let names: HashSet<_> = nodes.iter().map(|node| node.name.as_str()).collect();
    let addresses: HashSet<_> = nodes.iter().map(Node::address).collect();
    match nodes.len() {
        0 => Ok(()),
        1 | 2 => Err("a cluster has three servers or more, so that it goes on without one; leave --nodes out for a single server".into()),
        n if names.len() < n || addresses.len() < n => Err("each of --nodes needs a name and an address of its own".into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Node>, String> {
        let nodes: Vec<Node> = text.split(',').map(str::parse).collect::<Result<_, _>>()?;
        check(&nodes).map(|()| nodes)
    }

    #[test]
    fn three_or_more_different_ones() {
        let nodes = parse("n1=10.0.0.1:6222,n2=nats-2.internal:6222,n3=[fd00::3]:6222").unwrap();
        let listen: Vec<_> = nodes.iter().map(|n| n.listen().to_string()).collect();
        assert_eq!(listen, ["10.0.0.1:6222", "0.0.0.0:6222", "[fd00::3]:6222"]);
        for bad in [
            "n1=a:1",
            "n1=a:1,n2=b:1",
            "n1=a:1,n1=b:1,n3=c:1",
            "n1=a:1,n2=a:1,n3=c:1",
            "a:1,b:1,c:1",
            "n1=a,n2=b,n3=c",
            "n1=a:0,n2=b:1,n3=c:1",
            "n 1=a:1,n2=b:1,n3=c:1",
            "n1=u:p@a:1,n2=b:1,n3=c:1",
            "n1=fd00::3:1,n2=b:1,n3=c:1",
            "../n1=a:1,n2=b:1,n3=c:1",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
