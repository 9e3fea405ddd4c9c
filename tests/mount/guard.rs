//! Sentence 4.6: what another client overwrites without asking, a moment after it was published here.

use crate::FRESH;
use crate::support::actor::Actor;
use crate::support::mount::{Kind, Setup, TestMount, content, eventually};

on_both_stores! {
    s4_6_overwritten_file_is_published_again_beside,
    s4_6_bytes_are_kept_while_somebody_has_the_file_open,
    s4_6_bytes_are_kept_as_they_were_published,
    s4_6_bytes_are_kept_over_a_kill_while_somebody_has_the_file_open,
    s4_6_replacement_that_was_seen_before_a_kill_is_made_good_after_it,
    s4_6_bytes_go_with_a_renamed_object,
    s4_6_bytes_of_an_object_that_was_put_back_are_kept,
    s4_6_bytes_are_kept_over_a_kill,
    s4_6_kept_bytes_go_after_a_while,
    s4_6_what_was_deleted_here_does_not_come_back,
}

fn kept(mount: &TestMount) -> usize {
    std::fs::read_dir(mount.state().join("guard")).unwrap().count()
}

/// Makes `writer` publish `first ` as `documents/a.pdf` and returns another process that still has it open for writing, as
/// `fd`.
fn publish_with_a_writer_left(mount: &TestMount, writer: &mut Actor) -> Actor {
    let mut left = mount.actor();
    left.run("s = socket.socket(socket.AF_UNIX); s.bind(h('sock')); s.listen()");
    writer.run("c = socket.socket(socket.AF_UNIX); c.connect(h('sock'))");
    left.run("c, _ = s.accept()");
    writer.run("fd = os.open(p('documents/a.pdf'), os.O_RDWR | os.O_CREAT); write_all(fd, b'first ')");
    writer.run("socket.send_fds(c, [b'x'], [fd])");
    left.run("fd = socket.recv_fds(c, 1, 1)[1][0]");
    writer.run("os.close(fd)");
    mount.expect_objects(&[("documents/a.pdf", b"first ")]);
    left
}

fn s4_6_overwritten_file_is_published_again_beside(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).start();
    mount
        .actor()
        .run("write(p('documents/a.pdf'), content(1, 5000)); write(p('documents/b.pdf'), content(2, 5000))");
    // as Django does it: the name was free when it looked
    mount.put_object("documents/a.pdf", b"theirs");
    mount.put_object("documents/b.pdf", b"theirs");
    // one is noticed by a listing, one by a request for it
    assert_eq!(mount.read("documents/b.pdf"), b"theirs");
    mount.names("documents");
    eventually("both are there again", || mount.keys().len() == 4);
    for (key, seed) in [("documents/a.pdf", 1), ("documents/b.pdf", 2)] {
        assert_eq!(mount.object(key), b"theirs");
        assert!(mount.alternative(key) == content(seed, 5000), "{key}");
        let again = mount.alternatives(key).remove(0);
        assert!(mount.has_event(&["overwritten", key, &again]));
        eventually("it is shown", || mount.exists(&again));
        assert!(mount.read(&again) == content(seed, 5000));
    }
    // once is enough
    mount.names("documents");
    mount.stop();
    assert_eq!(mount.keys().len(), 4);
}

fn s4_6_bytes_are_kept_over_a_kill(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).start();
    mount.actor().run("write(p('documents/a.pdf'), content(1, 5000))");
    mount.kill();
    mount.put_object("documents/a.pdf", b"theirs");
    mount.start();
    mount.names("documents");
    eventually("it is there again", || mount.keys().len() == 2);
    assert!(mount.alternative("documents/a.pdf") == content(1, 5000));
    mount.stop();
}

/// Whoever has it open: what was published is in the bucket, and can be replaced there.
fn s4_6_bytes_are_kept_while_somebody_has_the_file_open(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).start();
    let (mut writer, mut reader) = (mount.actor(), mount.actor());
    writer.run("fd = os.open(p('documents/a.pdf'), os.O_RDWR | os.O_CREAT); write_all(fd, content(1, 5000))");
    reader.run("fd = os.open(p('documents/a.pdf'), os.O_RDONLY)");
    writer.run("os.close(fd)");
    mount.expect_objects(&[("documents/a.pdf", &content(1, 5000))]);
    mount.put_object("documents/a.pdf", b"theirs");
    mount.names("documents");
    eventually("it is there again", || mount.keys().len() == 2);
    assert!(mount.alternative("documents/a.pdf") == content(1, 5000));
    assert_eq!(reader.run("os.pread(fd, 5000, 0) == content(1, 5000)"), true);
    reader.run("os.close(fd)");
    mount.names("documents");
    mount.stop();
    assert_eq!(mount.keys().len(), 2, "{:?}", mount.keys());
}

/// What a process writes after the publish is another file (3.5), and is not what was published.
fn s4_6_bytes_are_kept_as_they_were_published(kind: Kind) {
    for seen_before_the_write in [false, true] {
        let mut mount = Setup::new(kind).config(FRESH).start();
        let mut writer = mount.actor();
        let mut left = publish_with_a_writer_left(&mount, &mut writer);
        mount.put_object("documents/a.pdf", b"theirs");
        if seen_before_the_write {
            mount.names("documents");
        }
        left.run("os.pwrite(fd, b'later', 0)");
        mount.names("documents");
        eventually("what was published is there again", || mount.alternatives("documents/a.pdf").len() == 1);
        assert_eq!(mount.alternative("documents/a.pdf"), b"first ");
        left.run("os.close(fd)");
        eventually("what was written since is there, too", || mount.keys().len() == 3);
        mount.stop();
        mount.expect_objects(&[
            ("documents/a.pdf", b"theirs"),
            ("documents/a_*.pdf", b"first "),
            ("documents/a_*.pdf", b"later "),
        ]);
    }
}

fn s4_6_bytes_are_kept_over_a_kill_while_somebody_has_the_file_open(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).start();
    let mut writer = mount.actor();
    let _left = publish_with_a_writer_left(&mount, &mut writer);
    mount.kill();
    mount.put_object("documents/a.pdf", b"theirs");
    mount.start();
    mount.names("documents");
    eventually("it is there again", || mount.keys().len() == 2);
    assert_eq!(mount.alternative("documents/a.pdf"), b"first ");
    mount.stop();
}

/// The end of the daemon between the look that finds it and the publish that makes it good.
fn s4_6_replacement_that_was_seen_before_a_kill_is_made_good_after_it(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).start();
    mount.actor().run("write(p('documents/a.pdf'), content(1, 5000))");
    mount.kill();
    // the catalog knows of the replacement, and nobody has done anything about it
    mount.put_object("documents/a.pdf", b"theirs");
    let out = mount.cli(&[
        "catalog",
        "rebuild",
        "--store",
        &mount.url(),
        "--state-dir",
        mount.state().to_str().unwrap(),
    ]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    mount.start();
    eventually("it is there again", || mount.keys().len() == 2);
    assert!(mount.alternative("documents/a.pdf") == content(1, 5000));
    mount.stop();
}

/// The tail of a save (5.4) is when Django may be saving the same name.
fn s4_6_bytes_go_with_a_renamed_object(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).start();
    mount.actor().run(
        "write(p('documents/a.pdf'), content(1, 5000)); os.rename(p('documents/a.pdf'), p('documents/b.pdf'))",
    );
    eventually("it has moved", || mount.keys() == ["documents/b.pdf"]);
    mount.put_object("documents/b.pdf", b"theirs");
    mount.names("documents");
    eventually("it is there again", || mount.keys().len() == 2);
    assert!(mount.alternative("documents/b.pdf") == content(1, 5000));
    mount.stop();
}

fn s4_6_bytes_of_an_object_that_was_put_back_are_kept(kind: Kind) {
    let mut mount = Setup::new(kind).config(&FRESH.replace("delete_after = \"0s\"", "")).start();
    mount.actor().run(
        "write(p('documents/a.pdf'), content(1, 5000)); os.unlink(p('documents/a.pdf'))\n\
         write(p('documents/a.pdf'), content(2, 5000))",
    );
    assert_eq!(mount.keys().len(), 2, "{:?}", mount.keys());
    mount.put_object("documents/a.pdf", b"theirs");
    mount.names("documents");
    eventually("it is there again", || mount.keys().len() == 3);
    mount.stop();
    mount.expect_objects(&[
        ("documents/a.pdf", b"theirs"),
        ("documents/a_*.pdf", &content(1, 5000)),
        ("documents/a_*.pdf", &content(2, 5000)),
    ]);
}

/// 4.6: what finds no room is not given up.
#[test]
fn s4_6_what_cannot_be_published_again_now_is_published_later() {
    let config = FRESH.replace("[read]", "staging_budget = \"300kB\"\n[read]");
    let mut mount = Setup::new(Kind::Dir).config(&config).start();
    let mut user = mount.actor();
    user.run("write(p('documents/a.pdf'), content(1, 200_000))");
    user.run("fd = os.open(p('documents/b.part'), WRITE_NEW); os.pwrite(fd, content(2, 150_000), 0)");
    eventually("its bytes are kept", || kept(&mount) == 1);
    mount.put_object("documents/a.pdf", b"theirs");
    mount.names("documents");
    eventually("there is no room", || mount.log().contains("cannot be published again yet"));
    assert_eq!((mount.keys().len(), kept(&mount)), (1, 1));
    // nor is it by a kill
    mount.kill();
    mount.start();
    eventually("there is still no room", || {
        mount.log().matches("cannot be published again yet").count() == 2
    });
    mount.actor().run("os.unlink(p('documents/b.part'))");
    eventually("it is there again", || mount.keys().len() == 2);
    assert!(mount.alternative("documents/a.pdf") == content(1, 200_000));
    eventually("nothing is kept for it any more", || kept(&mount) <= 1);
    mount.stop();
}

/// 4.6: what is kept is looked at before it is published.
#[test]
fn s4_6_damaged_bytes_are_not_published() {
    let mut mount = Setup::new(Kind::Dir).config(FRESH).start();
    mount.errors_are_expected();
    mount.actor().run("write(p('documents/a.pdf'), content(1, 5000))");
    mount.stop();
    let file = std::fs::read_dir(mount.state().join("guard")).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&file, b"not what was published").unwrap();
    mount.put_object("documents/a.pdf", b"theirs");
    mount.start();
    mount.names("documents");
    eventually("it is told", || mount.has_event(&["damaged", "documents/a.pdf"]));
    eventually("nothing is kept any more", || kept(&mount) == 0);
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", b"theirs")]);
}

fn s4_6_kept_bytes_go_after_a_while(kind: Kind) {
    let config = FRESH.replace("[read]", "guard = \"1s\"\n[read]");
    let mut mount = Setup::new(kind).config(&config).start();
    mount.actor().run("write(p('documents/a.pdf'), content(1, 5000))");
    eventually("nothing is kept any more", || kept(&mount) == 0);
    mount.put_object("documents/a.pdf", b"theirs");
    assert_eq!(mount.read("documents/a.pdf"), b"theirs");
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", b"theirs")]);
    // none at all
    mount.configure(&FRESH.replace("[read]", "guard = \"0s\"\n[read]"));
    mount.start();
    mount.actor().run("write(p('documents/b.pdf'), content(2, 5000))");
    mount.put_object("documents/b.pdf", b"theirs");
    assert_eq!(mount.read("documents/b.pdf"), b"theirs");
    assert_eq!(kept(&mount), 0);
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", b"theirs"), ("documents/b.pdf", b"theirs")]);
}

fn s4_6_what_was_deleted_here_does_not_come_back(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).start();
    let mut user = mount.actor();
    user.run("write(p('documents/a.pdf'), content(1, 5000)); write(p('documents/b.pdf'), content(2, 5000))");
    user.run("os.unlink(p('documents/a.pdf')); os.rename(p('documents/b.pdf'), p('documents/c.pdf'))");
    eventually("they are gone", || mount.keys() == ["documents/c.pdf"]);
    mount.put_object("documents/a.pdf", b"theirs");
    mount.put_object("documents/b.pdf", b"theirs");
    assert_eq!(mount.names("documents"), ["a.pdf", "b.pdf", "c.pdf"]);
    assert_eq!(
        (mount.read("documents/a.pdf"), mount.read("documents/b.pdf")),
        (b"theirs".to_vec(), b"theirs".to_vec())
    );
    mount.stop();
    assert_eq!(mount.keys().len(), 3, "{:?}", mount.keys());
}

/// 4.6: what is kept has to fit into the staging budget, and gives way to what is being written.
#[test]
fn s4_6_kept_bytes_give_way_to_what_is_written() {
    let config = FRESH.replace("[read]", "staging_budget = \"300kB\"\n[read]");
    let mut mount = Setup::new(Kind::Dir).config(&config).start();
    let mut user = mount.actor();
    for n in 0..6 {
        user.run(&format!("write(p('documents/{n}.pdf'), content({n}, 100_000))"));
    }
    eventually("the budget holds", || {
        let files = std::fs::read_dir(mount.state().join("guard")).unwrap();
        files.map(|f| f.unwrap().metadata().unwrap().len()).sum::<u64>() <= 300_000
    });
    user.run("write(p('documents/large.pdf'), content(9, 250_000))");
    mount.stop();
    assert_eq!(mount.keys().len(), 7);
}
