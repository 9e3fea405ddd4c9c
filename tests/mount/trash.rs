//! Sentence 5.3, the trash beside a mount: what is deleted can be put back, and goes by itself only where that is set.

use std::fs;
use std::process::Output;

use crate::support::mount::{Kind, Setup, TestMount, content, eventually, is_alternative};

on_both_stores! {
    s5_3_20_deleted_file_is_listed_and_put_back_beside_a_mount,
    s5_3_21_old_copies_go_by_themselves_where_trash_keep_is_set,
    s5_3_22_nothing_empties_the_trash_unasked,
}

fn trash(mount: &TestMount, args: &[&str]) -> Output {
    mount.cli(&[&["trash"], args, &["--store", &mount.url()]].concat())
}

#[track_caller]
fn said(out: &Output) -> &str {
    assert!(out.status.success() && out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    std::str::from_utf8(&out.stdout).unwrap()
}

fn s5_3_20_deleted_file_is_listed_and_put_back_beside_a_mount(kind: Kind) {
    let config = "[write]\nfree_floor = \"1MiB\"\ndelete_after = \"0s\"\n[read]\nlist_ttl = \"0s\"\nmiss_ttl = \"0s\"\n";
    let mut mount = Setup::new(kind).config(config).start();
    let mut user = mount.actor();
    user.run("write(p('documents/a.pdf'), content(1, 5000))");
    user.run("os.setxattr(p('documents/a.pdf'), 'user.cairn.title', b'A'); os.unlink(p('documents/a.pdf'))");
    eventually("it is in the trash", || mount.keys().is_empty() && mount.trash().len() == 1);
    let out = trash(&mount, &["list", "documents/"]);
    assert!(said(&out).ends_with("  documents/a.pdf\n") && said(&out).contains(" 5000  "), "{}", said(&out));
    assert_eq!(said(&trash(&mount, &["restore", "documents/a.pdf"])), "documents/a.pdf\n");
    assert_eq!(mount.read("documents/a.pdf"), content(1, 5000));
    let digest = user.run("os.getxattr(p('documents/a.pdf'), 'user.cairn.sha256').decode()");
    assert_eq!(digest, crate::support::mount::sha(&content(1, 5000)));
    assert!(mount.trash().is_empty());
    // once more, and somebody has taken the name
    user.run("os.unlink(p('documents/a.pdf'))");
    eventually("it is in the trash", || mount.keys().is_empty() && mount.trash().len() == 1);
    user.run("write(p('documents/a.pdf'), b'another')");
    let key = said(&trash(&mount, &["restore", "documents/a.pdf"])).trim_end().to_owned();
    assert!(is_alternative(&key, "documents/a.pdf"), "{key}");
    assert_eq!(mount.read(&key), content(1, 5000));
    mount.expect_objects(&[("documents/a.pdf", b"another"), (&key, &content(1, 5000))]);
    mount.stop();
}

/// Two copies that are old by their keys, one that is young, and two objects that are no copies.
fn with_trash(kind: Kind, young: &str) -> Setup {
    Setup::new(kind)
        .object(".cairnfs/trash/20200102T030405Z-aaaaaaa/documents/a.pdf", "old")
        .object(".cairnfs/trash/20200102T030406Z-bbbbbbb/documents/a.pdf", "old")
        .object(&format!(".cairnfs/trash/{young}-ccccccc/documents/a.pdf"), "young")
        .object(".cairnfs/trash/20200102T030405Z/documents/a.pdf", "no copy")
        .object(".cairnfs/trash20200102T030405Z-aaaaaaa/a.pdf", "no copy")
        .object("documents/a.pdf", "an object")
}

fn s5_3_21_old_copies_go_by_themselves_where_trash_keep_is_set(kind: Kind) {
    let young = cairnfs::types::Clock.now().compact();
    let config = "[write]\nfree_floor = \"1MiB\"\ntrash_keep = \"1d\"\n";
    let mut mount = with_trash(kind, &young).config(config).start();
    eventually("the old ones are gone", || mount.trash().len() == 2);
    mount.stop();
    let mut left: Vec<Vec<u8>> = mount.trash().into_iter().map(|(_, data)| data).collect();
    left.sort();
    assert_eq!(left, [b"no copy".to_vec(), b"young".to_vec()]);
    mount.expect_objects(&[("documents/a.pdf", b"an object")]);
}

fn s5_3_22_nothing_empties_the_trash_unasked(kind: Kind) {
    let mut mount = with_trash(kind, "20200102T030407Z").start();
    fs::write(mount.path("documents/b.pdf"), "b").unwrap();
    mount.stop();
    assert_eq!(mount.trash().len(), 4);
}

/// A mount that may not write leaves the trash alone as well.
#[test]
fn s5_3_23_read_only_mount_leaves_the_trash_alone() {
    let young = cairnfs::types::Clock.now().compact();
    let config = "[write]\nfree_floor = \"1MiB\"\ntrash_keep = \"1d\"\n[mount]\nread_only = true\n";
    let mut mount = with_trash(Kind::S3, &young).config(config).start();
    assert_eq!(mount.read("documents/a.pdf"), b"an object");
    mount.stop();
    assert_eq!(mount.trash().len(), 4);
    assert_eq!(mount.server().faults().count("DELETE", ".cairnfs/trash/"), 0);
}
