use kez_tests::{Deployment, Person, person::send, sse::Stream};
use serde_json::{Value, json};

#[tokio::test]
async fn mail_posted_to_one_gateway_reaches_a_stream_of_the_other() {
    let deployment = Deployment::start(2).await;
    let alice = Person::registered("alice", deployment.url(1)).await;
    let (mut stream, _) = Stream::open(deployment.url(0), &alice, "").await;
    // Enough that both fan-outs have a part in it.
    for n in 0..50 {
        let envelope = json!({"n": n});
        let response = send(deployment.url(1), "alice", envelope.clone()).await;
        assert_eq!(response.status(), 201);
        let sent: Value = response.json().await.unwrap();
        let message = stream.message().await.json();
        assert_eq!((&message["seq"], &message["envelope"]), (&sent["seq"], &envelope));
    }
}
