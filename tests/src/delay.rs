//! Slow wires, for kernels that have none of their own (netem).

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    time::{Duration, Instant},
};

use nfq::Queue;
use tokio::time::sleep;

/// Between looks at what was handed over.
const TICK: Duration = Duration::from_millis(1);
/// Packets that the kernel holds for us; more are lost.
const HELD: u32 = 100_000;

/// Lets each packet that [`crate::net::Host::divert`] hands over go on after this time, for ever. To be called by a process on that host. Whatever the
/// kernel says of its queues is an error.
pub async fn delay(time: Duration) -> io::Result<Infallible> {
    let mut queue = Queue::open()?;
    queue.bind(0)?;
    queue.set_queue_max_len(0, HELD)?;
    queue.set_nonblocking(true);
    let mut held = VecDeque::new();
    loop {
        loop {
            match queue.recv() {
                Ok(packet) => held.push_back((Instant::now() + time, packet)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        while let Some((_, packet)) = held.pop_front_if(|(due, _)| *due <= Instant::now()) {
            // As it came, it is accepted.
            queue.verdict(packet)?;
        }
        sleep(TICK).await;
    }
}
