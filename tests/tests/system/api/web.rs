//! An operator's own web client: it gets no address of the API.

use std::fs;

use kez_proto::Code;
use kez_tests::{
    Deployment,
    http::{client, get, header, refused},
    within,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[tokio::test]
async fn a_web_client_has_every_address_but_those_of_the_api() {
    let dir = tempfile::tempdir().unwrap();
    let web = dir.path().join("web");
    fs::create_dir_all(web.join("assets")).unwrap();
    fs::create_dir_all(web.join("v1")).unwrap();
    fs::write(web.join("index.html"), "<html>the client</html>").unwrap();
    fs::write(web.join("assets/app.js"), "app()").unwrap();
    fs::write(web.join("v1/trap"), "a file below an address of the API").unwrap();
    fs::write(dir.path().join("secret"), "not for the web").unwrap();
    let deployment = Deployment::start_with(1, &[], &["--web-dir", web.to_str().unwrap()]).await;
    let url = deployment.url(0);

    for (path, media_type, text) in [
        ("/", "text/html", "<html>the client</html>"),
        ("/assets/app.js", "text/javascript", "app()"),
        ("/some/path", "text/html", "<html>the client</html>"),
        ("/v1x", "text/html", "<html>the client</html>"),
    ] {
        let answer = get(format!("{url}{path}")).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "content-type")), (200, media_type), "{path}");
        assert_eq!(answer.text().await.unwrap(), text, "{path}");
    }
    for path in [
        "/v1",
        "/v1/",
        "/v1/trap",
        "/v1/some/path",
        "/internal",
        "/internal/",
        "/internal/nats/auth",
        "/.well-known",
        "/.well-known/",
        "/.well-known/x",
    ] {
        refused(get(format!("{url}{path}")).await, Code::NotFound).await;
    }
    // A page in place of a script would only confuse who asks for one.
    refused(get(format!("{url}/assets/gone.js")).await, Code::NotFound).await;
    read_only(&format!("{url}/some/path")).await;
    assert_eq!(get(format!("{url}/v1/healthz")).await.status(), 200);

    for path in ["/../secret", "/%2e%2e/secret", "/..%2fsecret", "/assets/../../secret"] {
        let answer = as_written(url, path).await;
        assert!(answer.starts_with("HTTP/1.1 ") && !answer.contains("not for the web"), "{path}: {answer}");
    }
}

async fn read_only(url: &str) {
    assert_eq!(client().head(url).send().await.unwrap().status(), 200);
    let posted = client().post(url).send().await.unwrap();
    assert_eq!(header(&posted, "allow"), "GET,HEAD");
    refused(posted, Code::MethodNotAllowed).await;
}

/// The whole answer to a `GET` of a path that no client library would send as it is.
async fn as_written(url: &str, path: &str) -> String {
    let mut connection = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    connection
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    within("an answer ends", connection.read_to_string(&mut answer)).await.unwrap();
    answer
}
