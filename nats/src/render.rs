//! Fills in `templates/`.

use std::{
    net::SocketAddr,
    path::{Path, absolute},
};

use kez_proto::{
    limits,
    subjects::{self, Permissions, Role},
};
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value, context, syntax::SyntaxConfig};

use crate::{
    Error, Keys, Owner,
    config::{Cluster, MutualTls, Server, Sync, Tls, WebSocket},
};

/// The configuration file of this server.
pub fn text(server: &Server, keys: &Keys) -> Result<String, Error> {
    let users = |owner: Owner, permissions: Permissions| {
        let Permissions { publish, subscribe, answers } = &permissions;
        let user = |nkey: &str| context! { name => owner.name(), nkey, publish, subscribe, answers };
        keys.accepted(owner).map(user).collect::<Vec<_>>()
    };
    let roles = Role::ALL.map(|role| users(role.into(), role.permissions(server.partitions)));
    let values = context! {
        server_name => server.name.as_str(),
        host => server.listen.ip().to_string(),
        port => port(server.listen),
        tls => server.tls.as_ref().map(tls).transpose()?,
        websocket => server.websocket.as_ref().map(websocket).transpose()?,
        monitor => server.monitor.map(|m| m.to_string()),
        cluster => server.cluster.as_ref().map(cluster).transpose()?,
        ports_dir => path(server.ports_dir.as_deref())?,
        pid_file => path(server.pid_file.as_deref())?,
        log_file => path(server.log_file.as_deref())?,
        data => path(Some(&server.data))?,
        sync => match server.sync {
            Sync::Always => "always".to_owned(),
            Sync::Interval(every) => format!("{}ms", every.as_millis().max(1)),
        },
        max_payload => limits::NATS_PAYLOAD_BYTES,
        sys => keys.accepted(Owner::System).map(str::to_owned).collect::<Vec<_>>(),
        callout_system => users(Owner::CalloutSystem, subjects::callout_system_permissions()),
        callout_auth => users(Owner::CalloutAuth, subjects::callout_permissions()),
        callout_issuer => keys.configured(Owner::CalloutIssuer),
        login_timeout => limits::NATS_LOGIN_TIMEOUT.as_secs_f64(),
        callout_xkey => keys.configured(Owner::CalloutXkey),
        chat_payload => limits::CHAT_PAYLOAD_BYTES,
        chat_connections => limits::CHAT_CONNECTIONS,
        chat_subscriptions => limits::CHAT_SUBSCRIPTIONS,
        roles => roles.concat(),
        to_clients => subjects::TO_CLIENTS.to_vec(),
        from_clients => subjects::CLIENT_REQUESTS.to_vec(),
    };
    let template = if server.cluster.is_some() { "cluster.conf" } else { "single.conf" };
    let refused = |e: minijinja::Error| Error::ConfigRefused(e.to_string());
    let environment = environment().map_err(refused)?;
    environment.get_template(template).and_then(|template| template.render(values)).map_err(refused)
}

fn tls(tls: &Tls) -> Result<Value, Error> {
    Ok(context! { cert => path(Some(&tls.cert))?, key => path(Some(&tls.key))? })
}

fn websocket(websocket: &WebSocket) -> Result<Value, Error> {
    Ok(context! {
        host => websocket.listen.ip().to_string(),
        port => port(websocket.listen),
        tls => websocket.tls.as_ref().map(tls).transpose()?,
        origins => websocket.origins.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn cluster(cluster: &Cluster) -> Result<Value, Error> {
    let route = |to: &String| format!("nats://route:{}@{to}", cluster.secret);
    let mutual = |mutual: &MutualTls| -> Result<Value, Error> {
        Ok(context! { ca => path(Some(&mutual.ca))?, ..tls(&mutual.own)? })
    };
    Ok(context! {
        name => cluster.name.as_str(),
        host => cluster.listen.ip().to_string(),
        port => port(cluster.listen),
        secret => cluster.secret.as_str(),
        tls => cluster.tls.as_ref().map(mutual).transpose()?,
        routes => cluster.routes.iter().map(route).collect::<Vec<_>>(),
    })
}

/// nats-server's word for "any free one" is -1.
fn port(listen: SocketAddr) -> i32 {
    if listen.port() == 0 { -1 } else { i32::from(listen.port()) }
}

fn path(path: Option<&Path>) -> Result<Value, Error> {
    let Some(path) = path else { return Ok(Value::from(())) };
    let path = absolute(path).map_err(Error::io("find", path))?;
    let text = path.to_str().ok_or_else(|| Error::ConfigRefused(format!("the path {path:?} isn't UTF-8")))?;
    Ok(Value::from(text))
}

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
    for (name, text) in [
        ("single.conf", include_str!("../templates/single.conf")),
        ("cluster.conf", include_str!("../templates/cluster.conf")),
        ("server.conf", include_str!("../templates/server.conf")),
        ("tls.conf", include_str!("../templates/tls.conf")),
        ("user.conf", include_str!("../templates/user.conf")),
    ] {
        environment.add_template(name, text)?;
    }
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
