//! Section 10: start, check and stop.

use std::sync::atomic::Ordering;

use rustix::mount::{UnmountFlags, unmount};

use crate::FRESH;
use crate::support::mount::{Kind, Setup, TestMount, content, eventually};
use crate::support::s3server::{Fault, S3Server, When};

on_both_stores! {
    s10_1_check_says_that_all_is_well,
    s10_3_stop_publishes_what_waits_and_carries_out_deletes,
    s10_3_kernels_umount_is_finished_by_the_daemon,
    s10_3_draft_that_is_open_at_the_stop_is_kept,
}

fn s10_1_check_says_that_all_is_well(kind: Kind) {
    let mut mount = Setup::new(kind).object("documents/a.pdf", "x").start();
    let out = mount.cli(&["check", "--store", &mount.url()]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(String::from_utf8_lossy(&out.stdout).contains("can be used"));
    mount.stop();
}

/// What a store answers, and how it is worded; the code is that of the process.
type Answer = (fn(&S3Server), i32, &'static str);

const ANSWERS: &[Answer] = &[
    (|s| s.faults().deny(""), 10, "S3/MinIO credentials are invalid or permissions are insufficient."),
    (
        |s| s.faults().inject(When::method("HEAD", ""), Fault::Status(404, "NoSuchBucket"), 99),
        11,
        "Bucket 'test' does not exist.",
    ),
    (
        |s| s.faults().inject(When::method("HEAD", ""), Fault::Status(405, "MethodNotAllowed"), 99),
        12,
        "S3/MinIO error (405): ",
    ),
    (|s| s.faults().inject(When::default(), Fault::Cut, usize::MAX), 14, "S3/MinIO error (Unreachable): "),
];

#[test]
fn s10_1_mount_and_check_word_what_the_store_answers() {
    let running = Setup::new(Kind::S3).start();
    for (set, code, words) in ANSWERS {
        let (status, said) = Setup::new(Kind::S3).server(set).start_fails();
        assert_eq!(status.code(), Some(*code), "{said}");
        assert!(said.contains(words), "{said}");
        running.server().faults().clear();
        set(running.server());
        let out = running.cli(&["check", "--store", &running.url()]);
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(*code), "{said}");
        assert!(said.contains(words) && said.lines().count() == 1, "{said}");
        running.server().faults().allow_all();
    }
}

/// 10.1: HeadBucket comes first, and a 403 to it is final only where a domain prefix may not be listed either.
#[test]
fn s10_1_head_bucket_is_asked_before_anything_else() {
    for denied in [false, true] {
        let mut mount = Setup::new(Kind::S3)
            .object("documents/a.pdf", "x")
            .server(move |s| s.faults().deny_head_bucket.store(denied, Ordering::Relaxed))
            .start();
        let requests = mount.server().faults().requests();
        assert!(requests[0].method == "HEAD" && requests[0].key.is_empty(), "{:?}", requests[0]);
        if denied {
            assert!(requests[1].query.contains("prefix=documents"), "{:?}", requests[1].query);
        }
        assert_eq!(mount.read("documents/a.pdf"), b"x");
        mount.stop();
    }
}

/// 10.2: a bucket that the state directory knows is mounted without the store, and serves what it knows.
#[test]
fn s10_2_known_bucket_is_mounted_without_the_store() {
    let config = "[write]\nfree_floor = \"1MiB\"\n[read]\ndeadline = \"3s\"\n";
    let mut mount = Setup::new(Kind::S3)
        .config(config)
        .object("documents/a.pdf", "cached")
        .object("documents/b.pdf", "not")
        .start();
    assert_eq!(mount.read("documents/a.pdf"), b"cached");
    assert_eq!(mount.names("documents").len(), 2);
    mount.stop();
    mount.server().faults().inject(When::default(), Fault::Cut, usize::MAX);
    let out = mount.cli(&["check", "--store", &mount.url()]);
    assert_eq!(out.status.code(), Some(14), "check fails all the same");
    mount.start();
    assert_eq!(mount.names("documents"), ["a.pdf", "b.pdf"]);
    assert_eq!(mount.read("documents/a.pdf"), b"cached");
    let mut user = mount.actor();
    assert_eq!(user.fails("read(p('documents/b.pdf'))"), "EIO");
    assert_eq!(user.fails("os.listdir(p('rfp_exports'))"), "EIO");
    user.run("write(p('documents/c.pdf'), b'new')");
    assert_eq!(mount.drafts("queued"), 1);
    assert!(mount.log().contains("with what is known of this bucket"));
    mount.server().faults().clear();
    eventually("it is published", || mount.keys().len() == 3);
    assert_eq!(mount.read("documents/b.pdf"), b"not");
    mount.stop();
    // another bucket is not known
    let state = mount.state().to_owned();
    let (status, said) = Setup::new(Kind::S3)
        .server(|s| s.faults().inject(When::default(), Fault::Cut, usize::MAX))
        .state(&state.with_file_name("other"))
        .start_fails();
    assert_eq!(status.code(), Some(14), "{said}");
}

/// A draft that waits for its maker, an empty one, and a delete.
fn waiting(kind: Kind) -> TestMount {
    let config = "[write]\nfree_floor = \"1MiB\"\npublish_after = \"1h\"\ndelete_after = \"1h\"\nempty_after = \"1h\"\n";
    let mount = Setup::new(kind).config(config).object("documents/old.pdf", "old").start();
    mount.actor().run("write(p('documents/a.pdf'), content(1, 5000)); os.mknod(p('documents/empty.txt')); os.unlink(p('documents/old.pdf'))");
    mount.expect_objects(&[("documents/old.pdf", b"old")]);
    mount
}

fn settled(mount: &TestMount) {
    mount.expect_objects(&[("documents/a.pdf", &content(1, 5000)), ("documents/empty.txt", b"")]);
    assert_eq!(mount.trash(), [("documents/old.pdf".to_owned(), b"old".to_vec())]);
}

fn s10_3_stop_publishes_what_waits_and_carries_out_deletes(kind: Kind) {
    let mut mount = waiting(kind);
    mount.stop();
    settled(&mount);
    let mount = waiting(kind);
    let out = mount.cli(&["umount", mount.path("").to_str().unwrap()]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    settled(&mount);
}

fn s10_3_kernels_umount_is_finished_by_the_daemon(kind: Kind) {
    if !rustix::process::geteuid().is_root() {
        return; // only root may
    }
    let mount = waiting(kind);
    unmount(mount.path(""), UnmountFlags::empty()).unwrap();
    eventually("the daemon has published what waited", || {
        mount.keys().len() == 2 && mount.trash().len() == 1
    });
    settled(&mount);
}

/// 10.3: half a file is not published; what is in it is kept.
fn s10_3_draft_that_is_open_at_the_stop_is_kept(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).start();
    let mut user = mount.actor();
    user.run("fd = os.open(p('documents/half.pdf'), WRITE_NEW); write_all(fd, b'half'); os.fsync(fd)");
    mount.stop();
    assert!(mount.keys().is_empty());
    drop(user);
    mount.start();
    eventually("it is kept aside", || mount.drafts("interrupted") == 1);
    assert!(mount.names("documents").is_empty());
    mount.stop();
}

/// 10.3: nothing new is taken while what waits is published.
#[test]
fn s10_3_no_new_writes_while_it_stops() {
    let config = "[write]\nfree_floor = \"1MiB\"\npublish_after = \"1h\"\n[read]\nlist_ttl = \"1h\"\nmiss_ttl = \"1h\"\n";
    let mount = Setup::new(Kind::S3).config(config).object("documents/old.pdf", "old").start();
    let mut user = mount.actor();
    user.run("os.listdir(p('documents')); write(p('documents/a.pdf'), b'a')");
    let (tell, told) = std::sync::mpsc::channel();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    mount.server().faults().meanwhile(When::method("PUT", "documents/a.pdf"), move || {
        tell.send(()).unwrap();
        let _ = wait.lock().unwrap().recv_timeout(crate::support::mount::PATIENCE);
    });
    std::thread::scope(|scope| {
        let stop = scope.spawn(|| mount.cli(&["umount", mount.path("").to_str().unwrap()]));
        told.recv_timeout(crate::support::mount::PATIENCE).unwrap();
        for code in [
            "write(p('documents/b.pdf'), b'b')",
            "os.unlink(p('documents/old.pdf'))",
            "os.mkdir(p('rfp_exports/9'))",
            "os.rename(p('documents/old.pdf'), p('documents/new.pdf'))",
        ] {
            assert_eq!(user.fails(code), "EROFS", "{code}");
        }
        assert_eq!(user.run("read(p('documents/old.pdf')) == b'old'"), true, "readers go on");
        go.send(()).unwrap();
        let out = stop.join().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    });
    mount.expect_objects(&[("documents/old.pdf", b"old"), ("documents/a.pdf", b"a")]);
}

/// 10.3: what is left is counted by message and exit code, and done at the next mount.
#[test]
fn s10_3_what_is_left_is_counted_and_done_at_the_next_mount() {
    let config = "[write]\nfree_floor = \"1MiB\"\npublish_after = \"1h\"\ndelete_after = \"1h\"\ndrain = \"1s\"\n[read]\ndeadline = \"2s\"\n";
    let mut mount = Setup::new(Kind::S3).config(config).object("documents/old.pdf", "old").start();
    mount.actor().run("write(p('documents/a.pdf'), b'a'); write(p('documents/b.pdf'), b'b'); os.unlink(p('documents/old.pdf'))");
    mount.server().faults().inject(When::default(), Fault::Cut, usize::MAX);
    assert_eq!(mount.stop_with_code(), 20 + 3);
    let log = mount.log();
    assert!(log.contains("2 files are not published") && log.contains("1 deletes not carried out"), "{log}");
    mount.server().faults().clear();
    mount.configure(FRESH);
    mount.start();
    eventually("they are published", || mount.keys().len() == 3);
    assert!(!mount.exists("documents/old.pdf"));
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", b"a"), ("documents/b.pdf", b"b")]);
    assert_eq!(mount.trash().len(), 1);
}
