//! What every service's process needs: configuration, NATS, readiness, logs, shutdown. Knows no chat word.
