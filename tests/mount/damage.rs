//! Sentence 7.2: what does not match its checksum is never handed out, and somebody is told.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::mount::{Kind, Setup, TestMount, content, eventually};
use crate::support::s3server::{Fault, When};

on_both_stores! {
    s7_2_20_damaged_cache_is_fetched_again_with_an_event,
}

/// Every file below `dir`.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Turns one bit in whatever cached file holds `bytes`; returns whether there was one.
fn damage_cached(mount: &TestMount, bytes: &[u8]) -> bool {
    let mut found = false;
    for path in files(&mount.cache()) {
        let mut data = fs::read(&path).unwrap();
        let at = data.windows(bytes.len()).position(|w| w == bytes);
        if let Some(byte) = at.and_then(|at| data.get_mut(at + bytes.len() / 2)) {
            *byte ^= 1;
            fs::write(&path, data).unwrap();
            found = true;
        }
    }
    found
}

fn s7_2_20_damaged_cache_is_fetched_again_with_an_event(kind: Kind) {
    let mut mount = Setup::new(kind).object("documents/a.pdf", content(1, 300_000)).start();
    assert_eq!(mount.read("documents/a.pdf"), content(1, 300_000));
    // what was written in a run that ended in order is trusted, after a kill it is looked at
    mount.stop();
    mount.start();
    mount.kill();
    assert!(damage_cached(&mount, &content(1, 300_000)[1000..2000]), "nothing is cached");
    mount.start();
    assert_eq!(mount.read("documents/a.pdf"), content(1, 300_000));
    eventually("it is told", || mount.has_event(&["damaged", "documents/a.pdf", "dropped from the cache"]));
    mount.stop();
}

/// Stores a file with its SHA-256, without the mount having seen its bytes.
fn put(mount: &TestMount) {
    let local = mount.host_file("a.pdf", &content(1, 5000));
    let out = mount.cli(&["put", local.to_str().unwrap(), "documents/a.pdf", "--store", &mount.url()]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn s7_2_21_damaged_transfer_is_fetched_again_with_an_event() {
    let mut mount = Setup::new(Kind::S3).start();
    put(&mount);
    mount.server().faults().inject(When::method("GET", "documents/a.pdf"), Fault::CorruptBody, 1);
    assert_eq!(mount.read("documents/a.pdf"), content(1, 5000));
    assert!(mount.has_event(&["damaged", "documents/a.pdf", "fetched again"]));
    mount.stop();
}

#[test]
fn s7_2_22_transfer_that_stays_damaged_is_eio_with_an_event() {
    let mut mount = Setup::new(Kind::S3).start();
    put(&mount);
    let faults = mount.server().faults();
    faults.inject(When::method("GET", "documents/a.pdf"), Fault::CorruptBody, usize::MAX);
    let mut user = mount.actor();
    assert_eq!(user.fails("read(p('documents/a.pdf'))"), "EIO");
    assert!(mount.has_event(&["damaged", "documents/a.pdf", "given up"]));
    mount.server().faults().clear();
    assert_eq!(mount.read("documents/a.pdf"), content(1, 5000));
    mount.stop();
}
