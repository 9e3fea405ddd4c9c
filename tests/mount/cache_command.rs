//! `cairnfs cache`: what a mount keeps of the bucket on this host.

use std::fs::File;
use std::process::Output;

use crate::support::mount::{Kind, Setup, TestMount, content, eventually};

use super::passthrough::cache_stat;

on_both_stores! {
    cache_20_warm_brings_a_file_or_a_tree_and_says_what_was_fetched,
}

/// Runs `cairnfs cache …` on paths of the mount.
fn cache(mount: &TestMount, what: &str, paths: &[&str]) -> Output {
    let paths: Vec<String> = paths.iter().map(|p| mount.path(p).to_str().unwrap().to_owned()).collect();
    let args: Vec<&str> = ["cache", what].into_iter().chain(paths.iter().map(String::as_str)).collect();
    mount.cli(&args)
}

#[track_caller]
fn said(out: &Output) -> String {
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout.clone()).unwrap()
}

fn cache_20_warm_brings_a_file_or_a_tree_and_says_what_was_fetched(kind: Kind) {
    let big = content(1, 9_000_000);
    let mut mount = Setup::new(kind)
        .object("documents/big.pdf", &big)
        .object("documents/empty.pdf", "")
        .object("rfp_exports/1/a.pdf", content(2, 1024))
        .object("rfp_exports/2/b.pdf", content(3, 1024))
        .start();
    let at = |path: &str| mount.path(path).display().to_string();
    let out = said(&cache(&mount, "warm", &["documents/big.pdf"]));
    assert_eq!(
        out,
        format!("{}: 1 file, 8.58 MiB, of which 8.58 MiB were fetched\n", at("documents/big.pdf"))
    );
    let fetched = cache_stat(&mount, "fetched_bytes");
    assert!(mount.read("documents/big.pdf") == big);
    assert_eq!(cache_stat(&mount, "fetched_bytes"), fetched);
    let out = said(&cache(&mount, "warm", &["documents", "rfp_exports"]));
    let trees = format!(
        "{}: 2 files, 8.58 MiB, of which 0 B were fetched\n{}: 2 files, 2.00 KiB, of which 2.00 KiB were fetched\n",
        at("documents"),
        at("rfp_exports")
    );
    assert_eq!(out, trees);
    let out = said(&cache(&mount, "warm", &[""]));
    assert_eq!(out, format!("{}: 4 files, 8.59 MiB, of which 0 B were fetched\n", at("")));
    mount.stop();
    mount.start();
    assert!(mount.read("rfp_exports/1/a.pdf") == content(2, 1024));
    assert_eq!(cache_stat(&mount, "requests"), 0);
    mount.stop();
}

#[test]
fn cache_21_warm_says_what_it_cannot_bring() {
    let config = "[write]\nfree_floor = \"1MiB\"\n[cache]\ndisk = \"2MiB\"\n";
    let mut mount = Setup::new(Kind::S3)
        .config(config)
        .object("documents/big.pdf", content(1, 1_500_000))
        .object("documents/small.pdf", content(2, 1000))
        .start();
    let out = cache(&mount, "warm", &["documents"]);
    assert_eq!(out.status.code(), Some(1));
    let stdout = String::from_utf8_lossy(&out.stdout);
    assert!(stdout.ends_with(": 1 file, 1000 B, of which 1000 B were fetched\n"), "{stdout}");
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(stderr.contains("documents/big.pdf: cannot keep"), "{stderr}");
    for missing in ["documents/none.pdf", "../elsewhere"] {
        assert_eq!(cache(&mount, "warm", &[missing]).status.code(), Some(1), "{missing}");
    }
    let outside = mount.cli(&["cache", "warm", mount.host("").to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&outside.stderr).contains("no cairnfs is mounted there"));
    mount.stop();
}

#[test]
fn cache_22_clear_deletes_what_is_not_open_and_says_how_much() {
    let mut mount = Setup::new(Kind::S3)
        .object("documents/a.pdf", content(1, 200_000))
        .object("documents/b.pdf", content(2, 200_000))
        .start();
    said(&cache(&mount, "warm", &["documents"]));
    let open = File::open(mount.path("documents/a.pdf")).unwrap();
    let out = said(&cache(&mount, "clear", &[""]));
    assert!(out.starts_with("1 files deleted, ") && out.trim_end().ends_with("stay: they are open"), "{out}");
    assert_eq!(cache_stat(&mount, "files"), 1);
    drop(open);
    eventually("nobody has it open", || cache_stat(&mount, "disk_open") == 0);
    said(&cache(&mount, "clear", &[""]));
    assert_eq!((cache_stat(&mount, "files"), cache_stat(&mount, "disk_used")), (0, 0));
    assert!(mount.read("documents/b.pdf") == content(2, 200_000));
    mount.stop();
}

#[test]
fn cache_23_stat_is_told_for_people_too() {
    let mut mount = Setup::new(Kind::S3).object("documents/a.pdf", content(1, 200_000)).start();
    said(&cache(&mount, "warm", &["documents/a.pdf"]));
    let out = said(&cache(&mount, "stat", &[""]));
    for line in ["memory: ", "disk: ", "fetched: 195.31 KiB in 1 requests, 0 failed", "evicted: 0 files"] {
        assert!(out.lines().any(|l| l.starts_with(line)), "{line} in {out}");
    }
    mount.stop();
}
