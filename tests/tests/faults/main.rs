//! What happens when things break: several instances that race and die, a broker that is away or hangs, kill -9 under load, starts that
//! can't succeed, disks that are full. Real processes and a real nats-server; every load is bounded by a count.

mod away;
mod callout;
mod crash;
mod disk;
mod instances;
mod startup;
