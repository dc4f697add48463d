//! The web client as the gateway serves it.

use kez_proto::Code;
use kez_tests::{
    Deployment,
    http::{client, get, header, refused},
};
use regex::Regex;

use crate::script::{available, root};

#[tokio::test]
async fn the_gateway_serves_the_client_with_its_policy() {
    if !available(&[("web/dist (make web)", root().join("web/dist/index.html").is_file())]) {
        return;
    }
    let ws = "wss://chat.example.org:8443";
    let deployment = Deployment::start_with(1, &[], &["--nats-ws-public-url", ws]).await;
    let url = deployment.url(0);
    let page = get(url).await;
    assert_eq!((page.status().as_u16(), header(&page, "content-type")), (200, "text/html"));
    assert_eq!(
        (header(&page, "cache-control"), header(&page, "x-content-type-options")),
        ("no-cache", "nosniff")
    );
    let policy = header(&page, "content-security-policy");
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe-inline"), "{policy}");
    assert!(policy.contains(&format!("connect-src 'self' {ws};")), "{policy}");

    // A page that is known isn't sent again.
    let tag = header(&page, "etag").to_owned();
    let again = client().get(url).header("if-none-match", &tag).send().await.unwrap();
    assert_eq!((again.status().as_u16(), header(&again, "etag")), (304, tag.as_str()));

    // A script is kept for good, for its name changes with it, and comes compressed.
    let text = page.text().await.unwrap();
    let script = Regex::new(r#"src="\.?(/assets/[^"]+\.js)""#).unwrap().captures(&text).expect("a script")[1]
        .to_owned();
    let script = client().get(format!("{url}{script}")).header("accept-encoding", "br").send().await.unwrap();
    assert_eq!((script.status().as_u16(), header(&script, "content-type")), (200, "text/javascript"));
    assert_eq!(header(&script, "content-encoding"), "br");
    assert_eq!(header(&script, "cache-control"), "public, max-age=31536000, immutable");
    assert!(!script.bytes().await.unwrap().is_empty());

    // What isn't there, such as a file of an older or newer client, is no page, and isn't kept.
    let gone = get(format!("{url}/assets/gone.js")).await;
    assert_eq!(header(&gone, "cache-control"), "no-cache");
    refused(gone, Code::NotFound).await;

    assert_eq!(client().head(url).send().await.unwrap().status(), 200);
    let posted = client().post(url).send().await.unwrap();
    assert_eq!(header(&posted, "allow"), "GET,HEAD");
    refused(posted, Code::MethodNotAllowed).await;
}
