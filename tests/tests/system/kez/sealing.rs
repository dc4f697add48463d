//! What `kez` seals and opens, seen from everybody's side: the recipient's, the server's, a stranger's, and one's own other devices.

use std::fs;

use data_encoding::BASE64URL_NOPAD;
use kez_client::{Identity, key_file};
use kez_tests::{Deployment, Person, http, person::send};
use serde_json::{Value, json};

use super::{
    User,
    listening::Listening,
    nats::{another_device, flag},
    sealed,
};

/// An inbox as it is at the server.
async fn stored(user: &User, handle: &str) -> Vec<Value> {
    let target = format!("/v1/inbox/{handle}?since=0");
    let auth = user.must(&["auth", "GET", &target]).await;
    let request = http::client().get(format!("{}{target}", user.url));
    let page: Value = request.header("x-kez-auth", auth.trim()).send().await.unwrap().json().await.unwrap();
    page["messages"].as_array().unwrap().clone()
}

/// Leaves these very bytes; their place, if they are taken and weren't there before.
async fn left(url: &str, to: &str, envelope: &str) -> Option<u64> {
    let body = format!(r#"{{"to":"{to}","envelope":{envelope}}}"#);
    let request = http::client().post(format!("{url}/v1/messages")).body(body);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    answer["seq"].as_u64().filter(|_| answer.get("duplicate").is_none())
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn the_server_has_neither_text_nor_sender() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = User::registered("alice", url).await;
    let bob = User::registered("bobby", url).await;
    let nats = flag(&deployment.nats.url());
    let text = "the eagle has landed";
    alice.must(&["send", "bobby", text]).await;
    alice.must(&["send", &nats, "bobby", text]).await;
    let shown = bob.must(&["inbox"]).await;
    assert_eq!(
        shown.lines().filter(|line| line.ends_with("alice@kez.test: the eagle has landed")).count(),
        2
    );

    let (alices, bobs) = (alice.primary(), bob.primary());
    let secrets = [text, "alice", "bobby", &alices.hex(), &bobs.hex()];
    for mail in [stored(&bob, "bobby").await, stored(&alice, "alice").await] {
        assert_eq!(mail.len(), 2);
        for message in mail {
            let envelope = message["envelope"].as_object().unwrap();
            assert_eq!(envelope.keys().collect::<Vec<_>>(), ["ct", "enc", "v"]);
            assert_eq!(envelope["v"], 2);
            let bytes = ["enc", "ct"]
                .map(|member| BASE64URL_NOPAD.decode(envelope[member].as_str().unwrap().as_bytes()).unwrap());
            // Shorter and longer texts of a bucket look alike.
            assert_eq!(bytes.each_ref().map(Vec::len), [32, 1024 + 16]);
            for secret in secrets {
                assert!(!contains(message.to_string().as_bytes(), secret), "{secret} is in the envelope");
                assert!(bytes.iter().all(|bytes| !contains(bytes, secret)), "{secret} is in the ciphertext");
            }
        }
    }
    let foreign = alice.fails(&["auth", "GET", "/v1/inbox/bobby?since=0"]).await;
    assert!(foreign.contains("no other inbox"), "{foreign}");
}

/// Everything that the vectors know to be wrong, left by a stranger, is shown with the name that they give it.
#[tokio::test]
async fn what_fails_a_check_is_shown_with_its_name() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../../proto-schemas/vectors/sealing-invalid.json")).unwrap();
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let bob = User::at(url);
    fs::create_dir(bob.home()).unwrap();
    let seed = data_encoding::HEXLOWER.decode(vectors["recipient"].as_str().unwrap().as_bytes()).unwrap();
    let identity = Identity::from_seed(&seed.try_into().unwrap());
    key_file::create(&bob.home().join("identity.key"), &identity).unwrap();
    bob.must(&["register", "bobby"]).await;

    let mut expected = vec![];
    for case in vectors["cases"].as_array().unwrap() {
        // The server stamps another time than the vectors have; whatever is judged behind that is stale now.
        let refusal = match case["refusal"].as_str().unwrap() {
            "invalid_id" | "already_seen" => "stale_timestamp",
            refusal => refusal,
        };
        // What is no JSON object doesn't get as far as an inbox, and the same bytes again are there once.
        if let Some(seq) = left(url, "bobby", case["envelope"].as_str().unwrap()).await {
            expected.push((seq, refusal));
        }
    }
    assert!(expected.len() > 60, "only {} were left", expected.len());
    let told =
        |line: &Value| (line["seq"].as_u64().unwrap(), line["error"]["code"].as_str().unwrap().to_owned());
    let listed: Vec<_> = bob.json(&["inbox"]).await.iter().map(told).collect();
    assert_eq!(listed, expected.iter().map(|(seq, code)| (*seq, (*code).to_owned())).collect::<Vec<_>>());
    for name in [
        "malformed_envelope",
        "unknown_version",
        "not_opened",
        "bad_padding",
        "bad_signature",
        "wrong_recipient",
    ] {
        assert!(expected.iter().any(|(_, code)| *code == name), "no case of {name} was left");
    }
    let mut listening = Listening::start(&bob, &[]).await;
    for (seq, code) in expected {
        let line = listening.line().await;
        assert!(
            line.contains(&format!("] seq {seq}: can't be opened: ")) && line.ends_with(&format!("({code})")),
            "{line}"
        );
    }
    assert!(listening.interrupt().await.is_empty());
}

#[tokio::test]
async fn a_copy_that_a_stranger_leaves_is_not_shown_as_a_message() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = User::registered("alice", url).await;
    let bob = User::registered("bobby", url).await;
    alice.must(&["send", "bobby", "once"]).await;
    let envelope = stored(&bob, "bobby").await[0]["envelope"].clone();
    // Other bytes for the server, the same message for the reader.
    let (enc, ct) = (&envelope["enc"], &envelope["ct"]);
    let mut copies = 0;
    for copy in
        [format!(r#"{{"v":2,"enc":{enc},"ct":{ct}}}"#), format!(r#"{{ "ct":{ct}, "enc":{enc}, "v":2 }}"#)]
    {
        copies += usize::from(left(url, "bobby", &copy).await.is_some());
    }
    assert!(copies > 0);

    let mut listening = Listening::start(&bob, &[]).await;
    assert!(listening.line().await.ends_with("alice@kez.test: once"));
    for _ in 0..copies {
        assert!(listening.line().await.ends_with("the message was read before (already_seen)"));
    }
    assert!(listening.interrupt().await.is_empty());
    let listed = bob.json(&["inbox"]).await;
    assert_eq!(listed[0]["body"], "once");
    assert!(listed.len() > 1 && listed[1..].iter().all(|line| line["error"]["code"] == "already_seen"));

    // A server that was restored from a backup counts from its beginning again.
    let file = bob.home().join("cursor.json");
    let mut cursor: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    cursor["epoch"] = json!("another");
    fs::write(&file, cursor.to_string()).unwrap();
    alice.must(&["send", "bobby", "twice"]).await;
    let mut listening = Listening::start(&bob, &[]).await;
    assert!(listening.line().await.ends_with("alice@kez.test: twice"));
    assert!(listening.interrupt().await.is_empty());
}

#[tokio::test]
async fn what_one_sends_is_read_at_ones_other_devices() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = User::registered("alice", url).await;
    let bob = User::registered("bobby", url).await;
    let phone = another_device(&alice);
    let sent = alice.json(&["send", "bobby", "hello"]).await.remove(0);
    let copy = phone.json(&["inbox"]).await.remove(0);
    assert_eq!(copy["seq"], sent["copy"]["seq"]);
    assert_eq!(
        [&copy["id"], &copy["body"], &copy["from"], &copy["to"], &copy["to_key"]],
        [
            &sent["id"],
            &json!("hello"),
            &json!("alice@kez.test"),
            &json!("bobby@kez.test"),
            &json!(bob.primary())
        ]
    );
    let mut listening = Listening::start(&phone, &[]).await;
    assert!(listening.line().await.ends_with("] you to bobby@kez.test: hello"));
    alice.must(&["send", &flag(&deployment.nats.ws_url()), "bobby", "over NATS"]).await;
    assert!(listening.line().await.ends_with("] you to bobby@kez.test: over NATS"));
    assert_eq!(alice.json(&["send", "--no-copy", "bobby", "unseen"]).await[0].get("copy"), None);
    // To oneself there is one message, and it is no copy.
    assert_eq!(alice.json(&["send", "alice", "a note"]).await[0].get("copy"), None);
    assert!(listening.line().await.ends_with("] you to alice@kez.test: a note"));
    assert!(listening.interrupt().await.is_empty());
}

#[tokio::test]
async fn a_copy_that_finds_no_place_is_a_warning() {
    let deployment = Deployment::start_with(1, &["--inbox-messages", "1"], &[]).await;
    let url = deployment.url(0);
    let alice = User::registered("alice", url).await;
    let bob = User::registered("bobby", url).await;
    alice.must(&["send", "alice", "a note"]).await;
    let ended = alice.run(&["--json", "send", "bobby", "hello"]).await;
    let sent: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.status, &sent["copy"]["error"]["code"]), (Some(0), &json!("inbox_full")));
    assert!(ended.stderr.contains("Warning: the message was sent"), "{}", ended.stderr);
    assert_eq!(bob.json(&["inbox"]).await[0]["body"], "hello");
    let full = alice.run(&["--json", "send", "bobby", "another"]).await;
    let error: Value = serde_json::from_str(&full.stdout).unwrap();
    assert_eq!((full.status, &error["error"]["code"]), (Some(1), &json!("inbox_full")));
}

#[tokio::test]
async fn mail_of_an_earlier_key_stays_readable() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let bob = User::registered("bobby", url).await;
    let mallory = Person::registered("mallory", url).await.identity;
    let old = Identity::generate().unwrap();
    for envelope in [sealed(&mallory, old.primary(), "to the old key"), sealed(&old, old.primary(), "a note")]
    {
        assert_eq!(send(url, "bobby", envelope).await.status(), 201);
    }
    let codes = async || -> Vec<Value> {
        bob.json(&["inbox"]).await.into_iter().map(|line| line["error"]["code"].clone()).collect()
    };
    assert_eq!(codes().await, ["not_opened", "not_opened"]);
    fs::create_dir(bob.home().join("old-keys")).unwrap();
    key_file::create(&bob.home().join("old-keys/1.key"), &old).unwrap();
    let shown = bob.must(&["inbox"]).await;
    let lines: Vec<_> = shown.lines().collect();
    assert!(lines[0].ends_with("mallory@kez.test: to the old key"), "{shown}");
    let short = format!("ed25519:{}…", &old.primary().hex()[..16]);
    assert!(lines[1].ends_with(&format!("you (by an old key) to {short}: a note")), "{shown}");
}

#[tokio::test]
async fn who_wrote_is_shown_by_their_key_unless_the_name_is_sure() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let bob = User::registered("bobby", url).await;
    let (carol, nobody) = (User::registered("carol", url).await, Identity::generate().unwrap());
    carol.must(&["send", "bobby", "from carol"]).await;
    assert_eq!(send(url, "bobby", sealed(&nobody, bob.primary(), "from nobody")).await.status(), 201);
    let lines = bob.json(&["inbox"]).await;
    assert_eq!([&lines[0]["from"], &lines[1]["from"]], [&json!("carol@kez.test"), &Value::Null]);
    assert_eq!(
        [&lines[0]["from_key"], &lines[1]["from_key"]],
        [&json!(carol.primary()), &json!(nobody.primary())]
    );
    let short = format!("] ed25519:{}…: from nobody", &nobody.primary().hex()[..16]);
    assert!(bob.must(&["inbox"]).await.lines().any(|line| line.ends_with(&short)));

    // A server that gives a known name to another key isn't believed.
    let pins = json!({"carol@kez.test": nobody.primary()});
    fs::write(bob.home().join("pins.json"), pins.to_string()).unwrap();
    assert_eq!(bob.json(&["inbox"]).await[0]["from"], Value::Null);
    let mut listening = Listening::start(&bob, &[&flag(&deployment.nats.url())]).await;
    let short = format!("] ed25519:{}…: from carol", &carol.primary().hex()[..16]);
    let line = listening.line().await;
    assert!(line.ends_with(&short), "{line}");
    listening.interrupt().await;
}
