//! All of Kez Chat in one process, with a nats-server of its own.
