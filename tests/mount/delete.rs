//! Sentences 5.2 and 5.3: deleting objects. The name goes at once, the object later, and only that version.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::FRESH;
use crate::support::mount::{BUCKET, Kind, Setup, TestMount, content, eventually, is_alternative};
use crate::support::s3server::{Fault, When};

on_both_stores! {
    s5_2_refuse_keeps_the_object,
    s5_2_allow_deletes_without_a_copy,
    s5_2_name_vanishes_at_once_and_the_store_is_touched_later,
    s5_2_object_stays_until_its_last_handle_is_closed,
    s5_2_same_process_that_makes_the_name_again_gets_a_suffix,
    s5_2_new_file_of_another_process_takes_the_plain_name,
    s5_3_changed_version_is_not_deleted,
    s5_3_pending_delete_survives_a_kill,
    s5_3_pending_delete_is_carried_out_before_umount_returns,
    s5_3_copy_carries_bytes_and_metadata,
}

/// Deletes wait for an hour: only a stop carries them out.
const LATE: &str =
    "[write]\nfree_floor = \"1MiB\"\ndelete_after = \"1h\"\n[read]\nlist_ttl = \"0s\"\nmiss_ttl = \"0s\"\n";
/// Three policies side by side.
const POLICIES: &str = "[[domain]]\nname = \"keep\"\ntemplate = \"keep/{filename}\"\ndelete = \"refuse\"\n\
                        [[domain]]\nname = \"trash\"\ntemplate = \"trash/{filename}\"\ndelete = \"trash\"\n\
                        [[domain]]\nname = \"gone\"\ntemplate = \"gone/{filename}\"\ndelete = \"allow\"\n";

fn s5_2_refuse_keeps_the_object(kind: Kind) {
    let config = format!("{POLICIES}{FRESH}");
    let mut mount = Setup::new(kind).config(&config).object("keep/a", "old").start();
    let mut user = mount.actor();
    assert_eq!(user.fails("os.unlink(p('keep/a'))"), "EACCES");
    assert!(mount.has_event(&["refused", "keep/a"]));
    assert_eq!(mount.read("keep/a"), b"old");
    // what is no object is still its maker's
    user.run("fd = os.open(p('keep/draft'), WRITE_NEW); os.unlink(p('keep/draft')); os.close(fd)");
    user.run("write(p('keep/x.part'), b'x'); os.unlink(p('keep/x.part'))");
    assert_eq!(mount.names("keep"), ["a"]);
    mount.stop();
    mount.expect_objects(&[("keep/a", b"old")]);
}

fn s5_2_allow_deletes_without_a_copy(kind: Kind) {
    let config = format!("{POLICIES}{FRESH}");
    let mut mount = Setup::new(kind).config(&config).object("gone/a", "old").object("trash/a", "old").start();
    mount.actor().run("os.unlink(p('gone/a')); os.unlink(p('trash/a'))");
    eventually("both are gone", || mount.keys().is_empty());
    assert_eq!(mount.trash(), [("trash/a".to_owned(), b"old".to_vec())]);
    mount.stop();
}

fn s5_2_name_vanishes_at_once_and_the_store_is_touched_later(kind: Kind) {
    let config = FRESH.replace("delete_after = \"0s\"", "delete_after = \"2s\"");
    let mut mount = Setup::new(kind).config(&config).object("documents/a.pdf", "old").start();
    let (mut user, mut other) = (mount.actor(), mount.actor());
    assert_eq!(other.run("os.listdir(p('documents'))"), serde_json::json!(["a.pdf"]));
    let before = Instant::now();
    user.run("os.unlink(p('documents/a.pdf'))");
    for actor in [&mut user, &mut other] {
        assert_eq!(actor.fails("os.stat(p('documents/a.pdf'))"), "ENOENT");
        assert_eq!(actor.fails("os.open(p('documents/a.pdf'), os.O_RDONLY)"), "ENOENT");
        assert_eq!(actor.fails("os.unlink(p('documents/a.pdf'))"), "ENOENT");
        // also where the listing, which has it still, is asked for again
        assert_eq!(actor.run("os.listdir(p('documents'))"), serde_json::json!([]));
    }
    assert_eq!(mount.keys(), ["documents/a.pdf"]);
    eventually("the object is gone", || mount.keys().is_empty());
    assert!(before.elapsed() >= Duration::from_secs(2), "after {:?}", before.elapsed());
    assert_eq!(mount.trash().len(), 1);
    mount.stop();
}

fn s5_2_object_stays_until_its_last_handle_is_closed(kind: Kind) {
    let data = content(1, 300_000);
    let mut mount = Setup::new(kind)
        .config(&FRESH.replace("[read]", "[cache]\nmemory = \"1MiB\"\ndisk = \"1MiB\"\n[read]"))
        .object("documents/open.pdf", &data)
        .object("documents/mapped.pdf", &data)
        .object("documents/shut.pdf", "x")
        .start();
    let (mut reader, mut other) = (mount.actor(), mount.actor());
    reader.run("fd = os.open(p('documents/open.pdf'), os.O_RDONLY); b = os.open(p('documents/mapped.pdf'), os.O_RDONLY)");
    reader.run("m = mmap.mmap(b, 0, prot=mmap.PROT_READ); os.close(b)");
    other.run("for n in ['open', 'mapped', 'shut']: os.unlink(p(f'documents/{n}.pdf'))");
    assert!(mount.names("documents").is_empty());
    // the same look that takes this one has left the others
    eventually("the one is gone", || mount.keys() == ["documents/mapped.pdf", "documents/open.pdf"]);
    assert_eq!(reader.run("os.pread(fd, 1_000_000, 0) == content(1, 300_000) == m[:]"), true);
    assert_eq!(reader.run("os.fstat(fd).st_size"), 300_000);
    reader.run("os.close(fd)");
    eventually("the second is gone, too", || mount.keys() == ["documents/mapped.pdf"]);
    assert_eq!(reader.run("m[:] == content(1, 300_000)"), true);
    reader.run("m.close()");
    eventually("and the third", || mount.keys().is_empty());
    mount.stop();
}

/// How programs make a name again that they have unlinked; `f` is the path and `new` the bytes.
const AGAIN: &[(&str, &str)] = &[
    ("create", "write(f, new)"),
    ("O_EXCL", "write(f, new, os.O_WRONLY | os.O_CREAT | os.O_EXCL)"),
    ("no O_TRUNC", "write(f, new, os.O_WRONLY | os.O_CREAT)"),
    ("append", "write(f, new, os.O_WRONLY | os.O_CREAT | os.O_APPEND)"),
    ("rename", "write(f + '.part', new); os.rename(f + '.part', f)"),
    ("rename of a draft", "os.rename(d, f); write_all(fd, new); os.close(fd)"),
    ("link", "write(f + '.part', new); os.link(f + '.part', f); os.unlink(f + '.part')"),
    ("a child that dies", "assert in_child(lambda: None) == 0; write(f, new)"),
];

fn s5_2_same_process_that_makes_the_name_again_gets_a_suffix(kind: Kind) {
    let setup = (0..AGAIN.len())
        .fold(Setup::new(kind).config(LATE), |s, n| s.object(&format!("documents/{n}.pdf"), "old"));
    let mut mount = setup.start();
    let mut user = mount.actor();
    for (number, (name, code)) in AGAIN.iter().enumerate() {
        let key = format!("documents/{number}.pdf");
        user.run(&format!("f = p('{key}'); d = p('documents/d{number}.pdf'); new = content({number}, 5000)"));
        if code.contains("rename(d") {
            user.run("fd = os.open(d, WRITE_NEW)");
        }
        user.run("os.unlink(f)");
        assert!(!mount.exists(&key));
        user.run(code);
        assert!(mount.object(&key) == b"old", "'{name}' changed the object");
        assert!(mount.read(&key) == b"old", "'{name}': the old object is not back under its name");
        assert!(mount.alternative(&key) == content(number as u64, 5000), "'{name}' has other bytes");
        assert!(mount.has_event(&["put-back", &key]), "'{name}' is not told");
    }
    mount.stop();
    assert_eq!(mount.keys().len(), 2 * AGAIN.len());
    assert!(mount.trash().is_empty(), "what was put back was deleted all the same");
}

fn s5_2_new_file_of_another_process_takes_the_plain_name(kind: Kind) {
    let mut mount = Setup::new(kind)
        .config(LATE)
        .object("documents/a.pdf", "old")
        .object("documents/b.pdf", "old")
        .start();
    let (mut one, mut two) = (mount.actor(), mount.actor());
    one.run("os.unlink(p('documents/a.pdf')); os.unlink(p('documents/b.pdf'))");
    two.run("write(p('documents/a.pdf'), b'new')");
    two.run("write(p('documents/b.pdf.part'), b'new'); os.rename(p('documents/b.pdf.part'), p('documents/b.pdf'))");
    mount.expect_objects(&[("documents/a.pdf", b"new"), ("documents/b.pdf", b"new")]);
    assert_eq!(mount.trash().len(), 2);
    assert!(mount.trash().iter().all(|(_, data)| data == b"old"));
    assert_eq!(mount.names("documents"), ["a.pdf", "b.pdf"]);
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", b"new"), ("documents/b.pdf", b"new")]);
}

/// 5.3: a delete means one version, whoever has put another one there meanwhile.
fn s5_3_changed_version_is_not_deleted(kind: Kind) {
    let config = format!("{POLICIES}{LATE}");
    let mut mount = Setup::new(kind).config(&config).object("trash/a", "old").object("gone/a", "old").start();
    mount.actor().run("os.unlink(p('trash/a')); os.unlink(p('gone/a'))");
    for key in ["trash/a", "gone/a"] {
        assert!(!mount.exists(key));
        mount.put_object(key, b"theirs");
    }
    // another version is another file: it is shown as soon as somebody looks
    for key in ["trash/a", "gone/a"] {
        assert_eq!(mount.read(key), b"theirs");
    }
    mount.stop();
    mount.expect_objects(&[("trash/a", b"theirs"), ("gone/a", b"theirs")]);
    assert!(mount.trash().is_empty());
    mount.start();
    assert_eq!(mount.read("trash/a"), b"theirs");
    mount.stop();
}

/// 5.3: and where it is put in the very last moment, the condition in the request decides; the name comes back.
#[test]
fn s5_3_version_that_changes_at_the_last_moment_is_not_deleted() {
    let config = format!("{POLICIES}{FRESH}");
    let mut mount =
        Setup::new(Kind::S3).config(&config).object("trash/a", "old").object("gone/a", "old").start();
    for key in ["trash/a", "gone/a"] {
        let server = std::sync::Arc::clone(mount.server());
        let put = move || server.overwrite(BUCKET, key, b"theirs".as_slice());
        mount.server().faults().meanwhile(When::method("DELETE", key), put);
    }
    mount.actor().run("os.unlink(p('trash/a')); os.unlink(p('gone/a'))");
    for key in ["trash/a", "gone/a"] {
        eventually("its name is back", || mount.exists(key));
        assert_eq!(mount.read(key), b"theirs");
        assert!(mount.has_event(&["not-deleted", key]));
    }
    let deletes: Vec<_> = mount
        .server()
        .faults()
        .requests()
        .into_iter()
        .filter(|r| r.method == "DELETE" && !r.key.starts_with(".cairnfs"))
        .collect();
    assert!(deletes.iter().all(|r| r.headers.contains_key("if-match") && r.status == 412), "{deletes:?}");
    mount.stop();
    mount.expect_objects(&[("trash/a", b"theirs"), ("gone/a", b"theirs")]);
}

/// 5.3: on a store without conditional delete the look just before is all.
#[test]
fn s5_3_store_without_conditional_delete_is_looked_at_just_before() {
    let mut mount = Setup::new(Kind::S3)
        .config(&format!("{POLICIES}{LATE}"))
        .object("gone/a", "old")
        .object("gone/b", "old")
        .object("trash/a", "old")
        .server(|s| s.faults().ignore_delete_condition.store(true, Ordering::Relaxed))
        .start();
    mount.actor().run("os.unlink(p('gone/a')); os.unlink(p('gone/b')); os.unlink(p('trash/a'))");
    mount.put_object("gone/a", b"theirs");
    mount.put_object("trash/a", b"theirs");
    mount.stop();
    mount.expect_objects(&[("gone/a", b"theirs"), ("trash/a", b"theirs")]);
    assert!(mount.trash().is_empty());
}

/// 5.3: the store refuses: the name comes back, with an event.
#[test]
fn s5_3_refused_delete_gives_the_name_back() {
    let mut mount = Setup::new(Kind::S3).config(FRESH).object("documents/a.pdf", "old").start();
    mount.server().faults().inject(
        When::method("DELETE", "documents/"),
        Fault::Status(403, "AccessDenied"),
        9,
    );
    mount.actor().run("os.unlink(p('documents/a.pdf'))");
    eventually("its name is back", || mount.exists("documents/a.pdf"));
    assert!(mount.has_event(&["not-deleted", "documents/a.pdf"]));
    assert_eq!(mount.read("documents/a.pdf"), b"old");
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", b"old")]);
}

/// 5.3: no copy, no delete.
#[test]
fn s5_3_object_that_cannot_be_copied_is_not_deleted() {
    let mut mount = Setup::new(Kind::S3).config(FRESH).object("documents/a.pdf", "old").start();
    mount.server().faults().inject(
        When::method("PUT", ".cairnfs/trash/"),
        Fault::Status(403, "AccessDenied"),
        9,
    );
    mount.actor().run("os.unlink(p('documents/a.pdf'))");
    eventually("its name is back", || mount.exists("documents/a.pdf"));
    assert!(mount.has_event(&["not-deleted", "documents/a.pdf"]));
    // one that may work later is tried later
    mount.server().faults().clear();
    mount.server().faults().inject(
        When::method("PUT", ".cairnfs/trash/"),
        Fault::Status(503, "ServiceUnavailable"),
        9,
    );
    mount.actor().run("os.unlink(p('documents/a.pdf'))");
    eventually("it was tried", || mount.log().contains("the delete waits"));
    assert_eq!(mount.keys(), ["documents/a.pdf"]);
    assert_eq!(mount.server().faults().count("DELETE", "documents/"), 0);
    mount.server().faults().clear();
    eventually("it is carried out", || mount.keys().is_empty() && mount.trash().len() == 1);
    mount.stop();
}

fn s5_3_pending_delete_survives_a_kill(kind: Kind) {
    let mut mount = Setup::new(kind).config(LATE).object("documents/a.pdf", "old").start();
    mount.actor().run("os.unlink(p('documents/a.pdf'))");
    mount.kill();
    mount.start();
    assert!(!mount.exists("documents/a.pdf"));
    assert!(mount.names("documents").is_empty(), "the listing, which has it, has shown it again");
    assert_eq!(mount.status()["deletes_pending"].as_u64(), Some(1), "{}", mount.status());
    assert_eq!(mount.keys(), ["documents/a.pdf"]);
    mount.stop();
    assert!(mount.keys().is_empty());
    assert_eq!(mount.trash(), [("documents/a.pdf".to_owned(), b"old".to_vec())]);
}

fn s5_3_pending_delete_is_carried_out_before_umount_returns(kind: Kind) {
    let mount = Setup::new(kind).config(LATE).object("documents/a.pdf", "old").start();
    mount.actor().run("os.unlink(p('documents/a.pdf'))");
    assert_eq!(mount.keys(), ["documents/a.pdf"]);
    let out = mount.cli(&["umount", mount.path("").to_str().unwrap()]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(mount.keys().is_empty());
    assert_eq!(mount.trash().len(), 1);
}

/// 5.3: `<time>-<random>/<key>`, with what was known of the file, and only then the delete.
fn s5_3_copy_carries_bytes_and_metadata(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).start();
    let mut user = mount.actor();
    user.run("os.mkdir(p('rfp_exports/7')); write(p('rfp_exports/7/ä b.csv'), content(1, 5000))");
    user.run("os.unlink(p('rfp_exports/7/ä b.csv'))");
    eventually("it is in the trash", || mount.keys().is_empty());
    let copies = mount.objects_below(".cairnfs/trash");
    assert_eq!(copies.len(), 1);
    let (key, data) = copies.first_key_value().unwrap();
    assert!(*data == content(1, 5000));
    let mut parts = key.splitn(4, '/');
    let place = parts.nth(2).unwrap();
    let (time, random) = place.split_once('-').unwrap();
    assert!(time.len() == 16 && time.ends_with('Z') && random.len() == 7, "{key}");
    assert_eq!(parts.next(), Some("rfp_exports/7/ä b.csv"));
    let out = mount.cli(&["trash", "restore", "rfp_exports/7/ä b.csv", "--store", &mount.url()]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(
        user.text("os.getxattr(p('rfp_exports/7/ä b.csv'), 'user.cairn.sha256').decode()"),
        crate::support::mount::sha(&content(1, 5000))
    );
    mount.stop();
}

/// 5.3: a crash on the way from the copy to the delete is finished at the next start, without a second copy.
#[test]
fn s5_3_crash_on_the_way_is_finished_at_the_next_start_without_a_second_copy() {
    type Seen = fn(&TestMount) -> bool;
    let copy = || When::method("PUT", ".cairnfs/trash/");
    let delete = || When::method("DELETE", "documents/");
    let moments: [(&str, When, Fault, Seen); 4] = [
        ("before the copy", copy(), Fault::Hang, |m| {
            m.server().faults().count("HEAD", "documents/a.pdf") > 0
        }),
        ("after the copy", copy(), Fault::HangAfterDoing, |m| m.trash().len() == 1),
        ("before the delete", delete(), Fault::Hang, |m| m.trash().len() == 1),
        ("after the delete", delete(), Fault::HangAfterDoing, |m| m.keys().is_empty()),
    ];
    for (told, when, fault, seen) in moments {
        let mut mount = Setup::new(Kind::S3).config(FRESH).object("documents/a.pdf", "old").start();
        mount.server().faults().inject(when, fault, usize::MAX);
        mount.actor().run("os.unlink(p('documents/a.pdf'))");
        eventually(told, || seen(&mount));
        mount.kill();
        mount.server().faults().clear();
        mount.start();
        assert!(!mount.exists("documents/a.pdf"), "{told}: it is shown again");
        eventually("the delete is carried out", || mount.status()["deletes_pending"].as_u64() == Some(0));
        assert!(mount.keys().is_empty(), "{told}");
        assert_eq!(mount.trash(), [("documents/a.pdf".to_owned(), b"old".to_vec())], "{told}");
        mount.stop();
    }
}

/// 5.3: a delete that could not be carried out for a day lapses.
#[test]
fn s5_3_delete_lapses_after_a_day() {
    let mut mount = Setup::new(Kind::S3).config(FRESH).object("documents/a.pdf", "old").start();
    mount.server().faults().inject(
        When::method("DELETE", "documents/"),
        Fault::Status(503, "SlowDown"),
        usize::MAX,
    );
    mount.actor().run("os.unlink(p('documents/a.pdf'))");
    eventually("it waits", || mount.log().contains("the delete waits"));
    assert!(!mount.exists("documents/a.pdf"));
    mount.kill();
    let catalog = Connection::open(mount.state().join("catalog.sqlite")).unwrap();
    catalog.execute("UPDATE deletes SET asked_at = asked_at - 24 * 3600 * 1000000000", []).unwrap();
    drop(catalog);
    mount.start();
    eventually("its name is back", || mount.exists("documents/a.pdf"));
    assert!(mount.has_event(&["not-deleted", "documents/a.pdf"]));
    mount.server().faults().clear();
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", b"old")]);
}

/// 5.3: `restore` puts the copy back first and takes it out of the trash then.
#[test]
fn s5_3_restore_leaves_the_copy_until_the_file_is_back() {
    let copy = ".cairnfs/trash/20260102T030405Z-aaaaaaa/documents/a.pdf";
    let mut mount = Setup::new(Kind::S3).config(FRESH).object(copy, "old").start();
    mount.server().faults().inject(
        When::method("PUT", "documents/"),
        Fault::Status(403, "AccessDenied"),
        usize::MAX,
    );
    let out = mount.cli(&["trash", "restore", "documents/a.pdf", "--store", &mount.url()]);
    assert!(!out.status.success());
    assert_eq!(mount.trash().len(), 1);
    mount.server().faults().clear();
    mount.server().faults().forget();
    let out = mount.cli(&["trash", "restore", "documents/a.pdf", "--store", &mount.url()]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let changes: Vec<String> = mount
        .server()
        .faults()
        .requests()
        .into_iter()
        .filter(|r| ["PUT", "DELETE"].contains(&r.method.as_str()) && !r.key.starts_with(".cairnfs/probe"))
        .map(|r| r.method)
        .collect();
    assert_eq!(changes, ["PUT", "DELETE"]);
    mount.put_object(copy, b"older");
    let out = mount.cli(&["trash", "restore", "documents/a.pdf", "--store", &mount.url()]);
    let key = String::from_utf8(out.stdout).unwrap();
    assert!(is_alternative(key.trim_end(), "documents/a.pdf"), "{key}");
    mount.expect_objects(&[("documents/a.pdf", b"old"), (key.trim_end(), b"older")]);
    mount.stop();
}
