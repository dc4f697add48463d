use std::net::TcpListener;

use super::{arguments, refused};

#[tokio::test]
async fn a_port_in_use_is_named_with_its_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--bind", "--nats-bind", "--nats-ws-bind", "--admin-bind"] {
        let dir = tempfile::tempdir().unwrap();
        let outcome = refused(&arguments(dir.path(), &[(flag, &address)])).await;
        outcome.in_one_line(10, &[&address, flag]);
    }
}

#[tokio::test]
async fn an_address_of_another_machine_is_named_with_its_flag() {
    for flag in ["--bind", "--nats-bind"] {
        let dir = tempfile::tempdir().unwrap();
        // Reserved for documents: nobody has it.
        let outcome = refused(&arguments(dir.path(), &[(flag, "192.0.2.1:6969")])).await;
        outcome.in_one_line(2, &["192.0.2.1:6969", flag]);
    }
}
