//! Sentence 9.2: who watches a directory hears of a new suffixed name.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init};

use crate::support::mount::{Kind, PATIENCE, Setup, TestMount, eventually};
use crate::support::s3server::{Fault, When};

on_both_stores! {
    s9_2_new_suffixed_name_reaches_those_who_watch_the_directory,
    s9_2_announcing_changes_nothing,
}

/// A file manager: it watches a directory as GLib does.
struct Watcher(OwnedFd);

impl Watcher {
    fn new(dir: &Path) -> Self {
        let inotify = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        let what = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVE
            | WatchFlags::ATTRIB
            | WatchFlags::CLOSE_WRITE;
        add_watch(&inotify, dir, what).unwrap();
        Self(inotify)
    }

    /// Waits for an event with this name.
    #[track_caller]
    fn hears_of(&self, name: &str) {
        let mut heard = Vec::new();
        let until = Instant::now() + PATIENCE;
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.0, &mut buffer);
        loop {
            assert!(Instant::now() < until, "nothing of '{name}', but of {heard:?}");
            match reader.next() {
                Err(e) if e.kind() == ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(5)),
                event => {
                    let event = event.unwrap();
                    let found = event.file_name().map(|n| OsStr::from_bytes(n.to_bytes()).to_owned());
                    if found.as_deref() == Some(OsStr::new(name)) {
                        return;
                    }
                    heard.extend(found);
                }
            }
        }
    }
}

/// The newest name of `a.pdf` that is not among `before`.
fn new_name(mount: &TestMount, before: &mut Vec<String>) -> String {
    let fresh = |before: &Vec<String>| {
        mount.alternatives("documents/a.pdf").into_iter().find(|k| !before.contains(k))
    };
    eventually("it is published", || fresh(before).is_some());
    let key = fresh(before).unwrap();
    before.push(key.clone());
    key.strip_prefix("documents/").unwrap().to_owned()
}

fn s9_2_new_suffixed_name_reaches_those_who_watch_the_directory(kind: Kind) {
    let mut mount =
        Setup::new(kind).object("documents/a.pdf", b"old").object("documents/b.pdf", b"b").start();
    mount.names("documents");
    let watcher = Watcher::new(&mount.path("documents"));
    let mut actor = mount.actor();
    let mut known = Vec::new();
    for code in [
        "write(f, b'opened')",
        "write(p('documents/x.part'), b'renamed'); os.rename(p('documents/x.part'), f)",
        "os.unlink(f); write(f, b'made again')",
        "os.rename(p('documents/b.pdf'), f)",
    ] {
        actor.run("f = p('documents/a.pdf')");
        actor.run(code);
        watcher.hears_of(&new_name(&mount, &mut known));
    }
    mount.stop();
}

/// No object, no state, no time changes, and no mount is kept busy.
fn s9_2_announcing_changes_nothing(kind: Kind) {
    let mut mount = Setup::new(kind).object("documents/a.pdf", b"old").start();
    let watcher = Watcher::new(&mount.path("documents"));
    let mut actor = mount.actor();
    let mut known = Vec::new();
    actor.run("write(p('documents/a.pdf'), b'new', WRITE_NEW)");
    let name = new_name(&mount, &mut known);
    let stat = format!(
        "(lambda s: [s.st_mtime_ns, s.st_mode, s.st_uid, s.st_size])(os.stat(p('documents/{name}')))"
    );
    let before = actor.run(&stat);
    watcher.hears_of(&name);
    assert_eq!(actor.run(&stat), before);
    assert_eq!(mount.names("documents").len(), 2);
    drop(actor);
    drop(watcher);
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", b"old"), ("documents/a_*.pdf", b"new")]);
}

/// 9.2: a file that waits for the store shows up as well.
#[test]
fn s9_2_name_that_waits_reaches_those_who_watch_the_directory() {
    let config = "[write]\nfree_floor = \"1MiB\"\npublish_after = \"1h\"\n";
    let mut mount = Setup::new(Kind::Dir).config(config).object("documents/a.pdf", b"old").start();
    let watcher = Watcher::new(&mount.path("documents"));
    mount.actor().run("write(p('documents/a.pdf'), b'new')");
    let name = mount.names("documents").into_iter().find(|n| n != "a.pdf").unwrap();
    watcher.hears_of(&name);
    mount.stop();
}

/// 10.3: `cairnfs umount` right after a close does not find the mount busy, nor does the kernel's.
#[test]
fn s9_2_unmount_right_after_a_close_is_not_busy() {
    for round in 0..10 {
        let mount = Setup::new(Kind::Dir).object("documents/a.pdf", b"old").start();
        let mut actor = mount.actor();
        actor.run("write(p('documents/a.pdf'), b'new')");
        if round % 2 == 0 {
            let out = mount.cli(&["umount", mount.path("").to_str().unwrap()]);
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        } else {
            rustix::mount::unmount(mount.path(""), rustix::mount::UnmountFlags::empty()).unwrap();
        }
    }
}

/// A daemon that is killed while it announces names goes away, and takes its mount along.
#[test]
fn s9_2_daemon_killed_while_it_announces_ends() {
    for _ in 0..5 {
        let mut mount = Setup::new(Kind::Dir).object("documents/a.pdf", b"old").start();
        let mut actor = mount.actor();
        actor.begin("for i in range(10_000): write(p('documents/a.pdf'), b'new %d' % i)");
        eventually("names are announced", || mount.alternatives("documents/a.pdf").len() > 3);
        mount.kill();
        assert!(actor.end().is_err());
    }
}

/// 10.3: the same where nobody but a program of a user waits in the directory. Each of the two waits for the other in the
/// kernel, and only an abort ends that.
#[test]
fn s10_3_daemon_killed_while_the_kernel_waits_to_be_told_of_a_name_ends() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let setup = Setup::new(Kind::S3).config("[write]\nfree_floor = \"1MiB\"\n[read]\nmiss_ttl = \"0s\"\n");
    let mut mount = setup.object("documents/a.pdf", b"old").start();
    let (mut writer, mut waiter) = (mount.actor(), mount.actor());
    writer.run("fd = os.open(p('documents/a.pdf'), os.O_WRONLY | os.O_TRUNC); os.write(fd, b'new')");
    let faults = mount.server().faults();
    // a name that nobody knows is asked for as an object, which is answered, and as a directory
    let asked = Arc::new(AtomicBool::new(false));
    let ask = Arc::clone(&asked);
    faults
        .meanwhile(When::method("HEAD", "documents/absent.pdf"), move || ask.store(true, Ordering::Relaxed));
    faults.inject(When { query: "absent.pdf", ..When::default() }, Fault::Hang, usize::MAX);
    waiter.begin("os.stat(p('documents/absent.pdf'))");
    eventually("the store is asked", || asked.load(Ordering::Relaxed));
    writer.begin("os.close(fd)");
    eventually("the kernel waits to be told", || is_stuck(&mount, "invalidator"));
    mount.kill();
    assert_eq!(waiter.end(), Err("ECONNABORTED".to_owned()));
}

/// Returns whether the daemon's thread `name` waits in the kernel, where no signal reaches it.
fn is_stuck(mount: &TestMount, name: &str) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{}/task", mount.pid().as_raw_nonzero())).unwrap();
    threads.flatten().any(|thread| {
        let read = |file: &str| std::fs::read_to_string(thread.path().join(file)).unwrap_or_default();
        read("comm").trim_end() == name && read("status").contains("State:\tD")
    })
}
