//! The configuration file of nats-server, rendered from `templates/`. What a person should know about a setting stands there, beside it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf, absolute},
    time::Duration,
};

use kez_proto::{
    limits,
    subjects::{self, CLIENT_EXPORTS, Permissions, Role},
};
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value, context, syntax::SyntaxConfig};

use crate::{Error, Keys, Owner};

/// One nats-server on one machine: the accounts, JetStream, and a listener for clients.
#[derive(Clone, Debug)]
pub struct SingleServer {
    /// Its name; no spaces.
    pub server_name: String,
    /// Where it takes clients; with port 0 it picks one and writes it to the ports file (see [`crate::ports`]).
    pub listen: SocketAddr,
    /// Where JetStream keeps its streams.
    pub data: PathBuf,
    /// Partitions of the mail (see [`kez_proto::partition`]).
    pub partitions: u16,
    /// When an acknowledged message is on disk.
    pub sync: Sync,
    /// The folder of the ports file; it must exist.
    pub ports_dir: Option<PathBuf>,
    /// Where it writes its process id.
    pub pid_file: Option<PathBuf>,
    /// Where it logs; standard error if absent.
    pub log_file: Option<PathBuf>,
}

/// When JetStream's files are brought to the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// Before each acknowledgement: what was acknowledged survives a power cut.
    #[default]
    Always,
    /// Every so often: faster, and a power cut loses what was acknowledged since.
    Interval(Duration),
}

impl SingleServer {
    /// A server with the defaults: every acknowledged message on disk, no ports file, no process id file, logs to standard error.
    pub fn new(server_name: impl Into<String>, listen: SocketAddr, data: impl Into<PathBuf>) -> Self {
        let (server_name, data) = (server_name.into(), data.into());
        let (ports_dir, pid_file, log_file) = (None, None, None);
        Self {
            server_name,
            listen,
            data,
            partitions: limits::PARTITIONS,
            sync: Sync::Always,
            ports_dir,
            pid_file,
            log_file,
        }
    }

    /// The file's text. Relative paths are made absolute, so that it doesn't matter where nats-server is started.
    ///
    /// [`Error::ConfigRefused`] if a value can't be written there: a control character, a path that isn't UTF-8, an interval of zero.
    pub fn render(&self, keys: &Keys) -> Result<String, Error> {
        let sync = match self.sync {
            Sync::Always => "always".to_owned(),
            Sync::Interval(Duration::ZERO) => {
                return Err(Error::ConfigRefused("a sync interval of zero".into()));
            }
            Sync::Interval(every) => format!("{}ms", every.as_millis().max(1)),
        };
        let user = |owner: Owner, permissions: Permissions| {
            context! {
                name => owner.name(),
                nkey => keys.public(owner),
                publish => permissions.publish,
                subscribe => permissions.subscribe,
                allow_responses => permissions.allow_responses,
            }
        };
        let roles = Role::ALL.map(|role| user(role.into(), role.permissions(self.partitions)));
        let exports =
            |stream| CLIENT_EXPORTS.iter().filter(|e| e.1 == stream).map(|e| e.0).collect::<Vec<_>>();
        let values = context! {
            server_name => self.server_name.as_str(),
            host => self.listen.ip().to_string(),
            port => if self.listen.port() == 0 { -1 } else { i32::from(self.listen.port()) },
            ports_dir => text(self.ports_dir.as_deref())?,
            pid_file => text(self.pid_file.as_deref())?,
            log_file => text(self.log_file.as_deref())?,
            data => text(Some(&self.data))?,
            sync => sync,
            max_payload => limits::NATS_PAYLOAD_BYTES,
            sys => keys.public(Owner::System),
            callout_system => user(Owner::CalloutSystem, subjects::callout_system_permissions()),
            callout_auth => user(Owner::CalloutAuth, subjects::callout_permissions()),
            callout_issuer => keys.public(Owner::CalloutIssuer),
            callout_xkey => keys.public(Owner::CalloutXkey),
            chat_payload => limits::CHAT_PAYLOAD_BYTES,
            chat_connections => limits::CHAT_CONNECTIONS,
            chat_subscriptions => limits::CHAT_SUBSCRIPTIONS,
            roles => roles.to_vec(),
            streams => exports(true),
            services => exports(false),
        };
        let refused = |e: minijinja::Error| Error::ConfigRefused(e.to_string());
        let environment = environment().map_err(refused)?;
        environment.get_template(SINGLE).and_then(|template| template.render(values)).map_err(refused)
    }
}

const SINGLE: &str = "single.conf";

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_syntax(
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()?,
    );
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // Every value passes here, so that the template can't forget to quote one.
    environment.set_formatter(|out, _, value| {
        let written = match value.as_str() {
            Some(text) => out.write_str(&quote(text)?),
            None if value.is_number() => out.write_str(&value.to_string()),
            None => {
                return Err(minijinja::Error::new(
                    ErrorKind::InvalidOperation,
                    "only texts and numbers have a place here",
                ));
            }
        };
        written.map_err(Into::into)
    });
    environment.add_template(SINGLE, include_str!("../templates/single.conf"))?;
    environment.add_template("user.conf", include_str!("../templates/user.conf"))?;
    Ok(environment)
}

/// A string of nats-server's configuration language; inside of it neither `$` nor `#` nor a bracket means anything.
fn quote(text: &str) -> Result<String, minijinja::Error> {
    if text.contains(char::is_control) {
        let detail = format!("{text:?} holds a control character");
        return Err(minijinja::Error::new(ErrorKind::InvalidOperation, detail));
    }
    Ok(format!("\"{}\"", text.replace('\\', r"\\").replace('"', r#"\""#)))
}

fn text(path: Option<&Path>) -> Result<Value, Error> {
    let Some(path) = path else { return Ok(Value::from(())) };
    let path = absolute(path).map_err(Error::io("find", path))?;
    let text = path.to_str().ok_or_else(|| Error::ConfigRefused(format!("the path {path:?} isn't UTF-8")))?;
    Ok(Value::from(text))
}
