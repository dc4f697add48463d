//! Several instances: one that is gone, one that hangs, one that stops.

use std::cell::Cell;

use nix::sys::signal::Signal;

use crate::support::{Callout, Person, World, eventually};

/// Until this instance knows of so many others that came since it started.
async fn knows(callout: &Callout, others: usize) {
    let heard = || callout.log().matches("another auth callout is there").count();
    eventually("word of the others", async || (heard() >= others).then_some(())).await;
}

#[tokio::test]
async fn an_instance_that_hangs_is_out_of_the_queue_soon_and_comes_back() {
    let world = World::start().await;
    let unlimited = ["--nats-connections", "0"];
    let (a, b) =
        (Callout::start(&world, "a", &unlimited).await, Callout::start(&world, "b", &unlimited).await);
    let alice = Person::new(1);
    world.people.bind("alice", &alice);
    // Both know each other before one hangs.
    knows(&a, 1).await;
    knows(&b, 1).await;
    a.signal(Signal::SIGSTOP);
    b.until_audit("silent_callout").await;
    for _ in 0..100 {
        alice.connect(&world).await.unwrap();
    }

    a.signal(Signal::SIGCONT);
    // Whoever wakes up has heard nobody for long, and accuses nobody.
    eventually("both share the work again", async || {
        alice.connect(&world).await.unwrap();
        a.log().lines().filter(|l| l.contains("let in")).count().gt(&5).then_some(())
    })
    .await;
    assert!(!a.reasons().contains(&"silent_callout".to_owned()));
}

#[tokio::test]
async fn one_that_is_killed_or_stopped_takes_no_login_with_it() {
    let world = World::start().await;
    let alice = Person::new(1);
    world.people.bind("alice", &alice);
    let steady = Callout::start(&world, "a", &["--nats-connections", "0"]).await;
    for (n, signal) in [Signal::SIGTERM, Signal::SIGKILL].into_iter().enumerate() {
        let mut other = Callout::start(&world, signal.as_str(), &["--nats-connections", "0"]).await;
        knows(&steady, n + 1).await;
        let gone = Cell::new(false);
        let connecting = async {
            while !gone.get() {
                alice.connect(&world).await.unwrap();
            }
        };
        let stopping = async {
            eventually("its share", async || other.log().contains("let in").then_some(())).await;
            other.signal(signal);
            let end = eventually("its end", async || other.child.try_wait().unwrap()).await;
            gone.set(true);
            end
        };
        // What was in the hands of the one that was killed is answered by the steady one.
        let ((), end) = tokio::join!(connecting, stopping);
        assert_eq!(end.success(), signal == Signal::SIGTERM, "{end}");
        alice.connect(&world).await.unwrap();
    }
}
