//! Sentence 5.2: a name that is taken away and made again a moment later is an overwrite in disguise.

use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

use crate::support::mount::{Kind, PATIENCE, Setup, TestMount, eventually};
use crate::support::s3server::When;

on_both_stores! {
    s5_2_smbd_deletes_and_anyone_makes_the_name_again,
    s5_2_another_process_takes_the_plain_name,
    s5_2_name_linked_again_puts_the_object_back,
    s5_6_directory_with_objects_that_are_not_deleted_is_not_renamed,
    s5_6_directory_whose_objects_lie_deeper_is_not_renamed,
}

fn with_object(kind: Kind) -> TestMount {
    // long enough that the delete is still pending on a slow machine
    let config = "[write]\nfree_floor = \"1MiB\"\ndelete_after = \"60s\"\n";
    Setup::new(kind).config(config).object("documents/a.pdf", b"old").start()
}

/// Behind smbd one client's calls can come from any of its processes.
fn s5_2_smbd_deletes_and_anyone_makes_the_name_again(kind: Kind) {
    let mut mount = with_object(kind);
    let (mut smbd, mut other) = (mount.actor(), mount.actor());
    for name in ["smbd", "smbd[192.0.2.7]"] {
        smbd.run(&format!("libc.prctl(15, b'{name}'); os.unlink(p('documents/a.pdf'))"));
        assert!(!mount.exists("documents/a.pdf"));
        other.run(&format!("write(p('documents/a.pdf'), b'{name}')"));
        assert_eq!(mount.read("documents/a.pdf"), b"old");
        assert!(mount.has_event(&["put-back", "documents/a.pdf"]));
    }
    mount.stop();
    mount.expect_objects(&[
        ("documents/a.pdf", b"old"),
        ("documents/a_*.pdf", b"smbd"),
        ("documents/a_*.pdf", b"smbd[192.0.2.7]"),
    ]);
    assert!(mount.trash().is_empty());
}

/// And a process that is none: the delete was meant.
fn s5_2_another_process_takes_the_plain_name(kind: Kind) {
    let mut mount = with_object(kind);
    let (mut one, mut other) = (mount.actor(), mount.actor());
    one.run("libc.prctl(15, b'smbd-like'); os.unlink(p('documents/a.pdf'))");
    other.run("write(p('documents/a.pdf'), b'new')");
    mount.expect_objects(&[("documents/a.pdf", b"new")]);
    // who deleted it makes it, too, after the other has: the other's file is an object now
    one.run("write(p('documents/a.pdf'), b'of one')");
    eventually("both are there", || mount.keys().len() == 2);
    mount.expect_objects(&[("documents/a.pdf", b"new"), ("documents/a_*.pdf", b"of one")]);
    assert_eq!(mount.trash(), [("documents/a.pdf".to_owned(), b"old".to_vec())]);
    mount.stop();
}

/// 5.2: two make the name again, the one who deleted it last: nobody is refused, nothing is lost.
#[test]
fn s5_2_deleter_comes_second() {
    let mut mount = with_object(Kind::Dir);
    let (mut one, mut other) = (mount.actor(), mount.actor());
    one.run("os.unlink(p('documents/a.pdf'))");
    other.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW); write_all(fd, b'other')");
    one.run("write(p('documents/a.pdf'), b'one')");
    other.run("os.close(fd)");
    eventually("both are there", || mount.keys().len() == 2);
    mount.expect_objects(&[("documents/a.pdf", b"other"), ("documents/a_*.pdf", b"one")]);
    assert_eq!(mount.trash(), [("documents/a.pdf".to_owned(), b"old".to_vec())]);
    mount.stop();
}

/// A mount with the objects a.pdf and b.pdf, where the delete of a.pdf is under way, and its end is held up until something is
/// sent.
fn with_a_delete_held_up() -> (TestMount, Sender<()>) {
    let config = "[write]\nfree_floor = \"1MiB\"\ndelete_after = \"1s\"\n[read]\ndeadline = \"4s\"\n";
    let mount = Setup::new(Kind::S3)
        .config(config)
        .object("documents/a.pdf", b"old a")
        .object("documents/b.pdf", b"old b")
        .start();
    let (go, wait) = channel::<()>();
    let (begun, begins) = channel::<()>();
    let wait = Mutex::new(wait);
    mount.server().faults().meanwhile(When::method("DELETE", "documents/a.pdf"), move || {
        let _ = begun.send(());
        let _ = wait.lock().unwrap().recv_timeout(PATIENCE);
    });
    // by smbd: for anybody to take back
    mount.actor().run("libc.prctl(15, b'smbd'); os.unlink(p('documents/a.pdf'))");
    begins.recv_timeout(PATIENCE).unwrap();
    (mount, go)
}

/// 5.2: a delete that takes its time does not hold up who takes another one back.
#[test]
fn s5_2_name_comes_back_while_another_delete_is_under_way() {
    let (mut mount, go) = with_a_delete_held_up();
    mount.actor().run("f = p('documents/b.pdf'); os.unlink(f); fd = os.open(f, WRITE_NEW); write_all(fd, b'new b'); os.close(fd)");
    assert!(mount.has_event(&["put-back", "documents/b.pdf"]));
    assert!(mount.keys().contains(&"documents/a.pdf".to_owned()), "the delete had ended");
    go.send(()).unwrap();
    mount.stop();
    mount.expect_objects(&[("documents/b.pdf", b"old b"), ("documents/b_*.pdf", b"new b")]);
}

/// 8.3 for who makes a name again whose delete is under way and does not end: it is free, as for everybody else.
#[test]
fn s8_3_name_whose_delete_does_not_end_is_made_within_the_deadline() {
    let (mut mount, go) = with_a_delete_held_up();
    let mut user = mount.actor();
    user.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW); write_all(fd, b'new a')");
    assert!(mount.keys().contains(&"documents/a.pdf".to_owned()), "the delete had ended");
    assert!(!mount.has_event(&["put-back", "documents/a.pdf"]));
    go.send(()).unwrap();
    user.run("os.close(fd)");
    mount.stop();
    let keys = mount.keys();
    let [a, b] = &*keys else { panic!("{keys:?}") };
    assert_eq!((mount.object(a), mount.object(b)), (b"new a".to_vec(), b"old b".to_vec()));
    assert_eq!(mount.trash(), [("documents/a.pdf".to_owned(), b"old a".to_vec())]);
}

/// 5.2 for programs that save by a link (3.10).
fn s5_2_name_linked_again_puts_the_object_back(kind: Kind) {
    let mut mount = with_object(kind);
    mount.actor().run(
        "f = p('documents/a.pdf'); t = p('documents/.a.pdf.x1y2z3'); write(t, b'new')\n\
         os.unlink(f); os.link(t, f); os.unlink(t)",
    );
    mount.expect_objects(&[("documents/a.pdf", b"old"), ("documents/a_*.pdf", b"new")]);
    assert_eq!(mount.read("documents/a.pdf"), b"old");
    mount.stop();
    assert!(mount.trash().is_empty());
}

/// 5.6: EXDEV would begin a copy whose original cannot be removed.
fn s5_6_directory_with_objects_that_are_not_deleted_is_not_renamed(kind: Kind) {
    let mut mount = Setup::new(kind)
        .object("scraped/1/a.html", b"kept")
        .object("rfp_exports/1/a.pdf", b"deletable")
        .object("rfp_exports/2/older.exe", b"fits no list")
        .start();
    let mut actor = mount.actor();
    actor.run("def move(a, b): os.rename(p(a), p(b))");
    assert_eq!(actor.fails("move('scraped/1', 'scraped/2')"), "EACCES");
    assert!(mount.has_event(&["refused", "scraped/1"]));
    assert_eq!(actor.fails("move('rfp_exports/1', 'rfp_exports/3')"), "EXDEV");
    // those without objects rename freely, also there
    actor.run("os.mkdir(p('scraped/7')); move('scraped/7', 'scraped/8')");
    assert_eq!(mount.names("scraped"), ["1", "8"]);
    mount.stop();
}

/// 5.6: what lies deeper, in directories that nobody has looked into yet, is not left behind.
fn s5_6_directory_whose_objects_lie_deeper_is_not_renamed(kind: Kind) {
    let config = "[write]\nfree_floor = \"1MiB\"\n[[domain]]\nname = \"d\"\ntemplate = \"docs/{filename:path}\"\n\
                  extensions = [\"pdf\"]\ndelete = \"trash\"\n";
    let mut mount = Setup::new(kind).config(config).object("docs/1/2/3/a.pdf", b"deep").start();
    assert_eq!(mount.actor().fails("os.rename(p('docs/1'), p('docs/9'))"), "EXDEV");
    assert_eq!(mount.names("docs"), ["1"]);
    assert_eq!(mount.read("docs/1/2/3/a.pdf"), b"deep");
    mount.stop();
}
