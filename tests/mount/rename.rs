//! Section 5, renames: drafts and scratch files move freely, objects by copy and delete, and never onto one another.

use std::fs::File;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};

use serde_json::json;

use crate::FRESH;
use crate::support::actor::sh;
use crate::support::mount::{BUCKET, Kind, PATIENCE, Setup, TestMount, content, eventually};
use crate::support::s3server::{Fault, When};

on_both_stores! {
    s3_10_rename_and_link_return_when_the_object_exists,
    s5_1_drafts_and_scratch_files_are_renamed_and_deleted_freely,
    s5_1_rename_onto_an_object_leaves_it_and_takes_a_suffix,
    s5_1_noreplace_and_exchange,
    s5_4_object_is_renamed_by_copy_and_delete,
    s5_4_rename_of_an_object_onto_another_takes_a_suffix,
    s5_4_open_handles_follow_a_renamed_object,
    s5_4_other_domain_takes_what_its_rules_allow,
    s5_4_tail_of_a_save_is_renamed_under_any_policy,
    s5_5_saves_that_move_the_object_away_leave_it_and_take_a_suffix,
    s5_5_object_moved_away_shows_again_when_it_is_not_made_again,
    s5_5_object_moved_away_is_not_lost_by_a_kill,
    s5_5_another_process_that_makes_the_name_takes_a_suffix,
    s5_6_directories_without_objects_are_renamed_freely,
    s5_6_directories_with_objects_are_copied_by_tools,
}

/// Names that were moved away stay hidden for an hour.
const LATE: &str =
    "[write]\nfree_floor = \"1MiB\"\ndelete_after = \"1h\"\n[read]\nlist_ttl = \"0s\"\nmiss_ttl = \"0s\"\n";

/// 3.10: of a closed file at once; of one that is open for writing at its last close.
fn s3_10_rename_and_link_return_when_the_object_exists(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).start();
    let mut user = mount.actor();
    user.run("write(p('documents/a.part'), b'a'); os.rename(p('documents/a.part'), p('documents/a.pdf'))");
    mount.expect_objects(&[("documents/a.pdf", b"a")]);
    user.run("write(p('documents/b.part'), b'b'); os.link(p('documents/b.part'), p('documents/b.pdf'))");
    mount.expect_objects(&[("documents/a.pdf", b"a"), ("documents/b.pdf", b"b")]);
    // a draft that was closed, but for a descriptor that cannot write
    user.run("fd = os.open(p('documents/c.pdf'), os.O_RDWR | os.O_CREAT); write_all(fd, b'c'); e = os.dup(fd); os.close(fd)");
    user.run("os.rename(p('documents/c.pdf'), p('documents/d.pdf'))");
    assert_eq!(mount.keys().len(), 2, "it is open for writing");
    user.run("os.close(e)");
    assert_eq!(mount.object("documents/d.pdf"), b"c");
    user.run("fd = os.open(p('documents/e.part'), WRITE_NEW); write_all(fd, b'e'); os.rename(p('documents/e.part'), p('documents/e.pdf'))");
    assert_eq!(mount.keys().len(), 3, "it is open for writing");
    user.run("os.close(fd)");
    assert_eq!(mount.object("documents/e.pdf"), b"e");
    mount.stop();
}

/// Holds the PUT of `key` in the store until the sender says so.
fn hold_put(mount: &TestMount, key: &str) -> Sender<()> {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    mount.server().faults().meanwhile(When::method("PUT", key), move || {
        let _ = wait.lock().unwrap().recv_timeout(PATIENCE);
    });
    go
}

/// Returns how many files hold content of drafts and scratch files.
fn staged(mount: &TestMount) -> usize {
    std::fs::read_dir(mount.state().join("staging")).unwrap().count()
}

/// 3.10: what fails in time fails the call, and the file has its old name; what takes longer goes on by itself.
#[test]
fn s3_10_rename_reports_a_failure_and_does_not_wait_for_ever() {
    let config = FRESH.replace("[read]", "rename_wait = \"1s\"\n[read]");
    let mut mount = Setup::new(Kind::S3).config(&config).start();
    let mut user = mount.actor();
    user.run("for n in 'abcd': write(p(f'documents/{n}.part'), n.encode())");
    mount.server().faults().inject(
        When::method("PUT", "documents/"),
        Fault::Status(403, "AccessDenied"),
        usize::MAX,
    );
    assert_eq!(user.fails("os.rename(p('documents/a.part'), p('documents/a.pdf'))"), "EACCES");
    assert_eq!(user.fails("os.link(p('documents/b.part'), p('documents/b.pdf'))"), "EACCES");
    assert_eq!(mount.names("documents"), ["a.part", "b.part", "c.part", "d.part"]);
    assert_eq!(
        (mount.read("documents/a.part"), mount.read("documents/b.part")),
        (b"a".to_vec(), b"b".to_vec())
    );
    assert_eq!((mount.drafts("failed"), staged(&mount)), (0, 4), "something stays of a call that failed");
    mount.server().faults().clear();
    // tried again it works
    user.run("os.rename(p('documents/a.part'), p('documents/a.pdf'))");
    assert_eq!(mount.object("documents/a.pdf"), b"a");
    let go = hold_put(&mount, "documents/c.pdf");
    user.run("os.rename(p('documents/c.part'), p('documents/c.pdf'))");
    assert_eq!(mount.keys(), ["documents/a.pdf"]);
    assert_eq!(user.text("os.getxattr(p('documents/c.pdf'), 'user.cairn.state').decode()"), "publishing");
    go.send(()).unwrap();
    eventually("it is published", || mount.keys().len() == 2);
    assert_eq!(mount.object("documents/c.pdf"), b"c");
    mount.stop();
}

/// A file that is being closed is renamed as the object that the close makes of it.
#[test]
fn s5_4_rename_of_a_file_that_is_being_published_renames_the_object() {
    let mut mount = Setup::new(Kind::S3).start();
    let (mut user, mut other) = (mount.actor(), mount.actor());
    other.run("os.listdir(p('documents'))"); // the store is asked for no name below
    let go = hold_put(&mount, "documents/a.pdf");
    user.begin("write(p('documents/a.pdf'), b'a')");
    let state = "os.path.exists(p('documents/a.pdf')) and os.getxattr(p('documents/a.pdf'), 'user.cairn.state').decode()";
    eventually("it is on its way", || other.run(state) == "publishing");
    other.begin("os.rename(p('documents/a.pdf'), p('documents/b.pdf'))");
    eventually("the rename waits", || other.is_in_a_call());
    go.send(()).unwrap();
    user.end().unwrap();
    other.end().unwrap();
    assert_eq!(mount.names("documents"), ["b.pdf"]);
    mount.stop();
    mount.expect_objects(&[("documents/b.pdf", b"a")]);
}

/// 8.3: a file that is on its way to the store is waited for, but not for ever: the kernel holds the directory meanwhile.
#[test]
fn s8_3_rename_of_a_file_that_is_being_published_answers_within_the_deadline() {
    let config = FRESH.replace("[read]", "close_wait = \"100ms\"\n[read]\ndeadline = \"3s\"");
    let mut mount = Setup::new(Kind::S3).config(&config).start();
    let mut user = mount.actor();
    let go = hold_put(&mount, "documents/a.pdf");
    user.run("write(p('documents/a.pdf'), b'a')");
    assert_eq!(user.fails("os.rename(p('documents/a.pdf'), p('documents/b.pdf'))"), "EIO");
    assert_eq!(user.text("os.getxattr(p('documents/a.pdf'), 'user.cairn.state').decode()"), "publishing");
    assert_eq!(mount.names("documents"), ["a.pdf"]);
    go.send(()).unwrap();
    eventually("it is published", || mount.keys() == ["documents/a.pdf"]);
    assert_eq!(mount.object("documents/a.pdf"), b"a");
    mount.stop();
}

fn s5_1_drafts_and_scratch_files_are_renamed_and_deleted_freely(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).start();
    let mut user = mount.actor();
    // while it is open: published at the last close, under the name it has then
    user.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW); write_all(fd, b'one '); os.rename(p('documents/a.pdf'), p('documents/b.pdf'))");
    user.run("write_all(fd, b'two'); os.mkdir(p('rfp_exports/7')); os.rename(p('documents/b.pdf'), p('rfp_exports/7/c.pdf'))");
    assert_eq!(mount.names("documents"), Vec::<String>::new());
    assert!(mount.keys().is_empty());
    user.run("os.close(fd)");
    mount.expect_objects(&[("rfp_exports/7/c.pdf", b"one two")]);
    // unlinked while it is open: readable, writable, and never an object
    user.run("fd = os.open(p('documents/gone.pdf'), os.O_RDWR | os.O_CREAT); write_all(fd, b'x'); os.unlink(p('documents/gone.pdf'))");
    user.run("write_all(fd, b'y')");
    assert_eq!(user.run("os.pread(fd, 10, 0) == b'xy' and os.fstat(fd).st_size == 2"), true);
    assert!(!mount.exists("documents/gone.pdf"));
    user.run("os.close(fd)");
    // a draft onto a draft of the same process, and scratch files onto each other
    user.run("fd = os.open(p('documents/x.pdf'), WRITE_NEW); gd = os.open(p('documents/y.pdf'), WRITE_NEW); write_all(fd, b'x'); write_all(gd, b'y')");
    user.run("os.rename(p('documents/x.pdf'), p('documents/y.pdf')); os.close(fd); os.close(gd)");
    user.run("write(p('documents/s.part'), b's'); write(p('documents/t.part'), b't'); os.rename(p('documents/s.part'), p('documents/t.part'))");
    assert_eq!(mount.read("documents/t.part"), b"s");
    user.run("os.unlink(p('documents/t.part'))");
    // an empty one, and one that another made
    mount.actor().run("os.mknod(p('documents/empty.pdf')); os.mknod(p('documents/filled.pdf'))");
    user.run("write(p('documents/z.part'), b'z'); os.rename(p('documents/z.part'), p('documents/filled.pdf')); os.unlink(p('documents/empty.pdf'))");
    assert_eq!(mount.names("documents"), ["filled.pdf", "y.pdf"]);
    drop(user);
    mount.stop();
    mount.expect_objects(&[
        ("rfp_exports/7/c.pdf", b"one two"),
        ("documents/y.pdf", b"x"),
        ("documents/filled.pdf", b"z"),
    ]);
    assert!(mount.trash().is_empty());
}

fn s5_1_rename_onto_an_object_leaves_it_and_takes_a_suffix(kind: Kind) {
    let names = ["scratch", "draft", "closed", "empty"];
    let setup = names
        .iter()
        .fold(Setup::new(kind).config(FRESH), |s, n| s.object(&format!("documents/{n}.pdf"), "old"));
    let mut mount = setup.start();
    let mut user = mount.actor();
    let before = user
        .run("[os.stat(p(f'documents/{n}.pdf')).st_ino for n in ('scratch', 'draft', 'closed', 'empty')]");
    user.run(
        "write(p('documents/s.part'), b'new'); os.rename(p('documents/s.part'), p('documents/scratch.pdf'))",
    );
    user.run("fd = os.open(p('documents/d.pdf'), WRITE_NEW); write_all(fd, b'ne'); os.rename(p('documents/d.pdf'), p('documents/draft.pdf'))");
    user.run("write_all(fd, b'w'); os.close(fd)");
    user.run(
        "fd = os.open(p('documents/c.pdf'), WRITE_NEW); e = os.dup(fd); write_all(fd, b'new'); os.close(fd)",
    );
    user.run("os.rename(p('documents/c.pdf'), p('documents/closed.pdf')); os.close(e)");
    // a file without content that lands beside an object is nothing
    user.run("os.mknod(p('documents/e.pdf')); os.rename(p('documents/e.pdf'), p('documents/empty.pdf'))");
    for name in &names[..3] {
        let key = format!("documents/{name}.pdf");
        assert_eq!(mount.object(&key), b"old");
        assert_eq!(mount.read(&key), b"old");
        assert_eq!(mount.alternative(&key), b"new", "{name}");
        assert_eq!(mount.read(&mount.alternatives(&key)[0]), b"new");
    }
    let after = user
        .run("[os.stat(p(f'documents/{n}.pdf')).st_ino for n in ('scratch', 'draft', 'closed', 'empty')]");
    assert_eq!(before, after, "another file is under the name");
    for gone in ["s.part", "d.pdf", "c.pdf", "e.pdf"] {
        assert!(!mount.exists(&format!("documents/{gone}")), "{gone}");
    }
    drop(user);
    mount.stop();
    assert_eq!(mount.keys().len(), 7, "{:?}", mount.keys());
    assert!(mount.trash().is_empty());
}

fn s5_1_noreplace_and_exchange(kind: Kind) {
    let mut mount = Setup::new(kind)
        .config(FRESH)
        .object("documents/o.pdf", "old")
        .object("documents/o2.pdf", "old 2")
        .start();
    let mut user = mount.actor();
    user.run(
        "fd = os.open(p('documents/d.pdf'), WRITE_NEW); write_all(fd, b'd'); write(p('documents/s.part'), b's')\n\
         os.mkdir(p('rfp_exports/1')); os.mkdir(p('rfp_exports/2'))",
    );
    let files = ["o.pdf", "o2.pdf", "d.pdf", "s.part"];
    for from in files {
        for to in files.into_iter().filter(|to| *to != from) {
            let call = |flag: &str| format!("rename(p('documents/{from}'), p('documents/{to}'), {flag})");
            assert_eq!(user.fails(&call("RENAME_NOREPLACE")), "EEXIST", "{from} {to}");
            assert_eq!(user.fails(&call("RENAME_EXCHANGE")), "EINVAL", "{from} {to}");
        }
    }
    assert_eq!(user.fails("rename(p('rfp_exports/1'), p('rfp_exports/2'), RENAME_NOREPLACE)"), "EEXIST");
    assert_eq!(user.fails("rename(p('rfp_exports/1'), p('rfp_exports/2'), RENAME_EXCHANGE)"), "EINVAL");
    assert_eq!(mount.names("documents"), ["d.pdf", "o.pdf", "o2.pdf", "s.part"]);
    // where the name is free it is a rename
    user.run("rename(p('documents/d.pdf'), p('documents/e.pdf'), RENAME_NOREPLACE); os.close(fd)");
    user.run("rename(p('documents/s.part'), p('documents/f.pdf'), RENAME_NOREPLACE)");
    user.run("rename(p('documents/o.pdf'), p('documents/g.pdf'), RENAME_NOREPLACE)");
    user.run("rename(p('rfp_exports/1'), p('rfp_exports/3'), RENAME_NOREPLACE)");
    mount.stop();
    mount.expect_objects(&[
        ("documents/e.pdf", b"d"),
        ("documents/f.pdf", b"s"),
        ("documents/g.pdf", b"old"),
        ("documents/o2.pdf", b"old 2"),
    ]);
}

fn s5_4_object_is_renamed_by_copy_and_delete(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).object("documents/a.pdf", content(1, 5000)).start();
    let mut user = mount.actor();
    user.run("os.mkdir(p('rfp_exports/7'))");
    let before = user.run("(lambda s: [s.st_ino, s.st_size])(os.stat(p('documents/a.pdf')))");
    user.run("os.rename(p('documents/a.pdf'), p('documents/b.pdf'))");
    assert_eq!(mount.names("documents"), ["b.pdf"]);
    assert!(!mount.exists("documents/a.pdf"));
    assert_eq!(user.run("(lambda s: [s.st_ino, s.st_size])(os.stat(p('documents/b.pdf')))"), before);
    assert!(mount.read("documents/b.pdf") == content(1, 5000));
    eventually("the old key is gone", || mount.keys() == ["documents/b.pdf"]);
    // into another directory, and on from there at once
    user.run("os.rename(p('documents/b.pdf'), p('rfp_exports/7/c.pdf')); os.rename(p('rfp_exports/7/c.pdf'), p('rfp_exports/7/d.pdf'))");
    eventually("the old keys are gone", || mount.keys() == ["rfp_exports/7/d.pdf"]);
    assert!(mount.object("rfp_exports/7/d.pdf") == content(1, 5000));
    // without a copy in the trash: nothing is lost
    assert!(mount.trash().is_empty());
    if kind == Kind::S3 {
        let copies: Vec<_> = mount
            .server()
            .faults()
            .requests()
            .into_iter()
            .filter(|r| r.headers.contains_key("x-amz-copy-source") && !r.key.starts_with(".cairnfs/"))
            .collect();
        assert_eq!(copies.len(), 3);
        assert!(copies.iter().all(|r| r.headers.contains_key("x-amz-copy-source-if-match")
            && r.headers.contains_key("if-none-match")));
        let requests = mount.server().faults().requests();
        assert!(
            requests
                .iter()
                .filter(|r| r.method == "DELETE" && !r.key.starts_with(".cairnfs/"))
                .all(|r| r.headers.contains_key("if-match"))
        );
    }
    mount.stop();
}

fn s5_4_rename_of_an_object_onto_another_takes_a_suffix(kind: Kind) {
    let mut mount =
        Setup::new(kind).config(FRESH).object("documents/a.pdf", "a").object("documents/b.pdf", "b").start();
    let mut user = mount.actor();
    user.run("os.rename(p('documents/a.pdf'), p('documents/b.pdf'))");
    eventually("the old key is gone", || !mount.keys().contains(&"documents/a.pdf".to_owned()));
    mount.expect_objects(&[("documents/b.pdf", b"b"), ("documents/b_*.pdf", b"a")]);
    assert_eq!(mount.read("documents/b.pdf"), b"b");
    assert_eq!(mount.names("documents").len(), 2);
    // what another client has put there without our knowing counts as well
    user.run("write(p('documents/c.pdf'), b'c')");
    mount.put_object("documents/d.pdf", b"theirs");
    user.run("os.rename(p('documents/c.pdf'), p('documents/d.pdf'))");
    eventually("the old key is gone", || !mount.keys().contains(&"documents/c.pdf".to_owned()));
    assert_eq!(mount.object("documents/d.pdf"), b"theirs");
    assert_eq!(mount.alternative("documents/d.pdf"), b"c");
    // an empty file of somebody is filled by it
    mount.actor().run("os.mknod(p('documents/e.pdf'))");
    user.run("os.rename(p('documents/d.pdf'), p('documents/e.pdf'))");
    eventually("the old key is gone", || !mount.keys().contains(&"documents/d.pdf".to_owned()));
    assert_eq!(mount.object("documents/e.pdf"), b"theirs");
    // a saved draft that waits is not replaced either
    user.run(
        "fd = os.open(p('documents/f.pdf'), WRITE_NEW); e = os.dup(fd); write_all(fd, b'f'); os.close(fd)",
    );
    mount.actor().run("os.rename(p('documents/e.pdf'), p('documents/f.pdf'))");
    user.run("os.close(e)");
    eventually("the old key is gone", || !mount.keys().contains(&"documents/e.pdf".to_owned()));
    assert_eq!(
        (mount.object("documents/f.pdf"), mount.alternative("documents/f.pdf")),
        (b"f".to_vec(), b"theirs".to_vec())
    );
    assert!(mount.trash().is_empty());
    mount.stop();
}

/// 5.4: the store decides: another client takes the name, or changes the object, in the last moment.
#[test]
fn s5_4_conditions_of_the_copy_and_the_delete_hold() {
    let mut mount = Setup::new(Kind::S3)
        .config(FRESH)
        .object("documents/a.pdf", "a")
        .object("documents/c.pdf", "c")
        .object("documents/e.pdf", "e")
        .start();
    let mut user = mount.actor();
    let put = |mount: &crate::support::mount::TestMount, when: When, key: &'static str| {
        let server = std::sync::Arc::clone(mount.server());
        mount.server().faults().meanwhile(when, move || server.overwrite(BUCKET, key, b"theirs".as_slice()));
    };
    assert_eq!(mount.names("documents").len(), 3);
    put(&mount, When::method("PUT", "documents/b.pdf"), "documents/b.pdf");
    user.run("os.rename(p('documents/a.pdf'), p('documents/b.pdf'))");
    eventually("the old key is gone", || !mount.keys().contains(&"documents/a.pdf".to_owned()));
    assert_eq!(
        (mount.object("documents/b.pdf"), mount.alternative("documents/b.pdf")),
        (b"theirs".to_vec(), b"a".to_vec())
    );
    // the source is another version by now: it is not taken for what was renamed
    put(&mount, When::method("PUT", "documents/d.pdf"), "documents/c.pdf");
    let errno = user.fails("os.rename(p('documents/c.pdf'), p('documents/d.pdf'))");
    assert!(["ESTALE", "EIO"].contains(&errno.as_str()), "{errno}");
    assert_eq!(mount.object("documents/c.pdf"), b"theirs");
    assert_eq!(mount.read("documents/c.pdf"), b"theirs");
    assert!(!mount.exists("documents/d.pdf"));
    // and so for the delete: what came between is kept, under the old name
    put(&mount, When::method("DELETE", "documents/e.pdf"), "documents/e.pdf");
    user.run("os.rename(p('documents/e.pdf'), p('documents/f.pdf'))");
    eventually("the name is back", || mount.has_event(&["not-deleted", "documents/e.pdf"]));
    assert_eq!(mount.read("documents/e.pdf"), b"theirs");
    assert_eq!(
        (mount.object("documents/e.pdf"), mount.object("documents/f.pdf")),
        (b"theirs".to_vec(), b"e".to_vec())
    );
    mount.stop();
}

fn s5_4_open_handles_follow_a_renamed_object(kind: Kind) {
    let config = FRESH.replace("[read]", "[cache]\nmemory = \"1MiB\"\ndisk = \"1MiB\"\n[read]");
    let mut mount = Setup::new(kind).config(&config).object("documents/a.pdf", content(1, 3_000_000)).start();
    let (mut reader, mut user) = (mount.actor(), mount.actor());
    reader.run("fd = os.open(p('documents/a.pdf'), os.O_RDONLY); first = os.pread(fd, 1000, 0)");
    user.run("os.rename(p('documents/a.pdf'), p('documents/b.pdf'))");
    assert_eq!(reader.run("os.fstat(fd).st_ino == os.stat(p('documents/b.pdf')).st_ino"), true);
    // much more than the cache holds, so that it has to come from the store
    assert_eq!(
        reader
            .run("b''.join(os.pread(fd, 100_000, i * 100_000) for i in range(30)) == content(1, 3_000_000)"),
        true
    );
    assert_eq!(user.run("read(p('documents/b.pdf')) == content(1, 3_000_000)"), true);
    reader.run("os.close(fd)");
    eventually("the old key is gone", || mount.keys() == ["documents/b.pdf"]);
    mount.stop();
}

fn s5_4_other_domain_takes_what_its_rules_allow(kind: Kind) {
    let mut mount = Setup::new(kind)
        .config(FRESH)
        .object("documents/a.pdf", "a")
        .object("documents/b.csv", "b")
        .object("scraped/7/c.md", "c")
        .start();
    let mut user = mount.actor();
    user.run("for d in ('rfp_exports/7', 'rfp_question_documents/7'): os.mkdir(p(d))");
    for (from, to) in [
        ("documents/a.pdf", "rfp_question_documents/7/a.pdf"),
        ("documents/a.pdf", "orgs/logos/a.pdf"),
        ("documents/a.pdf", "rfp_exports/a.pdf"),
        ("documents/a.pdf", "a.pdf"),
        ("documents/a.pdf", "orgs/a.pdf"),
        ("scraped/7/c.md", "documents/c.md"),
        ("scraped/7/c.md", "scraped/7/d.md"),
    ] {
        assert_eq!(user.fails(&format!("os.rename(p('{from}'), p('{to}'))")), "EACCES", "{from} {to}");
        assert!(!mount.exists(to));
    }
    assert!(mount.has_event(&["refused", "rfp_question_documents/7/a.pdf", "xlsx"]));
    assert!(mount.has_event(&["refused", "scraped/7/c.md"]));
    user.run("os.rename(p('documents/b.csv'), p('rfp_question_documents/7/b.csv')); os.rename(p('documents/a.pdf'), p('rfp_exports/7/a.pdf'))");
    mount.stop();
    mount.expect_objects(&[
        ("rfp_question_documents/7/b.csv", b"b"),
        ("rfp_exports/7/a.pdf", b"a"),
        ("scraped/7/c.md", b"c"),
    ]);
}

/// 5.4: what one request cannot copy, or not safely, is left to tools that copy themselves.
#[test]
fn s5_4_what_cannot_be_copied_safely_is_exdev() {
    let mut mount = Setup::new(Kind::Dir).config(FRESH).object("documents/small.pdf", "x").start();
    let sparse = File::create(mount.store_file("documents/large.pdf")).unwrap();
    sparse.set_len((5 << 30) + 1).unwrap();
    let mut user = mount.actor();
    assert_eq!(user.fails("os.rename(p('documents/large.pdf'), p('documents/other.pdf'))"), "EXDEV");
    sparse.set_len(5 << 30).unwrap();
    assert_eq!(user.run("os.stat(p('documents/small.pdf')).st_size"), 1);
    mount.stop();
    // a store that would copy onto a taken name
    let mut mount = Setup::new(Kind::S3)
        .config(FRESH)
        .object("documents/a.pdf", "a")
        .server(|s| s.faults().ignore_copy_condition.store(true, Ordering::Relaxed))
        .start();
    assert_eq!(mount.actor().fails("os.rename(p('documents/a.pdf'), p('documents/b.pdf'))"), "EXDEV");
    sh("mv \"$1\" \"$2\"", &[&mount.path("documents/a.pdf"), &mount.path("documents/b.pdf")]);
    mount.stop();
    mount.expect_objects(&[("documents/b.pdf", b"a")]);
}

fn s5_4_tail_of_a_save_is_renamed_under_any_policy(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).start();
    let (mut user, mut other) = (mount.actor(), mount.actor());
    user.run("os.mkdir(p('scraped/7')); write(p('scraped/7/tmpa9ftlagq.md'), b'new'); write(p('scraped/7/tmpb9ftlagq.md'), b'newer')");
    assert_eq!(mount.keys().len(), 2, "it is a document there");
    assert_eq!(other.fails("os.rename(p('scraped/7/tmpa9ftlagq.md'), p('scraped/7/report.md'))"), "EACCES");
    user.run("os.rename(p('scraped/7/tmpa9ftlagq.md'), p('scraped/7/report.md'))");
    // onto a name that is taken by now
    user.run("os.rename(p('scraped/7/tmpb9ftlagq.md'), p('scraped/7/report.md'))");
    mount.stop();
    mount.expect_objects(&[("scraped/7/report.md", b"new"), ("scraped/7/report_*.md", b"newer")]);
}

/// How programs save: the object is moved to a scratch name, and its name is made again. `f` is its path, `new` the bytes;
/// in the end the program takes the old one away.
const SAVES: &[(&str, &str)] = &[
    (
        "Word",
        "write(d + '~WRD0001.tmp', new); os.rename(f, d + '~WRL0002.tmp'); os.rename(d + '~WRD0001.tmp', f); os.unlink(d + '~WRL0002.tmp')",
    ),
    (
        "qpdf",
        "write(f + '.~qpdf-temp#', new); os.rename(f, f + '.~qpdf-orig#'); os.rename(f + '.~qpdf-temp#', f); os.unlink(f + '.~qpdf-orig#')",
    ),
    ("vim", "os.rename(f, f + '~'); write(f, new); os.unlink(f + '~')"),
    ("emacs", "os.rename(f, f + '~'); write(f, new, os.O_WRONLY | os.O_CREAT | os.O_EXCL)"),
    (
        "Excel",
        "write(d + '0A1B2C3D', new); os.rename(f, d + '1234ABCD.tmp'); os.rename(d + '0A1B2C3D', f); os.unlink(d + '1234ABCD.tmp')",
    ),
    ("cp --backup=numbered", "os.rename(f, f + '.~1~'); write(f, new)"),
];

fn s5_5_saves_that_move_the_object_away_leave_it_and_take_a_suffix(kind: Kind) {
    let setup = (0..SAVES.len())
        .fold(Setup::new(kind).config(LATE), |s, n| s.object(&format!("documents/{n}.docx"), "old"));
    let mut mount = setup.start();
    for (number, (name, code)) in SAVES.iter().enumerate() {
        let key = format!("documents/{number}.docx");
        let mut user = mount.actor();
        user.run(&format!("d = p('documents/'); f = p('{key}'); new = b'new {number}'"));
        for step in code.split("; ") {
            user.run(step);
            if step.starts_with("os.rename(f, ") {
                assert!(!mount.exists(&key), "{name}: its name is still there");
                let moved = step.trim_start_matches("os.rename(f, ").trim_end_matches(')').to_owned();
                assert_eq!(user.run(&format!("read({moved}) == b'old'")), true, "{name}");
            }
            assert_eq!(mount.object(&key), b"old", "{name}: {step}");
        }
        assert_eq!(mount.read(&key), b"old", "{name}");
        assert_eq!(mount.alternative(&key), format!("new {number}").as_bytes(), "{name}");
        assert!(mount.has_event(&["put-back", &key]), "{name}");
    }
    mount.stop();
    assert_eq!(mount.keys().len(), 2 * SAVES.len());
    assert!(mount.trash().is_empty());
}

fn s5_5_object_moved_away_shows_again_when_it_is_not_made_again(kind: Kind) {
    let mut mount = Setup::new(kind)
        .config(FRESH)
        .object("documents/a.pdf", "old")
        .object("scraped/7/b.md", "old")
        .start();
    let mut user = mount.actor();
    // it deletes nothing, so no policy is in the way
    user.run("os.rename(p('documents/a.pdf'), p('documents/a.pdf~')); os.rename(p('scraped/7/b.md'), p('scraped/7/b.md~'))");
    assert_eq!(mount.read("documents/a.pdf~"), b"old");
    for key in ["documents/a.pdf", "scraped/7/b.md"] {
        eventually("it shows again", || mount.exists(key));
        assert!(mount.has_event(&["shown-again", key]));
        assert_eq!(mount.read(key), b"old");
    }
    // the copy is a local file like any other
    user.run("write(p('documents/a.pdf~'), b'changed'); os.unlink(p('scraped/7/b.md~'))");
    assert_eq!(mount.names("documents"), ["a.pdf", "a.pdf~"]);
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", b"old"), ("scraped/7/b.md", b"old")]);
    assert!(mount.trash().is_empty());
}

fn s5_5_object_moved_away_is_not_lost_by_a_kill(kind: Kind) {
    let mut mount = Setup::new(kind).config(LATE).object("documents/a.pdf", "old").start();
    mount.actor().run("os.rename(p('documents/a.pdf'), p('documents/a.pdf.~qpdf-orig#'))");
    mount.kill();
    mount.start();
    assert_eq!(mount.names("documents"), ["a.pdf.~qpdf-orig#"]);
    assert_eq!(mount.read("documents/a.pdf.~qpdf-orig#"), b"old");
    mount.stop();
    mount.start();
    assert_eq!(mount.names("documents"), ["a.pdf", "a.pdf.~qpdf-orig#"]);
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", b"old")]);
}

fn s5_5_another_process_that_makes_the_name_takes_a_suffix(kind: Kind) {
    let mut mount = Setup::new(kind).config(LATE).object("documents/a.pdf", "old").start();
    let mut user = mount.actor();
    user.run("os.rename(p('documents/a.pdf'), p('documents/a.pdf~'))");
    mount.actor().run("write(p('documents/a.pdf'), b'new')");
    mount.expect_objects(&[("documents/a.pdf", b"old"), ("documents/a_*.pdf", b"new")]);
    eventually("both are shown", || mount.names("documents").len() == 3);
    assert_eq!(mount.read("documents/a.pdf"), b"old");
    mount.stop();
}

fn s5_6_directories_without_objects_are_renamed_freely(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).object("rfp_exports/full/a.csv", "x").start();
    let mut user = mount.actor();
    user.run("for d in ('rfp_exports/1', 'rfp_exports/2', 'scraped/s/a/b'): os.makedirs(p(d))");
    user.run("write(p('rfp_exports/1/x.part'), b'x'); write(p('scraped/s/a/b/y.part'), b'y')");
    user.run("os.rename(p('rfp_exports/1'), p('rfp_exports/3')); os.rename(p('scraped/s'), p('scraped/t'))");
    assert_eq!(mount.names("rfp_exports"), ["2", "3", "full"]);
    assert_eq!(mount.read("rfp_exports/3/x.part"), b"x");
    assert_eq!(mount.read("scraped/t/a/b/y.part"), b"y");
    user.run("write(p('scraped/t/a/b/c.md'), b'c')"); // under its new path
    // onto an empty one; not onto a full one, nor a file, nor into itself
    user.run("os.rename(p('rfp_exports/3'), p('rfp_exports/2'))");
    user.run("os.mkdir(p('rfp_exports/4'))");
    for (to, errno) in [
        ("rfp_exports/full", "ENOTEMPTY"),
        ("rfp_exports/2", "ENOTEMPTY"),
        ("rfp_exports/2/x.part", "ENOTDIR"),
        ("rfp_exports/4/5", "EINVAL"),
        ("documents/4", "EACCES"),
        ("chunks/4/5", "ENOENT"),
        ("rfp_exports/full/4", "EACCES"),
    ] {
        assert_eq!(user.fails(&format!("os.rename(p('rfp_exports/4'), p('{to}'))")), errno, "{to}");
    }
    // into another domain, where its template has directories
    user.run("os.rename(p('rfp_exports/4'), p('chunks/4'))");
    mount.kill();
    mount.start();
    assert_eq!(mount.names("rfp_exports"), ["2", "full"]);
    assert_eq!(mount.names("chunks"), ["4"]);
    assert_eq!(mount.read("rfp_exports/2/x.part"), b"x");
    mount.stop();
    mount.expect_objects(&[("rfp_exports/full/a.csv", b"x"), ("scraped/t/a/b/c.md", b"c")]);
}

fn s5_6_directories_with_objects_are_copied_by_tools(kind: Kind) {
    let mut mount = Setup::new(kind)
        .config(FRESH)
        .object("rfp_exports/1/a.csv", "a")
        .object("tree/s/a/b/c/deep.md", "deep")
        .config(&format!("builtin_domains = true\n[[domain]]\nname = \"tree\"\ntemplate = \"tree/{{id}}/{{rest:path}}\"\n{FRESH}"))
        .start();
    let mut user = mount.actor();
    // also where nobody has looked at what is below
    for (from, to) in [
        ("rfp_exports/1", "rfp_exports/2"),
        ("tree/s", "tree/t"),
        ("tree/s/a", "tree/s/z"),
        ("tree/s/a/b", "tree/s/z"),
    ] {
        assert_eq!(user.fails(&format!("os.rename(p('{from}'), p('{to}'))")), "EXDEV", "{from}");
        assert!(!mount.exists(to), "{to}");
    }
    user.run("os.mkdir(p('rfp_exports/3')); fd = os.open(p('rfp_exports/3/d.csv'), WRITE_NEW); write_all(fd, b'd')");
    assert_eq!(user.fails("os.rename(p('rfp_exports/3'), p('rfp_exports/4'))"), "EXDEV", "a draft is in it");
    user.run("os.close(fd)");
    for (from, to) in [("rfp_exports/1", "rfp_exports/2"), ("tree/s", "tree/t")] {
        sh("mv \"$1\" \"$2\"", &[&mount.path(from), &mount.path(to)]);
        assert!(!mount.exists(from), "{from}");
    }
    assert_eq!(user.run("sorted(os.listdir(p('rfp_exports')))"), json!(["2", "3"]));
    mount.stop();
    mount.expect_objects(&[
        ("rfp_exports/2/a.csv", b"a"),
        ("rfp_exports/3/d.csv", b"d"),
        ("tree/t/a/b/c/deep.md", b"deep"),
    ]);
}

/// 5.4: the copy fails: nothing has happened.
#[test]
fn s5_4_refused_copy_leaves_the_object_where_it_is() {
    let mut mount = Setup::new(Kind::S3).config(FRESH).object("documents/a.pdf", "a").start();
    mount.server().faults().inject(
        When::method("PUT", "documents/b.pdf"),
        Fault::Status(403, "AccessDenied"),
        9,
    );
    assert_eq!(mount.actor().fails("os.rename(p('documents/a.pdf'), p('documents/b.pdf'))"), "EACCES");
    assert_eq!(mount.names("documents"), ["a.pdf"]);
    assert_eq!(mount.read("documents/a.pdf"), b"a");
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", b"a")]);
}
