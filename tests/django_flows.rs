//! A Django project beside a mount of its bucket: what either side writes the other one reads, and neither overwrites.
//!
//! The flows themselves are in `tests/django/flows`. Needs what `tests/setup/django.sh` and `tests/setup/seaweed.sh`
//! install.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop with what it saw")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::mount::{BUCKET, Kind, Setup};

/// What others do is seen soon, and deletes are not waited for long.
const CONFIG: &str = r#"
[read]
list_ttl = "1s"
miss_ttl = "1s"
[write]
delete_after = "1s"
free_floor = "1MiB"
"#;

#[test]
fn flows_of_the_apps_on_the_own_server_meet_in_the_bucket() {
    run_flows(Kind::S3);
}

#[test]
fn flows_of_the_apps_on_seaweedfs_meet_in_the_bucket() {
    run_flows(Kind::Seaweed);
}

fn run_flows(kind: Kind) {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = std::env::var_os("CAIRNFS_TEST_ENV").map_or_else(|| project.join(".test-env"), PathBuf::from);
    let python = home.join("django52/bin/python");
    assert!(python.exists(), "{} is missing: run tests/setup/django.sh", python.display());
    let mut mount = Setup::new(kind).config(CONFIG).start();
    let out = Command::new(python)
        .arg("-B")
        .arg(project.join("tests/django/flows/run.py"))
        .env_clear()
        .envs(["PATH", "LANG"].iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .envs(mount.store_environment())
        .env("S3_BUCKET_NAME", BUCKET)
        .env("S3_REGION_NAME", "us-east-1")
        .env("S3_USE_SSL", "False")
        .env("S3_VERIFY_SSL", "False")
        .env("S3_DEFAULT_ACL", "private")
        .env("CAIRNFS", env!("CARGO_BIN_EXE_cairnfs"))
        .env("CAIRNFS_MOUNT", mount.path(""))
        .env("HOME", mount.host(""))
        .output()
        .unwrap();
    let said = [out.stdout, out.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(out.status.success(), "{}\n{said}", out.status);
    mount.stop();
}
