//! The table: which subject may be used in which way. All that isn't allowed is refused by nats-server itself, and the connection goes on.

use kez_proto::{limits::PARTITIONS, subjects};
use kez_tests::{Deployment, raw_nats::Word};
use serde_json::{Value, json};

use super::{
    Client, User, WAYS,
    bystander::Bystander,
    message,
    state::{State, shared},
};

/// A way to use a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Subscribe,
    Queue,
    Publish,
    Request,
    Headers,
}

use Use::{Headers, Publish, Queue, Request, Subscribe};

const SUBSCRIBE: &[Use] = &[Subscribe, Queue];
const PUBLISH: &[Use] = &[Publish, Request, Headers];
const ANY: &[Use] = &[Subscribe, Queue, Publish, Request, Headers];

impl Use {
    fn says(self, subject: &str, reply: &str) -> Vec<u8> {
        match self {
            Subscribe => format!("SUB {subject} tried\r\n").into(),
            Queue => format!("SUB {subject} group tried\r\n").into(),
            Publish => message(subject, "", "", b"{}"),
            Request => message(subject, reply, "", b"{}"),
            Headers => message(subject, reply, "Nats-Msg-Id: tried\r\n", b"{}"),
        }
    }

    /// What nats-server says to whoever may not.
    fn refusal(self, subject: &str) -> Word {
        Word::Err(match self {
            Subscribe => format!("Permissions Violation for Subscription to \"{subject}\""),
            Queue => format!("Permissions Violation for Subscription to \"{subject}\" using queue \"group\""),
            Publish | Request | Headers => format!("Permissions Violation for Publish to \"{subject}\""),
        })
    }
}

/// A row of the table: these uses of this subject are refused.
struct Row {
    subject: String,
    uses: &'static [Use],
}

/// All rows for `own`, with `other` as somebody else.
fn rows(own: &User, other: &User) -> Vec<Row> {
    let mut rows = vec![];
    let mut refused = |uses, subjects: Vec<String>| {
        rows.extend(subjects.into_iter().map(|subject| Row { subject, uses }));
    };
    let (a, b) = (&own.person.handle, &other.person.handle);

    // One's own, the wrong way round: answers and mail are the services' to publish, requests are theirs to take.
    refused(
        SUBSCRIBE,
        vec![
            subjects::client_send(a),
            subjects::client_history(a),
            subjects::client_ack(a),
            subjects::client_lookup(a),
        ],
    );
    refused(PUBLISH, vec![own.inbox(), own.reply("x"), own.reply("x.y")]);

    // Somebody else's.
    refused(
        ANY,
        vec![
            other.inbox(),
            subjects::client_send(b),
            subjects::client_history(b),
            subjects::client_ack(b),
            subjects::client_lookup(b),
            other.reply("x"),
            other.reply("*"),
            other.reply(">"),
        ],
    );
    // Everybody's, by wildcards; one's own with more or less.
    refused(ANY, with(a.as_str(), WIDE));
    refused(ANY, with(b.as_str(), WIDE));
    let prefix = own.reply(">").trim_end_matches(".>").to_owned();
    refused(ANY, vec![prefix.clone(), prefix.to_uppercase() + ".>", own.reply("x").to_uppercase()]);
    refused(ANY, vec![own.inbox().to_uppercase(), own.inbox().replace("inbox", "INBOX")]);

    // The services' own side.
    let services = subjects::TABLE.iter().map(|row| row.subject);
    let services = services.filter(|s| !s.contains('<'));
    refused(ANY, services.map(String::from).collect());
    refused(ANY, vec![subjects::store(a, PARTITIONS), subjects::store(b, PARTITIONS)]);
    refused(ANY, SERVICES.iter().map(ToString::to_string).collect());
    // nats-server's own.
    refused(ANY, JETSTREAM.iter().chain(SYSTEM).chain(REPLIES).map(ToString::to_string).collect());
    rows
}

fn with(handle: &str, patterns: &[&str]) -> Vec<String> {
    patterns.iter().map(|pattern| pattern.replace("<h>", handle)).collect()
}

const WIDE: &[&str] = &[
    ">",
    "*",
    "*.>",
    "*.*",
    "*.*.*",
    "*.*.*.*",
    "*.*.*.<h>",
    "*.*.inbox.<h>",
    "*.chat.inbox.<h>",
    "kez",
    "kez.>",
    "kez.*",
    "kez.*.>",
    "kez.*.*.<h>",
    "kez.*.inbox.<h>",
    "kez.chat",
    "kez.chat.>",
    "kez.chat.*",
    "kez.chat.*.*",
    "kez.chat.*.<h>",
    "kez.chat.*.>",
    "kez.chat.inbox",
    "kez.chat.inbox.*",
    "kez.chat.inbox.>",
    "kez.chat.inbox.<h>.x",
    "kez.chat.inbox.<h>.*",
    "kez.chat.inbox.<h>.>",
    "kez.chat.send.*",
    "kez.chat.send.>",
    "kez.chat.send.<h>.>",
    "kez.chat.history.*",
    "kez.chat.history.>",
    "kez.chat.ack.*",
    "kez.chat.ack.>",
    "kez.chat.lookup",
    "kez.chat.lookup.*",
    "kez.chat.lookup.>",
    "kez.inbox",
    "kez.inbox.*",
    "kez.inbox.>",
    "kez.inbox.*.*",
    "kez.inbox.*.>",
    "kez.inbox.<h>.>",
];

const SERVICES: &[&str] = &[
    "kez.store.>",
    "kez.store.*.*.*",
    "kez.store.inbox.>",
    "kez.registry.>",
    "kez.registry.*",
    "kez.fanout.>",
    "kez.auth.>",
    "kez.sigchain.>",
    "kez.sigchain.append",
    "kez.*.register",
    "callout.pulse",
    "callout.>",
    "$SRV.>",
    "$SRV.PING",
    "$SRV.INFO.kez-fanout",
    "$SRV.*.kez-registry",
];

const JETSTREAM: &[&str] = &[
    "$JS.>",
    "$JS.API.>",
    "$JS.API.INFO",
    "$JS.API.STREAM.NAMES",
    "$JS.API.STREAM.LIST",
    "$JS.API.STREAM.CREATE.MINE",
    "$JS.API.STREAM.INFO.KEZ_REGISTRY",
    "$JS.API.STREAM.UPDATE.KEZ_INBOX_0",
    "$JS.API.STREAM.PURGE.KEZ_INBOX_0",
    "$JS.API.STREAM.DELETE.KEZ_REGISTRY",
    "$JS.API.STREAM.MSG.GET.KEZ_INBOX_0",
    "$JS.API.STREAM.MSG.DELETE.KEZ_INBOX_0",
    "$JS.API.STREAM.SNAPSHOT.KEZ_REGISTRY",
    "$JS.API.STREAM.RESTORE.KEZ_REGISTRY",
    "$JS.API.DIRECT.GET.KEZ_INBOX_0",
    "$JS.API.DIRECT.GET.KEZ_REGISTRY.kez.registry.log",
    "$JS.API.CONSUMER.CREATE.KEZ_INBOX_0.mine",
    "$JS.API.CONSUMER.CREATE.KEZ_INBOX_0.mine.kez.store.inbox.>",
    "$JS.API.CONSUMER.DURABLE.CREATE.KEZ_INBOX_0.mine",
    "$JS.API.CONSUMER.MSG.NEXT.KEZ_INBOX_0.mine",
    "$JS.KEZ.API.>",
    "$JS.ACK.>",
    "$JS.ACK.KEZ_INBOX_0.mine.1.1.1.1.0",
    "$JS.FC.>",
    "$JS.M.>",
    "$JS.EVENT.>",
    "$JSC.>",
    "$KV.>",
    "$KV.bucket.key",
    "$O.>",
    "$MQTT.>",
];

const SYSTEM: &[&str] = &[
    "$SYS",
    "$SYS.>",
    "$SYS.REQ.>",
    subjects::AUTH_REQUEST,
    "$SYS.REQ.USER.INFO",
    "$SYS.REQ.SERVER.PING",
    "$SYS.REQ.SERVER.PING.CONNZ",
    "$SYS.REQ.SERVER.*.KICK",
    "$SYS.REQ.ACCOUNT.PING.CONNZ",
    "$SYS.REQ.ACCOUNT.CHAT.CONNZ",
    "$SYS.REQ.ACCOUNT.KEZ.SUBSZ",
    "$SYS.REQ.CLAIMS.UPDATE",
    "$SYS.DEBUG.SUBSCRIBERS",
    "$SYS.ACCOUNT.>",
    subjects::CHAT_CONNECTED,
    subjects::CHAT_DISCONNECTED,
    "$SYS.SERVER.>",
    "$SYS._INBOX.>",
    "$LDS.>",
    "$NRG.>",
    "$G.>",
    "$GR.>",
];

const REPLIES: &[&str] = &[
    "_INBOX.>",
    "_INBOX.x",
    "_INBOX_fanout.>",
    "_INBOX_fanout.x",
    "_INBOX_gateway.*",
    "_INBOX_auth-callout.>",
    "_INBOX_*.>",
    "_R_.>",
    "_R_.x",
    "_R_.*.*",
    "_GR_.>",
    "_GR_.x.y.z",
];

#[tokio::test]
async fn whatever_isnt_allowed_is_refused_and_disturbs_nobody() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let (alice, bob) = (User::registered("alice", url).await, User::registered("bobby", url).await);
    let mut bystander = Bystander::of(&deployment, &bob).await;
    bystander.is_undisturbed("before").await;
    let before = State::of(&deployment).await;

    for way in WAYS {
        let mut client = Client::connect(&deployment, &alice, way).await;
        for Row { subject, uses } in rows(&alice, &bob) {
            for usage in uses {
                let reply = client.next_reply();
                let answer = client.tries(usage.says(&subject, &reply)).await;
                assert_eq!(answer, [usage.refusal(&subject)], "{usage:?} of {subject}, {way:?}");
            }
            // The connection isn't broken, and nothing of what was tried is answered later.
            client.can_look_up(&bob).await;
        }
    }
    bystander.is_undisturbed("after").await;
    State::of(&deployment).await.only_grew_by(&before, 3);
}

/// The second lock: even a user with too many rights would reach nothing of the services but this.
#[tokio::test]
async fn the_accounts_share_the_client_subjects_and_nothing_else() {
    let deployment = Deployment::start(0).await;
    let streams = |subjects: &[&str], account: Value| {
        let mut all: Vec<_> =
            subjects.iter().map(|s| (s.to_string(), "stream".to_owned(), account.clone())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    };
    // Who changes these lists must say so here.
    let to_users = ["kez.chat.inbox.*", "kez.inbox.*.>"];
    let from_users = ["kez.chat.ack.*", "kez.chat.history.*", "kez.chat.lookup.*", "kez.chat.send.*"];
    for (account, direction, expected) in [
        ("KEZ", "exports", streams(&to_users, json!(["CHAT"]))),
        ("CHAT", "imports", streams(&to_users, json!("KEZ"))),
        ("CHAT", "exports", streams(&from_users, json!(["KEZ"]))),
        ("KEZ", "imports", streams(&from_users, json!("CHAT"))),
        ("AUTH", "exports", vec![]),
        ("AUTH", "imports", vec![]),
        ("SYS", "imports", vec![]),
    ] {
        assert_eq!(shared(&deployment, account, direction).await, expected, "{direction} of {account}");
    }
}

/// The other half of the table, on every kind of connection.
#[tokio::test]
async fn whatever_is_allowed_works() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let (alice, bob) = (User::registered("alice", url).await, User::registered("bobby", url).await);
    let (a, b) = (&alice.person.handle, &bob.person.handle);
    let mut bystander = Bystander::of(&deployment, &bob).await;
    for (n, way) in WAYS.into_iter().enumerate() {
        let mut client = Client::connect(&deployment, &alice, way).await;
        client.can_look_up(&bob).await;
        let envelope = json!({"from alice": n});
        let sent =
            client.asks(&subjects::client_send(a), &json!({"to": b, "envelope": envelope})).await.json();
        assert!(sent["seq"].as_u64().unwrap() > 0, "{sent}");
        bystander.reads(&envelope).await;

        // To herself: the push comes to her own subscription, beside the answer.
        let to_herself = json!({"to": a, "envelope": {"n": n}});
        let reply = client.next_reply();
        let request = message(&subjects::client_send(a), &reply, "", to_herself.to_string().as_bytes());
        client.raw.say(request).await;
        let mut both = [client.raw.msg().await, client.raw.msg().await];
        both.sort_by(|x, y| x.sid.cmp(&y.sid));
        let [push, answer] = both;
        assert_eq!((push.subject, push.sid.as_str()), (alice.inbox(), "mail"));
        let seq = answer.json()["seq"].as_u64().unwrap();
        assert_eq!(push.headers.matches(&format!("Nats-Sequence: {seq}\r\n")).count(), 1, "{}", push.headers);

        let page = client.asks(&subjects::client_history(a), &json!({"head": true})).await.json();
        assert_eq!(
            page["messages"],
            json!([{"seq": seq, "created_at": page["messages"][0]["created_at"], "envelope": {"n": n}}])
        );
        assert_eq!(page["head"], seq);
        let purged = client.asks(&subjects::client_ack(a), &json!({"through": seq})).await.json();
        assert_eq!(purged, json!({"purged": 1}));

        // Queues and narrower subscriptions of what is one's own.
        let (mail, replies) = (alice.inbox(), alice.reply("x.*"));
        let own =
            format!("SUB {mail} group q1\r\nSUB {replies} q2\r\nSUB {replies} group q3\r\nUNSUB q1\r\n");
        assert_eq!(client.tries(own).await, []);
    }
    bystander.is_undisturbed("after").await;
}
