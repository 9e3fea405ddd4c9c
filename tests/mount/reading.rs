//! Section 7: what readers get, and what is asked of the store for it.

use std::time::Duration;

use crate::FRESH;
use crate::support::mount::{Kind, Setup, TestMount, content, eventually};
use crate::support::s3server::When;

on_both_stores! {
    s7_1_open_file_is_one_version,
    s7_1_version_that_is_gone_is_estale,
    s7_1_name_leads_to_the_new_version_once_a_read_was_estale,
    s7_1_name_leads_to_the_new_version_once_a_writer_was_told_estale,
    s7_1_another_version_is_another_inode,
    s7_2_bytes_come_from_the_cache,
    s7_2_cache_survives_restart_and_kill,
    s7_2_disk_budget_holds,
    s7_3_stat_tells_size_time_and_type,
}

const LARGE: usize = 12 << 20;

/// 7.1: what is read through one descriptor is of one version, or ESTALE.
fn s7_1_open_file_is_one_version(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).object("documents/a.pdf", content(1, LARGE)).start();
    let (mut reader, mut late) = (mount.actor(), mount.actor());
    reader.run(&format!("old = content(1, {LARGE}); fd = os.open(p('documents/a.pdf'), os.O_RDONLY)"));
    assert_eq!(reader.run("os.pread(fd, 65536, 0) == old[:65536]"), true);
    mount.put_object("documents/a.pdf", &content(2, LARGE));
    // as far as it is here it is the old one, and where it is not it is none
    reader.run(&format!(
        "stale = 0\n\
         for at in range(0, {LARGE}, 65536):\n\
        \x20   try: assert os.pread(fd, 65536, at) == old[at:at + 65536], 'mixed at %d' % at\n\
        \x20   except OSError as e: assert e.errno == errno.ESTALE, e; stale += 1"
    ));
    assert!(reader.run("stale").as_u64().unwrap() > 0, "all of it was read ahead: the test tests nothing");
    assert_eq!(late.run(&format!("read(p('documents/a.pdf')) == content(2, {LARGE})")), true);
    assert_eq!(reader.run("os.pread(fd, 65536, 0) == old[:65536]"), true);
    reader.run("os.close(fd)");
    assert_eq!(reader.run(&format!("read(p('documents/a.pdf')) == content(2, {LARGE})")), true);
    mount.stop();
}

fn s7_1_version_that_is_gone_is_estale(kind: Kind) {
    let setup = Setup::new(kind).config(FRESH).object("documents/cached.pdf", content(1, 50_000));
    let mut mount = setup
        .object("documents/gone.pdf", content(2, 300_000)) // not fetched by its open, as small ones are
        .object("documents/new.pdf", content(3, 300_000))
        .start();
    let mut reader = mount.actor();
    reader
        .run("a, b, c = (os.open(p(f'documents/{n}.pdf'), os.O_RDONLY) for n in ('cached', 'gone', 'new'))");
    reader.run("assert os.pread(a, 50_000, 0) == content(1, 50_000)");
    mount.remove_object("documents/cached.pdf");
    mount.remove_object("documents/gone.pdf");
    mount.put_object("documents/new.pdf", &content(4, 300_000)); // of the same size
    // out of the pages of the kernel, so that they are asked for again
    reader.run("for fd in (a, b, c): os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)");
    assert_eq!(reader.run("os.pread(a, 50_000, 0) == content(1, 50_000)"), true);
    assert_eq!(reader.fails("os.pread(b, 300_000, 0)"), "ESTALE");
    assert_eq!(reader.fails("os.pread(c, 300_000, 0)"), "ESTALE");
    assert_eq!(reader.run("read(p('documents/new.pdf')) == content(4, 300_000)"), true);
    assert_eq!(reader.fails("os.open(p('documents/gone.pdf'), os.O_RDONLY)"), "ENOENT");
    reader.run("for fd in (a, b, c): os.close(fd)");
    mount.stop();
}

fn s7_1_name_leads_to_the_new_version_once_a_read_was_estale(kind: Kind) {
    let mut mount = Setup::new(kind).object("documents/a.pdf", content(1, 300_000)).start();
    let mut reader = mount.actor();
    // listings are fresh for a while: nothing but the read that fails asks for the name again
    reader.run("f = p('documents/a.pdf'); fd = os.open(f, os.O_RDONLY)");
    mount.put_object("documents/a.pdf", &content(2, 300_000));
    if kind == Kind::S3 {
        let head = When::method("HEAD", "documents/");
        mount.server().faults().always_meanwhile(head, || std::thread::sleep(Duration::from_millis(500)));
    }
    reader.run("os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)");
    assert_eq!(reader.fails("os.pread(fd, 300_000, 0)"), "ESTALE");
    assert_eq!(reader.run("read(f) == content(2, 300_000)"), true);
    reader.run("os.close(fd)");
    mount.stop();
}

/// A draft beside an object begins with that object's bytes: where they are gone, the name leads on as well.
fn s7_1_name_leads_to_the_new_version_once_a_writer_was_told_estale(kind: Kind) {
    let mut mount = Setup::new(kind).object("documents/a.pdf", content(1, 300_000)).start();
    let mut writer = mount.actor();
    writer.run("f = p('documents/a.pdf'); fd = os.open(f, os.O_RDWR)");
    mount.put_object("documents/a.pdf", &content(2, 300_000));
    assert_eq!(writer.fails("os.pread(fd, 300_000, 0)"), "ESTALE");
    assert_eq!(writer.run("read(f) == content(2, 300_000)"), true);
    writer.run("os.close(fd)");
    mount.expect_objects(&[("documents/a.pdf", &content(2, 300_000))]);
    mount.stop();
}

fn s7_1_another_version_is_another_inode(kind: Kind) {
    let mut mount = Setup::new(kind)
        .config(FRESH)
        .object("documents/a.pdf", content(1, 5000))
        .object("documents/b.pdf", "b")
        .start();
    let mut user = mount.actor();
    let look = "(os.listdir(p('documents')), [os.stat(p(f'documents/{n}.pdf')).st_ino for n in 'ab'])[1]";
    let before = user.run(look);
    assert_eq!(user.run(look), before, "the same version is the same inode");
    mount.put_object("documents/a.pdf", &content(2, 5000));
    let after = user.run(look);
    assert_ne!(after[0], before[0]);
    assert_eq!(after[1], before[1]);
    assert_eq!(user.run("read(p('documents/a.pdf')) == content(2, 5000)"), true);
    mount.kill();
    mount.start();
    assert_eq!(mount.actor().run(look), after, "numbers are kept over a restart");
    mount.stop();
}

/// How often an object was asked for; nobody can count that for `file://`.
fn gets(mount: &TestMount) -> usize {
    mount.server().faults().count("GET", "documents/")
}

/// Lets the kernel forget the pages of a file, and reads it.
const READ_AGAIN: &str = "def again(path):\n\
    \x20   fd = os.open(p(path), os.O_RDONLY); os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)\n\
    \x20   data = b''.join(iter(lambda: os.read(fd, 131072), b'')); os.close(fd); return data";

fn s7_2_bytes_come_from_the_cache(kind: Kind) {
    let mut mount = Setup::new(kind).object("documents/a.pdf", content(1, 3_000_000)).start();
    let mut user = mount.actor();
    user.run(READ_AGAIN);
    assert_eq!(user.run("again('documents/a.pdf') == content(1, 3_000_000)"), true);
    if kind == Kind::S3 {
        let first = gets(&mount);
        assert!((1..=6).contains(&first), "a sequential reader is read ahead for: {first} requests");
        for _ in 0..3 {
            assert_eq!(user.run("again('documents/a.pdf') == content(1, 3_000_000)"), true);
        }
        assert_eq!(gets(&mount), first, "cached bytes were asked for again");
        // what was written here is here
        user.run("write(p('documents/b.pdf'), content(2, 100_000))");
        let staging = mount.state().join("staging");
        eventually("its bytes are put away", || std::fs::read_dir(&staging).unwrap().count() == 0);
        assert_eq!(user.run("again('documents/b.pdf') == content(2, 100_000)"), true);
        assert_eq!(gets(&mount), first, "what was published was asked for");
    } else {
        mount.remove_object("documents/a.pdf");
        assert_eq!(user.run("again('documents/a.pdf') == content(1, 3_000_000)"), true);
    }
    mount.stop();
}

fn s7_2_cache_survives_restart_and_kill(kind: Kind) {
    let mut mount = Setup::new(kind).object("documents/a.pdf", content(1, 3_000_000)).start();
    assert!(mount.read("documents/a.pdf") == content(1, 3_000_000));
    for round in 0..2 {
        if round == 0 {
            mount.stop();
        } else {
            mount.kill();
        }
        mount.start();
        if kind == Kind::S3 {
            mount.server().faults().forget();
        }
        assert!(mount.read("documents/a.pdf") == content(1, 3_000_000), "round {round}");
        if kind == Kind::S3 {
            assert_eq!(gets(&mount), 0, "round {round}");
        }
    }
    mount.stop();
}

fn s7_2_disk_budget_holds(kind: Kind) {
    let config = "[write]\nfree_floor = \"1MiB\"\n[cache]\nmemory = \"4MiB\"\ndisk = \"4MiB\"\n";
    let setup = (0..6).fold(Setup::new(kind).config(config), |s, n| {
        s.object(&format!("documents/{n}.pdf"), content(n, 2_000_000))
    });
    let mut mount = setup.start();
    for n in 0..6 {
        assert!(mount.read(&format!("documents/{n}.pdf")) == content(n, 2_000_000));
        let used = mount.status()["cache_disk"]["used"].as_u64().unwrap();
        assert!(used <= 4 << 20, "{used}");
    }
    let memory = mount.status()["cache_memory"]["used"].as_u64().unwrap();
    assert!(memory <= 4 << 20, "{memory}");
    // the last read is still there
    if kind == Kind::S3 {
        mount.server().faults().forget();
        mount.actor().run(&format!("{READ_AGAIN}\nassert again('documents/5.pdf') == content(5, 2_000_000)"));
        assert_eq!(gets(&mount), 0);
    }
    mount.stop();
}

fn s7_3_stat_tells_size_time_and_type(kind: Kind) {
    let mut mount = Setup::new(kind)
        .config(FRESH)
        .object("documents/a.pdf", content(1, 12_345))
        .object("documents/empty.txt", "")
        .start();
    let mut user = mount.actor();
    let told = user.run(
        "import stat\n\
         def tell(path): s = os.stat(p(path)); return [stat.S_IFMT(s.st_mode), s.st_size, abs(s.st_mtime - time.time()) < 60, s.st_blocks]",
    );
    assert!(told.is_null());
    assert_eq!(user.run("tell('documents/a.pdf')"), serde_json::json!([0o100_000, 12_345, true, 25]));
    assert_eq!(user.run("tell('documents/empty.txt')"), serde_json::json!([0o100_000, 0, true, 0]));
    assert_eq!(user.run("tell('documents')[0]"), 0o040_000);
    assert_eq!(
        user.run("sorted((e.name, e.is_file()) for e in os.scandir(p('documents')))"),
        serde_json::json!([["a.pdf", true], ["empty.txt", true]])
    );
    mount.stop();
}

/// 7.3: a fresh directory is looked at without a request.
#[test]
fn s7_3_fresh_directory_costs_no_request() {
    let setup = (0..50).fold(Setup::new(Kind::S3), |s, n| s.object(&format!("documents/{n}.pdf"), "x"));
    let mut mount = setup
        .config("[write]\nfree_floor = \"1MiB\"\n[read]\nlist_ttl = \"1h\"\nmiss_ttl = \"1h\"\n")
        .start();
    assert_eq!(mount.names("documents").len(), 50);
    mount.server().faults().forget();
    for _ in 0..2 {
        // another process each time: it is not the kernel that remembers
        crate::support::actor::sh(
            "ls -l \"$1\" > /dev/null; find \"$1\" -size +100k; test ! -e \"$1\"/none.pdf",
            &[&mount.path("documents")],
        );
    }
    mount.actor().run("for n in range(50): assert os.stat(p(f'documents/{n}.pdf')).st_size == 1");
    let asked = mount.server().faults().requests();
    assert!(
        asked.is_empty(),
        "{:?}",
        asked.iter().map(|r| format!("{} {}", r.method, r.key)).collect::<Vec<_>>()
    );
    mount.stop();
}
