//! What the system's tests share: the real nats-server on a port that it chose, the real binaries as processes of their own, people with keys.
//! Tests wait for conditions with a deadline; nothing here sleeps to be ready. Everything a test starts ends with it.

pub mod chat_server;
pub mod clock;
pub mod collector;
#[cfg(target_os = "linux")]
pub mod delay;
pub mod deployment;
pub mod disk;
pub mod http;
pub mod load;
pub mod nats;
pub mod net;
pub mod person;
pub mod process;
pub mod raw_nats;
pub mod session;
pub mod sse;
pub mod tls;
pub mod tls_proxy;
pub mod wait;
pub mod writer;

pub use chat_server::ChatServer;
pub use collector::Collector;
pub use deployment::Deployment;
pub use person::Person;
pub use process::Process;
pub use raw_nats::RawNats;
pub use tls_proxy::TlsProxy;
pub use wait::{eventually, within};

/// The server name of every test deployment.
pub const SERVER: &str = "kez.test";
