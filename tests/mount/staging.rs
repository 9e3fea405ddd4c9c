//! Sentence 3.13: what waits on this host stays within its budget, and no object is ever short of it.

use crate::support::actor::Actor;
use crate::support::mount::{Kind, Setup, TestMount, content, eventually};

on_both_stores! {
    s3_13_1_write_over_the_budget_is_enospc_and_publishes_nothing,
    s3_13_2_what_is_published_makes_room,
    s3_13_3_size_over_the_budget_is_refused_before_any_data,
}

const CONFIG: &str = "[write]\nfree_floor = \"1MiB\"\nstaging_budget = \"1MiB\"\n";
const BUDGET: u64 = 1 << 20;

fn used(mount: &TestMount) -> u64 {
    mount.status()["staging"]["used"].as_u64().unwrap()
}

/// Makes a file that does not fit: the write says so, and so does close.
#[track_caller]
fn write_fails(user: &mut Actor, path: &str, size: u64) {
    user.run(&format!("large = os.open(p('{path}'), WRITE_NEW)"));
    assert_eq!(user.fails(&format!("write_all(large, content(2, {size}))")), "ENOSPC");
    assert_eq!(user.fails("os.close(large)"), "EIO");
}

fn s3_13_1_write_over_the_budget_is_enospc_and_publishes_nothing(kind: Kind) {
    let mut mount = Setup::new(kind).config(CONFIG).start();
    assert_eq!(mount.status()["staging"]["budget"], BUDGET);
    let (mut a, mut b) = (mount.actor(), mount.actor());
    a.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW); write_all(fd, content(1, 600_000))");
    // both together have to fit
    write_fails(&mut b, "documents/b.pdf", 600_000);
    assert!(used(&mount) <= BUDGET, "{}", used(&mount));
    assert!(!mount.exists("documents/b.pdf"), "a short file is shown");
    // what is there can be written over, and the rest of the room be used, to the last byte
    a.run("os.pwrite(fd, content(3, 600_000), 0)");
    let left = BUDGET - used(&mount);
    a.run(&format!("write_all(fd, content(4, {left}))"));
    assert_eq!(a.fails("os.write(fd, b'x')"), "ENOSPC");
    assert_eq!(a.run("os.statvfs(p('documents')).f_bavail"), 0);
    mount.stop_with_code();
    assert!(mount.keys().is_empty(), "{:?}", mount.keys());
}

fn s3_13_2_what_is_published_makes_room(kind: Kind) {
    let mut mount = Setup::new(kind).config(CONFIG).start();
    let mut user = mount.actor();
    for n in 0..5 {
        user.run(&format!("write(p('documents/{n}.pdf'), content({n}, 900_000))"));
    }
    assert!(user.run("os.statvfs(p('documents')).f_bavail") != 0);
    // what was interrupted does not go by itself, but by a word
    write_fails(&mut user, "documents/large.pdf", 1_100_000);
    eventually("it is kept", || mount.drafts("interrupted") == 1);
    let out = mount.cli(&["drafts", "list", mount.path("").to_str().unwrap(), "--json"]);
    let kept: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let id = kept.get(0).and_then(|d| d.get("id")).and_then(|id| id.as_str()).unwrap();
    mount.cli(&["drafts", "discard", mount.path("").to_str().unwrap(), id]);
    user.run("write(p('documents/5.pdf'), content(5, 900_000))");
    mount.stop();
    for n in 0..6 {
        assert_eq!(mount.object(&format!("documents/{n}.pdf")), content(n, 900_000));
    }
    assert_eq!(mount.keys().len(), 6);
}

/// As Explorer does, which then says that the disk is full instead of copying half.
fn s3_13_3_size_over_the_budget_is_refused_before_any_data(kind: Kind) {
    let mut mount =
        Setup::new(kind).config(CONFIG).object("documents/old.pdf", content(1, 1_200_000)).start();
    let mut user = mount.actor();
    user.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW)");
    assert_eq!(user.fails("os.ftruncate(fd, 1_100_000)"), "ENOSPC");
    assert_eq!(user.fails("os.posix_fallocate(fd, 0, 1_100_000)"), "ENOSPC");
    user.run("os.ftruncate(fd, 1_000_000); os.ftruncate(fd, 0); write_all(fd, b'small'); os.close(fd)");
    // nor is there room for the content of an object that somebody would change
    assert_eq!(user.fails("write(p('documents/old.pdf'), b'more', os.O_WRONLY | os.O_APPEND)"), "ENOSPC");
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", b"small"), ("documents/old.pdf", &content(1, 1_200_000))]);
}
