//! The registry's index may be lost: the log tells it all again. It is one instance's at a time.

use std::{fs, path::Path};

use kez_proto::registry::Record;
use kez_tests::{Deployment, Person, http};

#[tokio::test]
async fn an_index_that_was_deleted_is_built_again() {
    let (mut deployment, records) = registered().await;
    assert_eq!(deployment.registries[0].terminate().await.code(), Some(0));
    fs::remove_dir_all(deployment.index(0)).unwrap();
    come_back(&mut deployment).await;
    assert_known(&deployment, &records).await;
}

#[tokio::test]
async fn an_index_of_garbage_is_set_aside_and_built_again() {
    let (mut deployment, records) = registered().await;
    deployment.registries[0].kill();
    let index = deployment.index(0);
    let names: Vec<_> = fs::read_dir(&index).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(names.iter().any(|name| name.is_file()), "{names:?}");
    for name in names.iter().filter(|name| name.is_file()) {
        fs::write(name, [0xa5; 4096]).unwrap();
    }
    come_back(&mut deployment).await;
    assert_known(&deployment, &records).await;
    assert_eq!(set_aside(&index), 1, "what was there isn't thrown away");
    // What was built is good for the next start.
    deployment.registries[0].kill();
    come_back(&mut deployment).await;
    assert_known(&deployment, &records).await;
    assert_eq!(set_aside(&index), 1);
}

#[tokio::test]
async fn an_index_has_one_owner() {
    let (deployment, records) = registered().await;
    let mut second = deployment.registry(0);
    assert_eq!(second.ended().await.code(), Some(11));
    let log = second.log();
    let errors: Vec<_> = log.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{log}");
    assert!(
        errors[0].contains(deployment.index(0).to_str().unwrap()) && errors[0].contains("--index"),
        "{log}"
    );
    assert!(!log.contains("panicked"), "{log}");
    assert_known(&deployment, &records).await;
}

async fn registered() -> (Deployment, Vec<Record>) {
    let deployment = Deployment::start(1).await;
    let mut records = vec![];
    for n in 0..20 {
        records.push(Person::new(&format!("person-{n}")).record(deployment.url(0)).await);
    }
    (deployment, records)
}

async fn come_back(deployment: &mut Deployment) {
    deployment.registries[0] = deployment.registry(0);
    deployment.registries[0].ready().await;
}

async fn assert_known(deployment: &Deployment, records: &[Record]) {
    let url = deployment.url(0);
    for record in records {
        for path in [format!("/v1/u/{}", record.handle), format!("/v1/by-primary/{}", record.primary)] {
            let answer = http::get(format!("{url}{path}")).await;
            assert_eq!(answer.status(), 200, "{path}");
            assert_eq!(answer.json::<Record>().await.unwrap(), *record);
        }
    }
}

/// Folders beside the index that were one.
fn set_aside(index: &Path) -> usize {
    let prefix = format!("{}.broken-", index.file_name().unwrap().to_str().unwrap());
    let names = fs::read_dir(index.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_str().unwrap().starts_with(&prefix)).count()
}
