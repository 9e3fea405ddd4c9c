//! Semantics 4.7: what is there already is not stored again.

use crate::support::actor::sh;
use crate::support::mount::{Kind, Setup, content};

/// 4.7: what would take a suffix and has the bytes of the object of that name is not stored again.
fn s4_7_same_bytes_are_not_stored_again(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    let mut actor = mount.actor();
    actor.run("write(p('documents/a.pdf'), content(1, 300_000))");
    actor.run("write(p('documents/a.pdf'), content(1, 300_000))");
    mount.actor().run("write(p('documents/a.pdf'), content(1, 300_000))");
    sh(
        "cat > \"$2.part\" < \"$1\"; mv \"$2.part\" \"$2\"",
        &[&mount.host_file("x", &content(1, 300_000)), &mount.path("documents/a.pdf")],
    );
    mount.expect_objects(&[("documents/a.pdf", &content(1, 300_000))]);
    assert_eq!(mount.names("documents"), ["a.pdf"]);
    assert!(mount.has_event(&["same-bytes", "documents/a.pdf"]));
    mount.stop();
}

/// 4.7: nor what has the bytes of its newest suffixed version; the same size is not enough.
fn s4_7_same_bytes_as_the_newest_suffixed_version(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    let mut actor = mount.actor();
    for seed in [1, 2, 3, 3, 1] {
        actor.run(&format!("write(p('documents/a.pdf'), content({seed}, 5000))"));
    }
    assert_eq!(mount.keys().len(), 3);
    actor.run("write(p('documents/a.pdf'), content(2, 5000))");
    assert_eq!(mount.keys().len(), 4, "2 is neither the first nor the newest");
    mount.stop();
}

/// 4.7: an object of which nobody has written the digest down (Django's) is read.
fn s4_7_same_bytes_as_another_clients_object(kind: Kind) {
    let mut mount = Setup::new(kind).object("documents/a.pdf", content(1, 5000)).start();
    mount.actor().run("write(p('documents/a.pdf'), content(1, 5000))");
    mount.expect_objects(&[("documents/a.pdf", &content(1, 5000))]);
    mount.actor().run("write(p('documents/a.pdf'), content(2, 5000))");
    assert_eq!(mount.keys().len(), 2);
    mount.stop();
}

/// 4.7: `same_bytes = "keep"`.
fn s4_7_same_bytes_keep_stores_them_again(kind: Kind) {
    let config = "[write]\nfree_floor = \"1MiB\"\nsame_bytes = \"keep\"\n";
    let mut mount = Setup::new(kind).config(config).start();
    mount.actor().run("write(p('documents/a.pdf'), b'same'); write(p('documents/a.pdf'), b'same')");
    mount.expect_objects(&[("documents/a.pdf", b"same"), ("documents/a_*.pdf", b"same")]);
    mount.stop();
}

on_both_stores!(
    s4_7_same_bytes_are_not_stored_again,
    s4_7_same_bytes_as_the_newest_suffixed_version,
    s4_7_same_bytes_as_another_clients_object,
    s4_7_same_bytes_keep_stores_them_again,
);
