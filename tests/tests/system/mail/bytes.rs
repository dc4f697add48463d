//! An envelope comes back to the byte: nobody looks inside.

use kez_tests::{Deployment, Person, sse::Stream};
use serde_json::Value;

use super::{post_envelope, read};

/// Objects that a parser would write back otherwise, or wouldn't take.
fn odd() -> Vec<String> {
    let mut odd: Vec<String> = [
        r#"{}"#,
        r#"{ }"#,
        r#"{"b":1,"a":2,"b":3,"":""}"#,
        r#"{  "a" :	1 ,"b":[ 1,2 , 3 ] }"#,
        r#"{"\u0061":"\u00e4\/ä\ud83d\ude00😀\"\\\b\f\n\r\t"}"#,
        r#"{"nul":"\u0000","line":"\u2028"}"#,
        r#"{"big":123456789012345678901234567890,"exact":0.10,"exp":1E+2,"neg":-0,"huge":1e300,"tiny":1e-999}"#,
        r#"{"__proto__":{"constructor":null},"html":"</script><!--","sse":"data: x\n\nevent: ready\n\n"}"#,
        "{\"raw\":\"\u{2028}\u{2029}\u{feff}\u{7f}\u{202e}\"}",
    ]
    .map(String::from)
    .into();
    // Deeper than parsers go.
    odd.push(format!(r#"{{"deep":{}{}}}"#, "[".repeat(100), "]".repeat(100)));
    odd
}

#[tokio::test]
async fn every_byte_comes_back_in_history_and_in_the_stream() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let (mut live, _) = Stream::open(url, &alice, "").await;
    let broken_lines = "{\r\n  \"a\":\n[\r1,\n\n2]\t}";
    for envelope in odd().iter().map(String::as_str).chain([broken_lines]) {
        let sent = post_envelope(url, "alice", envelope).await;
        assert_eq!(sent.status(), 201, "{envelope}: {}", sent.text().await.unwrap());
        let sent: Value = sent.json().await.unwrap();
        let entry =
            format!(r#"{{"seq":{},"created_at":{},"envelope":{envelope}}}"#, sent["seq"], sent["created_at"]);

        let since = sent["seq"].as_u64().unwrap() - 1;
        let page =
            read(url, &alice, since, &format!("?since={since}")).send().await.unwrap().text().await.unwrap();
        assert!(page.starts_with(&format!(r#"{{"messages":[{entry}],"epoch":""#)), "{envelope}: {page}");

        // In an event a line break between two tokens is a space.
        let entry = entry.replace(['\r', '\n'], " ");
        assert_eq!(live.message().await.data, entry);
        let (mut resumed, _) = Stream::open(url, &alice, &format!("&since={since}")).await;
        assert_eq!(resumed.message().await.data, entry);
    }
}
