//! Real programs on a real mount: every driver of `tests/clients`, on every kind of store.
//!
//! A driver compares names and bytes through the mount. What the bucket must hold in the end, and nothing else, is
//! looked up past it. A program that is not installed fails its test; `tests/setup/packages.sh` installs them all but those
//! with windows, which `tests/setup/desktop.sh` installs and `tests/clients/full` runs as well.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop with what it saw")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::mount::{BUCKET, Kind, Setup, TestMount, sha};

/// What is cairnfs's own in a bucket.
const SERVICE: &str = ".cairnfs/";

/// Makes a test of each driver, once for each kind of store.
macro_rules! drivers {
    ($($(#[$attribute:meta])* $test:ident $driver:literal),+ $(,)?) => {
        const DRIVERS: &[&str] = &[$($driver),+];

        mod dir {
            $($(#[$attribute])* #[test] fn $test() { super::drive(crate::support::mount::Kind::Dir, $driver); })+
        }
        mod own_server {
            $($(#[$attribute])* #[test] fn $test() { super::drive(crate::support::mount::Kind::S3, $driver); })+
        }
        mod seaweedfs {
            $($(#[$attribute])* #[test] fn $test() { super::drive(crate::support::mount::Kind::Seaweed, $driver); })+
        }
    };
}

drivers! {
    #[ignore = "large to install: tests/clients/full"]
    chromium "chromium",
    compress "compress",
    cp "cp",
    curl "curl",
    databases "databases",
    dd "dd",
    documents "documents",
    emacs "emacs",
    gio "gio",
    inplace "inplace",
    install "install",
    interrupted "interrupted",
    #[ignore = "large to install: tests/clients/full"]
    kio "kio",
    #[ignore = "large to install: tests/clients/full"]
    libreoffice "libreoffice",
    ln "ln",
    mv "mv",
    nano "nano",
    patient_samba "patient-samba",
    patterns "patterns",
    python "python",
    rclone "rclone",
    read "read",
    rm "rm",
    rsync "rsync",
    samba "samba",
    seven_zip "7z",
    shell "shell",
    ssh "ssh",
    tar "tar",
    tee "tee",
    #[ignore = "large to install: tests/clients/full"]
    thunar "thunar",
    touch "touch",
    vim "vim",
    wget "wget",
    zip "zip",
}

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn every_driver_has_its_tests() {
    let list = fs::read_dir(project("tests/clients/drivers")).unwrap();
    let mut files: Vec<String> = list.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    let mut known: Vec<String> = DRIVERS.iter().map(|d| format!("{d}.sh")).collect();
    known.sort();
    assert_eq!(files, known);
}

#[test]
fn every_client_of_the_table_has_a_driver() {
    let drivers: String = DRIVERS
        .iter()
        .map(|driver| fs::read_to_string(project(&format!("tests/clients/drivers/{driver}.sh"))).unwrap())
        .collect();
    let table = fs::read_to_string(project("docs/clients.md")).unwrap();
    for line in fs::read_to_string(project("tests/clients/expected.tsv")).unwrap().lines() {
        let (client, _) = line.split_once('\t').unwrap();
        assert!(drivers.contains(&format!("client \"{client}\" ")), "no driver is of {client}");
        assert!(table.contains(&format!("| {client} |")), "docs/clients.md is old: run tests/clients/full");
    }
}

/// Returns the settings for a driver: the default ones, but for the file types and what a test needs.
fn settings(driver: &str) -> String {
    let domain = fs::read_to_string(project("tests/clients/domain.toml")).unwrap();
    let patience = if driver == "patient-samba" { "publish_after = \"2s\"\n" } else { "" };
    format!("{domain}\n[write]\nfree_floor = \"1MiB\"\n{patience}")
}

/// Returns where a driver leaves its results: where `tests/clients/full` collects them, or beside the mount.
fn results(mount: &TestMount, kind: Kind, driver: &str) -> PathBuf {
    let Some(collected) = std::env::var_os("CAIRNFS_CLIENT_RESULTS") else { return mount.host("results") };
    let store = match kind {
        Kind::Dir => "dir",
        Kind::S3 => "own_server",
        Kind::Seaweed => "seaweedfs",
    };
    Path::new(&collected).join(store).join(driver)
}

/// Runs a driver and holds results and bucket against what it expects.
fn drive(kind: Kind, driver: &str) {
    let mut mount = Setup::new(kind).config(&settings(driver)).start();
    let results = results(&mount, kind, driver);
    let out = Command::new(project("tests/clients/run-all.sh"))
        .arg(mount.path("clients"))
        .arg(&results)
        .arg(driver)
        .env_clear()
        .envs(["PATH", "LANG"].iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .output()
        .unwrap();
    let said = [out.stdout, out.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    let outcomes = fs::read_to_string(results.join("results.tsv")).unwrap();
    let not_done: Vec<&str> =
        outcomes.lines().filter(|line| !line.starts_with("pass\t") && !line.starts_with("known\t")).collect();
    assert!(not_done.is_empty(), "{}", not_done.join("\n"));
    assert!(out.status.success() && outcomes.contains("pass\t"), "{}\n{said}", out.status);
    // deletes that wait are carried out, empty files published
    mount.stop();
    let expected: BTreeMap<String, String> = fs::read_to_string(results.join("objects.tsv"))
        .unwrap()
        .lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(digest, path)| (format!("clients/{path}"), digest.to_owned()))
        .collect();
    let (own, found): (BTreeMap<_, _>, BTreeMap<_, _>) =
        bucket(&mount, kind, driver).into_iter().partition(|(key, _)| key.starts_with(SERVICE));
    let missing: Vec<_> = expected.iter().filter(|(key, digest)| found.get(*key) != Some(digest)).collect();
    let unexpected: Vec<_> = found.keys().filter(|key| !expected.contains_key(*key)).collect();
    assert!(
        missing.is_empty() && unexpected.is_empty(),
        "missing: {missing:#?}\nunexpected: {unexpected:#?}"
    );
    // the trash tells what was in the bucket for a moment: lock files, swap files and the like never are
    let is_junk = |key: &&String| {
        key.rsplit('/').next().is_some_and(|n| n.starts_with(['.', '~', '#']) || n.ends_with('~'))
    };
    let junk: Vec<_> = own.keys().filter(is_junk).collect();
    assert!(junk.is_empty(), "{junk:#?}");
}

/// Returns key and SHA-256 of everything in the bucket that this driver's test can have put there.
fn bucket(mount: &TestMount, kind: Kind, driver: &str) -> BTreeMap<String, String> {
    if kind != Kind::Seaweed {
        let trash = mount.trash().into_iter().map(|(key, data)| (format!("{SERVICE}trash/{key}"), data));
        return mount.objects().into_iter().chain(trash).map(|(key, data)| (key, sha(&data))).collect();
    }
    let home = std::env::var_os("CAIRNFS_TEST_ENV").map_or_else(|| project(".test-env"), PathBuf::from);
    let python = home.join("django52/bin/python");
    assert!(python.exists(), "{} is missing: run tests/setup/django.sh", python.display());
    let out = Command::new(python)
        .arg("-B")
        .arg(project("tests/clients/bucket.py"))
        .arg(BUCKET)
        // the tests of this program share this server, and each mount probes it at its start
        .arg(format!("{SERVICE}probe"))
        .args(DRIVERS.iter().filter(|d| **d != driver).map(|d| format!("clients/{d}-")))
        .envs(mount.store_environment())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    let all = text.lines().map(|line| line.split_once('\t').unwrap());
    all.map(|(digest, key)| (key.to_owned(), digest.to_owned())).collect()
}
