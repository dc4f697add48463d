//! Part of `make bench`: what sealing and opening one message costs on one core, and how many bytes it adds, for texts of several lengths.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program of its own")]

use std::time::{Duration, Instant};

use kez_client::{
    Identity,
    sealing::{Opener, compose, seal},
};

const LONG_ENOUGH: Duration = Duration::from_secs(2);

/// How often a second `work` is done.
fn rate(mut work: impl FnMut()) -> f64 {
    work();
    let (began, mut times) = (Instant::now(), 0u32);
    while began.elapsed() < LONG_ENOUGH {
        work();
        times += 1;
    }
    f64::from(times) / began.elapsed().as_secs_f64()
}

fn main() {
    let (alice, bob) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let opener = Opener::new(&bob);
    println!("Sealing, one core\n  bytes of text   of envelope    sealed/s    opened/s");
    for bytes in [10, 400, 1000, 10_000, 100_000, 179_000] {
        let message = compose(&alice, bob.primary(), "x".repeat(bytes).as_str()).unwrap();
        let envelope = seal(&alice, &message).unwrap();
        let sealed = rate(|| drop(seal(&alice, &message).unwrap()));
        let opened = rate(|| drop(opener.open(envelope.get(), message.sent_at).unwrap()));
        println!("  {bytes:>13}  {:>12}  {sealed:>10.0}  {opened:>10.0}", envelope.get().len());
    }
}
