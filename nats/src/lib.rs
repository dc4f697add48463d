//! What nats-server reads: keys, accounts and configuration of a Kez Chat deployment.
