//! Semantics 4.7: what is there already is not stored again.

use std::path::PathBuf;

use crate::FRESH;
use crate::support::actor::sh;
use crate::support::mount::{Kind, Setup, TestMount, content, eventually};

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

/// 4.7, 5.2, 5.4: an object that is to be deleted as soon as nobody reads it any more has no bytes to offer.
fn s4_7_object_that_is_being_deleted_does_not_stand_for_a_new_file(kind: Kind) {
    let take_away =
        ["os.unlink(p('documents/a.pdf'))", "os.rename(p('documents/a.pdf'), p('documents/b.pdf'))"];
    for taken_away in take_away {
        let object = Setup::new(kind).config(FRESH).object("documents/a.pdf", content(1, 5000));
        let mut mount = object.start();
        let mut reader = mount.actor();
        reader.run("fd = os.open(p('documents/a.pdf'), os.O_RDONLY)");
        mount.actor().run(taken_away);
        mount.actor().run("write(p('documents/a.pdf'), content(1, 5000))");
        reader.run("os.close(fd)");
        eventually("what was taken away is gone", || !mount.keys().contains(&"documents/a.pdf".to_owned()));
        assert!(mount.alternative("documents/a.pdf") == content(1, 5000), "{taken_away}");
        mount.stop();
    }
}

/// 4.7: nothing stays of it here, wherever the daemon ends.
fn s4_7_nothing_stays_of_it_after_a_kill(kind: Kind) {
    let mut mount = Setup::new(kind).object("documents/a.pdf", content(1, 5000)).config(FRESH).start();
    let mut writer = mount.actor();
    writer.run("fd = os.open(p('documents/a.pdf'), os.O_RDWR | os.O_TRUNC); write_all(fd, content(1, 5000))");
    let beside = mount.names("documents").into_iter().find(|name| name != "a.pdf").unwrap();
    let mut reader = mount.actor();
    reader.run(&format!("fd = os.open(p('documents/{beside}'), os.O_RDONLY)"));
    writer.run("os.close(fd)");
    eventually("it is not stored again", || mount.has_event(&["same-bytes", "documents/a.pdf"]));
    assert_eq!(staged(&mount).len(), 1, "somebody reads it");
    // what no catalog knows may be all that there is of something
    let unknown = mount.state().join("staging/0123456789abcdef0123456789abcdef");
    std::fs::write(&unknown, "of a catalog that is lost").unwrap();
    mount.kill();
    mount.start();
    assert_eq!(staged(&mount), [unknown]);
    assert_eq!((mount.drafts("interrupted"), mount.drafts("failed")), (0, 0));
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", &content(1, 5000))]);
}

/// 3.1: nor of a published draft whose object another client has replaced since.
fn s3_1_nothing_stays_of_a_published_draft_after_a_kill(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).start();
    let mut user = mount.actor();
    user.run("fd = os.open(p('documents/a.pdf'), os.O_RDWR | os.O_CREAT); write_all(fd, content(1, 5000))");
    let mut reader = mount.actor();
    reader.run("fd = os.open(p('documents/a.pdf'), os.O_RDONLY)");
    user.run("gd = os.open(p('documents/a.pdf'), os.O_RDONLY); os.close(fd)");
    mount.expect_objects(&[("documents/a.pdf", &content(1, 5000))]);
    mount.remove_object("documents/a.pdf");
    assert_eq!(mount.names("documents"), Vec::<String>::new());
    mount.kill();
    mount.start();
    assert_eq!(staged(&mount), Vec::<PathBuf>::new());
    mount.stop();
}

fn staged(mount: &TestMount) -> Vec<PathBuf> {
    std::fs::read_dir(mount.state().join("staging")).unwrap().map(|f| f.unwrap().path()).collect()
}

on_both_stores!(
    s4_7_same_bytes_are_not_stored_again,
    s4_7_same_bytes_as_the_newest_suffixed_version,
    s4_7_same_bytes_as_another_clients_object,
    s4_7_same_bytes_keep_stores_them_again,
    s4_7_object_that_is_being_deleted_does_not_stand_for_a_new_file,
    s4_7_nothing_stays_of_it_after_a_kill,
    s3_1_nothing_stays_of_a_published_draft_after_a_kill,
);
