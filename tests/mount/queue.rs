//! Semantics 3.4, 3.6, 3.11, 8.3, 10.2, 10.3: what is acknowledged waits for its maker, or for the store, and is never lost.

use std::fs;
use std::time::Duration;

use crate::support::actor::{Actor, sh};
use crate::support::mount::{Kind, Setup, TestMount, content, eventually, is_alternative};
use crate::support::s3server::{Fault, When};

/// Times for tests: what is waited for comes in seconds.
const QUICK: &str = "[write]\nfree_floor = \"1MiB\"\nclose_wait = \"20s\"\n[read]\ndeadline = \"3s\"\n";

/// From here on nobody answers.
fn cut(mount: &TestMount) {
    mount.server().faults().inject(When::default(), Fault::Cut, 1_000_000);
}

/// The store is back, and the mount has noticed.
fn restore(mount: &TestMount) {
    mount.server().faults().clear();
    eventually("the store is back", || {
        mount.exists("documents/whoever-asks.pdf");
        mount.status()["store_state"]["reachable"].as_bool().unwrap()
    });
}

/// Nothing acknowledged waits any more.
fn settled(mount: &TestMount) {
    eventually("nothing waits", || {
        ["waiting", "queued", "publishing"].iter().all(|state| mount.drafts(state) == 0)
    });
}

fn writer(mount: &TestMount, path: &str, seed: u64) {
    mount.actor().run(&format!("write(p('{path}'), content({seed}, 5000))"));
}

fn state_of(actor: &mut Actor, path: &str) -> String {
    actor.text(&format!("os.getxattr(p('{path}'), 'user.cairn.state').decode()"))
}

/// 3.11: while the store cannot be reached close succeeds, the file is there for everybody here, and is published when the
/// store answers again.
#[test]
fn s3_11_unreachable_store_queues_the_draft() {
    let mut mount = Setup::new(Kind::S3).config(QUICK).start();
    assert!(mount.names("documents").is_empty());
    cut(&mount);
    writer(&mount, "documents/a.pdf", 1);
    assert_eq!(mount.drafts("queued"), 1);
    assert_eq!(mount.names("documents"), ["a.pdf"]);
    assert!(mount.read("documents/a.pdf") == content(1, 5000));
    assert_eq!(state_of(&mut mount.actor(), "documents/a.pdf"), "queued");
    // opened and left as it is: it is still queued, once
    mount.actor().run("os.close(os.open(p('documents/a.pdf'), os.O_RDWR))");
    eventually("it is closed", || open_staging_files(&mount) == 0);
    assert_eq!(mount.log().matches("documents/a.pdf: queued").count(), 1, "{}", mount.log());
    assert!(mount.keys().is_empty());
    mount.server().faults().clear();
    settled(&mount);
    mount.expect_objects(&[("documents/a.pdf", &content(1, 5000))]);
    assert_eq!(state_of(&mut mount.actor(), "documents/a.pdf"), "object");
    mount.stop();
}

/// 3.11: what was acknowledged survives the daemon, and a mount of a store that still does not answer (10.2).
#[test]
fn s3_11_queue_survives_a_killed_daemon_and_a_mount_without_the_store() {
    let mut mount = Setup::new(Kind::S3).config(QUICK).start();
    writer(&mount, "documents/before.pdf", 9);
    cut(&mount);
    writer(&mount, "documents/a.pdf", 1);
    mount.kill();
    mount.start();
    assert!(mount.exists("documents/a.pdf"));
    assert!(mount.read("documents/a.pdf") == content(1, 5000));
    assert_eq!(mount.drafts("queued"), 1);
    mount.server().faults().clear();
    settled(&mount);
    let both: [(&str, &[u8]); 2] =
        [("documents/a.pdf", &content(1, 5000)), ("documents/before.pdf", &content(9, 5000))];
    mount.expect_objects(&both);
    mount.stop();
}

/// 3.11: of those that wait, however many, only the few that are on their way to the store hold a descriptor of the daemon;
/// a closed scratch file holds none.
#[test]
fn s3_11_files_that_wait_hold_no_descriptor() {
    let mut mount = Setup::new(Kind::S3).config(QUICK).start();
    cut(&mount);
    mount.actor().run("for i in range(40): write(p(f'documents/{i}.pdf'), b'content of %d' % i)");
    mount.actor().run("for i in range(40): write(p(f'documents/{i}.pdf.part'), b'scratch')");
    assert_eq!(mount.drafts("queued"), 40);
    eventually("they are closed", || open_staging_files(&mount) <= 4);
    mount.kill();
    mount.start();
    let size = "sum(os.stat(p(f'documents/{i}.pdf')).st_size for i in range(40))";
    assert_eq!(mount.actor().run(size), 510);
    assert!(open_staging_files(&mount) <= 4);
    mount.server().faults().clear();
    settled(&mount);
    let objects: Vec<_> =
        (0..40).map(|i| (format!("documents/{i}.pdf"), format!("content of {i}"))).collect();
    let objects: Vec<_> = objects.iter().map(|(key, data)| (key.as_str(), data.as_bytes())).collect();
    mount.expect_objects(&objects);
    mount.stop();
}

/// The same of what is made, or changed, without being opened.
#[test]
fn s3_11_files_that_nobody_has_opened_hold_no_descriptor() {
    let mut mount = Setup::new(Kind::Dir).object("documents/a.pdf", content(1, 5000)).start();
    let mut user = mount.actor();
    user.run("os.rename(p('documents/a.pdf'), p('documents/a.pdf~'))");
    user.run("os.mknod(p('documents/b.pdf'), 0o100644)");
    user.run("write(p('documents/c.part'), b'scratch'); os.truncate(p('documents/c.part'), 100)");
    user.run("write(p('documents/d.part'), b''); os.link(p('documents/d.part'), p('documents/d.pdf'))");
    eventually("none is open", || open_staging_files(&mount) == 0);
    assert!(mount.read("documents/a.pdf~") == content(1, 5000));
    mount.stop();
}

fn open_staging_files(mount: &TestMount) -> usize {
    let open = fs::read_dir(format!("/proc/{}/fd", mount.pid().as_raw_pid())).unwrap();
    let open = open.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
    open.filter(|file| file.starts_with(mount.state().join("staging"))).count()
}

/// 3.11, 3.14, 10.3: a draft whose content cannot be opened keeps the mount from nothing, and holds up no other. When it can
/// be, it is retried.
#[test]
fn s3_11_draft_that_cannot_be_opened_is_failed_and_the_others_are_published() {
    let mut mount = Setup::new(Kind::S3).config(QUICK).start();
    cut(&mount);
    writer(&mount, "documents/a.pdf", 1);
    let file = fs::read_dir(mount.state().join("staging")).unwrap().next().unwrap().unwrap().path();
    writer(&mount, "documents/b.pdf", 2);
    assert_eq!(mount.drafts("queued"), 2);
    mount.kill();
    let elsewhere = mount.host("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    fs::create_dir(&file).unwrap();
    mount.start();
    mount.server().faults().clear();
    eventually("the other is published", || mount.keys() == ["documents/b.pdf"]);
    eventually("it has failed", || mount.drafts("failed") == 1);
    assert_eq!(mount.names("documents"), ["a.pdf", "b.pdf"]);
    assert_eq!(mount.actor().fails("read(p('documents/a.pdf'))"), "EIO");
    assert!(mount.has_event(&["failed", "documents/a.pdf", "Is a directory"]));
    mount.stop();
    fs::remove_dir(&file).unwrap();
    fs::rename(&elsewhere, &file).unwrap();
    mount.start();
    let id = file.file_name().unwrap().to_str().unwrap();
    let retried = mount.cli(&["drafts", "retry", mount.path("").to_str().unwrap(), id]);
    assert!(retried.status.success(), "{}", String::from_utf8_lossy(&retried.stderr));
    eventually("it is published", || mount.keys().len() == 2);
    mount.expect_objects(&[("documents/a.pdf", &content(1, 5000)), ("documents/b.pdf", &content(2, 5000))]);
    mount.stop();
}

/// 3.13: never a short object, also where something has happened to the content after it was acknowledged.
#[test]
fn s3_13_draft_whose_content_is_not_whole_is_not_published() {
    let mut mount = Setup::new(Kind::S3).config(QUICK).start();
    cut(&mount);
    writer(&mount, "documents/a.pdf", 1);
    let file = fs::read_dir(mount.state().join("staging")).unwrap().next().unwrap().unwrap().path();
    fs::File::options().write(true).open(file).unwrap().set_len(100).unwrap();
    mount.server().faults().clear();
    eventually("it has failed", || mount.drafts("failed") == 1);
    assert!(mount.has_event(&["failed", "documents/a.pdf", "100 bytes, of 5000"]));
    assert!(mount.keys().is_empty());
    mount.stop();
}

/// 3.4: several that wait for the store under one name are published in the order of their closes; nobody's bytes are lost.
#[test]
fn s3_4_waiting_drafts_of_one_name_are_published_in_the_order_of_their_closes() {
    let mut mount = Setup::new(Kind::S3).config(QUICK).start();
    cut(&mount);
    for seed in 1..=4 {
        writer(&mount, "documents/a.pdf", seed);
    }
    assert_eq!(mount.drafts("queued"), 4);
    mount.server().faults().forget();
    mount.server().faults().clear();
    settled(&mount);
    let created: Vec<String> = mount
        .server()
        .faults()
        .requests()
        .into_iter()
        .filter(|r| r.method == "PUT" && r.key.starts_with("documents/"))
        .map(|r| r.key)
        .collect();
    let objects = mount.objects();
    let seeds: Vec<u64> = created
        .iter()
        .map(|key| (1..=4).find(|seed| objects[key] == content(*seed, 5000)).unwrap())
        .collect();
    assert_eq!(seeds, [1, 2, 3, 4], "{created:?}");
    assert_eq!(created[0], "documents/a.pdf");
    assert!(created[1..].iter().all(|key| is_alternative(key, "documents/a.pdf")), "{created:?}");
    mount.stop();
}

/// 3.4, 5.2: a saved draft counts as an object: who unlinks it and makes the name again gets a suffix, and both are kept.
#[test]
fn s3_4_saved_draft_that_another_unlinks_and_makes_again_is_put_back() {
    let mut mount = Setup::new(Kind::S3).config(QUICK).start();
    assert!(mount.names("documents").is_empty());
    cut(&mount);
    writer(&mount, "documents/a.pdf", 1);
    mount.actor().run("os.unlink(p('documents/a.pdf')); write(p('documents/a.pdf'), content(2, 5000))");
    assert!(mount.read("documents/a.pdf") == content(1, 5000));
    assert_eq!(mount.names("documents").len(), 2);
    mount.server().faults().clear();
    eventually("published", || mount.keys().len() == 2);
    assert!(mount.object("documents/a.pdf") == content(1, 5000));
    assert!(mount.alternative("documents/a.pdf") == content(2, 5000));
    mount.stop();
}

/// 3.4, 5.2, 5.3: deleted for good, its name is gone at once, it never becomes an object, and its content is kept for
/// `cairnfs drafts` under the policy `trash`.
#[test]
fn s3_4_saved_draft_that_is_deleted_is_not_published_and_kept_aside() {
    let mut mount =
        Setup::new(Kind::S3).config(&QUICK.replace("[read]", "delete_after = \"1s\"\n[read]")).start();
    assert!(mount.names("documents").is_empty());
    cut(&mount);
    writer(&mount, "documents/a.pdf", 1);
    mount.actor().run("os.unlink(p('documents/a.pdf'))");
    assert!(mount.names("documents").is_empty());
    eventually("kept aside", || mount.drafts("interrupted") == 1);
    restore(&mount);
    settled(&mount);
    mount.stop();
    assert!(mount.keys().is_empty());
}

/// 3.11: `when_unreachable = "fail"`: close says so, the draft is kept, out of the directory.
#[test]
fn s3_11_when_unreachable_fail_fails_the_close_and_keeps_the_draft() {
    let config = QUICK.replace("[read]", "when_unreachable = \"fail\"\n[read]");
    let mut mount = Setup::new(Kind::S3).config(&config).start();
    let mut actor = mount.actor();
    actor.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW); write_all(fd, content(1, 5000))");
    cut(&mount);
    assert_eq!(actor.fails("os.close(fd)"), "EIO");
    assert!(mount.keys().is_empty());
    assert_eq!(mount.drafts("failed"), 1);
    restore(&mount);
    actor.run("write(p('documents/a.pdf'), content(2, 5000))");
    mount.expect_objects(&[("documents/a.pdf", &content(2, 5000))]);
    mount.stop_with_code();
}

/// 3.11: a refusal that comes after the close was acknowledged makes the draft failed, and it stays visible.
#[test]
fn s3_11_later_refusal_makes_a_queued_draft_failed_and_visible() {
    let mut mount = Setup::new(Kind::S3).config(QUICK).start();
    assert!(mount.names("documents").is_empty());
    cut(&mount);
    writer(&mount, "documents/a.pdf", 1);
    mount.server().faults().clear();
    mount.server().faults().inject(When::method("PUT", "documents/"), Fault::Status(403, "AccessDenied"), 9);
    eventually("refused", || mount.drafts("failed") == 1);
    assert_eq!(mount.names("documents"), ["a.pdf"]);
    assert!(mount.read("documents/a.pdf") == content(1, 5000));
    assert_eq!(state_of(&mut mount.actor(), "documents/a.pdf"), "failed");
    assert!(mount.has_event(&["failed", "documents/a.pdf"]));
    mount.stop_with_code();
}

/// 4.3: a create whose answer was lost, and that nobody could ask about for a while, is recognised as our own.
#[test]
fn s4_3_create_with_a_lost_answer_before_an_outage_makes_one_object() {
    let mut mount = Setup::new(Kind::S3).config(QUICK).start();
    let mut actor = mount.actor();
    actor.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW); write_all(fd, content(1, 5000))");
    mount.server().faults().inject(When::method("PUT", "documents/"), Fault::CutAfterDoing, 1);
    cut(&mount);
    actor.run("os.close(fd)");
    assert_eq!(mount.drafts("queued"), 1);
    assert_eq!(mount.keys(), ["documents/a.pdf"], "the server did it");
    mount.server().faults().clear();
    settled(&mount);
    mount.expect_objects(&[("documents/a.pdf", &content(1, 5000))]);
    mount.stop();
}

/// 10.3: what cannot be published is counted, kept, and published at the next mount.
#[test]
fn s10_3_umount_without_the_store_says_what_is_left_and_the_next_mount_publishes_it() {
    let config = QUICK.replace("[read]", "drain = \"2s\"\n[read]");
    let mut mount = Setup::new(Kind::S3).config(&config).start();
    cut(&mount);
    writer(&mount, "documents/a.pdf", 1);
    writer(&mount, "documents/b.pdf", 2);
    assert_ne!(mount.stop_with_code(), 0);
    assert!(mount.log().contains("2 files are not published"), "{}", mount.log());
    mount.server().faults().clear();
    mount.start();
    eventually("published", || mount.keys().len() == 2);
    let both: [(&str, &[u8]); 2] =
        [("documents/a.pdf", &content(1, 5000)), ("documents/b.pdf", &content(2, 5000))];
    mount.expect_objects(&both);
    mount.stop();
}

/// 8.3: a store that is known to be down is not waited for: names never seen are ENOENT, directories never listed EIO, and
/// nothing of it is sent.
#[test]
fn s8_3_calls_answer_at_once_while_the_store_is_known_to_be_down() {
    let mut mount = Setup::new(Kind::S3).config(QUICK).object("documents/old.pdf", b"old").start();
    let mut actor = mount.actor();
    assert_eq!(actor.text("os.listdir(p('documents'))[0]"), "old.pdf");
    cut(&mount);
    eventually("known to be down", || {
        assert_eq!(actor.fails("os.stat(p('documents/never-seen-%d.pdf' % time.monotonic_ns()))"), "ENOENT");
        !mount.status()["store_state"]["reachable"].as_bool().unwrap()
            && mount.log().contains("cannot be reached")
    });
    writer(&mount, "documents/queued.pdf", 1); // waits until the store is known to be down
    mount.server().faults().forget();
    for n in 0..50 {
        assert_eq!(actor.fails(&format!("os.stat(p('documents/n{n}.pdf'))")), "ENOENT");
        assert_eq!(actor.fails("os.listdir(p('rfp_exports'))"), "EIO");
        assert_eq!(actor.fails("read(p('documents/old.pdf'))"), "EIO");
        assert_eq!(actor.text("sorted(os.listdir(p('documents')))[0]"), "old.pdf");
    }
    let asked = mount.server().faults().requests();
    assert!(asked.iter().all(|r| r.key.is_empty()), "only whether it is back is asked: {asked:?}");
    mount.server().faults().clear();
    eventually("back", || mount.status()["store_state"]["reachable"].as_bool().unwrap());
    assert!(mount.read("documents/old.pdf") == b"old", "nothing was taken for deleted");
    settled(&mount);
    mount.stop();
}

const PATIENT: &str = "[write]\nfree_floor = \"1MiB\"\npublish_after = \"1s\"\n";

/// 3.6: close returns when the draft is durable; it is published when nobody has had it open for writing for that long.
fn s3_6_closed_draft_waits_for_publish_after(kind: Kind) {
    let mut mount = Setup::new(kind).config(&PATIENT.replace("1s", "3s")).start();
    let mut actor = mount.actor();
    actor.run("write(p('documents/a.pdf'), content(1, 5000))");
    assert!(mount.keys().is_empty(), "it is published at once");
    assert_eq!(state_of(&mut actor, "documents/a.pdf"), "waiting");
    actor.run("fd = os.open(p('documents/a.pdf'), os.O_WRONLY | os.O_APPEND); write_all(fd, b'more')");
    std::thread::sleep(Duration::from_secs(4));
    assert!(mount.keys().is_empty(), "it is published while it is open for writing");
    actor.run("os.close(fd)");
    eventually("published", || !mount.keys().is_empty());
    let whole = [content(1, 5000).as_slice(), b"more"].concat();
    mount.expect_objects(&[("documents/a.pdf", &whole)]);
    mount.stop();
}

/// 3.6: until then its maker, a user, rewrites, renames and deletes it freely, in as many processes as he likes.
fn s3_6_maker_changes_a_waiting_draft_freely(kind: Kind) {
    let mut mount = Setup::new(kind).config(&PATIENT.replace("1s", "20s")).start();
    writer(&mount, "documents/a.pdf", 1);
    writer(&mount, "documents/a.pdf", 2); // another process: O_TRUNC of the same draft
    writer(&mount, "documents/gone.pdf", 3);
    mount.actor().run("os.unlink(p('documents/gone.pdf'))");
    writer(&mount, "documents/b.pdf", 4);
    mount.actor().run("os.rename(p('documents/b.pdf'), p('documents/c.pdf'))");
    writer(&mount, "documents/d.pdf", 5);
    writer(&mount, "documents/e.pdf", 6);
    mount.actor().run("os.rename(p('documents/d.pdf'), p('documents/e.pdf'))"); // a save: e.pdf is replaced
    assert_eq!(mount.names("documents"), ["a.pdf", "c.pdf", "e.pdf"]);
    mount.stop(); // publishes what waits (10.3)
    let three: [(&str, &[u8]); 3] = [
        ("documents/a.pdf", &content(2, 5000)),
        ("documents/c.pdf", &content(4, 5000)),
        ("documents/e.pdf", &content(5, 5000)),
    ];
    mount.expect_objects(&three);
}

/// 3.6: opens of an object's name for writing by the same user reach the draft that he has beside it.
fn s3_6_object_opened_several_times_gets_one_draft_beside_it(kind: Kind) {
    let mut mount =
        Setup::new(kind).config(&PATIENT.replace("1s", "20s")).object("documents/a.pdf", b"old").start();
    writer(&mount, "documents/a.pdf", 1);
    mount.actor().run(
        "fd = os.open(p('documents/a.pdf'), os.O_WRONLY | os.O_APPEND); write_all(fd, b'more'); os.close(fd)",
    );
    assert!(mount.read("documents/a.pdf") == b"old");
    mount.stop();
    let whole = [content(1, 5000).as_slice(), b"more"].concat();
    assert!(mount.object("documents/a.pdf") == b"old");
    assert!(mount.alternative("documents/a.pdf") == whole);
    assert_eq!(mount.keys().len(), 2);
}

/// 3.6: so do opens that come without the name (Samba), as often as they like; and others read the draft by its own name.
fn s3_6_object_opened_several_times_without_its_name_gets_one_draft(kind: Kind) {
    let mut mount =
        Setup::new(kind).config(&PATIENT.replace("1s", "20s")).object("documents/a.pdf", b"old").start();
    let mut reader = mount.actor();
    for seed in 1..=4 {
        // each as a process of its own, and the object's pages are in the kernel's memory every time
        mount.actor().run(&format!(
            "assert read(p('documents/a.pdf')) == b'old'\n\
            r = os.open(p('documents/a.pdf'), os.O_PATH | os.O_NOFOLLOW); ino = os.fstat(r).st_ino\n\
            fd = os.open('/proc/self/fd/%d' % r, os.O_RDWR); assert os.fstat(fd).st_ino == ino\n\
            os.close(r); os.ftruncate(fd, 0); write_all(fd, content({seed}, 50000 - {seed})); os.close(fd)"
        ));
        assert!(reader.run("read(p('documents/a.pdf')) == b'old'") == true);
        let names = mount.names("documents");
        assert_eq!(names.len(), 2, "{names:?}");
        let own = names.iter().find(|n| *n != "a.pdf").unwrap();
        let same = format!("read(p('documents/{own}')) == content({seed}, 50000 - {seed})");
        assert!(reader.run(&same) == true, "{seed}");
    }
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", b"old"), ("documents/a_*.pdf", &content(4, 50000 - 4))]);
}

/// 6.1: what is renamed to a scratch name while it waits stays on this host.
fn s3_6_waiting_draft_with_a_scratch_name_is_not_published(kind: Kind) {
    let mut mount = Setup::new(kind).config(PATIENT).start();
    writer(&mount, "documents/a.pdf", 1);
    writer(&mount, "documents/b.pdf", 2);
    mount.actor().run("os.rename(p('documents/a.pdf'), p('documents/a.pdf.part'))");
    eventually("what waited as long is published", || mount.keys() == ["documents/b.pdf"]);
    assert_eq!(mount.names("documents"), ["a.pdf.part", "b.pdf"]);
    mount.stop();
    assert_eq!(mount.keys(), ["documents/b.pdf"]);
}

/// 3.3: also where it got a suffix, since its name had been taken away by the same process.
fn s3_6_linked_file_is_listed_while_it_waits(kind: Kind) {
    let mut mount =
        Setup::new(kind).config(&PATIENT.replace("1s", "20s")).object("documents/a.pdf", b"old").start();
    mount.actor().run(
        "write(p('documents/x.part'), b'new'); os.unlink(p('documents/a.pdf'))\n\
         os.link(p('documents/x.part'), p('documents/a.pdf')); os.unlink(p('documents/x.part'))",
    );
    let names = mount.names("documents");
    assert_eq!(names.len(), 2, "{names:?}");
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", b"old"), ("documents/a_*.pdf", b"new")]);
}

/// 3.6: a waiting draft is durable: a killed daemon does not lose it.
fn s3_6_waiting_draft_survives_a_killed_daemon(kind: Kind) {
    let mut mount = Setup::new(kind).config(&PATIENT.replace("1s", "20s")).start();
    sh("cp \"$1\" \"$2\"", &[&mount.host_file("x", &content(1, 5000)), &mount.path("documents/a.pdf")]);
    assert!(mount.keys().is_empty());
    mount.kill();
    mount.start();
    assert!(mount.read("documents/a.pdf") == content(1, 5000));
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", &content(1, 5000))]);
}

on_both_stores!(
    s3_6_closed_draft_waits_for_publish_after,
    s3_6_waiting_draft_with_a_scratch_name_is_not_published,
    s3_6_linked_file_is_listed_while_it_waits,
    s3_6_maker_changes_a_waiting_draft_freely,
    s3_6_object_opened_several_times_gets_one_draft_beside_it,
    s3_6_object_opened_several_times_without_its_name_gets_one_draft,
    s3_6_waiting_draft_survives_a_killed_daemon,
);

/// 9.6: while nothing can be published, what staging takes is the limit.
#[test]
fn s9_6_free_is_what_staging_takes_while_the_store_is_silent() {
    let config = QUICK.replace("[write]", "[write]\nstaging_budget = \"64MiB\"");
    let mut mount = Setup::new(Kind::S3).config(&config).start();
    let mut actor = mount.actor();
    let free = "(lambda s: s.f_bavail * s.f_frsize)(os.statvfs(p('documents')))";
    assert_eq!(actor.run(free), 1_u64 << 50);
    cut(&mount);
    actor.run("write(p('documents/a.pdf'), content(1, 10 << 20))");
    let left = actor.run(free).as_u64().unwrap();
    assert!((50 << 20..=54 << 20).contains(&left), "{left}");
    restore(&mount);
    assert_eq!(actor.run(free), 1_u64 << 50);
    mount.stop();
}
