//! What `/` shows: the operator's web client, or a page that says what this server is and how to reach it.

use std::convert::Infallible;

use axum::{
    body::Body,
    http::{Method, Request, header},
    response::{Html, IntoResponse, Response},
};
use kez_proto::Code;
use minijinja::{Environment, context};
use tower_http::services::{ServeDir, ServeFile};

use crate::{Config, refusal::Refusal};

const PAGE: &str = include_str!("../templates/index.html");

/// The service behind every path that no route has.
pub fn service(config: &Config) -> axum::routing::MethodRouter<(), Infallible> {
    match &config.web_dir {
        // A single-page client routes by itself: an unknown path is its index.
        Some(dir) => {
            let files = ServeDir::new(dir).fallback(ServeFile::new(dir.join("index.html")));
            axum::routing::get_service(files).fallback(async || only_read())
        }
        None => {
            let config = config.clone();
            axum::routing::any(move |request: Request<Body>| {
                let answer = own(&request, &config);
                async move { answer }
            })
        }
    }
}

fn own(request: &Request<Body>, config: &Config) -> Response {
    if request.uri().path() != "/" {
        return Refusal::from(Code::NotFound).into_response();
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return only_read();
    }
    // Where no public URL is configured, the address that the reader used is the best one to show.
    let host =
        request.headers().get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or(config.server.as_str());
    let url = if config.has_public_url { config.public_url.clone() } else { format!("http://{host}") };
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
    (
        [(header::CONTENT_SECURITY_POLICY, policy), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")],
        Html(render(config, &url)),
    )
        .into_response()
}

fn only_read() -> Response {
    ([(header::ALLOW, "GET,HEAD")], Refusal::from(Code::MethodNotAllowed)).into_response()
}

fn render(config: &Config, url: &str) -> String {
    let mut environment = Environment::new();
    let rendered = environment.add_template("index.html", PAGE).and_then(|()| {
        let template = environment.get_template("index.html")?;
        template
            .render(context! { server => config.server.as_str(), version => env!("CARGO_PKG_VERSION"), url })
    });
    rendered.unwrap_or_else(|error| {
        tracing::error!(%error, "the start page can't be made");
        format!("Kez Chat at {}\n", config.server)
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: crate::Args,
    }

    #[test]
    fn the_page_names_the_server() {
        let config = Command::parse_from(["test"]).args.with("chat.example.org".parse().unwrap()).unwrap();
        let page = render(&config, "http://<b>");
        assert!(!page.contains("<b>"), "what a client sent isn't escaped");
        assert!(
            page.contains("chat.example.org") && page.contains("<html") && !page.contains("{{"),
            "{page}"
        );
    }
}
