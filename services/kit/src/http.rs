//! An HTTP listener and its life: slow clients are cut, half-open connections die, and a stop lets requests finish within a deadline.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use axum::Router;
use axum_server::{Handle, accept::NoDelayAcceptor};
use hyper_util::rt::TokioTimer;
use socket2::{Domain, Socket, TcpKeepalive, Type};
use tokio_util::sync::CancellationToken;

use crate::{Failure, task};

/// A client has this long to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A peer that answers nothing for so long is gone, whether data waits for it or not.
const PEER_TIMEOUT: Duration = Duration::from_secs(60);

/// Opens a listener; `flag` is named in the error.
pub fn bind(addr: SocketAddr, flag: &str) -> Result<TcpListener, Failure> {
    listener(addr).map_err(|e| Failure::bind(addr, flag, &e))
}

fn listener(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // Accepted connections inherit these (Linux), so that a vanished reader frees its place.
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(PEER_TIMEOUT).with_interval(PEER_TIMEOUT / 4))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(PEER_TIMEOUT))?;
    socket.bind(&addr.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

/// Serves until `shutdown`, then lets connections finish within `drain`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
    drain: Duration,
) -> Result<(), Failure> {
    let handle = Handle::new();
    let stop = handle.clone();
    task::spawn("http-stop", async move {
        shutdown.cancelled().await;
        stop.graceful_shutdown(Some(drain));
    });
    // HTTP/2 is the proxy's; telling the two apart would wait for a first byte without a limit.
    let mut server = axum_server::from_tcp(listener)
        .map_err(Failure::internal)?
        .acceptor(NoDelayAcceptor::new())
        .handle(handle)
        .http1_only();
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    server.serve(router.into_make_service_with_connect_info::<SocketAddr>()).await.map_err(Failure::internal)
}
