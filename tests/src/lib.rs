//! Tests of the whole system: real nats-server, real processes, real HTTP.
