//! The public door: HTTP and SSE translated to NATS.
