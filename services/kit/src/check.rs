//! `--check-ready`: the same program asks the instance that runs, for health checks in a container that has no other program.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use crate::{Failure, Kind};

/// The instance answers at once; a supervisor doesn't wait for long.
const DEADLINE: Duration = Duration::from_secs(2);
/// What is read of the answer.
const ANSWER: u64 = 16 * 1024;

/// Whether the instance with this admin listener is ready; if not, which gates are closed and why.
pub fn ready(admin: SocketAddr) -> Result<(), Failure> {
    if admin.port() == 0 {
        return Err(Failure::new(
            Kind::Configuration,
            "--check-ready needs --admin-bind (KEZ_CHAT_ADMIN_BIND) with the port of the running instance",
        ));
    }
    let answer = ask(reached_from_here(admin))
        .map_err(|e| Failure::internal(format_args!("{admin} doesn't answer: {e}")))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split(' ').nth(1) {
        Some("200") => Ok(()),
        _ => Err(Failure::internal(format_args!("not ready: {body}"))),
    }
}

fn ask(at: SocketAddr) -> io::Result<String> {
    let mut connection = TcpStream::connect_timeout(&at, DEADLINE)?;
    connection.set_read_timeout(Some(DEADLINE))?;
    connection.set_write_timeout(Some(DEADLINE))?;
    write!(connection, "GET /readyz HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    connection.take(ANSWER).read_to_string(&mut answer)?;
    Ok(answer)
}

/// A listener on every address is on this machine's own, too.
fn reached_from_here(mut at: SocketAddr) -> SocketAddr {
    match at.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => at.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => at.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Life,
        admin::{self, AdminArgs},
    };

    #[tokio::test(flavor = "multi_thread")]
    async fn it_says_what_is_missing() {
        let life = Life::default();
        let gate = life.ready.gate("a-dependency");
        admin::start(&AdminArgs { admin_bind: "0.0.0.0:0".parse().unwrap() }, &life).unwrap();
        let admin: SocketAddr = life.address("admin").unwrap().parse().unwrap();
        let ask = async || tokio::task::spawn_blocking(move || ready(admin)).await.unwrap();

        let closed = ask().await.unwrap_err().to_string();
        assert!(closed.contains(r#""a-dependency":"starting""#), "{closed}");
        gate.open();
        ask().await.unwrap();
    }

    #[test]
    fn nobody_there_is_not_ready() {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(ready(nobody).unwrap_err().to_string().contains("doesn't answer"));
        assert_eq!(ready("127.0.0.1:0".parse().unwrap()).unwrap_err().kind, Kind::Configuration);
    }
}
