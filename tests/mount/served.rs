//! Sentences 9.4 to 9.6: owners and modes, what there is not, privacy, and how much room there seems to be.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;

use crate::FRESH;
use crate::support::actor::Actor;
use crate::support::mount::{Kind, Setup, TestMount};

on_both_stores! {
    s9_4_modes_and_owner_come_from_the_configuration,
    s9_4_who_made_it_owns_it_for_an_hour,
    s9_4_access_is_checked_by_mode_owner_and_groups,
    s9_4_chmod_and_chown_succeed_and_are_not_kept,
    s9_4_times_of_a_draft_travel_with_it,
    s9_4_times_of_an_object_stay_but_for_its_publisher,
    s9_4_what_there_is_not,
    s9_4_locks_are_local_to_the_mount,
    s9_6_statfs_tells_plenty_or_nothing,
}

const OWNED: &str = "[write]\nfree_floor = \"1MiB\"\n[mount]\nuid = 1200\ngid = 1300\nfile_mode = \"0640\"\ndir_mode = \"0750\"\nallow_other = true\n";

fn told(mount: &TestMount, path: &str) -> (u32, u32, u32) {
    let s = std::fs::metadata(mount.path(path)).unwrap();
    (s.mode() & 0o7777, s.uid(), s.gid())
}

/// Another user at work in `documents`: the directory of the test is closed to others, a descriptor below it is not.
fn somebody(mount: &TestMount, uid: u32, gid: u32, groups: &str) -> Actor {
    let mut user = mount.actor();
    user.run(&format!(
        "d = os.open(p('documents'), os.O_RDONLY); os.fchdir(d); os.setgroups({groups}); os.setgid({gid}); os.setuid({uid})"
    ));
    user
}

#[expect(clippy::print_stderr, reason = "a test that tests nothing says so")]
fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("only root can be somebody else: nothing is tested");
    }
    root
}

fn s9_4_modes_and_owner_come_from_the_configuration(kind: Kind) {
    let mut mount = Setup::new(kind).config(OWNED).object("rfp_exports/7/a.csv", "x").start();
    assert_eq!(told(&mount, "rfp_exports/7/a.csv"), (0o640, 1200, 1300));
    for dir in ["", "documents", "rfp_exports/7"] {
        assert_eq!(told(&mount, dir), (0o750, 1200, 1300), "{dir}");
    }
    mount.stop();
}

fn s9_4_who_made_it_owns_it_for_an_hour(kind: Kind) {
    if !is_root() {
        return;
    }
    let config = OWNED.replace("0750", "0777");
    let mut mount = Setup::new(kind).config(&config).start();
    let mut user = somebody(&mount, 5000, 6000, "[]");
    user.run("fd = os.open('draft.pdf', os.O_WRONLY | os.O_CREAT, 0o600); write('a.part', b'x')");
    assert_eq!(told(&mount, "documents/draft.pdf"), (0o640, 5000, 6000));
    assert_eq!(told(&mount, "documents/a.part"), (0o640, 5000, 6000));
    user.run("write_all(fd, b'x'); os.close(fd)");
    assert_eq!(mount.keys(), ["documents/draft.pdf"]);
    assert_eq!(told(&mount, "documents/draft.pdf"), (0o640, 5000, 6000), "what it became is theirs as well");
    drop(user);
    // an hour later
    mount.stop();
    let catalog = Connection::open(mount.state().join("catalog.sqlite")).unwrap();
    catalog.execute("UPDATE entries SET touched_at = touched_at - 3600 * 1000000000", []).unwrap();
    drop(catalog);
    mount.start();
    assert_eq!(told(&mount, "documents/draft.pdf"), (0o640, 1200, 1300));
    assert_eq!(told(&mount, "documents/a.part"), (0o640, 5000, 6000));
    mount.stop();
}

fn s9_4_access_is_checked_by_mode_owner_and_groups(kind: Kind) {
    if !is_root() {
        return;
    }
    let mut mount =
        Setup::new(kind).config(&OWNED.replace("0750", "0775")).object("documents/a.pdf", "x").start();
    // (user, group, other groups, may read the file, may make one)
    for (uid, gid, groups, reads, makes) in [
        (1200, 9, "[]", true, true),
        (9, 1300, "[]", true, true),
        (9, 9, "[7, 1300]", true, true),
        (9, 9, "[7]", false, false),
    ] {
        let who = format!("{uid}:{gid} {groups}");
        let mut user = somebody(&mount, uid, gid, groups);
        let read = "os.close(os.open('a.pdf', os.O_RDONLY))";
        let make =
            format!("os.close(os.open('by-{uid}-{gid}-{}.pdf', os.O_WRONLY | os.O_CREAT))", groups.len());
        if reads {
            drop(user.run(read))
        } else {
            assert_eq!(user.fails(read), "EACCES", "{who}")
        }
        if makes {
            drop(user.run(&make))
        } else {
            assert_eq!(user.fails(&make), "EACCES", "{who}")
        }
        assert_eq!(user.run("os.access('a.pdf', os.R_OK)"), reads, "{who}");
        if !makes {
            for code in [
                "os.unlink('a.pdf')",
                "os.rename('a.pdf', 'b.pdf')",
                "os.mkdir('.~tmp~')",
                "os.mknod('c.pdf')",
            ] {
                assert_eq!(user.fails(code), "EACCES", "{who} {code}");
            }
        }
        // the group may read and not write
        let write = "os.open('a.pdf', os.O_WRONLY)";
        if uid == 1200 {
            user.run(&format!("os.close({write})"));
        } else {
            assert_eq!(user.fails(write), "EACCES", "{who}");
        }
    }
    mount.stop();
    // a directory that others may not search or list
    let mut mount =
        Setup::new(kind).config(&OWNED.replace("0750", "0700")).object("documents/a.pdf", "x").start();
    let mut user = somebody(&mount, 9, 9, "[]");
    assert_eq!(user.fails("os.stat('a.pdf')"), "EACCES");
    assert_eq!(user.fails("os.listdir('.')"), "EACCES");
    drop(user);
    mount.stop();
}

fn s9_4_chmod_and_chown_succeed_and_are_not_kept(kind: Kind) {
    let mut mount = Setup::new(kind).config(OWNED).object("documents/a.pdf", "x").start();
    let mut user = mount.actor();
    user.run("fd = os.open(p('documents/draft.pdf'), WRITE_NEW)");
    for path in ["documents/a.pdf", "documents/draft.pdf", "documents"] {
        let before = told(&mount, path);
        user.run(&format!("os.chmod(p('{path}'), 0o777); os.chown(p('{path}'), -1, -1)"));
        if rustix::process::geteuid().is_root() {
            user.run(&format!("os.chown(p('{path}'), 77, 77)"));
        }
        // another process, so that it is not the kernel's memory
        assert_eq!(told(&mount, path), before, "{path}");
    }
    user.run("os.close(fd)");
    drop(user);
    mount.stop();
}

fn mtime(mount: &TestMount, path: &str) -> SystemTime {
    std::fs::metadata(mount.path(path)).unwrap().modified().unwrap()
}

fn s9_4_times_of_a_draft_travel_with_it(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).start();
    let mut user = mount.actor();
    let then = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    user.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW); write_all(fd, b'x'); os.utime(fd, (1, 1_000_000_000)); os.close(fd)");
    user.run("write(p('documents/b.part'), b'x'); os.utime(p('documents/b.part'), (1, 1_000_000_000)); os.mkdir(p('rfp_exports/7')); os.rename(p('documents/b.part'), p('rfp_exports/7/b.pdf'))");
    for path in ["documents/a.pdf", "rfp_exports/7/b.pdf"] {
        assert_eq!(mtime(&mount, path), then, "{path}");
    }
    // another host that asks for them by their names
    let mut other = Setup::new(kind).config(FRESH).bucket_of(&mount).start();
    for path in ["documents/a.pdf", "rfp_exports/7/b.pdf"] {
        assert_eq!(mtime(&other, path), then, "{path}");
    }
    other.stop();
    mount.kill();
    mount.start();
    assert_eq!(mtime(&mount, "documents/a.pdf"), then);
    mount.stop();
}

fn s9_4_times_of_an_object_stay_but_for_its_publisher(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).object("documents/old.pdf", "x").start();
    let (mut user, mut other) = (mount.actor(), mount.actor());
    let before = mtime(&mount, "documents/old.pdf");
    user.run("os.utime(p('documents/old.pdf'), (1, 1_000_000_000))");
    assert_eq!(mtime(&mount, "documents/old.pdf"), before);
    user.run("write(p('documents/a.pdf'), b'x')");
    let published = mtime(&mount, "documents/a.pdf");
    other.run("os.utime(p('documents/a.pdf'), (1, 1_000_000_000))");
    assert_eq!(mtime(&mount, "documents/a.pdf"), published, "another process has changed it");
    user.run("os.utime(p('documents/a.pdf'), (1, 1_000_000_000))");
    assert_eq!(mtime(&mount, "documents/a.pdf"), UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    mount.stop();
}

fn s9_4_what_there_is_not(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).object("documents/a.pdf", "x").start();
    let mut user = mount.actor();
    user.run("write(p('documents/s.part'), b's'); fd = os.open(p('documents/d.pdf'), WRITE_NEW); write_all(fd, b'd')");
    let root = rustix::process::geteuid().is_root();
    let device =
        if root { "os.mknod(p('documents/x.pdf'), 0o060600, 7)" } else { "os.mkfifo(p('documents/x.pdf'))" };
    for (code, errno) in [
        ("os.symlink('a.pdf', p('documents/x.pdf'))", "EPERM"),
        ("os.mkfifo(p('documents/x.pdf'))", "EPERM"),
        ("socket.socket(socket.AF_UNIX).bind(p('documents/x.pdf'))", "EPERM"),
        (device, "EPERM"),
        ("os.link(p('documents/a.pdf'), p('documents/x.pdf'))", "EPERM"),
        ("os.link(p('documents/d.pdf'), p('documents/x.pdf'))", "EPERM"),
        ("os.link(p('documents/a.pdf'), p('documents/x.part'))", "EPERM"),
        ("os.link(p('documents/s.part'), p('documents/x.part'))", "EPERM"),
        ("os.open(p('documents'), os.O_TMPFILE | os.O_WRONLY)", "ENOTSUP"),
    ] {
        // socket paths are short
        let code = if code.starts_with("socket") {
            format!("os.chdir(p('documents')); {}", code.replace("p('documents/x.pdf')", "'x.pdf'"))
        } else {
            code.to_owned()
        };
        assert_eq!(user.fails(&code), errno, "{code}");
    }
    user.run("os.close(fd)");
    assert_eq!(mount.names("documents"), ["a.pdf", "d.pdf", "s.part"]);
    mount.stop();
}

fn s9_4_locks_are_local_to_the_mount(kind: Kind) {
    let mut one = Setup::new(kind).config(FRESH).object("documents/a.pdf", "x").start();
    let mut two = Setup::new(kind).config(FRESH).bucket_of(&one).start();
    let open = "fd = os.open(p('documents/a.pdf'), os.O_RDONLY)";
    let lock = "fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)";
    let (mut a, mut b, mut far) = (one.actor(), one.actor(), two.actor());
    for actor in [&mut a, &mut b, &mut far] {
        actor.run(open);
    }
    a.run(lock);
    assert_eq!(b.fails(lock), "EAGAIN");
    far.run(lock);
    a.run("os.close(fd)");
    b.run(lock);
    // and those of POSIX, on a draft
    for actor in [&mut a, &mut b] {
        actor.run("fd = os.open(p('documents/d.pdf'), os.O_RDWR | os.O_CREAT)");
    }
    a.run("fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 10)");
    assert_eq!(b.fails("fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 10)"), "EAGAIN");
    b.run("fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 100)");
    for actor in [a, b, far] {
        actor.leave();
    }
    one.stop();
    two.stop();
}

/// 9.5: nothing that we send makes an object public.
#[test]
fn s9_5_no_public_acl_is_sent() {
    let config = format!("[store]\npart_size = \"5MiB\"\n{FRESH}");
    let mut mount = Setup::new(Kind::S3).config(&config).object("documents/old.pdf", "x").start();
    mount.actor().run(
        "write(p('documents/a.pdf'), b'x'); write(p('documents/large.pdf'), content(1, 6 << 20))\n\
         os.rename(p('documents/a.pdf'), p('documents/b.pdf')); os.unlink(p('documents/old.pdf'))",
    );
    mount.stop();
    let requests = mount.server().faults().requests();
    assert!(requests.iter().filter(|r| r.method == "PUT").count() >= 4);
    for request in requests {
        assert!(request.headers.get("x-amz-acl").is_none_or(|acl| acl == "private"), "{request:?}");
        assert!(!request.headers.keys().any(|h| h.as_str().starts_with("x-amz-grant")), "{request:?}");
        assert!(!request.query.split('&').any(|q| q == "acl" || q == "acl="), "{request:?}");
    }
}

/// 9.5: any public ACL in the settings.
#[test]
fn s9_5_public_acl_is_refused_at_start() {
    for acl in [
        "public-read",
        "public-read-write",
        "authenticated-read",
        "bucket-owner-read",
        "private, public-read",
    ] {
        let config = format!("[store]\ndefault_acl = \"{acl}\"\n");
        let (status, said) = Setup::new(Kind::S3).config(&config).start_fails();
        assert_eq!(status.code(), Some(2), "{acl}: {said}");
        assert!(said.contains("ACL") && said.contains(acl), "{said}");
    }
    let config = format!("[store]\ndefault_acl = \"private\"\n{FRESH}");
    Setup::new(Kind::S3).config(&config).start().stop();
}

fn s9_6_statfs_tells_plenty_or_nothing(kind: Kind) {
    let ask = "(lambda s: [s.f_bavail * s.f_frsize, s.f_bfree * s.f_frsize, s.f_namemax])(os.statvfs(p('documents')))";
    let mut mount = Setup::new(kind).config(FRESH).start();
    let plenty = 1_u64 << 50;
    assert_eq!(mount.actor().run(ask), serde_json::json!([plenty, plenty, 255]));
    mount.stop();
    mount.configure("[write]\nfree_floor = \"1000000GiB\"\n");
    mount.start();
    assert_eq!(mount.actor().run(ask), serde_json::json!([0, 0, 255]));
    mount.stop();
    // a budget that is used up; what is published makes room again
    mount.configure("[write]\nfree_floor = \"1MiB\"\nstaging_budget = \"100kB\"\n");
    mount.start();
    let mut user = mount.actor();
    user.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW); write_all(fd, content(1, 100_000))");
    assert_eq!(user.run(ask)[0], 0);
    user.run("os.close(fd)");
    crate::support::mount::eventually("there is room", || user.run(ask)[0] == plenty);
    mount.stop();
}
