//! Several instances: one that is gone, one that hangs, one that stops.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{Callout, Person, World, eventually};

#[tokio::test]
async fn an_instance_that_hangs_is_out_of_the_queue_soon_and_comes_back() {
    let world = World::start().await;
    let unlimited = ["--nats-connections", "0"];
    let (a, b) =
        (Callout::start(&world, "a", &unlimited).await, Callout::start(&world, "b", &unlimited).await);
    let alice = Person::new(1);
    world.people.bind("alice", &alice);
    // Both know each other before one hangs.
    tokio::time::sleep(Duration::from_millis(1500)).await;
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
async fn one_that_is_killed_or_stopped_takes_no_later_login_with_it() {
    let world = World::start().await;
    let alice = Person::new(1);
    world.people.bind("alice", &alice);
    let _steady = Callout::start(&world, "a", &["--nats-connections", "0"]).await;
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let mut other = Callout::start(&world, signal.as_str(), &["--nats-connections", "0"]).await;
        let connecting = async {
            let begun = Instant::now();
            let mut refused = 0;
            while begun.elapsed() < Duration::from_secs(1) {
                refused += u32::from(alice.connect(&world).await.is_err());
            }
            refused
        };
        let stopping = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            other.signal(signal);
        };
        let (refused, ()) = tokio::join!(connecting, stopping);
        let end = eventually("its end", async || other.child.try_wait().unwrap()).await;
        assert!(other.log().contains("let in"), "it had its share");
        match signal {
            Signal::SIGTERM => assert!(end.success() && refused == 0, "{end} {refused}"),
            // The one that was in its hands.
            _ => assert!(refused <= 1, "{refused}"),
        }
        alice.connect(&world).await.unwrap();
    }
}
