//! Sentence 9.1, `user.cairn.saved_as`: who asked for a name learns there what it was saved as.

use crate::support::actor::{Actor, sh};
use crate::support::mount::{Kind, Setup, TestMount, eventually};

on_both_stores! {
    s9_1_saved_as_of_an_opened_object,
    s9_1_saved_as_of_a_lost_race,
    s9_1_saved_as_of_a_rename_onto_an_object,
    s9_1_saved_as_of_a_name_deleted_and_made_again,
    s9_1_saved_as_of_a_free_name_is_that_name,
    s9_1_saved_as_after_a_second_publish,
    s9_1_saved_as_of_a_renamed_object,
    s4_7_saved_as_names_the_object_with_the_same_bytes,
}

const SAVED_AS: &str = "os.getxattr(p('documents/a.pdf'), 'user.cairn.saved_as').decode()";

fn with_object(kind: Kind) -> TestMount {
    Setup::new(kind).object("documents/a.pdf", b"old").start()
}

/// The one alternative of `a.pdf` that there is.
fn alternative(mount: &TestMount) -> String {
    eventually("it is published", || mount.alternatives("documents/a.pdf").len() == 1);
    mount.alternatives("documents/a.pdf").remove(0)
}

fn s9_1_saved_as_of_an_opened_object(kind: Kind) {
    let mut mount = with_object(kind);
    let mut actor = mount.actor();
    assert_eq!(actor.fails(SAVED_AS), "ENODATA");
    actor.run("write(p('documents/a.pdf'), b'new')");
    assert_eq!(actor.text(SAVED_AS), alternative(&mount));
    // any process of the user may ask, and the newest answer counts
    assert_eq!(mount.actor().text(SAVED_AS), alternative(&mount));
    let first = alternative(&mount);
    actor.run("write(p('documents/a.pdf'), b'newer')");
    let newest = actor.text(SAVED_AS);
    assert_ne!(newest, first);
    assert_eq!(mount.object(&newest), b"newer");
    actor.run("os.setxattr(p('documents/a.pdf'), 'user.cairn.saved_as', b'x')");
    assert_eq!(actor.text(SAVED_AS), newest, "setting it has no effect");
    mount.stop();
}

/// The object came after the last look-up: only the store knew.
fn s9_1_saved_as_of_a_lost_race(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    let mut actor = mount.actor();
    actor.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW); write_all(fd, b'mine')");
    mount.put_object("documents/a.pdf", b"another's");
    actor.run("os.close(fd)");
    let key = alternative(&mount);
    eventually("the winner shows", || mount.read("documents/a.pdf") == b"another's");
    assert_eq!(actor.text(SAVED_AS), key);
    assert_eq!(mount.object(&key), b"mine");
    mount.stop();
}

fn s9_1_saved_as_of_a_rename_onto_an_object(kind: Kind) {
    let mut mount = with_object(kind);
    let mut actor = mount.actor();
    actor.run("write(p('documents/a.pdf.part'), b'new'); os.rename(p('documents/a.pdf.part'), p('documents/a.pdf'))");
    assert_eq!(actor.text(SAVED_AS), alternative(&mount));
    mount.stop();
}

fn s9_1_saved_as_of_a_name_deleted_and_made_again(kind: Kind) {
    let mut mount = with_object(kind);
    let mut actor = mount.actor();
    actor.run("os.unlink(p('documents/a.pdf')); write(p('documents/a.pdf'), b'new')");
    assert_eq!(actor.text(SAVED_AS), alternative(&mount));
    assert_eq!(mount.object("documents/a.pdf"), b"old");
    mount.stop();
}

fn s9_1_saved_as_of_a_free_name_is_that_name(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    let mut actor = mount.actor();
    actor.run("write(p('documents/a.pdf'), b'new')");
    assert_eq!(actor.text(SAVED_AS), "documents/a.pdf");
    mount.stop();
}

/// What is written after a publish is published again: that is what it was saved as in the end.
fn s9_1_saved_as_after_a_second_publish(kind: Kind) {
    let mut mount = with_object(kind);
    let (mut writer, mut other) = (mount.actor(), mount.actor());
    hand_over(&mount, &mut writer, &mut other, "documents/a.pdf", "b'first '");
    let first = alternative(&mount);
    assert_eq!(writer.text(SAVED_AS), first);
    other.run("os.lseek(fd, 0, os.SEEK_END); write_all(fd, b'second'); os.close(fd)");
    eventually("it is published again", || writer.text(SAVED_AS) != first);
    let second = writer.text(SAVED_AS);
    assert_eq!(mount.object(&second), b"first second");
    mount.stop();
}

/// `writer` writes to `path` and closes it; `other`, whom nobody can know of, has got its descriptor as `fd` meanwhile.
fn hand_over(mount: &TestMount, writer: &mut Actor, other: &mut Actor, path: &str, data: &str) {
    let socket = format!("s = {:?}", mount.host("s").to_str().unwrap());
    other.run(&format!("{socket}; l = socket.socket(socket.AF_UNIX); l.bind(s); l.listen()"));
    writer.run(&format!(
        "{socket}; c = socket.socket(socket.AF_UNIX); c.connect(s)\n\
         fd = os.open(p('{path}'), WRITE_NEW); write_all(fd, {data}); socket.send_fds(c, [b'x'], [fd])"
    ));
    other.run("c, _ = l.accept(); fd = socket.recv_fds(c, 1, 1)[1][0]");
    writer.run("os.close(fd)");
}

/// 5.4: a rename onto a taken name gets a suffix as well.
fn s9_1_saved_as_of_a_renamed_object(kind: Kind) {
    let mut mount =
        Setup::new(kind).object("documents/a.pdf", b"old").object("documents/b.pdf", b"b").start();
    let mut actor = mount.actor();
    actor.run("os.rename(p('documents/b.pdf'), p('documents/a.pdf'))");
    assert_eq!(actor.text(SAVED_AS), alternative(&mount));
    mount.stop();
}

fn s4_7_saved_as_names_the_object_with_the_same_bytes(kind: Kind) {
    let mut mount = with_object(kind);
    let mut actor = mount.actor();
    actor.run("write(p('documents/a.pdf'), b'old')");
    assert_eq!(actor.text(SAVED_AS), "documents/a.pdf");
    actor.run("write(p('documents/a.pdf'), b'new')");
    let key = alternative(&mount);
    sh("printf old > \"$1.part\"; mv \"$1.part\" \"$1\"", &[&mount.path("documents/a.pdf")]);
    assert_eq!(actor.text(SAVED_AS), "documents/a.pdf");
    actor.run("write(p('documents/a.pdf'), b'new')");
    assert_eq!(actor.text(SAVED_AS), key, "the newest suffixed version has the bytes");
    mount.expect_objects(&[("documents/a.pdf", b"old"), ("documents/a_*.pdf", b"new")]);
    mount.stop();
}

/// 9.1: for the same user.
#[test]
fn s9_1_saved_as_is_told_to_the_same_user_only() {
    let mut mount = with_object(Kind::Dir);
    let (mut actor, mut other) = (mount.actor(), mount.actor());
    actor.run("write(p('documents/a.pdf'), b'new')");
    other.run("os.setresuid(12345, 12345, 12345)");
    assert_eq!(other.fails(SAVED_AS), "ENODATA");
    actor.run(SAVED_AS);
    mount.stop();
}

/// 4.7 and 3.5: a file that was not stored again is whole for who has it still open, and published if he writes more.
#[test]
fn s4_7_same_bytes_and_a_later_write_lose_nothing() {
    let mut mount = with_object(Kind::Dir);
    let (mut writer, mut other) = (mount.actor(), mount.actor());
    hand_over(&mount, &mut writer, &mut other, "documents/a.pdf", "b'old'");
    assert!(mount.has_event(&["same-bytes", "documents/a.pdf"]));
    assert_eq!(other.run("os.fstat(fd).st_size"), 3);
    other.run("os.lseek(fd, 0, os.SEEK_END); write_all(fd, b' and more'); os.close(fd)");
    let key = alternative(&mount);
    assert_eq!(mount.object(&key), b"old and more");
    eventually("it is recorded", || writer.text(SAVED_AS) == key);
    mount.stop();
}
