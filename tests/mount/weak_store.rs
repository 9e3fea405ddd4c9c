//! Semantics 4.4: stores that let the second of two racing creates win.

use std::sync::atomic::Ordering;

use crate::support::mount::{BUCKET, Kind, Setup, TestMount};
use crate::support::s3server::When;

/// A mount on a store that lets the second of two racing creates win.
fn on_weak_store(policy: &str) -> TestMount {
    let config = format!("[write]\nfree_floor = \"1MiB\"\nweak_store = \"{policy}\"\n");
    Setup::new(Kind::S3)
        .config(&config)
        .object("documents/a.pdf", b"old")
        .server(|s| s.faults().ignore_put_condition.store(true, Ordering::Relaxed))
        .start()
}

/// 4.4: `weak_store = "refuse"`: nothing is written.
#[test]
fn s4_4_weak_store_refuse_is_read_only() {
    let mut mount = on_weak_store("refuse");
    let mut actor = mount.actor();
    assert_eq!(actor.fails("write(p('documents/b.pdf'), b'new')"), "EROFS");
    assert_eq!(actor.fails("write(p('documents/a.pdf'), b'new')"), "EROFS");
    assert_eq!(actor.fails("os.unlink(p('documents/a.pdf'))"), "EROFS");
    assert_eq!(actor.fails("os.mkdir(p('rfp_exports/1'))"), "EROFS");
    assert_eq!(mount.read("documents/a.pdf"), b"old");
    assert!(mount.status()["read_only"].is_string());
    assert!(mount.log().contains("nothing can be written"));
    mount.expect_objects(&[("documents/a.pdf", b"old")]);
    mount.stop();
}

/// 5.3: a store without conditional delete: the look just before is all, and it is said.
#[test]
fn s5_3_store_without_conditional_delete_is_told_of() {
    let mut mount = Setup::new(Kind::S3)
        .object("documents/a.pdf", b"old")
        .server(|s| s.faults().ignore_delete_condition.store(true, Ordering::Relaxed))
        .start();
    assert!(mount.log().contains("conditional delete"), "said at the start: {}", mount.log());
    assert!(mount.status()["warnings"].to_string().contains("conditional delete"), "said in the status");
    mount.actor().run("os.unlink(p('documents/a.pdf'))");
    mount.put_object("documents/a.pdf", b"another's");
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", b"another's")]);
}

/// 4.4: `weak_store = "check"`: a taken name is found by looking, and who overwrites us between put and look makes our file
/// take the next name.
#[test]
fn s4_4_weak_store_check_looks_before_and_after() {
    let mut mount = on_weak_store("check");
    assert!(mount.log().contains("weak_store"), "said at the start: {}", mount.log());
    assert!(mount.status()["warnings"].to_string().contains("weak_store"), "said in the status");
    let mut actor = mount.actor();
    // another client takes the name that the catalog does not know yet
    mount.put_object("documents/b.pdf", b"theirs");
    actor.run("write(p('documents/b.pdf'), b'ours')");
    mount.expect_objects(&[
        ("documents/a.pdf", b"old"),
        ("documents/b.pdf", b"theirs"),
        ("documents/b_*.pdf", b"ours"),
    ]);
    // another client overwrites our object just before we look again
    let server = std::sync::Arc::clone(mount.server());
    let seen = std::sync::atomic::AtomicUsize::new(0);
    let overwrite = move || {
        let exists = server.objects(BUCKET).iter().any(|(key, _)| key == "documents/c.pdf");
        if exists && seen.fetch_add(1, Ordering::Relaxed) == 0 {
            server.overwrite(BUCKET, "documents/c.pdf", b"theirs".as_slice());
        }
    };
    let looked = When::method("HEAD", "documents/c.pdf");
    mount.server().faults().always_meanwhile(looked, overwrite);
    actor.run("write(p('documents/c.pdf'), b'ours too')");
    mount.server().faults().clear();
    assert_eq!(mount.object("documents/c.pdf"), b"theirs");
    assert_eq!(mount.alternative("documents/c.pdf"), b"ours too");
    mount.stop();
}

/// 4.4: `weak_store = "suffix"`: every new file gets a suffix.
#[test]
fn s4_4_weak_store_suffix_gives_every_new_file_a_suffix() {
    let mut mount = on_weak_store("suffix");
    assert!(mount.status()["warnings"].to_string().contains("suffix"), "said in the status");
    mount.actor().run("write(p('documents/b.pdf'), b'new')");
    assert_eq!(mount.names("documents").len(), 2);
    mount.expect_objects(&[("documents/a.pdf", b"old"), ("documents/b_*.pdf", b"new")]);
    mount.stop();
}
