use kez_tests::disk::Disk;

use crate::startup::{arguments, refused};

#[tokio::test]
async fn a_full_disk_is_told() {
    let Some(disk) = Disk::new("size=1m") else { return };
    let db = disk.path().join("db");
    let outcome = refused(&arguments(&db, &[])).await;
    outcome.in_one_line(13, &[db.to_str().unwrap(), "free some space"]).and_nothing_else();
}

#[tokio::test]
async fn a_disk_without_a_byte_left_is_told() {
    let Some(disk) = Disk::new("size=1m,nr_inodes=4") else { return };
    disk.fill();
    let db = disk.path().join("db");
    let outcome = refused(&arguments(&db, &[])).await;
    outcome.in_one_line(13, &[db.to_str().unwrap(), "free some space"]).and_nothing_else();
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_told() {
    let Some(disk) = Disk::new("ro") else { return };
    let db = disk.path().join("db");
    let outcome = refused(&arguments(&db, &[])).await;
    outcome.in_one_line(13, &[db.to_str().unwrap(), "--db"]).and_nothing_else();
}

#[tokio::test]
async fn a_folder_below_a_file_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("file/db");
    std::fs::write(dir.path().join("file"), "").unwrap();
    let outcome = refused(&arguments(&db, &[])).await;
    outcome.in_one_line(13, &[db.to_str().unwrap(), "--db"]).and_nothing_else();
}
