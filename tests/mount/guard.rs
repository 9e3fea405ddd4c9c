//! Sentence 4.6: what another client overwrites without asking, a moment after it was published here.

use crate::FRESH;
use crate::support::mount::{Kind, Setup, TestMount, content, eventually};

on_both_stores! {
    s4_6_overwritten_file_is_published_again_beside,
    s4_6_bytes_are_kept_over_a_kill,
    s4_6_kept_bytes_go_after_a_while,
    s4_6_what_was_deleted_here_does_not_come_back,
}

fn kept(mount: &TestMount) -> usize {
    std::fs::read_dir(mount.state().join("guard")).unwrap().count()
}

/// Waits until the bytes of what was published are where they are kept: that is done when nobody has the file open.
fn put_away(mount: &TestMount) {
    let staging = mount.state().join("staging");
    eventually("its bytes are put away", || std::fs::read_dir(&staging).unwrap().count() == 0);
}

fn s4_6_overwritten_file_is_published_again_beside(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).start();
    mount
        .actor()
        .run("write(p('documents/a.pdf'), content(1, 5000)); write(p('documents/b.pdf'), content(2, 5000))");
    put_away(&mount);
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
    put_away(&mount);
    mount.kill();
    mount.put_object("documents/a.pdf", b"theirs");
    mount.start();
    mount.names("documents");
    eventually("it is there again", || mount.keys().len() == 2);
    assert!(mount.alternative("documents/a.pdf") == content(1, 5000));
    mount.stop();
}

fn s4_6_kept_bytes_go_after_a_while(kind: Kind) {
    let config = FRESH.replace("[read]", "guard = \"1s\"\n[read]");
    let mut mount = Setup::new(kind).config(&config).start();
    mount.actor().run("write(p('documents/a.pdf'), content(1, 5000))");
    put_away(&mount);
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
